//! An export that is offered, before any of its files takes the place of anything: whose it is, and which files it may have.
//!
//! The charters stand first in a manifest. So whoever is offered one reads them before all else, and nobody but whom they name
//! makes him read, or remember, more: a manifest may name millions of files.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::log::signed_by_author;
use crate::audit::tiles::{LogTree, TILE_BYTES_MAX, tile_hashes};
use crate::audit::verify::due;
use crate::audit::{Fault, Files, Manifest, ManifestError, Payloads, Unreadable, layout};
use crate::charter::{CharterChain, CharterError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, MANIFEST_BYTES_MAX};
use crate::note::{Note, NoteError};
use crate::tree::{ReadError, level1};

/// A manifest of which nothing is believed yet.
#[derive(Debug, Clone)]
pub struct Offer {
    note: Note,
    /// The exporting unit's network.
    pub network: NetworkName,
    /// The exporting unit.
    pub unit: UnitId,
    /// Which payloads it shows.
    pub payloads: Payloads,
    /// The charters: path and SHA-256.
    pub charters: BTreeMap<String, Hash>,
}

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The manifest's form.
    #[error("its manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The charters.
    #[error("its charters: {0}")]
    Charters(#[from] CharterError),
    /// A charter that must be among them is not.
    #[error(
        "it does not have version {version} of the charter with digest {digest}: it is another network's, or older than what \
         is known here"
    )]
    NotPinned {
        /// The version.
        version: u32,
        /// SHA-256 of its text.
        digest: Hash,
    },
    /// It was founded anew, and nobody here has said that this counts.
    #[error(
        "its network was founded anew by a charter with digest {0}: whether that counts, units tell by hand; name that charter \
         with --charter if it does"
    )]
    Refounded(Hash),
    /// No charter lists the unit.
    #[error("no version of its charter lists {0}")]
    UnknownExporter(String),
    /// The signature.
    #[error("the node of {unit} has not signed its manifest: {fault}")]
    Unsigned {
        /// Whose node.
        unit: UnitId,
        /// Why not.
        fault: NoteError,
    },
}

impl Offer {
    /// Reads the first lines of a manifest's note.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        let note = Note::parse(bytes, MANIFEST_BYTES_MAX)?;
        let (network, unit, payloads, charters) = Manifest::head(&note)?;
        Ok(Self { note, network, unit, payloads, charters })
    }

    /// Verifies that the exporting unit's node signed it, under charters of which all that are `pinned`, by version and digest,
    /// are among those that came; gives all that the manifest says.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn verify(
        &self,
        charters: &BTreeMap<String, Vec<u8>>,
        pinned: &[(u32, Hash)],
    ) -> Result<(Manifest, CharterChain), OfferError> {
        let chain = chain(charters)?;
        if let Some((version, digest)) = pinned.iter().find(|(_, digest)| chain.of_digest(digest).is_none()) {
            return Err(OfferError::NotPinned { version: *version, digest: *digest });
        }
        // What a founding anew continues it names by itself; that it counts, only whoever pins it, or one behind it, says.
        let unpinned =
            chain.all().rev().take_while(|charter| !pinned.iter().any(|(_, known)| *known == charter.digest()));
        if let Some(anew) = unpinned.filter(|_| !pinned.is_empty()).find(|charter| charter.terms().continues.is_some())
        {
            return Err(OfferError::Refounded(anew.digest()));
        }
        let listed = chain.all().rev().find_map(|charter| charter.unit(&self.unit));
        let Some(listed) = listed.filter(|_| self.network == *chain.newest().network()) else {
            return Err(OfferError::UnknownExporter(format!("{}/{}", self.network, self.unit)));
        };
        let unsigned = |fault| OfferError::Unsigned { unit: self.unit.clone(), fault };
        Manifest::signed(&self.note, &listed.mirror_key).map_err(unsigned)?;
        Ok((Manifest::of(&self.note)?, chain))
    }
}

/// The chain of the charters in files of these names.
///
/// # Errors
/// [`CharterError`].
pub fn chain(charters: &BTreeMap<String, Vec<u8>>) -> Result<CharterChain, CharterError> {
    let turn = |path: &String| {
        let name = path.strip_prefix("charter/")?.strip_suffix(".note")?;
        let (refounded, version) = name.strip_prefix('r').and_then(|name| name.split_once('-')).unwrap_or(("0", name));
        let turn = (refounded.parse::<u32>().ok()?, version.parse::<u32>().ok()?);
        (layout::charter(turn.0, turn.1) == *path).then_some(turn)
    };
    let mut notes: Vec<_> = charters.iter().map(|(path, note)| (turn(path), note)).collect();
    notes.sort_by_key(|(turn, _)| *turn);
    CharterChain::read(notes.into_iter().map(|(_, note)| note))
}

/// What a checkpoint says that is offered, by any key that a charter gives to the unit's log.
///
/// # Errors
/// [`CheckpointError`].
pub fn offered_checkpoint(bytes: &[u8], charters: &CharterChain, unit: &UnitId) -> Result<Checkpoint, CheckpointError> {
    signed_by_author(bytes, charters, unit)
}

/// A file that a manifest names and no export has of logs of these sizes.
#[must_use]
pub fn foreign(manifest: &Manifest, charters: &CharterChain, sizes: &BTreeMap<UnitId, Size>) -> Option<Fault> {
    let named = manifest.files();
    // Nobody counts up to a size that no disk holds.
    let most = u64::try_from(named.len()).unwrap_or(u64::MAX);
    if let Some((unit, size)) = sizes.iter().find(|(_, size)| size.bundles() > most) {
        return Some(Fault::Short { path: layout::checkpoint(unit), size: *size });
    }
    let due: BTreeSet<String> = due(charters, sizes, named.keys(), named.keys());
    named.keys().find(|path| !due.contains(*path)).cloned().map(Fault::Foreign)
}

/// Why a log may not take the place of what was held of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExtended {
    /// It is smaller.
    #[error("it SHRANK from {before} records to {now}")]
    Shrunk {
        /// Its size before.
        before: Size,
        /// Its size now.
        now: Size,
    },
    /// It says something else.
    #[error("of its first {0} records it says something else now")]
    Rewritten(Size),
    /// What would show it is not there.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

/// Checks that the log in these files, which has a checkpoint `now`, goes on from what was held: a size, and the root at it if
/// that is known.
///
/// # Errors
/// [`NotExtended`].
pub fn extends<F: Files>(
    files: &F,
    unit: &UnitId,
    now: &Checkpoint,
    (before, root): (Size, Option<Hash>),
) -> Result<(), NotExtended> {
    if before > now.size {
        return Err(NotExtended::Shrunk { before, now: now.size });
    }
    let Some(root) = root else { return Ok(()) };
    let mut above = Vec::new();
    for (_, number, width) in layout::upper_tiles(now.size).filter(|(level, ..)| *level == 1) {
        let bytes = files.read(&layout::tile(unit, 1, number, width), TILE_BYTES_MAX)?;
        above.extend(tile_hashes(&bytes, width).ok_or(Unreadable::Absent)?);
    }
    let tree = LogTree { files, unit, size: now.size, level1: &above };
    // Whoever gives tiles that do not belong together shows nothing by them.
    let within = usize::try_from(before.bundles()).unwrap_or(usize::MAX);
    let cut = before.bundled() != before && before.bundles() < now.size.bundles();
    let belongs = !cut || {
        let leaves = tree.leaves(before.bundles())?;
        let whole = u64::try_from(leaves.len()).is_ok_and(|count| count == BUNDLE_ENTRIES);
        whole && level1(&leaves).ok().as_ref() == above.get(within)
    };
    let root_at = |size| {
        tree.root(size).map_err(|error| match error {
            ReadError::Source(error) => NotExtended::Unreadable(error),
            _ => NotExtended::Rewritten(before),
        })
    };
    if belongs && root_at(now.size)? == now.root && root_at(before)? == root {
        return Ok(());
    }
    Err(NotExtended::Rewritten(before))
}

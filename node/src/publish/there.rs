//! What lies in a place: whose it is, and what of it is what it should be.
//!
//! Names are not believed. A round that was broken off, storage that lost something or a person with a shell may have left any
//! bytes under any name, and what was to be erased may be among them. So every file is read and hashed when a place is looked
//! at, and only what is found is taken for there.

use std::collections::{BTreeMap, BTreeSet};

use entente_proto::audit::{MANIFEST, Manifest, bytes_max, checkpoint, tile, upper_tiles};
use entente_proto::checkpoint::Checkpoint;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::limits::{MANIFEST_BYTES_MAX, NOTE_BYTES_MAX};
use entente_proto::note::Note;
use futures_util::{StreamExt as _, stream};

use super::place::Seen;
use super::round::{Means, RoundError, sign};
use super::{NEXT, Place, PlaceError};
use crate::core::Core;
use crate::files::is_leftover;

/// Files that are read at once. The largest has 16 MiB.
const AT_ONCE: usize = 8;

/// What stands for whatever this node never wrote: no file has this SHA-256.
const OTHER: Hash = Hash([0; 32]);

/// What lies in the place.
pub(super) struct There {
    /// What the manifest says; no files where there was none.
    pub(super) manifest: Manifest,
    /// The manifest's note.
    pub(super) seen: Seen,
    /// Every file that has the name of one of an export, and what it holds.
    pub(super) files: BTreeMap<String, Hash>,
    /// What is there besides and was written by this node.
    pub(super) strays: BTreeSet<String>,
    /// The checkpoint of each log that the manifest names.
    pub(super) heads: BTreeMap<UnitId, Vec<u8>>,
    /// The hashes over the full bundles of each log, as far as they are told there.
    pub(super) level1: BTreeMap<UnitId, Vec<Hash>>,
}

/// Finds out what lies in the place. What is `known` is taken for there as long as the manifest is the one that was written then.
pub(super) fn find(means: &Means<'_>, known: Option<There>) -> Result<There, RoundError> {
    match means.handle.block_on(means.place.see(MANIFEST, MANIFEST_BYTES_MAX)) {
        Ok((note, seen)) => match known.filter(|known| known.seen.is_same(&seen)) {
            Some(known) => Ok(There { seen, ..known }),
            None => look(means, &note, seen),
        },
        Err(PlaceError::Absent(_)) => claim(means),
        Err(error) => Err(error.into()),
    }
}

/// Reads all that is there.
fn look(means: &Means<'_>, note: &[u8], seen: Seen) -> Result<There, RoundError> {
    let manifest = ours(means.core, note)?;
    let mut names = means.handle.block_on(means.place.list())?;
    remove_leftovers(means, &mut names)?;
    let held = means.handle.block_on(hold(means.place, &manifest, &names))?;
    let strays = names.into_iter().filter(|path| path.starts_with(NEXT)).collect();
    let (heads, level1) = tell(&manifest, held.kept);
    Ok(There { manifest, seen, files: held.files, strays, heads, level1 })
}

/// What this node's process left half written when it was killed. It takes room, and a manifest has much.
fn remove_leftovers(means: &Means<'_>, names: &mut BTreeSet<String>) -> Result<(), RoundError> {
    let leftovers: Vec<String> = names.iter().filter(|path| is_leftover(path)).cloned().collect();
    names.retain(|path| !is_leftover(path));
    Ok(means.handle.block_on(means.place.remove(leftovers))?)
}

/// A manifest without files, so that whatever is left there by a round that breaks off is known to be this node's.
fn claim(means: &Means<'_>) -> Result<There, RoundError> {
    let mut names = means.handle.block_on(means.place.list())?;
    names.retain(|path| !is_leftover(path) && path != MANIFEST);
    if !names.is_empty() {
        return Err(RoundError::NotOurs(
            "something lies there that is no publication: name a place that is empty, or empty this one".to_owned(),
        ));
    }
    let core = means.core;
    let manifest = Manifest::new(core.charters().newest().network().clone(), core.unit.clone(), means.payloads);
    let note = sign(core, &manifest)?;
    means.handle.block_on(means.place.replace(MANIFEST, note.clone(), None))?;
    let (written, seen) = means.handle.block_on(means.place.see(MANIFEST, MANIFEST_BYTES_MAX))?;
    if written != note {
        return Err(PlaceError::Changed(MANIFEST.to_owned()).into());
    }
    remove_leftovers(means, &mut means.handle.block_on(means.place.list())?)?;
    let (files, strays) = (BTreeMap::new(), BTreeSet::new());
    Ok(There { manifest, seen, files, strays, heads: BTreeMap::new(), level1: BTreeMap::new() })
}

/// The manifest, if this unit's node signed it: nobody's publication is written over.
fn ours(core: &Core, note: &[u8]) -> Result<Manifest, RoundError> {
    let not_ours = |why: &dyn std::fmt::Display| {
        RoundError::NotOurs(format!(
            "the manifest that lies there is not this node's ({why}), so nothing is written over it: name another place, or \
             empty this one"
        ))
    };
    let (manifest, note) = Manifest::read(note).map_err(|error| not_ours(&error))?;
    let charters = core.charters();
    if manifest.unit() != &core.unit || manifest.network() != charters.newest().network() {
        return Err(not_ours(&format_args!("it is of {}/{}", manifest.network(), manifest.unit())));
    }
    let mut keys = charters.all().rev().filter_map(|charter| Some(&charter.unit(&core.unit)?.mirror_key));
    if keys.any(|key| Manifest::signed(&note, key).is_ok()) {
        return Ok(manifest);
    }
    Err(not_ours(&"no key that a charter gives to this unit signed it"))
}

/// What files hold.
#[derive(Default)]
struct Held {
    files: BTreeMap<String, Hash>,
    /// The bytes of checkpoints and of the tiles of level 1, where they are what the manifest says.
    kept: BTreeMap<String, Vec<u8>>,
}

async fn hold(place: &Place, manifest: &Manifest, names: &BTreeSet<String>) -> Result<Held, PlaceError> {
    let known = names.iter().filter(|path| bytes_max(path).is_some());
    let mut files = stream::iter(known).map(|path| read(place, path)).buffer_unordered(AT_ONCE);
    let mut held = Held::default();
    while let Some((path, read)) = files.next().await {
        let digest = match read {
            Ok(bytes) => {
                let digest = Hash::of(&bytes);
                if manifest.files().get(path) == Some(&digest) && (is_head(path) || path.contains("/tile/1/")) {
                    held.kept.insert(path.to_owned(), bytes);
                }
                digest
            }
            Err(PlaceError::TooLarge(..)) => OTHER,
            // No plain file, or one that the disk does not give any more.
            Err(PlaceError::Other(_)) if place.blocks() => OTHER,
            Err(PlaceError::Absent(_)) => continue,
            Err(error) => return Err(error),
        };
        held.files.insert(path.to_owned(), digest);
    }
    Ok(held)
}

async fn read<'a>(place: &Place, path: &'a str) -> (&'a str, Result<Vec<u8>, PlaceError>) {
    (path, place.read(path, bytes_max(path).unwrap_or_default()).await)
}

/// What a checkpoint says that was read before.
pub(super) fn checkpoint_of(note: &[u8]) -> Option<Checkpoint> {
    let note = Note::parse(note, NOTE_BYTES_MAX).ok()?;
    Checkpoint::parse_body(note.text()).ok()
}

/// Whether whoever follows a log reads this file first.
pub(super) fn is_head(path: &str) -> bool {
    path.ends_with("/checkpoint")
}

type Told = (BTreeMap<UnitId, Vec<u8>>, BTreeMap<UnitId, Vec<Hash>>);

/// The checkpoint of each log, and the hashes over its full bundles.
fn tell(manifest: &Manifest, mut kept: BTreeMap<String, Vec<u8>>) -> Told {
    let (mut heads, mut level1) = Told::default();
    for unit in units(manifest) {
        let Some(note) = kept.remove(&checkpoint(&unit)) else { continue };
        let tiles = checkpoint_of(&note).into_iter().flat_map(|head| upper_tiles(head.size));
        let of_bundles = tiles.filter(|(level, ..)| *level == 1);
        let read = of_bundles.map_while(|(level, number, width)| kept.remove(&tile(&unit, level, number, width)));
        let hashes = read.flat_map(|bytes| bytes.as_chunks::<32>().0.iter().copied().map(Hash).collect::<Vec<_>>());
        level1.insert(unit.clone(), hashes.collect());
        heads.insert(unit, note);
    }
    (heads, level1)
}

/// The units whose logs the manifest names.
pub(super) fn units(manifest: &Manifest) -> BTreeSet<UnitId> {
    let of = |path: &String| path.strip_prefix("logs/")?.split_once('/')?.0.parse().ok();
    manifest.files().keys().filter_map(of).collect()
}

//! A publication, read: nothing enters unless it is what the manifest says, and nothing is asked for unless the unit's node signed
//! that.

use std::collections::BTreeMap;

use entente_proto::audit::{
    Fault, MANIFEST, Manifest, ManifestError, Offer, OfferError, bytes_max, checkpoint, foreign, offered_checkpoint,
};
use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::MANIFEST_BYTES_MAX;
use futures_util::{StreamExt as _, stream};

use super::round::next;
use super::{Place, PlaceError};

/// Files that are read at once. The largest has 16 MiB.
const AT_ONCE: usize = 8;
/// Bytes of all charters, and of all checkpoints, at most: these are read before, or while, it is found out who publishes.
const NOTES_BYTES_MAX: usize = 64 << 20;

/// A publication of which nothing is believed yet.
#[derive(Debug)]
pub struct Offered {
    place: Place,
    note: Vec<u8>,
    offer: Offer,
}

/// A publication as its manifest names it, which the unit's node signed.
#[derive(Debug)]
pub struct Published {
    place: Place,
    note: Vec<u8>,
    manifest: Manifest,
    charters: CharterChain,
}

/// A file that was asked for.
#[derive(Debug)]
pub enum Fetched {
    /// Its bytes, which are what the manifest says.
    Whole(String, Vec<u8>),
    /// What lies there is something else: it was changed since the manifest was read, or is damaged.
    Changed(String),
}

/// Why a publication cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// There is nothing.
    #[error("nothing is published there: there is no manifest")]
    Nothing,
    /// What is there is no manifest.
    #[error("what lies there is no publication: {0}")]
    Manifest(#[from] ManifestError),
    /// The node has only begun.
    #[error("nothing is published there yet: the node has begun, and has not ended its first round")]
    Begun,
    /// Its charters, or its signature.
    #[error("what is published there is not taken: {0}")]
    Offer(#[from] OfferError),
    /// A file that it names and no export of its logs has.
    #[error("its manifest names what its logs do not have: {0}")]
    Foreign(Box<Fault>),
    /// A file is not what the manifest says: another was published meanwhile, or it is damaged.
    #[error("{0} is not what the manifest says")]
    Changed(String),
}

impl Offered {
    /// Reads who publishes there.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(place: Place) -> Result<Self, ReadError> {
        let note = place.read(MANIFEST, MANIFEST_BYTES_MAX).await.map_err(|error| match error {
            PlaceError::Absent(_) => ReadError::Nothing,
            error => error.into(),
        })?;
        let offer = Offer::read(&note)?;
        if offer.charters.is_empty() {
            return Err(ReadError::Begun);
        }
        Ok(Self { place, note, offer })
    }

    /// Who does.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The manifest's note.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// Verifies that the unit's node signed it, under charters of which all that are `pinned` are among those that it names; and
    /// that it names no more files than its logs have.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn verify(self, pinned: &[(u32, Hash)]) -> Result<Published, ReadError> {
        let charters = whole(&self.place, &self.offer.charters, NOTES_BYTES_MAX).await?;
        let (manifest, charters) = self.offer.verify(&charters, pinned)?;
        let of =
            |unit: &UnitId| manifest.files().get_key_value(&checkpoint(unit)).map(|(path, hash)| (path.clone(), *hash));
        let heads = charters.units().iter().filter_map(of).collect();
        let heads = whole(&self.place, &heads, NOTES_BYTES_MAX).await?;
        let mut sizes: BTreeMap<UnitId, Size> = charters.units().into_iter().map(|unit| (unit, Size::ZERO)).collect();
        for (unit, size) in &mut sizes {
            let Some(note) = heads.get(&checkpoint(unit)) else { continue };
            let fault = |fault| Fault::Checkpoint { path: checkpoint(unit), fault: Box::new(fault) };
            let head = offered_checkpoint(note, &charters, unit);
            *size = head.map_err(|error| ReadError::Foreign(Box::new(fault(error.into()))))?.size;
        }
        // A name is a path in the place and below a directory: only those that an export has are ever asked for.
        match foreign(&manifest, &charters, &sizes) {
            Some(fault) => Err(ReadError::Foreign(Box::new(fault))),
            None => Ok(Published { place: self.place, note: self.note, manifest, charters }),
        }
    }
}

/// All of these files, which have at most so many bytes together.
pub(super) async fn whole(
    place: &Place,
    named: &BTreeMap<String, Hash>,
    bytes_max: usize,
) -> Result<BTreeMap<String, Vec<u8>>, ReadError> {
    let (mut found, mut bytes_all) = (BTreeMap::new(), 0_usize);
    for (path, digest) in named {
        match file(place, path, digest).await? {
            Fetched::Whole(path, bytes) => {
                bytes_all = bytes_all.saturating_add(bytes.len());
                if bytes_all > bytes_max {
                    return Err(PlaceError::TooLarge(format!("{path}, with those before it,"), bytes_max).into());
                }
                found.insert(path, bytes);
            }
            Fetched::Changed(path) => return Err(ReadError::Changed(path)),
        }
    }
    Ok(found)
}

impl Published {
    /// The manifest's note.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// What it says.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The charters that it names.
    #[must_use]
    pub const fn charters(&self) -> &CharterChain {
        &self.charters
    }

    /// Reads files, several at once, and hands over each as it comes, until `take` has enough.
    ///
    /// # Errors
    /// [`PlaceError`], and whatever `take` says.
    pub async fn read<E: From<PlaceError>>(
        &self,
        wanted: &BTreeMap<String, Hash>,
        take: impl FnMut(Fetched) -> Result<(), E>,
    ) -> Result<(), E> {
        files(&self.place, wanted, take).await
    }
}

pub(super) async fn files<E: From<PlaceError>>(
    place: &Place,
    wanted: &BTreeMap<String, Hash>,
    mut take: impl FnMut(Fetched) -> Result<(), E>,
) -> Result<(), E> {
    let mut files = stream::iter(wanted).map(|(path, digest)| file(place, path, digest)).buffer_unordered(AT_ONCE);
    while let Some(file) = files.next().await {
        take(file?)?;
    }
    Ok(())
}

async fn file(place: &Place, path: &str, digest: &Hash) -> Result<Fetched, PlaceError> {
    let most = bytes_max(path).unwrap_or_default();
    // Under its digest while it waits for its name.
    let aside = next(digest);
    for name in [path, &aside] {
        match place.read(name, most).await {
            Ok(bytes) if Hash::of(&bytes) == *digest => return Ok(Fetched::Whole(path.to_owned(), bytes)),
            Ok(_) | Err(PlaceError::Absent(_) | PlaceError::TooLarge(..)) => {}
            // Storage that may not be listed says of what is not there that it must not be read.
            Err(PlaceError::Refused(_)) if name == aside => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Fetched::Changed(path.to_owned()))
}

//! A publication, read: nothing enters unless it is what the manifest says.

use std::collections::BTreeMap;

use entente_proto::audit::{MANIFEST, Manifest, ManifestError, bytes_max};
use entente_proto::hash::Hash;
use entente_proto::limits::MANIFEST_BYTES_MAX;
use futures_util::{StreamExt as _, stream};

use super::round::next;
use super::{Place, PlaceError};

/// Files that are read at once. The largest has 16 MiB.
const AT_ONCE: usize = 8;

/// A publication as its manifest names it.
#[derive(Debug)]
pub struct Published {
    place: Place,
    note: Vec<u8>,
    manifest: Manifest,
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
    /// A name that no file of an export has.
    #[error("its manifest names {0}, which belongs to no export")]
    Foreign(String),
}

impl Published {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(place: Place) -> Result<Self, ReadError> {
        let note = place.read(MANIFEST, MANIFEST_BYTES_MAX).await.map_err(|error| match error {
            PlaceError::Absent(_) => ReadError::Nothing,
            error => error.into(),
        })?;
        let (manifest, _) = Manifest::read(&note)?;
        if manifest.files().is_empty() {
            return Err(ReadError::Begun);
        }
        // A name is a path in the place and below a directory: only those that an export has are ever asked for.
        match manifest.files().keys().find(|path| bytes_max(path).is_none()) {
            Some(path) => Err(ReadError::Foreign(path.clone())),
            None => Ok(Self { place, note, manifest }),
        }
    }

    /// Reads the manifest again; whether it is another one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn again(self) -> Result<(Self, bool), ReadError> {
        let before = self.note;
        let now = Self::open(self.place).await?;
        let changed = now.note != before;
        Ok((now, changed))
    }

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

    /// Reads files, several at once, and hands over each as it comes, until `take` has enough.
    ///
    /// # Errors
    /// [`PlaceError`], and whatever `take` says.
    pub async fn read<E: From<PlaceError>>(
        &self,
        wanted: &BTreeMap<String, Hash>,
        mut take: impl FnMut(Fetched) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut files = stream::iter(wanted).map(|(path, digest)| self.file(path, digest)).buffer_unordered(AT_ONCE);
        while let Some(file) = files.next().await {
            take(file?)?;
        }
        Ok(())
    }

    async fn file(&self, path: &str, digest: &Hash) -> Result<Fetched, PlaceError> {
        let most = bytes_max(path).unwrap_or_default();
        // Under its digest while it waits for its name.
        let aside = next(digest);
        for name in [path, &aside] {
            match self.place.read(name, most).await {
                Ok(bytes) if Hash::of(&bytes) == *digest => return Ok(Fetched::Whole(path.to_owned(), bytes)),
                Ok(_) | Err(PlaceError::Absent(_) | PlaceError::TooLarge(..)) => {}
                // Storage that may not be listed says of what is not there that it must not be read.
                Err(PlaceError::Refused(_)) if name == aside => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Fetched::Changed(path.to_owned()))
    }
}

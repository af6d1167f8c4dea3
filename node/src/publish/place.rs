//! A place, whatever it is made of: what a publication asks of it.

use std::collections::BTreeSet;
use std::path::Path;

use entente_proto::hash::Hash;

use super::Address;
use super::bucket::{Access, Objects};
use super::directory::Directory;

/// A place that is published to, or read from.
#[derive(Debug)]
pub enum Place {
    /// A directory of this machine. Its calls block.
    Directory(Directory),
    /// S3-compatible storage, or what a web server gives out.
    Objects(Objects),
}

/// Why a place does not do what it is asked, in words that hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no such file.
    #[error("{0} is not there")]
    Absent(String),
    /// It is longer than any such file.
    #[error("{0} has more than the {1} bytes that it may have")]
    TooLarge(String, usize),
    /// It is another than was read before, or there where none was: somebody else writes to the place.
    #[error(
        "{0} was changed by somebody else while this node published: see to it that nothing else writes there, a second node of \
         this unit among it"
    )]
    Changed(String),
    /// It lets nobody in with these credentials.
    #[error("{0}")]
    Refused(String),
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A file as it was read: whoever replaces it says what he has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    digest: Hash,
    /// What storage calls this state of it, where it does.
    pub(super) tag: Option<String>,
}

impl Seen {
    pub(super) fn new(bytes: &[u8], tag: Option<String>) -> Self {
        Self { digest: Hash::of(bytes), tag }
    }

    /// Whether it has these bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        self.digest == Hash::of(bytes)
    }

    /// Whether both have the same bytes.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Place {
    /// Opens a place to read from, with what the environment says of storage (`AWS_...`).
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn to_read(address: &Address) -> Result<Self, PlaceError> {
        Self::open(address, &Access::default())
    }

    /// Opens one.
    pub(super) fn open(address: &Address, access: &Access) -> Result<Self, PlaceError> {
        match address {
            Address::Directory(path) => Ok(Self::Directory(Directory::new(path.clone()))),
            Address::Bucket { bucket, prefix } => Objects::bucket(bucket, prefix, access).map(Self::Objects),
            Address::Web(url) => Objects::web(url).map(Self::Objects),
        }
    }

    /// Whether it lies within this directory.
    pub(super) fn is_within(&self, directory: &Path) -> bool {
        match self {
            Self::Directory(own) => own.is_within(directory),
            Self::Objects(_) => false,
        }
    }

    /// Whether its calls block the thread.
    pub(super) const fn blocks(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// A file of at most so many bytes.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, PlaceError> {
        match self {
            Self::Directory(directory) => directory.read(path, bytes_max),
            Self::Objects(objects) => Ok(objects.read(path, bytes_max).await?.0),
        }
    }

    /// A file of at most so many bytes, and what it takes to [replace](Self::replace) just this state of it.
    pub(super) async fn see(&self, path: &str, bytes_max: usize) -> Result<(Vec<u8>, Seen), PlaceError> {
        let (bytes, tag) = match self {
            Self::Directory(directory) => (directory.read(path, bytes_max)?, None),
            Self::Objects(objects) => objects.read(path, bytes_max).await?,
        };
        let seen = Seen::new(&bytes, tag);
        Ok((bytes, seen))
    }

    /// The names of all files.
    pub(super) async fn list(&self) -> Result<BTreeSet<String>, PlaceError> {
        match self {
            Self::Directory(directory) => directory.list(),
            Self::Objects(objects) => objects.list().await,
        }
    }

    /// Writes a file. It may be durable only once all is [settled](Self::settle). `of` is the name under which it is read at
    /// last: it decides what a web server says of it.
    pub(super) async fn write(&self, path: &str, of: &str, bytes: Vec<u8>) -> Result<(), PlaceError> {
        match self {
            Self::Directory(directory) => directory.write(path, &bytes),
            Self::Objects(objects) => objects.write(path, of, bytes).await,
        }
    }

    /// Puts a file, durable, in the place of the one that was seen before, or where there was none: a reader finds the one or
    /// the other, whole. [`PlaceError::Changed`] if it is another by now.
    pub(super) async fn replace(&self, path: &str, bytes: Vec<u8>, before: Option<&Seen>) -> Result<(), PlaceError> {
        match self {
            Self::Directory(directory) => directory.replace(path, &bytes, before),
            Self::Objects(objects) => objects.replace(path, bytes, before).await,
        }
    }

    /// Gives what a file holds another name too, in the place of whatever has that: a reader finds the one or the other, whole.
    pub(super) async fn copy(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        match self {
            Self::Directory(directory) => directory.copy(from, to),
            Self::Objects(objects) => objects.copy(from, to).await,
        }
    }

    /// Removes files; one that is not there is no fault.
    pub(super) async fn remove(&self, paths: Vec<String>) -> Result<(), PlaceError> {
        match self {
            Self::Directory(directory) => directory.remove(&paths),
            Self::Objects(objects) => objects.remove(paths).await,
        }
    }

    /// Everything written so far is durable on return.
    pub(super) fn settle(&self) -> Result<(), PlaceError> {
        match self {
            Self::Directory(directory) => directory.settle(),
            // Storage answers a call once that is so.
            Self::Objects(_) => Ok(()),
        }
    }
}

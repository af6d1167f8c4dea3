//! What can be wrong with a store.

use std::path::PathBuf;

use entente_proto::entry::EntryError;
use entente_proto::ids::UnitId;

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database.
    #[error(
        "there is no database in {0}: only `entente init` creates one; if it was lost, it must be rebuilt from partners"
    )]
    Missing(PathBuf),
    /// There is something where a database was to be created.
    #[error("{0} exists already and is not empty; a database is never created over another")]
    Exists(PathBuf),
    /// The database of another unit or network.
    #[error("the database in {path} is that of {found}, not of {expected}: give the node its own home directory")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// `<network>/<unit>` in the database.
        found: String,
        /// `<network>/<unit>` of this node.
        expected: String,
    },
    /// Written by a release with another format.
    #[error(
        "the database in {path} has format {found:?}, this release reads {expected:?}: run the release that wrote it"
    )]
    Release {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: String,
        /// The one that is read.
        expected: String,
    },
    /// Another process has it open.
    #[error("the database in {0} is in use by another process: stop it first")]
    Locked(PathBuf),
    /// It cannot be opened, or its parts do not fit together.
    #[error(
        "the database in {path} is damaged: {why}; move the directory aside (do not delete it) and rebuild from partners"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Something that was stored cannot be read back as it was.
    #[error("the stored entry {unit}/{index} is damaged: {why}; it must be fetched again from a partner")]
    Corrupt {
        /// The unit whose log it is.
        unit: UnitId,
        /// The index of the first entry concerned.
        index: u64,
        /// What was found.
        why: String,
    },
    /// A stored submission cannot be read back.
    #[error("a stored submission is damaged: it has {0} bytes")]
    CorruptSubmission(usize),
    /// The batch does not fit what is stored. Nothing of it was taken.
    #[error("the store refuses: {0}")]
    Refused(#[from] Refused),
    /// The database or the disk failed. After a commit it is unknown what is there.
    #[error("the database failed: {0}; what was being written may or may not be there")]
    Failed(String),
    /// The store failed before, or was closed.
    #[error("the store has stopped and takes nothing more; start the node again")]
    Stopped,
    /// There is no room for a copy of the database.
    #[error(
        "the scrub needs {needed} bytes on the disk of {path} for a copy of the database, and {free} are free: make room,          then run `entente scrub` again. Until then bytes of erased records may be left in old pages"
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// How many bytes are needed.
        needed: u64,
        /// How many are free.
        free: u64,
    },
    /// A scrub was told to stop.
    #[error("the scrub was stopped before its end: nothing was changed, and it is still due")]
    Interrupted,
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Entries that do not follow on.
    #[error("entries from {from} on do not follow: the log of {unit} has {size}")]
    Gap {
        /// The unit whose log it is.
        unit: UnitId,
        /// The index of the first entry.
        from: u64,
        /// The log's size.
        size: u64,
    },
    /// Entries beyond the largest log.
    #[error("the log of {0} would become too large")]
    TooLarge(UnitId),
    /// Another leaf than the one stored.
    #[error("another leaf is stored as {unit}/{index}")]
    Conflict {
        /// The unit whose log it is.
        unit: UnitId,
        /// The entry's index.
        index: u64,
    },
    /// Level-1 hashes that are not those of the bundles completed.
    #[error(
        "the level-1 hash of bundle {bundle} of the log of {unit} is missing, is not due or is another than the one stored"
    )]
    Level1 {
        /// The unit whose log it is.
        unit: UnitId,
        /// The bundle's number.
        bundle: u64,
    },
    /// An entry that is not there.
    #[error("there is no entry {unit}/{index}")]
    NoEntry {
        /// The unit whose log it is.
        unit: UnitId,
        /// The entry's index.
        index: u64,
    },
    /// A body that is not the entry's.
    #[error("the body for {unit}/{index} does not fit: {fault}")]
    Body {
        /// The unit whose log it is.
        unit: UnitId,
        /// The entry's index.
        index: u64,
        /// What is wrong with it.
        fault: EntryError,
    },
    /// A submission that was given another index before.
    #[error("this submission is already entry {0}")]
    Submission(u64),
    /// Something else for a log that the batch cuts back.
    #[error("a batch that cuts the log of {0} back can do nothing else with it")]
    Rewind(UnitId),
    /// A cut that would take away what is certified.
    #[error("the log of {unit} is certified up to {certified} and cannot be cut back to {size}")]
    Certified {
        /// The unit whose log it is.
        unit: UnitId,
        /// Up to where it is certified.
        certified: u64,
        /// The size asked for.
        size: u64,
    },
    /// A note longer than any may be.
    #[error("a note of {0} bytes is too long to be kept")]
    NoteLength(usize),
}

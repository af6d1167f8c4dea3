//! The journal: what a node has put its name to.
//!
//! The database can be rebuilt from partners; the node's word cannot. So everything the node signs, and every
//! submission it acknowledges, stands in one plain append-only file and is `fdatasync`ed **before** it leaves the node
//! (invariant I2). What the journal holds keeps the node from ever contradicting itself (invariant I1).
//!
//! | file | what it is |
//! |---|---|
//! | [`record`](JournalRecord) | what can be said, and its bytes |
//! | [`marks`](Marks) | which record may follow which: the rules that make I1 hold, on replay and before each append |
//! | [`memory`](Memory) | what a replay yields |
//! | `file` | [`Journal`]: create, open, append, compact |
//! | `writer` | [`Writer`]: the thread that appends for everyone, with one `fdatasync` a group |
//!
//! # The file
//! It is one of frames (`frames.rs`), with `entente journal\n` at its beginning, format version 1, and the unit's id. A
//! body is a protobuf message with the group's records in field 1, see `record.rs`. A torn last frame is cut off when the
//! journal is opened. Any other damage is [`JournalError::Damaged`]: the file is left as it is, and the node must not sign
//! until it has asked its partners.
//!
//! The file is compacted by writing `journal.new` with what still counts, `fsync`, renaming it over the journal, and
//! `fsync` of the directory. So at every moment one whole journal stands under the name.

pub(crate) mod disk;
mod file;
mod marks;
mod memory;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

pub use file::Journal;
pub use marks::{Contradiction, Marks};
pub use memory::Memory;
pub use record::{Cosigned, JournalRecord, OwnCheckpoint, OwnEntry, Proposal, Submission, SubmissionId, Witnessed};
pub use writer::{Callback, Compacted, Limits, Writer};

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no file. `init` writes one, so a missing journal is a lost one.
    #[error(
        "the journal {0} is missing: without it the node does not know what it signed, and it must not sign again; put the file back if you have it"
    )]
    Missing(PathBuf),
    /// `create` found a file there.
    #[error("there is a journal at {0} already; it is never overwritten")]
    Exists(PathBuf),
    /// The content is not what was written.
    #[error(
        "the journal {path} is damaged at byte {offset}: {why}; keep the file as it is: the node must not sign from it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// The journal of another unit or network.
    #[error("the journal {path} is that of {found}, not of {expected}: give the node its own home directory")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `<network>/<unit>` in the file.
        found: String,
        /// `<network>/<unit>` of this node.
        expected: String,
    },
    /// Written by a release with another format.
    #[error("the journal {path} has format {found}, this release reads format 1: run the release that wrote it")]
    Release {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// Others than the owner may read or write it.
    #[error(
        "the journal {path} has mode {mode:04o}: it holds records and must be its owner's alone; run chmod 600 on it"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refused.
    #[error("cannot {what} the journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// Why an append was not taken. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The records contradict what the journal holds. Signing such a thing would break the node's word.
    #[error("the journal refuses: {0}")]
    Contradiction(#[from] Contradiction),
    /// More bytes than one frame may hold.
    #[error("an append of {0} bytes is too long for the journal: at most 8 MiB go in at once")]
    TooLong(usize),
    /// The writer was closed.
    #[error("the journal is closed: the node is stopping")]
    Closed,
    /// The write failed. It may or may not be on disk; the journal takes nothing more until it is opened again.
    #[error(transparent)]
    Failed(#[from] JournalError),
}

//! The store: all logs, as verified, on disk.
//!
//! Everything in it can be rebuilt: other units' logs from partners, the own log from the journal and partners. It is
//! never the only place of anything the node signed; see [`journal`](crate::journal).
//!
//! | file | what it is |
//! |---|---|
//! | this one | the contract ([`Store`]) and its types |
//! | `error` | [`StoreError`] |
//! | `sled/` | [`SledStore`]: the database, under the rules that its faults demand |
//! | `memory` | [`MemoryStore`]: the same contract in memory, with fault hooks, for simulation |
//! | `block`, `key` | how entries are packed into values, and what these are called |
//! | `scrub` | what a scrub is asked, and what it answers |
//! | `space` | free space on the disk and the ballast file |
//! | `writer` | [`Writer`]: the thread that commits for everyone, one group at a time |

mod block;
mod error;
mod key;
mod memory;
mod scrub;
mod sled;
mod space;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;

use entente_proto::entry::{Body, Entry};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};

pub use crate::journal::SubmissionId;
pub use error::{Refused, StoreError};
pub use memory::{Fault, MemoryStore};
pub use scrub::{ScrubDue, ScrubPhase, ScrubStep, Scrubbed};
pub use sled::{Options, SledStore, set_aside};
pub use space::{Ballast, free_bytes};
pub use writer::{Callback, Writer};

/// What is committed at once: all of it or nothing.
///
/// Its parts take effect in the order of the fields. Fills and erasures speak of entries that were there before the batch.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// A log that is cut back to a size; nothing where it is no longer. What goes with the entries beyond are their bodies,
    /// gaps and level-1 hashes, the erasures that they announced, and the note of the newest checkpoint held. Nothing else
    /// in the batch may concern that log.
    pub rewind: Option<(UnitId, Size)>,
    /// Bundles that were found not to be readable, to be written again. Where the store still cannot make one whole with what
    /// it is given, the batch fails with [`StoreError::Corrupt`].
    pub repairs: Vec<Repair>,
    /// Entries for the ends of logs. Those for one log follow on each other.
    pub appends: Vec<Append>,
    /// Bodies that were missing.
    pub fills: Vec<Fill>,
    /// Records whose `Erase` the log has now: their bodies are withheld from everyone but the fold. Those that the batch
    /// brings itself may be named.
    pub announced: Vec<Erasure>,
    /// Bodies to be deleted: unit and index. One that is missing already is no fault.
    pub erasures: Vec<(UnitId, u64)>,
    /// Records of which the `Erase` is certified and dealt with: nothing is withheld of them any more.
    pub settled: Vec<(UnitId, u64)>,
    /// The time, Unix milliseconds: from then on a scrub is due if bodies are deleted that were there.
    pub erased_ms: Option<u64>,
    /// Notes to be kept, each in the place of the one before.
    pub heads: Vec<(UnitId, HeadKind, Bytes)>,
    /// Submissions of entries that are about to be cut off the own log: they have no index any more.
    pub forgotten: Vec<SubmissionId>,
    /// Submissions that went into the own log, and at which index.
    pub submissions: Vec<(SubmissionId, u64)>,
}

impl Batch {
    /// The units whose entries it concerns.
    fn units(&self) -> impl Iterator<Item = &UnitId> {
        let appends = self.appends.iter().map(|append| &append.unit);
        let ended = self.erasures.iter().chain(&self.settled).map(|(unit, _)| unit);
        let ended = ended.chain(self.repairs.iter().map(|repair| &repair.unit));
        let named = self.fills.iter().map(|fill| &fill.unit).chain(self.announced.iter().map(|erasure| &erasure.unit));
        appends.chain(named).chain(ended)
    }

    /// Whether nothing beside its rewind concerns that log.
    fn rewinds_alone(&self, unit: &UnitId) -> Result<(), Refused> {
        let mut units = self.units().chain(self.heads.iter().map(|(unit, _, _)| unit));
        if units.any(|other| other == unit) { Err(Refused::Rewind(unit.clone())) } else { Ok(()) }
    }
}

/// The size in the note of a certified checkpoint: nothing below it is ever cut off.
fn certified_size(note: &[u8]) -> u64 {
    let text = note.split(|byte| *byte == b'\n').nth(1).and_then(|line| std::str::from_utf8(line).ok());
    text.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// Entries for the end of a log.
///
/// They were verified: they stand under a checkpoint of the unit's log. The store does not check that again.
#[derive(Debug, Clone)]
pub struct Append {
    /// The unit whose log it is.
    pub unit: UnitId,
    /// The index of the first. It must be the log's size; where it is smaller, what overlaps must be the same leaves and
    /// is skipped, its bodies too.
    pub from: Size,
    /// The entries. Those without a body are gaps until they are filled.
    pub entries: Vec<Entry>,
    /// The level-1 hash of each 256-entry bundle that these entries complete: the bundle's number and its root.
    pub level1: Vec<(u64, Hash)>,
}

/// A body that was missing.
#[derive(Debug, Clone)]
pub struct Fill {
    /// The unit whose log it is.
    pub unit: UnitId,
    /// The entry's index.
    pub index: u64,
    /// Opening and payload; they must match the entry's commitment.
    pub body: Body,
}

/// Entries of a bundle once more, as they were stored before.
///
/// They were verified against the tree. What can still be read is kept, so that a body which nobody else may give any more
/// is not lost; those that are missing stay missing.
#[derive(Debug, Clone)]
pub struct Repair {
    /// The unit whose log it is.
    pub unit: UnitId,
    /// The bundle's number.
    pub bundle: u64,
    /// Its entries from the first one on, maybe not all, or more than are stored.
    pub entries: Vec<Entry>,
}

/// An `Erase` in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The unit whose log it is.
    pub unit: UnitId,
    /// The index of the record that is to be erased.
    pub index: u64,
    /// The index of the `Erase`, which is larger.
    pub by: u64,
}

/// Which note of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeadKind {
    /// The newest certified checkpoint.
    Certified,
    /// The newest checkpoint held whole.
    Newest,
    /// The newest certified bridge.
    Bridge,
    /// Not a checkpoint's note: a proof that the log forked, encoded.
    Fork,
}

/// What a node needs of a log when it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLog {
    /// How many entries there are.
    pub size: Size,
    /// The roots of its full 256-entry bundles, in order.
    pub level1: Vec<Hash>,
    /// The leaf hashes of the entries after the last full bundle, in order.
    pub tail_leaves: Vec<Hash>,
    /// The newest certified checkpoint's note.
    pub certified: Option<Bytes>,
    /// The note of the newest checkpoint held whole.
    pub newest: Option<Bytes>,
    /// The newest certified bridge's note.
    pub bridge: Option<Bytes>,
    /// The proof that it forked.
    pub fork: Option<Bytes>,
    /// The indexes of entries without a body, ascending.
    pub gaps: Vec<u64>,
    /// Those of them whose `Erase` was [settled](Batch::settled), each with its index, ascending.
    pub erased: Vec<(u64, u64)>,
}

/// Where logs are kept.
///
/// # The contract
/// - **Atomic**: of a [`Batch`] all takes effect or nothing, whatever fails, also in a power loss.
/// - **Durable on return**: what [`commit`](Self::commit) took survives a power loss once it returned. Reads show nothing
///   that is not durable.
/// - **Never back behind what is certified**: a log is cut back to its certified checkpoint's size at the most.
/// - **In order**: batches of a group take effect in their order; after a crash a prefix of what was given in is there.
/// - **An error leaves it unknown**: if `commit` as a whole fails, any prefix of the group may be there or not, and the
///   store takes nothing more until it is opened again. A batch that is *refused* (an inner error) changed nothing, and
///   the store goes on.
/// - **Idempotent**: the same batch again is no fault and changes nothing. So what is unknown is simply given in again.
/// - **Checked**: every entry read back has a canonical leaf and a body that matches its commitment, and stands where it
///   was put; a full bundle that is read whole has the level-1 hash that was stored with it. What does not is
///   [`StoreError::Corrupt`], is [remembered](Self::found_bad), and is to be fetched from a partner. That other leaves are
///   those under the log's checkpoint is for the reader to check.
/// - **Withheld**: once an `Erase` is [announced](Batch::announced), no read but
///   [`entries_to_fold`](Self::entries_to_fold) gives the body of the record that it names, if the kind in that record's
///   header [can end](entente_proto::record::RecordKind::can_end); and so after opening again.
/// - **Concurrency**: any number of threads may read; one at a time calls `commit` (the [`Writer`]'s). No read waits for
///   a sync.
pub trait Store: Send + Sync {
    /// Commits batches, one after the other, with one sync. The inner results say of each batch whether it was taken.
    ///
    /// # Errors
    /// [`StoreError::Failed`] or [`StoreError::Stopped`]: see the contract. Inner: [`StoreError::Refused`], or
    /// [`StoreError::Corrupt`] where what is stored is needed and cannot be read.
    fn commit(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError>;

    /// Commits one batch.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), inner and outer.
    fn commit_one(&self, batch: &Batch) -> Result<(), StoreError> {
        self.commit(std::slice::from_ref(batch))?.pop().unwrap_or(Err(StoreError::Stopped))
    }

    /// The units of whose logs there is an entry, ascending.
    fn units(&self) -> Vec<UnitId>;

    /// The size of a log; 0 for one that is not known.
    fn size(&self, unit: &UnitId) -> Size;

    /// What a node needs of a log when it starts; of one that is not known, the empty log with whatever notes there are.
    ///
    /// Takes time in proportion to the number of bundles.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the parts do not fit together; [`StoreError::Failed`] if the database fails.
    fn log(&self, unit: &UnitId) -> Result<StoredLog, StoreError>;

    /// Entries in order from an index on, as many as there are, at most `max_count`, and no more once their run encoding
    /// reaches `max_bytes` (but at least one). Without the bodies that are withheld.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn entries(&self, unit: &UnitId, from: u64, max_count: usize, max_bytes: usize) -> Result<Vec<Entry>, StoreError>;

    /// As [`entries`](Self::entries), with the bodies that are withheld. For the fold alone: until an `Erase` is certified
    /// everyone counts what it erases, and nobody shows it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn entries_to_fold(
        &self,
        unit: &UnitId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The index of the `Erase` that is announced of an entry and not settled.
    fn withheld(&self, unit: &UnitId, index: u64) -> Option<u64>;

    /// Every erasure that is announced and not settled.
    fn all_withheld(&self) -> Vec<Erasure>;

    /// A number that grows whenever erasures are announced: whoever holds entries that were read before may hold bodies
    /// that are withheld now.
    fn announcements(&self) -> u64;

    /// Whether the body of an entry is missing.
    fn lacks(&self, unit: &UnitId, index: u64) -> bool;

    /// Every key (SHA-256 of an SPKI) that a `Revoke` in a log names, with the unit whose log it is. The store finds them
    /// itself in what it takes and keeps an index, so this does not read the logs.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Failed`].
    fn revocations(&self) -> Result<Vec<(UnitId, Hash)>, StoreError>;

    /// The indexes of a log's entries that are `Adopt`s by their headers, whatever they say, ascending. The store keeps an
    /// index of them, so this does not read the log.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Failed`].
    fn adopts(&self, unit: &UnitId) -> Result<Vec<u64>, StoreError>;

    /// Whether a scrub is due: bodies were deleted whose bytes may still be somewhere on the disk.
    fn scrub_due(&self) -> Option<ScrubDue>;

    /// Rewrites what is kept, so that the bytes of all bodies that were deleted before the call have no name on the disk any
    /// more when it returns. Reads and commits go on meanwhile. It is done in steps, and goes on only as long as `go_on`
    /// says so; whoever answers late slows it down.
    ///
    /// Whatever happens in the middle, also a power loss, the store has everything that was committed; an unfinished
    /// scrub is still [due](Self::scrub_due).
    ///
    /// # Errors
    /// [`StoreError::NoRoom`] before anything is done; [`StoreError::Interrupted`] if `go_on` said no;
    /// [`StoreError::Corrupt`] if something stored cannot be read, so that a copy of it would not be whole;
    /// [`StoreError::Damaged`] if the copy is not what was copied; [`StoreError::Failed`], [`StoreError::Io`],
    /// [`StoreError::Stopped`]. The store goes on as before.
    fn scrub(&self, go_on: &mut dyn FnMut(ScrubStep) -> ControlFlow<()>) -> Result<Scrubbed, StoreError>;

    /// Copies what is kept into a directory that must not exist, checks the copy as a scrub does, and makes it durable.
    /// Reads and commits go on meanwhile; the copy has all that was committed before some moment during the call.
    ///
    /// # Errors
    /// As [`scrub`](Self::scrub); what was begun is left in the directory then.
    fn back_up(&self, directory: &Path) -> Result<(), StoreError>;

    /// The entries that were found not to be readable and not [repaired](Batch::repairs) since: one of each bundle concerned.
    fn found_bad(&self) -> Vec<(UnitId, u64)> {
        Vec::new()
    }

    /// How many bundles were repaired since the start. It is counted before what was found of them is forgotten.
    fn repairs(&self) -> u64 {
        0
    }

    /// What was found not to be readable since the start and no repair can mend, in words: the database must be rebuilt.
    fn found_broken(&self) -> Option<String> {
        None
    }

    /// The leaf hashes of a bundle: 256, or as many as the last one has; none beyond the end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError>;

    /// One entry, if the log has it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn entry(&self, unit: &UnitId, index: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.entries(unit, index, 1, 0)?.pop())
    }

    /// The payload of one entry, if the log has it and it is not missing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<Bytes>, StoreError> {
        // A copy: the entry's bytes share memory with those stored beside it.
        Ok(self.entry(unit, index)?.and_then(|entry| entry.payload().map(|p| Bytes::copy_from_slice(p))))
    }

    /// The index that a submission was given in the own log.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Failed`].
    fn submission(&self, id: &SubmissionId) -> Result<Option<u64>, StoreError>;
}

//! The target list of a running node: the fold of what is certified, and beside it what is held but not yet certified.
//!
//! One thread folds. It is handed entries as they are taken, so that they need not be read back; where too many wait, it
//! reads them from the store instead. Queries take a read lock; the thread takes the write lock for one stretch of
//! entries at a time.

mod folding;
mod pending;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use entente_proto::charter::CharterChain;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::{self as fold, Fold, FoldError, Payloads, ReadError, Status, UnknownFoldVersion};
use entente_proto::record::Target;
use entente_proto::wire;
use tokio::sync::broadcast;

pub use folding::{Around, Ended, TellEnded, TellSpoken, run};
pub use pending::Pending;

use crate::store::{Store, StoreError};

/// Why the list could not be computed or read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row's payloads.
    #[error(transparent)]
    Row(#[from] ReadError<StoreError>),
    /// An entry that cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl ListError {
    /// Whether it is about something that is fetched again by itself: the store has noted it.
    fn is_mended(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Corrupt { .. }),
            Self::Row(error) => is_mended(error),
            Self::Fold(_) => false,
        }
    }
}

/// As [`ListError::is_mended`].
fn is_mended(error: &ReadError<StoreError>) -> bool {
    matches!(error, ReadError::Payloads(StoreError::Corrupt { .. }))
}

/// The charter asks for rules that this release does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the charter asks for fold version {0}, which this release does not know, so this node shows no list and takes no statement; \
     it goes on holding and cosigning the logs. Install a newer release"
)]
pub struct UnknownRules(pub u32);

/// How many changes a slow watcher may be behind before it is told them from the database.
const CHANGES_MAX: usize = 8_192;

/// How many bytes of entries wait in memory for their turn.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// How many rows that are not in order somebody who goes through the list looks at for each page.
const UNSORTED_MAX: usize = 4_096;

/// What the folding thread is told.
#[derive(Debug)]
pub enum News {
    /// Entries were taken and are on their way to the store.
    Taken {
        /// Whose log.
        unit: UnitId,
        /// The first index.
        from: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// A log is stored without a gap up to here.
    Held {
        /// Whose log.
        unit: UnitId,
        /// Up to where.
        size: u64,
    },
    /// A log is about to be cut back.
    CutBack {
        /// Whose log.
        unit: UnitId,
        /// Told when nothing of it is shown any more but what is folded, nor read.
        done: SyncSender<()>,
    },
    /// A log is certified up to here.
    Certified {
        /// Whose log.
        unit: UnitId,
        /// Up to where.
        size: u64,
    },
    /// What could not be read can be read again.
    Readable,
    /// A new version of the charter governs.
    Charters(Box<CharterChain>),
}

/// One statement that changed the list, or that arrived.
#[derive(Debug, Clone)]
pub struct Change {
    /// The record.
    pub id: RecordId,
    /// Its header's time.
    pub time_ms: u64,
    /// What it says.
    pub record: Option<wire::Record>,
    /// Whether it is certified.
    pub certified: bool,
    /// The target it is about.
    pub target: Option<Target>,
    /// The target's status after it.
    pub status: Option<Status>,
}

/// The state that queries read.
#[derive(Debug)]
pub struct State {
    /// The certified list.
    pub fold: Fold,
    /// What is not certified.
    pub pending: Pending,
    /// How far each log is folded.
    pub folded: BTreeMap<UnitId, u64>,
    /// Digest of the frontier and of the list, as of the last certified frontier folded.
    pub digest: Option<(Hash, Hash)>,
    /// The targets that are held on the certified list.
    held: BTreeSet<Target>,
}

impl State {
    /// Whether a hold of a target stands, certified or not.
    #[must_use]
    pub fn is_held(&self, target: &Target) -> bool {
        self.held.contains(target) || self.pending.held(target).next().is_some()
    }

    /// Every target of which a hold stands, certified or not.
    pub fn held(&self) -> impl Iterator<Item = &Target> {
        self.held.iter().chain(self.pending.all_held().filter(|target| !self.held.contains(*target)))
    }

    /// The units that hold a target, certified or not, ascending.
    #[must_use]
    pub fn holders(&self, target: &Target) -> BTreeSet<String> {
        let certified = self.fold.holders(target).map(ToString::to_string);
        certified.chain(self.pending.held(target).map(|id| id.unit.to_string())).collect()
    }

    /// A unit's own standing referral of a target, certified or not.
    #[must_use]
    pub fn own_referral(&self, unit: &UnitId, target: &Target) -> Option<u64> {
        let certified = self.fold.own_referral(unit, target);
        certified.filter(|index| !self.pending.withdrawn(unit, *index)).or_else(|| self.pending.referral(unit, target))
    }

    /// All records about a target, certified or not, ascending by unit and index.
    #[must_use]
    pub fn records_about(&self, target: &Target) -> BTreeSet<RecordId> {
        self.fold.records_about(target).into_iter().chain(self.pending.about(target).cloned()).collect()
    }

    /// Keeps the index of what is held.
    fn note_status(&mut self, change: &fold::Change) {
        if change.status == Some(Status::Held) {
            self.held.insert(change.target.clone());
        } else if change.before == Some(Status::Held) {
            self.held.remove(&change.target);
        }
    }
}

/// The list, shared.
#[derive(Debug)]
pub struct Listing {
    unit: UnitId,
    state: RwLock<State>,
    news: Mutex<Sender<News>>,
    /// Bytes of the entries that were handed in and not let go.
    kept_bytes: AtomicUsize,
    changes: broadcast::Sender<Arc<Change>>,
    /// How much of the own log the thread has looked at.
    seen: (Mutex<u64>, Condvar),
    /// The fold version that the charter asks for, if this release does not know it.
    unknown: Option<u32>,
}

/// Reads payloads for the fold.
#[derive(Clone, Copy)]
pub struct Stored<'a>(pub &'a dyn Store);

impl std::fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored")
    }
}

impl Payloads for Stored<'_> {
    type Error = StoreError;

    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, StoreError> {
        // Until an `Erase` is certified everyone counts what it erases.
        let entry = self.0.entries_to_fold(unit, index, 1, 0)?.pop();
        Ok(entry.and_then(|entry| Some((entry.header().time_ms, entry.payload()?.clone()))))
    }
}

impl Listing {
    /// An empty list under the rules of a charter, and what its thread listens to. Where this release does not know
    /// that version the list stays empty, and [`known`](Self::known) says why.
    #[must_use]
    pub fn new(unit: UnitId, fold: Result<Fold, UnknownFoldVersion>) -> (Arc<Self>, Receiver<News>) {
        let (news, inbox) = channel();
        let (fold, unknown) = match fold {
            Ok(fold) => (fold, None),
            Err(error) => (Fold::default(), Some(error.0)),
        };
        let state =
            State { fold, pending: Pending::default(), folded: BTreeMap::new(), digest: None, held: BTreeSet::new() };
        let listing = Self {
            unit,
            state: RwLock::new(state),
            news: Mutex::new(news),
            kept_bytes: AtomicUsize::new(0),
            changes: broadcast::channel(CHANGES_MAX).0,
            seen: (Mutex::new(if unknown.is_some() { u64::MAX } else { 0 }), Condvar::new()),
            unknown,
        };
        (Arc::new(listing), inbox)
    }

    /// Whether there is a list.
    ///
    /// # Errors
    /// [`UnknownRules`] if this release does not know the fold version that the charter asks for.
    pub fn known(&self) -> Result<(), UnknownRules> {
        self.unknown.map_or(Ok(()), |version| Err(UnknownRules(version)))
    }

    /// Reads. Hold it for as short as a query needs.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, with nearly all rows in order: for those who go through the list.
    pub fn read_in_order(&self) -> RwLockReadGuard<'_, State> {
        if self.read().fold.unsorted() > UNSORTED_MAX {
            self.state.write().unwrap_or_else(PoisonError::into_inner).fold.sort();
        }
        self.read()
    }

    /// Entries were taken. Where too many wait already, these are read back from the store when it is their turn.
    pub fn taken(&self, unit: UnitId, from: u64, entries: &[Entry]) {
        if self.kept_bytes.load(Ordering::Relaxed) < KEPT_BYTES_MAX {
            self.kept_bytes.fetch_add(bytes_of(entries), Ordering::Relaxed);
            self.tell(News::Taken { unit, from, entries: entries.to_vec() });
        }
    }

    /// Entries that were handed in are let go.
    fn let_go(&self, entries: &[Entry]) {
        self.kept_bytes.fetch_sub(bytes_of(entries), Ordering::Relaxed);
    }

    /// A log is stored without a gap up to here.
    pub fn held(&self, unit: UnitId, size: u64) {
        self.tell(News::Held { unit, size });
    }

    /// A log is about to be cut back: waits until nothing of it is shown as pending, nor read, until [`held`](Self::held)
    /// tells of it again.
    pub fn cut_back(&self, unit: UnitId) {
        let (done, wait) = sync_channel(1);
        self.tell(News::CutBack { unit, done });
        // A thread that has ended shows nothing.
        let _ = wait.recv();
    }

    /// A log is certified up to here.
    pub fn certified(&self, unit: UnitId, size: u64) {
        self.tell(News::Certified { unit, size });
    }

    /// What could not be read can be read again.
    pub fn readable(&self) {
        self.tell(News::Readable);
    }

    /// A new version of the charter governs: the list is folded anew under it.
    pub fn charters(&self, charters: CharterChain) {
        self.tell(News::Charters(Box::new(charters)));
    }

    /// The unit's own standing referral of a target, certified or not.
    #[must_use]
    pub fn own_referral(&self, target: &Target) -> Option<u64> {
        self.read().own_referral(&self.unit, target)
    }

    /// Up to which size the own log was looked at, certified or not.
    #[must_use]
    pub fn seen(&self) -> u64 {
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the own log was looked at up to this size, certified or not: only then is it known what the unit
    /// refers. A database that cannot be read does not keep anybody waiting.
    pub fn wait_seen(&self, size: u64) {
        let (seen, changed) = &self.seen;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        while *seen < size {
            seen = changed.wait(seen).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn see(&self, unit: &UnitId, size: u64) {
        if *unit == self.unit {
            let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = (*seen).max(size);
            self.seen.1.notify_all();
        }
    }

    /// A log that could not be read, and kept nobody waiting for that, was looked at up to this size and no further.
    fn see_again(&self, unit: &UnitId, size: u64) {
        if *unit == self.unit {
            *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = size;
        }
    }

    /// How far a log is folded.
    #[must_use]
    pub fn folded(&self, unit: &UnitId) -> u64 {
        self.read().folded.get(unit).copied().unwrap_or_default()
    }

    /// Follows changes from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Arc<Change>> {
        self.changes.subscribe()
    }

    fn tell(&self, news: News) {
        // A thread that has ended needs no news.
        let _ = self.news.lock().unwrap_or_else(PoisonError::into_inner).send(news);
    }

    fn publish(&self, change: Change) {
        // Nobody may be watching.
        let _ = self.changes.send(Arc::new(change));
    }
}

fn bytes_of(entries: &[Entry]) -> usize {
    entries.iter().map(entente_proto::entry::encoded_len).sum()
}

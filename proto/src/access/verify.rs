//! The entries of an access log against the heads in the replicated log.

use std::collections::BTreeMap;

use super::{AccessError, parse};
use crate::entry::{Entry, EntryError};
use crate::hash::Hash;
use crate::ids::{RecordId, Size};
use crate::tree::CompactRange;
use crate::wire::access::Body;

/// What fixes a size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FixedBy {
    /// An `AccessHead` record in the replicated log.
    Record(RecordId),
    /// The beginning of the next epoch, where this one ended.
    Epoch(u64),
}

impl std::fmt::Display for FixedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(record) => record.fmt(f),
            Self::Epoch(epoch) => write!(f, "the beginning of epoch {epoch}"),
        }
    }
}

/// A size and root that the log had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What says so.
    pub by: FixedBy,
    /// The size.
    pub size: u64,
    /// The root.
    pub root: Hash,
    /// When that was fixed, Unix milliseconds: the time in the record's header; of the beginning of the next epoch, that of the
    /// first record which fixes it.
    pub time_ms: u64,
}

/// Something does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {kind}")]
pub struct Fault {
    /// The index of the entry; of a head, the size that it fixes.
    pub index: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The bytes are not an entry: nothing after it can be read.
    #[error("it is damaged: {0}")]
    Entry(EntryError),
    /// Its payload cannot be read.
    #[error("{0}")]
    Payload(AccessError),
    /// Its time is before that of the entry before it.
    #[error("its time is before that of the entry before it")]
    Time,
    /// It tells the end of a call that is not before it.
    #[error("it tells of the end of entry {0}, which is no earlier call")]
    NoCall(u64),
    /// A head fixes another root.
    #[error("{by} fixes another root for the entries before it: a line was changed, dropped or added")]
    Root {
        /// What says so.
        by: FixedBy,
    },
    /// A head fixes more entries than there are.
    #[error("{by} fixes this size, and there are only {found} entries: lines are missing")]
    Short {
        /// What says so.
        by: FixedBy,
        /// How many there are.
        found: u64,
    },
    /// It comes after the end that the next epoch tells of.
    #[error("{0} tells that the epoch ended before it: a line was added")]
    Beyond(FixedBy),
    /// It tells of the epoch before, and is not the first.
    #[error("it tells where the epoch before ended, which the first entry of an epoch does")]
    NotFirst,
    /// The log cannot be longer.
    #[error("a log cannot have more entries")]
    Full,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// How many of them are under a head whose root is theirs.
    pub covered: u64,
    /// How many heads fix what is there.
    pub heads: u64,
    /// The first fault.
    pub first: Option<Fault>,
    /// How many there are.
    pub faults: u64,
}

/// Takes one epoch's entries in their order. Memory does not grow with them, but by a bit for each.
#[derive(Debug)]
pub struct Verifier {
    range: CompactRange,
    heads: BTreeMap<u64, Vec<Head>>,
    last_ms: u64,
    /// Which entries are calls, one bit each.
    calls: Vec<u64>,
    /// Where the next epoch says that it ended.
    end: Option<(u64, FixedBy)>,
    verified: Verified,
}

impl Verifier {
    /// Of an epoch with these heads.
    #[must_use]
    pub fn new(heads: impl IntoIterator<Item = Head>) -> Self {
        let mut by_size: BTreeMap<u64, Vec<Head>> = BTreeMap::new();
        let mut end = None;
        for head in heads {
            if let FixedBy::Epoch(_) = head.by {
                end = Some((head.size, head.by.clone()));
            }
            by_size.entry(head.size).or_default().push(head);
        }
        let verified = Verified { size: 0, root: Hash::EMPTY_ROOT, covered: 0, heads: 0, first: None, faults: 0 };
        let range = CompactRange::new(Size::ZERO);
        let mut new = Self { range, heads: by_size, last_ms: 0, calls: Vec::new(), end, verified };
        new.meet_heads();
        new
    }

    /// The next entry, and what it says if that can be read.
    pub fn take(&mut self, entry: &Entry) -> Option<Body> {
        let index = self.verified.size;
        if self.range.push_leaf(entry.leaf_hash()).is_err() {
            self.fault(index, FaultKind::Full);
            return None;
        }
        self.verified.size = index.saturating_add(1);
        if let Some((_, by)) = self.end.take_if(|(end, _)| *end == index) {
            self.fault(index, FaultKind::Beyond(by));
        }
        if entry.header().time_ms < self.last_ms {
            self.fault(index, FaultKind::Time);
        }
        self.last_ms = self.last_ms.max(entry.header().time_ms);
        let body = match parse(entry) {
            Ok(body) => {
                self.note(index, &body);
                Some(body)
            }
            Err(error) => {
                self.fault(index, FaultKind::Payload(error));
                None
            }
        };
        self.meet_heads();
        body
    }

    /// What follows cannot be read as entries.
    pub fn damaged(&mut self, error: EntryError) {
        self.fault(self.verified.size, FaultKind::Entry(error));
    }

    /// All entries were taken.
    #[must_use]
    pub fn end(mut self) -> Verified {
        let found = self.verified.size;
        for head in std::mem::take(&mut self.heads).into_values().flatten() {
            self.fault(head.size, FaultKind::Short { by: head.by, found });
        }
        self.verified.root = self.root();
        self.verified
    }

    fn note(&mut self, index: u64, body: &Body) {
        let (word, bit) = ((index / 64) as usize, 1_u64 << (index % 64));
        if self.calls.len() <= word {
            self.calls.resize(word.saturating_add(1), 0);
        }
        match body {
            Body::Deleted(_) => {}
            Body::Began(_) => {
                if index > 0 {
                    self.fault(index, FaultKind::NotFirst);
                }
            }
            Body::Call(_) => {
                if let Some(word) = self.calls.get_mut(word) {
                    *word |= bit;
                }
            }
            // What stands in another epoch is not at hand.
            Body::Ended(ended) if ended.epoch != 0 => {}
            Body::Ended(ended) => {
                let before =
                    self.calls.get((ended.call / 64) as usize).is_some_and(|w| w >> (ended.call % 64) & 1 == 1);
                if !before {
                    self.fault(index, FaultKind::NoCall(ended.call));
                }
            }
        }
    }

    fn meet_heads(&mut self) {
        let size = self.verified.size;
        let Some(heads) = self.heads.remove(&size) else { return };
        let root = self.root();
        for head in heads {
            if head.root == root {
                self.verified.heads = self.verified.heads.saturating_add(1);
                self.verified.covered = size;
            } else {
                self.fault(size, FaultKind::Root { by: head.by });
            }
        }
    }

    fn root(&self) -> Hash {
        // The range begins at 0.
        self.range.root().unwrap_or(Hash::EMPTY_ROOT)
    }

    fn fault(&mut self, index: u64, kind: FaultKind) {
        self.verified.faults = self.verified.faults.saturating_add(1);
        self.verified.first.get_or_insert(Fault { index, kind });
    }
}

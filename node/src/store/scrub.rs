//! Scrubbing: what is asked, and what is answered.

/// That a scrub is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubDue {
    /// When the first body was deleted since the last scrub, Unix milliseconds.
    pub since_ms: u64,
    /// How many were.
    pub records: u64,
}

impl ScrubDue {
    /// As it is kept.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.since_ms.to_be_bytes(), self.records.to_be_bytes()].concat()
    }

    /// What [`to_bytes`](Self::to_bytes) gave.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
        let (since_ms, records) = bytes.split_at_checked(8)?;
        Some(Self { since_ms: number(since_ms)?, records: number(records)? })
    }
}

/// How far a scrub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrubPhase {
    /// Everything is copied.
    Copying,
    /// What was written meanwhile is copied, and the copy is held against the original.
    Verifying,
    /// The copy is whole, verified and durable, and about to take the original's place. Commits wait.
    Swapping,
    /// The copy has taken the original's place, which is about to be deleted.
    Deleting,
}

/// A step of a scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubStep {
    /// How far it is.
    pub phase: ScrubPhase,
    /// Bytes of keys and values copied so far.
    pub copied_bytes: u64,
    /// What the original takes on the disk, in bytes.
    pub original_bytes: u64,
}

/// What a scrub did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// What the database took on the disk before, in bytes.
    pub before_bytes: u64,
    /// What it takes now.
    pub after_bytes: u64,
    /// How many bodies had been deleted whose bytes are gone now.
    pub records: u64,
}

//! Which payloads an export shows: all that there are, or none that could name a target or a person.
//!
//! What lies in a public place must not hold what is referred, nor why, nor by which provider. Whoever reads it can verify
//! all the same that nobody rewrote a log: leaves, tiles and checkpoints are whole, and so are the few records by which keys
//! and erasures are judged. An export of that kind says so in the [first line of its manifest](super::Manifest), so that it
//! passes for no other.

use crate::entry::Entry;
use crate::record::{self, RecordKind};

/// Which payloads an export shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payloads {
    /// Every one that no `Erase` takes away.
    #[default]
    All,
    /// Those of records that [hold numbers and digests alone](Self::shows). All others are withheld.
    Withheld,
}

impl Payloads {
    /// Whether the payload of this entry is shown, if it is there.
    ///
    /// Where payloads are withheld these are shown: `Adopt`, without which nobody can say which keys count, `Erase`, which
    /// names a record by its index and a reason by its number, and `AccessHead`. They have no field for a text. One that the
    /// rules of [statements](crate::record::statement) set aside can hold anything, so it is not.
    #[must_use]
    pub fn shows(self, entry: &Entry) -> bool {
        self == Self::All || entry.payload().is_some_and(|payload| is_open(entry.header().kind, payload))
    }
}

/// Whether a payload is shown where payloads are withheld.
pub(super) fn is_open(kind: u32, payload: &[u8]) -> bool {
    match RecordKind::of_number(kind) {
        RecordKind::Adopt | RecordKind::Erase | RecordKind::AccessHead => record::parse(kind, payload).is_ok(),
        _ => false,
    }
}

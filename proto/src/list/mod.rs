//! The target list: the fold of the certified logs, version 1.
//!
//! Everyone who folds the same prefixes of the same logs gets the same rows, byte for byte, whatever the order in which
//! entries came and whatever payloads were erased since. This page is the specification; [`Fold`] is the incremental
//! implementation.
//!
//! # What goes in
//!
//! The charter that the frontier names with all versions before it, and for each unit that any of them lists (below: *each
//! unit of the charter*) a *complete* prefix of its log ([`complete`]): for each entry the header's kind and
//! time, and the payload unless it was erased. Nothing else: no clock, no locale, no table. A unit that the charter itself
//! does not list has *left*.
//!
//! # Which statements stand
//!
//! A record is *sound* if its payload is there and not [set aside](crate::record::statement); what is set aside says
//! nothing. A sound record that breaks a rule of this page is *inert*: it has no effect. Kinds that *can end* are 2 and 4
//! to 10: `Refer`, `Hold`, `Opinion`, `Dispatch`, `Outcome`, `Observe`, `Link`, `Evidence`
//! ([`can_end`](crate::record::RecordKind::can_end)); no other can, nor can one that this version does not know.
//!
//! In the order of each log by itself:
//!
//! - **Withdraw** *i* takes back the record at index *i* of the same log if *i* is smaller than the withdrawal's own
//!   index, the header's kind at *i* can end, and nothing has withdrawn or erased that record before. Else it is inert.
//! - **Erase** *i* likewise, but a withdrawn record can still be erased. Everything that an erased record said is as if
//!   it had never been said. Whether its payload is still there makes no difference.
//!
//! Of the record at *i* only the header's kind is looked at, so it can be ended also where its payload is missing or set
//! aside. The `Withdraw` or `Erase` itself must be sound. In a log, for example:
//!
//! | index | header's kind and payload | what becomes of it |
//! |---|---|---|
//! | 0 | `Refer`, set aside (no category) | withdrawn by 1; it says nothing either way |
//! | 1 | `Withdraw` 0 | takes effect: the header's kind at 0 is `Refer` |
//! | 2 | `Refer`, sound | erased by 5 |
//! | 3 | `Erase` 2, set aside (no reason) | nothing |
//! | 4 | `Withdraw` 1 | inert: the kind of 1, `Withdraw`, cannot end |
//! | 5 | `Erase` 2 | takes effect; the payload at 2 may be missing from now on |
//! | 6 | `Withdraw` 2 | inert: 2 is erased already |
//!
//! A statement *stands* if it is sound, not inert, and neither withdrawn nor erased. It *counts*, that is, has a place
//! in a row, as follows. A reference to a record that is not folded yet, or to a unit that is not in the charter,
//! *dangles*: the statement does not count, and will as soon as the record comes. For rows it makes no difference
//! whether a statement is inert, dangles, or is on a record of the wrong kind: it does not count. Only
//! [`Standing`] tells these apart.
//!
//! | kind | counts if it stands and |
//! |---|---|
//! | `Refer` | - |
//! | `Hold` | its unit is in the charter that the frontier names. The holds of a unit that left ended with it; its other statements stay. |
//! | `Opinion` | it is on a `Refer` of *another* unit, which stands. An opinion on an own record is inert. |
//! | `Dispatch` | it is on a sound `Refer` of any unit that is not erased. (On a withdrawn one it still counts: the provider that got it must hear of the withdrawal.) On a record of the own log whose index is not smaller than its own it is inert, also when that record comes later. |
//! | `Outcome` | it is on a `Dispatch` of any unit that counts; as for `Dispatch`, one of the own log must have a smaller index. |
//! | `Observe` | its `observed_ms` is not later than its header's time; else it is inert. |
//! | `Link` | - |
//!
//! All other kinds have no effect on rows in this version. What operations and their steps do is on a page of its own:
//! [`operation`].
//!
//! # Rows
//!
//! A target has a row if a sound `Refer` or `Hold` names it that is not erased, withdrawn or not. So a target whose
//! statements were all withdrawn stays, as `cleared`; one whose statements were all erased is gone; one that was only
//! observed or linked has none, and its observations and links show once it has.
//!
//! The row is the message `Row` of `list.proto`:
//!
//! - `status`: `held` (1) if a hold on it counts; else `disputed` (2) if an objection, an `Opinion` with the stance
//!   `object`, counts to a referral of it; else `listed` (3) if a referral of it counts; else `cleared` (4).
//! - `availability`: of the observations of it that count the greatest by `observed_ms`, then unit, then index.
//! - `referrals`, `holds`: those that count; `opinions`, `dispatches`: those that count on any referral of it;
//!   `outcomes`: those that count on such dispatches; `links`: those that count and in which it is `first` or `second`.
//!   Each list ascends by unit (as bytes), then index.
//! - Each element carries the record's id, its header's time and what it says, as in the payload; `Refer.target`,
//!   `Hold.target` and `Observe.target` are emptied, since they are the row's.
//!
//! The *row hash* is SHA-256 of the row's canonical protobuf bytes (canonical as for
//! [payloads](crate::record::statement)).
//!
//! # The list digest
//!
//! SHA-256 over these bytes, in this order, all numbers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | the text `entente list v1` and a line feed |
//! | 4 | the version of the fold: 1 |
//! | 32 | the charter's digest |
//! | 4 | the number of units |
//! | | for each unit of the charter, ascending: |
//! | 2 + n | the length of its id, and the id |
//! | 8 | the size of its log that was folded |
//! | 32 | the root at that size |
//! | | after the units: |
//! | 8 | the number of rows |
//! | | for each row, ascending by the target's bytes: |
//! | 4 + n | the length of the target, and the target |
//! | 32 | the row hash |
//!
//! The *frontier digest* is SHA-256 of the same bytes up to the last root: what was folded, without what came of it.
//!
//! An example, which `list/tests/golden.rs` checks: the charter's digest is 32 bytes `0x01`; unit `BE` has one entry, root
//! 32 bytes `0x02`, and unit `FR` none, so its root is the empty one. The entry of `BE` has kind 2, time
//! 1,700,000,000,000 and the payload
//!
//! ```text
//! 0a 10 11111111111111111111111111111111                  submission
//! 12 18                                                   refer
//!    0a 13 646f6d61696e3a6e6577732e6578616d706c65         target "domain:news.example"
//!    12 01 01                                             categories: incites
//! ```
//!
//! Then the row is
//!
//! ```text
//! 0a 13 646f6d61696e3a6e6577732e6578616d706c65            target "domain:news.example"
//! 10 03                                                   status: listed
//! 22 12                                                   referrals, the first
//!    0a 04 0a 02 4245                                     id: unit "BE", index 0
//!    10 80d095ffbc31                                      time_ms
//!    1a 03 12 01 01                                       refer without its target
//! ```
//!
//! the row hash `d1be69f21d853af85b18f61192afe3f6d7664780e955fd7e4439354664d99e96`, the frontier digest
//! `2cc8c4b0c8cdfcf83ab858ccc62337abebf63b2f0d25fa4087672a07c15f590f` and the list digest
//! `c0b9dbd61aab5408f3fc6f98cbaf13d308539039dc20b18ccda3c89de10cb513`.
//!
//! # In memory
//!
//! The fold keeps an index, about 220 bytes for a target with one referral, and never a text: rows are put together from
//! the payloads when they are wanted ([`Payloads`]). The hash of a row is computed at once where its only record is the
//! one at hand, otherwise when the next digest is wanted, so one target with a great many statements costs one reading a
//! digest and not one a statement. Rows are brought into order when a digest is wanted, too.

mod check;
pub mod complete;
mod digest;
mod end;
mod fold;
pub mod operation;
mod order;
mod query;
mod row;
mod say;
mod slot;
mod targets;

pub use check::{Found, LIKENESS, Way};
pub use complete::{GAPS_MAX, Gaps, TooManyGaps};
pub use digest::{DigestError, Frontier};
pub use fold::{Change, Counts, FOLD_VERSION, Fold, FoldError, Prepared, UnknownFoldVersion};
pub use query::Standing;
pub use row::{Payloads, ReadError, row_hash};

use crate::wire;

/// What a unit should do about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// A hold stands: do not refer, do not remove.
    Held,
    /// An objection to a standing referral stands.
    Disputed,
    /// A referral stands.
    Listed,
    /// Nothing stands any more.
    Cleared,
}

impl Status {
    /// The status in a word, as the command line writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Disputed => "disputed",
            Self::Listed => "listed",
            Self::Cleared => "cleared",
        }
    }
}

impl From<Status> for wire::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Held => Self::Held,
            Status::Disputed => Self::Disputed,
            Status::Listed => Self::Listed,
            Status::Cleared => Self::Cleared,
        }
    }
}

#[cfg(test)]
mod tests;

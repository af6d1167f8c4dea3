//! Up to which sizes a log is complete.
//!
//! A log is *complete up to a size* if every payload missing below it has its `Erase` below it too. With a payload
//! missing at index *i*, let *e* be the index of the first sound `Erase` of *i* with *e > i*, where the header at *i* is
//! of a kind that [can end](RecordKind::can_end) (2 and 4 to 10). Then the log is complete at sizes up to *i* and from
//! *e + 1* on, and not in between. With no such *e*, or another kind at *i*, it is complete at sizes up to *i* only.
//! Several missing payloads must all allow a size. Nodes cosign, certify and fold complete prefixes alone, so a relay
//! that strips a payload gains nothing.
//!
//! ```
//! use entente_proto::ids::Size;
//! use entente_proto::list::Gaps;
//! use entente_proto::record::RecordKind;
//!
//! let mut gaps = Gaps::new();
//! gaps.note_missing(3, RecordKind::Refer)?;
//! assert_eq!(gaps.complete_prefix(Size::new(9)?), Size::new(3)?);
//! gaps.note_erase(3, 7)?; // the record at index 7 erases the one at index 3
//! assert_eq!(gaps.complete_prefix(Size::new(7)?), Size::new(3)?);
//! assert_eq!(gaps.complete_prefix(Size::new(8)?), Size::new(8)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Size;
use crate::record::RecordKind;

/// Most stretches of missing payloads (and most stretches of incomplete sizes) that are tracked for one log: about
/// 40 bytes each. A unit that let its retention end for every other of 2 million records, in one go, reaches it.
pub const GAPS_MAX: usize = 1 << 20;

/// Too many stretches of missing payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {GAPS_MAX} stretches of payloads are missing in one log; ask another node for them")]
pub struct TooManyGaps;

/// The gaps of one log.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    /// Missing without an `Erase`, as stretches: first index, and the index after the last.
    open: BTreeMap<u64, u64>,
    /// Missing, and of a kind that cannot be erased: only the payload itself helps.
    stuck: BTreeSet<u64>,
    /// Sizes at which the log is incomplete though every `Erase` is known, as stretches that do not touch: the index of
    /// the first missing payload (a complete size itself) and the index of the last `Erase` (the last incomplete size).
    closed: BTreeMap<u64, u64>,
}

impl Gaps {
    /// A log without gaps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The payload at this index, of a record of this kind (by its header), is missing.
    ///
    /// # Errors
    /// [`TooManyGaps`]; nothing is noted then.
    pub fn note_missing(&mut self, index: u64, kind: RecordKind) -> Result<(), TooManyGaps> {
        if self.is_missing(index) {
            return Ok(());
        }
        if !kind.can_end() {
            if self.stuck.len() >= GAPS_MAX {
                return Err(TooManyGaps);
            }
            self.stuck.insert(index);
            return Ok(());
        }
        let after = index.saturating_add(1);
        let joined_left = self.open.range(..=index).next_back().filter(|(_, end)| **end == index).map(|(at, _)| *at);
        let joined_right = self.open.get(&after).copied();
        if joined_left.is_none() && joined_right.is_none() && self.open.len() >= GAPS_MAX {
            return Err(TooManyGaps);
        }
        if joined_right.is_some() {
            self.open.remove(&after);
        }
        self.open.insert(joined_left.unwrap_or(index), joined_right.unwrap_or(after));
        Ok(())
    }

    /// The record at `erase_index` is an `Erase` of the one at `index`, sound and pointing backwards. What is not
    /// missing, or is not of a kind that can be erased, stays as it is.
    ///
    /// # Errors
    /// [`TooManyGaps`]; nothing is noted then.
    pub fn note_erase(&mut self, index: u64, erase_index: u64) -> Result<(), TooManyGaps> {
        if erase_index <= index || !self.is_open(index) {
            return Ok(());
        }
        // It may split a stretch in two, and add one to the closed ones.
        if self.open.len() >= GAPS_MAX || self.closed.len() >= GAPS_MAX {
            return Err(TooManyGaps);
        }
        self.take_open(index);
        self.close(index, erase_index);
        Ok(())
    }

    /// The missing payload at this index has come. Where its `Erase` is known already, nothing changes: nobody wants
    /// such a payload any more.
    ///
    /// # Errors
    /// [`TooManyGaps`]; nothing is noted then.
    pub fn gap_filled(&mut self, index: u64) -> Result<(), TooManyGaps> {
        if self.stuck.remove(&index) || !self.is_open(index) {
            return Ok(());
        }
        if self.open.len() >= GAPS_MAX {
            return Err(TooManyGaps);
        }
        self.take_open(index);
        Ok(())
    }

    /// The largest size up to this one at which the log is complete.
    #[must_use]
    pub fn complete_prefix(&self, size: Size) -> Size {
        let first = self.open.keys().next().copied().unwrap_or(u64::MAX);
        let first = first.min(self.stuck.first().copied().unwrap_or(u64::MAX));
        let complete = size.get().min(first);
        let around = self.closed.range(..complete).next_back().filter(|(_, last)| complete <= **last);
        // Closed stretches do not touch, so the size at which one begins lies in no other.
        Size::new(around.map_or(complete, |(begin, _)| *begin)).unwrap_or(size)
    }

    /// The first index at which a payload is missing whose `Erase` is not known: the one to ask partners for.
    #[must_use]
    pub fn first_missing(&self) -> Option<u64> {
        let open = self.open.keys().next().copied();
        open.into_iter().chain(self.stuck.first().copied()).min()
    }

    /// Nobody will ask about sizes below this one any more: what concerns them alone is forgotten.
    pub fn forget_below(&mut self, size: Size) {
        while let Some(oldest) = self.closed.first_entry() {
            if *oldest.get() >= size.get() {
                break;
            }
            oldest.remove();
        }
    }

    /// Whether the payload at this index is missing without an `Erase`: the only ones that are of any use.
    #[must_use]
    pub fn is_missing(&self, index: u64) -> bool {
        self.is_open(index) || self.stuck.contains(&index)
    }

    fn is_open(&self, index: u64) -> bool {
        self.open.range(..=index).next_back().is_some_and(|(_, end)| index < *end)
    }

    fn take_open(&mut self, index: u64) {
        let Some((begin, end)) = self.open.range(..=index).next_back().map(|(begin, end)| (*begin, *end)) else {
            return;
        };
        self.open.remove(&begin);
        if begin < index {
            self.open.insert(begin, index);
        }
        let after = index.saturating_add(1);
        if after < end {
            self.open.insert(after, end);
        }
    }

    /// Adds the sizes from `begin + 1` to `last`, joined with the stretches that overlap or touch them.
    fn close(&mut self, mut begin: u64, mut last: u64) {
        while let Some((other_begin, other_last)) =
            self.closed.range(..=last).next_back().map(|(begin, last)| (*begin, *last)).filter(|(_, end)| *end >= begin)
        {
            self.closed.remove(&other_begin);
            begin = begin.min(other_begin);
            last = last.max(other_last);
        }
        self.closed.insert(begin, last);
    }
}

#[cfg(test)]
mod tests;

//! Compact ranges, after those of transparency-dev/merkle.

use crate::hash::Hash;
use crate::ids::Size;
use crate::tree::{TreeError, width};

/// The fewest full subtrees that cover the leaves `begin..end`, left to right. See the [module](crate::tree).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactRange {
    begin: Size,
    end: Size,
    // One for each of `subtrees(begin, end)`.
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The empty range at `begin`.
    #[must_use]
    pub const fn new(begin: Size) -> Self {
        Self { begin, end: begin, hashes: Vec::new() }
    }

    /// Takes over the hashes of the range `begin..end`. Whether they are the right ones shows in the root.
    ///
    /// # Errors
    /// [`TreeError::Backwards`] if `end` is before `begin`; [`TreeError::HashCount`] unless there is exactly one hash for
    /// each of [`subtrees`].
    pub fn from_hashes(begin: Size, end: Size, hashes: Vec<Hash>) -> Result<Self, TreeError> {
        if end < begin {
            return Err(TreeError::Backwards { begin: begin.get(), end: end.get() });
        }
        let expected = subtrees(begin, end).count();
        if hashes.len() != expected {
            let (begin, end, found) = (begin.get(), end.get(), hashes.len());
            return Err(TreeError::HashCount { begin, end, expected, found });
        }
        Ok(Self { begin, end, hashes })
    }

    /// The index of the first leaf.
    #[must_use]
    pub const fn begin(&self) -> Size {
        self.begin
    }

    /// The index after the last leaf.
    #[must_use]
    pub const fn end(&self) -> Size {
        self.end
    }

    /// The hashes of the subtrees, left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds the leaf hash of the next leaf.
    ///
    /// # Errors
    /// [`TreeError::Size`] when the tree is full; the range is then unchanged.
    pub fn push_leaf(&mut self, leaf_hash: Hash) -> Result<(), TreeError> {
        self.push_subtree(0, leaf_hash)
    }

    /// Adds the hash of the next `2^level` leaves.
    ///
    /// # Errors
    /// [`TreeError::Unaligned`] unless the range ends at a multiple of `2^level`, [`TreeError::Level`] for a level from 40
    /// on, [`TreeError::Size`] when the tree would grow too large; the range is then unchanged.
    pub fn push_subtree(&mut self, level: u32, hash: Hash) -> Result<(), TreeError> {
        let mut width = width(level)?;
        let mut start = self.end.get();
        if start.trailing_zeros() < level {
            return Err(TreeError::Unaligned { end: start, level });
        }
        let end = start.saturating_add(width);
        let end = Size::new(end).map_err(|_| TreeError::Size(end))?;

        // A subtree with an odd index completes its parent if its left sibling lies within the range: that sibling's
        // parent did not fit before, so it is itself the last of the hashes.
        let mut hash = hash;
        while start & width != 0 && start ^ width >= self.begin.get() {
            let Some(left) = self.hashes.pop() else { break };
            hash = Hash::node(&left, &hash);
            start ^= width;
            width <<= 1;
        }
        self.hashes.push(hash);
        self.end = end;
        Ok(())
    }

    /// Adds the range that follows this one.
    ///
    /// # Errors
    /// [`TreeError::Apart`] unless `right` begins where this one ends; the range is then unchanged.
    pub fn append(&mut self, right: &Self) -> Result<(), TreeError> {
        if right.begin != self.end {
            return Err(TreeError::Apart { end: self.end.get(), begin: right.begin.get() });
        }
        subtrees(right.begin, right.end)
            .zip(&right.hashes)
            .try_for_each(|((level, _), hash)| self.push_subtree(level, *hash))
    }

    /// The root of the tree whose leaves the range covers; of no leaves, [`Hash::EMPTY_ROOT`].
    ///
    /// # Errors
    /// [`TreeError::NotFromStart`] unless the range begins at 0.
    pub fn root(&self) -> Result<Hash, TreeError> {
        if self.begin != Size::ZERO {
            return Err(TreeError::NotFromStart(self.begin.get()));
        }
        Ok(fold(&self.hashes).unwrap_or(Hash::EMPTY_ROOT))
    }

    /// The range cut back to the last bundle boundary, a multiple of 256; empty if there is none within it. No hash has to
    /// be computed, since no subtree of the range lies across that boundary.
    #[must_use]
    pub fn bundled(&self) -> Self {
        let end = self.end.bundled().max(self.begin);
        let whole = subtrees(self.begin, end).count();
        Self { begin: self.begin, end, hashes: self.hashes.iter().take(whole).copied().collect() }
    }
}

/// The `(level, index)` of the subtrees of the compact range over the leaves `begin..end`, left to right.
pub fn subtrees(begin: Size, end: Size) -> impl Iterator<Item = (u32, u64)> {
    let mut at = begin.get();
    std::iter::from_fn(move || {
        let level = end.get().checked_sub(at)?.checked_ilog2()?.min(at.trailing_zeros());
        let index = at.checked_shr(level)?;
        at = at.checked_add(1_u64.checked_shl(level)?)?;
        Some((level, index))
    })
}

/// The root over the hashes of a compact range that begins at a boundary at least as wide as the range.
pub(super) fn fold(hashes: &[Hash]) -> Option<Hash> {
    hashes.iter().rev().copied().reduce(|right, left| Hash::node(&left, &right))
}

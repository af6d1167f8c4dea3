//! What a node has taken of one log: the tree over it, and what is missing from it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::Fault;
use super::eras::Adoption;
use super::event::LeafHashes;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::BUNDLE_ENTRIES;
use crate::list::Gaps;
use crate::record::{self, RecordKind};
use crate::tree::{self, CompactRange, NodeSource};
use crate::wire::record::Body;

/// The level of the root of a full bundle: 2^8 leaves.
const BUNDLE_LEVEL: u32 = 8;

/// Entries that are proven to stand in their unit's log, directly behind what was proven before, or in the place of what was.
///
/// Only this module makes them, so whoever is handed one may store it.
#[derive(Debug)]
pub struct VerifiedRun {
    unit: UnitId,
    from: Size,
    entries: Vec<Entry>,
    level1: Vec<(u64, Hash)>,
}

impl VerifiedRun {
    /// Whose log.
    #[must_use]
    pub const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// The index of the first entry.
    #[must_use]
    pub const fn from(&self) -> Size {
        self.from
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bundles that become full with it: their numbers and level-1 hashes.
    #[must_use]
    pub fn level1(&self) -> &[(u64, Hash)] {
        &self.level1
    }

    /// The size of the log with it.
    #[must_use]
    pub fn end(&self) -> Size {
        self.from.plus(self.entries.len() as u64).unwrap_or(self.from)
    }

    /// Its parts: unit, index of the first entry, entries, level-1 hashes.
    #[must_use]
    pub fn into_parts(self) -> (UnitId, Size, Vec<Entry>, Vec<(u64, Hash)>) {
        (self.unit, self.from, self.entries, self.level1)
    }
}

/// The tree over a log as far as it was taken, with every node from level 8 up and the leaves of the last bundle.
#[derive(Debug)]
pub(super) struct Replica {
    unit: UnitId,
    range: CompactRange,
    /// `levels[k]`: all full subtrees of 2^(8+k) leaves. Twice the level-1 hashes in all: 64 bytes for 256 entries.
    levels: Vec<Vec<Hash>>,
    /// The leaf hashes of the last, partial bundle.
    tail: Vec<Hash>,
    last_time_ms: u64,
    /// The first entry whose time is earlier than the one's before it: nothing from there on is cosigned.
    time_goes_back: Option<u64>,
    gaps: Gaps,
    /// The leaf hashes of the entries whose payload is missing without an `Erase`. No other payload is taken later.
    missing: BTreeMap<u64, Hash>,
    /// Each `Adopt` among the entries that were taken last, and what it says; nothing where its payload is missing.
    adopts: Vec<(u64, Option<Adoption>)>,
}

/// What [`Replica::prove`] found: what the tree would be with further leaves.
#[derive(Debug)]
pub(super) struct Grown {
    range: CompactRange,
    tail: Vec<Hash>,
    level1: Vec<(u64, Hash)>,
}

impl Grown {
    pub(super) fn root(&self) -> Option<Hash> {
        self.range.root().ok()
    }

    pub(super) fn level1(&self) -> &[(u64, Hash)] {
        &self.level1
    }
}

impl Replica {
    pub(super) fn new(unit: UnitId) -> Self {
        Self {
            unit,
            range: CompactRange::new(Size::ZERO),
            levels: Vec::new(),
            tail: Vec::new(),
            last_time_ms: 0,
            time_goes_back: None,
            gaps: Gaps::default(),
            missing: BTreeMap::new(),
            adopts: Vec::new(),
        }
    }

    /// What was taken of charters since this was last asked.
    pub(super) fn found_adopts(&mut self) -> Vec<(u64, Option<Adoption>)> {
        std::mem::take(&mut self.adopts)
    }

    /// Puts together what the store held at the start.
    pub(super) fn restore(
        &mut self,
        level1: Vec<Hash>,
        tail: &[Hash],
        (last_time_ms, time_goes_back): (u64, Option<u64>),
        gaps: Gaps,
        missing: BTreeMap<u64, Hash>,
    ) -> Option<()> {
        for hash in level1 {
            self.range.push_subtree(BUNDLE_LEVEL, hash).ok()?;
            self.push_level1(hash);
        }
        for leaf in tail {
            self.range.push_leaf(*leaf).ok()?;
            self.tail.push(*leaf);
        }
        (self.last_time_ms, self.time_goes_back) = (last_time_ms, time_goes_back);
        (self.gaps, self.missing) = (gaps, missing);
        Some(())
    }

    /// How many entries were taken.
    pub(super) fn taken(&self) -> Size {
        self.range.end()
    }

    pub(super) fn tail(&self) -> &[Hash] {
        &self.tail
    }

    pub(super) const fn last_time_ms(&self) -> u64 {
        self.last_time_ms
    }

    /// Up to where nothing stands against a cosignature as far as times go.
    pub(super) fn ordered_up_to(&self, size: Size) -> Option<()> {
        self.time_goes_back.is_none_or(|at| size.get() <= at).then_some(())
    }

    /// The largest complete size that is at most `size`.
    pub(super) fn complete(&self, size: Size) -> Size {
        self.gaps.complete_prefix(size)
    }

    /// The first entry whose payload is missing without an erasure.
    pub(super) fn first_gap(&self) -> Option<u64> {
        self.gaps.first_missing()
    }

    /// What the tree would be with these leaves behind it.
    pub(super) fn grow<'a>(&self, leaves: impl IntoIterator<Item = &'a Entry>) -> Option<Grown> {
        let mut grown = Grown { range: self.range.clone(), tail: self.tail.clone(), level1: Vec::new() };
        for entry in leaves {
            grown.range.push_leaf(entry.leaf_hash()).ok()?;
            grown.tail.push(entry.leaf_hash());
            if grown.tail.len() as u64 == BUNDLE_ENTRIES {
                let bundle = grown.range.end().bundles().checked_sub(1)?;
                grown.level1.push((bundle, tree::level1(&grown.tail).ok()?));
                grown.tail.clear();
            }
        }
        Some(grown)
    }

    /// Takes entries whose place was proven with [`Self::grow`].
    pub(super) fn take(&mut self, entries: Vec<Entry>, grown: Grown) -> Result<VerifiedRun, Fault> {
        let from = self.taken();
        let mut index = from.get();
        for entry in &entries {
            let header = entry.header();
            if header.time_ms < self.last_time_ms {
                self.time_goes_back.get_or_insert(index);
            }
            self.last_time_ms = self.last_time_ms.max(header.time_ms);
            match entry.payload() {
                None => {
                    let kind = RecordKind::of_number(header.kind);
                    self.gaps.note_missing(index, kind).map_err(|_| Fault::Gaps(self.unit.clone()))?;
                    self.missing.insert(index, entry.leaf_hash());
                    if kind == RecordKind::Adopt {
                        self.adopts.push((index, None));
                    }
                }
                Some(payload) => {
                    self.note_erase(header.kind, index, payload)?;
                    self.adopts.extend(Adoption::of(header.kind, payload).map(|adoption| (index, Some(adoption))));
                }
            }
            index = index.saturating_add(1);
        }
        for (_, hash) in &grown.level1 {
            self.push_level1(*hash);
        }
        (self.range, self.tail) = (grown.range, grown.tail);
        Ok(VerifiedRun { unit: self.unit.clone(), from, entries, level1: grown.level1 })
    }

    /// Entries of one bundle, from its first one on, that were taken before; nothing if they are not those.
    pub(super) fn taken_before(&self, first: Size, entries: Vec<Entry>) -> Option<VerifiedRun> {
        let hashes: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
        let bundle = first.bundles();
        let same = if bundle < self.taken().bundles() {
            let known = self.level1(bundle, bundle.checked_add(1)?)?.first()?;
            hashes.len() as u64 == BUNDLE_ENTRIES && tree::level1(&hashes).ok()? == *known
        } else {
            !hashes.is_empty() && self.tail.starts_with(&hashes)
        };
        let aligned = first == first.bundled() && bundle <= self.taken().bundles();
        (same && aligned).then(|| VerifiedRun { unit: self.unit.clone(), from: first, entries, level1: Vec::new() })
    }

    /// Whether this is the whole of an entry that was taken without its payload.
    pub(super) fn lacks(&self, index: u64, entry: &Entry) -> Option<()> {
        (entry.payload().is_some() && self.missing.get(&index) == Some(&entry.leaf_hash())).then_some(())
    }

    /// Takes the payload of an entry that was taken without it.
    pub(super) fn fill(&mut self, index: u64, entry: &Entry) -> Option<()> {
        self.lacks(index, entry)?;
        let payload = entry.payload()?;
        self.note_erase(entry.header().kind, index, payload).ok()?;
        self.gaps.gap_filled(index).ok()?;
        self.missing.remove(&index);
        Some(())
    }

    fn note_erase(&mut self, kind: u32, index: u64, payload: &[u8]) -> Result<(), Fault> {
        let Some(erased) = erased_by(kind, payload) else { return Ok(()) };
        self.gaps.note_erase(erased, index).map_err(|_| Fault::Gaps(self.unit.clone()))?;
        // A partner that has not heard of it may still send the payload.
        if !self.gaps.is_missing(erased) {
            self.missing.remove(&erased);
        }
        Ok(())
    }

    fn push_level1(&mut self, hash: Hash) {
        let mut node = hash;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else { return };
            nodes.push(node);
            // Two full neighbours make a full node above.
            let [.., left, right] = nodes.as_slice() else { return };
            if nodes.len() % 2 != 0 {
                return;
            }
            node = Hash::node(left, right);
        }
    }

    /// The root at a size that was taken; nothing if the leaves for it cannot be read.
    pub(super) fn root_at(&self, size: Size, leaves: &impl LeafHashes) -> Option<Hash> {
        if size == self.taken() {
            return self.range.root().ok();
        }
        self.stretch(Size::ZERO, size, leaves)?.root().ok()
    }

    /// The level-1 hashes of bundles, which must be full.
    pub(super) fn level1(&self, first: u64, end: u64) -> Option<&[Hash]> {
        self.levels.first()?.get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
    }

    /// The compact range of a stretch that was taken.
    pub(super) fn stretch(&self, begin: Size, end: Size, leaves: &impl LeafHashes) -> Option<CompactRange> {
        if end > self.taken() || begin > end {
            return None;
        }
        let low = if end == end.bundled() {
            Vec::new()
        } else if end.bundles() == self.taken().bundles() {
            self.tail.clone()
        } else {
            leaves.leaf_hashes(&self.unit, end.bundles())?
        };
        let nodes = Nodes { levels: &self.levels, low: &[(end.bundled().get(), low)] };
        tree::range(&nodes, begin, end).ok().filter(|range| range.end() == end)
    }

    /// Shows what roots the tree of `new` leaves, which were taken, has at `old` and `new`: see
    /// [`consistency_path`](tree::consistency_path). Reads the leaf hashes of two bundles at the most.
    pub(super) fn path(&self, old: Size, new: Size, leaves: &impl LeafHashes) -> Option<Vec<Hash>> {
        if new > self.taken() {
            return None;
        }
        let low = self.low([old.bundled(), new.bundled()], leaves)?;
        tree::consistency_path(&Nodes { levels: &self.levels, low: &low }, old, new).ok()
    }

    /// Proves that the tree of `new` leaves, which were taken, extends that of `old`. Reads the leaf hashes of two bundles at
    /// the most.
    pub(super) fn consistency(&self, old: Size, new: Size, leaves: &impl LeafHashes) -> Option<Vec<Hash>> {
        if new > self.taken() {
            return None;
        }
        let low = self.low([old.bundled(), new.bundled()], leaves)?;
        tree::consistency_proof(&Nodes { levels: &self.levels, low: &low }, old, new).ok()
    }

    /// The leaf hashes of the bundles that begin there.
    fn low(&self, bundles: [Size; 2], leaves: &impl LeafHashes) -> Option<Vec<(u64, Vec<Hash>)>> {
        let mut low = Vec::new();
        for from in BTreeSet::from(bundles) {
            let last = from == self.taken().bundled();
            let hashes = if last { self.tail.clone() } else { leaves.leaf_hashes(&self.unit, from.bundles())? };
            low.push((from.get(), hashes));
        }
        Some(low)
    }

    /// Proves that the tree of `size` leaves, which were taken, has the leaf `index`. What lies below level 8 is computed
    /// from the leaf hashes of two bundles: the leaf's own, and the partial one at the end.
    pub(super) fn inclusion(&self, index: u64, size: Size, leaves: &impl LeafHashes) -> Option<Vec<Hash>> {
        if size > self.taken() {
            return None;
        }
        let low = self.low([Size::new(index).ok()?.bundled(), size.bundled()], leaves)?;
        tree::inclusion_proof(&Nodes { levels: &self.levels, low: &low }, index, size).ok()
    }
}

/// The index of the record that an `Erase` names: its kind by its header, and its payload. It counts if that record stands
/// before it and its header's kind [can end](RecordKind::can_end).
#[must_use]
pub fn erased_by(kind: u32, payload: &[u8]) -> Option<u64> {
    if kind != RecordKind::Erase.number() {
        return None;
    }
    match record::parse(kind, payload).ok()?.into_body() {
        Body::Erase(erase) => Some(erase.index),
        _ => None,
    }
}

/// The nodes of a tree: kept ones from level 8 up, below computed ones for some bundles, given by their first leaf and
/// leaf hashes.
struct Nodes<'a> {
    levels: &'a [Vec<Hash>],
    low: &'a [(u64, Vec<Hash>)],
}

/// A node that is not there: the caller asked beyond what it holds.
#[derive(Debug)]
struct Absent;

impl From<Infallible> for Absent {
    fn from(value: Infallible) -> Self {
        match value {}
    }
}

impl NodeSource for Nodes<'_> {
    type Error = Absent;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Absent> {
        if let Some(above) = level.checked_sub(BUNDLE_LEVEL) {
            let nodes = self.levels.get(above as usize).ok_or(Absent)?;
            return usize::try_from(index).ok().and_then(|at| nodes.get(at)).copied().ok_or(Absent);
        }
        let width = 1_usize.checked_shl(level).ok_or(Absent)?;
        let first = index.checked_shl(level).ok_or(Absent)?;
        let bundle = |(from, _): &&(u64, Vec<Hash>)| first.checked_sub(*from).is_some_and(|at| at < BUNDLE_ENTRIES);
        let (from, hashes) = self.low.iter().find(bundle).ok_or(Absent)?;
        let at = usize::try_from(first.saturating_sub(*from)).map_err(|_| Absent)?;
        let leaves = hashes.get(at..at.saturating_add(width)).ok_or(Absent)?;
        let mut range = CompactRange::new(Size::ZERO);
        for leaf in leaves {
            range.push_leaf(*leaf).map_err(|_| Absent)?;
        }
        range.root().map_err(|_| Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{MemoryTree, verify_inclusion};

    struct Stored(Vec<Hash>);

    impl LeafHashes for Stored {
        fn leaf_hashes(&self, _unit: &UnitId, bundle: u64) -> Option<Vec<Hash>> {
            Some(self.0.iter().skip(bundle as usize * 256).take(256).copied().collect())
        }
    }

    fn leaf(number: u64) -> Hash {
        Hash::leaf(&number.to_be_bytes())
    }

    #[test]
    fn any_entry_is_proven_under_any_size_that_was_taken() {
        for taken in [1, 255, 256, 257, 1_024, 1_300_u64] {
            let stored = Stored((0..taken).map(leaf).collect());
            let (full, tail) = stored.0.split_at(taken as usize / 256 * 256);
            let level1 = full.chunks(256).map(|bundle| tree::level1(bundle).unwrap()).collect();
            let mut replica = Replica::new("BE".parse().unwrap());
            replica.restore(level1, tail, (0, None), Gaps::default(), BTreeMap::new()).unwrap();
            for size in [1, 2, 200, 256, 300, 512, 513, 1_000, 1_024, 1_025, taken].into_iter().filter(|s| *s <= taken)
            {
                let tree: MemoryTree = (0..size).map(leaf).collect();
                let of = Size::new(size).unwrap();
                for index in [0, 1, 100, 255, 256, 511, 700, size - 1].into_iter().filter(|index| *index < size) {
                    let proof = replica.inclusion(index, of, &stored).unwrap();
                    assert_eq!(
                        verify_inclusion(&leaf(index), index, of, &tree.root(), &proof),
                        Ok(()),
                        "{index} of {size}"
                    );
                }
                assert_eq!(replica.inclusion(size, of, &stored), None);
            }
            assert_eq!(replica.inclusion(0, Size::new(taken + 1).unwrap(), &stored), None);
        }
    }
}

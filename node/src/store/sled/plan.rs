//! What one batch comes to: judged against what is stored and what the group has gathered, nothing written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use entente_proto::entry::{Entry, EntryHeader};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{BUNDLE_ENTRIES, OPENING_BYTES};
use entente_proto::record::{RecordKind, revoked_by};

use super::commit::Gathered;
use super::read::corrupt;
use super::scrub::Deleted;
use super::{SledStore, failed};
use crate::store::block::{PARTED_BYTES_MAX, Stored, joined, pack, part_keys, parts, without_bodies};
use crate::store::{Append, Batch, Erasure, Fill, Refused, ScrubDue, Store as _, StoreError, SubmissionId, key};

pub(super) struct Plan<'a> {
    pub(super) store: &'a SledStore,
    /// In order, the last for a key counts; `None` removes.
    pub(super) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The counters of the logs concerned, after it.
    pub(super) changes: BTreeMap<UnitId, Change>,
    pub(super) submissions: BTreeMap<SubmissionId, u64>,
    /// How many bodies it deletes that were there.
    erased: u64,
    pub(super) deleted: Option<Deleted>,
}

/// How the counters of a log differ from those shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) size: u64,
    /// To where it was cut back.
    pub(super) cut: Option<u64>,
    /// Gaps that come.
    pub(super) opened: BTreeSet<u64>,
    /// Gaps that go.
    pub(super) closed: BTreeSet<u64>,
    /// Erasures that are announced: index, and index of the `Erase`.
    pub(super) announced: BTreeMap<u64, u64>,
    /// Gaps that are erased for good: index, and index of the `Erase`.
    pub(super) erased: BTreeMap<u64, u64>,
    /// Announcements that go.
    pub(super) settled: BTreeSet<u64>,
    /// Bundles that are written again.
    pub(super) repaired: BTreeSet<u64>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(store: &'a SledStore, batch: &Batch, gathered: &Gathered) -> Result<Self, StoreError> {
        let mut plan = Self {
            store,
            writes: Vec::new(),
            changes: BTreeMap::new(),
            submissions: BTreeMap::new(),
            erased: 0,
            deleted: None,
        };
        for unit in batch.units() {
            plan.changes.entry(unit.clone()).or_insert_with(|| {
                let shown = || Change { size: store.size(unit).get(), ..Change::default() };
                gathered.changes.get(unit).cloned().unwrap_or_else(shown)
            });
        }
        if let Some((unit, size)) = &batch.rewind {
            batch.rewinds_alone(unit)?;
            plan.rewind(unit, *size)?;
        }
        for repair in &batch.repairs {
            plan.repair(repair)?;
        }
        // Appended by this batch: not in the tree yet, so nothing else in it can speak of them.
        let before: BTreeMap<_, _> = plan.changes.iter().map(|(unit, change)| (unit.clone(), change.size)).collect();
        let there = |unit: &UnitId, index: u64| {
            let there = before.get(unit).is_some_and(|size| index < *size);
            if there { Ok(()) } else { Err(Refused::NoEntry { unit: unit.clone(), index }) }
        };
        for append in &batch.appends {
            plan.append(append)?;
        }
        for fill in &batch.fills {
            there(&fill.unit, fill.index)?;
            plan.fill(fill)?;
        }
        for erasure in &batch.announced {
            plan.announce(erasure)?;
        }
        let mut erased: BTreeMap<&UnitId, BTreeSet<u64>> = BTreeMap::new();
        for (unit, index) in &batch.erasures {
            there(unit, *index)?;
            erased.entry(unit).or_default().insert(*index);
        }
        for (unit, indexes) in erased {
            plan.erase(unit, indexes)?;
        }
        for (unit, index) in &batch.settled {
            there(unit, *index)?;
            plan.settle(unit, *index)?;
        }
        if let Some(now_ms) = batch.erased_ms.filter(|_| plan.erased > 0) {
            plan.scrub_is_due(now_ms, gathered);
        }
        for (unit, kind, note) in &batch.heads {
            if note.len() > PARTED_BYTES_MAX {
                return Err(Refused::NoteLength(note.len()).into());
            }
            plan.put_parts(&key::head(unit, *kind), note);
        }
        plan.writes.extend(batch.forgotten.iter().map(|id| (key::submission(id), None)));
        for (id, index) in &batch.submissions {
            plan.submission(id, *index, gathered)?;
        }
        Ok(plan)
    }

    fn append(&mut self, append: &Append) -> Result<(), StoreError> {
        let Append { unit, from, entries, level1 } = append;
        let from = from.get();
        let size = self.changes.get(unit).map_or(0, |change| change.size);
        if from > size {
            return Err(Refused::Gap { unit: unit.clone(), from, size }.into());
        }
        let end = Size::new(from).and_then(|from| from.plus(entries.len() as u64));
        let end = end.map_err(|_| Refused::TooLarge(unit.clone()))?.get().max(size);
        let overlap = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX);
        let (known, new) = entries.split_at_checked(overlap).unwrap_or((entries, &[]));
        self.same_leaves(unit, from, known)?;
        self.level1(unit, size, end, level1)?;
        pack(unit, size, new, |(key, value)| self.writes.push((key, Some(value))));
        for (index, entry) in (size..).zip(new) {
            self.note_revoked(unit, index, entry);
            if entry.header().kind == RecordKind::Adopt.number() {
                self.writes.push((key::at(key::ADOPT, unit, index), Some(vec![])));
            }
        }
        let opened = (size..).zip(new).filter(|(_, entry)| entry.body().is_none()).map(|(index, _)| index);
        let opened: Vec<u64> = opened.collect();
        self.writes.extend(opened.iter().map(|index| (key::at(key::GAP, unit, *index), Some(vec![]))));
        if let Some(change) = self.changes.get_mut(unit) {
            change.size = end;
            change.opened.extend(opened);
        }
        Ok(())
    }

    /// A `Revoke` is never undone, so what is noted stays.
    fn note_revoked(&mut self, unit: &UnitId, index: u64, entry: &Entry) {
        let spki = entry.payload().and_then(|payload| revoked_by(entry.header().kind, payload));
        self.writes.extend(spki.map(|spki| (key::revoked(unit, &spki), Some(index.to_be_bytes().to_vec()))));
    }

    fn same_leaves(&self, unit: &UnitId, from: u64, known: &[Entry]) -> Result<(), StoreError> {
        let mut left = known.iter();
        if !known.is_empty() {
            self.store.each_slot(unit, from, |index, slot| match left.next() {
                Some(entry) if *entry.leaf() != slot.leaf => {
                    Err(Refused::Conflict { unit: unit.clone(), index }.into())
                }
                _ => Ok(!left.as_slice().is_empty()),
            })?;
        }
        let compared = known.len().saturating_sub(left.len());
        self.store.none_missing(unit, from, compared, compared == known.len())
    }

    /// The hashes must be those of the bundles that become full, each once; of bundles that were full, the same again.
    fn level1(&mut self, unit: &UnitId, size: u64, end: u64, level1: &[(u64, Hash)]) -> Result<(), StoreError> {
        let fault = |bundle| StoreError::from(Refused::Level1 { unit: unit.clone(), bundle });
        let full = size / BUNDLE_ENTRIES;
        let mut due = full..(end / BUNDLE_ENTRIES);
        for (bundle, hash) in level1 {
            let key = key::at(key::LEVEL1, unit, *bundle);
            if *bundle < full {
                let stored = self.store.base().tree.get(&key).map_err(failed)?;
                if stored.is_none_or(|stored| stored != hash.0) {
                    return Err(fault(*bundle));
                }
            } else if due.next() == Some(*bundle) {
                self.writes.push((key, Some(hash.0.to_vec())));
            } else {
                return Err(fault(*bundle));
            }
        }
        due.next().map_or(Ok(()), |missing| Err(fault(missing)))
    }

    fn fill(&mut self, fill: &Fill) -> Result<(), StoreError> {
        let Fill { unit, index, body } = fill;
        let (leaf, _) = self.stored(unit, *index)?;
        let entry = Entry::new(leaf, Some(body.clone())).map_err(|fault| Refused::Body {
            unit: unit.clone(),
            index: *index,
            fault,
        })?;
        self.note_revoked(unit, *index, &entry);
        // The commitment binds: a body that is there is this one.
        if self.is_gap(unit, *index) {
            self.put_parts(&key::at(key::PART, unit, *index), &joined(body));
            self.writes.push((key::at(key::GAP, unit, *index), None));
            if let Some(change) = self.changes.get_mut(unit) {
                change.opened.remove(index);
                change.closed.insert(*index);
                change.erased.remove(index);
            }
        }
        Ok(())
    }

    fn erase(&mut self, unit: &UnitId, mut indexes: BTreeSet<u64>) -> Result<(), StoreError> {
        indexes.retain(|index| !self.is_gap(unit, *index));
        for index in &indexes {
            let (leaf, inline) = self.stored(unit, *index)?;
            if inline {
                // The block once more for each of its entries: the last write counts, and none undoes another.
                let (first, slots) = self.store.block_of(unit, *index)?;
                let (key, value) = without_bodies(unit, first, &slots, &indexes);
                self.writes.push((key, Some(value)));
            }
            let header = EntryHeader::parse(&leaf).map_err(|fault| corrupt(unit, *index, &fault.to_string()))?;
            let length = OPENING_BYTES.saturating_add(header.payload_size as usize);
            let parts = key::at(key::PART, unit, *index);
            self.writes.extend(part_keys(&parts, length).map(|key| (key, None)));
            self.writes.push((key::at(key::GAP, unit, *index), Some(vec![])));
        }
        self.erased = self.erased.saturating_add(indexes.len() as u64);
        if let Some(change) = self.changes.get_mut(unit) {
            change.closed.retain(|index| !indexes.contains(index));
            change.opened.extend(indexes);
        }
        Ok(())
    }

    /// The first `Erase` of a record is the one that counts.
    fn announce(&mut self, erasure: &Erasure) -> Result<(), StoreError> {
        let Erasure { unit, index, by } = erasure;
        let Some(change) = self.changes.get_mut(unit).filter(|change| *index < change.size) else {
            return Err(Refused::NoEntry { unit: unit.clone(), index: *index }.into());
        };
        let stored = self.store.withheld(unit, *index).filter(|_| !change.settled.contains(index));
        if stored.is_none() && !change.announced.contains_key(index) {
            change.announced.insert(*index, *by);
            self.writes.push((key::at(key::WITHHELD, unit, *index), Some(by.to_be_bytes().to_vec())));
        }
        Ok(())
    }

    fn settle(&mut self, unit: &UnitId, index: u64) -> Result<(), StoreError> {
        let gap = self.is_gap(unit, index);
        let Some(change) = self.changes.get_mut(unit) else { return Ok(()) };
        let stored = self.store.withheld(unit, index).filter(|_| !change.settled.contains(&index));
        let Some(by) = change.announced.remove(&index).or(stored) else { return Ok(()) };
        change.settled.insert(index);
        self.writes.push((key::at(key::WITHHELD, unit, index), None));
        if gap && self.can_end(unit, index)? {
            self.writes.push((key::at(key::GAP, unit, index), Some(by.to_be_bytes().to_vec())));
            if let Some(change) = self.changes.get_mut(unit) {
                change.erased.insert(index, by);
            }
        }
        Ok(())
    }

    /// Whether an entry is of a kind that can be erased.
    fn can_end(&self, unit: &UnitId, index: u64) -> Result<bool, StoreError> {
        let (leaf, _) = self.stored(unit, index)?;
        let header = EntryHeader::parse(&leaf).map_err(|fault| corrupt(unit, index, &fault.to_string()))?;
        Ok(RecordKind::of_number(header.kind).can_end())
    }

    fn scrub_is_due(&mut self, now_ms: u64, gathered: &Gathered) {
        let before = gathered.deleted.map(|deleted| deleted.due).or_else(|| self.store.scrub_due());
        let due = ScrubDue {
            since_ms: before.map_or(now_ms, |due| due.since_ms),
            records: before.map_or(0, |due| due.records).saturating_add(self.erased),
        };
        self.writes.push((key::SCRUB_DUE.to_vec(), Some(due.to_bytes())));
        self.deleted = Some(Deleted { due, now_ms });
    }

    fn submission(&mut self, id: &SubmissionId, index: u64, gathered: &Gathered) -> Result<(), StoreError> {
        let known = self.submissions.get(id).or_else(|| gathered.submissions.get(id)).copied();
        let known = known.map_or_else(|| self.store.submission(id), |known| Ok(Some(known)))?;
        match known {
            Some(known) if known != index => return Err(Refused::Submission(known).into()),
            Some(_) => {}
            None => self.writes.push((key::submission(id), Some(index.to_be_bytes().to_vec()))),
        }
        self.submissions.insert(*id, index);
        Ok(())
    }

    /// The leaf of an entry in the tree, and whether its body stands in its block.
    fn stored(&self, unit: &UnitId, index: u64) -> Result<(Bytes, bool), StoreError> {
        let (first, slots) = self.store.block_of(unit, index)?;
        let at = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        let slot = slots.into_iter().nth(at).ok_or_else(|| corrupt(unit, index, "it is missing"))?;
        Ok((slot.leaf, matches!(slot.body, Stored::Inline(_))))
    }

    /// Whether the body of an entry is missing, as far as this plan has come.
    pub(super) fn is_gap(&self, unit: &UnitId, index: u64) -> bool {
        self.changes.get(unit).is_some_and(|change| {
            change.opened.contains(&index) || (!change.closed.contains(&index) && self.store.is_gap(unit, index))
        })
    }

    fn put_parts(&mut self, key: &[u8], content: &[u8]) {
        parts(key, content, &mut |(key, value)| self.writes.push((key, Some(value))));
    }
}

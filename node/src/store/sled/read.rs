//! Reading, and what start finds out.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use entente_proto::entry::{Body, Entry, EntryError, encoded_len};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::record::RecordKind;

use super::base::Base;
use super::{Log, SledStore, failed, lock};
use crate::store::block::{Slot, Stored, join_parts, parted, unpack};
use crate::store::{
    Batch, Erasure, HeadKind, ScrubDue, ScrubStep, Scrubbed, Store, StoreError, StoredLog, SubmissionId, key,
};

impl Store for SledStore {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.commit_group(group)
    }

    fn units(&self) -> Vec<UnitId> {
        self.logs().iter().filter(|(_, log)| log.size > 0).map(|(unit, _)| unit.clone()).collect()
    }

    fn size(&self, unit: &UnitId) -> Size {
        self.logs().get(unit).and_then(|log| Size::new(log.size).ok()).unwrap_or_default()
    }

    fn log(&self, unit: &UnitId) -> Result<StoredLog, StoreError> {
        let size = self.size(unit);
        self.guarded(|| {
            Ok(StoredLog {
                size,
                level1: self.level1(unit, size)?,
                tail_leaves: self.leaf_hashes(unit, size.bundles())?,
                certified: self.note(unit, HeadKind::Certified)?,
                newest: self.note(unit, HeadKind::Newest)?,
                bridge: self.note(unit, HeadKind::Bridge)?,
                fork: self.note(unit, HeadKind::Fork)?,
                gaps: self.logs().get(unit).map(|log| log.gaps.iter().copied().collect()).unwrap_or_default(),
                erased: self.logs().get(unit).map(|log| log.erased.clone().into_iter().collect()).unwrap_or_default(),
            })
        })
    }

    fn entries(&self, unit: &UnitId, from: u64, max_count: usize, max_bytes: usize) -> Result<Vec<Entry>, StoreError> {
        self.unless_cut(|| self.read(unit, from, max_count, max_bytes, Reader::Anyone))
            .inspect_err(|error| self.note_fault(error))
    }

    fn entries_to_fold(
        &self,
        unit: &UnitId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.unless_cut(|| self.read(unit, from, max_count, max_bytes, Reader::Fold))
            .inspect_err(|error| self.note_fault(error))
    }

    fn withheld(&self, unit: &UnitId, index: u64) -> Option<u64> {
        self.logs().get(unit).and_then(|log| log.withheld.get(&index).copied())
    }

    fn all_withheld(&self) -> Vec<Erasure> {
        let logs = self.logs();
        let of = |(unit, log): (&UnitId, &Log)| -> Vec<Erasure> {
            log.withheld.iter().map(|(index, by)| Erasure { unit: unit.clone(), index: *index, by: *by }).collect()
        };
        logs.iter().flat_map(of).collect()
    }

    fn lacks(&self, unit: &UnitId, index: u64) -> bool {
        self.is_gap(unit, index)
    }

    fn announcements(&self) -> u64 {
        self.announcements.load(Ordering::Acquire)
    }

    fn revocations(&self) -> Result<Vec<(UnitId, Hash)>, StoreError> {
        self.guarded(|| {
            let mut found = Vec::new();
            for pair in self.base().tree.scan_prefix([key::REVOKED]) {
                let (key, _) = pair.map_err(failed)?;
                let named = key::unit(&key).and_then(|unit| key::spki(&key, &unit).map(|spki| (unit, spki)));
                found.push(named.ok_or_else(|| self.damaged("a revoked key is noted in a malformed way"))?);
            }
            Ok(found)
        })
    }

    fn adopts(&self, unit: &UnitId) -> Result<Vec<u64>, StoreError> {
        self.guarded(|| {
            let prefix = key::of_log(key::ADOPT, unit);
            let mut found = Vec::new();
            for pair in self.base().tree.scan_prefix(&prefix) {
                let (key, _) = pair.map_err(failed)?;
                let number = key.strip_prefix(prefix.as_slice()).and_then(|rest| rest.try_into().ok());
                let number = number.map(u64::from_be_bytes);
                found.push(number.ok_or_else(|| self.damaged("an Adopt is noted in a malformed way"))?);
            }
            Ok(found)
        })
    }

    fn scrub_due(&self) -> Option<ScrubDue> {
        *lock(&self.due)
    }

    fn back_up(&self, directory: &Path) -> Result<(), StoreError> {
        self.copy_into(directory)
    }

    fn found_bad(&self) -> Vec<(UnitId, u64)> {
        lock(&self.bad).iter().map(|((unit, _), index)| (unit.clone(), *index)).collect()
    }

    fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Acquire)
    }

    fn found_broken(&self) -> Option<String> {
        self.broken.get().cloned()
    }

    fn scrub(&self, go_on: &mut dyn FnMut(ScrubStep) -> ControlFlow<()>) -> Result<Scrubbed, StoreError> {
        self.rewrite(go_on)
    }

    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError> {
        self.unless_cut(|| self.hashes_of(unit, bundle)).inspect_err(|error| self.note_fault(error))
    }

    fn submission(&self, id: &SubmissionId) -> Result<Option<u64>, StoreError> {
        let value = self.guard(|| self.base().tree.get(key::submission(id))).inspect_err(|e| self.note_fault(e))?;
        let index = |value: sled::IVec| {
            let index = value.as_ref().try_into().map(u64::from_be_bytes);
            index.map_err(|_| StoreError::CorruptSubmission(value.len()))
        };
        value.map(index).transpose().inspect_err(|error| self.note_fault(error))
    }
}

/// For whom entries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// For whoever asks: bodies that are withheld are left out.
    Anyone,
    /// For the fold, which still counts them.
    Fold,
}

impl SledStore {
    fn hashes_of(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError> {
        let size = self.size(unit).get();
        let from = bundle.saturating_mul(BUNDLE_ENTRIES);
        let count = usize::try_from(size.saturating_sub(from).min(BUNDLE_ENTRIES)).unwrap_or(0);
        let mut hashes = Vec::with_capacity(count);
        if count == 0 {
            return Ok(hashes);
        }
        self.guarded(|| {
            self.each_slot(unit, from, |_, slot| {
                hashes.push(slot.leaf_hash());
                Ok(hashes.len() < count)
            })
        })?;
        self.none_missing(unit, from, hashes.len(), hashes.len() == count)?;
        if hashes.len() as u64 == BUNDLE_ENTRIES {
            self.guarded(|| self.check_bundle(unit, bundle, &hashes))?;
        }
        Ok(hashes)
    }

    fn read(
        &self,
        unit: &UnitId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
        reader: Reader,
    ) -> Result<Vec<Entry>, StoreError> {
        let size = self.size(unit).get();
        let count = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX).min(max_count);
        let mut entries: Vec<Entry> = Vec::with_capacity(count.min(4_096));
        let mut bytes = 0_usize;
        let mut leaves = Vec::new();
        if count == 0 {
            return Ok(entries);
        }
        self.guarded(|| {
            self.each_slot(unit, from, |index, slot| {
                let leaf = slot.leaf_hash();
                let entry = self.checked(unit, index, slot, reader)?;
                // Where a bundle is read from its first entry to its last.
                if index.is_multiple_of(BUNDLE_ENTRIES) || !leaves.is_empty() {
                    leaves.push(leaf);
                }
                if leaves.len() as u64 == BUNDLE_ENTRIES {
                    self.check_bundle(unit, index / BUNDLE_ENTRIES, &leaves)?;
                    leaves.clear();
                }
                bytes = bytes.saturating_add(encoded_len(&entry));
                entries.push(entry);
                Ok(entries.len() < count && bytes < max_bytes)
            })
        })?;
        self.none_missing(unit, from, entries.len(), bytes >= max_bytes || entries.len() == count)?;
        Ok(entries)
    }

    /// Calls `visit` with each stored entry from `from` on until it says no, or the log or its unbroken part ends.
    pub(super) fn each_slot(
        &self,
        unit: &UnitId,
        from: u64,
        mut visit: impl FnMut(u64, Slot) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let prefix = key::of_log(key::BLOCK, unit);
        let base = self.base();
        let Some((first_key, _)) =
            base.tree.get_lt(key::at(key::BLOCK, unit, from.saturating_add(1))).map_err(failed)?
        else {
            return Ok(());
        };
        if !first_key.starts_with(&prefix) {
            return Ok(());
        }
        let mut next = None;
        for pair in base.tree.range::<&[u8], _>(first_key.as_ref()..key::at(key::BLOCK, unit, u64::MAX).as_slice()) {
            let (key, value) = pair.map_err(failed)?;
            let corrupt = |index, why: &str| corrupt(unit, index, why);
            let first = key::number(&key, &prefix).ok_or_else(|| corrupt(from, "its block has a malformed key"))?;
            let slots = unpack(&key, &value).map_err(|why| corrupt(first.max(from), why))?;
            if next.is_some_and(|next| next != first) {
                return Err(corrupt(next.unwrap_or(first), "its block is missing, or another stands in its place"));
            }
            next = Some(first.saturating_add(slots.len() as u64));
            for (index, slot) in (first..).zip(slots) {
                if index >= from && !visit(index, slot)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The block that holds an entry: its first index and its slots.
    pub(super) fn block_of(&self, unit: &UnitId, index: u64) -> Result<(u64, Vec<Slot>), StoreError> {
        let prefix = key::of_log(key::BLOCK, unit);
        let found = self.base().tree.get_lt(key::at(key::BLOCK, unit, index.saturating_add(1))).map_err(failed)?;
        let found = found.and_then(|(key, value)| key::number(&key, &prefix).map(|first| (key, value, first)));
        let (key, value, first) = found.ok_or_else(|| corrupt(unit, index, "its block is missing"))?;
        let slots = unpack(&key, &value).map_err(|why| corrupt(unit, index, why))?;
        if first.saturating_add(slots.len() as u64) <= index {
            return Err(corrupt(unit, index, "its block is missing"));
        }
        Ok((first, slots))
    }

    /// An entry as stored, with its body from wherever it is, checked.
    pub(super) fn checked(&self, unit: &UnitId, index: u64, slot: Slot, reader: Reader) -> Result<Entry, StoreError> {
        let fault = |fault: EntryError| corrupt(unit, index, &fault.to_string());
        let (gap, withheld) = self.logs().get(unit).map_or((false, false), |log| {
            (log.gaps.contains(&index), reader == Reader::Anyone && log.withheld.contains_key(&index))
        });
        if withheld {
            let leaf = Entry::new(slot.leaf.clone(), None).map_err(fault)?;
            // An `Erase` of what cannot be erased says nothing.
            if RecordKind::of_number(leaf.header().kind).can_end() {
                return Ok(leaf);
            }
        }
        let body = if gap { None } else { self.body(unit, index, &slot)? };
        Entry::new(slot.leaf, body).map_err(fault)
    }

    fn body(&self, unit: &UnitId, index: u64, slot: &Slot) -> Result<Option<Body>, StoreError> {
        let bytes = match &slot.body {
            Stored::Inline(bytes) => Some(bytes.clone()),
            Stored::Absent | Stored::InParts => self.joined_parts(unit, index, &key::at(key::PART, unit, index))?,
        };
        match bytes.as_ref().map(parted) {
            Some(Some(body)) => Ok(Some(body)),
            // It was erased since the gaps were asked.
            None if self.is_gap(unit, index) => Ok(None),
            None => Err(corrupt(unit, index, "its body is missing")),
            Some(None) => Err(corrupt(unit, index, "its body is too short")),
        }
    }

    pub(super) fn joined_parts(&self, unit: &UnitId, index: u64, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let base = self.base();
        join_parts(key, |key| base.tree.get(key).map(|value| value.map(|v| v.to_vec())).map_err(PartFault::Sled))
            .map_err(|fault| match fault {
                PartFault::Sled(error) => failed(error),
                PartFault::Why(why) => corrupt(unit, index, why),
            })
    }

    pub(super) fn is_gap(&self, unit: &UnitId, index: u64) -> bool {
        self.logs().get(unit).is_some_and(|log| log.gaps.contains(&index))
    }

    pub(super) fn none_missing(
        &self,
        unit: &UnitId,
        from: u64,
        found: usize,
        complete: bool,
    ) -> Result<(), StoreError> {
        // A log that was cut back meanwhile ends here.
        if complete || from.saturating_add(found as u64) >= self.size(unit).get() {
            return Ok(());
        }
        Err(corrupt(unit, from.saturating_add(found as u64), "it is missing"))
    }

    fn level1(&self, unit: &UnitId, size: Size) -> Result<Vec<Hash>, StoreError> {
        let prefix = key::of_log(key::LEVEL1, unit);
        let mut hashes = Vec::new();
        let base = self.base();
        for pair in base.tree.range(prefix.clone()..key::at(key::LEVEL1, unit, size.bundles())) {
            let (key, value) = pair.map_err(failed)?;
            let bundle = hashes.len() as u64;
            let hash = Hash::from_slice(&value).filter(|_| key::number(&key, &prefix) == Some(bundle));
            let index = bundle.saturating_mul(BUNDLE_ENTRIES);
            hashes.push(hash.ok_or_else(|| corrupt(unit, index, "the level-1 hash of its bundle is missing"))?);
        }
        if hashes.len() as u64 != size.bundles() {
            let index = (hashes.len() as u64).saturating_mul(BUNDLE_ENTRIES);
            return Err(corrupt(unit, index, "the level-1 hash of its bundle is missing"));
        }
        Ok(hashes)
    }

    pub(super) fn note(&self, unit: &UnitId, kind: HeadKind) -> Result<Option<Bytes>, StoreError> {
        self.joined_parts(unit, 0, &key::head(unit, kind))
    }

    /// Counts what is there. One step a log and one a gap; the entries between are checked by whoever reads them.
    pub(super) fn read_logs(&self) -> Result<BTreeMap<UnitId, Log>, StoreError> {
        self.guarded(|| {
            let mut logs: BTreeMap<UnitId, Log> = BTreeMap::new();
            let mut from = vec![key::BLOCK];
            let base: &Base = &self.base();
            while let Some((found, _)) = base.tree.get_gt(&from).map_err(failed)? {
                if found.first() != Some(&key::BLOCK) {
                    break;
                }
                let unit = key::unit(&found).ok_or_else(|| self.damaged("a block has a malformed key"))?;
                let end = key::at(key::BLOCK, &unit, u64::MAX);
                let last = base.tree.get_lt(&end).map_err(failed)?;
                let number = |key: &[u8]| key::number(key, &key::of_log(key::BLOCK, &unit));
                let (first, key, value) = last
                    .and_then(|(key, value)| Some((number(&key)?, key, value)))
                    .ok_or_else(|| self.damaged("a block has a malformed key"))?;
                let slots = unpack(&key, &value).map_err(|why| corrupt(&unit, first, why))?;
                logs.entry(unit).or_default().size = first.saturating_add(slots.len() as u64);
                from = end;
            }
            for pair in base.tree.scan_prefix([key::GAP]) {
                let (found, by) = pair.map_err(failed)?;
                let gap = key::unit(&found).and_then(|unit| {
                    let number = key::number(&found, &key::of_log(key::GAP, &unit))?;
                    let log = logs.get_mut(&unit).filter(|log| number < log.size)?;
                    if !by.is_empty() {
                        log.erased.insert(number, by.as_ref().try_into().ok().map(u64::from_be_bytes)?);
                    }
                    log.gaps.insert(number).then_some(())
                });
                gap.ok_or_else(|| self.damaged("a gap is noted where there is no entry"))?;
            }
            for pair in base.tree.scan_prefix([key::WITHHELD]) {
                let (found, by) = pair.map_err(failed)?;
                let noted = key::unit(&found).and_then(|unit| {
                    let index = key::number(&found, &key::of_log(key::WITHHELD, &unit))?;
                    let by = <[u8; 8]>::try_from(by.as_ref()).ok().map(u64::from_be_bytes)?;
                    logs.get_mut(&unit).filter(|log| index < log.size)?.withheld.insert(index, by);
                    Some(())
                });
                noted.ok_or_else(|| self.damaged("an erasure is announced where there is no entry"))?;
            }
            Ok(logs)
        })
    }

    /// Since when, and for how many records, a scrub is due.
    pub(super) fn read_due(&self) -> Result<Option<ScrubDue>, StoreError> {
        let Some(value) = self.guard(|| self.base().tree.get(key::SCRUB_DUE))? else { return Ok(None) };
        let due = ScrubDue::from_bytes(&value);
        due.map(Some).ok_or_else(|| self.damaged("the note that a scrub is due is malformed"))
    }

    pub(super) fn damaged(&self, why: &str) -> StoreError {
        StoreError::Damaged { path: self.directory.clone(), why: why.into() }
    }
}

enum PartFault {
    Sled(sled::Error),
    Why(&'static str),
}

impl From<&'static str> for PartFault {
    fn from(why: &'static str) -> Self {
        Self::Why(why)
    }
}

pub(super) fn corrupt(unit: &UnitId, index: u64, why: &str) -> StoreError {
    StoreError::Corrupt { unit: unit.clone(), index, why: why.into() }
}

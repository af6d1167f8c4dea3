//! Reading, and what start finds out.

use std::collections::BTreeMap;

use bytes::Bytes;

use entente_proto::entry::{Body, Entry, encoded_len};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;

use super::{Log, SledStore, failed};
use crate::store::block::{Slot, Stored, join_parts, parted, unpack};
use crate::store::{Batch, HeadKind, Store, StoreError, StoredLog, SubmissionId, key};

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
                gaps: self.logs().get(unit).map(|log| log.gaps.iter().copied().collect()).unwrap_or_default(),
            })
        })
    }

    fn entries(&self, unit: &UnitId, from: u64, max_count: usize, max_bytes: usize) -> Result<Vec<Entry>, StoreError> {
        let size = self.size(unit).get();
        let count = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX).min(max_count);
        let mut entries = Vec::with_capacity(count.min(4_096));
        let mut bytes = 0_usize;
        if count == 0 {
            return Ok(entries);
        }
        self.guarded(|| {
            self.each_slot(unit, from, |index, slot| {
                let entry = self.checked(unit, index, slot)?;
                bytes = bytes.saturating_add(encoded_len(&entry));
                entries.push(entry);
                Ok(entries.len() < count && bytes < max_bytes)
            })
        })?;
        self.none_missing(unit, from, entries.len(), bytes >= max_bytes || entries.len() == count)?;
        Ok(entries)
    }

    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError> {
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
        Ok(hashes)
    }

    fn submission(&self, id: &SubmissionId) -> Result<Option<u64>, StoreError> {
        let value = self.guard(|| self.tree.get(key::submission(id)))?;
        let index = |value: sled::IVec| {
            let index = value.as_ref().try_into().map(u64::from_be_bytes);
            index.map_err(|_| StoreError::CorruptSubmission(value.len()))
        };
        value.map(index).transpose()
    }
}

impl SledStore {
    /// Calls `visit` with each stored entry from `from` on until it says no, or the log or its unbroken part ends.
    pub(super) fn each_slot(
        &self,
        unit: &UnitId,
        from: u64,
        mut visit: impl FnMut(u64, Slot) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let prefix = key::of_log(key::BLOCK, unit);
        let Some((first_key, _)) =
            self.tree.get_lt(key::at(key::BLOCK, unit, from.saturating_add(1))).map_err(failed)?
        else {
            return Ok(());
        };
        if !first_key.starts_with(&prefix) {
            return Ok(());
        }
        let mut next = None;
        for pair in self.tree.range::<&[u8], _>(first_key.as_ref()..key::at(key::BLOCK, unit, u64::MAX).as_slice()) {
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
        let found = self.tree.get_lt(key::at(key::BLOCK, unit, index.saturating_add(1))).map_err(failed)?;
        let found = found.and_then(|(key, value)| key::number(&key, &prefix).map(|first| (key, value, first)));
        let (key, value, first) = found.ok_or_else(|| corrupt(unit, index, "its block is missing"))?;
        let slots = unpack(&key, &value).map_err(|why| corrupt(unit, index, why))?;
        if first.saturating_add(slots.len() as u64) <= index {
            return Err(corrupt(unit, index, "its block is missing"));
        }
        Ok((first, slots))
    }

    /// An entry as stored, with its body from wherever it is, checked.
    pub(super) fn checked(&self, unit: &UnitId, index: u64, slot: Slot) -> Result<Entry, StoreError> {
        let body = if self.is_gap(unit, index) { None } else { self.body(unit, index, &slot)? };
        Entry::new(slot.leaf, body).map_err(|fault| corrupt(unit, index, &fault.to_string()))
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
        join_parts(key, |key| self.tree.get(key).map(|value| value.map(|v| v.to_vec())).map_err(PartFault::Sled))
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
        if complete {
            return Ok(());
        }
        Err(corrupt(unit, from.saturating_add(found as u64), "it is missing"))
    }

    fn level1(&self, unit: &UnitId, size: Size) -> Result<Vec<Hash>, StoreError> {
        let prefix = key::of_log(key::LEVEL1, unit);
        let mut hashes = Vec::new();
        for pair in self.tree.range(prefix.clone()..key::at(key::LEVEL1, unit, size.bundles())) {
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

    fn note(&self, unit: &UnitId, kind: HeadKind) -> Result<Option<Bytes>, StoreError> {
        self.joined_parts(unit, 0, &key::head(unit, kind))
    }

    /// Counts what is there. One step a log and one a gap; the entries between are checked by whoever reads them.
    pub(super) fn read_logs(&self) -> Result<BTreeMap<UnitId, Log>, StoreError> {
        self.guarded(|| {
            let mut logs: BTreeMap<UnitId, Log> = BTreeMap::new();
            let mut from = vec![key::BLOCK];
            while let Some((found, _)) = self.tree.get_gt(&from).map_err(failed)? {
                if found.first() != Some(&key::BLOCK) {
                    break;
                }
                let unit = key::unit(&found).ok_or_else(|| self.damaged("a block has a malformed key"))?;
                let end = key::at(key::BLOCK, &unit, u64::MAX);
                let last = self.tree.get_lt(&end).map_err(failed)?;
                let number = |key: &[u8]| key::number(key, &key::of_log(key::BLOCK, &unit));
                let (first, key, value) = last
                    .and_then(|(key, value)| Some((number(&key)?, key, value)))
                    .ok_or_else(|| self.damaged("a block has a malformed key"))?;
                let slots = unpack(&key, &value).map_err(|why| corrupt(&unit, first, why))?;
                logs.entry(unit).or_default().size = first.saturating_add(slots.len() as u64);
                from = end;
            }
            for found in self.tree.scan_prefix([key::GAP]).keys() {
                let found = found.map_err(failed)?;
                let gap = key::unit(&found).and_then(|unit| {
                    let number = key::number(&found, &key::of_log(key::GAP, &unit))?;
                    logs.get_mut(&unit).filter(|log| number < log.size)?.gaps.insert(number).then_some(())
                });
                gap.ok_or_else(|| self.damaged("a gap is noted where there is no entry"))?;
            }
            Ok(logs)
        })
    }

    fn damaged(&self, why: &str) -> StoreError {
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

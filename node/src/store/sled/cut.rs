//! Cutting a log back.
//!
//! What is planned elsewhere is judged against what is shown, so a batch that cuts is applied, synced and shown before
//! anything behind it in its group is looked at.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;

use super::plan::{Change, Plan};
use super::{SledStore, failed, lock};
use crate::store::block::{PARTED_BYTES_MAX, part_keys, without_bodies};
use crate::store::{HeadKind, Refused, Store as _, StoreError, certified_size, key};

impl Plan<'_> {
    /// Plans that nothing of a log is left beyond a size.
    pub(super) fn rewind(&mut self, unit: &UnitId, size: Size) -> Result<(), StoreError> {
        let size = size.get();
        if size >= self.store.size(unit).get() {
            return Ok(());
        }
        let certified = self.store.note(unit, HeadKind::Certified)?.map_or(0, |note| certified_size(&note));
        if size < certified {
            return Err(Refused::Certified { unit: unit.clone(), certified, size }.into());
        }
        self.remove_from(key::BLOCK, unit, size)?;
        self.remove_from(key::PART, unit, size)?;
        self.remove_from(key::GAP, unit, size)?;
        self.remove_from(key::ADOPT, unit, size)?;
        self.remove_from(key::LEVEL1, unit, size / BUNDLE_ENTRIES)?;
        self.remove_from(key::WITHHELD, unit, size)?;
        if let Some(last) = size.checked_sub(1) {
            let (first, slots) = self.store.block_of(unit, last)?;
            let keep = usize::try_from(size.saturating_sub(first)).unwrap_or(usize::MAX);
            if let Some(slots) = slots.get(..keep).filter(|left| left.len() < slots.len()) {
                let (key, value) = without_bodies(unit, first, slots, &BTreeSet::new());
                self.writes.push((key, Some(value)));
            }
        }
        // What a record that goes had announced stays, and is withheld no more.
        let undone = self.store.announced_from(unit, size);
        self.writes.extend(undone.iter().map(|index| (key::at(key::WITHHELD, unit, *index), None)));
        let newest = key::head(unit, HeadKind::Newest);
        self.writes.extend(part_keys(&newest, PARTED_BYTES_MAX).map(|key| (key, None)));
        let change = Change { size, cut: Some(size), settled: undone.into_iter().collect(), ..Change::default() };
        self.changes.insert(unit.clone(), change);
        Ok(())
    }

    fn remove_from(&mut self, kind: u8, unit: &UnitId, from: u64) -> Result<(), StoreError> {
        let base = self.store.base();
        for pair in base.tree.range(key::at(kind, unit, from)..key::end(kind, unit)) {
            let (key, _) = pair.map_err(failed)?;
            self.writes.push((key.to_vec(), None));
        }
        Ok(())
    }
}

impl SledStore {
    /// The erasures of entries that stay, announced by entries that go.
    fn announced_from(&self, unit: &UnitId, size: u64) -> Vec<u64> {
        let logs = self.logs();
        let withheld = logs.get(unit).into_iter().flat_map(|log| &log.withheld);
        withheld.filter(|(index, by)| **index < size && **by >= size).map(|(index, _)| *index).collect()
    }

    /// A log that becomes shorter is shown so before its entries go, so that a reader who finds none knows why.
    pub(super) fn shorten(&self, unit: &UnitId, size: u64) {
        // What stays and cannot be read is found again.
        lock(&self.bad).retain(|(of, _), _| of != unit);
        if let Some(log) = self.logs_mut().get_mut(unit) {
            log.size = log.size.min(size);
            log.gaps.retain(|index| *index < size);
            log.erased.retain(|index, by| *index < size && *by < size);
            log.withheld.retain(|index, by| *index < size && *by < size);
        }
        // Counted after it is shown and before anything goes: whoever began before this reads again, and whoever begins after
        // it reads no further than what stays.
        self.cuts.fetch_add(1, Ordering::AcqRel);
        if let Some(since) = lock(&self.since_copy).as_mut() {
            let bundle = since.cut.entry(unit.clone()).or_insert(u64::MAX);
            *bundle = (*bundle).min(size / BUNDLE_ENTRIES);
        }
    }

    /// Reads; once more where the log was cut back in the middle of it.
    pub(super) fn unless_cut<T>(&self, read: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        loop {
            let before = self.cuts.load(Ordering::Acquire);
            match read() {
                Err(StoreError::Corrupt { .. }) if self.cuts.load(Ordering::Acquire) != before => {}
                done => return done,
            }
        }
    }
}

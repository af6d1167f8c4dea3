//! What cannot be read back as it was written: remembering where, and writing it again.
//!
//! An entry that is found bad is noted with its bundle. Whoever drives the store has that bundle fetched again and gives it
//! as a [`Repair`]; what of it can still be read stays as it is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::tree;

use super::plan::Plan;
use super::read::{Reader, corrupt};
use super::{SledStore, failed, lock};
use crate::store::block::{pack, unpack};
use crate::store::{Repair, StoreError, key};

impl SledStore {
    /// Remembers what a read found. A part that no bundle can be fetched for means that all of it must be rebuilt.
    pub(super) fn note_fault(&self, error: &StoreError) {
        match error {
            StoreError::Corrupt { unit, index, .. } => {
                lock(&self.bad).entry((unit.clone(), index / BUNDLE_ENTRIES)).or_insert(*index);
            }
            // The first one counts.
            StoreError::Damaged { .. } | StoreError::Failed(_) | StoreError::CorruptSubmission(_) => {
                let _ = self.broken.set(error.to_string());
            }
            _ => {}
        }
    }

    /// Bundles were written again: what was found in them before does not count.
    pub(super) fn publish_repaired(&self, unit: &UnitId, bundles: impl IntoIterator<Item = u64>) {
        // Whoever reads across them now may have met old blocks and new ones.
        self.cuts.fetch_add(1, Ordering::AcqRel);
        let mut bad = lock(&self.bad);
        for bundle in bundles {
            self.repairs.fetch_add(1, Ordering::AcqRel);
            bad.remove(&(unit.clone(), bundle));
        }
    }

    /// The entries of a bundle that can be read, by index. Each block is looked at by itself.
    fn readable(&self, unit: &UnitId, first: u64, end: u64) -> Result<BTreeMap<u64, Entry>, StoreError> {
        let prefix = key::of_log(key::BLOCK, unit);
        let mut found = BTreeMap::new();
        for pair in self.base().tree.range(key::at(key::BLOCK, unit, first)..key::at(key::BLOCK, unit, end)) {
            let (key, value) = pair.map_err(failed)?;
            let (Some(at), Ok(slots)) = (key::number(&key, &prefix), unpack(&key, &value)) else { continue };
            for (index, slot) in (at..end).zip(slots) {
                if let Ok(entry) = self.checked(unit, index, slot, Reader::Fold) {
                    found.insert(index, entry);
                }
            }
        }
        Ok(found)
    }

    /// Holds the leaves of a full bundle that was read against its level-1 hash, over which checkpoints were signed: a block
    /// may be sound and yet not the one that belongs there.
    pub(super) fn check_bundle(&self, unit: &UnitId, bundle: u64, leaves: &[Hash]) -> Result<(), StoreError> {
        let signed = self.base().tree.get(key::at(key::LEVEL1, unit, bundle)).map_err(failed)?;
        let read = tree::level1(leaves).ok();
        if read.is_some_and(|read| signed.is_some_and(|signed| signed == read.0)) {
            return Ok(());
        }
        let index = bundle.saturating_mul(BUNDLE_ENTRIES);
        Err(corrupt(unit, index, "its bundle has another root than the one that was signed"))
    }
}

impl Plan<'_> {
    /// The blocks of a bundle anew: of what was fetched, and of what can be read still and is the same.
    pub(super) fn repair(&mut self, repair: &Repair) -> Result<(), StoreError> {
        let Repair { unit, bundle, entries } = repair;
        let size = self.changes.get(unit).map_or(0, |change| change.size);
        let first = bundle.saturating_mul(BUNDLE_ENTRIES);
        let end = first.saturating_add(BUNDLE_ENTRIES).min(size);
        let mut held = self.store.readable(unit, first, end)?;
        let mut whole = Vec::with_capacity(entries.len());
        for index in first..end {
            let given = usize::try_from(index.saturating_sub(first)).ok().and_then(|at| entries.get(at));
            let held = held.remove(&index);
            let gap = self.is_gap(unit, index);
            let entry = match (given, held) {
                (Some(given), Some(held)) if held.leaf() == given.leaf() => held,
                (Some(given), _) if gap => given.without_body(),
                (Some(given), _) if given.body().is_some() => given.clone(),
                (Some(_), _) => return Err(corrupt(unit, index, "nobody gave its body")),
                (None, Some(held)) => held,
                (None, None) => return Err(corrupt(unit, index, "nobody gave it")),
            };
            whole.push(entry);
        }
        for kind in [key::BLOCK, key::PART] {
            let base = self.store.base();
            for pair in base.tree.range(key::at(kind, unit, first)..key::at(kind, unit, end)) {
                let (key, _) = pair.map_err(failed)?;
                self.writes.push((key.to_vec(), None));
            }
        }
        pack(unit, first, &whole, |(key, value)| self.writes.push((key, Some(value))));
        if let Some(change) = self.changes.get_mut(unit) {
            change.repaired.insert(*bundle);
        }
        Ok(())
    }
}

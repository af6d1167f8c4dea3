//! Writing: what the batches of a group come to is gathered, applied, flushed and synced together, then shown.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use entente_proto::ids::UnitId;

use super::plan::{Change, Plan};
use super::scrub::Deleted;
use super::{SledStore, failed, lock};
use crate::store::block::VALUE_BYTES_MAX;
use crate::store::{Batch, StoreError, SubmissionId};

/// Longer than this, a commit is worth a warning.
const SLOW_COMMIT: Duration = Duration::from_secs(1);

/// What the batches of a group so far come to.
#[derive(Default)]
pub(super) struct Gathered {
    /// What is not yet applied.
    batch: sled::Batch,
    waiting: bool,
    /// The counters after all of it, applied or not.
    pub(super) changes: BTreeMap<UnitId, Change>,
    pub(super) submissions: BTreeMap<SubmissionId, u64>,
    /// Bodies deleted.
    pub(super) deleted: Option<Deleted>,
    /// The keys of `batch`, where a copy of the database has to follow.
    keys: Option<Vec<Vec<u8>>>,
}

impl Gathered {
    fn take(&mut self, plan: Plan<'_>) {
        self.deleted = plan.deleted.or(self.deleted);
        for (key, value) in plan.writes {
            if let Some(keys) = &mut self.keys {
                keys.push(key.clone());
            }
            match value {
                Some(value) => {
                    // A longer one would become a file that sled never syncs: better to stop.
                    assert!(value.len() <= VALUE_BYTES_MAX, "a value of {} bytes is too long", value.len());
                    self.batch.insert(key, value);
                }
                None => self.batch.remove(key),
            }
            self.waiting = true;
        }
        self.changes.extend(plan.changes);
        self.submissions.extend(plan.submissions);
    }
}

impl SledStore {
    pub(super) fn commit_group(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let _turn = lock(&self.turn);
        let begun = Instant::now();
        let done = self.guarded(|| self.perform(group));
        if let Err(error) = &done {
            // It is unknown what is there now: nothing may be built upon it.
            self.stopped.store(true, Ordering::Release);
            tracing::error!("{error}");
        }
        let took = begun.elapsed();
        if took > SLOW_COMMIT {
            tracing::warn!(milliseconds = took.as_millis(), batches = group.len(), "a commit took long");
        }
        done
    }

    fn perform(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut gathered = Gathered { keys: self.is_copied().then(Vec::new), ..Gathered::default() };
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            let cuts = batch.rewind.is_some();
            if cuts {
                self.finish(&mut gathered)?;
            } else if self.must_read(batch, &gathered) {
                self.apply(&mut gathered)?;
            }
            match Plan::of(self, batch, &gathered) {
                Ok(plan) => {
                    gathered.take(plan);
                    results.push(Ok(()));
                }
                // Only these are the batch's own.
                Err(
                    error @ (StoreError::Refused(_) | StoreError::Corrupt { .. } | StoreError::CorruptSubmission(_)),
                ) => {
                    self.note_fault(&error);
                    results.push(Err(error));
                }
                Err(error) => return Err(error),
            }
            if cuts {
                self.finish(&mut gathered)?;
            }
        }
        self.finish(&mut gathered)?;
        Ok(results)
    }

    /// Applies what is gathered, makes it durable and shows it.
    fn finish(&self, gathered: &mut Gathered) -> Result<(), StoreError> {
        self.apply(gathered)?;
        self.base().db.flush().map_err(failed)?;
        self.sync();
        self.publish(std::mem::take(&mut gathered.changes));
        self.publish_due(gathered.deleted.take());
        Ok(())
    }

    /// Whether planning the batch reads entries of a log that the group has changed: the tree must have them then.
    fn must_read(&self, batch: &Batch, gathered: &Gathered) -> bool {
        let changed = |unit: &UnitId| gathered.changes.contains_key(unit);
        let overlaps = batch
            .appends
            .iter()
            .any(|append| gathered.changes.get(&append.unit).is_some_and(|change| append.from.get() < change.size));
        overlaps
            || batch.repairs.iter().any(|repair| changed(&repair.unit))
            || batch.fills.iter().any(|fill| changed(&fill.unit))
            || batch.erasures.iter().any(|(unit, _)| changed(unit))
    }

    /// Gives sled what is gathered. It is neither durable then nor shown.
    fn apply(&self, gathered: &mut Gathered) -> Result<(), StoreError> {
        if !std::mem::take(&mut gathered.waiting) {
            return Ok(());
        }
        self.hide(&gathered.changes);
        self.base().tree.apply_batch(std::mem::take(&mut gathered.batch)).map_err(failed)?;
        if let Some(keys) = &mut gathered.keys {
            self.written(keys);
        }
        Ok(())
    }

    /// New gaps show before the bodies go, so that a reader who finds no body knows why.
    fn hide(&self, changes: &BTreeMap<UnitId, Change>) {
        for (unit, change) in changes {
            if let Some(size) = change.cut {
                self.shorten(unit, size);
            }
            if !change.repaired.is_empty() {
                self.cuts.fetch_add(1, Ordering::AcqRel);
            }
        }
        if changes.values().all(|change| change.opened.is_empty()) {
            return;
        }
        let mut logs = self.logs_mut();
        for (unit, change) in changes {
            if let Some(log) = logs.get_mut(unit) {
                let size = log.size;
                log.gaps.extend(change.opened.iter().filter(|index| **index < size));
            }
        }
    }

    fn publish(&self, changes: BTreeMap<UnitId, Change>) {
        for (unit, change) in &changes {
            if !change.repaired.is_empty() {
                self.publish_repaired(unit, change.repaired.iter().copied());
            }
        }
        let mut logs = self.logs_mut();
        for (unit, change) in changes {
            let log = logs.entry(unit).or_default();
            log.size = change.size;
            if !change.announced.is_empty() {
                self.announcements.fetch_add(1, Ordering::AcqRel);
            }
            for index in change.settled {
                log.withheld.remove(&index);
            }
            log.withheld.extend(change.announced);
            log.gaps.extend(change.opened);
            log.erased.extend(change.erased);
            for index in change.closed {
                log.gaps.remove(&index);
                log.erased.remove(&index);
            }
        }
    }
}

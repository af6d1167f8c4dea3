//! Scrubbing: what counts is copied into a new database, which takes the place of the old one.
//!
//! sled never says when the bytes of a deleted value leave its file. So the way to be rid of them is another file:
//!
//! 1. All keys are copied in their order, a little at a time, while reads and commits go on. Commits note which keys they
//!    write meanwhile.
//! 2. Those keys are copied again, until few are left; and every entry of the copy is read back and checked: bodies
//!    against their leaves, leaves against the level-1 hashes and the tail of the original, over which checkpoints were
//!    signed.
//! 3. Commits wait while the last keys are copied and checked, the copy is made durable, and `current` is renamed to name it.
//! 4. Readers of the old database finish, it is closed and deleted.
//!
//! A kill before the rename leaves the old database and half a copy, which the next start deletes; a kill after it leaves
//! the new one and the old, which the next start deletes. A body that is deleted during the scrub may have been copied:
//! then the copy says that a scrub is due.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use entente_proto::ids::UnitId;
use entente_proto::limits::BUNDLE_ENTRIES;

use super::base::{Base, io_error};
use super::current::{self, Generation};
use super::{Options, SledStore, lock};
use crate::store::space::free_bytes;
use crate::store::{ScrubDue, ScrubPhase, ScrubStep, Scrubbed, Store as _, StoreError, key};

/// How many bytes are copied in one step.
const STEP_BYTES: usize = 256 << 10;
/// How many bytes are copied between two syncs: what waits in memory for the disk.
const SYNC_BYTES: u64 = 8 << 20;
/// So many keys written meanwhile are caught up with at once.
const KEYS_MANY: usize = 10_000;
/// So many may be left for the moment in which commits wait.
const KEYS_FEW: usize = 500;
/// With more than so many (about 100 MB of memory), commits outrun the copy: it is given up.
const KEYS_MAX: usize = 1 << 20;
/// How often it is tried to catch up before commits are made to wait.
const ROUNDS_MAX: usize = 20;
/// How long the old database's readers are waited for.
const READERS_WAIT: Duration = Duration::from_secs(60);
/// How many entries are read back at once: a bundle.
const BUNDLE: usize = 256;
const READERS_PAUSE: Duration = Duration::from_millis(2);

/// What was written since a copy was begun.
#[derive(Debug, Default)]
pub(super) struct SinceCopy {
    keys: BTreeSet<Vec<u8>>,
    /// Logs that were cut back since: the first bundle concerned.
    pub(super) cut: BTreeMap<UnitId, u64>,
    /// Bodies deleted since.
    due: Option<ScrubDue>,
}

/// That bodies were deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deleted {
    /// What is due with it.
    pub(super) due: ScrubDue,
    /// When, Unix milliseconds.
    pub(super) now_ms: u64,
}

/// A copy that is being made, as a store of its own so that it can be read back.
pub(super) struct Copy {
    store: SledStore,
    generation: Generation,
    copied_bytes: u64,
    unsynced_bytes: u64,
    original_bytes: u64,
    low_bytes: u64,
    /// For each log the bundles that were checked.
    checked: BTreeMap<UnitId, u64>,
}

pub(super) type GoOn<'a> = &'a mut dyn FnMut(ScrubStep) -> ControlFlow<()>;

impl SledStore {
    /// Whether commits must note what they write.
    pub(super) fn is_copied(&self) -> bool {
        lock(&self.since_copy).is_some()
    }

    /// Commits wrote these keys into the tree.
    pub(super) fn written(&self, keys: &mut Vec<Vec<u8>>) {
        if let Some(since) = lock(&self.since_copy).as_mut() {
            since.keys.extend(keys.drain(..));
        }
    }

    /// A commit has deleted bodies, durably.
    pub(super) fn publish_due(&self, deleted: Option<Deleted>) {
        let Some(deleted) = deleted else { return };
        let before = lock(&self.due).replace(deleted.due);
        if let Some(since) = lock(&self.since_copy).as_mut() {
            let new = deleted.due.records.saturating_sub(before.map_or(0, |before| before.records));
            let due = since.due.get_or_insert(ScrubDue { since_ms: deleted.now_ms, records: 0 });
            due.records = due.records.saturating_add(new);
        }
    }

    pub(super) fn rewrite(&self, go_on: GoOn<'_>) -> Result<Scrubbed, StoreError> {
        let _one = lock(&self.scrubbing);
        let copied = self.begin_copy().and_then(|copy| self.copy_and_swap(copy, go_on));
        let copied = copied.inspect_err(|error| self.note_bad_copy(error));
        // Whatever happened, nothing follows the copy any more. Its half goes.
        *lock(&self.since_copy) = None;
        let current = *lock(&self.generation);
        if copied.is_err()
            && let Err(error) = current::clean_up(&self.directory, current)
        {
            tracing::warn!(%error, "an unfinished copy of the database is left behind: the next start deletes it");
        }
        copied
    }

    /// What cannot be read in a copy cannot be read in the original. A copy that failed otherwise says nothing of it.
    pub(super) fn note_bad_copy(&self, error: &StoreError) {
        if matches!(error, StoreError::Corrupt { .. }) {
            self.note_fault(error);
        }
    }

    fn begin_copy(&self) -> Result<Copy, StoreError> {
        let generation = lock(&self.generation).next();
        current::clean_up(&self.directory, *lock(&self.generation))
            .map_err(io_error(&self.directory, "clean up in"))?;
        self.begin_copy_at(&self.directory, generation)
    }

    /// Begins a copy in a directory of databases.
    pub(super) fn begin_copy_at(&self, directory: &Path, generation: Generation) -> Result<Copy, StoreError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let original_bytes = self.base().disk_bytes().map_err(io_error(&self.directory, "find the size of"))?;
        let needed = original_bytes.saturating_add(self.options.low_bytes);
        let free = free_bytes(directory).map_err(io_error(directory, "find the free space of"))?;
        if free < needed {
            return Err(StoreError::NoRoom { path: directory.to_owned(), needed, free });
        }
        let base = Base::create(&generation.path(directory), self.options.cache_bytes)?;
        let options = Options { low_bytes: 0, ballast_bytes: 0, ..self.options.clone() };
        let store = Self::over(base, generation, directory, options)?;
        // From the next commit on. One that is under way now is in the tree before the first key is read.
        let _turn = lock(&self.turn);
        *lock(&self.since_copy) = Some(SinceCopy::default());
        let (checked, copied_bytes, unsynced_bytes) = Default::default();
        let low_bytes = self.options.low_bytes;
        Ok(Copy { store, generation, copied_bytes, unsynced_bytes, original_bytes, low_bytes, checked })
    }

    /// Copies and checks until little is left for the moment in which commits wait.
    pub(super) fn copy_nearly_all(&self, copy: &mut Copy, go_on: GoOn<'_>) -> Result<(), StoreError> {
        self.copy_all(copy, go_on)?;
        for _ in 0..ROUNDS_MAX {
            let few = self.keys_waiting() <= KEYS_FEW;
            self.catch_up(copy)?;
            self.check(copy, go_on)?;
            if few {
                break;
            }
        }
        Ok(())
    }

    /// With commits waiting: the last that is left, checked and durable.
    pub(super) fn copy_the_end(&self, copy: &mut Copy) -> Result<(), StoreError> {
        self.catch_up(copy)?;
        self.check_end(copy)?;
        copy.finish(lock(&self.since_copy).as_ref().and_then(|since| since.due))
    }

    fn copy_and_swap(&self, mut copy: Copy, go_on: GoOn<'_>) -> Result<Scrubbed, StoreError> {
        self.copy_nearly_all(&mut copy, go_on)?;
        let (old, old_generation, records) = {
            let _turn = lock(&self.turn);
            self.copy_the_end(&mut copy)?;
            copy.step(ScrubPhase::Swapping, go_on)?;
            if self.stopped.load(Ordering::Acquire) {
                return Err(StoreError::Stopped);
            }
            current::write(&self.directory, copy.generation)?;
            self.swap(&copy)
        };
        // From here on it is done, whatever is said: only the deletion is left.
        let _ = copy.step(ScrubPhase::Deleting, go_on);
        let before_bytes = copy.original_bytes;
        drop(copy);
        close(old);
        current::remove(&self.directory, old_generation)
            .map_err(io_error(&self.directory, "delete the old database in"))?;
        let after_bytes = self.base().disk_bytes().map_err(io_error(&self.directory, "find the size of"))?;
        Ok(Scrubbed { before_bytes, after_bytes, records })
    }

    fn copy_all(&self, copy: &mut Copy, go_on: GoOn<'_>) -> Result<(), StoreError> {
        let base = self.base();
        let mut from = Bound::Unbounded;
        loop {
            let mut pairs = Vec::new();
            let mut bytes = 0_usize;
            self.guard(|| {
                for pair in base.tree.range::<Vec<u8>, _>((from.clone(), Bound::Unbounded)) {
                    let (key, value) = pair?;
                    bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
                    pairs.push((key.to_vec(), Some(value)));
                    if bytes >= STEP_BYTES {
                        break;
                    }
                }
                Ok(())
            })
            .inspect_err(|error| self.note_fault(error))?;
            let Some((last, _)) = pairs.last() else { return Ok(()) };
            from = Bound::Excluded(last.clone());
            copy.put(pairs)?;
            if self.keys_waiting() > KEYS_MANY {
                self.catch_up(copy)?;
            }
            copy.step(ScrubPhase::Copying, go_on)?;
        }
    }

    fn keys_waiting(&self) -> usize {
        lock(&self.since_copy).as_ref().map_or(0, |since| since.keys.len())
    }

    /// Copies once more what was written since it was copied.
    fn catch_up(&self, copy: &mut Copy) -> Result<(), StoreError> {
        let keys = lock(&self.since_copy).as_mut().map(|since| std::mem::take(&mut since.keys)).unwrap_or_default();
        if keys.len() > KEYS_MAX {
            let why = "more is being written than can be copied: the scrub is tried again later, when less comes in";
            return Err(StoreError::Failed(why.into()));
        }
        let base = self.base();
        let mut pairs = Vec::new();
        let mut bytes = 0_usize;
        for key in keys {
            let value = self.guard(|| base.tree.get(&key))?;
            bytes = bytes.saturating_add(key.len()).saturating_add(value.as_ref().map_or(0, |value| value.len()));
            pairs.push((key, value));
            if bytes >= STEP_BYTES {
                copy.put(std::mem::take(&mut pairs))?;
                bytes = 0;
            }
        }
        copy.put(pairs)
    }

    /// Checks the full bundles of the copy that were not checked. What does not fit yet may be half caught up with: it is
    /// left for later, and the [end](Self::check_end) of it decides.
    fn check(&self, copy: &mut Copy, go_on: GoOn<'_>) -> Result<(), StoreError> {
        let Ok(logs) = copy.store.read_logs() else { return Ok(()) };
        *copy.store.logs_mut() = logs;
        for unit in copy.store.units() {
            if self.check_bundles(copy, &unit, Some(&mut *go_on)).is_err() {
                copy.step(ScrubPhase::Verifying, go_on)?;
            }
        }
        Ok(())
    }

    fn check_bundles(&self, copy: &mut Copy, unit: &UnitId, mut go_on: Option<GoOn<'_>>) -> Result<(), StoreError> {
        let end = copy.store.size(unit).bundles();
        if let Some(cut) = lock(&self.since_copy).as_mut().and_then(|since| since.cut.remove(unit))
            && let Some(checked) = copy.checked.get_mut(unit)
        {
            *checked = cut.min(*checked);
        }
        let first = copy.checked.get(unit).copied().unwrap_or(0);
        for bundle in first..end {
            let entries =
                copy.store.entries_to_fold(unit, bundle.saturating_mul(BUNDLE_ENTRIES), BUNDLE, usize::MAX)?;
            let hashes: Vec<_> = entries.iter().map(entente_proto::entry::Entry::leaf_hash).collect();
            self.guarded(|| self.check_bundle(unit, bundle, &hashes))?;
            copy.checked.insert(unit.clone(), bundle.saturating_add(1));
            if let Some(go_on) = go_on.as_mut() {
                copy.step(ScrubPhase::Verifying, *go_on)?;
            }
        }
        Ok(())
    }

    /// With commits waiting: the copy must be the original.
    fn check_end(&self, copy: &mut Copy) -> Result<(), StoreError> {
        let logs = copy.store.read_logs()?;
        if logs != self.read_logs()? {
            return Err(self.damaged("a copy of it has not the same logs: the original stays"));
        }
        *copy.store.logs_mut() = logs;
        for unit in copy.store.units() {
            self.check_bundles(copy, &unit, None)?;
            let tail = copy.store.size(&unit).bundles();
            let entries = copy.store.entries_to_fold(&unit, tail.saturating_mul(BUNDLE_ENTRIES), BUNDLE, usize::MAX)?;
            let hashes: Vec<_> = entries.iter().map(entente_proto::entry::Entry::leaf_hash).collect();
            if hashes != self.leaf_hashes(&unit, tail)? {
                return Err(self.damaged("the end of a log is not the same in a copy of it: the original stays"));
            }
        }
        Ok(())
    }

    /// Puts the copy in the original's place for all who read and commit from now on.
    fn swap(&self, copy: &Copy) -> (Arc<Base>, Generation, u64) {
        let after = lock(&self.since_copy).take().and_then(|since| since.due);
        let before = std::mem::replace(&mut *lock(&self.due), after);
        let records = |due: Option<ScrubDue>| due.map_or(0, |due| due.records);
        let old = std::mem::replace(
            &mut *self.base.write().unwrap_or_else(std::sync::PoisonError::into_inner),
            copy.store.base(),
        );
        let old_generation = std::mem::replace(&mut *lock(&self.generation), copy.generation);
        (old, old_generation, records(before).saturating_sub(records(after)))
    }
}

impl Copy {
    fn step(&self, phase: ScrubPhase, go_on: GoOn<'_>) -> Result<(), StoreError> {
        let step = ScrubStep { phase, copied_bytes: self.copied_bytes, original_bytes: self.original_bytes };
        match go_on(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(StoreError::Interrupted),
        }
    }

    /// Writes values, or removes them. The note that a scrub is due is the original's alone.
    fn put(&mut self, pairs: Vec<(Vec<u8>, Option<sled::IVec>)>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut bytes = 0_u64;
        for (key, value) in pairs.into_iter().filter(|(key, _)| key != key::SCRUB_DUE) {
            bytes = bytes.saturating_add(key.len() as u64);
            match value {
                Some(value) => {
                    bytes = bytes.saturating_add(value.len() as u64);
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        let base = self.store.base();
        self.store.guard(|| base.tree.apply_batch(batch))?;
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(bytes);
        if self.unsynced_bytes >= SYNC_BYTES {
            self.unsynced_bytes = 0;
            self.store.guard(|| base.db.flush())?;
            base.sync();
            self.has_room()?;
        }
        Ok(())
    }

    /// The disk may fill up while the copy is made: rather no copy than a node that cannot write.
    fn has_room(&self) -> Result<(), StoreError> {
        let path = &self.store.directory;
        let free = free_bytes(path).map_err(io_error(path, "find the free space of"))?;
        if free < self.low_bytes {
            return Err(StoreError::NoRoom { path: path.clone(), needed: self.low_bytes, free });
        }
        Ok(())
    }

    /// Makes it durable as a whole.
    fn finish(&self, due: Option<ScrubDue>) -> Result<(), StoreError> {
        let base = self.store.base();
        self.store.guard(|| {
            if let Some(due) = due {
                base.tree.insert(key::SCRUB_DUE, due.to_bytes())?;
            }
            base.db.flush()
        })?;
        base.settle()
    }
}

/// Closes a database once whoever reads it has finished.
fn close(base: Arc<Base>) {
    let deadline = Instant::now().checked_add(READERS_WAIT);
    while Arc::strong_count(&base) > 1 {
        if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            let directory = base.directory().display();
            tracing::warn!(%directory, "somebody still reads the old database: its file goes when they have finished");
            return;
        }
        std::thread::sleep(READERS_PAUSE);
    }
}

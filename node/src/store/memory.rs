//! The store in memory: for simulation and tests, and to compare the other one with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use entente_proto::entry::{Entry, encoded_len};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{BUNDLE_ENTRIES, OPENING_BYTES, PAYLOAD_BYTES_MAX};
use entente_proto::record::{RecordKind, revoked_by};

use super::{
    Append, Batch, Erasure, Fill, HeadKind, Refused, Repair, ScrubDue, ScrubStep, Scrubbed, Store, StoreError,
    StoredLog, SubmissionId, certified_size,
};

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of the group is there afterwards.
    Lost,
    /// All of the group is there afterwards.
    Persisted,
}

/// A store in memory. Clones show the same store.
///
/// It keeps the [contract](Store). Its faults are hooks: [`fail_commit`](Self::fail_commit), [`crash`](Self::crash) and
/// [`corrupt`](Self::corrupt).
#[derive(Debug, Clone)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    /// Which life of the process this handle belongs to.
    life: u64,
}

/// What outlives a crash, and the faults that wait.
#[derive(Debug, Default)]
struct Disk {
    content: Content,
    life: u64,
    /// A commit failed in this life.
    failed: bool,
    commits: u64,
    /// The number of a commit that will fail.
    fault: Option<(u64, Fault)>,
    corrupt: BTreeSet<(UnitId, u64)>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    // Shared bundle by bundle, so that a copy for a batch that may be refused or fail is cheap.
    logs: BTreeMap<UnitId, Arc<Log>>,
    heads: BTreeMap<(UnitId, HeadKind), Bytes>,
    submissions: BTreeMap<SubmissionId, u64>,
    withheld: BTreeMap<(UnitId, u64), u64>,
    erased: BTreeMap<(UnitId, u64), u64>,
    revoked: BTreeSet<(UnitId, Hash)>,
    announcements: u64,
    due: Option<ScrubDue>,
}

#[derive(Debug, Clone, Default)]
struct Log {
    /// Of 256 entries each, but for the last.
    bundles: Vec<Arc<Vec<Entry>>>,
    level1: Vec<Hash>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { disk: Arc::default(), life: 0 }
    }

    /// Lets a commit fail: the next for 1, the one after it for 2, and so on. The store then [stops](StoreError::Stopped)
    /// until [`crash`](Self::crash).
    pub fn fail_commit(&self, nth: u64, fault: Fault) {
        let mut disk = self.lock();
        disk.fault = Some((disk.commits.saturating_add(nth), fault));
    }

    /// Ends this life of the process: all handles so far [stop](StoreError::Stopped), the one returned has what was
    /// committed and nothing else.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut disk = self.lock();
        disk.life = disk.life.saturating_add(1);
        disk.failed = false;
        disk.fault = None;
        Self { disk: Arc::clone(&self.disk), life: disk.life }
    }

    /// Lets reads of an entry find it damaged.
    pub fn corrupt(&self, unit: &UnitId, index: u64) {
        self.lock().corrupt.insert((unit.clone(), index));
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // Content is replaced whole, so a poisoned one is whole.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.lock();
        if disk.life == self.life && !disk.failed { Ok(disk) } else { Err(StoreError::Stopped) }
    }
}

impl Store for MemoryStore {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut disk = self.alive()?;
        disk.commits = disk.commits.saturating_add(1);
        let mut content = disk.content.clone();
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            let mut next = content.clone();
            let result = next.take(batch);
            if result.is_ok() {
                content = next;
                for Repair { unit, bundle, .. } in &batch.repairs {
                    disk.corrupt.retain(|(of, index)| of != unit || index / BUNDLE_ENTRIES != *bundle);
                }
            }
            results.push(result.map_err(StoreError::from));
        }
        let number = disk.commits;
        let fault = disk.fault.take_if(|(commit, _)| *commit == number);
        if fault.is_none_or(|(_, fault)| fault == Fault::Persisted) {
            disk.content = content;
        }
        if fault.is_some() {
            disk.failed = true;
            return Err(StoreError::Failed("a fault was injected".into()));
        }
        Ok(results)
    }

    fn units(&self) -> Vec<UnitId> {
        let disk = self.lock();
        disk.content.logs.iter().filter(|(_, log)| !log.bundles.is_empty()).map(|(unit, _)| unit.clone()).collect()
    }

    fn size(&self, unit: &UnitId) -> Size {
        self.lock().content.log(unit).map_or(Size::ZERO, Log::size)
    }

    fn log(&self, unit: &UnitId) -> Result<StoredLog, StoreError> {
        let disk = self.alive()?;
        let head = |kind| disk.content.heads.get(&(unit.clone(), kind)).cloned();
        let mut stored = StoredLog {
            certified: head(HeadKind::Certified),
            newest: head(HeadKind::Newest),
            bridge: head(HeadKind::Bridge),
            fork: head(HeadKind::Fork),
            ..StoredLog::default()
        };
        if let Some(log) = disk.content.log(unit) {
            let numbered = (0..).zip(log.from(0));
            stored.size = log.size();
            stored.level1.clone_from(&log.level1);
            let bundled = stored.size.bundled().get();
            stored.tail_leaves =
                numbered.clone().filter(|(i, _)| *i >= bundled).map(|(_, entry)| entry.leaf_hash()).collect();
            let erased = disk.content.erased.iter().filter(|((of, _), _)| of == unit);
            stored.erased = erased.map(|((_, index), by)| (*index, *by)).collect();
            stored.gaps = numbered.filter(|(_, entry)| entry.body().is_none()).map(|(i, _)| i).collect();
        }
        Ok(stored)
    }

    fn entries(&self, unit: &UnitId, from: u64, max_count: usize, max_bytes: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.entries_to_fold(unit, from, max_count, max_bytes)?;
        let disk = self.alive()?;
        for (index, entry) in (from..).zip(&mut entries) {
            let withheld = disk.content.withheld.contains_key(&(unit.clone(), index));
            if withheld && RecordKind::of_number(entry.header().kind).can_end() {
                *entry = entry.without_body();
            }
        }
        Ok(entries)
    }

    fn entries_to_fold(
        &self,
        unit: &UnitId,
        from: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let disk = self.alive()?;
        let Some(log) = disk.content.log(unit) else { return Ok(vec![]) };
        let mut out = Vec::new();
        let mut bytes = 0_usize;
        for (index, entry) in (from..).zip(log.from(from)).take(max_count) {
            if disk.corrupt.contains(&(unit.clone(), index)) {
                let why = "a fault was injected".into();
                return Err(StoreError::Corrupt { unit: unit.clone(), index, why });
            }
            bytes = bytes.saturating_add(encoded_len(entry));
            out.push(entry.clone());
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(out)
    }

    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError> {
        let disk = self.alive()?;
        let Some(log) = disk.content.log(unit) else { return Ok(vec![]) };
        let entries = usize::try_from(bundle).ok().and_then(|bundle| log.bundles.get(bundle));
        Ok(entries.map(|entries| entries.iter().map(Entry::leaf_hash).collect()).unwrap_or_default())
    }

    fn submission(&self, id: &SubmissionId) -> Result<Option<u64>, StoreError> {
        Ok(self.alive()?.content.submissions.get(id).copied())
    }

    fn withheld(&self, unit: &UnitId, index: u64) -> Option<u64> {
        self.lock().content.withheld.get(&(unit.clone(), index)).copied()
    }

    fn all_withheld(&self) -> Vec<Erasure> {
        let of = |((unit, index), by): (&(UnitId, u64), &u64)| Erasure { unit: unit.clone(), index: *index, by: *by };
        self.lock().content.withheld.iter().map(of).collect()
    }

    fn announcements(&self) -> u64 {
        self.lock().content.announcements
    }

    fn lacks(&self, unit: &UnitId, index: u64) -> bool {
        self.lock().content.log(unit).and_then(|log| log.get(index)).is_some_and(|entry| entry.body().is_none())
    }

    fn revocations(&self) -> Result<Vec<(UnitId, Hash)>, StoreError> {
        Ok(self.alive()?.content.revoked.iter().cloned().collect())
    }

    fn adopts(&self, unit: &UnitId) -> Result<Vec<u64>, StoreError> {
        let disk = self.alive()?;
        let entries = disk.content.log(unit).into_iter().flat_map(|log| log.from(0));
        let adopts = (0..).zip(entries).filter(|(_, entry)| entry.header().kind == RecordKind::Adopt.number());
        Ok(adopts.map(|(index, _)| index).collect())
    }

    fn scrub_due(&self) -> Option<ScrubDue> {
        self.lock().content.due
    }

    fn found_bad(&self) -> Vec<(UnitId, u64)> {
        self.lock().corrupt.iter().cloned().collect()
    }

    fn back_up(&self, _directory: &Path) -> Result<(), StoreError> {
        Err(StoreError::Failed("a store in memory has no files".into()))
    }

    fn scrub(&self, _go_on: &mut dyn FnMut(ScrubStep) -> ControlFlow<()>) -> Result<Scrubbed, StoreError> {
        // Nothing is left over in memory.
        let due = self.alive()?.content.due.take();
        Ok(Scrubbed { records: due.map_or(0, |due| due.records), ..Scrubbed::default() })
    }
}

impl Content {
    fn log(&self, unit: &UnitId) -> Option<&Log> {
        self.logs.get(unit).map(Arc::as_ref)
    }

    fn rewind(&mut self, unit: &UnitId, size: Size) -> Result<(), Refused> {
        let certified = self.heads.get(&(unit.clone(), HeadKind::Certified)).map_or(0, |note| certified_size(note));
        let size = size.get();
        if self.log(unit).is_none_or(|log| size >= log.size().get()) {
            return Ok(());
        }
        if size < certified {
            return Err(Refused::Certified { unit: unit.clone(), certified, size });
        }
        if let Some(log) = self.logs.get_mut(unit) {
            Arc::make_mut(log).cut(size);
        }
        self.heads.remove(&(unit.clone(), HeadKind::Newest));
        let stays = |(of, index): &(UnitId, u64), by: &mut u64| of != unit || *index < size && *by < size;
        self.withheld.retain(stays);
        self.erased.retain(stays);
        Ok(())
    }

    fn take(&mut self, batch: &Batch) -> Result<(), Refused> {
        if let Some((unit, size)) = &batch.rewind {
            batch.rewinds_alone(unit)?;
            self.rewind(unit, *size)?;
        }
        let before: BTreeMap<UnitId, u64> =
            batch.units().map(|unit| (unit.clone(), self.log(unit).map_or(0, |log| log.size().get()))).collect();
        let there = |unit: &UnitId, index: u64| {
            let there = before.get(unit).is_some_and(|size| index < *size);
            if there { Ok(()) } else { Err(Refused::NoEntry { unit: unit.clone(), index }) }
        };
        for append in &batch.appends {
            Arc::make_mut(self.logs.entry(append.unit.clone()).or_default()).append(append)?;
            append.entries.iter().for_each(|entry| note_revoked(&mut self.revoked, &append.unit, entry));
        }
        for Fill { unit, index, body } in &batch.fills {
            there(unit, *index)?;
            if let Some(entry) = self.entry_mut(unit, *index) {
                let whole = entry.with_body(body.clone());
                let whole = whole.map_err(|fault| Refused::Body { unit: unit.clone(), index: *index, fault })?;
                *entry = whole.clone();
                note_revoked(&mut self.revoked, unit, &whole);
                self.erased.remove(&(unit.clone(), *index));
            }
        }
        for Erasure { unit, index, by } in &batch.announced {
            if self.log(unit).is_none_or(|log| *index >= log.size().get()) {
                return Err(Refused::NoEntry { unit: unit.clone(), index: *index });
            }
            self.withheld.entry((unit.clone(), *index)).or_insert(*by);
            self.announcements = self.announcements.saturating_add(1);
        }
        let mut deleted = 0_u64;
        for (unit, index) in &batch.erasures {
            there(unit, *index)?;
            if let Some(entry) = self.entry_mut(unit, *index) {
                deleted = deleted.saturating_add(u64::from(entry.body().is_some()));
                *entry = entry.without_body();
            }
        }
        for (unit, index) in &batch.settled {
            there(unit, *index)?;
            let Some(by) = self.withheld.remove(&(unit.clone(), *index)) else { continue };
            let gone = |entry: &Entry| entry.body().is_none() && RecordKind::of_number(entry.header().kind).can_end();
            if self.log(unit).and_then(|log| log.get(*index)).is_some_and(gone) {
                self.erased.insert((unit.clone(), *index), by);
            }
        }
        if let Some(since_ms) = batch.erased_ms.filter(|_| deleted > 0) {
            let due = self.due.get_or_insert(ScrubDue { since_ms, records: 0 });
            due.records = due.records.saturating_add(deleted);
        }
        for (unit, kind, note) in &batch.heads {
            if note.len() > PAYLOAD_BYTES_MAX + OPENING_BYTES {
                return Err(Refused::NoteLength(note.len()));
            }
            self.heads.insert((unit.clone(), *kind), note.clone());
        }
        for id in &batch.forgotten {
            self.submissions.remove(id);
        }
        for (id, index) in &batch.submissions {
            match *self.submissions.entry(*id).or_insert(*index) {
                known if known != *index => return Err(Refused::Submission(known)),
                _ => {}
            }
        }
        Ok(())
    }

    fn entry_mut(&mut self, unit: &UnitId, index: u64) -> Option<&mut Entry> {
        let log = Arc::make_mut(self.logs.get_mut(unit)?);
        let (bundle, at) = place(index)?;
        Arc::make_mut(log.bundles.get_mut(bundle)?).get_mut(at)
    }
}

fn note_revoked(revoked: &mut BTreeSet<(UnitId, Hash)>, unit: &UnitId, entry: &Entry) {
    let spki = entry.payload().and_then(|payload| revoked_by(entry.header().kind, payload));
    revoked.extend(spki.map(|spki| (unit.clone(), spki)));
}

impl Log {
    fn size(&self) -> Size {
        let full = (self.bundles.len() as u64).saturating_sub(1).saturating_mul(BUNDLE_ENTRIES);
        let last = self.bundles.last().map_or(0, |last| last.len() as u64);
        Size::new(full.saturating_add(last)).unwrap_or_default()
    }

    fn get(&self, index: u64) -> Option<&Entry> {
        let (bundle, at) = place(index)?;
        self.bundles.get(bundle)?.get(at)
    }

    fn from(&self, index: u64) -> impl Iterator<Item = &Entry> + Clone {
        let (bundle, at) = place(index).unwrap_or((usize::MAX, 0));
        self.bundles.iter().skip(bundle).flat_map(|bundle| bundle.iter()).skip(at)
    }

    fn push(&mut self, entry: Entry) {
        match self.bundles.last_mut().filter(|last| (last.len() as u64) < BUNDLE_ENTRIES) {
            Some(last) => Arc::make_mut(last).push(entry),
            None => self.bundles.push(Arc::new(vec![entry])),
        }
    }

    fn cut(&mut self, size: u64) {
        let (bundle, at) = place(size).unwrap_or((usize::MAX, 0));
        self.bundles.truncate(bundle.saturating_add(1));
        self.level1.truncate(bundle);
        if let Some(last) = self.bundles.get_mut(bundle) {
            Arc::make_mut(last).truncate(at);
        }
        if self.bundles.last().is_some_and(|last| last.is_empty()) {
            self.bundles.pop();
        }
    }

    fn append(&mut self, append: &Append) -> Result<(), Refused> {
        let Append { unit, from, entries, level1 } = append;
        let size = self.size().get();
        if from.get() > size {
            return Err(Refused::Gap { unit: unit.clone(), from: from.get(), size });
        }
        if from.plus(entries.len() as u64).is_err() {
            return Err(Refused::TooLarge(unit.clone()));
        }
        for (index, entry) in (from.get()..).zip(entries) {
            match self.get(index) {
                Some(known) if known.leaf() != entry.leaf() => {
                    return Err(Refused::Conflict { unit: unit.clone(), index });
                }
                Some(_) => {}
                None => self.push(entry.clone()),
            }
        }
        let full = size / BUNDLE_ENTRIES;
        for (bundle, hash) in level1 {
            let known = usize::try_from(*bundle).ok().and_then(|bundle| self.level1.get(bundle));
            let due = *bundle >= full && *bundle == self.level1.len() as u64 && *bundle < self.size().bundles();
            match known {
                Some(known) if *bundle < full && known == hash => {}
                None if due => self.level1.push(*hash),
                _ => return Err(Refused::Level1 { unit: unit.clone(), bundle: *bundle }),
            }
        }
        let have = self.level1.len() as u64;
        if have < self.size().bundles() { Err(Refused::Level1 { unit: unit.clone(), bundle: have }) } else { Ok(()) }
    }
}

/// The bundle of an entry and its place in it.
fn place(index: u64) -> Option<(usize, usize)> {
    let at = index.checked_rem(BUNDLE_ENTRIES)?;
    Some((usize::try_from(index.checked_div(BUNDLE_ENTRIES)?).ok()?, usize::try_from(at).ok()?))
}

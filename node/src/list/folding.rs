//! The thread that folds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use entente_proto::charter::CharterChain;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, Size, UnitId};
use entente_proto::list::{DigestError, Fold, Frontier, Prepared, Standing, Status};
use entente_proto::record::{self, RecordKind, Target};
use entente_proto::sync::erased_by;
use entente_proto::wire::record::Body;

use super::{Change, ListError, Listing, News, Stored, is_mended};
use crate::store::{Refused, Store, StoreError};

/// How many entries are folded under one write lock.
const STRETCH: u64 = 512;
/// How long nothing must have come before the digest is computed, and how often it is at the most.
const DIGEST_QUIET: Duration = Duration::from_millis(10);
const DIGEST_SHARE: u32 = 8;

/// Is told whose log it is, and what its erasures name.
pub type TellEnded = dyn Fn(&UnitId, &[Ended]) + Send;

/// Is told of a record, and what it says.
pub type TellSpoken = dyn Fn(&RecordId, &Body) + Send;

/// What the thread needs to know of the node.
pub struct Around {
    /// The list.
    pub list: Arc<Listing>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The charter's digest.
    pub charter: Hash,
    /// The certified size and root of every log.
    pub frontier: Box<dyn Fn() -> BTreeMap<UnitId, (Size, Hash)> + Send>,
    /// Told when a digest was computed: of the frontier, and of the list.
    pub folded: Box<dyn Fn(Hash, Hash) + Send>,
    /// Told of erasures that were certified and folded: nothing that the fold counts needs what they name.
    pub ended: Box<TellEnded>,
    /// Told of what units say of charters to come, certified or not; of a record perhaps more than once.
    pub spoken: Box<TellSpoken>,
    /// Told when stored entries turn out not to be readable.
    pub damaged: Box<dyn Fn(String) + Send>,
}

/// What a certified `Erase` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The record's index.
    pub index: u64,
    /// Whether the record is erased by it; or else by another, or it cannot be.
    pub counts: bool,
}

impl std::fmt::Debug for Around {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Around")
    }
}

#[derive(Debug, Default)]
struct Log {
    /// Folded up to here.
    folded: u64,
    /// Noted as pending up to here.
    noted: u64,
    held: u64,
    certified: u64,
    /// Whether it could not be read: nothing further of it is folded until it can be.
    broken: bool,
    kept: VecDeque<(u64, Vec<Entry>)>,
}

struct Folding {
    around: Around,
    logs: BTreeMap<UnitId, Log>,
    stale: bool,
    /// Whether the digest waits for what cannot be read.
    unreadable: bool,
    /// Charters under which the list could not be folded anew yet.
    due: Option<Box<CharterChain>>,
    computed: Instant,
    took: Duration,
}

/// Folds until nobody sends news any more.
pub fn run(around: Around, news: &Receiver<News>) {
    let mut folding = Folding {
        around,
        logs: BTreeMap::new(),
        stale: true,
        unreadable: false,
        due: None,
        computed: Instant::now(),
        took: Duration::ZERO,
    };
    loop {
        let next = if folding.stale && !folding.unreadable {
            news.recv_timeout(DIGEST_QUIET)
        } else {
            news.recv().map_err(Into::into)
        };
        match next {
            Ok(first) => {
                folding.take(first);
                // What is certified goes before what is only held, of which there may be much; and what has come in
                // meanwhile is looked at before each stretch, since it may be certified by now.
                loop {
                    news.try_iter().for_each(|news| folding.take(news));
                    if folding.advance(Log::to_fold).or_else(|| folding.advance(Log::to_note)).is_none() {
                        break;
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => folding.digest(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Log {
    /// The next stretch to fold.
    fn to_fold(&self) -> Option<Work> {
        stretch(self.folded, self.certified.min(self.held)).map(|(from, end)| Work { from, end, fold: true })
    }

    /// The next stretch to note as pending, once everything certified is folded.
    fn to_note(&self) -> Option<Work> {
        stretch(self.noted.max(self.folded), self.held).map(|(from, end)| Work { from, end, fold: false })
    }
}

fn stretch(from: u64, end: u64) -> Option<(u64, u64)> {
    (from < end).then(|| (from, end.min(from + STRETCH)))
}

/// A stretch of a log, to be folded or else to be noted as pending.
struct Work {
    from: u64,
    end: u64,
    fold: bool,
}

impl Folding {
    fn take(&mut self, news: News) {
        match news {
            News::Taken { unit, from, entries } => {
                self.logs.entry(unit).or_default().kept.push_back((from, entries));
            }
            News::Held { unit, size } => {
                let log = self.logs.entry(unit).or_default();
                log.held = log.held.max(size);
            }
            News::CutBack { unit, done } => {
                self.cut_back(unit);
                // Whoever asked waits, unless it has ended.
                let _ = done.send(());
            }
            News::Certified { unit, size } => {
                let log = self.logs.entry(unit).or_default();
                log.certified = log.certified.max(size);
                self.stale = true;
            }
            News::Charters(charters) => self.refold(charters),
            News::Readable => self.readable(),
        }
    }

    /// Goes on where something could not be read.
    fn readable(&mut self) {
        for (unit, log) in self.logs.iter_mut().filter(|(_, log)| log.broken) {
            log.broken = false;
            self.around.list.see_again(unit, log.noted.max(log.folded));
        }
        self.unreadable = false;
        if let Some(charters) = self.due.take() {
            self.refold(charters);
        }
    }

    /// Folds what is folded anew under another charter, beside the list that is shown, and then takes its place.
    fn refold(&mut self, charters: Box<CharterChain>) {
        self.due = None;
        let Ok(mut fold) = Fold::under(&charters) else {
            tracing::error!("the list cannot be computed under the new charter by this release");
            return;
        };
        let mut held = BTreeSet::new();
        for (unit, end) in self.logs.iter().map(|(unit, log)| (unit, log.folded)) {
            if let Err(error) = self.fold_beside(&mut fold, &mut held, unit, end) {
                tracing::error!(%unit, %error, "the list cannot be folded under the new charter");
                if !error.is_mended() {
                    (self.around.damaged)(format!(
                        "the database holds of the log of {unit} what cannot be read: {error}"
                    ));
                }
                self.due = Some(charters);
                return;
            }
        }
        let mut state = self.around.list.state.write().unwrap_or_else(PoisonError::into_inner);
        (state.fold, state.held, state.digest) = (fold, held, None);
        drop(state);
        self.around.charter = charters.newest().digest();
        self.stale = true;
    }

    fn fold_beside(
        &self,
        fold: &mut Fold,
        held: &mut BTreeSet<Target>,
        unit: &UnitId,
        end: u64,
    ) -> Result<(), ListError> {
        let mut at = 0;
        while let Some((from, until)) = stretch(at, end) {
            let entries = self.around.store.entries_to_fold(unit, from, (until - from) as usize, usize::MAX)?;
            if entries.is_empty() {
                return Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: from }).into());
            }
            for prepared in read(unit, from, &entries) {
                for change in fold.apply_prepared(unit, at, prepared)? {
                    match change.status {
                        Some(Status::Held) => _ = held.insert(change.target),
                        _ => _ = held.remove(&change.target),
                    }
                }
                at += 1;
            }
        }
        Ok(())
    }

    /// Forgets what is not folded of a log.
    fn cut_back(&mut self, unit: UnitId) {
        self.around.list.state.write().unwrap_or_else(PoisonError::into_inner).pending.forget_log(&unit);
        let log = self.logs.entry(unit).or_default();
        (log.noted, log.held) = (log.folded, log.folded.min(log.held));
        for (_, entries) in log.kept.drain(..) {
            self.around.list.let_go(&entries);
        }
    }

    /// Does one stretch of the first log that has one. Gives nothing where none has.
    fn advance(&mut self, work: impl Fn(&Log) -> Option<Work>) -> Option<()> {
        let due = |(unit, log): (&UnitId, &Log)| work(log).filter(|_| !log.broken).map(|work| (unit.clone(), work));
        let (unit, Work { from, end, fold }) = self.logs.iter().find_map(due)?;
        let done = self.read(&unit, from, end).map_err(ListError::from).and_then(|entries| match fold {
            true => self.fold(&unit, from, &entries),
            false => self.note(&unit, from, &entries),
        });
        let log = self.logs.entry(unit.clone()).or_default();
        let Err(error) = done else {
            self.around.list.see(&unit, log.noted.max(log.folded));
            return Some(());
        };
        log.broken = true;
        tracing::error!(%unit, from, %error, "the list cannot be folded further");
        self.around.list.see(&unit, u64::MAX);
        if !error.is_mended() {
            (self.around.damaged)(format!("the database holds of the log of {unit} what cannot be read: {error}"));
        }
        Some(())
    }

    /// Entries from memory, or else from the store.
    fn read(&mut self, unit: &UnitId, from: u64, end: u64) -> Result<Vec<Entry>, StoreError> {
        let folded = self.logs.get(unit).map_or(0, |log| log.folded);
        self.let_go(unit, folded.min(from));
        if let Some(log) = self.logs.get_mut(unit) {
            let mut found = Vec::new();
            for (first, entries) in &log.kept {
                let at = from + found.len() as u64;
                if at >= end || *first > at {
                    break;
                }
                let skip = (at - first) as usize;
                found.extend(entries.iter().skip(skip).take((end - at) as usize).cloned());
            }
            // A payload that was filled in later stands in the store alone.
            if !found.is_empty() && found.iter().all(|entry| entry.body().is_some()) {
                return Ok(found);
            }
        }
        let entries = self.around.store.entries_to_fold(unit, from, (end - from) as usize, usize::MAX)?;
        if entries.is_empty() {
            Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: from }))
        } else {
            Ok(entries)
        }
    }

    /// Forgets the entries in memory below an index.
    fn let_go(&mut self, unit: &UnitId, below: u64) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        while let Some((first, entries)) = log.kept.front() {
            if first + entries.len() as u64 > below {
                break;
            }
            self.around.list.let_go(entries);
            log.kept.pop_front();
        }
    }

    fn fold(&mut self, unit: &UnitId, from: u64, entries: &[Entry]) -> Result<(), ListError> {
        let list = self.around.list.clone();
        let (mut published, mut ended) = (Vec::new(), Vec::new());
        let mut end = from;
        let mut result = Ok(());
        let prepared = read(unit, from, entries);
        let noted = self.logs.get(unit).map_or(0, |log| log.noted);
        {
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            // Asked under the lock: whoever watches has looked how far it is folded before this, or will find it folded.
            let watched = list.changes.receiver_count() > 0;
            let withheld = if watched { self.withheld(unit) } else { BTreeSet::new() };
            for (entry, prepared) in entries.iter().zip(prepared) {
                let header = entry.header();
                let changes = match state.fold.apply_prepared(unit, end, prepared) {
                    Ok(changes) => changes,
                    Err(error) => {
                        result = Err(error.into());
                        break;
                    }
                };
                changes.iter().for_each(|change| state.note_status(change));
                if let Some(index) = entry.payload().and_then(|payload| erased_by(header.kind, payload)) {
                    let counts = state.fold.standing(unit, index) == Standing::Erased { by: end };
                    ended.push(Ended { index, counts });
                }
                if watched {
                    let id = RecordId { unit: unit.clone(), index: end };
                    let change = changes.into_iter().next();
                    published.push(Change {
                        record: shown(entry, end, &withheld).map(record::Statement::into_record),
                        id,
                        time_ms: header.time_ms,
                        certified: true,
                        status: change.as_ref().and_then(|change| change.status),
                        target: change.map(|change| change.target),
                    });
                }
                end += 1;
            }
            state.folded.insert(unit.clone(), end);
            state.pending.certified(unit, end);
        }
        self.tell_spoken(unit, from, end, entries, noted);
        if let Some(log) = self.logs.get_mut(unit) {
            log.folded = end;
            log.noted = log.noted.max(end);
        }
        self.let_go(unit, end);
        self.stale = true;
        published.into_iter().for_each(|change| list.publish(change));
        if !ended.is_empty() {
            (self.around.ended)(unit, &ended);
        }
        result
    }

    fn note(&mut self, unit: &UnitId, from: u64, entries: &[Entry]) -> Result<(), ListError> {
        let list = self.around.list.clone();
        let mut published = Vec::new();
        let withheld = self.withheld(unit);
        {
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            let state = &mut *state;
            for (index, entry) in (from..).zip(entries) {
                let id = RecordId { unit: unit.clone(), index };
                let statement = shown(entry, index, &withheld);
                let folded = |on: &RecordId| -> Option<Target> { state.fold.target_of(&on.unit, on.index) };
                let target = state.pending.note(id.clone(), statement.as_ref(), folded);
                let status = target.as_ref().and_then(|target| state.fold.status(target));
                let record = statement.map(record::Statement::into_record);
                published.push(Change {
                    id,
                    time_ms: entry.header().time_ms,
                    record,
                    certified: false,
                    target,
                    status,
                });
            }
        }
        self.tell_spoken(unit, from, u64::MAX, entries, from);
        if let Some(log) = self.logs.get_mut(unit) {
            log.noted = from + entries.len() as u64;
        }
        published.into_iter().for_each(|change| list.publish(change));
        Ok(())
    }

    /// Tells what these entries say of charters, but for those that were noted, and told, before.
    fn tell_spoken(&self, unit: &UnitId, from: u64, end: u64, entries: &[Entry], noted: u64) {
        let of_charters = [RecordKind::Propose, RecordKind::Approve].map(RecordKind::number);
        for (index, entry) in (from..end).zip(entries).filter(|(index, _)| *index >= noted) {
            if of_charters.contains(&entry.header().kind)
                && let Some(payload) = entry.payload()
                && let Ok(statement) = record::parse(entry.header().kind, payload)
            {
                (self.around.spoken)(&RecordId { unit: unit.clone(), index }, statement.body());
            }
        }
    }

    /// The entries of a log that an uncertified `Erase` names. Hardly ever are there any.
    fn withheld(&self, unit: &UnitId) -> BTreeSet<u64> {
        let all = self.around.store.all_withheld();
        all.iter().filter(|one| one.unit == *unit).map(|one| one.index).collect()
    }

    /// Computes the digest if every log is folded as far as it is certified.
    fn digest(&mut self) {
        if self.computed.elapsed() < self.took * DIGEST_SHARE {
            return;
        }
        let logs = (self.around.frontier)();
        let list = self.around.list.clone();
        let begun = Instant::now();
        let payloads = Stored(&*self.around.store);
        let mut frontier = Frontier { charter: self.around.charter, logs };
        let computed = loop {
            // One stretch of rows under each lock, so that queries come between.
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            let folded = |unit: &UnitId| state.folded.get(unit).copied().unwrap_or_default();
            // A charter may have brought in units that this fold does not know yet.
            let known = state.fold.frontier_sizes();
            frontier.logs.retain(|unit, _| known.contains_key(unit));
            if frontier.logs.iter().any(|(unit, (size, _))| folded(unit) != size.get()) {
                return;
            }
            match state.fold.settle_some(STRETCH as usize, &payloads) {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => break Err((error.to_string(), is_mended(&error))),
            }
            break match state.fold.digest(&frontier, &payloads) {
                Ok(digest) => {
                    let digest = (frontier.digest(), digest);
                    state.digest = Some(digest);
                    Ok(digest)
                }
                Err(DigestError::Read(error)) => Err((error.to_string(), is_mended(&error))),
                Err(error) => Err((error.to_string(), false)),
            };
        };
        (self.stale, self.computed, self.took) = (false, Instant::now(), begun.elapsed());
        match computed {
            Ok((frontier, digest)) => (self.around.folded)(frontier, digest),
            Err((error, true)) => {
                tracing::error!(%error, "the list digest cannot be computed yet");
                (self.stale, self.unreadable) = (true, true);
            }
            Err((error, false)) => {
                tracing::error!(%error, "the list digest cannot be computed");
                (self.around.damaged)(format!("the database holds what cannot be read: {error}"));
            }
        }
    }
}

/// Reads a stretch, which is most of the work of folding it. No lock is held meanwhile.
fn read(unit: &UnitId, from: u64, entries: &[Entry]) -> Vec<Prepared> {
    let one = |(index, entry): (u64, &Entry)| {
        let header = entry.header();
        Prepared::new(unit, index, header.kind, header.time_ms, entry.payload().map(|bytes| &bytes[..]))
    };
    (from..).zip(entries).map(one).collect()
}

/// What an entry says, unless it is withheld.
fn shown(entry: &Entry, index: u64, withheld: &BTreeSet<u64>) -> Option<record::Statement> {
    if withheld.contains(&index) && RecordKind::of_number(entry.header().kind).can_end() {
        return None;
    }
    record::parse(entry.header().kind, entry.payload()?).ok()
}

//! The thread that folds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, Size, UnitId};
use entente_proto::list::Frontier;
use entente_proto::record::{self, Target};

use super::{Change, ListError, Listing, News, Stored};
use crate::store::{Refused, Store, StoreError};

/// How many entries are folded under one write lock.
const STRETCH: usize = 512;
/// How many bytes of entries wait in memory; beyond that they are read back from the store.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// How long nothing must have come before the digest is computed, and how often it is at the most.
const DIGEST_QUIET: Duration = Duration::from_millis(10);
const DIGEST_SHARE: u32 = 8;

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
    /// Told when stored entries turn out not to be readable.
    pub damaged: Box<dyn Fn(String) + Send>,
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
    kept: VecDeque<(u64, Vec<Entry>)>,
}

struct Folding {
    around: Around,
    logs: BTreeMap<UnitId, Log>,
    kept_bytes: usize,
    stale: bool,
    computed: Instant,
    took: Duration,
}

/// Folds until nobody sends news any more.
pub fn run(around: Around, news: &Receiver<News>) {
    let mut folding = Folding {
        around,
        logs: BTreeMap::new(),
        kept_bytes: 0,
        stale: true,
        computed: Instant::now(),
        took: Duration::ZERO,
    };
    loop {
        let next = if folding.stale { news.recv_timeout(DIGEST_QUIET) } else { news.recv().map_err(Into::into) };
        match next {
            Ok(news) => {
                let unit = folding.take(news);
                folding.advance(&unit);
            }
            Err(RecvTimeoutError::Timeout) => folding.digest(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Folding {
    fn take(&mut self, news: News) -> UnitId {
        match news {
            News::Taken { unit, from, entries } => {
                let bytes: usize = entries.iter().map(entente_proto::entry::encoded_len).sum();
                if self.kept_bytes + bytes <= KEPT_BYTES_MAX {
                    self.kept_bytes += bytes;
                    self.logs.entry(unit.clone()).or_default().kept.push_back((from, entries));
                }
                unit
            }
            News::Held { unit, size } => {
                let log = self.logs.entry(unit.clone()).or_default();
                log.held = log.held.max(size);
                unit
            }
            News::Certified { unit, size } => {
                let log = self.logs.entry(unit.clone()).or_default();
                log.certified = log.certified.max(size);
                self.stale = true;
                unit
            }
        }
    }

    fn advance(&mut self, unit: &UnitId) {
        loop {
            let Some(log) = self.logs.get(unit) else { return };
            let certified = log.certified.min(log.held);
            let (from, end, fold) = if log.folded < certified {
                (log.folded, certified, true)
            } else if log.noted.max(log.folded) < log.held {
                (log.noted.max(log.folded), log.held, false)
            } else {
                return;
            };
            let end = end.min(from + STRETCH as u64);
            let done = self.read(unit, from, end).map_err(ListError::from).and_then(|entries| match fold {
                true => self.fold(unit, from, &entries),
                false => self.note(unit, from, &entries),
            });
            if let Some(log) = self.logs.get(unit).filter(|_| done.is_ok()) {
                self.around.list.see(unit, log.noted.max(log.folded));
            }
            if let Err(error) = done {
                tracing::error!(%unit, from, %error, "the list cannot be folded further");
                self.around.list.see(unit, u64::MAX);
                (self.around.damaged)(format!("the database holds of the log of {unit} what cannot be read: {error}"));
                return;
            }
        }
    }

    /// Entries from memory, or else from the store.
    fn read(&mut self, unit: &UnitId, from: u64, end: u64) -> Result<Vec<Entry>, StoreError> {
        let folded = self.logs.get(unit).map_or(0, |log| log.folded);
        if let Some(log) = self.logs.get_mut(unit) {
            while let Some((first, entries)) = log.kept.front() {
                if first + entries.len() as u64 > folded.min(from) {
                    break;
                }
                let bytes: usize = entries.iter().map(entente_proto::entry::encoded_len).sum();
                self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
                log.kept.pop_front();
            }
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
        let entries = self.around.store.entries(unit, from, (end - from) as usize, usize::MAX)?;
        if entries.is_empty() {
            Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: from }))
        } else {
            Ok(entries)
        }
    }

    fn fold(&mut self, unit: &UnitId, from: u64, entries: &[Entry]) -> Result<(), ListError> {
        let list = self.around.list.clone();
        let mut published = Vec::new();
        let watched = list.changes.receiver_count() > 0;
        {
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            for (index, entry) in (from..).zip(entries) {
                let header = entry.header();
                let payload = entry.payload().map(|bytes| &bytes[..]);
                let changes = state.fold.apply(unit, index, header.kind, header.time_ms, payload)?;
                let end = index + 1;
                state.folded.insert(unit.clone(), end);
                state.pending.certified(unit, end);
                if let Some(log) = self.logs.get_mut(unit) {
                    log.folded = end;
                    log.noted = log.noted.max(end);
                }
                if watched {
                    let id = RecordId { unit: unit.clone(), index };
                    let change = changes.into_iter().next();
                    published.push(Change {
                        record: statement(entry).map(record::Statement::into_record),
                        id,
                        time_ms: header.time_ms,
                        certified: true,
                        status: change.as_ref().and_then(|change| change.status),
                        target: change.map(|change| change.target),
                    });
                }
            }
        }
        self.stale = true;
        published.into_iter().for_each(|change| list.publish(change));
        Ok(())
    }

    fn note(&mut self, unit: &UnitId, from: u64, entries: &[Entry]) -> Result<(), ListError> {
        let list = self.around.list.clone();
        let mut published = Vec::new();
        {
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            let state = &mut *state;
            for (index, entry) in (from..).zip(entries) {
                let id = RecordId { unit: unit.clone(), index };
                let statement = statement(entry);
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
        if let Some(log) = self.logs.get_mut(unit) {
            log.noted = from + entries.len() as u64;
        }
        published.into_iter().for_each(|change| list.publish(change));
        Ok(())
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
        let frontier = Frontier { charter: self.around.charter, logs };
        let computed = loop {
            // One stretch of rows under each lock, so that queries come between.
            let mut state = list.state.write().unwrap_or_else(PoisonError::into_inner);
            let folded = |unit: &UnitId| state.folded.get(unit).copied().unwrap_or_default();
            if frontier.logs.iter().any(|(unit, (size, _))| folded(unit) != size.get()) {
                return;
            }
            match state.fold.settle_some(STRETCH, &payloads) {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => break Err(error.to_string()),
            }
            break match state.fold.digest(&frontier, &payloads) {
                Ok(digest) => {
                    let digest = (frontier.digest(), digest);
                    state.digest = Some(digest);
                    Ok(digest)
                }
                Err(error) => Err(error.to_string()),
            };
        };
        (self.stale, self.computed, self.took) = (false, Instant::now(), begun.elapsed());
        match computed {
            Ok((frontier, digest)) => (self.around.folded)(frontier, digest),
            Err(error) => {
                tracing::error!(%error, "the list digest cannot be computed");
                (self.around.damaged)(format!("the database holds what cannot be read: {error}"));
            }
        }
    }
}

fn statement(entry: &Entry) -> Option<record::Statement> {
    record::parse(entry.header().kind, entry.payload()?).ok()
}

//! Starting: what journal and database hold is put together, held against each other, and the threads begin.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use entente_proto::charter::Charter;
use entente_proto::checkpoint::CosignedCheckpoint;
use entente_proto::cosignature::Cosignature;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::list::{Fold, Gaps};
use entente_proto::note::Signer;
use entente_proto::record::RecordKind;
use entente_proto::sync::{Engine, Event, LogKeys, Restored, Setup, Standing, erased_by};
use tokio::sync::{mpsc, watch};

use super::author::Author;
use super::scrub::{self, Scrubber};
use super::{Core, Input, Leaves, drive, erasure, lock};
use crate::admission::Admissions;
use crate::clock::Clock;
use crate::journal;
use crate::list::{self, Listing};
use crate::store::{self, Append, Batch, Refused, Store, StoreError, StoredLog};

/// How many calls may wait for the author's thread.
const CALLS_MAX: usize = 256;
/// How many entries are put back or looked through at once.
const STRETCH: usize = 256;

/// What a node is made of.
pub struct Parts {
    /// The own unit.
    pub unit: UnitId,
    /// The charter.
    pub charter: Charter,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The journal with what it holds, or why there is none that can be used.
    pub journal: Result<(journal::Writer, journal::Memory), String>,
    /// Signs the own log's checkpoints.
    pub log_signer: Box<dyn Signer>,
    /// Cosigns the logs of others.
    pub mirror_signer: Box<dyn Signer>,
    /// Whether the disk has room, or in words what is low.
    pub room: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Who is admitted.
    pub admissions: Arc<Admissions>,
    /// Other places where bytes of erased records may be left, in words.
    pub remains: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// How long after a payload was deleted the node scrubs by itself.
    pub scrub_after: Duration,
    /// Drawn at random for this process.
    pub instance: [u8; 16],
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({})", self.unit)
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be read.
    #[error("the database cannot be read: {0}")]
    Store(#[from] StoreError),
    /// What the database holds does not fit together or does not fit the journal.
    #[error(
        "{0}. The database is damaged: put back a whole copy of the home directory, or ask for help; nothing was changed"
    )]
    Damaged(String),
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The charter asks for rules that this release does not know.
    #[error("the charter asks for fold version {0}, which this release does not know: install a newer one")]
    Fold(u32),
}

/// A running node's threads.
#[derive(Debug)]
pub struct Running {
    /// What everything shares.
    pub core: Arc<Core>,
    engine: JoinHandle<()>,
    scrub: JoinHandle<()>,
}

impl Running {
    /// Writes what waits and ends the threads. Listeners and partners must have been ended before.
    pub fn stop(self) {
        self.core.scrub.stop();
        let _ = self.scrub.join();
        let _ = self.core.inbox.send(Input::Stop);
        // A thread that panicked has been reported where it happened.
        let _ = self.engine.join();
        if let Some(journal) = &self.core.journal {
            journal.close();
        }
        self.core.store_writer.close();
    }
}

/// Starts a node.
///
/// # Errors
/// [`StartError`]; nothing was signed then.
pub fn start(parts: Parts) -> Result<Running, StartError> {
    let Parts { unit, charter, clock, store, journal, log_signer, mirror_signer, room, .. } = parts;
    let Parts { remains, scrub_after, instance, admissions, .. } = parts;
    let fold =
        Fold::new(charter.units().keys().cloned(), charter.fold()).map_err(|_| StartError::Fold(charter.fold()))?;
    let (journal, memory, mut fault) = match journal {
        Ok((writer, memory)) => (Some(Arc::new(writer)), Some(memory), None),
        Err(why) => (None, None, Some(why)),
    };
    if let Some(memory) = &memory {
        fault = put_back(&unit, &*store, memory)?;
    }
    admissions.known(store.revocations()?);
    let mut restored = BTreeMap::new();
    for other in charter.units().keys() {
        restored.insert(other.clone(), read_log(other, &*store, (*other == unit).then_some(()), memory.as_ref())?);
    }
    let own = restored.get(&unit);
    let next = own.map_or(0, |own| own.level1.len() as u64 * BUNDLE_ENTRIES + own.tail.len() as u64);
    let (tail, last_time_ms) = own.map(|own| (own.tail.clone(), own.last_time_ms)).unwrap_or_default();

    let setup = setup(&unit, &charter, instance);
    let standing = fault.map(|reason| Standing::Recovering { reason });
    let engine = Engine::new(setup, restored, standing, &Leaves(&*store)).map_err(StartError::Damaged)?;
    let (listing, news) = Listing::new(unit.clone(), fold);
    let store_writer = store::Writer::start(store.clone())?;
    let (inbox, engine_inbox) = channel();
    let (author, author_inbox) = mpsc::channel(CALLS_MAX);
    let standing = watch::channel(engine.standing().clone()).0;
    let certified = engine.log(&unit).and_then(|log| Some(log.certified?.checkpoint().size.get())).unwrap_or_default();
    let logs: Vec<_> = engine.logs().collect();
    let (scrubber, scrub_inbox) = Scrubber::new();

    let core = Arc::new(Core {
        unit,
        charter: Arc::new(charter),
        clock,
        store,
        list: listing,
        store_writer,
        journal,
        log_signer,
        mirror_signer,
        engine: Mutex::new(engine),
        inbox,
        author,
        outbox: AtomicU64::new(0),
        waiting: Mutex::default(),
        placed: Mutex::default(),
        room,
        admissions,
        remains,
        scrub: scrubber,
        streams: Mutex::default(),
        next_stream: AtomicU64::new(1),
        certified: watch::channel(certified).0,
        standing,
    });
    for log in logs {
        if let Some(head) = log.certified {
            core.list.certified(log.unit.clone(), head.checkpoint().size.get());
        }
        // Behind what is certified: the list would note it as pending otherwise.
        core.list.held(log.unit, log.complete.get());
    }
    let around = around(&core);
    std::thread::Builder::new().name("list".into()).spawn(move || list::run(around, &news))?;
    let (outbox, proposals) = memory.map(|memory| (memory.outbox, memory.proposals)).unwrap_or_default();
    let author = Author::new(core.clone(), outbox, proposals, next, last_time_ms, tail);
    std::thread::Builder::new().name("author".into()).spawn(move || author.run(author_inbox))?;
    let driven = core.clone();
    let engine = std::thread::Builder::new().name("engine".into()).spawn(move || drive::run(&driven, &engine_inbox))?;
    let scrubbed = core.clone();
    let scrub = std::thread::Builder::new()
        .name("scrub".into())
        .spawn(move || scrub::run(&scrubbed, &scrub_inbox, scrub_after))?;
    Ok(Running { core, engine, scrub })
}

fn setup(unit: &UnitId, charter: &Charter, instance: [u8; 16]) -> Setup {
    let logs = charter.units().values().map(|of| {
        let keys = LogKeys { log_key: of.log_key.clone(), mirrors: charter.mirrors(&of.id), quorum: charter.quorum() };
        (of.id.clone(), keys)
    });
    Setup {
        network: charter.network().clone(),
        unit: unit.clone(),
        charter_version: charter.version().into(),
        charter_digest: charter.digest(),
        logs: logs.collect(),
        instance,
        release: concat!("entente ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// Puts own entries that the journal has and the database lost back into the database. Gives why the node may not sign
/// where the two do not meet.
fn put_back(unit: &UnitId, store: &dyn Store, memory: &journal::Memory) -> Result<Option<String>, StartError> {
    let log = store.log(unit)?;
    let held = log.size.get();
    let journalled = memory.own_size();
    if held > journalled {
        return Ok(Some(format!(
            "the journal knows {journalled} own entries, the database {}: the journal is older than the database (a restored file?)",
            held
        )));
    }
    let first = journalled.saturating_sub(memory.entries.len() as u64);
    if held < first {
        return Ok(Some(format!(
            "the database holds {} own entries and the journal only those from {first} on: the database lost some (a restored file?)",
            held
        )));
    }
    let skip = usize::try_from(held - first).unwrap_or(usize::MAX);
    let lost: Vec<_> = memory.entries.iter().skip(skip).collect();
    let mut tail = log.tail_leaves;
    let mut from = held;
    for stretch in lost.chunks(STRETCH) {
        let entries: Vec<Entry> = stretch.iter().map(|own| own.entry.clone()).collect();
        let submissions = stretch.iter().filter_map(|own| Some((own.submission?, own.index))).collect();
        let mut level1 = Vec::new();
        for (index, entry) in (from..).zip(&entries) {
            tail.push(entry.leaf_hash());
            if tail.len() as u64 == BUNDLE_ENTRIES {
                let hash = entente_proto::tree::level1(&tail).map_err(|e| StartError::Damaged(e.to_string()))?;
                level1.push((index / BUNDLE_ENTRIES, hash));
                tail.clear();
            }
        }
        let end = from + entries.len() as u64;
        let announced = erasure::announced(unit, from, &entries);
        let size = Size::new(from).map_err(|e| StartError::Damaged(e.to_string()))?;
        let append = Append { unit: unit.clone(), from: size, entries, level1 };
        store.commit_one(&Batch { appends: vec![append], announced, submissions, ..Batch::default() })?;
        from = end;
    }
    if !lost.is_empty() {
        tracing::info!(count = lost.len(), "own entries put back into the database from the journal");
    }
    Ok(None)
}

/// What the engine is told of a log.
fn read_log(
    unit: &UnitId,
    store: &dyn Store,
    own: Option<()>,
    memory: Option<&journal::Memory>,
) -> Result<Restored, StartError> {
    let log = store.log(unit)?;
    // Up to what this node cosigned the times were in order.
    let cosigned = memory.and_then(|memory| memory.cosigned.get(unit)).map_or(0, |cosigned| cosigned.size.get());
    let ordered = if own.is_some() { log.size.get() } else { cosigned };
    let (last_time_ms, time_goes_back) = read_times(unit, store, ordered.saturating_sub(1), log.size.get())?;
    let (gaps, missing) = find_gaps(unit, store, &log)?;
    let mut restored = Restored {
        level1: log.level1,
        tail: log.tail_leaves,
        last_time_ms,
        time_goes_back,
        gaps,
        missing,
        certified: log.certified.map(|note| note.to_vec()),
        newest: log.newest.map(|note| note.to_vec()).into_iter().collect(),
        cosigned: None,
    };
    let Some(memory) = memory else { return Ok(restored) };
    if own.is_some() {
        restored.newest.extend(memory.checkpoint.as_ref().map(|checkpoint| checkpoint.note.to_vec()));
    } else if let Some(cosigned) = memory.cosigned.get(unit) {
        let cosignature = Cosignature { time: cosigned.time, signature: cosigned.signature };
        restored.cosigned = Some((cosigned.size, cosigned.root, cosignature));
    }
    Ok(restored)
}

/// The latest time of the entries from `from` on, and the first whose time is earlier than one before it.
fn read_times(unit: &UnitId, store: &dyn Store, from: u64, size: u64) -> Result<(u64, Option<u64>), StoreError> {
    let (mut latest, mut back, mut at) = (0, None, from);
    while at < size {
        let entries = store.entries(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            return Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: at }));
        }
        for entry in entries {
            let time_ms = entry.header().time_ms;
            if time_ms < latest {
                back.get_or_insert(at);
            }
            (latest, at) = (latest.max(time_ms), at + 1);
        }
    }
    Ok((latest, back))
}

/// Which missing payloads no erasure below explains. Only a log that misses some of which the store does not know the
/// erasure is looked through.
fn find_gaps(unit: &UnitId, store: &dyn Store, log: &StoredLog) -> Result<(Gaps, BTreeMap<u64, Hash>), StartError> {
    let (mut gaps, mut hashes) = (Gaps::default(), BTreeMap::new());
    if log.gaps.len() == log.erased.len() {
        // Nothing else can be erased.
        for (index, _) in &log.erased {
            gaps.note_missing(*index, RecordKind::Refer).map_err(|e| StartError::Damaged(e.to_string()))?;
        }
        for (index, by) in &log.erased {
            gaps.note_erase(*index, *by).map_err(|e| StartError::Damaged(e.to_string()))?;
        }
        return Ok((gaps, hashes));
    }
    let mut at = 0;
    while at < log.size.get() {
        // What is withheld is not missing.
        let entries = store.entries_to_fold(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            return Err(StoreError::Refused(Refused::NoEntry { unit: unit.clone(), index: at }).into());
        }
        for entry in entries {
            match entry.payload() {
                None => {
                    let kind = RecordKind::of_number(entry.header().kind);
                    gaps.note_missing(at, kind).map_err(|e| StartError::Damaged(e.to_string()))?;
                    hashes.insert(at, entry.leaf_hash());
                }
                Some(payload) if entry.header().kind == RecordKind::Erase.number() => {
                    if let Some(erased) = erased_by(entry.header().kind, payload) {
                        gaps.note_erase(erased, at).map_err(|e| StartError::Damaged(e.to_string()))?;
                    }
                }
                Some(_) => {}
            }
            at += 1;
        }
    }
    // Nobody wants the payload of what is erased any more.
    hashes.retain(|index, _| gaps.is_missing(*index));
    Ok((gaps, hashes))
}

/// What the folding thread is given of the node.
fn around(core: &Arc<Core>) -> list::Around {
    let (frontier, folded, damaged, ending) = (core.clone(), core.clone(), core.clone(), core.clone());
    list::Around {
        list: core.list.clone(),
        store: core.store.clone(),
        charter: core.charter.digest(),
        frontier: Box::new(move || {
            let point = |head: &CosignedCheckpoint| (head.checkpoint().size, head.checkpoint().root);
            let log = |log: entente_proto::sync::LogView| {
                let point = log.certified.as_ref().map_or((Size::ZERO, Hash::EMPTY_ROOT), point);
                (log.unit, point)
            };
            lock(&frontier.engine).logs().map(log).collect()
        }),
        folded: Box::new(move |frontier, digest| folded.tell(Event::Folded { frontier, digest }, None)),
        ended: Box::new(move |unit, ended| erasure::settle(&ending, unit, ended)),
        damaged: Box::new(move |reason| damaged.tell(Event::Damaged { reason }, None)),
    }
}

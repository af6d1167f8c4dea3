//! Starting: the threads begin.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use entente_proto::charter::{CharterChain, Proposals};
use entente_proto::checkpoint::CosignedCheckpoint;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::list::Fold;
use entente_proto::note::Signer;
use entente_proto::sync::Event;
use tokio::sync::{mpsc, watch};

use super::author::Author;
use super::scrub::{self, Scrubber};
use super::{Charters, Core, Input, Loaded, Rebuilt, drive, erasure, lock};
use crate::admission::Admissions;
use crate::clock::Clock;
use crate::journal;
use crate::list::{self, Listing};
use crate::store::{self, Store, StoreError};

/// How many calls may wait for the author's thread.
const CALLS_MAX: usize = 256;

/// What a node is made of.
pub struct Parts {
    /// The own unit.
    pub unit: UnitId,
    /// All versions of the charter.
    pub charters: CharterChain,
    /// Where they are kept, and the keys that they name.
    pub charter_files: Box<dyn Charters>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The journal, with what it holds.
    pub journal: (journal::Writer, journal::Memory),
    /// The log and mirror keys.
    pub signers: Vec<Arc<dyn Signer>>,
    /// Whether the disk has room, or in words what is low.
    pub room: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Who is admitted.
    pub admissions: Arc<Admissions>,
    /// Deletes what was moved aside once it is rebuilt, and tells in words of what is left.
    pub remains: Box<dyn Fn(Rebuilt) -> Vec<String> + Send + Sync>,
    /// How long after a payload was deleted the node scrubs by itself.
    pub scrub_after: Duration,
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
    #[error("{0}: the database is damaged")]
    Damaged(String),
    /// A charter's base would cut off what is certified.
    #[error("{0}")]
    Base(String),
    /// The journal takes nothing.
    #[error("{0}")]
    Journal(String),
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
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
        self.core.journal.close();
        self.core.store_writer.close();
    }
}

/// Starts a node.
///
/// # Errors
/// [`StartError`]; nothing was signed then.
pub fn start(parts: Parts, loaded: Loaded) -> Result<Running, StartError> {
    let Parts { unit, charters, charter_files, clock, store, journal, signers, room, .. } = parts;
    let Parts { remains, scrub_after, admissions, .. } = parts;
    let (journal, memory) = journal;
    let journal = Arc::new(journal);
    let words = loaded.to_journal();
    if !words.is_empty() {
        // Whatever is journalled later stands behind it.
        journal.append(&words, Box::new(|| {})).map_err(|error| StartError::Journal(error.to_string()))?;
    }
    let engine = loaded.engine;
    let (listing, news) = Listing::new(unit.clone(), Fold::under(&charters));
    let store_writer = store::Writer::start(store.clone())?;
    let (inbox, engine_inbox) = channel();
    let (author, author_inbox) = mpsc::channel(CALLS_MAX);
    let standing = watch::channel(engine.standing().clone()).0;
    let certified = engine.log(&unit).and_then(|log| Some(log.certified?.checkpoint().size.get())).unwrap_or_default();
    let logs: Vec<_> = engine.logs().collect();
    let (scrubber, scrub_inbox) = Scrubber::new();

    let core = Arc::new(Core {
        unit,
        clock,
        store,
        list: listing,
        store_writer,
        journal,
        charter_changed: watch::channel(charters.newest().version()).0,
        proposals: Mutex::new(Proposals::new(charters.clone())),
        charters: RwLock::new(charters),
        charter_files,
        founded_anew: Mutex::default(),
        contradictions: Mutex::default(),
        signers: RwLock::new(signers),
        engine: Mutex::new(engine),
        inbox,
        author,
        outbox: AtomicU64::new(0),
        waiting: Mutex::default(),
        placed: Mutex::default(),
        words: Mutex::default(),
        forks_to_record: Mutex::default(),
        room,
        admissions,
        remains,
        scrub: scrubber,
        streams: Mutex::default(),
        next_stream: AtomicU64::new(1),
        certified: watch::channel(certified).0,
        erased: watch::channel(()).0,
        standing,
        repaired: watch::channel(()).0,
        again: watch::channel(None).0,
    });
    for log in logs {
        // Whether the own log tells of it already shows when it is tried.
        if let Some(proof) = log.fork.as_ref().or(log.past_fork.as_ref()) {
            core.record_fork(proof);
        }
        if let Some(head) = log.certified {
            core.list.certified(log.unit.clone(), head.checkpoint().size.get());
        }
        // Behind what is certified: the list would note it as pending otherwise.
        core.list.held(log.unit, log.complete.get());
    }
    core.find_contradictions();
    core.warn_of_missing_keys(&core.charters());
    let around = around(&core);
    match core.list.known() {
        Ok(()) => _ = std::thread::Builder::new().name("list".into()).spawn(move || list::run(around, &news))?,
        Err(unknown) => tracing::error!("{unknown}"),
    }
    let author = Author::new(core.clone(), memory.outbox, memory.proposals);
    std::thread::Builder::new().name("author".into()).spawn(move || author.run(author_inbox))?;
    let driven = core.clone();
    let engine = std::thread::Builder::new().name("engine".into()).spawn(move || drive::run(&driven, &engine_inbox))?;
    let scrubbed = core.clone();
    let scrub = std::thread::Builder::new()
        .name("scrub".into())
        .spawn(move || scrub::run(&scrubbed, &scrub_inbox, scrub_after))?;
    Ok(Running { core, engine, scrub })
}

/// What the folding thread is given of the node.
fn around(core: &Arc<Core>) -> list::Around {
    let (frontier, folded, damaged, ending) = (core.clone(), core.clone(), core.clone(), core.clone());
    let heard = core.clone();
    list::Around {
        list: core.list.clone(),
        store: core.store.clone(),
        charter: core.charter().digest(),
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
        spoken: Box::new(move |id, body| heard.spoken(id, body)),
        damaged: Box::new(move |reason| damaged.tell(Event::Damaged { reason }, None)),
    }
}

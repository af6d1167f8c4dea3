//! The heart of a running node: one thread drives the protocol's state machine, one appends to the own log, one folds
//! the list; journal and store have a writer thread each. Everything else asks them.
//!
//! ```text
//! officer -> unit API -> author -> journal -> engine -> partners
//! partner -> stream -> engine -> store -> engine -> journal (cosignature) -> partners
//!                                    \-> lister -> list, watch
//! ```
//! What was stored and cannot be read back is fetched again by itself (`repair`).
//!
//! The engine's inbox takes what streams and writers report. It has no bound of its own: each stream holds a permit for
//! every frame that waits in it, and the writers report what the engine asked for. So no thread waits for another in a
//! circle.

mod author;
mod charters;
mod contradictions;
mod drive;
mod erasure;
mod fork;
mod load;
mod proposals;
mod rebase;
mod repair;
mod scrub;
mod start;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use entente_proto::charter::{CharterChain, Proposals};
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::note::Signer;
use entente_proto::record::revoked_by;
use entente_proto::sync::{Engine, Event, Fault, LeafHashes, LogView, Outgoing, PeerView, Serving, Standing, StreamId};
use entente_proto::witness::WitnessedCheckpoint;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};

pub(crate) use author::kind_of;
pub use author::{Answer, Draft, Second, Standby, Submit};
pub use charters::Charters;
pub use load::{Loaded, load};
pub use rebase::{CutOff, rebase};
pub use scrub::{Done, Report, Stage};
pub use start::{Parts, Running, StartError, start};

pub(crate) use drive::log_close;

use crate::admission::Admissions;
use crate::clock::Clock;
use crate::journal::{self, JournalRecord, SubmissionId};
use crate::list::Listing;
use crate::store::{self, Store};

/// What goes into the engine's thread.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something happened. The permit is given back when it was dealt with.
    Event(Event, Option<OwnedSemaphorePermit>),
    /// The store has cut a log back.
    Rewound(UnitId),
    /// The thread ends.
    Stop,
}

/// Where a submission of this run stands, and what it says.
#[derive(Debug, Clone, Copy)]
struct Placed {
    index: u64,
    payload: Hash,
}

/// A stream as the engine's thread knows it.
#[derive(Debug)]
struct Stream {
    wake: Arc<Notify>,
    close: Option<oneshot::Sender<Fault>>,
}

/// What everything in a running node shares.
pub struct Core {
    /// The own unit.
    pub unit: UnitId,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The target list.
    pub list: Arc<Listing>,
    /// Who is admitted.
    pub admissions: Arc<Admissions>,
    store_writer: store::Writer,
    journal: Arc<journal::Writer>,
    charters: RwLock<CharterChain>,
    charter_files: Box<dyn Charters>,
    /// Whether the network was founded anew; locked while a charter is stored.
    founded_anew: Mutex<bool>,
    /// What units say of charters to come.
    proposals: Mutex<Proposals>,
    /// Other texts of versions that are held, which partners showed.
    contradictions: Mutex<contradictions::Found>,
    charter_changed: watch::Sender<u32>,
    signers: RwLock<Vec<Arc<dyn Signer>>>,
    engine: Mutex<Engine>,
    inbox: Sender<Input>,
    author: mpsc::Sender<author::Input>,
    outbox: AtomicU64,
    /// What is durable and stands in no log, in the outbox or before a second officer: the bytes of its record.
    waiting: Mutex<BTreeMap<SubmissionId, Bytes>>,
    /// Where submissions of this run stand, until the store knows them.
    placed: Mutex<BTreeMap<SubmissionId, Placed>>,
    /// What witnesses from outside said of the own log.
    words: Mutex<Vec<WitnessedCheckpoint>>,
    /// Forks of which the own log is to tell.
    forks_to_record: Mutex<Vec<Draft>>,
    room: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    remains: Box<dyn Fn(Rebuilt) -> Vec<String> + Send + Sync>,
    scrub: scrub::Scrubber,
    streams: Mutex<BTreeMap<StreamId, Stream>>,
    next_stream: AtomicU64,
    certified: watch::Sender<u64>,
    /// Told when payloads were deleted whose erasure is certified.
    erased: watch::Sender<()>,
    standing: watch::Sender<Standing>,
    /// Told when something damaged was fetched again.
    repaired: watch::Sender<()>,
    /// Why the process should begin anew.
    again: watch::Sender<Option<Again>>,
}

/// Whether everything that the network is known to have is held, so that nothing moved aside is needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// It is.
    Whole,
    /// It is not, or nobody can tell.
    NotYet,
}

/// Why a node should be started anew: what it has in memory does not hold any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// It does not know what it signed, and entries may be on their way to its log.
    Recover(String),
    /// Something in the database cannot be read: it is to be moved aside and rebuilt.
    Rebuild(String),
    /// Another charter governs from the start on.
    Refounded(String),
    /// The charter asks for rules of the list that this release does not know: the list that is shown is not to be shown.
    Rules(String),
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core({})", self.unit)
    }
}

/// An open stream, for the task that sends on it. Dropping it tells the engine that the stream ended.
#[derive(Debug)]
pub struct OpenStream {
    core: Arc<Core>,
    id: StreamId,
    /// Woken when there may be something to send.
    pub wake: Arc<Notify>,
}

impl OpenStream {
    /// What the stream should carry next.
    #[must_use]
    pub fn poll(&self) -> Option<Outgoing> {
        let now = self.core.clock.now_ms();
        self.core.engine().poll(now, self.id, &Leaves(&*self.core.store))
    }

    /// Takes back what is left of a range.
    pub fn resume(&self, serving: Serving) {
        let now = self.core.clock.now_ms();
        self.core.engine().resume(now, self.id, serving);
    }

    /// Hands a frame to the engine.
    pub fn received(&self, frame: entente_proto::sync::Frame, permit: OwnedSemaphorePermit) {
        self.core.tell(Event::Received { stream: self.id, frame }, Some(permit));
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        lock(&self.core.streams).remove(&self.id);
        self.core.tell(Event::Closed { stream: self.id }, None);
    }
}

impl Core {
    /// A stream to a partner is open. The second part gives the reason, when it is to end.
    #[must_use]
    pub fn open(self: &Arc<Self>, peer: UnitId, dialled: bool) -> (OpenStream, oneshot::Receiver<Fault>) {
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let wake = Arc::new(Notify::new());
        let (close, closed) = oneshot::channel();
        lock(&self.streams).insert(id, Stream { wake: wake.clone(), close: Some(close) });
        self.tell(Event::Opened { stream: id, peer, dialled }, None);
        (OpenStream { core: self.clone(), id, wake }, closed)
    }

    /// Hands statements to the own log. The answer comes when they are durable.
    ///
    /// # Errors
    /// The statements, if the node is stopping.
    pub async fn submit(&self, drafts: Vec<Draft>) -> Result<Vec<Answer>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.author.send(author::Input::Submit(Submit { drafts, reply })).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// An officer's word on submissions that wait, each with the SHA-256 of what was read of it: an answer for each, when
    /// it is durable.
    ///
    /// # Errors
    /// If the node is stopping.
    pub async fn decide(&self, ids: Vec<(SubmissionId, Hash)>, countersign: bool) -> Result<Vec<Answer>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.author.send(author::Input::Decide(ids, countersign, reply)).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// All that is durable and stands in no log.
    ///
    /// # Errors
    /// If the node is stopping.
    pub async fn waiting(&self) -> Result<Standby, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.author.send(author::Input::Waiting(reply)).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Where a submission stands already.
    #[must_use]
    pub fn placed(&self, id: &SubmissionId) -> Option<u64> {
        lock(&self.placed).get(id).map(|placed| placed.index).or_else(|| self.store.submission(id).ok().flatten())
    }

    /// How many entries the own log has, with those that are in the journal alone.
    #[must_use]
    pub fn own_size(&self) -> u64 {
        let journalled = lock(&self.placed).values().map(|placed| placed.index.saturating_add(1)).max();
        journalled.unwrap_or_default().max(self.own_end().0.get())
    }

    /// The records of all submissions that are durable and stand in no log yet, in no order.
    #[must_use]
    pub fn all_waiting(&self) -> Vec<Bytes> {
        lock(&self.waiting).values().cloned().collect()
    }

    /// The record of a submission that is durable and stands in no log yet.
    #[must_use]
    pub fn waits(&self, id: &SubmissionId) -> Option<Bytes> {
        lock(&self.waiting).get(id).cloned()
    }

    /// Every log.
    #[must_use]
    pub fn logs(&self) -> Vec<LogView> {
        self.engine().logs().collect()
    }

    /// One log.
    #[must_use]
    pub fn log(&self, unit: &UnitId) -> Option<LogView> {
        self.engine().log(unit)
    }

    /// Proves that a log of `size` entries has the entry `index`; nothing if the node does not hold so much of it.
    #[must_use]
    pub fn inclusion(&self, unit: &UnitId, index: u64, size: Size) -> Option<Vec<Hash>> {
        self.engine().inclusion(unit, index, size, &Leaves(&*self.store))
    }

    /// Proves that a log of `new` entries extends that of `old`; nothing if the node does not hold so much of it.
    #[must_use]
    pub fn consistency(&self, unit: &UnitId, old: Size, new: Size) -> Option<Vec<Hash>> {
        self.engine().consistency(unit, old, new, &Leaves(&*self.store))
    }

    /// The root of a log at a size; nothing if the node does not hold so much of it.
    #[must_use]
    pub fn root_at(&self, unit: &UnitId, size: Size) -> Option<Hash> {
        self.engine().root_at(unit, size, &Leaves(&*self.store))
    }

    /// What witnesses from outside said of the own log, each last.
    #[must_use]
    pub fn words(&self) -> Vec<WitnessedCheckpoint> {
        lock(&self.words).clone()
    }

    /// Keeps what a witness said, in the place of what it said before.
    pub fn keep_word(&self, word: WitnessedCheckpoint) {
        let mut words = lock(&self.words);
        words.retain(|other| other.witness() != word.witness());
        words.push(word);
    }

    /// Appends records to the journal, all or none; `then` runs when they are durable.
    ///
    /// # Errors
    /// [`journal::AppendError`]; nothing is written then, and `then` does not run.
    pub fn journal(&self, records: &[JournalRecord], then: journal::Callback) -> Result<(), journal::AppendError> {
        self.journal.append(records, then)
    }

    /// Every partner.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerView> {
        self.engine().peers().collect()
    }

    /// Whether a stream to a partner stands.
    #[must_use]
    pub fn connected(&self, unit: &UnitId) -> bool {
        self.engine().connected(unit).is_some()
    }

    /// Whether the disk has room for more.
    ///
    /// # Errors
    /// In words, what is low and what to do.
    pub fn store_has_room(&self) -> Result<(), String> {
        (self.room)()
    }

    /// Whether everything is held that partners showed.
    #[must_use]
    pub fn rebuilt(&self) -> Rebuilt {
        if self.standing() == Standing::Running {
            self.engine().caught_up().map_or(Rebuilt::NotYet, |()| Rebuilt::Whole)
        } else {
            Rebuilt::NotYet
        }
    }

    /// Copies the database into a directory that must not exist, while the node goes on. It takes as long as the database is
    /// large.
    ///
    /// # Errors
    /// What the store says.
    pub fn back_up(&self, directory: &Path) -> Result<(), store::StoreError> {
        let mut begun = false;
        self.reading_apart(|| {
            if std::mem::replace(&mut begun, true) {
                // The half of a copy in which something damaged turned up, which is mended by now.
                let removed = std::fs::remove_dir_all(directory);
                let (path, what) = (directory.to_owned(), "remove");
                removed.map_err(|source| store::StoreError::Io { path, what, source })?;
            }
            self.store.back_up(directory)
        })
    }

    /// Asks for a scrub: what it reports, and at last that it is done or failed. It goes on if nobody listens.
    #[must_use]
    pub fn scrub(&self) -> mpsc::Receiver<Report> {
        self.scrub.ask()
    }

    /// Why the last scrub failed, in words.
    #[must_use]
    pub fn scrub_failed(&self) -> Option<String> {
        self.scrub.failed()
    }

    /// Whether the node signs.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Wakes when that changes.
    pub(crate) fn standings(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// How far the clock is off the partners' median, milliseconds, if that is too far to sign.
    #[must_use]
    pub fn clock_off_ms(&self) -> Option<i64> {
        self.engine().clock_off_ms()
    }

    /// How many submissions wait for the node to sign again.
    #[must_use]
    pub fn outbox(&self) -> u64 {
        self.outbox.load(Ordering::Relaxed)
    }

    /// Tells when and why the node should be started anew.
    #[must_use]
    pub fn again(&self) -> watch::Receiver<Option<Again>> {
        self.again.subscribe()
    }

    /// Whether the own log takes only a charter's `Adopt` now.
    pub(super) fn waits_at_base(&self) -> bool {
        self.engine().waits_at_base().is_some()
    }

    /// The end of the own log: its size, the leaf hashes of its last, partial bundle, and its latest time.
    pub(super) fn own_end(&self) -> (Size, Vec<entente_proto::hash::Hash>, u64) {
        self.engine().own_end()
    }

    /// Follows how much of the own log is certified.
    #[must_use]
    pub fn certified(&self) -> watch::Receiver<u64> {
        self.certified.subscribe()
    }

    /// Follows the deletion of payloads.
    #[must_use]
    pub fn erased(&self) -> watch::Receiver<()> {
        self.erased.subscribe()
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    pub(crate) fn tell(&self, event: Event, permit: Option<OwnedSemaphorePermit>) {
        // An engine that has ended needs no news.
        let _ = self.inbox.send(Input::Event(event, permit));
    }
}

/// The keys that the `Revoke` records among these entries name.
pub(crate) fn revoked_in(entries: &[Entry]) -> Vec<Hash> {
    entries.iter().filter_map(|entry| revoked_by(entry.header().kind, entry.payload()?)).collect()
}

/// The node is stopping and takes nothing in any more.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the node is stopping; submit again when it runs")]
pub struct Stopping;

/// Reads leaf hashes back from a store.
pub(crate) struct Leaves<'a>(pub(crate) &'a dyn Store);

impl LeafHashes for Leaves<'_> {
    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Option<Vec<Hash>> {
        match self.0.leaf_hashes(unit, bundle) {
            Ok(hashes) => Some(hashes),
            Err(error) => {
                tracing::error!(%unit, bundle, %error, "the database cannot be read");
                None
            }
        }
    }
}

/// Locks, also after another thread panicked: what these locks guard is whole between any two statements.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

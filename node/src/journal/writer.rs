//! The thread that appends for everyone.
//!
//! Whatever waits when the thread comes round goes into one frame: one `write`, one `fdatasync`, then all callbacks, in
//! the order of the appends. A write or sync that fails ends the process (see [`disk::fatal`]) and is never retried.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use entente_proto::hash::Hash;

use super::disk;
use super::file::{Journal, bounded};
use super::marks::Marks;
use super::record::JournalRecord;
use super::{AppendError, JournalError};
use crate::frames::BODY_BYTES_MAX;

/// What runs once an append is durable: on the writer's thread, so it must be short and must not append itself.
pub type Callback = Box<dyn FnOnce() + Send>;

/// What runs once the journal was compacted: with its length before and after, in bytes, or why it was not.
pub type Compacted = Box<dyn FnOnce(Result<(u64, u64), JournalError>) + Send>;

/// When a writer blocks, and when it compacts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that may wait to be written; an append beyond them blocks its caller.
    pub waiting_bytes_max: usize,
    /// The journal is compacted when it is longer than this and less than half of it still counts.
    pub compact_bytes_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { waiting_bytes_max: 16 << 20, compact_bytes_min: 16 << 20 }
    }
}

/// Shares a journal among threads. Cloning is not needed: put it into an `Arc`.
///
/// Appends are judged when they are made and in the order in which they are made, so a contradiction is refused before
/// anything is queued.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    /// `None` once closed.
    engine: Mutex<Option<Engine>>,
}

#[derive(Debug)]
enum Engine {
    Thread(JoinHandle<Journal>),
    Immediate(Box<Journal>),
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
    /// There is room in the queue again.
    room: Condvar,
    limits: Limits,
}

#[derive(Debug)]
struct State {
    marks: Marks,
    queue: VecDeque<Job>,
    waiting_bytes: usize,
    closed: bool,
}

enum Job {
    Write { body: Vec<u8>, then: Callback },
    Compact { then: Compacted },
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write { body, .. } => write!(f, "Write({} bytes)", body.len()),
            Self::Compact { .. } => f.write_str("Compact"),
        }
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(journal: Journal, limits: Limits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(&journal, limits));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || for_thread.run(journal))?;
        Ok(Self { shared, engine: Mutex::new(Some(Engine::Thread(thread))) })
    }

    /// A writer without a thread, for simulations that must run the same way twice: each append is written, and its
    /// callback run, before [`append`](Self::append) returns.
    #[must_use]
    pub fn immediate(journal: Journal, limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(&journal, limits));
        Self { shared, engine: Mutex::new(Some(Engine::Immediate(Box::new(journal)))) }
    }

    /// Appends records, all or none; `then` runs when they are durable. Without records it runs in its turn, when all
    /// that was appended before is durable. Blocks while too much waits already.
    ///
    /// From async code call it where blocking is allowed, or keep what waits far below the limit.
    ///
    /// # Errors
    /// [`AppendError::Contradiction`], [`AppendError::TooLong`] or [`AppendError::Closed`]; nothing is written then, and
    /// `then` is dropped without having run.
    pub fn append(&self, records: &[JournalRecord], then: Callback) -> Result<(), AppendError> {
        let body = bounded(records)?;
        let mut state = self.shared.lock();
        while !state.closed && state.waiting_bytes >= self.shared.limits.waiting_bytes_max {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(AppendError::Closed);
        }
        // Under the lock: the order of judging is the order of the queue, and so of the file.
        state.marks.take(records)?;
        state.waiting_bytes = state.waiting_bytes.saturating_add(body.len());
        state.queue.push_back(Job::Write { body, then });
        drop(state);
        self.go();
        Ok(())
    }

    /// Compacts now, whatever still counts; `then` runs when the new file stands, or when the old one stays since it could
    /// not be written. For `scrub`: erased payloads leave.
    ///
    /// # Errors
    /// [`AppendError::Closed`].
    pub fn compact(&self, then: Compacted) -> Result<(), AppendError> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(AppendError::Closed);
        }
        state.queue.push_back(Job::Compact { then });
        drop(state);
        self.go();
        Ok(())
    }

    /// The size of the own log with everything appended so far, durable or not: the next entry's index.
    #[must_use]
    pub fn own_size(&self) -> u64 {
        self.shared.lock().marks.own_size()
    }

    /// The charters signed, with everything appended so far, durable or not: number and digest.
    #[must_use]
    pub fn charters(&self) -> BTreeMap<u64, Hash> {
        self.shared.lock().marks.charters().clone()
    }

    /// Writes what waits, stops the thread and gives the journal back; `None` if it was closed before.
    pub fn close(&self) -> Option<Journal> {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut journal = match engine {
            Engine::Immediate(journal) => *journal,
            // The thread aborts the process rather than panic.
            Engine::Thread(thread) => thread.join().ok()?,
        };
        journal.marks = self.shared.lock().marks.clone();
        Some(journal)
    }

    /// Wakes the thread, or does its work.
    fn go(&self) {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        match engine.as_mut() {
            Some(Engine::Immediate(journal)) => {
                while let Some(group) = self.shared.take() {
                    self.shared.perform(journal, group);
                }
            }
            _ => self.shared.work.notify_one(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What is done at once.
enum Group {
    Write { body: Vec<u8>, then: Vec<Callback> },
    Compact { then: Compacted },
}

impl Shared {
    fn new(journal: &Journal, limits: Limits) -> Self {
        let state = State { marks: journal.marks.clone(), queue: VecDeque::new(), waiting_bytes: 0, closed: false };
        Self { state: Mutex::new(state), work: Condvar::new(), room: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in steps that cannot panic, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Group> {
        self.lock().next_group()
    }

    fn run(&self, mut journal: Journal) -> Journal {
        let _guard = disk::AbortOnPanic("the journal's thread panicked");
        while let Some(group) = self.wait() {
            self.room.notify_all();
            self.perform(&mut journal, group);
        }
        journal
    }

    /// The next group, or `None` when the writer is closed and nothing waits.
    fn wait(&self) -> Option<Group> {
        let mut state = self.lock();
        loop {
            if let Some(group) = state.next_group() {
                return Some(group);
            }
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn perform(&self, journal: &mut Journal, group: Group) {
        match group {
            Group::Write { body, then } => {
                // A group of appends without records has nothing to write; its callbacks only keep their turn.
                if !body.is_empty()
                    && let Err(error) = journal.write(&body)
                {
                    disk::fatal(&error.to_string());
                }
                then.into_iter().for_each(|then| then());
                let live = self.lock().marks.live_bytes();
                if journal.wants_compaction(live, self.limits.compact_bytes_min) {
                    let _ = compact(journal);
                }
            }
            Group::Compact { then } => then(compact(journal)),
        }
    }
}

impl State {
    /// Takes from the queue what goes into one frame.
    fn next_group(&mut self) -> Option<Group> {
        let (mut body, mut then) = match self.queue.pop_front()? {
            Job::Compact { then } => return Some(Group::Compact { then }),
            Job::Write { body, then } => (body, vec![then]),
        };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(body.len());
        while let Some(Job::Write { body: next, .. }) = self.queue.front() {
            if body.len().saturating_add(next.len()) > BODY_BYTES_MAX {
                break;
            }
            if let Some(Job::Write { body: next, then: callback }) = self.queue.pop_front() {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(next.len());
                body.extend_from_slice(&next);
                then.push(callback);
            }
        }
        Some(Group::Write { body, then })
    }
}

/// Compacts; the old file serves on if that fails, unless it is no longer known which file has the name.
fn compact(journal: &mut Journal) -> Result<(u64, u64), JournalError> {
    let before = journal.file_bytes();
    match journal.compact() {
        Ok(()) => tracing::debug!(before, after = journal.file_bytes(), "compacted the journal"),
        Err(error) if journal.failed() => disk::fatal(&error.to_string()),
        Err(error) => {
            tracing::error!("the journal was not compacted: {error}");
            return Err(error);
        }
    }
    Ok((before, journal.file_bytes()))
}

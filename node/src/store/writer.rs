//! The thread that commits for everyone.
//!
//! Whatever waits when the thread comes round goes into one commit: one batch of the database, one flush, one sync, then
//! all callbacks, in the order in which the batches were submitted.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use entente_proto::entry::encoded_len;

use super::{Batch, Store, StoreError};
use crate::journal::disk::AbortOnPanic;

/// What runs once a batch is durable, or was refused, or may or may not be there: on the writer's thread, so it must be
/// short and must not submit itself.
pub type Callback = Box<dyn FnOnce(Result<(), Arc<StoreError>>) + Send>;

/// Bytes that may wait; a batch beyond them blocks its submitter.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Bytes that go into one commit, about: it takes memory and time of everyone in it.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Shares the right to commit among threads. Every callback runs exactly once.
pub struct Writer {
    shared: Arc<Shared>,
    /// `None` in a writer that commits at once, and once closed.
    thread: Mutex<Option<JoinHandle<()>>>,
    immediate: bool,
}

struct Shared {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
    /// There is room in the queue again.
    room: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    waiting_bytes: usize,
    closed: bool,
}

struct Job {
    batch: Batch,
    bytes: usize,
    then: Callback,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(store: Arc<dyn Store>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(store));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || for_thread.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)), immediate: false })
    }

    /// A writer without a thread, for simulations that must run the same way twice: each batch is committed, and its
    /// callback run, before [`submit`](Self::submit) returns.
    #[must_use]
    pub fn immediate(store: Arc<dyn Store>) -> Self {
        Self { shared: Arc::new(Shared::new(store)), thread: Mutex::new(None), immediate: true }
    }

    /// Commits a batch; `then` runs when it is durable or could not be taken. Blocks while too much waits already.
    ///
    /// After [`StoreError::Failed`] every later batch gets [`StoreError::Stopped`]; so does what is submitted after
    /// [`close`](Self::close).
    pub fn submit(&self, batch: Batch, then: Callback) {
        let bytes = weight(&batch);
        let mut state = self.shared.lock();
        while !state.closed && !self.immediate && state.waiting_bytes >= WAITING_BYTES_MAX {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            drop(state);
            return then(Err(Arc::new(StoreError::Stopped)));
        }
        if self.immediate {
            // Under the lock: one commit at a time.
            commit(self.shared.store.as_ref(), vec![Job { batch, bytes, then }]);
            return;
        }
        state.waiting_bytes = state.waiting_bytes.saturating_add(bytes);
        state.queue.push_back(Job { batch, bytes, then });
        drop(state);
        self.shared.work.notify_one();
    }

    /// Commits what waits and stops the thread. May be called twice.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread aborts the process rather than panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} batches wait)", self.shared.lock().queue.len())
    }
}

impl Shared {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, state: Mutex::default(), work: Condvar::new(), room: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in steps that cannot panic, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let _guard = AbortOnPanic("the store's thread panicked");
        let (mut commits, mut batches) = (0_u64, 0_u64);
        while let Some(group) = self.wait() {
            self.room.notify_all();
            commits = commits.saturating_add(1);
            batches = batches.saturating_add(group.len() as u64);
            commit(self.store.as_ref(), group);
        }
        tracing::info!(commits, batches, "the database's writer has ended");
    }

    /// What goes into the next commit, or `None` when the writer is closed and nothing waits.
    fn wait(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        while state.queue.is_empty() {
            if state.closed {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut group = Vec::new();
        let mut bytes = 0_usize;
        while let Some(job) = state.queue.pop_front() {
            bytes = bytes.saturating_add(job.bytes);
            state.waiting_bytes = state.waiting_bytes.saturating_sub(job.bytes);
            group.push(job);
            if bytes >= GROUP_BYTES_MAX {
                break;
            }
        }
        Some(group)
    }
}

fn commit(store: &dyn Store, group: Vec<Job>) {
    let (batches, callbacks): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.batch, job.then)).unzip();
    match store.commit(&batches) {
        Ok(results) => {
            for (then, result) in callbacks.into_iter().zip(results) {
                then(result.map_err(Arc::new));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for then in callbacks {
                then(Err(Arc::clone(&error)));
            }
        }
    }
}

/// About how many bytes of memory a batch takes.
fn weight(batch: &Batch) -> usize {
    let entries = batch.appends.iter().flat_map(|append| &append.entries).map(encoded_len);
    let fills = batch.fills.iter().map(|fill| fill.body.payload.len());
    let heads = batch.heads.iter().map(|(_, _, note)| note.len());
    let fixed = batch.erasures.len().saturating_add(batch.submissions.len()).saturating_mul(64);
    entries.chain(fills).chain(heads).fold(fixed.saturating_add(256), usize::saturating_add)
}

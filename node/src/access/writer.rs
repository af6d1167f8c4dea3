//! The thread that appends for everyone.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use entente_proto::access::compose;
use entente_proto::entry::Entry;
use entente_proto::limits::OPENING_BYTES;
use entente_proto::wire::access::Body;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, oneshot};

use super::file::Epoch;
use super::{AccessError, State};
use crate::clock::Clock;
use crate::journal::disk::AbortOnPanic;

/// How many calls may wait to be written; the next waits before it.
const WAITING_MAX: usize = 1_024;
/// How many go into one frame.
const GROUP_MAX: usize = 256;

#[derive(Debug)]
struct Job {
    body: Body,
    reply: oneshot::Sender<Result<u64, String>>,
}

/// What is known of the log outside of its thread.
#[derive(Debug, Clone, Copy)]
struct Shared {
    state: State,
    /// The time of the oldest entry that is under no head.
    uncovered_ms: Option<u64>,
}

/// Shares an epoch among tasks.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. So many entries are under a head.
    pub(super) fn start(epoch: Epoch, covered: u64, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let uncovered_ms = epoch.time_of(covered)?;
        let shared = Arc::new(Mutex::new(Shared { state: epoch.state(), uncovered_ms }));
        let (jobs, inbox) = mpsc::channel(WAITING_MAX);
        let for_thread = shared.clone();
        let thread =
            std::thread::Builder::new().name("access".into()).spawn(move || run(epoch, inbox, &for_thread, &*clock))?;
        Ok(Self { jobs: Some(jobs), shared, thread: Some(thread) })
    }

    pub(super) async fn note(&self, body: Body) -> Result<u64, AccessError> {
        let closed = || AccessError::Closed("the node is stopping".to_owned());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(Job { body, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(AccessError::Closed)
    }

    pub(super) fn state(&self) -> State {
        self.shared().state
    }

    pub(super) fn uncovered_ms(&self) -> Option<u64> {
        self.shared().uncovered_ms
    }

    /// Up to there the entries are under a head: the rest is as old as its first, and is not looked up in the file.
    pub(super) fn covered(&self, size: u64, now_ms: u64) {
        let mut shared = self.lock();
        shared.uncovered_ms = (shared.state.size > size).then_some(now_ms);
    }

    fn shared(&self) -> Shared {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        // What is in it is replaced whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends when it has written what waits; if it panicked, that was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn run(mut epoch: Epoch, mut inbox: mpsc::Receiver<Job>, shared: &Mutex<Shared>, clock: &dyn Clock) {
    let _abort = AbortOnPanic("the thread of the access log failed");
    let random = SystemRandom::new();
    let mut broken: Option<String> = None;
    while let Some(first) = inbox.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            let Ok(job) = inbox.try_recv() else { break };
            group.push(job);
        }
        let time_ms = clock.now_ms().max(epoch.last_ms());
        let (mut entries, mut replies) = (Vec::new(), Vec::new());
        for Job { body, reply } in group {
            match (entry(time_ms, body, &random), &broken) {
                (Ok(entry), None) => {
                    entries.push(entry);
                    replies.push(reply);
                }
                (_, Some(why)) => tell(reply, Err(why.clone())),
                (Err(why), None) => tell(reply, Err(why)),
            }
        }
        if entries.is_empty() {
            continue;
        }
        let from = epoch.state().size;
        match epoch.append(&entries) {
            Ok(()) => {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                *shared = Shared { state: epoch.state(), uncovered_ms: shared.uncovered_ms.or(Some(time_ms)) };
                drop(shared);
                (from..).zip(replies).for_each(|(index, reply)| tell(reply, Ok(index)));
            }
            Err((error, restored)) => {
                tracing::error!(path = %epoch.path().display(), %error, "the access log cannot be written: calls are refused");
                let why = error.to_string();
                replies.into_iter().for_each(|reply| tell(reply, Err(why.clone())));
                broken = (!restored).then_some(why);
            }
        }
    }
}

fn entry(time_ms: u64, body: Body, random: &SystemRandom) -> Result<Entry, String> {
    let mut opening = [0; OPENING_BYTES];
    random.fill(&mut opening).map_err(|_| "this machine gives no random numbers".to_owned())?;
    compose(time_ms, opening, body).map_err(|error| error.to_string())
}

fn tell(reply: oneshot::Sender<Result<u64, String>>, result: Result<u64, String>) {
    // Whoever called may have gone.
    let _ = reply.send(result);
}

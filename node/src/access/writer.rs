//! The thread that appends for everyone.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use entente_proto::access::compose;
use entente_proto::entry::Entry;
use entente_proto::limits::{HEADER_AHEAD_MS_MAX, OPENING_BYTES};
use entente_proto::wire;
use entente_proto::wire::access::Body;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, oneshot};

use super::epochs::Epochs;
use super::file::Epoch;
use super::{AccessError, Place, State};
use crate::clock::Clock;
use crate::journal::disk::AbortOnPanic;

/// How many calls may wait to be written; the next waits before it.
const WAITING_MAX: usize = 1_024;
/// How many go into one frame.
const GROUP_MAX: usize = 256;

#[derive(Debug)]
enum Job {
    /// An entry to append.
    Note(Box<(Body, Reply)>),
    /// The epochs up to this one have been kept for so many days.
    Tidy(u64, u32),
    /// The newest entry lies in the future.
    LeaveFuture,
}

type Reply = oneshot::Sender<Result<Place, String>>;

/// What is known of the log outside of its thread.
#[derive(Debug, Clone, Copy)]
struct Shared {
    state: State,
    /// The time of the oldest entry that is under no head.
    uncovered_ms: Option<u64>,
    /// The time of the newest entry.
    last_ms: u64,
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
    pub(super) fn start(epoch: Epoch, covered: u64, epochs: Epochs, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let uncovered_ms = epoch.time_of(covered)?;
        let shared = Arc::new(Mutex::new(Shared { state: epoch.state(), uncovered_ms, last_ms: epoch.last_ms() }));
        let (jobs, inbox) = mpsc::channel(WAITING_MAX);
        let log = Log { epoch, epochs, shared: shared.clone(), clock, random: SystemRandom::new(), broken: None };
        let thread = std::thread::Builder::new().name("access".into()).spawn(move || log.run(inbox))?;
        Ok(Self { jobs: Some(jobs), shared, thread: Some(thread) })
    }

    pub(super) async fn note(&self, body: Body) -> Result<Place, AccessError> {
        let closed = || AccessError::Closed("the node is stopping".to_owned());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(Job::Note(Box::new((body, reply)))).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(AccessError::Closed)
    }

    /// Has the epochs up to this one deleted, soon, which were kept for so many days.
    pub(super) fn tidy(&self, up_to: u64, days: u32) {
        self.tell(Job::Tidy(up_to, days));
    }

    /// Has the next epoch begin where the newest entry lies in the future: whatever came after it in the same would get its time.
    pub(super) fn leave_future(&self) {
        self.tell(Job::LeaveFuture);
    }

    fn tell(&self, job: Job) {
        // Where many calls wait there is a next time.
        let _ = self.jobs.as_ref().map(|jobs| jobs.try_send(job));
    }

    pub(super) fn state(&self) -> State {
        self.shared().state
    }

    pub(super) fn uncovered_ms(&self) -> Option<u64> {
        self.shared().uncovered_ms
    }

    pub(super) fn last_ms(&self) -> u64 {
        self.shared().last_ms
    }

    /// Up to there the entries are under a head: the rest is as old as its first, and is not looked up in the file.
    pub(super) fn covered(&self, up_to: State, now_ms: u64) {
        let mut shared = self.lock();
        shared.uncovered_ms = (shared.state != up_to).then_some(now_ms);
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

/// What the thread works with.
struct Log {
    epoch: Epoch,
    epochs: Epochs,
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Clock>,
    random: SystemRandom,
    /// Why nothing more can be appended.
    broken: Option<String>,
}

impl Log {
    fn run(mut self, mut inbox: mpsc::Receiver<Job>) {
        let _abort = AbortOnPanic("the thread of the access log failed");
        while let Some(first) = inbox.blocking_recv() {
            let (mut group, mut tidy, mut leave_future) = (Vec::new(), None, false);
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Note(job) => group.push(*job),
                    Job::Tidy(up_to, days) => tidy = Some((up_to, days)),
                    Job::LeaveFuture => leave_future = true,
                }
                next = if group.len() < GROUP_MAX { inbox.try_recv().ok() } else { None };
            }
            self.go_on(leave_future);
            let time_ms = self.time_ms();
            if let Some((up_to, days)) = tidy {
                self.tidy(time_ms, up_to, days);
            }
            self.note(time_ms, group);
        }
    }

    /// The time of the next entry: in an epoch it does not go back.
    fn time_ms(&self) -> u64 {
        self.clock.now_ms().max(self.epoch.last_ms())
    }

    /// Begins the next epoch where this one is over.
    fn go_on(&mut self, leave_future: bool) {
        let (now_ms, last_ms) = (self.clock.now_ms(), self.epoch.last_ms());
        // Asked for twice it is done once.
        let ahead = leave_future && last_ms > now_ms.saturating_add(HEADER_AHEAD_MS_MAX);
        let time_ms = if ahead { now_ms } else { self.time_ms() };
        if self.broken.is_some() || !(ahead || self.epochs.is_over(&self.epoch, time_ms)) {
            return;
        }
        if ahead {
            tracing::error!(
                last_ms,
                now_ms,
                "lines of the access log lie in the future, written while this clock was wrong: a new epoch begins"
            );
        }
        let State { epoch, size, root } = self.epoch.state();
        let began = Body::Began(wire::Began { epoch, size, root: root.0.to_vec() });
        let next = entry(time_ms, began, &self.random)
            .and_then(|first| self.epochs.next(epoch, time_ms, Some(&first)).map_err(|error| error.to_string()));
        match next {
            Ok(next) => {
                self.epoch = next;
                self.tell_state(time_ms);
            }
            // A full disk, say. The file grows on.
            Err(why) => tracing::warn!(why, "the next epoch of the access log cannot begin yet"),
        }
    }

    /// Deletes epochs that are kept no longer, once that is written down.
    fn tidy(&mut self, time_ms: u64, up_to: u64, days: u32) {
        if up_to >= self.epoch.state().epoch {
            return;
        }
        let deleted = Body::Deleted(wire::Deleted { epoch: up_to, days });
        let noted = entry(time_ms, deleted, &self.random).and_then(|entry| self.append(&[entry], time_ms));
        match noted.map(|_| self.epochs.delete(up_to)) {
            Ok(Ok(())) => {
                tracing::info!(up_to, days, "the access log up to this epoch was deleted: it was kept long enough");
            }
            Ok(Err(error)) => tracing::error!(up_to, %error, "old epochs of the access log cannot be deleted"),
            Err(why) => {
                tracing::error!(up_to, why, "that old epochs of the access log are deleted cannot be written down");
            }
        }
    }

    fn note(&mut self, time_ms: u64, group: Vec<(Body, Reply)>) {
        let (mut entries, mut replies) = (Vec::new(), Vec::new());
        for (mut body, reply) in group {
            if let Body::Ended(ended) = &mut body
                && ended.epoch == self.epoch.state().epoch
            {
                ended.epoch = 0;
            }
            match (entry(time_ms, body, &self.random), &self.broken) {
                (Ok(entry), None) => {
                    entries.push(entry);
                    replies.push(reply);
                }
                (_, Some(why)) => tell(reply, Err(why.clone())),
                (Err(why), None) => tell(reply, Err(why)),
            }
        }
        if entries.is_empty() {
            return;
        }
        match self.append(&entries, time_ms) {
            Ok(Place { epoch, index }) => {
                (index..).zip(replies).for_each(|(index, reply)| tell(reply, Ok(Place { epoch, index })));
            }
            Err(why) => replies.into_iter().for_each(|reply| tell(reply, Err(why.clone()))),
        }
    }

    /// Appends entries, durable on return. Gives the place of the first.
    fn append(&mut self, entries: &[Entry], time_ms: u64) -> Result<Place, String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let State { epoch, size: index, .. } = self.epoch.state();
        match self.epoch.append(entries) {
            Ok(()) => {
                self.tell_state(time_ms);
                Ok(Place { epoch, index })
            }
            Err((error, restored)) => {
                tracing::error!(path = %self.epoch.path().display(), %error, "the access log cannot be written: calls are refused");
                let why = error.to_string();
                self.broken = (!restored).then(|| why.clone());
                Err(why)
            }
        }
    }

    fn tell_state(&self, time_ms: u64) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let uncovered_ms = shared.uncovered_ms.or(Some(time_ms));
        *shared = Shared { state: self.epoch.state(), uncovered_ms, last_ms: self.epoch.last_ms() };
    }
}

fn entry(time_ms: u64, body: Body, random: &SystemRandom) -> Result<Entry, String> {
    let mut opening = [0; OPENING_BYTES];
    random.fill(&mut opening).map_err(|_| "this machine gives no random numbers".to_owned())?;
    compose(time_ms, opening, body).map_err(|error| error.to_string())
}

fn tell(reply: Reply, result: Result<Place, String>) {
    // Whoever called may have gone.
    let _ = reply.send(result);
}

//! The thread that scrubs: when somebody asks for it, and by itself some time after a payload was deleted.
//!
//! A scrub makes sure that everything erased by what is certified now is deleted, rewrites the journal without the own
//! entries that are certified, and has the [store rewritten](crate::store::Store::scrub). That one is due stands in the
//! store, so no restart forgets it; one that failed is tried again.
//!
//! What it does not reach, and the documentation says so: blocks of deleted files that the disk has not written to again
//! (an operator who must be sure of that encrypts the disk and destroys its key), snapshots that the file system keeps,
//! backups, exports, and what left the node by other ways.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Core, erasure, lock};
use crate::journal;
use crate::store::{Batch, ScrubPhase, ScrubStep, Scrubbed, StoreError};

/// How long after a scrub that failed the next is tried, at the most.
const RETRY: Duration = Duration::from_secs(5 * 60);
/// The copying rests as long as it worked, and no longer than this at a time, so that officers and partners come first.
const REST_MAX: Duration = Duration::from_millis(100);
/// How long to wait for the list to be folded, and how often to look.
const FOLD_WAIT: Duration = Duration::from_secs(10 * 60);
const FOLD_PAUSE: Duration = Duration::from_millis(10);
/// How many reports wait for a caller. One that does not read misses some, but not the last.
const REPORTS: usize = 64;
/// How often a caller is told how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// What a caller is told.
#[derive(Debug, Clone)]
pub enum Report {
    /// It goes on.
    Goes(Stage, ScrubStep),
    /// It is done.
    Done(Done),
    /// It failed, in words.
    Failed(String),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits until what is certified is folded and deleted.
    Waiting,
    /// The journal is rewritten.
    Journal,
    /// The database is rewritten.
    Store,
}

/// What a scrub did.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The database.
    pub store: Scrubbed,
    /// The journal's length before and after, in bytes.
    pub journal_bytes: (u64, u64),
    /// Other places where bytes may be left, in words.
    pub notes: Vec<String>,
}

enum Input {
    Due,
    Ask(mpsc::Sender<Report>),
    Stop,
}

/// The handle to the thread.
pub(super) struct Scrubber {
    inbox: Sender<Input>,
    stopping: AtomicBool,
    /// Why the last scrub failed.
    failed: Mutex<Option<String>>,
}

/// What the thread listens to.
pub(super) struct Inbox(Receiver<Input>);

impl Scrubber {
    pub(super) fn new() -> (Self, Inbox) {
        let (inbox, listens) = channel();
        (Self { inbox, stopping: AtomicBool::new(false), failed: Mutex::default() }, Inbox(listens))
    }

    /// A payload was deleted.
    pub(super) fn tell_due(&self) {
        // A thread that has ended is asked no more.
        let _ = self.inbox.send(Input::Due);
    }

    /// Ends the thread, in the middle of a scrub too.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _ = self.inbox.send(Input::Stop);
    }

    pub(super) fn ask(&self) -> mpsc::Receiver<Report> {
        let (reports, caller) = mpsc::channel(REPORTS);
        let _ = self.inbox.send(Input::Ask(reports));
        caller
    }

    pub(super) fn failed(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::Acquire)
    }
}

/// Runs until it is told to stop. `after`: how long after the first deletion it scrubs by itself.
pub(super) fn run(core: &Arc<Core>, inbox: &Inbox, after: Duration) {
    let mut rest_until = Instant::now();
    while core.scrub.goes_on() {
        // One that failed is tried again, whatever it had done.
        let failed = core.scrub.failed().map(|_| Duration::ZERO);
        let next = match due_in(core, after).or(failed) {
            Some(wait) => inbox.0.recv_timeout(wait.max(rest_until.saturating_duration_since(Instant::now()))),
            None => inbox.0.recv().map_err(Into::into),
        };
        let mut callers = match next {
            Ok(Input::Due) => continue,
            Ok(Input::Ask(caller)) => vec![caller],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        };
        // Whoever asked by now shares it.
        callers.extend(inbox.0.try_iter().filter_map(|input| match input {
            Input::Ask(caller) => Some(caller),
            Input::Due | Input::Stop => None,
        }));
        let mut work = Work { core, callers, told: None, worked: Instant::now() };
        let done = work.scrub();
        *lock(&core.scrub.failed) = done.as_ref().err().cloned();
        let report = match done {
            Ok(done) => {
                tracing::info!(
                    before = done.store.before_bytes,
                    after = done.store.after_bytes,
                    records = done.store.records,
                    "scrubbed"
                );
                Report::Done(done)
            }
            Err(error) => {
                rest_until = Instant::now().checked_add(RETRY.min(after)).unwrap_or_else(Instant::now);
                tracing::error!("not scrubbed: {error}");
                Report::Failed(error)
            }
        };
        work.end(&report);
    }
}

/// How long until a scrub is due, if one will be.
fn due_in(core: &Core, after: Duration) -> Option<Duration> {
    let due = core.store.scrub_due()?;
    // A clock that was set back since does not put it off.
    let since = Duration::from_millis(core.clock.now_ms().saturating_sub(due.since_ms));
    Some(after.saturating_sub(since))
}

/// One scrub.
struct Work<'a> {
    core: &'a Arc<Core>,
    callers: Vec<mpsc::Sender<Report>>,
    told: Option<Instant>,
    worked: Instant,
}

impl Work<'_> {
    fn scrub(&mut self) -> Result<Done, String> {
        self.wait_deleted()?;
        let mut done = Done { notes: (self.core.remains)(self.core.rebuilt()), ..Done::default() };
        self.tell(Stage::Journal, nothing());
        let journal = compact(&self.core.journal);
        let core = self.core;
        // Something damaged that it meets is fetched again, and the scrub begins anew.
        let scrubbed = core.reading_apart(|| core.store.scrub(&mut |step| self.step(step)));
        done.store = scrubbed.map_err(|error| match error {
            StoreError::Interrupted => "the node is stopping; it scrubs when it runs again".to_owned(),
            error => error.to_string(),
        })?;
        let words =
            "the database was scrubbed, but the journal was not rewritten, and bytes of erased records may be in it";
        match journal {
            Ok(bytes) => done.journal_bytes = bytes,
            Err(error) => return Err(format!("{words}: {error}")),
        }
        Ok(done)
    }

    /// Waits until what is known to be erased is deleted. Whoever asks for a scrub means everything that is certified by
    /// now, so that must be folded first.
    fn wait_deleted(&mut self) -> Result<(), String> {
        let certified: Vec<_> = self
            .core
            .logs()
            .into_iter()
            .filter_map(|log| Some((log.unit, log.certified?.checkpoint().size.get())))
            .collect();
        let begun = Instant::now();
        while !self.callers.is_empty() && certified.iter().any(|(unit, size)| self.core.list.folded(unit) < *size) {
            if begun.elapsed() > FOLD_WAIT || !self.core.scrub.goes_on() {
                return Err(
                    "the list is not folded yet, so it is not known what is erased: see `entente status`".into()
                );
            }
            self.tell(Stage::Waiting, nothing());
            std::thread::sleep(FOLD_PAUSE);
        }
        erasure::settle_all(self.core);
        // Behind everything that was submitted before.
        let (then, committed) = channel();
        let then = move |result: Result<(), Arc<StoreError>>| {
            let _ = then.send(result.map_err(|error| error.to_string()));
        };
        self.core.store_writer.submit(Batch::default(), Box::new(then));
        committed.recv().unwrap_or_else(|_| Err("the node is stopping".into()))
    }

    fn step(&mut self, step: ScrubStep) -> ControlFlow<()> {
        self.tell(Stage::Store, step);
        if !self.core.scrub.goes_on() {
            return ControlFlow::Break(());
        }
        // Commits wait while it swaps: no rest then.
        if matches!(step.phase, ScrubPhase::Copying | ScrubPhase::Verifying) {
            std::thread::sleep(self.worked.elapsed().min(REST_MAX));
        }
        self.worked = Instant::now();
        ControlFlow::Continue(())
    }

    fn tell(&mut self, stage: Stage, step: ScrubStep) {
        if self.told.is_none_or(|told| told.elapsed() >= REPORT_EVERY) {
            self.told = Some(Instant::now());
            for caller in &self.callers {
                // One that has gone or does not read need not know. The last place is kept for the end.
                if caller.capacity() > 1 {
                    let _ = caller.try_send(Report::Goes(stage, step));
                }
            }
        }
    }

    fn end(&self, report: &Report) {
        for caller in &self.callers {
            if caller.try_send(report.clone()).is_err() {
                tracing::debug!("whoever asked for the scrub has gone");
            }
        }
    }
}

/// Rewrites the journal; its length before and after.
fn compact(journal: &journal::Writer) -> Result<(u64, u64), String> {
    let (then, compacted) = channel();
    let then = move |result| {
        // The thread waits for it below.
        let _ = then.send(result);
    };
    journal.compact(Box::new(then)).map_err(|error| error.to_string())?;
    let done = compacted.recv().map_err(|_| "the node is stopping".to_owned())?;
    done.map_err(|error| error.to_string())
}

fn nothing() -> ScrubStep {
    ScrubStep { phase: ScrubPhase::Copying, copied_bytes: 0, original_bytes: 0 }
}

//! The engine's thread: takes in what happened, and has done what follows.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use entente_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::note::VerifierKey;
use entente_proto::sync::{Action, Engine, Event, Fault, Stage, Standing, VerifiedRun};
use entente_proto::wire;
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;

use super::{Again, Core, Input, Leaves, author, erasure, fork, lock, repair, revoked_in};
use crate::journal::disk::AbortOnPanic;
use crate::journal::{self, Contradiction, JournalRecord, SubmissionId};
use crate::store::{Append, Batch, Fill, HeadKind, StoreError};

/// How often the engine is told that time goes by.
const TICK: Duration = Duration::from_millis(20);
/// How many events are dealt with together, before streams are woken.
const EVENTS_MAX: usize = 64;
/// For how long events are taken in at once: whoever asks for anything waits so long for the engine.
const TURN_MAX: Duration = Duration::from_millis(2);

/// Runs until [`Input::Stop`].
pub(super) fn run(core: &Arc<Core>, inbox: &Receiver<Input>) {
    let _guard = AbortOnPanic("the engine's thread panicked");
    let mut ticked = Instant::now();
    let mut bad = BTreeSet::new();
    loop {
        let first = match inbox.recv_timeout(TICK) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(first) = first
            && deal_with(core, inbox, first).is_break()
        {
            return;
        }
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            handle(core, Event::Tick);
            core.record_forks();
            repair::tell_found(core, &mut bad);
            if let Some(reason) = core.store.found_broken().filter(|_| core.again.borrow().is_none()) {
                handle(core, Event::Damaged { reason });
            }
            if core.outbox() > 0 {
                // A full queue means that the author is awake.
                let _ = core.author.try_send(author::Input::Standing);
            }
        }
        for stream in lock(&core.streams).values() {
            stream.wake.notify_one();
        }
    }
}

/// Deals with what waits, all together: what follows from it is the same work for one event as for many.
fn deal_with(core: &Arc<Core>, inbox: &Receiver<Input>, first: Input) -> ControlFlow<()> {
    let mut turn = Turn::begin(core);
    let (began, mut next, mut dealt_with) = (Instant::now(), Some(first), 0);
    while let Some(input) = next {
        match input {
            Input::Event(event, permit) => turn.take_in(event, permit),
            Input::Rewound(unit) => {
                // The store is read for it, by which nobody else should be kept from the engine.
                turn.end();
                handle(core, fork::rewound(core, unit));
                turn = Turn::begin(core);
            }
            Input::Stop => {
                turn.end();
                return ControlFlow::Break(());
            }
        }
        dealt_with += 1;
        let goes_on = dealt_with < EVENTS_MAX && began.elapsed() < TURN_MAX;
        next = if goes_on { inbox.try_recv().ok() } else { None };
    }
    turn.end();
    ControlFlow::Continue(())
}

fn handle(core: &Arc<Core>, event: Event) {
    let mut turn = Turn::begin(core);
    turn.take_in(event, None);
    turn.end();
}

/// Events that are taken in one after the other, with nothing between.
struct Turn<'a> {
    core: &'a Arc<Core>,
    engine: MutexGuard<'a, Engine>,
    now_ms: u64,
    /// Logs of which more is stored.
    held: BTreeSet<UnitId>,
    /// Given back at the end.
    permits: Vec<OwnedSemaphorePermit>,
}

impl<'a> Turn<'a> {
    fn begin(core: &'a Arc<Core>) -> Self {
        let now_ms = core.clock.now_ms();
        Self { core, engine: core.engine(), now_ms, held: BTreeSet::new(), permits: Vec::new() }
    }

    fn take_in(&mut self, event: Event, permit: Option<OwnedSemaphorePermit>) {
        match &event {
            Event::Damaged { reason } => self.core.begin_again(Again::Rebuild(reason.clone())),
            Event::Stored { unit, .. } | Event::Filled { unit, .. } | Event::Rewound { unit, .. } => {
                self.held.insert(unit.clone());
            }
            Event::OwnAppended { .. } => {
                self.held.insert(self.core.unit.clone());
            }
            _ => {}
        }
        self.permits.extend(permit);
        self.engine.take_in(self.now_ms, event, &Leaves(&*self.core.store));
    }

    fn end(mut self) {
        let actions = self.engine.conclude(self.now_ms, &Leaves(&*self.core.store));
        let complete = |unit: &UnitId| Some((unit.clone(), self.engine.log(unit)?.complete));
        let held: Vec<_> = self.held.iter().filter_map(complete).collect();
        drop(self.engine);
        for action in actions {
            act(self.core, action);
        }
        // Behind what is certified: the list would note it as pending otherwise.
        for (unit, complete) in held {
            self.core.list.held(unit, complete.get());
        }
    }
}

fn act(core: &Arc<Core>, action: Action) {
    match action {
        Action::Store { run, newest } => store_run(core, run, newest),
        Action::Fill { unit, index, entry } => {
            let Some(body) = entry.body().cloned() else { return };
            let core_then = core.clone();
            let fill = Fill { unit: unit.clone(), index, body };
            let announced = erasure::announced(&unit, index, std::slice::from_ref(&entry));
            let revoked = revoked_in(std::slice::from_ref(&entry));
            let then = move || {
                core_then.admissions.revoked(&unit, revoked);
                core_then.tell(Event::Filled { unit, index, entry: Box::new(entry) }, None);
            };
            submit(core, Batch { fills: vec![fill], announced, ..Batch::default() }, then);
        }
        Action::Repair { run } => repair::write(core, run),
        Action::Unrepairable { unit, index } => repair::give_up(core, &unit, index),
        Action::StoreHead { unit, size, note, bridge } => {
            let core_then = core.clone();
            let note = Bytes::from(note);
            let mut heads = vec![(unit.clone(), HeadKind::Certified, note.clone())];
            heads.extend(bridge.then(|| (unit.clone(), HeadKind::Bridge, note)));
            let then = move || core_then.tell(Event::HeadStored { unit, size }, None);
            submit(core, Batch { heads, ..Batch::default() }, then);
        }
        Action::StoreFork { unit, proof } => fork::keep(core, unit, proof),
        Action::Rewind { unit, size } => fork::rewind(core, unit, size),
        Action::Sign { checkpoint, key } => sign(core, checkpoint, &key),
        Action::Cosign { unit, checkpoint, keys } => cosign(core, unit, &checkpoint, keys),
        Action::StoreCharter { version, note } => core.store_charter(version, &note),
        Action::Evidence { from, note, reason } => core.keep_evidence(&from, &note, &reason),
        Action::Admit { from } => core.admit(from),
        Action::Adopt(adoption) => core.adopt(adoption),
        Action::Certified { unit, size } => {
            if unit == core.unit {
                core.certified.send_replace(size.get());
                // Lets the journal drop what the store holds and partners cosigned. Nobody waits for it. One that does not
                // know the own log is told how far it goes at the end of the recovery.
                if !core.engine().standing().recovers() {
                    append(core, &[JournalRecord::OwnCertified(size)], || {});
                }
            }
            tracing::debug!(%unit, size = size.get(), "certified");
            core.list.certified(unit, size.get());
        }
        Action::Close { stream, fault } => {
            if let Some(stream) = lock(&core.streams).get_mut(&stream)
                && let Some(close) = stream.close.take()
            {
                // The stream's task may have ended by itself.
                let _ = close.send(fault);
            }
        }
        Action::Lose { reason, shown } => {
            tracing::error!(reason, "this node does not know all that it signed: it recovers");
            let bound = shown.map(|(unit, size, root)| JournalRecord::Bound { unit, size, root });
            let records: Vec<_> = [JournalRecord::Lost(reason)].into_iter().chain(bound).collect();
            append(core, &records, || {});
        }
        Action::Regain { size, signed, bounds } => {
            let bound = |(unit, size, root)| JournalRecord::Bound { unit, size, root };
            let mut records: Vec<_> = bounds.into_iter().map(bound).collect();
            records.push(JournalRecord::Regained { size, signed });
            let core_then = core.clone();
            append(core, &records, move || core_then.tell(Event::Regained, None));
        }
        Action::StandingChanged => {
            let standing = core.engine().standing().clone();
            if let Standing::Recovering { reason, stage: Stage::Halted } = &standing {
                core.begin_again(Again::Recover(reason.clone()));
            }
            tracing::info!(?standing, "standing");
            core.standing.send_replace(standing);
            // A full queue means that the author is awake, and it looks at the standing before each submission.
            let _ = core.author.try_send(author::Input::Standing);
        }
    }
}

fn store_run(core: &Arc<Core>, run: VerifiedRun, newest: Option<Vec<u8>>) {
    let end = run.end();
    let (unit, from, entries, level1) = run.into_parts();
    core.list.taken(unit.clone(), from.get(), &entries);
    let announced = erasure::announced(&unit, from.get(), &entries);
    let revoked = revoked_in(&entries);
    let append = Append { unit: unit.clone(), from, entries, level1 };
    let heads = newest.map(|note| (unit.clone(), HeadKind::Newest, Bytes::from(note))).into_iter().collect();
    // Own entries come from partners where the database or the journal was lost.
    let mut submissions = if unit == core.unit { submissions(from, &append.entries) } else { Vec::new() };
    // Where the own log forked, the branch that was cut off may have known the same call under another index.
    submissions.retain(|(id, index)| core.store.submission(id).ok().flatten().is_none_or(|known| known == *index));
    let core_then = core.clone();
    let then = move || {
        core_then.admissions.revoked(&unit, revoked);
        core_then.tell(Event::Stored { unit, size: end }, None);
    };
    submit(core, Batch { appends: vec![append], announced, heads, submissions, ..Batch::default() }, then);
}

/// Which submission each own entry came from, so that a repeated call never enters twice.
fn submissions(from: Size, entries: &[Entry]) -> Vec<(SubmissionId, u64)> {
    let of = |(index, entry): (u64, &Entry)| {
        let record = wire::Record::decode(entry.payload()?.clone()).ok()?;
        Some((record.submission.try_into().ok()?, index))
    };
    (from.get()..).zip(entries).filter_map(of).collect()
}

/// Signs a checkpoint of the own log; it goes out once the journal has it.
fn sign(core: &Arc<Core>, checkpoint: Checkpoint, key: &VerifierKey) {
    let (size, root) = (checkpoint.size, checkpoint.root);
    let Some(signer) = core.signer(key) else {
        tracing::error!(%key, "the log key is not here: nothing more is signed until the node is started again with it");
        return;
    };
    let signed = match SignedCheckpoint::sign(checkpoint, &*signer) {
        Ok(signed) => signed,
        Err(error) => {
            tracing::error!(%error, "the log key cannot sign: nothing more is signed until the node is started again");
            return;
        }
    };
    let note = signed.to_note().to_bytes();
    let record = JournalRecord::OwnCheckpoint(journal::OwnCheckpoint { size, root, note: note.into() });
    let core_then = core.clone();
    append(core, &[record], move || core_then.tell(Event::Signed(signed), None));
}

/// Cosigns a partner's checkpoint; it goes out once the journal has it.
fn cosign(core: &Arc<Core>, unit: UnitId, checkpoint: &Checkpoint, keys: Vec<VerifierKey>) {
    let (size, root) = (checkpoint.size, checkpoint.root);
    let body = checkpoint.body();
    let (mut words, mut records) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(signer) = core.signer(&key) else {
            tracing::error!(%key, "the mirror key is not here: nothing is cosigned with it until the node is started again");
            continue;
        };
        match Cosignature::sign(&body, core.clock.now_ms() / 1_000, &*signer) {
            Ok(cosignature) => {
                records.push(JournalRecord::Cosigned(journal::Cosigned {
                    unit: unit.clone(),
                    size,
                    root,
                    time: cosignature.time,
                    signature: cosignature.signature,
                    fingerprint: Hash::of(body.as_bytes()),
                }));
                words.push((key, cosignature));
            }
            Err(error) => tracing::error!(
                %error,
                "the mirror key cannot sign: this log is not cosigned until the node is started again"
            ),
        }
    }
    if words.is_empty() {
        return;
    }
    let core_then = core.clone();
    append(core, &records, move || core_then.tell(Event::Cosigned { unit, size, root, words }, None));
}

pub(super) fn submit(core: &Arc<Core>, batch: Batch, then: impl FnOnce() + Send + 'static) {
    let done = move |result: Result<(), Arc<StoreError>>| match result {
        Ok(()) => then(),
        Err(error) => not_stored(&error),
    };
    core.store_writer.submit(batch, Box::new(done));
}

/// What the store has after a failed write is unknown, and what follows was computed as if it had it.
pub(super) fn not_stored(error: &StoreError) {
    match error {
        StoreError::Stopped => tracing::debug!("not stored: the node is stopping; journal and partners have it"),
        error => crate::fatal(&format!("the database cannot be written: {error}")),
    }
}

fn append(core: &Arc<Core>, records: &[JournalRecord], then: impl FnOnce() + Send + 'static) {
    match core.journal.append(records, Box::new(then)) {
        Ok(()) => {}
        Err(journal::AppendError::Contradiction(Contradiction::Lost)) => {
            tracing::warn!("nothing is signed: what this node signed is not known");
        }
        Err(journal::AppendError::Closed) => tracing::warn!("not journalled: the node is stopping"),
        // The journal refused to put its name to something: go no further on a state that contradicts it.
        Err(error) => crate::fatal(&format!("the journal refuses a signature: {error}")),
    }
}

/// Tells a stream's task why its stream ends, in words for the log and a code for the partner.
pub(crate) fn log_close(peer: &UnitId, fault: &Fault) {
    match fault {
        Fault::Replaced => tracing::debug!(%peer, "another stream to this partner stays"),
        fault => tracing::warn!(%peer, %fault, "stream closed"),
    }
}

impl Core {
    /// Asks for the node to be started anew; the first reason counts.
    pub(super) fn begin_again(&self, why: Again) {
        self.again.send_if_modified(|again| again.is_none() && again.replace(why).is_none());
    }

    /// Submissions that wait.
    pub(super) fn set_outbox(&self, count: usize) {
        self.outbox.store(count as u64, Ordering::Relaxed);
    }
}

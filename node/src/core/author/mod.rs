//! The own log's only writer: gives each statement its place, has it journalled, and answers when it is durable.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the thread, and what becomes of a statement |
//! | `repeated` | what is answered to a call that came before |
//! | `proposals` | what waits for a second officer |
//! | `outbox` | what waits for the node to sign |
//! | `standby` | both, for whoever asks |
//! | `group` | what becomes durable together: a place in the log, journal, store |

mod group;
mod outbox;
mod proposals;
mod repeated;
mod standby;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use entente_proto::hash::Hash;
use entente_proto::record::{self, RecordKind, Target};
use entente_proto::sync::{Adoption, Standing};
use entente_proto::wire;
use ring::rand::SystemRandom;
use tokio::sync::{mpsc, oneshot};

use self::group::Group;
pub use self::proposals::Second;
pub use self::standby::Standby;
use super::{Core, lock};
use crate::journal::disk::AbortOnPanic;
use crate::journal::{Proposal, Submission, SubmissionId};

/// What goes into the author's thread.
#[derive(Debug)]
pub(super) enum Input {
    /// Statements of officers.
    Submit(Submit),
    /// An officer's word on what waits: on which, with the SHA-256 of what was read, and whether they are entered.
    Decide(Vec<(SubmissionId, Hash)>, bool, oneshot::Sender<Vec<Answer>>),
    /// Asks for all that waits.
    Waiting(oneshot::Sender<Standby>),
    /// The node signs, or does not any more.
    Standing,
    /// A charter is to be taken up in the own log.
    Adopt(Adoption),
}

/// Statements, and whom to answer.
#[derive(Debug)]
pub struct Submit {
    pub(super) drafts: Vec<Draft>,
    pub(super) reply: oneshot::Sender<Vec<Answer>>,
}

/// A statement that was checked and brought into its canonical form.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The client's id for it.
    pub submission: SubmissionId,
    /// Its kind.
    pub kind: RecordKind,
    /// Its canonical bytes.
    pub payload: Bytes,
    /// The target of a referral that is to be left out if the unit already refers it.
    pub unless_referred: Option<Target>,
    /// Present if a second officer has to agree.
    pub second: Option<Second>,
    /// Whether it was not judged, since it repeats what came before or what stands: it enters nothing.
    pub unjudged: bool,
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It stands at this index of the own log, durably.
    Entered(u64),
    /// It waits in the outbox, durably, for the node to sign again.
    Waiting,
    /// The unit already refers its target, at this index.
    Known(u64),
    /// It waits, durably, for a second officer, for this reason.
    Proposed(String),
    /// It waited for a second officer, who rejected it.
    Dropped,
    /// It cannot be taken, and nothing was changed.
    Refused(String),
}

/// The author's thread.
pub(super) struct Author {
    core: Arc<Core>,
    /// Submissions that were acknowledged without a place.
    outbox: VecDeque<Submission>,
    /// Submissions that wait for a second officer.
    proposals: BTreeMap<SubmissionId, Proposal>,
    /// The targets of referrals in the outbox.
    waiting: BTreeSet<Target>,
    /// The unit's referrals of this run, until the list knows them.
    referred: BTreeMap<Target, u64>,
    next: u64,
    last_time_ms: u64,
    /// Leaf hashes of the last, partial bundle.
    tail: Vec<Hash>,
    /// Whether the end of the own log is known for good: until the node signs it may be fetched from partners. It begins
    /// to sign once.
    settled: bool,
    random: SystemRandom,
}

impl Author {
    pub(super) fn new(
        core: Arc<Core>,
        outbox: VecDeque<Submission>,
        proposals: BTreeMap<SubmissionId, Proposal>,
    ) -> Self {
        core.set_outbox(outbox.len());
        let records = outbox.iter().map(|one| (one.id, one.record.clone()));
        lock(&core.waiting).extend(records.chain(proposals.values().map(|one| (one.id, one.record.clone()))));
        let (next, tail, last_time_ms) = core.own_end();
        let waiting = outbox.iter().filter_map(|waiting| target_of(&waiting.record)).collect();
        Self {
            core,
            outbox,
            proposals,
            waiting,
            referred: BTreeMap::new(),
            next: next.get(),
            last_time_ms,
            tail,
            settled: false,
            random: SystemRandom::new(),
        }
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        let _guard = AbortOnPanic("the author's thread panicked");
        self.core.list.wait_seen(self.next);
        self.standing();
        while let Some(first) = inbox.blocking_recv() {
            let mut group = Group::default();
            let mut next = Some(first);
            while let Some(input) = next {
                match input {
                    Input::Submit(submit) => self.submit(submit, &mut group),
                    Input::Decide(ids, countersign, reply) => self.decide(&ids, countersign, reply, &mut group),
                    Input::Waiting(reply) => {
                        // Whoever asked and hung up needs no answer.
                        let _ = reply.send(self.standby());
                    }
                    Input::Standing => self.drain(&mut group),
                    Input::Adopt(adoption) => self.take_up(adoption, &mut group),
                }
                next = if group.has_room() { inbox.try_recv().ok() } else { None };
            }
            self.commit(group);
        }
    }

    fn standing(&mut self) {
        let mut group = Group::default();
        self.drain(&mut group);
        self.commit(group);
    }

    fn signs(&self) -> bool {
        self.core.standing() == Standing::Running && self.core.clock_off_ms().is_none()
    }

    /// Whether statements get their place now: at a base nothing may stand before the charter's `Adopt`.
    fn runs(&mut self) -> Option<()> {
        if !self.signs() || self.core.waits_at_base() {
            return None;
        }
        self.settle();
        Some(())
    }

    /// Looks once where the own log ends: until the node signs it may be fetched from partners.
    fn settle(&mut self) {
        if !self.settled {
            let (next, tail, last_time_ms) = self.core.own_end();
            (self.next, self.tail, self.last_time_ms, self.settled) = (next.get(), tail, last_time_ms, true);
        }
    }

    fn submit(&mut self, submit: Submit, group: &mut Group) {
        if self.next == 0 || !self.outbox.is_empty() {
            self.drain(group);
        }
        // Once for all: each look takes its turn with the engine.
        let runs = self.runs();
        let answers = submit.drafts.into_iter().map(|draft| self.enter(draft, runs, group)).collect();
        group.replies.push((submit.reply, answers));
    }

    fn enter(&mut self, mut draft: Draft, runs: Option<()>, group: &mut Group) -> Answer {
        if let Some(answer) = self.repeated(&draft) {
            return answer;
        }
        if draft.unless_referred.as_ref().is_some_and(|target| self.waiting.contains(target)) {
            return Answer::Refused(
                "this unit's referral of it waits in the outbox already (entente waiting): nothing was entered".into(),
            );
        }
        if let Some(index) = draft.unless_referred.as_ref().and_then(|target| self.refers(target)) {
            return Answer::Known(index);
        }
        if draft.unjudged {
            return Answer::Refused("what it repeats was taken back a moment ago: submit it anew".into());
        }
        if let Some(second) = draft.second.take() {
            return self.propose(draft, second, group);
        }
        if runs.is_none() || !self.outbox.is_empty() {
            return self.wait(draft, group);
        }
        let (target, kind) = (draft.unless_referred, draft.kind);
        let payload = draft.payload.clone();
        match self.place(group, draft.submission, kind, draft.payload) {
            Some(index) => {
                self.follow(target, kind, &payload, index);
                Answer::Entered(index)
            }
            None => Answer::Refused("the random number generator of this machine does not answer".into()),
        }
    }

    /// Remembers what the list does not know yet: own referrals and what was taken back.
    fn follow(&mut self, target: Option<Target>, kind: RecordKind, payload: &[u8], index: u64) {
        let statement = || record::parse(kind.number(), payload).ok();
        match kind {
            RecordKind::Refer => {
                if let Some(target) = target.or_else(|| statement()?.target()) {
                    self.referred.insert(target, index);
                }
            }
            RecordKind::Withdraw | RecordKind::Erase => {
                let gone = match statement().map(record::Statement::into_body) {
                    Some(wire::record::Body::Withdraw(withdraw)) => withdraw.index,
                    Some(wire::record::Body::Erase(erase)) => erase.index,
                    _ => return,
                };
                self.referred.retain(|_, at| *at != gone);
            }
            _ => {}
        }
    }

    /// Where the unit already refers a target.
    fn refers(&self, target: &Target) -> Option<u64> {
        self.referred.get(target).copied().or_else(|| self.core.list.own_referral(target))
    }
}

/// The target of a referral.
fn target_of(payload: &[u8]) -> Option<Target> {
    record::parse(RecordKind::Refer.number(), payload).ok()?.target()
}

/// The kind of a record that waits.
pub(crate) fn kind_of(payload: &[u8]) -> Option<RecordKind> {
    use prost::Message as _;
    let body = wire::Record::decode(payload).ok()?.body?;
    Some(RecordKind::of_body(&body))
}

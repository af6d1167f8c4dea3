//! The own log's only writer: gives each statement its place, has it journalled, and answers when it is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::record::{self, RecordKind, Target};
use entente_proto::sync::{Event, Standing};
use entente_proto::wire;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};

use super::{Core, Placed, erasure, lock};
use crate::journal::disk::AbortOnPanic;
use crate::journal::{AppendError, JournalRecord, OwnEntry, Proposal, Submission, SubmissionId};
use crate::store::{Append, Batch, StoreError};

/// How many statements, and how many bytes of them, go into the journal in one write.
const GROUP_MAX: usize = 4_096;
const GROUP_BYTES_MAX: usize = 1 << 20;
/// How many submissions wait for a second officer.
const PROPOSALS_MAX: usize = 10_000;
/// What a statement takes in the journal beside its payload, at the most, in bytes.
const RECORD_BYTES: usize = 256;

/// What goes into the author's thread.
#[derive(Debug)]
pub(super) enum Input {
    /// Statements of officers.
    Submit(Submit),
    /// A second officer's word: on which, and whether they are entered.
    Decide(Vec<SubmissionId>, bool, oneshot::Sender<Vec<Answer>>),
    /// Asks for all that waits.
    Waiting(oneshot::Sender<Standby>),
    /// The node signs, or does not any more.
    Standing,
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
}

/// Why and for whom a statement waits for a second officer.
#[derive(Debug, Clone)]
pub struct Second {
    /// The officer who submitted it.
    pub officer: String,
    /// Why a second one is needed.
    pub reason: String,
    /// When it was submitted, Unix milliseconds.
    pub at_ms: u64,
    /// Whether its officer knew that a unit asks to leave the target online.
    pub despite_hold: bool,
}

/// A submission that is durable and stands in no log.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The client's id for it.
    pub id: SubmissionId,
    /// The bytes of its record.
    pub record: Bytes,
    /// The officer who submitted it; empty in the outbox.
    pub officer: String,
    /// What it waits for.
    pub reason: String,
    /// When it was submitted, Unix milliseconds; 0 in the outbox.
    pub at_ms: u64,
    /// Whether it is to be left out if the unit already refers its target.
    pub skip_known: bool,
    /// Whether its officer knew that a unit asks to leave the target online.
    pub despite_hold: bool,
}

/// All that waits.
#[derive(Debug, Clone, Default)]
pub struct Standby {
    /// For a second officer, in the order in which it came.
    pub proposals: Vec<Waiting>,
    /// For the node to sign again, in the order in which it came.
    pub outbox: Vec<Waiting>,
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
    random: SystemRandom,
}

/// A group of submissions that becomes durable together.
#[derive(Default)]
struct Group {
    bytes: usize,
    records: Vec<JournalRecord>,
    entries: Vec<Entry>,
    submissions: Vec<(SubmissionId, u64)>,
    level1: Vec<(u64, Hash)>,
    replies: Vec<(oneshot::Sender<Vec<Answer>>, Vec<Answer>)>,
}

impl Author {
    pub(super) fn new(
        core: Arc<Core>,
        outbox: VecDeque<Submission>,
        proposals: BTreeMap<SubmissionId, Proposal>,
        next: u64,
        last_time_ms: u64,
        tail: Vec<Hash>,
    ) -> Self {
        core.set_outbox(outbox.len());
        let waiting = outbox.iter().filter_map(|waiting| target_of(&waiting.record)).collect();
        Self {
            core,
            outbox,
            proposals,
            waiting,
            referred: BTreeMap::new(),
            next,
            last_time_ms,
            tail,
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
                }
                let room = group.records.len() < GROUP_MAX && group.bytes < GROUP_BYTES_MAX;
                next = if room { inbox.try_recv().ok() } else { None };
            }
            self.commit(group);
        }
    }

    fn standing(&mut self) {
        let mut group = Group::default();
        self.drain(&mut group);
        self.commit(group);
    }

    fn runs(&self) -> Option<()> {
        (self.core.standing() == Standing::Running && self.core.clock_off_ms().is_none()).then_some(())
    }

    /// Gives what waited its place, now that the node signs.
    fn drain(&mut self, group: &mut Group) {
        if self.runs().is_none() || self.core.journal.is_none() {
            return;
        }
        if self.next == 0 {
            self.adopt(group);
        }
        while group.bytes < GROUP_BYTES_MAX
            && let Some(waiting) = self.outbox.pop_front()
        {
            if self.core.placed(&waiting.id).is_some() {
                group.records.push(JournalRecord::OutboxTaken(waiting.id));
                continue;
            }
            let Some(kind) = kind_of(&waiting.record) else { continue };
            let payload = waiting.record.clone();
            let Some(index) = self.place(group, waiting.id, kind, waiting.record.clone()) else {
                self.outbox.push_front(waiting);
                break;
            };
            group.records.push(JournalRecord::OutboxTaken(waiting.id));
            self.follow(None, kind, &payload, index);
        }
        if self.outbox.is_empty() {
            self.waiting.clear();
        }
        // What is left goes with the next group: the engine's thread wakes this one while anything waits.
        self.core.set_outbox(self.outbox.len());
    }

    /// The first entry of every log: the charter that brought its unit in.
    fn adopt(&mut self, group: &mut Group) {
        let Some(submission) = self.draw() else { return };
        let adopt =
            wire::Adopt { version: self.core.charter.version().into(), digest: self.core.charter.digest().0.to_vec() };
        let body = Some(wire::record::Body::Adopt(adopt));
        match record::encode(&wire::Record { submission: submission.to_vec(), body }) {
            Ok(payload) => {
                self.place(group, submission, RecordKind::Adopt, payload);
            }
            Err(error) => tracing::error!(%error, "the charter's adoption cannot be recorded"),
        }
    }

    fn submit(&mut self, submit: Submit, group: &mut Group) {
        if self.next == 0 || !self.outbox.is_empty() {
            self.drain(group);
        }
        let answers = submit.drafts.into_iter().map(|draft| self.enter(draft, group)).collect();
        group.replies.push((submit.reply, answers));
    }

    /// A second officer's word.
    fn decide(
        &mut self,
        ids: &[SubmissionId],
        countersign: bool,
        reply: oneshot::Sender<Vec<Answer>>,
        group: &mut Group,
    ) {
        let decide = |id: &SubmissionId| {
            // Taken out while it is entered, which would find it waiting otherwise.
            let Some(proposal) = self.proposals.remove(id) else {
                return Answer::Refused("it does not wait for a second officer any more".into());
            };
            let answer = if countersign { self.countersigned(proposal.clone(), group) } else { Answer::Dropped };
            if matches!(answer, Answer::Refused(_)) {
                self.proposals.insert(*id, proposal);
            } else {
                group.records.push(JournalRecord::ProposalEnded(*id));
            }
            answer
        };
        let answers = ids.iter().map(decide).collect();
        group.replies.push((reply, answers));
    }

    fn countersigned(&mut self, proposal: Proposal, group: &mut Group) -> Answer {
        let Some(kind) = kind_of(&proposal.record) else {
            return Answer::Refused("what waits cannot be read: reject it, and submit it again".into());
        };
        let unless_referred = if proposal.skip_known { target_of(&proposal.record) } else { None };
        let draft = Draft { submission: proposal.id, kind, payload: proposal.record, unless_referred, second: None };
        self.enter(draft, group)
    }

    fn standby(&self) -> Standby {
        let mut proposals: Vec<Waiting> = self.proposals.values().cloned().map(Waiting::from).collect();
        proposals.sort_by_key(|waiting| (waiting.at_ms, waiting.id));
        let outbox = |submission: &Submission| Waiting {
            id: submission.id,
            record: submission.record.clone(),
            officer: String::new(),
            reason: "the node does not sign at present: see `entente status`".into(),
            at_ms: 0,
            skip_known: false,
            despite_hold: false,
        };
        Standby { proposals, outbox: self.outbox.iter().map(outbox).collect() }
    }

    /// Lets a statement wait for a second officer.
    fn propose(&mut self, draft: Draft, second: Second, group: &mut Group) -> Answer {
        if self.proposals.len() >= PROPOSALS_MAX {
            return Answer::Refused(format!(
                "{PROPOSALS_MAX} submissions wait for a second officer already: countersign or reject some"
            ));
        }
        let Second { officer, reason, at_ms, despite_hold } = second;
        group.bytes = group.bytes.saturating_add(draft.payload.len()).saturating_add(RECORD_BYTES);
        let proposal = Proposal {
            id: draft.submission,
            record: draft.payload,
            officer,
            reason: reason.clone(),
            at_ms,
            skip_known: draft.unless_referred.is_some(),
            despite_hold,
        };
        group.records.push(JournalRecord::Proposed(proposal.clone()));
        self.proposals.insert(proposal.id, proposal);
        Answer::Proposed(reason)
    }

    fn enter(&mut self, mut draft: Draft, group: &mut Group) -> Answer {
        if self.core.journal.is_none() {
            return Answer::Refused(
                "the journal of this node is missing or damaged, so it can make nothing durable: see `entente status`"
                    .into(),
            );
        }
        if let Some(place) = self.core.placed(&draft.submission) {
            return self.again(place, &draft);
        }
        let used = || Answer::Refused("this submission id waits already, for another statement: take a new one".into());
        if let Some(waiting) = self.outbox.iter().find(|waiting| waiting.id == draft.submission) {
            return if alike(&waiting.record, &draft.payload) { Answer::Waiting } else { used() };
        }
        // Until a second officer has spoken nothing lets it in, whatever is asked for now.
        if let Some(proposal) = self.proposals.get(&draft.submission) {
            return if alike(&proposal.record, &draft.payload) {
                Answer::Proposed(proposal.reason.clone())
            } else {
                used()
            };
        }
        if draft.unless_referred.as_ref().is_some_and(|target| self.waiting.contains(target)) {
            return Answer::Refused(
                "this unit's referral of it waits in the outbox already (entente waiting): nothing was entered".into(),
            );
        }
        if let Some(index) = draft.unless_referred.as_ref().and_then(|target| self.refers(target)) {
            return Answer::Known(index);
        }
        if let Some(second) = draft.second.take() {
            return self.propose(draft, second, group);
        }
        if self.runs().is_none() || !self.outbox.is_empty() {
            group.bytes = group.bytes.saturating_add(draft.payload.len()).saturating_add(RECORD_BYTES);
            self.waiting.extend(target_of(&draft.payload));
            let waiting = Submission { id: draft.submission, record: draft.payload };
            group.records.push(JournalRecord::Outbox(waiting.clone()));
            self.outbox.push_back(waiting);
            self.core.set_outbox(self.outbox.len());
            return Answer::Waiting;
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

    /// The answer to a submission whose id stands in the log: that entry, if it says the same.
    fn again(&self, place: u64, draft: &Draft) -> Answer {
        let said = Hash::of(&draft.payload);
        let recent = lock(&self.core.placed).get(&draft.submission).map(|placed| placed.payload);
        let stored = || {
            let entry = self.core.store.entry(&self.core.unit, place).ok().flatten()?;
            entry.payload().map(|payload| Hash::of(payload))
        };
        match recent.or_else(stored) {
            Some(payload) if payload == said => Answer::Entered(place),
            Some(_) => Answer::Refused(format!(
                "this submission id was used before, for another statement, {}/{place}: take a new one",
                self.core.unit
            )),
            None => Answer::Refused(format!(
                "this submission id was used before, for {}/{place}, which was erased: take a new one",
                self.core.unit
            )),
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

    fn place(&mut self, group: &mut Group, submission: SubmissionId, kind: RecordKind, payload: Bytes) -> Option<u64> {
        let opening = self.draw()?;
        let time_ms = self.last_time_ms.max(self.core.clock.now_ms());
        group.bytes = group.bytes.saturating_add(payload.len()).saturating_add(RECORD_BYTES);
        let said = Hash::of(&payload);
        let entry = Entry::compose(kind.number(), time_ms, opening, payload).ok()?;
        let index = self.next;
        self.tail.push(entry.leaf_hash());
        if self.tail.len() as u64 == BUNDLE_ENTRIES {
            let hash = entente_proto::tree::level1(&self.tail).ok()?;
            group.level1.push((index / BUNDLE_ENTRIES, hash));
            self.tail.clear();
        }
        group.records.push(JournalRecord::OwnEntry(OwnEntry {
            index,
            entry: entry.clone(),
            submission: Some(submission),
        }));
        group.entries.push(entry);
        group.submissions.push((submission, index));
        lock(&self.core.placed).insert(submission, Placed { index, payload: said });
        (self.next, self.last_time_ms) = (index.saturating_add(1), time_ms);
        Some(index)
    }

    fn draw(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).ok().map(|()| bytes)
    }

    /// Makes a group durable: first in the journal, whereupon waiters are answered, then in the store, whereupon partners
    /// are served. So the store never knows an own entry that the journal does not.
    ///
    /// A group without records is answered in its turn too: what it repeats may still be on its way to the disk.
    fn commit(&mut self, group: Group) {
        let Group { records, entries, submissions, level1, replies, .. } = group;
        let answer = move || {
            for (reply, answers) in replies {
                // An officer that hung up needs no answer: the submission's id tells a second call apart.
                let _ = reply.send(answers);
            }
        };
        let Some(journal) = self.core.journal.clone() else {
            answer();
            return;
        };
        let (unit, first) = (self.core.unit.clone(), self.next.saturating_sub(entries.len() as u64));
        let core = self.core.clone();
        let journalled = move || {
            answer();
            if entries.is_empty() {
                return;
            }
            core.list.taken(unit.clone(), first, &entries);
            let from = Size::new(first).unwrap_or_default();
            let announced = erasure::announced(&unit, first, &entries);
            let append = Append { unit, from, entries: entries.clone(), level1 };
            let after = core.clone();
            let stored = move |result: Result<(), Arc<StoreError>>| match result {
                Ok(()) => after.tell(Event::OwnAppended { entries }, None),
                Err(error) => super::drive::not_stored(&error),
            };
            core.store_writer
                .submit(Batch { appends: vec![append], announced, submissions, ..Batch::default() }, Box::new(stored));
        };
        match journal.append(&records, Box::new(journalled)) {
            Ok(()) => self.forget(),
            Err(AppendError::Closed) => {}
            Err(error) => crate::fatal(&format!("the journal refuses an own entry: {error}")),
        }
    }

    /// Drops what store and list have taken over.
    fn forget(&mut self) {
        let mut placed = lock(&self.core.placed);
        if placed.len() > GROUP_MAX.saturating_mul(4) {
            let stored = self.core.store.size(&self.core.unit).get();
            placed.retain(|_, placed| placed.index >= stored);
        }
        drop(placed);
        if self.referred.len() > GROUP_MAX.saturating_mul(4) {
            let folded = self.core.list.folded(&self.core.unit);
            self.referred.retain(|_, index| *index >= folded);
        }
    }
}

/// The target of a referral.
fn target_of(payload: &[u8]) -> Option<Target> {
    record::parse(RecordKind::Refer.number(), payload).ok()?.target()
}

impl From<Proposal> for Waiting {
    fn from(proposal: Proposal) -> Self {
        let Proposal { id, record, officer, reason, at_ms, skip_known, despite_hold } = proposal;
        Self { id, record, officer, reason, at_ms, skip_known, despite_hold }
    }
}

/// Whether two records say the same, but for the time that this node gave them where the officer gave none.
fn alike(one: &[u8], other: &[u8]) -> bool {
    use prost::Message as _;
    use wire::record::Body;
    let timeless = |payload: &[u8]| {
        let mut record = wire::Record::decode(payload).ok()?;
        match record.body.as_mut()? {
            Body::Dispatch(dispatch) => dispatch.at_ms = 0,
            Body::Outcome(outcome) => outcome.at_ms = 0,
            Body::Observe(observe) => observe.observed_ms = 0,
            Body::Custody(custody) => custody.at_ms = 0,
            _ => {}
        }
        Some(record)
    };
    one == other || timeless(one).is_some_and(|record| timeless(other) == Some(record))
}

/// The kind of a record that waits.
pub(crate) fn kind_of(payload: &[u8]) -> Option<RecordKind> {
    use prost::Message as _;
    let body = wire::Record::decode(payload).ok()?.body?;
    Some(RecordKind::of_body(&body))
}

//! What waits for a second officer.

use entente_proto::hash::Hash;
use tokio::sync::oneshot;

use super::group::{Group, RECORD_BYTES};
use super::{Answer, Author, Draft, kind_of, target_of};
use crate::core::lock;
use crate::journal::{JournalRecord, Proposal, SubmissionId};

/// How many submissions wait for a second officer.
const PROPOSALS_MAX: usize = 10_000;

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
    /// Whether its officer knew that a guard list names the target.
    pub despite_guard: bool,
}

impl Author {
    /// An officer's word on what waits, here or in the outbox.
    pub(super) fn decide(
        &mut self,
        ids: &[(SubmissionId, Hash)],
        countersign: bool,
        reply: oneshot::Sender<Vec<Answer>>,
        group: &mut Group,
    ) {
        let answers = ids.iter().map(|(id, read)| self.decide_one(id, read, countersign, group)).collect();
        group.replies.push((reply, answers));
    }

    fn decide_one(&mut self, id: &SubmissionId, read: &Hash, countersign: bool, group: &mut Group) -> Answer {
        if self.core.waits(id).is_some_and(|record| Hash::of(&record) != *read) {
            return Answer::Refused("what waits under this id was replaced a moment ago: read it again".into());
        }
        // Taken out while it is entered, which would find it waiting otherwise.
        let Some(proposal) = self.proposals.remove(id) else {
            return self.take_back(id, countersign, group);
        };
        let answer = if countersign { self.countersigned(proposal.clone(), group) } else { Answer::Dropped };
        if matches!(answer, Answer::Refused(_)) {
            self.proposals.insert(*id, proposal);
            return answer;
        }
        group.records.push(JournalRecord::ProposalEnded(*id));
        // Countersigned while the node does not sign, it waits on, in the outbox.
        if !matches!(answer, Answer::Waiting) {
            lock(&self.core.waiting).remove(id);
        }
        answer
    }

    fn countersigned(&mut self, proposal: Proposal, group: &mut Group) -> Answer {
        let Some(kind) = kind_of(&proposal.record) else {
            return Answer::Refused("what waits cannot be read: reject it, and submit it again".into());
        };
        let unless_referred = if proposal.skip_known { target_of(&proposal.record) } else { None };
        let draft = Draft {
            submission: proposal.id,
            kind,
            payload: proposal.record,
            unless_referred,
            second: None,
            unjudged: false,
        };
        let runs = self.runs();
        self.enter(draft, runs, group)
    }

    /// Lets a statement wait for a second officer.
    pub(super) fn propose(&mut self, draft: Draft, second: Second, group: &mut Group) -> Answer {
        if self.proposals.len() >= PROPOSALS_MAX {
            return Answer::Refused(format!(
                "{PROPOSALS_MAX} submissions wait for a second officer already: countersign or reject some"
            ));
        }
        let Second { officer, reason, at_ms, despite_hold, despite_guard } = second;
        group.bytes = group.bytes.saturating_add(draft.payload.len()).saturating_add(RECORD_BYTES);
        let proposal = Proposal {
            id: draft.submission,
            record: draft.payload,
            officer,
            reason: reason.clone(),
            at_ms,
            skip_known: draft.unless_referred.is_some(),
            despite_hold,
            despite_guard,
        };
        group.records.push(JournalRecord::Proposed(proposal.clone()));
        lock(&self.core.waiting).insert(proposal.id, proposal.record.clone());
        self.proposals.insert(proposal.id, proposal);
        Answer::Proposed(reason)
    }
}

//! What waits, for whoever asks.

use bytes::Bytes;

use super::Author;
use crate::journal::{Proposal, Submission, SubmissionId};

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
    /// Whether its officer knew that a guard list names the target.
    pub despite_guard: bool,
}

/// All that waits.
#[derive(Debug, Clone, Default)]
pub struct Standby {
    /// For a second officer, in the order in which it came.
    pub proposals: Vec<Waiting>,
    /// For the node to sign again, in the order in which it came.
    pub outbox: Vec<Waiting>,
}

impl Author {
    pub(super) fn standby(&self) -> Standby {
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
            despite_guard: false,
        };
        Standby { proposals, outbox: self.outbox.iter().map(outbox).collect() }
    }
}

impl From<Proposal> for Waiting {
    fn from(proposal: Proposal) -> Self {
        let Proposal { id, record, officer, reason, at_ms, skip_known, despite_hold, despite_guard } = proposal;
        Self { id, record, officer, reason, at_ms, skip_known, despite_hold, despite_guard }
    }
}

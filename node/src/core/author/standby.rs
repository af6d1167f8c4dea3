//! What waits, for whoever asks.

use super::Author;
use crate::journal::{Proposal, Submission};

/// All that is durable and stands in no log.
#[derive(Debug, Clone, Default)]
pub struct Standby {
    /// For a second officer, in the order in which it came.
    pub proposals: Vec<Proposal>,
    /// For the node to sign again, in the order in which it came.
    pub outbox: Vec<Submission>,
}

impl Author {
    pub(super) fn standby(&self) -> Standby {
        let mut proposals: Vec<Proposal> = self.proposals.values().cloned().collect();
        proposals.sort_by_key(|proposal| (proposal.at_ms, proposal.id));
        Standby { proposals, outbox: self.outbox.iter().cloned().collect() }
    }
}

//! What a replay of the journal yields: the node's word, and what must go back into the database.

use std::collections::{BTreeMap, VecDeque};

use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};

use super::marks::{Contradiction, Marks};
use super::record::{Cosigned, JournalRecord, OwnCheckpoint, OwnEntry, Proposal, Submission, SubmissionId};

/// The state that the journal's records amount to.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Own entries from [`certified`](Self::certified) on, without a gap: what the database may lack.
    pub entries: VecDeque<OwnEntry>,
    /// The newest checkpoint of the own log that was signed.
    pub checkpoint: Option<OwnCheckpoint>,
    /// The size up to which the own log is certified and durable in the database; entries below are not kept here.
    pub certified: Size,
    /// For each other unit the largest checkpoint cosigned.
    pub cosigned: BTreeMap<UnitId, Cosigned>,
    /// Submissions without an index, in the order in which they came.
    pub outbox: VecDeque<Submission>,
    /// Submissions that wait for a second officer.
    pub proposals: BTreeMap<SubmissionId, Proposal>,
    /// Charters signed: version and SHA-256 of the text.
    pub charters: BTreeMap<u64, Hash>,
    /// How many bytes of a torn last frame were cut off when the journal was opened. Nobody was told of what it held.
    pub cut_bytes: u64,
    marks: Marks,
}

impl Memory {
    pub(super) const fn new(unit: UnitId) -> Self {
        Self {
            entries: VecDeque::new(),
            checkpoint: None,
            certified: Size::ZERO,
            cosigned: BTreeMap::new(),
            outbox: VecDeque::new(),
            proposals: BTreeMap::new(),
            charters: BTreeMap::new(),
            cut_bytes: 0,
            marks: Marks::new(unit),
        }
    }

    /// The size of the own log as journalled: the next entry's index.
    #[must_use]
    pub const fn own_size(&self) -> u64 {
        self.marks.own_size()
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Takes in what one frame says.
    pub(super) fn take(&mut self, records: Vec<JournalRecord>) -> Result<(), Contradiction> {
        self.marks.take(&records)?;
        for record in records {
            self.absorb(record);
        }
        Ok(())
    }

    fn absorb(&mut self, record: JournalRecord) {
        match record {
            JournalRecord::OwnEntry(own) => self.entries.push_back(own),
            JournalRecord::OwnCheckpoint(own) => self.checkpoint = Some(own),
            JournalRecord::OwnCertified(size) => {
                self.certified = size;
                while self.entries.front().is_some_and(|own| own.index < size.get()) {
                    self.entries.pop_front();
                }
            }
            JournalRecord::Cosigned(cosigned) => {
                self.cosigned.insert(cosigned.unit.clone(), cosigned);
            }
            JournalRecord::Outbox(submission) => self.outbox.push_back(submission),
            JournalRecord::OutboxTaken(id) => {
                // They are nearly always taken in order.
                if self.outbox.front().is_some_and(|first| first.id == id) {
                    self.outbox.pop_front();
                } else {
                    self.outbox.retain(|submission| submission.id != id);
                }
            }
            JournalRecord::Proposed(proposal) => {
                self.proposals.insert(proposal.id, proposal);
            }
            JournalRecord::ProposalEnded(id) => {
                self.proposals.remove(&id);
            }
            JournalRecord::CharterSigned { version, digest } => {
                self.charters.insert(version, digest);
            }
        }
    }

    /// Records that amount to this state, in an order in which they can be replayed: what compaction writes.
    pub(super) fn snapshot(self) -> impl Iterator<Item = JournalRecord> {
        let certified = (self.certified > Size::ZERO).then_some(JournalRecord::OwnCertified(self.certified));
        let charters =
            self.charters.into_iter().map(|(version, digest)| JournalRecord::CharterSigned { version, digest });
        certified
            .into_iter()
            .chain(self.entries.into_iter().map(JournalRecord::OwnEntry))
            .chain(self.checkpoint.into_iter().map(JournalRecord::OwnCheckpoint))
            .chain(self.cosigned.into_values().map(JournalRecord::Cosigned))
            .chain(charters)
            .chain(self.outbox.into_iter().map(JournalRecord::Outbox))
            .chain(self.proposals.into_values().map(JournalRecord::Proposed))
    }
}

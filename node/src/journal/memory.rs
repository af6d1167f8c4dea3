//! What a replay of the journal yields: the node's word, and what must go back into the database.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::note::VerifierKey;
use entente_proto::witness::{Known, Origin};

use super::marks::{Contradiction, Marks};
use super::record::{Cosigned, JournalRecord, OwnCheckpoint, OwnEntry, Proposal, Submission, SubmissionId, Witnessed};

/// The state that the journal's records amount to.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Own entries from [`certified`](Self::certified) on, without a gap: what the database may lack.
    pub entries: VecDeque<OwnEntry>,
    /// The newest checkpoint of the own log that was signed; nothing where that was before a loss.
    pub checkpoint: Option<OwnCheckpoint>,
    /// Its size and root, known from partners where it was signed before a loss.
    pub signed: Option<(Size, Hash)>,
    /// The size up to which the own log is durable in the database and others hold it; entries below are not kept here.
    pub certified: Size,
    /// For each other unit the largest checkpoint cosigned.
    pub cosigned: BTreeMap<UnitId, Cosigned>,
    /// For each other unit the largest checkpoint that may have been cosigned before a loss.
    pub bounds: BTreeMap<UnitId, (Size, Hash)>,
    /// Why what was signed is not all in here, if it is not.
    pub lost: Option<String>,
    /// The witness key of which all is known that it signed; no other may sign.
    pub witness: Option<VerifierKey>,
    /// What was signed as a witness, whichever key it was.
    pub witnessed: BTreeMap<Origin, Known>,
    /// Submissions without an index, in the order in which they came.
    pub outbox: VecDeque<Submission>,
    /// Submissions that wait for a second officer.
    pub proposals: BTreeMap<SubmissionId, Proposal>,
    /// Charters signed: version and SHA-256 of the text.
    pub charters: BTreeMap<u64, Hash>,
    /// Whose logs are not cosigned any more under which log keys.
    pub stopped: BTreeMap<UnitId, BTreeSet<VerifierKey>>,
    /// Which charters' bases were taken for which logs.
    pub replaced: BTreeMap<UnitId, Vec<(Size, Hash, Hash)>>,
    /// Whether a base gave the own log a new key after what was signed was lost, and this journal knows of the signing of that
    /// charter: so nothing can have been signed with that key which is not in here.
    pub rekeyed: bool,
    /// How many bytes of a torn last frame were cut off when the journal was opened. Nobody was told of what it held.
    pub cut_bytes: u64,
    marks: Marks,
}

impl Memory {
    pub(super) const fn new(unit: UnitId) -> Self {
        Self {
            entries: VecDeque::new(),
            checkpoint: None,
            signed: None,
            certified: Size::ZERO,
            cosigned: BTreeMap::new(),
            bounds: BTreeMap::new(),
            lost: None,
            witness: None,
            witnessed: BTreeMap::new(),
            outbox: VecDeque::new(),
            proposals: BTreeMap::new(),
            charters: BTreeMap::new(),
            stopped: BTreeMap::new(),
            replaced: BTreeMap::new(),
            rekeyed: false,
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
    ///
    /// # Errors
    /// What in it contradicts what went before; nothing is taken in from there on.
    pub fn take(&mut self, records: Vec<JournalRecord>) -> Result<(), Contradiction> {
        for record in records {
            // Whether anything was said of the own log before is what a base is judged by.
            let begun = self.marks.own_begun();
            self.marks.take(std::slice::from_ref(&record))?;
            self.absorb(record, begun);
        }
        Ok(())
    }

    fn absorb(&mut self, record: JournalRecord, own_begun: bool) {
        match record {
            JournalRecord::OwnEntry(own) => self.entries.push_back(own),
            JournalRecord::OwnCheckpoint(own) => {
                self.signed = Some((own.size, own.root));
                self.checkpoint = Some(own);
            }
            JournalRecord::OwnCertified(size) => self.drop_below(size),
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
            JournalRecord::Lost(reason) => {
                (self.lost, self.rekeyed, self.witness) = (Some(reason), false, None);
            }
            JournalRecord::WitnessKey(key) => {
                self.witness = Some(key);
                // A key that has signed nothing said no time.
                self.witnessed.values_mut().for_each(|known| known.time = 0);
            }
            JournalRecord::Witnessed(Witnessed { origin, known, .. }) => _ = self.witnessed.insert(origin, known),
            JournalRecord::Bound { unit, size, root } => {
                let bound = self.bounds.entry(unit).or_insert((size, root));
                if bound.0 < size {
                    *bound = (size, root);
                }
            }
            JournalRecord::Stopped { unit, key } => _ = self.stopped.entry(unit).or_default().insert(key),
            JournalRecord::Replaced { unit, size, root, charter } => {
                self.replace(unit, (size, root), charter, own_begun)
            }
            JournalRecord::Regained { size, signed } => {
                self.lost = None;
                self.drop_below(size);
                if let Some(signed) = signed.filter(|(signed, _)| self.signed.is_none_or(|(known, _)| known < *signed))
                {
                    (self.signed, self.checkpoint) = (Some(signed), None);
                }
            }
        }
    }

    /// A base stands in the place of whatever was signed or cosigned beyond it.
    fn replace(&mut self, unit: UnitId, base: (Size, Hash), charter: Hash, own_begun: bool) {
        self.stopped.remove(&unit);
        let signed = self.charters.values().any(|digest| *digest == charter);
        if unit == *self.marks.unit() {
            self.rekeyed = self.lost.is_some() && signed;
        }
        if unit != *self.marks.unit() {
            self.cosigned.remove(&unit);
            self.bounds.insert(unit.clone(), base);
        } else if own_begun {
            self.entries.clear();
            (self.certified, self.signed, self.checkpoint) = (base.0, Some(base), None);
        }
        self.replaced.entry(unit).or_default().push((base.0, base.1, charter));
    }

    fn drop_below(&mut self, size: Size) {
        self.certified = self.certified.max(size);
        while self.entries.front().is_some_and(|own| own.index < size.get()) {
            self.entries.pop_front();
        }
    }

    /// What may be kept of a journal that is damaged, and why it cannot be relied on: what was cosigned, which charters were
    /// signed, and what was submitted. Own entries are submissions again: those that are in the log will be found there.
    pub(super) fn salvage(mut self, reason: String) -> Self {
        let bounds = std::mem::take(&mut self.cosigned).into_values().map(|c| (c.unit, (c.size, c.root)));
        for (unit, bound) in bounds {
            let known = self.bounds.entry(unit).or_insert(bound);
            if known.0 < bound.0 {
                *known = bound;
            }
        }
        let submitted = self
            .entries
            .drain(..)
            .filter_map(|own| Some(Submission { id: own.submission?, record: own.entry.payload()?.clone() }));
        let submitted: Vec<Submission> =
            submitted.filter(|own| !self.outbox.iter().any(|waiting| waiting.id == own.id)).collect();
        for own in submitted.into_iter().rev() {
            self.outbox.push_front(own);
        }
        (self.signed, self.checkpoint, self.certified) = (None, None, Size::ZERO);
        (self.lost, self.witness) = (Some(reason), None);
        self
    }

    /// Records that amount to this state, in an order in which they can be replayed: what compaction writes.
    pub(super) fn snapshot(self) -> impl Iterator<Item = JournalRecord> {
        let begin = match (&self.checkpoint, self.signed) {
            (None, Some(signed)) => Some(JournalRecord::Regained { size: self.certified, signed: Some(signed) }),
            _ => (self.certified > Size::ZERO).then_some(JournalRecord::OwnCertified(self.certified)),
        };
        let bounds = self.bounds.into_iter().map(|(unit, (size, root))| JournalRecord::Bound { unit, size, root });
        let charters =
            self.charters.into_iter().map(|(version, digest)| JournalRecord::CharterSigned { version, digest });
        let mut replaced = self.replaced;
        // Behind the loss and the signing of its charter: that tells that the key which it gives was never used.
        let rekeyed = if self.rekeyed && self.lost.is_some() {
            let own = self.marks.unit();
            let last = replaced.get_mut(own).and_then(Vec::pop);
            last.map(|(size, root, charter)| JournalRecord::Replaced { unit: own.clone(), size, root, charter })
        } else {
            None
        };
        // Before anything else about their logs: then they say no more than that it was done.
        let replaced = replaced.into_iter().flat_map(|(unit, taken)| {
            let of = move |(size, root, charter)| JournalRecord::Replaced { unit: unit.clone(), size, root, charter };
            taken.into_iter().map(of)
        });
        let stopped = self.stopped.into_iter().flat_map(|(unit, keys)| {
            keys.into_iter().map(move |key| JournalRecord::Stopped { unit: unit.clone(), key })
        });
        replaced
            .chain(begin)
            .chain(self.entries.into_iter().map(JournalRecord::OwnEntry))
            .chain(self.checkpoint.into_iter().map(JournalRecord::OwnCheckpoint))
            .chain(self.cosigned.into_values().map(JournalRecord::Cosigned))
            .chain(bounds)
            .chain(charters)
            .chain(self.outbox.into_iter().map(JournalRecord::Outbox))
            .chain(self.proposals.into_values().map(JournalRecord::Proposed))
            .chain(self.lost.into_iter().map(JournalRecord::Lost))
            .chain(rekeyed)
            // Behind what replaces, which ends them.
            .chain(stopped)
            // Behind the loss, which ends those before it.
            .chain(self.witness.into_iter().map(JournalRecord::WitnessKey))
            // Behind their key, which begins with no time.
            .chain(
                self.witnessed
                    .into_iter()
                    .map(|(origin, known)| JournalRecord::Witnessed(Witnessed { origin, known, by: None })),
            )
    }
}

//! Which record may follow which: what keeps a node from contradicting itself (invariant I1).
//!
//! The same rules judge a replay (a journal that breaks them is damaged) and each append before it is written (a caller
//! that would break them is refused).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::witness::{Known, Origin};

use super::record::{JournalRecord, SubmissionId, Witnessed};

/// A record that must not follow what the journal holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// An entry that is not the next one.
    #[error("own entry {found} does not follow: the next index is {expected}")]
    Index {
        /// The next index.
        expected: u64,
        /// The record's.
        found: u64,
    },
    /// A checkpoint or certified size of the own log beyond its entries.
    #[error("the own log has {have} entries, so nothing can be said of size {found}")]
    Ahead {
        /// Entries of the own log.
        have: u64,
        /// The record's size.
        found: u64,
    },
    /// A size smaller than one already signed for.
    #[error("size {found} of the log of {unit} goes back: {before} was signed already")]
    Back {
        /// The unit whose log it is.
        unit: UnitId,
        /// The size signed before.
        before: u64,
        /// The record's size.
        found: u64,
    },
    /// A second root for one size.
    #[error("another root was already signed for size {size} of the log of {unit}")]
    TwoRoots {
        /// The unit whose log it is.
        unit: UnitId,
        /// The size.
        size: u64,
    },
    /// A cosignature of the own log.
    #[error("a node does not cosign its own log")]
    OwnLog,
    /// Something signed as a witness, though what that key signed before is not known, or it is none.
    #[error(
        "what this witness key signed is not all known, so it signs nothing more: make a new one with `entente witness key --renew`"
    )]
    WitnessKey,
    /// A smaller size than the one signed as a witness, or an earlier time.
    #[error("size {found} of the log {origin} goes back: as a witness {before} was signed already")]
    WitnessBack {
        /// The log.
        origin: Origin,
        /// The size signed before.
        before: u64,
        /// The record's size.
        found: u64,
    },
    /// A second root for one size, as a witness.
    #[error("as a witness another root was already signed for size {size} of the log {origin}")]
    WitnessRoots {
        /// The log.
        origin: Origin,
        /// The size.
        size: u64,
    },
    /// A second text for one charter version.
    #[error("another text of charter version {0} was already signed")]
    TwoCharters(u64),
    /// Something of the own log, though what was signed of it is not known.
    #[error(
        "what this node signed is lost, so it signs nothing of its own log before all partners have told what they hold"
    )]
    Lost,
    /// The end of a loss that nobody noted.
    #[error("nothing was lost")]
    NotLost,
    /// A charter's base a second time.
    #[error("the base that this charter gives the log of {0} was taken already")]
    Replaced(UnitId),
    /// A submission that the outbox already holds, or that waits for a second officer.
    #[error("a submission with this id waits already")]
    Waiting,
    /// A submission that the outbox does not hold, or that waits for no second officer.
    #[error("no submission with this id waits")]
    NotWaiting,
}

/// The little that is needed to judge the next record, and to know how much of the file still counts.
#[derive(Debug, Clone)]
pub struct Marks {
    unit: UnitId,
    /// Whether any record about the own log was seen.
    own_begun: bool,
    /// The size of the own log.
    own_size: u64,
    /// Entries below this one are not kept here.
    certified: u64,
    checkpoint: Option<(Size, Hash)>,
    /// What was cosigned, or may have been.
    cosigned: BTreeMap<UnitId, (Size, Hash)>,
    charters: BTreeMap<u64, Hash>,
    /// Which charters' bases were taken for which logs.
    replaced: BTreeSet<(UnitId, Hash)>,
    lost: bool,
    /// The witness key of which all is known that it signed.
    witness: Option<[u8; 32]>,
    /// What was signed as a witness.
    witnessed: BTreeMap<Origin, Known>,
    /// Submissions that wait, with their lengths.
    outbox: BTreeMap<SubmissionId, usize>,
    /// Submissions that wait for a second officer, with their lengths.
    proposals: BTreeMap<SubmissionId, usize>,
    /// The lengths of the entries from `certified` to `own_size`.
    lengths: VecDeque<usize>,
    live_bytes: u64,
}

/// What a record takes in the file beside its variable part: about.
const OVERHEAD_BYTES: usize = 160;

impl Marks {
    /// Of an empty journal.
    pub(super) const fn new(unit: UnitId) -> Self {
        Self {
            unit,
            own_begun: false,
            own_size: 0,
            certified: 0,
            checkpoint: None,
            cosigned: BTreeMap::new(),
            charters: BTreeMap::new(),
            replaced: BTreeSet::new(),
            lost: false,
            witness: None,
            witnessed: BTreeMap::new(),
            outbox: BTreeMap::new(),
            proposals: BTreeMap::new(),
            lengths: VecDeque::new(),
            live_bytes: 0,
        }
    }

    /// The size of the own log as journalled: the next entry's index.
    #[must_use]
    pub const fn own_size(&self) -> u64 {
        self.own_size
    }

    /// The charters signed: number and digest.
    #[must_use]
    pub const fn charters(&self) -> &BTreeMap<u64, Hash> {
        &self.charters
    }

    pub(super) const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// Whether any record about the own log was seen.
    pub(super) const fn own_begun(&self) -> bool {
        self.own_begun
    }

    /// About how many bytes of the file still count.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        let fixed = self.cosigned.len().saturating_add(self.charters.len()).saturating_add(self.witnessed.len());
        let fixed = fixed.saturating_mul(2 * OVERHEAD_BYTES);
        self.live_bytes.saturating_add(fixed as u64)
    }

    /// Judges the records, one after the other, and takes all of them in or none.
    pub(super) fn take(&mut self, records: &[JournalRecord]) -> Result<(), Contradiction> {
        let mut ahead = Ahead::new(self);
        for record in records {
            ahead.judge(record)?;
        }
        for record in records {
            self.absorb(record);
        }
        Ok(())
    }

    fn absorb(&mut self, record: &JournalRecord) {
        match record {
            JournalRecord::OwnEntry(own) => {
                let length = OVERHEAD_BYTES.saturating_add(own.entry.payload().map_or(0, bytes::Bytes::len));
                self.own_begun = true;
                self.own_size = own.index.saturating_add(1);
                self.lengths.push_back(length);
                self.live_bytes = self.live_bytes.saturating_add(length as u64);
            }
            JournalRecord::OwnCheckpoint(own) => {
                self.own_begun = true;
                self.checkpoint = Some((own.size, own.root));
            }
            JournalRecord::OwnCertified(size) => self.drop_below(size.get()),
            JournalRecord::Cosigned(cosigned) => {
                self.cosigned.insert(cosigned.unit.clone(), (cosigned.size, cosigned.root));
            }
            JournalRecord::Outbox(submission) => {
                let length = submission.record.len().saturating_add(OVERHEAD_BYTES);
                self.outbox.insert(submission.id, length);
                self.live_bytes = self.live_bytes.saturating_add(length as u64);
            }
            JournalRecord::OutboxTaken(id) => {
                let length = self.outbox.remove(id).unwrap_or(0);
                self.live_bytes = self.live_bytes.saturating_sub(length as u64);
            }
            JournalRecord::Proposed(proposal) => {
                let texts = proposal.officer.len().saturating_add(proposal.reason.len());
                let length = proposal.record.len().saturating_add(texts).saturating_add(OVERHEAD_BYTES);
                self.proposals.insert(proposal.id, length);
                self.live_bytes = self.live_bytes.saturating_add(length as u64);
            }
            JournalRecord::ProposalEnded(id) => {
                let length = self.proposals.remove(id).unwrap_or(0);
                self.live_bytes = self.live_bytes.saturating_sub(length as u64);
            }
            JournalRecord::CharterSigned { version, digest } => {
                self.charters.insert(*version, *digest);
            }
            JournalRecord::Lost(_) => (self.lost, self.witness) = (true, None),
            JournalRecord::WitnessKey(key) => {
                self.witness = Some(*key.public());
                // A key that has signed nothing said no time.
                self.witnessed.values_mut().for_each(|known| known.time = 0);
            }
            JournalRecord::Witnessed(witnessed) => {
                self.witnessed.insert(witnessed.origin.clone(), witnessed.known);
            }
            JournalRecord::Bound { unit, size, root } => {
                let mark = self.cosigned.entry(unit.clone()).or_insert((*size, *root));
                if mark.0 < *size {
                    *mark = (*size, *root);
                }
            }
            JournalRecord::Stopped { .. } => {}
            JournalRecord::Replaced { unit, size, root, charter } => {
                self.replaced.insert((unit.clone(), *charter));
                if *unit != self.unit {
                    self.cosigned.insert(unit.clone(), (*size, *root));
                } else if self.own_begun {
                    for length in self.lengths.drain(..) {
                        self.live_bytes = self.live_bytes.saturating_sub(length as u64);
                    }
                    (self.own_size, self.certified) = (size.get(), size.get());
                    self.checkpoint = Some((*size, *root));
                }
            }
            JournalRecord::Regained { size, signed } => {
                self.lost = false;
                self.drop_below(size.get());
                self.checkpoint = larger(self.checkpoint, *signed);
            }
        }
    }

    /// Own entries below this index need not be kept any more.
    fn drop_below(&mut self, size: u64) {
        for _ in self.certified..size.min(self.own_size) {
            let length = self.lengths.pop_front().unwrap_or(0);
            self.live_bytes = self.live_bytes.saturating_sub(length as u64);
        }
        self.own_begun = true;
        self.own_size = self.own_size.max(size);
        self.certified = self.certified.max(size);
    }
}

fn larger(one: Option<(Size, Hash)>, other: Option<(Size, Hash)>) -> Option<(Size, Hash)> {
    match (one, other) {
        (Some(one), Some(other)) if other.0 <= one.0 => Some(one),
        (one, other) => other.or(one),
    }
}

/// The marks as they would be after the records judged so far.
struct Ahead<'a> {
    marks: &'a Marks,
    own_begun: bool,
    own_size: u64,
    certified: u64,
    checkpoint: Option<(Size, Hash)>,
    cosigned: BTreeMap<&'a UnitId, (Size, Hash)>,
    charters: BTreeMap<u64, Hash>,
    replaced: BTreeSet<(&'a UnitId, Hash)>,
    lost: bool,
    witness: Option<[u8; 32]>,
    witnessed: BTreeMap<&'a Origin, Known>,
    /// Whether another witness key began: of what was signed before, sizes and roots bind it, and no time.
    renewed: bool,
    /// Whether a submission waits, where that changed.
    outbox: BTreeMap<SubmissionId, bool>,
    /// Whether it waits for a second officer, where that changed.
    proposals: BTreeMap<SubmissionId, bool>,
}

impl<'a> Ahead<'a> {
    const fn new(marks: &'a Marks) -> Self {
        Self {
            marks,
            own_begun: marks.own_begun,
            own_size: marks.own_size,
            certified: marks.certified,
            checkpoint: marks.checkpoint,
            cosigned: BTreeMap::new(),
            charters: BTreeMap::new(),
            replaced: BTreeSet::new(),
            lost: marks.lost,
            witness: marks.witness,
            witnessed: BTreeMap::new(),
            renewed: false,
            outbox: BTreeMap::new(),
            proposals: BTreeMap::new(),
        }
    }

    fn judge<'r: 'a>(&mut self, record: &'r JournalRecord) -> Result<(), Contradiction> {
        match record {
            JournalRecord::OwnEntry(_) | JournalRecord::OwnCheckpoint(_) if self.lost => {
                return Err(Contradiction::Lost);
            }
            JournalRecord::OwnEntry(own) => {
                if own.index != self.own_size {
                    return Err(Contradiction::Index { expected: self.own_size, found: own.index });
                }
                self.own_begun = true;
                self.own_size = own.index.saturating_add(1);
            }
            JournalRecord::OwnCheckpoint(own) => {
                self.reached(own.size)?;
                extends(&self.marks.unit, self.checkpoint.as_ref(), own.size, &own.root)?;
                self.own_begun = true;
                self.checkpoint = Some((own.size, own.root));
            }
            JournalRecord::OwnCertified(size) => self.certify(*size)?,
            JournalRecord::Cosigned(cosigned) => {
                if cosigned.unit == self.marks.unit {
                    return Err(Contradiction::OwnLog);
                }
                let before = self.cosigned.get(&cosigned.unit).or_else(|| self.marks.cosigned.get(&cosigned.unit));
                extends(&cosigned.unit, before, cosigned.size, &cosigned.root)?;
                self.cosigned.insert(&cosigned.unit, (cosigned.size, cosigned.root));
            }
            JournalRecord::Outbox(submission) => {
                if self.waits(&submission.id) {
                    return Err(Contradiction::Waiting);
                }
                self.outbox.insert(submission.id, true);
            }
            JournalRecord::OutboxTaken(id) => {
                if !self.waits(id) {
                    return Err(Contradiction::NotWaiting);
                }
                self.outbox.insert(*id, false);
            }
            JournalRecord::Proposed(proposal) => {
                if self.proposed(&proposal.id) {
                    return Err(Contradiction::Waiting);
                }
                self.proposals.insert(proposal.id, true);
            }
            JournalRecord::ProposalEnded(id) => {
                if !self.proposed(id) {
                    return Err(Contradiction::NotWaiting);
                }
                self.proposals.insert(*id, false);
            }
            JournalRecord::CharterSigned { version, digest } => {
                let before = self.charters.get(version).or_else(|| self.marks.charters.get(version));
                if before.is_some_and(|before| before != digest) {
                    return Err(Contradiction::TwoCharters(*version));
                }
                self.charters.insert(*version, *digest);
            }
            JournalRecord::Lost(_) => (self.lost, self.witness) = (true, None),
            JournalRecord::WitnessKey(key) => {
                (self.witness, self.renewed) = (Some(*key.public()), true);
                self.witnessed.values_mut().for_each(|known| known.time = 0);
            }
            JournalRecord::Witnessed(witnessed) => self.witness(witnessed)?,
            JournalRecord::Bound { unit, size, root } => {
                if *unit == self.marks.unit {
                    return Err(Contradiction::OwnLog);
                }
                let before = self.cosigned.get(unit).or_else(|| self.marks.cosigned.get(unit)).copied();
                if before.is_none_or(|(before, _)| before <= *size) {
                    extends(unit, before.as_ref(), *size, root)?;
                    self.cosigned.insert(unit, (*size, *root));
                }
            }
            JournalRecord::Stopped { .. } => {}
            JournalRecord::Replaced { unit, size, root, charter } => self.replace(unit, (*size, *root), *charter)?,
            JournalRecord::Regained { size, signed } => self.regain(*size, *signed)?,
        }
        Ok(())
    }

    /// What was signed with one witness key binds the next one as well, but for the time.
    fn witness<'r: 'a>(&mut self, record: &'r Witnessed) -> Result<(), Contradiction> {
        let Witnessed { origin, known, by } = record;
        if by.is_some() && *by != self.witness {
            return Err(Contradiction::WitnessKey);
        }
        let of_before = || self.marks.witnessed.get(origin).map(|before| (before, self.renewed));
        if let Some((before, renewed)) = self.witnessed.get(origin).map(|before| (before, false)).or_else(of_before) {
            let (size, found) = (before.size, known.size);
            if found < size || (known.time < before.time && !renewed) {
                let (before, found) = (size.get(), found.get());
                return Err(Contradiction::WitnessBack { origin: origin.clone(), before, found });
            }
            if found == size && known.root != before.root {
                return Err(Contradiction::WitnessRoots { origin: origin.clone(), size: size.get() });
            }
        }
        self.witnessed.insert(origin, *known);
        Ok(())
    }

    fn replace<'r: 'a>(&mut self, unit: &'r UnitId, base: (Size, Hash), charter: Hash) -> Result<(), Contradiction> {
        if self.marks.replaced.contains(&(unit.clone(), charter)) || !self.replaced.insert((unit, charter)) {
            return Err(Contradiction::Replaced(unit.clone()));
        }
        if *unit != self.marks.unit {
            self.cosigned.insert(unit, base);
        } else if self.own_begun {
            (self.own_size, self.certified) = (base.0.get(), base.0.get());
            self.checkpoint = Some(base);
        }
        Ok(())
    }

    fn regain(&mut self, size: Size, signed: Option<(Size, Hash)>) -> Result<(), Contradiction> {
        if !self.lost && self.own_begun {
            return Err(Contradiction::NotLost);
        }
        let unit = &self.marks.unit;
        if size.get() < self.own_size {
            return Err(Contradiction::Back { unit: unit.clone(), before: self.own_size, found: size.get() });
        }
        if let Some((signed, root)) =
            signed.filter(|(signed, _)| self.checkpoint.is_none_or(|(known, _)| known <= *signed))
        {
            extends(unit, self.checkpoint.as_ref(), signed, &root)?;
            self.checkpoint = Some((signed, root));
        }
        (self.lost, self.own_begun) = (false, true);
        (self.own_size, self.certified) = (size.get(), self.certified.max(size.get()));
        Ok(())
    }

    fn certify(&mut self, size: Size) -> Result<(), Contradiction> {
        if self.own_begun {
            self.reached(size)?;
        }
        // A smaller one says nothing new: after a loss the own log is known further than it is certified.
        self.own_begun = true;
        self.own_size = self.own_size.max(size.get());
        self.certified = self.certified.max(size.get());
        Ok(())
    }

    const fn reached(&self, size: Size) -> Result<(), Contradiction> {
        if size.get() > self.own_size {
            return Err(Contradiction::Ahead { have: self.own_size, found: size.get() });
        }
        Ok(())
    }

    fn proposed(&self, id: &SubmissionId) -> bool {
        self.proposals.get(id).copied().unwrap_or_else(|| self.marks.proposals.contains_key(id))
    }

    fn waits(&self, id: &SubmissionId) -> bool {
        self.outbox.get(id).copied().unwrap_or_else(|| self.marks.outbox.contains_key(id))
    }
}

/// A larger size always may follow: that it *extends* what was signed is proven before anything is signed over it.
fn extends(unit: &UnitId, before: Option<&(Size, Hash)>, size: Size, root: &Hash) -> Result<(), Contradiction> {
    match before {
        Some((before, _)) if size < *before => {
            Err(Contradiction::Back { unit: unit.clone(), before: before.get(), found: size.get() })
        }
        Some((before, known)) if size == *before && root != known => {
            Err(Contradiction::TwoRoots { unit: unit.clone(), size: size.get() })
        }
        _ => Ok(()),
    }
}

//! Checkpoints judged by whoever has read the log from its beginning: an auditor, or a node that makes an export.

use std::collections::BTreeSet;

use super::eras::{Adoption, Eras, Rule};
use super::sighting::Sighting;
use crate::charter::{Base, CharterChain};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{KeyName, Note, NoteSignature, VerifierKey};

/// The keys and quorums of one log, by the versions of the charter that its `Adopt`s take up. All `Adopt`s below a size must
/// be [found](Self::found) before a checkpoint of it is judged.
#[derive(Debug)]
pub struct Judge {
    eras: Eras,
}

/// Why a checkpoint cannot be judged, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// Its form, or a signature on it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An `Adopt` below its size names a charter that is not known, or has no payload.
    #[error(
        "the log adopts a version of the charter below it that is not known here, so nobody can say which keys count"
    )]
    Unknown,
    /// The author's key is not the one of that time.
    #[error("it is signed with {found}, and at that size {expected} signs")]
    Key {
        /// The key that signed.
        found: Box<VerifierKey>,
        /// The key that must.
        expected: Box<VerifierKey>,
    },
    /// A signature line that nothing accounts for.
    #[error("it carries a signature by the key {0}, which may not sign it at that size")]
    Stranger(KeyName),
    /// Signature lines in another order than the one they have, or a line twice.
    #[error("its signatures do not stand in their one order: the author, then its partners by unit")]
    Order,
}

/// A checkpoint of a log under the charter that governs it at its size.
#[derive(Debug, Clone)]
pub struct Judged {
    checkpoint: Checkpoint,
    note: Vec<u8>,
    version: u32,
    cosigners: BTreeSet<UnitId>,
    certified: bool,
    key: VerifierKey,
    witnesses: Vec<VerifierKey>,
}

impl Judge {
    /// Of a unit's log; nothing if no version lists the unit.
    #[must_use]
    pub fn new(charters: &CharterChain, unit: &UnitId) -> Option<Self> {
        Some(Self { eras: Eras::new(charters, unit)? })
    }

    /// An `Adopt` stands at this index; nothing is said where its payload is missing.
    pub fn found(&mut self, index: u64, adoption: Option<Adoption>) {
        self.eras.found(index, adoption);
    }

    /// From where a charter says that the log goes on, up to a size, and of which it is not known yet that the log does.
    #[must_use]
    pub fn unmet_bases(&self, size: Size) -> Vec<Base> {
        self.eras.unmet_bases(size)
    }

    /// The log has this base's root at its size.
    pub fn base_met(&mut self, base: Base) {
        self.eras.base_met(base);
    }

    /// The sizes of the bridges that the log must have, ascending.
    #[must_use]
    pub fn bridges(&self) -> Vec<Size> {
        // None is settled here.
        let mut bridges: Vec<Size> = self.eras.pending().collect();
        bridges.reverse();
        bridges
    }

    /// The digest of the charter that governs the log from a size on; nothing where that cannot be said.
    #[must_use]
    pub fn charter(&self, size: Size) -> Option<Hash> {
        self.eras.shown_under(size).map(|era| era.digest)
    }

    /// The public keys that sign a checkpoint of this size: the author's, then those of its witnesses by unit, for a bridge of
    /// both versions.
    ///
    /// # Errors
    /// [`JudgeError::Unknown`].
    pub fn keys(&self, size: Size) -> Result<(VerifierKey, Vec<VerifierKey>), JudgeError> {
        let rule = self.eras.rule(size).ok_or(JudgeError::Unknown)?;
        let key = self.eras.log_key(size).ok_or(JudgeError::Unknown)?;
        Ok((key.clone(), witnesses(&rule)))
    }

    /// Reads a note whose every line must be accounted for, as it stands in an export.
    ///
    /// # Errors
    /// [`JudgeError`]. Whether it is certified is not among it.
    pub fn judge(&self, bytes: &[u8]) -> Result<Judged, JudgeError> {
        let note = Note::parse(bytes, NOTE_BYTES_MAX).map_err(CheckpointError::from)?;
        let judged = self.judge_note(&note)?;
        let known =
            |line: &&NoteSignature| line.is_by(&judged.key) || judged.witnesses.iter().any(|key| line.is_by(key));
        if let Some(stranger) = note.signatures().iter().find(|line| !known(line)) {
            return Err(JudgeError::Stranger(stranger.name.clone()));
        }
        if judged.note != bytes { Err(JudgeError::Order) } else { Ok(judged) }
    }

    /// Reads a note as a node keeps it, with lines that count for nothing at its size: these are left out.
    ///
    /// # Errors
    /// [`JudgeError`]. Whether it is certified is not among it.
    pub fn sift(&self, bytes: &[u8]) -> Result<Judged, JudgeError> {
        self.judge_note(&Note::parse(bytes, NOTE_BYTES_MAX).map_err(CheckpointError::from)?)
    }

    fn judge_note(&self, note: &Note) -> Result<Judged, JudgeError> {
        let head = Sighting::of_note(note, &self.eras)?;
        let checkpoint = head.checkpoint().clone();
        let size = checkpoint.size;
        let rule = self.eras.rule(size).ok_or(JudgeError::Unknown)?;
        let (key, witnesses) = self.keys(size)?;
        if *head.signed().key() != key {
            let (found, expected) = (Box::new(head.signed().key().clone()), Box::new(key));
            return Err(JudgeError::Key { found, expected });
        }
        let mut kept = Note::draft(note.text().to_owned()).map_err(CheckpointError::from)?;
        for line in std::iter::once(&key).chain(&witnesses).filter_map(|key| note.signature_of(key)) {
            kept.add(line.clone()).map_err(CheckpointError::from)?;
        }
        Ok(Judged {
            version: self.eras.shown_under(size).map_or(0, |era| era.version),
            cosigners: rule_cosigners(&rule, note),
            certified: rule.met_by(&head),
            note: kept.to_bytes(),
            checkpoint,
            key,
            witnesses,
        })
    }
}

impl Judged {
    /// What the author says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note with the lines that count, in their one order.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The version of the charter that governs the log from this size on.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The units whose cosignatures count.
    #[must_use]
    pub const fn cosigners(&self) -> &BTreeSet<UnitId> {
        &self.cosigners
    }

    /// Whether it has its quorum; for a bridge those of both versions.
    #[must_use]
    pub const fn is_certified(&self) -> bool {
        self.certified
    }

    /// The author's key.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The keys that may cosign it, by unit.
    #[must_use]
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }
}

fn units<'a>(rule: &'a Rule<'_>) -> BTreeSet<&'a UnitId> {
    let all = std::iter::once(rule.keys).chain(rule.also);
    all.flat_map(|keys| keys.mirrors.keys()).collect()
}

/// Ascending by unit, and by key id where a unit has two.
fn witnesses(rule: &Rule<'_>) -> Vec<VerifierKey> {
    let of = |unit: &UnitId| {
        let mut keys = rule.mirrors_of(unit);
        keys.sort_by_key(VerifierKey::id);
        keys
    };
    units(rule).into_iter().flat_map(of).collect()
}

fn rule_cosigners(rule: &Rule<'_>, note: &Note) -> BTreeSet<UnitId> {
    let signed = |unit: &&UnitId| rule.mirrors_of(unit).iter().any(|key| note.signature_of(key).is_some());
    units(rule).into_iter().filter(signed).cloned().collect()
}

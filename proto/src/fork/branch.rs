//! One of two contradicting checkpoints, and who may sign it.

use std::collections::{BTreeMap, BTreeSet};

use crate::charter::Charter;
use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::ids::UnitId;
use crate::note::{Note, VerifierKey};

/// Cosignatures by unit and key id: a unit whose mirror key was replaced may have two.
pub(crate) type Words = BTreeMap<(UnitId, [u8; 4]), (VerifierKey, Cosignature)>;

/// Whose signatures may be under the checkpoints of one log: those of any version of the charter.
#[derive(Debug, Clone, Default)]
pub struct Signers {
    log_keys: Vec<VerifierKey>,
    mirrors: Vec<(UnitId, VerifierKey)>,
}

impl Signers {
    /// Of a unit's log, under these versions of the charter.
    #[must_use]
    pub fn of<'a>(unit: &UnitId, charters: impl IntoIterator<Item = &'a Charter>) -> Self {
        let mut signers = Self::default();
        for charter in charters {
            let Some(member) = charter.unit(unit) else { continue };
            signers.add(&member.log_key, charter.mirrors(unit).iter());
        }
        signers
    }

    /// These may sign too.
    pub(crate) fn add<'a>(
        &mut self,
        log_key: &VerifierKey,
        mirrors: impl IntoIterator<Item = (&'a UnitId, &'a VerifierKey)>,
    ) {
        if !self.log_keys.contains(log_key) {
            self.log_keys.push(log_key.clone());
        }
        for (unit, key) in mirrors {
            if !self.mirrors.iter().any(|(of, known)| of == unit && known == key) {
                self.mirrors.push((unit.clone(), key.clone()));
            }
        }
    }

    /// The log key that has a line under both notes; else any, whose absence is the fault then.
    pub(super) fn log_key_of(&self, notes: [&Note; 2]) -> Option<&VerifierKey> {
        let both = |key: &&VerifierKey| notes.iter().all(|note| note.signature_of(key).is_some());
        self.log_keys.iter().find(both).or(self.log_keys.first())
    }
}

/// A checkpoint that the log's author signed, with the cosignatures that are known: all verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    signed: SignedCheckpoint,
    words: Words,
}

impl Branch {
    pub(crate) const fn new(signed: SignedCheckpoint, words: Words) -> Self {
        Self { signed, words }
    }

    pub(super) fn read(note: &Note, log_key: &VerifierKey, signers: &Signers) -> Result<Self, CheckpointError> {
        let signed = SignedCheckpoint::read(note, log_key)?;
        let mut words = Words::new();
        for (unit, key) in &signers.mirrors {
            let Some(line) = note.signature_of(key) else { continue };
            let cosignature = Cosignature::from_line(line)?;
            cosignature.verify(note.text(), key)?;
            words.insert((unit.clone(), key.id()), (key.clone(), cosignature));
        }
        Ok(Self { signed, words })
    }

    /// What the author signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// What the author signed, with the signature.
    #[must_use]
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    /// The units that cosigned.
    #[must_use]
    pub fn cosigners(&self) -> BTreeSet<UnitId> {
        self.words.keys().map(|(unit, _)| unit.clone()).collect()
    }

    /// The note: the author's signature, then the cosignatures ascending by unit, and by key id where a unit has two.
    #[must_use]
    pub fn to_note(&self) -> Vec<u8> {
        let author = self.signed.to_note();
        let lines = self.words.values().map(|(key, cosignature)| cosignature.to_line(key));
        Note::assemble(self.signed.body(), author.signatures().iter().cloned().chain(lines).collect()).to_bytes()
    }
}

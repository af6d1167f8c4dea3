//! A checkpoint with what its log's partners say to it.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::ids::UnitId;
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Note, NoteError, VerifierKey};
use crate::quorum::Quorum;

/// A checkpoint that its log's author signed, and at most one cosignature of each other unit: all verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    signed: SignedCheckpoint,
    cosignatures: BTreeMap<UnitId, Cosignature>,
}

impl CosignedCheckpoint {
    /// A checkpoint that nobody has cosigned yet.
    #[must_use]
    pub const fn new(signed: SignedCheckpoint) -> Self {
        Self { signed, cosignatures: BTreeMap::new() }
    }

    /// Reads and verifies a checkpoint of the log whose key is `log_key`, and the cosignatures on it by `mirrors`: the
    /// mirror keys of all units but the author. Lines by other keys are ignored.
    ///
    /// # Errors
    /// [`CheckpointError`]: the form, another log, the author's signature missing or wrong, or that of a key in `mirrors`
    /// wrong.
    pub fn read(
        bytes: &[u8],
        log_key: &VerifierKey,
        mirrors: &BTreeMap<UnitId, VerifierKey>,
    ) -> Result<Self, CheckpointError> {
        Self::read_note(bytes, log_key, mirrors, None)
    }

    /// As [`CosignedCheckpoint::read`], but does not verify again the signatures that `known`, read or made under these
    /// very `mirrors`, has byte for byte over the same body. So the tenth cosignature costs one verification and not eleven.
    ///
    /// # Errors
    /// As [`CosignedCheckpoint::read`].
    pub fn read_knowing(
        bytes: &[u8],
        log_key: &VerifierKey,
        mirrors: &BTreeMap<UnitId, VerifierKey>,
        known: &Self,
    ) -> Result<Self, CheckpointError> {
        Self::read_note(bytes, log_key, mirrors, Some(known))
    }

    fn read_note(
        bytes: &[u8],
        log_key: &VerifierKey,
        mirrors: &BTreeMap<UnitId, VerifierKey>,
        known: Option<&Self>,
    ) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes, NOTE_BYTES_MAX)?;
        let signed = match known {
            Some(known) => SignedCheckpoint::read_knowing(&note, log_key, &known.signed)?,
            None => SignedCheckpoint::read(&note, log_key)?,
        };
        let known = known.filter(|known| known.signed.checkpoint() == signed.checkpoint());
        let mut cosignatures = BTreeMap::new();
        for (unit, key) in mirrors {
            let Some(line) = note.signature_of(key) else { continue };
            let cosignature = Cosignature::from_line(line)?;
            if known.and_then(|known| known.cosignatures.get(unit)) != Some(&cosignature) {
                cosignature.verify(note.text(), key)?;
            }
            cosignatures.insert(unit.clone(), cosignature);
        }
        Ok(Self { signed, cosignatures })
    }

    /// What the author signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// What the author signed.
    #[must_use]
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The cosignatures, by unit.
    #[must_use]
    pub const fn cosignatures(&self) -> &BTreeMap<UnitId, Cosignature> {
        &self.cosignatures
    }

    /// Adds a cosignature over this very body that the caller made or verified; `false` if the unit's is there already,
    /// and stays.
    pub fn add(&mut self, unit: UnitId, cosignature: Cosignature) -> bool {
        let before = self.cosignatures.len();
        self.cosignatures.entry(unit).or_insert(cosignature);
        self.cosignatures.len() > before
    }

    /// Verifies and adds a cosignature of `unit`, whose mirror key is `key`; `false` if the unit's is there already, and
    /// stays.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] or [`NoteError::Algorithm`]; nothing is added then.
    pub fn verify_and_add(
        &mut self,
        unit: UnitId,
        cosignature: Cosignature,
        key: &VerifierKey,
    ) -> Result<bool, NoteError> {
        if self.cosignatures.get(&unit) == Some(&cosignature) {
            return Ok(false);
        }
        cosignature.verify(&self.signed.body(), key)?;
        Ok(self.add(unit, cosignature))
    }

    /// Adds the cosignatures of `other`, a reading of the same checkpoint; returns how many are new. Of two by one unit, the
    /// one that is here stays; so does the author's signature.
    ///
    /// # Errors
    /// [`CheckpointError::Differ`] if it is another checkpoint.
    pub fn merge(&mut self, other: &Self) -> Result<usize, CheckpointError> {
        if self.signed.checkpoint() != other.signed.checkpoint() {
            return Err(CheckpointError::Differ(self.signed.origin().clone()));
        }
        let new = other.cosignatures.iter().filter(|(unit, cosignature)| self.add((*unit).clone(), **cosignature));
        Ok(new.count())
    }

    /// Whether enough units have cosigned. Counts all of them: `quorum` must be that of the charter whose mirror keys the
    /// checkpoint was read under.
    ///
    /// # Errors
    /// [`CheckpointError::NotCertified`].
    pub fn certified(&self, quorum: &Quorum) -> Result<(), CheckpointError> {
        let (found, needed) = (self.cosignatures.len(), quorum.needed());
        if found >= needed { Ok(()) } else { Err(CheckpointError::NotCertified { found, needed }) }
    }

    /// The note: the author's signature, then the cosignatures ascending by unit. A unit without a key in `mirrors` is left
    /// out, since nobody could say whose line that is.
    #[must_use]
    pub fn to_note(&self, mirrors: &BTreeMap<UnitId, VerifierKey>) -> Vec<u8> {
        let author = self.signed.to_note();
        let lines = self.cosignatures.iter().filter_map(|(unit, cosignature)| {
            let key = mirrors.get(unit)?;
            Some(cosignature.to_line(key))
        });
        let signatures = author.signatures().iter().cloned().chain(lines).collect();
        Note::assemble(self.signed.body(), signatures).to_bytes()
    }
}

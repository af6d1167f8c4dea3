//! A checkpoint of an Entente log with a witness's word on it.

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Note, NoteError, NoteSignature, VerifierKey};

/// Why a note is no checkpoint with a witness's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessedError {
    /// The checkpoint, or its author's signature.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The witness's line.
    #[error("the witness's word: {0}")]
    Word(NoteError),
    /// Other lines than these two, or in another order.
    #[error("its signatures are not two: the author's, then the witness's")]
    Lines,
}

/// A checkpoint that its author signed and a witness cosigned: both verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedCheckpoint {
    signed: SignedCheckpoint,
    witness: VerifierKey,
    word: Cosignature,
}

impl WitnessedCheckpoint {
    /// Puts the two together.
    ///
    /// # Errors
    /// [`NoteError`] unless the witness cosigned this very checkpoint.
    pub fn new(signed: SignedCheckpoint, witness: VerifierKey, word: Cosignature) -> Result<Self, NoteError> {
        word.verify(&signed.body(), &witness)?;
        Ok(Self { signed, witness, word })
    }

    /// Reads the note: the author's line, then the witness's, and nothing else.
    ///
    /// # Errors
    /// [`WitnessedError`].
    pub fn read(bytes: &[u8], log_key: &VerifierKey, witness: &VerifierKey) -> Result<Self, WitnessedError> {
        let note = Note::parse(bytes, NOTE_BYTES_MAX).map_err(CheckpointError::from)?;
        let signed = SignedCheckpoint::read(&note, log_key)?;
        let [author, line] = note.signatures() else { return Err(WitnessedError::Lines) };
        if !author.is_by(log_key) {
            return Err(WitnessedError::Lines);
        }
        if !line.is_by(witness) {
            return Err(WitnessedError::Word(NoteError::Unsigned(witness.name().clone())));
        }
        let word = Cosignature::from_line(line).map_err(WitnessedError::Word)?;
        Self::new(signed, witness.clone(), word).map_err(WitnessedError::Word)
    }

    /// What both signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// The author's key.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        self.signed.key()
    }

    /// The witness's key.
    #[must_use]
    pub const fn witness(&self) -> &VerifierKey {
        &self.witness
    }

    /// When the witness signed, Unix seconds by its clock.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.word.time
    }

    /// The note.
    #[must_use]
    pub fn to_note(&self) -> Vec<u8> {
        let author = NoteSignature::new(self.signed.key(), self.signed.signature().to_vec());
        Note::assemble(self.signed.body(), vec![author, self.word.to_line(&self.witness)]).to_bytes()
    }
}

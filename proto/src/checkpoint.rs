//! Checkpoints, C2SP `tlog-checkpoint` (<https://c2sp.org/tlog-checkpoint>): what a log's author signs.
//!
//! A checkpoint is a [signed note](crate::note) whose text, the *body*, has exactly three lines, each ended by a newline:
//!
//! 1. the origin: the name of the log and of its key, `<network>/<unit>`;
//! 2. the size: how many entries the log has, a decimal number below 2^40 without leading zeros;
//! 3. the root: canonical base64 of the 32-byte [Merkle root](crate::tree) of that many entries; of none, `SHA-256("")`.
//!
//! Further (extension) lines are refused. The author signs the body with the log key, type 0x01; its partners add
//! [cosignatures](crate::cosignature), type 0x04. With BE's log key from the seed of 32 bytes 0x01 and FR's mirror key from
//! that of 32 bytes 0x02:
//!
//! ```text
//! takedown.example/BE
//! 8
//! XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=
//!
//! — takedown.example/BE vPTlZ98dwq3I3UG3YT/HqwvnDe1H5S7jbpLG1DtR/f1iCa2qIoHP5zeTxBr8LgPZQP1rHDVxIOMMdYi9kVJi2demkgM=
//! — takedown.example/FR/mirror CO6eJgAAAABa38UATdC6Z9+tsxKT5LvJJiWbOM1z48HtfRh8XsqVtiAP9QD2K9vDWD0oHoGOGS/+xnEQGRgsiLczdIuj/Cn8V7lAAg==
//! ```
//!
//! Whoever reads one knows from the charter the log's key and the mirror keys of all other units. The author's signature
//! must be there and verify; a mirror key's must verify where it is there; lines by other keys are ignored. Lines may stand
//! in any order; written here are the author's first, then the cosignatures ascending by unit. At most 64 KiB
//! ([`NOTE_BYTES_MAX`](crate::limits::NOTE_BYTES_MAX)).
//!
//! Bytes become a [`Checkpoint`] only within a [`SignedCheckpoint`] (the author's signature verified) or a
//! [`CosignedCheckpoint`] (its partners' too); [`CosignedCheckpoint::certified`] counts them.

mod cosigned;

pub use cosigned::CosignedCheckpoint;

use crate::hash::Hash;
use crate::ids::Size;
use crate::note::{KeyError, KeyName, Note, NoteError, NoteSignature, SignError, Signer, VerifierKey, base64};

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A fault in the note, or in a signature on it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines.
    #[error("a checkpoint has exactly three lines: origin, size and root")]
    Lines,
    /// The first line is no name of a log.
    #[error("the checkpoint's origin is not valid: {0}")]
    Origin(KeyError),
    /// The second line is no size.
    #[error("the checkpoint's size is not a decimal number below 2^40 without leading zeros")]
    Size,
    /// The third line is no root.
    #[error("the checkpoint's root is not canonical base64 of 32 bytes")]
    Root,
    /// The root of an empty log is another.
    #[error("the checkpoint's root is not that of a log without entries")]
    EmptyRoot,
    /// It is about another log.
    #[error("the checkpoint is one of the log {found}, not of {expected}")]
    OtherLog {
        /// The log that was expected: the name of its key.
        expected: KeyName,
        /// The origin.
        found: KeyName,
    },
    /// Two checkpoints that are not the same.
    #[error("the checkpoints of {0} differ: only cosignatures of one and the same can be put together")]
    Differ(KeyName),
    /// Too few cosignatures.
    #[error("the checkpoint is not certified: it has {found} cosignatures of the {needed} that it needs")]
    NotCertified {
        /// How many it has.
        found: usize,
        /// How many it needs.
        needed: usize,
    },
}

/// What a checkpoint says: this log, of this size, has this root. Says nothing about who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The log, by the name of its key.
    pub origin: KeyName,
    /// Its size.
    pub size: Size,
    /// The root of that many entries.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(self.root.as_bytes()))
    }

    /// Reads the text that is signed.
    ///
    /// # Errors
    /// [`CheckpointError`] for every departure from the one form.
    pub fn parse_body(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let origin = origin.parse().map_err(CheckpointError::Origin)?;
        let number: u64 = size.parse().map_err(|_| CheckpointError::Size)?;
        let read = Size::new(number).map_err(|_| CheckpointError::Size)?;
        if read.to_string() != size {
            return Err(CheckpointError::Size);
        }
        let root = base64::decode(root).and_then(|root| Hash::from_slice(&root)).ok_or(CheckpointError::Root)?;
        if read == Size::ZERO && root != Hash::EMPTY_ROOT {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self { origin, size: read, root })
    }
}

/// A checkpoint that its log's author signed: verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    signature: [u8; 64],
    key: VerifierKey,
}

impl SignedCheckpoint {
    /// Signs a checkpoint with the log's own key. The caller has made sure that it extends whatever it signed before.
    ///
    /// # Errors
    /// [`SignError::Origin`] if the key is not named after the log, or whatever the signer says.
    pub fn sign(checkpoint: Checkpoint, signer: &dyn Signer) -> Result<Self, SignError> {
        let key = signer.key();
        if *key.name() != checkpoint.origin {
            return Err(SignError::Origin { key: key.name().clone(), origin: checkpoint.origin });
        }
        crate::note::require(signer, crate::note::Algorithm::Ed25519)?;
        let signature = signer.sign(checkpoint.body().as_bytes())?;
        Ok(Self { checkpoint, signature, key: key.clone() })
    }

    /// Verifies that the note is a checkpoint of the log whose key is `key`, signed by it.
    ///
    /// # Errors
    /// [`CheckpointError`]; [`NoteError::Unsigned`] and [`NoteError::BadSignature`] within it.
    pub fn read(note: &Note, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::of_log(note, key)?;
        let signature = note.signed_by(key)?;
        Ok(Self { checkpoint, signature, key: key.clone() })
    }

    /// As [`SignedCheckpoint::read`]; what is identical to `known` is not verified again.
    fn read_knowing(note: &Note, key: &VerifierKey, known: &Self) -> Result<Self, CheckpointError> {
        let line = note.signature_of(key).map(|line| line.bytes.as_slice());
        let same = known.key == *key && known.body() == note.text() && line == Some(known.signature.as_slice());
        if same { Ok(known.clone()) } else { Self::read(note, key) }
    }

    fn of_log(note: &Note, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse_body(note.text())?;
        if checkpoint.origin != *key.name() {
            return Err(CheckpointError::OtherLog { expected: key.name().clone(), found: checkpoint.origin });
        }
        Ok(checkpoint)
    }

    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.checkpoint.origin
    }

    /// The log's size.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.checkpoint.size
    }

    /// The root of that many entries.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// The text that was signed.
    #[must_use]
    pub fn body(&self) -> String {
        self.checkpoint.body()
    }

    /// The author's signature.
    #[must_use]
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The key that it verified under.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The note with the author's signature alone.
    #[must_use]
    pub fn to_note(&self) -> Note {
        Note::assemble(self.body(), vec![NoteSignature::new(&self.key, self.signature.to_vec())])
    }
}

#[cfg(test)]
mod tests;

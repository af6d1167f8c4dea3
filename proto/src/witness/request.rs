//! What a witness is asked.

use crate::hash::Hash;
use crate::ids::Size;
use crate::limits::{WITNESS_HASHES_MAX, WITNESS_REQUEST_BYTES_MAX};
use crate::note::{NoteSignature, base64};
use crate::witness::log::read_number;
use crate::witness::{LogCheckpoint, LogError};

/// Why bytes are no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than any request.
    #[error("the body has {0} bytes; at most {WITNESS_REQUEST_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// No blank line.
    #[error("the body has no empty line between the proof and the checkpoint")]
    NoCheckpoint,
    /// The first line.
    #[error("the first line is not \"old \" and a decimal number below 2^40 without leading zeros")]
    Old,
    /// A line of the proof.
    #[error("line {0} of the proof is not canonical base64 of 32 bytes")]
    Proof(usize),
    /// More of them than any proof has.
    #[error("the proof has more than {WITNESS_HASHES_MAX} lines")]
    TooManyHashes,
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] LogError),
}

/// A call: sign this checkpoint, which extends the tree of that size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the checkpoint that the witness signed last, as far as the caller knows; 0 if none.
    pub old: Size,
    /// That the checkpoint extends it.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub checkpoint: LogCheckpoint,
}

impl AddCheckpoint {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// [`RequestError`] for every departure from the one form.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > WITNESS_REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge(bytes.len()));
        }
        // No line before the blank one is empty, so it is the first.
        let at = bytes.windows(2).position(|two| two == b"\n\n").ok_or(RequestError::NoCheckpoint)?;
        let (head, rest) = bytes.split_at_checked(at).ok_or(RequestError::NoCheckpoint)?;
        let note = rest.get(2..).ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split(|byte| *byte == b'\n');
        let text = |line| std::str::from_utf8(line).ok();
        let old = lines.next().and_then(text).and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(read_number).ok_or(RequestError::Old)?;
        let mut proof = Vec::new();
        for (number, line) in (1_usize..).zip(lines) {
            if number > WITNESS_HASHES_MAX {
                return Err(RequestError::TooManyHashes);
            }
            let hash = text(line).and_then(base64::decode).and_then(|hash| Hash::from_slice(&hash));
            proof.push(hash.ok_or(RequestError::Proof(number))?);
        }
        Ok(Self { old, proof, checkpoint: LogCheckpoint::parse(note)? })
    }

    /// The body of a call for a checkpoint's note. What [`Self::parse`] reads, where the note is one and the proof has no more
    /// hashes than the size of a log allows.
    #[must_use]
    pub fn compose(old: Size, proof: &[Hash], note: &[u8]) -> Vec<u8> {
        let mut head = format!("old {old}\n");
        for hash in proof {
            head.extend([&base64::encode(hash.as_bytes()), "\n"]);
        }
        head.push('\n');
        [head.as_bytes(), note].concat()
    }

    /// The body of this call.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.checkpoint.body());
        for line in self.checkpoint.signatures().iter().map(NoteSignature::to_line) {
            note.extend([&line, "\n"]);
        }
        Self::compose(self.old, &self.proof, note.as_bytes())
    }
}

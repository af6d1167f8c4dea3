//! The one form of a proof for people and auditors.

use super::{ForkError, ForkProof};
use crate::charter::Charter;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::limits::{FORK_PROOF_BYTES_MAX, PROOF_HASHES_MAX};
use crate::note::base64;
use crate::wire;

/// The first line of a proof.
pub const FORMAT: &str = "entente/fork-proof@v1";

impl ForkProof {
    /// The text.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let proof = self.to_wire();
        let mut text = format!("{FORMAT}\n").into_bytes();
        for hash in &self.path {
            text.extend(base64::encode(hash.as_bytes()).bytes().chain(*b"\n"));
        }
        for note in [&proof.smaller, &proof.larger] {
            text.push(b'\n');
            text.extend_from_slice(note);
        }
        text
    }

    /// Reads and verifies a proof under a network's charters, one version or several: everything in it must be accounted for.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn verify_text(bytes: &[u8], charters: &[&Charter]) -> Result<Self, ForkError> {
        let proof = Self::verify(&parse(bytes, charters)?, charters)?;
        if proof.to_text() != bytes {
            let why = "a signature line of a key that the charter does not know, or lines in another order";
            return Err(ForkError::Form(why));
        }
        Ok(proof)
    }
}

/// Takes a text apart. Whose log it is about is what its first checkpoint says.
fn parse(bytes: &[u8], charters: &[&Charter]) -> Result<wire::ForkProof, ForkError> {
    if bytes.len() > FORK_PROOF_BYTES_MAX {
        return Err(ForkError::Form("it is longer than any such proof"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ForkError::Form("it is not UTF-8"))?;
    let rest = text.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix('\n'));
    let mut rest = rest.ok_or(ForkError::Form("its first line is another"))?;
    let mut consistency = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n').ok_or(ForkError::Form("it was cut short"))?;
        rest = after;
        if line.is_empty() {
            break;
        }
        if consistency.len() >= PROOF_HASHES_MAX {
            return Err(ForkError::Hashes);
        }
        let hash = base64::decode(line).and_then(|bytes| Hash::from_slice(&bytes));
        consistency.push(hash.ok_or(ForkError::Form("a line that should be a hash is none"))?.0.to_vec());
    }
    // A checkpoint's note has one empty line, behind its body.
    let parts: Vec<&str> = rest.split("\n\n").collect();
    let [body, signatures, larger_body, larger_signatures] = parts.as_slice() else {
        return Err(ForkError::Form("it has not two checkpoints"));
    };
    let checkpoint = Checkpoint::parse_body(&format!("{body}\n"));
    let origin = checkpoint.map_err(|fault: CheckpointError| ForkError::Checkpoint { which: "first", fault })?.origin;
    let units = charters.iter().flat_map(|charter| charter.units().values());
    let unit = units.into_iter().find(|unit| *unit.log_key.name() == origin);
    Ok(wire::ForkProof {
        unit: unit.ok_or(ForkError::UnknownLog(origin))?.id.to_string(),
        smaller: format!("{body}\n\n{signatures}\n").into_bytes(),
        larger: format!("{larger_body}\n\n{larger_signatures}").into_bytes(),
        consistency,
    })
}

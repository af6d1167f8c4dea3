//! Proof that a log forked: two checkpoints that its log key signed and that contradict each other.
//!
//! # What is evidence
//!
//! Both notes are signed with one log key, and either
//!
//! - their sizes are the same and their roots are not; the proof then has no hashes; or
//! - the smaller one's size *s1* is at least 1 and below the larger one's *s2*, and the hashes are a
//!   [path](crate::tree::consistency_path) from *s1* to *s2* which leads to the larger one's root, and at *s1* to **another**
//!   root than the smaller one's.
//!
//! The path shows what the tree of the larger checkpoint has at *s1*. A path that does not lead to the larger root shows
//! nothing, and neither does one that leads to both roots: the one checkpoint extends the other then.
//!
//! Whoever holds the entries of the larger checkpoint can make the proof from its own tree and the smaller note alone. So of
//! two nodes that hold contradicting checkpoints and show each other their notes, one always can.
//!
//! # Who else is named
//!
//! The notes carry the cosignatures that were known. A unit whose mirror key is under both has put its name to both
//! branches: [`ForkProof::cosigned_both`]. (An honest node never does, unless it lost its journal.)
//!
//! # The text
//!
//! For people and auditors, UTF-8, lines ended by a line feed:
//!
//! 1. the format: `entente/fork-proof@v1`;
//! 2. the hashes of the path, one base64 hash a line;
//! 3. an empty line, and the note of the smaller checkpoint;
//! 4. an empty line, and the note of the larger one.
//!
//! Of equal sizes the one with the smaller root (as bytes) stands first. Signature lines stand in the one order of
//! [checkpoints](crate::checkpoint), and lines of keys that the charter does not know are a fault.

mod branch;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use crate::charter::Charter;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::ids::UnitId;
use crate::limits::{NOTE_BYTES_MAX, PROOF_HASHES_MAX};
use crate::note::{KeyName, Note};
use crate::tree::{ProofError, consistency_roots};
use crate::wire;

pub use branch::{Branch, Signers};
pub use text::FORMAT;

/// Why something is no proof of a fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// It is about another unit's log.
    #[error("it is about the log of {found:?}, not of {expected}")]
    Unit {
        /// Whose log was expected.
        expected: UnitId,
        /// The unit that it names.
        found: String,
    },
    /// More hashes than any path has, or some that have not 32 bytes.
    #[error("its hashes are more than {PROOF_HASHES_MAX}, or not of 32 bytes")]
    Hashes,
    /// A checkpoint that the log's author did not sign, or that carries a wrong cosignature.
    #[error("its {which} checkpoint does not verify: {fault}")]
    Checkpoint {
        /// Which of the two.
        which: &'static str,
        /// What is wrong with it.
        fault: CheckpointError,
    },
    /// The checkpoint that should be the smaller one is the larger.
    #[error("its checkpoints stand in the wrong order: the smaller comes first, and of equal sizes the smaller root")]
    Order,
    /// The same checkpoint twice, or hashes where none are needed.
    #[error("its checkpoints say the same")]
    Same,
    /// Checkpoints of one size with hashes.
    #[error("its checkpoints have the same size, so there is nothing for its hashes to prove")]
    Idle,
    /// Hashes that are no path between the two sizes.
    #[error("its hashes are no path between the two sizes: {0}")]
    Path(ProofError),
    /// A path that does not lead to the larger checkpoint: that shows nothing.
    #[error("its hashes do not lead to the root of the larger checkpoint: that shows nothing")]
    Astray,
    /// A path that leads to both roots.
    #[error("its larger checkpoint extends the smaller one: they do not contradict each other")]
    Extends,
    /// Two log keys of one unit.
    #[error(
        "its checkpoints are signed with different keys of the log: that one key contradicts itself is to be shown"
    )]
    Keys,
    /// The text is not in its one form.
    #[error("it is not in the one form of a fork's proof: {0}")]
    Form(&'static str),
    /// No unit of the charter has that log.
    #[error("it is about the log {0}, and the charter lists no unit with that log: take the network's charter")]
    UnknownLog(KeyName),
}

/// Two contradicting checkpoints of one log: verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    unit: UnitId,
    smaller: Branch,
    larger: Branch,
    path: Vec<Hash>,
}

impl ForkProof {
    /// Puts a proof together from two checkpoints of the unit's log, in any order, and the path from the smaller to the
    /// larger; no hashes where the sizes are equal.
    ///
    /// # Errors
    /// [`ForkError`] if they do not contradict each other, or the path does not show it.
    pub fn compose(unit: UnitId, one: Branch, other: Branch, path: Vec<Hash>) -> Result<Self, ForkError> {
        let (smaller, larger) =
            if order(one.checkpoint()) <= order(other.checkpoint()) { (one, other) } else { (other, one) };
        if path.len() > PROOF_HASHES_MAX {
            return Err(ForkError::Hashes);
        }
        if smaller.signed().key() != larger.signed().key() {
            return Err(ForkError::Keys);
        }
        contradict(smaller.checkpoint(), larger.checkpoint(), &path)?;
        Ok(Self { unit, smaller, larger, path })
    }

    /// Reads and verifies a proof about the log of `unit`, which these may sign. Lines of other keys are ignored.
    ///
    /// # Errors
    /// [`ForkError`]: the first thing that keeps it from being evidence. Lengths are checked before anything is hashed, and
    /// hashes before any signature.
    pub fn read(proof: &wire::ForkProof, unit: &UnitId, signers: &Signers) -> Result<Self, ForkError> {
        if proof.unit != unit.as_str() {
            return Err(ForkError::Unit { expected: unit.clone(), found: proof.unit.chars().take(16).collect() });
        }
        if proof.consistency.len() > PROOF_HASHES_MAX {
            return Err(ForkError::Hashes);
        }
        let path: Option<Vec<Hash>> = proof.consistency.iter().map(|bytes| Hash::from_slice(bytes)).collect();
        let path = path.ok_or(ForkError::Hashes)?;
        // Hashing is cheap, so that nobody makes this node verify signatures that prove nothing.
        let ((one, smaller), (other, larger)) = (said("first", &proof.smaller)?, said("second", &proof.larger)?);
        if order(&smaller) > order(&larger) {
            return Err(ForkError::Order);
        }
        contradict(&smaller, &larger, &path)?;
        let key = signers.log_key_of([&one, &other]).ok_or(ForkError::Keys)?;
        let branch = |which, note: &Note| {
            Branch::read(note, key, signers).map_err(|fault| ForkError::Checkpoint { which, fault })
        };
        Self::compose(unit.clone(), branch("first", &one)?, branch("second", &other)?, path)
    }

    /// Verifies a proof under a network's charters, one version or several: of the unit that it names, with a log key that
    /// one of them gives to that unit.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn verify(proof: &wire::ForkProof, charters: &[&Charter]) -> Result<Self, ForkError> {
        let unit: UnitId = proof.unit.parse().map_err(|_| ForkError::Form("the unit's id is no id"))?;
        if let Some(unit) = charters.iter().find_map(|charter| charter.unit(&unit)) {
            return Self::read(proof, &unit.id, &Signers::of(&unit.id, charters.iter().copied()));
        }
        let network = charters.first().ok_or(ForkError::Form("there is no charter to judge it by"))?.network();
        Err(ForkError::UnknownLog(KeyName::log(network, &unit)))
    }

    /// The message.
    #[must_use]
    pub fn to_wire(&self) -> wire::ForkProof {
        wire::ForkProof {
            unit: self.unit.to_string(),
            smaller: self.smaller.to_note(),
            larger: self.larger.to_note(),
            consistency: self.path.iter().map(|hash| hash.0.to_vec()).collect(),
        }
    }

    /// Whose log forked.
    #[must_use]
    pub const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// The checkpoint with the smaller size.
    #[must_use]
    pub const fn smaller(&self) -> &Branch {
        &self.smaller
    }

    /// The checkpoint with the larger size.
    #[must_use]
    pub const fn larger(&self) -> &Branch {
        &self.larger
    }

    /// The units that have cosigned both.
    #[must_use]
    pub fn cosigned_both(&self) -> BTreeSet<UnitId> {
        self.smaller.cosigners().intersection(&self.larger.cosigners()).cloned().collect()
    }
}

/// What decides which of two checkpoints stands first.
fn order(checkpoint: &Checkpoint) -> (u64, Hash) {
    (checkpoint.size.get(), checkpoint.root)
}

/// What a note says, whoever signed it.
fn said(which: &'static str, bytes: &[u8]) -> Result<(Note, Checkpoint), ForkError> {
    let read = || -> Result<_, CheckpointError> {
        let note = Note::parse(bytes, NOTE_BYTES_MAX)?;
        let checkpoint = Checkpoint::parse_body(note.text())?;
        Ok((note, checkpoint))
    };
    read().map_err(|fault| ForkError::Checkpoint { which, fault })
}

fn contradict(smaller: &Checkpoint, larger: &Checkpoint, path: &[Hash]) -> Result<(), ForkError> {
    if smaller == larger {
        return Err(ForkError::Same);
    }
    if smaller.size == larger.size {
        // Of one size and one log, and not the same: the roots differ.
        return if path.is_empty() { Ok(()) } else { Err(ForkError::Idle) };
    }
    let (at_smaller, at_larger) = consistency_roots(smaller.size, larger.size, path).map_err(ForkError::Path)?;
    if at_larger != larger.root {
        return Err(ForkError::Astray);
    }
    if at_smaller == smaller.root { Err(ForkError::Extends) } else { Ok(()) }
}

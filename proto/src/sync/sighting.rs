//! A checkpoint as it is met on the way: signed by one of the log's keys, cosigned by mirror keys of any version of the
//! charter. Which of them count is judged when its place in the log is known ([`Rule`](super::eras::Rule)).

use std::collections::{BTreeMap, BTreeSet};

use super::eras::Eras;
use super::event::LogKeys;
use crate::checkpoint::{Checkpoint, CheckpointError, CosignedCheckpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::fork::Branch;
use crate::ids::UnitId;
use crate::limits::NOTE_BYTES_MAX;
use crate::note::{Note, NoteError, VerifierKey};

/// A verified checkpoint with verified cosignatures, one of each mirror key. A unit whose mirror key was replaced may have
/// two.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    signed: SignedCheckpoint,
    words: BTreeMap<(UnitId, [u8; 4]), (VerifierKey, Cosignature)>,
}

impl Sighting {
    pub(super) const fn new(signed: SignedCheckpoint) -> Self {
        Self { signed, words: BTreeMap::new() }
    }

    /// Reads a note and verifies whatever any key of the log's eras signed on it. Where several of the log's keys signed,
    /// all must verify, and the newest counts.
    pub(super) fn read(bytes: &[u8], eras: &Eras) -> Result<Self, CheckpointError> {
        Self::of_note(&Note::parse(bytes, NOTE_BYTES_MAX)?, eras)
    }

    pub(super) fn of_note(note: &Note, eras: &Eras) -> Result<Self, CheckpointError> {
        let mut signed = None;
        let mut missing = None;
        for key in eras.log_keys() {
            match SignedCheckpoint::read(note, key) {
                Ok(read) => signed = signed.or(Some(read)),
                // Of another key than those that signed: fine if any did.
                Err(CheckpointError::Note(NoteError::Unsigned(name))) => missing = missing.or(Some(name)),
                Err(error) => return Err(error),
            }
        }
        let signed = match (signed, missing) {
            (Some(signed), _) => signed,
            (None, Some(name)) => return Err(NoteError::Unsigned(name).into()),
            (None, None) => return Err(CheckpointError::Lines),
        };
        let mut sighting = Self::new(signed);
        for (unit, cosignature, key) in words(note, eras, &BTreeSet::new())? {
            sighting.add(unit, key, cosignature);
        }
        Ok(sighting)
    }

    /// The cosignatures on a note of this very checkpoint that are not here yet, verified.
    pub(super) fn news(&self, note: &Note, eras: &Eras) -> Result<Vec<(UnitId, Cosignature, VerifierKey)>, NoteError> {
        words(note, eras, &self.words.keys().cloned().collect())
    }

    pub(super) const fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    pub(super) const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The units that cosigned, each once, ascending.
    pub(super) fn cosigners(&self) -> impl Iterator<Item = &UnitId> {
        let mut last = None;
        // Those of one unit stand side by side.
        self.words.keys().filter_map(move |(unit, _)| (last.replace(unit) != Some(unit)).then_some(unit))
    }

    /// Whether as many units cosigned with the mirror keys of this version of the charter as it asks for.
    pub(super) fn has_quorum(&self, keys: &LogKeys) -> bool {
        let needed = keys.quorum.needed();
        self.words.len() >= needed && self.count(keys) >= needed
    }

    /// Whether a unit cosigned with any of its keys.
    pub(super) fn is_cosigned_by(&self, unit: &UnitId) -> bool {
        self.words.keys().any(|(by, _)| by == unit)
    }

    /// How many units cosigned with the mirror keys of this version of the charter.
    fn count(&self, keys: &LogKeys) -> usize {
        self.words.iter().filter(|((unit, _), (key, _))| keys.mirrors.get(unit) == Some(key)).count()
    }

    /// Adds a cosignature over this very body that the caller made or verified.
    pub(super) fn add(&mut self, unit: UnitId, key: VerifierKey, cosignature: Cosignature) {
        self.words.entry((unit, key.id())).or_insert((key, cosignature));
    }

    /// How many cosignatures it has.
    pub(super) fn weight(&self) -> usize {
        self.words.len()
    }

    /// Adds the cosignatures of another sighting of the same checkpoint. Gives whether one was new.
    pub(super) fn merge(&mut self, other: Self) -> bool {
        let before = self.words.len();
        for (at, word) in other.words {
            self.words.entry(at).or_insert(word);
        }
        self.words.len() > before
    }

    /// As evidence.
    pub(super) fn branch(&self) -> Branch {
        Branch::new(self.signed.clone(), self.words.clone())
    }

    /// Who cosigned with which key.
    #[cfg(test)]
    pub(super) fn words(&self) -> impl Iterator<Item = (&UnitId, &VerifierKey)> {
        self.words.iter().map(|((unit, _), (key, _))| (unit, key))
    }

    /// One side of a proof that was verified.
    pub(super) fn of_branch(branch: &Branch) -> Self {
        Self { signed: branch.signed().clone(), words: branch.words().clone() }
    }

    /// What this version of the charter makes of it.
    pub(super) fn under(&self, keys: &LogKeys) -> CosignedCheckpoint {
        let mut head = CosignedCheckpoint::new(self.signed.clone());
        for ((unit, _), (key, cosignature)) in &self.words {
            if keys.mirrors.get(unit) == Some(key) {
                head.add(unit.clone(), *cosignature);
            }
        }
        head
    }

    /// The note: the author's signature, then the cosignatures ascending by unit.
    pub(super) fn to_note(&self) -> Vec<u8> {
        let author = self.signed.to_note();
        let words = self.words.values().map(|(key, cosignature)| cosignature.to_line(key));
        let lines = author.signatures().iter().cloned().chain(words).collect();
        Note::assemble(self.signed.body(), lines).to_bytes()
    }
}

/// The cosignatures on a note by keys of the eras, but for those that are `held`.
fn words(
    note: &Note,
    eras: &Eras,
    held: &BTreeSet<(UnitId, [u8; 4])>,
) -> Result<Vec<(UnitId, Cosignature, VerifierKey)>, NoteError> {
    let mut seen = held.clone();
    let mut found = Vec::new();
    for (unit, key) in eras.mirrors() {
        let Some(line) = note.signature_of(key) else { continue };
        if !seen.insert((unit.clone(), key.id())) {
            continue;
        }
        let cosignature = Cosignature::from_line(line)?;
        cosignature.verify(note.text(), key)?;
        found.push((unit.clone(), cosignature, key.clone()));
    }
    Ok(found)
}

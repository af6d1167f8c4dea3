//! From the bytes of a charter to a [`Charter`] that counts.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CharterError;
use super::text::{Terms, Unit, check_characters};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::{NetworkName, UnitId};
use crate::limits::CHARTER_BYTES_MAX;
use crate::note::{Algorithm, KeyName, Note, NoteError, NoteSignature, VerifierKey};
use crate::quorum::Quorum;

/// A charter whose text holds all rules and whose signatures, as far as there are any, are right; whether they are enough
/// is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedCharter {
    terms: Terms,
    digest: Hash,
    /// With the signatures of keys that the text names, each checked, in the order of the keys' names.
    note: Note,
}

impl UnverifiedCharter {
    /// Reads a charter: a note, or the text alone as long as nobody has signed.
    ///
    /// Signatures of keys that the text does not name are ignored, and dropped when the charter is written again.
    ///
    /// # Errors
    /// Any rule of the text that is broken; a signature of a key that the text names and that does not hold.
    pub fn parse(bytes: &[u8]) -> Result<Self, CharterError> {
        let whole = check_characters(bytes)?;
        // A note's signature lines begin with an em dash; no TOML line does.
        let note = if whole.contains("\n\n\u{2014} ") {
            Note::parse(bytes, CHARTER_BYTES_MAX).map_err(CharterError::Note)?
        } else {
            Note::draft(whole.to_owned()).map_err(CharterError::Note)?
        };
        let terms = Terms::parse(note.text())?;
        let digest = Hash::of(note.text().as_bytes());
        let draft = Note::draft(note.text().to_owned()).map_err(CharterError::Note)?;
        let mut charter = Self { terms, digest, note: draft };
        charter.add_all(note.signatures())?;
        Ok(charter)
    }

    /// Verifies a first version: every key of every unit must have signed.
    ///
    /// # Errors
    /// [`CharterError::NotFirst`] for a later version, [`CharterError::Unsigned`] with the names of the keys that have not
    /// signed.
    pub fn verify_first(&self) -> Result<Charter, CharterError> {
        if self.terms.version != 1 {
            return Err(CharterError::NotFirst(self.terms.version));
        }
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(CharterError::Unsigned(missing));
        }
        Ok(Charter { terms: self.terms.clone(), digest: self.digest, note: self.to_bytes() })
    }

    /// What the text says.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The note's text, which is what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// SHA-256 of the note's text.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Whether this key has signed.
    #[must_use]
    pub fn has_signed(&self, key: &VerifierKey) -> bool {
        self.note.signature_of(key).is_some()
    }

    /// The names of the keys that have not signed yet, unit by unit.
    #[must_use]
    pub fn missing(&self) -> Vec<KeyName> {
        self.terms.keys().filter(|key| !self.has_signed(key)).map(|key| key.name().clone()).collect()
    }

    /// The charter's file: the text alone while nobody has signed, else the note. Signatures stand in the order of the key
    /// names' bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.note.signatures().is_empty() {
            return self.text().as_bytes().to_vec();
        }
        self.note.to_bytes()
    }

    /// Adds signatures of keys that the text names and that have not signed yet, each checked. Returns the names of the
    /// keys whose signatures are new. After an error nothing has changed.
    pub(super) fn add_all(&mut self, signatures: &[NoteSignature]) -> Result<Vec<KeyName>, CharterError> {
        let mut all: BTreeMap<KeyName, NoteSignature> =
            self.note.signatures().iter().map(|held| (held.name.clone(), held.clone())).collect();
        let mut added = Vec::new();
        for signature in signatures {
            let Some(key) = self.terms.keys().find(|key| signature.is_by(key)) else { continue };
            check(self.text(), signature, key)
                .map_err(|reason| CharterError::BadSignature { key: key.name().clone(), reason })?;
            if !all.contains_key(key.name()) {
                all.insert(key.name().clone(), signature.clone());
                added.push(key.name().clone());
            }
        }
        let mut note = Note::draft(self.text().to_owned()).map_err(CharterError::Note)?;
        for signature in all.into_values() {
            note.add(signature).map_err(CharterError::Note)?;
        }
        self.note = note;
        Ok(added)
    }

    pub(super) fn signatures(&self) -> &[NoteSignature] {
        self.note.signatures()
    }
}

fn check(text: &str, signature: &NoteSignature, key: &VerifierKey) -> Result<(), NoteError> {
    match key.algorithm() {
        Algorithm::Ed25519 => signature.verify(text, key).map(drop),
        Algorithm::Cosignature => Cosignature::from_line(signature)?.verify(text, key),
    }
}

/// A charter that counts: its text holds all rules, and everyone who had to has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    terms: Terms,
    digest: Hash,
    note: Vec<u8>,
}

impl Charter {
    /// What the text says.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkName {
        &self.terms.network
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.terms.version
    }

    /// The version of the fold's rules.
    #[must_use]
    pub fn fold(&self) -> u32 {
        self.terms.fold
    }

    /// SHA-256 of the note's text.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The note: text and signatures.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// How many of the other units' cosignatures certify a checkpoint.
    #[must_use]
    pub fn quorum(&self) -> Quorum {
        self.terms.quorum
    }

    /// The units, in the order of their ids.
    #[must_use]
    pub fn units(&self) -> &BTreeMap<UnitId, Unit> {
        &self.terms.units
    }

    /// A unit.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> Option<&Unit> {
        self.terms.units.get(id)
    }

    /// SHA-256 of the public keys (SPKI) of certificates that are not accepted any more.
    #[must_use]
    pub fn revoked(&self) -> &BTreeSet<Hash> {
        &self.terms.revoked
    }

    /// The mirror keys that may cosign this unit's log: those of all other units.
    #[must_use]
    pub fn mirrors(&self, log_of: &UnitId) -> BTreeMap<UnitId, VerifierKey> {
        let others = self.terms.units.values().filter(|unit| unit.id != *log_of);
        others.map(|unit| (unit.id.clone(), unit.mirror_key.clone())).collect()
    }
}

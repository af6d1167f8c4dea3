//! From the bytes of a charter to a [`Charter`] that counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    terms: Arc<Terms>,
    digest: Hash,
    text: String,
    /// What the version before says, where it is known: then its charter keys' signatures are checked too.
    before: Option<Arc<Terms>>,
    /// The signatures of the keys that are [known](Self::keys), each checked, in the order of names and ids.
    signatures: Lines,
    /// In a later version whose version before is not known: lines that may be its units' votes. Nothing is checked of them;
    /// they are kept so that a file which goes from hand to hand loses none.
    unchecked: Lines,
}

/// Signature lines by the names and ids of their keys.
type Lines = BTreeMap<(KeyName, [u8; 4]), NoteSignature>;

fn place(line: &NoteSignature) -> (KeyName, [u8; 4]) {
    (line.name.clone(), line.id)
}

impl UnverifiedCharter {
    /// Reads a charter: a note, or the text alone as long as nobody has signed.
    ///
    /// Signatures of keys that the text does not name are ignored, and dropped when the charter is written again; but for a
    /// later version, lines that are named as charter keys are kept, unchecked, until `following` tells which of
    /// them are votes.
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
        let terms = Arc::new(Terms::parse(note.text())?);
        let text = note.text().to_owned();
        let digest = Hash::of(text.as_bytes());
        let (signatures, unchecked) = (Lines::new(), Lines::new());
        let mut charter = Self { terms, digest, text, before: None, signatures, unchecked };
        charter.add_all(note.signatures())?;
        Ok(charter)
    }

    /// The same charter, read as one that follows a version whose terms are `before`: the charter keys of that version
    /// count, and lines by any other key are dropped. Whether it may follow is not said.
    ///
    /// # Errors
    /// A signature of a charter key of the version before that does not hold.
    pub(super) fn following(mut self, before: Arc<Terms>) -> Result<Self, CharterError> {
        self.before = Some(before);
        let lines: Vec<NoteSignature> = std::mem::take(&mut self.unchecked).into_values().collect();
        self.add_all(&lines)?;
        Ok(self)
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
        Ok(self.counted())
    }

    /// The charter, once it was found that it counts.
    pub(super) fn counted(&self) -> Charter {
        Charter { terms: self.terms.clone(), digest: self.digest, note: self.to_bytes().into() }
    }

    /// What the text says.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What the version before says, where this was read as one that follows it.
    #[must_use]
    pub fn before(&self) -> Option<&Terms> {
        self.before.as_deref()
    }

    /// The note's text, which is what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the note's text.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Whether this key has signed.
    #[must_use]
    pub fn has_signed(&self, key: &VerifierKey) -> bool {
        self.signatures.values().any(|line| line.is_by(key))
    }

    /// The keys whose signatures are checked: those that the text names, and the charter keys of the version before.
    pub(super) fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        let voters = self.before.iter().flat_map(|before| before.units.values()).map(|unit| &unit.charter_key);
        let named = |key: &VerifierKey| self.terms.keys().any(|named| named == key);
        self.terms.keys().chain(voters.filter(move |key| !named(key)))
    }

    /// Whether it is expected of a key that it signs: of every one in a first version; in a later one of those that are new
    /// in it, and of the charter keys of the version before.
    #[must_use]
    pub fn is_due(&self, key: &VerifierKey) -> bool {
        let Some(before) = &self.before else { return self.terms.keys().any(|named| named == key) };
        let votes = before.units.values().any(|unit| unit.charter_key == *key);
        let stood = before.keys().any(|stood| stood == key);
        votes || (!stood && self.terms.keys().any(|named| named == key))
    }

    /// The names of the keys that must sign and have not yet, unit by unit. In a later version these are the new keys; how
    /// many of the units before must sign besides is what [`Self::votes`] tells.
    #[must_use]
    pub fn missing(&self) -> Vec<KeyName> {
        let new =
            |key: &&VerifierKey| self.before.as_ref().is_none_or(|before| !before.keys().any(|stood| stood == *key));
        let missing = self.terms.keys().filter(new).filter(|key| !self.has_signed(key));
        missing.map(|key| key.name().clone()).collect()
    }

    /// Which units of the version before have signed; nothing for a first version, or where the one before is not known.
    #[must_use]
    pub fn votes(&self) -> Option<Votes> {
        let before = self.before.as_ref()?;
        let (given, open): (Vec<&Unit>, Vec<&Unit>) =
            before.units.values().partition(|unit| self.has_signed(&unit.charter_key));
        let ids = |units: Vec<&Unit>| units.into_iter().map(|unit| unit.id.clone()).collect();
        Some(Votes { needed: Votes::needed_of(before.units.len()), given: ids(given), open: ids(open) })
    }

    /// The charter's file: the text alone while nobody has signed, else the note. Signatures stand in the order of the key
    /// names' bytes, then of the key ids.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines = self.signatures.clone();
        lines.extend(self.unchecked.iter().map(|(place, line)| (place.clone(), line.clone())));
        if lines.is_empty() {
            return self.text.as_bytes().to_vec();
        }
        Note::assemble(self.text.clone(), lines.into_values().collect()).to_bytes()
    }

    /// Adds signatures of keys that are known and that have not signed yet, each checked. Returns the names of the
    /// keys whose signatures are new. After an error nothing has changed.
    pub(super) fn add_all(&mut self, signatures: &[NoteSignature]) -> Result<Vec<KeyName>, CharterError> {
        let (mut all, mut unchecked) = (self.signatures.clone(), self.unchecked.clone());
        let mut added = Vec::new();
        for line in signatures {
            let Some(key) = self.keys().find(|key| line.is_by(key)) else {
                if self.may_be_a_vote(line) && unchecked.len() < crate::limits::UNITS_MAX {
                    unchecked.entry(place(line)).or_insert_with(|| line.clone());
                }
                continue;
            };
            check(&self.text, line, key)
                .map_err(|reason| CharterError::BadSignature { key: key.name().clone(), reason })?;
            if let Entry::Vacant(free) = all.entry(place(line)) {
                free.insert(line.clone());
                added.push(key.name().clone());
            }
        }
        (self.signatures, self.unchecked) = (all, unchecked);
        Ok(added)
    }

    /// Whether a line by an unknown key may turn out to be by a charter key of the version before.
    fn may_be_a_vote(&self, line: &NoteSignature) -> bool {
        let unit = line.name.as_str().strip_prefix(self.terms.network.as_str());
        let unit = unit.and_then(|rest| rest.strip_prefix('/')?.strip_suffix("/charter"));
        let named = unit.is_some_and(|unit| unit.parse::<UnitId>().is_ok());
        self.before.is_none() && self.terms.version > 1 && named && line.bytes.len() == 64
    }

    pub(super) fn lines(&self) -> Vec<NoteSignature> {
        self.signatures.values().chain(self.unchecked.values()).cloned().collect()
    }
}

/// How the units of the version before stand to a charter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Votes {
    /// How many of them must sign: more than two thirds.
    pub needed: usize,
    /// Those that have.
    pub given: Vec<UnitId>,
    /// Those that have not.
    pub open: Vec<UnitId>,
}

impl Votes {
    /// The least number that is more than two thirds of `units`.
    #[must_use]
    pub const fn needed_of(units: usize) -> usize {
        units.saturating_mul(2).wrapping_div(3).saturating_add(1)
    }

    /// Whether enough have signed.
    #[must_use]
    pub const fn suffice(&self) -> bool {
        self.given.len() >= self.needed
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
    terms: Arc<Terms>,
    digest: Hash,
    note: Arc<[u8]>,
}

impl Charter {
    /// What the text says.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn shared_terms(&self) -> Arc<Terms> {
        self.terms.clone()
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

    /// Whether these bytes are the note as it is written: with no signature line beside those that count, and with them in
    /// their one order. Nodes ignore further lines when a charter comes to them; whoever verifies a file to rely on it does
    /// not, since a line that nobody accounts for may be one that was altered.
    ///
    /// # Errors
    /// [`CharterError::Stray`] with the first line that nobody accounts for, [`CharterError::Order`].
    pub fn written_as(&self, bytes: &[u8]) -> Result<(), CharterError> {
        if *self.note == *bytes {
            return Ok(());
        }
        let lines = |bytes: &[u8]| {
            let note = Note::parse(bytes, CHARTER_BYTES_MAX).map_err(CharterError::Note)?;
            Ok::<_, CharterError>(note.signatures().to_vec())
        };
        let counted = lines(&self.note)?;
        match lines(bytes)?.into_iter().find(|line| !counted.contains(line)) {
            Some(stray) => Err(CharterError::Stray(stray.name)),
            None => Err(CharterError::Order),
        }
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

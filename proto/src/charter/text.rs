//! What the text of a charter says: from bytes of others to [`Terms`] that hold every rule of one text.

use std::collections::{BTreeMap, BTreeSet};

use super::address::split_address;
use super::error::{CharterError, Fault, Place};
use super::fields::Fields;
use super::pem;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::limits::{ADDRESSES_MAX, CAS_MAX, CHARTER_BYTES_MAX, REVOKED_MAX, UNIT_NAME_BYTES_MAX, UNITS_MAX};
use crate::note::{Algorithm, KeyName, VerifierKey};
use crate::quorum::Quorum;

/// What the text of a charter says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// The network.
    pub network: NetworkName,
    /// The version, from 1.
    pub version: u32,
    /// The digest of the version before; `None` in version 1.
    pub previous: Option<Hash>,
    /// In a version 1 that refounds a network: the digest of the charter that it continues.
    pub continues: Option<Hash>,
    /// The version of the rules by which everyone computes the list. Data here: a node that does not know it says so.
    pub fold: u32,
    /// The number of cosignatures that the text asks for, where it asks for one.
    pub quorum_set: Option<u32>,
    /// How many of the other units' cosignatures certify.
    pub quorum: Quorum,
    /// SHA-256 of the public keys (SPKI) of certificates that are not accepted any more.
    pub revoked: BTreeSet<Hash>,
    /// The units.
    pub units: BTreeMap<UnitId, Unit>,
}

/// A unit of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Its full name.
    pub name: String,
    /// The key that signs charters.
    pub charter_key: VerifierKey,
    /// The key that signs the checkpoints of its log.
    pub log_key: VerifierKey,
    /// The key that cosigns the logs of others.
    pub mirror_key: VerifierKey,
    /// The roots of its certificates, and of no other unit's: DER.
    pub ca: Vec<Vec<u8>>,
    /// Where its node is reached: `host:port`. None for a unit that only dials.
    pub addresses: Vec<String>,
    /// After a fork or a lost key: where the new log key goes on. In version 1 only where that continues another charter.
    pub base: Option<Base>,
}

/// The size and root from which a new log key goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The size.
    pub size: Size,
    /// The root at that size.
    pub root: Hash,
}

impl Unit {
    /// Its charter, log and mirror key.
    #[must_use]
    pub fn keys(&self) -> [&VerifierKey; 3] {
        [&self.charter_key, &self.log_key, &self.mirror_key]
    }
}

impl Terms {
    /// The keys of all units, unit by unit: charter, log and mirror key.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.units.values().flat_map(Unit::keys)
    }

    /// Reads a text, whose characters have been [checked](check_characters).
    pub(super) fn parse(text: &str) -> Result<Self, CharterError> {
        let mut fields = Fields::parse(text)?;
        let network = network(&mut fields)?;
        let version = fields.number("version", 1)?;
        let previous = previous(&mut fields, version)?;
        let continues = continues(&mut fields, version)?;
        let fold = fields.number("fold", 1)?;
        let quorum_set = fields.optional_number("quorum")?;
        let revoked = revoked(&mut fields)?;
        let tables = fields.tables("unit")?;
        match tables.len() {
            0 => return Err(CharterError::NoUnits),
            count if count > UNITS_MAX => return Err(CharterError::TooManyUnits(count)),
            _ => {}
        }
        let quorum = quorum(&fields, tables.len(), quorum_set)?;
        fields.end()?;
        let mut units = BTreeMap::new();
        for table in tables {
            let unit = Unit::parse(table, &network)?;
            let fault = match (version, &continues, &unit.base) {
                (1, None, Some(_)) => Some(Fault::BaseOfFirst),
                (1, Some(_), None) => Some(Fault::NoBase),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(CharterError::Key { place: Place::Unit(unit.id), key: "base".into(), fault });
            }
            if units.contains_key(&unit.id) {
                return Err(CharterError::UnitTwice(unit.id));
            }
            units.insert(unit.id.clone(), unit);
        }
        let terms = Self { network, version, previous, continues, fold, quorum_set, quorum, revoked, units };
        terms.check_all_differ()?;
        Ok(terms)
    }

    /// A cosignature does not name its signer, and one unit's CA must not speak for another: nothing is shared.
    fn check_all_differ(&self) -> Result<(), CharterError> {
        let mut keys: BTreeMap<[u8; 32], &KeyName> = BTreeMap::new();
        let mut roots: BTreeMap<&[u8], &UnitId> = BTreeMap::new();
        for key in self.keys() {
            if let Some(first) = keys.insert(*key.public(), key.name()) {
                return Err(CharterError::KeyTwice { first: first.clone(), second: key.name().clone() });
            }
        }
        for unit in self.units.values() {
            for root in &unit.ca {
                if let Some(first) = roots.insert(root, &unit.id) {
                    return Err(CharterError::CaTwice { first: first.clone(), second: unit.id.clone() });
                }
            }
        }
        Ok(())
    }
}

impl Unit {
    /// Reads a `[[unit]]` table.
    pub(super) fn parse(mut fields: Fields, network: &NetworkName) -> Result<Self, CharterError> {
        let id = fields.text("id")?;
        let id: UnitId = id.parse().map_err(|error| fields.fault("id", Fault::Id(error)))?;
        fields.place = Place::Unit(id.clone());
        let name = fields.text("name")?;
        if !(1..=UNIT_NAME_BYTES_MAX).contains(&name.len()) || name.chars().any(is_unseen) || name.trim() != name {
            return Err(fields.fault("name", Fault::NotAName));
        }
        let charter_key = key(&mut fields, "charter_key", &KeyName::charter(network, &id), Algorithm::Ed25519)?;
        let log_key = key(&mut fields, "log_key", &KeyName::log(network, &id), Algorithm::Ed25519)?;
        let mirror_key = key(&mut fields, "mirror_key", &KeyName::mirror(network, &id), Algorithm::Cosignature)?;
        let ca = roots(&mut fields)?;
        let addresses = addresses(&mut fields)?;
        let base = base(&mut fields)?;
        fields.end()?;
        Ok(Self { id, name, charter_key, log_key, mirror_key, ca, addresses, base })
    }
}

/// Checks size, encoding and characters of a text that people are to read and sign.
pub(super) fn check_characters(bytes: &[u8]) -> Result<&str, CharterError> {
    if bytes.len() > CHARTER_BYTES_MAX {
        return Err(CharterError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| CharterError::NotUtf8)?;
    for (index, line) in text.split('\n').enumerate() {
        if let Some(found) = line.chars().find(|c| is_unseen(*c)) {
            return Err(CharterError::Character { line: index.saturating_add(1), code: found.into() });
        }
    }
    if text.ends_with('\n') { Ok(text) } else { Err(CharterError::NoFinalLineFeed) }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and what turns the reading direction or has no width:
/// with them a text could show a reader something else than what it says.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The key `network`.
pub(super) fn network(fields: &mut Fields) -> Result<NetworkName, CharterError> {
    fields.text("network")?.parse().map_err(|error| fields.fault("network", Fault::Id(error)))
}

fn previous(fields: &mut Fields, version: u32) -> Result<Option<Hash>, CharterError> {
    let text = fields.text("previous")?;
    match (version, text.is_empty()) {
        (1, true) => Ok(None),
        (1, false) => Err(fields.fault("previous", Fault::PreviousOfFirst)),
        (_, true) => Err(fields.fault("previous", Fault::NoPrevious)),
        (_, false) => match Hash::from_hex(&text) {
            Some(digest) => Ok(Some(digest)),
            None => Err(fields.fault("previous", Fault::NotADigest)),
        },
    }
}

fn continues(fields: &mut Fields, version: u32) -> Result<Option<Hash>, CharterError> {
    let text = fields.text_or_empty("continues")?;
    match (version, text.is_empty()) {
        (_, true) => Ok(None),
        (1, false) => Hash::from_hex(&text).map(Some).ok_or_else(|| fields.fault("continues", Fault::NotADigest)),
        (_, false) => Err(fields.fault("continues", Fault::Continues)),
    }
}

fn quorum(fields: &Fields, units: usize, set: Option<u32>) -> Result<Quorum, CharterError> {
    let most = units.saturating_sub(1);
    let formula = Quorum::of(most);
    let Some(found) = set else { return Ok(formula) };
    usize::try_from(found)
        .ok()
        .and_then(|needed| Quorum::with(most, needed).ok())
        .ok_or_else(|| fields.fault("quorum", Fault::Quorum { found, units, least: formula.needed(), most }))
}

fn revoked(fields: &mut Fields) -> Result<BTreeSet<Hash>, CharterError> {
    let texts = fields.optional_texts("revoked")?;
    if texts.len() > REVOKED_MAX {
        return Err(fields.fault("revoked", Fault::TooManyRevoked(texts.len())));
    }
    let mut out = BTreeSet::new();
    for text in texts {
        let Some(digest) = Hash::from_hex(&text) else { return Err(fields.fault("revoked", Fault::NotADigest)) };
        if !out.insert(digest) {
            return Err(fields.fault("revoked", Fault::Twice(text)));
        }
    }
    Ok(out)
}

fn key(
    fields: &mut Fields,
    field: &'static str,
    expected: &KeyName,
    algorithm: Algorithm,
) -> Result<VerifierKey, CharterError> {
    let key: VerifierKey = fields.text(field)?.parse().map_err(|error| fields.fault(field, Fault::NotAKey(error)))?;
    if key.name() != expected {
        let fault = Fault::KeyName { found: key.name().clone(), expected: expected.clone() };
        return Err(fields.fault(field, fault));
    }
    if key.algorithm() != algorithm {
        return Err(fields.fault(field, Fault::KeyType(algorithm.byte())));
    }
    Ok(key)
}

fn roots(fields: &mut Fields) -> Result<Vec<Vec<u8>>, CharterError> {
    let texts = fields.texts("ca")?;
    if !(1..=CAS_MAX).contains(&texts.len()) {
        return Err(fields.fault("ca", Fault::CaCount(texts.len())));
    }
    let mut out: Vec<Vec<u8>> = Vec::with_capacity(texts.len());
    for text in texts {
        let der = pem::decode(&text).map_err(|fault| fields.fault("ca", fault))?;
        if out.contains(&der) {
            return Err(fields.fault("ca", Fault::Twice("one certificate".into())));
        }
        out.push(der);
    }
    Ok(out)
}

fn addresses(fields: &mut Fields) -> Result<Vec<String>, CharterError> {
    let texts = fields.texts("addresses")?;
    if texts.len() > ADDRESSES_MAX {
        return Err(fields.fault("addresses", Fault::TooManyAddresses(texts.len())));
    }
    let mut seen = BTreeSet::new();
    for text in &texts {
        if split_address(text).is_none() {
            let shown = text.chars().take(80).collect();
            return Err(fields.fault("addresses", Fault::NotAnAddress(shown)));
        }
        if !seen.insert(text) {
            return Err(fields.fault("addresses", Fault::Twice(text.clone())));
        }
    }
    Ok(texts)
}

fn base(fields: &mut Fields) -> Result<Option<Base>, CharterError> {
    let text = fields.text_or_empty("base")?;
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.split_once(' ').and_then(|(size, root)| {
        let value: u64 = size.parse().ok()?;
        // The number must be the one text of itself: no sign, no leading zeros.
        if value.to_string() != size {
            return None;
        }
        let base = Base { size: Size::new(value).ok()?, root: Hash::from_hex(root)? };
        // A log without entries has one root.
        (value > 0 || base.root == Hash::EMPTY_ROOT).then_some(base)
    });
    parsed.map(Some).ok_or_else(|| fields.fault("base", Fault::NotABase))
}

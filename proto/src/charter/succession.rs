//! May a text follow the versions before it, and have enough units signed it?

use std::collections::BTreeMap;

use super::chain::CharterChain;
use super::error::{CharterError, SuccessionFault};
use super::text::Terms;
use super::verify::{Charter, UnverifiedCharter};
use crate::ids::{Size, UnitId};
use crate::note::VerifierKey;

/// Checks what the text of a next version must hold beside the versions before it, whoever has signed.
pub(super) fn check_text(chain: &CharterChain, next: &UnverifiedCharter) -> Result<(), SuccessionFault> {
    let (before, terms) = (chain.newest(), next.terms());
    if terms.network != *before.network() {
        return Err(SuccessionFault::Network(terms.network.to_string()));
    }
    if before.version().checked_add(1) != Some(terms.version) {
        return Err(SuccessionFault::Version(terms.version));
    }
    if terms.previous != Some(before.digest()) {
        let found = terms.previous.map(|digest| digest.to_string()).unwrap_or_default();
        return Err(SuccessionFault::Previous { found, expected: before.digest().to_string() });
    }
    if terms.fold < before.fold() {
        return Err(SuccessionFault::Fold { found: terms.fold, before: before.fold() });
    }
    check_units(chain, terms)?;
    check_keys(chain, terms)?;
    check_roots(chain, terms)
}

/// An id that is gone is gone: the log of that name ended at what was certified then, and nobody could say where it goes on.
fn check_units(chain: &CharterChain, terms: &Terms) -> Result<(), SuccessionFault> {
    let before = chain.newest().terms();
    for unit in terms.units.values() {
        let stood = before.units.get(&unit.id);
        if stood.is_none()
            && let Some(left) = chain.left(&unit.id)
        {
            return Err(SuccessionFault::UnitReturns { unit: unit.id.clone(), left });
        }
        let new_log_key = stood.is_some_and(|stood| stood.log_key != unit.log_key);
        if unit.base.is_some() && !new_log_key {
            return Err(SuccessionFault::Base(unit.id.clone()));
        }
    }
    Ok(())
}

/// A key either stands where it stood in the version before, or has never stood anywhere; and none can be taken for another
/// by its name and id.
fn check_keys(chain: &CharterChain, terms: &Terms) -> Result<(), SuccessionFault> {
    let mut by_public: BTreeMap<[u8; 32], (u32, &VerifierKey)> = BTreeMap::new();
    let mut by_id: BTreeMap<(&str, [u8; 4]), u32> = BTreeMap::new();
    for version in chain.all() {
        for key in version.terms().keys() {
            by_public.entry(*key.public()).or_insert((version.version(), key));
            by_id.entry((key.name().as_str(), key.id())).or_insert(version.version());
        }
    }
    let before = chain.newest().terms();
    let kept = |key: &VerifierKey| before.keys().any(|stood| stood == key);
    for key in terms.keys().filter(|key| !kept(key)) {
        if let Some((version, stood)) = by_public.get(key.public()) {
            let (key, stood) = (key.name().clone(), stood.name().clone());
            return Err(SuccessionFault::KeyUsed { key, version: *version, stood });
        }
        if let Some(version) = by_id.get(&(key.name().as_str(), key.id())) {
            return Err(SuccessionFault::KeyId { key: key.name().clone(), version: *version });
        }
    }
    Ok(())
}

/// A CA that once spoke for one unit never speaks for another.
fn check_roots(chain: &CharterChain, terms: &Terms) -> Result<(), SuccessionFault> {
    let mut stood: BTreeMap<&[u8], (u32, &UnitId)> = BTreeMap::new();
    for version in chain.all() {
        for unit in version.units().values() {
            for root in &unit.ca {
                stood.entry(root).or_insert((version.version(), &unit.id));
            }
        }
    }
    for unit in terms.units.values() {
        for root in &unit.ca {
            if let Some((version, other)) = stood.get(root.as_slice())
                && **other != unit.id
            {
                let (unit, stood, version) = (unit.id.clone(), (*other).clone(), *version);
                return Err(SuccessionFault::Ca { unit, stood, version });
            }
        }
    }
    Ok(())
}

/// Whether everyone who must has signed a text that may follow.
pub(super) fn check_signatures(next: &UnverifiedCharter) -> Result<(), SuccessionFault> {
    let missing = next.missing();
    if !missing.is_empty() {
        return Err(SuccessionFault::Unsigned(missing));
    }
    match next.votes() {
        Some(votes) if votes.suffice() => Ok(()),
        Some(votes) => {
            let (given, needed) = (votes.given.len(), votes.needed);
            let units = given.saturating_add(votes.open.len());
            Err(SuccessionFault::Votes { given, units, needed, open: votes.open })
        }
        None => Err(SuccessionFault::Version(next.terms().version)),
    }
}

impl CharterChain {
    /// Checks what the text of a version 1 that continues the newest version must hold beside all versions before it, whoever
    /// has signed.
    ///
    /// # Errors
    /// [`CharterError::Succession`] with the rule that it breaks.
    pub fn check_refounding(&self, next: &UnverifiedCharter) -> Result<(), CharterError> {
        let (before, terms) = (self.newest(), next.terms());
        let check = || {
            if terms.network != *before.network() {
                return Err(SuccessionFault::Network(terms.network.to_string()));
            }
            if terms.continues != Some(before.digest()) {
                let found = terms.continues.map(|digest| digest.to_string()).unwrap_or_default();
                return Err(SuccessionFault::Continues { found, expected: before.digest().to_string() });
            }
            if terms.fold < before.fold() {
                return Err(SuccessionFault::Fold { found: terms.fold, before: before.fold() });
            }
            for unit in terms.units.values().filter(|unit| before.unit(&unit.id).is_none()) {
                if let Some(left) = self.left(&unit.id) {
                    return Err(SuccessionFault::UnitReturns { unit: unit.id.clone(), left });
                }
                if unit.base.is_some_and(|base| base.size > Size::ZERO) {
                    return Err(SuccessionFault::BaseOfNew(unit.id.clone()));
                }
            }
            check_keys(self, terms)?;
            check_roots(self, terms)
        };
        check().map_err(|fault| CharterError::Succession { after: before.version(), fault })
    }

    /// Reads a charter that is to follow the newest version, as far as it is signed: its text may follow, and the signatures
    /// that it has hold. What is still due is what [`UnverifiedCharter::missing`] and [`UnverifiedCharter::votes`] tell.
    ///
    /// # Errors
    /// Whatever [`UnverifiedCharter::parse`] refuses; [`CharterError::Succession`] with the rule that keeps it from
    /// following.
    pub fn draft(&self, charter: UnverifiedCharter) -> Result<UnverifiedCharter, CharterError> {
        let fault = |fault| CharterError::Succession { after: self.newest().version(), fault };
        check_text(self, &charter).map_err(fault)?;
        charter.following(self.newest().shared_terms())
    }

    /// Verifies a charter as the version that follows the newest.
    ///
    /// # Errors
    /// As [`Self::draft`]; [`SuccessionFault::Unsigned`] and [`SuccessionFault::Votes`] where signatures are missing.
    pub fn verify(&self, charter: UnverifiedCharter) -> Result<Charter, CharterError> {
        let draft = self.draft(charter)?;
        let after = self.newest().version();
        check_signatures(&draft).map_err(|fault| CharterError::Succession { after, fault })?;
        Ok(draft.counted())
    }
}

//! Writing the text of the next version: the present one with changes.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::CharterChain;
use super::compose::{Text, UnitDescription};
use super::error::{ChangeFault, CharterError};
use super::text::{Base, Terms, Unit};
use super::verify::UnverifiedCharter;
use crate::hash::Hash;
use crate::ids::UnitId;
use crate::limits::CAS_MAX;

/// What a next version is to say otherwise than the present one.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Units that join.
    pub add: Vec<UnitDescription>,
    /// Units whose keys, CA, name or addresses are those of a new description.
    pub update: Vec<UnitDescription>,
    /// Units that leave.
    pub remove: Vec<UnitId>,
    /// Where units are reached from now on: all addresses of each.
    pub addresses: BTreeMap<UnitId, Vec<String>>,
    /// Where logs with a new key go on.
    pub bases: BTreeMap<UnitId, Base>,
    /// How many cosignatures certify: as many as the formula asks for, or this number. Left as it is without.
    pub quorum: Option<Option<u32>>,
    /// The version of the list's rules.
    pub fold: Option<u32>,
    /// Public keys (SPKI) of certificates that are not accepted any more.
    pub revoke: BTreeSet<Hash>,
}

impl CharterChain {
    /// Composes the text of the version that follows the newest, with no signature yet.
    ///
    /// What is not changed stays, with two exceptions. A quorum that was set and that lies below what the formula asks for
    /// among the new number of units, or above it all, must be named anew. And where an update brings another CA, the one
    /// before stays behind it for one version, so that certificates issued under it go on working until all are renewed;
    /// the next version drops it.
    ///
    /// # Errors
    /// [`CharterError::Change`] for a change of nothing or of a unit that is not there; any rule that the text as a whole breaks.
    pub fn compose_next(&self, changes: &Changes) -> Result<UnverifiedCharter, CharterError> {
        let before = self.newest();
        let mut units = before.units().clone();
        self.drop_old_roots(&mut units);
        for unit in units.values_mut() {
            unit.base = None;
        }
        let absent = |unit: &UnitId| CharterError::Change(ChangeFault::Absent(unit.clone()));
        for id in &changes.remove {
            units.remove(id).ok_or_else(|| absent(id))?;
        }
        for description in &changes.update {
            let unit = same_network(before.terms(), description)?;
            let place = units.get_mut(&unit.id).ok_or_else(|| absent(&unit.id))?;
            let mut unit = unit.clone();
            // The first is the one in use.
            if let Some(old) = place.ca.first().filter(|old| !unit.ca.contains(old) && unit.ca.len() < CAS_MAX) {
                unit.ca.push(old.clone());
            }
            *place = unit;
        }
        for description in &changes.add {
            let unit = same_network(before.terms(), description)?;
            if units.insert(unit.id.clone(), unit.clone()).is_some() {
                return Err(CharterError::Change(ChangeFault::Present(unit.id.clone())));
            }
        }
        for (id, addresses) in &changes.addresses {
            units.get_mut(id).ok_or_else(|| absent(id))?.addresses.clone_from(addresses);
        }
        for (id, base) in &changes.bases {
            units.get_mut(id).ok_or_else(|| absent(id))?.base = Some(*base);
        }
        let revoked: BTreeSet<Hash> = before.revoked().union(&changes.revoke).copied().collect();
        let mut text = Text::begin(before.network(), before.version().saturating_add(1), Some(before.digest()));
        text.terms(
            changes.fold.unwrap_or(before.fold()),
            changes.quorum.unwrap_or(before.terms().quorum_set),
            &revoked,
        );
        units.values().for_each(|unit| text.unit(unit));
        let next = text.parse()?;
        if super::diff::changes(before.terms(), next.terms()).len() <= 1 {
            return Err(CharterError::Change(ChangeFault::Nothing));
        }
        self.draft(next)
    }

    /// Drops the CAs that the newest version kept behind another one.
    fn drop_old_roots(&self, units: &mut BTreeMap<UnitId, Unit>) {
        let Some(earlier) = self.newest().version().checked_sub(1).and_then(|version| self.version(version)) else {
            return;
        };
        for unit in units.values_mut() {
            let in_use = earlier.unit(&unit.id).and_then(|earlier| earlier.ca.first());
            let now = unit.ca.first().cloned();
            unit.ca.retain(|root| now.as_ref() == Some(root) || in_use != Some(root));
        }
    }

    /// Composes a version 1 that founds the network anew: these units, and for each where its log goes on. It
    /// continues the newest version here.
    ///
    /// # Errors
    /// Any rule that the text breaks: a unit whose base is missing among them.
    pub fn compose_refounding(
        &self,
        units: &[UnitDescription],
        bases: &BTreeMap<UnitId, Base>,
        quorum: Option<u32>,
    ) -> Result<UnverifiedCharter, CharterError> {
        let before = self.newest();
        let mut sorted = BTreeMap::new();
        for description in units {
            let mut unit = same_network(before.terms(), description)?.clone();
            unit.base = bases.get(&unit.id).copied();
            if let Some(twice) = sorted.insert(unit.id.clone(), unit) {
                return Err(CharterError::UnitTwice(twice.id));
            }
        }
        let mut text = Text::begin(before.network(), 1, None);
        text.continues(&before.digest());
        text.terms(before.fold(), quorum, before.revoked());
        sorted.values().for_each(|unit| text.unit(unit));
        text.parse()
    }
}

fn same_network<'a>(before: &Terms, description: &'a UnitDescription) -> Result<&'a Unit, CharterError> {
    if *description.network() != before.network {
        return Err(CharterError::OtherNetwork {
            unit: description.unit().id.clone(),
            found: description.network().to_string(),
            expected: before.network.to_string(),
        });
    }
    Ok(description.unit())
}

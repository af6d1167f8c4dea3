//! The chain of custody of an item.

use std::collections::BTreeMap;

use super::super::fold::Fold;
use super::super::row::{Payloads, ReadError};
use super::super::slot::Key;
use crate::ids::RecordId;
use crate::record::RecordKind;
use crate::wire::record::Body;
use crate::wire::{self, CustodyStep};

/// A hand-over that both sides have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// By whom it was given.
    pub give: RecordId,
    /// By whom it was taken.
    pub take: RecordId,
    /// Whether both name the hash of the evidence.
    pub intact: bool,
}

/// Who had an item, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Custody {
    /// Its hand-overs.
    pub chain: Vec<Handover>,
    /// Who holds it now.
    pub holder: String,
    /// What was said of it besides, by unit, then index: a give that nobody has taken, and what fits nowhere.
    pub open: Vec<RecordId>,
}

impl Fold {
    /// The chain of custody of an item; `None` where the record is no evidence that is there.
    ///
    /// # Errors
    /// A [`ReadError`] if a payload cannot be read.
    pub fn custody<P: Payloads>(&self, item: &RecordId, payloads: &P) -> Result<Option<Custody>, ReadError<P::Error>> {
        let Some(key) = self.number_of(&item.unit).map(|unit| Key::new(unit, item.index)) else { return Ok(None) };
        if !self.slot(key).is_some_and(|slot| slot.kind() == RecordKind::Evidence && slot.is_there()) {
            return Ok(None);
        }
        let Some((_, Body::Evidence(evidence))) = self.read_body(key, payloads)? else { return Ok(None) };
        let sha256 = evidence.item.map(|item| item.sha256).unwrap_or_default();
        let mut keys = self.operations.handed(key).to_vec();
        keys.sort_unstable();
        let mut said: BTreeMap<Key, wire::Custody> = BTreeMap::new();
        for key in keys {
            if let Some((_, Body::Custody(custody))) = self.read_body(key, payloads)? {
                said.insert(key, custody);
            }
        }
        let mut custody = Custody { holder: item.unit.to_string(), ..Custody::default() };
        while let Some((give, take)) = self.next_hand(&custody.holder, &said) {
            let (Some(given), Some(taken)) = (said.remove(&give), said.remove(&take)) else { break };
            let (Some(give), Some(take)) = (self.record_id(give), self.record_id(take)) else { break };
            let intact = given.sha256 == sha256 && taken.sha256 == sha256;
            custody.holder = given.other;
            custody.chain.push(Handover { give, take, intact });
        }
        custody.open = said.keys().filter_map(|key| self.record_id(*key)).collect();
        Ok(Some(custody))
    }

    /// The next hand-over of what a unit holds.
    fn next_hand(&self, holder: &str, said: &BTreeMap<Key, wire::Custody>) -> Option<(Key, Key)> {
        let by = |unit: &str, step: CustodyStep, other: Option<&str>| {
            let number = self.number_named(unit)?;
            let fits = |one: &wire::Custody| one.step() == step && other.is_none_or(|other| one.other == other);
            said.iter().find(|(key, one)| key.unit() == number && fits(one)).map(|(key, _)| *key)
        };
        let give = by(holder, CustodyStep::Give, None)?;
        let take = by(&said.get(&give)?.other, CustodyStep::Take, Some(holder))?;
        Some((give, take))
    }
}

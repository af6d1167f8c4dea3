//! Statements that are held but not yet certified: shown beside the list, marked so, and never part of its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::record::{Statement, Target};
use entente_proto::wire::record::Body;

/// What is not yet certified, by target.
#[derive(Debug, Default)]
pub struct Pending {
    by_target: BTreeMap<Target, BTreeSet<RecordId>>,
    /// Every statement held uncertified, with the target it is about.
    all: BTreeMap<UnitId, BTreeMap<u64, Noted>>,
    /// The holds among them.
    holds: BTreeSet<(Target, RecordId)>,
    count: u64,
}

#[derive(Debug)]
struct Noted {
    target: Option<Target>,
    refers: bool,
    /// Whether it names its target itself.
    names: bool,
    /// Whether it is a step of an operation.
    step: bool,
    /// The item of evidence that it says was handed over.
    hands: Option<RecordId>,
    withdraws: Option<u64>,
}

impl Pending {
    /// How many statements.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The statements about a target, by unit and index.
    pub fn about(&self, target: &Target) -> impl Iterator<Item = &RecordId> {
        self.by_target.get(target).into_iter().flatten()
    }

    /// Every target after this one that something is pending about, ascending.
    pub fn targets_after(&self, after: Option<&Target>) -> impl Iterator<Item = &Target> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_target.range::<Target, _>((from, Bound::Unbounded)).map(|(target, _)| target)
    }

    /// Whether a pending statement names this target itself.
    #[must_use]
    pub fn names(&self, target: &Target) -> bool {
        let names = |id: &RecordId| self.all.get(&id.unit).and_then(|log| log.get(&id.index)).is_some_and(|n| n.names);
        self.about(target).any(names)
    }

    /// The target of a pending record.
    #[must_use]
    pub fn target_of(&self, id: &RecordId) -> Option<&Target> {
        self.all.get(&id.unit)?.get(&id.index)?.target.as_ref()
    }

    /// Whether a record is pending.
    #[must_use]
    pub fn holds(&self, id: &RecordId) -> bool {
        self.all.get(&id.unit).is_some_and(|log| log.contains_key(&id.index))
    }

    /// A pending referral of a target by a unit that is not taken back.
    #[must_use]
    pub fn referral(&self, unit: &UnitId, target: &Target) -> Option<u64> {
        let log = self.all.get(unit)?;
        let refers = |id: &&RecordId| {
            id.unit == *unit && log.get(&id.index).is_some_and(|noted| noted.refers) && !self.withdrawn(unit, id.index)
        };
        self.about(target).find(refers).map(|id| id.index)
    }

    /// What a pending referral refers that is not taken back.
    #[must_use]
    pub fn refers(&self, id: &RecordId) -> Option<&Target> {
        let noted = self.all.get(&id.unit)?.get(&id.index).filter(|noted| noted.refers)?;
        noted.target.as_ref().filter(|_| !self.withdrawn(&id.unit, id.index))
    }

    /// The pending steps of operations that a unit took, by their indexes.
    pub fn steps(&self, unit: &UnitId) -> impl Iterator<Item = u64> {
        let log = self.all.get(unit).into_iter().flatten();
        log.filter(|(_, noted)| noted.step).map(|(index, _)| *index)
    }

    /// Whether a pending statement says that an item of evidence was handed over.
    #[must_use]
    pub fn hands_over(&self, item: &RecordId) -> bool {
        self.all.values().flat_map(BTreeMap::values).any(|noted| noted.hands.as_ref() == Some(item))
    }

    /// The pending holds of a target that are not taken back.
    pub fn held(&self, target: &Target) -> impl Iterator<Item = &RecordId> {
        self.about(target)
            .filter(|id| self.holds.contains(&(target.clone(), (*id).clone())) && !self.withdrawn(&id.unit, id.index))
    }

    /// Every target of which a pending hold is not taken back.
    pub fn all_held(&self) -> impl Iterator<Item = &Target> {
        self.holds.iter().filter(|(_, id)| !self.withdrawn(&id.unit, id.index)).map(|(target, _)| target)
    }

    /// Every pending record, by unit and index.
    #[must_use]
    pub fn records(&self) -> Vec<RecordId> {
        let of = |(unit, log): (&UnitId, &BTreeMap<u64, Noted>)| -> Vec<RecordId> {
            log.keys().map(|index| RecordId { unit: unit.clone(), index: *index }).collect()
        };
        self.all.iter().flat_map(of).collect()
    }

    /// Behind the last pending record of each log that has one.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<UnitId, u64> {
        let end = |(unit, log): (&UnitId, &BTreeMap<u64, Noted>)| Some((unit.clone(), log.last_key_value()?.0 + 1));
        self.all.iter().filter_map(end).collect()
    }

    /// Whether a pending statement takes this one back.
    #[must_use]
    pub fn withdrawn(&self, unit: &UnitId, index: u64) -> bool {
        self.all.get(unit).is_some_and(|log| log.range(index..).any(|(_, noted)| noted.withdraws == Some(index)))
    }

    /// The first pending statement that takes this one back.
    #[must_use]
    pub fn withdrawn_by(&self, unit: &UnitId, index: u64) -> Option<u64> {
        let mut later = self.all.get(unit)?.range(index.saturating_add(1)..);
        later.find(|(_, noted)| noted.withdraws == Some(index)).map(|(by, _)| *by)
    }

    /// Notes a statement. An `Erase` hides what it names, and is not shown beside its target itself: nobody should learn
    /// from it what was erased. `target_of` finds the target of the record that it speaks of.
    pub(super) fn note(
        &mut self,
        id: RecordId,
        statement: Option<&Statement>,
        target_of: impl Fn(&RecordId) -> Option<Target>,
    ) -> Option<Target> {
        let target = statement.and_then(|statement| {
            statement.target().or_else(|| {
                let on = speaks_of(&id.unit, statement.body()).filter(|_| erases(statement).is_none())?;
                self.target_of(&on).cloned().or_else(|| target_of(&on))
            })
        });
        if let Some(erased) = statement.and_then(erases) {
            self.hide(RecordId { unit: id.unit.clone(), index: erased });
        }
        let noted = Noted {
            target: target.clone(),
            names: statement.is_some_and(|statement| statement.target().is_some()),
            step: matches!(statement.map(Statement::body), Some(Body::OperationStep(_))),
            refers: matches!(statement.map(Statement::body), Some(Body::Refer(_))),
            hands: match statement.map(Statement::body) {
                Some(Body::Custody(custody)) => custody
                    .item
                    .as_ref()
                    .and_then(|item| Some(RecordId { unit: item.unit.parse().ok()?, index: item.index })),
                _ => None,
            },
            withdraws: match statement.map(Statement::body) {
                Some(Body::Withdraw(withdraw)) => Some(withdraw.index),
                Some(Body::Erase(erase)) => Some(erase.index),
                _ => None,
            },
        };
        if let (Some(target), Some(Body::Hold(_))) = (&target, statement.map(Statement::body)) {
            self.holds.insert((target.clone(), id.clone()));
        }
        if let Some(target) = &target {
            self.by_target.entry(target.clone()).or_default().insert(id.clone());
        }
        if self.all.entry(id.unit).or_default().insert(id.index, noted).is_none() {
            self.count = self.count.saturating_add(1);
        }
        target
    }

    /// Forgets what a record said.
    fn hide(&mut self, id: RecordId) {
        let noted = self.all.get_mut(&id.unit).and_then(|log| log.get_mut(&id.index));
        let Some(noted) = noted.filter(|noted| noted.withdraws.is_none()) else { return };
        (noted.refers, noted.names) = (false, false);
        let Some(target) = noted.target.take() else { return };
        self.forget(&target, &id);
    }

    fn forget(&mut self, target: &Target, id: &RecordId) {
        self.holds.remove(&(target.clone(), id.clone()));
        if let Some(ids) = self.by_target.get_mut(target) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_target.remove(target);
            }
        }
    }

    /// Nothing of a log is pending any more.
    pub(super) fn forget_log(&mut self, unit: &UnitId) {
        self.certified(unit, u64::MAX);
    }

    /// Everything of a log below a size is certified.
    pub(super) fn certified(&mut self, unit: &UnitId, size: u64) {
        let Some(log) = self.all.get_mut(unit) else { return };
        let rest = log.split_off(&size);
        for (index, noted) in std::mem::replace(log, rest) {
            self.count = self.count.saturating_sub(1);
            if let Some(target) = noted.target {
                self.forget(&target, &RecordId { unit: unit.clone(), index });
            }
        }
    }
}

fn erases(statement: &Statement) -> Option<u64> {
    match statement.body() {
        Body::Erase(erase) => Some(erase.index),
        _ => None,
    }
}

/// The record that a statement speaks of.
#[must_use]
pub(crate) fn speaks_of(author: &UnitId, body: &Body) -> Option<RecordId> {
    let own = |index: u64| Some(RecordId { unit: author.clone(), index });
    let other = |on: &Option<entente_proto::wire::RecordRef>| {
        let on = on.as_ref()?;
        Some(RecordId { unit: on.unit.parse().ok()?, index: on.index })
    };
    match body {
        Body::Withdraw(withdraw) => own(withdraw.index),
        Body::Erase(erase) => own(erase.index),
        Body::Opinion(opinion) => other(&opinion.on),
        Body::Dispatch(dispatch) => other(&dispatch.on),
        Body::Outcome(outcome) => other(&outcome.on),
        _ => None,
    }
}

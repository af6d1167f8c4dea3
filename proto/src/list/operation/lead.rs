//! What the lead's steps make of an operation, in the lead's own order.

use std::collections::{BTreeMap, BTreeSet};

use super::super::fold::Fold;
use super::super::slot::Key;
use super::course::{Read, Said};
use super::cut::{Cut, is_ahead, waits};
use super::member::Member;
use super::set::{Name, frozen_digest, names, owned};
use crate::wire::operation_step::Step;
use crate::wire::{BoardWait, OperationFreeze, OperationGo, StepFault};

/// The targets are fixed.
#[derive(Debug)]
pub(super) struct Freeze {
    pub(super) key: Key,
    pub(super) time_ms: u64,
    pub(super) digest: Vec<u8>,
    pub(super) targets: Vec<Name>,
    /// Up to where other units added targets.
    pub(super) cut: Cut,
}

/// The lead said go.
#[derive(Debug)]
pub(super) struct Go {
    pub(super) key: Key,
    pub(super) time_ms: u64,
    pub(super) at_ms: u64,
    pub(super) cut: Cut,
    /// Where there are any, it is not known yet whether it counts.
    pub(super) waits: Vec<BoardWait>,
    pub(super) ready: BTreeSet<String>,
    pub(super) overrides: BTreeSet<Name>,
    pub(super) excluded: BTreeSet<Name>,
}

/// The state that the lead's steps lead to.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// Without the lead itself.
    pub(super) invited: BTreeSet<String>,
    /// What it added and did not take out again.
    pub(super) added: BTreeSet<Name>,
    /// What it took out and did not add again.
    pub(super) removed: BTreeSet<Name>,
    /// By unit.
    pub(super) assigned: BTreeMap<String, Vec<Name>>,
    pub(super) ready: Option<Key>,
    pub(super) freeze: Option<Freeze>,
    pub(super) go: Option<Go>,
    pub(super) aborted: bool,
    /// Its own index, and up to where the others' steps count.
    pub(super) closed: Option<(u64, Cut)>,
}

impl Lead {
    /// Whether it is known that the lead said go.
    pub(super) fn gone(&self) -> Option<&Go> {
        self.go.as_ref().filter(|go| go.waits.is_empty())
    }

    /// Judges the lead's steps one after the other. Gives them with what is wrong with them.
    pub(super) fn judge<'a>(fold: &Fold, read: &'a Read) -> (Self, Vec<(&'a Said, Option<StepFault>)>) {
        let unit = fold.reference(read.key).unit;
        let mut lead = Self { added: owned(&read.operation.targets).collect(), ..Self::default() };
        lead.invite(&unit, &read.operation.invited);
        let mut judged = Vec::new();
        for said in read.said.get(&read.key.unit()).into_iter().flatten() {
            // A step that is older than the operation speaks of nothing.
            let fault = if said.key < read.key { Err(StepFault::Ahead) } else { lead.take(fold, read, &unit, said) };
            judged.push((said, fault.err()));
        }
        (lead, judged)
    }

    fn invite(&mut self, lead: &str, units: &[String]) {
        self.invited.extend(units.iter().filter(|unit| *unit != lead).cloned());
    }

    fn take(&mut self, fold: &Fold, read: &Read, unit: &str, said: &Said) -> Result<(), StepFault> {
        if self.closed.is_some() {
            return Err(StepFault::Closed);
        }
        if self.aborted && !matches!(said.step, Step::Close(_)) {
            return Err(StepFault::Aborted);
        }
        match &said.step {
            Step::Invite(_) if self.gone().is_some() => Err(StepFault::Gone),
            Step::Invite(invite) if invite.units.is_empty() => Err(StepFault::Nothing),
            Step::Invite(invite) => {
                self.invite(unit, &invite.units);
                Ok(())
            }
            Step::Join(_) | Step::Decline(_) => Err(StepFault::Leads),
            Step::Add(_) | Step::Remove(_) if self.freeze.is_some() => Err(StepFault::Frozen),
            Step::Add(list) | Step::Remove(list) if list.targets.is_empty() => Err(StepFault::Nothing),
            Step::Add(list) => {
                for name in owned(&list.targets) {
                    self.removed.remove(&name);
                    self.added.insert(name);
                }
                Ok(())
            }
            Step::Remove(list) => {
                for name in owned(&list.targets) {
                    self.added.remove(&name);
                    self.removed.insert(name);
                }
                Ok(())
            }
            Step::Assign(assign) if assign.unit != unit && !self.invited.contains(&assign.unit) => {
                Err(StepFault::NotInvited)
            }
            Step::Assign(assign) => {
                self.assigned.insert(assign.unit.clone(), owned(&assign.targets).collect());
                Ok(())
            }
            Step::Freeze(freeze) => self.freeze(fold, read, said, freeze),
            Step::Ready(ready) => {
                self.is_frozen_as(&ready.digest)?;
                self.ready = Some(said.key);
                Ok(())
            }
            Step::Go(go) => self.go(fold, read, unit, said, go),
            Step::Abort(_) => {
                self.aborted = true;
                Ok(())
            }
            Step::Close(close) if is_ahead(fold, said.key, &close.frontier) => Err(StepFault::Ahead),
            Step::Close(close) => {
                self.closed = Some((said.key.index(), Cut::of(fold, said.key, &close.frontier)));
                Ok(())
            }
            // Reports are judged apart.
            Step::Executed(_) => Ok(()),
        }
    }

    fn freeze(&mut self, fold: &Fold, read: &Read, said: &Said, freeze: &OperationFreeze) -> Result<(), StepFault> {
        if self.freeze.is_some() {
            return Err(StepFault::Frozen);
        }
        if freeze.targets.is_empty() {
            return Err(StepFault::Nothing);
        }
        if frozen_digest(&fold.reference(read.key), &freeze.targets).as_bytes() != freeze.digest.as_slice() {
            return Err(StepFault::OtherDigest);
        }
        if is_ahead(fold, said.key, &freeze.frontier) {
            return Err(StepFault::Ahead);
        }
        self.freeze = Some(Freeze {
            key: said.key,
            time_ms: said.time_ms,
            digest: freeze.digest.clone(),
            targets: owned(&freeze.targets).collect(),
            cut: Cut::of(fold, said.key, &freeze.frontier),
        });
        Ok(())
    }

    /// Whether what is frozen has this digest.
    pub(super) fn is_frozen_as(&self, digest: &[u8]) -> Result<(), StepFault> {
        match &self.freeze {
            None => Err(StepFault::NotFrozen),
            Some(freeze) if freeze.digest != digest => Err(StepFault::OtherDigest),
            Some(_) => Ok(()),
        }
    }

    fn go(&mut self, fold: &Fold, read: &Read, unit: &str, said: &Said, go: &OperationGo) -> Result<(), StepFault> {
        self.is_frozen_as(&go.digest)?;
        if let Some(go) = &self.go {
            return Err(if go.waits.is_empty() { StepFault::Gone } else { StepFault::Waits });
        }
        if is_ahead(fold, said.key, &go.frontier) {
            return Err(StepFault::Ahead);
        }
        let (cut, waits) = (Cut::of(fold, said.key, &go.frontier), waits(fold, said.key, &go.frontier));
        let mut ready = BTreeSet::new();
        if waits.is_empty() {
            ready.extend(self.ready.map(|_| unit.to_owned()));
            let of = |invited: &&String| {
                let number = fold.number_named(invited);
                let end = number.map_or(0, |number| cut.size(number));
                number.is_some_and(|number| Member::judge(self, read, number, end).0.ready.is_some())
            };
            ready.extend(self.invited.iter().filter(of).cloned());
            if u32::try_from(ready.len()).unwrap_or(u32::MAX) < read.operation.ready_quorum {
                return Err(StepFault::NoQuorum);
            }
        }
        let waiting = !waits.is_empty();
        self.go = Some(Go {
            key: said.key,
            time_ms: said.time_ms,
            at_ms: go.at_ms,
            cut,
            waits,
            ready,
            overrides: go.overrides.iter().map(|id| (id.unit.clone(), id.index)).collect(),
            excluded: names(&go.excluded).map(|(unit, index)| (unit.to_owned(), index)).collect(),
        });
        if waiting { Err(StepFault::Waits) } else { Ok(()) }
    }
}

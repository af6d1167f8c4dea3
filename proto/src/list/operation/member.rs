//! What the steps of a unit that does not lead make of its part, in its own order.

use std::collections::BTreeSet;

use super::super::slot::Key;
use super::course::{Read, Said};
use super::lead::Lead;
use super::set::{Name, owned};
use crate::wire::operation_step::Step;
use crate::wire::{OperationTargets, Part, StepFault};

/// The part of an invited unit.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) part: Part,
    pub(super) part_by: Option<Key>,
    /// Its newest step that says that it is ready for what is frozen.
    pub(super) ready: Option<Key>,
    /// What it added and did not take out again.
    pub(super) added: BTreeSet<Name>,
    /// From which of its indexes on it takes part or not, ascending.
    parts: Vec<(u64, bool)>,
}

impl Member {
    /// Judges the steps of an invited unit below an index. Gives them with what is wrong with them.
    pub(super) fn judge<'a>(
        lead: &Lead,
        read: &'a Read,
        unit: usize,
        end: u64,
    ) -> (Self, Vec<(&'a Said, Option<StepFault>)>) {
        let mut member =
            Self { part: Part::Invited, part_by: None, ready: None, added: BTreeSet::new(), parts: Vec::new() };
        let said = read.said.get(&unit).into_iter().flatten();
        let judged = said.take_while(|said| said.key.index() < end).map(|said| (said, member.take(lead, said).err()));
        let judged = judged.collect();
        (member, judged)
    }

    /// Whether it takes part where its record at this index stands.
    pub(super) fn takes_part_at(&self, index: u64) -> bool {
        let before = self.parts.partition_point(|(at, _)| *at < index);
        before.checked_sub(1).and_then(|last| self.parts.get(last)).is_some_and(|(_, part)| *part)
    }

    fn take(&mut self, lead: &Lead, said: &Said) -> Result<(), StepFault> {
        if lead.closed.as_ref().is_some_and(|(_, cut)| !cut.has(said.key)) {
            return Err(StepFault::Closed);
        }
        match &said.step {
            Step::Join(_) => {
                self.turn(said, Part::Joined);
                Ok(())
            }
            Step::Decline(_) => {
                self.turn(said, Part::Declined);
                self.ready = None;
                Ok(())
            }
            Step::Add(_) | Step::Remove(_) | Step::Ready(_) if self.part != Part::Joined => Err(StepFault::NotJoined),
            Step::Add(list) => {
                self.may_change(lead, said, list)?;
                self.added.extend(owned(&list.targets));
                Ok(())
            }
            Step::Remove(list) => {
                self.may_change(lead, said, list)?;
                let taken = owned(&list.targets).filter(|name| self.added.remove(name)).count();
                if taken == 0 { Err(StepFault::NotOwn) } else { Ok(()) }
            }
            Step::Ready(ready) => {
                lead.is_frozen_as(&ready.digest)?;
                self.ready = Some(said.key);
                Ok(())
            }
            Step::Invite(_) | Step::Freeze(_) | Step::Go(_) | Step::Abort(_) | Step::Close(_) | Step::Assign(_) => {
                Err(StepFault::NotLead)
            }
            // Reports are judged apart.
            Step::Executed(_) => Ok(()),
        }
    }

    fn turn(&mut self, said: &Said, part: Part) {
        (self.part, self.part_by) = (part, Some(said.key));
        self.parts.push((said.key.index(), part == Part::Joined));
    }

    fn may_change(&self, lead: &Lead, said: &Said, list: &OperationTargets) -> Result<(), StepFault> {
        if lead.freeze.as_ref().is_some_and(|freeze| !freeze.cut.has(said.key)) {
            return Err(StepFault::Frozen);
        }
        if list.targets.is_empty() { Err(StepFault::Nothing) } else { Ok(()) }
    }
}

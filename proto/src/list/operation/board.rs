//! The board: an operation with everything that was said of it, judged.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::super::fold::Fold;
use super::super::row::{Payloads, ReadError};
use super::super::slot::Key;
use super::course::{REPORT, Read};
use super::index::Report;
use super::lead::Lead;
use super::member::Member;
use super::set::Name;
use super::{Further, REPORTS_SHOWN_MAX};
use crate::hash::Hash;
use crate::ids::RecordId;
use crate::wire::{
    Board, BoardExecuted, BoardFreeze, BoardGo, BoardStep, BoardTarget, BoardUnit, Part, Phase, RecordRef, StepFault,
};

/// The digest of a board: SHA-256 of its canonical protobuf bytes. Nodes at one frontier have the same.
#[must_use]
pub fn board_digest(board: &Board) -> Hash {
    Hash::of(&board.encode_to_vec())
}

impl Fold {
    /// The board of the operation that a record begins; `None` where it begins none, or is not folded. It reads the
    /// payloads of all its steps but the reports.
    ///
    /// With `further` steps it is the board as it would be if these were folded, too, behind what is: so its author learns
    /// what everybody will make of a step. Those whose place is folded already make no difference.
    ///
    /// # Errors
    /// A [`ReadError`] if a payload cannot be read.
    pub fn board<P: Payloads>(
        &self,
        id: &RecordId,
        payloads: &P,
        further: &[Further],
    ) -> Result<Option<Board>, ReadError<P::Error>> {
        let Some(key) = self.number_of(&id.unit).map(|unit| Key::new(unit, id.index)) else { return Ok(None) };
        let read = self.read_course(key, payloads, further)?;
        Ok(read.map(|read| Making::new(self, &read).make()))
    }

    /// The key of the record with this name, whether it is folded or not.
    fn key_named(&self, name: &Name) -> Option<Key> {
        Some(Key::new(self.number_named(&name.0)?, name.1))
    }
}

/// A board that is being made.
struct Making<'a> {
    fold: &'a Fold,
    read: &'a Read,
    lead: Lead,
    /// By the number of the unit.
    members: BTreeMap<usize, Member>,
    /// The lead and the invited, ascending.
    names: BTreeSet<String>,
    steps: Vec<(Key, BoardStep)>,
}

impl<'a> Making<'a> {
    fn new(fold: &'a Fold, read: &'a Read) -> Self {
        let (lead, judged) = Lead::judge(fold, read);
        let mut steps: Vec<_> = judged.iter().map(|(said, fault)| (said.key, said.shown(fold, *fault))).collect();
        let mut members = BTreeMap::new();
        for number in read.said.keys().copied().filter(|number| *number != read.key.unit()) {
            let name = fold.logs.get(number).map(|log| log.unit.as_str()).unwrap_or_default();
            if lead.invited.contains(name) {
                let (member, judged) = Member::judge(&lead, read, number, u64::MAX);
                steps.extend(judged.iter().map(|(said, fault)| (said.key, said.shown(fold, *fault))));
                members.insert(number, member);
            } else {
                let said = read.said.get(&number).into_iter().flatten();
                steps.extend(said.map(|said| (said.key, said.shown(fold, Some(StepFault::NotInvited)))));
            }
        }
        let mut names = lead.invited.clone();
        names.insert(fold.reference(read.key).unit);
        Self { fold, read, lead, members, names, steps }
    }

    fn make(mut self) -> Board {
        let mut targets = self.targets();
        self.take_reports(&mut targets);
        let targets = targets.into_iter().map(|(_, target)| target).collect();
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|(key, _)| *key);
        let operation = &self.read.operation;
        Board {
            id: Some(self.fold.reference(self.read.key)),
            time_ms: self.read.time_ms,
            title: operation.title.clone(),
            go_ms: operation.go_ms,
            ready_quorum: operation.ready_quorum,
            phase: self.phase().into(),
            units: self.units(),
            freeze: self.freeze(),
            go: self.go(),
            targets,
            steps: steps.into_iter().map(|(_, step)| step).collect(),
            evidence: self.evidence(),
        }
    }

    fn phase(&self) -> Phase {
        if self.lead.closed.is_some() {
            Phase::Closed
        } else if self.lead.aborted {
            Phase::Aborted
        } else if self.lead.gone().is_some() {
            Phase::Gone
        } else if self.lead.freeze.is_some() {
            Phase::Frozen
        } else {
            Phase::Open
        }
    }

    fn units(&self) -> Vec<BoardUnit> {
        let lead = self.fold.reference(self.read.key).unit;
        let of = |unit: &String| {
            let member = self.fold.number_named(unit).and_then(|number| self.members.get(&number));
            let part = if *unit == lead { Part::Leads } else { member.map_or(Part::Invited, |member| member.part) };
            let ready = if *unit == lead { self.lead.ready } else { member.and_then(|member| member.ready) };
            BoardUnit {
                unit: unit.clone(),
                part: part.into(),
                part_by: member.and_then(|member| member.part_by).map(|key| self.fold.reference(key)),
                ready: ready.map(|key| self.fold.reference(key)),
            }
        };
        self.names.iter().map(of).collect()
    }

    fn freeze(&self) -> Option<BoardFreeze> {
        let freeze = self.lead.freeze.as_ref()?;
        let id = Some(self.fold.reference(freeze.key));
        Some(BoardFreeze { id, time_ms: freeze.time_ms, digest: freeze.digest.clone() })
    }

    fn go(&self) -> Option<BoardGo> {
        let go = self.lead.go.as_ref()?;
        Some(BoardGo {
            id: Some(self.fold.reference(go.key)),
            time_ms: go.time_ms,
            at_ms: go.at_ms,
            ready: go.ready.iter().cloned().collect(),
            waits: go.waits.clone(),
        })
    }

    /// The targets that are fixed; before that, those that would be.
    fn names_of_targets(&self) -> Vec<Name> {
        match &self.lead.freeze {
            Some(freeze) => freeze.targets.clone(),
            None => {
                let joined = self.members.values().filter(|member| member.part == Part::Joined);
                let all = self.lead.added.iter().chain(joined.flat_map(|member| &member.added));
                let all: BTreeSet<&Name> = all.filter(|name| !self.lead.removed.contains(*name)).collect();
                all.into_iter().cloned().collect()
            }
        }
    }

    fn targets(&self) -> Vec<(Option<Key>, BoardTarget)> {
        let mut assigned: BTreeMap<&Name, Vec<u32>> = BTreeMap::new();
        for (unit, names) in &self.lead.assigned {
            let place = self.place(unit);
            names.iter().for_each(|name| assigned.entry(name).or_default().extend(place));
        }
        let of = |name: Name| {
            let key = self.fold.key_named(&name);
            let judged = self.fold.against(&name, key, self.lead.gone());
            let target = BoardTarget {
                target: judged.target,
                assigned: assigned.remove(&name).unwrap_or_default(),
                covered: judged.covered,
                against: judged.against,
                executed: Vec::new(),
                referral: Some(RecordRef { unit: name.0, index: name.1 }),
            };
            (key, target)
        };
        self.names_of_targets().into_iter().map(of).collect()
    }

    /// The place of a unit on the board.
    fn place(&self, unit: &str) -> Option<u32> {
        let place = self.names.iter().position(|name| name == unit)?;
        u32::try_from(place).ok()
    }

    /// Puts reports where they belong: at their targets, or among the steps where they do not count.
    fn take_reports(&mut self, targets: &mut [(Option<Key>, BoardTarget)]) {
        // Names ascend by unit, and so do keys, so the places by key are sorted already but for units that nobody knows.
        let mut places: Vec<(Key, usize)> =
            targets.iter().enumerate().filter_map(|(place, (key, _))| Some(((*key)?, place))).collect();
        places.sort_unstable();
        let mut unit = (usize::MAX, None, 0);
        for report in &self.read.reports {
            if unit.0 != report.key.unit() {
                let name = self.fold.logs.get(report.key.unit()).map(|log| log.unit.as_str()).unwrap_or_default();
                unit = (report.key.unit(), self.place(name), 0);
            }
            let found = places.binary_search_by_key(&report.on, |(key, _)| *key);
            let target = found.ok().and_then(|at| targets.get_mut(places.get(at)?.1)).map(|(_, target)| target);
            match self.judge_report(report, target.as_deref(), unit.1) {
                Ok(place) => {
                    if let Some(target) = target {
                        put(target, report, place);
                    }
                }
                Err(_) if unit.2 >= REPORTS_SHOWN_MAX => {}
                Err(fault) => {
                    unit.2 = unit.2.saturating_add(1);
                    let step = BoardStep {
                        id: Some(self.fold.reference(report.key)),
                        time_ms: report.at_ms,
                        step: REPORT,
                        fault: fault.into(),
                        targets: 1,
                        ..BoardStep::default()
                    };
                    self.steps.push((report.key, step));
                }
            }
        }
    }

    fn judge_report(
        &self,
        report: &Report,
        target: Option<&BoardTarget>,
        place: Option<u32>,
    ) -> Result<u32, StepFault> {
        let place = place.ok_or(StepFault::NotInvited)?;
        let leads = report.key.unit() == self.read.key.unit();
        if let Some((index, cut)) = &self.lead.closed
            && if leads { report.key.index() > *index } else { !cut.has(report.key) }
        {
            return Err(StepFault::Closed);
        }
        let member = self.members.get(&report.key.unit());
        if !leads && !member.is_some_and(|member| member.takes_part_at(report.key.index())) {
            return Err(StepFault::NotJoined);
        }
        let go = self.lead.go.as_ref().ok_or(StepFault::NotGone)?;
        if !go.waits.is_empty() {
            return Err(StepFault::Waits);
        }
        if leads && report.key < go.key {
            return Err(StepFault::NotGone);
        }
        if target.is_some_and(|target| target.covered) { Ok(place) } else { Err(StepFault::NotCovered) }
    }

    fn evidence(&self) -> Vec<RecordRef> {
        let keys = self.fold.operations.get(self.read.key).map(|course| course.evidence.as_slice()).unwrap_or_default();
        let mut keys: Vec<Key> =
            keys.iter().copied().filter(|key| self.fold.slot(*key).is_some_and(|slot| slot.stands())).collect();
        keys.sort_unstable();
        keys.into_iter().map(|key| self.fold.reference(key)).collect()
    }
}

/// Adds a report, in the place of an older one of the same unit. Reports come in ascending order.
fn put(target: &mut BoardTarget, report: &Report, unit: u32) {
    let new = BoardExecuted { unit, index: report.key.index(), at_ms: report.at_ms, result: report.result };
    match target.executed.last_mut() {
        Some(last) if last.unit == unit => *last = new,
        _ => target.executed.push(new),
    }
}

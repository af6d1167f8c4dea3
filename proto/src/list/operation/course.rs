//! The steps of an operation as they are judged: read again, in their units' own order.

use std::collections::BTreeMap;

use super::super::fold::Fold;
use super::super::row::{Payloads, ReadError};
use super::super::slot::Key;
use super::index::Report;
use super::{Further, STEPS_MAX};
use crate::record::statement;
use crate::wire::operation_step::Step;
use crate::wire::record::Body;
use crate::wire::{BoardStep, Operation, StepFault};

use super::set;

/// A step that is no report.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) key: Key,
    pub(super) time_ms: u64,
    pub(super) step: Step,
}

/// All that was said of an operation.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) key: Key,
    pub(super) time_ms: u64,
    pub(super) operation: Operation,
    /// By the number of the unit.
    pub(super) said: BTreeMap<usize, Vec<Said>>,
    /// Ascending.
    pub(super) reports: Vec<Report>,
}

impl Said {
    /// As the board shows it.
    pub(super) fn shown(&self, fold: &Fold, fault: Option<StepFault>) -> BoardStep {
        let mut shown = BoardStep {
            id: Some(fold.reference(self.key)),
            time_ms: self.time_ms,
            step: number(&self.step),
            fault: fault.unwrap_or(StepFault::Unspecified).into(),
            ..BoardStep::default()
        };
        match &self.step {
            Step::Invite(invite) => shown.units.clone_from(&invite.units),
            Step::Join(join) => shown.text.clone_from(&join.text),
            Step::Decline(decline) => shown.text.clone_from(&decline.reason),
            Step::Add(list) | Step::Remove(list) => shown.targets = set::count(&list.targets),
            Step::Freeze(freeze) => shown.targets = set::count(&freeze.targets),
            Step::Abort(abort) => shown.text.clone_from(&abort.reason),
            Step::Close(close) => shown.text.clone_from(&close.text),
            Step::Assign(assign) => {
                shown.units = vec![assign.unit.clone()];
                shown.targets = set::count(&assign.targets);
            }
            Step::Ready(_) | Step::Go(_) | Step::Executed(_) => {}
        }
        shown
    }
}

/// The number of a step's arm in `OperationStep`.
pub(super) const fn number(step: &Step) -> u32 {
    match step {
        Step::Invite(_) => 2,
        Step::Join(_) => 3,
        Step::Decline(_) => 4,
        Step::Add(_) => 5,
        Step::Remove(_) => 6,
        Step::Freeze(_) => 7,
        Step::Ready(_) => 8,
        Step::Go(_) => 9,
        Step::Abort(_) => 10,
        Step::Executed(_) => REPORT,
        Step::Close(_) => 12,
        Step::Assign(_) => 13,
    }
}

/// The number of a report.
pub(super) const REPORT: u32 = 11;

impl Fold {
    /// Reads what was said of the operation that a record begins; `None` where it begins none.
    pub(super) fn read_course<P: Payloads>(
        &self,
        key: Key,
        payloads: &P,
        further: &[Further],
    ) -> Result<Option<Read>, ReadError<P::Error>> {
        let Some(course) = self.operations.get(key).filter(|_| self.begins(key)) else { return Ok(None) };
        let Some((time_ms, Body::Operation(operation))) = self.read_body(key, payloads)? else { return Ok(None) };
        let mut read = Read { key, time_ms, operation, said: BTreeMap::new(), reports: course.reports.clone() };
        let mut keys = course.steps.clone();
        keys.sort_unstable();
        for key in keys {
            let said = read.said.entry(key.unit()).or_default();
            if said.len() >= STEPS_MAX {
                continue;
            }
            if let Some((time_ms, Body::OperationStep(step))) = self.read_body(key, payloads)?
                && let Some(step) = step.step
            {
                said.push(Said { key, time_ms, step });
            }
        }
        for Further { id, time_ms, step } in further {
            let Some(unit) = self.number_of(&id.unit).filter(|unit| id.index >= self.size_of(*unit)) else { continue };
            let key = Key::new(unit, id.index);
            if let Some(report) = self.report(key, Some(step)) {
                read.reports.push(report);
            } else {
                read.said.entry(unit).or_default().push(Said { key, time_ms: *time_ms, step: step.clone() });
            }
        }
        read.reports.sort_unstable_by_key(|report| report.key);
        Ok(Some(read))
    }

    pub(super) fn read_body<P: Payloads>(
        &self,
        key: Key,
        payloads: &P,
    ) -> Result<Option<(u64, Body)>, ReadError<P::Error>> {
        let (Some(record), Some(slot)) = (self.record_id(key), self.slot(key)) else { return Ok(None) };
        let read = payloads.payload(&record.unit, record.index).map_err(ReadError::Payloads)?;
        let Some((time_ms, payload)) = read else { return Err(ReadError::Gone(record)) };
        match statement::parse(slot.kind().number(), &payload) {
            Ok(said) => Ok(Some((time_ms, said.into_body()))),
            Err(fault) => Err(ReadError::Damaged(record, fault)),
        }
    }
}

//! What a unit reports that it did, and the end of an operation. A report is a fact: what speaks against having acted, or
//! looks like a slip, is told to who enters it and keeps nothing back.

use entente_proto::ids::RecordId;
use entente_proto::wire::{
    Board, BoardTarget, ExecutedResult, OperationClose, OperationExecuted, Part, Phase, StepFault,
};

use super::super::{Refusal, refusal};
use super::against::words;
use super::{At, Found};

/// The number of the arm of the step that calls an operation off.
const ABORT: u32 = 10;

impl At<'_> {
    /// Reports may be many, so each is judged by one board.
    pub(super) fn executed(&self, board: &Board, executed: &OperationExecuted) -> Result<Found, Refusal> {
        let on = self.named(executed.target.as_ref(), "a report names the referral on which the unit acted")?;
        let unit = (0..).zip(&board.units).find(|(_, unit)| unit.unit == self.core.unit.as_str());
        let place = |target: &BoardTarget| {
            let id = target.referral.as_ref();
            id.map(|id| (id.unit.as_str(), id.index)).cmp(&Some((on.unit.as_str(), on.index)))
        };
        let target = board.targets.binary_search_by(place).ok();
        let target = target.and_then(|at| board.targets.get(at));
        let fault = match unit.map(|(_, unit)| unit.part()) {
            None => StepFault::NotInvited,
            _ if board.phase() == Phase::Closed => StepFault::Closed,
            Some(Part::Invited | Part::Declined) => StepFault::NotJoined,
            _ if board.go.as_ref().is_none_or(|go| !go.waits.is_empty()) || self.is_pending(board) => {
                StepFault::NotGone
            }
            _ => match target.filter(|target| target.covered).zip(unit) {
                Some((target, (place, _))) => return Ok(self.reported(board, target, place, executed)),
                None => StepFault::NotCovered,
            },
        };
        let called_off = if board.phase() == Phase::Aborted { "; the operation was called off" } else { "" };
        Err(refusal(fault.code(), format!("{}{called_off}", fault.words())))
    }

    /// A report that counts, with what its officer should know: the unit has the given place on the board.
    fn reported(&self, board: &Board, target: &BoardTarget, place: u32, executed: &OperationExecuted) -> Found {
        let mut notices: Vec<String> = called_off(board).into_iter().collect();
        let late = target.against.iter().filter(|against| against.stands && !against.in_go);
        notices.extend(late.map(|against| format!("LATE: {}", words(against))));
        notices.extend(self.holds_beside(target).into_iter().map(|hold| format!("LATE: {hold}")));
        if !target.assigned.is_empty() && !target.assigned.contains(&place) {
            let names = (0..).zip(&board.units).filter(|(at, _)| target.assigned.contains(at));
            let names: Vec<&str> = names.map(|(_, unit)| unit.unit.as_str()).collect();
            notices.push(format!("the lead assigned it to {}, not to this unit", names.join(" ")));
        }
        if let Some(before) = target.executed.iter().find(|report| report.unit == place) {
            notices.push(format!(
                "this unit reported on it before, {}: this report takes its place",
                self.own(before.index)
            ));
        }
        notices.extend(early(board, executed));
        Found { notices, ..Found::about(target.target.parse().ok()) }
    }

    /// Whether the go, which is this unit's own, is not yet certified.
    fn is_pending(&self, board: &Board) -> bool {
        let id = board.go.as_ref().and_then(|go| go.id.as_ref()).and_then(|id| self.named(Some(id), "").ok());
        id.is_some_and(|id| self.state.pending.holds(&id))
    }

    /// Nothing is said of an operation that is closed: before the go that would be the end of it by mistake.
    pub(super) fn close(
        &self,
        of: &RecordId,
        board: &Board,
        close: &mut OperationClose,
    ) -> Result<Vec<String>, Refusal> {
        if matches!(board.phase(), Phase::Open | Phase::Frozen) {
            return Err(refusal(
                StepFault::NotGone.code(),
                format!(
                    "the lead has not said go, so there is nothing to close: `entente operation abort {of}` calls it off"
                ),
            ));
        }
        close.frontier.clone_from(&self.judge.frontier);
        let open = board.targets.iter().filter(|target| is_open(target)).count();
        Ok(match open {
            0 => Vec::new(),
            1 => vec!["1 target is still open: what is reported on it later does not count".to_owned()],
            open => vec![format!("{open} targets are still open: what is reported on them later does not count")],
        })
    }
}

/// Whether a target is covered, and neither done nor given up by all who were to act.
fn is_open(target: &BoardTarget) -> bool {
    let done = target.executed.iter().any(|report| report.result() == ExecutedResult::Done);
    let reported = |place: &u32| target.executed.iter().any(|report| report.unit == *place);
    let given_up = !target.executed.is_empty() && target.assigned.iter().all(reported);
    target.covered && !done && !given_up
}

/// That the operation was called off, and why.
fn called_off(board: &Board) -> Option<String> {
    let step = board.steps.iter().find(|step| step.step == ABORT && step.fault() == StepFault::Unspecified)?;
    let id = step.id.as_ref().map(|id| format!("{}/{}", id.unit, id.index)).unwrap_or_default();
    let reason = if step.text.is_empty() { id } else { format!("{id}: {}", step.text) };
    Some(format!(
        "THE OPERATION WAS CALLED OFF ({reason}): leave alone what is not yet done. This is entered as what the unit did"
    ))
}

/// A report of something that was done before the moment, told to who enters it: it is true, or a slip of the pen.
fn early(board: &Board, executed: &OperationExecuted) -> Option<String> {
    let at_ms = board.go.as_ref()?.at_ms;
    let before_ms = at_ms.checked_sub(executed.at_ms).filter(|before_ms| *before_ms > 0)?;
    Some(format!("that is {}.{} s before the moment of the go", before_ms / 1_000, before_ms % 1_000 / 100))
}

//! Operations: short ways to write their steps, shared by the tests of their rules and of random histories.

mod dishonest;
mod partition;
mod random;
mod rules;

use super::*;
use crate::list::operation::{Further, frozen_digest, referrals};
use crate::wire::operation_step::Step;
use crate::wire::{Board, FrontierLog, Phase, StepFault};

/// References by their written ids.
fn refs(ids: &[&str]) -> Vec<RecordRef> {
    ids.iter().filter_map(|id| reference(id)).collect()
}

fn step(of: &str, step: Step) -> Body {
    Body::OperationStep(wire::OperationStep { operation: reference(of), step: Some(step) })
}

/// An operation that a unit begins.
fn operation(invited: &[&str], targets: &[&str], ready_quorum: u32) -> Body {
    Body::Operation(wire::Operation {
        title: "Amaq".into(),
        invited: invited.iter().map(|unit| (*unit).to_owned()).collect(),
        targets: referrals(&refs(targets)),
        go_ms: 9_000,
        ready_quorum,
    })
}

fn invite(units: &[&str]) -> Step {
    Step::Invite(wire::OperationInvite { units: units.iter().map(|unit| (*unit).to_owned()).collect() })
}

fn join() -> Step {
    Step::Join(wire::OperationJoin::default())
}

fn decline() -> Step {
    Step::Decline(wire::OperationDecline::default())
}

fn list(ids: &[&str]) -> wire::OperationTargets {
    wire::OperationTargets { targets: referrals(&refs(ids)) }
}

fn ready(digest: &Hash) -> Step {
    Step::Ready(wire::OperationReady { digest: digest.0.to_vec() })
}

fn executed(on: &str) -> Step {
    Step::Executed(wire::OperationExecuted { target: reference(on), at_ms: 9_500, result: 1, ..Default::default() })
}

fn assign(unit: &str, ids: &[&str]) -> Step {
    Step::Assign(wire::OperationAssign { unit: unit.into(), targets: referrals(&refs(ids)) })
}

/// The sizes of what is folded, as a step names them.
fn frontier(fold: &Fold) -> Vec<FrontierLog> {
    let log =
        |(unit, size): (UnitId, Size)| FrontierLog { unit: unit.as_str().into(), size: size.get(), root: vec![3; 32] };
    fold.frontier_sizes().into_iter().map(log).collect()
}

/// A freeze of these referrals, and its digest.
fn freeze(fold: &Fold, of: &str, ids: &[RecordRef]) -> (Step, Hash) {
    let targets = referrals(ids);
    let digest = frozen_digest(&reference(of).unwrap(), &targets);
    (Step::Freeze(wire::OperationFreeze { targets, digest: digest.0.to_vec(), frontier: frontier(fold) }), digest)
}

fn go(fold: &Fold, digest: &Hash) -> wire::OperationGo {
    wire::OperationGo {
        digest: digest.0.to_vec(),
        at_ms: 9_000,
        charter: vec![9; 32],
        frontier: frontier(fold),
        ..Default::default()
    }
}

/// What the go of a board says.
fn go_of(logs: &Logs, board: &Board) -> wire::OperationGo {
    let at = board.go.as_ref().unwrap().id.as_ref().unwrap();
    let entry = &logs[&unit(&at.unit)][at.index as usize];
    match crate::record::parse(entry.kind, &entry.payload).unwrap().into_body() {
        Body::OperationStep(wire::OperationStep { step: Some(Step::Go(go)), .. }) => go,
        other => panic!("{other:?}"),
    }
}

fn close(fold: &Fold) -> Step {
    Step::Close(wire::OperationClose { text: "done".into(), frontier: frontier(fold) })
}

fn id(text: &str) -> crate::ids::RecordId {
    text.parse().unwrap()
}

impl World {
    fn board(&self, of: &str) -> Board {
        self.fold.board(&id(of), &self.logs, &[]).unwrap().unwrap()
    }

    /// A step is said. Gives back its id.
    fn take(&mut self, unit: &str, of: &str, next: Step) -> String {
        self.say(unit, step(of, next))
    }

    /// What is wrong with a step, or that it counts.
    fn fault(&self, of: &str, at: &str) -> StepFault {
        let board = self.board(of);
        let shown = board.steps.iter().find(|step| step.id == reference(at));
        shown.map_or(StepFault::Unspecified, wire::BoardStep::fault)
    }

    /// Which targets a go covers, by their referrals.
    fn covered(&self, of: &str) -> Vec<String> {
        covered(&self.board(of))
    }
}

fn written(id: &Option<RecordRef>) -> String {
    id.as_ref().map(|id| format!("{}/{}", id.unit, id.index)).unwrap_or_default()
}

fn covered(board: &Board) -> Vec<String> {
    board.targets.iter().filter(|target| target.covered).map(|target| written(&target.referral)).collect()
}

//! Operations: which there are, their boards, and what of a closed one came back.

use std::collections::{BTreeMap, BTreeSet};

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::operation::board_digest;
use entente_proto::record::{self, Target};
use entente_proto::wire;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Board, BoardTarget, Phase, StepFault};
use tonic::Status as Answer;

use super::super::holds::Around;
use super::super::withheld::Withheld;
use super::super::words::{record_ref, unreadable};
use crate::core::Core;
use crate::list::{ListError, State, Stored};

/// Most operations that are listed.
const LISTED_MAX: usize = 1_000;
/// Targets and steps of one part of an answer, so that it stays small whatever was reported.
const TARGETS_MAX: usize = 256;
const STEPS_MAX: usize = 1_024;
/// Remarks of one part, of 1,024 bytes each at the most.
const REMARKS_MAX: usize = 512;

/// The operations, the newest first.
pub(in crate::unit) fn operations(core: &Core) -> Result<wire::OperationsReply, Answer> {
    let state = core.list.read();
    let mut operations = Vec::new();
    for id in state.fold.operations() {
        if let Some(board) = board_of(core, &state, &id).map_err(|error| unreadable(&error))? {
            operations.push(summary(core, &board));
        }
    }
    operations.sort_by(|a, b| (b.time_ms, key(&b.id)).cmp(&(a.time_ms, key(&a.id))));
    operations.truncate(LISTED_MAX);
    Ok(wire::OperationsReply { operations })
}

fn key(id: &Option<wire::RecordRef>) -> Option<(&str, u64)> {
    id.as_ref().map(|id| (id.unit.as_str(), id.index))
}

fn summary(core: &Core, board: &Board) -> wire::OperationSummary {
    let own = board.units.iter().find(|unit| unit.unit == core.unit.as_str());
    let ready = board.units.iter().filter(|unit| unit.ready.is_some()).count();
    wire::OperationSummary {
        id: board.id.clone(),
        time_ms: board.time_ms,
        title: board.title.clone(),
        phase: board.phase,
        at_ms: board.go.as_ref().map_or(board.go_ms, |go| go.at_ms),
        targets: board.targets.len() as u64,
        part: own.map_or(wire::Part::Unspecified.into(), |unit| unit.part),
        ready: u32::try_from(ready).unwrap_or(u32::MAX),
        ready_quorum: board.ready_quorum,
    }
}

fn board_of(core: &Core, state: &State, id: &RecordId) -> Result<Option<Board>, ListError> {
    Ok(state.fold.board(id, &Stored(&*core.store), &[])?)
}

/// Why a step that is folded has no effect, in words; nothing where it has one.
pub(super) fn without_effect(
    core: &Core,
    state: &State,
    id: &RecordId,
    step: &wire::OperationStep,
) -> Result<Option<String>, ListError> {
    let Some(of) = named(&step.operation) else { return Ok(None) };
    let Some(board) = board_of(core, state, &of)? else {
        return Ok(Some(format!("without effect: {of} begins no operation")));
    };
    let own = record_ref(id);
    if let Some(shown) = board.steps.iter().find(|shown| shown.id.as_ref() == Some(&own)) {
        let fault = Some(shown.fault()).filter(|fault| *fault != StepFault::Unspecified);
        return Ok(fault.map(|fault| format!("without effect in {of}: {}", fault.words())));
    }
    let Some(Step::Executed(report)) = &step.step else {
        return Ok(Some(format!("without effect in {of}: its unit had said too much in it before")));
    };
    let place = board.units.iter().position(|unit| unit.unit == own.unit);
    let on = board.targets.iter().filter(|target| target.referral == report.target);
    let newest = on.flat_map(|target| &target.executed).find(|newest| usize::try_from(newest.unit).ok() == place);
    Ok(match newest {
        Some(newest) if newest.index == own.index => None,
        Some(newest) => Some(format!("{}/{} takes its place: its unit has reported again", own.unit, newest.index)),
        None => Some(format!("without effect in {of}, as other reports of its unit were that did not count")),
    })
}

/// An operation, in parts; with the remarks of its reports where they are wanted.
pub(in crate::unit) fn operation(
    core: &Core,
    id: &RecordId,
    remarks: bool,
) -> Result<Vec<wire::OperationPart>, Answer> {
    let state = core.list.read();
    let failed = |error: ListError| unreadable(&error);
    let Some(mut board) = board_of(core, &state, id).map_err(failed)? else {
        let words = if state.pending.holds(id) {
            format!("{id} is not yet certified: ask again in a moment")
        } else {
            format!("{id} is no operation: `entente operation list` shows them")
        };
        return Err(Answer::not_found(words));
    };
    let digest = board_digest(&board).0.to_vec();
    let withheld = Withheld::new(core, &state);
    let resurfaced = resurfaced(core, &state, &withheld, &board).map_err(failed)?;
    let pending = pending_steps(core, &state, id).map_err(failed)?;
    let holds = holds_beside(&state, &withheld, &board);
    let remarks = if remarks { self::remarks(core, &board).map_err(failed)? } else { Vec::new() };
    strip(&withheld, &mut board);
    let (targets, steps) = (std::mem::take(&mut board.targets), std::mem::take(&mut board.steps));
    let first = wire::OperationPart {
        board: Some(board),
        digest,
        pending,
        resurfaced,
        now_ms: core.clock.now_ms(),
        unit: core.unit.to_string(),
        holds,
        remarks: Vec::new(),
    };
    let remarks =
        remarks.chunks(REMARKS_MAX).map(|some| wire::OperationPart { remarks: some.to_vec(), ..Default::default() });
    let part = |board: Board| wire::OperationPart { board: Some(board), ..wire::OperationPart::default() };
    let targets = targets.chunks(TARGETS_MAX).map(|some| Board { targets: some.to_vec(), ..Board::default() });
    let steps = steps.chunks(STEPS_MAX).map(|some| Board { steps: some.to_vec(), ..Board::default() });
    Ok(std::iter::once(first).chain(targets.chain(steps).map(part)).chain(remarks).collect())
}

/// The remarks of the reports on a board.
fn remarks(core: &Core, board: &Board) -> Result<Vec<wire::ReportRemark>, ListError> {
    let mut remarks = Vec::new();
    for report in board.targets.iter().flat_map(|target| &target.executed) {
        let unit = usize::try_from(report.unit).ok().and_then(|place| board.units.get(place));
        let Some(unit) = unit.and_then(|unit| unit.unit.parse::<UnitId>().ok()) else { continue };
        let Some(entry) = core.store.entry(&unit, report.index)? else { continue };
        let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
        if let Some(Body::OperationStep(step)) = statement.map(record::Statement::into_body)
            && let Some(Step::Executed(executed)) = step.step
            && !executed.text.is_empty()
        {
            let id = Some(record_ref(&RecordId { unit, index: report.index }));
            remarks.push(wire::ReportRemark { id, text: executed.text });
        }
    }
    Ok(remarks)
}

/// Hides what an `Erase` names that is not yet certified.
fn strip(withheld: &Withheld, board: &mut Board) {
    let hidden = |id: &Option<wire::RecordRef>| named(id).is_some_and(|id| withheld.holds(&id));
    for target in &mut board.targets {
        if hidden(&target.referral) {
            target.target.clear();
        }
        target.against.retain(|against| !hidden(&against.id));
    }
    board.evidence.retain(|id| !hidden(&Some(id.clone())));
}

fn named(id: &Option<wire::RecordRef>) -> Option<RecordId> {
    let id = id.as_ref()?;
    Some(RecordId { unit: id.unit.parse().ok()?, index: id.index })
}

/// The steps of an operation that are not yet certified.
fn pending_steps(core: &Core, state: &State, id: &RecordId) -> Result<Vec<wire::Pending>, ListError> {
    let mut pending = Vec::new();
    for unit in core.logs().into_iter().map(|log| log.unit) {
        for index in state.pending.steps(&unit) {
            let step = RecordId { unit: unit.clone(), index };
            let Some(entry) = core.store.entry(&unit, index)? else { continue };
            let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
            let record = statement.map(record::Statement::into_record);
            let of = match record.as_ref().and_then(|record| record.body.as_ref()) {
                Some(Body::OperationStep(step)) => step.operation.clone(),
                _ => None,
            };
            if of == Some(record_ref(id)) {
                let time_ms = entry.header().time_ms;
                pending.push(wire::Pending { id: Some(record_ref(&step)), time_ms, record });
            }
        }
    }
    Ok(pending)
}

/// The holds that speak against a target and are not on the board.
fn holds_beside(state: &State, withheld: &Withheld, board: &Board) -> Vec<wire::HoldBeside> {
    let around = Around::new(state);
    let mut targets: BTreeMap<Target, bool> = BTreeMap::new();
    for target in &board.targets {
        if let Ok(name) = target.target.parse() {
            *targets.entry(name).or_default() |= board.go.is_some() && target.covered;
        }
    }
    let mut found = Vec::new();
    for (target, late) in &targets {
        for (held, above) in around.of(state, target) {
            let pending = state.pending.held(&held).cloned().map(|id| (id, false));
            // What is certified of the target itself is on the board.
            let certified = state.fold.holds(&held).filter(|_| held != *target).map(|id| (id, true));
            let holds = pending.chain(certified).filter(|(id, _)| !withheld.holds(id));
            found.extend(holds.map(|(id, certified)| wire::HoldBeside {
                target: target.to_string(),
                held: held.to_string(),
                id: Some(record_ref(&id)),
                certified,
                above,
                late: *late,
            }));
        }
    }
    found.sort_by(|a, b| (&a.target, key(&a.id)).cmp(&(&b.target, key(&b.id))));
    found
}

/// What of a closed operation came back: targets that were seen online after the last unit acted on them, and targets that
/// were linked to a successor since the go.
pub(super) fn resurfaced(
    core: &Core,
    state: &State,
    withheld: &Withheld,
    board: &Board,
) -> Result<Vec<wire::Resurfaced>, ListError> {
    let mut found = Vec::new();
    let Some(go) = board.go.as_ref().filter(|_| board.phase() == Phase::Closed) else { return Ok(found) };
    for target in board.targets.iter().filter(|target| target.covered) {
        let Ok(name) = target.target.parse::<Target>() else { continue };
        if !state.fold.is_seen_or_linked(&name) {
            continue;
        }
        let Some(mut row) = state.fold.row(&name, &Stored(&*core.store))? else { continue };
        withheld.strip(&mut row);
        found.extend(returns(board, target, go.time_ms, &row));
    }
    Ok(found)
}

/// Why a target has come back, if it has.
fn returns(board: &Board, target: &BoardTarget, go_ms: u64, row: &wire::Row) -> Vec<wire::Resurfaced> {
    let back = |by: &Option<wire::RecordRef>, at_ms: u64, successor: &str| wire::Resurfaced {
        operation: board.id.clone(),
        referral: target.referral.clone(),
        target: target.target.clone(),
        by: by.clone(),
        at_ms,
        successor: successor.to_owned(),
    };
    let mut found = Vec::new();
    let acted_ms = target.executed.iter().map(|executed| executed.at_ms).max().unwrap_or(go_ms);
    if let Some((seen, observe)) = row.availability.as_ref().and_then(|seen| Some((seen, seen.observe.as_ref()?)))
        && observe.observed_ms > acted_ms
        && observe.availability() != wire::Availability::Offline
    {
        found.push(back(&seen.id, observe.observed_ms, &observe.successor));
    }
    for row in row.links.iter().filter(|row| row.time_ms > go_ms) {
        let Some(link) = &row.link else { continue };
        if link.relation() == wire::Relation::Successor && link.first == target.target {
            found.push(back(&row.id, row.time_ms, &link.second));
        }
    }
    found
}

/// The targets of closed operations that came back, and what succeeds them.
pub(super) fn all_resurfaced(core: &Core, state: &State, withheld: &Withheld) -> Result<BTreeSet<Target>, ListError> {
    let mut all = BTreeSet::new();
    for id in state.fold.operations() {
        let Some(board) = board_of(core, state, &id)? else { continue };
        for one in resurfaced(core, state, withheld, &board)? {
            all.extend([&one.target, &one.successor].into_iter().filter_map(|text| text.parse::<Target>().ok()));
        }
    }
    Ok(all)
}

//! A board for programs. All keys are always there, as in every `--json`.

use entente_proto::wire::{
    AgainstKind, BoardAgainst, BoardExecuted, BoardStep, BoardTarget, BoardUnit, ExecutedResult, HoldBeside,
    OperationSummary, Resurfaced, StepFault,
};
use serde::Serialize;

use super::super::json::StatementJson;
use super::super::words::{Hex, moment, moment_unless_zero, record_id, word};
use super::board::Told;
use super::outcome::{Moment, Tally, gaps_and_overlaps};
use super::show::{name, part_word, phase_word, step_word};

/// An operation in a list of them.
#[derive(Serialize)]
pub(super) struct SummaryJson {
    id: Option<String>,
    time: String,
    title: String,
    phase: &'static str,
    at: Option<String>,
    targets: u64,
    part: Option<&'static str>,
    ready: u32,
    ready_quorum: u32,
}

impl From<&OperationSummary> for SummaryJson {
    fn from(one: &OperationSummary) -> Self {
        Self {
            id: one.id.as_ref().map(record_id),
            time: moment(one.time_ms),
            title: one.title.clone(),
            phase: phase_word(one.phase()),
            at: moment_unless_zero(one.at_ms),
            targets: one.targets,
            part: Some(part_word(one.part())).filter(|word| *word != "-"),
            ready: one.ready,
            ready_quorum: one.ready_quorum,
        }
    }
}

/// An operation.
#[derive(Serialize)]
pub(super) struct OperationJson {
    id: Option<String>,
    time: String,
    title: String,
    lead: String,
    phase: &'static str,
    planned: Option<String>,
    ready_quorum: u32,
    digest: Option<String>,
    board_digest: String,
    go: Option<GoJson>,
    total: TallyJson,
    gaps: usize,
    overlaps: usize,
    units: Vec<UnitJson>,
    targets: Vec<TargetJson>,
    steps: Vec<StepJson>,
    pending: Vec<StatementJson>,
    holds: Vec<HoldJson>,
    evidence: Vec<String>,
    resurfaced: Vec<ResurfacedJson>,
    now: String,
}

#[derive(Serialize)]
struct GoJson {
    id: Option<String>,
    at: String,
    ready: Vec<String>,
    waits: Vec<String>,
}

#[derive(Serialize)]
struct TallyJson {
    done: usize,
    refused: usize,
    open: usize,
    overdue: usize,
}

impl From<Tally> for TallyJson {
    fn from(tally: Tally) -> Self {
        Self { done: tally.done, refused: tally.refused, open: tally.open, overdue: tally.overdue }
    }
}

#[derive(Serialize)]
struct UnitJson {
    unit: String,
    part: &'static str,
    ready: Option<String>,
    /// Whether its node can be reached; null for the own.
    connected: Option<bool>,
    seen: Option<String>,
    clock_ahead_ms: Option<i64>,
    #[serde(flatten)]
    tally: TallyJson,
}

#[derive(Serialize)]
struct TargetJson {
    target: Option<String>,
    referral: Option<String>,
    state: &'static str,
    covered: bool,
    assigned: Vec<String>,
    executed: Vec<ExecutedJson>,
    against: Vec<AgainstJson>,
}

#[derive(Serialize)]
struct ExecutedJson {
    id: String,
    unit: String,
    at: String,
    result: Option<&'static str>,
    /// Its remark; null where it gives none.
    text: Option<String>,
}

#[derive(Serialize)]
struct AgainstJson {
    kind: &'static str,
    id: Option<String>,
    stands: bool,
    in_go: bool,
    overridden: bool,
}

#[derive(Serialize)]
struct StepJson {
    id: Option<String>,
    time: String,
    step: &'static str,
    /// Why it has no effect, as a code.
    fault: Option<&'static str>,
    text: String,
    units: Vec<String>,
    targets: u64,
}

/// A hold that is not on the board: not yet certified, or of what stands above or below the target.
#[derive(Serialize)]
struct HoldJson {
    target: String,
    held: String,
    id: Option<String>,
    certified: bool,
    late: bool,
}

#[derive(Serialize)]
struct ResurfacedJson {
    target: String,
    referral: Option<String>,
    by: Option<String>,
    at: String,
    successor: Option<String>,
}

impl OperationJson {
    pub(super) fn new(told: &Told, at: Moment) -> Self {
        let board = &told.board;
        let (gaps, overlaps) = gaps_and_overlaps(board);
        Self {
            id: board.id.as_ref().map(record_id),
            time: moment(board.time_ms),
            title: board.title.clone(),
            lead: told.lead().to_owned(),
            phase: phase_word(board.phase()),
            planned: moment_unless_zero(board.go_ms),
            ready_quorum: board.ready_quorum,
            digest: board.freeze.as_ref().map(|freeze| Hex(&freeze.digest).to_string()),
            board_digest: Hex(&told.digest).to_string(),
            go: board.go.as_ref().map(|go| GoJson {
                id: go.id.as_ref().map(record_id),
                at: moment(go.at_ms),
                ready: go.ready.clone(),
                waits: go.waits.iter().map(|log| format!("{}:{}", log.unit, log.size)).collect(),
            }),
            total: at.total(board).into(),
            gaps,
            overlaps,
            units: (0..).zip(&board.units).map(|(place, one)| unit(told, at, place, one)).collect(),
            targets: board.targets.iter().map(|one| target(told, at, one)).collect(),
            steps: board.steps.iter().map(step).collect(),
            pending: told.pending.iter().map(StatementJson::from).collect(),
            holds: told.holds.iter().map(hold).collect(),
            evidence: board.evidence.iter().map(record_id).collect(),
            resurfaced: told.resurfaced.iter().map(resurfaced).collect(),
            now: moment(told.now_ms),
        }
    }
}

fn unit(told: &Told, at: Moment, place: u32, unit: &BoardUnit) -> UnitJson {
    let peer = told.peer(&unit.unit);
    UnitJson {
        unit: unit.unit.clone(),
        part: part_word(unit.part()),
        ready: unit.ready.as_ref().map(record_id),
        connected: peer.map(|peer| peer.connected),
        seen: peer.and_then(|peer| moment_unless_zero(peer.seen_ms)),
        clock_ahead_ms: peer.filter(|peer| peer.connected).map(|peer| peer.clock_ahead_ms),
        tally: at.tally(&told.board, place).into(),
    }
}

fn target(told: &Told, at: Moment, target: &BoardTarget) -> TargetJson {
    let executed = |executed: &BoardExecuted| {
        let unit = name(told, executed.unit).unwrap_or_default().to_owned();
        let id = format!("{unit}/{}", executed.index);
        ExecutedJson {
            text: told.remarks.get(&id).cloned(),
            id,
            unit,
            at: moment(executed.at_ms),
            result: word::<ExecutedResult>(executed.result),
        }
    };
    let state = if told.board.go.is_some() { at.of(&told.board, target).word() } else { "planned" };
    TargetJson {
        target: Some(target.target.clone()).filter(|target| !target.is_empty()),
        referral: target.referral.as_ref().map(record_id),
        state,
        covered: target.covered,
        assigned: target.assigned.iter().filter_map(|place| name(told, *place)).map(str::to_owned).collect(),
        executed: target.executed.iter().map(executed).collect(),
        against: target.against.iter().map(against).collect(),
    }
}

fn against(against: &BoardAgainst) -> AgainstJson {
    let kind = match against.kind() {
        AgainstKind::Hold => "hold",
        AgainstKind::Objection => "objection",
        AgainstKind::Withdrawn => "withdrawn",
        AgainstKind::Erased => "erased",
        AgainstKind::NoReferral => "no-referral",
        AgainstKind::Named => "named",
        AgainstKind::Unspecified => "unknown",
    };
    AgainstJson {
        kind,
        id: against.id.as_ref().map(record_id),
        stands: against.stands,
        in_go: against.in_go,
        overridden: against.overridden,
    }
}

fn step(step: &BoardStep) -> StepJson {
    StepJson {
        id: step.id.as_ref().map(record_id),
        time: moment(step.time_ms),
        step: step_word(step.step),
        fault: Some(step.fault()).filter(|fault| *fault != StepFault::Unspecified).map(StepFault::code),
        text: step.text.clone(),
        units: step.units.clone(),
        targets: step.targets,
    }
}

fn hold(hold: &HoldBeside) -> HoldJson {
    HoldJson {
        target: hold.target.clone(),
        held: hold.held.clone(),
        id: hold.id.as_ref().map(record_id),
        certified: hold.certified,
        late: hold.late,
    }
}

fn resurfaced(back: &Resurfaced) -> ResurfacedJson {
    ResurfacedJson {
        target: back.target.clone(),
        referral: back.referral.as_ref().map(record_id),
        by: back.by.as_ref().map(record_id),
        at: moment(back.at_ms),
        successor: Some(back.successor.clone()).filter(|successor| !successor.is_empty()),
    }
}

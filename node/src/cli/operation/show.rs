//! `entente operation show` and `list`: a board for people.

use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    AgainstKind, BoardAgainst, BoardTarget, BoardUnit, ExecutedResult, HoldBeside, OperationsRequest, Part, Pending,
    Phase, StepFault,
};

use super::super::Global;
use super::super::client::{Deadline, Node};
use super::super::error::CliError;
use super::super::output::{Output, table};
use super::super::summary::summary;
use super::super::words::{Hex, moment, moment_unless_zero, plain, record_id, word};
use super::board::Told;
use super::json::{OperationJson, SummaryJson};
use super::outcome::{Moment, WITHIN_MINUTES, gaps_and_overlaps};
use super::steps::Of;

/// Show an operation: its digest, who is ready for exactly it, who cannot be reached, and what became of each target
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente operation show BE/40 --json | jq -c '.targets[] | [.target, .state]'")]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// After how many minutes a target is overdue that nobody has reported
    #[arg(long, value_name = "MINUTES", default_value_t = WITHIN_MINUTES)]
    within: u64,
    #[command(flatten)]
    deadline: Deadline,
}

/// List the operations, the newest first
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    deadline: Deadline,
}

pub(super) async fn list(args: ListArgs, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let reply = node.client().operations(node.request(OperationsRequest {})).await?.into_inner();
    let mut out = Output::new(global.json);
    if out.is_json() {
        reply.operations.iter().try_for_each(|one| out.document(&SummaryJson::from(one)))?;
        return out.flush();
    }
    if reply.operations.is_empty() {
        out.line("There are no operations: entente operation new begins one.")?;
        return out.flush();
    }
    let mut rows = table(["ID", "PHASE", "MOMENT", "TARGETS", "READY", "PART", "TITLE"]);
    for one in &reply.operations {
        rows.add_row([
            one.id.as_ref().map(record_id).unwrap_or_default(),
            phase_word(one.phase()).to_owned(),
            moment_unless_zero(one.at_ms).unwrap_or_else(|| "-".into()),
            one.targets.to_string(),
            format!("{} of {}", one.ready, one.ready_quorum),
            part_word(one.part()).to_owned(),
            plain(&one.title),
        ]);
    }
    out.table(&rows)?;
    out.flush()
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let told = Told::ask_with_remarks(&node, &args.of.operation).await?;
    let at = Moment { now_ms: told.now_ms, within_ms: args.within.saturating_mul(60_000) };
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&OperationJson::new(&told, at))?;
        return out.flush();
    }
    page(&told, at, &mut out)?;
    out.flush()
}

/// The whole page.
fn page(told: &Told, at: Moment, out: &mut Output) -> Result<(), CliError> {
    head(told, at).into_iter().try_for_each(|line| out.line(line))?;
    out.line("")?;
    units(told, at, out)?;
    out.line("")?;
    targets(told, at, out)?;
    footer(told).into_iter().try_for_each(|line| out.line(line))
}

/// What it is, how far, and what people must know.
pub(super) fn head(told: &Told, at: Moment) -> Vec<String> {
    let board = &told.board;
    let id = board.id.as_ref().map(record_id).unwrap_or_default();
    let mut lines = vec![format!("{id}  {}  {}", plain(&board.title), phase_word(board.phase()))];
    match &board.go {
        Some(go) if go.waits.is_empty() => {
            lines.push(format!("go for {} ({})", moment(go.at_ms), go.id.as_ref().map(record_id).unwrap_or_default()));
        }
        Some(go) => {
            let logs: Vec<String> = go.waits.iter().map(|log| format!("{} up to {}", log.unit, log.size)).collect();
            lines
                .push(format!("the lead said go; it is not known yet what it covers: waiting for {}", logs.join(", ")));
        }
        None if board.go_ms != 0 => lines.push(format!("planned for {}", moment(board.go_ms))),
        None => {}
    }
    let covered = board.targets.iter().filter(|target| target.covered).count();
    match &board.freeze {
        Some(freeze) => {
            let ready: Vec<&str> = ready(told).map(|unit| unit.unit.as_str()).collect();
            lines.push(format!("digest {} of {} targets", Hex(&freeze.digest), board.targets.len()));
            let names = if ready.is_empty() { "nobody".to_owned() } else { ready.join(" ") };
            lines.push(format!("ready for exactly these: {names}; {} must be", board.ready_quorum));
        }
        None => lines.push(format!(
            "{} targets, not yet fixed; {} units must be ready",
            board.targets.len(),
            board.ready_quorum
        )),
    }
    if board.go.is_some() {
        let total = at.total(board);
        lines.push(format!(
            "{covered} targets covered: {} done, {} refused, {} open, {} overdue",
            total.done, total.refused, total.open, total.overdue
        ));
    }
    let (gaps, overlaps) = gaps_and_overlaps(board);
    if board.targets.iter().any(|target| !target.assigned.is_empty()) && gaps + overlaps > 0 {
        lines.push(format!("assigned to nobody: {gaps} targets; to several units: {overlaps}"));
    }
    lines.extend(warnings(told));
    lines
}

/// What people must know now.
pub(super) fn warnings(told: &Told) -> Vec<String> {
    let board = &told.board;
    let mut lines: Vec<String> = over(told).or_else(|| being_called_off(told)).into_iter().collect();
    let away =
        |unit: &&BoardUnit| unit.part() != Part::Declined && told.peer(&unit.unit).is_some_and(|peer| !peer.connected);
    let away: Vec<&str> = board.units.iter().filter(away).map(|unit| unit.unit.as_str()).collect();
    if !away.is_empty() && over(told).is_none() {
        lines.push(format!("CANNOT BE REACHED: {}", away.join(" ")));
    }
    for (unit, ahead_ms) in told.clocks() {
        let (by, way) = (ahead_ms.unsigned_abs() as f64 / 1_000.0, if ahead_ms > 0 { "ahead of" } else { "behind" });
        lines.push(format!("CLOCKS DIFFER: that of {unit} is {by:.1} s {way} this node's"));
    }
    let late = board.targets.iter().filter(|target| target.covered);
    let late = late.flat_map(|target| target.against.iter().map(move |against| (target, against)));
    for (target, against) in late.filter(|(_, against)| !against.in_go) {
        lines.push(format!("LATE: {}: {}", plain(&target.target), against_words(against)));
    }
    lines.extend(told.holds.iter().filter(|hold| hold.late || !hold.certified).map(hold_words));
    lines
}

/// That an operation is over, and nobody is to act in it; nothing while it goes on.
pub(super) fn over(told: &Told) -> Option<String> {
    let steps = &told.board.steps;
    // Also where it was closed since.
    let called_off = steps.iter().find(|step| step.step == ABORT && step.fault() == StepFault::Unspecified);
    match (called_off, told.board.phase()) {
        (Some(step), _) if step.text.is_empty() => Some("CALLED OFF: do not act".into()),
        (Some(step), _) => Some(format!("CALLED OFF ({}): do not act", plain(&step.text))),
        (None, Phase::Aborted) => Some("CALLED OFF: do not act".into()),
        (None, Phase::Closed) => Some("CLOSED: do not act, it is over".into()),
        _ => None,
    }
}

/// That the lead calls an operation off, while that is not yet certified and so not binding.
pub(super) fn being_called_off(told: &Told) -> Option<String> {
    let lead = told.lead();
    let aborts = |step: &&Pending| {
        let body = step.record.as_ref().and_then(|record| record.body.as_ref());
        let abort = matches!(body, Some(Body::OperationStep(said)) if matches!(said.step, Some(Step::Abort(_))));
        abort && step.id.as_ref().is_some_and(|id| id.unit == lead)
    };
    let _ = told.pending.iter().find(aborts).filter(|_| over(told).is_none())?;
    Some(format!("CALLED OFF by {lead}, NOT YET CERTIFIED: do not act before you have asked {lead}"))
}

fn ready(told: &Told) -> impl Iterator<Item = &BoardUnit> {
    told.board.units.iter().filter(|unit| unit.ready.is_some())
}

fn units(told: &Told, at: Moment, out: &mut Output) -> Result<(), CliError> {
    let mut rows = table(["UNIT", "PART", "READY", "REACHED", "DONE", "REFUSED", "OPEN", "OVERDUE"]);
    for (place, unit) in told.board.units.iter().enumerate() {
        let tally = at.tally(&told.board, u32::try_from(place).unwrap_or(u32::MAX));
        let reached = match told.peer(&unit.unit) {
            None if unit.unit == told.own => "here".to_owned(),
            None => "-".to_owned(),
            Some(peer) if peer.connected => "yes".to_owned(),
            Some(peer) if peer.seen_ms == 0 => "NO".to_owned(),
            Some(peer) => format!("NO, last {}", moment(peer.seen_ms)),
        };
        rows.add_row([
            unit.unit.clone(),
            part_word(unit.part()).to_owned(),
            unit.ready.as_ref().map_or_else(|| "no".into(), record_id),
            reached,
            tally.done.to_string(),
            tally.refused.to_string(),
            tally.open.to_string(),
            tally.overdue.to_string(),
        ]);
    }
    out.table(&rows)
}

fn targets(told: &Told, at: Moment, out: &mut Output) -> Result<(), CliError> {
    let board = &told.board;
    let mut rows = table(["TARGET", "REFERRAL", "STATE", "ACTS", "REPORTED", "AGAINST IT"]);
    for target in &board.targets {
        let state = if board.go.is_some() { at.of(board, target).word() } else { "-" };
        let beside = told.holds_of(&target.target).map(beside_words);
        let against = target.against.iter().map(|against| late_words(board.go.is_some() && target.covered, against));
        let against: Vec<String> = against.chain(beside).collect();
        rows.add_row([
            if target.target.is_empty() { "(not known)".into() } else { plain(&target.target) },
            target.referral.as_ref().map(record_id).unwrap_or_default(),
            state.to_owned(),
            names(told, target.assigned.iter().copied()),
            reported(told, target),
            against.join("; "),
        ]);
    }
    out.table(&rows)
}

/// The units at these places.
fn names(told: &Told, places: impl Iterator<Item = u32>) -> String {
    let names: Vec<&str> = places.filter_map(|place| name(told, place)).collect();
    names.join(" ")
}

/// The unit at a place.
pub(super) fn name(told: &Told, place: u32) -> Option<&str> {
    told.board.units.get(usize::try_from(place).ok()?).map(|unit| unit.unit.as_str())
}

/// The units that reported on a target, with how it ended where it was not done.
pub(super) fn reported(told: &Told, target: &BoardTarget) -> String {
    let one = |executed: &entente_proto::wire::BoardExecuted| {
        let unit = name(told, executed.unit).unwrap_or_default();
        match executed.result() {
            ExecutedResult::Done => unit.to_owned(),
            other => format!("{unit}:{}", word::<ExecutedResult>(other.into()).unwrap_or("unknown")),
        }
    };
    target.executed.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Why a target is left out, or what came later.
pub(super) fn against_words(against: &BoardAgainst) -> String {
    let what = match against.kind() {
        AgainstKind::Hold => "held",
        AgainstKind::Objection => "objected to",
        AgainstKind::Withdrawn => "referral withdrawn",
        AgainstKind::Erased => "referral erased",
        AgainstKind::NoReferral => "no such referral",
        AgainstKind::Named => "left out by the go",
        AgainstKind::Unspecified => "unknown",
    };
    let id = against.id.as_ref().map(|id| format!(" ({})", record_id(id))).unwrap_or_default();
    let rest = match (against.stands, against.overridden) {
        (_, true) => ", overridden",
        (false, _) => ", taken back since",
        _ => "",
    };
    format!("{what}{id}{rest}")
}

/// The same, with what is late told as such.
pub(super) fn late_words(covered: bool, against: &BoardAgainst) -> String {
    let late = if covered && !against.in_go { "LATE: " } else { "" };
    format!("{late}{}", against_words(against))
}

/// A hold of what stands above or below a target, or one that is not yet certified.
fn beside_words(hold: &HoldBeside) -> String {
    let id = hold.id.as_ref().map(record_id).unwrap_or_default();
    let uncertified = if hold.certified { "" } else { ", not yet certified" };
    if hold.held == hold.target {
        return format!("held ({id}{uncertified})");
    }
    let place = if hold.above { "above" } else { "below" };
    format!("{}, {place} it, is held ({id}{uncertified})", plain(&hold.held))
}

/// The same, as a line.
pub(super) fn hold_words(hold: &HoldBeside) -> String {
    let late = if hold.late { "LATE: " } else { "" };
    format!("{late}{}: {}", plain(&hold.target), beside_words(hold))
}

/// What waits, what had no effect, what was seized, what came back.
fn footer(told: &Told) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &told.pending {
        let id = step.id.as_ref().map(record_id).unwrap_or_default();
        lines.push(format!("not yet certified, so not binding: {id} {}", summary(step.record.as_ref())));
    }
    for step in told.board.steps.iter().filter(|step| step.fault() != StepFault::Unspecified) {
        let id = step.id.as_ref().map(record_id).unwrap_or_default();
        lines.push(format!("without effect: {id} {}: {}", step_word(step.step), step.fault().words()));
    }
    for id in &told.board.evidence {
        lines.push(format!("seized: {} (entente show {0})", record_id(id)));
    }
    for back in &told.resurfaced {
        let by = back.by.as_ref().map(record_id).unwrap_or_default();
        let how = if back.successor.is_empty() {
            "was seen online again".to_owned()
        } else {
            format!("came back as {}", plain(&back.successor))
        };
        lines.push(format!("RESURFACED: {} {how} {} ({by})", plain(&back.target), moment(back.at_ms)));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

pub(super) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Frozen => "frozen",
        Phase::Gone => "go",
        Phase::Aborted => "aborted",
        Phase::Closed => "closed",
        Phase::Unspecified => "unknown",
    }
}

pub(super) const fn part_word(part: Part) -> &'static str {
    match part {
        Part::Leads => "leads",
        Part::Invited => "invited",
        Part::Joined => "joined",
        Part::Declined => "declined",
        Part::Unspecified => "-",
    }
}

/// The number of the arm of the step that calls an operation off.
const ABORT: u32 = 10;

/// A step by the number of its arm, as the command line calls it.
pub(super) fn step_word(step: u32) -> &'static str {
    const WORDS: [&str; 12] =
        ["invite", "join", "decline", "add", "remove", "freeze", "ready", "go", "abort", "executed", "close", "assign"];
    let place = step.checked_sub(2).and_then(|place| usize::try_from(place).ok());
    place.and_then(|place| WORDS.get(place)).copied().unwrap_or("unknown")
}

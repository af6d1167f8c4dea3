//! `entente operation report`: what happened, for those who were not there; each line with its record id, so that an
//! auditor can check it.
//!
//! | file | what it is |
//! |---|---|
//! | this one | what is reported: put together once for all forms |
//! | `markdown`, `html` | the forms for people |
//! | `chart` | drawings for the page |

mod chart;
mod html;
mod markdown;

use clap::ValueEnum;
use entente_proto::wire::{ExecutedResult, StepFault};
use serde::Serialize;

use super::super::Global;
use super::super::client::{Deadline, Node};
use super::super::error::CliError;
use super::super::output::Output;
use super::super::words::{Hex, moment, record_id, word};
use super::board::Told;
use super::json::OperationJson;
use super::outcome::{Moment, Tally, WITHIN_MINUTES};
use super::show::{late_words, name, part_word, phase_word, step_word};
use super::steps::Of;

/// Print the report of an operation
///
/// Its timeline, what became of each target and what each unit did, and how far apart in time the units acted. Each line has
/// the id of the record that says so: `entente receipt ID` proves it to whoever has the charter.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente operation report BE/40 --format html > amaq.html")]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// In which form
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
    /// After how many minutes a target is overdue that nobody has reported
    #[arg(long, value_name = "MINUTES", default_value_t = WITHIN_MINUTES)]
    within: u64,
    #[command(flatten)]
    deadline: Deadline,
}

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// A page by itself, with charts
    Html,
    /// One document for programs
    Json,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let told = Told::ask_with_remarks(&node, &args.of.operation).await?;
    let at = Moment { now_ms: told.now_ms, within_ms: args.within.saturating_mul(60_000) };
    let report = Report::new(&told, at);
    let mut out = Output::new(global.json);
    match args.format {
        _ if global.json => out.document(&ReportJson { operation: OperationJson::new(&told, at), report: &report })?,
        Format::Json => out.document(&ReportJson { operation: OperationJson::new(&told, at), report: &report })?,
        Format::Md => out.line(markdown::page(&report).trim_end())?,
        Format::Html => out.line(html::page(&report).trim_end())?,
    }
    out.flush()
}

#[derive(Serialize)]
struct ReportJson<'a> {
    operation: OperationJson,
    report: &'a Report,
}

/// What is reported.
#[derive(Serialize)]
struct Report {
    id: String,
    title: String,
    lead: String,
    phase: &'static str,
    /// The digest of the targets that were fixed.
    digest: Option<String>,
    /// The digest of the board from which this is made.
    board_digest: String,
    go_at: Option<String>,
    ready_quorum: u32,
    covered: usize,
    #[serde(skip)]
    total: Tally,
    timeline: Vec<Event>,
    units: Vec<UnitLine>,
    targets: Vec<TargetLine>,
    spread: Option<Spread>,
    evidence: Vec<String>,
    resurfaced: Vec<Event>,
    made: String,
}

/// Something that happened.
#[derive(Serialize)]
struct Event {
    at: String,
    id: String,
    what: String,
}

/// What a unit did.
#[derive(Serialize)]
struct UnitLine {
    unit: String,
    part: &'static str,
    ready: Option<String>,
    done: usize,
    refused: usize,
    open: usize,
    overdue: usize,
    spread: Option<Spread>,
    /// How long after the moment each target was done, milliseconds.
    #[serde(skip)]
    after_ms: Vec<i64>,
}

/// What became of a target.
#[derive(Serialize)]
struct TargetLine {
    target: String,
    referral: String,
    state: &'static str,
    against: Vec<String>,
    reports: Vec<Event>,
}

/// How long after the moment targets were done, milliseconds: negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Spread {
    first_ms: i64,
    median_ms: i64,
    last_ms: i64,
    count: usize,
}

impl Spread {
    /// Of times that ascend.
    fn of(ascending: &[i64]) -> Option<Self> {
        Some(Self {
            first_ms: *ascending.first()?,
            median_ms: *ascending.get(ascending.len() / 2)?,
            last_ms: *ascending.last()?,
            count: ascending.len(),
        })
    }
}

impl Report {
    fn new(told: &Told, at: Moment) -> Self {
        let board = &told.board;
        let units: Vec<UnitLine> =
            (0..).zip(&board.units).map(|(place, unit)| unit_line(told, at, place, unit)).collect();
        let mut all: Vec<i64> = units.iter().flat_map(|unit| unit.after_ms.iter().copied()).collect();
        all.sort_unstable();
        Self {
            id: board.id.as_ref().map(record_id).unwrap_or_default(),
            title: board.title.clone(),
            lead: told.lead().to_owned(),
            phase: phase_word(board.phase()),
            digest: board.freeze.as_ref().map(|freeze| Hex(&freeze.digest).to_string()),
            board_digest: Hex(&told.digest).to_string(),
            go_at: board.go.as_ref().map(|go| moment(go.at_ms)),
            ready_quorum: board.ready_quorum,
            covered: board.targets.iter().filter(|target| target.covered).count(),
            total: at.total(board),
            timeline: timeline(told),
            units,
            targets: board.targets.iter().map(|target| target_line(told, at, target)).collect(),
            spread: Spread::of(&all),
            evidence: board.evidence.iter().map(record_id).collect(),
            resurfaced: told.resurfaced.iter().map(resurfaced).collect(),
            made: moment(told.now_ms),
        }
    }
}

fn resurfaced(back: &entente_proto::wire::Resurfaced) -> Event {
    let what = if back.successor.is_empty() {
        format!("{} was seen online again", back.target)
    } else {
        format!("{} came back as {}", back.target, back.successor)
    };
    Event { at: moment(back.at_ms), id: back.by.as_ref().map(record_id).unwrap_or_default(), what }
}

/// What happened, by time, then by record: every step but the reports, which stand at their targets.
fn timeline(told: &Told) -> Vec<Event> {
    let board = &told.board;
    let begun = format!("{} begins it", told.lead());
    let mut events = vec![(board.time_ms, board.id.as_ref().map(record_id).unwrap_or_default(), begun)];
    for step in &board.steps {
        let id = step.id.as_ref().map(record_id).unwrap_or_default();
        let unit = step.id.as_ref().map(|id| id.unit.as_str()).unwrap_or_default();
        let mut what = format!("{unit}: {}", step_word(step.step));
        if !step.units.is_empty() {
            what = format!("{what} {}", step.units.join(" "));
        }
        if step.targets > 0 {
            what = format!("{what}, {} targets", step.targets);
        }
        if !step.text.is_empty() {
            what = format!("{what}: {}", step.text);
        }
        if step.fault() != StepFault::Unspecified {
            what = format!("{what} (without effect: {})", step.fault().words());
        }
        events.push((step.time_ms, id, what));
    }
    events.sort();
    events.into_iter().map(|(at_ms, id, what)| Event { at: moment(at_ms), id, what }).collect()
}

fn unit_line(told: &Told, at: Moment, place: u32, unit: &entente_proto::wire::BoardUnit) -> UnitLine {
    let board = &told.board;
    let tally = at.tally(board, place);
    let go_ms = board.go.as_ref().map(|go| go.at_ms);
    let done = board.targets.iter().flat_map(|target| &target.executed);
    let done = done.filter(|executed| executed.unit == place && executed.result() == ExecutedResult::Done);
    let after = |at_ms: u64| i64::try_from(i128::from(at_ms) - i128::from(go_ms?)).ok();
    let mut after_ms: Vec<i64> = done.filter_map(|executed| after(executed.at_ms)).collect();
    after_ms.sort_unstable();
    UnitLine {
        unit: unit.unit.clone(),
        part: part_word(unit.part()),
        ready: unit.ready.as_ref().map(record_id),
        done: tally.done,
        refused: tally.refused,
        open: tally.open,
        overdue: tally.overdue,
        spread: Spread::of(&after_ms),
        after_ms,
    }
}

fn target_line(told: &Told, at: Moment, target: &entente_proto::wire::BoardTarget) -> TargetLine {
    let report = |executed: &entente_proto::wire::BoardExecuted| {
        let unit = name(told, executed.unit).unwrap_or_default();
        let result = word::<ExecutedResult>(executed.result).unwrap_or("unknown");
        let id = format!("{unit}/{}", executed.index);
        let remark = told.remarks.get(&id).map(|text| format!(": {text}")).unwrap_or_default();
        Event { at: moment(executed.at_ms), id, what: format!("{unit} {result}{remark}") }
    };
    TargetLine {
        target: if target.target.is_empty() { "(not known)".into() } else { target.target.clone() },
        referral: target.referral.as_ref().map(record_id).unwrap_or_default(),
        state: if told.board.go.is_some() { at.of(&told.board, target).word() } else { "planned" },
        against: target
            .against
            .iter()
            .map(|against| late_words(told.board.go.is_some() && target.covered, against))
            .collect(),
        reports: target.executed.iter().map(report).collect(),
    }
}

/// A time after the moment, in words.
fn after(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "+" };
    format!("{sign}{:.1} s", ms.unsigned_abs() as f64 / 1_000.0)
}

fn spread_words(spread: &Spread) -> String {
    let Spread { first_ms, median_ms, last_ms, count } = spread;
    format!("{} to {}, half of {count} by {}", after(*first_ms), after(*last_ms), after(*median_ms))
}

#[cfg(test)]
mod tests;

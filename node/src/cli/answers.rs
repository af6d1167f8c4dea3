//! Entering statements one by one and printing what became of each: the common way of all commands that make statements.

use std::time::Duration;

use clap::ValueEnum;
use entente_proto::ids::UnitId;
use entente_proto::limits::SUBMISSIONS_MAX;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Answer;
use entente_proto::wire::{Accepted, Known, Proposed, RecordRef, Submission, SubmitResult};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use prost::Message;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::Global;
use super::client::{Deadline, Node, misfit};
use super::error::CliError;
use super::inputs::{Input, inputs};
use super::output::{Output, say};
use super::submit::{Submitter, submission};
use super::words::{plain, record_id, record_ref};
use crate::import::{Fault, Format, Item};

/// How long to wait for a certificate unless `--timeout` says otherwise.
pub(crate) const CERTIFIED: Duration = Duration::from_secs(60);
/// How long to wait until a statement is durable unless `--timeout` says otherwise.
const DURABLE: Duration = Duration::from_secs(30);
/// How long to try again where the connection was lost in the middle of a call.
const RETRY: Duration = Duration::from_secs(10);
/// Calls under way at once: the node makes them durable together.
const CALLS: usize = 5;
/// Bytes of one call's statements.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// For what a command waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// Until it would survive a power loss of this node
    Durable,
    /// Until enough partners have cosigned it that it cannot be lost or changed
    Certified,
}

/// Options of every command that enters statements.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Entering {
    /// Take them from the lines of a file, or of stdin with -
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<String>,
    /// For what to wait
    #[arg(long, value_enum, default_value = "durable")]
    wait: WaitFor,
    /// The id of the statement, so that a command that is given again enters nothing twice; for a single statement
    #[arg(long, value_name = "UUID", conflicts_with = "from")]
    submission: Option<Uuid>,
    #[command(flatten)]
    pub(crate) deadline: Deadline,
}

/// What became of a statement.
#[derive(Serialize)]
struct AnswerJson<'a> {
    id: Option<String>,
    target: Option<&'a str>,
    durable: bool,
    cosigned_by: &'a [String],
    certified: bool,
    submission: Option<String>,
    notices: &'a [String],
    input: &'a str,
    /// Why a second officer has to countersign it.
    proposed: Option<&'a str>,
    refused: Option<RefusedJson<'a>>,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    code: &'a str,
    message: &'a str,
}

/// What an officer insists on, for all statements of a command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Insists {
    /// Whether a target that the unit refers already is referred anew.
    pub(crate) again: bool,
    /// Why a target is referred that a unit asks to leave online.
    pub(crate) despite_hold: String,
    /// Why a target is referred that a guard list names.
    pub(crate) override_guard: String,
}

/// Enters a statement about each input: `state` turns an input into what is said.
pub(crate) async fn enter(
    node: Node,
    inputs: impl Iterator<Item = Result<Input, CliError>>,
    state: impl Fn(Item) -> Result<Body, Fault>,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    enter_as(node, inputs, state, &Insists::default(), entering, global).await
}

/// Enters a statement about each target that a command names, or the file of its `--from`.
pub(crate) async fn enter_about(
    targets: Vec<String>,
    state: impl Fn(String) -> Body,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let inputs = inputs(targets, entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, entering.deadline).await?;
    enter(node, inputs, |item| Ok(state(item.target)), entering, global).await
}

/// Enters a statement about each record that a command names, of whichever unit.
pub(crate) async fn enter_on(
    ids: Vec<String>,
    state: impl Fn(RecordRef) -> Body,
    insists: &Insists,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let inputs = inputs(ids, entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, entering.deadline).await?;
    let state = |item: Item| Ok(state(record_ref(&super::object::id(&item.target)?)));
    enter_as(node, inputs, state, insists, entering, global).await
}

/// Enters a statement about each record that a command names, of the own unit, which `state` is given, too.
pub(crate) async fn enter_own(
    ids: Vec<String>,
    state: impl Fn(&Item, &UnitId) -> Result<Body, Fault>,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let inputs = inputs(ids, entering.from.as_deref(), Some(Format::Lines))?;
    let node = Node::connect(global, entering.deadline).await?;
    let own = node.unit().clone();
    enter(node, inputs, |item| state(&item, &own), entering, global).await
}

/// As [`enter`], for an officer who may insist.
pub(crate) async fn enter_as(
    node: Node,
    inputs: impl Iterator<Item = Result<Input, CliError>>,
    state: impl Fn(Item) -> Result<Body, Fault>,
    insists: &Insists,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let call = entering.deadline.or(DURABLE);
    let mut desk = Desk {
        submitter: Submitter::new(node, call, RETRY.min(call)),
        certified_at: (entering.wait == WaitFor::Certified)
            .then(|| Instant::now().checked_add(entering.deadline.or(CERTIFIED)))
            .flatten(),
        told: Told::new(global),
        batch: Vec::new(),
        bytes: 0,
        uncertified: 0,
        under_way: FuturesOrdered::new(),
    };
    let mut id = entering.submission;
    for input in inputs {
        let Input { name, content } = input?;
        if desk.told.count > 0 && entering.submission.is_some() {
            return Err(CliError::Usage(
                "--submission names a single statement: give one target or id only".to_owned(),
            ));
        }
        desk.told.count = desk.told.count.saturating_add(1);
        match content.and_then(&state) {
            Ok(body) => {
                let plain = submission(id.take().unwrap_or_else(Uuid::new_v4), body, !insists.again);
                let (despite_hold, override_guard) = (insists.despite_hold.clone(), insists.override_guard.clone());
                desk.take(name, Submission { despite_hold, override_guard, ..plain }).await?;
            }
            Err(fault) => desk.misread(name, fault).await?,
        }
    }
    desk.end().await
}

/// Statements on their way: a few calls at once, told of in the order in which they were given.
struct Desk {
    submitter: Submitter,
    certified_at: Option<Instant>,
    told: Told,
    batch: Vec<(String, Submission)>,
    bytes: usize,
    uncertified: u64,
    under_way: FuturesOrdered<BoxFuture<'static, Turned>>,
}

/// What became of a call, or of an input for which none was made.
enum Turned {
    Called { names: Vec<String>, answers: Result<(Vec<Answer>, u64), CliError> },
    Misread { name: String, fault: Fault },
}

impl Desk {
    async fn take(&mut self, name: String, submission: Submission) -> Result<(), CliError> {
        let size = submission.encoded_len();
        if self.batch.len() >= SUBMISSIONS_MAX || self.bytes.saturating_add(size) > STATEMENT_BYTES_MAX {
            self.send().await?;
        }
        self.bytes = self.bytes.saturating_add(size);
        self.batch.push((name, submission));
        Ok(())
    }

    /// Has a fault told where its input stands among the others.
    async fn misread(&mut self, name: String, fault: Fault) -> Result<(), CliError> {
        self.send().await?;
        self.under_way.push_back(ready(Turned::Misread { name, fault }).boxed());
        Ok(())
    }

    async fn send(&mut self) -> Result<(), CliError> {
        self.bytes = 0;
        let (names, submissions): (Vec<_>, Vec<_>) = self.batch.drain(..).unzip();
        if !submissions.is_empty() {
            let (submitter, certified_at) = (self.submitter.clone(), self.certified_at);
            let call = async move {
                Turned::Called { names, answers: enter_call(&submitter, submissions, certified_at).await }
            };
            self.under_way.push_back(call.boxed());
        }
        while self.under_way.len() >= CALLS {
            self.tell_next().await?;
        }
        Ok(())
    }

    /// Waits for what was sent first, and tells of it. After a call that failed no further one is made; what is under way
    /// already may have been entered, so that is told too.
    async fn tell_next(&mut self) -> Result<(), CliError> {
        let mut failed = None;
        while let Some(turned) = self.under_way.next().await {
            match turned {
                Turned::Misread { name, fault } => self.told.refuse(&name, fault.code, &fault.reason)?,
                Turned::Called { names, answers: Ok((answers, uncertified)) } => {
                    self.uncertified = self.uncertified.saturating_add(uncertified);
                    for (name, answer) in names.iter().zip(&answers) {
                        self.told.answer(name, answer)?;
                    }
                    self.told.out.flush()?;
                }
                Turned::Called { answers: Err(error), .. } => failed = failed.or(Some(error)),
            }
            if failed.is_none() {
                return Ok(());
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn end(mut self) -> Result<(), CliError> {
        self.send().await?;
        while !self.under_way.is_empty() {
            self.tell_next().await?;
        }
        self.told.end()?;
        if self.uncertified > 0 {
            return Err(CliError::Refused(format!(
                "durable, but {} not certified in time: `entente status` says which partners are missing, `entente show` \
                 whether it is by now",
                self.uncertified
            )));
        }
        Ok(())
    }
}

/// Makes statements durable, and waits until they are certified if that is asked: an answer for each, and how many are not
/// certified in time.
async fn enter_call(
    submitter: &Submitter,
    submissions: Vec<Submission>,
    certified_at: Option<Instant>,
) -> Result<(Vec<Answer>, u64), CliError> {
    let mut answers = submitter.durable(&submissions).await?;
    let Some(until) = certified_at else { return Ok((answers, 0)) };
    let (at, taken): (Vec<_>, Vec<_>) = answers
        .iter()
        .zip(submissions)
        .enumerate()
        .filter(|(_, (answer, _))| matches!(answer, Answer::Accepted(accepted) if !accepted.certified))
        .map(|(at, (_, submission))| (at, submission))
        .unzip();
    if taken.is_empty() {
        return Ok((answers, 0));
    }
    let Some(certified) = submitter.certified(&taken, until).await? else { return Ok((answers, taken.len() as u64)) };
    for (at, new) in at.into_iter().zip(certified) {
        if let Some(answer) = answers.get_mut(at) {
            *answer = with_notices(new, answer);
        }
    }
    Ok((answers, 0))
}

/// The newer answer, with what the officer was to know when the statement was judged: a repeated call does not judge again.
fn with_notices(new: Answer, before: &Answer) -> Answer {
    match (new, before) {
        (Answer::Accepted(new), Answer::Accepted(before)) if new.notices.is_empty() => {
            Answer::Accepted(Accepted { notices: before.notices.clone(), ..new })
        }
        (new, _) => new,
    }
}

/// What an officer is told of each statement.
struct Told {
    out: Output,
    count: u64,
    refused: u64,
}

impl Told {
    fn new(global: &Global) -> Self {
        Self { out: Output::new(global.json), count: 0, refused: 0 }
    }

    fn answer(&mut self, name: &str, answer: &Answer) -> Result<(), CliError> {
        match answer {
            Answer::Accepted(accepted) => self.accept(name, accepted),
            Answer::Refused(refused) => self.refuse(name, &refused.code, &refused.message),
            Answer::Known(known) => self.know(name, known),
            Answer::Proposed(proposed) => self.propose(name, proposed),
        }
    }

    /// Nothing was entered; what the unit said before is told as it stands.
    fn know(&mut self, name: &str, known: &Known) -> Result<(), CliError> {
        let id = known.id.as_ref().map(record_id);
        let note = match &id {
            Some(id) => format!("this unit refers it already, by {id}: nothing was entered (--again refers it anew)"),
            None => format!("{}: nothing was entered", known.note),
        };
        if self.out.is_json() {
            return self.out.document(&AnswerJson {
                id,
                target: (!known.target.is_empty()).then_some(known.target.as_str()),
                durable: true,
                cosigned_by: &known.cosigned_by,
                certified: known.certified,
                submission: None,
                notices: &[note],
                input: name,
                proposed: None,
                refused: None,
            });
        }
        match &id {
            Some(id) => self.stands(id, &known.target, known.certified, &known.cosigned_by)?,
            None => self.out.line(plain(name))?,
        }
        self.out.line(format_args!("    note: {}", plain(&note)))
    }

    /// A line about a record of this unit.
    fn stands(&mut self, id: &str, target: &str, certified: bool, by: &[String]) -> Result<(), CliError> {
        let state = if certified { "certified" } else { "durable, not yet certified" };
        let by = if by.is_empty() { String::new() } else { format!(", cosigned by {}", plain(&by.join(" "))) };
        self.out.line(format_args!("{id}  {}  {state}{by}", plain(target)))
    }

    fn propose(&mut self, name: &str, proposed: &Proposed) -> Result<(), CliError> {
        let id = Uuid::from_slice(&proposed.submission).unwrap_or_default().to_string();
        let dropped = proposed.reason.is_empty();
        if self.out.is_json() {
            return self.out.document(&AnswerJson {
                id: None,
                target: (!proposed.target.is_empty()).then_some(proposed.target.as_str()),
                durable: true,
                cosigned_by: &[],
                certified: false,
                submission: Some(id),
                notices: &proposed.notices,
                input: name,
                proposed: (!dropped).then_some(proposed.reason.as_str()),
                refused: None,
            });
        }
        let target = if proposed.target.is_empty() { plain(name) } else { plain(&proposed.target) };
        if dropped {
            return self.out.line(format_args!("{id}  {target}  rejected: dropped"));
        }
        self.out
            .line(format_args!("{id}  {target}  durable; waits for a second officer (entente countersign {id})"))?;
        self.out.line(format_args!("    because {}", plain(&proposed.reason)))?;
        proposed.notices.iter().try_for_each(|notice| self.out.line(format_args!("    note: {}", plain(notice))))
    }

    fn accept(&mut self, name: &str, accepted: &Accepted) -> Result<(), CliError> {
        let id = accepted.id.as_ref().map(record_id);
        let submission = Uuid::from_slice(&accepted.submission).ok().map(|id| id.to_string());
        if self.out.is_json() {
            return self.out.document(&AnswerJson {
                id,
                target: (!accepted.target.is_empty()).then_some(accepted.target.as_str()),
                durable: true,
                cosigned_by: &accepted.cosigned_by,
                certified: accepted.certified,
                submission,
                notices: &accepted.notices,
                input: name,
                proposed: None,
                refused: None,
            });
        }
        let target = if accepted.target.is_empty() { name } else { &accepted.target };
        match (id, submission) {
            (Some(id), _) => self.stands(&id, target, accepted.certified, &accepted.cosigned_by)?,
            (None, id) => {
                let (target, id) = (plain(target), id.unwrap_or_default());
                self.out.line(format_args!("  {target}  durable; waits in the outbox as {id}"))?;
            }
        }
        accepted.notices.iter().try_for_each(|notice| self.out.line(format_args!("    note: {}", plain(notice))))
    }

    fn refuse(&mut self, name: &str, code: &str, message: &str) -> Result<(), CliError> {
        self.refused = self.refused.saturating_add(1);
        say(format_args!("entente: {}: {} ({})", plain(name), plain(message), plain(code)));
        if !self.out.is_json() {
            return Ok(());
        }
        self.out.document(&AnswerJson {
            id: None,
            target: None,
            durable: false,
            cosigned_by: &[],
            certified: false,
            submission: None,
            notices: &[],
            input: name,
            proposed: None,
            refused: Some(RefusedJson { code, message }),
        })
    }

    fn end(&mut self) -> Result<(), CliError> {
        self.out.flush()?;
        if self.refused > 0 {
            return Err(CliError::SomeRefused { refused: self.refused, of: self.count });
        }
        Ok(())
    }
}

/// Prints what became of each of the statements that were named so.
pub(crate) fn print_answers(names: &[String], results: Vec<SubmitResult>, global: &Global) -> Result<(), CliError> {
    let mut told = Told::new(global);
    for (name, result) in names.iter().zip(results) {
        told.count = told.count.saturating_add(1);
        let answer = result.result.ok_or_else(|| misfit("it has not one answer for each submission"))?;
        told.answer(name, &answer)?;
    }
    told.end()
}

//! `entente waiting`, `countersign` and `reject`: submissions that are durable and in no log yet.

use entente_proto::wire::{DecideRequest, Wait, WaitingRequest, WaitingSubmission};
use serde::Serialize;
use uuid::Uuid;

use super::Global;
use super::answers::{WaitFor, print_answers};
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::{BodyJson, body_json, kind_json};
use super::output::Output;
use super::summary::summary;
use super::words::{moment, plain};

/// The shortest beginning of an id that is taken for it.
const PREFIX_MIN: usize = 8;

/// List submissions that are durable and in no log yet
///
/// Some want a second officer (entente countersign, entente reject); others wait for the node to sign (entente status).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente waiting --json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    deadline: Deadline,
}

/// Agree, as a second officer, to submissions that want one
///
/// They enter the log then. Nobody countersigns what he submitted himself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente countersign 67e55044 --as second")]
pub(crate) struct CountersignArgs {
    #[command(flatten)]
    which: Which,
}

/// Drop submissions that want a second officer
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente reject 67e55044 --as second")]
pub(crate) struct RejectArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Submission ids, or how they begin, as `entente waiting` tells them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// For what to wait
    #[arg(long, value_enum, default_value = "durable")]
    wait: WaitFor,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct WaitingJson {
    submission: String,
    target: Option<String>,
    kind: &'static str,
    officer: Option<String>,
    reason: String,
    at: Option<String>,
    statement: BodyJson,
}

pub(crate) async fn list(args: ListArgs, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let mut out = Output::new(global.json);
    for waiting in waiting(&node).await? {
        if out.is_json() {
            out.document(&json(&waiting))?;
            continue;
        }
        let by = if waiting.officer.is_empty() {
            String::new()
        } else {
            format!("  by {}  {}", plain(&waiting.officer), moment(waiting.at_ms))
        };
        out.line(format_args!("{}  {}{by}", id(&waiting), plain(&waiting.target)))?;
        out.line(format_args!("    {}", summary(waiting.record.as_ref())))?;
        out.line(format_args!("    waits: {}", plain(&waiting.reason)))?;
    }
    out.flush()
}

pub(crate) async fn countersign(args: CountersignArgs, global: &Global) -> Result<(), CliError> {
    decide(args.which, true, global).await
}

pub(crate) async fn reject(args: RejectArgs, global: &Global) -> Result<(), CliError> {
    decide(args.which, false, global).await
}

async fn decide(which: Which, countersign: bool, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, which.deadline).await?;
    let waiting = waiting(&node).await?;
    let submissions = which.ids.iter().map(|text| named(text, &waiting)).collect::<Result<Vec<_>, CliError>>()?;
    let wait = if which.wait == WaitFor::Certified { Wait::Certified } else { Wait::Durable };
    let request = DecideRequest { submissions, countersign, wait: wait.into() };
    let request = match which.wait {
        WaitFor::Certified => super::client::within(request, which.deadline.or(super::answers::CERTIFIED)),
        WaitFor::Durable => node.request(request),
    };
    let reply = node.client().decide(request).await?.into_inner();
    print_answers(&which.ids, reply.results, global)
}

async fn waiting(node: &Node) -> Result<Vec<WaitingSubmission>, CliError> {
    Ok(node.client().waiting(node.request(WaitingRequest {})).await?.into_inner().waiting)
}

/// The id that a text names: the whole, or the beginning of exactly one that waits.
fn named(text: &str, waiting: &[WaitingSubmission]) -> Result<Vec<u8>, CliError> {
    if let Ok(id) = text.parse::<Uuid>() {
        return Ok(id.as_bytes().to_vec());
    }
    let text = text.to_ascii_lowercase();
    let mut found = waiting.iter().filter(|waiting| text.len() >= PREFIX_MIN && id(waiting).starts_with(&text));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.submission.clone()),
        (Some(_), Some(_)) => {
            Err(CliError::Refused(format!("more than one id begins with {}: give more of it", plain(&text))))
        }
        (None, _) => Err(CliError::Refused(format!(
            "{} is not the id of a submission that waits, nor {PREFIX_MIN} or more characters of its beginning: `entente waiting` lists them",
            plain(&text)
        ))),
    }
}

fn id(waiting: &WaitingSubmission) -> String {
    Uuid::from_slice(&waiting.submission).map(|id| id.to_string()).unwrap_or_default()
}

fn json(waiting: &WaitingSubmission) -> WaitingJson {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    let body = waiting.record.as_ref().and_then(|record| record.body.as_ref());
    WaitingJson {
        submission: id(waiting),
        target: said(&waiting.target),
        kind: body.map_or("unknown", kind_json),
        officer: said(&waiting.officer),
        reason: waiting.reason.clone(),
        at: (waiting.at_ms != 0).then(|| moment(waiting.at_ms)),
        statement: body_json(body),
    }
}

//! `entente waiting`, `countersign` and `reject`: submissions that are durable and in no log yet.

use entente_proto::hash::Hash;
use entente_proto::wire::{DecideRequest, Decision, Wait, WaitingRequest, WaitingSubmission};
use serde::Serialize;
use uuid::Uuid;

use super::Global;
use super::answers::{WaitFor, print_answers};
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::{BodyJson, body_json, kind_json};
use super::output::{Output, say};
use super::summary::summary;
use super::words::{moment, plain};

/// The shortest beginning of an id that is taken for it.
const PREFIX_MIN: usize = 8;
/// How many characters of a digest are told to people: 64 bits, against mistakes; who means to deceive needs 2^64 tries.
const DIGEST_SHOWN: usize = 16;

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
/// They enter the log then, if nothing speaks against them that has come since. Nobody countersigns what he submitted
/// himself. What is countersigned is what `entente waiting` told under ID:DIGEST; without the digest it is what this command
/// shows.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente countersign 67e55044 --as second")]
pub(crate) struct CountersignArgs {
    #[command(flatten)]
    which: Which,
}

/// Drop submissions that wait: for a second officer, or for the node to sign again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente reject 67e55044 --as second")]
pub(crate) struct RejectArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Submission ids, or how they begin, as `entente waiting` tells them: with the digest of what was read, or without
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
    /// SHA-256 of the statement: `countersign ID:DIGEST` agrees to this alone.
    digest: String,
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
        let digest: String = digest(&waiting).to_string().chars().take(DIGEST_SHOWN).collect();
        out.line(format_args!("{}:{digest}  {}{by}", id(&waiting), plain(&waiting.target)))?;
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
    let decisions = which.ids.iter().map(|text| named(text, &waiting)).collect::<Result<Vec<_>, CliError>>()?;
    if countersign {
        let chosen = |waiting: &&WaitingSubmission| decisions.iter().any(|one| one.submission == waiting.submission);
        for waiting in waiting.iter().filter(chosen) {
            let (target, says) = (plain(&waiting.target), summary(waiting.record.as_ref()));
            say(format_args!("countersigning {}  {target}  {says}", id(waiting)));
        }
    }
    let wait = if which.wait == WaitFor::Certified { Wait::Certified } else { Wait::Durable };
    let request = DecideRequest { decisions, countersign, wait: wait.into() };
    let request = match which.wait {
        WaitFor::Certified => node.request_within(request, which.deadline.or(super::answers::CERTIFIED)),
        WaitFor::Durable => node.request(request),
    };
    let reply = node.client().decide(request).await?.into_inner();
    print_answers(&which.ids, reply.results, global)
}

async fn waiting(node: &Node) -> Result<Vec<WaitingSubmission>, CliError> {
    Ok(node.client().waiting(node.request(WaitingRequest {})).await?.into_inner().waiting)
}

/// What a text names: the id of one that waits, or its beginning, and maybe the digest of what was read of it.
fn named(text: &str, waiting: &[WaitingSubmission]) -> Result<Decision, CliError> {
    let text = text.to_ascii_lowercase();
    let (name, read) = text.split_once(':').map_or((text.as_str(), None), |(name, read)| (name, Some(read)));
    let whole = name.parse::<Uuid>().ok().map(|id| id.as_bytes().to_vec());
    let is = |waiting: &&WaitingSubmission| match &whole {
        Some(id) => waiting.submission == *id,
        None => name.len() >= PREFIX_MIN && id(waiting).starts_with(name),
    };
    let mut found = waiting.iter().filter(is);
    match (found.next(), found.next(), whole) {
        (Some(one), None, _) => {
            let digest = digest(one);
            if read.is_some_and(|read| read.len() < PREFIX_MIN || !digest.to_string().starts_with(read)) {
                return Err(CliError::Refused(format!(
                    "what waits as {} is not what was read under {}: read it again with `entente waiting`",
                    id(one),
                    plain(&text)
                )));
            }
            Ok(Decision { submission: one.submission.clone(), digest: digest.0.to_vec() })
        }
        // The node knows what became of it.
        (None, _, Some(submission)) => Ok(Decision { submission, digest: Vec::new() }),
        (Some(_), Some(_), _) => {
            Err(CliError::Refused(format!("more than one id begins with {}: give more of it", plain(name))))
        }
        (None, _, None) => Err(CliError::Refused(format!(
            "{} is not the id of a submission that waits, nor {PREFIX_MIN} or more characters of its beginning: `entente waiting` lists them",
            plain(&text)
        ))),
    }
}

/// The SHA-256 of a statement as it is shown here: what a newer release put into it besides would change it.
fn digest(waiting: &WaitingSubmission) -> Hash {
    Hash::of(&waiting.record.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default())
}

fn id(waiting: &WaitingSubmission) -> String {
    Uuid::from_slice(&waiting.submission).map(|id| id.to_string()).unwrap_or_default()
}

fn json(waiting: &WaitingSubmission) -> WaitingJson {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    let body = waiting.record.as_ref().and_then(|record| record.body.as_ref());
    WaitingJson {
        submission: id(waiting),
        digest: digest(waiting).to_string(),
        target: said(&waiting.target),
        kind: body.map_or("unknown", kind_json),
        officer: said(&waiting.officer),
        reason: waiting.reason.clone(),
        at: (waiting.at_ms != 0).then(|| moment(waiting.at_ms)),
        statement: body_json(body),
    }
}

//! Entering statements one by one and printing what became of each: the common way of `refer`, `withdraw`, `hold`,
//! `object` and `support`.

use std::time::Duration;

use clap::ValueEnum;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Answer;
use entente_proto::wire::{Accepted, Submission};
use prost::Message;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::inputs::Input;
use super::output::{Output, say};
use super::submit::{Submitter, submission};
use super::words::{plain, record_id};
use crate::import::{Fault, Item};

/// How long to wait for a certificate unless `--timeout` says otherwise.
const CERTIFIED: Duration = Duration::from_secs(60);
/// How long to wait until a statement is durable unless `--timeout` says otherwise.
const DURABLE: Duration = Duration::from_secs(30);
/// How long to try again where the connection was lost in the middle of a call.
const RETRY: Duration = Duration::from_secs(10);
/// Statements of one call.
const STATEMENTS_MAX: usize = 250;
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
#[derive(Debug, clap::Args)]
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
    refused: Option<RefusedJson<'a>>,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    code: &'a str,
    message: &'a str,
}

/// Enters a statement about each input: `state` turns an input into what is said.
pub(crate) async fn enter(
    node: Node,
    inputs: impl Iterator<Item = Result<Input, CliError>>,
    state: impl Fn(Item) -> Result<Body, Fault>,
    entering: &Entering,
    global: &Global,
) -> Result<(), CliError> {
    let call = entering.deadline.or(DURABLE);
    let mut desk = Desk {
        submitter: Submitter::new(node, call, RETRY.min(call)),
        certified_at: (entering.wait == WaitFor::Certified)
            .then(|| Instant::now().checked_add(entering.deadline.or(CERTIFIED)))
            .flatten(),
        out: Output::new(global.json),
        batch: Vec::new(),
        bytes: 0,
        count: 0,
        refused: 0,
        uncertified: 0,
    };
    let mut id = entering.submission;
    for input in inputs {
        let Input { name, content } = input?;
        if desk.count > 0 && entering.submission.is_some() {
            return Err(CliError::Usage(
                "--submission names a single statement: give one target or id only".to_owned(),
            ));
        }
        desk.count = desk.count.saturating_add(1);
        match content.and_then(&state) {
            Ok(body) => desk.take(name, submission(id.take().unwrap_or_else(Uuid::new_v4), body, false)).await?,
            Err(fault) => {
                desk.send().await?;
                desk.refuse(&name, fault.code, &fault.reason)?;
            }
        }
    }
    desk.end().await
}

struct Desk {
    submitter: Submitter,
    certified_at: Option<Instant>,
    out: Output,
    batch: Vec<(String, Submission)>,
    bytes: usize,
    count: u64,
    refused: u64,
    uncertified: u64,
}

impl Desk {
    async fn take(&mut self, name: String, submission: Submission) -> Result<(), CliError> {
        let size = submission.encoded_len();
        if self.batch.len() >= STATEMENTS_MAX || self.bytes.saturating_add(size) > STATEMENT_BYTES_MAX {
            self.send().await?;
        }
        self.bytes = self.bytes.saturating_add(size);
        self.batch.push((name, submission));
        Ok(())
    }

    async fn send(&mut self) -> Result<(), CliError> {
        self.bytes = 0;
        let (names, submissions): (Vec<_>, Vec<_>) = self.batch.drain(..).unzip();
        if submissions.is_empty() {
            return Ok(());
        }
        let mut answers = self.submitter.durable(&submissions).await?;
        if let Some(until) = self.certified_at {
            let (at, taken): (Vec<_>, Vec<_>) = answers
                .iter()
                .zip(submissions)
                .enumerate()
                .filter(|(_, (answer, _))| matches!(answer, Answer::Accepted(accepted) if !accepted.certified))
                .map(|(at, (_, submission))| (at, submission))
                .unzip();
            if !taken.is_empty() {
                match self.submitter.certified(&taken, until).await? {
                    Some(certified) => at.into_iter().zip(certified).for_each(|(at, new)| {
                        if let Some(answer) = answers.get_mut(at) {
                            *answer = new;
                        }
                    }),
                    None => self.uncertified = self.uncertified.saturating_add(taken.len() as u64),
                }
            }
        }
        for (name, answer) in names.iter().zip(&answers) {
            match answer {
                Answer::Accepted(accepted) => self.accept(name, accepted)?,
                Answer::Refused(refused) => self.refuse(name, &refused.code, &refused.message)?,
                Answer::Known(known) => self.accept(
                    name,
                    &Accepted { id: known.id.clone(), target: known.target.clone(), ..Accepted::default() },
                )?,
            }
        }
        self.out.flush()
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
                refused: None,
            });
        }
        let target = if accepted.target.is_empty() { plain(name) } else { plain(&accepted.target) };
        let state = match (accepted.certified, &id) {
            (true, _) => "certified".to_owned(),
            (false, Some(_)) => "durable, not yet certified".to_owned(),
            (false, None) => format!("durable; waits in the outbox as {}", submission.unwrap_or_default()),
        };
        let by = accepted.cosigned_by.join(" ");
        let by = if by.is_empty() { by } else { format!(", cosigned by {}", plain(&by)) };
        self.out.line(format_args!("{}  {target}  {state}{by}", id.unwrap_or_default()))?;
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
            refused: Some(RefusedJson { code, message }),
        })
    }

    async fn end(mut self) -> Result<(), CliError> {
        self.send().await?;
        self.out.flush()?;
        if self.refused > 0 {
            return Err(CliError::SomeRefused { refused: self.refused, of: self.count });
        }
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

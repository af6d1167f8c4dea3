//! `entente witness show`: who cosigned the unit's log, and whose logs its node cosigned.

use entente_proto::wire::{StatusReply, StatusRequest, WitnessStatus, WitnessingStatus};
use serde::Serialize;

use crate::cli::Global;
use crate::cli::client::{Deadline, Node};
use crate::cli::error::CliError;
use crate::cli::json::{WitnessJson, WitnessingJson};
use crate::cli::output::{Output, table};
use crate::cli::words::{moment_unless_zero, plain};

/// Show which witnesses cosigned the unit's log up to where, and whose logs the node cosigned as one
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente witness show --json | jq '.witnesses[] | {name, size, error}'")]
pub(super) struct Args {
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct ShowJson {
    witnesses: Vec<WitnessJson>,
    witnessing: Option<WitnessingJson>,
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let reply = node.client().status(node.request(StatusRequest {})).await?.into_inner();
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&ShowJson {
            witnesses: reply.witnesses.iter().map(WitnessJson::from).collect(),
            witnessing: reply.witnessing.as_ref().map(WitnessingJson::from),
        })?;
    } else {
        print(&reply, &mut out)?;
    }
    out.flush()
}

fn print(reply: &StatusReply, out: &mut Output) -> Result<(), CliError> {
    if reply.witnesses.is_empty() {
        out.line("no witness is asked to cosign this log: name some under [[witness.ask]] in node.toml")?;
    }
    for witness in &reply.witnesses {
        out.line(format_args!("{}", in_words(witness)))?;
        out.line(format_args!("         {} at {}", plain(&witness.vkey), plain(&witness.url)))?;
    }
    match &reply.witnessing {
        None => out.line("this node is no witness for others: `listen` under [witness] in node.toml makes it one"),
        Some(witnessing) => logs(witnessing, out),
    }
}

fn logs(witnessing: &WitnessingStatus, out: &mut Output) -> Result<(), CliError> {
    let key = if witnessing.vkey.is_empty() { "no key".to_owned() } else { plain(&witnessing.vkey) };
    out.line(format_args!("a witness for others, at {}, with {key}", plain(&witnessing.listen)))?;
    if !witnessing.reason.is_empty() {
        out.line(format_args!("note     it signs nothing: {}", plain(&witnessing.reason)))?;
    }
    let mut rows = table(["LOG", "COSIGNED", "AT", "LISTED"]);
    for log in &witnessing.logs {
        let signed = moment_unless_zero(log.time_ms).unwrap_or_default();
        let listed = if log.listed { "yes" } else { "no" };
        rows.add_row([plain(&log.origin), log.size.to_string(), signed, listed.to_owned()]);
    }
    out.line("")?;
    out.table(&rows)
}

/// A witness of the own log, on one line.
pub(in crate::cli) fn in_words(witness: &WitnessStatus) -> String {
    let name = plain(&witness.name);
    let seen = match moment_unless_zero(witness.seen_ms) {
        Some(seen) => format!("cosigned {} records at {seen}", witness.size),
        None => "has cosigned nothing yet".to_owned(),
    };
    let error = if witness.error.is_empty() { String::new() } else { format!(", and then: {}", plain(&witness.error)) };
    format!("witness  {name} {seen}{error}")
}

//! `entente status`: own unit, state, charter, logs, list and partners.

use entente_proto::wire::{GuardList, PeerStatus, PublicationStatus, State, StatusReply, StatusRequest};

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::StatusJson;
use super::output::{Output, table};
use super::witness::in_words;
use super::words::{Hex, moment_unless_zero, plain, word};

/// How many guard lists are named.
const GUARDS_SHOWN: usize = 12;

/// Show the node's state, its logs, the list and its partners
///
/// Exits 0 whenever the node answers, whatever its state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente status --json | jq .list.digest")]
pub(crate) struct Args {
    #[command(flatten)]
    deadline: Deadline,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let reply = node.client().status(node.request(StatusRequest {})).await?.into_inner();
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&StatusJson::from(&reply))?;
    } else {
        print(&reply, &mut out)?;
    }
    out.flush()
}

fn print(reply: &StatusReply, out: &mut Output) -> Result<(), CliError> {
    let state = word::<State>(reply.state).unwrap_or("in a state that this release does not know");
    let reason = if reply.reason.is_empty() { String::new() } else { format!(": {}", plain(&reply.reason)) };
    out.line(format_args!("{} of {} is {state}{reason}", plain(&reply.unit), plain(&reply.network)))?;
    for log in reply.logs.iter().filter(|log| log.forked) {
        out.line(format_args!(
            "FORK  the log of {} forked: two signed checkpoints contradict each other",
            plain(&log.unit)
        ))?;
    }
    for warning in &reply.warnings {
        out.line(format_args!("note  {}", plain(warning)))?;
    }
    if reply.outbox > 0 {
        out.line(format_args!("note  {} submissions wait in the outbox until the node signs again", reply.outbox))?;
    }
    let list = reply.list.clone().unwrap_or_default();
    out.line(format_args!(
        "list  {} listed, {} held, {} disputed, {} cleared, {} pending",
        list.listed, list.held, list.disputed, list.cleared, list.pending
    ))?;
    out.line(format_args!("      digest {}", Hex(&list.digest)))?;
    out.line(format_args!(
        "charter {}, {} cosignatures certify, digest {}",
        reply.charter_version,
        reply.quorum,
        Hex(&reply.charter_digest)
    ))?;
    guards(&reply.guards, out)?;
    reply.published.iter().try_for_each(|published| publication(published, out))?;
    for witness in &reply.witnesses {
        out.line(format_args!("{}", in_words(witness)))?;
    }
    out.line("")?;
    let mut logs = table(["LOG", "ENTRIES", "CERTIFIED", "PARTNER", "BEHIND", "LIST", "LAST HEARD OF"]);
    for log in &reply.logs {
        let peer = reply.peers.iter().find(|peer| peer.unit == log.unit);
        let mut cells = vec![plain(&log.unit), log.size.to_string(), log.certified.to_string()];
        cells.extend(peer.map_or_else(|| ["this node", "", "", ""].map(str::to_owned), peer_cells));
        logs.add_row(cells);
    }
    out.table(&logs)
}

/// What is published, and what keeps it from being up to date.
fn publication(published: &PublicationStatus, out: &mut Output) -> Result<(), CliError> {
    let to = plain(&published.to);
    let what = if published.payloads { "with what they say" } else { "without what they say" };
    match moment_unless_zero(published.at_ms) {
        Some(at) => out.line(format_args!("published to {to} at {at}: {} records, {what}", published.records))?,
        None => out.line(format_args!("published to {to}: nothing since this node was started"))?,
    }
    if published.error.is_empty() {
        return Ok(());
    }
    out.line(format_args!("note  publishing fails, and is tried again: {}", plain(&published.error)))
}

/// The guard lists in force, as many as a glance takes in.
fn guards(guards: &[GuardList], out: &mut Output) -> Result<(), CliError> {
    if guards.is_empty() {
        return out.line("guard no lists: put files in the format of MISP's warning lists into guard/");
    }
    let entries: u64 = guards.iter().map(|guard| guard.entries).sum();
    out.line(format_args!("guard {} lists, {entries} entries", guards.len()))?;
    for guard in guards.iter().take(GUARDS_SHOWN) {
        out.line(format_args!("      {}, {} entries ({})", plain(&guard.name), guard.entries, plain(&guard.file)))?;
    }
    if guards.len() > GUARDS_SHOWN {
        out.line(format_args!("      and {} more: --json names all", guards.len() - GUARDS_SHOWN))?;
    }
    Ok(())
}

fn peer_cells(peer: &PeerStatus) -> [String; 4] {
    let connected = match (peer.connected, peer.reason.as_str()) {
        (true, _) => "connected".to_owned(),
        (false, "") => "not connected".to_owned(),
        (false, reason) => format!("not connected: {}", plain(reason)),
    };
    let agrees = match peer.agrees {
        Some(true) => "same",
        Some(false) => "DIFFERS",
        None => "",
    };
    match moment_unless_zero(peer.seen_ms) {
        Some(seen) => [connected, peer.behind.to_string(), agrees.to_owned(), seen],
        // How far it is nobody has told this node.
        None => [connected, "-".to_owned(), "-".to_owned(), "never since the start".to_owned()],
    }
}

//! `entente watch`: changes of the list as they come.

use entente_proto::wire::{Change, WatchRequest};
use tokio::time::{Instant, timeout_at};

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::ChangeJson;
use super::output::{Output, say};
use super::summary::{advice, summary};
use super::words::{moment, plain, record_id};

/// Print changes of the list as they come
///
/// Ends when the node goes away (exit 3), when whoever reads stops reading, or, with --timeout, after that time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente watch --pending --json | jq -c '[.target, .status]'")]
pub(crate) struct Args {
    /// Print statements as they arrive, too, before they are certified
    #[arg(long)]
    pending: bool,
    #[command(flatten)]
    deadline: Deadline,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let end =
        args.deadline.timeout.and_then(|seconds| Instant::now().checked_add(std::time::Duration::from_secs(seconds)));
    let mut changes = node.client().watch(WatchRequest { pending: args.pending, from: Vec::new() }).await?.into_inner();
    let mut out = Output::new(global.json);
    loop {
        let next = match end {
            None => changes.message().await,
            Some(end) => match timeout_at(end, changes.message()).await {
                Ok(next) => next,
                Err(_) => return Ok(()),
            },
        };
        let Some(change) = next? else {
            return Err(CliError::Unreachable(
                "the node ended the watch: it stops, or is restarted; call again".to_owned(),
            ));
        };
        print(&change, &mut out)?;
        out.flush()?;
    }
}

fn print(change: &Change, out: &mut Output) -> Result<(), CliError> {
    if change.missed > 0 {
        say(format_args!("entente: {} changes came faster than they were read: list anew", change.missed));
    }
    if out.is_json() {
        return out.document(&ChangeJson::from(change));
    }
    if change.missed > 0 {
        return Ok(());
    }
    let id = change.id.as_ref().map(record_id).unwrap_or_default();
    let certified = if change.certified { "certified" } else { "pending" };
    out.line(format_args!(
        "{}  {}  {certified}  {}",
        moment(change.time_ms),
        plain(&id),
        summary(change.record.as_ref())
    ))?;
    if change.target.is_empty() {
        return Ok(());
    }
    out.line(format_args!("    {}  {}", plain(&change.target), advice(change.status)))
}

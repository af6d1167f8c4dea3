//! `entente audit publish`: what is published is brought up to date now.

use entente_proto::wire::publish_reply::Reply;
use entente_proto::wire::{PublishDone, PublishRequest};

use super::verify::bar;
use crate::cli::Global;
use crate::cli::client::{Deadline, Node, misfit};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::words::plain;

/// Bring what this node publishes up to date now
///
/// The node does so by itself, `publish.every_s` seconds after something was certified, to the place that `publish.to` in its
/// node.toml names. The command reads all that lies there anew, and mends what is missing, damaged or left over. A node that waits
/// for its partners or recovers publishes nothing, and no log there ever becomes smaller. For operators alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit publish --as operator/anna

In node.toml:
  [publish]
  to = \"s3://bucket/prefix\"      # or a directory, such as one that a web server gives out
  payloads = \"none\"              # targets and persons are withheld; the logs verify all the same

Whoever reads it: entente audit fetch DIR --from s3://bucket/prefix, then entente audit verify DIR --withheld
(also of a directory: beside what an export has, there are tiles of earlier sizes in it for those who read it just then)")]
pub(super) struct Args {}

pub(super) async fn run(_args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, Deadline { timeout: None }).await?;
    let mut replies = node.client().publish(node.lasting_request(PublishRequest {})).await?.into_inner();
    let bar = bar("publishing");
    while let Some(reply) = replies.message().await? {
        match reply.reply {
            Some(Reply::Progress(progress)) => {
                bar.set_length(progress.of);
                bar.set_position(progress.entries);
            }
            Some(Reply::Done(done)) => {
                bar.finish_and_clear();
                return tell(&done, global.json);
            }
            None => {}
        }
    }
    Err(misfit("it ended without saying what was done"))
}

fn tell(done: &PublishDone, json: bool) -> Result<(), CliError> {
    let mut out = Output::new(json);
    if json {
        out.document(&serde_json::json!({
            "to": done.to,
            "payloads": if done.payloads { "all" } else { "none" },
            "records": done.records,
            "files": done.files,
            "written_files": done.written_files,
            "written_bytes": done.written_bytes,
            "removed_files": done.removed_files,
        }))?;
    } else {
        out.line(format_args!(
            "{}: {} certified records in {} files, {} of them written now ({} KiB), {} removed",
            plain(&done.to),
            done.records,
            done.files,
            done.written_files,
            done.written_bytes >> 10,
            done.removed_files
        ))?;
    }
    out.flush()
}

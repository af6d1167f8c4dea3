//! `entente audit`: what auditors verify without trusting anyone.
//!
//! | file | what it is |
//! |---|---|
//! | `access` | the access log: taken from the node by its unit's auditors, and verified offline |
//! | `export`, `bring`, `published` | exports: from the own node, fetched from a unit's, or from where one is published |
//! | `incoming`, `held` | how they come into their directory, and what they may take the place of |
//! | `publish` | the own node publishes now |
//! | `verify` | an export, verified offline; what an auditor has seen before |
//! | `compare` | two exports against each other |
//! | `past` | the list as it was at a moment, and one record by itself |
//! | `report` | the transparency figures of a year |
//! | `disk` | an export in a directory, and the threads that verify it |
//! | `fork` | the proof that a unit's log forked: asked of the node, and verified offline |

mod access;
mod bring;
mod compare;
mod disk;
mod export;
mod fork;
mod held;
mod incoming;
mod past;
mod publish;
mod published;
mod report;
mod verify;

use super::Global;
use super::error::CliError;

/// Verify what units say, without trusting anyone
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  entente audit export be-export --home be
  entente audit verify be-export --charter charter.note
  entente audit fetch be-public --from https://audit.takedown.example/be && entente audit verify be-public --withheld
  entente audit fork verify be.fork --charter charter.note")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Access(access::Args),
    Export(export::ExportArgs),
    Fetch(export::FetchArgs),
    Publish(publish::Args),
    Verify(verify::Args),
    Compare(compare::Args),
    List(past::ListArgs),
    Record(past::RecordArgs),
    Report(report::Args),
    Fork(fork::Args),
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.command {
        Command::Access(args) => access::run(args, global).await,
        Command::Export(args) => export::export(args, global).await,
        Command::Fetch(args) => export::fetch(args, global).await,
        Command::Publish(args) => publish::run(args, global).await,
        Command::Verify(args) => verify::run(&args, global),
        Command::Compare(args) => compare::run(&args, global),
        Command::List(args) => past::list(&args, global),
        Command::Record(args) => past::record(&args, global),
        Command::Report(args) => report::run(&args, global),
        Command::Fork(args) => fork::run(args, global).await,
    }
}

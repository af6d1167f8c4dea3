//! `entente audit access`: who called a node, for its unit's auditors.
//!
//! ```text
//! DIR/access/<epoch>.entries          the entries of an epoch, one after another (a run of `entente_proto::entry`)
//! DIR/access/heads/<index>.receipt    the records in the unit's log that fix them, each with its proof
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `export` | both, from the node; what is there already is not asked for again |
//! | `files` | reading them |
//! | `verify` | the entries against the records |
//! | `report` | who called how often, for what |

mod export;
mod files;
mod report;
mod verify;

#[cfg(test)]
mod tests;

use crate::cli::Global;
use crate::cli::error::CliError;

/// Take and verify the log of who called the node, when and for what
///
/// Every call of an officer, an operator or an auditor is in it before it is acted upon. It never leaves the unit; records in
/// the unit's log, which partners cosign, fix its size and root, so that no line can be dropped or changed unseen.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  entente audit access export DIR --as auditor/NAME    (at the node, again whenever there is more)
  entente audit access verify DIR --charter charter.note
  entente audit access report DIR")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Export(export::Args),
    Verify(verify::Args),
    Report(report::Args),
}

pub(super) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.command {
        Command::Export(args) => export::run(args, global).await,
        Command::Verify(args) => verify::run(&args, global),
        Command::Report(args) => report::run(&args, global),
    }
}

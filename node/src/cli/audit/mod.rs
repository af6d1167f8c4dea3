//! `entente audit`: what auditors verify without trusting anyone.
//!
//! | file | what it is |
//! |---|---|
//! | `access` | the access log: taken from the node by its unit's auditors, and verified offline |
//! | `fork` | the proof that a unit's log forked: asked of the node, and verified offline |

mod access;
mod fork;

use super::Global;
use super::error::CliError;

/// Verify what units say, without trusting anyone
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente audit fork verify be.fork --charter charter.note")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Access(access::Args),
    Fork(fork::Args),
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.command {
        Command::Access(args) => access::run(args, global).await,
        Command::Fork(args) => fork::run(args, global).await,
    }
}

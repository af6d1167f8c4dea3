//! `entente witness`: the witnesses of the unit's log, and its node as a witness for the logs of others.

mod key;
mod show;

use clap::Subcommand;

pub(super) use show::in_words;

use super::error::CliError;
use super::{Global, wait_for};

const EXAMPLES: &str = "Examples:
  entente witness key                 the public key to hand out to those whose logs are to be witnessed
  entente witness show                whose log was cosigned up to where, and who cosigned the own

Logs that the node witnesses stand in HOME/witness/logs, a public key a line, and `listen` under [witness] in node.toml opens \
the listener. Witnesses of the unit's own log are named there under [[witness.ask]].";

/// Witnesses from outside: those of the unit's log, and the node as one for the logs of others
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Key(key::Args),
    Show(show::Args),
}

pub(crate) fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.what {
        What::Key(args) => key::run(&args, global),
        What::Show(args) => wait_for(show::run(args, global)),
    }
}

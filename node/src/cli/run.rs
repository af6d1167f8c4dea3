//! `entente run`: the node.

use super::Global;
use super::error::CliError;

/// Run the node of a home directory until it is told to stop
///
/// It connects to the partners of its charter, takes what its officers submit, and writes its log to stderr. SIGTERM or
/// Ctrl-C stops it. Only `entente init` makes a home directory: `run` never does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  entente run --home /srv/entente/be")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, global: &Global) -> Result<(), CliError> {
    crate::run::run(global.home()?).map_err(|error| CliError::Refused(error.to_string()))
}

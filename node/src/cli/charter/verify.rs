//! `entente charter verify`: all versions from the first on, with nothing but their files.

use std::path::PathBuf;

use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::membership::read_charters;

/// `charter verify`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// All versions in order, from the first on; or a home directory, or one that holds them as 1.note, 2.note and so on
    #[arg(required = true, value_name = "FILE or DIR")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let charters = read_charters(&args.files)?;
    let mut out = Output::new(global.json);
    let newest = charters.newest();
    if global.json {
        let versions = charters
            .all()
            .map(|charter| serde_json::json!({ "version": charter.version(), "digest": charter.digest().to_string() }));
        out.document(&serde_json::json!({
            "network": newest.network().as_str(), "versions": versions.collect::<Vec<_>>(),
        }))?;
    } else {
        for charter in charters.all() {
            out.line(format_args!("version {}  {}  counts", charter.version(), charter.digest()))?;
        }
    }
    out.flush()
}

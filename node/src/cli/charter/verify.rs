//! `entente charter verify`: all versions from the first on, with nothing but their files.

use std::path::PathBuf;

use entente_proto::charter::CharterChain;

use super::words;
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::membership::{self, MembershipError, read_charter};

/// `charter verify`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// All versions in order, from the first on; or a home directory, or one that holds them as 1.note, 2.note and so on
    #[arg(required = true, value_name = "FILE or DIR")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let charters = match args.files.as_slice() {
        [directory] if directory.is_dir() => membership::load_charters_of(directory)?,
        files => read(files)?,
    };
    let mut out = Output::new(global.json);
    let newest = charters.newest();
    if global.json {
        let versions = charters
            .versions()
            .map(|charter| serde_json::json!({ "version": charter.version(), "digest": charter.digest().to_string() }));
        out.document(&serde_json::json!({
            "network": newest.network().as_str(), "versions": versions.collect::<Vec<_>>(),
        }))?;
    } else {
        for charter in charters.versions() {
            out.line(format_args!("version {}  {}  counts", charter.version(), charter.digest()))?;
        }
    }
    out.flush()
}

/// The versions in these files, each verified under those before it.
pub(super) fn read(files: &[PathBuf]) -> Result<CharterChain, CliError> {
    let mut files = files.iter();
    let Some(path) = files.next() else { return Err(CliError::Usage("name the versions".into())) };
    let at = |path: &PathBuf| {
        let path = path.clone();
        move |fault| MembershipError::Text { path, fault }
    };
    let first = read_charter(path)?.verify_first().map_err(at(path))?;
    let mut charters = CharterChain::found(first).map_err(words)?;
    for path in files {
        let next = charters.verify(read_charter(path)?).map_err(at(path))?;
        charters.push(next).map_err(words)?;
    }
    Ok(charters)
}

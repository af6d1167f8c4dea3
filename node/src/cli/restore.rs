//! `entente restore DIR`: a node made of a backup.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Global;
use super::error::CliError;
use super::output::Output;
use crate::backup::{self, BackupError};

/// Make a home directory from a backup
///
/// The backup is checked against its manifest first. The node that is started from it signs nothing until it knows what it
/// signed since the backup: it cosigns again when enough partners have answered, and signs its own log when all have. Make
/// sure that the old node is gone for good: the same unit run twice is a fork.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente restore /srv/backup/be-2026-11-25 --home be")]
pub(crate) struct Args {
    /// The directory that `entente backup` wrote
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Serialize)]
struct RestoreJson<'a> {
    home: &'a Path,
    files: u64,
    bytes: u64,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let home = global.home()?;
    let made = backup::restore(&args.directory, home).map_err(|error| match error {
        BackupError::Changed(_) => CliError::Verification(error.to_string()),
        error => CliError::Refused(error.to_string()),
    })?;
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&RestoreJson { home, files: made.files, bytes: made.bytes })?;
    } else {
        out.line(format_args!(
            "restored to {}. Start it with `entente run --home {}`: it asks its partners what it signed since the backup",
            home.display(),
            home.display()
        ))?;
    }
    out.flush()
}

//! `entente backup DIR`: a copy of the running node.

use std::path::{Path, PathBuf};

use entente_proto::wire::BackupRequest;
use serde::Serialize;

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::output::Output;

/// Write a backup of the running node into a new directory
///
/// The node copies its database, checks the copy, and adds journal, settings, keys, certificates and charters, on its own
/// machine. It goes on meanwhile. The backup holds the unit's keys, and records that are erased later: keep it like the home
/// directory, and destroy old ones.
///
/// For operators alone (`entente cert issue --operator NAME`): an officer has no use for the unit's keys.
///
/// Never put its files back by hand under a running network: `entente restore` makes a node of it that asks its partners
/// what it signed since.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente backup /srv/backup/be-2026-11-25 --as operator/anna --home be")]
pub(crate) struct Args {
    /// The directory, which must not exist yet
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct BackupJson<'a> {
    directory: &'a Path,
    files: u64,
    bytes: u64,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let directory =
        std::path::absolute(&args.directory).map_err(|error| CliError::file(&args.directory, "find", &error))?;
    let named = directory
        .to_str()
        .ok_or_else(|| CliError::Usage(format!("{} is not UTF-8: choose another name", directory.display())))?;
    let node = Node::connect(global, args.deadline).await?;
    let request = BackupRequest { directory: named.to_owned() };
    // How long it takes depends on the database: no deadline unless one is asked for.
    let request = match args.deadline.timeout {
        Some(_) => node.request(request),
        None => node.lasting_request(request),
    };
    let made = node.client().backup(request).await?.into_inner();
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&BackupJson { directory: &directory, files: made.files, bytes: made.bytes })?;
    } else {
        out.line(format_args!(
            "{} files, {} KiB in {}. It holds the unit's keys: keep it like the home directory",
            made.files,
            made.bytes >> 10,
            directory.display()
        ))?;
    }
    out.flush()
}

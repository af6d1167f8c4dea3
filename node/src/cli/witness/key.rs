//! `entente witness key`: the key with which the node witnesses the logs of others.

use entente_certs::signer::KeyFileSigner;
use entente_proto::note::{Algorithm, KeyName, Signer as _, VerifierKey};
use serde::Serialize;

use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::Config;
use crate::files::sync_directory;
use crate::home::Home;
use crate::journal::{Journal, JournalRecord};

/// Print the public key with which the node witnesses the logs of others, and make it where there is none
///
/// The node must be stopped: its journal says which key may sign. A key whose journal was lost, damaged or restored from a
/// backup may not, since nobody knows all that it signed; --renew makes another, which is handed out anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente witness key --home be")]
pub(super) struct Args {
    /// Make a new key, also where there is one that may sign
    #[arg(long)]
    renew: bool,
}

#[derive(Serialize)]
struct KeyJson {
    vkey: String,
    new: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let home = Home::open(global.home()?).map_err(refused)?;
    let config = Config::load(&home.config()).map_err(refused)?;
    let _lock = home.lock().map_err(refused)?;
    let (mut journal, memory) = Journal::open(&home.journal(), &config.network, &config.unit).map_err(|error| {
        CliError::Refused(format!(
            "{error}. Start the node first: it puts a journal in its place that tells of the loss"
        ))
    })?;
    let held = memory.witness.filter(|key| !args.renew && is_here(&home, &config, key));
    let (key, new) = match held {
        Some(key) => (key, false),
        None if !args.renew && !home.key_files("witness").is_empty() => {
            return Err(CliError::Refused(
                "there is a witness key, and the journal does not know all that it signed: it signs nothing more. Make a new \
                 one with --renew, and hand that out"
                    .to_owned(),
            ));
        }
        None => (make(&home, &config, &mut journal)?, true),
    };
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&KeyJson { vkey: key.to_string(), new })?;
    } else {
        out.line(&key)?;
    }
    out.flush()
}

fn is_here(home: &Home, config: &Config, key: &VerifierKey) -> bool {
    let name = KeyName::witness(&config.network, &config.unit);
    let load = |path: std::path::PathBuf| KeyFileSigner::load_as(&path, &name, Algorithm::Cosignature).ok();
    home.key_files("witness").into_iter().filter_map(load).any(|signer| signer.key() == key)
}

/// First the file: a journal that vouches for a key which is nowhere would only be in the way.
fn make(home: &Home, config: &Config, journal: &mut Journal) -> Result<VerifierKey, CliError> {
    let name = KeyName::witness(&config.network, &config.unit);
    let signer = KeyFileSigner::generate(name, Algorithm::Cosignature).map_err(refused)?;
    let path = if home.key_files("witness").is_empty() { home.witness_key() } else { home.next_key_file("witness") };
    signer.save(&path).map_err(refused)?;
    sync_directory(&home.keys()).map_err(|e| CliError::file(&home.keys(), "write", &e))?;
    let key = signer.key().clone();
    journal.append(&[JournalRecord::WitnessKey(key.clone())]).map_err(refused)?;
    Ok(key)
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused(error.to_string())
}

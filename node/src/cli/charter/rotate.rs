//! `entente charter rotate-keys`: new keys beside those in use, and a description that names them.
//!
//! The keys wait until a charter names them: a node takes up whatever of its keys the charter says, and keeps those before,
//! with which bridges are still to be cosigned. Nothing is deleted.

use entente_certs::signer::KeyFileSigner;
use entente_proto::charter::{UnitDescription, UnitDraft};
use entente_proto::note::{Algorithm, KeyName, Signer as _, VerifierKey};

use super::refused;
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::Config;
use crate::files::replace_file;
use crate::home::Home;
use crate::membership::{self, MembershipError};

/// `charter rotate-keys`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Make another charter key
    #[arg(long, required_unless_present_any = ["log", "mirror"])]
    charter: bool,
    /// Make another log key
    #[arg(long)]
    log: bool,
    /// Make another mirror key
    #[arg(long)]
    mirror: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let home = Home::open(global.home()?).map_err(refused)?;
    let config = Config::load(&home.config()).map_err(refused)?;
    let path = home.unit_description();
    let described = UnitDescription::parse(&membership::read(&path)?)
        .map_err(|fault| MembershipError::Text { path: path.clone(), fault })?;
    let (network, unit) = (&config.network, described.unit());
    let make = |wanted: bool, role: &str, name: KeyName, algorithm, old: &VerifierKey| {
        if wanted { made(&home, role, name, algorithm) } else { Ok(old.clone()) }
    };
    let draft = UnitDraft {
        id: unit.id.clone(),
        name: unit.name.clone(),
        charter_key: make(
            args.charter,
            "charter",
            KeyName::charter(network, &unit.id),
            Algorithm::Ed25519,
            &unit.charter_key,
        )?,
        log_key: make(args.log, "log", KeyName::log(network, &unit.id), Algorithm::Ed25519, &unit.log_key)?,
        mirror_key: make(
            args.mirror,
            "mirror",
            KeyName::mirror(network, &unit.id),
            Algorithm::Cosignature,
            &unit.mirror_key,
        )?,
        ca: unit.ca.clone(),
        addresses: unit.addresses.clone(),
    };
    let described = UnitDescription::new(network.clone(), draft).map_err(super::words)?;
    replace_file(&path, described.to_toml().as_bytes(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    let mut out = Output::new(false);
    out.line(format_args!("the new keys are in {}; {} names them", home.keys().display(), path.display()))?;
    out.line(format_args!(
        "next  entente charter new --from {} --update {} --out NEXT.note",
        home.directory().display(),
        path.display()
    ))?;
    out.flush()
}

/// Makes a key, durable before anybody is told of it.
fn made(home: &Home, role: &str, name: KeyName, algorithm: Algorithm) -> Result<VerifierKey, CliError> {
    let path = home.next_key_file(role);
    let signer = KeyFileSigner::generate(name, algorithm).map_err(refused)?;
    signer.save(&path).map_err(refused)?;
    Ok(signer.key().clone())
}

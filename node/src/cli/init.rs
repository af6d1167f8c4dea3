//! `entente init`: a unit's home directory, whole or not at all.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use entente_certs::authority::{Authority, CERTIFICATE_DAYS, Issued, Validity};
use entente_certs::identity::{Described, Identity, Role};
use entente_certs::keyfile::create_secret;
use entente_certs::signer::KeyFileSigner;
use entente_proto::charter::{UnitDescription, UnitDraft, split_address};
use entente_proto::ids::{NetworkName, UnitId};
use entente_proto::note::{Algorithm, KeyName, Signer};

use super::Global;
use super::error::CliError;
use super::output::Output;
use crate::certificates::issued::remember;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::files::{create_file, create_private_directory, sync_directory};
use crate::home::Home;
use crate::journal::{Journal, JournalRecord};
use crate::store::{Options, SledStore};

/// Create the home directory of a unit's node: keys, CA, certificates, settings, and unit.toml to hand out
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example: entente init --network takedown.example --unit BE --name Belgium --address be.example:7443 --api 127.0.0.1:7444 --home be"
)]
pub(crate) struct Args {
    /// The network's name, such as takedown.example
    #[arg(long, value_name = "NAME")]
    network: NetworkName,
    /// The unit's id, such as BE
    #[arg(long, value_name = "ID")]
    unit: UnitId,
    /// The unit's full name, as others will read it in the charter
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// Where partners reach this node; goes into the charter
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    address: String,
    /// Where this unit's officers, operators and auditors reach it
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    api: String,
    /// Where the node listens for partners, if not at --address itself (behind a NAT, say) [default: --address, or every
    /// interface if that is a host name]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    listen: Option<String>,
    /// The first officer's name in the certificate
    #[arg(long, value_name = "NAME", default_value = "officer", value_parser = officer)]
    officer: String,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let directory = global.home()?;
    create(args, directory, &SystemClock)?;
    let home = Home::at(directory);
    let mut out = Output::new(false);
    out.line(format_args!("created    {} for {} of {}", directory.display(), args.unit, args.network))?;
    out.line(format_args!("hand out   {}", home.unit_description().display()))?;
    out.line(format_args!("keep safe  {} (the charter and CA keys may be kept offline)", home.keys().display()))?;
    out.line("next       entente charter new --out charter.note UNIT.TOML...   with the unit.toml of every unit")?;
    out.flush()
}

/// Builds everything in a directory beside, makes it durable and gives it its name: a crash leaves either no home
/// directory or a whole one.
fn create(args: &Args, directory: &Path, clock: &dyn Clock) -> Result<(), CliError> {
    let name = directory
        .file_name()
        .ok_or_else(|| CliError::Usage(format!("{} names no directory that could be created", directory.display())))?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    refuse_existing(directory)?;
    let prefix = format!(".{}.init-", name.to_string_lossy());
    let private = Permissions::from_mode(0o700);
    let beside = tempfile::Builder::new().prefix(&prefix).permissions(private).tempdir_in(parent).map_err(|e| {
        let parent = parent.display();
        CliError::Refused(format!("cannot create a directory in {parent}: {e}; see that {parent} is there first"))
    })?;
    build(args, &Home::at(beside.path()), clock)?;
    // Over an empty directory this works too; over anything else it fails and changes nothing.
    let done = std::fs::rename(beside.path(), directory).and_then(|()| {
        sync_directory(parent).inspect_err(|_| {
            // Durable or not at all: whoever was told that it failed must be able to try again.
            let _ = std::fs::remove_dir_all(directory);
        })
    });
    done.map_err(|e| CliError::Refused(format!("cannot create {}: {e}", directory.display())))?;
    // It has moved away: there is nothing left to delete under its old name.
    let _ = beside.keep();
    Ok(())
}

fn refuse_existing(home: &Path) -> Result<(), CliError> {
    let found = match std::fs::read_dir(home) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(CliError::Refused(format!("cannot create {}: {error}", home.display()))),
    };
    if found {
        let words = "exists already and is not empty: `init` creates a home directory and never changes one";
        return Err(CliError::Refused(format!("{} {words}", home.display())));
    }
    Ok(())
}

fn build(args: &Args, home: &Home, clock: &dyn Clock) -> Result<(), CliError> {
    let (network, unit) = (&args.network, &args.unit);
    let now_ms = clock.now_ms();
    for directory in [home.keys(), home.certificates(), home.charters()] {
        create_private_directory(&directory).map_err(|e| CliError::file(&directory, "create", &e))?;
    }
    let keys = [
        (home.charter_key(), KeyName::charter(network, unit), Algorithm::Ed25519),
        (home.log_key(), KeyName::log(network, unit), Algorithm::Ed25519),
        (home.mirror_key(), KeyName::mirror(network, unit), Algorithm::Cosignature),
        (home.witness_key(), KeyName::witness(network, unit), Algorithm::Cosignature),
    ];
    let [charter_key, log_key, mirror_key, witness_key] = keys.map(|(path, name, algorithm)| {
        let signer = KeyFileSigner::generate(name, algorithm).map_err(refused)?;
        signer.save(&path).map_err(refused)?;
        Ok::<_, CliError>(signer.key().clone())
    });

    let authority = Authority::create(network, unit, now_ms).map_err(refused)?;
    create_secret(&home.ca_key(), authority.key_pem().as_bytes()).map_err(refused)?;
    write(&home.ca_certificate(), authority.certificate_pem().as_bytes())?;
    let validity = Validity::days(now_ms, CERTIFICATE_DAYS).map_err(refused)?;
    let node = authority.issue(&Identity::node(unit.clone()), &hosts(args), validity).map_err(refused)?;
    keep(&node, &home.node_certificate(), &home.node_key())?;
    let identity = Identity { unit: unit.clone(), role: Role::Officer(args.officer.clone()) };
    let officer = authority.issue(&identity, &[], validity).map_err(refused)?;
    for issued in [&node, &officer] {
        let described = Described::of_pem(issued.certificate_pem.as_bytes(), network).map_err(refused)?;
        remember(home, [described.into()]).map_err(CliError::Refused)?;
    }
    keep(&officer, &home.officer_certificate(&args.officer), &home.officer_key(&args.officer))?;

    let draft = UnitDraft {
        id: unit.clone(),
        name: args.name.clone(),
        charter_key: charter_key?,
        log_key: log_key?,
        mirror_key: mirror_key?,
        ca: vec![authority.certificate_der().to_vec()],
        addresses: vec![args.address.clone()],
    };
    let description = UnitDescription::new(network.clone(), draft).map_err(refused)?;
    write(&home.unit_description(), description.to_toml().as_bytes())?;
    let config = Config::template(network, unit, &listen(args), &args.api, &args.officer);
    write(&home.config(), config.as_bytes())?;
    // Only here: an absent journal is a lost one ever after.
    let mut journal = Journal::create(&home.journal(), network, unit).map_err(refused)?;
    journal.append(&[JournalRecord::WitnessKey(witness_key?)]).map_err(refused)?;
    drop(journal);
    drop(SledStore::create(&home.data(), Options::new(network.clone(), unit.clone())).map_err(refused)?);
    for directory in [&home.keys(), &home.certificates(), &home.charters(), home.directory()] {
        sync_directory(directory).map_err(|e| CliError::file(directory, "write", &e))?;
    }
    Ok(())
}

fn keep(issued: &Issued, certificate: &Path, key: &Path) -> Result<(), CliError> {
    create_secret(key, issued.key_pem.as_bytes()).map_err(refused)?;
    write(certificate, issued.certificate_pem.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    create_file(path, bytes, 0o600).map_err(|e| CliError::file(path, "write", &e))
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused(error.to_string())
}

/// Where the node listens for partners. A host name in --address may stand for a router in front of it.
fn listen(args: &Args) -> String {
    let (host, port) = split_address(&args.address).unwrap_or((&args.address, 0));
    match &args.listen {
        Some(listen) => listen.clone(),
        None if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() => args.address.clone(),
        None => format!("0.0.0.0:{port}"),
    }
}

/// The names for ordinary clients on the node's certificate: every host at which it may be reached, once.
fn hosts(args: &Args) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (host, _) in [&args.address, &args.api].into_iter().filter_map(|address| split_address(address)) {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let unspecified = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified());
        if !unspecified && !out.iter().any(|known| known == host) {
            out.push(host.to_owned());
        }
    }
    out
}

fn address(text: &str) -> Result<String, String> {
    split_address(text).map(|_| text.to_owned()).ok_or_else(|| {
        "write a host name in lower case, an IPv4 address or an IPv6 address in brackets, a colon and a port: \
         be.takedown.example:7443"
            .into()
    })
}

pub(crate) fn officer(text: &str) -> Result<String, String> {
    match format!("officer/{text}").parse() {
        Ok(Role::Officer(name)) => Ok(name),
        Ok(_) => Err("this is not a person's name".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;

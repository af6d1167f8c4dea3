//! `entente cert list`: all certificates that are in the home directory, and those that were given out and are good still.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use entente_certs::identity::{Described, Role, moment};
use entente_certs::members::{RevokedBy, Root};
use entente_proto::hash::Hash;
use entente_proto::wire::StatusRequest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

use super::super::Global;
use super::super::client::{Deadline, Node};
use super::super::error::CliError;
use super::super::output::{Output, say, table};
use super::super::words::plain;
use super::{FILE_BYTES_MAX, open};
use crate::admission::Kept;
use crate::certificates::{denied, issued, warning};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::files::read_bounded;
use crate::home::Home;
use crate::membership::load_charter;

/// List the certificates in the home directory: whose, until when, by which public key, and whether they are revoked
///
/// Those that were renewed since, or whose files went elsewhere, are listed until they expire: whoever has their keys can use
/// them.
///
/// Whether a record revokes one is known to the node: if it does not answer, only the charter and the deny list are looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente cert list --json | jq -r 'select(.warning) | .holder'")]
pub(crate) struct Args {
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Serialize)]
struct CertificateJson {
    holder: String,
    role: &'static str,
    expires: Option<String>,
    spki_sha256: Option<String>,
    revoked: Option<String>,
    warning: Option<String>,
    /// Where it is, unless it was replaced or taken elsewhere.
    file: Option<String>,
    /// Whether its holder has another one by now.
    replaced: bool,
    #[serde(skip)]
    key: Option<Hash>,
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (home, config) = open(global)?;
    let mut all = found(&home, &config)?;
    let mut revoked = known_here(&home, &config)?;
    match told(global, args.deadline).await {
        Ok(told) => revoked.extend(told),
        Err(error) => say(format_args!("the node was not asked, so what records revoke is not shown: {error}")),
    }
    for certificate in &mut all {
        certificate.revoked = certificate.key.and_then(|key| revoked.get(&key).cloned());
        if certificate.revoked.is_some() {
            certificate.warning = None;
        }
    }
    let mut out = Output::new(global.json);
    if out.is_json() {
        all.iter().try_for_each(|certificate| out.document(certificate))?;
        return out.flush();
    }
    let mut rows = table(["HOLDER", "EXPIRES", "PUBLIC KEY (SHA-256)", "REVOKED"]);
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    for certificate in &all {
        let cells = [&certificate.expires, &certificate.spki_sha256, &certificate.revoked].map(or_empty);
        let holder = match (&certificate.file, certificate.replaced) {
            (Some(_), _) => certificate.holder.clone(),
            (None, true) => format!("{}, before", certificate.holder),
            (None, false) => format!("{}, kept elsewhere", certificate.holder),
        };
        rows.add_row([holder].into_iter().chain(cells));
    }
    out.table(&rows)?;
    for warning in all.iter().filter_map(|certificate| certificate.warning.as_ref()) {
        out.line(format_args!("note  {}", plain(warning)))?;
    }
    out.flush()
}

/// What the charter and the deny list say, and what this unit's records said when the node last wrote it down.
pub(super) fn known_here(home: &Home, config: &Config) -> Result<BTreeMap<Hash, String>, CliError> {
    let mut revoked: BTreeMap<Hash, String> = denied(&home.deny())
        .map_err(CliError::Refused)?
        .into_iter()
        .map(|key| (key, RevokedBy::DenyList.to_string()))
        .collect();
    let path = home.revoked();
    let recorded = Kept::read(&path).map_err(|e| CliError::file(&path, "read", &e))?;
    let own = recorded.into_iter().filter(|(unit, _)| *unit == config.unit);
    revoked.extend(own.map(|(_, key)| (key, RevokedBy::Unit.to_string())));
    // Before a network is founded there is none.
    if let Ok(charter) = load_charter(home) {
        revoked.extend(charter.terms().revoked.iter().map(|key| (*key, RevokedBy::Charter.to_string())));
    }
    Ok(revoked)
}

/// What the node says.
async fn told(global: &Global, deadline: Deadline) -> Result<BTreeMap<Hash, String>, CliError> {
    let node = Node::connect(global, deadline).await?;
    let reply = node.client().status(node.request(StatusRequest {})).await?.into_inner();
    let revoked = reply.certificates.into_iter().filter(|certificate| !certificate.revoked.is_empty());
    let key = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok().map(Hash);
    Ok(revoked.filter_map(|certificate| Some((key(certificate.spki_sha256)?, plain(&certificate.revoked)))).collect())
}

/// The certificates in the home directory, authorities first, then the node, then people.
fn found(home: &Home, config: &Config) -> Result<Vec<CertificateJson>, CliError> {
    let directory = home.certificates();
    let entries = std::fs::read_dir(&directory).map_err(|e| CliError::file(&directory, "list", &e))?;
    let paths: BTreeSet<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .collect();
    let mut all: Vec<CertificateJson> = paths.into_iter().map(|path| one(path, home, config)).collect();
    let elsewhere = elsewhere(home, config, &all)?;
    all.extend(elsewhere);
    let order = ["authority", "node", "officer", "operator", "auditor"];
    all.sort_by_key(|certificate| {
        let role = order.iter().position(|role| *role == certificate.role).unwrap_or(order.len());
        (role, certificate.holder.clone(), certificate.file.is_none())
    });
    Ok(all)
}

/// The certificates that were given out and are good still, beside those that are here.
fn elsewhere(home: &Home, config: &Config, here: &[CertificateJson]) -> Result<Vec<CertificateJson>, CliError> {
    let now_s = i64::try_from(SystemClock.now_ms() / 1_000).unwrap_or(i64::MAX);
    let given = issued::given(home, &config.network).map_err(CliError::Refused)?.into_iter().filter(|given| {
        given.not_after_s >= now_s && !here.iter().any(|certificate| certificate.key == Some(given.spki))
    });
    let certificate = |given: issued::Given| CertificateJson {
        holder: given.role.to_string(),
        role: word(&given.role),
        expires: Some(moment(given.not_after_s)),
        spki_sha256: Some(given.spki.to_string()),
        revoked: None,
        warning: None,
        file: None,
        replaced: here.iter().any(|certificate| certificate.holder == given.role.to_string()),
        key: Some(given.spki),
    };
    Ok(given.map(certificate).collect())
}

fn one(path: PathBuf, home: &Home, config: &Config) -> CertificateJson {
    let authorities = [home.ca_certificate(), home.next_ca_certificate(), home.old_ca_certificate()];
    let read = || {
        let pem = read_bounded(&path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
        if authorities.contains(&path) {
            let der = CertificateDer::from_pem_slice(&pem).map_err(|error| error.to_string())?;
            let root = Root::parse(&der).map_err(|error| error.to_string())?;
            return Ok((authority_name(&path, home), "authority", *root.spki(), root.not_after_s()));
        }
        let described = Described::of_pem(&pem, &config.network).map_err(|error| error.to_string())?;
        let role = &described.identity.role;
        Ok((role.to_string(), word(role), described.spki, described.not_after_s))
    };
    let file = path.display().to_string();
    let (revoked, replaced, now_ms) = (None, false, SystemClock.now_ms());
    match read() {
        Ok((holder, role, key, not_after_s)) => {
            let remedy = match role {
                "authority" => "entente cert renew --ca".to_owned(),
                _ => format!("entente cert renew {holder}"),
            };
            let warning = warning(&holder, now_ms, not_after_s, &remedy);
            let (expires, spki_sha256) = (Some(moment(not_after_s)), Some(key.to_string()));
            let (file, key) = (Some(file), Some(key));
            CertificateJson { holder, role, expires, spki_sha256, revoked, warning, file, replaced, key }
        }
        Err::<_, String>(why) => {
            let holder = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let warning = Some(format!("{file} cannot be read: {why}"));
            let (file, expires, spki_sha256, key) = (Some(file), None, None, None);
            CertificateJson { holder, role: "", expires, spki_sha256, revoked, warning, file, replaced, key }
        }
    }
}

fn authority_name(path: &std::path::Path, home: &Home) -> String {
    let name = if *path == home.next_ca_certificate() {
        "authority, next"
    } else if *path == home.old_ca_certificate() {
        "authority, before"
    } else {
        "authority"
    };
    name.to_owned()
}

const fn word(role: &Role) -> &'static str {
    match role {
        Role::Node => "node",
        Role::Officer(_) => "officer",
        Role::Operator(_) => "operator",
        Role::Auditor(_) => "auditor",
    }
}

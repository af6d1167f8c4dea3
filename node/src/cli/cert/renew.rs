//! `entente cert renew`: the next certificate of whoever has one.

use entente_certs::authority::{Issued, Validity};
use entente_certs::identity::{Described, Role, moment};
use entente_certs::keyfile::read_secret;
use zeroize::Zeroizing;

use super::super::Global;
use super::super::error::CliError;
use super::super::output::Output;
use super::list::known_here;
use super::{AuthorityAt, FILE_BYTES_MAX, Lifetime, authority, holder, identity, lock, nobody, open, put, refused};
use crate::certificates::issued::remember;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::files::read_bounded;
use crate::home::Home;

/// Renew a certificate, with a new key: that of the node, or that of a person
///
/// The files in the home directory are replaced so that certificate and key belong together whatever happens. A running node
/// takes up its own within a second: connections that stand are not touched, new ones use it. The certificate before stays
/// good until it expires; if its key may have been copied, revoke it (`cert revoke HOLDER` ends the new one too, `--spki` that
/// one alone).
///
/// With --ca the unit's authority is renewed, in steps: a new one is made; a charter names it beside the one in use; called
/// again, certificates come from it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente cert renew node --home be\n  entente cert renew auditor/dpa --days 30 --home be"
)]
pub(crate) struct Args {
    /// `node`, or a person: NAME, or officer/NAME, operator/NAME, auditor/NAME
    #[arg(value_name = "HOLDER", default_value = "node", conflicts_with = "ca")]
    holder: String,
    /// Keep the key, where the holder cannot exchange it
    #[arg(long, conflicts_with = "ca")]
    same_key: bool,
    /// Renew the unit's authority instead
    #[arg(long, conflicts_with = "days")]
    ca: bool,
    #[command(flatten)]
    lifetime: Lifetime,
    #[command(flatten)]
    authority: AuthorityAt,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let (home, config) = open(global)?;
    let _lock = lock(&home)?;
    if args.ca {
        return authority::renew(&home, &config, global);
    }
    let role = holder(&home, &args.holder)?;
    let before = before(&home, &config, &role)?;
    let issued = issue(args, (&home, &config), &role, &before)?;
    let described = Described::of_pem(issued.certificate_pem.as_bytes(), &config.network).map_err(refused)?;
    // The one before, too: a release that remembered none may have given it out.
    remember(&home, [before.clone().into(), described.into()]).map_err(CliError::Refused)?;
    let (path, key_path) = (home.holder_certificate(&role), home.holder_key(&role));
    put((&path, &issued.certificate_pem), (&key_path, &issued.key_pem))?;
    let revoked = known_here(&home, &config)?.remove(&before.spki);
    tell(&issued, (&home, &config), &role, &Before { described: before, revoked }, global)
}

/// The certificate that is renewed.
fn before(home: &Home, config: &Config, role: &Role) -> Result<Described, CliError> {
    let path = home.holder_certificate(role);
    if !path.try_exists().unwrap_or(true) {
        return Err(nobody(home, role));
    }
    let pem = read_bounded(&path, FILE_BYTES_MAX).map_err(|e| CliError::file(&path, "read", &e))?;
    let described = Described::of_pem(&pem, &config.network)
        .map_err(|error| CliError::Refused(format!("{}: {error}; restore it from a backup", path.display())))?;
    if described.identity != identity(config, role) {
        return Err(CliError::Refused(format!(
            "{} is the certificate of {}: put the right file there",
            path.display(),
            described.identity
        )));
    }
    Ok(described)
}

fn issue(args: &Args, (home, config): (&Home, &Config), role: &Role, before: &Described) -> Result<Issued, CliError> {
    let authority = args.authority.load(home, config)?;
    let validity = Validity::days(SystemClock.now_ms(), args.lifetime.of(role)).map_err(refused)?;
    let identity = identity(config, role);
    if !args.same_key {
        return authority.issue(&identity, &before.hosts, validity).map_err(refused);
    }
    let secret = read_secret(&home.holder_key(role)).map_err(refused)?;
    let pem = std::str::from_utf8(&secret).map(|pem| Zeroizing::new(pem.to_owned()));
    let pem = pem.map_err(|_| CliError::Refused("the holder's key file is not PEM: renew with a new key".into()))?;
    authority.reissue(&identity, &before.hosts, validity, (&before.spki, &pem)).map_err(refused)
}

/// The certificate that was renewed.
struct Before {
    described: Described,
    /// By whom it is revoked, as far as the home directory knows.
    revoked: Option<String>,
}

fn tell(
    issued: &Issued,
    (home, config): (&Home, &Config),
    role: &Role,
    Before { described: before, revoked }: &Before,
    global: &Global,
) -> Result<(), CliError> {
    let described = Described::of_pem(issued.certificate_pem.as_bytes(), &config.network).map_err(refused)?;
    let (path, key_path) = (home.holder_certificate(role), home.holder_key(role));
    let (expires, before_expires) = (moment(described.not_after_s), moment(before.not_after_s));
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&serde_json::json!({
            "holder": role.to_string(), "expires": expires, "spki_sha256": issued.spki.to_string(),
            "certificate": path.display().to_string(), "key": key_path.display().to_string(),
            "before": { "expires": before_expires, "spki_sha256": before.spki.to_string(), "revoked": revoked },
        }))?;
        return out.flush();
    }
    out.line(format_args!("{}  and its key {}", path.display(), key_path.display()))?;
    out.line(format_args!("good until {expires}, public key {}", issued.spki))?;
    if *role == Role::Node {
        out.line("a running node takes it up within a second; connections that stand are not touched")?;
    }
    if let Some(by) = revoked {
        out.line(format_args!("note: the one before is revoked {by}, and with the new one {role} may call again"))?;
        if issued.spki == before.spki {
            out.line(
                "note: the key is the revoked one, so no node takes this one either: renew it without --same-key",
            )?;
        }
    } else if issued.spki != before.spki {
        out.line(format_args!("the one before is good until {before_expires}. If its key may have been copied:"))?;
        out.line(format_args!("    entente cert revoke --spki {} --reason WHY", before.spki))?;
    }
    out.flush()
}

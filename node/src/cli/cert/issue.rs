//! `entente cert issue`: the first certificate of a person.

use entente_certs::authority::Validity;
use entente_certs::identity::{Described, Role, moment};

use super::super::Global;
use super::super::error::CliError;
use super::super::output::Output;
use super::{AuthorityAt, Lifetime, identity, keep, lock, open, refused};
use crate::certificates::issued::remember;
use crate::clock::{Clock, SystemClock};

/// Issue a certificate to an officer, an operator or an auditor, with a key of its own
///
/// Officers refer, check and hold. Operators keep the node running: they see everything, scrub, back up and publish, and submit
/// nothing.
/// Auditors only read. Names are of lower-case letters, digits, hyphens and dots.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  entente cert issue --officer second --home be   (then: entente refer ... --as second)\n  \
                  entente cert issue --auditor dpa --days 30 --home be   (then: entente list --as auditor/dpa)"
)]
pub(crate) struct Args {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    lifetime: Lifetime,
    #[command(flatten)]
    authority: AuthorityAt,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// An officer's name
    #[arg(id = "to_officer", long = "officer", value_name = "NAME", value_parser = |name: &str| named("officer", name))]
    officer: Option<Role>,
    /// An operator's name
    #[arg(id = "to_operator", long = "operator", value_name = "NAME", value_parser = |name: &str| named("operator", name))]
    operator: Option<Role>,
    /// An auditor's name
    #[arg(id = "to_auditor", long = "auditor", value_name = "NAME", value_parser = |name: &str| named("auditor", name))]
    auditor: Option<Role>,
}

fn named(role: &str, name: &str) -> Result<Role, String> {
    format!("{role}/{name}").parse().map_err(|error: entente_certs::identity::IdentityError| error.to_string())
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let Who { officer, operator, auditor } = &args.who;
    let role = officer.as_ref().or(operator.as_ref()).or(auditor.as_ref());
    let role = role.ok_or_else(|| CliError::Usage("say to whom: --officer, --operator or --auditor NAME".into()))?;
    let (home, config) = open(global)?;
    let _lock = lock(&home)?;
    let authority = args.authority.load(&home, &config)?;
    let validity = Validity::days(SystemClock.now_ms(), args.lifetime.of(role)).map_err(refused)?;
    let issued = authority.issue(&identity(&config, role), &[], validity).map_err(refused)?;
    let described = Described::of_pem(issued.certificate_pem.as_bytes(), &config.network).map_err(refused)?;
    remember(&home, [described.clone().into()]).map_err(CliError::Refused)?;
    keep(&home, role, &issued)?;
    let (path, key_path, expires) =
        (home.holder_certificate(role), home.holder_key(role), moment(described.not_after_s));
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&serde_json::json!({
            "holder": role.to_string(), "expires": expires, "spki_sha256": issued.spki.to_string(),
            "certificate": path.display().to_string(), "key": key_path.display().to_string(),
        }))?;
    } else {
        out.line(format_args!("{}  and its key {}", path.display(), key_path.display()))?;
        out.line(format_args!("good until {expires}, public key {}", issued.spki))?;
        out.line(format_args!("call with it: entente COMMAND --as {role}"))?;
    }
    out.flush()
}

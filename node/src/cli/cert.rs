//! `entente cert`: certificates that the unit's own authority issues.

use std::path::Path;

use clap::Subcommand;
use entente_certs::authority::{Authority, CERTIFICATE_DAYS, Validity};
use entente_certs::identity::{Identity, Role};
use entente_certs::keyfile::{create_secret, read_secret};
use zeroize::Zeroizing;

use super::Global;
use super::error::CliError;
use super::init::officer;
use super::output::Output;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::files::{create_file, read_bounded, sync_directory};
use crate::home::Home;

/// Largest certificate file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Issue certificates to the unit's own people
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente cert issue --officer second --home be")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Issue an officer's certificate, with a key of its own, into the home directory
    #[command(
        after_help = "Example: entente cert issue --officer second --home be   (then: entente refer ... --as second)"
    )]
    Issue(Issue),
}

#[derive(Debug, clap::Args)]
struct Issue {
    /// The officer's name: lower-case letters, digits, hyphens and dots
    #[arg(long, value_name = "NAME", value_parser = officer)]
    officer: String,
    /// For how many days it is good
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let What::Issue(args) = &args.what;
    let home = Home::open(global.home()?).map_err(refused)?;
    let config = Config::load(&home.config()).map_err(refused)?;
    let certificate = home.ca_certificate();
    let pem = read_bounded(&certificate, FILE_BYTES_MAX).map_err(|e| CliError::file(&certificate, "read", &e))?;
    let key = read_secret(&home.ca_key()).map_err(refused)?;
    let text = |bytes: &[u8], path: &Path| {
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| CliError::Refused(format!("{} is not PEM", path.display())))
    };
    let pem = text(&pem, &certificate)?;
    let key = Zeroizing::new(text(&key, &home.ca_key())?);
    let authority = Authority::load(&config.network, &config.unit, &pem, &key).map_err(refused)?;
    let identity = Identity { unit: config.unit.clone(), role: Role::Officer(args.officer.clone()) };
    let validity = Validity::days(SystemClock.now_ms(), args.days).map_err(refused)?;
    let issued = authority.issue(&identity, &[], validity).map_err(refused)?;
    let (path, key_path) = (home.officer_certificate(&args.officer), home.officer_key(&args.officer));
    // Never over another: whoever has its key would be locked out.
    create_secret(&key_path, issued.key_pem.as_bytes()).map_err(refused)?;
    create_file(&path, issued.certificate_pem.as_bytes(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    for directory in [home.keys(), home.certificates()] {
        sync_directory(&directory).map_err(|e| CliError::file(&directory, "write", &e))?;
    }
    let mut out = Output::new(global.json);
    if out.is_json() {
        out.document(&serde_json::json!({
            "officer": args.officer, "days": args.days, "certificate": path.display().to_string(),
            "key": key_path.display().to_string(),
        }))?;
    } else {
        out.line(format_args!("{}  and its key {}", path.display(), key_path.display()))?;
        out.line(format_args!("call with it: entente COMMAND --as {}", args.officer))?;
    }
    out.flush()
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused(error.to_string())
}

//! `entente cert`: the certificates of the unit's node and people.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the arguments, and what the commands share: the unit's authority, and who is meant by a name |
//! | `issue` | the first certificate of a person |
//! | `renew` | the next certificate of whoever has one |
//! | `authority` | the next authority |
//! | `revoke` | a `Revoke` record |
//! | `list` | all that are in the home directory |

mod authority;
mod issue;
mod list;
mod renew;
mod revoke;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use clap::Subcommand;
use entente_certs::authority::{Authority, CERTIFICATE_DAYS, Issued};
use entente_certs::identity::{Identity, Role};
use entente_certs::keyfile::{create_secret, read_secret};
use zeroize::Zeroizing;

use super::error::CliError;
use super::{Global, wait_for};
use crate::certificates::pair;
use crate::config::Config;
use crate::files::{create_file, read_bounded, replace_file, sync_directory};
use crate::home::Home;

/// Largest certificate file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
/// For how many days an auditor's certificate is good: an inquiry ends, and nobody remembers to take it back.
const AUDITOR_DAYS: u32 = 90;

/// Issue, renew, revoke and list the certificates of this unit's node and people
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: entente cert issue --officer second --home be")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Issue(issue::Args),
    Renew(renew::Args),
    Revoke(revoke::Args),
    List(list::Args),
}

pub(crate) fn run(args: Args, global: &Global) -> Result<(), CliError> {
    match args.what {
        What::Issue(args) => issue::run(&args, global),
        What::Renew(args) => renew::run(&args, global),
        What::Revoke(args) => wait_for(revoke::run(args, global)),
        What::List(args) => wait_for(list::run(args, global)),
    }
}

/// The home directory and its settings.
fn open(global: &Global) -> Result<(Home, Config), CliError> {
    let home = Home::open(global.home()?).map_err(refused)?;
    let config = Config::load(&home.config()).map_err(refused)?;
    Ok((home, config))
}

/// Keeps other commands from the certificates of a home directory, until it is dropped.
fn lock(home: &Home) -> Result<File, CliError> {
    let directory = home.certificates();
    let file = File::open(&directory).map_err(|e| CliError::file(&directory, "open", &e))?;
    file.try_lock().map_err(|_| {
        CliError::Refused("another `entente cert` is at work in this home directory: wait until it has ended".into())
    })?;
    Ok(file)
}

/// Where the unit's authority is.
#[derive(Debug, clap::Args)]
struct AuthorityAt {
    /// The authority's key, where it is not kept in the home directory
    #[arg(long, value_name = "FILE")]
    ca_key: Option<std::path::PathBuf>,
}

impl AuthorityAt {
    fn load(&self, home: &Home, config: &Config) -> Result<Authority, CliError> {
        let key = self.ca_key.clone().unwrap_or_else(|| home.ca_key());
        load_authority(config, &home.ca_certificate(), &key)
    }
}

fn load_authority(config: &Config, certificate: &Path, key: &Path) -> Result<Authority, CliError> {
    let pem = read_bounded(certificate, FILE_BYTES_MAX).map_err(|e| CliError::file(certificate, "read", &e))?;
    let secret = read_secret(key).map_err(|error| {
        CliError::Refused(format!("{error} (--ca-key FILE, if the authority's key is kept elsewhere)"))
    })?;
    let text = |bytes: &[u8], path: &Path| {
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| CliError::Refused(format!("{} is not PEM", path.display())))
    };
    let (pem, secret) = (text(&pem, certificate)?, Zeroizing::new(text(&secret, key)?));
    Authority::load(&config.network, &config.unit, &pem, &secret).map_err(refused)
}

/// For how long certificates are good.
#[derive(Debug, clap::Args)]
struct Lifetime {
    /// For how many days it is good [default: 365, for auditors 90]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=825))]
    days: Option<u32>,
}

impl Lifetime {
    fn of(&self, role: &Role) -> u32 {
        self.days.unwrap_or(if matches!(role, Role::Auditor(_)) { AUDITOR_DAYS } else { CERTIFICATE_DAYS })
    }
}

/// Who is meant by `node`, `ROLE/NAME` or a `NAME` that one person alone has.
pub(super) fn holder(home: &Home, text: &str) -> Result<Role, CliError> {
    if text == "node" {
        return Ok(Role::Node);
    }
    let parse = |text: &str| text.parse::<Role>().map_err(|error| CliError::Usage(error.to_string()));
    if text.contains('/') {
        return parse(text);
    }
    let roles: Vec<Role> = ["officer", "operator", "auditor"]
        .iter()
        .map(|role| parse(&format!("{role}/{text}")))
        .collect::<Result<_, _>>()?;
    one_of(roles.into_iter().filter(|role| home.holder_certificate(role).exists()))
        .unwrap_or_else(|| Err(nobody(home, text)))
}

/// The one who is meant, if anybody is.
fn one_of(mut roles: impl Iterator<Item = Role>) -> Option<Result<Role, CliError>> {
    let one = roles.next()?;
    Some(match roles.next() {
        None => Ok(one),
        Some(other) => Err(CliError::Usage(format!("there are both {one} and {other}: name one of them so"))),
    })
}

fn nobody(home: &Home, text: impl std::fmt::Display) -> CliError {
    CliError::Refused(format!(
        "there is no certificate of {text} in {}: `entente cert list` shows those that are",
        home.certificates().display()
    ))
}

/// Keeps a certificate and its key where nobody has one yet.
fn keep(home: &Home, role: &Role, issued: &Issued) -> Result<(), CliError> {
    let (path, key_path) = (home.holder_certificate(role), home.holder_key(role));
    // Never over another: whoever has its key would be locked out.
    create_secret(&key_path, issued.key_pem.as_bytes()).map_err(refused)?;
    create_file(&path, issued.certificate_pem.as_bytes(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    for directory in [home.keys(), home.certificates()] {
        sync_directory(&directory).map_err(|e| CliError::file(&directory, "write", &e))?;
    }
    Ok(())
}

/// Puts a certificate and its key in the place of those before; where the key is not here any more, just beside it.
fn put((certificate, pem): (&Path, &str), (key, key_pem): (&Path, &str)) -> Result<(), CliError> {
    if key.try_exists().map_err(|e| CliError::file(key, "look for", &e))? {
        let replacement = pair::Replacement::new((certificate, pem), (key, key_pem)).map_err(refused)?;
        return replacement.put_in_place().map_err(CliError::Refused);
    }
    create_secret(key, key_pem.as_bytes()).map_err(refused)?;
    replace_file(certificate, pem.as_bytes(), 0o600).map_err(|e| CliError::file(certificate, "write", &e))
}

fn identity(config: &Config, role: &Role) -> Identity {
    Identity { unit: config.unit.clone(), role: role.clone() }
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError::Refused(error.to_string())
}

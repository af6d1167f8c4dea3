//! `entente charter adopt`.

use std::collections::BTreeSet;
use std::path::Path;

use entente_proto::charter::Charter;

use super::{AdoptArgs, refused};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::Config;
use crate::files::replace_file;
use crate::home::Home;
use crate::journal::{Journal, JournalRecord};
use crate::membership::{self, MembershipError, OwnKeys, load_charter, read_charter};

pub(super) fn run(args: &AdoptArgs, home: &Path) -> Result<(), CliError> {
    let home = Home::open(home).map_err(refused)?;
    let _lock = home.lock().map_err(refused)?;
    let config = Config::load(&home.config()).map_err(refused)?;
    let charter = read_charter(&args.file)?
        .verify_first()
        .map_err(|fault| MembershipError::Text { path: args.file.clone(), fault })?;
    if charter.terms().continues.is_some() {
        return Err(CliError::Refused(
            "this charter continues another one, and this release cannot yet make logs go on from a base: install a newer one".into(),
        ));
    }
    let keys = OwnKeys::load(&home, &config.network, &config.unit)?;
    keys.check(charter.terms(), &config.network, &config.unit)?;
    membership::members(charter.terms(), &BTreeSet::new())?;
    let (mut journal, _) = Journal::open(&home.journal(), &config.network, &config.unit).map_err(refused)?;
    match load_charter(&home) {
        Ok(held) if held.digest() == charter.digest() => return say(&home, &charter, "had been taken up already"),
        Ok(held) => {
            return Err(CliError::Refused(format!(
                "{} has taken up another text of version 1 (digest {}): a network is founded once, and what changes it \
                 is version 2",
                home.directory().display(),
                held.digest()
            )));
        }
        Err(MembershipError::NoCharter(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // The own signatures stand under this text, so the journal must know; it refuses if it knows of another text.
    let (version, digest) = (charter.version(), charter.digest());
    journal.append(&[JournalRecord::CharterSigned { version: version.into(), digest }]).map_err(refused)?;
    let path = home.charter(version);
    replace_file(&path, charter.note(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    say(&home, &charter, "is taken up")
}

fn say(home: &Home, charter: &Charter, what: &str) -> Result<(), CliError> {
    let mut out = Output::new(false);
    out.line(format_args!(
        "version {} of the charter of {} (digest {}) {what}",
        charter.version(),
        charter.network(),
        charter.digest()
    ))?;
    out.line(format_args!("next  entente run --home {}", home.directory().display()))?;
    out.flush()
}

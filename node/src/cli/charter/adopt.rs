//! `entente charter adopt`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use entente_proto::charter::{Charter, CharterChain, UnverifiedCharter};
use entente_proto::wire;
use entente_proto::wire::charter_request::What;

use super::{AdoptArgs, refused, running};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::Config;
use crate::files::replace_file;
use crate::home::{Home, HomeError};
use crate::journal::{Journal, JournalRecord};
use crate::membership::{self, MembershipError, OwnKeys, check_member, load_charters, read_charter};
use crate::signing::Place;

/// What a unit does that joins.
const ALL_AT_ONCE: &str = "A unit that joins takes up all versions in one call, in order, up to the one that lists it: \
                           entente charter adopt 1.note 2.note ...";

pub(super) fn run(args: &AdoptArgs, global: &Global) -> Result<(), CliError> {
    let home = Home::open(global.home()?).map_err(refused)?;
    let _lock = match home.lock() {
        Ok(lock) => lock,
        // A node runs here: it is handed the charter.
        Err(HomeError::Locked(_)) if load_charters(&home).is_ok() => return hand_over(args, &home, global),
        Err(error) => return Err(refused(error)),
    };
    let config = Config::load(&home.config()).map_err(refused)?;
    let held = match load_charters(&home) {
        Ok(charters) => Some(charters),
        Err(MembershipError::NoCharter(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let before = held.as_ref().map_or(0, |held| held.all().count());
    let charters = follow(args, &home, held)?;
    let keys = OwnKeys::load(&home, &config.network, &config.unit)?;
    check_member(&keys, &charters, &config.network, &config.unit).map_err(|error| {
        if charters.all().any(|charter| charter.unit(&config.unit).is_some()) {
            return error.into();
        }
        CliError::Refused(format!("{error}. {ALL_AT_ONCE}"))
    })?;
    let new: Vec<Arc<Charter>> = charters.all().skip(before).cloned().collect();
    let (mut journal, memory) = Journal::open(&home.journal(), &config.network, &config.unit).map_err(refused)?;
    let mut refounded = charters.refounded();
    refounded = refounded.saturating_sub(count(new.iter().filter(|charter| charter.terms().continues.is_some())));
    for charter in &new {
        refounded = refounded.saturating_add(u32::from(charter.terms().continues.is_some()));
        membership::members(charter.terms(), &BTreeSet::new())?;
        // Where the own signatures stand under this text the journal must know; it refuses if it knows of another text.
        let (place, digest) = (Place::taken(refounded, charter), charter.digest());
        place.check(digest, &memory.charters, Some(&charters)).map_err(CliError::Refused)?;
        let version = place.number();
        journal.append(&[JournalRecord::CharterSigned { version, digest }]).map_err(refused)?;
        let path = home.charter_since(refounded, charter.version());
        replace_file(&path, charter.note(), 0o600).map_err(|e| CliError::file(&path, "write", &e))?;
    }
    say(&home, charters.newest(), if new.is_empty() { "had been taken up already" } else { "is taken up" })
}

fn count<T>(of: impl Iterator<Item = T>) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}

/// The charters with those in the files, each of which is known or follows.
fn follow(args: &AdoptArgs, home: &Home, held: Option<CharterChain>) -> Result<CharterChain, CliError> {
    let mut charters = held;
    for path in &args.files {
        let at = |fault| MembershipError::Text { path: path.clone(), fault };
        let next = read_charter(path)?;
        charters = Some(match charters {
            Some(mut charters) if next.terms().continues.is_some() => {
                // One that is held is no news.
                if charters.all().all(|held| held.digest() != next.digest()) {
                    charters.refound(&next).map_err(at)?;
                }
                charters
            }
            None if next.terms().continues.is_some() => {
                return Err(CliError::Refused(
                    "this charter continues another one: name that, and all before it, in order before this one".into(),
                ));
            }
            None if next.terms().version > 1 => {
                return Err(CliError::Refused(format!(
                    "{} is version {} of a charter, which counts only under those before it, and this home directory has none. \
                     {ALL_AT_ONCE}",
                    path.display(),
                    next.terms().version
                )));
            }
            None => CharterChain::found(next.verify_first().map_err(at)?).map_err(at)?,
            Some(charters) => behind(charters, next, path, home)?,
        });
    }
    charters.ok_or_else(|| CliError::Usage("name the charter".into()))
}

fn behind(
    mut charters: CharterChain,
    next: UnverifiedCharter,
    path: &Path,
    home: &Home,
) -> Result<CharterChain, CliError> {
    let at = |fault| MembershipError::Text { path: path.to_owned(), fault };
    let version = next.terms().version;
    match charters.version(version) {
        Some(held) if held.digest() == next.digest() => {}
        Some(held) => {
            return Err(CliError::Refused(format!(
                "{} has taken up another text of version {version} (digest {}): a network is founded once, and of each \
                 version one text counts; what changes it is the version after the newest",
                home.directory().display(),
                held.digest()
            )));
        }
        None => {
            let verified = charters.verify(next).map_err(at)?;
            charters.push(verified).map_err(at)?;
        }
    }
    Ok(charters)
}

fn hand_over(args: &AdoptArgs, home: &Home, global: &Global) -> Result<(), CliError> {
    let (mut last, mut anew) = (None, false);
    for path in &args.files {
        let note = membership::read(path)?;
        let reply = running::ask(global, wire::CharterRequest { what: Some(What::Adopt(note)) })?;
        anew = UnverifiedCharter::parse(&reply.note).is_ok_and(|charter| charter.terms().continues.is_some());
        last = Some(reply);
    }
    let mut out = Output::new(false);
    if anew {
        out.line(format_args!(
            "the node of {} begins anew under the charter that founds the network anew; it is passed on to nobody: bring it to every \
             unit that it lists",
            home.directory().display()
        ))?;
    } else if let Some(reply) = last {
        out.line(format_args!(
            "version {} of the charter is taken up by the running node of {} and passed on to its partners",
            reply.version,
            home.directory().display()
        ))?;
    }
    out.flush()
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

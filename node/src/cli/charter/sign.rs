//! `entente charter sign`.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use entente_certs::keyfile::KeyFileError;
use entente_certs::signer::KeyFileSigner;
use entente_proto::charter::{CharterChain, UnverifiedCharter};
use entente_proto::note::{KeyName, Signer};
use entente_proto::wire;
use entente_proto::wire::charter_request::What;

use super::proposals::{self, Named, named};
use super::{SignArgs, refused, running, still_missing, words};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::Config;
use crate::files::replace_file;
use crate::home::{Home, HomeError, HomeLock};
use crate::journal::{Journal, JournalRecord};
use crate::membership::{self, MembershipError, OwnKeys, SignedVersions, load_charters, read_charter};
use crate::signing::{Place, Signed};

pub(super) fn run(args: &SignArgs, global: &Global, clock: &dyn Clock) -> Result<(), CliError> {
    let home = global.home()?;
    if let Named::Proposal(what) = named(&args.what) {
        return proposals::sign(global, &what);
    }
    // Units that sign one file at one time must not lose each other's signatures.
    let file = lock_file(&args.what)?;
    let mut charter = read_charter(&args.what)?;
    let locked = matches!(Home::open(home), Ok(home) if matches!(home.lock(), Err(HomeError::Locked(_))));
    if locked && (charter.terms().version > 1 || charter.terms().continues.is_some()) {
        return with_running(args, &file, charter, global);
    }
    check_node_looked(args, home, &charter)?;
    let held = held(args, home, &charter)?;
    let place = Place::of(&charter, held.as_ref());
    charter = in_its_place(args, home, charter)?;
    membership::members(charter.terms(), &BTreeSet::new())?;
    let mut own = Own::open(home, &charter)?;
    if own.signers(&charter).iter().all(|signer| charter.has_signed(signer.key())) {
        return say(&args.what, "has all the signatures that are due from here", &charter);
    }
    place.check(charter.digest(), own.signed(), held.as_ref()).map_err(CliError::Refused)?;
    // Durable before said: from here on no other text is signed for this version, even if the power fails now.
    own.record(&charter, place.number())?;
    let signers = own.signers(&charter);
    let names = charter.sign(&signers, clock.now_ms() / 1_000).map_err(words)?;
    replace(args, &file, &charter)?;
    let names: Vec<&str> = names.iter().map(KeyName::as_str).collect();
    say(&args.what, &format!("is signed by {}", names.join(", ")), &charter)
}

/// The charters that it is to follow, as far as they are known here.
fn held(args: &SignArgs, home: &Path, charter: &UnverifiedCharter) -> Result<Option<CharterChain>, CliError> {
    let held = match &args.from {
        Some(from) => Some(membership::load_charters_of(from)?),
        None => load_charters(&Home::at(home)).ok(),
    };
    if let Some(held) = held.as_ref().filter(|_| charter.terms().continues.is_some()) {
        held.check_refounding(charter).map_err(words)?;
    }
    Ok(held)
}

/// Whether a base is safe only the node can tell, while it runs: it stops cosigning before its unit signs.
fn check_node_looked(args: &SignArgs, home: &Path, charter: &UnverifiedCharter) -> Result<(), CliError> {
    if charter.terms().units.values().all(|unit| unit.base.is_none()) {
        return Ok(());
    }
    match Home::open(home) {
        // A unit that joins has cosigned nothing.
        Ok(home) if matches!(load_charters(&home), Err(MembershipError::NoCharter(_))) => Ok(()),
        Ok(_) => Err(CliError::Refused(
            "this charter makes a log go on from a base: start the node and sign while it runs, for it must look whether the base is \
             safe, and stop cosigning under the old key before it signs"
                .into(),
        )),
        Err(_) if args.node_stopped => Ok(()),
        Err(_) => Err(CliError::Refused(
            "this charter makes a log go on from a base: give it to this unit's running node first (entente charter sign FILE --home \
             DIR), which looks whether the base is safe and stops cosigning under the old key; then sign here with --node-stopped"
                .into(),
        )),
    }
}

/// A later version is read under those before it, which this home directory has or `--from` names. A unit that joins may
/// have neither: its own keys are all new, whatever went before.
fn in_its_place(args: &SignArgs, home: &Path, charter: UnverifiedCharter) -> Result<UnverifiedCharter, CliError> {
    if charter.terms().version == 1 {
        return Ok(charter);
    }
    let charters = match &args.from {
        Some(from) => Some(membership::load_charters_of(from)?),
        None => match membership::load_charters(&Home::at(home)) {
            Ok(charters) => Some(charters),
            Err(MembershipError::NoCharter(_)) => None,
            Err(error) => return Err(error.into()),
        },
    };
    match charters {
        Some(charters) => {
            membership::check_authorities(&charters, charter.terms())?;
            charters.draft(charter).map_err(words)
        }
        None => Ok(charter),
    }
}

/// The node that runs here signs.
fn with_running(args: &SignArgs, file: &File, charter: UnverifiedCharter, global: &Global) -> Result<(), CliError> {
    let request = wire::CharterRequest { what: Some(What::Sign(charter.to_bytes())) };
    let reply = running::ask(global, request)?;
    let mut charter = charter;
    charter.merge(&UnverifiedCharter::parse(&reply.note).map_err(words)?).map_err(words)?;
    let said = if reply.signed.is_empty() {
        "has all the signatures that are due from here".to_owned()
    } else {
        replace(args, file, &charter)?;
        format!("is signed by {}", reply.signed.join(", "))
    };
    say(&args.what, &said, &charter)?;
    let mut out = Output::new(false);
    proposals::tell_records(&mut out, &reply)?;
    out.flush()
}

fn replace(args: &SignArgs, file: &File, charter: &UnverifiedCharter) -> Result<(), CliError> {
    let mode = file.metadata().map_err(|e| CliError::file(&args.what, "read", &e))?.permissions().mode() & 0o777;
    replace_file(&args.what, &charter.to_bytes(), mode).map_err(|e| CliError::file(&args.what, "write", &e))
}

fn say(file: &Path, what: &str, charter: &UnverifiedCharter) -> Result<(), CliError> {
    let mut out = Output::new(false);
    out.line(format_args!("{} {what}", file.display()))?;
    out.line(still_missing(charter))?;
    out.flush()
}

/// Opens the charter's file and locks it until it is dropped. It is replaced by renaming, so after the wait the name may
/// belong to another file, which is then the one to lock.
fn lock_file(path: &Path) -> Result<File, CliError> {
    let fault = |e: std::io::Error| CliError::file(path, "read", &e);
    loop {
        let file = OpenOptions::new().read(true).open(path).map_err(fault)?;
        file.lock().map_err(fault)?;
        let (held, named) = (file.metadata().map_err(fault)?, std::fs::metadata(path).map_err(fault)?);
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
    }
}

/// What signs here, and where it is remembered which text was signed.
enum Own {
    /// A node's home directory.
    Home { keys: Box<OwnKeys>, journal: Box<Journal>, signed: Signed, _lock: HomeLock },
    /// A directory that holds a charter key and no node.
    Key { signer: Box<KeyFileSigner>, signed: SignedVersions, _lock: HomeLock },
}

impl Own {
    fn open(directory: &Path, charter: &UnverifiedCharter) -> Result<Self, CliError> {
        match Home::open(directory) {
            Ok(home) => Self::of_home(&home, charter),
            Err(HomeError::NotAHome(_)) => Self::of_key(directory, charter),
            Err(error) => Err(refused(error)),
        }
    }

    fn of_home(home: &Home, charter: &UnverifiedCharter) -> Result<Self, CliError> {
        let lock = home.lock().map_err(refused)?;
        let config = Config::load(&home.config()).map_err(refused)?;
        let keys = OwnKeys::load(home, &config.network, &config.unit)?;
        // A unit that leaves is in the version before, and votes.
        let leaves = charter.before().is_some_and(|before| before.units.contains_key(&config.unit));
        if !leaves || charter.terms().units.contains_key(&config.unit) {
            keys.check(charter.terms(), &config.network, &config.unit)?;
        }
        let (journal, memory) = Journal::open(&home.journal(), &config.network, &config.unit).map_err(refused)?;
        let signed = memory.charters;
        Ok(Self::Home { keys: Box::new(keys), journal: Box::new(journal), signed, _lock: lock })
    }

    fn of_key(directory: &Path, charter: &UnverifiedCharter) -> Result<Self, CliError> {
        let home = Home::at(directory);
        let journal = home.journal();
        if journal.try_exists().map_err(|e| CliError::file(&journal, "look for", &e))? {
            // The journal remembers what these keys signed, and cannot be read without knowing whose it is.
            return Err(CliError::Refused(format!(
                "{} has a journal and no node.toml: put node.toml back before anything is signed here",
                directory.display()
            )));
        }
        let lock = home.lock().map_err(refused)?;
        let mut found: Option<(PathBuf, KeyFileSigner)> = None;
        for path in [directory.join("charter.key"), home.charter_key()] {
            match KeyFileSigner::load(&path) {
                Ok(signer) => found = found.or(Some((path, signer))),
                Err(KeyFileError::Missing(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        let Some((path, signer)) = found else {
            return Err(CliError::Refused(format!(
                "{} is neither a node's home directory nor does it hold charter.key: nothing here can sign",
                directory.display()
            )));
        };
        // Log and mirror keys have a journal beside them that remembers what they signed; here is none.
        let named = charter.terms().units.values().any(|unit| unit.charter_key == *signer.key());
        if !charter.is_due(signer.key()) || (charter.before().is_none() && !named) {
            return Err(CliError::Refused(format!(
                "{} holds {}, which need not sign this charter: it is the charter key of no unit in it nor, as far as that is \
                 known here (--from DIR), in the version before",
                path.display(),
                signer.key()
            )));
        }
        let signed = path.with_file_name("charter.signed");
        let signed = SignedVersions::load(signed).map_err(refused)?;
        Ok(Self::Key { signer: Box::new(signer), signed, _lock: lock })
    }

    /// The keys that are due.
    fn signers(&self, charter: &UnverifiedCharter) -> Vec<&dyn Signer> {
        let mut signers = match self {
            Self::Home { keys, .. } => keys.signers(),
            Self::Key { signer, .. } => vec![signer.as_ref() as &dyn Signer],
        };
        signers.retain(|signer| charter.is_due(signer.key()));
        signers
    }

    /// What was signed here before.
    const fn signed(&self) -> &Signed {
        match self {
            Self::Home { signed, .. } => signed,
            Self::Key { signed, .. } => signed.signed(),
        }
    }

    fn record(&mut self, charter: &UnverifiedCharter, version: u64) -> Result<(), CliError> {
        let digest = charter.digest();
        match self {
            Self::Home { journal, .. } => {
                journal.append(&[JournalRecord::CharterSigned { version, digest }]).map_err(refused)
            }
            Self::Key { signed, .. } => signed.note(version, digest).map_err(refused),
        }
    }
}

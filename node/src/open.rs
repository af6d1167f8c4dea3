//! Opening what a node has on its disk, and putting something new in the place of what is lost or broken.
//!
//! A journal that is missing or damaged is replaced by one that says so: the node then asks its partners what it signed. A
//! database that is missing, or broken however it is found out, is moved aside, never deleted, and rebuilt from journal and
//! partners. What belongs to another unit or release, is open to others or in use is refused as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;

use crate::config::Config;
use crate::core::{self, CutOff, Loaded, StartError};
use crate::files::{create_file, create_private_directory, read_bounded, replace_file};
use crate::home::Home;
use crate::journal::{self, Journal, JournalError, Memory};
use crate::store::{Options, SledStore, StoreError, set_aside};

/// Longest reason in the marker of a database that is to be rebuilt, in bytes.
const REASON_BYTES_MAX: usize = 4_096;

/// How many databases are kept aside. One that had to be rebuilt so often breaks for a reason that rebuilding does not mend,
/// and each one takes its room on the disk.
const ASIDE_MAX: usize = 4;

/// Why a node's files cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What they hold.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database broke again and again.
    #[error(
        "the database broke again ({reason}), and {ASIDE_MAX} of them were moved aside before: {}.aside-*. Look at the disk and at the \
         node's log, delete what was moved aside, and start again",
        .directory.display()
    )]
    TooOften {
        /// The directory of the database.
        directory: PathBuf,
        /// What is wrong now.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, what, source }
}

/// Opens the journal, or puts one that tells of the loss in its place.
///
/// # Errors
/// [`OpenError::Journal`]: it is another unit's or release's, open to others, or cannot be written.
pub fn journal(home: &Home, config: &Config) -> Result<(journal::Writer, Memory), OpenError> {
    let path = home.journal();
    let open = || Journal::open(&path, &config.network, &config.unit);
    let (journal, memory) = match open() {
        Err(error @ (JournalError::Missing(_) | JournalError::Damaged { .. })) => {
            let why = match &error {
                JournalError::Missing(_) => {
                    "the journal was missing, so this node does not know what it signed".to_owned()
                }
                error => format!("{error}: this node does not know what it signed"),
            };
            let aside = Journal::replace_lost(&path, &config.network, &config.unit, why)?;
            let aside = aside.map(|path| path.display().to_string()).unwrap_or_default();
            tracing::error!(%error, moved_to = aside, "the node asks its partners what it signed");
            open()?
        }
        other => other?,
    };
    let writer =
        journal::Writer::start(journal, journal::Limits::default()).map_err(io("start a thread for", &path))?;
    Ok((writer, memory))
}

/// Opens the database and reads what it holds, or creates a new one to be filled from journal and partners.
///
/// # Errors
/// [`OpenError`]: it is another unit's or release's or in use, or the disk fails; nothing was changed then.
pub fn database(
    home: &Home,
    config: &Config,
    charters: &CharterChain,
    (journal, memory): (&journal::Writer, &mut Memory),
    instance: [u8; 16],
) -> Result<(Arc<SledStore>, Loaded), OpenError> {
    let (directory, marker) = (home.data(), home.rebuild());
    let keep = |charter: &Hash, cut: &[CutOff]| keep_cut_off(home, charter, cut);
    let mut load = |store: SledStore| -> Result<(Arc<SledStore>, Loaded), OpenError> {
        core::rebase(&config.unit, charters, &store, journal, memory, &keep)?;
        let loaded = core::load(&config.unit, charters, &store, memory, instance)?;
        Ok((Arc::new(store), loaded))
    };
    let broken = match read_bounded(&marker, REASON_BYTES_MAX) {
        Ok(reason) => String::from_utf8_lossy(&reason).into_owned(),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("read", &marker)(error)),
        Err(_) => match SledStore::open(&directory, options(config)).map_err(OpenError::from).and_then(&mut load) {
            Ok(opened) => return Ok(opened),
            Err(error) if is_broken(&error) => error.to_string(),
            Err(error) => return Err(error),
        },
    };
    let there = directory.try_exists().map_err(io("look for", &directory))?;
    let aside = if there { Some(move_aside(&directory, &broken)?) } else { None };
    let aside = aside.map(|path| path.display().to_string()).unwrap_or_default();
    tracing::error!(reason = broken, moved_to = aside, "the database is rebuilt from the journal and from partners");
    let opened = load(SledStore::create(&directory, options(config))?)?;
    match std::fs::remove_file(&marker) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &marker)(error)),
        _ => Ok(opened),
    }
}

/// Keeps what a charter's base cut off of the own log, and what waited and speaks of that, a JSON document a line.
fn keep_cut_off(home: &Home, charter: &Hash, cut: &[CutOff]) -> Result<(), String> {
    let directory = home.charter_cut();
    let words =
        |error: std::io::Error| format!("what a base cuts off cannot be kept in {}: {error}", directory.display());
    match create_private_directory(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(words(error)),
        _ => {}
    }
    let mut text = String::new();
    for one in cut {
        let line = serde_json::json!({
            "index": one.index,
            "kind": one.kind.to_string(),
            "enters_again": one.enters,
            "submission": uuid::Uuid::from_bytes(one.submission).to_string(),
            "record": one.record.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        });
        text.push_str(&format!("{line}\n"));
    }
    replace_file(&directory.join(format!("{charter}.jsonl")), text.as_bytes(), 0o600).map_err(words)
}

/// Moves a broken database out of the way, unless that was done too often.
fn move_aside(directory: &Path, reason: &str) -> Result<PathBuf, OpenError> {
    let prefix = format!("{}.aside-", directory.file_name().unwrap_or_default().to_string_lossy());
    let parent = directory.parent().unwrap_or(directory);
    let entries = std::fs::read_dir(parent).map_err(io("list", parent))?.filter_map(Result::ok);
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count();
    if aside >= ASIDE_MAX {
        return Err(OpenError::TooOften { directory: directory.to_owned(), reason: reason.to_owned() });
    }
    set_aside(directory).map_err(io("move aside", directory))
}

/// Notes durably that the next start is to rebuild the database.
///
/// # Errors
/// What the operating system says.
pub fn to_be_rebuilt(home: &Home, reason: &str) -> Result<(), OpenError> {
    let marker = home.rebuild();
    let reason: String = reason.chars().take(REASON_BYTES_MAX / 4).collect();
    match create_file(&marker, reason.as_bytes(), 0o600) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(io("write", &marker)),
    }
}

fn options(config: &Config) -> Options {
    let mut options = Options::new(config.network.clone(), config.unit.clone());
    options.cache_bytes = config.store.cache_mib.saturating_mul(1 << 20);
    options.low_bytes = config.store.low_space_mib.saturating_mul(1 << 20);
    options
}

/// Whether a new database would do. A disk that fails would fail it, too.
fn is_broken(error: &OpenError) -> bool {
    let store = match error {
        OpenError::Start(StartError::Damaged(_)) => return true,
        OpenError::Store(error) | OpenError::Start(StartError::Store(error)) => error,
        _ => return false,
    };
    match store {
        StoreError::Missing(_)
        | StoreError::Damaged { .. }
        | StoreError::Corrupt { .. }
        | StoreError::CorruptSubmission(_)
        | StoreError::Refused(_) => true,
        // Once open, sled fails over what it reads.
        StoreError::Failed(_) => matches!(error, OpenError::Start(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_breaks_again_and_again_is_not_moved_aside_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("data");
        for number in 1..=ASIDE_MAX {
            std::fs::create_dir(&directory).unwrap();
            let aside = move_aside(&directory, "a flipped bit").unwrap();
            assert!(aside.ends_with(format!("data.aside-{number}")), "{}", aside.display());
        }
        std::fs::create_dir(&directory).unwrap();
        let error = move_aside(&directory, "a flipped bit").unwrap_err().to_string();
        assert!(error.contains("a flipped bit") && error.contains("data.aside-*"), "{error}");
        assert!(directory.exists(), "and stays where it is");
    }
}

//! A copy of a node, made while it runs, and a node made of one.
//!
//! ```text
//! DIR/manifest     a line for each file: SHA-256, two spaces, path (what `sha256sum -c manifest` reads)
//! DIR/home/        the home directory: settings, keys, certificates, charters, guard lists, journal, database
//! ```
//! The database is copied and checked as a scrub does it, then the journal, so that the journal knows all that the database
//! has. **The copy holds the unit's keys**, and records that were not erased yet: it is to be kept like the home directory.
//!
//! A node that is restored does not know what it signed since: its journal says so from the first moment, and it asks all
//! partners before it signs its own log again (design section 5), whoever could be reached when it starts.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use ring::digest::{Context, SHA256};

use crate::config::{Config, ConfigError};
use crate::core::Core;
use crate::files::{create_file, create_private_directory, read_bounded, sync_directory};
use crate::home::{Home, HomeError};
use crate::journal::{Journal, JournalError};
use crate::store::StoreError;

/// Longest manifest, in bytes.
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// How deep directories lie in each other, at the most.
const DEPTH_MAX: usize = 8;
/// How many bytes are copied at once.
const PIECE_BYTES: usize = 1 << 16;

/// Why there is no backup, or no node from it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The directory is not a new one with a full name.
    #[error("{0} must be an absolute path that does not exist yet, in a directory that does")]
    Directory(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The home directory in the backup.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file is not what the manifest says.
    #[error(
        "{0} is not what the manifest of the backup says: it is damaged, so nothing was restored; take another backup"
    )]
    Changed(PathBuf),
    /// Something is not as a backup leaves it.
    #[error("{path} is no whole backup: {why}")]
    NotABackup {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

fn fail(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path, what, source }
}

/// Makes a backup of a running node. It is durable on return.
///
/// # Errors
/// [`BackupError`]; what was begun is left for the caller to delete, and has no manifest, so that nobody takes it for whole.
pub fn make(home: &Home, core: &Core, directory: &Path) -> Result<Copied, BackupError> {
    let plain = directory.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let there = fs::symlink_metadata(directory).is_ok();
    if !directory.is_absolute() || !plain || there || directory.starts_with(home.directory()) {
        return Err(BackupError::Directory(directory.to_owned()));
    }
    create_private_directory(directory).map_err(fail("create", directory))?;
    let copy = Home::at(directory.join("home"));
    create_private_directory(copy.directory()).map_err(fail("create", copy.directory()))?;
    core.back_up(&copy.data())?;
    let left_out = [home.data(), home.journal(), home.directory().join("lock")];
    copy_tree(home.directory(), copy.directory(), &|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = name.starts_with("data.aside-") || name.starts_with("journal.") || name.ends_with(".log");
        left_out.iter().any(|left| left == path) || aside
    })?;
    // Last: it knows all that the database has. A frame that is being written is cut off when it is opened.
    copy_file(&home.journal(), &copy.journal())?;
    Journal::open(&copy.journal(), core.charter().network(), &core.unit)?;
    let (manifest, copied) = describe(directory)?;
    create_file(&directory.join("manifest"), manifest.as_bytes(), 0o600).map_err(fail("write", directory))?;
    sync_directory(directory).map_err(fail("sync", directory))?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent).map_err(fail("sync", parent))?;
    }
    Ok(copied)
}

/// Makes the home directory of a node from a backup, which is checked against its manifest. The node recovers when it is
/// started.
///
/// # Errors
/// [`BackupError`]; nothing is left in `target` then that `run` would take for a home directory.
pub fn restore(directory: &Path, target: &Path) -> Result<Copied, BackupError> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(BackupError::Directory(target.to_owned()));
    }
    let path = directory.join("manifest");
    let written = match read_bounded(&path, MANIFEST_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NotABackup {
                path,
                why: "it is missing, since the backup did not come to its end",
            });
        }
        Err(error) => return Err(fail("read", &path)(error)),
    };
    let (found, copied) = describe(directory)?;
    if let Some(changed) = first_difference(&String::from_utf8_lossy(&written), &found) {
        return Err(BackupError::Changed(directory.join(changed)));
    }
    let source = Home::at(directory.join("home"));
    let config = Config::load(&source.config())?;
    // Under another name until the journal says that it is a restored one.
    let mut name = target.as_os_str().to_owned();
    name.push(".restoring");
    let unfinished = Home::at(PathBuf::from(name));
    match fs::remove_dir_all(unfinished.directory()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(fail("remove", unfinished.directory())(error));
        }
        _ => {}
    }
    create_private_directory(unfinished.directory()).map_err(fail("create", unfinished.directory()))?;
    copy_tree(source.directory(), unfinished.directory(), &|_| false)?;
    let why = "this node was restored from a backup, so it does not know what it signed since";
    let old = Journal::replace_lost(&unfinished.journal(), &config.network, &config.unit, why.into())?;
    if let Some(old) = old {
        fs::remove_file(&old).map_err(fail("remove", &old))?;
    }
    unfinished.check_keys()?;
    sync_directory(unfinished.directory()).map_err(fail("sync", unfinished.directory()))?;
    fs::rename(unfinished.directory(), target).map_err(fail("rename", target))?;
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_directory(parent).map_err(fail("sync", parent))?;
    }
    Ok(copied)
}

/// Copies files and directories, with their permissions, each durable.
fn copy_tree(from: &Path, to: &Path, left_out: &dyn Fn(&Path) -> bool) -> Result<(), BackupError> {
    for path in sorted(from)? {
        if left_out(&path) {
            continue;
        }
        let target = to.join(path.file_name().unwrap_or_default());
        let metadata = fs::symlink_metadata(&path).map_err(fail("read", &path))?;
        if metadata.is_dir() {
            create_private_directory(&target).map_err(fail("create", &target))?;
            copy_tree(&path, &target, left_out)?;
            fs::set_permissions(&target, metadata.permissions()).map_err(fail("set the mode of", &target))?;
        } else if metadata.is_file() {
            copy_file(&path, &target)?;
        }
    }
    sync_directory(to).map_err(fail("sync", to))
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut source = File::open(from).map_err(fail("read", from))?;
    let mode = source.metadata().map_err(fail("read", from))?.mode() & 0o777;
    let mut target =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to).map_err(fail("create", to))?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(fail("write", to))
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(directory).map_err(fail("list", directory))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(fail("list", directory))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// A line for each file, by path.
fn describe(directory: &Path) -> Result<(String, Copied), BackupError> {
    let (mut lines, mut copied) = (String::new(), Copied::default());
    describe_in(directory, &directory.join("home"), 0, &mut lines, &mut copied)?;
    Ok((lines, copied))
}

fn describe_in(
    top: &Path,
    directory: &Path,
    depth: usize,
    lines: &mut String,
    copied: &mut Copied,
) -> Result<(), BackupError> {
    if depth > DEPTH_MAX {
        return Err(BackupError::NotABackup { path: directory.to_owned(), why: "its directories lie too deep" });
    }
    for path in sorted(directory)? {
        let metadata = fs::symlink_metadata(&path).map_err(fail("read", &path))?;
        if metadata.is_dir() {
            describe_in(top, &path, depth.saturating_add(1), lines, copied)?;
        } else if metadata.is_file() {
            let name = path.strip_prefix(top).unwrap_or(&path);
            lines.push_str(&format!("{}  {}\n", digest(&path)?, name.display()));
            copied.files = copied.files.saturating_add(1);
            copied.bytes = copied.bytes.saturating_add(metadata.len());
        } else {
            return Err(BackupError::NotABackup { path, why: "it is neither a plain file nor a directory" });
        }
    }
    Ok(())
}

fn digest(path: &Path) -> Result<entente_proto::hash::Hash, BackupError> {
    let mut file = File::open(path).map_err(fail("read", path))?;
    let (mut context, mut piece) = (Context::new(&SHA256), vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece).map_err(fail("read", path))?;
        if read == 0 {
            break;
        }
        context.update(piece.get(..read).unwrap_or_default());
    }
    let digest = context.finish();
    entente_proto::hash::Hash::from_slice(digest.as_ref())
        .ok_or_else(|| BackupError::NotABackup { path: path.to_owned(), why: "it cannot be hashed" })
}

/// The path of the first file of which two manifests say different things.
fn first_difference(written: &str, found: &str) -> Option<String> {
    let path = |line: &str| line.split_once("  ").map_or(line, |(_, path)| path).to_owned();
    let (written_lines, found_lines): (Vec<_>, Vec<_>) = (written.lines().collect(), found.lines().collect());
    let differing = written_lines.iter().zip(&found_lines).find(|(one, other)| one != other);
    let longer = || written_lines.get(found_lines.len()).or_else(|| found_lines.get(written_lines.len()));
    differing.map(|(one, _)| path(one)).or_else(|| longer().map(|line| path(line)))
}

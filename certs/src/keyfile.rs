//! Secrets in files that only their owner may read.
//!
//! A secret is created once, readable by its owner alone (mode 0600), and durable when [`create_secret`] returns. It is
//! never written over: only [`replace_secret`] puts another in its place, as a whole. It is read only from a regular file, not through a symbolic link, and only if nobody else
//! may read or write it: a key that others could have copied is no longer a key.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Largest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// Why a secret cannot be created or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Something of that name is there already.
    #[error("{0} exists already; a key is never overwritten. Move it away if it is to be replaced")]
    Exists(PathBuf),
    /// Nothing of that name is there.
    #[error("{0} does not exist. `entente init` creates keys; a restored home directory must have its own back")]
    Missing(PathBuf),
    /// A symbolic link stands in its place.
    #[error("{0} is a symbolic link; a key is read from the file itself. Put the file there")]
    Link(PathBuf),
    /// A directory, a device or a pipe stands in its place.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// Others than the owner may read or write it.
    #[error(
        "{path} is open to others (mode {mode:04o}), so its key may have been copied or exchanged. If that cannot have happened: chmod 600 {path}"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than a key can be.
    #[error("{0} is larger than 64 KiB: it is not a key file")]
    TooLarge(PathBuf),
    /// The file is there, and its contents are not as they were written.
    #[error("{path} is damaged: {why}. Restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file holds a key, but not the one that was asked for.
    #[error("{path} holds the key {found}, not one of {expected}. Put the right file there")]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The name of the key in it.
        found: String,
        /// The name that it should have.
        expected: String,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
}

/// Creates a file with a secret in it, durably: the file and its directory are fsynced before this returns. A failed write
/// leaves no file behind.
///
/// # Errors
/// [`KeyFileError::Exists`] if anything of that name is there, [`KeyFileError::Io`] otherwise.
pub fn create_secret(path: &Path, secret: &[u8]) -> Result<(), KeyFileError> {
    create(path, secret)?;
    sync_parent(path).map_err(|error| {
        // Nothing has been told about this file yet.
        let _ = std::fs::remove_file(path);
        failed(path, error)
    })
}

/// Puts a secret in the place of the one in this file, durably: whenever the process or the machine stops, the file holds
/// all of the old one or all of the new one.
///
/// # Errors
/// [`KeyFileError::Missing`] if there is none, [`KeyFileError::Io`]; the old secret stays then, unless it was the last
/// step, the fsync of the directory, that failed.
pub fn replace_secret(path: &Path, secret: &[u8]) -> Result<(), KeyFileError> {
    let name = path.file_name().ok_or_else(|| KeyFileError::NotAFile(path.to_owned()))?;
    if !path.try_exists().map_err(|error| failed(path, error))? {
        return Err(KeyFileError::Missing(path.to_owned()));
    }
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(".new");
    let beside = path.with_file_name(beside);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&beside, error)),
        // What a killed process left: nobody has been told of it.
        _ => create(&beside, secret)?,
    }
    std::fs::rename(&beside, path).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(path, error)
    })?;
    sync_parent(path).map_err(|error| failed(path, error))
}

/// Creates the file, with its bytes durable and its name not yet.
fn create(path: &Path, secret: &[u8]) -> Result<(), KeyFileError> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => failed(path, error),
        })?;
    file.write_all(secret).and_then(|()| file.sync_all()).map_err(|error| {
        // Nothing has been told about this file yet; half of a secret would only be in the way.
        let _ = std::fs::remove_file(path);
        failed(path, error)
    })
}

/// Reads a secret.
///
/// # Errors
/// [`KeyFileError`]: missing, not a regular file, open to others, too large, or unreadable.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    // NONBLOCK, so that a pipe in the file's place is refused below and not waited for.
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(
        |error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => KeyFileError::Link(path.to_owned()),
            _ if error.kind() == io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            _ => failed(path, error),
        },
    )?;
    let metadata = file.metadata().map_err(|error| failed(path, error))?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAFile(path.to_owned()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { path: path.to_owned(), mode });
    }
    // One buffer from the start: a growing one would leave copies of the secret behind.
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES_MAX + 1]);
    let mut length = 0;
    while let Some(rest) = secret.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
    if length > SECRET_BYTES_MAX {
        return Err(KeyFileError::TooLarge(path.to_owned()));
    }
    secret.truncate(length);
    Ok(secret)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.to_owned(), source }
}

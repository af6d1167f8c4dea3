//! Which of the databases in the directory is the one: the file `current`.
//!
//! ```text
//! data/           current          "g-3\n": the directory that counts
//!                 g-3/             a sled database
//!                 g-4/             a copy that is being made, or that was not finished: deleted at start
//!                 ballast
//! ```
//! A copy takes the place of its original by one rename: `current.new`, synced, over `current`, and a sync of the
//! directory. So whenever the process or the machine stops, one database has the name, and it is whole. Directories are
//! never renamed, since sled goes on writing below the path under which it was opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::base::io_error;
use crate::files::read_bounded;
use crate::journal::disk;
use crate::store::StoreError;

const NAME: &str = "current";
const NEW: &str = "current.new";
const PREFIX: &str = "g-";
/// Longest content of the file, in bytes.
const BYTES_MAX: usize = 32;

/// The number of a database in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Generation {
    pub(super) const FIRST: Self = Self(1);

    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its directory.
    pub(super) fn path(self, directory: &Path) -> PathBuf {
        directory.join(self.name())
    }

    fn name(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    fn parse(name: &str) -> Option<Self> {
        let found = Self(name.strip_prefix(PREFIX)?.parse().ok()?);
        // One form only: no signs, no leading zeros.
        (found.name() == name).then_some(found)
    }
}

/// The database that counts.
///
/// # Errors
/// [`StoreError::Missing`] if there is none, [`StoreError::Damaged`], [`StoreError::Io`].
pub(super) fn read(directory: &Path) -> Result<Generation, StoreError> {
    let path = directory.join(NAME);
    let bytes = match read_bounded(&path, BYTES_MAX) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing(directory.into())),
        found => found.map_err(io_error(&path, "read"))?,
    };
    let generation = std::str::from_utf8(&bytes).ok().and_then(|text| Generation::parse(text.strip_suffix('\n')?));
    let generation = generation.ok_or_else(|| StoreError::Damaged {
        path: directory.into(),
        why: format!("the file {NAME} in it does not name a database"),
    })?;
    if !generation.path(directory).join("db").is_file() {
        return Err(StoreError::Missing(directory.into()));
    }
    Ok(generation)
}

/// Makes a database the one that counts, durably. The database itself must be durable.
///
/// # Errors
/// [`StoreError::Io`]: then it does not count. If the last step fails, nobody knows which does: the process ends.
pub(super) fn write(directory: &Path, generation: Generation) -> Result<(), StoreError> {
    let (path, new) = (directory.join(NAME), directory.join(NEW));
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(format!("{}\n", generation.name()).as_bytes())?;
        file.sync_all()
    };
    written().and_then(|()| std::fs::rename(&new, &path)).map_err(io_error(&path, "write"))?;
    if let Err(error) = disk::sync_directory(directory) {
        disk::fatal(&format!("cannot sync {}: {error}", directory.display()));
    }
    Ok(())
}

/// Deletes what does not count: copies that were not finished, originals whose copy took their place.
///
/// # Errors
/// What the operating system says.
pub(super) fn clean_up(directory: &Path, current: Generation) -> io::Result<()> {
    let mut found = false;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str() {
            Some(NEW) => std::fs::remove_file(entry.path())?,
            Some(name) if Generation::parse(name).is_some_and(|other| other != current) => {
                std::fs::remove_dir_all(entry.path())?;
            }
            _ => continue,
        }
        tracing::info!(?name, "deleted what an interrupted scrub left behind");
        found = true;
    }
    if found { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Deletes a database that does not count any more, durably.
///
/// # Errors
/// What the operating system says.
pub(super) fn remove(directory: &Path, generation: Generation) -> io::Result<()> {
    match std::fs::remove_dir_all(generation.path(directory)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    disk::sync_directory(directory)
}

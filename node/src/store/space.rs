//! Free space on the disk.
//!
//! A full disk keeps sled even from opening, so a node stops taking submissions while there is still room, and keeps a
//! file of ballast beside the database: removing it gives the room to start and to clean up.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// How many bytes an ordinary process may still write to the file system that holds `path`.
///
/// # Errors
/// What the operating system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let space = statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// A file that holds room.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// The ballast at a path, of a size; nothing is written yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self { path: path.into(), bytes }
    }

    /// Takes the room, unless it is taken already.
    ///
    /// # Errors
    /// What the operating system says; nothing is left behind then.
    pub fn keep(&self) -> io::Result<()> {
        if self.bytes == 0 || std::fs::metadata(&self.path).is_ok_and(|found| found.len() == self.bytes) {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        let taken = allocate(&file, self.bytes).and_then(|()| file.sync_all());
        if taken.is_err() {
            let _ = self.release();
        }
        taken
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn release(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

fn allocate(mut file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system can; writing does it everywhere.
        Err(rustix::io::Errno::OPNOTSUPP) => io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file).map(|_| ()),
        other => Ok(other?),
    }
}

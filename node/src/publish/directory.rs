//! A directory as a place.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use super::place::Seen;
use super::{NEXT, PlaceError};
use crate::files::{create_whole, read_plain, replace_file, walk};

/// Everybody may read what is published, as far as the process's umask lets them.
const MODE: u32 = 0o644;

/// A directory. It is created where its parent is there.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn is_within(&self, directory: &Path) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let own = real(&self.0).or_else(|| Some(real(self.0.parent()?)?.join(self.0.file_name()?)));
        own.zip(real(directory)).is_some_and(|(own, directory)| own.starts_with(directory))
    }

    pub(super) fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, PlaceError> {
        let file = self.0.join(path);
        read_plain(&file, bytes_max).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PlaceError::Absent(file.display().to_string()),
            io::ErrorKind::FileTooLarge => PlaceError::TooLarge(file.display().to_string(), bytes_max),
            _ => fault("read", &file, &error),
        })
    }

    pub(super) fn list(&self) -> Result<BTreeSet<String>, PlaceError> {
        let mut found = Vec::new();
        match walk(&self.0, "", &mut found) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("list", &self.0, &error)),
            _ => Ok(found.into_iter().collect()),
        }
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), PlaceError> {
        let file = self.make_room(path)?;
        let write = || {
            // Never through a link, or into a file that has other names.
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            OpenOptions::new().write(true).create_new(true).open(&file)?.write_all(bytes)
        };
        write().map_err(|error| fault("write", &file, &error))
    }

    /// Nobody can be kept from writing between the look and the name; whoever runs two nodes on one directory is told of it by
    /// the one or the other.
    pub(super) fn replace(&self, path: &str, bytes: &[u8], before: Option<&Seen>) -> Result<(), PlaceError> {
        let file = self.make_room(path)?;
        let write = |error: io::Error| fault("write", &file, &error);
        let changed = || PlaceError::Changed(file.display().to_string());
        let Some(before) = before else {
            return create_whole(&file, bytes, MODE).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => changed(),
                _ => write(error),
            });
        };
        let there = self.read(path, usize::MAX).map_err(|error| match error {
            PlaceError::Absent(_) => changed(),
            error => error,
        })?;
        if !before.is(&there) {
            return Err(changed());
        }
        replace_file(&file, bytes, MODE).map_err(write)
    }

    pub(super) fn copy(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        let (from, to) = (self.0.join(from), self.make_room(to)?);
        let beside = self.make_room(&format!("{NEXT}name"))?;
        let clear = || match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let copy = || {
            clear()?;
            // A second name; not every file system has them.
            fs::hard_link(&from, &beside).or_else(|_| fs::copy(&from, &beside).map(drop))?;
            fs::rename(&beside, &to)?;
            // Where both are names of one file already, renaming does nothing.
            clear()
        };
        copy().map_err(|error| fault("write", &to, &error))
    }

    pub(super) fn remove(&self, paths: &[String]) -> Result<(), PlaceError> {
        for path in paths {
            let file = self.0.join(path);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault("remove", &file, &error)),
                _ => {}
            }
            // A directory with more in it stays.
            let mut above = file.parent();
            while let Some(directory) = above.filter(|above| **above != *self.0 && fs::remove_dir(above).is_ok()) {
                above = directory.parent();
            }
        }
        Ok(())
    }

    pub(super) fn settle(&self) -> Result<(), PlaceError> {
        let settled = File::open(&self.0).and_then(|directory| syncfs(directory).map_err(io::Error::from));
        settled.map_err(|error| fault("write", &self.0, &error))
    }

    /// The file's path, in a directory that is there.
    fn make_room(&self, path: &str) -> Result<PathBuf, PlaceError> {
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(fault("create", &self.0, &error));
            }
            _ => {}
        }
        let file = self.0.join(path);
        let above = file.parent().unwrap_or(&self.0);
        fs::create_dir_all(above).map_err(|error| fault("create", above, &error))?;
        Ok(file)
    }
}

fn fault(doing: &str, path: &Path, error: &io::Error) -> PlaceError {
    PlaceError::Other(format!("cannot {doing} {}: {error}", path.display()))
}

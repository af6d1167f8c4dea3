//! One sled database: its directory, its handle, and how it is made durable.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::panic_text;
use crate::journal::disk;
use crate::store::StoreError;

/// Fixed at creation; with it, values up to about 7 KiB stay inside segments.
const SEGMENT_BYTES: usize = 512 << 10;
/// How long another opener's lock is waited for.
const LOCK_WAIT: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(5) };
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open database.
pub(super) struct Base {
    directory: PathBuf,
    pub(super) tree: sled::Tree,
    /// Keeps the database open; declared after the tree.
    pub(super) db: sled::Db,
    /// A second descriptor of `<directory>/db`, to sync it.
    file: File,
    blobs_seen: AtomicBool,
}

impl Base {
    /// Makes an empty one. Only [`settle`](Self::settle) makes it durable.
    pub(super) fn create(directory: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        DirBuilder::new().mode(0o700).create(directory).map_err(io_error(directory, "create"))?;
        Self::start(directory, cache_bytes, true)
    }

    /// Opens one that is there.
    pub(super) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        remove_half_snapshots(directory).map_err(io_error(directory, "clean up in"))?;
        Self::start(directory, cache_bytes, false)
    }

    fn start(directory: &Path, cache_bytes: u64, new: bool) -> Result<Self, StoreError> {
        let db = open_sled(directory, cache_bytes, new)?;
        let tree = (*db).clone();
        let file = File::options().write(true).open(directory.join("db")).map_err(io_error(directory, "open"))?;
        Ok(Self { directory: directory.into(), tree, db, file, blobs_seen: AtomicBool::new(false) })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many bytes of the disk it takes.
    pub(super) fn disk_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0_u64;
        for entry in std::fs::read_dir(&self.directory)? {
            match entry?.metadata() {
                // A snapshot that was just replaced.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                found => bytes = bytes.saturating_add(found?.blocks().saturating_mul(512)),
            }
        }
        Ok(bytes)
    }

    /// Makes what was flushed durable, or ends the process.
    pub(super) fn sync(&self) {
        if let Err(error) = self.file.sync_data().and_then(|()| self.sync_blobs()) {
            disk::fatal(&format!("cannot sync the database {}: {error}", self.directory.display()));
        }
    }

    /// Makes a new one durable as a whole: its content, its files and their names.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        self.sync();
        let whole = || {
            File::open(self.directory.join("conf"))?.sync_all()?;
            disk::sync_directory(&self.directory.join("blobs"))?;
            disk::sync_directory(&self.directory)?;
            disk::sync_parent(&self.directory)
        };
        whole().map_err(io_error(&self.directory, "sync"))
    }

    /// There should be none: values are kept short. If there are, they are durable too before anyone is answered.
    fn sync_blobs(&self) -> io::Result<()> {
        let directory = self.directory.join("blobs");
        let mut found = 0_u64;
        for blob in std::fs::read_dir(&directory)? {
            match File::open(blob?.path()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_all()?,
            }
            found = found.saturating_add(1);
        }
        if found > 0 {
            disk::sync_directory(&directory)?;
            if !self.blobs_seen.swap(true, Ordering::Relaxed) {
                tracing::warn!(found, "the database has put values into files of their own: it will be slower");
            }
        }
        Ok(())
    }
}

pub(super) fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { path, what, source }
}

fn open_sled(directory: &Path, cache_bytes: u64, new: bool) -> Result<sled::Db, StoreError> {
    let config = || {
        sled::Config::new()
            .path(directory)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .create_new(new)
    };
    let deadline = Instant::now().checked_add(LOCK_WAIT);
    loop {
        let opened = catch_unwind(AssertUnwindSafe(|| config().open()));
        let why = match opened {
            Ok(Ok(db)) => return Ok(db),
            // sled wraps the lock's WouldBlock into an error of kind Other with this text.
            Ok(Err(sled::Error::Io(e))) if e.to_string().contains("could not acquire lock") => {
                if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                    return Err(StoreError::Locked(directory.into()));
                }
                std::thread::sleep(LOCK_PAUSE);
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("opening it panicked: {}", panic_text(panic.as_ref())),
        };
        return Err(StoreError::Damaged { path: directory.into(), why });
    }
}

/// A kill while sled opens leaves one of these, and with it sled never opens again.
fn remove_half_snapshots(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            tracing::warn!(?name, "removed what a killed start left behind");
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

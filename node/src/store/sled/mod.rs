//! The store in sled 0.34.7.
//!
//! sled is fast and never trusted alone. Its faults, each met or read in its source, and what is done about them:
//!
//! | fault | rule |
//! |---|---|
//! | `flush` ends in `sync_file_range`, which no power loss respects | `sync_data` on a descriptor of our own after each flush; a failed one ends the process |
//! | nothing syncs the directory | it and its parent are synced at creation |
//! | a kill during open leaves `snap.*.generating`, which makes open fail for good | deleted before open |
//! | open and reads can panic on damaged files | every call runs in `catch_unwind` |
//! | the file lock outlives the drop a little | open is tried again for a bounded time |
//! | values above about 7 KiB become files that are never synced | [`block`](super::block) keeps values below; `blobs/` is looked at after each commit |
//! | an open creates what is not there | only [`SledStore::create`] does here |
//! | a failed write may be there after all | the store stops; keys are idempotent |
//! | a batch is atomic within a tree only | one tree |
//!
//! Never used: `flush_async` (deadlocks), the background flush, subscribers, compression, transactions, `was_recovered`,
//! `len`, `checksum`, `size_on_disk`.

mod commit;
mod plan;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use entente_proto::ids::{NetworkName, UnitId};

use super::space::{Ballast, free_bytes};
use super::{StoreError, key};
use crate::journal::disk;

/// Fixed at creation; with it, values up to about 7 KiB stay inside segments.
const SEGMENT_BYTES: usize = 512 << 10;
/// How long another opener's lock is waited for.
const LOCK_WAIT: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(5) };
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Longer than this, an open or a commit is worth a warning.
const SLOW_OPEN: Duration = Duration::from_secs(10);

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The network: a database of another is refused.
    pub network: NetworkName,
    /// The unit: a database of another is refused.
    pub unit: UnitId,
    /// sled's page cache, in bytes; what it takes in fact is several times that.
    pub cache_bytes: u64,
    /// Below this many free bytes [`SledStore::is_low`] says so, and the ballast is released.
    pub low_bytes: u64,
    /// The size of the ballast file, in bytes; 0 for none.
    pub ballast_bytes: u64,
}

impl Options {
    /// The usual values: 8 MiB cache, low below 256 MiB, 64 MiB of ballast.
    #[must_use]
    pub const fn new(network: NetworkName, unit: UnitId) -> Self {
        Self { network, unit, cache_bytes: 8 << 20, low_bytes: 256 << 20, ballast_bytes: 64 << 20 }
    }

    fn format(&self) -> String {
        format!("entente store 1\n{}/{}\n", self.network, self.unit)
    }
}

/// The store in a sled database.
pub struct SledStore {
    directory: PathBuf,
    options: Options,
    tree: sled::Tree,
    /// Keeps the database open; declared after the tree.
    db: sled::Db,
    /// A second descriptor of `<directory>/db`, to sync it.
    file: File,
    ballast: Ballast,
    /// What is durable and so shown to readers. Locked for moments only, never while the disk is waited for.
    logs: RwLock<BTreeMap<UnitId, Log>>,
    stopped: AtomicBool,
    blobs_seen: AtomicBool,
}

/// Our own counters of one log; sled's mislead or cost too much.
#[derive(Debug, Clone, Default)]
struct Log {
    size: u64,
    /// Entries without a body.
    gaps: BTreeSet<u64>,
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledStore({})", self.directory.display())
    }
}

impl SledStore {
    /// Creates an empty database in a directory that is absent or empty; its parent must be there.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Io`], [`StoreError::Failed`].
    pub fn create(directory: &Path, options: Options) -> Result<Self, StoreError> {
        let fail = |what| move |source| StoreError::Io { path: directory.into(), what, source };
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = std::fs::read_dir(directory).map_err(fail("read"))?;
                if entries.next().is_some() {
                    return Err(StoreError::Exists(directory.into()));
                }
            }
            other => other.map_err(fail("create"))?,
        }
        let store = Self::start(directory, options, true)?;
        store.guard(|| {
            store.tree.insert(key::FORMAT, store.options.format().into_bytes())?;
            store.db.flush()
        })?;
        store.sync();
        let whole = || {
            File::open(directory.join("conf"))?.sync_all()?;
            disk::sync_directory(&directory.join("blobs"))?;
            disk::sync_directory(directory)?;
            disk::sync_parent(directory)
        };
        whole().map_err(fail("sync"))?;
        Ok(store)
    }

    /// Opens a database that [`create`](Self::create) made.
    ///
    /// If it is [`Damaged`](StoreError::Damaged), [`set_aside`] the directory and rebuild.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`Foreign`](StoreError::Foreign), [`Release`](StoreError::Release),
    /// [`Locked`](StoreError::Locked), [`Damaged`](StoreError::Damaged), [`Io`](StoreError::Io).
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        if !directory.join("db").is_file() {
            return Err(StoreError::Missing(directory.into()));
        }
        remove_half_snapshots(directory).map_err(|source| StoreError::Io {
            path: directory.into(),
            what: "clean up in",
            source,
        })?;
        let begun = Instant::now();
        let store = Self::start(directory, options, false)?;
        store.check_format()?;
        let logs = store.read_logs()?;
        // What a killed process had written but not synced is about to be relied on.
        store.sync();
        *store.logs_mut() = logs;
        let took = begun.elapsed();
        if took > SLOW_OPEN {
            tracing::warn!(seconds = took.as_secs(), "the database took long to open");
        } else {
            tracing::info!(milliseconds = took.as_millis(), "opened the database");
        }
        Ok(store)
    }

    fn start(directory: &Path, options: Options, new: bool) -> Result<Self, StoreError> {
        let ballast = Ballast::new(directory.join("ballast"), options.ballast_bytes);
        let fail = |what| move |source| StoreError::Io { path: directory.into(), what, source };
        // sled needs room even to open.
        let free = free_bytes(directory).map_err(fail("find the free space of"))?;
        if free < options.low_bytes {
            tracing::warn!(free, "the disk is nearly full: released the ballast");
            ballast.release().map_err(fail("release the ballast of"))?;
        }
        let db = open_sled(directory, options.cache_bytes, new)?;
        let tree = (*db).clone();
        let file = File::options().write(true).open(directory.join("db")).map_err(fail("open"))?;
        let store = Self {
            directory: directory.into(),
            options,
            tree,
            db,
            file,
            ballast,
            logs: RwLock::default(),
            stopped: AtomicBool::new(false),
            blobs_seen: AtomicBool::new(false),
        };
        if !store.is_low().map_err(fail("find the free space of"))?
            && let Err(error) = store.ballast.keep()
        {
            tracing::warn!("no ballast is kept: {error}");
        }
        Ok(store)
    }

    /// Whether the disk is so full that no submissions should be taken.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn is_low(&self) -> io::Result<bool> {
        Ok(free_bytes(&self.directory)? < self.options.low_bytes)
    }

    /// The directory of the database.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let path = || self.directory.clone();
        let Some(found) = self.guard(|| self.tree.get(key::FORMAT))? else {
            return Err(StoreError::Damaged {
                path: path(),
                why: "it has no format: its creation did not end, or its beginning is lost".into(),
            });
        };
        let expected = self.options.format();
        if found == expected.as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&found).into_owned();
        let lines = |text: &str| {
            let (format, owner) = text.split_once('\n').unwrap_or((text, ""));
            (format.to_owned(), owner.trim_end().to_owned())
        };
        let ((found, found_owner), (expected, expected_owner)) = (lines(&found), lines(&expected));
        if found == expected {
            return Err(StoreError::Foreign { path: path(), found: found_owner, expected: expected_owner });
        }
        Err(StoreError::Release { path: path(), found, expected })
    }

    /// Calls sled; a panic in it is an error like others.
    fn guard<T>(&self, call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
        self.guarded(|| call().map_err(failed))
    }

    /// As [`guard`](Self::guard), for more than one call at a time.
    fn guarded<T>(&self, calls: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        catch_unwind(AssertUnwindSafe(calls))
            .unwrap_or_else(|panic| Err(StoreError::Failed(format!("it panicked: {}", panic_text(panic.as_ref())))))
    }

    /// Makes what was flushed durable, or ends the process.
    fn sync(&self) {
        if let Err(error) = self.file.sync_data().and_then(|()| self.sync_blobs()) {
            disk::fatal(&format!("cannot sync the database {}: {error}", self.directory.display()));
        }
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

    fn logs(&self) -> RwLockReadGuard<'_, BTreeMap<UnitId, Log>> {
        // Changed in steps that cannot panic, so a poisoned one is whole.
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<UnitId, Log>> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a directory that cannot be used out of the way, durably: nothing is deleted. Returns where it is now.
///
/// # Errors
/// What the operating system says; nothing was moved then, or the move may not survive a power loss.
pub fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    for number in 1..=u32::MAX {
        let mut name = directory.as_os_str().to_owned();
        name.push(format!(".aside-{number}"));
        let aside = PathBuf::from(name);
        if std::fs::symlink_metadata(&aside).is_err() {
            std::fs::rename(directory, &aside)?;
            disk::sync_parent(directory)?;
            return Ok(aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
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

fn failed(error: sled::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?")
}

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
//! | what was deleted stays in old pages, for how long nobody knows | `scrub` copies what counts into a new database and deletes the old one |
//!
//! Never used: `flush_async` (deadlocks), the background flush, subscribers, compression, transactions, `was_recovered`,
//! `len`, `checksum`, `size_on_disk`.

mod backup;
mod base;
mod commit;
mod current;
mod cut;
mod plan;
mod read;
mod repair;
mod scrub;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use entente_proto::ids::{NetworkName, UnitId};

use self::base::{Base, io_error};
use self::current::Generation;
use self::scrub::SinceCopy;
use super::space::{Ballast, free_bytes};
use super::{ScrubDue, StoreError, key};
use crate::journal::disk;

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
    /// The database that counts. Locked for moments only: whoever works with it takes a share.
    base: RwLock<Arc<Base>>,
    generation: Mutex<Generation>,
    ballast: Ballast,
    /// What is durable and so shown to readers. Locked for moments only, never while the disk is waited for.
    logs: RwLock<BTreeMap<UnitId, Log>>,
    due: Mutex<Option<ScrubDue>>,
    /// How often erasures were announced, since the start.
    announcements: AtomicU64,
    /// How often a log was cut back or written again in parts, since the start.
    cuts: AtomicU64,
    /// Held by whoever changes the database: a commit, or the moment in which a copy takes its place.
    turn: Mutex<()>,
    /// One scrub at a time.
    scrubbing: Mutex<()>,
    /// What was written since a copy of the database was begun.
    since_copy: Mutex<Option<SinceCopy>>,
    stopped: AtomicBool,
    /// Bundles of which an entry was found not to be readable, each with the first one found.
    bad: Mutex<BTreeMap<(UnitId, u64), u64>>,
    /// How many of them were written again.
    repairs: AtomicU64,
    /// What was found not to be readable and cannot be fetched by itself.
    broken: OnceLock<String>,
}

/// Our own counters of one log; sled's mislead or cost too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Log {
    size: u64,
    /// Entries without a body.
    gaps: BTreeSet<u64>,
    /// Those of them that are erased for good, each with the index of its `Erase`.
    erased: BTreeMap<u64, u64>,
    /// Entries whose erasure was announced and is not settled, each with the index of its `Erase`.
    withheld: BTreeMap<u64, u64>,
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
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = std::fs::read_dir(directory).map_err(io_error(directory, "read"))?;
                if entries.next().is_some() {
                    return Err(StoreError::Exists(directory.into()));
                }
            }
            other => other.map_err(io_error(directory, "create"))?,
        }
        let base = Base::create(&Generation::FIRST.path(directory), options.cache_bytes)?;
        let store = Self::over(base, Generation::FIRST, directory, options)?;
        store.guard(|| {
            let base = store.base();
            base.tree.insert(key::FORMAT, store.options.format().into_bytes())?;
            base.db.flush()
        })?;
        store.base().settle()?;
        current::write(directory, Generation::FIRST)?;
        disk::sync_parent(directory).map_err(io_error(directory, "sync"))?;
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
        let generation = current::read(directory)?;
        let begun = Instant::now();
        // sled needs room even to open.
        let free = free_bytes(directory).map_err(io_error(directory, "find the free space of"))?;
        if free < options.low_bytes {
            tracing::warn!(free, "the disk is nearly full: released the ballast");
            ballast(directory, &options).release().map_err(io_error(directory, "release the ballast of"))?;
        }
        // The whole directory is what an operator moves aside.
        let base = Base::open(&generation.path(directory), options.cache_bytes).map_err(|error| match error {
            StoreError::Damaged { why, .. } => StoreError::Damaged { path: directory.into(), why },
            StoreError::Locked(_) => StoreError::Locked(directory.into()),
            error => error,
        })?;
        // Only now, with sled's lock: nobody else works here.
        current::clean_up(directory, generation).map_err(io_error(directory, "clean up in"))?;
        let store = Self::over(base, generation, directory, options)?;
        store.check_format()?;
        let logs = store.read_logs()?;
        let due = store.read_due()?;
        // What a killed process had written but not synced is about to be relied on.
        store.sync();
        *store.logs_mut() = logs;
        *lock(&store.due) = due;
        let took = begun.elapsed();
        if took > SLOW_OPEN {
            tracing::warn!(seconds = took.as_secs(), "the database took long to open");
        } else {
            tracing::info!(milliseconds = took.as_millis(), "opened the database");
        }
        Ok(store)
    }

    fn over(base: Base, generation: Generation, directory: &Path, options: Options) -> Result<Self, StoreError> {
        let store = Self {
            directory: directory.into(),
            base: RwLock::new(Arc::new(base)),
            generation: Mutex::new(generation),
            ballast: ballast(directory, &options),
            options,
            logs: RwLock::default(),
            due: Mutex::default(),
            announcements: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            turn: Mutex::default(),
            scrubbing: Mutex::default(),
            since_copy: Mutex::default(),
            stopped: AtomicBool::new(false),
            bad: Mutex::default(),
            repairs: AtomicU64::new(0),
            broken: OnceLock::new(),
        };
        if !store.is_low().map_err(io_error(directory, "find the free space of"))?
            && let Err(error) = store.ballast.keep()
        {
            tracing::warn!("no ballast is kept: {error}");
        }
        Ok(store)
    }

    /// The database that counts now. It stays whole for as long as the share is kept.
    fn base(&self) -> Arc<Base> {
        self.base.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        let Some(found) = self.guard(|| self.base().tree.get(key::FORMAT))? else {
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
        self.base().sync();
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

fn ballast(directory: &Path, options: &Options) -> Ballast {
    Ballast::new(directory.join("ballast"), options.ballast_bytes)
}

/// Locks, also after another thread panicked: what these locks guard is whole between any two statements.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: sled::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?")
}

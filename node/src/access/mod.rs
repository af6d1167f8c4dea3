//! The access log: who called this node, when, and for what. What its entries are is fixed in
//! [`entente_proto::access`].
//!
//! | file | what it is |
//! |---|---|
//! | `epochs` | when an epoch is over |
//! | `file` | one epoch: a file of frames (`frames.rs`), each body a run of entries |
//! | `writer` | the thread that appends for everyone, with one `fdatasync` a group |
//! | `heads` | has `AccessHead` records made, and looks what else is due |
//! | `fixing` | those records in the replicated log, read once |
//! | `retention` | which old epochs are due, and by what time |
//!
//! Every call on the unit listener is an entry that is durable before the call is acted upon. Where that cannot be, the
//! call is refused: nobody reads or changes anything without a trace.
//!
//! # Epochs
//! `access/<epoch>.entries` in the home directory; the largest number is the epoch that goes on. A new one begins, named by the
//! Unix time in seconds, or one more than the one before, where there is none, where the newest is damaged, where the node
//! has lost its journal (a restored copy among them: what it called its access log may be old), and where the newest
//! `AccessHead` of the own log says more than the file. The files before it stay as they are, for auditors.
//!
//! A new one also begins where a file is long (16 MiB), so that a start reads no more than that; its first entry fixes
//! the whole of the epoch before. Where `access.keep_days` is set, so does one after 30 days, and an epoch that was over so many
//! days ago is deleted, after an entry in the newest says so; the newest never is. Unless it is set everything is kept:
//! Directive (EU) 2016/680 names no time, the law of the unit does.
//!
//! An epoch is over when a certified record fixes a later one, and how long ago that was is told by the newest time that is
//! certified in any log ([`Ends`](entente_proto::access::Ends)): so nothing is deleted by a clock that nobody else agrees with, by a
//! node that waits or recovers, or by a unit that has no partners. Whoever verifies an export judges by the same times.
//!
//! A clock that was wrong may leave lines in the future. Times within an epoch do not go back, so once the clock is right, as
//! partners see it, a new epoch begins.
//!
//! # Heads
//! A head goes into the replicated log when the oldest call that is under none is `access.head_every_s` old, an hour unless
//! set. So a restart alone adds nothing to the log.

mod epochs;
mod file;
mod fixing;
mod heads;
mod retention;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use entente_proto::wire;
use entente_proto::wire::access::Body;

use crate::clock::Clock;
use crate::core::lock;
use crate::journal::disk;
use crate::store::{Store, StoreError};

use epochs::Epochs;
pub use epochs::Keeping;
pub use file::Entries;
use file::{Damage, Epoch};
use fixing::Fixing;
pub use fixing::{Fixed, newest_head};
pub use heads::keep;
use writer::Writer;

/// The file that tells for which loss the newest epoch began.
const LOSS: &str = "lost";

/// The access log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The operating system refused.
    #[error("cannot {what} the access log {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// There is no such epoch.
    #[error("this node has no access log of the epoch {0}")]
    NoEpoch(u64),
    /// Nothing more can be written.
    #[error(
        "the access log cannot be written ({0}), and without it no call is answered: look at the disk of the home directory, then start the node again"
    )]
    Closed(String),
}

/// Where an access log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The epoch.
    pub epoch: u64,
    /// How many entries are durable.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The epoch.
    pub epoch: u64,
    /// The index in it.
    pub index: u64,
}

/// What a node knows when it starts.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The newest head in the own log.
    pub head: Option<wire::AccessHead>,
    /// That the node has lost what it signed, and why: then its access log may be an old copy, too.
    pub lost: Option<String>,
}

/// The access log of a running node. Clones share it.
#[derive(Debug, Clone)]
pub struct AccessLog {
    directory: PathBuf,
    writer: Arc<Writer>,
    raised: Option<String>,
    /// After how many days old epochs are deleted; 0 for never.
    keep_days: u32,
    fixing: Arc<Mutex<Fixing>>,
}

impl AccessLog {
    /// Opens the newest epoch, or begins one.
    ///
    /// # Errors
    /// [`AccessError::Io`].
    pub fn open(
        directory: &Path,
        network: &NetworkName,
        unit: &UnitId,
        known: &Known,
        keeping: Keeping,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        let fail = |what| move |source| AccessError::Io { what, path: directory.to_owned(), source };
        create_directory(directory).map_err(fail("create the directory of"))?;
        let newest = self::epochs(directory)?.pop();
        let (network, unit) = (network.clone(), unit.clone());
        let epochs = Epochs { directory: directory.to_owned(), network, unit, keeping };
        let known =
            &Known { lost: new_loss(directory, known).map_err(fail("look for a loss beside"))?, ..known.clone() };
        let (epoch, raised) = match newest {
            None => (None, known.head.as_ref().map(|_| "its files are gone".to_owned())),
            Some(number) => match Epoch::open(directory, number, &epochs.network, &epochs.unit) {
                Ok(epoch) => match fits(&epoch, known)? {
                    Ok(()) => (Some(epoch), None),
                    Err(why) => (None, Some(why)),
                },
                Err(Damage::Io(what, source)) => {
                    return Err(AccessError::Io { what, path: path(directory, number), source });
                }
                Err(Damage::Content(why)) => (None, Some(format!("{}: {why}", path(directory, number).display()))),
            },
        };
        let epoch = match epoch {
            Some(epoch) => epoch,
            None => {
                let before = newest.into_iter().chain(known.head.as_ref().map(|head| head.epoch)).max();
                epochs.next(before.unwrap_or_default(), clock.now_ms(), None).map_err(fail("begin an epoch of"))?
            }
        };
        if let Some(lost) = &known.lost {
            keep_loss(directory, lost).map_err(fail("note a loss beside"))?;
        }
        if let Some(why) = &raised {
            tracing::error!(
                why,
                epoch = epoch.state().epoch,
                "the access log is not gone on with: a new epoch of it begins"
            );
        }
        let covered = known.head.as_ref().filter(|head| head.epoch == epoch.state().epoch).map_or(0, |head| head.size);
        let writer = Writer::start(epoch, covered, epochs, clock).map_err(fail("start a thread for"))?;
        Ok(Self {
            directory: directory.to_owned(),
            writer: Arc::new(writer),
            raised,
            keep_days: keeping.days,
            fixing: Arc::default(),
        })
    }

    /// Appends an entry; durable on return. Gives its place. The end of a call names the call's [place](Place), epoch included.
    ///
    /// # Errors
    /// [`AccessError::Closed`] with the reason.
    pub async fn note(&self, body: Body) -> Result<Place, AccessError> {
        self.writer.note(body).await
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.writer.state()
    }

    /// Why another epoch began at this start, if one did.
    #[must_use]
    pub fn raised(&self) -> Option<&str> {
        self.raised.as_deref()
    }

    /// The epochs that are here, ascending.
    ///
    /// # Errors
    /// [`AccessError::Io`].
    pub fn epochs(&self) -> Result<Vec<u64>, AccessError> {
        epochs(&self.directory)
    }

    /// The records that fix it in the whole own log, of which so many entries are certified, and how long that is. It is read,
    /// but for what was certified when it was read before, so this may take a while.
    ///
    /// # Errors
    /// As the store's.
    pub fn fixing(&self, store: &dyn Store, unit: &UnitId, certified: u64) -> Result<(Vec<Fixed>, u64), StoreError> {
        lock(&self.fixing).all(store, unit, certified)
    }

    /// Those that are certified.
    fn certified(&self, store: &dyn Store, unit: &UnitId, certified: u64) -> Result<Vec<Fixed>, StoreError> {
        lock(&self.fixing).certified(store, unit, certified).map(<[Fixed]>::to_vec)
    }

    /// The entries of an epoch from an index on, as they are now. What cannot be read ends them with a fault.
    ///
    /// # Errors
    /// [`AccessError::NoEpoch`], [`AccessError::Io`].
    pub fn entries(&self, epoch: u64, from: u64) -> Result<Entries, AccessError> {
        let state = self.state();
        let until = (state.epoch == epoch).then_some(state.size);
        Entries::open(&path(&self.directory, epoch), from, until).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => AccessError::NoEpoch(epoch),
            _ => AccessError::Io { what: "read", path: path(&self.directory, epoch), source },
        })
    }
}

/// Whether an epoch is what the own log says of it.
fn fits(epoch: &Epoch, known: &Known) -> Result<Result<(), String>, AccessError> {
    if let Some(lost) = &known.lost {
        return Ok(Err(format!("it may be an old copy: {lost}")));
    }
    let Some(head) = &known.head else { return Ok(Ok(())) };
    let state = epoch.state();
    if head.epoch != state.epoch {
        let newer = head.epoch > state.epoch;
        return Ok(if newer { Err(format!("the file of the epoch {} is gone", head.epoch)) } else { Ok(()) });
    }
    let root = epoch.root_at(head.size).map_err(|source| AccessError::Io {
        what: "read",
        path: epoch.path().to_owned(),
        source,
    })?;
    Ok(match root {
        Some(root) if root.0.as_slice() == head.root => Ok(()),
        Some(_) => Err(format!("its first {} entries are not those that the own log fixes", head.size)),
        None => Err(format!("it has {} entries where the own log fixes {}", state.size, head.size)),
    })
}

/// The loss, unless an epoch began for it: a node may start many times before it knows again what it signed.
fn new_loss(directory: &Path, known: &Known) -> io::Result<Option<String>> {
    let path = directory.join(LOSS);
    let before = match std::fs::read_to_string(&path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if known.lost.is_none() && before.is_some() {
        std::fs::remove_file(&path)?;
    }
    Ok(known.lost.clone().filter(|lost| before.as_ref() != Some(lost)))
}

fn keep_loss(directory: &Path, lost: &str) -> io::Result<()> {
    let path = directory.join(LOSS);
    std::fs::write(&path, lost)?;
    std::fs::File::open(&path)?.sync_all()?;
    disk::sync_directory(directory)
}

fn path(directory: &Path, epoch: u64) -> PathBuf {
    directory.join(format!("{epoch}.entries"))
}

fn create_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => disk::sync_parent(directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The epochs in a directory, ascending.
pub(crate) fn epochs(directory: &Path) -> Result<Vec<u64>, AccessError> {
    let fail = |source| AccessError::Io { what: "list", path: directory.to_owned(), source };
    let mut epochs = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".entries"));
        epochs.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    epochs.sort_unstable();
    Ok(epochs)
}

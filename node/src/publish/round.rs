//! One round: what is certified now is brought to the place, as far as it is not there.
//!
//! # The order
//! A reader finds a whole publication at any moment, whenever the round ends or is broken off:
//!
//! 1. Files that are new are written under their names. No manifest names them yet.
//! 2. Files that take the place of others (payloads after an erasure, notes), and checkpoints in any case, are written as
//!    `next/<SHA-256>`, one for all names under which the same bytes are to be found.
//! 3. All of that is durable, then the manifest takes the place of the one before. A reader who finds that a file is not what
//!    the manifest says looks for it under its SHA-256.
//! 4. What lies in `next/` is copied to its names, the payloads and tiles first, the checkpoints last: so whoever reads a log
//!    by its checkpoint, as C2SP `tlog-tiles` has it, always finds its tiles.
//! 5. When all have their names for good, `next/` is removed, and what the manifest does not name any more.
//!
//! A partial tile stays until the full one is there, though no manifest names it: whoever has read a checkpoint a moment ago
//! asks for the tiles of that size (C2SP `tlog-tiles`). No payload stays so.
//!
//! What a round left that broke off is found by the next, which then [looks](there) at all that lies in the place, and writes
//! what is not what it should be.
//!
//! # What is not done again
//! Full bundles never change but for erasures, and where a charter cuts a log back. The manifest of the round before says their
//! digests, so they are neither read nor hashed nor written again, unless an `Erase` among the entries since names a record in
//! them, or the hash over them is another.
//!
//! # What is never done
//! What is published never shrinks, nor says anything else than it said: a node whose database was lost or restored publishes
//! when it has caught up. The one exception is a base that a charter names for a log, under a key that is newer than what was
//! published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entente_proto::audit::{
    BundleFiles, MANIFEST, Manifest, Part, Payloads, bundles, charter_files, part, tile, upper_tile_bytes,
};
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::sync::{Standing, erased_by};
use entente_proto::tree::{BUNDLE_LEVEL, CompactRange, level1};
use tokio::runtime::Handle;

use super::place::Seen;
use super::there::{self, There, is_head};
use super::uploads::Uploads;
use super::{NEXT, Place, PlaceError, extends};
use crate::core::Core;
use crate::unit::audit::{self, Ended, Log};

/// How far a round is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries dealt with, of how many.
    pub entries: (u64, u64),
    /// Files written so far.
    pub written_files: u64,
}

/// What a round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Records that are published.
    pub records: u64,
    /// Files that are published, the manifest among them.
    pub files: u64,
    /// Files that were written, the manifest among them if it was.
    pub written_files: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Files that were removed.
    pub removed_files: u64,
}

/// Why a round failed, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoundError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What lies there is not this node's.
    #[error("{0}")]
    NotOurs(String),
    /// The node cannot give what is to be published now.
    #[error("{0}")]
    Node(String),
    /// The node holds less than what is published, or something else.
    #[error("nothing is written over what is published: {0}")]
    Behind(String),
    /// The node does not sign now.
    #[error("nothing is published while the node does not sign ({0}): what lies there stays, and it goes on by itself")]
    NotRunning(&'static str),
    /// The node is stopping.
    #[error("the node is stopping: it publishes when it runs again")]
    Stopping,
}

impl From<Ended> for RoundError {
    fn from(ended: Ended) -> Self {
        ended.map_or(Self::Stopping, |status| Self::Node(status.message().to_owned()))
    }
}

/// What a round works with.
pub(super) struct Means<'a> {
    pub(super) core: &'a Core,
    pub(super) place: &'a Arc<Place>,
    pub(super) payloads: Payloads,
    pub(super) handle: &'a Handle,
    pub(super) stopping: &'a AtomicBool,
    pub(super) tell: &'a mut dyn FnMut(Progress),
}

struct Round<'a, 'm> {
    means: &'a mut Means<'m>,
    there: There,
    manifest: Manifest,
    uploads: Uploads,
    /// Which names are to have what lies in `next/`.
    replacing: Vec<(String, Hash)>,
    /// What lies in `next/`.
    waiting: BTreeSet<Hash>,
    /// The checkpoints, and the hashes over full bundles, of what is published now.
    heads: BTreeMap<UnitId, Vec<u8>>,
    level1: BTreeMap<UnitId, Vec<Hash>>,
    /// The logs that a charter cut back since what is there was published.
    cut: BTreeSet<UnitId>,
    progress: Progress,
    done: Done,
}

/// Does a round. `known` is what the round before left there; without it the place is looked at. Gives what is there now.
pub(super) fn run(means: &mut Means<'_>, known: Option<There>) -> Result<(Done, There), RoundError> {
    let announcements = means.core.store.announcements();
    let there = there::find(means, known)?;
    let logs = audit::logs(means.core, means.payloads)?;
    let charters = means.core.charters();
    let cut = extends::check(means.core, &charters, &logs, &there)?;
    let manifest = Manifest::new(charters.newest().network().clone(), means.core.unit.clone(), means.payloads);
    let uploads = Uploads::new(means.place.clone(), means.handle.clone());
    let mut round = Round {
        means,
        there,
        manifest,
        uploads,
        replacing: Vec::new(),
        waiting: BTreeSet::new(),
        heads: BTreeMap::new(),
        level1: BTreeMap::new(),
        cut,
        progress: Progress::default(),
        done: Done::default(),
    };
    round.progress.entries.1 = logs.iter().map(|log| log.size().get()).sum();
    for (path, bytes) in charter_files(&charters) {
        round.put(path, bytes)?;
    }
    for log in &logs {
        round.log(log)?;
    }
    // Last of all, so that they are the last to get their names.
    for log in &logs {
        for (path, bytes) in log.notes(round.means.core)? {
            if path == entente_proto::audit::checkpoint(&log.unit) {
                round.heads.insert(log.unit.clone(), bytes.clone());
            }
            round.put(path, bytes)?;
        }
    }
    if round.means.payloads == Payloads::All {
        audit::unless_erased_since(round.means.core, announcements)?;
    }
    round.conclude(&logs)
}

pub(super) fn sign(core: &Core, manifest: &Manifest) -> Result<Vec<u8>, RoundError> {
    let signed = manifest.sign(core.clock.now_ms() / 1_000, &*audit::signer(core)?);
    signed.map_err(|error| RoundError::Node(error.to_string()))
}

/// That this node signs, and so knows what it signed: only then what it holds may take the place of what is published.
pub(super) fn while_running(core: &Core) -> Result<(), RoundError> {
    let words = match core.standing() {
        Standing::Running => return Ok(()),
        Standing::Waiting { .. } => "it waits until partners have told how far they hold its log",
        Standing::Recovering { .. } => "it recovers what it held and signed",
    };
    Err(RoundError::NotRunning(words))
}

/// Where a file waits for its name.
pub(crate) fn next(digest: &Hash) -> String {
    format!("{NEXT}{digest}")
}

impl Round<'_, '_> {
    fn go_on(&self) -> Result<(), RoundError> {
        if self.means.stopping.load(Ordering::Acquire) { Err(RoundError::Stopping) } else { Ok(()) }
    }

    /// A file belongs to what is published, and is written if it is not there.
    fn put(&mut self, path: String, bytes: Vec<u8>) -> Result<(), RoundError> {
        self.go_on()?;
        let digest = Hash::of(&bytes);
        self.manifest.add(path.clone(), digest);
        let named = self.there.manifest.files().get(&path);
        let to = match self.there.files.get(&path) {
            Some(there) if *there == digest => return Ok(()),
            // No reader expects anything there yet, or just this.
            there if !is_head(&path) && (named == Some(&digest) || there.or(named).is_none()) => path.clone(),
            _ => {
                self.replacing.push((path.clone(), digest));
                if !self.waiting.insert(digest) {
                    return Ok(());
                }
                next(&digest)
            }
        };
        self.done.written_files += 1;
        self.done.written_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.progress.written_files += 1;
        Ok(self.uploads.put(to, path, bytes)?)
    }

    fn log(&mut self, log: &Log) -> Result<(), RoundError> {
        let (unit, size) = (&log.unit, log.size());
        let stored = self.means.core.store.log(unit).map_err(audit::failed)?;
        let full = usize::try_from(size.bundles()).unwrap_or(usize::MAX);
        let above = stored.level1.get(..full).ok_or_else(|| audit::broken(unit, &"it lacks hashes"))?.to_vec();
        let mut range = CompactRange::new(Size::ZERO);
        let pushed = above.iter().try_for_each(|hash| range.push_subtree(BUNDLE_LEVEL, *hash));
        pushed.map_err(|error| audit::broken(unit, &error))?;
        let mut as_before = BTreeMap::new();
        let mut erased = BTreeSet::new();
        for (number, width) in bundles(size) {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            if let Some(digests) = self.published(unit, number, width, above.get(place)) {
                as_before.insert(number, digests);
                continue;
            }
            let entries = self.bundle(log, number)?;
            erased.extend(
                entries
                    .iter()
                    .filter_map(|entry| Some(erased_by(entry.header().kind, entry.payload()?)? / BUNDLE_ENTRIES)),
            );
            let hashes: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
            match level1(&hashes) {
                // What was read back from the disk is not believed.
                Ok(hash) if above.get(place) != Some(&hash) => return Err(not_certified(unit)),
                Ok(_) => {}
                Err(_) => {
                    let pushed = hashes.into_iter().try_for_each(|hash| range.push_leaf(hash));
                    pushed.map_err(|error| audit::broken(unit, &error))?;
                }
            }
            self.tell(width);
        }
        if range.root().ok() != Some(log.root()) {
            return Err(not_certified(unit));
        }
        for (number, digests) in as_before {
            if self.means.payloads == Payloads::All && erased.contains(&number) {
                self.bundle(log, number)?;
            } else {
                digests.into_iter().for_each(|(path, digest)| self.manifest.add(path, digest));
            }
            self.tell(u16::try_from(BUNDLE_ENTRIES).unwrap_or(u16::MAX));
        }
        for (level, number, width, bytes) in upper_tile_bytes(size, above.clone()) {
            self.put(tile(unit, level, number, width), bytes)?;
        }
        self.level1.insert(unit.clone(), above);
        Ok(())
    }

    /// The files of a full bundle with this hash over it, if they were published as they are now.
    fn published(&self, unit: &UnitId, number: u64, width: u16, hash: Option<&Hash>) -> Option<Vec<(String, Hash)>> {
        let level1 = self.there.level1.get(unit)?;
        hash.filter(|hash| usize::try_from(number).ok().and_then(|at| level1.get(at)) == Some(*hash))?;
        let same = u64::from(width) == BUNDLE_ENTRIES && self.there.manifest.payloads() == self.means.payloads;
        let file = |which: &Part| {
            let path = part(unit, *which, number, width);
            let digest = *self.there.manifest.files().get(&path)?;
            (self.there.files.get(&path) == Some(&digest)).then_some((path, digest))
        };
        if same { Part::ALL.iter().map(file).collect() } else { None }
    }

    /// Reads a bundle and puts its files.
    fn bundle(&mut self, log: &Log, number: u64) -> Result<Vec<Entry>, RoundError> {
        let entries = audit::read(self.means.core, &log.unit, log.size(), number)?;
        let width = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        let files = BundleFiles::of(&entries, self.means.payloads);
        let BundleFiles { entries: leaves, payload, hashes } = files;
        for (which, bytes) in [(Part::Entries, leaves), (Part::Payload, payload), (Part::Hashes, hashes)] {
            self.put(part(&log.unit, which, number, width), bytes)?;
        }
        Ok(entries)
    }

    fn tell(&mut self, entries: u16) {
        self.progress.entries.0 = self.progress.entries.0.saturating_add(entries.into());
        (self.means.tell)(self.progress);
    }

    /// The manifest, the names, and what goes.
    fn conclude(mut self, logs: &[Log]) -> Result<(Done, There), RoundError> {
        self.uploads.finish()?;
        self.done.records = logs.iter().map(|log| log.size().get()).sum();
        self.done.files = u64::try_from(self.manifest.files().len()).unwrap_or(u64::MAX).saturating_add(1);
        let stays = self.stays();
        let Self { means, there, manifest, replacing, waiting, heads, level1, mut done, .. } = self;
        let (place, handle) = (means.place, means.handle);
        let mut seen = there.seen;
        if manifest != there.manifest || done.written_files > 0 {
            place.settle()?;
        }
        if manifest != there.manifest {
            while_running(means.core)?;
            let note = sign(means.core, &manifest)?;
            let now = Seen::new(&note, None);
            handle.block_on(place.replace(MANIFEST, note, Some(&seen)))?;
            seen = now;
            done.written_files += 1;
        }
        // In the order in which they were put: the notes last, as they come last.
        for (path, digest) in &replacing {
            handle.block_on(place.copy(&next(digest), path))?;
        }
        let (stay, gone): (Vec<_>, Vec<_>) = there.files.into_iter().partition(|(path, _)| stays.contains(path));
        let gone: BTreeSet<String> = gone.into_iter().map(|(path, _)| path).chain(there.strays).collect();
        let gone: BTreeSet<String> = gone.into_iter().filter(|path| !manifest.files().contains_key(path)).collect();
        done.removed_files = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        let gone: BTreeSet<String> = gone.into_iter().chain(waiting.iter().map(next)).collect();
        if !gone.is_empty() {
            // What was copied is durable before what it was copied from goes.
            place.settle()?;
            handle.block_on(place.remove(gone.into_iter().collect()))?;
            place.settle()?;
        }
        let stay = stay.into_iter().filter(|(path, _)| !manifest.files().contains_key(path));
        let files = manifest.files().clone().into_iter().chain(stay).collect();
        Ok((done, There { manifest, seen, files, strays: BTreeSet::new(), heads, level1 }))
    }

    /// The partial tiles that stay though the log has grown: those whose full tile is not there.
    fn stays(&self) -> BTreeSet<String> {
        let stays = |path: &&String| {
            let Some((full, _)) = path.rsplit_once(".p/") else { return false };
            let unit = full.strip_prefix("logs/").and_then(|rest| rest.split_once("/tile/")).map(|(unit, _)| unit);
            unit.is_some_and(|unit| !self.cut.iter().any(|cut| cut.as_str() == unit))
                && !self.manifest.files().contains_key(full)
        };
        self.there.files.keys().filter(stays).cloned().collect()
    }
}

fn not_certified(unit: &UnitId) -> RoundError {
    audit::broken(unit, &"its entries are not those of its checkpoint").into()
}

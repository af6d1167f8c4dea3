//! One round: what is certified now is brought to the place, as far as it is not there.
//!
//! # The order
//! A reader finds a whole publication at any moment, whenever the round ends or is broken off:
//!
//! 1. Files that are new are written under their names. No manifest names them yet.
//! 2. Files that take the place of others (checkpoints, and payloads after an erasure) are written as `next/<SHA-256>`.
//! 3. All of that is durable, then the manifest takes the place of the one before. A reader who finds that a file is not what
//!    the manifest says looks for it under its SHA-256.
//! 4. What lies in `next/` gets its name, the payloads and tiles first, the checkpoints last: so whoever reads a log by its
//!    checkpoint, as C2SP `tlog-tiles` has it, always finds its tiles.
//! 5. What the manifest does not name any more is removed.
//!
//! What a round left that broke off is found by the next, which then looks at all names in the place: it does step 4 where the
//! manifest is there, and takes for not written what no manifest names.
//!
//! # What is not done again
//! Full bundles never change but for erasures. The manifest of the round before says their digests, so they are neither read
//! nor hashed nor written again, unless an `Erase` among the entries since names a record in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entente_proto::audit::{
    BundleFiles, MANIFEST, Manifest, Part, Payloads, bundles, bytes_max, charter_files, part, tile, upper_tile_bytes,
};
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::{BUNDLE_ENTRIES, MANIFEST_BYTES_MAX};
use entente_proto::sync::erased_by;
use entente_proto::tree::{BUNDLE_LEVEL, CompactRange, level1};
use tokio::runtime::Handle;

use super::uploads::Uploads;
use super::{NEXT, Place, PlaceError};
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

/// What lies in the place.
struct There {
    /// What the manifest there says of it, as far as it is there; nothing where there is none.
    manifest: Manifest,
    /// Of that, what is there.
    files: BTreeMap<String, Hash>,
    /// What is there and not named.
    strays: BTreeSet<String>,
}

struct Round<'a, 'm> {
    means: &'a mut Means<'m>,
    there: There,
    manifest: Manifest,
    uploads: Uploads,
    /// What waits in `next/` for its name.
    replacing: Vec<(String, Hash)>,
    progress: Progress,
    done: Done,
}

/// Does a round. `known` is what the round before published; without it the place is looked at. Gives the manifest that is
/// there now.
pub(super) fn run(means: &mut Means<'_>, known: Option<Manifest>) -> Result<(Done, Manifest), RoundError> {
    let announcements = means.core.store.announcements();
    let there = match known {
        Some(manifest) => There { files: manifest.files().clone(), manifest, strays: BTreeSet::new() },
        None => look(means)?,
    };
    let logs = audit::logs(means.core, means.payloads)?;
    let charters = means.core.charters();
    let manifest = Manifest::new(charters.newest().network().clone(), means.core.unit.clone(), means.payloads);
    let uploads = Uploads::new(means.place.clone(), means.handle.clone());
    let mut round = Round {
        means,
        there,
        manifest,
        uploads,
        replacing: Vec::new(),
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
            round.put(path, bytes)?;
        }
    }
    if round.means.payloads == Payloads::All {
        audit::unless_erased_since(round.means.core, announcements)?;
    }
    round.conclude(&logs)
}

/// Looks at what lies in the place, and brings to its end what a round left there that had its manifest.
fn look(means: &Means<'_>) -> Result<There, RoundError> {
    let (place, handle) = (means.place, means.handle);
    let names = handle.block_on(place.list())?;
    let note = match handle.block_on(place.read(MANIFEST, MANIFEST_BYTES_MAX)) {
        Ok(note) => note,
        Err(PlaceError::Absent(_)) if names.is_empty() => return claim(means),
        Err(PlaceError::Absent(_)) => {
            return Err(RoundError::NotOurs(
                "something lies there that is no publication: name a place that is empty, or empty this one".to_owned(),
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let manifest = ours(means.core, &note)?;
    let mut names = names;
    for (path, digest) in manifest.files() {
        let next = next(digest);
        if names.contains(&next) {
            handle.block_on(place.rename(&next, path))?;
            names.insert(path.clone());
        }
    }
    let files = manifest.files().iter().filter(|(path, _)| names.contains(*path));
    let files: BTreeMap<String, Hash> = files.map(|(path, digest)| (path.clone(), *digest)).collect();
    let belongs = |path: &&String| {
        bytes_max(path).is_some() || path.starts_with(NEXT) || path.starts_with(".manifest.") && path.ends_with(".new")
    };
    let strays = names.iter().filter(|path| !files.contains_key(*path)).filter(belongs).cloned().collect();
    Ok(There { manifest, files, strays })
}

/// A manifest without files, so that whatever is left there by a round that breaks off is known to be this node's.
fn claim(means: &Means<'_>) -> Result<There, RoundError> {
    let core = means.core;
    let manifest = Manifest::new(core.charters().newest().network().clone(), core.unit.clone(), means.payloads);
    means.handle.block_on(means.place.replace(MANIFEST, sign(core, &manifest)?))?;
    Ok(There { manifest, files: BTreeMap::new(), strays: BTreeSet::new() })
}

/// The manifest, if this unit's node signed it: nobody's publication is written over.
fn ours(core: &Core, note: &[u8]) -> Result<Manifest, RoundError> {
    let not_ours = |why: &dyn std::fmt::Display| {
        RoundError::NotOurs(format!(
            "the manifest that lies there is not this node's ({why}), so nothing is written over it: name another place, or \
             empty this one"
        ))
    };
    let (manifest, note) = Manifest::read(note).map_err(|error| not_ours(&error))?;
    let charters = core.charters();
    if manifest.unit() != &core.unit || manifest.network() != charters.newest().network() {
        return Err(not_ours(&format_args!("it is of {}/{}", manifest.network(), manifest.unit())));
    }
    let mut keys = charters.all().rev().filter_map(|charter| Some(&charter.unit(&core.unit)?.mirror_key));
    if keys.any(|key| Manifest::signed(&note, key).is_ok()) {
        return Ok(manifest);
    }
    Err(not_ours(&"no key that a charter gives to this unit signed it"))
}

fn sign(core: &Core, manifest: &Manifest) -> Result<Vec<u8>, RoundError> {
    let signed = manifest.sign(core.clock.now_ms() / 1_000, &*audit::signer(core)?);
    signed.map_err(|error| RoundError::Node(error.to_string()))
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
        let to = match self.there.files.get(&path) {
            Some(there) if *there == digest => return Ok(()),
            Some(_) => {
                self.replacing.push((path, digest));
                next(&digest)
            }
            None => path,
        };
        self.done.written_files += 1;
        self.done.written_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.progress.written_files += 1;
        Ok(self.uploads.put(to, bytes)?)
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
            if let Some(digests) = self.published(unit, number, width) {
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
            let place = usize::try_from(number).unwrap_or(usize::MAX);
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
        for (level, number, width, bytes) in upper_tile_bytes(size, above) {
            self.put(tile(unit, level, number, width), bytes)?;
        }
        Ok(())
    }

    /// The files of a full bundle, if they were published as they are now.
    fn published(&self, unit: &UnitId, number: u64, width: u16) -> Option<Vec<(String, Hash)>> {
        let same = u64::from(width) == BUNDLE_ENTRIES && self.there.manifest.payloads() == self.means.payloads;
        let file = |which: &Part| {
            let path = part(unit, *which, number, width);
            let digest = *self.there.files.get(&path)?;
            Some((path, digest))
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
    fn conclude(mut self, logs: &[Log]) -> Result<(Done, Manifest), RoundError> {
        self.uploads.finish()?;
        self.done.records = logs.iter().map(|log| log.size().get()).sum();
        self.done.files = u64::try_from(self.manifest.files().len()).unwrap_or(u64::MAX).saturating_add(1);
        let Self { means, there, manifest, replacing, mut done, .. } = self;
        let (place, handle) = (means.place, means.handle);
        if manifest == there.manifest && done.written_files == 0 && there.strays.is_empty() {
            return Ok((done, manifest));
        }
        if manifest != there.manifest {
            place.settle()?;
            handle.block_on(place.replace(MANIFEST, sign(means.core, &manifest)?))?;
            done.written_files += 1;
        }
        for (path, digest) in &replacing {
            handle.block_on(place.rename(&next(digest), path))?;
        }
        let gone = there.files.into_keys().chain(there.strays).filter(|path| !manifest.files().contains_key(path));
        let gone: Vec<String> = gone.collect();
        done.removed_files = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        if !gone.is_empty() {
            handle.block_on(place.remove(gone))?;
        }
        place.settle()?;
        Ok((done, manifest))
    }
}

fn not_certified(unit: &UnitId) -> RoundError {
    audit::broken(unit, &"its entries are not those of its checkpoint").into()
}

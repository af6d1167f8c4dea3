//! Exports: the manifest of what is certified now, and the entries for whoever lacks them.
//!
//! Nothing is kept between calls. What is certified never changes but for erasures; where one comes in between, the digest of
//! a bundle is another than the manifest said, and the caller asks for the manifest anew.
//!
//! What goes into an export is the same where it is [published](crate::publish).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entente_proto::audit::{
    BundleFiles, LogNotes, Manifest, Part, Payloads, bundles as bundles_of, charter_files, is_of_network, part, tile,
    witnessed_files,
};
use entente_proto::entry::{self, Entry};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::note::Signer;
use entente_proto::sync::{Adoption, Judge, Judged};
use entente_proto::tree::{BUNDLE_LEVEL, CompactRange, level1};
use entente_proto::wire;
use entente_proto::wire::export_reply::Part as Piece;
use entente_proto::witness::WitnessedCheckpoint;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::words::unreadable;
use crate::core::Core;
use crate::store::{StoreError, StoredLog};

/// Messages that wait for a slow caller.
const WAITING: usize = 4;
/// Most bytes of one message's content.
const PIECE_BYTES: usize = 1 << 20;
/// Most bundles of one call.
const BUNDLES_MAX: usize = 4_096;
/// How many bundles are read between two reports.
const REPORT_BUNDLES: u64 = 16;
/// How long, and in which steps, an erasure that is announced may take to be certified.
const ERASURE_TRIES: u32 = 50;
const ERASURE_STEP: Duration = Duration::from_millis(200);

type Told<T> = mpsc::Sender<Result<T, Status>>;
/// The end of a call: with an answer that says why, or because the caller has gone.
pub(crate) type Ended = Option<Status>;

/// The manifest of an export, with the files that are of no bundle.
pub(super) fn manifest(
    core: &Arc<Core>,
    turn: OwnedSemaphorePermit,
) -> Result<ReceiverStream<Result<wire::ExportReply, Status>>, Status> {
    let (told, stream) = mpsc::channel(WAITING);
    let core = core.clone();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        answer(&told, Making::new(&core, &told).and_then(Making::all));
    });
    Ok(ReceiverStream::new(stream))
}

/// Bundles of a log.
pub(super) fn bundles(
    core: &Arc<Core>,
    request: &wire::BundlesRequest,
    turn: OwnedSemaphorePermit,
) -> Result<ReceiverStream<Result<wire::BundlePart, Status>>, Status> {
    let log = request.unit.parse::<UnitId>().ok().and_then(|unit| core.log(&unit));
    let log = log.ok_or_else(|| Status::not_found("the charter lists no unit with that id"))?;
    let certified = log.certified.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size);
    let size = Size::new(request.size).ok().filter(|size| *size <= certified);
    let size = size.ok_or_else(|| Status::failed_precondition("so much of that log is not certified"))?;
    if request.numbers.len() > BUNDLES_MAX {
        return Err(Status::invalid_argument(format!("at most {BUNDLES_MAX} bundles go into one call")));
    }
    let (told, stream) = mpsc::channel(WAITING);
    let (core, unit, numbers) = (core.clone(), log.unit, request.numbers.clone());
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        answer(&told, numbers.into_iter().try_for_each(|number| send_bundle(&core, &told, &unit, size, number)));
    });
    Ok(ReceiverStream::new(stream))
}

fn answer<T>(told: &Told<T>, done: Result<(), Ended>) {
    if let Err(Some(status)) = done {
        // Whoever hangs up does not want to know.
        let _ = told.blocking_send(Err(status));
    }
}

fn say<T>(told: &Told<T>, message: T) -> Result<(), Ended> {
    told.blocking_send(Ok(message)).map_err(|_| None)
}

/// As an answer.
pub(crate) fn failed(error: StoreError) -> Ended {
    Some(unreadable(&error.into()))
}

fn send_bundle(
    core: &Core,
    told: &Told<wire::BundlePart>,
    unit: &UnitId,
    size: Size,
    number: u64,
) -> Result<(), Ended> {
    let entries = read(core, unit, size, number)?;
    let mut run = Vec::new();
    entries.iter().for_each(|entry| entry::encode(entry, &mut run));
    let mut pieces = run.chunks(PIECE_BYTES).peekable();
    while let Some(piece) = pieces.next() {
        say(told, wire::BundlePart { number, run: piece.to_vec(), last: pieces.peek().is_none() })?;
    }
    Ok(())
}

/// The entries of a bundle in a log of this size.
pub(crate) fn read(core: &Core, unit: &UnitId, size: Size, number: u64) -> Result<Vec<Entry>, Ended> {
    let from = number.saturating_mul(BUNDLE_ENTRIES);
    let count = usize::try_from(size.get().saturating_sub(from).min(BUNDLE_ENTRIES)).unwrap_or(0);
    // What turns out to be damaged is fetched again from partners meanwhile.
    let read = || core.store.entries(unit, from, count, usize::MAX);
    let entries = core.reading_apart(read).map_err(failed)?;
    if entries.is_empty() || entries.len() != count {
        return Err(Some(Status::failed_precondition(format!("{unit} has no bundle {number} at that size"))));
    }
    Ok(entries)
}

/// A log as it goes into an export.
pub(crate) struct Log {
    /// Whose.
    pub(crate) unit: UnitId,
    judge: Judge,
    checkpoint: Option<Judged>,
    bridge: Option<Judged>,
}

/// Every log that any charter lists.
pub(crate) fn logs(core: &Core, payloads: Payloads) -> Result<Vec<Log>, Ended> {
    let charters = core.charters();
    let judged = charters.units().into_iter().filter_map(|unit| Some((Judge::new(&charters, &unit)?, unit)));
    judged.map(|(judge, unit)| log(core, unit, judge, payloads)).collect()
}

/// The key that signs a manifest: the one that the newest charter which lists this unit gives to it.
pub(crate) fn signer(core: &Core) -> Result<Arc<dyn Signer>, Ended> {
    let key = core.charters().all().rev().find_map(|charter| charter.unit(&core.unit).cloned());
    key.and_then(|unit| core.signer(&unit.mirror_key)).ok_or_else(|| {
        Some(Status::failed_precondition("the mirror key that the charter names is not in this node's home directory"))
    })
}

/// Entries that were read before an erasure was announced may have lacked a payload for no reason that the logs give up to
/// the sizes that were fixed before.
pub(crate) fn unless_erased_since(core: &Core, announcements: u64) -> Result<(), Ended> {
    if core.store.announcements() == announcements {
        return Ok(());
    }
    Err(Some(Status::unavailable("a record was erased while the logs were read: call again")))
}

struct Making<'a> {
    core: &'a Core,
    told: &'a Told<wire::ExportReply>,
    manifest: Manifest,
    announcements: u64,
    logs: Vec<Log>,
    done: wire::ExportProgress,
}

impl<'a> Making<'a> {
    fn new(core: &'a Core, told: &'a Told<wire::ExportReply>) -> Result<Self, Ended> {
        let charters = core.charters();
        let mut making = Self {
            core,
            told,
            manifest: Manifest::new(charters.newest().network().clone(), core.unit.clone(), Payloads::All),
            announcements: core.store.announcements(),
            logs: Vec::new(),
            done: wire::ExportProgress::default(),
        };
        for (path, content) in charter_files(&charters) {
            making.file(path, content)?;
        }
        making.logs = logs(core, Payloads::All)?;
        making.done.of = making.logs.iter().map(|log| log.size().get()).sum();
        Ok(making)
    }

    fn all(mut self) -> Result<(), Ended> {
        for log in std::mem::take(&mut self.logs) {
            self.log(&log)?;
        }
        unless_erased_since(self.core, self.announcements)?;
        self.report()?;
        let signer = signer(self.core)?;
        let note = self.manifest.sign(self.core.clock.now_ms() / 1_000, &*signer);
        let note = note.map_err(|error| Some(Status::internal(error.to_string())))?;
        note.chunks(PIECE_BYTES).try_for_each(|piece| self.say(Piece::Manifest(piece.to_vec())))
    }

    fn log(&mut self, log: &Log) -> Result<(), Ended> {
        for (path, content) in log.notes(self.core)? {
            self.file(path, content)?;
        }
        let mut range = CompactRange::new(Size::ZERO);
        let mut above = Vec::new();
        for (number, width) in bundles_of(log.size()) {
            let entries = read(self.core, &log.unit, log.size(), number)?;
            let files = BundleFiles::of(&entries, Payloads::All);
            for which in Part::ALL {
                self.manifest.add(part(&log.unit, which, number, width), Hash::of(files.part(which)));
            }
            let hashes: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
            let pushed = match level1(&hashes) {
                Ok(hash) => {
                    above.push(hash);
                    range.push_subtree(BUNDLE_LEVEL, hash)
                }
                Err(_) => hashes.into_iter().try_for_each(|hash| range.push_leaf(hash)),
            };
            pushed.map_err(|error| broken(&log.unit, &error))?;
            self.done.entries += u64::from(width);
            if number.is_multiple_of(REPORT_BUNDLES) {
                self.report()?;
            }
        }
        // What was read back from the disk is not believed.
        if let Some(head) = &log.checkpoint
            && range.root().ok() != Some(head.checkpoint().root)
        {
            return Err(broken(&log.unit, &"its entries are not those of its checkpoint"));
        }
        for (level, number, width, bytes) in entente_proto::audit::upper_tile_bytes(log.size(), above) {
            self.file(tile(&log.unit, level, number, width), bytes)?;
        }
        Ok(())
    }

    fn file(&mut self, path: String, content: Vec<u8>) -> Result<(), Ended> {
        self.manifest.add(path.clone(), Hash::of(&content));
        self.say(Piece::File(wire::ExportFile { path, content }))
    }

    fn report(&self) -> Result<(), Ended> {
        self.say(Piece::Progress(self.done))
    }

    fn say(&self, part: Piece) -> Result<(), Ended> {
        say(self.told, wire::ExportReply { part: Some(part) })
    }
}

impl Log {
    /// How many of its entries are certified.
    pub(crate) fn size(&self) -> Size {
        self.checkpoint.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size)
    }

    /// The root that is certified.
    pub(crate) fn root(&self) -> Hash {
        self.checkpoint.as_ref().map_or(Hash::EMPTY_ROOT, |head| head.checkpoint().root)
    }

    /// Its small files: path and bytes.
    pub(crate) fn notes(&self, core: &Core) -> Result<Vec<(String, Vec<u8>)>, Ended> {
        let fork = core.log(&self.unit).and_then(|view| view.fork);
        let notes =
            LogNotes { checkpoint: self.checkpoint.as_ref(), bridge: self.bridge.as_ref(), fork: fork.as_ref() };
        let mut files = notes.files(&self.unit, &self.judge).map_err(|error| broken(&self.unit, &error))?;
        if self.unit == core.unit {
            let words: Vec<_> = core.words().into_iter().filter(|word| self.is_witnessed(core, word)).collect();
            files.extend(witnessed_files(&self.unit, &words));
        }
        Ok(files)
    }

    /// Whether a witness's word is about what is exported: not where it is newer, nor where a charter has cut the log back
    /// since; the node asks the witness again then, and `status` tells what it answers.
    fn is_witnessed(&self, core: &Core, word: &WitnessedCheckpoint) -> bool {
        let (size, root) = (word.checkpoint().size, word.checkpoint().root);
        let of_its_time = self.judge.keys(size).is_ok_and(|(key, _)| key == *word.log_key());
        let outside = !is_of_network(&core.charters(), word.witness());
        outside && size <= self.size() && of_its_time && core.root_at(&self.unit, size) == Some(root)
    }
}

/// What is certified of a log; once no erasure is on its way that would leave a payload missing for no reason that the log
/// gives.
fn log(core: &Core, unit: UnitId, mut judge: Judge, payloads: Payloads) -> Result<Log, Ended> {
    for index in core.store.adopts(&unit).map_err(failed)? {
        let entry = core.store.entry(&unit, index).map_err(failed)?;
        match entry.as_ref().and_then(Entry::payload) {
            Some(payload) => {
                if let Some(adoption) = entry.as_ref().and_then(|entry| Adoption::of(entry.header().kind, payload)) {
                    judge.found(index, Some(adoption));
                }
            }
            None => judge.found(index, None),
        }
    }
    for tried in 0..ERASURE_TRIES {
        let stored = core.store.log(&unit).map_err(failed)?;
        meet(core, &unit, &mut judge, &stored)?;
        let read = |note: Option<Bytes>| -> Result<Option<Judged>, Ended> {
            note.map(|note| judge.sift(&note)).transpose().map_err(|error| broken(&unit, &error))
        };
        let (checkpoint, bridge) = (read(stored.certified)?, read(stored.bridge)?);
        let size = checkpoint.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size);
        let withheld = core.store.all_withheld();
        let open = |one: &&crate::store::Erasure| one.unit == unit && one.index < size.get() && one.by >= size.get();
        match withheld.iter().find(open).filter(|_| payloads == Payloads::All) {
            None => return Ok(Log { unit, judge, checkpoint, bridge }),
            Some(open) if tried + 1 == ERASURE_TRIES => {
                return Err(Some(Status::unavailable(format!(
                    "{unit}/{} is erased by {unit}/{}, which is not certified yet: nobody shows the one any more, and nobody \
                     could see from the export why. Call again when partners can be reached",
                    open.index, open.by
                ))));
            }
            Some(_) => std::thread::sleep(ERASURE_STEP),
        }
    }
    Err(None)
}

/// Holds the log against the bases that charters name for it: only then it is known which keys count beyond.
fn meet(core: &Core, unit: &UnitId, judge: &mut Judge, stored: &StoredLog) -> Result<(), Ended> {
    loop {
        let mut met = None;
        for base in judge.unmet_bases(stored.size) {
            let rest = core.store.leaf_hashes(unit, base.size.bundles()).map_err(failed)?;
            let full = usize::try_from(base.size.bundles()).unwrap_or(usize::MAX);
            let mut range = CompactRange::new(Size::ZERO);
            let pushed = stored.level1.iter().take(full).try_for_each(|hash| range.push_subtree(BUNDLE_LEVEL, *hash));
            let count = usize::try_from(base.size.beyond(base.size.bundled())).unwrap_or(usize::MAX);
            let pushed = pushed.and_then(|()| rest.iter().take(count).try_for_each(|hash| range.push_leaf(*hash)));
            if pushed.is_ok() && range.end() == base.size && range.root().ok() == Some(base.root) {
                met = Some(base);
            }
        }
        let Some(base) = met else { return Ok(()) };
        judge.base_met(base);
    }
}

pub(crate) fn broken(unit: &UnitId, why: &dyn std::fmt::Display) -> Ended {
    tracing::error!(%unit, why = %why, "no export: the log cannot be put together");
    Some(Status::data_loss(format!(
        "the database of this node does not give the log of {unit} as it was certified ({why})"
    )))
}

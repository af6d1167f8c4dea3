//! All of an export.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::bundle::Wanted;
use crate::audit::charters::{self, VerifiedCharter};
use crate::audit::compare::contradiction;
use crate::audit::log::{Reading, Register, VerifiedLog, Whole, newest, read_bundles, signed_by_author};
use crate::audit::reread::Reread;
use crate::audit::tiles::LogTree;
use crate::audit::{
    Fault, Faults, Files, Manifest, Payloads, Progress, Unreadable, VerifiedWitness, Workers, charter_paths, layout,
    witnessed,
};
use crate::charter::{Charter, CharterChain};
use crate::checkpoint::Checkpoint;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::{FORK_PROOF_BYTES_MAX, MANIFEST_BYTES_MAX};
use crate::list::{Counts, Fold, Frontier};
use crate::note::{Note, VerifierKey};

/// What an auditor knows already.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Charters that are trusted: version and digest. Each must be among those of the export.
    pub trusted: Vec<(u32, Hash)>,
    /// The oldest version that the export's newest charter may have.
    pub least: Option<u32>,
    /// Checkpoints that were seen before, as notes: every log must extend them.
    pub before: BTreeMap<UnitId, Vec<u8>>,
    /// Whether an export is accepted that withholds payloads, so that there is no list.
    pub withheld: bool,
    /// Witnesses from outside, each of which must have cosigned the log of the exporting unit.
    pub witnesses: Vec<VerifierKey>,
    /// How much of it.
    pub enough: Enough,
}

/// How much of a log a witness must have cosigned. All of it, unless one of these is said: only then is nothing in it that no
/// witness has seen. An author who shows each a fork of its own has a word on what came before the fork for ever; so a word on
/// nothing, or on some beginning, is enough only for whoever says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enough {
    /// So many entries.
    pub size: Option<Size>,
    /// As it was at this time or later, Unix seconds by the witness's clock.
    pub since_s: Option<u64>,
}

impl Enough {
    fn is_met(&self, word: &VerifiedWitness, has: Size) -> bool {
        let size = if *self == Self::default() { has } else { self.size.unwrap_or(Size::ZERO) };
        word.size >= size && self.since_s.is_none_or(|since| word.time >= since)
    }
}

/// The list.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The list digest.
    pub digest: Hash,
    /// What was folded.
    pub frontier: Frontier,
    /// How many rows have each status.
    pub counts: Counts,
}

/// What an export is found to be.
#[derive(Debug, Default)]
pub struct Verified {
    /// The network; nothing if no charter holds.
    pub network: Option<String>,
    /// The unit whose node made it, and when, Unix seconds by its clock; nothing if its signature does not hold.
    pub exporter: Option<(UnitId, u64)>,
    /// The charters that hold, each under those before it.
    pub chain: Option<CharterChain>,
    /// The same in short, from the first on.
    pub charters: Vec<VerifiedCharter>,
    /// Every log, by unit.
    pub logs: Vec<VerifiedLog>,
    /// How many payloads are withheld; nothing of an export that shows all.
    pub withheld: Option<u64>,
    /// The list; nothing where a log does not hold, or payloads are withheld.
    pub list: Option<Folded>,
    /// Forks that are proven, also by what was seen before.
    pub forks: Vec<ForkProof>,
    /// What does not hold. Where there is none, everything does.
    pub faults: Faults,
}

/// Verifies an export.
pub fn verify<F: Files, W: Workers>(
    files: &F,
    workers: &W,
    asked: &Asked,
    progress: &mut dyn FnMut(Progress),
) -> Verified {
    let mut verifying = Verifying { files, workers, register: Notes::default(), found: Verified::default() };
    verifying.all(asked, progress);
    let mut found = verifying.found;
    found.faults = verifying.register.faults;
    found
}

struct Verifying<'a, F, W> {
    files: &'a F,
    workers: &'a W,
    register: Notes,
    found: Verified,
}

/// The faults so far, and what the manifest says.
#[derive(Debug, Default)]
pub(super) struct Notes {
    faults: Faults,
    manifest: Option<Manifest>,
    /// How many files were read that the manifest names.
    named: usize,
}

impl Notes {
    /// Which payloads the export shows, as its manifest says.
    fn payloads(&self) -> Payloads {
        self.manifest.as_ref().map(Manifest::payloads).unwrap_or_default()
    }

    /// Whether the manifest names a file.
    pub(super) fn names(&self, path: &str) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.files().contains_key(path))
    }
}

impl Register for Notes {
    fn fault(&mut self, fault: Fault) {
        self.faults.note(fault);
    }

    fn digest(&mut self, path: &str, found: Hash) {
        // What is not named at all is told at the end.
        let Some(named) = self.manifest.as_ref().and_then(|manifest| manifest.files().get(path)) else { return };
        self.named = self.named.saturating_add(1);
        if *named != found {
            self.faults.note(Fault::Digest { path: path.to_owned(), named: *named, found });
        }
    }
}

impl<F: Files, W: Workers> Verifying<'_, F, W> {
    fn all(&mut self, asked: &Asked, progress: &mut dyn FnMut(Progress)) {
        let there: BTreeSet<String> = match self.files.list() {
            Ok(there) => there.into_iter().collect(),
            Err(why) => return self.register.fault(Fault::Directory(why)),
        };
        let note = self.manifest();
        let Some(charters) = charters::read(self.files, &there, &mut self.register, &mut self.found.charters) else {
            return;
        };
        self.found.network = Some(charters.newest().network().to_string());
        self.found.chain = Some(charters.clone());
        self.pins(&charters, asked);
        if let Some(note) = note {
            self.exporter(&note, &charters);
        }
        let payloads = self.register.payloads();
        let sizes = self.logs(&charters, &there, asked, progress);
        self.witnesses(asked);
        self.strays(&there, &charters, &sizes);
        if payloads == Payloads::Withheld {
            let withheld = self.found.logs.iter().fold(0_u64, |sum, log| sum.saturating_add(log.withheld));
            self.found.withheld = Some(withheld);
            if !asked.withheld {
                self.register.fault(Fault::Withheld(withheld));
            }
        }
    }

    fn manifest(&mut self) -> Option<Note> {
        let path = layout::MANIFEST.to_owned();
        let bytes = match self.files.read(&path, MANIFEST_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.register.fault(Fault::Unreadable { path, why });
                return None;
            }
        };
        match Manifest::read(&bytes) {
            Ok((manifest, note)) => {
                self.register.manifest = Some(manifest);
                Some(note)
            }
            Err(fault) => {
                self.register.fault(Fault::Manifest(fault));
                None
            }
        }
    }

    fn pins(&mut self, charters: &CharterChain, asked: &Asked) {
        for (version, digest) in &asked.trusted {
            if charters.of_digest(digest).is_none() {
                self.register.fault(Fault::NotPinned { version: *version, digest: *digest });
            }
        }
        let newest = charters.newest().version();
        // Versions begin with 1 again where the network was founded anew.
        if let Some(asked) = asked.least.filter(|least| charters.refounded() == 0 && newest < *least) {
            self.register.fault(Fault::TooOld { newest, asked });
        }
    }

    fn exporter(&mut self, note: &Note, charters: &CharterChain) {
        let Some(manifest) = &self.register.manifest else { return };
        let (network, unit) = (manifest.network().clone(), manifest.unit().clone());
        let listed = charters.all().rev().find_map(|charter| charter.unit(&unit));
        let Some(listed) = listed.filter(|_| network == *charters.newest().network()) else {
            return self.register.fault(Fault::UnknownExporter(format!("{network}/{unit}")));
        };
        match Manifest::signed(note, &listed.mirror_key) {
            Ok(time) => self.found.exporter = Some((unit, time)),
            Err(fault) => self.register.fault(Fault::Exporter { unit, fault }),
        }
    }

    /// Every log; gives their sizes, of those whose checkpoint can be read.
    fn logs(
        &mut self,
        charters: &CharterChain,
        there: &BTreeSet<String>,
        asked: &Asked,
        progress: &mut dyn FnMut(Progress),
    ) -> BTreeMap<UnitId, Size> {
        let mut fold = match Fold::under(charters) {
            // Nobody folds what is withheld.
            _ if self.register.payloads() == Payloads::Withheld => None,
            Ok(fold) => Some(fold),
            Err(unknown) => {
                self.register.fault(Fault::Rules(unknown));
                None
            }
        };
        let units = charters.units();
        let mut checkpoints: BTreeMap<UnitId, Option<(Checkpoint, Vec<u8>)>> = BTreeMap::new();
        for unit in &units {
            let path = layout::checkpoint(unit);
            let named = self.register.manifest.as_ref().is_none_or(|manifest| manifest.files().contains_key(&path));
            if !named && !there.contains(&path) {
                // Nothing of it is certified.
                checkpoints.insert(unit.clone(), None);
            } else if let Some(found) = newest(self.files, charters, unit, &mut self.register) {
                let size = found.0.size;
                // Whoever signs a size that no disk holds is not followed there: all files are counted before.
                if size.bundles() > u64::try_from(there.len()).unwrap_or(u64::MAX) {
                    self.register.fault(Fault::Short { path, size });
                } else {
                    checkpoints.insert(unit.clone(), Some(found));
                }
            }
        }
        let of = |found: &Option<(Checkpoint, Vec<u8>)>| found.as_ref().map_or(Size::ZERO, |(head, _)| head.size);
        let sizes: BTreeMap<UnitId, Size> = checkpoints.iter().map(|(unit, found)| (unit.clone(), of(found))).collect();
        let mut done = Progress { entries: 0, of: sizes.values().fold(0, |sum, size| sum.saturating_add(size.get())) };
        progress(done);
        let mut whole = checkpoints.len() == units.len();
        for (unit, checkpoint) in checkpoints {
            let before = self.register.faults.count();
            let mut log = self.log(&unit, charters, checkpoint, there, fold.as_mut(), asked, &mut |entries| {
                done.entries = done.entries.saturating_add(entries);
                progress(done);
            });
            if let Some(log) = &mut log {
                log.faults = self.register.faults.count().saturating_sub(before);
                whole &= log.faults == 0 || log.faults == u64::from(log.forked);
            }
            self.found.logs.extend(log);
        }
        if let Some(fold) = fold.filter(|_| whole) {
            self.list(charters, fold, &sizes);
        }
        sizes
    }

    #[expect(clippy::too_many_arguments, reason = "what one log needs of all that was read before")]
    fn log(
        &mut self,
        unit: &UnitId,
        charters: &CharterChain,
        checkpoint: Option<(Checkpoint, Vec<u8>)>,
        there: &BTreeSet<String>,
        mut fold: Option<&mut Fold>,
        asked: &Asked,
        progress: &mut dyn FnMut(u64),
    ) -> Option<VerifiedLog> {
        let mut reading = Reading::new(unit, charters, self.register.payloads())?;
        let size = checkpoint.as_ref().map_or(Size::ZERO, |(checkpoint, _)| checkpoint.size);
        let bridges = bridges_there(there.iter(), unit);
        let of = Whole { files: self.files, checkpoint, bridges: &bridges };
        let register = &mut self.register;
        read_bundles(self.files, self.workers, unit, size, (size, Wanted::Prepared), |at, bundle| {
            reading.take(at, bundle, fold.as_deref_mut(), register);
            progress(at.width.into());
        });
        let mut log = reading.finish(&of, fold.as_deref(), register);
        let named = self.register.manifest.iter().flat_map(|manifest| manifest.files().keys());
        let ids = witnessed::ids(there.iter().chain(named), unit);
        log.witnesses = witnessed::verify(self.files, charters, &log, &ids, &mut self.register);
        log.forked = self.fork(unit, charters, there);
        if let Some(note) = asked.before.get(unit) {
            self.before(charters, &log.tree(self.files), of.checkpoint.as_ref(), note);
        }
        Some(log)
    }

    /// Only the author's own node knows what its witnesses said.
    fn witnesses(&mut self, asked: &Asked) {
        let Some(unit) = self.register.manifest.as_ref().map(|manifest| manifest.unit().clone()) else { return };
        let log = self.found.logs.iter().find(|log| log.unit == unit);
        for key in &asked.witnesses {
            // That it saw an empty log says nothing.
            let said = log.and_then(|log| {
                let word = log.witnesses.iter().find(|word| word.key == *key && word.size > Size::ZERO)?;
                Some((word, log.size))
            });
            let (unit, witness) = (unit.clone(), key.name().clone());
            let fault = match said {
                None => Fault::Unwitnessed { unit, witness },
                Some((word, has)) if asked.enough.is_met(word, has) => continue,
                Some((word, has)) => Fault::WitnessedLittle { unit, witness, size: word.size, time_s: word.time, has },
            };
            self.register.fault(fault);
        }
    }

    fn fork(&mut self, unit: &UnitId, charters: &CharterChain, there: &BTreeSet<String>) -> bool {
        let path = layout::fork(unit);
        if !there.contains(&path) {
            return false;
        }
        let bytes = match self.files.read(&path, FORK_PROOF_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.register.fault(Fault::Unreadable { path, why });
                return false;
            }
        };
        let versions: Vec<&Charter> = charters.all().map(AsRef::as_ref).collect();
        let proof = ForkProof::verify_text(&bytes, &versions);
        let forked = match proof {
            Ok(proof) if proof.unit() == unit => {
                let newest = charters.all().rev().find_map(|charter| charter.unit(unit));
                if newest.is_some_and(|newest| newest.log_key == *proof.smaller().signed().key()) {
                    self.register.fault(Fault::Forked(unit.clone()));
                }
                self.found.forks.push(proof);
                true
            }
            Ok(_) => {
                self.register.fault(Fault::Foreign(path.clone()));
                false
            }
            Err(fault) => {
                self.register.fault(Fault::ForkProof { path: path.clone(), fault: Box::new(fault) });
                false
            }
        };
        self.register.digest(&path, Hash::of(&bytes));
        forked
    }

    /// The log extends what was seen of it before.
    fn before(
        &mut self,
        charters: &CharterChain,
        tree: &LogTree<'_, F>,
        now: Option<&(Checkpoint, Vec<u8>)>,
        note: &[u8],
    ) {
        let unit = tree.unit.clone();
        let before = match signed_by_author(note, charters, &unit) {
            Ok(before) => before,
            Err(fault) => return self.register.fault(Fault::Before { unit, fault: Box::new(fault.into()) }),
        };
        if before.size > tree.size {
            return self.register.fault(Fault::Shrunk { unit, before: before.size, now: tree.size });
        }
        let Some((now, now_note)) = now else { return };
        let fault = contradiction(charters, tree, (now, now_note), (&before, note));
        if let Some(Fault::Rewritten { proof: Some(proof), .. }) = &fault {
            self.found.forks.push((**proof).clone());
        }
        if let Some(fault) = fault {
            self.register.fault(fault);
        }
    }

    fn list(&mut self, charters: &CharterChain, mut fold: Fold, sizes: &BTreeMap<UnitId, Size>) {
        let logs = self.found.logs.iter().map(|log| (log.unit.clone(), (log.size, log.root))).collect();
        let frontier = Frontier { charter: charters.newest().digest(), logs };
        let payloads = Reread::new(self.files, sizes);
        match fold.digest_by(&frontier, &payloads, self.workers) {
            Ok(digest) => self.found.list = Some(Folded { digest, frontier, counts: fold.counts() }),
            Err(error) => self.register.fault(Fault::List(error.to_string())),
        }
    }

    /// What lies there and is not named, and what is named and belongs to no export of these logs.
    fn strays(&mut self, there: &BTreeSet<String>, charters: &CharterChain, sizes: &BTreeMap<UnitId, Size>) {
        let Some(manifest) = self.register.manifest.take() else { return };
        let named = manifest.files();
        for path in there.iter().filter(|path| *path != layout::MANIFEST && !named.contains_key(*path)) {
            self.register.fault(Fault::Stray(path.clone()));
        }
        if self.register.named == named.len() {
            return;
        }
        let due = due(charters, sizes, there.iter(), there.iter().chain(named.keys()));
        let unread: Vec<String> =
            charters.units().iter().filter(|unit| !sizes.contains_key(*unit)).map(layout::log).collect();
        for path in named.keys().filter(|path| !due.contains(*path)) {
            // Of a log whose checkpoint cannot be read nobody can say which files it has.
            if !unread.iter().any(|log| path.starts_with(log.as_str())) {
                self.register.fault(if there.contains(path) {
                    Fault::Foreign(path.clone())
                } else {
                    Fault::Unreadable { path: path.clone(), why: Unreadable::Absent }
                });
            }
        }
        for path in named.keys().filter(|path| due.contains(*path) && path.ends_with("/fork") && !there.contains(*path))
        {
            self.register.fault(Fault::Unreadable { path: path.clone(), why: Unreadable::Absent });
        }
    }
}

/// The names of all files that an export of logs of these sizes has: of bridges and of witnesses' words, which it may have, those
/// that are among these names.
pub(super) fn due<'a>(
    charters: &CharterChain,
    sizes: &BTreeMap<UnitId, Size>,
    bridges: impl Iterator<Item = &'a String> + Clone,
    words: impl Iterator<Item = &'a String> + Clone,
) -> BTreeSet<String> {
    let mut due: BTreeSet<String> = charter_paths(charters).map(|(path, _)| path).collect();
    for (unit, size) in sizes {
        due.extend([layout::checkpoint(unit), layout::log_key(unit), layout::witness_keys(unit), layout::fork(unit)]);
        due.extend(layout::log_files(unit, *size));
        due.extend(bridges_there(bridges.clone(), unit).into_iter().map(|size| layout::bridge(unit, size)));
        for id in witnessed::ids(words.clone(), unit) {
            due.extend([layout::witnessed(unit, &id), layout::witnessed_key(unit, &id)]);
        }
    }
    due
}

/// The sizes in the names of a log's bridges.
fn bridges_there<'a>(there: impl Iterator<Item = &'a String>, unit: &UnitId) -> Vec<Size> {
    let of = |path: &String| {
        let number = path.strip_prefix(&format!("{}bridge/", layout::log(unit)))?;
        let size = number.parse().ok().and_then(|size| Size::new(size).ok())?;
        (size.to_string() == number).then_some(size)
    };
    let mut sizes: Vec<Size> = there.filter_map(of).collect();
    sizes.sort_unstable();
    sizes
}

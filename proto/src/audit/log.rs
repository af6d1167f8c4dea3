//! One log of an export.

use std::collections::BTreeSet;

use crate::audit::bundle::{At, Bundle, Wanted};
use crate::audit::tiles::{LogTree, TILE_BYTES_MAX, upper_tile_bytes};
use crate::audit::{Fault, Files, Payloads, VerifiedWitness, Workers, layout};
use crate::charter::{Base, CharterChain};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::limits::NOTE_BYTES_MAX;
use crate::list::{Fold, Gaps, Standing};
use crate::note::{Note, NoteError, VerifierKey};
use crate::sync::{Judge, Judged};
use crate::witness::{WitnessedCheckpoint, WitnessedError};

/// A log as it was found.
#[derive(Debug)]
pub struct VerifiedLog {
    /// Whose.
    pub unit: UnitId,
    /// How many entries.
    pub size: Size,
    /// Their root.
    pub root: Hash,
    /// The newest certified checkpoint, under the charter of its size; nothing where there is none, or none that holds.
    pub checkpoint: Option<Judged>,
    /// The header's times of the first and the last entry, Unix milliseconds.
    pub times_ms: Option<(u64, u64)>,
    /// How many payloads are erased.
    pub erased: u64,
    /// How many payloads are withheld.
    pub withheld: u64,
    /// How many records the rules set aside; none are counted where payloads are withheld.
    pub set_aside: u64,
    /// The bridges of the log, by size.
    pub bridges: Vec<Size>,
    /// What witnesses from outside say of it, by key id.
    pub witnesses: Vec<VerifiedWitness>,
    /// Whether there is proof that it forked.
    pub forked: bool,
    /// How many faults were found in it.
    pub faults: u64,
    pub(super) judge: Judge,
    /// The hashes over its full bundles.
    pub(super) level1: Vec<Hash>,
}

impl VerifiedLog {
    /// Its tree, as its files give it.
    pub(super) fn tree<'a, F>(&'a self, files: &'a F) -> LogTree<'a, F> {
        LogTree { files, unit: &self.unit, size: self.size, level1: &self.level1 }
    }

    /// Reads a checkpoint of it with a witness's word, under the author's key of its size.
    pub(super) fn witnessed(&self, bytes: &[u8], witness: &VerifierKey) -> Result<WitnessedCheckpoint, WitnessedError> {
        let body = Note::parse(bytes, NOTE_BYTES_MAX).map_err(CheckpointError::from)?;
        let size = Checkpoint::parse_body(body.text())?.size;
        // Where a charter below is not known, that was told; the newest key is as good as any then.
        let newest = self.judge.keys(size).or_else(|_| self.judge.keys(Size::ZERO));
        let (key, _) = newest.map_err(|_| WitnessedError::Lines)?;
        WitnessedCheckpoint::read(bytes, &key, witness)
    }
}

/// Where the faults go, and what the manifest says of a file that was read.
pub(super) trait Register {
    fn fault(&mut self, fault: Fault);
    fn digest(&mut self, path: &str, found: Hash);
}

/// A log while it is read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    unit: &'a UnitId,
    payloads: Payloads,
    judge: Judge,
    level1: Vec<Hash>,
    /// The leaf hashes of the last bundle, if that is not full.
    rest: Vec<Hash>,
    /// Whether every leaf hash is known.
    hashed: bool,
    /// Whether every entry is sound.
    sound: bool,
    gaps: Gaps,
    /// What is missing; where payloads are withheld, only what may be erased.
    missing: BTreeSet<u64>,
    /// How many are missing besides.
    withheld: u64,
    erases: Vec<(u64, u64)>,
    times_ms: Option<(u64, u64)>,
    set_aside: u64,
}

/// The newest checkpoint of a log, signed by one of the author's keys; whether it is the right one shows later.
pub(super) fn newest<F: Files>(
    files: &F,
    charters: &CharterChain,
    unit: &UnitId,
    register: &mut impl Register,
) -> Option<(Checkpoint, Vec<u8>)> {
    let path = layout::checkpoint(unit);
    let bytes = match files.read(&path, NOTE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(why) => {
            register.fault(Fault::Unreadable { path, why });
            return None;
        }
    };
    let read = signed_by_author(&bytes, charters, unit);
    match read {
        Ok(checkpoint) => {
            register.digest(&path, Hash::of(&bytes));
            Some((checkpoint, bytes))
        }
        Err(fault) => {
            register.fault(Fault::Checkpoint { path: path.clone(), fault: Box::new(fault.into()) });
            register.digest(&path, Hash::of(&bytes));
            None
        }
    }
}

/// A checkpoint of a unit's log, by any key that a charter gives to that log.
pub(super) fn signed_by_author(
    bytes: &[u8],
    charters: &CharterChain,
    unit: &UnitId,
) -> Result<Checkpoint, CheckpointError> {
    let note = Note::parse(bytes, NOTE_BYTES_MAX)?;
    let checkpoint = Checkpoint::parse_body(note.text())?;
    let keys: Vec<&VerifierKey> = charters.all().filter_map(|charter| Some(&charter.unit(unit)?.log_key)).collect();
    let newest = keys.last().ok_or(CheckpointError::Lines)?;
    if *newest.name() != checkpoint.origin {
        return Err(CheckpointError::OtherLog { expected: newest.name().clone(), found: checkpoint.origin });
    }
    let key = keys.iter().find(|key| note.signature_of(key).is_some());
    let key = key.ok_or_else(|| NoteError::Unsigned(newest.name().clone()))?;
    note.signed_by(key)?;
    Ok(checkpoint)
}

impl<'a> Reading<'a> {
    pub(super) fn new(unit: &'a UnitId, charters: &CharterChain, payloads: Payloads) -> Option<Self> {
        Some(Self {
            unit,
            payloads,
            judge: Judge::new(charters, unit)?,
            level1: Vec::new(),
            rest: Vec::new(),
            hashed: true,
            sound: true,
            gaps: Gaps::new(),
            missing: BTreeSet::new(),
            withheld: 0,
            erases: Vec::new(),
            times_ms: None,
            set_aside: 0,
        })
    }

    fn id(&self, index: u64) -> RecordId {
        RecordId { unit: self.unit.clone(), index }
    }

    /// Takes the next bundle, and hands its entries to the fold.
    pub(super) fn take(&mut self, at: At<'_>, bundle: Bundle, fold: Option<&mut Fold>, register: &mut impl Register) {
        let width = usize::from(at.width);
        self.sound &= bundle.headers.len() == width && bundle.faults.is_empty();
        self.hashed &= bundle.leaf_hashes.len() == width;
        bundle.faults.into_iter().for_each(|fault| register.fault(fault));
        bundle.digests.iter().for_each(|(path, found)| register.digest(path, *found));
        match bundle.level1 {
            Some(hash) => self.level1.push(hash),
            None => self.rest = bundle.leaf_hashes,
        }
        for (index, header) in (at.first()..).zip(&bundle.headers) {
            let (time_ms, before_ms) = (header.time_ms, self.times_ms.map_or(0, |(_, last)| last));
            if self.payloads == Payloads::Withheld && bundle.shown.binary_search(&index).is_ok() {
                register.fault(Fault::NotWithheld(self.id(index)));
            }
            if time_ms < before_ms {
                register.fault(Fault::Time { id: self.id(index), time_ms, before_ms });
            }
            self.times_ms = Some((self.times_ms.map_or(time_ms, |(first, _)| first), time_ms.max(before_ms)));
        }
        for (index, adoption) in bundle.adopts {
            self.judge.found(index, adoption);
        }
        let mut full = false;
        for (index, kind) in bundle.missing {
            match self.payloads {
                Payloads::All => full |= self.gaps.note_missing(index, kind).is_err(),
                Payloads::Withheld if !kind.can_end() => {
                    self.withheld = self.withheld.saturating_add(1);
                    continue;
                }
                Payloads::Withheld => {}
            }
            self.missing.insert(index);
        }
        for (index, by) in bundle.erases {
            self.erases.push((index, by));
            full |= self.payloads == Payloads::All && self.gaps.note_erase(index, by).is_err();
        }
        if full {
            self.sound = false;
            register.fault(Fault::Gaps(self.unit.clone()));
        }
        let Some(fold) = fold.filter(|_| self.sound) else { return };
        for (index, prepared) in (at.first()..).zip(bundle.prepared) {
            self.set_aside = self.set_aside.saturating_add(u64::from(prepared.is_set_aside()));
            if fold.apply_prepared(self.unit, index, prepared).is_err() {
                // Its payload is missing and cannot be: that is told when the whole log is known.
                self.sound = false;
                return;
            }
        }
    }

    /// Everything that can be said once all entries are known.
    pub(super) fn finish<F: Files>(
        mut self,
        of: &Whole<'_, F>,
        fold: Option<&Fold>,
        register: &mut impl Register,
    ) -> VerifiedLog {
        let size = of.checkpoint.as_ref().map_or(Size::ZERO, |(checkpoint, _)| checkpoint.size);
        self.tiles(of, size, register);
        self.check_root(of, register);
        self.bases(of, size, register);
        let judged = self.certified(of, register);
        self.keys(of, size, register);
        let bridges = self.bridges(of, size, register);
        match self.payloads {
            Payloads::All => self.check_payloads(size, fold, register),
            Payloads::Withheld => self.tell_apart(),
        }
        let root = of.checkpoint.as_ref().map_or(Hash::EMPTY_ROOT, |(checkpoint, _)| checkpoint.root);
        VerifiedLog {
            unit: self.unit.clone(),
            size,
            root,
            checkpoint: judged,
            times_ms: self.times_ms,
            erased: u64::try_from(self.missing.len()).unwrap_or(u64::MAX),
            withheld: self.withheld,
            set_aside: self.set_aside,
            bridges,
            witnesses: Vec::new(),
            forked: false,
            faults: 0,
            judge: self.judge,
            level1: self.level1,
        }
    }

    /// The tiles above the leaf hashes.
    fn tiles<F: Files>(&self, of: &Whole<'_, F>, size: Size, register: &mut impl Register) {
        if !self.hashed {
            return;
        }
        for (level, number, width, bytes) in upper_tile_bytes(size, self.level1.clone()) {
            let path = layout::tile(self.unit, level, number, width);
            match of.files.read(&path, TILE_BYTES_MAX) {
                Ok(found) => {
                    if found != bytes {
                        register.fault(Fault::Tile(path.clone()));
                    }
                    register.digest(&path, Hash::of(&found));
                }
                Err(why) => register.fault(Fault::Unreadable { path, why }),
            }
        }
    }

    fn check_root<F: Files>(&self, of: &Whole<'_, F>, register: &mut impl Register) {
        let Some((checkpoint, _)) = of.checkpoint.as_ref().filter(|_| self.hashed) else { return };
        if self.root() != Some(checkpoint.root) {
            let (path, unit, size) = (layout::checkpoint(self.unit), self.unit.clone(), checkpoint.size);
            register.fault(Fault::Root { path, unit, size });
        }
    }

    fn root(&self) -> Option<Hash> {
        let mut range = crate::tree::CompactRange::new(Size::ZERO);
        for hash in &self.level1 {
            range.push_subtree(crate::tree::BUNDLE_LEVEL, *hash).ok()?;
        }
        for hash in &self.rest {
            range.push_leaf(*hash).ok()?;
        }
        range.root().ok()
    }

    fn certified<F: Files>(&self, of: &Whole<'_, F>, register: &mut impl Register) -> Option<Judged> {
        let (_, bytes) = of.checkpoint.as_ref()?;
        self.judged(layout::checkpoint(self.unit), bytes, register)
    }

    fn judged(&self, path: String, bytes: &[u8], register: &mut impl Register) -> Option<Judged> {
        match self.judge.judge(bytes) {
            Ok(judged) if judged.is_certified() => Some(judged),
            Ok(judged) => {
                register.fault(Fault::NotCertified { path, found: judged.cosigners().len() });
                None
            }
            Err(fault) => {
                register.fault(Fault::Checkpoint { path, fault: Box::new(fault) });
                None
            }
        }
    }

    fn keys<F: Files>(&self, of: &Whole<'_, F>, size: Size, register: &mut impl Register) {
        // Where it is not known, the checkpoint was refused for that already.
        let Ok((key, witnesses)) = self.judge.keys(size) else { return };
        let lines: String = witnesses.iter().map(|key| format!("{key}\n")).collect();
        for (path, due) in [(layout::log_key(self.unit), format!("{key}\n")), (layout::witness_keys(self.unit), lines)]
        {
            match of.files.read(&path, NOTE_BYTES_MAX) {
                Ok(found) => {
                    if found != due.as_bytes() {
                        register.fault(Fault::Keys(path.clone()));
                    }
                    register.digest(&path, Hash::of(&found));
                }
                Err(why) => register.fault(Fault::Unreadable { path, why }),
            }
        }
    }

    /// Each bridge that is there holds, and the newest is there: whoever certified that had seen those before it certified.
    fn bridges<F: Files>(&self, of: &Whole<'_, F>, size: Size, register: &mut impl Register) -> Vec<Size> {
        let due: Vec<Size> = self.judge.bridges().into_iter().filter(|bridge| *bridge <= size).collect();
        let mut there: Vec<Size> = Vec::new();
        for named in of.bridges {
            let path = layout::bridge(self.unit, *named);
            match of.files.read(&path, NOTE_BYTES_MAX) {
                Ok(bytes) => {
                    if let Some(judged) = self.judged(path.clone(), &bytes, register) {
                        self.bridge(of, *named, &due, &judged, register);
                        there.push(*named);
                    }
                    register.digest(&path, Hash::of(&bytes));
                }
                Err(why) => register.fault(Fault::Unreadable { path, why }),
            }
        }
        if let Some(last) = due.last()
            && *last != size
            && !of.bridges.contains(last)
        {
            register.fault(Fault::BridgeMissing { unit: self.unit.clone(), size: *last });
        }
        there
    }

    fn bridge<F: Files>(
        &self,
        of: &Whole<'_, F>,
        named: Size,
        due: &[Size],
        judged: &Judged,
        register: &mut impl Register,
    ) {
        let path = layout::bridge(self.unit, named);
        let checkpoint = judged.checkpoint();
        if checkpoint.size != named || !due.contains(&named) {
            register.fault(Fault::NoBridge(path));
            return;
        }
        if self.hashed && self.tree(of).root(named) != Ok(checkpoint.root) {
            register.fault(Fault::Root { path, unit: self.unit.clone(), size: named });
        }
    }

    fn tree<'t, F: Files>(&'t self, of: &Whole<'t, F>) -> LogTree<'t, F>
    where
        'a: 't,
    {
        let size = of.checkpoint.as_ref().map_or(Size::ZERO, |(checkpoint, _)| checkpoint.size);
        LogTree { files: of.files, unit: self.unit, size, level1: &self.level1 }
    }

    /// Of what is missing, what is erased stays so; the rest is withheld.
    fn tell_apart(&mut self) {
        let named = |(index, by): &(u64, u64)| index < by && self.missing.contains(index);
        let erased: BTreeSet<u64> = self.erases.iter().filter(|erase| named(erase)).map(|(index, _)| *index).collect();
        let missing = std::mem::replace(&mut self.missing, erased);
        let withheld = missing.len().saturating_sub(self.missing.len());
        self.withheld = self.withheld.saturating_add(u64::try_from(withheld).unwrap_or(u64::MAX));
    }

    /// What is missing is erased, and what is erased is missing.
    fn check_payloads(&mut self, size: Size, fold: Option<&Fold>, register: &mut impl Register) {
        if self.gaps.complete_prefix(size) != size {
            let missing = self.gaps.first_missing().unwrap_or_else(|| self.gaps.complete_prefix(size).get());
            register.fault(Fault::Missing(self.id(missing)));
        }
        let Some(fold) = fold.filter(|_| self.sound) else { return };
        let erased = |(index, by): &&(u64, u64)| fold.standing(self.unit, *index) == Standing::Erased { by: *by };
        for (index, by) in self.erases.iter().filter(erased) {
            if !self.missing.contains(index) {
                register.fault(Fault::NotErased { id: self.id(*index), by: self.id(*by) });
            }
        }
    }

    /// Where a charter says from which root the log goes on, it does. Until that is known nobody can say which keys count beyond.
    fn bases<F: Files>(&mut self, of: &Whole<'_, F>, size: Size, register: &mut impl Register) {
        loop {
            // The first of them may lead to further ones.
            let unmet = self.judge.unmet_bases(size);
            let met = |base: &&Base| self.hashed && self.tree(of).root(base.size) == Ok(base.root);
            let Some(base) = unmet.iter().find(met).copied() else {
                for base in unmet.iter().filter(|_| self.hashed) {
                    register.fault(Fault::Base { unit: self.unit.clone(), size: base.size });
                }
                return;
            };
            self.judge.base_met(base);
        }
    }
}

/// What belongs to a log besides its bundles.
#[derive(Debug)]
pub(super) struct Whole<'a, F> {
    pub(super) files: &'a F,
    pub(super) checkpoint: Option<(Checkpoint, Vec<u8>)>,
    /// The bridges whose files are there.
    pub(super) bridges: &'a [Size],
}

/// Reads the bundles of a log of this size that have entries up to another, side by side, and hands them over in order.
pub(super) fn read_bundles<F: Files, W: Workers>(
    files: &F,
    workers: &W,
    unit: &UnitId,
    size: Size,
    (up_to, wanted): (Size, Wanted),
    mut take: impl FnMut(At<'_>, Bundle),
) {
    let jobs =
        layout::bundles(size).take_while(|(number, _)| At { unit, number: *number, width: 0 }.first() < up_to.get());
    let work = |(number, width)| (number, width, Bundle::read(files, At { unit, number, width }, wanted));
    workers.in_order(jobs, work, |(number, width, bundle)| take(At { unit, number, width }, bundle));
}

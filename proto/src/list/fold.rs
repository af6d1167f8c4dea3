//! Applying entries, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::Status;
use super::check::Index;
use super::operation::Operations;
use super::row::{ALONE, referral_hash, referral_row, row_hash};
use super::slot::{Base, Key, Slot};
use super::targets::{Entry, Targets};
use crate::charter::CharterChain;
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::limits::LOG_SIZE_END;
use crate::record::{RecordKind, Statement, Target, referral, statement};
use crate::wire::RecordRef;
use crate::wire::record::Body;

/// The one version of the fold that this crate knows.
pub const FOLD_VERSION: u32 = 1;

/// The charter names a version of the fold that this crate does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the charter names version {0} of the fold; this release knows version {FOLD_VERSION} only, update it to see the list"
)]
pub struct UnknownFoldVersion(pub u32);

/// Why an entry was not applied. The fold is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Not a unit of the charter.
    #[error("{0} is not a unit of the charter that is folded")]
    UnknownUnit(UnitId),
    /// Not the next entry of that unit.
    #[error("{got} was to be folded, but {want} is next")]
    NotNext {
        /// What was given.
        got: RecordId,
        /// What must come.
        want: RecordId,
    },
    /// The payload is missing and can never be erased, so the prefix is not complete.
    #[error("the payload of {0} is missing, and records of its kind cannot be erased")]
    PayloadMissing(RecordId),
    /// More targets than fit.
    #[error("the list is full: it has 2^32 targets")]
    Full,
}

/// A row that an entry changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its target.
    pub target: Target,
    /// Its status before; `None` where there was no row.
    pub before: Option<Status>,
    /// Its status now; `None` where there is no row any more.
    pub status: Option<Status>,
}

/// How many rows have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows that are held.
    pub held: u64,
    /// Rows that are disputed.
    pub disputed: u64,
    /// Rows that are listed.
    pub listed: u64,
    /// Rows that are cleared.
    pub cleared: u64,
}

impl Counts {
    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.held.saturating_add(self.disputed).saturating_add(self.listed).saturating_add(self.cleared)
    }

    /// How many rows have this status.
    #[must_use]
    pub const fn of(&self, status: Status) -> u64 {
        match status {
            Status::Held => self.held,
            Status::Disputed => self.disputed,
            Status::Listed => self.listed,
            Status::Cleared => self.cleared,
        }
    }

    const fn of_mut(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Held => &mut self.held,
            Status::Disputed => &mut self.disputed,
            Status::Listed => &mut self.listed,
            Status::Cleared => &mut self.cleared,
        }
    }
}

/// An entry, read and judged by itself: all of folding it that does not depend on what was folded before, so that it can
/// be done for many at once.
#[derive(Debug)]
pub struct Prepared {
    kind: RecordKind,
    time_ms: u64,
    base: Base,
    said: Option<Said>,
}

/// What a sound record says.
#[derive(Debug)]
pub(super) enum Said {
    /// A referral of the target.
    Refer {
        /// What is referred.
        target: Target,
        /// The hash of the row that it makes alone.
        alone: Hash,
        /// Whether what continues the target is meant, too.
        prefix: bool,
    },
    /// Anything else, with the target that it names.
    Other(Box<Body>, Option<Target>),
}

impl Prepared {
    /// Reads the entry at this place: its header's kind and time, and its payload, `None` where that is erased. A bad
    /// payload is no error: it is set aside.
    #[must_use]
    pub fn new(unit: &UnitId, index: u64, kind: u32, time_ms: u64, payload: Option<&[u8]>) -> Self {
        if kind == RecordKind::Refer.number()
            && let Some(referral) = payload.and_then(referral::read)
        {
            let alone = referral_hash(&referral, unit, index, time_ms);
            let said = Said::Refer { target: Target::checked(referral.target), alone, prefix: referral.prefix };
            return Self { kind: RecordKind::Refer, time_ms, base: Base::Sound, said: Some(said) };
        }
        let (base, said) = match payload.map(|payload| statement::parse(kind, payload)) {
            None => (Base::Missing, None),
            Some(Ok(statement)) => (Base::Sound, Some(Said::new(unit, index, time_ms, statement))),
            Some(Err(_)) => (Base::SetAside, None),
        };
        Self { kind: RecordKind::of_number(kind), time_ms, base, said }
    }

    /// Whether its payload is there and says nothing.
    #[must_use]
    pub fn is_set_aside(&self) -> bool {
        self.base == Base::SetAside
    }
}

impl Said {
    fn new(unit: &UnitId, index: u64, time_ms: u64, statement: Statement) -> Self {
        let target = statement.target();
        match (statement.into_body(), target) {
            (Body::Refer(refer), Some(target)) => {
                let id = RecordRef { unit: unit.as_str().to_owned(), index };
                let prefix = refer.prefix;
                let alone = row_hash(&referral_row(&target, ALONE, id, time_ms, refer));
                Self::Refer { target, alone, prefix }
            }
            (body, target) => Self::Other(Box::new(body), target),
        }
    }
}

/// One unit's log, as far as it is folded.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) unit: UnitId,
    pub(super) slots: Vec<Slot>,
    /// Records of kinds that this version does not know.
    unknown: u64,
    /// Whether the unit is in the charter no longer: its holds do not count.
    pub(super) left: bool,
}

/// The fold of the logs of a charter's units, as far as entries were applied. See the head of [`list`](super). The default
/// is that of no unit.
#[derive(Debug, Default)]
pub struct Fold {
    /// Ascending by unit; a unit's place is its number in every [`Key`].
    pub(super) logs: Vec<Log>,
    pub(super) targets: Targets,
    /// For each record of another unit that is referred to and not folded yet: the first that refers to it.
    pub(super) orphans: BTreeMap<Key, Key>,
    /// For each record that other units' standing objections name, folded or not and whatever it is: how many.
    pub(super) objections: BTreeMap<Key, u32>,
    /// Standing observations, by target and time.
    pub(super) observations: BTreeSet<(u32, u64, Key)>,
    /// Links that are not erased, under both their targets.
    pub(super) links: BTreeSet<(u32, Key)>,
    pub(super) counts: Counts,
    pub(super) index: Index,
    pub(super) operations: Operations,
}

impl Fold {
    /// The fold of nothing, for the units of a charter and the version that it names.
    ///
    /// # Errors
    /// [`UnknownFoldVersion`]: whoever does not know a version shows no list.
    pub fn new(units: impl IntoIterator<Item = UnitId>, version: u32) -> Result<Self, UnknownFoldVersion> {
        if version != FOLD_VERSION {
            return Err(UnknownFoldVersion(version));
        }
        let units: BTreeSet<UnitId> = units.into_iter().collect();
        Ok(Self {
            logs: units.into_iter().map(|unit| Log { unit, slots: Vec::new(), unknown: 0, left: false }).collect(),
            targets: Targets::default(),
            orphans: BTreeMap::new(),
            objections: BTreeMap::new(),
            observations: BTreeSet::new(),
            links: BTreeSet::new(),
            counts: Counts::default(),
            index: Index::default(),
            operations: Operations::default(),
        })
    }

    /// The fold of nothing under the newest version of a charter: for the units of all versions, of which those that the
    /// newest does not list have left.
    ///
    /// # Errors
    /// [`UnknownFoldVersion`], as of [`new`](Self::new).
    pub fn under(charters: &CharterChain) -> Result<Self, UnknownFoldVersion> {
        let newest = charters.newest();
        let mut fold = Self::new(charters.units(), newest.fold())?;
        for log in &mut fold.logs {
            log.left = newest.unit(&log.unit).is_none();
        }
        Ok(fold)
    }

    /// Applies the next entry of a unit's log: its header's kind and time, and its payload, `None` where that is erased.
    /// Gives back the rows that it changed.
    ///
    /// The caller folds complete prefixes only. A payload may be given though the log goes on to erase it: the result is
    /// the same once the `Erase` is applied, and differs before, when the prefix without the payload is incomplete.
    ///
    /// # Errors
    /// A [`FoldError`]; the fold is as it was. A bad payload is none: it is set aside.
    pub fn apply(
        &mut self,
        unit: &UnitId,
        index: u64,
        kind: u32,
        time_ms: u64,
        payload: Option<&[u8]>,
    ) -> Result<Vec<Change>, FoldError> {
        self.apply_prepared(unit, index, Prepared::new(unit, index, kind, time_ms, payload))
    }

    /// As [`apply`](Self::apply), of an entry that was read before, at this place.
    ///
    /// # Errors
    /// As there.
    pub fn apply_prepared(&mut self, unit: &UnitId, index: u64, prepared: Prepared) -> Result<Vec<Change>, FoldError> {
        let id = || RecordId { unit: unit.clone(), index };
        let number = self.number_of(unit).ok_or_else(|| FoldError::UnknownUnit(unit.clone()))?;
        let next = self.size_of(number);
        if index != next || index >= LOG_SIZE_END {
            return Err(FoldError::NotNext { got: id(), want: RecordId { unit: unit.clone(), index: next } });
        }
        if !self.targets.has_room() {
            return Err(FoldError::Full);
        }
        let Prepared { kind, time_ms, base, said } = prepared;
        if base == Base::Missing && !kind.can_end() {
            return Err(FoldError::PayloadMissing(id()));
        }
        // Nothing fails from here on.
        let key = Key::new(number, index);
        let mut slot = Slot::new(kind, base);
        if let Some(first) = self.orphans.remove(&key)
            && matches!(kind, RecordKind::Refer | RecordKind::Dispatch)
        {
            slot.set_first_child(first);
        }
        if let Some(log) = self.logs.get_mut(number) {
            log.slots.push(slot);
            log.unknown = log.unknown.saturating_add(u64::from(matches!(kind, RecordKind::Unknown(_))));
        }
        let mut changes = Vec::new();
        if let Some(said) = said {
            self.say(key, time_ms, said, &mut changes);
        }
        Ok(changes)
    }

    /// Changes what is counted about a target, and all that follows from it.
    pub(super) fn alter(&mut self, id: u32, visible: bool, changes: &mut Vec<Change>, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.targets.get_mut(id) else { return };
        let before = entry.status();
        change(entry);
        let (status, gone, target) = (entry.status(), entry.mentions == 0, entry.target.clone());
        if let Some(before) = before {
            let count = self.counts.of_mut(before);
            *count = count.saturating_sub(1);
        }
        if let Some(status) = status {
            let count = self.counts.of_mut(status);
            *count = count.saturating_add(1);
        }
        match (before, status) {
            (None, Some(_)) => {
                self.index.add(&target, id);
                self.targets.list(id);
            }
            (Some(_), None) => {
                self.index.remove(&target, id);
                self.targets.unlist(id);
            }
            _ => {}
        }
        if status.is_some() && visible {
            self.targets.make_stale(id);
        }
        if visible && before.or(status).is_some() {
            changes.push(Change { target, before, status });
        }
        if gone {
            self.targets.remove(id);
        }
    }

    pub(super) fn make_inert(&mut self, key: Key) {
        if let Some(slot) = self.slot_mut(key) {
            slot.base = Base::Inert;
        }
    }

    pub(super) fn number_of(&self, unit: &UnitId) -> Option<usize> {
        self.logs.binary_search_by(|log| log.unit.cmp(unit)).ok()
    }

    pub(super) fn size_of(&self, number: usize) -> u64 {
        self.logs.get(number).and_then(|log| u64::try_from(log.slots.len()).ok()).unwrap_or_default()
    }

    /// The number of the unit with this id, which is not checked.
    pub(super) fn number_named(&self, unit: &str) -> Option<usize> {
        self.logs.binary_search_by(|log| log.unit.as_str().cmp(unit)).ok()
    }

    /// The key of a record that a sound statement names; `None` if its unit is not in the charter.
    pub(super) fn key_of(&self, id: &RecordRef) -> Option<Key> {
        Some(Key::new(self.number_named(&id.unit)?, id.index))
    }

    pub(super) fn slot(&self, key: Key) -> Option<&Slot> {
        self.logs.get(key.unit())?.slots.get(usize::try_from(key.index()).ok()?)
    }

    pub(super) fn slot_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.logs.get_mut(key.unit())?.slots.get_mut(usize::try_from(key.index()).ok()?)
    }

    /// How many entries of each unit's log are folded.
    #[must_use]
    pub fn frontier_sizes(&self) -> BTreeMap<UnitId, Size> {
        let size = |number| Size::new(self.size_of(number)).unwrap_or_default();
        self.logs.iter().enumerate().map(|(number, log)| (log.unit.clone(), size(number))).collect()
    }

    /// The units whose logs hold records of kinds that this version does not know, and how many: they run newer rules.
    pub fn unknown_kinds(&self) -> impl Iterator<Item = (&UnitId, u64)> {
        self.logs.iter().filter(|log| log.unknown > 0).map(|log| (&log.unit, log.unknown))
    }

    /// How many rows have each status.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}

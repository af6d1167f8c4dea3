//! Applying entries, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::Status;
use super::row::{hold_row, referral_row, row_hash};
use super::slot::{About, Base, End, Key, Slot};
use super::targets::{Entry, Targets};
use crate::ids::{RecordId, Size, UnitId};
use crate::limits::LOG_SIZE_END;
use crate::record::{RecordKind, Statement, Target, statement};
use crate::wire::record::Body;
use crate::wire::{Observe, Opinion, RecordRef, Row, Stance};

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

/// One unit's log, as far as it is folded.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) unit: UnitId,
    pub(super) slots: Vec<Slot>,
}

/// The fold of the logs of a charter's units, as far as entries were applied. See the head of [`list`](super).
#[derive(Debug)]
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
            logs: units.into_iter().map(|unit| Log { unit, slots: Vec::new() }).collect(),
            targets: Targets::default(),
            orphans: BTreeMap::new(),
            objections: BTreeMap::new(),
            observations: BTreeSet::new(),
            links: BTreeSet::new(),
            counts: Counts::default(),
        })
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
        let id = RecordId { unit: unit.clone(), index };
        let number = self.number_of(unit).ok_or_else(|| FoldError::UnknownUnit(unit.clone()))?;
        let next = self.size_of(number);
        if index != next || index >= LOG_SIZE_END {
            return Err(FoldError::NotNext { got: id, want: RecordId { unit: unit.clone(), index: next } });
        }
        if !self.targets.has_room() {
            return Err(FoldError::Full);
        }
        let kind_known = RecordKind::of_number(kind);
        let (base, said) = match payload {
            None if !kind_known.can_end() => return Err(FoldError::PayloadMissing(id)),
            None => (Base::Missing, None),
            Some(payload) => match statement::parse(kind, payload) {
                Ok(statement) => (Base::Sound, Some(statement)),
                Err(_) => (Base::SetAside, None),
            },
        };
        // Nothing fails from here on.
        let key = Key::new(number, index);
        let mut slot = Slot::new(kind_known, base);
        if let Some(first) = self.orphans.remove(&key)
            && matches!(kind_known, RecordKind::Refer | RecordKind::Dispatch)
        {
            slot.set_first_child(first);
        }
        if let Some(log) = self.logs.get_mut(number) {
            log.slots.push(slot);
        }
        let mut changes = Vec::new();
        if let Some(said) = said {
            self.say(key, time_ms, said, &mut changes);
        }
        Ok(changes)
    }

    fn say(&mut self, key: Key, time_ms: u64, said: Statement, changes: &mut Vec<Change>) {
        let target = said.target();
        match (said.into_body(), target) {
            (Body::Refer(refer), Some(target)) => {
                let objections = self.objections.get(&key).copied().unwrap_or_default();
                let lone = self.name(key, &target, true, changes, |entry| {
                    entry.makers = entry.makers.saturating_add(1);
                    entry.referrals = entry.referrals.saturating_add(1);
                    entry.objections = entry.objections.saturating_add(objections);
                });
                let id = self.reference(key);
                self.hash_now(lone, |status| referral_row(&target, status, id, time_ms, refer));
            }
            (Body::Hold(hold), Some(target)) => {
                let lone = self.name(key, &target, true, changes, |entry| {
                    entry.makers = entry.makers.saturating_add(1);
                    entry.holds = entry.holds.saturating_add(1);
                });
                let id = self.reference(key);
                self.hash_now(lone, |status| hold_row(&target, status, id, time_ms, hold));
            }
            (Body::Observe(observe), Some(target)) => self.observe(key, time_ms, &observe, &target, changes),
            (Body::Evidence(_), Some(target)) => {
                self.name(key, &target, false, changes, |_| {});
            }
            (Body::Link(link), _) => {
                self.link(key, &Target::checked(&link.first), &Target::checked(&link.second), changes)
            }
            (Body::Opinion(opinion), _) => self.opine(key, &opinion, changes),
            (Body::Dispatch(dispatch), _) => self.speak_of(key, dispatch.on.as_ref(), changes),
            (Body::Outcome(outcome), _) => self.speak_of(key, outcome.on.as_ref(), changes),
            (Body::Withdraw(withdraw), _) => self.take_back(key, withdraw.index, End::Withdrawn, changes),
            (Body::Erase(erase), _) => self.take_back(key, erase.index, End::Erased, changes),
            _ => {}
        }
    }

    /// Puts a statement into the chain of the target that it names. Gives back the target's number if this is the first
    /// and only statement about it, so that nothing else can be in its row.
    fn name(
        &mut self,
        key: Key,
        target: &Target,
        visible: bool,
        changes: &mut Vec<Change>,
        change: impl FnOnce(&mut Entry),
    ) -> Option<u32> {
        let id = self.targets.find_or_add(target);
        let head = self.targets.get(id).map_or(Key::NONE, |entry| entry.head);
        let mut has_children = false;
        if let Some(slot) = self.slot_mut(key) {
            slot.set_about(About::Target(id));
            slot.next = head;
            has_children = slot.first_child().is_some();
        }
        self.alter(id, visible, changes, |entry| {
            entry.head = key;
            entry.mentions = entry.mentions.saturating_add(1);
            change(entry);
        });
        self.targets.get(id).filter(|entry| entry.mentions == 1 && !has_children).map(|_| id)
    }

    /// Computes the hash of a row from the one record at hand. While the list is built up nearly every row is such a
    /// one, and no payload has to be read again.
    fn hash_now(&mut self, lone: Option<u32>, row: impl FnOnce(Status) -> Row) {
        let Some(id) = lone else { return };
        let Some(status) = self.targets.get(id).and_then(Entry::status) else { return };
        let hash = row_hash(&row(status));
        if let Some(entry) = self.targets.get_mut(id) {
            entry.hash = hash;
            self.targets.stale.remove(&id);
        }
    }

    fn observe(&mut self, key: Key, time_ms: u64, observe: &Observe, target: &Target, changes: &mut Vec<Change>) {
        let late = observe.observed_ms > time_ms;
        if let Some(slot) = self.slot_mut(key) {
            slot.set_observed_ms(observe.observed_ms);
            if late {
                slot.base = Base::Inert;
            }
        }
        self.name(key, target, !late, changes, |_| {});
        if !late && let Some(id) = self.targets.find(target.as_str()) {
            self.observations.insert((id, observe.observed_ms, key));
        }
    }

    fn link(&mut self, key: Key, first: &Target, second: &Target, changes: &mut Vec<Change>) {
        let (first, second) = (self.targets.find_or_add(first), self.targets.find_or_add(second));
        if let Some(slot) = self.slot_mut(key) {
            slot.set_about(About::Targets(first, second));
        }
        for id in [first, second] {
            self.links.insert((id, key));
            self.alter(id, true, changes, |entry| entry.mentions = entry.mentions.saturating_add(1));
        }
    }

    fn opine(&mut self, key: Key, opinion: &Opinion, changes: &mut Vec<Change>) {
        let Some(on) = opinion.on.as_ref().and_then(|on| self.key_of(on)) else { return };
        if on.unit() == key.unit() {
            self.make_inert(key);
        } else if opinion.stance == Stance::Object as i32 {
            if let Some(slot) = self.slot_mut(key) {
                slot.base = Base::Objection;
            }
            let count = self.objections.entry(on).or_default();
            *count = count.saturating_add(1);
        }
        self.attach(key, on);
        if self.counts_now(key)
            && let Some(id) = self.home(key)
        {
            let objection = u32::from(self.slot(key).is_some_and(|slot| slot.base == Base::Objection));
            self.alter(id, true, changes, |entry| entry.objections = entry.objections.saturating_add(objection));
        }
    }

    /// A dispatch or an outcome.
    fn speak_of(&mut self, key: Key, on: Option<&RecordRef>, changes: &mut Vec<Change>) {
        let Some(on) = on.and_then(|on| self.key_of(on)) else { return };
        if on.unit() == key.unit() && on >= key {
            self.make_inert(key);
        }
        self.attach(key, on);
        if self.counts_now(key)
            && let Some(id) = self.home(key)
        {
            self.alter(id, true, changes, |_| {});
        }
    }

    /// Puts a statement into the chain of the record that it speaks of, or lets it wait for it.
    fn attach(&mut self, key: Key, on: Key) {
        if on.unit() == key.unit() && on >= key {
            // Forwards in the own log: never to be followed.
            return;
        }
        let next = match self.slot_mut(on) {
            Some(slot) if matches!(slot.kind(), RecordKind::Refer | RecordKind::Dispatch) => {
                let next = slot.first_child().unwrap_or(Key::NONE);
                slot.set_first_child(key);
                next
            }
            // Nothing can be said about a record of another kind: in no chain.
            Some(_) => Key::NONE,
            None => self.orphans.insert(on, key).unwrap_or(Key::NONE),
        };
        if let Some(slot) = self.slot_mut(key) {
            slot.set_about(About::Record(on));
            slot.next = next;
        }
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
            (None, Some(_)) => drop(self.targets.rows.insert(target.clone(), id)),
            (Some(_), None) => drop(self.targets.rows.remove(&target)),
            _ => {}
        }
        if status.is_none() {
            self.targets.stale.remove(&id);
        } else if visible {
            self.targets.stale.insert(id);
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

    /// The key of a record that a sound statement names; `None` if its unit is not in the charter.
    fn key_of(&self, id: &RecordRef) -> Option<Key> {
        let number = self.logs.binary_search_by(|log| log.unit.as_str().cmp(id.unit.as_str())).ok()?;
        Some(Key::new(number, id.index))
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

    /// How many rows have each status.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}

//! Asking the fold.

use super::Status;
use super::fold::Fold;
use super::slot::{About, Base, End, Key, Slot};
use crate::ids::{RecordId, UnitId};
use crate::record::{RecordKind, Target};
use crate::wire::RecordRef;
use crate::workers::Alone;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts; of a kind without a place in rows, it is sound.
    Counts,
    /// It was withdrawn.
    Withdrawn {
        /// The index of the `Withdraw` in the same log.
        by: u64,
    },
    /// It was erased.
    Erased {
        /// The index of the `Erase` in the same log.
        by: u64,
    },
    /// Its payload is set aside.
    SetAside,
    /// It is sound and has no effect: it breaks a rule of the fold, or what it speaks of is withdrawn, erased or of the
    /// wrong kind.
    Inert,
    /// It speaks of a record that is not folded yet, or of a unit that is not in the charter.
    Dangling,
    /// Its payload is missing and its `Erase` is not folded yet.
    Missing,
    /// It is not folded yet.
    NotThere,
}

impl Fold {
    /// The status of a target; `None` where it has no row.
    #[must_use]
    pub fn status(&self, target: &Target) -> Option<Status> {
        self.status_of(target.as_str())
    }

    /// The status of the target with this text, which is not checked.
    #[must_use]
    pub fn status_of(&self, target: &str) -> Option<Status> {
        self.targets.get(self.targets.find(target)?)?.status()
    }

    /// The rows' targets after this one, ascending by their bytes, with their status. It takes the longer the more rows
    /// are [not in order](Self::unsorted).
    pub fn targets(&self, after: Option<&Target>) -> impl Iterator<Item = (&Target, Status)> {
        self.targets.rows(after.map(Target::as_str)).map(|(entry, status)| (&entry.target, status))
    }

    /// How many rows came since they were last brought into order.
    #[must_use]
    pub const fn unsorted(&self) -> usize {
        self.targets.unsorted()
    }

    /// Brings the rows into order, as a digest does. No answer changes by it.
    pub fn sort(&mut self) {
        self.targets.sort(&Alone);
    }

    /// The index of the first standing referral of a target by this unit.
    #[must_use]
    pub fn own_referral(&self, unit: &UnitId, target: &Target) -> Option<u64> {
        let number = self.number_of(unit)?;
        let own = |key: &Key| key.unit() == number && self.slot(*key).is_some_and(is_standing_referral);
        self.chain_of(self.targets.find(target.as_str())?).filter(own).map(Key::index).min()
    }

    /// The units with a standing hold of a target, in no order; more than once, if they hold it more than once.
    pub fn holders(&self, target: &Target) -> impl Iterator<Item = &UnitId> {
        self.standing_holds(target).filter_map(|key| Some(&self.logs.get(key.unit())?.unit))
    }

    /// The standing holds of a target, in no order.
    pub fn holds(&self, target: &Target) -> impl Iterator<Item = RecordId> {
        self.standing_holds(target).filter_map(|key| self.record_id(key))
    }

    fn standing_holds(&self, target: &Target) -> impl Iterator<Item = Key> {
        let chain = self.targets.find(target.as_str()).into_iter().flat_map(|id| self.chain_of(id));
        chain.filter(|key| self.slot(*key).is_some_and(|slot| slot.kind() == RecordKind::Hold && slot.stands()))
    }

    /// What a standing referral refers; `None` where the record is none.
    #[must_use]
    pub fn refers(&self, id: &RecordId) -> Option<&Target> {
        let slot =
            self.slot(Key::new(self.number_of(&id.unit)?, id.index)).filter(|slot| is_standing_referral(slot))?;
        let About::Target(target) = slot.about() else { return None };
        Some(&self.targets.get(target)?.target)
    }

    /// The first standing referral of a target, by unit and index.
    #[must_use]
    pub fn first_referral(&self, target: &Target) -> Option<RecordId> {
        let chain = self.targets.find(target.as_str()).into_iter().flat_map(|id| self.chain_of(id));
        let key = chain.filter(|key| self.slot(*key).is_some_and(is_standing_referral)).min()?;
        self.record_id(key)
    }

    /// Whether an observation or a link of a target may say that it came back.
    #[must_use]
    pub fn is_seen_or_linked(&self, target: &Target) -> bool {
        self.targets.find(target.as_str()).is_some_and(|id| {
            let seen = self.observations.range((id, 0, Key::new(0, 0))..=(id, u64::MAX, Key::NONE)).next();
            seen.is_some() || self.links.range((id, Key::new(0, 0))..=(id, Key::NONE)).next().is_some()
        })
    }

    /// The referrals and holds for which a target has its row, withdrawn ones too, in no order.
    pub fn makers(&self, target: &Target) -> impl Iterator<Item = RecordId> {
        let chain = self.targets.find(target.as_str()).into_iter().flat_map(|id| self.chain_of(id));
        let maker = |key: &Key| {
            let slot = self.slot(*key);
            slot.is_some_and(|slot| slot.is_there() && matches!(slot.kind(), RecordKind::Refer | RecordKind::Hold))
        };
        chain.filter(maker).filter_map(|key| self.record_id(key))
    }

    /// The target that a record is about: the one that it names (the first, of a link), or that the record names which
    /// it speaks of or takes back. `None` where there is none or it was erased.
    #[must_use]
    pub fn target_of(&self, unit: &UnitId, index: u64) -> Option<Target> {
        let key = Key::new(self.number_of(unit)?, index);
        Some(self.targets.get(self.home(key)?)?.target.clone())
    }

    /// What became of a record.
    #[must_use]
    pub fn standing(&self, unit: &UnitId, index: u64) -> Standing {
        let Some(key) = self.number_of(unit).map(|number| Key::new(number, index)) else { return Standing::NotThere };
        let Some(slot) = self.slot(key).filter(|_| key.index() == index) else { return Standing::NotThere };
        match (slot.end(), slot.base, slot.about()) {
            (End::Erased, ..) => Standing::Erased { by: slot.ended_by() },
            (_, Base::SetAside, _) => Standing::SetAside,
            (_, Base::Missing, _) => Standing::Missing,
            (End::Withdrawn, ..) => Standing::Withdrawn { by: slot.ended_by() },
            (_, Base::Inert, _) => Standing::Inert,
            (_, _, About::Record(on)) if self.slot(on).is_none() => Standing::Dangling,
            (_, _, About::Nothing) if speaks_of_a_record(slot.kind()) => Standing::Dangling,
            _ if self.counts_now(key) => Standing::Counts,
            _ => Standing::Inert,
        }
    }

    /// All records about a target, ascending by unit and index: those that name it or speak of a referral of it,
    /// standing or not, and the withdrawals of such; not erased ones, of which nobody knows any more what they said.
    #[must_use]
    pub fn records_about(&self, target: &Target) -> Vec<RecordId> {
        let Some(id) = self.targets.find(target.as_str()) else { return Vec::new() };
        let mut keys = Vec::new();
        self.walk(id, |key, slot| {
            keys.push(key);
            if slot.end() == End::Withdrawn {
                keys.push(Key::new(key.unit(), slot.ended_by()));
            }
        });
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.record_id(key)).collect()
    }

    /// Every record about a target that is not erased, in no order.
    pub(super) fn walk(&self, id: u32, mut visit: impl FnMut(Key, &Slot)) {
        let links = self.links.range((id, Key::new(0, 0))..=(id, Key::NONE)).map(|(_, key)| *key);
        for key in self.chain_of(id).chain(links) {
            let Some(slot) = self.slot(key).filter(|slot| slot.end() != End::Erased) else { continue };
            visit(key, slot);
            if slot.kind() != RecordKind::Refer {
                continue;
            }
            for (child_key, child) in self.children(slot) {
                if !matches!(child.kind(), RecordKind::Opinion | RecordKind::Dispatch) {
                    continue;
                }
                visit(child_key, child);
                if child.kind() == RecordKind::Dispatch {
                    let outcomes = self.children(child).filter(|(_, slot)| slot.kind() == RecordKind::Outcome);
                    outcomes.for_each(|(key, slot)| visit(key, slot));
                }
            }
        }
    }

    /// The chain of the statements that name a target, links excepted, erased ones included.
    pub(super) fn chain_of(&self, id: u32) -> impl Iterator<Item = Key> {
        let first = self.targets.get(id).and_then(|entry| entry.head.some());
        std::iter::successors(first, |key| self.slot(*key)?.next.some())
    }

    /// The statements that speak of a referral or dispatch, of whatever kind, erased ones excepted.
    pub(super) fn children(&self, slot: &Slot) -> impl Iterator<Item = (Key, &Slot)> {
        std::iter::successors(slot.first_child(), |key| self.slot(*key)?.next.some())
            .filter_map(|key| Some((key, self.slot(key)?)))
            .filter(|(_, slot)| slot.end() != End::Erased)
    }

    /// Whether a record counts, as the table at the head of the module says.
    pub(super) fn counts_now(&self, key: Key) -> bool {
        let Some(slot) = self.slot(key).filter(|slot| slot.stands()) else { return false };
        let on = match slot.about() {
            About::Record(on) => self.slot(on).map(|slot| (on, slot)),
            _ => None,
        };
        match (slot.kind(), on) {
            (RecordKind::Opinion, Some((_, on))) => is_standing_referral(on),
            (RecordKind::Dispatch, Some((_, on))) => on.kind() == RecordKind::Refer && on.is_there(),
            (RecordKind::Outcome, Some((key, on))) => on.kind() == RecordKind::Dispatch && self.counts_now(key),
            (kind, None) if speaks_of_a_record(kind) => false,
            _ => true,
        }
    }

    /// The number of the target that a record is about.
    pub(super) fn home(&self, key: Key) -> Option<u32> {
        let slot = self.slot(key)?;
        match slot.about() {
            About::Nothing => None,
            About::Target(id) | About::Targets(id, _) => Some(id),
            // The kinds lead from outcomes over dispatches to referrals, so this ends after four steps at the most.
            About::Record(on) => {
                let on_kind = self.slot(on)?.kind();
                let follows = match slot.kind() {
                    RecordKind::Opinion | RecordKind::Dispatch => on_kind == RecordKind::Refer,
                    RecordKind::Outcome => on_kind == RecordKind::Dispatch,
                    RecordKind::Withdraw => true,
                    _ => false,
                };
                if follows { self.home(on) } else { None }
            }
        }
    }

    pub(super) fn record_id(&self, key: Key) -> Option<RecordId> {
        Some(RecordId { unit: self.logs.get(key.unit())?.unit.clone(), index: key.index() })
    }

    pub(super) fn reference(&self, key: Key) -> RecordRef {
        let unit = self.logs.get(key.unit()).map(|log| log.unit.as_str().to_owned());
        RecordRef { unit: unit.unwrap_or_default(), index: key.index() }
    }
}

fn is_standing_referral(slot: &Slot) -> bool {
    slot.kind() == RecordKind::Refer && slot.stands()
}

const fn speaks_of_a_record(kind: RecordKind) -> bool {
    matches!(kind, RecordKind::Opinion | RecordKind::Dispatch | RecordKind::Outcome)
}

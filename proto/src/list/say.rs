//! What each kind of statement does to the fold.

use super::Status;
use super::fold::{Change, Fold, Said};
use super::row::{ALONE, hold_row, row_hash};
use super::slot::{About, Base, End, Key};
use super::targets::Entry;
use crate::hash::Hash;
use crate::record::{RecordKind, Target};
use crate::wire::record::Body;
use crate::wire::{Observe, Opinion, RecordRef, Stance};

impl Fold {
    /// Applies what a sound record says.
    pub(super) fn say(&mut self, key: Key, time_ms: u64, said: Said, changes: &mut Vec<Change>) {
        let (body, target) = match said {
            Said::Refer { target, alone, prefix } => return self.refer(key, &target, alone, prefix, changes),
            Said::Other(body, target) => (*body, target),
        };
        match (body, target) {
            (Body::Hold(hold), Some(target)) => {
                let lone = self.name(key, &target, true, changes, |entry| {
                    entry.makers = entry.makers.saturating_add(1);
                    entry.holds = entry.holds.saturating_add(1);
                });
                let id = self.reference(key);
                self.hash_now(lone, |status| Some(row_hash(&hold_row(&target, status, id, time_ms, hold))));
                if self.logs.get(key.unit()).is_some_and(|log| log.left) {
                    self.end_hold(key, changes);
                }
            }
            (Body::Observe(observe), Some(target)) => self.observe(key, time_ms, &observe, &target, changes),
            (Body::Evidence(evidence), target) => {
                if let Some(target) = target {
                    self.name(key, &target, false, changes, |_| {});
                }
                self.seize(key, evidence.operation.as_ref());
            }
            (Body::Custody(custody), _) => self.hand_over(key, custody.item.as_ref()),
            (Body::Operation(_), _) => self.operations.begin(key),
            (Body::OperationStep(step), _) => self.step(key, &step),
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

    fn refer(&mut self, key: Key, target: &Target, alone: Hash, prefix: bool, changes: &mut Vec<Change>) {
        let objections = self.objections.get(&key).copied().unwrap_or_default();
        let lone = self.name(key, target, true, changes, |entry| {
            entry.makers = entry.makers.saturating_add(1);
            entry.referrals = entry.referrals.saturating_add(1);
            entry.objections = entry.objections.saturating_add(objections);
        });
        self.hash_now(lone, |status| (status == ALONE).then_some(alone));
        if prefix {
            if let Some(slot) = self.slot_mut(key) {
                slot.base = Base::Prefix;
            }
            self.index.add_prefix(target);
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
    fn hash_now(&mut self, lone: Option<u32>, hash: impl FnOnce(Status) -> Option<Hash>) {
        let Some(id) = lone else { return };
        let Some(status) = self.targets.get(id).and_then(Entry::status) else { return };
        if let Some(hash) = hash(status) {
            self.targets.set_hash(id, hash);
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
}

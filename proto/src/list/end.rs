//! Taking back: `Withdraw` and `Erase`.

use super::fold::{Change, Fold};
use super::slot::{About, Base, End, Key, Slot};
use crate::record::RecordKind;

impl Fold {
    /// The record `by` withdraws or erases the one at `index` of its own log.
    pub(super) fn take_back(&mut self, by: Key, index: u64, how: End, changes: &mut Vec<Change>) {
        let key = Key::new(by.unit(), index);
        let ended = self.slot(key).copied().filter(|slot| {
            let can = if how == End::Erased { slot.end() != End::Erased } else { slot.end() == End::No };
            key < by && can && slot.kind().can_end()
        });
        let Some(before) = ended else { return self.make_inert(by) };
        let counted = self.counts_now(key);
        let home = self.home(key);
        if let Some(slot) = self.slot_mut(by) {
            slot.set_about(About::Record(key));
        }
        if let Some(slot) = self.slot_mut(key) {
            slot.set_end(how, by.index());
            // Its place in its chain stays: the chain goes on behind it.
            if how == End::Erased && slot.kind() == RecordKind::Observe {
                slot.set_observed_ms(u64::MAX);
            }
        }
        self.unsay(key, before, counted, home, how == End::Erased, changes);
    }

    /// A hold of a unit that left ends as if it were withdrawn; nothing can withdraw it any more.
    pub(super) fn end_hold(&mut self, key: Key, changes: &mut Vec<Change>) {
        let Some(before) = self.slot(key).copied() else { return };
        let (counted, home) = (self.counts_now(key), self.home(key));
        if let Some(slot) = self.slot_mut(key) {
            slot.set_end(End::Withdrawn, key.index());
        }
        self.unsay(key, before, counted, home, false, changes);
    }

    /// Takes out of the counts what a record said: `before` as it was, `counted` and at `home` as it did.
    fn unsay(
        &mut self,
        key: Key,
        before: Slot,
        counted: bool,
        home: Option<u32>,
        erased: bool,
        changes: &mut Vec<Change>,
    ) {
        let (one, mention) = (u32::from(before.stands()), u32::from(erased));
        match (before.kind(), before.about()) {
            (RecordKind::Refer, About::Target(id)) => {
                let objections = self.objections.get(&key).copied().unwrap_or_default().saturating_mul(one);
                self.alter(id, true, changes, |entry| {
                    entry.referrals = entry.referrals.saturating_sub(one);
                    entry.objections = entry.objections.saturating_sub(objections);
                    entry.makers = entry.makers.saturating_sub(mention);
                    entry.mentions = entry.mentions.saturating_sub(mention);
                });
            }
            (RecordKind::Hold, About::Target(id)) => self.alter(id, true, changes, |entry| {
                entry.holds = entry.holds.saturating_sub(one);
                entry.makers = entry.makers.saturating_sub(mention);
                entry.mentions = entry.mentions.saturating_sub(mention);
            }),
            (kind, About::Target(id)) => {
                if kind == RecordKind::Observe && counted {
                    self.observations.remove(&(id, before.observed_ms(), key));
                }
                let visible = kind == RecordKind::Observe && counted;
                self.alter(id, visible, changes, |entry| entry.mentions = entry.mentions.saturating_sub(mention));
            }
            (_, About::Targets(first, second)) => {
                for id in [first, second] {
                    if erased {
                        self.links.remove(&(id, key));
                    }
                    self.alter(id, counted, changes, |entry| entry.mentions = entry.mentions.saturating_sub(mention));
                }
            }
            (_, About::Record(on)) => {
                let objection = u32::from(before.stands() && before.base == Base::Objection);
                if objection > 0
                    && let Some(count) = self.objections.get_mut(&on)
                {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.objections.remove(&on);
                    }
                }
                if let Some(id) = home.filter(|_| counted) {
                    self.alter(id, true, changes, |entry| {
                        entry.objections = entry.objections.saturating_sub(objection)
                    });
                }
            }
            (_, About::Nothing) => {}
        }
    }
}

//! The fold's table of targets: found by text, in order, or by number.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::Status;
use super::order::Order;
use super::slot::Key;
use crate::hash::Hash;
use crate::record::Target;
use crate::workers::Workers;

/// What is known of a target. It is kept as long as a statement that is not erased names the target, and is a row of
/// the list while one of those is a referral or a hold.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// The hash of its row; meaningless while the row is stale.
    pub(super) hash: Hash,
    /// The first of the chain of referrals, holds, observations and evidence that name it.
    pub(super) head: Key,
    /// Statements that name it and are not erased.
    pub(super) mentions: u32,
    /// Referrals and holds among them.
    pub(super) makers: u32,
    /// Referrals that stand.
    pub(super) referrals: u32,
    /// Holds that stand.
    pub(super) holds: u32,
    /// Objections that stand, to referrals that stand.
    pub(super) objections: u32,
    /// Whether the hash must be computed anew. Its number is in [`Targets::stale`] then.
    stale: bool,
    /// Whether its number is in [`Targets::order`].
    ordered: bool,
    /// Whether it was forgotten and is kept only because the order still has its number.
    removed: bool,
}

impl Entry {
    fn new(target: Target) -> Self {
        Self {
            target,
            hash: Hash::EMPTY_ROOT,
            head: Key::NONE,
            mentions: 0,
            makers: 0,
            referrals: 0,
            holds: 0,
            objections: 0,
            stale: false,
            ordered: false,
            removed: false,
        }
    }

    /// The status of its row; `None` where it is not a row.
    pub(super) const fn status(&self) -> Option<Status> {
        if self.makers == 0 {
            None
        } else if self.holds > 0 {
            Some(Status::Held)
        } else if self.objections > 0 {
            Some(Status::Disputed)
        } else if self.referrals > 0 {
            Some(Status::Listed)
        } else {
            Some(Status::Cleared)
        }
    }
}

/// A place in the hash table: a target's number, and 32 bits of the hash of its text, so that neither growing nor most
/// of looking up reads texts.
#[derive(Debug, Clone, Copy)]
struct Named {
    hash: u32,
    id: u32,
}

impl Named {
    /// The hash as the table wants it: with all 32 bits at both its ends.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

/// The table. Numbers are reused; the hash table's order reaches nobody.
#[derive(Debug, Default)]
pub(super) struct Targets {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_text: HashTable<Named>,
    hasher: RandomState,
    /// Every row, and what was one or even was removed since it was last cleared of those.
    order: Order,
    /// Whether it has any of those.
    unlisted: bool,
    /// Rows whose hash must be computed anew, and some of which it must no more: their entries tell.
    stale: Vec<u32>,
}

impl Targets {
    /// Whether two more targets would still get numbers.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < usize::try_from(u32::MAX).unwrap_or(usize::MAX).saturating_sub(2)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        known(&self.entries, id).filter(|entry| !entry.removed)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id).ok()?)?.as_mut().filter(|entry| !entry.removed)
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hash(text);
        let found = self.by_text.find(Named::spread(hash), |named| named.hash == hash && self.is(named.id, text))?;
        Some(found.id)
    }

    pub(super) fn find_or_add(&mut self, target: &Target) -> u32 {
        let hash = self.hash(target.as_str());
        let Self { entries, free, by_text, .. } = self;
        let same =
            |named: &Named| named.hash == hash && known(entries, named.id).is_some_and(|entry| entry.target == *target);
        match by_text.entry(Named::spread(hash), same, |named| Named::spread(named.hash)) {
            Place::Occupied(place) => place.get().id,
            Place::Vacant(place) => {
                let id = free.pop().unwrap_or_else(|| {
                    entries.push(None);
                    // The caller has asked has_room before.
                    u32::try_from(entries.len().saturating_sub(1)).unwrap_or(u32::MAX)
                });
                if let Some(entry) = usize::try_from(id).ok().and_then(|id| entries.get_mut(id)) {
                    *entry = Some(Entry::new(target.clone()));
                }
                place.insert(Named { hash, id });
                id
            }
        }
    }

    /// A target has become a row.
    pub(super) fn list(&mut self, id: u32) {
        let unlisted = self.get_mut(id).is_some_and(|entry| !std::mem::replace(&mut entry.ordered, true));
        if unlisted {
            self.order.add(id);
        }
    }

    /// A target is a row no more.
    pub(super) fn unlist(&mut self, id: u32) {
        self.unlisted = true;
        if let Some(entry) = self.get_mut(id) {
            entry.stale = false;
        }
    }

    /// The hash of a row must be computed anew.
    pub(super) fn make_stale(&mut self, id: u32) {
        if self.get_mut(id).is_some_and(|entry| !std::mem::replace(&mut entry.stale, true)) {
            self.stale.push(id);
        }
    }

    /// The hash of a row was computed anew.
    pub(super) fn set_hash(&mut self, id: u32, hash: Hash) {
        if let Some(entry) = self.get_mut(id) {
            entry.hash = hash;
            entry.stale = false;
        }
        // While a list is built up it was made stale a moment before.
        self.stale.pop_if(|last| *last == id);
    }

    /// A row whose hash must be computed anew.
    pub(super) fn next_stale(&mut self) -> Option<u32> {
        while let Some(id) = self.stale.last().copied() {
            if self.get(id).is_some_and(|entry| entry.stale) {
                return Some(id);
            }
            self.stale.pop();
        }
        None
    }

    /// How many rows are stale, at the most.
    pub(super) const fn stale(&self) -> usize {
        self.stale.len()
    }

    /// Forgets a target that nothing names any more. It is no row.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(target) = self.get(id).map(|entry| entry.target.clone()) else { return };
        let hash = Named::spread(self.hash(target.as_str()));
        if let Ok(place) = self.by_text.find_entry(hash, |named| named.id == id) {
            place.remove();
        }
        let Some(place) = usize::try_from(id).ok().and_then(|at| self.entries.get_mut(at)) else { return };
        match place {
            // Its text may be needed to find the place of others, and its number means it there.
            Some(entry) if entry.ordered => entry.removed = true,
            _ => {
                *place = None;
                self.free.push(id);
            }
        }
    }

    /// Brings the rows into order, and forgets what was removed.
    pub(super) fn sort<W: Workers>(&mut self, workers: &W) {
        let Self { entries, free, order, unlisted, .. } = self;
        if std::mem::take(unlisted) {
            order.retain(|id| {
                let Some(place) = usize::try_from(id).ok().and_then(|at| entries.get_mut(at)) else { return false };
                let Some(entry) = place else { return false };
                entry.ordered = entry.status().is_some();
                let (ordered, removed) = (entry.ordered, entry.removed);
                if removed {
                    *place = None;
                    free.push(id);
                }
                ordered
            });
        }
        let entries = &*entries;
        order.sort(|id| text(entries, id), workers);
    }

    /// The numbers of the rows, and of what is none any more, in order: as far as they were brought into it.
    pub(super) fn sorted(&self) -> &[u32] {
        self.order.sorted()
    }

    /// How many rows are not in order.
    pub(super) const fn unsorted(&self) -> usize {
        self.order.unsorted()
    }

    /// The rows whose targets come after this text, in order.
    pub(super) fn rows(&self, after: Option<&str>) -> impl Iterator<Item = (&Entry, Status)> {
        let ids = self.order.after(after, |id| text(&self.entries, id));
        ids.filter_map(|id| self.get(id).and_then(|entry| Some((entry, entry.status()?))))
    }

    fn hash(&self, text: &str) -> u32 {
        let [.., a, b, c, d] = self.hasher.hash_one(text).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn is(&self, id: u32, text: &str) -> bool {
        self.get(id).is_some_and(|entry| entry.target.as_str() == text)
    }
}

fn known(entries: &[Option<Entry>], id: u32) -> Option<&Entry> {
    entries.get(usize::try_from(id).ok()?)?.as_ref()
}

/// The text of a target whose number is in the order.
fn text(entries: &[Option<Entry>], id: u32) -> &str {
    known(entries, id).map_or("", |entry| entry.target.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Option<Entry>>(), 80);
    }

    #[test]
    fn a_target_is_found_until_it_is_removed_and_its_number_is_given_again() {
        let mut targets = Targets::default();
        let name = |n: u32| format!("domain:{n}.example").parse::<Target>().unwrap();
        for n in 0..1_000 {
            assert_eq!(targets.find_or_add(&name(n)), n);
        }
        targets.remove(7);
        assert_eq!((targets.find(name(7).as_str()), targets.find(name(8).as_str())), (None, Some(8)));
        assert_eq!(targets.find_or_add(&name(5_000)), 7);
        assert_eq!(targets.find_or_add(&name(999)), 999);
    }
}

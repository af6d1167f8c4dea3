//! The fold's table of targets: found by text, in order, or by number.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Status;
use super::slot::Key;
use crate::hash::Hash;
use crate::record::Target;

/// What is known of a target. It is kept as long as a statement that is not erased names the target, and is a row of
/// the list while one of those is a referral or a hold.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// The hash of its row; meaningless while the row waits in [`Targets::stale`].
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

/// The table. Numbers are reused; the hash table's order reaches nobody.
#[derive(Debug, Default)]
pub(super) struct Targets {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_text: HashTable<u32>,
    hasher: RandomState,
    /// The rows, ascending by target.
    pub(super) rows: BTreeMap<Target, u32>,
    /// Rows whose hash must be computed anew.
    pub(super) stale: BTreeSet<u32>,
}

impl Targets {
    /// Whether two more targets would still get numbers.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < usize::try_from(u32::MAX).unwrap_or(usize::MAX).saturating_sub(2)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(id).ok()?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id).ok()?)?.as_mut()
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.by_text.find(self.hasher.hash_one(text), |id| self.is(*id, text)).copied()
    }

    pub(super) fn find_or_add(&mut self, target: &Target) -> u32 {
        if let Some(id) = self.find(target.as_str()) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // The caller has asked has_room before.
            u32::try_from(self.entries.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        if let Some(place) = usize::try_from(id).ok().and_then(|id| self.entries.get_mut(id)) {
            *place = Some(Entry::new(target.clone()));
        }
        let Self { entries, by_text, hasher, .. } = self;
        by_text.insert_unique(hasher.hash_one(target.as_str()), id, |id| {
            let entry = usize::try_from(*id).ok().and_then(|id| entries.get(id)?.as_ref());
            hasher.hash_one(entry.map_or("", |entry| entry.target.as_str()))
        });
        id
    }

    /// Forgets a target that nothing names any more.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(entry) = usize::try_from(id).ok().and_then(|at| self.entries.get_mut(at)?.take()) else { return };
        let hash = self.hasher.hash_one(entry.target.as_str());
        if let Ok(found) = self.by_text.find_entry(hash, |own| *own == id) {
            found.remove();
        }
        self.rows.remove(&entry.target);
        self.stale.remove(&id);
        self.free.push(id);
    }

    fn is(&self, id: u32, text: &str) -> bool {
        self.get(id).is_some_and(|entry| entry.target.as_str() == text)
    }
}

//! The fold's table of targets: found by text, in order, or by number.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::Status;
use super::slot::Key;
use crate::hash::Hash;
use crate::record::Target;

/// A target as a key of the rows. It orders as the target's bytes do, and mostly without looking at them: memory is what
/// comparing costs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    /// What the target begins with, from a list of beginnings, and the 7 bytes after that.
    head: u64,
    target: Target,
}

impl RowKey {
    pub(super) fn new(target: Target) -> Self {
        /// Every target begins with one of these; they ascend, and none is the beginning of another.
        const BEGINNINGS: [&str; 9] = [
            "account:",
            "app:",
            "channel:",
            "domain:",
            "file:sha256:",
            "image:pdq:",
            "ip:",
            "url:http://",
            "url:https://",
        ];
        let found = (1_u8..).zip(BEGINNINGS).find_map(|(n, word)| Some((n, target.as_str().strip_prefix(word)?)));
        let (number, rest) = found.unwrap_or((0, ""));
        let mut head = [0; 8];
        for (place, byte) in head.iter_mut().zip(std::iter::once(number).chain(rest.bytes())) {
            *place = byte;
        }
        Self { head: u64::from_be_bytes(head), target }
    }

    pub(super) const fn target(&self) -> &Target {
        &self.target
    }
}

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
    /// The rows, ascending by target.
    pub(super) rows: BTreeMap<RowKey, u32>,
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
        let hash = self.hash(text);
        let found = self.by_text.find(Named::spread(hash), |named| named.hash == hash && self.is(named.id, text))?;
        Some(found.id)
    }

    pub(super) fn find_or_add(&mut self, target: &Target) -> u32 {
        let hash = self.hash(target.as_str());
        let Self { entries, free, by_text, .. } = self;
        let same = |named: &Named| {
            let entry = || entries.get(usize::try_from(named.id).ok()?)?.as_ref();
            named.hash == hash && entry().is_some_and(|entry| entry.target == *target)
        };
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

    /// Forgets a target that nothing names any more.
    pub(super) fn remove(&mut self, id: u32) {
        let Some(entry) = usize::try_from(id).ok().and_then(|at| self.entries.get_mut(at)?.take()) else { return };
        let hash = Named::spread(self.hash(entry.target.as_str()));
        if let Ok(place) = self.by_text.find_entry(hash, |named| named.id == id) {
            place.remove();
        }
        self.rows.remove(&RowKey::new(entry.target));
        self.stale.remove(&id);
        self.free.push(id);
    }

    fn hash(&self, text: &str) -> u32 {
        let [.., a, b, c, d] = self.hasher.hash_one(text).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn is(&self, id: u32, text: &str) -> bool {
        self.get(id).is_some_and(|entry| entry.target.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_keys_order_as_the_bytes_of_targets_do() {
        let hash = "0".repeat(64);
        let mut targets: Vec<Target> = [
            "url:https://a.example/",
            "url:http://a.example/",
            "url:http://a.example/~",
            "ip:1.2.3.4",
            "ip:::1",
            "domain:aaaaaaaa.example",
            "domain:aaaaaaab.example",
            "domain:b.a",
            "domain:b-b.a",
            "app:x/y",
            "account:x/y",
            "channel:x/y",
            &format!("file:sha256:{hash}"),
            &format!("image:pdq:{hash}"),
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let mut keys: Vec<RowKey> = targets.iter().cloned().map(RowKey::new).collect();
        keys.sort();
        targets.sort();
        assert!(keys.iter().map(RowKey::target).eq(&targets));
        assert!(keys.iter().all(|key| key.head >> 56 != 0));
    }

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

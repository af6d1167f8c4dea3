//! Sets of referrals, and the digest of a frozen one.

use std::collections::BTreeSet;

use crate::hash::Hash;
use crate::wire::{RecordRef, Referrals};

/// The first bytes of what the digest of frozen targets covers.
const MAGIC: &[u8; 20] = b"entente operation 1\n";

/// The name of a referral: its unit and index. Names ascend as record ids do.
pub(super) type Name = (String, u64);

/// The digest of frozen targets, as the head of [`operation`](super) fixes it.
///
/// The lists must be such as a record may have: ascending by unit, of each its indexes ascending.
#[must_use]
pub fn frozen_digest(operation: &RecordRef, targets: &[Referrals]) -> Hash {
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, &operation.unit, operation.index);
    let count: u64 = targets.iter().map(|of| len(of.indexes.len())).sum();
    bytes.extend_from_slice(&count.to_be_bytes());
    for (unit, index) in names(targets) {
        put(&mut bytes, unit, index);
    }
    Hash::of(&bytes)
}

fn put(bytes: &mut Vec<u8>, unit: &str, index: u64) {
    bytes.extend_from_slice(&u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(unit.as_bytes());
    bytes.extend_from_slice(&index.to_be_bytes());
}

fn len(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The names in a list.
pub(super) fn names(list: &[Referrals]) -> impl Iterator<Item = (&str, u64)> {
    list.iter().flat_map(|of| of.indexes.iter().map(|index| (of.unit.as_str(), *index)))
}

/// The names in a list, to keep.
pub(super) fn owned(list: &[Referrals]) -> impl Iterator<Item = Name> {
    names(list).map(|(unit, index)| (unit.to_owned(), index))
}

/// How many names a list has.
pub(super) fn count(list: &[Referrals]) -> u64 {
    list.iter().map(|of| len(of.indexes.len())).sum()
}

/// Referrals as a record lists them.
#[must_use]
pub fn referrals<'a>(ids: impl IntoIterator<Item = &'a RecordRef>) -> Vec<Referrals> {
    let names: BTreeSet<(&str, u64)> = ids.into_iter().map(|id| (id.unit.as_str(), id.index)).collect();
    let mut lists: Vec<Referrals> = Vec::new();
    for (unit, index) in names {
        match lists.last_mut() {
            Some(of) if of.unit == unit => of.indexes.push(index),
            _ => lists.push(Referrals { unit: unit.to_owned(), indexes: vec![index] }),
        }
    }
    lists
}

use std::collections::BTreeSet;

use super::*;
use crate::store::block::*;

fn packed(from: u64, entries: &[Entry]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = vec![];
    pack(&unit("BE"), from, entries, |write| out.push(write));
    out
}

#[test]
fn no_value_is_longer_than_sled_keeps_in_its_segments() {
    for length in (0..=65_536).step_by(61).chain([65_536]).filter(|length| *length > 0) {
        let entries: Vec<_> = (0..3).map(|index| entry(index, length)).collect();
        for (_, value) in packed(0, &entries) {
            assert!(value.len() <= 6_500, "{} at {length}", value.len());
        }
    }
}

#[test]
fn many_entries_share_a_block_but_never_across_bundles() {
    let entries: Vec<_> = (0..20).map(|index| entry(250 + index, 10)).collect();
    let keys: Vec<_> = packed(250, &entries).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [key::at(key::BLOCK, &unit("BE"), 250), key::at(key::BLOCK, &unit("BE"), 256)]);
}

#[test]
fn a_damaged_block_is_never_read() {
    let entries: Vec<_> = (0..3).map(|index| entry(index, 40)).collect();
    let (key, value) = packed(0, &entries).remove(0);
    assert_eq!(unpack(&key, &value).unwrap().len(), 3);
    for at in 0..value.len() {
        let mut damaged = value.clone();
        damaged[at] ^= 0x10;
        assert!(unpack(&key, &damaged).is_err(), "byte {at}");
        assert!(unpack(&key, &value[..at]).is_err(), "cut at {at}");
    }
    let elsewhere = key::at(key::BLOCK, &unit("BE"), 1);
    assert!(unpack(&elsewhere, &value).is_err(), "a block stands where it was put");
}

#[test]
fn an_erased_body_leaves_no_bytes_in_its_block() {
    let entries: Vec<_> = (0..3).map(|index| entry(index, 40)).collect();
    let (key, value) = packed(0, &entries).remove(0);
    let slots = unpack(&key, &value).unwrap();
    let (again, erased) = without_bodies(&unit("BE"), 0, &slots, &BTreeSet::from([1]));
    assert_eq!(again, key);
    let payload = |index: usize| entries[index].payload().unwrap();
    let holds = |index: usize| erased.windows(40).any(|window| window == payload(index));
    assert_eq!([holds(0), holds(1), holds(2)], [true, false, true]);
    assert_eq!(unpack(&key, &erased).unwrap().len(), 3);
}

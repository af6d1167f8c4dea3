//! The contract, against both stores; then what concerns one of them alone.

mod block;
mod compare;
mod contract;
mod cut;
mod on_disk;
mod repair;
mod scrub;
mod writer;

use bytes::Bytes;
use tempfile::TempDir;

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::BUNDLE_ENTRIES;

use super::*;

/// A store that can be closed and opened again.
pub(super) trait Subject {
    fn new() -> Self;
    fn store(&self) -> &dyn Store;
    fn reopen(&mut self);
}

pub(super) struct OnDisk {
    pub(super) home: TempDir,
    store: Option<SledStore>,
}

pub(super) fn options() -> Options {
    let options = Options::new("takedown.example".parse().unwrap(), unit("BE"));
    Options { low_bytes: 0, ballast_bytes: 4_096, ..options }
}

impl OnDisk {
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }
}

impl Subject for OnDisk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = SledStore::create(&home.path().join("data"), options()).unwrap();
        Self { home, store: Some(store) }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(SledStore::open(&self.path(), options()).unwrap());
    }
}

pub(super) struct InMemory(MemoryStore);

impl Subject for InMemory {
    fn new() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopen(&mut self) {
        self.0 = self.0.crash();
    }
}

pub(super) fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

pub(super) fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

/// An entry that its index and its payload's length determine.
pub(super) fn entry(index: u64, payload_bytes: usize) -> Entry {
    let payload: Vec<u8> = (0..payload_bytes).map(|at| (at as u64 * 7 + index) as u8).collect();
    Entry::compose(1, 1_000 + index, [index as u8; 16], Bytes::from(payload)).unwrap()
}

/// Entries of 400 bytes.
pub(super) fn append(of: &str, from: u64, to: u64) -> Append {
    append_sized(of, from, to, |_| 400)
}

pub(super) fn append_sized(of: &str, from: u64, to: u64, bytes: impl Fn(u64) -> usize) -> Append {
    Append {
        unit: unit(of),
        from: size(from),
        entries: (from..to).map(|index| entry(index, bytes(index))).collect(),
        level1: (from / BUNDLE_ENTRIES..to / BUNDLE_ENTRIES).map(|bundle| (bundle, level1(bundle))).collect(),
    }
}

/// Entries of referrals with the level-1 hashes that they have.
pub(super) fn referrals(of: &str, from: u64, to: u64) -> Append {
    let all: Vec<Entry> = (0..to).map(referral).collect();
    let hashes: Vec<Hash> = all.iter().map(Entry::leaf_hash).collect();
    let bundle = |bundle: u64| {
        let first = (bundle * BUNDLE_ENTRIES) as usize;
        (bundle, entente_proto::tree::level1(&hashes[first..first + 256]).unwrap())
    };
    Append {
        unit: unit(of),
        from: size(from),
        entries: all[from as usize..].to_vec(),
        level1: (from / BUNDLE_ENTRIES..to / BUNDLE_ENTRIES).map(bundle).collect(),
    }
}

/// An entry of a kind that can be erased; every 50th stands in parts.
pub(super) fn referral(index: u64) -> Entry {
    let mut payload = format!("<{index} {:x}>", index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes();
    payload.resize(if index % 50 == 3 { 9_000 } else { 300 }, b'.');
    Entry::compose(2, 1_000 + index, [index as u8; 16], Bytes::from(payload)).unwrap()
}

pub(super) fn erasure(of: &str, index: u64, by: u64) -> Erasure {
    Erasure { unit: unit(of), index, by }
}

/// The body of an entry is deleted at this time, its `Erase` dealt with.
pub(super) fn ends(of: &str, index: u64, now_ms: u64) -> Batch {
    let ended = vec![(unit(of), index)];
    Batch { erasures: ended.clone(), settled: ended, erased_ms: Some(now_ms), ..Batch::default() }
}

pub(super) fn level1(bundle: u64) -> Hash {
    Hash([bundle as u8 + 1; 32])
}

pub(super) fn appends(append: Append) -> Batch {
    Batch { appends: vec![append], ..Batch::default() }
}

/// All entries, by many small reads.
pub(super) fn all(store: &dyn Store, of: &str) -> Vec<Entry> {
    let mut out = vec![];
    loop {
        let more = store.entries(&unit(of), out.len() as u64, 100, 20_000).unwrap();
        if more.is_empty() {
            return out;
        }
        out.extend(more);
    }
}

pub(super) fn refused(result: Result<(), StoreError>) -> Refused {
    match result {
        Err(StoreError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

/// What both stores keep.
mod contracts {
    pub(super) use super::contract::*;
    pub(super) use super::cut::*;
}

macro_rules! both_stores {
    ($($name:ident),* $(,)?) => {
        mod sled_keeps_the_contract {
            $(#[test] fn $name() { super::contracts::$name::<super::OnDisk>(); })*
        }
        mod memory_keeps_the_contract {
            $(#[test] fn $name() { super::contracts::$name::<super::InMemory>(); })*
        }
    };
}

both_stores!(
    an_empty_store_knows_no_logs,
    entries_come_back_as_they_were_given,
    a_read_ends_at_its_limits,
    what_was_committed_is_there_after_opening_again,
    an_append_must_begin_at_the_end,
    the_same_append_again_changes_nothing,
    another_leaf_is_refused_and_nothing_of_its_batch_is_taken,
    each_full_bundle_needs_its_level_1_hash,
    a_missing_body_is_a_gap_until_it_is_filled,
    an_erased_body_is_gone_wherever_it_was,
    fills_and_erasures_need_an_entry,
    notes_replace_each_other,
    a_submission_has_one_index,
    a_refused_batch_does_not_stop_the_others,
    batches_of_a_group_build_on_each_other,
    logs_of_similar_names_do_not_mix,
    what_an_announced_erasure_names_is_for_the_fold_alone,
    an_erasure_of_what_cannot_be_erased_withholds_nothing,
    a_settled_erasure_deletes_for_good_and_makes_a_scrub_due,
    of_a_body_that_never_came_the_store_knows_the_erasure_too,
    a_scrub_keeps_everything_that_counts,
    what_a_revoke_names_is_known_without_reading_the_logs,
    a_log_is_cut_back_and_grows_another_way,
    what_an_erasure_that_goes_had_announced_is_withheld_no_more,
    what_is_certified_is_never_cut_off,
    an_adoption_that_goes_is_noted_no_more,
);

use std::collections::BTreeMap;

use entente_proto::access::{FixedBy, Head, Part, call, compose};
use entente_proto::entry::encode;
use entente_proto::hash::Hash;
use entente_proto::wire;
use entente_proto::wire::access::Body;

use super::files::{Entries, Files};
use super::verify::{Found, verify_all, verify_epoch};

fn run_of(count: u64) -> Vec<u8> {
    let mut run = Vec::new();
    for i in 0..count {
        let body =
            call("officer/a".into(), Hash::of(b"k"), "Show", "", [1; 16], vec![Part::Text(format!("d{i}.example"))]);
        encode(&compose(i, [1; 16], Body::Call(body)).unwrap(), &mut run);
    }
    run
}

#[test]
fn entries_are_read_in_any_pieces_and_a_cut_one_is_named() {
    let run = run_of(5);
    assert_eq!(Entries::new(run.as_slice()).filter(Result::is_ok).count(), 5);
    let four = run_of(4).len();
    for end in four + 1..run.len() {
        let mut entries = Entries::new(&run[..end]);
        let read: Vec<_> = entries.by_ref().collect();
        assert_eq!(read.iter().filter(|entry| entry.is_ok()).count(), 4, "{end}");
        assert!(read.last().unwrap().is_err());
        assert_eq!(entries.end(), four as u64);
    }
}

#[test]
fn any_bit_that_flips_in_a_file_is_seen() {
    let place = tempfile::tempdir().unwrap();
    let files = Files::new(place.path());
    std::fs::create_dir_all(files.directory()).unwrap();
    let run = run_of(5);
    std::fs::write(files.entries(1), &run).unwrap();
    let whole = verify_epoch(&files, 1, Vec::new()).verified;
    let record = entente_proto::ids::RecordId { unit: "BE".parse().unwrap(), index: 3 };
    let head = || vec![Head { by: FixedBy::Record(record.clone()), size: 5, root: whole.root, time_ms: 0 }];
    assert_eq!((verify_epoch(&files, 1, head()).verified.covered, whole.faults), (5, 0));
    for bit in 0..run.len() * 8 {
        let mut other = run.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(files.entries(1), &other).unwrap();
        assert!(verify_epoch(&files, 1, head()).verified.faults > 0, "bit {bit}");
    }
}

const DAY_MS: u64 = 86_400_000;

/// Three epochs in a directory, each of which tells where the one before ended; the last tells of a deletion, too. They begin
/// on the days 0, 31 and 62.
struct Three {
    files: Files,
    _place: tempfile::TempDir,
    roots: [Hash; 3],
}

impl Three {
    /// The last says that the first was deleted on day 70, by a rule of 30 days.
    fn new() -> Self {
        Self::telling(&[(wire::Deleted { epoch: 1, days: 30 }, 70 * DAY_MS)])
    }

    fn telling(deletions: &[(wire::Deleted, u64)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let files = Files::new(place.path());
        std::fs::create_dir_all(files.directory()).unwrap();
        let (mut run, mut roots) = (run_of(4), Vec::new());
        for epoch in [1, 2, 3] {
            if epoch == 3 {
                for (said, time_ms) in deletions {
                    encode(&compose(*time_ms, [1; 16], Body::Deleted(*said)).unwrap(), &mut run);
                }
            }
            std::fs::write(files.entries(epoch), &run).unwrap();
            let root = verify_epoch(&files, epoch, Vec::new()).verified.root;
            roots.push(root);
            let size = if epoch == 1 { 4 } else { 1 };
            run.clear();
            let began = Body::Began(wire::Began { epoch, size, root: root.0.to_vec() });
            encode(&compose(31 * epoch * DAY_MS, [1; 16], began).unwrap(), &mut run);
        }
        Self { files, _place: place, roots: roots.try_into().unwrap() }
    }

    /// A record of this index fixes so many entries of an epoch on this day.
    fn record(&self, index: u64, epoch: u64, size: u64, day: u64) -> (u64, Vec<Head>) {
        let by = FixedBy::Record(entente_proto::ids::RecordId { unit: "BE".parse().unwrap(), index });
        (epoch, vec![Head { by, size, root: self.roots[epoch as usize - 1], time_ms: day * DAY_MS }])
    }

    /// What is found, and what is missing, where records fix the whole of the first epoch on day 0, and where `last` says so
    /// all that the last tells of on day 71. Of the second there is none; the first was over on day 63.
    fn verify(&self, last: bool) -> (Found, Vec<String>) {
        let size = verify_epoch(&self.files, 3, Vec::new()).verified.size;
        let mut heads = BTreeMap::from([self.record(5, 1, 4, 0)]);
        heads.extend(last.then(|| self.record(9, 3, size, 71)));
        self.verify_with(heads, 1)
    }

    fn verify_with(&self, mut heads: BTreeMap<u64, Vec<Head>>, keep_days: u32) -> (Found, Vec<String>) {
        let found = verify_all(&self.files, &self.files.epochs().unwrap(), &mut heads, keep_days);
        let missing = found.missing(heads);
        (found, missing)
    }
}

#[test]
fn an_epoch_that_ended_is_fixed_by_the_one_after_it() {
    let three = Three::new();
    let (found, missing) = three.verify(true);
    let covered: Vec<_> = found.epochs.values().map(|one| (one.verified.covered, one.verified.faults)).collect();
    assert_eq!((covered, missing.len()), (vec![(4, 0), (1, 0), (2, 0)], 0));

    // The second has no record of its own; a line more or less in it is seen all the same.
    let second = std::fs::read(three.files.entries(2)).unwrap();
    std::fs::write(three.files.entries(2), b"").unwrap();
    assert!(three.verify(true).0.epochs[&2].verified.faults > 0);
    std::fs::write(three.files.entries(2), [&second[..], &run_of(1)].concat()).unwrap();
    assert!(three.verify(true).0.epochs[&2].verified.faults > 0);
    std::fs::remove_file(three.files.entries(2)).unwrap();
    let missing = three.verify(true).1;
    assert!(missing[0].starts_with("the beginning of epoch 3 fixes 1 entries of epoch 2"), "{missing:?}");
}

#[test]
fn what_was_deleted_by_the_rule_is_told_from_what_is_missing() {
    // The record of day 71 is the first that fixes an epoch after the first: so it was over on that day, and is due a month later.
    let three = Three::telling(&[(wire::Deleted { epoch: 1, days: 30 }, 101 * DAY_MS)]);
    let with = |last: &[(u64, u64)]| {
        let mut heads = BTreeMap::from([three.record(5, 1, 4, 0)]);
        for (size, day) in last {
            let root = verify_root(&three.files, 3, *size);
            let by = FixedBy::Record(entente_proto::ids::RecordId { unit: "BE".parse().unwrap(), index: *day });
            heads.entry(3).or_default().push(Head { by, size: *size, root, time_ms: day * DAY_MS });
        }
        heads
    };
    std::fs::remove_file(three.files.entries(1)).unwrap();
    let (found, missing) = three.verify_with(with(&[(1, 71), (2, 101)]), 30);
    let rule = found.deleted.unwrap();
    assert_eq!((rule.up_to, rule.days, missing, found.undue), (1, 30, Vec::new(), Vec::new()));
    // A rule of fewer days than the unit has is none.
    let (found, missing) = three.verify_with(with(&[(1, 71), (2, 101)]), 31);
    assert!(found.deleted.is_none() && missing.len() == 2, "{found:?}");
    assert!(found.undue[0].contains("keeps them for 31 days"), "{found:?}");
    // Whoever can write to the newest file can say that, too; so it counts once a record fixes it.
    let (found, missing) = three.verify_with(with(&[(1, 71)]), 30);
    assert_eq!((found.deleted, found.undue), (None, Vec::new()));
    assert!(missing[0].starts_with("BE/5 fixes 4 entries of epoch 1, and there is no file of it"), "{missing:?}");
    // The rule says nothing of the second.
    std::fs::remove_file(three.files.entries(2)).unwrap();
    assert_eq!(three.verify_with(with(&[(1, 71), (2, 101)]), 30).1.len(), 1);
}

/// The root of the first entries of a file.
fn verify_root(files: &Files, epoch: u64, size: u64) -> Hash {
    let mut tree = entente_proto::tree::MemoryTree::default();
    let entries = Entries::open(&files.entries(epoch)).unwrap().map(Result::unwrap);
    entries.take(size as usize).for_each(|entry| tree.push(entry.leaf_hash()).unwrap());
    tree.root()
}

#[test]
fn lines_that_an_operator_deletes_and_calls_old_are_missing() {
    for (days, day, why) in [
        // Yesterday's, by any rule; and with a clock that was set ahead.
        (365, 71, "was over for 0 s then"),
        (1, 71, "was over for 0 s then"),
        (30, 100, "its time is"),
        (365, 2_000, "its time is"),
        (0, 71, "no number of days"),
    ] {
        let three = Three::telling(&[(wire::Deleted { epoch: 1, days }, day * DAY_MS)]);
        std::fs::remove_file(three.files.entries(1)).unwrap();
        let (found, missing) = three.verify(true);
        assert_eq!(found.deleted, None, "{days} {day}");
        assert!(found.undue[0].contains(why), "{:?}", found.undue);
        // By the record, and by the beginning of the second.
        assert_eq!(missing.len(), 2, "{missing:?}");
    }
    // A record of years later, when the time has come, makes no earlier one true.
    let three = Three::telling(&[(wire::Deleted { epoch: 1, days: 30 }, 100 * DAY_MS)]);
    std::fs::remove_file(three.files.entries(1)).unwrap();
    let mut heads = BTreeMap::from([three.record(5, 1, 4, 0), three.record(9, 3, 2, 71)]);
    heads.get_mut(&3).unwrap().extend(three.record(11, 3, 2, 400).1);
    let (found, _) = three.verify_with(heads, 1);
    assert!(found.deleted.is_none() && found.undue[0].contains("its time is"), "{:?}", found.undue);
    // What was called old wrongly is a fault where the files are still there, too.
    let three = Three::new();
    assert_eq!(three.verify(true).0.undue.len(), 1);
    // Nothing after the third is known, so it is not over.
    let three = Three::telling(&[(wire::Deleted { epoch: 3, days: 1 }, 71 * DAY_MS)]);
    assert!(three.verify(true).0.undue[0].contains("no record fixes a later epoch"));
}

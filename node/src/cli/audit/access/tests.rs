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
    let head = || vec![Head { by: FixedBy::Record(record.clone()), size: 5, root: whole.root }];
    assert_eq!((verify_epoch(&files, 1, head()).verified.covered, whole.faults), (5, 0));
    for bit in 0..run.len() * 8 {
        let mut other = run.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(files.entries(1), &other).unwrap();
        assert!(verify_epoch(&files, 1, head()).verified.faults > 0, "bit {bit}");
    }
}

/// Three epochs in a directory, each of which tells where the one before ended; the last tells of a deletion, too.
struct Three {
    files: Files,
    _place: tempfile::TempDir,
    roots: [Hash; 3],
}

impl Three {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let files = Files::new(place.path());
        std::fs::create_dir_all(files.directory()).unwrap();
        let (mut run, mut roots) = (run_of(4), Vec::new());
        for epoch in [1, 2, 3] {
            if epoch == 3 {
                let deleted = Body::Deleted(wire::Deleted { epoch: 1, days: 30 });
                encode(&compose(20, [1; 16], deleted).unwrap(), &mut run);
            }
            std::fs::write(files.entries(epoch), &run).unwrap();
            let root = verify_epoch(&files, epoch, Vec::new()).verified.root;
            roots.push(root);
            let size = if epoch == 1 { 4 } else { 1 };
            run.clear();
            let began = Body::Began(wire::Began { epoch, size, root: root.0.to_vec() });
            encode(&compose(10 + epoch, [1; 16], began).unwrap(), &mut run);
        }
        Self { files, _place: place, roots: roots.try_into().unwrap() }
    }

    fn record(&self, index: u64, epoch: u64, size: u64) -> (u64, Vec<Head>) {
        let by = FixedBy::Record(entente_proto::ids::RecordId { unit: "BE".parse().unwrap(), index });
        (epoch, vec![Head { by, size, root: self.roots[epoch as usize - 1] }])
    }

    /// What is found, and what is missing, where records fix the whole of the first and of the last epoch.
    fn verify(&self, last: bool) -> (Found, Vec<String>) {
        let mut heads = BTreeMap::from([self.record(5, 1, 4)]);
        heads.extend(last.then(|| self.record(9, 3, 2)));
        let found = verify_all(&self.files, &self.files.epochs().unwrap(), &mut heads);
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
    let three = Three::new();
    std::fs::remove_file(three.files.entries(1)).unwrap();
    let (found, missing) = three.verify(true);
    let rule = found.deleted.unwrap();
    assert_eq!((rule.up_to, rule.days, missing), (1, 30, Vec::new()));
    // Whoever can write to the newest file can say that, too; so it counts once a record fixes it.
    let (found, missing) = three.verify(false);
    assert_eq!(found.deleted, None);
    assert!(missing[0].starts_with("BE/5 fixes 4 entries of epoch 1, and there is no file of it"), "{missing:?}");
    // The rule says nothing of the second.
    std::fs::remove_file(three.files.entries(2)).unwrap();
    assert_eq!(three.verify(true).1.len(), 1);
}

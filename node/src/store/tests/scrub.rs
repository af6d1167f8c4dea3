//! Scrubbing a database on a disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::on_disk::copy;
use super::*;

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// The databases in the directory.
fn databases(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("g-")).collect();
    names.sort();
    names
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether the payload of an entry is anywhere in the files.
fn on_disk(path: &Path, index: u64) -> bool {
    let marker = &referral(index).payload().unwrap()[..20].to_vec();
    files(path).iter().any(|file| fs::read(file).unwrap().windows(marker.len()).any(|window| window == marker))
}

#[test]
fn i7_after_a_scrub_the_bytes_of_what_was_erased_are_in_no_file() {
    let subject = OnDisk::new();
    for from in (0..1_000).step_by(100) {
        subject.store().commit_one(&appends(referrals("BE", from, from + 100))).unwrap();
    }
    let erased = [0, 3, 40, 555, 953];
    for index in erased {
        subject.store().commit_one(&ends("BE", index, 1)).unwrap();
        assert!(on_disk(&subject.path(), index), "sled keeps old pages, or this test could not fail");
    }
    let done = subject.store().scrub(&mut |_| GO_ON).unwrap();
    assert!(done.before_bytes > 0 && done.after_bytes > 0 && done.records == 5, "{done:?}");
    assert_eq!(databases(&subject.path()), ["g-2"]);
    for index in erased {
        assert!(!on_disk(&subject.path(), index), "{index}");
        assert!(on_disk(&subject.path(), index + 1), "its neighbour is there");
    }
}

/// What a power cut at any step would leave is taken as a copy of the files, and opened.
#[test]
fn whenever_a_scrub_is_cut_off_one_whole_database_is_left() {
    let subject = OnDisk::new();
    subject.store().commit_one(&appends(referrals("BE", 0, 3_000))).unwrap();
    subject.store().commit_one(&ends("BE", 5, 1)).unwrap();
    let expected = all(subject.store(), "BE");
    let mut phases = Vec::new();
    let mut cut = |step: ScrubStep| {
        if phases.last() != Some(&step.phase) || phases.len() % 3 == 0 {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("data");
            copy(&subject.path(), &path);
            let both = databases(&path).len() == 2;
            assert!(both, "{step:?}");
            let store = SledStore::open(&path, options()).unwrap();
            assert!(all(&store, "BE") == expected, "{step:?}");
            let current = if step.phase == ScrubPhase::Deleting { "g-2" } else { "g-1" };
            assert_eq!(databases(&path), [current], "{step:?}");
            assert_eq!(store.scrub_due().is_some(), current == "g-1", "an unfinished scrub is still due: {step:?}");
        }
        phases.push(step.phase);
        GO_ON
    };
    subject.store().scrub(&mut cut).unwrap();
    phases.dedup();
    use ScrubPhase::{Copying, Deleting, Swapping, Verifying};
    assert_eq!(phases, [Copying, Verifying, Swapping, Deleting]);
}

#[test]
fn what_is_committed_during_a_scrub_is_in_the_copy() {
    let mut subject = OnDisk::new();
    subject.store().commit_one(&appends(referrals("BE", 0, 2_000))).unwrap();
    subject.store().commit_one(&ends("BE", 3, 10)).unwrap();
    let mut size = 2_000;
    let mut commit = |step: ScrubStep| {
        if matches!(step.phase, ScrubPhase::Copying | ScrubPhase::Verifying) && size < 2_700 {
            let heads = vec![(unit("BE"), HeadKind::Newest, Bytes::from(vec![9; size as usize]))];
            let batch = Batch { heads, ..appends(referrals("BE", size, size + 100)) };
            subject.store().commit_one(&batch).unwrap();
            // Long copied, being copied, and just written.
            for index in [1, 1_000, size + 7].map(|index| index + size / 100) {
                subject.store().commit_one(&ends("BE", index, 77)).unwrap();
            }
            size += 100;
        }
        GO_ON
    };
    let done = subject.store().scrub(&mut commit).unwrap();
    assert_eq!((done.records, size), (1, 2_700));
    assert_eq!(subject.store().scrub_due(), Some(ScrubDue { since_ms: 77, records: 21 }), "they may have been copied");
    let expected = all(subject.store(), "BE");
    let gaps = expected.iter().filter(|entry| entry.body().is_none()).count();
    assert_eq!((expected.len(), gaps), (2_700, 22));
    subject.reopen();
    assert!(all(subject.store(), "BE") == expected);
    assert_eq!(subject.store().log(&unit("BE")).unwrap().newest.unwrap().len(), 2_600);
    assert_eq!(subject.store().scrub(&mut |_| GO_ON).unwrap().records, 21);
    assert_eq!(subject.store().scrub_due(), None);
}

#[test]
fn readers_are_not_disturbed_by_a_scrub() {
    let subject = OnDisk::new();
    subject.store().commit_one(&appends(referrals("BE", 0, 1_000))).unwrap();
    let expected = all(subject.store(), "BE");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, ended, expected) = (subject.store(), &ended, &expected);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    while !ended.load(Ordering::Relaxed) {
                        assert!(all(store, "BE") == *expected);
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            store.scrub(&mut |_| GO_ON).unwrap();
        }
        ended.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_scrub_that_is_stopped_leaves_everything_as_it_was_and_is_still_due() {
    let mut subject = OnDisk::new();
    subject.store().commit_one(&appends(referrals("BE", 0, 3_000))).unwrap();
    subject.store().commit_one(&ends("BE", 3, 1)).unwrap();
    let expected = all(subject.store(), "BE");
    for phase in [ScrubPhase::Copying, ScrubPhase::Verifying, ScrubPhase::Swapping] {
        let stop = &mut |step: ScrubStep| if step.phase == phase { ControlFlow::Break(()) } else { GO_ON };
        assert!(matches!(subject.store().scrub(stop), Err(StoreError::Interrupted)), "{phase:?}");
        assert_eq!(databases(&subject.path()), ["g-1"], "{phase:?}");
        assert_eq!(subject.store().scrub_due(), Some(ScrubDue { since_ms: 1, records: 1 }));
    }
    subject.store().commit_one(&appends(referrals("BE", 3_000, 3_001))).unwrap();
    subject.reopen();
    assert!(all(subject.store(), "BE")[..3_000] == expected);
    assert_eq!(subject.store().size(&unit("BE")), size(3_001));
}

#[test]
fn without_room_for_a_copy_a_scrub_says_how_much_is_needed() {
    let mut subject = OnDisk::new();
    subject.store().commit_one(&appends(referrals("BE", 0, 100))).unwrap();
    subject.store = None;
    let full = SledStore::open(&subject.path(), Options { low_bytes: u64::MAX / 2, ..options() }).unwrap();
    let refused = full.scrub(&mut |_| GO_ON).unwrap_err();
    assert!(matches!(refused, StoreError::NoRoom { needed, free, .. } if needed > free), "{refused}");
    assert_eq!(databases(&subject.path()), ["g-1"]);
}

#[test]
fn a_copy_that_has_not_the_roots_that_were_signed_never_counts() {
    let subject = OnDisk::new();
    // The level-1 hashes of these are made up: as if blocks had been exchanged under them.
    subject.store().commit_one(&appends(append("BE", 0, 600))).unwrap();
    let refused = subject.store().scrub(&mut |_| GO_ON).unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { index: 0, .. }), "{refused}");
    assert_eq!(databases(&subject.path()), ["g-1"]);
    assert_eq!(all(subject.store(), "BE").len(), 600);
}

use std::fs;
use std::path::Path;

use super::*;

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn blobs(path: &Path) -> usize {
    fs::read_dir(path.join("g-1/blobs")).unwrap().count()
}

#[test]
fn only_create_makes_a_database_and_never_over_another() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    assert!(matches!(SledStore::open(&path, options()), Err(StoreError::Missing(_))));
    fs::create_dir(&path).unwrap();
    assert!(matches!(SledStore::open(&path, options()), Err(StoreError::Missing(_))));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    drop(SledStore::create(&path, options()).unwrap());
    assert!(matches!(SledStore::create(&path, options()), Err(StoreError::Exists(_))));
    SledStore::open(&path, options()).unwrap();
}

#[test]
fn a_database_of_another_unit_or_format_is_refused() {
    let mut subject = OnDisk::new();
    subject.store = None;
    let path = subject.path();
    let other = Options { unit: unit("FR"), ..options() };
    let found = SledStore::open(&path, other).unwrap_err();
    assert!(matches!(&found, StoreError::Foreign { found, expected, .. }
        if found == "takedown.example/BE" && expected == "takedown.example/FR"));

    let db = ::sled::Config::new().path(path.join("g-1")).open().unwrap();
    db.insert("f", "entente store 2\ntakedown.example/BE\n").unwrap();
    drop(db);
    let found = SledStore::open(&path, options()).unwrap_err();
    assert!(matches!(&found, StoreError::Release { found, .. } if found == "entente store 2"));

    let db = ::sled::Config::new().path(path.join("g-1")).open().unwrap();
    db.remove("f").unwrap();
    drop(db);
    assert!(matches!(SledStore::open(&path, options()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_database_in_use_is_refused_after_a_while() {
    let subject = OnDisk::new();
    assert!(matches!(SledStore::open(&subject.path(), options()), Err(StoreError::Locked(_))));
}

#[test]
fn a_half_written_snapshot_does_not_keep_it_from_opening() {
    let mut subject = OnDisk::new();
    subject.store().commit_one(&appends(append("BE", 0, 5))).unwrap();
    subject.store = None;
    let half = subject.path().join("g-1/snap.0000000000000BAD.generating");
    fs::write(&half, b"half").unwrap();
    subject.reopen();
    assert!(!half.exists());
    assert_eq!(subject.store().size(&unit("BE")), size(5));
}

#[test]
fn no_value_becomes_a_file_of_its_own() {
    let subject = OnDisk::new();
    let store = subject.store();
    for round in 0..8 {
        store
            .commit_one(&appends(append_sized("BE", round * 256, (round + 1) * 256, |index| {
                [6_400, 65_536, 400, 6_900][index as usize % 4]
            })))
            .unwrap();
        let heads = vec![(unit("BE"), HeadKind::Newest, Bytes::from(vec![1; 65_536]))];
        store.commit_one(&Batch { heads, ..Batch::default() }).unwrap();
    }
    assert_eq!(blobs(&subject.path()), 0);
}

#[test]
fn a_copy_of_the_files_taken_after_a_commit_has_all_that_was_committed() {
    let subject = OnDisk::new();
    let ends = [0, 1, 40, 300, 1_000, 1_001];
    for (from, to) in ends.iter().zip(&ends[1..]) {
        subject.store().commit_one(&appends(append("BE", *from, *to))).unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        copy(&subject.path(), &path);
        let store = SledStore::open(&path, options()).unwrap();
        assert!(all(&store, "BE") == append("BE", 0, *to).entries);
    }
}

/// Damaged files may be refused, or some of their content may be missing; what is served is what was put in.
#[test]
fn whatever_is_damaged_nothing_wrong_is_served() {
    let mut subject = OnDisk::new();
    for round in 0..6 {
        subject.store().commit_one(&appends(append("BE", round * 100, (round + 1) * 100))).unwrap();
    }
    subject.store = None;
    let expected = append("BE", 0, 600).entries;
    let length = fs::metadata(subject.path().join("g-1/db")).unwrap().len();
    for step in 0..24 {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        copy(&subject.path(), &path);
        let db = path.join("g-1/db");
        let at = (length * step / 24) as usize;
        let mut bytes = fs::read(&db).unwrap();
        if step % 4 == 3 {
            bytes.truncate(at)
        } else {
            bytes[at + 77] ^= 1 << (step % 8)
        };
        fs::write(&db, bytes).unwrap();
        let Ok(store) = SledStore::open(&path, options()) else { continue };
        for index in 0..600 {
            match store.entry(&unit("BE"), index) {
                Ok(Some(found)) => assert_eq!(found, expected[index as usize]),
                Ok(None) => assert!(store.size(&unit("BE")).get() <= index),
                Err(StoreError::Corrupt { .. } | StoreError::Failed(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn what_is_set_aside_is_kept() {
    let mut subject = OnDisk::new();
    subject.store = None;
    let aside = set_aside(&subject.path()).unwrap();
    assert!(!subject.path().exists());
    assert!(aside.join("g-1/db").exists());
    drop(SledStore::create(&subject.path(), options()).unwrap());
    assert_ne!(set_aside(&subject.path()).unwrap(), aside);
}

#[test]
fn ballast_is_kept_while_there_is_room_and_released_when_there_is_none() {
    let mut subject = OnDisk::new();
    let ballast = subject.path().join("ballast");
    assert_eq!(fs::metadata(&ballast).unwrap().len(), 4_096);
    subject.store = None;
    let full = SledStore::open(&subject.path(), Options { low_bytes: u64::MAX, ..options() }).unwrap();
    assert!(full.is_low().unwrap());
    assert!(!ballast.exists());
    drop(full);
    subject.reopen();
    assert!(ballast.exists());
}

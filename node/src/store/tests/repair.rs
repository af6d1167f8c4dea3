//! A value that is not what was written: found, remembered, written again.

use super::*;

/// Changes a stored block of a closed database, as a disk that rots would.
fn spoil(subject: &mut OnDisk, of: &str, index: u64) {
    subject.store = None;
    let db = ::sled::Config::new().path(subject.path().join("g-1")).open().unwrap();
    let (key, value) = db.get_lt(key::at(key::BLOCK, &unit(of), index + 1)).unwrap().unwrap();
    let mut bytes = value.to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    db.insert(key, bytes).unwrap();
    drop(db);
    subject.reopen();
}

fn repair(of: &str, bundle: u64, entries: Vec<Entry>) -> Batch {
    Batch { repairs: vec![Repair { unit: unit(of), bundle, entries }], ..Batch::default() }
}

fn with_referrals(count: u64) -> (OnDisk, Vec<Entry>) {
    let subject = OnDisk::new();
    for from in (0..count).step_by(100) {
        subject.store().commit_one(&appends(referrals("BE", from, (from + 100).min(count)))).unwrap();
    }
    subject.store().commit_one(&appends(referrals("FR", 0, 3))).unwrap();
    (subject, referrals("BE", 0, count).entries)
}

#[test]
fn a_bad_block_is_never_read_and_what_is_written_again_is_whole_and_lasts() {
    let (mut subject, entries) = with_referrals(700);
    for index in [0, 130, 255, 256, 600] {
        let bundle = index / 256;
        spoil(&mut subject, "BE", index);
        let store = subject.store();
        assert!(store.found_bad().is_empty(), "nobody has looked");
        let found = store.entry(&unit("BE"), index).unwrap_err();
        assert!(matches!(found, StoreError::Corrupt { .. }), "{found}");
        assert!(matches!(&store.found_bad()[..], [(of, at)] if *of == unit("BE") && at / 256 == bundle));
        let (first, end) = (bundle as usize * 256, ((bundle + 1) * 256).min(700) as usize);
        store.commit_one(&repair("BE", bundle, entries[first..end].to_vec())).unwrap();
        assert_eq!((store.found_bad(), store.found_broken()), (vec![], None));
        assert!(all(store, "BE") == entries);
        subject.reopen();
        assert!(all(subject.store(), "BE") == entries);
        assert_eq!(subject.store().leaf_hashes(&unit("BE"), bundle).unwrap().len(), end - first);
    }
    assert_eq!(all(subject.store(), "FR").len(), 3);
}

#[test]
fn a_sound_block_of_another_log_is_found_when_its_bundle_is_read() {
    let (mut subject, entries) = with_referrals(300);
    // What stood there once, or stands elsewhere: its checksum and all its bodies are right.
    let other = Entry::compose(2, 5, [5; 16], Bytes::from(vec![b'.'; 300])).unwrap();
    let mut changed = entries[200..256].to_vec();
    changed[3] = other;
    subject.store = None;
    let db = ::sled::Config::new().path(subject.path().join("g-1")).open().unwrap();
    super::super::block::pack(&unit("BE"), 200, &changed, |(key, value)| drop(db.insert(key, value).unwrap()));
    drop(db);
    subject.reopen();
    let store = subject.store();
    assert!(matches!(store.entries(&unit("BE"), 0, 300, usize::MAX), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.leaf_hashes(&unit("BE"), 0), Err(StoreError::Corrupt { .. })));
    store.commit_one(&repair("BE", 0, entries[..256].to_vec())).unwrap();
    assert!(store.entries(&unit("BE"), 0, 300, usize::MAX).unwrap() == entries);
}

#[test]
fn a_repair_keeps_what_nobody_else_may_give_and_gives_back_nothing_that_is_erased() {
    let (mut subject, entries) = with_referrals(300);
    let store = subject.store();
    // 10 is erased for good; of 250 an uncertified erasure is known, so partners give it without its body.
    store.commit_one(&ends("BE", 10, 1)).unwrap();
    store.commit_one(&Batch { announced: vec![erasure("BE", 250, 299)], ..Batch::default() }).unwrap();
    spoil(&mut subject, "BE", 0);
    let store = subject.store();
    assert!(store.entry(&unit("BE"), 0).is_err());
    let mut given = entries[..256].to_vec();
    given[250] = given[250].without_body();
    store.commit_one(&repair("BE", 0, given.clone())).unwrap();
    let read = store.entries_to_fold(&unit("BE"), 0, 256, usize::MAX).unwrap();
    assert!(read[10].body().is_none() && read[250] == entries[250] && read[0] == entries[0]);
    // Where the body that is withheld is itself what was lost, it is not whole without it.
    spoil(&mut subject, "BE", 250);
    let store = subject.store();
    assert!(store.entries(&unit("BE"), 0, 256, usize::MAX).is_err());
    let done = store.commit_one(&repair("BE", 0, given));
    assert!(matches!(done, Err(StoreError::Corrupt { index: 250, .. })), "{done:?}");
    assert_eq!(store.found_bad().len(), 1);
    store.commit_one(&repair("BE", 0, entries[..256].to_vec())).unwrap();
    assert!(store.entry(&unit("BE"), 10).unwrap().unwrap().body().is_none());
}

#[test]
fn a_scrub_and_a_backup_find_what_nobody_read_and_succeed_once_it_is_repaired() {
    let (mut subject, entries) = with_referrals(300);
    spoil(&mut subject, "BE", 100);
    let store = subject.store();
    let scrubbed = store.scrub(&mut |_| ControlFlow::Continue(()));
    assert!(matches!(scrubbed, Err(StoreError::Corrupt { .. })), "{scrubbed:?}");
    assert_eq!(store.found_bad().len(), 1);
    store.commit_one(&repair("BE", 0, entries[..256].to_vec())).unwrap();
    store.scrub(&mut |_| ControlFlow::Continue(())).unwrap();
    store.back_up(&subject.home.path().join("copy")).unwrap();
    assert!(all(store, "BE") == entries);
}

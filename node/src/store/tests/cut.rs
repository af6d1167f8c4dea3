//! Cutting a log back, against both stores; and what happens beside it on disk.

use super::*;

fn cut(of: &str, to: u64) -> Batch {
    Batch { rewind: Some((unit(of), size(to))), ..Batch::default() }
}

/// Another branch: from an index on its entries are others.
fn branch(from: u64, to: u64) -> Append {
    let mut append = append_sized("BE", from, to, |index| 30 + (index % 4) as usize * 3_000);
    append.level1.iter_mut().for_each(|(_, hash)| *hash = Hash([0xbb; 32]));
    append
}

/// A certified checkpoint's note, as far as the store looks into it.
fn certified(of: &str, size: u64) -> Batch {
    let note = Bytes::from(format!("takedown.example/{of}\n{size}\nroot\n"));
    Batch { heads: vec![(unit(of), HeadKind::Certified, note)], ..Batch::default() }
}

pub(super) fn a_log_is_cut_back_and_grows_another_way<S: Subject>() {
    for to in [0, 1, 5, 255, 256, 257, 300, 599] {
        let mut subject = S::new();
        let mut first = append_sized("BE", 0, 600, |index| [400, 12_000, 30][index as usize % 3]);
        for gap in [4, 299, 598] {
            first.entries[gap] = first.entries[gap].without_body();
        }
        let newest = vec![(unit("BE"), HeadKind::Newest, Bytes::from(vec![7; 20_000]))];
        subject.store().commit_one(&Batch { heads: newest, ..appends(first.clone()) }).unwrap();
        subject.store().commit_one(&appends(append("FR", 0, 3))).unwrap();
        subject.store().commit_one(&certified("BE", to)).unwrap();
        subject.store().commit_one(&cut("BE", to)).unwrap();
        for _ in 0..2 {
            let store = subject.store();
            let log = store.log(&unit("BE")).unwrap();
            assert_eq!((log.size, log.newest), (size(to), None));
            assert_eq!(log.level1, (0..to / 256).map(level1).collect::<Vec<_>>());
            let left = &first.entries[..to as usize];
            assert_eq!(
                log.tail_leaves,
                left[to as usize / 256 * 256..].iter().map(Entry::leaf_hash).collect::<Vec<_>>()
            );
            assert_eq!(log.gaps, [4, 299, 598].into_iter().filter(|gap| *gap < to).collect::<Vec<_>>());
            assert!(all(store, "BE") == left);
            assert_eq!(store.entry(&unit("BE"), to).unwrap(), None);
            assert_eq!(store.size(&unit("FR")), size(3));
            subject.reopen();
        }
        // The other branch, in one group with a cut that changes nothing any more.
        let other = branch(to, 700);
        let results = subject.store().commit(&[cut("BE", to), appends(other.clone()), cut("BE", 700)]).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        for _ in 0..2 {
            let whole: Vec<_> = first.entries[..to as usize].iter().chain(&other.entries).cloned().collect();
            assert!(all(subject.store(), "BE") == whole);
            subject.reopen();
        }
    }
}

pub(super) fn what_an_erasure_that_goes_had_announced_is_withheld_no_more<S: Subject>() {
    let mut subject = S::new();
    let announced = vec![erasure("BE", 3, 5), erasure("BE", 4, 9), erasure("BE", 8, 9)];
    subject.store().commit_one(&Batch { announced, ..appends(referrals("BE", 0, 12)) }).unwrap();
    subject.store().commit_one(&cut("BE", 7)).unwrap();
    for _ in 0..2 {
        assert_eq!(subject.store().all_withheld(), [erasure("BE", 3, 5)]);
        let shown: Vec<_> = all(subject.store(), "BE").iter().map(|entry| entry.body().is_some()).collect();
        assert_eq!(shown, [true, true, true, false, true, true, true]);
        subject.reopen();
    }
    subject.store().commit_one(&appends(referrals("BE", 7, 12))).unwrap();
    assert!(all(subject.store(), "BE")[8].body().is_some());
}

pub(super) fn an_adoption_that_goes_is_noted_no_more<S: Subject>() {
    let mut subject = S::new();
    let mut log = append("BE", 0, 30);
    for at in [0, 9, 20] {
        log.entries[at] = Entry::compose(15, 2_000, [at as u8; 16], Bytes::from_static(b"a charter")).unwrap();
    }
    subject.store().commit_one(&appends(log)).unwrap();
    assert_eq!(subject.store().adopts(&unit("BE")).unwrap(), [0, 9, 20]);
    subject.store().commit_one(&cut("BE", 9)).unwrap();
    subject.store().commit_one(&appends(append("BE", 9, 30))).unwrap();
    for _ in 0..2 {
        assert_eq!(subject.store().adopts(&unit("BE")).unwrap(), [0]);
        subject.reopen();
    }
}

pub(super) fn what_is_certified_is_never_cut_off<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    store.commit_one(&appends(append("BE", 0, 20))).unwrap();
    store.commit_one(&certified("BE", 15)).unwrap();
    let refusal = Refused::Certified { unit: unit("BE"), certified: 15, size: 14 };
    assert_eq!(refused(store.commit_one(&cut("BE", 14))), refusal);
    let both = Batch { appends: vec![append("BE", 20, 21)], ..cut("BE", 16) };
    assert_eq!(refused(store.commit_one(&both)), Refused::Rewind(unit("BE")));
    assert_eq!(store.size(&unit("BE")), size(20));
    store.commit_one(&cut("BE", 15)).unwrap();
    // Nothing is left to be cut off.
    for to in [15, 16, 999] {
        store.commit_one(&cut("BE", to)).unwrap();
    }
    store.commit_one(&cut("FR", 0)).unwrap();
    assert_eq!((store.size(&unit("BE")), store.units()), (size(15), vec![unit("BE")]));
}

/// An append whose level-1 hashes are those of the log that it makes, given what is before it.
fn sound(before: &[Entry], append: Append) -> Append {
    let from = append.from.get();
    let whole: Vec<Hash> = before[..from as usize].iter().chain(&append.entries).map(Entry::leaf_hash).collect();
    let bundle = |bundle: u64| {
        let first = (bundle * BUNDLE_ENTRIES) as usize;
        (bundle, entente_proto::tree::level1(&whole[first..first + 256]).unwrap())
    };
    let level1 = (from / BUNDLE_ENTRIES..whole.len() as u64 / BUNDLE_ENTRIES).map(bundle).collect();
    Append { level1, ..append }
}

#[test]
fn a_cut_in_the_middle_of_a_scrub_is_followed_by_the_copy() {
    let mut subject = OnDisk::new();
    subject.store().commit_one(&appends(sound(&[], append("BE", 0, 1_000)))).unwrap();
    let (mut at, mut whole) = (Vec::new(), append("BE", 0, 1_000).entries);
    subject
        .store()
        .scrub(&mut |step| {
            // Once in the copy and once among the checks.
            if !at.contains(&step.phase) && matches!(step.phase, ScrubPhase::Copying | ScrubPhase::Verifying) {
                at.push(step.phase);
                let to = if step.phase == ScrubPhase::Copying { 600 } else { 300 };
                let other = sound(&whole, branch(to, 900 + to % 7));
                whole.truncate(to as usize);
                whole.extend(other.entries.iter().cloned());
                subject.store().commit_one(&cut("BE", to)).unwrap();
                subject.store().commit_one(&appends(other)).unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(at.len(), 2);
    for _ in 0..2 {
        assert!(all(subject.store(), "BE") == whole);
        subject.reopen();
    }
}

#[test]
fn readers_meet_nothing_damaged_while_a_log_is_cut_back() {
    let subject = OnDisk::new();
    let store = subject.store();
    store.commit_one(&appends(append("BE", 0, 200))).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let read = store.entries(&unit("BE"), 0, 400, usize::MAX).unwrap();
                    assert!(read.len() >= 90);
                    store.leaf_hashes(&unit("BE"), 0).unwrap();
                }
            });
        }
        for round in 0..60 {
            store.commit_one(&cut("BE", 90 + round % 7)).unwrap();
            let next = if round % 2 == 0 { branch(90 + round % 7, 200) } else { append("BE", 90 + round % 7, 200) };
            store.commit_one(&appends(next)).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

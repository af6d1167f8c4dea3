use super::*;
use entente_proto::wire;

pub(super) fn an_empty_store_knows_no_logs<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    assert!(store.units().is_empty());
    assert_eq!(store.size(&unit("BE")), Size::ZERO);
    assert_eq!(store.log(&unit("BE")).unwrap(), StoredLog::default());
    assert!(store.entries(&unit("BE"), 0, 10, 1_000).unwrap().is_empty());
    assert!(store.leaf_hashes(&unit("BE"), 0).unwrap().is_empty());
    assert_eq!(store.payload(&unit("BE"), 0).unwrap(), None);
    assert_eq!(store.submission(&[0; 16]).unwrap(), None);
}

/// Payload lengths around every limit of the packing.
fn length(index: u64) -> usize {
    [1, 400, 100, 6_380, 6_400, 6_420, 6_421, 6_430, 6_500, 12_000, 65_536, 3_000, 3_500][index as usize % 13]
}

pub(super) fn entries_come_back_as_they_were_given<S: Subject>() {
    let mut subject = S::new();
    let ends = [0, 1, 2, 17, 100, 256, 257, 400, 512, 800];
    let expected: Vec<_> = (0..800).map(|index| entry(index, length(index))).collect();
    let hashes: Vec<_> = expected.iter().map(Entry::leaf_hash).collect();
    for (from, to) in ends.iter().zip(&ends[1..]) {
        let mut append = append_sized("BE", *from, *to, length);
        for (bundle, hash) in &mut append.level1 {
            *hash = entente_proto::tree::level1(&hashes[*bundle as usize * 256..][..256]).unwrap();
        }
        subject.store().commit_one(&appends(append)).unwrap();
        assert_eq!(subject.store().size(&unit("BE")).get(), *to);
    }
    for _ in 0..2 {
        let store = subject.store();
        assert!(all(store, "BE") == expected);
        for index in (0..800).step_by(7) {
            let there = &expected[index as usize];
            assert_eq!(store.payload(&unit("BE"), index).unwrap().as_ref(), there.payload());
            assert_eq!(store.entry(&unit("BE"), index).unwrap().as_ref(), Some(there));
        }
        for bundle in 0..4 {
            let hashes: Vec<_> = expected.iter().map(Entry::leaf_hash).skip(bundle * 256).take(256).collect();
            assert_eq!(store.leaf_hashes(&unit("BE"), bundle as u64).unwrap(), hashes);
        }
        assert!(store.leaf_hashes(&unit("BE"), 4).unwrap().is_empty());
        assert_eq!(store.entry(&unit("BE"), 800).unwrap(), None);
        assert_eq!(store.entry(&unit("BE"), u64::MAX - 1).unwrap(), None);
        subject.reopen();
    }
}

pub(super) fn a_read_ends_at_its_limits<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    store.commit_one(&appends(append("BE", 0, 50))).unwrap();
    let one = entente_proto::entry::encoded_len(&entry(0, 400));
    let read = |from, count, bytes| store.entries(&unit("BE"), from, count, bytes).unwrap().len();
    assert_eq!(read(0, 10, usize::MAX), 10);
    assert_eq!(read(45, 10, usize::MAX), 5);
    assert_eq!(read(50, 10, usize::MAX), 0);
    assert_eq!(read(3, 0, usize::MAX), 0);
    assert_eq!(read(3, 10, 0), 1, "at least one");
    assert_eq!(read(3, 10, one * 4), 4);
    assert_eq!(read(0, usize::MAX, usize::MAX), 50);
}

pub(super) fn what_was_committed_is_there_after_opening_again<S: Subject>() {
    let mut subject = S::new();
    let mut first = append("BE", 0, 600);
    first.entries[3] = first.entries[3].without_body();
    first.entries[599] = first.entries[599].without_body();
    let batch = Batch {
        appends: vec![first.clone(), append("FR", 0, 3)],
        heads: vec![(unit("BE"), HeadKind::Newest, Bytes::from_static(b"note"))],
        submissions: vec![([7; 16], 599)],
        ..Batch::default()
    };
    subject.store().commit_one(&batch).unwrap();
    for _ in 0..2 {
        let store = subject.store();
        assert_eq!(store.units(), [unit("BE"), unit("FR")]);
        let log = StoredLog {
            size: size(600),
            level1: vec![level1(0), level1(1)],
            tail_leaves: first.entries[512..].iter().map(Entry::leaf_hash).collect(),
            newest: Some(Bytes::from_static(b"note")),
            gaps: vec![3, 599],
            ..StoredLog::default()
        };
        assert_eq!(store.log(&unit("BE")).unwrap(), log);
        assert_eq!(store.log(&unit("FR")).unwrap().size, size(3));
        assert_eq!(store.submission(&[7; 16]).unwrap(), Some(599));
        assert!(all(store, "BE") == first.entries);
        subject.reopen();
    }
}

pub(super) fn an_append_must_begin_at_the_end<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    let gap = |from, size| Refused::Gap { unit: unit("BE"), from, size };
    assert_eq!(refused(store.commit_one(&appends(append("BE", 1, 2)))), gap(1, 0));
    store.commit_one(&appends(append("BE", 0, 5))).unwrap();
    assert_eq!(refused(store.commit_one(&appends(append("BE", 6, 7)))), gap(6, 5));
    assert_eq!(store.size(&unit("BE")), size(5));
}

pub(super) fn the_same_append_again_changes_nothing<S: Subject>() {
    let mut subject = S::new();
    for (from, to) in [(0, 300), (0, 300), (0, 10), (290, 300), (250, 520), (0, 520), (520, 520)] {
        subject.store().commit_one(&appends(append("BE", from, to))).unwrap();
    }
    subject.reopen();
    let log = subject.store().log(&unit("BE")).unwrap();
    assert_eq!((log.size, log.level1), (size(520), vec![level1(0), level1(1)]));
    assert!(all(subject.store(), "BE") == append("BE", 0, 520).entries);

    let mut other = append("BE", 0, 300);
    other.level1[0].1 = level1(9);
    let expected = Refused::Level1 { unit: unit("BE"), bundle: 0 };
    assert_eq!(refused(subject.store().commit_one(&appends(other))), expected);
}

pub(super) fn another_leaf_is_refused_and_nothing_of_its_batch_is_taken<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    store.commit_one(&appends(append("BE", 0, 20))).unwrap();
    let batch = Batch {
        appends: vec![append("FR", 0, 3), append_sized("BE", 10, 30, |index| if index == 15 { 401 } else { 400 })],
        heads: vec![(unit("BE"), HeadKind::Certified, Bytes::from_static(b"note"))],
        submissions: vec![([1; 16], 1)],
        ..Batch::default()
    };
    assert_eq!(refused(store.commit_one(&batch)), Refused::Conflict { unit: unit("BE"), index: 15 });
    assert_eq!(store.units(), [unit("BE")]);
    assert_eq!(store.size(&unit("BE")), size(20));
    assert_eq!(store.log(&unit("BE")).unwrap().certified, None);
    assert_eq!(store.submission(&[1; 16]).unwrap(), None);
}

pub(super) fn each_full_bundle_needs_its_level_1_hash<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    let with = |from, to, bundles: &[u64]| {
        let level1 = bundles.iter().map(|bundle| (*bundle, level1(*bundle))).collect();
        store.commit_one(&appends(Append { level1, ..append("BE", from, to) }))
    };
    let fault = |bundle| Refused::Level1 { unit: unit("BE"), bundle };
    assert_eq!(refused(with(0, 256, &[])), fault(0));
    assert_eq!(refused(with(0, 255, &[0])), fault(0));
    assert_eq!(refused(with(0, 513, &[0])), fault(1));
    assert_eq!(refused(with(0, 513, &[1, 0])), fault(1));
    assert_eq!(refused(with(0, 513, &[0, 1, 1])), fault(1));
    assert_eq!(refused(with(0, 513, &[0, 1, 2])), fault(2));
    with(0, 255, &[]).unwrap();
    with(255, 513, &[0, 1]).unwrap();
    assert_eq!(store.log(&unit("BE")).unwrap().level1, [level1(0), level1(1)]);
}

pub(super) fn a_missing_body_is_a_gap_until_it_is_filled<S: Subject>() {
    let mut subject = S::new();
    let whole = append_sized("BE", 0, 40, length);
    let mut stripped = whole.clone();
    for index in [0, 9, 10, 39] {
        stripped.entries[index] = stripped.entries[index].without_body();
    }
    subject.store().commit_one(&appends(stripped.clone())).unwrap();
    assert!(all(subject.store(), "BE") == stripped.entries);
    // The same append with the bodies is the same append: it fills nothing.
    subject.store().commit_one(&appends(whole.clone())).unwrap();
    assert_eq!(subject.store().log(&unit("BE")).unwrap().gaps, [0, 9, 10, 39]);

    let fill =
        |index: u64| Fill { unit: unit("BE"), index, body: whole.entries[index as usize].body().unwrap().clone() };
    let wrong = Fill { index: 9, ..fill(10) };
    let batch = Batch { fills: vec![fill(0), wrong], ..Batch::default() };
    assert!(matches!(refused(subject.store().commit_one(&batch)), Refused::Body { index: 9, .. }));
    assert_eq!(subject.store().log(&unit("BE")).unwrap().gaps, [0, 9, 10, 39]);

    for fills in [vec![fill(9), fill(10)], vec![fill(0), fill(0), fill(5)]] {
        subject.store().commit_one(&Batch { fills, ..Batch::default() }).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(subject.store().log(&unit("BE")).unwrap().gaps, [39]);
        assert_eq!(subject.store().payload(&unit("BE"), 10).unwrap().as_ref(), whole.entries[10].payload());
        assert_eq!(subject.store().payload(&unit("BE"), 39).unwrap(), None);
        assert!(all(subject.store(), "BE")[..39] == whole.entries[..39]);
        subject.reopen();
    }
}

pub(super) fn an_erased_body_is_gone_wherever_it_was<S: Subject>() {
    let mut subject = S::new();
    let whole = append_sized("BE", 0, 40, length);
    let mut given = whole.clone();
    given.entries[13] = given.entries[13].without_body();
    subject.store().commit_one(&appends(given)).unwrap();
    let body = whole.entries[13].body().unwrap().clone();
    let fills = vec![Fill { unit: unit("BE"), index: 13, body }];
    subject.store().commit_one(&Batch { fills, ..Batch::default() }).unwrap();
    // Within a block two that share it, in parts, filled in later; one twice.
    let erased = [1, 2, 10, 13, 1];
    let erasures: Vec<_> = erased.iter().map(|index| (unit("BE"), *index)).collect();
    for _ in 0..2 {
        subject.store().commit_one(&Batch { erasures: erasures.clone(), ..Batch::default() }).unwrap();
        assert_eq!(subject.store().log(&unit("BE")).unwrap().gaps, [1, 2, 10, 13]);
        let found = all(subject.store(), "BE");
        for (index, (found, before)) in (0..).zip(found.iter().zip(&whole.entries)) {
            let expected = if erased.contains(&index) { before.without_body() } else { before.clone() };
            assert!(*found == expected, "{index}");
        }
        subject.reopen();
    }
    // What was erased by mistake of this node alone can come back.
    let fills = vec![Fill { unit: unit("BE"), index: 2, body: whole.entries[2].body().unwrap().clone() }];
    subject.store().commit_one(&Batch { fills, ..Batch::default() }).unwrap();
    assert_eq!(subject.store().payload(&unit("BE"), 2).unwrap().as_ref(), whole.entries[2].payload());
}

pub(super) fn fills_and_erasures_need_an_entry<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    store.commit_one(&appends(append("BE", 0, 3))).unwrap();
    let no = |of, index| Refused::NoEntry { unit: unit(of), index };
    let body = entry(3, 400).body().unwrap().clone();
    let fills = vec![Fill { unit: unit("BE"), index: 3, body }];
    assert_eq!(refused(store.commit_one(&Batch { fills: fills.clone(), ..Batch::default() })), no("BE", 3));
    // Nor one that the same batch brings.
    assert_eq!(refused(store.commit_one(&Batch { fills, ..appends(append("BE", 3, 4)) })), no("BE", 3));
    let erasures = vec![(unit("FR"), 0)];
    assert_eq!(refused(store.commit_one(&Batch { erasures, ..Batch::default() })), no("FR", 0));
}

pub(super) fn notes_replace_each_other<S: Subject>() {
    let mut subject = S::new();
    let long = Bytes::from((0..60_000_u32).map(|at| at as u8).collect::<Vec<_>>());
    let head = |kind, note: &Bytes| Batch { heads: vec![(unit("BE"), kind, note.clone())], ..Batch::default() };
    let short = Bytes::from_static(b"short");
    for (kind, note) in [
        (HeadKind::Newest, &long),
        (HeadKind::Newest, &short),
        (HeadKind::Certified, &short),
        (HeadKind::Certified, &long),
        (HeadKind::Bridge, &Bytes::new()),
    ] {
        subject.store().commit_one(&head(kind, note)).unwrap();
    }
    for _ in 0..2 {
        let log = subject.store().log(&unit("BE")).unwrap();
        assert_eq!(
            (log.newest, log.certified, log.bridge),
            (Some(short.clone()), Some(long.clone()), Some(Bytes::new()))
        );
        subject.reopen();
    }
    let too_long = Bytes::from(vec![0; 70_000]);
    assert_eq!(refused(subject.store().commit_one(&head(HeadKind::Newest, &too_long))), Refused::NoteLength(70_000));
}

pub(super) fn a_submission_has_one_index<S: Subject>() {
    let mut subject = S::new();
    let given = |submissions: &[([u8; 16], u64)]| Batch { submissions: submissions.to_vec(), ..Batch::default() };
    subject.store().commit_one(&given(&[([1; 16], 5), ([2; 16], 6), ([1; 16], 5)])).unwrap();
    subject.reopen();
    subject.store().commit_one(&given(&[([1; 16], 5)])).unwrap();
    assert_eq!(refused(subject.store().commit_one(&given(&[([3; 16], 7), ([2; 16], 7)]))), Refused::Submission(6));
    assert_eq!(refused(subject.store().commit_one(&given(&[([3; 16], 7), ([3; 16], 8)]))), Refused::Submission(7));
    assert_eq!(subject.store().submission(&[2; 16]).unwrap(), Some(6));
    assert_eq!(subject.store().submission(&[3; 16]).unwrap(), None);
}

pub(super) fn a_refused_batch_does_not_stop_the_others<S: Subject>() {
    let mut subject = S::new();
    let group = [appends(append("BE", 0, 5)), appends(append("BE", 6, 9)), appends(append("BE", 5, 7))];
    let results = subject.store().commit(&group).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    subject.reopen();
    assert!(all(subject.store(), "BE") == append("BE", 0, 7).entries);
}

pub(super) fn batches_of_a_group_build_on_each_other<S: Subject>() {
    let mut subject = S::new();
    let whole = append("BE", 0, 300);
    let mut given = append("BE", 0, 260);
    given.entries[7] = given.entries[7].without_body();
    let body = whole.entries[7].body().unwrap().clone();
    let erase = |index| Batch { erasures: vec![(unit("BE"), index)], ..Batch::default() };
    let group = [
        appends(given.clone()),
        appends(append("BE", 250, 300)),
        Batch { fills: vec![Fill { unit: unit("BE"), index: 7, body }], ..Batch::default() },
        erase(8),
        erase(8),
        erase(7),
        erase(299),
        appends(given),
        Batch { submissions: vec![([1; 16], 1)], ..Batch::default() },
        Batch { submissions: vec![([1; 16], 2)], ..Batch::default() },
    ];
    let results = subject.store().commit(&group).unwrap();
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    for _ in 0..2 {
        let log = subject.store().log(&unit("BE")).unwrap();
        assert_eq!((log.size, log.gaps), (size(300), vec![7, 8, 299]));
        assert!(all(subject.store(), "BE")[9..299] == whole.entries[9..299]);
        assert_eq!(subject.store().submission(&[1; 16]).unwrap(), Some(1));
        subject.reopen();
    }
}

pub(super) fn logs_of_similar_names_do_not_mix<S: Subject>() {
    let mut subject = S::new();
    let names = ["BE", "BE-1", "BEA", "BE1", "A1", "ZZ"];
    for (at, name) in (1..).zip(names) {
        subject.store().commit_one(&appends(append_sized(name, 0, at * 3, |index| (index + at) as usize))).unwrap();
    }
    subject.reopen();
    let mut sorted: Vec<_> = names.iter().map(|name| unit(name)).collect();
    sorted.sort();
    assert_eq!(subject.store().units(), sorted);
    for (at, name) in (1..).zip(names) {
        let expected = append_sized(name, 0, at * 3, |index| (index + at) as usize).entries;
        assert!(all(subject.store(), name) == expected, "{name}");
    }
}

pub(super) fn what_an_announced_erasure_names_is_for_the_fold_alone<S: Subject>() {
    let mut subject = S::new();
    let whole = referrals("BE", 0, 60).entries;
    let before = subject.store().announcements();
    // Named by the batch that brings it, by a later one, and by two of which the first counts.
    let first = Batch { announced: vec![erasure("BE", 4, 9)], ..appends(referrals("BE", 0, 10)) };
    let later =
        Batch { announced: vec![erasure("BE", 3, 40), erasure("BE", 4, 41)], ..appends(referrals("BE", 10, 60)) };
    for batch in [&first, &later, &later] {
        subject.store().commit_one(batch).unwrap();
    }
    assert!(subject.store().announcements() > before);
    for _ in 0..2 {
        let store = subject.store();
        let shown = all(store, "BE");
        for (index, (shown, whole)) in shown.iter().zip(&whole).enumerate() {
            let expected = if [3, 4].contains(&index) { whole.without_body() } else { whole.clone() };
            assert!(*shown == expected, "{index}");
        }
        assert_eq!(store.payload(&unit("BE"), 3).unwrap(), None);
        assert!(store.entries_to_fold(&unit("BE"), 0, 60, usize::MAX).unwrap() == whole);
        assert_eq!([3, 4, 5].map(|index| store.withheld(&unit("BE"), index)), [Some(40), Some(9), None]);
        assert_eq!(store.all_withheld(), [erasure("BE", 3, 40), erasure("BE", 4, 9)]);
        assert_eq!(store.log(&unit("BE")).unwrap().gaps, [] as [u64; 0], "nothing is missing");
        assert_eq!(store.scrub_due(), None);
        subject.reopen();
    }
    let unknown = Batch { announced: vec![erasure("BE", 60, 61)], ..Batch::default() };
    assert_eq!(refused(subject.store().commit_one(&unknown)), Refused::NoEntry { unit: unit("BE"), index: 60 });
}

pub(super) fn an_erasure_of_what_cannot_be_erased_withholds_nothing<S: Subject>() {
    let subject = S::new();
    // The kind of these is none that can end.
    let whole = append("BE", 0, 5);
    let batch = Batch { announced: vec![erasure("BE", 2, 4)], ..appends(whole.clone()) };
    subject.store().commit_one(&batch).unwrap();
    assert!(all(subject.store(), "BE") == whole.entries);
    let settled = vec![(unit("BE"), 2)];
    subject.store().commit_one(&Batch { settled, erased_ms: Some(1), ..Batch::default() }).unwrap();
    assert_eq!((subject.store().all_withheld(), subject.store().scrub_due()), (vec![], None));
    assert!(all(subject.store(), "BE") == whole.entries);
}

pub(super) fn a_settled_erasure_deletes_for_good_and_makes_a_scrub_due<S: Subject>() {
    let mut subject = S::new();
    let announced = vec![erasure("BE", 3, 9), erasure("BE", 5, 9)];
    subject.store().commit_one(&Batch { announced, ..appends(referrals("BE", 0, 10)) }).unwrap();
    let group = [ends("BE", 3, 70), ends("BE", 3, 80), ends("BE", 5, 90)];
    assert!(subject.store().commit(&group).unwrap().iter().all(Result::is_ok));
    for _ in 0..2 {
        let store = subject.store();
        assert_eq!(store.all_withheld(), []);
        assert_eq!([3, 4, 5].map(|index| store.lacks(&unit("BE"), index)), [true, false, true]);
        assert!(store.entries_to_fold(&unit("BE"), 3, 1, 0).unwrap()[0].body().is_none());
        let log = store.log(&unit("BE")).unwrap();
        assert_eq!((log.gaps, log.erased), (vec![3, 5], vec![(3, 9), (5, 9)]), "the store knows what erased them");
        assert_eq!(store.scrub_due(), Some(ScrubDue { since_ms: 70, records: 2 }), "one was deleted once");
        subject.reopen();
    }
}

pub(super) fn a_scrub_keeps_everything_that_counts<S: Subject>() {
    let mut subject = S::new();
    let mut stripped = referrals("BE", 0, 700);
    stripped.entries[9] = stripped.entries[9].without_body();
    let batch = Batch {
        appends: vec![stripped, referrals("FR", 0, 3)],
        announced: vec![erasure("BE", 20, 600)],
        heads: vec![(unit("BE"), HeadKind::Certified, Bytes::from(vec![7; 9_000]))],
        submissions: vec![([5; 16], 2)],
        ..Batch::default()
    };
    subject.store().commit_one(&batch).unwrap();
    for index in [0, 3, 300, 699] {
        subject.store().commit_one(&ends("BE", index, 50)).unwrap();
    }
    let content = |store: &dyn Store| {
        let logs: Vec<_> = ["BE", "FR"].map(|of| (store.log(&unit(of)).unwrap(), all(store, of))).into();
        let folded = store.entries_to_fold(&unit("BE"), 0, 700, usize::MAX).unwrap();
        (logs, folded, store.all_withheld(), store.submission(&[5; 16]).unwrap(), store.units())
    };
    let before = content(subject.store());
    for round in 0..3 {
        let records = subject.store().scrub(&mut |_| ControlFlow::Continue(())).unwrap().records;
        assert_eq!(records, if round == 0 { 4 } else { 0 });
        assert_eq!(subject.store().scrub_due(), None);
        assert!(content(subject.store()) == before, "round {round}");
        if round > 0 {
            subject.reopen();
            assert_eq!(subject.store().scrub_due(), None);
            assert!(content(subject.store()) == before, "round {round}, opened again");
        }
    }
    subject.store().commit_one(&appends(referrals("BE", 700, 800))).unwrap();
    subject.reopen();
    assert_eq!(subject.store().size(&unit("BE")), size(800));
}

pub(super) fn of_a_body_that_never_came_the_store_knows_the_erasure_too<S: Subject>() {
    let mut subject = S::new();
    let mut stripped = referrals("BE", 0, 10);
    stripped.entries[3] = stripped.entries[3].without_body();
    subject.store().commit_one(&Batch { announced: vec![erasure("BE", 3, 9)], ..appends(stripped) }).unwrap();
    assert_eq!(subject.store().log(&unit("BE")).unwrap().erased, []);
    subject.store().commit_one(&ends("BE", 3, 1)).unwrap();
    for _ in 0..2 {
        let log = subject.store().log(&unit("BE")).unwrap();
        assert_eq!((log.gaps, log.erased), (vec![3], vec![(3, 9)]));
        assert_eq!(subject.store().scrub_due(), None, "nothing was deleted");
        subject.reopen();
    }
}

pub(super) fn what_a_revoke_names_is_known_without_reading_the_logs<S: Subject>() {
    let revoke = |index: u64, spki: &[u8]| {
        let body = wire::record::Body::Revoke(wire::Revoke { spki_sha256: spki.to_vec(), reason: "lost".into() });
        let record = wire::Record { submission: vec![index as u8; 16], body: Some(body) };
        let payload = Bytes::from(prost::Message::encode_to_vec(&record));
        Entry::compose(18, 1_000 + index, [index as u8; 16], payload).unwrap()
    };
    let mut subject = S::new();
    // The third is malformed, so it is set aside; the fourth comes without its body; the fifth says what the first does.
    let entries = vec![
        revoke(0, &[1; 32]),
        entry(1, 100),
        revoke(2, &[2; 31]),
        revoke(3, &[3; 32]).without_body(),
        revoke(4, &[1; 32]),
    ];
    let append = |of: &str, entries: &[Entry]| Append {
        unit: unit(of),
        from: size(0),
        entries: entries.to_vec(),
        level1: vec![],
    };
    subject.store().commit_one(&appends(append("BE", &entries))).unwrap();
    subject.store().commit_one(&appends(append("BEL", &entries[..1]))).unwrap();
    let key = |of: &str, byte: u8| (unit(of), Hash([byte; 32]));
    let sorted = |store: &dyn Store| {
        let mut all = store.revocations().unwrap();
        all.sort();
        all
    };
    assert_eq!(sorted(subject.store()), [key("BE", 1), key("BEL", 1)]);
    let fill = Fill { unit: unit("BE"), index: 3, body: revoke(3, &[3; 32]).body().unwrap().clone() };
    subject.store().commit_one(&Batch { fills: vec![fill], ..Batch::default() }).unwrap();
    let all = [key("BE", 1), key("BE", 3), key("BEL", 1)];
    for _ in 0..2 {
        assert_eq!(sorted(subject.store()), all);
        subject.reopen();
    }
    subject.store().commit_one(&ends("BE", 1, 7)).unwrap();
    subject.store().scrub(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(sorted(subject.store()), all);
}

use super::*;
use crate::ids::RecordId;

fn entry(time_ms: u64, body: Body) -> Entry {
    compose(time_ms, [7; OPENING_BYTES], body).unwrap()
}

fn calls(count: u64) -> Vec<Entry> {
    let call = |i| {
        call(
            "officer/alice".into(),
            Hash::of(b"key"),
            "Show",
            "case 7",
            [i as u8; 16],
            vec![Part::Text(format!("d{i}.example"))],
        )
    };
    (0..count).map(|i| entry(i, Body::Call(call(i)))).collect()
}

fn root(entries: &[Entry]) -> Hash {
    let mut tree = crate::tree::MemoryTree::default();
    entries.iter().for_each(|entry| tree.push(entry.leaf_hash()).unwrap());
    tree.root()
}

fn head(index: u64, size: usize, entries: &[Entry]) -> Head {
    Head { by: FixedBy::Record(record(index)), size: size as u64, root: root(&entries[..size]), time_ms: 0 }
}

fn record(index: u64) -> RecordId {
    RecordId { unit: "BE".parse().unwrap(), index }
}

fn verify(heads: Vec<Head>, entries: &[Entry]) -> Verified {
    let mut verifier = Verifier::new(heads);
    entries.iter().for_each(|entry| {
        verifier.take(entry);
    });
    verifier.end()
}

#[test]
fn what_stands_under_a_head_is_covered_and_what_came_later_is_told() {
    let entries = calls(10);
    let heads = vec![head(3, 0, &entries), head(5, 4, &entries), head(9, 7, &entries)];
    let verified = verify(heads, &entries);
    assert_eq!((verified.size, verified.covered, verified.heads, verified.faults), (10, 7, 3, 0));
    assert_eq!(verified.root, root(&entries));
}

#[test]
fn a_line_that_is_changed_dropped_added_or_moved_is_seen_at_the_next_head() {
    let entries = calls(10);
    let heads = || vec![head(5, 4, &entries), head(9, 7, &entries)];
    let mut changed = entries.clone();
    changed[5] = entry(5, Body::Ended(wire::Ended { call: 4, rows: 1, code: 0, epoch: 0 }));
    let mut dropped = entries.clone();
    dropped.remove(5);
    let mut added = entries.clone();
    added.insert(5, entries[5].clone());
    let mut moved = entries.clone();
    moved.swap(5, 6);
    for other in [changed, dropped, added, moved] {
        let verified = verify(heads(), &other);
        assert_eq!((verified.covered, verified.heads), (4, 1));
        assert!(verified.faults >= 1);
    }
    let verified = verify(heads(), &entries[..6]);
    let kind = FaultKind::Short { by: FixedBy::Record(record(9)), found: 6 };
    assert_eq!(verified.first, Some(Fault { index: 7, kind }));
}

#[test]
fn an_end_without_its_call_and_a_time_that_goes_back_are_named() {
    let mut entries = calls(3);
    entries.push(entry(9, Body::Ended(wire::Ended { call: 2, rows: 5, code: 0, epoch: 0 })));
    assert_eq!(verify(Vec::new(), &entries).faults, 0);
    entries.push(entry(9, Body::Ended(wire::Ended { call: 3, rows: 5, code: 0, epoch: 0 })));
    entries.push(entry(9, Body::Ended(wire::Ended { call: 5, rows: 5, code: 0, epoch: 0 })));
    entries.push(entry(8, Body::Ended(wire::Ended { call: 0, rows: 5, code: 0, epoch: 0 })));
    let verified = verify(Vec::new(), &entries);
    assert_eq!(verified.first, Some(Fault { index: 4, kind: FaultKind::NoCall(3) }));
    assert_eq!(verified.faults, 3);
}

#[test]
fn what_is_no_access_entry_is_refused() {
    let other = Entry::compose(1, 5, [0; 16], vec![1, 2, 3].into()).unwrap();
    assert_eq!(parse(&other), Err(AccessError::NotCanonical));
    let payload =
        wire::Access { body: Some(Body::Ended(wire::Ended { call: 1, rows: 0, code: 0, epoch: 0 })) }.encode_to_vec();
    assert_eq!(parse(&Entry::compose(1, 5, [0; 16], payload.into()).unwrap()), Err(AccessError::Kind(1)));
    assert_eq!(parse(&calls(1)[0].without_body()), Err(AccessError::Missing));
}

#[test]
fn a_call_about_more_than_has_room_says_how_much_and_binds_it_by_a_hash() {
    let small = call("officer/a".into(), Hash::of(b"k"), "Check", "", [1; 16], vec![Part::Said("x".to_owned()); 100]);
    assert_eq!((small.about.len(), small.items, small.digest.len()), (100, 0, 0));
    let inputs: Vec<String> = (0..10_000).map(|i| format!("é{i}.example")).collect();
    let said = inputs.iter().cloned().map(Part::Said).collect();
    let large = call("officer/a".into(), Hash::of(b"k"), "Check", &"é".repeat(PURPOSE_BYTES_MAX), [1; 16], said);
    assert_eq!((large.items, large.digest.as_slice()), (10_000, &digest(&inputs).0[..]));
    assert!(large.about.len() > 1_000 && large.purpose.len() <= PURPOSE_BYTES_MAX);
    assert!(entry(1, Body::Call(large)).payload().unwrap().len() <= crate::limits::PAYLOAD_BYTES_MAX);
    let long =
        call("officer/a".into(), Hash::of(b"k"), "Show", "", [1; 16], vec![Part::Said("é".repeat(PART_BYTES_MAX))]);
    assert_eq!((long.about[0].len(), long.items, long.digest.len()), (PART_BYTES_MAX, 0, 32));
    let many =
        call("officer/a".into(), Hash::of(b"k"), "Check", "", [1; 16], vec![Part::Said("x".to_owned()); 100_000]);
    assert!(entry(1, Body::Call(many)).payload().unwrap().len() <= crate::limits::PAYLOAD_BYTES_MAX);
}

#[test]
fn every_target_of_a_whole_call_of_submissions_is_found() {
    let target = |at: usize| format!("{at}.{}.example", "x".repeat(60));
    let targets = (0..crate::limits::SUBMISSIONS_MAX).map(|at| Part::Text(target(at)));
    let about =
        [Part::Said("1000 refer".into()), Part::Said("judged alone".into())].into_iter().chain(targets).collect();
    let mut one = call("officer/a".into(), Hash::of(b"k"), "Submit", &"x".repeat(PURPOSE_BYTES_MAX), [1; 16], about);
    one.submissions = vec![vec![7; 16]; crate::limits::SUBMISSIONS_MAX];
    assert!([0, 999].into_iter().all(|at| is_about(&one, &target(at))) && !is_about(&one, &target(1_000)));
    assert!(entry(1, Body::Call(one)).payload().unwrap().len() <= crate::limits::PAYLOAD_BYTES_MAX);
}

#[test]
fn a_text_that_was_asked_for_is_found_by_who_has_it_and_read_by_nobody() {
    let about = vec![Part::Said("BE/17".into()), Part::Text("secret.example".into())];
    let one = call("officer/a".into(), Hash::of(b"k"), "Show", "", [1; 16], about.clone());
    assert!(!format!("{one:?}").contains("secret"));
    assert!(is_about(&one, "secret.example") && is_about(&one, "BE/17") && !is_about(&one, "other.example"));
    let other = call("officer/a".into(), Hash::of(b"k"), "Show", "", [2; 16], about);
    assert_ne!(one.about[1], other.about[1]);
    let about = vec![Part::Filter("text", "secret".into())];
    let filter = call("officer/a".into(), Hash::of(b"k"), "List", "", [1; 16], about);
    assert!(filter.about[0].starts_with("text ~") && is_about(&filter, "secret") && !is_about(&filter, "text"));
}

#[test]
fn an_epoch_that_ended_is_fixed_to_its_last_line_by_the_next() {
    let entries = calls(10);
    let root_of = root(&entries);
    let ended = || vec![Head { by: FixedBy::Epoch(7), size: 10, root: root_of, time_ms: 0 }];
    let verified = verify(ended(), &entries);
    assert_eq!((verified.covered, verified.heads, verified.faults), (10, 1, 0));
    let short = verify(ended(), &entries[..9]).first.unwrap();
    assert_eq!(short, Fault { index: 10, kind: FaultKind::Short { by: FixedBy::Epoch(7), found: 9 } });
    assert!(short.to_string().contains("the beginning of epoch 7 fixes this size"), "{short}");
    let longer = verify(ended(), &calls(11)).first;
    assert_eq!(longer, Some(Fault { index: 10, kind: FaultKind::Beyond(FixedBy::Epoch(7)) }));
}

#[test]
fn where_the_epoch_before_ended_stands_first_and_ends_of_its_calls_are_taken() {
    let began = |time| entry(time, Body::Began(wire::Began { epoch: 3, size: 10, root: vec![1; 32] }));
    let ended = entry(2, Body::Ended(wire::Ended { call: 9, rows: 1, code: 0, epoch: 3 }));
    let deleted = entry(3, Body::Deleted(wire::Deleted { epoch: 2, days: 365 }));
    assert_eq!(verify(Vec::new(), &[began(1), ended.clone(), deleted]).faults, 0);
    let late = verify(Vec::new(), &[ended, began(3)]).first;
    assert_eq!(late, Some(Fault { index: 1, kind: FaultKind::NotFirst }));
}

const DAY_MS: u64 = 86_400_000;

/// Three epochs: the first fixed on the days 0 and 9, the second by nothing, the third from day 10 on.
fn ends() -> Ends {
    let mut ends = Ends::default();
    for (epoch, day) in [(100, 9), (100, 0), (300, 10), (300, 11)] {
        ends.fixed(epoch, day * DAY_MS);
    }
    ends
}

#[test]
fn an_epoch_is_over_when_a_record_fixes_a_later_one_and_due_so_many_days_later() {
    let mut ends = ends();
    assert_eq!(
        [0, 100, 200, 299].map(|epoch| ends.over_ms(epoch)),
        [Some(0), Some(10), Some(10), Some(10)].map(|day: Option<u64>| day.map(|day| day * DAY_MS))
    );
    assert_eq!(ends.over_ms(300), None, "the newest goes on");
    let said = |days| wire::Deleted { epoch: 200, days };
    assert_eq!(ends.judge(&said(30), 40 * DAY_MS, 40 * DAY_MS), Ok(()));
    let early = NotDue::Early { epoch: 200, days: 30, kept_s: 30 * 86_400 - 1, rule_s: 30 * 86_400 };
    assert_eq!(ends.judge(&said(30), 40 * DAY_MS - 1, 40 * DAY_MS), Err(early));
    assert_eq!(ends.judge(&said(0), 40 * DAY_MS, 40 * DAY_MS), Err(NotDue::NoRule));
    assert_eq!(ends.judge(&wire::Deleted { epoch: 300, days: 1 }, 40 * DAY_MS, 40 * DAY_MS), Err(NotDue::NotOver(300)));
    assert!(
        ends.is_due(200, 30, 40 * DAY_MS) && !ends.is_due(200, 30, 40 * DAY_MS - 1) && !ends.is_due(200, 0, u64::MAX)
    );
    // A record that waited until the node signed again still tells that the epoch went on.
    ends.fixed(200, 12 * DAY_MS);
    assert_eq!(ends.over_ms(200), Some(12 * DAY_MS));
    assert!(ends.judge(&said(30), 40 * DAY_MS, 40 * DAY_MS).is_err());
}

#[test]
fn a_time_that_partners_had_not_reached_makes_nothing_due() {
    let (ends, said) = (ends(), wire::Deleted { epoch: 200, days: 365 });
    let (now, ahead) = (12 * DAY_MS, 5 * 60 * 1_000);
    assert_eq!(ends.judge(&said, 375 * DAY_MS, now), Err(NotDue::Ahead(363 * DAY_MS)));
    assert_eq!(ends.judge(&said, 375 * DAY_MS, 375 * DAY_MS - ahead), Ok(()), "clocks differ by that much");
    assert_eq!(ends.judge(&said, 375 * DAY_MS, 375 * DAY_MS - ahead - 1), Err(NotDue::Ahead(ahead + 1)));
    let words = ends.judge(&said, now, now).unwrap_err().to_string();
    assert!(
        words.contains("epoch 200 was over for 172800 s then") && words.contains("365 days are 31536000 s"),
        "{words}"
    );
}

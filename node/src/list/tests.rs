use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, Size, UnitId};
use entente_proto::list::{Fold, Status};
use entente_proto::record::{self, Target};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::{Around, Ended, Listing, UnknownRules, run};
use crate::store::{Append, Batch, Erasure, MemoryStore, Store};

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn entry(body: Body, number: u8) -> Entry {
    let record = wire::Record { submission: vec![number; 16], body: Some(body) };
    let kind = record::RecordKind::of_body(record.body.as_ref().unwrap()).number();
    Entry::compose(kind, 1_000 + u64::from(number), [number; 16], record::encode(&record).unwrap()).unwrap()
}

fn refer(name: &str) -> Body {
    Body::Refer(wire::Refer {
        target: format!("domain:{name}"),
        categories: vec![wire::Category::Incites.into()],
        ..Default::default()
    })
}

/// A log of BE that refers two domains and takes the first back.
fn entries() -> Vec<Entry> {
    let withdraw = Body::Withdraw(wire::Withdraw { index: 0, reason: String::new() });
    vec![entry(refer("a.example"), 1), entry(refer("b.example"), 2), entry(withdraw, 3)]
}

/// A list whose thread runs, with BE's log in its store; it tells of each digest computed.
fn listing() -> (Arc<Listing>, std::sync::mpsc::Receiver<Hash>) {
    let (list, digests, _) = listing_of(entries(), Vec::new());
    (list, digests)
}

/// The same with these entries, of which these are announced to be erased; and what is told of erasures.
#[allow(clippy::type_complexity, reason = "two channels")]
fn listing_of(
    entries: Vec<Entry>,
    announced: Vec<Erasure>,
) -> (Arc<Listing>, std::sync::mpsc::Receiver<Hash>, std::sync::mpsc::Receiver<Vec<Ended>>) {
    let store = MemoryStore::new();
    let certified = Size::new(entries.len() as u64).unwrap();
    let append = Append { unit: unit("BE"), from: Size::ZERO, entries, level1: Vec::new() };
    store.commit_one(&Batch { appends: vec![append], announced, ..Batch::default() }).unwrap();
    let (list, news) = Listing::new(unit("BE"), Fold::new([unit("BE")], 1));
    let (digests, computed) = channel();
    let (endings, ended) = channel();
    let around = Around {
        list: list.clone(),
        store: Arc::new(store),
        charter: Hash::of(b"charter"),
        frontier: Box::new(move || BTreeMap::from([(unit("BE"), (certified, Hash::of(b"root")))])),
        folded: Box::new(move |_, digest| digests.send(digest).unwrap()),
        ended: Box::new(move |_, ended| endings.send(ended.to_vec()).unwrap()),
        spoken: Box::new(|_, _| {}),
        damaged: Box::new(|reason| panic!("{reason}")),
    };
    std::thread::spawn(move || run(around, &news));
    (list, computed, ended)
}

fn erase(index: u64, number: u8) -> Entry {
    entry(Body::Erase(wire::Erase { index, reason: wire::EraseReason::Mistake.into() }), number)
}

#[test]
fn i7_what_is_erased_is_not_pending_any_more_and_whoever_watches_is_not_told_it() {
    let entries = vec![entry(refer("a.example"), 1), entry(refer("b.example"), 2), erase(0, 3)];
    let announced = vec![Erasure { unit: unit("BE"), index: 0, by: 2 }];
    let (list, computed, ended) = listing_of(entries, announced);
    let mut changes = list.watch();
    list.held(unit("BE"), 3);
    list.wait_seen(3);
    {
        let state = list.read();
        assert_eq!(state.pending.count(), 3, "that there are statements is no secret");
        assert_eq!(state.pending.about(&target("domain:a.example")).count(), 0);
        assert!(!state.pending.names(&target("domain:a.example")) && state.pending.names(&target("domain:b.example")));
        let first = RecordId { unit: unit("BE"), index: 0 };
        assert_eq!(state.pending.target_of(&first), None);
    }
    assert_eq!(list.own_referral(&target("domain:a.example")), None);
    assert!(ended.try_recv().is_err(), "nothing is deleted before it is certified");
    list.certified(unit("BE"), 3);
    computed.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(ended.try_recv().unwrap(), [Ended { index: 0, counts: true }]);
    assert_eq!(list.read().fold.status(&target("domain:a.example")), None);
    for index in [0, 1, 2, 0, 1, 2] {
        let change = changes.blocking_recv().unwrap();
        assert_eq!((change.id.index, change.record.is_some()), (index, index != 0));
    }
}

#[test]
fn i7_an_erasure_heard_of_while_its_record_is_pending_hides_it() {
    let entries = vec![entry(refer("a.example"), 1), erase(0, 2)];
    // The first is noted before the store has heard of the second.
    let (list, _computed, _ended) = listing_of(entries, Vec::new());
    list.held(unit("BE"), 1);
    list.wait_seen(1);
    assert!(list.read().pending.names(&target("domain:a.example")));
    list.held(unit("BE"), 2);
    list.wait_seen(2);
    let state = list.read();
    assert_eq!(state.pending.targets_after(None).count(), 0);
    assert_eq!((state.pending.count(), state.pending.referral(&unit("BE"), &target("domain:a.example"))), (2, None));
}

#[test]
fn i7_of_several_erasures_the_first_that_may_erase_counts() {
    let withdraw = entry(Body::Withdraw(wire::Withdraw { index: 0, reason: String::new() }), 2);
    let entries = vec![entry(refer("a.example"), 1), withdraw, erase(1, 3), erase(0, 4), erase(0, 5), erase(9, 6)];
    let (list, computed, ended) = listing_of(entries, Vec::new());
    list.certified(unit("BE"), 6);
    list.held(unit("BE"), 6);
    computed.recv_timeout(Duration::from_secs(10)).unwrap();
    let told: Vec<_> = ended.try_iter().flatten().map(|ended| (ended.index, ended.counts)).collect();
    assert_eq!(told, [(1, false), (0, true), (0, false), (9, false)]);
}

#[test]
fn what_is_held_is_pending_until_it_is_certified() {
    let (list, computed) = listing();
    list.held(unit("BE"), 3);
    list.wait_seen(3);
    let first = RecordId { unit: unit("BE"), index: 0 };
    {
        let state = list.read();
        assert_eq!(state.pending.count(), 3);
        assert_eq!(state.fold.status(&target("domain:b.example")), None);
        assert_eq!(state.pending.about(&target("domain:a.example")).count(), 2, "the referral and its withdrawal");
        assert_eq!(state.pending.target_of(&first), Some(&target("domain:a.example")));
    }
    assert_eq!(list.own_referral(&target("domain:a.example")), None, "it was taken back, if not yet certified");
    assert_eq!(list.own_referral(&target("domain:b.example")), Some(1));
    list.certified(unit("BE"), 3);
    computed.recv_timeout(Duration::from_secs(10)).unwrap();
    let state = list.read();
    assert_eq!(state.pending.count(), 0);
    assert_eq!(state.pending.about(&target("domain:a.example")).count(), 0);
    assert_eq!(state.fold.status(&target("domain:a.example")), Some(Status::Cleared));
    assert_eq!(state.fold.status(&target("domain:b.example")), Some(Status::Listed));
}

#[test]
fn entries_handed_over_in_memory_and_entries_read_back_give_the_same_list() {
    let mut digests = Vec::new();
    for in_memory in [false, true] {
        let (list, computed) = listing();
        if in_memory {
            list.taken(unit("BE"), 0, &entries());
        }
        list.held(unit("BE"), 3);
        list.certified(unit("BE"), 3);
        digests.push(computed.recv_timeout(Duration::from_secs(10)).unwrap());
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_watcher_sees_a_statement_arrive_and_then_count() {
    let (list, _computed) = listing();
    let mut changes = list.watch();
    list.held(unit("BE"), 1);
    list.wait_seen(1);
    list.certified(unit("BE"), 1);
    let arrived = changes.blocking_recv().unwrap();
    let counted = changes.blocking_recv().unwrap();
    assert_eq!((arrived.certified, counted.certified), (false, true));
    assert_eq!(counted.target, Some(target("domain:a.example")));
    assert_eq!(counted.status, Some(Status::Listed));
}

#[test]
fn what_is_certified_already_when_it_comes_is_never_pending() {
    let (list, computed) = listing();
    let mut changes = list.watch();
    list.certified(unit("BE"), 3);
    list.held(unit("BE"), 3);
    computed.recv_timeout(Duration::from_secs(10)).unwrap();
    for index in 0..3 {
        let change = changes.blocking_recv().unwrap();
        assert_eq!((change.id.index, change.certified), (index, true));
    }
}

#[test]
fn a_fold_version_that_this_release_does_not_know_gives_no_list_and_keeps_nobody_waiting() {
    let (list, _news) = Listing::new(unit("BE"), Fold::new([unit("BE")], 2));
    assert_eq!(list.known(), Err(UnknownRules(2)));
    list.certified(unit("BE"), 7);
    list.wait_seen(7);
    assert_eq!((list.read().fold.counts().listed, list.read().digest), (0, None));
}

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

use super::{Around, Listing, run};
use crate::store::{Append, Batch, MemoryStore, Store};

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

/// A list whose thread runs, with BE's log in its store; `digests` tells of each digest computed.
fn listing() -> (Arc<Listing>, std::sync::mpsc::Receiver<Hash>) {
    let store = MemoryStore::new();
    let append = Append { unit: unit("BE"), from: Size::ZERO, entries: entries(), level1: Vec::new() };
    store.commit_one(&Batch { appends: vec![append], ..Batch::default() }).unwrap();
    let fold = Fold::new([unit("BE")], 1).unwrap();
    let (list, news) = Listing::new(unit("BE"), fold);
    let (digests, computed) = channel();
    let certified = Size::new(3).unwrap();
    let around = Around {
        list: list.clone(),
        store: Arc::new(store),
        charter: Hash::of(b"charter"),
        frontier: Box::new(move || BTreeMap::from([(unit("BE"), (certified, Hash::of(b"root")))])),
        folded: Box::new(move |_, digest| digests.send(digest).unwrap()),
        ended: Box::new(|_, _| {}),
        damaged: Box::new(|reason| panic!("{reason}")),
    };
    std::thread::spawn(move || run(around, &news));
    (list, computed)
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

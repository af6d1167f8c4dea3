//! I7 in the protocol: which payloads are taken later, and what does not go out any more.

use bytes::Bytes;

use crate::entry::{self, Entry, Run};
use crate::ids::{Size, UnitId};
use crate::record::{self, RecordKind};
use crate::sync::replica::Replica;
use crate::sync::withhold;
use crate::wire;
use crate::wire::bundle::Body as Bytewise;
use crate::wire::frame::Frame as Inner;
use crate::wire::record::Body;

fn unit() -> UnitId {
    "BE".parse().unwrap()
}

fn entry(kind: RecordKind, number: u8) -> Entry {
    Entry::compose(kind.number(), 1_000, [number; 16], Bytes::from(vec![number; 40])).unwrap()
}

fn erase(index: u64) -> Entry {
    let body = Body::Erase(wire::Erase { index, reason: wire::EraseReason::CourtOrder.into() });
    let record = wire::Record { submission: vec![7; 16], body: Some(body) };
    Entry::compose(RecordKind::Erase.number(), 1_000, [9; 16], record::encode(&record).unwrap()).unwrap()
}

fn take(replica: &mut Replica, entries: Vec<Entry>) {
    let grown = replica.grow(&entries).unwrap();
    replica.take(entries, grown).unwrap();
}

#[test]
fn a_payload_that_was_erased_is_not_taken_when_it_comes_late() {
    let (refer, withdraw) = (entry(RecordKind::Refer, 1), entry(RecordKind::Withdraw, 2));
    let mut replica = Replica::new(unit());
    take(&mut replica, vec![refer.without_body(), withdraw.without_body()]);
    assert!(replica.lacks(0, &refer).is_some() && replica.lacks(1, &withdraw).is_some());
    assert_eq!(replica.first_gap(), Some(0));
    take(&mut replica, vec![erase(0), erase(1)]);
    assert!(replica.lacks(0, &refer).is_none(), "nobody wants it any more");
    assert!(replica.fill(0, &refer).is_none());
    // What cannot be erased is wanted still.
    assert_eq!(replica.first_gap(), Some(1));
    assert!(replica.fill(1, &withdraw).is_some());
    assert_eq!(replica.complete(Size::new(4).unwrap()), Size::new(4).unwrap());
}

#[test]
fn an_erasure_that_comes_late_itself_counts_when_it_comes() {
    let (refer, erase) = (entry(RecordKind::Refer, 1), erase(0));
    let mut replica = Replica::new(unit());
    take(&mut replica, vec![refer.without_body(), erase.without_body()]);
    assert!(replica.fill(1, &erase).is_some());
    assert!(replica.lacks(0, &refer).is_none());
    assert_eq!(replica.first_gap(), None);
}

fn frame(entries: &[Entry]) -> wire::Frame {
    let mut body = Vec::new();
    entries.iter().for_each(|entry| entry::encode(entry, &mut body));
    let bundle = wire::Bundle {
        unit: "BE".to_owned(),
        from: 10,
        size: body.len() as u32,
        body: Some(Bytewise::Raw(body.into())),
        checkpoint: Bytes::from_static(b"note"),
        done: true,
    };
    wire::Frame { frame: Some(Inner::Bundle(bundle)) }
}

#[test]
fn a_frame_that_waits_to_go_out_loses_what_is_erased_meanwhile() {
    let entries = [entry(RecordKind::Refer, 1), entry(RecordKind::Withdraw, 2), entry(RecordKind::Hold, 3)];
    let stripped = withhold(frame(&entries), |of, index| of.as_str() == "BE" && index <= 11);
    let expected = [entries[0].without_body(), entries[1].clone(), entries[2].clone()];
    assert_eq!(stripped, frame(&expected), "and keeps what cannot be erased, and the rest");
    let Some(Inner::Bundle(bundle)) = stripped.frame else { panic!("a bundle") };
    let Some(Bytewise::Raw(raw)) = bundle.body else { panic!("a raw body") };
    assert_eq!(Run::new(raw).map(Result::unwrap).collect::<Vec<_>>(), expected);
    assert_eq!(withhold(frame(&entries), |_, _| false), frame(&entries));
    let hello = wire::Frame { frame: Some(Inner::Hello(wire::Hello::default())) };
    assert_eq!(withhold(hello.clone(), |_, _| true), hello);
}

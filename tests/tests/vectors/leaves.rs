//! Entries: headers, commitments, a run.

use bytes::Bytes;
use entente_proto::entry::{Entry, EntryHeader, Run, encode};
use entente_proto::hash::Hash;
use entente_proto::wire;
use prost::Message as _;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::world::START_MS;

pub(crate) fn files() -> Files {
    let mut entries = vec![
        composed(2, START_MS, 0x01, b"payload"),
        composed(20, START_MS + 1, 0x02, &[0]),
        composed(u32::MAX, u64::MAX, 0xff, &vec![0x5a; 65_536]),
        composed(1, 0, 0x00, "é\u{2014}\n".as_bytes()),
    ];
    entries.push(entries[0].without_body());
    let mut run = Vec::new();
    for entry in &entries {
        encode(entry, &mut run);
    }
    let read: Vec<Entry> = Run::new(Bytes::from(run.clone())).collect::<Result<_, _>>().unwrap();
    assert_eq!(read, entries);

    let mut files = Files::default();
    files.put("leaves/entries.run", run);
    files.put_json(
        "leaves/leaves.json",
        &json!({
            "entries": entries.iter().map(shown).collect::<Vec<_>>(),
            "refused_leaves": refused_leaves(&entries[0]),
            "refused_runs": refused_runs(&entries),
        }),
    );
    files
}

fn composed(kind: u32, time_ms: u64, opening: u8, payload: &[u8]) -> Entry {
    Entry::compose(kind, time_ms, [opening; 16], Bytes::copy_from_slice(payload)).unwrap()
}

fn shown(entry: &Entry) -> Value {
    let header = entry.header();
    json!({
        "kind": header.kind,
        "time_ms": header.time_ms,
        "payload_size": header.payload_size,
        "commitment": header.commitment.to_string(),
        "leaf": hex(entry.leaf()),
        "leaf_hash": entry.leaf_hash().to_string(),
        "opening": entry.body().map(|body| hex(body.opening)),
        "payload_sha256": entry.payload().map(|payload| Hash::of(payload).to_string()),
    })
}

fn refused_leaves(good: &Entry) -> Vec<Value> {
    let leaf = good.leaf().to_vec();
    let header = |change: fn(&mut wire::EntryHeader)| {
        let mut header = wire::EntryHeader::decode(&leaf[..]).unwrap();
        change(&mut header);
        header.encode_to_vec()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("an unknown field at the end", [&leaf[..], &[0x28, 0x01]].concat()),
        ("a varint that is longer than needed", [&[0x08, 0x82, 0x00], &leaf[2..]].concat()),
        ("a field twice", [&[0x08, 0x03], &leaf[..]].concat()),
        ("fields that do not ascend", [&leaf[2..], &leaf[..2]].concat()),
        ("a kind beyond 32 bits", [&[0x08, 0x82, 0x80, 0x80, 0x80, 0x10], &leaf[2..]].concat()),
        ("a default written out", [&leaf[..2], &[0x10, 0x00], &leaf[9..]].concat()),
        ("cut short", leaf[..leaf.len() - 1].to_vec()),
        ("no kind", header(|header| header.kind = 0)),
        ("a commitment of 31 bytes", header(|header| header.commitment.truncate(31))),
        ("no payload", header(|header| header.payload_size = 0)),
        ("a payload beyond 64 KiB", header(|header| header.payload_size = 65_537)),
        ("longer than 64 bytes", header(|header| header.commitment = vec![1; 60])),
    ];
    let shown = cases.into_iter().map(|(why, leaf)| {
        assert!(EntryHeader::parse(&leaf).is_err(), "{why}");
        json!({ "why": why, "leaf": hex(leaf) })
    });
    shown.collect()
}

fn refused_runs(entries: &[Entry]) -> Vec<Value> {
    let mut run = Vec::new();
    encode(&entries[1], &mut run);
    let body_at = 2 + entries[1].leaf().len();
    let with = |at: usize, bytes: &[u8]| {
        let mut run = run.clone();
        run[at..at + bytes.len()].copy_from_slice(bytes);
        run
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("cut in the payload", run[..run.len() - 1].to_vec()),
        ("cut in the length of the body", run[..body_at + 2].to_vec()),
        ("cut in the length of the leaf", [&run[..], &[0x00]].concat()),
        ("a body shorter than an opening", with(body_at, &15_u32.to_be_bytes())),
        ("a body of the opening alone", [&run[..body_at], &16_u32.to_be_bytes(), &[2; 16]].concat()),
        ("another opening", with(body_at + 4, &[0x03])),
        ("another payload", with(run.len() - 1, &[0x01])),
        ("a longer payload", [&run[..body_at], &18_u32.to_be_bytes(), &[2; 16], &[0, 0]].concat()),
        ("a leaf longer than 64 bytes", [&65_u16.to_be_bytes()[..], &[0; 65], &[0; 4]].concat()),
    ];
    let shown = cases.into_iter().map(|(why, run)| {
        let read: Result<Vec<Entry>, _> = Run::new(Bytes::from(run.clone())).collect();
        assert!(read.is_err(), "{why}");
        json!({ "why": why, "run": hex(run) })
    });
    shown.collect()
}

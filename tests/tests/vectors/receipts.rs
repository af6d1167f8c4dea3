//! Receipts, under the charter.

use entente_proto::cosignature::Cosignature;
use entente_proto::entry::Entry;
use entente_proto::note::{Note, NoteSignature, Signer};
use entente_proto::receipt::{Bearing, ReceiptError, UnverifiedReceipt, VerifiedReceipt};
use entente_proto::record::RecordKind;
use entente_proto::tree::{MemoryTree, inclusion_proof};
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Record};
use prost::Message as _;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::records::{full_refer, reference};
use crate::world::{START_MS, START_S, charter, checkpoint, log_signer, mirror_signer, size, unit};

const TARGET: &str = "domain:amaq.example";

pub(crate) fn files() -> Files {
    let mut files = Files::default();
    let mut accepted = Vec::new();
    let all = accepted_receipts();
    for (name, receipt) in &all {
        let file = format!("receipts/{name}.receipt");
        let verified = receipt.verify(&charter()).unwrap();
        assert_eq!(UnverifiedReceipt::parse(&receipt.to_bytes()).as_ref(), Ok(receipt));
        accepted.push(shown(&file, receipt, &verified));
        files.put(file, receipt.to_bytes());
    }
    let mut refused = Vec::new();
    for (name, bytes) in refused_receipts() {
        assert!(read(&bytes).is_err(), "{name}");
        let file = format!("receipts/refused/{name}.receipt");
        refused.push(file.clone());
        files.put(file, bytes);
    }
    files.put_json(
        "receipts/receipts.json",
        &json!({ "accepted": accepted, "bearings": bearings(&all), "refused": refused }),
    );
    files
}

fn read(bytes: &[u8]) -> Result<VerifiedReceipt, ReceiptError> {
    UnverifiedReceipt::parse(bytes)?.verify(&charter())
}

fn shown(file: &str, receipt: &UnverifiedReceipt, verified: &VerifiedReceipt) -> Value {
    let (head, said, entry) = (verified.checkpoint(), verified.checkpoint().checkpoint(), verified.entry());
    let body = entry.body().unwrap();
    let cosigners = head.cosignatures().iter().map(|(unit, said)| json!({ "unit": unit.as_str(), "time": said.time }));
    json!({
        "file": file,
        "id": verified.id().to_string(),
        "kind": verified.header().kind,
        "time_ms": verified.header().time_ms,
        "leaf": hex(receipt.leaf()),
        "opening": hex(body.opening),
        "payload": hex(&body.payload),
        "proof": receipt.proof().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "size": said.size.get(),
        "root": said.root.to_string(),
        "cosigners": cosigners.collect::<Vec<_>>(),
        "certified": verified.certified().is_ok(),
    })
}

/// What each says about the record of each other.
fn bearings(all: &[(&str, UnverifiedReceipt)]) -> Vec<Value> {
    let verified: Vec<_> = all.iter().map(|(name, receipt)| (name, receipt.verify(&charter()).unwrap())).collect();
    let mut found = Vec::new();
    for (later, receipt) in &verified {
        for (earlier, of) in &verified {
            let does = match receipt.bears_on(of) {
                None => continue,
                Some(Bearing::Withdraws(_)) => "withdraws",
                Some(Bearing::Erases(_)) => "erases",
                Some(Bearing::Objects(_)) => "objects",
                Some(Bearing::Supports(_)) => "supports",
            };
            found.push(json!({ "later": later, "does": does, "earlier": earlier }));
        }
    }
    found
}

fn entry(number: usize, body: Body) -> Entry {
    let kind = RecordKind::of_body(&body).number();
    let number = u8::try_from(number % 256).unwrap();
    let payload = Record { submission: vec![number; 16], body: Some(body) }.encode_to_vec();
    Entry::compose(kind, START_MS + u64::from(number), [number; 16], payload.into()).unwrap()
}

fn refer(target: &str) -> Body {
    Body::Refer(wire::Refer { target: target.into(), categories: vec![1], ..Default::default() })
}

fn opinion(stance: i32, ground: i32) -> Body {
    Body::Opinion(wire::Opinion { on: reference("BE/1"), stance, ground, text: "a newspaper".into() })
}

fn log(bodies: Vec<Body>) -> Vec<Entry> {
    bodies.into_iter().enumerate().map(|(number, body)| entry(number, body)).collect()
}

fn be() -> Vec<Entry> {
    let adopt = Body::Adopt(wire::Adopt { version: 1, digest: charter().digest().0.to_vec() });
    let withdraw = Body::Withdraw(wire::Withdraw { index: 1, reason: "a newspaper's report".into() });
    let erase = Body::Erase(wire::Erase { index: 1, reason: 4 });
    log(vec![adopt, Body::Refer(full_refer(TARGET)), withdraw, refer("domain:b.example"), erase])
}

fn long() -> Vec<Entry> {
    log((0..1_300).map(|n| refer(&format!("domain:{n}.example"))).collect())
}

fn receipt(of: &str, log: &[Entry], index: usize, cosigners: &[&str]) -> UnverifiedReceipt {
    let of = unit(of);
    let tree: MemoryTree = log.iter().map(Entry::leaf_hash).collect();
    let proof = inclusion_proof(&tree, u64::try_from(index).unwrap(), tree.size()).unwrap();
    let head = checkpoint(&of, size(log.len()), tree.root(), cosigners, START_S + 60);
    let note = head.to_note(&charter().mirrors(&of));
    UnverifiedReceipt::compose(u64::try_from(index).unwrap(), &log[index], proof, note).unwrap()
}

fn accepted_receipts() -> Vec<(&'static str, UnverifiedReceipt)> {
    let (be, long) = (be(), long());
    let opinions = log(vec![opinion(2, 2), opinion(1, 0)]);
    vec![
        ("a-referral", receipt("BE", &be, 1, &["FR", "UK"])),
        ("its-withdrawal", receipt("BE", &be, 2, &["FR", "NL", "UK"])),
        ("its-erasure", receipt("BE", &be, 4, &["FR", "NL"])),
        ("an-objection", receipt("NL", &opinions, 0, &["BE", "UK"])),
        ("a-support", receipt("NL", &opinions, 1, &["BE", "UK"])),
        ("the-only-entry", receipt("UK", &be[..1], 0, &["BE", "FR"])),
        ("in-a-long-log", receipt("FR", &long, 700, &["BE", "NL", "UK"])),
        ("the-last-of-a-long-log", receipt("FR", &long, 1_299, &["BE", "NL", "UK"])),
        ("one-cosignature", receipt("BE", &be, 3, &["NL"])),
        ("no-cosignature", receipt("BE", &be, 3, &[])),
    ]
}

fn refused_receipts() -> Vec<(&'static str, Vec<u8>)> {
    let good = receipt("BE", &be(), 1, &["FR", "UK"]);
    let text = String::from_utf8(good.to_bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let without = |number: usize| with(&format!("{}\n", lines[number]), "");
    let other = |payload: &'static [u8], kind| {
        let mut log = be();
        log[1] = Entry::compose(kind, START_MS, [1; 16], bytes::Bytes::from_static(payload)).unwrap();
        receipt("BE", &log, 1, &["FR", "UK"]).to_bytes()
    };
    let mut bad = vec![
        ("another-format", with("@v1", "@v2")),
        ("no-entry", without(1)),
        ("an-entry-with-a-space-after-it", with("\nindex", " \nindex")),
        ("an-entry-cut-short", with(lines[1], "extra AC0IAhA=")),
        (
            "another-entry",
            with(lines[1], String::from_utf8(receipt("BE", &be(), 3, &[]).to_bytes()).unwrap().lines().nth(1).unwrap()),
        ),
        ("no-index", without(2)),
        ("an-index-with-a-leading-zero", with("index 1\n", "index 01\n")),
        ("an-index-of-2-to-the-40", with("index 1\n", "index 1099511627776\n")),
        ("another-index", with("index 1\n", "index 0\n")),
        ("an-index-beyond-the-log", with("index 1\n", "index 5\n")),
        ("a-hash-missing", without(3)),
        ("a-hash-too-many", with(lines[5], &format!("{}\n{}", lines[5], lines[5]))),
        ("two-hashes-exchanged", with(&lines[3..5].join("\n"), &format!("{}\n{}", lines[4], lines[3]))),
        ("a-hash-of-31-bytes", with(lines[3], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")),
        ("no-empty-line", with("\n\ntakedown", "\ntakedown")),
        ("no-checkpoint", text.split_once("\n\n").unwrap().0.as_bytes().to_vec()),
        ("carriage-returns", text.replace('\n', "\r\n").into_bytes()),
        ("a-byte-order-mark", format!("\u{feff}{text}").into_bytes()),
        ("a-payload-that-is-no-record", other(b"a payload", 2)),
        ("a-record-of-a-kind-that-is-not-known", other(b"a payload", 99)),
    ];
    let lines_of = |change: fn(&str, &mut Vec<NoteSignature>)| {
        let note = Note::parse(good.checkpoint(), 1 << 16).unwrap();
        let mut lines = note.signatures().to_vec();
        change(note.text(), &mut lines);
        let mut signed = Note::draft(note.text().to_owned()).unwrap();
        lines.into_iter().for_each(|line| assert!(signed.add(line).unwrap()));
        let frame = text.split_once("\n\n").unwrap().0;
        [frame.as_bytes(), b"\n\n", &signed.to_bytes()].concat()
    };
    bad.extend([
        ("not-signed-by-the-author", lines_of(|_, lines| drop(lines.remove(0)))),
        (
            "signed-by-another-unit",
            lines_of(|text, lines| lines[0] = NoteSignature::sign(text, &log_signer(&unit("FR"))).unwrap()),
        ),
        ("a-wrong-signature", lines_of(|_, lines| lines[0].bytes[0] ^= 1)),
        ("a-wrong-cosignature", lines_of(|_, lines| lines[1].bytes[7] ^= 1)),
        ("cosignatures-in-another-order", lines_of(|_, lines| lines.swap(1, 2))),
        (
            "the-author-signs-as-a-mirror",
            lines_of(|text, lines| {
                let own = mirror_signer(&unit("BE"));
                lines.push(Cosignature::sign(text, START_S, &own).unwrap().to_line(own.key()));
            }),
        ),
        (
            "a-signature-of-an-unknown-key",
            lines_of(|_, lines| {
                lines.push(NoteSignature {
                    name: "witness.example/w1".parse().unwrap(),
                    id: [9; 4],
                    bytes: vec![7; 100],
                });
            }),
        ),
        (
            "a-unit-that-the-charter-does-not-list",
            text.replace("takedown.example/BE\n", "takedown.example/SE\n").into_bytes(),
        ),
    ]);
    bad
}

//! Checkpoints and cosignatures, read under the charter.

use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::note::{KeyName, MemorySigner, Note, NoteSignature, Signer};
use serde_json::{Value, json};

use crate::files::{Files, add_order};
use crate::world::{START_S, charter, checkpoint, log_signer, mirror_signer, network, size, unit};

pub(crate) fn files() -> Files {
    let mut files = Files::default();
    let mut accepted = Vec::new();
    for (name, note) in accepted_notes() {
        accepted.push(judged(&name, &note));
        files.put(format!("checkpoints/{name}.note"), note);
    }
    let mut refused = Vec::new();
    for (name, note) in refused_notes() {
        assert!(read(&note).is_err(), "{name}");
        refused.push(json!({ "file": format!("checkpoints/refused/{name}.note"), "log": "BE" }));
        files.put(format!("checkpoints/refused/{name}.note"), note);
    }
    files.put_json("checkpoints/checkpoints.json", &json!({ "accepted": accepted, "refused": refused }));
    files
}

fn read(note: &[u8]) -> Result<CosignedCheckpoint, impl std::fmt::Debug> {
    let be = unit("BE");
    let charter = charter();
    CosignedCheckpoint::read(note, log_signer(&be).key(), &charter.mirrors(&be))
}

fn judged(name: &str, note: &[u8]) -> Value {
    let read = read(note).unwrap();
    let certified = read.certified(&charter().quorum()).is_ok();
    let cosigners = read.cosignatures().iter().map(|(unit, said)| json!({ "unit": unit.as_str(), "time": said.time }));
    json!({
        "file": format!("checkpoints/{name}.note"),
        "log": "BE",
        "size": read.checkpoint().size.get(),
        "root": read.checkpoint().root.to_string(),
        "cosigners": cosigners.collect::<Vec<_>>(),
        "certified": certified,
    })
}

fn root() -> Hash {
    Hash::of(b"a root")
}

fn accepted_notes() -> Vec<(String, Vec<u8>)> {
    let be = unit("BE");
    let mirrors = charter().mirrors(&be);
    let note = |count: usize, root: Hash, cosigners: &[&str]| {
        checkpoint(&be, size(count), root, cosigners, START_S).to_note(&mirrors)
    };
    let two = Note::parse(&note(1_042, root(), &["FR", "UK"]), 1 << 16).unwrap();
    let mut lines = two.signatures().to_vec();
    lines.reverse();
    lines.insert(1, NoteSignature { name: "witness.example/w1".parse().unwrap(), id: [9; 4], bytes: vec![7; 100] });
    // The author's own mirror key is none of its log's mirrors.
    let own = Cosignature::sign(two.text(), START_S, &mirror_signer(&be)).unwrap();
    lines.push(own.to_line(mirror_signer(&be).key()));
    vec![
        ("signed".into(), note(1_042, root(), &[])),
        ("one-cosignature".into(), note(1_042, root(), &["NL"])),
        ("certified".into(), note(1_042, root(), &["FR", "UK"])),
        ("all-cosignatures".into(), note((1 << 40) - 1, root(), &["FR", "NL", "UK"])),
        ("empty-log".into(), note(0, Hash::EMPTY_ROOT, &["FR", "NL"])),
        ("other-order-and-unknown-keys".into(), with_lines(two.text(), &lines)),
    ]
}

fn with_lines(text: &str, lines: &[NoteSignature]) -> Vec<u8> {
    let mut note = Note::draft(text.to_owned()).unwrap();
    for line in lines {
        assert!(note.add(line.clone()).unwrap());
    }
    note.to_bytes()
}

/// The body, signed by the author and cosigned by FR and NL.
fn all_sign(body: &str) -> Vec<u8> {
    let cosigners = ["FR", "NL"].map(|id| mirror_signer(&unit(id)));
    let mut lines = vec![NoteSignature::sign(body, &log_signer(&unit("BE"))).unwrap()];
    lines.extend(cosigners.iter().map(|key| Cosignature::sign(body, START_S, key).unwrap().to_line(key.key())));
    with_lines(body, &lines)
}

fn refused_notes() -> Vec<(String, Vec<u8>)> {
    let name = KeyName::log(&network(), &unit("BE"));
    let body = Checkpoint { origin: name, size: size(8), root: root() }.body();
    let good = String::from_utf8(all_sign(&body)).unwrap();
    assert!(read(good.as_bytes()).is_ok());
    let lines = Note::parse(good.as_bytes(), 1 << 16).unwrap().signatures().to_vec();
    let base64 = body.lines().last().unwrap().to_owned();
    let signed = |from: &str, to: &str| all_sign(&body.replacen(from, to, 1));
    let altered = |from: &str, to: &str| good.replacen(from, to, 1).into_bytes();
    let line_of = |key: &MemorySigner, bytes: Vec<u8>| NoteSignature::new(key.key(), bytes);
    let (log, mirror) = (log_signer(&unit("BE")), mirror_signer(&unit("FR")));
    let mut wrong = lines[1].clone();
    wrong.bytes[40] ^= 1;
    let plain = mirror.sign(body.as_bytes()).unwrap();
    let replaced = |at: usize, line: NoteSignature| {
        let mut lines = lines.clone();
        lines[at] = line;
        with_lines(&body, &lines)
    };
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("an-extension-line", all_sign(&format!("{body}more\n"))),
        ("a-line-missing", all_sign(&body.replacen("\n8\n", "\n", 1))),
        ("a-size-with-a-leading-zero", signed("\n8\n", "\n08\n")),
        ("a-size-with-a-sign", signed("\n8\n", "\n+8\n")),
        ("a-size-of-2-to-the-40", signed("\n8\n", "\n1099511627776\n")),
        ("an-empty-log-with-a-root", signed("\n8\n", "\n0\n")),
        ("a-root-of-31-bytes", signed(&base64, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")),
        ("a-root-with-unused-bits", signed(&base64, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")),
        ("a-root-without-padding", signed(&base64, base64.trim_end_matches('='))),
        ("another-log", signed("/BE\n", "/UK\n")),
        ("another-size-than-was-signed", altered("\n8\n", "\n9\n")),
        ("not-signed-by-the-author", with_lines(&body, &lines[1..])),
        ("a-wrong-cosignature", replaced(1, wrong)),
        ("a-cosignature-of-another-unit", replaced(1, line_of(&mirror, lines[2].bytes.clone()))),
        ("a-mirror-key-that-signs-as-a-log-key", replaced(1, line_of(&mirror, plain.to_vec()))),
        ("a-mirror-key-that-signs-the-bare-body", {
            replaced(1, line_of(&mirror, [&START_S.to_be_bytes()[..], &plain].concat()))
        }),
        ("the-author-signs-as-a-mirror", replaced(0, line_of(&log, lines[1].bytes.clone()))),
        ("no-blank-line", altered("\n\n", "\n")),
        ("a-carriage-return", altered("\n8\n", "\n8\r\n")),
        ("no-newline-at-the-end", good.trim_end().as_bytes().to_vec()),
        ("something-after-the-signatures", format!("{good}\n").into_bytes()),
        ("a-hyphen-for-the-dash", altered("\u{2014}", "-")),
        ("two-spaces-in-a-line", altered("\u{2014} ", "\u{2014}  ")),
        ("no-signatures", format!("{body}\n").into_bytes()),
    ];
    let repeated = good.lines().last().unwrap();
    cases.push(("a-line-twice", format!("{good}{repeated}\n").into_bytes()));
    // The same number under S + L: an alteration that a lax verifier lets pass.
    let mut high = lines[0].clone();
    add_order(&mut high.bytes[32..]);
    cases.push(("s-beyond-the-order", replaced(0, high)));
    cases.into_iter().map(|(name, note)| (name.to_owned(), note)).collect()
}

//! Signed notes: their one form, whoever signed, and what a signature must fulfil.

use entente_proto::hash::Hash;
use entente_proto::limits::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use entente_proto::note::{Algorithm, KeyName, Note, NoteSignature, Signer, VerifierKey};
use serde_json::{Value, json};

use crate::files::{Files, add_order, hex, unhex};
use crate::world::{log_signer, unit};

pub(crate) fn files() -> Files {
    let mut files = Files::default();
    let mut accepted = Vec::new();
    for (name, note) in accepted_notes() {
        let file = format!("notes/{name}.note");
        accepted.push(shown(&file, &note));
        files.put(file, note);
    }
    let mut refused = Vec::new();
    for (name, note) in refused_notes() {
        let file = format!("notes/refused/{name}.note");
        assert!(Note::parse(&note, NOTE_BYTES_MAX).is_err(), "{name}");
        files.put(file.clone(), note);
        refused.push(file);
    }
    let (hold, broken) = signatures();
    files.put_json(
        "notes/notes.json",
        &json!({ "accepted": accepted, "refused": refused, "signatures": hold, "refused_signatures": broken }),
    );
    files
}

fn shown(file: &str, bytes: &[u8]) -> Value {
    let note = Note::parse(bytes, NOTE_BYTES_MAX).unwrap();
    let lines = note.signatures().iter().map(|line| {
        json!({ "name": line.name.as_str(), "id": hex(line.id), "signature_sha256": Hash::of(&line.bytes).to_string() })
    });
    json!({
        "file": file,
        "text_sha256": Hash::of(note.text().as_bytes()).to_string(),
        "lines": lines.collect::<Vec<_>>(),
    })
}

/// A line by a key that nobody knows, with the id 01020304 and a signature of one byte.
fn line(name: &str) -> String {
    format!("\u{2014} {name} AQIDBAU=\n")
}

fn lines(count: usize) -> String {
    (0..count).map(|n| line(&n.to_string())).collect()
}

/// A note with one line of zeros, whose other parts have 8 bytes besides the text.
fn long(text: &str) -> String {
    let zeros = (NOTE_BYTES_MAX - 16) / 4 * 4;
    format!("{text}\n\u{2014} a {}\n", "A".repeat(zeros))
}

fn accepted_notes() -> Vec<(&'static str, Vec<u8>)> {
    let a = line("a");
    let cases = [
        ("one-line", format!("text\n\n{a}")),
        ("the-text-is-one-newline", format!("\n\n{a}")),
        ("blank-lines-in-the-text", format!("first\n\n\nlast\n\n{a}")),
        ("a-blank-line-at-the-end-of-the-text", format!("text\n\n\n{a}")),
        ("a-signature-line-in-the-text", format!("text\n\n{a}\n{a}")),
        ("control-characters-from-u-007f-on", format!("a\u{7f}b\u{85}c\u{9f}\n\n{a}")),
        ("one-name-with-two-ids", format!("text\n\n{a}\u{2014} a AQIDBQU=\n")),
        ("two-names-with-one-id", format!("text\n\n{a}{}", line("b"))),
        ("a-name-of-255-bytes", format!("text\n\n{}", line(&"n".repeat(KEY_NAME_BYTES_MAX)))),
        ("a-name-of-other-letters", format!("text\n\n{}", line("\u{e9}\u{200b}{\u{2014}}\\x"))),
        ("512-lines", format!("text\n\n{}", lines(NOTE_SIGNATURES_MAX))),
        ("64-kib", long("message\n")),
    ];
    cases.map(|(name, note)| (name, note.into_bytes())).to_vec()
}

fn refused_notes() -> Vec<(&'static str, Vec<u8>)> {
    let a = line("a");
    let base64 = |text: &str| format!("text\n\n\u{2014} a {text}\n");
    let named = |name: &str| format!("text\n\n{}", line(name));
    let cases = [
        ("nothing", String::new()),
        ("no-text", format!("\n{a}")),
        ("no-blank-line", format!("text\n{a}")),
        ("no-lines", "text\n\n".to_owned()),
        ("a-last-line-that-is-not-ended", format!("text\n\n{}", a.trim_end())),
        ("something-after-the-lines", format!("text\n\n{a}x\n")),
        ("a-blank-line-after-the-lines", format!("text\n\n{a}\n")),
        ("a-tab", format!("te\txt\n\n{a}")),
        ("carriage-returns", format!("text\r\n\r\n{}", a.replace('\n', "\r\n"))),
        ("a-shorter-dash", format!("text\n\n{a}").replace('\u{2014}', "\u{2013}")),
        ("no-space-after-the-dash", format!("text\n\n{a}").replace("\u{2014} ", "\u{2014}")),
        ("two-spaces", format!("text\n\n{a}").replace(" A", "  A")),
        ("a-space-at-the-end", format!("text\n\n{a}").replace("=\n", "= \n")),
        ("no-base64", base64("")),
        ("base64-of-four-bytes", base64("AQIDBA==")),
        ("base64-without-padding", base64("AQIDBAU")),
        ("base64-with-more-padding", base64("AQIDBAUG====")),
        ("base64-with-a-bit-that-is-not-used", base64("AQIDBAV=")),
        ("base64-of-the-other-alphabet", base64("AQIDBA_-")),
        ("a-name-of-256-bytes", named(&"n".repeat(KEY_NAME_BYTES_MAX + 1))),
        ("a-name-with-a-plus", named("a+b")),
        ("a-name-with-a-no-break-space", named("a\u{a0}b")),
        ("a-name-with-an-ideographic-space", named("a\u{3000}b")),
        ("a-name-with-a-control-character", named("a\u{9f}b")),
        ("no-name", named("")),
        ("two-lines-of-one-unknown-key", format!("text\n\n{a}\u{2014} a AQIDBAY=\n")),
        ("513-lines", format!("text\n\n{}", lines(NOTE_SIGNATURES_MAX + 1))),
        ("64-kib-and-a-byte", long("messages\n")),
    ];
    let mut cases = cases.map(|(name, note)| (name, note.into_bytes())).to_vec();
    cases.push(("not-utf8", [&b"te\xff"[..], format!("xt\n\n{a}").as_bytes()].concat()));
    cases
}

/// BE's log key.
const BE: &str = "35f8d3bf8993b3ba412da00062328a5705f225e63f550e39710438cbd9358d0f";
/// The same with a point of order 8 added.
const BE_AND_ORDER_8: &str = "d656643c242562a2eb894c88ff59bae9807e668e5e2310fb75ab831638b627d5";

/// Signatures that only the holder of BE's log key can make, by hand: the key, the text, R, S, and whether they hold.
/// Where *a* is the private scalar and *k* the hash, S is `k a`, and for those with a point of order 8 `r + k a`.
const BY_HAND: [(&str, &str, &str, &str, &str, bool); 6] = [
    (
        "R is the identity",
        BE,
        "a text\n",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ad6d4115d5875ee837d45d6ad48d1319e7302210e4b41b8c28e9d9e542ca9002",
        true,
    ),
    (
        "R is another encoding of the identity, with y the prime and one",
        BE,
        "a text\n",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "b0b743ad9d45b3d445b2127518fccbf9d218609e15066bf8261e121584d56306",
        false,
    ),
    (
        "R is another encoding of the identity, with the sign of x set",
        BE,
        "a text\n",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "3a666524f7debb1b0614dfc4d9515a7f6bdea3ec21faad47ee374599b57c8907",
        false,
    ),
    (
        "R is off by a point of order 8, so that it holds with the cofactor alone",
        BE,
        "a text\n",
        "607055ca3d4aa8af26961afb12b1e60a75fac88f9c260ff25806631dbb269159",
        "c0a05842d33e382c2588adb6a3fd25624990bb86a4dc0349f8bc1a4c27c43707",
        false,
    ),
    (
        "the key has a part of order 8; k modulo the group's order is a multiple of 8, k itself is not",
        BE_AND_ORDER_8,
        "text 3\n",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a",
        "52f8feeba2ba1635032bf2cc199a6d56514d6b5648116c2b42fd74b05fdc630c",
        true,
    ),
    (
        "the key has a part of order 8; k is a multiple of 8, modulo the group's order it is not",
        BE_AND_ORDER_8,
        "text 4\n",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a",
        "4cf0f6425578a204e1a7dd953cb199667226357556ff22d3e4a969e2e29c850e",
        false,
    ),
];

/// Those that hold, and those that do not.
fn signatures() -> (Vec<Value>, Vec<Value>) {
    let be = log_signer(&unit("BE"));
    let text = "a text\n";
    let good = be.sign(text.as_bytes()).unwrap();
    let mut high = good;
    add_order(&mut high[32..]);
    let mut cases = vec![
        ("as RFC 8032 makes it", BE, text, good.to_vec(), true),
        ("S is beyond the group's order", BE, text, high.to_vec(), false),
        ("over another text", BE, "another text\n", good.to_vec(), false),
    ];
    cases.extend(BY_HAND.map(|(why, key, text, r, s, holds)| (why, key, text, unhex(&[r, s].concat()), holds)));
    let (mut hold, mut broken) = (Vec::new(), Vec::new());
    for (why, public, text, signature, holds) in cases {
        let name: KeyName = "takedown.example/BE".parse().unwrap();
        let key = VerifierKey::new(name, Algorithm::Ed25519, unhex(public).try_into().unwrap()).unwrap();
        let line = NoteSignature::new(&key, signature.clone());
        assert_eq!(line.verify(text, &key).is_ok(), holds, "{why}");
        let shown = json!({ "why": why, "public": public, "text": text, "signature": hex(signature) });
        if holds { hold.push(shown) } else { broken.push(shown) }
    }
    (hold, broken)
}

//! The charter, and charters that break one rule each, signed by everyone all the same.

use entente_proto::charter::UnverifiedCharter;
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::limits::CHARTER_BYTES_MAX;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Note, NoteSignature, Signer};
use serde_json::{Value, json};

use crate::charter_forms;
use crate::files::Files;
use crate::world::{
    START_S, UNITS, charter, charter_signer, log_signer, mirror_signer, network, unit, unsigned_charter,
};

pub(crate) fn files() -> Files {
    let charter = charter();
    let again = UnverifiedCharter::parse(charter.note()).unwrap().verify_first().unwrap();
    assert_eq!(again, charter);
    let units = charter.units().values().map(|unit| {
        json!({
            "id": unit.id.as_str(),
            "name": unit.name,
            "charter_key": unit.charter_key.to_string(),
            "log_key": unit.log_key.to_string(),
            "mirror_key": unit.mirror_key.to_string(),
            "ca_sha256": unit.ca.iter().map(|der| Hash::of(der).to_string()).collect::<Vec<_>>(),
            "addresses": unit.addresses,
        })
    });
    let quorum = charter.quorum();
    let mut files = Files::default();
    let accepted = charter_forms::accepted(&mut files, unsigned_charter().text());
    let mut refused = Vec::new();
    for (name, note) in refused_notes().into_iter().chain(charter_forms::refused(unsigned_charter().text())) {
        let read = UnverifiedCharter::parse(&note).and_then(|charter| charter.verify_first());
        assert!(read.is_err(), "{name}");
        refused.push(format!("charter/refused/{name}.note"));
        files.put(format!("charter/refused/{name}.note"), note);
    }
    files.put("charter/1.note", charter.note());
    files.put_json(
        "charter/charter.json",
        &json!({
            "file": "charter/1.note",
            "digest": charter.digest().to_string(),
            "network": charter.network().as_str(),
            "version": charter.version(),
            "fold": charter.fold(),
            "m_f_q": [quorum.others(), quorum.faulty(), quorum.needed()],
            "units": units.collect::<Vec<Value>>(),
            "accepted": accepted,
            "refused": refused,
        }),
    );
    files
}

/// Signs a text with all keys of all units, whatever it says.
pub(crate) fn all_sign(text: &str) -> Vec<u8> {
    signed_by(text, &UNITS.map(|id| mirror_signer(&unit(id))))
}

fn signed_by(text: &str, mirrors: &[MemorySigner]) -> Vec<u8> {
    let mut note = Note::draft(text.to_owned()).unwrap();
    for id in UNITS.map(unit) {
        for key in [charter_signer(&id), log_signer(&id)] {
            note.add(NoteSignature::sign(text, &key).unwrap()).unwrap();
        }
    }
    for key in mirrors {
        note.add(Cosignature::sign(text, START_S, key).unwrap().to_line(key.key())).unwrap();
    }
    note.to_bytes()
}

fn refused_notes() -> Vec<(String, Vec<u8>)> {
    let text = unsigned_charter().text().to_owned();
    let good = all_sign(&text);
    assert!(UnverifiedCharter::parse(&good).unwrap().verify_first().is_ok());
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        all_sign(&text.replacen(from, to, 1))
    };
    let tables: Vec<&str> = text.split("\n[[unit]]\n").collect();
    let pem_of = |table: &str| {
        let begin = table.find("-----BEGIN").unwrap();
        table[begin..table.find("\"\"\"]").unwrap()].to_owned()
    };
    let (pem_be, pem_fr) = (pem_of(tables[1]), pem_of(tables[2]));
    let key = |id: &str, of: fn(&entente_proto::ids::UnitId) -> MemorySigner| of(&unit(id)).key().to_string();
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("an-unknown-key", with("version = 1\n", "version = 1\ncolour = 1\n")),
        ("an-unknown-key-of-a-unit", with("base = \"\"\n", "base = \"\"\ncolour = 1\n")),
        ("a-key-missing", with("fold = 1\n", "")),
        ("a-key-twice", with("fold = 1\n", "fold = 1\nfold = 1\n")),
        ("a-version-that-is-text", with("version = 1\n", "version = \"1\"\n")),
        ("version-0", with("version = 1\n", "version = 0\n")),
        ("a-fraction-for-a-version", with("version = 1\n", "version = 1.0\n")),
        ("truth-for-a-version", with("version = 1\n", "version = true\n")),
        ("fold-0", with("fold = 1\n", "fold = 0\n")),
        ("a-first-version-with-one-before", with("previous = \"\"", &format!("previous = \"{}\"", Hash::of(b"")))),
        ("a-first-version-with-a-base", with("base = \"\"", &format!("base = \"0 {}\"", Hash::EMPTY_ROOT))),
        ("a-quorum-too-low", with("revoked", "quorum = 1\nrevoked")),
        ("a-quorum-too-high", with("revoked", "quorum = 4\nrevoked")),
        ("a-revoked-key-twice", with("revoked = []", &format!("revoked = [\"{0}\", \"{0}\"]", Hash::of(b"")))),
        ("a-tab", String::from_utf8(good.clone()).unwrap().replacen("fold = 1", "fold =\t1", 1).into_bytes()),
        ("a-control-character-in-a-comment", with("fold = 1\n", "fold = 1 # x\u{85}\n")),
        ("a-turned-reading-direction", with("Federal", "\u{202e}Federal")),
        ("an-escaped-control-character", with("Federal", "\\u0007Federal")),
        ("a-brace-in-a-comment", with("fold = 1\n", "fold = 1 # {\n")),
        ("an-escape-of-a-later-toml", with("Federal", "\\x46ederal")),
        ("a-space-at-the-end-of-a-name", with("i2-IRU\"", "i2-IRU \"")),
        ("a-network-in-capitals", with("network = \"takedown.example\"", "network = \"Takedown.example\"")),
        ("a-unit-twice", all_sign(&format!("{text}\n[[unit]]\n{}", tables[1]))),
        ("a-unit-in-lower-case", with("id = \"UK\"", "id = \"uk\"")),
        ("a-key-of-another-unit", with(&key("UK", log_signer), &key("BE", log_signer))),
        ("a-ca-of-two-units", with(&pem_fr, &pem_be)),
        ("a-ca-twice", with(&format!("{pem_be}\"\"\""), &format!("{pem_be}\"\"\", \"\"\"\n{pem_be}\"\"\""))),
        ("no-ca", with(&format!("\"\"\"\n{pem_be}\"\"\""), "")),
        ("a-ca-in-long-lines", with(&pem_be, &long_lines(&pem_be))),
        ("a-ca-with-text-before-it", with(&pem_be, &format!("x\n{pem_be}"))),
        ("an-address-in-capitals", with("be.takedown.example:7443", "BE.takedown.example:7443")),
        ("an-address-with-port-0", with("be.takedown.example:7443", "be.takedown.example:0")),
        ("an-address-in-a-long-form", with("2001:db8::44", "2001:db8:0::44")),
        ("one-key-for-two-roles", one_key_for_two_roles(&text)),
        ("a-mirror-key-of-small-order", small_order(&text)),
        ("a-log-key-of-the-wrong-type", wrong_type(&text)),
        ("a-signature-missing", signed_by(&text, &["BE", "FR", "NL"].map(|id| mirror_signer(&unit(id))))),
        ("a-wrong-signature", wrong_signature(&good)),
    ];
    cases.push(("not-signed-at-all", text.clone().into_bytes()));
    cases.into_iter().map(|(name, note)| (name.to_owned(), note)).collect()
}

fn long_lines(pem: &str) -> String {
    let lines: Vec<&str> = pem.lines().collect();
    format!("{}\n{}\n{}\n", lines[0], lines[1..lines.len() - 1].concat(), lines[lines.len() - 1])
}

/// FR's mirror key is BE's log key, under its right name.
fn one_key_for_two_roles(text: &str) -> Vec<u8> {
    let fr = unit("FR");
    let seed = Hash::of(b"log BE").0;
    let both = MemorySigner::from_seed(KeyName::mirror(&network(), &fr), Algorithm::Cosignature, &seed).unwrap();
    let text = text.replacen(&mirror_signer(&fr).key().to_string(), &both.key().to_string(), 1);
    let [be, _, nl, uk] = UNITS.map(|id| mirror_signer(&unit(id)));
    signed_by(&text, &[be, both, nl, uk])
}

/// FR's mirror key is the identity, under which anybody makes signatures: R the identity, S zero.
fn small_order(text: &str) -> Vec<u8> {
    let fr = mirror_signer(&unit("FR"));
    let mut identity = [0; 32];
    identity[0] = 1;
    let (id, line) = written(fr.key().name(), 0x04, &identity);
    let text = text.replacen(&fr.key().to_string(), &line, 1);
    let [be, _, nl, uk] = UNITS.map(|id| mirror_signer(&unit(id)));
    let mut note = Note::parse(&signed_by(&text, &[be, nl, uk]), CHARTER_BYTES_MAX).unwrap();
    let bytes = [&START_S.to_be_bytes()[..], &identity, &[0; 32]].concat();
    note.add(NoteSignature { name: fr.key().name().clone(), id, bytes }).unwrap();
    note.to_bytes()
}

/// UK's log key says that it is a mirror key.
fn wrong_type(text: &str) -> Vec<u8> {
    let uk = log_signer(&unit("UK"));
    let (_, line) = written(uk.key().name(), 0x04, uk.key().public());
    all_sign(&text.replacen(&uk.key().to_string(), &line, 1))
}

/// The key id and the written form of a key that the protocol would not write.
fn written(name: &KeyName, kind: u8, public: &[u8; 32]) -> ([u8; 4], String) {
    let hash = Hash::of_parts(&[name.as_str().as_bytes(), &[0x0a, kind], public]);
    let id = [hash.0[0], hash.0[1], hash.0[2], hash.0[3]];
    let line = format!("{name}+{}+{}", crate::files::hex(id), base64(&[&[kind], &public[..]].concat()));
    (id, line)
}

/// Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|three| {
        let byte = |at: usize| three.get(at).copied().map_or(0, usize::from);
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |at: usize| if at > three.len() { '=' } else { char::from(DIGITS[number >> (18 - 6 * at) & 63]) };
        [0, 1, 2, 3].map(digit)
    });
    digits.collect()
}

/// The last signature line is over another text.
fn wrong_signature(good: &[u8]) -> Vec<u8> {
    let mut note = Note::parse(good, CHARTER_BYTES_MAX).unwrap();
    let lines = note.signatures().to_vec();
    let uk = mirror_signer(&unit("UK"));
    let other = Cosignature::sign("another text\n", START_S, &uk).unwrap().to_line(uk.key());
    note = Note::draft(note.text().to_owned()).unwrap();
    for line in lines.into_iter().filter(|line| !line.is_by(uk.key())).chain([other]) {
        note.add(line).unwrap();
    }
    note.to_bytes()
}

//! The forms of a charter: what else its text may be, and more of what it may not. Signed by everyone all the same.

use entente_proto::charter::{Charter, UnverifiedCharter};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::limits::CHARTER_BYTES_MAX;
use entente_proto::note::{Algorithm, MemorySigner, Note, NoteSignature, Signer};
use serde_json::{Value, json};

use crate::charter::{all_sign, base64};
use crate::files::Files;
use crate::world::{START_S, UNITS, charter_signer, log_signer, mirror_signer, unit};

type Case = (String, Vec<u8>);

/// The text that all cases are made from.
struct Text(String);

impl Text {
    /// Signed by all, with one part replaced by another.
    fn with(&self, from: &str, to: &str) -> Vec<u8> {
        assert!(self.0.contains(from), "{from}");
        all_sign(&self.0.replacen(from, to, 1))
    }

    /// UK's addresses.
    fn addresses(&self, of: &[&str]) -> Vec<u8> {
        let texts: Vec<String> = of.iter().map(|address| format!("\"{address}\"")).collect();
        self.with("[\"192.0.2.44:7443\", \"[2001:db8::44]:7443\"]", &format!("[{}]", texts.join(", ")))
    }

    /// BE's name.
    fn name(&self, name: &str) -> Vec<u8> {
        self.with("\"Federal Judicial Police, i2-IRU\"", &format!("\"{name}\""))
    }

    /// BE's certificates.
    fn ca(&self, of: &[String]) -> Vec<u8> {
        let begin = self.0.find("ca = [").unwrap();
        let end = begin + self.0[begin..].find("\"\"\"]\n").unwrap() + "\"\"\"]".len();
        let texts: Vec<String> = of.iter().map(|pem| format!("\"\"\"\n{pem}\"\"\"")).collect();
        all_sign(&format!("{}ca = [{}]{}", &self.0[..begin], texts.join(", "), &self.0[end..]))
    }

    /// BE's one certificate is these bytes.
    fn der(&self, der: &[u8]) -> Vec<u8> {
        self.ca(&[pem(der)])
    }

    /// A name of the network or of a unit is another, in the names of all keys as well.
    fn renamed(&self, from: &str, to: &str) -> Vec<u8> {
        let mut text = self.0.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
        let mut signers = Vec::new();
        for id in UNITS.map(unit) {
            for (old, role) in
                [(charter_signer(&id), "charter"), (log_signer(&id), "log"), (mirror_signer(&id), "mirror")]
            {
                let name = old.key().name().as_str().replacen(from, to, 1).parse().unwrap();
                let seed = Hash::of(format!("{role} {id}").as_bytes()).0;
                let new = MemorySigner::from_seed(name, old.key().algorithm(), &seed).unwrap();
                text = text.replacen(&old.key().to_string(), &new.key().to_string(), 1);
                signers.push(new);
            }
        }
        let mut note = Note::draft(text.clone()).unwrap();
        for key in signers {
            let line = match key.key().algorithm() {
                Algorithm::Ed25519 => NoteSignature::sign(&text, &key).unwrap(),
                Algorithm::Cosignature => Cosignature::sign(&text, START_S, &key).unwrap().to_line(key.key()),
            };
            note.add(line).unwrap();
        }
        note.to_bytes()
    }

    /// Signed by all as it is, with something after the signatures.
    fn and(&self, lines: &str) -> Vec<u8> {
        [&all_sign(&self.0)[..], lines.as_bytes()].concat()
    }
}

/// A certificate in the one form of PEM.
fn pem(der: &[u8]) -> String {
    let base64 = base64(der);
    let lines: Vec<&str> = (0..base64.len()).step_by(64).map(|at| &base64[at..base64.len().min(at + 64)]).collect();
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

/// A sequence with this head, and zeros.
fn sequence(head: &[u8], zeros: usize) -> Vec<u8> {
    [head, &vec![0; zeros]].concat()
}

fn line(name: &str) -> String {
    format!("\u{2014} {name} AQIDBAU=\n")
}

/// Puts the accepted ones among the files; gives what they say.
pub(crate) fn accepted(files: &mut Files, text: &str) -> Vec<Value> {
    let shown = accepted_notes(&Text(text.to_owned())).into_iter().map(|(name, note)| {
        let charter = UnverifiedCharter::parse(&note).and_then(|charter| charter.verify_first());
        let charter = charter.unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = format!("charter/accepted/{name}.note");
        files.put(file.clone(), note);
        said(&file, &charter)
    });
    shown.collect()
}

fn said(file: &str, charter: &Charter) -> Value {
    let quorum = charter.quorum();
    let units = charter.units().values().map(|unit| json!({ "id": unit.id.as_str(), "addresses": unit.addresses }));
    json!({
        "file": file,
        "digest": charter.digest().to_string(),
        "network": charter.network().as_str(),
        "fold": charter.fold(),
        "m_f_q": [quorum.others(), quorum.faulty(), quorum.needed()],
        "units": units.collect::<Vec<_>>(),
    })
}

fn accepted_notes(text: &Text) -> Vec<Case> {
    let whole = &text.0;
    let (top, _) = whole.split_once("\n[[unit]]\n").unwrap();
    let tables: Vec<&str> = whole.split("\n[[unit]]\n").skip(1).collect();
    let label = "a".repeat(63);
    let long = format!("{label}.{label}.{label}.{label}.a:1");
    let turned: String = tables.iter().rev().map(|table| format!("\n[[unit]] # a comment\n{table}\n")).collect();
    let turned = turned.replace("base = \"\"\n", "").replace("# a comment\n", "\nbase = \"\" # \u{2014}\n");
    let mut lines = Note::parse(&all_sign(whole), CHARTER_BYTES_MAX).unwrap().signatures().to_vec();
    lines.reverse();
    let mut other_order = Note::draft(whole.clone()).unwrap();
    lines.into_iter().for_each(|line| assert!(other_order.add(line).unwrap()));
    let pem_be = tables[0].split("\"\"\"").nth(1).unwrap().trim_start();
    let der = |length: u8| pem(&sequence(&[0x30, length], usize::from(length)));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a-quorum", text.with("revoked", "quorum = 3\nrevoked")),
        ("a-quorum-of-the-formulas-value", text.with("revoked", "quorum = 2\nrevoked")),
        ("one-unit-alone", all_sign(&format!("{top}quorum = 0\n\n[[unit]]\n{}", tables[0]))),
        ("the-largest-fold", text.with("fold = 1\n", "fold = 4294967295\n")),
        ("revoked-keys", text.with("[]", &format!("[\"{}\", \"{}\"]", Hash::of(b""), Hash::of(b"a")))),
        ("whole-numbers-in-other-forms", {
            let text = Text(text.0.replacen("fold = 1", "fold = 0x1", 1));
            text.with("version = 1", "quorum = 0b1_1\nversion = +1")
        }),
        ("keys-left-out", {
            all_sign(&whole.replace("base = \"\"\n", "").replace("revoked = []\n", "continues = \"\"\n"))
        }),
        ("another-order-and-comments", all_sign(&format!("#comment\n\n{top}{turned}"))),
        ("literal-strings", text.with("name = \"Federal Judicial Police, i2-IRU\"", "'name' = 'Federal \"\\Police'")),
        ("blank-lines-at-the-end", all_sign(&format!("{whole}\n\n"))),
        ("white-space-within-a-name", text.name("Federal\u{a0}\u{3000}Police")),
        ("a-name-of-256-bytes", text.name(&"\u{e9}".repeat(128))),
        ("a-pem-block-without-its-last-line-feed", text.ca(&[pem_be.trim_end().to_owned()])),
        ("four-certificates", text.ca(&[der(0), der(1), der(0x7f), pem(&sequence(&[0x30, 0x81, 0x80], 0x80))])),
        ("a-certificate-of-4096-bytes", text.der(&sequence(&[0x30, 0x82, 0x0f, 0xfc], 4_092))),
        ("eight-addresses", {
            text.addresses(&[
                "[::ffff:192.0.2.1]:1",
                "[::]:65535",
                "[2001:0:0:1::1]:7443",
                "255.255.255.255:7443",
                "a:7443",
                "1.a-1:7443",
                "1.2.3.4.a:7443",
                &long,
            ])
        }),
        ("a-unit-of-two-characters", text.renamed("UK", "0-9")),
        ("a-unit-of-16-characters", text.renamed("UK", "ABCDEFGHIJKLM-09")),
        ("a-network-of-one-label-of-64-bytes", text.renamed("takedown.example", &"0".repeat(64))),
        ("lines-of-keys-that-are-not-named", {
            text.and(&[line("witness.example/{w}\\x"), line("takedown.example/BE")].concat())
        }),
        ("signatures-in-another-order", other_order.to_bytes()),
    ];
    cases.into_iter().map(|(name, note)| (name.to_owned(), note)).collect()
}

/// Charters that break one rule each.
pub(crate) fn refused(text: &str) -> Vec<Case> {
    let text = &Text(text.to_owned());
    let mut cases: Vec<Case> = [0x7f, 0x9f, 0x61c, 0x200b, 0x200f, 0x2028, 0x202a, 0x2060, 0x206f, 0xfeff]
        .map(|code| {
            let c = char::from_u32(code).unwrap();
            (format!("the-character-u-{code:04x}"), text.with("fold = 1\n", &format!("fold = 1 # {c}\n")))
        })
        .to_vec();
    let rest = refused_texts(text).into_iter().chain(refused_values(text)).chain(refused_certificates(text));
    cases.extend(rest.chain(refused_addresses(text)).map(|(name, note)| (name.to_owned(), note)));
    cases
}

fn refused_texts(text: &Text) -> Vec<(&'static str, Vec<u8>)> {
    let (top, _) = text.0.split_once("\n[[unit]]\n").unwrap();
    let good = String::from_utf8(all_sign(&text.0)).unwrap();
    let last = good.lines().last().unwrap();
    let log = Note::parse(good.as_bytes(), CHARTER_BYTES_MAX).unwrap().signatures()[1].clone();
    let other_id = NoteSignature { id: [0; 4], ..log.clone() };
    let base64_of = |line: &NoteSignature| base64(&[&line.id[..], &line.bytes].concat());
    vec![
        ("an-invisible-character-in-a-signature-line", text.and(&line("a\u{200b}"))),
        ("a-turned-reading-direction-in-a-signature-line", text.and(&line("a\u{202e}"))),
        ("a-control-character-in-a-signature-line", text.and(&line("a\u{9f}"))),
        ("a-byte-order-mark", all_sign(&format!("\u{feff}{}", text.0))),
        ("an-escape-e", text.with("Federal", "\\e")),
        ("an-escaped-backslash-before-x", text.with("Federal", "\\\\x")),
        ("an-escaped-backslash-before-e-in-a-comment", text.with("fold = 1\n", "fold = 1 # \\\\e\n")),
        ("no-units", all_sign(top)),
        ("no-blank-line", good.replacen("\n\n\u{2014}", "\n\u{2014}", 1).into_bytes()),
        ("a-blank-line-among-the-signatures", good.replace(last, &format!("\n{last}")).into_bytes()),
        ("a-line-twice", text.and(&format!("{last}\n"))),
        ("a-signature-under-another-key-id", good.replace(&base64_of(&log), &base64_of(&other_id)).into_bytes()),
        ("a-second-version", {
            let previous = format!("version = 2\nprevious = \"{}\"", Hash::of(b""));
            text.with("version = 1\nprevious = \"\"", &previous)
        }),
    ]
}

fn refused_values(text: &Text) -> Vec<(&'static str, Vec<u8>)> {
    let digest = Hash::of(b"").to_string();
    let revoked = |value: &str| text.with("revoked = []", &format!("revoked = {value}"));
    vec![
        ("fold-2-to-the-32", text.with("fold = 1\n", "fold = 4294967296\n")),
        ("no-fold-but-nothing", text.with("fold = 1\n", "fold = \"\"\n")),
        ("a-charter-that-continues-another", text.with("revoked", &format!("continues = \"{digest}\"\nrevoked"))),
        ("a-revoked-key-in-capitals", revoked(&format!("[\"{}\"]", digest.to_uppercase()))),
        ("a-revoked-key-of-63-digits", revoked(&format!("[\"{}\"]", &digest[1..]))),
        ("a-revoked-key-that-is-no-list", revoked(&format!("\"{digest}\""))),
        ("a-quorum-of-text", text.with("revoked", "quorum = \"2\"\nrevoked")),
        ("no-addresses", text.with("addresses = [\"be.takedown.example:7443\"]\n", "")),
        ("an-empty-name", text.name("")),
        ("a-name-of-257-bytes", text.name(&("a".to_owned() + &"\u{e9}".repeat(128)))),
        ("a-line-feed-in-a-name", text.name("Federal\\nPolice")),
        ("a-no-break-space-at-the-end-of-a-name", text.name("Federal\u{a0}")),
        ("an-ideographic-space-before-a-name", text.name("\u{3000}Federal")),
        ("a-unit-of-one-character", text.renamed("UK", "U")),
        ("a-unit-of-17-characters", text.renamed("UK", "ABCDEFGHIJKLM-009")),
        ("a-unit-with-two-hyphens-in-a-row", text.renamed("UK", "U--K")),
        ("a-network-with-a-hyphen-before-a-dot", text.renamed("takedown.example", "takedown-.example")),
        ("a-network-with-an-empty-label", text.renamed("takedown.example", "takedown..example")),
        ("a-network-of-65-bytes", text.renamed("takedown.example", &"0".repeat(65))),
    ]
}

fn refused_certificates(text: &Text) -> Vec<(&'static str, Vec<u8>)> {
    let block = |bytes: usize| pem(&sequence(&[0x30, u8::try_from(bytes).unwrap()], bytes));
    vec![
        ("five-certificates", text.ca(&[0, 1, 2, 3, 4].map(block))),
        ("a-certificate-twice-with-and-without-its-last-line-feed", {
            text.ca(&[block(9), block(9).trim_end().to_owned()])
        }),
        ("two-certificates-in-one-block", text.ca(&[[block(1), block(2)].concat()])),
        ("two-line-feeds-after-a-ca", text.ca(&[block(9) + "\n"])),
        ("an-empty-ca", text.ca(&["-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned()])),
        ("a-ca-with-another-tag", text.der(&[0x31, 0])),
        ("a-ca-that-ends-too-early", text.der(&[0x30, 3, 0, 0])),
        ("a-ca-with-a-byte-after-it", text.der(&[0x30, 1, 0, 0])),
        ("a-ca-without-a-length", text.der(&[0x30])),
        ("a-ca-of-indefinite-length", text.der(&[0x30, 0x80, 0, 0])),
        ("a-ca-whose-length-takes-a-byte-too-many", text.der(&sequence(&[0x30, 0x81, 0x7f], 0x7f))),
        ("a-ca-whose-length-takes-two-bytes-for-one", text.der(&sequence(&[0x30, 0x82, 0, 0x80], 0x80))),
        ("a-ca-of-4097-bytes", text.der(&sequence(&[0x30, 0x82, 0x0f, 0xfd], 4_093))),
    ]
}

fn refused_addresses(text: &Text) -> Vec<(&'static str, Vec<u8>)> {
    let label = "a".repeat(63);
    let nine: Vec<String> = (1..=9).map(|port| format!("a:{port}")).collect();
    let nine: Vec<&str> = nine.iter().map(String::as_str).collect();
    let one = |address: &str| text.addresses(&[address]);
    vec![
        ("nine-addresses", text.addresses(&nine)),
        ("an-address-twice", text.addresses(&["a:1", "a:1"])),
        ("an-address-of-260-bytes", one(&format!("{label}.{label}.{label}.{label}.aa:1"))),
        ("an-address-with-a-label-of-64-bytes", one(&format!("{label}a:1"))),
        ("an-address-with-an-outer-hyphen", one("a-.example:7443")),
        ("an-address-with-an-underscore", one("a_b.example:7443")),
        ("an-address-with-a-dot-at-its-end", one("a.example.:7443")),
        ("an-address-that-ends-in-a-number", one("a.example.7:7443")),
        ("an-address-of-three-numbers", one("192.0.2:7443")),
        ("an-ipv4-address-with-a-leading-zero", one("192.0.2.07:7443")),
        ("an-ipv4-mapped-address-in-hexadecimal", one("[::ffff:c000:201]:7443")),
        ("an-ipv4-compatible-address-with-dots", one("[::192.0.2.1]:7443")),
        ("an-ipv6-address-with-a-zone", one("[fe80::1%1]:7443")),
        ("an-ipv6-address-without-brackets", one("2001:db8::44:7443")),
        ("an-address-without-a-port", one("a.example")),
        ("an-address-with-port-65536", one("a.example:65536")),
        ("an-address-with-a-port-with-a-leading-zero", one("a.example:07443")),
    ]
}

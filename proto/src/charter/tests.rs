//! Each rule of a charter has its refusal here.

use super::*;
use crate::hash::Hash;
use crate::ids::{NetworkName, UnitId};
use crate::limits::CHARTER_BYTES_MAX;
use crate::note::{Algorithm, KeyError, KeyName, MemorySigner, Note, NoteError, NoteSignature, Signer, VerifierKey};

mod mutations;
mod proposals;
mod succession;

const NETWORK: &str = "takedown.example";

/// A unit that can sign: its three keys come from seeds of one repeated byte.
struct Member {
    id: UnitId,
    charter: MemorySigner,
    log: MemorySigner,
    mirror: MemorySigner,
    ca: Vec<u8>,
}

impl Member {
    fn new(id: &str, seed: u8) -> Self {
        let (network, id): (NetworkName, UnitId) = (NETWORK.parse().unwrap(), id.parse().unwrap());
        let signer = |name, algorithm, seed: u8| MemorySigner::from_seed(name, algorithm, &[seed; 32]).unwrap();
        Self {
            charter: signer(KeyName::charter(&network, &id), Algorithm::Ed25519, seed),
            log: signer(KeyName::log(&network, &id), Algorithm::Ed25519, seed + 1),
            mirror: signer(KeyName::mirror(&network, &id), Algorithm::Cosignature, seed + 2),
            ca: vec![0x30, 1, seed],
            id,
        }
    }

    fn signers(&self) -> [&dyn Signer; 3] {
        [&self.charter, &self.log, &self.mirror]
    }

    fn draft(&self) -> UnitDraft {
        UnitDraft {
            id: self.id.clone(),
            name: format!("Unit {}", self.id),
            charter_key: self.charter.key().clone(),
            log_key: self.log.key().clone(),
            mirror_key: self.mirror.key().clone(),
            ca: vec![self.ca.clone()],
            addresses: vec![format!("{}.takedown.example:7443", self.id.as_str().to_lowercase())],
        }
    }

    fn describe(&self) -> UnitDescription {
        UnitDescription::new(NETWORK.parse().unwrap(), self.draft()).unwrap()
    }
}

fn be() -> Member {
    Member::new("BE", 10)
}

fn fr() -> Member {
    Member::new("FR", 20)
}

fn two() -> UnverifiedCharter {
    UnverifiedCharter::compose(&[be().describe(), fr().describe()], None).unwrap()
}

fn signed() -> UnverifiedCharter {
    let mut charter = two();
    charter.sign(&be().signers(), 1_700_000_000).unwrap();
    charter.sign(&fr().signers(), 1_700_000_001).unwrap();
    charter
}

fn parse(text: &str) -> Result<UnverifiedCharter, CharterError> {
    UnverifiedCharter::parse(text.as_bytes())
}

/// The note of a signed charter with its signature lines changed.
fn with_lines(change: impl FnOnce(&mut Vec<NoteSignature>)) -> Vec<u8> {
    let note = Note::parse(&signed().to_bytes(), CHARTER_BYTES_MAX).unwrap();
    let mut lines = note.signatures().to_vec();
    change(&mut lines);
    let mut changed = Note::draft(note.text().into()).unwrap();
    for line in lines {
        changed.add(line).unwrap();
    }
    changed.to_bytes()
}

/// The fault of a key after a change of the text, which must change something.
fn fault_after(from: &str, to: &str) -> (Place, String, Fault) {
    let text = two().text().to_owned();
    assert!(text.contains(from), "{from:?} is not in the text");
    match parse(&text.replacen(from, to, 1)) {
        Err(CharterError::Key { place, key, fault }) => (place, key, fault),
        other => panic!("{from:?} -> {to:?}: {other:?}"),
    }
}

fn refused(from: &str, to: &str, place: &Place, key: &str, fault: &Fault) {
    assert_eq!(fault_after(from, to), (place.clone(), key.to_owned(), fault.clone()), "{from:?} -> {to:?}");
}

fn in_be() -> Place {
    Place::Unit("BE".parse().unwrap())
}

#[test]
fn a_composed_charter_has_the_look_of_the_design() {
    let [be_keys, fr_keys] = [be(), fr()].map(|unit| unit.signers().map(|signer| signer.key().to_string()));
    let expected = format!(
        r#"network = "takedown.example"
version = 1
previous = ""
fold = 1
quorum = 1
revoked = []

[[unit]]
id = "BE"
name = "Unit BE"
charter_key = "{}"
log_key = "{}"
mirror_key = "{}"
ca = ["""
-----BEGIN CERTIFICATE-----
MAEK
-----END CERTIFICATE-----
"""]
addresses = ["be.takedown.example:7443"]
base = ""

[[unit]]
id = "FR"
name = "Unit FR"
charter_key = "{}"
log_key = "{}"
mirror_key = "{}"
ca = ["""
-----BEGIN CERTIFICATE-----
MAEU
-----END CERTIFICATE-----
"""]
addresses = ["fr.takedown.example:7443"]
base = ""
"#,
        be_keys[0], be_keys[1], be_keys[2], fr_keys[0], fr_keys[1], fr_keys[2]
    );
    let charter = UnverifiedCharter::compose(&[fr().describe(), be().describe()], Some(1)).unwrap();
    assert_eq!(charter.text(), expected);
    assert_eq!(charter.to_bytes(), expected.as_bytes());
}

#[test]
fn the_digest_of_a_composed_charter_never_changes() {
    assert_eq!(two().digest(), Hash::of(two().text().as_bytes()));
    // Worked out by another implementation: keys, key ids and text in Python, from the module documentation.
    assert_eq!(two().digest().to_string(), "948f0fdbcb48c5050105c4fdc3dc37bb3de73116ae53c11a065e07fc388a9a3d");
}

#[test]
fn a_charter_counts_when_every_unit_has_signed_with_all_its_keys() {
    let charter = signed().verify_first().unwrap();
    assert_eq!(charter.network().as_str(), NETWORK);
    assert_eq!((charter.version(), charter.fold()), (1, 1));
    assert_eq!((charter.quorum().needed(), charter.quorum().others()), (1, 1));
    assert_eq!(charter.digest(), two().digest());
    assert_eq!(charter.note(), signed().to_bytes());
    let (be_id, fr_id): (UnitId, UnitId) = ("BE".parse().unwrap(), "FR".parse().unwrap());
    assert_eq!(charter.mirrors(&be_id).into_keys().collect::<Vec<_>>(), [fr_id]);
    let unit = charter.unit(&be_id).unwrap();
    assert_eq!((unit.name.as_str(), &unit.ca), ("Unit BE", &vec![be().ca]));
    assert_eq!(unit.log_key, *be().log.key());
    assert!(charter.unit(&"UK".parse().unwrap()).is_none());
}

#[test]
fn a_charter_comes_back_from_its_bytes() {
    for charter in [two(), signed()] {
        assert_eq!(UnverifiedCharter::parse(&charter.to_bytes()).unwrap(), charter);
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut charter = two();
    let (be, fr) = (be(), fr());
    charter.sign(&be.signers(), 1).unwrap();
    charter.sign(&[&fr.charter, &fr.mirror], 1).unwrap();
    assert_eq!(charter.verify_first(), Err(CharterError::Unsigned(vec![fr.log.key().name().clone()])));
    assert_eq!(
        charter.verify_first().unwrap_err().to_string(),
        "not every unit has signed: missing takedown.example/FR"
    );
    assert!(two().verify_first().is_err());
}

#[test]
fn signing_again_adds_nothing() {
    let mut charter = signed();
    assert_eq!(charter.sign(&be().signers(), 9).unwrap(), []);
    assert_eq!(charter, signed());
}

#[test]
fn a_key_that_the_charter_does_not_name_signs_nothing() {
    let mut charter = two();
    let (be, stranger) = (be(), Member::new("BE", 40));
    let result = charter.sign(&[&be.charter, &stranger.log], 1);
    assert_eq!(result, Err(CharterError::NotNamed(stranger.log.key().name().clone())));
    assert_eq!(charter, two());
}

#[test]
fn signatures_made_apart_come_together() {
    let (mut one, mut other) = (two(), two());
    one.sign(&be().signers(), 1_700_000_000).unwrap();
    other.sign(&fr().signers(), 1_700_000_001).unwrap();
    assert_eq!(one.merge(&other).unwrap().len(), 3);
    assert_eq!(one.merge(&other).unwrap().len(), 0);
    assert_eq!(one.to_bytes(), signed().to_bytes());
}

#[test]
fn signatures_under_another_text_do_not_merge() {
    let other = UnverifiedCharter::compose(&[be().describe(), fr().describe()], Some(1)).unwrap();
    assert!(matches!(two().merge(&other), Err(CharterError::OtherText { .. })));
}

#[test]
fn a_changed_text_refuses_its_signatures() {
    let bytes = String::from_utf8(signed().to_bytes()).unwrap();
    let changed = bytes.replacen("Unit FR", "Unit XX", 1);
    assert!(matches!(parse(&changed), Err(CharterError::BadSignature { .. })));
}

#[test]
fn each_wrong_signature_refuses_the_whole() {
    for index in 0..6 {
        for byte in [0, 8, 63] {
            let mut name = None;
            let bytes = with_lines(|lines| {
                lines[index].bytes[byte] ^= 1;
                name = Some(lines[index].name.clone());
            });
            match UnverifiedCharter::parse(&bytes) {
                Err(CharterError::BadSignature { key, .. }) => assert_eq!(Some(key), name),
                other => panic!("{name:?} byte {byte}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_mirror_key_signs_as_a_cosignature_and_no_other_way() {
    let mirror = be().mirror;
    let bytes = with_lines(|lines| {
        let line = lines.iter_mut().find(|line| line.is_by(mirror.key())).unwrap();
        assert_eq!(line.bytes.len(), 72);
        assert_eq!(line.bytes[..8], 1_700_000_000u64.to_be_bytes());
        line.bytes = mirror.sign(two().text().as_bytes()).unwrap().to_vec();
    });
    let (key, expected, found) = (mirror.key().name().clone(), 72, 64);
    let reason = NoteError::SignatureLength { key: key.clone(), expected, found };
    assert_eq!(UnverifiedCharter::parse(&bytes), Err(CharterError::BadSignature { key, reason }));
}

#[test]
fn a_key_signs_once() {
    let mut text = String::from_utf8(signed().to_bytes()).unwrap();
    let last = text.lines().last().unwrap().to_owned();
    text.push_str(&last);
    text.push('\n');
    assert!(matches!(parse(&text), Err(CharterError::Note(NoteError::Duplicate(_)))));
}

#[test]
fn signatures_of_other_keys_are_ignored_and_not_written_again() {
    let bytes = with_lines(|lines| {
        let mut line = lines[0].clone();
        line.name = "takedown.example/UK/charter".parse().unwrap();
        lines.push(line);
        let mut line = lines[0].clone();
        line.id[0] ^= 1;
        lines.push(line);
    });
    assert_eq!(UnverifiedCharter::parse(&bytes).unwrap().to_bytes(), signed().to_bytes());
}

#[test]
fn the_order_of_signature_lines_does_not_matter() {
    let bytes = with_lines(|lines| lines.reverse());
    assert_ne!(bytes, signed().to_bytes());
    assert_eq!(UnverifiedCharter::parse(&bytes).unwrap().to_bytes(), signed().to_bytes());
}

#[test]
fn a_later_version_is_read_and_not_taken_for_a_first() {
    let digest = Hash::of(b"before").to_string();
    let text =
        two().text().replacen("version = 1\nprevious = \"\"", &format!("version = 2\nprevious = \"{digest}\""), 1);
    let text = text.replacen("base = \"\"", &format!("base = \"1042 {digest}\""), 1);
    let charter = parse(&text).unwrap();
    assert_eq!(charter.terms().previous, Some(Hash::of(b"before")));
    let base = charter.terms().units.values().next().unwrap().base.unwrap();
    assert_eq!((base.size.get(), base.root), (1042, Hash::of(b"before")));
    assert_eq!(charter.verify_first(), Err(CharterError::NotFirst(2)));
    for bad in ["", " ", "1042", "01042 ", "+1042 ", "1099511627776 ", "1042  "] {
        let bad = if bad.ends_with(' ') && bad.len() > 1 { format!("{bad}{digest}") } else { bad.into() };
        let changed = text.replacen(&format!("1042 {digest}"), &bad, 1);
        assert_eq!(parse(&changed).is_ok(), bad.is_empty(), "{bad:?}");
    }
}

#[test]
fn a_text_has_no_characters_that_a_reader_cannot_see() {
    let text = two().text().to_owned();
    for (bad, code) in [
        ("\t", 9),
        ("\r", 13),
        ("\0", 0),
        ("\u{7f}", 0x7f),
        ("\u{85}", 0x85),
        ("\u{202e}", 0x202e),
        ("\u{feff}", 0xfeff),
    ] {
        let changed = text.replacen("fold", &format!("# a {bad}comment\nfold"), 1);
        assert_eq!(parse(&changed), Err(CharterError::Character { line: 4, code }), "{bad:?}");
    }
    assert_eq!(parse(&text.replace('\n', "\r\n")), Err(CharterError::Character { line: 1, code: 13 }));
}

#[test]
fn a_text_reads_the_same_in_every_version_of_toml() {
    let text = two().text().to_owned();
    for (from, to, line, found) in [
        ("\"Unit BE\"", "\"\\x55nit BE\"", 9, "\\x"),
        ("\"Unit BE\"", "\"\\eUnit BE\"", 9, "\\e"),
        ("revoked = []", "revoked = [] # {", 5, "{"),
        ("revoked = []", "revoked = [] # }", 5, "}"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_eq!(parse(&changed), Err(CharterError::Ambiguous { line, found }), "{to}");
    }
}

#[test]
fn a_text_is_utf8_ends_its_last_line_and_is_at_most_a_mebibyte() {
    assert_eq!(UnverifiedCharter::parse(b"network = \"\xff\"\n"), Err(CharterError::NotUtf8));
    assert_eq!(parse(two().text().trim_end()), Err(CharterError::NoFinalLineFeed));
    let filled = |length: usize| {
        let text = two().text().to_owned();
        let comment = "x".repeat(length - text.len() - 2);
        format!("#{comment}\n{text}")
    };
    assert!(parse(&filled(CHARTER_BYTES_MAX)).is_ok());
    assert_eq!(parse(&filled(CHARTER_BYTES_MAX + 1)), Err(CharterError::TooLarge(CHARTER_BYTES_MAX + 1)));
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    for bad in ["fold 1", "fold = 1\nfold = 1", "fold = 1\n[unit]"] {
        let changed = two().text().replacen("fold = 1", bad, 1);
        assert!(matches!(parse(&changed), Err(CharterError::Toml(_))), "{bad:?}");
    }
    let words = parse("network = \"a\"\nfold 1\n").unwrap_err().to_string();
    assert!(words.starts_with("this is not TOML: line 2: "), "{words}");
    let deep = format!("x = {}\n", "[".repeat(100_000));
    assert!(matches!(parse(&deep), Err(CharterError::Toml(_))));
}

#[test]
fn a_signature_block_that_is_none_is_refused() {
    let text = format!("{}\n\u{2014} nonsense\n", two().text());
    assert!(matches!(parse(&text), Err(CharterError::Note(_))));
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand() {
    refused("fold = 1", "fold = 1\nfuture = 1", &Place::Top, "future", &Fault::Unknown);
    refused("base = \"\"", "base = \"\"\nfuture = 1", &in_be(), "future", &Fault::Unknown);
    refused("base = \"\"", "base = \"\"\n[extra]", &Place::Top, "extra", &Fault::Unknown);
    refused("id = \"BE\"", "id.x = \"BE\"", &Place::UnitNumber(1), "id", &Fault::NotA("a string"));
}

#[test]
fn what_must_be_there_must_be_there() {
    for key in ["network", "version", "previous", "fold"] {
        refused(&format!("{key} = "), &format!("# {key} = "), &Place::Top, key, &Fault::Missing);
    }
    refused("id = ", "# id = ", &Place::UnitNumber(1), "id", &Fault::Missing);
    for key in ["name", "charter_key", "log_key", "mirror_key", "addresses"] {
        refused(&format!("\n{key} = "), &format!("\n# {key} = "), &in_be(), key, &Fault::Missing);
    }
    let without = two().text().replacen(
        "ca = [\"\"\"\n-----BEGIN CERTIFICATE-----\nMAEK\n-----END CERTIFICATE-----\n\"\"\"]\n",
        "",
        1,
    );
    let missing = CharterError::Key { place: in_be(), key: "ca".into(), fault: Fault::Missing };
    assert_eq!(parse(&without), Err(missing));
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let text = two().text().replace("revoked = []\n", "").replace("base = \"\"\n", "");
    assert_eq!(parse(&text).unwrap().terms(), two().terms());
}

#[test]
fn values_have_their_types() {
    refused("version = 1", "version = \"1\"", &Place::Top, "version", &Fault::NotA("a whole number"));
    refused("version = 1", "version = 1.0", &Place::Top, "version", &Fault::NotA("a whole number"));
    refused("previous = \"\"", "previous = 0", &Place::Top, "previous", &Fault::NotA("a string"));
    refused("revoked = []", "revoked = [1]", &Place::Top, "revoked", &Fault::NotA("a list of strings"));
    refused("revoked = []", "revoked = \"\"", &Place::Top, "revoked", &Fault::NotA("a list of strings"));
    refused("base = \"\"", "base = 1979-05-27", &in_be(), "base", &Fault::NotA("a string"));
    let head = "network = \"a\"\nversion = 1\nprevious = \"\"\nfold = 1\n";
    for unit in ["unit = 1\n", "[unit]\n", "unit = [[\"BE\"]]\n", "unit = [1]\n"] {
        let fault = Fault::NotA("written as [[unit]] tables");
        let expected = CharterError::Key { place: Place::Top, key: "unit".into(), fault };
        assert_eq!(parse(&format!("{head}{unit}")), Err(expected), "{unit:?}");
    }
}

#[test]
fn numbers_have_their_ranges() {
    let range = |value, least| Fault::Range(value, least, u32::MAX);
    refused("version = 1", "version = 0", &Place::Top, "version", &range(0, 1));
    refused("version = 1", "version = -1", &Place::Top, "version", &range(-1, 1));
    refused("version = 1", "version = 4294967296", &Place::Top, "version", &range(1 << 32, 1));
    refused("fold = 1", "fold = 0", &Place::Top, "fold", &range(0, 1));
    assert_eq!(parse(&two().text().replacen("fold = 1", "fold = 77", 1)).unwrap().terms().fold, 77);
}

#[test]
fn a_first_version_has_nothing_before_it() {
    let digest = Hash::of(b"x").to_string();
    refused("previous = \"\"", &format!("previous = \"{digest}\""), &Place::Top, "previous", &Fault::PreviousOfFirst);
    refused("version = 1", "version = 2", &Place::Top, "previous", &Fault::NoPrevious);
    refused(
        "version = 1\nprevious = \"\"",
        "version = 2\nprevious = \"ab\"",
        &Place::Top,
        "previous",
        &Fault::NotADigest,
    );
    refused("fold = 1", &format!("continues = \"{digest}\"\nfold = 1"), &in_be(), "base", &Fault::NoBase);
    refused("fold = 1", "continues = \"ab\"\nfold = 1", &Place::Top, "continues", &Fault::NotADigest);
    refused("base = \"\"", &format!("base = \"3 {digest}\""), &in_be(), "base", &Fault::BaseOfFirst);
    refused("base = \"\"", "base = \"3\"", &in_be(), "base", &Fault::NotABase);
}

#[test]
fn a_quorum_lies_between_the_formula_and_all_others() {
    let units: Vec<UnitDescription> = (0..4).map(|n| Member::new(&format!("U{n}"), 10 * n + 1).describe()).collect();
    let needed = |quorum| UnverifiedCharter::compose(&units, quorum).map(|charter| charter.terms().quorum.needed());
    assert_eq!((needed(None), needed(Some(2)), needed(Some(3))), (Ok(2), Ok(2), Ok(3)));
    for found in [0, 1, 4, u32::MAX] {
        let fault = Fault::Quorum { found, units: 4, least: 2, most: 3 };
        assert_eq!(needed(Some(found)), Err(CharterError::Key { place: Place::Top, key: "quorum".into(), fault }));
    }
}

#[test]
fn revoked_keys_are_different_digests() {
    let digest = Hash::of(b"x").to_string();
    let with = |value: &str| parse(&two().text().replacen("revoked = []", &format!("revoked = [{value}]"), 1));
    assert!(with(&format!("\"{digest}\"")).unwrap().terms().revoked.contains(&Hash::of(b"x")));
    refused("revoked = []", "revoked = [\"xy\"]", &Place::Top, "revoked", &Fault::NotADigest);
    let upper = format!("revoked = [\"{}\"]", digest.to_uppercase());
    refused("revoked = []", &upper, &Place::Top, "revoked", &Fault::NotADigest);
    let twice = format!("revoked = [\"{digest}\", \"{digest}\"]");
    refused("revoked = []", &twice, &Place::Top, "revoked", &Fault::Twice(digest.clone()));
    let many: Vec<String> = (0..4097u32).map(|n| format!("\"{}\"", Hash::of(&n.to_be_bytes()))).collect();
    let many = format!("revoked = [{}]", many.join(", "));
    refused("revoked = []", &many, &Place::Top, "revoked", &Fault::TooManyRevoked(4097));
}

#[test]
fn names_of_networks_and_units_are_strict() {
    assert!(matches!(fault_after("\"takedown.example\"", "\"Takedown\""), (Place::Top, _, Fault::Id(_))));
    assert!(matches!(fault_after("id = \"BE\"", "id = \"be\""), (Place::UnitNumber(1), _, Fault::Id(_))));
    let longest = "n".repeat(256);
    for bad in ["", " ", "Unit ", " Unit", "a\\nb", "a\\tb", "a\\u202Eb", &format!("{longest}n")] {
        refused("name = \"Unit BE\"", &format!("name = \"{bad}\""), &in_be(), "name", &Fault::NotAName);
    }
    for good in [longest.as_str(), "Büro für \\\"X\\\" \\\\ Y", "Служба"] {
        assert!(parse(&two().text().replacen("Unit BE", good, 1)).is_ok(), "{good:?}");
    }
}

#[test]
fn a_name_with_quotes_and_backslashes_survives_composing() {
    let mut draft = be().draft();
    draft.name = "the \"EU IRU\" \\ \"\"\" = #".into();
    let described = UnitDescription::new(NETWORK.parse().unwrap(), draft.clone()).unwrap();
    assert_eq!(described.unit().name, draft.name);
    let charter = UnverifiedCharter::compose(std::slice::from_ref(&described), None).unwrap();
    assert_eq!(charter.terms().units.values().next(), Some(described.unit()));
    for bad in ["", "a\nb", "a\u{0}b", "a\u{202e}b"] {
        draft.name = bad.into();
        let result = UnitDescription::new(NETWORK.parse().unwrap(), draft.clone());
        assert!(matches!(result, Err(CharterError::Key { fault: Fault::NotAName, .. })), "{bad:?}: {result:?}");
    }
}

#[test]
fn a_unit_is_listed_once_and_a_charter_lists_someone() {
    let text = two().text().to_owned();
    let head = text.split("\n[[unit]]").next().unwrap();
    assert_eq!(parse(head), Err(CharterError::NoUnits));
    assert_eq!(UnverifiedCharter::compose(&[], None), Err(CharterError::NoUnits));
    let twice = UnverifiedCharter::compose(&[be().describe(), Member::new("BE", 40).describe()], None);
    assert_eq!(twice, Err(CharterError::UnitTwice("BE".parse().unwrap())));
    let many = format!("{head}{}", "\n[[unit]]\n".repeat(101));
    assert_eq!(parse(&many), Err(CharterError::TooManyUnits(101)));
}

#[test]
fn units_may_stand_in_any_order() {
    let text = two().text().to_owned();
    let parts: Vec<&str> = text.split("\n[[unit]]").collect();
    let swapped = format!("{}\n[[unit]]{}\n[[unit]]{}", parts[0], parts[2], parts[1]);
    assert_eq!(parse(&swapped).unwrap().terms(), two().terms());
}

#[test]
fn one_unit_alone_needs_no_cosignature() {
    let charter = UnverifiedCharter::compose(&[be().describe()], None).unwrap();
    assert_eq!(charter.terms().quorum.needed(), 0);
}

#[test]
fn keys_have_exactly_their_names_and_types() {
    let (be, fr) = (be(), fr());
    let network: NetworkName = NETWORK.parse().unwrap();
    let key = |name: KeyName, algorithm| VerifierKey::new(name, algorithm, *be.charter.key().public()).unwrap();
    let wrong = |field: &str, mine: &VerifierKey, other: &VerifierKey| {
        let expected = Fault::KeyName { found: other.name().clone(), expected: mine.name().clone() };
        refused(&format!("{field} = \"{mine}\""), &format!("{field} = \"{other}\""), &in_be(), field, &expected);
    };
    wrong("charter_key", be.charter.key(), be.log.key());
    wrong("charter_key", be.charter.key(), fr.charter.key());
    wrong("log_key", be.log.key(), be.charter.key());
    wrong("log_key", be.log.key(), fr.log.key());
    wrong("log_key", be.log.key(), &key("other.example/BE".parse().unwrap(), Algorithm::Ed25519));
    wrong("mirror_key", be.mirror.key(), &key(KeyName::log(&network, &fr.id), Algorithm::Cosignature));
    let typed = |field: &str, mine: &VerifierKey, algorithm, fault| {
        let other = key(mine.name().clone(), algorithm);
        refused(&mine.to_string(), &other.to_string(), &in_be(), field, &fault);
    };
    typed("charter_key", be.charter.key(), Algorithm::Cosignature, Fault::KeyType(1));
    typed("log_key", be.log.key(), Algorithm::Cosignature, Fault::KeyType(1));
    typed("mirror_key", be.mirror.key(), Algorithm::Ed25519, Fault::KeyType(4));
    for bad in ["", "x", "takedown.example/BE+00000000+AQ=="] {
        let (_, field, fault) = fault_after(&be.log.key().to_string(), bad);
        assert!(field == "log_key" && matches!(fault, Fault::NotAKey(_)), "{bad:?}: {fault}");
    }
}

#[test]
fn a_small_order_key_is_refused() {
    use base64::Engine as _;
    let mut point = [0u8; 32];
    point[0] = 1;
    let name = be().log.key().name().to_string();
    let hash = Hash::of(&[name.as_bytes(), b"\n\x01", &point].concat());
    let id: String = hash.as_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let key = base64::engine::general_purpose::STANDARD.encode([&[1][..], &point].concat());
    let (_, field, fault) = fault_after(&be().log.key().to_string(), &format!("{name}+{id}+{key}"));
    assert!(field == "log_key" && matches!(fault, Fault::NotAKey(KeyError::SmallOrder)), "{fault}");
}

#[test]
fn every_public_key_is_its_own() {
    let be = be();
    let same = |role: fn(&mut UnitDraft) -> &mut VerifierKey, with: &VerifierKey| {
        let mut draft = fr().draft();
        let key = role(&mut draft);
        *key = VerifierKey::new(key.name().clone(), key.algorithm(), *with.public()).unwrap();
        let second = key.name().clone();
        let other = UnitDescription::new(NETWORK.parse().unwrap(), draft).unwrap();
        let result = UnverifiedCharter::compose(&[be.describe(), other], None);
        assert_eq!(result, Err(CharterError::KeyTwice { first: with.name().clone(), second }));
    };
    for with in [be.charter.key(), be.log.key(), be.mirror.key()] {
        same(|draft| &mut draft.charter_key, with);
        same(|draft| &mut draft.log_key, with);
        same(|draft| &mut draft.mirror_key, with);
    }
    let mut draft = be.draft();
    let (log, mirror) = (draft.log_key.clone(), draft.mirror_key.name().clone());
    draft.mirror_key = VerifierKey::new(mirror.clone(), Algorithm::Cosignature, *log.public()).unwrap();
    let own = UnitDescription::new(NETWORK.parse().unwrap(), draft).unwrap();
    let result = UnverifiedCharter::compose(&[own], None);
    assert_eq!(result, Err(CharterError::KeyTwice { first: log.name().clone(), second: mirror }));
}

#[test]
fn each_unit_has_its_own_ca() {
    let mut draft = fr().draft();
    draft.ca = vec![be().ca];
    let other = UnitDescription::new(NETWORK.parse().unwrap(), draft).unwrap();
    let result = UnverifiedCharter::compose(&[be().describe(), other], None);
    let (first, second) = ("BE".parse().unwrap(), "FR".parse().unwrap());
    assert_eq!(result, Err(CharterError::CaTwice { first, second }));
}

#[test]
fn certificates_are_one_to_four_strict_pem_blocks() {
    let with = |ca: Vec<Vec<u8>>| UnitDescription::new(NETWORK.parse().unwrap(), UnitDraft { ca, ..be().draft() });
    let fault = |ca| match with(ca) {
        Err(CharterError::Key { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let sequence = |content: usize| {
        let length = u16::try_from(content).unwrap().to_be_bytes();
        let mut der = match content {
            0..0x80 => vec![0x30, length[1]],
            0x80..0x100 => vec![0x30, 0x81, length[1]],
            _ => vec![0x30, 0x82, length[0], length[1]],
        };
        der.extend(vec![7; content]);
        der
    };
    for content in [0, 44, 45, 46, 127, 128, 255, 256, 4092] {
        assert_eq!(with(vec![sequence(content)]).unwrap().unit().ca, [sequence(content)]);
    }
    assert_eq!(with((0..4).map(sequence).collect()).unwrap().unit().ca.len(), 4);
    assert_eq!(fault(vec![]), Fault::CaCount(0));
    assert_eq!(fault((0..5).map(sequence).collect()), Fault::CaCount(5));
    assert_eq!(fault(vec![sequence(3), sequence(3)]), Fault::Twice("one certificate".into()));
    let bad = [
        vec![],
        vec![0x31, 0],
        vec![0x30, 1],
        vec![0x30, 0, 0],
        vec![0x30, 0x80],
        vec![0x30, 0x81, 1, 0],
        sequence(4093),
    ];
    for der in bad {
        assert_eq!(fault(vec![der.clone()]), Fault::NotDer, "{der:?}");
    }
    let block = "-----BEGIN CERTIFICATE-----\nMAEK\n-----END CERTIFICATE-----\n";
    let replaced = [
        "-----BEGIN CERTIFICATE-----\nMA\nEK\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAEK\n\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAE\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAEK-----END CERTIFICATE-----\n",
        concat!("-----BEGIN ", "PRIVATE KEY-----\nMAEK\n-----END PRIVATE KEY-----\n"),
        "x\n-----BEGIN CERTIFICATE-----\nMAEK\n-----END CERTIFICATE-----\n",
        &block.repeat(2),
        "",
    ];
    for bad in replaced {
        refused(block, bad, &in_be(), "ca", &Fault::NotPem);
    }
    let bare = two().text().replacen(&format!("\n{block}"), block.trim_end(), 1);
    assert_eq!(parse(&bare).unwrap().terms(), two().terms());
}

#[test]
fn addresses_are_hosts_with_ports() {
    for good in ["a.example:1", "be:65535", "127.0.0.1:7443", "[::1]:7443", "xn--bcher-kva.example:443", "1a.b2:9"] {
        assert!(split_address(good).is_some(), "{good:?}");
    }
    let bad = [
        "",
        ":",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:01",
        "a:65536",
        "a:+1",
        "a:1:2",
        "A.example:1",
        "a..b:1",
        "a.:1",
        "-a:1",
        "a-:1",
        "a_b:1",
        "a b:1",
        "256.0.0.1:1",
        "1.2.3:1",
        "01.2.3.4:1",
        "::1:7443",
        "[::1]",
        "[::1]:",
        "[0:0::1]:1",
        "[::G]:1",
        "[127.0.0.1]:1",
        "http://a:1",
        "a/b:1",
        "bücher.example:1",
        &format!("{}:1", "a".repeat(64)),
        &format!("{}a:1", "a.".repeat(129)),
    ];
    for bad in bad {
        assert_eq!(split_address(bad), None, "{bad:?}");
    }
    let address = "\"be.takedown.example:7443\"";
    refused(address, "\"be\"", &in_be(), "addresses", &Fault::NotAnAddress("be".into()));
    refused(address, "\"be:1\", \"be:1\"", &in_be(), "addresses", &Fault::Twice("be:1".into()));
    let many: Vec<String> = (1..=9).map(|port| format!("\"be:{port}\"")).collect();
    refused(address, &many.join(", "), &in_be(), "addresses", &Fault::TooManyAddresses(9));
    assert!(
        parse(&two().text().replacen(address, "", 1))
            .unwrap()
            .terms()
            .units
            .values()
            .next()
            .unwrap()
            .addresses
            .is_empty()
    );
}

#[test]
fn a_description_holds_one_unit_and_comes_back() {
    let description = be().describe();
    let text = description.to_toml();
    assert_eq!(UnitDescription::parse(text.as_bytes()).unwrap(), description);
    assert_eq!(description.network().as_str(), NETWORK);
    assert_eq!(UnitDescription::parse(b"network = \"a\"\n"), Err(CharterError::NotOneUnit(0)));
    let two_units = format!("{text}\n[[unit]]\n");
    assert_eq!(UnitDescription::parse(two_units.as_bytes()), Err(CharterError::NotOneUnit(2)));
    for (from, to, key, fault) in [
        ("network = ", "version = 1\nnetwork = ", "version", Fault::Unknown),
        ("network = ", "# network = ", "network", Fault::Missing),
    ] {
        let expected = CharterError::Key { place: Place::Top, key: key.into(), fault };
        assert_eq!(UnitDescription::parse(text.replacen(from, to, 1).as_bytes()), Err(expected));
    }
    let based = text.replacen("base = \"\"", &format!("base = \"1 {}\"", Hash::of(b"x")), 1);
    let expected = CharterError::Key { place: in_be(), key: "base".into(), fault: Fault::BaseOfFirst };
    assert_eq!(UnitDescription::parse(based.as_bytes()), Err(expected));
    assert!(matches!(
        UnitDescription::parse(text.replace('\n', "\r\n").as_bytes()),
        Err(CharterError::Character { .. })
    ));
}

#[test]
fn units_of_two_networks_make_no_charter() {
    let mut text = fr().describe().to_toml();
    text = text.replace("takedown.example", "other.example");
    // The key ids hash the names, so a renamed description is not even one.
    assert!(UnitDescription::parse(text.as_bytes()).is_err());
    let network: NetworkName = "other.example".parse().unwrap();
    let mut draft = fr().draft();
    let rename = |key: &VerifierKey, name| VerifierKey::new(name, key.algorithm(), *key.public()).unwrap();
    draft.charter_key = rename(&draft.charter_key, KeyName::charter(&network, &draft.id));
    draft.log_key = rename(&draft.log_key, KeyName::log(&network, &draft.id));
    draft.mirror_key = rename(&draft.mirror_key, KeyName::mirror(&network, &draft.id));
    let other = UnitDescription::new(network, draft).unwrap();
    assert!(matches!(
        UnverifiedCharter::compose(&[be().describe(), other], None),
        Err(CharterError::OtherNetwork { .. })
    ));
}

#[test]
fn no_charter_is_also_a_checkpoint() {
    // What a mirror key signs as a charter must never read as a checkpoint body: origin, size, root.
    assert!(crate::checkpoint::Checkpoint::parse_body(two().text()).is_err());
}

//! Versions of the charter after the first, and texts that cannot follow or that too few have signed.

use std::collections::BTreeMap;

use entente_proto::charter::{Base, Changes, CharterChain, UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::limits::CHARTER_BYTES_MAX;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Note, NoteSignature, Signer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::files::Files;
use crate::world::{START_S, ca, charter, network, unit};

/// A unit's keys of a generation, from 1: seeds are SHA-256 of `log BE` and the like, of `log BE 2` for the second.
struct Member {
    id: UnitId,
    keys: [MemorySigner; 3],
    ca_of: UnitId,
}

fn member(id: &str, generation: u32) -> Member {
    let (id, network) = (unit(id), network());
    let seed = |role: &str| match generation {
        1 => Hash::of(format!("{role} {id}").as_bytes()).0,
        _ => Hash::of(format!("{role} {id} {generation}").as_bytes()).0,
    };
    let key = |name, algorithm, role| MemorySigner::from_seed(name, algorithm, &seed(role)).unwrap();
    let keys = [
        key(KeyName::charter(&network, &id), Algorithm::Ed25519, "charter"),
        key(KeyName::log(&network, &id), Algorithm::Ed25519, "log"),
        key(KeyName::mirror(&network, &id), Algorithm::Cosignature, "mirror"),
    ];
    Member { ca_of: id.clone(), id, keys }
}

impl Member {
    fn describe(&self) -> UnitDescription {
        let [charter_key, log_key, mirror_key] = self.keys.each_ref().map(|key| key.key().clone());
        let draft = UnitDraft {
            id: self.id.clone(),
            name: format!("Unit of {}", self.id),
            charter_key,
            log_key,
            mirror_key,
            ca: vec![CertificateDer::from_pem_slice(ca(&self.ca_of).as_bytes()).unwrap().to_vec()],
            addresses: vec![format!("{}.takedown.example:7443", self.id.as_str().to_lowercase())],
        };
        UnitDescription::new(network(), draft).unwrap()
    }
}

/// Signs with whatever of these keys is due.
fn signed(mut draft: UnverifiedCharter, members: &[Member]) -> UnverifiedCharter {
    for (second, member) in (START_S..).zip(members) {
        for key in &member.keys {
            if draft.is_due(key.key()) {
                draft.sign(&[key], second).unwrap();
            }
        }
    }
    draft
}

fn follow(chain: &CharterChain, changes: &Changes, members: &[Member]) -> CharterChain {
    let mut next = chain.clone();
    next.push(chain.verify(signed(chain.compose_next(changes).unwrap(), members)).unwrap()).unwrap();
    next
}

/// Version 2: ES joins and BE has other keys. Version 3: UK leaves, and three of the three others certify. Version 4: BE has
/// other keys once more, and its log goes on from a base.
fn chain() -> CharterChain {
    let first = CharterChain::found(charter()).unwrap();
    let changes = Changes {
        add: vec![member("ES", 1).describe()],
        update: vec![member("BE", 2).describe()],
        ..Changes::default()
    };
    let who = [member("BE", 1), member("BE", 2), member("FR", 1), member("NL", 1), member("ES", 1)];
    let second = follow(&first, &changes, &who);
    let changes = Changes {
        remove: vec![unit("UK")],
        quorum: Some(Some(3)),
        revoke: [Hash::of(b"a key")].into(),
        ..Changes::default()
    };
    let third = follow(&second, &changes, &[member("BE", 2), member("ES", 1), member("FR", 1), member("UK", 1)]);
    let base = Base { size: Size::new(5).unwrap(), root: Hash::of(b"root") };
    let changes =
        Changes { update: vec![member("BE", 3).describe()], bases: [(unit("BE"), base)].into(), ..Changes::default() };
    follow(&third, &changes, &[member("BE", 2), member("BE", 3), member("ES", 1), member("FR", 1)])
}

pub(crate) fn files() -> Files {
    let chain = chain();
    let mut files = Files::default();
    let mut versions = Vec::new();
    for version in chain.versions() {
        let file = match version.version() {
            1 => "charter/1.note".to_owned(),
            number => {
                let file = format!("charter/succession/{number}.note");
                files.put(file.clone(), version.note());
                file
            }
        };
        let quorum = version.quorum();
        versions.push(json!({
            "file": file,
            "digest": version.digest().to_string(),
            "m_f_q": [quorum.others(), quorum.faulty(), quorum.needed()],
            "units": version.units().keys().map(UnitId::as_str).collect::<Vec<_>>(),
        }));
    }
    let mut refused: Vec<Value> = Vec::new();
    for (name, after, note) in refusals(&chain) {
        let before = chain.up_to(after).unwrap();
        let read = UnverifiedCharter::parse(&note).and_then(|charter| before.verify(charter));
        assert!(read.is_err(), "{name}");
        let file = format!("charter/succession/refused/{name}.note");
        refused.push(json!({ "file": file, "after": after }));
        files.put(file, note);
    }
    files.put_json("charter/succession.json", &json!({ "versions": versions, "refused": refused }));
    files
}

/// A text with the signatures of all these keys, due or not.
fn all_sign(text: &str, members: &[Member]) -> Vec<u8> {
    let mut note = Note::draft(text.to_owned()).unwrap();
    for member in members {
        for key in &member.keys {
            let line = match key.key().algorithm() {
                Algorithm::Ed25519 => NoteSignature::sign(text, key).unwrap(),
                Algorithm::Cosignature => Cosignature::sign(text, START_S, key).unwrap().to_line(key.key()),
            };
            note.add(line).unwrap();
        }
    }
    note.to_bytes()
}

fn everyone() -> Vec<Member> {
    let mut all: Vec<Member> = ["BE", "FR", "NL", "UK", "ES"].map(|id| member(id, 1)).into();
    all.push(member("BE", 2));
    all
}

/// What cannot follow the version named, signed by all keys that there are, but where signatures are the matter.
fn refusals(chain: &CharterChain) -> Vec<(&'static str, u32, Vec<u8>)> {
    let [first, second, third] = [1, 2, 3].map(|version| chain.up_to(version).unwrap());
    let text = |of: &CharterChain| {
        let note = Note::parse(of.newest().note(), CHARTER_BYTES_MAX).unwrap();
        note.text().to_owned()
    };
    let (two, three) = (text(&second), text(&third));
    let with = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        all_sign(&text.replacen(from, to, 1), &everyone())
    };
    let lines_of = |keep: &dyn Fn(&NoteSignature) -> bool| {
        let note = Note::parse(second.newest().note(), CHARTER_BYTES_MAX).unwrap();
        let mut kept = Note::draft(note.text().to_owned()).unwrap();
        for line in note.signatures().iter().filter(|line| keep(line)).cloned() {
            kept.add(line).unwrap();
        }
        kept.to_bytes()
    };
    let wrong_vote = || {
        let mut note = Note::draft(two.clone()).unwrap();
        let old = &member("BE", 1).keys[0];
        for mut line in Note::parse(second.newest().note(), CHARTER_BYTES_MAX).unwrap().signatures().iter().cloned() {
            if line.is_by(old.key()) {
                line = NoteSignature::new(old.key(), NoteSignature::sign("another text\n", old).unwrap().bytes);
            }
            note.add(line).unwrap();
        }
        note.to_bytes()
    };
    let key = |id: &str, generation, role: usize| member(id, generation).keys[role].key().clone();
    let composed = |chain: &CharterChain, changes: Changes| {
        // The composer refuses it, so its parts are put together here.
        let text = chain.compose_next(&Changes { fold: Some(9), ..Changes::default() }).unwrap().text().to_owned();
        let (head, tables) = text.split_once("\n[[unit]]\n").unwrap();
        let mut out = format!("{}\n[[unit]]\n{tables}", head.replace("fold = 9", "fold = 1"));
        for description in &changes.add {
            let described = description.to_toml();
            let (_, table) = described.split_once("\n[[unit]]\n").unwrap();
            out.push_str(&format!("\n[[unit]]\n{table}"));
        }
        out
    };
    let taken_ca = Member { ca_of: unit("UK"), ..member("IE", 1) };
    let joins = |member: Member| Changes { add: vec![member.describe()], ..Changes::default() };
    let base = format!("base = \"5 {}\"", Hash::of(b"root"));
    vec![
        ("a-version-left-out", 1, third.newest().note().to_vec()),
        ("the-version-before-once-more", 2, second.newest().note().to_vec()),
        ("another-version-before", 1, with(&two, &first.newest().digest().to_string(), &Hash::of(b"x").to_string())),
        ("no-version-before", 1, with(&two, &format!("\"{}\"", first.newest().digest()), "\"\"")),
        (
            "a-later-version-that-continues-another",
            1,
            with(&two, "fold = 1", &format!("continues = \"{}\"\nfold = 1", Hash::of(b"x"))),
        ),
        ("a-base-without-a-new-log-key", 2, with(&three, "base = \"\"", &base)),
        ("a-base-of-a-unit-that-joins", 1, {
            let (head, es) = two.split_once("id = \"ES\"").unwrap();
            all_sign(&format!("{head}id = \"ES\"{}", es.replacen("base = \"\"", &base, 1)), &everyone())
        }),
        (
            "a-unit-that-comes-back",
            3,
            all_sign(&composed(&third, joins(member("UK", 2))), &[everyone(), vec![member("UK", 2)]].concat_members()),
        ),
        ("a-key-that-was-replaced", 2, with(&three, &key("BE", 2, 1).to_string(), &key("BE", 1, 1).to_string())),
        (
            "a-ca-that-was-another-units",
            3,
            all_sign(&composed(&third, joins(taken_ca)), &[everyone(), vec![member("IE", 1)]].concat_members()),
        ),
        ("too-few-votes", 1, lines_of(&|line| line.name.as_str() != "takedown.example/NL/charter")),
        ("a-new-key-that-did-not-sign", 1, lines_of(&|line| !line.is_by(&key("ES", 1, 2)))),
        ("a-new-key-of-an-old-unit-that-did-not-sign", 1, lines_of(&|line| !line.is_by(&key("BE", 2, 1)))),
        ("the-new-key-votes-for-the-old-one", 1, lines_of(&|line| !line.is_by(&key("BE", 1, 0)))),
        ("a-vote-over-another-text", 1, wrong_vote()),
    ]
}

trait Concat {
    fn concat_members(self) -> Vec<Member>;
}

impl Concat for [Vec<Member>; 2] {
    fn concat_members(self) -> Vec<Member> {
        self.into_iter().flatten().collect()
    }
}

/// Whoever reads the vectors without this crate needs to know which keys are which.
#[test]
fn seeds_are_told_apart_by_generation() {
    let keys: BTreeMap<String, u32> =
        [1, 2].into_iter().map(|generation| (member("BE", generation).keys[1].key().to_string(), generation)).collect();
    assert_eq!(keys.len(), 2);
}

//! Witnesses from outside: what they are asked, what they answer, and how their word stands in an export.

use std::collections::BTreeMap;

use entente_proto::audit::witnessed_files;
use entente_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, NoteSignature, Signer};
use entente_proto::tree::{MemoryTree, consistency_proof};
use entente_proto::witness::{
    AddCheckpoint, Known, LogKeys, Refusal, Witness, WitnessedCheckpoint, read_answer, write_size,
};
use serde_json::{Value, json};

use crate::files::Files;
use crate::world::{START_S, log_signer, mirror_signer, network, size, unit};

/// The name of a log that is not the name of its key.
const ORIGIN: &str = "a log of somebody else's";

pub(crate) fn files() -> Files {
    let mut files = Files::default();
    let logs = logs();
    let mut calls = Vec::new();
    for Call { name, known, now, body } in calls_to_make() {
        let file = format!("witness/calls/{name}.request");
        let (status, answer) = answer(&logs, known.as_ref(), now, &body);
        let known =
            known.map(|known| json!({ "size": known.size.get(), "root": known.root.to_string(), "time": known.time }));
        calls.push(json!({ "file": file, "known": known, "now": now, "status": status, "answer": answer }));
        files.put(file, body);
    }
    let mut refused = Vec::new();
    for (name, note) in words_to_refuse() {
        let file = format!("witness/refused/{name}.note");
        assert!(WitnessedCheckpoint::read(&note, log_signer(&unit("BE")).key(), witness().key()).is_err(), "{name}");
        refused.push(file.clone());
        files.put(file, note);
    }
    let words = words();
    let exported: Vec<Value> = words.iter().map(told).collect();
    for (path, bytes) in witnessed_files(&unit("BE"), &words) {
        files.put(format!("witness/export/{path}"), bytes);
    }
    files.put("witness/logs", listed());
    files.put_json(
        "witness/witness.json",
        &json!({ "vkey": witness().key().to_string(), "calls": calls, "exported": exported, "refused": refused }),
    );
    files
}

fn told(word: &WitnessedCheckpoint) -> Value {
    let id: String = word.witness().id().iter().map(|byte| format!("{byte:02x}")).collect();
    let directory = format!("witness/export/logs/BE/witnessed/{id}");
    json!({
        "log": "BE",
        "checkpoint": format!("{directory}/checkpoint"),
        "vkey": format!("{directory}/vkey"),
        "size": word.checkpoint().size.get(),
        "root": word.checkpoint().root.to_string(),
        "time": word.time(),
    })
}

/// FR's node as a witness; its seed is SHA-256 of `witness FR`.
fn witness() -> MemorySigner {
    signer(KeyName::witness(&network(), &unit("FR")), Algorithm::Cosignature, "witness FR")
}

fn another_witness() -> MemorySigner {
    signer("witness.example/w1".parse().unwrap(), Algorithm::Cosignature, "witness.example/w1")
}

/// The key of the other log.
fn other_log() -> MemorySigner {
    signer("log.example/key".parse().unwrap(), Algorithm::Ed25519, "log.example/key")
}

fn signer(name: KeyName, algorithm: Algorithm, label: &str) -> MemorySigner {
    MemorySigner::from_seed(name, algorithm, &Hash::of(label.as_bytes()).0).unwrap()
}

/// Whose logs it signs for: the other log has two keys.
fn listed() -> String {
    let [be, other] = [log_signer(&unit("BE")), other_log()];
    let second = another_witness();
    format!("# BE's log\n{}\n\n{} {ORIGIN}\n  {} {ORIGIN}\n", be.key(), other.key(), second.key())
}

fn logs() -> LogKeys {
    LogKeys::parse(&listed()).unwrap()
}

/// The status and, where the callers read it, the answer.
fn answer(logs: &LogKeys, known: Option<&Known>, now: u64, body: &[u8]) -> (u16, Option<String>) {
    let refused = |refusal: &Refusal| (refusal.status(), refusal.known().map(write_size));
    let call = match AddCheckpoint::parse(body) {
        Ok(call) => call,
        Err(error) => return refused(&Refusal::Malformed(error)),
    };
    assert_eq!(call.to_bytes(), body, "there is one form");
    let origin = call.checkpoint.origin().parse().unwrap();
    let witness = Witness::new(known.map(|known| BTreeMap::from([(origin, *known)])).unwrap_or_default());
    match witness.judge(logs, &call, now) {
        Ok(accepted) => {
            let signer = self::witness();
            let word = Cosignature::sign(&accepted.body, accepted.known.time, &signer).unwrap();
            let line = format!("{}\n", word.to_line(signer.key()).to_line());
            assert_eq!(read_answer(line.as_bytes(), call.checkpoint.body(), signer.key()), Ok(word));
            (200, Some(line))
        }
        Err(refusal) => refused(&refusal),
    }
}

/// The tree of `tree.json`.
fn tree(count: u64) -> MemoryTree {
    (0..count).map(|index| Hash::leaf(&index.to_be_bytes())).collect()
}

fn body(origin: &str, count: u64, root: Hash) -> String {
    let checkpoint = Checkpoint { origin: "log".parse().unwrap(), size: Size::new(count).unwrap(), root };
    checkpoint.body().replacen("log", origin, 1)
}

fn of_be(count: u64) -> String {
    body(&format!("{}/BE", network()), count, tree(count).root())
}

fn noted(body: &str, lines: &[NoteSignature]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{}\n", line.to_line())).collect();
    format!("{body}\n{lines}").into_bytes()
}

fn line(body: &str, signer: &MemorySigner) -> NoteSignature {
    match signer.key().algorithm() {
        Algorithm::Ed25519 => NoteSignature::sign(body, signer).unwrap(),
        Algorithm::Cosignature => Cosignature::sign(body, START_S, signer).unwrap().to_line(signer.key()),
    }
}

fn note(body: &str, signer: &MemorySigner) -> Vec<u8> {
    noted(body, &[line(body, signer)])
}

fn proof(old: u64, new: u64) -> Vec<Hash> {
    consistency_proof(&tree(new), Size::new(old).unwrap(), Size::new(new).unwrap()).unwrap()
}

fn compose(old: u64, proof: &[Hash], note: &[u8]) -> Vec<u8> {
    AddCheckpoint::compose(Size::new(old).unwrap(), proof, note)
}

/// A call at a time to a witness that has signed something, or nothing, of that log.
struct Call {
    name: &'static str,
    known: Option<Known>,
    now: u64,
    body: Vec<u8>,
}

fn known(count: u64, time: u64) -> Option<Known> {
    Some(Known { size: Size::new(count).unwrap(), root: tree(count).root(), time })
}

fn calls_to_make() -> Vec<Call> {
    let be = log_signer(&unit("BE"));
    let grown = |old, new| compose(old, &proof(old, new), &note(&of_be(new), &be));
    let call = |name, known, now, body| Call { name, known, now, body };
    let later = START_S + 1_000;
    let other = Hash::of(b"another tree");
    let another = |count| note(&body(&format!("{}/BE", network()), count, other), &be);
    let mut altered = proof(5, 13);
    altered[1].0[0] ^= 1;
    let strange = |body: &str, signer: &MemorySigner| compose(0, &[], &note(body, signer));
    let whole = String::from_utf8(grown(5, 13)).unwrap();
    let changed = |from: &str, to: &str| whole.replacen(from, to, 1).into_bytes();
    let extended = format!("{}an extension\nof two lines\n", body(ORIGIN, 5, tree(5).root()));
    let several =
        noted(&of_be(5), &[line(&of_be(5), &mirror_signer(&unit("FR"))), line(&of_be(5), &be), line(&of_be(5), &be)]);
    let mut wrong = line(&of_be(5), &be);
    wrong.bytes[3] ^= 1;
    let one_hash = whole.lines().nth(1).unwrap().to_owned();
    vec![
        call("the-first", None, START_S, grown(0, 5)),
        call("an-empty-log", None, START_S, grown(0, 0)),
        call("a-larger-tree", known(5, START_S), later, grown(5, 13)),
        call("all-that-tree-json-has", known(700, START_S), later, grown(700, 1_023)),
        call("the-same-within-a-minute", known(5, START_S), START_S + 59, grown(5, 5)),
        call("the-same-after-a-minute", known(5, START_S), START_S + 60, grown(5, 5)),
        call("a-clock-that-went-back-five-minutes", known(5, later), later - 300, grown(5, 13)),
        call("a-clock-that-went-back-further", known(5, later), later - 301, grown(5, 13)),
        call("an-origin-that-is-no-key-name", None, START_S, strange(&body(ORIGIN, 5, tree(5).root()), &other_log())),
        call("a-second-key-that-cosigns", None, START_S, strange(&body(ORIGIN, 5, tree(5).root()), &another_witness())),
        call("extension-lines", None, START_S, strange(&extended, &other_log())),
        call("several-lines-and-one-twice", None, START_S, compose(0, &[], &several)),
        call("another-old-size", known(5, START_S), later, grown(4, 13)),
        call("an-old-size-where-nothing-is-known", None, START_S, grown(5, 13)),
        call("an-older-checkpoint", known(13, START_S), later, grown(0, 5)),
        call("another-root-of-that-size", known(5, START_S), later, compose(5, &[], &another(5))),
        call("an-empty-log-with-another-root", None, START_S, compose(0, &[], &another(0))),
        call("another-tree", known(5, START_S), later, compose(5, &proof(5, 13), &another(13))),
        call("a-proof-too-short", known(5, START_S), later, compose(5, &proof(5, 13)[1..], &note(&of_be(13), &be))),
        call("a-proof-altered", known(5, START_S), later, compose(5, &altered, &note(&of_be(13), &be))),
        call("a-proof-from-nothing", None, START_S, compose(0, &[other], &note(&of_be(5), &be))),
        call("an-unknown-origin", None, START_S, strange(&body("nobody's log", 5, tree(5).root()), &be)),
        call(
            "the-keys-name-for-the-origin",
            None,
            START_S,
            strange(&body("log.example/key", 5, tree(5).root()), &other_log()),
        ),
        call("signed-by-another", None, START_S, strange(&of_be(5), &other_log())),
        call("a-wrong-signature", None, START_S, compose(0, &[], &noted(&of_be(5), &[line(&of_be(5), &be), wrong]))),
        call("an-old-size-beyond-it", known(13, START_S), later, compose(13, &[], &note(&of_be(5), &be))),
        call("a-leading-zero", known(5, START_S), later, changed("old 5\n", "old 05\n")),
        call("an-old-size-of-2-to-the-40", None, START_S, changed("old 5\n", "old 1099511627776\n")),
        call("no-old-size", None, START_S, changed("old 5\n", "")),
        call("a-hash-that-is-none", known(5, START_S), later, changed(&one_hash, &one_hash[4..])),
        call("more-than-63-hashes", None, START_S, compose(0, &vec![other; 64], &note(&of_be(5), &be))),
        call("no-empty-line", known(5, START_S), later, b"old 5\n".to_vec()),
        call("no-signature", None, START_S, compose(0, &[], format!("{}\n", of_be(5)).as_bytes())),
        call("a-size-with-a-leading-zero", None, START_S, strange(&of_be(5).replacen("\n5\n", "\n05\n", 1), &be)),
        call("two-lines", None, START_S, strange("takedown.example/BE\n5\n", &be)),
        call("an-empty-line-in-the-body", None, START_S, strange(&format!("{}more\n\nmore\n", of_be(5)), &be)),
    ]
}

/// The words of two witnesses on BE's log, which saw it at different sizes.
fn words() -> Vec<WitnessedCheckpoint> {
    [(witness(), 5), (another_witness(), 13)].iter().map(|(witness, count)| word(witness, *count)).collect()
}

fn signed(count: usize) -> SignedCheckpoint {
    let be = log_signer(&unit("BE"));
    let checkpoint = Checkpoint { origin: be.key().name().clone(), size: size(count), root: tree(count as u64).root() };
    SignedCheckpoint::sign(checkpoint, &be).unwrap()
}

fn word(witness: &MemorySigner, count: usize) -> WitnessedCheckpoint {
    let signed = signed(count);
    let word = Cosignature::sign(&signed.body(), START_S + 60, witness).unwrap();
    WitnessedCheckpoint::new(signed, witness.key().clone(), word).unwrap()
}

fn words_to_refuse() -> Vec<(&'static str, Vec<u8>)> {
    let (be, witness, other) = (log_signer(&unit("BE")), witness(), another_witness());
    let (body, of) = (of_be(5), |signer: &MemorySigner| line(&of_be(5), signer));
    assert!(WitnessedCheckpoint::read(&noted(&body, &[of(&be), of(&witness)]), be.key(), witness.key()).is_ok());
    let mut wrong = of(&witness);
    wrong.bytes[70] ^= 1;
    let mut later = of(&witness);
    later.bytes[7] ^= 1;
    vec![
        ("the-witness-first", noted(&body, &[of(&witness), of(&be)])),
        ("the-witness-alone", noted(&body, &[of(&witness)])),
        ("the-author-alone", noted(&body, &[of(&be)])),
        ("a-third-line", noted(&body, &[of(&be), of(&witness), of(&other)])),
        ("another-witness", noted(&body, &[of(&be), of(&other)])),
        ("a-wrong-cosignature", noted(&body, &[of(&be), wrong])),
        ("another-time-than-was-signed", noted(&body, &[of(&be), later])),
        ("another-checkpoint", noted(&body, &[of(&be), line(&of_be(6), &witness)])),
        ("an-extension-line", {
            let body = format!("{body}more\n");
            noted(&body, &[line(&body, &be), line(&body, &witness)])
        }),
    ]
}

//! Witnesses from outside: a node signs for the log of another network, killed again and again, and never contradicts itself;
//! a node has its log signed, whatever a witness answers, and an auditor sees by whom.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use entente_certs::signer::KeyFileSigner;
use entente_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Note, Signer as _, VerifierKey};
use entente_proto::tree::{MemoryTree, consistency_proof};
use entente_proto::witness::{AddCheckpoint, read_answer};
use entente_tests::http::{Answered, post, send, serve, whole};
use entente_tests::network::{Network, Node, run};
use entente_tests::wait::{until, until_so};
use serde_json::Value;

use crate::PROGRAM;

/// Where a witness listens, at its node's own address.
const PORT: u16 = 7450;

/// Lets a stopped node witness the logs of these keys; gives where, and the key to trust.
pub(crate) fn witnessing(node: &Node, logs: &[String]) -> (String, VerifierKey) {
    let listen = format!("{}:{PORT}", node.api.split(':').next().unwrap());
    node.configure("[witness]", &format!("[witness]\nlisten = \"{listen}\""));
    list(node, logs);
    (listen, witness_key(node))
}

fn list(node: &Node, logs: &[String]) {
    let path = node.home.witness_logs();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, logs.join("\n")).unwrap();
}

fn witness_key(node: &Node) -> VerifierKey {
    let told = node.call(&["witness", "key"]).ended(0).document();
    told["vkey"].as_str().unwrap().parse().unwrap()
}

/// Has a stopped node ask witnesses.
pub(crate) fn asking(node: &Node, witnesses: &[(String, String, &str)]) {
    let ask = |(url, vkey, more): &(String, String, &str)| {
        format!("[[witness.ask]]\nurl = \"{url}\"\nvkey = \"{vkey}\"\n{more}\n")
    };
    let all: String = witnesses.iter().map(ask).collect();
    node.configure("# every_s = 60                 #", "every_s = 1 #");
    node.configure("\n[store]", &format!("\n{all}\n[store]"));
}

pub(crate) fn log_key(node: &Node) -> KeyFileSigner {
    KeyFileSigner::load(&node.home.log_key()).unwrap()
}

/// What a node says of a witness that it asks.
fn asked(node: &Node, witness: &str) -> Value {
    let status = node.status();
    let all = status["witnesses"].as_array().unwrap();
    all.iter().find(|asked| asked["name"] == witness).unwrap().clone()
}

/// Waits until a witness has cosigned all that is certified.
pub(crate) fn until_witnessed(node: &Node, witness: &VerifierKey, size: u64) {
    until_so(&format!("{} has cosigned {size} entries", witness.name()), || {
        asked(node, witness.name().as_str())["size"].as_u64() >= Some(size)
    });
}

/// A log of the test's own.
struct Log(MemorySigner);

/// From which entry on it goes which way.
type Way = Vec<(u64, &'static str)>;

fn way(name: &'static str) -> Way {
    vec![(0, name)]
}

impl Log {
    fn new() -> Self {
        Self(MemorySigner::from_seed("log.example".parse().unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap())
    }

    fn key(&self) -> String {
        self.0.key().to_string()
    }

    /// A call for a checkpoint, and its body.
    fn call(&self, way: &Way, old: u64, new: u64) -> (Vec<u8>, String) {
        let name = |index| way.iter().rev().find(|(from, _)| *from <= index).unwrap().1;
        let leaf = |index: u64| Hash::leaf(format!("{} {index}", name(index)).as_bytes());
        let tree: MemoryTree = (0..new).map(leaf).collect();
        let [old, new] = [old, new].map(|size| Size::new(size).unwrap());
        let checkpoint = Checkpoint { origin: self.0.key().name().clone(), size: new, root: tree.root() };
        let body = checkpoint.body();
        let note = SignedCheckpoint::sign(checkpoint, &self.0).unwrap().to_note().to_bytes();
        let proof = if old > new { Vec::new() } else { consistency_proof(&tree, old, new).unwrap() };
        (AddCheckpoint::compose(old, &proof, &note), body)
    }

    fn add(&self, at: &str, way: &Way, old: u64, new: u64) -> Answered {
        post(at, "/add-checkpoint", &self.call(way, old, new).0).unwrap()
    }
}

#[test]
fn a_node_witnesses_another_networks_log_through_kills_and_an_auditor_sees_it() {
    let (ours, theirs) = (Network::found(PROGRAM, &["BE"]), Network::found(PROGRAM, &["UK"]));
    let (author, witness) = (ours.node("BE"), theirs.node("UK"));
    let (listen, vkey) = witnessing(witness, &[log_key(author).key().to_string()]);
    asking(author, &[(format!("http://{listen}/"), vkey.to_string(), "")]);
    ours.start();
    theirs.start();
    for round in 0..4 {
        for site in 0..3 {
            author.refer(&format!("site-{round}-{site}.example"), "certified");
        }
        witness.kill();
        author.refer(&format!("site-{round}-more.example"), "certified");
        // It is killed whatever it was about, and comes back.
        witness.start();
        until_witnessed(author, &vkey, 4 * (round + 1));
    }
    let size = author.status()["logs"][0]["certified"].as_u64().unwrap();
    until_witnessed(author, &vkey, size);
    assert_eq!(asked(author, vkey.name().as_str())["error"], Value::Null);
    let shown = witness.call(&["witness", "show"]).ended(0).document();
    let log = &shown["witnessing"]["logs"][0];
    assert_eq!((&log["origin"], &log["size"]), (&"takedown.example/BE".into(), &size.into()), "{shown}");

    // Its word lasts where neither it nor the author's node runs on.
    witness.kill();
    author.kill();
    author.start();
    author.until_state("running");
    assert_eq!(asked(author, vkey.name().as_str())["size"], size);
    audited(&ours, author, &vkey, size);
}

fn audited(network: &Network, author: &Node, witness: &VerifierKey, size: u64) {
    let directory = network.directory().join("export");
    let directory = directory.to_str().unwrap();
    let _ = author.call(&["audit", "export", directory]).ended(0);
    let verify = |args: &[&str]| run(PROGRAM, &[&["audit", "verify", directory], args].concat(), b"");
    let told = verify(&["--json", "--witness", &witness.to_string()]).ended(0).document();
    let word = &told["logs"][0]["witnesses"][0];
    assert_eq!((&word["vkey"], &word["size"]), (&witness.to_string().into(), &size.into()), "{told}");
    let line = format!("witness {witness} saw {size} of ");
    assert!(verify(&[]).ended(0).out.contains(&line));
    let other = MemorySigner::from_seed("w.example".parse().unwrap(), Algorithm::Cosignature, &[9; 32]).unwrap();
    verify(&["--witness", &other.key().to_string()]).ended(4).says(&["BE", "w.example", "has cosigned no checkpoint"]);

    let id = format!("{:08x}", u32::from_be_bytes(witness.id()));
    let path = Path::new(directory).join("logs/BE/witnessed").join(id).join("checkpoint");
    let note = Note::parse(&fs::read(&path).unwrap(), 1 << 16).unwrap();
    let word = Cosignature::from_line(note.signature_of(witness).unwrap()).unwrap();
    assert_eq!(word.verify(note.text(), witness), Ok(()));
    fs::remove_file(&path).unwrap();
    verify(&[]).ended(4).says(&["witnessed"]);
}

#[test]
fn whatever_is_asked_at_once_and_after_a_kill_one_history_is_signed() {
    let network = Network::found(PROGRAM, &["UK"]);
    let (witness, log) = (network.node("UK"), Log::new());
    let (listen, vkey) = witnessing(witness, &[log.key()]);
    network.start();
    let (mut signed, mut old): (Way, u64) = (Vec::new(), 0);
    for size in [5, 9, 300] {
        // Two ways on from what is signed, each of which would be right alone.
        let ways = ["left", "right"].map(|name| [&signed[..], &[(old, name)]].concat());
        let answers: Vec<(&Way, Answered, String)> = std::thread::scope(|scope| {
            let asking: Vec<_> = ways
                .iter()
                .cycle()
                .take(12)
                .map(|way| {
                    let (call, body) = log.call(way, old, size);
                    let listen = &listen;
                    scope.spawn(move || (way, post(listen, "/add-checkpoint", &call).unwrap(), body))
                })
                .collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|(_, answered, _)| matches!(answered.status, 200 | 409)), "{answers:?}");
        let mut words = answers.iter().filter(|(_, answered, _)| answered.status == 200);
        let (way, answered, body) = words.next().unwrap();
        assert!(read_answer(answered.body.as_bytes(), body, &vkey).is_ok(), "{answered:?}");
        assert!(words.all(|(other, ..)| other == way), "both ways were signed");
        witness.kill();
        witness.start();
        witness.until_state("running");
        let other = ways.iter().find(|other| other != way).unwrap();
        let conflict = log.add(&listen, other, old, size);
        assert_eq!((conflict.status, conflict.body), (409, format!("{size}\n")));
        assert!(conflict.head.contains("content-type: text/x.tlog.size"), "{}", conflict.head);
        assert_eq!(log.add(&listen, other, size, size).status, 409, "another root");
        assert_eq!(log.add(&listen, other, size, size + 9).status, 422, "another tree");
        assert_eq!(log.add(&listen, way, size, size).status, 200, "the same again, as of a later time");
        (signed, old) = ((*way).clone(), size);
    }
}

#[test]
fn hostile_callers_are_answered_with_the_statuses_of_c2sp_and_change_nothing() {
    let network = Network::found(PROGRAM, &["UK"]);
    let (witness, log) = (network.node("UK"), Log::new());
    let (listen, vkey) = witnessing(witness, &[]);
    network.start();
    assert_eq!(log.add(&listen, &way("one"), 0, 5).status, 404, "nobody's log is known");
    // The list is read again without a restart; a key of the right name that is not the log's is not enough.
    let stranger = MemorySigner::from_seed("log.example".parse().unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    list(witness, &[stranger.key().to_string()]);
    assert_eq!(log.add(&listen, &way("one"), 0, 5).status, 403);
    list(witness, &[log.key(), log_key(witness).key().to_string()]);
    assert_eq!(log.add(&listen, &way("one"), 6, 5).status, 400);
    let (call, body) = log.call(&way("one"), 0, 5);
    let raw = |bytes: &[u8]| send(&listen, bytes).unwrap().status;
    assert_eq!(raw(b"GET /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 405);
    assert_eq!(post(&listen, "/", &call).unwrap().status, 404);
    assert_eq!(post(&listen, "/add-checkpoint", b"").unwrap().status, 400);
    // More than is ever read: the answer comes before that.
    let cut_off = |answered: Option<Answered>, with: u16| {
        assert_eq!(answered.as_ref().map(|answered| answered.status), Some(with), "{answered:?}");
    };
    cut_off(post(&listen, "/add-checkpoint", &vec![b'x'; 1 << 20]), 413);
    let chunked = "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(raw(format!("{chunked}ffffffffffffffffff\r\n").as_bytes()), 400);
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    cut_off(send(&listen, format!("{chunked}{}", chunk.repeat(64)).as_bytes()), 413);
    cut_off(send(&listen, format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(32 << 10)).as_bytes()), 431);
    // A node does not witness its own log, whoever lists it.
    let own = KeyName::log(network.name(), &witness.unit);
    let checkpoint = Checkpoint { origin: own, size: Size::ZERO, root: Hash::EMPTY_ROOT };
    let note = SignedCheckpoint::sign(checkpoint, &log_key(witness)).unwrap().to_note().to_bytes();
    let call_own = AddCheckpoint::compose(Size::ZERO, &[], &note);
    assert_eq!(post(&listen, "/add-checkpoint", &call_own).unwrap().status, 404);
    // More who say nothing than may be there from one address, and then somebody who does.
    let silent: Vec<_> = (0..80).filter_map(|_| std::net::TcpStream::connect(&listen).ok()).collect();
    until_so("the silent are cut off and somebody is served", || {
        post(&listen, "/add-checkpoint", &call).is_some_and(|answered| {
            answered.status == 200 && read_answer(answered.body.as_bytes(), &body, &vkey).is_ok()
        })
    });
    drop(silent);
    assert_eq!(witness.status()["state"], "running");
}

#[test]
fn a_witness_whose_journal_was_lost_or_restored_signs_nothing_until_it_has_a_new_key() {
    let network = Network::found(PROGRAM, &["UK"]);
    let (witness, log) = (network.node("UK"), Log::new());
    let (listen, vkey) = witnessing(witness, &[log.key()]);
    network.start();
    assert_eq!(log.add(&listen, &way("one"), 0, 5).status, 200);
    let backup = network.directory().join("backup");
    let _ = witness.operate(&["backup", backup.to_str().unwrap()]).ended(0);
    assert_eq!(log.add(&listen, &way("one"), 5, 8).status, 200);
    let refuses = || {
        witness.until_state("running");
        for (name, old, new) in [("other", 0, 8), ("one", 5, 8), ("one", 8, 9), ("other", 5, 6)] {
            assert_eq!(log.add(&listen, &way(name), old, new).status, 503);
        }
        let shown = witness.call(&["witness", "show"]).ended(0).document();
        let reason = shown["witnessing"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("entente witness key --renew"), "{reason}");
        assert!(witness.status()["warnings"].to_string().contains("entente witness key --renew"));
        witness.stop();
        witness.call(&["witness", "key"]).ended(1).says(&["--renew"]);
    };
    witness.stop();
    fs::remove_file(witness.home.journal()).unwrap();
    witness.start();
    refuses();
    let renewed = witness.call(&["witness", "key", "--renew"]).ended(0).document();
    assert_ne!(renewed["vkey"], vkey.to_string());
    witness.start();
    witness.until_state("running");
    let (call, body) = log.call(&way("one"), 0, 8);
    let answered = post(&listen, "/add-checkpoint", &call).unwrap();
    let key: VerifierKey = renewed["vkey"].as_str().unwrap().parse().unwrap();
    assert!(read_answer(answered.body.as_bytes(), &body, &key).is_ok(), "{answered:?}");

    // The old copy knows of 5 entries, and its key signed more.
    witness.stop();
    fs::rename(witness.directory(), network.directory().join("gone")).unwrap();
    let _ = run(PROGRAM, &["restore", backup.to_str().unwrap(), "--home", witness.directory().to_str().unwrap()], b"")
        .ended(0);
    witness.start();
    refuses();
    // What is still known binds the next key, too.
    let _ = witness.call(&["witness", "key", "--renew"]).ended(0);
    witness.start();
    witness.until_state("running");
    assert_eq!(log.add(&listen, &way("other"), 0, 6).body, "5\n");
}

#[test]
fn a_home_directory_of_before_gets_its_witness_key_when_it_is_asked_for() {
    let network = Network::found(PROGRAM, &["UK"]);
    let witness = network.node("UK");
    let first = witness_key(witness);
    assert_eq!(witness_key(witness), first, "it is made once");
    fs::remove_file(witness.home.witness_key()).unwrap();
    let second = witness_key(witness);
    assert_ne!(second, first, "and another where the file is gone");
    network.start();
    witness.call(&["witness", "key"]).ended(1).says(&["stop it first"]);
    // The mirror key says that a log is held, and is never a witness's.
    witness.stop();
    let mirror = fs::read_to_string(witness.home.mirror_key()).unwrap();
    let seed = mirror.trim().rsplit(' ').next().unwrap();
    let public = KeyFileSigner::load(&witness.home.mirror_key()).unwrap().key().public().to_owned();
    let posing = VerifierKey::new(second.name().clone(), Algorithm::Cosignature, public).unwrap();
    fs::write(witness.home.witness_key(), format!("entente-key v1 {posing} {seed}\n")).unwrap();
    witness.run_to_its_end().ended(1).says(&["a witness has a key of its own"]);
}

/// A witness that gives each caller, by the prefix that it was called under, another wrong answer.
fn hostile(key: Arc<MemorySigner>, stranger: Arc<MemorySigner>) -> std::net::SocketAddr {
    serve(Arc::new(move |path, body| {
        let call = AddCheckpoint::parse(body).unwrap();
        let (text, size) = (call.checkpoint.body(), call.checkpoint.size().get());
        let line = |body: &str, key: &MemorySigner, time: u64| {
            whole("200 OK", &format!("{}\n", Cosignature::sign(body, time, key).unwrap().to_line(key.key()).to_line()))
        };
        let conflict = |size: u64| whole("409 Conflict\r\nContent-Type: text/x.tlog.size", &format!("{size}\n"));
        match path.split('/').nth(1).unwrap() {
            "honest" if call.old == Size::ZERO && size > 1 => conflict(1),
            "honest" => line(text, &key, 1_700_000_000),
            "stranger" => line(text, &stranger, 1_700_000_000),
            "size" => line(&text.replace(&format!("\n{size}\n"), &format!("\n{}\n", size + 1)), &key, 1_700_000_000),
            "future" => line(text, &key, 1 << 40),
            "ahead" => conflict(1_000_000),
            "round" => conflict(call.old.get().wrapping_add(1) % 2),
            "branch" => conflict(call.old.get()),
            "redirect" => whole("307 There\r\nLocation: /honest/add-checkpoint", ""),
            "endless" => whole("200 OK", &"x".repeat(1 << 20)),
            _ => whole("500 Broken", "no\u{1b}[2Jthing"),
        }
    }))
}

#[test]
fn whatever_a_witness_answers_only_its_word_on_what_was_sent_counts() {
    let network = Network::found(PROGRAM, &["BE"]);
    let author = network.node("BE");
    let ways = ["honest", "stranger", "size", "future", "ahead", "round", "branch", "redirect", "endless", "broken"];
    let key = |number: u8, name: &str| {
        let name = format!("{name}.example/w").parse().unwrap();
        Arc::new(MemorySigner::from_seed(name, Algorithm::Cosignature, &[number; 32]).unwrap())
    };
    let witnesses: Vec<_> = (1_u8..)
        .zip(ways)
        .map(|(number, way)| {
            let key = key(number, way);
            let at = hostile(
                key.clone(),
                Arc::new(MemorySigner::from_seed(key.key().name().clone(), Algorithm::Cosignature, &[99; 32]).unwrap()),
            );
            (format!("http://{at}/{way}"), key.key().to_string(), "")
        })
        .collect();
    asking(author, &witnesses);
    network.start();
    for site in 0..3 {
        author.refer(&format!("site-{site}.example"), "certified");
    }
    let size = author.status()["logs"][0]["certified"].as_u64().unwrap();
    until_so("the honest one has cosigned", || asked(author, "honest.example/w")["size"].as_u64() >= Some(size));
    for (way, words) in [
        ("stranger", "no signature by the key"),
        ("size", "not one over this text"),
        ("future", "ahead"),
        ("ahead", "it has seen 1000000 entries"),
        ("round", "another size"),
        ("branch", "another log"),
        ("redirect", "307"),
        ("endless", "65536 bytes"),
        ("broken", "no [2Jthing"),
    ] {
        let asked = until(&format!("the {way} one has answered"), || {
            Some(asked(author, &format!("{way}.example/w"))).filter(|asked| asked["error"].is_string())
        });
        assert!(asked["error"].as_str().unwrap().contains(words), "{way}: {asked}");
        assert_eq!((&asked["size"], &asked["seen"]), (&0.into(), &Value::Null), "{way}");
    }
    let kept: Vec<_> = fs::read_dir(author.home.witness_words()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let said = author.call(&["witness", "show"]).ended(0).document();
    assert_eq!(said["witnesses"].as_array().unwrap().len(), ways.len());
    // A word that was altered on the disk is not believed, and asked for again.
    author.stop();
    let mut note = fs::read(&kept[0]).unwrap();
    let at = note.len() - 10;
    note[at] = if note[at] == b'A' { b'B' } else { b'A' };
    fs::write(&kept[0], note).unwrap();
    author.start();
    author.until_state("running");
    until_so("it has cosigned again", || asked(author, "honest.example/w")["size"].as_u64() >= Some(size));
}

#[test]
fn a_witness_is_asked_over_https_with_a_certificate_that_is_taken_up_anew() {
    let (ours, theirs) = (Network::found(PROGRAM, &["BE"]), Network::found(PROGRAM, &["UK"]));
    let (author, witness) = (ours.node("BE"), theirs.node("UK"));
    let (listen, vkey) = witnessing(witness, &[log_key(author).key().to_string()]);
    let host = listen.split(':').next().unwrap().to_owned();
    witness.configure("[witness]", "[witness]\ncertificate = \"tls.pem\"\nkey = \"keys/tls.pem\"");
    let certify = || {
        let made = rcgen::generate_simple_self_signed(vec![host.clone()]).unwrap();
        let key = witness.home.keys().join("tls.pem");
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(witness.directory().join("tls.pem"), made.cert.pem()).unwrap();
        made.cert.pem()
    };
    fs::write(author.directory().join("ca.pem"), certify()).unwrap();
    asking(author, &[(format!("https://{listen}"), vkey.to_string(), "ca = \"ca.pem\"")]);
    ours.start();
    theirs.start();
    author.refer("site.example", "certified");
    until_witnessed(author, &vkey, 2);
    // Another certificate, which this author does not trust: it is what callers see from now on, without a restart.
    certify();
    // Whoever has a connection may keep it.
    author.stop();
    author.start();
    author.until_state("running");
    author.refer("another.example", "certified");
    until_so("the other certificate is refused", || {
        asked(author, vkey.name().as_str())["error"].as_str().is_some_and(|error| error.contains("certificate"))
    });
}

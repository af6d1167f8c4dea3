//! Receipts: what one node made, anybody verifies with the charter alone, and a wrong referral can be told from one that
//! stands.

use std::fs;
use std::path::PathBuf;

use entente_proto::entry::Entry;
use entente_proto::receipt::UnverifiedReceipt;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_tests::network::{Network, Node, run};
use entente_tests::partner::{Partner, signed};
use entente_tests::said::Said;
use entente_tests::wait::until_so;
use serde_json::{Value, json};

use crate::PROGRAM;

/// The charter, as it would be handed to a provider.
fn charter(network: &Network) -> String {
    let path = network.directory().join("handed-out.note");
    fs::write(&path, network.charter().note()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file beside the network's homes.
fn file(network: &Network, name: &str) -> String {
    network.directory().join(name).to_str().unwrap().to_owned()
}

/// Has a node write a receipt into a file, and gives its name.
#[track_caller]
fn receipt(network: &Network, node: &Node, id: &str, format: &str) -> String {
    let name = file(network, &format!("{}-{}.{format}", node.unit, id.replace('/', "-")));
    let _ = node.call(&["receipt", id, "--format", format, "--out", &name]).ended(0);
    name
}

/// Verifies as somebody who has no node and no home directory.
fn verify(args: &[&str]) -> Said {
    run(PROGRAM, &[&["receipt", "verify", "--json"], args].concat(), b"")
}

#[test]
fn a_receipt_from_any_node_verifies_with_the_charter_alone_in_a_long_log() {
    let units = ["BE", "FR", "NL", "UK"];
    let network = Network::running(PROGRAM, &units);
    let be = network.node("BE");
    let lines: String = (0..1_100).map(|n| format!("site-{n}.example\n")).collect();
    let _ = be.call_with(&["import", "-", "--category", "solicits-join"], lines.as_bytes()).ended(0);
    network.until_agreed(&units);

    let charter = charter(&network);
    let mut files = Vec::new();
    let target = |index: u64| {
        let shown = be.call(&["show", &format!("BE/{index}")]).ended(0).document();
        shown["records"][0]["statement"]["target"].clone()
    };
    for (unit, index) in [("BE", 0), ("BE", 1_100), ("FR", 1), ("NL", 700), ("UK", 1_023)] {
        files.push((index, target(index), receipt(&network, network.node(unit), &format!("BE/{index}"), "text")));
    }
    // What goes to stdout is what goes to a file.
    let at = be.directory().to_str().unwrap();
    let printed = run(PROGRAM, &["receipt", "BE/700", "--home", at], b"").ended(0).out;
    assert_eq!(printed, fs::read_to_string(&files[3].2).unwrap());
    // Nobody is needed any more.
    network.nodes().iter().for_each(Node::kill);
    for (index, target, name) in &files {
        let told = verify(&[name, "--charter", &charter]).ended(0).document();
        assert_eq!(
            (&told["id"], &told["verified"], &told["certified"]),
            (&json!(format!("BE/{index}")), &true.into(), &true.into())
        );
        assert_eq!(told["checkpoint"]["size"], 1_101);
        assert!(told["cosigned_by"].as_array().unwrap().len() >= 2, "{told}");
        assert_eq!((&told["needed"], &told["asked"]), (&2.into(), &Value::Null));
        if *index > 0 {
            assert_eq!(told["statement"]["target"], *target);
            assert_eq!(told["statement"]["categories"], json!(["solicits-join"]));
        }
    }
    // One call for all, in order; through a pipe; and in words.
    let names: Vec<&str> = files.iter().map(|(_, _, name)| name.as_str()).collect();
    let all = verify(&[&names[..], &["--charter", &charter]].concat()).ended(0).documents();
    assert_eq!(all.len(), files.len());
    let piped = run(PROGRAM, &["receipt", "verify", "-", "--charter", &charter], printed.as_bytes()).ended(0);
    for word in ["BE/700  verified, certified", files[3].1.as_str().unwrap(), "Article 2(7)(c)", "--node asks a node"] {
        assert!(piped.out.contains(word), "no {word:?} in {}", piped.out);
    }

    altered_receipts_are_refused(&network, &files[3].2, &charter);
    // A charter of somebody else's network of the same name, and none at all.
    let stranger = Network::found(PROGRAM, &["BE", "FR", "NL", "UK"]);
    let name = files[3].2.as_str();
    let theirs = file(&stranger, "theirs.note");
    fs::write(&theirs, stranger.charter().note()).unwrap();
    verify(&[name, "--charter", &theirs]).ended(4).says(&["no signature by the key takedown.example/BE"]);
    verify(&[name, "--charter", name]).ended(4).says(&["the charter cannot be used"]);
    verify(&[name]).ended(2).says(&["--charter"]);
    verify(&["/nowhere/at/all", "--charter", &charter]).ended(4).says(&["/nowhere/at/all"]);
}

fn altered_receipts_are_refused(network: &Network, name: &str, charter: &str) {
    let good = fs::read_to_string(name).unwrap();
    let bad = file(network, "altered");
    for (altered, words) in [
        (good.replace("index 700", "index 701"), "does not stand at index 701"),
        (good.replace("extra A", "extra /"), "after `extra`"),
        (good.replace("\n1101\n", "\n1100\n"), "is not one over this text"),
        (good.replace('\n', "\r\n"), "carriage returns"),
        (good.lines().take(9).collect::<Vec<_>>().join("\n"), "cut short"),
        ("<html><body>Referral BE/700</body></html>".to_owned(), "no receipt in it"),
    ] {
        assert_ne!(altered, good, "{words}");
        fs::write(&bad, altered).unwrap();
        let said = verify(&[&bad, name, "--charter", charter]).ended(4);
        said.says(&["altered does not verify", words]);
        let documents = said.documents();
        assert_eq!((&documents[0]["verified"], &documents[1]["verified"]), (&false.into(), &true.into()));
    }
    // Without its partners' signatures a receipt is the unit's word alone.
    let author_alone: Vec<&str> = good.lines().filter(|line| !line.contains("/mirror ")).collect();
    fs::write(&bad, author_alone.join("\n") + "\n").unwrap();
    let said = verify(&[&bad, "--charter", charter]).ended(4);
    said.says(&["signed by BE alone", "not certified"]);
    assert_eq!((&said.document()["verified"], &said.document()["certified"]), (&true.into(), &false.into()));
}

#[test]
fn a_wrong_referral_is_told_from_one_that_stands_by_everybody_alike() {
    let units = ["BE", "FR", "NL"];
    let network = Network::running(PROGRAM, &units);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let description = "<script>alert(1)</script> glorifies & \"praises\"";
    let refer = [
        "refer",
        "https://news.example/story",
        "--category",
        "incites",
        "--provider",
        "Hoster Ltd",
        "--description",
        description,
    ];
    let _ = be.call(&[&refer[..], &["--wait", "certified"]].concat()).ended(0);
    network.until_agreed(&units);
    let charter = charter(&network);
    let early = receipt(&network, be, "BE/1", "text");
    let page = receipt(&network, be, "BE/1", "html");
    let text = fs::read_to_string(&page).unwrap();
    for words in ["Hoster Ltd", "https://news.example/story", "Article 2(7)(a)", "It stands", "&lt;script&gt;"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("href"), "{text}");
    let told = verify(&[&page, "--charter", &charter]).ended(0).document();
    assert_eq!((&told["id"], &told["withdrawn"], &told["objections"]), (&"BE/1".into(), &Value::Null, &json!([])));
    assert_eq!(told["statement"]["description"], description);

    // FR sees that it is a newspaper; BE looks again, and takes it back.
    let object = ["object", "BE/1", "--ground", "protected-expression", "--text", "a newspaper", "--wait", "certified"];
    let objection = fr.call(&object).ended(0).document()["id"].as_str().unwrap().to_owned();
    let reason = "a newspaper's report, not propaganda";
    let withdrawal = be.call(&["withdraw", "BE/1", "--reason", reason, "--wait", "certified"]).ended(0).document();
    let withdrawal = withdrawal["id"].as_str().unwrap().to_owned();
    network.until_agreed(&units);

    let mut stories = Vec::new();
    for unit in units {
        let node = network.node(unit);
        // The old receipt, with what this node knows.
        let told = node.call(&["receipt", "verify", &early, "--node"]).ended(0).document();
        assert_eq!(told["asked"], json!({ "unit": unit, "knows": true, "left_out": 0 }));
        assert_eq!((&told["withdrawn"]["id"], &told["withdrawn"]["reason"]), (&json!(withdrawal), &json!(reason)));
        assert_eq!(
            (&told["objections"][0]["id"], &told["objections"][0]["ground"]),
            (&json!(objection), &"protected-expression".into())
        );
        // The new page, offline.
        let page = receipt(&network, node, "BE/1", "html");
        let text = fs::read_to_string(&page).unwrap();
        for words in ["was WITHDRAWN by BE/2", "is OBJECTED TO by FR", "Please do not act on it"] {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        let proven = verify(&[&page, "--charter", &charter]).ended(0).document();
        for key in ["withdrawn", "objections", "erased", "supports", "statement"] {
            assert_eq!(proven[key], told[key], "{key}");
        }
        // An old receipt beside a newer page of the same record.
        let beside = verify(&[&early, "--charter", &charter, "--newer", &page]).ended(0).document();
        assert_eq!(beside["withdrawn"], told["withdrawn"]);
        stories.push((told["withdrawn"].clone(), told["objections"].clone()));
    }
    assert!(stories.iter().all(|story| *story == stories[0]), "{stories:?}");

    // The provider has the old receipt, and is sent the withdrawal's: no node is needed to see the two together.
    let newer = receipt(&network, fr, &withdrawal, "text");
    let judged = receipt(&network, network.node("NL"), &objection, "text");
    network.nodes().iter().for_each(Node::kill);
    let alone = verify(&[&early, "--charter", &charter]).ended(0).document();
    assert_eq!(alone["withdrawn"], Value::Null);
    let told = verify(&[&early, "--charter", &charter, "--newer", &newer, "--newer", &judged]).ended(0).document();
    assert_eq!((&told["withdrawn"], &told["objections"]), (&stories[0].0, &stories[0].1));
    let words = run(PROGRAM, &["receipt", "verify", &early, "--charter", &charter, "--newer", &newer], b"").ended(0);
    assert!(
        words.out.contains(&format!("BE/1 was WITHDRAWN by {withdrawal}")) && words.out.contains(reason),
        "{}",
        words.out
    );
    // A receipt that has nothing to do with it is no comfort.
    verify(&[&judged, "--charter", &charter, "--newer", &newer])
        .ended(1)
        .says(&["says nothing about the other receipts"]);
    assert!(PathBuf::from(&early).exists());
}

#[test]
fn what_is_not_certified_or_not_known_gives_no_receipt() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    network.until_agreed(&["BE", "FR"]);
    let be = network.node("BE");
    be.call(&["receipt", "BE/99"]).ended(1).says(&["knows no record BE/99"]);
    be.call(&["receipt", "SE/0"]).ended(1).says(&["knows no record SE/0"]);
    be.call(&["receipt", "BE17"]).ended(2).says(&["BE17"]);
    be.call(&["receipt"]).ended(2).says(&["ID"]);
    network.node("FR").kill();
    be.refer("alone.example", "durable");
    // Durable is what the journal has; the database follows.
    until_so("the database has it", || be.call(&["show", "BE/1"]).code == Some(0));
    let out = file(&network, "never");
    be.call(&["receipt", "BE/1", "--out", &out]).ended(1).says(&["BE/1 is not certified yet"]);
    assert!(!PathBuf::from(&out).exists());
    network.node("FR").start();
    be.until_status_of("alone.example", "listed");
    let _ = be.call(&["receipt", "BE/1", "--out", &out]).ended(0);
    assert!(PathBuf::from(&out).exists());
    be.kill();
    be.call(&["receipt", "BE/1"]).ended(3).says(&["cannot be reached"]);
}

#[test]
fn receipts_of_two_histories_of_one_log_show_the_fork_without_a_node() {
    // A unit alone certifies itself, so each of the two verifies alone.
    let network = Network::found(PROGRAM, &["BE"]);
    let charter = charter(&network);
    let key = Partner::new(&network, "BE").log_key();
    let [one, other] = ["one.example", "other.example"].map(|target| {
        let refer = wire::Refer { target: format!("domain:{target}"), categories: vec![1], ..wire::Refer::default() };
        let record = wire::Record { submission: vec![1; 16], body: Some(wire::record::Body::Refer(refer)) };
        let payload = record::encode(&record).unwrap();
        let entry = Entry::compose(RecordKind::Refer.number(), 1_524_614_400_000, [3; 16], payload).unwrap();
        let note = signed(1, entry.leaf_hash(), &key);
        let name = file(&network, target);
        fs::write(&name, UnverifiedReceipt::compose(0, &entry, Vec::new(), note).unwrap().to_bytes()).unwrap();
        let told = verify(&[&name, "--charter", &charter]).ended(0).document();
        assert_eq!((&told["id"], &told["certified"]), (&"BE/0".into(), &true.into()));
        name
    });
    verify(&[&one, &other, "--charter", &charter]).ended(4).says(&["contradict each other", "log of BE has FORKED"]);
    verify(&[&one, "--newer", &other, "--charter", &charter]).ended(4).says(&["FORKED"]);
}

//! The access log: who called a node, when and for what.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use entente_proto::entry::{Entry, Run, encode};
use entente_tests::network::{Network, Node, log_of};
use entente_tests::remains;
use serde_json::Value;

use super::PROGRAM;

/// A network whose first unit fixes its access log every second, with an auditor and an operator.
fn network() -> Network {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    be.configure("# head_every_s = 3600", "head_every_s = 1");
    network.start();
    for holder in [["--auditor", "ada"], ["--operator", "otto"]] {
        let _ = be.call(&[&["cert", "issue"][..], &holder].concat()).ended(0);
    }
    network
}

fn export(node: &Node, directory: &str) -> Value {
    node.call(&["audit", "access", "export", directory, "--as", "auditor/ada"]).ended(0).document()
}

/// Waits until a record that fixes the access log is certified: the next entry of the own log.
fn until_fixed(node: &Node) {
    let size = log_of(&node.status(), node.unit.as_str())["size"].as_u64().unwrap();
    node.until_certified(node.unit.as_str(), size + 1);
}

fn calls(network: &Network, directory: &str) -> Vec<Value> {
    network.node("FR").call(&["audit", "access", "report", directory, "--calls"]).ended(0).documents()
}

fn entries(path: &PathBuf) -> Vec<Entry> {
    Run::new(Bytes::from(fs::read(path).unwrap())).map(Result::unwrap).collect()
}

fn access_file(directory: &str) -> PathBuf {
    let files = fs::read_dir(PathBuf::from(directory).join("access")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "entries")).max().unwrap()
}

#[test]
fn who_called_for_what_is_fixed_by_records_that_partners_cosign_and_read_by_auditors_alone() {
    let network = network();
    let be = network.node("BE");
    let out = network.directory().join("audit");
    let out = out.to_str().unwrap();
    be.refer("bad.example", "certified");
    let _ = be.call(&["check", "bad.example", "other.example", "--purpose", "case 7 – urgent"]).ended(0);
    let _ = be.call(&["list"]).ended(0);
    let _ = be.call(&["show", "nothing.example"]).ended(1);
    // Neither who calls nor who keeps the node running reads who called; that they tried is in it.
    for who in ["officer", "operator/otto"] {
        be.call(&["audit", "access", "export", out, "--as", who]).ended(1).says(&["auditors alone"]);
    }
    assert!(!PathBuf::from(out).exists());
    until_fixed(be);
    let first = export(be, out);
    assert!(first["heads"].as_u64().unwrap() >= 1, "{first}");

    // Anybody with the charter verifies it, without a node.
    let charter = be.directory().join("charter/1.note");
    let verify = ["audit", "access", "verify", out, "--charter", charter.to_str().unwrap()];
    let said = network.node("FR").call(&verify).ended(0).document();
    assert!(said["covered"].as_u64().unwrap() >= 8, "{said}");

    let calls = calls(&network, out);
    let of = |method: &str, caller: &str| -> Vec<&Value> {
        calls.iter().filter(|call| call["method"] == method && call["caller"] == caller).collect()
    };
    let referred = of("Submit", "officer/officer");
    assert_eq!(
        (&referred[0]["about"][0], referred[0]["submissions"].as_array().unwrap().len()),
        (&"1 refer".into(), 1)
    );
    assert!(!referred[0].to_string().contains("bad.example"), "what a statement is about is hidden");
    let report = |about: &str| {
        network.node("FR").call(&["audit", "access", "report", out, "--calls", "--about", about]).ended(0)
    };
    // What was submitted is found in whatever form the auditor has it, what was looked up as it was typed.
    for (text, by) in [("bad.example", &["Submit", "Check"][..]), ("BAD[.]example", &["Submit"])] {
        let found = report(text).documents();
        let mut methods: Vec<_> = found.iter().map(|call| call["method"].as_str().unwrap()).collect();
        // Whoever waits for the certificate calls again.
        methods.dedup();
        assert_eq!(methods, by, "{text}");
    }
    assert!(report("nowhere.example").err.contains("no calls"));
    let counts = network.node("FR").call(&["audit", "access", "report", out, "--caller", "officer/officer"]).ended(0);
    let counts = counts.documents();
    let submit = counts.iter().find(|count| count["method"] == "Submit").unwrap();
    assert_eq!(submit["items"], submit["calls"], "a statement is counted once: {counts:?}");
    let checked = of("Check", "officer/officer");
    assert!(checked[0]["about"].as_array().unwrap().len() == 2 && !checked[0].to_string().contains("other.example"));
    let about = ["audit", "access", "report", out, "--calls", "--about", "other.example"];
    let found = network.node("FR").call(&about).ended(0).documents();
    assert_eq!(found.iter().map(|call| &call["method"]).collect::<Vec<_>>(), ["Check"], "who has the text finds it");
    assert_eq!(checked[0]["purpose"], "case 7 – urgent");
    assert_eq!(of("List", "officer/officer")[0]["rows"], 1, "what is read in bulk is counted");
    assert_eq!(of("Show", "officer/officer")[0]["refused"], 5, "not found");
    assert_eq!(of("AccessHeads", "operator/otto")[0]["refused"], 7, "permission denied");
    assert!(!of("AccessHeads", "auditor/ada").is_empty(), "auditors' calls are in it too");

    // What came since comes alone, also after a kill, in the same epoch.
    be.kill();
    be.start();
    be.until_connected("FR");
    let again = export(be, out);
    assert!(again["entries"].as_u64().unwrap() < said["entries"].as_u64().unwrap() && again["epochs"] == 1, "{again}");
    let _ = network.node("FR").call(&verify).ended(0);
}

#[test]
fn a_line_that_is_dropped_is_seen_and_a_file_that_is_damaged_is_not_gone_on_with() {
    let network = network();
    let be = network.node("BE");
    let out = network.directory().join("audit");
    let out = out.to_str().unwrap();
    for target in ["one.example", "two.example", "three.example"] {
        let _ = be.call(&["check", target]).ended(1);
    }
    until_fixed(be);
    let _ = export(be, out);
    let verify = ["audit", "access", "verify", out];
    let _ = be.call(&verify).ended(0);

    let path = access_file(out);
    let whole = fs::read(&path).unwrap();
    for dropped in 0..3 {
        let mut run = Vec::new();
        let kept = entries(&path).into_iter().enumerate().filter(|(index, _)| *index != dropped);
        kept.for_each(|(_, entry)| encode(&entry, &mut run));
        fs::write(&path, run).unwrap();
        be.call(&verify).ended(4).says(&["BE/"]);
        fs::write(&path, &whole).unwrap();
    }
    let _ = be.call(&verify).ended(0);
    fs::remove_file(&path).unwrap();
    be.call(&verify).ended(4).says(&["lines are missing"]);

    // The node's own file is damaged: a new epoch, told to everybody, and the old one stays for auditors.
    be.stop();
    let file = access_file(be.directory().to_str().unwrap());
    remains::flip(&file, fs::read(&file).unwrap().len() / 2);
    be.start();
    let warnings = be.status()["warnings"].to_string();
    assert!(warnings.contains("a new epoch of the access log began"), "{warnings}");
    let second = network.directory().join("second");
    let second = second.to_str().unwrap();
    be.call(&["audit", "access", "export", second, "--as", "auditor/ada"]).ended(4).says(&["damaged"]);
    be.call(&["audit", "access", "verify", second]).ended(4).says(&["lines are missing"]);
}

#[test]
fn a_node_may_ask_everybody_who_reads_why() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    be.configure("# purpose = \"optional\"", "purpose = \"required\"");
    network.start();
    be.refer("bad.example", "certified");
    be.call(&["check", "bad.example"]).ended(1).says(&["--purpose"]);
    be.call(&["list"]).ended(1).says(&["--purpose"]);
    let _ = be.call(&["check", "bad.example", "--purpose", "case 9"]).ended(0);
    let _ = be.call(&["list", "--purpose", "case 9"]).ended(0);
    be.call(&["list", "--purpose", "two\nlines"]).ended(2).says(&["control"]);
}

//! Exports: what a node gives out, anybody verifies with the charter alone; an export grows with the log, and forgets what
//! was erased.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use entente_tests::network::{Network, Node, run};
use entente_tests::said::Said;
use serde_json::Value;

use crate::PROGRAM;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// A path beside the network's homes.
fn beside(network: &Network, name: &str) -> String {
    network.directory().join(name).to_str().unwrap().to_owned()
}

/// The charter, as it would be handed to an auditor.
fn charter(network: &Network) -> String {
    let path = beside(network, "handed-out.note");
    fs::write(&path, network.charter().note()).unwrap();
    path
}

#[track_caller]
fn export(network: &Network, node: &Node, name: &str) -> (String, Value) {
    let directory = beside(network, name);
    let told = node.call(&["audit", "export", &directory]).ended(0).document();
    (directory, told)
}

/// Verifies as somebody who has no node and no home directory.
fn verify(args: &[&str]) -> Said {
    run(PROGRAM, &[&["audit", "verify", "--json"], args].concat(), b"")
}

/// Every file below a directory: its inode and its bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let inode = fs::metadata(&path).unwrap().ino();
            found.insert(path.clone(), (inode, fs::read(&path).unwrap()));
        }
    }
    found
}

fn hold(directory: &str, text: &str) -> Vec<PathBuf> {
    let with = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files(Path::new(directory)).into_iter().filter(|(_, (_, bytes))| with(bytes)).map(|(path, _)| path).collect()
}

fn import(node: &Node, lines: std::ops::Range<u32>) {
    let lines: String = lines.map(|n| format!("site-{n}.example\n")).collect();
    let _ = node.call_with(&["import", "-", "--category", "solicits-join"], lines.as_bytes()).ended(0);
}

#[test]
fn an_export_verifies_grows_and_forgets_what_was_erased() {
    let network = Network::running(PROGRAM, &UNITS);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    import(be, 0..600);
    let wrong = be
        .call(&["refer", "wrong.example", "--category", "incites", "--description", "a-text-that-stands-nowhere-else"])
        .ended(0)
        .document();
    import(be, 600..700);
    let digest = network.until_agreed(&UNITS);
    let (trusted, state) = (charter(&network), beside(&network, "seen"));
    let (ours, told) = export(&network, be, "be-export");
    let (theirs, _) = export(&network, fr, "fr-export");
    assert_eq!(told["exporter"], "BE");
    for directory in [&ours, &theirs] {
        let found = verify(&[directory, "--charter", &trusted, "--min-charter", "1"]).ended(0).document();
        assert_eq!((&found["verified"], &found["list"]["digest"]), (&true.into(), &digest.clone().into()), "{found}");
        assert_eq!(found["logs"][0]["size"], 702);
        assert_eq!(found["logs"].as_array().unwrap().len(), 4);
    }
    follows(&network, [&ours, &theirs], &trusted);
    let first = verify(&[&ours, "--since", &state]).ended(0);
    assert!(first.err.contains("nothing was seen before"), "{first:?}");
    let first = first.document();
    assert_eq!([&first["charter_given"], &first["seen_before"]], [false, false]);
    assert_ne!(hold(&ours, "a-text-that-stands-nowhere-else"), [] as [PathBuf; 0]);
    let before = files(Path::new(&ours));

    let id = wrong["id"].as_str().unwrap();
    let _ = be.call(&["erase", id, "--reason", "court-order", "--wait", "certified"]).ended(0);
    import(be, 700..800);
    let digest = network.until_agreed(&UNITS);
    let (_, again) = export(&network, be, "be-export");
    assert!(again["new_files"].as_u64().unwrap() < 30, "{again}");
    let found = verify(&[&ours, "--since", &state, "--charter", &trusted]).ended(0);
    assert!(!found.err.contains("nothing was seen"), "{found:?}");
    let found = found.document();
    assert_eq!([&found["charter_given"], &found["seen_before"]], [true, true]);
    assert_eq!((&found["list"]["digest"], &found["logs"][0]["erased"]), (&digest.into(), &1.into()));
    assert_eq!(hold(&ours, "a-text-that-stands-nowhere-else"), [] as [PathBuf; 0]);
    let after = files(Path::new(&ours));
    for full in ["logs/BE/tile/entries/000", "logs/BE/tile/0/001", "logs/BE/payload/000"] {
        let path = Path::new(&ours).join(full);
        assert_eq!(before[&path], after[&path], "{full} is not written again");
    }
    // FR's export is older now: the log of BE has shrunk, as far as this auditor can see.
    verify(&[&theirs, "--since", &state]).ended(4).says(&["SHRANK", "BE"]);
}

/// What follows from two exports of the same 701 referrals by BE.
#[track_caller]
fn follows(network: &Network, [ours, theirs]: [&str; 2], trusted: &str) {
    let audit = |args: &[&str]| run(PROGRAM, &[&["audit", "--json"], args].concat(), b"").ended(0);
    let compared = audit(&["compare", ours, theirs]).document();
    assert_eq!([&compared["agree"], &compared["same_frontier"], &compared["same_list"]], [true, true, true]);
    let rows = |at: &str| audit(&["list", ours, "--at", at]).documents();
    assert_eq!(rows("BE=702").len(), 701);
    assert_eq!(rows("BE=3").len(), 2);
    assert_eq!(rows("2020-01-01").len(), 0);

    let receipt = beside(network, "audited.receipt");
    let shown = audit(&["record", theirs, "BE/700", "--receipt", &receipt]).document();
    assert_eq!((&shown["certified"], &shown["kind"]), (&true.into(), &"refer".into()), "{shown}");
    let _ = run(PROGRAM, &["receipt", "verify", &receipt, "--charter", trusted], b"").ended(0);

    let year = shown["time"].as_str().unwrap().split('-').next().unwrap().to_owned();
    let report = audit(&["report", ours, "--year", &year]).document();
    let all = &report["sections"][0]["figures"][0];
    assert_eq!((&all["number"], &all["records"][0]), (&701.into(), &"BE/1".into()), "{all}");
    let html = beside(network, "report.html");
    let _ = run(PROGRAM, &["audit", "report", ours, "--year", &year, "--format", "html", "--out", &html], b"").ended(0);
    let page = fs::read_to_string(html).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("BE/1-701"), "{page}");
}

#[test]
fn what_does_not_verify_ends_with_4_and_is_named() {
    let units = ["BE", "FR"];
    let network = Network::running(PROGRAM, &units);
    let be = network.node("BE");
    import(be, 0..300);
    let _ = be.call(&["hold", "held.example", "--reason", "evidence", "--wait", "certified"]).ended(0);
    network.until_agreed(&units);
    let (directory, _) = export(&network, be, "export");
    let payload = Path::new(&directory).join("logs/BE/payload/000");
    let whole = fs::read(&payload).unwrap();
    let mut altered = whole.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    // Beside it, since the file has further names where exports grow.
    fs::remove_file(&payload).unwrap();
    fs::write(&payload, altered).unwrap();
    verify(&[&directory]).ended(4).says(&["BE/255", "commitment"]);
    // The next export does not take it for good where it is gone.
    fs::remove_file(&payload).unwrap();
    verify(&[&directory]).ended(4).says(&["logs/BE/payload/000", "not there"]);
    let (_, told) = export(&network, be, "export");
    assert!(told["new_files"].as_u64().unwrap() >= 1, "{told}");
    assert_eq!(fs::read(&payload).unwrap(), whole);
    let _ = verify(&[&directory]).ended(0);

    fs::remove_file(&payload).unwrap();
    fs::create_dir(&payload).unwrap();
    verify(&[&directory]).ended(4).says(&["logs/BE/payload/000", "no plain file"]);
    // Nothing is there: that is no verdict.
    verify(&["/nowhere/at/all"]).ended(1).says(&["no export", "audit fetch"]);
    verify(&[&theirs(&network, be), "--charter", "/nowhere/at/all"]).ended(1).says(&["somebody you trust"]);
    let typed = beside(&network, "typed");
    fs::write(&typed, "").unwrap();
    verify(&[&theirs(&network, be), "--since", &typed]).ended(4).says(&["begin anew"]);
    // The export's own charter is told from one that the auditor has.
    let ours = theirs(&network, be);
    let words = |args: &[&str]| run(PROGRAM, &[&["audit", "verify", &ours], args].concat(), b"").ended(0).out;
    let told = words(&[]);
    let digest = be.status()["charter"]["digest"].as_str().unwrap().to_owned();
    assert!(told.contains("no --charter was given") && told.contains(&format!("version 1, {digest}")), "{told}");
    assert!(!words(&["--charter", &charter(&network)]).contains("no --charter was given"));
    // Who holds a target stands beside it.
    let held = run(PROGRAM, &["audit", "list", &ours], b"").ended(0).out;
    assert!(held.contains("held by BE"), "{held}");
    let other = Network::found(PROGRAM, &["BE", "FR"]);
    verify(&[&theirs(&network, be), "--charter", &charter(&other)]).ended(4).says(&["another network's"]);

    let taken = beside(&network, "taken");
    fs::create_dir(&taken).unwrap();
    fs::write(Path::new(&taken).join("letter.txt"), "mine").unwrap();
    be.call(&["audit", "export", &taken]).ended(1).says(&["no export"]);
    assert_eq!(fs::read(Path::new(&taken).join("letter.txt")).unwrap(), b"mine");
}

fn theirs(network: &Network, node: &Node) -> String {
    export(network, node, "whole").0
}

#[test]
fn an_auditor_fetches_with_a_certificate_alone_and_a_call_that_breaks_off_changes_nothing() {
    let units = ["BE", "FR"];
    let network = Network::running(PROGRAM, &units);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    import(be, 0..20);
    network.until_agreed(&units);
    let issued = be.call(&["cert", "issue", "--auditor", "dpa"]).ended(0).document();
    let (certificate, key) = (issued["certificate"].as_str().unwrap(), issued["key"].as_str().unwrap());
    let (trusted, directory) = (charter(&network), beside(&network, "fetched"));
    let fetch = |from: &str| {
        let with = ["--certificate", certificate, "--key", key, "--charter", &trusted];
        run(PROGRAM, &[&["audit", "fetch", &directory, "--from", from, "--json"], &with[..]].concat(), b"")
    };
    let told = fetch(&be.api).ended(0).document();
    assert_eq!(told["exporter"], "BE");
    let _ = verify(&[&directory, "--charter", &trusted]).ended(0);

    // What a call left that was killed in the middle: of no use any more, or not whole.
    let incoming = network.directory().join(".fetched.incoming");
    fs::create_dir_all(incoming.join("logs/BE/tile/0")).unwrap();
    fs::write(incoming.join("logs/BE/tile/0/000.p/21").parent().unwrap().with_file_name("junk"), b"half").unwrap();
    import(be, 20..40);
    network.until_agreed(&units);
    let before = files(Path::new(&directory));
    // FR's node does not know BE's auditors, and a node that is down says nothing.
    let _ = fetch(&fr.api).ended(4);
    be.stop();
    let _ = fetch(&be.api).ended(3);
    assert_eq!(files(Path::new(&directory)), before);
    be.start();
    be.until_state("running");
    let told = fetch(&be.api).ended(0).document();
    assert_eq!(told["records"], before_records(&directory));
    let found = verify(&[&directory, "--charter", &trusted]).ended(0).document();
    assert_eq!(found["logs"][0]["size"], 41);
    assert!(!incoming.exists());
}

fn before_records(directory: &str) -> u64 {
    let found = verify(&[directory]).ended(0).document();
    found["logs"].as_array().unwrap().iter().map(|log| log["size"].as_u64().unwrap()).sum()
}

//! I7: after a unit erases a record, no node that has seen the erasure stores or serves its payload, and the log still
//! verifies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entente_proto::entry::Entry;
use entente_tests::chance::Chance;
use entente_tests::network::{Network, Node};
use entente_tests::remains::{contradictions, logs, words};
use entente_tests::wait::{until_every, until_so};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

use crate::PROGRAM;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// 40 characters that stand nowhere else, and fit into a label of a domain.
fn marker() -> String {
    let mut bytes = [0_u8; 20];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of a directory that contain a text.
fn with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // What a node deletes while it is looked at is not there.
    for path in fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(with(&path, text));
        } else if path.file_name().unwrap() != "ballast" {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

/// A referral whose target and description are known by what stands in them alone.
struct Marked {
    id: String,
    target: String,
    markers: [String; 2],
}

impl Marked {
    fn refer(node: &Node) -> Self {
        let markers = [marker(), marker()];
        let target = format!("{}.example", markers[0]);
        let args = ["refer", &target, "--category", "incites", "--description", &markers[1], "--wait", "certified"];
        let answer = node.call(&args).ended(0).document();
        Self { id: answer["id"].as_str().unwrap().to_owned(), target, markers }
    }

    fn erase(&self, node: &Node) -> Value {
        let answer =
            node.call(&["erase", &self.id, "--reason", "court-order", "--wait", "certified"]).ended(0).document();
        assert_eq!((&answer["certified"], &answer["target"]), (&true.into(), &Value::Null), "{answer}");
        answer
    }

    fn stands_in(&self, node: &Node) -> Vec<PathBuf> {
        self.markers.iter().flat_map(|marker| with(node.directory(), marker)).collect()
    }

    #[track_caller]
    fn is_gone_from(&self, node: &Node) {
        assert_eq!(self.stands_in(node), [] as [PathBuf; 0], "at {}", node.unit);
    }

    /// Nothing that a person can ask shows it.
    #[track_caller]
    fn is_not_shown_by(&self, node: &Node) {
        for args in [&["list"][..], &["show", &self.id], &["check", &self.target], &["show", &self.target]] {
            let said = node.call(args);
            assert!(!said.out.contains(&self.markers[1]), "{said:?}");
            // Whoever asks by the name hears the name.
            assert!(args.last() == Some(&self.target.as_str()) || !said.out.contains(&self.markers[0]), "{said:?}");
        }
        assert_eq!(node.status_of(&self.target), "unknown");
    }
}

#[track_caller]
fn scrub(node: &Node) -> Value {
    node.call(&["scrub"]).ended(0).document()
}

fn shown(node: &Node, id: &str) -> Value {
    node.call(&["show", id]).ended(0).document()["records"][0].clone()
}

/// Stops all nodes and checks that nothing anybody put its name to contradicts the logs that are left, that the logs are
/// the same everywhere, and that what was erased is missing from them.
fn end(network: &Network, erased: &[&Marked]) {
    network.nodes().iter().for_each(Node::stop);
    let first = logs(network, network.node("BE"));
    let mut said = BTreeSet::new();
    for node in network.nodes() {
        said.extend(words(network, node));
        assert!(logs(network, node) == first, "{}", node.unit);
        erased.iter().for_each(|marked| marked.is_gone_from(node));
    }
    assert_eq!(contradictions(&said, &first), []);
    let missing = first.values().flatten().filter(|entry: &&Entry| entry.body().is_none()).count();
    assert_eq!(missing, erased.len());
}

#[test]
fn an_erased_record_leaves_every_disk_also_of_a_node_that_was_off_and_never_comes_to_one_that_joins_later() {
    let network = Network::found(PROGRAM, &UNITS);
    let (be, fr, nl, uk) = (network.node("BE"), network.node("FR"), network.node("NL"), network.node("UK"));
    for node in [be, fr, nl] {
        node.start();
    }
    for node in [be, fr, nl] {
        node.until_state("running");
    }
    let kept = Marked::refer(be);
    let first = Marked::refer(be);
    network.until_agreed(&["BE", "FR", "NL"]);
    for node in [be, fr, nl] {
        assert!(!first.stands_in(node).is_empty(), "or this test could not fail");
        assert_eq!(node.status_of(&first.target), "listed");
    }
    first.erase(be);
    network.until_agreed(&["BE", "FR", "NL"]);
    for node in [be, fr, nl] {
        first.is_not_shown_by(node);
        let done = scrub(node);
        assert_eq!(done["records"], 1, "{done}");
        first.is_gone_from(node);
        assert!(!kept.stands_in(node).is_empty());
    }

    // One that joins now gets the leaf alone, and computes the same list.
    uk.start();
    uk.until_state("running");
    network.until_agreed(&UNITS);
    first.is_gone_from(uk);
    assert_eq!(uk.status_of(&kept.target), "listed");
    let record = shown(uk, &first.id);
    assert_eq!(
        (&record["erased_by"], &record["erasure"]["reason"]),
        (&"BE/3".into(), &"court-order".into()),
        "{record}"
    );
    assert_eq!((&record["erasure"]["certified"], &record["erasure"]["payload_kept"]), (&true.into(), &false.into()));

    // One that is off meanwhile has it until it comes back.
    let second = Marked::refer(be);
    network.until_agreed(&UNITS);
    nl.stop();
    let erased_by = second.erase(be)["id"].clone();
    for node in [be, fr, uk] {
        node.until_certified("BE", 6);
        assert_eq!(scrub(node)["records"], 1);
        second.is_gone_from(node);
    }
    assert!(!second.stands_in(nl).is_empty());
    let record = shown(fr, &second.id);
    assert_eq!(record["erased_by"], erased_by);
    assert_eq!(record["erasure"]["cosigned_by"], serde_json::json!(["FR", "UK"]), "{record}");
    nl.start();
    nl.until_state("running");
    let digest = network.until_agreed(&UNITS);
    second.is_not_shown_by(nl);
    scrub(nl);
    second.is_gone_from(nl);
    until_so("NL cosigns it", || {
        shown(be, &second.id)["erasure"]["cosigned_by"] == serde_json::json!(["FR", "NL", "UK"])
    });
    // Nothing of it hangs on what is in memory.
    for node in network.nodes() {
        node.kill();
    }
    network.start();
    assert_eq!(network.until_agreed(&UNITS), digest);
    for node in network.nodes() {
        second.is_not_shown_by(node);
    }
    end(&network, &[&first, &second]);
}

#[test]
fn a_node_scrubs_by_itself_and_a_restart_does_not_forget_it() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    be.configure("# scrub_after_s = 1800", "scrub_after_s = 1");
    network.start();
    let marked = Marked::refer(be);
    network.until_agreed(&["BE", "FR"]);
    marked.erase(be);
    network.until_agreed(&["BE", "FR"]);
    until_so("BE has scrubbed", || marked.stands_in(be).is_empty());
    // FR would in half an hour. It is killed before, and started again when it would have to.
    until_so("FR has deleted it", || shown(fr, &marked.id)["erasure"]["payload_kept"] == false);
    assert!(!marked.stands_in(fr).is_empty());
    fr.kill();
    fr.configure("# scrub_after_s = 1800", "scrub_after_s = 1");
    fr.start();
    fr.until_state("running");
    until_so("FR has scrubbed", || marked.stands_in(fr).is_empty());
    end(&network, &[&marked]);
}

#[test]
fn an_erasure_that_is_not_certified_is_obeyed_and_can_be_told_and_deletes_nothing_yet() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let marked = Marked::refer(be);
    network.until_agreed(&["BE", "FR", "NL"]);
    nl.stop();
    let watching = fr.begin(&["watch", "--pending"]);
    let answer = be.call(&["erase", &marked.id, "--reason", "data-subject"]).ended(0).document();
    assert_eq!((&answer["durable"], &answer["certified"]), (&true.into(), &false.into()), "{answer}");
    for node in [be, fr] {
        until_so("it is heard of", || shown(node, &marked.id)["erased_by"] == answer["id"]);
        marked.is_not_shown_by(node);
        let record = shown(node, &marked.id);
        assert_eq!(
            (&record["erasure"]["certified"], &record["erasure"]["payload_kept"]),
            (&false.into(), &true.into())
        );
        assert!(record["inert"].as_str().unwrap().contains("not yet certified"), "{record}");
        assert_eq!(scrub(node)["records"], 0);
        assert!(!marked.stands_in(node).is_empty());
    }
    // So also after a restart.
    be.kill();
    be.start();
    until_so("BE answers", || be.try_status().is_some());
    until_so("BE has looked through its log", || be.try_status().is_some_and(|status| status["list"]["pending"] == 1));
    marked.is_not_shown_by(be);
    let again = be.call(&["erase", &marked.id, "--reason", "data-subject"]).ended(1).document();
    assert_eq!(again["refused"]["code"], "erased", "{again}");
    nl.start();
    nl.until_state("running");
    network.until_agreed(&["BE", "FR", "NL"]);
    for node in [be, fr, nl] {
        assert_eq!(scrub(node)["records"], 1);
    }
    let mut watching = watching;
    watching.kill().unwrap();
    let said = watching.wait_with_output().unwrap();
    assert!(!String::from_utf8(said.stdout).unwrap().contains(&marked.markers[1]));
    end(&network, &[&marked]);
}

#[test]
fn a_partner_that_has_not_heard_of_the_erasure_cannot_bring_the_payload_back() {
    let network = Network::found(PROGRAM, &UNITS);
    let (be, fr, nl, uk) = (network.node("BE"), network.node("FR"), network.node("NL"), network.node("UK"));
    for node in [be, fr, nl] {
        node.start();
    }
    let marked = Marked::refer(be);
    network.until_agreed(&["BE", "FR", "NL"]);
    // FR goes on holding it. The others erase it, UK among them, which never had it.
    fr.stop();
    uk.start();
    uk.until_state("running");
    marked.erase(be);
    network.until_agreed(&["BE", "NL", "UK"]);
    for node in [be, nl, uk] {
        scrub(node);
        marked.is_gone_from(node);
    }
    // FR is back without BE, which could tell it, and then hears of it from NL.
    be.stop();
    fr.start();
    fr.until_state("running");
    network.until_agreed(&["FR", "NL", "UK"]);
    for node in [nl, uk] {
        marked.is_gone_from(node);
        scrub(node);
        marked.is_gone_from(node);
    }
    scrub(fr);
    marked.is_gone_from(fr);
    be.start();
    be.until_state("running");
    network.until_agreed(&UNITS);
    end(&network, &[&marked]);
}

/// Which database counts, and which there are.
fn databases(node: &Node) -> (String, BTreeSet<String>) {
    let current = fs::read_to_string(node.home.data().join("current")).unwrap();
    let names = fs::read_dir(node.home.data()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    (current.trim_end().to_owned(), names.filter(|name| name.starts_with("g-")).collect())
}

/// What one of a node's databases takes on the disk; one that is being deleted takes nothing.
fn bytes_of(node: &Node, name: &str) -> u64 {
    fs::metadata(node.home.data().join(name).join("db")).map_or(0, |file| file.len())
}

#[test]
fn a_kill_at_any_moment_of_a_scrub_leaves_a_node_with_everything() {
    let mut chance = Chance::new(7);
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let lines: String = (0..4_000).map(|number| format!("page-{number}.example\n")).collect();
    let path = network.directory().join("lines.txt");
    fs::write(&path, lines).unwrap();
    let _ = be.call(&["import", path.to_str().unwrap(), "--category", "incites"]).ended(0);
    let marked = Marked::refer(be);
    marked.erase(be);
    let digest = network.until_agreed(&["BE", "FR"]);
    let mut moments = BTreeSet::new();
    for round in 0..8 {
        let (before, _) = databases(be);
        let mut scrubbing = be.begin(&["scrub"]);
        let rest = Duration::from_micros(200);
        // A copy just begun; the copy in place of the original; and a copy of any length.
        let length = chance.below(bytes_of(be, &before));
        match round % 3 {
            0 => until_every(rest, "a copy is begun", || (databases(be).1.len() == 2).then_some(())),
            1 => until_every(rest, "the copy counts", || (databases(be).0 != before).then_some(())),
            _ => until_every(rest, "the copy is so long, or the scrub has ended", || {
                let copied: u64 =
                    databases(be).1.iter().filter(|name| **name != before).map(|name| bytes_of(be, name)).sum();
                (copied >= length || scrubbing.try_wait().unwrap().is_some()).then_some(())
            }),
        }
        be.kill();
        let (after, there) = databases(be);
        moments.insert((after != before, there.len()));
        scrubbing.wait().unwrap();
        be.start();
        be.until_state("running");
        assert_eq!(network.until_agreed(&["BE", "FR"]), digest);
        let (current, there) = databases(be);
        assert_eq!((&current, there), (&after, BTreeSet::from([current.clone()])), "one database is left");
    }
    assert!(moments.contains(&(false, 2)), "none was killed in the middle: {moments:?}");
    scrub(be);
    scrub(fr);
    end(&network, &[&marked]);
}

#[test]
fn only_own_records_of_the_kinds_that_can_end_are_erased() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let marked = Marked::refer(be);
    fr.until_status_of(&marked.target, "listed");
    let refused = |node: &Node, id: &str, code: &str| {
        let answer = node.call(&["erase", id, "--reason", "mistake"]).ended(1).document();
        assert_eq!(answer["refused"]["code"], code, "{answer}");
        assert!(answer["refused"]["message"].as_str().unwrap().len() > 20, "{answer}");
    };
    refused(be, "BE/0", "not-erasable");
    refused(be, "BE/99", "not-found");
    refused(be, "nonsense", "record-id");
    refused(fr, &marked.id, "not-own");
    // A withdrawn one can be erased, once.
    let _ = be.call(&["withdraw", &marked.id, "--reason", "wrong", "--wait", "certified"]).ended(0);
    marked.erase(be);
    refused(be, &marked.id, "erased");
    refused(be, "BE/2", "not-erasable");
    let _ = be.call(&["withdraw", &marked.id, "--reason", "again"]).ended(1);
    // From a file, one a line.
    let ids: Vec<String> = (0..3).map(|_| Marked::refer(be).id).collect();
    let said = be.call_with(&["erase", "--from", "-", "--reason", "retention"], ids.join("\n").as_bytes()).ended(0);
    assert_eq!(said.documents().len(), 3);
    network.until_agreed(&["BE", "FR"]);
    assert_eq!(fr.call(&["list"]).ended(0).out, "");
}

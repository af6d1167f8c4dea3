//! I1 and I8 over a network's life: units agree on the next charter by records, and carry no file between them.

use std::fs;
use std::path::{Path, PathBuf};

use entente_tests::network::{Network, Node, run};
use entente_tests::wait::{until, until_so};
use serde_json::Value;

use crate::PROGRAM;
use crate::charters::until_taken_up;

const THREE: [&str; 3] = ["BE", "FR", "NL"];

/// A unit composes the version after its own, in a file that stays with it.
pub(crate) fn compose(node: &Node, name: &str, args: &[&str]) -> PathBuf {
    let (home, out) = (node.directory().to_str().unwrap(), node.directory().join(name));
    let _ = node.call(&[&["charter", "new", "--from", home, "--out", out.to_str().unwrap()], args].concat()).ended(0);
    out
}

/// Proposes what is in a file, and gives the record's id.
pub(crate) fn propose(node: &Node, file: &Path) -> String {
    let said = node.call(&["charter", "propose", file.to_str().unwrap(), "--wait", "certified"]).ended(0).document();
    said["id"].as_str().unwrap().to_owned()
}

/// The proposals that a node shows; none as long as it starts.
fn proposals(node: &Node) -> Vec<Value> {
    let shown = node.call(&["charter", "show"]).ended(0).document();
    shown["proposals"].as_array().cloned().unwrap_or_default()
}

/// Waits until a node shows a proposal of which this holds.
pub(crate) fn until_shown(node: &Node, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{} shows {id} as it should", node.unit), || {
        proposals(node).into_iter().find(|shown| shown["proposed"][0] == id && holds(shown))
    })
}

pub(crate) fn sign(node: &Node, id: &str) -> String {
    node.call(&["charter", "sign", id]).ended(0).out
}

fn warns(node: &Node, words: &[&str]) -> bool {
    let status = node.status();
    let warnings = status["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| words.iter().all(|word| warning.as_str().unwrap().contains(word)))
}

#[test]
fn charter_drill_units_agree_by_records_and_only_the_unit_that_joins_is_handed_a_file() {
    let mut network = Network::running(PROGRAM, &THREE);
    network.init(PROGRAM, "UK");
    let (be, fr, nl, uk) = (network.node("BE"), network.node("FR"), network.node("NL"), network.node("UK"));
    let id = propose(be, &compose(be, "next.note", &["--add", uk.home.unit_description().to_str().unwrap()]));

    // Everybody sees what would change, and that it waits for an answer.
    let shown = until_shown(fr, &id, |_| true);
    assert!(shown["changes"].to_string().contains("UK joins"), "{shown}");
    assert_eq!((&shown["version"], &shown["needed"]), (&2.into(), &3.into()));
    assert!(warns(fr, &[&id, "waits for this unit's answer"]));
    let text = fr.call_at(&["charter", "show"]).ended(0).out;
    assert!(text.contains(&id) && text.contains("UK joins"), "{text}");
    let _ = fr.call(&["charter", "approve", &id, "--wait", "certified"]).ended(0);
    until_shown(nl, &id, |shown| shown["approved"].to_string().contains("FR/"));
    assert!(warns(fr, &[&id, "has not signed it yet"]));

    for unit in THREE {
        let node = network.node(unit);
        until_shown(node, &id, |_| true);
        let said = sign(node, &id);
        assert!(said.contains(&format!("takedown.example/{unit}/charter")), "{said}");
        // Signing again brings nothing new.
        until_shown(node, &id, |shown| shown["due"].as_array().unwrap().is_empty());
        assert!(sign(node, &id).contains("all the signatures that are due"));
        assert!(!warns(node, &[&id]));
    }
    // A node that was away meanwhile, or starts anew, learns it all from the logs.
    fr.stop();
    fr.start();
    fr.until_state("running");
    let shown = until_shown(fr, &id, |shown| shown["signed"].as_array().unwrap().len() == 3);
    assert_eq!(shown["missing"].as_array().unwrap().len(), 3, "{shown}");

    // UK is in no network yet: its file goes there and comes back, through any member.
    let file = network.directory().join("for-uk.note");
    let file = file.to_str().unwrap();
    let _ = fr.call(&["charter", "export", &id, "--out", file]).ended(0);
    let _ = uk.call(&["charter", "sign", file]).ended(0);
    let said = nl.call(&["charter", "collect", file]).ended(0).out;
    assert!(said.contains("takedown.example/UK/mirror"), "{said}");
    // The last signature puts it in force, everywhere; nobody adopts anything.
    let (first, second) = (fr.home.charter(1), fr.home.charter(2));
    until_so("FR has version 2", || second.exists());
    let _ = uk.call(&["charter", "adopt", first.to_str().unwrap(), second.to_str().unwrap()]).ended(0);
    uk.start();
    uk.until_state("running");
    let four = ["BE", "FR", "NL", "UK"];
    until_taken_up(&network, &four, 2);
    for unit in four {
        network.node(unit).refer(&format!("{}.example", unit.to_lowercase()), "certified");
    }
    network.until_agreed(&four);
    assert_eq!(proposals(be), [] as [Value; 0], "what is settled is not open");
}

#[test]
fn charter_drill_a_charter_key_on_another_machine_signs_by_file_and_its_own_node_passes_it_on() {
    let network = Network::running(PROGRAM, &THREE);
    let (be, nl) = (network.node("BE"), network.node("NL"));
    let apart = network.directory().join("safe");
    fs::create_dir(&apart).unwrap();
    fs::rename(nl.home.charter_key(), apart.join("charter.key")).unwrap();
    let id = propose(be, &compose(be, "next.note", &["--address", "BE=127.0.0.1:7999"]));
    for unit in ["BE", "FR"] {
        until_shown(network.node(unit), &id, |_| true);
        let _ = sign(network.node(unit), &id);
    }
    until_shown(nl, &id, |shown| shown["signed"].as_array().unwrap().len() == 2);
    let said = sign(nl, &id);
    assert!(said.contains("takedown.example/NL/charter is not in this node's home directory"), "{said}");

    let (file, other) = (network.directory().join("for-nl.note"), network.directory().join("other.note"));
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    let _ = nl.call(&["charter", "export", &id, "--out", file]).ended(0);
    let elsewhere = |args: &[&str]| run(PROGRAM, &[args, &["--home", apart.to_str().unwrap()]].concat(), b"");
    let versions = nl.home.directory().to_str().unwrap();
    let _ = elsewhere(&["charter", "sign", file, "--from", versions]).ended(0);
    // That key signs no other text of this version, nor does a file with a signature that does not hold get in.
    fs::copy(compose(be, "other.note", &["--address", "FR=127.0.0.1:7999"]), other).unwrap();
    let refused = elsewhere(&["charter", "sign", other, "--from", versions]).ended(1);
    assert!(refused.err.contains("one text a version, ever"), "{refused:?}");
    let mut forged = fs::read_to_string(file).unwrap();
    let at = forged.rfind("/NL/charter ").unwrap() + 30;
    let changed = if forged[at..].starts_with('A') { "B" } else { "A" };
    forged.replace_range(at..=at, changed);
    fs::write(other, forged).unwrap();
    assert!(nl.call(&["charter", "collect", other]).ended(4).err.contains("takedown.example/NL/charter does not hold"));

    let _ = nl.call(&["charter", "collect", file]).ended(0);
    until_taken_up(&network, &THREE, 2);
}

#[test]
fn charter_drill_a_vote_that_splits_is_seen_before_it_is_stuck_and_no_node_signs_both() {
    let four = ["BE", "FR", "NL", "UK"];
    let network = Network::running(PROGRAM, &four);
    let (be, fr, nl, uk) = (network.node("BE"), network.node("FR"), network.node("NL"), network.node("UK"));
    let one = propose(be, &compose(be, "one.note", &["--remove", "UK"]));
    let two = propose(uk, &compose(uk, "two.note", &["--remove", "BE"]));
    for node in network.nodes() {
        until_shown(node, &one, |_| true);
        until_shown(node, &two, |_| true);
        assert!(warns(node, &[&one, &two, "agree before more sign"]), "{}", node.unit);
    }
    let _ = sign(be, &one);
    let _ = sign(uk, &two);
    let refused = be.call(&["charter", "sign", &two]).ended(1);
    assert!(refused.err.contains("one text"), "{refused:?}");
    let _ = sign(fr, &one);
    // Two of four have signed the first: three must, and NL decides.
    until_shown(nl, &two, |shown| shown["hopeless"] == true);
    let shown = until_shown(nl, &one, |shown| shown["signed"].as_array().unwrap().len() == 2);
    assert_eq!((&shown["hopeless"], &shown["elsewhere"]), (&false.into(), &serde_json::json!(["UK"])));
    // Nor after the journal is lost, which remembers it: the own log tells.
    be.kill();
    fs::remove_file(be.home.journal()).unwrap();
    be.start();
    be.until_state("running");
    until_shown(be, &two, |_| true);
    until_shown(be, &one, |shown| shown["signed"].to_string().contains("BE"));
    let refused = be.call(&["charter", "sign", &two]).ended(1);
    assert!(refused.err.contains("one text"), "{refused:?}");
    let _ = sign(nl, &two);
    until_so("everybody sees that the vote is stuck", || {
        network.nodes().iter().all(|node| warns(node, &["the vote on version 2 of the charter is split", "refound"]))
    });
}

#[test]
fn charter_drill_a_key_that_the_charter_names_and_that_is_not_here_is_told_and_nothing_is_taken_up_by_hand() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let new = be.home.next_key_file("mirror");
    let _ = be.call(&["charter", "rotate-keys", "--mirror"]).ended(0);
    let next = compose(be, "next.note", &["--update", be.home.unit_description().to_str().unwrap()]);
    for node in [be, fr] {
        let _ = node.call(&["charter", "sign", next.to_str().unwrap()]).ended(0);
    }
    let aside = network.directory().join("mirror.key");
    fs::rename(&new, &aside).unwrap();
    let refused = be.call(&["charter", "adopt", next.to_str().unwrap()]).ended(1);
    refused.says(&["takedown.example/BE/mirror", "as this unit's mirror key", "keys/"]);
    assert_eq!(be.status()["charter"]["version"], 1);
    // What a partner passes on counts all the same: the node holds it, and says loudly what it lacks.
    let _ = fr.call(&["charter", "adopt", next.to_str().unwrap()]).ended(0);
    until_so("BE tells what it lacks", || warns(be, &["version 2 of the charter", "as this unit's mirror key"]));
    be.stop();
    let said = be.run_to_its_end();
    assert!(said.code != Some(0) && said.err.contains("takedown.example/BE/mirror"), "{said:?}");
    fs::rename(&aside, &new).unwrap();
    be.start();
    be.until_state("running");
    assert!(!warns(be, &["as this unit's mirror key"]));
    until_taken_up(&network, &["BE", "FR"], 2);
}

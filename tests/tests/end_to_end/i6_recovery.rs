//! I6 and I1: a node whose journal or database is gone, broken or old gets back what partners have, signs nothing before it
//! knows what it signed, and goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use entente_tests::chance::Chance;
use entente_tests::network::{Network, Node, log_of};
use entente_tests::remains::{Word, contradictions, copy_directory, flip, logs, put_back, words};
use serde_json::Value;

use crate::PROGRAM;

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// Refers so many targets in one call and waits until they are certified.
pub(crate) fn refer_many(node: &Node, name: &str, count: usize) {
    let lines: String = (0..count).map(|number| format!("{name}{number}.example\n")).collect();
    let args = ["refer", "--from", "-", "--category", "incites", "--wait", "certified"];
    let _ = node.call_with(&args, lines.as_bytes()).ended(0);
}

fn all_words(network: &Network, units: &[&str]) -> BTreeSet<Word> {
    units.iter().flat_map(|unit| words(network, network.node(unit))).collect()
}

/// Whatever anybody signed at any time is on the line of the log that came about.
fn nobody_contradicts(network: &Network, mut said: BTreeSet<Word>) {
    for node in network.nodes() {
        node.stop();
        said.extend(words(network, node));
    }
    assert_eq!(contradictions(&said, &logs(network, &network.nodes()[0])), []);
}

/// UK is stopped and its home directory changed, given a copy of it from before its last hundred records.
fn recovers(spoil: impl FnOnce(&Node, &Path)) {
    let network = Network::running(PROGRAM, &FOUR);
    let uk = network.node("UK");
    refer_many(uk, "early", 3);
    network.node("BE").refer("be.example", "certified");
    network.until_agreed(&FOUR);
    uk.stop();
    let backup = network.directory().join("backup");
    copy_directory(uk.directory(), &backup);
    uk.start();
    uk.until_state("running");
    refer_many(uk, "late", 100);
    let digest = network.until_agreed(&FOUR);
    let list = uk.call(&["list"]).ended(0).out;
    uk.stop();
    let said = all_words(&network, &FOUR);
    spoil(uk, &backup);

    uk.start();
    uk.until_state("running");
    assert_eq!(network.until_agreed(&FOUR), digest);
    assert_eq!(uk.call(&["list"]).ended(0).out, list);
    assert_eq!(log_of(&uk.status(), "UK")["certified"], 104);
    let next = uk.refer("after.example", "certified");
    assert_eq!(next["id"], "UK/104");
    network.node("FR").refer("fr.example", "certified");
    network.until_agreed(&FOUR);
    // What was moved aside holds records that may be erased one day: it goes with the next scrub.
    if !moved_aside(uk).is_empty() {
        let _ = uk.call(&["scrub"]).ended(0);
        assert_eq!(moved_aside(uk), Vec::<String>::new());
    }
    nobody_contradicts(&network, said);
}

fn moved_aside(node: &Node) -> Vec<String> {
    let names = fs::read_dir(node.directory()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.contains(".aside-") || name.contains(".damaged-")).collect()
}

#[test]
fn a_restored_backup_signs_nothing_gets_its_hundred_records_back_and_goes_on() {
    recovers(|uk, backup| put_back(backup, uk.directory()));
}

#[test]
fn a_node_whose_journal_alone_is_an_old_one_recovers() {
    recovers(|uk, backup| {
        fs::copy(backup.join("journal"), uk.home.journal()).unwrap();
    });
}

#[test]
fn a_node_whose_database_alone_is_an_old_one_gets_it_back() {
    recovers(|uk, backup| put_back(&backup.join("data"), &uk.home.data()));
}

#[test]
fn a_node_with_only_its_journal_gets_its_database_back() {
    recovers(|uk, _| fs::remove_dir_all(uk.home.data()).unwrap());
}

#[test]
fn a_node_with_only_its_database_gets_its_journal_back() {
    recovers(|uk, _| fs::remove_file(uk.home.journal()).unwrap());
}

#[test]
fn a_node_that_lost_both_gets_them_back() {
    recovers(|uk, _| {
        fs::remove_dir_all(uk.home.data()).unwrap();
        fs::remove_file(uk.home.journal()).unwrap();
    });
}

#[test]
fn a_damaged_journal_is_moved_aside_and_rebuilt() {
    recovers(|uk, _| flip(&uk.home.journal(), 120));
}

#[test]
fn a_database_cut_short_anywhere_is_moved_aside_and_rebuilt() {
    let mut chance = Chance::new(424);
    recovers(|uk, _| {
        for file in database_files(&uk.home.data()) {
            let length = fs::metadata(&file).unwrap().len();
            let to = chance.below(length);
            fs::File::options().write(true).open(&file).unwrap().set_len(to).unwrap();
        }
    });
}

fn database_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(database_files(&path));
        } else if path.file_name().unwrap() != "ballast" {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_restored_node_that_reaches_nobody_signs_nothing_and_keeps_what_is_submitted_over_a_kill() {
    let network = Network::running(PROGRAM, &FOUR);
    let uk = network.node("UK");
    refer_many(uk, "early", 2);
    network.until_agreed(&FOUR);
    uk.stop();
    let backup = network.directory().join("backup");
    copy_directory(uk.directory(), &backup);
    uk.start();
    uk.until_state("running");
    refer_many(uk, "late", 5);
    network.until_agreed(&FOUR);
    network.nodes().iter().for_each(Node::stop);
    let said = all_words(&network, &FOUR);
    put_back(&backup, uk.directory());
    let old = words(&network, uk);

    uk.start();
    uk.until_state("waiting");
    let kept = uk.refer("kept.example", "durable");
    assert_eq!((&kept["id"], &kept["durable"]), (&Value::Null, &true.into()), "{kept}");
    assert!(kept["submission"].is_string(), "{kept}");
    uk.kill();
    uk.start();
    uk.until_state("waiting");
    assert_eq!(uk.status()["outbox"], 1);
    assert_eq!(words(&network, uk), old, "it signed nothing");

    for unit in ["BE", "FR", "NL"] {
        network.node(unit).start();
    }
    uk.until_state("running");
    network.until_agreed(&FOUR);
    network.node("BE").until_status_of("kept.example", "listed");
    assert_eq!(log_of(&network.node("BE").status(), "UK")["certified"], 9);
    nobody_contradicts(&network, said);
}

#[test]
fn a_node_in_recovery_tells_what_it_waits_for_cosigns_and_leaves_its_own_log_until_all_have_answered() {
    let network = Network::running(PROGRAM, &FOUR);
    let (uk, nl) = (network.node("UK"), network.node("NL"));
    uk.refer("before.example", "certified");
    network.until_agreed(&FOUR);
    uk.stop();
    nl.stop();
    let said = all_words(&network, &FOUR);
    fs::remove_file(uk.home.journal()).unwrap();
    fs::remove_dir_all(uk.home.data()).unwrap();

    uk.start();
    uk.until_state("recovering");
    // Three of four units: UK's cosignature is needed.
    network.node("BE").refer("elsewhere.example", "certified");
    uk.until_status_of("elsewhere.example", "listed");
    let status = uk.status();
    assert_eq!(status["state"], "recovering");
    let why = status["reason"].as_str().unwrap();
    assert!(why.contains("journal was missing") && why.contains("all 3 partners") && why.contains("BE FR"), "{why}");
    let kept = uk.refer("kept.example", "durable");
    assert_eq!((&kept["id"], &kept["durable"]), (&Value::Null, &true.into()), "{kept}");
    assert!(words(&network, uk).iter().all(|word| word.of != uk.unit), "it signed nothing of its own");

    nl.start();
    uk.until_state("running");
    network.until_agreed(&FOUR);
    nl.until_status_of("kept.example", "listed");
    nobody_contradicts(&network, said);
}

/// These units lose journal and database at once, and all nodes are started again at once.
fn many_lose_everything(units: &[&str], victims: &[&str]) {
    let network = Network::running(PROGRAM, units);
    for unit in units {
        refer_many(network.node(unit), &unit.to_lowercase(), 3);
    }
    let digest = network.until_agreed(units);
    network.nodes().iter().for_each(Node::kill);
    let said = all_words(&network, units);
    for unit in victims {
        let home = &network.node(unit).home;
        fs::remove_file(home.journal()).unwrap();
        fs::remove_dir_all(home.data()).unwrap();
    }
    network.start();
    if victims.len() < units.len() {
        assert_eq!(network.until_agreed(units), digest);
        for unit in units {
            network.node(unit).refer(&format!("{}-again.example", unit.to_lowercase()), "certified");
        }
        network.until_agreed(units);
        nobody_contradicts(&network, said);
    } else {
        // Nobody is left to remember, so nothing can be contradicted: they begin anew, and are not stuck.
        for unit in units {
            network.node(unit).refer(&format!("{}-anew.example", unit.to_lowercase()), "certified");
        }
        network.until_agreed(units);
    }
}

#[test]
fn two_of_four_nodes_that_lose_everything_get_it_back() {
    many_lose_everything(&FOUR, &["BE", "NL"]);
}

#[test]
fn three_of_four_nodes_that_lose_everything_get_it_back() {
    many_lose_everything(&FOUR, &["BE", "FR", "NL"]);
}

#[test]
fn all_nodes_that_lose_everything_are_not_stuck() {
    many_lose_everything(&FOUR, &FOUR);
}

#[test]
fn one_of_two_nodes_that_loses_everything_gets_it_back() {
    many_lose_everything(&["BE", "FR"], &["FR"]);
}

#[test]
fn a_backup_made_while_officers_work_is_whole_and_a_node_restored_from_it_recovers() {
    let network = Network::running(PROGRAM, &FOUR);
    let uk = network.node("UK");
    refer_many(uk, "early", 300);
    let directory = network.directory().join("copy");
    let at = directory.to_str().unwrap();
    let lines = network.directory().join("lines");
    fs::write(&lines, (0..3_000).map(|number| format!("during{number}.example\n")).collect::<String>()).unwrap();
    let mut working = uk.begin(&["import", lines.to_str().unwrap(), "--category", "incites"]);
    let made = uk.operate(&["backup", at]).ended(0).document();
    assert!(made["files"].as_u64() > Some(8), "{made}");
    assert!(working.wait().unwrap().success());
    // Never over anything.
    uk.operate(&["backup", at]).ended(1).says(&["does not exist yet"]);
    refer_many(uk, "late", 50);
    let digest = network.until_agreed(&FOUR);
    uk.stop();
    let said = all_words(&network, &FOUR);

    let manifest = fs::read_to_string(directory.join("manifest")).unwrap();
    assert!(manifest.lines().any(|line| line.ends_with("  home/journal")), "{manifest}");
    let spoilt = network.directory().join("spoilt");
    copy_directory(&directory, &spoilt);
    flip(&spoilt.join("home/charter/1.note"), 9);
    let home = uk.directory().to_str().unwrap().to_owned();
    uk.call(&["restore", spoilt.to_str().unwrap()]).ended(1).says(&["does not exist yet"]);
    fs::remove_dir_all(uk.directory()).unwrap();
    uk.call(&["restore", spoilt.to_str().unwrap()]).ended(4).says(&["home/charter/1.note", "damaged"]);
    assert!(!Path::new(&home).exists());
    assert_eq!(uk.call(&["restore", at]).ended(0).document()["home"], home.as_str());

    // It recovers even where nobody is there to show that it is an old one.
    network.nodes().iter().for_each(Node::stop);
    uk.start();
    let status = uk.until_state("recovering");
    assert!(status["reason"].as_str().unwrap().contains("restored from a backup"), "{status}");
    for unit in ["BE", "FR", "NL"] {
        network.node(unit).start();
    }
    uk.until_state("running");
    assert_eq!(network.until_agreed(&FOUR), digest);
    uk.refer("after.example", "certified");
    nobody_contradicts(&network, said);
}

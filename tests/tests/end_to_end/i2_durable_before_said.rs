//! I2: no acknowledgement, checkpoint or cosignature leaves a node before it would survive a power loss.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use entente_proto::ids::UnitId;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Answer;
use entente_tests::caller::Caller;
use entente_tests::chance::Chance;
use entente_tests::network::{Network, log_of};
use entente_tests::remains::{Word, contradictions, copy_directory, journal, logs, put_back, words};
use entente_tests::said::Said;
use entente_tests::wait::{until_every, until_so};
use serde_json::Value;

use crate::PROGRAM;

/// The targets of a unit's referrals on a list, with the ids of its referrals of each.
fn referrals(list: &Said, unit: &str) -> BTreeMap<String, Vec<String>> {
    let of = |row: &Value| {
        let ids = row["referrals"].as_array().unwrap().iter().filter(|referral| referral["unit"] == unit);
        let ids = ids.map(|referral| referral["id"].as_str().unwrap().to_owned()).collect();
        (row["target"].as_str().unwrap().to_owned(), ids)
    };
    list.documents().iter().map(of).collect()
}

/// How many times the node is killed, and how many officers refer meanwhile.
const ROUNDS: u64 = 12;
const OFFICERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_referral_survives_a_kill_at_once_after_the_answer() {
    let mut chance = Chance::new(2_018);
    let network = Network::running(PROGRAM, &["BE"]);
    let node = network.node("BE");
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let (said, mut answers) = tokio::sync::mpsc::unbounded_channel();
        for officer in 0..OFFICERS {
            let mut client = Caller::officer(node).unit(&network, "BE").await.unwrap();
            let said = said.clone();
            tokio::spawn(async move {
                for number in 0_u8.. {
                    let target = format!("r{round}-o{officer}-n{number}.example");
                    let Ok(reply) = client.submit(refer(&target)).await else { return };
                    let Some(Answer::Accepted(taken)) = reply.into_inner().results.remove(0).result else { return };
                    let id = taken.id.unwrap();
                    let _ = said.send((taken.target, format!("{}/{}", id.unit, id.index)));
                }
            });
        }
        drop(said);
        // The node dies at once after one of the first answers; what was answered before it died counts.
        for _ in 0..=chance.below(20) {
            acknowledged.extend(answers.recv().await);
        }
        node.kill();
        while let Some(answer) = answers.recv().await {
            acknowledged.extend([answer]);
        }
        node.start();
        node.until_state("running");
    }
    assert!(acknowledged.len() as u64 >= ROUNDS);
    // There is a digest only of everything certified.
    until_so("the list has been folded", || {
        let status = node.status();
        let whole = log_of(&status, "BE")["size"] == log_of(&status, "BE")["certified"];
        whole && status["list"]["pending"] == 0 && status["list"]["digest"].as_str().unwrap().len() == 64
    });
    let listed = referrals(&node.call(&["list"]).ended(0), "BE");
    for (target, id) in &acknowledged {
        assert_eq!(listed.get(target).map(Vec::as_slice), Some(&[id.clone()][..]), "{target}");
    }
}

/// A call that refers one target.
fn refer(target: &str) -> wire::SubmitRequest {
    let categories = vec![wire::Category::Incites.into()];
    let refer = wire::Refer { target: target.to_owned(), categories, ..wire::Refer::default() };
    let mut submission = vec![0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut submission).unwrap();
    let record = Some(wire::Record { submission, body: Some(Body::Refer(refer)) });
    wire::SubmitRequest {
        submissions: vec![wire::Submission { record, ..wire::Submission::default() }],
        wait: wire::Wait::Durable.into(),
        ..wire::SubmitRequest::default()
    }
}

/// The import that is disturbed: how many lines, in calls of how many, and how often its node is killed.
const LINES: usize = 3_000;
const BATCH: &str = "50";
const KILLS: u64 = 20;

#[test]
fn a_node_killed_twenty_times_during_an_import_ends_with_each_line_once_and_no_contradicting_signature() {
    let mut chance = Chance::new(25_042_018);
    let units = ["BE", "FR", "NL", "UK"];
    let network = Network::running(PROGRAM, &units);
    let node = network.node("BE");
    let file = network.directory().join("targets.txt");
    let targets: Vec<String> = (0..LINES).map(|number| format!("target-{number}.example")).collect();
    fs::write(&file, targets.join("\n")).unwrap();

    let file = file.to_str().unwrap();
    let mut import = node.begin(&["import", file, "--category", "incites", "--batch", BATCH, "--retry-for", "300"]);
    let mut said: BTreeSet<Word> = BTreeSet::new();
    let mut killed_meanwhile = 0;
    let length = || fs::metadata(node.home.journal()).map_or(0, |metadata| metadata.len());
    for _ in 0..KILLS {
        let mark = length() + 1 + chance.below(30_000);
        // Killed in the middle of whatever brings the journal to this length.
        until_every(Duration::from_micros(200), "the journal grows", || {
            (length() >= mark || import.try_wait().unwrap().is_some()).then_some(())
        });
        killed_meanwhile += u64::from(import.try_wait().unwrap().is_none());
        node.kill();
        for other in network.nodes() {
            said.extend(words(&network, other));
        }
        node.start();
    }
    assert!(killed_meanwhile >= KILLS / 2, "only {killed_meanwhile} of the kills fell into the import");
    let import: Said = import.wait_with_output().unwrap().into();
    let counts = import.ended(0).document();
    assert_eq!((&counts["taken"], &counts["refused"]), (&LINES.into(), &0.into()), "{counts}");

    let size = 1 + LINES as u64;
    network.nodes().iter().for_each(|other| other.until_certified("BE", size));
    network.until_agreed(&units);
    let lists: Vec<Said> = network.nodes().iter().map(|other| other.call(&["list"]).ended(0)).collect();
    assert!(lists.iter().all(|list| list.out == lists[0].out));
    let listed = referrals(&lists[0], "BE");
    assert_eq!(listed.len(), LINES);
    assert!(targets.iter().all(|target| listed[&format!("domain:{target}")].len() == 1));

    let before = said.len();
    for other in network.nodes() {
        other.stop();
        said.extend(words(&network, other));
    }
    assert!(before > KILLS as usize, "too few signatures were seen: {before}");
    let final_logs = logs(&network, node);
    for other in network.nodes() {
        assert_eq!(logs(&network, other), final_logs, "{}", other.unit);
    }
    assert_eq!(contradictions(&said, &final_logs), []);
    assert_eq!(targets_of(&final_logs, "BE"), targets.iter().map(|target| (format!("domain:{target}"), 1)).collect());
}

/// How often a log refers each target.
fn targets_of(logs: &BTreeMap<UnitId, Vec<entente_proto::entry::Entry>>, unit: &str) -> BTreeMap<String, u64> {
    let mut count = BTreeMap::new();
    for entry in &logs[&unit.parse().unwrap()] {
        if entry.header().kind == RecordKind::Refer.number() {
            let statement = record::parse(entry.header().kind, entry.payload().unwrap()).unwrap();
            *count.entry(statement.target().unwrap().to_string()).or_default() += 1;
        }
    }
    count
}

#[test]
fn what_the_database_lost_of_the_own_log_is_put_back_from_the_journal() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    network.until_agreed(&["BE", "FR"]);
    be.stop();
    let backup = network.directory().join("data");
    copy_directory(&be.home.data(), &backup);
    be.start();
    be.until_state("running");
    // Nobody is there to take what is said now.
    fr.kill();
    let kept = be.refer("kept.example", "durable");
    assert_eq!((&kept["id"], &kept["certified"]), (&"BE/1".into(), &false.into()), "{kept}");
    be.kill();
    put_back(&backup, &be.home.data());
    assert_eq!(logs(&network, be)[&be.unit].len(), 1);
    assert_eq!(journal(&network, be).own_size(), 2);

    network.start();
    fr.until_status_of("kept.example", "listed");
    network.until_agreed(&["BE", "FR"]);
    assert_eq!(referrals(&fr.call(&["list"]), "BE")["domain:kept.example"], ["BE/1"]);
}

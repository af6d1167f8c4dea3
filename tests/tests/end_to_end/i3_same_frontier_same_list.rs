//! I3: two nodes at the same certified frontier compute byte-identical lists, whatever the order in which entries reached
//! them. And submissions that wait for a node to sign again.

use entente_tests::chance::Chance;
use entente_tests::network::{Network, Node, log_of, peer_of};
use entente_tests::wait::until_so;
use serde_json::Value;

use crate::PROGRAM;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// A unit that is up says something, mostly about a few targets, so that units meet on them. `referred` holds the ids of
/// referrals that stand.
fn say_something(network: &Network, chance: &mut Chance, up: &[&'static str], referred: &mut Vec<String>) {
    let mut one_of = |count: usize| usize::try_from(chance.below(count as u64)).unwrap();
    let (unit, what) = (up[one_of(up.len())], one_of(6));
    let target = format!("target-{}.example", one_of(5));
    let about = (!referred.is_empty()).then(|| one_of(referred.len()));
    match (what, about) {
        (0, _) => drop(network.node(unit).call(&["hold", &target]).ended(0)),
        (1, Some(at)) => {
            let author = referred[at].split('/').next().unwrap();
            if let Some(author) = up.iter().find(|unit| **unit == author) {
                let _ = network.node(author).call(&["withdraw", &referred[at], "--reason", "wrong"]).ended(0);
                referred.swap_remove(at);
            }
        }
        (2, Some(at)) => {
            let critic = network.node(if referred[at].starts_with("BE/") { "FR" } else { "BE" });
            // Whoever objects must have heard of it.
            until_so("it is known", || critic.call(&["show", &referred[at]]).code == Some(0));
            let _ = critic.call(&["object", &referred[at], "--ground", "jurisdiction"]).ended(0);
        }
        _ => {
            // Whoever knows of a hold has to insist; and whoever has referred it may say more.
            let insists = ["--despite-hold", "a test", "--again"];
            let said = network.node(unit).call(&[&["refer", &target, "--category", "incites"], &insists[..]].concat());
            let answer = said.ended(0).document();
            referred.push(answer["id"].as_str().unwrap().to_owned());
        }
    }
}

#[test]
fn nodes_that_got_entries_in_different_orders_print_the_same_bytes() {
    let mut chance = Chance::new(550);
    let network = Network::found(PROGRAM, &UNITS);
    network.separate("FR", "UK");
    network.start();
    let node = |unit| network.node(unit);
    for (unit, other) in [("FR", "UK"), ("UK", "FR")] {
        let status = node(unit).status();
        assert_eq!(peer_of(&status, other)["connected"], false);
        assert!(peer_of(&status, other)["reason"].as_str().unwrap().contains("peers.block"), "{status}");
    }
    // NL is away for the middle part; meanwhile the others go on, two of them only through BE.
    let mut referred: Vec<String> = Vec::new();
    for part in 0..3 {
        match part {
            1 => node("NL").kill(),
            2 => node("NL").start(),
            _ => {}
        }
        let up: Vec<&'static str> = UNITS.iter().copied().filter(|unit| part != 1 || *unit != "NL").collect();
        for unit in up.iter().copied() {
            node(unit).until_state("running");
        }
        for _ in 0..8 {
            say_something(&network, &mut chance, &up, &mut referred);
        }
    }
    let digest = network.until_agreed(&UNITS);
    let lists: Vec<String> = network.nodes().iter().map(|node| node.call(&["list"]).ended(0).out).collect();
    assert!(lists[0].lines().count() >= 3, "{}", lists[0]);
    for (node, list) in network.nodes().iter().zip(&lists) {
        assert_eq!(*list, lists[0], "{}", node.unit);
        let status = node.status();
        assert_eq!(status["list"]["digest"], digest);
        // And they know it of each other, where they can hear each other.
        for peer in status["peers"].as_array().unwrap().iter().filter(|peer| peer["connected"] == true) {
            let unit = peer["unit"].as_str().unwrap().to_owned();
            until_so("they agree", || peer_of(&node.status(), &unit)["agrees"] == true);
        }
    }
    // The same again from the disks alone, in yet another order.
    network.nodes().iter().for_each(Node::stop);
    network.start();
    assert_eq!(network.until_agreed(&UNITS), digest);
    assert!(network.nodes().iter().all(|node| node.call(&["list"]).ended(0).out == lists[0]));
}

/// A statement's id, so that the same command can be given again.
const SUBMISSION: &str = "0b8e7f0e-7f4a-4a3c-9a55-2f7f3c0c5a11";

#[test]
fn what_is_submitted_while_too_few_partners_are_up_waits_through_a_kill_and_enters_once() {
    let network = Network::running(PROGRAM, &UNITS);
    network.until_agreed(&UNITS);
    network.nodes().iter().for_each(Node::stop);
    let be = network.node("BE");
    be.start();
    network.node("FR").start();
    // Two must have answered before BE signs again; FR alone has.
    be.until_connected("FR");
    let status = be.until_state("waiting");
    assert!(status["reason"].as_str().unwrap().contains("until 2 partners"), "{status}");

    let first = ["refer", "first.example", "--category", "incites", "--submission", SUBMISSION];
    let lines: String = (0..200).map(|line| format!("line-{line}.example\n")).collect();
    for attempt in 0..2 {
        let answer = be.call(&first).ended(0).document();
        assert_eq!(
            (&answer["id"], &answer["durable"], &answer["certified"]),
            (&Value::Null, &true.into(), &false.into())
        );
        assert_eq!(answer["submission"], SUBMISSION);
        if attempt == 0 {
            be.refer("second.example", "durable");
            let counts = be.call_with(&["import", "-", "--category", "incites"], lines.as_bytes()).ended(0).document();
            assert_eq!(counts["taken"], 200);
        }
        let status = be.until_state("waiting");
        assert_eq!((&status["outbox"], &log_of(&status, "BE")["size"]), (&202.into(), &1.into()), "{status}");
        // The second round is after a kill.
        be.kill();
        be.start();
        be.until_connected("FR");
    }
    network.node("NL").start();
    be.until_state("running");
    be.until_certified("BE", 203);
    let status = be.status();
    assert_eq!((&status["outbox"], &log_of(&status, "BE")["size"]), (&0.into(), &203.into()));
    // In the order in which they came, each once; and the same command given again still enters nothing.
    let again = be.call(&first).ended(0).document();
    assert_eq!((&again["id"], &again["certified"]), (&"BE/1".into(), &true.into()), "{again}");
    assert_eq!(
        be.call(&["show", "BE/2"]).ended(0).document()["records"][0]["statement"]["target"],
        "domain:second.example"
    );
    assert_eq!(log_of(&be.status(), "BE")["size"], 203);
    network.until_agreed(&["BE", "FR", "NL"]);
    let listed = network.node("NL").call(&["list"]).ended(0).documents();
    assert_eq!(listed.len(), 202);
    assert!(listed.iter().all(|row| row["referrals"].as_array().unwrap().len() == 1), "{listed:?}");
}

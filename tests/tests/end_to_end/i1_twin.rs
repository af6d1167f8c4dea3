//! I1, where a unit breaks it by accident: the same unit runs twice with the same keys.

use std::fs;

use entente_tests::network::{Network, Node, log_of, run};
use entente_tests::wait::{until, until_so};

use crate::PROGRAM;

const HONEST: [&str; 4] = ["FR", "NL", "UK", "US"];

/// How many entries of BE's log a node holds.
fn held(node: &Node) -> u64 {
    log_of(&node.status(), "BE")["size"].as_u64().unwrap()
}

fn warning(node: &Node) -> Option<String> {
    let status = node.try_status()?;
    let warnings = status["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap().to_owned());
    warnings.into_iter().find(|warning| warning.starts_with("FORK"))
}

#[test]
fn twin_drill_a_unit_that_runs_twice_is_found_proven_to_everybody_and_frozen_where_it_was_certified() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL", "UK", "US"]);
    let be = network.node("BE");
    let [fr, nl, uk, us] = HONEST.map(|unit| network.node(unit));
    be.refer("common.example", "certified");
    for node in network.nodes() {
        node.until_status_of("common.example", "listed");
    }
    let certified = held(be);

    // A virtual machine is cloned, and both run.
    be.stop();
    let twin = be.clone_to(&network.directory().join("twin"));
    be.start();
    twin.start();
    be.until_state("running");
    twin.until_state("running");

    // Only the clone and UK are there: UK takes its branch.
    be.pause();
    [fr, nl, us].iter().for_each(|node| node.kill());
    twin.refer("dropped.example", "durable");
    until_so("UK holds the clone's branch", || held(uk) > certified);
    uk.until_status_of("dropped.example", "unknown");
    until_so("it is pending there", || uk.status()["list"]["pending"].as_u64() > Some(0));
    // Only the others are there: they certify another.
    [&twin, uk].iter().for_each(|node| node.pause());
    be.resume();
    [fr, nl, us].iter().for_each(|node| node.start());
    for node in [fr, nl, us] {
        node.until_state("running");
    }
    be.refer("kept.example", "durable");
    for unit in ["FR", "NL", "US"] {
        network.node(unit).until_certified("BE", certified + 1);
    }
    [&twin, uk].iter().for_each(|node| node.resume());

    // Everybody has the proof, and the same list; UK has come over to what was certified.
    for unit in HONEST {
        let node = network.node(unit);
        until_so(&format!("{unit} has the proof"), || log_of(&node.status(), "BE")["forked"] == true);
        node.until_status_of("kept.example", "listed");
        assert_eq!(node.status_of("dropped.example"), "unknown", "at {unit}");
        assert_eq!(log_of(&node.status(), "BE")["certified"], certified + 1);
        let said = until(&format!("{unit} says so"), || warning(node));
        assert!(said.contains("BE") && said.contains("base") && !said.contains("cosigned both"), "{said}");
        node.until_logged(0, &["FORK"]);
    }
    network.until_agreed(&HONEST);
    // Both machines of BE stand where the others do, and sign nothing more; what is submitted there waits.
    for node in [be, &twin] {
        until_so("it stands at what is certified", || {
            node.try_status().is_some_and(|status| {
                let log = log_of(&status, "BE");
                status["state"] == "recovering" && log["forked"] == true && log["certified"] == certified + 1
            })
        });
        let waits = node.refer("waits.example", "durable");
        assert_eq!(waits["id"], serde_json::Value::Null, "{waits}");
    }

    // The others tell of it in their logs, once, and go on.
    fr.refer("later.example", "certified");
    network.until_agreed(&HONEST);
    for unit in HONEST {
        let size = log_of(&us.status(), unit)["size"].as_u64().unwrap();
        let tells = |index: &u64| us.call(&["show", &format!("{unit}/{index}")]).ended(0).out.contains("fork-proof");
        assert_eq!((0..size).filter(tells).count(), 1, "{unit} tells of the fork once");
    }

    // An auditor who was never there verifies it with the charter alone.
    let proof = network.directory().join("be.fork");
    let (proof, charter) = (proof.to_str().unwrap(), network.directory().join("charter.note"));
    let charter = charter.to_str().unwrap();
    let _ = nl.call(&["audit", "fork", "BE", "--out", proof]).ended(0);
    let verify = |file: &str| run(PROGRAM, &["audit", "fork", "verify", file, "--charter", charter], b"");
    let told = verify(proof).ended(0).out;
    assert!(told.contains("log of BE has FORKED") && told.contains("No unit is known to have cosigned both"), "{told}");
    let mut forged = fs::read(proof).unwrap();
    let at = forged.len() / 2;
    forged[at] ^= 1;
    fs::write(network.directory().join("forged.fork"), forged).unwrap();
    let _ = verify(network.directory().join("forged.fork").to_str().unwrap()).ended(4);
    nl.call(&["audit", "fork", "FR"]).ended(1).says(&["no proof that the log of FR forked"]);

    // Neither a restart nor a kill forgets it, and nobody cosigns anything more of that log.
    uk.kill();
    us.stop();
    [uk, us].iter().for_each(|node| node.start());
    for node in [uk, us] {
        node.until_state("running");
        let status = node.status();
        let log = log_of(&status, "BE");
        assert!(log["forked"] == true && log["certified"] == certified + 1, "{log}");
    }
    network.until_agreed(&HONEST);

    // The way out: the clone is ended for good, and BE gets a new log key, from what was certified on.
    twin.kill();
    let _ = be.call(&["charter", "rotate-keys", "--log"]).ended(0);
    let advice = fr.call(&["charter", "base", "BE"]).ended(0).document();
    assert_eq!(advice["size"], certified + 1, "{advice}");
    let (second, description) = (network.directory().join("2.note"), be.home.unit_description());
    let (second, from) = (second.to_str().unwrap(), fr.directory().to_str().unwrap());
    let update = description.to_str().unwrap();
    let told =
        run(PROGRAM, &["charter", "new", "--from", from, "--update", update, "--base", "BE", "--out", second], b"");
    let told = told.ended(0).out;
    assert!(told.contains("BE's log goes on from") && told.contains("safe as far as is known here"), "{told}");
    // UK cosigned what is cut off, and signs only after enough of the others have.
    uk.call(&["charter", "sign", second]).ended(1).says(&["2 of the units that cosign this log", "0 have"]);
    for node in [fr, us, uk, be] {
        let _ = node.call(&["charter", "sign", second]).ended(0);
    }
    let _ = us.call(&["charter", "adopt", second]).ended(0);
    let all = ["BE", "FR", "NL", "UK", "US"];
    for unit in all {
        let node = network.node(unit);
        until_so(&format!("BE's log goes on at {unit}"), || {
            let status = node.try_status();
            status.is_some_and(|status| {
                let log = log_of(&status, "BE");
                log["charter"] == 2 && log["forked"] == false && status["state"] == "running"
            })
        });
    }
    // What was submitted meanwhile got its place, and BE signs again.
    be.refer("again.example", "certified");
    network.until_agreed(&all);
    for unit in all {
        let node = network.node(unit);
        for listed in ["kept.example", "waits.example", "again.example"] {
            node.until_status_of(listed, "listed");
        }
        assert_eq!(node.status_of("dropped.example"), "unknown", "at {unit}");
        let status = node.status();
        let said = status["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
        assert!(said.into_iter().any(|said| said.contains("the log of BE forked once")), "{status}");
    }
    // The proof is still one, for whoever has the first charter or both; and the node still hands it out.
    let _ = verify(proof).ended(0);
    let both = ["audit", "fork", "verify", proof, "--charter", charter, "--charter", second];
    let _ = run(PROGRAM, &both, b"").ended(0);
    let later = network.directory().join("later.fork");
    let _ = nl.call(&["audit", "fork", "BE", "--out", later.to_str().unwrap()]).ended(0);
    let _ = verify(later.to_str().unwrap()).ended(0);
}

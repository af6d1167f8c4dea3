//! I1 and I6 where a network is stuck for good: the units that are left found it anew, and their logs go on.

use std::fs;

use entente_tests::network::{Network, log_of, run};
use entente_tests::wait::until_so;

use crate::PROGRAM;

#[test]
fn refound_drill_two_units_found_their_network_anew_when_the_third_is_gone_for_ever() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let [be, fr, nl] = ["BE", "FR", "NL"].map(|unit| network.node(unit));
    for (node, target) in [(be, "be.example"), (fr, "fr.example"), (nl, "nl.example")] {
        node.refer(target, "certified");
    }
    network.until_agreed(&["BE", "FR", "NL"]);
    let export = network.directory().join("export");
    let export = export.to_str().unwrap();
    let _ = be.call(&["audit", "export", export]).ended(0);
    nl.kill();
    fs::remove_dir_all(nl.directory()).unwrap();

    // Two of two must cosign a log: nothing is certified any more, and no next version can come about without NL.
    be.refer("lonely.example", "durable");
    fr.refer("lonely.example", "durable");
    let size = |node: &entente_tests::network::Node, of: &str| log_of(&node.status(), of)["size"].as_u64();
    until_so("each holds what the other says", || {
        size(be, "FR") == size(fr, "FR") && size(be, "BE") == size(fr, "BE") && size(be, "FR") == Some(3)
    });
    assert_eq!(log_of(&be.status(), "BE")["certified"], 2);

    let file = network.directory().join("anew.note");
    let (file, from) = (file.to_str().unwrap(), be.directory().to_str().unwrap());
    let compose = |out: &str, attempt: &str| {
        let fixed = ["charter", "refound", "--from", from, "--without", "NL"];
        run(PROGRAM, &[&fixed[..], &["--out", out, "--attempt", attempt]].concat(), b"")
    };
    let told = compose(file, "1").ended(0).out;
    assert!(told.contains("founds the network anew") && told.contains("BE's log goes on from 3 entries"), "{told}");
    let _ = be.call(&["charter", "sign", file]).ended(0);
    // Whoever says more meanwhile signs no base that is behind that.
    fr.refer("late.example", "durable");
    until_so("BE holds it", || size(be, "FR") == Some(4));
    fr.call(&["charter", "sign", file]).ended(1).says(&["this unit's log has 4 entries", "compose it anew"]);
    // BE has signed that text for nothing, and signs no other of that attempt; of a further one it does.
    let other = network.directory().join("other.note");
    let other = other.to_str().unwrap();
    let _ = compose(other, "1").ended(0);
    be.call(&["charter", "sign", other]).ended(1).says(&["--attempt 2", "takes none of the earlier ones up"]);
    let again = network.directory().join("again.note");
    let again = again.to_str().unwrap();
    let _ = compose(again, "2").ended(0);
    for node in [be, fr] {
        let _ = node.call(&["charter", "sign", again]).ended(0);
    }
    // From now on what is said waits, also across a kill.
    let waits = be.refer("waits.example", "durable");
    assert_eq!(waits["id"], serde_json::Value::Null, "{waits}");
    be.kill();
    be.start();
    be.until_state("running");

    // Brought to each by hand.
    for node in [be, fr] {
        let said = node.call(&["charter", "adopt", again]).ended(0).out;
        assert!(said.contains("begins anew"), "{said}");
    }
    for (node, other) in [(be, fr), (fr, be)] {
        until_so("both logs go on under the new charter", || {
            assert!(node.is_alive() && other.is_alive(), "{}", node.log());
            node.try_status().is_some_and(|status| {
                let certified = |of: &str| log_of(&status, of)["certified"].as_u64() > Some(4);
                status["state"] == "running"
                    && status["charter"]["version"] == 1
                    && ["BE", "FR"].iter().all(|of| certified(of))
            })
        });
    }
    be.refer("again.example", "certified");
    fr.refer("again.example", "certified");
    network.until_agreed(&["BE", "FR"]);
    for node in [be, fr] {
        for listed in ["be.example", "fr.example", "nl.example", "lonely.example", "late.example", "waits.example"] {
            node.until_status_of(listed, "listed");
        }
        // What is before the base is judged by the charters of then, for ever.
        node.stop();
        node.start();
        node.until_state("running");
    }
    network.until_agreed(&["BE", "FR"]);
    let verified = be.call(&["charter", "verify", from]).ended(0).document();
    assert_eq!(verified["versions"].as_array().unwrap().len(), 2, "{verified}");
    // It goes on as any network does: the next version is signed by both.
    let second = network.directory().join("next.note");
    let second = second.to_str().unwrap();
    let moved = ["--address", "FR=127.0.0.1:7999,127.0.0.2:7999"];
    let fixed = ["charter", "new", "--from", from, "--out", second];
    let _ = run(PROGRAM, &[&fixed[..], &moved].concat(), b"").ended(0);
    for node in [be, fr] {
        let _ = node.call(&["charter", "sign", second]).ended(0);
    }
    let _ = be.call(&["charter", "adopt", second]).ended(0);
    for node in [be, fr] {
        until_so("the next version is taken up", || {
            node.try_status().is_some_and(|status| {
                status["charter"]["version"] == 2 && ["BE", "FR"].iter().all(|of| log_of(&status, of)["charter"] == 2)
            })
        });
    }
    // An auditor sees all of it, from the first founding on.
    network.until_agreed(&["BE", "FR"]);
    // That it was founded anew, an auditor who holds an export is told by hand.
    be.call(&["audit", "export", export]).ended(4).says(&["founded anew", "--charter"]);
    let _ = be.call(&["audit", "export", export, "--charter", again]).ended(0);
    let _ = be.call(&["audit", "export", export]).ended(0);
    let found = run(PROGRAM, &["audit", "verify", "--json", export], b"").ended(0).document();
    assert_eq!(found["charters"].as_array().unwrap().len(), 3, "{found}");
    assert_eq!(found["list"]["digest"], be.status()["list"]["digest"]);
}

#[test]
fn a_text_that_is_not_signed_since_another_one_was_stops_nothing() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let [be, fr] = ["BE", "FR"].map(|unit| network.node(unit));
    fr.refer("before.example", "certified");
    let from = be.directory().to_str().unwrap();
    let out = |name: &str| network.directory().join(name).to_str().unwrap().to_owned();
    let (one, other) = (out("one.note"), out("other.note"));
    let moves = ["--address", "FR=127.0.0.1:7999"];
    let _ = run(PROGRAM, &[&["charter", "new", "--from", from, "--out", &one], &moves[..]].concat(), b"").ended(0);
    let _ = be.call(&["charter", "sign", &one]).ended(0);
    let _ = fr.call(&["charter", "rotate-keys", "--log"]).ended(0);
    let described = fr.home.unit_description();
    let described = described.to_str().unwrap();
    let changes = ["--update", described, "--base", "FR"];
    let _ = run(PROGRAM, &[&["charter", "new", "--from", from, "--out", &other], &changes[..]].concat(), b"").ended(0);
    be.call(&["charter", "sign", &other]).ended(1).says(&["another text"]);
    // The one text has no base: BE goes on cosigning FR's log.
    fr.refer("after.example", "certified");
}

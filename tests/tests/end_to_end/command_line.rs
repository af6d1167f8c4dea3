//! How commands end: 0 done, 1 refused or not found, 2 called wrongly, 3 node unreachable, 4 verification failed. Results
//! on stdout, JSON and nothing else with `--json`; words on stderr.

use entente_tests::network::{Network, run};
use serde_json::Value;

use crate::PROGRAM;

#[test]
fn each_way_to_end_has_its_exit_code_with_json_on_stdout_and_words_on_stderr() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    network.start();
    network.until_agreed(&["BE", "FR"]);

    let referred = be.refer("https://Bad.Example/x", "certified");
    assert_eq!((&referred["id"], &referred["target"]), (&"BE/1".into(), &"url:https://bad.example/x".into()));
    assert_eq!((&referred["durable"], &referred["certified"]), (&true.into(), &true.into()));
    assert_eq!(referred["cosigned_by"], serde_json::json!(["FR"]));
    network.until_agreed(&["BE", "FR"]);

    // Done.
    for args in [
        &["status"][..],
        &["list"],
        &["list", "--status", "held"],
        &["show", "BE/1"],
        &["show", "https://bad.example/x"],
        &["check", "https://bad.example/x"],
        &["charter", "show"],
    ] {
        let said = be.call(args).ended(0);
        assert_eq!(said.err, "", "{args:?}");
        assert!(said.documents().iter().all(Value::is_object), "{args:?}");
    }
    // Refused or not found.
    for (args, documents, words) in [
        (&["check", "nobody.example"][..], 1, "nothing of this is on the list"),
        (&["check", "not a target"], 1, "were not understood"),
        (&["show", "BE/99"], 0, "BE/99"),
        (&["show", "nobody.example"], 0, "nobody.example"),
        (&["refer", "co.uk", "--category", "incites"], 1, "public suffix"),
        (&["withdraw", "BE/99", "--reason", "x"], 1, "BE/99"),
        (&["withdraw", "FR/0", "--reason", "x"], 1, "FR/0"),
        (&["object", "BE/1", "--ground", "other"], 1, "own"),
        (&["import", "/nowhere/at/all", "--category", "incites"], 0, "/nowhere/at/all"),
        (&["status", "--as", "nobody"], 0, "no certificate of nobody"),
    ] {
        let said = be.call(args).ended(1);
        said.says(&[words]);
        assert_eq!(said.documents().len(), documents, "{args:?}: {}", said.out);
    }
    // Called wrongly.
    for (args, words) in [
        (&["refer", "bad.example"][..], "--category"),
        (&["refer", "bad.example", "--category", "rude"], "rude"),
        (&["list", "--limit", "0"], "--limit"),
        (&["frobnicate"], "frobnicate"),
        (&["import"], "FILE"),
    ] {
        let said = be.call(args).ended(2);
        said.says(&[words]);
        assert_eq!(said.out, "", "{args:?}");
    }
    run(PROGRAM, &["status", "--json"], b"").ended(2).says(&["--home", "ENTENTE_HOME"]);
    // Somebody else answers at the address in node.toml.
    be.configure(&format!("api = \"{}\"", be.api), &format!("api = \"{}\"", network.node("FR").api));
    let said = be.call(&["status"]).ended(4);
    said.says(&["is not who it should be", "node.toml"]);
    assert_eq!(said.out, "");
    be.configure(&format!("api = \"{}\"", network.node("FR").api), &format!("api = \"{}\"", be.api));
    // Nobody answers.
    be.stop();
    for args in
        [&["status"][..], &["list"], &["check", "bad.example"], &["refer", "bad.example", "--category", "incites"]]
    {
        let said = be.call(args).ended(3);
        said.says(&["cannot be reached", "entente run"]);
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[test]
fn waiting_for_a_certificate_that_does_not_come_ends_with_1_and_what_was_said_stays() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    network.until_agreed(&["BE", "FR"]);
    network.node("FR").kill();
    let be = network.node("BE");
    let args = ["refer", "alone.example", "--category", "incites", "--wait", "certified", "--timeout", "1"];
    let said = be.call(&args).ended(1);
    said.says(&["durable, but 1 not certified in time"]);
    let answer = said.document();
    assert_eq!((&answer["id"], &answer["certified"]), (&"BE/1".into(), &false.into()));
    assert_eq!(be.call(&["check", "alone.example"]).document()["pending"], true);
    network.node("FR").start();
    be.until_status_of("alone.example", "listed");
}

#[test]
fn two_charters_for_one_network_are_never_both_signed() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let other = network.directory().join("other.note");
    let other = other.to_str().unwrap();
    // BE alone is another text for version 1.
    run(PROGRAM, &["charter", "new", "--out", other, be.home.unit_description().to_str().unwrap()], b"")
        .ended(0)
        .says(&[]);
    let before = std::fs::read(other).unwrap();
    be.call(&["charter", "sign", other]).ended(1).says(&["another text"]);
    assert_eq!(std::fs::read(other).unwrap(), before);
}

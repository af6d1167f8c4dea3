//! What goes wrong at a desk while units strike together: keys pressed twice, lines that cannot be meant, holds of what
//! stands around a target, a node that is restarted under an officer's eyes.

use std::fs;
use std::io::{BufRead as _, BufReader};

use entente_tests::network::{Network, Node};
use entente_tests::wait::until_so;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::operation::{refused, show, step, target, until_shown};

/// What a watch says to people, to its end.
fn watched(node: &Node, id: &str, seconds: &str) -> Vec<String> {
    let home = node.directory().to_str().unwrap();
    let said =
        entente_tests::network::run(PROGRAM, &["operation", "watch", id, "--timeout", seconds, "--home", home], b"");
    said.ended(0).out.lines().map(str::to_owned).collect()
}

/// Whether an answer has such a notice.
pub(crate) fn noted(answer: &Value, words: &str) -> bool {
    answer["notices"].as_array().unwrap().iter().any(|notice| notice.as_str().unwrap().contains(words))
}

/// BE leads FR on two targets.
pub(crate) fn begun(network: &Network) -> String {
    let be = network.node("BE");
    for name in ["https://news.example/a", "files.example"] {
        let _ = be.refer(name, "certified");
    }
    let new = ["operation", "new", "--title", "Amaq", "--invite", "FR", "--ready", "1", "--wait", "certified"];
    let new = be.call(&[&new[..], &["https://news.example/a", "files.example"]].concat());
    let id = new.ended(0).document()["id"].as_str().unwrap().to_owned();
    until_shown(network.node("FR"), &id, "the operation", |_| true);
    step(network.node("FR"), &["join", &id]);
    until_shown(be, &id, "that FR takes part", |page| page["units"][1]["part"] == "joined");
    id
}

#[test]
fn a_step_that_changes_nothing_is_refused() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = begun(&network);
    assert_eq!(refused(fr, &["join", &id]), "already");
    assert_eq!(refused(be, &["invite", &id, "FR"]), "already");
    assert_eq!(refused(be, &["add", &id, "files.example"]), "already");
    step(fr, &["decline", &id]);
    assert_eq!(refused(fr, &["decline", &id]), "already");
    step(fr, &["join", &id]);
    step(be, &["remove", &id, "files.example"]);
    be.call(&["operation", "remove", &id, "files.example", "other.example"])
        .ended(1)
        .says(&["files.example: is not a target", "other.example: is not a target"]);
    step(be, &["add", &id, "files.example"]);
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    assert_eq!(refused(be, &["ready", &id]), "already");
    // Nothing of all this is in the log: no step is without effect.
    let page = show(be, &id);
    assert!(page["steps"].as_array().unwrap().iter().all(|step| step["fault"].is_null()), "{page}");
}

#[test]
fn holds_around_a_target_keep_it_out_of_a_go_and_come_late_to_everybodys_eyes() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let id = begun(&network);
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    let above = nl.call(&["hold", "news.example", "--wait", "certified"]).ended(0).document()["id"].clone();
    let page = until_shown(be, &id, "the hold above a target", |page| page["holds"][0]["id"] == above);
    assert_eq!(page["holds"][0]["held"], "domain:news.example");
    assert_eq!((&page["holds"][0]["certified"], &page["holds"][0]["late"]), (&json!(true), &json!(false)));
    step(be, &["go", &id, "--at", "2999-01-01T00:00:00Z"]);
    let page = until_shown(fr, &id, "the go", |page| page["phase"] == "go");
    let covered = |name: &str| target(&page, name)["covered"].clone();
    assert_eq!((covered("url:https://news.example/a"), covered("domain:files.example")), (json!(false), json!(true)));
    // What comes after the go is late, whatever stands between what is held and the target.
    let below = nl.call(&["hold", "https://files.example/x", "--wait", "certified"]).ended(0).document()["id"].clone();
    let late =
        |page: &Value| page["holds"].as_array().unwrap().iter().any(|hold| hold["id"] == below && hold["late"] == true);
    until_shown(fr, &id, "the hold below a target, late", late);
    let home = fr.directory().to_str().unwrap();
    let page = entente_tests::network::run(PROGRAM, &["operation", "show", &id, "--home", home], b"").ended(0).out;
    assert!(page.contains("LATE: domain:files.example: url:https://files.example/x, below it, is held"), "{page}");
    // A report of what was done before the moment is taken, and whoever enters it is told.
    let early = fr.call(&["operation", "executed", &id, "files.example"]).ended(0).document();
    assert!(noted(&early, "before the moment of the go"), "{early}");
}

#[test]
fn a_line_that_cannot_be_meant_keeps_no_other_report_back() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = begun(&network);
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    step(be, &["go", &id]);
    until_shown(fr, &id, "the go", |page| page["phase"] == "go");
    let file = network.directory().join("done.txt");
    let lines = "filse.example done\n# a remark\nhttps://news.example/a done\nfiles.example faild\nBE/99 done\n";
    fs::write(&file, lines).unwrap();
    let said =
        fr.call(&["operation", "executed", &id, "--from", file.to_str().unwrap(), "--wait", "certified"]).ended(1);
    said.says(&[
        "line 1 (filse.example)",
        "line 4 (files.example)",
        "line 5 (BE/99)",
        "is not a target of this operation",
    ]);
    said.says(&["faild", "done, failed, skipped", "a remark needs a result before it"]);
    until_shown(be, &id, "the report of the other", |page| page["total"]["done"] == 1);
    // Of two words on one target neither is entered.
    let page = show(be, &id);
    let referral = |name: &str| target(&page, name)["referral"].as_str().unwrap().to_owned();
    let (page_id, files_id) = (referral("url:https://news.example/a"), referral("domain:files.example"));
    let lines = format!("files.example done\n{files_id} failed\nhttps://news.example/a failed\n{page_id} failed\n");
    fs::write(&file, lines).unwrap();
    let said =
        fr.call(&["operation", "executed", &id, "--from", file.to_str().unwrap(), "--wait", "certified"]).ended(1);
    said.says(&[&format!("line 1 (files.example) and line 2 ({files_id}) say different things")]);
    let page = until_shown(be, &id, "the report that is meant", |page| page["total"]["refused"] == 1);
    assert_eq!(target(&page, "domain:files.example")["executed"], json!([]));
    // As many as there are, what no unit refers is told at once.
    let new = ["operation", "new", "--title", "Amaq", "one.example", "files.example", "two.example"];
    be.call(&new).ended(1).says(&["one.example: no unit refers it", "two.example: no unit refers it"]);
}

#[test]
fn whoever_watches_goes_on_when_the_own_node_is_restarted() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = begun(&network);
    let mut watch = be.begin(&["operation", "watch", &id]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut until_told = |words: &str| {
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
        assert!(line.is_some(), "the watch ended before it told {words:?}");
    };
    until_told("FR joined");
    be.kill();
    until_told("OWN NODE CANNOT BE REACHED");
    be.start();
    until_told("can be reached again");
    be.until_state("running");
    step(fr, &["decline", &id]);
    until_told("FR declined");
    step(be, &["abort", &id]);
    until_told("the operation is aborted");
    assert!(watch.wait().unwrap().success());
}

#[test]
fn only_who_holds_an_item_gives_it_away_and_a_changed_one_is_told() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let file = network.directory().join("disk.img");
    fs::write(&file, b"a disk").unwrap();
    let path = file.to_str().unwrap();
    let item = be.call(&["evidence", path, "--wait", "certified"]).ended(0).document()["id"].clone();
    let item = item.as_str().unwrap();
    let hand = |node: &Node, step: &str, other: &str, more: &[&str]| {
        node.call(&[&["custody", step, item, "--unit", other, "--wait", "certified"], more].concat())
    };
    network.until_agreed(&["BE", "FR", "NL"]);
    hand(fr, "give", "NL", &[]).ended(1).says(&["BE holds", "not this unit"]);
    hand(be, "take", "FR", &[]).ended(1).says(&["this unit holds", "already"]);
    let _ = hand(be, "give", "FR", &[]).ended(0);
    network.until_agreed(&["BE", "FR", "NL"]);
    fs::write(&file, b"another disk").unwrap();
    hand(fr, "take", "BE", &["--file", path]).ended(1).says(&["THE HASHES DIFFER", "say with --text"]);
    let again = hand(be, "give", "NL", &[]).ended(0).document();
    assert!(noted(&again, "this unit gave it to FR before"), "{again}");
    let unasked = hand(network.node("NL"), "take", "FR", &[]).ended(0).document();
    assert!(noted(&unasked, "FR has not said that it gives"), "{unasked}");
    let taken = hand(fr, "take", "BE", &["--file", path, "--text", "the seal is broken"]).ended(0).document();
    assert!(noted(&taken, "THE HASHES DIFFER") && !noted(&taken, "has not said"), "{taken}");
    network.until_agreed(&["BE", "FR", "NL"]);
    hand(be, "give", "NL", &[]).ended(1).says(&["FR holds"]);
    let _ = hand(fr, "give", "NL", &[]).ended(0);
}

#[test]
fn a_freeze_leaves_nothing_out_that_the_unit_added_a_moment_ago() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = begun(&network);
    let _ = be.refer("mirror.example", "certified");
    // While partners are away nothing is signed after a start: what is added waits, and a freeze would not know of it.
    fr.stop();
    be.stop();
    be.start();
    be.until_state("waiting");
    let added = be.call(&["operation", "add", &id, "mirror.example"]).ended(0).document();
    assert_eq!((&added["id"], &added["durable"]), (&Value::Null, &json!(true)), "{added}");
    let refusal = be.call(&["operation", "freeze", &id]).ended(1);
    refusal.says(&["wait to be signed", "entente waiting"]);
    fr.start();
    be.until_state("running");
    // As soon as it stands in the log, though nobody has certified it, it is among what is fixed.
    until_so("BE signs what waited", || be.call(&["waiting"]).ended(0).documents().is_empty());
    let frozen = step(be, &["freeze", &id]);
    assert!(frozen["notices"][0].as_str().unwrap().starts_with("fixes 3 targets, digest "), "{frozen}");
    let page = until_shown(fr, &id, "what is fixed", |page| page["phase"] == "frozen");
    assert_eq!(page["targets"].as_array().unwrap().len(), 3);
    let _ = target(&page, "domain:mirror.example");
}

#[test]
fn whoever_watches_is_never_told_to_act_on_what_was_called_off_or_closed() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = begun(&network);
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    // The moment has come when somebody begins to watch.
    step(be, &["go", &id]);
    assert!(watched(be, &id, "1").last().unwrap().ends_with("NOW: act. 2 targets are open, 0 done"));
    step(be, &["abort", &id, "--reason", "a leak"]);
    until_shown(fr, &id, "that it is called off", |page| page["phase"] == "aborted");
    let ends = |words: &str| {
        for node in [be, fr] {
            let lines = watched(node, &id, "20");
            assert!(!lines.iter().any(|line| line.contains("NOW: act")), "{lines:#?}");
            assert!(lines.last().unwrap().ends_with(words), "{lines:#?}");
        }
    };
    ends("CALLED OFF (a leak): do not act");
    step(be, &["close", &id]);
    until_shown(fr, &id, "that it is closed", |page| page["phase"] == "closed");
    ends("CALLED OFF (a leak): do not act");
}

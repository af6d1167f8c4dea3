//! What waits, for a second officer or for the node to sign again: what may have come since, and who may take it back.

use std::fs;

use entente_proto::wire;
use entente_tests::caller::Caller;
use entente_tests::network::{Network, Node};
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::desk::{code, issue_second_officer, refer};

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// A guard list that names this host.
fn guard(node: &Node, host: &str) {
    let guard = node.directory().join("guard");
    fs::create_dir_all(&guard).unwrap();
    let list = json!({ "name": "Guarded", "type": "hostname", "list": [host] });
    fs::write(guard.join("guarded.json"), list.to_string()).unwrap();
}

fn waiting(node: &Node) -> Vec<Value> {
    node.call(&["waiting"]).ended(0).documents()
}

#[test]
fn what_is_countersigned_is_what_was_read() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    issue_second_officer(&network, "BE");
    guard(be, "guarded.example");
    let propose = |target: &str| refer(be, target, &["--override", "needed", "--submission", ID]).ended(0);
    let _ = propose("guarded.example");
    let read = waiting(be)[0]["digest"].as_str().unwrap().to_owned();
    // Another takes its place under the same id, between the reading and the agreeing.
    let _ = be.call(&["reject", ID]).ended(0);
    let _ = propose("other.guarded.example");
    let call = |word: &str| be.call(&["countersign", word, "--as", "second"]);
    for digest in [read.as_str(), &read[..16]] {
        call(&format!("{ID}:{digest}")).ended(1).says(&["is not what was read", "entente waiting"]);
    }
    // Not by another client either.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(async {
        let mut client = Caller::second(be).unit(&network, "BE").await.unwrap();
        let mut decide = async |digest: Vec<u8>| {
            let decision = wire::Decision { submission: hex(&ID.replace('-', "")), digest };
            let request = wire::DecideRequest { decisions: vec![decision], countersign: true, wait: 0 };
            let result = client.decide(request).await.unwrap().into_inner().results.remove(0).result;
            let Some(wire::submit_result::Result::Refused(refused)) = result else { panic!("{result:?}") };
            refused.code
        };
        [decide(hex(&read)).await, decide(Vec::new()).await]
    });
    assert_eq!(answer, ["not-as-read", "not-as-read"]);
    assert_eq!(be.status_of("other.guarded.example"), "unknown");

    let now = waiting(be)[0]["digest"].as_str().unwrap()[..16].to_owned();
    let done = call(&format!("{ID}:{now}")).ended(0);
    done.says(&["countersigning", "domain:other.guarded.example"]);
    assert!(done.document()["id"].is_string(), "{done:?}");
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn what_waits_in_the_outbox_can_be_taken_back_for_good() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    fr.kill();
    be.kill();
    be.start();
    be.until_state("waiting");
    let _ = refer(be, "mistake.example", &["--submission", ID]).ended(0);
    let kept = refer(be, "meant.example", &[]).ended(0).document();
    assert_eq!(code(&be.call(&["countersign", ID]).ended(1).document()), "no-second");
    let _ = be.call(&["reject", ID]).ended(0);
    be.call(&["reject", ID]).ended(1).says(&["no submission with this id waits"]);
    be.kill();
    be.start();
    be.until_state("waiting");
    let left: Vec<Value> = waiting(be).into_iter().map(|one| one["submission"].clone()).collect();
    assert_eq!(left, [kept["submission"].clone()]);
    // It may be said again, under another id or under its own, and be taken back again.
    let _ = refer(be, "mistake.example", &["--submission", ID]).ended(0);
    let _ = be.call(&["reject", ID]).ended(0);
    fr.start();
    be.until_state("running");
    be.until_status_of("meant.example", "listed");
    assert_eq!((be.status_of("mistake.example").as_str(), waiting(be).len()), ("unknown", 0));
    let id = kept["submission"].as_str().unwrap();
    be.call(&["reject", id]).ended(1).says(&["stands in the log already, as BE/"]);
}

#[test]
fn a_repeated_call_is_answered_by_what_waits_whatever_came_since() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    // Before a second officer, while a partner asks to leave it online.
    guard(be, "guarded.example");
    let proposed = ["--override", "needed", "--submission", "67e55044-10b1-426f-9247-bb680e5fe0c9"];
    let first = refer(be, "guarded.example", &proposed).ended(0).document();
    let _ = fr.call(&["hold", "guarded.example", "--wait", "certified"]).ended(0);
    be.until_status_of("guarded.example", "held");
    assert_eq!(refer(be, "guarded.example", &proposed).ended(0).document()["proposed"], first["proposed"]);
    assert_eq!(waiting(be).len(), 1);

    // In the outbox, while a guard list comes to name it.
    fr.kill();
    be.kill();
    be.start();
    be.until_state("waiting");
    let _ = refer(be, "late.example", &["--submission", ID]).ended(0);
    guard(be, "late.example");
    assert_eq!(code(&refer(be, "late.example", &[]).ended(1).document()), "guarded");
    let again = refer(be, "late.example", &["--submission", ID]).ended(0).document();
    assert_eq!((&again["id"], &again["durable"]), (&Value::Null, &json!(true)));
    assert_eq!(waiting(be).len(), 2);
}

#[test]
fn what_is_countersigned_is_judged_again_by_the_rules_of_its_kind() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    be.configure("# approvals = 1", "approvals = 2");
    network.start();
    network.until_agreed(&["BE", "FR"]);
    issue_second_officer(&network, "BE");
    let theirs = fr.refer("sent.example", "certified")["id"].as_str().unwrap().to_owned();
    network.until_agreed(&["BE", "FR"]);
    let propose = |args: &[&str]| {
        let said = be.call(args).ended(0).document();
        said["submission"].as_str().unwrap().to_owned()
    };
    let countersign = |id: &str| be.call(&["countersign", id, "--as", "second", "--wait", "certified"]);
    let referral = propose(&["refer", "bad.example", "--category", "incites"]);
    let referral = countersign(&referral).ended(0).document()["id"].as_str().unwrap().to_owned();

    // Two officers take the same referral back: the second word finds it taken back.
    let one = propose(&["withdraw", &referral, "--reason", "a mistake"]);
    let other = propose(&["withdraw", &referral, "--reason", "an error"]);
    let _ = countersign(&one).ended(0);
    let late = countersign(&other).ended(1);
    assert_eq!(code(&late.document()), "withdrawn");
    late.says(&["as things stand now it would be refused", "Reject it"]);

    // A referral is to be sent that its unit takes back, or that is held, meanwhile.
    let sent = propose(&["dispatch", &theirs, "--provider", "Host"]);
    let knowing = propose(&["dispatch", &theirs, "--provider", "Host", "--channel", "form"]);
    let _ = fr.call(&["hold", "sent.example", "--wait", "certified"]).ended(0);
    be.until_status_of("sent.example", "held");
    assert_eq!(code(&countersign(&sent).ended(1).document()), "held");
    let despite = propose(&["dispatch", &theirs, "--provider", "Host", "--despite-hold", "agreed with FR"]);
    let _ = countersign(&despite).ended(0);
    let _ = fr.call(&["withdraw", &theirs, "--reason", "wrong", "--wait", "certified"]).ended(0);
    network.until_agreed(&["BE", "FR"]);
    assert_eq!(code(&countersign(&knowing).ended(1).document()), "withdrawn");
    for id in [other, sent, knowing] {
        let _ = be.call(&["reject", &id]).ended(0);
    }
    assert_eq!(waiting(be).len(), 0);
}

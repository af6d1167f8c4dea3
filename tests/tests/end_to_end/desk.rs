//! What stands between an officer and the log, and the life of a target behind it.

use std::collections::BTreeSet;
use std::fs;

use entente_tests::network::{Network, Node};
use serde_json::{Value, json};

use crate::PROGRAM;

const REFER: [&str; 2] = ["--category", "incites"];

/// Calls with `refer` and its category.
pub(crate) fn refer(node: &Node, target: &str, more: &[&str]) -> entente_tests::said::Said {
    node.call(&[&["refer", target], &REFER[..], more].concat())
}

pub(crate) fn code(refused: &Value) -> &str {
    refused["refused"]["code"].as_str().unwrap()
}

pub(crate) fn issue_second_officer(network: &Network, unit: &str) {
    let node = network.node(unit);
    let _ = node.call(&["cert", "issue", "--officer", "second"]).ended(0);
    // Never over another.
    let _ = node.call(&["cert", "issue", "--officer", "second"]).ended(1);
}

#[test]
fn what_a_unit_asks_to_leave_online_is_not_referred_by_haste_nor_what_would_take_it_down() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let _ = fr.call(&["hold", "https://forum.example/board/7", "--contact", "desk 4", "--wait", "certified"]).ended(0);
    be.until_status_of("https://forum.example/board/7", "held");

    for target in ["https://forum.example/board/7", "forum.example"] {
        let said = refer(be, target, &[]).ended(1);
        assert_eq!(code(&said.document()), "held", "{target}");
        said.says(&["FR", "--despite-hold"]);
    }
    // What is beside it, or goes on from it, is another address.
    let _ = refer(be, "https://forum.example/board/8", &[]).ended(0);
    let said =
        refer(be, "forum.example", &["--despite-hold", "the whole forum is seized today", "--wait", "certified"]);
    let id = said.ended(0).document()["id"].as_str().unwrap().to_owned();
    let shown = be.call(&["show", &id]).ended(0).document();
    let reason = &shown["records"][0]["statement"]["override_reason"];
    assert_eq!(reason, "despite a hold: the whole forum is seized today");
    // Sending it to a provider is another step that the hold speaks against.
    let sent = be.call(&["dispatch", &id, "--provider", "Host"]).ended(1);
    assert_eq!(code(&sent.document()), "held");
    let sent = be.call(&["dispatch", &id, "--provider", "Host", "--despite-hold", "agreed with FR"]).ended(0);
    let shown = be.call(&["show", sent.document()["id"].as_str().unwrap()]).ended(0).document();
    let reason = &shown["records"][0]["statement"]["override_reason"];
    assert_eq!(reason, "despite a hold: agreed with FR", "every unit reads it");
    // Whoever asks about the domain is told what is held below it.
    let checked = be.call(&["check", "forum.example"]).ended(0).document();
    let told = checked["notices"].to_string();
    assert!(told.contains("https://forum.example/board/7, below it, is held by FR"), "{told}");

    // A hold above covers what is below it.
    let _ = fr.call(&["hold", "watched.example", "--wait", "certified"]).ended(0);
    be.until_status_of("watched.example", "held");
    assert_eq!(code(&refer(be, "https://a.watched.example/x", &[]).ended(1).document()), "held");
    fr.call(&["hold", "late.example", "--until", "2020-01-01"]).ended(1).says(&["past"]);
}

#[test]
fn a_target_that_the_unit_refers_already_is_not_entered_again_unless_it_insists() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = be.refer("https://bad.example/x", "certified")["id"].clone();
    let again = refer(be, "HTTPS://bad.example:443/x#top", &[]).ended(0).document();
    assert_eq!((&again["id"], again["notices"][0].as_str().unwrap().contains("--again")), (&id, true));
    let anew = refer(be, "https://bad.example/x", &["--again", "--description", "now a video"]).ended(0).document();
    assert_ne!(anew["id"], id);
    // A partner's referral is told, and never stands in the way of an own one.
    fr.until_status_of("https://bad.example/x", "listed");
    let theirs = refer(fr, "https://bad.example/x", &[]).ended(0).document();
    assert!(theirs["notices"][0].as_str().unwrap().contains("already listed"), "{theirs}");
}

#[test]
fn what_a_guard_list_names_goes_in_only_with_a_second_officer() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    issue_second_officer(&network, "BE");
    let guard = be.directory().join("guard");
    fs::create_dir(&guard).unwrap();
    let list = json!({ "name": "Encyclopaedias", "version": 1, "type": "hostname", "list": ["wiki.example"],
        "matching_attributes": ["domain", "hostname", "url"] });
    fs::write(guard.join("wiki.json"), list.to_string()).unwrap();

    let said = refer(be, "wiki.example", &["--override", " "]).ended(1);
    assert_eq!(code(&said.document()), "guarded");
    said.says(&["Encyclopaedias", "wiki.example", "--override"]);
    assert_eq!(code(&refer(be, "https://en.wiki.example/page", &[]).ended(1).document()), "guarded");

    let proposed = refer(be, "wiki.example", &["--override", "the mirror, not the encyclopaedia"]).ended(0).document();
    assert_eq!((&proposed["id"], &proposed["durable"]), (&Value::Null, &json!(true)));
    let submission = proposed["submission"].as_str().unwrap().to_owned();
    let waiting = be.call(&["waiting"]).ended(0).document();
    assert_eq!((&waiting["submission"], &waiting["target"]), (&json!(submission), &json!("domain:wiki.example")));
    assert_eq!((&waiting["officer"], &waiting["kind"]), (&json!("officer"), &json!("refer")));
    assert_eq!(be.status_of("wiki.example"), "unknown");

    // Nobody countersigns his own, also not after the node was killed.
    be.kill();
    be.start();
    be.until_state("running");
    assert_eq!(code(&be.call(&["countersign", &submission]).ended(1).document()), "same-officer");
    let done = be.call(&["countersign", &submission[..8], "--as", "second", "--wait", "certified"]).ended(0).document();
    assert_eq!((&done["certified"], &done["submission"]), (&json!(true), &json!(submission)));
    let shown = be.call(&["show", done["id"].as_str().unwrap()]).ended(0).document();
    let reason = &shown["records"][0]["statement"]["override_reason"];
    assert_eq!(reason, "despite a guard list: the mirror, not the encyclopaedia");
    assert_eq!(be.call(&["waiting"]).ended(0).documents(), Vec::<Value>::new());
    let _ = be.call(&["countersign", &submission, "--as", "second"]).ended(1);
    // What the unit refers by now is known, and needs no second officer to be left out; to refer it anew does.
    assert_eq!(refer(be, "wiki.example", &[]).ended(0).document()["id"], done["id"]);
    assert_eq!(code(&refer(be, "wiki.example", &["--again"]).ended(1).document()), "guarded");

    // Another is rejected, and gone for good.
    let other = refer(be, "en.wiki.example", &["--override", "in haste"]).ended(0).document();
    let other = other["submission"].as_str().unwrap();
    let _ = be.call(&["reject", other, "--as", "second"]).ended(0);
    be.kill();
    be.start();
    be.until_state("running");
    assert_eq!(be.call(&["waiting"]).ended(0).documents(), Vec::<Value>::new());
    let _ = be.call(&["countersign", other, "--as", "second"]).ended(1);
    assert_eq!(be.status_of("en.wiki.example"), "listed", "by its parent, which was countersigned");

    // A list is read again when it changes, and one that is broken is told.
    fs::write(guard.join("wiki.json"), "{").unwrap();
    let said = be.call(&["status"]).ended(0).document();
    assert_eq!(said["guards"], json!([{ "name": "Encyclopaedias", "entries": 1, "file": "wiki.json" }]));
    let warned = said["warnings"].to_string();
    assert!(warned.contains("wiki.json") && warned.contains("stays in force"), "{warned}");
    fs::remove_file(guard.join("wiki.json")).unwrap();
    let _ = refer(be, "de.wiki.example", &[]).ended(0);
}

#[test]
fn many_lines_are_answered_in_their_order_though_several_calls_are_under_way() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let answers = |args: &[&str], lines: &[String]| {
        let said = be.call_with(args, lines.join("\n").as_bytes()).ended(1).documents();
        let inputs: Vec<&str> = said.iter().map(|said| said["input"].as_str().unwrap()).collect();
        assert_eq!(inputs, (1..=lines.len()).map(|n| format!("line {n}")).collect::<Vec<_>>());
        said
    };
    // The node refuses the one, the program itself the other.
    let amiss = |n: usize, bad: &str, good: String| if n % 1_100 == 1_099 { bad.to_owned() } else { good };
    let targets: Vec<String> = (0..3_300).map(|n| amiss(n, "no target", format!("bad-{n}.example"))).collect();
    let said = answers(&["refer", "--from", "-", "--category", "incites"], &targets);
    let ids: Vec<String> = said.iter().filter_map(|said| Some(said["id"].as_str()?.to_owned())).collect();
    let different: BTreeSet<&String> = ids.iter().collect();
    assert!(ids.len() == 3_297 && different.len() == 3_297, "{}", different.len());
    assert!((0..3_300).all(|n| said[n]["refused"].is_null() == (n % 1_100 != 1_099)));
    assert_eq!(said[1_500]["target"], "domain:bad-1500.example");
    let ids: Vec<String> = ids.into_iter().enumerate().map(|(n, id)| amiss(n, "no id", id)).collect();
    let said = answers(&["withdraw", "--from", "-", "--reason", "by mistake"], &ids);
    assert!((0..3_297).all(|n| said[n]["refused"].is_null() == (n % 1_100 != 1_099)));
}

#[test]
fn with_two_approvals_every_statement_waits_for_a_second_officer() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    be.configure("# approvals = 1", "approvals = 2");
    network.start();
    be.until_state("running");
    issue_second_officer(&network, "BE");
    let targets: String = (0..20).map(|n| format!("bad-{n}.example\n")).collect();
    let said = be.call_with(&["refer", "--from", "-", "--category", "incites"], targets.as_bytes()).ended(0);
    let ids: Vec<String> =
        said.documents().iter().map(|said| said["submission"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), be.status_of("bad-7.example").as_str()), (20, "unknown"));
    // The same call again proposes nothing twice.
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for _ in 0..2 {
        let _ = refer(be, "once.example", &["--submission", id]).ended(0);
    }
    assert_eq!(be.call(&["waiting"]).ended(0).documents().len(), 21);
    let mut call = vec!["countersign", "--as", "second", "--wait", "certified", id];
    call.extend(ids.iter().map(String::as_str));
    let done = be.call(&call).ended(0).documents();
    assert!(done.len() == 21 && done.iter().all(|done| done["certified"] == true), "{done:?}");
    assert_eq!(be.status_of("bad-7.example"), "listed");
    assert_eq!(be.call(&["waiting"]).ended(0).documents(), Vec::<Value>::new());
}

#[test]
fn the_story_of_a_target_is_told_alike_by_every_unit() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL", "UK"]);
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let certified = ["--wait", "certified"];
    let id = |said: entente_tests::said::Said| said.ended(0).document()["id"].as_str().unwrap().to_owned();
    let call = |node: &Node, args: &[&str]| id(node.call(&[args, &certified[..]].concat()));
    let more =
        ["--basis", "removal-order", "--provider", "Example Host", "--campaign", "outlet", "--review-by", "2020-01-01"];
    let referral = id(refer(be, "outlet.example", &[&more[..], &certified].concat()));
    fr.until_status_of("outlet.example", "listed");
    call(fr, &["support", &referral, "--text", "seen here too"]);
    // To the provider that the referral names; long ago, so that the answer is overdue.
    let dispatch = call(fr, &["dispatch", &referral, "--channel", "form", "--at", "2020-01-01T00:00:00Z"]);
    call(be, &["observe", "outlet.example", "--seen", "moved", "--to", "outlet2.example"]);
    call(nl, &["link", "outlet2.example", "outlet3.example", "--as-a", "mirror"]);
    call(nl, &["observe", "outlet3.example", "--seen", "online"]);
    network.until_agreed(&["BE", "FR", "NL", "UK"]);

    let list = |node: &Node, args: &[&str]| -> Vec<Value> {
        let rows = node.call(&[&["list"], args].concat()).ended(0).documents();
        rows.into_iter().map(|row| row["target"].clone()).collect()
    };
    for node in network.nodes() {
        let shown = node.call(&["show", "outlet.example"]).ended(0).document();
        let kinds: Vec<&str> =
            shown["records"].as_array().unwrap().iter().map(|record| record["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["refer", "opinion", "dispatch", "observe"], "{}", node.unit);
        assert_eq!(shown["row"]["dispatches"][0]["provider"], "Example Host");
        let family: Vec<(&str, &str)> = shown["family"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["target"].as_str().unwrap(), one["relation"].as_str().unwrap()))
            .collect();
        assert_eq!(family, [("domain:outlet2.example", "successor"), ("domain:outlet3.example", "mirror")]);
        let late: Vec<&str> =
            shown["row"]["overdue"].as_array().unwrap().iter().map(|late| late["what"].as_str().unwrap()).collect();
        assert_eq!(late, ["review", "answer"]);
    }
    // A referral that was sent once may be named instead of its dispatch.
    let outcome = call(fr, &["outcome", &referral, "--answer", "removed", "--reason", "taken down"]);
    nl.until_certified("FR", outcome.split_once('/').unwrap().1.parse::<u64>().unwrap() + 1);
    network.until_agreed(&["BE", "FR", "NL", "UK"]);
    let row = nl.call(&["show", "outlet.example"]).ended(0).document()["row"].clone();
    assert_eq!((&row["outcomes"][0]["on"], &row["outcomes"][0]["answer"]), (&json!(dispatch), &json!("removed")));

    let _ = refer(
        be,
        "other.example",
        &["--category", "threatens", "--description", "A Second One", "--wait", "certified"],
    )
    .ended(0);
    network.until_agreed(&["BE", "FR", "NL", "UK"]);
    let (outlet, other) = (json!("domain:outlet.example"), json!("domain:other.example"));
    for (args, expected) in [
        (&["--overdue"][..], vec![&outlet]),
        (&["--overdue", "--at", "2019-01-01"], vec![]),
        (&["--campaign", "outlet"], vec![&outlet]),
        (&["--provider", "example host"], vec![&outlet]),
        (&["--category", "threatens"], vec![&other]),
        (&["--availability", "moved"], vec![&outlet]),
        (&["--text", "second one"], vec![&other]),
        (&["--text", "taken DOWN"], vec![&outlet]),
        (&["--since", "2020-01-01"], vec![&other, &outlet]),
        (&["--since", "2999-01-01"], vec![]),
        (&["--sort", "newest"], vec![&other, &outlet]),
        (&["--sort", "oldest"], vec![&outlet, &other]),
        (&["--sort", "oldest", "--limit", "1"], vec![&outlet]),
        (&["--sort", "oldest", "--after", "outlet.example"], vec![&other]),
        (&["--unit", "BE", "--limit", "1"], vec![&other]),
        (&["--unit", "FR"], vec![]),
    ] {
        assert_eq!(list(nl, args).iter().collect::<Vec<_>>(), expected, "{args:?}");
    }
    // The wrong one is taken back, and everybody is told the same.
    let _ = nl.call(&["object", &referral, "--ground", "wrong-target", "--wait", "certified"]).ended(0);
    be.until_status_of("outlet.example", "disputed");
    let _ = be.call(&["withdraw", &referral, "--reason", "another outlet was meant", "--wait", "certified"]).ended(0);
    network.until_agreed(&["BE", "FR", "NL", "UK"]);
    let stories: Vec<Value> = network
        .nodes()
        .iter()
        .map(|node| {
            let mut shown = node.call(&["show", "outlet.example"]).ended(0).document();
            // Who is known to have cosigned differs; what was said does not.
            shown["records"].as_array_mut().unwrap().iter_mut().for_each(|record| record["cosigned_by"] = Value::Null);
            shown
        })
        .collect();
    assert!(stories.iter().all(|story| *story == stories[0]), "{stories:?}");
    assert_eq!(stories[0]["row"]["status"], "cleared");
}

#[test]
fn evidence_goes_from_hand_to_hand_and_both_sides_say_so() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let file = network.directory().join("disk.img");
    fs::write(&file, b"seized").unwrap();
    let path = file.to_str().unwrap();
    let item =
        be.call(&["evidence", path, "--description", "a disk", "--target", "bad.example", "--wait", "certified"]);
    let item = item.ended(0).document()["id"].as_str().unwrap().to_owned();
    be.call(&["custody", "give", &item, "--unit", "BE"]).ended(1).says(&["not another unit"]);
    let _ = be.call(&["custody", "give", &item, "--unit", "FR", "--text", "bag 7", "--wait", "certified"]).ended(0);
    network.until_agreed(&["BE", "FR"]);
    let taken = fr.call(&["custody", "take", &item, "--unit", "BE", "--file", path, "--wait", "certified"]);
    let taken = taken.ended(0).document()["id"].as_str().unwrap().to_owned();
    // SHA-256 of "seized", by hand.
    let hash = fr.call(&["show", &item]).ended(0).document()["records"][0]["statement"]["item"]["sha256"].clone();
    let shown = fr.call(&["show", &taken]).ended(0).document()["records"][0]["statement"].clone();
    assert_eq!((&shown["sha256"], &shown["step"], &shown["other"]), (&hash, &json!("take"), &json!("BE")));
    // The chain of the item, with what each side signed.
    let page = fr.call(&["show", &item]).ended(0).document();
    let custody = &page["custody"];
    assert_eq!((&custody["holder"], &custody["open"]), (&json!("FR"), &json!([])));
    assert_eq!((&custody["chain"][0]["take"], &custody["chain"][0]["intact"]), (&json!(taken), &json!(true)));
    let sides = page["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "custody");
    assert!(sides.clone().count() == 2 && sides.clone().all(|side| side["cosigned_by"].as_array().unwrap().len() == 1));
    let home = fr.directory().to_str().unwrap();
    let page = entente_tests::network::run(PROGRAM, &["show", &item, "--home", home], b"").ended(0).out;
    assert!(page.contains("BE gave it to FR") && page.contains("custody: FR holds it now"), "{page}");
    fr.call(&["custody", "take", &taken, "--unit", "BE"]).ended(1).says(&["no evidence"]);
    be.call(&["evidence", network.directory().to_str().unwrap()]).ended(1).says(&["not a file"]);
}

#[test]
fn a_watch_goes_on_where_another_ended() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    be.refer("a.example", "certified");
    let all = be.call(&["watch", "--from", "0", "--timeout", "1"]).ended(0).documents();
    let a = all.iter().find(|change| change["target"] == "domain:a.example").unwrap();
    let position = a["position"].as_str().unwrap().to_owned();
    be.refer("b.example", "certified");
    be.until_status_of("b.example", "listed");
    let since = be.call(&["watch", "--from", &position, "--timeout", "1"]).ended(0).documents();
    let targets: Vec<&Value> =
        since.iter().map(|change| &change["target"]).filter(|target| !target.is_null()).collect();
    assert_eq!(targets, ["domain:b.example"]);
    be.call(&["watch", "--from", "BE:999", "--timeout", "1"]).ended(1).says(&["999"]);
    let _ = be.call(&["watch", "--from", "BE", "--timeout", "1"]).ended(2);
}

#[test]
fn a_check_finds_networks_prefixes_and_images_that_are_alike() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let image = format!("image:pdq:{}", "f0".repeat(32));
    let like = format!("image:pdq:{}{}", "0f".repeat(3), "f0".repeat(29));
    for (target, more) in
        [("192.0.2.0/24", &[][..]), ("https://host.example/group/", &["--prefix"]), (image.as_str(), &[])]
    {
        let _ = refer(be, target, &[more, &["--wait", "certified"]].concat()).ended(0);
    }
    network.until_agreed(&["BE", "FR"]);
    for (input, via) in [
        ("192.0.2.77", Some("ip:192.0.2.0/24")),
        ("https://192.0.2.77/x", Some("ip:192.0.2.0/24")),
        ("https://host.example/group/7?x", Some("url:https://host.example/group/")),
        ("https://host.example/grou", None),
        (like.as_str(), Some(image.as_str())),
    ] {
        let checked = fr.call_at(&["check", input, "--json"]).documents();
        let expected = via.map_or(Value::Null, Value::from);
        assert_eq!(checked[0]["via"], expected, "{input}: {checked:?}");
    }
    let checked = fr.call(&["check", &like, "--likeness", "23"]).ended(1).documents();
    assert_eq!(checked[0]["status"], "unknown");
    assert_eq!(fr.call(&["check", &like]).ended(0).documents()[0]["differs"], 24);
    be.call(&["refer", "host.example", "--prefix", "--category", "incites"]).ended(1).says(&["only an address"]);
}

#[test]
fn a_submission_id_names_one_statement_for_ever_wherever_that_waits_or_stands() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let another = "67e55044-10b1-426f-9247-bb680e5fe0c9";
    let used = |said: entente_tests::said::Said| said.ended(1).says(&["take a new one"]);

    // In the log, whether the database has it yet or not; and the same again is the same.
    let first = refer(be, "one.example", &["--submission", id]).ended(0).document();
    used(refer(be, "two.example", &["--submission", id]));
    assert_eq!(
        refer(be, "one.example", &["--submission", id, "--wait", "certified"]).ended(0).document()["id"],
        first["id"]
    );
    let dispatch = ["dispatch", first["id"].as_str().unwrap(), "--provider", "Host", "--submission", another];
    let sent = be.call(&dispatch).ended(0).document();
    assert_eq!(be.call(&dispatch).ended(0).document()["id"], sent["id"], "no time was given, and it is the same call");

    // Erased: whatever it said, it is not said again.
    let erased = first["id"].as_str().unwrap();
    let _ = be.call(&["erase", erased, "--reason", "mistake", "--wait", "certified"]).ended(0);
    entente_tests::wait::until("the payload is deleted", || {
        let shown = be.call(&["show", erased]).ended(0).document();
        (shown["records"][0]["erasure"]["payload_kept"] == false).then_some(())
    });
    used(refer(be, "two.example", &["--submission", id]));

    // In the outbox.
    fr.kill();
    be.kill();
    be.start();
    be.until_state("waiting");
    let third = "67e55044-10b1-426f-9247-bb680e5fe0ca";
    let waiting = refer(be, "three.example", &["--submission", third]).ended(0).document();
    assert_eq!(waiting["id"], Value::Null);
    let _ = refer(be, "three.example", &["--submission", third]).ended(0);
    used(refer(be, "four.example", &["--submission", third]));
    refer(be, "three.example", &["--description", "more"]).ended(1).says(&["waits in the outbox"]);
    assert_eq!(be.call(&["waiting"]).ended(0).documents().len(), 1);
}

#[test]
fn a_proposal_is_judged_again_when_it_is_countersigned_and_nothing_else_lets_it_in() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    issue_second_officer(&network, "BE");
    let guard = be.directory().join("guard");
    fs::create_dir(&guard).unwrap();
    let list = json!({ "name": "Guarded", "type": "string", "list": ["guarded.example"] });
    fs::write(guard.join("a.json"), list.to_string()).unwrap();
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let propose = ["--override", "needed", "--submission", id];
    let _ = refer(be, "guarded.example", &propose).ended(0);
    refer(be, "plain.example", &["--submission", id]).ended(1).says(&["waits already"]);
    // The list is gone, and still a second officer has to speak.
    fs::remove_file(guard.join("a.json")).unwrap();
    let _ = refer(be, "guarded.example", &propose);
    assert_eq!((be.status_of("guarded.example").as_str(), be.call(&["waiting"]).documents().len()), ("unknown", 1));
    // A partner asks to leave it online meanwhile.
    let _ = fr.call(&["hold", "guarded.example", "--wait", "certified"]).ended(0);
    be.until_status_of("guarded.example", "held");
    assert_eq!(code(&be.call(&["countersign", id, "--as", "second"]).ended(1).document()), "held");
    let _ = be.call(&["reject", id]).ended(0);
    // What is beside a held address is not below it.
    let _ = fr.call(&["hold", "https://b.example/10", "--wait", "certified"]).ended(0);
    be.until_status_of("https://b.example/10", "held");
    let _ = refer(be, "https://b.example/1", &[]).ended(0);
    assert_eq!(code(&refer(be, "https://b.example/1", &["--again", "--prefix"]).ended(1).document()), "held");
}

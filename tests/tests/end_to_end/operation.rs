//! The simultaneous action, with real nodes and the command line alone.

use entente_proto::wire;
use entente_proto::wire::frame::Frame as Inner;
use entente_tests::network::{Network, Node, peer_of};
use entente_tests::partner::Partner;
use entente_tests::wait::{until, until_so};
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::desk::code;

/// Takes a step and gives the answer.
#[track_caller]
pub(crate) fn step(node: &Node, args: &[&str]) -> Value {
    node.call(&[&["operation"], args, &["--wait", "certified"]].concat()).ended(0).document()
}

/// Takes a step that is refused, and gives the code.
#[track_caller]
pub(crate) fn refused(node: &Node, args: &[&str]) -> String {
    code(&node.call(&[&["operation"], args].concat()).ended(1).document()).to_owned()
}

/// The page of an operation.
#[track_caller]
pub(crate) fn show(node: &Node, id: &str) -> Value {
    node.call(&["operation", "show", id]).ended(0).document()
}

/// Waits until the page of an operation is so.
#[track_caller]
pub(crate) fn until_shown(node: &Node, id: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{} shows of {id}: {what}", node.unit), || {
        let said = node.call(&["operation", "show", id]);
        (said.code == Some(0)).then(|| said.document()).filter(|page| so(page))
    })
}

fn unit<'a>(page: &'a Value, name: &str) -> &'a Value {
    page["units"].as_array().unwrap().iter().find(|unit| unit["unit"] == name).unwrap()
}

pub(crate) fn target<'a>(page: &'a Value, name: &str) -> &'a Value {
    page["targets"].as_array().unwrap().iter().find(|target| target["target"] == name).unwrap()
}

/// What a command says to people.
#[track_caller]
fn for_people(node: &Node, args: &[&str]) -> String {
    let home = node.directory().to_str().unwrap();
    entente_tests::network::run(PROGRAM, &[args, &["--home", home]].concat(), b"").ended(0).out
}

/// Names the partners that a stopped node cuts off.
fn cut_off(node: &Node, from: &str, to: &str) {
    node.stop();
    node.configure(from, to);
    node.start();
}

#[test]
fn operation_drill() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL", "UK"]);
    let [be, fr, nl, uk] = ["BE", "FR", "NL", "UK"].map(|unit| network.node(unit));
    let a = be.refer("a.example", "certified")["id"].as_str().unwrap().to_owned();
    let _ = be.refer("b.example", "certified");
    let c = fr.refer("c.example", "certified")["id"].as_str().unwrap().to_owned();
    for node in network.nodes() {
        node.until_status_of("c.example", "listed");
    }

    // What makes no sense is refused before it is signed, with the reason.
    let new = ["operation", "new", "--title", "Amaq", "--invite", "FR,NL,UK"];
    let unknown = be.call(&[&new[..], &["nobody-refers.example"]].concat()).ended(1);
    unknown.says(&["nobody-refers.example", "refer it first"]);
    let wrong = be.call(&["operation", "new", "--title", "Amaq", "--invite", "BE"]).ended(1).document();
    assert_eq!(code(&wrong), "unit");
    let begun = be.call(&[&new[..], &["--ready", "3", "a.example", "b.example", "--wait", "certified"]].concat());
    let id = begun.ended(0).document()["id"].as_str().unwrap().to_owned();
    let id = id.as_str();
    until_shown(fr, id, "that it is open", |page| page["phase"] == "open");
    assert_eq!(refused(fr, &["add", id, "c.example"]), "not-joined");
    assert_eq!(refused(be, &["join", id]), "leads");
    let listed = until(&format!("{id} is listed at NL"), || nl.call(&["operation", "list"]).documents().pop());
    assert_eq!((&listed["id"], &listed["part"], &listed["targets"]), (&json!(id), &json!("invited"), &json!(2)));
    for node in [fr, nl, uk] {
        until_shown(node, id, "the operation", |_| true);
        step(node, &["join", id]);
    }
    step(fr, &["add", id, "c.example"]);
    assert_eq!(refused(nl, &["remove", id, "c.example"]), "not-own");
    assert_eq!(refused(fr, &["freeze", id]), "not-lead");
    assert_eq!(refused(fr, &["ready", id]), "not-frozen");
    until_shown(be, id, "three units that joined and three targets", |page| {
        let joined = |unit: &Value| unit["part"] == "joined";
        page["targets"].as_array().unwrap().len() == 3
            && page["units"].as_array().unwrap().iter().filter(|unit| joined(unit)).count() == 3
    });
    step(be, &["assign", id, "FR", "c.example", "b.example"]);
    step(be, &["assign", id, "NL", "b.example"]);

    // UK is cut off while the list is fixed, and everybody knows before the moment.
    cut_off(uk, "block = [", "block = [\"BE\", \"FR\", \"NL\", ");
    step(be, &["freeze", id]);
    let page = until_shown(be, id, "that UK cannot be reached", |page| unit(page, "UK")["connected"] == false);
    assert_eq!((&page["phase"], &page["go"]), (&json!("frozen"), &Value::Null));
    assert!(for_people(be, &["operation", "show", id]).contains("CANNOT BE REACHED: UK"));
    let watched = for_people(fr, &["operation", "watch", id, "--timeout", "1"]);
    assert!(watched.contains("UK CANNOT BE REACHED") && !watched.contains("GO for"), "{watched}");
    // Where nobody looks at a terminal it is plain lines, each with its time.
    let plain = |line: &str| line.starts_with("20") && !line.chars().any(char::is_control);
    assert!(watched.lines().all(plain), "{watched}");
    let digest = page["digest"].as_str().unwrap().to_owned();
    assert_eq!((page["gaps"].as_u64(), page["overlaps"].as_u64()), (Some(1), Some(1)));
    assert_eq!(refused(be, &["add", id, "a.example"]), "frozen");
    for node in [fr, nl] {
        until_shown(node, id, "the digest", |page| page["digest"] == digest.as_str());
    }
    assert_eq!(refused(fr, &["ready", id, "--digest", &"0".repeat(64)]), "other-digest");
    step(fr, &["ready", id, "--digest", &digest]);
    step(be, &["ready", id]);
    let no_quorum = be.call(&["operation", "go", id]).ended(1);
    assert_eq!(code(&no_quorum.document()), "no-quorum");
    no_quorum.says(&["3 units must be ready, 2 are", "NL UK"]);
    step(nl, &["ready", id]);
    until_shown(be, id, "that three are ready", |page| {
        page["units"].as_array().unwrap().iter().filter(|unit| unit["ready"] != Value::Null).count() == 3
    });

    // A hold on a fixed target shows at once, and the go leaves that target out.
    let hold = nl.call(&["hold", "a.example", "--wait", "certified"]).ended(0).document()["id"].clone();
    until_shown(be, id, "the hold", |page| target(page, "domain:a.example")["against"][0]["id"] == hold);
    assert_eq!(refused(fr, &["executed", id, "c.example"]), "not-gone");
    let held = hold.as_str().unwrap();
    assert_eq!(refused(be, &["go", id, "--override", held]), "not-an-objection");
    let gone = step(be, &["go", id]);
    let notices = gone["notices"].to_string();
    assert!(notices.contains("domain:a.example") && notices.contains("UK"), "{notices}");
    assert_eq!(refused(be, &["go", id]), "gone");
    let page = until_shown(fr, id, "the go", |page| page["phase"] == "go");
    assert_eq!(page["go"]["ready"], json!(["BE", "FR", "NL"]));
    assert_eq!(target(&page, "domain:a.example")["state"], "left out");
    assert_eq!(refused(fr, &["executed", id, &a]), "not-covered");

    // What comes later is late everywhere, and changes nothing of what the go covers.
    let late = nl.call(&["hold", "c.example", "--wait", "certified"]).ended(0).document()["id"].clone();
    for node in [be, fr] {
        let page =
            until_shown(node, id, "the late hold", |page| target(page, "domain:c.example")["against"][0]["id"] == late);
        let target = target(&page, "domain:c.example");
        assert_eq!((&target["covered"], &target["against"][0]["in_go"]), (&json!(true), &json!(false)));
    }
    let page = for_people(be, &["operation", "show", id]);
    assert!(page.contains("CANNOT BE REACHED: UK") && page.contains("LATE: domain:c.example: held"), "{page}");

    // UK knows nothing of it and does not act; back again it has the same list, and does.
    assert_eq!(show(uk, id)["phase"], "open");
    assert_eq!(refused(uk, &["executed", id, "b.example"]), "not-gone");
    cut_off(uk, "block = [\"BE\", \"FR\", \"NL\", ", "block = [");
    until_shown(uk, id, "the go", |page| page["phase"] == "go" && page["digest"] == digest.as_str());
    uk.until_state("running");
    step(uk, &["ready", id]);

    // Whoever watches is told line by line, and the watch ends with the operation.
    let watch = fr.begin(&["operation", "watch", id]);

    // Reports, one by one and from a file.
    let file = network.directory().join("done.txt");
    std::fs::write(&file, format!("# of NL\n\nb.example failed no such server\n{c} done 2018-04-25T10:00:07Z\n"))
        .unwrap();
    let said = nl.call(&["operation", "executed", id, "--from", file.to_str().unwrap(), "--wait", "certified"]);
    assert_eq!(said.ended(0).documents().len(), 2);
    step(fr, &["executed", id, "c.example", "--text", "seized"]);
    step(uk, &["executed", id, "b.example"]);
    let page = until_shown(be, id, "all reports", |page| page["total"]["done"] == 2);
    let failed = &target(&page, "domain:b.example")["executed"][0];
    assert_eq!((&failed["result"], &failed["text"]), (&json!("failed"), &json!("no such server")));
    assert_eq!(target(&page, "domain:c.example")["executed"][1]["at"], "2018-04-25T10:00:07Z");
    assert_eq!((&unit(&page, "FR")["done"], &unit(&page, "FR")["open"]), (&json!(1), &json!(1)));

    // What was seized goes from one unit to another.
    let item = network.directory().join("disk.img");
    std::fs::write(&item, b"a server").unwrap();
    let seized = ["evidence", item.to_str().unwrap(), "--operation", id, "--wait", "certified"];
    let seized = fr.call(&seized).ended(0).document()["id"].clone();
    until_shown(be, id, "what was seized", |page| page["evidence"][0] == seized);
    hand_over(&network, seized.as_str().unwrap(), item.to_str().unwrap());

    // The end: nothing counts any more, and every board is the same.
    step(be, &["close", id, "--text", "done"]);
    for node in network.nodes() {
        until_shown(node, id, "that it is closed", |page| page["phase"] == "closed");
    }
    assert_eq!(refused(fr, &["executed", id, "b.example"]), "closed");
    assert_eq!(refused(nl, &["decline", id]), "closed");
    assert_eq!(refused(be, &["invite", id, "FR"]), "closed");
    network.until_agreed(&["BE", "FR", "NL", "UK"]);
    let digests: Vec<Value> = network.nodes().iter().map(|node| show(node, id)["board_digest"].clone()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");

    let watched = watch.wait_with_output().unwrap();
    assert!(watched.status.success());
    let lines: Vec<Value> = entente_tests::said::Said::from(watched).documents();
    let told = |words: &str| lines.iter().any(|line| line["line"].as_str().unwrap().contains(words));
    for words in ["GO for", "LATE: domain:c.example: held", "UK done domain:b.example", "the operation is closed"] {
        assert!(told(words), "no {words:?} in {lines:?}");
    }
    assert!(lines[0]["after_ms"].as_i64().unwrap() >= 0);
    let home = be.directory().to_str().unwrap();
    for (format, words) in [("md", "| domain:b.example | "), ("html", "<svg")] {
        let report = ["operation", "report", id, "--format", format, "--home", home];
        let page = entente_tests::network::run(PROGRAM, &report, b"").ended(0).out;
        assert!(page.contains(words) && page.contains(&digest) && page.contains(&a), "{page}");
        assert!(page.contains("NL failed: no such server") && page.contains("FR done: seized"), "{page}");
    }
    let report = be.call(&["operation", "report", id]).ended(0).document();
    assert_eq!((&report["operation"]["total"]["done"], &report["report"]["covered"]), (&json!(2), &json!(2)));

    // Afterwards: what is seen online again comes up, and what succeeds a target.
    let _ = fr.call(&["observe", "c.example", "--seen", "online", "--wait", "certified"]).ended(0);
    let _ = uk.call(&["link", "b.example", "b2.example", "--as-a", "successor", "--wait", "certified"]).ended(0);
    let back = |row: &Value| row["target"].as_str().unwrap().to_owned();
    until_so("two targets have come back at BE", || {
        let rows = be.call(&["list", "--resurfaced"]).ended(0).documents();
        rows.iter().map(back).collect::<Vec<_>>() == ["domain:b.example", "domain:c.example"]
    });
    let page = show(be, id);
    let successors: Vec<&Value> = page["resurfaced"].as_array().unwrap().iter().map(|one| &one["successor"]).collect();
    assert_eq!(successors, [&json!("domain:b2.example"), &Value::Null]);
}

/// What was seized goes from FR to BE: both sides say so, every unit shows it, and it is verified with the charter alone.
fn hand_over(network: &Network, item: &str, path: &str) {
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let id = |said: Value| said["id"].as_str().unwrap().to_owned();
    let give = ["custody", "give", item, "--unit", "BE", "--text", "bag 7", "--wait", "certified"];
    let give = id(fr.call(&give).ended(0).document());
    let chain = |node: &Node| node.call(&["show", item]).ended(0).document()["custody"].clone();
    until_so("BE knows what FR gives", || chain(be)["open"] == json!([give]));
    assert_eq!(chain(be)["holder"], "FR");
    let take = ["custody", "take", item, "--unit", "FR", "--file", path, "--wait", "certified"];
    let take = id(be.call(&take).ended(0).document());
    for node in network.nodes() {
        until_so(&format!("{} shows that BE holds it", node.unit), || chain(node)["holder"] == "BE");
        let handed = json!({ "give": give, "take": take, "from": "FR", "to": "BE", "intact": true });
        let shown = &chain(node)["chain"][0];
        for key in ["give", "take", "intact"] {
            assert_eq!(shown[key], handed[key], "{shown}");
        }
    }
    assert!(for_people(nl, &["show", item]).contains("FR gave it to BE"));
    let file = |name: &str| network.directory().join(name).to_str().unwrap().to_owned();
    let charter = file("handed-out.note");
    std::fs::write(&charter, network.charter().note()).unwrap();
    for id in [item, &give, &take] {
        let out = file(&format!("{}.receipt", id.replace('/', "-")));
        let _ = nl.call(&["receipt", id, "--out", &out]).ended(0);
        let verify = ["receipt", "verify", &out, "--charter", &charter, "--json"];
        let told = entente_tests::network::run(PROGRAM, &verify, b"").ended(0).document();
        assert_eq!((&told["id"], &told["certified"]), (&json!(id), &json!(true)), "{told}");
        assert!(*id == *item || told["statement"]["item"] == *item, "{told}");
    }
}

#[test]
fn a_step_that_came_too_late_has_no_effect_and_whoever_looks_at_it_is_told_why() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL", "UK"]);
    let [be, fr, nl, uk] = ["BE", "FR", "NL", "UK"].map(|unit| network.node(unit));
    let _ = be.refer("a.example", "certified");
    let _ = uk.refer("d.example", "certified");
    be.until_status_of("d.example", "listed");
    let id = step(be, &["new", "--title", "One", "--invite", "UK", "a.example"])["id"].as_str().unwrap().to_owned();
    until_shown(uk, &id, "the operation", |_| true);
    step(uk, &["join", &id]);
    until_shown(be, &id, "that UK has joined", |page| unit(page, "UK")["part"] == "joined");

    // Nothing is certified while two are away: BE fixes the targets without what UK adds meanwhile.
    [fr, nl].into_iter().for_each(Node::stop);
    let said = |node: &Node, args: &[&str]| {
        let said = node.call(&[&["operation"], args].concat()).ended(0).document();
        said["id"].as_str().unwrap().to_owned()
    };
    let too_late = said(uk, &["add", &id, "d.example"]);
    let frozen = said(be, &["freeze", &id]);
    [fr, nl].into_iter().for_each(Node::start);
    let shown = until("BE shows why the step has no effect", || {
        let said = be.call(&["show", &too_late]);
        let record = (said.code == Some(0)).then(|| said.document()["records"][0].clone())?;
        (record["certified"] == true && record["inert"] != Value::Null).then_some(record)
    });
    let why = format!("without effect in {id}: the targets are fixed already");
    assert_eq!(shown["inert"], why.as_str(), "{shown}");
    assert!(for_people(be, &["show", &too_late]).contains(&format!("does not count: {why}")));
    let page = show(be, &id);
    let listed = page["steps"].as_array().unwrap().iter().find(|step| step["id"] == too_late.as_str()).unwrap();
    assert_eq!((&listed["step"], &listed["fault"]), (&json!("add"), &json!("frozen")));
    let line = format!("without effect: {too_late} add: the targets are fixed already");
    assert!(for_people(be, &["operation", "show", &id]).contains(&line));
    let counts = be.call(&["show", &frozen]).ended(0).document();
    assert_eq!(counts["records"][0]["inert"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_are_told_and_a_slow_link_is_not_taken_for_a_wrong_clock() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let _ = be.refer("a.example", "certified");
    let id = step(be, &["new", "--title", "One", "--invite", "FR", "a.example"])["id"].as_str().unwrap().to_owned();
    let ahead = |page: &Value| unit(page, "FR")["clock_ahead_ms"].as_i64();
    let page = until_shown(be, &id, "FR's clock", |page| ahead(page).is_some());
    assert!(ahead(&page).unwrap().abs() < 1_000, "{page}");
    assert!(!for_people(be, &["operation", "show", &id]).contains("CLOCKS DIFFER"));
    fr.stop();

    // FR's clock is five seconds ahead; then it is right, and frames take three seconds in each direction; then both.
    let partner = Partner::new(&network, "FR");
    for (ahead_ms, under_way_ms) in [(5_000, 0), (0, 3_000), (-5_000, 3_000)] {
        let mut stream = partner.dial("BE").await;
        let mut hello = partner.hello();
        hello.time_ms = hello.time_ms.saturating_add_signed(ahead_ms - under_way_ms);
        stream.send(Inner::Hello(hello.clone())).await;
        // BE says at once how FR's clock looks from there: as far ahead as it is, less the time under way.
        let told = stream
            .find(|frame| match frame {
                Inner::Hello(hello) => hello.yours_ahead_ms,
                _ => None,
            })
            .await;
        assert!((told - (ahead_ms - under_way_ms)).abs() < 1_000, "{told}");
        hello = wire::Hello { yours_ahead_ms: Some(-ahead_ms - under_way_ms), ..hello };
        stream.send(Inner::Hello(hello)).await;
        let so = |page: &Value| ahead(page).is_some_and(|found| (found - ahead_ms).abs() < 900);
        until_shown(be, &id, "how far FR's clock is apart", so);
        let warning = |page: &str| page.lines().find(|line| line.contains("CLOCKS DIFFER")).map(str::to_owned);
        let shown = warning(&for_people(be, &["operation", "show", &id]));
        let watched = warning(&for_people(be, &["operation", "watch", &id, "--timeout", "1"]));
        match ahead_ms {
            0 => assert_eq!((shown, watched), (None, None)),
            _ => {
                let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
                assert!([shown, watched].into_iter().all(|line| line.is_some_and(|line| line.contains(way))));
            }
        }
        drop(stream);
        until_so("BE knows that FR is gone", || peer_of(&be.status(), "FR")["connected"] == false);
    }
}

#[test]
fn an_operation_that_is_called_off_is_acted_on_by_nobody() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let _ = be.refer("a.example", "certified");
    let id = step(be, &["new", "--title", "One", "--invite", "FR", "a.example"])["id"].as_str().unwrap().to_owned();
    until_shown(fr, &id, "the operation", |_| true);
    step(fr, &["join", &id]);
    assert_eq!(refused(be, &["go", &id]), "not-frozen");
    step(be, &["freeze", &id]);
    assert_eq!(refused(be, &["freeze", &id]), "frozen");
    let aborted = step(be, &["abort", &id, "--reason", "a leak"]);
    let page = until_shown(fr, &id, "that it is called off", |page| page["phase"] == "aborted");
    let last = page["steps"].as_array().unwrap().iter().find(|step| step["id"] == aborted["id"]).unwrap();
    assert_eq!((&last["step"], &last["text"]), (&json!("abort"), &json!("a leak")));
    assert_eq!(refused(be, &["go", &id]), "aborted");
    assert_eq!(refused(fr, &["executed", &id, "a.example"]), "not-gone");
    fr.call(&["operation", "show", "FR/0"]).ended(1).says(&["no operation", "entente operation list"]);
}

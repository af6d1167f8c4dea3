//! Asking a node: pages of the list, and watching it.

use std::collections::BTreeSet;

use entente_proto::wire;
use entente_tests::caller::Caller;
use entente_tests::network::{Network, Node, run};
use serde_json::Value;

use crate::PROGRAM;
use crate::desk::refer;

/// The rows of `list` with these options.
fn list(node: &Node, args: &[&str]) -> Vec<Value> {
    node.call(&[&["list"], args].concat()).ended(0).documents()
}

fn targets(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["target"].as_str().unwrap()).collect()
}

#[test]
fn a_page_goes_on_behind_a_row_that_has_changed_or_gone() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let ids: Vec<String> = ["a.example", "b.example", "c.example"]
        .map(|target| be.refer(target, "certified")["id"].as_str().unwrap().to_owned())
        .into();
    let page = |args: &[&str]| list(be, &[&["--sort", "newest"], args].concat());
    let first = page(&["--limit", "1"]);
    assert_eq!(targets(&first), ["domain:c.example"]);
    let cursor = first[0]["cursor"].as_str().unwrap();
    let rest = ["domain:b.example", "domain:a.example"];
    assert_eq!(targets(&page(&["--after", cursor])), rest);
    assert_eq!(targets(&page(&["--after", "c.example"])), rest);

    // The row of the cursor goes, and the next is the oldest no longer.
    let _ = be.call(&["erase", &ids[2], "--reason", "mistake", "--wait", "certified"]).ended(0);
    be.until_status_of("c.example", "unknown");
    assert_eq!(targets(&page(&["--after", cursor])), rest);
    be.call(&["list", "--sort", "newest", "--after", "c.example"])
        .ended(1)
        .says(&["not on the list any more", "cursor"]);
    be.call(&["list", "--sort", "oldest", "--after", cursor]).ended(1).says(&["another order", "--sort newest"]);
    be.call(&["list", "--sort", "newest", "--after", "newest/x"]).ended(1).says(&["not the cursor"]);

    // By target, where the place is the name, it needs no row; and pages put together are the list.
    assert_eq!(targets(&list(be, &["--after", "aa.example"])), ["domain:b.example"]);
    for sort in ["target", "newest", "oldest", "status"] {
        let whole = list(be, &["--sort", sort]);
        let (mut pages, mut after) = (Vec::new(), Vec::new());
        loop {
            let args: Vec<&str> = after.iter().map(String::as_str).collect();
            let page = list(be, &[&["--sort", sort, "--limit", "1"], &args[..]].concat());
            let Some(row) = page.first() else { break };
            after = vec!["--after".to_owned(), row["cursor"].as_str().unwrap().to_owned()];
            pages.extend(page);
        }
        assert_eq!(pages, whole, "{sort}");
    }
    // People are told how to go on.
    let at = be.directory().to_str().unwrap();
    let said = run(PROGRAM, &["list", "--sort", "oldest", "--limit", "1", "--home", at], b"").ended(0);
    said.says(&["1 targets", "more: --after 'oldest/", "/domain:a.example'"]);
}

#[test]
fn only_referrals_make_a_target_one_of_a_unit_also_before_they_are_certified() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let _ = fr.refer("theirs.example", "certified");
    be.until_status_of("theirs.example", "listed");
    fr.kill();
    let _ = refer(be, "ours.example", &[]).ended(0);
    let gone = refer(be, "gone.example", &[]).ended(0).document()["id"].as_str().unwrap().to_owned();
    let _ = be.call(&["withdraw", &gone, "--reason", "a mistake"]).ended(0);
    let _ = be.call(&["observe", "theirs.example", "--seen", "online"]).ended(0);
    let _ = be.call(&["hold", "held.example"]).ended(0);
    entente_tests::wait::until_so("all of it is pending", || be.status()["list"]["pending"] == 5);
    assert_eq!(targets(&list(be, &["--unit", "BE"])), ["domain:ours.example"]);
    assert_eq!(targets(&list(be, &["--unit", "FR"])), ["domain:theirs.example"]);
}

#[test]
fn a_watch_that_reads_slowly_is_told_everything_once() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    network.until_agreed(&["BE", "FR"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = Caller::officer(be).unit(&network, "BE").await.unwrap();
        let mut changes =
            client.watch(wire::WatchRequest { pending: true, from: Vec::new() }).await.unwrap().into_inner();
        // More than the node keeps for a slow reader, and more than the connection takes in unread.
        let lines: String = (0..30_000).map(|n| format!("site-{n}.example\n")).collect();
        let _ = be.call_with(&["import", "-", "--category", "incites"], lines.as_bytes()).ended(0);
        network.until_agreed(&["BE", "FR"]);
        fr.kill();
        be.refer("last.example", "durable");
        let (mut certified, mut pending) = (Vec::new(), BTreeSet::new());
        loop {
            let change = changes.message().await.unwrap().unwrap();
            let Some(id) = change.id else { continue };
            if change.certified {
                assert_eq!(id.unit, "BE");
                certified.push(id.index);
            } else {
                assert!(pending.insert(id.index), "{} is told twice", id.index);
                if change.target == "domain:last.example" {
                    break;
                }
            }
        }
        assert!(
            certified.iter().copied().eq(1..=30_000),
            "told {} in this order: {:?}",
            certified.len(),
            &certified[..9]
        );
    });
}

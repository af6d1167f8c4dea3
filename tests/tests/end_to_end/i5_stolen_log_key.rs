//! I5 and I4 where a machine was broken into: its certificate is revoked and its log key replaced by a charter. What the
//! thief signs with the old key from then on is refused, and what the unit had signed with it stays what it was.

use entente_proto::hash::Hash;
use entente_tests::caller::Caller;
use entente_tests::network::{Network, Node, log_of, run};
use entente_tests::partner::{Partner, signed};
use entente_tests::said::Said;
use entente_tests::wait::until_so;

use crate::PROGRAM;
use crate::charter_records::{compose, propose, sign, until_shown};
use crate::charters::until_taken_up;

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// Has a node write a receipt into a file, and gives its name.
fn receipt(network: &Network, node: &Node, id: &str) -> String {
    let name = network.directory().join(format!("{}.receipt", id.replace('/', "-"))).to_str().unwrap().to_owned();
    let _ = node.call(&["receipt", id, "--out", &name]).ended(0);
    name
}

/// Verifies as somebody who has no node, with these versions of the charter.
fn verify(file: &str, charter: &[&str]) -> Said {
    let versions = charter.iter().flat_map(|version| ["--charter", version]);
    run(PROGRAM, &["receipt", "verify", "--json", file].into_iter().chain(versions).collect::<Vec<_>>(), b"")
}

/// UK, whose node is down, tells NL that it holds this checkpoint of BE's log; gives what NL's log says of it.
async fn shown_to_nl(network: &Network, note: Vec<u8>) -> String {
    let nl = network.node("NL");
    let since = nl.log().len();
    let head = entente_proto::wire::Head { unit: "BE".to_owned(), newest: note, ..Default::default() };
    let mut stream = Partner::new(network, "UK").tell("NL", vec![head]).await;
    let _ = stream.closed().await;
    nl.until_logged(since, &["stream closed", "peer=UK"]);
    nl.logged(since, &["stream closed", "peer=UK"]).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn stolen_key_drill_what_the_old_log_key_signs_beyond_the_bridge_is_refused_and_earlier_receipts_hold() {
    let network = Network::running(PROGRAM, &UNITS);
    let [be, fr, nl, uk] = UNITS.map(|unit| network.node(unit));
    let before = be.refer("before.example", "certified");
    let before = before["id"].as_str().unwrap();
    network.until_agreed(&UNITS);
    let earlier = receipt(&network, fr, before);

    // The thief has the keys of the machine. The certificate goes at once, the log key by a charter.
    let (stolen, old_log_key) = (Caller::node(be).spki(), Partner::new(&network, "BE").log_key());
    let _ = be.call(&["cert", "renew", "node"]).ended(0);
    let revoke = ["cert", "revoke", "--spki", &stolen.to_string(), "--reason", "broken into", "--wait", "certified"];
    let _ = be.call(&revoke).ended(0);
    let _ = be.call(&["charter", "rotate-keys", "--log"]).ended(0);
    let id = propose(be, &compose(be, "next.note", &["--update", be.home.unit_description().to_str().unwrap()]));
    for unit in ["BE", "FR", "NL"] {
        until_shown(network.node(unit), &id, |_| true);
        let _ = sign(network.node(unit), &id);
    }
    until_taken_up(&network, &UNITS, 2);
    let after = be.refer("after.example", "certified");
    let after = after["id"].as_str().unwrap();
    network.until_agreed(&UNITS);
    let later = receipt(&network, fr, after);

    // Whoever passes on what the thief signs now is turned away, and says it of the next entries or of those that are there.
    uk.kill();
    let size = log_of(&nl.status(), "BE")["size"].as_u64().unwrap();
    for beyond in [size, size + 1, size + 1_000] {
        let said = shown_to_nl(&network, signed(beyond, Hash([7; 32]), &old_log_key)).await;
        assert!(said.contains("a head of BE does not verify"), "{beyond}: {said}");
    }
    let status = nl.status();
    let log = log_of(&status, "BE");
    assert!(log["forked"] == false && log["size"] == size && log["certified"] == size, "{log}");
    uk.start();
    uk.until_state("running");

    // With nothing but the charter: what was signed before holds under the version of its time, with or without the next.
    let (first, second) = (nl.home.charter(1), nl.home.charter(2));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let all = nl.home.charters();
    for versions in [&[first][..], &[first, second], &[all.to_str().unwrap()]] {
        let told = verify(&earlier, versions).ended(0).document();
        assert_eq!((&told["certified"], &told["charter"]["version"]), (&true.into(), &1.into()));
    }
    let told = verify(&later, &[first, second]).ended(0).document();
    assert_eq!((&told["certified"], &told["charter"]["version"]), (&true.into(), &2.into()));
    assert_eq!(verify(&later, &[first]).code, Some(4), "its key is in version 2 alone");
    assert_eq!(verify(&later, &[second]).code, Some(4), "version 2 counts under version 1 alone");

    // And BE goes on, also after a start.
    be.stop();
    be.start();
    until_so("BE runs with its new key", || be.try_status().is_some_and(|status| status["state"] == "running"));
    be.refer("later.example", "certified");
    network.until_agreed(&UNITS);
}

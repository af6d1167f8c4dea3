//! I5: a revoked certificate is cut off in the middle of a stream, everywhere, and does not come in again.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use entente_certs::identity::Role;
use entente_proto::hash::Hash;
use entente_proto::wire::StatusRequest;
use entente_tests::caller::{Caller, DAY_MS, authority, node_of, now_ms, valid_from};
use entente_tests::network::{Network, Node, certificate_of, log_of, peer_of};
use entente_tests::tcp::connections;
use entente_tests::wait::{until, until_so};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::PROGRAM;

/// How long a connection may outlive the record that revokes its key, once a node has it.
const CUT_WITHIN: Duration = Duration::from_secs(2);

fn revoke(node: &Node, spki: Hash, reason: &str) {
    let spki = spki.to_string();
    let answer = node.call(&["cert", "revoke", "--spki", &spki, "--reason", reason, "--wait", "certified"]);
    assert_eq!(answer.ended(0).document()["certified"], true);
}

/// When the first line of a node's log with these words was written.
fn logged_at(node: &Node, since: usize, words: &[&str]) -> OffsetDateTime {
    let line = until(&format!("{} has logged {words:?}", node.unit), || node.logged(since, words).into_iter().next());
    OffsetDateTime::parse(line.split_whitespace().next().unwrap(), &Rfc3339).unwrap()
}

/// Knocks at a node's peer listener: the reason in its log for which it does not let this one in.
#[track_caller]
fn refused(network: &Network, caller: &Caller, node: &Node, words: &str) {
    let since = node.log().len();
    // In TLS 1.3 a client is done before the server has looked at its certificate: the log says what became of it.
    let _ = caller.presented(network, node.unit.as_str(), &node.address);
    node.until_logged(since, &["turned away", words]);
}

#[test]
fn stolen_key_drill_a_revoked_node_certificate_is_cut_off_everywhere_and_stays_out() {
    let network = Network::found(PROGRAM, &["BE", "FR", "NL", "UK"]);
    network.nodes().iter().for_each(|node| node.configure("# level = \"info\"", "level = \"debug\""));
    network.start();
    let be = network.node("BE");
    let others = ["FR", "NL", "UK"];
    others.iter().for_each(|unit| network.node(unit).until_connected("BE"));
    // A thief copies the node's key, and holds a connection to each partner.
    let thief = Caller::node(be);
    let stolen = thief.spki();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held: Vec<_> = others
        .iter()
        .map(|unit| {
            let to = network.node(unit);
            runtime.block_on(thief.connect(&network, unit, &to.address)).unwrap()
        })
        .collect();

    let _ = be.call(&["cert", "renew", "node"]).ended(0);
    let renewed = Caller::node(be).spki();
    let own = Caller::node(network.node("FR"));
    until_so("BE has its new certificate", || {
        own.presented(&network, "BE", &be.address).is_ok_and(|key| key == renewed)
    });
    let since: Vec<usize> = others.iter().map(|unit| network.node(unit).log().len()).collect();
    revoke(be, stolen, "the machine was broken into");

    for (unit, since) in others.iter().zip(since) {
        let node = network.node(unit);
        let reached = logged_at(node, since, &["a unit has revoked certificates of its own", &stolen.to_string()]);
        let words = ["cut a connection", "the certificate of BE node is revoked by a record of its unit"];
        let cut = logged_at(node, since, &words);
        assert!(cut - reached < CUT_WITHIN, "{unit} took {}", cut - reached);
        // The thief's and the node's own, both of the old key.
        until_so(&format!("both connections are cut at {unit}"), || node.logged(since, &words).len() >= 2);
        refused(&network, &thief, node, "the certificate of BE node is revoked by a record of its unit");
        until_so(&format!("{unit} has BE back, by its new certificate"), || {
            certificate_of(&node.status(), "BE node", renewed).is_some()
        });
        assert!(certificate_of(&node.status(), "BE node", stolen).is_none());
    }
    drop(held);
    network.node("NL").refer("after.example", "certified");
    network.until_agreed(&["BE", "FR", "NL", "UK"]);

    // It is never undone: not by a restart either.
    let fr = network.node("FR");
    fr.stop();
    fr.start();
    fr.until_state("running");
    refused(&network, &thief, fr, "the certificate of BE node is revoked by a record of its unit");

    // A unit speaks for its own certificates alone: FR's word on BE's changes nothing.
    let nl = network.node("NL");
    until_so("BE and NL are connected", || certificate_of(&nl.status(), "BE node", renewed).is_some());
    let since = nl.log().len();
    revoke(fr, renewed, "a lie");
    nl.until_logged(since, &["a unit has revoked certificates of its own", "FR"]);
    network.until_agreed(&["BE", "FR", "NL", "UK"]);
    assert_eq!(nl.logged(since, &["cut a connection"]), [] as [String; 0]);
    assert!(certificate_of(&nl.status(), "BE node", renewed).is_some_and(|known| known["revoked"].is_null()));
}

#[test]
fn a_revoked_officer_is_cut_off_in_the_middle_of_a_watch() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let _ = be.call(&["cert", "issue", "--officer", "second"]).ended(0);
    let mut watching = be.begin(&["watch", "--as", "second"]);
    until_so("somebody watches", || connections(&be.api).len() == 1);

    let own = be.call(&["cert", "revoke", "officer", "--reason", "x"]).ended(1);
    assert!(own.err.contains("--as NAME"), "nobody saws off the branch: {own:?}");
    let _ = be.call(&["cert", "revoke", "second", "--reason", "left the unit"]).ended(0);
    let ended = until("the watch has ended", || watching.try_wait().unwrap());
    assert!(!ended.success());
    be.until_logged(0, &["cut a connection", "BE officer/second is revoked by a record of its unit"]);
    let said = be.call(&["status", "--as", "second"]).ended(1);
    assert!(said.err.contains("refused this side's certificate"), "{said:?}");
    let lines = be.call(&["cert", "list"]).ended(0).documents();
    let second = lines.iter().find(|line| line["holder"] == "officer/second").unwrap();
    assert_eq!(second["revoked"], "by a record of its unit");
    assert_eq!(be.status()["unit"], "BE");

    be.stop();
    let unreachable = be.call(&["cert", "revoke", "node", "--reason", "stolen"]).ended(3);
    assert!(unreachable.err.contains(be.home.deny().to_str().unwrap()), "{unreachable:?}");
    assert!(unreachable.err.contains(&Caller::node(be).spki().to_string()), "{unreachable:?}");
}

#[test]
fn a_line_in_the_deny_list_of_a_live_node_cuts_a_stream() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    fr.until_connected("BE");
    let key = Caller::node(be).spki();
    let words = ["cut a connection", "the certificate of BE node is revoked by this node's deny list"];
    let since = fr.log().len();
    let written = OffsetDateTime::now_utc();
    fs::write(fr.home.deny(), format!("# found on a stolen laptop\n{key}\n")).unwrap();
    let cut = logged_at(fr, since, &words);
    assert!(cut - written < CUT_WITHIN, "{}", cut - written);
    refused(&network, &Caller::node(be), fr, "revoked by this node's deny list");
    until_so("FR says why BE is not connected", || {
        let status = fr.status();
        let peer = peer_of(&status, "BE");
        peer["connected"] == false && peer["reason"].as_str().is_some_and(|why| why.contains("deny list"))
    });

    // What cannot be read changes nothing.
    fs::write(fr.home.deny(), "not a key\n").unwrap();
    until_so("status tells of it", || {
        fr.status()["warnings"].to_string().contains("The deny list before stays in force")
    });
    refused(&network, &Caller::node(be), fr, "revoked by this node's deny list");

    fs::remove_file(fr.home.deny()).unwrap();
    fr.until_connected("BE");
    network.until_agreed(&["BE", "FR"]);
}

#[test]
fn a_certificate_in_a_file_can_be_revoked_that_no_node_has_ever_seen() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let validity = valid_from(now_ms() + 10 * DAY_MS);
    let issued = authority(&network, "BE").issue(&node_of("BE"), &[], validity).unwrap();
    let path = network.directory().join("lost.pem");
    fs::write(&path, &issued.certificate_pem).unwrap();
    let file = path.to_str().unwrap();
    let _ = be.call(&["cert", "revoke", "--certificate", file, "--reason", "lost", "--wait", "certified"]).ended(0);
    fr.until_logged(0, &["a unit has revoked certificates of its own", &issued.spki.to_string()]);
    refused(&network, &Caller::issued(&issued), fr, "revoked by a record of its unit");
    let again = be.call(&["cert", "revoke", "--certificate", file, "--reason", "lost"]).ended(0).document();
    assert!(again["notices"].to_string().contains("revoked already"), "{again}");
}

#[test]
fn who_is_revoked_by_name_keeps_no_certificate_that_was_given_out() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let role = Role::Officer("second".into());
    let files = || Caller::files(&be.home.holder_certificate(&role), &be.home.holder_key(&role));
    let _ = be.call(&["cert", "issue", "--officer", "second"]).ended(0);
    let first = files();
    let _ = be.call(&["cert", "renew", "second"]).ended(0);
    let second = files();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let calls = |caller: &Caller| {
        runtime.block_on(async {
            let status = caller.unit(&network, "BE").await.ok()?.status(StatusRequest {}).await;
            status.ok()
        })
    };
    assert!([&first, &second].into_iter().all(|caller| calls(caller).is_some()), "the one before is good as well");
    let of_second = || {
        let lines = be.call(&["cert", "list"]).ended(0).documents();
        let of_second = lines.into_iter().filter(|line| line["holder"] == "officer/second");
        of_second.map(|line| (line["spki_sha256"].clone(), line["replaced"].clone(), line["revoked"].clone())).collect()
    };
    let (old, new) = (first.spki().to_string(), second.spki().to_string());
    let listed: Vec<_> = of_second();
    assert_eq!(listed, [(json!(new), json!(false), json!(null)), (json!(old), json!(true), json!(null))]);

    let revoked = be.call(&["cert", "revoke", "second", "--reason", "left the unit"]).ended(0);
    let keys: BTreeSet<String> = revoked.documents().iter().map(|one| one["input"].as_str().unwrap().into()).collect();
    assert_eq!(keys, BTreeSet::from([old.clone(), new.clone()]));
    for caller in [&first, &second] {
        until_so("it is out", || calls(caller).is_none());
    }
    let by = json!("by a record of its unit");
    until_so("both are listed as revoked", || {
        let listed: Vec<_> = of_second();
        listed == [(json!(new), json!(false), by.clone()), (json!(old), json!(true), by.clone())]
    });

    // Once more enters nothing.
    let size = log_of(&be.status(), "BE")["size"].clone();
    let again = be.call(&["cert", "revoke", "second", "--reason", "left the unit"]).ended(0).documents();
    assert!(again.iter().all(|one| one["id"].is_null() && one["notices"].to_string().contains("revoked already")));
    assert_eq!((again.len(), &log_of(&be.status(), "BE")["size"]), (2, &size));

    // Whoever gets a certificate again is told what became of the one before.
    let renewed = be.call(&["cert", "renew", "second"]).ended(0).document();
    assert_eq!(renewed["before"]["revoked"], by);
    // Of another the files went to another machine.
    let _ = be.call(&["cert", "issue", "--officer", "third"]).ended(0);
    let role = Role::Officer("third".into());
    for file in [be.home.holder_certificate(&role), be.home.holder_key(&role)] {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(be.call(&["cert", "revoke", "third", "--reason", "left"]).ended(0).documents().len(), 1);
    for verb in [&["cert", "revoke", "officer/ghost", "--reason", "x"][..], &["cert", "renew", "officer/ghost"]] {
        be.call(verb).ended(1).says(&["no certificate of officer/ghost", "cert list"]);
    }
}

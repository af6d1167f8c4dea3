//! I5: certificates are renewed while the node runs and its connections stand, and nobody is surprised by their end.

use std::fs;

use entente_proto::hash::Hash;
use entente_tests::caller::{Caller, authority, node_of, now_ms, valid_from};
use entente_tests::network::{Network, Node, certificate_of, peer_of};
use entente_tests::tcp::connections;
use entente_tests::wait::until_so;
use rustix::process::Signal;

use crate::PROGRAM;

/// The public key that a handshake with this node's peer listener shows to a partner.
fn presented(network: &Network, of: &Node, to: &str) -> Hash {
    Caller::node(network.node(to)).presented(network, of.unit.as_str(), &of.address).unwrap()
}

fn on_disk(node: &Node) -> Hash {
    Caller::node(node).spki()
}

/// The connections between two nodes, whoever dialled.
fn between(one: &Node, other: &Node) -> usize {
    connections(&one.address).len() + connections(&other.address).len()
}

#[test]
fn a_renewed_certificate_is_used_by_new_connections_while_the_others_stand() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    be.until_connected("FR");
    fr.until_connected("BE");
    // Both may have dialled at the start; one connection stays.
    until_so("one connection stands", || between(be, fr) == 1);
    let standing = [connections(&be.address), connections(&fr.address)];
    let before = on_disk(be);
    assert_eq!(presented(&network, be, "FR"), before);

    let renewed = be.call(&["cert", "renew", "node", "--days", "20"]).ended(0).document();
    let after = on_disk(be);
    assert_eq!(renewed["spki_sha256"], after.to_string());
    assert_eq!(renewed["before"]["spki_sha256"], before.to_string());
    until_so("new connections see the new certificate", || presented(&network, be, "FR") == after);

    let id = fr.refer("renewed.example", "certified")["id"].clone();
    be.until_status_of("renewed.example", "listed");
    assert!(!id.is_null());
    assert_eq!([connections(&be.address), connections(&fr.address)], standing, "the very same connection");
    assert!(certificate_of(&fr.status(), "BE node", before).is_some(), "under the certificate that it began with");

    // A partner that renews stays admitted: a new connection is under the new certificate.
    fr.stop();
    fr.start();
    fr.until_connected("BE");
    let status = fr.status();
    let known = certificate_of(&status, "BE node", after).expect("the partner has the new certificate");
    let warning = known["warning"].as_str().unwrap();
    assert!(warning.contains("expires in") && warning.contains("tell the operators of BE"), "{warning}");
    assert!(status["warnings"].as_array().unwrap().contains(&known["warning"]), "{status}");
    fr.until_logged(0, &["WARN", "the certificate of BE node expires in"]);
    be.until_logged(0, &["WARN", "the certificate of BE node expires in", "entente cert renew node"]);
    network.until_agreed(&["BE", "FR"]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_and_the_one_before_stays_in_force() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    be.until_connected("FR");
    let (path, key_path) = (be.home.node_certificate(), be.home.node_key());
    let (good, good_key) = (fs::read_to_string(&path).unwrap(), fs::read_to_string(&key_path).unwrap());
    let before = on_disk(be);
    let warns = |words: &str| {
        let status = be.status();
        status["warnings"].as_array().unwrap().iter().any(|warning| {
            let warning = warning.as_str().unwrap();
            warning.contains(words) && warning.contains("stays in force")
        })
    };
    let forged = authority(&network, "FR").forge(&node_of("BE"), valid_from(now_ms())).unwrap();
    let other = authority(&network, "BE").issue(&node_of("BE"), &[], valid_from(now_ms())).unwrap();
    let past = authority(&network, "BE").issue(&node_of("BE"), &[], valid_from(now_ms() - 10 * 86_400_000)).unwrap();
    let of_fr = Caller::node(fr);
    let fr_pem = fs::read_to_string(fr.home.node_certificate()).unwrap();
    let fr_key = fs::read_to_string(fr.home.node_key()).unwrap();
    assert_ne!(of_fr.spki(), before);
    for (certificate, key, words) in [
        ("no certificate", &*good_key, "is not PEM"),
        (&*other.certificate_pem, &*good_key, "cannot be used together"),
        (&*forged.certificate_pem, &*forged.key_pem, "was not made by the authority"),
        (&*past.certificate_pem, &*past.key_pem, "expired at"),
        (&*fr_pem, &*fr_key, "not of this unit's node"),
    ] {
        let since = be.log().len();
        fs::write(&key_path, key).unwrap();
        fs::write(&path, certificate).unwrap();
        until_so(&format!("status tells: {words}"), || warns(words));
        be.until_logged(since, &["ERROR", words, "stays in force"]);
        assert_eq!(presented(&network, be, "FR"), before, "{words}");
    }
    fs::write(&key_path, good_key).unwrap();
    fs::write(&path, good).unwrap();
    until_so("nothing is wrong any more", || !warns(""));
    assert_eq!(presented(&network, be, "FR"), before);
    assert_eq!(peer_of(&be.status(), "FR")["connected"], true);

    // A hangup would end a process that does not listen to it.
    let since = be.log().len();
    be.signal(Signal::HUP);
    be.until_logged(since, &["told to read the certificates and the deny list again"]);
    assert_eq!(be.status()["unit"], "BE");
}

#[test]
fn certificates_of_the_units_people_are_warned_of_before_they_end() {
    let network = Network::running(PROGRAM, &["BE"]);
    let be = network.node("BE");
    for args in [["--officer", "soon"], ["--operator", "later"], ["--auditor", "soon"]] {
        let days = if args[1] == "soon" { "10" } else { "31" };
        let _ = be.call(&[&["cert", "issue"][..], &args, &["--days", days]].concat()).ended(0);
    }
    let lines = be.call(&["cert", "list"]).ended(0).documents();
    let listed = |holder: &str| lines.iter().find(|line| line["holder"] == holder).unwrap().clone();
    let remedy = "entente cert renew officer/soon";
    for (holder, warned) in [("officer/soon", true), ("auditor/soon", true), ("operator/later", false), ("node", false)]
    {
        assert_eq!(listed(holder)["warning"].is_string(), warned, "{lines:?}");
    }
    assert!(listed("officer/soon")["warning"].as_str().unwrap().contains(remedy));
    be.until_logged(0, &["WARN", "the certificate of BE officer/soon expires in", remedy]);
    be.until_logged(0, &["WARN", "the certificate of BE auditor/soon expires in"]);
    let status = be.status();
    let known = status["certificates"].as_array().unwrap();
    let of = |holder: &str| known.iter().find(|known| known["holder"] == holder).unwrap();
    for (holder, warned) in
        [("BE node", false), ("BE authority", false), ("BE officer/officer", false), ("BE officer/soon", true)]
    {
        assert_eq!(of(holder)["warning"].is_string(), warned, "{status}");
        assert!(of(holder)["expires"].is_string());
    }
    assert_eq!(be.logged(0, &["the certificate of BE officer/soon expires in"]).len(), 1, "once a day");
}

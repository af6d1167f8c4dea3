//! I6 on reading: an entry that rotted on the disk is fetched again before anybody sees it; where that cannot be, all is
//! rebuilt, and nothing that was submitted is lost.

use entente_tests::network::{Network, Node, log_of};
use entente_tests::remains::{logs, spoil_file, spoil_stored};
use entente_tests::wait::until;
use serde_json::Value;

use crate::PROGRAM;
use crate::i6_recovery::refer_many;

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];
const FETCHED: [&str; 1] = ["fetched again from partners and is stored"];

#[test]
fn a_rotten_entry_of_any_log_is_fetched_again_and_no_reader_sees_it() {
    let network = Network::running(PROGRAM, &FOUR);
    let (uk, be) = (network.node("UK"), network.node("BE"));
    refer_many(uk, "many", 900);
    refer_many(be, "few", 3);
    let digest = network.until_agreed(&FOUR);
    let right = network.node("FR").call(&["show", "UK/100"]).ended(0).document()["row"].clone();
    assert!(right["target"].as_str().is_some(), "{right}");
    for node in [uk, be] {
        node.stop();
    }
    let logs_before = logs(&network, be);
    // Another's log and the own one; two bundles.
    for (node, index) in [(be, 100), (be, 600), (uk, 300)] {
        spoil_stored(node, "UK", index);
    }
    for node in [uk, be] {
        let since = node.log().len();
        node.start();
        // Until the list is folded so far, a record is shown without its target's row.
        let shown = until("it is on the list", || {
            let said = node.call(&["show", "UK/100"]);
            let row = (said.code == Some(0)).then(|| said.document()["row"].clone());
            row.filter(|row| !row.is_null())
        });
        assert_eq!(shown, right);
        assert_eq!(node.logged(since, &["begins anew"]), Vec::<String>::new(), "nothing more than that was fetched");
        assert_eq!(node.logged(since, &["is rebuilt"]), Vec::<String>::new());
        node.until_logged(since, &FETCHED);
        node.until_logged(since, &["cannot be read as it was written", "UK"]);
    }
    assert_eq!(network.until_agreed(&FOUR), digest);
    let list = be.call(&["list"]).ended(0).out;
    assert_eq!(list, network.node("FR").call(&["list"]).ended(0).out);
    let _ = be.call(&["receipt", "UK/600", "--out", network.directory().join("receipt").to_str().unwrap()]).ended(0);
    // Every entry is read back and checked by these.
    let _ = be.operate(&["backup", network.directory().join("copy").to_str().unwrap()]).ended(0);
    let _ = uk.call(&["scrub"]).ended(0);
    assert_eq!(uk.refer("after.example", "certified")["id"], "UK/901");
    network.until_agreed(&FOUR);
    be.stop();
    let mut logs_now = logs(&network, be);
    let uks = logs_now.values_mut().last().unwrap();
    assert!(uks.pop().unwrap().payload().is_some());
    assert!(logs_now == logs_before, "the same bytes as before");
}

#[test]
fn a_backup_meets_what_nobody_had_read_and_is_whole_all_the_same() {
    let network = Network::running(PROGRAM, &FOUR);
    let uk = network.node("UK");
    refer_many(uk, "many", 300);
    network.until_agreed(&FOUR);
    uk.stop();
    spoil_stored(uk, "UK", 20);
    let since = uk.log().len();
    uk.start();
    uk.until_state("running");
    let at = network.directory().join("copy");
    let _ = uk.operate(&["backup", at.to_str().unwrap()]).ended(0);
    uk.until_logged(since, &FETCHED);
    assert!(at.join("manifest").exists());
}

#[test]
fn damage_found_by_a_running_node_that_no_partner_can_mend_is_rebuilt_and_the_outbox_is_kept() {
    let network = Network::running(PROGRAM, &FOUR);
    let uk = network.node("UK");
    for round in 0..2 {
        refer_many(uk, &format!("many{round}-"), 900);
    }
    network.until_agreed(&FOUR);
    network.nodes().iter().for_each(Node::stop);
    uk.start();
    uk.until_state("waiting");
    let kept = uk.refer("kept.example", "durable");
    assert_eq!((&kept["id"], &kept["durable"]), (&Value::Null, &true.into()), "{kept}");
    let since = uk.log().len();
    spoil_file(uk);
    // A backup reads everything, also what nobody has since the start.
    let said = uk.operate(&["backup", network.directory().join("copy").to_str().unwrap()]);
    assert_ne!(said.code, Some(0), "{said:?}");
    uk.until_logged(since, &["begins anew"]);
    uk.until_logged(since, &["is rebuilt from the journal and from partners"]);
    uk.until_state("waiting");
    assert_eq!(uk.status()["outbox"], 1);
    let also = uk.refer("also.example", "durable");
    assert_eq!(also["durable"], true, "{also}");

    for unit in ["BE", "FR", "NL"] {
        network.node(unit).start();
    }
    uk.until_state("running");
    network.node("BE").until_status_of("also.example", "listed");
    network.until_agreed(&FOUR);
    network.node("BE").until_status_of("kept.example", "listed");
    assert_eq!(log_of(&uk.status(), "UK")["certified"], 1_803);
    let _ = uk.operate(&["backup", network.directory().join("again").to_str().unwrap()]).ended(0);
}

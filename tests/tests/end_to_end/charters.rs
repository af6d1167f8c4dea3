//! I1 and I6 over a network's life: units join and leave, addresses and keys change, and whoever does not change goes on
//! running.

use std::path::{Path, PathBuf};

use entente_node::membership::{OwnKeys, load_charters};
use entente_proto::charter::Changes;
use entente_tests::network::{Network, Node, log_of};
use entente_tests::wait::until_so;

use crate::PROGRAM;

const THREE: [&str; 3] = ["BE", "FR", "NL"];

/// Composes the version that follows that of a unit's home directory.
fn compose(network: &Network, from: &str, version: u32, args: &[&str]) -> PathBuf {
    let out = network.directory().join(format!("{version}.note"));
    let node = network.node(from);
    let fixed = ["charter", "new", "--from", node.directory().to_str().unwrap(), "--out", out.to_str().unwrap()];
    let _ = node.call(&[&fixed[..], args].concat()).ended(0);
    out
}

fn sign(network: &Network, file: &Path, units: &[&str]) {
    for unit in units {
        let _ = network.node(unit).call(&["charter", "sign", file.to_str().unwrap()]).ended(0);
    }
}

/// A running node takes a version up and passes it on, until these nodes have it and their logs are in it.
fn adopt(network: &Network, file: &Path, at: &str, units: &[&str], version: u64) {
    let _ = network.node(at).call(&["charter", "adopt", file.to_str().unwrap()]).ended(0);
    until_taken_up(network, units, version);
}

pub(crate) fn until_taken_up(network: &Network, units: &[&str], version: u64) {
    for unit in units {
        let node = network.node(unit);
        until_so(&format!("{unit} has version {version} and every log has turned to it"), || {
            assert!(node.is_alive(), "{}", node.log());
            node.try_status().is_some_and(|status| {
                let of = |unit: &&str| log_of(&status, unit)["charter"] == version;
                status["charter"]["version"] == version && units.iter().all(of)
            })
        });
    }
}

fn unit_toml(node: &Node) -> String {
    node.home.unit_description().display().to_string()
}

#[test]
fn charter_drill_a_unit_joins_a_running_network_and_another_leaves_it() {
    let mut network = Network::running(PROGRAM, &THREE);
    for unit in THREE {
        network.node(unit).refer(&format!("{}.example", unit.to_lowercase()), "certified");
    }
    let _ = network.node("NL").call(&["hold", "held.example", "--until", "2099-01-01", "--contact", "nl"]);
    network.init(PROGRAM, "UK");
    let (first, uk) = (network.node("BE").home.charter(1), network.node("UK"));
    let second = compose(&network, "BE", 2, &["--add", &unit_toml(uk)]);
    // Before anyone signs, everybody sees who would agree.
    let file = second.to_str().unwrap();
    let proposed = network.node("BE").call(&["charter", "propose", file, "--wait", "certified"]).ended(0).document();
    let _ = network.node("FR").call(&["charter", "approve", file, "--wait", "certified"]).ended(0);
    let id = proposed["id"].as_str().unwrap();
    until_so("NL sees the proposal", || network.node("NL").call(&["show", id]).code == Some(0));
    let shown = network.node("NL").call(&["show", id]).ended(0).out;
    assert!(shown.contains("version = 2"), "{shown}");
    sign(&network, &second, &["BE", "FR", "NL", "UK"]);
    let _ = uk.call(&["charter", "adopt", first.to_str().unwrap(), second.to_str().unwrap()]).ended(0);
    let _ = network.node("FR").call(&["charter", "adopt", second.to_str().unwrap()]).ended(0);
    uk.start();
    uk.until_state("running");
    let four = ["BE", "FR", "NL", "UK"];
    until_taken_up(&network, &four, 2);
    for unit in four {
        network.node(unit).refer(&format!("{}-2.example", unit.to_lowercase()), "certified");
    }
    network.until_agreed(&four);

    let third = compose(&network, "UK", 3, &["--remove", "NL"]);
    // Three of four are more than two thirds.
    sign(&network, &third, &["BE", "FR", "UK"]);
    let rest = ["BE", "FR", "UK"];
    adopt(&network, &third, "UK", &rest, 3);
    for unit in rest {
        network.node(unit).refer(&format!("{}-3.example", unit.to_lowercase()), "certified");
        let node = network.node(unit);
        until_so("nobody is connected to NL", || {
            node.status()["peers"].as_array().unwrap().iter().all(|peer| peer["unit"] != "NL")
        });
        // What NL said stays.
        node.until_status_of("nl-2.example", "listed");
    }
    network.until_agreed(&rest);
}

#[test]
fn charter_drill_keys_authority_and_addresses_change_while_all_go_on() {
    let network = Network::running(PROGRAM, &THREE);
    for unit in THREE {
        network.node(unit).refer(&format!("{}.example", unit.to_lowercase()), "certified");
    }
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let _ = be.call(&["charter", "rotate-keys", "--charter", "--log", "--mirror"]).ended(0);
    let _ = fr.call(&["cert", "renew", "--ca"]).ended(0);
    let moved = nl.address.replace(":7443", ":7555");
    let second = compose(
        &network,
        "NL",
        2,
        &["--update", &unit_toml(be), "--update", &unit_toml(fr), "--address", &format!("NL={moved}")],
    );
    sign(&network, &second, &THREE);
    adopt(&network, &second, "NL", &THREE, 2);
    // FR's certificates come from the new authority.
    let _ = fr.call(&["cert", "renew", "--ca"]).ended(0);
    let _ = fr.call(&["cert", "renew", "node"]).ended(0);
    // NL moves.
    nl.stop();
    nl.configure(&nl.address, &moved);
    nl.start();
    nl.until_state("running");
    for unit in THREE {
        network.node(unit).refer(&format!("{}-2.example", unit.to_lowercase()), "certified");
    }
    network.until_agreed(&THREE);
    // After a start the node takes the keys that the charter names.
    be.stop();
    be.start();
    be.until_state("running");
    be.refer("be-3.example", "certified");
    network.until_agreed(&THREE);
}

#[test]
fn charter_drill_a_node_that_was_down_catches_up_through_two_versions() {
    let four = ["BE", "FR", "NL", "UK"];
    let network = Network::running(PROGRAM, &four);
    for unit in four {
        network.node(unit).refer(&format!("{}.example", unit.to_lowercase()), "certified");
    }
    let uk = network.node("UK");
    uk.stop();
    let rest = ["BE", "FR", "NL"];
    for version in [2, 3] {
        let be = network.node("BE");
        let _ = be.call(&["charter", "rotate-keys", "--log", "--mirror"]).ended(0);
        let file = compose(&network, "BE", version, &["--update", &unit_toml(be)]);
        sign(&network, &file, &rest);
        adopt(&network, &file, "FR", &rest, version.into());
        be.refer(&format!("be-{version}.example"), "certified");
    }
    uk.start();
    uk.until_state("running");
    until_taken_up(&network, &four, 3);
    uk.refer("uk-2.example", "certified");
    network.until_agreed(&four);
}

/// A next version with these changes, signed by these units, whatever they have signed before: as with charter keys that are
/// kept on other machines.
fn signed_elsewhere(network: &Network, name: &str, changes: &Changes, units: &[&str]) -> PathBuf {
    let mut draft = load_charters(&network.nodes()[0].home).unwrap().compose_next(changes).unwrap();
    for unit in units {
        let node = network.node(unit);
        for signer in OwnKeys::load(&node.home, network.name(), &node.unit).unwrap().into_signers() {
            if draft.is_due(signer.key()) {
                draft.sign(&[&*signer], 1).unwrap();
            }
        }
    }
    let path = network.directory().join(name);
    std::fs::write(&path, draft.to_bytes()).unwrap();
    path
}

#[test]
fn charter_drill_two_texts_of_one_version_are_shown_to_both_sides_which_name_who_signed_both() {
    let four = ["BE", "FR", "NL", "UK"];
    let network = Network::found(PROGRAM, &four);
    let remove = Changes { remove: [network.node("UK").unit.clone()].into(), ..Changes::default() };
    let raise = Changes { quorum: Some(Some(3)), ..Changes::default() };
    let one = signed_elsewhere(&network, "one.note", &remove, &["BE", "FR", "NL"]);
    let other = signed_elsewhere(&network, "other.note", &raise, &["BE", "NL", "UK"]);
    for (unit, file) in [("BE", &one), ("FR", &one), ("NL", &other), ("UK", &other)] {
        let _ = network.node(unit).call(&["charter", "adopt", file.to_str().unwrap()]).ended(0);
    }
    network.nodes().iter().for_each(Node::start);
    let warned = |node: &Node| {
        let status = node.try_status()?;
        let warnings = status["warnings"].as_array().unwrap().iter().filter_map(|warning| warning.as_str());
        warnings.map(str::to_owned).find(|warning| warning.starts_with("CHARTER:"))
    };
    // Whoever may connect: UK is no unit by the text that BE and FR hold.
    for unit in ["BE", "FR", "NL"] {
        let node = network.node(unit);
        let warning = entente_tests::wait::until(&format!("{unit} tells of the other text"), || warned(node));
        assert!(warning.contains("BE NL signed both") && warning.contains("enough units signed it"), "{warning}");
        node.until_logged(0, &["kept as evidence", "another text of version 2"]);
        let kept = std::fs::read_dir(node.home.charter_evidence()).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<Vec<u8>> = kept.map(|path| std::fs::read(path).unwrap()).collect();
        let theirs = if unit == "NL" { &one } else { &other };
        assert_eq!(kept, [std::fs::read(theirs).unwrap()]);
        assert_eq!(node.status()["charter"]["version"], 2);
    }
    // It is not forgotten, and said again without hearing of it again.
    network.nodes().iter().for_each(Node::stop);
    let be = network.node("BE");
    be.start();
    assert!(entente_tests::wait::until("BE remembers", || warned(be)).contains("BE NL signed both"));
}

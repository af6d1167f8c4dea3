//! What is published stays: it never shrinks, and never says anything else, whatever happened to the node or to the place.

use std::fs;
use std::path::Path;

use entente_certs::signer::KeyFileSigner;
use entente_proto::audit::{Manifest, Part, part, tile};
use entente_proto::hash::Hash;
use entente_proto::note::Signer as _;
use entente_tests::bucket::{Bucket, KEY, NAME};
use entente_tests::network::{Network, Node, run};
use entente_tests::remains::{copy_directory, put_back};
use entente_tests::wait::until_so;

use crate::PROGRAM;
use crate::publish::{TARGET, UNITS, audit, beside, files, import, publish, publishing, publishing_to, whole};
use crate::witness::{asking, log_key, until_witnessed, witnessing};

/// Waits until the node says why it does not publish.
fn until_told(node: &Node, words: &str) {
    until_so(words, || {
        let status = node.try_status();
        status.is_some_and(|status| status["published"]["error"].as_str().is_some_and(|error| error.contains(words)))
    });
}

#[test]
fn a_node_that_waits_for_its_partners_publishes_nothing_and_takes_nothing_back() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "");
    let (be, fr) = (network.node("BE"), network.node("FR"));
    import(be, 0..300);
    network.until_agreed(&UNITS);
    publish(be);
    let before = files(Path::new(&to));
    be.stop();
    fr.stop();
    fs::remove_dir_all(be.home.data()).unwrap();
    be.start();
    be.until_state("waiting");
    until_told(be, "does not sign");
    be.operate(&["audit", "publish"]).ended(1).says(&["does not sign", "waits"]);
    assert_eq!(files(Path::new(&to)), before);
    // It recovers what it held, and goes on by itself.
    fr.start();
    be.until_state("running");
    be.refer(&format!("{TARGET}-more.example"), "certified");
    until_so("it publishes again", || {
        let status = be.status();
        status["published"]["error"].is_null() && status["published"]["at"].is_string()
    });
    publish(be);
    assert_eq!(whole(&to, &beside(&network, "fetched"), None), 302);
}

#[test]
fn a_node_that_was_rolled_back_unnoticed_writes_nothing_over_what_is_published() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    // Alone, so that nobody tells it what it signed.
    let network = Network::found(PROGRAM, &["BE"]);
    let be = network.node("BE");
    be.configure("[publish]\n", &format!("[publish]\nto = \"{to}\"\nevery_s = 86400\n"));
    network.start();
    import(be, 0..20);
    be.stop();
    let copy = network.directory().join("copy");
    copy_directory(be.directory(), &copy);
    be.start();
    be.until_state("running");
    import(be, 20..60);
    publish(be);
    let exported = beside(&network, "exported");
    let _ = be.call(&["audit", "export", &exported]).ended(0);
    let [before, taken_out] = [&to, &exported].map(|directory| files(Path::new(directory)));
    be.stop();
    put_back(&copy, be.directory());
    be.start();
    be.until_state("running");
    be.operate(&["audit", "publish"]).ended(1).says(&["nothing is written over", "61 records of the log of BE"]);
    until_told(be, "61 records of the log of BE");
    be.call(&["audit", "export", &exported]).ended(4).says(&["SHRANK from 61 records to 21"]);
    // Nor when it has as many again, which are others.
    import(be, 100..200);
    be.operate(&["audit", "publish"]).ended(1).says(&["nothing is written over", "61 records of the log of BE"]);
    be.call(&["audit", "export", &exported]).ended(4).says(&["of its first 61 records", "exported.incoming"]);
    assert_eq!([&to, &exported].map(|directory| files(Path::new(directory))), [before, taken_out.clone()]);
    // Both are evidence: each verifies, and together they prove what happened.
    let incoming = beside(&network, ".exported.incoming");
    let compared = audit(&["compare", &exported, &incoming], None).ended(4);
    compared.says(&["BE"]);
    assert_eq!(compared.document()["agree"], false);

    // The way out is a charter that says from where the log goes on, with another key.
    let _ = be.call(&["charter", "rotate-keys", "--log"]).ended(0);
    let (from, next) = (be.directory().to_str().unwrap(), beside(&network, "next.note"));
    let described = be.home.unit_description();
    let changes = ["--update", described.to_str().unwrap(), "--base", "BE"];
    let compose = [&["charter", "new", "--from", from, "--out", &next][..], &changes].concat();
    let _ = run(PROGRAM, &compose, b"").ended(0);
    let _ = be.call(&["charter", "sign", &next]).ended(0);
    let _ = be.call(&["charter", "adopt", &next]).ended(0);
    until_so("the log goes on with its new key", || {
        let status = be.try_status();
        status.is_some_and(|status| {
            status["charter"]["version"] == 2 && status["logs"][0]["certified"].as_u64() > Some(121)
        })
    });
    publish(be);
    assert!(whole(&to, &beside(&network, "anew"), None) > 121);
    // What was published once is not taken from whoever holds it.
    be.call(&["audit", "export", &exported]).ended(4).says(&["of its first 61 records", "into another directory"]);
    assert_eq!(files(Path::new(&exported)), taken_out);
}

#[test]
fn a_place_that_changes_hands_while_a_node_runs_is_not_written_to() {
    let place = tempfile::tempdir().unwrap();
    let [to, other] = ["be", "fr"].map(|name| place.path().join(name).to_str().unwrap().to_owned());
    let network = Network::found(PROGRAM, &UNITS);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    be.configure("[publish]\n", &format!("[publish]\nto = \"{to}\"\nevery_s = 1\n"));
    fr.configure("[publish]\n", &format!("[publish]\nto = \"{other}\"\nevery_s = 86400\n"));
    network.start();
    network.until_agreed(&UNITS);
    publish(be);
    publish(fr);
    // In one step: BE's node, which looks each second, finds the one or the other.
    let kept = place.path().join("kept");
    copy_directory(Path::new(&other), &kept);
    fs::rename(&to, place.path().join("before")).unwrap();
    fs::rename(&kept, &to).unwrap();
    let before = files(Path::new(&to));
    be.refer(&format!("{TARGET}-more.example"), "certified");
    until_told(be, "not this node's");
    assert_eq!(files(Path::new(&to)), before);
}

#[test]
fn two_nodes_of_one_unit_that_publish_to_one_bucket_are_told_of_each_other() {
    let bucket = Bucket::open();
    let network = publishing_to(&bucket, "every_s = 86400", KEY);
    let be = network.node("BE");
    network.until_agreed(&UNITS);
    publish(be);
    let before = bucket.objects();
    bucket.change_once("be/manifest", before["be/logs/BE/checkpoint"].clone());
    be.refer(&format!("{TARGET}-more.example"), "certified");
    be.operate(&["audit", "publish"]).ended(1).says(&["was changed by somebody else"]);
    assert_eq!(bucket.objects()["be/manifest"], before["be/logs/BE/checkpoint"], "nothing is written over it");
    bucket.restore(before);
    // Storage that knows no such conditions is written to all the same.
    bucket.set_conditional(false);
    publish(be);
    assert_eq!(whole(&format!("s3://{NAME}/be"), &beside(&network, "fetched"), Some(&bucket)), 2);
}

#[test]
fn a_bundle_of_another_branch_is_not_taken_for_the_logs_because_it_has_its_name() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "");
    let be = network.node("BE");
    import(be, 0..300);
    network.until_agreed(&UNITS);
    publish(be);
    // As it was published before a charter cut the log back: bundle 0, and the hash over it, are those of other entries.
    let (path, unit) = (|path: &str| Path::new(&to).join(path), be.unit.clone());
    let note = fs::read(path("manifest")).unwrap();
    let mut manifest = Manifest::read(&note).unwrap().0;
    let hashes = (part(&unit, Part::Hashes, 0, 256), vec![7; 256 * 32]);
    let above = (tile(&unit, 1, 0, 1), entente_proto::tree::level1(&[Hash([7; 32]); 256]).unwrap().0.to_vec());
    let good = [&hashes, &above].map(|(name, _)| fs::read(path(name)).unwrap());
    for (name, bytes) in [&hashes, &above] {
        fs::write(path(name), bytes).unwrap();
        manifest.add(name.clone(), Hash::of(bytes));
    }
    let signer = KeyFileSigner::load(&be.home.mirror_key()).unwrap();
    fs::write(path("manifest"), manifest.sign(1, &signer).unwrap()).unwrap();
    publish(be);
    assert_eq!([&hashes, &above].map(|(name, _)| fs::read(path(name)).unwrap()), good);
    assert_eq!(whole(&to, &beside(&network, "fetched"), None), 301);
}

#[test]
fn what_a_witness_says_is_published_though_the_log_does_not_grow_and_an_auditor_demands_it() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let (ours, theirs) = (Network::found(PROGRAM, &["BE"]), Network::found(PROGRAM, &["UK"]));
    let (author, witness) = (ours.node("BE"), theirs.node("UK"));
    author.configure("[publish]\n", &format!("[publish]\nto = \"{to}\"\nevery_s = 1\n"));
    let (listen, vkey) = witnessing(witness, &[log_key(author).key().to_string()]);
    asking(author, &[(format!("http://{listen}/"), vkey.to_string(), "")]);
    ours.start();
    author.refer(&format!("{TARGET}-1.example"), "certified");
    let size = author.status()["logs"][0]["certified"].as_u64().unwrap();
    publish(author);
    assert!(!Path::new(&to).join("logs/BE/witnessed").exists());
    // It comes late, to a log that stands still.
    theirs.start();
    until_witnessed(author, &vkey, size);
    let fetched = beside(&ours, "fetched");
    until_so("its word is published", || {
        let said = audit(&["fetch", &fetched, "--from", &to], None);
        said.code == Some(0) && Path::new(&fetched).join("logs/BE/witnessed").exists()
    });
    assert_eq!(author.status()["logs"][0]["certified"], size);
    let verify = |key: &str| audit(&["verify", &fetched, "--withheld", "--witness", key], None);
    let found = verify(&vkey.to_string()).ended(0).document();
    let word = &found["logs"][0]["witnesses"][0];
    assert_eq!((&word["vkey"], &word["size"]), (&vkey.to_string().into(), &size.into()), "{found}");
    let other = KeyFileSigner::load(&author.home.mirror_key()).unwrap();
    verify(&other.key().to_string()).ended(4).says(&["has cosigned no checkpoint"]);
}

//! Whoever holds evidence does not lose it by fetching more: whatever is published or comes over the way, and into whatever
//! directory it is called.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entente_certs::signer::KeyFileSigner;
use entente_proto::audit::Manifest;
use entente_proto::hash::Hash;
use entente_tests::http::{serve, whole as answer};
use entente_tests::network::Network;
use entente_tests::remains::{copy_directory, flip};
use tempfile::TempDir;

use crate::publish::{UNITS, audit, beside, files, import, publish, publishing, whole};

/// A network of which BE publishes to a place of this name in a directory of its own.
fn published(records: u32) -> (Network, TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("be").to_str().unwrap().to_owned();
    let network = publishing(&to, "");
    import(network.node("BE"), 0..records);
    network.until_agreed(&UNITS);
    publish(network.node("BE"));
    (network, place, to)
}

/// Fetches, and says how that ended; the directory must be what it was.
#[track_caller]
fn refused(args: &[&str], directory: &str, code: i32, words: &[&str]) {
    let before = files(Path::new(directory));
    audit(&[&["fetch", directory], args].concat(), None).ended(code).says(words);
    assert_eq!(files(Path::new(directory)), before, "{directory} is as it was");
}

fn charter(network: &Network) -> String {
    let path = beside(network, "handed-out.note");
    fs::write(&path, network.charter().note()).unwrap();
    path
}

#[test]
fn nothing_is_replaced_but_an_export_of_the_same_unit_that_shows_no_more() {
    let (network, _place, to) = published(20);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let from = ["--from", &to];
    // A backup has a manifest too.
    let backup = beside(&network, "backup");
    let _ = be.operate(&["backup", &backup]).ended(0);
    refused(&from, &backup, 1, &["no export"]);
    let before = files(Path::new(&backup));
    be.call(&["audit", "export", &backup]).ended(1).says(&["no export"]);
    assert_eq!(files(Path::new(&backup)), before);
    let own = beside(&network, "own");
    fs::create_dir(&own).unwrap();
    fs::write(Path::new(&own).join("manifest"), "what we want\n").unwrap();
    refused(&from, &own, 1, &["no export"]);

    let [whole_one, theirs, noted] = ["whole", "theirs", "noted"].map(|name| beside(&network, name));
    let _ = be.call(&["audit", "export", &whole_one]).ended(0);
    let _ = fr.call(&["audit", "export", &theirs]).ended(0);
    refused(&from, &whole_one, 1, &["withholds", "another directory"]);
    refused(&from, &theirs, 1, &["takedown.example/FR", "takedown.example/BE", "another directory"]);
    // Notes that an auditor made beside the evidence.
    assert_eq!(whole(&to, &noted, None), 21);
    fs::write(Path::new(&noted).join("notes.txt"), "mine").unwrap();
    refused(&from, &noted, 1, &["notes.txt", "no export"]);
    fs::remove_file(Path::new(&noted).join("notes.txt")).unwrap();
    let link = beside(&network, "link");
    std::os::unix::fs::symlink(&noted, &link).unwrap();
    refused(&from, &link, 1, &["link"]);
    assert_eq!(whole(&to, &noted, None), 21);
}

#[test]
fn whoever_sits_on_the_way_replaces_nothing() {
    let (network, _place, to) = published(20);
    let held = beside(&network, "held");
    assert_eq!(whole(&to, &held, None), 21);
    // Another network of the same names, with keys of its own: all that it says verifies by itself.
    let (_others, _elsewhere, theirs) = published(40);
    refused(&["--from", &theirs], &held, 4, &["does not have version 1 of the charter"]);
    let new = beside(&network, "new");
    refused(&["--from", &theirs, "--charter", &charter(&network)], &new, 4, &["does not have version 1"]);
    assert!(!Path::new(&new).exists());
    // A manifest of one file, which nobody signed; and the right one with one file more.
    let note = fs::read(Path::new(&to).join("manifest")).unwrap();
    let manifest = Manifest::read(&note).unwrap().0;
    let signature = String::from_utf8(note).unwrap().split_once("\n\n").unwrap().1.to_owned();
    let (mut one, mut more) = (manifest.clone(), manifest.clone());
    more.add("logs/BE/tile/0/999".to_owned(), Hash::of(b""));
    let path = manifest.files().keys().find(|path| path.starts_with("charter/")).unwrap();
    one = Manifest::new(one.network().clone(), one.unit().clone(), one.payloads());
    one.add(path.clone(), manifest.files()[path]);
    let put = |text: String| fs::write(Path::new(&to).join("manifest"), text).unwrap();
    for forged in [&one, &more] {
        put(format!("{}\n{signature}", forged.text()));
        refused(&["--from", &to], &held, 4, &["has not signed its manifest"]);
    }
    // Nor does the unit itself name what its logs do not have.
    let signer = KeyFileSigner::load(&network.node("BE").home.mirror_key()).unwrap();
    put(String::from_utf8(more.sign(1, &signer).unwrap()).unwrap());
    refused(&["--from", &to], &held, 4, &["logs/BE/tile/0/999"]);
    put(String::from_utf8(one.sign(1, &signer).unwrap()).unwrap());
    refused(&["--from", &to], &held, 4, &["SHRANK from 21 records to 0", "audit compare"]);
    let _ = audit(&["verify", &held, "--withheld"], None).ended(0);
}

#[test]
fn a_log_that_shrank_takes_no_place_and_both_are_kept() {
    let (network, place, to) = published(20);
    let older = place.path().join("older").to_str().unwrap().to_owned();
    copy_directory(Path::new(&to), Path::new(&older));
    import(network.node("BE"), 20..60);
    network.until_agreed(&UNITS);
    publish(network.node("BE"));
    let held = beside(&network, "held");
    assert_eq!(whole(&to, &held, None), 61);
    let told = ["the log of BE", "SHRANK from 61 records to 21", ".held.incoming", "audit compare --withheld"];
    refused(&["--from", &older], &held, 4, &told);
    // What came verifies where it lies, as the smaller of two that agree.
    let incoming = beside(&network, ".held.incoming");
    let compared = audit(&["compare", &held, &incoming, "--withheld"], None).document();
    assert_eq!(compared["agree"], true, "{compared}");
    // Whoever lost his checkpoint knows by the other files how much he has.
    fs::remove_file(Path::new(&held).join("logs/BE/checkpoint")).unwrap();
    refused(&["--from", &older], &held, 4, &told);
    assert_eq!(whole(&to, &held, None), 61);
    assert!(!Path::new(&incoming).exists());
}

#[test]
fn what_rotted_in_the_directory_is_fetched_anew_and_no_more_than_is_allowed() {
    let (network, _place, to) = published(300);
    let held = beside(&network, "held");
    let fetch = |more: &[&str]| audit(&[&["fetch", &held, "--from", &to], more].concat(), None);
    fetch(&["--max-bytes", "20000"]).ended(1).says(&["--max-bytes", ".held.incoming"]);
    assert!(!Path::new(&held).exists());
    let told = fetch(&[]).ended(0).document();
    assert_eq!(told["records"], 302);
    for path in ["logs/BE/tile/0/000", "logs/BE/checkpoint", "logs/BE/payload/000"] {
        flip(&Path::new(&held).join(path), 40);
        let _ = audit(&["verify", &held, "--withheld"], None).ended(4);
        assert_eq!(fetch(&[]).ended(0).document()["new_files"], 1, "{path}");
        let _ = audit(&["verify", &held, "--withheld"], None).ended(0);
    }
    assert_eq!(fetch(&["--max-bytes", "0"]).ended(1).code, Some(1), "the manifest is brought each time");

    // The charters in it are what it is held by: without them somebody has to say.
    let first = Path::new(&held).join("charter/1.note");
    flip(&first, 40);
    refused(&["--from", &to], &held, 4, &["do not hold", "--charter"]);
    let _ = fetch(&["--charter", &charter(&network)]).ended(0);
    let _ = audit(&["verify", &held, "--withheld"], None).ended(0);
}

#[test]
fn a_web_server_does_not_decide_whom_else_the_auditor_calls() {
    let (network, _place, to) = published(3);
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, manifest) = (asked.clone(), fs::read_to_string(Path::new(&to).join("manifest")).unwrap());
    let elsewhere = serve(Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        answer("200 OK", &manifest)
    }));
    let moved = format!("302 Found\r\nLocation: http://{elsewhere}/be/manifest");
    let server = serve(Arc::new(move |_, _| answer(&moved, "")));
    let new = beside(&network, "new");
    refused(&["--from", &format!("http://{server}/be")], &new, 1, &["302", "not followed"]);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

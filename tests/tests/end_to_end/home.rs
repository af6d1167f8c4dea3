//! What a node makes of its home directory: nothing that is damaged, too open or of another unit is opened without a plain
//! message that says what is wrong and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use entente_node::home::Home;
use entente_tests::network::{Network, Node, log_of, run};
use entente_tests::remains::{copy_directory, flip, put_back};

use crate::PROGRAM;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn copy(from: PathBuf, to: PathBuf) {
    fs::copy(from, to).unwrap();
}

/// `entente run` must end with exit code 1, print nothing on stdout, and end with one sentence that has these words.
#[track_caller]
fn refuses(node: &Node, what: &str, words: &[&str]) {
    let said = node.run_to_its_end().ended(1);
    assert_eq!(said.out, "", "{what}");
    let last = said.err.rsplit("entente: ").next().unwrap();
    for word in words {
        assert!(last.contains(word), "{what}: no {word:?} in: {}", said.err);
    }
    assert!(said.err.contains("entente: "), "{what}: {}", said.err);
}

/// A change to a home directory; the second path is another unit's.
type Spoil = fn(&Home, &Home);

#[test]
fn a_home_directory_that_is_damaged_too_open_or_anothers_is_refused_in_plain_words() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let other = Network::found(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let whole = network.directory().join("whole");
    copy_directory(be.directory(), &whole);
    let spoils: &[(&str, Spoil, &[&str])] = &[
        ("log key open to others", |be, _| set_mode(&be.log_key(), 0o644), &["keys/log.key", "0644", "chmod"]),
        ("node key open to a group", |be, _| set_mode(&be.node_key(), 0o640), &["keys/node.pem", "0640", "chmod"]),
        ("key directory open to others", |be, _| set_mode(&be.keys(), 0o755), &["keys", "0755", "chmod"]),
        ("journal open to others", |be, _| set_mode(&be.journal(), 0o644), &["journal", "0644", "chmod 600"]),
        (
            "another unit's log key",
            |be, fr| copy(fr.log_key(), be.log_key()),
            &["keys/log.key", "holds the key takedown.example/FR", "not one of takedown.example/BE"],
        ),
        (
            "the log key in the mirror key's place",
            |be, _| copy(be.log_key(), be.mirror_key()),
            &["keys/mirror.key", "not one of takedown.example/BE/mirror"],
        ),
        ("a damaged key", |be, _| flip(&be.mirror_key(), 130), &["keys/mirror.key", "is damaged", "backup"]),
        ("a cut key", |be, _| fs::write(be.log_key(), "entente-key v1").unwrap(), &["is damaged", "backup"]),
        (
            "no log key",
            |be, _| fs::remove_file(be.log_key()).unwrap(),
            &["keys/log.key does not exist", "entente init"],
        ),
        (
            "another unit's certificate",
            |be, fr| {
                copy(fr.node_certificate(), be.node_certificate());
                copy(fr.node_key(), be.node_key());
            },
            &["is the certificate of FR node, not of this unit's node"],
        ),
        (
            "a certificate of another key",
            |be, fr| copy(fr.node_key(), be.node_key()),
            &["certificate and key cannot be used together"],
        ),
        ("no charter", |be, _| fs::remove_file(be.charter(1)).unwrap(), &["has no charter yet", "entente charter"]),
        ("a damaged charter", |be, _| flip(&be.charter(1), 40), &["charter/1.note"]),
        (
            "a charter that lost a signature",
            |be, _| {
                let note = fs::read_to_string(be.charter(1)).unwrap();
                let cut = note.trim_end().rfind('\n').unwrap() + 1;
                fs::write(be.charter(1), &note[..cut]).unwrap();
            },
            &["charter/1.note"],
        ),
        ("no settings", |be, _| fs::remove_file(be.config()).unwrap(), &["has no node.toml", "entente init"]),
        (
            "settings with two faults",
            |be, _| {
                let text = fs::read_to_string(be.config()).unwrap();
                let text =
                    text.replace("[log]", "[log]\nlevel = \"loud\"").replace("[store]", "[store]\ncache_mib = -1");
                fs::write(be.config(), text).unwrap();
            },
            &["log.level", "store.cache_mib"],
        ),
        (
            "another unit's database",
            |be, fr| put_back(&fr.data(), &be.data()),
            &["is that of takedown.example/FR, not of takedown.example/BE", "its own home directory"],
        ),
        (
            "another unit's journal",
            |be, fr| copy(fr.journal(), be.journal()),
            &["is that of takedown.example/FR, not of takedown.example/BE", "its own home directory"],
        ),
        (
            "a deny list that is none",
            |be, _| fs::write(be.deny(), "# lost\nthat laptop\n").unwrap(),
            &["deny line 2", "SHA-256"],
        ),
    ];
    for (what, spoil, words) in spoils {
        spoil(&be.home, &fr.home);
        refuses(be, what, words);
        put_back(&whole, be.directory());
    }
    // A charter of the same names, but other keys.
    fs::copy(other.node("BE").home.charter(1), be.home.charter(1)).unwrap();
    refuses(be, "another charter", &["the charter names", "as the charter key", "unit.toml"]);
    put_back(&whole, be.directory());

    be.start();
    be.until_state("waiting");
}

#[test]
fn a_network_is_never_made_by_running() {
    let directory = tempfile::tempdir().unwrap();
    let (empty, absent) = (directory.path().join("empty"), directory.path().join("absent"));
    fs::create_dir(&empty).unwrap();
    for (home, words) in [(&empty, "has no node.toml"), (&absent, "there is no home directory")] {
        let said = run(PROGRAM, &["run", "--home", home.to_str().unwrap()], b"").ended(1);
        said.says(&[words, "entente init"]);
        assert_eq!(said.out, "");
    }
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!absent.exists());
}

#[test]
fn a_second_process_on_one_home_directory_is_refused_and_the_first_goes_on() {
    let network = Network::running(PROGRAM, &["BE"]);
    let be = network.node("BE");
    refuses(be, "a second node", &["another entente process works in", "stop it first"]);
    be.refer("still.example", "certified");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let network = Network::found(PROGRAM, &["BE"]);
    let be = network.node("BE");
    let taken = std::net::TcpListener::bind(&be.api).unwrap();
    refuses(be, "the address", &["cannot listen on", &be.api.clone(), "change api in node.toml"]);
    drop(taken);
    be.start();
    be.until_state("running");
}

/// The files of the database with their sizes.
fn files(directory: &Path) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "ballast" {
            found.push((path.clone(), usize::try_from(fs::metadata(&path).unwrap().len()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_flipped_bit_in_the_database_is_repaired_and_never_served() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    for number in 0..20 {
        be.refer(&format!("t{number}.example"), "certified");
        fr.refer(&format!("u{number}.example"), "certified");
    }
    let digest = network.until_agreed(&["BE", "FR"]);
    let list = be.call(&["list"]).ended(0).out;
    be.stop();
    let whole = network.directory().join("whole");
    copy_directory(be.directory(), &whole);
    let mut rebuilt = 0;
    let mut tried = 0;
    for (path, size) in files(&be.home.data().join("g-1")) {
        // Where there is something; segments are mostly empty.
        let bytes = fs::read(&path).unwrap();
        let used: Vec<usize> = (0..size).filter(|at| bytes[*at] != 0).collect();
        for part in 1..8 {
            let Some(at) = used.get(used.len() * part / 8) else { continue };
            tried += 1;
            flip(&path, *at);
            be.start();
            let what = format!("{} at {at}", path.display());
            be.until_state("running");
            assert_eq!(network.until_agreed(&["BE", "FR"]), digest, "{what}");
            assert_eq!(be.call(&["list"]).ended(0).out, list, "{what}");
            assert_eq!(log_of(&be.status(), "BE")["size"], 21, "{what}");
            be.kill();
            rebuilt += usize::from(be.home.data().with_extension("aside-1").exists());
            put_back(&whole, be.directory());
        }
    }
    assert!(tried >= 7 && rebuilt > 0, "{rebuilt} of {tried}");
    be.start();
    assert_eq!(network.until_agreed(&["BE", "FR"]), digest);
}

#[test]
fn a_charter_in_force_is_shown_as_what_it_is() {
    let network = Network::found(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE").directory().to_str().unwrap();
    let shown = |args: &[&str]| run(PROGRAM, &[&["charter", "show"], args].concat(), b"").ended(0).out;
    let said = shown(&["--home", be]);
    assert!(said.contains("in force") && !said.contains("charter adopt"), "{said}");
    // Where it comes by hand it is still to be taken up.
    let said = shown(&[network.directory().join("charter.note").to_str().unwrap()]);
    assert!(said.contains("charter adopt FILE") && !said.contains("in force"), "{said}");
}

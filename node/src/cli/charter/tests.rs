use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use entente_proto::hash::Hash;

use super::*;
use crate::cli::Cli;
use crate::home::Home;
use crate::membership::{OwnKeys, load_charter};

/// Runs a command line in a directory; `{}` in it stands for the directory.
fn entente(dir: &Path, line: &str) -> Result<(), CliError> {
    let words = line.split(' ').map(|word| word.replace("{}", dir.to_str().unwrap()));
    crate::cli::dispatch(Cli::try_parse_from(std::iter::once("entente".to_owned()).chain(words)).unwrap())
}

/// Home directories of these units.
fn homes(units: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for unit in units {
        init(dir.path(), unit, unit);
    }
    dir
}

fn init(dir: &Path, unit: &str, home: &str) {
    let line = "init --network takedown.example --name X --address 127.0.0.1:7401 --api 127.0.0.1:7501";
    entente(dir, &format!("{line} --unit {unit} --home {{}}/{home}")).unwrap();
}

/// A charter of BE and FR that nobody has signed.
fn founded() -> tempfile::TempDir {
    let dir = homes(&["BE", "FR"]);
    entente(dir.path(), "charter new --out {}/c.note {}/BE/unit.toml {}/FR/unit.toml").unwrap();
    dir
}

fn sign(dir: &Path, file: &str, home: &str) -> Result<(), CliError> {
    entente(dir, &format!("charter sign {{}}/{file} --home {{}}/{home}"))
}

fn adopt(dir: &Path, file: &str, home: &str) -> Result<(), CliError> {
    entente(dir, &format!("charter adopt {{}}/{file} --home {{}}/{home}"))
}

fn refusal(result: Result<(), CliError>) -> String {
    match result {
        Err(CliError::Refused(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_network_is_founded_by_files_that_go_from_hand_to_hand() {
    let founded = founded();
    let dir = founded.path();
    sign(dir, "c.note", "BE").unwrap();
    assert!(
        matches!(adopt(dir, "c.note", "BE"), Err(CliError::Verification(words)) if words.contains("takedown.example/FR/mirror"))
    );
    sign(dir, "c.note", "FR").unwrap();
    for unit in ["BE", "FR"] {
        adopt(dir, "c.note", unit).unwrap();
        let home = Home::open(dir.join(unit)).unwrap();
        assert_eq!(load_charter(&home).unwrap().note(), fs::read(dir.join("c.note")).unwrap());
        assert_eq!(fs::metadata(home.charter(1)).unwrap().permissions().mode() & 0o777, 0o600);
        entente(dir, &format!("charter show --home {{}}/{unit} --json")).unwrap();
    }
    entente(dir, "charter show {}/c.note").unwrap();
}

#[test]
fn signing_and_taking_up_again_change_nothing() {
    let founded = founded();
    let dir = founded.path();
    for unit in ["BE", "FR", "BE"] {
        sign(dir, "c.note", unit).unwrap();
    }
    let before = fs::read(dir.join("c.note")).unwrap();
    sign(dir, "c.note", "FR").unwrap();
    adopt(dir, "c.note", "BE").unwrap();
    adopt(dir, "c.note", "BE").unwrap();
    assert_eq!(fs::read(dir.join("c.note")).unwrap(), before);
}

#[test]
fn a_node_signs_one_text_a_version_ever() {
    let founded = founded();
    let dir = founded.path();
    entente(dir, "charter new --out {}/other.note --quorum 1 {}/BE/unit.toml {}/FR/unit.toml").unwrap();
    let unsigned = fs::read(dir.join("other.note")).unwrap();
    sign(dir, "c.note", "BE").unwrap();
    refusal(sign(dir, "other.note", "BE"));
    assert_eq!(fs::read(dir.join("other.note")).unwrap(), unsigned);
    // Whoever only recorded that it signs, and lost power before the signature was written, is bound as well.
    let home = Home::open(dir.join("FR")).unwrap();
    let (network, unit) = ("takedown.example".parse().unwrap(), "FR".parse().unwrap());
    let (mut journal, _) = crate::journal::Journal::open(&home.journal(), &network, &unit).unwrap();
    let digest = read_charter(&dir.join("c.note")).unwrap().digest();
    journal.append(&[crate::journal::JournalRecord::CharterSigned { version: 1, digest }]).unwrap();
    drop(journal);
    refusal(sign(dir, "other.note", "FR"));
    sign(dir, "c.note", "FR").unwrap();
}

#[test]
fn a_charter_key_that_is_kept_apart_signs_from_its_own_directory() {
    let founded = founded();
    let dir = founded.path();
    fs::create_dir(dir.join("safe")).unwrap();
    fs::rename(dir.join("BE/keys/charter.key"), dir.join("safe/charter.key")).unwrap();
    sign(dir, "c.note", "BE").unwrap();
    sign(dir, "c.note", "FR").unwrap();
    let missing = read_charter(&dir.join("c.note")).unwrap().missing();
    assert_eq!(missing, ["takedown.example/BE/charter".parse().unwrap()]);
    sign(dir, "c.note", "safe").unwrap();
    adopt(dir, "c.note", "BE").unwrap();
    entente(dir, "charter new --out {}/other.note --quorum 1 {}/BE/unit.toml {}/FR/unit.toml").unwrap();
    let words = refusal(sign(dir, "other.note", "safe"));
    assert!(words.contains("one text a version"), "{words}");
}

#[test]
fn a_charter_key_that_others_may_read_does_not_sign() {
    let founded = founded();
    let dir = founded.path();
    fs::create_dir(dir.join("safe")).unwrap();
    fs::rename(dir.join("BE/keys/charter.key"), dir.join("safe/charter.key")).unwrap();
    fs::set_permissions(dir.join("safe/charter.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refusal(sign(dir, "c.note", "safe")).contains("0644"));
    fs::create_dir(dir.join("empty")).unwrap();
    assert!(refusal(sign(dir, "c.note", "empty")).contains("charter.key"));
}

#[test]
fn a_home_directory_that_lost_its_settings_does_not_sign_past_its_journal() {
    let founded = founded();
    let dir = founded.path();
    fs::remove_file(dir.join("BE/node.toml")).unwrap();
    assert!(refusal(sign(dir, "c.note", "BE")).contains("put node.toml back"));
}

#[test]
fn a_ca_that_could_verify_nothing_is_refused_before_anyone_signs() {
    let homes = homes(&["BE"]);
    let dir = homes.path();
    let text = fs::read_to_string(dir.join("BE/unit.toml")).unwrap();
    let (head, rest) = text.split_once("-----BEGIN CERTIFICATE-----\n").unwrap();
    let (_, tail) = rest.split_once("-----END").unwrap();
    fs::write(dir.join("bad.toml"), format!("{head}-----BEGIN CERTIFICATE-----\nMAEK\n-----END{tail}")).unwrap();
    assert!(refusal(entente(dir, "charter new --out {}/c.note {}/bad.toml")).contains("BE"));
    assert!(!dir.join("c.note").exists());
}

#[test]
fn copies_that_were_signed_apart_are_merged() {
    let founded = founded();
    let dir = founded.path();
    fs::copy(dir.join("c.note"), dir.join("d.note")).unwrap();
    sign(dir, "c.note", "BE").unwrap();
    sign(dir, "d.note", "FR").unwrap();
    entente(dir, "charter merge {}/c.note {}/d.note --out {}/e.note").unwrap();
    adopt(dir, "e.note", "BE").unwrap();
    entente(dir, "charter merge {}/c.note {}/d.note --out {}/c.note").unwrap();
    assert_eq!(fs::read(dir.join("c.note")).unwrap(), fs::read(dir.join("e.note")).unwrap());
}

#[test]
fn merging_writes_over_nothing_but_the_same_charter() {
    let founded = founded();
    let dir = founded.path();
    fs::copy(dir.join("c.note"), dir.join("d.note")).unwrap();
    fs::write(dir.join("letter"), "dear all\n").unwrap();
    refusal(entente(dir, "charter merge {}/c.note {}/d.note --out {}/letter"));
    assert_eq!(fs::read(dir.join("letter")).unwrap(), b"dear all\n");
    entente(dir, "charter new --out {}/other.note --quorum 1 {}/BE/unit.toml {}/FR/unit.toml").unwrap();
    refusal(entente(dir, "charter merge {}/c.note {}/other.note --out {}/e.note"));
    assert!(!dir.join("e.note").exists());
}

#[test]
fn a_new_charter_is_not_written_over_another() {
    let founded = founded();
    let dir = founded.path();
    let before = fs::read(dir.join("c.note")).unwrap();
    refusal(entente(dir, "charter new --out {}/c.note {}/BE/unit.toml"));
    assert_eq!(fs::read(dir.join("c.note")).unwrap(), before);
    refusal(entente(dir, "charter new --out {}/x.note {}/BE/unit.toml {}/BE/unit.toml"));
    refusal(entente(dir, "charter new --out {}/x.note --quorum 2 {}/BE/unit.toml {}/FR/unit.toml"));
    refusal(entente(dir, "charter new --out {}/x.note {}/BE/node.toml"));
    assert!(!dir.join("x.note").exists());
}

#[test]
fn another_text_of_version_1_is_not_taken_up() {
    let dir = homes(&["BE"]);
    let dir = dir.path();
    entente(dir, "charter new --out {}/c.note {}/BE/unit.toml").unwrap();
    sign(dir, "c.note", "BE").unwrap();
    adopt(dir, "c.note", "BE").unwrap();
    // The same unit signs another text with a journal that has forgotten: its home directory still has not.
    let text = fs::read_to_string(dir.join("BE/unit.toml")).unwrap().replace("\"X\"", "\"Y\"");
    fs::write(dir.join("BE/unit.toml"), text).unwrap();
    entente(dir, "charter new --out {}/other.note {}/BE/unit.toml").unwrap();
    fs::remove_file(dir.join("BE/journal")).unwrap();
    let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    drop(crate::journal::Journal::create(&dir.join("BE/journal"), &network, &unit).unwrap());
    sign(dir, "other.note", "BE").unwrap();
    assert!(refusal(adopt(dir, "other.note", "BE")).contains("founded once"));
}

#[test]
fn a_charter_that_names_other_keys_than_the_homes_own_is_not_signed_nor_taken_up() {
    let founded = founded();
    let dir = founded.path();
    init(dir, "BE", "BE2");
    assert!(refusal(sign(dir, "c.note", "BE2")).contains("charter names"));
    init(dir, "UK", "UK");
    assert!(refusal(sign(dir, "c.note", "UK")).contains("does not list the unit UK"));
    sign(dir, "c.note", "BE").unwrap();
    sign(dir, "c.note", "FR").unwrap();
    refusal(adopt(dir, "c.note", "BE2"));
    refusal(adopt(dir, "c.note", "UK"));
    // The same keys, another CA.
    fs::copy(dir.join("BE2/certs/ca.pem"), dir.join("BE/certs/ca.pem")).unwrap();
    assert!(refusal(adopt(dir, "c.note", "BE")).contains("the CA of this home directory"));
    assert!(!dir.join("BE/charter/1.note").exists());
}

#[test]
fn a_changed_charter_is_a_matter_of_verification() {
    let founded = founded();
    let dir = founded.path();
    sign(dir, "c.note", "BE").unwrap();
    sign(dir, "c.note", "FR").unwrap();
    let text = fs::read_to_string(dir.join("c.note")).unwrap().replacen("\"X\"", "\"Z\"", 1);
    fs::write(dir.join("bad.note"), text).unwrap();
    for line in
        ["charter adopt {}/bad.note --home {}/BE", "charter show {}/bad.note", "charter sign {}/bad.note --home {}/BE"]
    {
        assert!(matches!(entente(dir, line), Err(CliError::Verification(_))), "{line}");
    }
}

#[test]
fn a_running_node_keeps_its_home_directory_to_itself() {
    let founded = founded();
    let dir = founded.path();
    let lock = Home::at(dir.join("BE")).lock().unwrap();
    assert!(refusal(sign(dir, "c.note", "BE")).contains("stop it first"));
    assert!(refusal(adopt(dir, "c.note", "BE")).contains("stop it first"));
    drop(lock);
    sign(dir, "c.note", "BE").unwrap();
}

#[test]
fn units_that_sign_one_file_at_one_time_lose_no_signature() {
    let units = ["BE", "BG", "CA", "FR"];
    let homes = homes(&units);
    let dir = homes.path();
    let named: Vec<String> = units.iter().map(|unit| format!("{{}}/{unit}/unit.toml")).collect();
    entente(dir, &format!("charter new --out {{}}/c.note {}", named.join(" "))).unwrap();
    std::thread::scope(|scope| {
        for unit in units {
            scope.spawn(move || sign(dir, "c.note", unit).unwrap());
        }
    });
    assert!(read_charter(&dir.join("c.note")).unwrap().verify_first().is_ok());
}

#[test]
fn a_home_directory_without_a_charter_says_how_to_found() {
    let homes = homes(&["BE"]);
    assert!(refusal(entente(homes.path(), "charter show --home {}/BE")).contains("charter new"));
}

/// BE and FR have taken up version 1.
fn running() -> tempfile::TempDir {
    let founded = founded();
    for unit in ["BE", "FR"] {
        sign(founded.path(), "c.note", unit).unwrap();
    }
    for unit in ["BE", "FR"] {
        adopt(founded.path(), "c.note", unit).unwrap();
    }
    founded
}

#[test]
fn a_version_that_does_not_follow_is_not_signed() {
    let running = running();
    let dir = running.path();
    let text = fs::read_to_string(dir.join("c.note")).unwrap();
    let later = format!("version = 2\nprevious = \"{}\"", Hash::of(b"x"));
    let text = text.replace("version = 1\nprevious = \"\"", &later);
    let (text, _) = text.split_once("\n\n\u{2014} ").unwrap();
    fs::write(dir.join("d.note"), format!("{text}\n")).unwrap();
    let words = refusal(sign(dir, "d.note", "BE"));
    assert!(words.contains("cannot follow version 1"), "{words}");
}

#[test]
fn a_unit_joins_and_one_leaves_by_files_alone() {
    let running = running();
    let dir = running.path();
    init(dir, "UK", "UK");
    entente(dir, "charter new --from {}/BE --add {}/UK/unit.toml --out {}/2.note").unwrap();
    for unit in ["BE", "UK"] {
        sign(dir, "2.note", unit).unwrap();
    }
    assert!(
        matches!(adopt(dir, "2.note", "FR"), Err(CliError::Verification(words)) if words.contains("not signed by FR"))
    );
    sign(dir, "2.note", "FR").unwrap();
    for unit in ["BE", "FR"] {
        adopt(dir, "2.note", unit).unwrap();
    }
    // Whoever joins brings all versions; the first is not taken for one of its own.
    entente(dir, "charter adopt {}/c.note {}/2.note --home {}/UK").unwrap();
    assert_eq!(load_charter(&Home::open(dir.join("UK")).unwrap()).unwrap().version(), 2);
    entente(dir, "charter show {}/2.note --against {}/c.note").unwrap();
    entente(dir, "charter show --home {}/UK").unwrap();

    // FR leaves, with its charter key kept apart; of three all must sign.
    fs::create_dir(dir.join("safe")).unwrap();
    fs::rename(dir.join("FR/keys/charter.key"), dir.join("safe/charter.key")).unwrap();
    entente(dir, "charter new --from {}/BE --remove FR --out {}/3.note").unwrap();
    for unit in ["BE", "UK"] {
        sign(dir, "3.note", unit).unwrap();
    }
    refusal(sign(dir, "3.note", "safe"));
    entente(dir, "charter sign {}/3.note --from {}/BE --home {}/safe").unwrap();
    adopt(dir, "3.note", "UK").unwrap();
    // A leaver takes it up, too: it runs as one until the others have.
    adopt(dir, "3.note", "FR").unwrap();
    entente(dir, "charter verify {}/c.note {}/2.note {}/3.note").unwrap();
    entente(dir, "charter verify {}/UK").unwrap();
    assert!(matches!(entente(dir, "charter verify {}/c.note {}/3.note"), Err(CliError::Refused(_))));

    // A line that counts for nothing may be one that counted once: whoever verifies hears of it, as file or directory.
    let stray = |path: &str| {
        let path = dir.join(path);
        let note = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{note}\u{2014} witness.example/w1 AAAAAAAA\n")).unwrap();
        note
    };
    let words = |result| match result {
        Err(CliError::Verification(words)) => words,
        other => panic!("{other:?}"),
    };
    let whole = stray("2.note");
    let refused = words(entente(dir, "charter verify {}/c.note {}/2.note {}/3.note"));
    assert!(refused.contains("2.note: it has a signature line by witness.example/w1"), "{refused}");
    fs::write(dir.join("2.note"), whole).unwrap();
    stray("UK/charter/1.note");
    let refused = words(entente(dir, "charter verify {}/UK"));
    assert!(refused.contains("1.note: it has a signature line by witness.example/w1"), "{refused}");
    // The node itself ignores such a line.
    entente(dir, "charter show --home {}/UK").unwrap();
}

#[test]
fn keys_are_replaced_by_keys_that_wait_for_their_charter() {
    let running = running();
    let dir = running.path();
    entente(dir, "charter rotate-keys --charter --log --mirror --home {}/BE").unwrap();
    let be = Home::open(dir.join("BE")).unwrap();
    assert!(be.keys().join("log-2.key").exists() && be.log_key().exists());
    entente(dir, "charter new --from {}/FR --update {}/BE/unit.toml --out {}/2.note").unwrap();
    for unit in ["BE", "FR"] {
        sign(dir, "2.note", unit).unwrap();
    }
    for unit in ["BE", "FR"] {
        adopt(dir, "2.note", unit).unwrap();
    }
    // The new charter key votes from now on; the old one does not.
    entente(dir, "charter new --from {}/FR --revoke 1111111111111111111111111111111111111111111111111111111111111111 --out {}/3.note").unwrap();
    for unit in ["BE", "FR"] {
        sign(dir, "3.note", unit).unwrap();
    }
    adopt(dir, "3.note", "BE").unwrap();
    assert_eq!(load_charter(&be).unwrap().revoked().len(), 1);
}

#[test]
fn of_two_next_versions_one_is_signed() {
    let running = running();
    let dir = running.path();
    for (address, file) in [("a.example:1", "2.note"), ("b.example:1", "other.note")] {
        entente(dir, &format!("charter new --from {{}}/BE --address FR={address} --out {{}}/{file}")).unwrap();
    }
    sign(dir, "2.note", "BE").unwrap();
    refusal(sign(dir, "other.note", "BE"));
    assert!(refusal(entente(dir, "charter new --from {}/BE --out {}/same.note")).contains("nothing would change"));
}

#[test]
fn a_charter_key_that_is_kept_apart_signs_one_text_a_version_whatever_is_known_there_of_those_before() {
    let running = running();
    let dir = running.path();
    let bases = ["BE", "FR"].map(|unit| format!("--base {unit}=0:{}", Hash::EMPTY_ROOT)).join(" ");
    entente(dir, &format!("charter refound --from {{}}/BE {bases} --out {{}}/anew.note")).unwrap();
    let mut anew = read_charter(&dir.join("anew.note")).unwrap();
    fs::create_dir(dir.join("chain")).unwrap();
    for unit in ["BE", "FR"] {
        let home = Home::open(dir.join(unit)).unwrap();
        let keys = OwnKeys::load(&home, &"takedown.example".parse().unwrap(), &unit.parse().unwrap()).unwrap();
        anew.sign(&keys.signers(), 1).unwrap();
        let apart = dir.join(format!("{unit}-apart"));
        fs::create_dir(&apart).unwrap();
        fs::rename(home.charter_key(), apart.join("charter.key")).unwrap();
    }
    fs::copy(dir.join("c.note"), dir.join("chain/1.note")).unwrap();
    fs::write(dir.join("chain/r1-1.note"), anew.to_bytes()).unwrap();
    for (address, file) in [("a.example:1", "2.note"), ("b.example:1", "other.note")] {
        entente(dir, &format!("charter new --from {{}}/chain --address FR={address} --out {{}}/{file}")).unwrap();
    }
    let knowing = |file: &str, unit: &str| {
        entente(dir, &format!("charter sign {{}}/{file} --from {{}}/chain --home {{}}/{unit}-apart"))
    };
    let unknowing = |file: &str, unit: &str| sign(dir, file, &format!("{unit}-apart"));
    knowing("2.note", "BE").unwrap();
    assert!(refusal(unknowing("other.note", "BE")).contains("--from DIR"));
    unknowing("2.note", "BE").unwrap();
    unknowing("2.note", "FR").unwrap();
    assert!(refusal(knowing("other.note", "FR")).contains("another text of version 2"));
}

#[test]
fn a_unit_that_joins_is_told_to_take_up_all_versions_in_one_call() {
    let running = running();
    let dir = running.path();
    init(dir, "NL", "NL");
    entente(dir, "charter new --from {}/BE --add {}/NL/unit.toml --out {}/2.note").unwrap();
    for unit in ["BE", "FR", "NL"] {
        sign(dir, "2.note", unit).unwrap();
    }
    for one in ["c.note", "2.note"] {
        assert!(refusal(adopt(dir, one, "NL")).contains("charter adopt 1.note 2.note"), "{one}");
    }
    entente(dir, "charter adopt {}/c.note {}/2.note --home {}/NL").unwrap();
}

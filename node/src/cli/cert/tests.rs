use std::path::PathBuf;

use clap::Parser as _;
use entente_certs::identity::{Described, Role};
use entente_proto::hash::Hash;

use super::super::{Cli, CliError, dispatch};
use super::*;
use crate::home::Home;

struct Unit {
    directory: tempfile::TempDir,
}

impl Unit {
    fn init() -> Self {
        let unit = Self { directory: tempfile::tempdir().unwrap() };
        let words =
            "init --network takedown.example --unit BE --name Belgium --address be.example:7443 --api 192.0.2.1:7444";
        unit.call(words).unwrap();
        unit
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("be")
    }

    fn home(&self) -> Home {
        Home::at(self.path())
    }

    fn call(&self, words: &str) -> Result<(), CliError> {
        let words = format!("entente {words} --home {}", self.path().display());
        dispatch(Cli::try_parse_from(words.split(' ')).map_err(|error| CliError::Usage(error.to_string()))?)
    }

    fn described(&self, role: &Role) -> Described {
        let pem = std::fs::read(self.home().holder_certificate(role)).unwrap();
        Described::of_pem(&pem, &"takedown.example".parse().unwrap()).unwrap()
    }

    /// The key of the pair in the files, which belong together.
    fn key(&self, role: &Role) -> Hash {
        pair::load(&self.home().holder_certificate(role), &self.home().holder_key(role)).unwrap().spki().unwrap()
    }
}

fn days(described: &Described) -> i64 {
    (described.not_after_s - described.not_before_s) / 86_400
}

#[test]
fn officers_operators_and_auditors_get_certificates_of_their_own() {
    let unit = Unit::init();
    for (option, role, expected_days) in [
        ("--officer second", Role::Officer("second".into()), 365),
        ("--operator otto", Role::Operator("otto".into()), 365),
        ("--auditor otto", Role::Auditor("otto".into()), 90),
        ("--auditor dpa --days 30", Role::Auditor("dpa".into()), 30),
    ] {
        unit.call(&format!("cert issue {option}")).unwrap();
        let described = unit.described(&role);
        assert_eq!((&described.identity.role, days(&described)), (&role, expected_days), "{option}");
        assert_eq!(unit.key(&role), described.spki);
        let key = unit.key(&role);
        assert!(matches!(unit.call(&format!("cert issue {option}")), Err(CliError::Refused(_))), "{option} again");
        assert_eq!(unit.key(&role), key, "nobody is locked out");
    }
}

#[test]
fn a_bad_name_or_none_or_two_are_refused_and_nothing_is_written() {
    let unit = Unit::init();
    let files = || std::fs::read_dir(unit.home().keys()).unwrap().count();
    let before = files();
    for bad in ["../x", "a/b", "Anna", "anna_b", ".anna", "-anna", "", &"a".repeat(64)] {
        for role in ["officer", "operator", "auditor"] {
            assert_eq!(unit.call(&format!("cert issue --{role}={bad}")).unwrap_err().code(), 2, "{role} {bad}");
        }
    }
    for wrong in ["cert issue", "cert issue --officer a --auditor b", "cert issue --officer a --days 0"] {
        assert_eq!(unit.call(wrong).unwrap_err().code(), 2, "{wrong}");
    }
    assert_eq!(files(), before);
}

#[test]
fn a_renewed_certificate_has_a_new_key_and_the_same_names() {
    let unit = Unit::init();
    let before = unit.described(&Role::Node);
    assert_eq!(before.hosts, ["be.example", "192.0.2.1"]);
    unit.call("cert renew --days 20").unwrap();
    let after = unit.described(&Role::Node);
    assert_eq!((&after.identity, &after.hosts, days(&after)), (&before.identity, &before.hosts, 20));
    assert!(after.spki != before.spki && unit.key(&Role::Node) == after.spki);
    unit.call("cert renew node --same-key").unwrap();
    let again = unit.described(&Role::Node);
    assert_eq!((again.spki, days(&again)), (after.spki, 365));
    assert_eq!(unit.key(&Role::Node), after.spki);
}

#[test]
fn a_person_is_named_by_the_name_alone_unless_two_have_it() {
    let unit = Unit::init();
    let (officer, auditor) = (Role::Officer("anna".into()), Role::Auditor("anna".into()));
    unit.call("cert issue --officer anna").unwrap();
    let before = unit.key(&officer);
    unit.call("cert renew anna").unwrap();
    let after = unit.key(&officer);
    assert_ne!(after, before);
    unit.call("cert issue --auditor anna").unwrap();
    assert_eq!(unit.call("cert renew anna").unwrap_err().code(), 2);
    unit.call("cert renew auditor/anna").unwrap();
    assert_eq!((unit.key(&officer), days(&unit.described(&auditor))), (after, 90));
    assert_eq!(unit.call("cert renew nobody").unwrap_err().code(), 1);
    assert_eq!(unit.call("cert renew officer/../x").unwrap_err().code(), 2);
}

#[test]
fn every_certificate_that_is_given_out_is_remembered() {
    let unit = Unit::init();
    let network = "takedown.example".parse().unwrap();
    let given = || crate::certificates::issued::given(&unit.home(), &network).unwrap();
    let mut expected = vec![unit.described(&Role::Node), unit.described(&Role::Officer("officer".into()))];
    for words in ["cert issue --officer anna", "cert renew anna", "cert renew anna --same-key --days 400"] {
        unit.call(words).unwrap();
        expected.push(unit.described(&Role::Officer("anna".into())));
    }
    // Of a key with two certificates the one that is good for longer counts.
    let same = expected.remove(3);
    assert_eq!(expected[3].spki, same.spki);
    let (file, text) =
        (unit.home().issued(), |described: &Described| format!("{} {}", described.spki, described.not_after_s));
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(expected.iter().all(|described| written.contains(&text(described))), "{written}");
    let key = |described: Described| (described.identity.role, described.spki, described.not_after_s);
    let mut expected: Vec<_> = expected.into_iter().map(key).collect();
    expected.sort();
    assert_eq!(
        given().into_iter().map(|given| (given.role, given.spki, given.not_after_s)).collect::<Vec<_>>(),
        expected
    );
    // A release that remembered none gave out the one that is renewed now.
    std::fs::remove_file(&file).unwrap();
    unit.call("cert renew anna").unwrap();
    assert_eq!(given().len(), 4);
}

#[test]
fn the_authority_s_key_may_be_kept_elsewhere() {
    let unit = Unit::init();
    let elsewhere = unit.directory.path().join("offline.pem");
    std::fs::rename(unit.home().ca_key(), &elsewhere).unwrap();
    let said = unit.call("cert renew node").unwrap_err();
    assert!(said.to_string().contains("--ca-key"), "{said}");
    unit.call(&format!("cert renew node --ca-key {}", elsewhere.display())).unwrap();
    let other = Unit::init();
    let foreign = format!("cert renew node --ca-key {}", other.home().ca_key().display());
    assert_eq!(unit.call(&foreign).unwrap_err().code(), 1);
}

#[test]
fn a_lost_key_does_not_prevent_a_renewal() {
    let unit = Unit::init();
    std::fs::remove_file(unit.home().node_key()).unwrap();
    unit.call("cert renew node").unwrap();
    assert_eq!(unit.key(&Role::Node), unit.described(&Role::Node).spki);
}

#[test]
fn two_commands_do_not_change_certificates_at_once() {
    let unit = Unit::init();
    let held = lock(&unit.home()).unwrap();
    let said = unit.call("cert renew node").unwrap_err();
    assert!(said.to_string().contains("another"), "{said}");
    drop(held);
    unit.call("cert renew node").unwrap();
}

#[test]
fn a_new_authority_makes_no_certificates_before_a_charter_names_it() {
    let unit = Unit::init();
    assert_eq!(unit.call("cert renew --ca").unwrap_err().code(), 1, "there is no charter yet");
    let at = |name: &str| unit.directory.path().join(name).display().to_string();
    let (charter, description) = (at("charter.note"), unit.home().unit_description());
    unit.call(&format!("charter new --out {charter} {}", description.display())).unwrap();
    for verb in ["sign", "adopt"] {
        unit.call(&format!("charter {verb} {charter}")).unwrap();
    }
    let authority = std::fs::read(unit.home().ca_certificate()).unwrap();
    for _ in 0..2 {
        unit.call("cert renew --ca").unwrap();
        assert_eq!(std::fs::read(unit.home().ca_certificate()).unwrap(), authority);
        let described = entente_proto::charter::UnitDescription::parse(&std::fs::read(&description).unwrap()).unwrap();
        let next = crate::membership::der_of_pem(&unit.home().next_ca_certificate()).unwrap();
        assert_eq!(described.unit().ca, [crate::membership::der_of_pem(&unit.home().ca_certificate()).unwrap(), next]);
    }
    unit.call("cert renew node").unwrap();
    unit.call("cert list").unwrap();

    // A network founded with both stands for the charter after.
    std::fs::remove_file(unit.home().charter(1)).unwrap();
    let second = at("second.note");
    unit.call(&format!("charter new --out {second} {}", description.display())).unwrap();
    let next = std::fs::read(unit.home().next_ca_certificate()).unwrap();
    let parsed = entente_proto::charter::UnverifiedCharter::parse(&std::fs::read(&second).unwrap()).unwrap();
    assert_eq!(parsed.terms().units.values().next().unwrap().ca.len(), 2);
    // The journal remembers what was signed for version 1, so the note is signed elsewhere.
    let (network, be) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
    let keys = crate::membership::OwnKeys::load(&unit.home(), &network, &be).unwrap();
    let mut parsed = parsed;
    parsed.sign(&keys.signers(), 1).unwrap();
    std::fs::write(unit.home().charter(1), parsed.to_bytes()).unwrap();
    unit.call("cert renew --ca").unwrap();
    assert_eq!(std::fs::read(unit.home().ca_certificate()).unwrap(), next);
    assert_eq!(std::fs::read(unit.home().old_ca_certificate()).unwrap(), authority);
    assert!(!unit.home().next_ca_certificate().exists() && !unit.home().next_ca_key().exists());
    unit.call("cert renew node").unwrap();
    let certificate = std::fs::read_to_string(unit.home().ca_certificate()).unwrap();
    let key = std::fs::read_to_string(unit.home().ca_key()).unwrap();
    entente_certs::authority::Authority::load(&network, &be, &certificate, &key).unwrap();
}

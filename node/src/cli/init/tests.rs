use std::fs;

use clap::Parser;
use entente_certs::authority::Authority;
use entente_certs::keyfile::read_secret;
use entente_proto::charter::UnverifiedCharter;

use super::*;
use crate::clock::ManualClock;
use crate::membership::OwnKeys;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

const LINE: [&str; 11] = [
    "init",
    "--network",
    "takedown.example",
    "--unit",
    "BE",
    "--name",
    "The \"Belgian\" unit",
    "--address",
    "be.takedown.example:7443",
    "--api",
    "127.0.0.1:7444",
];

fn args(more: &[&str]) -> Args {
    Line::try_parse_from(LINE.iter().chain(more)).unwrap().args
}

fn clock() -> ManualClock {
    ManualClock::at(1_700_000_000_000)
}

#[test]
fn a_new_home_directory_is_whole_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("be");
    create(&args(&["--officer", "anna"]), &path, &clock()).unwrap();

    let home = Home::open(&path).unwrap();
    let config = Config::load(&home.config()).unwrap();
    assert_eq!((config.unit.as_str(), config.officer.as_str()), ("BE", "anna"));
    assert_eq!((config.listen.as_str(), config.api.as_str()), ("0.0.0.0:7443", "127.0.0.1:7444"));
    let described = UnitDescription::parse(&fs::read(home.unit_description()).unwrap()).unwrap();
    assert_eq!(described.unit().name, "The \"Belgian\" unit");
    assert_eq!(described.unit().addresses, ["be.takedown.example:7443"]);
    let charter = UnverifiedCharter::compose(&[described], None).unwrap();
    let keys = OwnKeys::load(&home, &config.network, &config.unit).unwrap();
    keys.check(charter.terms(), &config.network, &config.unit).unwrap();
    assert_eq!(keys.signers().len(), 3);
    let (_, memory) = Journal::open(&home.journal(), &config.network, &config.unit).unwrap();
    assert!(memory.charters.is_empty() && memory.checkpoint.is_none());

    let pem = |path: &Path| fs::read_to_string(path).unwrap();
    let key = read_secret(&home.ca_key()).unwrap();
    let key = std::str::from_utf8(&key).unwrap();
    assert!(Authority::load(&config.network, &config.unit, &pem(&home.ca_certificate()), key).is_ok());
    for (certificate, expected) in [
        (home.node_certificate(), Identity::node(config.unit.clone())),
        (home.officer_certificate("anna"), Identity { unit: config.unit.clone(), role: Role::Officer("anna".into()) }),
    ] {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let der = CertificateDer::from_pem_slice(pem(&certificate).as_bytes()).unwrap();
        assert_eq!(Identity::of_certificate(&der, &config.network).unwrap(), expected);
    }
    for key in [home.node_key(), home.officer_key("anna")] {
        assert!(read_secret(&key).is_ok());
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left beside");
}

#[test]
fn what_is_there_already_is_never_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("be");
    create(&args(&[]), &path, &clock()).unwrap();
    let before = fs::read(Home::at(&path).unit_description()).unwrap();
    let error = create(&args(&[]), &path, &clock()).unwrap_err();
    assert!(matches!(&error, CliError::Refused(words) if words.contains("exists already")), "{error}");
    assert_eq!(fs::read(Home::at(&path).unit_description()).unwrap(), before);

    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(create(&args(&[]), &file, &clock()), Err(CliError::Refused(_))));
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[test]
fn an_empty_directory_becomes_a_home() {
    let dir = tempfile::tempdir().unwrap();
    create(&args(&[]), dir.path(), &clock()).unwrap();
    assert!(Home::open(dir.path()).is_ok());
}

#[test]
fn a_refused_name_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = args(&[]);
    args.name = "two\nlines".into();
    let error = create(&args, &dir.path().join("be"), &clock()).unwrap_err();
    assert!(matches!(&error, CliError::Refused(words) if words.contains("`name`")), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_parent_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let error = create(&args(&[]), &dir.path().join("a/b"), &clock()).unwrap_err();
    assert!(matches!(error, CliError::Refused(_)));
}

#[test]
fn wrong_arguments_are_refused_by_the_parser() {
    let wrong = |position: usize, value: &str| {
        let mut line = LINE;
        line[position] = value;
        Line::try_parse_from(line).is_err()
    };
    assert!(wrong(2, "Takedown") && wrong(4, "be") && wrong(8, "be.example") && wrong(10, "127.0.0.1:0"));
    for officer in ["", "Anna", "a/b", "../x", ".x"] {
        assert!(Line::try_parse_from(LINE.iter().chain(&["--officer", officer])).is_err(), "{officer:?}");
    }
}

#[test]
fn a_node_listens_at_its_address_or_where_it_is_told() {
    assert_eq!(listen(&args(&["--listen", "10.0.0.1:7000"])), "10.0.0.1:7000");
    let mut args = args(&[]);
    for (address, expected) in
        [("127.0.0.1:7401", "127.0.0.1:7401"), ("[::1]:7401", "[::1]:7401"), ("be.example:7401", "0.0.0.0:7401")]
    {
        args.address = address.into();
        assert_eq!(listen(&args), expected);
    }
}

#[test]
fn the_nodes_certificate_names_each_host_once() {
    let mut args = args(&[]);
    assert_eq!(hosts(&args), ["be.takedown.example", "127.0.0.1"]);
    (args.address, args.api) = ("[::1]:1".into(), "[::1]:2".into());
    assert_eq!(hosts(&args), ["::1"]);
    args.api = "0.0.0.0:2".into();
    assert_eq!(hosts(&args), ["::1"]);
}

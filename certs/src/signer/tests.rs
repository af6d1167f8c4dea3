use std::fs;
use std::path::PathBuf;

use entente_proto::note::{Algorithm, KeyName, Signer};
use tempfile::TempDir;

use super::KeyFileSigner;
use crate::keyfile::{KeyFileError, create_secret};
use crate::testing::{be, fr, network};

/// The example of the module's documentation.
const LINE: &str = "entente-key v1 takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

fn file(contents: &[u8]) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    create_secret(&path, contents).unwrap();
    (home, path)
}

fn damage(contents: &[u8]) -> String {
    let (_home, path) = file(contents);
    match KeyFileSigner::load(&path) {
        Err(KeyFileError::Damaged { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_comes_back_from_its_file_and_signs() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mirror.key");
    let name = KeyName::mirror(&network(), &be());
    let made = KeyFileSigner::generate(name.clone(), Algorithm::Cosignature).unwrap();
    made.save(&path).unwrap();
    let loaded = KeyFileSigner::load_as(&path, &name, Algorithm::Cosignature).unwrap();
    assert_eq!(loaded.key(), made.key());
    let signature = loaded.sign(b"message").unwrap();
    assert!(made.key().verify(b"message", &signature).is_ok());
    assert!(matches!(made.save(&path), Err(KeyFileError::Exists(_))));
    assert_ne!(KeyFileSigner::generate(name, Algorithm::Cosignature).unwrap().key(), made.key());
}

#[test]
fn the_documented_file_is_the_one_that_is_written() {
    let (home, path) = file(LINE.as_bytes());
    let key = KeyFileSigner::load_as(&path, &KeyName::log(&network(), &be()), Algorithm::Ed25519).unwrap();
    let copy = home.path().join("copy");
    key.save(&copy).unwrap();
    assert_eq!(fs::read_to_string(copy).unwrap(), LINE);
    assert!(!format!("{key:?}").contains("AQEB"));
}

#[test]
fn another_units_key_or_one_of_another_type_is_refused_by_name() {
    let (_home, path) = file(LINE.as_bytes());
    let error = KeyFileSigner::load_as(&path, &KeyName::log(&network(), &fr()), Algorithm::Ed25519).unwrap_err();
    assert!(matches!(&error, KeyFileError::OtherKey { .. }));
    assert!(error.to_string().contains("takedown.example/BE (type 01), not one of takedown.example/FR (type 01)"));
    let error = KeyFileSigner::load_as(&path, &KeyName::log(&network(), &be()), Algorithm::Cosignature).unwrap_err();
    assert!(matches!(error, KeyFileError::OtherKey { .. }));
}

#[test]
fn every_damage_is_found() {
    for place in 0..LINE.len() {
        for bit in 0..8 {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            damage(&bytes);
        }
        damage(&LINE.as_bytes()[..place]);
    }
}

#[test]
fn the_words_say_what_is_wrong_and_never_show_the_key() {
    let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let vkey = "takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    for (contents, words) in [
        (String::new(), "newline"),
        (LINE.trim_end().into(), "newline"),
        (LINE.replace("v1", "v2"), "entente-key v1"),
        (format!("entente-key v1 {seed} {vkey}\n"), "name or public key"),
        (format!("entente-key v1 {vkey}  {seed}\n"), "four words"),
        (format!("entente-key v1 {vkey} {seed} \n"), "four words"),
        (format!("{LINE}{LINE}"), "four words"),
        (LINE.replace("AQE=", "AQF="), "base64"),
        (LINE.replace(" AQEB", " AgEB"), "does not belong"),
    ] {
        let why = damage(contents.as_bytes());
        assert!(why.contains(words) && !why.contains("AQEB"), "{why}");
    }
    assert_eq!(damage(&[0xff, b'\n']), "it is not text");
}

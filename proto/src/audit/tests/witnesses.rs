//! Witnesses from outside: what they say is held against the log, and who does not say it is named.

use super::world::{ENTRIES, InMemory, TIME_MS, WITNESSED_S, World, outside, signer, unit};
use crate::audit::{Asked, Enough, Fault, VerifiedWitness, witnessed_files};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::Size;
use crate::note::{Algorithm, MemorySigner, Note, NoteError, Signer, VerifierKey};
use crate::witness::{WitnessedCheckpoint, WitnessedError};

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

fn path(witness: &VerifierKey, file: &str) -> String {
    format!("logs/BE/witnessed/{:08x}/{file}", u32::from_be_bytes(witness.id()))
}

/// What is found once the export has these files as well and the manifest says so.
#[track_caller]
fn found_with(changed: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<Fault> {
    let mut files: InMemory = World::new().export();
    files.0.extend(changed);
    files.sign();
    files.verify().faults.kept().to_vec()
}

#[test]
fn what_witnesses_say_is_told_with_size_and_time() {
    let found = World::new().export().verify();
    assert_eq!(found.faults.kept(), []);
    let said = |number, at| VerifiedWitness { key: outside(number).key().clone(), size: size(at), time: WITNESSED_S };
    let mut expected = vec![said(1, 100), said(2, ENTRIES)];
    expected.sort_by_key(|witness| witness.key.id());
    assert_eq!(found.logs[0].witnesses, expected);
    assert!(found.logs[1..].iter().all(|log| log.witnesses.is_empty()));
}

#[test]
fn a_witness_that_is_asked_for_must_have_cosigned_as_much_of_the_exporting_units_log_as_is_enough() {
    let files = World::new().export();
    let asking = |numbers: &[u8], enough: Enough| {
        let witnesses = numbers.iter().map(|number| outside(*number).key().clone()).collect();
        files.verify_as(&Asked { witnesses, enough, ..Asked::default() }).faults.kept().to_vec()
    };
    let name = |number| outside(number).key().name().clone();
    let lacking = Fault::Unwitnessed { unit: unit("BE"), witness: name(3) };
    // Unless it is said what is enough, all of it is.
    let little = Fault::WitnessedLittle {
        unit: unit("BE"),
        witness: name(1),
        size: size(100),
        time_s: WITNESSED_S,
        has: size(ENTRIES),
    };
    assert_eq!(asking(&[2], Enough::default()), []);
    assert_eq!(asking(&[1, 2, 3], Enough::default()), [little.clone(), lacking.clone()]);
    for (at, since, met) in [
        (Some(100), None, true),
        (Some(101), None, false),
        (None, Some(WITNESSED_S), true),
        (None, Some(WITNESSED_S + 1), false),
        (Some(100), Some(WITNESSED_S), true),
        (Some(101), Some(WITNESSED_S), false),
        (Some(100), Some(WITNESSED_S + 1), false),
    ] {
        let enough = Enough { size: at.map(size), since_s: since };
        let expected = if met { vec![] } else { vec![little.clone()] };
        assert_eq!(asking(&[1], enough), expected, "{enough:?}");
        assert_eq!(asking(&[3], enough), std::slice::from_ref(&lacking));
    }
}

#[test]
fn a_word_on_an_empty_log_is_none() {
    let (world, witness) = (World::new(), outside(5));
    let (key, _) = world.judge(&unit("BE")).keys(size(1)).unwrap();
    let checkpoint = Checkpoint { origin: key.name().clone(), size: Size::ZERO, root: Hash::EMPTY_ROOT };
    let signed = SignedCheckpoint::sign(checkpoint, &signer(&key)).unwrap();
    let word = Cosignature::sign(&signed.body(), WITNESSED_S, &witness).unwrap();
    let word = WitnessedCheckpoint::new(signed, witness.key().clone(), word).unwrap();
    let mut files = world.export();
    files.0.extend(witnessed_files(&unit("BE"), &[word]));
    files.sign();
    assert_eq!(files.verify().faults.kept(), []);
    let enough = Enough { size: Some(Size::ZERO), since_s: None };
    let asked = Asked { witnesses: vec![witness.key().clone()], enough, ..Asked::default() };
    let lacking = Fault::Unwitnessed { unit: unit("BE"), witness: witness.key().name().clone() };
    assert_eq!(files.verify_as(&asked).faults.kept(), [lacking]);
}

#[test]
fn a_word_on_another_tree_or_of_more_than_there_is_does_not_hold() {
    let (world, witness) = (World::new(), outside(5));
    let word = |at: u64, root: Hash| {
        let (key, _) = world.judge(&unit("BE")).keys(size(at)).unwrap();
        let checkpoint = Checkpoint { origin: key.name().clone(), size: size(at), root };
        let signed = SignedCheckpoint::sign(checkpoint, &signer(&key)).unwrap();
        let word = Cosignature::sign(&signed.body(), WITNESSED_S, &witness).unwrap();
        let word = WitnessedCheckpoint::new(signed, witness.key().clone(), word).unwrap();
        found_with(witnessed_files(&unit("BE"), &[word]))
    };
    let path = path(witness.key(), "checkpoint");
    let root = Fault::Root { path: path.clone(), unit: unit("BE"), size: size(90) };
    assert_eq!(word(90, Hash::of(b"another")), [root]);
    let beyond = Fault::WitnessedBeyond { path, size: size(ENTRIES + 1), has: size(ENTRIES) };
    assert_eq!(word(ENTRIES + 1, Hash::of(b"another")), [beyond]);
}

#[test]
fn a_key_of_the_network_or_of_another_kind_or_name_is_no_witnesss() {
    let world = World::new();
    let (whole, word) = (world.witnessed("BE", 100, 1), Note::parse(&world.witnessed("BE", 100, 1).to_note(), 1 << 16));
    let body = word.unwrap().text().to_owned();
    let key_file = path(whole.witness(), "vkey");
    let refused = |text: String| match &found_with([(key_file.clone(), text.into_bytes())])[..] {
        [Fault::WitnessKey { path, why }] if *path == key_file => *why,
        other => panic!("{other:?}"),
    };
    assert!(refused("no key\n".into()).contains("one line"));
    assert!(refused(format!("{}", whole.witness())).contains("one line"));
    assert!(refused(format!("{}\n", outside(2).key())).contains("another id"));
    let log_key = MemorySigner::from_seed("w.example".parse().unwrap(), Algorithm::Ed25519, &[9; 32]).unwrap();
    assert!(refused(format!("{}\n", log_key.key())).contains("no cosignatures"));

    // FR's mirror key under the name of a witness: its cosignature of this very checkpoint would hold.
    let (_, mirrors) = world.judge(&unit("BE")).keys(size(100)).unwrap();
    let mirror = mirrors.iter().find(|key| key.name().as_str().contains("/FR/")).unwrap();
    let posing = VerifierKey::new("witness.example/w9".parse().unwrap(), Algorithm::Cosignature, *mirror.public());
    let posing = posing.unwrap();
    let said = Cosignature::sign(&body, TIME_MS / 1_000, &signer(mirror)).unwrap();
    let signed = SignedCheckpoint::read(
        &Note::parse(&whole.to_note(), 1 << 16).unwrap(),
        &world.judge(&unit("BE")).keys(size(100)).unwrap().0,
    );
    let posed = WitnessedCheckpoint::new(signed.unwrap(), posing.clone(), said).unwrap();
    let found = found_with(witnessed_files(&unit("BE"), &[posed]));
    let why = "its key is one of a unit of the network, and no witness from outside";
    assert_eq!(found, [Fault::WitnessKey { path: path(&posing, "vkey"), why }]);
}

#[test]
fn every_line_and_file_of_a_witness_is_accounted_for() {
    let world = World::new();
    let word = world.witnessed("BE", 100, 1);
    let (note, key) = (path(word.witness(), "checkpoint"), path(word.witness(), "vkey"));
    let refused = |bytes: Vec<u8>, fault: WitnessedError| {
        let expected = Fault::Witnessed { path: note.clone(), fault: Box::new(fault) };
        assert_eq!(found_with([(note.clone(), bytes)]), [expected]);
    };
    let mut more = Note::parse(&word.to_note(), 1 << 16).unwrap();
    more.add(Cosignature::sign(more.text(), 1, &outside(2)).unwrap().to_line(outside(2).key())).unwrap();
    refused(more.to_bytes(), WitnessedError::Lines);
    let unsigned = WitnessedError::Word(NoteError::Unsigned(word.witness().name().clone()));
    refused(world.witnessed("BE", 100, 2).to_note(), unsigned);

    // One of the two files alone, and a third one.
    let mut files = world.export();
    files.0.remove(&key);
    files.sign();
    let found = files.verify().faults.kept().to_vec();
    assert!(matches!(&found[..], [Fault::Unreadable { path, .. }] if *path == key), "{found:?}");
    for stray in [path(word.witness(), "more"), "logs/BE/witnessed/notes/vkey".to_owned()] {
        assert_eq!(found_with([(stray.clone(), b"more".to_vec())]), [Fault::Foreign(stray)]);
    }
}

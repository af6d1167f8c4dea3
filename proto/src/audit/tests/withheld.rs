//! Exports that withhold payloads: all else verifies, nobody takes one for a whole one, and no whole one hides a payload.

use super::world::{ENTRIES, ERASED, InMemory, TURN, UNITS, World, entry, unit, unsound};
use crate::audit::{self, Asked, Fault, Manifest, ManifestError, Part, Payloads, part};
use crate::entry::Entry;
use crate::ids::{RecordId, Size};
use crate::record::RecordKind;
use crate::wire::record::Body;

fn accepted() -> Asked {
    Asked { withheld: true, ..Asked::default() }
}

fn id(of: &str, index: u64) -> RecordId {
    RecordId { unit: unit(of), index }
}

/// Every record of a log is withheld but two `Adopt`s and an `Erase`, and one is erased.
const WITHHELD: u64 = 8 * (ENTRIES - 4);

#[test]
fn all_but_the_list_verifies_without_what_records_say() {
    let world = World::new();
    let files = world.export_withheld();
    let found = files.verify_as(&accepted());
    assert_eq!(found.faults.kept(), []);
    assert_eq!((found.withheld, found.list.is_none()), (Some(WITHHELD), true));
    let whole = world.export().verify();
    assert_eq!(whole.withheld, None);
    for (log, whole) in found.logs.iter().zip(&whole.logs) {
        assert_eq!((log.size, log.root, log.times_ms), (whole.size, whole.root, whole.times_ms));
        assert_eq!((log.erased, log.withheld, &log.bridges), (1, ENTRIES - 4, &whole.bridges));
        let head = log.checkpoint.as_ref().unwrap();
        assert_eq!((head.version(), head.cosigners().len()), (2, UNITS.len() - 1));
    }
    // No target, and no reason, stands in any of its files.
    let said = |bytes: &Vec<u8>| {
        let text = String::from_utf8_lossy(bytes);
        ["domain:", "newspaper", "has read it"].iter().any(|words| text.contains(words))
    };
    assert!(world.export().0.values().any(said) && !files.0.values().any(said));
}

#[test]
fn it_is_a_fault_by_itself_unless_it_is_accepted() {
    let found = World::new().export_withheld().verify();
    assert_eq!(found.faults.kept(), [Fault::Withheld(WITHHELD)]);
    let words = found.faults.first().unwrap().to_string();
    assert!(words.contains(&WITHHELD.to_string()) && words.contains("list"), "{words}");
}

#[test]
fn it_does_not_pass_for_a_whole_one() {
    let mut files = World::new().export_withheld();
    files.sign_as(Payloads::All);
    for asked in [Asked::default(), accepted()] {
        let found = files.verify_as(&asked);
        assert_eq!(found.faults.kept().len(), UNITS.len());
        assert_eq!(found.faults.first(), Some(&Fault::Missing(id("BE", 1))));
        assert!(found.list.is_none());
    }
}

#[test]
fn a_whole_one_hides_no_payload() {
    let world = World::new();
    let mut files = world.export();
    let hidden: Vec<Entry> = (0..256)
        .map(|index| match &world.logs[&unit("FR")][index] {
            entry if index == 77 => entry.clone().without_body(),
            entry => entry.clone(),
        })
        .collect();
    let bundle = audit::BundleFiles::of(&hidden, Payloads::All);
    files.0.insert(part(&unit("FR"), Part::Payload, 0, 256), bundle.payload);
    files.sign();
    for asked in [Asked::default(), accepted()] {
        assert_eq!(files.verify_as(&asked).faults.kept(), [Fault::Missing(id("FR", 77))]);
    }
}

#[test]
fn what_should_be_withheld_and_is_there_is_named() {
    let world = World::new();
    let mut files = world.export_withheld();
    let rest = part(&unit("NL"), Part::Payload, 1, 6);
    files.0.insert(rest.clone(), world.export().0[&rest].clone());
    files.sign_as(Payloads::Withheld);
    let named: Vec<Fault> = (256..ENTRIES).map(|index| Fault::NotWithheld(id("NL", index))).collect();
    assert_eq!(files.verify_as(&accepted()).faults.kept(), named);
}

#[test]
fn keys_cannot_be_judged_beyond_an_adoption_that_is_withheld() {
    let world = World::new();
    let mut files = world.export_withheld();
    let mut log = world.logs[&unit("CA")][..256].to_vec();
    log[TURN as usize] = log[TURN as usize].clone().without_body();
    files.0.insert(part(&unit("CA"), Part::Payload, 0, 256), audit::BundleFiles::of(&log, Payloads::Withheld).payload);
    files.sign_as(Payloads::Withheld);
    let found = files.verify_as(&accepted());
    assert!(
        matches!(found.faults.first(), Some(Fault::Checkpoint { path, .. }) if *path == audit::checkpoint(&unit("CA"))),
        "{:?}",
        found.faults
    );
}

#[test]
fn only_records_without_a_field_for_a_text_are_shown() {
    let world = World::new();
    let log = &world.logs[&unit("BE")];
    for (index, shown) in [(0, true), (TURN, true), (ERASED.1, true), (7, false), (8, false), (9, false)] {
        let entry = &log[index as usize];
        assert_eq!(Payloads::Withheld.shows(entry), shown, "BE/{index}");
        assert!(Payloads::All.shows(entry));
    }
    let head = Body::AccessHead(crate::wire::AccessHead { epoch: 1, size: 2, root: vec![3; 32] });
    assert!(Payloads::Withheld.shows(&entry(1, 1, head)));
    let revoke = Body::Revoke(crate::wire::Revoke { spki_sha256: vec![1; 32], reason: "lost by its officer".into() });
    assert!(!Payloads::Withheld.shows(&entry(1, 1, revoke)));
    // Whatever lies in a payload that says nothing: its header alone makes it none of those.
    let text = bytes::Bytes::from_static(b"domain:victim.example");
    let posing = Entry::compose(RecordKind::Adopt.number(), 1, [1; 16], text).unwrap();
    assert!(!Payloads::Withheld.shows(&posing) && !Payloads::Withheld.shows(&unsound(1)));
}

#[test]
fn the_first_line_says_what_is_withheld() {
    let text = |files: &InMemory| String::from_utf8(files.0[audit::MANIFEST].clone()).unwrap();
    let files = World::new().export_withheld();
    assert!(text(&files).starts_with("entente/export-withheld@v1\nnode takedown.example/BE\nfiles "));
    assert!(text(&World::new().export()).starts_with("entente/export@v1\nnode takedown.example/BE\nfiles "));
    assert_eq!(Manifest::read(&files.0[audit::MANIFEST]).unwrap().0.payloads(), Payloads::Withheld);
    let other = text(&files).replacen("withheld", "payloads", 1);
    assert_eq!(Manifest::read(other.as_bytes()).unwrap_err(), ManifestError::Format);
    // Who says another kind than was signed is found out by the signature.
    let mut forged = files.clone();
    forged.0.insert(audit::MANIFEST.into(), text(&files).replacen("-withheld", "", 1).into_bytes());
    let found = forged.verify_as(&accepted());
    assert!(found.faults.kept().iter().any(|fault| matches!(fault, Fault::Exporter { .. })), "{:?}", found.faults);
}

#[test]
fn a_log_seen_in_one_kind_is_held_against_the_other() {
    let world = World::new();
    let before = world.logs.keys().map(|of| (of.clone(), world.note(of, 200, 0))).collect();
    let found = world.export_withheld().verify_as(&Asked { before, ..accepted() });
    assert_eq!(found.faults.kept(), []);
    let whole = world.export();
    let compared = audit::compare((&whole, &whole.verify()), (&world.export_withheld(), &found));
    assert_eq!(compared.faults, []);
    assert!(compared.logs.iter().all(|log| log.agrees && log.sizes == [Size::new(ENTRIES).unwrap(); 2]));
}

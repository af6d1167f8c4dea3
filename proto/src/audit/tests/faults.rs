//! Exports that were signed as they are, so that the manifest holds and everything else has to see the fault.

use super::world::{ENTRIES, ERASED, InMemory, TIME_MS, TURN, UNITS, World, entry, signer, unit, unsound};
use crate::audit::{self, Asked, Fault, Manifest, Part, Progress, part};
use crate::cosignature::Cosignature;
use crate::entry::EntryError;
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::list::{Fold, Frontier, Payloads};
use crate::note::{KeyName, Note, NoteSignature};
use crate::sync::JudgeError;

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

fn id(of: &str, index: u64) -> RecordId {
    RecordId { unit: unit(of), index }
}

fn checkpoint(of: &str) -> String {
    audit::checkpoint(&unit(of))
}

/// What is found once a file has these bytes and the manifest says so.
#[track_caller]
fn found_with(mut files: InMemory, path: &str, bytes: Vec<u8>) -> Vec<Fault> {
    assert_ne!(files.0.insert(path.to_owned(), bytes.clone()), Some(bytes));
    files.sign();
    files.verify().faults.kept().to_vec()
}

fn refused(of: &str, fault: JudgeError) -> Vec<Fault> {
    vec![Fault::Checkpoint { path: checkpoint(of), fault: Box::new(fault) }]
}

/// The payloads of a world.
pub(super) struct InWorld<'a>(pub(super) &'a World);

impl Payloads for InWorld<'_> {
    type Error = String;

    fn payload(&self, of: &UnitId, index: u64) -> Result<Option<(u64, bytes::Bytes)>, String> {
        let entry = &self.0.logs[of][index as usize];
        Ok(entry.payload().map(|payload| (entry.header().time_ms, payload.clone())))
    }
}

#[test]
fn an_export_holds_and_its_list_is_that_of_the_network() {
    let world = World::new();
    let mut told = Vec::new();
    let files = world.export();
    let found = audit::verify(&files, &audit::Alone, &Asked::default(), &mut |progress| told.push(progress));
    assert_eq!(found.faults.kept(), []);
    assert_eq!(found.network.as_deref(), Some("takedown.example"));
    assert_eq!(found.exporter, Some((unit("BE"), 1_700_000_100)));
    assert_eq!(found.charters.iter().map(|charter| charter.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found.charters[0].signed, Some((1_700_000_000, 1_700_000_000)));
    assert_eq!(told.last(), Some(&Progress { entries: 8 * ENTRIES, of: 8 * ENTRIES }));
    for log in &found.logs {
        assert_eq!((log.size, log.erased, log.set_aside, log.forked, log.faults), (size(ENTRIES), 1, 0, false, 0));
        assert_eq!(log.times_ms, Some((TIME_MS, TIME_MS + (ENTRIES - 1) * 60_000)));
        assert_eq!(log.bridges, [size(TURN + 1)]);
        let head = log.checkpoint.as_ref().unwrap();
        assert_eq!((head.version(), head.cosigners().len()), (2, UNITS.len() - 1));
    }

    let mut fold = Fold::under(&world.charters).unwrap();
    for (of, log) in &world.logs {
        for (index, entry) in (0..).zip(log) {
            let payload = entry.payload().map(|payload| &payload[..]);
            fold.apply(of, index, entry.header().kind, entry.header().time_ms, payload).unwrap();
        }
    }
    let logs = world.logs.keys().map(|of| (of.clone(), (size(ENTRIES), world.tree(of).root()))).collect();
    let frontier = Frontier { charter: world.charters.newest().digest(), logs };
    let list = found.list.unwrap();
    assert_eq!(list.digest, fold.digest(&frontier, &InWorld(&world)).unwrap());
    assert_eq!((list.counts, list.frontier), (fold.counts(), frontier));
}

#[test]
fn a_log_of_which_nothing_is_certified_has_keys_alone() {
    let mut files = World::new().export();
    files.0.retain(|path, _| !path.starts_with("logs/UK/") || path.ends_with("vkey") || path.ends_with("vkeys"));
    files.sign();
    let found = files.verify();
    // BE's witnesses are those of the second version, and a log without entries is in the first.
    assert_eq!(found.faults.kept(), [Fault::Keys("logs/UK/witness.vkeys".into())]);
    let first = World::new().judge(&unit("UK")).keys(Size::ZERO).unwrap().1;
    let lines: String = first.iter().map(|key| format!("{key}\n")).collect();
    files.0.insert("logs/UK/witness.vkeys".into(), lines.into_bytes());
    files.sign();
    let found = files.verify();
    assert_eq!(found.faults.kept(), []);
    assert!(found.logs.iter().any(|log| log.unit == unit("UK") && log.size == Size::ZERO && log.checkpoint.is_none()));
}

#[test]
fn a_checkpoint_needs_its_quorum_and_has_no_spare_line() {
    let world = World::new();
    let fr = unit("FR");
    let few = world.note(&fr, ENTRIES, 3);
    let path = checkpoint("FR");
    assert_eq!(
        found_with(world.export(), &path, few),
        [Fault::NotCertified { path: path.clone(), found: 4 }],
        "5 of 7 certify"
    );
    assert_eq!(found_with(world.export(), &path, world.note(&fr, ENTRIES, 2)), []);

    let whole = world.note(&fr, ENTRIES, 0);
    let mut spare = Note::parse(&whole, 1 << 16).unwrap();
    let name: KeyName = "takedown.example/XX/mirror".parse().unwrap();
    spare.add(NoteSignature { name: name.clone(), id: [1; 4], bytes: vec![1; 72] }).unwrap();
    assert_eq!(found_with(world.export(), &path, spare.to_bytes()), refused("FR", JudgeError::Stranger(name)));

    let (key, mut witnesses) = world.judge(&fr).keys(size(ENTRIES)).unwrap();
    witnesses.reverse();
    let turned = world.note_by(&fr, size(ENTRIES), &key, &witnesses);
    assert_eq!(found_with(world.export(), &path, turned), refused("FR", JudgeError::Order));
}

#[test]
fn keys_count_in_their_time_alone() {
    let world = World::new();
    let be = unit("BE");
    let judge = world.judge(&be);
    let ((old, _), (new, witnesses)) = (judge.keys(size(TURN)).unwrap(), judge.keys(size(ENTRIES)).unwrap());
    assert_ne!(old, new);
    let note = world.note_by(&be, size(ENTRIES), &old, &witnesses);
    let fault = JudgeError::Key { found: Box::new(old), expected: Box::new(new) };
    assert_eq!(found_with(world.export(), &checkpoint("BE"), note), refused("BE", fault));
    // FR's checkpoint with BE's mirror key of the first version.
    let fr = unit("FR");
    let judge = world.judge(&fr);
    let (key, old) = judge.keys(size(TURN)).unwrap();
    let note = world.note_by(&fr, size(ENTRIES), &key, &old);
    let stranger = refused("FR", JudgeError::Stranger("takedown.example/BE/mirror".parse().unwrap()));
    assert_eq!(found_with(world.export(), &checkpoint("FR"), note), stranger);
}

#[test]
fn each_change_of_charter_has_its_bridge_under_both() {
    let world = World::new();
    let (nl, bridge) = (unit("NL"), size(TURN + 1));
    let path = audit::bridge(&nl, bridge);
    let mut files = world.export();
    files.0.remove(&path);
    files.sign();
    assert_eq!(files.verify().faults.kept(), [Fault::BridgeMissing { unit: nl.clone(), size: bridge }]);

    // One short of a quorum under either version.
    let few = world.note(&nl, TURN + 1, 4);
    assert_eq!(found_with(world.export(), &path, few), [Fault::NotCertified { path: path.clone(), found: 4 }]);
    let elsewhere = world.note(&nl, TURN + 2, 0);
    assert_eq!(found_with(world.export(), &path, elsewhere), [Fault::NoBridge(path.clone())]);

    let mut files = world.export();
    let stray = audit::bridge(&nl, size(50));
    files.0.insert(stray.clone(), world.note(&nl, 50, 0));
    files.sign();
    assert_eq!(files.verify().faults.kept(), [Fault::NoBridge(stray)]);
}

#[test]
fn a_log_goes_on_from_the_base_that_the_charter_names() {
    let mut world = World::new();
    let be = unit("BE");
    let base = world.charters.newest().unit(&be).unwrap().base.unwrap();
    assert_eq!(base.size, size(TURN), "all other tests are about a log that does");
    let note = world.note(&be, ENTRIES, 0);
    world.logs.get_mut(&be).unwrap()[20] = unsound(TIME_MS + 20 * 60_000);
    let part_of = |path: &String| path.starts_with("logs/BE/tile/") || path.starts_with("logs/BE/payload/");
    let mut other = World::new().export();
    let mut altered = InMemory::default();
    world.export_bundles(&mut altered, &be, ENTRIES);
    other.0.retain(|path, _| !part_of(path));
    other.0.extend(altered.0.into_iter().filter(|(path, _)| part_of(path)));
    other.0.insert(checkpoint("BE"), note);
    other.sign();
    let faults = other.verify().faults.kept().to_vec();
    assert!(faults.contains(&Fault::Base { unit: be, size: size(TURN) }), "{faults:?}");
}

#[test]
fn a_checkpoint_that_is_a_bridge_needs_no_other() {
    let world = World::new();
    let mut files = world.export();
    files.0.retain(|path, _| !path.starts_with("logs/NL/"));
    world.export_log(&mut files, &unit("NL"), TURN + 1, None);
    files.0.remove(&audit::bridge(&unit("NL"), size(TURN + 1)));
    files.sign();
    assert_eq!(files.verify().faults.kept(), []);
}

#[test]
fn entries_that_the_author_did_not_sign_are_told() {
    let world = World::new();
    let mut other = world.clone();
    let ro = unit("RO");
    let body = crate::wire::record::Body::Withdraw(crate::wire::Withdraw { index: 3, reason: "another".into() });
    other.logs.get_mut(&ro).unwrap()[7] = entry(TIME_MS + 7 * 60_000, 7, body);
    let mut files = other.export();
    for (path, note) in [
        (checkpoint("RO"), world.note(&ro, ENTRIES, 0)),
        (audit::bridge(&ro, size(TURN + 1)), world.note(&ro, TURN + 1, 0)),
    ] {
        files.0.insert(path, note);
    }
    files.sign();
    let root = |path, of| Fault::Root { path, unit: ro.clone(), size: size(of) };
    let bridge = audit::bridge(&ro, size(TURN + 1));
    assert_eq!(files.verify().faults.kept(), [root(checkpoint("RO"), ENTRIES), root(bridge, TURN + 1)]);
    assert!(files.verify().list.is_none());
}

#[test]
fn what_is_missing_must_be_erased_and_what_is_erased_missing() {
    let (index, by) = ERASED;
    let mut world = World::new();
    let whole = World::new();
    let us = unit("US");
    // The payload of the erased record, which some node kept.
    let kept = crate::wire::record::Body::Refer(crate::wire::Refer {
        target: format!("domain:a{index}.us.example"),
        categories: vec![1],
        ..Default::default()
    });
    let log = world.logs.get_mut(&us).unwrap();
    log[index as usize] = entry(TIME_MS + index * 60_000, index, kept);
    assert_eq!(world.tree(&us).root(), whole.tree(&us).root(), "the same leaf");
    let fault = Fault::NotErased { id: id("US", index), by: id("US", by) };
    assert_eq!(world.export().verify().faults.kept(), [fault]);

    let mut world = World::new();
    let log = world.logs.get_mut(&us).unwrap();
    log[100] = log[100].without_body();
    assert_eq!(world.export().verify().faults.kept(), [Fault::Missing(id("US", 100))]);
}

#[test]
fn times_never_go_back_and_unsound_records_are_counted() {
    let mut world = World::new();
    let us = unit("US");
    let log = world.logs.get_mut(&us).unwrap();
    log[20] = unsound(TIME_MS + 20 * 60_000);
    let found = world.export().verify();
    assert_eq!(found.faults.kept(), []);
    assert_eq!(found.logs.last().unwrap().set_aside, 1);
    let (early, before) = (TIME_MS + 1, TIME_MS + 20 * 60_000);
    world.logs.get_mut(&us).unwrap()[21] = unsound(early);
    let fault = Fault::Time { id: id("US", 21), time_ms: early, before_ms: before };
    assert_eq!(world.export().verify().faults.kept(), [fault]);
}

#[test]
fn a_fault_in_an_entry_is_named_to_the_entry() {
    let world = World::new();
    let uk = unit("UK");
    let files = world.export();
    let payload = part(&uk, Part::Payload, 0, 256);
    let mut bytes = files.0[&payload].clone();
    // The opening of the first entry.
    bytes[4] ^= 1;
    let commitment = Fault::Entry { id: id("UK", 0), fault: EntryError::Commitment };
    assert_eq!(found_with(files.clone(), &payload, bytes), [commitment]);
    // The tile of the leaf hash of entry 258.
    let tile = part(&uk, Part::Hashes, 1, 6);
    let mut bytes = files.0[&tile].clone();
    bytes[2 * 32] ^= 1;
    assert_eq!(found_with(files.clone(), &tile, bytes), [Fault::Leaf { id: id("UK", 258), path: tile.clone() }]);
    // Leaves that end early.
    let leaves = part(&uk, Part::Entries, 1, 6);
    let mut bytes = files.0[&leaves].clone();
    bytes.pop();
    assert_eq!(found_with(files.clone(), &leaves, bytes), [Fault::Cut { id: id("UK", 261), path: leaves.clone() }]);
    let upper = audit::tile(&uk, 1, 0, 1);
    assert_eq!(found_with(files, &upper, vec![0; 32]), [Fault::Tile(upper.clone())]);
}

#[test]
fn the_charters_of_the_export_are_those_that_the_auditor_trusts() {
    let world = World::new();
    let files = world.export();
    let (first, newest) = (world.charters.version(1).unwrap().digest(), world.charters.newest().digest());
    let asked = |trusted, least| Asked { trusted, least, ..Asked::default() };
    assert_eq!(files.verify_as(&asked(vec![(1, first), (2, newest)], Some(2))).faults.kept(), []);
    let other = Hash::of(b"another network's");
    let fault = Fault::NotPinned { version: 1, digest: other };
    assert_eq!(files.verify_as(&asked(vec![(1, other)], None)).faults.kept(), [fault]);
    let old = Fault::TooOld { newest: 2, asked: 3 };
    assert_eq!(files.verify_as(&asked(Vec::new(), Some(3))).faults.kept(), [old]);
}

#[test]
fn a_charter_has_no_spare_line() {
    let files = World::new().export();
    let path = audit::charter(0, 2);
    let mut note = Note::parse(&files.0[&path], 1 << 20).unwrap();
    let name: KeyName = "takedown.example/XX/charter".parse().unwrap();
    note.add(NoteSignature { name, id: [1; 4], bytes: vec![1; 64] }).unwrap();
    assert_eq!(found_with(files, &path, note.to_bytes()), [Fault::CharterLines(path.clone())]);
}

#[test]
fn only_the_exporting_unit_signs_the_manifest() {
    let mut files = World::new().export();
    let (manifest, note) = Manifest::read(&files.0[audit::MANIFEST]).unwrap();
    assert_eq!(note.text(), manifest.text());
    let first = World::new().charters.version(1).unwrap().unit(&unit("BE")).unwrap().mirror_key.clone();
    for key in [first, World::new().charters.newest().unit(&unit("FR")).unwrap().mirror_key.clone()] {
        let line = Cosignature::sign(note.text(), 1, &signer(&key)).unwrap().to_line(&key);
        let mut forged = Note::draft(note.text().to_owned()).unwrap();
        forged.add(line).unwrap();
        files.0.insert(audit::MANIFEST.into(), forged.to_bytes());
        let found = files.verify();
        assert!(matches!(found.faults.kept(), [Fault::Exporter { .. }]), "{:?}", found.faults);
        assert_eq!(found.exporter, None);
    }
}

#[test]
fn what_no_export_has_is_refused_also_where_it_is_named() {
    let world = World::new();
    let mut files = world.export();
    files.0.insert("logs/BE/tile/entries/002".into(), vec![0]);
    files.sign();
    assert_eq!(files.verify().faults.kept(), [Fault::Foreign("logs/BE/tile/entries/002".into())]);
    let mut files = world.export();
    files.0.insert("notes.txt".into(), vec![0]);
    assert_eq!(files.verify().faults.kept(), [Fault::Stray("notes.txt".into())]);
}

#[test]
fn a_checkpoint_of_more_entries_than_any_disk_holds_is_not_followed() {
    let world = World::new();
    let fr = unit("FR");
    let (key, _) = world.judge(&fr).keys(size(ENTRIES)).unwrap();
    let said = crate::checkpoint::Checkpoint { origin: key.name().clone(), size: size(1 << 39), root: Hash::of(b"") };
    let signed = crate::checkpoint::SignedCheckpoint::sign(said, &signer(&key)).unwrap();
    let found = found_with(world.export(), &checkpoint("FR"), signed.to_note().to_bytes());
    assert_eq!(found.first(), Some(&Fault::Short { path: checkpoint("FR"), size: size(1 << 39) }));
}

#[test]
fn a_proven_fork_is_told_until_the_log_has_another_key() {
    let world = World::new();
    for (of, faults) in [("FR", 1), ("BE", 0)] {
        let of = unit(of);
        let mut other = world.clone();
        other.logs.get_mut(&of).unwrap()[50] = unsound(TIME_MS + 50 * 60_000);
        // Of BE's first key, which its new one took the place of.
        let (key, _) = world.judge(&of).keys(size(100)).unwrap();
        let notes = [&world, &other].map(|world| world.note_by(&of, size(100), &key, &[]));
        let [one, two] = notes.map(|note| (world.tree(&of), note).1);
        let roots = [&one, &two].map(|note| Note::parse(note, 1 << 16).unwrap().text().to_owned());
        let (smaller, larger) = if order(&roots[0]) < order(&roots[1]) { (one, two) } else { (two, one) };
        let proof = crate::wire::ForkProof { unit: of.to_string(), smaller, larger, consistency: Vec::new() };
        let versions: Vec<_> = world.charters.versions().map(AsRef::as_ref).collect();
        let proof = crate::fork::ForkProof::verify(&proof, &versions).unwrap();
        let mut files = world.export();
        world.export_log(&mut files, &of, ENTRIES, Some(&proof));
        files.sign();
        let found = files.verify();
        assert_eq!(found.faults.count(), faults);
        assert_eq!(found.forks, [proof]);
        assert!(found.logs.iter().any(|log| log.unit == of && log.forked));
        assert!(found.list.is_some(), "what is certified stays");
    }
}

fn order(body: &str) -> Hash {
    crate::checkpoint::Checkpoint::parse_body(body).unwrap().root
}

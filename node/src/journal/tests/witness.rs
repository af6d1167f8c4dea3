//! What was signed as a witness: never contradicted, never by a key of which something may be missing.

use entente_proto::note::{Algorithm, MemorySigner, Signer as _};
use entente_proto::witness::{Known, Origin};

use super::*;

fn public(seed: u8) -> entente_proto::note::VerifierKey {
    let name = "takedown.example/BE/witness".parse().unwrap();
    MemorySigner::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap().key().clone()
}

pub(super) fn key(seed: u8) -> JournalRecord {
    JournalRecord::WitnessKey(public(seed))
}

fn known(at: u64, root: u8, time: u64) -> Known {
    Known { size: size(at), root: Hash([root; 32]), time }
}

fn origin(of: &str) -> Origin {
    of.parse().unwrap()
}

/// Signed with a witness key, at the time 100 with the size added.
pub(super) fn witnessed(of: &str, at: u64, root: u8, seed: u8) -> JournalRecord {
    witnessed_at(of, known(at, root, 100 + at), seed)
}

fn witnessed_at(of: &str, known: Known, seed: u8) -> JournalRecord {
    JournalRecord::Witnessed(Witnessed { origin: origin(of), known, by: Some(*public(seed).public()) })
}

#[track_caller]
fn refused(journal: &mut Journal, records: &[JournalRecord]) -> Contradiction {
    match journal.append(records) {
        Err(AppendError::Contradiction(found)) => found,
        other => panic!("{records:?}: {other:?}"),
    }
}

#[test]
fn a_witness_never_contradicts_itself() {
    let home = Home::filled();
    let mut journal = home.open().unwrap().0;
    let back = |found| Contradiction::WitnessBack { origin: origin("log.example"), before: 7, found };
    let roots = |of, size| Contradiction::WitnessRoots { origin: origin(of), size };
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 6, 6, 1)]), back(6));
    let smaller = witnessed_at("log.example", known(6, 6, 200), 1);
    assert_eq!(refused(&mut journal, &[smaller]), back(6), "a smaller tree as of a later time");
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 7, 8, 1)]), roots("log.example", 7));
    let earlier = witnessed_at("log.example", known(8, 8, 106), 1);
    assert_eq!(refused(&mut journal, &[earlier]), back(8), "a larger tree as of an earlier time");
    let both = [witnessed("other log", 3, 3, 1), witnessed("other log", 3, 4, 1)];
    assert_eq!(refused(&mut journal, &both), roots("other log", 3));
    journal.append(&[witnessed("log.example", 7, 7, 1), witnessed("log.example", 9, 9, 1)]).unwrap();
    assert_eq!(home.memory().witnessed[&origin("log.example")], known(9, 9, 109));
}

#[test]
fn only_a_key_of_which_everything_is_known_signs() {
    let home = Home::new();
    let mut journal = home.create();
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 1, 1, 1)]), Contradiction::WitnessKey);
    journal.append(&[key(1), witnessed("log.example", 1, 1, 1)]).unwrap();
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 2, 2, 2)]), Contradiction::WitnessKey);
    // A new key takes its place, and is bound by what the old one signed.
    journal.append(&[key(2), witnessed("log.example", 2, 2, 2)]).unwrap();
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 3, 3, 1)]), Contradiction::WitnessKey);
    let roots = Contradiction::WitnessRoots { origin: origin("log.example"), size: 2 };
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 2, 9, 2)]), roots);
}

#[test]
fn a_new_key_is_bound_by_sizes_and_roots_and_begins_with_no_time() {
    let ahead = |seed| witnessed_at("log.example", known(5, 5, 2_208_988_800), seed);
    let now = |at, seed| witnessed_at("log.example", known(at, 5, 1_700_000_000), seed);
    for compacted in [false, true] {
        let home = Home::new();
        let mut journal = home.create();
        journal.append(&[key(1), ahead(1)]).unwrap();
        let back = Contradiction::WitnessBack { origin: origin("log.example"), before: 5, found: 6 };
        assert_eq!(refused(&mut journal, &[now(6, 1)]), back, "the same key");
        // In one append, and in the next.
        let roots = Contradiction::WitnessRoots { origin: origin("log.example"), size: 5 };
        let other = witnessed_at("log.example", known(5, 6, 1_700_000_000), 2);
        assert_eq!(refused(&mut journal, &[key(2), other.clone()]), roots);
        assert_eq!(refused(&mut journal, &[key(2), ahead(2), now(6, 2)]), back);
        journal.append(&[key(2)]).unwrap();
        if compacted {
            journal.compact().unwrap();
            drop(journal);
            journal = home.open().unwrap().0;
        }
        assert_eq!(home.memory().witnessed[&origin("log.example")], known(5, 5, 0));
        assert_eq!(refused(&mut journal, &[other]), roots);
        journal.append(&[now(5, 2)]).unwrap();
        journal.append(&[key(3), now(6, 3)]).unwrap();
        journal.compact().unwrap();
        assert_eq!(home.memory().witnessed[&origin("log.example")].time, 1_700_000_000, "the key's own time stays");
    }
}

#[test]
fn after_a_loss_the_witness_key_never_signs_again_and_a_new_one_may() {
    let lost = || JournalRecord::Lost("an old copy was put back".into());
    let regained = JournalRecord::Regained { size: size(9), signed: None };
    for compacted in [false, true] {
        let home = Home::filled();
        let mut journal = home.open().unwrap().0;
        let refused_in = refused(&mut journal, &[lost(), witnessed("log.example", 8, 8, 1)]);
        assert_eq!(refused_in, Contradiction::WitnessKey, "not in one append, either");
        journal.append(&[lost()]).unwrap();
        for regained in [None, Some(regained.clone())] {
            journal.append(regained.as_slice()).unwrap();
            if compacted {
                journal.compact().unwrap();
                drop(journal);
                journal = home.open().unwrap().0;
            }
            assert_eq!(refused(&mut journal, &[witnessed("log.example", 8, 8, 1)]), Contradiction::WitnessKey);
            let memory = home.memory();
            assert_eq!((&memory.witness, memory.witnessed.len()), (&None, 1), "what is known goes on to bind");
        }
        journal.append(&[key(2), witnessed("log.example", 8, 8, 2)]).unwrap();
        journal.append(&[lost(), key(3)]).unwrap();
        if compacted {
            journal.compact().unwrap();
        }
        assert_eq!(home.memory().witness, Some(public(3)), "made after the loss, so nothing of it is lost");
    }
}

#[test]
fn compaction_keeps_what_was_signed_as_a_witness() {
    let home = Home::filled();
    let mut journal = home.open().unwrap().0;
    for at in 8..20 {
        journal.append(&[witnessed("log.example", at, 1, 1)]).unwrap();
    }
    let before = home.memory();
    journal.compact().unwrap();
    let after = home.memory();
    assert_eq!((&after.witness, &after.witnessed), (&before.witness, &before.witnessed));
    let back = Contradiction::WitnessBack { origin: origin("log.example"), before: 19, found: 18 };
    assert_eq!(refused(&mut journal, &[witnessed("log.example", 18, 1, 1)]), back);
    journal.append(&[witnessed("log.example", 20, 2, 1)]).unwrap();
}

#[test]
fn a_journal_that_was_replaced_vouches_for_no_witness_key() {
    for damaged in [false, true] {
        let home = Home::filled();
        if damaged {
            let mut bytes = fs::read(home.path()).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            home.write(&bytes);
        } else {
            fs::remove_file(home.path()).unwrap();
        }
        Journal::replace_lost(&home.path(), &network(), &unit("BE"), "it was missing".into()).unwrap();
        let (mut journal, memory) = home.open().unwrap();
        assert_eq!(memory.witness, None);
        assert_eq!(refused(&mut journal, &[witnessed("log.example", 90, 1, 1)]), Contradiction::WitnessKey);
    }
}

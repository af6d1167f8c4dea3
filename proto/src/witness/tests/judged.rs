//! What is signed, and every way to be refused.

use super::world::{Log, NOW, ORIGIN, add, noted, signer, size, witness_key};
use crate::hash::Hash;
use crate::note::{NoteError, Signer};
use crate::tree::ProofError;
use crate::witness::{AddCheckpoint, LogKeys, LogLineError, Refusal, Witness};

fn refused(witness: &mut Witness, logs: &LogKeys, call: &AddCheckpoint) -> Refusal {
    let before = witness.known().clone();
    let refusal = add(witness, logs, call, NOW).unwrap_err();
    assert_eq!(*witness.known(), before, "what is refused changes nothing");
    refusal
}

#[test]
fn every_step_of_a_growing_log_is_signed_and_no_other() {
    let (log, other) = (Log::new(20, "one"), Log::new(20, "other"));
    let logs = log.known();
    for old in 0..=20 {
        for new in 0..=20 {
            let mut witness = Witness::default();
            add(&mut witness, &logs, &log.call(0, old), NOW).unwrap();
            if new < old {
                let call = log.call_with(old, new, &[]);
                let ahead = Refusal::OldAhead { old: size(old), size: size(new) };
                assert_eq!((refused(&mut witness, &logs, &call), ahead.status()), (ahead.clone(), 400));
                continue;
            }
            // The same tree is extended; another is not, whatever proof comes with it.
            let call = other.call(old, new);
            if old > 0 {
                let refusal = refused(&mut witness, &logs, &call);
                assert_eq!(refusal.status(), if old == new { 409 } else { 422 }, "{old} {new} {refusal}");
                let call = other.call_with(old, new, &log.proof(old, new));
                assert!(refused(&mut witness, &logs, &call).status() >= 409);
            }
            add(&mut witness, &logs, &log.call(old, new), NOW).unwrap();
            assert_eq!(witness.known()[&ORIGIN.parse().unwrap()].root, log.root(new));
        }
    }
}

#[test]
fn an_unknown_origin_is_not_found_before_anything_else_is_looked_at() {
    let log = Log::new(5, "one");
    let unknown = refused(&mut Witness::default(), &LogKeys::default(), &log.call_with(9, 5, &[]));
    assert_eq!((&unknown, unknown.status(), unknown.known()), (&Refusal::UnknownOrigin, 404, None));
    // A log's name is its origin, not the name of its key.
    let by_name = LogKeys::parse(&log.key.key().to_string()).unwrap();
    assert_eq!(refused(&mut Witness::default(), &by_name, &log.call(0, 5)), Refusal::UnknownOrigin);
}

#[test]
fn only_a_known_key_speaks_for_an_origin() {
    let (mut witness, log) = (Witness::default(), Log::new(5, "one"));
    let logs = log.known();
    let (body, stranger) = (log.body(5), signer("log.example/key", 2));
    let call = |note: &[u8]| AddCheckpoint::parse(&AddCheckpoint::compose(size(0), &[], note)).unwrap();
    let unsigned = refused(&mut witness, &logs, &call(&noted(&body, &[&stranger, &witness_key(3)])));
    assert_eq!((&unsigned, unsigned.status()), (&Refusal::Unsigned, 403));
    // The right name and id over another text.
    let mut note = String::from_utf8(noted(&body, &[&stranger])).unwrap();
    let false_line = String::from_utf8(log.note(4)).unwrap();
    note.push_str(false_line.lines().last().unwrap());
    note.push('\n');
    let bad = refused(&mut witness, &logs, &call(note.as_bytes()));
    let expected = Refusal::BadSignature(NoteError::BadSignature(log.key.key().name().clone()));
    assert_eq!((&bad, bad.status()), (&expected, 403));
    // The known key among others, and twice, is enough.
    let note = noted(&body, &[&stranger, &log.key, &log.key, &witness_key(3)]);
    assert_eq!(add(&mut witness, &logs, &call(&note), NOW), Ok(NOW));
}

#[test]
fn several_keys_may_speak_for_an_origin_one_of_them_a_cosigners() {
    let (log, second) = (Log::new(5, "one"), witness_key(7));
    let list = format!("# two keys\n\n{} {ORIGIN}\n  {} {ORIGIN}  \n", log.key.key(), second.key());
    let logs = LogKeys::parse(&list).unwrap();
    assert_eq!(logs.origins().count(), 1);
    for signer in [&log.key, &second] {
        let note = noted(&log.body(3), &[signer]);
        let call = AddCheckpoint::parse(&AddCheckpoint::compose(size(0), &[], &note)).unwrap();
        assert_eq!(add(&mut Witness::default(), &logs, &call, NOW), Ok(NOW));
    }
}

#[test]
fn whoever_names_another_old_size_is_told_the_right_one() {
    let (mut witness, log) = (Witness::default(), Log::new(9, "one"));
    let logs = log.known();
    let conflict = refused(&mut witness, &logs, &log.call(3, 5));
    let expected = Refusal::Conflict { known: size(0), old: size(3) };
    assert_eq!((&conflict, conflict.status(), conflict.known()), (&expected, 409, Some(size(0))));
    add(&mut witness, &logs, &log.call(0, 5), NOW).unwrap();
    for old in [0, 4, 6] {
        let conflict = refused(&mut witness, &logs, &log.call(old, 9));
        assert_eq!((conflict.status(), conflict.known()), (409, Some(size(5))), "{old}");
    }
    // An older checkpoint, honestly asked for: what is newer was signed.
    assert_eq!(refused(&mut witness, &logs, &log.call(0, 3)).known(), Some(size(5)));
}

#[test]
fn a_second_root_for_one_size_is_a_conflict() {
    let (mut witness, log, other) = (Witness::default(), Log::new(9, "one"), Log::new(9, "other"));
    let logs = log.known();
    add(&mut witness, &logs, &log.call(0, 5), NOW).unwrap();
    let refusal = refused(&mut witness, &logs, &other.call(5, 5));
    assert_eq!((&refusal, refusal.status(), refusal.known()), (&Refusal::OtherRoot(size(5)), 409, Some(size(5))));
}

#[test]
fn a_proof_that_is_short_long_altered_or_not_due_does_not_hold() {
    let (mut witness, log) = (Witness::default(), Log::new(15, "one"));
    let logs = log.known();
    let due = refused(&mut witness, &logs, &log.call_with(0, 5, &[Hash::of(b"")]));
    assert_eq!((&due, due.status()), (&Refusal::Inconsistent(ProofError::Long), 422));
    add(&mut witness, &logs, &log.call(0, 7), NOW).unwrap();
    let proof = log.proof(7, 15);
    let mut altered = proof.clone();
    altered[1].0[3] ^= 1;
    let long = [&proof[..], &[Hash::of(b"")]].concat();
    for wrong in [&proof[1..], &proof[..proof.len() - 1], &altered, &long, &[]] {
        assert_eq!(refused(&mut witness, &logs, &log.call_with(7, 15, wrong)).status(), 422);
    }
    add(&mut witness, &logs, &log.call(7, 15), NOW).unwrap();
}

#[test]
fn an_empty_log_has_one_root() {
    let (log, logs) = (Log::new(1, "one"), Log::new(1, "one").known());
    let mut witness = Witness::default();
    add(&mut witness, &logs, &log.call(0, 0), NOW).unwrap();
    let body = log.body(1).replace("\n1\n", "\n0\n");
    let note = noted(&body, &[&log.key]);
    let call = AddCheckpoint::parse(&AddCheckpoint::compose(size(0), &[], &note)).unwrap();
    assert_eq!(refused(&mut witness, &logs, &call), Refusal::OtherRoot(size(0)));
    add(&mut witness, &logs, &log.call(0, 1), NOW).unwrap();
}

#[test]
fn what_was_signed_is_signed_again_and_its_time_never_goes_back() {
    let (mut witness, log) = (Witness::default(), Log::new(9, "one"));
    let logs = log.known();
    assert_eq!(add(&mut witness, &logs, &log.call(0, 5), NOW), Ok(NOW));
    // Whoever sends it again and again has nothing new written.
    let again = witness.judge(&logs, &log.call(5, 5), NOW + 59).unwrap();
    assert_eq!((again.known.time, again.is_new), (NOW, false));
    let later = witness.judge(&logs, &log.call(5, 5), NOW + 60).unwrap();
    assert_eq!((later.known.time, later.is_new), (NOW + 60, true));
    witness.take(&later);
    // The clock went back: with an earlier time on it, the larger tree would belie what was said of the smaller.
    assert_eq!(add(&mut witness, &logs, &log.call(5, 9), NOW - 100), Ok(NOW + 60));
    // That an empty log was seen is something new, too.
    assert!(Witness::default().judge(&logs, &log.call(0, 0), NOW).unwrap().is_new);
}

#[test]
fn nothing_is_signed_while_the_time_of_what_was_signed_has_not_come() {
    let (mut witness, log) = (Witness::default(), Log::new(9, "one"));
    let logs = log.known();
    // Its clock was wrong once.
    let wrong = NOW + 500_000_000;
    assert_eq!(add(&mut witness, &logs, &log.call(0, 5), wrong), Ok(wrong));
    for call in [log.call(5, 5), log.call(5, 9)] {
        let ahead = refused(&mut witness, &logs, &call);
        assert_eq!((&ahead, ahead.status()), (&Refusal::Ahead(500_000_000), 503));
    }
    // What is wrong with a call is told first.
    assert_eq!(refused(&mut witness, &logs, &log.call(0, 5)).known(), Some(size(5)));
    let ahead = witness.judge(&logs, &log.call(5, 9), wrong - 301).unwrap_err();
    assert_eq!(ahead, Refusal::Ahead(301));
    // Clocks differ by a few minutes; and the time comes.
    assert_eq!(witness.judge(&logs, &log.call(5, 9), wrong - 300).unwrap().known.time, wrong);
    assert_eq!(add(&mut witness, &logs, &log.call(5, 9), wrong + 1), Ok(wrong + 1));
}

#[test]
fn extension_lines_are_signed_as_they_are_and_say_nothing() {
    let mut log = Log::new(9, "one");
    let logs = log.known();
    let mut witness = Witness::default();
    log.extension = "an extension\nof two lines\n";
    let accepted = witness.judge(&logs, &log.call(0, 5), NOW).unwrap();
    assert_eq!(accepted.body, log.body(5));
    witness.take(&accepted);
    log.extension = "another one\n";
    let accepted = witness.judge(&logs, &log.call(5, 5), NOW).unwrap();
    assert_eq!(accepted.body, log.body(5), "it is the tree that must not change");
}

#[test]
fn a_list_of_logs_with_a_line_that_says_nothing_sound_is_refused_with_its_number() {
    let key = signer("log.example/key", 1).key().to_string();
    let wrong = |text: &str| LogKeys::parse(text).unwrap_err();
    assert!(matches!(wrong(&format!("{key}\nno key\n")), LogLineError::Key(2, _)));
    assert!(matches!(wrong(&format!("{key} {}", "x".repeat(1_025))), LogLineError::Origin(1, _)));
    let many: String = (0..10_001).map(|number| format!("{key} log {number}\n")).collect();
    assert_eq!(wrong(&many), LogLineError::TooMany(10_001));
}

//! Charters that make logs go on from a base: what replaces what was signed.

use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer as _};

use super::*;

fn replaced(of: &str, at: u64, root: u8, charter: u8) -> JournalRecord {
    let charter = Hash([charter; 32]);
    JournalRecord::Replaced { unit: unit(of), size: size(at), root: Hash([root; 32]), charter }
}

fn stopped(of: &str) -> JournalRecord {
    stopped_under(of, 7)
}

fn stopped_under(of: &str, key: u8) -> JournalRecord {
    let name = KeyName::log(&network(), &unit(of));
    let key = MemorySigner::from_seed(name, Algorithm::Ed25519, &[key; 32]).unwrap().key().clone();
    JournalRecord::Stopped { unit: unit(of), key }
}

#[test]
fn a_log_is_stopped_under_every_key_that_it_may_turn_to() {
    let home = Home::filled();
    let (mut journal, _) = home.open().unwrap();
    journal.append(&[stopped_under("FR", 7), stopped_under("FR", 8), stopped_under("FR", 7)]).unwrap();
    assert_eq!(home.memory().stopped[&unit("FR")].len(), 2);
    journal.compact().unwrap();
    assert_eq!(home.memory().stopped[&unit("FR")].len(), 2);
    journal.append(&[replaced("FR", 8, 80, 1)]).unwrap();
    assert!(home.memory().stopped.is_empty());
}

#[test]
fn a_base_replaces_what_was_cosigned_beyond_it_once_for_each_charter() {
    let home = Home::filled();
    let (mut journal, _) = home.open().unwrap();
    journal.append(&[stopped("FR")]).unwrap();
    assert!(home.memory().stopped.contains_key(&unit("FR")));
    // FR's log was cosigned at 9 entries, and goes on from 8.
    journal.append(&[replaced("FR", 8, 80, 1)]).unwrap();
    let memory = home.memory();
    assert!(!memory.cosigned.contains_key(&unit("FR")) && memory.stopped.is_empty());
    assert_eq!(memory.bounds[&unit("FR")], (size(8), Hash([80; 32])));
    let again = journal.append(&[replaced("FR", 8, 80, 1)]);
    assert!(matches!(again, Err(AppendError::Contradiction(Contradiction::Replaced(of))) if of == unit("FR")));
    assert!(journal.append(&[cosigned("FR", 7, 7)]).is_err(), "nothing below the base");
    journal.append(&[cosigned("FR", 9, 90)]).unwrap();
    assert!(journal.append(&[cosigned("FR", 9, 91)]).is_err(), "nor beside what is cosigned since");
}

#[test]
fn a_base_replaces_own_entries_and_checkpoints_beyond_it() {
    let home = Home::filled();
    let (mut journal, _) = home.open().unwrap();
    journal.append(&[replaced("BE", 2, 20, 1), outbox(7)]).unwrap();
    let memory = home.memory();
    assert_eq!((memory.own_size(), memory.certified, memory.entries.len()), (2, size(2), 0));
    assert_eq!((memory.signed, memory.checkpoint), (Some((size(2), Hash([20; 32]))), None));
    assert_eq!(memory.outbox.back().unwrap().id, [7; 16]);
    assert!(journal.append(&[own(3)]).is_err());
    journal.append(&[own(2), checkpoint(3, 30)]).unwrap();
    assert!(journal.append(&[checkpoint(3, 31)]).is_err());
}

#[test]
fn compaction_keeps_that_a_base_was_taken_and_what_was_said_since() {
    let home = Home::filled();
    let (mut journal, _) = home.open().unwrap();
    journal.append(&[charter(2, 9), replaced("BE", 2, 20, 9), replaced("FR", 8, 80, 9)]).unwrap();
    for since in [vec![], vec![own(2), checkpoint(3, 30), cosigned("FR", 9, 90)], vec![stopped("NL")]] {
        journal.append(&since).unwrap();
        let before = content(&home.memory());
        journal.compact().unwrap();
        assert_eq!(content(&home.memory()), before);
        assert!(journal.append(&[replaced("BE", 2, 20, 9)]).is_err());
    }
    assert_eq!((home.memory().own_size(), home.memory().entries.len()), (3, 1));
}

#[test]
fn a_new_key_is_known_to_be_unused_only_if_it_was_given_after_the_loss() {
    let home = Home::filled();
    let (mut journal, _) = home.open().unwrap();
    journal.append(&[JournalRecord::Lost("a restored backup".into())]).unwrap();
    journal.append(&[replaced("BE", 2, 20, 8)]).unwrap();
    assert!(!home.memory().rekeyed, "this journal does not know of that charter");
    journal.append(&[charter(3, 9), replaced("BE", 2, 20, 9), stopped("BE")]).unwrap();
    let before = home.memory();
    assert!(before.rekeyed);
    // It is known after a compaction too, with all else.
    journal.compact().unwrap();
    let after = home.memory();
    assert!(after.rekeyed);
    assert_eq!((&after.lost, after.signed, after.certified), (&before.lost, before.signed, before.certified));
    assert_eq!((&after.stopped, &after.replaced), (&before.stopped, &before.replaced));
    assert_eq!((after.own_size(), content(&after)), (2, content(&before)));
    journal.append(&[JournalRecord::Lost("a second loss".into())]).unwrap();
    assert!(!home.memory().rekeyed);
}

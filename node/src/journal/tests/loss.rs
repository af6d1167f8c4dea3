//! A journal that does not know all that was signed, says so, and learns it again.

use super::*;

fn lost() -> JournalRecord {
    JournalRecord::Lost("the disk was replaced".into())
}

fn bound(of: &str, at: u64, root: u8) -> JournalRecord {
    JournalRecord::Bound { unit: unit(of), size: size(at), root: Hash([root; 32]) }
}

fn regained(at: u64, signed: Option<(u64, u8)>) -> JournalRecord {
    let signed = signed.map(|(at, root)| (size(at), Hash([root; 32])));
    JournalRecord::Regained { size: size(at), signed }
}

fn refused(journal: &mut Journal, records: &[JournalRecord]) -> Contradiction {
    match journal.append(records) {
        Err(AppendError::Contradiction(found)) => found,
        other => panic!("{records:?}: {other:?}"),
    }
}

#[test]
fn nothing_of_the_own_log_is_signed_between_a_loss_and_its_end() {
    let home = Home::filled();
    let mut journal = home.open().unwrap().0;
    assert_eq!(refused(&mut journal, &[regained(9, None)]), Contradiction::NotLost);
    journal.append(&[lost()]).unwrap();
    assert_eq!(home.memory().lost.as_deref(), Some("the disk was replaced"));
    assert_eq!(refused(&mut journal, &[own(3)]), Contradiction::Lost);
    assert_eq!(refused(&mut journal, &[checkpoint(3, 3)]), Contradiction::Lost);
    let back = |of, before, found| Contradiction::Back { unit: unit(of), before, found };
    assert_eq!(refused(&mut journal, &[regained(2, None)]), back("BE", 3, 2));
    // What is submitted meanwhile waits, and others' logs may be cosigned.
    journal.append(&[outbox(7), cosigned("FR", 10, 1)]).unwrap();
    journal.append(&[bound("UK", 5, 5), regained(8, Some((6, 6)))]).unwrap();
    let memory = home.memory();
    assert_eq!((memory.lost.clone(), memory.own_size()), (None, 8));
    assert_eq!((memory.signed, memory.checkpoint.is_none()), (Some((size(6), Hash([6; 32]))), true));
    assert_eq!(memory.bounds.get(&unit("UK")), Some(&(size(5), Hash([5; 32]))));
    assert_eq!(refused(&mut journal, &[checkpoint(5, 5)]), back("BE", 6, 5));
    assert_eq!(refused(&mut journal, &[cosigned("UK", 4, 4)]), back("UK", 5, 4));
    assert_eq!(refused(&mut journal, &[cosigned("UK", 5, 4)]), Contradiction::TwoRoots { unit: unit("UK"), size: 5 });
    journal.append(&[own(8), checkpoint(9, 9), cosigned("UK", 5, 5)]).unwrap();
}

#[test]
fn compaction_keeps_a_loss_and_what_came_of_it() {
    for records in [vec![lost()], vec![lost(), bound("UK", 5, 5), bound("FR", 20, 2), regained(8, Some((6, 6)))]] {
        let home = Home::filled();
        let mut journal = home.open().unwrap().0;
        journal.append(&records).unwrap();
        let before = home.memory();
        journal.compact().unwrap();
        drop(journal);
        let after = home.memory();
        assert_eq!((after.lost, after.signed, after.bounds), (before.lost, before.signed, before.bounds));
        assert_eq!((after.certified, after.entries.len()), (before.certified, before.entries.len()));
        assert_eq!(after.cosigned, before.cosigned);
    }
}

#[test]
fn a_missing_journal_is_replaced_by_one_that_says_so() {
    let home = Home::new();
    let aside = Journal::replace_lost(&home.path(), &network(), &unit("BE"), "it was missing".into()).unwrap();
    assert_eq!(aside, None);
    assert_eq!(home.memory().lost.as_deref(), Some("it was missing"));
}

#[test]
fn what_can_be_read_of_a_damaged_journal_goes_into_the_new_one() {
    let home = Home::filled();
    let mut journal = home.open().unwrap().0;
    let submitted = |index: u64| {
        let payload = Bytes::from(format!("late {index}"));
        let entry = Entry::compose(1, 2_000, [1; 16], payload).unwrap();
        JournalRecord::OwnEntry(OwnEntry { index, entry, submission: Some([100 + index as u8; 16]) })
    };
    journal.append(&[submitted(3)]).unwrap();
    let whole = journal.file_bytes();
    journal.append(&[submitted(4)]).unwrap();
    journal.append(&[submitted(5)]).unwrap();
    drop(journal);
    let mut bytes = fs::read(home.path()).unwrap();
    bytes[whole as usize + 20] ^= 1;
    fs::write(home.path(), &bytes).unwrap();
    assert!(matches!(home.open(), Err(JournalError::Damaged { .. })));

    let aside = Journal::replace_lost(&home.path(), &network(), &unit("BE"), "it was damaged".into()).unwrap().unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes, "the damaged one is kept as it was");
    let memory = home.memory();
    assert_eq!((memory.lost.as_deref(), memory.own_size()), (Some("it was damaged"), 0));
    assert_eq!(memory.bounds.get(&unit("FR")), Some(&(size(9), Hash([9; 32]))));
    assert_eq!(memory.charters.get(&1), Some(&Hash([1; 32])));
    // What was acknowledged is submitted again, the oldest first.
    let ids: Vec<u8> = memory.outbox.iter().map(|submission| submission.id[0]).collect();
    assert!(ids.contains(&103) && ids.contains(&1), "{ids:?}");
    assert!(!ids.contains(&104));
}

#[test]
fn a_node_that_is_killed_while_it_replaces_its_journal_loses_nothing_of_what_can_be_read() {
    let home = Home::filled();
    let mut bytes = fs::read(home.path()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(home.path(), &bytes).unwrap();
    let replace = || Journal::replace_lost(&home.path(), &network(), &unit("BE"), "it was damaged".into());
    // Killed when the damaged one has its second name and the new one is written.
    file::keep_as(&home.path(), &home.directory.path().join("journal.damaged-1")).unwrap();
    home.write_beside("journal.new", b"a new one");
    let aside = replace().unwrap().unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes);
    let memory = home.memory();
    assert_eq!(memory.bounds.get(&unit("FR")), Some(&(size(9), Hash([9; 32]))));
    assert_eq!(memory.charters.get(&1), Some(&Hash([1; 32])));
    assert!(memory.outbox.iter().any(|waiting| waiting.id == [1; 16]));
}

#[test]
fn a_journal_of_another_unit_is_not_replaced() {
    let home = Home::filled();
    let before = fs::read(home.path()).unwrap();
    let other = Journal::replace_lost(&home.path(), &network(), &unit("FR"), "why".into());
    assert!(matches!(other, Err(JournalError::Foreign { .. })), "{other:?}");
    assert_eq!(fs::read(home.path()).unwrap(), before);
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};

use bytes::Bytes;
use tempfile::TempDir;

use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};

use super::*;

mod base;
mod loss;
mod witness;

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

fn own(index: u64) -> JournalRecord {
    let payload = Bytes::from(format!("payload {index}"));
    let entry = Entry::compose(1, 1_000 + index, [u8::try_from(index % 250).unwrap(); 16], payload).unwrap();
    JournalRecord::OwnEntry(OwnEntry { index, entry, submission: index.is_multiple_of(2).then_some([9; 16]) })
}

fn checkpoint(at: u64, root: u8) -> JournalRecord {
    let note = Bytes::from(format!("checkpoint {at}"));
    JournalRecord::OwnCheckpoint(OwnCheckpoint { size: size(at), root: Hash([root; 32]), note })
}

fn cosigned(of: &str, at: u64, root: u8) -> JournalRecord {
    JournalRecord::Cosigned(Cosigned {
        unit: unit(of),
        size: size(at),
        root: Hash([root; 32]),
        time: 1_524_640_000,
        signature: [3; 64],
        fingerprint: Hash([4; 32]),
    })
}

fn outbox(id: u8) -> JournalRecord {
    JournalRecord::Outbox(Submission { id: [id; 16], record: Bytes::from(vec![id; 5]) })
}

fn charter(version: u64, digest: u8) -> JournalRecord {
    JournalRecord::CharterSigned { version, digest: Hash([digest; 32]) }
}

/// Appends that use every kind of record.
fn appends() -> Vec<Vec<JournalRecord>> {
    vec![
        vec![charter(1, 1)],
        vec![own(0), checkpoint(1, 1)],
        vec![cosigned("FR", 7, 7), cosigned("NL", 3, 3)],
        vec![outbox(1), outbox(2), outbox(3)],
        vec![own(1), JournalRecord::OutboxTaken([2; 16])],
        vec![checkpoint(2, 2), cosigned("FR", 9, 9)],
        vec![JournalRecord::OwnCertified(size(1))],
        vec![witness::key(1), witness::witnessed("log.example", 7, 7, 1)],
        vec![own(2)],
    ]
}

struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    fn create(&self) -> Journal {
        Journal::create(&self.path(), &network(), &unit("BE")).unwrap()
    }

    fn open(&self) -> Result<(Journal, Memory), JournalError> {
        Journal::open(&self.path(), &network(), &unit("BE"))
    }

    fn memory(&self) -> Memory {
        self.open().unwrap().1
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn write_beside(&self, name: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    fn filled() -> Self {
        let home = Self::new();
        let mut journal = home.create();
        for records in appends() {
            journal.append(&records).unwrap();
        }
        home
    }
}

fn content(memory: &Memory) -> Vec<JournalRecord> {
    memory.clone().snapshot().collect()
}

#[test]
fn what_was_appended_is_remembered() {
    let memory = Home::filled().memory();
    assert_eq!(memory.entries.iter().map(|own| own.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(JournalRecord::OwnEntry(memory.entries[1].clone()), own(2));
    assert_eq!((memory.own_size(), memory.certified), (3, size(1)));
    assert_eq!(memory.checkpoint.as_ref().unwrap().note, "checkpoint 2");
    assert_eq!(
        memory.cosigned.values().map(|c| (c.unit.as_str(), c.size.get())).collect::<Vec<_>>(),
        [("FR", 9), ("NL", 3)]
    );
    assert_eq!(memory.outbox.iter().map(|s| s.id[0]).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(memory.charters[&1], Hash([1; 32]));
    assert_eq!(memory.cut_bytes, 0);
}

#[test]
fn only_create_makes_a_journal_and_never_over_another() {
    let home = Home::new();
    assert!(matches!(home.open(), Err(JournalError::Missing(_))));
    assert!(!home.path().exists());
    drop(home.create());
    assert!(matches!(Journal::create(&home.path(), &network(), &unit("BE")), Err(JournalError::Exists(_))));
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(content(&home.memory()).is_empty());
}

#[test]
fn a_journal_of_another_unit_network_or_release_is_refused() {
    let home = Home::filled();
    let open = |network: &str, id: &str| Journal::open(&home.path(), &network.parse().unwrap(), &unit(id));
    assert!(
        matches!(open("takedown.example", "FR"), Err(JournalError::Foreign { found, .. }) if found == "takedown.example/BE")
    );
    assert!(matches!(open("other.example", "BE"), Err(JournalError::Foreign { .. })));

    let mut newer = file::header(&network(), &unit("BE"));
    newer[19] = 2;
    let end = newer.len() - 4;
    let sum = crc32fast::hash(&newer[..end]).to_be_bytes();
    newer[end..].copy_from_slice(&sum);
    home.write(&newer);
    assert!(matches!(home.open(), Err(JournalError::Release { found: 2, .. })));
}

#[test]
fn a_journal_that_others_can_read_is_refused() {
    let home = Home::filled();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(home.open(), Err(JournalError::TooOpen { mode: 0o640, .. })));
}

#[test]
fn a_journal_is_not_opened_through_a_link() {
    let home = Home::filled();
    let elsewhere = home.directory.path().join("elsewhere");
    fs::rename(home.path(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.path()).unwrap();
    assert!(matches!(home.open(), Err(JournalError::Io { .. })));
}

/// The file's bytes, the end of its header and of each frame, and the content as of each of these ends.
fn stages() -> (Vec<u8>, Vec<(u64, Vec<JournalRecord>)>) {
    let home = Home::new();
    let mut journal = home.create();
    let mut stages = vec![(journal.file_bytes(), vec![])];
    for records in appends() {
        journal.append(&records).unwrap();
        stages.push((journal.file_bytes(), content(&home.memory())));
    }
    (fs::read(home.path()).unwrap(), stages)
}

#[test]
fn a_journal_torn_anywhere_opens_with_all_frames_before() {
    let (bytes, stages) = stages();
    let home = Home::new();
    for length in 0..=bytes.len() {
        home.write(&bytes[..length]);
        let whole = stages.iter().rev().find(|(end, _)| *end <= length as u64);
        let Some((end, expected)) = whole else {
            assert!(matches!(home.open(), Err(JournalError::Damaged { offset: 0, .. })), "{length}");
            continue;
        };
        let (mut journal, memory) = home.open().unwrap();
        assert_eq!(&content(&memory), expected, "{length}");
        assert_eq!(memory.cut_bytes, length as u64 - end);
        assert_eq!(fs::metadata(home.path()).unwrap().len(), *end, "cut durably");
        journal.append(&[charter(9, 9)]).unwrap();
        assert_eq!(home.memory().charters[&9], Hash([9; 32]), "{length}");
    }
}

#[test]
fn a_torn_frame_of_which_a_part_never_reached_the_disk_is_cut() {
    let (bytes, stages) = stages();
    let home = Home::new();
    let start = usize::try_from(stages[stages.len() - 2].0).unwrap();
    for (from, to) in [
        (start, bytes.len()),
        (start, start + 12),
        (start, start + 5),
        (start + 20, bytes.len()),
        (start + 5, start + 40),
    ] {
        let mut torn = bytes.clone();
        torn[from..to].fill(0);
        home.write(&torn);
        assert_eq!(content(&home.memory()), stages[stages.len() - 2].1, "{from}..{to}");
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let (bytes, stages) = stages();
    let home = Home::new();
    let last = usize::try_from(stages[stages.len() - 2].0).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            home.write(&damaged);
            match home.open() {
                // Nothing tells a flip in the last frame from a torn write.
                Ok((_, memory)) if at >= last => assert_eq!(content(&memory), stages[stages.len() - 2].1),
                Err(JournalError::Damaged { offset, .. }) if at < last => {
                    assert!(offset <= at as u64);
                    assert_eq!(fs::read(home.path()).unwrap(), damaged, "left as it is");
                }
                other => panic!("byte {at} ^ {flip:#x}: {other:?}"),
            }
        }
    }
}

#[test]
fn frames_out_of_their_places_are_damage() {
    let (bytes, stages) = stages();
    let end = |n: usize| usize::try_from(stages[n].0).unwrap();
    let home = Home::new();
    let without_second = [&bytes[..end(1)], &bytes[end(2)..]].concat();
    home.write(&without_second);
    // What follows stands at other offsets than it was written for, so nothing of it is taken.
    assert_eq!(content(&home.memory()), stages[1].1);
    let twice = [&bytes[..end(2)], &bytes[end(1)..]].concat();
    home.write(&twice);
    assert_eq!(content(&home.memory()), stages[2].1);
}

#[test]
fn a_valid_frame_that_contradicts_what_came_before_is_damage() {
    for (before, after) in [
        (vec![own(0)], vec![own(2)]),
        (vec![cosigned("FR", 7, 7)], vec![cosigned("FR", 7, 8)]),
        (vec![cosigned("FR", 7, 7)], vec![cosigned("FR", 6, 6)]),
        (vec![own(0), checkpoint(1, 1)], vec![checkpoint(1, 2)]),
    ] {
        let home = Home::new();
        let mut journal = home.create();
        journal.append(&before).unwrap();
        journal.write(&record::encode(&after)).unwrap();
        assert!(matches!(home.open(), Err(JournalError::Damaged { .. })), "{after:?}");
    }
}

#[test]
fn a_record_of_a_kind_that_is_not_known_is_damage() {
    for body in [
        &[0x0a, 0x03, 0x8a, 0x01, 0x00][..],
        &[0x0a, 0x00],
        &[0x12, 0x00],
        &[0xff],
        &[0x0a, 0x04, 0x32, 0x02, 0x0a, 0x00],
    ] {
        let home = Home::new();
        home.create().write(body).unwrap();
        assert!(matches!(home.open(), Err(JournalError::Damaged { .. })), "{body:x?}");
    }
}

#[test]
fn an_append_that_contradicts_is_refused_whole() {
    let home = Home::filled();
    let before = fs::read(home.path()).unwrap();
    let mut journal = home.open().unwrap().0;
    let back = |of, before, found| Contradiction::Back { unit: unit(of), before, found };
    let two = |of, at| Contradiction::TwoRoots { unit: unit(of), size: at };
    for (records, expected) in [
        (vec![own(4)], Contradiction::Index { expected: 3, found: 4 }),
        (vec![own(2)], Contradiction::Index { expected: 3, found: 2 }),
        (vec![own(3), own(3)], Contradiction::Index { expected: 4, found: 3 }),
        (vec![checkpoint(4, 1)], Contradiction::Ahead { have: 3, found: 4 }),
        (vec![checkpoint(1, 1)], back("BE", 2, 1)),
        (vec![checkpoint(2, 3)], two("BE", 2)),
        (vec![checkpoint(3, 3), checkpoint(3, 4)], two("BE", 3)),
        (vec![JournalRecord::OwnCertified(size(4))], Contradiction::Ahead { have: 3, found: 4 }),
        (vec![cosigned("FR", 8, 8)], back("FR", 9, 8)),
        (vec![cosigned("FR", 9, 8)], two("FR", 9)),
        (vec![cosigned("UK", 1, 1), cosigned("UK", 1, 2)], two("UK", 1)),
        (vec![cosigned("BE", 1, 1)], Contradiction::OwnLog),
        (vec![charter(1, 2)], Contradiction::TwoCharters(1)),
        (vec![charter(2, 1), charter(2, 2)], Contradiction::TwoCharters(2)),
        (vec![outbox(1)], Contradiction::Waiting),
        (vec![JournalRecord::OutboxTaken([1; 16]), JournalRecord::OutboxTaken([1; 16])], Contradiction::NotWaiting),
        (vec![own(3), JournalRecord::OutboxTaken([2; 16])], Contradiction::NotWaiting),
    ] {
        match journal.append(&records) {
            Err(AppendError::Contradiction(found)) => assert_eq!(found, expected),
            other => panic!("{records:?}: {other:?}"),
        }
        assert_eq!(fs::read(home.path()).unwrap(), before);
    }
    // The same again is no contradiction, and what was refused left nothing behind.
    journal.append(&[checkpoint(2, 2), cosigned("FR", 9, 9), charter(1, 1), own(3), checkpoint(4, 4)]).unwrap();
}

#[test]
fn an_append_longer_than_a_frame_is_refused() {
    let home = Home::new();
    let mut journal = home.create();
    let record = Bytes::from(vec![0; 64 << 10]);
    let many = (0..129_u8).map(|id| JournalRecord::Outbox(Submission { id: [id; 16], record: record.clone() }));
    assert!(matches!(journal.append(&many.collect::<Vec<_>>()), Err(AppendError::TooLong(_))));
    assert!(content(&home.memory()).is_empty());
}

#[test]
fn compaction_keeps_what_counts_and_drops_the_rest() {
    let home = Home::filled();
    let before = content(&home.memory());
    let mut journal = home.open().unwrap().0;
    journal.append(&[JournalRecord::OwnCertified(size(2))]).unwrap();
    let long = journal.file_bytes();
    journal.compact().unwrap();
    assert!(journal.file_bytes() < long);
    let after = content(&home.memory());
    assert_eq!(after[0], JournalRecord::OwnCertified(size(2)));
    assert_eq!(after[1..], before[2..], "all but the certified entry");
    assert!(!fs::read(home.path()).unwrap().windows(9).any(|window| window == b"payload 1"));
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);

    journal.append(&[own(3)]).unwrap();
    assert!(matches!(journal.append(&[cosigned("FR", 9, 8)]), Err(AppendError::Contradiction(_))));
    assert_eq!(home.memory().own_size(), 4);
}

#[test]
fn a_compaction_that_did_not_end_leaves_the_journal_as_it_was() {
    let home = Home::filled();
    let before = content(&home.memory());
    let new = home.directory.path().join("journal.new");
    fs::write(&new, b"entente jour").unwrap();
    assert_eq!(content(&home.memory()), before);
    assert!(!new.exists());

    fs::write(&new, b"entente jour").unwrap();
    home.open().unwrap().0.compact().unwrap();
    assert_eq!(content(&home.memory()), before);
}

#[test]
fn a_journal_damaged_while_it_is_open_is_not_compacted_away() {
    let home = Home::filled();
    let mut journal = home.open().unwrap().0;
    let mut bytes = fs::read(home.path()).unwrap();
    bytes[100] ^= 1;
    fs::write(home.path(), &bytes).unwrap();
    assert!(matches!(journal.compact(), Err(JournalError::Damaged { .. })));
    assert_eq!(fs::read(home.path()).unwrap(), bytes);
}

fn copy_opens(path: &Path) -> Memory {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("journal");
    fs::copy(path, &copy).unwrap();
    Journal::open(&copy, &network(), &unit("BE")).unwrap().1
}

#[test]
fn i2_a_callback_runs_only_when_its_records_are_in_the_file() {
    let home = Home::new();
    let writer = Arc::new(Writer::start(home.create(), Limits::default()).unwrap());
    let (told, answers) = mpsc::channel();
    for id in 1..=50_u8 {
        let path = home.path();
        let told = told.clone();
        let check = move || told.send((id, copy_opens(&path).outbox.iter().any(|s| s.id[0] == id))).unwrap();
        writer.append(&[outbox(id)], Box::new(check)).unwrap();
    }
    drop(writer.close().unwrap());
    drop(told);
    assert_eq!(answers.iter().collect::<Vec<_>>(), (1..=50).map(|id| (id, true)).collect::<Vec<_>>());
}

#[test]
fn many_threads_append_in_the_order_in_which_they_were_judged() {
    let home = Home::new();
    let writer = Writer::start(home.create(), Limits { waiting_bytes_max: 500, ..Limits::default() }).unwrap();
    let next = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let mut next = next.lock().unwrap();
                    writer.append(&[own(*next)], Box::new(|| {})).unwrap();
                    *next += 1;
                }
            });
        }
    });
    assert_eq!(writer.own_size(), 400);
    drop(writer);
    assert_eq!(home.memory().entries.len(), 400);
}

#[test]
fn what_waits_is_written_as_one_group() {
    let home = Home::new();
    let writer = Writer::start(home.create(), Limits::default()).unwrap();
    let gate = Arc::new(Barrier::new(2));
    let hold = Arc::clone(&gate);
    writer.append(&[charter(1, 1)], Box::new(move || (0..2).for_each(|_| _ = hold.wait()))).unwrap();
    gate.wait();
    for id in 1..=20 {
        writer.append(&[outbox(id)], Box::new(|| {})).unwrap();
    }
    gate.wait();
    let mut journal = writer.close().unwrap();
    let joined = (1..=20).map(outbox).collect::<Vec<_>>();
    let alone = Home::new();
    let mut other = alone.create();
    other.append(&[charter(1, 1)]).unwrap();
    other.append(&joined).unwrap();
    assert_eq!(fs::read(home.path()).unwrap(), fs::read(alone.path()).unwrap());
    assert!(matches!(journal.append(&[outbox(3)]), Err(AppendError::Contradiction(_))), "the marks came back");
}

#[test]
fn a_closed_writer_takes_nothing_and_a_refused_append_is_never_called_back() {
    let home = Home::new();
    let writer = Writer::start(home.create(), Limits::default()).unwrap();
    let refused = writer.append(&[own(1)], Box::new(|| panic!("called back")));
    assert!(matches!(refused, Err(AppendError::Contradiction(_))));
    assert!(writer.close().is_some());
    assert!(writer.close().is_none());
    assert!(matches!(writer.append(&[own(0)], Box::new(|| {})), Err(AppendError::Closed)));
    assert!(matches!(writer.compact(Box::new(|_| {})), Err(AppendError::Closed)));
}

#[test]
fn a_writer_compacts_by_itself_and_loses_nothing() {
    let home = Home::new();
    let limits = Limits { compact_bytes_min: 4_000, ..Limits::default() };
    for writer in [Writer::start(home.create(), limits).unwrap()] {
        for index in 0..500 {
            let mut records = vec![own(index)];
            if index >= 5 {
                records.push(JournalRecord::OwnCertified(size(index - 4)));
            }
            writer.append(&records, Box::new(|| {})).unwrap();
        }
        let journal = writer.close().unwrap();
        assert!(journal.file_bytes() < 100_000, "{}", journal.file_bytes());
    }
    let memory = home.memory();
    assert_eq!(memory.entries.iter().map(|own| own.index).collect::<Vec<_>>(), [495, 496, 497, 498, 499]);
}

#[test]
fn an_immediate_writer_has_written_when_append_returns() {
    let home = Home::new();
    let writer = Writer::immediate(home.create(), Limits::default());
    let (told, answer) = mpsc::channel();
    writer.append(&[own(0)], Box::new(move || told.send(()).unwrap())).unwrap();
    answer.try_recv().unwrap();
    assert_eq!(home.memory().own_size(), 1);
    let (told, answer) = mpsc::channel();
    writer.compact(Box::new(move |done| told.send(done.unwrap()).unwrap())).unwrap();
    let (before, after) = answer.try_recv().unwrap();
    assert!(after > 0 && after <= before, "{before} {after}");
    assert!(writer.close().is_some());
}

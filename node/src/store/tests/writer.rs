use std::sync::{Arc, Barrier, mpsc};

use super::*;

type Answers = (mpsc::Sender<(u64, Result<(), String>)>, mpsc::Receiver<(u64, Result<(), String>)>);

fn tell(to: &mpsc::Sender<(u64, Result<(), String>)>, number: u64) -> Callback {
    let to = to.clone();
    Box::new(move |result| to.send((number, result.map_err(|error| error.to_string()))).unwrap())
}

#[test]
fn every_batch_is_answered_in_order_once_it_is_durable() {
    let home = OnDisk::new();
    let (path, store) = (home.path(), home.store.unwrap());
    let writer = Writer::start(Arc::new(store)).unwrap();
    let (told, answers): Answers = mpsc::channel();
    for index in 0..300 {
        writer.submit(appends(append("BE", index, index + 1)), tell(&told, index));
    }
    writer.submit(appends(append("BE", 500, 501)), tell(&told, 300));
    drop(writer);
    drop(told);
    let answers: Vec<_> = answers.iter().collect();
    assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..=300).collect::<Vec<_>>());
    assert!(answers[..300].iter().all(|(_, result)| result.is_ok()));
    assert!(answers[300].1.as_ref().unwrap_err().contains("do not follow"));
    assert!(all(&SledStore::open(&path, options()).unwrap(), "BE") == append("BE", 0, 300).entries);
}

#[test]
fn a_failed_commit_is_told_to_all_in_it_and_what_is_there_may_be_either() {
    for fault in [Fault::Lost, Fault::Persisted] {
        let memory = MemoryStore::new();
        let writer = Writer::start(Arc::new(memory.clone())).unwrap();
        let (told, answers): Answers = mpsc::channel();
        let gate = Arc::new(Barrier::new(2));
        let hold = Arc::clone(&gate);
        writer.submit(appends(append("BE", 0, 1)), Box::new(move |_| (0..2).for_each(|_| _ = hold.wait())));
        gate.wait();
        memory.fail_commit(1, fault);
        writer.submit(appends(append("BE", 1, 2)), tell(&told, 1));
        writer.submit(appends(append("BE", 2, 3)), tell(&told, 2));
        gate.wait();
        assert!(answers.recv().unwrap().1.unwrap_err().contains("may or may not be there"));
        assert!(answers.recv().unwrap().1.unwrap_err().contains("may or may not be there"));
        writer.submit(appends(append("BE", 1, 2)), tell(&told, 3));
        assert!(answers.recv().unwrap().1.unwrap_err().contains("stopped"));

        let again = memory.crash();
        assert_eq!(again.size(&unit("BE")).get(), if fault == Fault::Lost { 1 } else { 3 });
        again.commit_one(&appends(append("BE", 1, 3))).unwrap();
        assert!(all(&again, "BE") == append("BE", 0, 3).entries);
        assert!(matches!(memory.commit_one(&Batch::default()), Err(StoreError::Stopped)));
    }
}

#[test]
fn a_closed_writer_says_so() {
    let (told, answers): Answers = mpsc::channel();
    let writer = Writer::start(Arc::new(MemoryStore::new())).unwrap();
    writer.close();
    writer.close();
    writer.submit(Batch::default(), tell(&told, 1));
    assert!(answers.try_recv().unwrap().1.is_err());
}

#[test]
fn an_immediate_writer_has_committed_when_submit_returns() {
    let memory = MemoryStore::new();
    let writer = Writer::immediate(Arc::new(memory.clone()));
    let (told, answers): Answers = mpsc::channel();
    writer.submit(appends(append("BE", 0, 3)), tell(&told, 1));
    assert_eq!(answers.try_recv().unwrap(), (1, Ok(())));
    assert_eq!(memory.size(&unit("BE")), size(3));
}

#[test]
fn an_entry_can_be_made_unreadable_in_memory() {
    let memory = MemoryStore::new();
    memory.commit_one(&appends(append("BE", 0, 3))).unwrap();
    memory.corrupt(&unit("BE"), 1);
    assert!(matches!(memory.entries(&unit("BE"), 0, 3, 9_999), Err(StoreError::Corrupt { index: 1, .. })));
    assert!(memory.entry(&unit("BE"), 2).unwrap().is_some());
}

use std::collections::BTreeSet;
use std::time::Duration;

use entente_proto::checkpoint::{Checkpoint, SignedCheckpoint};
use entente_proto::hash::Hash;
use entente_proto::note::{Algorithm, MemorySigner};
use entente_proto::tree::{MemoryTree, consistency_proof};

use super::*;

const NOW_S: u64 = 1_700_000_000;

/// A node whose journal takes what it is given and says so when the test wants.
#[derive(Default)]
struct Node {
    off_ms: Mutex<Option<i64>>,
    standing: Mutex<Option<Standing>>,
    refuses: AtomicBool,
    /// What is on its way to the disk, and who waits for it.
    queue: Mutex<Vec<(Vec<JournalRecord>, journal::Callback)>>,
}

impl Ground for Node {
    fn now_ms(&self) -> u64 {
        NOW_S * 1_000
    }

    fn standing(&self) -> Standing {
        lock(&self.standing).clone().unwrap_or(Standing::Running)
    }

    fn clock_off_ms(&self) -> Option<i64> {
        *lock(&self.off_ms)
    }

    fn journal(&self, records: &[JournalRecord], then: journal::Callback) -> Result<(), AppendError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(AppendError::Contradiction(Contradiction::WitnessKey));
        }
        lock(&self.queue).push((records.to_vec(), then));
        Ok(())
    }
}

fn signer(name: &str, algorithm: Algorithm) -> MemorySigner {
    MemorySigner::from_seed(name.parse().unwrap(), algorithm, &[1; 32]).unwrap()
}

/// A call for a checkpoint of a log.
fn call(old: u64, new: u64) -> Vec<u8> {
    let log = signer("log.example", Algorithm::Ed25519);
    let tree: MemoryTree = (0..new).map(|index| Hash::leaf(&index.to_be_bytes())).collect();
    let [old, new] = [old, new].map(|size| Size::new(size).unwrap());
    let checkpoint = Checkpoint { origin: log.key().name().clone(), size: new, root: tree.root() };
    let note = SignedCheckpoint::sign(checkpoint, &log).unwrap().to_note().to_bytes();
    AddCheckpoint::compose(old, &consistency_proof(&tree, old, new).unwrap(), &note)
}

/// A witness of that log on a node.
fn keeper() -> (Arc<Node>, Arc<Keeper>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs");
    std::fs::write(&path, signer("log.example", Algorithm::Ed25519).key().to_string()).unwrap();
    let (node, key) = (Arc::new(Node::default()), signer("takedown.example/FR/witness", Algorithm::Cosignature));
    let keeper = Keeper::on(node.clone(), Logs::new(path, None), Some(Arc::new(key)), BTreeMap::new());
    (node, Arc::new(keeper), directory)
}

#[tokio::test]
async fn nothing_that_is_signed_leaves_before_the_journal_has_it() {
    let (node, keeper, _directory) = keeper();
    for (old, new, records) in [(0, 5, 1), (5, 5, 0)] {
        let asked = tokio::spawn({
            let keeper = keeper.clone();
            async move { keeper.add(call(old, new)).await }
        });
        while lock(&node.queue).is_empty() {
            assert!(!asked.is_finished(), "it was answered");
            tokio::task::yield_now().await;
        }
        // What was said before has to be durable, too, where there is nothing new to write down.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!asked.is_finished(), "it was answered before it was durable");
        let (noted, then) = lock(&node.queue).pop().unwrap();
        assert_eq!(noted.len(), records);
        then();
        let line = asked.await.unwrap().unwrap();
        assert!(line.starts_with("\u{2014} takedown.example/FR/witness "), "{line}");
    }
    // Where the node stops before that, nothing was signed.
    let asked = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.add(call(5, 9)).await }
    });
    while lock(&node.queue).is_empty() {
        tokio::task::yield_now().await;
    }
    lock(&node.queue).clear();
    assert_eq!(asked.await.unwrap(), Err(NotSigned::NotNow("it is stopping".into())));
}

#[tokio::test]
async fn nothing_is_signed_by_a_node_that_does_not_run_or_whose_clock_is_off() {
    let (node, keeper, _directory) = keeper();
    // What is refused is refused at once; what is not would wait for the journal.
    let refused = async || match tokio::time::timeout(Duration::from_secs(10), keeper.add(call(0, 5))).await {
        Ok(Err(NotSigned::NotNow(why))) => why,
        other => panic!("{other:?}"),
    };
    *lock(&node.off_ms) = Some(120_001);
    assert!(refused().await.contains("clock"));
    *lock(&node.off_ms) = None;
    *lock(&node.standing) = Some(Standing::Waiting { needed: 1, answered: BTreeSet::new(), fetching: None });
    assert!(refused().await.contains("has not heard from its partners"));
    *lock(&node.standing) = None;
    // A journal that has lost something refuses the key: it signs nothing more, whatever the journal says later.
    node.refuses.store(true, Ordering::Relaxed);
    assert!(refused().await.contains("entente witness key --renew"));
    node.refuses.store(false, Ordering::Relaxed);
    assert!(refused().await.contains("entente witness key --renew"));
    assert!(lock(&node.queue).is_empty());
}

#[test]
fn what_was_signed_at_a_time_to_come_is_told_with_what_to_do() {
    let known = |time| Known { size: Size::ZERO, root: Hash::EMPTY_ROOT, time };
    let all = |times: [u64; 2]| {
        BTreeMap::from([("a".parse().unwrap(), known(times[0])), ("b".parse().unwrap(), known(times[1]))])
    };
    assert_eq!(ahead(&all([1_000, 1_300]), 1_000), None);
    let words = ahead(&all([1_000, 2_000]), 1_000).unwrap();
    assert!(words.contains("for 1 logs") && words.contains("for b 1000 s from now"), "{words}");
    assert!(words.contains("entente witness key --renew"), "{words}");
}

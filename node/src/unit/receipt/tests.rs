//! A network of one unit, whose records are certified as soon as they are signed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use entente_certs::authority::Authority;
use entente_proto::charter::{Charter, CharterChain, UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};
use entente_proto::list::Status;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer};
use entente_proto::record::RecordKind;
use entente_proto::wire::{EraseReason, Record, RecordRef};
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::admission::Admissions;
use crate::clock::ManualClock;
use crate::core::{Charters, Draft, Parts, Running, load, start};
use crate::journal::{self, Journal};
use crate::store::{Batch, Erasure, MemoryStore, ScrubDue, ScrubStep, Scrubbed, Store, StoredLog, SubmissionId};

const NOW_MS: u64 = 1_524_614_400_000;

/// No charter comes here.
struct NoFiles;

impl Charters for NoFiles {
    fn store(&self, _: u32, _: u32, _: &[u8]) -> Result<(), String> {
        Err("no charter comes here".into())
    }

    fn keep_evidence(&self, _: &[u8], _: bool) -> Result<String, String> {
        Err("no charter comes here".into())
    }

    fn signers(&self) -> Result<Vec<Arc<dyn Signer>>, String> {
        Ok(Vec::new())
    }
}

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn be() -> UnitId {
    "BE".parse().unwrap()
}

fn keys() -> [MemorySigner; 3] {
    let (network, unit) = (network(), be());
    let signer = |name, algorithm, seed| MemorySigner::from_seed(name, algorithm, &[seed; 32]).unwrap();
    [
        signer(KeyName::charter(&network, &unit), Algorithm::Ed25519, 1),
        signer(KeyName::log(&network, &unit), Algorithm::Ed25519, 2),
        signer(KeyName::mirror(&network, &unit), Algorithm::Cosignature, 3),
    ]
}

fn charter() -> Charter {
    let keys = keys();
    let [charter, log, mirror] = keys.each_ref().map(|key| key.key().clone());
    let draft = UnitDraft {
        id: be(),
        name: "Belgium".into(),
        charter_key: charter,
        log_key: log,
        mirror_key: mirror,
        ca: vec![Authority::create(&network(), &be(), NOW_MS).unwrap().certificate_der().to_vec()],
        addresses: Vec::new(),
    };
    let mut charter = UnverifiedCharter::compose(&[UnitDescription::new(network(), draft).unwrap()], None).unwrap();
    charter.sign(&keys.each_ref().map(|key| key as &dyn Signer), 1).unwrap();
    charter.verify_first().unwrap()
}

/// A store that begins to give other records than it was given: sound ones, which nobody certified.
#[derive(Default)]
struct Turning {
    inner: MemoryStore,
    turned: AtomicBool,
}

impl Store for Turning {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.inner.commit(group)
    }
    fn units(&self) -> Vec<UnitId> {
        self.inner.units()
    }
    fn size(&self, unit: &UnitId) -> Size {
        self.inner.size(unit)
    }
    fn log(&self, unit: &UnitId) -> Result<StoredLog, StoreError> {
        self.inner.log(unit)
    }
    fn entries(&self, unit: &UnitId, from: u64, count: usize, bytes: usize) -> Result<Vec<Entry>, StoreError> {
        let entries = self.inner.entries(unit, from, count, bytes)?;
        if !self.turned.load(Ordering::SeqCst) {
            return Ok(entries);
        }
        let forged = |_: &Entry| Entry::compose(2, NOW_MS, [8; 16], payload(9, refer("forged.example"))).unwrap();
        Ok(entries.iter().map(forged).collect())
    }
    fn entries_to_fold(&self, unit: &UnitId, from: u64, count: usize, bytes: usize) -> Result<Vec<Entry>, StoreError> {
        self.entries(unit, from, count, bytes)
    }
    fn withheld(&self, unit: &UnitId, index: u64) -> Option<u64> {
        self.inner.withheld(unit, index)
    }
    fn all_withheld(&self) -> Vec<Erasure> {
        self.inner.all_withheld()
    }
    fn announcements(&self) -> u64 {
        self.inner.announcements()
    }
    fn lacks(&self, unit: &UnitId, index: u64) -> bool {
        self.inner.lacks(unit, index)
    }
    fn revocations(&self) -> Result<Vec<(UnitId, Hash)>, StoreError> {
        self.inner.revocations()
    }
    fn adopts(&self, unit: &UnitId) -> Result<Vec<u64>, StoreError> {
        self.inner.adopts(unit)
    }
    fn scrub_due(&self) -> Option<ScrubDue> {
        self.inner.scrub_due()
    }
    fn back_up(&self, directory: &std::path::Path) -> Result<(), StoreError> {
        self.inner.back_up(directory)
    }
    fn scrub(&self, go_on: &mut dyn FnMut(ScrubStep) -> ControlFlow<()>) -> Result<Scrubbed, StoreError> {
        self.inner.scrub(go_on)
    }
    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Result<Vec<Hash>, StoreError> {
        self.inner.leaf_hashes(unit, bundle)
    }
    fn submission(&self, id: &SubmissionId) -> Result<Option<u64>, StoreError> {
        self.inner.submission(id)
    }
}

struct Node {
    running: Running,
    store: Arc<Turning>,
    _directory: TempDir,
}

impl Node {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        drop(Journal::create(&path, &network(), &be()).unwrap());
        let (journal, memory) = Journal::open(&path, &network(), &be()).unwrap();
        let writer = journal::Writer::start(journal, journal::Limits::default()).unwrap();
        let [_, log, mirror] = keys();
        let store = Arc::new(Turning::default());
        let charter = charter();
        let admissions = Arc::new(Admissions::new(vec![charter.terms().clone()], BTreeSet::new()).unwrap());
        let parts = Parts {
            unit: be(),
            charters: CharterChain::found(charter).unwrap(),
            charter_files: Box::new(NoFiles),
            clock: Arc::new(ManualClock::at(NOW_MS)),
            store: store.clone(),
            journal: (writer, memory),
            signers: vec![Arc::new(log), Arc::new(mirror)],
            room: Box::new(|| Ok(())),
            admissions,
            remains: Box::new(|_| Vec::new()),
            scrub_after: Duration::from_secs(1_800),
        };
        let loaded = load(&be(), &parts.charters, &*parts.store, &parts.journal.1, [0; 16]).unwrap();
        Self { running: start(parts, loaded).unwrap(), store, _directory: directory }
    }

    fn core(&self) -> &Arc<Core> {
        &self.running.core
    }

    /// Enters payloads of these kinds and waits until the list knows them as certified.
    async fn enter(&self, payloads: Vec<(RecordKind, Bytes)>) {
        let mut changes = self.core().list.watch();
        let before = *self.core().certified().borrow();
        let last = before.max(1) + payloads.len() as u64 - 1;
        let drafts = payloads.into_iter().zip(before as u8..);
        let drafts = drafts.map(|((kind, payload), number)| Draft {
            submission: [number + 100; 16],
            kind,
            payload,
            unless_referred: None,
            second: None,
            unjudged: false,
        });
        self.core().submit(drafts.collect()).await.unwrap();
        let folded = async {
            loop {
                let change = changes.recv().await.unwrap();
                if change.certified && change.id.index >= last {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), folded).await.unwrap();
    }

    fn ask(&self, index: u64, since_alone: bool) -> Result<wire::ReceiptReply, Answer> {
        make(self.core(), &wire::ReceiptRequest { id: Some(RecordRef { unit: "BE".into(), index }), since_alone })
    }

    fn refused(&self, index: u64) -> (Code, String) {
        let answer = self.ask(index, false).unwrap_err();
        (answer.code(), answer.message().to_owned())
    }
}

fn refer(name: &str) -> Body {
    Body::Refer(wire::Refer { target: format!("domain:{name}"), categories: vec![1], ..wire::Refer::default() })
}

fn payload(number: u8, body: Body) -> Bytes {
    record::encode(&Record { submission: vec![number; 16], body: Some(body) }).unwrap()
}

fn said(number: u8, body: Body) -> (RecordKind, Bytes) {
    (RecordKind::of_body(&body), payload(number, body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_tells_what_was_said_of_its_record_since_and_none_is_made_of_what_was_erased() {
    let node = Node::start();
    let withdraw = Body::Withdraw(wire::Withdraw { index: 1, reason: "wrong".into() });
    let erase = Body::Erase(wire::Erase { index: 2, reason: EraseReason::Mistake.into() });
    node.enter(vec![said(1, refer("a.example")), said(2, refer("b.example"))]).await;
    for index in [0, 1, 2] {
        let reply = node.ask(index, false).unwrap();
        let receipt = UnverifiedReceipt::parse(&reply.receipt).unwrap().verify(&charter()).unwrap();
        assert_eq!((receipt.id().index, receipt.certified(), reply.since.len()), (index, Ok(()), 0));
    }
    node.enter(vec![said(3, withdraw), said(4, erase)]).await;
    // What is withdrawn can be shown, with the withdrawal beside it.
    let withdrawn = node.ask(1, false).unwrap();
    assert!(UnverifiedReceipt::parse(&withdrawn.receipt).unwrap().verify(&charter()).is_ok());
    let by = |reply: &wire::ReceiptReply| reply.since[0].shown.as_ref().unwrap().id.as_ref().unwrap().index;
    assert_eq!((withdrawn.since.len(), by(&withdrawn)), (1, 3));
    // What is erased cannot, though its payload may still be there; that it was erased can be asked and proven.
    let (code, words) = node.refused(2);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(words.contains("BE/2 was erased by BE/4"), "{words}");
    let erased = node.ask(2, true).unwrap();
    assert_eq!((erased.receipt.len(), erased.since.len(), by(&erased)), (0, 1, 4));
    assert!(node.ask(4, false).is_ok());
    assert_eq!(node.core().list.read().fold.status(&"domain:a.example".parse().unwrap()), Some(Status::Cleared));
    node.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_does_not_verify_leaves_the_node() {
    let node = Node::start();
    node.enter(vec![said(1, refer("a.example")), (RecordKind::Refer, Bytes::from_static(b"no record"))]).await;
    assert_eq!(node.refused(99).0, Code::NotFound);
    let (code, words) = node.refused(2);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(words.contains("BE/2 counts for nobody"), "{words}");
    assert!(node.ask(1, false).is_ok());
    node.store.turned.store(true, Ordering::SeqCst);
    let (code, words) = node.refused(1);
    assert_eq!(code, Code::DataLoss);
    assert!(!words.contains("forged"), "{words}");
    node.running.stop();
}

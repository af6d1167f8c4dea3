use std::cell::RefCell;
use std::collections::BTreeMap;

use entente_certs::authority::Authority;
use entente_proto::charter::{Base, UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::entry::Entry;
use entente_proto::ids::{NetworkName, Size};
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer};
use entente_proto::tree::MemoryTree;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Adopt, Erase, EraseReason, Record, Refer, Withdraw};
use tempfile::TempDir;

use super::*;
use crate::core::erasure;
use crate::journal::{Journal, Limits, Memory, OwnEntry, Proposal, Writer};
use crate::store::{Append, MemoryStore};

const NOW_MS: u64 = 1_524_614_400_000;

pub(in crate::core) fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

pub(in crate::core) fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

/// A unit's keys, and what it tells of itself.
fn member(id: &str, seed: u8) -> ([MemorySigner; 3], UnitDescription) {
    let (network, id) = (network(), unit(id));
    let signer = |name, algorithm, seed| MemorySigner::from_seed(name, algorithm, &[seed; 32]).unwrap();
    let keys = [
        signer(KeyName::charter(&network, &id), Algorithm::Ed25519, seed),
        signer(KeyName::log(&network, &id), Algorithm::Ed25519, seed + 1),
        signer(KeyName::mirror(&network, &id), Algorithm::Cosignature, seed + 2),
    ];
    let [charter_key, log_key, mirror_key] = keys.each_ref().map(|key| key.key().clone());
    let ca = vec![Authority::create(&network, &id, NOW_MS).unwrap().certificate_der().to_vec()];
    let draft = UnitDraft { name: id.to_string(), id, charter_key, log_key, mirror_key, ca, addresses: Vec::new() };
    (keys, UnitDescription::new(network, draft).unwrap())
}

fn members() -> [([MemorySigner; 3], UnitDescription); 2] {
    [member("BE", 10), member("FR", 20)]
}

/// What BE and FR tell of themselves.
pub(in crate::core) fn described() -> Vec<UnitDescription> {
    members().into_iter().map(|(_, description)| description).collect()
}

/// A charter, with the signatures of both.
pub(in crate::core) fn signed(mut charter: UnverifiedCharter) -> UnverifiedCharter {
    for (keys, _) in members() {
        for key in keys.iter().filter(|key| charter.is_due(key.key())).collect::<Vec<_>>() {
            charter.sign(&[key as &dyn Signer], 1).unwrap();
        }
    }
    charter
}

/// A network of both.
pub(in crate::core) fn founded() -> CharterChain {
    let first = signed(UnverifiedCharter::compose(&described(), None).unwrap());
    CharterChain::found(first.verify_first().unwrap()).unwrap()
}

/// The id of a submission of this number.
fn id(number: u64) -> SubmissionId {
    u128::from(number).to_be_bytes()
}

fn number(id: SubmissionId) -> u64 {
    u128::from_be_bytes(id).try_into().unwrap()
}

/// The record of a submission.
fn record(submission: u64, body: Body) -> Bytes {
    record::encode(&Record { submission: id(submission).to_vec(), body: Some(body) }).unwrap()
}

fn refer(target: &str) -> Body {
    Body::Refer(Refer { target: format!("domain:{target}"), categories: vec![1], basis: 1, ..Refer::default() })
}

fn refer_at_length(target: &str) -> Body {
    let Body::Refer(refer) = refer(target) else { unreachable!() };
    Body::Refer(Refer { description: "a".repeat(4_000), ..refer })
}

fn withdraw(index: u64) -> Body {
    Body::Withdraw(Withdraw { index, reason: "a wrong one".into() })
}

fn erase(index: u64) -> Body {
    Body::Erase(Erase { index, reason: EraseReason::Mistake.into() })
}

/// The node of BE: what it said stands in its journal and in its store, and a charter that founds the network anew gives its
/// log a base.
struct World {
    _directory: TempDir,
    path: std::path::PathBuf,
    charters: CharterChain,
    store: MemoryStore,
    journal: Writer,
    memory: Memory,
    kept: RefCell<Vec<CutOff>>,
}

impl World {
    /// Whose log says this after its first entry, from submissions 1, 2 and so on, and goes on from a base of so many entries.
    fn new(says: &[Body], base: u64) -> Self {
        let mut charters = founded();
        let adopt = Adopt { version: 1, digest: charters.newest().digest().0.to_vec() };
        let bodies = std::iter::once(Body::Adopt(adopt)).chain(says.iter().cloned());
        let entry = |(number, body): (u64, Body)| {
            let kind = RecordKind::of_body(&body).number();
            Entry::compose(kind, NOW_MS, id(number), record(number, body)).unwrap()
        };
        let entries: Vec<Entry> = (0..).zip(bodies).map(entry).collect();
        let mut tree = MemoryTree::new();
        for entry in entries.iter().take(base as usize) {
            tree.push(entry.leaf_hash()).unwrap();
        }
        let none = Base { size: Size::ZERO, root: Hash::EMPTY_ROOT };
        let bases = BTreeMap::from([(unit("BE"), Base { size: tree.size(), root: tree.root() }), (unit("FR"), none)]);
        let anew = signed(charters.compose_refounding(&described(), &bases, None).unwrap());
        charters.refound(&anew).unwrap();

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::create(&path, &network(), &unit("BE")).unwrap();
        let journal = Writer::immediate(journal, Limits::default());
        let (store, memory) = (MemoryStore::new(), Journal::open(&path, &network(), &unit("BE")).unwrap().1);
        let mut world =
            Self { _directory: directory, path, charters, store, journal, memory, kept: RefCell::default() };
        for (stretch, from) in entries.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
            world.say(from, stretch);
        }
        world
    }

    fn say(&mut self, from: u64, entries: &[Entry]) {
        let own = |(index, entry): (u64, &Entry)| {
            let (entry, submission) = (entry.clone(), Some(id(index)));
            JournalRecord::OwnEntry(OwnEntry { index, entry, submission })
        };
        self.note((from..).zip(entries).map(own).collect());
        let hashes: Vec<Hash> = entries.iter().map(Entry::leaf_hash).collect();
        let full = hashes.len() == STRETCH;
        let level1 = full.then(|| (from / STRETCH as u64, entente_proto::tree::level1(&hashes).unwrap()));
        let level1 = level1.into_iter().collect();
        let append = Append { unit: unit("BE"), from: Size::new(from).unwrap(), entries: entries.to_vec(), level1 };
        let announced = erasure::announced(&unit("BE"), from, entries);
        let submissions = (from..).zip(entries).map(|(index, _)| (id(index), index)).collect();
        let batch = Batch { appends: vec![append], announced, submissions, ..Batch::default() };
        self.store.commit_one(&batch).unwrap();
    }

    fn note(&mut self, records: Vec<JournalRecord>) {
        self.journal.append(&records, Box::new(|| {})).unwrap();
        self.memory.take(records).unwrap();
    }

    fn wait(&mut self, submission: u64, body: Body) {
        self.note(vec![JournalRecord::Outbox(Submission { id: id(submission), record: record(submission, body) })]);
    }

    fn propose(&mut self, submission: u64, body: Body) {
        self.note(vec![JournalRecord::Proposed(Proposal {
            id: id(submission),
            record: record(submission, body),
            officer: "ada".into(),
            reason: "two officers".into(),
            at_ms: NOW_MS,
            skip_known: false,
            despite_hold: false,
            despite_guard: false,
        })]);
    }

    fn rebase(&mut self) {
        let keep = |_: &Hash, cut: &[CutOff]| {
            self.kept.borrow_mut().extend_from_slice(cut);
            Ok(())
        };
        rebase(&unit("BE"), &self.charters, &self.store, &self.journal, &mut self.memory, &keep).unwrap();
        // What a node that is killed now starts with.
        let reopened = Journal::open(&self.path, &network(), &unit("BE")).unwrap().1;
        assert_eq!(reopened.outbox, self.memory.outbox);
        assert_eq!(reopened.proposals, self.memory.proposals);
        self.memory = reopened;
    }

    /// The submissions that enter again.
    fn outbox(&self) -> Vec<u64> {
        self.memory.outbox.iter().map(|one| number(one.id)).collect()
    }

    /// The submissions in the file, and whether they enter again.
    fn kept(&self) -> Vec<(u64, bool)> {
        self.kept.borrow().iter().map(|one| (number(one.submission), one.enters)).collect()
    }
}

#[test]
fn what_was_withdrawn_or_erased_beyond_a_base_does_not_enter_again() {
    let says = [
        refer("stays.example"),
        refer("withdrawn.example"),
        withdraw(2),
        refer("erased.example"),
        erase(4),
        refer("again.example"),
        withdraw(1),
    ];
    let mut world = World::new(&says, 2);
    world.rebase();
    assert_eq!(world.outbox(), [6, 7], "what stands, and what takes back a record below the base");
    // The payload of what was erased is nowhere; people read of all else.
    assert_eq!(world.kept(), [(2, false), (3, false), (5, false), (6, true), (7, true)]);
    assert_eq!(world.store.size(&unit("BE")).get(), 2);
}

#[test]
fn what_waits_and_speaks_of_a_record_beyond_a_base_is_given_back_to_people() {
    let says = [
        refer("stays.example"),
        refer("withdrawn.example"),
        refer("erased.example"),
        refer("doubted.example"),
        refer("again.example"),
    ];
    let mut world = World::new(&says, 2);
    world.wait(20, withdraw(2));
    world.wait(21, erase(3));
    world.wait(22, withdraw(1));
    world.propose(23, erase(4));
    world.propose(24, withdraw(1));
    world.rebase();
    // It would end whatever stands there next.
    assert_eq!(world.outbox(), [22, 5]);
    assert_eq!(world.memory.proposals.keys().map(|id| number(*id)).collect::<Vec<_>>(), [24]);
    // A second officer has not agreed yet to erase 4.
    assert_eq!(world.kept(), [(2, false), (4, false), (5, true), (20, false), (21, false), (23, false)]);
    assert_eq!(world.kept.borrow().iter().filter(|one| one.index.is_none()).count(), 3);
}

#[test]
fn what_waits_goes_on_waiting_where_a_base_cuts_nothing_off() {
    let mut world = World::new(&[refer("stays.example"), refer("wrong.example")], 3);
    world.wait(20, withdraw(2));
    world.rebase();
    assert_eq!((world.outbox(), world.kept()), (vec![20], vec![]));
}

#[test]
fn a_record_that_cannot_be_taken_back_enters_again_whatever_names_it() {
    let revoke = Body::Revoke(wire::Revoke { spki_sha256: vec![7; 32], reason: String::new() });
    let mut world = World::new(&[revoke, withdraw(1)], 1);
    world.rebase();
    assert_eq!(world.outbox(), [1]);
}

#[test]
fn however_much_a_base_cuts_off_goes_into_the_journal() {
    // More than one append to the journal can take.
    let says = vec![refer_at_length("long.example"); 2_600];
    let mut world = World::new(&says, 1);
    world.rebase();
    assert_eq!(world.outbox(), (1..=2_600).collect::<Vec<_>>());
    assert_eq!(world.memory.own_size(), 1);
}

#[test]
fn a_node_that_was_killed_while_the_journal_took_it_in_takes_in_the_rest() {
    let mut world = World::new(&[refer("one.example"), refer("other.example")], 1);
    world.wait(1, refer("one.example"));
    world.rebase();
    assert_eq!(world.outbox(), [1, 2]);
}

#[test]
fn no_submission_beyond_a_base_has_a_place_any_more() {
    let says = [refer("stays.example"), refer("erased.example"), erase(2), refer("again.example")];
    let mut world = World::new(&says, 2);
    world.rebase();
    let places: Vec<Option<u64>> = (1..=4).map(|number| world.store.submission(&id(number)).unwrap()).collect();
    assert_eq!(places, [Some(1), None, None, None]);
}

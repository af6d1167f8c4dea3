use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use entente_proto::charter::{Base, Changes};
use entente_proto::ids::Size;
use tempfile::TempDir;

use super::*;
use crate::admission::Admissions;
use crate::clock::ManualClock;
use crate::core::rebase::tests::{founded, network, signed, unit};
use crate::core::{Parts, Running, load, start};
use crate::journal::{self, Journal};
use crate::store::MemoryStore;

/// Which charters were stored: how often the network was founded anew before, and the version.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<Vec<(u32, u32)>>>);

impl Charters for Files {
    fn store(&self, refounded: u32, version: u32, _: &[u8]) -> Result<(), String> {
        self.0.lock().unwrap().push((refounded, version));
        Ok(())
    }

    fn keep_evidence(&self, _: &[u8], _: bool) -> Result<String, String> {
        Err("no room".into())
    }

    fn signers(&self) -> Result<Vec<Arc<dyn Signer>>, String> {
        Ok(Vec::new())
    }
}

/// The node of BE in a network of two, in memory, with no partner.
struct Node {
    running: Running,
    files: Files,
    _directory: TempDir,
}

impl Node {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        drop(Journal::create(&path, &network(), &unit("BE")).unwrap());
        let (journal, memory) = Journal::open(&path, &network(), &unit("BE")).unwrap();
        let writer = journal::Writer::start(journal, journal::Limits::default()).unwrap();
        let (files, charters) = (Files::default(), founded());
        let admissions = Admissions::new(vec![charters.newest().terms().clone()], BTreeSet::new()).unwrap();
        let parts = Parts {
            unit: unit("BE"),
            charters,
            charter_files: Box::new(files.clone()),
            clock: Arc::new(ManualClock::at(1_524_614_400_000)),
            store: Arc::new(MemoryStore::new()),
            journal: (writer, memory),
            signers: Vec::new(),
            room: Box::new(|| Ok(())),
            admissions: Arc::new(admissions),
            remains: Box::new(|_| Vec::new()),
            scrub_after: Duration::from_secs(1_800),
        };
        let loaded = load(&unit("BE"), &parts.charters, &*parts.store, &parts.journal.1, [0; 16]).unwrap();
        Self { running: start(parts, loaded).unwrap(), files, _directory: directory }
    }

    fn core(&self) -> &Arc<Core> {
        &self.running.core
    }

    fn stored(&self) -> Vec<(u32, u32)> {
        self.files.0.lock().unwrap().clone()
    }

    /// A next version with this, signed by all.
    fn next(&self, changes: &Changes) -> Vec<u8> {
        let charters = self.core().charters();
        let draft = charters.draft(charters.compose_next(changes).unwrap()).unwrap();
        signed(draft).to_bytes()
    }

    /// The network founded anew by all, with empty logs.
    fn anew(&self) -> UnverifiedCharter {
        let charters = self.core().charters();
        let none = Base { size: Size::ZERO, root: Hash::EMPTY_ROOT };
        let bases: BTreeMap<UnitId, Base> = ["BE", "FR"].map(|id| (unit(id), none)).into();
        signed(charters.compose_refounding(&crate::core::rebase::tests::described(), &bases, None).unwrap())
    }
}

fn revoking(key: u8) -> Changes {
    Changes { revoke: [Hash([key; 32])].into(), ..Changes::default() }
}

#[test]
fn of_a_founding_anew_and_a_next_version_at_one_time_one_is_stored() {
    let node = Node::start();
    let (anew, next) = (node.anew(), node.next(&revoking(1)));
    node.core().refound(&anew).unwrap();
    node.core().store_charter(2, &next);
    assert_eq!(node.stored(), [(1, 1)], "a start finds no version beside it that follows the same charter");
    assert!(node.core().refound(&anew).unwrap_err().contains("already"));
    node.running.stop();

    // The other way round, also where the version asks for rules that this release does not know.
    for changes in [revoking(1), Changes { fold: Some(99), ..Changes::default() }] {
        let node = Node::start();
        let (anew, next) = (node.anew(), node.next(&changes));
        node.core().store_charter(2, &next);
        assert!(node.core().refound(&anew).unwrap_err().contains("continues"));
        assert_eq!(node.stored(), [(0, 2)]);
        node.running.stop();
    }
}

#[tokio::test]
async fn whoever_signed_a_further_attempt_to_found_anew_takes_none_of_the_earlier_up() {
    let node = Node::start();
    let first = node.anew();
    let attempt = |number: u16| signed(first.as_attempt(number).unwrap());
    node.core().put_name_to(&first).await.unwrap();
    node.core().put_name_to(&attempt(2)).await.unwrap();
    let later = |refused: Result<(), String>| refused.unwrap_err().contains("has signed a later attempt");
    assert!(later(node.core().put_name_to(&first).await));
    assert!(later(node.core().refound(&first)));
    assert_eq!(node.stored(), []);
    node.core().refound(&attempt(2)).unwrap();
    assert_eq!(node.stored(), [(1, 1)]);
    // Nor does it sign another while it begins anew.
    assert!(node.core().put_name_to(&attempt(3)).await.unwrap_err().contains("begins anew"));
    node.running.stop();
}

#[test]
fn of_a_unit_that_signed_twice_is_told_though_there_is_no_room_for_the_evidence() {
    let node = Node::start();
    let [one, other, third] = [1, 2, 3].map(|key| node.next(&revoking(key)));
    node.core().store_charter(2, &one);
    node.core().keep_evidence(&unit("FR"), &other, "another text is held");
    // Of each unit once: nobody fills the memory with more of them.
    node.core().keep_evidence(&unit("FR"), &third, "another text is held");
    let told = node.core().contradictions();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("BE FR signed both") && told[0].contains("could not be kept"), "{told:?}");
    node.running.stop();
}

//! Charters in the simulation: who founds, who joins, who leaves, whose keys change.

use bytes::Bytes;

use super::world::{World, network};
use crate::charter::{Base, Changes, CharterChain, Unit, UnitDescription, UnitDraft, UnverifiedCharter};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::{Algorithm, KeyName, MemorySigner, Note, Signer, VerifierKey};
use crate::record::{self, RecordKind};
use crate::sync::{Adoption, Event};
use crate::wire;

/// How often keys are replaced at the most.
const GENERATIONS: u8 = 4;

/// A unit's charter, log and mirror key of these generations.
pub(super) fn signers(unit: &UnitId, generations: [u8; 3]) -> (MemorySigner, MemorySigner, MemorySigner) {
    let network = network();
    let key = |name: KeyName, algorithm, role: &str, generation: u8| {
        let seed = Hash::of(format!("{role} {unit} {generation}").as_bytes()).0;
        MemorySigner::from_seed(name, algorithm, &seed).unwrap()
    };
    let [charter, log, mirror] = generations;
    (
        key(KeyName::charter(&network, unit), Algorithm::Ed25519, "charter", charter),
        key(KeyName::log(&network, unit), Algorithm::Ed25519, "log", log),
        key(KeyName::mirror(&network, unit), Algorithm::Cosignature, "mirror", mirror),
    )
}

/// The private key to a unit's public one.
pub(super) fn signer_of(unit: &UnitId, key: &VerifierKey) -> MemorySigner {
    let all = (0..GENERATIONS).flat_map(|generation| {
        let (charter, log, mirror) = signers(unit, [generation; 3]);
        [charter, log, mirror]
    });
    all.into_iter().find(|signer| signer.key() == key).unwrap()
}

pub(super) fn describe(unit: &UnitId, generations: [u8; 3]) -> UnitDescription {
    let (charter, log, mirror) = signers(unit, generations);
    let mut ca = vec![0x30, 0x20];
    ca.extend(Hash::of(unit.as_str().as_bytes()).0);
    let draft = UnitDraft {
        id: unit.clone(),
        name: format!("Unit {unit}"),
        charter_key: charter.key().clone(),
        log_key: log.key().clone(),
        mirror_key: mirror.key().clone(),
        ca: vec![ca],
        addresses: Vec::new(),
    };
    UnitDescription::new(network(), draft).unwrap()
}

/// Signs with every key that is due.
pub(super) fn sign_all(charter: &mut UnverifiedCharter, units: impl IntoIterator<Item = UnitId>) {
    for unit in units {
        for generation in 0..GENERATIONS {
            let (charter_key, log, mirror) = signers(&unit, [generation; 3]);
            for signer in [&charter_key as &dyn Signer, &log, &mirror] {
                if charter.is_due(signer.key()) {
                    charter.sign(&[signer], 1).unwrap();
                }
            }
        }
    }
}

pub(super) fn found(units: &[UnitId]) -> CharterChain {
    let descriptions: Vec<UnitDescription> = units.iter().map(|unit| describe(unit, [0; 3])).collect();
    let mut charter = UnverifiedCharter::compose(&descriptions, None).unwrap();
    sign_all(&mut charter, units.to_vec());
    CharterChain::found(charter.verify_first().unwrap()).unwrap()
}

/// The next version, signed by everyone.
pub(super) fn next(chain: &CharterChain, changes: &Changes) -> CharterChain {
    let mut draft = chain.compose_next(changes).unwrap();
    let units = chain.units().into_iter().chain(draft.terms().units.keys().cloned()).collect::<Vec<_>>();
    sign_all(&mut draft, units);
    let mut chain = chain.clone();
    chain.push(chain.verify(draft).unwrap()).unwrap();
    chain
}

/// The network founded anew, without some units. Nobody has signed it.
pub(super) fn refound(chain: &CharterChain, without: &[&str], bases: &[(&str, Base)]) -> UnverifiedCharter {
    refound_renewing(chain, without, bases, &[])
}

/// As [`refound`]; these units get new log keys.
pub(super) fn refound_renewing(
    chain: &CharterChain,
    without: &[&str],
    bases: &[(&str, Base)],
    renewed: &[&str],
) -> UnverifiedCharter {
    let left = chain.newest().units().values().filter(|unit| !without.contains(&unit.id.as_str()));
    let describe_left = |unit: &Unit| {
        let key = (0..GENERATIONS).find(|key| signers(&unit.id, [0, *key, 0]).1.key() == &unit.log_key).unwrap();
        describe(&unit.id, [0, key + u8::from(renewed.contains(&unit.id.as_str())), 0])
    };
    let units: Vec<UnitDescription> = left.map(describe_left).collect();
    let bases = bases.iter().map(|(unit, base)| (id(unit), *base)).collect();
    chain.compose_refounding(&units, &bases, None).unwrap()
}

/// An entry that takes a charter up.
pub(super) fn adopt(time_ms: u64, adoption: Adoption) -> Entry {
    let body = wire::Adopt { version: adoption.version, digest: adoption.digest.0.to_vec() };
    let body = Some(wire::record::Body::Adopt(body));
    let payload = record::encode(&wire::Record { submission: vec![1; 16], body }).unwrap();
    Entry::compose(RecordKind::Adopt.number(), time_ms, [4; 16], payload).unwrap()
}

/// What a log says of charters.
pub(super) fn adopts(entries: &[Entry]) -> Vec<(u64, Option<Adoption>)> {
    let kind = RecordKind::Adopt.number();
    let found = (0..).zip(entries).filter(|(_, entry)| entry.header().kind == kind);
    let read = |(index, entry): (u64, &Entry)| match entry.payload() {
        Some(payload) => Some((index, Some(Adoption::of(kind, payload)?))),
        None => Some((index, None)),
    };
    found.filter_map(read).collect()
}

/// Whose log a checkpoint's note is about, its size and root.
pub(super) fn point(note: &[u8]) -> (UnitId, Size, Hash) {
    let note = Note::parse(note, 1 << 16).unwrap();
    let checkpoint = Checkpoint::parse_body(note.text()).unwrap();
    let unit = checkpoint.origin.as_str().rsplit('/').next().unwrap().parse().unwrap();
    (unit, checkpoint.size, checkpoint.root)
}

impl World {
    /// A next version is agreed on.
    pub(super) fn amend(&mut self, changes: &Changes) {
        self.charters = next(&self.charters, changes);
    }

    /// People bring a node all versions that it lacks.
    pub(super) fn bring(&mut self, at: usize) {
        let held = self.nodes[at].disk.charters.as_ref().unwrap().newest().version();
        let lacking: Vec<_> = self.charters.versions().filter(|charter| charter.version() > held).cloned().collect();
        for charter in lacking {
            self.event(at, Event::CharterBrought(Box::new(charter.as_ref().clone())));
        }
    }

    /// Whether the logs of these units are all in the newest version of the charter, for everyone who runs.
    pub(super) fn all_turned(&self) -> bool {
        let newest = self.charters.newest();
        self.nodes.iter().filter(|node| newest.unit(&node.unit).is_some()).all(|node| {
            let Some(engine) = &node.engine else { return true };
            engine.setup.charters.newest().version() == newest.version() && engine.admitted_from() == newest.version()
        })
    }

    /// No two certified checkpoints of one log contradict, whoever took them for certified.
    fn check_certified_agree(&self) {
        self.check_no_fork();
        for node in &self.nodes {
            for (unit, size, root) in &node.certified {
                let longest =
                    self.nodes.iter().filter_map(|n| n.disk.logs.get(unit)).max_by_key(|log| log.len()).unwrap();
                let tree: crate::tree::MemoryTree = longest.iter().map(Entry::leaf_hash).collect();
                assert_eq!(crate::tree::range(&tree, Size::ZERO, *size).unwrap().root().unwrap(), *root);
            }
        }
    }
}

fn id(text: &str) -> UnitId {
    text.parse().unwrap()
}

fn adding(unit: &str) -> Changes {
    Changes { add: vec![describe(&id(unit), [0; 3])], ..Changes::default() }
}

fn removing(unit: &str) -> Changes {
    Changes { remove: vec![id(unit)], ..Changes::default() }
}

pub(super) fn updating(unit: &str, generations: [u8; 3]) -> Changes {
    Changes { update: vec![describe(&id(unit), generations)], ..Changes::default() }
}

/// A network whose logs have something certified.
pub(super) fn at_work(units: &[&str], seed: u64) -> World {
    let mut world = World::new(units, seed);
    for at in 0..units.len() {
        world.submit(at, 2);
    }
    let sizes = vec![2; units.len()];
    world.until("all certified", |w| w.all_certified(&sizes));
    world
}

/// How many entries every log has, by its author.
fn own_sizes(world: &World) -> Vec<u64> {
    (0..world.nodes.len())
        .map(|at| world.nodes[at].disk.logs.get(&world.nodes[at].unit).map_or(0, Vec::len) as u64)
        .collect()
}

#[test]
fn a_unit_joins_a_network_that_goes_on_working() {
    for seed in 0..6 {
        let mut world = at_work(&["BE", "FR", "NL"], seed);
        world.amend(&adding("UK"));
        let uk = world.add(&id("UK"));
        // One node is told; the others learn of it by its greeting.
        world.bring(0);
        for at in 0..3 {
            world.submit(at, 3);
        }
        world.until("everyone has turned", World::all_turned);
        world.submit(uk, 4);
        world.submit(0, 2);
        world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
        // Each of the three has one entry more: the Adopt.
        assert_eq!(own_sizes(&world), [2 + 3 + 1 + 2, 2 + 3 + 1, 2 + 3 + 1, 4]);
        world.check_certified_agree();
        assert!(world.nodes.iter().all(|node| node.evidence.is_empty() && node.faults.is_empty()));
    }
}

#[test]
fn a_unit_leaves_and_the_others_go_on_without_it() {
    for seed in 0..6 {
        let mut world = at_work(&["BE", "FR", "NL", "UK"], seed);
        world.amend(&removing("UK"));
        world.bring(1);
        world.until("everyone has turned", World::all_turned);
        for at in 0..3 {
            world.submit(at, 2);
        }
        world.until("certified by those who remain", |w| {
            let sizes = &own_sizes(w)[..3];
            (0..3).all(|at| w.certified(at)[..3] == *sizes)
        });
        // Whatever the leaver writes now is nobody's business.
        world.submit(3, 5);
        for _ in 0..20_000 {
            world.step();
        }
        assert!((0..3).all(|at| world.certified(at)[3] == 2), "its log ended");
        world.check_certified_agree();
    }
}

#[test]
fn every_key_of_a_unit_is_replaced_while_all_go_on() {
    for (seed, generations) in [(1, [1, 0, 0]), (2, [0, 1, 0]), (3, [0, 0, 1]), (4, [1, 1, 1]), (5, [1, 1, 1])] {
        let mut world = at_work(&["BE", "FR", "NL"], seed);
        world.amend(&updating("BE", generations));
        world.bring(seed as usize % 3);
        world.submit(0, 2);
        world.submit(1, 2);
        world.until("everyone has turned", World::all_turned);
        world.submit(0, 2);
        world.submit(2, 2);
        world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
        world.check_certified_agree();
        let view = world.log(1, 0).certified.unwrap();
        assert_eq!(view.signed().key(), signers(&id("BE"), generations).1.key(), "seed {seed}");
    }
}

#[test]
fn a_node_that_was_cut_off_catches_up_through_several_versions() {
    for seed in 0..6 {
        let mut world = at_work(&["BE", "FR", "NL", "UK", "US"], seed);
        world.kill(4);
        for (at, changes) in
            [updating("BE", [1, 1, 1]), adding("IT"), updating("FR", [0, 1, 1]), removing("UK")].iter().enumerate()
        {
            world.amend(changes);
            world.bring(0);
            if at == 1 {
                let it = world.add(&id("IT"));
                world.submit(it, 1);
            }
            // US is down and turns later: whoever runs has taken the new version up in its own log.
            world.until("those who run have the charter", |w| {
                let newest = w.charters.newest().version();
                w.nodes.iter().filter_map(|node| node.engine.as_ref()).all(|engine| {
                    engine.setup.charters.newest().version() == newest
                        && engine.setup.charters.newest().units().keys().filter(|unit| unit.as_str() != "US").all(
                            |unit| engine.logs[unit].eras.current().unwrap().version == newest || unit.as_str() == "IT",
                        )
                })
            });
            for node in 0..3 {
                world.submit(node, 300);
            }
            for _ in 0..3_000 {
                world.step();
            }
        }
        world.start(4);
        world.until("everyone has turned", World::all_turned);
        let lasting = [0, 1, 2, 4, 5];
        world.until("all is certified by all who remain", |w| {
            let sizes = own_sizes(w);
            lasting.iter().all(|at| lasting.iter().all(|of| w.certified(*at)[*of] == sizes[*of]))
        });
        world.check_certified_agree();
        assert!(world.nodes.iter().all(|node| node.evidence.is_empty()));
    }
}

#[test]
fn networks_of_one_and_two_units_grow() {
    for seed in 0..6 {
        let mut world = at_work(&["BE"], seed);
        for (unit, size) in [("FR", 2), ("NL", 3)] {
            world.amend(&adding(unit));
            world.add(&id(unit));
            world.bring(0);
            world.until("everyone has turned", World::all_turned);
            for at in 0..size {
                world.submit(at, 1);
            }
            world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
        }
        world.check_certified_agree();
    }
}

#[test]
fn a_quorum_is_raised() {
    let mut world = at_work(&["BE", "FR", "NL", "UK"], 1);
    world.amend(&Changes { quorum: Some(Some(3)), ..Changes::default() });
    world.bring(2);
    world.until("everyone has turned", World::all_turned);
    world.kill(3);
    world.submit(0, 1);
    for _ in 0..30_000 {
        world.step();
    }
    assert!(world.certified(0)[0] < own_sizes(&world)[0], "three of three must cosign");
    world.start(3);
    world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
    world.check_certified_agree();
}

#[test]
fn whoever_is_killed_at_any_moment_of_a_change_goes_on_from_its_disks() {
    for seed in 0..30 {
        let mut world = at_work(&["BE", "FR", "NL", "UK"], seed);
        world.amend(&updating("FR", [1, 1, 1]));
        world.bring(world.nodes.len() - 1);
        world.amend(&adding("US"));
        world.add(&id("US"));
        for round in 0..12 {
            let count = world.random(1_500);
            for _ in 0..count {
                world.step();
            }
            let victim = world.random(5);
            world.kill(victim);
            world.start(victim);
            if round == 4 {
                world.bring(0);
            }
            let author = world.random(5);
            world.submit(author, 2);
            world.check_no_fork();
        }
        world.until("everyone has turned", World::all_turned);
        world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
        world.check_certified_agree();
    }
}

#[test]
fn a_charter_that_contradicts_is_kept_as_evidence_and_refused() {
    let mut world = at_work(&["BE", "FR", "NL"], 1);
    let before = world.charters.clone();
    world.amend(&adding("UK"));
    let other = next(&before, &adding("US"));
    world.bring(0);
    world.until("all hold it", |w| {
        w.nodes.iter().all(|node| node.engine.as_ref().unwrap().setup.charters.newest().version() == 2)
    });
    // A partner sends the other text, which is signed by everyone too.
    let (&stream, peer) = {
        let engine = world.nodes[1].engine.as_ref().unwrap();
        let (stream, session) = engine.sessions.iter().find(|(_, session)| session.active).unwrap();
        (stream, session.peer.clone())
    };
    let note = other.newest().note().to_vec();
    world.event(1, Event::Received { stream, frame: crate::sync::Frame::Charter(note) });
    assert_eq!(world.nodes[1].evidence, ["another text of version 2 is held here; both cannot count"]);
    let refused =
        |w: &World| w.nodes[1].faults.iter().any(|fault| fault.contains("charter version 2 with another text"));
    world.until(&format!("the stream to {peer} ends"), refused);
    assert_eq!(world.nodes[1].disk.charters.as_ref().unwrap().newest().digest(), world.charters.newest().digest());
}

#[test]
fn nodes_that_hold_different_texts_of_a_version_show_them_to_each_other_and_take_neither() {
    for seed in 0..6 {
        let mut world = at_work(&["BE", "FR", "NL"], seed);
        let before = world.charters.clone();
        let (one, other) = (next(&before, &adding("UK")), next(&before, &adding("US")));
        // With a third version on it, the one side names a version that the other does not know.
        let later = if seed % 2 == 0 { one.clone() } else { next(&one, &removing("UK")) };
        for (at, chain) in [(0, &later), (1, &later), (2, &other)] {
            world.kill(at);
            world.nodes[at].disk.charters = Some(chain.clone());
            world.nodes[at].faults.clear();
        }
        (0..3).for_each(|at| world.start(at));
        world.until("all were shown the other text", |w| w.nodes.iter().all(|node| !node.evidence.is_empty()));
        let ended = |w: &World, at: usize| w.nodes[at].faults.iter().any(|fault| fault.contains("with another text"));
        world.until("the streams end", |w| (0..3).any(|at| ended(w, at)));
        for node in &world.nodes {
            let words = "another text of version 2 is held here; both cannot count";
            assert!(node.evidence.iter().all(|evidence| evidence == words), "{:?}", node.evidence);
        }
        for (at, chain) in [(0, &later), (1, &later), (2, &other)] {
            let held = world.nodes[at].engine.as_ref().unwrap().setup.charters.newest().digest();
            assert_eq!(held, chain.newest().digest());
        }
        let heard = |at: usize, of: usize| world.nodes[at].engine.as_ref().unwrap().connected(&world.nodes[of].unit);
        assert!(heard(0, 2).is_none() && heard(1, 2).is_none() && heard(2, 0).is_none(), "they are no partners");
    }
}

#[test]
fn another_text_of_a_version_tells_who_signed_both_and_whether_it_would_count() {
    let units: Vec<UnitId> = ["BE", "FR", "NL", "UK"].iter().map(|unit| id(unit)).collect();
    let before = found(&units);
    let held = next(&before, &updating("BE", [1, 0, 0]));
    let draft = before.compose_next(&removing("UK")).unwrap();
    let signed_by = |units: &[&str]| {
        let mut draft = draft.clone();
        sign_all(&mut draft, units.iter().map(|unit| id(unit)));
        draft.to_bytes()
    };
    let found = |note: &[u8]| held.contradiction(note).unwrap();
    // BE's charter key was another in the version before, and that one voted for both.
    let few = found(&signed_by(&["BE", "NL"]));
    assert_eq!((few.version, few.digest), (2, draft.digest()));
    assert_eq!(few.signed_both, [id("BE"), id("NL")].into());
    assert!(few.lacks.unwrap().contains("more than two thirds must"));
    let enough = found(&signed_by(&["BE", "FR", "NL"]));
    assert_eq!((enough.signed_both.len(), enough.lacks), (3, None));
    assert_eq!(found(&signed_by(&[])).signed_both, [].into());
    // What is held itself, what is not held yet, and what is no charter contradict nothing.
    let third = held.compose_next(&removing("UK")).unwrap();
    for note in [held.newest().note(), &third.to_bytes(), b"nonsense"] {
        assert_eq!(held.contradiction(note), None);
    }
}

#[test]
fn nobody_is_said_to_have_signed_twice_who_signed_texts_of_two_foundings() {
    let units: Vec<UnitId> = ["BE", "FR", "NL"].iter().map(|unit| id(unit)).collect();
    let revoking = |key: u8| Changes { revoke: [Hash([key; 32])].into(), ..Changes::default() };
    let third = next(&next(&found(&units), &revoking(1)), &revoking(2));
    let zero = Base { size: Size::ZERO, root: Hash::EMPTY_ROOT };
    let founding = |without: &[&str]| {
        let mut draft = refound(&third, without, &[("BE", zero), ("FR", zero), ("NL", zero)]);
        sign_all(&mut draft, units.clone());
        draft
    };
    let first = founding(&[]);
    let mut anew = third.clone();
    anew.refound(&first).unwrap();
    let anew: CharterChain = (3..7).fold(anew, |chain, key| next(&chain, &revoking(key)));
    let second = anew.version(2).unwrap().note();
    // A node that goes on as before is shown what was founded anew, and one that was founded anew what went on as before.
    for note in [first.to_bytes().as_slice(), second] {
        let found = third.contradiction(note).unwrap();
        assert_eq!((found.signed_both, found.elsewhere), ([].into(), true));
    }
    let fifth = next(&next(&third, &revoking(8)), &revoking(9));
    let found = anew.contradiction(fifth.newest().note()).unwrap();
    assert_eq!((found.signed_both, found.elsewhere), ([].into(), true));
    // Two texts of one founding are another matter.
    let found = anew.contradiction(&founding(&["NL"]).to_bytes()).unwrap();
    assert_eq!((found.signed_both, found.elsewhere), ([id("BE"), id("FR")].into(), false));
    // As is a further attempt.
    let mut further = refound(&third, &[], &[("BE", zero), ("FR", zero), ("NL", zero)]).as_attempt(2).unwrap();
    sign_all(&mut further, units.clone());
    assert_eq!((first.attempt(), further.attempt()), (1, 2));
    let found = anew.contradiction(&further.to_bytes()).unwrap();
    assert_eq!((found.signed_both, found.elsewhere), ([].into(), true));
}

#[test]
fn a_charter_that_too_few_signed_is_kept_as_evidence_and_refused() {
    let mut world = at_work(&["BE", "FR", "NL"], 1);
    let draft = world.charters.compose_next(&removing("BE")).unwrap();
    let stream = *world.nodes[1].engine.as_ref().unwrap().sessions.keys().next().unwrap();
    let frame = crate::sync::Frame::Charter(draft.to_bytes());
    world.event(1, Event::Received { stream, frame });
    assert!(world.nodes[1].evidence[0].contains("more than two thirds must"), "{:?}", world.nodes[1].evidence);
    assert_eq!(world.nodes[1].disk.charters.as_ref().unwrap().newest().version(), 1);
}

#[test]
fn a_checkpoint_signed_with_a_replaced_key_is_refused_beyond_the_bridge_and_verifies_before_it() {
    let mut world = at_work(&["BE", "FR", "NL"], 2);
    world.amend(&updating("BE", [0, 1, 0]));
    world.bring(0);
    world.until("everyone has turned", World::all_turned);
    world.until("all is certified by all", |w| w.all_certified(&own_sizes(w)));
    // Whoever stole the old key writes on behind the bridge.
    let be = id("BE");
    let log = &world.nodes[1].disk.logs[&be];
    let mut tree: crate::tree::MemoryTree = log.iter().map(Entry::leaf_hash).collect();
    let entry = Entry::compose(2, world.now_ms, [3; 16], Bytes::from("not BE's")).unwrap();
    tree.push(entry.leaf_hash()).unwrap();
    let forged = |size: u64, key: &MemorySigner| {
        let size = Size::new(size).unwrap();
        let root = crate::tree::range(&tree, Size::ZERO, size).unwrap().root().unwrap();
        let checkpoint = Checkpoint { origin: key.key().name().clone(), size, root };
        crate::checkpoint::SignedCheckpoint::sign(checkpoint, key).unwrap().to_note().to_bytes()
    };
    let (old, new) = (signers(&be, [0; 3]).1, signers(&be, [1; 3]).1);
    let size = log.len() as u64;
    assert_eq!(size, 3);
    let node = &mut world.nodes[1];
    let known = node.engine.as_mut().unwrap().logs.get_mut(&be).unwrap();
    let refused = known.learn(&forged(size + 1, &old), &node.disk).unwrap_err().to_string();
    assert!(refused.contains("a key that the charter has replaced"), "{refused}");
    assert!(known.learn(&forged(2, &old), &node.disk).is_ok(), "what it signed before the Adopt still verifies");
    assert!(known.learn(&forged(2, &new), &node.disk).is_err(), "the new key signs nothing before it");
    assert!(!known.forked);
}

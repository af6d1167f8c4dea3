//! I1 with a dishonest author: whoever shows two branches of its log is found out, and everybody honest ends alike.

use std::collections::BTreeSet;

use super::world::World;
use crate::entry::Entry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::Signer as _;
use crate::sync::Standing;
use crate::tree::MemoryTree;

/// How many seeds: so many, or as many as whoever looks closer asks for.
pub(super) fn seeds(few: u64) -> u64 {
    std::env::var("ENTENTE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(few)
}

fn running(world: &World) -> bool {
    world.nodes.iter().all(|n| n.engine.as_ref().is_none_or(|e| *e.standing() == Standing::Running))
}

/// A network in which the first unit runs twice and pretends that nothing is wrong; the second machine is the last node.
pub(super) fn two_faced(units: &[&str], seed: u64) -> (World, usize) {
    let mut world = World::new(units, seed);
    world.until("all run", running);
    let common = world.random(3) * 150;
    world.submit(0, 2 + common);
    world.until("something is certified", |w| (0..units.len()).all(|at| w.certified(at)[0] >= 2));
    world.kill(0);
    let twin = world.clone_node(0);
    for at in [0, twin] {
        world.nodes[at].dishonest = true;
        world.start(at);
    }
    (world, twin)
}

/// The tree of a unit's log on a node's disk.
pub(super) fn tree(world: &World, at: usize, unit: &UnitId) -> Vec<Hash> {
    world.nodes[at].disk.logs.get(unit).into_iter().flatten().map(Entry::leaf_hash).collect()
}

pub(super) fn root(leaves: &[Hash], size: Size) -> Option<Hash> {
    let tree: MemoryTree = leaves.get(..size.get() as usize)?.iter().copied().collect();
    Some(tree.root())
}

/// What no dishonest author may bring about: an honest unit's name under both branches, or two certified ones.
fn check(world: &World, twin: usize, honest: &[usize]) {
    let unit = world.nodes[0].unit.clone();
    let branches = [tree(world, 0, &unit), tree(world, twin, &unit)];
    let on = |branch: &Vec<Hash>, (size, found): &(Size, Hash)| root(branch, *size) == Some(*found);
    let one_line = |all: &[(Size, Hash)]| branches.iter().any(|branch| all.iter().all(|at| on(branch, at)));
    for at in honest {
        let cosigned = world.nodes[*at].cosigned.get(&unit).cloned().unwrap_or_default();
        assert!(one_line(&cosigned), "{} cosigned two branches", world.nodes[*at].unit);
    }
    let needed = world.needed(&unit);
    let certified = world.cosigners(&unit).into_iter().filter(|(_, by)| by.len() >= needed);
    let certified: Vec<_> = certified.map(|(at, _)| at).collect();
    assert!(one_line(&certified), "two certified checkpoints contradict");
    // Nor does anybody take anything else for certified.
    let taken = |at: &usize| {
        let head = world.nodes[*at].engine.as_ref()?.log(&unit)?.certified?.checkpoint().clone();
        Some((head.size, head.root))
    };
    let taken: Vec<_> = honest.iter().filter_map(taken).collect();
    assert!(one_line(&taken.into_iter().chain(certified).collect::<Vec<_>>()));
}

fn proof(world: &World, at: usize) -> Option<ForkProof> {
    world.log(at, 0).fork
}

/// All honest nodes have a proof, the same certified size, and the same log up to it.
pub(super) fn ended_alike(world: &World, honest: &[usize]) -> bool {
    let unit = &world.nodes[0].unit;
    let end = |at: usize| {
        let head = world.log(at, 0).certified?.checkpoint().clone();
        root(&tree(world, at, unit), head.size).filter(|own| *own == head.root)?;
        Some((head.size, head.root))
    };
    honest.iter().all(|at| proof(world, *at).is_some())
        && honest.iter().map(|at| end(*at)).collect::<BTreeSet<_>>().len() == 1
        && end(honest[0]).is_some()
}

/// Both faces submit, streams come and go, machines die, and halves of the network are cut apart.
pub(super) fn trouble(world: &mut World, twin: usize, honest: &[usize]) {
    for _ in 0..12 {
        let face = if world.random(2) == 0 { 0 } else { twin };
        let most = if world.random(4) == 0 { 400 } else { 3 };
        let count = 1 + world.random(most);
        world.submit(face, count);
        for _ in 0..world.random(1_500) {
            world.step();
        }
        match world.random(5) {
            0 => world.hang_up(face),
            1 => {
                let victim = honest[world.random(honest.len())];
                world.kill(victim);
                world.start(victim);
            }
            2 => {
                let (a, b) = (honest[world.random(honest.len())], honest[world.random(honest.len())]);
                if a != b {
                    world.block(a, b);
                }
            }
            3 => world.blocked.clear(),
            _ => {
                let away = honest[world.random(honest.len())];
                world.block(face.min(away), face.max(away));
            }
        }
        check(world, twin, honest);
    }
    world.blocked.clear();
}

#[test]
fn a_dishonest_author_is_proven_to_everybody_and_never_certifies_two_branches() {
    let patterns: [&[&str]; 5] = [
        &["BE", "FR"],
        &["BE", "FR", "NL"],
        &["BE", "FR", "NL", "UK"],
        &["BE", "FR", "NL", "UK", "US"],
        &["BE", "BG", "CA", "FR", "NL", "RO", "UK", "US"],
    ];
    let mut rewound = 0;
    for units in patterns {
        for seed in 0..seeds(6) {
            let (mut world, twin) = two_faced(units, seed);
            world.together = 1 + seed as usize % 2 * 8;
            let honest: Vec<usize> = (1..units.len()).collect();
            trouble(&mut world, twin, &honest);
            // Both faces have something to show in any case.
            for face in [0, twin] {
                world.submit(face, 1);
            }
            let mut turns = 0;
            world.until_with(
                "all know, and end alike",
                |w| ended_alike(w, &honest),
                |w| {
                    turns += 1;
                    // Each face reaches everybody sooner or later.
                    w.hang_up(if turns % 2 == 0 { 0 } else { twin });
                    check(w, twin, &honest);
                },
            );
            let proof = proof(&world, 1).unwrap();
            assert!(proof.cosigned_both().is_empty(), "nobody is named who did nothing");
            rewound += world.nodes.iter().map(|node| node.rewound).sum::<usize>();
        }
    }
    assert!(rewound > 0, "somebody was on the branch that was not certified");
}

#[test]
fn a_cosigner_that_signed_both_branches_is_named_by_everybody() {
    for seed in 0..6 {
        let units = ["BE", "FR", "NL", "UK", "US"];
        let (mut world, twin) = two_faced(&units, seed);
        // FR runs twice as well: one of it cosigns what it is shown here, the other what it is shown there.
        world.kill(1);
        let second = world.clone_node(1);
        for at in [1, second] {
            world.nodes[at].dishonest = true;
            world.start(at);
        }
        // BE and FR here reach NL, the others of them UK; US is not there yet.
        world.kill(4);
        for (a, b) in [(0, second), (0, 3), (1, 3), (2, 3), (1, twin), (2, twin), (2, second)] {
            world.block(a.min(b), a.max(b));
        }
        for face in [0, twin] {
            world.submit(face, 3);
        }
        world.until("both have cosigned", |w| {
            let unit = &w.nodes[0].unit;
            let last = |at: usize| w.nodes[at].cosigned.get(unit).and_then(|all| all.last().copied());
            last(1).zip(last(second)).is_some_and(|(one, other)| one != other && one.0 == other.0)
        });
        world.blocked.clear();
        world.start(4);
        let honest = [2, 3, 4];
        let named = |w: &World, at: usize| {
            w.log(at, 0).cosigned_both.len() == 1 && proof(w, at).is_some_and(|proof| proof.cosigned_both().len() == 1)
        };
        let mut turns = 0;
        world.until_with(
            "FR is named",
            |w| honest.iter().all(|at| named(w, *at)) && ended_alike(w, &honest),
            |w| {
                turns += 1;
                for (one, other) in [(0, twin), (1, second)] {
                    w.hang_up(if turns % 2 == 0 { one } else { other });
                }
                check(w, twin, &honest);
            },
        );
        assert_eq!(proof(&world, 2).unwrap().cosigned_both(), BTreeSet::from(["FR".parse().unwrap()]));
    }
}

#[test]
fn after_a_fork_nothing_more_of_that_log_is_cosigned_also_after_a_restart() {
    let (mut world, twin) = two_faced(&["BE", "FR", "NL", "UK"], 3);
    for face in [0, twin] {
        world.submit(face, 2);
    }
    let honest = [1, 2, 3];
    let mut turns = 0;
    world.until_with(
        "all know",
        |w| ended_alike(w, &honest),
        |w| {
            turns += 1;
            w.hang_up(if turns % 2 == 0 { 0 } else { twin });
        },
    );
    for _ in 0..5_000 {
        world.step();
    }
    let unit = world.nodes[0].unit.clone();
    let before = world.cosigners(&unit);
    let sizes = |w: &World| honest.map(|at| w.log(at, 0).size);
    let held = sizes(&world);
    for at in honest {
        world.kill(at);
        world.start(at);
        // Known again from its disks, before anybody said anything.
        assert!(proof(&world, at).is_some());
    }
    for face in [0, twin, 1] {
        world.submit(face, 2);
    }
    for _ in 0..100_000 {
        world.step();
    }
    assert_eq!(world.cosigners(&unit), before);
    assert_eq!(sizes(&world), held, "nor is anything more of it fetched");
    assert_eq!(world.certified(2)[1], 2, "other logs go on");
    // Nor is it where the database that had the proof is lost.
    world.kill(1);
    world.nodes[1].disk.lose_database();
    world.start(1);
    world.until("it knows again, and holds what is certified", |w| ended_alike(w, &honest));
    for face in [0, twin] {
        world.submit(face, 2);
    }
    for _ in 0..50_000 {
        world.step();
    }
    assert_eq!(world.cosigners(&unit), before);
}

#[test]
fn a_node_killed_at_any_moment_of_a_cut_ends_with_the_others() {
    let (mut before, mut after) = (0, 0);
    for seed in 0..seeds(12) {
        let (mut world, twin) = two_faced(&["BE", "FR", "NL", "UK", "US"], 300 + seed);
        // UK is shown another branch than the others.
        for (a, b) in [(1, 3), (2, 3), (3, 4), (0, 3), (1, twin), (2, twin), (4, twin)] {
            world.block(a, b);
        }
        world.submit(0, 2);
        world.submit(twin, 3);
        let size = |w: &World, at: usize| w.log(at, 0).size;
        let common = size(&world, 1);
        world.until("each has its branch", |w| w.certified(1)[0] > common.get() && size(w, 3) > common);
        world.blocked.clear();
        let honest = [1, 2, 3, 4];
        let mut killed = false;
        for turn in 0..400_000_u32 {
            if turn % 4_000 == 0 {
                world.hang_up(if turn % 8_000 == 0 { 0 } else { twin });
            }
            let (due, done) = (world.is_to_cut_back(3), world.nodes[3].rewound);
            world.step();
            // Half of the seeds kill it before the cut, the others right after.
            let now = if seed % 2 == 0 { due } else { world.nodes[3].rewound > done };
            if now && !killed {
                killed = true;
                *(if seed % 2 == 0 { &mut before } else { &mut after }) += 1;
                world.kill(3);
                world.start(3);
            }
            if turn % 200 == 0 && ended_alike(&world, &honest) {
                break;
            }
        }
        assert!(ended_alike(&world, &honest), "seed {seed}");
        check(&world, twin, &honest);
    }
    assert!(before > 0 && after > 0, "some were killed before, some after");
}

#[test]
fn cosignatures_gather_through_a_node_that_is_on_another_branch() {
    for seed in 0..6 {
        let (mut world, twin) = two_faced(&["BE", "FR", "NL", "UK"], 400 + seed);
        for (a, b) in [(1, 2), (1, 3), (2, 3), (0, 2), (0, 3), (1, twin), (2, twin)] {
            world.block(a, b);
        }
        let unit = world.nodes[0].unit.clone();
        let last = |w: &World, at: usize| w.nodes[at].cosigned.get(&unit).and_then(|all| all.last().copied());
        let before = [1, 2, 3].map(|at| last(&world, at));
        world.submit(0, 1);
        world.submit(twin, 1);
        // FR and NL cosign one branch, and neither hears of the other; UK cosigns the other branch.
        world.step_until("FR has cosigned", |w| last(w, 1) != before[0]);
        world.block(0, 1);
        world.blocked.remove(&(0, 2));
        world.step_until("NL has cosigned", |w| last(w, 2) != before[1]);
        world.kill(0);
        world.step_until("UK has cosigned", |w| last(w, 3) != before[2]);
        world.kill(twin);
        assert_eq!(last(&world, 1), last(&world, 2), "seed {seed}");
        assert_ne!(last(&world, 1), last(&world, 3), "seed {seed}");
        // UK proves the fork before it knows of any cosignature of the other branch.
        world.blocked.insert((0, 2));
        world.blocked.remove(&(0, 3));
        world.start(0);
        world.until("UK has the proof", |w| proof(w, 3).is_some());
        world.kill(0);
        assert!(
            proof(&world, 3).unwrap().smaller().cosigners().len()
                + proof(&world, 3).unwrap().larger().cosigners().len()
                == 1
        );
        // FR and NL hear of each other through UK alone, one after the other.
        world.blocked.remove(&(1, 3));
        world.until("FR has the proof", |w| proof(w, 1).is_some());
        for _ in 0..5_000 {
            world.step();
        }
        world.block(1, 3);
        world.blocked.remove(&(2, 3));
        world.until("NL certifies what it hears of FR", |w| {
            let (size, _) = last(w, 2).unwrap();
            w.certified(2)[0] == size.get()
        });
        world.blocked.remove(&(1, 3));
        world.until("all end at what two of three cosigned", |w| {
            let (size, _) = last(w, 1).unwrap();
            ended_alike(w, &[1, 2, 3]) && w.certified(3)[0] == size.get()
        });
        check(&world, twin, &[1, 2, 3]);
    }
}

#[test]
fn an_adoption_on_the_branch_that_goes_is_none() {
    use super::world::Disk;
    use crate::sync::eras::Eras;
    use crate::sync::log::Log;
    use crate::sync::{Adoption, Restored};
    let be: UnitId = "BE".parse().unwrap();
    let first = super::charters::found(&[be.clone(), "FR".parse().unwrap()]);
    let chain = super::charters::next(&first, &super::charters::updating("BE", [0, 1, 0]));
    let size = |size| Some(Size::new(size).unwrap());
    let mut log = Log::new(be.clone(), Eras::new(&chain, &be).unwrap());
    log.eras.found(5, Some(Adoption { version: 2, digest: chain.newest().digest() }));
    log.eras.cut_back(Size::new(6).unwrap());
    assert_eq!(log.eras.limit(), size(6));
    log.rewound(Restored::default(), &Disk::default()).unwrap();
    assert_eq!(log.eras.limit(), None);
    assert_eq!(log.eras.log_key(Size::new(6).unwrap()), Some(super::world::log_signer(&be).key()));
}

/// Two checkpoints of one size that BE's key of a generation signed, as a proof.
fn proof_about(unit: &str, generation: u8) -> crate::wire::ForkProof {
    use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
    let (_, signer, _) = super::charters::signers(&unit.parse().unwrap(), [generation; 3]);
    let mut roots = [Hash::of(b"one"), Hash::of(b"two")];
    roots.sort_unstable();
    let note = |root: Hash| {
        let said = Checkpoint { origin: signer.key().name().clone(), size: Size::new(900).unwrap(), root };
        CosignedCheckpoint::new(SignedCheckpoint::sign(said, &signer).unwrap()).to_note(&Default::default())
    };
    let [smaller, larger] = roots.map(note);
    crate::wire::ForkProof { unit: unit.into(), smaller, larger, consistency: Vec::new() }
}

#[test]
fn what_a_unit_tells_of_a_fork_in_its_log_counts_for_everybody() {
    use crate::record::{self, RecordKind};
    let mut world = World::new(&["BE", "FR", "NL", "UK"], 5);
    world.until("all run", running);
    let body = Some(crate::wire::record::Body::ForkProof(proof_about("BE", 0)));
    let payload = record::encode(&crate::wire::Record { submission: vec![1; 16], body }).unwrap();
    let time_ms = world.now_ms;
    world.enter(1, Entry::compose(RecordKind::ForkProof.number(), time_ms, [4; 16], payload).unwrap());
    world.until("all know", |w| (1..4).all(|at| proof(w, at).is_some()));
    world.until("the record is certified", |w| w.certified(2)[1] == 1);
}

#[test]
fn a_proof_about_a_log_key_that_was_replaced_stops_nobody() {
    let mut world = super::charters::at_work(&["BE", "FR", "NL", "UK"], 6);
    world.amend(&super::charters::updating("BE", [0, 1, 0]));
    world.bring(1);
    world.submit(0, 1);
    let all = |w: &World| (0..4).all(|at| w.certified(at)[0] == w.log(0, 0).size.get());
    world.until("BE signs with its new key", |w| w.all_turned() && all(w));
    // Whoever stole the old key can make any number of such proofs.
    world.inject = Some((2, crate::wire::frame::Frame::Fork(proof_about("BE", 0))));
    for _ in 0..20 {
        world.hang_up(2);
        for _ in 0..1_000 {
            world.step();
        }
    }
    world.inject = None;
    assert!((0..4).all(|at| proof(&world, at).is_none()));
    let size = world.log(0, 0).size;
    world.submit(0, 1);
    world.until("it goes on", |w| w.log(0, 0).size > size && all(w));
}

#[test]
fn a_unit_that_runs_twice_by_accident_is_frozen_where_it_is_certified() {
    for seed in 0..8 {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], seed);
        world.until("all run", running);
        world.submit(0, 3);
        world.until("certified", |w| w.all_certified(&[3, 0, 0, 0]));
        world.kill(0);
        let twin = world.clone_node(0);
        world.start(0);
        world.start(twin);
        let mut turns = 0;
        world.until_with("both run", running, |w| {
            turns += 1;
            w.hang_up(if turns % 2 == 0 { 0 } else { twin });
        });
        world.submit(0, 1);
        world.submit(twin, 2);
        let honest = [1, 2, 3];
        let stopped = |w: &World, at: usize| {
            matches!(w.nodes[at].engine.as_ref().unwrap().standing(), Standing::Recovering { .. })
        };
        let mut turns = 0;
        world.until_with(
            "both stop, and all end alike",
            |w| stopped(w, 0) && stopped(w, twin) && ended_alike(w, &honest),
            |w| {
                turns += 1;
                w.hang_up(if turns % 2 == 0 { 0 } else { twin });
                check(w, twin, &honest);
            },
        );
        let signed = [0, twin].map(|at| world.nodes[at].signed.len());
        for at in [0, twin] {
            world.submit(at, 1);
        }
        for _ in 0..20_000 {
            world.step();
        }
        assert_eq!([0, twin].map(|at| world.nodes[at].signed.len()), signed, "nothing more is signed");
        check(&world, twin, &honest);
        // Started again, both come to what was certified, whichever branch they have in their journals.
        for at in [0, twin] {
            world.kill(at);
            world.start(at);
        }
        world.until_with(
            "both hold what was certified",
            |w| ended_alike(w, &[0, 1, 2, 3, twin]),
            |w| {
                turns += 1;
                w.hang_up(if turns % 2 == 0 { 0 } else { twin });
            },
        );
        assert_eq!([0, twin].map(|at| world.nodes[at].signed.len()), signed, "nor is it then");
    }
}

/// NL passes on a proof that is none, whichever the count of frames makes due.
fn forged_proof(which: usize) -> crate::wire::ForkProof {
    use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
    let be: UnitId = "BE".parse().unwrap();
    let leaves: MemoryTree = (0..9_u8).map(|n| Hash::leaf(&[n])).collect();
    let note = |size: u64, root: Hash, signer: &crate::note::MemorySigner| {
        let origin = super::world::log_signer(&be).key().name().clone();
        let said = Checkpoint { origin, size: Size::new(size).unwrap(), root };
        CosignedCheckpoint::new(SignedCheckpoint::sign(said, signer).unwrap()).to_note(&Default::default())
    };
    let at = |size: u64| crate::tree::range(&leaves, Size::ZERO, Size::new(size).unwrap()).unwrap().root().unwrap();
    let path = crate::tree::consistency_path(&leaves, Size::new(5).unwrap(), Size::new(9).unwrap()).unwrap();
    let path: Vec<Vec<u8>> = path.iter().map(|hash| hash.0.to_vec()).collect();
    let author = super::world::log_signer(&be);
    let name = author.key().name().clone();
    let thief = crate::note::MemorySigner::from_seed(name, crate::note::Algorithm::Ed25519, &[5; 32]).unwrap();
    // Two checkpoints of one branch: what an honest author signs.
    let honest = crate::wire::ForkProof {
        unit: "BE".into(),
        smaller: note(5, at(5), &author),
        larger: note(9, at(9), &author),
        consistency: path,
    };
    match which {
        0 => honest,
        1 => crate::wire::ForkProof { unit: "UK".into(), ..honest },
        2 => crate::wire::ForkProof { unit: "XX".into(), ..honest },
        3 => crate::wire::ForkProof { consistency: vec![vec![0; 32]; 4_000], ..honest },
        4 => crate::wire::ForkProof { smaller: vec![b'x'; 70_000], ..honest },
        // Another smaller checkpoint, that the author never signed.
        5 => crate::wire::ForkProof { smaller: note(5, Hash::of(b"x"), &thief), ..honest },
        // A path that merely fails.
        _ => crate::wire::ForkProof { consistency: vec![vec![7; 32]; honest.consistency.len()], ..honest },
    }
}

/// How many kinds of forged proofs there are.
const FORGED: usize = 7;

#[test]
fn whoever_sends_a_proof_that_proves_nothing_is_cut_off_and_nobody_is_accused() {
    for which in 0..FORGED {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], which as u64);
        world.until("all run", running);
        world.inject = Some((2, crate::wire::frame::Frame::Fork(forged_proof(which))));
        let noticed = |w: &World| [0, 1, 3].iter().all(|at| !w.nodes[*at].faults.is_empty());
        world.until_with("everybody noticed", noticed, |w| w.hang_up(2));
        let words = ["does not verify", "unit is not", "beyond its limit"];
        let known = |fault: &String| words.iter().any(|word| fault.contains(word)) || fault.contains("another stream");
        assert!(world.nodes.iter().flat_map(|node| &node.faults).all(known), "{which}: {:?}", world.nodes[0].faults);
        world.inject = None;
        assert!((0..4).all(|at| (0..4).all(|of| world.log(at, of).fork.is_none())), "{which}");
        for at in 0..4 {
            world.submit(at, 1);
        }
        world.until("all goes on", |w| w.all_certified(&[1, 1, 1, 1]));
    }
}

#[test]
fn a_cosigner_whose_branch_went_cosigns_none_that_does_not_extend_it_whatever_came_of_the_fork() {
    for seed in 0..seeds(3) {
        let (mut world, twin) = two_faced(&["BE", "FR", "NL", "UK", "US"], 500 + seed);
        for (a, b) in [(1, 3), (2, 3), (3, 4), (0, 3), (1, twin), (2, twin), (4, twin)] {
            world.block(a, b);
        }
        world.submit(0, 5);
        world.submit(twin, 3);
        let unit = world.nodes[0].unit.clone();
        let common = world.certified(1)[0];
        world.until("UK has cosigned one branch, and the other is certified", |w| {
            let last = w.nodes[3].cosigned.get(&unit).and_then(|all| all.last().copied());
            w.certified(1)[0] > common && last.is_some_and(|(size, _)| size.get() > common)
        });
        world.blocked.clear();
        world.until("UK is on the certified branch", |w| w.certified(3)[0] > common);
        assert!(world.nodes[3].rewound > 0);
        let node = &mut world.nodes[3];
        let log = node.engine.as_mut().unwrap().logs.get_mut(&unit).unwrap();
        // As after a new log key, under which the fork is history.
        log.forked = false;
        log.strays.clear();
        log.meet(Size::ZERO, &node.disk);
        assert_eq!(log.to_cosign(u64::MAX, &node.unit).map(|(checkpoint, _)| checkpoint.size), None);
        assert!(log.forked, "and says that it cannot");
        // Nor after a start without the proof, which is no reason to call the database broken.
        world.kill(3);
        world.nodes[3].disk.forks.clear();
        world.start(3);
        let node = &world.nodes[3];
        let log = &node.engine.as_ref().unwrap().logs[&unit];
        assert!(log.forked && log.to_cosign(u64::MAX, &node.unit).is_none());
    }
}

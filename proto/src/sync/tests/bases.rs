//! I1 and I6 on the way out of a fork and of a lost key: a log goes on from a base with a new key.

use std::collections::BTreeSet;

use super::charters::{at_work, refound, sign_all, signers, updating};
use super::forks::{ended_alike, root, seeds, tree, trouble, two_faced};
use super::world::World;
use crate::charter::{Base, Changes, UnverifiedCharter};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::Signer as _;
use crate::sync::Advice;

pub(super) fn id(text: &str) -> UnitId {
    text.parse().unwrap()
}

pub(super) fn size(entries: u64) -> Size {
    Size::new(entries).unwrap()
}

fn advice(world: &World, at: usize) -> Advice {
    world.nodes[at].engine.as_ref().unwrap().advise_base(&world.nodes[0].unit).unwrap()
}

/// The next version, in which BE's log goes on from a base with another key. Nobody has signed it.
pub(super) fn with_base(world: &World, base: Base) -> UnverifiedCharter {
    let generation = world.charters.newest().version() as u8;
    let bases = [(id("BE"), base)].into();
    world.charters.compose_next(&Changes { bases, ..updating("BE", [0, generation, 0]) }).unwrap()
}

/// A node's unit signs, if the node finds nothing against the bases. Gives why not otherwise.
pub(super) fn sign(world: &mut World, at: usize, draft: &mut UnverifiedCharter) -> Result<(), String> {
    let node = &mut world.nodes[at];
    let engine = node.engine.as_mut().unwrap();
    // A dishonest author signs anything.
    let stops = if node.dishonest { Vec::new() } else { engine.judge_bases(draft, &node.disk)? };
    for (unit, key) in stops {
        engine.stop_cosigning(&unit, key.clone());
        node.disk.journal.stopped.entry(unit).or_default().insert(key);
    }
    node.disk.journal.signed_charters.insert(draft.digest());
    sign_all(draft, [node.unit.clone()]);
    Ok(())
}

/// All who may sign do, in turns, until nobody more may. Gives whether the charter counts then.
fn all_sign(world: &mut World, nodes: &[usize], draft: &mut UnverifiedCharter) -> bool {
    let mut open: Vec<usize> = nodes.to_vec();
    loop {
        let before = open.len();
        open.retain(|at| sign(world, *at, draft).is_err());
        if open.is_empty() || open.len() == before {
            break;
        }
    }
    let mut chain = world.charters.clone();
    match chain.verify(draft.clone()) {
        Ok(next) => {
            chain.push(next).unwrap();
            world.charters = chain;
            true
        }
        Err(_) => false,
    }
}

/// The clone of BE's machine is ended, and BE's own starts again as an honest node.
fn end_the_twin(world: &mut World, twin: usize) {
    for face in [0, twin] {
        world.kill(face);
        world.nodes[face].dishonest = false;
    }
    world.start(0);
}

fn until_all_know(world: &mut World, twin: usize, honest: &[usize]) {
    for face in [0, twin] {
        world.submit(face, 1);
    }
    let mut turns = 0;
    world.until_with(
        "all know, and end alike",
        |w| ended_alike(w, honest),
        |w| {
            turns += 1;
            w.hang_up(if turns % 2 == 0 { 0 } else { twin });
        },
    );
}

/// Every checkpoint of BE's log that a quorum put its name to, also where nobody ever heard of it, and all that any node took
/// for certified.
fn certified(world: &World) -> BTreeSet<(Size, Hash)> {
    let needed = world.needed(&id("BE"));
    let quorums = world.cosigners(&id("BE")).into_iter().filter(|(_, by)| by.len() >= needed).map(|(at, _)| at);
    let stored = world.nodes.iter().flat_map(|node| &node.certified).filter(|(unit, ..)| *unit == id("BE"));
    quorums.chain(stored.map(|(_, size, root)| (*size, *root))).collect()
}

/// Nothing certified contradicts, and all stands in the log as BE has it now.
fn check(world: &World) {
    let log = tree(world, 0, &id("BE"));
    for (size, found) in certified(world) {
        assert_eq!(root(&log, size), Some(found), "{size} entries were certified and are not in the log");
    }
}

/// BE's log has turned to the newest version, and everyone who runs has certified all of it.
fn until_it_goes_on(world: &mut World, nodes: &[usize]) {
    world.until("BE's log has turned", |w| {
        let newest = w.charters.newest().version();
        let turned = |at: &usize| w.nodes[*at].engine.as_ref().unwrap().logs[&id("BE")].eras.current().unwrap().version;
        nodes.iter().all(|at| turned(at) == newest)
    });
    world.submit(0, 3);
    world.until("what BE says from now on is certified", |w| {
        let log = tree(w, 0, &id("BE"));
        nodes.iter().all(|at| {
            let head = w.log(*at, 0).certified.unwrap();
            head.checkpoint().size.get() == log.len() as u64
                && head.checkpoint().root == root(&log, size(log.len() as u64)).unwrap()
        })
    });
}

#[test]
fn after_a_fork_the_log_goes_on_from_a_base_that_all_can_sign() {
    let patterns: [&[&str]; 4] = [
        &["BE", "FR", "NL"],
        &["BE", "FR", "NL", "UK"],
        &["BE", "FR", "NL", "UK", "US"],
        &["BE", "BG", "CA", "FR", "NL", "RO", "UK", "US"],
    ];
    let mut replaced = 0;
    for units in patterns {
        for seed in 0..seeds(6) {
            let (mut world, twin) = two_faced(units, 950 + seed);
            let honest: Vec<usize> = (1..units.len()).collect();
            trouble(&mut world, twin, &honest);
            until_all_know(&mut world, twin, &honest);
            end_the_twin(&mut world, twin);
            let everybody: Vec<usize> = (0..units.len()).collect();
            // Somebody's advice is safe for all.
            let mut bases: Vec<Base> = honest.iter().map(|at| advice(&world, *at).base).collect();
            bases.dedup();
            let found = bases.into_iter().any(|base| {
                let mut draft = with_base(&world, base);
                all_sign(&mut world, &everybody, &mut draft)
            });
            assert!(found, "{units:?} {seed}: no advice could be signed");
            let base = world.charters.newest().unit(&id("BE")).unwrap().base.unwrap();
            let outside = |at: &&usize| {
                let cosigned = world.nodes[**at].cosigned.get(&id("BE")).and_then(|all| all.last());
                cosigned.is_some_and(|(size, _)| *size > base.size)
            };
            replaced += honest.iter().filter(outside).count();
            let first = world.random(units.len());
            world.bring(first);
            until_it_goes_on(&mut world, &everybody);
            check(&world);
            for at in honest {
                let view = world.log(at, 0);
                assert!(view.fork.is_none() && view.past_fork.is_some(), "the proof stays, as history");
            }
        }
    }
    assert!(replaced > 0, "somebody had cosigned what was replaced");
}

#[test]
fn no_base_that_counts_cuts_off_what_was_certified_whoever_chose_it() {
    let patterns: [&[&str]; 4] =
        [&["BE", "FR"], &["BE", "FR", "NL"], &["BE", "FR", "NL", "UK"], &["BE", "FR", "NL", "UK", "US"]];
    let (mut counted, mut refused) = (0, 0);
    for units in patterns {
        for seed in 0..seeds(8) {
            let (mut world, twin) = two_faced(units, 1_700 + seed);
            let honest: Vec<usize> = (1..units.len()).collect();
            trouble(&mut world, twin, &honest);
            // Often before all know all: cosignatures are still under way that make something certified.
            for face in [0, twin] {
                world.submit(face, 2);
            }
            for _ in 0..world.random(4_000) {
                world.step();
            }
            // Whatever somebody holds, or a little less, however foolish.
            let holder = honest[world.random(honest.len())];
            let log = tree(&world, holder, &id("BE"));
            let back = world.random(3);
            let chosen = size((log.len() - back.min(log.len())) as u64);
            let base = Base { size: chosen, root: root(&log, chosen).unwrap() };
            let mut draft = with_base(&world, base);
            let everybody: Vec<usize> = (0..units.len()).collect();
            let counts = all_sign(&mut world, &everybody, &mut draft);
            let contains = |(size, found): (Size, Hash)| size <= base.size && root(&log, size) == Some(found);
            if !counts {
                refused += 1;
                continue;
            }
            counted += 1;
            // Whatever is still on its way.
            for _ in 0..3_000 {
                world.step();
            }
            assert!(certified(&world).into_iter().all(contains), "{units:?} {seed}");
            end_the_twin(&mut world, twin);
            // BE's own machine may be the one with the other branch.
            let first = honest[world.random(honest.len())];
            world.bring(first);
            until_it_goes_on(&mut world, &everybody);
            check(&world);
        }
    }
    assert!(counted > 5 && refused > 5, "{counted} counted, {refused} were refused");
}

/// BE's log at four nodes: 2 entries are certified, and FR and NL cosigned a third.
fn one_ahead() -> (World, Base, Base) {
    let mut world = at_work(&["BE", "FR", "NL", "UK"], 5);
    let log = tree(&world, 0, &id("BE"));
    let short = Base { size: size(2), root: root(&log, size(2)).unwrap() };
    world.submit(0, 1);
    world.until("it is certified", |w| (0..4).all(|at| w.certified(at)[0] == 3));
    let log = tree(&world, 0, &id("BE"));
    (world, short, Base { size: size(3), root: root(&log, size(3)).unwrap() })
}

#[test]
fn a_base_that_would_cut_off_what_is_certified_is_signed_and_taken_up_by_nobody() {
    let (mut world, short, _) = one_ahead();
    let mut draft = with_base(&world, short);
    for at in 0..4 {
        let refused = sign(&mut world, at, &mut draft).unwrap_err();
        assert!(refused.contains("2 entries, would cut off what is certified here, 3 entries"), "{refused}");
    }
    // Nor where all have signed all the same: it is kept as evidence.
    sign_all(&mut draft, world.charters.units());
    let mut chain = world.charters.clone();
    chain.push(chain.verify(draft).unwrap()).unwrap();
    world.charters = chain;
    let stream = *world.nodes[1].engine.as_ref().unwrap().sessions.keys().next().unwrap();
    let frame = crate::sync::Frame::Charter(world.charters.newest().note().to_vec());
    world.event(1, crate::sync::Event::Received { stream, frame });
    assert!(world.nodes[1].evidence[0].contains("would cut off what is certified"), "{:?}", world.nodes[1].evidence);
    assert_eq!(world.nodes[1].disk.charters.as_ref().unwrap().newest().version(), 1);
}

#[test]
fn who_cosigned_beyond_a_base_signs_it_only_after_enough_others_who_did_not() {
    let mut world = at_work(&["BE", "FR", "NL", "UK"], 5);
    let log = tree(&world, 0, &id("BE"));
    let base = Base { size: size(2), root: root(&log, size(2)).unwrap() };
    assert!((0..4).all(|at| world.certified(at)[0] == 2));
    // BE's third entry reaches FR alone.
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        world.block(a, b);
    }
    world.submit(0, 1);
    let newest = |w: &World, at: usize| w.nodes[at].cosigned[&id("BE")].last().unwrap().0;
    world.until("FR has cosigned it", |w| newest(w, 1) == size(3));
    assert_eq!((newest(&world, 2), newest(&world, 3), world.certified(1)[0]), (size(2), size(2), 2));

    // One more cosignature would certify what the base cuts off: FR waits until neither of the others can give it.
    let mut draft = with_base(&world, base);
    let refused = sign(&mut world, 1, &mut draft).unwrap_err();
    assert!(refused.contains("unless 2 of the units") && refused.contains("(0 have)"), "{refused}");
    sign(&mut world, 2, &mut draft).unwrap();
    let refused = sign(&mut world, 1, &mut draft).unwrap_err();
    assert!(refused.contains("(1 have)"), "{refused}");
    sign(&mut world, 3, &mut draft).unwrap();
    sign(&mut world, 1, &mut draft).unwrap();
}

#[test]
fn a_lost_log_key_is_replaced_from_the_newest_that_anybody_cosigned() {
    let (mut world, _, base) = one_ahead();
    assert_eq!(advice(&world, 2).base, base);
    let mut draft = with_base(&world, base);
    assert!(all_sign(&mut world, &[0, 1, 2, 3], &mut draft));
    // BE writes on under the old key until it has the charter: nobody cosigns that, and it is replaced.
    world.submit(0, 2);
    for _ in 0..20_000 {
        world.step();
    }
    assert_eq!(world.certified(1)[0], 3, "who signed cosigns nothing under the old key");
    world.bring(3);
    until_it_goes_on(&mut world, &[0, 1, 2, 3]);
    check(&world);
    // What BE's officers said meanwhile was not lost: its three entries, the Adopt, the two, and three more.
    assert_eq!(tree(&world, 0, &id("BE")).len(), 3 + 1 + 2 + 3);
    let key = world.log(1, 0).certified.unwrap().signed().key().clone();
    assert_eq!(&key, signers(&id("BE"), [0, 1, 0]).1.key());
}

#[test]
fn who_signed_does_not_cosign_under_the_old_key_after_a_restart_either() {
    let (mut world, _, base) = one_ahead();
    let mut draft = with_base(&world, base);
    sign(&mut world, 1, &mut draft).unwrap();
    sign(&mut world, 2, &mut draft).unwrap();
    for at in [1, 2] {
        world.kill(at);
        world.start(at);
    }
    world.submit(0, 1);
    for _ in 0..40_000 {
        world.step();
    }
    assert_eq!(world.certified(3)[0], 3);
    assert!([1, 2].iter().all(|at| world.nodes[*at].cosigned[&id("BE")].last() == Some(&(base.size, base.root))));
    assert_eq!(world.log(1, 0).size, size(4), "it is held all the same");
}

#[test]
fn nodes_that_were_away_and_machines_that_die_on_the_way_end_with_the_others() {
    for seed in 0..seeds(10) {
        let units = ["BE", "FR", "NL", "UK", "US"];
        let (mut world, twin) = two_faced(&units, 2_500 + seed);
        // UK alone is shown the other branch, and is away while the others agree.
        for (a, b) in [(1, 3), (2, 3), (3, 4), (0, 3), (1, twin), (2, twin), (4, twin)] {
            world.block(a, b);
        }
        let common = world.log(1, 0).size;
        world.submit(0, 2);
        world.submit(twin, 3);
        world.until("each has its branch", |w| w.certified(1)[0] > common.get() && w.log(3, 0).size > common);
        world.kill(3);
        world.blocked.clear();
        let rest = [1, 2, 4];
        let mut turns = 0;
        world.until_with(
            "the rest know",
            |w| ended_alike(w, &rest),
            |w| {
                turns += 1;
                w.hang_up(if turns % 2 == 0 { 0 } else { twin });
            },
        );
        end_the_twin(&mut world, twin);
        let mut draft = with_base(&world, advice(&world, 1).base);
        assert!(all_sign(&mut world, &[0, 1, 2, 4], &mut draft), "four of five");
        world.bring(2);
        for _ in 0..8 {
            for _ in 0..world.random(2_000) {
                world.step();
            }
            let victim = [0, 1, 2, 4][world.random(4)];
            world.kill(victim);
            if world.random(3) == 0 {
                world.nodes[victim].disk.lose_database();
            }
            world.start(victim);
        }
        world.start(3);
        until_it_goes_on(&mut world, &[0, 1, 2, 3, 4]);
        check(&world);
    }
}

#[test]
fn an_author_that_lost_its_journal_goes_on_under_a_new_key_though_not_all_partners_answer() {
    for seed in 0..4 {
        let mut world = at_work(&["BE", "FR", "NL", "UK"], 40 + seed);
        world.kill(0);
        world.nodes[0].disk.lose_database();
        world.nodes[0].disk.lose_journal();
        // UK is away for ever.
        world.kill(3);
        world.start(0);
        for _ in 0..30_000 {
            world.step();
        }
        world.submit(0, 1);
        let waits = world.nodes[0].engine.as_ref().unwrap().standing().clone();
        assert!(waits.recovers(), "it waits for UK: {waits:?}");
        let mut draft = with_base(&world, advice(&world, 1).base);
        assert!(all_sign(&mut world, &[0, 1, 2], &mut draft));
        world.bring(1);
        world.until("it is certified", |w| w.certified(1)[0] == 2 + 1 + 1);
        check(&world);
    }
}

/// Where somebody's log stands as its author has it.
pub(super) fn end(world: &World, at: usize) -> Base {
    let log = tree(world, at, &world.nodes[at].unit);
    Base { size: size(log.len() as u64), root: root(&log, size(log.len() as u64)).unwrap() }
}

/// People bring a node the charter that founds the network anew.
pub(super) fn bring_anew(world: &mut World, at: usize, charter: &UnverifiedCharter) {
    world.kill(at);
    world.nodes[at].disk.charters.as_mut().unwrap().refound(charter).unwrap();
    world.start(at);
}

#[test]
fn a_network_of_which_a_unit_is_gone_is_founded_anew_and_goes_on() {
    for seed in 0..6 {
        let mut world = at_work(&["BE", "FR", "NL"], 70 + seed);
        world.kill(2);
        world.submit(0, 2);
        world.submit(1, 1);
        world.until("each holds what the other said", |w| w.log(0, 1).size == size(3) && w.log(1, 0).size == size(4));
        for _ in 0..20_000 {
            world.step();
        }
        assert_eq!((world.certified(0)[0], world.certified(1)[1]), (2, 2), "two of two must cosign");
        let mut draft = refound(&world.charters, &["NL"], &[("BE", end(&world, 0)), ("FR", end(&world, 1))]);
        for at in [0, 1] {
            sign(&mut world, at, &mut draft).unwrap();
        }
        // What BE's officers say from now on waits.
        world.submit(0, 1);
        bring_anew(&mut world, 0, &draft);
        for _ in 0..world.random(4_000) {
            world.step();
        }
        bring_anew(&mut world, 1, &draft);
        world.charters.refound(&draft).unwrap();
        world.submit(1, 2);
        // Each log goes on with an `Adopt`; that of the unit that is gone ends at what was certified.
        world.until("all is certified", |w| [0, 1].iter().all(|at| w.certified(*at) == [4 + 1 + 1, 3 + 1 + 2, 2]));
        for at in [0, 1] {
            let view = world.log(at, 0);
            let root = root(&tree(&world, at, &id("BE")), size(6)).unwrap();
            assert_eq!(view.certified.unwrap().checkpoint().root, root);
        }
        // A restart, and a lost database, change nothing.
        world.kill(1);
        world.nodes[1].disk.lose_database();
        world.start(1);
        world.until("it is held again", |w| w.certified(1) == [6, 6, 2]);
        check(&world);
    }
}

#[test]
fn a_unit_signs_no_base_for_its_own_log_that_is_behind_what_it_said() {
    let mut world = at_work(&["BE", "FR", "NL"], 9);
    let (be, fr) = (end(&world, 0), end(&world, 1));
    world.submit(0, 1);
    world.until("it is signed", |w| w.certified(0)[0] == 3);
    let mut draft = refound(&world.charters, &["NL"], &[("BE", be), ("FR", fr)]);
    let refused = sign(&mut world, 0, &mut draft).unwrap_err();
    assert!(refused.contains("would cut off what is certified here, 3"), "{refused}");
    // Nor one that has what it never said.
    let other = Base { size: size(5), root: Hash::of(b"other") };
    let mut draft = refound(&world.charters, &["NL"], &[("BE", other), ("FR", fr)]);
    let refused = sign(&mut world, 0, &mut draft).unwrap_err();
    assert!(refused.contains("this unit's log has 3 entries"), "{refused}");
}

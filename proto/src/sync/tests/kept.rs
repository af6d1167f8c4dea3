//! I1 where a base does not take a log's key from it: the key stays, or the log may still turn to another.

use super::bases::{bring_anew, end, id, sign, size, with_base};
use super::charters::{at_work, refound, refound_renewing, sign_all, updating};
use super::forks::{ended_alike, root, tree, two_faced};
use super::world::World;
use crate::charter::{Base, UnverifiedCharter};

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// Where every log stands as its author has it.
fn ends(world: &World) -> Vec<(&'static str, Base)> {
    (0..FOUR.len()).map(|at| (FOUR[at], end(world, at))).collect()
}

/// Where every log stands as BE has it.
fn ends_at_be(world: &World) -> Vec<(&'static str, Base)> {
    let base = |unit| {
        let log = tree(world, 0, &id(unit));
        let held = size(log.len() as u64);
        (unit, Base { size: held, root: root(&log, held).unwrap() })
    };
    FOUR.map(base).to_vec()
}

fn steps(world: &mut World, count: usize) {
    for _ in 0..count {
        world.step();
    }
}

fn stands(world: &World, at: usize) -> crate::sync::Standing {
    world.nodes[at].engine.as_ref().unwrap().standing().clone()
}

/// Everybody but BE has a version that gives BE a new log key. BE has not taken it up.
fn key_change_not_taken_up() -> World {
    let mut world = at_work(&FOUR, 51);
    world.kill(0);
    world.amend(&updating("BE", [0, 1, 0]));
    world.bring(1);
    let held = |w: &World, at: usize| w.nodes[at].disk.charters.as_ref().unwrap().newest().version();
    world.until("all others hold it", |w| (1..4).all(|at| held(w, at) == 2));
    world
}

#[test]
fn who_signs_a_base_cosigns_nothing_more_under_any_key_that_the_log_may_still_turn_to() {
    for restarted in [false, true] {
        let mut world = key_change_not_taken_up();
        let base = end(&world, 0);
        let mut draft = with_base(&world, base);
        for at in 1..4 {
            sign(&mut world, at, &mut draft).unwrap();
            if restarted {
                world.kill(at);
                world.start(at);
            }
        }
        // Now BE takes up the version between.
        world.start(0);
        world.until("its bridge is held", |w| (1..4).all(|at| w.log(at, 0).size == size(3)));
        steps(&mut world, 20_000);
        for at in 1..4 {
            assert_eq!(world.nodes[at].cosigned[&id("BE")].last(), Some(&(base.size, base.root)), "{restarted}");
        }
    }
}

#[test]
fn a_unit_signs_no_base_below_a_bridge_that_its_key_has_signed_though_nobody_certified_it() {
    let mut world = key_change_not_taken_up();
    let base = end(&world, 0);
    world.start(0);
    world.step_until("it has signed its bridge", |w| w.nodes[0].signed.last().unwrap().0 == size(3));
    for at in 1..4 {
        world.kill(at);
    }
    let mut bases = ends_at_be(&world);
    bases[0].1 = base;
    let mut draft = refound(&world.charters, &[], &bases);
    let refused = sign(&mut world, 0, &mut draft).unwrap_err();
    assert!(refused.contains("under the same log key"), "{refused}");
    // One that contains it the unit signs, and nothing more after.
    let mut draft = refound(&world.charters, &[], &ends_at_be(&world));
    sign(&mut world, 0, &mut draft).unwrap();
    assert!(world.nodes[0].engine.as_ref().unwrap().waits_at_base().is_some());
}

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

/// BE's third entry reaches FR alone, which cosigns it. Gives the base of two entries.
fn shown_to_one() -> (World, Base) {
    let mut world = at_work(&FOUR, 5);
    let short = end(&world, 0);
    for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        world.block(a, b);
    }
    world.submit(0, 1);
    world.until("FR has cosigned it", |w| w.nodes[1].cosigned[&id("BE")].last().unwrap().0 == size(3));
    (world, short)
}

#[test]
fn who_cosigned_beyond_a_base_never_signs_it_where_the_log_key_stays() {
    let (mut world, short) = shown_to_one();
    let mut bases = ends(&world);
    bases[0].1 = short;
    let mut draft = refound(&world.charters, &[], &bases);
    for at in [2, 3] {
        sign(&mut world, at, &mut draft).unwrap();
    }
    let refused = sign(&mut world, 1, &mut draft).unwrap_err();
    assert!(refused.contains("cosigned 3 entries") && refused.contains("a new log key for BE"), "{refused}");
    // With another key it waits for enough others, as ever.
    let mut draft = refound_renewing(&world.charters, &[], &bases, &["BE"]);
    for at in [2, 3, 1] {
        sign(&mut world, at, &mut draft).unwrap();
    }
}

#[test]
fn who_does_not_hold_a_base_signs_it_where_the_log_key_stays_only_when_it_does() {
    let (mut world, _) = shown_to_one();
    let mut draft = refound(&world.charters, &[], &ends(&world));
    // FR holds BE's third entry, NL does not; it has cosigned two.
    for at in [0, 1] {
        sign(&mut world, at, &mut draft).unwrap();
    }
    let refused = sign(&mut world, 2, &mut draft).unwrap_err();
    assert!(refused.contains("let it fetch what others hold"), "{refused}");
    world.blocked.clear();
    world.until("NL holds it", |w| w.log(2, 0).size == size(3));
    sign(&mut world, 2, &mut draft).unwrap();
}

#[test]
fn a_log_whose_key_signed_two_branches_is_not_founded_anew_with_that_key() {
    let (mut world, twin) = two_faced(&FOUR, 32);
    for face in [0, twin] {
        world.submit(face, 2);
    }
    let mut turns = 0;
    world.until_with(
        "all know",
        |w| ended_alike(w, &[1, 2, 3]),
        |w| {
            turns += 1;
            w.hang_up(if turns % 2 == 0 { 0 } else { twin });
        },
    );
    let head = world.log(1, 0).certified.unwrap().checkpoint().clone();
    let mut bases = ends(&world);
    bases[0].1 = Base { size: head.size, root: head.root };
    let mut draft = refound(&world.charters, &[], &bases);
    for at in [1, 2, 3] {
        let refused = sign(&mut world, at, &mut draft).unwrap_err();
        assert!(refused.contains("signed two branches") && refused.contains("a new log key for BE"), "{refused}");
    }
    // With a new one those who cosigned beyond the base sign after the others.
    let mut draft = refound_renewing(&world.charters, &[], &bases, &["BE"]);
    let mut open = vec![1, 2, 3];
    for _ in 0..3 {
        open.retain(|at| sign(&mut world, *at, &mut draft).is_err());
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_a_unit_signed_it_takes_up_also_where_the_author_shows_two_branches_since() {
    let mut world = at_work(&FOUR, 6);
    let mut draft = refound(&world.charters, &[], &ends(&world));
    for at in 0..4 {
        sign(&mut world, at, &mut draft).unwrap();
    }
    let charter = draft.verify_first().unwrap();
    let node = &mut world.nodes[1];
    let engine = node.engine.as_mut().unwrap();
    engine.logs.get_mut(&id("BE")).unwrap().forked = true;
    engine.check_bases(&charter, &node.disk).unwrap();
    // Nobody else's hand makes it this unit's word.
    let mut other = refound(&world.charters, &[], &ends(&world));
    sign_all(&mut other, ["BE", "NL", "UK"].map(id));
    let node = &world.nodes[1];
    assert!(node.engine.as_ref().unwrap().judge_bases(&other, &node.disk).is_err());
}

/// BE loses its disks, and UK, which alone would tell what BE signed last, is gone.
fn author_lost_its_disks() -> World {
    let mut world = at_work(&FOUR, 41);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        world.block(a, b);
    }
    world.submit(0, 1);
    world.until("UK alone has seen it", |w| w.log(3, 0).size == size(3));
    world.kill(3);
    world.kill(0);
    world.nodes[0].disk.lose_database();
    world.nodes[0].disk.lose_journal();
    world.blocked.clear();
    world.start(0);
    world.until("it waits for UK", |w| w.nodes[0].engine.as_ref().unwrap().standing().cosigns());
    assert!(stands(&world, 0).recovers());
    world
}

/// The network without UK; BE's log goes on from what FR has of it.
fn without_uk(world: &World, renewed: &[&str]) -> UnverifiedCharter {
    let log = tree(world, 1, &id("BE"));
    let be = Base { size: size(2), root: root(&log, size(2)).unwrap() };
    refound_renewing(&world.charters, &["UK"], &[("BE", be), ("FR", end(world, 1)), ("NL", end(world, 2))], renewed)
}

#[test]
fn an_author_that_does_not_know_what_it_signed_signs_no_charter_that_keeps_its_log_key() {
    let mut world = author_lost_its_disks();
    let mut draft = without_uk(&world, &[]);
    for at in [1, 2] {
        sign(&mut world, at, &mut draft).unwrap();
    }
    let refused = sign(&mut world, 0, &mut draft).unwrap_err();
    assert!(
        refused.contains("does not know all that it signed") && refused.contains("a new log key for BE"),
        "{refused}"
    );
    // With a new one it goes on, whoever is gone.
    let mut draft = without_uk(&world, &["BE"]);
    for at in [0, 1, 2] {
        sign(&mut world, at, &mut draft).unwrap();
    }
    for at in [0, 1, 2] {
        bring_anew(&mut world, at, &draft);
    }
    world.charters.refound(&draft).unwrap();
    world.submit(0, 1);
    world.until("it is certified", |w| w.certified(1)[0] == 2 + 1 + 1);
}

#[test]
fn an_author_that_lost_its_journal_regains_its_log_at_once_only_under_a_key_that_it_never_had() {
    for renewed in [&[][..], &["BE"]] {
        let mut world = author_lost_its_disks();
        let mut draft = without_uk(&world, renewed);
        // As if BE had found it good before it lost its disks.
        sign_all(&mut draft, ["BE", "FR", "NL"].map(id));
        for at in [0, 1, 2] {
            world.nodes[at].disk.journal.signed_charters.insert(draft.digest());
            bring_anew(&mut world, at, &draft);
        }
        world.charters.refound(&draft).unwrap();
        world.step_until("it knows what it cosigned", |w| stands(w, 0).cosigns());
        // NL, whose answer about BE's own log it needs, is away.
        world.kill(2);
        steps(&mut world, 60_000);
        assert_eq!(stands(&world, 0).recovers(), renewed.is_empty(), "{renewed:?}: {:?}", stands(&world, 0));
    }
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

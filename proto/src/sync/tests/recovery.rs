//! I1 and I6: nodes that lose their journal, their database or both, or are put back from a backup.

use super::forks::{ended_alike, two_faced};
use super::world::World;
use crate::sync::{Stage, Standing};

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];
const FIVE: [&str; 5] = ["BE", "FR", "NL", "UK", "US"];

fn runs(world: &World, at: usize) -> bool {
    world.nodes[at].engine.as_ref().is_some_and(|engine| *engine.standing() == Standing::Running)
}

fn all_run(world: &World) -> bool {
    (0..world.nodes.len()).all(|at| runs(world, at))
}

fn sizes(world: &World) -> Vec<u64> {
    (0..world.nodes.len()).map(|of| world.log(of, of).size.get()).collect()
}

fn settled(world: &World) -> bool {
    all_run(world) && world.all_certified(&sizes(world))
}

fn founded(units: &[&str], seed: u64) -> World {
    let mut world = World::new(units, seed);
    world.until("all run", all_run);
    for at in 0..units.len() {
        world.submit(at, 3 + at);
    }
    world.until("all certified", settled);
    world
}

#[test]
fn a_restored_backup_signs_nothing_fetches_what_was_signed_since_and_goes_on() {
    for seed in 0..8 {
        let mut world = founded(&FOUR, seed);
        let backup = world.nodes[0].disk.clone();
        world.submit(0, 100);
        world.submit(1, 7);
        world.until("certified", settled);
        let signed = world.nodes[0].signed.len();
        world.kill(0);
        world.nodes[0].disk = backup;
        world.start(0);
        world.step_until("it notices", |w| {
            !matches!(w.nodes[0].engine.as_ref().unwrap().standing(), Standing::Waiting { .. })
        });
        assert!(matches!(world.nodes[0].engine.as_ref().unwrap().standing(), Standing::Recovering { .. }));
        world.submit(0, 2);
        world.until("it has its 100 records and runs", |w| runs(w, 0) && w.log(0, 0).size.get() >= 103);
        world.until("what waited is certified", |w| settled(w) && sizes(w) == [105, 11, 5, 6]);
        assert!(world.nodes[0].signed.len() > signed);
        world.check_no_fork();
    }
}

#[test]
fn a_lost_database_comes_back_from_partners_and_the_journal() {
    for seed in 0..8 {
        let mut world = founded(&FOUR, seed);
        world.submit(0, 600);
        world.until("certified", settled);
        // Nobody but the journal has these.
        for other in 1..4 {
            world.kill(other);
        }
        world.submit(0, 2);
        for _ in 0..2_000 {
            world.step();
        }
        world.kill(0);
        world.nodes[0].disk.lose_database();
        for at in 0..4 {
            world.start(at);
        }
        world.until("all is back", |w| settled(w) && sizes(w) == [605, 4, 5, 6]);
        world.check_no_fork();
    }
}

#[test]
fn a_lost_journal_is_rebuilt_whatever_the_database_still_has() {
    for seed in 0..8 {
        for database in [true, false] {
            let mut world = founded(&FOUR, seed);
            world.submit(0, 300);
            world.until("certified", settled);
            world.kill(0);
            if !database {
                world.nodes[0].disk.lose_database();
            }
            world.nodes[0].disk.lose_journal();
            world.start(0);
            world.submit(0, 1);
            world.submit(1, 1);
            world.until("all goes on", |w| settled(w) && sizes(w) == [304, 5, 5, 6]);
            world.check_no_fork();
        }
    }
}

#[test]
fn a_node_in_recovery_cosigns_before_it_signs_its_own_log_which_waits_for_all() {
    let mut world = founded(&FIVE, 4);
    world.kill(0);
    world.kill(4);
    world.nodes[0].disk.lose_database();
    world.nodes[0].disk.lose_journal();
    world.start(0);
    let regaining = |w: &World| {
        matches!(
            w.nodes[0].engine.as_ref().unwrap().standing(),
            Standing::Recovering { stage: Stage::Regaining { needed: 4, answered }, .. } if answered.len() == 3
        )
    };
    world.until("three of four have answered", regaining);
    let (signed, cosigned) = (world.nodes[0].signed.len(), world.nodes[0].cosigned.clone());
    world.submit(0, 1);
    world.submit(1, 1);
    world.until("FR is certified, which needs BE among three of four", |w| w.certified(1)[1] == 5);
    assert!(world.nodes[0].cosigned != cosigned, "it cosigns");
    assert_eq!(world.nodes[0].signed.len(), signed, "and signs nothing of its own");
    world.start(4);
    world.until("all answered", |w| settled(w) && sizes(w) == [4, 5, 5, 6, 7]);
    world.check_no_fork();
}

#[test]
fn half_or_all_of_the_nodes_that_lose_everything_at_once_are_not_stuck() {
    for seed in 0..6 {
        for victims in [2, 3, 5] {
            let mut world = founded(&FIVE, seed);
            for at in 0..5 {
                world.kill(at);
            }
            for at in 0..victims {
                world.nodes[at].disk.lose_database();
                world.nodes[at].disk.lose_journal();
                if victims == 5 {
                    // Nobody anywhere knows what was said.
                    world.nodes[at].said.clear();
                }
            }
            for at in 0..5 {
                world.start(at);
            }
            world.until("all run again", all_run);
            let kept = sizes(&world);
            if victims <= 3 {
                // q = 3 of 4 hold what was certified: at least one of them still does.
                assert_eq!(kept, [3, 4, 5, 6, 7]);
            }
            for at in 0..5 {
                world.submit(at, 1);
            }
            world.until("and go on", |w| settled(w) && sizes(w).iter().zip(&kept).all(|(now, then)| *now == then + 1));
            if victims < 5 {
                world.check_no_fork();
            }
        }
    }
}

#[test]
fn nodes_that_lose_things_at_any_moment_contradict_nobody_and_end_alike() {
    for seed in 0..20 {
        let mut world = founded(&FIVE, 100 + seed);
        world.together = 1 + seed as usize % 2 * 8;
        for round in 0..8 {
            let at = world.random(5);
            let count = 1 + world.random(300);
            world.submit(at, count);
            for _ in 0..world.random(4_000) {
                world.step();
            }
            let victim = world.random(5);
            let what = world.random(5);
            world.kill(victim);
            // With five units one more than f = 1 dishonest one would be too many: one at a time loses its journal.
            let one = (0..5).all(|other| other == victim || runs(&world, other));
            match what {
                0 => world.nodes[victim].disk.lose_database(),
                1 if one => world.nodes[victim].disk.lose_journal(),
                2 if one => {
                    world.nodes[victim].disk.lose_database();
                    world.nodes[victim].disk.lose_journal();
                }
                _ => {}
            }
            world.start(victim);
            if round % 3 == 0 {
                let twice = world.random(1_500);
                for _ in 0..twice {
                    world.step();
                }
                world.kill(victim);
                world.start(victim);
            }
        }
        world.until("all agree", settled);
        world.check_no_fork();
    }
}

/// BE is dishonest: it goes back to an old state of its log and signs another branch, which it shows to US, that saw nothing
/// of the first, and to FR, that cosigned the first and has lost its disks since.
#[test]
fn a_cosigner_that_lost_its_disk_does_not_cosign_the_other_branch_of_a_dishonest_author() {
    for seed in 0..12 {
        let mut world = founded(&FIVE, 200 + seed);
        let old = world.nodes[0].disk.clone();
        (1..4).for_each(|other| world.block(other, 4));
        world.block(0, 4);
        world.submit(0, 10);
        world.until("certified without US", |w| (0..4).all(|at| w.certified(at)[0] == 13));
        let first = world.log(1, 0).certified.unwrap().checkpoint().root;
        world.kill(0);
        world.kill(1);
        world.nodes[0].disk = old;
        world.nodes[1].disk.lose_database();
        world.nodes[1].disk.lose_journal();
        // The author reaches its victims alone at first.
        world.blocked.clear();
        world.blocked.extend([(0, 2), (0, 3), (2, 4), (3, 4)]);
        world.reckless = Some(0);
        world.start(0);
        world.submit(0, 8 + seed as usize);
        world.start(1);
        let before = world.nodes[1].cosigned.clone();
        world.until("US has cosigned the other branch, or was proven that there are two", |w| {
            let cosigned = w.nodes[4].cosigned.get(&w.nodes[0].unit);
            cosigned.is_some_and(|all| all.iter().any(|(size, _)| size.get() > 10)) || w.log(4, 0).fork.is_some()
        });
        for _ in 0..60_000 {
            world.step();
        }
        let be = world.nodes[0].unit.clone();
        assert_eq!(world.nodes[1].cosigned.get(&be), before.get(&be), "FR cosigned nothing more of BE");
        let certified = |at: usize| world.log(at, 0).certified.map(|head| head.checkpoint().clone());
        for checkpoint in (1..5).filter_map(certified).filter(|checkpoint| checkpoint.size.get() == 13) {
            assert_eq!(checkpoint.root, first);
        }
        assert!((1..5).filter_map(certified).all(|checkpoint| checkpoint.size.get() <= 13));
    }
}

/// FR alone cosigned the branch that goes, and then knows nothing of it: its disks are lost, or an old backup.
#[test]
fn a_cosigner_that_is_shown_its_own_word_on_the_branch_that_went_recovers_once_and_goes_on() {
    for (seed, backup) in [(600, false), (601, false), (602, true), (603, true)] {
        let (mut world, twin) = two_faced(&FIVE, seed);
        let old = world.nodes[1].disk.clone();
        for (a, b) in [(0, 1), (1, 2), (1, 3), (1, 4), (2, twin), (3, twin), (4, twin)] {
            world.block(a, b);
        }
        let common = world.log(1, 0).size.get();
        world.submit(0, 2);
        world.submit(twin, 3);
        let be = world.nodes[0].unit.clone();
        world.until("FR cosigned one branch, and the other is certified", |w| {
            let last = w.nodes[1].cosigned.get(&be).and_then(|all| all.last()).map_or(0, |(size, _)| size.get());
            last == common + 3 && (2..5).all(|at| w.certified(at)[0] == common + 2)
        });
        world.kill(1);
        world.kill(0);
        world.blocked.clear();
        world.until("the others know what FR cosigned", |w| {
            let knows = |at: usize| {
                let log = &w.nodes[at].engine.as_ref().unwrap().logs[&be];
                let unheld = log.known.values().filter(|known| !known.ours).map(|known| &known.head);
                log.strays.values().chain(unheld).any(|head| head.is_cosigned_by(&w.nodes[1].unit))
            };
            ended_alike(w, &[2, 3, 4]) && (2..5).all(knows)
        });
        world.kill(twin);
        world.start(0);
        world.nodes[1].disk = old;
        if !backup {
            world.nodes[1].disk.lose_database();
            world.nodes[1].disk.lose_journal();
        }
        world.start(1);
        for _ in 0..60 {
            for _ in 0..2_000 {
                world.step();
            }
            let engine = world.nodes[1].engine.as_ref().unwrap();
            if matches!(engine.standing(), Standing::Recovering { stage: Stage::Halted, .. }) {
                world.kill(1);
                world.start(1);
            }
            world.hang_up(1);
        }
        assert!(world.nodes[1].losses <= 1, "{seed}: it lost its way {} times", world.nodes[1].losses);
        world.until("FR runs", |w| runs(w, 1));
        world.submit(2, 1);
        world.until("what NL says FR cosigns", |w| {
            let last = w.nodes[1].cosigned.get(&w.nodes[2].unit).and_then(|all| all.last());
            last.is_some_and(|(size, _)| *size == w.log(2, 2).size)
        });
    }
}

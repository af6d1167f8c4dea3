use super::world::World;
use crate::sync::Standing;

const EIGHT: [&str; 8] = ["BE", "BG", "CA", "FR", "NL", "RO", "UK", "US"];

#[test]
fn eight_nodes_certify_whatever_each_of_them_submits() {
    for seed in 0..6 {
        let mut world = World::new(&EIGHT, seed);
        world.together = 1 + seed as usize % 2 * 8;
        world.until("all run", |w| {
            (0..8).all(|at| *w.nodes[at].engine.as_ref().unwrap().standing() == Standing::Running)
        });
        for round in 0..5 {
            for at in 0..8 {
                world.submit(at, 1 + (at + round) % 3);
                for _ in 0..world.random(400) {
                    world.step();
                }
            }
        }
        let sizes: Vec<u64> = (0..8).map(|at| (0..5).map(|round| 1 + (at + round) % 3).sum::<u64>()).collect();
        world.until("all certified", |w| w.all_certified(&sizes));
        world.check_no_fork();
        assert!(world.nodes.iter().all(|node| node.faults.is_empty()), "{:?}", world.nodes[0].faults);
    }
}

#[test]
fn a_network_of_one_certifies_by_itself() {
    let mut world = World::new(&["BE"], 1);
    world.submit(0, 3);
    world.until("certified", |w| w.all_certified(&[3]));
}

#[test]
fn two_nodes_need_each_other() {
    let mut world = World::new(&["BE", "FR"], 2);
    world.until("both run", |w| (0..2).all(|at| *w.nodes[at].engine.as_ref().unwrap().standing() == Standing::Running));
    world.kill(1);
    world.submit(0, 2);
    for _ in 0..20_000 {
        world.step();
    }
    assert_eq!(world.certified(0), [0, 0]);
    world.start(1);
    world.until("certified", |w| w.all_certified(&[2, 0]));
}

#[test]
fn a_cosignature_that_was_journalled_but_not_sent_is_said_after_the_restart() {
    for seed in 0..20 {
        let mut world = World::new(&["BE", "FR"], seed);
        let runs = |w: &World| (0..2).all(|at| *w.nodes[at].engine.as_ref().unwrap().standing() == Standing::Running);
        world.until("both run", runs);
        world.submit(0, 1);
        // FR is killed the moment its journal has the cosignature, before any stream was asked for it.
        world.step_until("FR has cosigned", |w| !w.nodes[1].cosigned.is_empty());
        world.kill(1);
        world.start(1);
        world.until("certified without another entry", |w| w.all_certified(&[1, 0]));
        world.check_no_fork();
    }
}

#[test]
fn a_node_that_was_away_catches_up_through_outlines_from_any_place_in_a_bundle() {
    for (seed, first, then) in [(1, 1, 255), (2, 100, 1_000), (3, 256, 700), (4, 300, 40_000)] {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], seed);
        world.submit(0, first);
        world.until("certified", |w| w.all_certified(&[first as u64, 0, 0, 0]));
        world.kill(3);
        world.submit(0, then);
        world.until("certified by three", |w| w.all_certified(&[(first + then) as u64, 0, 0, 0]));
        world.start(3);
        world.nodes[3].told_certified.clear();
        world.until("certified by all", |w| w.all_certified(&[(first + then) as u64, 0, 0, 0]));
        // What is certified already counts as it comes, not only at the end.
        let told = &world.nodes[3].told_certified;
        assert!(told.is_sorted() && told.len() > then / 512, "{told:?}");
        let unit = world.nodes[0].unit.clone();
        assert_eq!(world.nodes[3].disk.logs[&unit], world.nodes[0].disk.logs[&unit]);
        world.check_no_fork();
    }
}

#[test]
fn two_nodes_that_cannot_reach_each_other_agree_through_a_third() {
    for seed in 0..4 {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], seed);
        world.block(0, 1);
        for at in 0..4 {
            world.submit(at, 5);
        }
        world.until("all certified", |w| w.all_certified(&[5, 5, 5, 5]));
        world.check_no_fork();
    }
}

#[test]
fn an_author_that_reaches_one_partner_alone_gathers_its_quorum_through_it() {
    for seed in 0..4 {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], seed);
        world.until("all run", |w| {
            (0..4).all(|at| *w.nodes[at].engine.as_ref().unwrap().standing() == Standing::Running)
        });
        world.block(0, 1);
        world.block(0, 3);
        world.submit(0, 5);
        world.until("all certified", |w| w.all_certified(&[5, 0, 0, 0]));
        world.check_no_fork();
    }
}

#[test]
fn after_a_start_a_node_signs_only_when_enough_partners_have_answered() {
    let mut world = World::new(&EIGHT, 3);
    for at in 1..8 {
        world.submit(at, 1);
    }
    for at in [4, 5, 6, 7] {
        world.kill(at);
    }
    world.submit(0, 1);
    for _ in 0..50_000 {
        world.step();
    }
    // Five answers are needed among eight; three partners are there.
    let Standing::Waiting { needed, answered, .. } = world.nodes[0].engine.as_ref().unwrap().standing().clone() else {
        panic!("it signs")
    };
    assert_eq!((needed, answered.len()), (5, 3));
    assert!(world.nodes[0].signed.is_empty());
    for at in [4, 5] {
        world.start(at);
    }
    world.until("it runs", |w| *w.nodes[0].engine.as_ref().unwrap().standing() == Standing::Running);
    world.until("it is certified", |w| w.certified(0)[0] == 1);
}

#[test]
fn nodes_that_are_killed_at_any_moment_never_contradict_themselves_and_end_alike() {
    for seed in 0..12 {
        let mut world = World::new(&["BE", "FR", "NL", "UK", "US"], seed);
        world.together = 1 + seed as usize % 2 * 8;
        for round in 0..12 {
            let at = world.random(5);
            let count = 1 + world.random(300);
            world.submit(at, count);
            for _ in 0..world.random(3_000) {
                world.step();
            }
            let victim = world.random(5);
            if round % 2 == 0 {
                world.kill(victim);
                world.start(victim);
            }
            world.check_no_fork();
        }
        world.until("all agree", |w| {
            let sizes: Vec<u64> = (0..5).map(|of| w.log(of, of).size.get()).collect();
            let running = |at: usize| *w.nodes[at].engine.as_ref().unwrap().standing() == Standing::Running;
            (0..5).all(running) && w.all_certified(&sizes)
        });
        world.check_no_fork();
    }
}

#[test]
fn thirty_nodes_agree() {
    let names: Vec<String> = (0..30).map(|n| format!("U{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, 5);
    world.submit(0, 1);
    world.submit(29, 2);
    let mut sizes = [0; 30];
    (sizes[0], sizes[29]) = (1, 2);
    world.until("all certified", |w| w.all_certified(&sizes));
}

#[test]
fn what_was_known_of_a_partner_stays_known_when_its_stream_ends() {
    let mut world = World::new(&["BE", "FR", "NL", "UK"], 3);
    (0..4).for_each(|at| world.submit(at, 1));
    world.until("all certified", |w| w.all_certified(&[1, 1, 1, 1]));
    let uk = world.nodes[3].unit.clone();
    let seen = |w: &World| w.nodes[0].engine.as_ref().unwrap().peers().find(|peer| peer.unit == uk).unwrap();
    world.until("BE knows that UK has all of it", |w| seen(w).connected && seen(w).behind == 0);
    let before = seen(&world);
    world.kill(3);
    world.submit(1, 2);
    world.until("the others go on", |w| w.certified(0)[1] == 3);
    let after = seen(&world);
    assert!(!after.connected && after.heard_ms >= before.heard_ms && after.heard_ms < world.now_ms, "{after:?}");
    assert_eq!(after.behind, 2);
    // A node that was started since has heard nothing.
    world.kill(0);
    world.start(0);
    assert_eq!((seen(&world).heard_ms, seen(&world).behind), (0, 0));
}

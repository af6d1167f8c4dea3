//! How far clocks are apart is found out on links of any speed.

use prost::Message as _;

use super::world::World;
use crate::sync::own::clock_off;
use crate::sync::{Event, Frame, Outgoing};

/// What two nodes find of each other's clock, of which the second's is ahead, where every frame is so long under way and
/// each says two of them.
fn found(ahead_ms: u64, under_way_ms: u64) -> Vec<i64> {
    let mut world = World::new(&["BE", "FR"], 1);
    let mut now_ms = world.now_ms;
    let clock = |at: usize, now_ms: u64| if at == 1 { now_ms + ahead_ms } else { now_ms };
    let units = [0, 1].map(|at| world.nodes[at].unit.clone());
    for (at, node) in world.nodes.iter_mut().enumerate() {
        let opened = Event::Opened { stream: 1, peer: units[1 - at].clone(), dialled: at == 0 };
        let _ = node.engine.as_mut().unwrap().handle(clock(at, now_ms), opened, &node.disk);
    }
    for _ in 0..2 {
        let mut said = Vec::new();
        for (at, node) in world.nodes.iter_mut().enumerate() {
            let next = node.engine.as_mut().unwrap().poll(clock(at, now_ms), 1, &node.disk);
            let Some(Outgoing::Frame(frame)) = next else { panic!("a greeting is due") };
            said.push(frame.encode_to_vec());
        }
        now_ms += under_way_ms;
        for (at, node) in world.nodes.iter_mut().enumerate() {
            let heard = Event::Received { stream: 1, frame: Frame::decode(said[1 - at].clone().into()).unwrap() };
            let _ = node.engine.as_mut().unwrap().handle(clock(at, now_ms), heard, &node.disk);
        }
    }
    let views = world.nodes.iter().map(|node| node.engine.as_ref().unwrap().peers().next().unwrap());
    views.map(|view| view.clock_ahead_ms).collect()
}

#[test]
fn what_greetings_are_under_way_is_no_difference_of_clocks() {
    for under_way_ms in [0, 40, 3_000] {
        assert_eq!(found(0, under_way_ms), [0, 0]);
        assert_eq!(found(1_500, under_way_ms), [1_500, -1_500]);
    }
}

#[test]
fn a_node_whose_clock_is_off_signs_and_cosigns_nothing_until_it_is_right() {
    for ahead_ms in [125_000, -125_000] {
        let mut world = World::new(&["BE", "FR", "NL", "UK"], 1);
        world.skew = Some((0, ahead_ms));
        (0..4).for_each(|at| world.submit(at, 1));
        let off = |world: &World| world.nodes[0].engine.as_ref().unwrap().clock_off_ms();
        world.until("the others have certified what is theirs", |world| {
            world.certified(1)[1..].iter().all(|size| *size > 0)
        });
        let found = off(&world).unwrap();
        assert!((found + ahead_ms).abs() < 2_000, "{found}");
        // A node without anybody to ask does not take its clock for right again.
        (1..4).for_each(|at| world.block(0, at));
        (0..1_000).for_each(|_| world.step());
        assert!(off(&world).is_some());
        world.blocked.clear();
        world.submit(1, 1);
        let size = world.certified(1)[1] + 1;
        world.until("it holds what is new", |world| world.certified(0)[1] >= size);
        let wrong = &world.nodes[0];
        assert!(wrong.signed.is_empty() && wrong.cosigned.values().all(Vec::is_empty), "{ahead_ms}");

        world.skew = None;
        world.until("its own is certified", |world| world.certified(1)[0] > 0);
        assert_eq!(off(&world), None);
    }
}

#[test]
fn a_clock_is_off_by_the_median_of_what_partners_find_and_one_of_two_does_not_outvote_it() {
    for (ahead_ms, off_ms) in [
        (&[][..], None),
        (&[120_000], None),
        (&[120_001], Some(120_001)),
        (&[-120_001], Some(-120_001)),
        (&[0, 600_000], None),
        (&[-600_000, 1_000], None),
        (&[200_000, 600_000], Some(200_000)),
        (&[-600_000, -200_000], Some(-200_000)),
        (&[500_000, 0, 600_000], Some(500_000)),
        (&[0, 600_000, 1_000], None),
    ] {
        assert_eq!(clock_off(ahead_ms.to_vec()), off_ms, "{ahead_ms:?}");
    }
}

//! How far clocks are apart is found out on links of any speed.

use prost::Message as _;

use super::world::World;
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

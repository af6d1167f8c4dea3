//! I6: a stored entry that cannot be read back is fetched again, and nothing else takes its place.

use bytes::Bytes;

use super::world::World;
use crate::entry::{self, Entry, Run};
use crate::sync::{Event, Standing};
use crate::wire;
use crate::wire::bundle::Body;
use crate::wire::frame::Frame as Inner;

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];

/// Four nodes with these numbers of certified entries.
fn founded(seed: u64, counts: [usize; 4]) -> World {
    let mut world = World::new(&FOUR, seed);
    let runs = |w: &World| w.nodes.iter().all(|n| *n.engine.as_ref().unwrap().standing() == Standing::Running);
    world.until("all run", runs);
    for (at, count) in counts.into_iter().enumerate() {
        world.submit(at, count);
    }
    let sizes = counts.map(|count| count as u64);
    world.until("all certified", |w| w.all_certified(&sizes));
    world
}

/// What a node has stored as an entry of another's log is another one now, which it finds out.
fn damage(world: &mut World, at: usize, of: usize, index: u64) {
    let unit = world.nodes[of].unit.clone();
    let disk = &mut world.nodes[at].disk;
    disk.logs.get_mut(&unit).unwrap()[index as usize] = Entry::compose(2, 1, [9; 16], Bytes::from("rot")).unwrap();
    disk.bad.insert((unit.clone(), index));
    world.event(at, Event::Unreadable { unit, index });
}

fn log(world: &World, at: usize, of: usize) -> &[Entry] {
    &world.nodes[at].disk.logs[&world.nodes[of].unit]
}

fn none_is_bad(world: &World) -> bool {
    world.nodes.iter().all(|node| node.disk.bad.is_empty())
}

#[test]
fn a_bad_entry_of_any_log_is_fetched_again_by_any_node() {
    for seed in 0..6 {
        let mut world = founded(seed, [700, 300, 5, 256]);
        let before: Vec<Vec<Entry>> = (0..4).map(|of| log(&world, of, of).to_vec()).collect();
        for _ in 0..12 {
            // BE's copies stay whole: what nobody has any more nobody can give.
            let (at, of) = (1 + world.random(3), world.random(4));
            let index = world.random(before[of].len()) as u64;
            damage(&mut world, at, of, index);
        }
        world.until("all is whole", none_is_bad);
        // Its own log too, in a full bundle and at the end.
        damage(&mut world, 0, 0, 3);
        damage(&mut world, 0, 0, 699);
        world.until("all is whole", none_is_bad);
        for (of, before) in before.iter().enumerate() {
            assert!((0..4).all(|at| log(&world, at, of) == before), "the same entries as before");
        }
        world.submit(0, 2);
        world.until("it goes on", |w| w.all_certified(&[702, 300, 5, 256]));
        assert!(world.nodes.iter().all(|node| node.faults.is_empty() && node.unrepairable.is_empty()));
        world.check_no_fork();
    }
}

#[test]
fn a_node_cosigns_nothing_of_a_log_of_which_it_cannot_read_all() {
    let mut world = founded(7, [300, 1, 1, 1]);
    for other in [0, 1, 2] {
        world.block(other, 3);
    }
    damage(&mut world, 3, 0, 20);
    world.blocked.clear();
    // Nobody gives NL's and FR's copies away for now, and BE's is cut short: UK learns of more and cannot repair.
    world.meddle = Some(|_, to, frame| {
        if let Some(Inner::Bundle(bundle)) = &mut frame.frame
            && to == 3
            && bundle.from == 0
        {
            (bundle.body, bundle.size, bundle.done) = (Some(Body::Raw(Bytes::new())), 0, true);
        }
    });
    world.submit(0, 1);
    world.until("UK holds more", |w| w.log(3, 0).size.get() == 301);
    for _ in 0..20_000 {
        world.step();
    }
    let last = |w: &World| w.nodes[3].cosigned[&w.nodes[0].unit].last().unwrap().0.get();
    assert_eq!(last(&world), 300);
    world.meddle = None;
    world.until("it is whole and cosigned", |w| none_is_bad(w) && last(w) == 301);
}

#[test]
fn whoever_sends_other_entries_or_strips_them_is_passed_over() {
    for seed in 0..4 {
        let mut world = founded(seed, [300, 1, 1, 1]);
        let before = log(&world, 0, 0).to_vec();
        // BE sends another entry, FR no payload.
        world.meddle = Some(|from, to, frame| {
            let Some(Inner::Bundle(bundle)) = &mut frame.frame else { return };
            let Some(Body::Raw(raw)) = bundle.body.clone().filter(|_| to == 3 && from < 2) else { return };
            let mut body = Vec::new();
            for entry in Run::new(raw).map(Result::unwrap) {
                let other = Entry::compose(2, 1, [9; 16], Bytes::from("another")).unwrap();
                entry::encode(&if from == 0 { other } else { entry.without_body() }, &mut body);
            }
            (bundle.size, bundle.body) = (body.len() as u32, Some(Body::Raw(body.into())));
        });
        damage(&mut world, 3, 0, 30);
        world.until("whole again", none_is_bad);
        assert!(log(&world, 3, 0) == before);
    }
}

#[test]
fn what_nobody_can_give_again_is_told_after_a_while_and_not_while_nobody_is_there() {
    let mut world = founded(3, [10, 1, 1, 1]);
    for other in [0, 1, 2] {
        world.block(other, 3);
    }
    damage(&mut world, 3, 0, 4);
    world.now_ms += 3_600_000;
    for _ in 0..2_000 {
        world.step();
    }
    assert_eq!(world.nodes[3].unrepairable, [], "a node that reaches nobody keeps what it has");
    world.meddle = Some(|_, to, frame| {
        if let Some(Inner::Bundle(bundle)) = &mut frame.frame
            && to == 3
        {
            (bundle.body, bundle.size, bundle.done) = (Some(Body::Raw(Bytes::new())), 0, true);
        }
    });
    world.blocked.clear();
    let unit = world.nodes[0].unit.clone();
    world.until("it is told", |w| w.nodes[3].unrepairable == [(unit.clone(), 4)]);
}

#[test]
fn a_want_of_a_repair_is_one_that_every_release_answers() {
    let mut world = founded(1, [300, 1, 1, 1]);
    damage(&mut world, 3, 0, 299);
    let stream =
        |w: &World| w.nodes[3].engine.as_ref().unwrap().sessions.values().find_map(|s| s.wants.front().cloned());
    world.step_until("it asks", |w| stream(w).is_some());
    let want = stream(&world).unwrap();
    let expected = wire::Want {
        unit: "BE".into(),
        from: 256,
        count: 44,
        under: 300,
        max_bytes: crate::limits::WANT_BYTES_MAX,
        zstd: false,
        payloads: true,
    };
    assert_eq!(want, expected);
}

use bytes::Bytes;
use prost::Message as _;

use super::world::World;
use crate::entry::{self, Run};
use crate::sync::Standing;
use crate::wire;
use crate::wire::bundle::Body;
use crate::wire::frame::Frame;

const FOUR: [&str; 4] = ["BE", "FR", "NL", "UK"];

fn running(world: &World) -> bool {
    world.nodes.iter().all(|n| n.engine.as_ref().is_some_and(|e| *e.standing() == Standing::Running))
}

fn rewrite(bundle: &mut wire::Bundle, change: impl Fn(entry::Entry) -> entry::Entry) {
    let Some(Body::Raw(raw)) = &bundle.body else { return };
    let mut out = Vec::new();
    for read in Run::new(raw.clone()) {
        entry::encode(&change(read.unwrap()), &mut out);
    }
    bundle.size = out.len() as u32;
    bundle.body = Some(Body::Raw(Bytes::from(out)));
}

/// NL replaces payloads of BE with its own words, commitment and all.
fn forge(from: usize, _: usize, frame: &mut wire::Frame) {
    if let (2, Some(Frame::Bundle(bundle))) = (from, &mut frame.frame)
        && bundle.unit == "BE"
    {
        rewrite(bundle, |entry| {
            entry::Entry::compose(2, entry.header().time_ms, [9; 16], Bytes::from_static(b"forged")).unwrap()
        });
    }
}

#[test]
fn a_relay_that_alters_entries_is_cut_off_and_nothing_of_it_is_stored() {
    for count in [1, 700] {
        let mut world = World::new(&FOUR, 7);
        world.until("all run", running);
        // UK reaches BE through NL alone, which forges.
        world.blocked.extend([(0, 3), (1, 3)]);
        let now_apart = |w: &World| w.nodes[3].engine.as_ref().unwrap().peers().filter(|p| p.connected).count() == 1;
        world.kill(3);
        world.start(3);
        world.until("UK knows only NL", now_apart);
        world.meddle = Some(forge);
        world.submit(0, count);
        world.until("it was noticed", |w| {
            w.nodes[3].faults.iter().any(|f| f.contains("entries of BE") || f.contains("entry of BE"))
        });
        let be = world.nodes[0].unit.clone();
        assert!(world.nodes[3].disk.logs.get(&be).is_none_or(Vec::is_empty));
        world.meddle = None;
        world.until("all certified", |w| w.all_certified(&[count as u64, 0, 0, 0]));
        world.check_no_fork();
    }
}

/// NL strips the payloads of BE's entries when it passes them on to UK.
fn strip(from: usize, to: usize, frame: &mut wire::Frame) {
    if let (2, 3, Some(Frame::Bundle(bundle))) = (from, to, &mut frame.frame)
        && bundle.unit == "BE"
    {
        rewrite(bundle, |entry| entry.without_body());
    }
}

#[test]
fn a_relay_that_strips_payloads_gains_nothing() {
    let mut world = World::new(&FOUR, 8);
    world.until("all run", running);
    world.blocked.extend([(0, 3), (1, 3)]);
    world.kill(3);
    world.start(3);
    world.until("UK knows only NL", |w| {
        w.nodes[3].engine.as_ref().unwrap().peers().filter(|p| p.connected).count() == 1
    });
    world.meddle = Some(strip);
    world.submit(0, 300);
    world.until("UK holds the leaves", |w| w.log(3, 0).size.get() == 300);
    for _ in 0..50_000 {
        world.step();
    }
    // It holds no complete log, so it cosigns nothing and lists nothing.
    assert!(world.log(3, 0).complete.get() < 300);
    assert!(!world.nodes[3].cosigned.contains_key(&world.nodes[0].unit));
    assert_eq!(world.certified(3)[0], 0);
    // Another way to the payloads opens.
    world.blocked.remove(&(1, 3));
    world.until("UK is complete", |w| w.all_certified(&[300, 0, 0, 0]));
    assert!(world.nodes[3].disk.logs[&world.nodes[0].unit].iter().all(|entry| entry.body().is_some()));
}

/// FR signs a checkpoint of BE's log with its own key.
fn usurp(from: usize, _: usize, frame: &mut wire::Frame) {
    use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
    use crate::note::{Algorithm, KeyName, MemorySigner};
    if let (1, Some(Frame::Heads(heads))) = (from, &mut frame.frame) {
        let be: crate::ids::UnitId = "BE".parse().unwrap();
        let name = KeyName::log(&super::world::network(), &be);
        let signer = MemorySigner::from_seed(name.clone(), Algorithm::Ed25519, &[5; 32]).unwrap();
        let size = crate::ids::Size::new(9).unwrap();
        let checkpoint = Checkpoint { origin: name, size, root: crate::hash::Hash::of(b"x") };
        let signed = SignedCheckpoint::sign(checkpoint, &signer).unwrap();
        let newest = CosignedCheckpoint::new(signed).to_note(&Default::default());
        heads.heads = vec![wire::Head { unit: "BE".into(), newest, ..Default::default() }];
    }
}

#[test]
fn a_unit_cannot_speak_for_another() {
    let mut world = World::new(&FOUR, 9);
    world.until("all run", running);
    world.meddle = Some(usurp);
    world.submit(1, 1);
    world.until("it was noticed", |w| {
        [0, 2, 3].iter().any(|at| w.nodes[*at].faults.iter().any(|f| f.contains("head of BE")))
    });
    for _ in 0..20_000 {
        world.step();
    }
    assert!([0, 2, 3].iter().all(|at| world.log(*at, 0).newest.is_none()));
    assert!(running(&world), "a forged head of the own log stops nobody from signing");
}

/// Every partner tells BE of a checkpoint with BE's own key that its journal does not know.
fn twin(_: usize, to: usize, frame: &mut wire::Frame) {
    use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
    use crate::note::KeyName;
    if let (0, Some(Frame::Heads(heads))) = (to, &mut frame.frame) {
        let be: crate::ids::UnitId = "BE".parse().unwrap();
        let checkpoint = Checkpoint {
            origin: KeyName::log(&super::world::network(), &be),
            size: crate::ids::Size::new(9).unwrap(),
            root: crate::hash::Hash::of(b"x"),
        };
        let signed = SignedCheckpoint::sign(checkpoint, &super::world::log_signer(&be)).unwrap();
        let newest = CosignedCheckpoint::new(signed).to_note(&Default::default());
        heads.heads = vec![wire::Head { unit: "BE".into(), newest, ..Default::default() }];
    }
}

#[test]
fn a_node_whose_partners_know_more_of_its_log_than_its_journal_signs_nothing() {
    let mut world = World::new(&FOUR, 10);
    world.until("all run", running);
    world.kill(0);
    world.meddle = Some(twin);
    world.start(0);
    world.until("it recovers", |w| {
        matches!(w.nodes[0].engine.as_ref().unwrap().standing(), Standing::Recovering { reason, .. } if reason.contains("9 entries"))
    });
    let signed = world.nodes[0].signed.len();
    world.submit(0, 1);
    world.submit(1, 1);
    for _ in 0..50_000 {
        world.step();
    }
    assert_eq!(world.nodes[0].signed.len(), signed);
    assert!(world.nodes[0].cosigned.is_empty(), "nor does it cosign");
}

#[test]
fn heads_of_logs_that_no_charter_lists_leave_nothing_behind() {
    let mut world = World::new(&FOUR, 12);
    world.until("all run", running);
    let kept = |w: &World| -> Vec<usize> {
        w.nodes.iter().flat_map(|n| n.engine.as_ref().unwrap().sessions.values().map(|s| s.heads.len())).collect()
    };
    let note = b"takedown.example/X\n1\n".to_vec();
    for frame in 0..5 {
        let invented = (0..100).map(|n| wire::Head {
            unit: format!("X{frame}N{n}"),
            certified: note.clone(),
            ..wire::Head::default()
        });
        let heads = wire::Heads { heads: invented.collect(), ..wire::Heads::default() };
        let bytes = wire::Frame { frame: Some(Frame::Heads(heads)) }.encode_to_vec();
        let streams: Vec<_> = world.nodes[0].engine.as_ref().unwrap().sessions.keys().copied().collect();
        for stream in streams {
            let frame = crate::sync::Frame::decode(bytes.clone().into()).unwrap();
            world.event(0, crate::sync::Event::Received { stream, frame });
        }
    }
    assert!(world.nodes[0].faults.is_empty(), "a partner may know of units that are not known here");
    assert!(kept(&world).into_iter().all(|kept| kept <= FOUR.len()), "{:?}", kept(&world));
}

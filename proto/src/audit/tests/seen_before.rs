//! The auditor's memory: a log that shrank or changed since the last visit.

use std::collections::BTreeMap;

use super::world::{ENTRIES, TIME_MS, World, entry, unit};
use crate::audit::{Asked, Fault};
use crate::fork::ForkProof;
use crate::ids::Size;
use crate::wire::record::Body;

fn seen(world: &World, size: u64) -> Asked {
    let notes = world.logs.keys().map(|of| (of.clone(), world.note(of, size, 0)));
    Asked { before: notes.collect(), ..Asked::default() }
}

fn observe(text: &str) -> Body {
    Body::Observe(crate::wire::Observe {
        target: format!("domain:{text}.example"),
        observed_ms: 1,
        availability: 1,
        ..Default::default()
    })
}

#[test]
fn a_log_that_grew_is_what_it_was() {
    let world = World::new();
    for size in [1, 7, 130, 131, 256, 257, ENTRIES] {
        assert_eq!(world.export().verify_as(&seen(&world, size)).faults.kept(), [], "{size}");
    }
}

#[test]
fn a_log_that_was_rewritten_is_proven_to_be() {
    let (world, mut other) = (World::new(), World::new());
    let fr = unit("FR");
    let log = other.logs.get_mut(&fr).unwrap();
    log[200] = entry(TIME_MS + 200 * 60_000, 200, observe("elsewhere"));
    let versions: Vec<_> = world.charters.all().map(AsRef::as_ref).collect();
    for size in [201, 256, 257, ENTRIES] {
        let found = other.export().verify_as(&seen(&world, size));
        let [Fault::Rewritten { unit, before, proof: Some(proof) }] = found.faults.kept() else {
            panic!("{size}: {:?}", found.faults)
        };
        assert_eq!((unit, before.get()), (&fr, size));
        // The proof convinces whoever has the charters and nothing else.
        assert_eq!(ForkProof::verify_text(&proof.to_text(), &versions).as_ref(), Ok(&**proof));
        assert_eq!(found.forks, [(**proof).clone()]);
    }
    assert_eq!(other.export().verify_as(&seen(&world, 200)).faults.kept(), [], "up to there it is the same");
}

#[test]
fn a_log_that_shrank_is_told() {
    let world = World::new();
    let mut less = world.export();
    let ca = unit("CA");
    less.0.retain(|path, _| !path.starts_with("logs/CA/"));
    world.export_log(&mut less, &ca, 200, None);
    less.sign();
    assert_eq!(less.verify().faults.kept(), [], "by itself it holds");
    let (before, now) = (Size::new(ENTRIES).unwrap(), Size::new(200).unwrap());
    let found = less.verify_as(&seen(&world, ENTRIES));
    assert_eq!(found.faults.kept(), [Fault::Shrunk { unit: ca, before, now }]);
}

#[test]
fn what_was_seen_before_must_have_been_signed() {
    let world = World::new();
    let forged = world.note(&unit("FR"), 200, 0);
    let asked = Asked { before: BTreeMap::from([(unit("BE"), forged)]), ..Asked::default() };
    let found = world.export().verify_as(&asked);
    assert!(matches!(found.faults.kept(), [Fault::Before { .. }]), "{:?}", found.faults);
}

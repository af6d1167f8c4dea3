//! What is found out of an export before any of its files is kept.

use std::collections::BTreeMap;

use super::world::{ENTRIES, InMemory, TURN, World, entry, unit};
use crate::audit::{
    Fault, MANIFEST, Manifest, NotExtended, Offer, OfferError, chain, extends, foreign, layout, offered_checkpoint,
};
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::tree::range;

fn charters(files: &InMemory, offer: &Offer) -> BTreeMap<String, Vec<u8>> {
    offer.charters.keys().map(|path| (path.clone(), files.0[path].clone())).collect()
}

fn head(files: &InMemory, world: &World, of: &UnitId) -> Checkpoint {
    offered_checkpoint(&files.0[&layout::checkpoint(of)], &world.charters, of).unwrap()
}

#[test]
fn an_offer_counts_that_the_exporting_node_signed_under_charters_that_are_known() {
    let world = World::new();
    let export = world.export();
    let offer = Offer::read(&export.0[MANIFEST]).unwrap();
    assert_eq!((offer.unit.as_str(), offer.charters.len()), ("BE", 2));
    let brought = charters(&export, &offer);
    let first = world.charters.all().next().unwrap();
    let pinned = [(first.version(), first.digest())];
    let (manifest, chain_of) = offer.verify(&brought, &pinned).unwrap();
    assert_eq!(manifest, Manifest::read(&export.0[MANIFEST]).unwrap().0);
    assert_eq!(chain_of.newest().digest(), world.charters.newest().digest());

    let unknown = [(7, Hash::of(b"another network's"))];
    let refused = OfferError::NotPinned { version: 7, digest: unknown[0].1 };
    assert_eq!(offer.verify(&brought, &unknown).unwrap_err(), refused);
    let mut older = brought.clone();
    older.pop_last();
    // Whoever lacks the charter that brought the key cannot tell whose signature it is.
    assert!(matches!(offer.verify(&older, &pinned), Err(OfferError::Unsigned { .. })));
    // Signed by nobody, for one bit is another.
    let mut altered = export.0[MANIFEST].clone();
    let at = altered.windows(6).position(|window| window == b"logs/B").unwrap() - 10;
    altered[at] ^= 1;
    let offer = Offer::read(&altered).unwrap();
    assert!(matches!(offer.verify(&brought, &pinned), Err(OfferError::Unsigned { .. })));
}

#[test]
fn charters_are_read_in_the_order_of_their_names() {
    let world = World::new();
    let export = world.export();
    let offer = Offer::read(&export.0[MANIFEST]).unwrap();
    let mut brought = charters(&export, &offer);
    assert_eq!(chain(&brought).unwrap().all().count(), 2);
    let last = brought.pop_last().unwrap().1;
    brought.insert("charter/other.note".to_owned(), last);
    assert!(chain(&brought).is_err(), "a name that no charter has comes first");
}

#[test]
fn a_manifest_that_names_what_its_logs_do_not_have_is_told_before_it_is_fetched() {
    let world = World::new();
    let export = world.export();
    let mut manifest = Manifest::read(&export.0[MANIFEST]).unwrap().0;
    let sizes = |size: u64| world.logs.keys().map(|of| (of.clone(), Size::new(size).unwrap())).collect();
    assert_eq!(foreign(&manifest, &world.charters, &sizes(ENTRIES)), None);
    assert_eq!(manifest.size(&unit("FR")).get(), ENTRIES);
    assert!(matches!(foreign(&manifest, &world.charters, &sizes(200)), Some(Fault::Foreign(_))));
    assert!(matches!(foreign(&manifest, &world.charters, &sizes(1 << 39)), Some(Fault::Short { .. })));
    manifest.add("logs/FR/tile/0/123".to_owned(), Hash::of(b""));
    let found = foreign(&manifest, &world.charters, &sizes(ENTRIES));
    assert_eq!(found, Some(Fault::Foreign("logs/FR/tile/0/123".to_owned())));
}

#[test]
fn a_log_goes_on_from_each_of_its_sizes_and_from_no_other_log() {
    let (world, mut other) = (World::new(), World::new());
    let fr = unit("FR");
    let export = world.export();
    let now = head(&export, &world, &fr);
    let root = |world: &World, size| range(&world.tree(&fr), Size::ZERO, size).unwrap().root().unwrap();
    let of = |size: u64| Size::new(size).unwrap();
    for size in [0, 1, TURN, 255, 256, 257, ENTRIES].map(of) {
        assert_eq!(extends(&export, &fr, &now, (size, Some(root(&world, size)))), Ok(()), "{size}");
    }
    let larger = of(ENTRIES + 1);
    let shrunk = NotExtended::Shrunk { before: larger, now: now.size };
    assert_eq!(extends(&export, &fr, &now, (larger, None)), Err(shrunk));
    let log = other.logs.get_mut(&fr).unwrap();
    let said = world.said("FR", 200);
    log[200] = entry(log[200].header().time_ms, 999, said);
    for size in [201, 256, 257, ENTRIES].map(of) {
        let rewritten = Err(NotExtended::Rewritten(size));
        assert_eq!(extends(&export, &fr, &now, (size, Some(root(&other, size)))), rewritten, "{size}");
    }
    // Leaf hashes of the other log under the hashes of this one show nothing.
    let mut mixed = export.clone();
    let path = layout::part(&fr, crate::audit::Part::Hashes, 0, 256);
    mixed.0.insert(path.clone(), other.export().0[&path].clone());
    let mixed = extends(&mixed, &fr, &now, (of(201), Some(root(&other, of(201)))));
    assert_eq!(mixed, Err(NotExtended::Rewritten(of(201))));
}

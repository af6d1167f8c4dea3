//! The list as it was, one record by itself, and two exports against each other.

use std::collections::BTreeMap;

use super::faults::InWorld;
use super::world::{ENTRIES, ERASED, TIME_MS, TURN, World, entry, unit, unsound};
use crate::audit::{Alone, Compared, Fault, Moment, PastError, compare};
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::list::{Fold, Frontier};
use crate::receipt::{ReceiptError, UnverifiedReceipt};
use crate::tree::range;
use crate::wire::Row;

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

/// The list digest, and the targets, of so many entries of each log under a version of the charter.
fn folded(world: &World, version: u32, sizes: &BTreeMap<UnitId, Size>) -> (Hash, Vec<String>) {
    let charters = world.charters.up_to(version).unwrap();
    let mut fold = Fold::under(&charters).unwrap();
    let mut logs = BTreeMap::new();
    for (of, log) in &world.logs {
        let size = sizes.get(of).copied().unwrap_or_default();
        for (index, entry) in (0..size.get()).zip(log) {
            let payload = entry.payload().map(|payload| &payload[..]);
            fold.apply(of, index, entry.header().kind, entry.header().time_ms, payload).unwrap();
        }
        logs.insert(of.clone(), (size, range(&world.tree(of), Size::ZERO, size).unwrap().root().unwrap()));
    }
    let frontier = Frontier { charter: charters.newest().digest(), logs };
    let digest = fold.digest(&frontier, &InWorld(world)).unwrap();
    (digest, fold.targets(None).map(|(target, _)| target.as_str().to_owned()).collect())
}

#[test]
fn the_list_is_rebuilt_as_it_was_at_a_time_and_at_a_frontier() {
    let world = World::new();
    let files = world.export();
    let found = files.verify();
    // Before and after the turn of the charter, at and off the ends of bundles.
    for (entries, version) in [(0, 1), (1, 1), (TURN, 1), (TURN + 1, 2), (256, 2), (257, 2), (ENTRIES, 2)] {
        let sizes: BTreeMap<_, _> = world.logs.keys().map(|of| (of.clone(), size(entries))).collect();
        let expected = folded(&world, version, &sizes);
        let mut moments = vec![Moment::Sizes(sizes)];
        // Each entry comes a minute after the one before.
        moments.extend((entries > 0).then(|| Moment::Time(TIME_MS + (entries - 1) * 60_000 + 59_999)));
        for moment in moments {
            let mut rows: Vec<Row> = Vec::new();
            let past = found.list_at(&files, &Alone, &moment, &mut |row| rows.push(row)).unwrap();
            assert_eq!((past.version, past.digest), (version, expected.0), "{moment:?}");
            assert_eq!(rows.iter().map(|row| row.target.clone()).collect::<Vec<_>>(), expected.1);
            assert_eq!(past.erased, if entries > ERASED.0 { 8 } else { 0 });
        }
    }
    let uneven: BTreeMap<_, _> = [(unit("BE"), size(200)), (unit("UK"), size(13))].into();
    let past = found.list_at(&files, &Alone, &Moment::Sizes(uneven.clone()), &mut |_| {}).unwrap();
    assert_eq!(past.digest, folded(&world, 2, &uneven).0);

    let beyond = Moment::Sizes([(unit("BE"), size(ENTRIES + 1))].into());
    let fault = PastError::Beyond { unit: unit("BE"), have: size(ENTRIES), asked: ENTRIES + 1 };
    assert_eq!(found.list_at(&files, &Alone, &beyond, &mut |_| {}).unwrap_err(), fault);
}

#[test]
fn nothing_follows_from_an_export_that_does_not_hold() {
    let mut files = World::new().export();
    files.0.get_mut("logs/FR/payload/000").unwrap()[9] ^= 1;
    let found = files.verify();
    assert_eq!(found.list_at(&files, &Alone, &Moment::Time(TIME_MS), &mut |_| {}).unwrap_err(), PastError::Unverified);
}

#[test]
fn one_record_is_proven_to_whoever_has_the_charter() {
    let world = World::new();
    let files = world.export();
    let found = files.verify();
    for (of, index) in [("BE", 1), ("BE", TURN), ("UK", 255), ("UK", 256), ("US", ENTRIES - 1)] {
        let id = RecordId { unit: unit(of), index };
        let (entry, receipt) = found.receipt(&files, &id).unwrap();
        assert_eq!(entry, world.logs[&id.unit][index as usize]);
        let read = UnverifiedReceipt::parse(&receipt.to_bytes()).unwrap();
        let verified = read.verify(world.charters.newest()).unwrap();
        assert_eq!((verified.id(), verified.certified()), (&id, Ok(())));
    }
    let erased = RecordId { unit: unit("FR"), index: ERASED.0 };
    assert_eq!(found.receipt(&files, &erased).unwrap_err(), PastError::Receipt(ReceiptError::NoPayload));
    let beyond = RecordId { unit: unit("FR"), index: ENTRIES };
    assert!(matches!(found.receipt(&files, &beyond), Err(PastError::Beyond { .. })));
}

fn compared(one: &World, other: &World) -> Compared {
    let (one, other) = (one.export(), other.export());
    compare((&one, &one.verify()), (&other, &other.verify()))
}

#[test]
fn two_exports_agree_where_each_log_extends_the_other() {
    let (world, mut less) = (World::new(), World::new());
    less.logs.get_mut(&unit("CA")).unwrap().truncate(200);
    for (one, other, sizes) in [(&world, &less, [ENTRIES, 200]), (&less, &world, [200, ENTRIES])] {
        let found = compared(one, other);
        assert_eq!(found.faults, []);
        assert!(found.logs.iter().all(|log| log.agrees));
        let ca = found.logs.iter().find(|log| log.unit == unit("CA")).unwrap();
        assert_eq!(ca.sizes, sizes.map(size));
    }
}

#[test]
fn two_exports_that_show_two_versions_prove_it() {
    let world = World::new();
    for (at, len) in [(150_u64, ENTRIES as usize), (150, 257), (256, ENTRIES as usize)] {
        let mut other = World::new();
        let log = other.logs.get_mut(&unit("NL")).unwrap();
        log.truncate(len);
        log[at as usize] = unsound(TIME_MS + at * 60_000);
        for (one, two) in [(&world, &other), (&other, &world)] {
            let found = compared(one, two);
            let [Fault::Rewritten { unit: of, before, proof: Some(proof) }] = found.faults.as_slice() else {
                panic!("{:?}", found.faults)
            };
            assert_eq!((of, before.get()), (&unit("NL"), len as u64));
            assert_eq!(found.forks, [(**proof).clone()]);
            assert!(found.logs.iter().all(|log| log.agrees == (log.unit != unit("NL"))));
        }
    }
    // The same entry again is the same log.
    let mut same = World::new();
    let again = entry(TIME_MS + 60_000, 1, same.said("NL", 1));
    same.logs.get_mut(&unit("NL")).unwrap()[1] = again;
    assert_eq!(compared(&world, &same).faults, []);
}

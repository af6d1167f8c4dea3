//! Random histories: the fold against the model, under random interleavings, with erased payloads there or not (I3).

use proptest::prelude::*;

use super::model::Model;
use super::*;

const UNITS: [&str; 3] = ["BE", "FR", "NL"];

/// The list digest written down once more, from whole rows.
pub(super) fn digest_of_rows(frontier: &Frontier, rows: &[Row]) -> Hash {
    let mut bytes = b"entente list v1\n\x00\x00\x00\x01".to_vec();
    bytes.extend(frontier.charter.0);
    bytes.extend((frontier.logs.len() as u32).to_be_bytes());
    for (unit, (size, root)) in &frontier.logs {
        bytes.extend((unit.as_str().len() as u16).to_be_bytes());
        bytes.extend(unit.as_str().as_bytes());
        bytes.extend(size.get().to_be_bytes());
        bytes.extend(root.0);
    }
    bytes.extend((rows.len() as u64).to_be_bytes());
    for row in rows {
        bytes.extend((row.target.len() as u32).to_be_bytes());
        bytes.extend(row.target.as_bytes());
        bytes.extend(Hash::of(&row.encode_to_vec()).0);
    }
    Hash::of(&bytes)
}

fn any_target() -> impl Strategy<Value = String> {
    (0..4_u8).prop_map(|n| format!("domain:{n}.example"))
}

fn any_id() -> impl Strategy<Value = String> {
    // Now and then a unit that is not in the charter.
    (0..13_usize, 0..16_u64).prop_map(|(unit, index)| format!("{}/{index}", UNITS.get(unit % 4).unwrap_or(&"ZZ")))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let body = prop_oneof![
        6 => any_target().prop_map(|target| refer(&target)),
        2 => any_target().prop_map(|target| hold(&target)),
        3 => any_id().prop_map(|id| object(&id)),
        2 => any_id().prop_map(|id| support(&id)),
        3 => any_id().prop_map(|id| dispatch(&id)),
        3 => any_id().prop_map(|id| outcome(&id)),
        3 => (any_target(), 0..40_u64).prop_map(|(target, time)| observe(&target, time)),
        2 => (0..4_u8, 1..4_u8).prop_map(|(first, by)| {
            link(&format!("domain:{first}.example"), &format!("domain:{}.example", (first + by) % 4))
        }),
        1 => any_target().prop_map(|target| evidence(&target)),
        4 => (0..16_u64).prop_map(withdraw),
        4 => (0..16_u64).prop_map(erase),
    ];
    (body, 0..40_u64, 0..20_u8).prop_map(|(body, time_ms, fault)| {
        let mut entry = entry(time_ms, body);
        match fault {
            0 => entry.kind = 99,
            1 => entry.kind = RecordKind::Refer.number(),
            2 => entry.payload = entry.payload.slice(1..),
            _ => {}
        }
        entry
    })
}

fn any_logs() -> impl Strategy<Value = Logs> {
    let log = || proptest::collection::vec(any_entry(), 0..16);
    (log(), log(), log()).prop_map(|(be, fr, nl)| UNITS.iter().map(|id| unit(id)).zip([be, fr, nl]).collect())
}

/// Folds whole logs in an order that `picks` draws. Where `stripped` says so, payloads that the log goes on to erase are
/// not given. Digests are asked for on the way.
fn fold(logs: &Logs, picks: &[prop::sample::Index], stripped: impl Fn(usize) -> bool) -> World {
    let mut world = World::new(&UNITS);
    let mut statuses = BTreeMap::new();
    let total: usize = logs.values().map(Vec::len).sum();
    for step in 0..total {
        let open: Vec<&UnitId> = logs.keys().filter(|unit| world.logs[*unit].len() < logs[*unit].len()).collect();
        let of = open[picks[step % picks.len()].index(open.len())].clone();
        let index = world.logs[&of].len();
        let id = RecordRef { unit: of.as_str().into(), index: index as u64 };
        let erased = Model::new(logs).ends(&id).1.is_some();
        let with_payload = !(erased && stripped(step));
        let (_, changes) = world.add(of.as_str(), logs[&of][index].clone(), with_payload);
        for change in changes {
            assert_eq!(statuses.get(&change.target).copied(), change.before);
            match change.status {
                Some(status) => statuses.insert(change.target, status),
                None => statuses.remove(&change.target),
            };
        }
        let listed: BTreeMap<_, _> =
            world.fold.targets(None).map(|(target, status)| (target.clone(), status)).collect();
        assert_eq!(listed, statuses);
        if step % 7 == 3 {
            world.digest();
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i3_the_fold_depends_on_the_prefixes_alone(
        logs in any_logs(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 48),
        others in proptest::collection::vec(any::<prop::sample::Index>(), 48),
        strip in any::<u64>(),
    ) {
        let mut one = fold(&logs, &picks, |_| false);
        let mut two = fold(&logs, &others, |step| strip >> (step % 64) & 1 == 1);
        let rows = Model::new(&logs).rows();
        prop_assert_eq!(&one.rows(), &rows);
        prop_assert_eq!(&two.rows(), &rows);
        let digest = digest_of_rows(&one.frontier(), &rows);
        prop_assert_eq!(one.digest(), digest);
        prop_assert_eq!(two.digest(), digest);
        let mut counts = Counts::default();
        for row in &rows {
            match row.status() {
                wire::Status::Held => counts.held += 1,
                wire::Status::Disputed => counts.disputed += 1,
                wire::Status::Listed => counts.listed += 1,
                _ => counts.cleared += 1,
            }
        }
        prop_assert_eq!(one.fold.counts(), counts);
        prop_assert_eq!(two.fold.counts(), counts);
        for n in 0..4 {
            let text = format!("domain:{n}.example");
            prop_assert_eq!(one.about(&text), two.about(&text));
        }
        for (unit, log) in &logs {
            for index in 0..log.len() as u64 {
                prop_assert_eq!(one.fold.standing(unit, index), two.fold.standing(unit, index));
                prop_assert_eq!(one.fold.target_of(unit, index), two.fold.target_of(unit, index));
            }
        }
        prop_assert_eq!(one.fold.frontier_sizes(), two.fold.frontier_sizes());
    }
}

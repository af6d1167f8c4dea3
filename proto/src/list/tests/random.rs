//! Random histories of all kinds: the fold and what it finds on a check against the model, under random interleavings,
//! with erased payloads there or not (I3).

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

/// Targets that cover one another in every way that there is.
fn pool() -> Vec<String> {
    let image = |flipped: usize| format!("image:pdq:{}{}", "f".repeat(flipped), "0".repeat(64 - flipped));
    let mut pool: Vec<String> = [
        "domain:0.example",
        "domain:a.0.example",
        "domain:b.a.0.example",
        // A suffix under which others have names of their own.
        "domain:ddns.net",
        "domain:a.ddns.net",
        "url:https://a.0.example/x",
        "url:https://a.0.example/x/y",
        "url:http://10.0.0.1:8080/",
        "ip:10.0.0.1",
        "ip:10.0.0.0/30",
        "ip:10.0.0.0/24",
    ]
    .map(str::to_owned)
    .into();
    // They differ in 0, 12, 32 and 40 bits from the first.
    pool.extend([0, 3, 8, 10].map(image));
    pool
}

/// Further targets to ask about.
const ASKED: [&str; 9] = [
    "domain:c.b.a.0.example",
    "domain:0.example.example",
    "url:https://a.0.example/x/y/z?q",
    "url:https://a.0.example/xx",
    "url:https://x.a.ddns.net/",
    "ip:10.0.0.2",
    "url:http://10.0.0.9/",
    "ip:10.0.1.0",
    "image:pdq:7ff0000000000000000000000000000000000000000000000000000000000000",
];

fn any_target() -> impl Strategy<Value = String> {
    // Mostly the same few, so that statements meet.
    prop_oneof![3 => 0..3_usize, 2 => 0..15_usize].prop_map(|n| pool().swap_remove(n))
}

fn any_id() -> impl Strategy<Value = String> {
    // Now and then a unit that is not in the charter.
    (0..13_usize, 0..16_u64).prop_map(|(unit, index)| format!("{}/{index}", UNITS.get(unit % 4).unwrap_or(&"ZZ")))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let body = prop_oneof![
        6 => (any_target(), any::<bool>()).prop_map(|(target, prefix)| {
            let prefix = prefix && target.starts_with("url:");
            Body::Refer(wire::Refer { target, prefix, categories: vec![1], ..Default::default() })
        }),
        2 => any_target().prop_map(|target| hold(&target)),
        3 => any_id().prop_map(|id| object(&id)),
        2 => any_id().prop_map(|id| support(&id)),
        3 => any_id().prop_map(|id| dispatch(&id)),
        3 => any_id().prop_map(|id| outcome(&id)),
        3 => (any_target(), 0..40_u64).prop_map(|(target, time)| observe(&target, time)),
        2 => (any_target(), any_target()).prop_filter_map("a link of two", |(first, second)| {
            (first != second).then(|| link(&first, &second))
        }),
        1 => (any_target(), any_target(), 0..40_u64).prop_filter_map("a move to another", |(target, successor, time)| {
            (target != successor).then(|| moved(&target, &successor, time))
        }),
        1 => any_target().prop_map(|target| evidence(&target)),
        4 => (0..16_u64).prop_map(withdraw),
        4 => (0..16_u64).prop_map(erase),
        1 => any_other(),
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

/// The kinds that make no difference to rows.
fn any_other() -> impl Strategy<Value = Body> {
    let hash = || vec![7; 32];
    (any_id(), 0..8_u8).prop_map(move |(id, kind)| match kind {
        0 => {
            let (item, sha256) = (reference(&id), hash());
            Body::Custody(wire::Custody { item, step: 1, other: "FR".into(), sha256, ..Default::default() })
        }
        1 => Body::Operation(wire::Operation { title: "one".into(), ..Default::default() }),
        2 => {
            let step = Some(wire::operation_step::Step::Join(wire::OperationJoin::default()));
            Body::OperationStep(wire::OperationStep { operation: reference(&id), step })
        }
        3 => Body::Adopt(wire::Adopt { version: 1, digest: hash() }),
        4 => Body::Propose(wire::Propose { text: b"text".to_vec(), digest: Hash::of(b"text").0.to_vec() }),
        5 => Body::Approve(wire::Approve { digest: hash(), signatures: Vec::new() }),
        6 => Body::Revoke(wire::Revoke { spki_sha256: hash(), ..Default::default() }),
        _ => Body::AccessHead(wire::AccessHead { size: 1, root: hash(), ..Default::default() }),
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
        for text in &pool() {
            prop_assert_eq!(one.about(text), two.about(text));
        }
        for text in pool().iter().map(String::as_str).chain(ASKED) {
            for likeness in [LIKENESS, 0, 256] {
                let found = |world: &World| {
                    let found = world.fold.check(&target(text), likeness, |_| true)?;
                    Some((found.target.to_string(), wire::Status::from(found.status), found.way))
                };
                let expected = covers::found(&rows, text, likeness);
                prop_assert_eq!(found(&one), expected.clone(), "{}", text);
                prop_assert_eq!(found(&two), expected, "{}", text);
            }
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

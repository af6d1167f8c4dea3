//! Random histories of operations: whatever units say, the board depends on the prefixes of their logs alone (I3), and
//! never says of a go what is not so.

use proptest::prelude::*;

use super::*;
use crate::wire::OperationGo;

const UNITS: [&str; 3] = ["BE", "FR", "NL"];
/// Every log begins with two referrals; the lead's third record is the operation.
const OF: &str = "BE/2";

fn any_id() -> impl Strategy<Value = String> {
    (0..13_usize, 0..5_u64).prop_map(|(unit, index)| format!("{}/{index}", UNITS.get(unit % 4).unwrap_or(&"ZZ")))
}

fn any_ids() -> impl Strategy<Value = Vec<RecordRef>> {
    proptest::collection::vec(any_id().prop_map(|id| reference(&id).unwrap()), 0..4)
}

/// What is mostly frozen.
fn usual() -> Vec<RecordRef> {
    refs(&["BE/0", "BE/1", "FR/0", "NL/1"])
}

fn any_digest() -> impl Strategy<Value = Vec<u8>> {
    let usual = frozen_digest(&reference(OF).unwrap(), &referrals(&usual())).0.to_vec();
    prop_oneof![6 => Just(usual), 1 => Just(vec![1; 32])]
}

fn any_frontier() -> impl Strategy<Value = Vec<FrontierLog>> {
    (0..14_u64, 0..14_u64, 0..14_u64).prop_map(|sizes| {
        let log = |(unit, size): (&str, u64)| FrontierLog { unit: unit.into(), size, root: vec![3; 32] };
        UNITS.into_iter().zip([sizes.0, sizes.1, sizes.2]).filter(|(_, size)| *size > 0).map(log).collect()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let list = |of: Vec<RecordRef>| wire::OperationTargets { targets: referrals(&of) };
    prop_oneof![
        1 => prop_oneof![Just("FR"), Just("NL"), Just("ZZ")].prop_map(|unit| invite(&[unit])),
        5 => Just(join()),
        1 => Just(decline()),
        2 => any_ids().prop_map(move |of| Step::Add(list(of))),
        2 => any_ids().prop_map(move |of| Step::Remove(list(of))),
        3 => (any_digest(), any_frontier()).prop_map(|(digest, frontier)| {
            Step::Freeze(wire::OperationFreeze { targets: referrals(&usual()), digest, frontier })
        }),
        5 => any_digest().prop_map(|digest| Step::Ready(wire::OperationReady { digest })),
        4 => (any_digest(), any_frontier(), any_ids(), any_ids()).prop_map(|(digest, frontier, excluded, overrides)| {
            let (charter, excluded) = (vec![9; 32], referrals(&excluded));
            Step::Go(OperationGo { digest, at_ms: 1, charter, frontier, overrides, excluded })
        }),
        1 => Just(Step::Abort(wire::OperationAbort::default())),
        5 => any_id().prop_map(|id| executed(&id)),
        1 => any_frontier().prop_map(|frontier| Step::Close(wire::OperationClose { text: String::new(), frontier })),
        1 => (0..4_usize, any_ids()).prop_map(|(unit, of)| {
            let unit = UNITS.get(unit).unwrap_or(&"ZZ");
            Step::Assign(wire::OperationAssign { unit: (*unit).into(), targets: referrals(&of) })
        }),
    ]
}

fn any_body() -> impl Strategy<Value = Body> {
    let target = || (0..4_usize).prop_map(|n| format!("domain:{n}.example"));
    prop_oneof![
        12 => any_step().prop_map(|next| step(OF, next)),
        1 => any_step().prop_map(|next| step("FR/4", next)),
        1 => Just(operation(&["BE", "NL"], &["BE/0"], 1)),
        1 => target().prop_map(|target| refer(&target)),
        2 => target().prop_map(|target| hold(&target)),
        2 => any_id().prop_map(|id| object(&id)),
        2 => (0..14_u64).prop_map(withdraw),
        2 => (0..14_u64).prop_map(erase),
    ]
}

fn any_logs() -> impl Strategy<Value = Logs> {
    let log = || proptest::collection::vec(any_body(), 0..16);
    (log(), log(), log(), 0..3_u32).prop_map(|(be, fr, nl, quorum)| {
        let begin = |unit: &str| {
            let number = UNITS.iter().position(|of| *of == unit).unwrap();
            vec![refer(&format!("domain:{number}.example")), refer(&format!("domain:{}.example", number + 1))]
        };
        let mut lead = begin("BE");
        lead.push(operation(&["FR"], &["BE/0"], quorum));
        let whole = [(lead, be), (begin("FR"), fr), (begin("NL"), nl)];
        let entries = whole.map(|(begin, rest)| {
            let said = begin.into_iter().chain(rest);
            said.enumerate().map(|(at, body)| entry(at as u64, body)).collect()
        });
        UNITS.iter().map(|id| unit(id)).zip(entries).collect()
    })
}

/// Folds whole logs in an order that `picks` draws, payloads that the log goes on to erase given or not. Gives the world,
/// and every state of the first operation's go on the way: what it covered, and whether anything was erased by then.
fn fold(logs: &Logs, picks: &[prop::sample::Index], strip: u64) -> (World, Vec<(Vec<String>, usize)>) {
    let mut world = World::new(&UNITS);
    let (mut seen, mut erasures) = (Vec::new(), 0);
    let total: usize = logs.values().map(Vec::len).sum();
    for at in 0..total {
        let open: Vec<&UnitId> = logs.keys().filter(|unit| world.logs[*unit].len() < logs[*unit].len()).collect();
        let of = open[picks[at % picks.len()].index(open.len())].clone();
        let index = world.logs[&of].len();
        let id = RecordRef { unit: of.as_str().into(), index: index as u64 };
        let erased = super::super::model::Model::new(logs).ends(&id).1.is_some();
        let next = logs[&of][index].clone();
        erasures += usize::from(next.kind == RecordKind::Erase.number());
        world.add(of.as_str(), next, !(erased && strip >> (at % 64) & 1 == 1));
        let board = super::id(OF);
        let board = world.fold.board(&board, &world.logs, &[]).unwrap();
        if let Some(board) = board.filter(|board| board.go.as_ref().is_some_and(|go| go.waits.is_empty())) {
            seen.push((covered(&board), erasures));
        }
    }
    (world, seen)
}

/// Whether a unit had joined and then said that it is ready for a digest, below an index of its log, and not declined since.
fn was_ready(log: &[Entry], end: u64, digest: &[u8], leads: bool) -> bool {
    let (mut joined, mut is_ready) = (leads, false);
    for entry in log.iter().take(end as usize) {
        let Ok(said) = crate::record::parse(entry.kind, &entry.payload) else { continue };
        match said.into_body() {
            Body::OperationStep(said) if said.operation == reference(OF) => match said.step.unwrap() {
                Step::Join(_) => joined = true,
                Step::Decline(_) if !leads => (joined, is_ready) = (false, false),
                Step::Ready(said) => is_ready |= joined && said.digest == digest,
                _ => {}
            },
            _ => {}
        }
    }
    is_ready
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i3_a_board_depends_on_the_prefixes_alone_and_a_go_on_what_it_names(
        logs in any_logs(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 48),
        others in proptest::collection::vec(any::<prop::sample::Index>(), 48),
        strip in any::<u64>(),
    ) {
        let (one, seen) = fold(&logs, &picks, 0);
        let (two, _) = fold(&logs, &others, strip);
        let ids: Vec<_> = one.fold.operations().collect();
        prop_assert_eq!(&ids, &two.fold.operations().collect::<Vec<_>>());
        for id in &ids {
            let board = one.fold.board(id, &one.logs, &[]).unwrap();
            prop_assert_eq!(&board, &two.fold.board(id, &two.logs, &[]).unwrap());
        }
        // Nothing that comes later changes what a go covers, but an erasure, and that only so that less speaks against it.
        for pair in seen.windows(2) {
            prop_assert!(pair[0].0 == pair[1].0 || pair[0].1 < pair[1].1, "{:?}", pair);
        }
        let board = one.board(OF);
        if let Some(go) = board.go.as_ref().filter(|go| go.waits.is_empty()) {
            let said = go_of(&logs, &board);
            prop_assert_eq!(&said.digest, &board.freeze.as_ref().unwrap().digest);
            prop_assert!(go.ready.len() as u32 >= board.ready_quorum);
            for name in &go.ready {
                let leads = name == "BE";
                let size = said.frontier.iter().find(|log| log.unit == *name).map_or(0, |log| log.size);
                let end = if leads { go.id.as_ref().unwrap().index } else { size };
                prop_assert!(was_ready(&logs[&unit(name)], end, &said.digest, leads), "{}", name);
            }
            let frozen: Vec<String> = usual().iter().map(|id| written(&Some(id.clone()))).collect();
            prop_assert!(covered(&board).iter().all(|id| frozen.contains(id)));
        }
        for target in &board.targets {
            prop_assert!(target.executed.is_empty() || target.covered);
        }
    }
}

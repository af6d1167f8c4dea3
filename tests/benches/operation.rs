//! The board of an operation: 5,000 targets and 30 units, each of which has reported on each target; in process, one thread.
//!
//! What is measured is what a node does when it is asked: the board is put together and judged from the fold, and its
//! digest is taken. Before that, the time and memory that folding the reports takes, a report.
//!
//! ```text
//! cargo bench -p entente-tests --bench operation -- [--targets N] [--units N] [--json FILE]
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may end with a panic, and prints")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Instant;

use bytes::Bytes;
use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::operation::{board_digest, frozen_digest};
use entente_proto::list::{FOLD_VERSION, Fold, Payloads};
use entente_proto::record::{RecordKind, encode};
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    FrontierLog, Operation, OperationExecuted, OperationFreeze, OperationGo, OperationJoin, OperationReady,
    OperationStep, Phase, Record, RecordRef, Refer, Referrals,
};

#[derive(Default)]
struct Logs(BTreeMap<UnitId, Vec<Bytes>>);

impl Payloads for Logs {
    type Error = Infallible;

    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, Infallible> {
        let log = self.0.get(unit);
        Ok(log.and_then(|log| log.get(usize::try_from(index).ok()?)).map(|payload| (1_000, payload.clone())))
    }
}

struct World {
    fold: Fold,
    logs: Logs,
}

impl World {
    fn say(&mut self, unit: &UnitId, body: Body) -> u64 {
        let kind = RecordKind::of_body(&body).number();
        let payload = encode(&Record { submission: vec![7; 16], body: Some(body) }).unwrap();
        let log = self.logs.0.entry(unit.clone()).or_default();
        let index = log.len() as u64;
        self.fold.apply(unit, index, kind, 1_000, Some(&payload)).unwrap();
        log.push(payload);
        index
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, usual: u64| value(name).map_or(usual, |n| n.replace('_', "").parse().unwrap());
    let (targets, count) = (number("--targets", 5_000), number("--units", 30));
    let units: Vec<UnitId> = (0..count).map(|n| format!("U{n:02}").parse().unwrap()).collect();
    let fold = Fold::new(units.iter().cloned(), FOLD_VERSION).unwrap();
    let mut world = World { fold, logs: Logs::default() };
    let lead = units.first().unwrap();
    for n in 0..targets {
        let target = format!("domain:{n}.example");
        world.say(lead, Body::Refer(Refer { target, categories: vec![1], ..Refer::default() }));
    }
    let list = vec![Referrals { unit: lead.to_string(), indexes: (0..targets).collect() }];
    let invited = units.iter().skip(1).map(ToString::to_string).collect();
    let operation = Operation { title: "bench".into(), invited, ready_quorum: count as u32, ..Operation::default() };
    let index = world.say(lead, Body::Operation(operation));
    let of = RecordRef { unit: lead.to_string(), index };
    let step = |step| Body::OperationStep(OperationStep { operation: Some(of.clone()), step: Some(step) });
    let digest = frozen_digest(&of, &list).0.to_vec();
    units.iter().skip(1).for_each(|unit| {
        world.say(unit, step(Step::Join(OperationJoin::default())));
    });
    let frozen = OperationFreeze { targets: list, digest: digest.clone(), frontier: Vec::new() };
    world.say(lead, step(Step::Freeze(frozen)));
    units.iter().for_each(|unit| {
        world.say(unit, step(Step::Ready(OperationReady { digest: digest.clone() })));
    });
    let log = |(unit, size): (UnitId, entente_proto::ids::Size)| FrontierLog {
        unit: unit.to_string(),
        size: size.get(),
        root: vec![3; 32],
    };
    let frontier = world.fold.frontier_sizes().into_iter().map(log).collect();
    world.say(
        lead,
        step(Step::Go(OperationGo { digest, at_ms: 1, charter: vec![9; 32], frontier, ..OperationGo::default() })),
    );
    let before = resident_bytes();
    let begun = Instant::now();
    for unit in &units {
        for index in 0..targets {
            let target = Some(RecordRef { unit: lead.to_string(), index });
            let report = OperationExecuted { target, at_ms: 1_500_000_000_000, result: 1, ..Default::default() };
            world.say(unit, step(Step::Executed(report)));
        }
    }
    let report_ns = begun.elapsed().as_nanos() as u64 / (targets * count);
    let report_bytes = (resident_bytes() - before) / (targets * count);
    let id: RecordId = format!("{}/{index}", of.unit).parse().unwrap();
    let mut best_ms = f64::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let board = world.fold.board(&id, &world.logs, &[]).unwrap().unwrap();
        let digest = board_digest(&board);
        best_ms = best_ms.min(begun.elapsed().as_secs_f64() * 1_000.0);
        assert_eq!(board.phase(), Phase::Gone, "{digest:?}");
        assert!(board.targets.iter().all(|target| target.executed.len() as u64 == count));
    }
    println!("targets  units   board, ms   folding a report, ns   bytes a report, payload and all");
    println!("{targets:>7}  {count:>5}  {best_ms:>10.1}  {report_ns:>21}  {report_bytes:>32}");
    if let Some(path) = value("--json") {
        let figures = serde_json::json!({ "targets": targets, "units": count, "board_ms": best_ms });
        std::fs::write(path, figures.to_string()).unwrap();
    }
}

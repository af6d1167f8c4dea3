//! P5, check: is this target, or anything that covers it, on a list of N targets; in process, one thread.
//!
//! The list is folded from referrals of names, addresses, networks and accounts made from a seed. What is asked are
//! addresses, a tenth of which are on the list, a tenth below a listed domain, the rest neither. Memory is what the process
//! takes more after folding than before, with nothing else kept. Beside each figure stands its floor: the same lookups in a
//! hash set of the texts.
//!
//! ```text
//! cargo bench -p entente-tests --bench check -- [--targets N] [--json FILE]
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may end with a panic, and prints")]

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

use entente_proto::ids::UnitId;
use entente_proto::list::{FOLD_VERSION, Fold, LIKENESS};
use entente_proto::record::{RecordKind, Target, encode};
use entente_proto::wire::record::Body;
use entente_proto::wire::{Category, Record, Refer};
use entente_tests::chance::Chance;

const ASKED: usize = 200_000;

fn target(chance: &mut Chance, number: u64) -> String {
    let host = format!("{:x}-{number:x}.example", chance.below(1 << 32));
    match chance.below(10) {
        0..=3 => format!("domain:{host}"),
        4..=7 => format!("url:https://{host}/{:x}/{:x}", chance.below(1 << 24), chance.below(1 << 48)),
        8 => format!("account:platform/{host}"),
        _ => format!("file:sha256:{:064x}", u128::from(chance.below(u64::MAX)) << 64 | u128::from(number)),
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

struct Figures {
    targets: u64,
    check_ns: f64,
    floor_ns: f64,
    bytes: u64,
}

fn measure(count: u64) -> Figures {
    let be: UnitId = "BE".parse().unwrap();
    let mut chance = Chance::new(count);
    let mut fold = Fold::new([be.clone()], FOLD_VERSION).unwrap();
    let mut asked: Vec<String> = Vec::with_capacity(ASKED);
    let before = resident_bytes();
    for index in 0..count {
        let text = target(&mut chance, index);
        let refer = Refer { target: text.clone(), categories: vec![Category::Incites.into()], ..Refer::default() };
        let record = Record { submission: vec![7; 16], body: Some(Body::Refer(refer)) };
        let payload = encode(&record).unwrap();
        fold.apply(&be, index, RecordKind::Refer.number(), 1, Some(&payload)).unwrap();
        if asked.len() < ASKED / 5 && index % (count * 5 / ASKED as u64).max(1) == 0 {
            asked.push(match text.strip_prefix("domain:") {
                Some(name) => format!("url:https://www.{name}/x/{index}"),
                None => text,
            });
        }
    }
    let bytes = (resident_bytes() - before) / count;
    let known = asked.len();
    while asked.len() < ASKED {
        asked.push(format!("url:https://{:x}.sub.example/{:x}", chance.below(1 << 40), chance.below(1 << 40)));
    }
    // In no order that memory could know.
    for at in (1..asked.len()).rev() {
        asked.swap(at, usize::try_from(chance.below(at as u64 + 1)).unwrap());
    }
    let asked: Vec<Target> = asked.iter().map(|text| text.parse().unwrap()).collect();
    let mut best = [f64::MAX; 2];
    let texts: HashSet<&str> = fold.targets(None).map(|(target, _)| target.as_str()).collect();
    for _ in 0..3 {
        let begun = Instant::now();
        let found = asked.iter().filter(|target| fold.check(target, LIKENESS, |_| true).is_some()).count();
        best[0] = best[0].min(begun.elapsed().as_nanos() as f64 / ASKED as f64);
        assert!(found >= known, "{found} of {known} were found");
        let begun = Instant::now();
        black_box(asked.iter().filter(|target| texts.contains(target.as_str())).count());
        best[1] = best[1].min(begun.elapsed().as_nanos() as f64 / ASKED as f64);
    }
    Figures { targets: count, check_ns: best[0], floor_ns: best[1], bytes }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let sizes =
        value("--targets").map_or(vec![10_000, 100_000, 1_000_000], |n| vec![n.replace('_', "").parse().unwrap()]);
    println!("targets     check, ns   floor, ns   bytes a target");
    let mut all = Vec::new();
    for size in sizes {
        let Figures { targets, check_ns, floor_ns, bytes } = measure(size);
        println!("{targets:>9}  {check_ns:>10.0}  {floor_ns:>10.0}  {bytes:>15}");
        all.push(serde_json::json!({ "targets": targets, "check_ns": check_ns, "floor_ns": floor_ns, "bytes": bytes }));
    }
    if let Some(path) = value("--json") {
        std::fs::write(path, serde_json::Value::from(all).to_string()).unwrap();
    }
}

//! What the tests of the fold share: logs in memory, and short ways to write records.

mod check;
mod covers;
mod golden;
mod model;
mod operation;
mod random;
mod rules;

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use prost::Message;

use super::*;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::record::{RecordKind, Target};
use crate::wire::record::Body;
use crate::wire::{Record, RecordRef, Row};

/// An entry as the fold takes it.
#[derive(Debug, Clone)]
struct Entry {
    kind: u32,
    time_ms: u64,
    payload: Bytes,
}

/// Logs by unit.
type Logs = BTreeMap<UnitId, Vec<Entry>>;

impl Payloads for Logs {
    type Error = Infallible;

    fn payload(&self, unit: &UnitId, index: u64) -> Result<Option<(u64, Bytes)>, Infallible> {
        let entry = self.get(unit).and_then(|log| log.get(index as usize));
        Ok(entry.map(|entry| (entry.time_ms, entry.payload.clone())))
    }
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn reference(id: &str) -> Option<RecordRef> {
    let (unit, index) = id.split_once('/').unwrap();
    Some(RecordRef { unit: unit.into(), index: index.parse().unwrap() })
}

fn entry(time_ms: u64, body: Body) -> Entry {
    let kind = RecordKind::of_body(&body).number();
    let payload = Record { submission: vec![0x11; 16], body: Some(body) }.encode_to_vec().into();
    Entry { kind, time_ms, payload }
}

fn refer(target: &str) -> Body {
    Body::Refer(wire::Refer { target: target.into(), categories: vec![1], ..Default::default() })
}

fn hold(target: &str) -> Body {
    Body::Hold(wire::Hold { target: target.into(), ..Default::default() })
}

fn object(on: &str) -> Body {
    Body::Opinion(wire::Opinion { on: reference(on), stance: 2, ground: 2, text: String::new() })
}

fn support(on: &str) -> Body {
    Body::Opinion(wire::Opinion { on: reference(on), stance: 1, ..Default::default() })
}

fn dispatch(on: &str) -> Body {
    Body::Dispatch(wire::Dispatch { on: reference(on), ..Default::default() })
}

fn outcome(on: &str) -> Body {
    Body::Outcome(wire::Outcome { on: reference(on), answer: 1, ..Default::default() })
}

fn observe(target: &str, observed_ms: u64) -> Body {
    Body::Observe(wire::Observe { target: target.into(), availability: 1, observed_ms, ..Default::default() })
}

fn moved(target: &str, successor: &str, observed_ms: u64) -> Body {
    Body::Observe(wire::Observe {
        target: target.into(),
        availability: wire::Availability::Moved.into(),
        successor: successor.into(),
        observed_ms,
    })
}

fn link(first: &str, second: &str) -> Body {
    Body::Link(wire::Link { first: first.into(), second: second.into(), relation: 1 })
}

fn evidence(target: &str) -> Body {
    let item = wire::EvidenceItem { sha256: vec![5; 32], ..Default::default() };
    Body::Evidence(wire::Evidence { item: Some(item), target: target.into(), ..Default::default() })
}

fn withdraw(index: u64) -> Body {
    Body::Withdraw(wire::Withdraw { index, reason: String::new() })
}

fn erase(index: u64) -> Body {
    Body::Erase(wire::Erase { index, reason: 1 })
}

/// A fold with the logs that it folded.
#[derive(Debug)]
struct World {
    fold: Fold,
    logs: Logs,
}

impl World {
    fn new(units: &[&str]) -> Self {
        let units: Vec<UnitId> = units.iter().map(|id| unit(id)).collect();
        let fold = Fold::new(units.iter().cloned(), 1).unwrap();
        Self { fold, logs: units.into_iter().map(|unit| (unit, Vec::new())).collect() }
    }

    /// Adds an entry to a unit's log and folds it, its payload given or not. Gives back its id.
    fn add(&mut self, of: &str, entry: Entry, with_payload: bool) -> (String, Vec<Change>) {
        let log = self.logs.get_mut(&unit(of)).unwrap();
        let index = log.len() as u64;
        let payload = with_payload.then_some(entry.payload.as_ref());
        let changes = self.fold.apply(&unit(of), index, entry.kind, entry.time_ms, payload).unwrap();
        log.push(entry);
        (format!("{of}/{index}"), changes)
    }

    fn say(&mut self, of: &str, body: Body) -> String {
        self.add(of, entry(1_000, body), true).0
    }

    fn frontier(&self) -> Frontier {
        let logs = self.logs.iter().map(|(unit, log)| {
            let size = log.len() as u64;
            (unit.clone(), (Size::new(size).unwrap(), Hash::of(&size.to_be_bytes())))
        });
        Frontier { charter: Hash([9; 32]), logs: logs.collect() }
    }

    fn digest(&mut self) -> Hash {
        self.fold.digest(&self.frontier(), &self.logs).unwrap()
    }

    fn row(&self, of: &str) -> Option<Row> {
        self.fold.row(&target(of), &self.logs).unwrap()
    }

    fn rows(&self) -> Vec<Row> {
        let targets: Vec<Target> = self.fold.targets(None).map(|(target, _)| target.clone()).collect();
        targets.iter().map(|target| self.fold.row(target, &self.logs).unwrap().unwrap()).collect()
    }

    fn status(&self, of: &str) -> Option<Status> {
        self.fold.status(&target(of))
    }

    fn standing(&self, id: &str) -> Standing {
        let (of, index) = id.split_once('/').unwrap();
        self.fold.standing(&unit(of), index.parse().unwrap())
    }

    fn about(&self, of: &str) -> Vec<String> {
        self.fold.records_about(&target(of)).into_iter().map(|id| id.to_string()).collect()
    }
}

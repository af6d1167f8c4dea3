//! Digests of frozen targets, and the boards of operations.

use std::collections::BTreeMap;

use entente_proto::entry::encode;
use entente_proto::ids::UnitId;
use entente_proto::list::operation::{board_digest, frozen_digest};
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, FrontierLog, Operation, OperationGo, StepFault};
use prost::Message as _;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::network::{History, Logs, erase, fold, hold, opinion, refer, withdraw};
use crate::records::{reference, referrals};
use crate::world::{START_MS, unit};

/// The operation, and the referrals that are frozen.
const FROZEN: [(&str, &[&str]); 4] = [
    ("BE/4", &["BE/0"]),
    ("BE/5", &["BE/0"]),
    ("UK/1099511627775", &["BE/0", "BE/1", "BE/300", "EU-IRU/7", "FR/1099511627775", "UK/2"]),
    ("EU-IRU/0", &["FR/1", "NL/0", "US/0"]),
];

pub(crate) fn files() -> Files {
    let frozen = FROZEN.iter().map(|(operation, ids)| {
        let (id, targets) = (reference(operation).unwrap(), referrals(ids));
        let lists: Vec<Value> = targets.iter().map(|of| json!({ "unit": of.unit, "indexes": of.indexes })).collect();
        let digest = hex(frozen_digest(&id, &targets).0);
        json!({ "unit": id.unit, "index": id.index, "targets": lists, "digest": digest })
    });
    let frozen: Vec<Value> = frozen.collect();
    let mut files = Files::default();
    let logs = history();
    for (unit, log) in &logs.0 {
        let mut run = Vec::new();
        log.iter().for_each(|entry| encode(entry, &mut run));
        files.put(format!("operation/{unit}.run"), run);
    }
    // Before and after the steps that change most, and where the go waits for NL or for FR.
    let whole: BTreeMap<_, _> = logs.0.iter().map(|(unit, log)| (unit.clone(), log.len())).collect();
    let frontiers = [("BE", 8), ("BE", 13), ("BE", 14), ("BE", 31), ("BE", 37), ("NL", 5), ("FR", 7), ("BE", 45)];
    let boards: Vec<Value> = frontiers
        .into_iter()
        .flat_map(|(of, size)| {
            let mut sizes = whole.clone();
            sizes.insert(unit(of), size);
            boards(&logs, &sizes)
        })
        .collect();
    files.put_json("operation/operation.json", &json!({ "frozen": frozen, "boards": boards }));
    files
}

/// The boards of all operations at these sizes of the logs.
fn boards(logs: &Logs, sizes: &BTreeMap<UnitId, usize>) -> Vec<Value> {
    let fold = fold(logs, sizes);
    let sizes: BTreeMap<&str, usize> = sizes.iter().map(|(unit, size)| (unit.as_str(), *size)).collect();
    let board = |id| {
        let board = fold.board(&id, logs, &[]).unwrap().unwrap();
        let faults = board.steps.iter().filter(|step| step.fault() != StepFault::Unspecified);
        let inert: Vec<String> = faults
            .map(|step| {
                let id = step.id.as_ref().unwrap();
                format!("{}/{} {}", id.unit, id.index, step.fault().code())
            })
            .collect();
        json!({
            "sizes": sizes,
            "operation": id.to_string(),
            "inert": inert,
            "board": hex(board.encode_to_vec()),
            "digest": hex(board_digest(&board).0),
        })
    };
    fold.operations().map(board).collect()
}

fn step(of: &str, step: Step) -> Body {
    Body::OperationStep(wire::OperationStep { operation: reference(of), step: Some(step) })
}

fn list(ids: &[&str]) -> wire::OperationTargets {
    wire::OperationTargets { targets: referrals(ids) }
}

fn frontier(sizes: &[(&str, u64)]) -> Vec<FrontierLog> {
    sizes.iter().map(|(unit, size)| FrontierLog { unit: (*unit).into(), size: *size, root: vec![3; 32] }).collect()
}

fn digest(of: &str, ids: &[&str]) -> Vec<u8> {
    frozen_digest(&reference(of).unwrap(), &referrals(ids)).0.to_vec()
}

fn freeze(of: &str, ids: &[&str], sizes: &[(&str, u64)]) -> Step {
    let (targets, frontier) = (referrals(ids), frontier(sizes));
    Step::Freeze(wire::OperationFreeze { targets, digest: digest(of, ids), frontier })
}

fn ready(digest: &[u8]) -> Step {
    Step::Ready(wire::OperationReady { digest: digest.to_vec() })
}

fn go(digest: &[u8], sizes: &[(&str, u64)], overrides: &[&str], excluded: &[&str]) -> Step {
    Step::Go(OperationGo {
        digest: digest.to_vec(),
        at_ms: START_MS + 90_000,
        charter: vec![9; 32],
        frontier: frontier(sizes),
        overrides: overrides.iter().filter_map(|id| reference(id)).collect(),
        excluded: referrals(excluded),
    })
}

fn executed(on: &str, result: i32) -> Step {
    let at_ms = START_MS + 95_000;
    Step::Executed(wire::OperationExecuted { target: reference(on), at_ms, result, text: "seized".into() })
}

fn assign(unit: &str, ids: &[&str]) -> Step {
    Step::Assign(wire::OperationAssign { unit: unit.into(), targets: referrals(ids) })
}

fn begin(title: &str, invited: &[&str], targets: &[&str], ready_quorum: u32) -> Body {
    let invited = invited.iter().map(|unit| (*unit).to_owned()).collect();
    let (title, targets) = (title.to_owned(), referrals(targets));
    Body::Operation(Operation { title, invited, targets, go_ms: START_MS + 60_000, ready_quorum })
}

/// The operation, and what the lead freezes in it: `BE/2` is withdrawn before the go, `NL/0` held, `FR/0` disputed and
/// overridden, `FR/1` disputed, `UK/0` left out by name, `BE/3` no referral, `UK/9` not there.
const OF: &str = "BE/4";
const ALL: [&str; 9] = ["BE/0", "BE/1", "BE/2", "BE/3", "FR/0", "FR/1", "NL/0", "UK/0", "UK/9"];

/// What the four units say, BE first: a step that depends on what others say names how far it means their logs.
fn history() -> Logs {
    let mut history = History::default();
    others_begin(&mut history);
    lead(&mut history);
    others_act(&mut history);
    let mut be = |body| history.say("BE", body);
    // A report again takes the place of the first; what is closed stays closed.
    be(step(OF, executed("BE/0", 1))); // 27
    be(step(OF, executed("BE/0", 2))); // 28
    be(step(OF, executed("BE/2", 1))); // 29, not-covered
    be(step(OF, Step::Close(wire::OperationClose { text: "ahead".into(), frontier: frontier(&[("BE", 99)]) }))); // 30
    be(step(
        OF,
        Step::Close(wire::OperationClose { text: "done".into(), frontier: frontier(&[("FR", 12), ("NL", 9)]) }),
    ));
    be(step(OF, invite(&["UK"]))); // 32, closed
    be(step(OF, executed("BE/1", 1))); // 33, closed
    // One that is called off, and steps of no operation.
    be(begin("Called off", &["FR"], &["BE/0"], 0)); // 34
    be(step("BE/34", freeze("BE/34", &["BE/0"], &[]))); // 35
    be(step("BE/34", go(&digest("BE/34", &["BE/0"]), &[], &[], &[]))); // 36
    be(step("BE/34", Step::Abort(wire::OperationAbort { reason: "a leak".into() }))); // 37
    be(step("BE/34", invite(&["NL"]))); // 38, aborted
    be(step("BE/34", executed("BE/0", 3))); // 39, counts
    be(step("BE/0", Step::Join(Default::default()))); // 40, of no operation
    be(erase(1)); // 41
    // One that is about nothing.
    be(begin("Empty", &["FR"], &[], 0)); // 42
    be(step("BE/42", Step::Add(list(&[])))); // 43, nothing
    be(step("BE/42", freeze("BE/42", &[], &[]))); // 44, nothing
    Logs(history.logs)
}

fn invite(units: &[&str]) -> Step {
    Step::Invite(wire::OperationInvite { units: units.iter().map(|unit| (*unit).to_owned()).collect() })
}

fn others_begin(history: &mut History) {
    let join = || step(OF, Step::Join(wire::OperationJoin { text: "two officers".into() }));
    history.say("FR", refer("domain:fr.example")); // 0
    history.say("FR", refer("domain:fr-two.example")); // 1
    history.say("FR", join()); // 2
    history.say("FR", step(OF, Step::Add(list(&["FR/0", "FR/1"])))); // 3
    history.say("FR", step(OF, Step::Remove(list(&["BE/0"])))); // 4, not-own
    history.say("NL", refer("domain:nl.example")); // 0
    history.say("NL", step(OF, Step::Add(list(&["NL/0"])))); // 1, not-joined
    history.say("NL", join()); // 2
    history.say("NL", step(OF, Step::Add(list(&["NL/0"])))); // 3
    history.say("NL", hold("domain:nl.example")); // 4
    history.say("UK", refer("domain:uk.example")); // 0
    history.say("UK", join()); // 1, counts since it is invited later
    history.say("UK", step(OF, Step::Decline(wire::OperationDecline { reason: "no staff".into() }))); // 2
}

fn lead(history: &mut History) {
    let mut be = |body| history.say("BE", body);
    let frozen = digest(OF, &ALL);
    be(refer("domain:a.example")); // 0
    be(refer("domain:b.example")); // 1, erased by 41
    be(refer("domain:c.example")); // 2, withdrawn by 16
    be(step(OF, invite(&["NL"]))); // 3, ahead: before the operation
    be(begin("Amaq", &["BE", "FR"], &["BE/0", "BE/1"], 3)); // 4
    be(step(OF, invite(&["NL", "UK"]))); // 5
    be(step(OF, Step::Join(Default::default()))); // 6, leads
    be(step(OF, Step::Add(list(&["BE/2"])))); // 7
    be(step(OF, Step::Remove(list(&["FR/1", "BE/1"])))); // 8
    be(step(OF, Step::Add(list(&["BE/1"])))); // 9
    be(step(OF, assign("FR", &["FR/0", "BE/0"]))); // 10
    be(step(OF, assign("US", &["BE/0"]))); // 11, not-invited
    be(step(OF, ready(&frozen))); // 12, not-frozen
    let sizes = [("BE", 13), ("FR", 5), ("NL", 5), ("UK", 3)];
    be(step(OF, freeze(OF, &ALL, &sizes))); // 13
    be(step(OF, freeze(OF, &["BE/0"], &sizes))); // 14, frozen
    be(step(OF, Step::Remove(list(&["BE/0"])))); // 15, frozen
    be(withdraw(2)); // 16
    be(step(OF, ready(&digest(OF, &["BE/0"])))); // 17, other-digest
    be(step(OF, ready(&frozen))); // 18
    be(step(OF, assign("BE", &["BE/0", "NL/0"]))); // 19
    be(step(OF, executed("BE/0", 1))); // 20, not-gone
    be(step(OF, go(&digest(OF, &["BE/0"]), &[("FR", 8), ("NL", 6)], &[], &[]))); // 21, other-digest
    be(step(OF, go(&frozen, &[("FR", 6), ("NL", 6)], &[], &[]))); // 22, no-quorum: FR was not ready by then
    be(step(OF, go(&frozen, &[("BE", 99)], &[], &[]))); // 23, ahead
    // NL objects with NL/6 to FR/0 and with NL/7 to FR/1.
    be(step(OF, go(&frozen, &[("FR", 8), ("NL", 8), ("UK", 4)], &["NL/6", "NL/4"], &["UK/0"]))); // 24
    be(step(OF, go(&frozen, &[("FR", 8), ("NL", 8)], &[], &[]))); // 25, gone
    be(step(OF, invite(&["US"]))); // 26, gone
}

fn others_act(history: &mut History) {
    let frozen = digest(OF, &ALL);
    let mut fr = |body| history.say("FR", body);
    fr(step(OF, ready(&digest(OF, &["BE/0"])))); // 5, other-digest
    fr(step(OF, ready(&frozen))); // 6
    fr(step(OF, Step::Add(list(&["BE/3"])))); // 7, frozen
    fr(step(OF, executed("FR/0", 1))); // 8
    fr(step(OF, executed("FR/1", 1))); // 9, not-covered
    fr(hold("domain:a.example")); // 10, late
    fr(step(OF, freeze(OF, &["FR/0"], &[]))); // 11, not-lead
    fr(step(OF, executed("BE/0", 2))); // 12, closed
    let mut nl = |body| history.say("NL", body);
    nl(step(OF, ready(&frozen))); // 5
    nl(opinion("FR/0", 2, 2)); // 6
    nl(opinion("FR/1", 2, 2)); // 7
    nl(withdraw(4)); // 8: its hold ends after the go
    nl(step(OF, Step::Decline(wire::OperationDecline { reason: String::new() }))); // 9, closed
    let mut uk = |body| history.say("UK", body);
    uk(step(OF, executed("BE/0", 1))); // 3, not-joined
    let item = wire::EvidenceItem { sha256: vec![5; 32], ..Default::default() };
    let seized = wire::Evidence { item: Some(item), operation: reference(OF), ..Default::default() };
    uk(Body::Evidence(seized.clone())); // 4
    uk(Body::Evidence(seized)); // 5, withdrawn by 6
    uk(withdraw(5)); // 6
    uk(step("UK/5", Step::Join(Default::default()))); // 7, of no operation
    history.say("US", step(OF, Step::Join(Default::default()))); // 0, not-invited
}

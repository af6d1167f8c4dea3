//! What an operation and its steps say.

use entente_proto::wire::operation_step::Step;
use entente_proto::wire::{ExecutedResult, FrontierLog, Operation, OperationStep, Referrals};
use serde_json::{Value, json};

use crate::cli::words::{Hex, moment, moment_unless_zero, record_id, word};

pub(super) fn operation(operation: &Operation) -> Value {
    json!({
        "title": operation.title,
        "invited": operation.invited,
        "targets": ids(&operation.targets),
        "go": moment_unless_zero(operation.go_ms),
        "ready_quorum": operation.ready_quorum,
    })
}

pub(super) fn step(said: &OperationStep) -> Value {
    let mut value = said.step.as_ref().map_or(Value::Null, details);
    if let Value::Object(object) = &mut value {
        object.insert("operation".into(), json!(said.operation.as_ref().map(record_id)));
        object.insert("step".into(), json!(said.step.as_ref().map(step_word)));
    }
    value
}

/// A step in a word, as the command line calls it.
pub(super) const fn step_word(step: &Step) -> &'static str {
    match step {
        Step::Invite(_) => "invite",
        Step::Join(_) => "join",
        Step::Decline(_) => "decline",
        Step::Add(_) => "add",
        Step::Remove(_) => "remove",
        Step::Freeze(_) => "freeze",
        Step::Ready(_) => "ready",
        Step::Go(_) => "go",
        Step::Abort(_) => "abort",
        Step::Executed(_) => "executed",
        Step::Close(_) => "close",
        Step::Assign(_) => "assign",
    }
}

fn details(step: &Step) -> Value {
    match step {
        Step::Invite(invite) => json!({ "units": invite.units }),
        Step::Join(join) => json!({ "text": join.text }),
        Step::Decline(decline) => json!({ "reason": decline.reason }),
        Step::Add(list) | Step::Remove(list) => json!({ "targets": ids(&list.targets) }),
        Step::Freeze(freeze) => json!({
            "targets": ids(&freeze.targets),
            "digest": Hex(&freeze.digest).to_string(),
            "frontier": frontier(&freeze.frontier),
        }),
        Step::Ready(ready) => json!({ "digest": Hex(&ready.digest).to_string() }),
        Step::Go(go) => json!({
            "digest": Hex(&go.digest).to_string(),
            "at": moment(go.at_ms),
            "charter": Hex(&go.charter).to_string(),
            "frontier": frontier(&go.frontier),
            "overrides": go.overrides.iter().map(record_id).collect::<Vec<_>>(),
            "excluded": ids(&go.excluded),
        }),
        Step::Abort(abort) => json!({ "reason": abort.reason }),
        Step::Executed(executed) => json!({
            "target": executed.target.as_ref().map(record_id),
            "at": moment(executed.at_ms),
            "result": word::<ExecutedResult>(executed.result),
            "text": executed.text,
        }),
        Step::Close(close) => json!({ "text": close.text, "frontier": frontier(&close.frontier) }),
        Step::Assign(assign) => json!({ "unit": assign.unit, "targets": ids(&assign.targets) }),
    }
}

fn ids(lists: &[Referrals]) -> Vec<String> {
    let of = |of: &Referrals| of.indexes.iter().map(|index| format!("{}/{index}", of.unit)).collect::<Vec<_>>();
    lists.iter().flat_map(of).collect()
}

fn frontier(logs: &[FrontierLog]) -> Vec<Value> {
    let log = |log: &FrontierLog| json!({ "unit": log.unit, "size": log.size, "root": Hex(&log.root).to_string() });
    logs.iter().map(log).collect()
}

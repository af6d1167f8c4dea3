//! Submissions: what an officer says, checked, brought into its canonical form, and handed to the own log.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::checkpoint::CosignedCheckpoint;
use entente_proto::ids::RecordId;
use entente_proto::list::{self, Standing};
use entente_proto::record::{self, RecordKind, Target, Understood};
use entente_proto::wire;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Outcome;
use tonic::Status;

use super::words::record_ref;
use crate::core::{Answer, Core, Draft};
use crate::list::State;

/// How long a call waits for certification. What is not certified then is told as it is; it goes on by itself.
const CERTIFIED_WAIT: Duration = Duration::from_secs(60);

/// Why a statement is refused: a word for programs and words for people.
pub(super) struct Refusal {
    code: &'static str,
    message: String,
}

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

/// A statement on its way.
struct Prepared {
    draft: Draft,
    target: Option<Target>,
    notices: Vec<String>,
}

/// Enters statements and answers each.
pub(super) async fn submit(
    core: &Arc<Core>,
    submissions: Vec<wire::Submission>,
    wait: wire::Wait,
) -> Result<Vec<wire::SubmitResult>, Status> {
    if let Err(words) = core.store_has_room() {
        return Err(Status::resource_exhausted(words));
    }
    let mut prepared = Vec::with_capacity(submissions.len());
    {
        let state = core.list.read();
        for submission in submissions {
            prepared.push(prepare(core, &state, submission));
        }
    }
    let drafts: Vec<Draft> = prepared.iter().filter_map(|p| p.as_ref().ok().map(|p| p.draft.clone())).collect();
    let answers = core.submit(drafts).await.map_err(|stopping| Status::unavailable(stopping.to_string()))?;
    if wait == wire::Wait::Certified {
        let entered = answers.iter().filter_map(|answer| match answer {
            Answer::Entered(index) => Some(*index),
            _ => None,
        });
        if let Some(last) = entered.max() {
            let mut certified = core.certified();
            // A timeout is no failure: the answer says what is certified.
            let _ = tokio::time::timeout(CERTIFIED_WAIT, certified.wait_for(|size| *size > last)).await;
        }
    }
    let mut answers = answers.into_iter();
    let answered = prepared.into_iter().map(|prepared| match prepared {
        Err(refused) => Outcome::Refused(wire::Refused { code: refused.code.into(), message: refused.message }),
        Ok(prepared) => match answers.next() {
            Some(answer) => outcome(core, prepared, answer),
            None => Outcome::Refused(wire::Refused { code: "stopping".into(), message: "the node is stopping".into() }),
        },
    });
    Ok(answered.map(|result| wire::SubmitResult { result: Some(result) }).collect())
}

fn outcome(core: &Core, prepared: Prepared, answer: Answer) -> Outcome {
    let target = prepared.target.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = |index| RecordId { unit: core.unit.clone(), index };
    let accepted = |id: Option<RecordId>| {
        let covering = id.as_ref().and_then(|id| covering(core, id));
        let certified = id.as_ref().is_some_and(|id| *core.certified().borrow() > id.index);
        Outcome::Accepted(wire::Accepted {
            submission: prepared.draft.submission.to_vec(),
            id: id.as_ref().map(record_ref),
            target: target.clone(),
            cosigned_by: covering
                .map(|c| c.cosignatures().keys().map(ToString::to_string).collect())
                .unwrap_or_default(),
            certified,
            notices: prepared.notices.clone(),
        })
    };
    match answer {
        Answer::Entered(index) => accepted(Some(id(index))),
        Answer::Waiting => accepted(None),
        Answer::Known(index) => Outcome::Known(wire::Known { id: Some(record_ref(&id(index))), target }),
        Answer::Refused(message) => Outcome::Refused(wire::Refused { code: "not-possible".into(), message }),
    }
}

/// The newest checkpoint known that covers a record.
pub(super) fn covering(core: &Core, id: &RecordId) -> Option<CosignedCheckpoint> {
    let log = core.log(&id.unit)?;
    let covers = |head: &CosignedCheckpoint| head.checkpoint().size.get() > id.index;
    log.certified.filter(covers).or_else(|| log.newest.filter(covers))
}

/// Checks a statement and brings it into its canonical form.
fn prepare(core: &Core, state: &State, submission: wire::Submission) -> Result<Prepared, Refusal> {
    let mut record = submission.record.ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let id = record.submission.as_slice().try_into().map_err(|_| {
        refusal(
            "submission-id",
            format!("a submission id is a UUID of 16 bytes; this one has {}", record.submission.len()),
        )
    })?;
    // The same call again: it was judged when it came first.
    let again = core.placed(&id).is_some();
    let mut notices = Vec::new();
    let target;
    match record.body.as_mut().ok_or_else(|| refusal("empty", "the submission says nothing"))? {
        Body::Refer(refer) => {
            let understood = understand(&refer.target)?;
            refer.target = understood.target.to_string();
            refer.categories.sort_unstable();
            refer.categories.dedup();
            if let Some(handling) = &mut refer.handling {
                handling.europol.sort_unstable();
                handling.europol.dedup();
            }
            notices = understood.notices;
            notices.extend(standing_against(core, state, &understood.target, again));
            target = Some(understood.target);
        }
        Body::Hold(hold) => {
            let understood = understand(&hold.target)?;
            hold.target = understood.target.to_string();
            notices = understood.notices;
            target = Some(understood.target);
        }
        Body::Withdraw(withdraw) => {
            let id = RecordId { unit: core.unit.clone(), index: withdraw.index };
            target = if again { target_of(state, &id) } else { withdrawable(core, state, &id)? };
        }
        Body::Erase(erase) => {
            let id = RecordId { unit: core.unit.clone(), index: erase.index };
            if !again {
                erasable(core, state, &id)?;
            }
            // Whoever reads the answer should not learn from it what was erased.
            target = None;
        }
        Body::Opinion(opinion) => {
            let on = opinion
                .on
                .as_ref()
                .ok_or_else(|| refusal("record-id", "an opinion names the referral that it is about"))?;
            let unit = on.unit.parse().map_err(|error| refusal("record-id", format!("{error}")))?;
            let on = RecordId { unit, index: on.index };
            target = if again { target_of(state, &on) } else { Some(referral(core, state, &on)?) };
        }
        other => {
            let kind = RecordKind::of_body(other).word();
            return Err(refusal("kind", format!("this release takes no {kind} from officers")));
        }
    }
    let body = record.body.as_ref().ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let kind = RecordKind::of_body(body);
    let payload = record::encode(&record).map_err(|error| refusal("invalid", error.to_string()))?;
    let skips = submission.skip_known && kind == RecordKind::Refer;
    let unless_referred = target.clone().filter(|_| skips);
    Ok(Prepared { draft: Draft { submission: id, kind, payload, unless_referred }, target, notices })
}

fn understand(input: &str) -> Result<Understood, Refusal> {
    record::from_input(input).map_err(|error| refusal(error.code(), error.to_string()))
}

/// What an officer who refers a target should know.
fn standing_against(core: &Core, state: &State, target: &Target, again: bool) -> Vec<String> {
    let mut notices = Vec::new();
    match state.fold.status(target) {
        Some(list::Status::Held) => {
            notices.push(format!("{target} is held: a unit asks to leave it online; see `entente show {target}`"));
        }
        Some(list::Status::Disputed) => {
            notices.push(format!("a referral of {target} is disputed; see `entente show {target}`"))
        }
        // Of a repeated call the listed referral may be its own.
        Some(list::Status::Listed) if !again => {
            notices.push(format!("{target} is already listed; see `entente show {target}`"))
        }
        _ => {}
    }
    for parent in record::parents(target) {
        let word = match state.fold.status(&parent) {
            Some(list::Status::Held) => "is held: a unit asks to leave it online",
            Some(list::Status::Disputed) => "is disputed",
            _ => continue,
        };
        notices.push(format!("{parent}, above it, {word}; see `entente show {parent}`"));
    }
    let other = |id: &&RecordId| id.unit != core.unit;
    let pending: Vec<String> = state.pending.about(target).filter(other).map(ToString::to_string).collect();
    if !pending.is_empty() {
        notices.push(format!("not yet certified about {target}: {}", pending.join(" ")));
    }
    notices
}

/// An own statement that still counts and can be taken back; gives its target.
fn withdrawable(core: &Core, state: &State, id: &RecordId) -> Result<Option<Target>, Refusal> {
    let kind = kind_of(core, id)?;
    if !kind.can_end() {
        return Err(refusal(
            "not-withdrawable",
            format!("{id} is of the kind {}: it cannot be taken back", kind.word()),
        ));
    }
    let gone = match state.fold.standing(&id.unit, id.index) {
        Standing::Withdrawn { by } => Some(by),
        Standing::Erased { by } => Some(by),
        _ => None,
    };
    if let Some(by) = gone {
        return Err(refusal("withdrawn", format!("{id} was taken back before, by {}/{by}", id.unit)));
    }
    if state.pending.withdrawn(&id.unit, id.index) {
        return Err(refusal("withdrawn", format!("{id} was taken back before; that is not yet certified")));
    }
    Ok(target_of(state, id))
}

/// An own record whose payload can be erased and is not. It may have been withdrawn.
fn erasable(core: &Core, state: &State, id: &RecordId) -> Result<(), Refusal> {
    let kind = kind_of(core, id)?;
    if !kind.can_end() {
        return Err(refusal(
            "not-erasable",
            format!(
                "{id} is of the kind {}: its payload is never erased, only those of referrals, holds, opinions, dispatches, \
                 outcomes, observations, links and evidence are",
                kind.word()
            ),
        ));
    }
    if let Standing::Erased { by } = state.fold.standing(&id.unit, id.index) {
        return Err(refusal("erased", format!("{id} was erased before, by {}/{by}", id.unit)));
    }
    if let Some(by) = core.store.withheld(&id.unit, id.index) {
        return Err(refusal(
            "erased",
            format!("{id} was erased before, by {}/{by}; that is not yet certified", id.unit),
        ));
    }
    Ok(())
}

/// A referral of another unit, known here; gives its target.
fn referral(core: &Core, state: &State, id: &RecordId) -> Result<Target, Refusal> {
    if id.unit == core.unit {
        return Err(refusal(
            "own-referral",
            format!("{id} is this unit's own: take it back with `entente withdraw {id}`"),
        ));
    }
    let kind = kind_of(core, id)?;
    let target = target_of(state, id).filter(|_| kind == RecordKind::Refer);
    let target = target
        .ok_or_else(|| refusal("not-a-referral", format!("{id} is of the kind {}, not a referral", kind.word())))?;
    match state.fold.standing(&id.unit, id.index) {
        Standing::Withdrawn { .. } | Standing::Erased { .. } => Err(refusal(
            "withdrawn",
            format!("{id} was taken back by its unit: there is nothing to object to or support"),
        )),
        _ => Ok(target),
    }
}

fn kind_of(core: &Core, id: &RecordId) -> Result<RecordKind, Refusal> {
    let unknown =
        || refusal("not-found", format!("this node knows no record {id}; `entente show TARGET` tells the ids"));
    let entry = core.store.entry(&id.unit, id.index).map_err(|error| refusal("unreadable", error.to_string()))?;
    entry.map(|entry| RecordKind::of_number(entry.header().kind)).ok_or_else(unknown)
}

fn target_of(state: &State, id: &RecordId) -> Option<Target> {
    state.fold.target_of(&id.unit, id.index).or_else(|| state.pending.target_of(id).cloned())
}

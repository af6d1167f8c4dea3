//! What a record says, in one line for people.

use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Answer, Availability, Basis, Category, CustodyStep, EraseReason, ExecutedResult, Ground, Late, ListedRow,
    OperationStep, Overdue, Record, RecordRef, Refer, Referrals, Relation, Relative, Stance, Status, Tlp,
};

use super::json::status_word;
use super::words::{Hex, moment, plain, record_id, word};

/// A record in one line.
pub(crate) fn summary(record: Option<&Record>) -> String {
    let Some(body) = record.and_then(|record| record.body.as_ref()) else {
        return "no longer readable: erased or set aside".to_owned();
    };
    let on = |id: Option<&RecordRef>| id.map(record_id).unwrap_or_default();
    match body {
        Body::Refer(refer) => refers(refer),
        Body::Withdraw(withdraw) => with(format!("withdraws its record {}", withdraw.index), &withdraw.reason),
        Body::Hold(hold) => {
            let until = if hold.until_ms == 0 { String::new() } else { format!(" until {}", moment(hold.until_ms)) };
            let contact =
                if hold.contact.is_empty() { String::new() } else { format!(", ask {}", plain(&hold.contact)) };
            with(format!("holds{until}{contact}"), &hold.reason)
        }
        Body::Opinion(opinion) => {
            let verb = if opinion.stance == Stance::Object as i32 { "objects to" } else { "supports" };
            let ground = word::<Ground>(opinion.ground).map(|ground| format!(" ({ground})")).unwrap_or_default();
            with(format!("{verb} {}{ground}", on(opinion.on.as_ref())), &opinion.text)
        }
        Body::Dispatch(dispatch) => {
            let sent = moment(dispatch.at_ms);
            let sent = format!("sent {} to {} {sent}", on(dispatch.on.as_ref()), plain(&dispatch.provider));
            with(sent, &dispatch.override_reason)
        }
        Body::Outcome(outcome) => {
            let answer = word::<Answer>(outcome.answer).unwrap_or("unknown");
            with(format!("answer to {}: {answer} {}", on(outcome.on.as_ref()), moment(outcome.at_ms)), &outcome.reason)
        }
        Body::Observe(observe) => {
            let state = word::<Availability>(observe.availability).unwrap_or("unknown");
            with(format!("seen {state} {}", moment(observe.observed_ms)), &observe.successor)
        }
        Body::Link(link) => {
            format!(
                "{} of {}: {}",
                word::<Relation>(link.relation).unwrap_or("unknown"),
                plain(&link.first),
                plain(&link.second)
            )
        }
        Body::Evidence(evidence) => with("evidence".to_owned(), &evidence.description),
        Body::Custody(custody) => {
            let step = if custody.step == CustodyStep::Give as i32 { "gives" } else { "takes" };
            let to = if custody.step == CustodyStep::Give as i32 { "to" } else { "from" };
            let item = on(custody.item.as_ref());
            let at = moment(custody.at_ms);
            with(format!("{step} {item} {to} {} {at}", plain(&custody.other)), &custody.text)
        }
        Body::Operation(operation) => with("proposes an operation".to_owned(), &operation.title),
        Body::OperationStep(step) => step_summary(step),
        Body::Erase(erase) => {
            format!("erases its record {}: {}", erase.index, word::<EraseReason>(erase.reason).unwrap_or("unknown"))
        }
        Body::Adopt(adopt) => format!("takes up charter {}", adopt.version),
        Body::Propose(_) => "proposes a charter".to_owned(),
        Body::Approve(_) => "approves a charter".to_owned(),
        Body::Revoke(revoke) => with("revokes a certificate".to_owned(), &revoke.reason),
        Body::ForkProof(proof) => {
            let size = |note: &[u8]| {
                let line = note.split(|byte| *byte == b'\n').nth(1).map(String::from_utf8_lossy);
                plain(&line.unwrap_or_default())
            };
            format!(
                "shows that the log of {} FORKED: it signed {} entries and {} that contradict them (entente audit fork {})",
                plain(&proof.unit),
                size(&proof.smaller),
                size(&proof.larger),
                plain(&proof.unit)
            )
        }
        Body::AccessHead(head) => format!("fixes its access log at {} entries", head.size),
    }
}

fn refers(refer: &Refer) -> String {
    let categories: Vec<_> =
        refer.categories.iter().map(|value| word::<Category>(*value).unwrap_or("unknown")).collect();
    let mut text = format!("refers: {}", categories.join(", "));
    if let Some(basis) = word::<Basis>(refer.basis).filter(|basis| *basis != "referral") {
        text.push_str(&format!("; {basis}"));
    }
    if !refer.provider.is_empty() {
        text.push_str(&format!("; at {}", plain(&refer.provider)));
    }
    if let Some(handling) = &refer.handling {
        let tlp = word::<Tlp>(handling.tlp).map(|tlp| format!("TLP:{}", tlp.to_uppercase()));
        let codes = tlp.into_iter().chain(handling.europol.iter().map(|code| format!("H{code}")));
        text.push_str(&format!("; {}", codes.collect::<Vec<_>>().join(" ")));
    }
    if !refer.campaign.is_empty() {
        text.push_str(&format!("; campaign {}", plain(&refer.campaign)));
    }
    if !refer.override_reason.is_empty() {
        text.push_str(&format!("; made {}", plain(&refer.override_reason)));
    }
    with(text, &refer.description)
}

fn with(head: String, text: &str) -> String {
    if text.is_empty() { head } else { format!("{head}: {}", plain(text)) }
}

/// The status of a target and what follows from it for an officer.
pub(crate) fn advice(status: i32) -> &'static str {
    match Status::try_from(status) {
        Ok(Status::Held) => "held: a partner investigates, do not refer and do not remove",
        Ok(Status::Disputed) => "disputed: a partner objects",
        Ok(Status::Listed) => "listed",
        Ok(Status::Cleared) => "cleared: nothing stands any more",
        Ok(Status::Unspecified) | Err(_) => "not on the list",
    }
}

/// What is late, in words.
pub(crate) fn late(late: &Late) -> String {
    let id = late.id.as_ref().map(record_id).unwrap_or_default();
    let since = moment(late.since_ms);
    match Overdue::try_from(late.what) {
        Ok(Overdue::Answer) => format!("no answer to {id} since {since}"),
        Ok(Overdue::Review) => format!("the review of {id} was due {since}"),
        Ok(Overdue::Hold) => format!("the hold {id} ran until {since} and still stands"),
        Ok(Overdue::Unspecified) | Err(_) => format!("{id} since {since}"),
    }
}

/// How a target of the family belongs to the one that it was found by.
pub(crate) fn relation(relative: &Relative) -> String {
    let word = match (Relation::try_from(relative.relation), relative.first) {
        (Ok(Relation::Mirror), true) => "mirrored by",
        (Ok(Relation::Mirror), false) => "mirror of",
        (Ok(Relation::Successor), true) => "succeeded by",
        (Ok(Relation::Successor), false) => "successor of",
        (Ok(Relation::SameOperator), _) => "same operator as",
        (Ok(Relation::Unspecified) | Err(_), _) => "belongs to",
    };
    format!("{word} {}", plain(&relative.through))
}

/// The units in a row, each with what it does, for a cell of the list: `BE FR; held by UK; objection by NL`.
pub(crate) fn who(listed: &ListedRow) -> String {
    let units = |ids: &mut dyn Iterator<Item = Option<&RecordRef>>| {
        let mut units: Vec<_> = ids.flatten().map(|id| id.unit.as_str()).collect();
        units.dedup();
        units.join(" ")
    };
    let mut parts = Vec::new();
    if let Some(row) = &listed.row {
        let objections =
            row.opinions.iter().filter(|row| row.opinion.as_ref().is_some_and(|o| o.stance == Stance::Object as i32));
        let said = [
            ("", units(&mut row.referrals.iter().map(|row| row.id.as_ref()))),
            ("held by ", units(&mut row.holds.iter().map(|row| row.id.as_ref()))),
            ("objection by ", units(&mut objections.map(|row| row.id.as_ref()))),
        ];
        parts.extend(
            said.into_iter().filter(|(_, units)| !units.is_empty()).map(|(what, units)| format!("{what}{units}")),
        );
        if status_word(row) != "pending" && !listed.pending.is_empty() {
            parts.push(format!("{} pending", listed.pending.len()));
        }
    }
    if listed.row.as_ref().is_none_or(|row| status_word(row) == "pending") {
        parts.push(units(&mut listed.pending.iter().map(|pending| pending.id.as_ref())));
    }
    parts.extend(listed.late.iter().map(|one| format!("OVERDUE: {}", late(one))));
    parts.join("; ")
}

/// A step of an operation in a line.
fn step_summary(said: &OperationStep) -> String {
    let of = said.operation.as_ref().map(record_id).unwrap_or_default();
    let Some(step) = &said.step else { return format!("a step of operation {of}") };
    let count = |lists: &[Referrals]| lists.iter().map(|of| of.indexes.len()).sum::<usize>();
    let (does, text) = match step {
        Step::Invite(invite) => (format!("invites {}", plain(&invite.units.join(", "))), ""),
        Step::Join(join) => ("joins".into(), join.text.as_str()),
        Step::Decline(decline) => ("declines".into(), decline.reason.as_str()),
        Step::Add(list) => (format!("adds {} targets", count(&list.targets)), ""),
        Step::Remove(list) => (format!("takes out {} targets", count(&list.targets)), ""),
        Step::Freeze(freeze) => (format!("fixes {} targets as {}", count(&freeze.targets), Hex(&freeze.digest)), ""),
        Step::Ready(ready) => (format!("is ready for {}", Hex(&ready.digest)), ""),
        Step::Go(go) => (format!("says go for {}", moment(go.at_ms)), ""),
        Step::Abort(abort) => ("calls it off".into(), abort.reason.as_str()),
        Step::Executed(executed) => {
            let result = word::<ExecutedResult>(executed.result).unwrap_or("unknown");
            let on = executed.target.as_ref().map(record_id).unwrap_or_default();
            (format!("{result} {on} {}", moment(executed.at_ms)), executed.text.as_str())
        }
        Step::Close(close) => ("closes it".into(), close.text.as_str()),
        Step::Assign(assign) => (format!("assigns {} targets to {}", count(&assign.targets), plain(&assign.unit)), ""),
    };
    with(format!("operation {of}: {does}"), text)
}

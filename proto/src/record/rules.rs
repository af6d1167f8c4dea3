//! The limits of each kind, as the comments of `record.proto` name them; where those leave something open, the table
//! at the head of [`statement`](super::statement) does not.

use super::check::{
    At, Fault, ascending, ascii, count, frontier, hash, index, reference, references, referrals, required, target,
    text, time, unit, units, within,
};
use super::statement::SetAside;
use crate::hash::Hash;
use crate::limits::{
    APPROVE_SIGNATURES_MAX, NOTE_BYTES_MAX, PROOF_HASHES_MAX, PROPOSAL_BYTES_MAX, SIGNATURE_LINE_BYTES_MAX, UNITS_MAX,
};
use crate::wire::operation_step::Step;
use crate::wire::record::Body;
use crate::wire::{
    Availability, Custody, Dispatch, Evidence, EvidenceItem, ForkProof, Hold, Link, Observe, Operation, OperationGo,
    OperationStep, Opinion, Outcome, Propose, Refer, Stance,
};

/// Most evidence items of a referral.
pub(super) const EVIDENCE_ITEMS_MAX: usize = 64;
/// The greatest values of a referral's enums and small numbers.
pub(super) const CATEGORY_MAX: u8 = 5;
pub(super) const BASIS_MAX: u8 = 3;
pub(super) const SOURCE_MAX: u8 = 4;
pub(super) const ACCURACY_MAX: u8 = 4;
pub(super) const TLP_MAX: u8 = 5;
pub(super) const EUROPOL_MAX: u8 = 3;
/// The longest texts of a referral, in bytes.
pub(super) const PROVIDER_BYTES_MAX: usize = 256;
pub(super) const LANGUAGE_BYTES_MAX: usize = 35;
pub(super) const DESCRIPTION_BYTES_MAX: usize = 16_384;
pub(super) const CAMPAIGN_BYTES_MAX: usize = 256;
pub(super) const OVERRIDE_BYTES_MAX: usize = 1_024;
pub(super) const MEDIA_TYPE_BYTES_MAX: usize = 127;
pub(super) const TOOL_BYTES_MAX: usize = 256;

/// Checks every limit of a body.
pub(super) fn check(body: &Body) -> Result<(), SetAside> {
    match body {
        Body::Refer(refer) => check_refer(refer),
        Body::Withdraw(withdraw) => {
            index(withdraw.index).at("withdraw.index")?;
            text(&withdraw.reason, 1_024).at("withdraw.reason")
        }
        Body::Hold(hold) => check_hold(hold),
        Body::Opinion(opinion) => check_opinion(opinion),
        Body::Dispatch(dispatch) => check_dispatch(dispatch),
        Body::Outcome(outcome) => check_outcome(outcome),
        Body::Observe(observe) => check_observe(observe),
        Body::Link(link) => check_link(link),
        Body::Evidence(evidence) => check_evidence(evidence),
        Body::Custody(custody) => check_custody(custody),
        Body::Operation(operation) => check_operation(operation),
        Body::OperationStep(step) => check_step(step),
        Body::Erase(erase) => {
            index(erase.index).at("erase.index")?;
            within(erase.reason, 1, 4).at("erase.reason")
        }
        Body::Adopt(adopt) => {
            within(adopt.version, 1, u64::MAX).at("adopt.version")?;
            hash(&adopt.digest).at("adopt.digest")
        }
        Body::Propose(propose) => check_propose(propose),
        Body::Approve(approve) => {
            hash(&approve.digest).at("approve.digest")?;
            count(approve.signatures.len(), APPROVE_SIGNATURES_MAX).at("approve.signatures")?;
            let line = |line: &String| text(line, SIGNATURE_LINE_BYTES_MAX);
            approve.signatures.iter().try_for_each(line).at("approve.signatures")
        }
        Body::Revoke(revoke) => {
            hash(&revoke.spki_sha256).at("revoke.spki_sha256")?;
            text(&revoke.reason, 1_024).at("revoke.reason")
        }
        Body::ForkProof(proof) => check_fork_proof(proof),
        Body::AccessHead(head) => {
            index(head.size).at("access_head.size")?;
            hash(&head.root).at("access_head.root")
        }
    }
}

/// [`referral`](super::referral) judges the same without decoding: what changes here changes there.
fn check_refer(refer: &Refer) -> Result<(), SetAside> {
    target(&refer.target).at("refer.target")?;
    if refer.categories.is_empty() {
        return Err(Fault::Missing).at("refer.categories");
    }
    let category = |category: &i32| within(*category, 1, CATEGORY_MAX.into());
    refer.categories.iter().try_for_each(category).at("refer.categories")?;
    ascending(&refer.categories).at("refer.categories")?;
    within(refer.basis, 0, BASIS_MAX.into()).at("refer.basis")?;
    text(&refer.provider, PROVIDER_BYTES_MAX).at("refer.provider")?;
    within(refer.source, 0, SOURCE_MAX.into()).at("refer.source")?;
    within(refer.accuracy, 0, ACCURACY_MAX.into()).at("refer.accuracy")?;
    ascii(&refer.language, LANGUAGE_BYTES_MAX, in_language).at("refer.language")?;
    text(&refer.description, DESCRIPTION_BYTES_MAX).at("refer.description")?;
    count(refer.evidence.len(), EVIDENCE_ITEMS_MAX).at("refer.evidence")?;
    refer.evidence.iter().try_for_each(check_item).at("refer.evidence")?;
    if let Some(handling) = &refer.handling {
        within(handling.tlp, 0, TLP_MAX.into()).at("refer.handling.tlp")?;
        let code = |code: &u32| within(*code, 0, EUROPOL_MAX.into());
        handling.europol.iter().try_for_each(code).at("refer.handling.europol")?;
        ascending(&handling.europol).at("refer.handling.europol")?;
    }
    time(refer.review_by_ms).at("refer.review_by_ms")?;
    text(&refer.campaign, CAMPAIGN_BYTES_MAX).at("refer.campaign")?;
    if refer.prefix && !refer.target.starts_with("url:") {
        return Err(Fault::NotHere).at("refer.prefix");
    }
    text(&refer.override_reason, OVERRIDE_BYTES_MAX).at("refer.override_reason")
}

/// The bytes of a language tag, which is not judged further.
pub(super) const fn in_language(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn check_item(item: &EvidenceItem) -> Result<(), Fault> {
    hash(&item.sha256)?;
    ascii(&item.media_type, MEDIA_TYPE_BYTES_MAX, in_media_type)?;
    time(item.captured_at_ms)?;
    text(&item.tool, TOOL_BYTES_MAX)
}

/// The bytes of a media type, which is not judged further.
pub(super) const fn in_media_type(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn check_hold(hold: &Hold) -> Result<(), SetAside> {
    target(&hold.target).at("hold.target")?;
    time(hold.until_ms).at("hold.until_ms")?;
    text(&hold.contact, 256).at("hold.contact")?;
    text(&hold.reason, 1_024).at("hold.reason")
}

fn check_opinion(opinion: &Opinion) -> Result<(), SetAside> {
    required(opinion.on.as_ref()).at("opinion.on")?;
    within(opinion.stance, 1, 2).at("opinion.stance")?;
    if opinion.stance == Stance::Object as i32 {
        within(opinion.ground, 1, 5).at("opinion.ground")?;
    } else if opinion.ground != 0 {
        return Err(Fault::NotHere).at("opinion.ground");
    }
    text(&opinion.text, 4_096).at("opinion.text")
}

fn check_dispatch(dispatch: &Dispatch) -> Result<(), SetAside> {
    required(dispatch.on.as_ref()).at("dispatch.on")?;
    text(&dispatch.provider, 256).at("dispatch.provider")?;
    text(&dispatch.channel, 256).at("dispatch.channel")?;
    time(dispatch.at_ms).at("dispatch.at_ms")?;
    text(&dispatch.override_reason, 1_024).at("dispatch.override_reason")
}

fn check_outcome(outcome: &Outcome) -> Result<(), SetAside> {
    required(outcome.on.as_ref()).at("outcome.on")?;
    within(outcome.answer, 1, 6).at("outcome.answer")?;
    time(outcome.at_ms).at("outcome.at_ms")?;
    text(&outcome.reason, 4_096).at("outcome.reason")
}

fn check_observe(observe: &Observe) -> Result<(), SetAside> {
    target(&observe.target).at("observe.target")?;
    within(observe.availability, 1, 3).at("observe.availability")?;
    if observe.availability == Availability::Moved as i32 {
        target(&observe.successor).at("observe.successor")?;
    } else if !observe.successor.is_empty() {
        return Err(Fault::NotHere).at("observe.successor");
    }
    time(observe.observed_ms).at("observe.observed_ms")
}

fn check_link(link: &Link) -> Result<(), SetAside> {
    target(&link.first).at("link.first")?;
    target(&link.second).at("link.second")?;
    if link.first == link.second {
        return Err(Fault::NotHere).at("link.second");
    }
    within(link.relation, 1, 3).at("link.relation")
}

fn check_evidence(evidence: &Evidence) -> Result<(), SetAside> {
    evidence.item.as_ref().ok_or(Fault::Missing).and_then(check_item).at("evidence.item")?;
    text(&evidence.description, 4_096).at("evidence.description")?;
    if !evidence.target.is_empty() {
        target(&evidence.target).at("evidence.target")?;
    }
    evidence.operation.as_ref().map_or(Ok(()), reference).at("evidence.operation")
}

fn check_custody(custody: &Custody) -> Result<(), SetAside> {
    required(custody.item.as_ref()).at("custody.item")?;
    within(custody.step, 1, 2).at("custody.step")?;
    unit(&custody.other).at("custody.other")?;
    time(custody.at_ms).at("custody.at_ms")?;
    hash(&custody.sha256).at("custody.sha256")?;
    text(&custody.text, 1_024).at("custody.text")
}

fn check_operation(operation: &Operation) -> Result<(), SetAside> {
    text(&operation.title, 256).at("operation.title")?;
    units(&operation.invited).at("operation.invited")?;
    referrals(&operation.targets).at("operation.targets")?;
    time(operation.go_ms).at("operation.go_ms")?;
    within(usize::try_from(operation.ready_quorum).unwrap_or(usize::MAX), 0, UNITS_MAX).at("operation.ready_quorum")
}

fn check_step(step: &OperationStep) -> Result<(), SetAside> {
    required(step.operation.as_ref()).at("operation_step.operation")?;
    match &step.step {
        None => Err(Fault::Missing).at("operation_step.step"),
        Some(Step::Invite(invite)) => units(&invite.units).at("operation_step.invite.units"),
        Some(Step::Join(join)) => text(&join.text, 1_024).at("operation_step.join.text"),
        Some(Step::Decline(decline)) => text(&decline.reason, 1_024).at("operation_step.decline.reason"),
        Some(Step::Add(add)) => referrals(&add.targets).at("operation_step.add.targets"),
        Some(Step::Remove(remove)) => referrals(&remove.targets).at("operation_step.remove.targets"),
        Some(Step::Freeze(freeze)) => {
            referrals(&freeze.targets).at("operation_step.freeze.targets")?;
            hash(&freeze.digest).at("operation_step.freeze.digest")?;
            frontier(&freeze.frontier).at("operation_step.freeze.frontier")
        }
        Some(Step::Ready(ready)) => hash(&ready.digest).at("operation_step.ready.digest"),
        Some(Step::Go(go)) => check_go(go),
        Some(Step::Abort(abort)) => text(&abort.reason, 1_024).at("operation_step.abort.reason"),
        Some(Step::Executed(executed)) => {
            required(executed.target.as_ref()).at("operation_step.executed.target")?;
            time(executed.at_ms).at("operation_step.executed.at_ms")?;
            within(executed.result, 1, 3).at("operation_step.executed.result")?;
            text(&executed.text, 1_024).at("operation_step.executed.text")
        }
        Some(Step::Close(close)) => {
            text(&close.text, 4_096).at("operation_step.close.text")?;
            frontier(&close.frontier).at("operation_step.close.frontier")
        }
        Some(Step::Assign(assign)) => {
            unit(&assign.unit).at("operation_step.assign.unit")?;
            referrals(&assign.targets).at("operation_step.assign.targets")
        }
    }
}

fn check_go(go: &OperationGo) -> Result<(), SetAside> {
    hash(&go.digest).at("operation_step.go.digest")?;
    time(go.at_ms).at("operation_step.go.at_ms")?;
    hash(&go.charter).at("operation_step.go.charter")?;
    frontier(&go.frontier).at("operation_step.go.frontier")?;
    references(&go.overrides).at("operation_step.go.overrides")?;
    referrals(&go.excluded).at("operation_step.go.excluded")
}

fn check_propose(propose: &Propose) -> Result<(), SetAside> {
    count(propose.text.len(), PROPOSAL_BYTES_MAX).at("propose.text")?;
    hash(&propose.digest).at("propose.digest")?;
    if !propose.text.is_empty() && Hash::of(&propose.text).as_bytes() != propose.digest.as_slice() {
        return Err(Fault::Digest).at("propose.digest");
    }
    Ok(())
}

fn check_fork_proof(proof: &ForkProof) -> Result<(), SetAside> {
    unit(&proof.unit).at("fork_proof.unit")?;
    for (note, field) in [(&proof.smaller, "fork_proof.smaller"), (&proof.larger, "fork_proof.larger")] {
        if note.is_empty() {
            return Err(Fault::Missing).at(field);
        }
        count(note.len(), NOTE_BYTES_MAX).at(field)?;
    }
    count(proof.consistency.len(), PROOF_HASHES_MAX).at("fork_proof.consistency")?;
    proof.consistency.iter().try_for_each(|bytes| hash(bytes)).at("fork_proof.consistency")
}

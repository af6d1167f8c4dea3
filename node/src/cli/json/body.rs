//! What a record says.

use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Answer, Availability, Basis, Category, CustodyStep, Dispatch, EraseReason, EvidenceItem, Ground, Hold, Link,
    Observe, Opinion, Outcome, Refer, Relation, Source, Stance, Tlp,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::step::{operation, step};
use crate::cli::words::{Hex, moment, moment_unless_zero, record_id, word};

/// A referral.
#[derive(Serialize)]
pub(crate) struct ReferJson {
    categories: Vec<&'static str>,
    basis: &'static str,
    provider: String,
    source: Option<&'static str>,
    accuracy: Option<u32>,
    language: String,
    description: String,
    evidence: Vec<Value>,
    handling: HandlingJson,
    review_by: Option<String>,
    campaign: String,
    prefix: bool,
    override_reason: String,
}

#[derive(Serialize)]
struct HandlingJson {
    tlp: Option<&'static str>,
    europol: Vec<String>,
}

impl From<&Refer> for ReferJson {
    fn from(refer: &Refer) -> Self {
        let handling = refer.handling.as_ref();
        Self {
            categories: refer.categories.iter().map(|value| word::<Category>(*value).unwrap_or("unknown")).collect(),
            basis: word::<Basis>(refer.basis).unwrap_or("referral"),
            provider: refer.provider.clone(),
            source: word::<Source>(refer.source),
            accuracy: (refer.accuracy != 0).then_some(refer.accuracy),
            language: refer.language.clone(),
            description: refer.description.clone(),
            evidence: refer.evidence.iter().map(item).collect(),
            handling: HandlingJson {
                tlp: handling.and_then(|handling| word::<Tlp>(handling.tlp)),
                europol: handling.into_iter().flat_map(|h| &h.europol).map(|code| format!("H{code}")).collect(),
            },
            review_by: moment_unless_zero(refer.review_by_ms),
            campaign: refer.campaign.clone(),
            prefix: refer.prefix,
            override_reason: refer.override_reason.clone(),
        }
    }
}

/// A hold.
#[derive(Serialize)]
pub(crate) struct HoldJson {
    until: Option<String>,
    contact: String,
    reason: String,
}

impl From<&Hold> for HoldJson {
    fn from(hold: &Hold) -> Self {
        Self { until: moment_unless_zero(hold.until_ms), contact: hold.contact.clone(), reason: hold.reason.clone() }
    }
}

/// Support or an objection.
#[derive(Serialize)]
pub(crate) struct OpinionJson {
    on: Option<String>,
    stance: &'static str,
    ground: Option<&'static str>,
    text: String,
}

impl From<&Opinion> for OpinionJson {
    fn from(opinion: &Opinion) -> Self {
        Self {
            on: opinion.on.as_ref().map(record_id),
            stance: word::<Stance>(opinion.stance).unwrap_or("unknown"),
            ground: word::<Ground>(opinion.ground),
            text: opinion.text.clone(),
        }
    }
}

/// A referral on its way to a provider.
#[derive(Serialize)]
pub(crate) struct DispatchJson {
    on: Option<String>,
    provider: String,
    channel: String,
    at: String,
    override_reason: String,
}

impl From<&Dispatch> for DispatchJson {
    fn from(dispatch: &Dispatch) -> Self {
        Self {
            on: dispatch.on.as_ref().map(record_id),
            provider: dispatch.provider.clone(),
            channel: dispatch.channel.clone(),
            at: moment(dispatch.at_ms),
            override_reason: dispatch.override_reason.clone(),
        }
    }
}

/// A provider's answer.
#[derive(Serialize)]
pub(crate) struct OutcomeJson {
    on: Option<String>,
    answer: &'static str,
    at: String,
    reason: String,
}

impl From<&Outcome> for OutcomeJson {
    fn from(outcome: &Outcome) -> Self {
        Self {
            on: outcome.on.as_ref().map(record_id),
            answer: word::<Answer>(outcome.answer).unwrap_or("unknown"),
            at: moment(outcome.at_ms),
            reason: outcome.reason.clone(),
        }
    }
}

/// An observation.
#[derive(Serialize)]
pub(crate) struct ObserveJson {
    state: &'static str,
    successor: Option<String>,
    observed: String,
}

impl From<&Observe> for ObserveJson {
    fn from(observe: &Observe) -> Self {
        Self {
            state: word::<Availability>(observe.availability).unwrap_or("unknown"),
            successor: super::said(&observe.successor),
            observed: moment(observe.observed_ms),
        }
    }
}

/// A link.
#[derive(Serialize)]
pub(crate) struct LinkJson {
    first: String,
    second: String,
    relation: &'static str,
}

impl From<&Link> for LinkJson {
    fn from(link: &Link) -> Self {
        Self {
            first: link.first.clone(),
            second: link.second.clone(),
            relation: word::<Relation>(link.relation).unwrap_or("unknown"),
        }
    }
}

/// What any record says; `null` where it was erased or set aside.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum BodyJson {
    /// A statement with a target of its own, and the target.
    About {
        /// The target.
        target: String,
        /// The rest.
        #[serde(flatten)]
        says: Says,
    },
    /// Any other.
    Other(Says),
}

/// What a record says beside its target.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Says {
    /// A referral.
    Refer(ReferJson),
    /// A hold.
    Hold(HoldJson),
    /// An opinion.
    Opinion(OpinionJson),
    /// A dispatch.
    Dispatch(DispatchJson),
    /// An outcome.
    Outcome(OutcomeJson),
    /// An observation.
    Observe(ObserveJson),
    /// A link.
    Link(LinkJson),
    /// A kind without a place in a row.
    Other(Value),
}

/// What a record says.
pub(crate) fn body(body: Option<&Body>) -> BodyJson {
    let about = |target: &String, says| BodyJson::About { target: target.clone(), says };
    BodyJson::Other(match body {
        None => Says::Other(Value::Null),
        Some(Body::Refer(refer)) => return about(&refer.target, Says::Refer(refer.into())),
        Some(Body::Hold(hold)) => return about(&hold.target, Says::Hold(hold.into())),
        Some(Body::Observe(observe)) => return about(&observe.target, Says::Observe(observe.into())),
        Some(Body::Opinion(opinion)) => Says::Opinion(opinion.into()),
        Some(Body::Dispatch(dispatch)) => Says::Dispatch(dispatch.into()),
        Some(Body::Outcome(outcome)) => Says::Outcome(outcome.into()),
        Some(Body::Link(link)) => Says::Link(link.into()),
        Some(other) => Says::Other(rest(other)),
    })
}

/// The kinds that stand in no row.
fn rest(body: &Body) -> Value {
    let hex = |bytes: &[u8]| Hex(bytes).to_string();
    match body {
        Body::Withdraw(withdraw) => json!({ "index": withdraw.index, "reason": withdraw.reason }),
        Body::Erase(erase) => json!({ "index": erase.index, "reason": word::<EraseReason>(erase.reason) }),
        Body::Adopt(adopt) => json!({ "version": adopt.version, "digest": hex(&adopt.digest) }),
        Body::Propose(propose) => {
            json!({ "text": String::from_utf8_lossy(&propose.text), "digest": hex(&propose.digest) })
        }
        Body::Approve(approve) => json!({ "digest": hex(&approve.digest), "signatures": approve.signatures }),
        Body::Revoke(revoke) => json!({ "spki_sha256": hex(&revoke.spki_sha256), "reason": revoke.reason }),
        Body::ForkProof(proof) => json!({
            "unit": proof.unit,
            "smaller": String::from_utf8_lossy(&proof.smaller),
            "larger": String::from_utf8_lossy(&proof.larger),
            "consistency": proof.consistency.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
        }),
        Body::AccessHead(head) => json!({ "epoch": head.epoch, "size": head.size, "root": hex(&head.root) }),
        Body::Evidence(evidence) => json!({
            "item": evidence.item.as_ref().map(item),
            "description": evidence.description,
            "target": evidence.target,
            "operation": evidence.operation.as_ref().map(record_id),
        }),
        Body::Custody(custody) => json!({
            "item": custody.item.as_ref().map(record_id),
            "step": word::<CustodyStep>(custody.step),
            "other": custody.other,
            "at": moment(custody.at_ms),
            "sha256": hex(&custody.sha256),
            "text": custody.text,
        }),
        Body::Operation(said) => operation(said),
        Body::OperationStep(said) => step(said),
        Body::Refer(_)
        | Body::Hold(_)
        | Body::Opinion(_)
        | Body::Dispatch(_)
        | Body::Outcome(_)
        | Body::Observe(_)
        | Body::Link(_) => Value::Null,
    }
}

fn item(item: &EvidenceItem) -> Value {
    json!({
        "sha256": Hex(&item.sha256).to_string(),
        "media_type": item.media_type,
        "size": item.size,
        "captured_at": moment_unless_zero(item.captured_at_ms),
        "tool": item.tool,
    })
}

/// The kinds in the order of their numbers in `Record`, from 2.
const KINDS: [&str; 19] = [
    "refer",
    "withdraw",
    "hold",
    "opinion",
    "dispatch",
    "outcome",
    "observe",
    "link",
    "evidence",
    "custody",
    "operation",
    "operation-step",
    "erase",
    "adopt",
    "propose",
    "approve",
    "revoke",
    "fork-proof",
    "access-head",
];

/// The word for the number of a kind.
pub(crate) fn kind_word(kind: u32) -> &'static str {
    let index = kind.checked_sub(2).and_then(|index| usize::try_from(index).ok());
    index.and_then(|index| KINDS.get(index)).copied().unwrap_or("unknown")
}

/// The word for a record's kind.
pub(crate) fn kind(body: &Body) -> &'static str {
    kind_word(match body {
        Body::Refer(_) => 2,
        Body::Withdraw(_) => 3,
        Body::Hold(_) => 4,
        Body::Opinion(_) => 5,
        Body::Dispatch(_) => 6,
        Body::Outcome(_) => 7,
        Body::Observe(_) => 8,
        Body::Link(_) => 9,
        Body::Evidence(_) => 10,
        Body::Custody(_) => 11,
        Body::Operation(_) => 12,
        Body::OperationStep(_) => 13,
        Body::Erase(_) => 14,
        Body::Adopt(_) => 15,
        Body::Propose(_) => 16,
        Body::Approve(_) => 17,
        Body::Revoke(_) => 18,
        Body::ForkProof(_) => 19,
        Body::AccessHead(_) => 20,
    })
}

//! What `--json` prints, as `design.md` section 11 fixes it. All keys are always there; what is not known is `null`, an
//! empty text or an empty list. Times are RFC 3339 in UTC, hashes lower-case hexadecimal, record ids `BE/17`.

mod body;
mod row;
mod status;
mod step;

pub(crate) use self::body::{BodyJson, body as body_json, kind as kind_json, kind_word};

pub(crate) use self::row::{RowJson, status_word};
pub(crate) use self::status::{StatusJson, WitnessJson, WitnessingJson};

use entente_proto::wire::{
    Availability, ChainOfCustody, Change, Checked, EraseReason, Erasure, Handover, Pending, RecordRef, Relation,
    Relative, ShowReply, ShownRecord, Status,
};
use serde::Serialize;
use serde_json::json;

use super::words::{moment, record_id, word};

/// A record that is not, or not only, in a row: in `show`, in `watch`, and among the pending ones.
#[derive(Serialize)]
pub(crate) struct StatementJson {
    id: String,
    unit: String,
    time: String,
    kind: &'static str,
    statement: BodyJson,
}

impl StatementJson {
    pub(crate) fn of(
        id: Option<&RecordRef>,
        time_ms: u64,
        record: Option<&entente_proto::wire::Record>,
        kind: u32,
    ) -> Self {
        let body = record.and_then(|record| record.body.as_ref());
        Self {
            id: id.map(record_id).unwrap_or_default(),
            unit: id.map(|id| id.unit.clone()).unwrap_or_default(),
            time: moment(time_ms),
            kind: body.map_or_else(|| kind_word(kind), |body| body::kind(body)),
            statement: body::body(body),
        }
    }
}

impl From<&Pending> for StatementJson {
    fn from(pending: &Pending) -> Self {
        Self::of(pending.id.as_ref(), pending.time_ms, pending.record.as_ref(), 0)
    }
}

/// A record of `show`.
#[derive(Serialize)]
pub(crate) struct ShownJson {
    #[serde(flatten)]
    record: StatementJson,
    certified: bool,
    inert: Option<String>,
    cosigned_by: Vec<String>,
    /// The `Erase` record.
    erased_by: Option<String>,
    erasure: Option<ErasureJson>,
}

/// That a record was erased, and who is known to have cosigned that.
#[derive(Serialize)]
struct ErasureJson {
    time: String,
    reason: Option<&'static str>,
    certified: bool,
    cosigned_by: Vec<String>,
    payload_kept: bool,
}

impl From<&Erasure> for ErasureJson {
    fn from(erased: &Erasure) -> Self {
        Self {
            time: moment(erased.time_ms),
            reason: word::<EraseReason>(erased.reason),
            certified: erased.certified,
            cosigned_by: erased.cosigned_by.clone(),
            payload_kept: erased.payload_kept,
        }
    }
}

impl From<&ShownRecord> for ShownJson {
    fn from(shown: &ShownRecord) -> Self {
        Self {
            record: StatementJson::of(shown.id.as_ref(), shown.time_ms, shown.record.as_ref(), shown.kind),
            certified: shown.certified,
            inert: said(&shown.inert),
            cosigned_by: shown.cosigned_by.clone(),
            erased_by: shown.erased.as_ref().and_then(|erased| erased.by.as_ref()).map(record_id),
            erasure: shown.erased.as_ref().map(ErasureJson::from),
        }
    }
}

/// The document of `show`.
#[derive(Serialize)]
pub(crate) struct ShowJson {
    row: Option<RowJson>,
    family: Vec<RelativeJson>,
    records: Vec<ShownJson>,
    /// Of an item of evidence alone.
    custody: Option<serde_json::Value>,
}

/// A target that belongs together with the one shown.
#[derive(Serialize)]
struct RelativeJson {
    target: String,
    status: &'static str,
    availability: Option<&'static str>,
    relation: &'static str,
    /// The first and the second of the link.
    first: String,
    second: String,
    by: Option<String>,
}

impl From<&Relative> for RelativeJson {
    fn from(relative: &Relative) -> Self {
        let (own, other) = (relative.target.clone(), relative.through.clone());
        let (first, second) = if relative.first { (own, other) } else { (other, own) };
        Self {
            target: relative.target.clone(),
            status: word::<Status>(relative.status).unwrap_or("unknown"),
            availability: word::<Availability>(relative.availability),
            relation: word::<Relation>(relative.relation).unwrap_or("unknown"),
            first,
            second,
            by: relative.by.as_ref().map(record_id),
        }
    }
}

impl From<&ShowReply> for ShowJson {
    fn from(reply: &ShowReply) -> Self {
        Self {
            row: reply.row.as_ref().map(RowJson::from),
            family: reply.family.iter().map(RelativeJson::from).collect(),
            records: reply.records.iter().map(ShownJson::from).collect(),
            custody: reply.custody.as_ref().map(custody),
        }
    }
}

fn custody(custody: &ChainOfCustody) -> serde_json::Value {
    let id = |id: &Option<RecordRef>| id.as_ref().map(record_id);
    let hand = |one: &Handover| json!({ "give": id(&one.give), "take": id(&one.take), "intact": one.intact });
    json!({
        "holder": custody.holder,
        "chain": custody.chain.iter().map(hand).collect::<Vec<_>>(),
        "open": custody.open.iter().map(record_id).collect::<Vec<_>>(),
    })
}

/// A line of `check`.
#[derive(Serialize)]
pub(crate) struct CheckedJson<'a> {
    input: &'a str,
    target: Option<&'a str>,
    status: &'static str,
    via: Option<&'a str>,
    pending: bool,
    /// The own unit's standing referral.
    own: Option<String>,
    /// In how many of 256 bits an image differs from the listed one.
    differs: Option<u32>,
    notices: &'a [String],
    fault: Option<&'a str>,
}

impl<'a> From<&'a Checked> for CheckedJson<'a> {
    fn from(checked: &'a Checked) -> Self {
        let some = |text: &'a str| (!text.is_empty()).then_some(text);
        Self {
            input: &checked.input,
            target: some(&checked.target),
            status: word::<Status>(checked.status).unwrap_or("unknown"),
            via: some(&checked.via),
            pending: checked.pending,
            own: checked.own.as_ref().map(record_id),
            differs: checked.differs,
            notices: &checked.notices,
            fault: some(&checked.fault),
        }
    }
}

/// A line of `watch`.
#[derive(Serialize)]
pub(crate) struct ChangeJson {
    #[serde(flatten)]
    record: StatementJson,
    certified: bool,
    /// The target it is about.
    target: Option<String>,
    /// The target's status after it.
    status: &'static str,
    /// How far each log is told with it: where `--from` goes on.
    position: String,
}

impl ChangeJson {
    /// A change after which the watch is at this position.
    pub(crate) fn of(change: &Change, position: String) -> Self {
        Self {
            record: StatementJson::of(change.id.as_ref(), change.time_ms, change.record.as_ref(), 0),
            certified: change.certified,
            target: said(&change.target),
            status: word::<Status>(change.status).unwrap_or("unknown"),
            position,
        }
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;

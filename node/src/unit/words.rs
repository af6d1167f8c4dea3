//! From core types to wire types.

use entente_proto::ids::RecordId;
use entente_proto::wire;
use tonic::{Code, Status};

use crate::list::{Change, ListError};

/// In the notice of a target that is held.
pub(crate) const HELD: &str = "is held by";
/// In the notice of a target that is disputed.
pub(crate) const DISPUTED: &str = "is disputed";

pub(super) fn record_ref(id: &RecordId) -> wire::RecordRef {
    wire::RecordRef { unit: id.unit.to_string(), index: id.index }
}

pub(super) fn change(change: &Change) -> wire::Change {
    wire::Change {
        id: Some(record_ref(&change.id)),
        time_ms: change.time_ms,
        record: change.record.clone(),
        certified: change.certified,
        target: change.target.as_ref().map(ToString::to_string).unwrap_or_default(),
        status: change.status.map_or(wire::Status::Unspecified, Into::into).into(),
        ..wire::Change::default()
    }
}

/// How far each log is told, alone.
pub(super) fn position(told: &std::collections::BTreeMap<entente_proto::ids::UnitId, u64>) -> wire::Change {
    let log =
        |(unit, size): (&entente_proto::ids::UnitId, &u64)| wire::LogPosition { unit: unit.to_string(), size: *size };
    wire::Change { position: told.iter().map(log).collect(), ..wire::Change::default() }
}

/// Whether an answer came about because something in the database cannot be read.
pub(super) fn of_the_database(answer: &Status) -> bool {
    matches!(answer.code(), Code::Unavailable | Code::DataLoss)
}

/// The caller learns that the database is at fault; what exactly stands in the log.
pub(super) fn unreadable(error: &ListError) -> Status {
    tracing::error!(%error, "the database cannot be read");
    Status::unavailable(
        "something in the database of this node cannot be read, and is fetched again from partners: ask again in a moment",
    )
}

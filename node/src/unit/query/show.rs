//! The story of a target or of a record.

use std::collections::BTreeSet;

use entente_proto::ids::RecordId;
use entente_proto::list::Standing;
use entente_proto::list::operation::Handover;
use entente_proto::record;
use entente_proto::wire;
use entente_proto::wire::record::Body;
use tonic::Status as Answer;

use super::super::withheld::{Withheld, erasure};
use super::super::words::{record_ref, unreadable};
use super::family::family;
use super::late::{Moment, late};
use super::listed_row;
use super::operation::without_effect;
use crate::core::Core;
use crate::list::{State, Stored};

/// The story of a target or of a record.
pub(in crate::unit) fn show(core: &Core, what: &str) -> Result<wire::ShowReply, Answer> {
    let state = core.list.read();
    let withheld = Withheld::new(core, &state);
    let id = what.parse::<RecordId>().ok();
    let target = match &id {
        Some(id) if withheld.holds(id) => None,
        Some(id) => state.fold.target_of(&id.unit, id.index).or_else(|| state.pending.target_of(id).cloned()),
        None => {
            let understood = record::from_input(what).map_err(|error| Answer::invalid_argument(error.to_string()))?;
            Some(understood.target)
        }
    };
    let target = target.filter(|target| !withheld.hides(target));
    let mut ids: BTreeSet<RecordId> = BTreeSet::new();
    if let Some(target) = &target {
        ids.extend(state.fold.records_about(target));
        ids.extend(state.pending.about(target).cloned());
        ids.retain(|id| !withheld.holds(id));
    }
    let mut records = Vec::new();
    for other in ids.iter().filter(|other| Some(*other) != id.as_ref()) {
        records.extend(shown(core, &state, other)?);
    }
    records.sort_by_key(|shown| (shown.time_ms, shown.id.as_ref().map(|id| (id.unit.clone(), id.index))));
    if let Some(id) = &id {
        let Some(first) = shown(core, &state, id)? else {
            return Err(Answer::not_found(format!("this node knows no record {id}")));
        };
        records.insert(0, first);
    }
    let custody = match &id {
        Some(id) if !withheld.holds(id) => custody(core, &state, id, &mut records)?,
        _ => None,
    };
    if records.is_empty() {
        return Err(Answer::not_found(format!("nothing is known of {what}")));
    }
    let unreadable = |error| unreadable(&error);
    let family =
        target.as_ref().map(|target| family(core, &state, &withheld, target)).transpose().map_err(unreadable)?;
    let row = target.map(|target| listed_row(core, &state, &withheld, &target)).transpose().map_err(unreadable)?;
    let row = row.map(|row| late(row, Moment { at_ms: core.clock.now_ms(), answer_within_ms: 0 }));
    Ok(wire::ShowReply { row, records, family: family.unwrap_or_default(), custody })
}

/// The chain of custody of an item, whose records come behind the others.
fn custody(
    core: &Core,
    state: &State,
    item: &RecordId,
    records: &mut Vec<wire::ShownRecord>,
) -> Result<Option<wire::ChainOfCustody>, Answer> {
    let custody = state.fold.custody(item, &Stored(&*core.store)).map_err(|error| unreadable(&error.into()))?;
    let Some(custody) = custody else { return Ok(None) };
    for id in custody.chain.iter().flat_map(|one| [&one.give, &one.take]).chain(&custody.open) {
        records.extend(shown(core, state, id)?);
    }
    let handover = |one: &Handover| wire::Handover {
        give: Some(record_ref(&one.give)),
        take: Some(record_ref(&one.take)),
        intact: one.intact,
    };
    Ok(Some(wire::ChainOfCustody {
        chain: custody.chain.iter().map(handover).collect(),
        holder: custody.holder,
        open: custody.open.iter().map(record_ref).collect(),
    }))
}

/// A record with all that is known of it; nothing where the log is not that long.
pub(in crate::unit) fn shown(core: &Core, state: &State, id: &RecordId) -> Result<Option<wire::ShownRecord>, Answer> {
    let Some(entry) = core.store.entry(&id.unit, id.index).map_err(|error| unreadable(&error.into()))? else {
        return Ok(None);
    };
    let certified = state.folded.get(&id.unit).is_some_and(|size| *size > id.index);
    let statement = entry.payload().map(|payload| record::parse(entry.header().kind, payload));
    let (record, aside) = match statement {
        Some(Ok(statement)) => (Some(statement.into_record()), String::new()),
        Some(Err(aside)) => (None, format!("set aside: {aside}")),
        None => (None, "its payload is not here".to_owned()),
    };
    let erased = erasure(core, state, id, &entry)?;
    let inert = match state.fold.standing(&id.unit, id.index) {
        _ if let Some(by) =
            erased.as_ref().filter(|erased| !erased.certified).and_then(|erased| erased.by.as_ref()) =>
        {
            format!("erased by {}/{}, not yet certified", by.unit, by.index)
        }
        Standing::Withdrawn { by } => format!("taken back by {}/{by}", id.unit),
        Standing::Erased { by } => format!("erased by {}/{by}", id.unit),
        Standing::Inert | Standing::Dangling => {
            "without effect: what it speaks of is not there or does not stand".to_owned()
        }
        Standing::SetAside | Standing::Missing => aside,
        Standing::Counts => match record.as_ref().and_then(|record| record.body.as_ref()) {
            Some(Body::OperationStep(step)) => {
                without_effect(core, state, id, step).map_err(|error| unreadable(&error))?.unwrap_or_default()
            }
            _ => String::new(),
        },
        Standing::NotThere if state.pending.withdrawn(&id.unit, id.index) => "taken back, not yet certified".to_owned(),
        Standing::NotThere => String::new(),
    };
    let log = core.log(&id.unit);
    let covering = log.as_ref().and_then(|log| log.covering(id.index));
    let cosigned_by = covering.map(|head| head.cosignatures().keys().map(ToString::to_string).collect());
    Ok(Some(wire::ShownRecord {
        id: Some(record_ref(id)),
        time_ms: entry.header().time_ms,
        kind: entry.header().kind,
        record,
        certified,
        inert,
        cosigned_by: cosigned_by.unwrap_or_default(),
        erased,
    }))
}

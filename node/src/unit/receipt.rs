//! Receipts: one certified record with the proof that it stands in its unit's log, and what was said of it since.

use std::collections::BTreeSet;

use entente_proto::entry::Entry;
use entente_proto::ids::RecordId;
use entente_proto::list::Standing;
use entente_proto::receipt::UnverifiedReceipt;
use entente_proto::record;
use entente_proto::wire;
use entente_proto::wire::record::Body;
use tonic::Status as Answer;

use super::query::shown;
use super::words::{record_ref, unreadable};
use crate::core::Core;
use crate::list::State;
use crate::store::StoreError;

#[cfg(test)]
mod tests;

/// Most opinions on a record that are told with it: 200 of the largest stay below the largest message.
const OPINIONS_MAX: usize = 200;

/// Makes a receipt, and tells what was said of the record since.
pub(super) fn make(core: &Core, request: &wire::ReceiptRequest) -> Result<wire::ReceiptReply, Answer> {
    let id = request.id.as_ref().ok_or_else(|| Answer::invalid_argument("no record is named"))?;
    let unit = id.unit.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?;
    let id = RecordId { unit, index: id.index };
    let Some(entry) = entry(core, &id)? else {
        return Err(Answer::not_found(format!("this node knows no record {id}; `entente show TARGET` tells the ids")));
    };
    let state = core.list.read();
    let receipt = if request.since_alone { Vec::new() } else { receipt(core, &state, &id, &entry)? };
    let (mut since, left_out) = since(core, &state, &id)?;
    since.sort_by_key(|later| later.shown.as_ref().map(|shown| shown.time_ms));
    Ok(wire::ReceiptReply { receipt, since, left_out })
}

fn entry(core: &Core, id: &RecordId) -> Result<Option<Entry>, Answer> {
    core.store.entry(&id.unit, id.index).map_err(|error: StoreError| unreadable(&error.into()))
}

/// The receipt under the newest certified checkpoint, verified with the charter before it is given away: what was read
/// back from the disk is not believed.
fn receipt(core: &Core, state: &State, id: &RecordId, entry: &Entry) -> Result<Vec<u8>, Answer> {
    if let Some(by) = erased_by(core, state, id)? {
        return Err(Answer::failed_precondition(format!(
            "{id} was erased by {by}: what it said is shown to nobody any more; `entente receipt {by}` proves the erasure"
        )));
    }
    let log = core.log(&id.unit);
    // It is certified under the charter that the log is in, which may be an older one for a moment.
    let digest = log.as_ref().and_then(|log| log.charter_digest);
    let Some(head) = log.and_then(|log| log.certified).filter(|head| head.checkpoint().size.get() > id.index) else {
        return Err(Answer::failed_precondition(format!(
            "{id} is not certified yet, so nobody but {} vouches for it: call again when `entente show {id}` says that it is",
            id.unit
        )));
    };
    let charter = digest.and_then(|digest| core.charter_of(&digest)).unwrap_or_else(|| core.charter());
    let head_note = head.to_note(&charter.mirrors(&id.unit));
    let proof = core.inclusion(&id.unit, id.index, head.checkpoint().size).ok_or_else(|| {
        tracing::error!(%id, "no receipt: the leaf hashes around the record cannot be read");
        damaged(id)
    })?;
    if entry.body().is_none() {
        return Err(Answer::failed_precondition(format!("the payload of {id} is not here: ask another unit's node")));
    }
    let made = UnverifiedReceipt::compose(id.index, entry, proof, head_note);
    match made.and_then(|made| made.verify(&charter).map(|_| made.to_bytes())) {
        Ok(bytes) => Ok(bytes),
        Err(entente_proto::receipt::ReceiptError::SetAside(aside)) => Err(Answer::failed_precondition(format!(
            "{id} counts for nobody ({aside}), so there is nothing that a receipt could show"
        ))),
        Err(error) => {
            tracing::error!(%id, %error, "a receipt made here does not verify: the database is damaged");
            Err(damaged(id))
        }
    }
}

fn damaged(id: &RecordId) -> Answer {
    Answer::data_loss(format!("the database of this node holds {id} other than it was certified; ask the operator"))
}

/// The record that erases this one, certified or not: an erasure is obeyed as soon as it is known.
fn erased_by(core: &Core, state: &State, id: &RecordId) -> Result<Option<RecordId>, Answer> {
    let own = |index| RecordId { unit: id.unit.clone(), index };
    if let Standing::Erased { by } = state.fold.standing(&id.unit, id.index) {
        return Ok(Some(own(by)));
    }
    let Some(by) = state.pending.withdrawn_by(&id.unit, id.index).map(own) else { return Ok(None) };
    Ok(matches!(said(core, &by)?, Some(Body::Erase(_))).then_some(by))
}

/// Its withdrawal or erasure, and the opinions on it, by unit and index; and how many of these were left out.
fn since(core: &Core, state: &State, id: &RecordId) -> Result<(Vec<wire::LaterRecord>, u64), Answer> {
    let mut left_out = 0;
    let mut ids: BTreeSet<RecordId> = taken_back_by(state, id).into_iter().collect();
    let folded = state.fold.target_of(&id.unit, id.index);
    if let Some(target) = folded.or_else(|| state.pending.target_of(id).cloned()) {
        let about: BTreeSet<RecordId> =
            state.fold.records_about(&target).into_iter().chain(state.pending.about(&target).cloned()).collect();
        for other in about {
            let Some(Body::Opinion(opinion)) = said(core, &other)? else { continue };
            if opinion.on.is_some_and(|on| on.unit == id.unit.as_str() && on.index == id.index) {
                if ids.len() > OPINIONS_MAX {
                    left_out += 1;
                } else {
                    ids.insert(other);
                }
            }
        }
    }
    let later = |id: &RecordId| {
        let taken_back_by = taken_back_by(state, id).as_ref().map(record_ref);
        let shown = shown(core, state, id).transpose()?;
        Some(shown.map(|shown| wire::LaterRecord { shown: Some(shown), taken_back_by }))
    };
    Ok((ids.iter().filter_map(later).collect::<Result<_, _>>()?, left_out))
}

/// The record that withdraws or erases this one, certified or not.
fn taken_back_by(state: &State, id: &RecordId) -> Option<RecordId> {
    let by = match state.fold.standing(&id.unit, id.index) {
        Standing::Withdrawn { by } | Standing::Erased { by } => Some(by),
        _ => state.pending.withdrawn_by(&id.unit, id.index),
    };
    by.map(|index| RecordId { unit: id.unit.clone(), index })
}

fn said(core: &Core, id: &RecordId) -> Result<Option<Body>, Answer> {
    let Some(entry) = entry(core, id)? else { return Ok(None) };
    let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
    Ok(statement.map(record::Statement::into_body))
}

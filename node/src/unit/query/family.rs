//! The targets that belong together: mirrors, successors, what one operator runs, what moved.

use std::collections::{BTreeSet, VecDeque};

use entente_proto::ids::RecordId;
use entente_proto::record::{self, Target};
use entente_proto::wire::record::Body;
use entente_proto::wire::{self, Relation, Relative};

use super::super::withheld::Withheld;
use super::super::words::record_ref;
use crate::core::Core;
use crate::list::{ListError, State, Stored};

/// How many of a family are told.
const FAMILY_MAX: usize = 1_000;

/// Everything that belongs together with a target, the nearest first; itself excepted. What was withdrawn does not count;
/// what is not yet certified does.
pub(super) fn family(
    core: &Core,
    state: &State,
    withheld: &Withheld,
    target: &Target,
) -> Result<Vec<Relative>, ListError> {
    let mut known = BTreeSet::from([target.clone()]);
    let mut turn = VecDeque::from([target.clone()]);
    let mut family = Vec::new();
    while let Some(through) = turn.pop_front() {
        for id in state.records_about(&through) {
            if withheld.holds(&id) || !counts(state, &id) {
                continue;
            }
            let Some((first, second, relation)) = joins(core, &id)? else { continue };
            let (other, is_first) = if second == through { (first, true) } else { (second, false) };
            if family.len() >= FAMILY_MAX {
                return Ok(family);
            }
            if !known.insert(other.clone()) {
                continue;
            }
            let row = state.fold.row(&other, &Stored(&*core.store))?;
            let seen = row.and_then(|row| row.availability).and_then(|seen| seen.observe);
            family.push(Relative {
                target: other.to_string(),
                status: withheld.status(state, &other).map_or(wire::Status::Unspecified, Into::into).into(),
                availability: seen.map_or(0, |observe| observe.availability),
                through: through.to_string(),
                relation: relation.into(),
                first: is_first,
                by: Some(record_ref(&id)),
            });
            turn.push_back(other);
        }
    }
    Ok(family)
}

fn counts(state: &State, id: &RecordId) -> bool {
    use entente_proto::list::Standing;
    match state.fold.standing(&id.unit, id.index) {
        Standing::Counts => !state.pending.withdrawn(&id.unit, id.index),
        Standing::NotThere => state.pending.holds(id) && !state.pending.withdrawn(&id.unit, id.index),
        _ => false,
    }
}

/// The two targets that a link, or the observation of a move, joins.
fn joins(core: &Core, id: &RecordId) -> Result<Option<(Target, Target, Relation)>, ListError> {
    let Some(entry) = core.store.entry(&id.unit, id.index)? else { return Ok(None) };
    let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
    let joined = match statement.map(record::Statement::into_body) {
        Some(Body::Link(link)) => {
            let relation = Relation::try_from(link.relation).unwrap_or(Relation::Unspecified);
            Some((link.first, link.second, relation))
        }
        Some(Body::Observe(observe)) if !observe.successor.is_empty() => {
            Some((observe.target, observe.successor, Relation::Successor))
        }
        _ => None,
    };
    Ok(joined.and_then(|(first, second, relation)| Some((first.parse().ok()?, second.parse().ok()?, relation))))
}

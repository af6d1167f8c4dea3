//! What an `Erase` hides before it is certified: the certified list still counts the record, but nobody is shown what it
//! said, nor that anybody said it.

use std::collections::BTreeSet;

use entente_proto::entry::Entry;
use entente_proto::ids::RecordId;
use entente_proto::list::{self, Standing};
use entente_proto::record::{RecordKind, Target};
use entente_proto::sync::LogView;
use entente_proto::wire;
use entente_proto::wire::record::Body;
use entente_proto::{ids::UnitId, record};
use tonic::Status as Answer;

use super::words::{record_ref, unreadable};
use crate::core::Core;
use crate::list::State;

/// The records that are withheld, and the targets that are shown for nothing else. Hardly ever is there any.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    records: BTreeSet<RecordId>,
    targets: BTreeSet<Target>,
}

impl Withheld {
    pub(super) fn new(core: &Core, state: &State) -> Self {
        let all = core.store.all_withheld();
        let records: BTreeSet<_> = all.into_iter().map(|one| RecordId { unit: one.unit, index: one.index }).collect();
        let of = |id: &RecordId| state.fold.target_of(&id.unit, id.index);
        let alone = |target: &Target| {
            state.fold.makers(target).all(|maker| records.contains(&maker)) && !state.pending.names(target)
        };
        let targets = records.iter().filter_map(of).filter(alone).collect();
        Self { records, targets }
    }

    /// Whether a target is shown for nothing but what is withheld.
    pub(super) fn hides(&self, target: &Target) -> bool {
        self.targets.contains(target)
    }

    /// Whether a record is withheld.
    pub(super) fn holds(&self, id: &RecordId) -> bool {
        self.records.contains(id)
    }

    /// The status of a target, as far as it may be told.
    pub(super) fn status(&self, state: &State, target: &Target) -> Option<list::Status> {
        state.fold.status(target).filter(|_| !self.hides(target))
    }

    /// Takes out of a row what is withheld.
    pub(super) fn strip(&self, row: &mut wire::Row) {
        if self.records.is_empty() {
            return;
        }
        let stays = |id: &Option<wire::RecordRef>| {
            let id =
                id.as_ref().and_then(|id| Some(RecordId { unit: id.unit.parse::<UnitId>().ok()?, index: id.index }));
            id.is_none_or(|id| !self.records.contains(&id))
        };
        row.availability = row.availability.take().filter(|row| stays(&row.id));
        row.referrals.retain(|row| stays(&row.id));
        row.holds.retain(|row| stays(&row.id));
        row.opinions.retain(|row| stays(&row.id));
        row.dispatches.retain(|row| stays(&row.id));
        row.outcomes.retain(|row| stays(&row.id));
        row.links.retain(|row| stays(&row.id));
    }
}

/// The erasure of a record, certified or not, and who is known to have to obey it.
pub(super) fn erasure(
    core: &Core,
    state: &State,
    id: &RecordId,
    entry: &Entry,
) -> Result<Option<wire::Erasure>, Answer> {
    let withheld = || {
        let can_end = RecordKind::of_number(entry.header().kind).can_end();
        core.store.withheld(&id.unit, id.index).filter(|_| can_end)
    };
    let by = match state.fold.standing(&id.unit, id.index) {
        Standing::Erased { by } => Some((by, true)),
        _ => withheld().map(|by| (by, false)),
    };
    let Some((by, certified)) = by else { return Ok(None) };
    let erase = core.store.entry(&id.unit, by).map_err(|error| unreadable(&error.into()))?;
    let reason =
        erase.as_ref().and_then(|erase| match record::parse(erase.header().kind, erase.payload()?).ok()?.into_body() {
            Body::Erase(erase) => Some(erase.reason),
            _ => None,
        });
    let covering = |log: LogView| -> Vec<String> {
        let covers = log.cosigners.iter().filter(|(_, size)| size.get() > by);
        covers.map(|(unit, _)| unit.to_string()).collect()
    };
    Ok(Some(wire::Erasure {
        by: Some(record_ref(&RecordId { unit: id.unit.clone(), index: by })),
        time_ms: erase.as_ref().map_or(0, |erase| erase.header().time_ms),
        reason: reason.unwrap_or_default(),
        certified,
        cosigned_by: core.log(&id.unit).map(covering).unwrap_or_default(),
        payload_kept: !core.store.lacks(&id.unit, id.index),
    }))
}

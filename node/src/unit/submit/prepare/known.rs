//! What this node knows of the records that a statement names.

use entente_proto::entry::Entry;
use entente_proto::ids::RecordId;
use entente_proto::list::Standing;
use entente_proto::record::{self, RecordKind, Statement, Target};
use entente_proto::wire;

use super::super::{Refusal, refusal};
use super::At;

impl At<'_> {
    pub(super) fn own(&self, index: u64) -> RecordId {
        RecordId { unit: self.core.unit.clone(), index }
    }

    pub(super) fn named(&self, on: Option<&wire::RecordRef>, missing: &str) -> Result<RecordId, Refusal> {
        let on = on.ok_or_else(|| refusal("record-id", missing))?;
        let unit = on.unit.parse().map_err(|error| refusal("record-id", format!("{error}")))?;
        Ok(RecordId { unit, index: on.index })
    }

    /// An own statement that still counts and can be taken back; gives its target.
    pub(super) fn withdrawable(&self, id: &RecordId) -> Result<Option<Target>, Refusal> {
        let kind = self.kind_of(id)?;
        if !kind.can_end() {
            return Err(refusal(
                "not-withdrawable",
                format!("{id} is of the kind {}: it cannot be taken back", kind.word()),
            ));
        }
        self.not_taken_back(id)?;
        Ok(self.target_of(id))
    }

    /// An own record whose payload can be erased and is not. It may have been withdrawn.
    pub(super) fn erasable(&self, id: &RecordId) -> Result<(), Refusal> {
        let kind = self.kind_of(id)?;
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
        if let Standing::Erased { by } = self.state.fold.standing(&id.unit, id.index) {
            return Err(refusal("erased", format!("{id} was erased before, by {}/{by}", id.unit)));
        }
        if let Some(by) = self.core.store.withheld(&id.unit, id.index) {
            return Err(refusal(
                "erased",
                format!("{id} was erased before, by {}/{by}; that is not yet certified", id.unit),
            ));
        }
        Ok(())
    }

    pub(super) fn not_taken_back(&self, id: &RecordId) -> Result<(), Refusal> {
        match self.state.fold.standing(&id.unit, id.index) {
            Standing::Withdrawn { by } | Standing::Erased { by } => {
                Err(refusal("withdrawn", format!("{id} was taken back before, by {}/{by}", id.unit)))
            }
            _ if self.state.pending.withdrawn(&id.unit, id.index) => {
                Err(refusal("withdrawn", format!("{id} was taken back before; that is not yet certified")))
            }
            _ => Ok(()),
        }
    }

    /// A referral of another unit, known here; gives its target.
    pub(super) fn referral_of_another(&self, id: &RecordId) -> Result<Target, Refusal> {
        if id.unit == self.core.unit {
            return Err(refusal(
                "own-referral",
                format!("{id} is this unit's own: take it back with `entente withdraw {id}`"),
            ));
        }
        self.standing_referral(id)
    }

    /// A referral of any unit, known here and not taken back; gives its target.
    pub(super) fn standing_referral(&self, id: &RecordId) -> Result<Target, Refusal> {
        let kind = self.kind_of(id)?;
        let target = self.target_of(id).filter(|_| kind == RecordKind::Refer);
        let target = target
            .ok_or_else(|| refusal("not-a-referral", format!("{id} is of the kind {}, not a referral", kind.word())))?;
        match self.state.fold.standing(&id.unit, id.index) {
            Standing::Withdrawn { .. } | Standing::Erased { .. } => {
                Err(refusal("withdrawn", format!("{id} was taken back by its unit: there is nothing to say of it")))
            }
            _ => Ok(target),
        }
    }

    fn entry(&self, id: &RecordId) -> Result<Entry, Refusal> {
        let unknown =
            || refusal("not-found", format!("this node knows no record {id}; `entente show TARGET` tells the ids"));
        let entry =
            self.core.store.entry(&id.unit, id.index).map_err(|error| refusal("unreadable", error.to_string()))?;
        entry.ok_or_else(unknown)
    }

    pub(super) fn kind_of(&self, id: &RecordId) -> Result<RecordKind, Refusal> {
        Ok(RecordKind::of_number(self.entry(id)?.header().kind))
    }

    pub(super) fn statement(&self, id: &RecordId) -> Result<Statement, Refusal> {
        let entry = self.entry(id)?;
        let payload = entry.payload().ok_or_else(|| refusal("erased", format!("{id} was erased")))?;
        record::parse(entry.header().kind, payload).map_err(|aside| refusal("set-aside", format!("{id}: {aside}")))
    }

    pub(super) fn target_of(&self, id: &RecordId) -> Option<Target> {
        self.state.fold.target_of(&id.unit, id.index).or_else(|| self.state.pending.target_of(id).cloned())
    }
}

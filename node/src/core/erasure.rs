//! Acting on an `Erase`, of the own log or of another's.
//!
//! | when | what |
//! |---|---|
//! | its entry is stored | in the same batch it is *announced*: from then on the store gives the payload that it names to the fold alone, so it is neither served nor shown, also after a restart |
//! | it is certified and folded | the store deletes opening and payload: nothing that the fold counts needs them any more |
//! | then | a [scrub](super::scrub) is due, which the same batch notes: the bytes leave the disk |
//!
//! An `Erase` that does not count (its record is of a kind that cannot be erased, or was erased before) deletes nothing.
//! All of it is idempotent: what a kill prevented is done when the list is folded at the next start.

use std::sync::Arc;

use entente_proto::entry::Entry;
use entente_proto::ids::UnitId;
use entente_proto::list::Standing;
use entente_proto::record::RecordKind;
use entente_proto::sync::erased_by;

use super::Core;
use crate::list::Ended;
use crate::store::{Batch, Erasure, StoreError};

/// The erasures in a stretch of a log.
pub(super) fn announced(unit: &UnitId, from: u64, entries: &[Entry]) -> Vec<Erasure> {
    let erases = (from..).zip(entries).filter(|(_, entry)| entry.header().kind == RecordKind::Erase.number());
    let erasure = |(by, entry): (u64, &Entry)| {
        let index = erased_by(entry.header().kind, entry.payload()?).filter(|index| *index < by)?;
        Some(Erasure { unit: unit.clone(), index, by })
    };
    erases.filter_map(erasure).collect()
}

/// Certified erasures were folded: deletes what they name.
pub(super) fn settle(core: &Arc<Core>, unit: &UnitId, ended: &[Ended]) {
    let counts = |ended: &&Ended| ended.counts && !core.store.lacks(unit, ended.index);
    let erasures: Vec<_> = ended.iter().filter(counts).map(|ended| (unit.clone(), ended.index)).collect();
    let noted = |ended: &&Ended| core.store.withheld(unit, ended.index).is_some();
    let settled: Vec<_> = ended.iter().filter(noted).map(|ended| (unit.clone(), ended.index)).collect();
    if erasures.is_empty() && settled.is_empty() {
        return;
    }
    let count = erasures.len();
    let batch = Batch { erasures, settled, erased_ms: Some(core.clock.now_ms()), ..Batch::default() };
    let (unit, core_then) = (unit.clone(), core.clone());
    let then = move |result: Result<(), Arc<StoreError>>| match result {
        Ok(()) => {
            if count > 0 {
                tracing::info!(%unit, count, "deleted what was erased; a scrub takes its bytes off the disk");
                core_then.scrub.tell_due();
                core_then.erased.send_replace(());
            }
        }
        // It is withheld all the same. The entry is fetched again, and then all that is due is deleted.
        Err(error) if matches!(*error, StoreError::Corrupt { .. }) => {
            tracing::warn!(%unit, %error, "what was erased cannot be deleted yet");
        }
        Err(error) => super::drive::not_stored(&error),
    };
    core.store_writer.submit(batch, Box::new(then));
}

/// Submits once more the deletion of everything that is certified as erased and still there.
pub(super) fn settle_all(core: &Arc<Core>) {
    for Erasure { unit, index, .. } in core.store.all_withheld() {
        let counts = matches!(core.list.read().fold.standing(&unit, index), Standing::Erased { .. });
        if counts {
            settle(core, &unit, &[Ended { index, counts }]);
        }
    }
}

//! Charters that make logs go on from a base: what is done at the start, before anything else.
//!
//! First what is cut off of the own log is kept in a file, for people. Then the journal has, in one step, that the base
//! replaces what this node signed or cosigned beyond it, and with it in the outbox what officers said beyond it. Last the store
//! is cut back. A kill at any step leaves what the next start goes on with.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;

use bytes::Bytes;
use entente_proto::charter::CharterChain;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::record::{self, RecordKind};
use entente_proto::sync::{self, Rebase};
use entente_proto::wire;
use prost::Message as _;

use super::load::read_log;
use super::{Leaves, StartError};
use crate::journal::{self, JournalRecord, Submission, SubmissionId};
use crate::store::{Batch, Store, StoreError};

/// How many entries are read at once.
const STRETCH: usize = 256;

/// A statement of this unit that a base cut off.
#[derive(Debug, Clone)]
pub struct CutOff {
    /// Where it stood.
    pub index: u64,
    /// Its kind.
    pub kind: RecordKind,
    /// Its submission.
    pub submission: SubmissionId,
    /// The bytes of its record.
    pub record: Bytes,
    /// Whether it enters again by itself; if not, it speaks of a record that was cut off as well, which gets another index.
    pub enters: bool,
}

/// Makes durable what a charter, named by its digest, cuts off of the own log; in words, why not.
type Keep<'a> = dyn Fn(&Hash, &[CutOff]) -> Result<(), String> + 'a;

/// Has all logs that a charter gives a base go on from there. `keep` is given what is cut off of the own log, with the digest of
/// the charter, and makes it durable.
///
/// # Errors
/// [`StartError::Base`] where a base would cut off what is certified; [`StartError`] for what cannot be read or written.
pub fn rebase(
    unit: &UnitId,
    charters: &CharterChain,
    store: &dyn Store,
    journal: &journal::Writer,
    memory: &mut journal::Memory,
    keep: &Keep<'_>,
) -> Result<(), StartError> {
    for log in charters.units() {
        let based = charters.all().filter_map(|charter| charter.unit(&log)).any(|unit| unit.base.is_some());
        if !based {
            continue;
        }
        let own = (log == *unit).then_some(());
        let held = read_log(&log, store, own, memory)?;
        let due = sync::rebase(charters, &log, &held, &Leaves(store)).map_err(StartError::Base)?;
        let Some(due) = due else { continue };
        let mut forgotten = Vec::new();
        if own.is_some() {
            let cut = cut_off(&log, store, memory, &due)?;
            forgotten.extend(cut.iter().map(|one| one.submission));
            replace_own(&log, journal, memory, &due, &cut, keep)?;
        } else {
            replace(&log, journal, memory, &due, Vec::new())?;
        }
        if store.size(&log) > due.keep {
            tracing::warn!(
                unit = %log, held = store.size(&log).get(), kept = due.keep.get(), base = due.base.size.get(),
                "the charter makes this log go on from a base: what was held beyond is cut off"
            );
            store.commit_one(&Batch { forgotten, ..Batch::default() })?;
            store.commit_one(&Batch { rewind: Some((log, due.keep)), ..Batch::default() })?;
        }
    }
    Ok(())
}

fn replaced(unit: &UnitId, memory: &journal::Memory, due: &Rebase) -> bool {
    memory.replaced.get(unit).into_iter().flatten().any(|(_, _, charter)| *charter == due.charter)
}

/// Notes in the journal that the base replaces what went beyond it, once for each charter.
fn replace(
    unit: &UnitId,
    journal: &journal::Writer,
    memory: &mut journal::Memory,
    due: &Rebase,
    outbox: Vec<Submission>,
) -> Result<(), StartError> {
    if replaced(unit, memory, due) {
        return Ok(());
    }
    let (size, root, charter) = (due.base.size, due.base.root, due.charter);
    let mut records = vec![JournalRecord::Replaced { unit: unit.clone(), size, root, charter }];
    records.extend(outbox.into_iter().map(JournalRecord::Outbox));
    let (told, durable) = channel();
    let done = move || {
        // Whoever asked waits for it.
        let _ = told.send(());
    };
    let fault = |error: &dyn std::fmt::Display| StartError::Journal(error.to_string());
    journal.append(&records, Box::new(done)).map_err(|error| fault(&error))?;
    durable.recv().map_err(|error| fault(&error))?;
    memory.take(records).map_err(|error| fault(&error))
}

fn replace_own(
    unit: &UnitId,
    journal: &journal::Writer,
    memory: &mut journal::Memory,
    due: &Rebase,
    cut: &[CutOff],
    keep: &Keep<'_>,
) -> Result<(), StartError> {
    if replaced(unit, memory, due) {
        return Ok(());
    }
    if !cut.is_empty() {
        keep(&due.charter, cut).map_err(StartError::Journal)?;
        let again = cut.iter().filter(|one| one.enters).count();
        tracing::warn!(
            cut_off = cut.len(),
            enter_again = again,
            "statements of this unit stood beyond the base: those that enter again by themselves are in the outbox, the others must be \
             said anew (see the file in charter/cut)"
        );
    }
    let waits = |one: &&CutOff| one.enters && !memory.outbox.iter().any(|waiting| waiting.id == one.submission);
    let outbox = cut.iter().filter(waits).map(|one| Submission { id: one.submission, record: one.record.clone() });
    let outbox = outbox.collect();
    replace(unit, journal, memory, due, outbox)
}

/// What this unit said beyond what stays, from the journal and from the store.
fn cut_off(
    unit: &UnitId,
    store: &dyn Store,
    memory: &journal::Memory,
    due: &Rebase,
) -> Result<Vec<CutOff>, StoreError> {
    let mut payloads: BTreeMap<u64, (u32, Bytes)> = BTreeMap::new();
    let mut at = due.keep.get();
    while at < store.size(unit).get() {
        let entries = store.entries(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            payloads.extend(entry.payload().map(|payload| (at, (entry.header().kind, payload.clone()))));
            at = at.saturating_add(1);
        }
    }
    for own in memory.entries.iter().filter(|own| own.index >= due.keep.get()) {
        let payload = own.entry.payload().map(|payload| (own.index, (own.entry.header().kind, payload.clone())));
        payloads.extend(payload);
    }
    let read = |(index, (kind, record)): (u64, (u32, Bytes))| {
        let decoded = wire::Record::decode(record.clone()).ok()?;
        let submission: SubmissionId = decoded.submission.clone().try_into().ok()?;
        let kind = RecordKind::of_number(kind);
        // Charters are taken up anew by themselves.
        let speaks = decoded.body.as_ref().is_some_and(|body| record::names_own(body, unit, due.keep.get()));
        let enters = !speaks && kind != RecordKind::Adopt;
        (kind != RecordKind::Adopt).then_some(CutOff { index, kind, submission, record, enters })
    };
    Ok(payloads.into_iter().filter_map(read).collect())
}

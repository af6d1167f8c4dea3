//! Charters that make logs go on from a base: what is done at the start, before anything else.
//!
//! First what is cut off of the own log is kept in a file, for people. Then what officers said beyond the base goes into the
//! journal's outbox, and after that, in one step, that the base replaces what this node signed or cosigned beyond it. Last the
//! store is cut back. A kill at any step leaves what the next start goes on with.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;

use bytes::Bytes;
use entente_proto::charter::CharterChain;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::record::{self, RecordKind};
use entente_proto::sync::{self, Rebase};
use entente_proto::wire;
use entente_proto::wire::record::Body;
use prost::Message as _;

use super::load::read_log;
use super::{Leaves, StartError};
use crate::journal::{self, JournalRecord, Submission, SubmissionId};
use crate::store::{Batch, Store, StoreError};

/// How many entries are read at once.
const STRETCH: usize = 256;
/// About how many bytes of what enters again go into the journal at once; an append takes no more than 8 MiB.
const APPEND_BYTES: usize = 1 << 20;

/// A statement of this unit that a base cut off, or that waited and speaks of one which it cut off.
#[derive(Debug, Clone)]
pub struct CutOff {
    /// Where it stood; nothing if it waited.
    pub index: Option<u64>,
    /// Its kind.
    pub kind: RecordKind,
    /// Its submission.
    pub submission: SubmissionId,
    /// The bytes of its record.
    pub record: Bytes,
    /// Whether it enters again by itself. If not, it was taken back, or speaks of a record that was cut off as well, which gets
    /// another index.
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
            forgotten.extend(&cut.submissions);
            replace_own(&log, journal, memory, &due, cut, keep)?;
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

/// Notes in the journal that the base replaces what went beyond it, once for each charter, and in the same step what changes
/// for what waits.
fn replace(
    unit: &UnitId,
    journal: &journal::Writer,
    memory: &mut journal::Memory,
    due: &Rebase,
    waits: Vec<JournalRecord>,
) -> Result<(), StartError> {
    if replaced(unit, memory, due) {
        return Ok(());
    }
    let (size, root, charter) = (due.base.size, due.base.root, due.charter);
    let mut records = vec![JournalRecord::Replaced { unit: unit.clone(), size, root, charter }];
    records.extend(waits);
    note(journal, memory, records)
}

/// Makes records durable, and takes them in.
fn note(
    journal: &journal::Writer,
    memory: &mut journal::Memory,
    records: Vec<JournalRecord>,
) -> Result<(), StartError> {
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
    cut: Cut,
    keep: &Keep<'_>,
) -> Result<(), StartError> {
    if replaced(unit, memory, due) {
        return Ok(());
    }
    let Cut { statements, waits, .. } = cut;
    if !statements.is_empty() {
        keep(&due.charter, &statements).map_err(StartError::Journal)?;
        let again = statements.iter().filter(|one| one.enters).count();
        tracing::warn!(
            cut_off = statements.len(),
            enter_again = again,
            "statements of this unit stood beyond the base, or waited and speak of such: those that enter again by themselves are in \
             the outbox, those that were taken back are not, and the others must be said anew (see the file in charter/cut)"
        );
    }
    // In as many steps as it takes: a start that was killed goes on with what does not wait yet, as long as it is not noted
    // that the base replaces what went beyond. What waits no more goes in that last step, for by it the next start would know
    // what was taken back; at 22 bytes each no unit has more of them than go into an append.
    let waiting: BTreeSet<SubmissionId> = memory.outbox.iter().map(|waiting| waiting.id).collect();
    let again = statements.into_iter().filter(|one| one.enters && !waiting.contains(&one.submission));
    let (mut records, mut bytes) = (Vec::new(), 0_usize);
    for one in again {
        bytes = bytes.saturating_add(one.record.len());
        records.push(JournalRecord::Outbox(Submission { id: one.submission, record: one.record }));
        if bytes >= APPEND_BYTES {
            note(journal, memory, std::mem::take(&mut records))?;
            bytes = 0;
        }
    }
    if !records.is_empty() {
        note(journal, memory, records)?;
    }
    replace(unit, journal, memory, due, waits)
}

/// What a base does to what this unit said.
#[derive(Default)]
struct Cut {
    /// For people to read.
    statements: Vec<CutOff>,
    /// What waits no more: it speaks of a record that is cut off, and would speak of another one.
    waits: Vec<JournalRecord>,
    /// The submissions of all that is cut off, whatever becomes of it: they have no place any more.
    submissions: Vec<SubmissionId>,
}

/// A statement of this unit.
struct Said {
    kind: RecordKind,
    submission: SubmissionId,
    record: Bytes,
    body: Body,
}

impl Said {
    /// Of a kind that the header says, or else the body.
    fn read(kind: Option<u32>, record: &Bytes) -> Option<Self> {
        let decoded = wire::Record::decode(record.clone()).ok()?;
        let body = decoded.body?;
        let kind = kind.map_or_else(|| RecordKind::of_body(&body), RecordKind::of_number);
        Some(Self { kind, submission: decoded.submission.try_into().ok()?, record: record.clone(), body })
    }

    fn cut_off(self, index: Option<u64>, enters: bool) -> CutOff {
        CutOff { index, kind: self.kind, submission: self.submission, record: self.record, enters }
    }
}

/// What becomes of a record that a base cut off, though nothing else keeps it from entering again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gone {
    /// It was taken back: people may read it.
    TakenBack,
    /// It was erased: its payload stays nowhere.
    Erased,
}

/// What this unit said beyond what stays, and what waits and speaks of that.
fn cut_off(unit: &UnitId, store: &dyn Store, memory: &journal::Memory, due: &Rebase) -> Result<Cut, StoreError> {
    let keep = due.keep.get();
    let stood = stood(unit, store, memory, keep)?;
    if stood.is_empty() {
        return Ok(Cut::default());
    }
    let speaks = |said: &Said| record::names_own(&said.body, unit, keep);
    let mut gone: BTreeMap<u64, Gone> = BTreeMap::new();
    let mut ends = |(named, how): (u64, Gone)| {
        let known = gone.entry(named).or_insert(how);
        *known = how.max(*known);
    };
    for (index, said) in &stood {
        ends_of(&said.body).filter(|(named, _)| named < index).into_iter().for_each(&mut ends);
        if store.withheld(unit, *index).is_some() {
            ends((*index, Gone::Erased));
        }
    }
    let submissions = stood.values().map(|said| said.submission).collect();
    let (mut waiting, mut waits) = (Vec::new(), Vec::new());
    for one in &memory.outbox {
        let Some(said) = Said::read(None, &one.record).filter(speaks) else { continue };
        ends_of(&said.body).into_iter().for_each(&mut ends);
        waits.push(JournalRecord::OutboxTaken(one.id));
        waiting.push(said.cut_off(None, false));
    }
    for one in memory.proposals.values() {
        let Some(said) = Said::read(None, &one.record).filter(speaks) else { continue };
        // Nobody else has agreed to that yet: it is for people to say whether it enters again, and they need to read it.
        ends_of(&said.body).into_iter().for_each(|(named, _)| ends((named, Gone::TakenBack)));
        waits.push(JournalRecord::ProposalEnded(one.id));
        waiting.push(said.cut_off(None, false));
    }
    let cut = |(index, said): (u64, Said)| {
        let gone = gone.get(&index).filter(|_| said.kind.can_end());
        // Charters are taken up anew by themselves.
        if said.kind == RecordKind::Adopt || gone == Some(&Gone::Erased) {
            return None;
        }
        let enters = gone.is_none() && !speaks(&said);
        Some(said.cut_off(Some(index), enters))
    };
    let statements = stood.into_iter().filter_map(cut).chain(waiting).collect();
    Ok(Cut { statements, waits, submissions })
}

/// Which own record a statement ends, and how.
const fn ends_of(body: &Body) -> Option<(u64, Gone)> {
    match body {
        Body::Withdraw(withdraw) => Some((withdraw.index, Gone::TakenBack)),
        Body::Erase(erase) => Some((erase.index, Gone::Erased)),
        _ => None,
    }
}

/// What this unit said from an index on, from the journal and from the store.
fn stood(
    unit: &UnitId,
    store: &dyn Store,
    memory: &journal::Memory,
    keep: u64,
) -> Result<BTreeMap<u64, Said>, StoreError> {
    let mut stood = BTreeMap::new();
    let mut take = |index: u64, entry: &Entry| {
        let said = entry.payload().and_then(|payload| Said::read(Some(entry.header().kind), payload));
        stood.extend(said.map(|said| (index, said)));
    };
    let mut at = keep;
    while at < store.size(unit).get() {
        // What is withheld has a submission too.
        let entries = store.entries_to_fold(unit, at, STRETCH, usize::MAX)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            take(at, &entry);
            at = at.saturating_add(1);
        }
    }
    for own in memory.entries.iter().filter(|own| own.index >= keep) {
        take(own.index, &own.entry);
    }
    Ok(stood)
}

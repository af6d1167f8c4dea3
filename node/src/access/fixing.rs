//! The records of the own log that fix the access log: what is certified of it is read once.

use entente_proto::ids::UnitId;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use crate::store::{Store, StoreError};

/// How many of the newest own entries are looked through for a head at start.
const LOOKED_THROUGH_MAX: u64 = 1 << 16;
/// Entries of one read.
const STRETCH: u64 = 1_024;
/// Bytes of one read.
const STRETCH_BYTES: usize = 4 << 20;

/// Such a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// Its index in the own log.
    pub index: u64,
    /// The epoch of which it fixes size and root; `None` if it cannot be read.
    pub epoch: Option<u64>,
    /// The time in its header, Unix milliseconds.
    pub time_ms: u64,
}

/// Those that were found so far.
#[derive(Debug, Default)]
pub(super) struct Fixing {
    /// So many entries of the own log were looked through.
    read: u64,
    found: Vec<Fixed>,
}

impl Fixing {
    /// Those among the certified entries of the own log.
    pub(super) fn certified(
        &mut self,
        store: &dyn Store,
        unit: &UnitId,
        certified: u64,
    ) -> Result<&[Fixed], StoreError> {
        if certified < self.read {
            // It was founded anew from a smaller base.
            *self = Self::default();
        }
        self.read = each(store, unit, self.read, certified, &mut self.found)?;
        Ok(&self.found)
    }

    /// Those in the whole of it, and how long it is.
    pub(super) fn all(
        &mut self,
        store: &dyn Store,
        unit: &UnitId,
        certified: u64,
    ) -> Result<(Vec<Fixed>, u64), StoreError> {
        let mut found = self.certified(store, unit, certified)?.to_vec();
        let size = each(store, unit, self.read, store.size(unit).get(), &mut found)?;
        Ok((found, size))
    }
}

/// Looks through entries of a log for such records. Gives where it ended: before `until` if the log does.
fn each(store: &dyn Store, unit: &UnitId, from: u64, until: u64, found: &mut Vec<Fixed>) -> Result<u64, StoreError> {
    let mut at = from;
    while at < until {
        let count = usize::try_from(STRETCH.min(until.saturating_sub(at))).unwrap_or(usize::MAX);
        let entries = store.entries(unit, at, count, STRETCH_BYTES)?;
        if entries.is_empty() {
            break;
        }
        found.extend((at..).zip(&entries).filter(|(_, entry)| is_head(entry)).map(|(index, entry)| Fixed {
            index,
            epoch: head_of(entry).map(|head| head.epoch),
            time_ms: entry.header().time_ms,
        }));
        at = at.saturating_add(entries.len() as u64);
    }
    Ok(at)
}

/// The newest head among the newest entries of the own log.
///
/// # Errors
/// As the store's.
pub fn newest_head(store: &dyn Store, unit: &UnitId) -> Result<Option<wire::AccessHead>, StoreError> {
    let size = store.size(unit).get();
    let first = size.saturating_sub(LOOKED_THROUGH_MAX);
    let mut end = size;
    while end > first {
        let from = end.saturating_sub(STRETCH).max(first);
        let (mut at, mut found) = (from, None);
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let entries = store.entries(unit, at, left, STRETCH_BYTES)?;
            if entries.is_empty() {
                break;
            }
            at = at.saturating_add(entries.len() as u64);
            found = entries.iter().filter_map(head_of).next_back().or(found);
        }
        if found.is_some() {
            return Ok(found);
        }
        end = from;
    }
    Ok(None)
}

fn is_head(entry: &entente_proto::entry::Entry) -> bool {
    entry.header().kind == RecordKind::AccessHead.number()
}

fn head_of(entry: &entente_proto::entry::Entry) -> Option<wire::AccessHead> {
    if !is_head(entry) {
        return None;
    }
    match record::parse(entry.header().kind, entry.payload()?).ok()?.into_body() {
        Body::AccessHead(head) => Some(head),
        _ => None,
    }
}

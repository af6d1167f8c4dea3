//! What was certified since a position.

use std::collections::{BTreeMap, VecDeque};

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::record;
use entente_proto::wire;
use tonic::Status as Answer;

use super::super::withheld::Withheld;
use super::super::words::{record_ref, unreadable};
use crate::core::Core;

/// How many entries are read at a time.
const STRETCH: usize = 256;

/// How far every log is folded.
pub(in crate::unit) fn position(core: &Core) -> BTreeMap<UnitId, u64> {
    core.list.read().folded.clone()
}

/// What a watcher missed: certified records from where it was to where the list was when it called again.
#[derive(Debug)]
pub(in crate::unit) struct Missed {
    logs: VecDeque<(UnitId, u64, u64)>,
}

impl Missed {
    /// From a position that was told before.
    pub(in crate::unit) fn new(from: Vec<wire::LogPosition>, to: &BTreeMap<UnitId, u64>) -> Result<Self, Answer> {
        let mut logs = VecDeque::new();
        let mut begin: BTreeMap<UnitId, u64> = BTreeMap::new();
        for wire::LogPosition { unit, size } in from {
            let unit: UnitId = unit.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?;
            let have = to.get(&unit).copied().unwrap_or_default();
            if size > have {
                return Err(Answer::invalid_argument(format!(
                    "the position says {size} records of {unit}, and this node lists {have}: it comes from another node, or \
                     this one catches up at present; list anew, or call again later"
                )));
            }
            begin.insert(unit, size);
        }
        for (unit, end) in to {
            let from = begin.get(unit).copied().unwrap_or_default();
            if from < *end {
                logs.push_back((unit.clone(), from, *end));
            }
        }
        Ok(Self { logs })
    }

    /// The next of it; nothing when all is told.
    pub(in crate::unit) fn next(&mut self, core: &Core) -> Result<Option<Vec<wire::Change>>, Answer> {
        let Some((unit, from, end)) = self.logs.pop_front() else { return Ok(None) };
        let most = usize::try_from(end - from).unwrap_or(usize::MAX).min(STRETCH);
        let entries = core.store.entries(&unit, from, most, usize::MAX).map_err(|error| unreadable(&error.into()))?;
        if entries.is_empty() {
            return Err(Answer::data_loss("the database of this node cannot be read: its log says more"));
        }
        let state = core.list.read();
        let withheld = Withheld::new(core, &state);
        let next = from + entries.len() as u64;
        let change = |(index, entry): (u64, entente_proto::entry::Entry)| {
            let id = RecordId { unit: unit.clone(), index };
            let said = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
            let target = state.fold.target_of(&id.unit, index).filter(|target| !withheld.hides(target));
            let status = target.as_ref().and_then(|target| withheld.status(&state, target));
            wire::Change {
                id: Some(record_ref(&id)),
                time_ms: entry.header().time_ms,
                record: said.map(record::Statement::into_record),
                certified: true,
                target: target.map(|target| target.to_string()).unwrap_or_default(),
                status: status.map_or(wire::Status::Unspecified, Into::into).into(),
                ..wire::Change::default()
            }
        };
        let changes = (from..).zip(entries).map(change).collect();
        if next < end {
            self.logs.push_front((unit, next, end));
        }
        Ok(Some(changes))
    }
}

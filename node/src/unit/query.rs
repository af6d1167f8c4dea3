//! Questions about the list.

use std::collections::BTreeSet;

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::{self, Standing};
use entente_proto::record::target::TargetType;
use entente_proto::record::{self, Target};
use entente_proto::wire;
use tonic::Status as Answer;

use super::submit::covering;
use super::withheld::{Withheld, erasure};
use super::words::{record_ref, unreadable};
use crate::core::Core;
use crate::list::{ListError, State, Stored};

/// Which rows are asked for.
#[derive(Debug)]
pub(super) struct Filter {
    status: BTreeSet<i32>,
    unit: Option<UnitId>,
    text: String,
    limit: u64,
    after: Option<Target>,
}

impl Filter {
    pub(super) fn new(request: wire::ListRequest) -> Result<Self, Answer> {
        let unit = match request.unit.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?),
        };
        let after = match request.after.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?),
        };
        Ok(Self { status: request.status.into_iter().collect(), unit, text: request.text, limit: request.limit, after })
    }
}

/// The list, a page at a time, so that no lock is held while the caller reads.
#[derive(Debug)]
pub(super) struct Pages {
    filter: Filter,
    given: u64,
    ended: bool,
}

impl Pages {
    pub(super) const fn new(filter: Filter) -> Self {
        Self { filter, given: 0, ended: false }
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// The next rows, up to `count` targets looked at.
    pub(super) fn next(&mut self, core: &Core, count: usize) -> Result<Vec<wire::ListedRow>, ListError> {
        let state = core.list.read();
        let withheld = Withheld::new(core, &state);
        let targets = targets_after(&state, self.filter.after.as_ref(), count);
        self.ended = targets.len() < count;
        let mut rows = Vec::new();
        for target in targets {
            if self.filter.limit > 0 && self.given >= self.filter.limit {
                self.ended = true;
                break;
            }
            if let Some(row) = self.row(core, &state, &withheld, &target)? {
                self.given = self.given.saturating_add(1);
                rows.push(row);
            }
            self.filter.after = Some(target);
        }
        Ok(rows)
    }

    fn row(
        &self,
        core: &Core,
        state: &State,
        withheld: &Withheld,
        target: &Target,
    ) -> Result<Option<wire::ListedRow>, ListError> {
        if withheld.hides(target) {
            return Ok(None);
        }
        let status = state.fold.status(target).map_or(wire::Status::Unspecified, Into::into);
        if !self.filter.status.is_empty() && !self.filter.status.contains(&status.into()) {
            return Ok(None);
        }
        if !target.as_str().contains(&self.filter.text) {
            return Ok(None);
        }
        let row = listed_row(core, state, withheld, target)?;
        if let Some(unit) = &self.filter.unit {
            let certified = row.row.iter().flat_map(|row| &row.referrals).filter_map(|referral| referral.id.as_ref());
            let pending = row.pending.iter().filter_map(|pending| pending.id.as_ref());
            if !certified.chain(pending).any(|id| id.unit == unit.as_str()) {
                return Ok(None);
            }
        }
        Ok(Some(row))
    }
}

/// The next targets of the certified list and of what is pending, ascending.
fn targets_after(state: &State, after: Option<&Target>, count: usize) -> Vec<Target> {
    let mut targets: BTreeSet<Target> =
        state.fold.targets(after).take(count).map(|(target, _)| target.clone()).collect();
    targets.extend(state.pending.targets_after(after).take(count).cloned());
    targets.into_iter().take(count).collect()
}

fn listed_row(core: &Core, state: &State, withheld: &Withheld, target: &Target) -> Result<wire::ListedRow, ListError> {
    let mut certified = state.fold.row(target, &Stored(&*core.store))?;
    if let Some(row) = &mut certified {
        withheld.strip(row);
    }
    let mut pending = Vec::new();
    for id in state.pending.about(target) {
        let Some(entry) = core.store.entry(&id.unit, id.index)? else { continue };
        let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
        pending.push(wire::Pending {
            id: Some(record_ref(id)),
            time_ms: entry.header().time_ms,
            record: statement.map(record::Statement::into_record),
        });
    }
    let row = certified.unwrap_or_else(|| wire::Row { target: target.to_string(), ..Default::default() });
    Ok(wire::ListedRow { row: Some(row), pending, late: Vec::new() })
}

/// Whether inputs, or what is listed above them, are on the list.
pub(super) fn check(core: &Core, inputs: Vec<String>) -> Vec<wire::Checked> {
    let state = core.list.read();
    let withheld = Withheld::new(core, &state);
    inputs.into_iter().map(|input| check_one(core, &state, &withheld, input)).collect()
}

fn check_one(core: &Core, state: &State, withheld: &Withheld, input: String) -> wire::Checked {
    let understood = match record::from_input(&input) {
        Ok(understood) => understood.target,
        // A bare public suffix cannot be referred, but it can be asked about.
        Err(error) => return wire::Checked { input, fault: error.to_string(), ..Default::default() },
    };
    let pending = |target: &Target| state.pending.about(target).next().is_some();
    let above: Vec<Target> = record::parents(&understood).collect();
    let mut checked = wire::Checked {
        target: understood.to_string(),
        pending: pending(&understood) || above.iter().any(pending),
        own: state
            .own_referral(&core.unit, &understood)
            .map(|index| wire::RecordRef { unit: core.unit.to_string(), index }),
        input,
        ..Default::default()
    };
    let own = withheld.status(state, &understood);
    let found = |parent: Target| Some((withheld.status(state, &parent)?, parent));
    let above: Vec<_> = prefixes(core, state, withheld, &understood).chain(above).filter_map(found).collect();
    // A hold goes before everything, wherever it stands; then what is said of the target itself; then the nearest above.
    let held = above.iter().find(|(status, _)| *status == list::Status::Held);
    let nearest = above.iter().find(|(status, _)| *status != list::Status::Cleared);
    let (status, via) = match (own, held.filter(|_| own != Some(list::Status::Held)), nearest) {
        (_, Some((status, parent)), _) => (*status, parent.to_string()),
        (Some(status), None, _) => (status, String::new()),
        (None, None, Some((status, parent))) => (*status, parent.to_string()),
        (None, None, None) => return checked,
    };
    checked.status = wire::Status::from(status).into();
    checked.via = via;
    checked
}

/// The listed addresses that a url continues and of which a referral says that what continues them is meant too, longest
/// first.
fn prefixes<'a>(
    core: &'a Core,
    state: &'a State,
    withheld: &'a Withheld,
    target: &'a Target,
) -> impl Iterator<Item = Target> + 'a {
    let text = target.as_str();
    let path = match target.parts() {
        (TargetType::Url, value) => {
            let host = value.find("://").map_or(0, |at| at + 3);
            let path = value.get(host..).and_then(|rest| rest.find('/')).unwrap_or(value.len());
            (text.len() - value.len()) + host + path + 1
        }
        _ => text.len(),
    };
    let meant = move |parent: &Target| {
        let mut row = state.fold.row(parent, &Stored(&*core.store)).ok().flatten();
        row.iter_mut().for_each(|row| withheld.strip(row));
        row.is_some_and(|row| row.referrals.iter().filter_map(|r| r.refer.as_ref()).any(|refer| refer.prefix))
    };
    let shorter = (path..text.len()).rev().filter_map(|end| text.get(..end)?.parse::<Target>().ok());
    shorter.filter(|parent| state.fold.status(parent).is_some()).filter(meant)
}

/// The story of a target or of a record.
pub(super) fn show(core: &Core, what: &str) -> Result<wire::ShowReply, Answer> {
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
    if records.is_empty() {
        return Err(Answer::not_found(format!("nothing is known of {what}")));
    }
    let row = target
        .map(|target| listed_row(core, &state, &withheld, &target))
        .transpose()
        .map_err(|error| unreadable(&error))?;
    Ok(wire::ShowReply { row, records, family: Vec::new() })
}

/// A record with all that is known of it; nothing where the log is not that long.
pub(super) fn shown(core: &Core, state: &State, id: &RecordId) -> Result<Option<wire::ShownRecord>, Answer> {
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
        Standing::NotThere if state.pending.withdrawn(&id.unit, id.index) => "taken back, not yet certified".to_owned(),
        Standing::Counts | Standing::NotThere => String::new(),
    };
    let cosigned_by = covering(core, id).map(|head| head.cosignatures().keys().map(ToString::to_string).collect());
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

//! Which rows there are.

use std::collections::{BTreeSet, VecDeque};

use entente_proto::ids::UnitId;
use entente_proto::list::Standing;
use entente_proto::record::{self, Target};
use entente_proto::wire;
use entente_proto::wire::record::Body;
use tonic::Status as Answer;

use super::super::withheld::Withheld;
use super::super::words::{record_ref, unreadable};
use super::late::{Moment, late};
use super::listed_row;
use super::operation::all_resurfaced;
use crate::core::Core;
use crate::list::{ListError, State};

/// Which rows are asked for.
#[derive(Debug)]
pub(in crate::unit) struct Filter {
    status: BTreeSet<i32>,
    unit: Option<UnitId>,
    /// In lower case, like the two after it.
    text: String,
    campaign: String,
    provider: String,
    category: BTreeSet<i32>,
    availability: BTreeSet<i32>,
    overdue: bool,
    since_ms: u64,
    moment: Moment,
    sort: wire::Sort,
    limit: u64,
    after: Option<Place>,
    withdrawn: bool,
    resurfaced: bool,
}

/// Where a row stands in the order asked for: by its key, then by its target. By target every key is 0.
type Place = (u64, Target);

impl Filter {
    pub(in crate::unit) fn new(core: &Core, request: wire::ListRequest) -> Result<Self, Answer> {
        let sort = request.sort();
        let unit = match request.unit.as_str() {
            "" => None,
            text => {
                let unit: UnitId = text.parse().map_err(|error| Answer::invalid_argument(format!("{error}")))?;
                let known = core.log(&unit).map(|_| unit);
                Some(known.ok_or_else(|| Answer::invalid_argument(format!("{text} is not a unit of this network")))?)
            }
        };
        let after = match request.after.as_str() {
            "" => None,
            text => Some(place(core, sort, text)?),
        };
        let at_ms = if request.at_ms == 0 { core.clock.now_ms() } else { request.at_ms };
        Ok(Self {
            status: request.status.into_iter().collect(),
            unit,
            text: request.text.to_lowercase(),
            campaign: request.campaign,
            provider: request.provider.to_lowercase(),
            category: request.category.into_iter().collect(),
            availability: request.availability.into_iter().collect(),
            overdue: request.overdue,
            since_ms: request.since_ms,
            moment: Moment { at_ms, answer_within_ms: request.answer_within_ms },
            sort,
            limit: request.limit,
            after,
            withdrawn: request.withdrawn,
            resurfaced: request.resurfaced,
        })
    }

    /// The row of a target, if it is asked for.
    fn row(
        &self,
        core: &Core,
        state: &State,
        withheld: &Withheld,
        target: &Target,
    ) -> Result<Option<wire::ListedRow>, ListError> {
        let status = state.fold.status(target).map_or(wire::Status::Unspecified, Into::into);
        let waits = |unit: &UnitId| state.pending.referral(unit, target).is_some();
        if withheld.hides(target) || !self.status.is_empty() && !self.status.contains(&status.into()) {
            return Ok(None);
        }
        let mut listed = late(listed_row(core, state, withheld, target)?, self.moment);
        if self.withdrawn {
            listed.withdrawn = withdrawn(core, state, withheld, target)?;
        }
        let refers = self.unit.as_ref().is_none_or(|unit| refers(&listed, unit) || waits(unit));
        Ok(Some(listed).filter(|listed| refers && self.wants(listed)))
    }

    fn wants(&self, listed: &wire::ListedRow) -> bool {
        let empty = wire::Row::default();
        let row = listed.row.as_ref().unwrap_or(&empty);
        let pending = || listed.pending.iter().filter_map(|pending| pending.record.as_ref()?.body.as_ref());
        let refers = || {
            let waiting = pending().filter_map(|body| match body {
                Body::Refer(refer) => Some(refer),
                _ => None,
            });
            row.referrals.iter().filter_map(|referral| referral.refer.as_ref()).chain(waiting)
        };
        let to_provider = || {
            let sent = row.dispatches.iter().filter_map(|row| row.dispatch.as_ref()).map(|dispatch| &dispatch.provider);
            let mut named = refers().map(|refer| &refer.provider).chain(sent);
            named.any(|provider| provider.to_lowercase().contains(&self.provider))
        };
        let seen = row.availability.as_ref().and_then(|row| row.observe.as_ref()).map(|seen| seen.availability);
        (self.campaign.is_empty() || refers().any(|refer| refer.campaign == self.campaign))
            && (self.provider.is_empty() || to_provider())
            && (self.category.is_empty()
                || refers().any(|refer| refer.categories.iter().any(|one| self.category.contains(one))))
            && (self.availability.is_empty() || seen.is_some_and(|seen| self.availability.contains(&seen)))
            && (!self.overdue || !listed.late.is_empty())
            && (self.since_ms == 0 || newest(listed) >= self.since_ms)
            && (self.text.is_empty() || self.says(row, pending()))
    }

    /// Whether the target, or anything that was said about it, contains the text.
    fn says<'a>(&self, row: &'a wire::Row, pending: impl Iterator<Item = &'a Body>) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        let refer = |refer: &wire::Refer| {
            [&refer.description, &refer.provider, &refer.campaign, &refer.override_reason]
                .into_iter()
                .any(|text| has(text))
        };
        let hold = |hold: &wire::Hold| has(&hold.reason) || has(&hold.contact);
        let mut waiting = pending;
        has(&row.target)
            || row.referrals.iter().filter_map(|row| row.refer.as_ref()).any(refer)
            || row.holds.iter().filter_map(|row| row.hold.as_ref()).any(hold)
            || row.opinions.iter().filter_map(|row| row.opinion.as_ref()).any(|opinion| has(&opinion.text))
            || row
                .dispatches
                .iter()
                .filter_map(|row| row.dispatch.as_ref())
                .any(|one| has(&one.provider) || has(&one.channel))
            || row.outcomes.iter().filter_map(|row| row.outcome.as_ref()).any(|outcome| has(&outcome.reason))
            || waiting.any(|body| match body {
                Body::Refer(one) => refer(one),
                Body::Hold(one) => hold(one),
                Body::Opinion(one) => has(&one.text),
                _ => false,
            })
    }
}

/// The referrals of a target that were withdrawn.
fn withdrawn(
    core: &Core,
    state: &State,
    withheld: &Withheld,
    target: &Target,
) -> Result<Vec<wire::WithdrawnReferral>, ListError> {
    let mut found = Vec::new();
    for id in state.fold.records_about(target) {
        let Standing::Withdrawn { by } = state.fold.standing(&id.unit, id.index) else { continue };
        let entry = |index| core.store.entry(&id.unit, index);
        let (Some(said), Some(back)) = (entry(id.index)?.filter(|_| !withheld.holds(&id)), entry(by)?) else {
            continue;
        };
        let statement = said.payload().and_then(|payload| record::parse(said.header().kind, payload).ok());
        let Some(Body::Refer(mut refer)) = statement.map(record::Statement::into_body) else { continue };
        refer.target.clear();
        let (id, refer) = (Some(record_ref(&id)), Some(refer));
        let referral = Some(wire::Referral { id, time_ms: said.header().time_ms, refer });
        found.push(wire::WithdrawnReferral { referral, time_ms: back.header().time_ms });
    }
    Ok(found)
}

/// Whether a referral of this unit stands.
fn refers(listed: &wire::ListedRow, unit: &UnitId) -> bool {
    let referrals = listed.row.iter().flat_map(|row| &row.referrals);
    referrals.filter_map(|referral| referral.id.as_ref()).any(|id| id.unit == unit.as_str())
}

/// When something was last said about a target, Unix milliseconds.
fn newest(listed: &wire::ListedRow) -> u64 {
    let empty = wire::Row::default();
    let row = listed.row.as_ref().unwrap_or(&empty);
    let times = row.referrals.iter().map(|row| row.time_ms);
    let times = times.chain(row.holds.iter().map(|row| row.time_ms));
    let times = times.chain(row.opinions.iter().map(|row| row.time_ms));
    let times = times.chain(row.dispatches.iter().map(|row| row.time_ms));
    let times = times.chain(row.outcomes.iter().map(|row| row.time_ms));
    let times = times.chain(row.links.iter().map(|row| row.time_ms));
    let times = times.chain(row.availability.iter().map(|row| row.time_ms));
    times.chain(listed.pending.iter().map(|pending| pending.time_ms)).max().unwrap_or_default()
}

/// The list, a page at a time, so that no lock is held while the caller reads.
#[derive(Debug)]
pub(in crate::unit) struct Pages {
    filter: Filter,
    /// In another order than by target: the rows still to be given. Collected first.
    sorted: Option<VecDeque<Place>>,
    /// Where only those are asked for: what came back. Collected first.
    resurfaced: Option<BTreeSet<Target>>,
    given: u64,
    ended: bool,
}

impl Pages {
    pub(in crate::unit) const fn new(filter: Filter) -> Self {
        Self { filter, sorted: None, resurfaced: None, given: 0, ended: false }
    }

    pub(in crate::unit) const fn ended(&self) -> bool {
        self.ended
    }

    /// The next rows, up to `count` targets looked at. After an error the next call begins with the same ones.
    pub(in crate::unit) fn next(&mut self, core: &Core, count: usize) -> Result<Vec<wire::ListedRow>, ListError> {
        if self.filter.sort != wire::Sort::Target && self.sorted.is_none() {
            self.sorted = Some(self.sort(core, count)?);
        }
        let state = core.list.read_in_order();
        let withheld = Withheld::new(core, &state);
        if self.filter.resurfaced && self.resurfaced.is_none() {
            self.resurfaced = Some(all_resurfaced(core, &state, &withheld)?);
        }
        let places: Vec<Place> = match &self.sorted {
            Some(sorted) => sorted.iter().take(count).cloned().collect(),
            None => {
                let after = self.filter.after.as_ref().map(|(_, target)| target);
                targets_after(&state, after, count).into_iter().map(|target| (0, target)).collect()
            }
        };
        let (mut ended, mut given) = (places.len() < count, self.given);
        let mut rows = Vec::new();
        for place in &places {
            if self.filter.limit > 0 && given >= self.filter.limit {
                ended = true;
                break;
            }
            if self.resurfaced.as_ref().is_some_and(|back| !back.contains(&place.1)) {
                continue;
            }
            // What was collected may have changed since.
            if let Some(row) = self.filter.row(core, &state, &withheld, &place.1)? {
                given = given.saturating_add(1);
                rows.push(wire::ListedRow { cursor: cursor(self.filter.sort, place), ..row });
            }
        }
        (self.ended, self.given) = (ended, given);
        if let Some(sorted) = &mut self.sorted {
            sorted.drain(..places.len());
        }
        if let Some(last) = places.into_iter().next_back() {
            self.filter.after = Some(last);
        }
        Ok(rows)
    }

    /// All targets asked for, in their order, from behind the one named.
    fn sort(&self, core: &Core, count: usize) -> Result<VecDeque<Place>, ListError> {
        let mut found: Vec<Place> = Vec::new();
        let mut last: Option<Target> = None;
        loop {
            let state = core.list.read_in_order();
            let withheld = Withheld::new(core, &state);
            let targets = targets_after(&state, last.as_ref(), count);
            let ended = targets.len() < count;
            for target in targets {
                if let Some(row) = self.filter.row(core, &state, &withheld, &target)? {
                    found.push((key(self.filter.sort, &row), target.clone()));
                }
                last = Some(target);
            }
            if ended {
                break;
            }
        }
        found.sort();
        let given = self.filter.after.as_ref().map_or(0, |after| found.partition_point(|place| place <= after));
        Ok(found.into_iter().skip(given).collect())
    }
}

/// What rows are ordered by, ascending.
fn key(sort: wire::Sort, row: &wire::ListedRow) -> u64 {
    match sort {
        wire::Sort::Target => 0,
        wire::Sort::Newest => u64::MAX - newest(row),
        wire::Sort::Oldest => newest(row),
        wire::Sort::Status => rank(row),
    }
}

fn word(sort: wire::Sort) -> &'static str {
    match sort {
        wire::Sort::Target => "target",
        wire::Sort::Newest => "newest",
        wire::Sort::Oldest => "oldest",
        wire::Sort::Status => "status",
    }
}

/// A place as a caller keeps it: it holds whatever becomes of the row. By target it is the target; otherwise the order's
/// word and key go before it, `newest/18446742310000000000/domain:news.example`.
fn cursor(sort: wire::Sort, (key, target): &Place) -> String {
    match sort {
        wire::Sort::Target => target.to_string(),
        _ => format!("{}/{key}/{target}", word(sort)),
    }
}

/// Where to go on: behind a cursor, or behind a target that has a row.
fn place(core: &Core, sort: wire::Sort, text: &str) -> Result<Place, Answer> {
    for of in [wire::Sort::Newest, wire::Sort::Oldest, wire::Sort::Status] {
        let Some(rest) = text.strip_prefix(word(of)).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if of != sort {
            return Err(Answer::invalid_argument(format!("{text} is a place in another order: --sort {}", word(of))));
        }
        let place = rest.split_once('/').and_then(|(key, target)| Some((key.parse().ok()?, target.parse().ok()?)));
        return place.ok_or_else(|| Answer::invalid_argument(format!("{text} is not the cursor of a row")));
    }
    let target = text.parse().ok().or_else(|| Some(record::from_input(text).ok()?.target));
    let target: Target = target.ok_or_else(|| Answer::invalid_argument(format!("{text} is not a target")))?;
    if sort == wire::Sort::Target {
        return Ok((0, target));
    }
    let state = core.list.read();
    let withheld = Withheld::new(core, &state);
    let known = state.fold.status(&target).is_some() || state.pending.about(&target).next().is_some();
    if withheld.hides(&target) || !known {
        return Err(Answer::invalid_argument(format!(
            "{target} is not on the list any more, so it has no place in this order: give the cursor of the row, as --json tells it"
        )));
    }
    let row = listed_row(core, &state, &withheld, &target).map_err(|error| unreadable(&error))?;
    Ok((key(sort, &row), target))
}

/// Held, disputed, listed, cleared, pending.
fn rank(listed: &wire::ListedRow) -> u64 {
    match listed.row.as_ref().map(wire::Row::status) {
        Some(wire::Status::Held) => 0,
        Some(wire::Status::Disputed) => 1,
        Some(wire::Status::Listed) => 2,
        Some(wire::Status::Cleared) => 3,
        Some(wire::Status::Unspecified) | None => 4,
    }
}

/// The next targets of the certified list and of what is pending, ascending.
fn targets_after(state: &State, after: Option<&Target>, count: usize) -> Vec<Target> {
    let mut targets: BTreeSet<Target> =
        state.fold.targets(after).take(count).map(|(target, _)| target.clone()).collect();
    targets.extend(state.pending.targets_after(after).take(count).cloned());
    targets.into_iter().take(count).collect()
}

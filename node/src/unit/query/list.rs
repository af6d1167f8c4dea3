//! Which rows there are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use entente_proto::ids::UnitId;
use entente_proto::record::Target;
use entente_proto::wire;
use entente_proto::wire::record::Body;
use tonic::Status as Answer;

use super::super::withheld::Withheld;
use super::late::{Moment, late};
use super::listed_row;
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
    after: Option<Target>,
}

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
            text => {
                let target = text.parse().ok();
                let target = target.or_else(|| Some(entente_proto::record::from_input(text).ok()?.target));
                Some(target.ok_or_else(|| Answer::invalid_argument(format!("{text} is not a target")))?)
            }
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
        if withheld.hides(target) || !self.status.is_empty() && !self.status.contains(&status.into()) {
            return Ok(None);
        }
        let listed = late(listed_row(core, state, withheld, target)?, self.moment);
        Ok(Some(listed).filter(|listed| self.wants(listed)))
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
        let by_unit = |unit: &UnitId| {
            let certified = row.referrals.iter().filter_map(|referral| referral.id.as_ref());
            let waiting = listed.pending.iter().filter_map(|pending| pending.id.as_ref());
            certified.chain(waiting).any(|id| id.unit == unit.as_str())
        };
        let to_provider = || {
            let sent = row.dispatches.iter().filter_map(|row| row.dispatch.as_ref()).map(|dispatch| &dispatch.provider);
            let mut named = refers().map(|refer| &refer.provider).chain(sent);
            named.any(|provider| provider.to_lowercase().contains(&self.provider))
        };
        let seen = row.availability.as_ref().and_then(|row| row.observe.as_ref()).map(|seen| seen.availability);
        self.unit.as_ref().is_none_or(by_unit)
            && (self.campaign.is_empty() || refers().any(|refer| refer.campaign == self.campaign))
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
    /// In another order than by target: the targets still to be given. Collected first.
    sorted: Option<VecDeque<Target>>,
    given: u64,
    ended: bool,
}

impl Pages {
    pub(in crate::unit) const fn new(filter: Filter) -> Self {
        Self { filter, sorted: None, given: 0, ended: false }
    }

    pub(in crate::unit) const fn ended(&self) -> bool {
        self.ended
    }

    /// The next rows, up to `count` targets looked at.
    pub(in crate::unit) fn next(&mut self, core: &Core, count: usize) -> Result<Vec<wire::ListedRow>, ListError> {
        if self.filter.sort != wire::Sort::Target && self.sorted.is_none() {
            self.sorted = Some(self.sort(core, count)?);
        }
        let state = core.list.read_in_order();
        let withheld = Withheld::new(core, &state);
        let targets: Vec<Target> = match &mut self.sorted {
            Some(sorted) => sorted.drain(..count.min(sorted.len())).collect(),
            None => targets_after(&state, self.filter.after.as_ref(), count),
        };
        self.ended = targets.len() < count;
        let mut rows = Vec::new();
        for target in targets {
            if self.filter.limit > 0 && self.given >= self.filter.limit {
                self.ended = true;
                break;
            }
            // What was collected may have changed since.
            if let Some(row) = self.filter.row(core, &state, &withheld, &target)? {
                self.given = self.given.saturating_add(1);
                rows.push(row);
            }
            self.filter.after = Some(target);
        }
        Ok(rows)
    }

    /// All targets asked for, in their order, from behind the one named.
    fn sort(&self, core: &Core, count: usize) -> Result<VecDeque<Target>, ListError> {
        let mut found: Vec<((u64, Reverse<u64>), Target)> = Vec::new();
        let mut last: Option<Target> = None;
        loop {
            let state = core.list.read_in_order();
            let withheld = Withheld::new(core, &state);
            let targets = targets_after(&state, last.as_ref(), count);
            let ended = targets.len() < count;
            for target in targets {
                if let Some(row) = self.filter.row(core, &state, &withheld, &target)? {
                    let key = match self.filter.sort {
                        wire::Sort::Newest => (0, Reverse(newest(&row))),
                        wire::Sort::Oldest => (newest(&row), Reverse(0)),
                        wire::Sort::Status | wire::Sort::Target => (rank(&row), Reverse(0)),
                    };
                    found.push((key, target.clone()));
                }
                last = Some(target);
            }
            if ended {
                break;
            }
        }
        found.sort();
        let mut targets: VecDeque<Target> = found.into_iter().map(|(_, target)| target).collect();
        if let Some(after) = &self.filter.after
            && let Some(at) = targets.iter().position(|target| target == after)
        {
            targets.drain(..=at);
        }
        Ok(targets)
    }
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

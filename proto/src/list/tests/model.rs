//! The specification at the head of the module, written down a second time without any index: everything is computed
//! from whole logs. Slow, and made to be compared with.

use std::collections::BTreeSet;

use super::*;
use crate::record::statement;
use crate::wire::{DispatchRow, HoldRow, LinkRow, Observation, OpinionRow, OutcomeRow, Referral};

pub(super) struct Model<'a> {
    logs: &'a Logs,
}

impl<'a> Model<'a> {
    pub(super) fn new(logs: &'a Logs) -> Self {
        Self { logs }
    }

    fn body(&self, id: &RecordRef) -> Option<Body> {
        let entry = self.logs.get(&unit(&id.unit))?.get(id.index as usize)?;
        statement::parse(entry.kind, &entry.payload).ok().map(|said| said.into_body())
    }

    /// The index of the record that first withdrew it, and of the one that erased it.
    pub(super) fn ends(&self, id: &RecordRef) -> (Option<u64>, Option<u64>) {
        let log = &self.logs[&unit(&id.unit)];
        let (mut withdrawn, mut erased) = (None, None);
        if log.get(id.index as usize).is_some_and(|entry| RecordKind::of_number(entry.kind).can_end()) {
            for by in id.index + 1..log.len() as u64 {
                match self.body(&RecordRef { unit: id.unit.clone(), index: by }) {
                    Some(Body::Withdraw(said)) if said.index == id.index && erased.is_none() => {
                        withdrawn = withdrawn.or(Some(by));
                    }
                    Some(Body::Erase(said)) if said.index == id.index => erased = erased.or(Some(by)),
                    _ => {}
                }
            }
        }
        (withdrawn, erased)
    }

    /// What a record says, unless it was erased.
    fn there(&self, id: &RecordRef) -> Option<Body> {
        self.body(id).filter(|_| self.ends(id).1.is_none())
    }

    fn stands(&self, id: &RecordRef) -> Option<Body> {
        self.body(id).filter(|_| self.ends(id) == (None, None))
    }

    fn counts(&self, id: &RecordRef) -> Option<Body> {
        let body = self.stands(id)?;
        let back = |on: &RecordRef| on.unit != id.unit || on.index < id.index;
        let known = |on: &Option<RecordRef>| on.clone().filter(|on| self.logs.contains_key(&unit(&on.unit)));
        let counts = match &body {
            Body::Opinion(said) => {
                known(&said.on).is_some_and(|on| on.unit != id.unit && matches!(self.stands(&on), Some(Body::Refer(_))))
            }
            Body::Dispatch(said) => {
                known(&said.on).is_some_and(|on| back(&on) && matches!(self.there(&on), Some(Body::Refer(_))))
            }
            Body::Outcome(said) => {
                // Only into a dispatch: outcomes of two units may name each other in a circle.
                let dispatch = |on: &RecordRef| matches!(self.stands(on), Some(Body::Dispatch(_)));
                known(&said.on).is_some_and(|on| back(&on) && dispatch(&on) && self.counts(&on).is_some())
            }
            Body::Observe(said) => said.observed_ms <= self.time(id),
            _ => true,
        };
        counts.then_some(body)
    }

    fn time(&self, id: &RecordRef) -> u64 {
        self.logs[&unit(&id.unit)][id.index as usize].time_ms
    }

    fn ids(&self) -> Vec<RecordRef> {
        let ids = self.logs.iter().flat_map(|(unit, log)| {
            (0..log.len() as u64).map(move |index| RecordRef { unit: unit.as_str().into(), index })
        });
        ids.collect()
    }

    fn target_of(&self, id: &RecordRef) -> String {
        match self.there(id) {
            Some(Body::Refer(said)) => said.target,
            Some(Body::Dispatch(said)) => self.target_of(&said.on.unwrap()),
            _ => String::new(),
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let ids = self.ids();
        let targets: BTreeSet<String> = ids
            .iter()
            .filter_map(|id| match self.there(id) {
                Some(Body::Refer(said)) => Some(said.target),
                Some(Body::Hold(said)) => Some(said.target),
                _ => None,
            })
            .collect();
        targets.into_iter().map(|target| self.row(target, &ids)).collect()
    }

    fn row(&self, target: String, ids: &[RecordRef]) -> Row {
        let mut row = Row { target: target.clone(), ..Row::default() };
        let mut newest = None;
        let mut objected = false;
        for key in ids {
            let (id, time_ms) = (Some(key.clone()), self.time(key));
            match self.counts(key) {
                Some(Body::Refer(mut said)) if said.target == target => {
                    said.target.clear();
                    row.referrals.push(Referral { id, time_ms, refer: Some(said) });
                }
                Some(Body::Hold(mut said)) if said.target == target => {
                    said.target.clear();
                    row.holds.push(HoldRow { id, time_ms, hold: Some(said) });
                }
                Some(Body::Opinion(said)) if self.target_of(said.on.as_ref().unwrap()) == target => {
                    objected |= said.stance == 2;
                    row.opinions.push(OpinionRow { id, time_ms, opinion: Some(said) });
                }
                Some(Body::Dispatch(said)) if self.target_of(said.on.as_ref().unwrap()) == target => {
                    row.dispatches.push(DispatchRow { id, time_ms, dispatch: Some(said) });
                }
                Some(Body::Outcome(said)) if self.target_of(said.on.as_ref().unwrap()) == target => {
                    row.outcomes.push(OutcomeRow { id, time_ms, outcome: Some(said) });
                }
                Some(Body::Link(said)) if said.first == target || said.second == target => {
                    row.links.push(LinkRow { id, time_ms, link: Some(said) });
                }
                Some(Body::Observe(mut said)) if said.target == target => {
                    said.target.clear();
                    let rank = (said.observed_ms, key.unit.clone(), key.index);
                    if newest.as_ref().is_none_or(|newest| *newest < rank) {
                        newest = Some(rank);
                        row.availability = Some(Observation { id, time_ms, observe: Some(said) });
                    }
                }
                _ => {}
            }
        }
        let status = if !row.holds.is_empty() {
            wire::Status::Held
        } else if objected {
            wire::Status::Disputed
        } else if !row.referrals.is_empty() {
            wire::Status::Listed
        } else {
            wire::Status::Cleared
        };
        row.status = status.into();
        row
    }
}

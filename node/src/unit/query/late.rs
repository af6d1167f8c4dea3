//! What is late about a target, at a moment: a view that the digest knows nothing of.

use std::collections::BTreeSet;

use entente_proto::wire::{Basis, Late, ListedRow, Overdue, RecordRef};

/// How long a provider has after a removal order: Regulation (EU) 2021/784 Art. 3(3).
const AFTER_AN_ORDER_MS: u64 = 3_600_000;
/// How long a provider has after any other referral.
const AFTER_A_REFERRAL_MS: u64 = 24 * 3_600_000;

/// The moment for which it is asked, and how long providers have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Unix milliseconds.
    pub(crate) at_ms: u64,
    /// For an answer; 0 for as long as the law says.
    pub(crate) answer_within_ms: u64,
}

/// Adds to a row what is late about it: by when it was due, then by record.
pub(super) fn late(mut listed: ListedRow, moment: Moment) -> ListedRow {
    let Some(row) = &listed.row else { return listed };
    let key = |id: &Option<RecordRef>| id.as_ref().map(|id| (id.unit.clone(), id.index));
    let orders: BTreeSet<_> = row
        .referrals
        .iter()
        .filter(|referral| referral.refer.as_ref().is_some_and(|refer| refer.basis == Basis::RemovalOrder as i32))
        .filter_map(|referral| key(&referral.id))
        .collect();
    let answered: BTreeSet<_> = row.outcomes.iter().filter_map(|row| key(&row.outcome.as_ref()?.on)).collect();
    let has = |on: &Option<RecordRef>, among: &BTreeSet<(String, u64)>| key(on).is_some_and(|on| among.contains(&on));
    let mut found = Vec::new();
    let mut add = |what: Overdue, id: &Option<RecordRef>, since_ms: u64| {
        if since_ms != 0 && since_ms < moment.at_ms {
            found.push(Late { what: what.into(), id: id.clone(), since_ms });
        }
    };
    for dispatched in row.dispatches.iter().filter(|row| !has(&row.id, &answered)) {
        let Some(dispatch) = &dispatched.dispatch else { continue };
        let within = match moment.answer_within_ms {
            0 if has(&dispatch.on, &orders) => AFTER_AN_ORDER_MS,
            0 => AFTER_A_REFERRAL_MS,
            within => within,
        };
        add(Overdue::Answer, &dispatched.id, dispatch.at_ms.saturating_add(within));
    }
    for referral in &row.referrals {
        add(Overdue::Review, &referral.id, referral.refer.as_ref().map_or(0, |refer| refer.review_by_ms));
    }
    for held in &row.holds {
        add(Overdue::Hold, &held.id, held.hold.as_ref().map_or(0, |hold| hold.until_ms));
    }
    found.sort_by_key(|late| (late.since_ms, key(&late.id)));
    listed.late = found;
    listed
}

#[cfg(test)]
mod tests {
    use entente_proto::wire::{Dispatch, DispatchRow, Hold, HoldRow, Outcome, OutcomeRow, Refer, Referral, Row};

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn id(index: u64) -> Option<RecordRef> {
        Some(RecordRef { unit: "BE".into(), index })
    }

    fn referral(index: u64, basis: Basis, review_by_ms: u64) -> Referral {
        let refer = Refer { basis: basis.into(), review_by_ms, ..Refer::default() };
        Referral { id: id(index), time_ms: 1, refer: Some(refer) }
    }

    fn dispatch(index: u64, on: u64) -> DispatchRow {
        let dispatch = Dispatch { on: id(on), at_ms: 1_000, ..Dispatch::default() };
        DispatchRow { id: id(index), time_ms: 1, dispatch: Some(dispatch) }
    }

    fn whats(row: &Row, at_ms: u64, answer_within_ms: u64) -> Vec<(i32, u64)> {
        let listed = ListedRow { row: Some(row.clone()), ..ListedRow::default() };
        let late = late(listed, Moment { at_ms, answer_within_ms }).late;
        late.into_iter().map(|late| (late.what, late.id.unwrap().index)).collect()
    }

    #[test]
    fn an_answer_is_late_after_an_hour_for_an_order_and_a_day_for_a_referral_unless_it_came() {
        let outcome = Outcome { on: id(4), ..Outcome::default() };
        let row = Row {
            referrals: vec![referral(1, Basis::RemovalOrder, 0), referral(2, Basis::Referral, 0)],
            dispatches: vec![dispatch(3, 1), dispatch(4, 1), dispatch(5, 2)],
            outcomes: vec![OutcomeRow { id: id(6), time_ms: 1, outcome: Some(outcome) }],
            ..Row::default()
        };
        let answer = Overdue::Answer as i32;
        assert_eq!(whats(&row, 1_000 + HOUR, 0), []);
        assert_eq!(whats(&row, 1_001 + HOUR, 0), [(answer, 3)]);
        assert_eq!(whats(&row, 1_001 + 24 * HOUR, 0), [(answer, 3), (answer, 5)]);
        assert_eq!(whats(&row, 1_001 + 2 * HOUR, 2 * HOUR), [(answer, 3), (answer, 5)]);
    }

    #[test]
    fn reviews_and_holds_are_late_once_their_dates_have_passed() {
        let hold = Hold { until_ms: 500, ..Hold::default() };
        let row = Row {
            referrals: vec![referral(1, Basis::Referral, 600), referral(2, Basis::Referral, 0)],
            holds: vec![HoldRow { id: id(3), time_ms: 1, hold: Some(hold) }],
            ..Row::default()
        };
        assert_eq!(whats(&row, 500, 0), []);
        assert_eq!(whats(&row, 601, 0), [(Overdue::Hold as i32, 3), (Overdue::Review as i32, 1)]);
    }
}

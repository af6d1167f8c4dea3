//! Which records a statement speaks of.

use crate::ids::UnitId;
use crate::wire::operation_step::Step;
use crate::wire::record::Body;
use crate::wire::{RecordRef, Referrals};

/// Whether a statement of this unit names a record of its own log from this index on: it would speak of another one, if that
/// record stood elsewhere.
#[must_use]
pub fn names_own(body: &Body, unit: &UnitId, from: u64) -> bool {
    let own = |reference: &RecordRef| reference.unit == unit.as_str() && reference.index >= from;
    let within = |list: &Referrals| list.unit == unit.as_str() && list.indexes.iter().any(|index| *index >= from);
    let any = |lists: &[Referrals]| lists.iter().any(within);
    let one = |reference: &Option<RecordRef>| reference.as_ref().is_some_and(own);
    match body {
        Body::Withdraw(withdraw) => withdraw.index >= from,
        Body::Erase(erase) => erase.index >= from,
        Body::Opinion(opinion) => one(&opinion.on),
        Body::Dispatch(dispatch) => one(&dispatch.on),
        Body::Outcome(outcome) => one(&outcome.on),
        Body::Evidence(evidence) => one(&evidence.operation),
        Body::Custody(custody) => one(&custody.item),
        Body::Operation(operation) => any(&operation.targets),
        Body::OperationStep(step) => {
            one(&step.operation)
                || match &step.step {
                    Some(Step::Add(targets) | Step::Remove(targets)) => any(&targets.targets),
                    Some(Step::Freeze(freeze)) => any(&freeze.targets),
                    Some(Step::Go(go)) => go.overrides.iter().any(own) || any(&go.excluded),
                    Some(Step::Executed(executed)) => one(&executed.target),
                    Some(Step::Assign(assign)) => any(&assign.targets),
                    Some(
                        Step::Invite(_)
                        | Step::Join(_)
                        | Step::Decline(_)
                        | Step::Ready(_)
                        | Step::Abort(_)
                        | Step::Close(_),
                    )
                    | None => false,
                }
        }
        Body::Refer(_)
        | Body::Hold(_)
        | Body::Observe(_)
        | Body::Link(_)
        | Body::Adopt(_)
        | Body::Propose(_)
        | Body::Approve(_)
        | Body::Revoke(_)
        | Body::ForkProof(_)
        | Body::AccessHead(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Opinion, Refer, Withdraw};

    #[test]
    fn a_statement_names_own_records_from_an_index_on() {
        let be = "BE".parse().unwrap();
        let withdraw = Body::Withdraw(Withdraw { index: 5, ..Withdraw::default() });
        assert!(names_own(&withdraw, &be, 5) && !names_own(&withdraw, &be, 6));
        let on = |unit: &str| {
            let on = Some(RecordRef { unit: unit.into(), index: 5 });
            Body::Opinion(Opinion { on, ..Opinion::default() })
        };
        assert!(names_own(&on("BE"), &be, 5) && !names_own(&on("BE"), &be, 6) && !names_own(&on("FR"), &be, 0));
        assert!(!names_own(&Body::Refer(Refer::default()), &be, 0));
    }
}

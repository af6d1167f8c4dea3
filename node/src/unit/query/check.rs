//! Whether something is on the list, or stands below something that is.

use entente_proto::list::{LIKENESS, Way};
use entente_proto::record::{self, Target};
use entente_proto::wire;

use super::super::holds::holds;
use super::super::withheld::Withheld;
use super::super::words::record_ref;
use crate::core::Core;
use crate::list::State;

/// Answers for each input.
pub(in crate::unit) fn check(core: &Core, request: wire::CheckRequest) -> Vec<wire::Checked> {
    let likeness = request.likeness.unwrap_or(LIKENESS);
    let state = core.list.read();
    let withheld = Withheld::new(core, &state);
    request.inputs.into_iter().map(|input| check_one(core, &state, &withheld, likeness, input)).collect()
}

fn check_one(core: &Core, state: &State, withheld: &Withheld, likeness: u32, input: String) -> wire::Checked {
    let understood = match record::from_input(&input) {
        Ok(understood) => understood,
        // A bare public suffix cannot be referred, but it can be asked about.
        Err(error) => return wire::Checked { input, fault: error.to_string(), ..Default::default() },
    };
    let (target, mut notices) = (understood.target, understood.notices);
    // Also those below it, which would go down with it, and those that are not yet certified.
    notices.extend(holds(state, &target, false));
    let pending = |target: &Target| state.pending.about(target).next().is_some();
    let own = state.own_referral(&core.unit, &target);
    let own = own.map(|index| record_ref(&entente_proto::ids::RecordId { unit: core.unit.clone(), index }));
    let referral = own.clone().or_else(|| state.fold.first_referral(&target).as_ref().map(record_ref));
    let mut checked = wire::Checked {
        referral,
        target: target.to_string(),
        pending: state.pending.count() > 0
            && (pending(&target) || record::parents(&target).any(|above| pending(&above))),
        own,
        input,
        notices,
        ..Default::default()
    };
    if let Some(found) = state.fold.check(&target, likeness, |target| !withheld.hides(target)) {
        checked.status = wire::Status::from(found.status).into();
        if found.way != Way::Itself {
            checked.via = found.target.to_string();
        }
        if let Way::Like(bits) = found.way {
            checked.differs = Some(bits);
        }
    }
    checked
}

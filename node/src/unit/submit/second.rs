//! What a second officer decides about, looked at once more.

use entente_proto::record;
use entente_proto::wire::record::Body;

use super::against::holds;
use super::{Prepared, Refusal, refusal};
use crate::config::DeskConfig;
use crate::core::{Core, Draft, Standby};
use crate::guard::Lists;
use crate::list::State;

/// Looks once more at a submission that waits for a second officer.
pub(super) fn again(
    core: &Core,
    state: &State,
    standby: &Standby,
    (lists, config): (&Lists, DeskConfig),
    officer: &str,
    id: &[u8],
    countersign: bool,
) -> Result<Prepared, Refusal> {
    let id = id.try_into().map_err(|_| refusal("submission-id", "a submission id is a UUID of 16 bytes"))?;
    let Some(waiting) = standby.proposals.iter().find(|waiting| waiting.id == id) else {
        let words = match core.placed(&id) {
            Some(index) => format!("it was countersigned before, and is {}/{index}", core.unit),
            None => "no submission with this id waits for a second officer: `entente waiting` lists them".into(),
        };
        return Err(refusal("not-waiting", words));
    };
    if countersign && waiting.officer == officer {
        return Err(refusal(
            "same-officer",
            format!("{officer} has submitted it: another officer of this unit has to countersign"),
        ));
    }
    let damaged = || refusal("unreadable", "what waits cannot be read: reject it, and submit it again");
    let kind = crate::core::kind_of(&waiting.record).ok_or_else(damaged)?;
    let statement = record::parse(kind.number(), &waiting.record).map_err(|_| damaged())?;
    let target = statement.target();
    let mut notices = Vec::new();
    if countersign
        && let Body::Refer(refer) = statement.body()
        && let Some(target) = &target
    {
        notices = holds(state, target, refer.prefix);
        if let Some(first) = notices.first().filter(|_| !waiting.despite_hold) {
            return Err(refusal(
                "held",
                format!(
                    "{first}, since it was submitted. Reject it; it can be submitted again with --despite-hold REASON"
                ),
            ));
        }
        let hit = lists.hits(target).into_iter().find(|hit| !(hit.page && config.pages_pass));
        if let Some(hit) = hit.filter(|_| refer.override_reason.is_empty()) {
            return Err(refusal(
                "guarded",
                format!(
                    "it is on the guard list {:?} ({}) since it was submitted. Reject it; it can be submitted again with --override REASON",
                    hit.list, hit.entry
                ),
            ));
        }
    }
    let unless_referred = target.clone().filter(|_| waiting.skip_known);
    let payload = waiting.record.clone();
    let draft = Draft { submission: id, kind, payload, unless_referred, second: None };
    Ok(Prepared { draft, target, notices })
}

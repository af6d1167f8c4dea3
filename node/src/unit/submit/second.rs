//! What waits, when an officer decides about it: looked at once more, for what may have come since.

use entente_proto::hash::Hash;
use entente_proto::record;
use entente_proto::wire;

use super::prepare::At;
use super::{Judge, Prepared, Refusal, refusal};
use crate::core::{Core, Draft, Standby};
use crate::list::State;

/// Looks once more at a submission that waits.
pub(super) fn again(
    core: &Core,
    state: &State,
    standby: &Standby,
    judge: &Judge<'_>,
    decision: &wire::Decision,
    countersign: bool,
) -> Result<Prepared, Refusal> {
    let id = decision.submission.as_slice().try_into();
    let id = id.map_err(|_| refusal("submission-id", "a submission id is a UUID of 16 bytes"))?;
    let proposal = standby.proposals.iter().find(|proposal| proposal.id == id);
    let in_outbox = || standby.outbox.iter().find(|waiting| waiting.id == id);
    let Some(record) = proposal.map(|proposal| &proposal.record).or_else(|| Some(&in_outbox()?.record)) else {
        let words = match core.placed(&id) {
            Some(index) => format!("it stands in the log already, as {}/{index}", core.unit),
            None => "no submission with this id waits: `entente waiting` lists them".into(),
        };
        return Err(refusal("not-waiting", words));
    };
    if countersign && proposal.is_none() {
        return Err(refusal(
            "no-second",
            "it wants no second officer: it enters by itself when the node signs again (`entente reject` takes it back)",
        ));
    }
    if (countersign || !decision.digest.is_empty()) && decision.digest != Hash::of(record).0 {
        return Err(refusal(
            "not-as-read",
            "what waits under this id is not what was read: read it again with `entente waiting`",
        ));
    }
    if countersign && proposal.is_some_and(|proposal| proposal.officer == judge.officer) {
        return Err(refusal(
            "same-officer",
            format!("{} has submitted it: another officer of this unit has to countersign", judge.officer),
        ));
    }
    let damaged = || refusal("unreadable", "what waits cannot be read: reject it, and submit it again");
    let kind = crate::core::kind_of(record).ok_or_else(damaged)?;
    let statement = record::parse(kind.number(), record).map_err(|_| damaged())?;
    let target = statement.target();
    let mut notices = Vec::new();
    if countersign && let Some(proposal) = proposal {
        let mut body = statement.into_body();
        // What its officer gave a reason for then needs none now; the record itself stays as it was read.
        let given = |known: bool| if known { "a reason was given" } else { "" };
        let at = At {
            core,
            state,
            judge,
            again: false,
            skip_known: false,
            despite_hold: given(proposal.despite_hold),
            override_guard: given(proposal.despite_guard),
        };
        let now = at.settle(&mut body).map_err(|refused| Refusal {
            message: format!(
                "as things stand now it would be refused: {}. Reject it; it can be submitted anew",
                refused.message
            ),
            ..refused
        })?;
        notices = now.notices;
    }
    let unless_referred = target.clone().filter(|_| proposal.is_some_and(|proposal| proposal.skip_known));
    let payload = record.clone();
    let draft = Draft { submission: id, kind, payload, unless_referred, second: None, unjudged: false };
    Ok(Prepared { draft, target, notices, known: None })
}

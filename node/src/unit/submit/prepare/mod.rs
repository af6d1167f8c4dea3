//! What each kind of statement needs before it goes into the log.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the way of a statement |
//! | `kinds` | what each kind needs |
//! | `known` | what this node knows of the records that a statement names |
//! | `operation` | operations and their steps |
//! | `executed` | reports of what was done, and the end of an operation |
//! | `against` | what speaks against acting on a target of an operation |
//! | `keep` | what a repeated call keeps of what was stored |

mod against;
mod executed;
mod keep;
mod kinds;
mod known;
mod operation;

use entente_proto::record::{self, RecordKind, Target};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::{Judge, Prepared, Refusal, refusal};
use crate::core::{Core, Draft, Second};
use crate::list::State;

/// What was found out about a statement.
#[derive(Default)]
pub(super) struct Found {
    target: Option<Target>,
    pub(super) notices: Vec<String>,
    /// What says the same already, for good, so that nothing is entered.
    known: Option<String>,
    /// Why a second officer is needed.
    second: Option<String>,
    despite_hold: bool,
    despite_guard: bool,
    /// Whether it was passed by guard lists, since the unit refers it already.
    unjudged: bool,
}

impl Found {
    fn about(target: Option<Target>) -> Self {
        Self { target, ..Self::default() }
    }
}

/// Where a statement is judged.
pub(super) struct At<'a> {
    pub(super) core: &'a Core,
    pub(super) state: &'a State,
    pub(super) judge: &'a Judge<'a>,
    /// The same call again: it was judged when it came first.
    pub(super) again: bool,
    /// Whether what the unit has said already is left out.
    pub(super) skip_known: bool,
    pub(super) despite_hold: &'a str,
    pub(super) override_guard: &'a str,
}

/// Checks a statement and brings it into its canonical form.
pub(super) fn prepare(
    core: &Core,
    state: &State,
    judge: &Judge<'_>,
    submission: wire::Submission,
) -> Result<Prepared, Refusal> {
    let mut record = submission.record.ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let id = record.submission.as_slice().try_into().map_err(|_| {
        refusal(
            "submission-id",
            format!("a submission id is a UUID of 16 bytes; this one has {}", record.submission.len()),
        )
    })?;
    // In this order: what waits goes into the log before it waits no more.
    let waits = core.waits(&id);
    let placed = core.placed(&id);
    let again = waits.is_some() || placed.is_some();
    let at = At {
        core,
        state,
        judge,
        again,
        skip_known: submission.skip_known,
        despite_hold: submission.despite_hold.trim(),
        override_guard: submission.override_guard.trim(),
    };
    let body = record.body.as_mut().ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let mut found = at.settle(body)?;
    if let Some(before) = at.before(waits, placed) {
        at.keep(body, before);
    }
    let kind = RecordKind::of_body(body);
    if found.second.is_none() && judge.config.approvals > 1 {
        let mut reason = "this unit lets two officers agree to every statement".to_owned();
        if let Body::Refer(refer) = body
            && !refer.override_reason.is_empty()
        {
            reason = format!("{reason}; it is made {}; {}", refer.override_reason, found.notices.join("; "));
        }
        found.second = Some(reason);
    }
    let payload = record::encode(&record).map_err(|error| refusal("invalid", error.to_string()))?;
    let skips = submission.skip_known && kind == RecordKind::Refer;
    let unless_referred = found.target.clone().filter(|_| skips);
    let second = found.second.map(|reason| Second {
        officer: judge.officer.to_owned(),
        reason,
        at_ms: judge.now_ms,
        despite_hold: found.despite_hold,
        despite_guard: found.despite_guard,
    });
    let draft = Draft { submission: id, kind, payload, unless_referred, second, unjudged: again || found.unjudged };
    Ok(Prepared { draft, target: found.target, notices: found.notices, known: found.known })
}

impl At<'_> {
    /// Brings a statement into its form and judges it.
    pub(super) fn settle(&self, body: &mut Body) -> Result<Found, Refusal> {
        match body {
            Body::Refer(refer) => self.refer(refer),
            Body::Hold(hold) => self.hold(hold),
            Body::Withdraw(withdraw) => {
                let id = self.own(withdraw.index);
                Ok(Found::about(if self.again { self.target_of(&id) } else { self.withdrawable(&id)? }))
            }
            Body::Erase(erase) => {
                if !self.again {
                    self.erasable(&self.own(erase.index))?;
                }
                // Whoever reads the answer should not learn from it what was erased.
                Ok(Found::default())
            }
            Body::Opinion(opinion) => {
                let on = self.named(opinion.on.as_ref(), "an opinion names the referral that it is about")?;
                Ok(Found::about(if self.again { self.target_of(&on) } else { Some(self.referral_of_another(&on)?) }))
            }
            Body::Dispatch(dispatch) => self.dispatch(dispatch),
            Body::Outcome(outcome) => self.outcome(outcome),
            Body::Observe(observe) => self.observe(observe),
            Body::Link(link) => self.link(link),
            Body::Evidence(evidence) => self.evidence(evidence),
            Body::Custody(custody) => self.custody(custody),
            Body::Operation(operation) => self.operation(operation),
            Body::OperationStep(step) => self.step(step),
            Body::Revoke(revoke) => Ok(self.revoke(revoke)),
            Body::Propose(propose) => self.propose(propose),
            Body::Approve(_) => Ok(Found::default()),
            other => {
                let kind = RecordKind::of_body(other).word();
                Err(refusal("kind", format!("this release takes no {kind} from officers")))
            }
        }
    }
}

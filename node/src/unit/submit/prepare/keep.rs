//! What a repeated call keeps of what was stored.

use bytes::Bytes;
use entente_proto::record;
use entente_proto::wire;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;

use super::At;
use crate::core::kind_of;

impl At<'_> {
    /// What came first under the id of this call, wherever it waits or stands.
    pub(super) fn before(&self, waits: Option<Bytes>, placed: Option<u64>) -> Option<Body> {
        let statement = match (waits, placed) {
            (Some(record), _) => record::parse(kind_of(&record)?.number(), &record).ok()?,
            (None, place) => self.statement(&self.own(place?)).ok()?,
        };
        Some(statement.into_body())
    }

    /// A repeated call says what was stored: what this node added to it then is as it was.
    pub(super) fn keep(&self, body: &mut Body, before: Body) {
        match (body, before) {
            (Body::Refer(refer), Body::Refer(before)) => refer.override_reason = before.override_reason,
            // Not given then, or later than this node's clock.
            (Body::Observe(observe), Body::Observe(before))
                if observe.observed_ms == 0 || observe.observed_ms > before.observed_ms =>
            {
                observe.observed_ms = before.observed_ms;
            }
            (Body::Dispatch(dispatch), Body::Dispatch(before)) => {
                if dispatch.provider.is_empty() {
                    dispatch.provider = before.provider;
                }
                if dispatch.at_ms == 0 {
                    dispatch.at_ms = before.at_ms;
                }
                dispatch.override_reason = before.override_reason;
            }
            (Body::Custody(custody), Body::Custody(before)) => {
                if custody.sha256.is_empty() {
                    custody.sha256 = before.sha256;
                }
                if custody.at_ms == 0 {
                    custody.at_ms = before.at_ms;
                }
            }
            (Body::Outcome(outcome), Body::Outcome(before)) => {
                // Named by its referral: the dispatch that was found then, if it is one of that referral.
                let of = |dispatch: &Option<wire::RecordRef>| {
                    let id = self.named(dispatch.as_ref(), "").ok()?;
                    match self.statement(&id).ok()?.into_body() {
                        Body::Dispatch(dispatch) => dispatch.on,
                        _ => None,
                    }
                };
                if of(&before.on).is_some_and(|on| Some(&on) == outcome.on.as_ref()) {
                    outcome.on = before.on;
                }
                if outcome.at_ms == 0 {
                    outcome.at_ms = before.at_ms;
                }
            }
            (Body::OperationStep(said), Body::OperationStep(before)) if said.operation == before.operation => {
                if let (Some(step), Some(before)) = (said.step.as_mut(), before.step) {
                    keep_step(step, before);
                }
            }
            _ => {}
        }
    }
}

/// What a node fills into a step is as it was when the step came first.
fn keep_step(step: &mut Step, before: Step) {
    match (step, before) {
        (Step::Freeze(freeze), Step::Freeze(before)) => *freeze = before,
        (Step::Ready(ready), Step::Ready(before)) if ready.digest.is_empty() => *ready = before,
        (Step::Go(go), Step::Go(before))
            if (go.at_ms == 0 || go.at_ms == before.at_ms) && go.overrides == before.overrides =>
        {
            *go = before;
        }
        (Step::Executed(executed), Step::Executed(before)) if executed.at_ms == 0 => executed.at_ms = before.at_ms,
        (Step::Close(close), Step::Close(before)) => close.frontier = before.frontier,
        _ => {}
    }
}

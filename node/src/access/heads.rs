//! The access log's heads in the replicated log, and what else is done to it in time.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::hash::Hash;
use entente_proto::limits::HEADER_AHEAD_MS_MAX;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::retention::{Time, due};
use super::{AccessLog, State};
use crate::core::{Answer, Core, Draft};
use crate::journal::SubmissionId;

/// How often it is looked whether a head is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether old epochs are due.
const TIDY_EVERY_MS: u64 = 3_600_000;

/// Has a head recorded whenever the oldest call under none is so old, and old epochs deleted, until the future is dropped.
pub async fn keep(core: Arc<Core>, access: AccessLog, every: Duration) {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    let mut looked_ms = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now_ms = core.clock.now_ms();
        let last_ms = access.writer.last_ms();
        if last_ms > now_ms.saturating_add(HEADER_AHEAD_MS_MAX) && time(&core).await.is_before(last_ms) {
            access.writer.leave_future();
        }
        if access.keep_days > 0 && looked_ms.is_none_or(|looked| now_ms.abs_diff(looked) >= TIDY_EVERY_MS) {
            looked_ms = Some(now_ms);
            tidy(&core, &access).await;
        }
        if !is_due(access.writer.uncovered_ms(), now_ms, every_ms) || core.store_has_room().is_err() {
            continue;
        }
        let state = access.state();
        match record(&core, state).await {
            Ok(()) => access.writer.covered(state, now_ms),
            Err(why) => tracing::warn!(why, "the head of the access log cannot be recorded yet"),
        }
    }
}

/// Whether the oldest call under no head is so old. A clock that was set back leaves one in the future: that one is due, too.
pub(super) fn is_due(uncovered_ms: Option<u64>, now_ms: u64, every_ms: u64) -> bool {
    uncovered_ms.is_some_and(|since| now_ms.abs_diff(since) >= every_ms)
}

/// What is known of the time: the store is read.
async fn time(core: &Arc<Core>) -> Time {
    let core = core.clone();
    let none = Time { now_ms: core.clock.now_ms(), certified_ms: None, has_partners: false };
    // What panicked has been reported where it happened, and is known again in a moment.
    tokio::task::spawn_blocking(move || Time::of(&core)).await.unwrap_or(none)
}

/// Has the epochs deleted that are kept no longer.
async fn tidy(core: &Arc<Core>, access: &AccessLog) {
    let (core, log) = (core.clone(), access.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let epochs = log.epochs().map_err(|error| error.to_string())?;
        if epochs.len() < 2 {
            return Ok(None);
        }
        let certified =
            core.log(&core.unit).and_then(|log| Some(log.certified?.checkpoint().size.get())).unwrap_or_default();
        let fixing = log.certified(&*core.store, &core.unit, certified).map_err(|error| error.to_string())?;
        Ok(due(&epochs, &fixing, log.keep_days, &Time::of(&core)))
    });
    match looked.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(due) => due.into_iter().for_each(|up_to| access.writer.tidy(up_to, access.keep_days)),
        Err(why) => tracing::warn!(why, "whether old epochs of the access log are due cannot be seen"),
    }
}

async fn record(core: &Core, state: State) -> Result<(), String> {
    let submission = submission(state);
    let body = Body::AccessHead(wire::AccessHead { epoch: state.epoch, size: state.size, root: state.root.0.to_vec() });
    let payload = record::encode(&wire::Record { submission: submission.to_vec(), body: Some(body) })
        .map_err(|error| error.to_string())?;
    let kind = RecordKind::AccessHead;
    let draft = Draft { submission, kind, payload, unless_referred: None, second: None, unjudged: false };
    let answers = core.submit(vec![draft]).await.map_err(|stopping| stopping.to_string())?;
    match answers.into_iter().next() {
        Some(Answer::Refused(why)) => Err(why),
        Some(_) => Ok(()),
        None => Err("the author gave no answer".to_owned()),
    }
}

/// The id of the statement: the same whenever it is made.
fn submission(state: State) -> SubmissionId {
    let hash = Hash::of(format!("entente access head {} {} {}", state.epoch, state.size, state.root).as_bytes());
    std::array::from_fn(|at| hash.0.get(at).copied().unwrap_or_default())
}

//! The access log's heads in the replicated log.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::{AccessLog, State};
use crate::core::{Answer, Core, Draft};
use crate::journal::SubmissionId;
use crate::store::{Store, StoreError};

/// How often it is looked whether a head is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether old epochs are due.
const TIDY_EVERY_MS: u64 = 3_600_000;
/// How many of the newest own entries are looked through for a head at start.
const LOOKED_THROUGH_MAX: u64 = 1 << 16;
/// Entries of one read.
const STRETCH: u64 = 1_024;
/// Bytes of one read.
const STRETCH_BYTES: usize = 4 << 20;

/// Has a head recorded whenever the oldest call under none is so old, and old epochs deleted, until the future is dropped.
pub async fn keep(core: Arc<Core>, access: AccessLog, every: Duration) {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    let mut tidied_ms = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now_ms = core.clock.now_ms();
        if now_ms.abs_diff(tidied_ms) >= TIDY_EVERY_MS {
            tidied_ms = now_ms;
            access.writer.tidy();
        }
        let due = access.writer.uncovered_ms().is_some_and(|since| now_ms.saturating_sub(since) >= every_ms);
        if !due || core.store_has_room().is_err() {
            continue;
        }
        let state = access.state();
        match record(&core, state).await {
            Ok(()) => access.writer.covered(state, now_ms),
            Err(why) => tracing::warn!(why, "the head of the access log cannot be recorded yet"),
        }
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

/// The newest head among the newest entries of the own log.
///
/// # Errors
/// As the store's.
pub fn newest_head(store: &dyn Store, unit: &UnitId) -> Result<Option<wire::AccessHead>, StoreError> {
    let size = store.size(unit).get();
    let first = size.saturating_sub(LOOKED_THROUGH_MAX);
    let mut end = size;
    while end > first {
        let from = end.saturating_sub(STRETCH).max(first);
        let count = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        let (mut at, mut found) = (from, None);
        while at < end {
            let left = count.min(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
            let entries = store.entries(unit, at, left, STRETCH_BYTES)?;
            if entries.is_empty() {
                break;
            }
            at = at.saturating_add(entries.len() as u64);
            found = entries.iter().filter_map(head_of).next_back().or(found);
        }
        if found.is_some() {
            return Ok(found);
        }
        end = from;
    }
    Ok(None)
}

fn head_of(entry: &entente_proto::entry::Entry) -> Option<wire::AccessHead> {
    let kind = entry.header().kind;
    if kind != RecordKind::AccessHead.number() {
        return None;
    }
    match record::parse(kind, entry.payload()?).ok()?.into_body() {
        Body::AccessHead(head) => Some(head),
        _ => None,
    }
}

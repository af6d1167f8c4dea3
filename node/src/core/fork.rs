//! What the node does about a fork: keeps the proof, says so loudly, records it in the own log, and cuts back what turns out
//! not to be what was certified.
//!
//! A cut goes in this order, and a kill at any step leaves what the next start begins anew: the list forgets what it shows of
//! that log as pending, the store cuts, and the engine is told what is left.

use std::sync::Arc;

use bytes::Bytes;
use entente_proto::charter::Charter;
use entente_proto::fork::ForkProof;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::record::{self, RecordKind};
use entente_proto::sync::{Event, Restored};
use entente_proto::wire;
use prost::Message as _;

use super::author::{Draft, Input as AuthorInput, Submit};
use super::load::{find_gaps, read_times};
use super::{Core, Input, StartError, drive, lock};
use crate::journal::SubmissionId;
use crate::store::{Batch, HeadKind, Store};

/// The engine found, or was given, a proof: a first one, or one that names more units.
pub(super) fn keep(core: &Arc<Core>, unit: UnitId, proof: Vec<u8>) {
    let read = core.read_fork(&proof);
    if let Some(proof) = &read {
        let both: Vec<_> = proof.cosigned_both().iter().map(ToString::to_string).collect();
        let (smaller, larger) = (proof.smaller().checkpoint(), proof.larger().checkpoint());
        tracing::error!(
            %unit, sizes = ?(smaller.size.get(), larger.size.get()), roots = ?(smaller.root.to_string(), larger.root.to_string()),
            cosigned_both = ?both,
            "FORK: the log key of this unit signed two checkpoints that contradict each other; nothing more of its log is \
             cosigned here. Call the unit by telephone; see `entente status`"
        );
    }
    let heads = vec![(unit, HeadKind::Fork, Bytes::from(proof))];
    let core_then = core.clone();
    let then = move || {
        if let Some(proof) = read {
            core_then.record_fork(&proof);
        }
    };
    drive::submit(core, Batch { heads, ..Batch::default() }, then);
}

/// Has a log cut back.
pub(super) fn rewind(core: &Arc<Core>, unit: UnitId, size: Size) {
    tracing::warn!(%unit, size = size.get(), "what was held beyond is not what was certified: it is cut off and fetched again");
    core.list.cut_back(unit.clone());
    let core_then = core.clone();
    let rewind = Some((unit.clone(), size));
    // A node that ends meanwhile needs no news.
    let then = move || drop(core_then.inbox.send(Input::Rewound(unit)));
    drive::submit(core, Batch { rewind, ..Batch::default() }, then);
}

/// A log was cut back: what is left of it.
pub(super) fn rewound(core: &Arc<Core>, unit: UnitId) -> Event {
    match left(&unit, &*core.store) {
        Ok(left) => Event::Rewound { unit, left: Box::new(left) },
        Err(error) => {
            Event::Damaged { reason: format!("the log of {unit} cannot be read after it was cut back: {error}") }
        }
    }
}

fn left(unit: &UnitId, store: &dyn Store) -> Result<Restored, StartError> {
    let log = store.log(unit)?;
    // What stays is certified or cosigned, so its times were found to be in order.
    let (last_time_ms, time_goes_back) = read_times(unit, store, log.size.get().saturating_sub(1), log.size.get())?;
    let (gaps, missing) = find_gaps(unit, store, &log)?;
    Ok(Restored {
        level1: log.level1,
        tail: log.tail_leaves,
        last_time_ms,
        time_goes_back,
        gaps,
        missing,
        ..Restored::default()
    })
}

impl Core {
    fn read_fork(&self, proof: &[u8]) -> Option<ForkProof> {
        let charters = self.charters();
        let charters: Vec<&Charter> = charters.all().map(AsRef::as_ref).collect();
        ForkProof::verify(&wire::ForkProof::decode(proof).ok()?, &charters).ok()
    }

    /// The own log is to tell of a fork, once. Of its own fork it tells nothing: nobody would cosign that.
    pub(super) fn record_fork(&self, proof: &ForkProof) {
        if *proof.unit() == self.unit {
            return;
        }
        let submission = submission(&proof.larger().signed().key().to_string());
        let body = Some(wire::record::Body::ForkProof(proof.to_wire()));
        match record::encode(&wire::Record { submission: submission.to_vec(), body }) {
            Ok(payload) => {
                let (kind, unless_referred, second) = (RecordKind::ForkProof, None, None);
                let draft = Draft { submission, kind, payload, unless_referred, second, unjudged: false };
                lock(&self.forks_to_record).push(draft);
            }
            Err(error) => tracing::error!(unit = %proof.unit(), %error, "the proof of the fork cannot be recorded"),
        }
    }

    /// Hands the author what is to be recorded, if it takes it now.
    pub(super) fn record_forks(&self) {
        let mut due = lock(&self.forks_to_record);
        while let Some(draft) = due.pop() {
            if self.placed(&draft.submission).is_some() {
                continue;
            }
            // Nobody waits for the answer: whether it stands is looked up at the next start.
            let (reply, _) = tokio::sync::oneshot::channel();
            let submit = Submit { drafts: vec![draft.clone()], reply };
            if self.author.try_send(AuthorInput::Submit(submit)).is_err() {
                due.push(draft);
                return;
            }
        }
    }
}

/// The id of the statement that a log forked: the same whenever it is made, so that it enters once for each log key.
fn submission(log_key: &str) -> SubmissionId {
    let hash = Hash::of(format!("entente fork of {log_key}").as_bytes());
    std::array::from_fn(|at| hash.0.get(at).copied().unwrap_or_default())
}

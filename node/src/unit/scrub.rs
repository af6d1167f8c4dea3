//! What a scrub reports, on the wire.

use std::pin::Pin;

use entente_proto::wire;
use entente_proto::wire::scrub_reply::Reply;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::core::{Done, Report, Stage};
use crate::store::{ScrubPhase, ScrubStep};

/// Progress, and at last what was done.
pub(super) type Reports = Pin<Box<dyn Stream<Item = Result<wire::ScrubReply, Status>> + Send>>;

pub(super) fn reports(reports: mpsc::Receiver<Report>) -> Reports {
    Box::pin(ReceiverStream::new(reports).map(|report| {
        let reply = match report {
            Report::Goes(stage, step) => Reply::Progress(progress(stage, step)),
            Report::Done(done) => Reply::Done(done_message(done)),
            // Whatever it is, the operator has to do something, and the words say what.
            Report::Failed(words) => return Err(Status::failed_precondition(words)),
        };
        Ok(wire::ScrubReply { reply: Some(reply) })
    }))
}

fn progress(stage: Stage, step: ScrubStep) -> wire::ScrubProgress {
    let phase = match (stage, step.phase) {
        (Stage::Waiting, _) => wire::ScrubPhase::Waiting,
        (Stage::Journal, _) => wire::ScrubPhase::Journal,
        (Stage::Store, ScrubPhase::Copying) => wire::ScrubPhase::Copying,
        (Stage::Store, ScrubPhase::Verifying) => wire::ScrubPhase::Verifying,
        (Stage::Store, ScrubPhase::Swapping) => wire::ScrubPhase::Swapping,
        (Stage::Store, ScrubPhase::Deleting) => wire::ScrubPhase::Deleting,
    };
    wire::ScrubProgress { phase: phase.into(), copied_bytes: step.copied_bytes, original_bytes: step.original_bytes }
}

fn done_message(done: Done) -> wire::ScrubDone {
    let (journal_before_bytes, journal_after_bytes) = done.journal_bytes;
    wire::ScrubDone {
        before_bytes: done.store.before_bytes,
        after_bytes: done.store.after_bytes,
        journal_before_bytes,
        journal_after_bytes,
        records: done.store.records,
        notes: done.notes,
    }
}

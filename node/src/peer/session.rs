//! One stream.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::ids::UnitId;
use entente_proto::sync::{Fault, Frame, Outgoing, Serving, withhold};
use entente_proto::wire;
use tokio::sync::{Semaphore, mpsc};
use tonic::{Status, Streaming};

use crate::core::{Core, OpenStream, log_close};

/// How many checked frames of one stream may wait for the engine: with 1 MiB each, what a partner can have us hold.
const WAITING_FRAMES_MAX: usize = 8;
/// How often a stream looks for something to send even if nobody woke it: news may have become due.
const POLL_EVERY: Duration = Duration::from_millis(50);
/// How many frames wait between the engine and the connection.
pub(super) const QUEUE: usize = 2;

/// Drives a stream until one side ends it.
///
/// # Errors
/// What the partner is told: a code, and nothing of this node's insides.
pub(super) async fn run(
    core: &Arc<Core>,
    peer: UnitId,
    dialled: bool,
    inbound: Streaming<wire::Frame>,
    outbound: mpsc::Sender<Result<wire::Frame, Status>>,
) -> Result<(), Status> {
    let (open, closed) = core.open(peer.clone(), dialled);
    let ended = tokio::select! {
        fault = closed => Err(fault.unwrap_or(Fault::Replaced)),
        read = read(&open, inbound) => read,
        () = write(core, &open, &outbound) => Ok(()),
    };
    let Err(fault) = ended else { return Ok(()) };
    log_close(&peer, &fault);
    let status = Status::failed_precondition(fault.code());
    // The queue may be full of what the partner does not read; then the stream simply ends.
    let _ = outbound.try_send(Err(status.clone()));
    Err(status)
}

/// Checks frames as they come and hands them on, as many as the engine keeps up with.
async fn read(open: &OpenStream, mut inbound: Streaming<wire::Frame>) -> Result<(), Fault> {
    let waiting = Arc::new(Semaphore::new(WAITING_FRAMES_MAX));
    loop {
        let Ok(permit) = waiting.clone().acquire_owned().await else { return Ok(()) };
        match inbound.message().await {
            Ok(Some(frame)) => open.received(Frame::check(frame)?, permit),
            Ok(None) => return Ok(()),
            Err(status) => {
                tracing::debug!(%status, "stream ended");
                return match status.code() {
                    tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Err(Fault::Limit("length")),
                    tonic::Code::Internal if status.message().contains("decode") => Err(Fault::Frame),
                    _ => Ok(()),
                };
            }
        }
    }
}

/// Sends what is due, for as long as the connection takes it.
async fn write(core: &Core, open: &OpenStream, outbound: &mpsc::Sender<Result<wire::Frame, Status>>) {
    loop {
        // A place in the queue first: what is due is decided when there is room for it.
        let Ok(place) = outbound.reserve().await else { return };
        match open.poll() {
            Some(Outgoing::Frame(frame)) => place.send(Ok(frame)),
            Some(Outgoing::Entries(serving)) => {
                drop(place);
                if serve(core, open, outbound, serving).await.is_none() {
                    return;
                }
            }
            None => {
                drop(place);
                tokio::select! {
                    () = open.wake.notified() => {}
                    () = tokio::time::sleep(POLL_EVERY) => {}
                    () = outbound.closed() => return,
                }
            }
        }
    }
}

/// Sends one piece of a range.
async fn serve(
    core: &Core,
    open: &OpenStream,
    outbound: &mpsc::Sender<Result<wire::Frame, Status>>,
    mut serving: Serving,
) -> Option<()> {
    let piece = serving.piece();
    let count = usize::try_from(piece.count).unwrap_or(usize::MAX);
    let announcements = core.store.announcements();
    // What is damaged is never served. A partner that repairs itself may need what this node cannot read either: it is told at
    // once that there is nothing, and asks another.
    let entries = core.store.entries(&piece.unit, piece.from, count, usize::MAX).unwrap_or_else(|error| {
        tracing::error!(unit = %piece.unit, from = piece.from, %error, "the database cannot be read");
        Vec::new()
    });
    for mut frame in serving.frames(&entries) {
        let place = outbound.reserve().await.ok()?;
        // A slow partner may have kept the frame waiting: what was erased meanwhile does not go out.
        if core.store.announcements() != announcements {
            frame = withhold(frame, |unit, index| {
                core.store.withheld(unit, index).is_some() || core.store.lacks(unit, index)
            });
        }
        place.send(Ok(frame));
    }
    open.resume(serving);
    Some(())
}

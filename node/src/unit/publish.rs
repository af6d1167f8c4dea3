//! What is published, on the wire.

use std::pin::Pin;

use entente_proto::audit::Payloads;
use entente_proto::wire;
use entente_proto::wire::publish_reply::Reply;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::publish::{Publisher, Report};

/// Progress, and at last what was done.
pub(super) type Reports = Pin<Box<dyn Stream<Item = Result<wire::PublishReply, Status>> + Send>>;

/// Asks for a round.
pub(super) fn reports(publisher: Option<&Publisher>) -> Result<Reports, Status> {
    let none = "this node publishes nothing: set publish.to in its node.toml and start it again";
    let publisher = publisher.ok_or_else(|| Status::failed_precondition(none))?.clone();
    let busy = || Status::resource_exhausted("too many wait for the next publication: try again");
    let reports = publisher.ask().ok_or_else(busy)?;
    Ok(Box::pin(ReceiverStream::new(reports).map(move |report| {
        let reply = match report {
            Report::Goes(progress) => {
                let (entries, of) = progress.entries;
                Reply::Progress(wire::PublishProgress { entries, of, written_files: progress.written_files })
            }
            Report::Done(done) => Reply::Done(wire::PublishDone {
                to: publisher.to().to_owned(),
                payloads: publisher.payloads() == Payloads::All,
                records: done.records,
                files: done.files,
                written_files: done.written_files,
                written_bytes: done.written_bytes,
                removed_files: done.removed_files,
            }),
            // Whatever it is, the operator has to do something, and the words say what.
            Report::Failed(words) => return Err(Status::failed_precondition(words)),
        };
        Ok(wire::PublishReply { reply: Some(reply) })
    })))
}

/// What `status` says of it.
pub(super) fn status(publisher: &Publisher) -> wire::PublicationStatus {
    let known = publisher.known();
    wire::PublicationStatus {
        to: publisher.to().to_owned(),
        payloads: publisher.payloads() == Payloads::All,
        at_ms: known.at_ms,
        records: known.done.records,
        files: known.done.files,
        error: known.error.unwrap_or_default(),
    }
}

//! What partners that dial are offered.

use std::collections::BTreeSet;
use std::sync::Arc;

use entente_certs::identity::Role;
use entente_proto::ids::UnitId;
use entente_proto::limits::FRAME_BYTES_MAX;
use entente_proto::wire;
use entente_proto::wire::peer_server::{Peer, PeerServer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::session;
use crate::core::Core;
use crate::net::PeerInfo;

/// The gRPC service `Peer`.
#[derive(Debug)]
pub struct PeerService {
    core: Arc<Core>,
    blocked: BTreeSet<UnitId>,
}

impl PeerService {
    /// Serves everybody whom the listener lets in, but those blocked.
    #[must_use]
    pub fn server(core: Arc<Core>, blocked: BTreeSet<UnitId>) -> PeerServer<Self> {
        PeerServer::new(Self { core, blocked })
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type SyncStream = ReceiverStream<Result<wire::Frame, Status>>;

    async fn sync(&self, request: Request<Streaming<wire::Frame>>) -> Result<Response<Self::SyncStream>, Status> {
        let info = request.extensions().get::<PeerInfo>().ok_or_else(|| Status::unauthenticated("certificate"))?;
        let peer = info.identity().unit.clone();
        // The listener lets only these in; a second look costs nothing.
        if info.identity().role != Role::Node || peer == self.core.unit {
            return Err(Status::permission_denied("role"));
        }
        if self.blocked.contains(&peer) {
            return Err(Status::permission_denied("blocked"));
        }
        let (outbound, frames) = mpsc::channel(session::QUEUE);
        let core = self.core.clone();
        let inbound = request.into_inner();
        tokio::spawn(async move {
            // Faults are logged where they are found.
            let _ = session::run(&core, peer, false, inbound, outbound).await;
        });
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

//! Signing a charter, and taking one up, with a node that runs.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::charter::UnverifiedCharter;
use entente_proto::wire;
use entente_proto::wire::charter_request::What;
use tonic::Status;

use crate::core::Core;
use crate::membership;

/// How long a charter may take to become durable.
const STORE: Duration = Duration::from_secs(20);

pub(super) async fn answer(core: &Arc<Core>, request: wire::CharterRequest) -> Result<wire::CharterReply, Status> {
    match request.what {
        Some(What::Sign(note)) => sign(core, &note).await,
        Some(What::Adopt(note)) => adopt(core, &note).await,
        None => Err(Status::invalid_argument("nothing is asked of the node")),
    }
}

async fn sign(core: &Arc<Core>, note: &[u8]) -> Result<wire::CharterReply, Status> {
    let refused = |error: &dyn std::fmt::Display| Status::failed_precondition(error.to_string());
    let charter = UnverifiedCharter::parse(note).and_then(|charter| core.charters().draft(charter));
    let charter = charter.map_err(|error| refused(&error))?;
    membership::check_authorities(&core.charters(), charter.terms()).map_err(|error| refused(&error))?;
    let (charter, signed) = core.sign_charter(charter).await.map_err(Status::failed_precondition)?;
    Ok(wire::CharterReply {
        version: charter.terms().version.into(),
        note: charter.to_bytes(),
        signed: signed.iter().map(ToString::to_string).collect(),
    })
}

async fn adopt(core: &Arc<Core>, note: &[u8]) -> Result<wire::CharterReply, Status> {
    let refused = |error: &dyn std::fmt::Display| Status::failed_precondition(error.to_string());
    let charters = core.charters();
    let charter = UnverifiedCharter::parse(note).map_err(|error| refused(&error))?;
    let version = charter.terms().version;
    let held = charters.version(version).filter(|held| held.digest() == charter.digest());
    let reply = |note: &[u8]| wire::CharterReply { version: version.into(), note: note.to_vec(), signed: Vec::new() };
    if let Some(held) = held {
        return Ok(reply(held.note()));
    }
    let charter = charters.verify(charter).map_err(|error| refused(&error))?;
    membership::check_authorities(&charters, charter.terms()).map_err(|error| refused(&error))?;
    let note = charter.note().to_vec();
    let mut changes = core.charter_changes();
    core.bring_charter(charter);
    let stored = changes.wait_for(|newest| *newest >= version);
    match tokio::time::timeout(STORE, stored).await {
        Ok(Ok(_)) => Ok(reply(&note)),
        _ => Err(Status::unavailable("the charter is not stored yet: the node's log says why; call again")),
    }
}

//! Signing a charter, and taking one up, with a node that runs.

use std::sync::Arc;
use std::time::Duration;

use entente_proto::charter::{CharterError, UnverifiedCharter};
use entente_proto::ids::{RecordId, Size, UnitId};
use entente_proto::wire;
use entente_proto::wire::charter_request::What;
use tonic::Status;

use super::proposals;
use super::words::record_ref;
use crate::core::Core;
use crate::membership;

/// How long a charter may take to become durable.
const STORE: Duration = Duration::from_secs(20);

pub(super) async fn answer(core: &Arc<Core>, request: wire::CharterRequest) -> Result<wire::CharterReply, Status> {
    match request.what {
        Some(What::Sign(note)) => sign(core, following(core, &note)?).await,
        Some(What::SignProposal(what)) => sign(core, proposed(core, &what)?).await,
        Some(What::Collect(note)) => collect(core, following(core, &note)?).await,
        Some(What::Adopt(note)) => adopt(core, &note).await,
        Some(What::Base(unit)) => base(core, &unit),
        None => Err(Status::invalid_argument("nothing is asked of the node")),
    }
}

fn refused(error: impl std::fmt::Display) -> Status {
    Status::failed_precondition(error.to_string())
}

/// A charter that may follow the newest version.
fn following(core: &Core, note: &[u8]) -> Result<UnverifiedCharter, Status> {
    let charter = UnverifiedCharter::parse(note).map_err(refused)?;
    let charter = if charter.terms().continues.is_some() {
        core.charters().check_refounding(&charter).map_err(refused)?;
        charter
    } else {
        core.charters().draft(charter).map_err(refused)?
    };
    membership::check_authorities(&core.charters(), charter.terms()).map_err(refused)?;
    Ok(charter)
}

/// A charter that a unit proposes.
fn proposed(core: &Core, what: &str) -> Result<UnverifiedCharter, Status> {
    let note = core.proposals(|open| {
        let proposal = proposals::find(open, what)?;
        let fault = || refused(proposal.fault.as_deref().unwrap_or_default());
        proposal.charter.map(UnverifiedCharter::to_bytes).ok_or_else(fault)
    })?;
    following(core, &note)
}

async fn sign(core: &Arc<Core>, charter: UnverifiedCharter) -> Result<wire::CharterReply, Status> {
    let digest = charter.digest();
    let (charter, signed) = core.sign_charter(charter).await.map_err(refused)?;
    // A file may come first, or go from hand to hand alone.
    let is_proposed = core.proposals(|open| open.find(&digest).is_some());
    let records = if is_proposed { publish(core, charter.clone()).await? } else { Vec::new() };
    Ok(reply(core, &charter, signed.iter().map(ToString::to_string).collect(), records))
}

async fn collect(core: &Arc<Core>, charter: UnverifiedCharter) -> Result<wire::CharterReply, Status> {
    let known = core.proposals(|open| {
        let lines = open.find(&charter.digest()).and_then(|found| found.charter.map(|held| held.signature_lines()));
        lines.unwrap_or_default()
    });
    let new = charter.signature_lines().into_iter().filter(|line| !known.contains(line));
    let names = new.filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect();
    let records = publish(core, charter.clone()).await?;
    Ok(reply(core, &charter, names, records))
}

async fn publish(core: &Arc<Core>, charter: UnverifiedCharter) -> Result<Vec<Option<u64>>, Status> {
    core.publish_signatures(charter).await.map_err(refused)
}

fn reply(
    core: &Core,
    charter: &UnverifiedCharter,
    signed: Vec<String>,
    records: Vec<Option<u64>>,
) -> wire::CharterReply {
    let id = |index: u64| record_ref(&RecordId { unit: core.unit.clone(), index });
    wire::CharterReply {
        version: charter.terms().version.into(),
        note: charter.to_bytes(),
        signed,
        waiting: records.iter().filter(|record| record.is_none()).count() as u64,
        records: records.into_iter().flatten().map(id).collect(),
        base: None,
    }
}

/// Which base would be safe for a log.
fn base(core: &Core, unit: &str) -> Result<wire::CharterReply, Status> {
    let unit: UnitId = unit.parse().map_err(|_| Status::invalid_argument("that is no unit's id"))?;
    let advice = core
        .advise_base(&unit)
        .ok_or_else(|| Status::not_found(format!("no charter lists a unit {unit}: see `entente charter show`")))?;
    let word = |(unit, size, inside): (UnitId, Size, bool)| wire::BaseWord {
        unit: unit.to_string(),
        size: size.get(),
        inside,
    };
    let base = wire::BaseAdvice {
        size: advice.base.size.get(),
        root: advice.base.root.0.to_vec(),
        certified: advice.certified.get(),
        held: advice.held.get(),
        forked: advice.forked,
        needed: u32::try_from(advice.needed).unwrap_or(u32::MAX),
        words: advice.cosigned.into_iter().map(word).collect(),
    };
    Ok(wire::CharterReply { base: Some(base), ..Default::default() })
}

/// The network is founded anew: the node begins anew under that charter.
fn refound(core: &Core, charter: &UnverifiedCharter) -> Result<wire::CharterReply, Status> {
    if core.charters().all().all(|held| held.digest() != charter.digest()) {
        membership::check_authorities(&core.charters(), charter.terms()).map_err(refused)?;
        core.may_run_under(charter.terms()).map_err(refused)?;
        core.refound(charter).map_err(refused)?;
    }
    Ok(reply(core, charter, Vec::new(), Vec::new()))
}

async fn adopt(core: &Arc<Core>, note: &[u8]) -> Result<wire::CharterReply, Status> {
    let charters = core.charters();
    let charter = UnverifiedCharter::parse(note).map_err(refused)?;
    let version = charter.terms().version;
    if charter.terms().continues.is_some() {
        return refound(core, &charter);
    }
    let held = charters.version(version).filter(|held| held.digest() == charter.digest());
    let reply = |note: &[u8]| wire::CharterReply { version: version.into(), note: note.to_vec(), ..Default::default() };
    if let Some(held) = held {
        return Ok(reply(held.note()));
    }
    let charter = charters.verify(charter).map_err(|error: CharterError| refused(error))?;
    membership::check_authorities(&charters, charter.terms()).map_err(refused)?;
    core.may_run_under(charter.terms()).map_err(refused)?;
    core.check_bases(&charter).map_err(refused)?;
    let note = charter.note().to_vec();
    let mut changes = core.charter_changes();
    core.bring_charter(charter);
    let stored = changes.wait_for(|newest| *newest >= version);
    match tokio::time::timeout(STORE, stored).await {
        Ok(Ok(_)) => Ok(reply(&note)),
        _ => Err(Status::unavailable("the charter is not stored yet: the node's log says why; call again")),
    }
}

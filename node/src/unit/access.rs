//! The access log, for the unit's auditors.

use entente_proto::entry;
use entente_proto::wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::words::unreadable;
use crate::access::AccessLog;
use crate::core::Core;

/// About how many bytes go into one message.
const RUN_BYTES: usize = 256 << 10;
/// How many messages wait for the caller.
const RUNS_WAITING: usize = 4;

/// Runs of entries.
pub(super) type Runs = ReceiverStream<Result<wire::AccessRun, Status>>;

/// The epochs, and the records from an index of the own log on that fix them.
pub(super) fn heads(core: &Core, access: &AccessLog, from: u64) -> Result<wire::AccessHeadsReply, Status> {
    let epochs = access.epochs().map_err(|error| Status::internal(error.to_string()))?;
    let certified =
        core.log(&core.unit).and_then(|log| Some(log.certified?.checkpoint().size.get())).unwrap_or_default();
    let fixing = access.fixing(&*core.store, &core.unit, certified);
    let (fixing, size) = fixing.map_err(|error| unreadable(&error.into()))?;
    let heads = fixing.iter().map(|fixed| fixed.index).filter(|index| *index >= from).collect();
    Ok(wire::AccessHeadsReply { epochs, heads, size: size.max(from) })
}

/// The entries of an epoch from an index on.
pub(super) fn entries(access: AccessLog, request: wire::AccessEntriesRequest) -> Runs {
    let (to, runs) = mpsc::channel(RUNS_WAITING);
    tokio::task::spawn_blocking(move || {
        if let Err(status) = read(&access, request, &to) {
            // The caller may have seen enough.
            let _ = to.blocking_send(Err(status));
        }
    });
    ReceiverStream::new(runs)
}

fn read(
    access: &AccessLog,
    request: wire::AccessEntriesRequest,
    to: &mpsc::Sender<Result<wire::AccessRun, Status>>,
) -> Result<(), Status> {
    let entries = access.entries(request.epoch, request.from).map_err(|error| Status::not_found(error.to_string()))?;
    let mut run = Vec::new();
    for entry in entries {
        // What is damaged ends it: the auditor sees that the heads fix more.
        let entry = entry.map_err(|fault| Status::data_loss(format!("the access log ends there: {fault}")))?;
        entry::encode(&entry, &mut run);
        if run.len() >= RUN_BYTES
            && to.blocking_send(Ok(wire::AccessRun { entries: std::mem::take(&mut run) })).is_err()
        {
            return Ok(());
        }
    }
    if !run.is_empty() {
        let _ = to.blocking_send(Ok(wire::AccessRun { entries: run }));
    }
    Ok(())
}

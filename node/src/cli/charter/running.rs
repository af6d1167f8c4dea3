//! Asking the running node of a home directory.

use std::time::Duration;

use entente_proto::wire;

use crate::cli::Global;
use crate::cli::client::{Deadline, Node};
use crate::cli::error::CliError;

/// How long the node may take: it waits for its disk.
const CALL_S: u64 = Duration::from_secs(60).as_secs();

/// Asks the node to sign a charter, to pass signatures on, or to take a charter up.
pub(super) fn ask(global: &Global, request: wire::CharterRequest) -> Result<wire::CharterReply, CliError> {
    call(async {
        let node = Node::connect(global, Deadline { timeout: Some(CALL_S) }).await?;
        Ok(node.client().charter(node.request(request)).await?.into_inner())
    })
}

/// Asks for charters to come: all, or one.
pub(super) fn proposals(global: &Global, what: &str) -> Result<wire::ProposalsReply, CliError> {
    let request = wire::ProposalsRequest { what: what.to_owned() };
    call(async {
        let node = Node::connect(global, Deadline { timeout: Some(CALL_S) }).await?;
        Ok(node.client().proposals(node.request(request)).await?.into_inner())
    })
}

fn call<T>(asked: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Refused(format!("cannot start: {error}")))?;
    runtime.block_on(asked)
}

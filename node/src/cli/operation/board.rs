//! An operation as the node tells it, with who can be reached and how far clocks differ.

use std::collections::BTreeMap;

use entente_proto::wire::{
    Board, OperationPart, OperationRequest, PeerStatus, Pending, PendingHold, RecordRef, Resurfaced, StatusRequest,
};

use super::super::client::{Node, misfit};
use super::super::error::CliError;

/// How far clocks may differ before people are warned, milliseconds.
pub(super) const CLOCKS_MS: u64 = 1_000;

/// What a node tells of an operation.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) board: Board,
    /// The board's digest.
    pub(super) digest: Vec<u8>,
    pub(super) pending: Vec<Pending>,
    pub(super) pending_holds: Vec<PendingHold>,
    pub(super) resurfaced: Vec<Resurfaced>,
    /// The node's clock.
    pub(super) now_ms: u64,
    /// The own unit.
    pub(super) own: String,
    /// Of every other unit of the network.
    pub(super) peers: BTreeMap<String, PeerStatus>,
}

impl Told {
    /// Asks the node.
    pub(super) async fn ask(node: &Node, id: &RecordRef) -> Result<Self, CliError> {
        let request = OperationRequest { id: Some(id.clone()) };
        let mut parts = node.client().operation(node.request(request)).await?.into_inner();
        let mut told: Option<Self> = None;
        while let Some(part) = parts.message().await? {
            match &mut told {
                None => told = Some(Self::begin(part)),
                Some(told) => {
                    let more = part.board.unwrap_or_default();
                    told.board.targets.extend(more.targets);
                    told.board.steps.extend(more.steps);
                }
            }
        }
        told.ok_or_else(|| misfit("it tells nothing of the operation"))
    }

    /// Asks the node, also who can be reached.
    pub(super) async fn ask_all(node: &Node, id: &RecordRef) -> Result<Self, CliError> {
        let told = Self::ask(node, id).await?;
        let status = node.client().status(node.request(StatusRequest {})).await?.into_inner();
        let peers = status.peers.into_iter().map(|peer| (peer.unit.clone(), peer)).collect();
        Ok(Self { peers, ..told })
    }

    fn begin(part: OperationPart) -> Self {
        Self {
            board: part.board.unwrap_or_default(),
            digest: part.digest,
            pending: part.pending,
            pending_holds: part.pending_holds,
            resurfaced: part.resurfaced,
            now_ms: part.now_ms,
            own: part.unit,
            peers: BTreeMap::new(),
        }
    }

    /// The unit that leads.
    pub(super) fn lead(&self) -> &str {
        self.board.id.as_ref().map(|id| id.unit.as_str()).unwrap_or_default()
    }

    /// The units of the operation whose clock differs too far from the own, with by how much, milliseconds.
    pub(super) fn clocks(&self) -> impl Iterator<Item = (&str, i64)> {
        let units = self.board.units.iter().filter_map(|unit| self.peers.get(&unit.unit));
        let off = units.filter(|peer| peer.connected && peer.clock_ahead_ms.unsigned_abs() > CLOCKS_MS);
        off.map(|peer| (peer.unit.as_str(), peer.clock_ahead_ms))
    }

    /// The node of a unit, unless it is the own.
    pub(super) fn peer(&self, unit: &str) -> Option<&PeerStatus> {
        self.peers.get(unit)
    }
}

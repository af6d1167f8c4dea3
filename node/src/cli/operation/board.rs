//! An operation as the node tells it, with who can be reached and how far clocks differ.

use std::collections::BTreeMap;
use std::time::Duration;

use entente_proto::wire::record::Body;
use entente_proto::wire::{
    Board, Change, HoldBeside, OperationPart, OperationRequest, PeerStatus, Pending, RecordRef, Resurfaced,
    StatusRequest, WatchRequest,
};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Streaming;

use super::super::client::{Node, misfit};
use super::super::error::CliError;
use super::super::words::record_id;

/// How far clocks may differ before people are warned, milliseconds.
pub(super) const CLOCKS_MS: u64 = 1_000;

/// At the least how long after one question the next is asked, and at the most: who can be reached changes unannounced.
const ASK_AFTER: Duration = Duration::from_millis(300);
const ASK_AT_LAST: Duration = Duration::from_secs(5);
/// How long after one try to reach the own node again the next is made.
const TRY_AFTER: Duration = Duration::from_secs(1);

/// What a look at an operation brought.
pub(super) enum Seen {
    /// Nothing that is new.
    Same,
    /// What the node tells now.
    News(Box<Told>),
    /// The own node cannot be reached, or does not know the operation again yet: why.
    Away(String),
}

/// Follows an operation, also when the own node is restarted meanwhile: an action goes on without it.
pub(super) struct Follow<'a> {
    node: &'a Node,
    id: &'a RecordRef,
    bell: Option<Bell>,
    tried: Instant,
}

impl<'a> Follow<'a> {
    /// Begins, and tells what is so now.
    pub(super) async fn begin(node: &'a Node, id: &'a RecordRef) -> Result<(Self, Told), CliError> {
        let bell = Some(Bell::new(node).await?);
        let told = Told::ask_all(node, id).await?;
        Ok((Self { node, id, bell, tried: Instant::now() }, told))
    }

    /// Looks for so long.
    pub(super) async fn look(&mut self, wait: Duration) -> Seen {
        let Some(bell) = &mut self.bell else {
            sleep(wait).await;
            return if self.tried.elapsed() < TRY_AFTER { Seen::Same } else { self.again().await };
        };
        match bell.listen(wait).await {
            Ok(false) => Seen::Same,
            Ok(true) => self.ask().await,
            Err(why) => self.away(&why),
        }
    }

    async fn again(&mut self) -> Seen {
        self.tried = Instant::now();
        match Bell::new(self.node).await {
            Ok(bell) => {
                self.bell = Some(bell);
                self.ask().await
            }
            Err(why) => self.away(&why),
        }
    }

    async fn ask(&mut self) -> Seen {
        match Told::ask_all(self.node, self.id).await {
            Ok(told) => Seen::News(Box::new(told)),
            Err(why) => self.away(&why),
        }
    }

    fn away(&mut self, why: &CliError) -> Seen {
        self.bell = None;
        Seen::Away(why.to_string())
    }
}

/// Knows when it is time to ask again: when something was said that may concern an operation, and now and then.
struct Bell {
    changes: Streaming<Change>,
    asked: Instant,
    rung: bool,
}

impl Bell {
    /// Listens from now on. Whoever asks after this misses nothing.
    async fn new(node: &Node) -> Result<Self, CliError> {
        let request = WatchRequest { pending: true, from: Vec::new() };
        let changes = node.client().watch(node.lasting_request(request)).await?.into_inner();
        Ok(Self { changes, asked: Instant::now(), rung: false })
    }

    /// Listens for so long; then whether it is time to ask.
    async fn listen(&mut self, wait: Duration) -> Result<bool, CliError> {
        let end = Instant::now() + wait;
        while let Ok(change) = timeout_at(end, self.changes.message()).await {
            match change {
                Ok(Some(change)) => self.rung |= concerns(&change),
                _ => return Err(CliError::Unreachable("the node stops, or is restarted: call again".into())),
            }
        }
        let since = self.asked.elapsed();
        let due = self.rung && since >= ASK_AFTER || since >= ASK_AT_LAST;
        if due {
            (self.asked, self.rung) = (Instant::now(), false);
        }
        Ok(due)
    }
}

/// Whether a statement may change what a page shows.
fn concerns(change: &Change) -> bool {
    let body = change.record.as_ref().and_then(|record| record.body.as_ref());
    !matches!(body, Some(Body::Refer(_) | Body::Dispatch(_) | Body::Outcome(_) | Body::Adopt(_) | Body::AccessHead(_)))
}

/// What a node tells of an operation.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) board: Board,
    /// The board's digest.
    pub(super) digest: Vec<u8>,
    pub(super) pending: Vec<Pending>,
    pub(super) holds: Vec<HoldBeside>,
    pub(super) resurfaced: Vec<Resurfaced>,
    /// The remarks of reports by their ids, where they were asked for.
    pub(super) remarks: BTreeMap<String, String>,
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
        Self::ask_for(node, id, false).await
    }

    async fn ask_for(node: &Node, id: &RecordRef, remarks: bool) -> Result<Self, CliError> {
        let request = OperationRequest { id: Some(id.clone()), remarks };
        let mut parts = node.client().operation(node.request(request)).await?.into_inner();
        let mut told: Option<Self> = None;
        while let Some(part) = parts.message().await? {
            match &mut told {
                None => told = Some(Self::begin(part)),
                Some(told) => {
                    let more = part.board.unwrap_or_default();
                    told.board.targets.extend(more.targets);
                    told.board.steps.extend(more.steps);
                    let remarks = part.remarks.into_iter().filter_map(|said| Some((record_id(&said.id?), said.text)));
                    told.remarks.extend(remarks);
                }
            }
        }
        told.ok_or_else(|| misfit("it tells nothing of the operation"))
    }

    /// Asks the node, also who can be reached.
    pub(super) async fn ask_all(node: &Node, id: &RecordRef) -> Result<Self, CliError> {
        Self::ask(node, id).await?.with_peers(node).await
    }

    async fn with_peers(self, node: &Node) -> Result<Self, CliError> {
        let status = node.client().status(node.request(StatusRequest {})).await?.into_inner();
        let peers = status.peers.into_iter().map(|peer| (peer.unit.clone(), peer)).collect();
        Ok(Self { peers, ..self })
    }

    /// Asks the node, also what units remarked on what they did.
    pub(super) async fn ask_with_remarks(node: &Node, id: &RecordRef) -> Result<Self, CliError> {
        Self::ask_for(node, id, true).await?.with_peers(node).await
    }

    fn begin(part: OperationPart) -> Self {
        Self {
            board: part.board.unwrap_or_default(),
            digest: part.digest,
            pending: part.pending,
            holds: part.holds,
            resurfaced: part.resurfaced,
            remarks: BTreeMap::new(),
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

    /// The holds that speak against a target and are not on the board.
    pub(super) fn holds_of(&self, target: &str) -> impl Iterator<Item = &HoldBeside> {
        let from = self.holds.partition_point(|hold| hold.target.as_str() < target);
        self.holds.iter().skip(from).take_while(move |hold| hold.target == target)
    }

    /// The node of a unit, unless it is the own.
    pub(super) fn peer(&self, unit: &str) -> Option<&PeerStatus> {
        self.peers.get(unit)
    }
}

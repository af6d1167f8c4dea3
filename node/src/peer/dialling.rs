//! Dialling partners, again and again with growing, jittered pauses, as long as no stream to them stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use entente_certs::identity::{Identity, Role};
use entente_certs::members::SharedMembers;
use entente_certs::tls::Credentials;
use entente_proto::ids::UnitId;
use entente_proto::limits::FRAME_BYTES_MAX;
use entente_proto::wire::peer_client::PeerClient;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::session;
use crate::core::{Core, lock};
use crate::net::{Connections, Dialler, TlsTime};

/// How long the greater unit id leaves it to the smaller one to dial.
const YIELD: Duration = Duration::from_millis(300);
/// How often a partner with a standing stream is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A stream that stood this long begins with short pauses again when it ends.
const STEADY: Duration = Duration::from_secs(5);

/// With what partners are dialled.
#[derive(Clone)]
pub struct Means {
    /// The node's certificate.
    pub credentials: Credentials,
    /// Whose certificates are good.
    pub members: SharedMembers,
    /// The time by which they are judged.
    pub time: TlsTime,
    /// Where open connections are entered.
    pub connections: Connections,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Means")
    }
}

/// All partners to be dialled.
#[derive(Debug)]
pub struct Partners {
    core: Arc<Core>,
    means: Means,
    /// Why a partner was last not reached.
    reasons: Mutex<BTreeMap<UnitId, String>>,
}

impl Partners {
    /// Dials every other unit that is admitted but those blocked, until the runtime ends; those that a new charter brings
    /// in, too.
    #[must_use]
    pub fn start(core: Arc<Core>, means: Means, blocked: &BTreeSet<UnitId>) -> Arc<Self> {
        let partners = Arc::new(Self { core, means, reasons: Mutex::default() });
        let (following, blocked) = (partners.clone(), blocked.clone());
        let mut changes = partners.core.charter_changes();
        tokio::spawn(async move {
            let mut dialled = BTreeMap::new();
            loop {
                following.dial_new(&blocked, &mut dialled);
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        partners
    }

    /// Begins to dial those partners that nobody dials yet.
    fn dial_new(self: &Arc<Self>, blocked: &BTreeSet<UnitId>, dialled: &mut BTreeMap<UnitId, JoinHandle<()>>) {
        dialled.retain(|_, dialling| !dialling.is_finished());
        for unit in self.core.peers().into_iter().map(|peer| peer.unit) {
            if blocked.contains(&unit) {
                self.note(&unit, "blocked in node.toml (peers.block)".into());
            } else if !dialled.contains_key(&unit) {
                dialled.insert(unit.clone(), tokio::spawn(self.clone().keep(unit)));
            }
        }
    }

    /// Why a partner was last not reached.
    #[must_use]
    pub fn reason(&self, unit: &UnitId) -> String {
        lock(&self.reasons).get(unit).cloned().unwrap_or_default()
    }

    fn note(&self, unit: &UnitId, reason: String) {
        lock(&self.reasons).insert(unit.clone(), reason);
    }

    async fn keep(self: Arc<Self>, unit: UnitId) {
        let pauses = || {
            let jittered = ExponentialBuilder::default().with_jitter().without_max_times();
            jittered.with_min_delay(Duration::from_millis(100)).with_max_delay(Duration::from_secs(5)).build()
        };
        let mut pause = pauses();
        let mut turn = 0_usize;
        if self.core.unit > unit {
            sleep(YIELD).await;
        }
        loop {
            if self.core.connected(&unit) {
                sleep(LOOK_EVERY).await;
                continue;
            }
            let begun = Instant::now();
            // A unit that left is dialled no more. One without an address dials.
            let Some(addresses) = self.core.addresses(&unit) else { return };
            let Some(address) = addresses.get(turn.checked_rem(addresses.len()).unwrap_or(0)) else {
                sleep(STEADY).await;
                continue;
            };
            turn = turn.wrapping_add(1);
            if let Err(reason) = self.dial(&unit, address).await {
                tracing::debug!(peer = %unit, address, reason, "not reached");
                self.note(&unit, reason);
            }
            if begun.elapsed() >= STEADY {
                pause = pauses();
            }
            sleep(pause.next().unwrap_or(STEADY)).await;
        }
    }

    /// One stream, from dialling to its end.
    async fn dial(&self, unit: &UnitId, address: &str) -> Result<(), String> {
        let expected = Identity { unit: unit.clone(), role: Role::Node };
        let Means { credentials, members, time, connections } = self.means.clone();
        let dialler = Dialler::new(&credentials, members, expected, time, connections).map_err(|e| e.to_string())?;
        let channel = dialler.connect(address).await.map_err(|e| e.to_string())?;
        let mut client = PeerClient::new(channel)
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX);
        let (outbound, frames) = mpsc::channel(session::QUEUE);
        // A request's stream cannot carry a status: it ends instead.
        let frames = ReceiverStream::new(frames).map_while(Result::ok);
        let told = |status: &tonic::Status| format!("the partner ended the stream: {}", status.message());
        let inbound = client.sync(frames).await.map_err(|status| told(&status))?.into_inner();
        lock(&self.reasons).remove(unit);
        session::run(&self.core, unit.clone(), true, inbound, outbound).await.map_err(|status| told(&status))
    }
}

//! The accept loop.
//!
//! A connection passes, in this order: a slot among all, a turn among the handshakes, TCP, TLS within its time, ALPN
//! `h2`, a place among those of its peer, and the verifier once more. Only then does tonic see it. What fails on the way
//! is logged here with its reason; the other end sees a TLS alert or the end of the connection.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use entente_certs::tls::{TlsError, require_h2};
use entente_certs::verifier::{Admission, Refusal, Usage};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{Service, http};
use tracing::{debug, warn};

use super::connections::{Connections, Crowded};
use super::stream::PeerStream;
use super::{Limits, PeerInfo, TlsTime};

/// Who may come in by a listener, and how many.
#[derive(Clone)]
pub struct Door {
    /// The TLS settings, made with the same `admission`.
    pub tls: Arc<ServerConfig>,
    /// Who may come in; asked again after the handshake.
    pub admission: Admission,
    /// The time by which certificates are judged.
    pub time: TlsTime,
    /// How many, and how long.
    pub limits: Limits,
    /// Where open connections are entered. Those in it when the listener stops are cut after its `drain`.
    pub connections: Connections,
}

/// Why a connection was not taken. For the own log.
#[derive(Debug, thiserror::Error)]
enum Turned {
    #[error("no TLS handshake within {0:?}")]
    Slow(std::time::Duration),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("no TLS handshake: {0}")]
    Handshake(io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Crowded(#[from] Crowded),
}

/// Serves `service` to whoever the door lets in, until `shutdown` is done; then takes no more, lets open calls end for
/// the door's `drain`, cuts what is left and returns.
///
/// # Errors
/// tonic's, which come from the service and not from a peer.
pub async fn serve<S>(
    tcp: TcpListener,
    door: Door,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    S: Service<http::Request<tonic::body::Body>, Response = http::Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let (taken, incoming) = mpsc::channel(1);
    let (limits, connections) = (door.limits, door.connections.clone());
    let draining = Notify::new();
    let server = limits.server().serve_with_incoming_shutdown(service, ReceiverStream::new(incoming), async {
        shutdown.await;
        draining.notify_one();
    });
    // Aborted when this function ends, however it ends. Before that the loop ends by itself when tonic drops `incoming`.
    let mut accepting = JoinSet::new();
    accepting.spawn(accept_loop(tcp, Arc::new(door), taken));
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return result,
        () = async { draining.notified().await; sleep(limits.drain).await } => {}
    }
    // A partner's stream lasts as long as the partner does; nobody waits for it.
    let cut = connections.cut(|_| true);
    debug!(cut, "cut the connections that were still open");
    server.await
}

type Taken = mpsc::Sender<Result<PeerStream<TlsStream<TcpStream>>, Infallible>>;

async fn accept_loop(tcp: TcpListener, door: Arc<Door>, taken: Taken) {
    let slots = Arc::new(Semaphore::new(door.limits.connections));
    let turns = Arc::new(Semaphore::new(door.limits.handshakes));
    let mut handshakes = JoinSet::new();
    loop {
        // Those who find no slot or turn wait in the kernel's queue, where they cost nothing.
        let permits =
            async { Some((slots.clone().acquire_owned().await.ok()?, turns.clone().acquire_owned().await.ok()?)) };
        let (slot, turn) = tokio::select! {
            permits = permits => match permits {
                Some(permits) => permits,
                None => return,
            },
            () = taken.closed() => return,
        };
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = taken.closed() => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                let (door, taken) = (Arc::clone(&door), taken.clone());
                handshakes.spawn(async move {
                    match admit(stream, remote, &door, slot, turn).await {
                        Ok(stream) => {
                            // An error means that the listener was told to stop; the stream is dropped with it.
                            let _ = taken.send(Ok(stream)).await;
                        }
                        Err(turned) => report(remote, &turned),
                    }
                });
            }
            // The peer gave up between the kernel's queue and here.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Most likely EMFILE or ENFILE. The connection stays in the queue, so accepting at once would spin.
                warn!(%error, "cannot accept a connection; resting");
                sleep(door.limits.accept_rest).await;
            }
        }
        while handshakes.try_join_next().is_some() {}
    }
}

async fn admit(
    stream: TcpStream,
    remote: SocketAddr,
    door: &Door,
    slot: OwnedSemaphorePermit,
    turn: OwnedSemaphorePermit,
) -> Result<PeerStream<TlsStream<TcpStream>>, Turned> {
    stream.set_nodelay(true).map_err(Turned::Handshake)?;
    let acceptor = TlsAcceptor::from(Arc::clone(&door.tls));
    let stream = timeout(door.limits.handshake_timeout, acceptor.accept(stream))
        .await
        .map_err(|_| Turned::Slow(door.limits.handshake_timeout))?
        .map_err(|error| Refusal::of_io(&error).cloned().map_or(Turned::Handshake(error), Turned::Refused))?;
    drop(turn);
    let (_, session) = stream.get_ref();
    require_h2(session)?;
    let chain = session.peer_certificates().unwrap_or_default();
    let verify = || door.admission.verify(chain, Usage::Client, door.time.now());
    let verified = verify()?;
    let peer = PeerInfo::new(verified, remote);
    let entered = door.connections.enter(&peer, door.limits.connections_per_peer)?;
    // Whoever revokes first replaces the members and then cuts what is entered. This connection may have been entered
    // after the cut, but then the members were replaced before this line.
    verify()?;
    debug!(%peer, "connected");
    Ok(PeerStream::new(stream, peer, entered, Some(slot)))
}

fn report(remote: SocketAddr, turned: &Turned) {
    match turned {
        // Scanners and broken clients: nothing that an operator has to do something about.
        Turned::Slow(_) | Turned::Handshake(_) | Turned::Tls(_) => debug!(%remote, reason = %turned, "turned away"),
        Turned::Refused(_) | Turned::Crowded(_) => warn!(%remote, reason = %turned, "turned away"),
    }
}

//! The real listener on a loopback address of its own, and the real dialler.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use entente_certs::authority::{Authority, Validity};
use entente_certs::identity::{Identity, Role};
use entente_certs::members::{Members, SharedMembers};
use entente_certs::tls::{Credentials, client_config, server_config};
use entente_certs::verifier::{Admission, Admits, Refusal};
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Channel;
use tower::{ServiceExt, service_fn};

use super::{Connections, DialError, Dialler, Door, Limits, PeerInfo, TlsTime, connect, serve};
use crate::clock::ManualClock;

const NOW_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

/// Two units, and FR's peer listener, which BE dials.
struct World {
    clock: Arc<ManualClock>,
    be: Authority,
    fr: Authority,
    members: SharedMembers,
    limits: Limits,
    /// What the diallers opened.
    dialled: Connections,
}

/// A listener that runs.
struct Running {
    address: String,
    connections: Connections,
    /// Who called `/hang`, which never answers.
    hanging: mpsc::UnboundedReceiver<PeerInfo>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl World {
    fn new() -> Self {
        let authority = |id| Authority::create(&network(), &unit(id), NOW_MS - DAY_MS).unwrap();
        let (be, fr) = (authority("BE"), authority("FR"));
        let members = SharedMembers::new(members(&be, &fr, &[]));
        Self {
            clock: Arc::new(ManualClock::at(NOW_MS)),
            be,
            fr,
            members,
            limits: Limits::PEERS,
            dialled: Connections::new(),
        }
    }

    fn time(&self) -> TlsTime {
        TlsTime(self.clock.clone())
    }

    async fn listen(&self) -> Running {
        let tcp = TcpListener::bind((own_loopback(), 0)).await.unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let admission = Admission::new(self.members.clone(), Admits::Peers { own: unit("FR") });
        let (own, _) = credentials(&self.fr, &Identity::node(unit("FR")), 365);
        let connections = Connections::new();
        let door = Door {
            tls: server_config(&own, admission.clone(), Arc::new(self.time())).unwrap(),
            admission,
            time: self.time(),
            limits: self.limits,
            connections: connections.clone(),
        };
        let (caller, hanging) = mpsc::unbounded_channel();
        let service = service_fn(move |request: Request<Body>| {
            let caller = caller.clone();
            async move {
                let peer = request.extensions().get::<PeerInfo>().unwrap().clone();
                if request.uri().path() == "/hang" {
                    caller.send(peer).unwrap();
                    pending::<()>().await;
                    return Ok(Response::new(Body::empty()));
                }
                let answer = Response::builder().header("caller", peer.identity().to_string());
                Ok::<_, Infallible>(answer.header("spki", peer.holder.spki.to_string()).body(Body::empty()).unwrap())
            }
        });
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(serve(tcp, door, service, async {
            let _ = stopped.await;
        }));
        Running { address, connections, hanging, stop, ended }
    }

    fn be_node(&self) -> (Credentials, Hash) {
        credentials(&self.be, &Identity::node(unit("BE")), 365)
    }

    fn dialler(&self, own: &Credentials) -> Dialler {
        let expected = Identity::node(unit("FR"));
        Dialler::new(own, self.members.clone(), expected, self.time(), self.dialled.clone()).unwrap()
    }
}

fn members(be: &Authority, fr: &Authority, revoked: &[Hash]) -> Members {
    let (be, fr) = ([be.certificate_der().to_vec()], [fr.certificate_der().to_vec()]);
    let revoked: BTreeSet<Hash> = revoked.iter().copied().collect();
    Members::new(network(), [(unit("BE"), &be[..]), (unit("FR"), &fr[..])], revoked).unwrap()
}

fn credentials(authority: &Authority, identity: &Identity, days: u32) -> (Credentials, Hash) {
    let issued = authority.issue(identity, &[], Validity::days(NOW_MS, days).unwrap()).unwrap();
    let pair = Credentials::from_pem(issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
    (pair.unwrap(), issued.spki)
}

async fn call(channel: &Channel, path: &str) -> Result<Response<Body>, tonic::transport::Error> {
    let uri = format!("http://node.invalid{path}");
    channel.clone().oneshot(Request::post(uri).body(Body::empty()).unwrap()).await
}

/// An address that no other test has, so that ports never collide.
fn own_loopback() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., a, b] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, a, b, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Every wait in these tests ends.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("a deadline of 20 s")
}

#[tokio::test]
async fn a_handler_learns_who_called() {
    let world = World::new();
    let running = world.listen().await;
    let (own, spki) = world.be_node();
    let channel = soon(world.dialler(&own).connect(&running.address)).await.unwrap();
    let answer = soon(call(&channel, "/who")).await.unwrap();
    assert_eq!(answer.headers()["caller"], "BE node");
    assert_eq!(answer.headers()["spki"], spki.to_string());
    assert_eq!(running.connections.peers().len(), 1);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_dropped_after_the_handshake_timeout() {
    let mut world = World::new();
    world.limits.handshake_timeout = Duration::from_millis(20);
    let running = world.listen().await;
    let mut idle = TcpStream::connect(&running.address).await.unwrap();
    assert_eq!(soon(idle.read(&mut [0; 16])).await.unwrap(), 0);
}

#[tokio::test]
async fn idle_connections_keep_nobody_out_for_longer_than_the_handshake_timeout() {
    let mut world = World::new();
    world.limits.handshake_timeout = Duration::from_millis(50);
    world.limits.handshakes = 2;
    world.limits.connections = 3;
    let running = world.listen().await;
    let mut idle = Vec::new();
    for _ in 0..6 {
        idle.push(TcpStream::connect(&running.address).await.unwrap());
    }
    let (own, _) = world.be_node();
    let dialler = world.dialler(&own);
    // On a busy machine its own handshake may take longer than that.
    soon(async { while dialler.connect(&running.address).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_ninth_connection_of_one_peer_is_refused() {
    let world = World::new();
    let running = world.listen().await;
    let (own, _) = world.be_node();
    let dialler = world.dialler(&own);
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(soon(dialler.connect(&running.address)).await.unwrap());
    }
    let error = soon(dialler.connect(&running.address)).await.unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error:?}");
    // Whoever leaves makes room. The listener learns of it by itself, so it is asked until it has.
    open.pop();
    soon(async { while dialler.connect(&running.address).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_revoked_peer_is_cut_in_the_middle_of_a_call_and_does_not_return() {
    let world = World::new();
    let mut running = world.listen().await;
    let (own, spki) = world.be_node();
    let dialler = world.dialler(&own);
    let channel = soon(dialler.connect(&running.address)).await.unwrap();
    let hanging = tokio::spawn(async move { call(&channel, "/hang").await });
    assert_eq!(soon(running.hanging.recv()).await.unwrap().holder.spki, spki);
    world.members.replace(members(&world.be, &world.fr, &[spki]));
    assert_eq!(running.connections.cut(|peer| peer.holder.spki == spki), 1);
    assert!(soon(hanging).await.unwrap().is_err());
    assert!(running.connections.peers().is_empty());
    let error = soon(dialler.connect(&running.address)).await.unwrap_err();
    assert!(matches!(error, DialError::RefusedUs { alert: AlertDescription::CertificateUnknown, .. }), "{error:?}");
}

#[tokio::test]
async fn a_dialled_connection_is_cut_too() {
    let world = World::new();
    let mut running = world.listen().await;
    let (own, _) = world.be_node();
    let dialler = world.dialler(&own);
    let channel = soon(dialler.connect(&running.address)).await.unwrap();
    let hanging = tokio::spawn(async move { call(&channel, "/hang").await });
    soon(running.hanging.recv()).await.unwrap();
    let seen = world.dialled.peers();
    assert_eq!(seen.iter().map(|peer| peer.identity().to_string()).collect::<Vec<_>>(), ["FR node"]);
    assert_eq!(world.dialled.cut(|peer| peer.identity().unit == unit("FR")), 1);
    assert!(soon(hanging).await.unwrap().is_err());
    assert!(world.dialled.peers().is_empty());
}

#[tokio::test]
async fn only_those_who_were_asked_for_are_cut() {
    let world = World::new();
    let running = world.listen().await;
    let (own, _) = world.be_node();
    let channel = soon(world.dialler(&own).connect(&running.address)).await.unwrap();
    assert_eq!(running.connections.cut(|peer| peer.identity().unit == unit("NL")), 0);
    assert!(soon(call(&channel, "/who")).await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_be_made_by_fr_is_turned_away_with_words() {
    let world = World::new();
    let running = world.listen().await;
    // FR's authority under BE's name: what a dishonest unit can make.
    let rogue = Authority::create(&network(), &unit("BE"), NOW_MS - DAY_MS).unwrap();
    let (forged, _) = credentials(&rogue, &Identity::node(unit("BE")), 365);
    let error = soon(world.dialler(&forged).connect(&running.address)).await.unwrap_err();
    assert!(matches!(error, DialError::RefusedUs { .. }), "{error:?}");
    assert!(error.to_string().contains("refused this side's certificate"), "{error}");
    assert!(running.connections.peers().is_empty());
}

#[tokio::test]
async fn an_expired_certificate_is_turned_away_by_the_nodes_clock() {
    let world = World::new();
    let running = world.listen().await;
    let (own, _) = credentials(&world.be, &Identity::node(unit("BE")), 1);
    assert!(soon(world.dialler(&own).connect(&running.address)).await.is_ok());
    world.clock.advance(2 * DAY_MS);
    let error = soon(world.dialler(&own).connect(&running.address)).await.unwrap_err();
    assert!(matches!(error, DialError::RefusedUs { .. }), "{error:?}");
}

#[tokio::test]
async fn an_officer_cannot_enter_by_the_peers_door() {
    let world = World::new();
    let running = world.listen().await;
    let officer = Identity { unit: unit("FR"), role: Role::Officer("anna".into()) };
    let (own, _) = credentials(&world.fr, &officer, 365);
    let error = soon(world.dialler(&own).connect(&running.address)).await.unwrap_err();
    assert!(matches!(error, DialError::RefusedUs { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dialler_says_who_answered_in_place_of_the_expected() {
    let world = World::new();
    let running = world.listen().await;
    let (own, _) = world.be_node();
    let expected = Identity::node(unit("NL"));
    let tls = client_config(&own, world.members.clone(), expected, Arc::new(world.time())).unwrap();
    let error = soon(connect(&running.address, tls)).await.unwrap_err();
    let by_refusal = |refusal: &Refusal| matches!(refusal, Refusal::NotAdmitted { .. });
    assert!(matches!(&error, DialError::Refused { refusal, .. } if by_refusal(refusal)), "{error:?}");
    assert!(!error.is_unreachable());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let world = World::new();
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind((own_loopback(), 0).into()).unwrap();
    let deaf_address = deaf.local_addr().unwrap().to_string();
    let (own, _) = world.be_node();
    let error = soon(world.dialler(&own).connect(&deaf_address)).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }) && error.is_unreachable(), "{error:?}");
    let error = soon(world.dialler(&own).connect("no port here")).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn someone_who_speaks_no_tls_is_not_a_node() {
    let world = World::new();
    let tcp = TcpListener::bind((own_loopback(), 0)).await.unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = tcp.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let (own, _) = world.be_node();
    let error = soon(world.dialler(&own).connect(&address)).await.unwrap_err();
    assert!(matches!(error, DialError::Handshake { .. }), "{error:?}");
    answering.await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_dialled_anew_by_the_next_call() {
    let world = World::new();
    let running = world.listen().await;
    let (own, _) = world.be_node();
    let tls = client_config(&own, world.members.clone(), Identity::node(unit("FR")), Arc::new(world.time())).unwrap();
    let channel = soon(connect(&running.address, tls)).await.unwrap();
    assert!(soon(call(&channel, "/who")).await.is_ok());
    assert_eq!(running.connections.cut(|_| true), 1);
    soon(async { while call(&channel, "/who").await.is_err() {} }).await;
}

#[tokio::test]
async fn a_listener_that_is_told_to_stop_cuts_what_does_not_end() {
    let mut world = World::new();
    world.limits.drain = Duration::from_millis(10);
    let mut running = world.listen().await;
    let (own, _) = world.be_node();
    let channel = soon(world.dialler(&own).connect(&running.address)).await.unwrap();
    let hanging = tokio::spawn(async move { call(&channel, "/hang").await });
    soon(running.hanging.recv()).await.unwrap();
    running.stop.send(()).unwrap();
    soon(running.ended).await.unwrap().unwrap();
    assert!(soon(hanging).await.unwrap().is_err());
    assert!(soon(TcpStream::connect(&running.address)).await.is_err());
}

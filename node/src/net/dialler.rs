//! Dialling: TCP, TLS with the one expected peer, ALPN `h2`, and then tonic over the finished stream.
//!
//! In TLS 1.3 a client has finished its handshake before the server has looked at its certificate. So after it the dialler
//! waits for the first bytes of the server, its HTTP/2 settings, which it sends unasked: then a certificate that the other
//! side refuses is told as that, and not as a call that failed somehow.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use entente_certs::identity::Identity;
use entente_certs::members::SharedMembers;
use entente_certs::tls::{Credentials, TlsError, client_config, require_h2, server_name};
use entente_certs::verifier::{Admission, Admits, Refusal, Usage};
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, ClientConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::connections::Connections;
use super::limits::{HEADER_LIST_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use super::stream::PeerStream;
use super::{PeerInfo, TlsTime, Windows};

/// How long TCP may take, and again how long TLS may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why nobody was reached, or not the one who was expected.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers there.
    #[error("{address} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// The system's words.
        source: io::Error,
    },
    /// Nobody answers there in time.
    #[error("{address} cannot be reached: no answer within {} s", DIAL_TIMEOUT.as_secs())]
    Timeout {
        /// Where.
        address: String,
    },
    /// The other end's certificate was refused here.
    #[error("{address} is not who it should be: {refusal}")]
    Refused {
        /// Where.
        address: String,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The own certificate was refused there.
    #[error(
        "{address} refused this side's certificate (TLS alert {alert:?}); the reason is in its log. Is the certificate \
         expired, revoked, or made by an authority that its charter does not name?"
    )]
    RefusedUs {
        /// Where.
        address: String,
        /// What it said.
        alert: AlertDescription,
    },
    /// The other end hung up before it said anything.
    #[error("{address} closed the connection at once; it may have too many connections from this side")]
    Closed {
        /// Where.
        address: String,
    },
    /// Whoever answers there does not speak TLS 1.3, or not correctly.
    #[error("{address} does not answer as a node does: {source}")]
    Handshake {
        /// Where.
        address: String,
        /// What was wrong.
        source: io::Error,
    },
    /// Whoever answers there does not speak HTTP/2.
    #[error("{address} does not answer as a node does: {source}")]
    Tls {
        /// Where.
        address: String,
        /// What was wrong.
        source: TlsError,
    },
    /// HTTP/2 did not come about.
    #[error("{address} does not answer as a node does: {source}")]
    Http {
        /// Where.
        address: String,
        /// What was wrong.
        source: tonic::transport::Error,
    },
}

impl DialError {
    /// Whether nobody was there, so that it may be tried again later as it is.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Closed { .. })
    }
}

/// Connects to `HOST:PORT`, where whoever `tls` expects must answer. When the connection is lost, the next call on the
/// channel dials again. For commands; a node's own sessions use a [`Dialler`].
///
/// # Errors
/// The [`DialError`] of the first connection.
pub async fn connect(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, DialError> {
    let mut first = Some(open(address, &tls).await?.0);
    let target = Arc::<str>::from(address);
    let connector = service_fn(move |_: Uri| {
        let (first, target, tls) = (first.take(), Arc::clone(&target), Arc::clone(&tls));
        async move {
            let stream = match first {
                Some(stream) => stream,
                None => open(&target, &tls).await?.0,
            };
            Ok::<_, DialError>(TokioIo::new(stream))
        }
    });
    let channel = endpoint(Windows::CALLS).connect_with_connector(connector).await;
    channel.map_err(|source| DialError::Http { address: address.into(), source })
}

/// Connects to one partner's node, again and again; what it opens can be cut.
#[derive(Clone)]
pub struct Dialler {
    tls: Arc<ClientConfig>,
    admission: Admission,
    time: TlsTime,
    connections: Connections,
}

impl Dialler {
    /// A dialler that reaches `expected` and nobody else. Its connections are entered in `connections`.
    ///
    /// # Errors
    /// [`TlsError::Settings`] if rustls refuses the settings.
    pub fn new(
        credentials: &Credentials,
        members: SharedMembers,
        expected: Identity,
        time: TlsTime,
        connections: Connections,
    ) -> Result<Self, TlsError> {
        let tls = client_config(credentials, members.clone(), expected.clone(), Arc::new(time.clone()))?;
        Ok(Self { tls, admission: Admission::new(members, Admits::Only(expected)), time, connections })
    }

    /// Connects to `HOST:PORT`. The channel ends with its connection: it is for the caller to dial again, when it should.
    ///
    /// # Errors
    /// A [`DialError`].
    pub async fn connect(&self, address: &str) -> Result<Channel, DialError> {
        let (stream, remote) = open(address, &self.tls).await?;
        let refused = |refusal| DialError::Refused { address: address.into(), refusal: Box::new(refusal) };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let verify = || self.admission.verify(chain, Usage::Server, self.time.now()).map_err(refused);
        let verified = verify()?;
        let peer = PeerInfo::new(verified, remote);
        // Not limited: the node dials as often as it wants to.
        let entered = self
            .connections
            .enter(&peer, usize::MAX)
            .map_err(|crowded| unreachable(address, io::Error::other(crowded)))?;
        // As in the listener: either a cut finds the entry, or this finds the new members.
        verify()?;
        over(address, PeerStream::new(stream, peer, entered, None)).await
    }
}

/// A channel over this stream alone.
async fn over<IO>(address: &str, stream: IO) -> Result<Channel, DialError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut only = Some(TokioIo::new(stream));
    let connector = service_fn(move |_: Uri| {
        let stream = only.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    let channel = endpoint(Windows::BULK).connect_with_connector(connector).await;
    channel.map_err(|source| DialError::Http { address: address.into(), source })
}

/// TCP, TLS, ALPN, and the first bytes of the other end.
async fn open(address: &str, tls: &Arc<ClientConfig>) -> Result<(TlsStream<TcpStream>, SocketAddr), DialError> {
    let late = |_| DialError::Timeout { address: address.into() };
    let dialling = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let remote = stream.peer_addr()?;
        io::Result::Ok((stream, remote))
    };
    let (stream, remote) =
        timeout(DIAL_TIMEOUT, dialling).await.map_err(late)?.map_err(|source| unreachable(address, source))?;
    let shaking = async {
        let connector = TlsConnector::from(Arc::clone(tls));
        let mut stream = connector.connect(server_name(), stream).await.map_err(|source| failed(address, source))?;
        require_h2(stream.get_ref().1).map_err(|source| DialError::Tls { address: address.into(), source })?;
        // Left in the buffer for HTTP/2 to read.
        match stream.fill_buf().await {
            Ok([]) => Err(DialError::Closed { address: address.into() }),
            Ok(_) => Ok(stream),
            Err(source) => Err(failed(address, source)),
        }
    };
    Ok((timeout(DIAL_TIMEOUT, shaking).await.map_err(late)??, remote))
}

/// Says in words what an error of tokio-rustls means.
fn failed(address: &str, source: io::Error) -> DialError {
    let address = address.to_owned();
    if let Some(refusal) = Refusal::of_io(&source) {
        return DialError::Refused { refusal: Box::new(refusal.clone()), address };
    }
    match source.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => DialError::RefusedUs { address, alert: *alert },
        Some(_) => DialError::Handshake { address, source },
        None if source.kind() == io::ErrorKind::InvalidData => DialError::Handshake { address, source },
        None => DialError::Closed { address },
    }
}

fn unreachable(address: &str, source: io::Error) -> DialError {
    DialError::Unreachable { address: address.into(), source }
}

/// HTTP/2 as both ends want it. The authority in requests is nobody's name: who answers is known by certificate.
fn endpoint(windows: Windows) -> Endpoint {
    Endpoint::from_static("http://node.invalid")
        .initial_stream_window_size(windows.stream_bytes)
        .initial_connection_window_size(windows.connection_bytes)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
}

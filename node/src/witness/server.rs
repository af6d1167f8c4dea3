//! The listener: HTTP/1.1 with one call, for anybody.
//!
//! Nobody who calls is known, so everything is bounded before anything is believed: connections in all and from one address,
//! the head, the body, and the time that each may take; a connection lasts ten minutes at the most. Behind a proxy all come
//! from one address, which therefore may have half of all connections.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use entente_proto::limits::WITNESS_REQUEST_BYTES_MAX;
use entente_proto::witness::{SIZE_TYPE, write_size};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Keeper;
use super::keeper::NotSigned;
use crate::certificates::pair;
use crate::core::lock;
use crate::files::Looks;

/// Connections at once.
const CONNECTIONS: usize = 128;
/// Of these, from one address.
const FROM_ONE: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the head of a request may take, and how long a connection may rest between two.
const HEAD: Duration = Duration::from_secs(10);
/// How long its body may take.
const BODY: Duration = Duration::from_secs(10);
/// How long a connection lasts.
const AGE: Duration = Duration::from_secs(600);
/// How long calls that are under way may go on at the end.
const DRAIN: Duration = Duration::from_secs(2);
/// How long to rest when the system has no file descriptors left.
const REST: Duration = Duration::from_millis(100);
/// Longest head of a request, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Most headers.
const HEADERS: usize = 64;
/// When to ask again, in seconds, where nothing is signed now.
const AGAIN_S: &str = "10";

/// The certificate of the listener, read again when its files change.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<([Looks; 2], Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads certificate and key, PEM.
    ///
    /// # Errors
    /// In words, with the file that is at fault.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, String> {
        let looks = [Looks::of(&certificate), Looks::of(&key)];
        let loaded = Mutex::new((looks, settings(&certificate, &key)?));
        Ok(Self { certificate, key, loaded })
    }

    /// As the files are now; those that cannot be read change nothing.
    fn now(&self) -> TlsAcceptor {
        let looks = [Looks::of(&self.certificate), Looks::of(&self.key)];
        let mut loaded = lock(&self.loaded);
        if loaded.0 != looks {
            loaded.0 = looks;
            match settings(&self.certificate, &self.key) {
                Ok(settings) => loaded.1 = settings,
                Err(error) => tracing::error!(error, "the witness's certificate stays the one before"),
            }
        }
        TlsAcceptor::from(loaded.1.clone())
    }
}

fn settings(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let credentials = pair::load(certificate, key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config = config.map_err(|error| format!("TLS: {error}"))?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(credentials));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves the witness until `shutdown` is done.
pub async fn serve(tcp: TcpListener, keeper: Arc<Keeper>, tls: Option<Tls>, shutdown: impl Future<Output = ()>) {
    let (slots, crowd) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Mutex::new(BTreeMap::new())));
    let tls = tls.map(Arc::new);
    let (stop, stopped) = watch::channel(());
    let mut open = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while open.try_join_next().is_some() {}
        // Whoever finds no slot waits in the kernel's queue.
        let next = async { (slots.clone().acquire_owned().await, tcp.accept().await) };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some(place) = Place::take(&crowd, remote) else {
                    debug!(%remote, "turned away: too many connections from there");
                    continue;
                };
                let (keeper, tls, stopped) = (keeper.clone(), tls.clone(), stopped.clone());
                open.spawn(async move {
                    if let Err(error) = connection(stream, keeper, tls, stopped).await {
                        debug!(%remote, error, "a connection to the witness ended badly");
                    }
                    drop((place, slot));
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Most likely EMFILE or ENFILE: accepting at once would spin.
                warn!(%error, "cannot accept a connection; resting");
                sleep(REST).await;
            }
        }
    }
    drop(stop);
    // What has been journalled may still be answered.
    let _ = timeout(2 * DRAIN, async { while open.join_next().await.is_some() {} }).await;
}

/// One of the connections from an address.
struct Place {
    crowd: Crowd,
    of: IpAddr,
}

type Crowd = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

impl Place {
    fn take(crowd: &Crowd, remote: SocketAddr) -> Option<Self> {
        let of = remote.ip();
        let mut counts = lock(crowd);
        let count = counts.entry(of).or_default();
        if *count >= FROM_ONE {
            return None;
        }
        *count += 1;
        Some(Self { crowd: crowd.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.crowd);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    keeper: Arc<Keeper>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<()>,
) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let Some(tls) = tls else { return talk(stream, keeper, stop).await };
    let stream = timeout(HANDSHAKE, tls.now().accept(stream)).await;
    talk(stream.map_err(|_| "no TLS handshake in time")?.map_err(|error| error.to_string())?, keeper, stop).await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    keeper: Arc<Keeper>,
    mut stop: watch::Receiver<()>,
) -> Result<(), String> {
    let service = service_fn(move |request| {
        let keeper = keeper.clone();
        async move { Ok::<_, Infallible>(answer(request, &keeper).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let mut talking = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut talking => return ended.map_err(|error| error.to_string()),
        () = sleep(AGE) => {}
        // An error means that the listener is gone.
        _ = stop.changed() => {}
    }
    talking.as_mut().graceful_shutdown();
    match timeout(DRAIN, talking).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("it does not end by itself".into()),
    }
}

async fn answer(request: Request<Incoming>, keeper: &Arc<Keeper>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/add-checkpoint" {
        return said(StatusCode::NOT_FOUND, "this witness answers at /add-checkpoint alone\n".into());
    }
    if request.method() != Method::POST {
        let mut refused = said(StatusCode::METHOD_NOT_ALLOWED, "POST a checkpoint\n".into());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    let body = match body(request.into_body()).await {
        Ok(body) => body,
        Err((status, why)) => return said(status, why.into()),
    };
    match keeper.add(body).await {
        Ok(line) => said(StatusCode::OK, line),
        Err(NotSigned::Refused(refusal)) => {
            debug!(%refusal, "refused as a witness");
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let Some(known) = refusal.known() else { return said(status, format!("{refusal}\n")) };
            let mut conflict = said(status, write_size(known));
            conflict.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SIZE_TYPE));
            conflict
        }
        Err(NotSigned::NotNow(why)) => {
            debug!(why, "signs nothing as a witness now");
            // Why is for the own log and status.
            let mut later = said(StatusCode::SERVICE_UNAVAILABLE, "this witness signs nothing now\n".into());
            later.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(AGAIN_S));
            later
        }
    }
}

async fn body(body: Incoming) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "no call is so long\n");
    if body.size_hint().lower() > WITNESS_REQUEST_BYTES_MAX as u64 {
        return Err(too_large);
    }
    match timeout(BODY, Limited::new(body, WITNESS_REQUEST_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the call broke off\n")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the call took too long\n")),
    }
}

fn said(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(words)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

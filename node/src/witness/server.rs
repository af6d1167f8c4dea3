//! The listener: HTTP/1.1 with one call, for anybody.
//!
//! Nobody who calls is known, so everything is bounded before anything is believed: the connections and each address's share
//! of them ([`crowd`](super::crowd)), the head, the body, and the time that each may take. A connection carries one call, so
//! nobody holds one by calling again.

use std::convert::Infallible;
use std::future::Future;
use std::io;
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
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Keeper;
use super::crowd::{Crowd, Place};
use super::keeper::NotSigned;
use crate::certificates::pair;
use crate::core::lock;
use crate::files::Looks;

/// Connections at once.
const CONNECTIONS: usize = 128;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a call may take.
const PATIENCE: Patience =
    Patience { head: Duration::from_secs(5), body: Duration::from_secs(10), whole: Duration::from_secs(30) };
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

/// How long whoever calls is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until the head of the call is there.
    pub(super) head: Duration,
    /// Until its body is.
    pub(super) body: Duration,
    /// Until the answer is taken.
    pub(super) whole: Duration,
}

/// What judges the calls.
pub(super) trait Judges: Clone + Send + Sync + 'static {
    /// The body of a call to the signature line that answers it, which is durable when this returns.
    fn add(&self, body: Vec<u8>) -> impl Future<Output = Result<String, NotSigned>> + Send;
}

impl Judges for Arc<Keeper> {
    fn add(&self, body: Vec<u8>) -> impl Future<Output = Result<String, NotSigned>> + Send {
        Keeper::add(self, body)
    }
}

/// Serves the witness until `shutdown` is done. So many connections at once are served of one address.
pub async fn serve(
    tcp: TcpListener,
    keeper: Arc<Keeper>,
    tls: Option<Tls>,
    share: usize,
    shutdown: impl Future<Output = ()>,
) {
    serve_by(tcp, keeper, tls, share, PATIENCE, shutdown).await;
}

pub(super) async fn serve_by(
    tcp: TcpListener,
    judge: impl Judges,
    tls: Option<Tls>,
    share: usize,
    patience: Patience,
    shutdown: impl Future<Output = ()>,
) {
    let crowd = Crowd::new(CONNECTIONS, share);
    let tls = tls.map(Arc::new);
    let (stop, stopped) = watch::channel(());
    let mut open = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while open.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some((place, wanted)) = crowd.admit(remote.ip()) else {
                    debug!(%remote, "turned away: every place is that of a call that is being answered");
                    continue;
                };
                let caller = Caller { place: Arc::new(place), judge: judge.clone(), patience };
                let (tls, stopped) = (tls.clone(), stopped.clone());
                open.spawn(async move {
                    let ended = tokio::select! {
                        ended = connection(stream, caller, tls, stopped) => ended,
                        Ok(()) = wanted => Err("it was silent, and its place is wanted".to_owned()),
                    };
                    if let Err(error) = ended {
                        debug!(%remote, error, "a connection to the witness ended badly");
                    }
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

/// Whoever is connected, and who answers.
#[derive(Clone)]
struct Caller<J> {
    place: Arc<Place>,
    judge: J,
    patience: Patience,
}

async fn connection(
    stream: TcpStream,
    caller: Caller<impl Judges>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<()>,
) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let Some(tls) = tls else { return talk(stream, caller, stop).await };
    let shaken = async {
        // It looks at files.
        let acceptor = tokio::task::spawn_blocking(move || tls.now()).await.map_err(io::Error::other)?;
        acceptor.accept(stream).await
    };
    let stream = timeout(HANDSHAKE, shaken).await.map_err(|_| "no TLS handshake in time")?;
    talk(stream.map_err(|error| error.to_string())?, caller, stop).await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    caller: Caller<impl Judges>,
    mut stop: watch::Receiver<()>,
) -> Result<(), String> {
    let patience = caller.patience;
    let service = service_fn(move |request| {
        let caller = caller.clone();
        async move { Ok::<_, Infallible>(answer(request, &caller).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    http.keep_alive(false);
    let mut talking = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut talking => return ended.map_err(|error| error.to_string()),
        () = sleep(patience.whole) => {}
        // An error means that the listener is gone.
        _ = stop.changed() => {}
    }
    talking.as_mut().graceful_shutdown();
    match timeout(DRAIN, talking).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("it does not end by itself".into()),
    }
}

async fn answer(request: Request<Incoming>, caller: &Caller<impl Judges>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/add-checkpoint" {
        return said(StatusCode::NOT_FOUND, "this witness answers at /add-checkpoint alone\n".into());
    }
    if request.method() != Method::POST {
        let mut refused = said(StatusCode::METHOD_NOT_ALLOWED, "POST a checkpoint\n".into());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    let body = match body(request.into_body(), caller.patience.body).await {
        Ok(body) => body,
        Err((status, why)) => return said(status, why.into()),
    };
    caller.place.is_read();
    match caller.judge.add(body).await {
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

async fn body(body: Incoming, patience: Duration) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "no call is so long\n");
    if body.size_hint().lower() > WITNESS_REQUEST_BYTES_MAX as u64 {
        return Err(too_large);
    }
    match timeout(patience, Limited::new(body, WITNESS_REQUEST_BYTES_MAX).collect()).await {
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

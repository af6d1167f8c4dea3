//! S3-compatible storage in memory: one bucket, signed calls, and faults on demand. What it holds can be public, as behind a
//! web server.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use entente_proto::hash::Hash;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The bucket's name.
pub const NAME: &str = "published";
/// Whose calls it takes.
pub const KEY: &str = "AKENTENTETEST";
/// Their secret. The bucket does not compute signatures; it sees that there is one.
pub const SECRET: &str = "a-secret-that-nobody-prints";
/// What answers to refused calls repeat, as real storage repeats a session's token.
pub const ECHO: &str = "a-token-that-nobody-prints";
/// Keys on one page of a list.
const PAGE: usize = 7;

/// How the bucket takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes them.
    Well,
    /// It takes so many more that write, and refuses all later ones.
    Writes(usize),
    /// It answers 500.
    Fails,
    /// It closes every connection.
    Closes,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<String, Bytes>,
    /// What a web server says of each: its type, and how long it may be kept.
    told: BTreeMap<String, [String; 2]>,
    /// Whether it knows writing that depends on what is there.
    conditional: bool,
    /// What somebody else puts there before the next call that writes to that key.
    changed: Option<(String, Bytes)>,
    mood: Mood,
    public: bool,
    writes: usize,
    unsigned: usize,
}

/// A bucket at an address of its own.
#[derive(Debug)]
pub struct Bucket {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

impl Bucket {
    /// Opens an empty one.
    #[must_use]
    pub fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (objects, told) = (BTreeMap::new(), BTreeMap::new());
        let state = State {
            objects,
            told,
            conditional: true,
            changed: None,
            mood: Mood::Well,
            public: false,
            writes: 0,
            unsigned: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    // Whoever called sees how it ended.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state, _runtime: runtime }
    }

    /// Where it is reached.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it takes calls from now on.
    pub fn set(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// Whether anybody may read.
    pub fn set_public(&self, public: bool) {
        lock(&self.state).public = public;
    }

    /// Whether it knows writing that depends on what is there (`If-Match`).
    pub fn set_conditional(&self, conditional: bool) {
        lock(&self.state).conditional = conditional;
    }

    /// Has somebody else put an object there just before the next call that writes to this key.
    pub fn change_once(&self, key: &str, bytes: Bytes) {
        lock(&self.state).changed = Some((key.to_owned(), bytes));
    }

    /// What a web server says of an object: its type, and how long it may be kept.
    #[must_use]
    pub fn told_of(&self, key: &str) -> Option<[String; 2]> {
        lock(&self.state).told.get(key).cloned()
    }

    /// All that it holds.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        lock(&self.state).objects.clone()
    }

    /// Puts something else in the place of all that it holds.
    pub fn restore(&self, objects: BTreeMap<String, Bytes>) {
        lock(&self.state).objects = objects;
    }

    /// How many calls it took that write.
    #[must_use]
    pub fn writes(&self) -> usize {
        lock(&self.state).writes
    }

    /// How many calls came without a signature of the right key.
    #[must_use]
    pub fn unsigned(&self) -> usize {
        lock(&self.state).unsigned
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answer = Response<Full<Bytes>>;

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Answer, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut state = lock(&state);
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let key = path.strip_prefix(NAME).map(|rest| rest.trim_start_matches('/').to_owned());
    let query = head.uri.query().unwrap_or_default();
    let lists = head.method == Method::GET && query.contains("list-type=2");
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if state.mood == Mood::Closes {
        return Err(io::Error::other("closed"));
    }
    let Some(key) = key else { return Ok(error(StatusCode::NOT_FOUND, "NoSuchBucket")) };
    if state.mood == Mood::Fails {
        return Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"));
    }
    if !signed(&head.headers, &body) {
        state.unsigned += usize::from(!(state.public && reads));
        if !state.public || !reads || lists {
            return Ok(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch"));
        }
    }
    if !reads {
        match &mut state.mood {
            Mood::Writes(0) => return Ok(error(StatusCode::FORBIDDEN, "AccessDenied")),
            Mood::Writes(left) => *left -= 1,
            _ => {}
        }
        state.writes += 1;
        if let Some((key, bytes)) = state.changed.take_if(|(changed, _)| *changed == key) {
            state.objects.insert(key, bytes);
        }
    }
    Ok(match head.method {
        Method::GET if lists => list(&state.objects, query),
        Method::GET | Method::HEAD => match state.objects.get(&key) {
            Some(bytes) => ok(bytes.clone()),
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        Method::PUT if !state.conditional && CONDITIONS.iter().any(|name| head.headers.contains_key(*name)) => {
            error(StatusCode::NOT_IMPLEMENTED, "NotImplemented")
        }
        Method::PUT if !agrees(&state.objects, &key, &head.headers) => {
            error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
        }
        Method::PUT => {
            let from = head.headers.get("x-amz-copy-source").map(|from| from.to_str().unwrap().to_owned());
            let from = from.as_deref().map(|from| from.trim_start_matches('/').strip_prefix(NAME).unwrap());
            let from = from.map(|from| from.trim_start_matches('/'));
            let told = match from {
                None => [CONTENT_TYPE, CACHE_CONTROL].map(|name| text(&head.headers, name.as_str())),
                // A copy is told of as its source is.
                Some(from) => state.told.get(from).cloned().unwrap_or_default(),
            };
            let Some(bytes) = from.map_or(Some(body), |from| state.objects.get(from).cloned()) else {
                return Ok(error(StatusCode::NOT_FOUND, "NoSuchKey"));
            };
            state.told.insert(key.clone(), told);
            state.objects.insert(key, bytes);
            ok("<CopyObjectResult><ETag>\"tag\"</ETag></CopyObjectResult>".into())
        }
        Method::POST if query.starts_with("delete") => {
            let body = String::from_utf8_lossy(&body).into_owned();
            let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
            let mut gone = String::new();
            for key in keys {
                state.objects.remove(key);
                gone += &format!("<Deleted><Key>{key}</Key></Deleted>");
            }
            ok(format!("<DeleteResult>{gone}</DeleteResult>").into())
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// On what a write may depend.
const CONDITIONS: [&str; 2] = ["if-none-match", "if-match"];

/// Whether what is there is what the call depends on.
fn agrees(objects: &BTreeMap<String, Bytes>, key: &str, headers: &HeaderMap) -> bool {
    let there = objects.get(key).map(tag);
    let [none, some] = CONDITIONS.map(|name| headers.get(name).and_then(|value| value.to_str().ok()));
    (none.is_none() || there.is_none()) && some.is_none_or(|tag| there.as_deref() == Some(tag))
}

/// What storage calls an object of these bytes.
fn tag(bytes: &Bytes) -> String {
    format!("\"{}\"", Hash::of(bytes))
}

/// Whether the call carries a signature of the right key, over a body of this hash.
fn signed(headers: &HeaderMap, body: &Bytes) -> bool {
    let text = |name: &str| text(headers, name);
    let by = text(AUTHORIZATION.as_str());
    by.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
        && by.contains("Signature=")
        && text("x-amz-content-sha256") == Hash::of(body).to_string()
}

fn list(objects: &BTreeMap<String, Bytes>, query: &str) -> Answer {
    let asked = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, after) = (asked("prefix"), asked("continuation-token"));
    let mut found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page: Vec<_> = found.by_ref().take(PAGE).collect();
    let contents: String = page
        .iter()
        .map(|(key, bytes)| {
            let time = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>";
            format!("<Contents><Key>{key}</Key>{time}<ETag>\"tag\"</ETag><Size>{}</Size></Contents>", bytes.len())
        })
        .collect();
    let more = match (found.next(), page.last()) {
        (Some(_), Some((last, _))) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
        _ => String::new(),
    };
    ok(format!("<ListBucketResult>{contents}{more}</ListBucketResult>").into())
}

fn ok(bytes: Bytes) -> Answer {
    Response::builder().header(ETAG, tag(&bytes)).body(Full::new(bytes)).unwrap()
}

fn error(status: StatusCode, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><CanonicalRequest>{ECHO} {SECRET}</CanonicalRequest></Error>");
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

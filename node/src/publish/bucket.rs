//! S3-compatible storage as a place, and what a web server gives out.
//!
//! What storage answers is never shown as it is: an answer to a wrong signature repeats what was signed, a session's token
//! among it.

use std::collections::BTreeSet;
use std::env;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entente_proto::audit::MANIFEST;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
    UpdateVersion,
};
use serde::Deserialize;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::PlaceError;
use super::place::Seen;
use crate::files::read_plain;
use crate::home::check_secret;

/// How long one call may take, and connecting.
const CALL: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(10);
/// A call that fails is tried again so often, for so long; a round that fails is tried again, too.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(30);
/// Longest file of credentials, in bytes.
const CREDENTIALS_BYTES_MAX: usize = 64 << 10;
/// Longest code of an error that is shown, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// How storage is reached.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Where, if it is not AWS.
    pub(super) endpoint: Option<String>,
    /// The bucket's region.
    pub(super) region: Option<String>,
    /// Whether the endpoint may be reached without TLS.
    pub(super) allow_http: bool,
    /// Who writes to it.
    pub(super) credentials: Option<Credentials>,
    /// Whether without credentials nothing is tried.
    pub(super) writes: bool,
}

/// Who reads and writes a bucket: `keys/publish.toml`.
#[derive(Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

impl Credentials {
    /// Reads them; nothing if there is no such file.
    ///
    /// # Errors
    /// [`PlaceError::Refused`], in words that show nothing of the file.
    pub(super) fn load(path: &FilePath) -> Result<Option<Self>, PlaceError> {
        if !path.exists() {
            return Ok(None);
        }
        let refused = |why: &dyn std::fmt::Display| PlaceError::Refused(format!("{}: {why}", path.display()));
        check_secret(path).map_err(|error| PlaceError::Refused(error.to_string()))?;
        let bytes = read_plain(path, CREDENTIALS_BYTES_MAX).map(Zeroizing::new).map_err(|error| refused(&error))?;
        // What TOML says of a fault shows the line.
        let words = "it must have access_key_id, secret_access_key and, if need be, session_token, each = \"...\"";
        let read = std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok());
        read.map(Some).ok_or_else(|| refused(&words))
    }
}

/// Storage, or a web server.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What all names begin with, with a slash at the end unless it is empty.
    prefix: String,
    /// What it is called.
    shown: String,
    /// Whether it knows no writing that depends on what is there.
    unconditional: AtomicBool,
}

impl Objects {
    pub(super) fn bucket(bucket: &str, prefix: &str, access: &Access) -> Result<Self, PlaceError> {
        let shown = format!("s3://{bucket}");
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let said =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut builder = settings(said, access.credentials.is_some()).with_bucket_name(bucket).with_retry(retries());
        let http = access.allow_http || env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value == "true");
        builder = builder.with_client_options(client().with_allow_http(http)).with_allow_http(http);
        if let Some(endpoint) = &access.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &access.region {
            builder = builder.with_region(region);
        }
        let known = set("AWS_ACCESS_KEY_ID") && set("AWS_SECRET_ACCESS_KEY")
            || [
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            ]
            .into_iter()
            .any(set);
        match &access.credentials {
            Some(own) => {
                builder = builder.with_access_key_id(&own.access_key_id).with_secret_access_key(&own.secret_access_key);
                if let Some(token) = &own.session_token {
                    builder = builder.with_token(token);
                }
            }
            None if known => {}
            // Whoever reads what is public needs none. A machine is never asked for credentials of its own: that is to be
            // said, by the environment.
            None if !access.writes => builder = builder.with_skip_signature(true),
            None => {
                return Err(PlaceError::Refused(format!(
                    "there are no credentials for {shown}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the node, or put \
                     access_key_id and secret_access_key into keys/publish.toml (mode 0600) in its home directory"
                )));
            }
        }
        let store = builder.build().map_err(|error| PlaceError::Other(format!("{shown}: {error}")))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { store: Arc::new(store), prefix, shown, unconditional: AtomicBool::new(false) })
    }

    pub(super) fn web(url: &str) -> Result<Self, PlaceError> {
        // What is read is held against what is signed, whoever could have changed it on its way.
        let client = client().with_allow_http(true);
        let builder = HttpBuilder::new().with_url(url).with_client_options(client).with_retry(retries());
        let store = builder.with_http_connector(Straight).build();
        let store = store.map_err(|error| PlaceError::Other(format!("{url}: {error}")))?;
        let (prefix, shown, unconditional) = (String::new(), url.to_owned(), AtomicBool::new(true));
        Ok(Self { store: Arc::new(store), prefix, shown, unconditional })
    }

    fn at(&self, path: &str) -> Result<Path, PlaceError> {
        let whole = format!("{}{path}", self.prefix);
        Path::parse(&whole)
            .map_err(|error| PlaceError::Other(format!("{whole:?} is no name in {}: {error}", self.shown)))
    }

    /// A file, and what storage calls this state of it.
    pub(super) async fn read(&self, path: &str, bytes_max: usize) -> Result<(Vec<u8>, Option<String>), PlaceError> {
        let too_large = || PlaceError::TooLarge(format!("{}/{path}", self.shown), bytes_max);
        let fault = |error: Error| self.fault(&error, path);
        let found = self.store.get(&self.at(path)?).await.map_err(fault)?;
        if found.meta.size > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
            return Err(too_large());
        }
        let tag = found.meta.e_tag.clone();
        let mut bytes = Vec::with_capacity(usize::try_from(found.meta.size).unwrap_or(0));
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(fault)? {
            if bytes.len().saturating_add(piece.len()) > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes, tag))
    }

    pub(super) async fn list(&self) -> Result<BTreeSet<String>, PlaceError> {
        let prefix = Path::from(self.prefix.as_str());
        let of = (!self.prefix.is_empty()).then_some(&prefix);
        let all: Vec<_> = self.store.list(of).try_collect().await.map_err(|error| self.fault(&error, ""))?;
        let names = all.iter().filter_map(|found| found.location.as_ref().strip_prefix(&self.prefix));
        Ok(names.map(str::to_owned).collect())
    }

    pub(super) async fn write(&self, path: &str, of: &str, bytes: Vec<u8>) -> Result<(), PlaceError> {
        let how = PutOptions { attributes: told_of(of), ..PutOptions::default() };
        let put = self.store.put_opts(&self.at(path)?, bytes.into(), how).await;
        put.map(drop).map_err(|error| self.fault(&error, path))
    }

    pub(super) async fn replace(&self, path: &str, bytes: Vec<u8>, before: Option<&Seen>) -> Result<(), PlaceError> {
        let tag = before.map(|seen| seen.tag.clone());
        let mode = match &tag {
            None => PutMode::Create,
            Some(Some(tag)) => PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None }),
            Some(None) => PutMode::Overwrite,
        };
        if self.unconditional.load(Ordering::Relaxed) || mode == PutMode::Overwrite {
            return self.write(path, path, bytes).await;
        }
        let how = PutOptions { mode, attributes: told_of(path), ..PutOptions::default() };
        let error = match self.store.put_opts(&self.at(path)?, bytes.clone().into(), how).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                // The call may have been tried again after it had been done.
                let there = self.read(path, bytes.len()).await;
                let done = there.is_ok_and(|(there, _)| there == bytes);
                if done { Ok(()) } else { Err(PlaceError::Changed(format!("{}/{}{path}", self.shown, self.prefix))) }
            }
            error if is_unknown(&error) => {
                self.unconditional.store(true, Ordering::Relaxed);
                self.write(path, path, bytes).await
            }
            error => Err(self.fault(&error, path)),
        }
    }

    pub(super) async fn copy(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        let copied = self.store.copy(&self.at(from)?, &self.at(to)?).await;
        copied.map_err(|error| self.fault(&error, to))
    }

    pub(super) async fn remove(&self, paths: Vec<String>) -> Result<(), PlaceError> {
        let at = paths.iter().map(|path| self.at(path)).collect::<Result<Vec<_>, _>>()?;
        let mut removed = self.store.delete_stream(stream::iter(at.into_iter().map(Ok)).boxed());
        while let Some(one) = removed.next().await {
            match one {
                Err(Error::NotFound { .. }) | Ok(_) => {}
                Err(error) => return Err(self.fault(&error, "")),
            }
        }
        Ok(())
    }

    /// What went wrong, without what the other side said beyond a code.
    fn fault(&self, error: &Error, path: &str) -> PlaceError {
        let shown = &self.shown;
        let text = error.to_string();
        let after = |mark: &str, end: &str| Some(text.split_once(mark)?.1.split(end).next()?.trim().to_owned());
        let plain = |code: &String| {
            code.len() <= CODE_BYTES_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
        };
        let code = after("<Code>", "</Code>").or_else(|| after("status code: ", ":")).filter(plain);
        match (error, code.as_deref()) {
            (_, Some("NoSuchBucket")) => PlaceError::Other(format!("{shown}: there is no such bucket")),
            (Error::NotFound { .. }, _) => PlaceError::Absent(format!("{shown}/{}{path}", self.prefix)),
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code) => PlaceError::Refused(format!(
                "{shown} does not let in who asks ({}): look at the credentials, at what they allow, and at the names",
                code.unwrap_or("refused")
            )),
            (_, Some(code)) if code.starts_with('3') => PlaceError::Refused(format!(
                "{shown} leads elsewhere ({code}), which is not followed: name the place itself"
            )),
            (_, Some(code)) => PlaceError::Unreachable(format!("{shown} answers with {code}")),
            _ => {
                let mut cause: &dyn std::error::Error = error;
                while let Some(deeper) = cause.source() {
                    cause = deeper;
                }
                PlaceError::Unreachable(format!("{shown} cannot be reached: {cause}"))
            }
        }
    }
}

/// What the environment says of storage, as [`AmazonS3Builder::from_env`] reads it; without whose calls they are where that is
/// said elsewhere: a token of the one beside the key of the other lets nobody in.
pub(super) fn settings(said: impl Iterator<Item = (String, String)>, own: bool) -> AmazonS3Builder {
    let whose = |key: &AmazonS3ConfigKey| {
        matches!(
            key,
            AmazonS3ConfigKey::AccessKeyId
                | AmazonS3ConfigKey::SecretAccessKey
                | AmazonS3ConfigKey::Token
                | AmazonS3ConfigKey::WebIdentityTokenFile
                | AmazonS3ConfigKey::RoleArn
                | AmazonS3ConfigKey::RoleSessionName
                | AmazonS3ConfigKey::ContainerCredentialsRelativeUri
                | AmazonS3ConfigKey::ContainerCredentialsFullUri
                | AmazonS3ConfigKey::ContainerAuthorizationTokenFile
                | AmazonS3ConfigKey::SkipSignature
        )
    };
    let of_aws = said.filter(|(name, _)| name.starts_with("AWS_"));
    let known = of_aws.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
    let taken = known.filter(|(key, _)| !(own && whose(key)));
    taken.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
}

/// What whoever serves a file says of it (C2SP `tlog-tiles`). What may change is asked for each time; a payload too, which may be
/// erased. A tile changes only where a charter cuts a log back: for a day nobody asks again.
fn told_of(path: &str) -> Attributes {
    let in_tiles = path.contains("/tile/");
    let text = !in_tiles && !path.contains("/payload/");
    let kind = if text || path == MANIFEST { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let keep = if in_tiles { "public, max-age=86400" } else { "no-cache" };
    [(Attribute::ContentType, kind), (Attribute::CacheControl, keep)].into_iter().collect()
}

/// Whether storage says that it does not know what was asked.
fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. }) || error.to_string().contains("<Code>NotImplemented</Code>")
}

/// Reaches a web server and nobody else: whoever publishes does not decide which other addresses an auditor's machine calls.
#[derive(Debug)]
struct Straight;

impl HttpConnector for Straight {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let builder = builder.user_agent(concat!("entente/", env!("CARGO_PKG_VERSION")));
        let client = builder.timeout(CALL).connect_timeout(CONNECT).build();
        let client = client.map_err(|source| Error::Generic { store: "http", source: Box::new(source) })?;
        Ok(HttpClient::new(client))
    }
}

fn client() -> ClientOptions {
    ClientOptions::new().with_timeout(CALL).with_connect_timeout(CONNECT)
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() }
}

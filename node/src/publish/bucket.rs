//! S3-compatible storage as a place, and what a web server gives out.
//!
//! What storage answers is never shown as it is: an answer to a wrong signature repeats what was signed, a session's token
//! among it.

use std::collections::BTreeSet;
use std::env;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use serde::Deserialize;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::PlaceError;
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
}

impl Objects {
    pub(super) fn bucket(bucket: &str, prefix: &str, access: &Access) -> Result<Self, PlaceError> {
        let shown = format!("s3://{bucket}");
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries());
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
        Ok(Self { store: Arc::new(store), prefix, shown })
    }

    pub(super) fn web(url: &str) -> Result<Self, PlaceError> {
        // What is read is held against what is signed, whoever could have changed it on its way.
        let client = client().with_allow_http(true);
        let store = HttpBuilder::new().with_url(url).with_client_options(client).with_retry(retries()).build();
        let store = store.map_err(|error| PlaceError::Other(format!("{url}: {error}")))?;
        Ok(Self { store: Arc::new(store), prefix: String::new(), shown: url.to_owned() })
    }

    fn at(&self, path: &str) -> Result<Path, PlaceError> {
        let whole = format!("{}{path}", self.prefix);
        Path::parse(&whole)
            .map_err(|error| PlaceError::Other(format!("{whole:?} is no name in {}: {error}", self.shown)))
    }

    pub(super) async fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, PlaceError> {
        let too_large = || PlaceError::TooLarge(format!("{}/{path}", self.shown), bytes_max);
        let fault = |error: Error| self.fault(&error, path);
        let found = self.store.get(&self.at(path)?).await.map_err(fault)?;
        if found.meta.size > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.meta.size).unwrap_or(0));
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(fault)? {
            if bytes.len().saturating_add(piece.len()) > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    pub(super) async fn list(&self) -> Result<BTreeSet<String>, PlaceError> {
        let prefix = Path::from(self.prefix.as_str());
        let of = (!self.prefix.is_empty()).then_some(&prefix);
        let all: Vec<_> = self.store.list(of).try_collect().await.map_err(|error| self.fault(&error, ""))?;
        let names = all.iter().filter_map(|found| found.location.as_ref().strip_prefix(&self.prefix));
        Ok(names.map(str::to_owned).collect())
    }

    pub(super) async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<(), PlaceError> {
        let put = self.store.put(&self.at(path)?, bytes.into()).await;
        put.map(drop).map_err(|error| self.fault(&error, path))
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        let copied = self.store.copy(&self.at(from)?, &self.at(to)?).await;
        copied.map_err(|error| self.fault(&error, to))?;
        self.remove(vec![from.to_owned()]).await
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

fn client() -> ClientOptions {
    ClientOptions::new().with_timeout(CALL).with_connect_timeout(CONNECT)
}

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() }
}

//! The call to the own node: with an officer's certificate from the home directory to the address in its `node.toml`.
//!
//! The first connection is made at once, so that a node that is not there is told from one that refuses. Later a lost
//! connection is made anew by the next call.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use entente_certs::identity::{Identity, Role};
use entente_certs::members::{Members, SharedMembers};
use entente_certs::tls::client_config;
use entente_proto::ids::UnitId;
use entente_proto::limits::API_BYTES_MAX;
use entente_proto::wire::unit_client::UnitClient;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::metadata::BinaryMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::Global;
use super::error::{CliError, causes};
use crate::certificates::pair;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::files::read_bounded;
use crate::home::Home;
use crate::net::{DialError, TlsTime, connect};
use crate::unit::PURPOSE;

/// How long a call may take unless `--timeout` says otherwise.
const CALL: Duration = Duration::from_secs(30);
/// How often, and with which pauses, a node is dialled at whose address nobody listens.
const STARTING_TRIES: usize = 10;
const STARTING_PAUSE: Duration = Duration::from_millis(150);
/// Largest certificate file.
const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// How long to wait for the node.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Deadline {
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
}

impl Deadline {
    /// What was asked for, or `otherwise`.
    pub(crate) fn or(self, otherwise: Duration) -> Duration {
        self.timeout.map_or(otherwise, Duration::from_secs)
    }
}

/// The own node.
#[derive(Clone)]
pub(crate) struct Node {
    client: UnitClient<Channel>,
    unit: UnitId,
    call: Duration,
    purpose: Option<String>,
}

impl Node {
    /// Connects to the node of the home directory.
    pub(crate) async fn connect(global: &Global, deadline: Deadline) -> Result<Self, CliError> {
        Self::connect_to(global, deadline, None).await
    }

    /// As [`connect`](Self::connect), at another address than the home directory says.
    pub(crate) async fn connect_to(
        global: &Global,
        deadline: Deadline,
        address: Option<&str>,
    ) -> Result<Self, CliError> {
        let home = Home::open(global.home()?).map_err(|e| CliError::Refused(e.to_string()))?;
        let config = Config::load(&home.config()).map_err(|e| CliError::Refused(e.to_string()))?;
        let tls = tls(&home, &config, &caller(&home, &config, global)?)?;
        // A node that was started a moment ago may not listen yet.
        let pauses = ConstantBuilder::default().with_delay(STARTING_PAUSE).with_max_times(STARTING_TRIES);
        let dial = || connect(address.unwrap_or(&config.api), Arc::clone(&tls));
        let channel = dial.retry(pauses).sleep(tokio::time::sleep).when(refused).await.map_err(|e| dial_fault(&e))?;
        Ok(Self { call: deadline.or(CALL), ..Self::dialled(channel, config.unit, global) })
    }

    /// Over a channel to a unit's node that was dialled otherwise.
    pub(crate) fn dialled(channel: Channel, unit: UnitId, global: &Global) -> Self {
        let client =
            UnitClient::new(channel).max_decoding_message_size(API_BYTES_MAX).max_encoding_message_size(API_BYTES_MAX);
        Self { client, unit, call: CALL, purpose: global.purpose.clone() }
    }

    /// Over a channel that is there, without TLS.
    #[cfg(test)]
    pub(crate) fn over(channel: Channel, unit: UnitId) -> Self {
        Self { client: UnitClient::new(channel), unit, call: CALL, purpose: None }
    }

    /// The own unit.
    pub(crate) const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// The stub. Cheap: the connection is shared.
    pub(crate) fn client(&self) -> UnitClient<Channel> {
        self.client.clone()
    }

    /// A request with the deadline of a call.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.request_within(message, self.call)
    }

    /// A request with a deadline, which the node learns too.
    pub(crate) fn request_within<T>(&self, message: T, deadline: Duration) -> Request<T> {
        let mut request = self.lasting_request(message);
        request.set_timeout(deadline);
        request
    }

    /// A request that may take as long as it takes.
    pub(crate) fn lasting_request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(purpose) = &self.purpose {
            request.metadata_mut().insert_bin(PURPOSE, BinaryMetadataValue::from_bytes(purpose.as_bytes()));
        }
        request
    }
}

/// Whether nobody listens at the address, as long as a node starts.
fn refused(error: &DialError) -> bool {
    matches!(error, DialError::Unreachable { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Whose certificate calls are made with: that of `--as`, or of the officer in `node.toml`.
pub(crate) fn caller(home: &Home, config: &Config, global: &Global) -> Result<Role, CliError> {
    let name = global.officer.as_deref().unwrap_or(&config.officer);
    let role = match Role::from_str(&format!("officer/{name}")) {
        // An officer comes first, for whom nothing but the name is needed.
        Ok(officer) if home.holder_certificate(&officer).exists() => officer,
        _ => super::cert::holder(home, name).map_err(|error| match error {
            CliError::Refused(words) => CliError::Refused(format!("{words} (--as NAME calls as somebody else)")),
            error => error,
        })?,
    };
    match role {
        Role::Node => Err(CliError::Usage("people call the node, not nodes: name one with --as NAME".into())),
        role => Ok(role),
    }
}

/// TLS as one of the unit's people, to the node of the own unit and nobody else.
fn tls(home: &Home, config: &Config, role: &Role) -> Result<Arc<ClientConfig>, CliError> {
    let refused = |what: &str, why: &dyn std::fmt::Display| CliError::Refused(format!("{what}: {why}"));
    let path = home.holder_certificate(role);
    if !path.try_exists().unwrap_or(true) {
        return Err(CliError::Refused(format!(
            "there is no certificate of {role} ({}): name somebody who has one with --as",
            path.display()
        )));
    }
    let credentials = pair::load(&path, &home.holder_key(role)).map_err(CliError::Refused)?;
    let mut roots = Vec::new();
    for path in [home.ca_certificate(), home.next_ca_certificate(), home.old_ca_certificate()] {
        // While the authority is being exchanged the node's certificate may be from either.
        if path == home.ca_certificate() || path.exists() {
            let pem = read_bounded(&path, CERTIFICATE_BYTES_MAX).map_err(|e| CliError::file(&path, "read", &e))?;
            let root = CertificateDer::from_pem_slice(&pem).map_err(|_| {
                CliError::Refused(format!(
                    "{}: it is not a certificate in PEM; restore it from a backup",
                    path.display()
                ))
            })?;
            roots.push(root.to_vec());
        }
    }
    let members = Members::new(config.network.clone(), [(config.unit.clone(), roots.as_slice())], BTreeSet::new())
        .map_err(|e| refused("certs/ca.pem", &e))?;
    let expected = Identity { unit: config.unit.clone(), role: Role::Node };
    let time = Arc::new(TlsTime(Arc::new(SystemClock)));
    client_config(&credentials, SharedMembers::new(members), expected, time).map_err(|e| refused("TLS", &e))
}

/// The one place where a connection that did not come about turns into an exit code and words.
pub(crate) fn dial_fault(error: &DialError) -> CliError {
    let why = causes(error);
    match error {
        DialError::Refused { .. } => CliError::Verification(format!(
            "{why}. Look at api in node.toml and at what listens there: it is not this unit's node"
        )),
        DialError::RefusedUs { .. } => CliError::Refused(format!("{why} (--as NAME takes another officer's)")),
        DialError::Unreachable { .. } | DialError::Timeout { .. } | DialError::Closed { .. } => {
            CliError::Unreachable(format!("{why}: start the node with `entente run`, or look at api in node.toml"))
        }
        DialError::Handshake { .. } | DialError::Tls { .. } | DialError::Http { .. } => {
            CliError::Unreachable(format!("{why}: look at api in node.toml and at what listens there"))
        }
    }
}

/// An answer that does not fit the question: a node of another release, or a broken one.
pub(crate) fn misfit(what: &str) -> CliError {
    CliError::from(Status::internal(format!("its answer does not fit the question: {what}")))
}

#[cfg(test)]
mod tests;

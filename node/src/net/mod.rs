//! Connections: who may open one, how many, and how they end.
//!
//! tonic's own listener and TLS leave TLS 1.2 on, have no handshake timeout, take no revocation and spin when file
//! descriptors run out. So the node accepts, shakes hands and dials itself and hands finished streams to tonic.
//!
//! | file | holds |
//! |---|---|
//! | `limits.rs` | every maximum of a listener, and what tonic is told |
//! | `connections.rs` | the connections that are open, so that they can be counted and cut |
//! | `stream.rs` | a stream that knows its peer and ends when it is cut |
//! | `listener.rs` | the accept loop |
//! | `dialler.rs` | the other side of it |
//!
//! A handler finds who called in the request's extensions, as [`PeerInfo`].

mod connections;
mod dialler;
mod limits;
mod listener;
mod stream;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use entente_certs::identity::Identity;
use entente_certs::verifier::Verified;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

pub use connections::{Connections, Crowded, Entered};
pub use dialler::{DialError, Dialler, connect};
pub use limits::{Limits, Windows};
pub use listener::{Door, serve};
pub use stream::PeerStream;

use crate::clock::Clock;

/// The other end of a connection, as its certificate proved. In every request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is, and by which certificate.
    pub holder: Arc<Verified>,
    /// Where it connected from, or was reached at.
    pub remote: SocketAddr,
}

impl PeerInfo {
    fn new(verified: Verified, remote: SocketAddr) -> Self {
        Self { holder: Arc::new(verified), remote }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.holder.identity
    }
}

impl fmt::Display for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.identity(), self.remote)
    }
}

/// The node's clock, for rustls.
#[derive(Clone)]
pub struct TlsTime(pub Arc<dyn Clock>);

impl TlsTime {
    /// Now.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms()))
    }
}

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

impl fmt::Debug for TlsTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTime")
    }
}

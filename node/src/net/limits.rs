//! Every maximum of a listener, and what tonic is told of it.

use std::time::Duration;

use tonic::transport::Server;

/// HTTP/2 flow control: how many bytes the other end may send before it must wait. So much memory a peer can fill here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// For one stream, in bytes.
    pub stream_bytes: u32,
    /// For a connection with all its streams, in bytes.
    pub connection_bytes: u32,
}

impl Windows {
    /// For records in bulk: a round trip of 40 ms still carries 100 MB/s.
    pub const BULK: Self = Self { stream_bytes: 4 << 20, connection_bytes: 6 << 20 };
    /// For calls: one message of the officers' API.
    pub const CALLS: Self = Self { stream_bytes: 1 << 20, connection_bytes: 2 << 20 };
}

/// What a listener takes at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections, whoever opened them, handshakes included.
    pub connections: usize,
    /// Handshakes at once.
    pub handshakes: usize,
    /// Connections of one identity.
    pub connections_per_peer: usize,
    /// How long a handshake may take. A connection that says nothing lasts no longer.
    pub handshake_timeout: Duration,
    /// How long to rest when the system has no file descriptors left.
    pub accept_rest: Duration,
    /// How long a unary call may take; longer than any wait that the API offers.
    pub call_timeout: Duration,
    /// How long a connection may last. Whoever still may comes back at once; an expired certificate does not.
    pub connection_age: Duration,
    /// How much longer for what is under way then.
    pub connection_grace: Duration,
    /// How long open connections may go on after the listener was told to stop.
    pub drain: Duration,
    /// HTTP/2 streams of a connection.
    pub streams: u32,
    /// Calls of a connection that are worked on at once; more are turned away.
    pub calls: usize,
    /// Largest HTTP/2 frame, in bytes.
    pub frame_bytes: u32,
    /// Flow control.
    pub windows: Windows,
}

impl Limits {
    /// For the peer listener.
    pub const PEERS: Self = Self {
        connections: 256,
        handshakes: 32,
        connections_per_peer: 8,
        handshake_timeout: Duration::from_secs(5),
        accept_rest: Duration::from_millis(100),
        call_timeout: Duration::from_secs(60),
        connection_age: Duration::from_secs(24 * 60 * 60),
        connection_grace: Duration::from_secs(60),
        drain: Duration::from_secs(2),
        streams: 4,
        calls: 4,
        frame_bytes: 64 << 10,
        windows: Windows::BULK,
    };

    /// For the unit listener. An officer's scripts open a connection a command, so that one may have more of them.
    pub const PEOPLE: Self = Self {
        connections_per_peer: 64,
        streams: 64,
        calls: 32,
        call_timeout: Duration::from_secs(10 * 60),
        frame_bytes: 16 << 10,
        windows: Windows::CALLS,
        ..Self::PEERS
    };

    /// A tonic server that keeps to them. Its default for streams means unlimited, and its reset limits answer HTTP/2's
    /// rapid-reset and made-you-reset attacks.
    pub(crate) fn server(&self) -> Server {
        Server::builder()
            .accept_http1(false)
            .max_concurrent_streams(self.streams)
            .concurrency_limit_per_connection(self.calls)
            .load_shed(true)
            .timeout(self.call_timeout)
            .max_connection_age(self.connection_age)
            .max_connection_age_grace(self.connection_grace)
            .initial_stream_window_size(self.windows.stream_bytes)
            .initial_connection_window_size(self.windows.connection_bytes)
            .max_frame_size(self.frame_bytes)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(20))
            .http2_max_local_error_reset_streams(Some(256))
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
    }
}

/// Largest header list of a request or response, in bytes.
pub(crate) const HEADER_LIST_BYTES_MAX: u32 = 16_384;
/// How often a silent connection is asked whether it still lives.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to answer.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

//! The document of `status`.

use entente_proto::wire::{State, StatusReply, WitnessStatus, WitnessedLog, WitnessingStatus};
use serde::Serialize;

use crate::cli::words::{Hex, moment, moment_unless_zero, word};

/// The node's state.
#[derive(Serialize)]
pub(crate) struct StatusJson {
    unit: String,
    network: String,
    charter: CharterJson,
    state: &'static str,
    reason: Option<String>,
    quorum: u32,
    logs: Vec<LogJson>,
    list: ListJson,
    peers: Vec<PeerJson>,
    outbox: u64,
    certificates: Vec<CertificateJson>,
    guards: Vec<GuardJson>,
    published: Option<PublishedJson>,
    witnesses: Vec<WitnessJson>,
    /// Null where the node is no witness for others.
    witnessing: Option<WitnessingJson>,
    warnings: Vec<String>,
}

/// A witness from outside of the own log.
#[derive(Serialize)]
pub(crate) struct WitnessJson {
    name: String,
    url: String,
    vkey: String,
    size: u64,
    seen: Option<String>,
    error: Option<String>,
}

impl From<&WitnessStatus> for WitnessJson {
    fn from(witness: &WitnessStatus) -> Self {
        Self {
            name: witness.name.clone(),
            url: witness.url.clone(),
            vkey: witness.vkey.clone(),
            size: witness.size,
            seen: moment_unless_zero(witness.seen_ms),
            error: super::said(&witness.error),
        }
    }
}

/// The node as a witness for others.
#[derive(Serialize)]
pub(crate) struct WitnessingJson {
    vkey: Option<String>,
    listen: String,
    reason: Option<String>,
    logs: Vec<WitnessedLogJson>,
}

#[derive(Serialize)]
struct WitnessedLogJson {
    origin: String,
    size: u64,
    signed: Option<String>,
    listed: bool,
}

impl From<&WitnessingStatus> for WitnessingJson {
    fn from(witnessing: &WitnessingStatus) -> Self {
        let log = |log: &WitnessedLog| WitnessedLogJson {
            origin: log.origin.clone(),
            size: log.size,
            signed: moment_unless_zero(log.time_ms),
            listed: log.listed,
        };
        Self {
            vkey: super::said(&witnessing.vkey),
            listen: witnessing.listen.clone(),
            reason: super::said(&witnessing.reason),
            logs: witnessing.logs.iter().map(log).collect(),
        }
    }
}

#[derive(Serialize)]
struct CertificateJson {
    holder: String,
    spki_sha256: String,
    expires: String,
    revoked: Option<String>,
    warning: Option<String>,
}

#[derive(Serialize)]
struct CharterJson {
    version: u64,
    digest: String,
}

#[derive(Serialize)]
struct LogJson {
    unit: String,
    size: u64,
    certified: u64,
    root: String,
    charter: u64,
    forked: bool,
}

#[derive(Serialize)]
struct ListJson {
    digest: String,
    listed: u64,
    held: u64,
    disputed: u64,
    cleared: u64,
    pending: u64,
}

#[derive(Serialize)]
struct GuardJson {
    name: String,
    entries: u64,
    file: String,
}

#[derive(Serialize)]
struct PublishedJson {
    to: String,
    payloads: &'static str,
    /// When it was brought up to date; null if not since the node's start.
    at: Option<String>,
    /// How many records, and how many files.
    size: u64,
    files: u64,
    error: Option<String>,
}

#[derive(Serialize)]
struct PeerJson {
    unit: String,
    connected: bool,
    behind: u64,
    agrees: Option<bool>,
    seen: Option<String>,
    /// How far its clock is ahead of the node's; null where it is not connected.
    clock_ahead_ms: Option<i64>,
    reason: Option<String>,
}

impl From<&StatusReply> for StatusJson {
    fn from(reply: &StatusReply) -> Self {
        let list = reply.list.clone().unwrap_or_default();
        Self {
            unit: reply.unit.clone(),
            network: reply.network.clone(),
            charter: CharterJson { version: reply.charter_version, digest: Hex(&reply.charter_digest).to_string() },
            state: word::<State>(reply.state).unwrap_or("unknown"),
            reason: super::said(&reply.reason),
            quorum: reply.quorum,
            logs: reply
                .logs
                .iter()
                .map(|log| LogJson {
                    unit: log.unit.clone(),
                    size: log.size,
                    certified: log.certified,
                    root: Hex(&log.root).to_string(),
                    charter: log.charter,
                    forked: log.forked,
                })
                .collect(),
            list: ListJson {
                digest: Hex(&list.digest).to_string(),
                listed: list.listed,
                held: list.held,
                disputed: list.disputed,
                cleared: list.cleared,
                pending: list.pending,
            },
            peers: reply
                .peers
                .iter()
                .map(|peer| PeerJson {
                    unit: peer.unit.clone(),
                    connected: peer.connected,
                    behind: peer.behind,
                    agrees: peer.agrees,
                    seen: moment_unless_zero(peer.seen_ms),
                    clock_ahead_ms: peer.connected.then_some(peer.clock_ahead_ms),
                    reason: super::said(&peer.reason),
                })
                .collect(),
            outbox: reply.outbox,
            certificates: reply
                .certificates
                .iter()
                .map(|certificate| CertificateJson {
                    holder: certificate.holder.clone(),
                    spki_sha256: Hex(&certificate.spki_sha256).to_string(),
                    expires: moment(certificate.expires_ms),
                    revoked: super::said(&certificate.revoked),
                    warning: super::said(&certificate.warning),
                })
                .collect(),
            guards: reply
                .guards
                .iter()
                .map(|list| GuardJson { name: list.name.clone(), entries: list.entries, file: list.file.clone() })
                .collect(),
            published: reply.published.as_ref().map(|published| PublishedJson {
                to: published.to.clone(),
                payloads: if published.payloads { "all" } else { "none" },
                at: moment_unless_zero(published.at_ms),
                size: published.records,
                files: published.files,
                error: super::said(&published.error),
            }),
            witnesses: reply.witnesses.iter().map(WitnessJson::from).collect(),
            witnessing: reply.witnessing.as_ref().map(WitnessingJson::from),
            warnings: reply.warnings.clone(),
        }
    }
}

//! Who a certificate says that its holder is.
//!
//! An identity is a SPIFFE id: `spiffe://<unit in lower case>.<network>/<role>`, for example
//! `spiffe://be.takedown.example/node` or `spiffe://be.takedown.example/officer/anna`. It is the certificate's only URI
//! name; DNS and IP names may stand beside it and are never read. What is parsed here is a claim: [`crate::verifier`]
//! decides whether it is true.

use std::fmt;
use std::str::FromStr;

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::x509;

#[cfg(test)]
mod tests;

/// Longest name of a person, in bytes.
pub const PERSON_BYTES_MAX: usize = 63;

/// What the holder of a certificate is to its unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The unit's node.
    Node,
    /// Refers, checks, holds and reports.
    Officer(String),
    /// Keeps the node running.
    Operator(String),
    /// Reads and verifies, and changes nothing.
    Auditor(String),
}

/// A unit and what the holder is to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The unit.
    pub unit: UnitId,
    /// The role in it.
    pub role: Role,
}

/// Why a certificate, or a text, names nobody of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate that can be read.
    #[error("this is not a well-formed X.509 certificate")]
    Malformed,
    /// No URI among the certificate's names.
    #[error("the certificate names nobody: it has no URI name (spiffe://<unit>.<network>/...)")]
    NoUri,
    /// More than one URI among the certificate's names, so that it could be read as two holders.
    #[error("the certificate has {0} URI names; exactly one is accepted")]
    ManyUris(usize),
    /// The URI is not a SPIFFE id.
    #[error("{0:?} is not a SPIFFE id, as in \"spiffe://be.takedown.example/node\"")]
    NotSpiffe(String),
    /// The trust domain is not a unit in lower case within a network.
    #[error("{0:?} is not a unit in lower case, a dot and the network {1}")]
    TrustDomain(String, NetworkName),
    /// The trust domain belongs to another network.
    #[error("{0:?} does not belong to the network {1}")]
    OtherNetwork(String, NetworkName),
    /// The path is no role.
    #[error("{0:?} is not a role: /node, /officer/<name>, /operator/<name> or /auditor/<name>")]
    Role(String),
    /// The name of a person has characters that it may not have.
    #[error(
        "{0:?} is not a person's name here: lower-case letters, digits, dots and hyphens, not beginning with a dot or hyphen, at most 63 characters"
    )]
    Person(String),
}

impl Identity {
    /// The identity of a unit's node.
    #[must_use]
    pub const fn node(unit: UnitId) -> Self {
        Self { unit, role: Role::Node }
    }

    /// The SPIFFE id.
    #[must_use]
    pub fn spiffe(&self, network: &NetworkName) -> String {
        format!("spiffe://{}/{}", trust_domain(network, &self.unit), self.role)
    }

    /// Parses a SPIFFE id of this network: one canonical form, nothing around it.
    ///
    /// # Errors
    /// An [`IdentityError`] that names the first part which is not as it should be.
    pub fn of_uri(uri: &str, network: &NetworkName) -> Result<Self, IdentityError> {
        let rest = uri.strip_prefix("spiffe://").ok_or_else(|| IdentityError::NotSpiffe(clip(uri)))?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A unit id has no dots, so the first label is the unit and all that follows is the network.
        let (label, of) =
            domain.split_once('.').ok_or_else(|| IdentityError::TrustDomain(clip(domain), network.clone()))?;
        if of != network.as_str() {
            return Err(IdentityError::OtherNetwork(clip(domain), network.clone()));
        }
        let unit = label
            .to_ascii_uppercase()
            .parse::<UnitId>()
            .ok()
            .filter(|unit| unit.as_str().to_ascii_lowercase() == label)
            .ok_or_else(|| IdentityError::TrustDomain(clip(domain), network.clone()))?;
        Ok(Self { unit, role: path.parse()? })
    }

    /// Reads the identity that a certificate (DER) claims.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::NoUri`] or [`IdentityError::ManyUris`] for the certificate, the others
    /// for its URI.
    pub fn of_certificate(der: &[u8], network: &NetworkName) -> Result<Self, IdentityError> {
        Self::of_uris(&x509::facts(der).ok_or(IdentityError::Malformed)?.uris, network)
    }

    pub(crate) fn of_uris(uris: &[String], network: &NetworkName) -> Result<Self, IdentityError> {
        match uris {
            [] => Err(IdentityError::NoUri),
            [uri] => Self::of_uri(uri, network),
            more => Err(IdentityError::ManyUris(more.len())),
        }
    }
}

/// SHA-256 of a certificate's subject public key info: the name by which it is revoked.
///
/// # Errors
/// [`IdentityError::Malformed`] if this is not a certificate.
pub fn spki_sha256(der: &[u8]) -> Result<Hash, IdentityError> {
    Ok(x509::facts(der).ok_or(IdentityError::Malformed)?.spki)
}

/// What a certificate says of itself. Claims, as long as no [verifier](crate::verifier) has found its chain good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Whose it is.
    pub identity: Identity,
    /// The host names and addresses on it, for ordinary clients.
    pub hosts: Vec<String>,
    /// SHA-256 of its public key: the name by which it is revoked.
    pub spki: Hash,
    /// The first second, since 1970, at which it is valid.
    pub not_before_s: i64,
    /// The last one.
    pub not_after_s: i64,
}

impl Described {
    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    /// As [`Identity::of_certificate`].
    pub fn of_pem(pem: &[u8], network: &NetworkName) -> Result<Self, IdentityError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| IdentityError::Malformed)?;
        let facts = x509::facts(&der).ok_or(IdentityError::Malformed)?;
        let identity = Identity::of_uris(&facts.uris, network)?;
        let x509::Facts { hosts, spki, not_before_s, not_after_s, .. } = facts;
        Ok(Self { identity, hosts, spki, not_before_s, not_after_s })
    }
}

/// A second since 1970 for people, such as `2026-01-31T12:00:00Z`.
#[must_use]
pub fn moment(seconds: i64) -> String {
    x509::moment(seconds)
}

/// The trust domain of a unit, such as `be.takedown.example`.
pub(crate) fn trust_domain(network: &NetworkName, unit: &UnitId) -> String {
    format!("{}.{network}", unit.as_str().to_ascii_lowercase())
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.unit, self.role)
    }
}

impl Role {
    /// The person's name; none for a node.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Node => None,
            Self::Officer(name) | Self::Operator(name) | Self::Auditor(name) => Some(name),
        }
    }
}

impl fmt::Display for Role {
    /// As in the path of the SPIFFE id, without its first slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Officer(name) => write!(f, "officer/{name}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::Auditor(name) => write!(f, "auditor/{name}"),
        }
    }
}

impl FromStr for Role {
    type Err = IdentityError;

    fn from_str(path: &str) -> Result<Self, IdentityError> {
        match path.split_once('/') {
            None if path == "node" => Ok(Self::Node),
            Some(("officer", name)) => person(name).map(Self::Officer),
            Some(("operator", name)) => person(name).map(Self::Operator),
            Some(("auditor", name)) => person(name).map(Self::Auditor),
            _ => Err(IdentityError::Role(clip(path))),
        }
    }
}

/// Checks a person's name: `[a-z0-9][a-z0-9.-]{0,62}`.
fn person(name: &str) -> Result<String, IdentityError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    let good = name.len() <= PERSON_BYTES_MAX
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|first| first != b'.' && first != b'-');
    if good { Ok(name.to_owned()) } else { Err(IdentityError::Person(clip(name))) }
}

/// The beginning of a text of unknown length, for an error message.
fn clip(text: &str) -> String {
    text.chars().take(120).collect()
}

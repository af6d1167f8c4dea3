//! The one decision whether a certificate is good, with its reason.
//!
//! In this order: the certificate claims one identity; the identity is one that is admitted here; its unit is a member;
//! its key is not revoked; a chain leads to an authority that the charter gives to that very unit (I5), every certificate
//! in it valid now and made for this purpose. Other units' authorities are never looked at.
//!
//! A [`Refusal`] is for the own log: the peer sees a TLS alert and nothing more.

use std::io;
use std::sync::Arc;

use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::{CertificateError, OtherError};
use webpki::{EndEntityCert, KeyUsage};

use crate::identity::{Identity, IdentityError, Role};
use crate::members::{Members, RevokedBy, Root, SharedMembers};
use crate::x509::{self, moment};

#[cfg(test)]
mod tests;

/// Most certificates that a peer may send beside its own.
const INTERMEDIATES_MAX: usize = 2;

/// The only algorithm by which certificates are signed.
pub(crate) static CHAIN_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[webpki::ring::ECDSA_P256_SHA256];

/// Whom this side of a connection takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admits {
    /// The peer listener: nodes of units other than the own.
    Peers {
        /// The own unit.
        own: UnitId,
    },
    /// The unit listener: the own unit's officers, operators and auditors.
    People {
        /// The own unit.
        of: UnitId,
    },
    /// A dialler: this one and nobody else.
    Only(Identity),
}

impl Admits {
    fn admits(&self, identity: &Identity) -> bool {
        match self {
            Self::Peers { own } => identity.role == Role::Node && identity.unit != *own,
            Self::People { of } => identity.role != Role::Node && identity.unit == *of,
            Self::Only(expected) => identity == expected,
        }
    }
}

impl std::fmt::Display for Admits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peers { own } => write!(f, "nodes of units other than {own}"),
            Self::People { of } => write!(f, "officers, operators and auditors of {of}"),
            Self::Only(identity) => identity.fmt(f),
        }
    }
}

/// Why a certificate is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not name one holder of this network.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The holder is none that connects here.
    #[error("{identity} was refused: only {admits} may connect here")]
    NotAdmitted {
        /// Who it claims to be.
        identity: Identity,
        /// Whom this side takes.
        admits: Admits,
    },
    /// The unit is not in the charter.
    #[error("{0} is not a unit of the charter")]
    UnknownUnit(UnitId),
    /// Its key, or that of an authority that made it, is revoked.
    #[error("the certificate of {identity} is revoked {by} (public key {spki})")]
    Revoked {
        /// Who it claims to be.
        identity: Identity,
        /// SHA-256 of the public key.
        spki: Hash,
        /// By whom.
        by: RevokedBy,
    },
    /// No chain to an authority of that very unit.
    #[error("the certificate of {0} was not made by the authority that the charter gives to that unit")]
    OtherAuthority(Identity),
    /// No longer valid.
    #[error("the certificate of {identity} expired at {}; it must be renewed", moment(*.not_after_s))]
    Expired {
        /// Who it claims to be.
        identity: Identity,
        /// Its last second, since 1970.
        not_after_s: i64,
    },
    /// Not valid yet.
    #[error("the certificate of {identity} is not valid before {}; is a clock wrong?", moment(*.not_before_s))]
    NotYetValid {
        /// Who it claims to be.
        identity: Identity,
        /// Its first second, since 1970.
        not_before_s: i64,
    },
    /// The authority itself is not valid now, or allows no authorities below it.
    #[error(
        "the authority that made the certificate of {0} is not valid now, or may not have made it through another one"
    )]
    Authority(Identity),
    /// A certificate that is no authority made this one.
    #[error("the certificate of {0} was made by a certificate that is no authority")]
    LeafAsAuthority(Identity),
    /// An authority's certificate in place of a holder's.
    #[error("the certificate of {0} is one of an authority; those do not connect")]
    AuthorityAsLeaf(Identity),
    /// Its key usage or extended key usage does not cover this.
    #[error("the certificate of {0} is not made for this side of a connection (key usage)")]
    Purpose(Identity),
    /// Another algorithm than ECDSA on P-256 with SHA-256.
    #[error("the certificate of {0} does not use ECDSA on P-256 with SHA-256")]
    Algorithm(Identity),
    /// More certificates than a chain here can have.
    #[error("{0} certificates were sent for one chain; at most 3 are accepted")]
    TooMany(usize),
    /// Anything else that webpki finds.
    #[error("the certificate of {0} is not good: {1}")]
    Other(Identity, webpki::Error),
}

impl Refusal {
    /// The refusal in a rustls error, if it is one of this verifier.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }

    /// The refusal in an I/O error of tokio-rustls, if it is one of this verifier.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref()).and_then(Self::of)
    }
}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// What the peer's certificate is to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// The peer dialled.
    Client,
    /// The peer was dialled.
    Server,
}

/// A certificate that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub identity: Identity,
    /// SHA-256 of its public key.
    pub spki: Hash,
    /// SHA-256 of the public keys above it, up to that of the unit's authority.
    pub issuers: Vec<Hash>,
    /// The last second, since 1970, at which it is valid.
    pub not_after_s: i64,
}

/// Who may connect: the members as they are now, and whom of them this side takes.
#[derive(Debug, Clone)]
pub struct Admission {
    members: SharedMembers,
    admits: Admits,
}

impl Admission {
    /// Takes the members behind the handle, whatever they are at the time of a handshake.
    #[must_use]
    pub const fn new(members: SharedMembers, admits: Admits) -> Self {
        Self { members, admits }
    }

    /// Judges a peer's chain, its own certificate first, by the members as they are now.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn verify(&self, chain: &[CertificateDer<'_>], usage: Usage, now: UnixTime) -> Result<Verified, Refusal> {
        let (leaf, intermediates) = chain.split_first().ok_or(IdentityError::Malformed)?;
        self.verify_parts(leaf, intermediates, usage, now)
    }

    pub(crate) fn verify_parts(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<Verified, Refusal> {
        verify(&self.members.current(), &self.admits, leaf, intermediates, usage, now)
    }
}

/// Judges a certificate; the module's documentation says in which order.
///
/// # Errors
/// The [`Refusal`].
pub fn verify(
    members: &Members,
    admits: &Admits,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: Usage,
    now: UnixTime,
) -> Result<Verified, Refusal> {
    if intermediates.len() > INTERMEDIATES_MAX {
        return Err(Refusal::TooMany(intermediates.len().saturating_add(1)));
    }
    let facts = x509::facts(leaf).ok_or(IdentityError::Malformed)?;
    let identity = Identity::of_uris(&facts.uris, members.network())?;
    if !admits.admits(&identity) {
        return Err(Refusal::NotAdmitted { identity, admits: admits.clone() });
    }
    let roots = members.roots(&identity.unit);
    if roots.is_empty() {
        return Err(Refusal::UnknownUnit(identity.unit));
    }
    members.not_revoked(&identity, &facts.spki)?;
    let issuers = verify_chain(members, &identity, roots, leaf, intermediates, usage, now)?;
    if !facts.p256 {
        return Err(Refusal::Algorithm(identity));
    }
    // webpki lets a certificate without these extensions pass, and never reads key usage.
    if !facts.purpose || !facts.digital_signature {
        return Err(Refusal::Purpose(identity));
    }
    Ok(Verified { identity, spki: facts.spki, issuers, not_after_s: facts.not_after_s })
}

/// The SHA-256 hashes of the public keys above the certificate, up to the authority's.
fn verify_chain(
    members: &Members,
    identity: &Identity,
    roots: &[Root],
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: Usage,
    now: UnixTime,
) -> Result<Vec<Hash>, Refusal> {
    let certificate = EndEntityCert::try_from(leaf).map_err(|error| refusal(identity, error))?;
    let anchors: Vec<TrustAnchor<'_>> = roots.iter().map(|root| root.anchor().clone()).collect();
    let purpose = match usage {
        Usage::Client => KeyUsage::client_auth(),
        Usage::Server => KeyUsage::server_auth(),
    };
    let path = certificate
        .verify_for_usage(CHAIN_ALGORITHMS, &anchors, intermediates, now, purpose, None, None)
        .map_err(|error| refusal(identity, error))?;
    let mut issuers = Vec::new();
    for issuer in path.intermediate_certificates() {
        issuers.push(Hash::of(&issuer.subject_public_key_info()));
    }
    // To webpki an anchor is a name and a key; that its certificate expires and limits the path is checked here.
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let between = issuers.len();
    let found = roots.iter().find(|root| root.anchor() == path.anchor() && root.allows(now_s, between));
    let Some(root) = found else { return Err(Refusal::Authority(identity.clone())) };
    issuers.push(*root.spki());
    issuers.iter().try_for_each(|spki| members.not_revoked(identity, spki))?;
    Ok(issuers)
}

fn refusal(identity: &Identity, error: webpki::Error) -> Refusal {
    use webpki::Error as E;
    let identity = identity.clone();
    let seconds = |at: UnixTime| i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    match error {
        E::CertExpired { not_after, .. } => Refusal::Expired { identity, not_after_s: seconds(not_after) },
        E::CertNotValidYet { not_before, .. } => Refusal::NotYetValid { identity, not_before_s: seconds(not_before) },
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => Refusal::OtherAuthority(identity),
        E::EndEntityUsedAsCa => Refusal::LeafAsAuthority(identity),
        E::CaUsedAsEndEntity => Refusal::AuthorityAsLeaf(identity),
        E::PathLenConstraintViolated => Refusal::Authority(identity),
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Refusal::Purpose(identity),
        E::UnsupportedSignatureAlgorithmContext(_) | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Refusal::Algorithm(identity)
        }
        other => Refusal::Other(identity, other),
    }
}

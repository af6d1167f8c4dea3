//! Which authorities the charter gives to which unit, and which certificates are revoked.
//!
//! A [`Members`] is made anew whenever the charter, a `Revoke` record or the deny list changes, and put into the
//! [`SharedMembers`] that the listeners and diallers hold; handshakes that begin afterwards see it. Connections that are
//! open then are the node's to cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::x509;

#[cfg(test)]
mod tests;

/// Why a certificate cannot be a unit's authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not a certificate that can be read.
    #[error("it is not a well-formed X.509 certificate")]
    Malformed,
    /// Its basic constraints do not make it an authority.
    #[error("it is not one of an authority (basic constraints)")]
    NotAnAuthority,
    /// Its key usage does not let it sign certificates.
    #[error("its key usage does not allow it to sign certificates")]
    NoCertificateSigning,
    /// Its key is not on P-256.
    #[error("its key is not an ECDSA key on P-256")]
    Algorithm,
}

/// Why a charter's authorities cannot be taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// One of a unit's certificates cannot be its authority.
    #[error("the charter gives {unit} an authority that cannot be used: {why}")]
    Root {
        /// The unit.
        unit: UnitId,
        /// What is wrong with it.
        why: RootError,
    },
    /// Two units with one authority, so that each could make the other's certificates.
    #[error("the charter gives one authority's key to both {0} and {1}; each could make the other's certificates")]
    Shared(UnitId, UnitId),
}

/// A certificate that is a unit's authority.
#[derive(Debug, Clone)]
pub struct Root {
    anchor: TrustAnchor<'static>,
    path_length: Option<u32>,
    uris: Vec<String>,
    spki: Hash,
    not_before_s: i64,
    not_after_s: i64,
}

impl Root {
    /// Reads an authority's certificate (DER).
    ///
    /// # Errors
    /// [`RootError`] if it is not one.
    pub fn parse(der: &[u8]) -> Result<Self, RootError> {
        let facts = x509::facts(der).ok_or(RootError::Malformed)?;
        let path_length = facts.authority.ok_or(RootError::NotAnAuthority)?;
        if !facts.certificate_signing {
            return Err(RootError::NoCertificateSigning);
        }
        if !facts.p256 {
            return Err(RootError::Algorithm);
        }
        let certificate = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| RootError::Malformed)?.to_owned();
        Ok(Self {
            anchor,
            path_length,
            uris: facts.uris,
            spki: facts.spki,
            not_before_s: facts.not_before_s,
            not_after_s: facts.not_after_s,
        })
    }

    /// SHA-256 of its public key.
    #[must_use]
    pub const fn spki(&self) -> &Hash {
        &self.spki
    }

    /// The last second, since 1970, at which it is valid.
    #[must_use]
    pub const fn not_after_s(&self) -> i64 {
        self.not_after_s
    }

    pub(crate) fn uris(&self) -> &[String] {
        &self.uris
    }

    pub(crate) const fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }

    /// Whether it is valid at that second and allows so many authorities below it.
    pub(crate) fn allows(&self, now_s: i64, intermediates: usize) -> bool {
        let deep = u32::try_from(intermediates).unwrap_or(u32::MAX);
        self.valid_at(now_s) && self.path_length.is_none_or(|most| deep <= most)
    }

    pub(crate) const fn valid_at(&self, now_s: i64) -> bool {
        self.not_before_s <= now_s && now_s <= self.not_after_s
    }
}

/// The members of a network, as the verifiers need them.
#[derive(Debug, Clone)]
pub struct Members {
    network: NetworkName,
    units: BTreeMap<UnitId, Vec<Root>>,
    revoked: BTreeSet<Hash>,
}

impl Members {
    /// Takes up each unit's authorities (DER) and the SHA-256 hashes of the public keys that are revoked, by charter,
    /// `Revoke` records and deny list together.
    ///
    /// # Errors
    /// [`MembersError`] if a certificate cannot be an authority, or if two units share one.
    pub fn new<'a>(
        network: NetworkName,
        units: impl IntoIterator<Item = (UnitId, &'a [Vec<u8>])>,
        revoked: BTreeSet<Hash>,
    ) -> Result<Self, MembersError> {
        let mut owners: BTreeMap<Hash, UnitId> = BTreeMap::new();
        let mut members = Self { network, units: BTreeMap::new(), revoked };
        for (unit, certificates) in units {
            for der in certificates {
                let root = Root::parse(der).map_err(|why| MembersError::Root { unit: unit.clone(), why })?;
                let owner = owners.entry(root.spki).or_insert_with(|| unit.clone());
                if *owner != unit {
                    return Err(MembersError::Shared(owner.clone(), unit));
                }
                members.units.entry(unit.clone()).or_default().push(root);
            }
        }
        Ok(members)
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &NetworkName {
        &self.network
    }

    /// The authorities of a unit; none if it is not a member.
    #[must_use]
    pub fn roots(&self, unit: &UnitId) -> &[Root] {
        self.units.get(unit).map_or(&[], Vec::as_slice)
    }

    /// Whether the certificate with that public key is revoked.
    #[must_use]
    pub fn is_revoked(&self, spki: &Hash) -> bool {
        self.revoked.contains(spki)
    }
}

/// The members as they are now: one handle that everybody holds, whose contents are replaced as a whole.
#[derive(Debug, Clone)]
pub struct SharedMembers(Arc<RwLock<Arc<Members>>>);

impl SharedMembers {
    /// Begins with these.
    #[must_use]
    pub fn new(members: Members) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(members))))
    }

    /// The members as they are now. The lock is held for the copy of a pointer.
    #[must_use]
    pub fn current(&self) -> Arc<Members> {
        // A poisoned lock still holds a whole value: it is only ever replaced by another one.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them; every later handshake is judged by the new ones. Whoever replaces them also cuts the connections
    /// that the new ones no longer admit.
    pub fn replace(&self, members: Members) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(members);
    }
}

//! Which authorities the charter gives to which unit, and which certificates are revoked.
//!
//! A [`Members`] is made anew whenever the charter or the deny list changes, and put into the [`SharedMembers`] that the
//! listeners and diallers hold; handshakes that begin afterwards see it. `Revoke` records are never undone, so they go
//! into one [`Revocations`] that all of them share. Connections that are open then are the node's to cut: those of which
//! [`Members::still`] says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::identity::Identity;
use crate::verifier::{Refusal, Verified};
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
    /// Nothing says who the members are.
    #[error("there is no charter in force: nobody is a member")]
    NoCharter,
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

/// By whom a key was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedBy {
    /// More than two thirds of the units, in the charter.
    Charter,
    /// The unit itself, by a `Revoke` record.
    Unit,
    /// This node's operator, by the deny list.
    DenyList,
}

impl std::fmt::Display for RevokedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Charter => "by the charter",
            Self::Unit => "by a record of its unit",
            Self::DenyList => "by this node's deny list",
        })
    }
}

/// The keys that units have revoked by records, each in its own log. A record speaks for the certificates of its unit
/// alone: with another unit's key in it, it says nothing, or else any unit could cut off any other.
///
/// They are never undone, so there is no way to take one out. It takes about 50 bytes of memory a key.
#[derive(Debug, Default)]
pub struct Revocations(RwLock<BTreeMap<UnitId, BTreeSet<Hash>>>);

impl Revocations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up that a unit has revoked the certificate of its own with this public key. Says whether that is new.
    pub fn add(&self, unit: &UnitId, spki: Hash) -> bool {
        // A set is whole between any two of its own steps.
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.entry(unit.clone()).or_default().insert(spki)
    }

    /// Whether a unit has revoked the certificate of its own with this public key.
    #[must_use]
    pub fn contains(&self, unit: &UnitId, spki: &Hash) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(unit).is_some_and(|keys| keys.contains(spki))
    }
}

/// The members of a network, as the verifiers need them.
#[derive(Debug, Clone)]
pub struct Members {
    network: NetworkName,
    units: BTreeMap<UnitId, Vec<Root>>,
    revoked: BTreeSet<Hash>,
    denied: BTreeSet<Hash>,
    recorded: Arc<Revocations>,
}

impl Members {
    /// Takes up each unit's authorities (DER) and the SHA-256 hashes of the public keys that the charter revokes. While two
    /// charters are in force at once a unit may come twice: all its authorities count.
    ///
    /// # Errors
    /// [`MembersError`] if a certificate cannot be an authority, or if two units share one.
    pub fn new<'a>(
        network: NetworkName,
        units: impl IntoIterator<Item = (UnitId, &'a [Vec<u8>])>,
        revoked: BTreeSet<Hash>,
    ) -> Result<Self, MembersError> {
        let mut owners: BTreeMap<Hash, UnitId> = BTreeMap::new();
        let mut taken: BTreeSet<Hash> = BTreeSet::new();
        let mut members =
            Self { network, units: BTreeMap::new(), revoked, denied: BTreeSet::new(), recorded: Arc::default() };
        for (unit, certificates) in units {
            for der in certificates {
                let root = Root::parse(der).map_err(|why| MembersError::Root { unit: unit.clone(), why })?;
                let owner = owners.entry(root.spki).or_insert_with(|| unit.clone());
                if *owner != unit {
                    return Err(MembersError::Shared(owner.clone(), unit));
                }
                if taken.insert(Hash::of(der)) {
                    members.units.entry(unit.clone()).or_default().push(root);
                }
            }
        }
        Ok(members)
    }

    /// The same, with the public keys that the operator of this node denies, whoever's they are.
    #[must_use]
    pub fn denying(mut self, denied: BTreeSet<Hash>) -> Self {
        self.denied = denied;
        self
    }

    /// The same, with what units revoke by records, now and later.
    #[must_use]
    pub fn with_records(mut self, recorded: Arc<Revocations>) -> Self {
        self.recorded = recorded;
        self
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

    /// By whom a unit's certificate with that public key is revoked, if it is.
    #[must_use]
    pub fn revoked_by(&self, unit: &UnitId, spki: &Hash) -> Option<RevokedBy> {
        if self.revoked.contains(spki) {
            Some(RevokedBy::Charter)
        } else if self.recorded.contains(unit, spki) {
            Some(RevokedBy::Unit)
        } else {
            self.denied.contains(spki).then_some(RevokedBy::DenyList)
        }
    }

    /// Whether a connection that was let in may stay: its unit is still a member, under the same authority, and no key in
    /// its chain is revoked. Time does not cut: a certificate has to be valid when a connection begins.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn still(&self, verified: &Verified) -> Result<(), Refusal> {
        let Verified { identity, spki, issuers, .. } = verified;
        let roots = self.roots(&identity.unit);
        if roots.is_empty() {
            return Err(Refusal::UnknownUnit(identity.unit.clone()));
        }
        for spki in std::iter::once(spki).chain(issuers) {
            self.not_revoked(identity, spki)?;
        }
        let same = issuers.last().is_some_and(|root| roots.iter().any(|known| known.spki == *root));
        if same { Ok(()) } else { Err(Refusal::OtherAuthority(identity.clone())) }
    }

    pub(crate) fn not_revoked(&self, identity: &Identity, spki: &Hash) -> Result<(), Refusal> {
        let Some(by) = self.revoked_by(&identity.unit, spki) else { return Ok(()) };
        Err(Refusal::Revoked { identity: identity.clone(), spki: *spki, by })
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

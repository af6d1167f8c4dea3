//! A unit's certificate authority: founding it, loading it, issuing under it.
//!
//! The authority's certificate stands in the charter; its key is used a few times a year and may be kept offline. Every
//! certificate gets a key of its own, so that the SHA-256 of its public key names it for revocation.

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::identity::{Identity, IdentityError, Role, spki_sha256, trust_domain};
use crate::members::{Root, RootError};

#[cfg(test)]
mod tests;

/// How long an authority's certificate is valid, in days: ten years.
pub const AUTHORITY_DAYS: u32 = 3_652;
/// How long a certificate is valid if nothing else is said, in days.
pub const CERTIFICATE_DAYS: u32 = 365;
/// How far before now a certificate begins to be valid, so that a clock that is a little slow accepts it: seconds.
const BACKDATED_S: i64 = 300;

/// How many bytes of a certificate's serial number are drawn.
const SERIAL_BYTES: usize = 16;

/// Why an authority cannot be loaded, or a certificate cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate is not PEM.
    #[error("the authority's certificate is not PEM with one CERTIFICATE in it")]
    Pem,
    /// The key is not PEM of an ECDSA P-256 key.
    #[error("the authority's key is not a PEM private key (PKCS #8, ECDSA P-256)")]
    Key,
    /// Key and certificate are not of one pair.
    #[error("the authority's key does not belong to its certificate; restore the two from the same backup")]
    Pair,
    /// No random numbers.
    #[error("this machine gives no random numbers")]
    Random,
    /// There is no key of the holder.
    #[error("the holder's key file holds no key that belongs to its certificate: renew with a new key")]
    HolderKey,
    /// The certificate is not one of an authority.
    #[error("the authority's certificate cannot be used: {0}")]
    Root(#[from] RootError),
    /// The certificate names another unit or network.
    #[error("the authority's certificate is one of {found}, not of {expected}")]
    OtherUnit {
        /// The trust domain in the certificate.
        found: String,
        /// The trust domain asked for.
        expected: String,
    },
    /// The identity belongs to another unit.
    #[error("the authority of {authority} issues no certificates for {unit}")]
    ForeignIdentity {
        /// The authority's unit.
        authority: UnitId,
        /// The unit asked for.
        unit: UnitId,
    },
    /// The identity is not one that a certificate may carry.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Names that only a node may have.
    #[error("only a node's certificate may carry host names")]
    NamesOfPerson,
    /// Not a host name and not an IP address.
    #[error("{0:?} is neither a host name nor an IP address")]
    Name(String),
    /// The time asked for lies outside what a certificate can say or the authority lives.
    #[error(
        "the authority's certificate is not valid at that time; found a new authority and bring it in by a charter"
    )]
    Time,
    /// The cryptographic library refused.
    #[error("the certificate could not be made: {0}")]
    Library(#[from] rcgen::Error),
}

/// From when until when a certificate is valid, to the second.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Validity {
    /// From five minutes before `now_ms` (milliseconds since 1970) for so many days after it.
    ///
    /// # Errors
    /// [`AuthorityError::Time`] if that is beyond the year 9999.
    pub fn days(now_ms: u64, days: u32) -> Result<Self, AuthorityError> {
        let now = i64::try_from(now_ms / 1_000).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        let now = now.ok_or(AuthorityError::Time)?;
        let not_before = now.checked_sub(Duration::seconds(BACKDATED_S)).ok_or(AuthorityError::Time)?;
        let not_after = now.checked_add(Duration::days(days.into())).ok_or(AuthorityError::Time)?;
        Ok(Self { not_before, not_after })
    }
}

/// A certificate that was just issued, with its key.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM (PKCS #8).
    pub key_pem: Zeroizing<String>,
    /// SHA-256 of its public key: the name by which it is revoked.
    pub spki: Hash,
}

/// A unit's certificate authority, with its key.
pub struct Authority {
    network: NetworkName,
    unit: UnitId,
    certificate: CertificateDer<'static>,
    not_after: OffsetDateTime,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Founds a unit's authority: a new key and a certificate that it signs itself, valid for ten years from `now_ms`
    /// (milliseconds since 1970).
    ///
    /// # Errors
    /// [`AuthorityError::Time`], or [`AuthorityError::Library`] if no key can be made.
    pub fn create(network: &NetworkName, unit: &UnitId, now_ms: u64) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let validity = Validity::days(now_ms, AUTHORITY_DAYS)?;
        let mut params = params(network, format!("{unit} certificate authority"), validity);
        // SPIFFE X509-SVID section 3: a signing certificate carries its trust domain, without a path.
        let domain = format!("spiffe://{}", trust_domain(network, unit));
        params.subject_alt_names = vec![SanType::URI(domain.try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            network: network.clone(),
            unit: unit.clone(),
            certificate,
            not_after: params.not_after,
            issuer: Issuer::new(params, key),
        })
    }

    /// Loads a unit's authority from PEM. While it is being exchanged the key file holds the new key and the old one; the one
    /// that belongs to the certificate is taken.
    ///
    /// # Errors
    /// [`AuthorityError`]: not PEM, not an authority, not this unit's, or key and certificate of different pairs.
    pub fn load(
        network: &NetworkName,
        unit: &UnitId,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<Self, AuthorityError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| AuthorityError::Pem)?;
        let root = Root::parse(&certificate)?;
        let expected = format!("spiffe://{}", trust_domain(network, unit));
        // An authority of the unit's own making may name nobody; one that names somebody else is the wrong file.
        if let Some(found) = root.uris().iter().find(|uri| **uri != expected) {
            return Err(AuthorityError::OtherUnit { found: found.clone(), expected });
        }
        let keys = key_pairs(key_pem)?;
        let own = |key: &KeyPair| Hash::of(&key.subject_public_key_info()) == *root.spki();
        let key = keys.into_iter().find(own).ok_or(AuthorityError::Pair)?;
        Ok(Self {
            network: network.clone(),
            unit: unit.clone(),
            not_after: OffsetDateTime::from_unix_timestamp(root.not_after_s()).map_err(|_| AuthorityError::Time)?,
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
        })
    }

    /// The unit.
    #[must_use]
    pub const fn unit(&self) -> &UnitId {
        &self.unit
    }

    /// The authority's certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The authority's certificate, PEM, as it stands in the charter.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem(&self.certificate)
    }

    /// The authority's private key, PEM (PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Issues a certificate with a new key. A node's may carry host names and IP addresses (`names`), which ordinary
    /// clients check; they are never read as identity. It ends at the latest when the authority does.
    ///
    /// # Errors
    /// [`AuthorityError`]: an identity of another unit or with a name that is not allowed, host names on a person's
    /// certificate or malformed ones, a time at which the authority is not valid.
    pub fn issue(&self, identity: &Identity, names: &[String], validity: Validity) -> Result<Issued, AuthorityError> {
        self.may_issue(identity, names)?;
        self.sign(identity, names, validity, KeyPair::generate()?)
    }

    /// Issues a certificate as [`issue`](Self::issue) does, for the key that `before` (PEM, as in a holder's files) and the
    /// certificate with that public key go by: for holders whose key cannot be exchanged.
    ///
    /// # Errors
    /// As [`issue`](Self::issue), and [`AuthorityError::HolderKey`] if there is no such key.
    pub fn reissue(
        &self,
        identity: &Identity,
        names: &[String],
        validity: Validity,
        (spki, before): (&Hash, &str),
    ) -> Result<Issued, AuthorityError> {
        self.may_issue(identity, names)?;
        let keys = key_pairs(before).map_err(|_| AuthorityError::HolderKey)?;
        let own = |key: &KeyPair| Hash::of(&key.subject_public_key_info()) == *spki;
        let key = keys.into_iter().find(own).ok_or(AuthorityError::HolderKey)?;
        self.sign(identity, names, validity, key)
    }

    /// Issues a certificate for an identity of any unit, as an authority that breaks the rules could: for drills, which show
    /// that nobody accepts it.
    ///
    /// # Errors
    /// As [`issue`](Self::issue), but for the identity's unit.
    pub fn forge(&self, identity: &Identity, validity: Validity) -> Result<Issued, AuthorityError> {
        self.sign(identity, &[], validity, KeyPair::generate()?)
    }

    fn may_issue(&self, identity: &Identity, names: &[String]) -> Result<(), AuthorityError> {
        if identity.unit != self.unit {
            return Err(AuthorityError::ForeignIdentity { authority: self.unit.clone(), unit: identity.unit.clone() });
        }
        if identity.role != Role::Node && !names.is_empty() {
            return Err(AuthorityError::NamesOfPerson);
        }
        Ok(())
    }

    fn sign(
        &self,
        identity: &Identity,
        names: &[String],
        validity: Validity,
        key: KeyPair,
    ) -> Result<Issued, AuthorityError> {
        let spiffe = identity.spiffe(&self.network);
        // What cannot be read again is not written: a person's name may have been put in unchecked.
        Identity::of_uri(&spiffe, &self.network)?;
        if validity.not_before > self.not_after {
            return Err(AuthorityError::Time);
        }
        let mut params = params(&self.network, identity.to_string(), validity);
        params.not_after = validity.not_after.min(self.not_after);
        // Drawn, since a key may have more than one certificate (RFC 5280 4.1.2.2: at most 20 bytes, positive).
        let mut serial = [0; SERIAL_BYTES];
        SystemRandom::new().fill(&mut serial).map_err(|_| AuthorityError::Random)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.subject_alt_names = names.iter().map(|name| host(name)).collect::<Result<_, _>>()?;
        params.subject_alt_names.push(SanType::URI(spiffe.try_into()?));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match identity.role {
            Role::Node => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Role::Officer(_) | Role::Operator(_) | Role::Auditor(_) => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            spki: spki_sha256(certificate.der())?,
        })
    }
}

/// Every key of a PEM file.
fn key_pairs(pem: &str) -> Result<Vec<KeyPair>, AuthorityError> {
    let pair = |der: PrivateKeyDer<'static>| KeyPair::from_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256);
    let pairs: Vec<KeyPair> = PrivateKeyDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.ok().and_then(|der| pair(der).ok()).ok_or(AuthorityError::Key))
        .collect::<Result<_, _>>()?;
    if pairs.is_empty() { Err(AuthorityError::Key) } else { Ok(pairs) }
}

fn params(network: &NetworkName, common_name: String, validity: Validity) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, network.as_str());
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params
}

/// A host name or an IP address, for ordinary clients.
fn host(name: &str) -> Result<SanType, AuthorityError> {
    match ServerName::try_from(name) {
        Ok(ServerName::IpAddress(address)) => Ok(SanType::IpAddress(std::net::IpAddr::from(address))),
        Ok(ServerName::DnsName(dns)) => Ok(SanType::DnsName(dns.as_ref().try_into()?)),
        _ => Err(AuthorityError::Name(name.chars().take(120).collect())),
    }
}

fn pem(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

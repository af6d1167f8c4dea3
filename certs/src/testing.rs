//! What the tests of this crate share: two units of one network, at one moment.

use std::collections::BTreeSet;
use std::time::Duration;

use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, UnitId};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;

use crate::authority::Authority;
use crate::identity::{Identity, Role};
use crate::members::Members;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS))
}

pub(crate) fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

pub(crate) fn be() -> UnitId {
    "BE".parse().unwrap()
}

pub(crate) fn fr() -> UnitId {
    "FR".parse().unwrap()
}

pub(crate) fn officer(unit: &UnitId, name: &str) -> Identity {
    Identity { unit: unit.clone(), role: Role::Officer(name.into()) }
}

pub(crate) fn authority(unit: &UnitId) -> Authority {
    Authority::create(&network(), unit, NOW_MS - 400 * DAY_MS).unwrap()
}

pub(crate) fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// The members BE and FR with these authorities.
pub(crate) fn members(be_ca: &Authority, fr_ca: &Authority, revoked: &[Hash]) -> Members {
    let (be_ca, fr_ca) = (vec![be_ca.certificate_der().to_vec()], vec![fr_ca.certificate_der().to_vec()]);
    let revoked: BTreeSet<Hash> = revoked.iter().copied().collect();
    Members::new(network(), [(be(), &be_ca[..]), (fr(), &fr_ca[..])], revoked).unwrap()
}

/// A forger's workshop: a node's certificate as it should be, which a test bends before it is signed.
pub(crate) fn bent(authority: &Authority, bend: impl FnOnce(&mut CertificateParams)) -> (Vec<u8>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (bent_with(authority, &key, bend), key)
}

pub(crate) fn bent_with(authority: &Authority, key: &KeyPair, bend: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://be.takedown.example/node")];
    params.not_before = at(NOW_MS - DAY_MS);
    params.not_after = at(NOW_MS + DAY_MS);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    bend(&mut params);
    let ca_key = KeyPair::from_pem(&authority.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(authority.certificate_der()), ca_key).unwrap();
    params.signed_by(key, &issuer).unwrap().der().to_vec()
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(crate) fn at(ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(ms / 1_000).unwrap()).unwrap()
}

use std::collections::BTreeSet;

use entente_proto::hash::Hash;

use super::{Members, MembersError, Root, RootError, SharedMembers};
use crate::authority::Validity;
use crate::identity::Identity;
use crate::testing::{NOW_MS, authority, be, der, fr, network};

#[test]
fn a_leaf_cannot_be_given_as_an_authority() {
    let leaf = authority(&be()).issue(&Identity::node(be()), &[], Validity::days(NOW_MS, 365).unwrap()).unwrap();
    let result = Members::new(network(), [(be(), &[der(&leaf.certificate_pem)][..])], BTreeSet::new());
    assert_eq!(result.unwrap_err(), MembersError::Root { unit: be(), why: RootError::NotAnAuthority });
}

#[test]
fn an_authority_that_may_not_sign_certificates_is_refused() {
    let params = |usages: Vec<rcgen::KeyUsagePurpose>| {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = usages;
        params
    };
    let sign = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let p256 = rcgen::KeyPair::generate().unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let without = params(vec![rcgen::KeyUsagePurpose::CrlSign]).self_signed(&p256).unwrap();
    assert_eq!(Root::parse(without.der()).unwrap_err(), RootError::NoCertificateSigning);
    let foreign = params(sign.clone()).self_signed(&p384).unwrap();
    assert_eq!(Root::parse(foreign.der()).unwrap_err(), RootError::Algorithm);
    assert!(Root::parse(params(sign).self_signed(&p256).unwrap().der()).is_ok());
    assert_eq!(Root::parse(b"x").unwrap_err(), RootError::Malformed);
}

#[test]
fn two_units_cannot_share_an_authority() {
    let root = [authority(&be()).certificate_der().to_vec()];
    let result = Members::new(network(), [(be(), &root[..]), (fr(), &root[..])], BTreeSet::new());
    assert_eq!(result.unwrap_err(), MembersError::Shared(be(), fr()));
}

#[test]
fn a_replaced_membership_is_seen_by_every_holder_of_the_handle() {
    let key = Hash::of(b"key");
    let shared = SharedMembers::new(Members::new(network(), [], BTreeSet::new()).unwrap());
    let other = shared.clone();
    assert!(!other.current().is_revoked(&key));
    shared.replace(Members::new(network(), [], BTreeSet::from([key])).unwrap());
    assert!(other.current().is_revoked(&key));
}

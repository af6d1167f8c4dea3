use std::collections::BTreeSet;
use std::sync::Arc;

use entente_proto::hash::Hash;
use rustls::pki_types::CertificateDer;

use super::{Members, MembersError, Revocations, RevokedBy, Root, RootError, SharedMembers};
use crate::authority::{Authority, Validity};
use crate::identity::Identity;
use crate::testing::{NOW_MS, authority, be, der, fr, network, now};
use crate::verifier::{Admits, Refusal, Usage, verify};

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
    assert_eq!(other.current().revoked_by(&be(), &key), None);
    shared.replace(Members::new(network(), [], BTreeSet::from([key])).unwrap());
    assert_eq!(other.current().revoked_by(&be(), &key), Some(RevokedBy::Charter));
}

#[test]
fn a_record_revokes_certificates_of_its_own_unit_alone() {
    let key = Hash::of(b"key");
    let records = Arc::new(Revocations::new());
    let members = Members::new(network(), [], BTreeSet::new()).unwrap().with_records(records.clone());
    assert!(records.add(&fr(), key) && !records.add(&fr(), key));
    assert_eq!(members.revoked_by(&be(), &key), None);
    assert_eq!(members.revoked_by(&fr(), &key), Some(RevokedBy::Unit));
}

#[test]
fn charter_and_deny_list_revoke_whoevers_key_it_is() {
    let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
    let members = Members::new(network(), [], BTreeSet::from([one])).unwrap().denying(BTreeSet::from([other]));
    for unit in [be(), fr()] {
        assert_eq!(members.revoked_by(&unit, &one), Some(RevokedBy::Charter));
        assert_eq!(members.revoked_by(&unit, &other), Some(RevokedBy::DenyList));
    }
}

#[test]
fn a_connection_stays_as_long_as_its_unit_its_authority_and_its_keys_do() {
    let (be_ca, fr_ca, next_ca) = (authority(&be()), authority(&fr()), authority(&be()));
    let ders = |all: &[&Authority]| all.iter().map(|ca| ca.certificate_der().to_vec()).collect::<Vec<_>>();
    let members = |be_roots: &[&Authority]| {
        let (be_roots, fr_roots) = (ders(be_roots), ders(&[&fr_ca]));
        let units = [(be(), &be_roots[..]), (fr(), &fr_roots[..])];
        Members::new(network(), units, BTreeSet::new()).unwrap()
    };
    let issued = be_ca.issue(&Identity::node(be()), &[], Validity::days(NOW_MS, 365).unwrap()).unwrap();
    let leaf = CertificateDer::from(der(&issued.certificate_pem));
    let admits = Admits::Peers { own: fr() };
    let verified = verify(&members(&[&be_ca]), &admits, &leaf, &[], Usage::Client, now()).unwrap();

    assert_eq!(members(&[&be_ca]).still(&verified), Ok(()));
    assert_eq!(members(&[&next_ca, &be_ca]).still(&verified), Ok(()));
    assert_eq!(members(&[&next_ca]).still(&verified), Err(Refusal::OtherAuthority(Identity::node(be()))));
    assert_eq!(members(&[]).still(&verified), Err(Refusal::UnknownUnit(be())));
    for key in [issued.spki, *verified.issuers.last().unwrap()] {
        let denying = members(&[&be_ca]).denying(BTreeSet::from([key]));
        let by = RevokedBy::DenyList;
        let revoked = Refusal::Revoked { identity: Identity::node(be()), spki: key, by };
        assert_eq!(denying.still(&verified), Err(revoked));
    }
}

#[test]
fn a_unit_of_two_charters_has_the_authorities_of_both_each_once() {
    let (old, new) = (authority(&be()), authority(&be()));
    let (first, second) =
        ([old.certificate_der().to_vec()], [new.certificate_der().to_vec(), old.certificate_der().to_vec()]);
    let members = Members::new(network(), [(be(), &first[..]), (be(), &second[..])], BTreeSet::new()).unwrap();
    assert_eq!(members.roots(&be()).len(), 2);
}

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Authority, AuthorityError, Validity};
use crate::identity::{Described, Identity, IdentityError, Role, spki_sha256};
use crate::members::RootError;
use crate::testing::{NOW_MS, authority, be, der, fr, network, officer};
use crate::x509;

fn year() -> Validity {
    Validity::days(NOW_MS, 365).unwrap()
}

#[test]
fn a_founded_authority_signs_certificates_and_nothing_else_for_ten_years() {
    let facts = x509::facts(authority(&be()).certificate_der()).unwrap();
    assert_eq!(facts.uris, ["spiffe://be.takedown.example"]);
    assert_eq!(facts.authority, Some(Some(0)));
    assert!(facts.certificate_signing && !facts.digital_signature && !facts.purpose && facts.p256);
    assert_eq!(facts.not_after_s - facts.not_before_s, 3_652 * 86_400 + 300);
}

#[test]
fn an_issued_certificate_says_who_holds_it() {
    let authority = authority(&be());
    let names = ["be.takedown.example".to_owned(), "192.0.2.1".to_owned()];
    let issued = authority.issue(&Identity::node(be()), &names, year()).unwrap();
    let node = der(&issued.certificate_pem);
    assert_eq!(Identity::of_certificate(&node, &network()), Ok(Identity::node(be())));
    assert_eq!(spki_sha256(&node), Ok(issued.spki));
    let facts = x509::facts(&node).unwrap();
    assert!(facts.digital_signature && !facts.certificate_signing && facts.purpose && facts.p256);
    assert_eq!(facts.authority, None);
    let begin = i64::try_from(NOW_MS / 1_000).unwrap() - 300;
    assert_eq!((facts.not_before_s, facts.not_after_s), (begin, begin + 300 + 365 * 86_400));
    let person = officer(&be(), "anna");
    let issued = authority.issue(&person, &[], year()).unwrap();
    assert_eq!(Identity::of_certificate(&der(&issued.certificate_pem), &network()), Ok(person));
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let authority = authority(&be());
    let end = x509::facts(authority.certificate_der()).unwrap().not_after_s;
    let issued = authority.issue(&Identity::node(be()), &[], Validity::days(NOW_MS, 10_000).unwrap()).unwrap();
    assert_eq!(x509::facts(&der(&issued.certificate_pem)).unwrap().not_after_s, end);
    let later = Validity::days(NOW_MS + 4_000 * 86_400_000, 1).unwrap();
    assert!(matches!(authority.issue(&Identity::node(be()), &[], later), Err(AuthorityError::Time)));
}

#[test]
fn an_authority_issues_for_its_own_unit_only() {
    let result = authority(&fr()).issue(&Identity::node(be()), &[], year());
    assert!(
        matches!(result, Err(AuthorityError::ForeignIdentity { authority, unit }) if authority == fr() && unit == be())
    );
}

#[test]
fn what_a_certificate_may_not_carry_is_not_issued() {
    let authority = authority(&be());
    let bad = Identity { unit: be(), role: Role::Officer("Anna Smith".into()) };
    let result = authority.issue(&bad, &[], year());
    assert!(matches!(result, Err(AuthorityError::Identity(IdentityError::Person(name))) if name == "Anna Smith"));
    let result = authority.issue(&officer(&be(), "anna"), &["be.example".into()], year());
    assert!(matches!(result, Err(AuthorityError::NamesOfPerson)));
    let result = authority.issue(&Identity::node(be()), &["be.example:7443".into()], year());
    assert!(matches!(result, Err(AuthorityError::Name(name)) if name == "be.example:7443"));
}

#[test]
fn an_authority_comes_back_from_its_files_and_issues_under_the_same_certificate() {
    let founded = authority(&be());
    let loaded = Authority::load(&network(), &be(), &founded.certificate_pem(), &founded.key_pem()).unwrap();
    assert_eq!(loaded.certificate_der(), founded.certificate_der());
    let leaf = der(&loaded.issue(&Identity::node(be()), &[], year()).unwrap().certificate_pem);
    let anchor = CertificateDer::from(founded.certificate_der());
    let anchor = webpki::anchor_from_trusted_cert(&anchor).unwrap();
    let leaf = CertificateDer::from(leaf);
    let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
    let now = rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_millis(NOW_MS));
    leaf.verify_for_usage(
        &[webpki::ring::ECDSA_P256_SHA256],
        &[anchor],
        &[],
        now,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    )
    .unwrap();
}

#[test]
fn the_wrong_files_are_told_apart_when_an_authority_is_loaded() {
    let (ours, theirs) = (authority(&be()), authority(&fr()));
    let load = |certificate: &str, key: &str| Authority::load(&network(), &be(), certificate, key).err().unwrap();
    assert!(matches!(load("", &ours.key_pem()), AuthorityError::Pem));
    assert!(matches!(load(&ours.certificate_pem(), "x"), AuthorityError::Key));
    assert!(matches!(load(&ours.certificate_pem(), &theirs.key_pem()), AuthorityError::Pair));
    assert!(matches!(
        load(&theirs.certificate_pem(), &theirs.key_pem()),
        AuthorityError::OtherUnit { found, .. } if found == "spiffe://fr.takedown.example"
    ));
    let leaf = ours.issue(&Identity::node(be()), &[], year()).unwrap();
    assert!(matches!(load(&leaf.certificate_pem, &leaf.key_pem), AuthorityError::Root(RootError::NotAnAuthority)));
    assert!(CertificateDer::from_pem_slice(ours.certificate_pem().as_bytes()).is_ok());
}

#[test]
fn a_certificate_is_issued_anew_for_the_key_that_its_holder_has() {
    let authority = authority(&be());
    let (node, names) = (Identity::node(be()), ["be.example".to_owned(), "192.0.2.1".to_owned()]);
    let before = authority.issue(&node, &names, year()).unwrap();
    let other = authority.issue(&node, &[], year()).unwrap();
    let keys = [&**other.key_pem, &**before.key_pem].concat();
    let renewed = authority.reissue(&node, &names, year(), (&before.spki, &keys)).unwrap();
    assert_eq!((renewed.spki, &*renewed.key_pem), (before.spki, &*before.key_pem));
    assert_ne!(renewed.certificate_pem, before.certificate_pem);
    let described = Described::of_pem(renewed.certificate_pem.as_bytes(), &network()).unwrap();
    assert_eq!((described.identity, described.hosts, described.spki), (node.clone(), names.to_vec(), before.spki));
    let missing = authority.reissue(&node, &[], year(), (&before.spki, &other.key_pem));
    assert!(matches!(missing, Err(AuthorityError::HolderKey)));
    let foreign = authority.reissue(&Identity::node(fr()), &[], year(), (&before.spki, &keys));
    assert!(matches!(foreign, Err(AuthorityError::ForeignIdentity { .. })));
}

#[test]
fn an_authority_finds_its_key_beside_the_one_before() {
    let (one, other) = (authority(&be()), authority(&be()));
    let keys = [&**one.key_pem(), &**other.key_pem()].concat();
    for authority in [&one, &other] {
        let loaded = Authority::load(&network(), &be(), &authority.certificate_pem(), &keys).unwrap();
        assert_eq!(*loaded.key_pem(), *authority.key_pem());
    }
}

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;

use super::{Admits, Refusal, Usage, Verified, verify};
use crate::authority::{Authority, Validity};
use crate::identity::{Identity, IdentityError, Role, spki_sha256};
use crate::members::RevokedBy;
use crate::testing::{
    DAY_MS, NOW_MS, at, authority, be, bent, bent_with, der, fr, members, network, now, officer, uri,
};

/// What FR's peer listener finds of a certificate that claims to be BE's node.
struct World {
    be: Authority,
    fr: Authority,
}

impl World {
    fn new() -> Self {
        Self { be: authority(&be()), fr: authority(&fr()) }
    }

    fn judge(&self, leaf: &[u8]) -> Result<Verified, Refusal> {
        self.judge_chain(leaf, &[])
    }

    fn judge_chain(&self, leaf: &[u8], between: &[CertificateDer<'_>]) -> Result<Verified, Refusal> {
        let members = members(&self.be, &self.fr, &[]);
        let peers = Admits::Peers { own: fr() };
        verify(&members, &peers, &CertificateDer::from(leaf), between, Usage::Client, now())
    }
}

fn node() -> Identity {
    Identity::node(be())
}

#[test]
fn a_units_node_is_who_its_own_authority_says() {
    let world = World::new();
    let issued = world.be.issue(&node(), &["be.example".into()], Validity::days(NOW_MS, 365).unwrap()).unwrap();
    let leaf = der(&issued.certificate_pem);
    let issuers = vec![spki_sha256(world.be.certificate_der()).unwrap()];
    let not_after_s = at(NOW_MS + 365 * DAY_MS).unix_timestamp();
    assert_eq!(world.judge(&leaf), Ok(Verified { identity: node(), spki: issued.spki, issuers, not_after_s }));
    let members = members(&world.be, &world.fr, &[]);
    let only = Admits::Only(node());
    assert!(verify(&members, &only, &CertificateDer::from(leaf), &[], Usage::Server, now()).is_ok());
}

#[test]
fn a_unit_cannot_make_another_units_certificate() {
    let world = World::new();
    let (forged, _) = bent(&world.fr, |_| {});
    assert_eq!(world.judge(&forged), Err(Refusal::OtherAuthority(node())));
}

#[test]
fn an_authority_that_only_bears_the_right_name_makes_nothing() {
    let world = World::new();
    let impostor = authority(&be());
    let (forged, _) = bent(&impostor, |_| {});
    assert_eq!(world.judge(&forged), Err(Refusal::OtherAuthority(node())));
}

#[test]
fn a_certificate_counts_only_while_it_is_valid() {
    let world = World::new();
    let (expired, _) = bent(&world.be, |params| params.not_after = at(NOW_MS - 1_000));
    let not_after_s = at(NOW_MS - 1_000).unix_timestamp();
    assert_eq!(world.judge(&expired), Err(Refusal::Expired { identity: node(), not_after_s }));
    let words = world.judge(&expired).unwrap_err().to_string();
    assert_eq!(words, "the certificate of BE node expired at 2025-12-31T23:59:59Z; it must be renewed");
    let (early, _) = bent(&world.be, |params| params.not_before = at(NOW_MS + 1_000));
    let not_before_s = at(NOW_MS + 1_000).unix_timestamp();
    assert_eq!(world.judge(&early), Err(Refusal::NotYetValid { identity: node(), not_before_s }));
    let (last_second, _) = bent(&world.be, |params| params.not_after = at(NOW_MS));
    assert!(world.judge(&last_second).is_ok());
}

#[test]
fn a_certificate_names_exactly_one_holder() {
    let world = World::new();
    let two = |second: &str| bent(&world.be, |params| params.subject_alt_names.push(uri(second))).0;
    for second in ["spiffe://fr.takedown.example/node", "spiffe://be.takedown.example/node", "https://be.example/"] {
        assert_eq!(world.judge(&two(second)), Err(Refusal::Identity(IdentityError::ManyUris(2))));
    }
    let dns = rcgen::SanType::DnsName("be.takedown.example".try_into().unwrap());
    let (none, _) = bent(&world.be, |params| params.subject_alt_names = vec![dns]);
    assert_eq!(world.judge(&none), Err(Refusal::Identity(IdentityError::NoUri)));
    let (nothing, _) = bent(&world.be, |params| params.subject_alt_names.clear());
    assert_eq!(world.judge(&nothing), Err(Refusal::Identity(IdentityError::NoUri)));
}

#[test]
fn a_certificate_of_another_network_or_form_names_nobody() {
    let world = World::new();
    let named = |name: &str| bent(&world.be, |params| params.subject_alt_names = vec![uri(name)]).0;
    assert_eq!(
        world.judge(&named("spiffe://be.other.example/node")),
        Err(Refusal::Identity(IdentityError::OtherNetwork("be.other.example".into(), network())))
    );
    assert_eq!(
        world.judge(&named("spiffe://BE.takedown.example/node")),
        Err(Refusal::Identity(IdentityError::TrustDomain("BE.takedown.example".into(), network())))
    );
    assert_eq!(
        world.judge(&named("spiffe://be.takedown.example/node/x")),
        Err(Refusal::Identity(IdentityError::Role("node/x".into())))
    );
    assert_eq!(world.judge(b"x"), Err(Refusal::Identity(IdentityError::Malformed)));
}

#[test]
fn a_unit_that_the_charter_does_not_name_is_unknown() {
    let world = World::new();
    let (leaf, _) = bent(&world.be, |params| params.subject_alt_names = vec![uri("spiffe://nl.takedown.example/node")]);
    assert_eq!(world.judge(&leaf), Err(Refusal::UnknownUnit("NL".parse().unwrap())));
}

#[test]
fn a_leaf_is_no_authority() {
    let world = World::new();
    let (above, above_key) = bent(&world.be, |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "BE node");
    });
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(&above[..]), above_key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://be.takedown.example/node")];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = at(NOW_MS + DAY_MS);
    let below = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let result = world.judge_chain(below.der(), &[CertificateDer::from(above)]);
    assert_eq!(result, Err(Refusal::LeafAsAuthority(node())));
}

#[test]
fn a_path_length_of_zero_allows_no_authority_below() {
    let world = World::new();
    let (middle, middle_key) = bent(&world.be, |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "middle");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(&middle[..]), middle_key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://be.takedown.example/node")];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = at(NOW_MS + DAY_MS);
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let middle = CertificateDer::from(middle);
    assert_eq!(world.judge_chain(leaf.der(), std::slice::from_ref(&middle)), Err(Refusal::Authority(node())));
    let many = vec![middle; 3];
    assert_eq!(world.judge_chain(leaf.der(), &many), Err(Refusal::TooMany(4)));
}

#[test]
fn an_authority_does_not_connect() {
    let world = World::new();
    let (leaf, _) = bent(&world.be, |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert_eq!(world.judge(&leaf), Err(Refusal::AuthorityAsLeaf(node())));
}

#[test]
fn a_certificate_is_good_only_for_what_it_was_made_for() {
    let world = World::new();
    let purposes = |list: Vec<ExtendedKeyUsagePurpose>| bent(&world.be, |params| params.extended_key_usages = list).0;
    let refused = Err(Refusal::Purpose(node()));
    assert_eq!(world.judge(&purposes(vec![ExtendedKeyUsagePurpose::ServerAuth])), refused);
    assert_eq!(world.judge(&purposes(vec![ExtendedKeyUsagePurpose::Any])), refused);
    assert_eq!(world.judge(&purposes(vec![])), refused);
    let usages = |list: Vec<KeyUsagePurpose>| bent(&world.be, |params| params.key_usages = list).0;
    assert_eq!(world.judge(&usages(vec![KeyUsagePurpose::KeyEncipherment])), refused);
    assert_eq!(world.judge(&usages(vec![])), refused);
    let members = members(&world.be, &world.fr, &[]);
    let client_only = CertificateDer::from(purposes(vec![ExtendedKeyUsagePurpose::ClientAuth]));
    assert_eq!(verify(&members, &Admits::Only(node()), &client_only, &[], Usage::Server, now()), refused);
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let world = World::new();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let leaf = bent_with(&world.be, &key, |_| {});
    assert_eq!(world.judge(&leaf), Err(Refusal::Algorithm(node())));
}

#[test]
fn a_revoked_key_is_refused_under_whatever_certificate() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let spki = spki_sha256(&bent_with(&world.be, &key, |_| {})).unwrap();
    let members = members(&world.be, &world.fr, &[spki]);
    let renewed = bent_with(&world.be, &key, |params| params.not_after = at(NOW_MS + 2 * DAY_MS));
    let result =
        verify(&members, &Admits::Peers { own: fr() }, &CertificateDer::from(renewed), &[], Usage::Client, now());
    assert_eq!(result, Err(Refusal::Revoked { identity: node(), spki, by: RevokedBy::Charter }));
}

#[test]
fn an_authority_whose_key_is_revoked_vouches_for_nobody() {
    let world = World::new();
    let (leaf, _) = bent(&world.be, |_| {});
    let spki = spki_sha256(world.be.certificate_der()).unwrap();
    let members = members(&world.be, &world.fr, &[spki]);
    let result = verify(&members, &Admits::Peers { own: fr() }, &CertificateDer::from(leaf), &[], Usage::Client, now());
    assert_eq!(result, Err(Refusal::Revoked { identity: node(), spki, by: RevokedBy::Charter }));
}

#[test]
fn an_expired_authority_vouches_for_nobody() {
    let be_ca = Authority::create(&network(), &be(), NOW_MS - 4_000 * DAY_MS).unwrap();
    let world = World { be: be_ca, fr: authority(&fr()) };
    let (leaf, _) = bent(&world.be, |_| {});
    assert_eq!(world.judge(&leaf), Err(Refusal::Authority(node())));
}

#[test]
fn each_side_takes_only_whom_it_is_for() {
    let world = World::new();
    let members = members(&world.be, &world.fr, &[]);
    let year = Validity::days(NOW_MS, 365).unwrap();
    let leaf =
        |identity: &Identity| CertificateDer::from(der(&world.be.issue(identity, &[], year).unwrap().certificate_pem));
    let admitted = |admits: &Admits, identity: &Identity| match verify(
        &members,
        admits,
        &leaf(identity),
        &[],
        Usage::Client,
        now(),
    ) {
        Ok(found) => found.identity == *identity,
        Err(Refusal::NotAdmitted { identity: found, admits: of }) => {
            assert_eq!((&found, &of), (identity, admits));
            false
        }
        Err(other) => panic!("{other:?}"),
    };
    let anna = officer(&be(), "anna");
    let others = [Role::Operator("omar".into()), Role::Auditor("ada".into())];
    let (peers, own_peers) = (Admits::Peers { own: fr() }, Admits::Peers { own: be() });
    let (people, foreign) = (Admits::People { of: be() }, Admits::People { of: fr() });
    assert!(admitted(&peers, &node()) && !admitted(&own_peers, &node()));
    assert!(!admitted(&peers, &anna) && !admitted(&people, &node()));
    assert!(admitted(&people, &anna) && !admitted(&foreign, &anna));
    for role in others {
        assert!(admitted(&people, &Identity { unit: be(), role }));
    }
    assert!(admitted(&Admits::Only(anna.clone()), &anna) && !admitted(&Admits::Only(node()), &anna));
}

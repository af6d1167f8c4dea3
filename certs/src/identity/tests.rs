use super::{Identity, IdentityError, Role, spki_sha256};
use crate::testing::{be, network};

fn parse(uri: &str) -> Result<Identity, IdentityError> {
    Identity::of_uri(uri, &network())
}

#[test]
fn each_role_comes_back_from_its_spiffe_id() {
    for (role, uri) in [
        (Role::Node, "spiffe://be.takedown.example/node"),
        (Role::Officer("anna".into()), "spiffe://be.takedown.example/officer/anna"),
        (Role::Operator("0-a.b".into()), "spiffe://be.takedown.example/operator/0-a.b"),
        (Role::Auditor("a".repeat(63)), &format!("spiffe://be.takedown.example/auditor/{}", "a".repeat(63))),
    ] {
        let identity = Identity { unit: be(), role };
        assert_eq!(identity.spiffe(&network()), uri);
        assert_eq!(parse(uri), Ok(identity));
    }
    let hyphened = Identity::node("DE-BKA".parse().unwrap());
    assert_eq!(parse("spiffe://de-bka.takedown.example/node"), Ok(hyphened));
}

#[test]
fn a_role_is_written_in_one_way_only() {
    for bad in
        ["", "/", "Node", "node/", "node?x", "node#x", "nodes", "officer", "admin/anna", "/node", "officers/anna"]
    {
        let uri = format!("spiffe://be.takedown.example/{bad}");
        assert_eq!(parse(&uri), Err(IdentityError::Role(bad.into())));
    }
    assert_eq!(parse("spiffe://be.takedown.example"), Err(IdentityError::Role(String::new())));
}

#[test]
fn a_persons_name_is_lower_case_letters_digits_dots_and_hyphens() {
    for bad in ["", ".a", "-a", "Anna", "a b", "a/b", "a%20", "ännä", &"a".repeat(64)] {
        let uri = format!("spiffe://be.takedown.example/officer/{bad}");
        assert_eq!(parse(&uri), Err(IdentityError::Person(bad.into())));
    }
}

#[test]
fn another_scheme_is_no_spiffe_id() {
    for bad in ["https://be.takedown.example/node", "SPIFFE://be.takedown.example/node", "be.takedown.example/node", ""]
    {
        assert_eq!(parse(bad), Err(IdentityError::NotSpiffe(bad.into())));
    }
}

#[test]
fn another_networks_unit_is_refused() {
    for bad in [
        "be.other.example",
        "be.takedown.example.",
        "be.x.takedown.example",
        "be.takedown.example:1",
        "be.Takedown.example",
    ] {
        let uri = format!("spiffe://{bad}/node");
        assert_eq!(parse(&uri), Err(IdentityError::OtherNetwork(bad.into(), network())));
    }
}

#[test]
fn a_trust_domain_is_a_unit_in_lower_case() {
    for bad in
        ["takedown", "", "BE.takedown.example", "b.takedown.example", "b_e.takedown.example", "u@be.takedown.example"]
    {
        let uri = format!("spiffe://{bad}/node");
        assert_eq!(parse(&uri), Err(IdentityError::TrustDomain(bad.into(), network())));
    }
}

#[test]
fn bytes_that_are_no_certificate_name_nobody() {
    for bad in [&b""[..], b"-----BEGIN CERTIFICATE-----", &[0x30, 0x82, 0xff, 0xff]] {
        assert_eq!(Identity::of_certificate(bad, &network()), Err(IdentityError::Malformed));
        assert_eq!(spki_sha256(bad), Err(IdentityError::Malformed));
    }
}

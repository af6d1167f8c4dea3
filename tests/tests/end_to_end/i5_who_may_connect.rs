//! I5: one unit's CA cannot make another unit's certificate. At the real listeners of a running node.
//!
//! Every refusal is looked for in the node's own log, so that none passes for another's reason; and at each listener a
//! good certificate gets through the same way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use entente_certs::identity::Role;
use entente_proto::hash::Hash;
use entente_proto::wire;
use entente_proto::wire::peer_client::PeerClient;
use entente_tests::caller::{Caller, DAY_MS, authority, node_of, now_ms, officer_of, uri, valid_from};
use entente_tests::network::{NAME, Network};
use entente_tests::partner::Partner;
use entente_tests::wait::until_so;
use tokio_stream::StreamExt as _;

use crate::PROGRAM;

/// Whose listeners are knocked at.
const HOST: &str = "NL";

/// A network of which only the host's node runs.
fn a_node() -> Network {
    let network = Network::found(PROGRAM, &["BE", "FR", HOST]);
    network.node(HOST).configure("# level = \"info\"", "level = \"debug\"");
    network.node(HOST).start();
    until_so("the node answers", || network.node(HOST).try_status().is_some());
    network
}

/// Speaks to the peer listener, as BE, until the node has answered with its own greeting.
async fn as_partner(caller: &Caller, network: &Network) -> Result<(), String> {
    as_unit("BE", caller, network).await
}

/// The same as this unit, which must be the certificate's: or else the answer may be that it is not.
async fn as_unit(unit: &str, caller: &Caller, network: &Network) -> Result<(), String> {
    let channel = caller.connect(network, HOST, &network.node(HOST).address).await.map_err(|e| e.to_string())?;
    let hello = wire::frame::Frame::Hello(Partner::new(network, unit).hello());
    let frames = tokio_stream::once(wire::Frame { frame: Some(hello) }).chain(tokio_stream::pending());
    let mut answer = PeerClient::new(channel).sync(frames).await.map_err(|e| e.to_string())?.into_inner();
    match answer.message().await.map_err(|e| e.to_string())?.and_then(|frame| frame.frame) {
        Some(wire::frame::Frame::Hello(hello)) if hello.unit == HOST => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Calls the unit listener until the node has told its status.
async fn as_officer(caller: &Caller, network: &Network) -> Result<(), String> {
    let mut client = caller.unit(network, HOST).await.map_err(|e| e.to_string())?;
    let status = client.status(wire::StatusRequest {}).await.map_err(|e| e.to_string())?.into_inner();
    if status.unit == HOST { Ok(()) } else { Err(format!("{status:?}")) }
}

/// The listener must turn this one away, for this reason.
macro_rules! refused {
    ($network:expr, $enter:ident, $caller:expr, $reason:expr) => {{
        let node = $network.node(HOST);
        let since = node.log().len();
        let entered = $enter(&$caller, &$network).await;
        let Err(told) = entered else { panic!("it was let in; it should have been refused: {}", $reason) };
        // One short reason, which tells a stranger nothing.
        assert!(told.contains("TLS alert") && !told.contains($reason), "{told}");
        node.until_logged(since, &["turned away", $reason]);
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn rogue_ca_drill_the_peer_listener_takes_the_nodes_of_other_units_and_nobody_else() {
    let network = a_node();
    let (be, fr, own) = (authority(&network, "BE"), authority(&network, "FR"), authority(&network, HOST));
    let now = now_ms();
    let issued = |issued: Result<_, _>| Caller::issued(&issued.unwrap());
    let long_ago = valid_from(now - 10 * DAY_MS);
    let some_day = valid_from(now + 10 * DAY_MS);

    as_partner(&Caller::node(network.node("BE")), &network).await.unwrap();
    as_partner(&issued(be.issue(&node_of("BE"), &[], valid_from(now))), &network).await.unwrap();
    as_partner(&Caller::bent(&network, "BE", |_| {}), &network).await.unwrap();

    let forged = issued(fr.forge(&node_of("BE"), valid_from(now)));
    refused!(network, as_partner, forged, "was not made by the authority that the charter gives to that unit");
    let forged = issued(own.forge(&node_of("BE"), valid_from(now)));
    refused!(network, as_partner, forged, "was not made by the authority that the charter gives to that unit");
    let stranger = issued(be.forge(&node_of("US"), valid_from(now)));
    refused!(network, as_partner, stranger, "US is not a unit of the charter");
    refused!(network, as_partner, issued(be.issue(&node_of("BE"), &[], long_ago)), "BE node expired at");
    refused!(network, as_partner, issued(be.issue(&node_of("BE"), &[], some_day)), "BE node is not valid before");

    let second = |unit: &str| uri(&node_of(unit).spiffe(&NAME.parse().unwrap()));
    for unit in ["FR", "BE"] {
        let two = Caller::bent(&network, "BE", |params| params.subject_alt_names.push(second(unit)));
        refused!(network, as_partner, two, "has 2 URI names");
    }
    let none = Caller::bent(&network, "BE", |params| params.subject_alt_names.clear());
    refused!(network, as_partner, none, "names nobody");
    let elsewhere = uri("spiffe://be.other.example/node");
    let elsewhere = Caller::bent(&network, "BE", |params| params.subject_alt_names = vec![elsewhere]);
    refused!(network, as_partner, elsewhere, "does not belong to the network");
    let server_only = Caller::bent(&network, "BE", |params| {
        params.extended_key_usages.retain(|usage| *usage == rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    });
    refused!(network, as_partner, server_only, "is not made for this side of a connection");

    let domain = uri("spiffe://BE.takedown.example/node");
    let domain = Caller::bent(&network, "BE", |params| params.subject_alt_names = vec![domain]);
    refused!(network, as_partner, domain, "is not a unit in lower case");
    let usage = Caller::bent(&network, "BE", |params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyEncipherment];
    });
    refused!(network, as_partner, usage, "is not made for this side of a connection");
    let as_leaf = Caller::bent(&network, "BE", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    });
    refused!(network, as_partner, as_leaf, "is one of an authority");
    let leaf_as_authority = Caller::below(&network, network.node("BE"), "BE");
    refused!(network, as_partner, leaf_as_authority, "was made by a certificate that is no authority");
    let leaf_as_authority = Caller::below(&network, network.node("FR"), "BE");
    refused!(network, as_partner, leaf_as_authority, "was made by a certificate that is no authority");

    let only = "only nodes of units other than NL may connect here";
    refused!(network, as_partner, issued(be.issue(&officer_of("BE", "anna"), &[], valid_from(now))), only);
    refused!(network, as_partner, Caller::officer(network.node(HOST)), only);
    refused!(network, as_partner, Caller::node(network.node(HOST)), only);
    refused!(network, as_partner, Caller::nobody(), "peer sent no certificates");

    as_unit("FR", &Caller::node(network.node("FR")), &network).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_listener_takes_the_units_own_people_and_nobody_else() {
    let network = a_node();
    let (be, own) = (authority(&network, "BE"), authority(&network, HOST));
    let now = now_ms();
    let issued = |issued: Result<_, _>| Caller::issued(&issued.unwrap());
    let person = |role| entente_certs::identity::Identity { unit: HOST.parse().unwrap(), role };

    as_officer(&Caller::officer(network.node(HOST)), &network).await.unwrap();
    for role in [Role::Officer("anna".into()), Role::Operator("otto".into()), Role::Auditor("ada".into())] {
        as_officer(&issued(own.issue(&person(role), &[], valid_from(now))), &network).await.unwrap();
    }

    let only = "only officers, operators and auditors of NL may connect here";
    refused!(network, as_officer, Caller::officer(network.node("BE")), only);
    refused!(network, as_officer, issued(own.forge(&officer_of("BE", "anna"), valid_from(now))), only);
    refused!(network, as_officer, Caller::node(network.node(HOST)), only);
    refused!(network, as_officer, Caller::node(network.node("BE")), only);
    let forged = issued(be.forge(&officer_of(HOST, "anna"), valid_from(now)));
    refused!(network, as_officer, forged, "was not made by the authority that the charter gives to that unit");
    let past = own.issue(&officer_of(HOST, "anna"), &[], valid_from(now - 10 * DAY_MS));
    refused!(network, as_officer, issued(past), "NL officer/anna expired at");
    let future = own.issue(&officer_of(HOST, "anna"), &[], valid_from(now + 10 * DAY_MS));
    refused!(network, as_officer, issued(future), "NL officer/anna is not valid before");
    let names =
        [officer_of(HOST, "anna"), officer_of(HOST, "bert")].map(|who| uri(&who.spiffe(&NAME.parse().unwrap())));
    let two = Caller::bent(&network, HOST, |params| params.subject_alt_names = names.to_vec());
    refused!(network, as_officer, two, "has 2 URI names");
    refused!(network, as_officer, Caller::nobody(), "peer sent no certificates");

    as_officer(&Caller::officer(network.node(HOST)), &network).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_and_changes_nothing() {
    let network = a_node();
    let node = network.node(HOST);
    let _ = node.call(&["cert", "issue", "--auditor", "ada"]).ended(0);
    let as_auditor = |args: &[&str]| node.call(&[args, &["--as", "auditor/ada"]].concat());
    for reads in [&["status"][..], &["list"], &["waiting"], &["check", "a.example"]] {
        let said = as_auditor(reads);
        assert!(matches!(said.code, Some(0 | 1)) && !said.err.contains("auditors only read"), "{said:?}");
    }
    for changes in [
        &["refer", "a.example", "--category", "incites"][..],
        &["cert", "revoke", "officer", "--reason", "x"],
        &["scrub"],
    ] {
        let said = as_auditor(changes).ended(1);
        assert!(said.err.contains("auditors only read"), "{changes:?}: {said:?}");
    }
    let ada = Role::Auditor("ada".into());
    let ada = Caller::files(&node.home.holder_certificate(&ada), &node.home.holder_key(&ada));
    let decide = wire::DecideRequest { countersign: true, ..wire::DecideRequest::default() };
    let refused = ada.unit(&network, HOST).await.unwrap().decide(decide).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused}");
}

#[test]
fn the_unit_s_keys_and_what_is_published_are_the_operator_s_alone() {
    let network = a_node();
    let node = network.node(HOST);
    let _ = node.call(&["cert", "issue", "--auditor", "ada"]).ended(0);
    let copy = network.directory().join("copy");
    let copy = copy.to_str().unwrap();
    for command in [&["backup", copy][..], &["audit", "publish"]] {
        for who in ["officer", "auditor/ada"] {
            let said = node.call(&[command, &["--as", who]].concat()).ended(1);
            said.says(&["operators alone", "--as operator/NAME", "cert issue --operator"]);
        }
    }
    assert!(!std::path::Path::new(copy).exists());
    let _ = node.operate(&["backup", copy]).ended(0);
    node.operate(&["audit", "publish"]).ended(1).says(&["publish.to"]);
}

#[test]
fn an_operator_scrubs_and_submits_nothing() {
    let network = a_node();
    let node = network.node(HOST);
    let _ = node.call(&["cert", "issue", "--operator", "otto"]).ended(0);
    // The name alone is enough where nobody else has it.
    let as_operator = |args: &[&str]| node.call(&[args, &["--as", "otto"]].concat());
    let _ = as_operator(&["status"]).ended(0);
    let _ = as_operator(&["scrub"]).ended(0);
    for changes in
        [&["refer", "a.example", "--category", "incites"][..], &["cert", "revoke", "officer", "--reason", "x"]]
    {
        let said = as_operator(changes).ended(1);
        assert!(said.err.contains("statements are for officers"), "{changes:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_on_the_deny_list_is_refused() {
    let network = a_node();
    let issue = || authority(&network, "BE").issue(&node_of("BE"), &[], valid_from(now_ms())).unwrap();
    let (lost, other) = (issue(), issue());
    as_partner(&Caller::issued(&lost), &network).await.unwrap();
    let node = network.node(HOST);
    node.stop();
    let Hash(spki) = lost.spki;
    let hex: String = spki.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(node.home.deny(), format!("# a laptop that was lost\n{hex}\n")).unwrap();
    node.start();
    until_so("the node answers", || node.try_status().is_some());
    refused!(network, as_partner, Caller::issued(&lost), "the certificate of BE node is revoked");
    as_partner(&Caller::issued(&other), &network).await.unwrap();
}

#[test]
fn a_client_of_tls_1_2_is_refused_at_both_listeners() {
    let network = a_node();
    let node = network.node(HOST);
    for address in [&node.address, &node.api] {
        // Alert (21), fatal, protocol_version (RFC 8446 6.2).
        let answer = greeted(address, &client_hello(false));
        assert_eq!((answer[0], &answer[5..7]), (21, &[2, 70][..]), "{answer:?}");
        // The same client with TLS 1.3 on offer gets a ServerHello (handshake 22, type 2).
        let answer = greeted(address, &client_hello(true));
        assert_eq!((answer[0], answer[5]), (22, 2), "{answer:?}");
    }
}

/// The first bytes of a server's answer.
fn greeted(address: &str, hello: &[u8]) -> [u8; 7] {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(hello).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// A ClientHello of TLS 1.2 (RFC 5246 7.4.1.2), with TLS 1.3's extensions or without.
fn client_hello(tls13: bool) -> Vec<u8> {
    let u16 = |value: usize| u16::try_from(value).unwrap().to_be_bytes();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &u16(body.len()), body].concat();
    // Groups x25519 and secp256r1; uncompressed points; ECDSA on P-256; h2; extended master secret.
    let mut extensions = [
        extension(10, &[0, 4, 0, 0x1d, 0, 0x17]),
        extension(11, &[1, 0]),
        extension(13, &[0, 2, 4, 3]),
        extension(16, b"\x00\x03\x02h2"),
        extension(23, &[]),
    ]
    .concat();
    if tls13 {
        extensions.extend(extension(43, &[2, 3, 4]));
        extensions.extend(extension(51, &[&[0, 36, 0, 0x1d, 0, 32][..], &[9; 32]].concat()));
    }
    let suites = [0x13, 0x01, 0xc0, 0x2b, 0xc0, 0x2c];
    let suites = if tls13 { &suites[..] } else { &suites[2..] };
    let body =
        [&[3, 3][..], &[0x5a; 32], &[0], &u16(suites.len()), suites, &[1, 0], &u16(extensions.len()), &extensions]
            .concat();
    [&[22, 3, 1][..], &u16(body.len() + 4), &[1, 0], &u16(body.len()), &body].concat()
}

//! Real handshakes in memory: what each end finds, and what it says of it.

use std::sync::Arc;

use entente_proto::hash::Hash;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

use super::{Credentials, TlsError, client_config, provider, require_h2, server_config, server_name};
use crate::authority::{Authority, Issued, Validity};
use crate::identity::{Identity, IdentityError};
use crate::members::SharedMembers;
use crate::testing::{NOW_MS, at, authority, be, bent, fr, members, network, now, officer, uri};
use crate::verifier::{Admission, Admits, Refusal};

#[derive(Debug)]
struct Now;

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        Some(now())
    }
}

/// BE dials FR's peer listener.
struct World {
    be: Authority,
    fr: Authority,
    members: SharedMembers,
}

fn credentials(issued: &Issued) -> Credentials {
    Credentials::from_pem(issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap()
}

impl World {
    fn new() -> Self {
        let (be, fr) = (authority(&be()), authority(&fr()));
        let members = SharedMembers::new(members(&be, &fr, &[]));
        Self { be, fr, members }
    }

    fn issue(&self, identity: &Identity) -> Issued {
        let authority = if identity.unit == be() { &self.be } else { &self.fr };
        authority.issue(identity, &[], Validity::days(NOW_MS, 365).unwrap()).unwrap()
    }

    fn server(&self) -> Arc<ServerConfig> {
        let admission = Admission::new(self.members.clone(), Admits::Peers { own: fr() });
        server_config(&credentials(&self.issue(&Identity::node(fr()))), admission, Arc::new(Now)).unwrap()
    }

    fn client(&self, own: &Credentials) -> Arc<ClientConfig> {
        client_config(own, self.members.clone(), Identity::node(fr()), Arc::new(Now)).unwrap()
    }

    fn refusal_of(&self, own: &Credentials) -> (Error, Error) {
        let (client, server) = handshake(self.client(own), self.server());
        (client.unwrap_err(), server.unwrap_err())
    }
}

type End = Result<Connection, Error>;

fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> (End, End) {
    let mut client = Connection::from(ClientConnection::new(client, server_name()).unwrap());
    let mut server = Connection::from(ServerConnection::new(server).unwrap());
    let (mut client_says, mut server_says) = (Ok(()), Ok(()));
    for _ in 0..4 {
        server_says = server_says.and(pass(&mut client, &mut server));
        client_says = client_says.and(pass(&mut server, &mut client));
    }
    (client_says.map(|()| client), server_says.map(|()| server))
}

/// Brings what one end has written to the other.
fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut wire = &wire[..];
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn forged(leaf: Vec<u8>, key: &rcgen::KeyPair) -> Credentials {
    let pem = pem::encode(&pem::Pem::new("CERTIFICATE", leaf));
    Credentials::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

#[test]
fn two_nodes_of_the_charter_meet_over_tls_13_and_http2() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let (client, server) = handshake(world.client(&own), world.server());
    for end in [client.unwrap(), server.unwrap()] {
        assert!(!end.is_handshaking());
        assert_eq!(end.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert!(require_h2(&end).is_ok());
        assert_eq!(end.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(end.peer_certificates().map(<[_]>::len), Some(1));
    }
}

#[test]
fn the_second_connection_is_a_full_handshake_again() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let (client, server) = (world.client(&own), world.server());
    for _ in 0..2 {
        let (first, second) = handshake(client.clone(), server.clone());
        let kinds = [first.unwrap().handshake_kind(), second.unwrap().handshake_kind()];
        assert_eq!(kinds, [Some(rustls::HandshakeKind::Full); 2]);
    }
    let settings = (server.send_tls13_tickets, server.max_early_data_size, server.session_storage.can_cache());
    assert_eq!(settings, (0, 0, false));
}

#[test]
fn a_listener_turns_forged_and_bent_certificates_away_and_says_only_that() {
    let world = World::new();
    let node = Identity::node(be());
    let cases = [
        (bent(&world.fr, |_| {}), Refusal::OtherAuthority(node.clone())),
        (
            bent(&world.be, |params| params.not_after = at(NOW_MS - 1_000)),
            Refusal::Expired { identity: node.clone(), not_after_s: at(NOW_MS - 1_000).unix_timestamp() },
        ),
        (
            bent(&world.be, |params| params.not_before = at(NOW_MS + 1_000)),
            Refusal::NotYetValid { identity: node, not_before_s: at(NOW_MS + 1_000).unix_timestamp() },
        ),
        (
            bent(&world.be, |params| params.subject_alt_names.push(uri("spiffe://fr.takedown.example/node"))),
            IdentityError::ManyUris(2).into(),
        ),
        (bent(&world.be, |params| params.subject_alt_names.clear()), IdentityError::NoUri.into()),
        (
            bent(&world.be, |params| params.subject_alt_names = vec![uri("spiffe://be.other.example/node")]),
            IdentityError::OtherNetwork("be.other.example".into(), network()).into(),
        ),
    ];
    for ((leaf, key), expected) in cases {
        let (client, server) = world.refusal_of(&forged(leaf, &key));
        assert_eq!(Refusal::of(&server), Some(&expected));
        assert_eq!(client, Error::AlertReceived(AlertDescription::CertificateUnknown));
    }
}

#[test]
fn a_person_cannot_enter_through_the_peers_door() {
    let world = World::new();
    let (_, server) = world.refusal_of(&credentials(&world.issue(&officer(&be(), "anna"))));
    assert!(matches!(Refusal::of(&server), Some(Refusal::NotAdmitted { .. })), "{server:?}");
}

#[test]
fn a_revocation_acts_on_the_next_handshake_of_a_running_listener() {
    let world = World::new();
    let issued = world.issue(&Identity::node(be()));
    let (client, server) = (world.client(&credentials(&issued)), world.server());
    assert!(handshake(client.clone(), server.clone()).1.is_ok());
    world.members.replace(members(&world.be, &world.fr, &[issued.spki]));
    let error = handshake(client, server).1.unwrap_err();
    assert!(matches!(Refusal::of(&error), Some(Refusal::Revoked { spki, .. }) if *spki == issued.spki));
}

#[test]
fn a_dialler_reaches_the_expected_unit_and_nobody_else() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let expected = Identity::node("NL".parse().unwrap());
    let client = client_config(&own, world.members.clone(), expected.clone(), Arc::new(Now)).unwrap();
    let (client, server) = handshake(client, world.server());
    let refusal = Refusal::NotAdmitted { identity: Identity::node(fr()), admits: Admits::Only(expected) };
    assert_eq!(Refusal::of(&client.unwrap_err()), Some(&refusal));
    assert_eq!(server.unwrap_err(), Error::AlertReceived(AlertDescription::CertificateUnknown));
}

#[test]
fn a_dialler_refuses_a_listener_whose_certificate_another_unit_made() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let (leaf, key) = bent(&world.be, |params| {
        params.subject_alt_names = vec![uri("spiffe://fr.takedown.example/node")];
    });
    let admission = Admission::new(world.members.clone(), Admits::Peers { own: fr() });
    let server = server_config(&forged(leaf, &key), admission, Arc::new(Now)).unwrap();
    let error = handshake(world.client(&own), server).0.unwrap_err();
    assert_eq!(Refusal::of(&error), Some(&Refusal::OtherAuthority(Identity::node(fr()))));
}

#[test]
fn a_renewed_certificate_serves_the_next_handshake() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let client = world.client(&own);
    let renewed = world.issue(&Identity::node(be()));
    own.replace(&credentials(&renewed));
    let server = handshake(client, world.server()).1.unwrap();
    let seen = crate::identity::spki_sha256(&server.peer_certificates().unwrap()[0]).unwrap();
    assert_eq!(seen, renewed.spki);
    assert_eq!((own.spki(), own.identity(&network())), (Ok(renewed.spki), Ok(Identity::node(be()))));
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let verifier = super::Verifier(Admission::new(world.members.clone(), Admits::Only(Identity::node(fr()))));
    let mut config = ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(Now))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (client, server) = handshake(Arc::new(config), world.server());
    assert_eq!(server.unwrap_err(), Error::NoCertificatesPresented);
    assert_eq!(client.unwrap_err(), Error::AlertReceived(AlertDescription::CertificateRequired));
}

#[test]
fn without_http2_in_alpn_no_connection_is_used() {
    let world = World::new();
    let own = credentials(&world.issue(&Identity::node(be())));
    let with = |alpn: &[&[u8]]| {
        let mut config = ClientConfig::clone(&world.client(&own));
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        handshake(Arc::new(config), world.server())
    };
    let (_, server) = with(&[b"http/1.1"]);
    assert_eq!(server.unwrap_err(), Error::NoApplicationProtocol);
    let (client, server) = with(&[]);
    for end in [client.unwrap(), server.unwrap()] {
        assert!(matches!(require_h2(&end), Err(TlsError::NoHttp2)));
    }
}

#[test]
fn a_tls_12_client_is_refused() {
    let world = World::new();
    let mut server = ServerConnection::new(world.server()).unwrap();
    server.read_tls(&mut &tls12_client_hello()[..]).unwrap();
    let error = server.process_new_packets().unwrap_err();
    assert!(matches!(error, Error::PeerIncompatible(_)), "{error:?}");
    let mut answer = Vec::new();
    server.write_tls(&mut answer).unwrap();
    // A fatal (2) alert (21) protocol_version (70): RFC 8446 section 6.2.
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
}

/// What a client that ends at TLS 1.2 opens with (RFC 5246 section 7.4.1.2): no `supported_versions`.
fn tls12_client_hello() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23],         // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],                // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],          // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                      // extended_master_secret
        &[0, 16, 0, 5, 0, 3, 2, b'h', b'2'], // ALPN h2
    ];
    let extensions = extensions.concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 2, 0xc0, 0x2b]); // ECDHE-ECDSA-AES128-GCM-SHA256
    body.extend([1, 0]); // no compression
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    handshake.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}

#[test]
fn certificate_and_key_must_be_of_one_pair() {
    let world = World::new();
    let (one, other) = (world.issue(&Identity::node(be())), world.issue(&Identity::node(be())));
    let load = |chain: &str, key: &str| Credentials::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(matches!(load(&one.certificate_pem, &other.key_pem), TlsError::Pair(_)));
    let both = [&**other.key_pem, &**one.key_pem].concat();
    let taken = |issued: &Issued| Credentials::from_pem(issued.certificate_pem.as_bytes(), both.as_bytes()).unwrap();
    assert_eq!((taken(&one).spki().unwrap(), taken(&other).spki().unwrap()), (one.spki, other.spki));
    assert!(matches!(load("", &one.key_pem), TlsError::CertificatePem));
    assert!(matches!(load(&one.certificate_pem, &one.certificate_pem), TlsError::KeyPem));
    assert!(PrivateKeyDer::from_pem_slice(one.key_pem.as_bytes()).is_ok());
    assert_ne!(one.spki, Hash::of(b""));
}

//! A client with any certificate.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use entente_certs::authority::{Authority, Issued, Validity};
use entente_certs::identity::{Identity, Role, spki_sha256};
use entente_certs::members::SharedMembers;
use entente_certs::tls::{Credentials, client_config, server_name};
use entente_node::clock::SystemClock;
use entente_node::membership;
use entente_node::net::{DialError, TlsTime, connect};
use entente_proto::hash::Hash;
use entente_proto::limits::API_BYTES_MAX;
use entente_proto::wire::unit_client::UnitClient;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme};
use time::OffsetDateTime;
use tonic::transport::Channel;

use crate::network::{Network, Node};
use crate::wait::PATIENCE;

/// A day, in milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// Now, Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A unit's certificate authority, as it lies in the unit's home directory.
#[must_use]
pub fn authority(network: &Network, unit: &str) -> Authority {
    let node = network.node(unit);
    let certificate = fs::read_to_string(node.home.ca_certificate()).unwrap();
    let key = fs::read_to_string(node.home.ca_key()).unwrap();
    Authority::load(network.name(), &node.unit, &certificate, &key).unwrap()
}

/// Valid from five minutes before this time for a day.
#[must_use]
pub fn valid_from(ms: u64) -> Validity {
    Validity::days(ms, 1).unwrap()
}

/// The identity of a unit's node.
#[must_use]
pub fn node_of(unit: &str) -> Identity {
    Identity::node(unit.parse().unwrap())
}

/// The identity of an officer of a unit.
#[must_use]
pub fn officer_of(unit: &str, name: &str) -> Identity {
    Identity { unit: unit.parse().unwrap(), role: Role::Officer(name.into()) }
}

/// A certificate with its key, or none.
#[derive(Debug, Clone)]
pub struct Caller {
    credentials: Option<Credentials>,
}

impl Caller {
    /// With a certificate and its key, both PEM.
    #[must_use]
    pub fn new(certificate: &str, key: &str) -> Self {
        Self { credentials: Some(Credentials::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()) }
    }

    /// With what an authority issued.
    #[must_use]
    pub fn issued(issued: &Issued) -> Self {
        Self::new(&issued.certificate_pem, &issued.key_pem)
    }

    /// With what lies in these files.
    #[must_use]
    pub fn files(certificate: &Path, key: &Path) -> Self {
        Self::new(&fs::read_to_string(certificate).unwrap(), &fs::read_to_string(key).unwrap())
    }

    /// SHA-256 of its certificate's public key.
    #[must_use]
    pub fn spki(&self) -> Hash {
        self.credentials.as_ref().unwrap().spki().unwrap()
    }

    /// Without any certificate.
    #[must_use]
    pub const fn nobody() -> Self {
        Self { credentials: None }
    }

    /// With the node's certificate of a unit.
    #[must_use]
    pub fn node(node: &Node) -> Self {
        Self::files(&node.home.node_certificate(), &node.home.node_key())
    }

    /// With the first officer's certificate of a unit.
    #[must_use]
    pub fn officer(node: &Node) -> Self {
        Self::files(&node.home.officer_certificate("officer"), &node.home.officer_key("officer"))
    }

    /// With the certificate of the unit's officer `second`.
    #[must_use]
    pub fn second(node: &Node) -> Self {
        let read = |path| fs::read_to_string(path).unwrap();
        Self::new(&read(node.home.officer_certificate("second")), &read(node.home.officer_key("second")))
    }

    /// With a certificate that the unit's authority made as it should for its node, and the test bent before.
    #[must_use]
    pub fn bent(network: &Network, unit: &str, bend: impl FnOnce(&mut CertificateParams)) -> Self {
        let authority = authority(network, unit);
        let mut params = as_it_should_be(network, unit);
        bend(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer_key = KeyPair::from_pem(&authority.key_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(&authority.certificate_der().into(), issuer_key).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self::new(&certificate.pem(), &key.serialize_pem())
    }

    /// With a certificate of this unit that the node's certificate of another has signed, as if it were an authority, and
    /// that certificate beside it.
    #[must_use]
    pub fn below(network: &Network, node: &Node, unit: &str) -> Self {
        let above = fs::read_to_string(node.home.node_certificate()).unwrap();
        let above_key = KeyPair::from_pem(&fs::read_to_string(node.home.node_key()).unwrap()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&above, above_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = as_it_should_be(network, unit).signed_by(&key, &issuer).unwrap();
        Self::new(&[certificate.pem(), above].concat(), &key.serialize_pem())
    }

    /// Connects to an address at which this unit's node listens.
    ///
    /// # Errors
    /// How the connection did not come about.
    pub async fn connect(&self, network: &Network, unit: &str, address: &str) -> Result<Channel, DialError> {
        connect(address, self.tls(network, unit)).await
    }

    /// Connects to the officers' side of a node.
    ///
    /// # Errors
    /// How the connection did not come about.
    pub async fn unit(&self, network: &Network, unit: &str) -> Result<UnitClient<Channel>, DialError> {
        let channel = self.connect(network, unit, &network.node(unit).api).await?;
        Ok(UnitClient::new(channel)
            .max_decoding_message_size(API_BYTES_MAX)
            .max_encoding_message_size(16 * API_BYTES_MAX))
    }

    /// The public key (SHA-256) of the certificate that whoever listens at an address presents, in a handshake of its own.
    ///
    /// # Errors
    /// What the handshake failed of.
    pub fn presented(&self, network: &Network, unit: &str, address: &str) -> std::io::Result<Hash> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(self.tls(network, unit), server_name());
        let mut session = session.map_err(std::io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        let leaf = session.peer_certificates().and_then(<[_]>::first).unwrap();
        Ok(spki_sha256(leaf).unwrap())
    }

    fn tls(&self, network: &Network, unit: &str) -> Arc<ClientConfig> {
        let members = membership::members(network.charter().terms(), &BTreeSet::new()).unwrap();
        let time = Arc::new(TlsTime(Arc::new(SystemClock)));
        // Whoever has no certificate borrows one for a moment, since the settings ask for one.
        let borrowed = || {
            Credentials::from_pem(
                &fs::read(network.node(unit).home.node_certificate()).unwrap(),
                &fs::read(network.node(unit).home.node_key()).unwrap(),
            )
            .unwrap()
        };
        let credentials = self.credentials.clone().unwrap_or_else(borrowed);
        let config = client_config(&credentials, SharedMembers::new(members), node_of(unit), time).unwrap();
        if self.credentials.is_some() {
            return config;
        }
        let mut config = ClientConfig::clone(&config);
        config.client_auth_cert_resolver = Arc::new(NoCertificate);
        Arc::new(config)
    }
}

/// What a unit's authority would put on the certificate of its node.
fn as_it_should_be(network: &Network, unit: &str) -> CertificateParams {
    let now = i64::try_from(now_ms() / 1_000).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{unit} node"));
    params.subject_alt_names = vec![uri(&node_of(unit).spiffe(network.name()))];
    params.not_before = OffsetDateTime::from_unix_timestamp(now - 60).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(now + 3_600).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A URI among a certificate's names.
#[must_use]
pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

//! rustls configurations for both ends: TLS 1.3 with ring, both sides with certificates, ALPN `h2`, and nothing that lets
//! an old session come back: no tickets, no resumption, no early data. (A resumed session brings back the chain of the
//! session before it, so a revoked peer could return.)
//!
//! rustls checks ALPN only if both sides offer it: whoever finishes a handshake calls [`require_h2`].

use std::sync::{Arc, PoisonError, RwLock};

use entente_proto::hash::Hash;
use entente_proto::ids::NetworkName;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use crate::identity::{Identity, IdentityError};
use crate::verifier::{Admission, Admits, CHAIN_ALGORITHMS, Usage};
use crate::x509;

#[cfg(test)]
mod tests;

/// The protocol that both ends must agree on in the handshake: HTTP/2.
pub const ALPN: &[u8] = b"h2";

/// The only signature in a handshake, and the only one in a chain: ECDSA on P-256 with SHA-256.
static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: CHAIN_ALGORITHMS,
    mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, CHAIN_ALGORITHMS)],
};

/// Why TLS cannot be set up, or was not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file.
    #[error("the certificate file is not PEM with a certificate in it")]
    CertificatePem,
    /// The key file.
    #[error("the key file is not PEM with a private key in it")]
    KeyPem,
    /// Certificate and key cannot be used together.
    #[error(
        "certificate and key cannot be used together ({0}); renew the certificate, or restore both from one backup"
    )]
    Pair(rustls::Error),
    /// The certificate names nobody.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(rustls::Error),
    /// The other end finished a handshake without agreeing on HTTP/2.
    #[error("the other end does not offer HTTP/2 (ALPN h2)")]
    NoHttp2,
}

/// The own certificate with its key. Every clone shares what [`Credentials::replace`] puts in, so that a renewed
/// certificate serves the next handshake without a restart.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<RwLock<Arc<CertifiedKey>>>);

impl Credentials {
    /// Takes a chain (own certificate first) and its key, both PEM. While a certificate is being renewed the key file holds
    /// the new key and the old one; the one that belongs to the certificate is taken.
    ///
    /// # Errors
    /// [`TlsError`]: not PEM, or not of one pair.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::CertificatePem)?;
        if chain.is_empty() {
            return Err(TlsError::CertificatePem);
        }
        let keys: Vec<_> =
            PrivateKeyDer::pem_slice_iter(key_pem).collect::<Result<_, _>>().map_err(|_| TlsError::KeyPem)?;
        let mut fault = TlsError::KeyPem;
        for key in keys {
            match CertifiedKey::from_der(chain.clone(), key, &provider()) {
                Ok(pair) => return Ok(Self(Arc::new(RwLock::new(Arc::new(pair))))),
                Err(error) => fault = TlsError::Pair(error),
            }
        }
        Err(fault)
    }

    /// Exchanges the certificate for another one.
    pub fn replace(&self, other: &Self) {
        let renewed = other.current();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = renewed;
    }

    /// Who the own certificate says that this is.
    ///
    /// # Errors
    /// [`IdentityError`] if it names nobody of this network.
    pub fn identity(&self, network: &NetworkName) -> Result<Identity, IdentityError> {
        Identity::of_uris(&self.facts()?.uris, network)
    }

    /// SHA-256 of the own certificate's public key.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] if it cannot be read.
    pub fn spki(&self) -> Result<Hash, IdentityError> {
        Ok(self.facts()?.spki)
    }

    /// The last second, since 1970, at which the own certificate is valid.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] if it cannot be read.
    pub fn not_after_s(&self) -> Result<i64, IdentityError> {
        Ok(self.facts()?.not_after_s)
    }

    /// The own certificate and those that it was sent with, DER.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current().cert.clone()
    }

    fn facts(&self) -> Result<x509::Facts, IdentityError> {
        let current = self.current();
        current.end_entity_cert().ok().and_then(|der| x509::facts(der)).ok_or(IdentityError::Malformed)
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Credentials {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The configuration of a listener that takes whom `admission` takes.
///
/// # Errors
/// [`TlsError::Settings`] if rustls refuses the settings.
pub fn server_config(
    credentials: &Credentials,
    admission: Admission,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_details(Arc::new(provider()), time)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Settings)?
        .with_client_cert_verifier(Arc::new(Verifier(admission)))
        .with_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The configuration of a dialler that reaches `expected` and nobody else.
///
/// # Errors
/// [`TlsError::Settings`] if rustls refuses the settings.
pub fn client_config(
    credentials: &Credentials,
    members: crate::members::SharedMembers,
    expected: Identity,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = Verifier(Admission::new(members, Admits::Only(expected)));
    let mut config = ClientConfig::builder_with_details(Arc::new(provider()), time)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Settings)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The peer is known by its certificate; its name need not cross the network in the clear.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The name that rustls wants when it dials. It is neither sent nor compared: the SPIFFE id is.
#[must_use]
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())
}

/// Checks after a handshake that both ends agreed on HTTP/2.
///
/// # Errors
/// [`TlsError::NoHttp2`] otherwise.
pub fn require_h2(connection: &CommonState) -> Result<(), TlsError> {
    if connection.alpn_protocol() == Some(ALPN) { Ok(()) } else { Err(TlsError::NoHttp2) }
}

fn provider() -> CryptoProvider {
    CryptoProvider { signature_verification_algorithms: ALGORITHMS, ..ring::default_provider() }
}

/// Puts [`Admission`] in the place of rustls's own verifiers.
#[derive(Debug)]
struct Verifier(Admission);

impl Verifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.0.verify_parts(leaf, intermediates, usage, now)?;
        Ok(())
    }
}

/// TLS 1.2 is not negotiated, so nothing signed in its way is ever to be verified.
fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not accepted".into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, Usage::Server, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: every client has one certificate, and strangers need not learn who the members are.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, Usage::Client, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

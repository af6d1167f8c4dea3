//! What is read from a certificate, once, for all who ask.

use entente_proto::hash::Hash;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The object identifiers of an elliptic-curve key and of the curve P-256 (RFC 5480 2.1).
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const CURVE_P256: &str = "1.2.840.10045.3.1.7";

/// The parts of a certificate that decide something here. They are claims until a verifier has found the chain good.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The URI names, in the order of the certificate.
    pub(crate) uris: Vec<String>,
    /// The DNS names and IP addresses, for ordinary clients; never identity.
    pub(crate) hosts: Vec<String>,
    /// SHA-256 of the subject public key info: the name by which a certificate is revoked.
    pub(crate) spki: Hash,
    /// Whether the key is an elliptic-curve key on P-256.
    pub(crate) p256: bool,
    /// Basic constraints: `None` if it is no authority, else its path length.
    pub(crate) authority: Option<Option<u32>>,
    /// Whether key usage is present and allows signatures.
    pub(crate) digital_signature: bool,
    /// Whether key usage is present and allows to sign certificates.
    pub(crate) certificate_signing: bool,
    /// Whether an extended key usage is present at all.
    pub(crate) purpose: bool,
    /// Seconds since 1970 from which it is valid.
    pub(crate) not_before_s: i64,
    /// Seconds since 1970 until which it is valid, inclusive.
    pub(crate) not_after_s: i64,
}

/// Reads a certificate; `None` if it is not well-formed DER, has bytes behind its end, an extension twice, or a name that
/// cannot be read.
pub(crate) fn facts(der: &[u8]) -> Option<Facts> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (mut uris, mut hosts) = (Vec::new(), Vec::new());
    if let Some(names) = certificate.subject_alternative_name().ok()? {
        for name in &names.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => hosts.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => hosts.extend(address(bytes)),
                GeneralName::Invalid(..) => return None,
                _ => {}
            }
        }
    }
    let key = certificate.public_key();
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let constraints = certificate.basic_constraints().ok()?.map(|extension| extension.value);
    let usage = certificate.key_usage().ok()?.map(|extension| extension.value);
    Some(Facts {
        uris,
        hosts,
        spki: Hash::of(key.raw),
        p256: key.algorithm.algorithm.to_id_string() == EC_PUBLIC_KEY
            && curve.is_some_and(|oid| oid.to_id_string() == CURVE_P256),
        authority: constraints.filter(|value| value.ca).map(|value| value.path_len_constraint),
        digital_signature: usage.is_some_and(|value| value.digital_signature()),
        certificate_signing: usage.is_some_and(|value| value.key_cert_sign()),
        purpose: certificate.extended_key_usage().ok()?.is_some(),
        not_before_s: certificate.validity().not_before.timestamp(),
        not_after_s: certificate.validity().not_after.timestamp(),
    })
}

/// An IP address as in a certificate (RFC 5280 4.2.1.6): 4 or 16 bytes.
fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())).ok()
}

/// A moment for people, such as `2026-01-31T12:00:00Z`.
pub(crate) fn moment(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s since 1970"))
}

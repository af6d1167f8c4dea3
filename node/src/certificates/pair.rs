//! A certificate and its key, in a file each, which belong together whenever the process or the machine stops.
//!
//! Two files cannot be exchanged at once. So the key file holds both keys while they are, and whoever reads it takes the
//! key that belongs to the certificate:
//!
//! 1. the key file becomes new key, old key;
//! 2. the certificate file becomes the new certificate;
//! 3. the key file becomes the new key.
//!
//! Each step is a rename of a whole, durable file.

use std::path::Path;

use entente_certs::keyfile::{KeyFileError, read_secret, replace_secret};
use entente_certs::tls::Credentials;
use zeroize::Zeroizing;

use super::FILE_BYTES_MAX;
use crate::files::{Looks, read_bounded, replace_file};

/// The files as they look from outside.
pub(super) fn looks(certificate: &Path, key: &Path) -> (Looks, Looks) {
    (Looks::of(certificate), Looks::of(key))
}

/// Reads the two.
///
/// # Errors
/// In words, with the file that is at fault.
pub fn load(certificate: &Path, key: &Path) -> Result<Credentials, String> {
    let chain = read_bounded(certificate, FILE_BYTES_MAX).map_err(|e| format!("{}: {e}", certificate.display()))?;
    let key = read_secret(key).map_err(|error| error.to_string())?;
    Credentials::from_pem(&chain, &key).map_err(|error| format!("{}: {error}", certificate.display()))
}

/// A renewed certificate on its way into the files.
pub struct Replacement<'a> {
    certificate: &'a Path,
    key: &'a Path,
    certificate_pem: &'a str,
    key_pem: &'a str,
    /// The new key and, after it, all that the key file holds.
    both: Zeroizing<Vec<u8>>,
}

impl<'a> Replacement<'a> {
    /// Takes the files, which must be there, and what is to be in them.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub fn new(
        (certificate, certificate_pem): (&'a Path, &'a str),
        (key, key_pem): (&'a Path, &'a str),
    ) -> Result<Self, KeyFileError> {
        let before = read_secret(key)?;
        let mut both = Zeroizing::new(Vec::with_capacity(key_pem.len().saturating_add(before.len())));
        both.extend_from_slice(key_pem.as_bytes());
        both.extend_from_slice(&before);
        Ok(Self { certificate, key, certificate_pem, key_pem, both })
    }

    /// Puts them in place, durably.
    ///
    /// # Errors
    /// In words. Whatever failed, the files belong together: they are the old ones or the new ones.
    pub fn put_in_place(&self) -> Result<(), String> {
        (0..STEPS).try_for_each(|step| self.step(step))
    }

    fn step(&self, step: usize) -> Result<(), String> {
        let secret = |bytes: &[u8]| replace_secret(self.key, bytes).map_err(|error| error.to_string());
        match step {
            0 => secret(&self.both),
            1 => replace_file(self.certificate, self.certificate_pem.as_bytes(), 0o600)
                .map_err(|error| format!("{}: {error}", self.certificate.display())),
            _ => secret(self.key_pem.as_bytes()),
        }
    }
}

const STEPS: usize = 3;

impl std::fmt::Debug for Replacement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replacement({})", self.certificate.display())
    }
}

#[cfg(test)]
mod tests {
    use entente_certs::authority::{Authority, Issued, Validity};
    use entente_certs::identity::Identity;
    use entente_certs::keyfile::create_secret;

    use super::*;

    const NOW_MS: u64 = 1_767_225_600_000;

    #[test]
    fn certificate_and_key_belong_together_whenever_a_renewal_stops() {
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        let authority = Authority::create(&network, &unit, NOW_MS).unwrap();
        let issue =
            || authority.issue(&Identity::node(unit.clone()), &[], Validity::days(NOW_MS, 365).unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let first = issue();
        create_secret(&key, first.key_pem.as_bytes()).unwrap();
        crate::files::create_file(&certificate, first.certificate_pem.as_bytes(), 0o600).unwrap();
        let mut before: Issued = first;
        for stops_after in [0, 1, 2, 0, 2, 1, 3] {
            let new = issue();
            let renewal = Replacement::new((&certificate, &new.certificate_pem), (&key, &new.key_pem)).unwrap();
            (0..stops_after).for_each(|step| renewal.step(step).unwrap());
            let expected = if stops_after >= 2 { new.spki } else { before.spki };
            assert_eq!(load(&certificate, &key).unwrap().spki().unwrap(), expected, "stopped after {stops_after}");
            if stops_after >= 2 {
                before = new;
            }
        }
        assert_eq!(&**read_secret(&key).unwrap(), before.key_pem.as_bytes(), "no old key is kept");
    }
}

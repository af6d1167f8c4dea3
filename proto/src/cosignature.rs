//! Cosignatures, C2SP `tlog-cosignature` (<https://c2sp.org/tlog-cosignature>), signature type 0x04.
//!
//! A unit that holds and serves a log, whole and durable, up to a checkpoint, and has found it to extend all that it ever
//! cosigned of that log, cosigns it with its mirror key, `<network>/<unit>/mirror`. What Ed25519 signs is
//!
//! ```text
//! cosignature/v1
//! time 1524614400
//! takedown.example/BE
//! 8
//! XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=
//! ```
//!
//! that is, `cosignature/v1`, newline, `time `, the Unix time in seconds as a decimal number without leading zeros,
//! newline, and the checkpoint's body with its last newline. The signature on the note is 72 bytes,
//!
//! ```text
//! u64be Unix seconds || 64-byte Ed25519 signature
//! ```
//!
//! so with the key id before it, the base64 in the signature line is over 76 bytes. FR's mirror key with the seed of 32
//! bytes 0x02 cosigns the body above with
//!
//! ```text
//! — takedown.example/FR/mirror CO6eJgAAAABa38UATdC6Z9+tsxKT5LvJJiWbOM1z48HtfRh8XsqVtiAP9QD2K9vDWD0oHoGOGS/+xnEQGRgsiLczdIuj/Cn8V7lAAg==
//! ```
//!
//! A cosignature does not name its signer, which is why no two keys of a charter are the same. The mirror keys' signatures
//! on a charter have the same form, with the charter's text in the place of the body.

use crate::note::{Algorithm, NoteError, NoteSignature, SignError, Signer, VerifierKey, require};

/// The length of a cosignature, in bytes.
pub const COSIGNATURE_BYTES: usize = 72;

/// A time, and an Ed25519 signature over time and text; verified or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cosignature {
    /// When it was made, Unix seconds by the cosigner's clock.
    pub time: u64,
    /// The Ed25519 signature.
    pub signature: [u8; 64],
}

impl Cosignature {
    /// Cosigns `body`, a checkpoint's or a charter's text, at `time` in Unix seconds.
    ///
    /// # Errors
    /// [`SignError`] if the key is not of type 0x04, or its keeper fails.
    pub fn sign(body: &str, time: u64, signer: &dyn Signer) -> Result<Self, SignError> {
        require(signer, Algorithm::Cosignature)?;
        let signature = signer.sign(message(body, time).as_bytes())?;
        Ok(Self { time, signature })
    }

    /// Verifies that `key` cosigned `body`.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`]; [`NoteError::Algorithm`] if the key is not of type 0x04.
    pub fn verify(&self, body: &str, key: &VerifierKey) -> Result<(), NoteError> {
        if key.algorithm() != Algorithm::Cosignature {
            return Err(NoteError::Algorithm(key.name().clone()));
        }
        key.verify(message(body, self.time).as_bytes(), &self.signature)
    }

    /// The 72 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; COSIGNATURE_BYTES] {
        let mut out = [0; COSIGNATURE_BYTES];
        let (time, signature) = out.split_at_mut(8);
        time.copy_from_slice(&self.time.to_be_bytes());
        signature.copy_from_slice(&self.signature);
        out
    }

    /// Reads the 72 bytes; `None` for any other length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        Some(Self { time: u64::from_be_bytes(*time), signature: signature.try_into().ok()? })
    }

    /// The signature line of `key`, whose cosignature it is.
    #[must_use]
    pub fn to_line(&self, key: &VerifierKey) -> NoteSignature {
        NoteSignature::new(key, self.to_bytes().to_vec())
    }

    /// Reads a signature line, unverified.
    ///
    /// # Errors
    /// [`NoteError::SignatureLength`] unless it has 72 bytes after the key id.
    pub fn from_line(line: &NoteSignature) -> Result<Self, NoteError> {
        Self::from_bytes(&line.bytes).ok_or_else(|| NoteError::SignatureLength {
            key: line.name.clone(),
            expected: COSIGNATURE_BYTES,
            found: line.bytes.len(),
        })
    }
}

/// What Ed25519 signs.
fn message(body: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::MemorySigner;

    const BODY: &str = "takedown.example/BE\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";
    const TIME: u64 = 1_524_614_400;
    /// Computed by Python's `cryptography` (OpenSSL) from the seed of 32 bytes 0x02, `BODY` and `TIME`.
    const BYTES: &str = "000000005adfc500\
        4dd0ba67dfadb31293e4bbc926259b38cd73e3c1ed7d187c5eca95b6200ff500\
        f62bdbc3583d281e818e192ffec6711019182c88b733748ba3fc29fc57b94002";

    fn mirror(seed: u8) -> MemorySigner {
        let name = "takedown.example/FR/mirror".parse().unwrap();
        MemorySigner::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_cosignature_is_the_one_another_implementation_makes() {
        let made = Cosignature::sign(BODY, TIME, &mirror(2)).unwrap();
        assert_eq!(hex(&made.to_bytes()), BYTES);
        assert_eq!(made.verify(BODY, mirror(2).key()), Ok(()));
    }

    #[test]
    fn a_cosignature_has_72_bytes() {
        let made = Cosignature::sign(BODY, TIME, &mirror(2)).unwrap();
        let bytes = made.to_bytes();
        assert_eq!(Cosignature::from_bytes(&bytes), Some(made));
        let long = [&bytes[..], &[0]].concat();
        for bad in [&[][..], &bytes[..8], &bytes[..64], &bytes[..71], &long] {
            assert_eq!(Cosignature::from_bytes(bad), None);
        }
        let mut line = made.to_line(mirror(2).key());
        assert_eq!(Cosignature::from_line(&line), Ok(made));
        line.bytes.truncate(64);
        let error = NoteError::SignatureLength { key: line.name.clone(), expected: 72, found: 64 };
        assert_eq!(Cosignature::from_line(&line), Err(error));
    }

    #[test]
    fn a_cosignature_holds_for_its_time_body_and_key_only() {
        let key = mirror(2).key().clone();
        let made = Cosignature::sign(BODY, TIME, &mirror(2)).unwrap();
        let refused = Err(NoteError::BadSignature(key.name().clone()));
        assert_eq!(Cosignature { time: TIME + 1, ..made }.verify(BODY, &key), refused);
        assert_eq!(made.verify(&BODY.replace("\n8\n", "\n9\n"), &key), refused);
        assert_eq!(made.verify(BODY.trim_end(), &key), refused);
        assert_eq!(made.verify(BODY, mirror(3).key()), refused);
        // The bare text signed, as a log key would.
        let bare = Cosignature { time: TIME, signature: mirror(2).sign(BODY.as_bytes()).unwrap() };
        assert_eq!(bare.verify(BODY, &key), refused);
        for at in 0..64 {
            let mut signature = made.signature;
            signature[at] ^= 0x40;
            assert_eq!(Cosignature { signature, ..made }.verify(BODY, &key), refused);
        }
    }

    #[test]
    fn only_a_mirror_key_cosigns() {
        let name: crate::note::KeyName = "takedown.example/FR".parse().unwrap();
        let log = MemorySigner::from_seed(name.clone(), Algorithm::Ed25519, &[2; 32]).unwrap();
        let refused = SignError::Algorithm { key: name.clone(), needed: Algorithm::Cosignature };
        assert_eq!(Cosignature::sign(BODY, TIME, &log), Err(refused));
        let made = Cosignature::sign(BODY, TIME, &mirror(2)).unwrap();
        assert_eq!(made.verify(BODY, log.key()), Err(NoteError::Algorithm(name)));
    }
}

//! Adding signatures under a charter, and bringing together those that were made apart.

use super::error::CharterError;
use super::verify::UnverifiedCharter;
use crate::cosignature::Cosignature;
use crate::note::{Algorithm, KeyName, NoteSignature, Signer};

impl UnverifiedCharter {
    /// Adds the signatures of these keys, where they are still [due](Self::is_due): charter and log keys as type 01 over the text, mirror
    /// keys as `cosignature/v1` over it, made at `time` (Unix seconds). Returns the names of the keys that signed now.
    ///
    /// The caller makes durable that it signs this [digest](Self::digest) for this version **before** it calls: a node
    /// signs one text per version, ever.
    ///
    /// # Errors
    /// A key that neither this charter names nor, as a charter key, the one before it, and a signer that fails. Nothing has changed then.
    pub fn sign(&mut self, signers: &[&dyn Signer], time: u64) -> Result<Vec<KeyName>, CharterError> {
        for signer in signers {
            if !self.keys().any(|key| key == signer.key()) {
                return Err(CharterError::NotNamed(signer.key().name().clone()));
            }
        }
        let mut made = Vec::new();
        for signer in signers.iter().filter(|signer| self.is_due(signer.key()) && !self.has_signed(signer.key())) {
            let signature = match signer.key().algorithm() {
                Algorithm::Ed25519 => NoteSignature::sign(self.text(), *signer),
                Algorithm::Cosignature => {
                    Cosignature::sign(self.text(), time, *signer).map(|cosignature| cosignature.to_line(signer.key()))
                }
            };
            made.push(signature.map_err(CharterError::Signer)?);
        }
        // Checks them too: a signer that gives out a wrong signature must not spoil everyone's file.
        self.add_all(&made)
    }

    /// Takes over the signatures under another copy of the same text. Returns the names of the keys whose signatures were
    /// new.
    ///
    /// # Errors
    /// [`CharterError::OtherText`].
    pub fn merge(&mut self, other: &Self) -> Result<Vec<KeyName>, CharterError> {
        if self.digest() != other.digest() {
            return Err(CharterError::OtherText {
                first: self.digest().to_string(),
                second: other.digest().to_string(),
            });
        }
        self.add_all(&other.lines())
    }
}

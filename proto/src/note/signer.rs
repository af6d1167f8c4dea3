//! What makes signatures.

use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::note::{Algorithm, KeyError, KeyName, VerifierKey};

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is for signatures of the other type.
    #[error("the key {key} makes signatures of another type than {needed:?}: use the unit's other key")]
    Algorithm {
        /// The key's name.
        key: KeyName,
        /// What was to be made.
        needed: Algorithm,
    },
    /// The key is another log's.
    #[error("the key {key} does not sign for {origin}: its name must be that")]
    Origin {
        /// The key's name.
        key: KeyName,
        /// The log's.
        origin: KeyName,
    },
    /// Whatever keeps the key did not sign.
    #[error("the key {key} could not sign: {reason}")]
    Unavailable {
        /// The key's name.
        key: KeyName,
        /// What its keeper said.
        reason: String,
    },
}

/// A private key, wherever it is kept: in memory, in a file, in a token.
pub trait Signer: Send + Sync {
    /// Its public key.
    fn key(&self) -> &VerifierKey;

    /// The raw Ed25519 signature (RFC 8032) over exactly these bytes.
    ///
    /// # Errors
    /// [`SignError::Unavailable`] when the key's keeper fails.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// Whether `signer` makes signatures of the type `needed`.
pub(crate) fn require(signer: &dyn Signer, needed: Algorithm) -> Result<(), SignError> {
    if signer.key().algorithm() == needed {
        return Ok(());
    }
    Err(SignError::Algorithm { key: signer.key().name().clone(), needed })
}

/// A private key in memory, made from its seed: for tests and published vectors.
pub struct MemorySigner {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl MemorySigner {
    /// The key with this 32-byte seed (the *private key* of RFC 8032).
    ///
    /// # Errors
    /// [`KeyError`], which no seed is known to bring about.
    pub fn from_seed(name: KeyName, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotAPoint)?;
        let public = pair.public_key().as_ref();
        let public = public.try_into().map_err(|_| KeyError::Length(public.len()))?;
        Ok(Self { key: VerifierKey::new(name, algorithm, public)?, pair })
    }
}

impl Signer for MemorySigner {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.pair.sign(message).as_ref().try_into().map_err(|_| SignError::Unavailable {
            key: self.key.name().clone(),
            reason: "the signature has not 64 bytes".into(),
        })
    }
}

impl std::fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MemorySigner").field(&self.key).finish()
    }
}

//! The signing keys of notes, in key files.
//!
//! A key file is one line, so that whoever opens it sees what it is:
//!
//! ```text
//! entente-key v1 takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
//! ```
//!
//! that is: the words `entente-key v1`, the public key as C2SP writes it (name, key id, and base64 of type and key), and
//! base64 of the 32-byte Ed25519 seed (the private key of RFC 8032), with one space between and a newline at the end. The
//! seed must give the public key, so no flipped bit goes unnoticed. The same file works for keys of both types; the name
//! says which log, mirror or charter key it is.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, SignError, Signer, VerifierKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::keyfile::{KeyFileError, create_secret, read_secret};

#[cfg(test)]
mod tests;

const MAGIC: [&str; 2] = ["entente-key", "v1"];

/// Length of a seed in base64, in bytes.
const SEED_TEXT_BYTES: usize = 44;

/// Why no key could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes, so no key can be made")]
pub struct NoRandomness;

/// A note's signing key that is kept in a file. Its seed is overwritten when it is dropped.
pub struct KeyFileSigner {
    seed: Zeroizing<[u8; 32]>,
    signer: MemorySigner,
}

impl KeyFileSigner {
    /// Makes a new key. It exists in memory only until [`KeyFileSigner::save`].
    ///
    /// # Errors
    /// [`NoRandomness`] if the system gives none.
    pub fn generate(name: KeyName, algorithm: Algorithm) -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| NoRandomness)?;
        let signer = MemorySigner::from_seed(name, algorithm, &seed).map_err(|_| NoRandomness)?;
        Ok(Self { seed, signer })
    }

    /// Writes the key file, durably and readable by its owner alone. A file that is there is never overwritten.
    ///
    /// # Errors
    /// As [`create_secret`].
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let mut seed = Zeroizing::new([0; SEED_TEXT_BYTES]);
        // 32 bytes take exactly 44; the buffer is overwritten, where a String that grew would leave copies.
        let count = STANDARD.encode_slice(*self.seed, &mut *seed).unwrap_or_default();
        let head = format!("{} {} {} ", MAGIC[0], MAGIC[1], self.key());
        let mut line = Zeroizing::new(Vec::with_capacity(head.len() + SEED_TEXT_BYTES + 1));
        line.extend_from_slice(head.as_bytes());
        line.extend_from_slice(seed.get(..count).unwrap_or_default());
        line.push(b'\n');
        create_secret(path, &line)
    }

    /// Reads a key file, whatever key is in it.
    ///
    /// # Errors
    /// As [`read_secret`], and [`KeyFileError::Damaged`] for contents that are not exactly as they were written.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = read_secret(path)?;
        // No message quotes the file: a part that is out of place may be the seed.
        parse(&bytes).map_err(|why| KeyFileError::Damaged { path: path.to_owned(), why: why.into() })
    }

    /// Reads a key file that must hold the key of that name and type.
    ///
    /// # Errors
    /// As [`KeyFileSigner::load`], and [`KeyFileError::OtherKey`] if it holds another one.
    pub fn load_as(path: &Path, name: &KeyName, algorithm: Algorithm) -> Result<Self, KeyFileError> {
        let signer = Self::load(path)?;
        let key = signer.key();
        if key.name() == name && key.algorithm() == algorithm {
            return Ok(signer);
        }
        let said = |name: &KeyName, algorithm: Algorithm| format!("{name} (type {:02x})", algorithm.byte());
        Err(KeyFileError::OtherKey {
            path: path.to_owned(),
            found: said(key.name(), key.algorithm()),
            expected: said(name, algorithm),
        })
    }
}

impl Signer for KeyFileSigner {
    fn key(&self) -> &VerifierKey {
        self.signer.key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.signer.sign(message)
    }
}

impl std::fmt::Debug for KeyFileSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyFileSigner").field(self.key()).finish()
    }
}

fn parse(bytes: &[u8]) -> Result<KeyFileSigner, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    let line = text.strip_suffix('\n').ok_or("its line does not end with a newline")?;
    let mut parts = line.split(' ');
    let mut next = || parts.next().unwrap_or_default();
    if [next(), next()] != MAGIC {
        return Err("it does not begin with \"entente-key v1\"");
    }
    let key: VerifierKey = next().parse().map_err(|_| "the name or public key in it was altered")?;
    let (encoded, none) = (next(), next());
    if encoded.len() != SEED_TEXT_BYTES || !none.is_empty() || line.ends_with(' ') {
        return Err("it is not exactly four words on one line");
    }
    let seed = decode_seed(encoded).ok_or("the private key in it is not 32 bytes in base64")?;
    let signer = MemorySigner::from_seed(key.name().clone(), key.algorithm(), &seed)
        .map_err(|_| "the private key in it does not work")?;
    if *signer.key() != key {
        return Err("the private key in it does not belong to its public key");
    }
    Ok(KeyFileSigner { seed, signer })
}

fn decode_seed(encoded: &str) -> Option<Zeroizing<[u8; 32]>> {
    // The decoder wants room for what 44 characters without padding would hold.
    let mut room = Zeroizing::new([0; 33]);
    let count = STANDARD.decode_slice(encoded, &mut *room).ok()?;
    let mut seed = Zeroizing::new([0; 32]);
    if count != seed.len() {
        return None;
    }
    seed.copy_from_slice(room.get(..32)?);
    Some(seed)
}

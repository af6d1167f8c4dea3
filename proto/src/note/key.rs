//! Key names and public keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::hash::Hash;
use crate::ids::{NetworkName, UnitId};
use crate::limits::KEY_NAME_BYTES_MAX;
use crate::note::{NoteError, base64};

/// A fault in a key or its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a key name.
    #[error("{0:?} is not a key name: 1 to 255 bytes without spaces, control characters and +")]
    Name(String),
    /// Not three parts with plus signs between, or one of them is not in its one form.
    #[error("{0:?} is not a verifier key: <name>+<8 lower-case hexadecimal digits>+<base64>")]
    Form(String),
    /// A signature type other than 01 and 04.
    #[error("signature type {0:#04x} is not known: 0x01 (Ed25519) and 0x04 (cosignature) are")]
    Algorithm(u8),
    /// Not 32 bytes.
    #[error("an Ed25519 public key has 32 bytes, not {0}")]
    Length(usize),
    /// The key id does not belong to name and key.
    #[error("the key id is {found}, but name and public key give {expected}: the key was altered or mistyped")]
    Id {
        /// The id that name and key give, in hexadecimal.
        expected: String,
        /// The id that was read.
        found: String,
    },
    /// The bytes are no point of the curve, or not its one encoding.
    #[error("the 32 bytes are not an Ed25519 public key")]
    NotAPoint,
    /// A key under which anybody can sign.
    #[error("the public key is one of small order, under which signatures can be made without a private key")]
    SmallOrder,
}

/// The name of a key: 1 to 255 bytes of UTF-8 without white space, control characters and `+`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// The name of a unit's log and of its log key: `<network>/<unit>`.
    #[must_use]
    pub fn log(network: &NetworkName, unit: &UnitId) -> Self {
        Self(format!("{network}/{unit}").into())
    }

    /// The name of a unit's mirror key: `<network>/<unit>/mirror`.
    #[must_use]
    pub fn mirror(network: &NetworkName, unit: &UnitId) -> Self {
        Self(format!("{network}/{unit}/mirror").into())
    }

    /// The name of the key with which a unit's node witnesses the logs of others: `<network>/<unit>/witness`.
    #[must_use]
    pub fn witness(network: &NetworkName, unit: &UnitId) -> Self {
        Self(format!("{network}/{unit}/witness").into())
    }

    /// The name of a unit's charter key: `<network>/<unit>/charter`.
    #[must_use]
    pub fn charter(network: &NetworkName, unit: &UnitId) -> Self {
        Self(format!("{network}/{unit}/charter").into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.len() > KEY_NAME_BYTES_MAX || text.contains(refused) {
            return Err(KeyError::Name(clip(text)));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs, the *signature type* of C2SP `signed-note`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: a time, and Ed25519 over time and text. See [`cosignature`](crate::cosignature).
    Cosignature,
}

impl Algorithm {
    /// The byte that stands for it in keys and key ids.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

impl TryFrom<u8> for Algorithm {
    type Error = KeyError;

    fn try_from(byte: u8) -> Result<Self, KeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::Cosignature),
            other => Err(KeyError::Algorithm(other)),
        }
    }
}

/// A public key with its name: C2SP's *vkey*, `<name>+<key id>+<base64(type || public key)>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    id: [u8; 4],
    algorithm: Algorithm,
    public: [u8; 32],
}

impl VerifierKey {
    /// Takes over a raw public key and works out its id.
    ///
    /// # Errors
    /// [`KeyError::NotAPoint`] unless `public` is the one encoding (y below the field's prime) of a point of the curve;
    /// [`KeyError::SmallOrder`] for the points of order 1, 2, 4 and 8.
    pub fn new(name: KeyName, algorithm: Algorithm, public: [u8; 32]) -> Result<Self, KeyError> {
        let point = CompressedEdwardsY(public).decompress().ok_or(KeyError::NotAPoint)?;
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if point.compress().0 != public {
            return Err(KeyError::NotAPoint);
        }
        let id = key_id(&name, algorithm, &public);
        Ok(Self { name, id, algorithm, public })
    }

    /// The key's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw Ed25519 public key.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Verifies a raw Ed25519 signature over exactly these bytes, without a batch and without the cofactor (RFC 8032
    /// section 5.1.7), so that all implementations agree. About 60 microseconds.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), NoteError> {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(message, signature)
            .map_err(|_| NoteError::BadSignature(self.name.clone()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::Form(clip(text));
        let (name, rest) = text.split_once('+').ok_or_else(form)?;
        let (id, key) = rest.split_once('+').ok_or_else(form)?;
        let name: KeyName = name.parse()?;
        // Far longer than a key of a known type; the length is told below.
        if id.len() != 8 || key.len() > 8_192 {
            return Err(form());
        }
        let key = base64::decode(key).ok_or_else(form)?;
        let (kind, public) = key.split_first().ok_or_else(form)?;
        let algorithm = Algorithm::try_from(*kind)?;
        let public = public.try_into().map_err(|_| KeyError::Length(public.len()))?;
        let read = Self::new(name, algorithm, public)?;
        let expected = hex(read.id);
        if id != expected {
            return Err(KeyError::Id { expected, found: id.into() });
        }
        Ok(read)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<u8> = std::iter::once(self.algorithm.byte()).chain(self.public).collect();
        write!(f, "{}+{}+{}", self.name, hex(self.id), base64::encode(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`, C2SP `signed-note`.
fn key_id(name: &KeyName, algorithm: Algorithm, public: &[u8; 32]) -> [u8; 4] {
    let Hash([a, b, c, d, ..]) = Hash::of_parts(&[name.0.as_bytes(), b"\n", &[algorithm.byte()], public]);
    [a, b, c, d]
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// The beginning of a text of unknown length, for an error message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

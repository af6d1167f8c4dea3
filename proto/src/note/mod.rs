//! Signed notes and their keys, C2SP `signed-note` (<https://c2sp.org/signed-note>).
//!
//! # Notes
//!
//! A note is text that people can read, followed by signatures over it:
//!
//! ```text
//! takedown.example/BE
//! 1042
//! <base64 of the 32-byte root>
//!
//! — takedown.example/BE <base64(key id || signature)>
//! ```
//!
//! It has one form, and every other is refused:
//!
//! - UTF-8 without control characters below U+0020, newline (U+000A) excepted;
//! - *text*, which ends with a newline, is not empty (one newline alone is a text) and may have blank lines of its own,
//!   also at its end: what stands before the last blank line;
//! - one blank line;
//! - 1 to 512 ([`NOTE_SIGNATURES_MAX`]) *signature lines*, each ended by a newline, the last one as well; nothing after
//!   them;
//! - a signature line is an em dash (U+2014), a space, the key's name, a space, and base64 of at least 5 bytes: the 4-byte
//!   key id, then the signature, of a length that its type knows (so types unknown here, such as 0x06, fit);
//! - base64 is that of RFC 4648 section 4, with padding and unused bits zero;
//! - no two signature lines have the same name and key id;
//! - at most 64 KiB in all ([`NOTE_BYTES_MAX`](crate::limits::NOTE_BYTES_MAX)), charters at most 1 MiB.
//!
//! What is signed is the text with its last newline, without the blank line. A signature by a key that the reader knows
//! must verify, else the whole note is refused. A line is by a key if it has both the key's name and its id. Those by unknown
//! keys, whatever their length, are ignored; they prove nothing.
//!
//! # Keys
//!
//! A key's name is 1 to 255 bytes of UTF-8 without white space (Unicode `White_Space`), control characters (category
//! `Cc`) and `+`. Its id is `SHA-256(name || 0x0A || type || public key)[:4]`, where the type is one byte:
//!
//! | type | key | signature |
//! |---|---|---|
//! | 0x01 | 32-byte Ed25519 public key | 64 bytes: Ed25519 over the text |
//! | 0x04 | 32-byte Ed25519 public key | 72 bytes, see [`cosignature`](crate::cosignature) |
//!
//! In writing, a public key is `<name>+<key id as 8 lower-case hexadecimal digits>+<base64(type || public key)>`. BE's log
//! key with the seed of 32 bytes 0x01 (the private key of RFC 8032), and FR's mirror key with that of 32 bytes 0x02:
//!
//! ```text
//! takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c
//! takedown.example/FR/mirror+08ee9e26+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU
//! ```
//!
//! A public key is refused if its 32 bytes are not a point of the curve, are not the one encoding of it (the y
//! coordinate, the lower 255 bits as a little-endian number, must be below 2^255 - 19), or if the point is one of the
//! eight of small order, under which anybody can sign. A signature `R || S` of a text *M* under the key *A* holds if
//!
//! - S, as a little-endian number, is below the group's order, and
//! - R, as bytes, is the encoding of `[S]B - [k]A`, where *k* is `SHA-512(R || A || M)` as a little-endian number, modulo
//!   the group's order.
//!
//! That is RFC 8032 section 5.1.7 without the cofactor. R is not decoded: one of small order, which only the key's holder
//! can make, is not refused, and a second encoding of a point never matches. `tests/vectors/notes` has such signatures.
//!
//! | file | holds |
//! |---|---|
//! | `key.rs` | [`KeyName`], [`Algorithm`], [`VerifierKey`] |
//! | `signer.rs` | [`Signer`], [`MemorySigner`] |
//! | `parse.rs` | the one form |

pub(crate) mod base64;
mod key;
mod parse;
mod signer;

pub use key::{Algorithm, KeyError, KeyName, VerifierKey};
pub(crate) use signer::require;
pub use signer::{MemorySigner, SignError, Signer};

use crate::limits::NOTE_SIGNATURES_MAX;

/// Why a note, or a signature on it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than allowed.
    #[error("the note has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The most that is allowed.
        bytes_max: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// A control character other than newline.
    #[error("the note has the control character {0:#04x}; only newlines are allowed")]
    Control(u8),
    /// The text is empty or does not end with a newline.
    #[error("a note's text must not be empty and must end with a newline")]
    Text,
    /// No blank line.
    #[error("the note has no blank line between text and signatures")]
    NoSignatureBlock,
    /// No signature line.
    #[error("the note has no signature")]
    NoSignatures,
    /// The note does not end with a newline.
    #[error("the note's last line is not ended by a newline")]
    Unterminated,
    /// A line among the signatures that is none.
    #[error("line {0} of the signatures is not \"— <key name> <base64 of key id and signature>\"")]
    Line(usize),
    /// A line among the signatures with an impossible key name.
    #[error("line {0} of the signatures has no valid key name: {1}")]
    Name(usize, KeyError),
    /// More signatures than allowed.
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A key signed twice.
    #[error("the note has two signatures by the key {0}")]
    Duplicate(KeyName),
    /// The key did not sign.
    #[error("the note has no signature by the key {0}")]
    Unsigned(KeyName),
    /// A signature of another length than its type has.
    #[error("the signature by the key {key} has {found} bytes, not {expected}")]
    SignatureLength {
        /// The key's name.
        key: KeyName,
        /// How long signatures of its type are.
        expected: usize,
        /// How long this one is.
        found: usize,
    },
    /// A signature that does not verify.
    #[error("the signature by the key {0} is not one over this text")]
    BadSignature(KeyName),
    /// A key of another signature type than the signature.
    #[error("the key {0} makes signatures of another type")]
    Algorithm(KeyName),
}

/// A signature as it stands on a note, verified or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteSignature {
    /// The key's name, as the line says.
    pub name: KeyName,
    /// The key's id, as the line says.
    pub id: [u8; 4],
    /// The signature, without the key id; never empty on a note that was parsed.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// A signature by `key`.
    #[must_use]
    pub fn new(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self { name: key.name().clone(), id: key.id(), bytes }
    }

    /// Signs `text` with a key of type 0x01.
    ///
    /// # Errors
    /// [`SignError`] if the key is of another type, or its keeper fails.
    pub fn sign(text: &str, signer: &dyn Signer) -> Result<Self, SignError> {
        require(signer, Algorithm::Ed25519)?;
        Ok(Self::new(signer.key(), signer.sign(text.as_bytes())?.to_vec()))
    }

    /// Verifies a signature of type 0x01 over `text`.
    ///
    /// # Errors
    /// [`NoteError`] unless it is `key`'s and verifies.
    pub fn verify(&self, text: &str, key: &VerifierKey) -> Result<[u8; 64], NoteError> {
        if !self.is_by(key) {
            return Err(NoteError::Unsigned(key.name().clone()));
        }
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(NoteError::Algorithm(key.name().clone()));
        }
        let signature: [u8; 64] = self.exactly()?;
        key.verify(text.as_bytes(), &signature)?;
        Ok(signature)
    }

    /// Reads one signature line, without its line feed.
    ///
    /// # Errors
    /// [`NoteError::Line`], [`NoteError::Name`].
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        parse::signature(1, line)
    }

    /// The signature line, without its line feed; what [`Self::parse_line`] reads.
    #[must_use]
    pub fn to_line(&self) -> String {
        parse::write_line(self)
    }

    /// Whether it says that it is by `key`.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == *key.name()
    }

    /// The signature as an array.
    ///
    /// # Errors
    /// [`NoteError::SignatureLength`] if it has another length.
    pub fn exactly<const N: usize>(&self) -> Result<[u8; N], NoteError> {
        self.bytes.as_slice().try_into().map_err(|_| NoteError::SignatureLength {
            key: self.name.clone(),
            expected: N,
            found: self.bytes.len(),
        })
    }
}

/// A text with signatures. It keeps the rules of the format, but says nothing about whether the signatures verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A draft: a text that is still to be signed.
    ///
    /// # Errors
    /// [`NoteError::Text`] if it is empty or does not end with a newline, [`NoteError::Control`].
    pub fn draft(text: String) -> Result<Self, NoteError> {
        parse::check_text(&text)?;
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`NoteError`] for every departure from the one form.
    pub fn parse(bytes: &[u8], bytes_max: usize) -> Result<Self, NoteError> {
        let note = parse::note(bytes, bytes_max)?;
        if note.signatures.is_empty() { Err(NoteError::NoSignatures) } else { Ok(note) }
    }

    /// Reads a note, or a draft as [`Note::to_bytes`] writes it: text and blank line, without signatures.
    ///
    /// # Errors
    /// As [`Note::parse`], apart from [`NoteError::NoSignatures`].
    pub fn parse_draft(bytes: &[u8], bytes_max: usize) -> Result<Self, NoteError> {
        parse::note(bytes, bytes_max)
    }

    /// Puts a note together from parts that keep the rules of the format.
    pub(crate) const fn assemble(text: String, signatures: Vec<NoteSignature>) -> Self {
        Self { text, signatures }
    }

    /// The text, its last newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature after the others; `false` if the key's is there already, whatever its bytes, and stays.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] if the note is full, [`NoteError::SignatureLength`] if the signature is empty.
    pub fn add(&mut self, signature: NoteSignature) -> Result<bool, NoteError> {
        if signature.bytes.is_empty() {
            return Err(NoteError::SignatureLength { key: signature.name, expected: 1, found: 0 });
        }
        if self.signatures.iter().any(|held| held.id == signature.id && held.name == signature.name) {
            return Ok(false);
        }
        if self.signatures.len() >= NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(true)
    }

    /// The signature that says it is by `key`, unverified.
    #[must_use]
    pub fn signature_of(&self, key: &VerifierKey) -> Option<&NoteSignature> {
        self.signatures.iter().find(|signature| signature.is_by(key))
    }

    /// Verifies that `key`, of type 0x01, signed the text; returns the signature.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`], [`NoteError::SignatureLength`], [`NoteError::BadSignature`], [`NoteError::Algorithm`].
    pub fn signed_by(&self, key: &VerifierKey) -> Result<[u8; 64], NoteError> {
        let signature = self.signature_of(key).ok_or_else(|| NoteError::Unsigned(key.name().clone()))?;
        signature.verify(&self.text, key)
    }

    /// The note's bytes; what [`Note::parse`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        parse::write(self).into_bytes()
    }
}

/// Text and signature lines of a note of others, in which a key may stand twice (C2SP does not forbid it). The rest of the
/// form is that of [`Note::parse`].
pub(crate) fn parse_parts(bytes: &[u8], bytes_max: usize) -> Result<(String, Vec<NoteSignature>), NoteError> {
    parse::parts(bytes, bytes_max)
}

#[cfg(test)]
mod tests;

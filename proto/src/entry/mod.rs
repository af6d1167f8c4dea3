//! Entries: what one append to a log consists of.
//!
//! An entry has three parts:
//!
//! - the **leaf**, which the Merkle tree hashes: the canonical bytes of an [`EntryHeader`](crate::wire::EntryHeader),
//!   stored and hashed as received. Its leaf hash is `SHA-256(0x00 || leaf)`. A longer one than 64 bytes is refused before
//!   it is read; a canonical header has at most 55.
//! - the **opening**: 16 random bytes.
//! - the **payload**: the bytes of a [`Record`](crate::wire::Record), 1 to 65,536 of them.
//!
//! The header's `commitment` is `HMAC-SHA-256(key = opening, message = payload)`. An erasure deletes opening and payload
//! (the [`Body`]); the leaf stays, so that every proof still verifies and nobody can guess the payload back.
//!
//! Canonical means that protobuf fields stand in ascending order, each at most once, defaults left out, varints as short
//! as possible, nothing unknown: decoding and encoding again gives the same bytes.
//!
//! The header's times never go back within a log: each is that of the entry before it or later. A partner stores a log
//! that breaks this, but cosigns no checkpoint that covers the entry whose time is smaller, so nothing from there on is
//! ever certified. The [fold](crate::list) does not look at it.
//!
//! # A run of entries
//! On the wire (`Bundle.raw`) and on disk, entries follow each other without a count:
//!
//! ```text
//! u16be  length of the leaf
//!        leaf
//! u32be  length of opening and payload together; 0 where they are missing
//!        opening (16 bytes), payload
//! ```

mod run;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message as _;
use ring::hmac;

pub use run::{Run, encode, encoded_len};

use crate::hash::Hash;
use crate::limits::{LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX};
use crate::wire;

/// A fault in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The leaf is longer than 64 bytes, or empty.
    #[error("the leaf has {0} bytes; 1 to 64 are allowed")]
    LeafLength(usize),
    /// The leaf is not a canonical header.
    #[error("the leaf is not a canonical entry header")]
    LeafNotCanonical,
    /// The header names no kind.
    #[error("the entry header names no kind")]
    NoKind,
    /// The header's commitment is not 32 bytes long.
    #[error("the entry header's commitment has {0} bytes instead of 32")]
    CommitmentLength(usize),
    /// The payload is empty or longer than 64 KiB, or its length is not the header's.
    #[error("the payload has {found} bytes where its header says {header}; 1 to 65,536 are allowed")]
    PayloadLength {
        /// As found.
        found: usize,
        /// As the header says.
        header: u32,
    },
    /// Opening and payload are not what the header commits to.
    #[error("opening and payload do not match the commitment in the entry header")]
    Commitment,
    /// A run ends in the middle of an entry, or a length in it is impossible.
    #[error("the run of entries is cut short or damaged at byte {0}")]
    Run(usize),
}

/// A checked header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    /// The kind of the record: the number of its arm in `Record`. Not 0; may be one that this release does not know.
    pub kind: u32,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// Length of the payload in bytes, 1 to 65,536.
    pub payload_size: u32,
    /// What opening and payload must yield.
    pub commitment: Hash,
}

impl EntryHeader {
    /// Reads a leaf.
    ///
    /// # Errors
    /// An [`EntryError`] if it is too long, not canonical, without a kind, or out of the limits.
    pub fn parse(leaf: &[u8]) -> Result<Self, EntryError> {
        if leaf.is_empty() || leaf.len() > LEAF_BYTES_MAX {
            return Err(EntryError::LeafLength(leaf.len()));
        }
        if let Some(read) = in_place(leaf) {
            return Ok(read);
        }
        // Whatever is wrong with it is said here.
        let message = wire::EntryHeader::decode(leaf).map_err(|_| EntryError::LeafNotCanonical)?;
        let mut again = [0; LEAF_BYTES_MAX];
        let length = message.encoded_len();
        let mut room = again.get_mut(..length).ok_or(EntryError::LeafNotCanonical)?;
        message.encode(&mut room).map_err(|_| EntryError::LeafNotCanonical)?;
        if again.get(..length) != Some(leaf) {
            return Err(EntryError::LeafNotCanonical);
        }
        let commitment =
            Hash::from_slice(&message.commitment).ok_or(EntryError::CommitmentLength(message.commitment.len()))?;
        if message.kind == 0 {
            return Err(EntryError::NoKind);
        }
        if message.payload_size == 0 || message.payload_size as usize > PAYLOAD_BYTES_MAX {
            return Err(EntryError::PayloadLength { found: 0, header: message.payload_size });
        }
        Ok(Self { kind: message.kind, time_ms: message.time_ms, payload_size: message.payload_size, commitment })
    }

    /// Checks that opening and payload are what it commits to.
    ///
    /// # Errors
    /// [`EntryError::PayloadLength`], [`EntryError::Commitment`].
    pub fn check(&self, opening: &[u8; OPENING_BYTES], payload: &[u8]) -> Result<(), EntryError> {
        if payload.len() != self.payload_size as usize {
            return Err(EntryError::PayloadLength { found: payload.len(), header: self.payload_size });
        }
        if commitment(opening, payload) == self.commitment { Ok(()) } else { Err(EntryError::Commitment) }
    }

    /// The leaf: the canonical bytes.
    #[must_use]
    pub fn to_leaf(&self) -> Bytes {
        let message = wire::EntryHeader {
            kind: self.kind,
            time_ms: self.time_ms,
            payload_size: self.payload_size,
            commitment: self.commitment.0.to_vec(),
        };
        message.encode_to_vec().into()
    }
}

/// Reads a leaf that has every field, where its bytes stand: canonical bytes have each once and in order. `None` for any
/// other.
fn in_place(leaf: &[u8]) -> Option<EntryHeader> {
    let (kind, rest) = number(leaf, 1)?;
    let (time_ms, rest) = number(rest, 2)?;
    let (payload_size, rest) = number(rest, 3)?;
    // Field 4, of wire type 2, and its length.
    let commitment: [u8; 32] = rest.strip_prefix(&[4 << 3 | 2, 32])?.try_into().ok()?;
    let (kind, payload_size) = (u32::try_from(kind).ok()?, u32::try_from(payload_size).ok()?);
    let fits = payload_size as usize <= PAYLOAD_BYTES_MAX;
    fits.then_some(EntryHeader { kind, time_ms, payload_size, commitment: Hash(commitment) })
}

/// A field with a number that is not 0, in as few bytes as that needs, and what follows it.
fn number(bytes: &[u8], field: u8) -> Option<(u64, &[u8])> {
    let mut rest = bytes.strip_prefix(&[field << 3])?;
    let mut value = 0_u64;
    // Nine bytes hold 63 bits; a larger number is left to the other way.
    for shift in (0..63_u32).step_by(7) {
        let (byte, after) = rest.split_first()?;
        rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (*byte != 0).then_some((value, rest));
        }
    }
    None
}

/// What an erasure deletes: opening and payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The key of the commitment.
    pub opening: [u8; OPENING_BYTES],
    /// The bytes of the record.
    pub payload: Bytes,
}

impl std::fmt::Debug for Body {
    /// Shows no content: payloads are sensitive.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.payload.len())
    }
}

/// An entry whose leaf is canonical and whose body, if there is one, is what the leaf commits to.
///
/// That it stands in a log is not said by it: its [`leaf_hash`](Self::leaf_hash) must still be found under a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    leaf: Bytes,
    header: EntryHeader,
    leaf_hash: Hash,
    body: Option<Body>,
}

impl Entry {
    /// Checks a leaf and its body against each other.
    ///
    /// # Errors
    /// An [`EntryError`] that says what does not hold.
    pub fn new(leaf: Bytes, body: Option<Body>) -> Result<Self, EntryError> {
        let header = EntryHeader::parse(&leaf)?;
        if let Some(body) = &body {
            header.check(&body.opening, &body.payload)?;
        }
        Ok(Self { leaf_hash: Hash::leaf(&leaf), leaf, header, body })
    }

    /// Composes an entry around a payload.
    ///
    /// `opening` must come from a random number generator: it keeps the commitment from being guessed.
    ///
    /// # Errors
    /// [`EntryError::PayloadLength`] or [`EntryError::NoKind`].
    pub fn compose(kind: u32, time_ms: u64, opening: [u8; OPENING_BYTES], payload: Bytes) -> Result<Self, EntryError> {
        let found = payload.len();
        let payload_size = u32::try_from(found).map_err(|_| EntryError::PayloadLength { found, header: 0 })?;
        let body = Body { opening, payload };
        let commitment = commitment(&body.opening, &body.payload);
        Self::new(EntryHeader { kind, time_ms, payload_size, commitment }.to_leaf(), Some(body))
    }

    /// The bytes that the tree hashes.
    #[must_use]
    pub const fn leaf(&self) -> &Bytes {
        &self.leaf
    }

    /// What the leaf says.
    #[must_use]
    pub const fn header(&self) -> &EntryHeader {
        &self.header
    }

    /// `SHA-256(0x00 || leaf)`.
    #[must_use]
    pub const fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }

    /// Opening and payload, unless they are missing.
    #[must_use]
    pub const fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// The payload, unless it is missing.
    #[must_use]
    pub fn payload(&self) -> Option<&Bytes> {
        self.body.as_ref().map(|body| &body.payload)
    }

    /// The entry without its body, as it is after an erasure.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { body: None, ..self.clone() }
    }

    /// The entry with a body that was missing.
    ///
    /// # Errors
    /// An [`EntryError`] if the body is not what the leaf commits to.
    pub fn with_body(&self, body: Body) -> Result<Self, EntryError> {
        self.header.check(&body.opening, &body.payload)?;
        Ok(Self { body: Some(body), ..self.clone() })
    }
}

/// `HMAC-SHA-256(key = opening, message = payload)`.
fn commitment(opening: &[u8; OPENING_BYTES], payload: &[u8]) -> Hash {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, opening), payload);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    Hash(out)
}

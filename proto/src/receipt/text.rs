//! The one form of a receipt.

use bytes::Bytes;

use super::{FORMAT, ReceiptError};
use crate::entry::{Body, Entry};
use crate::hash::Hash;
use crate::limits::{
    INCLUSION_HASHES_MAX, LEAF_BYTES_MAX, LOG_SIZE_END, OPENING_BYTES, PAYLOAD_BYTES_MAX, RECEIPT_BYTES_MAX,
};
use crate::note::base64;

/// A receipt that keeps the rules of the format. Nothing that it says is known to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedReceipt {
    pub(super) index: u64,
    pub(super) leaf: Bytes,
    pub(super) body: Body,
    pub(super) proof: Vec<Hash>,
    pub(super) checkpoint: Vec<u8>,
}

impl UnverifiedReceipt {
    /// Puts a receipt together: the entry at `index`, its inclusion proof in the tree of the checkpoint, and the
    /// checkpoint's note. Whether they belong together is for [`verify`](Self::verify) to say: whoever makes a receipt
    /// verifies it before giving it away.
    ///
    /// # Errors
    /// [`ReceiptError::NoPayload`] if the entry's payload is missing.
    pub fn compose(index: u64, entry: &Entry, proof: Vec<Hash>, checkpoint: Vec<u8>) -> Result<Self, ReceiptError> {
        let body = entry.body().ok_or(ReceiptError::NoPayload)?.clone();
        Ok(Self { index, leaf: entry.leaf().clone(), body, proof, checkpoint })
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReceiptError`] for every departure from the one form up to the checkpoint, whose form is looked at when it is
    /// [verified](Self::verify).
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|fault| ReceiptError::NotUtf8(fault.valid_up_to()))?;
        if text.contains('\r') {
            return Err(ReceiptError::CarriageReturn);
        }
        let text = text.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix('\n')).ok_or(ReceiptError::Format)?;
        let (extra, text) = line(text, "extra ").ok_or(ReceiptError::NoExtra)?;
        let (leaf, body) = entry(extra)?;
        let (index, text) = line(text, "index ").ok_or(ReceiptError::Index)?;
        let index = decimal(index).ok_or(ReceiptError::Index)?;
        let (proof, checkpoint) = hashes(text)?;
        Ok(Self { index, leaf, body, proof, checkpoint: checkpoint.into() })
    }

    /// The receipt: what [`parse`](Self::parse) reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // The length fits: a leaf has at most 64 bytes.
        let length = u16::try_from(self.leaf.len()).unwrap_or(u16::MAX).to_be_bytes();
        let extra = [&length[..], &self.leaf, &self.body.opening, &self.body.payload].concat();
        let mut text = format!("{FORMAT}\nextra {}\nindex {}\n", base64::encode(&extra), self.index);
        for hash in &self.proof {
            text.push_str(&base64::encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    /// The index that it names.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The leaf that it carries.
    #[must_use]
    pub const fn leaf(&self) -> &Bytes {
        &self.leaf
    }

    /// The inclusion proof that it carries.
    #[must_use]
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The note of the checkpoint that it carries.
    #[must_use]
    pub fn checkpoint(&self) -> &[u8] {
        &self.checkpoint
    }
}

/// The rest of a line that begins so, and what follows the line.
fn line<'a>(text: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(beginning)?.split_once('\n')
}

fn entry(extra: &str) -> Result<(Bytes, Body), ReceiptError> {
    let bytes = Bytes::from(base64::decode(extra).ok_or(ReceiptError::ExtraBase64)?);
    parts(&bytes).ok_or(ReceiptError::ExtraLength(bytes.len()))
}

fn parts(bytes: &Bytes) -> Option<(Bytes, Body)> {
    let (length, _) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let leaf_end = length.checked_add(2)?;
    let payload_at = leaf_end.checked_add(OPENING_BYTES)?;
    let opening = bytes.get(leaf_end..payload_at)?.try_into().ok()?;
    let payload = bytes.len().checked_sub(payload_at)?;
    let lengths_hold = (1..=LEAF_BYTES_MAX).contains(&length) && (1..=PAYLOAD_BYTES_MAX).contains(&payload);
    lengths_hold.then(|| (bytes.slice(2..leaf_end), Body { opening, payload: bytes.slice(payload_at..) }))
}

fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number < LOG_SIZE_END && number.to_string() == text).then_some(number)
}

/// The hashes up to the empty line, and what follows it.
fn hashes(mut text: &str) -> Result<(Vec<Hash>, &str), ReceiptError> {
    let mut proof = Vec::new();
    // Three lines stand before the first hash.
    for number in 4_usize.. {
        let (line, rest) = text.split_once('\n').ok_or(ReceiptError::NoCheckpoint)?;
        text = rest;
        if line.is_empty() {
            break;
        }
        if proof.len() >= INCLUSION_HASHES_MAX {
            return Err(ReceiptError::TooManyHashes);
        }
        let hash = base64::decode(line).and_then(|bytes| Hash::from_slice(&bytes));
        proof.push(hash.ok_or(ReceiptError::Hash(number))?);
    }
    Ok((proof, text))
}

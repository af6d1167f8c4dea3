//! A run of entries as bytes.

use bytes::{BufMut, Bytes};

use super::{Body, Entry, EntryError};
use crate::limits::{LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX};

/// How many bytes an entry takes in a run.
#[must_use]
pub fn encoded_len(entry: &Entry) -> usize {
    let body = entry.body().map_or(0, |body| body.payload.len().saturating_add(OPENING_BYTES));
    entry.leaf().len().saturating_add(body).saturating_add(6)
}

/// Appends an entry to a run.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    // Both lengths were checked when the entry was made: a leaf has at most 64 bytes, a payload at most 65,536.
    out.put_u16(u16::try_from(entry.leaf().len()).unwrap_or(u16::MAX));
    out.put_slice(entry.leaf());
    match entry.body() {
        None => out.put_u32(0),
        Some(body) => {
            out.put_u32(u32::try_from(body.payload.len().saturating_add(OPENING_BYTES)).unwrap_or(u32::MAX));
            out.put_slice(&body.opening);
            out.put_slice(&body.payload);
        }
    }
}

/// Reads a run, entry by entry. Payloads and leaves share the run's memory.
///
/// It ends after the first fault.
#[derive(Debug)]
pub struct Run {
    bytes: Bytes,
    at: usize,
    ended: bool,
}

impl Run {
    /// Reads from the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, ended: false }
    }

    fn entry(&mut self) -> Result<Entry, EntryError> {
        let start = self.at;
        let leaf_length = usize::from(u16::from_be_bytes(self.array().ok_or(EntryError::Run(start))?));
        if leaf_length > LEAF_BYTES_MAX {
            return Err(EntryError::LeafLength(leaf_length));
        }
        let leaf = self.take(leaf_length).ok_or(EntryError::Run(start))?;
        let body_length = u32::from_be_bytes(self.array().ok_or(EntryError::Run(start))?) as usize;
        let body = if body_length == 0 {
            None
        } else {
            let payload_length = body_length
                .checked_sub(OPENING_BYTES)
                .filter(|n| *n <= PAYLOAD_BYTES_MAX)
                .ok_or(EntryError::Run(start))?;
            let opening = self.array().ok_or(EntryError::Run(start))?;
            Some(Body { opening, payload: self.take(payload_length).ok_or(EntryError::Run(start))? })
        };
        Entry::new(leaf, body)
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let part = self.bytes.slice(self.at..end);
        self.at = end;
        Some(part)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N)?;
        let part = self.bytes.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(part)
    }
}

impl Iterator for Run {
    type Item = Result<Entry, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.at == self.bytes.len() {
            return None;
        }
        let entry = self.entry();
        self.ended = entry.is_err();
        Some(entry)
    }
}

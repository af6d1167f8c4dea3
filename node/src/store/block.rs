//! Entries packed into values.
//!
//! sled's page cache evicts whole pages, so small values are slow and large ones stay in memory; above about 7 KiB (at
//! 512 KiB segments) they become files of their own that are never synced. So entries stand in blocks of at most
//! 6,500 bytes, and what is longer is kept in parts of 6,000.
//!
//! A block never reaches over the end of a 256-entry bundle. An append begins a block of its own, so no key is overwritten
//! (sled reclaims space late), except to erase a body.
//!
//! ```text
//! block  u32be  CRC-32 of the key and of all that follows
//!        entry  u8 length of the leaf, leaf,
//!               u32be n: 0 = the body is not here (missing, or filled in later: then it is in parts)
//!                        1 to 65,552 = n bytes follow, opening and payload
//!                        2^31 = the body is in parts
//!        entry  ...
//! parts  u32be total length and u32be CRC-32 of what is kept, then it, cut after every 6,000 bytes
//! ```

use std::collections::BTreeSet;

use bytes::{Buf as _, BufMut as _, Bytes};

use entente_proto::entry::{Body, Entry};
use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;
use entente_proto::limits::{BUNDLE_ENTRIES, LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX};

use super::key;

/// Largest value of a block.
const BLOCK_BYTES_MAX: usize = 6_500;
/// Longest part.
const PART_BYTES: usize = 6_000;
/// No value may be longer: sled would put it into a file of its own.
pub(super) const VALUE_BYTES_MAX: usize = 7_000;
/// Longest thing that is kept in parts.
pub(super) const PARTED_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + OPENING_BYTES;

const SUM_BYTES: usize = 4;
const IN_PARTS: u32 = 1 << 31;

/// A key and what is to stand under it.
pub(super) type Write = (Vec<u8>, Vec<u8>);

/// Packs entries into blocks and parts; gives each value to `put`.
pub(super) fn pack(unit: &UnitId, from: u64, entries: &[Entry], mut put: impl FnMut(Write)) {
    let mut block = Vec::new();
    let mut first = from;
    for (index, entry) in (from..).zip(entries) {
        let body = entry.body().map(joined);
        let inline = slot_bytes(entry.leaf().len(), body.as_ref().map_or(0, Vec::len));
        let apart = inline.saturating_add(SUM_BYTES) > BLOCK_BYTES_MAX;
        let slot = if apart { slot_bytes(entry.leaf().len(), 0) } else { inline };
        let full = block.len().saturating_add(slot) > BLOCK_BYTES_MAX || index.is_multiple_of(BUNDLE_ENTRIES);
        if full && !block.is_empty() {
            put(sealed(unit, first, std::mem::take(&mut block)));
        }
        if block.is_empty() {
            first = index;
            block.put_bytes(0, SUM_BYTES);
        }
        put_leaf(&mut block, entry.leaf());
        match body {
            None => block.put_u32(0),
            Some(body) if apart => {
                block.put_u32(IN_PARTS);
                parts(&key::at(key::PART, unit, index), &body, &mut put);
            }
            Some(body) => put_body(&mut block, &body),
        }
    }
    if !block.is_empty() {
        put(sealed(unit, first, block));
    }
}

/// The block again, without the bodies of some entries.
pub(super) fn without_bodies(unit: &UnitId, first: u64, slots: &[Slot], erased: &BTreeSet<u64>) -> Write {
    let mut block = vec![0; SUM_BYTES];
    for (index, slot) in (first..).zip(slots) {
        put_leaf(&mut block, &slot.leaf);
        match &slot.body {
            Stored::Inline(body) if !erased.contains(&index) => put_body(&mut block, body),
            Stored::InParts if !erased.contains(&index) => block.put_u32(IN_PARTS),
            _ => block.put_u32(0),
        }
    }
    sealed(unit, first, block)
}

/// Opening and payload of a body, as kept.
pub(super) fn joined(body: &Body) -> Vec<u8> {
    [&body.opening, &body.payload[..]].concat()
}

/// The body that was [`joined`].
pub(super) fn parted(bytes: &Bytes) -> Option<Body> {
    let (opening, _) = bytes.split_first_chunk::<OPENING_BYTES>()?;
    Some(Body { opening: *opening, payload: bytes.slice(OPENING_BYTES..) })
}

fn slot_bytes(leaf: usize, body: usize) -> usize {
    leaf.saturating_add(body).saturating_add(5)
}

fn put_leaf(block: &mut Vec<u8>, leaf: &[u8]) {
    // At most 64 bytes, as checked when the entry was made.
    block.put_u8(u8::try_from(leaf.len()).unwrap_or(u8::MAX));
    block.put_slice(leaf);
}

fn put_body(block: &mut Vec<u8>, body: &[u8]) {
    // At most PARTED_BYTES_MAX, as checked when the entry was made.
    block.put_u32(u32::try_from(body.len()).unwrap_or(IN_PARTS));
    block.put_slice(body);
}

fn sealed(unit: &UnitId, first: u64, mut block: Vec<u8>) -> Write {
    let key = key::at(key::BLOCK, unit, first);
    let sum = checksum(&key, block.get(SUM_BYTES..).unwrap_or_default());
    for (to, from) in block.iter_mut().zip(sum.to_be_bytes()) {
        *to = from;
    }
    (key, block)
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(rest);
    sum.finalize()
}

/// One entry of a block, as stored.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) leaf: Bytes,
    pub(super) body: Stored,
}

/// Where a body is.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    /// Not in the block: missing, or filled in later.
    Absent,
    /// In the block.
    Inline(Bytes),
    /// In parts.
    InParts,
}

impl Slot {
    pub(super) fn leaf_hash(&self) -> Hash {
        Hash::leaf(&self.leaf)
    }
}

/// Reads a block. All slots share its memory.
pub(super) fn unpack(key: &[u8], value: &[u8]) -> Result<Vec<Slot>, &'static str> {
    let mut bytes = Bytes::copy_from_slice(value);
    let sum = bytes.try_get_u32().map_err(|_| "its block is too short")?;
    if checksum(key, &bytes) != sum {
        return Err("the checksum of its block does not match");
    }
    let mut slots = Vec::with_capacity(16);
    while !bytes.is_empty() {
        slots.push(slot(&mut bytes).ok_or("its block is malformed")?);
    }
    if slots.is_empty() { Err("its block is empty") } else { Ok(slots) }
}

fn slot(bytes: &mut Bytes) -> Option<Slot> {
    let leaf = usize::from(bytes.try_get_u8().ok()?);
    let leaf = (leaf <= LEAF_BYTES_MAX && leaf <= bytes.len()).then(|| bytes.split_to(leaf))?;
    let body = match bytes.try_get_u32().ok()? {
        0 => Stored::Absent,
        IN_PARTS => Stored::InParts,
        length => {
            let length = usize::try_from(length).ok()?;
            Stored::Inline((length <= bytes.len()).then(|| bytes.split_to(length))?)
        }
    };
    Some(Slot { leaf, body })
}

/// Cuts something long into parts under `key` with a byte after it.
pub(super) fn parts(key: &[u8], content: &[u8], put: &mut impl FnMut(Write)) {
    let mut bytes = Vec::with_capacity(content.len().saturating_add(8));
    // No caller passes more than PARTED_BYTES_MAX.
    bytes.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    bytes.put_u32(crc32fast::hash(content));
    bytes.put_slice(content);
    for (number, part) in (0..=u8::MAX).zip(bytes.chunks(PART_BYTES)) {
        put((part_key(key, number), part.to_vec()));
    }
}

/// The keys of all parts that something of this length has.
pub(super) fn part_keys(key: &[u8], content_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let count = content_bytes.saturating_add(8).div_ceil(PART_BYTES);
    (0..=u8::MAX).take(count).map(move |number| part_key(key, number))
}

/// Puts parts together again. `Ok(None)` if there is no first one.
pub(super) fn join_parts<E: From<&'static str>>(
    key: &[u8],
    mut get: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Bytes>, E> {
    let Some(first) = get(&part_key(key, 0))? else { return Ok(None) };
    let mut bytes = first;
    let length = bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
    let length = length.filter(|length| *length <= PARTED_BYTES_MAX).ok_or("its length is impossible")?;
    let total = length.saturating_add(8);
    for number in 1..=u8::MAX {
        if bytes.len() >= total {
            break;
        }
        bytes.extend(get(&part_key(key, number))?.ok_or("a part of it is missing")?);
    }
    let content = Bytes::from(bytes);
    let sum = content.get(4..8).and_then(|sum| sum.try_into().ok()).map(u32::from_be_bytes);
    if content.len() != total || sum != Some(crc32fast::hash(content.get(8..).unwrap_or_default())) {
        return Err("the checksum of its parts does not match".into());
    }
    Ok(Some(content.slice(8..)))
}

fn part_key(key: &[u8], number: u8) -> Vec<u8> {
    let mut key = key.to_vec();
    key.push(number);
    key
}

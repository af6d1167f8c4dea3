//! What the values are called: all keys of the one tree.
//!
//! One tree, because a batch is atomic within a tree only. Integers are big-endian, so that the keys of a log stand in
//! the order of its entries. `unit` is one byte with its length, then its id.
//!
//! | key | value |
//! |---|---|
//! | `f` | the format, the network and the unit, as text |
//! | `e` unit u64 | a block of entries, by the index of the first (see [`block`](super::block)) |
//! | `x` unit u64 u8 | opening and payload of an entry that stand outside its block, in parts |
//! | `1` unit u64 | the level-1 hash of a full bundle, by its number |
//! | `g` unit u64 | the body of this entry is missing; u64: the index of its `Erase` once that is settled, else empty |
//! | `h` unit kind u8 | a note, in parts |
//! | `s` 16 bytes | u64: the index that a submission was given |
//! | `a` unit u64 | this entry is an `Adopt` by its header |
//! | `r` unit 32 bytes | u64: the index of a `Revoke` of that unit that names this key (SHA-256 of an SPKI) |
//! | `w` unit u64 | u64: the index of the first `Erase` that names this entry, until that is settled |
//! | `z` | u64 u64: since when a scrub is due (Unix milliseconds), and how many bodies were deleted since the last |

use entente_proto::hash::Hash;
use entente_proto::ids::UnitId;

use super::{HeadKind, SubmissionId};

pub(super) const FORMAT: &[u8] = b"f";
pub(super) const BLOCK: u8 = b'e';
pub(super) const PART: u8 = b'x';
pub(super) const LEVEL1: u8 = b'1';
pub(super) const GAP: u8 = b'g';
pub(super) const WITHHELD: u8 = b'w';
pub(super) const REVOKED: u8 = b'r';
pub(super) const ADOPT: u8 = b'a';
pub(super) const SCRUB_DUE: &[u8] = b"z";
const HEAD: u8 = b'h';
const SUBMISSION: u8 = b's';

/// All keys of a kind in one log begin so.
pub(super) fn of_log(kind: u8, unit: &UnitId) -> Vec<u8> {
    let mut key = Vec::with_capacity(unit.as_str().len().saturating_add(11));
    key.push(kind);
    // At most 16 bytes by its type.
    key.push(u8::try_from(unit.as_str().len()).unwrap_or(u8::MAX));
    key.extend_from_slice(unit.as_str().as_bytes());
    key
}

pub(super) fn at(kind: u8, unit: &UnitId, number: u64) -> Vec<u8> {
    let mut key = of_log(kind, unit);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn revoked(unit: &UnitId, spki: &Hash) -> Vec<u8> {
    let mut key = of_log(REVOKED, unit);
    key.extend_from_slice(&spki.0);
    key
}

/// The hash in a key made by [`revoked`].
pub(super) fn spki(key: &[u8], unit: &UnitId) -> Option<Hash> {
    key.strip_prefix(of_log(REVOKED, unit).as_slice())?.try_into().ok().map(Hash)
}

pub(super) fn head(unit: &UnitId, kind: HeadKind) -> Vec<u8> {
    let mut key = of_log(HEAD, unit);
    key.push(match kind {
        HeadKind::Certified => b'c',
        HeadKind::Newest => b'n',
        HeadKind::Bridge => b'b',
        HeadKind::Fork => b'f',
    });
    key
}

pub(super) fn submission(id: &SubmissionId) -> Vec<u8> {
    let mut key = vec![SUBMISSION];
    key.extend_from_slice(id);
    key
}

/// The end of the keys of a kind in one log.
pub(super) fn end(kind: u8, unit: &UnitId) -> Vec<u8> {
    let mut key = at(kind, unit, u64::MAX);
    key.push(u8::MAX);
    key
}

/// The number at the end of a key that begins with `prefix`.
pub(super) fn number(key: &[u8], prefix: &[u8]) -> Option<u64> {
    key.strip_prefix(prefix)?.try_into().ok().map(u64::from_be_bytes)
}

/// The unit of a key made by [`at`].
pub(super) fn unit(key: &[u8]) -> Option<UnitId> {
    let (length, rest) = key.get(1..)?.split_first()?;
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?.parse().ok()
}

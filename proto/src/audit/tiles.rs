//! Tiles of hashes, and the nodes of a log whose files are at hand.

use crate::audit::{Files, Part, Unreadable, layout};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::BUNDLE_ENTRIES;
use crate::tree::{BUNDLE_LEVEL, CompactRange, NodeSource, ReadError, level1, range};

/// Longest tile of hashes, in bytes.
pub(super) const TILE_BYTES_MAX: usize = 256 * 32;

/// A tile's bytes: its hashes one after the other.
#[must_use]
pub fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile's bytes; nothing if there are not exactly so many.
pub(super) fn tile_hashes(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == usize::from(width)).then(|| hashes.iter().copied().map(Hash).collect())
}

/// The bytes of every tile above the leaf hashes of a log of this size, with these level-1 hashes of its full bundles: level,
/// number, width, bytes.
pub fn upper_tile_bytes(size: Size, level1: Vec<Hash>) -> impl Iterator<Item = (u32, u64, u16, Vec<u8>)> {
    let mut levels = vec![level1];
    while let Some(above) = levels.last().map(|below| above(below)).filter(|above| !above.is_empty()) {
        levels.push(above);
    }
    layout::upper_tiles(size).map(move |(level, number, width)| {
        let hashes = usize::try_from(level).ok().and_then(|level| levels.get(level.checked_sub(1)?));
        let from = usize::try_from(number.saturating_mul(BUNDLE_ENTRIES)).unwrap_or(usize::MAX);
        let of = hashes.into_iter().flatten().skip(from).take(width.into()).copied();
        (level, number, width, tile_bytes(&of.collect::<Vec<_>>()))
    })
}

/// The hashes over full tiles.
fn above(hashes: &[Hash]) -> Vec<Hash> {
    hashes.chunks(256).filter_map(|chunk| level1(chunk).ok()).collect()
}

/// The tree of a log: the hashes over its full bundles in memory, what lies below in its files.
#[derive(Debug)]
pub(super) struct LogTree<'a, F> {
    pub(super) files: &'a F,
    pub(super) unit: &'a UnitId,
    pub(super) size: Size,
    pub(super) level1: &'a [Hash],
}

impl<F: Files> LogTree<'_, F> {
    /// The root at a size up to its own.
    pub(super) fn root(&self, size: Size) -> Result<Hash, ReadError<Unreadable>> {
        Ok(range(self, Size::ZERO, size)?.root()?)
    }

    pub(super) fn leaves(&self, bundle: u64) -> Result<Vec<Hash>, Unreadable> {
        let rest = self.size.beyond(self.size.bundled());
        let width = if bundle < self.size.bundles() { BUNDLE_ENTRIES } else { rest };
        let width = u16::try_from(width).map_err(|_| Unreadable::Absent)?;
        let path = layout::part(self.unit, Part::Hashes, bundle, width);
        tile_hashes(&self.files.read(&path, TILE_BYTES_MAX)?, width).ok_or(Unreadable::Absent)
    }
}

impl<F: Files> NodeSource for LogTree<'_, F> {
    type Error = Unreadable;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Unreadable> {
        let (hashes, unit): (Vec<Hash>, u32) = if level >= BUNDLE_LEVEL {
            let above = level.saturating_sub(BUNDLE_LEVEL);
            (stretch(self.level1, index, above), BUNDLE_LEVEL)
        } else {
            let per_bundle = BUNDLE_LEVEL.saturating_sub(level);
            let leaves = self.leaves(index.checked_shr(per_bundle).unwrap_or(0))?;
            let within = index & 1_u64.checked_shl(per_bundle).unwrap_or(1).saturating_sub(1);
            (stretch(&leaves, within, level), 0)
        };
        let mut range = CompactRange::new(Size::ZERO);
        for hash in hashes {
            range.push_subtree(unit, hash).map_err(|_| Unreadable::Absent)?;
        }
        // Of a full subtree: one hash, which is its root.
        match range.hashes() {
            [root] => Ok(*root),
            _ => Err(Unreadable::Absent),
        }
    }
}

/// The `2^level` hashes from `index * 2^level` on.
fn stretch(hashes: &[Hash], index: u64, level: u32) -> Vec<Hash> {
    let count = 1_usize.checked_shl(level).unwrap_or(usize::MAX);
    let from = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(count);
    hashes.iter().skip(from).take(count).copied().collect()
}

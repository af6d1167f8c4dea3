//! Outlines: the level-1 hashes of a wanted range, proven under a checkpoint before any entry is taken.

use super::Fault;
use super::event::LeafHashes;
use super::frame::OutlineFrame;
use super::log::Log;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::tree::CompactRange;
use crate::wire;

/// The level of the root of a full bundle.
const BUNDLE_LEVEL: u32 = 8;

/// Level-1 hashes that lead to a checkpoint's root.
#[derive(Debug)]
pub(super) struct Outline {
    first: u64,
    hashes: Vec<Hash>,
}

impl Outline {
    /// The level-1 hash of a bundle, if it is in the range.
    pub(super) fn bundle(&self, number: u64) -> Option<Hash> {
        let at = number.checked_sub(self.first)?;
        self.hashes.get(usize::try_from(at).ok()?).copied()
    }

    /// Checks a partner's outline for the range `from .. end` against the checkpoint of size `under` with this root.
    pub(super) fn check(
        frame: OutlineFrame,
        log: &Log,
        (from, end, under): (Size, Size, Size),
        root: Hash,
        leaves: &impl LeafHashes,
    ) -> Result<Self, Fault> {
        let fault = || Fault::Outline(log.unit.clone());
        let count = end.bundles().saturating_sub(from.bundles());
        if frame.size != under || frame.first != from.bundles() || frame.hashes.len() as u64 != count {
            return Err(fault());
        }
        // What was taken reaches `from` at least to its bundle's beginning: wants are asked for in order. It may reach
        // further, if the author pushed meanwhile.
        let mut range = log.replica.stretch(Size::ZERO, from.bundled(), leaves).ok_or_else(fault)?;
        for hash in &frame.hashes {
            range.push_subtree(BUNDLE_LEVEL, *hash).map_err(|_| fault())?;
        }
        let rest = CompactRange::from_hashes(range.end(), under, frame.rest).map_err(|_| fault())?;
        range.append(&rest).map_err(|_| fault())?;
        match range.root() {
            Ok(found) if found == root => Ok(Self { first: frame.first, hashes: frame.hashes }),
            _ => Err(fault()),
        }
    }
}

/// The outline of a range that this node holds; nothing if it cannot be read.
pub(super) fn compose(
    log: &Log,
    unit: &UnitId,
    from: Size,
    end: Size,
    under: Size,
    leaves: &impl LeafHashes,
) -> Option<wire::Outline> {
    let hashes = match end.bundles() > from.bundles() {
        true => log.replica.level1(from.bundles(), end.bundles())?,
        false => &[],
    };
    let begin = from.bundled().max(end.bundled());
    let rest = log.replica.stretch(begin, under, leaves)?;
    let joined = |hashes: &[Hash]| hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
    Some(wire::Outline {
        unit: unit.to_string(),
        size: under.get(),
        first: from.bundles(),
        hashes: joined(hashes).into(),
        rest: joined(rest.hashes()).into(),
    })
}

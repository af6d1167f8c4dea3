//! A whole tree in memory.

use crate::hash::Hash;
use crate::ids::Size;
use crate::tree::{NodeSource, TreeError, range};

/// All full subtrees of a tree, held in memory: for auditors, who read a log whole, and for tests. 64 bytes a leaf.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    // Row by row, leaves first.
    rows: Vec<Vec<Hash>>,
}

/// A subtree that the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no full subtree {index} of level {level}")]
pub struct MissingNode {
    /// Its level.
    pub level: u32,
    /// Its index within the level.
    pub index: u64,
}

impl MemoryTree {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a leaf hash.
    ///
    /// # Errors
    /// [`TreeError::Size`] when the tree is full.
    pub fn push(&mut self, leaf_hash: Hash) -> Result<(), TreeError> {
        self.size().plus(1).map_err(|_| TreeError::Size(crate::limits::LOG_SIZE_END))?;
        self.grow(leaf_hash);
        Ok(())
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> Size {
        let leaves = self.rows.first().map_or(0, Vec::len);
        u64::try_from(leaves).ok().and_then(|leaves| Size::new(leaves).ok()).unwrap_or_default()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        range(self, Size::ZERO, self.size()).ok().and_then(|range| range.root().ok()).unwrap_or(Hash::EMPTY_ROOT)
    }

    fn grow(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        for row in &mut self.rows {
            row.push(hash);
            // The right one of two completes their parent.
            let (pairs, []) = row.as_chunks::<2>() else { return };
            let Some([left, right]) = pairs.last() else { return };
            hash = Hash::node(left, right);
        }
        self.rows.push(vec![hash]);
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        leaf_hashes.into_iter().for_each(|hash| tree.grow(hash));
        tree
    }
}

impl NodeSource for MemoryTree {
    type Error = MissingNode;

    fn node(&self, level: u32, index: u64) -> Result<Hash, MissingNode> {
        let row = usize::try_from(level).ok().and_then(|level| self.rows.get(level));
        let at = usize::try_from(index).ok();
        row.zip(at).and_then(|(row, at)| row.get(at)).copied().ok_or(MissingNode { level, index })
    }
}

//! The Merkle tree of a log, RFC 6962 section 2 (the same tree in RFC 9162 section 2.1).
//!
//! # Hashes
//!
//! The leaf at index *i* is the entry's header bytes, hashed as `SHA-256(0x00 || leaf)`; an inner node is
//! `SHA-256(0x01 || left || right)`; the root of the empty tree is `SHA-256("")`. The root of *n* > 1 leaves is the node
//! over the root of the first *k* and the root of the other *n - k*, where *k* is the largest power of two below *n*.
//! So every **full subtree** — the `2^level` leaves that begin at `index * 2^level` — keeps its hash for ever, and those
//! hashes are all that is stored. A subtree is named by its `(level, index)`; level 0 are the leaf hashes.
//!
//! # Compact ranges
//!
//! The leaves `begin..end` are stood for by the fewest full subtrees that cover exactly them, left to right: a
//! [`CompactRange`]. From a position *p* the next subtree is the widest that begins at *p* and ends by `end`: of level
//! `min(trailing zeros of p, floor(log2(end - p)))`, where 0 has endless trailing zeros ([`subtrees`]).
//! A range of fewer than 2^40 leaves has at most 78 of them. For example:
//!
//! ```text
//! 0..7    (level 2, index 0) (level 1, index 2) (level 0, index 6)       leaves 0-3, 4-5, 6
//! 5..11   (level 0, index 5) (level 1, index 3) (level 1, index 4) (level 0, index 10)
//! ```
//!
//! Ranges that touch join into one. A range from 0 yields the root: its hashes are folded from the right,
//! `node(h0, node(h1, h2))` for three of them.
//!
//! # Level-1 hashes
//!
//! A *bundle* is 256 entries; the hash of the full subtree over a full bundle `N` (leaves `256 N` to `256 N + 255`, level
//! 8, index `N`) is a level-1 hash of C2SP `tlog-tiles`. A node that holds `0..held` checks an
//! [`Outline`](crate::wire::Outline) against the root of a checkpoint so: its own range cut to full bundles
//! ([`CompactRange::bundled`]), then each level-1 hash as a subtree of level 8, then the `rest`, give the root.
//!
//! ```
//! use entente_proto::hash::Hash;
//! use entente_proto::ids::Size;
//! use entente_proto::tree::{BUNDLE_LEVEL, CompactRange, MemoryTree, level1, range};
//!
//! let leaves: Vec<Hash> = (0..700_u32).map(|n| Hash::leaf(&n.to_be_bytes())).collect();
//! let whole: MemoryTree = leaves.iter().copied().collect();
//!
//! // What the receiver holds, 300 leaves; what the sender says: bundle 1 and the tail behind bundle 1.
//! let held = range(&whole, Size::ZERO, Size::new(300)?)?;
//! let outline = [level1(&leaves[256..512])?];
//! let rest = range(&whole, Size::new(512)?, Size::new(700)?)?.hashes().to_vec();
//!
//! let mut claimed = held.bundled();
//! for hash in outline {
//!     claimed.push_subtree(BUNDLE_LEVEL, hash)?;
//! }
//! claimed.append(&CompactRange::from_hashes(Size::new(512)?, Size::new(700)?, rest)?)?;
//! assert_eq!(claimed.root()?, whole.root());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Proofs
//!
//! [`inclusion_proof`] and [`consistency_proof`] are those of RFC 9162 sections 2.1.3.1 and 2.1.4.1, checked by its
//! algorithms of sections 2.1.3.2 and 2.1.4.2. A proof is a list of 32-byte hashes, lowest level first. It speaks about
//! a root *of the given size*: the size is not hashed into the root, so both must come from one checkpoint.
//!
//! Two checkpoints contradict each other where the larger one's tree has another root at the smaller one's size. Whoever
//! shows that cannot let the verifier take the smaller root for granted, as a consistency proof does where that tree is a
//! single subtree: [`consistency_path`] carries it, [`consistency_roots`] computes both roots.
//!
//! Limits: sizes stay below 2^40 ([`LOG_SIZE_END`]), so levels stay below 40, an inclusion proof has at most 40 hashes
//! and a consistency proof, or path, at most 41.

mod memory;
mod proof;
mod range;

pub use memory::{MemoryTree, MissingNode};
pub use proof::{
    ProofError, consistency_path, consistency_proof, consistency_roots, inclusion_proof, verify_consistency,
    verify_inclusion,
};
pub use range::{CompactRange, subtrees};

use crate::hash::Hash;
use crate::ids::Size;
use crate::limits::{BUNDLE_ENTRIES, LOG_SIZE_END};

/// The level of the subtree over a full bundle: 256 is 2^8.
pub const BUNDLE_LEVEL: u32 = 8;

/// What cannot be a part of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A range that ends before it begins.
    #[error("the range {begin}..{end} ends before it begins")]
    Backwards {
        /// Its first index.
        begin: u64,
        /// The index after its last.
        end: u64,
    },
    /// A compact range with too few or too many hashes.
    #[error("the compact range {begin}..{end} has {expected} hashes, not {found}")]
    HashCount {
        /// Its first index.
        begin: u64,
        /// The index after its last.
        end: u64,
        /// How many subtrees cover it.
        expected: usize,
        /// How many hashes were given.
        found: usize,
    },
    /// A subtree that cannot stand where the range ends.
    #[error("a subtree of level {level} cannot begin at {end}: its index must be a multiple of 2^{level}")]
    Unaligned {
        /// The end of the range.
        end: u64,
        /// The level of the subtree.
        level: u32,
    },
    /// A level that no tree has.
    #[error("there is no level {0}: a log has fewer than 2^40 entries")]
    Level(u32),
    /// A size that no tree has.
    #[error("a tree of {0} leaves is too large: a log has fewer than 2^40 entries")]
    Size(u64),
    /// Two ranges that do not touch.
    #[error("a range that begins at {begin} cannot follow one that ends at {end}")]
    Apart {
        /// The end of the range on the left.
        end: u64,
        /// The beginning of the range on the right.
        begin: u64,
    },
    /// A root was asked of a range that does not begin at 0.
    #[error("a range that begins at {0} has no root: only one from 0 has")]
    NotFromStart(u64),
    /// A bundle that is not full.
    #[error("a level-1 hash is over 256 leaf hashes, not {0}")]
    BundleWidth(usize),
    /// A leaf that the tree does not have.
    #[error("the leaf {index} is not in a tree of {size}")]
    Index {
        /// The index asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
}

/// Why a range or a proof could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// What was asked for cannot exist.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The source did not give a node.
    #[error("a node of the tree could not be read: {0}")]
    Source(E),
}

/// Gives the hashes of full subtrees, such as a store does.
pub trait NodeSource {
    /// Why a hash could not be given.
    type Error;

    /// The hash of the full subtree of `2^level` leaves that begins at leaf `index * 2^level`. Only subtrees within the
    /// size that the caller speaks of are asked for.
    ///
    /// # Errors
    /// When the source does not hold the subtree, or cannot read it.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Reads the compact range over the leaves `begin..end`.
///
/// # Errors
/// [`TreeError::Backwards`], or what the source says.
pub fn range<S: NodeSource + ?Sized>(source: &S, begin: Size, end: Size) -> Result<CompactRange, ReadError<S::Error>> {
    let hashes = subtrees(begin, end)
        .map(|(level, index)| source.node(level, index).map_err(ReadError::Source))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CompactRange::from_hashes(begin, end, hashes)?)
}

/// The level-1 hash of a full bundle: the root over exactly 256 leaf hashes.
///
/// # Errors
/// [`TreeError::BundleWidth`] for any other number.
pub fn level1(leaf_hashes: &[Hash]) -> Result<Hash, TreeError> {
    let width = leaf_hashes.len();
    if u64::try_from(width) != Ok(BUNDLE_ENTRIES) {
        return Err(TreeError::BundleWidth(width));
    }
    let mut row = parents(leaf_hashes);
    while row.len() > 1 {
        row = parents(&row);
    }
    row.first().copied().ok_or(TreeError::BundleWidth(width))
}

/// The nodes above a row of an even number of nodes.
fn parents(row: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = row.as_chunks::<2>();
    pairs.iter().map(|[left, right]| Hash::node(left, right)).collect()
}

/// How many leaves a full subtree has.
fn width(level: u32) -> Result<u64, TreeError> {
    1_u64.checked_shl(level).filter(|width| *width < LOG_SIZE_END).ok_or(TreeError::Level(level))
}

#[cfg(test)]
mod tests;

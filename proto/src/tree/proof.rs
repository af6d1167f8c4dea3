//! Inclusion and consistency proofs, RFC 9162 sections 2.1.3 and 2.1.4.

use crate::hash::Hash;
use crate::ids::Size;
use crate::tree::range::fold;
use crate::tree::{NodeSource, ReadError, TreeError, subtrees};

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies beyond the tree.
    #[error("the leaf {index} cannot be in a tree of {size}")]
    Index {
        /// The leaf's index.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {new} leaves cannot extend one of {old}")]
    Shrinks {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// Too few hashes.
    #[error("the proof has too few hashes")]
    Short,
    /// Too many hashes.
    #[error("the proof has too many hashes")]
    Long,
    /// The proof, or the leaf, does not belong to the root.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The proof does not lead to the root of the older tree.
    #[error("the proof does not lead to the root of the older tree")]
    OldRoot,
}

/// Proves that a tree of `size` leaves has the leaf `index`: the siblings on the way from the leaf to the root, lowest
/// first (RFC 9162 section 2.1.3.1).
///
/// # Errors
/// [`TreeError::Index`] if the tree has no such leaf, or what the source says.
pub fn inclusion_proof<S: NodeSource + ?Sized>(
    source: &S,
    index: u64,
    size: Size,
) -> Result<Vec<Hash>, ReadError<S::Error>> {
    if index >= size.get() {
        return Err(TreeError::Index { index, size: size.get() }.into());
    }
    let (mut begin, mut end) = (0, size.get());
    let mut proof = Vec::new();
    while let Some(middle) = split(begin, end) {
        if index < middle {
            proof.push(subroot(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subroot(source, begin, middle)?);
            begin = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 section 2.1.4.1). The proof is
/// empty where the sizes are equal, and where `old` is 0, since every tree extends the empty one.
///
/// # Errors
/// [`TreeError::Backwards`] if `new` is smaller than `old`, or what the source says.
pub fn consistency_proof<S: NodeSource + ?Sized>(
    source: &S,
    old: Size,
    new: Size,
) -> Result<Vec<Hash>, ReadError<S::Error>> {
    let old = old.get();
    let (mut begin, mut end) = (0, new.get());
    if old > end {
        return Err(TreeError::Backwards { begin: old, end }.into());
    }
    let mut proof = Vec::new();
    if old == 0 {
        return Ok(proof);
    }
    // Invariant: begin < old <= end, so a split is possible until old == end.
    while old != end {
        let Some(middle) = split(begin, end) else { break };
        if old <= middle {
            proof.push(subroot(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subroot(source, begin, middle)?);
            begin = middle;
        }
    }
    // Whoever verifies knows the root of the old tree, but not of a part of it.
    if begin != 0 {
        proof.push(subroot(source, begin, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Verifies that the tree of `size` leaves with this `root` has the leaf hash `leaf_hash` at `index` (RFC 9162 section
/// 2.1.3.2). Size and root must come from one checkpoint: the root does not fix the size.
///
/// # Errors
/// [`ProofError`] for every proof but the one that [`inclusion_proof`] gives.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: Size,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let last = size.get().checked_sub(1).filter(|last| index <= *last);
    let Some(last) = last else { return Err(ProofError::Index { index, size: size.get() }) };
    let mut climb = Climb { node: index, last };
    let mut found = *leaf_hash;
    for sibling in proof {
        found = match climb.side()? {
            Side::Left => Hash::node(sibling, &found),
            Side::Right => Hash::node(&found, sibling),
        };
    }
    climb.arrived()?;
    if found == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Verifies that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with `old_root` (RFC 9162
/// section 2.1.4.2). Equal sizes need equal roots, and the empty tree its own root; both have an empty proof.
///
/// # Errors
/// [`ProofError`] for every proof but the one that [`consistency_proof`] gives.
pub fn verify_consistency(
    old: Size,
    old_root: &Hash,
    new: Size,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrinks { old: old.get(), new: new.get() });
    }
    if old == Size::ZERO || old == new {
        return verify_trivially(old, old_root, new, new_root, proof);
    }

    // Step 2: a tree of a power of two is one subtree, whose hash the proof leaves out.
    let (start, rest) =
        if old.get().is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Short)? };
    let (found_old, found_new) = climb_both(old, new, *start, rest)?;
    match (found_old == *old_root, found_new == *new_root) {
        (true, true) => Ok(()),
        (false, _) => Err(ProofError::OldRoot),
        (true, false) => Err(ProofError::Root),
    }
}

/// As [`consistency_proof`], for somebody who does not know the root of the older tree: the proof after step 2 of RFC 9162
/// section 2.1.4.2. Where `old` is a power of two, that root stands before the hashes, which the proof leaves out otherwise.
///
/// # Errors
/// [`TreeError::Backwards`] unless `old` is at least 1 and smaller than `new`, or what the source says.
pub fn consistency_path<S: NodeSource + ?Sized>(
    source: &S,
    old: Size,
    new: Size,
) -> Result<Vec<Hash>, ReadError<S::Error>> {
    if old == Size::ZERO || old >= new {
        return Err(TreeError::Backwards { begin: old.get(), end: new.get() }.into());
    }
    let mut path = consistency_proof(source, old, new)?;
    if old.get().is_power_of_two() {
        path.insert(0, subroot(source, 0, old.get())?);
    }
    Ok(path)
}

/// The roots of the trees of `old` and of `new` leaves that a [path](consistency_path) leads to. The first is what the tree
/// with the second one has at `old`, and nothing else.
///
/// # Errors
/// [`ProofError`] if `old` is 0 or not smaller than `new`, or the path has not as many hashes as the sizes ask for.
pub fn consistency_roots(old: Size, new: Size, path: &[Hash]) -> Result<(Hash, Hash), ProofError> {
    if old == Size::ZERO || old >= new {
        return Err(ProofError::Shrinks { old: old.get(), new: new.get() });
    }
    let (start, rest) = path.split_first().ok_or(ProofError::Short)?;
    climb_both(old, new, *start, rest)
}

/// Steps 3 to 6: from the largest subtree that ends with the old tree's last leaf up to both roots.
fn climb_both(old: Size, new: Size, start: Hash, rest: &[Hash]) -> Result<(Hash, Hash), ProofError> {
    if rest.is_empty() {
        return Err(ProofError::Short);
    }
    let mut climb = Climb { node: old.get().saturating_sub(1), last: new.get().saturating_sub(1) };
    while climb.node & 1 == 1 {
        climb.up();
    }
    let (mut found_old, mut found_new) = (start, start);
    for sibling in rest {
        match climb.side()? {
            Side::Left => {
                found_old = Hash::node(sibling, &found_old);
                found_new = Hash::node(sibling, &found_new);
            }
            Side::Right => found_new = Hash::node(&found_new, sibling),
        }
    }
    climb.arrived()?;
    Ok((found_old, found_new))
}

fn verify_trivially(old: Size, old_root: &Hash, new: Size, new_root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::Long);
    }
    if old == Size::ZERO && *old_root != Hash::EMPTY_ROOT {
        return Err(ProofError::OldRoot);
    }
    if old == new && old_root != new_root {
        return Err(ProofError::Root);
    }
    Ok(())
}

/// Where the sibling stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: `fn` and `sn` of the RFC.
struct Climb {
    // The index of the node within its level.
    node: u64,
    // The index of the last node of the level.
    last: u64,
}

impl Climb {
    /// On which side the next hash of the proof stands; climbs to their parent.
    fn side(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Long);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level has no sibling while its index is even: it moves up as it is.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn arrived(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Short) }
    }
}

/// Where the leaves `begin..end` part: after the largest power of two that is smaller than their number; `None` for a
/// single leaf.
fn split(begin: u64, end: u64) -> Option<u64> {
    let level = end.checked_sub(begin)?.checked_sub(1)?.checked_ilog2()?;
    begin.checked_add(1_u64.checked_shl(level)?)
}

/// The root over the leaves `begin..end` of one side of a split.
fn subroot<S: NodeSource + ?Sized>(source: &S, begin: u64, end: u64) -> Result<Hash, ReadError<S::Error>> {
    let size = |value| Size::new(value).map_err(|_| TreeError::Size(value));
    let hashes = subtrees(size(begin)?, size(end)?)
        .map(|(level, index)| source.node(level, index).map_err(ReadError::Source))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(fold(&hashes).unwrap_or(Hash::EMPTY_ROOT))
}

//! The tree against `tlog_tiles`, a port of Go's `golang.org/x/mod/sumdb/tlog`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::tree::{
    BUNDLE_LEVEL, MemoryTree, NodeSource, consistency_proof, inclusion_proof, level1, range, verify_consistency,
    verify_inclusion,
};
use tlog_tiles::{Error, Hash as TheirHash, HashReader, Tile};

const SMALL: u64 = 40;

/// Their storage: every complete subtree's hash, in the order in which they complete.
struct Stored(Vec<TheirHash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, Error> {
        Ok(indexes.iter().map(|at| self.0[*at as usize]).collect())
    }
}

fn leaf(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn ours(leaves: u64) -> MemoryTree {
    (0..leaves).map(|n| Hash::leaf(&leaf(n))).collect()
}

fn theirs(leaves: u64) -> Stored {
    let mut stored = Stored(Vec::new());
    for n in 0..leaves {
        let new = tlog_tiles::stored_hashes(n, &leaf(n), &stored).unwrap();
        stored.0.extend(new);
    }
    stored
}

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

fn their(hash: Hash) -> TheirHash {
    TheirHash(hash.0)
}

fn root(tree: &MemoryTree, of: u64) -> Hash {
    range(tree, Size::ZERO, size(of)).unwrap().root().unwrap()
}

#[test]
fn leaves_nodes_and_roots_are_theirs() {
    let (ours, theirs) = (ours(600), theirs(600));
    assert_eq!(TheirHash(Hash::EMPTY_ROOT.0), tlog_tiles::EMPTY_HASH);
    assert_eq!(their(Hash::leaf(b"leaf")), tlog_tiles::record_hash(b"leaf"));
    let (left, right) = (Hash::of(b"left"), Hash::of(b"right"));
    assert_eq!(their(Hash::node(&left, &right)), tlog_tiles::node_hash(their(left), their(right)));
    for of in 0..=600 {
        assert_eq!(their(root(&ours, of)), tlog_tiles::tree_hash(of, &theirs).unwrap(), "{of}");
    }
}

#[test]
fn inclusion_proofs_are_theirs_and_accepted_alike_at_every_index_and_size() {
    let (ours, theirs) = (ours(SMALL), theirs(SMALL));
    for of in 1..=SMALL {
        let root_of = root(&ours, of);
        for index in 0..of {
            let proof = inclusion_proof(&ours, index, size(of)).unwrap();
            let as_theirs: Vec<TheirHash> = proof.iter().copied().map(their).collect();
            assert_eq!(as_theirs, tlog_tiles::prove_record(of, index, &theirs).unwrap());
            // Under other sizes and at other indexes with the same root: whatever they say, we say.
            let hash = Hash::leaf(&leaf(index));
            for claimed in 0..=SMALL {
                for at in [index, index ^ 1, index + 1, index / 2] {
                    let we = verify_inclusion(&hash, at, size(claimed), &root_of, &proof).is_ok();
                    let they = tlog_tiles::check_record(&as_theirs, claimed, their(root_of), at, their(hash)).is_ok();
                    assert_eq!(we, they, "{index} of {of} as {at} of {claimed}");
                    // The root does not fix the size; with the size it does fix the index.
                    assert!(!we || at == index || claimed != of);
                }
            }
        }
    }
}

#[test]
fn consistency_proofs_are_theirs_and_accepted_alike_at_every_pair_of_sizes() {
    let (ours, theirs) = (ours(SMALL), theirs(SMALL));
    for new in 1..=SMALL {
        for old in 1..=new {
            let (old_root, new_root) = (root(&ours, old), root(&ours, new));
            let proof = consistency_proof(&ours, size(old), size(new)).unwrap();
            let as_theirs: Vec<TheirHash> = proof.iter().copied().map(their).collect();
            assert_eq!(as_theirs, tlog_tiles::prove_tree(new, old, &theirs).unwrap());
            for from in 1..=SMALL {
                for to in from..=SMALL {
                    let we = verify_consistency(size(from), &old_root, size(to), &new_root, &proof).is_ok();
                    let they = tlog_tiles::check_tree(&as_theirs, to, their(new_root), from, their(old_root)).is_ok();
                    assert_eq!(we, they, "{old} to {new} as {from} to {to}");
                }
            }
        }
    }
}

#[test]
fn level_1_hashes_are_those_of_their_tiles() {
    let (ours, theirs) = (ours(600), theirs(600));
    for bundle in 0..2 {
        let leaves: Vec<Hash> = (0..256).map(|n| Hash::leaf(&leaf(bundle * 256 + n))).collect();
        let tile = Tile::new(8, 0, bundle, 256, false).read_data(&theirs).unwrap();
        assert_eq!(tile, leaves.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        let hash = level1(&leaves).unwrap();
        assert_eq!(their(hash), Tile::subtree_hash(&tile));
        assert_eq!(hash, ours.node(BUNDLE_LEVEL, bundle).unwrap());
    }
    let level_1 = Tile::new(8, 1, 0, 2, false).read_data(&theirs).unwrap();
    let as_ours: Vec<u8> = (0..2).flat_map(|bundle| ours.node(BUNDLE_LEVEL, bundle).unwrap().0).collect();
    assert_eq!(level_1, as_ours);
}

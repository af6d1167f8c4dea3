//! The Merkle tree: roots, level-1 hashes, proofs. The leaf at index *i* is the eight bytes of *i*, big-endian.

use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::tree::{
    BUNDLE_LEVEL, CompactRange, MemoryTree, consistency_proof, inclusion_proof, level1, range, verify_consistency,
    verify_inclusion,
};
use serde_json::{Value, json};

use crate::files::Files;

const SIZES: [u64; 26] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 31, 33, 127, 255, 256, 257, 511, 512, 513, 700, 1_000, 1_024];
const INCLUSION: [(u64, u64); 16] = [
    (0, 1),
    (0, 2),
    (1, 2),
    (2, 3),
    (0, 7),
    (3, 7),
    (6, 7),
    (0, 8),
    (7, 8),
    (255, 256),
    (256, 257),
    (255, 257),
    (300, 700),
    (699, 700),
    (0, 1_000),
    (1_023, 1_024),
];
const CONSISTENCY: [(u64, u64); 14] = [
    (1, 2),
    (1, 3),
    (2, 3),
    (3, 7),
    (4, 7),
    (6, 8),
    (7, 8),
    (8, 8),
    (255, 256),
    (256, 257),
    (256, 700),
    (300, 700),
    (511, 1_000),
    (512, 1_024),
];

fn hashes(of: &[Hash]) -> Vec<String> {
    of.iter().map(Hash::to_string).collect()
}

pub(crate) fn files() -> Files {
    let leaves: Vec<Hash> = (0..1_024_u64).map(|n| Hash::leaf(&n.to_be_bytes())).collect();
    let tree: MemoryTree = leaves.iter().copied().collect();
    let to = |size| Size::new(size).unwrap();
    let root = |size| range(&tree, Size::ZERO, to(size)).unwrap().root().unwrap();
    let roots: Vec<Value> = SIZES.iter().map(|size| json!({ "size": size, "root": root(*size).to_string() })).collect();
    let bundles: Vec<Hash> = leaves.chunks_exact(256).map(|bundle| level1(bundle).unwrap()).collect();

    let inclusion = INCLUSION.iter().map(|(index, size)| {
        let proof = inclusion_proof(&tree, *index, to(*size)).unwrap();
        let leaf = &leaves[usize::try_from(*index).unwrap()];
        verify_inclusion(leaf, *index, to(*size), &root(*size), &proof).unwrap();
        json!({ "index": index, "size": size, "proof": hashes(&proof) })
    });
    let consistency = CONSISTENCY.iter().map(|(old, new)| {
        let proof = consistency_proof(&tree, to(*old), to(*new)).unwrap();
        verify_consistency(to(*old), &root(*old), to(*new), &root(*new), &proof).unwrap();
        json!({ "old": old, "new": new, "proof": hashes(&proof) })
    });
    // The outline of 700 entries for somebody who holds 300, as in the documentation of `tree`.
    let rest = range(&tree, to(512), to(700)).unwrap();
    let mut claimed = range(&tree, Size::ZERO, to(300)).unwrap().bundled();
    claimed.push_subtree(BUNDLE_LEVEL, bundles[1]).unwrap();
    claimed.append(&CompactRange::from_hashes(to(512), to(700), rest.hashes().to_vec()).unwrap()).unwrap();
    assert_eq!(claimed.root().unwrap(), root(700));

    let mut files = Files::default();
    files.put_json(
        "tree.json",
        &json!({
            "roots": roots,
            "level1": hashes(&bundles),
            "inclusion": inclusion.collect::<Vec<_>>(),
            "consistency": consistency.collect::<Vec<_>>(),
            "outline": {
                "held": 300,
                "size": 700,
                "level1": hashes(&bundles[1..2]),
                "rest": hashes(rest.hashes()),
            },
        }),
    );
    files
}

use proptest::prelude::{Strategy, any};
use proptest::{prop_assert_eq, proptest};

use super::*;

mod published;

/// Every tree up to this size is tried.
const SMALL: u64 = 64;

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

fn tree(leaves: u64) -> MemoryTree {
    (0..leaves).map(leaf).collect()
}

/// The root by the definition of RFC 6962 section 2.1.
fn root_by_definition(leaf_hashes: &[Hash]) -> Hash {
    match leaf_hashes {
        [] => Hash::of(b""),
        [hash] => *hash,
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            Hash::node(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

fn roots_by_definition() -> Vec<Hash> {
    let leaves: Vec<Hash> = (0..SMALL).map(leaf).collect();
    (0..=leaves.len()).map(|n| root_by_definition(&leaves[..n])).collect()
}

fn altered(hash: &Hash) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[7] ^= 0x10;
    Hash(bytes)
}

/// A proof with one hash altered, missing, doubled or swapped with its neighbour, or with one too many.
fn altered_proofs(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[Hash::EMPTY_ROOT]].concat(), [&[Hash::EMPTY_ROOT], proof].concat()];
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at] = altered(&proof[at]);
        all.push(other);
        let mut other = proof.to_vec();
        other.remove(at);
        all.push(other);
        let mut other = proof.to_vec();
        other.insert(at, proof[at]);
        all.push(other);
        if at > 0 {
            let mut other = proof.to_vec();
            other.swap(at - 1, at);
            all.push(other);
        }
    }
    all
}

mod ranges {
    use super::*;

    #[test]
    fn every_small_tree_has_the_root_of_the_definition() {
        let roots = roots_by_definition();
        let mut grown = CompactRange::new(Size::ZERO);
        assert_eq!(grown.root(), Ok(Hash::EMPTY_ROOT));
        for leaves in 1..=SMALL {
            grown.push_leaf(leaf(leaves - 1)).unwrap();
            assert_eq!(grown.root(), Ok(roots[leaves as usize]));
            assert_eq!(tree(leaves).root(), roots[leaves as usize]);
            assert_eq!(tree(leaves).size(), size(leaves));
        }
    }

    #[test]
    fn a_range_is_covered_by_the_fewest_full_subtrees() {
        let list = |begin, end| subtrees(size(begin), size(end)).collect::<Vec<_>>();
        assert_eq!(list(0, 7), [(2, 0), (1, 2), (0, 6)]);
        assert_eq!(list(5, 11), [(0, 5), (1, 3), (1, 4), (0, 10)]);
        assert_eq!(list(3, 3), []);
        assert_eq!(list(4, 3), []);
        assert_eq!(list(1, LOG_SIZE_END - 1).len(), 78);
        for begin in 0..=SMALL {
            for end in begin..=SMALL {
                let mut at = begin;
                let parts = list(begin, end);
                for (level, index) in &parts {
                    assert_eq!(index << level, at);
                    at += 1 << level;
                }
                assert_eq!(at, end);
                // Fewest: no two neighbours are the halves of one full subtree.
                for pair in parts.windows(2) {
                    assert!(!(pair[0].0 == pair[1].0 && pair[0].1 % 2 == 0), "{begin}..{end}");
                }
            }
        }
    }

    #[test]
    fn growing_by_leaves_reading_and_joining_give_the_same_range() {
        let whole = tree(SMALL);
        for begin in 0..=SMALL {
            let mut grown = CompactRange::new(size(begin));
            for end in begin..=SMALL {
                let read = range(&whole, size(begin), size(end)).unwrap();
                assert_eq!(grown, read, "{begin}..{end}");
                for middle in begin..=end {
                    let mut joined = range(&whole, size(begin), size(middle)).unwrap();
                    joined.append(&range(&whole, size(middle), size(end)).unwrap()).unwrap();
                    assert_eq!(joined, read, "{begin}..{middle}..{end}");
                }
                grown.push_leaf(leaf(end)).unwrap();
            }
        }
    }

    #[test]
    fn a_subtree_goes_only_where_it_is_aligned() {
        let whole = tree(SMALL);
        for begin in 0..SMALL {
            for end in begin..SMALL {
                for level in 0..=4 {
                    let mut grown = range(&whole, size(begin), size(end)).unwrap();
                    let before = grown.clone();
                    let aligned = end % (1 << level) == 0;
                    let Ok(hash) = whole.node(level, end >> level) else { continue };
                    let pushed = grown.push_subtree(level, hash);
                    if aligned {
                        assert_eq!(grown, range(&whole, size(begin), size(end + (1 << level))).unwrap());
                    } else {
                        assert_eq!(pushed, Err(TreeError::Unaligned { end, level }));
                        assert_eq!(grown, before);
                    }
                }
            }
        }
    }

    #[test]
    fn a_range_takes_exactly_its_number_of_hashes() {
        for begin in 0..=20 {
            for end in begin..=40 {
                let expected = subtrees(size(begin), size(end)).count();
                for found in 0..=expected + 2 {
                    let taken = CompactRange::from_hashes(size(begin), size(end), vec![leaf(0); found]);
                    if found == expected {
                        assert_eq!(taken.unwrap().hashes().len(), found);
                    } else {
                        assert_eq!(taken, Err(TreeError::HashCount { begin, end, expected, found }));
                    }
                }
            }
        }
        let backwards = CompactRange::from_hashes(size(5), size(4), Vec::new());
        assert_eq!(backwards, Err(TreeError::Backwards { begin: 5, end: 4 }));
        assert_eq!(range(&tree(9), size(5), size(4)), Err(TreeError::Backwards { begin: 5, end: 4 }.into()));
    }

    #[test]
    fn ranges_that_do_not_touch_do_not_join() {
        let whole = tree(20);
        let left = range(&whole, size(0), size(7)).unwrap();
        for begin in [0, 6, 8] {
            let mut joined = left.clone();
            let right = range(&whole, size(begin), size(20)).unwrap();
            assert_eq!(joined.append(&right), Err(TreeError::Apart { end: 7, begin }));
            assert_eq!(joined, left);
        }
    }

    #[test]
    fn only_a_range_from_the_start_has_a_root() {
        assert_eq!(CompactRange::new(size(8)).root(), Err(TreeError::NotFromStart(8)));
    }

    #[test]
    fn a_full_tree_grows_no_further() {
        let last = size(LOG_SIZE_END - 1);
        let hashes = vec![leaf(0); 40];
        let full = CompactRange::from_hashes(Size::ZERO, last, hashes).unwrap();
        let mut grown = full.clone();
        assert_eq!(grown.push_leaf(leaf(0)), Err(TreeError::Size(LOG_SIZE_END)));
        assert_eq!(grown, full);
        let mut empty = CompactRange::new(Size::ZERO);
        for level in [40, 63, 64, u32::MAX] {
            assert_eq!(empty.push_subtree(level, leaf(0)), Err(TreeError::Level(level)));
        }
        let mut half = CompactRange::new(size(1 << 39));
        assert_eq!(half.push_subtree(39, leaf(0)), Err(TreeError::Size(LOG_SIZE_END)));
    }

    #[test]
    fn a_missing_node_is_named() {
        let missing = MissingNode { level: 2, index: 1 };
        assert_eq!(range(&tree(6), Size::ZERO, size(8)), Err(ReadError::Source(MissingNode { level: 3, index: 0 })));
        assert_eq!(tree(6).node(2, 1), Err(missing));
        assert_eq!(inclusion_proof(&tree(6), 0, size(8)), Err(ReadError::Source(missing)));
    }

    fn lengths() -> impl Strategy<Value = (u64, u64, u64)> {
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c)| {
            let mut at = [u64::from(a), u64::from(b), u64::from(c)];
            at.sort_unstable();
            (at[0], at[1], at[2])
        })
    }

    /// A tree in which every subtree has a hash of its own that follows from its children's, without holding them:
    /// all leaves are alike.
    struct Uniform;

    impl NodeSource for Uniform {
        type Error = MissingNode;

        fn node(&self, level: u32, _: u64) -> Result<Hash, MissingNode> {
            Ok((0..level).fold(leaf(0), |hash, _| Hash::node(&hash, &hash)))
        }
    }

    proptest! {
        #[test]
        fn large_ranges_join_too((begin, middle, end) in lengths()) {
            let mut joined = range(&Uniform, size(begin), size(middle)).unwrap();
            joined.append(&range(&Uniform, size(middle), size(end)).unwrap()).unwrap();
            prop_assert_eq!(joined, range(&Uniform, size(begin), size(end)).unwrap());
        }

        #[test]
        fn proofs_in_large_trees_verify((index, old, new) in lengths()) {
            let (old, new) = (size(old + 1), size(new + 1));
            let root = |of| range(&Uniform, Size::ZERO, of).unwrap().root().unwrap();
            let proof = inclusion_proof(&Uniform, index, new).unwrap();
            prop_assert_eq!(verify_inclusion(&leaf(0), index, new, &root(new), &proof), Ok(()));
            let proof = consistency_proof(&Uniform, old, new).unwrap();
            prop_assert_eq!(verify_consistency(old, &root(old), new, &root(new), &proof), Ok(()));
        }
    }
}

mod bundles {
    use super::*;

    #[test]
    fn a_level_1_hash_is_the_root_over_a_full_bundle() {
        let leaves: Vec<Hash> = (0..256).map(leaf).collect();
        assert_eq!(level1(&leaves), Ok(root_by_definition(&leaves)));
        assert_eq!(level1(&leaves), Ok(tree(300).node(BUNDLE_LEVEL, 0).unwrap()));
        for width in [0, 1, 128, 255] {
            assert_eq!(level1(&leaves[..width]), Err(TreeError::BundleWidth(width)));
        }
        assert_eq!(level1(&vec![leaf(0); 512]), Err(TreeError::BundleWidth(512)));
    }

    #[test]
    fn a_range_cut_to_bundles_is_the_range_up_to_the_last_boundary() {
        let whole = tree(1_030);
        for begin in [0, 1, 255, 256, 257, 511, 512, 700, 1_024] {
            for end in begin..=1_030 {
                let cut = range(&whole, size(begin), size(end)).unwrap().bundled();
                let to = (end & !255).max(begin);
                assert_eq!(cut, range(&whole, size(begin), size(to)).unwrap(), "{begin}..{end}");
            }
        }
    }

    #[test]
    fn an_outline_leads_from_what_is_held_to_the_root() {
        let whole = tree(1_030);
        for held in (0..=1_030).step_by(103) {
            let mut claimed = range(&whole, Size::ZERO, size(held)).unwrap().bundled();
            for bundle in claimed.end().bundles()..4 {
                claimed.push_subtree(BUNDLE_LEVEL, whole.node(BUNDLE_LEVEL, bundle).unwrap()).unwrap();
            }
            claimed.append(&range(&whole, size(1_024), size(1_030)).unwrap()).unwrap();
            assert_eq!(claimed.root(), Ok(whole.root()));
        }
    }
}

mod proofs {
    use super::*;

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_and_nothing_else() {
        let roots = roots_by_definition();
        let whole = tree(SMALL);
        for leaves in 1..=SMALL {
            let root = &roots[leaves as usize];
            let of = size(leaves);
            for index in 0..leaves {
                let proof = inclusion_proof(&whole, index, of).unwrap();
                let verify = |leaf_hash: &Hash, index, of, root: &Hash, proof: &[Hash]| {
                    verify_inclusion(leaf_hash, index, of, root, proof)
                };
                assert_eq!(verify(&leaf(index), index, of, root, &proof), Ok(()));
                assert_eq!(verify(&altered(&leaf(index)), index, of, root, &proof), Err(ProofError::Root));
                assert_eq!(verify(&leaf(index), index, of, &altered(root), &proof), Err(ProofError::Root));
                for other in (0..leaves).filter(|other| *other != index) {
                    assert!(verify(&leaf(index), other, of, root, &proof).is_err(), "{index} as {other} of {leaves}");
                }
                for beyond in [leaves, leaves + 1, u64::MAX] {
                    let error = ProofError::Index { index: beyond, size: leaves };
                    assert_eq!(verify(&leaf(index), beyond, of, root, &proof), Err(error));
                }
                // Under another size's own root.
                for other in (1..=SMALL).filter(|other| *other != leaves) {
                    let other_root = &roots[other as usize];
                    assert!(verify(&leaf(index), index, size(other), other_root, &proof).is_err());
                }
                for bad in altered_proofs(&proof) {
                    assert!(verify(&leaf(index), index, of, root, &bad).is_err(), "{index} of {leaves}: {bad:?}");
                }
            }
        }
    }

    #[test]
    fn a_proof_of_the_wrong_length_is_named_so() {
        let whole = tree(8);
        let proof = inclusion_proof(&whole, 3, size(8)).unwrap();
        let verify = |proof: &[Hash]| verify_inclusion(&leaf(3), 3, size(8), &whole.root(), proof);
        assert_eq!(verify(&proof[..2]), Err(ProofError::Short));
        assert_eq!(verify(&[]), Err(ProofError::Short));
        assert_eq!(verify(&[&proof[..], &proof[..1]].concat()), Err(ProofError::Long));
        assert_eq!(verify(&vec![leaf(0); 1_000]), Err(ProofError::Long));
    }

    #[test]
    fn the_empty_tree_has_no_leaf() {
        let empty = verify_inclusion(&leaf(0), 0, Size::ZERO, &Hash::EMPTY_ROOT, &[]);
        assert_eq!(empty, Err(ProofError::Index { index: 0, size: 0 }));
        let none = inclusion_proof(&tree(0), 0, Size::ZERO);
        assert_eq!(none, Err(TreeError::Index { index: 0, size: 0 }.into()));
    }

    #[test]
    fn every_small_tree_extends_every_smaller_one_and_nothing_else() {
        let roots = roots_by_definition();
        let whole = tree(SMALL);
        for new in 0..=SMALL {
            for old in 0..=new {
                let (old_root, new_root) = (&roots[old as usize], &roots[new as usize]);
                let proof = consistency_proof(&whole, size(old), size(new)).unwrap();
                let verify = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                    verify_consistency(size(old), old_root, size(new), new_root, proof)
                };
                assert_eq!(verify(old_root, new_root, &proof), Ok(()), "{old} to {new}");
                assert!(verify(&altered(old_root), new_root, &proof).is_err(), "{old} to {new}");
                // Of the empty tree nothing is asked but its own root.
                assert_eq!(verify(old_root, &altered(new_root), &proof).is_ok(), old == 0 && new != 0);
                for bad in altered_proofs(&proof) {
                    assert!(verify(old_root, new_root, &bad).is_err(), "{old} to {new}: {bad:?}");
                }
                for other in (1..=SMALL).filter(|other| *other != old) {
                    let other_root = &roots[other as usize];
                    let as_other = verify_consistency(size(other), other_root, size(new), new_root, &proof);
                    // Two trees that are one another's have no hashes in their proof.
                    assert_eq!(as_other.is_ok(), other == new && proof.is_empty(), "{old} as {other} to {new}");
                    assert!(verify(other_root, new_root, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn a_path_leads_to_both_roots_and_needs_neither() {
        let roots = roots_by_definition();
        let whole = tree(SMALL);
        for new in 2..=SMALL {
            for old in 1..new {
                let path = consistency_path(&whole, size(old), size(new)).unwrap();
                let found = consistency_roots(size(old), size(new), &path);
                assert_eq!(found, Ok((roots[old as usize], roots[new as usize])), "{old} to {new}");
                for bad in altered_proofs(&path) {
                    let led = consistency_roots(size(old), size(new), &bad);
                    assert!(led.is_err() || led != found, "{old} to {new}: {bad:?}");
                }
            }
        }
        assert!(
            consistency_path(&whole, size(0), size(3)).is_err() && consistency_path(&whole, size(3), size(3)).is_err()
        );
        assert!(consistency_roots(size(0), size(3), &[]).is_err() && consistency_roots(size(3), size(3), &[]).is_err());
    }

    #[test]
    fn a_tree_that_shrinks_is_refused() {
        let whole = tree(9);
        let shrunk = verify_consistency(size(9), &whole.root(), size(8), &tree(8).root(), &[]);
        assert_eq!(shrunk, Err(ProofError::Shrinks { old: 9, new: 8 }));
        let built = consistency_proof(&whole, size(9), size(8));
        assert_eq!(built, Err(TreeError::Backwards { begin: 9, end: 8 }.into()));
    }

    #[test]
    fn a_rewritten_tree_is_refused() {
        let honest = tree(40);
        for old in 1..40 {
            // The leaf before the old tree's end is another.
            let rewritten: MemoryTree = (0..40).map(|n| leaf(if n == old - 1 { 99 } else { n })).collect();
            let proof = consistency_proof(&rewritten, size(old), size(40)).unwrap();
            let old_root = range(&honest, Size::ZERO, size(old)).unwrap().root().unwrap();
            assert!(verify_consistency(size(old), &old_root, size(40), &rewritten.root(), &proof).is_err());
        }
    }
}

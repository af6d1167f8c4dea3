use std::sync::LazyLock;

use super::branch::Words;
use super::*;
use crate::charter::{UnitDescription, UnitDraft, UnverifiedCharter};
use crate::checkpoint::SignedCheckpoint;
use crate::cosignature::Cosignature;
use crate::ids::{NetworkName, Size};
use crate::limits::FORK_PROOF_BYTES_MAX;
use crate::note::{Algorithm, MemorySigner, Signer};
use crate::tree::{MemoryTree, consistency_path, consistency_proof, range};

const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
const SMALL: u64 = 20;

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

/// The charter, log or mirror key of a unit.
fn key(id: &str, role: u8) -> MemorySigner {
    let of = unit(id);
    let (name, algorithm) = match role {
        0 => (KeyName::charter(&network(), &of), Algorithm::Ed25519),
        1 => (KeyName::log(&network(), &of), Algorithm::Ed25519),
        _ => (KeyName::mirror(&network(), &of), Algorithm::Cosignature),
    };
    MemorySigner::from_seed(name, algorithm, &Hash::of(format!("{id} {role}").as_bytes()).0).unwrap()
}

fn charter() -> &'static Charter {
    static CHARTER: LazyLock<Charter> = LazyLock::new(found);
    &CHARTER
}

fn found() -> Charter {
    let units = UNITS.iter().zip(1_u8..).map(|(id, number)| {
        let draft = UnitDraft {
            id: unit(id),
            name: format!("Unit {id}"),
            charter_key: key(id, 0).key().clone(),
            log_key: key(id, 1).key().clone(),
            mirror_key: key(id, 2).key().clone(),
            ca: vec![vec![0x30, 1, number]],
            addresses: Vec::new(),
        };
        UnitDescription::new(network(), draft).unwrap()
    });
    let mut charter = UnverifiedCharter::compose(&units.collect::<Vec<_>>(), None).unwrap();
    for id in UNITS {
        let keys = [key(id, 0), key(id, 1), key(id, 2)];
        charter.sign(&keys.each_ref().map(|key| key as &dyn Signer), 1_700_000_000).unwrap();
    }
    charter.verify_first().unwrap()
}

/// A log of which the leaves from `parts` on are the branch's own.
fn branch(name: u8, parts: u64, size: u64) -> MemoryTree {
    (0..size).map(|n| Hash::leaf(&[if n < parts { 0 } else { name }, n as u8])).collect()
}

fn root(tree: &MemoryTree, size: u64) -> Hash {
    range(tree, Size::ZERO, Size::new(size).unwrap()).unwrap().root().unwrap()
}

/// A checkpoint of BE's log over so much of a tree, cosigned by these.
fn checkpoint(tree: &MemoryTree, size: u64, cosigners: &[&str]) -> Branch {
    checkpoint_by(&key("BE", 1), tree, size, cosigners)
}

fn checkpoint_by(signer: &MemorySigner, tree: &MemoryTree, size: u64, cosigners: &[&str]) -> Branch {
    let said =
        Checkpoint { origin: signer.key().name().clone(), size: Size::new(size).unwrap(), root: root(tree, size) };
    let body = said.body();
    let mut words = Words::new();
    for id in cosigners {
        let (key, word) = (key(id, 2), Cosignature::sign(&body, 1_700_000_000, &key(id, 2)).unwrap());
        words.insert((unit(id), key.key().id()), (key.key().clone(), word));
    }
    Branch::new(SignedCheckpoint::sign(said, signer).unwrap(), words)
}

fn path(tree: &MemoryTree, old: u64, new: u64) -> Vec<Hash> {
    consistency_path(tree, Size::new(old).unwrap(), Size::new(new).unwrap()).unwrap()
}

fn read(proof: &wire::ForkProof) -> Result<ForkProof, ForkError> {
    ForkProof::verify(proof, &[charter()])
}

/// The proof that branch 2 of `larger` entries contradicts branch 1 of `smaller`.
fn proof(smaller: u64, larger: u64) -> ForkProof {
    let parts = smaller - 1;
    let (one, two) = (branch(1, parts, smaller), branch(2, parts, larger));
    let path = if smaller == larger { Vec::new() } else { path(&two, smaller, larger) };
    let (smaller, larger) = (checkpoint(&one, smaller, &["FR", "NL"]), checkpoint(&two, larger, &["FR", "UK"]));
    ForkProof::compose(unit("BE"), smaller, larger, path).unwrap()
}

#[test]
fn any_two_sizes_of_two_branches_are_proven_wherever_they_part_and_of_one_branch_never() {
    for larger in 1..=SMALL {
        for smaller in 1..=larger {
            for parts in 0..=larger {
                let (one, two) = (branch(1, parts, smaller), branch(2, parts, larger));
                let path = if smaller == larger { Vec::new() } else { path(&two, smaller, larger) };
                let made =
                    ForkProof::compose(unit("BE"), checkpoint(&one, smaller, &[]), checkpoint(&two, larger, &[]), path);
                if parts < smaller {
                    let made = made.unwrap();
                    assert_eq!(read(&made.to_wire()), Ok(made), "{smaller} {larger} {parts}");
                } else {
                    let same = if smaller == larger { ForkError::Same } else { ForkError::Extends };
                    assert_eq!(made, Err(same), "{smaller} {larger} {parts}");
                }
            }
        }
    }
}

#[test]
fn a_path_that_does_not_lead_to_the_larger_root_is_no_evidence() {
    for smaller in 1..SMALL {
        for larger in smaller + 1..=SMALL {
            let good = proof(smaller, larger).to_wire();
            for at in 0..good.consistency.len() {
                let mut bad = good.clone();
                bad.consistency[at][0] ^= 1;
                assert_eq!(read(&bad), Err(ForkError::Astray), "{smaller} {larger} {at}");
                let mut short = good.clone();
                short.consistency.remove(at);
                assert!(matches!(read(&short), Err(ForkError::Path(_) | ForkError::Astray)));
                let mut long = good.clone();
                long.consistency.insert(at, vec![7; 32]);
                assert!(matches!(read(&long), Err(ForkError::Path(_) | ForkError::Astray)));
            }
        }
    }
    // As RFC 6962 gives it for a verifier who takes the smaller root for granted, it shows nothing.
    let mut granted = proof(4, 9).to_wire();
    let two = branch(2, 3, 9);
    let rfc = consistency_proof(&two, Size::new(4).unwrap(), Size::new(9).unwrap()).unwrap();
    granted.consistency = rfc.iter().map(|hash| hash.0.to_vec()).collect();
    assert!(read(&granted).is_err());
    let one = root(&branch(1, 3, 4), 4);
    granted.consistency.insert(0, one.0.to_vec());
    assert_eq!(read(&granted), Err(ForkError::Astray));
}

#[test]
fn each_rule_of_a_proof_has_its_refusal() {
    let good = proof(5, 9).to_wire();
    let with = |change: &dyn Fn(&mut wire::ForkProof)| {
        let mut bad = good.clone();
        change(&mut bad);
        read(&bad)
    };
    assert_eq!(with(&|bad| bad.unit = "FR".into()), {
        let fault = CheckpointError::OtherLog {
            expected: key("FR", 1).key().name().clone(),
            found: key("BE", 1).key().name().clone(),
        };
        Err(ForkError::Checkpoint { which: "first", fault })
    });
    assert!(matches!(with(&|bad| bad.unit = "US".into()), Err(ForkError::UnknownLog(_))));
    assert!(matches!(with(&|bad| bad.unit = "x".repeat(1 << 20)), Err(ForkError::Form(_))));
    assert!(matches!(with(&|bad| bad.smaller.clear()), Err(ForkError::Checkpoint { which: "first", .. })));
    assert!(matches!(
        with(&|bad| bad.larger = vec![b'x'; 1 << 20]),
        Err(ForkError::Checkpoint { which: "second", .. })
    ));
    assert_eq!(with(&|bad| std::mem::swap(&mut bad.smaller, &mut bad.larger)), Err(ForkError::Order));
    assert_eq!(with(&|bad| bad.consistency = vec![vec![0; 32]; 81]), Err(ForkError::Hashes));
    assert_eq!(with(&|bad| bad.consistency[0].push(0)), Err(ForkError::Hashes));
    assert_eq!(with(&|bad| bad.larger = bad.smaller.clone()), Err(ForkError::Same));
    assert_eq!(
        ForkProof::read(&good, &unit("FR"), &Signers::of(&unit("FR"), [charter()])).unwrap_err(),
        ForkError::Unit { expected: unit("FR"), found: "BE".into() }
    );
    let mut idle = proof(5, 5).to_wire();
    idle.consistency = vec![vec![0; 32]];
    assert_eq!(read(&idle), Err(ForkError::Idle));
}

#[test]
fn checkpoints_that_another_key_signed_are_no_evidence() {
    let stranger = MemorySigner::from_seed(key("BE", 1).key().name().clone(), Algorithm::Ed25519, &[9; 32]).unwrap();
    let two = branch(2, 4, 9);
    let forged = checkpoint_by(&stranger, &two, 9, &[]);
    let mut bad = proof(5, 9).to_wire();
    bad.larger = forged.to_note();
    assert!(matches!(read(&bad), Err(ForkError::Checkpoint { which: "second", fault: CheckpointError::Note(_) })));
}

#[test]
fn a_unit_that_cosigned_both_branches_is_named_and_no_other() {
    assert_eq!(proof(5, 9).cosigned_both(), BTreeSet::from([unit("FR")]));
    assert_eq!(proof(5, 5).cosigned_both(), BTreeSet::from([unit("FR")]));
    // Nor is a unit whose cosignature is not known.
    let (one, two) = (branch(1, 4, 5), branch(2, 4, 5));
    let bare = ForkProof::compose(unit("BE"), checkpoint(&one, 5, &["FR"]), checkpoint(&two, 5, &["UK"]), Vec::new());
    assert!(bare.unwrap().cosigned_both().is_empty());
}

#[test]
fn the_text_is_read_back_and_every_other_form_of_it_is_refused() {
    let charter = charter();
    for (smaller, larger) in [(5, 9), (5, 5), (8, 20)] {
        let made = proof(smaller, larger);
        let text = made.to_text();
        assert_eq!(ForkProof::verify_text(&text, &[charter]), Ok(made.clone()));
        for at in 0..text.len() {
            for altered in [text[at] ^ 1, b'\n'] {
                let mut bad = text.clone();
                bad[at] = altered;
                assert!(bad == text || ForkProof::verify_text(&bad, &[charter]).is_err(), "{at}");
            }
            // Whoever leaves out the last cosignatures names fewer units, and the fork is proven all the same.
            if let Ok(cut) = ForkProof::verify_text(&text[..at], &[charter]) {
                assert!(text[at - 1] == b'\n' && cut.larger.cosigners().len() < made.larger.cosigners().len());
            }
        }
    }
    let text = proof(5, 9).to_text();
    let longer = [&text[..], b"\n"].concat();
    assert!(ForkProof::verify_text(&longer, &[charter]).is_err());
    let line = "\u{2014} takedown.example/XX/mirror oTEh+AAAAABa38U8FsOAACfoFN+OVMbWoQH863+2HuPN+5zIBKVpvvhkjiDLDcYibEksaZfDXH86uGfmgK9FKyrbwdaZfrPeWC0oBw==\n";
    let stranger = [&text[..], line.as_bytes()].concat();
    assert!(matches!(ForkProof::verify_text(&stranger, &[charter]), Err(ForkError::Form(_))));
    assert!(matches!(
        ForkProof::verify_text(&vec![b'x'; FORK_PROOF_BYTES_MAX + 1], &[charter]),
        Err(ForkError::Form(_))
    ));
}

//! Two exports against each other, and one against what was seen before.

use std::collections::BTreeSet;

use crate::audit::tiles::LogTree;
use crate::audit::{Fault, Files, Verified, VerifiedLog};
use crate::charter::{Charter, CharterChain};
use crate::checkpoint::Checkpoint;
use crate::fork::ForkProof;
use crate::ids::{Size, UnitId};
use crate::tree::consistency_path;
use crate::wire;

/// What two exports say of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedLog {
    /// Whose.
    pub unit: UnitId,
    /// How many records each has.
    pub sizes: [Size; 2],
    /// Whether the longer one extends the shorter one.
    pub agrees: bool,
}

/// Two exports against each other.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Each log that either has, by unit.
    pub logs: Vec<ComparedLog>,
    /// What contradicts.
    pub faults: Vec<Fault>,
    /// What is proven by it.
    pub forks: Vec<ForkProof>,
}

/// Holds two exports that verify against each other.
pub fn compare<F: Files>(one: (&F, &Verified), other: (&F, &Verified)) -> Compared {
    let mut compared = Compared::default();
    let ((_, first), (_, second)) = (one, other);
    for (one, other) in first.charters.iter().zip(&second.charters) {
        if one.path != other.path || one.digest != other.digest {
            compared.faults.push(Fault::OtherCharter(one.path.clone()));
            break;
        }
    }
    let units: BTreeSet<&UnitId> = first.logs.iter().chain(&second.logs).map(|log| &log.unit).collect();
    for unit in units {
        let of = |found: &'_ Verified| found.logs.iter().position(|log| log.unit == *unit);
        let size = |found: &Verified| of(found).and_then(|at| found.logs.get(at)).map_or(Size::ZERO, |log| log.size);
        let sizes = [size(first), size(second)];
        let (longer, shorter) = if sizes[0] >= sizes[1] { (one, other) } else { (other, one) };
        let logs =
            of(longer.1).and_then(|at| longer.1.logs.get(at)).zip(of(shorter.1).and_then(|at| shorter.1.logs.get(at)));
        let fault = logs.and_then(|(long, short)| contradiction_of(longer, long, short));
        let agrees = fault.is_none();
        if let Some(Fault::Rewritten { proof: Some(proof), .. }) = &fault {
            compared.forks.push((**proof).clone());
        }
        compared.faults.extend(fault);
        compared.logs.push(ComparedLog { unit: unit.clone(), sizes, agrees });
    }
    if let Some((one, other)) = first.list.as_ref().zip(second.list.as_ref())
        && one.frontier == other.frontier
        && one.digest != other.digest
    {
        compared.faults.push(Fault::List("the same records give two lists".to_owned()));
    }
    compared
}

fn contradiction_of<F: Files>(longer: (&F, &Verified), long: &VerifiedLog, short: &VerifiedLog) -> Option<Fault> {
    let (charters, head) = (longer.1.chain.as_ref()?, long.checkpoint.as_ref()?);
    let before = short.checkpoint.as_ref()?;
    let (now, seen) = ((head.checkpoint(), head.note()), (before.checkpoint(), before.note()));
    contradiction(charters, &long.tree(longer.0), now, seen)
}

/// Whether a log's tree has at the size of what was `seen` another root; with the proof, where one key signed both.
pub(super) fn contradiction<F: Files>(
    charters: &CharterChain,
    tree: &LogTree<'_, F>,
    (now, now_note): (&Checkpoint, &[u8]),
    (seen, seen_note): (&Checkpoint, &[u8]),
) -> Option<Fault> {
    // Where the log itself cannot be read, that is told elsewhere.
    let root = tree.root(seen.size).ok()?;
    if root == seen.root {
        return None;
    }
    let path = if seen.size < now.size { consistency_path(tree, seen.size, now.size).ok() } else { Some(Vec::new()) };
    let swap = seen.size == now.size && seen.root > now.root;
    let (smaller, larger) = if swap { (now_note, seen_note) } else { (seen_note, now_note) };
    let proof = path.map(|path| wire::ForkProof {
        unit: tree.unit.to_string(),
        smaller: smaller.to_vec(),
        larger: larger.to_vec(),
        consistency: path.iter().map(|hash| hash.0.to_vec()).collect(),
    });
    let versions: Vec<&Charter> = charters.all().map(AsRef::as_ref).collect();
    let proof = proof.and_then(|proof| ForkProof::verify(&proof, &versions).ok()).map(Box::new);
    Some(Fault::Rewritten { unit: tree.unit.clone(), before: seen.size, proof })
}

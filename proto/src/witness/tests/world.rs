//! A log of somebody else, and who watches it.

use std::fmt::Write as _;

use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::Size;
use crate::note::{Algorithm, MemorySigner, NoteSignature, Signer, base64};
use crate::tree::{MemoryTree, consistency_proof, range};
use crate::witness::{AddCheckpoint, LogKeys, Refusal, Witness};

/// An origin that is no key's name.
pub(super) const ORIGIN: &str = "a tree of somebody else's";
pub(super) const NOW: u64 = 1_700_000_000;

pub(super) fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

pub(super) fn signer(name: &str, seed: u8) -> MemorySigner {
    MemorySigner::from_seed(name.parse().unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

pub(super) fn witness_key(seed: u8) -> MemorySigner {
    let name = "takedown.example/BE/witness".parse().unwrap();
    MemorySigner::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap()
}

/// A log of so many entries, all told apart by `branch`.
pub(super) struct Log {
    pub(super) tree: MemoryTree,
    pub(super) key: MemorySigner,
    pub(super) extension: &'static str,
}

impl Log {
    pub(super) fn new(entries: u64, branch: &str) -> Self {
        let tree = (0..entries).map(|index| Hash::leaf(format!("{branch} {index}").as_bytes())).collect();
        Self { tree, key: signer("log.example/key", 1), extension: "" }
    }

    pub(super) fn root(&self, at: u64) -> Hash {
        range(&self.tree, Size::ZERO, size(at)).unwrap().root().unwrap()
    }

    pub(super) fn body(&self, at: u64) -> String {
        format!("{ORIGIN}\n{at}\n{}\n{}", base64::encode(&self.root(at).0), self.extension)
    }

    pub(super) fn note(&self, at: u64) -> Vec<u8> {
        noted(&self.body(at), &[&self.key])
    }

    pub(super) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(&self.tree, size(old), size(new)).unwrap()
    }

    pub(super) fn call(&self, old: u64, new: u64) -> AddCheckpoint {
        self.call_with(old, new, &self.proof(old, new))
    }

    pub(super) fn call_with(&self, old: u64, new: u64, proof: &[Hash]) -> AddCheckpoint {
        AddCheckpoint::parse(&AddCheckpoint::compose(size(old), proof, &self.note(new))).unwrap()
    }

    /// The keys that its witnesses know.
    pub(super) fn known(&self) -> LogKeys {
        LogKeys::parse(&format!("{} {ORIGIN}\n", self.key.key())).unwrap()
    }
}

/// A body with a line by each key.
pub(super) fn noted(body: &str, signers: &[&MemorySigner]) -> Vec<u8> {
    let mut note = format!("{body}\n");
    for signer in signers {
        let line = match signer.key().algorithm() {
            Algorithm::Ed25519 => NoteSignature::sign(body, *signer).unwrap(),
            Algorithm::Cosignature => Cosignature::sign(body, NOW, *signer).unwrap().to_line(signer.key()),
        };
        writeln!(note, "{}", line.to_line()).unwrap();
    }
    note.into_bytes()
}

/// A call that is taken up if it is accepted.
pub(super) fn add(witness: &mut Witness, logs: &LogKeys, call: &AddCheckpoint, now: u64) -> Result<u64, Refusal> {
    let accepted = witness.judge(logs, call, now)?;
    witness.take(&accepted);
    Ok(accepted.known.time)
}

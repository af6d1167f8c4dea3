//! A network of eight units in memory, two versions of its charter, and its export.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::audit::{
    self, Alone, Asked, BundleFiles, Files, LogNotes, Manifest, Part, Payloads, Unreadable, Verified, bundles,
    charter_files, part, tile, upper_tile_bytes, witnessed_files,
};
use crate::charter::{Base, Changes, CharterChain, UnitDescription, UnitDraft, UnverifiedCharter};
use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::note::{Algorithm, KeyName, MemorySigner, Note, Signer, VerifierKey};
use crate::record::{self, RecordKind};
use crate::sync::{Adoption, Judge};
use crate::tree::{MemoryTree, level1, range};
use crate::wire::record::Body;
use crate::wire::{self, Record, RecordRef};
use crate::witness::WitnessedCheckpoint;

pub(super) const UNITS: [&str; 8] = ["BE", "CA", "EU-IRU", "FR", "NL", "RO", "UK", "US"];
/// Entries of each log: more than a bundle.
pub(super) const ENTRIES: u64 = 262;
/// Where each log adopts the second version.
pub(super) const TURN: u64 = 130;
pub(super) const TIME_MS: u64 = 1_524_614_400_000;
/// When witnesses from outside saw BE's log, Unix seconds.
pub(super) const WITNESSED_S: u64 = 1_700_000_050;
/// The record that is erased in every log, and what erases it.
pub(super) const ERASED: (u64, u64) = (5, 120);

pub(super) fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

/// A key of a unit: charter, log, mirror; of BE also the log and mirror keys of the second version.
fn key(id: &str, role: u8) -> MemorySigner {
    let of = unit(id);
    let (name, algorithm) = match role {
        0 => (KeyName::charter(&network(), &of), Algorithm::Ed25519),
        1 | 3 => (KeyName::log(&network(), &of), Algorithm::Ed25519),
        _ => (KeyName::mirror(&network(), &of), Algorithm::Cosignature),
    };
    MemorySigner::from_seed(name, algorithm, &Hash::of(format!("{id} {role}").as_bytes()).0).unwrap()
}

fn describe(id: &str, roles: [u8; 3]) -> UnitDescription {
    let [charter, log, mirror] = roles.map(|role| key(id, role).key().clone());
    let number = UNITS.iter().position(|other| *other == id).unwrap() as u8;
    let draft = UnitDraft {
        id: unit(id),
        name: format!("Unit {id}"),
        charter_key: charter,
        log_key: log,
        mirror_key: mirror,
        ca: vec![vec![0x30, 1, number]],
        addresses: Vec::new(),
    };
    UnitDescription::new(network(), draft).unwrap()
}

fn signed(mut charter: UnverifiedCharter) -> UnverifiedCharter {
    for id in UNITS {
        for role in 0..5 {
            let key = key(id, role);
            if charter.is_due(key.key()) {
                charter.sign(&[&key], 1_700_000_000).unwrap();
            }
        }
    }
    charter
}

/// Files in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct InMemory(pub(super) BTreeMap<String, Vec<u8>>);

impl Files for InMemory {
    fn list(&self) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        let bytes = self.0.get(path).ok_or(Unreadable::Absent)?;
        if bytes.len() > bytes_max { Err(Unreadable::TooLarge(bytes_max)) } else { Ok(bytes.clone()) }
    }
}

impl InMemory {
    /// Signs a manifest of what is there, as BE's node would.
    pub(super) fn sign(&mut self) {
        self.sign_as(Payloads::All);
    }

    /// Signs one that says which payloads are there, whatever is.
    pub(super) fn sign_as(&mut self, payloads: Payloads) {
        self.0.remove(audit::MANIFEST);
        let mut manifest = Manifest::new(network(), unit("BE"), payloads);
        self.0.iter().for_each(|(path, bytes)| manifest.add(path.clone(), Hash::of(bytes)));
        let note = manifest.sign(1_700_000_100, &key("BE", 4)).unwrap();
        self.0.insert(audit::MANIFEST.into(), note);
    }

    pub(super) fn verify(&self) -> Verified {
        self.verify_as(&Asked::default())
    }

    pub(super) fn verify_as(&self, asked: &Asked) -> Verified {
        audit::verify(self, &Alone, asked, &mut |_| {})
    }
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) charters: CharterChain,
    pub(super) logs: BTreeMap<UnitId, Vec<Entry>>,
}

impl World {
    pub(super) fn new() -> Self {
        let units: Vec<_> = UNITS.iter().map(|id| describe(id, [0, 1, 2])).collect();
        let first = signed(UnverifiedCharter::compose(&units, None).unwrap());
        let mut charters = CharterChain::found(first.verify_first().unwrap()).unwrap();
        // Its new log key goes on from where the log adopts it.
        let before: MemoryTree = log(&charters, "BE", TURN).iter().map(Entry::leaf_hash).collect();
        let base = Base { size: before.size(), root: before.root() };
        let (update, bases) = (vec![describe("BE", [0, 3, 4])], BTreeMap::from([(unit("BE"), base)]));
        let changes = Changes { update, bases, ..Changes::default() };
        let next = signed(charters.compose_next(&changes).unwrap());
        let next = charters.verify(next).unwrap();
        charters.push(next).unwrap();
        let logs = UNITS.iter().map(|id| (unit(id), log(&charters, id, ENTRIES))).collect();
        Self { charters, logs }
    }

    pub(super) fn judge(&self, of: &UnitId) -> Judge {
        let mut judge = Judge::new(&self.charters, of).unwrap();
        for (index, entry) in (0..).zip(&self.logs[of]) {
            if let Some(adoption) = entry.payload().and_then(|bytes| Adoption::of(entry.header().kind, bytes)) {
                judge.found(index, Some(adoption));
            }
        }
        let tree = self.tree(of);
        for base in judge.unmet_bases(tree.size()) {
            if range(&tree, Size::ZERO, base.size).unwrap().root() == Ok(base.root) {
                judge.base_met(base);
            }
        }
        judge
    }

    /// What a record says.
    pub(super) fn said(&self, of: &str, index: u64) -> Body {
        let entry = &self.logs[&unit(of)][index as usize];
        record::parse(entry.header().kind, entry.payload().unwrap()).unwrap().into_body()
    }

    pub(super) fn tree(&self, of: &UnitId) -> MemoryTree {
        self.logs[of].iter().map(Entry::leaf_hash).collect()
    }

    /// A checkpoint of a log, cosigned by everybody who may but for so many.
    pub(super) fn note(&self, of: &UnitId, size: u64, without: usize) -> Vec<u8> {
        let size = Size::new(size).unwrap();
        let (key, witnesses) = self.judge(of).keys(size).unwrap();
        self.note_by(of, size, &key, &witnesses[without..])
    }

    pub(super) fn note_by(&self, of: &UnitId, size: Size, key: &VerifierKey, witnesses: &[VerifierKey]) -> Vec<u8> {
        let root = range(&self.tree(of), Size::ZERO, size).unwrap().root().unwrap();
        let checkpoint = Checkpoint { origin: key.name().clone(), size, root };
        let body = checkpoint.body();
        let signed = SignedCheckpoint::sign(checkpoint, &signer(key)).unwrap();
        let mut note = Note::parse(&CosignedCheckpoint::new(signed).to_note(&BTreeMap::new()), 1 << 16).unwrap();
        for witness in witnesses {
            let word = Cosignature::sign(&body, TIME_MS / 1_000, &signer(witness)).unwrap();
            note.add(word.to_line(witness)).unwrap();
        }
        note.to_bytes()
    }

    /// A checkpoint of a log with the word of a witness from outside.
    pub(super) fn witnessed(&self, of: &str, size: u64, witness: u8) -> WitnessedCheckpoint {
        let (of, size) = (unit(of), Size::new(size).unwrap());
        let (key, _) = self.judge(&of).keys(size).unwrap();
        let note = Note::parse(&self.note_by(&of, size, &key, &[]), 1 << 16).unwrap();
        let signed = SignedCheckpoint::read(&note, &key).unwrap();
        let witness = outside(witness);
        let word = Cosignature::sign(&signed.body(), WITNESSED_S, &witness).unwrap();
        WitnessedCheckpoint::new(signed, witness.key().clone(), word).unwrap()
    }

    /// The export of a node that holds all of it.
    pub(super) fn export(&self) -> InMemory {
        let mut files = InMemory(charter_files(&self.charters).collect());
        for of in self.logs.keys() {
            self.export_log(&mut files, of, self.logs[of].len() as u64, None);
        }
        files.0.extend(witnessed_files(&unit("BE"), &[self.witnessed("BE", 100, 1), self.witnessed("BE", ENTRIES, 2)]));
        files.sign();
        files
    }

    /// The same without what records say.
    pub(super) fn export_withheld(&self) -> InMemory {
        let mut files = self.export();
        for (of, log) in &self.logs {
            for (number, width) in bundles(Size::new(log.len() as u64).unwrap()) {
                let from = (number * 256) as usize;
                let bundle = BundleFiles::of(&log[from..from + usize::from(width)], Payloads::Withheld);
                files.0.insert(part(of, Part::Payload, number, width), bundle.payload);
            }
        }
        files.sign_as(Payloads::Withheld);
        files
    }

    pub(super) fn export_log(&self, files: &mut InMemory, of: &UnitId, size: u64, fork: Option<&ForkProof>) {
        let judge = self.judge(of);
        let checkpoint = judge.sift(&self.note(of, size, 0)).unwrap();
        let bridge = judge.bridges().first().map(|bridge| judge.sift(&self.note(of, bridge.get(), 0)).unwrap());
        let notes = LogNotes { checkpoint: Some(&checkpoint), bridge: bridge.as_ref(), fork };
        files.0.extend(notes.files(of, &judge).unwrap());
        self.export_bundles(files, of, size);
    }

    pub(super) fn export_bundles(&self, files: &mut InMemory, of: &UnitId, size: u64) {
        let size = Size::new(size).unwrap();
        let mut hashes = Vec::new();
        for (number, width) in bundles(size) {
            let from = (number * 256) as usize;
            let entries = &self.logs[of][from..from + usize::from(width)];
            hashes.extend(level1(&entries.iter().map(Entry::leaf_hash).collect::<Vec<_>>()));
            let bundle = BundleFiles::of(entries, Payloads::All);
            for which in Part::ALL {
                files.0.insert(part(of, which, number, width), bundle.part(which).to_vec());
            }
        }
        for (level, number, width, bytes) in upper_tile_bytes(size, hashes) {
            files.0.insert(tile(of, level, number, width), bytes);
        }
    }
}

/// The key of a witness from outside.
pub(super) fn outside(number: u8) -> MemorySigner {
    let name = format!("witness.example/w{number}").parse().unwrap();
    MemorySigner::from_seed(name, Algorithm::Cosignature, &[number; 32]).unwrap()
}

pub(super) fn signer(public: &VerifierKey) -> MemorySigner {
    let all = UNITS.iter().flat_map(|id| (0..5).map(|role| key(id, role)));
    all.into_iter().find(|signer| signer.key() == public).unwrap()
}

pub(super) fn entry(time_ms: u64, number: u64, body: Body) -> Entry {
    let kind = RecordKind::of_body(&body).number();
    let mut submission = vec![7; 16];
    submission[..8].copy_from_slice(&number.to_be_bytes());
    let payload = record::encode(&Record { submission, body: Some(body) }).unwrap();
    Entry::compose(kind, time_ms, [9; 16], payload).unwrap()
}

fn log(charters: &CharterChain, id: &str, entries: u64) -> Vec<Entry> {
    let adopt = |version| {
        let charter = charters.version(version).unwrap();
        Body::Adopt(wire::Adopt { version: version.into(), digest: charter.digest().0.to_vec() })
    };
    let body = |index: u64| match index {
        0 => adopt(1),
        TURN => adopt(2),
        index if index == ERASED.1 => Body::Erase(wire::Erase { index: ERASED.0, reason: 1 }),
        7 => Body::Withdraw(wire::Withdraw { index: 3, reason: "a newspaper's report".into() }),
        index if index % 10 == 9 => Body::Opinion(wire::Opinion {
            on: Some(RecordRef { unit: if id == "UK" { "US" } else { "UK" }.into(), index: index + 2 }),
            stance: wire::Stance::Support.into(),
            text: format!("{id} has read it, too"),
            ..wire::Opinion::default()
        }),
        index => Body::Refer(wire::Refer {
            target: format!("domain:a{index}.{}.example", id.to_lowercase()),
            categories: vec![1],
            ..wire::Refer::default()
        }),
    };
    let entry = |index| {
        let entry = entry(TIME_MS + index * 60_000, index, body(index));
        if index == ERASED.0 { entry.without_body() } else { entry }
    };
    (0..entries).map(entry).collect()
}

/// A referral, in a payload that is set aside: it has no category.
pub(super) fn unsound(time_ms: u64) -> Entry {
    Entry::compose(RecordKind::Refer.number(), time_ms, [1; 16], Bytes::from_static(b"\x0a\x01\x02")).unwrap()
}

//! What does not hold, and where.

use crate::audit::{ManifestError, Unreadable};
use crate::charter::CharterError;
use crate::entry::EntryError;
use crate::fork::{ForkError, ForkProof};
use crate::hash::Hash;
use crate::ids::{RecordId, Size, UnitId};
use crate::list::UnknownFoldVersion;
use crate::note::{KeyName, NoteError};
use crate::sync::JudgeError;
use crate::witness::WitnessedError;

/// Something in an export that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The directory cannot be read.
    #[error("the export cannot be read: {0}")]
    Directory(String),
    /// A file that must be there, or that the manifest names, cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        why: Unreadable,
    },
    /// A file whose bytes are not those of the manifest.
    #[error("{path}: its SHA-256 is {found}, and the manifest says {named}: it was altered since")]
    Digest {
        /// The file.
        path: String,
        /// What the manifest says.
        named: Hash,
        /// What it is.
        found: Hash,
    },
    /// A file that lies there and is not named.
    #[error("{0}: it lies in the export, and the manifest does not name it")]
    Stray(String),
    /// A file that is named, and that no export of these logs has.
    #[error("{0}: the manifest names it, and an export of these logs has no such file")]
    Foreign(String),
    /// The manifest.
    #[error("manifest: {0}")]
    Manifest(ManifestError),
    /// The manifest's signature.
    #[error("manifest: it is not signed by the node of {unit}: {fault}")]
    Exporter {
        /// The unit that it names.
        unit: UnitId,
        /// What is wrong with the signature.
        fault: NoteError,
    },
    /// The manifest names a unit or network that the charter does not.
    #[error("manifest: it names {0} as the exporting unit, and no charter of the export lists it")]
    UnknownExporter(String),
    /// A charter.
    #[error("{path}: {fault}")]
    Charter {
        /// The file.
        path: String,
        /// What is wrong with it.
        fault: Box<CharterError>,
    },
    /// A charter with lines that nothing accounts for, or in another order.
    #[error("{0}: it has signature lines that no key of it accounts for, or in another order than they have")]
    CharterLines(String),
    /// Two exports have two texts of one version.
    #[error("{0}: the exports have two texts of this version: units signed twice, or these are two networks")]
    OtherCharter(String),
    /// A charter that the auditor trusts is not among those of the export.
    #[error(
        "charter: the charter that you trust, version {version} with digest {digest}, is not among those of the export: they \
         are another network's, or older"
    )]
    NotPinned {
        /// Its version.
        version: u32,
        /// Its digest.
        digest: Hash,
    },
    /// The newest charter is too old.
    #[error("charter: the newest version of the export is {newest}, and at least {asked} is asked for")]
    TooOld {
        /// The newest that there is.
        newest: u32,
        /// The oldest that is accepted.
        asked: u32,
    },
    /// A file of keys with other keys than the charter's.
    #[error("{0}: it does not hold the keys that the charter gives")]
    Keys(String),
    /// A checkpoint or bridge.
    #[error("{path}: {fault}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong with it.
        fault: Box<JudgeError>,
    },
    /// A checkpoint without its quorum.
    #[error("{path}: it is not certified: {found} cosignatures count, fewer than the charter asks for")]
    NotCertified {
        /// The file.
        path: String,
        /// How many count.
        found: usize,
    },
    /// A checkpoint of more entries than there are files for.
    #[error("{path}: it speaks of {size} entries, and the export has files for fewer")]
    Short {
        /// The file.
        path: String,
        /// What it says.
        size: Size,
    },
    /// A bridge of another size than the file's name says, or at a size where the log has none.
    #[error("{0}: the log has no change of charter that ends at this size")]
    NoBridge(String),
    /// A change of charter whose bridge is missing.
    #[error(
        "logs/{unit}/bridge/{size}: the log takes up another charter there, and its bridge, cosigned under both, is missing"
    )]
    BridgeMissing {
        /// Whose log.
        unit: UnitId,
        /// Where the bridge should be.
        size: Size,
    },
    /// A file of leaves or payloads that is not a sequence of them.
    #[error("{id}: {path} is cut short or damaged there")]
    Cut {
        /// The first entry that cannot be read.
        id: RecordId,
        /// The file.
        path: String,
    },
    /// A file with bytes after its last entry.
    #[error("{0}: it has bytes after its last entry")]
    Trailing(String),
    /// A tile of the wrong length.
    #[error("{path}: it has {bytes} bytes where {expected} are due")]
    TileLength {
        /// The file.
        path: String,
        /// What it has.
        bytes: usize,
        /// What it must have.
        expected: usize,
    },
    /// A leaf that is not the one hashed.
    #[error("{id}: its leaf hash is not the one in {path}: the leaf or that tile was altered")]
    Leaf {
        /// The entry.
        id: RecordId,
        /// The tile.
        path: String,
    },
    /// An entry that is not sound.
    #[error("{id}: {fault}")]
    Entry {
        /// The entry.
        id: RecordId,
        /// What is wrong with it.
        fault: EntryError,
    },
    /// A tile above the leaves with other hashes than these give.
    #[error("{0}: its hashes are not those of the leaves below it")]
    Tile(String),
    /// A time that goes back.
    #[error("{id}: its time, {time_ms} ms, is before that of the entry before it, {before_ms} ms")]
    Time {
        /// The entry.
        id: RecordId,
        /// What it says.
        time_ms: u64,
        /// What the one before says.
        before_ms: u64,
    },
    /// The entries are not those that the author signed.
    #[error("{path}: its root is not that of the {size} entries of the export: they are not those that {unit} signed")]
    Root {
        /// The file.
        path: String,
        /// Whose log.
        unit: UnitId,
        /// The size.
        size: Size,
    },
    /// A payload that is missing.
    #[error("{0}: its payload is missing, and nothing in the log erases it")]
    Missing(RecordId),
    /// A payload that is there and should not be.
    #[error("{id}: {by} erases it, and its payload is still in the export")]
    NotErased {
        /// The record.
        id: RecordId,
        /// What erases it.
        by: RecordId,
    },
    /// A payload that is there and should be withheld.
    #[error("{0}: its payload is in the export, and the manifest says that such payloads are withheld")]
    NotWithheld(RecordId),
    /// Payloads are withheld, and nobody said that this is accepted.
    #[error(
        "the payloads of {0} records are withheld from this export: what they say, and the list, cannot be verified by it"
    )]
    Withheld(u64),
    /// More stretches of erased payloads than are followed.
    #[error("{0}: more stretches of its payloads are erased than this program follows")]
    Gaps(UnitId),
    /// The log does not go on from where the charter says.
    #[error("{unit}: its log goes on from {size} entries with another root than the charter says")]
    Base {
        /// Whose log.
        unit: UnitId,
        /// The base's size.
        size: Size,
    },
    /// A file that proves no fork.
    #[error("{path}: {fault}")]
    ForkProof {
        /// The file.
        path: String,
        /// Why not.
        fault: Box<ForkError>,
    },
    /// The log has forked, and has no new key yet.
    #[error(
        "logs/{0}/fork: the log of {0} has FORKED: its key signed two checkpoints that contradict each other, and the charter \
         gives it no new key yet"
    )]
    Forked(UnitId),
    /// What the auditor saw before is not a checkpoint of that log.
    #[error("the checkpoint of {unit} that was seen before: {fault}")]
    Before {
        /// Whose log.
        unit: UnitId,
        /// What is wrong with it.
        fault: Box<JudgeError>,
    },
    /// The log is smaller than it was.
    #[error(
        "{unit}: its log has {now} entries, and {unit} signed {before} of them before: it SHRANK, or this export is older"
    )]
    Shrunk {
        /// Whose log.
        unit: UnitId,
        /// How many there were.
        before: Size,
        /// How many there are.
        now: Size,
    },
    /// The log is another than it was.
    #[error(
        "{unit}: the first {before} entries of its log are not those that {unit} signed before: it was REWRITTEN{}",
        if proof.is_some() { ", and both signatures prove it" } else { "" }
    )]
    Rewritten {
        /// Whose log.
        unit: UnitId,
        /// How many there were.
        before: Size,
        /// The proof, where one key signed both.
        proof: Option<Box<ForkProof>>,
    },
    /// A file that holds no witness's key.
    #[error("{path}: {why}")]
    WitnessKey {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A checkpoint with a witness's word.
    #[error("{path}: {fault}")]
    Witnessed {
        /// The file.
        path: String,
        /// What is wrong with it.
        fault: Box<WitnessedError>,
    },
    /// A witness saw more of the log than there is.
    #[error(
        "{path}: the witness saw {size} entries of the log, and the export has {has}: it SHRANK, or this export is older"
    )]
    WitnessedBeyond {
        /// The file.
        path: String,
        /// What the witness saw.
        size: Size,
        /// What there is.
        has: Size,
    },
    /// A witness that is asked for has not cosigned.
    #[error("{unit}: the witness {witness} has cosigned no checkpoint of its log, as far as this export shows")]
    Unwitnessed {
        /// Whose log.
        unit: UnitId,
        /// The witness.
        witness: KeyName,
    },
    /// It has cosigned less than is asked for.
    #[error(
        "{unit}: the witness {witness} has cosigned {size} of the {has} entries of its log, at {time_s} in Unix seconds, which is not \
         all that is asked for: say how much is enough, by its size or its time"
    )]
    WitnessedLittle {
        /// Whose log.
        unit: UnitId,
        /// The witness.
        witness: KeyName,
        /// What it saw.
        size: Size,
        /// When, Unix seconds.
        time_s: u64,
        /// What there is.
        has: Size,
    },
    /// The rules of the list are not known.
    #[error("list: {0}")]
    Rules(UnknownFoldVersion),
    /// The list cannot be computed.
    #[error("list: {0}")]
    List(String),
}

/// What does not hold: the first in words, all by number.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    count: u64,
}

/// How many faults are kept; beyond, they are counted.
const KEPT_MAX: usize = 1_000;

impl Faults {
    /// Notes a fault.
    pub(super) fn note(&mut self, fault: Fault) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(fault);
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The first thousand, in the order in which they were met.
    #[must_use]
    pub fn kept(&self) -> &[Fault] {
        &self.kept
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> Option<&Fault> {
        self.kept.first()
    }
}

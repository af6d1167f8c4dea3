//! What goes into the engine and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};

use super::eras::Adoption;
use super::replica::VerifiedRun;
use super::{Fault, Frame};
use crate::charter::{Charter, CharterChain};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{NetworkName, Size, UnitId};
use crate::list::Gaps;
use crate::note::VerifierKey;
use crate::quorum::Quorum;

/// Names one stream, for as long as the engine lives.
pub type StreamId = u64;

/// Reads leaf hashes back from the store, for proofs under checkpoints that are not the newest.
pub trait LeafHashes {
    /// The leaf hashes of a bundle, as far as it is stored; nothing if they cannot be read.
    fn leaf_hashes(&self, unit: &UnitId, bundle: u64) -> Option<Vec<Hash>>;
}

/// Whose signatures count for one log.
#[derive(Debug, Clone)]
pub struct LogKeys {
    /// The author's.
    pub log_key: VerifierKey,
    /// Every other unit's.
    pub mirrors: BTreeMap<UnitId, VerifierKey>,
    /// How many of them certify.
    pub quorum: Quorum,
}

/// What a node is: from the charters and its own configuration.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The network.
    pub network: NetworkName,
    /// The own unit.
    pub unit: UnitId,
    /// All versions of the charter that are durable here.
    pub charters: CharterChain,
    /// Drawn at random when the process started.
    pub instance: [u8; 16],
    /// Software and release, for people.
    pub release: String,
}

/// What the store and the journal held of a log at the start.
#[derive(Debug, Default)]
pub struct Restored {
    /// The level-1 hashes of all full bundles.
    pub level1: Vec<Hash>,
    /// The leaf hashes of the last, partial bundle.
    pub tail: Vec<Hash>,
    /// The latest time in an entry, Unix milliseconds.
    pub last_time_ms: u64,
    /// The first entry, among those not cosigned, whose time is earlier than one before it.
    pub time_goes_back: Option<u64>,
    /// What is missing without an erasure.
    pub gaps: Gaps,
    /// The leaf hashes of entries without payload that are not erased.
    pub missing: BTreeMap<u64, Hash>,
    /// Every `Adopt` with what it says, by index; nothing where its payload is missing.
    pub adopts: Vec<(u64, Option<Adoption>)>,
    /// The note of the newest certified checkpoint.
    pub certified: Option<Vec<u8>>,
    /// The note of the newest certified bridge.
    pub bridge: Option<Vec<u8>>,
    /// The notes of larger checkpoints.
    pub newest: Vec<Vec<u8>>,
    /// A proof that the log forked, encoded.
    pub fork: Option<Vec<u8>>,
    /// For another unit's log: the newest checkpoint that this node cosigned, from the journal.
    pub cosigned: Option<(Size, Hash, Cosignature)>,
    /// A checkpoint that this node may have cosigned, or of its own log signed, before it lost its journal. What it puts its
    /// name to must extend that.
    pub bound: Option<(Size, Hash)>,
    /// For the own log: what the journal knows of it and the store lacks.
    pub owed: Option<Owed>,
    /// The log keys under which this node has stopped cosigning the log, from the journal.
    pub stopped: BTreeSet<VerifierKey>,
    /// For the own log: whether the journal knows of the signing of the charter that gives it its present key, so that nothing
    /// was signed with that key which the journal does not know.
    pub rekeyed: bool,
}

/// Own entries that the store lost and the journal has, at the end of a log whose beginning only partners have.
#[derive(Debug)]
pub struct Owed {
    /// The index of the first of them: what is before it must come from partners.
    pub first: Size,
    /// They.
    pub entries: Vec<Entry>,
    /// The newest own checkpoint that was signed.
    pub signed: Option<(Size, Hash)>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A stream to a partner is open; its certificate was found to be that unit's node's.
    Opened {
        /// The stream.
        stream: StreamId,
        /// The partner.
        peer: UnitId,
        /// Whether this node dialled it.
        dialled: bool,
    },
    /// A stream ended.
    Closed {
        /// The stream.
        stream: StreamId,
    },
    /// A stream brought a frame.
    Received {
        /// The stream.
        stream: StreamId,
        /// The frame.
        frame: Frame,
    },
    /// The store holds a log, durably, up to this size.
    Stored {
        /// Whose log.
        unit: UnitId,
        /// Up to where.
        size: Size,
    },
    /// The store holds, durably, the body of an entry that it held without one.
    Filled {
        /// Whose log.
        unit: UnitId,
        /// The entry's index.
        index: u64,
        /// The whole entry.
        entry: Box<Entry>,
    },
    /// The store cannot read back an entry as it was written.
    Unreadable {
        /// Whose log.
        unit: UnitId,
        /// The entry's index.
        index: u64,
    },
    /// The store has been given a bundle of entries again.
    Repaired {
        /// Whose log.
        unit: UnitId,
        /// The bundle's number.
        bundle: u64,
        /// Whether it holds all of it now, durably; or else something that it needs did not come.
        whole: bool,
    },
    /// The store has cut a log back, durably.
    Rewound {
        /// Whose log.
        unit: UnitId,
        /// What is left of it.
        left: Box<Restored>,
    },
    /// Entries of the own log are in the journal and can be read from the store.
    OwnAppended {
        /// The entries, directly behind those before.
        entries: Vec<Entry>,
    },
    /// The journal holds a checkpoint of the own log, durably.
    Signed(SignedCheckpoint),
    /// The journal holds a cosignature, durably.
    Cosigned {
        /// Whose log.
        unit: UnitId,
        /// The checkpoint's size.
        size: Size,
        /// The checkpoint's root.
        root: Hash,
        /// The own cosignatures, with the mirror keys that made them.
        words: Vec<(VerifierKey, Cosignature)>,
    },
    /// People brought a charter that was verified as the version after the newest.
    CharterBrought(Box<Charter>),
    /// A version of the charter is durable, and so are those before it.
    CharterStored {
        /// Which.
        version: u32,
    },
    /// The store holds a certified checkpoint, durably.
    HeadStored {
        /// Whose log.
        unit: UnitId,
        /// The checkpoint's size.
        size: Size,
    },
    /// The journal holds, durably, how far the own log was signed: it knows again.
    Regained,
    /// The list was folded anew.
    Folded {
        /// The digest of the certified frontier.
        frontier: Hash,
        /// The list digest.
        digest: Hash,
    },
    /// Something stored cannot be read any more: the node puts its name to nothing further.
    Damaged {
        /// What, in words.
        reason: String,
    },
    /// Time went by: at least every 50 ms while something goes on.
    Tick,
}

/// What the node is to do.
#[derive(Debug)]
pub enum Action {
    /// Store proven entries, and with them the note of the checkpoint at their end if there is one, then say
    /// [`Event::Stored`].
    Store {
        /// The entries.
        run: VerifiedRun,
        /// The note.
        newest: Option<Vec<u8>>,
    },
    /// Store the proven body of an entry that was stored without one, then say [`Event::Filled`].
    Fill {
        /// Whose log.
        unit: UnitId,
        /// The entry's index.
        index: u64,
        /// The whole entry.
        entry: Entry,
    },
    /// Put these entries of one bundle in the place of what is stored of it and cannot be read, then say [`Event::Repaired`].
    Repair {
        /// The entries, from the bundle's first one on.
        run: VerifiedRun,
    },
    /// No partner could help with an entry that the store cannot read: the database is to be rebuilt.
    Unrepairable {
        /// Whose log.
        unit: UnitId,
        /// The entry's index.
        index: u64,
    },
    /// Store a certified checkpoint, then say [`Event::HeadStored`].
    StoreHead {
        /// Whose log.
        unit: UnitId,
        /// Its size.
        size: Size,
        /// Its note.
        note: Vec<u8>,
        /// Whether it is a bridge: it is stored as that too, in the same step, and kept.
        bridge: bool,
    },
    /// Keep a proof that a log forked, encoded, in the place of one before. From its first one on the own log is to tell of
    /// it, and so is whoever runs the node.
    StoreFork {
        /// Whose log.
        unit: UnitId,
        /// The proof.
        proof: Vec<u8>,
    },
    /// Cut a log back: what is held beyond this size is not what was certified. Nothing below is touched. Then say
    /// [`Event::Rewound`].
    Rewind {
        /// Whose log.
        unit: UnitId,
        /// How much of it stays.
        size: Size,
    },
    /// Sign a checkpoint of the own log, journal it, then say [`Event::Signed`].
    Sign {
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The log key that signs it.
        key: VerifierKey,
    },
    /// Cosign a checkpoint, journal it, then say [`Event::Cosigned`].
    Cosign {
        /// Whose log.
        unit: UnitId,
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The mirror keys that cosign it: two where the charter replaces one.
        keys: Vec<VerifierKey>,
    },
    /// Store a version of the charter, with those before it, then say [`Event::CharterStored`].
    StoreCharter {
        /// Which.
        version: u32,
        /// Its note.
        note: Vec<u8>,
    },
    /// Keep a charter that does not count as evidence of who sent it.
    Evidence {
        /// Who.
        from: UnitId,
        /// What was sent.
        note: Vec<u8>,
        /// Why it does not count, in words.
        reason: String,
    },
    /// Certificates of the units of this version and of all later ones count, as far as each charter gives them.
    Admit {
        /// The first version.
        from: u32,
    },
    /// Enter an `Adopt` into the own log, unless it is there.
    Adopt(Adoption),
    /// A log is certified, and its store durable, up to this size: that of a certified checkpoint, or any below while
    /// what stands under one is fetched.
    Certified {
        /// Whose log.
        unit: UnitId,
        /// Up to where.
        size: Size,
    },
    /// End a stream.
    Close {
        /// The stream.
        stream: StreamId,
        /// Why.
        fault: Fault,
    },
    /// Journal, before anything else, that the journal does not know all that the node signed: a later start must go on
    /// with the recovery.
    Lose {
        /// Why, in words.
        reason: String,
        /// A checkpoint of another unit's log that turned out to be cosigned by this node: it is journalled in the same step that
        /// whatever is cosigned must extend it.
        shown: Option<(UnitId, Size, Hash)>,
    },
    /// All partners have told how far they hold the own log, and the store holds it so far: journal that it was signed so
    /// far, and the checkpoints that bind this node in other logs, then say [`Event::Regained`].
    Regain {
        /// How many own entries there are.
        size: Size,
        /// The newest own checkpoint that is known to be signed.
        signed: Option<(Size, Hash)>,
        /// For each other log the checkpoint that whatever is cosigned must extend.
        bounds: Vec<(UnitId, Size, Hash)>,
    },
    /// The node may sign now, or may not any more.
    StandingChanged,
}

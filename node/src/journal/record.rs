//! What a journal records, and the protobuf messages that carry it.
//!
//! The messages are the node's own, not the protocol's, so they are written here and not in a `.proto` file. Their bytes
//! must be canonical: what does not encode again to the same bytes is damage, so that a record of a newer release is
//! never dropped unseen.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use entente_proto::entry::{Body, Entry};
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::note::VerifierKey;
use entente_proto::witness::{Known, Origin};

/// The id of a submission: a UUID that the client chose, so that a repeated call never enters twice.
pub type SubmissionId = [u8; 16];

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalRecord {
    /// An entry appended to the own log.
    OwnEntry(OwnEntry),
    /// A checkpoint of the own log that was signed.
    OwnCheckpoint(OwnCheckpoint),
    /// The own log is certified up to here **and** everything below is durable in the database: entries below need not
    /// be kept here. As the first record about the own log it says where the journal begins.
    OwnCertified(Size),
    /// A checkpoint of another unit's log that was cosigned.
    Cosigned(Cosigned),
    /// A submission that was acknowledged before the node could give it an index.
    Outbox(Submission),
    /// That submission went into the own log, written in one append with its `OwnEntry`; or an officer took it back.
    OutboxTaken(SubmissionId),
    /// A submission that was acknowledged and waits for a second officer.
    Proposed(Proposal),
    /// A second officer has spoken: it was entered (in the same append) or is dropped.
    ProposalEnded(SubmissionId),
    /// A charter that was signed: its version and the SHA-256 of its text.
    CharterSigned {
        /// The version: one text is signed for each, ever.
        version: u64,
        /// SHA-256 of the note's text.
        digest: Hash,
    },
    /// What this node signed is not all in here, for this reason: until [`Self::Regained`] it signs nothing of its own log.
    Lost(String),
    /// A checkpoint of another unit's log that this node may have cosigned before: what it cosigns must extend it.
    Bound {
        /// The unit whose log it is.
        unit: UnitId,
        /// The checkpoint's size.
        size: Size,
        /// Its root.
        root: Hash,
    },
    /// Nothing more of a unit's log is cosigned, or of the own signed, under this log key: a charter was signed that makes that
    /// log go on from a base.
    Stopped {
        /// The unit whose log it is.
        unit: UnitId,
        /// The key.
        key: VerifierKey,
    },
    /// A charter makes a log go on from a base: what was signed or cosigned of it beyond is replaced. Once for each charter. As
    /// the first record about a log it says only that it was done.
    Replaced {
        /// The unit whose log it is.
        unit: UnitId,
        /// The base's size.
        size: Size,
        /// Its root.
        root: Hash,
        /// The digest of the charter.
        charter: Hash,
    },
    /// All that this key ever signs as a witness for others is in here. Only for a key that was just made: no other is known to
    /// have signed nothing. So it is bound by the sizes and roots that are known of logs, and by no time. [`Self::Lost`] ends it,
    /// and nobody else could tell what it signed.
    WitnessKey(VerifierKey),
    /// A checkpoint of somebody else's log that was cosigned as a witness.
    Witnessed(Witnessed),
    /// All partners have told what this node signed. The database has the own log up to this size; entries below need not
    /// be kept here.
    Regained {
        /// How many own entries there are.
        size: Size,
        /// The newest own checkpoint that anybody knows of.
        signed: Option<(Size, Hash)>,
    },
}

/// An entry of the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEntry {
    /// Its index.
    pub index: u64,
    /// Leaf, opening and payload.
    pub entry: Entry,
    /// The submission it came from, so that a repeated call is recognised even if the database lost the entry.
    pub submission: Option<SubmissionId>,
}

/// A signed checkpoint of the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCheckpoint {
    /// The size it speaks of.
    pub size: Size,
    /// The root it speaks of.
    pub root: Hash,
    /// The signed note.
    pub note: Bytes,
}

/// A cosignature of another unit's checkpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The unit whose log it is.
    pub unit: UnitId,
    /// The size cosigned.
    pub size: Size,
    /// The root cosigned.
    pub root: Hash,
    /// The time in the cosignature, Unix seconds.
    pub time: u64,
    /// The Ed25519 signature.
    pub signature: [u8; 64],
    /// SHA-256 of the author's signed note, without cosignatures.
    pub fingerprint: Hash,
}

impl fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigned({} {} {})", self.unit, self.size, self.root)
    }
}

/// A checkpoint that was cosigned as a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The log, by the first line of its checkpoints.
    pub origin: Origin,
    /// Size and root, and the time in the cosignature, which never goes back as long as the key is the same.
    pub known: Known,
    /// The public key that signs it; nothing where a compaction has carried over what was signed, with whichever key.
    pub by: Option<[u8; 32]>,
}

/// A submission without an index.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// The client's id for it.
    pub id: SubmissionId,
    /// The bytes of the record.
    pub record: Bytes,
}

impl fmt::Debug for Submission {
    /// Shows no content: records are sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Submission({} bytes)", self.record.len())
    }
}

/// A submission that waits for a second officer.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The client's id for it.
    pub id: SubmissionId,
    /// The bytes of the record.
    pub record: Bytes,
    /// The officer who submitted it.
    pub officer: String,
    /// Why a second officer is needed.
    pub reason: String,
    /// When it was submitted, Unix milliseconds.
    pub at_ms: u64,
    /// Whether it is to be left out if the unit already refers its target.
    pub skip_known: bool,
    /// Whether its officer knew that a unit asks to leave the target online.
    pub despite_hold: bool,
    /// Whether its officer knew that a guard list names the target.
    pub despite_guard: bool,
}

impl fmt::Debug for Proposal {
    /// Shows no content: records are sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.record.len())
    }
}

/// The records as the body of a frame. Bodies can be joined: that of two groups is one after the other.
pub(super) fn encode(records: &[JournalRecord]) -> Vec<u8> {
    wire::Frame { records: records.iter().map(to_wire).collect() }.encode_to_vec()
}

/// The records of a frame, or what is wrong with it.
pub(super) fn decode(body: &Bytes) -> Result<Vec<JournalRecord>, String> {
    let frame = wire::Frame::decode(body.clone()).map_err(|e| format!("not a group of records: {e}"))?;
    if frame.encode_to_vec() != *body {
        return Err("a record has parts that this release does not know".into());
    }
    frame.records.into_iter().map(from_wire).collect()
}

fn to_wire(record: &JournalRecord) -> wire::Record {
    let kind = match record {
        JournalRecord::OwnEntry(OwnEntry { index, entry, submission }) => wire::Kind::OwnEntry(wire::OwnEntry {
            index: *index,
            leaf: entry.leaf().clone(),
            opening: entry.body().map(|body| body.opening.to_vec()).unwrap_or_default(),
            payload: entry.payload().cloned().unwrap_or_default(),
            submission: submission.map(Vec::from).unwrap_or_default(),
        }),
        JournalRecord::OwnCheckpoint(OwnCheckpoint { size, root, note }) => {
            wire::Kind::OwnCheckpoint(wire::OwnCheckpoint {
                size: size.get(),
                root: root.0.to_vec(),
                note: note.clone(),
            })
        }
        JournalRecord::OwnCertified(size) => wire::Kind::OwnCertified(wire::OwnCertified { size: size.get() }),
        JournalRecord::Cosigned(c) => wire::Kind::Cosigned(wire::Cosigned {
            unit: c.unit.to_string(),
            size: c.size.get(),
            root: c.root.0.to_vec(),
            time: c.time,
            signature: c.signature.to_vec(),
            fingerprint: c.fingerprint.0.to_vec(),
        }),
        JournalRecord::Outbox(Submission { id, record }) => {
            wire::Kind::Outbox(wire::Outbox { id: id.to_vec(), record: record.clone() })
        }
        JournalRecord::OutboxTaken(id) => wire::Kind::OutboxTaken(wire::OutboxTaken { id: id.to_vec() }),
        JournalRecord::Proposed(p) => wire::Kind::Proposed(wire::Proposed {
            id: p.id.to_vec(),
            record: p.record.clone(),
            officer: p.officer.clone(),
            reason: p.reason.clone(),
            at_ms: p.at_ms,
            skip_known: p.skip_known,
            despite_hold: p.despite_hold,
            despite_guard: p.despite_guard,
        }),
        JournalRecord::ProposalEnded(id) => wire::Kind::ProposalEnded(wire::ProposalEnded { id: id.to_vec() }),
        JournalRecord::CharterSigned { version, digest } => {
            wire::Kind::CharterSigned(wire::CharterSigned { version: *version, digest: digest.0.to_vec() })
        }
        JournalRecord::Lost(reason) => wire::Kind::Lost(wire::Lost { reason: reason.clone() }),
        JournalRecord::Bound { unit, size, root } => {
            wire::Kind::Bound(wire::Bound { unit: unit.to_string(), size: size.get(), root: root.0.to_vec() })
        }
        JournalRecord::Stopped { unit, key } => {
            wire::Kind::Stopped(wire::Stopped { unit: unit.to_string(), key: key.to_string() })
        }
        JournalRecord::Replaced { unit, size, root, charter } => wire::Kind::Replaced(wire::Replaced {
            unit: unit.to_string(),
            size: size.get(),
            root: root.0.to_vec(),
            charter: charter.0.to_vec(),
        }),
        JournalRecord::WitnessKey(key) => wire::Kind::WitnessKey(wire::WitnessKey { key: key.to_string() }),
        JournalRecord::Witnessed(Witnessed { origin, known, by }) => wire::Kind::Witnessed(wire::Witnessed {
            origin: origin.to_string(),
            size: known.size.get(),
            root: known.root.0.to_vec(),
            time: known.time,
            by: by.map(Vec::from).unwrap_or_default(),
        }),
        JournalRecord::Regained { size, signed } => wire::Kind::Regained(wire::Regained {
            size: size.get(),
            signed_size: signed.map_or(0, |(size, _)| size.get()),
            signed_root: signed.map(|(_, root)| root.0.to_vec()).unwrap_or_default(),
        }),
    };
    wire::Record { kind: Some(kind) }
}

fn from_wire(record: wire::Record) -> Result<JournalRecord, String> {
    Ok(match record.kind.ok_or("a record of a kind that this release does not know")? {
        wire::Kind::OwnEntry(e) => {
            let body = if e.opening.is_empty() && e.payload.is_empty() {
                None
            } else {
                Some(Body { opening: array(&e.opening, "opening")?, payload: e.payload })
            };
            let entry = Entry::new(e.leaf, body).map_err(|fault| format!("own entry {}: {fault}", e.index))?;
            let submission = if e.submission.is_empty() { None } else { Some(array(&e.submission, "submission id")?) };
            JournalRecord::OwnEntry(OwnEntry { index: e.index, entry, submission })
        }
        wire::Kind::OwnCheckpoint(c) => {
            JournalRecord::OwnCheckpoint(OwnCheckpoint { size: size(c.size)?, root: hash(&c.root)?, note: c.note })
        }
        wire::Kind::OwnCertified(c) => JournalRecord::OwnCertified(size(c.size)?),
        wire::Kind::Cosigned(c) => JournalRecord::Cosigned(Cosigned {
            unit: c.unit.parse().map_err(|e: entente_proto::ids::IdError| e.to_string())?,
            size: size(c.size)?,
            root: hash(&c.root)?,
            time: c.time,
            signature: array(&c.signature, "signature")?,
            fingerprint: hash(&c.fingerprint)?,
        }),
        wire::Kind::Outbox(o) => {
            JournalRecord::Outbox(Submission { id: array(&o.id, "submission id")?, record: o.record })
        }
        wire::Kind::OutboxTaken(o) => JournalRecord::OutboxTaken(array(&o.id, "submission id")?),
        wire::Kind::Proposed(p) => JournalRecord::Proposed(Proposal {
            id: array(&p.id, "submission id")?,
            record: p.record,
            officer: p.officer,
            reason: p.reason,
            at_ms: p.at_ms,
            skip_known: p.skip_known,
            despite_hold: p.despite_hold,
            despite_guard: p.despite_guard,
        }),
        wire::Kind::ProposalEnded(p) => JournalRecord::ProposalEnded(array(&p.id, "submission id")?),
        wire::Kind::CharterSigned(c) => JournalRecord::CharterSigned { version: c.version, digest: hash(&c.digest)? },
        wire::Kind::Lost(l) => JournalRecord::Lost(l.reason),
        wire::Kind::Bound(b) => JournalRecord::Bound {
            unit: b.unit.parse().map_err(|e: entente_proto::ids::IdError| e.to_string())?,
            size: size(b.size)?,
            root: hash(&b.root)?,
        },
        wire::Kind::Stopped(s) => JournalRecord::Stopped {
            unit: s.unit.parse().map_err(|e: entente_proto::ids::IdError| e.to_string())?,
            key: s.key.parse().map_err(|e: entente_proto::note::KeyError| e.to_string())?,
        },
        wire::Kind::Replaced(r) => JournalRecord::Replaced {
            unit: r.unit.parse().map_err(|e: entente_proto::ids::IdError| e.to_string())?,
            size: size(r.size)?,
            root: hash(&r.root)?,
            charter: hash(&r.charter)?,
        },
        wire::Kind::WitnessKey(w) => {
            JournalRecord::WitnessKey(w.key.parse().map_err(|e: entente_proto::note::KeyError| e.to_string())?)
        }
        wire::Kind::Witnessed(w) => JournalRecord::Witnessed(Witnessed {
            origin: w.origin.parse().map_err(|e: entente_proto::witness::OriginError| e.to_string())?,
            known: Known { size: size(w.size)?, root: hash(&w.root)?, time: w.time },
            by: if w.by.is_empty() { None } else { Some(array(&w.by, "public key")?) },
        }),
        wire::Kind::Regained(r) => JournalRecord::Regained {
            size: size(r.size)?,
            signed: match r.signed_root.is_empty() {
                true => None,
                false => Some((size(r.signed_size)?, hash(&r.signed_root)?)),
            },
        },
    })
}

fn size(value: u64) -> Result<Size, String> {
    Size::new(value).map_err(|e| e.to_string())
}

fn hash(bytes: &[u8]) -> Result<Hash, String> {
    array(bytes, "hash").map(Hash)
}

fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("a {what} has {} bytes instead of {N}", bytes.len()))
}

/// The messages. Field numbers are never used again.
mod wire {
    use bytes::Bytes;

    /// The body of a frame.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Frame {
        #[prost(message, repeated, tag = "1")]
        pub(super) records: Vec<Record>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Record {
        #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
        pub(super) kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Kind {
        #[prost(message, tag = "1")]
        OwnEntry(OwnEntry),
        #[prost(message, tag = "2")]
        OwnCheckpoint(OwnCheckpoint),
        #[prost(message, tag = "3")]
        OwnCertified(OwnCertified),
        #[prost(message, tag = "4")]
        Cosigned(Cosigned),
        #[prost(message, tag = "5")]
        Outbox(Outbox),
        #[prost(message, tag = "6")]
        OutboxTaken(OutboxTaken),
        #[prost(message, tag = "7")]
        CharterSigned(CharterSigned),
        #[prost(message, tag = "8")]
        Proposed(Proposed),
        #[prost(message, tag = "9")]
        ProposalEnded(ProposalEnded),
        #[prost(message, tag = "10")]
        Lost(Lost),
        #[prost(message, tag = "11")]
        Bound(Bound),
        #[prost(message, tag = "12")]
        Regained(Regained),
        #[prost(message, tag = "13")]
        Stopped(Stopped),
        #[prost(message, tag = "14")]
        Replaced(Replaced),
        #[prost(message, tag = "15")]
        WitnessKey(WitnessKey),
        #[prost(message, tag = "16")]
        Witnessed(Witnessed),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct OwnEntry {
        #[prost(uint64, tag = "1")]
        pub(super) index: u64,
        #[prost(bytes = "bytes", tag = "2")]
        pub(super) leaf: Bytes,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) opening: Vec<u8>,
        #[prost(bytes = "bytes", tag = "4")]
        pub(super) payload: Bytes,
        #[prost(bytes = "vec", tag = "5")]
        pub(super) submission: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct OwnCheckpoint {
        #[prost(uint64, tag = "1")]
        pub(super) size: u64,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) root: Vec<u8>,
        #[prost(bytes = "bytes", tag = "3")]
        pub(super) note: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct OwnCertified {
        #[prost(uint64, tag = "1")]
        pub(super) size: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Cosigned {
        #[prost(string, tag = "1")]
        pub(super) unit: String,
        #[prost(uint64, tag = "2")]
        pub(super) size: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) root: Vec<u8>,
        #[prost(uint64, tag = "4")]
        pub(super) time: u64,
        #[prost(bytes = "vec", tag = "5")]
        pub(super) signature: Vec<u8>,
        #[prost(bytes = "vec", tag = "6")]
        pub(super) fingerprint: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Outbox {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) id: Vec<u8>,
        #[prost(bytes = "bytes", tag = "2")]
        pub(super) record: Bytes,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct OutboxTaken {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) id: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Proposed {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) id: Vec<u8>,
        #[prost(bytes = "bytes", tag = "2")]
        pub(super) record: Bytes,
        #[prost(string, tag = "3")]
        pub(super) officer: String,
        #[prost(string, tag = "4")]
        pub(super) reason: String,
        #[prost(uint64, tag = "5")]
        pub(super) at_ms: u64,
        #[prost(bool, tag = "6")]
        pub(super) skip_known: bool,
        #[prost(bool, tag = "7")]
        pub(super) despite_hold: bool,
        #[prost(bool, tag = "8")]
        pub(super) despite_guard: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ProposalEnded {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) id: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Lost {
        #[prost(string, tag = "1")]
        pub(super) reason: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Bound {
        #[prost(string, tag = "1")]
        pub(super) unit: String,
        #[prost(uint64, tag = "2")]
        pub(super) size: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) root: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Regained {
        #[prost(uint64, tag = "1")]
        pub(super) size: u64,
        #[prost(uint64, tag = "2")]
        pub(super) signed_size: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) signed_root: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Stopped {
        #[prost(string, tag = "1")]
        pub(super) unit: String,
        #[prost(string, tag = "2")]
        pub(super) key: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Replaced {
        #[prost(string, tag = "1")]
        pub(super) unit: String,
        #[prost(uint64, tag = "2")]
        pub(super) size: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) root: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) charter: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct WitnessKey {
        #[prost(string, tag = "1")]
        pub(super) key: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Witnessed {
        #[prost(string, tag = "1")]
        pub(super) origin: String,
        #[prost(uint64, tag = "2")]
        pub(super) size: u64,
        #[prost(bytes = "vec", tag = "3")]
        pub(super) root: Vec<u8>,
        #[prost(uint64, tag = "4")]
        pub(super) time: u64,
        #[prost(bytes = "vec", tag = "5")]
        pub(super) by: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct CharterSigned {
        #[prost(uint64, tag = "1")]
        pub(super) version: u64,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) digest: Vec<u8>,
    }
}

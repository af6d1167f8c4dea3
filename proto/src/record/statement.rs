//! The payload of an entry, read as a statement.
//!
//! # Canonical bytes
//!
//! A payload is the canonical protobuf encoding of a `Record`: decoding it under `record.proto` and encoding the result
//! again gives the same bytes. So fields ascend by number; varints and lengths take no more bytes than needed; scalars,
//! strings and byte strings that have their default value are absent; repeated numbers are packed; no field occurs
//! twice (unless repeated), of a `oneof` one arm at most, and none that the schema does not know. Strings are UTF-8,
//! `true` is the varint 1, 32-bit numbers are below 2^32. A submessage may be present and empty.
//!
//! As an example, a withdrawal of record 5 with the reason `wrong`, submitted under sixteen bytes `0x11`:
//!
//! ```text
//! 0a 10 1111 1111 1111 1111 1111 1111 1111 1111    field 1, submission: 16 bytes
//! 1a 09                                            field 3, withdraw: 9 bytes
//!    08 05                                         field 1, index: 5
//!    12 05 77 72 6f 6e 67                          field 2, reason: "wrong"
//! ```
//!
//! # When a payload is set aside
//!
//! It counts only if all of this holds; otherwise it is *set aside*, the same way by everyone:
//!
//! 1. the header's kind is one that this version knows (2 to 20);
//! 2. it has 1 to 65,536 bytes, decodes, and is canonical;
//! 3. `submission` has exactly 16 bytes;
//! 4. the arm's field number is the header's kind;
//! 5. every field keeps its limits.
//!
//! The limits are those that the comments of `record.proto` name for a field by itself (so many bytes, so many items,
//! ascending), and those of the table. Nothing here looks beyond the payload and the header's kind: that an index is
//! smaller than the record's own, a time not later than the header's, a referral another unit's or there at all, is a
//! matter of [`list`](crate::list), and never sets a payload aside.
//!
//! Whatever neither names as required may be absent or empty: `Refer.handling`, `Dispatch.provider`, `Operation.title`,
//! a list of units or of references, an `EvidenceItem`'s `media_type`. Lists of references (`RecordRef`) have no order and
//! may repeat, and only the payload's size limits them and lists of `Referrals`.
//!
//! | what | rule |
//! |---|---|
//! | every text (field of type `string`) | no U+0000-U+001F except U+000A, no U+007F-U+009F, no U+202A-U+202E, no U+2066-U+2069; any other character |
//! | every target | in canonical form, see [`target`](super::target); only `Evidence.target` may be empty, and `Observe.successor`, which is given exactly when the target moved |
//! | every enum | a value that the schema names; 0 only where the schema does not call it refused |
//! | every hash, root and digest | exactly 32 bytes, never absent |
//! | every time (`_ms`) | below 253,402,300,800,000 (the year 10000) |
//! | `RecordRef.index`, `Withdraw.index`, `Erase.index`, `FrontierLog.size`, `AccessHead.size` | below 2^40; other numbers without a rule, such as `AccessHead.epoch` and `EvidenceItem.size`, are any |
//! | every unit id | of the form that [`ids`](crate::ids) names |
//! | every `RecordRef` that is no element of a list, but for `Evidence.operation`; and `Evidence.item` | present |
//! | `Refer.language` | `a-z`, `A-Z`, `0-9` and `-` in any order; not judged as a tag |
//! | `EvidenceItem.media_type` | bytes 0x20-0x7e; not judged as a type |
//! | `Refer.prefix` | true for `url:` targets only |
//! | `Opinion.ground` | 1-5 for an objection, 0 for support |
//! | `Link` | `first` and `second` differ |
//! | lists of unit ids | at most 100, ascending, each once; `ready_quorum` at most 100 |
//! | every list of `Referrals`, of `FrontierLog` | ascending by unit, each once |
//! | `Referrals.indexes` | at least one, ascending, each once, below 2^40 |
//! | `OperationStep` | has a step |
//! | `OperationFreeze.digest`, `OperationReady.digest`, `OperationGo.digest` | judged by their length alone |
//! | `Adopt.version` | at least 1 |
//! | `Propose` | `text`, which is of type `bytes`, is judged by its length alone, also where it is no UTF-8; `digest` is SHA-256 of it where it is not empty |
//! | `Approve.signatures` | at most 128, in any order, each a text of at most 512 bytes that may be empty; whether it is a signature line is not judged here |
//! | `ForkProof` | no note is empty, at most 80 hashes; whether it proves anything is not judged here |

use bytes::Bytes;
use prost::Message;

pub use super::check::Fault;
use super::kind::RecordKind;
use super::rules;
use super::target::Target;
use crate::hash::Hash;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::wire::Record;
use crate::wire::record::Body;

/// Length of a submission id, in bytes: exactly.
pub const SUBMISSION_BYTES: usize = 16;

/// Why a payload is set aside, or why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetAside {
    /// A kind of a later version.
    #[error("its kind {0} is not known to this version")]
    UnknownKind(u32),
    /// Empty, or beyond 64 KiB.
    #[error("its payload has {0} bytes; 1 to 65,536 are allowed")]
    Size(usize),
    /// Not a `Record` at all.
    #[error("its payload is not a record: it does not decode")]
    NotProtobuf,
    /// Encoded in another way than the canonical one, or with fields that the schema does not know.
    #[error("its payload is not in canonical form")]
    NotCanonical,
    /// A submission id that does not have 16 bytes.
    #[error("its submission id has {0} bytes instead of 16")]
    Submission(usize),
    /// Neither of the arms.
    #[error("it says nothing: no kind is given")]
    Empty,
    /// The header says another kind than the payload.
    #[error("its header says kind {header}, its payload is of kind {payload}")]
    KindDiffers {
        /// What the header says.
        header: u32,
        /// What the payload is.
        payload: u32,
    },
    /// A field breaks its limit.
    #[error("{field}: {fault}")]
    Field {
        /// The field, as the schema names it.
        field: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// A record that is canonical and keeps every limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    submission: [u8; SUBMISSION_BYTES],
    body: Body,
}

impl Statement {
    /// The id under which it was submitted.
    #[must_use]
    pub const fn submission(&self) -> [u8; SUBMISSION_BYTES] {
        self.submission
    }

    /// What it says.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// What it says, to keep.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The message again.
    #[must_use]
    pub fn into_record(self) -> Record {
        Record { submission: self.submission.to_vec(), body: Some(self.body) }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        RecordKind::of_body(&self.body)
    }

    /// The target that it names itself: of a referral, hold or observation, of evidence that has one, and the first of
    /// a link. Statements about records name none.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        let text = match &self.body {
            Body::Refer(refer) => &refer.target,
            Body::Hold(hold) => &hold.target,
            Body::Observe(observe) => &observe.target,
            Body::Link(link) => &link.first,
            Body::Evidence(evidence) if !evidence.target.is_empty() => &evidence.target,
            _ => return None,
        };
        Some(Target::checked(text))
    }
}

/// Reads the payload of an entry whose header says this kind.
///
/// # Errors
/// Why it is set aside, see the head of this module. Memory taken is a small multiple of the payload.
pub fn parse(header_kind: u32, payload: &[u8]) -> Result<Statement, SetAside> {
    if let RecordKind::Unknown(number) = RecordKind::of_number(header_kind) {
        return Err(SetAside::UnknownKind(number));
    }
    if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
        return Err(SetAside::Size(payload.len()));
    }
    let record = Record::decode(payload).map_err(|_| SetAside::NotProtobuf)?;
    // Unknown fields are dropped in decoding, so they differ here too. Most that is not canonical differs in length.
    if record.encoded_len() != payload.len() || record.encode_to_vec() != payload {
        return Err(SetAside::NotCanonical);
    }
    let statement = checked(record)?;
    let payload = statement.kind().number();
    if payload != header_kind {
        return Err(SetAside::KindDiffers { header: header_kind, payload });
    }
    Ok(statement)
}

/// The key (SHA-256 of the SPKI) that a `Revoke` names: its kind by its header, and its payload. It speaks for the
/// certificates of the unit alone in whose log it stands. Other kinds, and what is set aside, revoke nothing.
#[must_use]
pub fn revoked_by(kind: u32, payload: &[u8]) -> Option<Hash> {
    if kind != RecordKind::Revoke.number() {
        return None;
    }
    match parse(kind, payload).ok()?.into_body() {
        Body::Revoke(revoke) => revoke.spki_sha256.as_slice().try_into().ok().map(Hash),
        _ => None,
    }
}

/// The canonical bytes of a record, for its author: what [`parse`] will take.
///
/// # Errors
/// What everybody would set it aside for.
pub fn encode(record: &Record) -> Result<Bytes, SetAside> {
    check(record)?;
    let bytes = record.encode_to_vec();
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(SetAside::Size(bytes.len()));
    }
    Ok(bytes.into())
}

fn check(record: &Record) -> Result<([u8; SUBMISSION_BYTES], &Body), SetAside> {
    let submission = record.submission.as_slice().try_into();
    let submission = submission.map_err(|_| SetAside::Submission(record.submission.len()))?;
    let body = record.body.as_ref().ok_or(SetAside::Empty)?;
    rules::check(body)?;
    Ok((submission, body))
}

fn checked(record: Record) -> Result<Statement, SetAside> {
    let (submission, _) = check(&record)?;
    let body = record.body.ok_or(SetAside::Empty)?;
    Ok(Statement { submission, body })
}

#[cfg(test)]
mod tests;

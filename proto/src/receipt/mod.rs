//! Receipts, C2SP `tlog-proof` (<https://c2sp.org/tlog-proof>): one record shown alone, to whoever has the charter and
//! nothing else.
//!
//! # The text
//!
//! UTF-8, lines ended by a line feed alone, the last one too:
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra AC0IBRCBkObQrywYKyIgl65hp3eBoLpPVZkN0bzV7dbVug2mnKqGdBuGO3ZdyKABAQEBAQEBAQEBAQEBAQEBChABAQEBAQEBAQEBAQEBAQEBKhcKBgoCQkUQARABIgthIG5ld3NwYXBlcg==
//! index 1
//! 2kHi5+F9TLHd9g6j1Ln91ccunQwT7oxVZITTflkzSCE=
//!
//! takedown.example/NL
//! 2
//! IUdIXX+bSHfrF26EeVvBxhMhwpe7J/EIawyD9+S9sgo=
//!
//! — takedown.example/NL 5wYUq8xd2re3zKzlPnv0H2G32GXxBUo9rC4CiLASrNhNDTy8mh9TMO7Lsr2xfYfqZAqt5hZJdO9DO5NXDLVdDCAWPAo=
//! — takedown.example/BE/mirror oTEh+AAAAABa38U8FsOAACfoFN+OVMbWoQH863+2HuPN+5zIBKVpvvhkjiDLDcYibEksaZfDXH86uGfmgK9FKyrbwdaZfrPeWC0oBw==
//! — takedown.example/UK/mirror +051dAAAAABa38U9jx/Qt3x3NXNf33BYDzAxC6Nu+y+CNkA9RF7RuDndW0o0lHLryuIa5ThRHSpBSOUqG8Muw5FjV25wouPGBaakDA==
//! ```
//!
//! (NL supports BE/1; the keys are Ed25519 seeds SHA-256 of labels such as `log NL` and `mirror BE`.)
//!
//! 1. The format: `c2sp.org/tlog-proof@v1`.
//! 2. `extra`, a space, base64 of the [entry](crate::entry): `u16be` length of the leaf (1 to 64), the leaf, the 16-byte
//!    opening, and what remains is the payload, 1 to 65,536 bytes. (`tlog-proof` lets this line be absent and says of it
//!    that it is not authenticated. Here it must be there, and none of it is believed before it hashes to what is.)
//! 3. `index`, a space, the entry's index from 0, a decimal number below 2^40 without leading zeros.
//! 4. The [inclusion proof](crate::tree::inclusion_proof), one base64 hash a line, the leaf's sibling first: as many as
//!    index and size ask for, at most 40, none for a log of one entry.
//! 5. An empty line.
//! 6. The cosigned [checkpoint](crate::checkpoint), with its own empty line and signature lines: the author's first, then
//!    the cosignatures ascending by unit, at most 64 KiB.
//!
//! Base64 is that of RFC 4648 section 4, with padding and unused bits zero. The whole has at most 160 KiB
//! ([`RECEIPT_BYTES_MAX`]). A file of it is named `.receipt` or, as C2SP proposes, `.tlog-proof`.
//!
//! # What is verified
//!
//! Under a charter ([`UnverifiedReceipt::verify`]), in this order:
//!
//! 1. the checkpoint is one of the log of a unit that the charter lists, signed with the log key that it gives to that unit;
//! 2. each other signature line is by the mirror key of another of its units, and verifies. Unlike on the wire, lines of
//!    unknown keys are a fault, so that nothing in a receipt can be altered without being refused: who has an older charter
//!    than the receipt asks for the newer one. The lines stand in the order above;
//! 3. the leaf is canonical, and opening and payload are what its commitment says;
//! 4. `SHA-256(0x00 || leaf)`, the index and the hashes lead to the checkpoint's root at its size;
//! 5. the payload is a [sound record](crate::record::statement) of the kind that the leaf says.
//!
//! Then that unit made that record, at the header's time by its own clock. Whether the checkpoint has its
//! [quorum](crate::quorum) is told apart ([`VerifiedReceipt::certified`]): without it the unit has said so, and its
//! partners have not yet made sure that it cannot deny it. Any altered bit is refused, and so is any altered line; only whole
//! lines of cosignatures can be taken out, since no signature says who else signed: what is left then is a receipt that
//! says the same, shows fewer cosigners, and below the quorum is not certified. A receipt tells nothing about what was said *after* it: that is
//! what the receipt of a later record is for ([`VerifiedReceipt::bears_on`]).
//!
//! | file | holds |
//! |---|---|
//! | `text.rs` | the one form |
//! | `verify.rs` | from [`UnverifiedReceipt`] to [`VerifiedReceipt`] |
//! | `bearing.rs` | what one receipt says about the record of another |

mod bearing;
mod text;
mod verify;

#[cfg(test)]
mod tests;

pub use bearing::Bearing;
pub use text::UnverifiedReceipt;
pub use verify::VerifiedReceipt;

use crate::checkpoint::CheckpointError;
use crate::entry::EntryError;
use crate::limits::{LEAF_BYTES_MAX, OPENING_BYTES, PAYLOAD_BYTES_MAX, RECEIPT_BYTES_MAX};
use crate::note::KeyName;
use crate::record::SetAside;
use crate::tree::ProofError;

/// The first line of a receipt.
pub const FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than any receipt.
    #[error("it has {0} bytes, more than a receipt can have ({RECEIPT_BYTES_MAX})")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("it is not UTF-8 from byte {0} on: this is no receipt, or it was damaged on its way")]
    NotUtf8(usize),
    /// Lines that end in a carriage return, as mail programs make them.
    #[error(
        "its lines end in carriage returns: it was altered on its way, as mail programs do; ask for it again, as a file"
    )]
    CarriageReturn,
    /// Another first line.
    #[error("its first line is not {FORMAT}: this is no receipt")]
    Format,
    /// No second line with the entry.
    #[error("its second line is not `extra` and a space: a receipt carries the record itself there")]
    NoExtra,
    /// The entry is not in canonical base64.
    #[error("what stands after `extra` is not canonical base64")]
    ExtraBase64,
    /// The entry is too short for its parts, or one of them is too long.
    #[error(
        "what stands after `extra` has {0} bytes, which is no leaf of 1 to {LEAF_BYTES_MAX} bytes with its length before \
         it, an opening of {OPENING_BYTES} and a payload of 1 to {PAYLOAD_BYTES_MAX}"
    )]
    ExtraLength(usize),
    /// No index in its one form.
    #[error("its third line is not `index` and a decimal number below 2^40 without leading zeros")]
    Index,
    /// A line of the proof that is no hash.
    #[error("line {0} is not canonical base64 of a hash of 32 bytes")]
    Hash(usize),
    /// More hashes than any proof has.
    #[error("it has more hashes than a proof in a log of fewer than 2^40 entries")]
    TooManyHashes,
    /// No empty line after the proof.
    #[error("it has no empty line and no checkpoint after its hashes: it was cut short")]
    NoCheckpoint,
    /// An entry that was erased, or that came without its payload.
    #[error("the record has no payload here, so there is nothing that a receipt could show")]
    NoPayload,
    /// The checkpoint, or a signature on it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of a log that the charter does not know.
    #[error(
        "it is about the log {0}, and the charter lists no unit with that log: take the newest charter of the network that \
         the receipt is from"
    )]
    UnknownLog(KeyName),
    /// A signature that the charter cannot account for.
    #[error(
        "it carries a signature by the key {0}, which may not sign under this charter: take the newest charter, or ask for \
         the receipt again"
    )]
    UnknownSigner(KeyName),
    /// Signature lines in another order.
    #[error(
        "the signatures under its checkpoint do not stand in their one order: the author, then its partners by unit"
    )]
    SignatureOrder,
    /// Leaf, opening and payload do not fit together.
    #[error("the record in it is not sound: {0}")]
    Entry(#[from] EntryError),
    /// The entry does not stand in that log at that index.
    #[error("the record in it does not stand at index {index} of the log: {fault}")]
    NotInLog {
        /// The index that it names.
        index: u64,
        /// What is wrong with the proof.
        fault: ProofError,
    },
    /// The payload says nothing that counts.
    #[error("the record in it counts for nobody: {0}")]
    SetAside(#[from] SetAside),
}

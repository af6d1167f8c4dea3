//! Witnesses from outside, C2SP `tlog-witness` (<https://c2sp.org/tlog-witness>).
//!
//! A *witness* signs the newest checkpoint of a log after it was shown that this extends the one it signed before. It holds
//! nothing of the log, and so says less than a mirror: only that, as of a time, it saw one history and no other. It has a
//! key of its own, `<network>/<unit>/witness` where it is a unit's node, type 0x04 ([`cosignature`](crate::cosignature)),
//! and never the mirror key: a mirror's cosignature means that it holds the log, and the two look the same.
//!
//! # The call
//!
//! `POST <prefix>/add-checkpoint` with this body ([`AddCheckpoint`]): what the witness signed last, as far as the caller
//! knows, a consistency proof (RFC 9162 section 2.1.4) from there, an empty line, and the checkpoint with its signatures:
//!
//! ```text
//! old 8
//! <base64 of a hash>
//! ...
//!
//! takedown.example/BE
//! 1042
//! <base64 of the root>
//!
//! — takedown.example/BE <base64 of key id and signature>
//! ```
//!
//! | answer | what for ([`Refusal`]) |
//! |---|---|
//! | 200, a signature line ([`read_answer`]) | signed: it is the newest that the witness knows from now on |
//! | 400 | not of this form, or the old size is larger than the checkpoint's |
//! | 403 | no key that is known for this origin signed it |
//! | 404 | nothing is known of this origin |
//! | 409, the size that is known, `text/x.tlog.size` | the old size is another than that; or it is the checkpoint's own, whose root is another |
//! | 422 | the proof does not hold |
//! | 503 | nothing is signed now, whatever is asked; also where the time of what was signed last has not come ([`Known::is_ahead`]) |
//!
//! They are judged in this order: origin, signatures, sizes, roots, proof, time.
//!
//! # Whose logs
//!
//! Any log's that keeps to C2SP: origins that are no key names, extension lines and several signatures included
//! ([`LogCheckpoint`]). The body is signed as it is, with its extension lines, of which that says nothing. Entente's own
//! checkpoints stay in their one stricter form ([`checkpoint`](crate::checkpoint)). Log keys are of type 0x01 or 0x04.
//!
//! Limits: bodies of 68,480 bytes, 63 hashes, sizes below 2^40, origins of 1,024 bytes; notes as [anywhere](crate::note).
//!
//! | file | holds |
//! |---|---|
//! | `log.rs` | [`Origin`], [`LogKeys`], [`LogCheckpoint`]: logs of others |
//! | `request.rs` | [`AddCheckpoint`] |
//! | `judge.rs` | [`Witness`]: what is signed and what is refused |
//! | `answer.rs` | the answers, read by who asked |
//! | `witnessed.rs` | [`WitnessedCheckpoint`]: an own checkpoint with a witness's word, as it is kept and exported |

mod answer;
mod judge;
mod log;
mod request;
mod witnessed;

#[cfg(test)]
mod tests;

pub use answer::{AnswerError, read_answer, read_size, write_size};
pub use judge::{Accepted, Known, Refusal, Witness};
pub use log::{LogCheckpoint, LogError, LogKeys, LogLineError, Origin, OriginError};
pub use request::{AddCheckpoint, RequestError};
pub use witnessed::{WitnessedCheckpoint, WitnessedError};

/// The content type of an answer that tells the size that is known.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

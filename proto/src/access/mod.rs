//! The access log: who consulted, changed, disclosed or erased what, when, and why (Directive (EU) 2016/680, Article 25).
//!
//! Every call of an officer, an operator or an auditor is an entry of a second log of the node, before it is acted upon.
//! Entries and tree are those of the replicated log ([`entry`](crate::entry), [`tree`](crate::tree)): a leaf with a
//! commitment, an opening, a payload, here an [`Access`](wire::Access). The kind in the header is 1 for a call, 2 for
//! its end, 3 for the beginning of an epoch and 4 for the deletion of old ones. A call's end is told where its beginning does not tell it: with the count of the rows that a reading call was
//! sent, and with the code of a call that was refused.
//!
//! The log is named `<network>/<unit>/access/<epoch>` and never leaves the unit. What keeps its operators honest are the
//! `AccessHead` records in the unit's replicated log: each fixes the size and the root that the access log had, and partners
//! cosign it without seeing a line. Whoever has the entries and those records can [verify](Verifier) that no line before
//! the newest head was dropped or changed. A log that is lost or damaged is not gone on with: the next epoch begins, and
//! the heads of the one before stay as the proof of what is missing.
//!
//! # Epochs
//! A log is cut into epochs, so that a node need not read all of it when it starts, and old ones can be deleted. An epoch
//! that ends as it should is fixed by the first entry of the next ([`Began`](wire::Began)): its size and root, so that what
//! came after its last head cannot be dropped either. Before epochs are deleted an entry of the newest says so
//! ([`Deleted`](wire::Deleted)), with the number of days for which the unit keeps them: whoever verifies can tell what was
//! deleted by that rule from what is missing, for [when an epoch was over](Ends) stands in records that partners cosigned.
//! Epochs are numbered by the Unix second in which they begin, or by one more than the one before.
//!
//! # What a call was about
//! Statements are named by their submission ids, records by theirs. Texts that somebody asked for (targets, words), and the
//! targets of what was submitted, are not written down: they may be, or become, what an erasure takes off every disk. Each is
//! written as the first 16 bytes of HMAC-SHA-256 under the call's salt, `~` before them, so that an auditor who has a text
//! [finds](is_about) the calls about it, and nobody reads texts from the log.
//!
//! Limits: what a call was about is written as far as it has room in [`ABOUT_BYTES_MAX`], a part of it up to
//! [`PART_BYTES_MAX`]; of what has none, there is the count and a hash.

mod deletion;
mod verify;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message as _;
use ring::hmac;

use crate::entry::{Entry, EntryError};
use crate::hash::Hash;
use crate::ids::{NetworkName, UnitId};
use crate::limits::OPENING_BYTES;
use crate::wire;
use crate::wire::access::Body;

pub use deletion::{Ends, NotDue};
pub use verify::{Fault, FaultKind, FixedBy, Head, Verified, Verifier};

/// Most bytes of what a call was about, in all: the targets of a whole call of referrals have room. Those of a whole call of
/// links, two each, do not: the last of them are in the count and the hash alone.
pub const ABOUT_BYTES_MAX: usize = 40 << 10;
/// Most bytes of one part of it; a longer one is cut.
pub const PART_BYTES_MAX: usize = 4 << 10;
/// Bytes of a call's salt.
pub const SALT_BYTES: usize = 16;
/// Longest purpose, in bytes.
pub const PURPOSE_BYTES_MAX: usize = 1 << 10;

/// The name of an access log.
#[must_use]
pub fn origin(network: &NetworkName, unit: &UnitId, epoch: u64) -> String {
    format!("{network}/{unit}/access/{epoch}")
}

/// An entry's payload cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Opening and payload are not there.
    #[error("its payload is missing")]
    Missing,
    /// The payload is not in canonical form.
    #[error("its payload is not the canonical bytes of an access entry")]
    NotCanonical,
    /// Neither a call nor an end, or another than the header says.
    #[error("its kind is {0}, and its payload says something else")]
    Kind(u32),
}

/// Composes an entry. `opening` must come from a random number generator.
///
/// # Errors
/// [`EntryError`] if what is said is too long; what [`call`] makes is not.
pub fn compose(time_ms: u64, opening: [u8; OPENING_BYTES], body: Body) -> Result<Entry, EntryError> {
    let kind = kind_of(&body);
    Entry::compose(kind, time_ms, opening, Bytes::from(wire::Access { body: Some(body) }.encode_to_vec()))
}

/// What an entry says.
///
/// # Errors
/// [`AccessError`].
pub fn parse(entry: &Entry) -> Result<Body, AccessError> {
    let payload = entry.payload().ok_or(AccessError::Missing)?;
    let access = wire::Access::decode(payload.clone()).map_err(|_| AccessError::NotCanonical)?;
    if access.encode_to_vec() != *payload {
        return Err(AccessError::NotCanonical);
    }
    let kind = entry.header().kind;
    access.body.filter(|body| kind_of(body) == kind).ok_or(AccessError::Kind(kind))
}

const fn kind_of(body: &Body) -> u32 {
    match body {
        Body::Call(_) => 1,
        Body::Ended(_) => 2,
        Body::Began(_) => 3,
        Body::Deleted(_) => 4,
    }
}

/// One part of what a call was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Written as it is: a record's id, a filter's key, a unit.
    Said(String),
    /// A text that somebody asked for.
    Text(String),
    /// A filter's key, and the text that it is set to.
    Filter(&'static str, String),
}

/// A call, with as much of what it was about as has room.
///
/// `salt` must come from a random number generator.
#[must_use]
pub fn call(
    caller: String,
    key: Hash,
    method: &str,
    purpose: &str,
    salt: [u8; SALT_BYTES],
    about: Vec<Part>,
) -> wire::Call {
    let hides = about.iter().any(|part| !matches!(part, Part::Said(_)));
    let about: Vec<String> = about
        .into_iter()
        .map(|part| match part {
            Part::Said(words) => words,
            Part::Text(text) => hidden(&salt, &text),
            Part::Filter(key, text) => format!("{key} {}", hidden(&salt, &text)),
        })
        .collect();
    let count = about.len();
    let fits = |part: &String| part.len() <= PART_BYTES_MAX;
    // With what the encoding adds to each.
    let bytes = |part: &String| part.len().saturating_add(4);
    let whole = about.iter().all(fits) && about.iter().map(bytes).fold(0, usize::saturating_add) <= ABOUT_BYTES_MAX;
    let digest = if whole { Vec::new() } else { digest(&about).0.to_vec() };
    let mut room = ABOUT_BYTES_MAX;
    let mut kept = Vec::new();
    for mut part in about {
        cut(&mut part, PART_BYTES_MAX);
        match room.checked_sub(bytes(&part)) {
            Some(left) => room = left,
            None => break,
        }
        kept.push(part);
    }
    let items = if kept.len() < count { count as u64 } else { 0 };
    let mut purpose = purpose.to_owned();
    cut(&mut purpose, PURPOSE_BYTES_MAX);
    wire::Call {
        caller,
        key: key.0.to_vec(),
        method: method.to_owned(),
        purpose,
        about: kept,
        items,
        digest,
        submissions: Vec::new(),
        salt: if hides { salt.to_vec() } else { Vec::new() },
    }
}

/// Cuts a text to so many bytes, or a few less: between two characters.
fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
}

fn hidden(salt: &[u8], text: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), text.as_bytes());
    let hex = tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}"));
    std::iter::once("~".to_owned()).chain(hex).collect()
}

/// Whether a call was about this text, as far as its parts are written.
#[must_use]
pub fn is_about(call: &wire::Call, text: &str) -> bool {
    let hidden = hidden(&call.salt, text);
    call.about.iter().any(|part| part == text || part.rsplit(' ').next() == Some(hidden.as_str()))
}

/// SHA-256 of all parts, each after its length as u32be.
#[must_use]
pub fn digest(about: &[String]) -> Hash {
    let lengths: Vec<[u8; 4]> =
        about.iter().map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()).collect();
    let parts: Vec<&[u8]> =
        lengths.iter().zip(about).flat_map(|(length, part)| [&length[..], part.as_bytes()]).collect();
    Hash::of_parts(&parts)
}

//! What a witness signs, and what it refuses.

use std::collections::BTreeMap;

use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::Size;
use crate::limits::{HEADER_AHEAD_MS_MAX, WITNESS_AGAIN_S};
use crate::note::{Algorithm, NoteError, NoteSignature, VerifierKey};
use crate::tree::{ProofError, verify_consistency};
use crate::witness::{AddCheckpoint, LogCheckpoint, LogKeys, Origin, RequestError};

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call has another form.
    #[error(transparent)]
    Malformed(#[from] RequestError),
    /// The log is not known.
    #[error("this witness knows no log with this origin")]
    UnknownOrigin,
    /// None of the log's keys signed.
    #[error("no key that this witness knows for this origin signed the checkpoint")]
    Unsigned,
    /// A line that says it is by one of the log's keys does not verify.
    #[error("the checkpoint's signature does not hold: {0}")]
    BadSignature(NoteError),
    /// The old size is beyond the checkpoint.
    #[error("the old size, {old}, is larger than the checkpoint's, {size}")]
    OldAhead {
        /// What the caller says was signed.
        old: Size,
        /// The checkpoint's size.
        size: Size,
    },
    /// Another checkpoint was signed last than the caller says.
    #[error("the newest checkpoint that this witness signed has the size {known}, not {old}")]
    Conflict {
        /// What was signed last; 0 if nothing.
        known: Size,
        /// What the caller says.
        old: Size,
    },
    /// Another root was signed for this size.
    #[error("for the size {0} this witness signed another root")]
    OtherRoot(Size),
    /// It does not extend what was signed, or that is not shown.
    #[error("the consistency proof does not hold: {0}")]
    Inconsistent(ProofError),
    /// What was signed last says a time that has not come: this witness's clock was wrong then, or is now.
    #[error("what this witness signed last of this log says a time that is {0} s ahead of its clock")]
    Ahead(u64),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldAhead { .. } => 400,
            Self::Unsigned | Self::BadSignature(_) => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } | Self::OtherRoot(_) => 409,
            Self::Inconsistent(_) => 422,
            Self::Ahead(_) => 503,
        }
    }

    /// The size that the caller is told: that of the newest checkpoint signed.
    #[must_use]
    pub const fn known(&self) -> Option<Size> {
        match self {
            Self::Conflict { known, .. } | Self::OtherRoot(known) => Some(*known),
            _ => None,
        }
    }
}

/// The newest checkpoint of a log that was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its size.
    pub size: Size,
    /// Its root.
    pub root: Hash,
    /// When, Unix seconds.
    pub time: u64,
}

impl Known {
    /// Of a log of which nothing was signed.
    const NOTHING: Self = Self { size: Size::ZERO, root: Hash::EMPTY_ROOT, time: 0 };

    /// Whether its time lies more than five minutes ahead of `now`, Unix seconds: that is no difference of clocks.
    #[must_use]
    pub const fn is_ahead(&self, now: u64) -> bool {
        self.time.saturating_sub(now) > HEADER_AHEAD_MS_MAX / 1_000
    }
}

/// A checkpoint that may be signed: [taken up](Witness::take) and durable first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The log.
    pub origin: Origin,
    /// What is known of it from now on.
    pub known: Known,
    /// Whether that is anything new; if not, it has only to be durable.
    pub is_new: bool,
    /// What is signed, at that time.
    pub body: String,
}

/// What a witness has signed.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    known: BTreeMap<Origin, Known>,
}

impl Witness {
    /// A witness that has signed this.
    #[must_use]
    pub const fn new(known: BTreeMap<Origin, Known>) -> Self {
        Self { known }
    }

    /// Whether a checkpoint may be signed. Nothing changes: the caller makes [`Accepted::known`] durable before anything is
    /// signed, and lets no other call be judged between this and [`take`](Self::take). `now` is in Unix seconds; the time of a
    /// log's cosignatures never goes back, since each says that no larger tree was seen until then; and what was signed less
    /// than [`WITNESS_AGAIN_S`] ago is signed again with the same time. Where the time of what was signed last
    /// [lies ahead](Known::is_ahead) nothing is signed: a true time would go back, and a later one would be false.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, logs: &LogKeys, call: &AddCheckpoint, now: u64) -> Result<Accepted, Refusal> {
        let checkpoint = &call.checkpoint;
        let (origin, keys) = logs.of(checkpoint.origin()).ok_or(Refusal::UnknownOrigin)?;
        signed(checkpoint, keys)?;
        let (old, size, root) = (call.old, checkpoint.size(), checkpoint.root());
        if old > size {
            return Err(Refusal::OldAhead { old, size });
        }
        let known = self.known.get(origin).copied().unwrap_or(Known::NOTHING);
        if old != known.size {
            return Err(Refusal::Conflict { known: known.size, old });
        }
        if size == old && root != known.root {
            return Err(Refusal::OtherRoot(known.size));
        }
        verify_consistency(old, &known.root, size, &root, &call.proof).map_err(Refusal::Inconsistent)?;
        if known.is_ahead(now) {
            return Err(Refusal::Ahead(known.time.saturating_sub(now)));
        }
        let again = size == known.size && now < known.time.saturating_add(WITNESS_AGAIN_S);
        let time = if again { known.time } else { now.max(known.time) };
        let next = Known { size, root, time };
        let (origin, body) = (origin.clone(), checkpoint.body().to_owned());
        Ok(Accepted { is_new: self.known.get(&origin) != Some(&next), origin, known: next, body })
    }

    /// Takes up what was accepted.
    pub fn take(&mut self, accepted: &Accepted) {
        self.known.insert(accepted.origin.clone(), accepted.known);
    }

    /// What was signed last, by log.
    #[must_use]
    pub const fn known(&self) -> &BTreeMap<Origin, Known> {
        &self.known
    }
}

/// One of these keys signed, and each line that says it is by one of them is.
fn signed(checkpoint: &LogCheckpoint, keys: &[VerifierKey]) -> Result<(), Refusal> {
    let mut signed = Err(Refusal::Unsigned);
    for line in checkpoint.signatures() {
        for key in keys.iter().filter(|key| line.is_by(key)) {
            verify(line, checkpoint.body(), key).map_err(Refusal::BadSignature)?;
            signed = Ok(());
        }
    }
    signed
}

fn verify(line: &NoteSignature, body: &str, key: &VerifierKey) -> Result<(), NoteError> {
    match key.algorithm() {
        Algorithm::Ed25519 => line.verify(body, key).map(|_| ()),
        Algorithm::Cosignature => Cosignature::from_line(line)?.verify(body, key),
    }
}

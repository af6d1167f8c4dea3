//! When a node may put its name to its own log.

use std::collections::BTreeSet;

use crate::ids::{Size, UnitId};
use crate::limits::{CHECKPOINT_REST_MS, CLOCK_OFF_MS_MAX};

/// Whether a node signs, design section 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It signs.
    Running,
    /// It has started and waits until enough partners have told how far they hold its log.
    Waiting {
        /// How many must answer.
        needed: usize,
        /// Who has.
        answered: BTreeSet<UnitId>,
    },
    /// Its journal is missing, damaged or behind a partner: it does not sign.
    Recovering {
        /// Why, in words.
        reason: String,
    },
}

/// The author's side of the own log.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) standing: Standing,
    /// The size of the newest checkpoint signed, as the journal has it.
    pub(super) signed: Size,
    /// When it was signed, Unix milliseconds.
    pub(super) signed_ms: u64,
    /// Whether one is on its way to the journal.
    pub(super) signing: bool,
}

impl Own {
    pub(super) const fn new(standing: Standing, signed: Size) -> Self {
        Self { standing, signed, signed_ms: 0, signing: false }
    }

    /// A partner has told all that it holds.
    pub(super) fn answer(&mut self, from: &UnitId) {
        if let Standing::Waiting { needed, answered } = &mut self.standing {
            answered.insert(from.clone());
            if answered.len() >= *needed {
                self.standing = Standing::Running;
            }
        }
    }

    /// Something shows that the journal does not know all that was signed.
    pub(super) fn recover(&mut self, reason: String) {
        if !matches!(self.standing, Standing::Recovering { .. }) {
            self.standing = Standing::Recovering { reason };
        }
    }

    /// Whether a checkpoint of the own log may be signed now: at most one is out uncertified, for a second.
    pub(super) fn may_sign(&self, taken: Size, certified: Size, now_ms: u64) -> Option<()> {
        let free = certified >= self.signed || now_ms >= self.signed_ms.saturating_add(CHECKPOINT_REST_MS);
        (self.standing == Standing::Running && !self.signing && taken > self.signed && free).then_some(())
    }
}

/// How far the own clock is off the partners' median, if that is too far to sign.
pub(super) fn clock_off(mut ahead_ms: Vec<i64>) -> Option<i64> {
    ahead_ms.sort_unstable();
    // Of an even number the middle one nearer to the own clock: one wrong clock of two does not outvote the own.
    let upper = *ahead_ms.get(ahead_ms.len() / 2)?;
    let lower = *ahead_ms.get(ahead_ms.len().saturating_sub(1) / 2)?;
    let median = if lower.unsigned_abs() < upper.unsigned_abs() { lower } else { upper };
    (median.unsigned_abs() > CLOCK_OFF_MS_MAX).then_some(median)
}

//! When a node may put its name to something: to its own log, and to the logs of others.

use std::collections::BTreeSet;

use super::eras::Era;
use super::event::Owed;
use super::log::Log;
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
        /// Up to which size its own log is being fetched back from partners, where the store lost what the journal dropped.
        fetching: Option<Size>,
    },
    /// Its journal is missing, damaged or behind a partner, so that it does not know what it signed.
    Recovering {
        /// Why, in words.
        reason: String,
        /// How far it is.
        stage: Stage,
    },
}

/// How far a recovery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It asks partners what binds it, and fetches that. It signs and cosigns nothing.
    Rebuilding {
        /// Whose logs are not yet known and fetched far enough.
        open: BTreeSet<UnitId>,
        /// Who has answered.
        answered: BTreeSet<UnitId>,
    },
    /// It cosigns again. Its own log waits until all others have told how far they hold it.
    Regaining {
        /// How many must answer.
        needed: usize,
        /// Who has.
        answered: BTreeSet<UnitId>,
    },
    /// It cannot go on by itself: the reason says what is to be done.
    Halted,
}

impl Standing {
    /// Whether the node cosigns other units' checkpoints.
    #[must_use]
    pub const fn cosigns(&self) -> bool {
        matches!(self, Self::Running | Self::Recovering { stage: Stage::Regaining { .. }, .. })
    }

    /// Whether it asks partners what it cosigned, so that its own word is no answer.
    #[must_use]
    pub const fn rebuilds(&self) -> bool {
        matches!(self, Self::Recovering { stage: Stage::Rebuilding { .. } | Stage::Halted, .. })
    }

    /// Whether it does not know what it signed of its own log.
    #[must_use]
    pub const fn recovers(&self) -> bool {
        matches!(self, Self::Recovering { .. })
    }
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
    /// Whether the node has signed since it was started, so that entries may be on their way to the own log.
    pub(super) ran: bool,
    /// What the journal has of the own log and the store lacks.
    pub(super) owed: Option<Owed>,
    /// Whether nothing can have been signed with the own log key that the journal does not know.
    pub(super) rekeyed: bool,
    /// Before then the own log's `Adopt` is not asked for again, Unix milliseconds.
    pub(super) adopt_again_ms: u64,
}

impl Own {
    pub(super) fn new(standing: Standing, signed: Size, owed: Option<Owed>) -> Self {
        let ran = standing == Standing::Running;
        Self { standing, signed, signed_ms: 0, signing: false, ran, owed, rekeyed: false, adopt_again_ms: 0 }
    }

    /// A partner has told all that it holds.
    pub(super) fn answer(&mut self, from: &UnitId) {
        if let Standing::Waiting { answered, .. } = &mut self.standing {
            answered.insert(from.clone());
        }
    }

    /// Begins to sign if enough partners have answered (`enough` tells it) and the store has all of the own log.
    pub(super) fn run_if_ready(&mut self, enough: impl FnOnce(&BTreeSet<UnitId>) -> bool) {
        if let Standing::Waiting { answered, fetching, .. } = &mut self.standing {
            *fetching = self.owed.as_ref().map(|owed| owed.first);
            if fetching.is_none() && enough(answered) {
                (self.standing, self.ran) = (Standing::Running, true);
            }
        }
    }

    /// Whether the own log is fetched from partners: the node itself does not add to it then.
    pub(super) const fn fetches(&self) -> bool {
        match &self.standing {
            Standing::Running => false,
            Standing::Waiting { .. } => self.owed.is_some(),
            Standing::Recovering { stage, .. } => !matches!(stage, Stage::Halted),
        }
    }

    /// Whether a checkpoint of the own log may be signed now: at most one is out uncertified, for a second.
    pub(super) fn may_sign(&self, taken: Size, certified: Size, now_ms: u64) -> Option<()> {
        let free = certified >= self.signed || now_ms >= self.signed_ms.saturating_add(CHECKPOINT_REST_MS);
        (self.standing == Standing::Running && !self.signing && taken > self.signed && free).then_some(())
    }
}

/// How many partners must answer before a node whose journal is whole signs, by the charter that its log is in and by each later
/// one.
pub(super) fn answers_to_start(log: &Log) -> usize {
    log.eras.current_and_later().map(|era| era.keys.quorum.answers_to_start()).max().unwrap_or(0)
}

/// Whether they have.
pub(super) fn started(log: &Log, answered: &BTreeSet<UnitId>) -> bool {
    let enough = |era: &Era| {
        let count = answered.iter().filter(|unit| era.keys.mirrors.contains_key(*unit)).count();
        count >= era.keys.quorum.answers_to_start()
    };
    log.eras.current_and_later().all(enough)
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

//! Whether old epochs were due to be deleted: judged by the times of records that partners cosigned, and by no clock of the
//! node alone.
//!
//! An epoch is over, for anybody who cannot look over the node's shoulder, when a certified record fixes a later one. Partners
//! cosign no record whose time is more than five minutes ahead of their clocks, and none that goes back, so neither a clock
//! that is wrong nor somebody who writes to the node's files makes an epoch older than it is. The node deletes by this rule,
//! and whoever verifies an export holds what it says it deleted against the same.

use std::collections::BTreeMap;

use crate::limits::HEADER_AHEAD_MS_MAX;
use crate::wire::Deleted;

const MS_A_DAY: u64 = 86_400_000;

/// Why what is said to have been deleted was not due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDue {
    /// Kept for 0 days, which means for ever.
    #[error("it names no number of days, and so a rule by which everything is kept")]
    NoRule,
    /// No record tells that the epoch was over.
    #[error("no record fixes a later epoch, so epoch {0} was not over")]
    NotOver(u64),
    /// Not kept for so long.
    #[error(
        "by the records that fix the log epoch {epoch} was over for {kept_s} s then, and {days} days are {rule_s} s"
    )]
    Early {
        /// The newest epoch that was deleted.
        epoch: u64,
        /// The number of days that the entry names.
        days: u32,
        /// How many seconds the epoch was over.
        kept_s: u64,
        /// How many it had to be.
        rule_s: u64,
    },
    /// Its time is one that partners had not reached.
    #[error("its time is {} s after that of the record that fixes it, so its clock was wrong, or the time is made up", .0 / 1_000)]
    Ahead(u64),
}

/// When epochs were over, by the certified records that fix an access log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// For each epoch the times of the first and of the last record that fixes it.
    fixed: BTreeMap<u64, (u64, u64)>,
}

impl Ends {
    /// A certified record fixes this epoch; `time_ms` is its header's time.
    pub fn fixed(&mut self, epoch: u64, time_ms: u64) {
        let (first, last) = self.fixed.entry(epoch).or_insert((time_ms, time_ms));
        (*first, *last) = ((*first).min(time_ms), (*last).max(time_ms));
    }

    /// From when on all epochs up to this one were over, Unix milliseconds: the time of the first record that fixes a later one,
    /// and no earlier than that of the last that fixes one of them. `None` if no record fixes a later one.
    #[must_use]
    pub fn over_ms(&self, epoch: u64) -> Option<u64> {
        let later = self.fixed.iter().filter(|(other, _)| **other > epoch).map(|(_, (first, _))| *first).min()?;
        let last = self.fixed.range(..=epoch).map(|(_, (_, last))| *last).max();
        Some(later.max(last.unwrap_or_default()))
    }

    /// Whether all epochs up to this one may be deleted at `now_ms` where each is kept for so many days; 0 is for ever.
    #[must_use]
    pub fn is_due(&self, epoch: u64, days: u32, now_ms: u64) -> bool {
        self.due(&Deleted { epoch, days }, now_ms).is_ok()
    }

    /// Whether what an entry of this time says was deleted was due. `fixed_ms` is the time of the first record that fixes the
    /// entry.
    ///
    /// # Errors
    /// [`NotDue`].
    pub fn judge(&self, said: &Deleted, time_ms: u64, fixed_ms: u64) -> Result<(), NotDue> {
        match time_ms.checked_sub(fixed_ms) {
            Some(ahead) if ahead > HEADER_AHEAD_MS_MAX => Err(NotDue::Ahead(ahead)),
            _ => self.due(said, time_ms),
        }
    }

    fn due(&self, Deleted { epoch, days }: &Deleted, now_ms: u64) -> Result<(), NotDue> {
        let (epoch, days) = (*epoch, *days);
        if days == 0 {
            return Err(NotDue::NoRule);
        }
        let over = self.over_ms(epoch).ok_or(NotDue::NotOver(epoch))?;
        let (kept_ms, rule_ms) = (now_ms.saturating_sub(over), u64::from(days).saturating_mul(MS_A_DAY));
        if kept_ms < rule_ms {
            return Err(NotDue::Early { epoch, days, kept_s: kept_ms / 1_000, rule_s: rule_ms / 1_000 });
        }
        Ok(())
    }
}

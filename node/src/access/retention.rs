//! What time it is for certain, which old epochs are due by it, and when a line lies in the future.
//!
//! Nothing is deleted for what the own clock says: a machine that starts with its clock in another year would delete all of
//! it. What counts is the newest time in a log of the network that is certified. Partners cosign no time that is more than
//! five minutes ahead of their own clocks, so that it has passed; a unit without partners has nobody to agree with on the time, and
//! deletes nothing.

use entente_proto::access::Ends;
use entente_proto::limits::HEADER_AHEAD_MS_MAX;
use entente_proto::sync::Standing;

use super::fixing::Fixed;
use crate::core::Core;

/// What is known of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// By the own clock, Unix milliseconds.
    pub(super) now_ms: u64,
    /// The newest that is certified in a log; `None` if there is none, or the node does not run as it should, or its clock is
    /// not that of its partners.
    pub(super) certified_ms: Option<u64>,
    /// Whether there are partners, who looked at their clocks before they cosigned.
    pub(super) has_partners: bool,
}

impl Time {
    /// Reads a few entries.
    pub(super) fn of(core: &Core) -> Self {
        let charter = core.charter();
        let newest = |unit| {
            let last = core.log(unit)?.certified?.checkpoint().size.get().checked_sub(1)?;
            // What cannot be read says nothing, and is fetched again.
            let entry = core.store.entry(unit, last).ok()??;
            Some(entry.header().time_ms)
        };
        let times = charter.units().keys().filter_map(newest);
        Self::known(core.clock.now_ms(), &core.standing(), core.clock_off_ms(), charter.units().len(), times)
    }

    /// By the own clock, how the node stands, how far its clock is off, the number of units, and the newest certified time in
    /// each log.
    pub(super) fn known(
        now_ms: u64,
        standing: &Standing,
        clock_off_ms: Option<i64>,
        units: usize,
        times_ms: impl Iterator<Item = u64>,
    ) -> Self {
        let sound = *standing == Standing::Running && clock_off_ms.is_none();
        Self { now_ms, certified_ms: times_ms.filter(|_| sound).max(), has_partners: units > 1 }
    }

    /// A time that has passed, whatever the own clock says.
    fn passed_ms(&self) -> Option<u64> {
        self.certified_ms.filter(|_| self.has_partners).map(|certified| certified.min(self.now_ms))
    }

    /// Whether a line of this time lies in the future, by a clock that is not itself behind.
    pub(super) fn is_before(&self, line_ms: u64) -> bool {
        let latest = self.now_ms.saturating_add(HEADER_AHEAD_MS_MAX);
        line_ms > latest && self.certified_ms.is_some_and(|certified| certified <= latest)
    }
}

/// The newest of these epochs, ascending, up to which all are kept no longer, by the certified records that fix them. Never the
/// newest of all.
pub(super) fn due(epochs: &[u64], fixing: &[Fixed], days: u32, time: &Time) -> Option<u64> {
    let passed_ms = time.passed_ms()?;
    let mut ends = Ends::default();
    for Fixed { epoch, time_ms, .. } in fixing {
        epoch.iter().for_each(|epoch| ends.fixed(*epoch, *time_ms));
    }
    let (_, ended) = epochs.split_last()?;
    ended.iter().rev().copied().find(|epoch| ends.is_due(*epoch, days, passed_ms))
}

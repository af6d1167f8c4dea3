//! How far a partner's clock is ahead, from what both sides read in each other's greetings.

/// How far a clock that says `time_ms` seems to be ahead of one that says `now_ms` when it is read, milliseconds.
pub(super) fn seems_ahead(time_ms: u64, now_ms: u64) -> i64 {
    let ahead = i128::from(time_ms).saturating_sub(i128::from(now_ms));
    i64::try_from(ahead).unwrap_or(if ahead > 0 { i64::MAX } else { i64::MIN })
}

/// How far the partner's clock is ahead, milliseconds: `theirs` is how far it seemed to be here, `ours` how far the own
/// seemed to be there.
///
/// With clocks `d` apart and frames that take `a` to here and `b` to there, these are `d - a` and `-d - b`: half of their
/// difference is `d` but for half of what `a` and `b` differ.
pub(super) fn ahead(theirs: i64, ours: Option<i64>) -> i64 {
    let Some(ours) = ours else { return theirs };
    let (theirs_wide, ours) = (i128::from(theirs), i128::from(ours));
    // What both frames took together. Where that is negative, a clock was set between the two readings.
    if theirs_wide.saturating_add(ours) > 0 {
        return theirs;
    }
    let twice = theirs_wide.saturating_sub(ours);
    i64::try_from(twice.checked_div(2).unwrap_or_default()).unwrap_or(theirs)
}

#[cfg(test)]
mod tests {
    use super::{ahead, seems_ahead};

    /// What both sides find of clocks that are so far apart, where frames take so long here and there.
    fn found(apart_ms: i64, here_ms: i64, there_ms: i64) -> i64 {
        let start = 1_000_000_000;
        // The partner speaks at its `start + apart`; the own clock says `start + here` when that is read.
        let theirs = seems_ahead((start + apart_ms) as u64, (start + here_ms) as u64);
        let ours = seems_ahead(start as u64, (start + apart_ms + there_ms) as u64);
        ahead(theirs, Some(ours))
    }

    #[test]
    fn a_slow_link_is_not_taken_for_a_wrong_clock() {
        for under_way_ms in [0, 1, 300, 5_000, 60_000] {
            assert_eq!(found(0, under_way_ms, under_way_ms), 0);
            assert_eq!(found(1_500, under_way_ms, under_way_ms), 1_500);
            assert_eq!(found(-1_500, under_way_ms, under_way_ms), -1_500);
        }
    }

    #[test]
    fn of_two_ways_that_differ_half_of_the_difference_remains() {
        assert_eq!(found(0, 1_600, 0), -800);
        assert_eq!(found(0, 0, 1_600), 800);
    }

    #[test]
    fn a_clock_that_was_set_since_the_partner_looked_counts_as_it_is_now() {
        // The partner looked when both agreed, and was then set ten seconds ahead.
        assert_eq!(ahead(10_000, Some(0)), 10_000);
        assert_eq!(ahead(-3, None), -3);
    }

    #[test]
    fn no_time_is_too_far_to_be_told() {
        assert_eq!(seems_ahead(u64::MAX, 0), i64::MAX);
        assert_eq!(seems_ahead(0, u64::MAX), i64::MIN);
        assert_eq!(ahead(i64::MIN, Some(i64::MIN)), 0);
        assert_eq!(ahead(i64::MIN, Some(i64::MAX)), i64::MIN + 1);
        assert_eq!(ahead(i64::MAX, Some(i64::MAX)), i64::MAX);
    }
}

//! How many cosignatures certify a checkpoint, and how many answers a node needs before it signs again.
//!
//! A log has *m* other units besides its author. Of all units, up to *f* may be dishonest; a checkpoint is **certified**
//! when *q* of the *m* others have cosigned it:
//!
//! ```text
//! f = (m - 1) / 3 rounded down        f = 0 for m = 0
//! q = (m + f) / 2 rounded down + 1    q = 0 for m = 0
//! ```
//!
//! | m | 0 | 1 | 2 | 3 | 4 | 7 | 29 |
//! |---|---|---|---|---|---|---|---|
//! | f | 0 | 0 | 0 | 0 | 1 | 2 | 9 |
//! | q | 0 | 1 | 2 | 2 | 3 | 5 | 20 |
//! | answers to start | 0 | 1 | 1 | 2 | 3 | 5 | 19 |
//!
//! A charter can set a higher *q*, at most *m*; *f* stays.
//!
//! Two certified checkpoints of one log have at least `2q - m` cosigners in common ([`Quorum::overlap`]). An honest
//! cosigner that has its journal never cosigns two that contradict each other; so while dishonest cosigners and those that
//! lost their journal are fewer than that, no two certified ones do. `2q - m` is always more than *f*.
//!
//! A node that starts with its journal whole signs again after `m - q + 1 + f` partners have told how far they hold its
//! log (none for m = 0): they share at least `f + 1` units with the cosigners of anything certified, so an honest one among
//! them knows of it.

/// Why a charter's quorum is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// Fewer than the formula demands.
    #[error("a quorum of {quorum} is too small: with {others} other units it is at least {least}")]
    Low {
        /// What was asked for.
        quorum: usize,
        /// What the formula gives.
        least: usize,
        /// How many other units there are.
        others: usize,
    },
    /// More than there are units.
    #[error("a quorum of {quorum} can never be reached: there are {others} other units")]
    High {
        /// What was asked for.
        quorum: usize,
        /// How many other units there are.
        others: usize,
    },
}

/// How many of a log's other units must cosign. See the [module](crate::quorum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quorum {
    m: usize,
    f: usize,
    q: usize,
}

impl Quorum {
    /// The quorum that the formula gives among `m` other units.
    #[must_use]
    pub const fn of(m: usize) -> Self {
        let f = m.saturating_sub(1) / 3;
        // The midpoint of m and f is (m + f) / 2, rounded down, and cannot overflow.
        let q = if m == 0 { 0 } else { m.midpoint(f).saturating_add(1) };
        Self { m, f, q }
    }

    /// A quorum that the charter sets.
    ///
    /// # Errors
    /// [`QuorumError`] unless `q` lies between the formula's value and `m`.
    pub const fn with(m: usize, q: usize) -> Result<Self, QuorumError> {
        let formula = Self::of(m);
        if q < formula.q {
            return Err(QuorumError::Low { quorum: q, least: formula.q, others: m });
        }
        if q > m {
            return Err(QuorumError::High { quorum: q, others: m });
        }
        Ok(Self { q, ..formula })
    }

    /// *q*: how many cosignatures certify.
    #[must_use]
    pub const fn needed(&self) -> usize {
        self.q
    }

    /// *f*: how many units may be dishonest.
    #[must_use]
    pub const fn faulty(&self) -> usize {
        self.f
    }

    /// *m*: how many units there are besides the author.
    #[must_use]
    pub const fn others(&self) -> usize {
        self.m
    }

    /// `2q - m`: how many units at least cosigned both of any two certified checkpoints.
    #[must_use]
    pub const fn overlap(&self) -> usize {
        self.q.saturating_sub(self.m.saturating_sub(self.q))
    }

    /// How many partners must have answered before a node whose journal is whole signs again: `m - q + 1 + f`, and none
    /// for m = 0.
    #[must_use]
    pub const fn answers_to_start(&self) -> usize {
        if self.m == 0 { 0 } else { self.answers_to_recover() }
    }

    /// How many units that hold a log must have answered before a node that lost its journal cosigns that log again:
    /// `m - q + f + 1`, the author counted.
    #[must_use]
    pub const fn answers_to_recover(&self) -> usize {
        self.m.saturating_sub(self.q).saturating_add(self.f).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::UNITS_MAX;

    #[test]
    fn the_quorum_is_more_than_half_of_others_and_dishonest() {
        for (m, f, q) in [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (7, 2, 5), (29, 9, 20)] {
            let quorum = Quorum::of(m);
            assert_eq!((quorum.others(), quorum.faulty(), quorum.needed()), (m, f, q));
        }
    }

    #[test]
    fn a_node_starts_after_as_many_answers_as_the_design_says() {
        for (m, answers) in [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3), (7, 5), (29, 19)] {
            assert_eq!(Quorum::of(m).answers_to_start(), answers, "of {m}");
        }
    }

    #[test]
    fn a_charter_sets_a_quorum_between_the_formulas_and_all() {
        for m in 0..UNITS_MAX {
            let least = Quorum::of(m).needed();
            for q in 0..=m + 2 {
                let expected = match q {
                    _ if q < least => Err(QuorumError::Low { quorum: q, least, others: m }),
                    _ if q > m => Err(QuorumError::High { quorum: q, others: m }),
                    _ => Ok(q),
                };
                assert_eq!(Quorum::with(m, q).map(|quorum| quorum.needed()), expected);
            }
        }
    }

    #[test]
    fn the_dishonest_can_neither_certify_twice_nor_stop_the_honest() {
        for m in 1..UNITS_MAX {
            let formula = Quorum::of(m);
            assert!(formula.needed() <= m - formula.faulty(), "{m}: the honest suffice");
            for q in formula.needed()..=m {
                let quorum = Quorum::with(m, q).unwrap();
                assert_eq!(quorum.overlap(), 2 * q - m);
                assert!(quorum.overlap() > quorum.faulty(), "{m}, {q}: somebody honest is in both");
                // Whoever answered and whoever certified: an honest unit at least is in both.
                let answers = quorum.answers_to_start();
                assert!(answers <= m && answers + q - m == quorum.faulty() + 1, "{m}, {q}");
            }
        }
    }

    #[test]
    fn two_quorums_never_share_fewer_than_the_overlap() {
        for m in 1..=8_usize {
            for q in Quorum::of(m).needed()..=m {
                let quorum = Quorum::with(m, q).unwrap();
                let sets: Vec<u32> = (0..1_u32 << m).filter(|set| set.count_ones() as usize == q).collect();
                let pairs = sets.iter().flat_map(|one| sets.iter().map(move |other| one & other));
                let least = pairs.map(|both| both.count_ones() as usize).min();
                assert_eq!(least, Some(quorum.overlap()), "{q} of {m}");
            }
        }
    }
}

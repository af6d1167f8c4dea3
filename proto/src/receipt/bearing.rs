//! What one receipt says about the record of another.

use super::VerifiedReceipt;
use crate::wire::record::Body;
use crate::wire::{EraseReason, Opinion, Stance};

/// What a later record does to an earlier one, by the rules of the [list](crate::list).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bearing<'a> {
    /// Its unit takes it back, for this reason.
    Withdraws(&'a str),
    /// Its unit has its payload deleted everywhere.
    Erases(EraseReason),
    /// Another unit objects to it.
    Objects(&'a Opinion),
    /// Another unit supports it.
    Supports(&'a Opinion),
}

impl VerifiedReceipt {
    /// What this record does to the record of `earlier`, if anything: a `Withdraw` or `Erase` of the same log that names
    /// its index, stands behind it, and names a kind that [can end](crate::record::RecordKind::can_end); or an `Opinion`
    /// of another unit on it, a `Refer`.
    #[must_use]
    pub fn bears_on(&self, earlier: &Self) -> Option<Bearing<'_>> {
        let of = earlier.id();
        let ends = |index: u64| {
            let own = self.id().unit == of.unit && index == of.index && self.id().index > of.index;
            (own && earlier.statement().kind().can_end()).then_some(())
        };
        match self.statement().body() {
            Body::Withdraw(withdraw) => ends(withdraw.index).map(|()| Bearing::Withdraws(&withdraw.reason)),
            Body::Erase(erase) => ends(erase.index).map(|()| Bearing::Erases(erase.reason())),
            Body::Opinion(opinion) => {
                let on = opinion.on.as_ref()?;
                let about = on.unit == of.unit.as_str() && on.index == of.index && self.id().unit != of.unit;
                let on_a_referral = matches!(earlier.statement().body(), Body::Refer(_));
                (about && on_a_referral).then_some(match opinion.stance() {
                    Stance::Object => Bearing::Objects(opinion),
                    _ => Bearing::Supports(opinion),
                })
            }
            _ => None,
        }
    }

    /// Whether the two cannot both be under one history of one log: the same size with two roots, or one index with two
    /// entries. Then that log has forked.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.checkpoint().checkpoint(), other.checkpoint().checkpoint());
        let roots = ours.size == theirs.size && ours.root != theirs.root;
        let entries = self.id() == other.id() && self.entry().leaf() != other.entry().leaf();
        ours.origin == theirs.origin && (roots || entries)
    }
}

//! What the fold remembers of each record: 32 bytes, no text.

use crate::record::RecordKind;

/// A record's place: the number of its unit in ascending order of the charter's units, and its index. Keys order as
/// record ids do: by unit, then index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

/// Bits of an index: logs stay below 2^40.
const INDEX_BITS: u32 = 40;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

impl Key {
    /// No record.
    pub(super) const NONE: Self = Self(u64::MAX);

    /// The key of the record at this index of the unit with this number.
    pub(super) fn new(unit: usize, index: u64) -> Self {
        Self(u64::try_from(unit).unwrap_or(u64::MAX) << INDEX_BITS | index & INDEX_MASK)
    }

    /// The number of its unit.
    pub(super) fn unit(self) -> usize {
        usize::try_from(self.0 >> INDEX_BITS).unwrap_or(usize::MAX)
    }

    /// Its index.
    pub(super) const fn index(self) -> u64 {
        self.0 & INDEX_MASK
    }

    /// As an option.
    pub(super) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// What a record is by itself, whatever became of it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Sound.
    Sound,
    /// Sound, and an objection.
    Objection,
    /// Sound, and a referral that means what continues its address, too.
    Prefix,
    /// Sound, but against a rule that its own log decides, such as a reference forwards.
    Inert,
    /// Its payload is set aside.
    SetAside,
    /// Its payload is not there.
    Missing,
}

/// Whether a record was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Not so far.
    No,
    /// Withdrawn.
    Withdrawn,
    /// Erased, withdrawn before or not.
    Erased,
}

/// What a record speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Nothing that the fold follows.
    Nothing,
    /// A target.
    Target(u32),
    /// Two targets.
    Targets(u32, u32),
    /// Another record.
    Record(Key),
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// What it speaks of. Of an erased record: the index of the record that withdrew it before.
    about: u64,
    /// The next record that speaks of the same target or record; the chain begins there.
    pub(super) next: Key,
    /// Of a referral or dispatch: the first record that speaks of it, as [`Key`]. Of an observation: its time.
    extra: u64,
    ended_by: [u8; 5],
    kind: u8,
    pub(super) base: Base,
    end: End,
}

impl Slot {
    /// A record of this kind that speaks of nothing yet.
    pub(super) fn new(kind: RecordKind, base: Base) -> Self {
        // Kinds that do not fit in a byte are unknown, and stay so as 255.
        let kind = u8::try_from(kind.number()).unwrap_or(u8::MAX);
        Self { about: u64::MAX, next: Key::NONE, extra: u64::MAX, ended_by: [0; 5], kind, base, end: End::No }
    }

    pub(super) fn kind(&self) -> RecordKind {
        RecordKind::of_number(u32::from(self.kind))
    }

    /// What it speaks of. Nothing for an erased record.
    pub(super) fn about(&self) -> About {
        if self.about == u64::MAX || self.end == End::Erased {
            return About::Nothing;
        }
        let low = u32::try_from(self.about & u64::from(u32::MAX)).unwrap_or_default();
        match self.kind() {
            RecordKind::Link => About::Targets(low, u32::try_from(self.about >> 32).unwrap_or_default()),
            RecordKind::Refer | RecordKind::Hold | RecordKind::Observe | RecordKind::Evidence => About::Target(low),
            _ => About::Record(Key(self.about)),
        }
    }

    pub(super) fn set_about(&mut self, about: About) {
        self.about = match about {
            About::Nothing => u64::MAX,
            About::Target(id) => u64::from(id),
            About::Targets(first, second) => u64::from(second) << 32 | u64::from(first),
            About::Record(key) => key.0,
        };
    }

    /// The first record that speaks of this referral or dispatch.
    pub(super) fn first_child(&self) -> Option<Key> {
        matches!(self.kind(), RecordKind::Refer | RecordKind::Dispatch).then_some(Key(self.extra)).and_then(Key::some)
    }

    pub(super) const fn set_first_child(&mut self, key: Key) {
        self.extra = key.0;
    }

    /// When an observation was made, Unix milliseconds.
    pub(super) const fn observed_ms(&self) -> u64 {
        self.extra
    }

    pub(super) const fn set_observed_ms(&mut self, time_ms: u64) {
        self.extra = time_ms;
    }

    pub(super) const fn end(&self) -> End {
        self.end
    }

    /// The index of the record that withdrew or erased it; 0 if none did.
    pub(super) fn ended_by(&self) -> u64 {
        let [a, b, c, d, e] = self.ended_by;
        u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
    }

    /// The index of the record that took it back first, whatever became of it later; `None` if none did.
    pub(super) fn first_ended_by(&self) -> Option<u64> {
        match self.end {
            End::No => None,
            End::Erased if self.about != u64::MAX => Some(self.about),
            _ => Some(self.ended_by()),
        }
    }

    /// Whether it was withdrawn before it was erased, or withdrawn alone.
    pub(super) fn was_withdrawn(&self) -> bool {
        self.end == End::Withdrawn || self.end == End::Erased && self.about != u64::MAX
    }

    /// Withdrawn or erased. Nothing of what an erased record said is kept.
    pub(super) fn set_end(&mut self, end: End, by: u64) {
        if end == End::Erased {
            self.about = if self.end == End::Withdrawn { self.ended_by() } else { u64::MAX };
        }
        let [_, _, _, bytes @ ..] = by.to_be_bytes();
        self.end = end;
        self.ended_by = bytes;
    }

    /// Whether it is sound by itself and not taken back.
    pub(super) fn stands(&self) -> bool {
        self.is_sound() && self.end == End::No
    }

    /// Whether it is sound by itself and not erased.
    pub(super) fn is_there(&self) -> bool {
        self.is_sound() && self.end != End::Erased
    }

    fn is_sound(&self) -> bool {
        matches!(self.base, Base::Sound | Base::Objection | Base::Prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_takes_32_bytes_and_gives_back_what_it_was_given() {
        assert_eq!(size_of::<Slot>(), 32);
        let last = (1 << 40) - 1;
        let key = Key::new(99, last);
        assert_eq!((key.unit(), key.index()), (99, last));
        let mut slot = Slot::new(RecordKind::Link, Base::Sound);
        assert_eq!(slot.about(), About::Nothing);
        slot.set_about(About::Targets(7, u32::MAX - 1));
        assert_eq!(slot.about(), About::Targets(7, u32::MAX - 1));
        slot.set_end(End::Erased, last);
        assert_eq!((slot.end(), slot.ended_by(), slot.first_ended_by()), (End::Erased, last, Some(last)));
        assert_eq!((slot.about(), slot.was_withdrawn()), (About::Nothing, false));
        let mut slot = Slot::new(RecordKind::Refer, Base::Sound);
        slot.set_about(About::Target(3));
        assert_eq!(slot.first_ended_by(), None);
        slot.set_end(End::Withdrawn, 7);
        assert_eq!((slot.first_ended_by(), slot.about()), (Some(7), About::Target(3)));
        slot.set_end(End::Erased, 9);
        assert_eq!((slot.ended_by(), slot.first_ended_by(), slot.was_withdrawn()), (9, Some(7), true));
        assert_eq!(slot.about(), About::Nothing);
        let mut slot = Slot::new(RecordKind::Opinion, Base::Objection);
        slot.set_about(About::Record(key));
        assert_eq!((slot.about(), slot.first_child()), (About::Record(key), None));
        assert_eq!(Slot::new(RecordKind::Unknown(u32::MAX), Base::SetAside).kind(), RecordKind::Unknown(255));
    }
}

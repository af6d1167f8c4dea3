//! Why a step has no effect, in a code and in words.

use crate::wire::StepFault;

impl StepFault {
    /// A word that programs can compare; it does not change between releases.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unspecified => "counts",
            Self::NotLead => "not-lead",
            Self::NotInvited => "not-invited",
            Self::NotJoined => "not-joined",
            Self::Frozen => "frozen",
            Self::NotFrozen => "not-frozen",
            Self::OtherDigest => "other-digest",
            Self::NoQuorum => "no-quorum",
            Self::Gone => "gone",
            Self::NotGone => "not-gone",
            Self::Aborted => "aborted",
            Self::Closed => "closed",
            Self::NotCovered => "not-covered",
            Self::Nothing => "nothing",
            Self::NotOwn => "not-own",
            Self::Waits => "waits",
            Self::Ahead => "ahead",
            Self::Leads => "leads",
        }
    }

    /// In words, with what to do where something can be done.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unspecified => "it counts",
            Self::NotLead => "only the unit that leads the operation can do that",
            Self::NotInvited => "the unit is not invited; the lead invites units until it says go",
            Self::NotJoined => "the unit does not take part; join the operation first",
            Self::Frozen => "the targets are fixed already",
            Self::NotFrozen => "the targets are not fixed yet; the lead freezes them first",
            Self::OtherDigest => "it names another digest than that of the targets that are fixed",
            Self::NoQuorum => "fewer units are ready than the operation wants",
            Self::Gone => "the lead has said go already",
            Self::NotGone => "the lead has not said go, or that is not certified yet",
            Self::Aborted => "the operation was called off",
            Self::Closed => "the operation is closed",
            Self::NotCovered => "the go does not cover that target; leave it alone",
            Self::Nothing => "it names no target and no unit",
            Self::NotOwn => "a unit takes out only what it added itself; the lead can take out anything",
            Self::Waits => "it names logs that this node has not folded that far yet",
            Self::Ahead => "it names more of its own log than there was when it was written",
            Self::Leads => "the unit that leads takes part without saying so",
        }
    }
}

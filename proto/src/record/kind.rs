//! The kinds of records, by the field numbers of their arms in `Record`.

use std::fmt;

use crate::wire::record::Body;

macro_rules! kinds {
    ($($name:ident = $number:literal, $word:literal, $what:literal;)*) => {
        /// The kind of a record. Numbers that this version does not know are kept, since entries of later kinds are
        /// stored and relayed like all others.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RecordKind {
            $(#[doc = $what] $name,)*
            /// A kind that this version does not know.
            Unknown(u32),
        }

        impl RecordKind {
            /// Every kind that this version knows, by number.
            pub const KNOWN: [Self; 19] = [$(Self::$name),*];

            /// The kind with this number.
            #[must_use]
            pub const fn of_number(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number: the field number of the arm in `Record`, and what an entry's header says.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// The kind in a word, as the command line writes it; `unknown` for one that this version does not know.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Unknown(_) => "unknown",
                }
            }

            /// The kind of a record with this body.
            #[must_use]
            pub const fn of_body(body: &Body) -> Self {
                match body {
                    $(Body::$name(_) => Self::$name,)*
                }
            }
        }
    };
}

kinds! {
    Refer = 2, "refer", "A unit refers a target.";
    Withdraw = 3, "withdraw", "A unit takes back an own statement.";
    Hold = 4, "hold", "A unit asks to leave a target online.";
    Opinion = 5, "opinion", "A unit supports or objects to another unit's referral.";
    Dispatch = 6, "dispatch", "A referral was sent to a provider.";
    Outcome = 7, "outcome", "What a provider answered.";
    Observe = 8, "observe", "A target was seen online, offline or moved.";
    Link = 9, "link", "Two targets belong together.";
    Evidence = 10, "evidence", "A seized or captured item.";
    Custody = 11, "custody", "A step in the hand-over of an item.";
    Operation = 12, "operation", "A simultaneous action is proposed.";
    OperationStep = 13, "operation-step", "A step of an operation.";
    Erase = 14, "erase", "The payload of an own record is to be deleted everywhere.";
    Adopt = 15, "adopt", "The unit takes up a charter.";
    Propose = 16, "propose", "The unit proposes a charter.";
    Approve = 17, "approve", "The unit approves a proposed charter.";
    Revoke = 18, "revoke", "A certificate is not to be accepted any more.";
    ForkProof = 19, "fork-proof", "Proof that a log forked.";
    AccessHead = 20, "access-head", "Size and root of the unit's own access log.";
}

impl RecordKind {
    /// Whether an own record of this kind can be withdrawn or erased: statements about targets and referrals can
    /// (`Refer`, `Hold`, `Opinion`, `Dispatch`, `Outcome`, `Observe`, `Link`, `Evidence`), everything else, a kind that
    /// this version does not know included, never.
    ///
    /// It is the kind in the entry's *header* that decides, so that the answer is the same whether the payload is there
    /// or erased, sound or set aside.
    #[must_use]
    pub const fn can_end(self) -> bool {
        matches!(
            self,
            Self::Refer
                | Self::Hold
                | Self::Opinion
                | Self::Dispatch
                | Self::Outcome
                | Self::Observe
                | Self::Link
                | Self::Evidence
        )
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "unknown kind {number}"),
            known => f.write_str(known.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::RecordKind;
    use crate::wire::Record;

    #[test]
    fn a_kinds_number_is_the_field_number_of_its_arm() {
        for kind in RecordKind::KNOWN {
            let number = kind.number();
            // The arm with an empty message: its tag (wire type 2) as a varint, length 0.
            let tag = number << 3 | 2;
            let bytes =
                if tag < 0x80 { vec![tag as u8, 0] } else { vec![(tag & 0x7f) as u8 | 0x80, (tag >> 7) as u8, 0] };
            let record = Record::decode(&bytes[..]).unwrap();
            assert_eq!(RecordKind::of_body(&record.body.unwrap()), kind);
            assert_eq!(RecordKind::of_number(number), kind);
        }
    }

    #[test]
    fn an_unknown_kind_keeps_its_number() {
        for number in [0, 1, 21, u32::MAX] {
            let kind = RecordKind::of_number(number);
            assert_eq!((kind, kind.number(), kind.can_end()), (RecordKind::Unknown(number), number, false));
        }
    }
}

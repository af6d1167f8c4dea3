//! What a partner can do wrong on a stream.

use crate::entry::EntryError;
use crate::fork::ForkError;
use crate::ids::UnitId;

/// Why a stream is closed. The partner is told [`Fault::code`] only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A frame that does not decode, or has nothing in it.
    #[error("a frame does not decode")]
    Frame,
    /// A field is beyond its limit.
    #[error("a frame's {0} is beyond its limit")]
    Limit(&'static str),
    /// A field is not what it should be.
    #[error("a frame's {0} is not well-formed")]
    Field(&'static str),
    /// An entry that is not sound by itself.
    #[error("an entry of {unit} is not sound: {error}")]
    Entry {
        /// Whose log.
        unit: UnitId,
        /// What is wrong.
        error: EntryError,
    },
    /// The first frame was not a greeting.
    #[error("the first frame is not a Hello")]
    NoHello,
    /// Another major version of the protocol.
    #[error("the partner speaks protocol version {0}, this node {own}: one of them needs another release", own = super::MAJOR)]
    Major(u32),
    /// Another network.
    #[error("the partner is of the network {0:?}")]
    Network(String),
    /// Another unit than its certificate's.
    #[error("the partner calls itself {0:?}, its certificate says otherwise")]
    Unit(String),
    /// Another charter.
    #[error(
        "the partner runs under charter version {version} with another text: compare `entente charter show` on both nodes"
    )]
    Charter {
        /// Its version.
        version: u64,
    },
    /// A charter that does not count.
    #[error("version {version} of the charter, as the partner sent it, does not count: {reason}")]
    BadCharter {
        /// Its version, or 0 if it is none.
        version: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A note in a head that does not verify.
    #[error("a head of {unit} does not verify: {reason}")]
    Head {
        /// Whose log.
        unit: UnitId,
        /// What is wrong.
        reason: String,
    },
    /// A proof of a fork that proves nothing.
    #[error("a proof that the log of {unit} forked does not verify: {reason}")]
    Fork {
        /// Whose log.
        unit: UnitId,
        /// What is wrong.
        reason: ForkError,
    },
    /// Level-1 hashes that do not lead to the checkpoint's root.
    #[error("an outline of {0} does not lead to its checkpoint")]
    Outline(UnitId),
    /// Entries that are not those of the outline or the checkpoint.
    #[error("entries of {unit} from {from} on are not those under the checkpoint")]
    Entries {
        /// Whose log.
        unit: UnitId,
        /// The first of them.
        from: u64,
    },
    /// More payloads are missing than can be waited for.
    #[error("too many payloads of {0} are missing")]
    Gaps(UnitId),
    /// Something that was not wanted.
    #[error("the partner sent {0} that was not wanted")]
    NotWanted(&'static str),
    /// A newer stream took this one's place.
    #[error("another stream to the same partner stays")]
    Replaced,
    /// The partner sent nothing for what was wanted.
    #[error("the partner was too slow")]
    Slow,
}

impl Fault {
    /// What the partner is told.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Frame | Self::Limit(_) | Self::Field(_) | Self::NoHello => "malformed",
            Self::Major(_) => "version",
            Self::Network(_) => "network",
            Self::Unit(_) => "unit",
            Self::Charter { .. } | Self::BadCharter { .. } => "charter",
            Self::Entry { .. }
            | Self::Head { .. }
            | Self::Fork { .. }
            | Self::Outline(_)
            | Self::Entries { .. }
            | Self::Gaps(_) => "unverified",
            Self::NotWanted(_) => "unwanted",
            Self::Replaced => "replaced",
            Self::Slow => "slow",
        }
    }
}

//! What the engine tells the node about itself, for `status` and for submissions.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::CosignedCheckpoint;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};

pub use super::own::{Stage, Standing};

/// One log.
#[derive(Debug, Clone)]
pub struct LogView {
    /// Whose log.
    pub unit: UnitId,
    /// The version of the charter by which its newest certified checkpoint is judged.
    pub charter: u32,
    /// The digest of its text; the versions begin anew where the network was founded anew.
    pub charter_digest: Option<Hash>,
    /// Entries stored.
    pub size: Size,
    /// Entries stored without a gap.
    pub complete: Size,
    /// The newest certified checkpoint stored.
    pub certified: Option<CosignedCheckpoint>,
    /// The newest checkpoint held whole, certified or not.
    pub newest: Option<CosignedCheckpoint>,
    /// For each unit the largest size of a checkpoint that it is known to have cosigned, since the start.
    pub cosigners: BTreeMap<UnitId, Size>,
    /// Proof that its author signed two checkpoints that contradict.
    pub fork: Option<ForkProof>,
    /// Such a proof under a key that the charter has replaced since, so that the log goes on.
    pub past_fork: Option<ForkProof>,
    /// The units that are known to have cosigned both branches.
    pub cosigned_both: BTreeSet<UnitId>,
}

impl LogView {
    /// The newest checkpoint known that covers an entry: the certified one, if that does.
    #[must_use]
    pub fn covering(&self, index: u64) -> Option<&CosignedCheckpoint> {
        let covers = |head: &&CosignedCheckpoint| head.checkpoint().size.get() > index;
        self.certified.as_ref().filter(covers).or_else(|| self.newest.as_ref().filter(covers))
    }
}

/// One partner.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// The partner.
    pub unit: UnitId,
    /// Whether a stream to it stays open.
    pub connected: bool,
    /// How many certified entries of all logs it is not known to have; 0 where it was never heard of.
    pub behind: u64,
    /// Digests of its frontier and of its list, as it told them last.
    pub list: Option<(Hash, Hash)>,
    /// When it was last heard of, Unix milliseconds; 0 for never since this node was started.
    pub heard_ms: u64,
    /// How far its clock is ahead, milliseconds; what greetings are under way is taken out.
    pub clock_ahead_ms: i64,
}

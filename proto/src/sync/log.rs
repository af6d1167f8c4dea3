//! One log as a node knows it: what it has taken and stored, and which checkpoints it has seen.

use std::collections::BTreeMap;

use super::Fault;
use super::event::{LeafHashes, LogKeys, StreamId};
use super::pull::Unstored;
use super::replica::Replica;
use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, NOTE_BYTES_MAX};
use crate::note::Note;

/// How many uncertified checkpoints of one log are remembered; the smallest are forgotten first. An author signs one a
/// second at the most, and only the newest can still gather its quorum.
const KNOWN_MAX: usize = 16;

/// A checkpoint that whatever this node cosigns must extend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) size: Size,
    pub(super) root: Hash,
    /// Whether the own tree has this root at this size.
    met: bool,
}

/// A checkpoint that the author signed.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) head: CosignedCheckpoint,
    /// Whether the own tree has this root at this size.
    pub(super) ours: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) unit: UnitId,
    pub(super) keys: LogKeys,
    pub(super) replica: Replica,
    /// How many entries the store holds.
    pub(super) durable: Size,
    /// Checkpoints larger than the certified one.
    pub(super) known: BTreeMap<Size, Known>,
    /// The newest certified checkpoint that the store holds.
    pub(super) certified: Option<CosignedCheckpoint>,
    /// The one on its way to the store.
    pub(super) certifying: Option<Size>,
    /// Up to where what was taken is proven to stand under a checkpoint that has its quorum.
    pub(super) sure: Size,
    /// Up to where the node was told so.
    pub(super) told_sure: Size,
    /// What units cosigned of checkpoints that were forgotten since: the largest size of each.
    pub(super) past_cosigners: BTreeMap<UnitId, Size>,
    /// What this node has cosigned, or may have before it lost its journal.
    pub(super) bound: Option<Bound>,
    /// The largest checkpoint cosigned, as the journal has it.
    pub(super) cosigned: Option<(Size, Hash)>,
    /// That cosignature, so that it can be said again after a restart, when the checkpoint is learnt of anew.
    pub(super) own_cosignature: Option<(UnitId, Cosignature)>,
    /// The one on its way to the journal.
    pub(super) cosigning: Option<Size>,
    /// Whether the author signed two checkpoints that contradict.
    pub(super) forked: bool,
    /// Since when something is known to be lacking, Unix milliseconds.
    pub(super) lacking_since: Option<u64>,
    /// Bytes on their way to the store.
    pub(super) unstored: Unstored,
    /// When a missing payload was last asked for, and of which stream.
    pub(super) gap_asked_ms: Option<u64>,
    pub(super) gap_asked_of: Option<StreamId>,
}

impl Log {
    pub(super) fn new(unit: UnitId, keys: LogKeys) -> Self {
        Self {
            replica: Replica::new(unit.clone()),
            unit,
            keys,
            durable: Size::ZERO,
            known: BTreeMap::new(),
            certified: None,
            certifying: None,
            sure: Size::ZERO,
            told_sure: Size::ZERO,
            past_cosigners: BTreeMap::new(),
            bound: None,
            cosigned: None,
            own_cosignature: None,
            cosigning: None,
            forked: false,
            lacking_since: None,
            unstored: Unstored::default(),
            gap_asked_ms: None,
            gap_asked_of: None,
        }
    }

    pub(super) fn certified_size(&self) -> Size {
        self.certified.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size)
    }

    /// Up to where the store holds the log completely.
    pub(super) fn complete(&self) -> Size {
        self.replica.complete(self.durable)
    }

    /// Whether a checkpoint of this size is stored, complete and as this node's own tree has it.
    fn holds(&self, size: Size, known: &Known) -> bool {
        known.ours && size <= self.durable && self.replica.complete(size) == size
    }

    /// From now on nothing is cosigned that does not extend this checkpoint.
    pub(super) fn bind(&mut self, size: Size, root: Hash, leaves: &impl LeafHashes) {
        if size > self.bound.map_or(Size::ZERO, |bound| bound.size) {
            self.bound = Some(Bound { size, root, met: false });
            self.meet_bound(leaves);
        }
    }

    fn meet_bound(&mut self, leaves: &impl LeafHashes) {
        let Some(bound) = &mut self.bound else { return };
        if !bound.met && bound.size <= self.replica.taken() {
            match self.replica.root_at(bound.size, leaves) {
                Some(root) if root == bound.root => bound.met = true,
                Some(_) => self.forked = true,
                None => {}
            }
        }
    }

    /// Whether the store holds the log, complete, up to the checkpoint by which this node is bound.
    pub(super) fn is_held_as_bound(&self) -> bool {
        self.bound.is_none_or(|bound| bound.met && self.complete() >= bound.size)
    }

    /// The newest checkpoint that this node holds whole.
    pub(super) fn newest_held(&self) -> Option<&CosignedCheckpoint> {
        let newest = self.known.iter().rev().find(|(size, known)| self.holds(**size, known));
        newest.map(|(_, known)| &known.head).or(self.certified.as_ref())
    }

    /// The largest checkpoint held whole that has its quorum and is not yet stored as certified.
    pub(super) fn to_certify(&self) -> Option<&CosignedCheckpoint> {
        let certified = |(size, known): &(&Size, &Known)| self.holds(**size, known) && self.has_quorum(known);
        self.known.iter().rev().find(certified).map(|(_, known)| &known.head)
    }

    fn has_quorum(&self, known: &Known) -> bool {
        known.head.cosignatures().len() >= self.keys.quorum.needed()
    }

    /// The checkpoint of at most this size under which to fetch what comes after `from`: the newest, or where much is
    /// lacking of it the newest with its quorum, since what is fetched under that is certified as it comes.
    pub(super) fn fetch_under(&self, from: Size, most: Size) -> Option<&Checkpoint> {
        let (newest, known) = self.known.range(..=most).next_back()?;
        let far = |size: &Size| size.beyond(from) > BUNDLE_ENTRIES;
        let sure = || self.known.range(..=newest).rev().find(|(size, known)| far(size) && self.has_quorum(known));
        let (_, known) = if far(newest) { sure() } else { None }.unwrap_or((newest, known));
        Some(known.head.checkpoint())
    }

    /// What was taken is proven to stand under the checkpoint of this size.
    pub(super) fn proven_under(&mut self, size: Size) {
        if self.known.get(&size).is_some_and(|known| self.has_quorum(known)) {
            self.sure = self.replica.taken();
        }
    }

    /// Up to where the log is certified and stored beyond what the node was told.
    pub(super) fn newly_sure(&mut self) -> Option<Size> {
        let sure = self.sure.min(self.durable);
        (sure > self.told_sure).then(|| self.told_sure = sure)?;
        Some(sure)
    }

    /// The largest checkpoint held whole that this node may cosign at `now_ms` and has not.
    pub(super) fn to_cosign(&self, now_ms: u64) -> Option<&Checkpoint> {
        if self.forked || self.cosigning.is_some() {
            return None;
        }
        let newest = self.newest_held()?.checkpoint();
        self.replica.ordered_up_to(newest.size)?;
        let done = self.cosigned.is_some_and(|(size, _)| size >= newest.size);
        let bound = self.bound.is_none_or(|bound| bound.met && bound.size <= newest.size);
        // The last time taken bounds all times before it, since times do not go back.
        let early = self.replica.last_time_ms() <= now_ms.saturating_add(crate::limits::HEADER_AHEAD_MS_MAX);
        (!done && bound && early && newest.size > Size::ZERO).then_some(newest)
    }

    /// A checkpoint that is known at this size, certified or not.
    pub(super) fn at(&self, size: Size) -> Option<&CosignedCheckpoint> {
        let certified = self.certified.as_ref().filter(|head| head.checkpoint().size == size);
        certified.or_else(|| self.known.get(&size).map(|known| &known.head))
    }

    fn at_mut(&mut self, size: Size) -> Option<&mut CosignedCheckpoint> {
        if self.certified_size() == size && self.certified.is_some() {
            return self.certified.as_mut();
        }
        self.known.get_mut(&size).map(|known| &mut known.head)
    }

    pub(super) fn add_cosignature(&mut self, size: Size, root: Hash, by: &UnitId, cosignature: Cosignature) {
        if let Some(head) = self.at_mut(size).filter(|head| head.checkpoint().root == root) {
            head.add(by.clone(), cosignature);
        }
    }

    /// Learns a checkpoint from its note. Gives its size, and whether it or a cosignature was new.
    pub(super) fn learn(&mut self, bytes: &[u8], leaves: &impl LeafHashes) -> Result<(Size, bool), Fault> {
        let fault = |reason: String| Fault::Head { unit: self.unit.clone(), reason };
        let note = Note::parse(bytes, NOTE_BYTES_MAX).map_err(|e| fault(e.to_string()))?;
        let checkpoint = Checkpoint::parse_body(note.text()).map_err(|e| fault(e.to_string()))?;
        if checkpoint.origin != *self.keys.log_key.name() {
            return Err(fault(format!("its origin is {}", checkpoint.origin)));
        }
        let size = checkpoint.size;
        match self.at(size).map(|known| known.checkpoint().root) {
            Some(root) if root == checkpoint.root => {
                let fresh = self.new_cosignatures(&note, size)?;
                let new = !fresh.is_empty();
                for (unit, cosignature) in fresh {
                    self.add_cosignature(size, root, &unit, cosignature);
                }
                Ok((size, new))
            }
            Some(_) => {
                SignedCheckpoint::read(&note, &self.keys.log_key).map_err(|e| fault(e.to_string()))?;
                self.forked = true;
                Ok((size, true))
            }
            None => {
                let head = CosignedCheckpoint::read(bytes, &self.keys.log_key, &self.keys.mirrors)
                    .map_err(|e| fault(e.to_string()))?;
                Ok((size, self.insert(head, leaves)))
            }
        }
    }

    /// Puts in a verified checkpoint. Gives whether it is worth remembering.
    pub(super) fn insert(&mut self, head: CosignedCheckpoint, leaves: &impl LeafHashes) -> bool {
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        let ours = match size <= self.replica.taken() {
            false => false,
            true => match self.replica.root_at(size, leaves) {
                Some(own) if own == root => true,
                Some(_) => {
                    self.forked = true;
                    return true;
                }
                // The leaves could not be read: it can still be learnt of again.
                None => return false,
            },
        };
        if size <= self.certified_size() {
            return false;
        }
        let mut head = head;
        if self.cosigned == Some((size, root))
            && let Some((unit, cosignature)) = &self.own_cosignature
        {
            head.add(unit.clone(), *cosignature);
        }
        self.known.insert(size, Known { head, ours });
        while self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
        true
    }

    /// The cosignatures of a note that are not known yet, verified.
    fn new_cosignatures(&self, note: &Note, size: Size) -> Result<Vec<(UnitId, Cosignature)>, Fault> {
        let mut fresh = Vec::new();
        let Some(known) = self.at(size) else { return Ok(fresh) };
        for (unit, key) in &self.keys.mirrors {
            if known.cosignatures().contains_key(unit) {
                continue;
            }
            let Some(signature) = note.signature_of(key) else { continue };
            let fault = |reason: String| Fault::Head { unit: self.unit.clone(), reason };
            let cosignature = Cosignature::from_line(signature).map_err(|e| fault(e.to_string()))?;
            cosignature.verify(note.text(), key).map_err(|e| fault(format!("cosignature of {unit}: {e}")))?;
            fresh.push((unit.clone(), cosignature));
        }
        Ok(fresh)
    }

    /// Checks the checkpoints between two sizes against the tree that grew over them.
    /// An author whose checkpoint contradicts has forked its log.
    pub(super) fn meet(&mut self, from: Size, leaves: &impl LeafHashes) {
        let taken = self.replica.taken();
        for (size, known) in self.known.range_mut(from..=taken) {
            if known.ours {
                continue;
            }
            match self.replica.root_at(*size, leaves) {
                Some(root) if root == known.head.checkpoint().root => known.ours = true,
                Some(_) => self.forked = true,
                None => {}
            }
        }
        self.meet_bound(leaves);
    }

    /// For each unit the largest size of a checkpoint of this very log that it is known to have cosigned.
    pub(super) fn cosigners(&self) -> BTreeMap<UnitId, Size> {
        let mut cosigners = self.past_cosigners.clone();
        let known = self.known.values().filter(|known| known.ours).map(|known| &known.head);
        for head in self.certified.iter().chain(known) {
            for unit in head.cosignatures().keys() {
                let size = cosigners.entry(unit.clone()).or_default();
                *size = head.checkpoint().size.max(*size);
            }
        }
        cosigners
    }

    /// The store holds a certified checkpoint of this size.
    pub(super) fn certified_stored(&mut self, size: Size) {
        self.certifying = None;
        self.past_cosigners = self.cosigners();
        if let Some(known) = self.known.remove(&size) {
            self.certified = Some(known.head);
        }
        self.known = self.known.split_off(&size);
    }
}

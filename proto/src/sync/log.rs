//! One log as a node knows it: what it has taken and stored, and which checkpoints it has seen.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;
use super::eras::{Adoption, Eras};
use super::event::{LeafHashes, StreamId};
use super::pull::Unstored;
use super::replica::{Grown, Replica, VerifiedRun};
use super::sighting::Sighting;
use crate::charter::CharterChain;
use crate::checkpoint::Checkpoint;
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, NOTE_BYTES_MAX};
use crate::note::{Note, VerifierKey};

/// How many uncertified checkpoints of one log are remembered; the smallest are forgotten first. An author signs one a
/// second at the most, and only the newest can still gather its quorum.
const KNOWN_MAX: usize = 16;

/// How many bridges that partners tell of, and that are not held yet, are kept.
const BRIDGES_HEARD_MAX: usize = 8;

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
    pub(super) head: Sighting,
    /// Whether the own tree has this root at this size, and the key that signed it is the log's at this size.
    pub(super) ours: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) unit: UnitId,
    pub(super) eras: Eras,
    /// Whether its unit left and all others have taken that up: what was certified of it then is all there will be.
    pub(super) ended: bool,
    pub(super) replica: Replica,
    /// How many entries the store holds.
    pub(super) durable: Size,
    /// Checkpoints larger than the certified one.
    pub(super) known: BTreeMap<Size, Known>,
    /// The newest certified checkpoint that the store holds.
    pub(super) certified: Option<Sighting>,
    /// The newest certified bridge that the store holds.
    pub(super) bridge: Option<Sighting>,
    /// Sizes of checkpoints that partners call certified bridges and that are not held yet: these are not forgotten.
    bridges_heard: Vec<Size>,
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
    /// The own cosignatures on it, so that they can be said again after a restart, when the checkpoint is learnt of anew.
    pub(super) own_words: Vec<(UnitId, VerifierKey, Cosignature)>,
    /// The one on its way to the journal.
    pub(super) cosigning: Option<Size>,
    /// Whether the author signed two checkpoints that contradict: nothing more of it is cosigned.
    pub(super) forked: bool,
    /// Checkpoints that the author signed and that do not stand on the branch held.
    pub(super) strays: BTreeMap<(Size, Hash), Sighting>,
    /// What anybody can verify of the fork.
    pub(super) proof: Option<ForkProof>,
    /// How many cosigners of both branches the proof named that was given to be stored.
    pub(super) proof_kept: Option<usize>,
    /// The proof of a fork under a key that the charter has replaced since.
    pub(super) past_fork: Option<ForkProof>,
    /// The log keys under which this node has stopped cosigning: it signed a charter that makes the log go on from a base.
    pub(super) stopped: BTreeSet<VerifierKey>,
    /// Whether something came that a better proof may be made of.
    pub(super) unproven: bool,
    /// Whether what a partner sent does not fit what is held beyond what is kept in any case.
    pub(super) misfit: bool,
    /// Whether the store is cutting it back.
    pub(super) rewinding: bool,
    /// Since when something is known to be lacking, Unix milliseconds.
    pub(super) lacking_since: Option<u64>,
    /// Bytes on their way to the store.
    pub(super) unstored: Unstored,
    /// When a missing payload was last asked for, and of which stream.
    pub(super) gap_asked_ms: Option<u64>,
    pub(super) gap_asked_of: Option<StreamId>,
}

impl Log {
    pub(super) fn new(unit: UnitId, eras: Eras) -> Self {
        Self {
            replica: Replica::new(unit.clone()),
            unit,
            eras,
            ended: false,
            durable: Size::ZERO,
            known: BTreeMap::new(),
            certified: None,
            bridge: None,
            bridges_heard: Vec::new(),
            certifying: None,
            sure: Size::ZERO,
            told_sure: Size::ZERO,
            past_cosigners: BTreeMap::new(),
            bound: None,
            cosigned: None,
            own_words: Vec::new(),
            cosigning: None,
            forked: false,
            strays: BTreeMap::new(),
            proof: None,
            proof_kept: None,
            past_fork: None,
            stopped: BTreeSet::new(),
            unproven: false,
            misfit: false,
            rewinding: false,
            lacking_since: None,
            unstored: Unstored::default(),
            gap_asked_ms: None,
            gap_asked_of: None,
        }
    }

    pub(super) fn certified_size(&self) -> Size {
        self.certified.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size)
    }

    pub(super) fn bridge_size(&self) -> Size {
        self.bridge.as_ref().map_or(Size::ZERO, |head| head.checkpoint().size)
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

    /// What this node cosigned, or may have, may stand on a branch that is not held any more: it must be found again before
    /// anything more is cosigned.
    pub(super) fn bind_anew(&mut self) {
        let promised = [self.cosigned, self.bound.map(|bound| (bound.size, bound.root))].into_iter().flatten();
        let largest = promised.max_by_key(|(size, _)| *size);
        self.bound = largest.map(|(size, root)| Bound { size, root, met: false });
    }

    /// Whether nothing more is said under the key that the log has now.
    pub(super) fn is_stopped(&self) -> bool {
        self.eras.adopted().is_some_and(|era| self.stopped.contains(&era.keys.log_key))
    }

    /// Whether the own tree holds less than a base from which the log goes on.
    pub(super) fn lacks_base(&self) -> bool {
        self.eras.pending_base().is_some_and(|due| self.replica.taken() < due.base.size)
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
    pub(super) fn newest_held(&self) -> Option<&Sighting> {
        let newest = self.known.iter().rev().find(|(size, known)| self.holds(**size, known));
        newest.map(|(_, known)| &known.head).or(self.certified.as_ref())
    }

    /// The largest checkpoint held whole that has its quorum and is not yet stored as certified; a bridge first, since
    /// nothing beyond it counts before.
    pub(super) fn to_certify(&self) -> Option<&Sighting> {
        if self.rewinding {
            return None;
        }
        let certified = |size: Size| {
            let known = self.known.get(&size).filter(|known| self.holds(size, known))?;
            self.eras.rule(size)?.met_by(&known.head).then_some(&known.head)
        };
        if let Some(bridge) = self.eras.pending().find_map(certified) {
            return Some(bridge);
        }
        self.known.keys().rev().filter(|size| self.within_limit(**size)).find_map(|size| certified(*size))
    }

    fn within_limit(&self, size: Size) -> bool {
        self.eras.limit().is_none_or(|limit| size <= limit)
    }

    /// Whether a checkpoint has its quorum; of one whose entries are not all held, that of the era in which the log is, which
    /// certifies what it covers up to the next turn.
    pub(super) fn has_quorum(&self, size: Size, known: &Known) -> bool {
        if size <= self.replica.taken() {
            return self.within_limit(size) && self.eras.rule(size).is_some_and(|rule| rule.met_by(&known.head));
        }
        self.eras.current().is_some_and(|era| known.head.has_quorum(&era.keys))
    }

    /// Takes entries whose place was proven.
    pub(super) fn take(&mut self, entries: Vec<Entry>, grown: Grown) -> Result<VerifiedRun, Fault> {
        let run = self.replica.take(entries, grown)?;
        for (index, adoption) in self.replica.found_adopts() {
            self.eras.found(index, adoption);
        }
        Ok(run)
    }

    /// Takes the payload of an entry that was taken without it.
    pub(super) fn fill(&mut self, index: u64, entry: &Entry, leaves: &impl LeafHashes) -> Option<()> {
        self.replica.fill(index, entry)?;
        match entry.payload().and_then(|payload| Adoption::of(entry.header().kind, payload)) {
            Some(adoption) => self.eras.found(index, Some(adoption)),
            None => self.eras.inert(index),
        }
        self.meet(Size::ZERO, leaves);
        Some(())
    }

    /// Whether anything is known of that was not taken yet: nothing needs to be asked of anybody otherwise.
    pub(super) fn may_lack(&self) -> bool {
        let newest = self.known.last_key_value().map_or(Size::ZERO, |(size, _)| *size);
        newest > self.replica.taken() || self.eras.pending_base().is_some()
    }

    /// The checkpoint of at most this size under which to fetch what comes after `from`: the newest, or where much is
    /// lacking of it the newest with its quorum, since what is fetched under that is certified as it comes. Of a log that
    /// forked nothing else is fetched, and up to a base nothing but what stands under that.
    pub(super) fn fetch_under(&self, from: Size, most: Size) -> Option<(Size, Hash)> {
        if let Some(due) = self.eras.pending_base().filter(|due| from < due.base.size) {
            return (due.base.size <= most).then_some((due.base.size, due.base.root));
        }
        let at = |known: &Known| (known.head.checkpoint().size, known.head.checkpoint().root);
        if self.forked {
            let certified = self.known.range(..=most).rev().find(|(size, known)| self.has_quorum(**size, known));
            return certified.map(|(_, known)| at(known));
        }
        let (newest, known) = self.known.range(..=most).next_back()?;
        let far = |size: &Size| size.beyond(from) > BUNDLE_ENTRIES;
        let sure =
            || self.known.range(..=newest).rev().find(|(size, known)| far(size) && self.has_quorum(**size, known));
        let (_, known) = if far(newest) { sure() } else { None }.unwrap_or((newest, known));
        Some(at(known))
    }

    /// What was taken is proven to stand under the checkpoint of this size.
    pub(super) fn proven_under(&mut self, size: Size) {
        if self.known.get(&size).is_some_and(|known| self.has_quorum(size, known)) {
            let taken = self.replica.taken();
            self.sure = self.sure.max(self.eras.sure_limit().map_or(taken, |limit| limit.min(taken)));
        }
    }

    /// Up to where the log is certified and stored beyond what the node was told.
    pub(super) fn newly_sure(&mut self) -> Option<Size> {
        let sure = self.sure.min(self.durable);
        (sure > self.told_sure).then(|| self.told_sure = sure)?;
        Some(sure)
    }

    /// The largest checkpoint held whole that this node may cosign at `now_ms` and has not, and with which mirror keys: those
    /// that the charter gives it by which the checkpoint is judged.
    pub(super) fn to_cosign(&self, now_ms: u64, own: &UnitId) -> Option<(Checkpoint, Vec<VerifierKey>)> {
        // Below a base everything was replaced by that.
        let based = self.eras.pending_base().is_some();
        if self.forked || self.ended || self.rewinding || self.cosigning.is_some() || based {
            return None;
        }
        let held = |(size, known): &(&Size, &Known)| self.within_limit(**size) && self.holds(**size, known);
        let newest = self.known.iter().rev().find(held).map(|(_, known)| &known.head);
        // Behind a base the certified checkpoint is the old key's, of which this node may have cosigned another branch.
        let counts =
            |head: &&Sighting| self.eras.may_fork(head.signed().key()) && !self.stopped.contains(head.signed().key());
        let head = newest.or(self.certified.as_ref()).filter(counts)?;
        let newest = head.checkpoint();
        self.replica.ordered_up_to(newest.size)?;
        let mut keys = self.eras.rule(newest.size)?.mirrors_of(own);
        if self.cosigned == Some((newest.size, newest.root)) {
            keys.retain(|key| !self.own_words.iter().any(|(_, by, _)| by == key));
        }
        let done = keys.is_empty() || self.cosigned.is_some_and(|(size, _)| size > newest.size);
        let other = self.cosigned.is_some_and(|(size, root)| size == newest.size && root != newest.root);
        let bound = self.bound.is_none_or(|bound| bound.met && bound.size <= newest.size);
        // The last time taken bounds all times before it, since times do not go back.
        let early = self.replica.last_time_ms() <= now_ms.saturating_add(crate::limits::HEADER_AHEAD_MS_MAX);
        (!done && !other && bound && early && newest.size > Size::ZERO).then(|| (newest.clone(), keys))
    }

    /// The journal has these cosignatures of this node.
    pub(super) fn has_cosigned(
        &mut self,
        (size, root): (Size, Hash),
        own: &UnitId,
        words: Vec<(VerifierKey, Cosignature)>,
    ) {
        if self.cosigned != Some((size, root)) {
            self.own_words.clear();
        }
        self.cosigned = Some((size, root));
        for (key, cosignature) in words {
            self.add_cosignature(size, root, own, &key, cosignature);
            self.own_words.push((own.clone(), key, cosignature));
        }
    }

    /// Which of the own mirror keys made a cosignature that the journal has.
    pub(super) fn own_key_of(
        &self,
        (size, root): (Size, Hash),
        own: &UnitId,
        cosignature: &Cosignature,
    ) -> Option<VerifierKey> {
        let origin = self.eras.current()?.keys.log_key.name().clone();
        let body = Checkpoint { origin, size, root }.body();
        let own = self.eras.mirrors().filter(|(unit, _)| *unit == own).map(|(_, key)| key);
        own.into_iter().find(|key| cosignature.verify(&body, key).is_ok()).cloned()
    }

    /// A checkpoint of the branch held, or that may be, known at this size, certified or not.
    pub(super) fn at(&self, size: Size) -> Option<&Sighting> {
        let certified = self.certified.as_ref().filter(|head| head.checkpoint().size == size);
        certified.or_else(|| self.known.get(&size).map(|known| &known.head))
    }

    /// A checkpoint that is known, on whichever branch.
    pub(super) fn find(&self, size: Size, root: Hash) -> Option<&Sighting> {
        self.at(size).filter(|head| head.checkpoint().root == root).or_else(|| self.strays.get(&(size, root)))
    }

    pub(super) fn find_mut(&mut self, size: Size, root: Hash) -> Option<&mut Sighting> {
        let certified = self.certified.as_mut().filter(|head| head.checkpoint().size == size);
        let held = certified.or_else(|| self.known.get_mut(&size).map(|known| &mut known.head));
        held.filter(|head| head.checkpoint().root == root).or_else(|| self.strays.get_mut(&(size, root)))
    }

    pub(super) fn add_cosignature(
        &mut self,
        size: Size,
        root: Hash,
        by: &UnitId,
        key: &VerifierKey,
        cosignature: Cosignature,
    ) {
        if let Some(head) = self.find_mut(size, root) {
            head.add(by.clone(), key.clone(), cosignature);
            self.unproven |= self.forked;
        }
    }

    /// Learns a checkpoint from its note. Gives its size and root, and whether it or a cosignature was new.
    pub(super) fn learn(&mut self, bytes: &[u8], leaves: &impl LeafHashes) -> Result<(Size, Hash, bool), Fault> {
        let fault = |reason: String| Fault::Head { unit: self.unit.clone(), reason };
        let note = Note::parse(bytes, NOTE_BYTES_MAX).map_err(|e| fault(e.to_string()))?;
        let checkpoint = Checkpoint::parse_body(note.text()).map_err(|e| fault(e.to_string()))?;
        if self.eras.current().is_none_or(|era| checkpoint.origin != *era.keys.log_key.name()) {
            return Err(fault(format!("its origin is {}", checkpoint.origin)));
        }
        let (size, root) = (checkpoint.size, checkpoint.root);
        if let Some(known) = self.find(size, root) {
            let fresh = known.news(&note, &self.eras).map_err(|e| fault(e.to_string()))?;
            let new = !fresh.is_empty();
            for (unit, cosignature, key) in fresh {
                self.add_cosignature(size, root, &unit, &key, cosignature);
            }
            return Ok((size, root, new));
        }
        let head = Sighting::of_note(&note, &self.eras).map_err(|e| fault(e.to_string()))?;
        if !self.may_be_signed_by(size, head.signed().key()) {
            return Err(fault(format!("at {size} entries it is signed with a key that the charter has replaced")));
        }
        Ok((size, root, self.insert(head, leaves)))
    }

    /// Takes in a verified checkpoint, or the cosignatures on it that are new. Gives whether anything was.
    pub(super) fn admit(&mut self, head: Sighting, leaves: &impl LeafHashes) -> bool {
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        if let Some(known) = self.find_mut(size, root) {
            let new = known.merge(head);
            self.unproven |= new && self.forked;
            return new;
        }
        self.may_be_signed_by(size, head.signed().key()) && self.insert(head, leaves)
    }

    /// Whether a key is the log's at this size, as far as is known.
    pub(super) fn may_be_signed_by(&self, size: Size, key: &VerifierKey) -> bool {
        match self.eras.log_key(size).filter(|_| size <= self.replica.taken()) {
            Some(right) => right == key,
            None => self.eras.may_sign_ahead(size, key),
        }
    }

    /// A partner calls a checkpoint that it told of a certified bridge. It must not be forgotten before it is held, and it
    /// must be one then.
    pub(super) fn heard_bridge(&mut self, size: Size) -> Result<(), Fault> {
        if size > self.replica.taken() {
            if !self.bridges_heard.contains(&size) {
                self.bridges_heard.push(size);
            }
            let excess = self.bridges_heard.len().saturating_sub(BRIDGES_HEARD_MAX);
            self.bridges_heard.drain(..excess);
        } else if self.eras.rule(size).is_some() && !self.eras.is_bridge(size) {
            let reason = format!("the checkpoint of {size} entries is no bridge");
            return Err(Fault::Head { unit: self.unit.clone(), reason });
        }
        Ok(())
    }

    /// Puts in a verified checkpoint. Gives whether it is worth remembering.
    pub(super) fn insert(&mut self, head: Sighting, leaves: &impl LeafHashes) -> bool {
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        let ours = match size <= self.replica.taken() {
            false => false,
            true => match self.replica.root_at(size, leaves) {
                // In a stretch that cannot be judged yet it is met again later.
                Some(own) if own == root => self.eras.log_key(size) == Some(head.signed().key()),
                // What a key signed that the charter has replaced by then is nobody's word.
                Some(_) => return self.may_be_signed_by(size, head.signed().key()) && self.stray(head),
                // The leaves could not be read: it can still be learnt of again.
                None => return false,
            },
        };
        if self.at(size).is_some_and(|other| other.checkpoint().root != root) {
            return self.stray(head);
        }
        if size <= self.certified_size() {
            return false;
        }
        let mut head = head;
        if self.cosigned == Some((size, root)) {
            for (unit, key, cosignature) in &self.own_words {
                head.add(unit.clone(), key.clone(), *cosignature);
            }
        }
        self.known.insert(size, Known { head, ours });
        while self.known.len() > KNOWN_MAX {
            let kept = |size: &Size| self.bridges_heard.contains(size) || self.eras.is_bridge(*size);
            let Some(smallest) = self.known.keys().copied().find(|size| !kept(size)) else { break };
            self.known.remove(&smallest);
        }
        true
    }

    /// Checks the checkpoints from a size on that the tree has grown over against it. An author whose checkpoint contradicts
    /// has forked its log.
    pub(super) fn meet(&mut self, from: Size, leaves: &impl LeafHashes) {
        let taken = self.replica.taken();
        self.meet_bases(leaves);
        let (mut usurped, mut wrong) = (Vec::new(), Vec::new());
        for (size, known) in self.known.range_mut(from..=taken).filter(|(_, known)| !known.ours) {
            let Some(key) = self.eras.log_key(*size) else { continue };
            if key != known.head.signed().key() {
                // Signed with a key that the charter has replaced by then: nobody's word.
                usurped.push(*size);
                continue;
            }
            match self.replica.root_at(*size, leaves) {
                Some(root) if root == known.head.checkpoint().root => known.ours = true,
                Some(_) => wrong.push(*size),
                None => {}
            }
        }
        for size in usurped {
            self.known.remove(&size);
        }
        for size in wrong {
            if let Some(known) = self.known.remove(&size) {
                self.stray(known.head);
            }
        }
        self.find_again(leaves);
        self.bridges_heard.retain(|size| *size > taken);
        self.meet_bound(leaves);
    }

    /// Holds the own tree against the bases that the charter gives the log.
    pub(super) fn meet_bases(&mut self, leaves: &impl LeafHashes) {
        for base in self.eras.unmet_bases(self.replica.taken()) {
            match self.replica.root_at(base.size, leaves) {
                Some(root) if root == base.root => self.eras.base_met(base),
                // Another branch: it is cut back to what is certified, if there is more.
                Some(_) => self.misfit = true,
                None => {}
            }
        }
    }

    /// For each unit the largest size of a checkpoint of this very log that it is known to have cosigned.
    pub(super) fn cosigners(&self) -> BTreeMap<UnitId, Size> {
        let mut cosigners = self.past_cosigners.clone();
        let known = self.known.values().filter(|known| known.ours).map(|known| &known.head);
        for head in self.certified.iter().chain(known) {
            for unit in head.cosigners() {
                let size = cosigners.entry(unit.clone()).or_default();
                *size = head.checkpoint().size.max(*size);
            }
        }
        cosigners
    }

    /// The store holds a certified checkpoint of this size.
    pub(super) fn certified_stored(&mut self, size: Size, leaves: &impl LeafHashes) {
        self.certifying = None;
        self.past_cosigners = self.cosigners();
        if let Some(known) = self.known.remove(&size) {
            self.certified = Some(known.head);
        }
        self.known = self.known.split_off(&size);
        if self.eras.is_bridge(size) {
            self.bridge.clone_from(&self.certified);
        }
        if self.eras.settle(size) {
            self.leave_fork();
            self.meet(Size::ZERO, leaves);
        }
    }

    /// A further version of the charter is known.
    pub(super) fn take_up(&mut self, chain: &CharterChain, leaves: &impl LeafHashes) {
        let unit = self.unit.clone();
        self.eras.take_up(chain, &unit);
        self.meet(Size::ZERO, leaves);
    }
}

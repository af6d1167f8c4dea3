//! Logs of which the author signed two branches: finding that out, proving it, and ending at the branch that was certified.
//!
//! - A checkpoint that does not stand on the branch held is a **stray**. It is kept, with the cosignatures that come, since
//!   it may be the one that was certified; nothing more of the log is cosigned.
//! - A **proof** is made as soon as a stray is no larger than a checkpoint held: the own tree shows what the author signed
//!   there. Where only larger ones are known, their holders make it: they are shown all notes that are known here. A proof
//!   that names more cosigners of both branches takes the place of one before.
//! - Of a log that forked nothing is fetched but what has its quorum, nothing is pushed, and existing cosignatures go on to
//!   be passed on: all end at the same certified checkpoint. Where the branch held is not that one, the log is **rewound**:
//!   cut back, never below anything certified, and fetched again.
//! - What a partner sent and what does not fit is its fault, unless it has not been shown what is held here: it may be the
//!   author's.

use std::collections::BTreeSet;

use prost::Message as _;

use super::Fault;
use super::engine::Engine;
use super::event::{Action, LeafHashes, Restored, StreamId};
use super::log::{Known, Log};
use super::pull::Asked;
use super::replica::Replica;
use super::sighting::Sighting;
use crate::entry::Entry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::SEEN_MAX;
use crate::record::{self, RecordKind};
use crate::wire;
use crate::wire::record::Body;

/// How many strays of one log are kept; those with the fewest cosignatures are forgotten first.
const STRAYS_MAX: usize = 32;
/// How many proofs a partner may send on one stream.
const PROOFS_MAX: usize = 512;
/// How much of a frame further checkpoints of one log may fill, in bytes.
const SEEN_BYTES_MAX: usize = 128 << 10;
/// How soon a partner is asked again of which something did not fit, milliseconds.
const ASK_AGAIN_MS: u64 = 1_000;

impl Log {
    /// Keeps a checkpoint that contradicts what is held. Gives whether it is news.
    pub(super) fn stray(&mut self, mut head: Sighting) -> bool {
        if !self.eras.may_fork(head.signed().key()) {
            return false;
        }
        let at = (head.checkpoint().size, head.checkpoint().root);
        if self.cosigned == Some(at) {
            for (unit, key, cosignature) in &self.own_words {
                head.add(unit.clone(), key.clone(), *cosignature);
            }
        }
        (self.forked, self.unproven) = (true, true);
        let new = self.strays.insert(at, head).is_none();
        while self.strays.len() > STRAYS_MAX {
            let least = self.strays.iter().min_by_key(|(at, head)| (head.weight(), **at));
            let Some(least) = least.map(|(at, _)| *at) else { break };
            self.strays.remove(&least);
        }
        new
    }

    /// Checkpoints that turn out to stand on the branch held, now that it has grown.
    pub(super) fn find_again(&mut self, leaves: &impl LeafHashes) {
        let taken = self.replica.taken();
        let ours = |at: &&(Size, Hash)| at.0 <= taken && self.replica.root_at(at.0, leaves) == Some(at.1);
        let found: Vec<(Size, Hash)> = self.strays.keys().filter(ours).copied().collect();
        for at in found {
            if let Some(head) = self.strays.remove(&at)
                && at.0 > self.certified_size()
                && self.eras.log_key(at.0) == Some(head.signed().key())
            {
                self.known.insert(at.0, Known { head, ours: true });
            }
        }
    }

    /// The newest checkpoint held.
    pub(super) fn held_at(&self) -> Option<(Size, Hash)> {
        self.newest_held().map(|head| (head.checkpoint().size, head.checkpoint().root))
    }

    /// Every checkpoint held, as far as it is remembered.
    fn held(&self) -> impl Iterator<Item = &Sighting> {
        let known = self.known.values().filter(|known| known.ours).map(|known| &known.head);
        self.certified.iter().chain(known)
    }

    /// Pairs of checkpoints that contradict each other, as far as this node can tell: the smaller one first.
    fn contradictions(&self) -> Vec<(&Sighting, &Sighting)> {
        let mut pairs = Vec::new();
        for (at, stray) in &self.strays {
            // The own tree has another root there.
            let above = self.held().filter(|held| held.checkpoint().size >= at.0);
            pairs.extend(above.map(|held| (stray, held)));
            let unheld = self.known.get(&at.0).filter(|known| !known.ours).map(|known| &known.head);
            let beside = self.strays.range((at.0, Hash([0; 32]))..).take_while(|(other, _)| other.0 == at.0);
            let others = beside.map(|(_, other)| other).chain(unheld);
            pairs.extend(others.filter(|other| other.checkpoint().root != at.1).map(|other| (stray, other)));
        }
        pairs
    }

    /// The units that are known to have cosigned both branches.
    pub(super) fn cosigned_both(&self) -> BTreeSet<UnitId> {
        let pairs = self.contradictions();
        let pairs = pairs.iter().flat_map(|(one, other)| both(one, other));
        self.proof.iter().flat_map(ForkProof::cosigned_both).chain(pairs).collect()
    }

    /// Makes the best proof that can be made of what is known, if it is better than the one before.
    pub(super) fn prove(&mut self, leaves: &impl LeafHashes) {
        if !std::mem::take(&mut self.unproven) {
            return;
        }
        let pairs = self.contradictions().into_iter();
        let one_key = |(one, other): &(&Sighting, &Sighting)| one.signed().key() == other.signed().key();
        let best = pairs.filter(one_key).max_by_key(|(one, other)| both(one, other).len());
        let Some((smaller, larger)) = best else { return };
        let enough = self.proof.as_ref().map_or(0, |proof| proof.cosigned_both().len().saturating_add(1));
        if both(smaller, larger).len() < enough {
            return;
        }
        let (from, to) = (smaller.checkpoint().size, larger.checkpoint().size);
        let path = if from == to { Some(Vec::new()) } else { self.replica.path(from, to, leaves) };
        let made =
            path.and_then(|path| ForkProof::compose(self.unit.clone(), smaller.branch(), larger.branch(), path).ok());
        match made {
            Some(proof) => self.proof = Some(proof),
            // Leaves could not be read, or are on their way to the store: later.
            None => self.unproven = true,
        }
    }

    /// Takes a proof that was verified. What a key signed that the charter has replaced meanwhile says nothing any more.
    pub(super) fn take_proof(&mut self, proof: ForkProof, leaves: &impl LeafHashes) -> bool {
        if !self.eras.may_fork(proof.larger().signed().key()) {
            self.past_fork.get_or_insert(proof);
            return false;
        }
        let better = self.proof.as_ref().is_none_or(|own| own.cosigned_both().len() < proof.cosigned_both().len());
        self.forked = true;
        let mut new = false;
        for branch in [proof.smaller(), proof.larger()] {
            new |= self.admit(Sighting::of_branch(branch), leaves);
        }
        if better {
            self.proof = Some(proof);
        }
        new || better
    }

    /// The log has gone on to a later era: what was signed twice under a key that was replaced is history.
    pub(super) fn leave_fork(&mut self) {
        let proven = self.proof.as_ref().map(|proof| proof.larger().signed().key());
        if proven.is_some_and(|key| !self.eras.may_fork(key)) {
            self.past_fork = self.proof.take().or(self.past_fork.take());
            (self.forked, self.proof_kept, self.unproven) = (false, None, false);
            self.strays.clear();
        }
    }

    /// What stays of the log in any case: what is certified, and unless a proof of the fork is kept what this node holds
    /// under a checkpoint or cosigned.
    fn kept(&self) -> Size {
        let sure = self.certified_size().max(self.told_sure);
        if let Some(due) = self.eras.pending_base() {
            let met = !self.eras.unmet_bases(due.base.size).contains(&due.base);
            return if met && self.replica.taken() >= due.base.size { due.base.size } else { sure };
        }
        if self.proof_kept.is_some() {
            return sure;
        }
        let cosigned = self.cosigned.map_or(Size::ZERO, |(size, _)| size);
        let held = self.newest_held().map_or(Size::ZERO, |head| head.checkpoint().size);
        let bound = self.bound.map_or(Size::ZERO, |bound| bound.size);
        sure.max(cosigned).max(held).max(bound)
    }

    /// How far the log is to be cut back, if what is held beyond is not what was certified.
    pub(super) fn to_rewind(&self) -> Option<Size> {
        if self.rewinding || self.certifying.is_some() || self.cosigning.is_some() {
            return None;
        }
        let (kept, taken) = (self.kept(), self.replica.taken());
        let certified =
            |at: &(Size, Hash), head: &Sighting| at.0 > kept && at.0 <= taken && self.certified_elsewhere(head);
        let elsewhere = || self.strays.iter().any(|(at, head)| certified(at, head));
        (taken > kept && (self.misfit || elsewhere())).then_some(kept)
    }

    /// Whether a checkpoint of a branch that is not held has its quorum: that of the era in which the log is, which any turn of
    /// that branch needs too.
    fn certified_elsewhere(&self, head: &Sighting) -> bool {
        self.eras.current().is_some_and(|era| head.has_quorum(&era.keys))
    }

    /// Puts what has its quorum in the place of what only may stand on the branch held.
    pub(super) fn prefer_certified(&mut self) {
        let taken = self.replica.taken();
        let certified = |(at, head): &(&(Size, Hash), &Sighting)| at.0 > taken && self.certified_elsewhere(head);
        let found: Vec<_> = self.strays.iter().filter(certified).map(|(at, _)| *at).collect();
        for at in found {
            let Some(head) = self.strays.remove(&at) else { continue };
            if let Some(other) = self.known.insert(at.0, Known { head, ours: false }) {
                self.stray(other.head);
            }
        }
    }

    /// The store has cut the log back.
    pub(super) fn rewound(&mut self, left: Restored, leaves: &impl LeafHashes) -> Option<()> {
        let mut replica = Replica::new(self.unit.clone());
        replica.restore(left.level1, &left.tail, (left.last_time_ms, left.time_goes_back), left.gaps, left.missing)?;
        self.replica = replica;
        self.durable = self.replica.taken();
        self.eras.cut_back(self.durable);
        self.sure = self.sure.min(self.durable);
        (self.rewinding, self.misfit, self.lacking_since) = (false, false, None);
        (self.gap_asked_ms, self.gap_asked_of) = (None, None);
        self.bind_anew();
        let beyond = self.known.split_off(&self.durable.plus(1).unwrap_or(self.durable));
        for (size, Known { head, .. }) in beyond {
            // Which branch they stand on shows when it is there.
            if self.forked {
                self.stray(head);
            } else {
                self.known.insert(size, Known { head, ours: false });
            }
        }
        self.prefer_certified();
        self.meet(Size::ZERO, leaves);
        Some(())
    }

    /// Every checkpoint beside the newest held one.
    fn further(&self) -> impl Iterator<Item = &Sighting> {
        let newest = self.newest_held().map(|head| head.checkpoint().clone());
        let known = self.known.values().map(|known| &known.head).chain(self.strays.values());
        known.filter(move |head| Some(head.checkpoint()) != newest.as_ref())
    }
}

/// The proofs of forks among the records of a stretch.
pub(super) fn shown_in(entries: &[Entry]) -> impl Iterator<Item = wire::ForkProof> {
    let of_kind = entries.iter().filter(|entry| entry.header().kind == RecordKind::ForkProof.number());
    of_kind.filter_map(|entry| match record::parse(entry.header().kind, entry.payload()?).ok()?.into_body() {
        Body::ForkProof(proof) => Some(proof),
        _ => None,
    })
}

/// Who cosigned both.
fn both(one: &Sighting, other: &Sighting) -> BTreeSet<UnitId> {
    let other: BTreeSet<&UnitId> = other.cosigners().collect();
    one.cosigners().filter(|unit| other.contains(unit)).cloned().collect()
}

impl Engine {
    /// A partner passes on a proof.
    pub(super) fn on_fork(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        proof: &wire::ForkProof,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        session.forks_heard = session.forks_heard.saturating_add(1);
        if session.forks_heard > PROOFS_MAX {
            return Err(Fault::Limit("number of proofs"));
        }
        let unit: UnitId = proof.unit.parse().map_err(|_| Fault::Field("unit"))?;
        let log = self.logs.get_mut(&unit).ok_or(Fault::Field("unit"))?;
        let proof = ForkProof::read(proof, &unit, &log.eras.signers())
            .map_err(|reason| Fault::Fork { unit: unit.clone(), reason })?;
        let named = proof.cosigned_both().len();
        let shown: Vec<_> = [proof.smaller(), proof.larger()].map(|head| head.checkpoint().clone()).into();
        let known = session.head(&unit);
        for head in [proof.smaller(), proof.larger()] {
            known.knows((head.checkpoint().size, head.checkpoint().root), &head.cosigners());
        }
        let told = session.forks_told.entry(unit.clone()).or_default();
        *told = named.saturating_add(1).max(*told);
        let new = log.take_proof(proof, leaves);
        for checkpoint in shown {
            self.notice_own_word(&unit, (checkpoint.size, checkpoint.root), leaves);
        }
        if new {
            self.soil_all(&unit, now_ms);
        }
        Ok(())
    }

    /// A proof that the partner of a stream has not been given.
    pub(super) fn compose_fork(&mut self, stream: StreamId) -> Option<wire::Frame> {
        let session = self.sessions.get_mut(&stream)?;
        let due = self.logs.values().find_map(|log| {
            let proof = log.proof.as_ref()?;
            let worth = proof.cosigned_both().len().saturating_add(1);
            (session.forks_told.get(&log.unit).is_none_or(|told| *told < worth)).then_some((log, proof, worth))
        });
        let (log, proof, worth) = due?;
        session.forks_told.insert(log.unit.clone(), worth);
        Some(wire::Frame { frame: Some(wire::frame::Frame::Fork(proof.to_wire())) })
    }

    /// The checkpoints of a log that the partner is to be shown beside its head, and is not known to know.
    pub(super) fn compose_seen(&mut self, stream: StreamId, unit: &UnitId) -> Vec<Vec<u8>> {
        let (Some(log), Some(session)) = (self.logs.get(unit), self.sessions.get_mut(&stream)) else {
            return Vec::new();
        };
        if !log.forked && !session.showing.contains(unit) {
            return Vec::new();
        }
        let (mut seen, mut bytes) = (Vec::new(), 0_usize);
        for head in log.further() {
            let at = (head.checkpoint().size, head.checkpoint().root);
            let known = session.head(unit);
            if seen.len() >= SEEN_MAX || bytes > SEEN_BYTES_MAX {
                break;
            }
            if !known.knows_all(at, head.cosigners()) {
                known.knows(at, head.cosigners());
                let note = head.to_note();
                bytes = bytes.saturating_add(note.len());
                seen.push(note);
            }
        }
        seen
    }

    /// Proves forks, and rewinds what is not what was certified.
    pub(super) fn settle_forks(&mut self, now_ms: u64, leaves: &impl LeafHashes) {
        self.read_shown(now_ms, leaves);
        let mut due = Vec::new();
        for (unit, log) in self.logs.iter_mut().filter(|(_, log)| log.forked || log.misfit) {
            log.prove(leaves);
            if let Some(proof) = &log.proof
                && log.proof_kept.is_none_or(|kept| kept < proof.cosigned_both().len())
            {
                log.proof_kept = Some(proof.cosigned_both().len());
                let proof = proof.to_wire().encode_to_vec();
                self.actions.push(Action::StoreFork { unit: unit.clone(), proof });
            }
            if !log.rewinding {
                log.prefer_certified();
            }
            // What this node itself appends is cut back by nobody.
            let appends = *unit == self.setup.unit && !self.own.fetches();
            if let Some(size) = log.to_rewind().filter(|_| !appends) {
                (log.rewinding, log.misfit, log.durable) = (true, false, size);
                self.actions.push(Action::Rewind { unit: unit.clone(), size });
                due.push(unit.clone());
            }
        }
        for unit in due {
            self.let_go(now_ms, &unit);
        }
    }

    /// Proofs that units put into their logs.
    fn read_shown(&mut self, now_ms: u64, leaves: &impl LeafHashes) {
        for shown in std::mem::take(&mut self.shown_forks) {
            let Ok(unit) = shown.unit.parse::<UnitId>() else { continue };
            let Some(log) = self.logs.get_mut(&unit).filter(|log| log.proof.is_none()) else { continue };
            // What proves nothing is that unit's words and no more.
            if let Ok(proof) = ForkProof::read(&shown, &unit, &log.eras.signers()) {
                log.take_proof(proof, leaves);
                self.soil_all(&unit, now_ms);
            }
        }
    }

    /// Nothing that was asked of a log is taken any more.
    fn let_go(&mut self, now_ms: u64, unit: &UnitId) {
        self.pulls.remove(unit);
        for session in self.sessions.values_mut() {
            session.asked.get_mut(unit).into_iter().flatten().for_each(|asked| *asked = Asked::Abandoned);
            session.soil(unit, now_ms);
        }
    }

    pub(super) fn rewound(&mut self, now_ms: u64, unit: &UnitId, left: Restored, leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        if log.rewound(left, leaves).is_none() {
            self.halt(format!("what the database holds of the log of {unit} cannot be put together"));
        }
        self.soil_all(unit, now_ms);
    }

    /// What a partner sent does not fit what is held. Where it knew the newest checkpoint held (`told`), it would have proven
    /// a fork instead of sending that.
    pub(super) fn misfit(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        unit: &UnitId,
        told: Option<(Size, Hash)>,
        fault: Fault,
    ) -> Result<(), Fault> {
        let (Some(log), Some(session)) = (self.logs.get_mut(unit), self.sessions.get_mut(&stream)) else {
            return Err(fault);
        };
        if log.replica.taken() > log.kept() {
            log.misfit = true;
        } else if told == log.held_at() {
            return Err(fault);
        }
        session.showing.insert(unit.clone());
        session.soil(unit, now_ms);
        self.abandon(unit, stream, now_ms, ASK_AGAIN_MS);
        Ok(())
    }
}

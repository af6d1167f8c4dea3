//! Which charter judges a checkpoint: a log goes from one era to the next by an `Adopt` and its bridge (design, section 6).
//!
//! Every version of the charter that lists a unit is an *era* its log may be in. The log begins in the first of them. An
//! `Adopt` in it that names a later version is a *turn*; the checkpoint that ends with it is the *bridge*. Sizes below the
//! bridge are judged by the era before, sizes above it by the new one, and the bridge by both: it needs the quorum of each,
//! with the mirror keys of each. The log key is that of the era before up to the `Adopt`, and the new one from the bridge on.
//!
//! A turn is *settled* when its bridge, or that of a later turn, is certified. A later one is enough: the honest of its old
//! quorum had seen the one before certified when they cosigned it. Until the next turn is settled nothing beyond its
//! bridge is signed, cosigned or taken for certified: else a new quorum, which need not have a unit in common with the old
//! one, could certify what contradicts what the old one certified.
//!
//! What an `Adopt` says is judged by its payload, so a log whose `Adopt` lacks it does not go on until it is fetched. One that
//! names a charter which is not known here stops the log below it until the charter comes; if there is none, the author has stopped its
//! own log for ever. Any other that names no later version of the unit's own is inert: a version that does not list it, one
//! that the log is in or was in, a number that is not that charter's.
//!
//! # A base
//! A version that gives the unit a new log key may say from which size and root that key goes on. What the old key signed
//! beyond is replaced: the log reaches that version, or any later one, only by an `Adopt` right at the base, and until the
//! own tree has the base's root there, and the `Adopt` behind it, nothing beyond the base is signed, cosigned or taken for
//! certified. Which bases are safe is what [`bases`](super::bases) says.
//!
//! A charter that founds the network anew gives every log a base, and its bridge needs the new quorum alone: the old one
//! may not come together any more, and everyone in the new charter has signed that base.

use std::collections::{BTreeMap, BTreeSet};

use super::event::LogKeys;
use super::sighting::Sighting;
use crate::charter::{Base, CharterChain};
use crate::fork::Signers;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::VerifierKey;
use crate::record::{self, RecordKind};
use crate::wire::record::Body;

/// What an `Adopt` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// The version.
    pub version: u64,
    /// The digest of its text.
    pub digest: Hash,
}

impl Adoption {
    /// Reads the payload of an entry of this kind; nothing if it is no `Adopt` that counts under any rules.
    #[must_use]
    pub fn of(kind: u32, payload: &[u8]) -> Option<Self> {
        if kind != RecordKind::Adopt.number() {
            return None;
        }
        match record::parse(kind, payload).ok()?.into_body() {
            Body::Adopt(adopt) => Some(Self { version: adopt.version, digest: Hash::from_slice(&adopt.digest)? }),
            _ => None,
        }
    }
}

/// One version of the charter, as far as it concerns one log.
#[derive(Debug, Clone)]
pub(super) struct Era {
    pub(super) version: u32,
    pub(super) digest: Hash,
    pub(super) keys: LogKeys,
    /// Where its log key goes on.
    pub(super) base: Option<Base>,
    /// Whether the network has been founded anew since.
    pub(super) earlier: bool,
    /// Whether it founded the network anew.
    refounds: bool,
}

/// An `Adopt` that takes the log to a later era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    bridge: Size,
    /// Which of the eras it leads to.
    era: usize,
}

/// The eras of one log, and the turns that were found in it.
#[derive(Debug)]
pub(super) struct Eras {
    list: Vec<Era>,
    /// Every charter known, also those that do not list the unit.
    known: BTreeSet<Hash>,
    /// The `Adopt`s taken that lead to a later era or may yet, by index; nothing where the payload is missing.
    pub(super) adopts: BTreeMap<u64, Option<Adoption>>,
    turns: Vec<Turn>,
    /// How many of the turns are settled.
    settled: usize,
    /// The index of an `Adopt` that cannot be judged yet, or of the one that a base waits for.
    blocked: Option<u64>,
    /// The sizes of the bases that the own tree was found to have.
    met: BTreeSet<Size>,
    /// How many `Adopt`s were judged, each as often as it was.
    #[cfg(test)]
    pub(super) judged: u64,
}

/// A base that the log has not gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingBase {
    pub(super) base: Base,
    /// The version that says so, and the digest of its text.
    pub(super) version: u32,
    pub(super) digest: Hash,
    /// Which of the eras that is.
    era: usize,
}

/// Which quorums a checkpoint needs: one, or for a bridge two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) keys: &'a LogKeys,
    pub(super) also: Option<&'a LogKeys>,
}

impl Rule<'_> {
    pub(super) fn met_by(&self, head: &Sighting) -> bool {
        head.has_quorum(self.keys) && self.also.is_none_or(|keys| head.has_quorum(keys))
    }

    /// The mirror keys of a unit that count for it.
    pub(super) fn mirrors_of(&self, unit: &UnitId) -> Vec<VerifierKey> {
        let mut keys: Vec<VerifierKey> = Vec::new();
        for key in std::iter::once(self.keys).chain(self.also).filter_map(|keys| keys.mirrors.get(unit)) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }
}

impl Eras {
    /// The eras of a unit's log; nothing if no version lists the unit.
    pub(super) fn new(chain: &CharterChain, unit: &UnitId) -> Option<Self> {
        let mut eras = Self {
            list: Vec::new(),
            known: BTreeSet::new(),
            adopts: BTreeMap::new(),
            turns: Vec::new(),
            settled: 0,
            blocked: None,
            met: BTreeSet::new(),
            #[cfg(test)]
            judged: 0,
        };
        eras.take_up(chain, unit);
        (!eras.list.is_empty()).then_some(eras)
    }

    /// A further version is known.
    pub(super) fn take_up(&mut self, chain: &CharterChain, unit: &UnitId) {
        for charter in chain.all().filter(|charter| !self.known.contains(&charter.digest())).collect::<Vec<_>>() {
            self.known.insert(charter.digest());
            let Some(member) = charter.unit(unit) else { continue };
            let (log_key, mirrors) = (member.log_key.clone(), charter.mirrors(unit));
            let keys = LogKeys { log_key, mirrors, quorum: charter.quorum() };
            let (version, digest, base) = (charter.version(), charter.digest(), member.base);
            let (earlier, refounds) = (chain.is_earlier(&digest).is_some(), charter.terms().continues.is_some());
            self.list.push(Era { version, digest, keys, base, earlier, refounds });
        }
        self.find_turns();
    }

    /// An `Adopt` stands at this index; nothing is said where its payload is missing.
    pub(super) fn found(&mut self, index: u64, adoption: Option<Adoption>) {
        self.adopts.insert(index, adoption);
        // Whoever writes a log may write any number of them: each is judged when it comes, and none before it again.
        if self.blocked.is_none_or(|blocked| index <= blocked) {
            self.find_turns_from(index);
        }
    }

    /// The `Adopt` at this index turned out to be none that counts.
    pub(super) fn inert(&mut self, index: u64) {
        if self.adopts.remove(&index).is_some() && self.blocked.is_none_or(|blocked| index <= blocked) {
            self.find_turns_from(index);
        }
    }

    fn find_turns(&mut self) {
        self.find_turns_from(0);
    }

    /// Judges every `Adopt` from an index on; what was found below it stays. Those that lead nowhere for ever are forgotten: a
    /// charter that is known names one era or none, and a log goes back to none.
    fn find_turns_from(&mut self, from: u64) {
        self.turns.retain(|turn| turn.bridge.get() <= from);
        let mut at = self.era_after(self.turns.len());
        let mut idle = Vec::new();
        let mut unjudged = None;
        for (index, adoption) in self.adopts.range(from..) {
            let due = self.base_after(at);
            if due.is_some_and(|due| due.base.size.get() < *index) {
                break;
            }
            #[cfg(test)]
            {
                self.judged = self.judged.saturating_add(1);
            }
            let known = adoption.filter(|adoption| self.known.contains(&adoption.digest));
            let (Some(adoption), Ok(bridge)) = (known, Size::new(*index).and_then(|index| index.plus(1))) else {
                unjudged = Some(*index);
                break;
            };
            let names = |era: &Era| era.digest == adoption.digest && u64::from(era.version) == adoption.version;
            let Some(era) = self.list.iter().position(names).filter(|era| *era > at) else {
                idle.push(*index);
                continue;
            };
            if due.is_none_or(|due| era < due.era && *index < due.base.size.get() || self.goes_on(due, era, *index)) {
                self.turns.push(Turn { bridge, era });
                at = era;
            }
        }
        for index in idle {
            self.adopts.remove(&index);
        }
        self.blocked = unjudged.or_else(|| self.base_after(at).map(|due| due.base.size.get()));
    }

    /// Whether an `Adopt` that leads to this era takes the log on from a base. One that names a version with a base further on, or
    /// any after that, does not: the log reaches that version only behind its own base.
    fn goes_on(&self, due: PendingBase, era: usize, index: u64) -> bool {
        let short_of_next = self.base_after(due.era).is_none_or(|next| era < next.era);
        era >= due.era && short_of_next && due.base.size.get() == index && self.met.contains(&due.base.size)
    }

    /// What the next `Adopt` in the log is to name: the newest version, or the last before one whose base lies beyond the
    /// base that the log goes on from now.
    pub(super) fn next_adoption(&self) -> Option<Adoption> {
        let beyond = self.pending_base().and_then(|due| self.base_after(due.era));
        let era = match beyond {
            Some(beyond) => self.list.get(beyond.era.checked_sub(1)?),
            None => self.list.last(),
        };
        era.map(|era| Adoption { version: era.version.into(), digest: era.digest })
    }

    /// The first base that a log which is in this era has to go on from.
    fn base_after(&self, era: usize) -> Option<PendingBase> {
        let mut next: Option<PendingBase> = None;
        for (number, later) in self.list.iter().enumerate().skip(era.saturating_add(1)).rev() {
            // One that begins no earlier than a later one has nothing to say any more.
            if let Some(base) = later.base.filter(|base| next.is_none_or(|next| base.size < next.base.size)) {
                next = Some(PendingBase { base, version: later.version, digest: later.digest, era: number });
            }
        }
        next
    }

    /// The base that the log is to go on from, if the `Adopt` behind it is not there.
    pub(super) fn pending_base(&self) -> Option<PendingBase> {
        self.base_after(self.era_after(self.turns.len()))
    }

    /// Whether some version says that the log goes on from this size.
    pub(super) fn is_base(&self, size: Size) -> bool {
        self.list.iter().any(|era| era.base.is_some_and(|base| base.size == size))
    }

    /// The bases of up to this size that the own tree was not yet held against.
    pub(super) fn unmet_bases(&self, taken: Size) -> Vec<Base> {
        let mut unmet: Vec<Base> = Vec::new();
        let mut least = None;
        for base in self.list.iter().rev().filter_map(|era| era.base) {
            // One that begins no earlier than a later one has nothing to say any more.
            if least.is_none_or(|least| base.size < least) {
                least = Some(base.size);
                unmet.extend((base.size <= taken && !self.met.contains(&base.size)).then_some(base));
            }
        }
        unmet
    }

    /// The own tree has the root of this base.
    pub(super) fn base_met(&mut self, base: Base) {
        if self.met.insert(base.size) {
            self.find_turns();
        }
    }

    /// The era that the log is in: that of the last turn which is settled.
    pub(super) fn current(&self) -> Option<&Era> {
        self.list.get(self.era_after(self.settled))
    }

    /// That era and all later ones; none from before the network was founded anew.
    pub(super) fn current_and_later(&self) -> impl Iterator<Item = &Era> {
        let anew = self.list.iter().rposition(|era| era.refounds).unwrap_or(0);
        self.list.iter().skip(self.era_after(self.settled).max(anew))
    }

    /// The eras in which something of the log may have been certified that is not known here.
    pub(super) fn uncertain(&self) -> impl Iterator<Item = &Era> {
        self.list.iter().skip(self.era_after(self.settled))
    }

    /// Their log keys: any of them may sign the log, now or when it has turned.
    pub(super) fn uncertain_keys(&self) -> BTreeSet<&VerifierKey> {
        self.uncertain().map(|era| &era.keys.log_key).collect()
    }

    /// Whether the log is to go on from a base under a key that it never had.
    pub(super) fn goes_on_under_new_key(&self) -> bool {
        let key = |era: usize| self.list.get(era).map(|era| &era.keys.log_key);
        self.pending_base().is_some_and(|due| (0..due.era).all(|before| key(before) != key(due.era)))
    }

    /// The newest era that an `Adopt` in the log leads to, settled or not.
    pub(super) fn adopted(&self) -> Option<&Era> {
        self.list.get(self.era_after(self.turns.len()))
    }

    /// The index of the era after so many turns.
    fn era_after(&self, turns: usize) -> usize {
        turns.checked_sub(1).and_then(|last| self.turns.get(last)).map_or(0, |turn| turn.era)
    }

    /// Up to where entries may be signed and cosigned now; nothing if without a limit.
    pub(super) fn limit(&self) -> Option<Size> {
        let pending = self.turns.get(self.settled).map(|turn| turn.bridge);
        pending.or_else(|| self.blocked.and_then(|index| Size::new(index).ok()))
    }

    /// Up to where what stands under a checkpoint with the present era's quorum is certified by that alone.
    pub(super) fn sure_limit(&self) -> Option<Size> {
        let pending = self.turns.get(self.settled).map(|turn| turn.bridge.get().saturating_sub(1)).or(self.blocked)?;
        Size::new(pending).ok()
    }

    /// Whether the size is that of a bridge.
    pub(super) fn is_bridge(&self, size: Size) -> bool {
        self.turns.iter().any(|turn| turn.bridge == size)
    }

    /// The bridges that are not settled yet, from the last one down.
    pub(super) fn pending(&self) -> impl Iterator<Item = Size> + '_ {
        self.turns.iter().skip(self.settled).rev().map(|turn| turn.bridge)
    }

    /// By what a checkpoint of this size is judged, whose entries were all taken; nothing where that cannot be said yet.
    pub(super) fn rule(&self, size: Size) -> Option<Rule<'_>> {
        if self.blocked.is_some_and(|index| size.get() > index) {
            return None;
        }
        let turned = self.turns.iter().take_while(|turn| turn.bridge <= size).count();
        let keys = &self.list.get(self.era_after(turned))?.keys;
        let last = turned.checked_sub(1).and_then(|last| self.turns.get(last));
        if last.is_some_and(|turn| turn.bridge == size) {
            let before = self.era_after(turned.saturating_sub(1));
            let old = &self.list.get(before)?.keys;
            if self
                .list
                .iter()
                .take(self.era_after(turned).saturating_add(1))
                .skip(before.saturating_add(1))
                .any(|era| era.refounds)
            {
                // The old quorum may be gone: all who remain have signed the base.
                return Some(Rule { keys, also: None });
            }
            return Some(Rule { keys: old, also: Some(keys) });
        }
        Some(Rule { keys, also: None })
    }

    /// The key that signs a checkpoint of this size, whose entries were all taken.
    pub(super) fn log_key(&self, size: Size) -> Option<&VerifierKey> {
        let rule = self.rule(size)?;
        Some(&rule.also.unwrap_or(rule.keys).log_key)
    }

    /// Whether this key may sign checkpoints of a size whose entries were not all taken yet: only that of the present era or
    /// a later one; beyond a base only that of its version or a later one.
    pub(super) fn may_sign_ahead(&self, size: Size, key: &VerifierKey) -> bool {
        let bases = self.list.iter().enumerate().rev();
        let beyond = bases.filter(|(_, era)| era.base.is_some_and(|base| base.size < size)).map(|(number, _)| number);
        let first = self.era_after(self.settled).max(beyond.max().unwrap_or(0));
        self.list.iter().skip(first).any(|era| era.keys.log_key == *key)
    }

    /// Whether what this key signs may still fork the log: not where the charter has replaced it, be it that the log has gone on
    /// to another, or that it is to go on from a base with another.
    pub(super) fn may_fork(&self, key: &VerifierKey) -> bool {
        let based = self.list.iter().rposition(|era| era.base.is_some()).unwrap_or(0);
        let first = self.era_after(self.settled).max(based);
        self.list.iter().skip(first).any(|era| era.keys.log_key == *key)
    }

    /// Everything up to this size is certified: the turns below are settled. Tells whether one has become so.
    pub(super) fn settle(&mut self, certified: Size) -> bool {
        let settled = self.turns.iter().take_while(|turn| turn.bridge <= certified).count();
        let more = settled > self.settled;
        self.settled = settled.max(self.settled);
        more
    }

    /// The log keys of all eras, newest first, each once.
    pub(super) fn log_keys(&self) -> Vec<&VerifierKey> {
        let mut keys: Vec<&VerifierKey> = Vec::new();
        for era in self.list.iter().rev() {
            if !keys.contains(&&era.keys.log_key) {
                keys.push(&era.keys.log_key);
            }
        }
        keys
    }

    /// Whose signatures may be under checkpoints of the log.
    pub(super) fn signers(&self) -> Signers {
        let mut signers = Signers::default();
        for era in self.list.iter().rev() {
            signers.add(&era.keys.log_key, &era.keys.mirrors);
        }
        signers
    }

    /// The entries from this size on are others from now on.
    pub(super) fn cut_back(&mut self, size: Size) {
        self.adopts = std::mem::take(&mut self.adopts).into_iter().filter(|(index, _)| *index < size.get()).collect();
        self.met.retain(|met| *met <= size);
        self.find_turns();
    }

    /// The mirror keys of all eras, with their units.
    pub(super) fn mirrors(&self) -> impl Iterator<Item = (&UnitId, &VerifierKey)> {
        self.list.iter().flat_map(|era| &era.keys.mirrors)
    }

    /// The era under which a checkpoint of this size is shown to people: for a bridge the new one.
    pub(super) fn shown_under(&self, size: Size) -> Option<&Era> {
        self.rule(size)?;
        let turned = self.turns.iter().take_while(|turn| turn.bridge <= size).count();
        self.list.get(self.era_after(turned))
    }
}

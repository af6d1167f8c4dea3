//! Bases: from where a log goes on with a new key, and which base is safe.
//!
//! A charter that gives a unit a new log key may say from which size and root that key goes on ([`eras`](super::eras)). What
//! the old key signed beyond that base is replaced, so **the base must contain every checkpoint that could have been
//! certified**: one that has its quorum somewhere, whether or not this node has heard of it.
//!
//! # Which checkpoints those are
//! A checkpoint of a log with *m* other units is certified when *q* of them cosign that very checkpoint. An honest cosigner
//! cosigns on one branch only, so all that it ever cosigned is contained in the largest that it did. A unit is *inside* a base
//! if the base contains that, and *outside* if not. Whatever a base does not contain was cosigned by units outside it alone,
//! and by those that lie. So if at least `m - q + 1` units are inside and tell the truth, fewer than *q* were ever outside, and
//! nothing that the base cuts off was or will be certified.
//!
//! # How that is made sure of
//! 1. Whoever signs a charter with a base first stops cosigning that log under its old key, durably, and under the keys of all
//!    later versions that the log may still turn to. So what is inside stays inside, and a signature of a unit that is inside
//!    says so to everybody, on the charter itself.
//! 2. A node that is inside (it holds the base and cosigned nothing beyond it) may sign at once.
//! 3. A node that is outside, or does not hold the base and so cannot tell, signs only when enough others have signed that cosign
//!    the log: `m - q + 1`, and `f - 1` more for those that may lie besides the author, under every version of the charter that may
//!    have certified something of the log. The first honest node that signs so counts none that did as it does, so those
//!    whom it counts are inside but for the liars; and with that nothing that the base cuts off can be certified, for whoever
//!    signs later.
//! 4. A charter counts when more than two thirds of the units have signed it. They have at least `f + 1` units in common with
//!    the cosigners of anything certified, so an honest one among them, who signed by rule 2 or 3. A node takes
//!    such a charter up by the same rules, so that nothing depends on how many of its members the version before
//!    shares with the one that the log is in.
//! 5. Nobody signs or takes up a base that does not reach as far as what is certified here.
//!
//! Which base can all sign? Where nothing contradicts (a lost key), the newest checkpoint that anybody cosigned: everyone is
//! inside. Where the log forked, the smallest on the branch on which most are that leaves enough inside; those of the other
//! branch sign after them.
//!
//! # Founding anew
//! A version 1 that continues another charter has a base for every log, and is signed by all that it lists and by nobody else. The
//! same rules hold for it. Its own log a unit signs no further, durably, before it signs such a charter, and its base must contain
//! all that it signed, unless it gets a new log key: what one key has signed, that key never contradicts. So where a key stays,
//! a unit that does not know what it signed does not sign the charter, nobody does where that key signed two branches, and rule 3
//! helps no cosigner that is outside: it would have to contradict what it cosigned.
//!
//! # Taking it up
//! A node that has such a charter durable puts its name to nothing more and starts anew. At the start [`rebase`] says what of
//! the log stays: up to the base where the node holds that, else what is certified, and the rest up to the base is fetched
//! under the base itself from whoever holds it. What the node cosigned beyond is replaced in its journal, once for
//! each charter. The proof of the old fork is kept and the log goes on.

use super::engine::Engine;
use super::eras::{Eras, PendingBase};
use super::event::{LeafHashes, Restored};
use super::heads::size_of;
use super::log::Log;
use super::replica::Replica;
use super::sighting::Sighting;
use crate::charter::{Base, Charter, CharterChain, Terms, UnverifiedCharter};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::VerifierKey;
use crate::quorum::Quorum;

/// What a charter's base makes of a log that a node held at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebase {
    /// Where the log goes on.
    pub base: Base,
    /// The digest of the charter that says so.
    pub charter: Hash,
    /// How much of what is held stays.
    pub keep: Size,
}

/// What is to be done with a log before anything else, where a charter gives it a base and the log has not gone on from there.
/// The cut, and that the base replaces whatever this node signed or cosigned beyond, are to be made durable before the engine
/// is given the log; the latter once for each charter.
///
/// # Errors
/// A sentence, where the base would cut off what is certified.
pub fn rebase(
    charters: &CharterChain,
    unit: &UnitId,
    held: &Restored,
    leaves: &impl LeafHashes,
) -> Result<Option<Rebase>, String> {
    let Some(mut eras) = Eras::new(charters, unit) else { return Ok(None) };
    for (index, adoption) in &held.adopts {
        eras.found(*index, *adoption);
    }
    let mut replica = Replica::new(unit.clone());
    let (level1, gaps, missing) = (held.level1.clone(), held.gaps.clone(), held.missing.clone());
    if replica.restore(level1, &held.tail, (held.last_time_ms, held.time_goes_back), gaps, missing).is_none() {
        // What is wrong with it is found when the engine is given it.
        return Ok(None);
    }
    for base in eras.unmet_bases(replica.taken()) {
        if replica.root_at(base.size, leaves) == Some(base.root) {
            eras.base_met(base);
        }
    }
    let Some(PendingBase { base, digest, .. }) = eras.pending_base() else { return Ok(None) };
    let certified = held.certified.as_deref().and_then(size_of).unwrap_or_default();
    if certified > base.size {
        return Err(beyond(unit, base, certified));
    }
    let keep = if eras.unmet_bases(base.size).contains(&base) { certified } else { base.size };
    Ok(Some(Rebase { base, charter: digest, keep: keep.min(replica.taken()) }))
}

fn beyond(unit: &UnitId, base: Base, certified: Size) -> String {
    format!(
        "the base that the charter gives the log of {unit}, {} entries, would cut off what is certified here, {certified} entries: \
         more units are dishonest, or lost what they cosigned, than the network can bear. Keep everything, and call the other units",
        base.size
    )
}

/// A base that some node advises, and why.
#[derive(Debug, Clone)]
pub struct Advice {
    /// The base.
    pub base: Base,
    /// How much of the log is certified here.
    pub certified: Size,
    /// How much of it is held here.
    pub held: Size,
    /// Whether its key signed two branches.
    pub forked: bool,
    /// For each unit that may cosign the log, the largest checkpoint that it is known to have cosigned, and whether the base
    /// contains that.
    pub cosigned: Vec<(UnitId, Size, bool)>,
    /// How many of them must be inside.
    pub needed: usize,
}

impl Log {
    /// Whether this node is inside a base: it holds the base and has put its name to nothing that is not below.
    fn is_inside(&self, base: Base, leaves: &impl LeafHashes) -> bool {
        let words = [self.cosigned, self.bound.map(|bound| (bound.size, bound.root))];
        let mut words = words.into_iter().flatten().chain(self.own_checkpoint(leaves)).peekable();
        if words.peek().is_none() {
            return true;
        }
        if self.replica.root_at(base.size, leaves) != Some(base.root) {
            return words.all(|word| word == (base.size, base.root));
        }
        words.all(|(size, root)| size <= base.size && self.replica.root_at(size, leaves) == Some(root))
    }

    /// The checkpoint that is on its way to being cosigned.
    fn own_checkpoint(&self, leaves: &impl LeafHashes) -> Option<(Size, Hash)> {
        let size = self.cosigning?;
        // One that cannot be read is outside whatever there is.
        Some((size, self.replica.root_at(size, leaves).unwrap_or(Hash([0; 32]))))
    }

    /// How many of those who cosign the log must be inside a base, by each charter that may have certified something of it,
    /// with those that may be.
    fn inside_needed(&self) -> Vec<(usize, Vec<&UnitId>)> {
        let eras = self.eras.uncertain();
        eras.map(|era| (inside_needed(era.keys.quorum), era.keys.mirrors.keys().collect())).collect()
    }

    /// For each unit the largest checkpoint of the branch held, and of any other, that it is known to have cosigned.
    fn known_words(&self, unit: &UnitId) -> (Size, Option<Size>) {
        let held = self.cosigners().get(unit).copied().unwrap_or_default();
        let unsure = self.known.values().filter(|known| !known.ours).map(|known| &known.head);
        let others = self.strays.values().chain(unsure).filter(|head| head.is_cosigned_by(unit));
        (held, others.map(|head| head.checkpoint().size).max())
    }
}

const fn inside_needed(quorum: Quorum) -> usize {
    let liars = quorum.faulty().saturating_sub(1);
    quorum.others().saturating_sub(quorum.needed()).saturating_add(1).saturating_add(liars)
}

/// Rule 5.
fn reaches_certified(log: &Log, base: Base) -> Result<(), String> {
    let certified = log.certified_size().max(log.told_sure);
    if certified > base.size { Err(beyond(&log.unit, base, certified)) } else { Ok(()) }
}

impl Engine {
    /// Whether this node may put its name to a charter, as far as the bases in it go; if so, which logs it must stop cosigning
    /// before, and under which key.
    ///
    /// # Errors
    /// A sentence that says which base is not safe as far as this node can tell, and what to do.
    pub fn judge_bases(
        &self,
        charter: &UnverifiedCharter,
        leaves: &impl LeafHashes,
    ) -> Result<Vec<(UnitId, VerifierKey)>, String> {
        let units = charter.terms().units.values();
        let anew = charter.terms().continues.is_some();
        let signed: Vec<UnitId> = match charter.votes() {
            Some(votes) => votes.given,
            None => {
                units.clone().filter(|unit| charter.has_signed(&unit.charter_key)).map(|unit| unit.id.clone()).collect()
            }
        };
        let listed = charter.terms().units.contains_key(&self.setup.unit);
        let named = self.has_answered_for(charter);
        let mut stops = Vec::new();
        for (unit, base) in units.filter_map(|unit| Some((unit, unit.base?))) {
            let Some(log) = self.logs.get(&unit.id) else { continue };
            let mut keys = log.eras.uncertain_keys();
            // One that is on its way to the disk too.
            keys.extend(self.received.newest().unit(&unit.id).map(|unit| &unit.log_key));
            let stays = keys.contains(&unit.log_key);
            reaches_certified(log, base)?;
            // A unit that leaves cosigns nothing more that could contradict.
            if stays && listed {
                self.judge_kept(log, base, named, leaves)?;
            }
            self.judge_base(log, base, &signed, leaves)?;
            let own = unit.id == self.setup.unit;
            if own {
                self.judge_own(log, base, stays, leaves)?;
            }
            if !own || anew {
                stops.extend(keys.into_iter().map(|key| (unit.id.clone(), key.clone())));
            }
        }
        Ok(stops)
    }

    /// Whether this node has found the bases in a charter good and stopped for them before: its keys sign the charter only then.
    fn has_answered_for(&self, charter: &UnverifiedCharter) -> bool {
        let own = |terms: &Terms| {
            let unit = terms.units.get(&self.setup.unit);
            unit.map(|unit| [unit.log_key.clone(), unit.mirror_key.clone()]).into_iter().flatten().collect::<Vec<_>>()
        };
        // A new key that a draft gives to this unit may be anybody's.
        let stood = own(self.received.newest().terms());
        own(charter.terms()).iter().any(|key| stood.contains(key) && charter.has_signed(key))
    }

    /// Nothing more of a log is cosigned under a key; the journal is to have that.
    pub fn stop_cosigning(&mut self, unit: &UnitId, key: VerifierKey) {
        if let Some(log) = self.logs.get_mut(unit) {
            log.stopped.insert(key);
        }
    }

    /// Whether a charter that counts may be taken up, as far as the bases in it go.
    ///
    /// # Errors
    /// A sentence that says which base is not safe as far as this node can tell.
    pub fn check_bases(&self, charter: &Charter, leaves: &impl LeafHashes) -> Result<(), String> {
        let anew = charter.terms().continues.is_some();
        let draft = UnverifiedCharter::parse(charter.note());
        let draft = draft.and_then(|draft| if anew { Ok(draft) } else { self.received.draft(draft) });
        match draft {
            Ok(draft) => self.judge_bases(&draft, leaves).map(drop),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Of the own log a base must contain what the key has signed and what was acknowledged under it, if the key stays; and
    /// nothing that this unit has not said.
    fn judge_own(&self, log: &Log, base: Base, stays: bool, leaves: &impl LeafHashes) -> Result<(), String> {
        let taken = log.replica.taken();
        let knows = !self.own.standing.recovers();
        let holds = log.replica.root_at(base.size, leaves) == Some(base.root);
        let less = stays && (taken > base.size || self.own.signed > base.size);
        if less || knows && !holds {
            return Err(format!(
                "this unit's log has {taken} entries, and the charter makes it go on from {} with root {}{}: compose it anew with a base \
                 that is asked for here",
                base.size,
                base.root,
                if less { " under the same log key" } else { ", which is not what this unit said" },
            ));
        }
        Ok(())
    }

    /// Where the log key stays nothing that anybody signed or cosigned under it is ever replaced, so waiting for others helps
    /// nobody. `named` says that this unit has [answered](Self::has_answered_for) for it already: what it has heard since is no reason
    /// to stay behind the others.
    fn judge_kept(&self, log: &Log, base: Base, named: bool, leaves: &impl LeafHashes) -> Result<(), String> {
        let unit = &log.unit;
        let own = *unit == self.setup.unit;
        let cosigned = log.cosigned.map_or(Size::ZERO, |(size, _)| size);
        let fault = match named {
            // Whatever happened to this node since, no base can take back what it cosigned.
            true if !own && cosigned > base.size => format!("this node has cosigned {cosigned} entries under that key"),
            true => return Ok(()),
            false if log.forked => "that key has signed two branches".to_owned(),
            false if own && self.own.standing.recovers() => {
                "this node does not know all that it signed with that key".to_owned()
            }
            false if !own && !log.is_inside(base, leaves) => format!(
                "this node has cosigned {cosigned} entries under that key, and does not hold all that in the base: let it fetch what others \
                 hold"
            ),
            false => return Ok(()),
        };
        Err(format!(
            "the charter lets the log of {unit} go on from {} entries under the log key that it has, and {fault}. Compose it anew with a base \
             that contains more, or with a new log key for {unit}",
            base.size
        ))
    }

    fn judge_base(&self, log: &Log, base: Base, signed: &[UnitId], leaves: &impl LeafHashes) -> Result<(), String> {
        if log.unit == self.setup.unit || log.is_inside(base, leaves) {
            return Ok(());
        }
        for (needed, cosigners) in log.inside_needed() {
            let counts = |unit: &UnitId| *unit != self.setup.unit && signed.contains(unit);
            let inside = cosigners.iter().filter(|unit| counts(unit)).count();
            if inside < needed {
                let cosigned = log.cosigned.map_or(Size::ZERO, |(size, _)| size);
                return Err(format!(
                    "this node has cosigned {cosigned} entries of the log of {}, and does not hold all that in the base of {} entries: \
                     what the base cuts off could be certified, unless {needed} of the units that cosign this log have signed the charter before \
                     ({inside} have). Let them sign first, or ask `entente charter base {}` at other nodes for one that contains more",
                    log.unit, base.size, log.unit
                ));
            }
        }
        Ok(())
    }

    /// Which base is safe for a log, as far as this node knows; nothing if no charter knows the unit.
    #[must_use]
    pub fn advise_base(&self, unit: &UnitId) -> Option<Advice> {
        let log = self.logs.get(unit)?;
        let (needed, cosigners) = log.inside_needed().into_iter().max_by_key(|(needed, _)| *needed)?;
        let held = log.known.values().filter(|known| known.ours).map(|known| &known.head);
        let candidates: Vec<&Sighting> = log.certified.iter().chain(held).collect();
        let words: Vec<(UnitId, Size, Option<Size>)> = cosigners
            .iter()
            .map(|unit| {
                let (held, other) = log.known_words(unit);
                ((*unit).clone(), held, other)
            })
            .collect();
        let contains = |size: Size, held: Size, other: Option<Size>| held <= size && other.is_none();
        let enough =
            |size: Size| words.iter().filter(|(_, held, other)| contains(size, *held, *other)).count() >= needed;
        let newest = candidates.last();
        let chosen = match log.forked {
            true => candidates.iter().find(|head| enough(head.checkpoint().size)).or(newest),
            false => newest,
        };
        let base = chosen.map_or(Base { size: Size::ZERO, root: Hash::EMPTY_ROOT }, |head| Base {
            size: head.checkpoint().size,
            root: head.checkpoint().root,
        });
        let cosigned = words
            .into_iter()
            .map(|(unit, held, other)| (unit, other.unwrap_or(held).max(held), contains(base.size, held, other)));
        Some(Advice {
            base,
            certified: log.certified_size(),
            held: log.replica.taken(),
            forked: log.forked,
            cosigned: cosigned.collect(),
            needed,
        })
    }
}

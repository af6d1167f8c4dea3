//! Repair: what was stored and cannot be read back is fetched again.
//!
//! The store tells of one entry that it cannot read as it was written; its bundle is asked for, of one partner after the
//! other that holds it. What comes is held against the tree that this node has in memory: the level-1 hash of a full bundle,
//! the leaves of the last one. So nothing has to be proven by the partner, and nobody can put another entry in. Until the
//! store has it, the node cosigns nothing more of that log: a cosignature says "I hold and serve all of it".
//!
//! Where no partner could help for [`REPAIR_MS_MAX`], counted while at least one is there, the node is told
//! ([`Action::Unrepairable`](super::Action::Unrepairable)), and rebuilds the whole. A node that reaches nobody keeps what it has.

use std::collections::{BTreeMap, VecDeque};

use super::engine::Engine;
use super::event::{Action, StreamId};
use super::frame::BundleFrame;
use super::pull::{Asked, held};
use crate::entry::Entry;
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, REPAIR_MS_MAX, WANT_BYTES_MAX};
use crate::wire;

/// How many bundles are asked for at once: it bounds memory, and what partners are asked.
const REPAIRS_MAX: usize = 4;
/// How long a partner that could not help with a bundle is not asked for it again, milliseconds.
const ASK_AGAIN_MS: u64 = 3_000;
/// How long an answer may take, milliseconds.
const ANSWER_MS_MAX: u64 = 10_000;

/// A bundle of which something stored cannot be read.
#[derive(Debug)]
pub(super) struct Repair {
    /// The first entry of it that was found so.
    index: u64,
    /// Since when somebody could have been asked, Unix milliseconds.
    since_ms: Option<u64>,
    /// Who was asked, when, and how many entries of it make the bundle.
    asked: Option<(StreamId, u64, u64)>,
    /// What has come of it.
    come: Vec<Entry>,
    /// Whom not to ask before when, Unix milliseconds.
    not_before: BTreeMap<UnitId, u64>,
    /// Whether it is on its way to the store.
    writing: bool,
    /// Whether the node was told that nobody helps.
    told: bool,
}

impl Engine {
    /// The store cannot read an entry.
    pub(super) fn unreadable(&mut self, unit: UnitId, index: u64) {
        let repair = || Repair {
            index,
            since_ms: None,
            asked: None,
            come: Vec::new(),
            not_before: BTreeMap::new(),
            writing: false,
            told: false,
        };
        if self.logs.get(&unit).is_some_and(|log| index < log.replica.taken().get()) {
            self.repairs.entry((unit, index / BUNDLE_ENTRIES)).or_insert_with(repair);
        }
    }

    /// The store has taken a bundle that was fetched again, and can read it; or could not make it whole with what came.
    pub(super) fn repaired(&mut self, now_ms: u64, unit: &UnitId, bundle: u64, whole: bool) {
        let key = (unit.clone(), bundle);
        if whole {
            self.repairs.remove(&key);
        } else if let Some(repair) = self.repairs.get_mut(&key) {
            repair.writing = false;
            let by = repair.asked.take().and_then(|(stream, _, _)| self.sessions.get(&stream));
            if let Some(session) = by {
                repair.not_before.insert(session.peer.clone(), now_ms.saturating_add(ASK_AGAIN_MS));
            }
        }
    }

    /// Whether all of a log that was stored can be read, as far as is known.
    pub(super) fn reads_all_of(&self, unit: &UnitId) -> Option<()> {
        let bundles = (unit.clone(), 0)..=(unit.clone(), u64::MAX);
        self.repairs.range(bundles).next().is_none().then_some(())
    }

    /// Asks for what cannot be read, of whoever holds it.
    pub(super) fn ask_for_repairs(&mut self, now_ms: u64) {
        let keys: Vec<_> = self.repairs.keys().take(REPAIRS_MAX).cloned().collect();
        for (unit, bundle) in keys {
            let source = self.repair_source(now_ms, &unit, bundle);
            let somebody = self.sessions.values().any(|session| session.active && session.answered);
            let Some(repair) = self.repairs.get_mut(&(unit.clone(), bundle)) else { continue };
            if repair.writing {
                continue;
            }
            repair.since_ms = if somebody { repair.since_ms.or(Some(now_ms)) } else { None };
            if repair.since_ms.is_some_and(|since| now_ms.saturating_sub(since) > REPAIR_MS_MAX) && !repair.told {
                repair.told = true;
                self.actions.push(Action::Unrepairable { unit: unit.clone(), index: repair.index });
            }
            if let Some((stream, at_ms, _)) = repair.asked {
                let there = self.sessions.contains_key(&stream);
                if there && now_ms.saturating_sub(at_ms) <= ANSWER_MS_MAX {
                    continue;
                }
                repair.asked = None;
                if let Some(session) = self.sessions.get_mut(&stream) {
                    repair.not_before.insert(session.peer.clone(), now_ms.saturating_add(ASK_AGAIN_MS));
                    forget(session.asked.get_mut(&unit), bundle);
                }
            }
            if let Some((stream, count)) = source {
                repair.asked = Some((stream, now_ms, count));
                repair.come.clear();
                self.want_repair(&unit, bundle, stream, 0, count);
            }
        }
    }

    /// Who is to be asked for a bundle, and for how many entries of it: whoever sent something wrong comes last.
    fn repair_source(&self, now_ms: u64, unit: &UnitId, bundle: u64) -> Option<(StreamId, u64)> {
        let log = self.logs.get(unit).filter(|log| !log.rewinding)?;
        let repair = self.repairs.get(&(unit.clone(), bundle))?;
        let first = Size::new(bundle.saturating_mul(BUNDLE_ENTRIES)).ok()?;
        let taken = log.replica.taken();
        let full = taken.bundles() > bundle;
        let count = if full { BUNDLE_ENTRIES } else { taken.beyond(first) };
        let able = |session: &super::peer::Session| {
            let free = repair.not_before.get(&session.peer).is_none_or(|at| *at <= now_ms);
            if !(session.active && session.answered && free) {
                return None;
            }
            let count = count.min(held(session, log).beyond(first));
            // Of a full bundle a part cannot be held against anything.
            let enough = if full { count == BUNDLE_ENTRIES } else { first.get().saturating_add(count) > repair.index };
            let trusted = self.suspects.get(&session.peer).is_none_or(|until| *until <= now_ms);
            enough.then_some((trusted, count, std::cmp::Reverse(session.stream)))
        };
        let (_, count, stream) = self.sessions.values().filter_map(able).max()?;
        Some((stream.0, count))
    }

    /// Asks for what is still to come of a bundle.
    fn want_repair(&mut self, unit: &UnitId, bundle: u64, stream: StreamId, come: u64, count: u64) {
        let Some(session) = self.sessions.get_mut(&stream) else { return };
        let first = bundle.saturating_mul(BUNDLE_ENTRIES);
        session.asked.entry(unit.clone()).or_default().push_back(Asked::Repair(bundle));
        session.wants.push_back(wire::Want {
            unit: unit.to_string(),
            from: first.saturating_add(come),
            count: count.saturating_sub(come),
            under: first.saturating_add(count),
            max_bytes: WANT_BYTES_MAX,
            zstd: false,
            payloads: true,
        });
    }

    /// Entries of a bundle that was asked for come in.
    pub(super) fn take_repair(&mut self, now_ms: u64, stream: StreamId, bundle: u64, frame: BundleFrame) {
        let BundleFrame { unit, from, entries, done, .. } = frame;
        let Some(repair) = self.repairs.get_mut(&(unit.clone(), bundle)) else { return };
        let Some((by, at_ms, count)) = repair.asked.as_mut().filter(|(by, ..)| *by == stream) else { return };
        let next = bundle.saturating_mul(BUNDLE_ENTRIES).saturating_add(repair.come.len() as u64);
        let (progress, count, by) = (!entries.is_empty() && from.get() == next, *count, *by);
        if progress {
            *at_ms = now_ms;
            repair.come.extend(entries);
        }
        if !done {
            return;
        }
        let come = repair.come.len() as u64;
        if progress && come < count {
            self.want_repair(&unit, bundle, by, come, count);
            return;
        }
        let come = std::mem::take(&mut repair.come);
        let first = Size::new(bundle.saturating_mul(BUNDLE_ENTRIES)).unwrap_or_default();
        let run = self.logs.get(&unit).and_then(|log| log.replica.taken_before(first, come));
        match run {
            Some(run) => {
                repair.writing = true;
                self.actions.push(Action::Repair { run });
            }
            None => self.repaired(now_ms, &unit, bundle, false),
        }
    }

    /// A log was cut back: what is beyond cannot be read for another reason, and the rest is found again.
    pub(super) fn forget_repairs(&mut self, unit: &UnitId) {
        self.repairs.retain(|(of, _), _| of != unit);
    }
}

/// Whatever comes for it now is not needed.
fn forget(asked: Option<&mut VecDeque<Asked>>, bundle: u64) {
    for asked in asked.into_iter().flatten() {
        if matches!(asked, Asked::Repair(number) if *number == bundle) {
            *asked = Asked::Abandoned;
        }
    }
}

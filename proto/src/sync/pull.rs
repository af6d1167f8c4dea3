//! Receiving: what to ask of whom, and what to make of what comes.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::Fault;
use super::engine::Engine;
use super::event::{Action, LeafHashes, StreamId};
use super::fork::shown_in;
use super::frame::{BundleFrame, OutlineFrame};
use super::log::Log;
use super::outline::Outline;
use super::peer::{Open, Session};
use super::replica::Grown;
use super::sighting::Sighting;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_ENTRIES, PULL_AFTER_MS, WANT_ENTRIES_MAX};
use crate::wire;

/// How many logs are pulled at once, and how many wants of each are under way: both bound memory.
const PULLS_MAX: usize = 4;
const WANTS_MAX: usize = 2;
/// How many bytes one bounded want allows.
const WANT_BYTES: u64 = 8 << 20;
/// How many bytes a partner may push of one log before it is allowed more.
const PUSH_BYTES: u64 = 4 << 20;
/// How many bytes may wait for the disk before no more are asked for.
const UNSTORED_BYTES_MAX: u64 = 48 << 20;
/// How long a source may send nothing before another one is asked, milliseconds.
const SOURCE_QUIET_MS_MAX: u64 = 10_000;
/// How soon a partner that could not give what stands under a base is asked for it again, milliseconds.
const BASE_AGAIN_MS: u64 = 1_000;
/// How long a source that failed is not asked for that log, milliseconds.
const DISTRUST_MS: u64 = 15_000;

/// A bounded want that a partner has.
#[derive(Debug)]
pub(super) enum Asked {
    /// A range.
    Range {
        from: Size,
        end: Size,
        under: Size,
        root: Hash,
        outline: Option<Outline>,
        /// The newest checkpoint held, if the partner knew it when it was asked.
        told: Option<(Size, Hash)>,
    },
    /// A payload that was missing.
    Fill,
    /// A bundle that was stored and cannot be read.
    Repair(u64),
    /// Something that is no longer needed.
    Abandoned,
}

impl Asked {
    /// What comes for it is not needed. A repair is no part of the pull that is given up.
    fn abandon(&mut self) {
        if !matches!(self, Self::Repair(_)) {
            *self = Self::Abandoned;
        }
    }
}

/// A log that is being fetched from one partner.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) stream: StreamId,
    /// The first entry not yet asked for.
    next: Size,
    /// Entries behind those taken that cannot be proven yet: less than a bundle.
    assembling: Vec<Entry>,
    /// When something last came, Unix milliseconds.
    progress_ms: u64,
}

/// How many bytes of a log are on their way to the store.
#[derive(Debug, Default)]
pub(super) struct Unstored(VecDeque<(Size, u64)>);

impl Unstored {
    pub(super) fn add(&mut self, end: Size, bytes: u64) {
        self.0.push_back((end, bytes));
    }

    /// Everything up to a size is stored: how many bytes that were.
    pub(super) fn stored(&mut self, size: Size) -> u64 {
        let mut sum = 0_u64;
        while let Some((_, bytes)) = self.0.front().filter(|(end, _)| *end <= size) {
            sum = sum.saturating_add(*bytes);
            self.0.pop_front();
        }
        sum
    }
}

impl Engine {
    pub(super) fn pulled_stored(&mut self, unit: &UnitId, size: Size) -> Option<u64> {
        Some(self.logs.get_mut(unit)?.unstored.stored(size))
    }

    /// Asks for what is lacking, of whoever has it.
    pub(super) fn schedule(&mut self, now_ms: u64) {
        let units: Vec<UnitId> = self.logs.keys().cloned().collect();
        for unit in units {
            let own = unit == self.setup.unit;
            if own && !self.own.fetches() {
                continue;
            }
            self.give_up_slow(now_ms, &unit);
            self.ask(now_ms, &unit);
            self.ask_for_gap(now_ms, &unit);
            if !own {
                self.keep_open(&unit);
            }
        }
    }

    /// The partner with the most of a log, the author first, and the checkpoint to take it under.
    fn source(&self, unit: &UnitId, now_ms: u64) -> Option<(StreamId, Size, Hash)> {
        let log = self.logs.get(unit).filter(|log| !log.rewinding && log.may_lack())?;
        let usable = |session: &&Session| {
            session.active && session.answered && session.distrusted.get(unit).is_none_or(|until| *until <= now_ms)
        };
        let trusted = |session: &Session| self.suspects.get(&session.peer).is_none_or(|until| *until <= now_ms);
        let best = |session: &Session| {
            let (size, root) = log.fetch_under(log.replica.taken(), may_hold(session, log))?;
            let more = size > log.replica.taken();
            more.then(|| (trusted(session), size, session.peer == *unit, Reverse(session.stream), root))
        };
        // Of several the one that stands longest: whoever redials does not come first by it.
        let best = self.sessions.values().filter(usable).filter_map(best).max_by_key(|c| (c.0, c.1, c.2, c.3));
        best.map(|(_, size, _, stream, root)| (stream.0, size, root))
    }

    fn ask(&mut self, now_ms: u64, unit: &UnitId) {
        let source = match self.pulls.get(unit) {
            Some(pull) => self.source_again(unit, pull.stream, pull.next),
            None => self.source(unit, now_ms),
        };
        let Some((stream, under, root)) = source else {
            self.finish_pull(unit);
            return;
        };
        let Some(log) = self.logs.get_mut(unit) else { return };
        let taken = log.replica.taken();
        if !self.pulls.contains_key(unit) {
            let since = *log.lacking_since.get_or_insert(now_ms);
            let push_may_come = under.beyond(taken) <= BUNDLE_ENTRIES && now_ms < since.saturating_add(PULL_AFTER_MS);
            if push_may_come || self.pulls.len() >= PULLS_MAX {
                return;
            }
            let pull = Pull { stream, next: taken, assembling: Vec::new(), progress_ms: now_ms };
            self.pulls.insert(unit.clone(), pull);
        }
        let (Some(pull), Some(session)) = (self.pulls.get_mut(unit), self.sessions.get_mut(&stream)) else { return };
        let told = log.held_at().filter(|at| session.head(unit).knows_all(*at, std::iter::empty()));
        let asked = session.asked.entry(unit.clone()).or_default();
        while asked.len() < WANTS_MAX && pull.next < under && self.unstored_bytes < UNSTORED_BYTES_MAX {
            let reach = pull.next.bundled().plus(WANT_ENTRIES_MAX).unwrap_or(under);
            let end = reach.min(under);
            asked.push_back(Asked::Range { from: pull.next, end, under, root, outline: None, told });
            session.wants.push_back(wire::Want {
                unit: unit.to_string(),
                from: pull.next.get(),
                count: end.beyond(pull.next),
                under: under.get(),
                max_bytes: WANT_BYTES,
                zstd: false,
                payloads: false,
            });
            pull.next = end;
        }
        self.finish_pull(unit);
    }

    /// The checkpoint under which the source of a pull is asked for what comes next.
    fn source_again(&self, unit: &UnitId, stream: StreamId, next: Size) -> Option<(StreamId, Size, Hash)> {
        let session = self.sessions.get(&stream)?;
        let log = self.logs.get(unit)?;
        let (size, root) = log.fetch_under(next, may_hold(session, log))?;
        Some((stream, size, root))
    }

    /// Ends a pull for which nothing more is asked or awaited.
    fn finish_pull(&mut self, unit: &UnitId) {
        let Some(pull) = self.pulls.get(unit) else { return };
        let awaited = self.sessions.get(&pull.stream).and_then(|session| session.asked.get(unit));
        if awaited.is_none_or(VecDeque::is_empty) && self.unstored_bytes < UNSTORED_BYTES_MAX {
            self.pulls.remove(unit);
        }
    }

    fn give_up_slow(&mut self, now_ms: u64, unit: &UnitId) {
        let Some(pull) = self.pulls.get(unit) else { return };
        let (stream, quiet) = (pull.stream, now_ms.saturating_sub(pull.progress_ms));
        let awaited =
            self.sessions.get(&stream).and_then(|session| session.asked.get(unit)).is_some_and(|a| !a.is_empty());
        if awaited && quiet > SOURCE_QUIET_MS_MAX {
            self.abandon(unit, stream, now_ms, DISTRUST_MS);
        }
    }

    /// Stops a pull and asks this source no more for a while.
    pub(super) fn abandon(&mut self, unit: &UnitId, stream: StreamId, now_ms: u64, distrust_ms: u64) {
        self.pulls.remove(unit);
        if let Some(session) = self.sessions.get_mut(&stream) {
            session.distrusted.insert(unit.clone(), now_ms.saturating_add(distrust_ms));
            session.asked.get_mut(unit).into_iter().flatten().for_each(Asked::abandon);
        }
    }

    /// Asks for the first payload that is missing without an erasure, of each partner in turn.
    fn ask_for_gap(&mut self, now_ms: u64, unit: &UnitId) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        let Some(gap) = log.replica.first_gap() else { return };
        if log.rewinding {
            return;
        }
        let due = log.gap_asked_ms.is_none_or(|at| now_ms >= at.saturating_add(PULL_AFTER_MS));
        let Ok(end) = Size::new(gap).and_then(|gap| gap.plus(1)) else { return };
        if !due || end > log.durable || self.pulls.contains_key(unit) {
            return;
        }
        let free = |session: &Session| session.asked.get(unit).is_none_or(VecDeque::is_empty);
        let able =
            |session: &&mut Session| session.active && session.answered && session.holds(unit) >= end && free(session);
        // Ascending stream ids, beginning behind the last one asked: whoever strips payloads is passed over.
        let mut able: Vec<_> = self.sessions.values_mut().filter(able).collect();
        let turn =
            able.iter().position(|session| log.gap_asked_of.is_none_or(|last| session.stream > last)).unwrap_or(0);
        let Some(session) = able.get_mut(turn) else { return };
        let asked = session.asked.entry(unit.clone()).or_default();
        (log.gap_asked_ms, log.gap_asked_of) = (Some(now_ms), Some(session.stream));
        asked.push_back(Asked::Fill);
        session.wants.push_back(wire::Want {
            unit: unit.to_string(),
            from: gap,
            count: 1,
            under: end.get(),
            max_bytes: WANT_BYTES,
            zstd: false,
            payloads: true,
        });
    }

    /// Keeps an open-ended want with the author of a log that this node has caught up with.
    fn keep_open(&mut self, unit: &UnitId) {
        let Some(log) = self.logs.get(unit).filter(|log| !log.forked && !log.rewinding) else { return };
        if self.pulls.contains_key(unit) {
            return;
        }
        let taken = log.replica.taken();
        let author = self.sessions.values_mut().find(|s| s.active && s.answered && s.peer == *unit);
        let Some(session) = author.filter(|session| session.holds(unit) <= taken) else { return };
        let stands = session.open.get(unit).is_some_and(|open| open.at == taken && open.credit >= PUSH_BYTES / 2);
        if stands {
            return;
        }
        session.open.insert(unit.clone(), Open { at: taken, credit: PUSH_BYTES });
        session.wants.push_back(wire::Want {
            unit: unit.to_string(),
            from: taken.get(),
            count: 0,
            under: 0,
            max_bytes: PUSH_BYTES,
            zstd: false,
            payloads: false,
        });
    }

    pub(super) fn on_outline(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        frame: OutlineFrame,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        let Some(log) = self.logs.get(&frame.unit) else { return Err(Fault::NotWanted("an outline")) };
        match session.asked.get_mut(&frame.unit).and_then(VecDeque::front_mut) {
            Some(Asked::Range { from, end, under, root, outline: outline @ None, told }) => {
                let told = *told;
                let (unit, alone) = (frame.unit.clone(), from.bundles() == 0);
                match Outline::check(frame, log, (*from, *end, *under), *root, leaves) {
                    Ok(checked) => *outline = Some(checked),
                    Err(fault) if alone => return Err(fault),
                    // It was put together with what is held.
                    Err(fault) => return self.misfit(now_ms, stream, &unit, told, fault),
                }
                Ok(())
            }
            Some(Asked::Abandoned) => Ok(()),
            _ => Err(Fault::NotWanted("an outline")),
        }
    }

    pub(super) fn on_bundle(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        frame: BundleFrame,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        if frame.checkpoint.is_some() {
            return self.on_push(now_ms, stream, frame, leaves);
        }
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        let asked = session.asked.get_mut(&frame.unit).ok_or(Fault::NotWanted("entries"))?;
        let done = frame.done;
        match asked.front() {
            None => return Err(Fault::NotWanted("entries")),
            Some(Asked::Abandoned) => {}
            Some(Asked::Fill) => self.fill(&frame),
            Some(Asked::Repair(bundle)) => {
                let bundle = *bundle;
                if done {
                    asked.pop_front();
                }
                self.take_repair(now_ms, stream, bundle, frame);
                return Ok(());
            }
            Some(Asked::Range { .. }) if done && frame.entries.is_empty() => {
                asked.pop_front();
                // Of a base nobody tells who holds it: the next is asked, and after a while this one again.
                let based = self.logs.get(&frame.unit).is_some_and(|log| log.eras.pending_base().is_some());
                self.abandon(&frame.unit, stream, now_ms, if based { BASE_AGAIN_MS } else { DISTRUST_MS });
                return Ok(());
            }
            Some(Asked::Range { .. }) => return self.take_range(now_ms, stream, frame, leaves),
        }
        if done
            && let Some(session) = self.sessions.get_mut(&stream)
            && let Some(asked) = session.asked.get_mut(&frame.unit)
        {
            asked.pop_front();
        }
        Ok(())
    }

    /// Has payloads that were missing stored. The log is complete only when the store has them: what is cosigned is held.
    fn fill(&mut self, frame: &BundleFrame) {
        let Some(log) = self.logs.get(&frame.unit).filter(|log| !log.rewinding) else { return };
        for (index, entry) in (frame.from.get()..).zip(&frame.entries) {
            if log.replica.lacks(index, entry).is_some() {
                let (unit, entry) = (frame.unit.clone(), entry.clone());
                self.actions.push(Action::Fill { unit, index, entry });
            }
        }
    }

    pub(super) fn filled(&mut self, unit: &UnitId, index: u64, entry: &Entry, leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        if log.fill(index, entry, leaves).is_some() {
            (log.gap_asked_ms, log.gap_asked_of) = (None, None);
        }
    }

    /// Entries of a range: proven bundle by bundle, and at the end by the checkpoint.
    fn take_range(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        frame: BundleFrame,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let unit = frame.unit;
        let wrong = Fault::Entries { unit: unit.clone(), from: frame.from.get() };
        let (Some(log), Some(session), Some(pull)) =
            (self.logs.get_mut(&unit), self.sessions.get_mut(&stream), self.pulls.get_mut(&unit))
        else {
            return Err(Fault::NotWanted("entries"));
        };
        let Some(asked) = session.asked.get_mut(&unit) else { return Err(Fault::NotWanted("entries")) };
        let Some(Asked::Range { end, under, root, outline: Some(outline), told, .. }) = asked.front() else {
            return Err(Fault::NotWanted("entries without an outline"));
        };
        if !frame.entries.is_empty() {
            pull.progress_ms = now_ms;
        }
        let (end, under, root, told) = (*end, *under, *root, *told);
        let position = log.replica.taken().plus(pull.assembling.len() as u64).map_err(|_| wrong.clone())?;
        // What was pushed meanwhile is held already.
        let known = usize::try_from(position.beyond(frame.from)).unwrap_or(usize::MAX);
        if frame.from > position || frame.from.plus(frame.entries.len() as u64).map_err(|_| wrong.clone())? > end {
            return Err(wrong);
        }
        for entry in frame.entries.into_iter().skip(known) {
            pull.assembling.push(entry);
            let position = log.replica.taken().plus(pull.assembling.len() as u64).map_err(|_| wrong.clone())?;
            let full = position == position.bundled();
            if !full && position != under {
                continue;
            }
            let grown = log.replica.grow(&pull.assembling).ok_or(wrong.clone())?;
            let proven = match grown.level1().first() {
                Some((number, hash)) => outline.bundle(*number) == Some(*hash),
                None => grown.root() == Some(root),
            };
            if !proven {
                let taken = log.replica.taken();
                if taken == taken.bundled() {
                    return Err(wrong);
                }
                // It was put together with what is held.
                if frame.done {
                    asked.pop_front();
                }
                return self.misfit(now_ms, stream, &unit, told, wrong);
            }
            let run = std::mem::take(&mut pull.assembling);
            self.shown_forks.extend(shown_in(&run));
            let bytes = accept(log, run, grown, &mut self.actions, leaves)?;
            log.proven_under(under);
            self.unstored_bytes = self.unstored_bytes.saturating_add(bytes);
        }
        if frame.done {
            asked.pop_front();
            let position = log.replica.taken().plus(pull.assembling.len() as u64).map_err(|_| wrong)?;
            if position < end {
                // Cut short: what was asked for behind it cannot be joined.
                asked.iter_mut().for_each(Asked::abandon);
                pull.next = position;
            }
        }
        Ok(())
    }

    /// Entries pushed with the checkpoint at their end.
    fn on_push(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        frame: BundleFrame,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let unit = frame.unit;
        let wrong = Fault::Entries { unit: unit.clone(), from: frame.from.get() };
        let (Some(log), Some(session)) = (self.logs.get_mut(&unit), self.sessions.get_mut(&stream)) else {
            return Err(Fault::NotWanted("a push"));
        };
        let open = session.open.get_mut(&unit).ok_or(Fault::NotWanted("a push"))?;
        open.credit = open.credit.checked_sub(frame.bytes).ok_or(Fault::NotWanted("more than was allowed"))?;
        let end = frame.from.plus(frame.entries.len() as u64).map_err(|_| wrong.clone())?;
        open.at = open.at.max(end);
        let note = frame.checkpoint.unwrap_or_default();
        let (size, root, new) = match log.learn(&note, leaves) {
            Ok(learnt) => learnt,
            Err(_) if self.may_use_old_key(stream, &unit) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if size != end {
            return Err(wrong);
        }
        let known = session.head(&unit);
        known.newest = known.newest.max(size);
        let taken = log.replica.taken();
        // Of a log that forked nothing is taken but what was asked for.
        let takes = !log.forked && !log.rewinding && !log.lacks_base();
        if takes && frame.from <= taken && end > taken {
            let skip = usize::try_from(taken.beyond(frame.from)).unwrap_or(usize::MAX);
            let run: Vec<Entry> = frame.entries.into_iter().skip(skip).collect();
            let grown = log.replica.grow(&run).ok_or(wrong.clone())?;
            if grown.root() != Some(root) {
                let told = log.held_at().filter(|at| session.head(&unit).knows_all(*at, std::iter::empty()));
                return if taken == Size::ZERO { Err(wrong) } else { self.misfit(now_ms, stream, &unit, told, wrong) };
            }
            let count = run.len();
            self.shown_forks.extend(shown_in(&run));
            let bytes = accept(log, run, grown, &mut self.actions, leaves)?;
            self.unstored_bytes = self.unstored_bytes.saturating_add(bytes);
            if let Some(pull) = self.pulls.get_mut(&unit) {
                pull.assembling.drain(..count.min(pull.assembling.len()));
            }
        }
        if new {
            self.soil_others(&unit, stream, now_ms);
        }
        Ok(())
    }
}

/// How far a partner holds a log. Of one that forked only what it says is certified stands on one branch everywhere.
pub(super) fn held(session: &Session, log: &Log) -> Size {
    match log.forked {
        true => session.heads.get(&log.unit).map_or(Size::ZERO, |head| head.certified),
        false => session.holds(&log.unit),
    }
}

/// As [`held`]; a base need not be a checkpoint that anybody tells of: whoever has taken the charter up is asked for it.
fn may_hold(session: &Session, log: &Log) -> Size {
    let based = log.eras.pending_base().filter(|due| session.charter >= due.version);
    held(session, log).max(based.map_or(Size::ZERO, |due| due.base.size))
}

/// Takes proven entries and has them stored. Gives their bytes.
fn accept(
    log: &mut Log,
    run: Vec<Entry>,
    grown: Grown,
    actions: &mut Vec<Action>,
    leaves: &impl LeafHashes,
) -> Result<u64, Fault> {
    let bytes = run.iter().map(|entry| crate::entry::encoded_len(entry) as u64).fold(0, u64::saturating_add);
    let before = log.replica.taken();
    let run = log.take(run, grown)?;
    log.unstored.add(run.end(), bytes);
    log.lacking_since = None;
    log.meet(before, leaves);
    let newest = log.at(run.end()).map(Sighting::to_note);
    actions.push(Action::Store { run, newest });
    Ok(bytes)
}

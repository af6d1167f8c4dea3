//! Greetings and heads: who is there, and who holds what.

use std::collections::BTreeSet;

use super::clock;
use super::engine::Engine;
use super::event::{LeafHashes, StreamId};
use super::frame::{HeadsFrame, HelloFrame};
use super::log::Log;
use super::peer::Session;
use super::sighting::Sighting;
use super::{Fault, MAJOR, MINOR};
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::wire;

/// How much of one frame heads may fill, in bytes: notes have at most 64 KiB.
const HEADS_BYTES_MAX: usize = 512 << 10;
/// How often a digest goes out where nothing changes, milliseconds.
const DIGEST_EVERY_MS: u64 = 10_000;

impl Engine {
    pub(super) fn on_hello(&mut self, now_ms: u64, stream: StreamId, hello: HelloFrame) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        if hello.major != MAJOR {
            return Err(Fault::Major(hello.major));
        }
        if hello.network != self.setup.network.as_str() {
            return Err(Fault::Network(hello.network));
        }
        if hello.unit != session.peer.as_str() || session.peer == self.setup.unit {
            return Err(Fault::Unit(hello.unit));
        }
        if let Err(fault) = self.compare_charters(stream, &hello) {
            let version = hello.charter_version;
            if let (Fault::Charter { .. }, Some(session)) = (&fault, self.sessions.get_mut(&stream)) {
                session.hello = Some(hello);
                return self.contradict(now_ms, stream, version, false);
            }
            return Err(fault);
        }
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        let seems = clock::seems_ahead(hello.time_ms, now_ms);
        session.seems_ahead_ms = Some(seems);
        session.clock_ahead_ms = clock::ahead(seems, hello.yours_ahead_ms);
        let first = session.hello.is_none();
        if first {
            // The partner learns at once how its clock looks from here.
            session.hello_due_ms = 0;
        }
        let stage = |hello: &HelloFrame| (hello.rebuilding, hello.recovering);
        if stage(&hello) == (false, true) && session.hello.as_ref().is_some_and(|before| stage(before) != (false, true))
        {
            // It has found out what binds it in the logs of others, and asks again how far its own is held here.
            session.full_due = Some(None);
        }
        let peer = session.peer.clone();
        session.hello = Some(hello);
        if first { self.choose(stream, &peer) } else { Ok(()) }
    }

    /// Decides which of two streams to a partner stays.
    fn choose(&mut self, stream: StreamId, peer: &UnitId) -> Result<(), Fault> {
        let other = self.sessions.values().find(|session| session.active && session.peer == *peer);
        let loser = match (self.sessions.get(&stream), other) {
            (Some(new), Some(old)) => {
                let instance = |session: &Session| session.hello.as_ref().map(|hello| hello.instance);
                // Whether the smaller unit id dialled it.
                let preferred = |session: &Session| session.dialled == (self.setup.unit < session.peer);
                let newer = instance(new) != instance(old) || new.dialled == old.dialled || preferred(new);
                if !newer {
                    return Err(Fault::Replaced);
                }
                Some(old.stream)
            }
            _ => None,
        };
        if let Some(old) = loser {
            self.close(old, Fault::Replaced);
        }
        if let Some(session) = self.sessions.get_mut(&stream) {
            session.active = true;
            session.full_due = Some(None);
        }
        Ok(())
    }

    pub(super) fn on_heads(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        frame: HeadsFrame,
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        for head in &frame.heads {
            if !self.logs.contains_key(&head.unit) {
                // Of a log that no charter here lists nothing is remembered: a partner can invent any number of them.
                continue;
            }
            if let Some(note) = &head.bridge {
                // Named first: it must not be forgotten because of what is newer.
                if let (Some(size), Some(log)) = (size_of(note), self.logs.get_mut(&head.unit)) {
                    log.heard_bridge(size)?;
                }
                self.learn_of(now_ms, stream, &head.unit, note, leaves)?;
            }
            for note in head.certified.iter().chain(&head.newest) {
                self.learn_of(now_ms, stream, &head.unit, note, leaves)?;
            }
            for note in &head.seen {
                let learnt = self.learn(now_ms, stream, &head.unit, (note, false), leaves);
                // The partner may not know yet that a log key was replaced.
                let replaced = self.logs.get(&head.unit).is_some_and(|log| log.eras.log_keys().len() > 1);
                learnt.or_else(|fault| if replaced { Ok(()) } else { Err(fault) })?;
            }
            let certified = head.certified.as_deref().and_then(size_of);
            if let (Some(size), Some(session)) = (certified, self.sessions.get_mut(&stream)) {
                let known = session.head(&head.unit);
                known.certified = known.certified.max(size);
            }
        }
        // Only a frame without heads is about the digest, and that costs a walk over all logs.
        let digest = frame.digest.filter(|_| frame.heads.is_empty() && !frame.full);
        let differs = digest.is_some_and(|digest| digest != self.heads_digest());
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        if frame.list.is_some() {
            session.list = frame.list;
        }
        if frame.full && !frame.more {
            session.answered = true;
            let peer = session.peer.clone();
            if let Some((rebuilding, recovering)) =
                session.hello.as_ref().map(|hello| (hello.rebuilding, hello.recovering))
            {
                self.answered(&peer, rebuilding, recovering);
            }
        } else if differs {
            session.full_due.get_or_insert(None);
        }
        Ok(())
    }

    /// A partner tells of a checkpoint that it holds.
    fn learn_of(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        unit: &UnitId,
        note: &[u8],
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let learnt = self.learn(now_ms, stream, unit, (note, true), leaves);
        learnt.or_else(|fault| if self.may_use_old_key(stream, unit) { Ok(()) } else { Err(fault) })
    }

    /// Whether a partner may not know yet that the key of a log was replaced: it holds an older charter.
    pub(super) fn may_use_old_key(&self, stream: StreamId, unit: &UnitId) -> bool {
        let replaced = self.logs.get(unit).is_some_and(|log| log.eras.log_keys().len() > 1);
        let newest = self.setup.charters.newest().version();
        replaced && self.sessions.get(&stream).is_some_and(|session| session.charter < newest)
    }

    /// A partner tells of a checkpoint, and whether it holds it whole.
    fn learn(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        unit: &UnitId,
        (note, held): (&[u8], bool),
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let Some(log) = self.logs.get_mut(unit) else { return Ok(()) };
        let (size, root, new) = log.learn(note, leaves)?;
        if held {
            self.bind(unit, (size, root), leaves);
        }
        self.notice_own_word(unit, (size, root), leaves);
        let Some(log) = self.logs.get(unit) else { return Ok(()) };
        let cosigners: Vec<UnitId> =
            log.find(size, root).map(|head| head.cosigners().cloned().collect()).unwrap_or_default();
        let forked = log.forked;
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        let peer = session.peer.clone();
        let known = session.head(unit);
        if held {
            known.newest = known.newest.max(size);
        }
        // What it told of it knows, and it may know more.
        let mentioned = mentioned(note);
        let told = cosigners.iter().filter(|cosigner| mentioned.contains(cosigner.as_str()));
        known.knows((size, root), told);
        if *unit == self.setup.unit && (size > self.own.signed || forked) {
            let words = format!(
                "{peer} holds a checkpoint of this unit's log with {size} entries that this node's journal, at {}, does not know: \
                 the journal is older than the log (a restored backup?), or a second node signs with this unit's keys",
                self.own.signed
            );
            self.recover(words, None, leaves);
        }
        // Learnt of anew after a restart: the own cosignature may be what it lacks.
        let own_word = cosigners.contains(&self.setup.unit) && !mentioned.contains(self.setup.unit.as_str());
        if new && own_word {
            self.soil_all(unit, now_ms);
        } else if new {
            self.soil_others(unit, stream, now_ms);
        }
        Ok(())
    }

    /// A partner may show a cosignature of this node that its journal does not know: then the journal is an old one. Whatever
    /// this node cosigns must extend that one too, so it is known from then on.
    pub(super) fn notice_own_word(&mut self, unit: &UnitId, (size, root): (Size, Hash), leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get(unit) else { return };
        // What a base replaced the journal need not know.
        let counts = |head: &&Sighting| log.eras.may_fork(head.signed().key());
        if !log.find(size, root).filter(counts).is_some_and(|head| head.is_cosigned_by(&self.setup.unit)) {
            return;
        }
        // Of one size a journal knows one root. Another is the word of a second machine, or of before a loss that was
        // recovered from: nobody could tell more.
        let words = [log.cosigned.map(|(known, _)| known), log.cosigning, log.bound.map(|bound| bound.size)];
        let journalled = words.into_iter().flatten().any(|known| size <= known);
        if journalled {
            return;
        }
        let words = format!(
            "a partner shows this node's own cosignature over {size} entries of {unit}, which its journal does not know: \
             the journal is older than that (a restored backup?)"
        );
        self.recover(words, Some((unit.clone(), size, root)), leaves);
        if let Some(log) = self.logs.get_mut(unit) {
            log.bind(size, root, leaves);
        }
    }

    pub(super) fn compose_hello(&self, now_ms: u64, dialled: bool, yours_ahead_ms: Option<i64>) -> wire::Frame {
        let hello = wire::Hello {
            major: MAJOR,
            minor: MINOR,
            network: self.setup.network.to_string(),
            unit: self.setup.unit.to_string(),
            charter_version: self.setup.charters.newest().version().into(),
            charter_digest: self.setup.charters.newest().digest().0.to_vec(),
            time_ms: now_ms,
            rebuilding: self.own.standing.rebuilds(),
            recovering: self.own.standing.recovers(),
            instance: self.setup.instance.to_vec(),
            dialled,
            release: self.setup.release.clone(),
            yours_ahead_ms,
        };
        wire::Frame { frame: Some(wire::frame::Frame::Hello(hello)) }
    }

    /// The next page of a full account.
    pub(super) fn compose_full(&mut self, stream: StreamId) -> Option<wire::Frame> {
        let session = self.sessions.get(&stream)?;
        let after = session.full_due.clone()?;
        // A unit that has just started learns from this how far its log is held here: nothing of it may still be on its
        // way to the disk or to a cosignature.
        let theirs = self.logs.get(&session.peer)?;
        if theirs.durable < theirs.replica.taken() || theirs.cosigning.is_some() || theirs.rewinding {
            return None;
        }
        let (mut heads, mut bytes, mut last) = (Vec::new(), 0_usize, None);
        let mut more = false;
        for (unit, log) in self.logs.iter().filter(|(unit, _)| after.as_ref().is_none_or(|after| *unit > after)) {
            let head = compose_head(log, Size::ZERO, Size::ZERO);
            bytes = bytes.saturating_add(weight(&head));
            if !heads.is_empty() && bytes > HEADS_BYTES_MAX {
                more = true;
                break;
            }
            heads.push(head);
            last = Some(unit.clone());
        }
        for head in &heads {
            self.told(stream, head);
        }
        let session = self.sessions.get_mut(&stream)?;
        session.full_due = more.then_some(last);
        Some(self.heads_frame(heads, true, more))
    }

    /// What changed of the logs that are due.
    pub(super) fn compose_changes(&mut self, now_ms: u64, stream: StreamId) -> Option<wire::Frame> {
        let session = self.sessions.get_mut(&stream)?;
        let due: Vec<UnitId> =
            session.dirty.iter().filter(|(_, due)| **due <= now_ms).map(|(unit, _)| unit.clone()).collect();
        let (mut heads, mut bytes) = (Vec::new(), 0_usize);
        for unit in due {
            if bytes > HEADS_BYTES_MAX {
                break;
            }
            let seen = self.compose_seen(stream, &unit);
            let session = self.sessions.get_mut(&stream)?;
            // What did not fit comes next.
            if seen.is_empty() {
                session.dirty.remove(&unit);
            }
            let Some(log) = self.logs.get(&unit) else { continue };
            let known = session.head(&unit);
            let news = log.certified_size() > known.certified
                || log.bridge_size() > known.bridge
                || log.newest_held().is_some_and(|newest| known.lacks(at(newest), newest.cosigners()));
            if news || !seen.is_empty() {
                let head = wire::Head { seen, ..compose_head(log, known.certified, known.bridge) };
                bytes = bytes.saturating_add(weight(&head));
                heads.push(head);
            }
        }
        if heads.is_empty() {
            return None;
        }
        for head in &heads {
            self.told(stream, head);
        }
        Some(self.heads_frame(heads, false, false))
    }

    /// A digest, where nothing changed for a while.
    pub(super) fn compose_digest(&mut self, now_ms: u64, stream: StreamId) -> Option<wire::Frame> {
        let session = self.sessions.get_mut(&stream)?;
        session.digest_due.filter(|due| *due <= now_ms)?;
        session.digest_due = Some(now_ms.saturating_add(DIGEST_EVERY_MS));
        Some(self.heads_frame(Vec::new(), false, false))
    }

    fn heads_frame(&self, heads: Vec<wire::Head>, full: bool, more: bool) -> wire::Frame {
        let digest = if heads.is_empty() { self.heads_digest().0.to_vec() } else { Vec::new() };
        let (frontier, list_digest) = self.list.map_or((Vec::new(), Vec::new()), |(f, d)| (f.0.to_vec(), d.0.to_vec()));
        let heads = wire::Heads { heads, full, digest, frontier, list_digest, more };
        wire::Frame { frame: Some(wire::frame::Frame::Heads(heads)) }
    }

    /// Remembers what a head that goes out tells.
    fn told(&mut self, stream: StreamId, head: &wire::Head) {
        let Ok(unit) = head.unit.parse::<UnitId>() else { return };
        let (Some(log), Some(session)) = (self.logs.get(&unit), self.sessions.get_mut(&stream)) else { return };
        let known = session.head(&unit);
        known.certified = known.certified.max(log.certified_size());
        known.bridge = known.bridge.max(log.bridge_size());
        if let Some(newest) = log.newest_held() {
            known.knows(at(newest), newest.cosigners());
        }
    }

    /// The digest over all heads, as the module's page spells it out.
    pub(super) fn heads_digest(&self) -> Hash {
        let mut bytes = Vec::new();
        let text = |bytes: &mut Vec<u8>, text: &UnitId| {
            bytes.extend(u16::try_from(text.as_str().len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(text.as_str().as_bytes());
        };
        for (unit, log) in &self.logs {
            text(&mut bytes, unit);
            // Where a log forked, what is beyond the certified checkpoint may differ for ever.
            let newest = if log.forked { log.certified.as_ref() } else { log.newest_held() };
            for head in [log.certified.as_ref(), newest] {
                let checkpoint = head.map(Sighting::checkpoint);
                bytes.extend(checkpoint.map_or(0, |c| c.size.get()).to_be_bytes());
                bytes.extend(checkpoint.map_or(Hash::EMPTY_ROOT, |c| c.root).0);
                let cosigners: Vec<&UnitId> = head.into_iter().flat_map(Sighting::cosigners).collect();
                bytes.extend(u16::try_from(cosigners.len()).unwrap_or(u16::MAX).to_be_bytes());
                for by in cosigners {
                    text(&mut bytes, by);
                }
            }
        }
        Hash::of(&bytes)
    }
}

/// How much of a frame a head takes.
fn weight(head: &wire::Head) -> usize {
    let seen = head.seen.iter().map(Vec::len).fold(0, usize::saturating_add);
    head.certified.len().saturating_add(head.newest.len()).saturating_add(head.bridge.len()).saturating_add(seen)
}

/// The head of a log: its certified checkpoint if that is larger than `known`, its newest if that is another, and its
/// newest certified bridge if that is larger than `bridge`.
fn compose_head(log: &Log, known: Size, bridge: Size) -> wire::Head {
    let note = Sighting::to_note;
    let certified = log.certified.as_ref().filter(|head| head.checkpoint().size > known || known == Size::ZERO);
    let newest = log.newest_held().filter(|head| head.checkpoint().size > log.certified_size());
    // Where the certified checkpoint is known but has gathered further cosignatures, it goes out as the newest.
    let newest = match (certified, newest) {
        (None, None) => log.certified.as_ref(),
        (_, newest) => newest,
    };
    wire::Head {
        unit: log.unit.to_string(),
        certified: certified.map(note).unwrap_or_default(),
        newest: newest.map(note).unwrap_or_default(),
        bridge: log.bridge.as_ref().filter(|_| log.bridge_size() > bridge).map(note).unwrap_or_default(),
        seen: Vec::new(),
    }
}

fn at(head: &Sighting) -> (Size, Hash) {
    (head.checkpoint().size, head.checkpoint().root)
}

/// The size in a note that was learnt before.
pub(super) fn size_of(note: &[u8]) -> Option<Size> {
    let line = note.split(|byte| *byte == b'\n').nth(1)?;
    Size::new(std::str::from_utf8(line).ok()?.parse().ok()?).ok()
}

/// Of which units a note carries a line of a mirror key: a note of thirty units is long, so it is walked through once.
fn mentioned(note: &[u8]) -> BTreeSet<&str> {
    fn signer(line: &[u8]) -> Option<&str> {
        let name = std::str::from_utf8(line).ok()?.strip_prefix("\u{2014} ")?.split(' ').next()?;
        name.strip_suffix("/mirror")?.rsplit('/').next()
    }
    note.split(|byte| *byte == b'\n').filter_map(signer).collect()
}

//! Where a partner holds another text of a version than this node: both show each other their own, each keeps what it is shown
//! as evidence, and the stream ends. Nothing else goes over it.
//!
//! A first version is brought by hand and never passed on, so of those none is shown.

use super::engine::Engine;
use super::event::{Action, StreamId};
use super::{Fault, Frame};
use crate::ids::UnitId;
use crate::wire;

/// How long the partner may take to show its text, milliseconds.
const SHOW_MS_MAX: u64 = 5_000;
/// How long a stream stays after both were shown, so that what is under way arrives, milliseconds.
const LINGER_MS: u64 = 500;

/// A stream on which nothing is done any more but this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contradicted {
    /// Of which version the texts differ.
    version: u32,
    since_ms: u64,
    /// Whether the own text went out.
    shown: bool,
    /// Since when the partner's is here, Unix milliseconds.
    seen_ms: Option<u64>,
}

impl Engine {
    /// Texts of a version differ. Gives the fault at once where nothing is to be shown.
    pub(super) fn contradict(&mut self, now_ms: u64, stream: StreamId, version: u64, seen: bool) -> Result<(), Fault> {
        let fault = Fault::Charter { version };
        let held = u32::try_from(version).ok().filter(|version| *version > 1);
        let Some(version) = held.filter(|version| self.setup.charters.version(*version).is_some()) else {
            return Err(fault);
        };
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        session.active = false;
        let seen_ms = seen.then_some(now_ms);
        session.contradicted.get_or_insert(Contradicted { version, since_ms: now_ms, shown: false, seen_ms });
        self.pulls.retain(|_, pull| pull.stream != stream);
        Ok(())
    }

    /// What else comes on such a stream.
    pub(super) fn on_contradicting(&mut self, now_ms: u64, stream: StreamId, frame: Frame) {
        let Some(session) = self.sessions.get_mut(&stream) else { return };
        let peer = session.peer.clone();
        if let (Frame::Charter(note), Some(state)) = (frame, &mut session.contradicted)
            && state.seen_ms.is_none()
        {
            state.seen_ms = Some(now_ms);
            self.keep_contradiction(peer, note);
        }
    }

    /// Has another text kept, if it is one.
    pub(super) fn keep_contradiction(&mut self, from: UnitId, note: Vec<u8>) {
        let reason = match self.received.contradiction(&note) {
            Some(found) => format!("another text of version {} is held here; both cannot count", found.version),
            None => "it is no other text of a version that is held here".to_owned(),
        };
        self.actions.push(Action::Evidence { from, note, reason });
    }

    /// The own text, once.
    pub(super) fn compose_contradiction(&mut self, stream: StreamId) -> Option<wire::Frame> {
        let state = self.sessions.get_mut(&stream)?.contradicted.as_mut().filter(|state| !state.shown)?;
        state.shown = true;
        let charter = self.setup.charters.version(state.version)?;
        let charter = wire::Charter { note: charter.note().to_vec() };
        Some(wire::Frame { frame: Some(wire::frame::Frame::Charter(charter)) })
    }

    /// Ends the streams on which all was shown.
    pub(super) fn end_contradictions(&mut self, now_ms: u64) {
        let over = |state: &Contradicted| {
            let done = state.seen_ms.filter(|_| state.shown).is_some_and(|at| now_ms >= at.saturating_add(LINGER_MS));
            done || now_ms >= state.since_ms.saturating_add(SHOW_MS_MAX)
        };
        let ending = |(stream, session): (&StreamId, &super::peer::Session)| {
            let state = session.contradicted.filter(over)?;
            Some((*stream, state.version))
        };
        let ending: Vec<_> = self.sessions.iter().filter_map(ending).collect();
        for (stream, version) in ending {
            self.close(stream, Fault::Charter { version: version.into() });
        }
    }
}

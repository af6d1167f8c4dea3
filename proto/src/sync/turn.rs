//! Sending: what a stream carries next.

use std::collections::VecDeque;

use super::engine::Engine;
use super::event::{LeafHashes, StreamId};
use super::frame::WantFrame;
use super::peer::Open;
use super::serve::{Job, Outgoing, Serving};
use super::{Fault, outline};
use crate::ids::UnitId;
use crate::limits::BUNDLE_ENTRIES;
use crate::wire;

/// How many bounded wants a partner may have waiting.
const JOBS_MAX: usize = 256;
/// How often a node greets again: its clock may have been set meanwhile.
const HELLO_EVERY_MS: u64 = 60_000;

impl Engine {
    pub(super) fn on_want(&mut self, stream: StreamId, want: WantFrame) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        let Some(log) = self.logs.get(&want.unit) else { return Err(Fault::Field("want")) };
        let Some((end, under)) = want.range else {
            session.their_open.insert(want.unit, Open { at: want.from, credit: want.max_bytes });
            return Ok(());
        };
        // Only what was told of may be wanted, and told of is only what is held whole. A base may be asked for by any that know it.
        if (end > log.durable || under > log.durable) && !log.eras.is_base(under) {
            return Err(Fault::Limit("range wanted"));
        }
        if session.jobs.iter().map(|(_, queue)| queue.len()).fold(0, usize::saturating_add) >= JOBS_MAX {
            return Err(Fault::Limit("number of wants"));
        }
        let serving = Serving {
            unit: want.unit.clone(),
            next: want.from,
            end,
            budget: want.max_bytes,
            checkpoint: None,
            sent: 0,
            finished: false,
        };
        let job = if want.payloads { Job::Entries(serving) } else { Job::Outline { under, then: serving } };
        match session.jobs.iter_mut().find(|(unit, _)| *unit == want.unit) {
            Some((_, queue)) => queue.push_back(job),
            None => session.jobs.push_back((want.unit, VecDeque::from([job]))),
        }
        Ok(())
    }

    /// What a stream that has room should carry next; nothing if nothing is due.
    pub fn poll(&mut self, now_ms: u64, stream: StreamId, leaves: &impl LeafHashes) -> Option<Outgoing> {
        let session = self.sessions.get_mut(&stream)?;
        if now_ms >= session.hello_due_ms {
            session.hello_due_ms = now_ms.saturating_add(HELLO_EVERY_MS);
            let (dialled, seems_ahead_ms) = (session.dialled, session.seems_ahead_ms);
            return Some(Outgoing::Frame(self.compose_hello(now_ms, dialled, seems_ahead_ms)));
        }
        if let Some(frame) = self.compose_contradiction(stream) {
            return Some(Outgoing::Frame(frame));
        }
        if !self.sessions.get(&stream)?.active {
            return None;
        }
        if let Some(frame) = self.compose_charter(stream) {
            return Some(Outgoing::Frame(frame));
        }
        if let Some(frame) = self.compose_full(stream).or_else(|| self.compose_fork(stream)) {
            return Some(Outgoing::Frame(frame));
        }
        if let Some(push) = self.push(stream) {
            return Some(Outgoing::Entries(push));
        }
        if let Some(frame) = self.compose_changes(now_ms, stream) {
            return Some(Outgoing::Frame(frame));
        }
        let session = self.sessions.get_mut(&stream)?;
        if let Some(want) = session.wants.pop_front() {
            return Some(Outgoing::Frame(wire::Frame { frame: Some(wire::frame::Frame::Want(want)) }));
        }
        self.serve(stream, leaves).or_else(|| self.compose_digest(now_ms, stream).map(Outgoing::Frame))
    }

    /// What came next in a log for which the partner has an open-ended want.
    fn push(&mut self, stream: StreamId) -> Option<Serving> {
        let session = self.sessions.get_mut(&stream)?;
        for (unit, open) in &mut session.their_open {
            // Of a log that forked nothing is pushed: whoever lacks what is certified of it asks for that.
            let Some(log) = self.logs.get(unit).filter(|log| !log.forked && !log.rewinding) else { continue };
            let Some(newest) = log.newest_held() else { continue };
            let size = newest.checkpoint().size;
            if size <= open.at || size.beyond(open.at) > BUNDLE_ENTRIES {
                continue;
            }
            let serving = Serving {
                unit: unit.clone(),
                next: open.at,
                end: size,
                budget: open.credit,
                checkpoint: Some(newest.to_note()),
                sent: 0,
                finished: false,
            };
            open.at = size;
            let at = (size, newest.checkpoint().root);
            let cosigners: Vec<UnitId> = newest.cosigners().cloned().collect();
            let unit = unit.clone();
            session.head(&unit).knows(at, &cosigners);
            return Some(serving);
        }
        None
    }

    /// A piece of what the partner wanted.
    fn serve(&mut self, stream: StreamId, leaves: &impl LeafHashes) -> Option<Outgoing> {
        let session = self.sessions.get_mut(&stream)?;
        let (unit, mut queue) = session.jobs.pop_front()?;
        let job = queue.pop_front();
        let out = match job {
            Some(Job::Outline { under, then }) => {
                let log = self.logs.get(&unit)?;
                let composed = outline::compose(log, &unit, then.next, then.end, under, leaves);
                Some(Outgoing::Frame(match composed {
                    Some(outline) => {
                        queue.push_front(Job::Entries(then));
                        wire::Frame { frame: Some(wire::frame::Frame::Outline(outline)) }
                    }
                    // Nothing can be proven: the partner asks somebody else.
                    None => then.nothing(),
                }))
            }
            Some(Job::Entries(serving)) => Some(Outgoing::Entries(serving)),
            None => None,
        };
        // A log whose piece is being sent keeps its place even if its queue is empty now.
        if out.is_some() {
            session.jobs.push_back((unit, queue));
        }
        out
    }

    /// Takes back what is left of a range after a piece of it went out.
    pub fn resume(&mut self, now_ms: u64, stream: StreamId, serving: Serving) {
        let Some(session) = self.sessions.get_mut(&stream) else { return };
        if serving.pushes() {
            // It was too long for one frame, or could not be read: heads tell of it instead.
            session.their_open.remove(&serving.unit);
            session.heads.remove(&serving.unit);
            session.soil(&serving.unit, now_ms);
            return;
        }
        if let Some(open) = session.their_open.get_mut(&serving.unit) {
            open.credit = open.credit.saturating_sub(serving.pushed());
        }
        let at = session.jobs.iter().position(|(unit, _)| *unit == serving.unit);
        let Some((_, queue)) = at.and_then(|at| session.jobs.get_mut(at)) else { return };
        if !serving.finished() {
            queue.push_front(Job::Entries(serving));
        } else if queue.is_empty()
            && let Some(at) = at
        {
            session.jobs.remove(at);
        }
    }
}

//! Answering wants: in pieces of one bundle, so that nothing else waits long for the stream.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::entry::{self, Entry};
use crate::ids::{Size, UnitId};
use crate::limits::{BUNDLE_BODY_BYTES_MAX, BUNDLE_ENTRIES};
use crate::record::RecordKind;
use crate::wire;

/// A bounded want of a partner.
#[derive(Debug)]
pub(super) enum Job {
    /// The outline comes first, under the checkpoint of this size.
    Outline { under: Size, then: Serving },
    /// Entries are under way.
    Entries(Serving),
}

/// What a stream should carry next.
#[derive(Debug)]
pub enum Outgoing {
    /// A message.
    Frame(wire::Frame),
    /// Entries: read what [`Serving::piece`] names, hand them to [`Serving::frames`], send those, and give the rest back
    /// with [`Engine::resume`](super::Engine::resume).
    Entries(Serving),
}

/// The entries to read for the next piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whose log.
    pub unit: UnitId,
    /// The first of them.
    pub from: u64,
    /// How many, at most 256.
    pub count: u64,
}

/// A range that is being sent.
#[derive(Debug)]
pub struct Serving {
    pub(super) unit: UnitId,
    pub(super) next: Size,
    pub(super) end: Size,
    pub(super) budget: u64,
    /// For what is pushed: the note of the checkpoint at its end.
    pub(super) checkpoint: Option<Vec<u8>>,
    /// How many bytes were pushed.
    pub(super) sent: u64,
    pub(super) finished: bool,
}

impl Serving {
    /// What to read next.
    #[must_use]
    pub fn piece(&self) -> Piece {
        let left = self.end.beyond(self.next);
        // A push is one frame wherever it begins; a bounded range keeps to the bundles.
        let count = match self.checkpoint {
            Some(_) => left.min(BUNDLE_ENTRIES),
            None => left.min(BUNDLE_ENTRIES.saturating_sub(self.next.get() & 0xff)),
        };
        Piece { unit: self.unit.clone(), from: self.next.get(), count }
    }

    /// Whether it is a push that has not gone out.
    pub(super) const fn pushes(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// How many bytes were pushed.
    pub(super) const fn pushed(&self) -> u64 {
        self.sent
    }

    /// The answer where nothing can be sent.
    pub(super) fn nothing(&self) -> wire::Frame {
        self.frame(self.next, Vec::new(), true, None)
    }

    /// Whether nothing is left to be sent.
    #[must_use]
    pub const fn finished(&self) -> bool {
        self.finished
    }

    /// Turns the entries of a piece into messages. Fewer entries than were asked for end the range.
    #[must_use]
    pub fn frames(&mut self, entries: &[Entry]) -> Vec<wire::Frame> {
        if self.checkpoint.is_some() {
            self.finished = true;
            return self.push(entries).into_iter().collect();
        }
        let short = (entries.len() as u64) < self.piece().count;
        let mut bodies: VecDeque<(Size, Vec<u8>)> = VecDeque::new();
        for entry in entries {
            let length = entry::encoded_len(entry);
            let fits = |body: &Vec<u8>| body.len().saturating_add(length) <= BUNDLE_BODY_BYTES_MAX;
            // At least one entry goes out for every want, or a want could stay without an answer for ever.
            match self.budget.checked_sub(length as u64) {
                Some(left) => self.budget = left,
                None if bodies.is_empty() => self.budget = 0,
                None => {
                    self.finished = true;
                    break;
                }
            }
            if !bodies.back().is_some_and(|(_, body)| fits(body)) {
                bodies.push_back((
                    self.next,
                    Vec::with_capacity(length.saturating_mul(entries.len()).min(BUNDLE_BODY_BYTES_MAX)),
                ));
            }
            if let Some((_, body)) = bodies.back_mut() {
                entry::encode(entry, body);
            }
            self.next = self.next.plus(1).unwrap_or(self.end);
        }
        self.finished |= short || self.next >= self.end || self.budget == 0;
        if bodies.is_empty() {
            bodies.push_back((self.next, Vec::new()));
        }
        let last = bodies.len().saturating_sub(1);
        let frame =
            |(at, (from, body)): (usize, (Size, Vec<u8>))| self.frame(from, body, self.finished && at == last, None);
        bodies.into_iter().enumerate().map(frame).collect()
    }

    /// One frame with everything up to the checkpoint; nothing if that is too long: heads tell of it then.
    fn push(&mut self, entries: &[Entry]) -> Option<wire::Frame> {
        let length: usize = entries.iter().map(entry::encoded_len).fold(0, usize::saturating_add);
        if entries.len() as u64 != self.end.beyond(self.next)
            || length > BUNDLE_BODY_BYTES_MAX
            || length as u64 > self.budget
        {
            return None;
        }
        let mut body = Vec::with_capacity(length);
        for entry in entries {
            entry::encode(entry, &mut body);
        }
        let checkpoint = self.checkpoint.take();
        self.sent = length as u64;
        Some(self.frame(self.next, body, false, checkpoint))
    }

    fn frame(&self, from: Size, body: Vec<u8>, done: bool, checkpoint: Option<Vec<u8>>) -> wire::Frame {
        let bundle = wire::Bundle {
            unit: self.unit.to_string(),
            from: from.get(),
            size: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body: Some(wire::bundle::Body::Raw(Bytes::from(body))),
            checkpoint: checkpoint.map(Bytes::from).unwrap_or_default(),
            done,
        };
        wire::Frame { frame: Some(wire::frame::Frame::Bundle(bundle)) }
    }
}

/// Takes out of a frame that has not gone out yet the bodies of entries that are `withheld` by now: by unit and index.
/// A frame that carries no entries, and one of which nothing is withheld, stays as it is.
#[must_use]
pub fn withhold(frame: wire::Frame, withheld: impl Fn(&UnitId, u64) -> bool) -> wire::Frame {
    let Some(wire::frame::Frame::Bundle(mut bundle)) = frame.frame else { return frame };
    if let Some(wire::bundle::Body::Raw(raw)) = &bundle.body
        && let Some(body) = stripped(&bundle, raw, withheld)
    {
        bundle.size = u32::try_from(body.len()).unwrap_or(u32::MAX);
        bundle.body = Some(wire::bundle::Body::Raw(Bytes::from(body)));
    }
    wire::Frame { frame: Some(wire::frame::Frame::Bundle(bundle)) }
}

/// The run without the bodies that are withheld; nothing if there are none.
fn stripped(bundle: &wire::Bundle, raw: &Bytes, withheld: impl Fn(&UnitId, u64) -> bool) -> Option<Vec<u8>> {
    let unit: UnitId = bundle.unit.parse().ok()?;
    let mut body = Vec::with_capacity(raw.len());
    let mut any = false;
    for (index, entry) in (bundle.from..).zip(entry::Run::new(raw.clone())) {
        // It was put together from checked entries a moment ago.
        let mut entry = entry.ok()?;
        let can_end = RecordKind::of_number(entry.header().kind).can_end();
        if entry.body().is_some() && can_end && withheld(&unit, index) {
            entry = entry.without_body();
            any = true;
        }
        entry::encode(&entry, &mut body);
    }
    any.then_some(body)
}

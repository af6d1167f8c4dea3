//! One stream to a partner: what it said, and what it is still to be told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::contradiction::Contradicted;
use super::event::StreamId;
use super::frame::HelloFrame;
use super::pull::Asked;
use super::serve::Job;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::wire;

/// Of how many checkpoints of one log it is remembered what a partner knows.
const KNOWN_MAX: usize = 64;

/// What a partner is known to hold of one log.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerHead {
    /// The newest certified checkpoint it told of or was told of.
    pub(super) certified: Size,
    /// The newest checkpoint that it holds whole.
    pub(super) newest: Size,
    /// The newest bridge it was told of.
    pub(super) bridge: Size,
    /// The newest checkpoints that it is known to know, and whose cosignatures of each.
    known: BTreeMap<(Size, Hash), BTreeSet<UnitId>>,
}

impl PeerHead {
    /// It knows these cosignatures of the checkpoint of this size.
    pub(super) fn knows<'a>(&mut self, (size, root): (Size, Hash), cosigners: impl IntoIterator<Item = &'a UnitId>) {
        self.known.entry((size, root)).or_default().extend(cosigners.into_iter().cloned());
        while self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
    }

    /// What it knows of cosignatures counts no longer.
    pub(super) fn forget_cosigners(&mut self) {
        self.known.clear();
    }

    /// Whether a checkpoint with these cosignatures is news to it. An older one than it knows is, if somebody cosigned it.
    pub(super) fn lacks<'a>(&self, at: (Size, Hash), mut cosigners: impl Iterator<Item = &'a UnitId>) -> bool {
        let newest = self.known.last_key_value().map(|((newest, _), _)| *newest);
        match self.known.get(&at) {
            Some(known) => cosigners.any(|by| !known.contains(by)),
            None => cosigners.next().is_some() || newest.is_none_or(|newest| at.0 > newest),
        }
    }

    /// Whether it is known to know this checkpoint with all these cosignatures.
    pub(super) fn knows_all<'a>(&self, at: (Size, Hash), mut cosigners: impl Iterator<Item = &'a UnitId>) -> bool {
        self.known.get(&at).is_some_and(|known| cosigners.all(|by| known.contains(by)))
    }
}

/// An open-ended want: what comes next is pushed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// Up to where the receiver holds the log, or was sent it.
    pub(super) at: Size,
    /// How many bytes may still be pushed.
    pub(super) credit: u64,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: StreamId,
    pub(super) peer: UnitId,
    /// Whether this node dialled it.
    pub(super) dialled: bool,
    /// What the partner said in its greeting.
    pub(super) hello: Option<HelloFrame>,
    /// The version of the charter that its last greeting named; 0 before the first.
    pub(super) charter: u32,
    /// The newest version that it holds or was sent.
    pub(super) charter_sent: u32,
    /// Whether it holds another text of a version than this node.
    pub(super) contradicted: Option<Contradicted>,
    /// Whether this is the stream that stays between the two nodes.
    pub(super) active: bool,
    /// When the own greeting is due, Unix milliseconds: at once, again once the partner's was heard, and then every minute,
    /// since it carries the clock.
    pub(super) hello_due_ms: u64,
    /// A full account is due, beginning with the log after this one.
    pub(super) full_due: Option<Option<UnitId>>,
    /// Whether the partner's first full account is complete.
    pub(super) answered: bool,
    /// Logs of which the partner is to be told, and from when on.
    pub(super) dirty: BTreeMap<UnitId, u64>,
    /// Whether and from when on a digest is to be sent.
    pub(super) digest_due: Option<u64>,
    /// What the partner is known to hold.
    pub(super) heads: BTreeMap<UnitId, PeerHead>,
    /// Its frontier's and its list's digest.
    pub(super) list: Option<(Hash, Hash)>,
    /// Logs of which it is shown every checkpoint: what it sent does not fit what is held.
    pub(super) showing: BTreeSet<UnitId>,
    /// Of which forks it has a proof from this node or gave one, and how many cosigners of both branches that names.
    pub(super) forks_told: BTreeMap<UnitId, usize>,
    /// How many proofs of forks it sent.
    pub(super) forks_heard: usize,
    /// Wants to be sent to it.
    pub(super) wants: VecDeque<wire::Want>,
    /// Own open-ended wants that it has.
    pub(super) open: BTreeMap<UnitId, Open>,
    /// Its open-ended wants.
    pub(super) their_open: BTreeMap<UnitId, Open>,
    /// Its bounded wants, log by log: those of one log are answered in order, the logs take turns.
    pub(super) jobs: VecDeque<(UnitId, VecDeque<Job>)>,
    /// Own bounded wants that it has and has not answered yet, in order.
    pub(super) asked: BTreeMap<UnitId, VecDeque<Asked>>,
    /// Logs that it is not asked for until then.
    pub(super) distrusted: BTreeMap<UnitId, u64>,
    /// How far its clock seemed to be ahead in its last greeting, milliseconds; the partner is told.
    pub(super) seems_ahead_ms: Option<i64>,
    /// How far its clock is ahead, milliseconds, as well as that is known.
    pub(super) clock_ahead_ms: i64,
    /// When it was last heard of, Unix milliseconds.
    pub(super) heard_ms: u64,
}

impl Session {
    pub(super) fn new(stream: StreamId, peer: UnitId, dialled: bool, now_ms: u64) -> Self {
        Self {
            stream,
            peer,
            dialled,
            hello: None,
            charter: 0,
            charter_sent: 0,
            contradicted: None,
            active: false,
            hello_due_ms: 0,
            full_due: None,
            answered: false,
            dirty: BTreeMap::new(),
            digest_due: None,
            heads: BTreeMap::new(),
            list: None,
            showing: BTreeSet::new(),
            forks_told: BTreeMap::new(),
            forks_heard: 0,
            wants: VecDeque::new(),
            open: BTreeMap::new(),
            their_open: BTreeMap::new(),
            jobs: VecDeque::new(),
            asked: BTreeMap::new(),
            distrusted: BTreeMap::new(),
            seems_ahead_ms: None,
            clock_ahead_ms: 0,
            heard_ms: now_ms,
        }
    }

    /// Tells the partner of a log, at the latest from then on.
    pub(super) fn soil(&mut self, unit: &UnitId, due_ms: u64) {
        let due = self.dirty.entry(unit.clone()).or_insert(due_ms);
        *due = (*due).min(due_ms);
    }

    pub(super) fn head(&mut self, unit: &UnitId) -> &mut PeerHead {
        self.heads.entry(unit.clone()).or_default()
    }

    /// How far it holds a log whole.
    pub(super) fn holds(&self, unit: &UnitId) -> Size {
        self.heads.get(unit).map_or(Size::ZERO, |head| head.newest.max(head.certified))
    }
}

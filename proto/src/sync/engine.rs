//! The state machine: what follows from an event.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::answer::{LogView, PeerView};
use super::eras::Eras;
use super::event::{Action, Event, LeafHashes, Restored, Setup, StreamId};
use super::fork::shown_in;
use super::heads::size_of;
use super::log::Log;
use super::own::{self, Own, Standing};
use super::peer::{PeerHead, Session};
use super::pull::Pull;
use super::recovery::Recovery;
use super::repair::Repair;
use super::sighting::Sighting;
use super::{Fault, Frame};
use crate::charter::CharterChain;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::entry::Entry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};
use crate::note::VerifierKey;
use crate::wire;

/// How long news of what others signed waits for the partner to learn of it directly, milliseconds.
const RELAY_AFTER_MS: u64 = 200;
/// How long nothing must have changed before heads are compared by digest, milliseconds.
const QUIET_MS: u64 = 2_000;
/// How soon partners hear of a new list digest, milliseconds.
const LIST_TELL_MS: u64 = 100;
/// How long others are preferred to a partner that sent something wrong, milliseconds.
const SUSPECT_MS: u64 = 15_000;

/// A node's side of the protocol.
#[derive(Debug)]
pub struct Engine {
    pub(super) setup: Setup,
    /// The charters that are durable, and behind them those on their way to the disk.
    pub(super) received: CharterChain,
    /// The newest version that a unit was heard to hold.
    pub(super) charter_holders: BTreeMap<UnitId, u32>,
    /// From which to which version the node was told to admit units.
    pub(super) admitted: Option<(u32, u32)>,
    pub(super) logs: BTreeMap<UnitId, Log>,
    pub(super) own: Own,
    /// The standing of which the node was told last.
    standing_told: Standing,
    pub(super) recovery: Recovery,
    pub(super) sessions: BTreeMap<StreamId, Session>,
    /// What was known of each partner when its last stream ended.
    parted: BTreeMap<UnitId, Parted>,
    pub(super) pulls: BTreeMap<UnitId, Pull>,
    /// What is stored and cannot be read: whose log, and which bundle.
    pub(super) repairs: BTreeMap<(UnitId, u64), Repair>,
    pub(super) list: Option<(Hash, Hash)>,
    pub(super) unstored_bytes: u64,
    pub(super) clock_off_ms: Option<i64>,
    /// Partners that sent something wrong, and until when nothing is asked of them.
    pub(super) suspects: BTreeMap<UnitId, u64>,
    /// Proofs of forks that were met in logs.
    pub(super) shown_forks: Vec<wire::ForkProof>,
    pub(super) actions: Vec<Action>,
}

impl Engine {
    /// Puts together what the node held at its start. `lost` says in words why the journal does not know all that the node
    /// signed; where it does, the node waits for the answers that its quorum asks for.
    ///
    /// # Errors
    /// A sentence that names the log whose stored checkpoints do not fit its stored entries.
    pub fn new(
        setup: Setup,
        mut restored: BTreeMap<UnitId, Restored>,
        lost: Option<String>,
        leaves: &impl LeafHashes,
    ) -> Result<Self, String> {
        let mut logs = BTreeMap::new();
        let (mut owed, mut rekeyed) = (None, false);
        for unit in setup.charters.units() {
            let Some(eras) = Eras::new(&setup.charters, &unit) else { continue };
            let mut log = Log::new(unit.clone(), eras);
            if let Some(mut state) = restored.remove(&unit) {
                (owed, rekeyed) = (owed.or(state.owed.take()), rekeyed || state.rekeyed);
                restore(&mut log, &setup.unit, state, leaves)?;
            }
            logs.insert(unit, log);
        }
        let needed = logs.get(&setup.unit).map_or(0, own::answers_to_start);
        let waiting = match needed {
            0 => Standing::Running,
            _ => {
                Standing::Waiting { needed, answered: BTreeSet::new(), fetching: owed.as_ref().map(|owed| owed.first) }
            }
        };
        let signed =
            logs.get(&setup.unit).and_then(|log| Some(log.newest_held()?.checkpoint().size)).unwrap_or_default();
        let promised = owed.as_ref().and_then(|owed| owed.signed).map_or(Size::ZERO, |(size, _)| size);
        let bound = logs.get(&setup.unit).and_then(|log| log.bound).map_or(Size::ZERO, |bound| bound.size);
        let mut engine = Self {
            standing_told: waiting.clone(),
            own: Own::new(waiting, signed.max(promised).max(bound), owed),
            recovery: Recovery::default(),
            received: setup.charters.clone(),
            charter_holders: BTreeMap::new(),
            admitted: None,
            setup,
            logs,
            sessions: BTreeMap::new(),
            parted: BTreeMap::new(),
            pulls: BTreeMap::new(),
            repairs: BTreeMap::new(),
            list: None,
            unstored_bytes: 0,
            clock_off_ms: None,
            suspects: BTreeMap::new(),
            shown_forks: Vec::new(),
            actions: Vec::new(),
        };
        if let Some(reason) = lost {
            engine.begin_recovery(reason);
            (engine.own.owed, engine.own.rekeyed) = (None, rekeyed);
            engine.standing_told = engine.own.standing.clone();
        }
        Ok(engine)
    }

    /// Takes in what happened at `now_ms` and gives what is to be done.
    pub fn handle(&mut self, now_ms: u64, event: Event, leaves: &impl LeafHashes) -> Vec<Action> {
        self.take_in(now_ms, event, leaves);
        self.conclude(now_ms, leaves)
    }

    /// Takes in what happened at `now_ms`. What follows from it, and from all else that was taken in since,
    /// [`conclude`](Self::conclude) tells, which walks over all logs and all partners: where much happens at once, once for all.
    pub fn take_in(&mut self, now_ms: u64, event: Event, leaves: &impl LeafHashes) {
        match event {
            Event::Opened { stream, peer, dialled } => {
                self.sessions.insert(stream, Session::new(stream, peer, dialled, now_ms));
            }
            Event::Closed { stream } => self.drop_session(stream),
            Event::Received { stream, frame } => {
                if let Err(fault) = self.receive(now_ms, stream, frame, leaves) {
                    if let Some(session) = self.sessions.get(&stream).filter(|_| fault != Fault::Replaced) {
                        self.suspects.insert(session.peer.clone(), now_ms.saturating_add(SUSPECT_MS));
                    }
                    self.close(stream, fault);
                }
            }
            Event::Stored { unit, size } => self.stored(now_ms, &unit, size, leaves),
            Event::Filled { unit, index, entry } => self.filled(&unit, index, &entry, leaves),
            Event::Rewound { unit, left } => {
                self.forget_repairs(&unit);
                self.rewound(now_ms, &unit, *left, leaves);
            }
            Event::Unreadable { unit, index } => self.unreadable(unit, index),
            Event::Repaired { unit, bundle, whole } => {
                self.repaired(now_ms, &unit, bundle, whole);
                if let Some(log) = self.logs.get_mut(&unit).filter(|log| whole && !log.rewinding) {
                    // What its leaves were needed for can be judged now.
                    log.meet(Size::ZERO, leaves);
                }
            }
            Event::OwnAppended { entries } => self.own_appended(entries),
            Event::Signed(signed) => self.signed(now_ms, signed, leaves),
            Event::Cosigned { unit, size, root, words } => {
                self.cosigned(now_ms, &unit, (size, root), words);
            }
            Event::HeadStored { unit, size } => self.head_stored(now_ms, &unit, size, leaves),
            Event::CharterBrought(charter) => self.charter_brought(*charter, leaves),
            Event::CharterStored { version } => self.charter_stored(version, leaves),
            Event::Folded { frontier, digest } => {
                self.list = Some((frontier, digest));
                for session in self.sessions.values_mut() {
                    let due = now_ms.saturating_add(LIST_TELL_MS);
                    session.digest_due = Some(session.digest_due.map_or(due, |old| old.min(due)));
                }
            }
            Event::Regained => self.regained(),
            Event::Damaged { reason } => self.halt(reason),
            Event::Tick => {}
        }
    }

    /// What is to be done after all that was taken in.
    pub fn conclude(&mut self, now_ms: u64, leaves: &impl LeafHashes) -> Vec<Action> {
        self.settle_forks(now_ms, leaves);
        self.schedule(now_ms);
        self.ask_for_repairs(now_ms);
        self.end_contradictions(now_ms);
        self.update_clock();
        self.settle_owed(leaves);
        self.advance_recovery();
        self.run_if_ready();
        self.settle(now_ms, leaves);
        self.admit_anew();
        self.adopt_if_due(now_ms);
        if self.standing_told != self.own.standing {
            self.standing_told = self.own.standing.clone();
            self.actions.push(Action::StandingChanged);
        }
        std::mem::take(&mut self.actions)
    }

    fn receive(&mut self, now_ms: u64, stream: StreamId, frame: Frame, leaves: &impl LeafHashes) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        session.heard_ms = now_ms;
        if session.contradicted.is_some() {
            self.on_contradicting(now_ms, stream, frame);
            return Ok(());
        }
        if session.hello.is_some() && !session.active {
            // Another stream took its place; what is still under way on it does not count.
            return Ok(());
        }
        match frame {
            Frame::Hello(hello) => self.on_hello(now_ms, stream, hello),
            _ if session.hello.is_none() => Err(Fault::NoHello),
            Frame::Heads(heads) => self.on_heads(now_ms, stream, heads, leaves),
            Frame::Want(want) => self.on_want(stream, want),
            Frame::Outline(outline) => self.on_outline(now_ms, stream, outline, leaves),
            Frame::Bundle(bundle) => self.on_bundle(now_ms, stream, bundle, leaves),
            Frame::Charter(note) => self.on_charter(now_ms, stream, &note, leaves),
            Frame::Fork(proof) => self.on_fork(now_ms, stream, &proof, leaves),
        }
    }

    /// Ends a stream because of a fault.
    pub(super) fn close(&mut self, stream: StreamId, fault: Fault) {
        self.drop_session(stream);
        self.actions.push(Action::Close { stream, fault });
    }

    fn drop_session(&mut self, stream: StreamId) {
        if let Some(session) = self.sessions.remove(&stream).filter(|session| session.active) {
            let Session { peer, heads, list, heard_ms, .. } = session;
            self.parted.insert(peer, Parted { heads, list, heard_ms });
        }
        self.pulls.retain(|_, pull| pull.stream != stream);
    }

    fn stored(&mut self, now_ms: u64, unit: &UnitId, size: Size, leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        // What is on its way to be cut back does not count any more.
        if !log.rewinding {
            log.durable = log.durable.max(size);
            log.unproven |= log.forked;
            // The roots below a full bundle are known only now that its leaves can be read.
            log.meet(Size::ZERO, leaves);
            if let Some(size) = log.newly_sure() {
                self.actions.push(Action::Certified { unit: unit.clone(), size });
            }
        }
        if let Some(bytes) = self.pulled_stored(unit, size) {
            self.unstored_bytes = self.unstored_bytes.saturating_sub(bytes);
        }
        self.soil_all(unit, now_ms.saturating_add(RELAY_AFTER_MS));
    }

    fn own_appended(&mut self, entries: Vec<Entry>) {
        self.shown_forks.extend(shown_in(&entries));
        let Some(log) = self.logs.get_mut(&self.setup.unit) else { return };
        let grown = log.replica.grow(&entries);
        if grown.is_some_and(|grown| log.take(entries, grown).is_ok()) {
            log.durable = log.replica.taken();
        }
    }

    fn signed(&mut self, now_ms: u64, signed: SignedCheckpoint, leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get_mut(&self.setup.unit) else { return };
        self.own.signing = false;
        self.own.signed = signed.checkpoint().size;
        self.own.signed_ms = now_ms;
        log.insert(Sighting::new(signed), leaves);
        let unit = self.setup.unit.clone();
        self.soil_all(&unit, now_ms);
    }

    fn cosigned(
        &mut self,
        now_ms: u64,
        unit: &UnitId,
        checkpoint: (Size, Hash),
        words: Vec<(VerifierKey, Cosignature)>,
    ) {
        let Some(log) = self.logs.get_mut(unit) else { return };
        log.cosigning = None;
        log.has_cosigned(checkpoint, &self.setup.unit, words);
        self.soil_all(unit, now_ms);
    }

    fn head_stored(&mut self, now_ms: u64, unit: &UnitId, size: Size, leaves: &impl LeafHashes) {
        let own = *unit == self.setup.unit;
        let Some(log) = self.logs.get_mut(unit) else { return };
        log.certified_stored(size, leaves);
        self.actions.push(Action::Certified { unit: unit.clone(), size });
        // The author tells everybody at once; others leave it the time to.
        let due = if own { now_ms } else { now_ms.saturating_add(RELAY_AFTER_MS) };
        self.soil_all(unit, due);
    }

    /// Tells every partner of a log, from `due_ms` on, if it is not known to know by then.
    pub(super) fn soil_all(&mut self, unit: &UnitId, due_ms: u64) {
        for session in self.sessions.values_mut().filter(|session| session.active) {
            session.soil(unit, due_ms);
            session.digest_due = Some(due_ms.saturating_add(QUIET_MS));
        }
    }

    pub(super) fn soil_others(&mut self, unit: &UnitId, but: StreamId, now_ms: u64) {
        let due = now_ms.saturating_add(RELAY_AFTER_MS);
        for session in self.sessions.values_mut().filter(|session| session.active && session.stream != but) {
            session.soil(unit, due);
        }
    }

    fn update_clock(&mut self) {
        let active = self.sessions.values().filter(|session| session.active);
        let ahead: Vec<i64> = active.map(|session| session.clock_ahead_ms).collect();
        // A clock that was found wrong stays so until some partner says otherwise.
        if !ahead.is_empty() {
            self.clock_off_ms = own::clock_off(ahead);
        }
    }

    /// Does whatever has become possible: certify, cosign, sign.
    fn settle(&mut self, now_ms: u64, leaves: &impl LeafHashes) {
        let (may_sign, may_cosign) = match self.clock_off_ms {
            None => (self.own.standing == Standing::Running, self.own.standing.cosigns()),
            Some(_) => (false, false),
        };
        let readable: BTreeSet<UnitId> =
            self.logs.keys().filter(|unit| self.reads_all_of(unit).is_some()).cloned().collect();
        for (unit, log) in &mut self.logs {
            if log.certifying.is_none()
                && let Some(head) = log.to_certify()
            {
                let size = head.checkpoint().size;
                let (note, bridge) = (head.to_note(), log.eras.is_bridge(size));
                self.actions.push(Action::StoreHead { unit: unit.clone(), size, note, bridge });
                log.certifying = Some(size);
            }
            if *unit != self.setup.unit {
                if may_cosign
                    && readable.contains(unit)
                    && let Some((checkpoint, keys)) = log.to_cosign(now_ms, &self.setup.unit)
                {
                    log.cosigning = Some(checkpoint.size);
                    self.actions.push(Action::Cosign { unit: unit.clone(), checkpoint, keys });
                }
                continue;
            }
            // Until a bridge is certified it is the largest that is signed, however long that takes.
            let taken = log.replica.taken();
            let size = log.eras.limit().map_or(taken, |limit| limit.min(taken));
            if may_sign
                && !log.forked
                && !log.is_stopped()
                && self.own.may_sign(size, log.certified_size(), now_ms).is_some()
                && let Some(key) = log.eras.log_key(size).cloned()
                && let Some(root) = log.replica.root_at(size, leaves)
            {
                self.own.signing = true;
                let checkpoint = Checkpoint { origin: key.name().clone(), size, root };
                self.actions.push(Action::Sign { checkpoint, key });
            }
        }
    }

    /// Whether the node signs.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.own.standing
    }

    /// How far the clock is off the partners' median, milliseconds, if that is too far to sign.
    #[must_use]
    pub const fn clock_off_ms(&self) -> Option<i64> {
        self.clock_off_ms
    }

    /// Whether the own log takes only the `Adopt` now: it is to go on from a base, or was stopped for a charter that says so.
    #[must_use]
    pub fn waits_at_base(&self) -> Option<()> {
        let log = self.logs.get(&self.setup.unit)?;
        (log.eras.pending_base().is_some() || log.is_stopped()).then_some(())
    }

    /// The time that the next own entry's header carries: `max(last, now)`.
    #[must_use]
    pub fn next_time_ms(&self, now_ms: u64) -> u64 {
        self.logs.get(&self.setup.unit).map_or(now_ms, |log| log.replica.last_time_ms().max(now_ms))
    }

    /// The end of the own log as it was taken: its size, the leaf hashes of its last, partial bundle, and its latest time.
    #[must_use]
    pub fn own_end(&self) -> (Size, Vec<Hash>, u64) {
        let log = self.logs.get(&self.setup.unit).map(|log| &log.replica);
        log.map_or((Size::ZERO, Vec::new(), 0), |own| (own.taken(), own.tail().to_vec(), own.last_time_ms()))
    }

    /// Whether every log is held, complete, as far as any partner shows it; nothing if it is not, or if there are partners and
    /// none has answered.
    #[must_use]
    pub fn caught_up(&self) -> Option<()> {
        let mut heard = self.sessions.values().filter(|session| session.active && session.answered).peekable();
        if self.logs.len() > 1 {
            heard.peek()?;
        }
        let held = |unit: &UnitId, shown: Size| self.logs.get(unit).is_none_or(|log| log.complete() >= shown);
        let whole = self.repairs.is_empty();
        (whole && heard.all(|session| self.logs.keys().all(|unit| held(unit, session.holds(unit))))).then_some(())
    }

    /// Every log.
    pub fn logs(&self) -> impl Iterator<Item = LogView> + '_ {
        self.logs.values().map(view)
    }

    /// One log.
    #[must_use]
    pub fn log(&self, unit: &UnitId) -> Option<LogView> {
        self.logs.get(unit).map(view)
    }

    /// Proves that a unit's log of `size` entries has the entry `index`; nothing if it was not taken so far, or the leaf
    /// hashes cannot be read. Reads those of two bundles at the most.
    pub fn inclusion(&self, unit: &UnitId, index: u64, size: Size, leaves: &impl LeafHashes) -> Option<Vec<Hash>> {
        self.logs.get(unit)?.replica.inclusion(index, size, leaves)
    }

    /// Proves that a unit's log of `new` entries extends that of `old`; nothing if it was not taken so far, `old` is the
    /// larger, or the leaf hashes cannot be read. Reads those of two bundles at the most.
    pub fn consistency(&self, unit: &UnitId, old: Size, new: Size, leaves: &impl LeafHashes) -> Option<Vec<Hash>> {
        self.logs.get(unit)?.replica.consistency(old, new, leaves)
    }

    /// The root of a unit's log at a size; nothing if it was not taken so far, or the leaf hashes cannot be read.
    pub fn root_at(&self, unit: &UnitId, size: Size, leaves: &impl LeafHashes) -> Option<Hash> {
        let replica = &self.logs.get(unit)?.replica;
        if size > replica.taken() { None } else { replica.root_at(size, leaves) }
    }

    /// Every partner.
    pub fn peers(&self) -> impl Iterator<Item = PeerView> + '_ {
        self.partners().into_iter().map(|unit| self.peer(&unit))
    }

    /// Whether a stream to a partner stands.
    #[must_use]
    pub fn connected(&self, unit: &UnitId) -> Option<()> {
        self.sessions.values().find(|session| session.active && session.peer == *unit).map(|_| ())
    }

    fn peer(&self, unit: &UnitId) -> PeerView {
        let session = self.sessions.values().find(|session| session.active && session.peer == *unit);
        // Once its stream has ended, what was known last.
        let known = match session {
            Some(session) => Some((&session.heads, session.list, session.heard_ms)),
            None => self.parted.get(unit).map(|parted| (&parted.heads, parted.list, parted.heard_ms)),
        };
        let lacks = |heads: &BTreeMap<UnitId, PeerHead>, log: &Log| {
            let held = heads.get(&log.unit).map_or(Size::ZERO, |head| head.certified.max(head.newest));
            log.certified_size().beyond(held)
        };
        let behind =
            known.map_or(0, |(heads, ..)| self.logs.values().map(|log| lacks(heads, log)).fold(0, u64::saturating_add));
        PeerView {
            unit: unit.clone(),
            connected: session.is_some(),
            behind,
            list: known.and_then(|(_, list, _)| list),
            heard_ms: known.map_or(0, |(.., heard_ms)| heard_ms),
            clock_ahead_ms: session.map_or(0, |session| session.clock_ahead_ms),
        }
    }
}

/// What was known of a partner when its last stream ended.
#[derive(Debug)]
struct Parted {
    /// What it held.
    heads: BTreeMap<UnitId, PeerHead>,
    /// Its frontier's and its list's digest.
    list: Option<(Hash, Hash)>,
    /// When it was last heard of, Unix milliseconds.
    heard_ms: u64,
}

fn view(log: &Log) -> LogView {
    let shown = |head: &Sighting| Some(head.under(&log.eras.shown_under(head.checkpoint().size)?.keys));
    LogView {
        unit: log.unit.clone(),
        charter: log.eras.shown_under(log.certified_size()).map_or(0, |era| era.version),
        charter_digest: log.eras.shown_under(log.certified_size()).map(|era| era.digest),
        size: log.durable,
        complete: log.complete(),
        certified: log.certified.as_ref().and_then(shown),
        newest: log.newest_held().and_then(shown),
        cosigners: log.cosigners(),
        fork: log.proof.clone(),
        past_fork: log.past_fork.clone(),
        cosigned_both: log.cosigned_both(),
    }
}

/// Fills a log with what was stored, and holds stored checkpoints against stored entries.
fn restore(log: &mut Log, own: &UnitId, state: Restored, leaves: &impl LeafHashes) -> Result<(), String> {
    let unit = log.unit.clone();
    let broken = |what: &str| format!("the database holds of the log of {unit} {what}");
    log.replica
        .restore(state.level1, &state.tail, (state.last_time_ms, state.time_goes_back), state.gaps, state.missing)
        .ok_or_else(|| broken("no tree"))?;
    log.durable = log.replica.taken();
    for (index, adoption) in state.adopts {
        log.eras.found(index, adoption);
    }
    log.meet_bases(leaves);
    if let Some(due) = log.eras.pending_base() {
        log.bind(due.base.size, due.base.root, leaves);
    }
    // Nothing is certified beyond a bridge before that is.
    if let Some(note) = &state.certified {
        log.eras.settle(size_of(note).unwrap_or_default());
    }
    if let Some(note) = &state.bridge {
        let bridge = Sighting::read(note, &log.eras);
        log.bridge = Some(bridge.map_err(|fault| broken(&format!("a bridge that does not verify: {fault}")))?);
    }
    let proof = state.fork.as_deref().and_then(|proof| wire::ForkProof::decode(proof).ok());
    let proof = proof.and_then(|proof| ForkProof::read(&proof, &unit, &log.eras.signers()).ok());
    // One that was made under a log key that was replaced says nothing about this one.
    let (proof, past) = match proof {
        Some(proof) if log.eras.may_fork(proof.larger().signed().key()) => (Some(proof), None),
        past => (None, past),
    };
    (log.past_fork, log.stopped) = (past, state.stopped);
    for note in state.certified.iter().chain(&state.newest) {
        let learnt = log.learn(note, leaves);
        learnt.map_err(|fault| broken(&format!("a checkpoint that does not verify: {fault}")))?;
        if log.forked && (proof.is_none() || state.certified.as_ref() == Some(note)) {
            return Err(broken("entries that are not those under its checkpoint"));
        }
    }
    if let Some(note) = &state.certified {
        let (size, _, _) = log.learn(note, leaves).map_err(|fault| broken(&fault.to_string()))?;
        if size > log.durable {
            return Err(broken(&format!("{} entries, fewer than its certified checkpoint's {size}", log.durable)));
        }
        log.certified_stored(size, leaves);
    }
    if let Some(proof) = proof {
        log.proof_kept = Some(proof.cosigned_both().len());
        log.take_proof(proof, leaves);
    }
    if let Some((size, root, cosignature)) = state.cosigned {
        log.bind(size, root, leaves);
        let key = log.own_key_of((size, root), own, &cosignature);
        log.has_cosigned((size, root), own, key.map(|key| (key, cosignature)).into_iter().collect());
    }
    if let Some((size, root)) = state.bound {
        log.bind(size, root, leaves);
    }
    // Either may reach beyond what the store still has. A log that forked may have been cut back to what was certified; and
    // where what is stored stands under a checkpoint that reaches as far, it is another branch that was cosigned.
    let held = log.held_at().map_or(Size::ZERO, |(size, _)| size);
    let another = log.bound.is_some_and(|bound| bound.size <= held);
    if log.forked && log.proof.is_none() && !another {
        return Err(broken("entries that are not those that this node cosigned"));
    }
    Ok(())
}

//! Charters on the way from node to node, and the taking up of a new one.
//!
//! `Hello` names the newest version that a node has durable. Whoever holds later ones sends them in order, each in a frame of
//! its own, before anything else. A version is verified under those before it, stored, and from then on governs: greetings
//! name it, its new units' logs are followed, and [`Action::Admit`](super::Action::Admit) tells the node whose certificates
//! count. The units of older versions stay admitted until the logs of all units that remain have their bridge.
//!
//! A text that does not verify, or that stands beside another one of the same version, is kept as evidence
//! ([`Action::Evidence`](super::Action::Evidence)) and the stream that brought it ends. One that makes a log go on from a
//! [base](super::bases) is taken up by starting anew.
//!
//! A unit takes a new version up in its own log ([`Action::Adopt`](super::Action::Adopt)) when as many of the version's
//! other units as its quorum asks for have named it, or a later one, in a greeting, and no earlier turn waits for its bridge.
//! It goes to the newest version at once, whatever versions lie between, unless one of those has a base further on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Fault;
use super::engine::Engine;
use super::eras::{Era, Eras};
use super::event::{Action, LeafHashes, StreamId};
use super::frame::HelloFrame;
use super::log::Log;
use super::own::Standing;
use crate::charter::{Charter, CharterError, UnverifiedCharter};
use crate::ids::{Size, UnitId};
use crate::wire;

/// How long an `Adopt` that was asked for may stay away before it is asked for again, milliseconds.
const ADOPT_AGAIN_MS: u64 = 10_000;

impl Engine {
    /// A partner names the newest charter that it holds.
    pub(super) fn compare_charters(&mut self, stream: StreamId, hello: &HelloFrame) -> Result<(), Fault> {
        let fault = Fault::Charter { version: hello.charter_version };
        let Ok(version) = u32::try_from(hello.charter_version) else { return Err(fault) };
        let newest = self.setup.charters.newest().version();
        match self.setup.charters.version(version) {
            Some(held) if held.digest() == hello.charter_digest => {}
            None if version > newest => {}
            _ => return Err(fault),
        }
        let Some(session) = self.sessions.get_mut(&stream) else { return Ok(()) };
        if session.charter != version {
            // Keys of a version that it did not know meant nothing to it: it is told everything again.
            for head in session.heads.values_mut() {
                head.forget_cosigners();
            }
            if session.charter != 0 {
                session.full_due = Some(None);
            }
        }
        (session.charter, session.charter_sent) = (version, session.charter_sent.max(version));
        let peer = session.peer.clone();
        if version <= newest {
            let holds = self.charter_holders.entry(peer).or_default();
            *holds = version.max(*holds);
        }
        Ok(())
    }

    /// The next version that a partner lacks.
    pub(super) fn compose_charter(&mut self, stream: StreamId) -> Option<wire::Frame> {
        let session = self.sessions.get_mut(&stream)?;
        session.hello.as_ref()?;
        let next = session.charter_sent.checked_add(1)?;
        let charter = self.setup.charters.version(next)?;
        session.charter_sent = next;
        let charter = wire::Charter { note: charter.note().to_vec() };
        Some(wire::Frame { frame: Some(wire::frame::Frame::Charter(charter)) })
    }

    /// A partner sends a charter.
    pub(super) fn on_charter(
        &mut self,
        now_ms: u64,
        stream: StreamId,
        note: &[u8],
        leaves: &impl LeafHashes,
    ) -> Result<(), Fault> {
        let Some(peer) = self.sessions.get(&stream).map(|session| session.peer.clone()) else { return Ok(()) };
        let (version, verified) = self.verify_charter(note);
        match verified {
            Ok(Some(charter)) => {
                let brought = self.bring_charter(charter, leaves);
                if let Err(Fault::BadCharter { reason, .. }) = &brought {
                    let (note, reason) = (note.to_vec(), reason.clone());
                    self.actions.push(Action::Evidence { from: peer, note, reason });
                }
                brought
            }
            Ok(None) => Ok(()),
            Err(Refused::Gap) => Err(Fault::NotWanted("a charter far ahead")),
            Err(Refused::Other) => {
                self.keep_contradiction(peer, note.to_vec());
                self.contradict(now_ms, stream, version.into(), true)
            }
            Err(Refused::Broken(reason)) => {
                self.actions.push(Action::Evidence { from: peer, note: note.to_vec(), reason: reason.clone() });
                Err(Fault::BadCharter { version, reason })
            }
        }
    }

    /// What a charter that came from somewhere is: the version after the newest, or nothing new.
    fn verify_charter(&self, note: &[u8]) -> (u32, Result<Option<Charter>, Refused>) {
        let broken = |error: CharterError| Refused::Broken(error.to_string());
        let charter = match UnverifiedCharter::parse(note) {
            Ok(charter) => charter,
            Err(error) => return (0, Err(broken(error))),
        };
        let version = charter.terms().version;
        let newest = self.received.newest().version();
        let verified = match self.received.version(version) {
            Some(held) if held.digest() == charter.digest() => Ok(None),
            Some(_) => Err(Refused::Other),
            None if newest.checked_add(1) != Some(version) => Err(Refused::Gap),
            None => self.received.verify(charter).map(Some).map_err(broken),
        };
        (version, verified)
    }

    /// A charter that counts: it is stored before it governs.
    pub(super) fn bring_charter(&mut self, charter: Charter, leaves: &impl LeafHashes) -> Result<(), Fault> {
        let (version, note) = (charter.version(), charter.note().to_vec());
        self.check_bases(&charter, leaves).map_err(|reason| Fault::BadCharter { version, reason })?;
        self.received.push(charter).map_err(|error| Fault::BadCharter { version, reason: error.to_string() })?;
        self.actions.push(Action::StoreCharter { version, note });
        Ok(())
    }

    /// A charter that people brought counts like one that a partner sent.
    pub(super) fn charter_brought(&mut self, charter: Charter, leaves: &impl LeafHashes) {
        if self.received.version(charter.version()).is_none() {
            // Whoever brought it has verified it under the same versions, or it is refused here.
            _ = self.bring_charter(charter, leaves);
        }
    }

    /// A charter is durable: it governs.
    pub(super) fn charter_stored(&mut self, version: u32, leaves: &impl LeafHashes) {
        let Some(charter) = self.received.version(version).map(Arc::clone) else { return };
        if charter.units().values().any(|unit| unit.base.is_some()) {
            // What this node signed and cosigned beyond the base is replaced first, on its disks.
            self.halt(format!("version {version} of the charter makes a log go on from a base"));
            return;
        }
        if self.setup.charters.push(charter.as_ref().clone()).is_err() {
            return;
        }
        for log in self.logs.values_mut() {
            log.take_up(&self.setup.charters, leaves);
        }
        for unit in charter.units().keys() {
            if !self.logs.contains_key(unit)
                && let Some(eras) = Eras::new(&self.setup.charters, unit)
            {
                self.logs.insert(unit.clone(), Log::new(unit.clone(), eras));
            }
        }
        for session in self.sessions.values_mut() {
            session.hello_due_ms = 0;
            session.full_due = session.active.then_some(None);
            for head in session.heads.values_mut() {
                head.forget_cosigners();
            }
            if let Some(hello) = &session.hello
                && u64::from(version) == hello.charter_version
                && hello.charter_digest == charter.digest()
            {
                self.charter_holders.insert(session.peer.clone(), version);
            }
        }
        self.admit_anew();
    }

    /// From which version on units are admitted: the one that the log of some unit which remains is still in.
    #[must_use]
    pub fn admitted_from(&self) -> u32 {
        let newest = self.setup.charters.newest();
        let first = |era: &Era| if era.earlier { 1 } else { era.version };
        let era = |unit: &UnitId| Some(first(self.logs.get(unit)?.eras.current()?));
        newest.units().keys().filter_map(era).min().unwrap_or_else(|| newest.version())
    }

    /// The units of all versions that are admitted, but the own.
    pub(super) fn partners(&self) -> BTreeSet<UnitId> {
        let from = self.admitted_from();
        let versions = self.setup.charters.versions().filter(|charter| charter.version() >= from);
        let units = versions.flat_map(|charter| charter.units().keys().cloned());
        units.filter(|unit| *unit != self.setup.unit).collect()
    }

    /// Tells the node whose certificates count, where that has changed; ends the logs of units that left.
    pub(super) fn admit_anew(&mut self) {
        let from = self.admitted_from();
        if self.admitted == Some((from, self.setup.charters.newest().version())) {
            return;
        }
        self.admitted = Some((from, self.setup.charters.newest().version()));
        for log in self.logs.values_mut() {
            // Whoever remains has its bridge: nobody cosigns any more by a charter that lists a unit which left.
            log.ended = self.setup.charters.left(&log.unit).is_some_and(|left| left <= from);
        }
        self.actions.push(Action::Admit { from });
    }

    /// Asks for the own log's `Adopt` of the newest charter, when enough hold it.
    pub(super) fn adopt_if_due(&mut self, now_ms: u64) {
        let newest = self.setup.charters.newest();
        let Some(log) = self.logs.get(&self.setup.unit) else { return };
        let taken = log.replica.taken();
        // At a base nothing may stand before the `Adopt`.
        let at_base = log.eras.pending_base().map(|due| due.base.size == taken);
        let free = at_base.unwrap_or_else(|| taken > Size::ZERO && log.eras.limit().is_none() && !log.is_stopped());
        let behind = log.eras.adopted().is_some_and(|era| era.earlier || era.version < newest.version());
        let ready = self.own.standing == Standing::Running && self.clock_off_ms.is_none() && free;
        if newest.unit(&self.setup.unit).is_none() || !behind || !ready || now_ms < self.own.adopt_again_ms {
            return;
        }
        let holds = |(unit, version): &(&UnitId, &u32)| {
            **version >= newest.version() && **unit != self.setup.unit && newest.unit(unit).is_some()
        };
        if self.charter_holders.iter().filter(holds).count() < newest.quorum().needed() {
            return;
        }
        let Some(adoption) = log.eras.next_adoption() else { return };
        self.own.adopt_again_ms = now_ms.saturating_add(ADOPT_AGAIN_MS);
        self.actions.push(Action::Adopt(adoption));
    }
}

/// Why a charter that came is not taken.
enum Refused {
    /// Another text of that version is held.
    Other,
    /// It does not count.
    Broken(String),
    /// Versions before it are not held.
    Gap,
}

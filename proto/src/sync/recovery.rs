//! Recovery: a node that does not know what it signed asks its partners, fetches that, and only then signs again
//! (design section 5).
//!
//! First it is *rebuilding*. Each partner's first full account on a stream is its answer. For each log the node is bound by
//! the largest checkpoint that any answer shows: whoever shows one holds it whole, so whatever that partner cosigned is
//! below it or is it; and by its own cosignatures, whoever shows them. The node cosigns a log again once `m - q + f + 1` units have answered (its author counted unless that
//! is itself recovering): they share an honest unit with the cosigners of anything certified, and with those who were shown
//! this node's own cosignature. Answers of nodes that are rebuilding do not count, unless all have answered: so a network
//! whose nodes all recover at once is not stuck. When that holds for every log, and every log is held as far as it binds,
//! the node tells all partners that it rebuilds no more, and both sides give a full account again.
//!
//! Then it is *regaining* its own log: it cosigns, and signs its own log once all others have answered since; or at once, where
//! a charter gives it a new log key and a base, which it holds: with that key it has signed nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use super::eras::Era;
use super::event::{Action, LeafHashes};
use super::log::Log;
use super::own::{self, Stage, Standing};
use super::peer::Session;
use crate::hash::Hash;
use crate::ids::{Size, UnitId};

/// What partners have answered since the recovery, or its last stage, began.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    answers: BTreeMap<UnitId, Answer>,
    /// Whether what was found out is on its way to the journal.
    regaining: bool,
}

/// What a partner's answer counts for.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// It rebuilds itself: it counts only where all answer.
    rebuilding: bool,
    /// It does not know what it signed: it does not count as the author of its own log.
    recovering: bool,
}

impl Engine {
    /// Something shows that the journal does not know all that was signed: in the log of another unit a checkpoint that this node
    /// cosigned (`shown`), or something else.
    pub(super) fn recover(&mut self, reason: String, shown: Option<(UnitId, Size, Hash)>, leaves: &impl LeafHashes) {
        if self.own.standing.recovers() {
            return;
        }
        self.actions.push(Action::Lose { reason: reason.clone(), shown });
        if self.own.ran {
            // Own entries may be on their way to a log that is another one by now. A start begins with none.
            self.halt(format!("{reason}. It must be started again, and then asks its partners"));
            return;
        }
        self.begin_recovery(reason);
        let heard: Vec<_> = self.sessions.values().filter(|session| session.active && session.answered).collect();
        let at = |session: &Session, log: &Log| {
            let head = log.at(session.holds(&log.unit))?.checkpoint();
            Some((log.unit.clone(), (head.size, head.root)))
        };
        let shown: Vec<_> =
            heard.iter().flat_map(|session| self.logs.values().filter_map(move |log| at(session, log))).collect();
        self.recovery.answers = heard
            .iter()
            .filter_map(|session| {
                let hello = session.hello.as_ref()?;
                Some((session.peer.clone(), Answer { rebuilding: hello.rebuilding, recovering: hello.recovering }))
            })
            .collect();
        for (unit, at) in shown {
            self.bind(&unit, at, leaves);
        }
    }

    pub(super) fn begin_recovery(&mut self, reason: String) {
        let stage = Stage::Rebuilding { open: self.logs.keys().cloned().collect(), answered: BTreeSet::new() };
        self.own.standing = Standing::Recovering { reason, stage };
        self.recovery = Recovery::default();
    }

    /// The node signs nothing more until it is started again.
    pub(super) fn halt(&mut self, reason: String) {
        self.own.standing = Standing::Recovering { reason, stage: Stage::Halted };
    }

    /// Begins to sign if that may be.
    pub(super) fn run_if_ready(&mut self) {
        let Some(log) = self.logs.get(&self.setup.unit) else { return };
        self.own.run_if_ready(|answered| own::started(log, answered));
    }

    /// A partner has given a full account.
    pub(super) fn answered(&mut self, peer: &UnitId, rebuilding: bool, recovering: bool) {
        if !rebuilding {
            self.own.answer(peer);
        }
        if self.own.standing.recovers() {
            self.recovery.answers.insert(peer.clone(), Answer { rebuilding, recovering });
        }
    }

    /// A partner shows that it holds a checkpoint: what this node cosigns from now on must extend it.
    pub(super) fn bind(&mut self, unit: &UnitId, (size, root): (Size, Hash), leaves: &impl LeafHashes) {
        let Some(log) = self.logs.get_mut(unit).filter(|_| self.own.standing.recovers()) else { return };
        if log.find(size, root).is_some() {
            log.bind(size, root, leaves);
        }
    }

    /// Goes on to the next stage if everything for it is there.
    pub(super) fn advance_recovery(&mut self) {
        let others = self.partners().len();
        let Standing::Recovering { reason, stage } = &self.own.standing else { return };
        let reason = reason.clone();
        let stage = match stage {
            Stage::Halted => return,
            Stage::Rebuilding { .. } => {
                let open: BTreeSet<UnitId> =
                    self.logs.values().filter(|log| !self.known_again(log)).map(|log| log.unit.clone()).collect();
                if open.is_empty() {
                    self.stop_rebuilding();
                    Stage::Regaining { needed: others, answered: BTreeSet::new() }
                } else {
                    Stage::Rebuilding { open, answered: self.recovery.answers.keys().cloned().collect() }
                }
            }
            Stage::Regaining { .. } => {
                let answers = self.recovery.answers.iter().filter(|(_, answer)| !answer.rebuilding);
                let answered: BTreeSet<UnitId> = answers.map(|(unit, _)| unit.clone()).collect();
                // Under a new key nothing was signed: the base says where it goes on.
                let own = self.logs.get(&self.setup.unit);
                let fresh = self.own.rekeyed && own.is_some_and(|log| log.eras.goes_on_under_new_key());
                if (fresh || answered.len() >= others) && !self.recovery.regaining {
                    self.regain();
                }
                Stage::Regaining { needed: others, answered }
            }
        };
        self.own.standing = Standing::Recovering { reason, stage };
    }

    /// Whether enough have answered for a log, and it is held as far as that binds.
    fn known_again(&self, log: &Log) -> bool {
        // Nobody cosigns a log that forked.
        log.forked || self.enough_answers(log) && log.is_held_as_bound()
    }

    fn enough_answers(&self, log: &Log) -> bool {
        if log.unit == self.setup.unit {
            // It waits for all answers, later.
            return true;
        }
        let counts =
            |(unit, answer): &(&UnitId, &Answer)| !(answer.rebuilding || answer.recovering && **unit == log.unit);
        let known: Vec<&UnitId> = self.recovery.answers.iter().filter(counts).map(|(unit, _)| unit).collect();
        // By the charter that the log is in, and by each later one: whichever certified the newest.
        let enough = |era: &Era| {
            let holds = |unit: &&&UnitId| **unit == &log.unit || era.keys.mirrors.contains_key(**unit);
            known.iter().filter(holds).count() >= era.keys.quorum.answers_to_recover()
        };
        log.eras.current_and_later().all(enough)
            || self.partners().iter().all(|unit| self.recovery.answers.contains_key(unit))
    }

    /// Tells all partners, which answer anew.
    fn stop_rebuilding(&mut self) {
        self.recovery = Recovery::default();
        for session in self.sessions.values_mut().filter(|session| session.active) {
            session.hello_due_ms = 0;
            session.full_due = Some(None);
        }
    }

    /// Has it journalled how far the own log goes, if the store holds all that any partner showed of it.
    fn regain(&mut self) {
        let Some(log) = self.logs.get(&self.setup.unit) else { return };
        let taken = log.replica.taken();
        if log.forked || !log.is_held_as_bound() || log.durable < taken || log.complete() < taken {
            return;
        }
        let signed = log.bound.as_ref().map(|bound| (bound.size, bound.root));
        let others = self.logs.values().filter(|log| log.unit != self.setup.unit);
        let bounds = others.filter_map(|log| {
            let bound = log.bound.as_ref()?;
            Some((log.unit.clone(), bound.size, bound.root))
        });
        self.actions.push(Action::Regain { size: taken, signed, bounds: bounds.collect() });
        self.recovery.regaining = true;
    }

    /// The journal knows again how far the own log was signed.
    pub(super) fn regained(&mut self) {
        if !self.own.standing.recovers() {
            return;
        }
        let bound = self.logs.get(&self.setup.unit).and_then(|log| log.bound.as_ref());
        self.own.signed = self.own.signed.max(bound.map_or(Size::ZERO, |bound| bound.size));
        (self.own.standing, self.own.ran) = (Standing::Running, true);
    }

    /// Puts back what the journal has of the own log once partners have given what is before it.
    pub(super) fn settle_owed(&mut self, leaves: &impl LeafHashes) {
        if self.own.standing.recovers() || self.pulls.contains_key(&self.setup.unit) {
            return;
        }
        let Some(log) = self.logs.get_mut(&self.setup.unit) else { return };
        let Some(owed) = &mut self.own.owed else { return };
        let taken = log.replica.taken();
        if taken < owed.first || log.durable < taken {
            return;
        }
        let known = usize::try_from(taken.beyond(owed.first)).unwrap_or(usize::MAX);
        let rest: Vec<_> = owed.entries.drain(..).skip(known).collect();
        if rest.is_empty() {
            let signed = owed.signed;
            self.own.owed = None;
            let other =
                signed.is_some_and(|(size, root)| log.replica.root_at(size, leaves).is_none_or(|own| own != root));
            if other {
                let words = "partners hold other entries of this unit's log than its journal: a second node signs with this unit's keys";
                self.actions.push(Action::Lose { reason: words.into(), shown: None });
                self.halt(words.into());
            }
            return;
        }
        owed.first = taken;
        let Some(grown) = log.replica.grow(&rest) else { return };
        if let Ok(run) = log.take(rest, grown) {
            log.meet(taken, leaves);
            self.actions.push(Action::Store { run, newest: None });
        }
    }
}

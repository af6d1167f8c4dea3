//! What an operation and its steps need: refused with the reason before they are signed, by the same rules by which
//! everybody will judge them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::operation::{Further, frozen_digest, referrals};
use entente_proto::record;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    AgainstKind, Board, BoardTarget, BoardUnit, Operation, OperationAssign, OperationFreeze, OperationGo,
    OperationReady, OperationStep, Part, Phase, RecordRef, StepFault,
};

use prost::Message as _;

use super::super::super::holds::holds;
use super::super::{Refusal, record_ref, refusal};
use super::against::way_past_objections;
use super::{At, Found};
use crate::list::Stored;

/// How many names a message has at most.
pub(super) const NAMED_MAX: usize = 5;

impl At<'_> {
    /// A new operation.
    pub(super) fn operation(&self, operation: &mut Operation) -> Result<Found, Refusal> {
        sort(&mut operation.invited);
        if self.again {
            return Ok(Found::default());
        }
        if operation.title.trim().is_empty() {
            return Err(refusal("title", "an operation has a title, by which people know it"));
        }
        self.units(&operation.invited)?;
        if operation.go_ms != 0 && operation.go_ms < self.judge.now_ms {
            return Err(refusal("past", "the moment planned has passed: give a later one, or none"));
        }
        let most = operation.invited.len() + 1;
        if operation.ready_quorum as usize > most {
            let words = format!("{} units cannot be ready where only {most} take part", operation.ready_quorum);
            return Err(refusal("ready", words));
        }
        let notices = self.targets(&operation.targets)?;
        Ok(Found { notices, ..Found::default() })
    }

    /// A step: what only the node knows is filled in, and then it is judged as everybody will judge it.
    pub(super) fn step(&self, said: &mut OperationStep) -> Result<Found, Refusal> {
        let of = self.named(said.operation.as_ref(), "a step names the operation that it belongs to")?;
        let step = said.step.as_mut().ok_or_else(|| refusal("empty", "the step says nothing"))?;
        if let Step::Executed(executed) = step {
            self.happened(&mut executed.at_ms)?;
        }
        if self.again {
            return Ok(Found::default());
        }
        if let Step::Executed(executed) = step {
            return self.executed(&*self.board_once(&of)?, executed);
        }
        let board = self.board(&of, None)?;
        self.may(&of, step)?;
        let notices = match step {
            Step::Invite(invite) => {
                sort(&mut invite.units);
                self.units(&invite.units)?;
                Vec::new()
            }
            Step::Add(list) => self.targets(&list.targets)?,
            Step::Freeze(freeze) => self.freeze(&of, &board, freeze)?,
            Step::Ready(ready) => self.ready(&board, ready)?,
            Step::Go(go) => self.go(&board, go)?,
            Step::Close(close) => self.close(&of, &board, close)?,
            Step::Assign(assign) => declined(&board, assign).into_iter().collect(),
            Step::Join(_) => joins_late(&board).into_iter().collect(),
            _ => Vec::new(),
        };
        self.judged(&of, step)?;
        says_something(&board, &self.core.unit, step)?;
        Ok(Found { notices, ..Found::default() })
    }

    /// Refuses at once what only the lead can do: another unit would be told what the lead has to do first.
    fn may(&self, of: &RecordId, step: &Step) -> Result<(), Refusal> {
        use Step::{Abort, Assign, Close, Freeze, Go, Invite};
        let of_lead = matches!(step, Invite(_) | Assign(_) | Freeze(_) | Go(_) | Abort(_) | Close(_));
        if of_lead && of.unit != self.core.unit {
            let words = format!("only {}, which leads {of}, can do that", of.unit);
            return Err(refusal(StepFault::NotLead.code(), words));
        }
        Ok(())
    }

    /// The board with the unit's own steps that are not yet certified, and one that is only thought of.
    fn board(&self, of: &RecordId, thought: Option<Further>) -> Result<Board, Refusal> {
        let mut further = self.own_steps(of)?;
        further.extend(thought);
        let board = self.state.fold.board(of, &Stored(&*self.core.store), &further);
        let board = board.map_err(|error| refusal("unreadable", error.to_string()))?;
        board.ok_or_else(|| {
            if self.state.pending.holds(of) {
                refusal("not-certified", format!("{of} is not yet certified: try again in a moment"))
            } else {
                refusal("not-an-operation", format!("{of} is no operation: `entente operation list` shows them"))
            }
        })
    }

    /// The board, made once for all reports of a call: the list does not change while they are judged.
    fn board_once(&self, of: &RecordId) -> Result<Arc<Board>, Refusal> {
        let mut boards = self.judge.boards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = boards.get(of) {
            return Ok(board.clone());
        }
        let board = Arc::new(self.board(of, None)?);
        boards.insert(of.clone(), board.clone());
        Ok(board)
    }

    fn own_steps(&self, of: &RecordId) -> Result<Vec<Further>, Refusal> {
        let mut steps = Vec::new();
        for index in self.state.pending.steps(&self.core.unit) {
            let id = self.own(index);
            let entry = self.core.store.entry(&id.unit, index);
            let entry = entry.map_err(|error| refusal("unreadable", error.to_string()))?;
            let said = entry.as_ref().and_then(|entry| record::parse(entry.header().kind, entry.payload()?).ok());
            if let (Some(entry), Some(Body::OperationStep(said))) = (entry, said.map(record::Statement::into_body))
                && said.operation == Some(record_ref(of))
                && let Some(step) = said.step
            {
                steps.push(Further { id, time_ms: entry.header().time_ms, step });
            }
        }
        Ok(steps)
    }

    /// Refuses what would have no effect.
    fn judged(&self, of: &RecordId, step: &Step) -> Result<(), Refusal> {
        let folded = self.state.folded.get(&self.core.unit).copied().unwrap_or_default();
        let next = self.state.pending.ends().get(&self.core.unit).copied().unwrap_or_default().max(folded);
        let id = self.own(next);
        let place = record_ref(&id);
        let board = self.board(of, Some(Further { id, time_ms: self.judge.now_ms, step: step.clone() }))?;
        let judged = board.steps.iter().find(|step| step.id.as_ref() == Some(&place));
        match judged.map(|step| step.fault()) {
            None | Some(StepFault::Unspecified) => Ok(()),
            Some(StepFault::NoQuorum) => Err(no_quorum(of, &board)),
            Some(fault) => Err(refusal(fault.code(), fault.words())),
        }
    }

    fn units(&self, invited: &[String]) -> Result<(), Refusal> {
        for name in invited {
            let unit: UnitId = name.parse().map_err(|error| refusal("unit", format!("{error}")))?;
            if unit == self.core.unit || self.core.log(&unit).is_none() {
                return Err(refusal("unit", format!("{unit} is not another unit of this network")));
            }
        }
        Ok(())
    }

    /// Referrals that may become targets: they stand, and are known here. Gives what an officer should know of them.
    fn targets(&self, lists: &[entente_proto::wire::Referrals]) -> Result<Vec<String>, Refusal> {
        let mut notices = Vec::new();
        for list in lists {
            let unit: UnitId = list.unit.parse().map_err(|error| refusal("record-id", format!("{error}")))?;
            for index in &list.indexes {
                let id = RecordId { unit: unit.clone(), index: *index };
                let target = self.state.fold.refers(&id).or_else(|| self.state.pending.refers(&id));
                let Some(target) = target else {
                    return Err(refusal(
                        "not-a-referral",
                        format!(
                            "{id} is no referral that stands, or is not known here: `entente show TARGET` tells the ids"
                        ),
                    ));
                };
                notices.extend(holds(self.state, target, false));
            }
        }
        Ok(clip(notices))
    }

    fn freeze(&self, of: &RecordId, board: &Board, freeze: &mut OperationFreeze) -> Result<Vec<String>, Refusal> {
        self.nothing_is_on_its_way(of)?;
        freeze.targets = referrals(board.targets.iter().filter_map(|target| target.referral.as_ref()));
        let digest = frozen_digest(&record_ref(of), &freeze.targets);
        freeze.digest = digest.0.to_vec();
        freeze.frontier.clone_from(&self.judge.frontier);
        let mut notices = vec![format!("fixes {} targets, digest {digest}", board.targets.len())];
        notices.extend(self.unreachable(board));
        let against = board.targets.iter().map(|target| (target, self.against(target, &BTreeSet::new())));
        let against = against.filter(|(_, why)| !why.is_empty());
        let words = |(target, why): (&BoardTarget, Vec<String>)| {
            format!("{} would be left out by a go now: {}", name(target), why.join(", "))
        };
        notices.extend(clip(against.map(words).collect()));
        Ok(notices)
    }

    /// A freeze names the targets that are known here. So it waits for what this unit said of them and the board has not:
    /// else a list that was added a moment ago would be left out without a word.
    fn nothing_is_on_its_way(&self, of: &RecordId) -> Result<(), Refusal> {
        let changes = |record: &bytes::Bytes| {
            let record = entente_proto::wire::Record::decode(record.as_ref()).ok();
            matches!(record.and_then(|record| record.body), Some(Body::OperationStep(step))
                if step.operation == Some(record_ref(of)) && matches!(step.step, Some(Step::Add(_) | Step::Remove(_))))
        };
        if self.core.all_waiting().iter().any(changes) {
            return Err(refusal(
                "waits",
                "targets that this unit added or took out wait to be signed: `entente waiting` lists them. Freeze when they \
                 stand in the log",
            ));
        }
        if self.core.list.seen() < self.core.own_size() {
            return Err(refusal(
                "waits",
                "this node has not yet read all that the unit entered: try again in a moment",
            ));
        }
        Ok(())
    }

    fn ready(&self, board: &Board, ready: &mut OperationReady) -> Result<Vec<String>, Refusal> {
        if ready.digest.is_empty() {
            let frozen = board.freeze.as_ref().map(|freeze| freeze.digest.clone());
            ready.digest = frozen.ok_or_else(|| refusal(StepFault::NotFrozen.code(), StepFault::NotFrozen.words()))?;
        }
        Ok(Vec::new())
    }

    fn go(&self, board: &Board, go: &mut OperationGo) -> Result<Vec<String>, Refusal> {
        if go.at_ms == 0 {
            go.at_ms = self.judge.now_ms;
        }
        if go.at_ms.saturating_add(super::kinds::AHEAD_MS) < self.judge.now_ms {
            return Err(refusal("past", "that moment has passed: give a later one, or none for now"));
        }
        let frozen = board.freeze.as_ref().map(|freeze| freeze.digest.clone()).unwrap_or_default();
        if frozen.is_empty() {
            return Err(refusal(StepFault::NotFrozen.code(), StepFault::NotFrozen.words()));
        }
        if go.digest.is_empty() {
            go.digest = frozen;
        }
        go.charter = self.core.charter().digest().0.to_vec();
        go.frontier.clone_from(&self.judge.frontier);
        let overrides: BTreeSet<(&str, u64)> = go.overrides.iter().map(|id| (id.unit.as_str(), id.index)).collect();
        self.overridden(board, &go.overrides)?;
        let named: BTreeSet<RecordId> = go
            .excluded
            .iter()
            .filter_map(|of| Some((of.unit.parse::<UnitId>().ok()?, &of.indexes)))
            .flat_map(|(unit, indexes)| indexes.iter().map(move |index| RecordId { unit: unit.clone(), index: *index }))
            .collect();
        let out = |target| {
            let mut why = self.against(target, &overrides);
            let id = target.referral.as_ref().and_then(|id| self.named(Some(id), "").ok());
            why.extend(id.filter(|id| named.contains(id)).map(|_| "left out by --without".to_owned()));
            (!why.is_empty()).then_some((target, why))
        };
        let left_out: Vec<(&BoardTarget, Vec<String>)> = board.targets.iter().filter_map(out).collect();
        if let Some(stray) = named.iter().find(|id| !left_out.iter().any(|(t, _)| t.referral == Some(record_ref(id)))) {
            return Err(refusal("not-frozen", format!("{stray} is not among the targets that are fixed")));
        }
        let reasons =
            || left_out.iter().map(|(target, why)| format!("{} is left out: {}", name(target), why.join(", ")));
        if left_out.len() == board.targets.len() {
            let reasons = clip(reasons().collect()).join("; ");
            let way = way_past_objections(board);
            return Err(refusal("nothing", format!("there is nothing to act on. {reasons}{way}")));
        }
        go.excluded = referrals(left_out.iter().filter_map(|(target, _)| target.referral.as_ref()));
        let mut notices = clip(reasons().collect());
        notices.extend(self.unreachable(board));
        Ok(notices)
    }

    /// Only an objection that stands can be overridden.
    fn overridden(&self, board: &Board, overrides: &[RecordRef]) -> Result<(), Refusal> {
        let objections = board.targets.iter().flat_map(|target| &target.against);
        let objections = objections.filter(|against| against.kind() == AgainstKind::Objection);
        let known: Vec<&RecordRef> = objections.filter_map(|against| against.id.as_ref()).collect();
        match overrides.iter().find(|id| !known.contains(id)) {
            Some(id) => Err(refusal(
                "not-an-objection",
                format!(
                    "{}/{} is no objection to a target of this operation; a hold cannot be overridden",
                    id.unit, id.index
                ),
            )),
            None => Ok(()),
        }
    }

    /// The units that take part or are asked, and cannot be reached now.
    fn unreachable(&self, board: &Board) -> Vec<String> {
        let away = |unit: &&BoardUnit| {
            let id = unit.unit.parse::<UnitId>().ok();
            id.is_some_and(|id| id != self.core.unit && !self.core.connected(&id)) && unit.part() != Part::Declined
        };
        let away: Vec<&str> = board.units.iter().filter(away).map(|unit| unit.unit.as_str()).collect();
        if away.is_empty() { Vec::new() } else { vec![format!("cannot be reached now: {}", away.join(" "))] }
    }
}

/// Refuses a step after which everything is as before: somebody pressed a key twice, or means another operation.
fn says_something(board: &Board, own: &UnitId, step: &Step) -> Result<(), Refusal> {
    let part = |name: &str| board.units.iter().find(|unit| unit.unit == name).map(|unit| unit.part());
    let on_board: BTreeSet<(&str, u64)> =
        board.targets.iter().filter_map(|t| t.referral.as_ref()).map(|id| (id.unit.as_str(), id.index)).collect();
    let named = |lists: &[entente_proto::wire::Referrals], there: bool| {
        let mut ids = lists.iter().flat_map(|of| of.indexes.iter().map(|index| (of.unit.as_str(), *index)));
        ids.all(|id| on_board.contains(&id) == there)
    };
    let words = match step {
        Step::Invite(invite) if invite.units.iter().all(|name| part(name).is_some()) => {
            "all of them are invited already"
        }
        Step::Join(_) if part(own.as_str()) == Some(Part::Joined) => "the unit takes part already",
        Step::Decline(_) if part(own.as_str()) == Some(Part::Declined) => "the unit has declined already",
        Step::Add(list) if named(&list.targets, true) => "all of them are among the targets already",
        Step::Remove(list) if named(&list.targets, false) => "none of them is among the targets",
        Step::Ready(_) if board.units.iter().any(|unit| unit.unit == own.as_str() && unit.ready.is_some()) => {
            "the unit has said already that it is ready for exactly these"
        }
        _ => return Ok(()),
    };
    Err(refusal("already", words))
}

/// Why fewer units are ready than must be, and what can be done.
fn no_quorum(of: &RecordId, board: &Board) -> Refusal {
    let (ready, others): (Vec<_>, Vec<_>) = board.units.iter().partition(|unit| unit.ready.is_some());
    let (declined, missing): (Vec<_>, Vec<_>) = others.into_iter().partition(|unit| unit.part() == Part::Declined);
    let names = |units: &[&BoardUnit]| units.iter().map(|unit| unit.unit.as_str()).collect::<Vec<_>>().join(" ");
    let mut words = format!("{} units must be ready, {} are", board.ready_quorum, ready.len());
    if !missing.is_empty() {
        words = format!("{words}. Not ready: {}", names(&missing));
    }
    if !declined.is_empty() {
        words = format!("{words}. Declined: {}", names(&declined));
    }
    if ready.len() + missing.len() < board.ready_quorum as usize {
        words = format!(
            "{words}. So there can be no go: `entente operation invite {of} UNIT` asks another unit, which joins and says \
             that it is ready, a unit that declined can join after all, and `entente operation abort {of}` calls it off"
        );
    }
    refusal(StepFault::NoQuorum.code(), words)
}

/// That a unit does not take part that is to act.
fn declined(board: &Board, assign: &OperationAssign) -> Option<String> {
    let unit = board.units.iter().find(|unit| unit.unit == assign.unit && unit.part() == Part::Declined)?;
    (!assign.targets.is_empty()).then(|| format!("{} has declined: it acts only if it joins after all", unit.unit))
}

/// That a unit joins when the lead has said go.
fn joins_late(board: &Board) -> Option<String> {
    match board.phase() {
        Phase::Gone => Some(
            "the lead has said go already, and did not count on this unit: agree with it before anybody acts"
                .to_owned(),
        ),
        Phase::Aborted => Some("the operation was called off: there is nothing to act on".to_owned()),
        _ => None,
    }
}

fn sort(units: &mut Vec<String>) {
    units.sort_unstable();
    units.dedup();
}

fn name(target: &BoardTarget) -> String {
    let id = target.referral.as_ref().map(|id| format!("{}/{}", id.unit, id.index)).unwrap_or_default();
    if target.target.is_empty() { id } else { format!("{} ({id})", target.target) }
}

/// The first of many notices, and how many more there are.
fn clip(mut notices: Vec<String>) -> Vec<String> {
    notices.dedup();
    let more = notices.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        notices.truncate(NAMED_MAX);
        notices.push(format!("and {more} more"));
    }
    notices
}

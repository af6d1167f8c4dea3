//! What an operation and its steps need: refused with the reason before they are signed, by the same rules by which
//! everybody will judge them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::operation::{Further, frozen_digest, referrals};
use entente_proto::record::{self, Target};
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::{
    AgainstKind, Board, BoardTarget, Operation, OperationClose, OperationExecuted, OperationFreeze, OperationGo,
    OperationReady, OperationStep, Part, RecordRef, StepFault,
};

use prost::Message as _;

use super::super::super::holds::holds;
use super::super::{Refusal, record_ref, refusal};
use super::{At, Found};
use crate::list::Stored;

/// How many names a message has at most.
const NAMED_MAX: usize = 5;

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
            Step::Close(close) => self.close(close)?,
            _ => Vec::new(),
        };
        self.judged(&of, step)?;
        says_something(&board, &self.core.unit, step)?;
        Ok(Found { notices, ..Found::default() })
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
            Some(StepFault::NoQuorum) => Err(self.no_quorum(&board)),
            Some(fault) => Err(refusal(fault.code(), fault.words())),
        }
    }

    fn no_quorum(&self, board: &Board) -> Refusal {
        let ready = board.units.iter().filter(|unit| unit.ready.is_some()).count();
        let missing = board.units.iter().filter(|unit| unit.ready.is_none() && unit.part() != Part::Declined);
        let missing: Vec<&str> = missing.map(|unit| unit.unit.as_str()).collect();
        let words =
            format!("{} units must be ready, {ready} are. Not ready: {}", board.ready_quorum, missing.join(" "));
        refusal(StepFault::NoQuorum.code(), words)
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
        let against = board.targets.iter().filter(|target| !self.stays(target, &BTreeSet::new()));
        notices.extend(clip(against.map(|target| format!("{} would be left out by a go now", name(target))).collect()));
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
        let out = |target: &&BoardTarget| {
            let id = target.referral.as_ref().and_then(|id| self.named(Some(id), "").ok());
            id.is_some_and(|id| named.contains(&id)) || !self.stays(target, &overrides)
        };
        let left_out: Vec<&BoardTarget> = board.targets.iter().filter(out).collect();
        if let Some(stray) = named.iter().find(|id| !left_out.iter().any(|t| t.referral == Some(record_ref(id)))) {
            return Err(refusal("not-frozen", format!("{stray} is not among the targets that are fixed")));
        }
        if left_out.len() == board.targets.len() {
            return Err(refusal("nothing", "every target would be left out: there is nothing to act on"));
        }
        go.excluded = referrals(left_out.iter().filter_map(|target| target.referral.as_ref()));
        let mut notices = clip(left_out.iter().map(|target| format!("{} is left out", name(target))).collect());
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

    /// Whether nothing speaks against a target that is not overridden: also what is not yet certified, and holds above and
    /// below it.
    fn stays(&self, target: &BoardTarget, overrides: &BTreeSet<(&str, u64)>) -> bool {
        let over = |id: &RecordRef| overrides.contains(&(id.unit.as_str(), id.index));
        let certified = target.against.iter().all(|against| {
            !against.stands || against.kind() == AgainstKind::Objection && against.id.as_ref().is_some_and(over)
        });
        let taken_back = target.referral.as_ref().and_then(|id| self.named(Some(id), "").ok());
        let taken_back = taken_back.is_some_and(|id| self.state.pending.withdrawn(&id.unit, id.index));
        let held = target.target.parse::<Target>().is_ok_and(|target| !holds(self.state, &target, false).is_empty());
        certified && !taken_back && !held
    }

    /// The units that take part or are asked, and cannot be reached now.
    fn unreachable(&self, board: &Board) -> Vec<String> {
        let away = |unit: &&entente_proto::wire::BoardUnit| {
            let id = unit.unit.parse::<UnitId>().ok();
            id.is_some_and(|id| id != self.core.unit && !self.core.connected(&id)) && unit.part() != Part::Declined
        };
        let away: Vec<&str> = board.units.iter().filter(away).map(|unit| unit.unit.as_str()).collect();
        if away.is_empty() { Vec::new() } else { vec![format!("cannot be reached now: {}", away.join(" "))] }
    }

    fn close(&self, close: &mut OperationClose) -> Result<Vec<String>, Refusal> {
        close.frontier.clone_from(&self.judge.frontier);
        Ok(Vec::new())
    }

    /// Reports may be many, so each is judged by one board.
    fn executed(&self, board: &Board, executed: &OperationExecuted) -> Result<Found, Refusal> {
        let on = self.named(executed.target.as_ref(), "a report names the referral on which the unit acted")?;
        let unit = board.units.iter().find(|unit| unit.unit == self.core.unit.as_str());
        let place = |target: &BoardTarget| {
            let id = target.referral.as_ref();
            id.map(|id| (id.unit.as_str(), id.index)).cmp(&Some((on.unit.as_str(), on.index)))
        };
        let target = board.targets.binary_search_by(place).ok();
        let target = target.and_then(|at| board.targets.get(at));
        let closed = board.phase() == entente_proto::wire::Phase::Closed;
        let fault = match unit.map(|unit| unit.part()) {
            None => StepFault::NotInvited,
            _ if closed => StepFault::Closed,
            Some(Part::Invited | Part::Declined) => StepFault::NotJoined,
            _ if board.go.as_ref().is_none_or(|go| !go.waits.is_empty()) || self.is_pending(board) => {
                StepFault::NotGone
            }
            _ if !target.is_some_and(|target| target.covered) => StepFault::NotCovered,
            _ => {
                let about = Found::about(target.and_then(|target| target.target.parse().ok()));
                return Ok(Found { notices: early(board, executed).into_iter().collect(), ..about });
            }
        };
        Err(refusal(fault.code(), fault.words()))
    }

    /// Whether the go, which is this unit's own, is not yet certified.
    fn is_pending(&self, board: &Board) -> bool {
        let id = board.go.as_ref().and_then(|go| go.id.as_ref()).and_then(|id| self.named(Some(id), "").ok());
        id.is_some_and(|id| self.state.pending.holds(&id))
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

/// A report of something that was done before the moment, told to who enters it: it is true, or a slip of the pen.
fn early(board: &Board, executed: &OperationExecuted) -> Option<String> {
    let at_ms = board.go.as_ref()?.at_ms;
    let before_ms = at_ms.checked_sub(executed.at_ms).filter(|before_ms| *before_ms > 0)?;
    Some(format!("that is {}.{} s before the moment of the go", before_ms / 1_000, before_ms % 1_000 / 100))
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

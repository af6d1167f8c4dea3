//! Submissions: what an officer says, checked, brought into its canonical form, and handed to the own log.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the way of a call, and of a second officer's word |
//! | `prepare` | what each kind of statement needs |
//! | `against` | what speaks against referring a target |
//! | `second` | what waits, when an officer decides about it |

mod against;
mod prepare;
mod second;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entente_proto::hash::Hash;
use entente_proto::ids::RecordId;
use entente_proto::record::{self, Target};
use entente_proto::sync::LogView;
use entente_proto::wire;
use entente_proto::wire::operation_step::Step;
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Outcome;
use tonic::Status;

use self::prepare::prepare;
use super::words::record_ref;
use crate::config::DeskConfig;
use crate::core::{Answer, Core, Draft, Standby};
use crate::guard::{Guard, Lists};
use crate::journal::{Proposal, Submission, SubmissionId};

/// How long a call waits for certification. What is not certified then is told as it is; it goes on by itself.
const CERTIFIED_WAIT: Duration = Duration::from_secs(60);

/// How long a repeated call waits for the database, and how often it looks.
const STORED_WAIT: Duration = Duration::from_secs(10);
const STORED_PAUSE: Duration = Duration::from_millis(1);

/// Why a statement is refused: a word for programs and words for people.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
}

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

/// What stands between an officer and the log.
#[derive(Debug)]
pub struct Desk {
    /// The guard lists.
    pub guard: Arc<Guard>,
    /// The settings.
    pub config: DeskConfig,
}

impl Desk {
    /// The guard lists as they are now. Reading what changed may take its time, so it is not done where others wait.
    pub(super) async fn lists(&self) -> Lists {
        let guard = self.guard.clone();
        let read = tokio::task::spawn_blocking(move || guard.lists()).await;
        // It does not panic; if it did, what was read before would still hold.
        read.unwrap_or_else(|_| self.guard.lists())
    }
}

/// What a call is judged by: the settings, the guard lists as they are now, and who calls.
struct Judge<'a> {
    config: DeskConfig,
    lists: Lists,
    officer: &'a str,
    now_ms: u64,
    /// The certified logs, all of which are folded: what a step of an operation names.
    frontier: Vec<wire::FrontierLog>,
    /// The boards by which the reports of this call are judged, so that each is made once.
    boards: Mutex<BTreeMap<RecordId, Arc<wire::Board>>>,
}

impl<'a> Judge<'a> {
    async fn new(core: &Core, desk: &Desk, officer: &'a str) -> Self {
        let (lists, frontier) = (desk.lists().await, frontier(core).await);
        Self { config: desk.config, lists, officer, now_ms: core.clock.now_ms(), frontier, boards: Mutex::default() }
    }
}

/// How far each log is certified, once the list is folded that far. A list that takes too long over it is told by what a
/// step that needs it is judged to be.
async fn frontier(core: &Core) -> Vec<wire::FrontierLog> {
    let certified: Vec<_> =
        core.logs().into_iter().filter_map(|log| Some((log.unit, log.certified?.checkpoint().clone()))).collect();
    let folded = async {
        while certified.iter().any(|(unit, head)| core.list.folded(unit) < head.size.get()) {
            tokio::time::sleep(STORED_PAUSE).await;
        }
    };
    let _ = tokio::time::timeout(STORED_WAIT, folded).await;
    let log = |(unit, head): (entente_proto::ids::UnitId, entente_proto::checkpoint::Checkpoint)| wire::FrontierLog {
        unit: unit.to_string(),
        size: head.size.get(),
        root: head.root.0.to_vec(),
    };
    certified.into_iter().map(log).collect()
}

/// A statement on its way.
struct Prepared {
    draft: Draft,
    target: Option<Target>,
    notices: Vec<String>,
    /// What says the same already, for good: then the draft is not entered.
    known: Option<String>,
}

/// Enters statements and answers each.
pub(super) async fn submit(
    core: &Arc<Core>,
    desk: &Desk,
    officer: &str,
    submissions: Vec<wire::Submission>,
    wait: wire::Wait,
) -> Result<Vec<wire::SubmitResult>, Status> {
    if let Err(words) = core.store_has_room() {
        return Err(Status::resource_exhausted(words));
    }
    repeated_are_stored(core, &submissions).await;
    own_steps_are_read(core, &submissions).await;
    let judge = Judge::new(core, desk, officer).await;
    let mut prepared = Vec::with_capacity(submissions.len());
    {
        let state = core.list.read();
        for submission in submissions {
            prepared.push(prepare(core, &state, &judge, submission));
        }
    }
    let entered = prepared.iter().filter_map(|prepared| prepared.as_ref().ok()).filter(|p| p.known.is_none());
    let drafts: Vec<Draft> = entered.map(|prepared| prepared.draft.clone()).collect();
    let answers = core.submit(drafts).await.map_err(|stopping| Status::unavailable(stopping.to_string()))?;
    certified(core, &answers, wait).await;
    Ok(pair(core, prepared, answers))
}

/// What the journal has, the database has a moment later: a repeated statement is compared with what stands there.
async fn repeated_are_stored(core: &Core, submissions: &[wire::Submission]) {
    let ids =
        submissions.iter().filter_map(|submission| submission.record.as_ref()?.submission.as_slice().try_into().ok());
    let Some(last) = ids.filter_map(|id| core.placed(&id)).max() else { return };
    let stored = async {
        while core.store.size(&core.unit).get() <= last {
            tokio::time::sleep(STORED_PAUSE).await;
        }
    };
    // A database that takes so long is another's concern: the answer comes all the same.
    let _ = tokio::time::timeout(STORED_WAIT, stored).await;
}

/// A step of an operation is judged by what the unit said a moment ago too, which the list learns a moment later. A report is
/// not: what it is judged by is certified.
async fn own_steps_are_read(core: &Core, submissions: &[wire::Submission]) {
    let is_step = |one: &wire::Submission| match one.record.as_ref().and_then(|record| record.body.as_ref()) {
        Some(Body::OperationStep(said)) => !matches!(said.step, Some(Step::Executed(_))),
        _ => false,
    };
    if !submissions.iter().any(is_step) {
        return;
    }
    let size = core.own_size();
    let read = async {
        while core.list.seen() < size {
            tokio::time::sleep(STORED_PAUSE).await;
        }
    };
    // One that takes so long is told by what a freeze is judged to be.
    let _ = tokio::time::timeout(STORED_WAIT, read).await;
}

/// Judges statements as [`submit`] does, and enters nothing.
pub(super) async fn judge(
    core: &Core,
    desk: &Desk,
    officer: &str,
    submissions: Vec<wire::Submission>,
) -> Vec<wire::SubmitResult> {
    own_steps_are_read(core, &submissions).await;
    let judge = Judge::new(core, desk, officer).await;
    let state = core.list.read();
    let log = core.log(&core.unit);
    let judged = submissions.into_iter().map(|submission| {
        let prepared = match prepare(core, &state, &judge, submission) {
            Err(refused) => {
                return Outcome::Refused(wire::Refused { code: refused.code.into(), message: refused.message });
            }
            Ok(Prepared { known: Some(note), .. }) => return said_already(note),
            Ok(prepared) => prepared,
        };
        let submission = prepared.draft.submission.to_vec();
        let target = prepared.target.as_ref().map(ToString::to_string).unwrap_or_default();
        let own = prepared.draft.unless_referred.as_ref().and_then(|known| state.own_referral(&core.unit, known));
        match (own, prepared.draft.second) {
            (Some(index), _) => {
                let id = RecordId { unit: core.unit.clone(), index };
                let (cosigned_by, certified) = standing(core, log.as_ref(), &id);
                Outcome::Known(wire::Known {
                    id: Some(record_ref(&id)),
                    target,
                    cosigned_by,
                    certified,
                    ..Default::default()
                })
            }
            (None, Some(second)) => Outcome::Proposed(wire::Proposed {
                submission,
                target,
                reason: second.reason,
                notices: prepared.notices,
            }),
            (None, None) => {
                let notices = prepared.notices;
                Outcome::Accepted(wire::Accepted { submission, target, notices, ..wire::Accepted::default() })
            }
        }
    });
    judged.map(|result| wire::SubmitResult { result: Some(result) }).collect()
}

/// An officer's word on submissions that wait.
pub(super) async fn decide(
    core: &Arc<Core>,
    desk: &Desk,
    officer: &str,
    decisions: &[wire::Decision],
    countersign: bool,
    wait: wire::Wait,
) -> Result<Vec<wire::SubmitResult>, Status> {
    if let Err(words) = core.store_has_room() {
        return Err(Status::resource_exhausted(words));
    }
    let stopping = |stopping: crate::core::Stopping| Status::unavailable(stopping.to_string());
    let standby = core.waiting().await.map_err(stopping)?;
    let judge = Judge::new(core, desk, officer).await;
    let mut prepared = Vec::with_capacity(decisions.len());
    {
        let state = core.list.read();
        for decision in decisions {
            prepared.push(second::again(core, &state, &standby, &judge, decision, countersign));
        }
    }
    let chosen = prepared.iter().filter_map(|prepared| prepared.as_ref().ok());
    let chosen = chosen.map(|Prepared { draft, .. }| (draft.submission, Hash::of(&draft.payload))).collect();
    let answers = core.decide(chosen, countersign).await.map_err(stopping)?;
    certified(core, &answers, wait).await;
    Ok(pair(core, prepared, answers))
}

/// Waits until what was entered is certified, if that is asked. A timeout is no failure: the answer says what is.
async fn certified(core: &Core, answers: &[Answer], wait: wire::Wait) {
    if wait != wire::Wait::Certified {
        return;
    }
    let entered = answers.iter().filter_map(|answer| match answer {
        Answer::Entered(index) => Some(*index),
        _ => None,
    });
    if let Some(last) = entered.max() {
        let mut certified = core.certified();
        let _ = tokio::time::timeout(CERTIFIED_WAIT, certified.wait_for(|size| *size > last)).await;
    }
}

/// An answer for each: refusals where they were made, and what the log's author said of the others.
fn pair(core: &Core, prepared: Vec<Result<Prepared, Refusal>>, answers: Vec<Answer>) -> Vec<wire::SubmitResult> {
    let mut answers = answers.into_iter();
    // One look for all, which takes its turn with the engine.
    let own = core.log(&core.unit);
    let answered = prepared.into_iter().map(|prepared| match prepared {
        Err(refused) => Outcome::Refused(wire::Refused { code: refused.code.into(), message: refused.message }),
        Ok(Prepared { known: Some(note), .. }) => said_already(note),
        Ok(prepared) => match answers.next() {
            Some(answer) => outcome(core, own.as_ref(), prepared, answer),
            None => Outcome::Refused(wire::Refused { code: "stopping".into(), message: "the node is stopping".into() }),
        },
    });
    answered.map(|result| wire::SubmitResult { result: Some(result) }).collect()
}

/// Nothing was entered, for something says it for good.
fn said_already(note: String) -> Outcome {
    Outcome::Known(wire::Known { note, ..wire::Known::default() })
}

/// Who has cosigned a record of the own log, and whether it is certified.
fn standing(core: &Core, own: Option<&LogView>, id: &RecordId) -> (Vec<String>, bool) {
    let covering = own.and_then(|own| own.covering(id.index));
    let by = covering.map(|head| head.cosignatures().keys().map(ToString::to_string).collect());
    (by.unwrap_or_default(), *core.certified().borrow() > id.index)
}

fn outcome(core: &Core, own: Option<&LogView>, prepared: Prepared, answer: Answer) -> Outcome {
    let target = prepared.target.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = |index| RecordId { unit: core.unit.clone(), index };
    let accepted = |id: Option<RecordId>| {
        let (cosigned_by, certified) = id.as_ref().map(|id| standing(core, own, id)).unwrap_or_default();
        Outcome::Accepted(wire::Accepted {
            submission: prepared.draft.submission.to_vec(),
            id: id.as_ref().map(record_ref),
            target: target.clone(),
            cosigned_by,
            certified,
            notices: prepared.notices.clone(),
        })
    };
    match answer {
        Answer::Entered(index) => accepted(Some(id(index))),
        Answer::Waiting => accepted(None),
        Answer::Known(index) => {
            let (cosigned_by, certified) = standing(core, own, &id(index));
            let id = Some(record_ref(&id(index)));
            Outcome::Known(wire::Known { id, target, cosigned_by, certified, ..Default::default() })
        }
        Answer::Proposed(reason) => Outcome::Proposed(wire::Proposed {
            submission: prepared.draft.submission.to_vec(),
            target,
            reason,
            notices: prepared.notices,
        }),
        Answer::Dropped => Outcome::Proposed(wire::Proposed {
            submission: prepared.draft.submission.to_vec(),
            target,
            ..wire::Proposed::default()
        }),
        Answer::Refused(message) => Outcome::Refused(wire::Refused { code: "not-possible".into(), message }),
    }
}

/// What waits, for whoever asks.
pub(super) async fn waiting(core: &Core) -> Result<wire::WaitingReply, Status> {
    let Standby { proposals, outbox } =
        core.waiting().await.map_err(|stopping| Status::unavailable(stopping.to_string()))?;
    let shown = |submission: &SubmissionId, record: &[u8], waits: wire::WaitingSubmission| {
        use prost::Message as _;
        let record = wire::Record::decode(record).ok();
        let body = record.as_ref().and_then(|record| record.body.as_ref());
        let target = match body {
            Some(Body::Refer(refer)) => refer.target.clone(),
            Some(Body::Hold(hold)) => hold.target.clone(),
            Some(Body::Observe(observe)) => observe.target.clone(),
            Some(Body::Link(link)) => link.first.clone(),
            _ => String::new(),
        };
        wire::WaitingSubmission { submission: submission.to_vec(), target, record, ..waits }
    };
    let proposed = proposals.into_iter().map(|Proposal { id, record, officer, reason, at_ms, .. }| {
        shown(&id, &record, wire::WaitingSubmission { officer, reason, at_ms, ..Default::default() })
    });
    let unsigned = outbox.into_iter().map(|Submission { id, record }| {
        let reason = "the node does not sign at present: see `entente status`".into();
        shown(&id, &record, wire::WaitingSubmission { reason, ..Default::default() })
    });
    Ok(wire::WaitingReply { waiting: proposed.chain(unsigned).collect() })
}

fn understand(input: &str) -> Result<record::Understood, Refusal> {
    record::from_input(input).map_err(|error| refusal(error.code(), error.to_string()))
}

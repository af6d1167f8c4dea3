//! What speaks against referring a target: holds, at it, above it and below it; guard lists; and what else an officer
//! should know.

use entente_proto::ids::RecordId;
use entente_proto::list;
use entente_proto::record::{self, Target};

use super::super::holds::holds;
use super::super::words::DISPUTED;
use super::{Judge, Refusal, refusal};
use crate::core::Core;
use crate::guard::Hit;
use crate::list::State;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Against {
    /// Words of each hold: by whom, of what.
    holds: Vec<String>,
    /// Lists that name it, but for those that only make a notice.
    hits: Vec<Hit>,
    /// What an officer should know.
    pub(super) notices: Vec<String>,
}

impl Against {
    /// Looks for all of it. With `prefix` what continues the target is meant, too.
    pub(super) fn of(core: &Core, state: &State, judge: &Judge<'_>, target: &Target, prefix: bool) -> Self {
        let mut against = Self { holds: holds(state, target, prefix), ..Self::default() };
        match state.fold.status(target) {
            Some(list::Status::Disputed) => {
                against.note(format!("a referral of {target} {DISPUTED}; see `entente show {target}`"));
            }
            Some(list::Status::Listed) => {
                against.note(format!("{target} is already listed; see `entente show {target}`"));
            }
            _ => {}
        }
        for parent in record::parents(target) {
            match state.fold.status(&parent) {
                Some(list::Status::Disputed) => {
                    against.note(format!("{parent}, above it, {DISPUTED}; see `entente show {parent}`"));
                }
                Some(list::Status::Listed) => {
                    against.note(format!("{parent}, above it, is already listed; see `entente show {parent}`"));
                }
                _ => {}
            }
        }
        let other = |id: &&RecordId| id.unit != core.unit;
        let pending: Vec<String> = state.pending.about(target).filter(other).map(ToString::to_string).collect();
        if !pending.is_empty() {
            against.note(format!("not yet certified about {target}: {}", pending.join(" ")));
        }
        for hit in judge.lists.hits(target) {
            if hit.page && judge.config.pages_pass {
                against.note(format!(
                    "its host is on the guard list {:?} ({}): make sure that the address names the content, not the site",
                    hit.list, hit.entry
                ));
            } else {
                against.hits.push(hit);
            }
        }
        judge.lists.faults().for_each(|fault| against.note(fault.to_owned()));
        against
    }

    fn note(&mut self, words: String) {
        self.notices.push(words);
    }

    /// Drops what guard lists say; whether they say anything.
    pub(super) fn pass_lists(&mut self) -> bool {
        !std::mem::take(&mut self.hits).is_empty()
    }

    /// Refuses, or gives what a second officer has to agree to: the reason, which also goes into the record.
    pub(super) fn judge(&mut self, despite_hold: &str, override_guard: &str) -> Result<Said, Refusal> {
        let holds = self.holds.join("; ");
        if !self.holds.is_empty() && despite_hold.is_empty() {
            return Err(refusal(
                "held",
                format!(
                    "{holds}. Ask that unit first; --despite-hold REASON refers it nevertheless, and every unit reads why"
                ),
            ));
        }
        let lists: Vec<String> = self.hits.iter().map(|hit| format!("{:?} ({})", hit.list, hit.entry)).collect();
        let lists = lists.join(", ");
        if !self.hits.is_empty() && override_guard.is_empty() {
            return Err(refusal(
                "guarded",
                format!(
                    "it is on the guard list {lists}: this looks like a mistake. If it is none, --override REASON proposes it, and \
                     a second officer has to countersign"
                ),
            ));
        }
        let mut said = Said::default();
        if !self.holds.is_empty() {
            self.notices.push(holds.clone());
            said.reasons.push(format!("despite a hold: {despite_hold}"));
            said.despite_hold = true;
        }
        if !self.hits.is_empty() {
            said.reasons.push(format!("despite a guard list: {override_guard}"));
            said.second = Some(format!("it is on the guard list {lists}; the reason given: {override_guard}"));
        }
        Ok(said)
    }
}

/// What was said in spite of what speaks against it.
#[derive(Debug, Default)]
pub(super) struct Said {
    reasons: Vec<String>,
    /// Why a second officer is needed.
    pub(super) second: Option<String>,
    pub(super) despite_hold: bool,
}

impl Said {
    /// The reason that the record carries.
    pub(super) fn reason(&self) -> String {
        self.reasons.join("; ")
    }
}

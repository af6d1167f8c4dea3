//! What each kind of statement needs before it goes into the log.

use entente_proto::ids::{RecordId, UnitId};
use entente_proto::list::Standing;
use entente_proto::record::{self, RecordKind, Statement, Target};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::against::{Against, holds};
use super::{Judge, Prepared, Refusal, refusal, understand};
use crate::config::DeskConfig;
use crate::core::{Core, Draft, Second, Standby};
use crate::guard::Lists;
use crate::list::State;

/// How far ahead of the node's clock a time may lie that an officer gives for something that has happened.
const AHEAD_MS: u64 = 2 * 60 * 1_000;

/// What was found out about a statement.
#[derive(Default)]
struct Found {
    target: Option<Target>,
    notices: Vec<String>,
    /// Why a second officer is needed.
    second: Option<String>,
    despite_hold: bool,
}

impl Found {
    fn about(target: Option<Target>) -> Self {
        Self { target, ..Self::default() }
    }
}

/// Where a statement is judged.
struct At<'a> {
    core: &'a Core,
    state: &'a State,
    judge: &'a Judge<'a>,
    /// The same call again: it was judged when it came first.
    again: bool,
    despite_hold: &'a str,
    override_guard: &'a str,
}

/// Checks a statement and brings it into its canonical form.
pub(super) fn prepare(
    core: &Core,
    state: &State,
    judge: &Judge<'_>,
    submission: wire::Submission,
) -> Result<Prepared, Refusal> {
    let mut record = submission.record.ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let id = record.submission.as_slice().try_into().map_err(|_| {
        refusal(
            "submission-id",
            format!("a submission id is a UUID of 16 bytes; this one has {}", record.submission.len()),
        )
    })?;
    let placed = core.placed(&id);
    let at = At {
        core,
        state,
        judge,
        again: placed.is_some(),
        despite_hold: submission.despite_hold.trim(),
        override_guard: submission.override_guard.trim(),
    };
    let body = record.body.as_mut().ok_or_else(|| refusal("empty", "the submission says nothing"))?;
    let mut found = at.settle(body)?;
    if let Some(place) = placed {
        at.keep(body, place);
    }
    let kind = RecordKind::of_body(body);
    if found.second.is_none() && judge.config.approvals > 1 {
        let mut reason = "this unit lets two officers agree to every statement".to_owned();
        if let Body::Refer(refer) = body
            && !refer.override_reason.is_empty()
        {
            reason = format!("{reason}; it is made {}; {}", refer.override_reason, found.notices.join("; "));
        }
        found.second = Some(reason);
    }
    let payload = record::encode(&record).map_err(|error| refusal("invalid", error.to_string()))?;
    let skips = submission.skip_known && kind == RecordKind::Refer;
    let unless_referred = found.target.clone().filter(|_| skips);
    let second = found.second.map(|reason| Second {
        officer: judge.officer.to_owned(),
        reason,
        at_ms: judge.now_ms,
        despite_hold: found.despite_hold,
    });
    let draft = Draft { submission: id, kind, payload, unless_referred, second };
    Ok(Prepared { draft, target: found.target, notices: found.notices })
}

/// Looks once more at a submission that waits for a second officer.
pub(super) fn again(
    core: &Core,
    state: &State,
    standby: &Standby,
    (lists, config): (&Lists, DeskConfig),
    officer: &str,
    id: &[u8],
    countersign: bool,
) -> Result<Prepared, Refusal> {
    let id = id.try_into().map_err(|_| refusal("submission-id", "a submission id is a UUID of 16 bytes"))?;
    let Some(waiting) = standby.proposals.iter().find(|waiting| waiting.id == id) else {
        let words = match core.placed(&id) {
            Some(index) => format!("it was countersigned before, and is {}/{index}", core.unit),
            None => "no submission with this id waits for a second officer: `entente waiting` lists them".into(),
        };
        return Err(refusal("not-waiting", words));
    };
    if countersign && waiting.officer == officer {
        return Err(refusal(
            "same-officer",
            format!("{officer} has submitted it: another officer of this unit has to countersign"),
        ));
    }
    let damaged = || refusal("unreadable", "what waits cannot be read: reject it, and submit it again");
    let kind = crate::core::kind_of(&waiting.record).ok_or_else(damaged)?;
    let statement = record::parse(kind.number(), &waiting.record).map_err(|_| damaged())?;
    let target = statement.target();
    let mut notices = Vec::new();
    if countersign
        && let Body::Refer(refer) = statement.body()
        && let Some(target) = &target
    {
        notices = holds(state, target, refer.prefix);
        if let Some(first) = notices.first().filter(|_| !waiting.despite_hold) {
            return Err(refusal(
                "held",
                format!(
                    "{first}, since it was submitted. Reject it; it can be submitted again with --despite-hold REASON"
                ),
            ));
        }
        let hit = lists.hits(target).into_iter().find(|hit| !(hit.page && config.pages_pass));
        if let Some(hit) = hit.filter(|_| refer.override_reason.is_empty()) {
            return Err(refusal(
                "guarded",
                format!(
                    "it is on the guard list {:?} ({}) since it was submitted. Reject it; it can be submitted again with --override REASON",
                    hit.list, hit.entry
                ),
            ));
        }
    }
    let unless_referred = target.clone().filter(|_| waiting.skip_known);
    let payload = waiting.record.clone();
    let draft = Draft { submission: id, kind, payload, unless_referred, second: None };
    Ok(Prepared { draft, target, notices })
}

impl At<'_> {
    fn settle(&self, body: &mut Body) -> Result<Found, Refusal> {
        match body {
            Body::Refer(refer) => self.refer(refer),
            Body::Hold(hold) => self.hold(hold),
            Body::Withdraw(withdraw) => {
                let id = self.own(withdraw.index);
                Ok(Found::about(if self.again { self.target_of(&id) } else { self.withdrawable(&id)? }))
            }
            Body::Erase(erase) => {
                if !self.again {
                    self.erasable(&self.own(erase.index))?;
                }
                // Whoever reads the answer should not learn from it what was erased.
                Ok(Found::default())
            }
            Body::Opinion(opinion) => {
                let on = self.named(opinion.on.as_ref(), "an opinion names the referral that it is about")?;
                Ok(Found::about(if self.again { self.target_of(&on) } else { Some(self.referral_of_another(&on)?) }))
            }
            Body::Dispatch(dispatch) => self.dispatch(dispatch),
            Body::Outcome(outcome) => self.outcome(outcome),
            Body::Observe(observe) => self.observe(observe),
            Body::Link(link) => self.link(link),
            Body::Evidence(evidence) => self.evidence(evidence),
            Body::Custody(custody) => self.custody(custody),
            other => {
                let kind = RecordKind::of_body(other).word();
                Err(refusal("kind", format!("this release takes no {kind} from officers")))
            }
        }
    }

    fn refer(&self, refer: &mut wire::Refer) -> Result<Found, Refusal> {
        let understood = understand(&refer.target)?;
        refer.target = understood.target.to_string();
        refer.categories.sort_unstable();
        refer.categories.dedup();
        if let Some(handling) = &mut refer.handling {
            handling.europol.sort_unstable();
            handling.europol.dedup();
        }
        if refer.prefix && understood.target.parts().0 != record::target::TargetType::Url {
            return Err(refusal(
                "prefix",
                "only an address can be meant with all that continues it: a domain covers what is below it anyway",
            ));
        }
        let mut notices = understood.notices;
        if refer.review_by_ms != 0 && refer.review_by_ms < self.judge.now_ms {
            notices.push("its review date has passed already".into());
        }
        let target = understood.target;
        if self.again {
            return Ok(Found { target: Some(target), notices, ..Found::default() });
        }
        let mut against = Against::of(self.core, self.state, self.judge, &target, refer.prefix);
        let said = against.judge(self.despite_hold, self.override_guard)?;
        refer.override_reason = said.reason();
        notices.extend(against.notices);
        let (second, despite_hold) = (said.second, said.despite_hold);
        Ok(Found { target: Some(target), notices, second, despite_hold })
    }

    fn hold(&self, hold: &mut wire::Hold) -> Result<Found, Refusal> {
        let understood = understand(&hold.target)?;
        hold.target = understood.target.to_string();
        let mut notices = understood.notices;
        let target = understood.target;
        if !self.again && hold.until_ms != 0 && hold.until_ms < self.judge.now_ms {
            return Err(refusal("past", "the hold would be over already: give a later --until, or none"));
        }
        if let Some(index) = self.state.own_referral(&self.core.unit, &target) {
            let id = self.own(index);
            notices.push(format!("this unit refers it itself, as {id}: `entente withdraw {id}` if that is over"));
        }
        Ok(Found { target: Some(target), notices, ..Found::default() })
    }

    fn dispatch(&self, dispatch: &mut wire::Dispatch) -> Result<Found, Refusal> {
        let on = self.named(dispatch.on.as_ref(), "a dispatch names the referral that was sent")?;
        self.happened(&mut dispatch.at_ms)?;
        if self.again {
            return Ok(Found::about(self.target_of(&on)));
        }
        let target = self.standing_referral(&on)?;
        if let Body::Refer(refer) = self.statement(&on)?.into_body()
            && dispatch.provider.is_empty()
        {
            dispatch.provider = refer.provider;
        }
        if dispatch.provider.is_empty() {
            return Err(refusal(
                "provider",
                format!("{on} names no provider: say with --provider whom it was sent to"),
            ));
        }
        let holds = holds(self.state, &target, false);
        if let [first, ..] = holds.as_slice()
            && self.despite_hold.is_empty()
        {
            return Err(refusal(
                "held",
                format!("{first}. If it was sent nevertheless, say so with --despite-hold REASON"),
            ));
        }
        Ok(Found { target: Some(target), notices: holds, ..Found::default() })
    }

    fn outcome(&self, outcome: &mut wire::Outcome) -> Result<Found, Refusal> {
        let mut on = self.named(outcome.on.as_ref(), "an outcome names the dispatch that was answered")?;
        self.happened(&mut outcome.at_ms)?;
        if self.again {
            return Ok(Found::about(self.target_of(&on)));
        }
        if self.kind_of(&on)? == RecordKind::Refer {
            on = self.only_dispatch(&on)?;
            outcome.on = Some(super::record_ref(&on));
        }
        let kind = self.kind_of(&on)?;
        if kind != RecordKind::Dispatch {
            return Err(refusal("not-a-dispatch", format!("{on} is of the kind {}, not a dispatch", kind.word())));
        }
        self.not_taken_back(&on)?;
        Ok(Found::about(self.target_of(&on)))
    }

    /// The one dispatch of a referral, for an officer who names the referral instead.
    fn only_dispatch(&self, referral: &RecordId) -> Result<RecordId, Refusal> {
        let target = self.target_of(referral);
        let about = target.iter().flat_map(|target| self.state.records_about(target));
        let is = |id: &RecordId| match self.statement(id).map(Statement::into_body) {
            Ok(Body::Dispatch(dispatch)) => {
                dispatch.on == Some(super::record_ref(referral)) && self.not_taken_back(id).is_ok()
            }
            _ => false,
        };
        let dispatches: Vec<RecordId> = about.filter(is).collect();
        match dispatches.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(refusal(
                "not-a-dispatch",
                format!(
                    "{referral} was not sent to a provider, as far as is known: `entente dispatch {referral}` first"
                ),
            )),
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(refusal(
                    "not-a-dispatch",
                    format!("{referral} was sent more than once: name one of {}", ids.join(", ")),
                ))
            }
        }
    }

    fn observe(&self, observe: &mut wire::Observe) -> Result<Found, Refusal> {
        let mut understood = understand(&observe.target)?;
        observe.target = understood.target.to_string();
        if !observe.successor.is_empty() {
            let successor = understand(&observe.successor)?;
            observe.successor = successor.target.to_string();
            understood.notices.extend(successor.notices);
            if observe.successor == observe.target {
                return Err(refusal("successor", "a target does not succeed itself"));
            }
        }
        self.happened(&mut observe.observed_ms)?;
        // A time after the entry's own would make the observation inert.
        observe.observed_ms = observe.observed_ms.min(self.judge.now_ms);
        Ok(Found { target: Some(understood.target), notices: understood.notices, ..Found::default() })
    }

    fn link(&self, link: &mut wire::Link) -> Result<Found, Refusal> {
        let (first, second) = (understand(&link.first)?, understand(&link.second)?);
        if first.target == second.target {
            return Err(refusal("link", format!("{} does not belong together with itself", first.target)));
        }
        (link.first, link.second) = (first.target.to_string(), second.target.to_string());
        let notices = first.notices.into_iter().chain(second.notices).collect();
        Ok(Found { target: Some(first.target), notices, ..Found::default() })
    }

    fn evidence(&self, evidence: &mut wire::Evidence) -> Result<Found, Refusal> {
        if evidence.target.is_empty() {
            return Ok(Found::default());
        }
        let understood = understand(&evidence.target)?;
        evidence.target = understood.target.to_string();
        Ok(Found { target: Some(understood.target), notices: understood.notices, ..Found::default() })
    }

    fn custody(&self, custody: &mut wire::Custody) -> Result<Found, Refusal> {
        let item = self.named(custody.item.as_ref(), "a hand-over names the evidence that is handed over")?;
        self.happened(&mut custody.at_ms)?;
        let other: UnitId = custody.other.parse().map_err(|error| refusal("unit", format!("{error}")))?;
        if other == self.core.unit || self.core.log(&other).is_none() {
            return Err(refusal("unit", format!("{other} is not another unit of this network")));
        }
        let Body::Evidence(evidence) = self.statement(&item)?.into_body() else {
            return Err(refusal("not-evidence", format!("{item} is no evidence: `entente evidence` enters an item")));
        };
        if !self.again {
            self.not_taken_back(&item)?;
        }
        if custody.sha256.is_empty() {
            custody.sha256 = evidence.item.map(|item| item.sha256).unwrap_or_default();
        }
        Ok(Found::about(self.target_of(&item)))
    }

    /// Something that an officer says has happened lies in the past, but for clocks that differ a little; without a time
    /// it happened now.
    fn happened(&self, at_ms: &mut u64) -> Result<(), Refusal> {
        if *at_ms == 0 && !self.again {
            *at_ms = self.judge.now_ms;
        }
        if *at_ms > self.judge.now_ms.saturating_add(AHEAD_MS) {
            return Err(refusal("future", "the time given lies in the future: it is the time at which it happened"));
        }
        Ok(())
    }

    /// A repeated call says what was stored: what this node added to it then is as it was.
    fn keep(&self, body: &mut Body, place: u64) {
        let Ok(stored) = self.statement(&self.own(place)) else { return };
        match (body, stored.into_body()) {
            (Body::Refer(refer), Body::Refer(before)) => refer.override_reason = before.override_reason,
            // Not given then, or later than this node's clock.
            (Body::Observe(observe), Body::Observe(before))
                if observe.observed_ms == 0 || observe.observed_ms > before.observed_ms =>
            {
                observe.observed_ms = before.observed_ms;
            }
            (Body::Dispatch(dispatch), Body::Dispatch(before)) => {
                if dispatch.provider.is_empty() {
                    dispatch.provider = before.provider;
                }
                if dispatch.at_ms == 0 {
                    dispatch.at_ms = before.at_ms;
                }
            }
            (Body::Custody(custody), Body::Custody(before)) => {
                if custody.sha256.is_empty() {
                    custody.sha256 = before.sha256;
                }
                if custody.at_ms == 0 {
                    custody.at_ms = before.at_ms;
                }
            }
            (Body::Outcome(outcome), Body::Outcome(before)) => {
                // Named by its referral: the dispatch that was found then, if it is one of that referral.
                let of = |dispatch: &Option<wire::RecordRef>| {
                    let id = self.named(dispatch.as_ref(), "").ok()?;
                    match self.statement(&id).ok()?.into_body() {
                        Body::Dispatch(dispatch) => dispatch.on,
                        _ => None,
                    }
                };
                if of(&before.on).is_some_and(|on| Some(&on) == outcome.on.as_ref()) {
                    outcome.on = before.on;
                }
                if outcome.at_ms == 0 {
                    outcome.at_ms = before.at_ms;
                }
            }
            _ => {}
        }
    }

    fn own(&self, index: u64) -> RecordId {
        RecordId { unit: self.core.unit.clone(), index }
    }

    fn named(&self, on: Option<&wire::RecordRef>, missing: &str) -> Result<RecordId, Refusal> {
        let on = on.ok_or_else(|| refusal("record-id", missing))?;
        let unit = on.unit.parse().map_err(|error| refusal("record-id", format!("{error}")))?;
        Ok(RecordId { unit, index: on.index })
    }

    /// An own statement that still counts and can be taken back; gives its target.
    fn withdrawable(&self, id: &RecordId) -> Result<Option<Target>, Refusal> {
        let kind = self.kind_of(id)?;
        if !kind.can_end() {
            return Err(refusal(
                "not-withdrawable",
                format!("{id} is of the kind {}: it cannot be taken back", kind.word()),
            ));
        }
        self.not_taken_back(id)?;
        Ok(self.target_of(id))
    }

    /// An own record whose payload can be erased and is not. It may have been withdrawn.
    fn erasable(&self, id: &RecordId) -> Result<(), Refusal> {
        let kind = self.kind_of(id)?;
        if !kind.can_end() {
            return Err(refusal(
                "not-erasable",
                format!(
                    "{id} is of the kind {}: its payload is never erased, only those of referrals, holds, opinions, dispatches, \
                     outcomes, observations, links and evidence are",
                    kind.word()
                ),
            ));
        }
        if let Standing::Erased { by } = self.state.fold.standing(&id.unit, id.index) {
            return Err(refusal("erased", format!("{id} was erased before, by {}/{by}", id.unit)));
        }
        if let Some(by) = self.core.store.withheld(&id.unit, id.index) {
            return Err(refusal(
                "erased",
                format!("{id} was erased before, by {}/{by}; that is not yet certified", id.unit),
            ));
        }
        Ok(())
    }

    fn not_taken_back(&self, id: &RecordId) -> Result<(), Refusal> {
        match self.state.fold.standing(&id.unit, id.index) {
            Standing::Withdrawn { by } | Standing::Erased { by } => {
                Err(refusal("withdrawn", format!("{id} was taken back before, by {}/{by}", id.unit)))
            }
            _ if self.state.pending.withdrawn(&id.unit, id.index) => {
                Err(refusal("withdrawn", format!("{id} was taken back before; that is not yet certified")))
            }
            _ => Ok(()),
        }
    }

    /// A referral of another unit, known here; gives its target.
    fn referral_of_another(&self, id: &RecordId) -> Result<Target, Refusal> {
        if id.unit == self.core.unit {
            return Err(refusal(
                "own-referral",
                format!("{id} is this unit's own: take it back with `entente withdraw {id}`"),
            ));
        }
        self.standing_referral(id)
    }

    /// A referral of any unit, known here and not taken back; gives its target.
    fn standing_referral(&self, id: &RecordId) -> Result<Target, Refusal> {
        let kind = self.kind_of(id)?;
        let target = self.target_of(id).filter(|_| kind == RecordKind::Refer);
        let target = target
            .ok_or_else(|| refusal("not-a-referral", format!("{id} is of the kind {}, not a referral", kind.word())))?;
        match self.state.fold.standing(&id.unit, id.index) {
            Standing::Withdrawn { .. } | Standing::Erased { .. } => {
                Err(refusal("withdrawn", format!("{id} was taken back by its unit: there is nothing to say of it")))
            }
            _ => Ok(target),
        }
    }

    fn entry(&self, id: &RecordId) -> Result<entente_proto::entry::Entry, Refusal> {
        let unknown =
            || refusal("not-found", format!("this node knows no record {id}; `entente show TARGET` tells the ids"));
        let entry =
            self.core.store.entry(&id.unit, id.index).map_err(|error| refusal("unreadable", error.to_string()))?;
        entry.ok_or_else(unknown)
    }

    fn kind_of(&self, id: &RecordId) -> Result<RecordKind, Refusal> {
        Ok(RecordKind::of_number(self.entry(id)?.header().kind))
    }

    fn statement(&self, id: &RecordId) -> Result<Statement, Refusal> {
        let entry = self.entry(id)?;
        let payload = entry.payload().ok_or_else(|| refusal("erased", format!("{id} was erased")))?;
        record::parse(entry.header().kind, payload).map_err(|aside| refusal("set-aside", format!("{id}: {aside}")))
    }

    fn target_of(&self, id: &RecordId) -> Option<Target> {
        self.state.fold.target_of(&id.unit, id.index).or_else(|| self.state.pending.target_of(id).cloned())
    }
}

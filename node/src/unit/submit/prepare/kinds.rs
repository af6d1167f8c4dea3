//! What each kind of statement needs.

use entente_certs::members::RevokedBy;
use entente_proto::charter::UnverifiedCharter;
use entente_proto::hash::Hash;
use entente_proto::ids::{RecordId, UnitId};
use entente_proto::record::{self, RecordKind, Statement};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::super::super::holds::holds;
use super::super::against::Against;
use super::super::{Refusal, record_ref, refusal, understand};
use super::{At, Found};
use crate::list::Stored;

/// How far ahead of the node's clock a time may lie that an officer gives for something that has happened.
pub(super) const AHEAD_MS: u64 = 2 * 60 * 1_000;

impl At<'_> {
    /// Whatever key it names: a lost certificate may not be known here, and the record speaks for this unit's alone.
    pub(super) fn revoke(&self, revoke: &wire::Revoke) -> Found {
        let key = revoke.spki_sha256.as_slice().try_into().map(Hash).ok();
        let before = key.and_then(|key| self.core.admissions.members().current().revoked_by(&self.core.unit, &key));
        let notice = |by: &RevokedBy| format!("this key is revoked already, {by}");
        match before.filter(|_| !self.again) {
            // A second record would say nothing that the first does not say for good.
            Some(by @ RevokedBy::Unit) if self.skip_known => Found { known: Some(notice(&by)), ..Found::default() },
            before => Found { notices: before.iter().map(notice).collect(), ..Found::default() },
        }
    }

    /// A charter is proposed that could follow the newest, so that nobody approves what can never count.
    pub(super) fn propose(&self, propose: &wire::Propose) -> Result<Found, Refusal> {
        if self.again || propose.text.is_empty() {
            return Ok(Found::default());
        }
        let charter = UnverifiedCharter::parse(&propose.text).and_then(|charter| self.core.charters().draft(charter));
        match charter {
            Ok(_) => Ok(Found::default()),
            Err(error) => Err(refusal("propose.text", format!("this charter can never count: {error}"))),
        }
    }

    pub(super) fn refer(&self, refer: &mut wire::Refer) -> Result<Found, Refusal> {
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
        // What the unit refers already is not entered again, whatever lists have come to say since.
        let known = self.skip_known && self.state.own_referral(&self.core.unit, &target).is_some();
        let unjudged = known && against.pass_lists();
        let said = against.judge(self.despite_hold, self.override_guard)?;
        refer.override_reason = said.reason();
        notices.extend(against.notices);
        let (despite_hold, despite_guard) = (said.despite_hold, said.second.is_some());
        let found = Found { target: Some(target), notices, second: said.second, ..Found::default() };
        Ok(Found { despite_hold, despite_guard, unjudged, ..found })
    }

    pub(super) fn hold(&self, hold: &mut wire::Hold) -> Result<Found, Refusal> {
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
        if target.parts().0 == record::target::TargetType::Url
            && let Some(site) = record::parents(&target).next().filter(|site| !self.state.is_held(site))
        {
            let site = site.parts().1;
            notices.push(format!("this protects that one address only: `entente hold {site}` protects the whole site"));
        }
        Ok(Found { target: Some(target), notices, ..Found::default() })
    }

    pub(super) fn dispatch(&self, dispatch: &mut wire::Dispatch) -> Result<Found, Refusal> {
        dispatch.override_reason.clear();
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
        if !holds.is_empty() {
            dispatch.override_reason = format!("despite a hold: {}", self.despite_hold);
        }
        Ok(Found { target: Some(target), despite_hold: !holds.is_empty(), notices: holds, ..Found::default() })
    }

    pub(super) fn outcome(&self, outcome: &mut wire::Outcome) -> Result<Found, Refusal> {
        let mut on = self.named(outcome.on.as_ref(), "an outcome names the dispatch that was answered")?;
        self.happened(&mut outcome.at_ms)?;
        if self.again {
            return Ok(Found::about(self.target_of(&on)));
        }
        if self.kind_of(&on)? == RecordKind::Refer {
            on = self.only_dispatch(&on)?;
            outcome.on = Some(record_ref(&on));
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
                dispatch.on == Some(record_ref(referral)) && self.not_taken_back(id).is_ok()
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

    pub(super) fn observe(&self, observe: &mut wire::Observe) -> Result<Found, Refusal> {
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

    pub(super) fn link(&self, link: &mut wire::Link) -> Result<Found, Refusal> {
        let (first, second) = (understand(&link.first)?, understand(&link.second)?);
        if first.target == second.target {
            return Err(refusal("link", format!("{} does not belong together with itself", first.target)));
        }
        (link.first, link.second) = (first.target.to_string(), second.target.to_string());
        let notices = first.notices.into_iter().chain(second.notices).collect();
        Ok(Found { target: Some(first.target), notices, ..Found::default() })
    }

    pub(super) fn evidence(&self, evidence: &mut wire::Evidence) -> Result<Found, Refusal> {
        if evidence.target.is_empty() {
            return Ok(Found::default());
        }
        let understood = understand(&evidence.target)?;
        evidence.target = understood.target.to_string();
        Ok(Found { target: Some(understood.target), notices: understood.notices, ..Found::default() })
    }

    pub(super) fn custody(&self, custody: &mut wire::Custody) -> Result<Found, Refusal> {
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
        let named = evidence.item.map(|item| item.sha256).unwrap_or_default();
        if custody.sha256.is_empty() {
            custody.sha256.clone_from(&named);
        }
        let mut notices = Vec::new();
        if !self.again {
            notices.extend(is_the_item(&item, custody, &named)?);
            notices.extend(self.hand_over(&item, custody, &other)?);
        }
        Ok(Found { notices, ..Found::about(self.target_of(&item)) })
    }

    /// Refuses a hand-over of what neither side holds; gives what an officer should know of it.
    fn hand_over(&self, item: &RecordId, custody: &wire::Custody, other: &UnitId) -> Result<Vec<String>, Refusal> {
        let known = self.state.fold.custody(item, &Stored(&*self.core.store));
        let known = known.map_err(|error| refusal("unreadable", error.to_string()))?;
        // An item or a hand-over that is not yet certified is in no chain yet.
        let Some(known) = known.filter(|_| !self.state.pending.hands_over(item)) else { return Ok(Vec::new()) };
        let own = self.core.unit.as_str();
        match custody.step() {
            wire::CustodyStep::Give if known.holder != own => {
                return Err(refusal(
                    "not-holder",
                    format!("{} holds {item}, not this unit: `entente show {item}` tells the chain", known.holder),
                ));
            }
            wire::CustodyStep::Take if known.holder == own => {
                return Err(refusal("holder", format!("this unit holds {item} already")));
            }
            _ => {}
        }
        let mut notices = Vec::new();
        if custody.step() == wire::CustodyStep::Take && known.holder != other.as_str() {
            notices.push(format!("{} holds {item}, as far as is known here", known.holder));
        }
        let gives = |by: &str, to: Option<&str>| {
            known.open.iter().filter(|id| id.unit.as_str() == by).find_map(|id| {
                match self.statement(id).ok()?.into_body() {
                    Body::Custody(said) if said.step() == wire::CustodyStep::Give => {
                        to.is_none_or(|to| said.other == to).then_some((id, said.other))
                    }
                    _ => None,
                }
            })
        };
        match custody.step() {
            wire::CustodyStep::Give => {
                if let Some((id, to)) = gives(own, None) {
                    notices.push(format!("this unit gave it to {to} before, {id}, which has not said that it took it"));
                }
            }
            _ if gives(other.as_str(), Some(own)).is_none() => {
                notices.push(format!("{other} has not said that it gives {item} to this unit: until then it holds it"));
            }
            _ => {}
        }
        Ok(notices)
    }

    /// Something that an officer says has happened lies in the past, but for clocks that differ a little; without a time
    /// it happened now.
    pub(super) fn happened(&self, at_ms: &mut u64) -> Result<(), Refusal> {
        if *at_ms == 0 && !self.again {
            *at_ms = self.judge.now_ms;
        }
        if *at_ms > self.judge.now_ms.saturating_add(AHEAD_MS) {
            return Err(refusal("future", "the time given lies in the future: it is the time at which it happened"));
        }
        Ok(())
    }
}

/// Refuses a hand-over of something else than the item, unless the officer says what it is.
fn is_the_item(item: &RecordId, custody: &wire::Custody, named: &[u8]) -> Result<Option<String>, Refusal> {
    if custody.sha256 == named {
        return Ok(None);
    }
    let words = format!("THE HASHES DIFFER: this is not the item that {item} names");
    if custody.text.trim().is_empty() {
        let way = "If it is handed over nevertheless, say with --text what is wrong with it; every unit reads that";
        return Err(refusal("hashes-differ", format!("{words}. {way}")));
    }
    Ok(Some(words))
}

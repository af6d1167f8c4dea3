//! The figures of a year, each with the records that it counts.

use std::collections::{BTreeMap, BTreeSet};

use entente_proto::entry::EntryHeader;
use entente_proto::ids::{RecordId, UnitId};
use entente_proto::record;
use entente_proto::wire::record::Body;
use entente_proto::wire::{Answer, Availability, Category, EraseReason, Ground, Outcome, RecordRef, Stance};

use crate::cli::words::word;

/// One figure: so many records, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) ids: Vec<RecordId>,
}

/// Figures that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What is counted, and what is not, in a sentence.
    pub(super) says: &'static str,
    pub(super) figures: Vec<Figure>,
}

/// A referral, as far as figures need it.
struct Referral {
    target: String,
    provider: String,
    categories: Vec<i32>,
    in_year: bool,
}

struct Dispatch {
    on: RecordId,
    provider: String,
    at_ms: u64,
}

/// What was said, of all years: a statement of this one may speak of one before.
#[derive(Default)]
pub(super) struct Said {
    begin_ms: u64,
    end_ms: u64,
    referrals: BTreeMap<RecordId, Referral>,
    dispatches: BTreeMap<RecordId, Dispatch>,
    outcomes: Vec<(RecordId, RecordId, Outcome, bool)>,
    objections: Vec<(RecordId, RecordId, i32)>,
    holds: Vec<RecordId>,
    seen_online: Vec<(RecordId, String, u64)>,
    /// Withdrawals by what they take back, with their reason and whether they are of this year.
    withdrawn: BTreeMap<RecordId, (RecordId, String, bool)>,
    erased: BTreeMap<RecordId, (RecordId, i32, bool)>,
}

impl Said {
    pub(super) fn between(begin_ms: u64, end_ms: u64) -> Self {
        Self { begin_ms, end_ms, ..Self::default() }
    }

    /// Takes the next record of a log.
    pub(super) fn take(&mut self, id: &RecordId, header: &EntryHeader, payload: Option<&[u8]>) {
        let Some(Ok(statement)) = payload.map(|payload| record::parse(header.kind, payload)) else { return };
        let in_year = (self.begin_ms..self.end_ms).contains(&header.time_ms);
        match statement.into_body() {
            Body::Refer(refer) => {
                let (target, provider, categories) = (refer.target, refer.provider, refer.categories);
                self.referrals.insert(id.clone(), Referral { target, provider, categories, in_year });
            }
            Body::Dispatch(dispatch) => {
                if let Some(on) = dispatch.on.as_ref().and_then(referred) {
                    let (provider, at_ms) = (dispatch.provider, dispatch.at_ms);
                    self.dispatches.insert(id.clone(), Dispatch { on, provider, at_ms });
                }
            }
            Body::Outcome(outcome) => {
                if let Some(on) = outcome.on.as_ref().and_then(referred) {
                    self.outcomes.push((id.clone(), on, outcome, in_year));
                }
            }
            Body::Opinion(opinion) if in_year && opinion.stance() == Stance::Object => {
                if let Some(on) = opinion.on.as_ref().and_then(referred) {
                    self.objections.push((id.clone(), on, opinion.ground));
                }
            }
            Body::Hold(_) if in_year => self.holds.push(id.clone()),
            Body::Observe(seen) if in_year && seen.availability() == Availability::Online => {
                self.seen_online.push((id.clone(), seen.target, seen.observed_ms));
            }
            Body::Withdraw(withdraw) => {
                let of = RecordId { unit: id.unit.clone(), index: withdraw.index };
                if of.index < id.index {
                    self.withdrawn.entry(of).or_insert((id.clone(), withdraw.reason, in_year));
                }
            }
            Body::Erase(erase) => {
                let of = RecordId { unit: id.unit.clone(), index: erase.index };
                if of.index < id.index {
                    self.erased.entry(of).or_insert((id.clone(), erase.reason, in_year));
                }
            }
            _ => {}
        }
    }

    /// How a statement ended.
    fn end(&self, id: &RecordId) -> Option<&'static str> {
        match (self.erased.contains_key(id), self.withdrawn.contains_key(id)) {
            (true, _) => Some("erased"),
            (_, true) => Some("withdrawn"),
            _ => None,
        }
    }

    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = self.referral_sections();
        sections.push(self.outcome_section());
        sections.push(self.time_section());
        let own = |map: &BTreeMap<RecordId, (RecordId, String, bool)>| -> Vec<(String, RecordId)> {
            map.values().filter(|(_, _, in_year)| *in_year).map(|(by, why, _)| (why.clone(), by.clone())).collect()
        };
        sections.push(section(
            "Withdrawals by reason",
            "Statements of any year that were taken back in this one.",
            own(&self.withdrawn),
        ));
        let objections = self.objections.iter().map(|(id, on, ground)| {
            let ground = word::<Ground>(*ground).unwrap_or("other");
            let end = match (self.end(id), self.end(on)) {
                (Some("withdrawn"), _) => "the objection was withdrawn",
                (Some(_), _) => "the objection was erased",
                (None, Some("withdrawn")) => "the referral was withdrawn",
                (None, Some(_)) => "the referral was erased",
                (None, None) => "it stands",
            };
            (format!("{ground}: {end}"), id.clone())
        });
        sections.push(section("Objections and how they ended", "Objections of this year, by ground.", objections));
        let holds =
            self.holds.iter().map(|id| (format!("{}: {}", id.unit, self.end(id).unwrap_or("stands")), id.clone()));
        sections.push(section("Holds", "Targets to be left online, by the unit that asked for it.", holds));
        let erased = self.erased.values().filter(|(_, _, in_year)| *in_year);
        let erased =
            erased.map(|(by, why, _)| (word::<EraseReason>(*why).unwrap_or("unspecified").to_owned(), by.clone()));
        sections.push(section(
            "Erasures by reason",
            "Records of any year that were erased in this one; what they said is in no figure.",
            erased,
        ));
        sections.push(self.restored_section());
        sections
    }

    fn referral_sections(&self) -> Vec<Section> {
        let ours = || self.referrals.iter().filter(|(_, referral)| referral.in_year);
        let mut targets: BTreeSet<&str> = BTreeSet::new();
        let first = ours().filter(|(_, referral)| targets.insert(&referral.target)).map(|(id, _)| id.clone()).collect();
        let of = |what: &str, ids: Vec<RecordId>| Figure { what: what.to_owned(), ids };
        let all = vec![
            of("referrals", ours().map(|(id, _)| id.clone()).collect()),
            of("different targets, each by its first referral", first),
        ];
        let category = |(id, referral): (&RecordId, &Referral)| -> Vec<(String, RecordId)> {
            let words = referral.categories.iter().filter_map(|category| word::<Category>(*category));
            words.map(|word| (word.to_owned(), id.clone())).collect()
        };
        let named = |provider: &str| if provider.is_empty() { "not named".to_owned() } else { provider.to_lowercase() };
        let sent = self.dispatches.iter().filter(|(_, sent)| (self.begin_ms..self.end_ms).contains(&sent.at_ms));
        vec![
            Section {
                title: "Referrals",
                says: "Of this year, whatever became of them, but for those erased.",
                figures: all,
            },
            section(
                "Referrals by unit",
                "The unit that referred.",
                ours().map(|(id, _)| (id.unit.to_string(), id.clone())),
            ),
            section("Referrals by category", "A referral may be of several.", ours().flat_map(category)),
            section(
                "Referrals by provider",
                "As the referral names it.",
                ours().map(|(id, referral)| (named(&referral.provider), id.clone())),
            ),
            section(
                "Sent to providers",
                "Referrals of any year that were sent in this one.",
                sent.map(|(id, sent)| (named(&sent.provider), id.clone())),
            ),
        ]
    }

    fn outcome_section(&self) -> Section {
        let ours = self.outcomes.iter().filter(|(_, _, _, in_year)| *in_year);
        let of = |(id, _, outcome, _): &(RecordId, RecordId, Outcome, bool)| {
            (word::<Answer>(outcome.answer).unwrap_or("unspecified").to_owned(), id.clone())
        };
        section("Outcomes", "What providers answered in this year.", ours.map(of))
    }

    fn time_section(&self) -> Section {
        let ours =
            self.outcomes.iter().filter(|(_, _, outcome, in_year)| *in_year && outcome.answer() != Answer::NoResponse);
        let of = |(id, on, outcome, _): &(RecordId, RecordId, Outcome, bool)| {
            let hours = outcome.at_ms.checked_sub(self.dispatches.get(on)?.at_ms)? / 3_600_000;
            let span = match hours {
                0 => "1: within 1 hour",
                1..24 => "2: within 24 hours",
                24..168 => "3: within 7 days",
                _ => "4: later",
            };
            Some((span.to_owned(), id.clone()))
        };
        section("Time to outcome", "From sending to the provider's answer.", ours.filter_map(of))
    }

    /// Whatever a provider removed, and was seen online after that.
    fn restored_section(&self) -> Section {
        let mut removed: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, on, outcome, _) in &self.outcomes {
            let target = self.dispatches.get(on).and_then(|sent| self.referrals.get(&sent.on));
            let gone = matches!(outcome.answer(), Answer::Removed | Answer::BlockedEu | Answer::GeoBlocked);
            if let Some(referral) = target.filter(|_| gone) {
                let first = removed.entry(&referral.target).or_insert(outcome.at_ms);
                *first = outcome.at_ms.min(*first);
            }
        }
        let back = self
            .seen_online
            .iter()
            .filter(|(_, target, at)| removed.get(target.as_str()).is_some_and(|gone| at > gone));
        section(
            "Restored",
            "Observations of targets online after a provider had removed or blocked them, by the unit that saw it.",
            back.map(|(id, ..)| (id.unit.to_string(), id.clone())),
        )
    }
}

fn referred(id: &RecordRef) -> Option<RecordId> {
    Some(RecordId { unit: id.unit.parse::<UnitId>().ok()?, index: id.index })
}

/// Figures ascending by what they count.
fn section(title: &'static str, says: &'static str, of: impl IntoIterator<Item = (String, RecordId)>) -> Section {
    let mut found: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
    for (what, id) in of {
        found.entry(what).or_default().push(id);
    }
    let figures = found.into_iter().map(|(what, mut ids)| {
        ids.sort();
        ids.dedup();
        Figure { what, ids }
    });
    Section { title, says, figures: figures.collect() }
}

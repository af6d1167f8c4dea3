//! What speaks against acting on a target of an operation, in words.

use std::collections::BTreeSet;

use entente_proto::record::Target;
use entente_proto::wire::{AgainstKind, Board, BoardAgainst, BoardTarget, RecordRef};

use super::super::super::holds::holds;
use super::At;

impl At<'_> {
    /// What speaks against a target and is not overridden: also what is not yet certified, and holds above and below it.
    pub(super) fn against(&self, target: &BoardTarget, overrides: &BTreeSet<(&str, u64)>) -> Vec<String> {
        let over = |id: &RecordRef| overrides.contains(&(id.unit.as_str(), id.index));
        let overridden =
            |against: &&BoardAgainst| against.kind() == AgainstKind::Objection && against.id.as_ref().is_some_and(over);
        let stands = target.against.iter().filter(|against| against.stands && !overridden(against));
        let mut why: Vec<String> = stands.map(words).collect();
        let id = target.referral.as_ref().and_then(|id| self.named(Some(id), "").ok());
        if id.is_some_and(|id| self.state.pending.withdrawn(&id.unit, id.index)) {
            why.push("its referral was withdrawn, not yet certified".to_owned());
        }
        why.extend(self.holds_beside(target));
        why
    }

    /// The holds that concern a target and are not on its board: uncertified ones, and those above and below it.
    pub(super) fn holds_beside(&self, target: &BoardTarget) -> Vec<String> {
        let Ok(named) = target.target.parse::<Target>() else { return Vec::new() };
        let on_board = target.against.iter().any(|against| against.stands && against.kind() == AgainstKind::Hold);
        // The first is that of the target itself, which the board tells with its id.
        let told = usize::from(on_board && self.state.is_held(&named));
        holds(self.state, &named, false).into_iter().skip(told).collect()
    }
}

/// What speaks against a target, with the record that says so.
pub(super) fn words(against: &BoardAgainst) -> String {
    let what = match against.kind() {
        AgainstKind::Hold => "held",
        AgainstKind::Objection => "objected to",
        AgainstKind::Withdrawn => "its referral was withdrawn",
        AgainstKind::Erased => "its referral was erased",
        AgainstKind::NoReferral => "no such referral",
        AgainstKind::Named | AgainstKind::Unspecified => "left out",
    };
    match &against.id {
        Some(id) => format!("{what} by {} ({0}/{})", id.unit, id.index),
        None => what.to_owned(),
    }
}

/// How objections can be overridden; nothing where there are none.
pub(super) fn way_past_objections(board: &Board) -> String {
    let against = board.targets.iter().flat_map(|target| &target.against);
    let objections = against.filter(|against| against.stands && against.kind() == AgainstKind::Objection);
    let ids: BTreeSet<(&str, u64)> =
        objections.filter_map(|against| against.id.as_ref()).map(|id| (id.unit.as_str(), id.index)).collect();
    let options: Vec<String> = ids
        .iter()
        .take(super::operation::NAMED_MAX)
        .map(|(unit, index)| format!("--override {unit}/{index}"))
        .collect();
    if options.is_empty() {
        return String::new();
    }
    format!(". The lead can act despite an objection: {}", options.join(" "))
}

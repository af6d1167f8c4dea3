//! What speaks against acting on a target, now and when the lead said go.

use super::super::fold::Fold;
use super::super::slot::{About, Base, End, Key, Slot};
use super::lead::Go;
use super::set::Name;
use crate::record::RecordKind;
use crate::wire::{AgainstKind, BoardAgainst};

/// A referral with what speaks against acting on it.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What it refers, as far as that is known.
    pub(super) target: String,
    pub(super) against: Vec<BoardAgainst>,
    /// Whether the go covers it.
    pub(super) covered: bool,
}

impl Fold {
    /// What speaks against acting on a referral: what stands now, and with a go what stood within it or came since.
    pub(super) fn against(&self, name: &Name, key: Option<Key>, go: Option<&Go>) -> Judged {
        let mut judged = Judged::default();
        let slot = key.and_then(|key| Some((key, self.slot(key)?)));
        match slot.filter(|(_, slot)| slot.kind() == RecordKind::Refer && is_referral(slot)) {
            Some((key, slot)) => self.against_referral(key, slot, go, &mut judged),
            None => judged.add(AgainstKind::NoReferral, None, true, go.is_some()),
        }
        if let Some(go) = go {
            if go.excluded.contains(name) {
                judged.add(AgainstKind::Named, Some((self, go.key)), true, true);
            }
            for against in &mut judged.against {
                let objection = against.kind() == AgainstKind::Objection;
                let over = |id: &crate::wire::RecordRef| go.overrides.contains(&(id.unit.clone(), id.index));
                against.overridden = objection && against.in_go && against.id.as_ref().is_some_and(over);
            }
            judged.covered = !judged.against.iter().any(|against| against.in_go && !against.overridden);
        }
        judged
    }

    fn against_referral(&self, key: Key, slot: &Slot, go: Option<&Go>, judged: &mut Judged) {
        if let Some(by) = slot.first_ended_by() {
            let kind = if slot.was_withdrawn() { AgainstKind::Withdrawn } else { AgainstKind::Erased };
            let by = Key::new(key.unit(), by);
            judged.add(kind, Some((self, by)), true, go.is_some_and(|go| go.cut.has(by)));
        }
        if go.is_some_and(|go| !go.cut.has(key)) {
            // It was not there yet, whatever became of it since.
            judged.add(AgainstKind::NoReferral, None, false, true);
        }
        let About::Target(id) = slot.about() else { return };
        judged.target = self.targets.get(id).map(|entry| entry.target.as_str().to_owned()).unwrap_or_default();
        for key in self.chain_of(id) {
            let Some(slot) = self.slot(key).filter(|slot| slot.is_there()) else { continue };
            match slot.kind() {
                RecordKind::Hold => judged.weigh(self, AgainstKind::Hold, key, (slot, None), go),
                RecordKind::Refer => {
                    let objections = self.children(slot).filter(|(_, on)| on.base == Base::Objection);
                    for (objection, said) in objections.filter(|(_, said)| said.kind() == RecordKind::Opinion) {
                        judged.weigh(self, AgainstKind::Objection, objection, (said, Some((key, slot))), go);
                    }
                }
                _ => {}
            }
        }
        judged.against.sort_by(|a, b| rank(a).cmp(&rank(b)));
    }
}

/// Whether a record of that kind is, or for an erased one may have been, a referral.
fn is_referral(slot: &Slot) -> bool {
    slot.end() == End::Erased || slot.is_there()
}

fn rank(against: &BoardAgainst) -> (i32, Option<(&str, u64)>) {
    (against.kind, against.id.as_ref().map(|id| (id.unit.as_str(), id.index)))
}

impl Judged {
    fn add(&mut self, kind: AgainstKind, id: Option<(&Fold, Key)>, stands: bool, in_go: bool) {
        let id = id.map(|(fold, key)| fold.reference(key));
        self.against.push(BoardAgainst { kind: kind.into(), id, stands, in_go, overridden: false });
    }

    /// Adds a hold, or an objection with the referral that it is on.
    fn weigh(
        &mut self,
        fold: &Fold,
        kind: AgainstKind,
        key: Key,
        (slot, on): (&Slot, Option<(Key, &Slot)>),
        go: Option<&Go>,
    ) {
        let stands = slot.stands() && on.is_none_or(|(_, on)| on.stands());
        let stood = |go: &Go| go.cut.stood(key, slot) && on.is_none_or(|(key, on)| go.cut.stood(key, on));
        let in_go = go.is_some_and(stood);
        // What was said since the go is shown also when it was taken back.
        let came_later = go.is_some_and(|go| !go.cut.has(key)) && slot.first_ended_by() != Some(key.index());
        if stands || in_go || came_later {
            self.add(kind, Some((fold, key)), stands, in_go);
        }
    }
}

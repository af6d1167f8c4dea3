//! The holds that concern a target: its own, those above it, and those below it, which would go down with it.

use std::collections::BTreeMap;

use entente_proto::record::{self, Target};

use crate::list::State;

/// How many holds below a target are named.
const NAMED_MAX: usize = 3;

/// The holds that concern a target, in words: its own, those above it, and those below it, which would go down with it.
pub(super) fn holds(state: &State, target: &Target, prefix: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut tell = |held: &Target, place: &str| {
        let by: Vec<String> = state.holders(held).into_iter().collect();
        words.push(format!("{held}{place} is held by {}: it is to be left online", by.join(" ")));
    };
    if state.is_held(target) {
        tell(target, "");
    }
    for parent in record::parents(target).filter(|parent| state.is_held(parent)) {
        tell(&parent, ", above it,");
    }
    for held in state.held().filter(|held| *held != target && stands_below(held, target, prefix)).take(NAMED_MAX) {
        tell(held, ", below it,");
    }
    words
}

fn stands_below(held: &Target, target: &Target, prefix: bool) -> bool {
    match target.parts().0 {
        // What stands below a domain has its name in it, which is quickly seen.
        record::target::TargetType::Domain => {
            held.as_str().contains(target.parts().1) && record::parents(held).any(|parent| parent == *target)
        }
        record::target::TargetType::Ip => record::parents(held).any(|parent| parent == *target),
        record::target::TargetType::Url => prefix && held.as_str().starts_with(target.as_str()),
        _ => false,
    }
}

/// What is held, to be looked at from many targets.
pub(super) struct Around<'a>(BTreeMap<Target, Vec<&'a Target>>);

impl<'a> Around<'a> {
    /// All that is held now.
    pub(super) fn new(state: &'a State) -> Self {
        let mut below: BTreeMap<Target, Vec<&Target>> = BTreeMap::new();
        for held in state.held() {
            for parent in record::parents(held) {
                below.entry(parent).or_default().push(held);
            }
        }
        Self(below)
    }

    /// What is held of what concerns a target: itself, what stands above it (told so), what stands below it.
    pub(super) fn of<'b>(&'b self, state: &'b State, target: &'b Target) -> impl Iterator<Item = (Target, bool)> {
        let own = Some(target).filter(|target| state.is_held(target)).map(|held| (held.clone(), false));
        let above = record::parents(target).filter(|parent| state.is_held(parent)).map(|held| (held, true));
        let below = self.0.get(target).into_iter().flatten().map(|held| ((*held).clone(), false));
        own.into_iter().chain(above).chain(below)
    }
}

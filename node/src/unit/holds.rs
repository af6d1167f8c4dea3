//! The holds that concern a target, in words.

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

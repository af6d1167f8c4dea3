//! Names and the names below them.

use std::collections::HashSet;

/// A set of host names that is asked for a name or any name above it.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashSet<Box<str>>);

impl Hosts {
    /// Adds a name as it may be written: in another script it becomes ASCII, as targets do.
    pub(super) fn add(&mut self, name: &str) {
        let name = name.trim_matches('.');
        let ascii = (!name.is_ascii()).then(|| entente_proto::record::from_input(name).ok()).flatten();
        self.0.insert(ascii.as_ref().map_or(name, |understood| understood.target.parts().1).into());
    }

    /// The name itself or the nearest above it that is in the set.
    pub(super) fn at_or_above<'a>(&self, host: &'a str) -> Option<&'a str> {
        let mut name = Some(host);
        while let Some(now) = name {
            if self.0.contains(now) {
                return Some(now);
            }
            name = now.split_once('.').map(|(_, above)| above);
        }
        None
    }
}

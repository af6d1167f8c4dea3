//! Names and the names below them.

use std::collections::BTreeSet;
use std::ops::Bound;

/// A set of host names that is asked for a name, any name above it or any name below it.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// With their labels in reverse order and a dot after each, so that names below one another stand together.
    reversed: BTreeSet<Box<str>>,
}

fn reversed(name: &str) -> String {
    name.rsplit('.').fold(String::with_capacity(name.len() + 1), |text, label| text + label + ".")
}

impl Hosts {
    /// Adds a name as it may be written: in another script it becomes ASCII, as targets do.
    pub(super) fn add(&mut self, name: &str) {
        let name = name.trim_matches('.');
        let ascii = (!name.is_ascii()).then(|| entente_proto::record::from_input(name).ok()).flatten();
        let name = ascii.as_ref().map_or(name, |understood| understood.target.parts().1);
        self.reversed.insert(reversed(name).into());
    }

    /// The name itself or the nearest above it that is in the set.
    pub(super) fn at_or_above<'a>(&self, host: &'a str) -> Option<&'a str> {
        let mut name = Some(host);
        while let Some(now) = name {
            if self.reversed.contains(reversed(now).as_str()) {
                return Some(now);
            }
            name = now.split_once('.').map(|(_, above)| above);
        }
        None
    }

    /// A name below this one that is in the set.
    pub(super) fn below(&self, host: &str) -> Option<String> {
        let begin = reversed(host);
        let mut after = self.reversed.range::<str, _>((Bound::Excluded(begin.as_str()), Bound::Unbounded));
        let found = after.next().filter(|name| name.starts_with(&begin))?;
        Some(reversed(found.trim_end_matches('.')).trim_end_matches('.').to_owned())
    }
}

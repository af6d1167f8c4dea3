//! STIX sightings as observations, for who asks for them.
//!
//! A sighting tells that what an indicator names was seen (STIX 2.1 section 5.2): the target was online then; with a count
//! of 0 it was looked for and not found: offline. An own export says `moved to` a successor in the description. The time
//! is `last_seen`, else `first_seen`, else when the sighting was made. The indicator has to stand before it in the file.
//!
//! Not every tool means by a sighting that content could be reached, so nobody gets observations who did not ask.
//!
//! Limits: the newest [`TARGETS_MAX`] targets of indicators are remembered.

use std::collections::{HashMap, VecDeque};

use entente_proto::record::Target;
use entente_proto::wire::{Availability, Observe};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Fault;
use super::stix::Object;
use crate::cli::words::parse_moment;
use crate::export::ids;

/// Most targets that are remembered for sightings to come.
pub const TARGETS_MAX: usize = 100_000;

/// How a target was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The sighting's id.
    pub sighting: String,
    /// What it says, but for the target.
    pub observe: Observe,
}

impl Seen {
    /// The submission's id: the same whenever the sighting is imported, so that it is never entered twice.
    #[must_use]
    pub fn submission(&self, target: &str) -> Uuid {
        ids::of(&format!("{} {target}", self.sighting))
    }
}

/// A sighting, and of which object.
#[derive(Debug)]
pub(super) struct Sighting {
    of: String,
    seen: Seen,
}

impl Sighting {
    pub(super) fn of(object: &Map<String, Value>) -> Result<Self, Fault> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let fault = |words: &str| Fault::new("sighting", words);
        if object.get("revoked") == Some(&Value::Bool(true)) {
            return Err(Fault::new("revoked", "its author took it back"));
        }
        let (id, of) = (text("id"), text("sighting_of_ref"));
        if id.is_empty() || of.is_empty() {
            return Err(fault("it has no id, or does not say by sighting_of_ref what was seen"));
        }
        let time =
            ["last_seen", "first_seen", "modified", "created"].map(text).into_iter().find(|time| !time.is_empty());
        let observed_ms = time.map(parse_moment).and_then(Result::ok).ok_or_else(|| fault("it has no valid time"))?;
        let successor = text("description").strip_prefix("moved to ").and_then(|to| to.parse::<Target>().ok());
        let availability = match (&successor, object.get("count").and_then(Value::as_u64)) {
            (Some(_), _) => Availability::Moved,
            (None, Some(0)) => Availability::Offline,
            (None, _) => Availability::Online,
        };
        let observe = Observe {
            target: String::new(),
            availability: availability as i32,
            successor: successor.map(|to| to.as_str().to_owned()).unwrap_or_default(),
            observed_ms,
        };
        Ok(Self { of: of.to_owned(), seen: Seen { sighting: id.to_owned(), observe } })
    }
}

/// What the indicators so far name.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    targets: HashMap<String, Vec<String>>,
    oldest_first: VecDeque<String>,
    count: usize,
}

impl Sightings {
    /// Gives a sighting the targets that it speaks of, and remembers those of anything else.
    pub(super) fn settle(&mut self, object: &mut Object) {
        match object.sighting.take() {
            Some(Sighting { of, seen }) => match self.targets.get(&of) {
                Some(targets) => {
                    object.targets = targets.iter().cloned().map(Ok).collect();
                    object.seen = Some(seen);
                }
                None => {
                    let of = crate::cli::words::clip(&of);
                    let words =
                        format!("what it speaks of, {of}, does not stand before it in the file, or names no target");
                    object.targets = [Err(Fault::new("sighting", words))].into();
                }
            },
            None => self.remember(object),
        }
    }

    fn remember(&mut self, object: &Object) {
        let targets: Vec<String> = object.targets.iter().filter_map(|target| target.as_ref().ok()).cloned().collect();
        if targets.is_empty() || object.id.is_empty() {
            return;
        }
        self.count = self.count.saturating_add(targets.len());
        match self.targets.insert(object.id.clone(), targets) {
            Some(before) => self.count = self.count.saturating_sub(before.len()),
            None => self.oldest_first.push_back(object.id.clone()),
        }
        while self.count > TARGETS_MAX {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            let gone = self.targets.remove(&oldest).map_or(0, |targets| targets.len());
            self.count = self.count.saturating_sub(gone);
        }
    }
}

#[cfg(test)]
mod tests;

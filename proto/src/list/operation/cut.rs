//! How far each log went when a step was written.

use super::super::fold::Fold;
use super::super::slot::{Key, Slot};
use crate::wire::{BoardWait, FrontierLog};

/// For each unit, by its number, the size up to which its log is meant.
#[derive(Debug)]
pub(super) struct Cut(Vec<u64>);

impl Cut {
    /// The cut that a step names. Of its own log everything before it is meant.
    pub(super) fn of(fold: &Fold, by: Key, frontier: &[FrontierLog]) -> Self {
        let mut sizes = vec![0; fold.logs.len()];
        let named = frontier.iter().filter_map(|log| Some((fold.number_named(&log.unit)?, log.size)));
        for (unit, size) in named.chain([(by.unit(), by.index())]) {
            if let Some(place) = sizes.get_mut(unit) {
                *place = size;
            }
        }
        Self(sizes)
    }

    /// Up to where the log of the unit with this number is meant.
    pub(super) fn size(&self, unit: usize) -> u64 {
        self.0.get(unit).copied().unwrap_or_default()
    }

    /// Whether a record is within.
    pub(super) fn has(&self, key: Key) -> bool {
        key.index() < self.size(key.unit())
    }

    /// Whether a record was within and not taken back by then.
    pub(super) fn stood(&self, key: Key, slot: &Slot) -> bool {
        let size = self.size(key.unit());
        key.index() < size && slot.first_ended_by().is_none_or(|by| by >= size)
    }
}

/// Whether a frontier names more of the step's own log than there was.
pub(super) fn is_ahead(fold: &Fold, by: Key, frontier: &[FrontierLog]) -> bool {
    frontier.iter().any(|log| fold.number_named(&log.unit) == Some(by.unit()) && log.size > by.index())
}

/// The logs that a frontier names farther than they are folded.
pub(super) fn waits(fold: &Fold, by: Key, frontier: &[FrontierLog]) -> Vec<BoardWait> {
    let folded = |unit: &str| match fold.number_named(unit) {
        Some(number) if number == by.unit() => u64::MAX,
        Some(number) => fold.size_of(number),
        None => 0,
    };
    let missing = frontier.iter().filter(|log| folded(&log.unit) < log.size);
    missing.map(|log| BoardWait { unit: log.unit.clone(), size: log.size }).collect()
}

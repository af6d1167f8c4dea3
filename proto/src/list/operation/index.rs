//! What the fold remembers of operations: which steps there are, and of reports what they say.

use std::collections::BTreeMap;

use super::super::fold::Fold;
use super::super::slot::{About, Key};
use crate::ids::RecordId;
use crate::record::RecordKind;
use crate::wire::operation_step::Step;
use crate::wire::{OperationStep, RecordRef};

/// The operations of the logs, as far as they are folded.
#[derive(Debug, Default)]
pub(in crate::list) struct Operations {
    /// By the record that begins one; also where that is not folded, or is something else.
    courses: BTreeMap<Key, Course>,
    /// Of each item that was handed over, or was to be: both sides' words, in the order in which they were folded.
    custody: BTreeMap<Key, Vec<Key>>,
}

/// What was said of one operation, in the order in which it was folded.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Steps that are no reports.
    pub(super) steps: Vec<Key>,
    pub(super) reports: Vec<Report>,
    /// Items that were seized in it.
    pub(super) evidence: Vec<Key>,
}

/// A report of what was done to a target. There is one for each unit and target, so it is kept, and not read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) key: Key,
    /// The referral; none where its unit is not known.
    pub(super) on: Key,
    pub(super) at_ms: u64,
    pub(super) result: i32,
}

impl Operations {
    /// An operation begins.
    pub(in crate::list) fn begin(&mut self, key: Key) {
        self.courses.entry(key).or_default();
    }

    /// What was said of the hand-over of an item.
    pub(super) fn handed(&self, item: Key) -> &[Key] {
        self.custody.get(&item).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Course> {
        self.courses.get(&key)
    }
}

impl Fold {
    /// A step of an operation.
    pub(in crate::list) fn step(&mut self, key: Key, step: &OperationStep) {
        let Some(on) = step.operation.as_ref().and_then(|id| self.key_of(id)) else { return };
        if let Some(slot) = self.slot_mut(key) {
            slot.set_about(About::Record(on));
        }
        let report = self.report(key, step.step.as_ref());
        let course = self.operations.courses.entry(on).or_default();
        match report {
            Some(report) => course.reports.push(report),
            None => course.steps.push(key),
        }
    }

    pub(super) fn report(&self, key: Key, step: Option<&Step>) -> Option<Report> {
        let Some(Step::Executed(executed)) = step else { return None };
        let on = executed.target.as_ref().and_then(|id| self.key_of(id)).unwrap_or(Key::NONE);
        Some(Report { key, on, at_ms: executed.at_ms, result: executed.result })
    }

    /// An item was seized, in an operation or not.
    pub(in crate::list) fn seize(&mut self, key: Key, operation: Option<&RecordRef>) {
        if let Some(on) = operation.and_then(|id| self.key_of(id)) {
            self.operations.courses.entry(on).or_default().evidence.push(key);
        }
    }

    /// One side's word on the hand-over of an item.
    pub(in crate::list) fn hand_over(&mut self, key: Key, item: Option<&RecordRef>) {
        if let Some(item) = item.and_then(|id| self.key_of(id)) {
            self.operations.custody.entry(item).or_default().push(key);
        }
    }

    /// The operations, ascending by unit and index.
    pub fn operations(&self) -> impl DoubleEndedIterator<Item = RecordId> {
        self.operations.courses.keys().filter(|key| self.begins(**key)).filter_map(|key| self.record_id(*key))
    }

    /// Whether a record begins an operation.
    pub(super) fn begins(&self, key: Key) -> bool {
        self.slot(key).is_some_and(|slot| slot.kind() == RecordKind::Operation && slot.stands())
    }
}

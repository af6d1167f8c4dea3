//! What becomes durable together: statements get their places, the journal has them, then the store.

use std::sync::Arc;

use bytes::Bytes;
use entente_proto::entry::Entry;
use entente_proto::hash::Hash;
use entente_proto::ids::Size;
use entente_proto::limits::BUNDLE_ENTRIES;
use entente_proto::record::RecordKind;
use entente_proto::sync::Event;
use ring::rand::SecureRandom;
use tokio::sync::oneshot;

use super::{Answer, Author};
use crate::core::{Placed, erasure, lock, revoked_in};
use crate::journal::{AppendError, Contradiction, JournalRecord, OwnEntry, SubmissionId};
use crate::store::{Append, Batch, StoreError};

/// How many statements, and how many bytes of them, go into the journal in one write.
pub(super) const GROUP_MAX: usize = 4_096;
pub(super) const GROUP_BYTES_MAX: usize = 1 << 20;
/// What a statement takes in the journal beside its payload, at the most, in bytes.
pub(super) const RECORD_BYTES: usize = 256;

/// A group of submissions that becomes durable together.
#[derive(Default)]
pub(super) struct Group {
    pub(super) bytes: usize,
    pub(super) records: Vec<JournalRecord>,
    pub(super) entries: Vec<Entry>,
    pub(super) submissions: Vec<(SubmissionId, u64)>,
    pub(super) level1: Vec<(u64, Hash)>,
    pub(super) replies: Vec<(oneshot::Sender<Vec<Answer>>, Vec<Answer>)>,
}

impl Group {
    /// Whether more goes into it.
    pub(super) fn has_room(&self) -> bool {
        self.records.len() < GROUP_MAX && self.bytes < GROUP_BYTES_MAX
    }
}

impl Author {
    pub(super) fn place(
        &mut self,
        group: &mut Group,
        submission: SubmissionId,
        kind: RecordKind,
        payload: Bytes,
    ) -> Option<u64> {
        let opening = self.draw()?;
        let time_ms = self.last_time_ms.max(self.core.clock.now_ms());
        group.bytes = group.bytes.saturating_add(payload.len()).saturating_add(RECORD_BYTES);
        let said = Hash::of(&payload);
        let entry = Entry::compose(kind.number(), time_ms, opening, payload).ok()?;
        let index = self.next;
        self.tail.push(entry.leaf_hash());
        if self.tail.len() as u64 == BUNDLE_ENTRIES {
            let hash = entente_proto::tree::level1(&self.tail).ok()?;
            group.level1.push((index / BUNDLE_ENTRIES, hash));
            self.tail.clear();
        }
        group.records.push(JournalRecord::OwnEntry(OwnEntry {
            index,
            entry: entry.clone(),
            submission: Some(submission),
        }));
        group.entries.push(entry);
        group.submissions.push((submission, index));
        lock(&self.core.placed).insert(submission, Placed { index, payload: said });
        (self.next, self.last_time_ms) = (index.saturating_add(1), time_ms);
        Some(index)
    }

    pub(super) fn draw(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).ok().map(|()| bytes)
    }

    /// Makes a group durable: first in the journal, whereupon waiters are answered, then in the store, whereupon partners
    /// are served. So the store never knows an own entry that the journal does not.
    ///
    /// A group without records is answered in its turn too: what it repeats may still be on its way to the disk.
    pub(super) fn commit(&mut self, group: Group) {
        let Group { records, entries, submissions, level1, replies, .. } = group;
        let answer = move || {
            for (reply, answers) in replies {
                // An officer that hung up needs no answer: the submission's id tells a second call apart.
                let _ = reply.send(answers);
            }
        };
        let (unit, first) = (self.core.unit.clone(), self.next.saturating_sub(entries.len() as u64));
        let core = self.core.clone();
        let journalled = move || {
            answer();
            if entries.is_empty() {
                return;
            }
            core.list.taken(unit.clone(), first, &entries);
            let from = Size::new(first).unwrap_or_default();
            let announced = erasure::announced(&unit, first, &entries);
            let append = Append { unit, from, entries: entries.clone(), level1 };
            let after = core.clone();
            let stored = move |result: Result<(), Arc<StoreError>>| match result {
                Ok(()) => {
                    after.admissions.revoked(&after.unit, revoked_in(&entries));
                    after.tell(Event::OwnAppended { entries }, None);
                }
                Err(error) => crate::core::drive::not_stored(&error),
            };
            core.store_writer
                .submit(Batch { appends: vec![append], announced, submissions, ..Batch::default() }, Box::new(stored));
        };
        match self.core.journal.append(&records, Box::new(journalled)) {
            Ok(()) => self.forget(),
            Err(AppendError::Closed) => {}
            // The node begins anew, and whoever waits is told to submit again.
            Err(AppendError::Contradiction(Contradiction::Lost)) => {
                tracing::warn!("nothing is entered: what this node signed is not known")
            }
            Err(error) => crate::fatal(&format!("the journal refuses an own entry: {error}")),
        }
    }

    /// Drops what store and list have taken over.
    fn forget(&mut self) {
        let mut placed = lock(&self.core.placed);
        if placed.len() > GROUP_MAX.saturating_mul(4) {
            let stored = self.core.store.size(&self.core.unit).get();
            placed.retain(|_, placed| placed.index >= stored);
        }
        drop(placed);
        if self.referred.len() > GROUP_MAX.saturating_mul(4) {
            let folded = self.core.list.folded(&self.core.unit);
            self.referred.retain(|_, index| *index >= folded);
        }
    }
}

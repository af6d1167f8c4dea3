//! What was acknowledged while the node did not sign, and gets its place when it does.

use entente_proto::record::{self, RecordKind};
use entente_proto::sync::Adoption;
use entente_proto::wire;

use super::group::{GROUP_BYTES_MAX, Group, RECORD_BYTES};
use super::{Answer, Author, Draft, kind_of, target_of};
use crate::core::lock;
use crate::journal::{JournalRecord, Submission, SubmissionId};

impl Author {
    /// Gives what waited its place, now that the node signs.
    pub(super) fn drain(&mut self, group: &mut Group) {
        if self.runs().is_none() {
            return;
        }
        if self.next == 0 {
            self.adopt(group);
        }
        while group.bytes < GROUP_BYTES_MAX
            && let Some(waiting) = self.outbox.pop_front()
        {
            if self.core.placed(&waiting.id).is_some() {
                self.taken(waiting.id, group);
                continue;
            }
            let Some(kind) = kind_of(&waiting.record) else { continue };
            let payload = waiting.record.clone();
            let Some(index) = self.place(group, waiting.id, kind, waiting.record.clone()) else {
                self.outbox.push_front(waiting);
                break;
            };
            self.taken(waiting.id, group);
            self.follow(None, kind, &payload, index);
        }
        if self.outbox.is_empty() {
            self.waiting.clear();
        }
        // What is left goes with the next group: the engine's thread wakes this one while anything waits.
        self.core.set_outbox(self.outbox.len());
    }

    /// The first entry of every log: the charter that brought its unit in.
    fn adopt(&mut self, group: &mut Group) {
        let charters = self.core.charters();
        let Some(first) = charters.brought_in(&self.core.unit) else { return };
        self.enter_adopt(Adoption { version: first.version().into(), digest: first.digest() }, group);
    }

    /// Takes up a later charter, once.
    pub(super) fn take_up(&mut self, adoption: Adoption, group: &mut Group) {
        if !self.signs() {
            return;
        }
        self.settle();
        if self.next > 0 || self.core.waits_at_base() {
            self.enter_adopt(adoption, group);
        }
    }

    /// The charter's digest gives the statement its id, so that none is taken up twice.
    fn enter_adopt(&mut self, adoption: Adoption, group: &mut Group) {
        let Ok(submission) = SubmissionId::try_from(&adoption.digest.0[..16]) else { return };
        if self.core.placed(&submission).is_some() {
            return;
        }
        let adopt = wire::Adopt { version: adoption.version, digest: adoption.digest.0.to_vec() };
        let body = Some(wire::record::Body::Adopt(adopt));
        match record::encode(&wire::Record { submission: submission.to_vec(), body }) {
            Ok(payload) => {
                self.place(group, submission, RecordKind::Adopt, payload);
            }
            Err(error) => tracing::error!(%error, "the charter's adoption cannot be recorded"),
        }
    }

    /// Lets a statement wait until the node signs.
    pub(super) fn wait(&mut self, draft: Draft, group: &mut Group) -> Answer {
        group.bytes = group.bytes.saturating_add(draft.payload.len()).saturating_add(RECORD_BYTES);
        self.waiting.extend(target_of(&draft.payload));
        let waiting = Submission { id: draft.submission, record: draft.payload };
        lock(&self.core.waiting).insert(waiting.id, waiting.record.clone());
        group.records.push(JournalRecord::Outbox(waiting.clone()));
        self.outbox.push_back(waiting);
        self.core.set_outbox(self.outbox.len());
        Answer::Waiting
    }

    /// It is in the outbox no more. Whoever asks for it finds it in the log, if it went there, before it is gone here.
    fn taken(&self, id: SubmissionId, group: &mut Group) {
        group.records.push(JournalRecord::OutboxTaken(id));
        lock(&self.core.waiting).remove(&id);
    }

    /// An officer takes back what waits in the outbox.
    pub(super) fn take_back(&mut self, id: &SubmissionId, countersign: bool, group: &mut Group) -> Answer {
        let Some(at) = self.outbox.iter().position(|waiting| waiting.id == *id) else {
            return Answer::Refused(match self.core.placed(id) {
                Some(index) => format!("it stands in the log by now, as {}/{index}: withdraw that", self.core.unit),
                None => "it does not wait any more: `entente waiting` lists what does".into(),
            });
        };
        if countersign {
            return Answer::Refused("it wants no second officer: it enters by itself when the node signs again".into());
        }
        let target = self.outbox.remove(at).and_then(|waiting| target_of(&waiting.record));
        if let Some(target) = target
            && !self.outbox.iter().any(|waiting| target_of(&waiting.record).as_ref() == Some(&target))
        {
            self.waiting.remove(&target);
        }
        self.taken(*id, group);
        self.core.set_outbox(self.outbox.len());
        Answer::Dropped
    }
}

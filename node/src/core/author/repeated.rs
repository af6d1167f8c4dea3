//! What is answered to a call that came before: by the id that its client gave it.

use entente_proto::hash::Hash;
use entente_proto::wire;

use super::{Answer, Author, Draft};
use crate::core::lock;

impl Author {
    /// The answer to a submission whose id is known, wherever what came under it stands or waits.
    pub(super) fn repeated(&self, draft: &Draft) -> Option<Answer> {
        if let Some(place) = self.core.placed(&draft.submission) {
            return Some(self.again(place, draft));
        }
        let (record, answer) = if let Some(waiting) = self.outbox.iter().find(|waiting| waiting.id == draft.submission)
        {
            (&waiting.record, Answer::Waiting)
        } else {
            // Until a second officer has spoken nothing lets it in, whatever is asked for now.
            let proposal = self.proposals.get(&draft.submission)?;
            (&proposal.record, Answer::Proposed(proposal.reason.clone()))
        };
        if alike(record, &draft.payload) {
            return Some(answer);
        }
        Some(Answer::Refused("this submission id waits already, for another statement: take a new one".into()))
    }

    /// The answer to a submission whose id stands in the log: that entry, if it says the same.
    fn again(&self, place: u64, draft: &Draft) -> Answer {
        let said = Hash::of(&draft.payload);
        let recent = lock(&self.core.placed).get(&draft.submission).map(|placed| placed.payload);
        let stored = match recent {
            Some(_) => Ok(None),
            None => self.core.store.entry(&self.core.unit, place),
        };
        let Ok(stored) = stored else {
            // Its client asks with the same id, whatever came of it.
            return Answer::Refused(format!(
                "what this submission id was used for, {}/{place}, cannot be read from the database at present: submit it again \
                 in a moment, under the same id",
                self.core.unit
            ));
        };
        let stored = stored.and_then(|entry| entry.payload().map(|payload| Hash::of(payload)));
        match recent.or(stored) {
            Some(payload) if payload == said => Answer::Entered(place),
            Some(_) => Answer::Refused(format!(
                "this submission id was used before, for another statement, {}/{place}: take a new one",
                self.core.unit
            )),
            None => Answer::Refused(format!(
                "this submission id was used before, for {}/{place}, which was erased: take a new one",
                self.core.unit
            )),
        }
    }
}

/// Whether two records say the same, but for the time that this node gave them where the officer gave none.
fn alike(one: &[u8], other: &[u8]) -> bool {
    use prost::Message as _;
    use wire::record::Body;
    let timeless = |payload: &[u8]| {
        let mut record = wire::Record::decode(payload).ok()?;
        match record.body.as_mut()? {
            Body::Dispatch(dispatch) => dispatch.at_ms = 0,
            Body::Outcome(outcome) => outcome.at_ms = 0,
            Body::Observe(observe) => observe.observed_ms = 0,
            Body::Custody(custody) => custody.at_ms = 0,
            _ => {}
        }
        Some(record)
    };
    one == other || timeless(one).is_some_and(|record| timeless(other) == Some(record))
}

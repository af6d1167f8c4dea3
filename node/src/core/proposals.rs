//! Charters to come, in a running node: what units say of them in records is put together, a version that has all its
//! signatures is taken up, and what this unit's keys sign is put into the own log.
//!
//! A complete version counts wherever it is found. So it is taken up as if a partner had passed it on, and nobody has to be
//! told to: whoever does not want it does not sign it.

use bytes::Bytes;
use entente_proto::charter::{Charter, CharterChain, Proposals, UnverifiedCharter};
use entente_proto::hash::Hash;
use entente_proto::ids::RecordId;
use entente_proto::limits::APPROVE_SIGNATURES_MAX;
use entente_proto::record::{self, RecordKind};
use entente_proto::sync::{Stage, Standing};
use entente_proto::wire;
use entente_proto::wire::record::Body;

use super::author::{Answer, Draft};
use super::{Core, lock};
use crate::journal::SubmissionId;
use crate::membership;

impl Core {
    /// Looks at what units say of charters to come. Hold it for as short as a question needs.
    pub fn proposals<T>(&self, look: impl FnOnce(&Proposals) -> T) -> T {
        look(&lock(&self.proposals))
    }

    /// A record speaks of a charter to come.
    pub(super) fn spoken(&self, id: &RecordId, body: &Body) {
        let (taken, complete) = {
            let mut proposals = lock(&self.proposals);
            (proposals.take(id, body), proposals.complete())
        };
        if let Err(reason) = taken {
            tracing::info!(%id, %reason, "a record about a charter brings nothing, or not all that it could");
        }
        self.take_up(complete);
    }

    /// Another version governs.
    pub(super) fn follow_proposals(&self, chain: CharterChain) {
        let complete = {
            let mut proposals = lock(&self.proposals);
            proposals.follow(chain);
            proposals.complete()
        };
        self.take_up(complete);
    }

    fn take_up(&self, complete: Option<Charter>) {
        let Some(charter) = complete else { return };
        let (version, digest) = (charter.version(), charter.digest());
        match membership::check_authorities(&self.charters(), charter.terms()) {
            Ok(()) => {
                tracing::info!(version, %digest, "a charter that was proposed has all its signatures: it is taken up");
                self.bring_charter(charter);
            }
            Err(error) => {
                tracing::error!(version, %digest, %error, "a charter has all its signatures and cannot be used")
            }
        }
    }

    /// Whether this unit's keys may sign a text, as far as the logs tell; the journal has its own word in it.
    ///
    /// # Errors
    /// In words, why not.
    pub(super) fn may_sign(&self, charter: &UnverifiedCharter) -> Result<(), String> {
        if let Standing::Recovering { stage: Stage::Rebuilding { .. }, .. } = self.standing() {
            return Err(
                "this node has lost its journal, and with it what it signed: it signs no charter until it has its own \
                        log back from partners, which tells of that. See `entente status`"
                    .into(),
            );
        }
        if charter.terms().continues.is_some() {
            // No record proposes it: the network may be stuck.
            return Ok(());
        }
        let version = charter.terms().version;
        let signed = self.proposals(|proposals| proposals.signed_by(&self.unit, version));
        match signed.filter(|signed| *signed != charter.digest()) {
            Some(other) => Err(format!(
                "this unit has signed another text of version {version} already (digest {other}): one text a version, ever"
            )),
            None => Ok(()),
        }
    }

    /// Puts the lines of a charter that no record has brought yet into the own log, so that every node gets them. Gives the
    /// records; one that waits in the outbox has none yet.
    ///
    /// # Errors
    /// In words: nobody proposes the text, this unit has signed another one, or the log takes nothing.
    pub async fn publish_signatures(&self, charter: UnverifiedCharter) -> Result<Vec<Option<u64>>, String> {
        let digest = charter.digest();
        let known = self.proposals(|proposals| {
            let found = proposals.find(&digest)?;
            Some(found.charter.map(UnverifiedCharter::signature_lines).unwrap_or_default())
        });
        let known = known.ok_or("no unit proposes this text: `entente charter propose FILE` comes first")?;
        let lines: Vec<String> = charter.signature_lines().into_iter().filter(|line| !known.contains(line)).collect();
        if charter.is_signed_by(&self.unit) {
            // The charter key may have signed on another machine.
            self.may_sign(&charter)?;
            self.put_name_to(&charter).await?;
        }
        let mut records = Vec::new();
        for lines in lines.chunks(APPROVE_SIGNATURES_MAX) {
            records.push(self.publish(digest, lines).await?);
        }
        let complete = {
            let mut proposals = lock(&self.proposals);
            // A text that is too long for a record comes together where people have brought it.
            proposals.bring(&self.unit, charter).map_err(|error| error.to_string())?;
            proposals.complete()
        };
        self.take_up(complete);
        Ok(records)
    }

    async fn publish(&self, digest: Hash, lines: &[String]) -> Result<Option<u64>, String> {
        // The same lines enter once.
        let submission = submission(digest, lines);
        let approve = wire::Approve { digest: digest.0.to_vec(), signatures: lines.to_vec() };
        let record = wire::Record { submission: submission.to_vec(), body: Some(Body::Approve(approve)) };
        let payload: Bytes = record::encode(&record).map_err(|error| error.to_string())?;
        let (kind, unless_referred, second) = (RecordKind::Approve, None, None);
        let draft = Draft { submission, kind, payload, unless_referred, second, unjudged: false };
        let answers = self.submit(vec![draft]).await.map_err(|error| error.to_string())?;
        match answers.into_iter().next() {
            Some(Answer::Entered(index)) => Ok(Some(index)),
            Some(Answer::Refused(reason)) => Err(reason),
            _ => Ok(None),
        }
    }
}

fn submission(digest: Hash, lines: &[String]) -> SubmissionId {
    let hash = Hash::of(format!("entente signatures under {digest}\n{}", lines.join("\n")).as_bytes());
    std::array::from_fn(|at| hash.0.get(at).copied().unwrap_or_default())
}

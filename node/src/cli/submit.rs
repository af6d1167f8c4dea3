//! Statements on their way to the node. Each has an id from the beginning, so that a call whose answer was lost is
//! made again without entering anything twice.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use entente_proto::wire::record::Body;
use entente_proto::wire::submit_result::Result as Answer;
use entente_proto::wire::{Record, Submission, SubmitRequest, Wait};
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::client::{Node, misfit};
use super::error::{CliError, passing};

/// A new statement with an id of its own.
pub(crate) fn submission(id: Uuid, body: Body, skip_known: bool) -> Submission {
    let record = Some(Record { submission: id.as_bytes().to_vec(), body: Some(body) });
    Submission { record, skip_known, ..Submission::default() }
}

/// Sends statements to the node, and again while a lost connection, a restart or overload may pass.
#[derive(Clone)]
pub(crate) struct Submitter {
    node: Node,
    /// How long one call may take.
    call: Duration,
    /// How long to try again.
    retry_for: Duration,
}

impl Submitter {
    /// Through this node.
    pub(crate) const fn new(node: Node, call: Duration, retry_for: Duration) -> Self {
        Self { node, call, retry_for }
    }

    /// The node that they go to.
    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }

    /// Makes them durable: an answer for each, in their order.
    pub(crate) async fn durable(&self, submissions: &[Submission]) -> Result<Vec<Answer>, CliError> {
        let begun = Instant::now();
        let again = |status: &Status| passing(status) && begun.elapsed() < self.retry_for;
        let attempt = || self.call(submissions, Wait::Durable, self.call);
        let answers = attempt.retry(pace()).sleep(tokio::time::sleep).when(again).await?;
        fitting(answers, submissions)
    }

    /// Waits until they, durable already, are certified; `None` if they are not at `until`.
    pub(crate) async fn certified(
        &self,
        submissions: &[Submission],
        until: Instant,
    ) -> Result<Option<Vec<Answer>>, CliError> {
        let attempt = || async {
            let left = until.saturating_duration_since(Instant::now());
            let answers = self.call(submissions, Wait::Certified, left).await?;
            let open = |answer: &Option<Answer>| matches!(answer, Some(Answer::Accepted(a)) if !a.certified);
            // The node may have a limit of its own for how long a call waits.
            if answers.iter().any(open) { Err(Status::deadline_exceeded("not yet certified")) } else { Ok(answers) }
        };
        let again = |status: &Status| passing(status) && Instant::now() < until;
        match attempt.retry(pace()).sleep(tokio::time::sleep).when(again).await {
            Ok(answers) => fitting(answers, submissions).map(Some),
            Err(status) if passing(&status) => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    async fn call(
        &self,
        submissions: &[Submission],
        wait: Wait,
        limit: Duration,
    ) -> Result<Vec<Option<Answer>>, Status> {
        let request = SubmitRequest { submissions: submissions.to_vec(), wait: wait as i32, judge_only: false };
        let reply = self.node.client().submit(self.node.request_within(request, limit)).await?.into_inner();
        Ok(reply.results.into_iter().map(|result| result.result).collect())
    }
}

/// Quickly at first, since a node is back within a second or two; with jitter, since other clients wait for it too.
fn pace() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_jitter()
}

fn fitting(answers: Vec<Option<Answer>>, submissions: &[Submission]) -> Result<Vec<Answer>, CliError> {
    let answers: Option<Vec<Answer>> = answers.into_iter().collect();
    answers
        .filter(|answers| answers.len() == submissions.len())
        .ok_or_else(|| misfit("it has not one answer for each statement"))
}

#[cfg(test)]
pub(crate) mod tests;

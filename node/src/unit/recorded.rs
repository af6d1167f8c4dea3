//! The service as it is served: every call is in the access log before it is acted upon.
//!
//! Each method is here once more, so that none can be served that leaves no trace. Statements go in by their submission ids,
//! which their records in the unit's log carry, records by theirs, and texts that were asked for, and targets that statements were
//! made about, as salted hashes: what is erased from every log does not stay here.

use entente_proto::access::{PURPOSE_BYTES_MAX, Part, SALT_BYTES, call};
use entente_proto::ids::RecordId;
use entente_proto::record::{self, RecordKind};
use entente_proto::wire;
use entente_proto::wire::access::Body;
use entente_proto::wire::record::Body as Statement;
use entente_proto::wire::unit_server::{Unit, UnitServer};
use futures_util::{Stream, StreamExt as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::UnitService;
use super::access::Runs;
use crate::access::{AccessLog, Place};
use crate::net::PeerInfo;
use entente_proto::limits::API_BYTES_MAX;

/// The metadata key under which a caller says why it calls: UTF-8, as binary metadata.
pub(crate) const PURPOSE: &str = "entente-purpose-bin";

/// Bytes of a statement's id.
const SUBMISSION_BYTES: usize = 16;
/// How many rows wait for the caller between the service and the wire.
const ROWS_WAITING: usize = 16;

/// The service, and the log of who calls it.
#[derive(Debug)]
pub struct Recorded {
    service: UnitService,
    access: AccessLog,
    /// Whether whoever reads or discloses has to say why.
    purpose_needed: bool,
    random: SystemRandom,
}

/// What a call is, for the log.
struct Says {
    method: &'static str,
    about: Vec<Part>,
    submissions: Vec<Vec<u8>>,
    /// Whether it consults or discloses what units said (Directive (EU) 2016/680, Article 25(2)).
    consults: bool,
}

impl Says {
    fn new(method: &'static str, about: Vec<Part>) -> Self {
        Self { method, about, submissions: Vec::new(), consults: false }
    }

    fn consulting(method: &'static str, about: Vec<Part>) -> Self {
        Self { consults: true, ..Self::new(method, about) }
    }
}

impl Recorded {
    /// Serves the unit's own people.
    #[must_use]
    pub fn server(service: UnitService, access: AccessLog, purpose_needed: bool) -> UnitServer<Self> {
        UnitServer::new(Self { service, access, purpose_needed, random: SystemRandom::new() })
            .max_decoding_message_size(API_BYTES_MAX)
            .max_encoding_message_size(API_BYTES_MAX)
    }

    /// The call is durable in the log on return. Gives its place there.
    async fn begun<T>(&self, request: &Request<T>, says: Says) -> Result<Place, Status> {
        let info = request.extensions().get::<PeerInfo>().ok_or_else(|| Status::unauthenticated("certificate"))?;
        let purpose = purpose(request)?;
        let (caller, key) = (info.identity().role.to_string(), info.holder.spki);
        let missing = self.purpose_needed && says.consults && purpose.trim().is_empty();
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt).map_err(|_| Status::internal("this machine gives no random numbers"))?;
        let entry =
            wire::Call { submissions: says.submissions, ..call(caller, key, says.method, &purpose, salt, says.about) };
        let index =
            self.access.note(Body::Call(entry)).await.map_err(|error| Status::unavailable(error.to_string()))?;
        if missing {
            let words =
                "this node answers nobody who does not say why: give --purpose WORDS (access.purpose in node.toml)";
            let refused = Err(Status::failed_precondition(words));
            return self.ended::<()>(index, refused).await.map(|_| index);
        }
        Ok(index)
    }

    /// A call that was refused says so in the log before the caller learns it.
    async fn ended<T>(&self, call: Place, answer: Result<Response<T>, Status>) -> Result<Response<T>, Status> {
        if let Err(status) = &answer {
            note_end(&self.access, call, 0, status.code()).await?;
        }
        answer
    }

    /// Counts the rows of an answer, and has the count in the log before the answer ends.
    async fn counted<T, S>(
        &self,
        call: Place,
        answer: Result<Response<S>, Status>,
    ) -> Result<Response<ReceiverStream<Result<T, Status>>>, Status>
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, Status>> + Send + 'static,
    {
        let rows = self.ended(call, answer).await?.into_inner();
        let (to, counted) = mpsc::channel(ROWS_WAITING);
        tokio::spawn(count(rows, to, self.access.clone(), call));
        Ok(Response::new(ReceiverStream::new(counted)))
    }
}

async fn count<T, S>(rows: S, to: mpsc::Sender<Result<T, Status>>, access: AccessLog, call: Place)
where
    S: Stream<Item = Result<T, Status>>,
{
    let mut rows = std::pin::pin!(rows);
    let (mut sent, mut code) = (0_u64, Code::Ok);
    loop {
        let row = tokio::select! {
            row = rows.next() => row,
            () = to.closed() => {
                code = Code::Cancelled;
                break;
            }
        };
        let Some(row) = row else { break };
        match &row {
            Ok(_) => sent = sent.saturating_add(1),
            Err(status) => {
                // The caller learns it once the log has it, and in any case that the rows before are not all.
                let noted = note_end(&access, call, sent, status.code()).await;
                let _ = to.send(noted.and(row)).await;
                return;
            }
        }
        if to.send(row).await.is_err() {
            code = Code::Cancelled;
            break;
        }
    }
    if let Err(status) = note_end(&access, call, sent, code).await {
        // An answer that ends well would say that everything about it is in the log.
        let _ = to.send(Err(status)).await;
    }
}

async fn note_end(access: &AccessLog, call: Place, rows: u64, code: Code) -> Result<(), Status> {
    let ended =
        Body::Ended(wire::Ended { call: call.index, rows, code: i32::from(code).unsigned_abs(), epoch: call.epoch });
    access.note(ended).await.map(|_| ()).map_err(|error| Status::unavailable(error.to_string()))
}

fn purpose<T>(request: &Request<T>) -> Result<String, Status> {
    let Some(value) = request.metadata().get_bin(PURPOSE) else { return Ok(String::new()) };
    let bytes = value.to_bytes().map_err(|_| Status::invalid_argument("the purpose is no binary metadata"))?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| Status::invalid_argument("the purpose is not UTF-8"))?;
    if text.len() > PURPOSE_BYTES_MAX || text.chars().any(char::is_control) {
        let words = format!("a purpose has at most {PURPOSE_BYTES_MAX} bytes and no control characters");
        return Err(Status::invalid_argument(words));
    }
    Ok(text)
}

fn by_id(id: Option<&wire::RecordRef>) -> Vec<Part> {
    id.map(|id| Part::Said(format!("{}/{}", id.unit, id.index))).into_iter().collect()
}

/// Of which kinds how many statements are submitted.
fn kinds(submissions: &[wire::Submission]) -> Vec<Part> {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for submission in submissions {
        let body = submission.record.as_ref().and_then(|record| record.body.as_ref());
        let kind = body.map_or("nothing", |body| RecordKind::of_body(body).word());
        let count = counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }
    counts.into_iter().map(|(kind, count)| Part::Said(format!("{count} {kind}"))).collect()
}

/// What statements are submitted about, in canonical form as they go into the log: as texts, which nobody reads from here.
fn targets(submissions: &[wire::Submission]) -> Vec<Part> {
    let bodies = submissions.iter().filter_map(|submission| submission.record.as_ref()?.body.as_ref());
    let typed = bodies.flat_map(|body| match body {
        Statement::Refer(refer) => vec![&refer.target],
        Statement::Hold(hold) => vec![&hold.target],
        Statement::Observe(observe) => vec![&observe.target],
        Statement::Link(link) => vec![&link.first, &link.second],
        Statement::Evidence(evidence) => vec![&evidence.target],
        _ => Vec::new(),
    });
    let canonical = |text: &String| match record::from_input(text) {
        Ok(understood) => understood.target.to_string(),
        // It will be refused; that it was tried is found by what was typed.
        Err(_) => text.clone(),
    };
    typed.filter(|text| !text.is_empty()).map(|text| Part::Text(canonical(text))).collect()
}

fn ids(submissions: &[wire::Submission]) -> Vec<Vec<u8>> {
    let ids = submissions.iter().filter_map(|submission| Some(&submission.record.as_ref()?.submission));
    // Others are refused.
    ids.filter(|id| id.len() == SUBMISSION_BYTES).cloned().collect()
}

/// What somebody asked to be shown: a record by its id, or a text.
fn named(what: &str) -> Part {
    match what.parse::<RecordId>() {
        Ok(id) => Part::Said(id.to_string()),
        Err(_) => Part::Text(what.to_owned()),
    }
}

/// The filters of a list that are set.
fn filters(request: &wire::ListRequest) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut say = |words: String| parts.push(Part::Said(words));
    request.status().for_each(|status| say(format!("status {}", status.as_str_name())));
    request.category().for_each(|category| say(format!("category {}", category.as_str_name())));
    request.availability().for_each(|availability| say(format!("availability {}", availability.as_str_name())));
    if request.overdue {
        say("overdue only".to_owned());
    }
    if request.resurfaced {
        say("resurfaced only".to_owned());
    }
    for (key, number) in [("since", request.since_ms), ("at", request.at_ms), ("limit", request.limit)] {
        if number > 0 {
            say(format!("{key} {number}"));
        }
    }
    if !request.unit.is_empty() {
        say(format!("unit {}", request.unit));
    }
    let texts = [("after", &request.after), ("text", &request.text)];
    let texts = texts.into_iter().chain([("campaign", &request.campaign), ("provider", &request.provider)]);
    parts.extend(texts.filter(|(_, text)| !text.is_empty()).map(|(key, text)| Part::Filter(key, text.clone())));
    parts
}

#[tonic::async_trait]
impl Unit for Recorded {
    type ListStream = ReceiverStream<Result<wire::ListedRow, Status>>;
    type PublishStream = ReceiverStream<Result<wire::PublishReply, Status>>;
    type ScrubStream = ReceiverStream<Result<wire::ScrubReply, Status>>;
    type WatchStream = ReceiverStream<Result<wire::Change, Status>>;
    type AccessEntriesStream = Runs;
    type AuditManifestStream = ReceiverStream<Result<wire::ExportReply, Status>>;
    type AuditBundlesStream = ReceiverStream<Result<wire::BundlePart, Status>>;
    type OperationStream = ReceiverStream<Result<wire::OperationPart, Status>>;

    async fn status(&self, request: Request<wire::StatusRequest>) -> Result<Response<wire::StatusReply>, Status> {
        let call = self.begun(&request, Says::new("Status", Vec::new())).await?;
        self.ended(call, self.service.status(request).await).await
    }

    async fn submit(&self, request: Request<wire::SubmitRequest>) -> Result<Response<wire::SubmitReply>, Status> {
        let asked = request.get_ref();
        let judged = asked.judge_only.then(|| Part::Said("judged alone".to_owned()));
        let about = kinds(&asked.submissions).into_iter().chain(judged).chain(targets(&asked.submissions)).collect();
        // More are refused, and have no room.
        let submissions =
            ids(asked.submissions.get(..entente_proto::limits::SUBMISSIONS_MAX).unwrap_or(&asked.submissions));
        let says = Says { submissions, ..Says::new("Submit", about) };
        let call = self.begun(&request, says).await?;
        self.ended(call, self.service.submit(request).await).await
    }

    async fn waiting(&self, request: Request<wire::WaitingRequest>) -> Result<Response<wire::WaitingReply>, Status> {
        let call = self.begun(&request, Says::consulting("Waiting", Vec::new())).await?;
        self.ended(call, self.service.waiting(request).await).await
    }

    async fn decide(&self, request: Request<wire::DecideRequest>) -> Result<Response<wire::SubmitReply>, Status> {
        let asked = request.get_ref();
        let word = if asked.countersign { "countersign" } else { "reject" };
        let submissions = asked.decisions.iter().take(entente_proto::limits::SUBMISSIONS_MAX);
        let submissions =
            submissions.map(|decision| decision.submission.clone()).filter(|id| id.len() == SUBMISSION_BYTES).collect();
        let says = Says { submissions, ..Says::new("Decide", vec![Part::Said(word.to_owned())]) };
        let call = self.begun(&request, says).await?;
        self.ended(call, self.service.decide(request).await).await
    }

    async fn list(&self, request: Request<wire::ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        let call = self.begun(&request, Says::consulting("List", filters(request.get_ref()))).await?;
        self.counted(call, self.service.list(request).await).await
    }

    async fn show(&self, request: Request<wire::ShowRequest>) -> Result<Response<wire::ShowReply>, Status> {
        let call = self.begun(&request, Says::consulting("Show", vec![named(&request.get_ref().what)])).await?;
        self.ended(call, self.service.show(request).await).await
    }

    async fn check(&self, request: Request<wire::CheckRequest>) -> Result<Response<wire::CheckReply>, Status> {
        let call = self
            .begun(
                &request,
                Says::consulting("Check", request.get_ref().inputs.iter().cloned().map(Part::Text).collect()),
            )
            .await?;
        self.ended(call, self.service.check(request).await).await
    }

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let call = self.begun(&request, Says::consulting("Watch", Vec::new())).await?;
        self.counted(call, self.service.watch(request).await).await
    }

    async fn receipt(&self, request: Request<wire::ReceiptRequest>) -> Result<Response<wire::ReceiptReply>, Status> {
        let says = Says::consulting("Receipt", by_id(request.get_ref().id.as_ref()));
        let call = self.begun(&request, says).await?;
        self.ended(call, self.service.receipt(request).await).await
    }

    async fn backup(&self, request: Request<wire::BackupRequest>) -> Result<Response<wire::BackupReply>, Status> {
        let says = Says::new("Backup", vec![Part::Said(request.get_ref().directory.clone())]);
        let call = self.begun(&request, says).await?;
        self.ended(call, self.service.backup(request).await).await
    }

    async fn charter(&self, request: Request<wire::CharterRequest>) -> Result<Response<wire::CharterReply>, Status> {
        let word = match &request.get_ref().what {
            Some(wire::charter_request::What::Sign(_)) => vec![Part::Said("sign".to_owned())],
            Some(wire::charter_request::What::Adopt(_)) => vec![Part::Said("adopt".to_owned())],
            Some(wire::charter_request::What::SignProposal(proposal)) => vec![Part::Said(format!("sign {proposal}"))],
            Some(wire::charter_request::What::Collect(_)) => vec![Part::Said("collect".to_owned())],
            Some(wire::charter_request::What::Base(_)) => vec![Part::Said("base".to_owned())],
            None => Vec::new(),
        };
        let call = self.begun(&request, Says::new("Charter", word)).await?;
        self.ended(call, self.service.charter(request).await).await
    }

    async fn proposals(
        &self,
        request: Request<wire::ProposalsRequest>,
    ) -> Result<Response<wire::ProposalsReply>, Status> {
        let call = self.begun(&request, Says::new("Proposals", Vec::new())).await?;
        self.ended(call, self.service.proposals(request).await).await
    }

    async fn audit_manifest(
        &self,
        request: Request<wire::ExportRequest>,
    ) -> Result<Response<Self::AuditManifestStream>, Status> {
        let call = self.begun(&request, Says::consulting("AuditManifest", Vec::new())).await?;
        self.counted(call, self.service.audit_manifest(request).await).await
    }

    async fn audit_bundles(
        &self,
        request: Request<wire::BundlesRequest>,
    ) -> Result<Response<Self::AuditBundlesStream>, Status> {
        let asked = request.get_ref();
        // A bundle has 256 records.
        let about = vec![Part::Said(format!("{} bundles of {}", asked.numbers.len(), asked.unit))];
        let call = self.begun(&request, Says::consulting("AuditBundles", about)).await?;
        self.counted(call, self.service.audit_bundles(request).await).await
    }

    async fn fork(&self, request: Request<wire::ForkRequest>) -> Result<Response<wire::ForkReply>, Status> {
        let call = self.begun(&request, Says::new("Fork", vec![Part::Said(request.get_ref().unit.clone())])).await?;
        self.ended(call, self.service.fork(request).await).await
    }

    async fn publish(&self, request: Request<wire::PublishRequest>) -> Result<Response<Self::PublishStream>, Status> {
        let call = self.begun(&request, Says::new("Publish", Vec::new())).await?;
        self.counted(call, self.service.publish(request).await).await
    }

    async fn scrub(&self, request: Request<wire::ScrubRequest>) -> Result<Response<Self::ScrubStream>, Status> {
        let call = self.begun(&request, Says::new("Scrub", Vec::new())).await?;
        self.counted(call, self.service.scrub(request).await).await
    }

    async fn operations(
        &self,
        request: Request<wire::OperationsRequest>,
    ) -> Result<Response<wire::OperationsReply>, Status> {
        let call = self.begun(&request, Says::consulting("Operations", Vec::new())).await?;
        self.ended(call, self.service.operations(request).await).await
    }

    async fn operation(
        &self,
        request: Request<wire::OperationRequest>,
    ) -> Result<Response<Self::OperationStream>, Status> {
        let says = Says::consulting("Operation", by_id(request.get_ref().id.as_ref()));
        let call = self.begun(&request, says).await?;
        self.counted(call, self.service.operation(request).await).await
    }

    async fn access_heads(
        &self,
        request: Request<wire::AccessHeadsRequest>,
    ) -> Result<Response<wire::AccessHeadsReply>, Status> {
        let call = self.begun(&request, Says::new("AccessHeads", Vec::new())).await?;
        self.ended(call, self.service.access_heads(request).await).await
    }

    async fn access_entries(
        &self,
        request: Request<wire::AccessEntriesRequest>,
    ) -> Result<Response<Self::AccessEntriesStream>, Status> {
        let asked = request.get_ref();
        let about = [format!("epoch {}", asked.epoch), format!("from {}", asked.from)].map(Part::Said).into();
        let call = self.begun(&request, Says::new("AccessEntries", about)).await?;
        self.counted(call, self.service.access_entries(request).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
        let (_place, access) = crate::access::tests::that_takes_nothing();
        for rows in [vec![Ok(1), Err(Status::data_loss("broken"))], vec![Ok(1)]] {
            let (to, mut counted) = mpsc::channel(8);
            count(tokio_stream::iter(rows), to, access.clone(), Place { epoch: 0, index: 0 }).await;
            assert_eq!(counted.recv().await.unwrap().unwrap(), 1);
            assert!(counted.recv().await.unwrap().is_err());
            assert!(counted.recv().await.is_none());
        }
    }
}

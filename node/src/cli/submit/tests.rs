//! A node of the tests' own: it enters statements under their ids, and dies when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use entente_proto::wire::unit_server::{Unit, UnitServer};
use entente_proto::wire::{
    Accepted, BackupReply, BackupRequest, Change, CheckReply, CheckRequest, Known, ListRequest, ListedRow,
    PublishReply, PublishRequest, RecordRef, Refused, ScrubReply, ScrubRequest, ShowReply, ShowRequest, StatusReply,
    StatusRequest, SubmitReply, SubmitResult, WatchRequest,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response};

use super::*;
use crate::cli::words::moment;

/// What outlives a restart of the fake node.
#[derive(Default)]
struct Book {
    /// Submission ids and the index under which each was entered.
    entered: BTreeMap<Vec<u8>, u64>,
    /// Targets, as often as each was entered.
    targets: BTreeMap<String, u64>,
    calls: u64,
    /// At these calls the node enters what it is given, and dies before it answers.
    dies_at: BTreeSet<u64>,
    /// At these calls it answers with this instead.
    says: BTreeMap<u64, Status>,
    /// Before this many calls nothing is certified.
    certified_at: u64,
}

/// A node that can be restarted.
#[derive(Clone)]
pub(crate) struct Fake {
    book: Arc<Mutex<Book>>,
    dying: mpsc::UnboundedSender<()>,
}

impl Fake {
    fn enter(&self, request: SubmitRequest) -> (u64, Result<SubmitReply, Status>) {
        let mut book = self.book.lock().unwrap();
        book.calls += 1;
        let call = book.calls;
        if let Some(status) = book.says.get(&call) {
            return (call, Err(status.clone()));
        }
        let certified = call >= book.certified_at;
        let results = request.submissions.into_iter().map(|submission| {
            let record = submission.record.unwrap();
            let Some(Body::Refer(refer)) = record.body else { panic!("only referrals are entered here") };
            let id = |index| Some(RecordRef { unit: "BE".to_owned(), index });
            let known = book.entered.get(&record.submission).copied();
            let result = if refer.target.contains('@') {
                Answer::Refused(Refused { code: "e-mail".to_owned(), message: "no target".to_owned() })
            } else if known.is_none() && submission.skip_known && book.targets.contains_key(&refer.target) {
                Answer::Known(Known { id: id(0), target: refer.target, ..Known::default() })
            } else {
                let next = book.entered.len() as u64;
                let index = known.unwrap_or(next);
                if known.is_none() {
                    book.entered.insert(record.submission.clone(), index);
                    *book.targets.entry(refer.target.clone()).or_default() += 1;
                }
                Answer::Accepted(Accepted {
                    submission: record.submission,
                    id: id(index),
                    target: refer.target,
                    certified,
                    ..Accepted::default()
                })
            };
            SubmitResult { result: Some(result) }
        });
        let results = results.collect();
        (call, Ok(SubmitReply { results }))
    }
}

#[tonic::async_trait]
impl Unit for Fake {
    type OperationStream = tokio_stream::Empty<Result<entente_proto::wire::OperationPart, Status>>;
    type AuditManifestStream = tokio_stream::Empty<Result<entente_proto::wire::ExportReply, Status>>;
    type AuditBundlesStream = tokio_stream::Empty<Result<entente_proto::wire::BundlePart, Status>>;
    type ListStream = tokio_stream::Empty<Result<ListedRow, Status>>;
    type PublishStream = tokio_stream::Empty<Result<PublishReply, Status>>;
    type ScrubStream = tokio_stream::Empty<Result<ScrubReply, Status>>;
    type WatchStream = tokio_stream::Empty<Result<Change, Status>>;
    type AccessEntriesStream = tokio_stream::Empty<Result<entente_proto::wire::AccessRun, Status>>;

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        let (call, reply) = self.enter(request.into_inner());
        if self.book.lock().unwrap().dies_at.contains(&call) {
            self.dying.send(()).unwrap();
            std::future::pending::<()>().await;
        }
        reply.map(Response::new)
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Err(Status::unimplemented(moment(0)))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn show(&self, _: Request<ShowRequest>) -> Result<Response<ShowReply>, Status> {
        Err(Status::not_found("nothing"))
    }

    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckReply>, Status> {
        Ok(Response::new(CheckReply::default()))
    }

    async fn backup(&self, _: Request<BackupRequest>) -> Result<Response<BackupReply>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn charter(
        &self,
        _: Request<entente_proto::wire::CharterRequest>,
    ) -> Result<Response<entente_proto::wire::CharterReply>, Status> {
        Err(Status::unimplemented("charter"))
    }

    async fn operations(
        &self,
        _: Request<entente_proto::wire::OperationsRequest>,
    ) -> Result<Response<entente_proto::wire::OperationsReply>, Status> {
        Err(Status::unimplemented("operations"))
    }

    async fn operation(
        &self,
        _: Request<entente_proto::wire::OperationRequest>,
    ) -> Result<Response<Self::OperationStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn proposals(
        &self,
        _: Request<entente_proto::wire::ProposalsRequest>,
    ) -> Result<Response<entente_proto::wire::ProposalsReply>, Status> {
        Err(Status::unimplemented("proposals"))
    }

    async fn publish(&self, _: Request<PublishRequest>) -> Result<Response<Self::PublishStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn scrub(&self, _: Request<ScrubRequest>) -> Result<Response<Self::ScrubStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn waiting(
        &self,
        _: Request<entente_proto::wire::WaitingRequest>,
    ) -> Result<Response<entente_proto::wire::WaitingReply>, Status> {
        Ok(Response::new(entente_proto::wire::WaitingReply::default()))
    }

    async fn decide(&self, _: Request<entente_proto::wire::DecideRequest>) -> Result<Response<SubmitReply>, Status> {
        Ok(Response::new(SubmitReply::default()))
    }

    async fn receipt(
        &self,
        _: Request<entente_proto::wire::ReceiptRequest>,
    ) -> Result<Response<entente_proto::wire::ReceiptReply>, Status> {
        Err(Status::not_found("nothing"))
    }

    async fn access_heads(
        &self,
        _: Request<entente_proto::wire::AccessHeadsRequest>,
    ) -> Result<Response<entente_proto::wire::AccessHeadsReply>, Status> {
        Err(Status::not_found("nothing"))
    }

    async fn access_entries(
        &self,
        _: Request<entente_proto::wire::AccessEntriesRequest>,
    ) -> Result<Response<Self::AccessEntriesStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn audit_manifest(
        &self,
        _: Request<entente_proto::wire::ExportRequest>,
    ) -> Result<Response<Self::AuditManifestStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn audit_bundles(
        &self,
        _: Request<entente_proto::wire::BundlesRequest>,
    ) -> Result<Response<Self::AuditBundlesStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn fork(
        &self,
        _: Request<entente_proto::wire::ForkRequest>,
    ) -> Result<Response<entente_proto::wire::ForkReply>, Status> {
        Err(Status::not_found("nothing"))
    }
}

/// Runs the fake node, and starts it again each time it dies.
pub(crate) struct Keeper {
    fake: Fake,
    address: SocketAddr,
}

/// Everything that the node has open is closed with its runtime.
struct Running(Option<Runtime>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Keeper {
    /// Starts it; it dies at these calls.
    pub(crate) async fn start(dies_at: impl IntoIterator<Item = u64>) -> Self {
        let (dying, mut deaths) = mpsc::unbounded_channel();
        let book = Book { dies_at: dies_at.into_iter().collect(), ..Book::default() };
        let fake = Fake { book: Arc::new(Mutex::new(book)), dying };
        let (mut running, address) = Self::serve(fake.clone(), "127.0.0.1:0".parse().unwrap());
        let again = fake.clone();
        tokio::spawn(async move {
            while deaths.recv().await.is_some() {
                drop(running);
                running = Self::serve(again.clone(), address).0;
            }
        });
        Self { fake, address }
    }

    fn serve(fake: Fake, address: SocketAddr) -> (Running, SocketAddr) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // The sockets of the runtime before may take a moment to close.
        let listener = loop {
            let std = std::net::TcpListener::bind(address);
            match std {
                Ok(listener) => break listener,
                Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => std::thread::yield_now(),
                Err(e) => panic!("{e}"),
            }
        };
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            Server::builder()
                .serve_with_incoming(UnitServer::new(fake), TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        (Running(Some(runtime)), address)
    }

    /// Calls it.
    pub(crate) async fn submitter(&self, retry_for: Duration) -> Submitter {
        let channel: Channel =
            Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        Submitter::new(Node::over(channel, "BE".parse().unwrap()), Duration::from_secs(20), retry_for)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Each target with how often it was entered.
    pub(crate) fn targets(&self) -> BTreeMap<String, u64> {
        self.fake.book.lock().unwrap().targets.clone()
    }

    fn book<T>(&self, with: impl FnOnce(&mut Book) -> T) -> T {
        with(&mut self.fake.book.lock().unwrap())
    }
}

fn referral(target: &str) -> Submission {
    let refer = entente_proto::wire::Refer { target: target.to_owned(), ..Default::default() };
    submission(Uuid::new_v4(), Body::Refer(refer), false)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_statement_whose_answer_was_lost_is_entered_once() {
    let keeper = Keeper::start([1, 2]).await;
    let answers = keeper.submitter(LONG).await.durable(&[referral("a.example")]).await.unwrap();
    assert!(matches!(answers.as_slice(), [Answer::Accepted(a)] if a.id.as_ref().unwrap().index == 0));
    assert_eq!(keeper.targets(), BTreeMap::from([("a.example".to_owned(), 1)]));
    assert_eq!(keeper.book(|book| book.calls), 3);
}

#[tokio::test]
async fn a_refused_call_is_not_made_again_and_an_overloaded_one_is() {
    let keeper = Keeper::start([]).await;
    keeper.book(|book| {
        book.says = BTreeMap::from([(1, Status::resource_exhausted("")), (3, Status::permission_denied(""))])
    });
    let submitter = keeper.submitter(LONG).await;
    assert_eq!(submitter.durable(&[referral("a.example")]).await.unwrap().len(), 1);
    assert_eq!(submitter.durable(&[referral("b.example")]).await.unwrap_err().code(), 1);
    assert_eq!(keeper.book(|book| book.calls), 3);
}

#[tokio::test]
async fn a_node_that_stays_away_is_unreachable() {
    let keeper = Keeper::start([]).await;
    keeper.book(|book| book.says = (1..9).map(|call| (call, Status::unavailable("shutting down"))).collect());
    let error = keeper.submitter(Duration::ZERO).await.durable(&[referral("a.example")]).await.unwrap_err();
    assert_eq!((error.code(), keeper.book(|book| book.calls)), (3, 1));
}

#[tokio::test]
async fn waiting_for_the_certificate_goes_on_across_a_restart_and_ends_in_time() {
    let keeper = Keeper::start([2]).await;
    keeper.book(|book| book.certified_at = 4);
    let submitter = keeper.submitter(LONG).await;
    let statements = [referral("a.example")];
    submitter.durable(&statements).await.unwrap();
    let until = |limit: Duration| Instant::now().checked_add(limit).unwrap();
    let answers = submitter.certified(&statements, until(LONG)).await.unwrap().unwrap();
    assert!(matches!(answers.as_slice(), [Answer::Accepted(a)] if a.certified));
    keeper.book(|book| book.certified_at = u64::MAX);
    assert_eq!(submitter.certified(&statements, until(Duration::from_millis(50))).await.unwrap(), None);
    assert_eq!(keeper.targets().values().sum::<u64>(), 1);
}

//! The gRPC service `Unit`: who may call what, and from wire to core and back.

use std::path::PathBuf;
use std::sync::Arc;

use entente_certs::identity::Role;
use entente_proto::ids::RecordId;
use entente_proto::limits::{CHECKS_MAX, SUBMISSIONS_MAX};
use entente_proto::wire;
use entente_proto::wire::unit_server::Unit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::submit::Desk;
use super::{access, audit, charter, fork, proposals, publish, query, receipt, scrub, status, submit, words};
use crate::access::AccessLog;
use crate::backup;
use crate::certificates::Certificates;
use crate::core::Core;
use crate::home::Home;
use crate::net::PeerInfo;
use crate::peer::Partners;
use crate::publish::Publisher;
use crate::witness::Witnesses;

/// How many rows are read under one lock.
const PAGE: usize = 256;
/// How many lists may be read out at once.
const LISTS_MAX: usize = 64;

/// The gRPC service `Unit`.
#[derive(Debug)]
pub struct UnitService {
    core: Arc<Core>,
    partners: Arc<Partners>,
    /// How many lists may be read out at once: each holds a thread while its caller reads.
    lists: Arc<Semaphore>,
    desk: Arc<Desk>,
    certificates: Arc<Certificates>,
    access: AccessLog,
    home: Home,
    publisher: Option<Publisher>,
    witnesses: Option<Witnesses>,
}

impl UnitService {
    /// What the unit's own people are served; [`Recorded`](super::Recorded) serves it.
    #[must_use]
    pub fn new(
        core: Arc<Core>,
        partners: Arc<Partners>,
        desk: Desk,
        certificates: Arc<Certificates>,
        access: AccessLog,
        home: Home,
    ) -> Self {
        let (lists, desk) = (Arc::new(Semaphore::new(LISTS_MAX)), Arc::new(desk));
        let (publisher, witnesses) = (None, None);
        Self { core, partners, lists, desk, certificates, access, home, publisher, witnesses }
    }

    /// The same, of a node that publishes.
    #[must_use]
    pub fn publishing(self, publisher: Option<Publisher>) -> Self {
        Self { publisher, ..self }
    }

    /// The same, with what the node has to do with witnesses.
    #[must_use]
    pub fn witnessing(self, witnesses: Witnesses) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    /// For auditors alone: neither who calls nor who keeps the node running reads who called.
    fn audit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        self.admit(request, false)?;
        let auditor = |info: &PeerInfo| matches!(info.identity().role, Role::Auditor(_));
        if request.extensions().get::<PeerInfo>().is_some_and(auditor) {
            return Ok(());
        }
        Err(Status::permission_denied("the access log is for this unit's auditors alone: call as one with --as"))
    }

    /// For officers and operators.
    fn operate<T>(&self, request: &Request<T>, what: &str) -> Result<(), Status> {
        self.admit(request, false)?;
        let auditor = |info: &PeerInfo| matches!(info.identity().role, Role::Auditor(_));
        if request.extensions().get::<PeerInfo>().is_some_and(auditor) {
            return Err(Status::permission_denied(format!("auditors only read: {what} is for operators and officers")));
        }
        Ok(())
    }

    /// For operators alone.
    fn keep_running<T>(&self, request: &Request<T>, what: &str) -> Result<(), Status> {
        self.admit(request, false)?;
        let operator = |info: &PeerInfo| matches!(info.identity().role, Role::Operator(_));
        if request.extensions().get::<PeerInfo>().is_some_and(operator) {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "{what}, so it is for this unit's operators alone: call with --as operator/NAME; entente cert issue --operator NAME \
             makes somebody one"
        )))
    }

    /// A turn among those who are read out much.
    fn turn(&self) -> Result<OwnedSemaphorePermit, Status> {
        let busy = |_| Status::resource_exhausted("too many lists are being read out: try again");
        self.lists.clone().try_acquire_owned().map_err(busy)
    }

    /// What answers from the list, or is judged by it, needs one.
    fn listed(&self) -> Result<(), Status> {
        self.core.list.known().map_err(|unknown| Status::failed_precondition(unknown.to_string()))
    }

    /// The listener lets in the unit's own people alone; this says what their role may do, and who it is.
    fn admit<T>(&self, request: &Request<T>, submits: bool) -> Result<String, Status> {
        let info = request.extensions().get::<PeerInfo>().ok_or_else(|| Status::unauthenticated("certificate"))?;
        let identity = info.identity();
        let allowed = match &identity.role {
            Role::Officer(name) => Some(name),
            Role::Operator(name) | Role::Auditor(name) => Some(name).filter(|_| !submits),
            Role::Node => None,
        };
        if let Some(name) = allowed.filter(|_| identity.unit == self.core.unit) {
            return Ok(name.to_string());
        }
        let role = match &identity.role {
            Role::Auditor(_) => "an auditor's: auditors only read",
            Role::Operator(_) => "an operator's: operators keep the node running",
            Role::Officer(_) | Role::Node => "of none of this unit's people",
        };
        Err(Status::permission_denied(format!("this certificate is {role}; statements are for officers")))
    }
}

#[tonic::async_trait]
impl Unit for UnitService {
    type OperationStream = ReceiverStream<Result<wire::OperationPart, Status>>;
    type AuditManifestStream = ReceiverStream<Result<wire::ExportReply, Status>>;
    type AuditBundlesStream = ReceiverStream<Result<wire::BundlePart, Status>>;
    type ListStream = ReceiverStream<Result<wire::ListedRow, Status>>;
    type PublishStream = publish::Reports;
    type ScrubStream = scrub::Reports;
    type WatchStream = ReceiverStream<Result<wire::Change, Status>>;
    type AccessEntriesStream = access::Runs;

    async fn status(&self, request: Request<wire::StatusRequest>) -> Result<Response<wire::StatusReply>, Status> {
        self.admit(&request, false)?;
        let lists = self.desk.lists().await;
        let certificates = self.certificates.clone();
        let known = tokio::task::spawn_blocking(move || certificates.known()).await;
        // It does not panic; if it did, its log line says where, and the rest is told all the same.
        let mut status = status::compose(&self.core, &self.partners, &lists, known.unwrap_or_default());
        status.published = self.publisher.as_ref().map(publish::status);
        if let Some(witnesses) = &self.witnesses {
            witnesses.tell(&mut status).await;
        }
        status.warnings.extend(self.access.raised().map(|why| {
            format!("a new epoch of the access log began when this node started, since {why}: the unit's auditors should know why")
        }));
        Ok(Response::new(status))
    }

    async fn submit(&self, request: Request<wire::SubmitRequest>) -> Result<Response<wire::SubmitReply>, Status> {
        let officer = self.admit(&request, true)?;
        self.listed()?;
        let request = request.into_inner();
        if request.submissions.len() > SUBMISSIONS_MAX {
            return Err(Status::invalid_argument(format!("at most {SUBMISSIONS_MAX} statements go into one call")));
        }
        let wait = request.wait();
        if request.judge_only {
            let results = submit::judge(&self.core, &self.desk, &officer, request.submissions).await;
            return Ok(Response::new(wire::SubmitReply { results }));
        }
        let results = submit::submit(&self.core, &self.desk, &officer, request.submissions, wait).await?;
        Ok(Response::new(wire::SubmitReply { results }))
    }

    async fn waiting(&self, request: Request<wire::WaitingRequest>) -> Result<Response<wire::WaitingReply>, Status> {
        self.admit(&request, false)?;
        submit::waiting(&self.core).await.map(Response::new)
    }

    async fn decide(&self, request: Request<wire::DecideRequest>) -> Result<Response<wire::SubmitReply>, Status> {
        let officer = self.admit(&request, true)?;
        self.listed()?;
        let request = request.into_inner();
        if request.decisions.len() > SUBMISSIONS_MAX {
            return Err(Status::invalid_argument(format!("at most {SUBMISSIONS_MAX} submissions go into one call")));
        }
        let wait = request.wait();
        let results =
            submit::decide(&self.core, &self.desk, &officer, &request.decisions, request.countersign, wait).await?;
        Ok(Response::new(wire::SubmitReply { results }))
    }

    async fn list(&self, request: Request<wire::ListRequest>) -> Result<Response<Self::ListStream>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        let request = query::Filter::new(&self.core, request.into_inner())?;
        let turn = self.turn()?;
        let (rows, stream) = tokio::sync::mpsc::channel(PAGE);
        let core = self.core.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut pages = query::Pages::new(request);
            loop {
                // A page that cannot be read is not begun: the same rows come with the next attempt.
                let page = match core.reading_apart(|| pages.next(&core, PAGE)) {
                    Ok(page) => page,
                    Err(error) => {
                        let _ = rows.blocking_send(Err(words::unreadable(&error)));
                        return;
                    }
                };
                for row in page {
                    // The caller may have seen enough.
                    if rows.blocking_send(Ok(row)).is_err() {
                        return;
                    }
                }
                if pages.ended() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn show(&self, request: Request<wire::ShowRequest>) -> Result<Response<wire::ShowReply>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        let what = request.into_inner().what;
        self.core.reading(words::of_the_database, || query::show(&self.core, &what)).await.map(Response::new)
    }

    async fn check(&self, request: Request<wire::CheckRequest>) -> Result<Response<wire::CheckReply>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        let request = request.into_inner();
        if request.inputs.len() > CHECKS_MAX {
            return Err(Status::invalid_argument(format!("at most {CHECKS_MAX} inputs go into one call")));
        }
        Ok(Response::new(wire::CheckReply { checked: query::check(&self.core, request) }))
    }

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        query::follow(&self.core, request.into_inner()).map(|changes| Response::new(ReceiverStream::new(changes)))
    }

    async fn receipt(&self, request: Request<wire::ReceiptRequest>) -> Result<Response<wire::ReceiptReply>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        let request = request.into_inner();
        self.core.reading(words::of_the_database, || receipt::make(&self.core, &request)).await.map(Response::new)
    }

    async fn backup(&self, request: Request<wire::BackupRequest>) -> Result<Response<wire::BackupReply>, Status> {
        self.keep_running(&request, "a backup holds all keys of the unit")?;
        let directory = PathBuf::from(request.into_inner().directory);
        let (core, home) = (self.core.clone(), self.home.clone());
        let made = tokio::task::spawn_blocking(move || backup::make(&home, &core, &directory)).await;
        let made = made.map_err(|_| Status::internal("the backup failed: the node's log says more"))?;
        let made = made.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(wire::BackupReply { files: made.files, bytes: made.bytes }))
    }

    async fn charter(&self, request: Request<wire::CharterRequest>) -> Result<Response<wire::CharterReply>, Status> {
        self.operate(&request, "a charter")?;
        charter::answer(&self.core, request.into_inner()).await.map(Response::new)
    }

    async fn proposals(
        &self,
        request: Request<wire::ProposalsRequest>,
    ) -> Result<Response<wire::ProposalsReply>, Status> {
        self.admit(&request, false)?;
        proposals::answer(&self.core, &request.into_inner().what).map(Response::new)
    }

    async fn operations(
        &self,
        request: Request<wire::OperationsRequest>,
    ) -> Result<Response<wire::OperationsReply>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        self.core.reading(words::of_the_database, || query::operations(&self.core)).await.map(Response::new)
    }

    async fn operation(
        &self,
        request: Request<wire::OperationRequest>,
    ) -> Result<Response<Self::OperationStream>, Status> {
        self.admit(&request, false)?;
        self.listed()?;
        let wire::OperationRequest { id, remarks } = request.into_inner();
        let id = id.unwrap_or_default();
        let unit = id.unit.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        let id = RecordId { unit, index: id.index };
        let parts = self.core.reading(words::of_the_database, || query::operation(&self.core, &id, remarks)).await?;
        // All of it is in memory already; the caller takes it as it likes.
        let (sender, stream) = tokio::sync::mpsc::channel(parts.len().max(1));
        parts.into_iter().for_each(|part| _ = sender.try_send(Ok(part)));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn audit_manifest(
        &self,
        request: Request<wire::ExportRequest>,
    ) -> Result<Response<Self::AuditManifestStream>, Status> {
        self.admit(&request, false)?;
        audit::manifest(&self.core, self.turn()?).map(Response::new)
    }

    async fn audit_bundles(
        &self,
        request: Request<wire::BundlesRequest>,
    ) -> Result<Response<Self::AuditBundlesStream>, Status> {
        self.admit(&request, false)?;
        audit::bundles(&self.core, &request.into_inner(), self.turn()?).map(Response::new)
    }

    async fn publish(&self, request: Request<wire::PublishRequest>) -> Result<Response<Self::PublishStream>, Status> {
        self.keep_running(&request, "what is published, and when, is decided in node.toml")?;
        publish::reports(self.publisher.as_ref()).map(Response::new)
    }

    async fn fork(&self, request: Request<wire::ForkRequest>) -> Result<Response<wire::ForkReply>, Status> {
        self.admit(&request, false)?;
        fork::proof(&self.core, &request.into_inner().unit).map(Response::new)
    }

    async fn scrub(&self, request: Request<wire::ScrubRequest>) -> Result<Response<Self::ScrubStream>, Status> {
        self.operate(&request, "a scrub")?;
        Ok(Response::new(scrub::reports(self.core.scrub())))
    }

    async fn access_heads(
        &self,
        request: Request<wire::AccessHeadsRequest>,
    ) -> Result<Response<wire::AccessHeadsReply>, Status> {
        self.audit(&request)?;
        let (core, log, from) = (self.core.clone(), self.access.clone(), request.into_inner().from);
        let heads = tokio::task::spawn_blocking(move || access::heads(&core, &log, from)).await;
        heads
            .map_err(|_| Status::internal("the access log cannot be read: the node's log says more"))?
            .map(Response::new)
    }

    async fn access_entries(
        &self,
        request: Request<wire::AccessEntriesRequest>,
    ) -> Result<Response<Self::AccessEntriesStream>, Status> {
        self.audit(&request)?;
        Ok(Response::new(access::entries(self.access.clone(), request.into_inner())))
    }
}

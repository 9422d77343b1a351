//! The gRPC server of the audit log.

use std::sync::Arc;

use access::now;
use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::audit::v1 as api;
use proto::audit::v1::audit_service_server::{AuditService, AuditServiceServer};
use proto::convert::{NO_INSTANT, instant, is_instant};
use rpc::{ErrorReason, Failure, Idempotency, PageRequest, Violation, validate};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::export::export;
use crate::prune::prune;
use crate::query::{Place, read_customers};
use crate::{Act, AuditError, AuditLog, Filter, about, limits, operation};

const FORGET: &str = "happypath.audit.v1.AuditService/ForgetSubjects";
const PRUNE: &str = "happypath.audit.v1.AuditService/PruneEntries";
/// The word of an entry about subjects that were forgotten. It names none of them.
const FORGOTTEN: &str = "audit.forget";

/// Serves the audit log of a database.
#[derive(Debug, Clone)]
pub struct AuditRpc {
    log: AuditLog,
    idempotency: Idempotency,
    exports: Arc<Semaphore>,
}

impl AuditRpc {
    /// Serves a log.
    pub fn new(log: AuditLog, idempotency: Idempotency) -> Self {
        Self {
            log,
            idempotency,
            exports: Arc::new(Semaphore::new(limits::EXPORTS)),
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> AuditServiceServer<Self> {
        AuditServiceServer::new(self).max_decoding_message_size(rpc::limits::MESSAGE_BYTES)
    }

    async fn list(
        &self,
        request: &api::ListEntriesRequest,
    ) -> Result<api::ListEntriesResponse, Failure> {
        let given = request.filter.clone().unwrap_or_default();
        let filter = Filter::read(&given)?;
        let page = PageRequest::read(
            &["ListEntries", &format!("{filter:?}")],
            request.page_size,
            &request.page_token,
            limits::PAGE_SIZE,
        )?;
        let after = page.after().and_then(Place::try_from_bytes);
        let orm = self.log.database().orm();
        let found = filter.list(orm, after, page.size() as u64 + 1).await?;
        let found = found
            .into_iter()
            .map(|entry| (Place::of(&entry).to_bytes(), api::Entry::from(entry)));
        let (entries, next_page_token) = page.cut(
            found.collect(),
            |(place, _)| place.clone(),
            |(_, entry)| entry.encoded_len(),
        );
        Ok(api::ListEntriesResponse {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            next_page_token,
        })
    }

    async fn forget(
        &self,
        request: &api::ForgetSubjectsRequest,
    ) -> Result<api::ForgetSubjectsResponse, Failure> {
        let customers = read_customers("customer_ids", &request.customer_ids)?;
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let forgotten = self.forget_all(&customers).await?;
        Ok(api::ForgetSubjectsResponse {
            forgotten_count: u32::try_from(forgotten).unwrap_or(u32::MAX),
        })
    }

    async fn prune(
        &self,
        request: &api::PruneEntriesRequest,
    ) -> Result<api::PruneEntriesResponse, Failure> {
        let before = read_end(request.before_time.as_ref())?;
        about(format!("entries before {before}"));
        let removed = prune(&self.log, before, limits::PRUNED_PER_CALL).await?;
        let changed = removed.changed.iter().map(ToString::to_string);
        Ok(api::PruneEntriesResponse {
            removed_count: removed.entries,
            has_more: removed.has_more,
            changed_chain_ids: changed.collect(),
        })
    }

    async fn forget_all(&self, customers: &[CustomerId]) -> Result<u64, AuditError> {
        let transaction = self.log.database().begin_write().await?;
        let forgotten = self.log.forget(&transaction, customers).await?;
        let act = Act::done(FORGOTTEN, format!("{forgotten} subjects"));
        operation::record(&self.log, &transaction, vec![act]).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }
}

#[tonic::async_trait]
impl AuditService for AuditRpc {
    async fn list_entries(
        &self,
        request: Request<api::ListEntriesRequest>,
    ) -> Result<Response<api::ListEntriesResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list(&request).await?))
    }

    type ExportEntriesStream = ReceiverStream<Result<api::ExportEntriesResponse, Status>>;

    async fn export_entries(
        &self,
        request: Request<api::ExportEntriesRequest>,
    ) -> Result<Response<Self::ExportEntriesStream>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let filter = Filter::read(&request.filter.unwrap_or_default())?;
        // The rules of the field hold, so that what is no id is empty.
        let before = request.before_chain_id.parse().ok();
        about(if filter == Filter::default() {
            "everything"
        } else {
            "some entries"
        });
        // One that ended early frees its place a moment later.
        let permit = Arc::clone(&self.exports).acquire_owned();
        let permit = tokio::time::timeout(limits::PATIENCE, permit).await;
        let permit = permit.map_err(|_elapsed| busy())?;
        let permit = permit.map_err(Failure::internal)?;
        let (answers, received) = mpsc::channel(limits::ANSWERS_AHEAD);
        let database = self.log.database().clone();
        tokio::spawn(async move {
            let exported = export(&database, &filter, before, &answers).await;
            drop(permit);
            if let Err(error) = exported {
                // Nobody is told who reads no more.
                let _sent = answers.send(Err(Failure::from(error).into())).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(received)))
    }

    async fn forget_subjects(
        &self,
        request: Request<api::ForgetSubjectsRequest>,
    ) -> Result<Response<api::ForgetSubjectsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let (id, work) = (&request.request_id, || self.forget(&request));
        let done = self.idempotency.run(FORGET, id, &request, work).await?;
        Ok(Response::new(done))
    }

    async fn prune_entries(
        &self,
        request: Request<api::PruneEntriesRequest>,
    ) -> Result<Response<api::PruneEntriesResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let (id, work) = (&request.request_id, || self.prune(&request));
        let done = self.idempotency.run(PRUNE, id, &request, work).await?;
        Ok(Response::new(done))
    }
}

/// Reads the time before which entries are pruned.
fn read_end(time: Option<&prost_types::Timestamp>) -> Result<Timestamp, Failure> {
    let refuse = |reason: String| Failure::invalid([Violation::new("before_time", reason)]);
    let time = time.filter(|time| is_instant(time));
    let before = instant(time.ok_or_else(|| refuse(NO_INSTANT.to_owned()))?);
    let latest = now() - limits::KEPT;
    if before > latest {
        return Err(refuse(format!(
            "entries are kept for {} at the least: must be {latest} or earlier",
            limits::KEPT
        )));
    }
    Ok(before)
}

fn busy() -> Failure {
    let message = format!(
        "{} exports are under way, as many as may be",
        limits::EXPORTS
    );
    Failure::new(ErrorReason::AuditExportsBusy, message).with_retry_after(limits::RETRY_DELAY)
}

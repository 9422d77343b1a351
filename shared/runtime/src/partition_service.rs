//! The partition service, for operators, over all engines of the process.

mod quarantine;

use std::sync::Arc;

use engine::{Clock as _, EngineError, Status as EngineStatus, SystemClock};
use futures::future::join_all;
use prost::Message;
use proto::convert::timestamp;
use proto::engine::v1::partition_service_server::PartitionService;
use proto::engine::v1::{
    self, AwaitIdleRequest, AwaitIdleResponse, DiscardQuarantinedRecordsRequest,
    DiscardQuarantinedRecordsResponse, GetInstallationRequest, GetInstallationResponse,
    ListPartitionsRequest, ListPartitionsResponse, ListQuarantinedRecordsRequest,
    ListQuarantinedRecordsResponse, Partition, PreviewSplitRequest, PreviewSplitResponse,
    RetryQuarantinedRecordsRequest, RetryQuarantinedRecordsResponse, Worker,
};
use rpc::{ErrorReason, Failure, PageRequest};
use storage::timely;
use tonic::{Request, Response, Status};

use crate::config::{Clock, HotStoreAddress};
use crate::context::Context;
use crate::customer::failure as unfound;
use crate::limits::{COMMANDS_RETRY, PARTITIONS_PER_PAGE, WORKERS_PATIENCE};
use crate::neighbours::{Extent, settle};
use crate::split_preview::planned_split;

/// The partition service over these engines.
pub(crate) struct Partitions {
    engines: Vec<Arc<dyn EngineStatus>>,
    services: Vec<&'static str>,
    context: Context,
}

impl Partitions {
    pub(crate) fn new(
        engines: Vec<Arc<dyn EngineStatus>>,
        services: Vec<&'static str>,
        context: Context,
    ) -> Self {
        Self {
            engines,
            services,
            context,
        }
    }

    /// The workers of all services of this process that are alive. None, where the database does
    /// not answer soon: all else is told all the same.
    async fn workers(&self) -> Vec<Worker> {
        let answers = self.engines.iter().map(|engine| async move {
            let members = timely(WORKERS_PATIENCE, engine.list_members()).await;
            (engine, members)
        });
        let mut workers = Vec::new();
        for (engine, members) in join_all(answers).await {
            let members = members.unwrap_or_else(|error| {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the database does not tell who is alive"
                );
                Vec::new()
            });
            workers.extend(members.into_iter().map(|member| Worker {
                service: engine.service().name().to_owned(),
                name: member.worker,
                takes_part: member.takes_part,
                clock_skew_ms: member.clock_skew_ms,
                is_clock_off: member.clock_skew_ms.is_some_and(engine::is_clock_off),
            }));
        }
        workers
    }

    /// The engines of a service; all of them for an empty name.
    fn engines_of(&self, service: &str) -> Result<Vec<&Arc<dyn EngineStatus>>, Failure> {
        let engines: Vec<_> = self
            .engines
            .iter()
            .filter(|engine| service.is_empty() || engine.service().name() == service)
            .collect();
        if engines.is_empty() && !service.is_empty() {
            return Err(Failure::not_found(
                ErrorReason::ServiceNotFound,
                "service with partitions",
                service,
            ));
        }
        Ok(engines)
    }
}

#[tonic::async_trait]
impl PartitionService for Partitions {
    async fn list_partitions(
        &self,
        request: Request<ListPartitionsRequest>,
    ) -> Result<Response<ListPartitionsResponse>, Status> {
        let request = request.into_inner();
        rpc::validate(&request)?;
        let page = PageRequest::read(
            &["ListPartitions", &request.service],
            request.page_size,
            &request.page_token,
            PARTITIONS_PER_PAGE,
        )?;
        let mut partitions = Vec::new();
        for engine in self.engines_of(&request.service)? {
            partitions.extend(engine.list_partitions().await.map_err(failure)?);
        }
        partitions.sort_by_cached_key(partition_key);
        partitions.retain(|partition| {
            page.after()
                .is_none_or(|after| partition_key(partition).as_slice() > after)
        });
        let (partitions, next_page_token) =
            page.cut(partitions, partition_key, Message::encoded_len);
        Ok(Response::new(ListPartitionsResponse {
            partitions,
            next_page_token,
        }))
    }

    async fn list_quarantined_records(
        &self,
        request: Request<ListQuarantinedRecordsRequest>,
    ) -> Result<Response<ListQuarantinedRecordsResponse>, Status> {
        let request = request.into_inner();
        rpc::validate(&request)?;
        Ok(Response::new(self.list_quarantined(request).await?))
    }

    async fn retry_quarantined_records(
        &self,
        request: Request<RetryQuarantinedRecordsRequest>,
    ) -> Result<Response<RetryQuarantinedRecordsResponse>, Status> {
        const METHOD: &str = "happypath.engine.v1.PartitionService/RetryQuarantinedRecords";
        let request = request.into_inner();
        rpc::validate(&request)?;
        // The streams of commands know what they have of a request, so it may be taken again.
        self.context
            .idempotency
            .run_repeatable(METHOD, &request.request_id, &request, || {
                self.retry_quarantined(&request)
            })
            .await
            .map(Response::new)
    }

    async fn discard_quarantined_records(
        &self,
        request: Request<DiscardQuarantinedRecordsRequest>,
    ) -> Result<Response<DiscardQuarantinedRecordsResponse>, Status> {
        const METHOD: &str = "happypath.engine.v1.PartitionService/DiscardQuarantinedRecords";
        let request = request.into_inner();
        rpc::validate(&request)?;
        self.context
            .idempotency
            .run_repeatable(METHOD, &request.request_id, &request, || {
                self.discard_quarantined(&request)
            })
            .await
            .map(Response::new)
    }

    async fn preview_split(
        &self,
        request: Request<PreviewSplitRequest>,
    ) -> Result<Response<PreviewSplitResponse>, Status> {
        let request = request.into_inner();
        rpc::validate(&request)?;
        let plan = planned_split(&request)?;
        audit::subjects([plan.customer, plan.to]);
        let mut sentences = Vec::new();
        for engine in self.engines_of(&request.service)? {
            let stays = engine.what_stays(&plan).await;
            sentences.extend(stays.map_err(unfound)?);
        }
        Ok(Response::new(PreviewSplitResponse { sentences }))
    }

    async fn get_installation(
        &self,
        request: Request<GetInstallationRequest>,
    ) -> Result<Response<GetInstallationResponse>, Status> {
        rpc::validate(&request.into_inner())?;
        let config = &self.context.config;
        let clock = match config.clock {
            Clock::Wall => v1::Clock::Wall,
            Clock::Stream => v1::Clock::Stream,
        };
        let durability = match config.hot_store {
            Some(HotStoreAddress::Embedded(_)) => v1::Durability::Embedded,
            _ if self.context.journal.is_some() => v1::Durability::Journal,
            Some(HotStoreAddress::Redis(_)) => v1::Durability::Hot,
            None => v1::Durability::Unspecified,
        };
        Ok(Response::new(GetInstallationResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            worker: self.context.worker.as_ref().to_owned(),
            services: self
                .services
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            partition_count: u32::from(self.context.partitions.get()),
            clock: clock.into(),
            durability: durability.into(),
            now_time: Some(timestamp(SystemClock.now())),
            workers: self.workers().await,
            installation: config
                .installation
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }))
    }

    async fn await_idle(
        &self,
        request: Request<AwaitIdleRequest>,
    ) -> Result<Response<AwaitIdleResponse>, Status> {
        let request = request.into_inner();
        rpc::validate(&request)?;
        let engines = self.engines_of(&request.service)?;
        let commit_count = settle(&engines, Extent::All).await.map_err(failure)?;
        Ok(Response::new(AwaitIdleResponse { commit_count }))
    }
}

/// Sorts by service and number, as the contract says.
fn partition_key(partition: &Partition) -> Vec<u8> {
    let mut key = partition.service.clone().into_bytes();
    key.push(0);
    key.extend(partition.number.to_be_bytes());
    key
}

fn failure(error: EngineError) -> Failure {
    match error {
        EngineError::CommandsFull => Failure::new(ErrorReason::StreamFull, error.to_string())
            .with_retry_after(COMMANDS_RETRY),
        EngineError::ShutDown => {
            Failure::new(ErrorReason::ShuttingDown, "the process is going down")
        }
        error => Failure::store_unavailable(error),
    }
}

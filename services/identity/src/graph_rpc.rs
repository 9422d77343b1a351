//! The gRPC surface of who is who: found, joined, taken apart, explained, simulated.

use std::pin::Pin;
use std::sync::Arc;

use ::rpc::Idempotency;
use proto::identity::v1;
use proto::identity::v1::resolution_service_server::{ResolutionService, ResolutionServiceServer};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::ingest::Intake;

/// Serves resolution. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ResolutionRpc {
    intake: Arc<Intake>,
    idempotency: Idempotency,
}

impl ResolutionRpc {
    /// Serves an intake.
    pub const fn new(intake: Arc<Intake>, idempotency: Idempotency) -> Self {
        Self {
            intake,
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> ResolutionServiceServer<Self> {
        ResolutionServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl ResolutionService for ResolutionRpc {
    async fn resolve(
        &self,
        _request: Request<v1::ResolveRequest>,
    ) -> Result<Response<v1::ResolveResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    type ResolveStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::ResolveStreamResponse, Status>> + Send>>;

    async fn resolve_stream(
        &self,
        _request: Request<Streaming<v1::ResolveStreamRequest>>,
    ) -> Result<Response<Self::ResolveStreamStream>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn identify(
        &self,
        _request: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn link(
        &self,
        _request: Request<v1::LinkRequest>,
    ) -> Result<Response<v1::LinkResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn unmerge_customers(
        &self,
        _request: Request<v1::UnmergeCustomersRequest>,
    ) -> Result<Response<v1::UnmergeCustomersResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn list_history(
        &self,
        _request: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn explain_identity(
        &self,
        _request: Request<v1::ExplainIdentityRequest>,
    ) -> Result<Response<v1::ExplainIdentityResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn simulate(
        &self,
        _request: Request<v1::SimulateRequest>,
    ) -> Result<Response<v1::SimulateResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }
}

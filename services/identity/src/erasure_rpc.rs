//! The gRPC surface of erasure and suppression.

use std::sync::Arc;

use ::rpc::Idempotency;
use proto::identity::v1;
use proto::identity::v1::erasure_service_server::{ErasureService, ErasureServiceServer};
use tonic::{Request, Response, Status};

use crate::ingest::Intake;

/// Serves erasures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ErasureRpc {
    intake: Arc<Intake>,
    idempotency: Idempotency,
}

impl ErasureRpc {
    /// Serves an intake.
    pub const fn new(intake: Arc<Intake>, idempotency: Idempotency) -> Self {
        Self {
            intake,
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> ErasureServiceServer<Self> {
        ErasureServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl ErasureService for ErasureRpc {
    async fn erase(
        &self,
        _request: Request<v1::EraseRequest>,
    ) -> Result<Response<v1::EraseResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn get_erasure(
        &self,
        _request: Request<v1::GetErasureRequest>,
    ) -> Result<Response<v1::GetErasureResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn list_erasures(
        &self,
        _request: Request<v1::ListErasuresRequest>,
    ) -> Result<Response<v1::ListErasuresResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn suppress(
        &self,
        _request: Request<v1::SuppressRequest>,
    ) -> Result<Response<v1::SuppressResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }

    async fn unsuppress(
        &self,
        _request: Request<v1::UnsuppressRequest>,
    ) -> Result<Response<v1::UnsuppressResponse>, Status> {
        Err(Status::unimplemented("soon"))
    }
}

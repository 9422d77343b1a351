//! Gathers what all services know about a customer.

use std::pin::Pin;

use proto::gateway::v1::export_service_server::{ExportService, ExportServiceServer};
use proto::gateway::v1::{ExportCustomerRequest, ExportCustomerResponse};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Serves exports. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ExportRpc {}

impl ExportRpc {
    /// Serves exports.
    pub(crate) const fn new() -> Self {
        Self {}
    }

    /// The server for `tonic`'s router.
    pub(crate) fn into_server(self) -> ExportServiceServer<Self> {
        ExportServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl ExportService for ExportRpc {
    type ExportCustomerStream =
        Pin<Box<dyn Stream<Item = Result<ExportCustomerResponse, Status>> + Send>>;

    async fn export_customer(
        &self,
        _request: Request<ExportCustomerRequest>,
    ) -> Result<Response<Self::ExportCustomerStream>, Status> {
        Err(Status::unimplemented("soon"))
    }
}

//! The ceiling: the same contract, answered with nothing done.

use std::net::SocketAddr;
use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use proto::identity::v1::{
    AdvanceClockRequest, AdvanceClockResponse, GetCustomerRequest, GetCustomerResponse,
    IngestRequest, IngestResponse, IngestStreamRequest, IngestStreamResponse, ListCustomersRequest,
    ListCustomersResponse, ListEventsRequest, ListEventsResponse, MergeCustomersRequest,
    MergeCustomersResponse,
};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::Failure;

/// Answers ingest at once.
struct Bare;

#[tonic::async_trait]
impl IdentityService for Bare {
    type IngestStreamStream =
        Pin<Box<dyn Stream<Item = Result<IngestStreamResponse, Status>> + Send>>;

    async fn ingest(
        &self,
        request: Request<IngestRequest>,
    ) -> Result<Response<IngestResponse>, Status> {
        let results = request
            .into_inner()
            .events
            .iter()
            .map(|_| Default::default())
            .collect();
        Ok(Response::new(IngestResponse {
            results,
            ..IngestResponse::default()
        }))
    }

    async fn ingest_stream(
        &self,
        request: Request<Streaming<IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let answers = request.into_inner().map(|batch| {
            let accepted_count = u32::try_from(batch?.events.len()).unwrap_or(u32::MAX);
            Ok(IngestStreamResponse {
                accepted_count,
                ..Default::default()
            })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn get_customer(
        &self,
        _: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        Err(Status::unimplemented("the ceiling only ingests"))
    }

    async fn list_customers(
        &self,
        _: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Err(Status::unimplemented("the ceiling only ingests"))
    }

    async fn list_events(
        &self,
        _: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        Err(Status::unimplemented("the ceiling only ingests"))
    }

    async fn merge_customers(
        &self,
        _: Request<MergeCustomersRequest>,
    ) -> Result<Response<MergeCustomersResponse>, Status> {
        Err(Status::unimplemented("the ceiling only ingests"))
    }

    async fn advance_clock(
        &self,
        _: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        Err(Status::unimplemented("the ceiling only ingests"))
    }
}

/// The ceiling, to be called without a network.
pub(crate) fn server() -> IdentityServiceServer<impl IdentityService> {
    IdentityServiceServer::new(Bare).max_decoding_message_size(8 << 20)
}

/// Serves the ceiling on a free port until the process ends.
pub(crate) async fn serve() -> Result<SocketAddr, Failure> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    tokio::spawn(
        Server::builder()
            .add_service(server())
            .serve_with_incoming(incoming),
    );
    Ok(address)
}

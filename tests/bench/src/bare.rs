//! The ceiling: the same contract, answered with nothing done, or once something else has the
//! events.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use proto::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use proto::identity::v1::{
    AdvanceClockRequest, AdvanceClockResponse, Event, GetCustomerRequest, GetCustomerResponse,
    IngestRequest, IngestResponse, IngestStreamRequest, IngestStreamResponse, ListCustomersRequest,
    ListCustomersResponse, ListEventsRequest, ListEventsResponse, MergeCustomersRequest,
    MergeCustomersResponse,
};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::Failure;

/// Messages of one stream that may wait at once: as many as its client sends ahead.
const AHEAD: usize = 8;

/// A taker of events, each of which is answered once it has been taken.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Takes the events of one message. Messages are taken in the order of the calls.
    fn take(&self, events: Vec<Event>) -> BoxFuture<'static, Result<(), Status>>;
}

/// Answers ingest at once.
struct Nothing;

impl Sink for Nothing {
    fn take(&self, _: Vec<Event>) -> BoxFuture<'static, Result<(), Status>> {
        futures::future::ready(Ok(())).boxed()
    }
}

/// Answers ingest once its sink has the events.
struct Bare<S>(Arc<S>);

#[tonic::async_trait]
impl<S: Sink> IdentityService for Bare<S> {
    type IngestStreamStream =
        Pin<Box<dyn Stream<Item = Result<IngestStreamResponse, Status>> + Send>>;

    async fn ingest(
        &self,
        request: Request<IngestRequest>,
    ) -> Result<Response<IngestResponse>, Status> {
        let events = request.into_inner().events;
        let results = events.iter().map(|_| Default::default()).collect();
        self.0.take(events).await?;
        Ok(Response::new(IngestResponse {
            results,
            ..IngestResponse::default()
        }))
    }

    async fn ingest_stream(
        &self,
        request: Request<Streaming<IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let sink = Arc::clone(&self.0);
        let answers = request.into_inner().map(move |batch| {
            let taken = batch.map(|batch| {
                let accepted_count = u32::try_from(batch.events.len()).unwrap_or(u32::MAX);
                (accepted_count, sink.take(batch.events))
            });
            async move {
                let (accepted_count, taken) = taken?;
                taken.await?;
                Ok(IngestStreamResponse {
                    accepted_count,
                    ..Default::default()
                })
            }
        });
        Ok(Response::new(answers.buffered(AHEAD).boxed()))
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
    server_of(Nothing)
}

fn server_of(sink: impl Sink) -> IdentityServiceServer<impl IdentityService> {
    IdentityServiceServer::new(Bare(Arc::new(sink))).max_decoding_message_size(8 << 20)
}

/// Serves the ceiling on a free port until the process ends.
pub(crate) async fn serve() -> Result<SocketAddr, Failure> {
    serve_with(Nothing)
}

/// Serves on a free port until the process ends, and answers once the sink has the events.
pub(crate) fn serve_with(sink: impl Sink) -> Result<SocketAddr, Failure> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    tokio::spawn(
        Server::builder()
            .add_service(server_of(sink))
            .serve_with_incoming(incoming),
    );
    Ok(address)
}

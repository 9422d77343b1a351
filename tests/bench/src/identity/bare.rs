//! The ceiling: the same contract, answered once Redis has answered a GET for each message of a
//! stream, and at once for a call.

use std::net::SocketAddr;
use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::identity::v1;
use proto::identity::v1::resolution_service_server::{ResolutionService, ResolutionServiceServer};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::Failure;

/// Messages of one stream that may wait for Redis at once.
const AHEAD: usize = 256;
/// The key that is read.
const KEY: &str = "bench-identity";

/// Answers look-ups.
struct Echo(MultiplexedConnection);

/// Serves on a free port until the process ends.
pub(super) async fn serve(redis: &str) -> Result<SocketAddr, Failure> {
    let client = redis::Client::open(redis)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    connection
        .set::<_, _, ()>(KEY, [7_u8; 32].as_slice())
        .await?;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    tokio::spawn(
        Server::builder()
            .add_service(ResolutionServiceServer::new(Echo(connection)))
            .serve_with_incoming(incoming),
    );
    Ok(address)
}

fn unserved<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the ceiling only looks up"))
}

#[tonic::async_trait]
impl ResolutionService for Echo {
    async fn resolve(
        &self,
        _: Request<v1::ResolveRequest>,
    ) -> Result<Response<v1::ResolveResponse>, Status> {
        Ok(Response::new(v1::ResolveResponse::default()))
    }

    type ResolveStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::ResolveStreamResponse, Status>> + Send>>;

    async fn resolve_stream(
        &self,
        request: Request<Streaming<v1::ResolveStreamRequest>>,
    ) -> Result<Response<Self::ResolveStreamStream>, Status> {
        let connection = self.0.clone();
        let answers = request.into_inner().map(move |request| {
            let mut connection = connection.clone();
            async move {
                let tag = request?.tag;
                let read = connection.get::<_, Vec<u8>>(KEY).await;
                read.map_err(|error| Status::unavailable(error.to_string()))?;
                Ok(v1::ResolveStreamResponse {
                    response: Some(v1::ResolveResponse::default()),
                    tag,
                })
            }
        });
        Ok(Response::new(answers.buffered(AHEAD).boxed()))
    }

    async fn identify(
        &self,
        _: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        unserved()
    }

    async fn link(
        &self,
        _: Request<v1::LinkRequest>,
    ) -> Result<Response<v1::LinkResponse>, Status> {
        unserved()
    }

    async fn unmerge_customers(
        &self,
        _: Request<v1::UnmergeCustomersRequest>,
    ) -> Result<Response<v1::UnmergeCustomersResponse>, Status> {
        unserved()
    }

    async fn list_history(
        &self,
        _: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        unserved()
    }

    async fn explain_identity(
        &self,
        _: Request<v1::ExplainIdentityRequest>,
    ) -> Result<Response<v1::ExplainIdentityResponse>, Status> {
        unserved()
    }

    async fn simulate(
        &self,
        _: Request<v1::SimulateRequest>,
    ) -> Result<Response<v1::SimulateResponse>, Status> {
        unserved()
    }
}

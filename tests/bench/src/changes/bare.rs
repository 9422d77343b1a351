//! The ceiling: a bare stream of `tonic`, with messages that are there already.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _, stream};
use proto::gateway::v1::change_service_server::{ChangeService, ChangeServiceServer};
use proto::gateway::v1::{
    GetChangeLogRequest, GetChangeLogResponse, ListSubscriptionsRequest, ListSubscriptionsResponse,
    ResumeSubscriptionRequest, ResumeSubscriptionResponse, WatchChangesRequest,
    WatchChangesResponse,
};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Failure;

/// Messages that are sent over and over: 40,000 changes, far beyond the caches of a processor.
pub(super) const MESSAGES: u32 = 40;

/// Answers with the same messages until so many changes were sent.
struct Bare {
    messages: Arc<[WatchChangesResponse]>,
    changes: usize,
}

#[tonic::async_trait]
impl ChangeService for Bare {
    type WatchChangesStream =
        Pin<Box<dyn Stream<Item = Result<WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        _: Request<WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let messages = Arc::clone(&self.messages);
        let stream = stream::unfold((0, self.changes), move |(place, left)| {
            let message = (left > 0).then(|| messages[place % messages.len()].clone());
            std::future::ready(message.map(|message| {
                let left = left.saturating_sub(message.changes.len());
                (Ok(message), (place + 1, left))
            }))
        });
        Ok(Response::new(stream.boxed()))
    }

    async fn get_change_log(
        &self,
        _: Request<GetChangeLogRequest>,
    ) -> Result<Response<GetChangeLogResponse>, Status> {
        Err(Status::unimplemented("the ceiling only streams"))
    }

    async fn list_subscriptions(
        &self,
        _: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        Err(Status::unimplemented("the ceiling only streams"))
    }

    async fn resume_subscription(
        &self,
        _: Request<ResumeSubscriptionRequest>,
    ) -> Result<Response<ResumeSubscriptionResponse>, Status> {
        Err(Status::unimplemented("the ceiling only streams"))
    }
}

/// Serves on a free port until the process ends.
pub(super) fn serve(
    messages: Vec<WatchChangesResponse>,
    changes: u32,
) -> Result<SocketAddr, Failure> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    let bare = Bare {
        messages: messages.into(),
        changes: changes as usize,
    };
    tokio::spawn(
        Server::builder()
            .add_service(ChangeServiceServer::new(bare))
            .serve_with_incoming(incoming),
    );
    Ok(address)
}

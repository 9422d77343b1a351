//! The RPCs of the log of changes: its stream, its state, and the orders about subscriptions.
//!
//! The log is in SQL, and every replica reads it: no consumer is anybody's.

mod convert;
mod filter;
pub(crate) mod refusal;
mod slots;
mod source;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod watches;
mod watching;

use access::Caller;
use proto::gateway::v1::change_service_server::{ChangeService, ChangeServiceServer};
use proto::gateway::v1::{
    GetChangeLogRequest, GetChangeLogResponse, ListSubscriptionsRequest, ListSubscriptionsResponse,
    ResumeSubscriptionRequest, ResumeSubscriptionResponse, WatchChangesRequest,
};
use rpc::validate;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

pub(crate) use self::convert::change_of;
pub(crate) use self::filter::Filter;
pub(crate) use self::source::SharedSource;
use self::stream::WatchStream;
pub(crate) use self::tail::Tail;
pub(crate) use self::watches::OpenLog;
use self::watches::Watches;
use crate::subscriptions::SubscriptionOrders;

/// Serves the log of changes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRpc {
    watches: Watches,
    subscriptions: SubscriptionOrders,
}

impl ChangeRpc {
    /// Serves a log, which is absent where the installation keeps no changes, and streams of it
    /// until the process is told to end.
    pub(crate) fn new(
        log: Option<OpenLog>,
        subscriptions: SubscriptionOrders,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            watches: Watches::new(log, shutdown),
            subscriptions,
        }
    }

    /// The server for `tonic`'s router.
    pub(crate) fn into_server(self) -> ChangeServiceServer<Self> {
        ChangeServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl ChangeService for ChangeRpc {
    type WatchChangesStream = WatchStream;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let caller = Caller::of(request.extensions());
        let caller = caller.map_or_else(|| "anonymous".into(), |it| it.to_string().into());
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.watches.open(caller, &request).await?))
    }

    async fn get_change_log(
        &self,
        request: Request<GetChangeLogRequest>,
    ) -> Result<Response<GetChangeLogResponse>, Status> {
        validate(&request.into_inner())?;
        Ok(Response::new(self.watches.state().await?))
    }

    async fn list_subscriptions(
        &self,
        request: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        let answer = self.subscriptions.list(&request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn resume_subscription(
        &self,
        request: Request<ResumeSubscriptionRequest>,
    ) -> Result<Response<ResumeSubscriptionResponse>, Status> {
        let answer = self.subscriptions.resume(request.into_inner()).await?;
        Ok(Response::new(answer))
    }
}

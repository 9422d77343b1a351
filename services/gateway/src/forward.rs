//! Calls of services that run elsewhere: handed on as they are, to a replica of the service.
//!
//! It stands behind the guard and before the services of this process. The service that a call is
//! of judges its caller once more, by the same credential, and puts it on record.

mod definitions;
mod homes;
mod pages;
mod partitions;
mod pass;
mod place;
mod split;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use proto::definition::v1::definition_service_server::DefinitionServiceServer;
use proto::engine::v1::partition_service_server::PartitionServiceServer;
use rpc::limits::MESSAGE_BYTES;
use runtime::Calls;
use tonic::body::Body;
use tower::Service;

use self::definitions::Definitions;
use self::homes::Homes;
use self::partitions::Partitions;
use self::place::{Place, place_of};

pub(crate) use self::place::hands_on;

/// Answers the calls of this process, and hands on those of others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay {
    homes: Arc<Homes>,
    definitions: DefinitionServiceServer<Definitions>,
    partitions: PartitionServiceServer<Partitions>,
}

impl Relay {
    /// Hands calls on by the channels of a process; `here` are its own services.
    pub(crate) fn new(here: Calls, context: &runtime::Context) -> Self {
        let homes = Arc::new(Homes::new(here, context.peers.clone()));
        let definitions = Definitions::new(Arc::clone(&homes), context.idempotency.clone());
        let partitions = Partitions::new(Arc::clone(&homes));
        Self {
            homes,
            definitions: DefinitionServiceServer::new(definitions)
                .max_decoding_message_size(MESSAGE_BYTES),
            partitions: PartitionServiceServer::new(partitions)
                .max_decoding_message_size(MESSAGE_BYTES),
        }
    }
}

impl Service<Request<Body>> for Relay {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match place_of(request.uri().path()) {
            Place::Here => Box::pin(self.homes.here().call(request)),
            Place::Definitions => Box::pin(self.definitions.call(request)),
            Place::Partitions => Box::pin(self.partitions.call(request)),
            Place::Service(owner) => {
                let channel = self.homes.channel(owner);
                Box::pin(async move { Ok(pass::hand_on(channel, owner, request).await) })
            }
        }
    }
}

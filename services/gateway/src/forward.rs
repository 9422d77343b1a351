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

use access::{Caller, CallerKind};
use http::{Extensions, Request, Response};
use proto::definition::v1::definition_service_server::DefinitionServiceServer;
use proto::engine::v1::partition_service_server::PartitionServiceServer;
use rpc::limits::MESSAGE_BYTES;
use rpc::{ErrorReason, Failure};
use runtime::Calls;
use tonic::Status;
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

/// Returns whether the service behind can know the caller: the certificate of a connection stays
/// with it.
fn can_be_handed_on(extensions: &Extensions) -> bool {
    let caller = Caller::of(extensions);
    caller.is_none_or(|caller| caller.kind() != CallerKind::Certificate)
}

fn not_handed_on() -> Status {
    let message = "a caller who is known by the certificate of the connection alone is not known to the \
                   service behind: show a key or a token";
    Failure::new(ErrorReason::CredentialMissing, message).into()
}

impl Service<Request<Body>> for Relay {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let place = place_of(request.uri().path());
        if place != Place::Here && !can_be_handed_on(request.extensions()) {
            let answer = not_handed_on().into_http();
            return Box::pin(std::future::ready(Ok(answer)));
        }
        match place {
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

#[cfg(test)]
mod tests {
    use access::Scopes;

    use super::*;

    #[test]
    fn only_a_certificate_cannot_be_handed_on() {
        for (kind, expected) in [
            (CallerKind::Local, true),
            (CallerKind::Key, true),
            (CallerKind::Token, true),
            (CallerKind::Certificate, false),
            (CallerKind::Service, true),
        ] {
            let mut extensions = Extensions::new();
            assert!(can_be_handed_on(&extensions));
            extensions.insert(Caller::new(kind, "one", "one", Scopes::NONE));
            assert_eq!(can_be_handed_on(&extensions), expected, "{kind:?}");
        }
    }
}

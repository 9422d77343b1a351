//! A channel that hands calls of others on, with the credential and the address that they came
//! with.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use access::Peer;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::Presented;
use super::balanced::Balanced;
use crate::relay::{ADDRESS, KEY, SentCredential};
use crate::{Deadline, TraceParent};

/// Headers that are about one connection, or that the next one has its own of.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    ADDRESS,
    KEY,
];

/// Hands calls on to a service: their messages as they are, with the credential of their caller,
/// what is left of their deadline, and the trace of the call at hand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayChannel {
    channel: Balanced,
    presented: Presented,
}

impl RelayChannel {
    pub(super) const fn new(channel: Balanced, presented: Presented) -> Self {
        Self { channel, presented }
    }
}

impl Service<Request<Body>> for RelayChannel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        *request.version_mut() = Version::HTTP_2;
        let extensions = request.extensions();
        let credential = extensions.get::<SentCredential>().cloned();
        let address = extensions.get::<Peer>().and_then(Peer::address);
        let deadline = extensions.get().copied().or_else(Deadline::current);
        let headers = request.headers_mut();
        HOP_BY_HOP
            .iter()
            .for_each(|name| drop(headers.remove(name)));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if let Some(SentCredential(value)) = credential {
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(deadline) = deadline {
            headers.insert("grpc-timeout", deadline.header());
        }
        tell_trace(headers);
        self.vouch_for(headers, address.map(|it| it.ip().to_canonical()));
        self.channel.call(request)
    }
}

impl RelayChannel {
    fn vouch_for(&self, headers: &mut HeaderMap, address: Option<IpAddr>) {
        if let Some(key) = self.presented.key() {
            headers.insert(KEY, key);
        }
        let address = address.map(|it| HeaderValue::try_from(it.to_string()));
        if let Some(Ok(address)) = address {
            headers.insert(ADDRESS, address);
        }
    }
}

/// The call at hand is the cause of the one that is handed on.
fn tell_trace(headers: &mut HeaderMap) {
    let parent = TraceParent::of_span(&tracing::Span::current()).or_else(TraceParent::current);
    if let Some(Ok(value)) = parent.map(|it| HeaderValue::try_from(it.to_string())) {
        headers.insert("traceparent", value);
    }
}

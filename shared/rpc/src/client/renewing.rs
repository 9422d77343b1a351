//! Sends a call once more whose credential was refused, as soon as there is another one.
//!
//! A process whose own key was revoked makes another; calls that meet the refusal in between wait
//! for that, a few seconds at the most. What they asked for was not done: a credential is judged
//! before a byte of a message is read. Calls with streams of messages are never sent again, nor are
//! those of callers whose credential nobody renews.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::Presented;
use super::balanced::Balanced;
use crate::wire;

/// A channel whose calls outlive the credential that they began with.
#[derive(Debug, Clone)]
pub struct Renewing {
    channel: Balanced,
    presented: Presented,
}

impl Renewing {
    pub(super) const fn new(channel: Balanced, presented: Presented) -> Self {
        Self { channel, presented }
    }
}

impl Service<Request<Body>> for Renewing {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_unary = wire::method(request.uri().path()).is_some_and(|method| !method.is_stream);
        let sent = request.headers().get(AUTHORIZATION).cloned();
        let Some(sent) = sent.filter(|_| is_unary && self.presented.is_renewed()) else {
            return self.channel.call(request);
        };
        let (mut channel, presented) = (self.channel.clone(), self.presented.clone());
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let message = body.collect().await?.to_bytes();
            let response = channel.call(whole(&parts, &message)).await?;
            if !is_refused(response.headers()) {
                return Ok(response);
            }
            let Some(renewed) = presented.other_than(&sent).await else {
                return Ok(response);
            };
            parts.headers.insert(AUTHORIZATION, renewed);
            channel.call(whole(&parts, &message)).await
        })
    }
}

fn whole(parts: &Parts, message: &Bytes) -> Request<Body> {
    Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())))
}

/// Returns whether an answer without a message says that the credential is no good.
fn is_refused(headers: &HeaderMap) -> bool {
    let code = headers.get("grpc-status").map(HeaderValue::as_bytes);
    code.is_some_and(|code| Code::from_bytes(code) == Code::Unauthenticated)
}

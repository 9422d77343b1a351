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
use tonic::Code;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tower::Service;

use super::Presented;
use crate::wire;

/// A channel whose calls outlive the credential that they began with.
#[derive(Debug, Clone)]
pub struct Renewing {
    channel: Channel,
    presented: Presented,
}

impl Renewing {
    pub(super) const fn new(channel: Channel, presented: Presented) -> Self {
        Self { channel, presented }
    }
}

impl Service<Request<Body>> for Renewing {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The channel that was made ready is the one that is called; its copy is not.
        let copy = self.channel.clone();
        let mut channel = std::mem::replace(&mut self.channel, copy);
        let is_unary = wire::method(request.uri().path()).is_some_and(|method| !method.is_stream);
        let sent = request.headers().get(AUTHORIZATION).cloned();
        let Some(sent) = sent.filter(|_| is_unary && self.presented.is_renewed()) else {
            return Box::pin(channel.call(request));
        };
        let presented = self.presented.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let message = match body.collect().await {
                Ok(message) => message.to_bytes(),
                Err(status) => return Ok(status.into_http()),
            };
            let response = channel.call(whole(&parts, &message)).await?;
            if !is_refused(response.headers()) {
                return Ok(response);
            }
            let Some(renewed) = presented.other_than(&sent).await else {
                return Ok(response);
            };
            parts.headers.insert(AUTHORIZATION, renewed);
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
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

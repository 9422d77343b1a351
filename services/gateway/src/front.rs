//! The ways in beside gRPC: the tracking APIs of SDKs, and JSON for every RPC.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tonic::body::Body;
use tower::Service;

use crate::tracking::Tracking;

/// Takes requests over HTTP that are neither gRPC nor gRPC-Web.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    tracking: Tracking,
}

impl Front {
    /// Gives each request to the way in that its path is of.
    pub(crate) const fn new(tracking: Tracking) -> Self {
        Self { tracking }
    }
}

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if self.tracking.owns(request.method(), request.uri().path()) {
            let tracking = self.tracking.clone();
            return Box::pin(async move { Ok(tracking.answer(request).await) });
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        Box::pin(std::future::ready(Ok(response)))
    }
}

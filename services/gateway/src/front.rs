//! The ways in beside gRPC: the tracking APIs of SDKs, and JSON for every RPC.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::ORIGIN;
use http::{Request, Response};
use runtime::{Calls, Entrance, WebPages};
use tonic::body::Body;
use tower::{Layer as _, Service};
use transcode::{Transcode, TranscodeLayer};

use crate::tracking::Tracking;

/// Takes requests over HTTP that are neither gRPC nor gRPC-Web. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    tracking: Tracking,
    json: Transcode<Calls>,
    pages: WebPages,
    /// The hold on the calls of the process for those who have none of their own.
    _calls: Arc<Calls>,
}

impl Front {
    /// Gives each request to the way in that its path is of.
    pub(crate) fn new(tracking: Tracking, entrance: Entrance, calls: Arc<Calls>) -> Self {
        Self {
            tracking,
            _calls: calls,
            json: TranscodeLayer::new(entrance.memory).layer(entrance.calls),
            pages: entrance.pages,
        }
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
            // A source decides which pages may send for it.
            let tracking = self.tracking.clone();
            return Box::pin(async move { Ok(tracking.answer(request).await) });
        }
        if let Some(answer) = self.pages.answer(&request) {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let (answer, pages) = (self.json.call(request), self.pages.clone());
        Box::pin(async move {
            let mut answer = answer.await?;
            pages.open(origin.as_ref(), answer.headers_mut());
            Ok(answer)
        })
    }
}

//! The layer in front of a server of gRPC that also takes calls in JSON.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use rpc::Memory;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, StdError};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt as _};

use crate::call::{self, Plan};

/// The service that answers what neither gRPC nor JSON is for.
pub type Fallback = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Takes calls of gRPC, of REST and of Connect, and gives all of them to a service that speaks
/// gRPC.
///
/// It has to be the outermost layer: what is inside, such as access, deadlines and limits, sees
/// calls of gRPC only, and all of them.
#[derive(Debug, Clone, Default)]
pub struct TranscodeLayer {
    memory: Memory,
    fallback: Option<Fallback>,
}

/// The service that [`TranscodeLayer`] makes.
#[derive(Debug, Clone)]
pub struct Transcode<S> {
    inner: S,
    memory: Memory,
    fallback: Option<Fallback>,
}

impl TranscodeLayer {
    /// Charges bodies that are arriving to the memory of all requests.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            fallback: None,
        }
    }

    /// Gives all other calls to this service; without one they are answered with 404.
    #[must_use]
    pub fn with_fallback(self, fallback: Fallback) -> Self {
        Self {
            fallback: Some(fallback),
            ..self
        }
    }
}

impl<S> Layer<S> for TranscodeLayer {
    type Service = Transcode<S>;

    fn layer(&self, inner: S) -> Transcode<S> {
        Transcode {
            inner,
            memory: self.memory.clone(),
            fallback: self.fallback.clone(),
        }
    }
}

impl<S, B> Service<Request<B>> for Transcode<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone is not ready; the one that is, takes the call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let request = request.map(Body::new);
        match call::plan(request, &self.memory) {
            Plan::Grpc(request) => Box::pin(inner.call(request)),
            Plan::Answered(response) => Box::pin(std::future::ready(Ok(response))),
            Plan::Other(request) => {
                let fallback = self.fallback.clone();
                Box::pin(async move {
                    let Some(fallback) = fallback else {
                        return Ok(call::not_found(&request));
                    };
                    match fallback.oneshot(request).await {
                        Ok(response) => Ok(response),
                        Err(never) => match never {},
                    }
                })
            }
            Plan::Call(call) => {
                let memory = self.memory.clone();
                Box::pin(async move {
                    let (request, answered) = call.into_parts();
                    let response = inner.call(request).await?;
                    Ok(answered.answer(response, memory).await)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;

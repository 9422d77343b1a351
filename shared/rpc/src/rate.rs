//! The layer that limits the calls of each caller, by a bucket of tokens for each.
//!
//! It stands behind authentication, so that nobody spends the tokens of another one. A call costs a
//! token, whatever it carries: messages on a stream are held back by the services themselves. Calls
//! that are not of the contracts, such as those about health, cost nothing.

mod buckets;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use self::buckets::Buckets;
use crate::{ErrorReason, Failure, wire};

/// Reads who calls from the extensions of a request.
pub type CallerOf = fn(&Extensions) -> Arc<str>;

/// Limits the calls of each caller; give it to `tonic::transport::Server::layer` after
/// authentication.
#[derive(Debug, Clone)]
pub struct RateLayer {
    /// Absent for no limit.
    buckets: Option<Arc<Buckets>>,
    caller_of: CallerOf,
}

impl RateLayer {
    /// Allows each caller so many calls a second, and twice as many at once; any number where it is
    /// absent.
    pub fn new(calls_per_second: Option<u32>, caller_of: CallerOf) -> Self {
        let buckets = calls_per_second.map(|rate| Arc::new(Buckets::new(rate, Instant::now())));
        Self { buckets, caller_of }
    }
}

/// The service that [`RateLayer`] wraps around a server.
#[derive(Debug, Clone)]
pub struct RateService<S> {
    inner: S,
    layer: RateLayer,
}

impl<S> Layer<S> for RateLayer {
    type Service = RateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for RateService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.layer.refusal(&request) {
            None => Box::pin(self.inner.call(request)),
            Some(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}

impl RateLayer {
    /// Takes a token for a call, and returns the answer to one that there is none for.
    fn refusal(&self, request: &Request<Body>) -> Option<Status> {
        let buckets = self.buckets.as_ref()?;
        wire::method(request.uri().path())?;
        let caller = (self.caller_of)(request.extensions());
        let wait = buckets.take(&caller, Instant::now()).err()?;
        let message = format!(
            "a caller may make {} calls a second, and this one has made more",
            buckets.rate()
        );
        let failure = Failure::new(ErrorReason::RateLimited, message);
        Some(failure.with_retry_after(wait).into())
    }
}

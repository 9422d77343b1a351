//! The layer around each call: it tells those who carry it out who asked, and records what came of
//! it.
//!
//! It stands behind authentication. Calls that were refused there are not its own: strangers could
//! fill the log, and by that keep others from reading.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Request, Response};
use rpc::{Failure, TraceParent};
use tokio::runtime::Handle;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::{AuditError, AuditLog, Class, Operation, Origin, Outcome, class_of};

/// Reads who asks from the extensions of a request.
pub type OriginOf = fn(&Extensions) -> Origin;

/// Records calls in a log; give it to `tonic::transport::Server::layer` after authentication.
#[derive(Debug, Clone)]
pub struct AuditLayer {
    log: AuditLog,
    origin_of: OriginOf,
}

impl AuditLayer {
    /// Records calls in a log.
    pub fn new(log: AuditLog, origin_of: OriginOf) -> Self {
        Self { log, origin_of }
    }
}

/// The service that [`AuditLayer`] wraps around a server.
#[derive(Debug, Clone)]
pub struct AuditedService<S> {
    inner: S,
    layer: AuditLayer,
}

impl<S> Layer<S> for AuditLayer {
    type Service = AuditedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuditedService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for AuditedService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let class = class_of(request.uri().path());
        if class == Class::Other {
            return Box::pin(self.inner.call(request));
        }
        let origin = (self.layer.origin_of)(request.extensions());
        let action: Arc<str> = rpc::call_name(request.uri().path()).into();
        // Its scope begins only with the work.
        let trace = request.extensions().get::<TraceParent>().copied();
        let log = self.layer.log.clone();
        let operation = Operation::new(log, origin, (class, action), trace);
        let work = Operation::scope(Some(operation.clone()), self.inner.call(request));
        Box::pin(async move {
            let unfinished = Unfinished(Some(operation.clone()));
            let response = work.await?;
            let response = recorded(&operation, response).await;
            unfinished.finish();
            Ok(response)
        })
    }
}

/// A call whose end is not on record yet. Dropped before that, as where the caller goes away or the
/// deadline passes, it is put on record as `CANCELLED`: what it orders may be done.
struct Unfinished(Option<Operation>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(operation) = self.0.take() else {
            return;
        };
        if operation.class() != Class::Order && !operation.is_asked() {
            // Nothing was shown, and what was changed is recorded by who made the change.
            return;
        }
        let acts = operation.acts(Outcome::Ended(Code::Cancelled));
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = operation.log().note_all(acts).await {
                tell_missing(&error);
            }
        });
    }
}

/// Records what came of a call, and returns its answer, or a refusal where it may not be shown.
async fn recorded(operation: &Operation, response: Response<Body>) -> Response<Body> {
    let code = code_of(response.headers());
    let class = operation.class();
    let is_recorded = match class {
        Class::Event | Class::Other => false,
        Class::PersonalRead | Class::Order => true,
        // A success is in the transaction that made the change, or was asked for here.
        Class::Change => code != Code::Ok || operation.is_asked(),
    };
    if !is_recorded {
        return response;
    }
    let acts = operation.acts(Outcome::Ended(code));
    match operation.log().note_all(acts).await {
        Ok(()) => response,
        Err(error) if class == Class::PersonalRead => {
            Status::from(Failure::from(error)).into_http()
        }
        // It is done already, and cannot be taken back by hiding the answer.
        Err(error) => {
            tell_missing(&error);
            response
        }
    }
}

fn tell_missing(error: &AuditError) {
    tracing::error!(%error, "the outcome of a call is missing from the audit log");
}

/// The code of an answer: in its head where there is no message, and otherwise success so far. A
/// stream of answers may still fail later.
fn code_of(headers: &HeaderMap) -> Code {
    let code = headers.get("grpc-status");
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

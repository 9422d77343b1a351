//! The layer around every server: a span for each call, its trace context and deadline, the memory
//! of its messages, reasons for requests that cannot be read, and no way for a panic to take other
//! calls with it.

mod arrival;
mod body;
mod unread;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, StdError};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use self::arrival::Reader;
pub use self::arrival::{Arrival, Arrivals};
use self::body::GuardedBody;
use crate::call::call_name;
use crate::memory::Memory;
use crate::metrics::{CallMeter, MeasuredCall};
use crate::{Deadline, ErrorReason, Failure, TraceParent, wire};

/// The time by which the deadline is answered earlier than by the transport, so that the caller
/// reads DEADLINE_EXCEEDED with its details and not the bare CANCELLED of the transport.
const MARGIN: Duration = Duration::from_millis(10);

/// The calls that every server answers beside those of the contracts.
const OPEN_PATHS: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The attribute of the span of a call that goes on for as long as its caller likes, so that its
/// length says nothing.
pub const STREAM: &str = "rpc.stream";

/// Returns whether the calls of a path are handed on to another process.
pub type HandsOn = fn(&str) -> bool;

/// Wraps every call of a server; give it to `tonic::transport::Server::layer`.
///
/// Handlers find [`Deadline`] and [`TraceParent`] with `current()`, and in the extensions of the
/// request; what is known of each message, [`Arrivals`], too.
#[derive(Debug, Clone, Default)]
pub struct ServerLayer {
    meter: Option<Arc<CallMeter>>,
    memory: Memory,
    hands_on: Option<HandsOn>,
}

impl ServerLayer {
    /// Wraps calls and measures them, with the meters that the process has by now.
    pub fn measured() -> Self {
        Self {
            meter: Some(Arc::new(CallMeter::new())),
            ..Self::default()
        }
    }

    /// Takes the memory of all requests from this budget.
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// Leaves the messages of calls that are handed on as they are: whole, charged with their size,
    /// and for the other process to read.
    #[must_use]
    pub fn handing_on(self, hands_on: HandsOn) -> Self {
        Self {
            hands_on: Some(hands_on),
            ..self
        }
    }
}

/// The service that [`ServerLayer`] wraps around a server.
#[derive(Debug, Clone)]
pub struct ServerService<S> {
    inner: S,
    meter: Option<Arc<CallMeter>>,
    memory: Memory,
    hands_on: Option<HandsOn>,
}

/// A call under way: what is told of it once its last byte is sent.
#[derive(Debug)]
struct Call {
    span: Span,
    measured: Option<MeasuredCall>,
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerService {
            inner,
            meter: self.meter.clone(),
            memory: self.memory.clone(),
            hands_on: self.hands_on,
        }
    }
}

impl<S, B> Service<Request<B>> for ServerService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = wire::method(request.uri().path());
        let is_stream = method.is_some_and(|method| method.is_stream);
        let arrivals = Arrivals::default();
        let mut request = self.arriving(request, method, arrivals.clone());
        let (name, path) = told(request.uri().path());
        let span = span_of(&name, path);
        if method.is_none_or(|method| method.is_stream || method.answers_stream) {
            span.record(STREAM, true);
        }
        let measured = self
            .meter
            .as_ref()
            .map(|meter| MeasuredCall::begin(meter, name));
        let caller = TraceParent::of_headers(request.headers());
        if let Some(caller) = caller {
            caller.adopt(&span);
        }
        let parent = TraceParent::of_span(&span).or(caller);
        let deadline = Deadline::of_headers(request.headers());
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        if let Some(parent) = parent {
            request.extensions_mut().insert(parent);
        }
        let work = span.in_scope(|| self.inner.call(request));
        let work = AssertUnwindSafe(work).catch_unwind();
        let work =
            Deadline::scope(deadline, TraceParent::scope(parent, work)).instrument(span.clone());
        let mut call = Call { span, measured };
        Box::pin(async move {
            let done = match deadline {
                Some(deadline) => {
                    let remaining = deadline.remaining();
                    tokio::time::timeout(remaining - MARGIN.min(remaining / 10), work).await
                }
                None => Ok(work.await),
            };
            let mut response: Response<Body> = match done {
                Ok(Ok(result)) => result?,
                Ok(Err(_panic)) => panicked(&call.span).into_http(),
                Err(_elapsed) => {
                    let message = "the deadline of the call passed";
                    Status::from(Failure::new(ErrorReason::DeadlineExceeded, message)).into_http()
                }
            };
            if !is_stream {
                // The handler is done with the message, or has taken its memory over.
                drop(arrivals.take());
            }
            if let Some(status) = unread::status_of(response.headers_mut()) {
                call.ended(&status);
            }
            Ok(response.map(|body| Body::new(GuardedBody::new(body, call))))
        })
    }
}

impl<S> ServerService<S> {
    /// A request whose messages are charged and checked as they arrive.
    fn arriving<B>(
        &self,
        request: Request<B>,
        method: Option<&'static wire::Method>,
        arrivals: Arrivals,
    ) -> Request<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(arrivals.clone());
        let reader = match self.hands_on {
            Some(hands_on) if hands_on(parts.uri.path()) => Reader::Elsewhere,
            _ => method.map_or(Reader::Nobody, Reader::Here),
        };
        let body = arrival::body_of(Body::new(body), reader, &self.memory, arrivals);
        Request::from_parts(parts, body)
    }
}

/// Returns the name and the path of a call for traces and metrics. Callers can make up any path
/// that is not known, and write into it what is nobody's business.
fn told(path: &str) -> (String, &str) {
    if wire::method(path).is_some() || OPEN_PATHS.contains(&path) {
        (call_name(path), path)
    } else {
        ("unknown".to_owned(), "unknown")
    }
}

fn span_of(name: &str, path: &str) -> Span {
    tracing::info_span!(
        "rpc",
        otel.name = name,
        otel.kind = "server",
        rpc.method = path,
        rpc.code = field::Empty,
        otel.status_code = field::Empty,
        rpc.stream = field::Empty,
    )
}

/// Returns whether a call that ends so is a fault of ours, and not of its caller: the objective on
/// calls counts the same codes.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The panic hook has said where and why; the caller learns only that it was our fault.
fn panicked(span: &Span) -> Status {
    span.in_scope(|| tracing::error!("handler panicked"));
    Failure::new(ErrorReason::Internal, "an internal error occurred").into()
}

impl Call {
    /// Tells how the call ended.
    fn ended(&mut self, status: &Status) {
        self.span.record("rpc.code", field::debug(status.code()));
        if is_fault(status.code()) {
            self.span.record("otel.status_code", "ERROR");
        }
        if let Some(measured) = self.measured.take() {
            measured.end(status);
        }
    }
}

impl Drop for Call {
    /// A caller who went away before the end is told of, too.
    fn drop(&mut self) {
        if let Some(measured) = self.measured.take() {
            measured.end(&Status::cancelled("the caller went away"));
        }
    }
}

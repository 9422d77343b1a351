//! The layer around servers: deadlines, panics, trace context.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use rpc::{Deadline, ServerLayer, TraceParent};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer as _, Service as _, service_fn};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn call<F>(
    headers: &[(&str, &str)],
    handler: impl FnMut(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let mut request = Request::builder().uri("/happypath.identity.v1.IdentityService/GetCustomer");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let mut server = ServerLayer::default().layer(service_fn(handler));
    match server.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn code(response: &Response<Body>) -> Option<Code> {
    Status::from_header_map(response.headers()).map(|status| status.code())
}

#[tokio::test]
async fn a_late_answer_is_deadline_exceeded() {
    let response = call(&[("grpc-timeout", "20m")], |_| std::future::pending()).await;
    assert_eq!(code(&response), Some(Code::DeadlineExceeded));
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let response = call(&[], |_| async { panic!("a fault of the handler") }).await;
    assert_eq!(code(&response), Some(Code::Internal));
}

#[tokio::test]
async fn a_handler_finds_deadline_and_trace_context() {
    let headers = [("grpc-timeout", "60S"), ("traceparent", PARENT)];
    let response = call(&headers, |request| {
        let in_extensions = request.extensions().get::<TraceParent>().copied();
        async move {
            let deadline = Deadline::current().expect("a deadline");
            assert!(deadline.remaining() > Duration::from_secs(50));
            let trace = TraceParent::current();
            assert_eq!(
                trace.map(|trace| trace.to_string()).as_deref(),
                Some(PARENT)
            );
            assert_eq!(trace, in_extensions);
            Ok(Response::new(Body::empty()))
        }
    })
    .await;
    assert_eq!(code(&response), None);
}

//! The metrics of the process for Prometheus, as plain HTTP on a port of their own: `/metrics`, and
//! `/healthz`.
//!
//! `/healthz` says that the process lives. Whether it is ready is told by the health service of the
//! gRPC server, which follows the stores.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::limits::{METRICS_CONNECTIONS, METRICS_HEAD_TIME};
use crate::start_error::StartError;

/// A listener for metrics; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Endpoint {
    accepting: JoinHandle<()>,
}

impl Endpoint {
    /// Listens at once, and answers from now on. Inside a runtime.
    pub(super) fn open(address: SocketAddr, registry: Registry) -> Result<Self, StartError> {
        let failed = |source| StartError::MetricsListen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Self {
            accepting: tokio::spawn(accept(listener, registry)),
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, registry: Registry) {
    let permits = Arc::new(Semaphore::new(METRICS_CONNECTIONS));
    loop {
        // Closed never: the semaphore lives as long as this loop.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a reader of metrics was not accepted");
                continue;
            }
        };
        let registry = registry.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = respond(&request, &registry);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(METRICS_HEAD_TIME)
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a reader of metrics went away");
            }
            drop(permit);
        });
    }
}

fn respond<B>(request: &Request<B>, registry: &Registry) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered here\n",
        );
    }
    match request.uri().path() {
        "/metrics" => match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(metrics) => {
                let mut response = text(StatusCode::OK, metrics);
                response.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static(prometheus::TEXT_FORMAT),
                );
                response
            }
            Err(error) => {
                tracing::warn!(%error, "the metrics cannot be written");
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the metrics cannot be written\n",
                )
            }
        },
        "/healthz" => text(StatusCode::OK, "ok\n"),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics and /healthz here\n",
        ),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(method: Method, path: &str) -> Response<Full<Bytes>> {
        let registry = Registry::new();
        let counter = prometheus::IntCounter::new("happypath_tests_total", "Tests that ran")
            .expect("a counter");
        counter.inc();
        registry.register(Box::new(counter)).expect("a new name");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .expect("a request");
        respond(&request, &registry)
    }

    #[test]
    fn each_path_has_its_answer() {
        for (method, path, status) in [
            (Method::GET, "/metrics", StatusCode::OK),
            (Method::GET, "/metrics?name=x", StatusCode::OK),
            (Method::HEAD, "/metrics", StatusCode::OK),
            (Method::GET, "/healthz", StatusCode::OK),
            (Method::GET, "/", StatusCode::NOT_FOUND),
            (Method::POST, "/metrics", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            assert_eq!(answer(method, path).status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn metrics_are_served_in_the_format_of_prometheus() {
        let response = answer(Method::GET, "/metrics");
        assert_eq!(
            response.headers().get(CONTENT_TYPE),
            Some(&HeaderValue::from_static(prometheus::TEXT_FORMAT))
        );
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .expect("a body")
            .to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(
            text.contains("# HELP happypath_tests_total Tests that ran"),
            "{text}"
        );
        assert!(text.contains("happypath_tests_total 1"), "{text}");
    }
}

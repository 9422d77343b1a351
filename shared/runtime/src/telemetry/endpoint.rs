//! The metrics of the process for Prometheus, as HTTP on a port of their own: `/metrics`, and
//! `/healthz`; over TLS where the process has a certificate.
//!
//! On other machines `/metrics` is for callers with the scope `metrics:read`, and on this one for
//! everybody, as long as the listener is of this machine only.
//!
//! `/healthz` says that the process lives. Whether it is ready is told by the health service of the
//! gRPC server, which follows the stores.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use access::tls::ServerTls;
use access::{Admission, Guard, PeerCertificate};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::credentials::METRICS;
use crate::limits::{METRICS_CONNECTIONS, METRICS_HEAD_TIME};
use crate::start_error::StartError;

/// A listener for metrics; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Endpoint {
    accepting: JoinHandle<()>,
    guard: Arc<OnceLock<Guard>>,
}

/// The answers of a listener, and who gets them.
#[derive(Debug)]
struct Answers {
    registry: Registry,
    tls: Option<ServerTls>,
    /// True where everybody who reaches the listener is of this machine.
    is_near: bool,
    guard: Arc<OnceLock<Guard>>,
}

impl Endpoint {
    /// Listens at once, and answers from now on. Inside a runtime.
    pub(super) fn open(
        address: SocketAddr,
        registry: Registry,
        tls: Option<ServerTls>,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::MetricsListen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let guard = Arc::new(OnceLock::new());
        let answers = Answers {
            registry,
            tls,
            is_near: address.ip().is_loopback(),
            guard: Arc::clone(&guard),
        };
        Ok(Self {
            accepting: tokio::spawn(accept(listener, Arc::new(answers))),
            guard,
        })
    }

    /// Asks this guard about readers on other machines. Once only.
    pub(super) fn protect(&self, guard: Guard) {
        // A second guard would be a fault of ours, and the first one stays.
        let _ = self.guard.set(guard);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) {
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
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            answers.serve(stream).await;
            drop(permit);
        });
    }
}

impl Answers {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let Some(tls) = &self.tls else {
            return Arc::clone(&self).answer(TokioIo::new(stream), None).await;
        };
        // Readers come a few times a minute, so that each may find a new certificate.
        tls.refresh();
        match tls.accept(stream).await {
            Ok(agreed) => {
                let io = TokioIo::new(agreed.stream);
                Arc::clone(&self).answer(io, agreed.peer).await;
            }
            Err(error) => tracing::debug!(%error, "no agreement on TLS with a reader of metrics"),
        }
    }

    async fn answer<I>(self: Arc<Self>, io: I, peer: Option<Arc<PeerCertificate>>)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (answers, peer) = (Arc::clone(&self), peer.clone());
            async move {
                let refusal = answers.refusal(&request, peer.as_ref()).await;
                let response = refusal.unwrap_or_else(|| respond(&request, &answers.registry));
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(METRICS_HEAD_TIME)
            .serve_connection(io, answer);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a reader of metrics went away");
        }
    }

    /// Returns the answer to a reader who may not read; none to one who may.
    async fn refusal<B>(
        &self,
        request: &Request<B>,
        peer: Option<&Arc<PeerCertificate>>,
    ) -> Option<Response<Full<Bytes>>> {
        if self.is_near || request.uri().path() != METRICS {
            return None;
        }
        let Some(guard) = self.guard.get() else {
            return Some(text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the process starts\n",
            ));
        };
        let admission = match guard.admit(METRICS, request.headers(), peer) {
            Admission::Done(done) => done,
            Admission::Later(later) => later.await,
        };
        let refused = admission.err()?;
        let status = match refused.caller {
            Some(_) => StatusCode::FORBIDDEN,
            None => StatusCode::UNAUTHORIZED,
        };
        tracing::debug!(cause = %refused.refusal, "a reader of metrics was refused");
        Some(text(status, format!("{}\n", refused.refusal)))
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
        METRICS => match TextEncoder::new().encode_to_string(&registry.gather()) {
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

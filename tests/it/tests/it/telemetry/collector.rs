//! A collector of telemetry over OTLP/gRPC: it keeps what it receives, and waits for what is
//! expected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The kind of a span that asks somebody else.
pub(super) const CLIENT: i32 = SpanKind::Client as i32;

/// A span as it was received.
#[derive(Debug, Clone)]
pub(crate) struct SeenSpan {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) kind: i32,
    pub(super) trace: Vec<u8>,
    pub(super) id: Vec<u8>,
    /// Empty for the first of a trace.
    pub(super) parent: Vec<u8>,
    /// In nanoseconds.
    pub(super) start: u64,
    pub(super) end: u64,
    /// True where it ended with an error.
    pub(super) has_failed: bool,
    /// The names of its attributes, sorted.
    pub(super) attributes: Vec<String>,
    /// The ids of the spans that it links to.
    pub(super) links: Vec<Vec<u8>>,
}

/// A log record as it was received.
#[derive(Debug, Clone)]
pub(super) struct SeenLog {
    pub(super) service: String,
    pub(super) trace: Vec<u8>,
    body: String,
}

#[derive(Debug, Default)]
struct Seen {
    spans: Vec<SeenSpan>,
    logs: Vec<SeenLog>,
    metrics: Vec<String>,
}

/// A collector that listens.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    news: Arc<watch::Sender<()>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let collector = Self {
            port: listener.local_addr().expect("a bound port").port(),
            seen: Arc::default(),
            news: Arc::new(watch::Sender::new(())),
        };
        let server = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        collector
    }

    /// Its port, where it speaks plain text.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The spans of the trace that begins with a span of this name, once there are so many.
    pub(crate) async fn trace_with(
        &self,
        name: &str,
        count: usize,
        patience: Duration,
    ) -> Vec<SeenSpan> {
        let trace = |seen: &Seen| {
            let first = seen.spans.iter().find(|span| span.name == name)?;
            let spans = seen.spans.iter().filter(|span| span.trace == first.trace);
            Some(spans.cloned().collect::<Vec<_>>())
        };
        let found = self
            .wait(patience, |seen| {
                trace(seen).filter(|spans| spans.len() >= count)
            })
            .await;
        found.unwrap_or_else(|| {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let spans = trace(&seen).unwrap_or_default();
            panic!("the trace has only {:?}", super::tree(&spans))
        })
    }

    /// A span by its id.
    pub(super) async fn span(&self, id: &[u8], patience: Duration) -> SeenSpan {
        self.span_that(patience, |span| span.id == id).await
    }

    /// The first span that is like this.
    pub(super) async fn span_that(
        &self,
        patience: Duration,
        is_it: impl Fn(&SeenSpan) -> bool,
    ) -> SeenSpan {
        self.wait(patience, |seen| {
            seen.spans.iter().find(|span| is_it(span)).cloned()
        })
        .await
        .expect("the span comes")
    }

    /// Every span that was received.
    pub(super) fn spans(&self) -> Vec<SeenSpan> {
        self.take(|seen| seen.spans.clone())
    }

    /// The first log record with this message.
    pub(super) async fn log(&self, body: &str, patience: Duration) -> SeenLog {
        self.wait(patience, |seen| {
            seen.logs.iter().find(|log| log.body == body).cloned()
        })
        .await
        .expect("the log record comes")
    }

    /// Returns whether a metric was received.
    pub(super) fn has_metric(&self, name: &str) -> bool {
        self.take(|seen| seen.metrics.iter().any(|own| own == name))
    }

    async fn wait<T>(&self, patience: Duration, find: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        let mut news = self.news.subscribe();
        let found = async {
            loop {
                if let Some(found) = self.take(|seen| find(seen)) {
                    return found;
                }
                news.changed().await.expect("the sender lives in `self`");
            }
        };
        tokio::time::timeout(patience, found).await.ok()
    }

    fn take<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, add: impl FnOnce(&mut Seen)) {
        self.take(add);
        self.news.send_replace(());
    }
}

fn service_of(resource: Option<&Resource>) -> String {
    let attributes = resource.map(|resource| resource.attributes.as_slice());
    let name = attributes
        .unwrap_or_default()
        .iter()
        .find(|attribute| attribute.key == "service.name");
    match name.and_then(|name| name.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => name.clone(),
        _ => String::new(),
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep(|seen| {
            for resource in request.into_inner().resource_spans {
                let service = service_of(resource.resource.as_ref());
                for span in resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans)
                {
                    let mut attributes: Vec<String> =
                        span.attributes.into_iter().map(|own| own.key).collect();
                    attributes.sort_unstable();
                    seen.spans.push(SeenSpan {
                        service: service.clone(),
                        name: span.name,
                        kind: span.kind,
                        trace: span.trace_id,
                        id: span.span_id,
                        parent: span.parent_span_id,
                        start: span.start_time_unix_nano,
                        end: span.end_time_unix_nano,
                        has_failed: span.status.is_some_and(|it| it.code() == StatusCode::Error),
                        attributes,
                        links: span.links.into_iter().map(|link| link.span_id).collect(),
                    });
                }
            }
        });
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.keep(|seen| {
            for resource in request.into_inner().resource_logs {
                let service = service_of(resource.resource.as_ref());
                let records = resource.scope_logs.into_iter();
                for log in records.flat_map(|scope| scope.log_records) {
                    let body = match log.body.and_then(|body| body.value) {
                        Some(Value::StringValue(text)) => text,
                        _ => String::new(),
                    };
                    seen.logs.push(SeenLog {
                        service: service.clone(),
                        trace: log.trace_id,
                        body,
                    });
                }
            }
        });
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep(|seen| {
            let resources = request.into_inner().resource_metrics.into_iter();
            let scopes = resources.flat_map(|resource| resource.scope_metrics);
            let metrics = scopes.flat_map(|scope| scope.metrics);
            seen.metrics.extend(metrics.map(|metric| metric.name));
        });
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

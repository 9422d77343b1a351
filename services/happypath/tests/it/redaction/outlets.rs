//! The ways out of a process: a collector of telemetry, a reader of metrics, a receiver of webhooks
//! whose answers quote what they got.

use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A port that nobody has at the moment.
pub(super) fn free_port() -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Keeps all telemetry as text.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    port: u16,
    seen: Arc<Mutex<String>>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let collector = Self {
            port: listener.local_addr().expect("bound").port(),
            seen: Arc::default(),
        };
        let server = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        collector
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that came, once the process has ended.
    pub(super) fn seen(&self) -> String {
        let seen = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for name in ["identity.ingest", "happypath.rpc.duration"] {
            assert!(seen.contains(name), "no telemetry of {name}");
        }
        seen
    }

    fn keep(&self, request: &impl std::fmt::Debug) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push_str(&format!("{request:?}\n"));
    }
}

macro_rules! keeps {
    ($service:ident, $request:ident, $response:ident) => {
        #[tonic::async_trait]
        impl $service for Collector {
            async fn export(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                self.keep(request.get_ref());
                Ok(Response::new($response::default()))
            }
        }
    };
}

keeps!(
    TraceService,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse
);
keeps!(
    MetricsService,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse
);
keeps!(
    LogsService,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse
);

/// Reads the metrics as Prometheus does.
pub(super) async fn metrics_of(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("metrics");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("read");
    assert!(text.contains("happypath_rpc_duration_seconds"), "{text}");
    text
}

/// A receiver that refuses every webhook, and quotes its body in the reason.
#[derive(Debug)]
pub(super) struct Hook {
    port: u16,
    calls: Arc<AtomicUsize>,
}

impl Hook {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    let read = stream.read(&mut bytes).await.unwrap_or(0);
                    let said = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    let body = said.split("\r\n\r\n").nth(1).unwrap_or_default();
                    let answer = format!(
                        "HTTP/1.1 500 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _sent = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port, calls }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

//! The standard health service: for the whole server, each gRPC service, `liveness` and
//! `readiness`.
//!
//! Ready means started and not draining: the stores were reached once, and every engine took part
//! once. A store that goes away later changes nothing, since it is away for all replicas alike:
//! calls are answered UNAVAILABLE with a retry delay, and the callers find the process where it
//! was. A process whose certificate has ended is not ready until it has another, since no client
//! accepts its answer, whatever that is. Liveness follows nothing, so that an orchestrator never
//! restarts a process because a store is away, or a clock or a certificate is wrong.

use std::sync::Arc;

use access::tls::ServerTls;
use engine::Standing;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::limits::{CERTIFICATE_INTERVAL, HEALTH_MESSAGE_BYTES, START_INTERVAL};

/// The names that health is told under. Copies tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// A process that is alive and not ready.
    pub(crate) async fn starting() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            names: vec!["", "readiness"],
        };
        health
            .reporter
            .set_service_status("liveness", ServingStatus::Serving)
            .await;
        health.not_serving().await;
        health
    }

    /// Tells health for these gRPC services, too.
    pub(crate) async fn with_services(mut self, grpc_names: &[&'static str]) -> Self {
        self.names.extend(grpc_names);
        self.not_serving().await;
        self
    }

    /// The service that answers.
    pub(crate) fn server(&self) -> HealthServer<HealthService> {
        let service = HealthService::from_health_reporter(self.reporter.clone());
        HealthServer::new(service).max_decoding_message_size(HEALTH_MESSAGE_BYTES)
    }

    /// Calls are welcome, unless no client accepts the certificate.
    pub(crate) async fn serving(&self, certificate: Option<&ServerTls>) {
        self.set(if certificate.is_some_and(ServerTls::has_ended) {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        })
        .await;
    }

    /// Calls should go elsewhere.
    async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Tells that the process serves once it has `started` and while its certificate lasts, and
    /// that it does not once it drains; then it returns.
    pub(crate) async fn follow(
        self,
        started: impl Future<Output = ()>,
        certificate: Option<Arc<ServerTls>>,
        drained: CancellationToken,
    ) {
        let served = async {
            started.await;
            loop {
                self.serving(certificate.as_deref()).await;
                tokio::time::sleep(CERTIFICATE_INTERVAL).await;
            }
        };
        tokio::select! {
            () = drained.cancelled() => {}
            () = served => {}
        }
        self.not_serving().await;
    }

    async fn set(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Completes once every engine takes part. Their own logs say why one does not.
pub(crate) async fn start_of(engines: Vec<Arc<dyn engine::Status>>) {
    while !has_started(&engines) {
        tokio::time::sleep(START_INTERVAL).await;
    }
}

/// Returns whether every engine takes part in the work of its service.
pub(crate) fn has_started(engines: &[Arc<dyn engine::Status>]) -> bool {
    let mut all = engines.iter();
    all.all(|engine| engine.standing() == Standing::TakesPart)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tonic::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus as Told;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    async fn told(health: &Health, service: &str) -> Told {
        let server = HealthService::from_health_reporter(health.reporter.clone());
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = server.check(Request::new(request)).await;
        answer.expect(service).into_inner().status()
    }

    async fn check(health: &Health, expected: Told) {
        for service in ["", "readiness", "x.v1.Y"] {
            assert_eq!(told(health, service).await, expected, "{service}");
        }
        assert_eq!(told(health, "liveness").await, Told::Serving);
    }

    #[tokio::test]
    async fn a_process_is_ready_from_its_start_to_its_drain_and_alive_all_the_time() {
        let health = Health::starting().await.with_services(&["x.v1.Y"]).await;
        let (start, started) = oneshot::channel::<()>();
        let drained = CancellationToken::new();
        let follower = {
            let started = async { started.await.expect("it starts") };
            tokio::spawn(health.clone().follow(started, None, drained.clone()))
        };
        check(&health, Told::NotServing).await;
        start.send(()).expect("somebody waits");
        while told(&health, "readiness").await != Told::Serving {
            tokio::task::yield_now().await;
        }
        check(&health, Told::Serving).await;
        drained.cancel();
        follower.await.expect("no panic");
        check(&health, Told::NotServing).await;
    }

    #[tokio::test]
    async fn a_process_that_drains_before_it_has_started_is_never_ready() {
        let health = Health::starting().await.with_services(&["x.v1.Y"]).await;
        let drained = CancellationToken::new();
        drained.cancel();
        health
            .clone()
            .follow(std::future::pending(), None, drained)
            .await;
        check(&health, Told::NotServing).await;
    }
}

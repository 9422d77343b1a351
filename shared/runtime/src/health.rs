//! The standard health service: for the whole server, each gRPC service, `liveness` and
//! `readiness`.
//!
//! Readiness, and with it everything but liveness, follows the stores, and whether the services may
//! take part; liveness does not, so that an orchestrator never restarts a process because a store
//! is away or a clock is wrong.

use std::sync::Arc;

use engine::Standing;
use hot::{Owner, Slot};
use kernel::PartitionId;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::context::Context;
use crate::limits::READINESS_INTERVAL;

/// The names that health is told under.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// Tells health for these gRPC services; not serving before [`serving`](Self::serving).
    pub(crate) async fn new(reporter: HealthReporter, grpc_names: &[&'static str]) -> Self {
        let mut names = vec!["", "readiness"];
        names.extend(grpc_names);
        let health = Self { reporter, names };
        health
            .reporter
            .set_service_status("liveness", ServingStatus::Serving)
            .await;
        health.not_serving().await;
        health
    }

    /// Calls are welcome.
    pub(crate) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Calls should go elsewhere.
    pub(crate) async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Looks at the stores and the engines until the process is told to end.
    pub(crate) async fn follow(self, context: Context, engines: Vec<Arc<dyn engine::Status>>) {
        let mut was_ready = true;
        loop {
            tokio::select! {
                () = context.shutdown.cancelled() => return,
                () = tokio::time::sleep(READINESS_INTERVAL) => {}
            }
            let is_ready = engines.iter().all(|engine| is_welcome(engine.standing()))
                && stores_answer(&context).await;
            if is_ready == was_ready {
                continue;
            }
            was_ready = is_ready;
            if is_ready {
                tracing::info!("ready again, serving");
                self.serving().await;
            } else {
                self.not_serving().await;
            }
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Returns whether an engine works on its share, or will in a moment. Its own log says why it does
/// not.
const fn is_welcome(standing: Standing) -> bool {
    match standing {
        Standing::Unknown | Standing::TakesPart => true,
        Standing::ClockIsOff { .. } | Standing::AwaitsNamesake => false,
    }
}

async fn stores_answer(context: &Context) -> bool {
    let slot = Slot {
        owner: Owner::Identity,
        partition: PartitionId::new(0),
    };
    let hot = tokio::time::timeout(READINESS_INTERVAL, context.hot.head(slot)).await;
    match hot {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "hot store does not answer, not serving");
            false
        }
        Err(_) => {
            tracing::warn!("hot store does not answer in time, not serving");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_take_part_is_not_ready() {
        for (standing, expected) in [
            (Standing::Unknown, true),
            (Standing::TakesPart, true),
            (
                Standing::ClockIsOff {
                    skew_ms: -3_600_000,
                },
                false,
            ),
            (Standing::AwaitsNamesake, false),
        ] {
            assert_eq!(is_welcome(standing), expected, "{standing:?}");
        }
    }
}

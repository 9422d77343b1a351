//! Logs to stderr; traces, metrics and logs over OTLP, and metrics for Prometheus, where that is
//! configured.
//!
//! Where it is not, nothing of it exists: no exporter, no thread, no listener. It declares no span
//! and no metric: those are where the things happen that they tell of.

mod endpoint;
mod exporters;
mod lines;
mod panics;
mod sampling;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::endpoint::Endpoint;
use self::exporters::{Collector, Exporters};
use crate::config::Config;
use crate::credentials::Credentials;
use crate::start_error::StartError;

/// Targets that tell at each start, as news, that tables are there; and libraries that quote, below
/// the level of news, what passes through them: statements with their values, headers. What the
/// configuration says of one of them by name wins.
const QUIETER: &str = "sqlx::postgres::notice=warn,sqlx=info,sea_orm=info,h2=info,hyper=info,hyper_util=info,\
                       rustls=info,tonic=info,tower=info";
/// An exporter of logs must not log what it does into the same way out.
const SENDERS_OFF: &str = "opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off,tonic=off,h2=off,hyper=off,\
                           hyper_util=off,tower=off";
/// The crates whose spans are traces; those of libraries are theirs.
const TRACED: [&str; 12] = [
    "activation",
    "definitions",
    "engine",
    "happypath",
    "hot",
    "identity",
    "journal",
    "journey",
    "rpc",
    "runtime",
    "segmentation",
    "storage",
];

/// The telemetry of a process; ended by [`Telemetry::shutdown`], which sends what is left.
#[derive(Debug)]
pub struct Telemetry {
    exporters: Exporters,
    endpoint: Option<Endpoint>,
}

impl Telemetry {
    /// Begins to log, and to trace and measure where somebody is configured to read it. Once in a
    /// process, inside a runtime, before anything that is to be measured.
    ///
    /// # Errors
    /// [`StartError::Telemetry`] where an exporter cannot be made, or telemetry was begun before;
    /// [`StartError::MetricsListen`] where the address of the metrics is taken.
    pub fn start(program: &str, config: &Config) -> Result<Self, StartError> {
        let exporters = Exporters::open(program, config)?;
        let endpoint = match (config.metrics_listen, &exporters.registry) {
            (Some(address), Some(registry)) => {
                let tls = config.access.open_server()?;
                Some(Endpoint::open(address, registry.clone(), tls)?)
            }
            _ => None,
        };
        subscribe(config, exporters.collector.as_ref())?;
        panics::tell_in_log();
        exporters.install();
        Ok(Self {
            exporters,
            endpoint,
        })
    }

    /// Asks readers of metrics on other machines for a credential, as callers are. Until this is
    /// called they get none.
    pub fn protect(&self, credentials: &Credentials) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.protect(credentials.guard.clone());
        }
    }

    /// Ends the metrics endpoint and sends what is left.
    pub async fn shutdown(self) {
        drop(self.endpoint);
        self.exporters.shutdown().await;
    }
}

/// Connects `tracing` to stderr, and to the collector where there is one.
fn subscribe(config: &Config, collector: Option<&Collector>) -> Result<(), StartError> {
    let lines = lines::layer(config.log_format);
    let levels = filter(&format!("{QUIETER},{}", config.log_level))?;
    let begun = match collector {
        // One filter for everything: what nobody reads costs one comparison.
        None => tracing_subscriber::registry()
            .with(lines)
            .with(levels)
            .try_init(),
        // Spans are traced whatever the level of the log lines is.
        Some(collector) => {
            let traces = tracing_opentelemetry::layer()
                .with_tracer(collector.traces.tracer("happypath"))
                .with_filter(
                    filter_fn(|about| {
                        let root = about.target().split("::").next().unwrap_or_default();
                        about.is_span() && TRACED.contains(&root)
                    })
                    .with_max_level_hint(LevelFilter::INFO),
                );
            let logs = OpenTelemetryTracingBridge::new(&collector.logs).with_filter(filter(
                &format!("{QUIETER},{},{SENDERS_OFF}", config.log_level),
            )?);
            tracing_subscriber::registry()
                .with(lines.with_filter(levels))
                .with(traces)
                .with(logs)
                .try_init()
        }
    };
    begun.map_err(|error| StartError::Telemetry(error.into()))
}

fn filter(directives: &str) -> Result<EnvFilter, StartError> {
    EnvFilter::try_new(directives).map_err(|error| StartError::Telemetry(error.into()))
}

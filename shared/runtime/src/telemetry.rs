//! Logs to stderr, and traces over OTLP where a collector is configured.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogFormat};
use crate::start_error::StartError;

/// Targets that tell at each start, as news, that tables are there; what the configuration says of them wins.
const QUIETER: &str = "sqlx::postgres::notice=warn,sea_orm_migration=warn";

/// The telemetry of a process; ended by [`Telemetry::shutdown`], which sends what is left.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Begins to log, and to trace where a collector is configured. Once in a process, inside a runtime.
    ///
    /// # Errors
    /// [`StartError::Telemetry`] where the exporter cannot be made, or telemetry was begun before.
    pub fn start(program: &str, config: &Config) -> Result<Self, StartError> {
        let traces = match &config.otlp_endpoint {
            Some(endpoint) => Some(tracer_provider(program, endpoint)?),
            None => None,
        };
        let filter = EnvFilter::try_new(format!("{QUIETER},{}", config.log_level))
            .map_err(|error| StartError::Telemetry(error.into()))?;
        let tracing = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer().with_tracer(provider.tracer("happypath"))
        });
        tracing_subscriber::registry()
            .with(log_layer(config.log_format))
            .with(tracing)
            .with(filter)
            .try_init()
            .map_err(|error| StartError::Telemetry(error.into()))?;
        Ok(Self { traces })
    }

    /// Sends the traces that are left.
    pub async fn shutdown(self) {
        let Some(provider) = self.traces else {
            return;
        };
        // The exporter blocks its thread until the runtime has sent everything: on a runtime thread that can be for ever.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "last traces not sent");
        }
    }
}

fn tracer_provider(program: &str, endpoint: &str) -> Result<SdkTracerProvider, StartError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| StartError::Telemetry(error.into()))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(
            Resource::builder()
                .with_service_name(program.to_owned())
                .build(),
        )
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_tracer_provider(provider.clone());
    Ok(provider)
}

fn log_layer(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => layer
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

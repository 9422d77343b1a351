//! The exporters of traces, metrics and logs to a collector, and the registry of metrics for
//! Prometheus.

use opentelemetry::KeyValue;
use opentelemetry_otlp::WithTonicConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tonic::transport::{Channel, Endpoint};

use super::sampling::{Beginnings, Ends};
use crate::config::{CollectorSettings, Config, open_client};
use crate::limits::{COLLECTOR_CONNECT_TIME, METRICS_INTERVAL};
use crate::metrics;
use crate::start_error::StartError;

/// Everything that leaves the process, as far as it is configured.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) collector: Option<Collector>,
    metrics: Option<SdkMeterProvider>,
    /// The registry that Prometheus reads; absent where it does not.
    pub(super) registry: Option<prometheus::Registry>,
}

/// The exporters to an OTLP collector, but for metrics, which may go to Prometheus too.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) traces: SdkTracerProvider,
    pub(super) logs: SdkLoggerProvider,
}

impl Exporters {
    /// Makes what the configuration asks for. Inside a runtime.
    pub(super) fn open(program: &str, config: &Config) -> Result<Self, StartError> {
        let resource = Resource::builder()
            .with_service_name(program.to_owned())
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", config.worker.clone()),
            ])
            // Tells services of one name apart, by the semantic conventions of OpenTelemetry.
            .with_attributes(
                config
                    .installation
                    .as_ref()
                    .map(|name| KeyValue::new("service.namespace", name.to_string())),
            )
            .build();
        let channel = config.collector.as_ref().map(channel).transpose()?;
        let collector = channel
            .clone()
            .map(|channel| Collector::open(channel, config, &resource))
            .transpose()?;
        let registry = config
            .metrics_listen
            .is_some()
            .then(prometheus::Registry::new);
        let metrics = if collector.is_some() || registry.is_some() {
            Some(meter_provider(channel, registry.as_ref(), resource)?)
        } else {
            None
        };
        Ok(Self {
            collector,
            metrics,
            registry,
        })
    }

    /// Makes them the ones of the process.
    pub(super) fn install(&self) {
        if let Some(collector) = &self.collector {
            opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
            opentelemetry::global::set_tracer_provider(collector.traces.clone());
        }
        if let Some(meters) = &self.metrics {
            opentelemetry::global::set_meter_provider(meters.clone());
            metrics::begin();
        }
    }

    /// Sends what is left.
    pub(super) async fn shutdown(self) {
        let Self {
            collector, metrics, ..
        } = self;
        // An exporter blocks its thread until the runtime has sent everything: on a runtime thread
        // that can be for ever.
        let ended = tokio::task::spawn_blocking(move || {
            let mut ended: Vec<(&'static str, OTelSdkResult)> = Vec::new();
            if let Some(collector) = collector {
                ended.push(("traces", collector.traces.shutdown()));
                ended.push(("logs", collector.logs.shutdown()));
            }
            ended.extend(metrics.map(|metrics| ("metrics", metrics.shutdown())));
            ended
        })
        .await;
        for (what, result) in ended.unwrap_or_default() {
            if let Err(error) = result {
                tracing::warn!(what, %error, "the last telemetry was not sent");
            }
        }
    }
}

impl Collector {
    fn open(channel: Channel, config: &Config, resource: &Resource) -> Result<Self, StartError> {
        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(channel.clone())
            .build()
            .map_err(|error| StartError::Telemetry(error.into()))?;
        let logs = opentelemetry_otlp::LogExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .build()
            .map_err(|error| StartError::Telemetry(error.into()))?;
        let slow = config
            .trace_slow
            .map(|slow| slow.as_millis().unsigned_abs());
        let slow = slow.map(std::time::Duration::from_millis);
        let batches = BatchSpanProcessor::builder(spans).build();
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_span_processor(Ends::new(batches, slow))
                .with_sampler(Beginnings::of_share(config.trace_ratio))
                .with_resource(resource.clone())
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_batch_exporter(logs)
                .with_resource(resource.clone())
                .build(),
        })
    }
}

/// Opens the way to the collector, which connects with the first sending. All that is sent shares
/// one connection. Over TLS the certificates are those of the moment at which it connects.
fn channel(collector: &CollectorSettings) -> Result<Channel, StartError> {
    let endpoint = Endpoint::from_shared(collector.endpoint.clone())
        .map_err(|error| StartError::Telemetry(error.into()))?
        .connect_timeout(COLLECTOR_CONNECT_TIME);
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint.connect_lazy());
    }
    let settings = ["otlp_ca", "otlp_certificate", "otlp_key"];
    let tls = open_client(settings, &collector.tls)?;
    Ok(rpc::secured_channel(&endpoint, tls))
}

fn meter_provider(
    channel: Option<Channel>,
    registry: Option<&prometheus::Registry>,
    resource: Resource,
) -> Result<SdkMeterProvider, StartError> {
    let mut provider = SdkMeterProvider::builder().with_resource(resource);
    if let Some(channel) = channel {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .build()
            .map_err(|error| StartError::Telemetry(error.into()))?;
        let reader = PeriodicReader::builder(exporter)
            .with_interval(METRICS_INTERVAL)
            .build();
        provider = provider.with_reader(reader);
    }
    if let Some(registry) = registry {
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Each metric says by its name where it comes from.
            .scope_info_enabled(false)
            .build()
            .map_err(|error| StartError::Telemetry(error.into()))?;
        provider = provider.with_reader(reader);
    }
    Ok(provider.build())
}

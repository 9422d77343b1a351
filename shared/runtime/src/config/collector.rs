//! Settings of the collector of telemetry: its address, and TLS on the way to it.

use access::tls::ClientFiles;

use super::access::need;
use super::fault::Fault;
use super::layers::Layers;
use super::value;

/// The collector of traces, metrics and logs, over OTLP/gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorSettings {
    /// Its URL.
    pub endpoint: String,
    /// Its authorities, and the certificate that is shown to it.
    pub tls: ClientFiles,
}

/// Reads the settings of the collector. Absent where telemetry goes nowhere.
pub(super) fn read(layers: &Layers, faults: &mut Vec<Fault>) -> Option<CollectorSettings> {
    let endpoint = layers.optional("otlp_endpoint", value::url, faults);
    let ca = layers.optional("otlp_ca", value::path, faults);
    let certificate = layers.optional("otlp_certificate", value::path, faults);
    let key = layers.optional("otlp_key", value::path, faults);
    let pairs = [
        ("otlp_certificate", "otlp_key"),
        ("otlp_key", "otlp_certificate"),
    ];
    need(layers, faults, pairs);
    let is_secured = endpoint
        .as_deref()
        .is_some_and(|it| it.starts_with("https://"));
    for setting in ["otlp_ca", "otlp_certificate", "otlp_key"] {
        if layers.has(setting) && !is_secured {
            let problem = "is for a collector over TLS: set otlp_endpoint to its https:// address, or leave it out";
            faults.push(layers.misfit(setting, problem));
        }
    }
    let identity = certificate.zip(key);
    endpoint.map(|endpoint| CollectorSettings {
        endpoint,
        tls: ClientFiles { ca, identity },
    })
}

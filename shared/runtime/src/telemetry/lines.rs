//! Writes log lines to stderr.

use tracing_subscriber::{Layer, Registry};

use crate::config::LogFormat;

/// Writes lines in a format.
pub(super) fn layer(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => layer
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

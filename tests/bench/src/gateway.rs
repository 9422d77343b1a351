//! Processor time of the gateway for an event that comes in a batch over HTTP, beside a handler
//! that only parses the same JSON, and events a second beside gRPC messages of the same size.

mod batches;
mod calls;
mod plain;
mod process;
mod sender;

pub(crate) use self::plain::serve as serve_plain;
use crate::Failure;
use crate::installation::Servers;
use crate::result::Measured;

/// The size of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// Events of each round, each way
    #[arg(long, default_value_t = batches::EVENTS, value_parser = clap::value_parser!(u32).range(1_000..=200_000))]
    events: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            events: batches::EVENTS,
        }
    }
}

/// Measures a gateway of its own process, in front of an installation on fresh stores.
pub(crate) async fn measure(options: Options) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    Box::pin(batches::measure(&servers, options.events)).await
}

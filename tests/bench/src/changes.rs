//! Changes a second of a consumer that was away for a million of them, beside a bare stream of the
//! same messages.

mod bare;
mod fill;
mod watch;

use std::time::Instant;

use proto::gateway::v1::WatchChangesRequest;

use crate::Failure;
use crate::cpu::{self, Seconds};
use crate::installation::{Installation, Level, Servers, connect};
use crate::result::{Measured, median, median_seconds};

pub(crate) use self::watch::watch_during;

/// Changes that the consumer has missed.
const CHANGES: u32 = 1_000_000;
/// Changes of a message at the most.
const MESSAGE: u32 = 1_000;
/// Times that it comes back, each from the start.
const ROUNDS: usize = 5;
/// Changes a second that it must get.
const LEAST: f64 = 50_000.0;
/// The least of what a bare stream gives.
const LEAST_RATIO: f64 = 0.1;

/// The size of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// Changes in the log
    #[arg(long, default_value_t = CHANGES, value_parser = clap::value_parser!(u32).range(10_000..=10_000_000))]
    changes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { changes: CHANGES }
    }
}

/// Fills the log of an installation on PostgreSQL, and reads it from the start.
pub(crate) async fn measure(options: Options) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let installation = Installation::start(&servers, Level::Hot, &[]).await?;
    let stores = installation.stores.as_ref();
    let database = &stores.ok_or("the installation has no database")?.database;
    let begin = Instant::now();
    fill::fill(database, options.changes).await?;
    let filled = f64::from(options.changes) / begin.elapsed().as_secs_f64();
    let messages = bare::MESSAGES.min(options.changes / MESSAGE);
    let sample = watch::sample(&installation.channel, messages).await?;
    let bare = connect(&format!("http://{}", bare::serve(sample, options.changes)?))?;
    let (mut rates, mut ceilings) = (Vec::new(), Vec::new());
    let mut costs: Vec<Seconds> = Vec::new();
    for _ in 0..ROUNDS {
        ceilings.push(rate(&bare, options.changes).await?);
        let before = installation.used();
        rates.push(rate(&installation.channel, options.changes).await?);
        let count = f64::from(options.changes);
        costs.push(cpu::each_us(&before, &installation.used(), count));
    }
    let measured = Measured::new(
        "changes",
        median(rates),
        "changes/s caught up",
        median(ceilings),
        median_seconds(&costs),
    );
    Ok(measured
        .also("written_per_s", filled)
        .at_least("figure", LEAST)
        .at_least("ratio", LEAST_RATIO))
}

/// Changes a second that a consumer gets from the start to the end.
async fn rate(channel: &rpc::PeerChannel, changes: u32) -> Result<f64, Failure> {
    let request = WatchChangesRequest {
        from_start: true,
        ..WatchChangesRequest::default()
    };
    let begin = Instant::now();
    watch::read(channel, request, changes).await?;
    Ok(f64::from(changes) / begin.elapsed().as_secs_f64())
}

//! Processor time that traces add to a call of one event where none of them is kept: calls of an
//! installation whose spans are recorded, judged when they end and forgotten, beside the same calls
//! of one that has metrics alone.

use crate::Failure;
use crate::installation::{Installation, Level, Servers};
use crate::load::{event, ingest};
use crate::result::{Measured, median};

const ROUNDS: usize = 7;
/// Calls of each round, one after another.
const CALLS: u32 = 2_000;
/// Customers who are written of in turn.
const CUSTOMERS: u32 = 50;

/// Metrics, which both have.
const MEASURED: (&str, &str) = ("metrics_listen", "127.0.0.1:0");
/// Traces of which none is kept, for a collector that is not there.
const TRACED: [(&str, &str); 3] = [
    MEASURED,
    ("otlp_endpoint", "http://127.0.0.1:9"),
    ("trace_ratio", "0"),
];

/// Measures both installations in turns.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let plain = Installation::start(&servers, Level::Embedded, &[MEASURED]).await?;
    let traced = Installation::start(&servers, Level::Embedded, &TRACED).await?;
    let mut used = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // Whoever is second finds a warmer machine.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for place in order {
            let installation = [&plain, &traced][place];
            used[place].push(call(installation).await?);
        }
    }
    let [without, with] = used.map(median);
    let cost = [("services", with)].into();
    Ok(Measured::new("traces", with, "µs a call", without, cost).also("added_us", with - without))
}

/// Returns the microseconds of a processor that each of some calls took, and what followed them.
async fn call(installation: &Installation) -> Result<f64, Failure> {
    installation.at_rest().await?;
    let before = installation.services_used();
    for number in 0..CALLS {
        ingest(
            installation.channel.clone(),
            event("seen", number % CUSTOMERS),
        )
        .await?;
    }
    installation.idle().await?;
    let used = installation.services_used() - before;
    Ok(used * 1e6 / f64::from(CALLS))
}

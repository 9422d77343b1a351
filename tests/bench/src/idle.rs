//! Measures what an installation costs with nothing to do, with few and many partitions.
//!
//! Both installations are watched side by side, so that other work on the machine is in both. The
//! ceiling is that of 64 partitions.

use std::time::Duration;

use crate::Failure;
use crate::cpu::Seconds;
use crate::installation::{Installation, Level, Servers};
use crate::result::Measured;

/// Partitions of new stores, and of the installation that they are held to.
const PARTITIONS: [&str; 2] = ["256", "64"];
/// The time after the start in which an installation takes its partitions.
const SETTLING: Duration = Duration::from_secs(10);
/// The time for which both are watched.
const WATCHED: Duration = Duration::from_secs(30);
/// The most milliseconds of processor time a second that the services may use.
const BOUND_MS: f64 = 18.0;

/// Measures processor time of the services and of Redis at level `journal`. PostgreSQL is one
/// server of both, so that it cannot be told apart.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let [many, few] = PARTITIONS;
    let many = start(&servers, many).await?;
    let few = start(&servers, few).await?;
    tokio::time::sleep(SETTLING).await;
    let before = [many.used(), few.used()];
    tokio::time::sleep(WATCHED).await;
    let [many, few] = [used(&many, &before[0]), used(&few, &before[1])];
    let unit = "ms of services a second, 256 partitions";
    Ok(
        Measured::new("idle", many.0, unit, few.0, Seconds::default())
            .also("redis_ms", many.1)
            .also("redis_of_64_partitions_ms", few.1)
            .at_most("figure", BOUND_MS),
    )
}

async fn start(servers: &Servers, partitions: &str) -> Result<Installation, Failure> {
    let settings = [("partitions", partitions)];
    let installation = Installation::start(servers, Level::Journal, &settings).await?;
    installation.apply_demo().await?;
    Ok(installation)
}

/// Returns milliseconds of processor time a second, of the services and of Redis.
fn used(installation: &Installation, before: &Seconds) -> (f64, f64) {
    let now = installation.used();
    let of = |process: &str| {
        let used = now.get(process).zip(before.get(process));
        used.map_or(0.0, |(now, before)| now - before) * 1e3 / WATCHED.as_secs_f64()
    };
    (of("services"), of("redis"))
}

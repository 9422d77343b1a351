//! A simulator of the whole suite: real cores, engines and journal on a virtual clock, over stores
//! that lose their tails, go back in time, delay, repeat and lose answers, and under processes that
//! die, stand still and wake up late.
//!
//! The hot store is in memory, or a real Redis.
//!
//! Everything that chance decides follows from a seed, so that a failure can be seen again: it says
//! how. There are no sockets, no disks and no gRPC here; real processes are in `tests/it`.

mod backing;
mod changes;
mod checks;
mod clock;
mod clocks;
mod crashes;
mod definitions;
mod destination;
mod identity;
mod installation;
mod leases;
mod life;
mod link;
mod log_link;
mod people;
mod picture;
mod post;
mod process;
mod redis;
pub(crate) mod rng;
mod seeds;
mod store;
mod wall;
mod watch;
mod world;

use std::future::Future;

/// Seeds that are run where nobody asks for more.
const SEEDS: u64 = 1_000;
/// The same of customers near the bounds.
const SEEDS_NEAR_BOUNDS: u64 = 40;
/// The same of customers with long histories.
const SEEDS_OF_HISTORY: u64 = 3;
/// The same over a server.
const SEEDS_ON_REDIS: u64 = 8;
/// How many of a thousand seeds have a journal.
const JOURNALED_PERMILLE: u64 = 600;

/// Runs a simulation on one thread, on a clock that moves on when everybody waits.
fn on_virtual_time<T>(simulation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(simulation)
}

/// Reads a number that whoever runs the tests gave.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}

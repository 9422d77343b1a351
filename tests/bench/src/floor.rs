//! Measures the floor: the bytes that `pipeline` moves for an event at level `journal`, moved with
//! nothing decided. It leaves out timers, leases, fences and repetitions.
//!
//! A service of bare tonic and prost takes the events of `pipeline`. Four stages follow each other,
//! as identity, segmentation, journey and activation do. Each adds a row for each partition to
//! PostgreSQL, then writes its states and records to Redis. The first answers its client after
//! that; the others read the records of the one before. How many bytes there are for an event is
//! read from the stores of a round of `pipeline`.
//!
//! The ceiling is the service alone.

mod accept;
mod rows;
mod serve;
mod stage;
mod volume;

use proto::identity::v1::Event;

use self::serve::DONE;
pub(crate) use self::serve::{Work, serve, serve_bare};
pub(crate) use self::volume::Volume;
use crate::Failure;
use crate::child::Serving;
use crate::cpu::{self, Seconds};
use crate::installation::{Installation, Level, Servers, connect, used};
use crate::load::send_stream;
use crate::pipeline::{self, SETTINGS, events};
use crate::result::{Measured, median_seconds};

const ROUNDS: usize = 5;
/// Stages, the accepting one included: each writes once for an event.
const STAGES: u16 = 4;
/// Partitions of each: as many as `pipeline` has.
const PARTITIONS: u16 = 16;
/// The most microseconds of all processes but the client for an event.
const BOUND_US: f64 = 16.0;

/// Measures the floor in rounds on fresh stores, in turns with the service alone.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let events = events()?;
    let servers = Servers::start()?;
    let read = async |played: &Installation| Volume::of_journal(played, events.len()).await;
    let played = pipeline::round(&servers, Level::Journal, &SETTINGS, &events, read).await?;
    let (mut floors, mut alone) = (Vec::new(), Vec::new());
    let mut moved = played.read;
    for _ in 0..ROUNDS {
        let cost;
        (cost, moved) = round(&servers, &events, played.read).await?;
        floors.push(cost);
        alone.push(round_alone(&events).await?);
    }
    let (floor, alone) = (median_seconds(&floors), median_seconds(&alone));
    let (figure, ceiling) = (of_system(&floor), of_system(&alone));
    Ok(
        Measured::new("floor", figure, "µs an event", ceiling, floor)
            .also("redis_bytes", moved.redis_bytes)
            .also("redis_bytes_of_pipeline", played.read.redis_bytes)
            .also("postgres_bytes", moved.postgres_bytes)
            .also("postgres_bytes_of_pipeline", played.read.postgres_bytes)
            .also("journal_over_floor", of_system(&played.cost) / figure)
            .at_most("figure", BOUND_US),
    )
}

/// Adds up what processes other than the client used.
pub(crate) fn of_system(cost: &Seconds) -> f64 {
    let of_others = cost.iter().filter(|(process, _)| **process != "client");
    of_others.map(|(_, used)| used).sum()
}

/// Moves a volume for each event through fresh stores. Returns microseconds of processor time for
/// each event, and the volume that the stores tell.
pub(crate) async fn round(
    servers: &Servers,
    events: &[Event],
    volume: Volume,
) -> Result<(Seconds, Volume), Failure> {
    let stores = servers.create_stores()?;
    rows::create_table(&stores.database).await?;
    let work = volume.work(&stores, events)?;
    let mut serving = Serving::start(work.arguments())?;
    let channel = connect(&serving.url)?;
    let before = used(&serving, Some(&stores));
    send_stream(channel, events).await?;
    let said = tokio::task::block_in_place(|| serving.line())?;
    let after = used(&serving, Some(&stores));
    if said != DONE {
        return Err(format!("the floor failed: {said}").into());
    }
    let moved = Volume::of_floor(&stores, events.len()).await?;
    Ok((each_us(&before, &after, events), moved))
}

/// Sends the events to the service alone.
async fn round_alone(events: &[Event]) -> Result<Seconds, Failure> {
    let serving = Serving::start(["serve-bare"])?;
    let channel = connect(&serving.url)?;
    let before = used(&serving, None);
    send_stream(channel, events).await?;
    let after = used(&serving, None);
    Ok(each_us(&before, &after, events))
}

fn each_us(before: &Seconds, after: &Seconds, events: &[Event]) -> Seconds {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 events")]
    let count = events.len() as f64;
    cpu::each_us(before, after, count)
}

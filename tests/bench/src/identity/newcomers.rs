//! Customers who are seen for the first time, a second.

use std::time::Instant;

use proto::identity::v1::Event;

use crate::Failure;
use crate::installation::Installation;
use crate::load::{event, send_messages};

/// New customers of a round.
const CUSTOMERS: u32 = 12_800;
/// Rounds, of which the median counts.
const ROUNDS: u32 = 5;
/// Streams at once, and transactions of the ceiling.
pub(super) const STREAMS: usize = 4;
/// Events of one message: so many look-ups and inserts are one.
pub(super) const BATCH: u32 = 128;
/// The first of them, far from those who are known.
const FIRST: u32 = 1_000_000;

/// Returns how many events of somebody new are accepted in a second.
pub(super) async fn rate(installation: &Installation) -> Result<f64, Failure> {
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let first = FIRST + round * CUSTOMERS;
        let numbers = first..first + CUSTOMERS;
        let events: Vec<Event> = numbers.map(|number| event("seen", number)).collect();
        let begun = Instant::now();
        let each = events.len() / STREAMS;
        let streams = events.chunks(each);
        let streams =
            streams.map(|own| send_messages(installation.channel.clone(), own, BATCH as usize));
        futures::future::try_join_all(streams).await?;
        rates.push(f64::from(CUSTOMERS) / begun.elapsed().as_secs_f64());
        installation.at_rest().await?;
    }
    Ok(crate::result::median(rates))
}

//! Milliseconds to write and then to read what was written, beside the write alone, at each level
//! of durability.

use proto::journey::v1::GetCustomerJourneysRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tokio::time::Instant;

use crate::cpu::{self, Seconds};
use crate::installation::{Installation, Level, Servers, connect};
use crate::load::{event, ingest};
use crate::result::{Measured, quantile};
use crate::{Failure, bare};

/// Writes of each kind, one after another: the 99th percentile then has ten above it.
const WRITES: u32 = 1_000;
/// Customers who are written of in turn.
const CUSTOMERS: u32 = 50;
/// The levels, each with the most that half of the reads may take beyond their writes.
const LEVELS: [(Level, f64); 3] = [
    (Level::Hot, 5.0),
    (Level::Journal, 15.0),
    (Level::Embedded, 5.0),
];
/// A segment that each write looks at, and a journey that each begins.
const DEFINITIONS: &str = r#"
segment: {name: noted, expression: 'events("noted").count() >= 2'}
---
journey:
  name: note
  entry: {triggers: [{event: noted}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - id: done
      exit: {outcome: RUN_OUTCOME_SUCCESS}
"#;

/// The read after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Nothing,
    Profile,
    Journeys,
}

/// Measures single writes of known customers, with and without a read after each.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let bare = connect(&format!("http://{}", bare::serve().await?))?;
    let mut ceilings = Vec::new();
    for number in 0..WRITES {
        let begun = Instant::now();
        ingest(bare.clone(), event("noted", number % CUSTOMERS)).await?;
        ceilings.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let ceiling = quantile(&mut ceilings, 0.5);
    let mut measured: Option<Measured> = None;
    for (level, most) in LEVELS {
        let (times, cost) = of_level(&servers, level).await?;
        let [mut writes, mut profiles, mut journeys] = times;
        let half = |times: &mut Vec<f64>| quantile(times, 0.5);
        let (write, profile) = (half(&mut writes), half(&mut profiles));
        let figure = profile - write;
        let name = level.name();
        let more = format!("{name}_read_beyond_write_p50_ms");
        let all = measured.take().unwrap_or_else(|| {
            let unit = "ms beyond the write (p50, hot)";
            Measured::new("reads", figure, unit, ceiling, cost)
        });
        let all = all
            .also(format!("{name}_write_p50_ms"), write)
            .also(format!("{name}_write_p99_ms"), quantile(&mut writes, 0.99))
            .also(format!("{name}_write_and_profile_p50_ms"), profile)
            .also(
                format!("{name}_write_and_profile_p99_ms"),
                quantile(&mut profiles, 0.99),
            )
            .also(
                format!("{name}_write_and_journeys_p50_ms"),
                half(&mut journeys),
            )
            .also(
                format!("{name}_write_and_journeys_p99_ms"),
                quantile(&mut journeys, 0.99),
            )
            .also(&more, figure)
            .at_most(&more, most);
        measured = Some(all);
    }
    measured.ok_or_else(|| "there is no level".into())
}

/// Measures one level: milliseconds of each write, and of each write with a read of the profile,
/// and of the journeys; and processor time for each.
async fn of_level(servers: &Servers, level: Level) -> Result<([Vec<f64>; 3], Seconds), Failure> {
    let installation = Installation::start(servers, level, &[("partitions", "16")]).await?;
    installation.apply(DEFINITIONS).await?;
    // The first event makes everybody known, and everything warm.
    let mut counts = vec![0; CUSTOMERS as usize];
    for read in [Read::Profile, Read::Journeys] {
        for customer in 0..CUSTOMERS {
            write(&installation.channel, customer, read, &mut counts).await?;
        }
    }
    installation.idle().await?;
    let before = installation.used();
    let mut times = [const { Vec::new() }; 3];
    for number in 0..WRITES {
        let customer = number % CUSTOMERS;
        let reads = [Read::Nothing, Read::Profile, Read::Journeys];
        for (read, times) in reads.into_iter().zip(&mut times) {
            let channel = &installation.channel;
            times.push(write(channel, customer, read, &mut counts).await?);
        }
    }
    let count = f64::from(WRITES) * 3.0;
    let cost = cpu::each_us(&before, &installation.used(), count);
    Ok((times, cost))
}

/// Writes an event, and reads what is asked for after it. Returns the milliseconds of both.
async fn write(
    channel: &PeerChannel,
    customer: u32,
    read: Read,
    counts: &mut [u64],
) -> Result<f64, Failure> {
    let count = &mut counts[customer as usize];
    *count += 1;
    let begun = Instant::now();
    let answer = ingest(channel.clone(), event("noted", customer)).await?;
    let customer_id = answer.results[0].customer_id.clone();
    let after = answer.position;
    match read {
        Read::Nothing => {}
        Read::Profile => {
            let request = GetProfileRequest { customer_id, after };
            let mut client = SegmentationServiceClient::new(channel.clone());
            let profile = client.get_profile(request).await?.into_inner().profile;
            let events = profile.unwrap_or_default().events;
            let found = events.iter().find(|event| event.name == "noted");
            if found.map(|event| event.count) != Some(*count) {
                return Err(format!("{count} events were written, and {found:?} was read").into());
            }
        }
        Read::Journeys => {
            let request = GetCustomerJourneysRequest { customer_id, after };
            let mut client = JourneyServiceClient::new(channel.clone());
            let found = client.get_customer_journeys(request).await?.into_inner();
            if found.runs.is_empty() {
                return Err("an event was written, and no run was read".into());
            }
        }
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

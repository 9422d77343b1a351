//! Measures an event with few and with many definitions, and with few and with many customers.

use std::fmt::Write as _;
use std::ops::Range;

use prost_types::Timestamp;
use proto::identity::v1::Event;

use crate::Failure;
use crate::installation::{Installation, Level, Servers};
use crate::load::{event, send_stream};
use crate::result::{Measured, median};

/// Segments, and as many journeys.
const DEFINITIONS: [u32; 4] = [1, 10, 100, 1_000];
/// Segments, and as many journeys, that are applied at once: a bundle holds 500 definitions at the
/// most.
const APPLIED_AT_ONCE: u32 = 200;
const FEW_CUSTOMERS: u32 = 1_000;
const MANY_CUSTOMERS: u32 = 1_000_000;
const ROUNDS: u32 = 5;
/// Events in each round.
const EVENTS: u32 = 8_000;
/// Events sent before each measurement, so that what was just started or applied is warm.
const WARM_UP: u32 = 4_000;
/// The most that an event may cost with everything at its largest, as a multiple of its cost with
/// everything at its smallest.
const BOUND: f64 = 2.0;
/// When the events happened, in seconds since the epoch; each round is a minute later.
const TIME_S: i64 = 1_750_000_000;

/// Measures processor time of the services, embedded stores, for each event.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let mut few = Scale::start(&servers, FEW_CUSTOMERS).await?;
    let mut costs = Vec::new();
    for count in DEFINITIONS {
        costs.push((count, FEW_CUSTOMERS, few.cost(count).await?));
    }
    drop(few);
    let mut many = Scale::start(&servers, MANY_CUSTOMERS).await?;
    for count in [DEFINITIONS[0], DEFINITIONS[3]] {
        costs.push((count, MANY_CUSTOMERS, many.cost(count).await?));
    }
    let (smallest, largest) = (costs[0].2.median, costs[costs.len() - 1].2.median);
    let cpu = [("services", largest)].into();
    let mut measured =
        Measured::new("scale", largest, "µs an event", smallest, cpu).at_most("ratio", BOUND);
    for (definitions, customers, cost) in costs {
        let name = format!("{definitions}_definitions_{customers}_customers");
        measured = measured
            .also(format!("{name}_us"), cost.median)
            .also(format!("{name}_mean_us"), cost.mean);
    }
    Ok(measured)
}

/// Microseconds of the services for each event, over several rounds.
struct Cost {
    median: f64,
    /// With the rounds in which the embedded store wrote a good part of all states anew.
    mean: f64,
}

/// An installation whose customers are known.
struct Scale {
    installation: Installation,
    customers: u32,
    /// When the last events happened: time goes on.
    minute: u32,
}

impl Scale {
    async fn start(servers: &Servers, customers: u32) -> Result<Self, Failure> {
        let settings = [("clock", "stream"), ("partitions", "16")];
        let installation = Installation::start(servers, Level::Embedded, &settings).await?;
        let all: Vec<u32> = (0..customers).collect();
        for some in all.chunks(50_000) {
            let events: Vec<Event> = some
                .iter()
                .map(|customer| at(event("seen", *customer), 0))
                .collect();
            send_stream(installation.channel.clone(), &events).await?;
        }
        let scale = Self {
            installation,
            customers,
            minute: 0,
        };
        scale.installation.at_rest().await?;
        Ok(scale)
    }

    /// Microseconds of the services for each event of a customer chosen at random, with this many
    /// segments and journeys. Each customer has one kind of event, so that all that grows is what
    /// there is beside it.
    async fn cost(&mut self, definitions: u32) -> Result<Cost, Failure> {
        for first in (0..definitions).step_by(APPLIED_AT_ONCE as usize) {
            let numbers = first..definitions.min(first + APPLIED_AT_ONCE);
            self.installation.apply(&text(numbers)).await?;
        }
        let mut random = SplitMix(u64::from(definitions));
        self.send(definitions, WARM_UP, &mut random).await?;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            let before = self.installation.services_used();
            self.send(definitions, EVENTS, &mut random).await?;
            costs.push((self.installation.services_used() - before) * 1e6 / f64::from(EVENTS));
        }
        Ok(Cost {
            mean: costs.iter().sum::<f64>() / f64::from(ROUNDS),
            median: median(costs),
        })
    }

    async fn send(
        &mut self,
        definitions: u32,
        count: u32,
        random: &mut SplitMix,
    ) -> Result<(), Failure> {
        self.minute += 1;
        let events: Vec<Event> = (0..count)
            .map(|_| {
                let customer = random.below(self.customers);
                let name = format!("e{}", customer % definitions);
                at(event(&name, customer), self.minute)
            })
            .collect();
        send_stream(self.installation.channel.clone(), &events).await?;
        self.installation.at_rest().await
    }
}

fn at(event: Event, minute: u32) -> Event {
    let time = Timestamp {
        seconds: TIME_S + i64::from(minute) * 60,
        nanos: 0,
    };
    Event {
        time: Some(time),
        ..event
    }
}

/// As many segments as journeys, each about an event of its own.
fn text(numbers: Range<u32>) -> String {
    let mut text = String::new();
    for number in numbers {
        let _infallible = write!(
            text,
            r#"---
segment: {{name: s{number}, expression: 'events("e{number}").within("30d").count() >= 2'}}
---
journey:
  name: j{number}
  entry: {{triggers: [{{event: e{number}}}], reentry: REENTRY_AFTER_EXIT}}
  steps:
    - id: again
      wait_for:
        branches: [{{trigger: {{event: e{number}}}, next: done}}]
        timeout: 1d
        on_timeout: done
    - id: done
      exit: {{outcome: RUN_OUTCOME_SUCCESS}}
"#
        );
    }
    text
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
struct SplitMix(u64);

impl SplitMix {
    /// A number below a bound.
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let remainder = (x ^ (x >> 31)) % u64::from(bound.max(1));
        u32::try_from(remainder).unwrap_or(0)
    }
}

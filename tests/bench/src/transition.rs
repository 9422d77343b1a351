//! Transitions a second for senders of every size: one event a call, messages of 16, messages of
//! 500, at the levels `journal` and `hot`, beside bare unary calls.
//!
//! A transition is an event of one of 20,000 customers whose run waits for it: the run sends one
//! message of 120 bytes to a log channel, and waits for the next event, for an hour at the most.

use std::fmt::Write as _;

use futures::{SinkExt as _, StreamExt as _, stream};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestStreamRequest, Lane};
use rpc::PeerChannel;
use tokio::time::Instant;

use crate::cpu::{self, Seconds};
use crate::installation::{Demand, Installation, Level, Servers, connect};
use crate::load::{event, ingest, send_stream, unary_rate};
use crate::result::{Measured, median, median_seconds, quantile};
use crate::{Failure, bare};

const ROUNDS: usize = 3;
const CUSTOMERS: u32 = 20_000;
/// Calls of the ceiling in each round.
const CALLS: u32 = 15_000;
const SETTINGS: [(&str, &str); 1] = [("partitions", "64")];
const LEVELS: [Level; 2] = [Level::Journal, Level::Hot];

/// A way to send events.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    /// Events in one message of a stream. `None` for calls of one event.
    message: Option<usize>,
    /// Events that wait for their answers at once.
    in_flight: usize,
}

const WAYS: [Way; 3] = [
    Way {
        name: "unary",
        message: None,
        in_flight: 128,
    },
    Way {
        name: "messages_of_16",
        message: Some(16),
        in_flight: 128,
    },
    Way {
        name: "messages_of_500",
        message: Some(500),
        in_flight: 4_000,
    },
];

/// Least transitions a second, by level and way.
const LEAST: [(&str, f64); 4] = [
    ("journal_unary", 6_000.0),
    ("hot_unary", 10_000.0),
    ("journal_messages_of_16", 9_000.0),
    ("journal_messages_of_500", 17_000.0),
];
/// Most microseconds of all processes but the client for one of them.
const MOST_US: [(&str, f64); 3] = [
    ("journal_unary", 250.0),
    ("hot_unary", 140.0),
    ("journal_messages_of_500", 90.0),
];
/// The most milliseconds that half of the calls may take at level `journal`.
const UNARY_P50_MS: f64 = 20.0;

/// The share of the measurement that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub(crate) struct Options {
    /// Only levels and ways whose name has this in it, such as `journal` or `hot_unary`
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    #[command(flatten)]
    demand: Demand,
}

/// The readings of one way at one level, one for each round.
#[derive(Debug)]
struct Readings {
    level: Level,
    way: Way,
    rates: Vec<f64>,
    halves_ms: Vec<f64>,
    costs: Vec<Seconds>,
}

impl Readings {
    const fn of(level: Level, way: Way) -> Self {
        Self {
            level,
            way,
            rates: Vec::new(),
            halves_ms: Vec::new(),
            costs: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("{}_{}", self.level.name(), self.way.name)
    }
}

/// Measures every way that is wanted at each level, in rounds on fresh stores.
pub(crate) async fn measure(options: &Options) -> Result<Measured, Failure> {
    let all = LEVELS
        .into_iter()
        .flat_map(|level| WAYS.map(|way| Readings::of(level, way)));
    let wanted = all.filter(|readings| readings.name().contains(&options.only));
    let mut readings: Vec<Readings> = wanted.collect();
    if readings.is_empty() {
        return Err(format!("no level or way has `{}` in its name", options.only).into());
    }
    let servers = Servers::start_with(options.demand)?;
    let bare = connect(&format!("http://{}", bare::serve().await?))?;
    let mut ceilings = Vec::new();
    for _ in 0..ROUNDS {
        ceilings.push(unary_rate(&bare, CALLS).await?);
        for of_level in readings.chunk_by_mut(|one, other| one.level == other.level) {
            round(&servers, of_level).await?;
        }
    }
    Ok(bounded(figures(&readings, median(ceilings))))
}

/// Names the figures of all readings. That of the first is the one beside the ceiling.
fn figures(readings: &[Readings], ceiling: f64) -> Measured {
    let first = &readings[0];
    let (rate, cost) = (median(first.rates.clone()), median_seconds(&first.costs));
    let mut measured = Measured::new("transition", rate, "transitions/s", ceiling, cost);
    for one in readings {
        let name = one.name();
        let used = median_seconds(&one.costs);
        let used = used.iter().filter(|(process, _)| **process != "client");
        measured = measured
            .also(format!("{name}_per_s"), median(one.rates.clone()))
            .also(format!("{name}_p50_ms"), median(one.halves_ms.clone()))
            .also(format!("{name}_us"), used.map(|(_, us)| us).sum());
    }
    measured
}

/// Holds the figures that were measured against their bounds.
fn bounded(mut measured: Measured) -> Measured {
    let least = LEAST.map(|(name, least)| (format!("{name}_per_s"), Some(least), None));
    let most = MOST_US.map(|(name, most)| (format!("{name}_us"), None, Some(most)));
    let half = ("journal_unary_p50_ms".to_owned(), None, Some(UNARY_P50_MS));
    for (name, least, most) in least.into_iter().chain(most).chain([half]) {
        if !measured.also.contains_key(&name) {
            continue;
        }
        if let Some(least) = least {
            measured = measured.at_least(&name, least);
        }
        if let Some(most) = most {
            measured = measured.at_most(&name, most);
        }
    }
    measured
}

/// Sends one event of each customer in every way of a level, into a fresh installation.
async fn round(servers: &Servers, ways: &mut [Readings]) -> Result<(), Failure> {
    let installation = Installation::start(servers, ways[0].level, &SETTINGS).await?;
    installation.apply(&definitions()).await?;
    let channel = &installation.channel;
    let events = |name: &str| -> Vec<Event> {
        let customers = 0..CUSTOMERS;
        customers.map(|customer| event(name, customer)).collect()
    };
    // Everybody is known then, and waits.
    send_stream(channel.clone(), &events("begun")).await?;
    installation.at_rest().await?;
    for readings in ways {
        let (started, before) = (Instant::now(), installation.used());
        let (events, way) = (events("moved"), readings.way);
        let mut times = match way.message {
            None => calls(channel, events, way.in_flight).await?,
            Some(size) => messages(channel, events, (size, way.in_flight)).await?,
        };
        installation.idle().await?;
        let count = f64::from(CUSTOMERS);
        readings.rates.push(count / started.elapsed().as_secs_f64());
        readings.halves_ms.push(quantile(&mut times, 0.5));
        let used = cpu::each_us(&before, &installation.used(), count);
        readings.costs.push(used);
        installation.at_rest().await?;
    }
    Ok(())
}

/// A journey that answers every `moved` with a message, for ever.
fn definitions() -> String {
    let mut body = String::new();
    while body.len() < 120 {
        let _infallible = write!(body, "word {} ", body.len());
    }
    body.truncate(120);
    format!(
        r#"
channel: {{name: diary, log: {{}}}}
---
template: {{name: word, text: {{body: '{body}'}}}}
---
journey:
  name: walk
  entry: {{triggers: [{{event: begun}}], reentry: REENTRY_NEVER}}
  steps:
    - id: listen
      wait_for:
        branches: [{{trigger: {{event: moved}}, next: say}}]
        timeout: 1h
        on_timeout: done
    - id: say
      send: {{channel: diary, template: word, purpose: marketing}}
      next: listen
    - id: done
      exit: {{outcome: RUN_OUTCOME_NEUTRAL}}
"#
    )
}

/// Makes a call for each event. Returns the milliseconds of each.
async fn calls(
    channel: &PeerChannel,
    events: Vec<Event>,
    in_flight: usize,
) -> Result<Vec<f64>, Failure> {
    let calls = stream::iter(events).map(|event| async {
        let sent = Instant::now();
        ingest(channel.clone(), event).await?;
        Ok::<_, Failure>(milliseconds(sent))
    });
    let mut calls = calls.buffer_unordered(in_flight);
    let mut times = Vec::new();
    while let Some(time) = calls.next().await {
        times.push(time?);
    }
    Ok(times)
}

/// Sends messages of so many events over one stream, of which so many wait for their answers.
/// Returns the milliseconds of each message.
async fn messages(
    channel: &PeerChannel,
    events: Vec<Event>,
    (size, in_flight): (usize, usize),
) -> Result<Vec<f64>, Failure> {
    let mut waiting = events.chunks(size).map(|events| IngestStreamRequest {
        events: events.to_vec(),
        source: String::new(),
        lane: Lane::Live.into(),
        import: String::new(),
    });
    let window = in_flight / size;
    let (mut sender, receiver) = futures::channel::mpsc::channel(window);
    let mut client = IdentityServiceClient::new(channel.clone());
    let mut answers = client.ingest_stream(receiver).await?.into_inner();
    let (mut sent, mut times) = (Vec::new(), Vec::new());
    loop {
        while sent.len() - times.len() < window
            && let Some(message) = waiting.next()
        {
            sent.push(Instant::now());
            sender.send(message).await?;
        }
        if sent.len() == times.len() {
            return Ok(times);
        }
        let answer = answers.message().await?;
        answer.ok_or("the stream ended before the last answer")?;
        times.push(milliseconds(sent[times.len()]));
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

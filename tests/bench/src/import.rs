//! Measures `happypath import`: a file of events through the command line and the services, with
//! the ledger that knows each line again, and once more when all of them are there.
//!
//! The ceiling sends the same events over one stream that nothing is remembered of. Beside it is an
//! ordered source, of which one number is remembered.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::{Event, IngestStreamRequest, Lane};
use serde_json::Value;

use crate::Failure;
use crate::cpu;
use crate::installation::{Installation, Level, Servers};
use crate::load;
use crate::result::Measured;

/// Customers of the events.
const CUSTOMERS: u32 = 10_000;
/// Events in one message of the ceiling, as many as an import has.
const BATCH: usize = 1_000;
/// The part of the ceiling that an import reaches at the least, on embedded stores: the command
/// line takes a part of the two cores.
const BOUND: f64 = 0.5;

/// The size of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// Lines of the file
    #[arg(long, default_value_t = EVENTS, value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    events: u32,
}

/// Lines of the file, unless somebody says otherwise.
const EVENTS: u32 = 200_000;

impl Default for Options {
    fn default() -> Self {
        Self { events: EVENTS }
    }
}

/// Measures imports at each level of durability.
pub(crate) async fn measure(options: Options) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.csv");
    std::fs::write(&file, content(options.events))?;
    let embedded = round(&servers, Level::Embedded, &file, options).await?;
    let (rate, ceiling) = (embedded.import, embedded.stream);
    let mut measured = Measured::new("import", rate, "events/s", ceiling, embedded.used.clone())
        .at_least("ratio", BOUND);
    let hot = round(&servers, Level::Hot, &file, options).await?;
    let journal = round(&servers, Level::Journal, &file, options).await?;
    for (level, round) in [
        (Level::Embedded, embedded),
        (Level::Hot, hot),
        (Level::Journal, journal),
    ] {
        let name = level.name();
        measured = measured
            .also(format!("{name}_per_s"), round.import)
            .also(format!("{name}_again_per_s"), round.again)
            .also(format!("{name}_ordered_per_s"), round.ordered)
            .also(format!("{name}_stream_per_s"), round.stream);
    }
    Ok(measured)
}

/// Events a second in each way.
struct Round {
    /// Over a stream, of which nothing is remembered.
    stream: f64,
    /// Over a stream of an ordered source.
    ordered: f64,
    /// By an import.
    import: f64,
    /// By the same import once more.
    again: f64,
    /// Processor time of the first import.
    used: cpu::Seconds,
}

async fn round(
    servers: &Servers,
    level: Level,
    file: &Path,
    options: Options,
) -> Result<Round, Failure> {
    let stream = stream(servers, level, options, "").await?;
    let ordered = self::stream(servers, level, options, "ordered").await?;
    let installation = Installation::start(servers, level, &[]).await?;
    let before = installation.used();
    let rate = import(installation.url(), file, options.events)?;
    let count = f64::from(options.events);
    let used = cpu::each_us(&before, &installation.used(), count);
    installation.at_rest().await?;
    Ok(Round {
        stream,
        ordered,
        import: rate,
        again: import(installation.url(), file, options.events)?,
        used,
    })
}

/// Sends the events over one stream, of a source if it has a name, and returns events a second.
async fn stream(
    servers: &Servers,
    level: Level,
    options: Options,
    source: &str,
) -> Result<f64, Failure> {
    let installation = Installation::start(servers, level, &[]).await?;
    let events: Vec<Event> = (0..options.events).map(event).collect();
    let batches = events.chunks(BATCH).map(|events| IngestStreamRequest {
        events: events.to_vec(),
        source: source.to_owned(),
        lane: Lane::Live.into(),
        ..IngestStreamRequest::default()
    });
    let batches = batches.collect();
    let begun = Instant::now();
    load::send_batches(installation.channel.clone(), batches).await?;
    Ok(f64::from(options.events) / begun.elapsed().as_secs_f64())
}

/// Imports the file by the program beside this one, and returns events a second.
fn import(url: &str, file: &Path, events: u32) -> Result<f64, Failure> {
    let program = std::env::current_exe()?.with_file_name("happypath");
    let output = Command::new(program)
        .arg("import")
        .arg(file)
        .args(["--lane", "live", "--json", "--address", url])
        .stderr(Stdio::inherit())
        .output()?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let told = &told["files"][0];
    if told["accepted"].as_u64() != Some(events.into()) {
        return Err(format!("not all lines were accepted: {told}").into());
    }
    told["events_per_second"]
        .as_f64()
        .ok_or_else(|| "the import does not tell its rate".into())
}

/// Returns the file: a line for each event, a second after the one before.
fn content(events: u32) -> String {
    let mut text = "timestamp,event,user_id,value,path\n".to_owned();
    for number in 0..events {
        let (customer, value) = (number % CUSTOMERS, number % 97);
        // Writing to memory does not fail.
        let _ = writeln!(
            text,
            "{},purchase,customer-{customer},{value},/products/{value}/details",
            1_700_000_000 + number
        );
    }
    text
}

fn event(number: u32) -> Event {
    let value = number % 97;
    Event {
        time: Some(prost_types::Timestamp {
            seconds: i64::from(1_700_000_000 + number),
            nanos: 0,
        }),
        properties_form: Some(PropertiesForm::PropertiesJson(format!(
            r#"{{"value":{value},"path":"/products/{value}/details"}}"#
        ))),
        sequence: u64::from(number) + 1,
        ..load::event("purchase", number % CUSTOMERS)
    }
}

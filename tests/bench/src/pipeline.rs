//! Events a second from the ingest stream through identity, segmentation, journey and activation,
//! all committed, at each level of durability, beside bare unary calls; and what an event costs at
//! level `journal` beside the floor of its own bytes.

use std::time::Instant;

use happypath::demo::history;
use proto::identity::v1::Event;

use crate::changes::watch_during;
use crate::cpu::{self, Seconds};
use crate::floor::{self, Volume, of_system};
use crate::installation::{Demand, Installation, Level, Servers, connect};
use crate::load::{send_stream, unary_rate};
use crate::result::{Measured, median, median_seconds};
use crate::{Failure, bare};

const ROUNDS: usize = 5;
const EVENTS: usize = 30_000;
/// Calls of the ceiling in each round.
const CALLS: u32 = 15_000;
/// A log is played on its own time.
pub(crate) const SETTINGS: [(&str, &str); 2] = [("clock", "stream"), ("partitions", "16")];
/// Each level, the events a second that it must reach, and its least ratio to bare unary calls.
const LEVELS: [(Level, f64, f64); 3] = [
    (Level::Journal, 5_000.0, 0.28),
    (Level::Hot, 10_000.0, 0.55),
    (Level::Embedded, 20_000.0, 1.1),
];

/// The most that an event may cost at level `journal`, as a multiple of the floor.
const OVER_FLOOR: f64 = 3.5;

/// The way in which the installations are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    demand: Demand,
    /// Has one consumer read everything that changes for customers meanwhile
    #[arg(long)]
    watched: bool,
    /// Keeps no log of what changes
    #[arg(long, conflicts_with = "watched")]
    unlogged: bool,
}

/// The setting of an installation that keeps no log of changes.
const UNLOGGED: (&str, &str) = ("change_retention", "off");

/// Measures real events, in rounds on fresh stores.
pub(crate) async fn measure(options: Options) -> Result<Measured, Failure> {
    let events = events()?;
    let servers = Servers::start_with(options.demand)?;
    let further = options.unlogged.then_some(UNLOGGED);
    let settings: Vec<(&str, &str)> = SETTINGS.into_iter().chain(further).collect();
    let bare = connect(&format!("http://{}", bare::serve().await?))?;
    let mut ceilings = Vec::new();
    let mut rates = [const { Vec::new() }; LEVELS.len()];
    let mut costs = [const { Vec::new() }; LEVELS.len()];
    let (mut floors, mut changes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ceilings.push(unary_rate(&bare, CALLS).await?);
        for (place, (level, _, _)) in LEVELS.iter().enumerate() {
            let read = async |played: &Installation| match level {
                Level::Journal => Volume::of_journal(played, events.len()).await.map(Some),
                Level::Hot | Level::Embedded => Ok(None),
            };
            let play = Play {
                servers: &servers,
                level: *level,
                settings: &settings,
                is_watched: options.watched,
            };
            let played = play.round(&events, read).await?;
            rates[place].push(played.rate);
            changes.push(played.changes);
            costs[place].push(played.cost);
            if let Some(volume) = played.read {
                floors.push(floor::round(&servers, &events, volume).await?.0);
            }
        }
    }
    let ceiling = median(ceilings);
    let figures = rates.map(median);
    let costs = costs.map(|readings| median_seconds(&readings));
    let [journal_cpu, hot_cpu, embedded_cpu] = &costs;
    let floor = of_system(&median_seconds(&floors));
    let mut measured = Measured::new(
        "pipeline",
        figures[0],
        "events/s (journal)",
        ceiling,
        journal_cpu.clone(),
    )
    .also("floor_us", floor)
    .also("journal_over_floor", of_system(journal_cpu) / floor)
    .at_most("journal_over_floor", OVER_FLOOR);
    if options.watched {
        measured = measured.also("watched_changes_per_event", median(changes));
    }
    for (name, cpu) in [("hot", hot_cpu), ("embedded", embedded_cpu)] {
        for (process, us) in cpu {
            measured = measured.also(format!("{name}_{process}_cpu_us"), *us);
        }
    }
    for ((level, least, ratio), figure) in LEVELS.iter().zip(figures) {
        let name = level.name();
        let (rate_name, ratio_name) = (format!("{name}_events_per_s"), format!("{name}_ratio"));
        measured = measured
            .also(&rate_name, figure)
            .also(&ratio_name, figure / ceiling)
            .at_least(&rate_name, *least)
            .at_least(&ratio_name, *ratio);
    }
    Ok(measured)
}

/// Returns the first events of the demo.
pub(crate) fn events() -> Result<Vec<Event>, Failure> {
    let days = history::days()?.into_iter();
    Ok(days.flat_map(|day| day.events).take(EVENTS).collect())
}

/// The measures of one round.
#[derive(Debug)]
pub(crate) struct Round<T> {
    /// Events a second.
    pub(crate) rate: f64,
    /// Microseconds of processor time for each event.
    pub(crate) cost: Seconds,
    /// Changes that a consumer got meanwhile, for each event.
    pub(crate) changes: f64,
    /// The reading once everything had happened.
    pub(crate) read: T,
}

/// Sends all events into a fresh installation with settings, and reads something of it at the end.
pub(crate) async fn round<T>(
    servers: &Servers,
    level: Level,
    settings: &[(&str, &str)],
    events: &[Event],
    read: impl AsyncFnOnce(&Installation) -> Result<T, Failure>,
) -> Result<Round<T>, Failure> {
    let play = Play {
        servers,
        level,
        settings,
        is_watched: false,
    };
    play.round(events, read).await
}

/// The way in which events are sent into fresh installations.
struct Play<'a> {
    servers: &'a Servers,
    level: Level,
    settings: &'a [(&'a str, &'a str)],
    /// Says that a consumer reads what changes.
    is_watched: bool,
}

impl Play<'_> {
    async fn round<T>(
        &self,
        events: &[Event],
        read: impl AsyncFnOnce(&Installation) -> Result<T, Failure>,
    ) -> Result<Round<T>, Failure> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 events")]
        let count = events.len() as f64;
        let installation = Installation::start(self.servers, self.level, self.settings).await?;
        installation.apply_demo().await?;
        let (started, before) = (Instant::now(), installation.used());
        let work = async {
            send_stream(installation.channel.clone(), events).await?;
            installation.idle().await
        };
        let mut changes = 0;
        if self.is_watched {
            changes = watch_during(&installation.channel, work).await?;
        } else {
            work.await?;
        }
        let rate = count / started.elapsed().as_secs_f64();
        let cost = cpu::each_us(&before, &installation.used(), count);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 changes")]
        let changes = changes as f64 / count;
        let read = read(&installation).await?;
        Ok(Round {
            rate,
            cost,
            changes,
            read,
        })
    }
}

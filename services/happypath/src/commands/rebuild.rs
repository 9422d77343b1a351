//! `happypath rebuild`: restores the hot store from the journal. It connects to the stores itself,
//! so it works while no service runs, and while all do. Where it is told another number of
//! partitions, it changes that first, which it does while no service runs only.

mod repartition;

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use hot::HotError;
use journal::{FoldOptions, JournalOptions, JournaledStore, Recovered, Repartitioned};
use kernel::{PartitionCount, PartitionId};
use runtime::{Config, ConfigFlags, Defaults, Durability, Environment, StartError};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::limits::{REBUILD_PATIENCE, REBUILD_PAUSE, REBUILDS_AT_ONCE};
use crate::output::{Format, Rows, print, print_json, remark};

/// Arguments of `rebuild`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every state, timer, counter and waiting message is written again from the snapshots and commits in the database. Running it
where nothing is lost does no harm. Services may run meanwhile: each partition pauses while it is restored, and nothing that
was acknowledged is lost or applied twice. A hot store that is an old copy, from before what the journal still has, must be
emptied first: FLUSHALL, or a deletion of the keys of this installation where others share the server.

With --partitions and another number than the installation has, that number is changed first: the record in the database is
written anew, in one transaction, and the hot store is made of it. All services are stopped, the hot store is empty, and the
quarantine as well; otherwise this says what is left, and changes nothing. Records that wait go on. A run that was killed is
run again. Services that name a number (HAPPYPATH_PARTITIONS) are to name the new one. Positions (`after`) of before and page
tokens of ListEvents are refused then. The database needs room for its tables of the journal a second time.")]
pub(crate) struct Args {
    /// Where the hot store is, such as redis://HOST:PORT; or set HAPPYPATH_HOT_STORE
    #[arg(long, value_name = "URL")]
    hot_store: Option<String>,
    /// Where the database is, such as postgres://USER@HOST/NAME; or set HAPPYPATH_DATABASE
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The name of the installation, where it has one; or set HAPPYPATH_INSTALLATION
    #[arg(long, value_name = "NAME")]
    installation: Option<String>,
    /// The number of partitions that the installation has or, where no service runs, is to have
    /// from now on [default: what it has]; HAPPYPATH_PARTITIONS changes none
    #[arg(long, value_name = "COUNT")]
    partitions: Option<String>,
    /// The durability of the installation, where it is not the usual one; or set
    /// HAPPYPATH_DURABILITY
    #[arg(long, value_name = "LEVEL")]
    durability: Option<String>,
    /// Reads settings from the file that the services read; or set HAPPYPATH_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this partition, by number from 0; may be repeated
    #[arg(long = "partition", value_name = "NUMBER")]
    chosen: Vec<u16>,
    #[command(flatten)]
    format: Format,
}

impl Args {
    fn config(&self) -> Result<Config, Failure> {
        let mut flags = ConfigFlags {
            file: self.config.clone(),
            ..ConfigFlags::default()
        };
        let settings = [
            ("hot_store", &self.hot_store),
            ("database", &self.database),
            ("installation", &self.installation),
            ("partitions", &self.partitions),
            ("durability", &self.durability),
        ];
        for (setting, value) in settings {
            if let Some(value) = value {
                flags = flags.with(setting, value.as_str());
            }
        }
        let defaults = Defaults::of_service("rebuild");
        let config = Config::load(&defaults, &flags, &Environment::of_process())
            .map_err(StartError::from)?;
        if config.durability != Some(Durability::Journal) {
            return Err(Failure::mistake(format!(
                "there is no journal to rebuild from: the durability of this configuration is {}.\n\
                 Name the stores of an installation at level journal, or add --durability journal where its database is \
                 SQLite.",
                config.durability.unwrap_or(Durability::Hot)
            )));
        }
        Ok(config)
    }
}

/// Rebuilds.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let config = args.config()?;
    refuse_nobody(&config).await?;
    let moved = match args.partitions {
        Some(_) => repartition::change(&config, &args.chosen).await?,
        None => None,
    };
    if let (Some(moved), false) = (&moved, args.format.json) {
        repartition::show(moved)?;
    }
    let (hot, log) = runtime::open_journaled_stores(&config).await?;
    let writer = log
        .register(&config.worker)
        .await
        .map_err(|error| Failure::unreachable(error.to_string()))?;
    let count = hot.partition_count();
    let partitions = chosen(&args.chosen, count)?;
    let options = JournalOptions::new(FoldOptions::default(), config.lease_ttl);
    let store = JournaledStore::new(hot, log, writer, options);
    let started = Instant::now();
    let rebuilds = partitions.into_iter().map(|partition| {
        let store = store.clone();
        async move { (partition, rebuild(&store, partition).await) }
    });
    let mut outcomes: Vec<_> = futures::stream::iter(rebuilds)
        .buffer_unordered(REBUILDS_AT_ONCE)
        .collect()
        .await;
    outcomes.sort_by_key(|(partition, _)| *partition);
    let (mut rebuilt, mut failures) = (Vec::new(), Vec::new());
    for (partition, outcome) in outcomes {
        match outcome {
            Ok(recovered) => rebuilt.push(recovered),
            Err(error) => failures.push((partition, error)),
        }
    }
    let took = started.elapsed();
    if args.format.json {
        show_json(&rebuilt, moved.as_ref(), took)?;
    } else {
        show(&rebuilt, took)?;
    }
    failed(count.get(), &failures)
}

/// Refuses an installation that is not there: a wrong name is not to be told that all is restored.
async fn refuse_nobody(config: &Config) -> Result<(), Failure> {
    let name = config.installation.as_ref();
    let is_there = storage::Database::has_installation(&config.database, name)
        .await
        .map_err(|error| Failure::unreachable(error.to_string()))?;
    if is_there {
        return Ok(());
    }
    let which = name.map_or_else(
        || "no installation without a name".to_owned(),
        |name| format!("no installation named {name}"),
    );
    Err(Failure::mismatch(format!(
        "there is {which} in {}: name the one that its services name, with --installation and --database",
        config.database
    )))
}

/// The partitions asked for; all, where none is.
fn chosen(numbers: &[u16], count: PartitionCount) -> Result<Vec<PartitionId>, Failure> {
    if numbers.is_empty() {
        return Ok(count.iter().collect());
    }
    let last = count.get();
    if let Some(number) = numbers.iter().find(|number| **number >= last) {
        return Err(Failure::mistake(format!(
            "there is no partition {number}: this installation has {last}, numbered from 0"
        )));
    }
    let mut chosen: Vec<_> = numbers
        .iter()
        .map(|number| PartitionId::new(*number))
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Rebuilds one partition; waits for another process that is at it.
async fn rebuild(store: &JournaledStore, partition: PartitionId) -> Result<Recovered, HotError> {
    let started = Instant::now();
    loop {
        match store.recover(partition).await {
            Err(HotError::Unavailable(_)) if started.elapsed() < REBUILD_PATIENCE => {
                tokio::time::sleep(REBUILD_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

fn show(rebuilt: &[Recovered], took: Duration) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "#partition",
        "#states",
        "#timers",
        "#commits",
        "#waiting entries",
        "#seconds",
    ]);
    for recovered in rebuilt {
        rows.row([
            recovered.partition.to_string(),
            recovered.states.to_string(),
            recovered.timers.to_string(),
            recovered.commits.to_string(),
            recovered.entries.to_string(),
            format!("{:.2}", recovered.took.as_secs_f64()),
        ]);
    }
    rows.print_or("No partition was rebuilt.")?;
    let sum = |of: fn(&Recovered) -> u64| rebuilt.iter().map(of).sum::<u64>();
    print(&format!(
        "\nRebuilt {} partitions in {:.2} s: {} states and {} timers from snapshots, {} commits after them, {} entries that \
         wait.",
        rebuilt.len(),
        took.as_secs_f64(),
        sum(|it| it.states),
        sum(|it| it.timers),
        sum(|it| it.commits),
        sum(|it| it.entries),
    ))
}

fn show_json(
    rebuilt: &[Recovered],
    moved: Option<&Repartitioned>,
    took: Duration,
) -> Result<(), Failure> {
    let partitions: Vec<Value> = rebuilt
        .iter()
        .map(|it| {
            json!({
                "partition": it.partition.number(),
                "states": it.states,
                "timers": it.timers,
                "commits": it.commits,
                "waiting_entries": it.entries,
                "seconds": it.took.as_secs_f64(),
            })
        })
        .collect();
    print_json(&json!({
        "repartitioned": moved.map(repartition::json),
        "partitions": partitions,
        "seconds": took.as_secs_f64(),
    }))
}

/// Tells which partitions could not be rebuilt, and why.
fn failed(count: u16, failures: &[(PartitionId, HotError)]) -> Result<(), Failure> {
    let Some((_, first)) = failures.first() else {
        return Ok(());
    };
    for (partition, error) in failures {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        let text = error.to_string();
        let cause = cause.filter(|cause| !text.contains(cause.as_str()));
        remark(&format!(
            "partition {partition}: {text}{}",
            cause.unwrap_or_default()
        ));
    }
    let message = format!(
        "{} of {count} partitions could not be rebuilt; run this again once that is put right",
        failures.len()
    );
    Err(match first {
        HotError::Unavailable(_) => Failure::unreachable(message),
        HotError::Mismatch(_) => Failure::mismatch(message),
        _ => Failure::failed(message),
    })
}

//! Benchmarks: each prints its figure and its ratio to a bare ceiling measured in the same run.
//!
//! `cargo run --release -p bench -- NAME [--json]`. Machines differ and are noisy: compare ratios.

mod access;
mod apply;
mod bare;
mod changes;
mod child;
mod commit;
mod compare;
mod cpu;
mod floor;
mod frontier;
mod gateway;
mod history;
mod identity;
mod idle;
mod import;
mod installation;
mod latency;
mod load;
mod merge;
mod pipeline;
mod reads;
mod recover;
mod requests;
mod result;
mod scale;
mod segments;
mod timers;
mod traces;
mod transition;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::compare::Comparison;
use self::installation::Demand;
use self::result::{Measured, table};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Happypath on this machine, on servers of its own: Redis and PostgreSQL must be
/// installed.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Exit codes: 0 measured, and every bound holds; 1 a bound does not hold, or nothing could be measured. \
                  `compare` holds its bound only with --assert."
)]
struct Cli {
    /// The benchmarks to run
    #[command(subcommand)]
    name: Name,
    /// Ends with one line of JSON for each benchmark
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Name {
    /// Processor time of Redis for a transition, beside plain pipelined commands
    Commit,
    /// Events a second from the ingest stream to the last committed activation, at each level of
    /// durability
    Pipeline(pipeline::Options),
    /// Processor time of the bytes of an event of `pipeline`, moved with nothing decided
    Floor,
    /// Transitions of runs a second for senders of every size: calls of one event, and messages of
    /// 16 and of 500
    Transition(transition::Options),
    /// Time of an event in calls for the frontier, which timers wait for on the wall clock
    Frontier,
    /// Processor time of the gateway for an event of a batch over HTTP, and events a second
    Gateway(gateway::Options),
    /// Changes a second of a consumer that was away for a million of them
    Changes(changes::Options),
    /// Look-ups of customers a second, over streams and by calls, and new customers a second
    Identity,
    /// Events a second of `happypath import`, beside a stream of which nothing is remembered
    Import(import::Options),
    /// Milliseconds from a sent event to the webhook that it causes, at 200 events a second
    Latency(Demand),
    /// Milliseconds to read one's own write, beyond the write itself, at each level of durability
    Reads,
    /// Milliseconds that credentials add to single calls, and their processor time
    Access,
    /// Processor time of the layer around servers for an event of a batch
    Requests,
    /// Processor time that traces add to a call where none of them is kept
    Traces,
    /// Processor time of an event with few and many definitions and customers
    Scale,
    /// Processor time of an event of a long history, and with many filters on one event name
    History {
        /// Events of each busy customer in the last year
        #[arg(long, default_value_t = history::EVENTS, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
        events: u32,
        /// Busy customers
        #[arg(long, default_value_t = history::CUSTOMERS, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        customers: u32,
    },
    /// Processor time of the merge of two customers of long histories, and the delay of others
    Merge {
        /// Events of each of the two
        #[arg(long, default_value_t = merge::EVENTS, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        events: u32,
    },
    /// Processor time of segmentation's decision on an event that many segments read
    Segments,
    /// Milliseconds to apply 500 segments into few and many
    Apply,
    /// Memory, processor time and lateness of timers
    Timers {
        /// Timers that wait at once
        #[arg(long, default_value_t = 1_000_000)]
        waiting: u32,
    },
    /// Processor time of an installation with nothing to do, with 256 partitions and with 64
    Idle,
    /// Seconds until every partition serves again after Redis was emptied, and after a service was
    /// killed, under load
    Recover {
        /// The folder with the binaries of the services [default: that of this program]
        #[arg(long, value_name = "FOLDER")]
        binaries: Option<PathBuf>,
    },
    /// Processor time of two builds of this program for one benchmark, in interleaved pairs
    Compare(compare::Options),
    /// Everything, with a table at the end
    All,
    /// Serves an installation for another process of this program
    #[command(hide = true)]
    Serve {
        /// The folder of its stores
        folder: PathBuf,
        /// Settings, each NAME=VALUE
        settings: Vec<String>,
    },
    /// Serves the floor for another process of this program
    #[command(hide = true)]
    ServeFloor(floor::Work),
    /// Serves the ceiling of the floor for another process of this program
    #[command(hide = true)]
    ServeBare,
    /// Serves the ceiling of the gateway for another process of this program
    #[command(hide = true)]
    ServePlain,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.name {
        Name::Serve { folder, settings } => installation::serve(folder, settings)
            .await
            .map(|()| ExitCode::SUCCESS),
        Name::ServeFloor(work) => floor::serve(work).await.map(|()| ExitCode::SUCCESS),
        Name::ServeBare => floor::serve_bare().await.map(|()| ExitCode::SUCCESS),
        Name::ServePlain => gateway::serve_plain().await.map(|()| ExitCode::SUCCESS),
        Name::Compare(options) => compare::compare(options)
            .and_then(|comparison| show_comparison(&comparison, options.assert, cli.json)),
        name => measure(name)
            .await
            .and_then(|measured| show(&measured, &cli)),
    };
    outcome.unwrap_or_else(|error| {
        say_error(&error.to_string());
        ExitCode::FAILURE
    })
}

async fn measure(name: &Name) -> Result<Vec<Measured>, Failure> {
    let is_all = *name == Name::All;
    let mut measured = Vec::new();
    if is_all || *name == Name::Commit {
        measured.push(Box::pin(commit::measure()).await?);
    }
    let demand = match name {
        Name::Latency(demand) => *demand,
        _ => Demand::default(),
    };
    let pipeline = match name {
        Name::Pipeline(options) => *options,
        _ => pipeline::Options::default(),
    };
    if is_all || matches!(name, Name::Pipeline(_)) {
        measured.push(Box::pin(pipeline::measure(pipeline)).await?);
    }
    if is_all || *name == Name::Floor {
        measured.push(Box::pin(floor::measure()).await?);
    }
    if is_all || matches!(name, Name::Latency(_)) {
        measured.push(Box::pin(latency::measure(demand)).await?);
    }
    if is_all || *name == Name::Reads {
        measured.push(Box::pin(reads::measure()).await?);
    }
    if is_all || *name == Name::Access {
        measured.push(Box::pin(access::measure()).await?);
    }
    if is_all || *name == Name::Requests {
        measured.push(requests::measure().await?);
    }
    if is_all || *name == Name::Traces {
        measured.push(Box::pin(traces::measure()).await?);
    }
    if is_all || *name == Name::Scale {
        measured.push(Box::pin(scale::measure()).await?);
    }
    if is_all || *name == Name::Segments {
        measured.push(segments::measure()?);
    }
    if is_all || *name == Name::Apply {
        measured.push(Box::pin(apply::measure()).await?);
    }
    match name {
        Name::History { events, customers } => {
            measured.push(Box::pin(history::measure(*events, *customers)).await?);
        }
        Name::Merge { events } => measured.push(Box::pin(merge::measure(*events)).await?),
        Name::Recover { binaries } => {
            measured.push(Box::pin(recover::measure(binaries.as_deref())).await?);
        }
        Name::Transition(options) => {
            measured.push(Box::pin(transition::measure(options)).await?);
        }
        Name::Gateway(options) => measured.push(Box::pin(gateway::measure(*options)).await?),
        Name::Changes(options) => measured.push(Box::pin(changes::measure(*options)).await?),
        Name::Import(options) => measured.push(Box::pin(import::measure(*options)).await?),
        Name::Identity => measured.push(Box::pin(identity::measure()).await?),
        Name::Frontier => measured.push(Box::pin(frontier::measure()).await?),
        Name::Idle => measured.push(Box::pin(idle::measure()).await?),
        Name::Timers { waiting } => measured.push(Box::pin(timers::measure(*waiting)).await?),
        Name::All => {
            let (events, customers) = (history::EVENTS, history::CUSTOMERS);
            measured.push(Box::pin(history::measure(events, customers)).await?);
            measured.push(Box::pin(merge::measure(merge::EVENTS)).await?);
            let everything = transition::Options::default();
            measured.push(Box::pin(transition::measure(&everything)).await?);
            measured.push(Box::pin(frontier::measure()).await?);
            let gateway = gateway::Options::default();
            measured.push(Box::pin(gateway::measure(gateway)).await?);
            let changes = changes::Options::default();
            measured.push(Box::pin(changes::measure(changes)).await?);
            let import = import::Options::default();
            measured.push(Box::pin(import::measure(import)).await?);
            measured.push(Box::pin(identity::measure()).await?);
            measured.push(Box::pin(idle::measure()).await?);
            measured.push(Box::pin(timers::measure(timers::WAITING)).await?);
        }
        _ => {}
    }
    Ok(measured)
}

fn show(measured: &[Measured], cli: &Cli) -> Result<ExitCode, Failure> {
    for one in measured {
        say(&one.to_string());
    }
    if cli.name == Name::All {
        say(&table(measured));
    }
    if cli.json {
        for one in measured {
            say(&serde_json::to_string(one)?);
        }
    }
    Ok(code(measured.iter().all(Measured::holds)))
}

fn show_comparison(
    comparison: &Comparison,
    is_asserted: bool,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    say(&comparison.to_string());
    if is_json {
        say(&serde_json::to_string(comparison)?);
    }
    Ok(code(comparison.holds() || !is_asserted))
}

fn code(holds: bool) -> ExitCode {
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "errors of a command line are for people"
)]
fn say_error(text: &str) {
    eprintln!("error: {text}");
}

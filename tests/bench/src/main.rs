//! Benchmarks: each prints its figure and its ratio to a bare ceiling measured in the same run.
//!
//! `cargo run --release -p bench -- NAME [--json]`. Machines differ and are noisy: compare ratios.

mod bare;
mod commit;
mod cpu;
mod installation;
mod latency;
mod load;
mod pipeline;
mod result;
mod scale;
mod segments;
mod timers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::result::{Measured, table};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Happypath on this machine, on servers of its own: Redis and PostgreSQL must be installed.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Exit codes: 0 measured, and every bound holds; 1 a bound does not hold, or nothing could be measured."
)]
struct Cli {
    /// What to measure
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
    /// Events a second from the ingest stream to the last committed activation, at each level of durability
    Pipeline,
    /// Milliseconds from a sent event to the webhook that it causes, at 200 events a second
    Latency,
    /// What an event costs with few and many definitions and customers
    Scale,
    /// What an event costs that many segments read
    Segments,
    /// Memory, processor time and lateness of timers
    Timers {
        /// How many wait at once
        #[arg(long, default_value_t = 1_000_000)]
        waiting: u32,
    },
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
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let measured = match &cli.name {
        Name::Serve { folder, settings } => installation::serve(folder, settings)
            .await
            .map(|()| Vec::new()),
        name => measure(name).await,
    };
    match measured {
        Ok(measured) => show(&measured, &cli),
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn measure(name: &Name) -> Result<Vec<Measured>, Failure> {
    let is_all = *name == Name::All;
    let mut measured = Vec::new();
    if is_all || *name == Name::Commit {
        measured.push(Box::pin(commit::measure()).await?);
    }
    if is_all || *name == Name::Pipeline {
        measured.push(Box::pin(pipeline::measure()).await?);
    }
    if is_all || *name == Name::Latency {
        measured.push(Box::pin(latency::measure()).await?);
    }
    if is_all || *name == Name::Scale {
        measured.push(Box::pin(scale::measure()).await?);
    }
    if is_all || *name == Name::Segments {
        measured.push(segments::measure()?);
    }
    match name {
        Name::Timers { waiting } => measured.push(Box::pin(timers::measure(*waiting)).await?),
        Name::All => measured.push(Box::pin(timers::measure(timers::WAITING)).await?),
        _ => {}
    }
    Ok(measured)
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn show(measured: &[Measured], cli: &Cli) -> ExitCode {
    for one in measured {
        println!("{one}");
    }
    if cli.name == Name::All {
        println!("{}", table(measured));
    }
    if cli.json {
        for one in measured {
            match serde_json::to_string(one) {
                Ok(line) => println!("{line}"),
                Err(error) => {
                    say_error(&error.to_string());
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if measured.iter().all(Measured::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(
    clippy::print_stderr,
    reason = "errors of a command line are for people"
)]
fn say_error(text: &str) {
    eprintln!("error: {text}");
}

//! Benchmarks: each prints its figure and its ratio to a bare ceiling measured in the same run.
//!
//! `cargo run --release -p bench -- NAME [--json]`. Machines differ and are noisy: compare ratios.

mod bare;
mod installation;
mod latency;
mod pipeline;
mod result;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::result::Measured;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Happypath on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    /// What to measure
    name: Name,
    /// Ends with one line of JSON for each figure
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Events a second from the ingest stream to the last committed activation, embedded stores
    Pipeline,
    /// Milliseconds from a sent event to its committed journey transition, at low load
    Latency,
    /// Everything
    All,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match measure(cli.name).await {
        Ok(measured) => show(&measured, cli.json),
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn measure(name: Name) -> Result<Vec<Measured>, Failure> {
    let mut measured = Vec::new();
    if matches!(name, Name::Pipeline | Name::All) {
        measured.push(Box::pin(pipeline::measure()).await?);
    }
    if matches!(name, Name::Latency | Name::All) {
        measured.push(Box::pin(latency::measure()).await?);
    }
    Ok(measured)
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn show(measured: &[Measured], json: bool) -> ExitCode {
    for one in measured {
        println!("{one}");
    }
    if json {
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
    ExitCode::SUCCESS
}

#[expect(
    clippy::print_stderr,
    reason = "errors of a command line are for people"
)]
fn say_error(text: &str) {
    eprintln!("error: {text}");
}

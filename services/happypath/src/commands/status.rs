//! `happypath status`: whether all is well, and what to do where it is not.
//!
//! It asks every process that it is told of, and reports those that do not answer like any other
//! trouble.

pub(super) mod report;
mod show;
pub(super) mod verdict;

use std::io::IsTerminal as _;
use std::time::Duration;

use crate::client::Connection;
use crate::failure::Failure;
use crate::output::{Format, print, print_json};
use report::Report;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Shows it again and again, until Ctrl+C
    #[arg(long)]
    watch: bool,
    /// The pause of `--watch` between two looks
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = interval)]
    interval: Duration,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// The codes by which a terminal forgets what it shows, and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Shows how everything is doing, once or until it is told to end.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    loop {
        let report = Report::ask(&args.connection).await;
        let problems = verdict::problems(&report);
        if args.format.json {
            let json = show::json(&report, &problems)?;
            if !args.watch {
                return print_json(&json);
            }
            // One line each time, so that a program can read it while this goes on.
            print(&json.to_string())?;
        } else {
            if args.watch && std::io::stdout().is_terminal() {
                print(CLEAR)?;
            }
            show::text(&report, &problems)?;
        }
        if !args.watch {
            return Ok(());
        }
        tokio::time::sleep(args.interval).await;
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    text.parse::<kernel::Duration>()
        .ok()
        .and_then(|interval| u64::try_from(interval.as_millis()).ok())
        .filter(|millis| (100..=3_600_000).contains(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a duration from 100ms to 1h, such as 2s".to_owned())
}

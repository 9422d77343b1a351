//! `happypath changes`: what changed for customers, as it happens or from where somebody left off.

mod line;
mod watch;

use proto::gateway::v1::GetChangeLogRequest;

use self::watch::WatchArgs;
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print_json};
use crate::when::when;

/// Seconds of an hour and of a day.
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Arguments of `changes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints changes as they come, each on a line, until Ctrl+C
    Watch(Box<WatchArgs>),
    /// Shows how far the log of changes goes
    Status(Box<StatusArgs>),
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

impl Args {
    /// The address to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        match &self.command {
            Command::Watch(args) => &args.connection,
            Command::Status(args) => &args.connection,
        }
    }
}

/// Does what the command says.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Watch(args) => watch::run(*args).await,
        Command::Status(args) => status(*args).await,
    }
}

async fn status(args: StatusArgs) -> Result<(), Failure> {
    let mut client = args.connection.changes()?;
    let answer = client.get_change_log(ask(GetChangeLogRequest {})).await?;
    let answer = answer.into_inner();
    if args.format.json {
        return print_json(&json_of(&answer)?);
    }
    let seconds = answer.retention.map_or(0, |kept| kept.seconds);
    let mut rows = Rows::new(&["log of changes", ""]);
    rows.row(["kept for".to_owned(), kept(seconds)]);
    rows.row(["changes".to_owned(), answer.change_count.to_string()]);
    rows.row(["oldest".to_owned(), when(answer.oldest_time.as_ref())]);
    rows.row(["begins at".to_owned(), answer.oldest_position]);
    rows.row(["ends at".to_owned(), answer.newest_position]);
    rows.print_or("")
}

/// A time that changes are kept for, in the largest unit that it is whole in.
fn kept(seconds: i64) -> String {
    match seconds {
        0 => "no time: change_retention is off".to_owned(),
        _ if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ if seconds % HOUR == 0 => format!("{}h", seconds / HOUR),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_told_in_the_unit_that_it_was_set_in() {
        for (seconds, expected) in [
            (0, "no time: change_retention is off"),
            (7 * DAY, "7d"),
            (36 * HOUR, "36h"),
            (90 * 60, "5400s"),
        ] {
            assert_eq!(kept(seconds), expected);
        }
    }
}

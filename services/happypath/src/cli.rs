//! The command line: which commands there are, and what runs them.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use runtime::{ConfigFaults, Environment, StartError};

use crate::client::Connection;
use crate::commands;
use crate::failure::{EXIT_CODES, Failure};
use crate::output::remark;

/// Knows where every customer is on their journey, and brings back the ones who leave the happy
/// path.
#[derive(Debug, Parser)]
#[command(name = "happypath", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs all services in this process, with their stores in one folder
    Dev(commands::dev::Args),
    /// Plays a year of real customers through all services and shows what there is to see
    Demo(commands::demo::Args),
    /// Creates or updates definitions from YAML or JSON files, all or none
    Apply(commands::apply::Args),
    /// Shows definitions
    Get(commands::get::Args),
    /// Shows what `apply` would change
    Diff(commands::diff::Args),
    /// Deletes a definition
    Delete(commands::delete::Args),
    /// Sends events from CSV, JSON or Parquet files; may be repeated safely
    Import(Box<commands::import::Args>),
    /// Sends one event and shows the customer that it belongs to
    Track(commands::track::Args),
    /// Shows a customer: profile, segments, runs, consents, activations, timeline
    Customer(commands::customer::Args),
    /// Shows the events of a customer or a partition, from the event log of a deployment that keeps
    /// one
    Events(commands::events::Args),
    /// Tells why a customer is in segments or not, and why journeys did what they did
    Explain(commands::explain::Args),
    /// Shows how runs flow through a journey
    Flow(commands::flow::Args),
    /// Shows how customers flow through the stages of a map
    Map(commands::map::Args),
    /// Shows how many follow a happy path, and where and how the others leave it
    HappyPath(commands::happy_path::Args),
    /// Shows the segments with their sizes
    Segments(commands::segments::Args),
    /// Shows activations by outcome
    Activations(commands::activations::Args),
    /// Shows whether all is well: partitions, owners, lag, quarantine, and what to do
    Status(commands::status::Args),
    /// Checks a deployment from outside: processes, clocks, certificates, partitions, stores; and
    /// says what to do
    Doctor(commands::doctor::Args),
    /// Shows partitions with owner and lag
    Partitions(commands::partitions::Args),
    /// Shows records that could not be processed, and retries or discards them
    Quarantine(commands::quarantine::Args),
    /// Shows events of sources that could not be taken, and replays or discards them
    DeadLetters(commands::dead_letters::Args),
    /// Shows what would come of a post of a webhook, and the presets of known senders
    Sources(commands::sources::Args),
    /// Prints what changes for customers as it happens, and shows how far the log of changes goes
    Changes(commands::changes::Args),
    /// Shows how far receivers of changes are, and has one that is stopped go on
    Subscriptions(commands::subscriptions::Args),
    /// Finds, joins, takes apart, explains, erases, exports customers, and tries policies on events
    Identity(commands::identity::Args),
    /// Accounts, who belongs to them, and buying groups: shows, makes, joins, takes apart, exports
    Accounts(commands::accounts::Args),
    /// Shows, exports and verifies the audit log: who changed what, and who read whose data
    Audit(commands::audit::Args),
    /// Makes and rotates the keys that seal the secrets of channels, sources and subscriptions
    Secrets(commands::secrets::Args),
    /// Brings the tables of the database up to date, or tells what is lacking (--check)
    Migrate(commands::migrate::Args),
    /// Restores the hot store from the journal, after it lost some or all it had
    Rebuild(commands::rebuild::Args),
    /// Creates, lists, rotates and revokes API keys
    Keys(commands::keys::Args),
    /// Keeps an address and a credential as a context, once they are known to work
    Login(commands::login::Args),
    /// Shows the contexts, and chooses one
    Contexts(commands::contexts::Args),
    /// Prints the completions of a shell
    Completions(commands::completions::Args),
}

impl Command {
    /// Where a command asks; none for those that bring their own services, or need none.
    const fn connection(&self) -> Option<&Connection> {
        Some(match self {
            Self::Dev(_)
            | Self::Demo(_)
            | Self::Migrate(_)
            | Self::Rebuild(_)
            | Self::Contexts(_)
            | Self::Completions(_) => return None,
            Self::Keys(args) => return args.connection(),
            Self::Identity(args) => return args.connection(),
            Self::Accounts(args) => args.connection(),
            Self::Login(args) => &args.connection,
            Self::Apply(args) => &args.connection,
            Self::Get(args) => &args.connection,
            Self::Diff(args) => &args.connection,
            Self::Delete(args) => &args.connection,
            Self::Import(args) => &args.connection,
            Self::Track(args) => &args.connection,
            Self::Customer(args) => &args.connection,
            Self::Events(args) => &args.connection,
            Self::Explain(args) => &args.connection,
            Self::Flow(args) => &args.connection,
            Self::Map(args) => &args.connection,
            Self::HappyPath(args) => &args.connection,
            Self::Segments(args) => &args.connection,
            Self::Activations(args) => args.connection(),
            Self::Status(args) => &args.connection,
            Self::Doctor(args) => &args.connection,
            Self::Partitions(args) => &args.connection,
            Self::Quarantine(args) => args.connection(),
            Self::DeadLetters(args) => args.connection(),
            Self::Sources(args) => return args.connection(),
            Self::Changes(args) => args.connection(),
            Self::Subscriptions(args) => args.connection(),
            Self::Audit(args) => return args.connection(),
            Self::Secrets(args) => return args.connection(),
        })
    }
}

impl Command {
    /// Reads the environment and the context, before anything is asked.
    fn settle(&self) -> Result<(), Failure> {
        let faults = Environment::of_process().faults();
        // Commands that read a configuration tell these with its other faults.
        if !matches!(self, Self::Dev(_) | Self::Rebuild(_)) && !faults.is_empty() {
            return Err(StartError::from(ConfigFaults(faults)).into());
        }
        match (self, self.connection()) {
            // It makes the context that it uses.
            (Self::Login(_), _) | (_, None) => Ok(()),
            (_, Some(connection)) => connection.settle(),
        }
    }
}

/// Runs a command line: the whole of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_all(&arguments.into_iter().collect::<Vec<_>>())
}

/// Runs the command. It has no parameter of a type, so that it is compiled here, once.
fn run_all(arguments: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that went away while help was printed is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Err(failure) = cli.command.settle() {
        remark(&format!("error: {failure}"));
        return failure.exit_code();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            remark(&format!("error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let addresses = cli.command.connection().map(Connection::addresses);
    match runtime.block_on(Box::pin(execute(cli.command))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = match &addresses {
                Some(addresses) => failure.with_addresses(addresses),
                None => failure,
            };
            remark(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        // One worker could wait for itself when the last traces are sent.
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().max(2)))
        .enable_all()
        .build()
}

async fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => commands::dev::run(args).await,
        Command::Demo(args) => Box::pin(commands::demo::run(args)).await,
        Command::Apply(args) => commands::apply::run(args).await,
        Command::Get(args) => commands::get::run(args).await,
        Command::Diff(args) => commands::diff::run(args).await,
        Command::Delete(args) => commands::delete::run(args).await,
        Command::Import(args) => commands::import::run(*args).await,
        Command::Track(args) => commands::track::run(args).await,
        Command::Customer(args) => commands::customer::run(args).await,
        Command::Events(args) => commands::events::run(args).await,
        Command::Explain(args) => commands::explain::run(args).await,
        Command::Flow(args) => commands::flow::run(args).await,
        Command::Map(args) => commands::map::run(args).await,
        Command::HappyPath(args) => commands::happy_path::run(args).await,
        Command::Segments(args) => commands::segments::run(args).await,
        Command::Activations(args) => commands::activations::run(args).await,
        Command::Status(args) => commands::status::run(args).await,
        Command::Doctor(args) => Box::pin(commands::doctor::run(args)).await,
        Command::Partitions(args) => commands::partitions::run(args).await,
        Command::Quarantine(args) => commands::quarantine::run(args).await,
        Command::DeadLetters(args) => commands::dead_letters::run(args).await,
        Command::Sources(args) => commands::sources::run(args).await,
        Command::Changes(args) => commands::changes::run(args).await,
        Command::Identity(args) => commands::identity::run(args).await,
        Command::Accounts(args) => commands::accounts::run(args).await,
        Command::Subscriptions(args) => commands::subscriptions::run(args).await,
        Command::Audit(args) => commands::audit::run(args).await,
        Command::Secrets(args) => commands::secrets::run(args).await,
        Command::Migrate(args) => Box::pin(commands::migrate::run(args)).await,
        Command::Rebuild(args) => Box::pin(commands::rebuild::run(args)).await,
        Command::Keys(args) => commands::keys::run(args).await,
        Command::Login(args) => commands::login::run(args).await,
        Command::Contexts(args) => commands::contexts::run(&args),
        Command::Completions(args) => commands::completions::run::<Cli>(&args),
    }
}

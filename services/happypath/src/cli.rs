//! The command line: which commands there are, and what runs them.

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
    Import(commands::import::Args),
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
        Command::Import(args) => commands::import::run(args).await,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn command_lines_are_read() {
        for line in [
            "dev --folder x --listen 127.0.0.1:0 --clock stream --partitions 4",
            "dev --check-config --hot-store redis://h --identity-address http://i:7401",
            "demo --folder x --report y.html --json",
            "apply -f a.yaml -f b --validate-only",
            "apply -f a.yaml --if-match 3-ab12",
            "apply -f a --if-match segment/loyal=3-ab12 --if-match journey/welcome=0",
            "get segments",
            "get journey welcome -o json",
            "diff -f demo",
            "delete segment loyal",
            "delete segment loyal --if-match 3-ab12",
            "import a.csv b.jsonl.gz --lane live --on-error continue --batch 100",
            "import a.csv --time-column at --customer-column user_id=household --event-name purchase",
            "track purchase --id user_id=u1 --id email=a@b.c --property value=3 --trait plan=pro",
            "customer user_id:u1 --json",
            "events --customer user_id:u1 --from 2017-01-01 --to 2017-02-01T06:00:00Z --limit 5 --json",
            "events --partition 3",
            "explain user_id:u1",
            "explain user_id:u1 --segment buyers --segment loyal",
            "customer user_id:u1 --after AQAAEAAA",
            "explain user_id:u1 --after AQAAEAAA",
            "flow welcome --version 2",
            "activations stats --journey welcome",
            "status",
            "status --watch --interval 500ms --json",
            "quarantine journey list",
            "quarantine journey list --partition 3 --customer c --reason brittle --limit 5 --json",
            "quarantine journey show 0-12-0 --bytes",
            "quarantine activation retry 0-12-0 3-7-1",
            "quarantine activation retry --all --partition 3 --reason brittle",
            "quarantine segmentation discard 0-12-0 --because test",
            "quarantine segmentation discard --all --because test",
            "get",
            "get sources --gateway-address http://g:7405",
            "dead-letters list",
            "dead-letters list --source web_shop --reason no-identifier --from 2026-01-01 --limit 5 --json",
            "dead-letters show 0192f0c1-2f3a-7000-8000-000000000000",
            "dead-letters replay a b",
            "dead-letters replay --all --source web_shop --to 2026-01-01",
            "dead-letters replay a --payload event.json --json",
            "dead-letters discard --all",
            "identity resolve user_id:u1 email:a@b.c --json",
            "identity explain user_id:u1 --json",
            "identity history user_id:u1",
            "identity link user_id:u1 email:a@b.c --customer 0192f0c1-2f3a-7000-8000-000000000000 --reason test",
            "identity merge user_id:u1 user_id:u2 --reason test --json",
            "identity unmerge --operation 0192f0c1-2f3a-7000-8000-000000000000 --dry-run",
            "identity unmerge user_id:u1 --event e1 --reason test --json",
            "identity unmerge --identifier email:a@b.c",
            "identity unmerge user_id:u1 --fragment 0192f0c1-2f3a-7000-8000-000000000000",
            "identity simulate --policy union_all events.jsonl --json",
            "identity simulate --policy reassign_newest --namespaces a.yaml -",
            "changes watch",
            "changes watch --kind merge --kind membership --segment loyal --journey a --map b --channel c --customer user_id:u1",
            "changes watch --from abc --limit 5 --json",
            "changes watch --from-start",
            "changes status --json",
            "subscriptions list --json",
            "subscriptions resume warehouse",
            "subscriptions resume warehouse --from start --json",
            "audit list",
            "audit list --customer user_id:u1 --caller ann --action identity.get_customer --from 2026-01-01 --limit 5 --json",
            "audit export -o log.jsonl --to 2026-01-01 --service activation",
            "audit verify --heads old --save-heads new --json",
            "audit verify --file log.jsonl",
            "audit forget user_id:u1",
            "secrets generate-key 2026-11",
            "secrets rotate --json",
            "rebuild --hot-store redis://h --database postgres://d/n --partitions 8 --partition 1 --partition 3 --json",
            "migrate --database postgres://d/n --installation shop --hot-store redis://h --check --json",
            "completions bash",
            "keys create shop --scope events:write --scope customers:read --expires 90d --json",
            "keys create shop --source web_shop",
            "keys create shop --source web_shop --scope events:write",
            "keys list --context prod",
            "keys rotate 0123456789abcdef --overlap 1h",
            "keys revoke 0123456789abcdef",
            "keys bootstrap",
            "keys bootstrap ops --database postgres://d/n --installation shop",
            "keys make shop --scope events:write",
            "keys make shop --source web_shop",
            "login prod --address https://h:7400 --key-file k --tls-ca ca.pem",
            "login prod --address https://h --client-certificate c --client-key k --certificate-only",
            "contexts",
            "contexts use prod",
            "contexts remove prod",
        ] {
            let words = std::iter::once("happypath").chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn command_lines_that_say_nothing_are_refused() {
        for line in [
            "",
            "apply",
            "track",
            "import",
            "import a --batch 0",
            "import a --lane fast",
            "status --interval 1ms",
            "events",
            "explain a --segment loyal --expression true",
            "events --customer a --partition 1",
            "events --customer a --from yesterday",
            "keys",
            "keys create shop",
            "login",
            "login prod --certificate-only",
            "segments --client-certificate c",
            "quarantine",
            "quarantine identity list",
            "quarantine journey",
            "quarantine journey retry",
            "quarantine journey retry 0-12-0 --all",
            "quarantine journey retry 0-12-0 --reason x",
            "quarantine journey discard 0-12-0",
            "identity",
            "identity simulate a.jsonl",
            "identity simulate --policy x a.jsonl",
            "identity unmerge user_id:u1",
            "identity merge user_id:u1",
            "changes",
            "changes watch --kind x",
            "changes watch --from a --from-start",
            "changes watch --limit 0",
            "subscriptions",
            "subscriptions resume",
            "dead-letters replay",
            "dead-letters discard",
            "dead-letters discard a --all",
            "dead-letters replay a --source b",
            "dead-letters replay --all --payload x",
            "audit",
            "audit forget",
            "audit list --service gateway",
            "secrets generate-key a.b",
        ] {
            let words = std::iter::once("happypath").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}

//! `happypath secrets`: the keys that seal the secrets of channels, sources and subscriptions.

use proto::definition::v1::RotateSecretsRequest;
use vault::{KeyId, generate_line};

use crate::client::{Connection, ServiceName, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, json_of, print, print_json};

/// Arguments of `secrets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints a new key, as a line for the file of `secret_keys`; the last line of the file seals
    GenerateKey(GenerateArgs),
    /// Has the newest key seal all stored secrets, also those that were stored without one
    Rotate(Box<RotateArgs>),
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    /// The name of the key, which no other key of the file has, such as a month
    #[arg(value_parser = read_id)]
    name: KeyId,
}

#[derive(Debug, clap::Args)]
struct RotateArgs {
    /// Counts the secrets and changes nothing
    #[arg(long)]
    validate_only: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

impl Args {
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        match &self.command {
            Command::GenerateKey(_) => None,
            Command::Rotate(args) => Some(&args.connection),
        }
    }
}

fn read_id(text: &str) -> Result<KeyId, String> {
    text.parse()
        .map_err(|error: vault::ParseKeyIdError| error.to_string())
}

/// Does what is asked for.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::GenerateKey(args) => {
            let line = generate_line(&args.name);
            print(&line.map_err(|error| Failure::failed(error.to_string()))?)
        }
        Command::Rotate(args) => rotate(*args).await,
    }
}

async fn rotate(args: RotateArgs) -> Result<(), Failure> {
    let request = RotateSecretsRequest {
        request_id: request_id(),
        validate_only: args.validate_only,
    };
    // A gateway asks activation too.
    let service = match args.connection.has_address(ServiceName::Gateway) {
        true => ServiceName::Gateway,
        false => ServiceName::Activation,
    };
    let mut client = args.connection.definitions(service)?;
    let answer = client.rotate_secrets(ask(request)).await?.into_inner();
    if args.format.json {
        return print_json(&json_of(&answer)?);
    }
    let verb = if args.validate_only {
        "would seal"
    } else {
        "seals"
    };
    print(&format!(
        "The key {} {verb} all secrets: {} had another key, {} none, and {} had it before.",
        answer.key_id, answer.rewrapped_count, answer.sealed_count, answer.unchanged_count
    ))
}

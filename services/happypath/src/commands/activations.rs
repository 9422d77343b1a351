//! `happypath activations`: what became of messages and actions.

use proto::activation::v1::{ActivationStatus, GetStatisticsRequest, GetStatisticsResponse};

use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print_json};

/// Arguments of `activations`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Counts activations by outcome and reason
    Stats(StatsArgs),
}

#[derive(Debug, clap::Args)]
struct StatsArgs {
    /// Only this journey
    #[arg(long, default_value = "", hide_default_value = true)]
    journey: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

impl Args {
    /// Where to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        let Command::Stats(args) = &self.command;
        &args.connection
    }
}

/// Shows the statistics.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Command::Stats(args) = args.command;
    let mut request = GetStatisticsRequest {
        journey: args.journey,
        ..GetStatisticsRequest::default()
    };
    let mut client = args.connection.activation()?;
    let mut answer = GetStatisticsResponse::default();
    loop {
        let page = client.get_statistics(ask(request.clone())).await?;
        let page = page.into_inner();
        answer.counts.extend(page.counts);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if args.format.json {
        return print_json(&json_of(&answer)?);
    }
    let mut rows = Rows::new(&["journey", "channel", "outcome", "reason", "#count"]);
    for count in &answer.counts {
        rows.row([
            count.journey.clone(),
            count.channel.clone(),
            outcome(count.status()).to_owned(),
            count.reason.clone(),
            count.count.to_string(),
        ]);
    }
    rows.print_or("Nothing was to be sent yet.")
}

fn outcome(status: ActivationStatus) -> &'static str {
    match status {
        ActivationStatus::Unspecified => "unknown",
        ActivationStatus::Pending => "pending",
        ActivationStatus::Delivered => "delivered",
        ActivationStatus::Suppressed => "not sent",
        ActivationStatus::Failed => "failed",
    }
}

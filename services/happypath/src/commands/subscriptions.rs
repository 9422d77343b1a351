//! `happypath subscriptions`: how far receivers of changes are, and orders to go on.

use proto::gateway::v1::resume_subscription_request::From;
use proto::gateway::v1::{
    ListSubscriptionsRequest, ResumeSubscriptionRequest, SubscriptionState, SubscriptionStatus,
};
use serde_json::{Value, json};

use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `subscriptions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A subscription that is stopped or out of range posts nothing until it is resumed. Out of range: what it had still to get is
older than the log, so say from where it goes on, and read the state of what its receiver keeps anew.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists subscriptions with their states and how far each is
    List(ListArgs),
    /// Has one go on: at once where it waits after a failure, or from another position
    Resume(ResumeArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ResumeArgs {
    /// The subscription
    name: String,
    /// From where: `start` (the oldest change that is kept), `now`, or a position; left out, from
    /// where it is
    #[arg(long, value_name = "start|now|POSITION")]
    from: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// The address to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        let common = match &self.command {
            Command::List(args) => &args.common,
            Command::Resume(args) => &args.common,
        };
        &common.connection
    }
}

/// Does what the command says.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Resume(args) => resume(args).await,
    }
}

/// Asks for all subscriptions, by name.
pub(super) async fn all(connection: &Connection) -> Result<Vec<SubscriptionStatus>, Failure> {
    let mut client = connection.changes()?;
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSubscriptionsRequest {
            page_size: 0,
            page_token,
        };
        let page = client.list_subscriptions(ask(request)).await?.into_inner();
        all.extend(page.subscriptions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let all = all(&args.common.connection).await?;
    if args.common.format.json {
        let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
        return print_json(&json!({ "subscriptions": all? }));
    }
    let mut rows = Rows::new(&[
        "subscription",
        "state",
        "#lag",
        "#failed",
        "next attempt",
        "last success",
        "last error",
    ]);
    for one in &all {
        rows.row([
            one.name.clone(),
            state_word(one.state()).to_owned(),
            one.lag.to_string(),
            one.failed_attempts.to_string(),
            when(one.next_attempt_time.as_ref()),
            when(one.last_success_time.as_ref()),
            visible(&one.last_error),
        ]);
    }
    rows.print_or("There are no subscriptions: `happypath apply` makes one of a definition.")
}

async fn resume(args: ResumeArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.changes()?;
    let request = ResumeSubscriptionRequest {
        request_id: request_id(),
        name: args.name,
        from: args.from.map(|from| match from.as_str() {
            "start" => From::Start(true),
            "now" => From::Now(true),
            _ => From::Position(from),
        }),
    };
    let answer = client.resume_subscription(ask(request)).await?;
    let status = answer.into_inner().subscription.unwrap_or_default();
    if args.common.format.json {
        return print_json(&json_of(&status)?);
    }
    let (name, lag) = (&status.name, status.lag);
    let word = state_word(status.state());
    print(&format!(
        "{name} goes on ({word}): batches of the log to look through: {lag}."
    ))
}

/// A state for people.
pub(super) const fn state_word(state: SubscriptionState) -> &'static str {
    match state {
        SubscriptionState::Unspecified => "unknown",
        SubscriptionState::Active => "active",
        SubscriptionState::Paused => "paused",
        SubscriptionState::Retrying => "retrying",
        SubscriptionState::Stopped => "stopped",
        SubscriptionState::OutOfRange => "out of range",
    }
}

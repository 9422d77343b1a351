//! `happypath audit`: who changed what, and who read whose data.

mod export;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod item;
mod prune;
mod verify;

use kernel::to_hex;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{Entry, EntryFilter, ForgetSubjectsRequest, ListEntriesRequest};
use rpc::PeerChannel;
use serde_json::{Value, json};

use crate::account_key::find_account;
use crate::client::{Connection, ServiceName, ask, request_id};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::{time_of_flag, when};

/// Entries asked for at once.
const PAGE_SIZE: u32 = 1_000;
/// Hexadecimal digits of the name of a customer that a table shows: enough to tell some apart.
const SHOWN_DIGITS: usize = 12;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists entries, oldest first
    List(ListArgs),
    /// Writes the log as JSON Lines, which `verify` reads
    Export(export::Args),
    /// Finds entries that were changed, removed, moved or put in
    Verify(verify::Args),
    /// Destroys the key by which entries name a customer, for their erasure; it cannot be undone
    Forget(ForgetArgs),
    /// Removes old entries; the log says so, and what is left can still be verified
    Prune(prune::Args),
}

impl Args {
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        match &self.command {
            Command::List(args) => Some(&args.place.connection),
            Command::Export(args) => Some(&args.place.connection),
            Command::Verify(args) => Some(&args.place.connection),
            Command::Forget(args) => Some(&args.place.connection),
            Command::Prune(args) => Some(&args.place.connection),
        }
    }
}

/// The log that is meant: that of the database of a service.
#[derive(Debug, clap::Args)]
struct Place {
    /// The service whose database is meant; those that share one have one log
    #[arg(long, default_value = "identity", value_parser = ["identity", "segmentation", "journey", "activation"])]
    service: String,
    #[command(flatten)]
    connection: Connection,
}

impl Place {
    fn client(&self) -> Result<AuditServiceClient<PeerChannel>, Failure> {
        let service = ServiceName::from_name(&self.service);
        let service = service.ok_or_else(|| Failure::mistake("there is no such service"))?;
        self.connection.audit(service)
    }
}

/// The entries that are meant.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// From this time on: RFC 3339, or a date in UTC
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    from: Option<prost_types::Timestamp>,
    /// Until before this time
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    to: Option<prost_types::Timestamp>,
    /// About this customer or account: an id, or an identifier such as user_id:u1 or account:acme
    #[arg(long)]
    customer: Option<String>,
    /// By this caller, by id
    #[arg(long, default_value = "", hide_default_value = true)]
    caller: String,
    /// Of this action, such as identity.get_customer
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
}

impl Chosen {
    /// Makes a filter; a customer or account is looked up for the ids of all of its fragments.
    async fn filter(&self, connection: &Connection) -> Result<EntryFilter, Failure> {
        let customer_ids = match &self.customer {
            None => Vec::new(),
            Some(subject) => fragments(connection, subject).await?,
        };
        Ok(EntryFilter {
            start_time: self.from,
            end_time: self.to,
            customer_ids,
            caller_id: self.caller.clone(),
            action: self.action.clone(),
        })
    }
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// The most to show
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct ForgetArgs {
    /// The customer or account: an id, or an identifier such as user_id:u1 or account:acme
    customer: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

/// Does what is asked for.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Forget(args) => forget(args).await,
        Command::Prune(args) => prune::run(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut client = args.place.client()?;
    let mut request = ListEntriesRequest {
        filter: Some(args.chosen.filter(&args.place.connection).await?),
        page_size: PAGE_SIZE.min(args.limit),
        page_token: String::new(),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let has_more = loop {
        let page = client
            .list_entries(ask(request.clone()))
            .await?
            .into_inner();
        entries.extend(page.entries);
        if entries.len() >= limit || page.next_page_token.is_empty() {
            break entries.len() > limit || !page.next_page_token.is_empty();
        }
        request.page_token = page.next_page_token;
    };
    entries.truncate(limit);
    if args.format.json {
        let entries: Result<Vec<Value>, Failure> = entries.iter().map(json_of).collect();
        return print_json(&json!({ "entries": entries?, "more": has_more }));
    }
    show(&entries)?;
    if has_more {
        print("There are more: narrow --from and --to, or raise --limit.")
    } else {
        Ok(())
    }
}

fn show(entries: &[Entry]) -> Result<(), Failure> {
    let headings = [
        "time", "caller", "from", "action", "what", "customer", "outcome",
    ];
    let mut rows = Rows::new(&headings);
    for entry in entries {
        let mut customer = to_hex(&entry.subject);
        customer.truncate(SHOWN_DIGITS);
        rows.row([
            when(entry.time.as_ref()),
            format!("{}:{}", entry.caller_kind, entry.caller_id),
            entry.address.clone(),
            entry.action.clone(),
            entry.object.clone(),
            customer,
            entry.outcome.clone(),
        ]);
    }
    rows.print_or("There is no such entry in the log.")
}

async fn forget(args: ForgetArgs) -> Result<(), Failure> {
    let request = ForgetSubjectsRequest {
        request_id: request_id(),
        customer_ids: fragments(&args.place.connection, &args.customer).await?,
    };
    let answer = args.place.client()?.forget_subjects(ask(request)).await?;
    let answer = answer.into_inner();
    if args.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(match answer.forgotten_count {
        0 => "The log has no key of this customer or account: no entry names it.",
        _ => "Nobody can tell any more which entries are about this customer or account.",
    })
}

/// Returns the ids of all fragments of a customer, or of an account where there is none.
async fn fragments(connection: &Connection, text: &str) -> Result<Vec<String>, Failure> {
    let no_customer = match find_customer(connection, text, "").await {
        Ok(customer) => return Ok(customer.fragment_ids),
        Err(failure) => failure,
    };
    match find_account(connection, text).await {
        Ok(account) => Ok(account.fragment_ids),
        // Whoever has such identifiers says that there is none.
        Err(no_account) if no_account.is_missing() => Err(no_account),
        Err(_) => Err(no_customer),
    }
}

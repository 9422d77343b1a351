//! `happypath identity erase`: a customer or an account, for good.

use kernel::CustomerId;
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::{EraseRequest, Erasure, ErasureMode, ErasureState};

use super::Common;
use crate::client::{ask, request_id};
use crate::customer_key::parse;
use crate::failure::Failure;
use crate::output::{Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `identity erase`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Erases the customers and accounts that are named, with all that was ever joined into them, from every service, store, stream,
log and cache. Keyed hashes of the identifiers stay, so that replayed events and restored backups do not bring them back. With an
account go its memberships and buying groups; its members stay. There is no way back.
`happypath identity erasures ID` tells how far it is.")]
pub(super) struct Args {
    /// Ids, or identifiers such as user_id:u1 or account:a1; one that nobody has is held against
    /// later events too
    #[arg(required = true)]
    customers: Vec<String>,
    /// Shows whom and what it would erase, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Suppresses the identifiers too, as `identity suppress` does; otherwise who comes back is
    /// somebody new
    #[arg(long)]
    suppress: bool,
    /// Writes logs, journals and snapshots again at once
    #[arg(long)]
    urgent: bool,
    /// The reason, for the record: such as the number of a request, and no personal data
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Names the request, so that it can be repeated; drawn where absent
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Erases.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (mut customer_ids, mut identifiers) = (Vec::new(), Vec::new());
    for text in &args.customers {
        match parse(text)? {
            Key::CustomerId(id) => customer_ids.push(id),
            Key::Identifier(identifier) => identifiers.push(identifier),
        }
    }
    let mode = match args.suppress {
        true => ErasureMode::Suppress,
        false => ErasureMode::Fresh,
    };
    let request = EraseRequest {
        request_id: args.request_id.unwrap_or_else(request_id),
        customer_ids,
        identifiers,
        mode: mode.into(),
        dry_run: args.dry_run,
        urgent: args.urgent,
        reason: args.reason,
    };
    let mut client = args.common.connection.erasures()?;
    let answer = client.erase(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let erasure = answer.erasure.unwrap_or_default();
    show(&erasure)?;
    print(match args.dry_run {
        true => "Nothing was changed.",
        false => "The identifiers name nobody from now on.",
    })
}

/// Prints an erasure.
pub(super) fn show(erasure: &Erasure) -> Result<(), Failure> {
    let mut rows = Rows::new(&["erasure", ""]);
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            rows.row([name.to_owned(), text]);
        }
    };
    row("operation", erasure.operation_id.clone());
    row("state", state(erasure));
    let (accounts, customers): (Vec<&str>, Vec<&str>) = erasure
        .customer_ids
        .iter()
        .map(String::as_str)
        .partition(|id| is_account(id));
    row("customers", customers.join(" "));
    row("accounts", accounts.join(" "));
    row("named and found", erasure.found_count.to_string());
    row("named and not found", erasure.not_found_count.to_string());
    row("fragments", erasure.fragment_count.to_string());
    row("identifiers", erasure.identifier_count.to_string());
    let events = erasure.event_count.map(|count| count.to_string());
    row("events", events.unwrap_or_default());
    let counted = |count: u32| match count {
        0 => String::new(),
        count => count.to_string(),
    };
    row("memberships that go", counted(erasure.membership_count));
    row("buying groups that go", counted(erasure.buying_group_count));
    row("events until then go", when(erasure.erase_time.as_ref()));
    row("done by", when(erasure.deadline.as_ref()));
    row("why", visible(&erasure.reason));
    rows.print_or("")?;
    let mut steps = Rows::new(&["store", "clean", "waits for"]);
    for step in &erasure.steps {
        let clean = if step.done { "yes" } else { "not yet" };
        steps.row([step.name.clone(), clean.to_owned(), visible(&step.detail)]);
    }
    steps.print_titled("Stores")
}

/// Returns whether an id is that of an account.
fn is_account(id: &str) -> bool {
    id.parse::<CustomerId>().is_ok_and(CustomerId::is_account)
}

/// The state of an erasure, in a word; empty for a dry run.
pub(super) fn state(erasure: &Erasure) -> String {
    match erasure.state() {
        ErasureState::Unspecified => "",
        ErasureState::Running => "running",
        ErasureState::Done => "done",
        ErasureState::Overdue => "overdue",
    }
    .to_owned()
}

//! `happypath identity unmerge`: a customer that is several people.

use proto::identity::v1::unmerge_customers_request::By;
use proto::identity::v1::{Identifier, UnmergeCustomersRequest, UnmergeCustomersResponse};

use super::explain::show_evidence;
use super::{Common, identifier, show_customers};
use crate::client::{ask, request_id};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::output::{json_of, print, print_json, visible};

/// Arguments of `identity unmerge`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("by").required(true))]
pub(super) struct Args {
    /// An id, or an identifier such as user_id:u1; not needed with --operation or --identifier
    customer: Option<String>,
    /// An operation, as `history` names it: those whom it joined come apart
    #[arg(long, value_name = "ID", group = "by")]
    operation: Option<String>,
    /// A fragment, which becomes a customer again
    #[arg(long, value_name = "ID", group = "by")]
    fragment: Option<String>,
    /// An identifier, which leaves with its fragment; where it shares that with others, alone
    #[arg(long, value_name = "NAMESPACE:VALUE", group = "by", value_parser = identifier)]
    identifier: Option<Identifier>,
    /// The evidence of an event, by its id
    #[arg(long, value_name = "ID", group = "by", requires = "customer")]
    event: Option<String>,
    /// Shows what would come apart, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// The reason, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Takes apart.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let customer_id = match &args.customer {
        Some(text) => find_customer(connection, text, "").await?.customer_id,
        None => String::new(),
    };
    let by = args.operation.map(By::OperationId);
    let by = by.or(args.fragment.map(By::FragmentId));
    let by = by.or(args.identifier.map(By::Identifier));
    let by = by.or(args.event.map(By::EventId));
    let request = UnmergeCustomersRequest {
        request_id: request_id(),
        customer_id,
        dry_run: args.dry_run,
        reason: args.reason,
        by,
    };
    let mut client = connection.resolution()?;
    let answer = client.unmerge_customers(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    show(&answer, args.dry_run)
}

fn show(answer: &UnmergeCustomersResponse, is_dry_run: bool) -> Result<(), Failure> {
    if answer.customers.len() < 2 {
        print("Nothing comes apart: other evidence holds it together.")?;
        return show_evidence(&answer.remaining_evidence);
    }
    print(match is_dry_run {
        true => "These customers would come of it; the first keeps the id.",
        false => "These customers came of it; the first kept the id.",
    })?;
    show_customers(&answer.customers)?;
    for sentence in &answer.indivisible {
        print(&visible(sentence))?;
    }
    match is_dry_run {
        true => print("Nothing was changed."),
        false => print(&format!("Operation {}", answer.operation_id)),
    }
}

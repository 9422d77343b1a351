//! `happypath identity link`: identifiers of one person.

use proto::identity::v1::{Identifier, LinkRequest};

use super::{Common, identifier, show_joined};
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};

/// Arguments of `identity link`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Identifiers, such as user_id:u1
    #[arg(required = true, value_name = "NAMESPACE:VALUE", value_parser = identifier)]
    identifiers: Vec<Identifier>,
    /// The customer whom they are of [default: whoever holds the first of them]
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    customer: String,
    /// The reason, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Links.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let request = LinkRequest {
        request_id: request_id(),
        customer_id: args.customer,
        identifiers: args.identifiers,
        reason: args.reason,
    };
    let mut client = args.common.connection.resolution()?;
    let answer = client.link(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    if answer.operation_id.is_empty() {
        return print("They were one customer's already: nothing changed.");
    }
    show_joined(answer.customer.as_ref(), &answer.merged_customer_ids)?;
    let operation = &answer.operation_id;
    print(&format!(
        "`happypath identity unmerge --operation {operation}` takes that back."
    ))
}

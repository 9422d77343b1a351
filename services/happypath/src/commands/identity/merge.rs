//! `happypath identity merge`: customers who are one person.

use proto::identity::v1::MergeCustomersRequest;

use super::{Common, show_joined};
use crate::client::{ask, request_id};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::output::{json_of, print_json};

/// Arguments of `identity merge`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids, or identifiers such as user_id:u1: 2 to 10
    #[arg(required = true, num_args = 2..=10, value_name = "CUSTOMER")]
    customers: Vec<String>,
    /// The reason, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Merges.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let mut customer_ids = Vec::with_capacity(args.customers.len());
    for customer in &args.customers {
        customer_ids.push(find_customer(connection, customer, "").await?.customer_id);
    }
    customer_ids.sort();
    customer_ids.dedup();
    if customer_ids.len() < 2 {
        return Err(Failure::mistake(format!(
            "these are one customer already: {}",
            customer_ids.join("")
        )));
    }
    let request = MergeCustomersRequest {
        request_id: request_id(),
        customer_ids,
        reason: args.reason,
    };
    let answer = connection.identity()?.merge_customers(ask(request)).await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    show_joined(answer.customer.as_ref(), &answer.merged_customer_ids)
}

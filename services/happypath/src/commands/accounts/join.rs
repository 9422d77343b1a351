//! `happypath accounts join` and `leave`: memberships that somebody knows of.

use proto::identity::v1::get_customer_request::Key as GetKey;
use proto::identity::v1::{
    CustomerKey, EndMembershipRequest, Membership, PutMembershipRequest, customer_key,
};

use super::Common;
use crate::account_key::account_key;
use crate::client::{ask, request_id};
use crate::customer_key::parse;
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};
use crate::when::{time_of_flag, when};

/// Arguments of `accounts join`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One membership is kept for a customer, an account and a role, beside those that events and
domains say; to say it again changes it. Without --from its beginning stays as it is; --to,
--primary and --confidence are set anew. One that has ended stays, and another begins.

  happypath accounts join user_id:ada account:acme --role admin --primary")]
pub(super) struct Args {
    /// The customer: an id, or an identifier such as user_id:u1
    customer: String,
    /// The account: an id, or an identifier such as account:acme
    account: String,
    /// The role, such as admin or champion
    #[arg(long, default_value = "", hide_default_value = true)]
    role: String,
    /// This is the account that the customer belongs to in the first place
    #[arg(long)]
    primary: bool,
    /// The confidence in it, above 0 up to 1 [default: 1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    confidence: Option<f64>,
    /// From when: RFC 3339, or a date in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    from: Option<prost_types::Timestamp>,
    /// Until when [default: no end]
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    to: Option<prost_types::Timestamp>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Arguments of `accounts leave`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A later event of the customer in the account's context makes them a member again.")]
pub(super) struct LeaveArgs {
    /// The membership, as `members` and `memberships` name it
    membership: String,
    /// When it ended: RFC 3339, or a date in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    at: Option<prost_types::Timestamp>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Says that a customer is a member.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let customer = match parse(&args.customer)? {
        GetKey::CustomerId(id) => customer_key::Key::CustomerId(id),
        GetKey::Identifier(identifier) => customer_key::Key::Identifier(identifier),
    };
    let request = PutMembershipRequest {
        request_id: request_id(),
        customer: Some(CustomerKey {
            key: Some(customer),
        }),
        account: Some(account_key(&args.account)?),
        role: args.role,
        confidence: args.confidence,
        valid_from: args.from,
        valid_to: args.to,
        is_primary: args.primary,
    };
    let mut client = args.common.connection.accounts()?;
    let answer = client.put_membership(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let membership = answer.membership.unwrap_or_default();
    print(&told(&membership))?;
    let id = &membership.membership_id;
    print(&match answer.created {
        true => format!("Membership {id} is new; `happypath accounts leave {id}` ends it."),
        false => format!("Membership {id} was known."),
    })
}

/// Says that a membership ended.
pub(super) async fn leave(args: LeaveArgs) -> Result<(), Failure> {
    let request = EndMembershipRequest {
        request_id: request_id(),
        membership_id: args.membership,
        end_time: args.at,
    };
    let mut client = args.common.connection.accounts()?;
    let answer = client.end_membership(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(&told(&answer.membership.unwrap_or_default()))
}

/// A membership as a sentence.
fn told(membership: &Membership) -> String {
    let role = match membership.role.as_str() {
        "" => String::new(),
        role => format!(" as {role}"),
    };
    let until = match &membership.valid_to {
        None => String::new(),
        end => format!(" until {}", when(end.as_ref())),
    };
    let primary = match membership.is_primary {
        true => ", their primary one",
        false => "",
    };
    format!(
        "Customer {} is a member of account {}{role}{primary}, from {}{until}.",
        membership.customer_id,
        membership.account_id,
        when(membership.valid_from.as_ref())
    )
}

/// Reads a share above 0 up to 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 up to 1, such as 0.8".to_owned()),
    }
}

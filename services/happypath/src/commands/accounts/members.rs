//! `happypath accounts members` and `memberships`: who belongs to whom.

use proto::identity::v1::account_key::Key as AccountKey;
use proto::identity::v1::get_customer_request::Key as CustomerKey;
use proto::identity::v1::{
    ListMembersRequest, ListMembershipsRequest, Membership, list_members_request as of_account,
    list_memberships_request as of_customer,
};
use serde_json::{Value, json};

use super::{Common, pages, show_cut, source_word};
use crate::account_key;
use crate::client::{Connection, ask};
use crate::customer_key;
use crate::failure::Failure;
use crate::output::{Rows, json_of, print_json};
use crate::when::{time_of_flag, when};

/// Memberships that are listed, and whether there are more.
type Listed = (Vec<Membership>, bool);

/// Arguments of `accounts members`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An id, or an identifier such as account:acme
    account: String,
    /// Only members in this role
    #[arg(long, default_value = "", hide_default_value = true)]
    role: String,
    /// As of this time: RFC 3339, or a date in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    at: Option<prost_types::Timestamp>,
    /// The most to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Arguments of `accounts memberships`.
#[derive(Debug, clap::Args)]
pub(super) struct OfCustomerArgs {
    /// An id, or an identifier such as user_id:u1
    customer: String,
    /// As of this time: RFC 3339, or a date in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    at: Option<prost_types::Timestamp>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists the members of an account.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = match account_key::parse(&args.account)? {
        AccountKey::AccountId(id) => of_account::Key::AccountId(id),
        AccountKey::Identifier(identifier) => of_account::Key::Identifier(identifier),
    };
    let mut client = args.common.connection.accounts()?;
    let (all, is_cut) = pages(args.limit, async |page_size, page_token| {
        let request = ListMembersRequest {
            key: Some(key.clone()),
            at: args.at,
            role: args.role.clone(),
            page_size,
            page_token,
        };
        let page = client.list_members(ask(request)).await?.into_inner();
        Ok((page.memberships, page.next_page_token))
    })
    .await?;
    if args.common.format.json {
        return print_all(&(all, is_cut));
    }
    show(&all, "customer", "Nobody is a member of this account.")?;
    show_cut(is_cut)
}

/// Lists the memberships of a customer.
pub(super) async fn of_customer(args: OfCustomerArgs) -> Result<(), Failure> {
    let key = customer_key::parse(&args.customer)?;
    let all = memberships(&args.common.connection, key, args.at).await?;
    if args.common.format.json {
        return print_all(&(all, false));
    }
    show(&all, "account", "This customer is a member of no account.")
}

/// Asks for all memberships of a customer.
pub(in crate::commands) async fn memberships(
    connection: &Connection,
    key: CustomerKey,
    at: Option<prost_types::Timestamp>,
) -> Result<Vec<Membership>, Failure> {
    let key = match key {
        CustomerKey::CustomerId(id) => of_customer::Key::CustomerId(id),
        CustomerKey::Identifier(identifier) => of_customer::Key::Identifier(identifier),
    };
    let mut client = connection.accounts()?;
    let (all, _) = pages(u32::MAX, async |page_size, page_token| {
        let request = ListMembershipsRequest {
            key: Some(key.clone()),
            at,
            page_size,
            page_token,
        };
        let page = client.list_memberships(ask(request)).await?.into_inner();
        Ok((page.memberships, page.next_page_token))
    })
    .await?;
    Ok(all)
}

fn print_all((all, is_cut): &Listed) -> Result<(), Failure> {
    let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
    print_json(&json!({ "memberships": all?, "has_more": is_cut }))
}

/// Prints memberships by the one side of them.
fn show(all: &[Membership], side: &str, none: &str) -> Result<(), Failure> {
    let headings = [
        side,
        "role",
        "primary",
        "said by",
        "#sure",
        "from",
        "until",
        "membership",
    ];
    let mut rows = Rows::new(&headings);
    for own in all {
        let id = match side {
            "account" => &own.account_id,
            _ => &own.customer_id,
        };
        rows.row([
            id.clone(),
            own.role.clone(),
            if own.is_primary { "yes" } else { "" }.to_owned(),
            source_word(own).to_owned(),
            own.confidence.to_string(),
            when(own.valid_from.as_ref()),
            when(own.valid_to.as_ref()),
            own.membership_id.clone(),
        ]);
    }
    rows.print_or(none)
}

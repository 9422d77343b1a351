//! `happypath accounts buying-groups`: who decides on an opportunity of an account, by role.

mod slot;

use proto::identity::v1::{
    BuyingGroup, DeleteBuyingGroupRequest, GetBuyingGroupRequest, ListBuyingGroupsRequest,
    PutBuyingGroupRequest, RoleSlot,
};
use serde_json::{Value, json};

use self::slot::SlotText;
use super::{Common, pages, show_cut};
use crate::account_key::{account_key, find_account};
use crate::client::{ask, request_id};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::output::{Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `accounts buying-groups`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes the buying group of an account and an opportunity, or replaces it whole
    Put(PutArgs),
    /// Shows one: who fills which role, and how complete it is
    Get(GetArgs),
    /// Lists buying groups, of one account or of all
    List(ListArgs),
    /// Deletes one
    Delete(GetArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Who fills a role has to be a member of the account now. One who leaves the account fills no place
from then on.

  happypath accounts buying-groups put account:acme crm-0042 \\
    --slot decision_maker=user_id:ada --slot champion:2=user_id:ben --slot legal:0")]
struct PutArgs {
    /// The account: an id, or an identifier such as account:acme
    account: String,
    /// An opportunity or a product, such as crm-0042
    opportunity: String,
    /// A role: how many people it needs (1 unless said, 0 for a role that is good to have), and who
    /// fills it
    #[arg(long = "slot", value_name = "ROLE[:COUNT][=CUSTOMER,…]", required = true, value_parser = slot::parse)]
    slots: Vec<SlotText>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct GetArgs {
    /// The buying group, as `list` names it
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those of this account: an id, or an identifier such as account:acme
    #[arg(long)]
    account: Option<String>,
    /// The most to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the place to ask.
    pub(super) const fn common(&self) -> &Common {
        match &self.action {
            Action::Put(args) => &args.common,
            Action::Get(args) | Action::Delete(args) => &args.common,
            Action::List(args) => &args.common,
        }
    }
}

/// Runs it.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Put(args) => put(args).await,
        Action::Get(args) => get(args).await,
        Action::List(args) => list(args).await,
        Action::Delete(args) => delete(args).await,
    }
}

async fn put(args: PutArgs) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let mut slots = Vec::with_capacity(args.slots.len());
    for slot in args.slots {
        let mut customer_ids = Vec::with_capacity(slot.customers.len());
        for customer in &slot.customers {
            customer_ids.push(find_customer(connection, customer, "").await?.customer_id);
        }
        slots.push(RoleSlot {
            role: slot.role,
            required_count: slot.required_count,
            customer_ids,
        });
    }
    let request = PutBuyingGroupRequest {
        request_id: request_id(),
        account: Some(account_key(&args.account)?),
        opportunity: args.opportunity,
        slots,
    };
    let answer = connection
        .accounts()?
        .put_buying_group(ask(request))
        .await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(match answer.created {
        true => "The buying group is new.",
        false => "The buying group was replaced.",
    })?;
    show(&answer.buying_group.unwrap_or_default())
}

async fn get(args: GetArgs) -> Result<(), Failure> {
    let request = GetBuyingGroupRequest {
        buying_group_id: args.id,
    };
    let mut client = args.common.connection.accounts()?;
    let answer = client.get_buying_group(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    show(&answer.buying_group.unwrap_or_default())
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let account_id = match &args.account {
        Some(text) => find_account(connection, text).await?.account_id,
        None => String::new(),
    };
    let mut client = connection.accounts()?;
    let (all, is_cut) = pages(args.limit, async |page_size, page_token| {
        let request = ListBuyingGroupsRequest {
            account_id: account_id.clone(),
            page_size,
            page_token,
        };
        let page = client.list_buying_groups(ask(request)).await?.into_inner();
        Ok((page.buying_groups, page.next_page_token))
    })
    .await?;
    if args.common.format.json {
        let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
        return print_json(&json!({ "buying_groups": all?, "has_more": is_cut }));
    }
    let headings = [
        "opportunity",
        "account",
        "#complete",
        "changed",
        "buying group",
    ];
    let mut rows = Rows::new(&headings);
    for own in &all {
        rows.row([
            visible(&own.opportunity),
            own.account_id.clone(),
            percent(own.completeness),
            when(own.update_time.as_ref()),
            own.buying_group_id.clone(),
        ]);
    }
    rows.print_or("There is no buying group.")?;
    show_cut(is_cut)
}

async fn delete(args: GetArgs) -> Result<(), Failure> {
    let request = DeleteBuyingGroupRequest {
        request_id: request_id(),
        buying_group_id: args.id.clone(),
    };
    let mut client = args.common.connection.accounts()?;
    let answer = client.delete_buying_group(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(&format!("Deleted: {}", args.id))
}

fn show(group: &BuyingGroup) -> Result<(), Failure> {
    print(&format!(
        "Buying group {} of account {}, about {}: {} complete",
        group.buying_group_id,
        group.account_id,
        visible(&group.opportunity),
        percent(group.completeness)
    ))?;
    let mut rows = Rows::new(&["role", "#needed", "#filled", "by"]);
    for slot in &group.slots {
        rows.row([
            slot.role.clone(),
            slot.required_count.to_string(),
            slot.customer_ids.len().to_string(),
            slot.customer_ids.join(" "),
        ]);
    }
    rows.print_titled("Roles")
}

/// A share in whole per cent, rounded down: 100 % is complete.
fn percent(share: f64) -> String {
    format!("{:.0}%", (share * 100.0).floor())
}

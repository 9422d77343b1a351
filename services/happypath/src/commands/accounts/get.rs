//! `happypath accounts get` and `list`: accounts as they are known.

use proto::identity::v1::{Account, ListAccountsRequest};
use proto::segmentation::v1::{GetProfileRequest, Profile};
use serde_json::{Value, json};
use tonic::Code;

use super::{Common, pages, show_accounts, show_cut};
use crate::account_key::find_account;
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Rows, json_of, print, print_json, visible};
use crate::when::when;

/// Arguments of `accounts get`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An id, or an identifier such as account:acme
    account: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Arguments of `accounts list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// The most to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows one.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let account = find_account(connection, &args.account).await?;
    let profile = profile(connection, &account.account_id).await?;
    if args.common.format.json {
        return print_json(&json!({
            "account": json_of(&account)?,
            "profile": profile.as_ref().map(json_of).transpose()?,
        }));
    }
    show(&account)?;
    match &profile {
        Some(profile) => show_profile(profile),
        None => print("\nNothing that happened to this account was processed yet."),
    }
}

/// Lists them.
pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.accounts()?;
    let (all, is_cut) = pages(args.limit, async |page_size, page_token| {
        let request = ListAccountsRequest {
            page_size,
            page_token,
        };
        let page = client.list_accounts(ask(request)).await?.into_inner();
        Ok((page.accounts, page.next_page_token))
    })
    .await?;
    if args.common.format.json {
        let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
        return print_json(&json!({ "accounts": all?, "has_more": is_cut }));
    }
    show_accounts(&all)?;
    show_cut(is_cut)
}

/// The profile of an account; absent until segmentation has heard of it.
async fn profile(connection: &Connection, id: &str) -> Result<Option<Profile>, Failure> {
    let request = GetProfileRequest {
        customer_id: id.to_owned(),
        after: String::new(),
    };
    match connection.segmentation()?.get_profile(ask(request)).await {
        Ok(answer) => Ok(answer.into_inner().profile),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn show(account: &Account) -> Result<(), Failure> {
    let joined = match account.fragment_ids.len() {
        0 | 1 => String::new(),
        count => format!(", joined from {count} fragments"),
    };
    let members = match account.member_count {
        0 => "no members".to_owned(),
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    print(&format!(
        "Account {} ({}), first seen {}{joined}, {members}",
        account.account_id,
        account.r#type,
        when(account.create_time.as_ref()),
    ))?;
    let mut rows = Rows::new(&["namespace", "value"]);
    for identifier in &account.identifiers {
        rows.row([visible(&identifier.namespace), visible(&identifier.value)]);
    }
    rows.print_titled("Identifiers")
}

fn show_profile(profile: &Profile) -> Result<(), Failure> {
    let mut rows = Rows::new(&["trait", "value"]);
    let told = json_of(profile)?;
    if let Some(traits) = told["traits"].as_object() {
        for (name, value) in traits {
            rows.row([visible(name), visible(&value.to_string())]);
        }
    }
    rows.print_titled("Traits")?;
    let mut rows = Rows::new(&["event", "#count", "last"]);
    for event in &profile.events {
        rows.row([
            visible(&event.name),
            event.count.to_string(),
            when(event.last_time.as_ref()),
        ]);
    }
    rows.print_titled("Events")
}

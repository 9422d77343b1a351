//! `happypath accounts merge`: accounts that are one.

use proto::identity::v1::MergeAccountsRequest;

use super::Common;
use crate::account_key::find_account;
use crate::client::{ask, request_id};
use crate::failure::Failure;
use crate::output::{json_of, print, print_json};

/// Arguments of `accounts merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Members of each are members of the one; `accounts unmerge` gives them back.")]
pub(super) struct Args {
    /// Ids, or identifiers such as account:acme: 2 to 10
    #[arg(required = true, num_args = 2..=10, value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// The reason, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Merges.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let connection = &args.common.connection;
    let mut account_ids = Vec::with_capacity(args.accounts.len());
    for account in &args.accounts {
        account_ids.push(find_account(connection, account).await?.account_id);
    }
    account_ids.sort();
    account_ids.dedup();
    if let [id] = account_ids.as_slice() {
        return Err(Failure::mistake(format!(
            "these are one account already: {id}"
        )));
    }
    let request = MergeAccountsRequest {
        request_id: request_id(),
        account_ids,
        reason: args.reason,
    };
    let answer = connection.accounts()?.merge_accounts(ask(request)).await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let account = answer.account.unwrap_or_default();
    print(&format!(
        "Joined into account {}: {}",
        account.account_id,
        answer.merged_account_ids.join(", ")
    ))?;
    print(&format!(
        "`happypath identity history {}` names the operation, and `accounts unmerge --operation` takes it back.",
        account.account_id
    ))
}

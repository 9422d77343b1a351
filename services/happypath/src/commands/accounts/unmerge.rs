//! `happypath accounts unmerge`: an account that is several.

use proto::identity::v1::unmerge_accounts_request::By;
use proto::identity::v1::{Identifier, UnmergeAccountsRequest, UnmergeAccountsResponse};

use super::{Common, show_accounts};
use crate::account_key::find_account;
use crate::client::{ask, request_id};
use crate::commands::identity::{identifier, show_evidence};
use crate::failure::Failure;
use crate::output::{json_of, print, print_json, visible};

/// Arguments of `accounts unmerge`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("by").required(true))]
pub(super) struct Args {
    /// An id, or an identifier such as account:acme; not needed with --operation, --fragment or
    /// --identifier
    account: Option<String>,
    /// An operation, as `identity history` names it: those whom it joined come apart
    #[arg(long, value_name = "ID", group = "by")]
    operation: Option<String>,
    /// A fragment, which becomes an account again
    #[arg(long, value_name = "ID", group = "by")]
    fragment: Option<String>,
    /// An identifier, which leaves with its fragment; where it shares that with others, alone
    #[arg(long, value_name = "NAMESPACE:VALUE", group = "by", value_parser = identifier)]
    identifier: Option<Identifier>,
    /// The evidence of an event, by its id
    #[arg(long, value_name = "ID", group = "by", requires = "account")]
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
    let account_id = match (&args.account, &args.identifier) {
        (Some(text), _) => find_account(connection, text).await?.account_id,
        // The request names the account as well, which whoever has the identifier is.
        (None, Some(own)) => {
            let text = format!("{}:{}", own.namespace, own.value);
            find_account(connection, &text).await?.account_id
        }
        (None, None) => String::new(),
    };
    let by = args.operation.map(By::OperationId);
    let by = by.or(args.fragment.map(By::FragmentId));
    let by = by.or(args.identifier.map(By::Identifier));
    let by = by.or(args.event.map(By::EventId));
    let request = UnmergeAccountsRequest {
        request_id: request_id(),
        account_id,
        dry_run: args.dry_run,
        reason: args.reason,
        by,
    };
    let mut client = connection.accounts()?;
    let answer = client.unmerge_accounts(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    show(&answer, args.dry_run)
}

fn show(answer: &UnmergeAccountsResponse, is_dry_run: bool) -> Result<(), Failure> {
    if answer.accounts.len() < 2 {
        print("Nothing comes apart: other evidence holds it together.")?;
        return show_evidence(&answer.remaining_evidence);
    }
    print(match is_dry_run {
        true => "These accounts would come of it; the first keeps the id.",
        false => "These accounts came of it; the first kept the id.",
    })?;
    show_accounts(&answer.accounts)?;
    for sentence in &answer.indivisible {
        print(&visible(sentence))?;
    }
    match is_dry_run {
        true => print("Nothing was changed."),
        false => print(&format!("Operation {}", answer.operation_id)),
    }
}

//! `happypath identity erasures`: how far erasures are.

use proto::identity::v1::{Erasure, GetErasureRequest, ListErasuresRequest};
use serde_json::{Value, json};

use super::Common;
use super::erase::{show, state};
use crate::client::ask;
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Rows, json_of, print_json, visible};
use crate::when::when;

/// Arguments of `identity erasures`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One erasure, as `erase` names it; all of them where absent
    operation: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows one, or lists all.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = args.common.connection.erasures()?;
    if let Some(operation_id) = args.operation {
        let request = GetErasureRequest { operation_id };
        let answer = client.get_erasure(ask(request)).await?.into_inner();
        if args.common.format.json {
            return print_json(&json_of(&answer)?);
        }
        return show(&answer.erasure.unwrap_or_default());
    }
    let mut all: Vec<Erasure> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListErasuresRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_erasures(ask(request)).await?.into_inner();
        all.extend(page.erasures);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.common.format.json {
        let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
        return print_json(&json!({ "erasures": all? }));
    }
    let headings = [
        "asked for",
        "operation",
        "state",
        "#customers",
        "#accounts",
        "waits for",
        "why",
    ];
    let mut rows = Rows::new(&headings);
    for own in &all {
        let steps = own.steps.iter().filter(|step| !step.done);
        let waiting: Vec<&str> = steps.map(|step| step.name.as_str()).collect();
        rows.row([
            when(own.erase_time.as_ref()),
            own.operation_id.clone(),
            state(own),
            customer_count(own).to_string(),
            own.account_count.to_string(),
            waiting.join(" "),
            visible(&own.reason),
        ]);
    }
    rows.print_or("Nobody was erased.")
}

/// Returns the number of customers of an erasure, without its accounts.
fn customer_count(erasure: &Erasure) -> usize {
    let accounts = usize::try_from(erasure.account_count).unwrap_or(usize::MAX);
    erasure.customer_ids.len().saturating_sub(accounts)
}

//! `happypath identity history`: what changed who a customer or an account is.

use proto::identity::v1::get_customer_request::Key as CustomerKey;
use proto::identity::v1::list_history_request::Key;
use proto::identity::v1::{IdentityOperation, ListHistoryRequest};
use serde_json::{Value, json};

use super::Common;
use crate::client::ask;
use crate::customer_key::parse;
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Rows, json_of, print_json, visible};
use crate::when::when;

/// Arguments of `identity history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An id, or an identifier such as user_id:u1; of an account too, such as account:acme
    customer: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let key = match parse(&args.customer)? {
        CustomerKey::CustomerId(id) => Key::CustomerId(id),
        CustomerKey::Identifier(identifier) => Key::Identifier(identifier),
    };
    let mut client = args.common.connection.resolution()?;
    let mut all: Vec<IdentityOperation> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListHistoryRequest {
            key: Some(key.clone()),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_history(ask(request)).await?.into_inner();
        all.extend(page.operations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.common.format.json {
        let all: Result<Vec<Value>, Failure> = all.iter().map(json_of).collect();
        return print_json(&json!({ "operations": all? }));
    }
    let headings = ["time", "what", "operation", "from", "to", "event", "why"];
    let mut rows = Rows::new(&headings);
    for own in &all {
        let kind = own.kind().as_str_name();
        let kind = kind
            .strip_prefix("IDENTITY_OPERATION_KIND_")
            .unwrap_or(kind);
        let retracted = if own.retracted { " (taken back)" } else { "" };
        rows.row([
            when(own.time.as_ref()),
            format!("{}{retracted}", kind.to_ascii_lowercase()),
            own.operation_id.clone(),
            own.from_customer_ids.join(" "),
            own.to_customer_ids.join(" "),
            visible(&own.event_id),
            visible(&own.reason),
        ]);
    }
    rows.print_or("Nothing changed who this is.")
}

//! `happypath quarantine`: records that could not be processed.

use proto::engine::v1::ListQuarantinedRecordsRequest;
use serde_json::{Value, json};

use crate::client::{Connection, ServiceName, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::when;

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service
    #[arg(value_parser = ["segmentation", "journey", "activation"])]
    service: String,
    /// How many at the most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the records.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let service = ServiceName::from_name(&args.service)
        .ok_or_else(|| Failure::mistake(format!("there is no service `{}`", args.service)))?;
    let request = ListQuarantinedRecordsRequest {
        service: args.service,
        page_size: args.limit,
        page_token: String::new(),
    };
    let mut client = args.connection.partitions(service)?;
    let page = client
        .list_quarantined_records(ask(request))
        .await?
        .into_inner();
    if args.format.json {
        let records: Result<Vec<Value>, _> = page.records.iter().map(json_of).collect();
        return print_json(&json!({ "records": records? }));
    }
    let mut rows = Rows::new(&["set aside", "#partition", "customer", "reason"]);
    for record in &page.records {
        rows.row([
            when(record.create_time.as_ref()),
            record.partition.to_string(),
            record.customer_id.clone(),
            record.reason.clone(),
        ]);
    }
    rows.print_or("Nothing is quarantined.")?;
    if page.next_page_token.is_empty() {
        Ok(())
    } else {
        print("There are more; --limit shows up to 1000.")
    }
}

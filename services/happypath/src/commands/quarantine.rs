//! `happypath quarantine`: records that could not be processed.

use proto::engine::v1::ListQuarantinedRecordsRequest;
use serde_json::{Value, json};

use crate::client::{Connection, ServiceName, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::when;

/// The services that read records.
const SERVICES: [&str; 3] = ["segmentation", "journey", "activation"];

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service; all of them unless given
    #[arg(value_parser = SERVICES)]
    service: Option<String>,
    /// How many of each service at the most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the records.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let mut records = Vec::new();
    let mut is_cut = false;
    for name in SERVICES {
        if args.service.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let service = ServiceName::from_name(name)
            .ok_or_else(|| Failure::mistake(format!("there is no service `{name}`")))?;
        let request = ListQuarantinedRecordsRequest {
            service: name.to_owned(),
            page_size: args.limit,
            page_token: String::new(),
        };
        let mut client = args.connection.partitions(service)?;
        let page = client
            .list_quarantined_records(ask(request))
            .await?
            .into_inner();
        is_cut |= !page.next_page_token.is_empty();
        records.extend(page.records.into_iter().map(|record| (name, record)));
    }
    if args.format.json {
        let records: Result<Vec<Value>, Failure> = records
            .iter()
            .map(|(service, record)| {
                let mut value = json_of(record)?;
                value["service"] = json!(service);
                Ok(value)
            })
            .collect();
        return print_json(&json!({ "records": records? }));
    }
    let mut rows = Rows::new(&["set aside", "service", "#partition", "customer", "reason"]);
    for (service, record) in &records {
        rows.row([
            when(record.create_time.as_ref()),
            (*service).to_owned(),
            record.partition.to_string(),
            record.customer_id.clone(),
            record.reason.clone(),
        ]);
    }
    rows.print_or("Nothing is quarantined.")?;
    if is_cut {
        print("There are more; --limit shows up to 1000 of each service.")
    } else {
        Ok(())
    }
}

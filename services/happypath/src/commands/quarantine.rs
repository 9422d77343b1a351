//! `happypath quarantine`: records that could not be processed, and their way out.

use proto::engine::v1::{
    DiscardQuarantinedRecordsRequest, ListQuarantinedRecordsRequest, QuarantineFilter,
    QuarantinedKind, QuarantinedRecord, QuarantinedRecordIds, RetryQuarantinedRecordsRequest,
    discard_quarantined_records_request as discard, retry_quarantined_records_request as retry,
};
use serde_json::Value;

use crate::client::{Connection, ServiceName, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::when;

/// The services that read records.
const SERVICES: [&str; 3] = ["segmentation", "journey", "activation"];

/// Records of one page, where one is looked for.
const PAGE_SIZE: u32 = 100;

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service that could not process them
    #[arg(value_parser = SERVICES)]
    service: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists quarantined records, each with its id and the reason: by partition, oldest first
    List(ListArgs),
    /// Shows one of them with all that can be read of it
    Show(ShowArgs),
    /// Has them processed as if they came now; what cannot be processed again stays, with one more
    /// try
    ///
    /// The answer comes before that is done: `list` shows what is left, usually within a second.
    Retry(RetryArgs),
    /// Removes them for good
    ///
    /// The answer comes before that is done: `list` shows what is left, usually within a second.
    Discard(DiscardArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// A filter of records.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only those of this partition
    #[arg(long)]
    partition: Option<u32>,
    /// Only those of this customer, by id
    #[arg(long, default_value = "", hide_default_value = true)]
    customer: String,
    /// Only those whose reason contains this text
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// The most records to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The id, as `list` shows it
    id: String,
    /// Shows the bytes of the record as well, in base64
    #[arg(long)]
    bytes: bool,
    #[command(flatten)]
    common: Common,
}

/// The records to act on.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Selection {
    /// The ids, as `list` shows them, 500 at the most
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// The oldest 500 of the service, or of those that --partition, --customer and --reason leave
    #[arg(long)]
    all: bool,
    /// With --all: only those of this partition
    #[arg(long, requires = "all", conflicts_with = "ids")]
    partition: Option<u32>,
    /// With --all: only those of this customer, by id
    #[arg(long, requires = "all", conflicts_with = "ids")]
    customer: Option<String>,
    /// With --all: only those whose reason contains this text
    #[arg(long, requires = "all", conflicts_with = "ids")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
struct RetryArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,
    /// The reason that they may go, for the log of the service; without personal data
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Where to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        let common = match &self.command {
            Command::List(args) => &args.common,
            Command::Show(args) => &args.common,
            Command::Retry(args) => &args.common,
            Command::Discard(args) => &args.common,
        };
        &common.connection
    }
}

/// Does what the command says.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let service = args.service;
    match args.command {
        Command::List(args) => list(service, args).await,
        Command::Show(args) => show(service, args).await,
        Command::Retry(args) => retry(service, args).await,
        Command::Discard(args) => discard(service, args).await,
    }
}

/// The service whose process is asked.
fn process(service: &str) -> Result<ServiceName, Failure> {
    ServiceName::from_name(service)
        .ok_or_else(|| Failure::mistake(format!("there is no service `{service}`")))
}

async fn list(service: String, args: ListArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.partitions(process(&service)?)?;
    let Filter {
        partition,
        customer,
        reason,
    } = args.filter;
    let (mut records, mut page_token) = (Vec::new(), String::new());
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // Pages of large records are shorter than asked for.
    let is_cut = loop {
        let left = limit.saturating_sub(records.len());
        let request = ListQuarantinedRecordsRequest {
            service: service.clone(),
            page_size: u32::try_from(left).unwrap_or(u32::MAX),
            page_token,
            filter: Some(QuarantineFilter {
                partition,
                customer_id: customer.clone(),
                reason: reason.clone(),
            }),
            with_bytes: false,
        };
        let page = client.list_quarantined_records(ask(request)).await?;
        let page = page.into_inner();
        records.extend(page.records);
        page_token = page.next_page_token;
        if page_token.is_empty() || records.len() >= limit {
            break !page_token.is_empty();
        }
    };
    if args.common.format.json {
        let records: Result<Vec<Value>, Failure> = records.iter().map(value).collect();
        return print_json(&serde_json::json!({ "records": records?, "has_more": is_cut }));
    }
    let mut rows = Rows::new(&["id", "set aside", "what", "#tries", "customer", "reason"]);
    for record in &records {
        rows.row([
            record.id.clone(),
            when(record.create_time.as_ref()),
            what(record),
            record.try_count.to_string(),
            record.customer_id.clone(),
            record.reason.clone(),
        ]);
    }
    rows.print_or("Nothing is quarantined.")?;
    if is_cut {
        print(
            "There are more: --limit shows up to 1000, and --partition, --customer and --reason choose.",
        )
    } else {
        Ok(())
    }
}

async fn show(service: String, args: ShowArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.partitions(process(&service)?)?;
    let partition = args.id.split('-').next().unwrap_or_default().parse().ok();
    let filter = QuarantineFilter {
        partition,
        ..QuarantineFilter::default()
    };
    let mut page_token = String::new();
    loop {
        let request = ListQuarantinedRecordsRequest {
            service: service.clone(),
            page_size: PAGE_SIZE,
            page_token,
            filter: Some(filter.clone()),
            with_bytes: args.bytes,
        };
        let page = client.list_quarantined_records(ask(request)).await?;
        let page = page.into_inner();
        if let Some(record) = page.records.iter().find(|record| record.id == args.id) {
            return print_json(&value(record)?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Err(Failure::mismatch(format!(
                "there is no `{}` in the quarantine of {service}: `happypath quarantine {service} list` shows what is",
                args.id
            )));
        }
    }
}

async fn retry(service: String, args: RetryArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.partitions(process(&service)?)?;
    let request = RetryQuarantinedRecordsRequest {
        request_id: request_id(),
        service: service.clone(),
        selection: Some(match args.selection.read() {
            Selected::Ids(ids) => retry::Selection::Records(ids),
            Selected::All(filter) => retry::Selection::Filter(filter),
        }),
    };
    let answer = client.retry_quarantined_records(ask(request)).await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let taken = answer.taken_count;
    tell(
        &service,
        &format!("{taken} are going to be retried"),
        &answer.missing_ids,
        answer.has_more,
    )
}

async fn discard(service: String, args: DiscardArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.partitions(process(&service)?)?;
    let request = DiscardQuarantinedRecordsRequest {
        request_id: request_id(),
        service: service.clone(),
        selection: Some(match args.selection.read() {
            Selected::Ids(ids) => discard::Selection::Records(ids),
            Selected::All(filter) => discard::Selection::Filter(filter),
        }),
        reason: args.because,
    };
    let answer = client.discard_quarantined_records(ask(request)).await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    tell(
        &service,
        &answer.audit_line,
        &answer.missing_ids,
        answer.has_more,
    )
}

/// The selected records.
enum Selected {
    Ids(QuarantinedRecordIds),
    All(QuarantineFilter),
}

impl Selection {
    fn read(self) -> Selected {
        if !self.all {
            return Selected::Ids(QuarantinedRecordIds { ids: self.ids });
        }
        Selected::All(QuarantineFilter {
            partition: self.partition,
            customer_id: self.customer.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
        })
    }
}

/// Says what was taken, and what was not.
fn tell(service: &str, taken: &str, missing: &[String], has_more: bool) -> Result<(), Failure> {
    print(&format!(
        "{taken}.\n`happypath quarantine {service} list` shows what is left."
    ))?;
    if has_more {
        print("More than 500 match: repeat the command once these are done.")?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::mismatch(format!(
        "not in the quarantine of {service}: {}",
        missing.join(", ")
    )))
}

/// Describes what was set aside, in a few words.
fn what(record: &QuarantinedRecord) -> String {
    match record.kind() {
        QuarantinedKind::Timer => "timer".to_owned(),
        QuarantinedKind::DamagedEntry => format!("damaged entry of {}", record.stream),
        QuarantinedKind::Record | QuarantinedKind::Unspecified => record.stream.clone(),
    }
}

/// A record as JSON, with what can be read of it in place of its text.
fn value(record: &QuarantinedRecord) -> Result<Value, Failure> {
    let mut value = json_of(record)?;
    if let Ok(read) = serde_json::from_str(&record.record_json) {
        value["record_json"] = read;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_aside_is_told_in_a_few_words() {
        for (kind, expected) in [
            (QuarantinedKind::Record, "facts"),
            (QuarantinedKind::Timer, "timer"),
            (QuarantinedKind::DamagedEntry, "damaged entry of facts"),
        ] {
            let record = QuarantinedRecord {
                kind: kind.into(),
                stream: "facts".to_owned(),
                ..QuarantinedRecord::default()
            };
            assert_eq!(what(&record), expected);
        }
    }

    #[test]
    fn a_record_is_shown_as_json_within_json() {
        let record = QuarantinedRecord {
            record_json: r#"{"time_ms":7}"#.to_owned(),
            ..QuarantinedRecord::default()
        };
        assert_eq!(value(&record).expect("JSON")["record_json"]["time_ms"], 7);
        let unread = QuarantinedRecord::default();
        assert_eq!(value(&unread).expect("JSON")["record_json"], "");
    }
}

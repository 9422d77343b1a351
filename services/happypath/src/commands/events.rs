//! `happypath events`: what was accepted, from the event log.

use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::list_events_request::By;
use proto::identity::v1::{Lane, ListEventsRequest, LoggedEvent};
use serde_json::{Value, json};

use crate::client::{Connection, ask};
use crate::customer_key;
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::{time_of_flag, when};

/// Events asked for at once.
const PAGE_SIZE: u32 = 1_000;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("by").required(true)))]
pub(crate) struct Args {
    /// Those of a customer: an id, or an identifier such as user_id:u1
    #[arg(long, group = "by")]
    customer: Option<String>,
    /// Those of all customers of a partition, by its number
    #[arg(long, group = "by", value_parser = clap::value_parser!(u32).range(0..=1023))]
    partition: Option<u32>,
    /// From this time on: RFC 3339, or a date in UTC
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    from: Option<prost_types::Timestamp>,
    /// Until before this time
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    to: Option<prost_types::Timestamp>,
    /// The most to show
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the events.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let by = match (&args.customer, args.partition) {
        (Some(customer), _) => match customer_key::parse(customer)? {
            Key::CustomerId(id) => By::CustomerId(id),
            Key::Identifier(identifier) => By::Identifier(identifier),
        },
        (None, Some(partition)) => By::Partition(partition),
        (None, None) => {
            return Err(Failure::mistake(
                "say whose events: --customer or --partition",
            ));
        }
    };
    let request = ListEventsRequest {
        by: Some(by),
        start_time: args.from,
        end_time: args.to,
        page_size: PAGE_SIZE.min(args.limit),
        page_token: String::new(),
        after: String::new(),
    };
    let (events, is_cut) = read(&args.connection, request, args.limit).await?;
    if args.format.json {
        let events: Result<Vec<Value>, Failure> = events.iter().map(json_of).collect();
        return print_json(&json!({ "events": events?, "more": is_cut }));
    }
    show(&events)?;
    if is_cut {
        print("There are more: narrow --from and --to, or raise --limit.")
    } else {
        Ok(())
    }
}

/// Reads pages until there are enough events; tells whether there are more.
async fn read(
    connection: &Connection,
    mut request: ListEventsRequest,
    limit: u32,
) -> Result<(Vec<LoggedEvent>, bool), Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut identity = connection.identity()?;
    let mut events: Vec<LoggedEvent> = Vec::new();
    let mut is_cut = false;
    // Pages end, because each is after the one before.
    loop {
        let page = identity
            .list_events(ask(request.clone()))
            .await?
            .into_inner();
        events.extend(page.events);
        if events.len() >= limit {
            is_cut = events.len() > limit || !page.next_page_token.is_empty();
            events.truncate(limit);
            break;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    // Pages follow the order in which events were accepted.
    events.sort_by_key(|logged| {
        let time = logged.event.as_ref().and_then(|event| event.time);
        time.map(|time| (time.seconds, time.nanos))
    });
    Ok((events, is_cut))
}

fn show(events: &[LoggedEvent]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["time", "event", "customer", "lane", "properties", "traits"]);
    for logged in events {
        let event = logged.event.clone().unwrap_or_default();
        let properties = match event.properties_form {
            Some(PropertiesForm::PropertiesJson(json)) => json,
            Some(PropertiesForm::Properties(_)) | None => String::new(),
        };
        let traits = match event.traits_form {
            Some(TraitsForm::TraitsJson(json)) => json,
            Some(TraitsForm::Traits(_)) | None => String::new(),
        };
        rows.row([
            when(event.time.as_ref()),
            event.name,
            logged.customer_id.clone(),
            match logged.lane() {
                Lane::Bulk => "bulk".to_owned(),
                Lane::Live | Lane::Unspecified => "live".to_owned(),
            },
            properties,
            traits,
        ]);
    }
    rows.print_or("There is no such event in the log.")
}

//! Measures an event of a customer with a year of 20,000 events, beside one with 10.
//!
//! Both are read by windows and filters, and go through all services on embedded stores. The same
//! number of customers takes the same events in turns, so that batches look alike.

use prost_types::{Struct, Timestamp, Value, value::Kind};
use proto::engine::v1::ListQuarantinedRecordsRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::identity::v1::Event;
use proto::identity::v1::event::PropertiesForm;

use crate::Failure;
use crate::installation::{Installation, Level, Servers};
use crate::load::{event, send_stream};
use crate::result::{Measured, median};

/// Events in the history of a busy customer, unless somebody says otherwise.
pub(crate) const EVENTS: u32 = 20_000;
/// Busy customers, unless somebody says otherwise.
pub(crate) const CUSTOMERS: u32 = 50;
/// Events in the history of a quiet customer.
const FEW: u32 = 10;
/// Measured rounds of each kind; one before them warms up.
const ROUNDS: u32 = 5;
/// Groups of customers in a round. Quiet ones are others in each group, so that they stay quiet.
const GROUPS: u32 = 10;
/// Events of each customer of a group.
const EACH: u32 = 20;
/// Events that are sent at once while histories are made.
const CHUNK: usize = 50_000;
/// When the first events happened, in seconds since the epoch, and for how long histories go on.
const START_S: i64 = 1_750_000_000;
const YEAR_S: i64 = 365 * 86_400;
/// The most that an event of a busy customer may cost, as a multiple of one of a quiet customer.
const BOUND: f64 = 1.5;
/// Services that may set a record aside.
const READERS: [&str; 3] = ["segmentation", "journey", "activation"];

/// Windows, filters and sums over both names, and a journey that sends.
const DEFINITIONS: &str = r#"
segment: {name: bought_30d, expression: 'events("purchase").within("30d").count() >= 3'}
---
segment: {name: spent_90d, expression: 'events("purchase").where(event.value > 50.0).within("90d").sum("value") > 1000.0'}
---
segment: {name: shoes_365d, expression: 'events("purchase").where(event.category == "shoes").within("365d").count() >= 5'}
---
segment: {name: spent_365d, expression: 'events("purchase").where(event.category != "gifts").within("365d").sum("value") > 5000.0'}
---
segment: {name: priced_30d, expression: 'events("view").where(event.url.contains("/pricing")).within("30d").count() >= 2'}
---
segment: {name: viewed_90d, expression: 'events("view").within("90d").count() >= 100'}
---
segment: {name: viewed_365d, expression: 'events("view").where(event.value > 10.0).within("365d").sum("value") > 500.0'}
---
channel: {name: log, log: {}}
---
template: {name: thanks, text: {subject: Thanks, body: 'For {{ event.category }}.'}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: thank
  entry: {triggers: [{event: purchase}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - id: say
      send: {channel: log, template: thanks, purpose: marketing, expires_after: 1d}
    - id: again
      wait_for:
        branches: [{trigger: {event: purchase}, next: done}]
        timeout: 1d
        on_timeout: done
    - id: done
      exit: {outcome: RUN_OUTCOME_SUCCESS}
"#;

/// Measures processor time of the services for each event.
pub(crate) async fn measure(events: u32, customers: u32) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let mut load = Load::start(&servers, events, customers).await?;
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (few, many) = (load.round(false).await?, load.round(true).await?);
        if round > 0 {
            quiet.push(few);
            busy.push(many);
        }
    }
    let (quiet, busy) = (median(quiet), median(busy));
    let quarantined = load.quarantined().await?;
    drop(load);
    let cpu = [("services", busy)].into();
    Ok(Measured::new("history", busy, "µs an event", quiet, cpu)
        .also("quarantined_records", quarantined)
        .at_most("ratio", BOUND)
        .at_most("quarantined_records", 0.0))
}

/// An installation with busy and quiet customers.
struct Load {
    installation: Installation,
    /// Events in the history of each busy customer.
    events: u32,
    /// Busy customers, and quiet ones in each group.
    customers: u32,
    /// Rounds of each kind so far.
    rounds: [u32; 2],
    /// Groups so far: time goes on.
    minute: i64,
}

impl Load {
    /// Makes a year of history, in the order of time.
    async fn start(servers: &Servers, events: u32, customers: u32) -> Result<Self, Failure> {
        let settings = [("clock", "stream"), ("partitions", "16")];
        let installation = Installation::start(servers, Level::Embedded, &settings).await?;
        installation.apply(DEFINITIONS).await?;
        let quiet = customers * GROUPS * (ROUNDS + 1);
        let mut chunk = Vec::new();
        for number in 0..events {
            let time_s = START_S + i64::from(number) * YEAR_S / i64::from(events);
            chunk.extend((0..customers).map(|one| happened(one, number, time_s)));
            if number % (events / FEW) == 0 && number / (events / FEW) < FEW {
                let number = number / (events / FEW);
                let all = customers..customers + quiet;
                chunk.extend(all.map(|one| happened(one, number, time_s)));
            }
            if chunk.len() >= CHUNK || number + 1 == events {
                send_stream(installation.channel.clone(), &chunk).await?;
                chunk.clear();
            }
        }
        installation.at_rest().await?;
        Ok(Self {
            installation,
            events,
            customers,
            rounds: [0, 0],
            minute: 0,
        })
    }

    /// Sends events to one group after another, and returns microseconds of the services for each.
    async fn round(&mut self, is_busy: bool) -> Result<f64, Failure> {
        let round = self.rounds[usize::from(is_busy)];
        self.rounds[usize::from(is_busy)] += 1;
        let before = self.installation.services_used();
        for group in 0..GROUPS {
            let place = round * GROUPS + group;
            let (first, past) = if is_busy {
                (0, self.events + place * EACH)
            } else {
                (self.customers * (1 + place), FEW)
            };
            self.minute += 1;
            let time_s = START_S + YEAR_S + self.minute * 60;
            let events: Vec<Event> = (0..EACH)
                .flat_map(|number| {
                    let group = first..first + self.customers;
                    let time_s = time_s + i64::from(number);
                    group.map(move |one| happened(one, past + number, time_s))
                })
                .collect();
            send_stream(self.installation.channel.clone(), &events).await?;
            self.installation.idle().await?;
        }
        self.installation.at_rest().await?;
        let count = f64::from(GROUPS * EACH * self.customers);
        Ok((self.installation.services_used() - before) * 1e6 / count)
    }

    /// Counts the records that were set aside, up to a thousand of each service.
    async fn quarantined(&self) -> Result<f64, Failure> {
        let mut client = PartitionServiceClient::new(self.installation.channel.clone());
        let mut count = 0;
        for service in READERS {
            let request = ListQuarantinedRecordsRequest {
                service: service.to_owned(),
                page_size: 1_000,
                ..ListQuarantinedRecordsRequest::default()
            };
            let page = client.list_quarantined_records(request).await?.into_inner();
            count += u32::try_from(page.records.len())?;
        }
        Ok(f64::from(count))
    }
}

/// An event of a customer by its number in their history: one in four is a purchase.
fn happened(customer: u32, number: u32, time_s: i64) -> Event {
    let name = if number.is_multiple_of(4) {
        "purchase"
    } else {
        "view"
    };
    let category = ["shoes", "gifts", "books"][number as usize % 3];
    let page = ["pricing", "products", "blog"][number as usize % 3];
    let text = |text: String| Kind::StringValue(text);
    let properties = [
        ("value", Kind::NumberValue(f64::from(number * 37 % 211))),
        ("category", text(category.to_owned())),
        ("url", text(format!("https://shop.example/{page}/{number}"))),
    ];
    let fields = properties.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) }));
    Event {
        time: Some(Timestamp {
            seconds: time_s,
            nanos: 0,
        }),
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: fields.into(),
        })),
        ..event(name, customer)
    }
}

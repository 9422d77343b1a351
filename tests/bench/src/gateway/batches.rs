//! Batches of 100 events over HTTP, from a client's write to the acknowledgement: events a second
//! beside gRPC messages of 100, and the gateway's processor time beside a handler that only parses.

use futures::{TryStreamExt as _, stream};
use proto::convert::timestamp;
use proto::identity::v1::Event;
use proto::identity::v1::event::{ContextForm, PropertiesForm};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::calls;
use super::process::Gateway;
use super::sender::{Sender, request};
use crate::Failure;
use crate::child::Serving;
use crate::installation::{Installation, Level, Servers};
use crate::load::send_messages;
use crate::result::{Measured, median};

/// Events of each round, each way.
pub(super) const EVENTS: u32 = 20_000;
/// Events of a batch: as many as SDKs send at once.
const BATCH: u32 = 100;
/// Customers of these events.
const CUSTOMERS: u32 = 2_000;
/// Connections that send batches at once, each one at a time, as SDKs do: half as many as messages
/// of a stream are under way at once.
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// The most processor time of the gateway, as a multiple of that of the handler.
const BOUND: f64 = 2.0;
/// The least events a second, as a share of those over gRPC.
const OF_GRPC: f64 = 0.8;

/// The readings of one way to send, one for each round.
#[derive(Debug, Default)]
struct Readings {
    rates: Vec<f64>,
    costs_us: Vec<f64>,
}

impl Readings {
    fn add(&mut self, events: u32, seconds: f64, used: f64) {
        self.rates.push(f64::from(events) / seconds);
        self.costs_us.push(used * 1e6 / f64::from(events));
    }
}

/// Measures both ways through a gateway of its own process, in turns with the handler.
pub(super) async fn measure(servers: &Servers, events: u32) -> Result<Measured, Failure> {
    let settings = [("partitions", "16")];
    let installation = Installation::start(servers, Level::Journal, &settings).await?;
    let gateway = Gateway::start(&installation).await?;
    let calls = calls::measure(&installation, &gateway).await?;
    let plain = Serving::start(["serve-plain"])?;
    let mut http = Readings::default();
    let mut grpc = Readings::default();
    let mut parsed = Readings::default();
    for round in 0..ROUNDS {
        let first = u32::try_from(round)? * events * 2;
        // Whoever is second finds a warmer machine.
        if round % 2 == 0 {
            send_http(&gateway.url, || gateway.used(), first, events, &mut http).await?;
            installation.at_rest().await?;
            send_grpc(&gateway, first + events, events, &mut grpc).await?;
        } else {
            send_grpc(&gateway, first + events, events, &mut grpc).await?;
            installation.at_rest().await?;
            send_http(&gateway.url, || gateway.used(), first, events, &mut http).await?;
        }
        installation.at_rest().await?;
        send_http(&plain.url, || plain.used(), first, events, &mut parsed).await?;
    }
    Ok(calls.told(figures(http, grpc, parsed)))
}

fn figures(http: Readings, grpc: Readings, parsed: Readings) -> Measured {
    let (cost, ceiling) = (median(http.costs_us), median(parsed.costs_us));
    let (rate, grpc_rate) = (median(http.rates), median(grpc.rates));
    let used = [("gateway", cost)].into();
    Measured::new("gateway", cost, "µs an event (HTTP)", ceiling, used)
        .also("http_events_per_s", rate)
        .also("grpc_events_per_s", grpc_rate)
        .also("http_of_grpc", rate / grpc_rate)
        .also("grpc_gateway_us", median(grpc.costs_us))
        .also("plain_events_per_s", median(parsed.rates))
        .at_most("ratio", BOUND)
        .at_least("http_of_grpc", OF_GRPC)
}

/// Sends events in batches over HTTP.
async fn send_http(
    url: &str,
    used: impl Fn() -> f64,
    first: u32,
    events: u32,
    readings: &mut Readings,
) -> Result<(), Failure> {
    let batches: Vec<Vec<u8>> = (0..events / BATCH)
        .map(|batch| request(&batch_of(first + batch * BATCH)))
        .collect();
    let shares = batches.chunks(batches.len().div_ceil(CONNECTIONS));
    let mut senders = Vec::new();
    for share in shares {
        senders.push((Sender::connect(url).await?, share));
    }
    let (started, before) = (Instant::now(), used());
    stream::iter(senders.into_iter().map(Ok))
        .try_for_each_concurrent(CONNECTIONS, |(mut sender, share)| async move {
            for batch in share {
                sender.send(batch).await?;
            }
            Ok::<_, Failure>(())
        })
        .await?;
    readings.add(events, started.elapsed().as_secs_f64(), used() - before);
    Ok(())
}

/// Sends the same kind of events in messages of one stream.
async fn send_grpc(
    gateway: &Gateway,
    first: u32,
    events: u32,
    readings: &mut Readings,
) -> Result<(), Failure> {
    let sent: Vec<Event> = (first..first + events).map(event_of).collect();
    let channel = gateway.channel()?;
    let (started, before) = (Instant::now(), gateway.used());
    send_messages(channel, &sent, BATCH as usize).await?;
    readings.add(
        events,
        started.elapsed().as_secs_f64(),
        gateway.used() - before,
    );
    Ok(())
}

/// A batch as the SDK of Segment for Node writes it.
fn batch_of(first: u32) -> String {
    let now = now();
    let events: Vec<Value> = (first..first + BATCH)
        .map(|number| {
            json!({
                "timestamp": now,
                "integrations": {},
                "event": "Order Completed",
                "type": "track",
                "properties": order(number),
                "context": context(),
                "userId": user(number),
                "messageId": id(number),
                "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
            })
        })
        .collect();
    json!({"batch": events, "writeKey": "bench", "sentAt": now}).to_string()
}

/// The same event as a message of the contract.
fn event_of(number: u32) -> Event {
    let now = timestamp(access::now());
    Event {
        event_id: id(number),
        name: "Order Completed".to_owned(),
        time: Some(now),
        sent_time: Some(now),
        identifiers: [("user_id".to_owned(), user(number))].into(),
        properties_form: Some(PropertiesForm::PropertiesJson(order(number).to_string())),
        context_form: Some(ContextForm::ContextJson(context().to_string())),
        ..Event::default()
    }
}

fn order(number: u32) -> Value {
    json!({
        "order_id": format!("order-{number}"),
        "total": 44,
        "currency": "EUR",
        "products": [
            {"product_id": "p-1", "sku": "0042", "name": "Tea", "price": 19, "quantity": 1, "category": "kitchen"},
            {"product_id": "p-2", "sku": "0043", "name": "Kettle", "price": 12.5, "quantity": 2},
        ],
    })
}

fn context() -> Value {
    json!({"library": {"name": "@segment/analytics-node", "version": "3.1.0"}})
}

/// The time at which events happen and are sent, which no clock has to correct.
fn now() -> String {
    access::now().to_string()
}

fn user(number: u32) -> String {
    format!("customer-{}", number % CUSTOMERS)
}

fn id(number: u32) -> String {
    format!("node-next-1714564800000-00000000-0000-4000-8000-{number:012}")
}

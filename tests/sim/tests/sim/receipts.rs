//! Runs that hear what became of their own sends, on stream time: told the same at any speed.

use definitions::parse;
use kernel::Timestamp;
use proto::convert::{instant, timestamp};
use proto::identity::v1::{
    AdvanceClockRequest, Event, IngestRequest, IngestStreamRequest, Lane, MergeCustomersRequest,
};
use proto::journey::v1::{GetCustomerJourneysRequest, Run, RunOutcome};
use testkit::PostgresServer;

use crate::installation::{Installation, request_id, taken};
use crate::stores::Stores;

/// Customers, whose events are a minute apart.
const CUSTOMERS: i64 = 3;

/// A run that hears its send, one that is told to stop at the instant at which it begins, one that
/// sends again once it has heard, and one that sends by time alone.
const DEFINITIONS: &str = r#"channel: {name: mail, log: {}}
---
template: {name: hello, text: {subject: Hello, body: Hello}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: welcome
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  exits: [{name: stopped, trigger: {event: stop}}]
  steps:
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear
      wait_for:
        branches: [{trigger: {event: activation_delivered, where: event.journey == "welcome"}, next: heard}]
        timeout: 1h
        on_timeout: missed
    - {id: heard, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: missed, exit: {outcome: RUN_OUTCOME_FAILURE}}
---
journey:
  name: talk
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  steps:
    - {id: first, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear_first
      wait_for:
        branches: [{trigger: {event: activation_delivered, where: event.step == "first"}, next: second}]
        timeout: 1h
        on_timeout: missed
    - {id: second, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear_second
      wait_for:
        branches: [{trigger: {event: activation_delivered, where: event.step == "second"}, next: heard}]
        timeout: 1h
        on_timeout: missed
    - {id: heard, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: missed, exit: {outcome: RUN_OUTCOME_FAILURE}}
---
journey:
  name: wake
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  steps:
    - {id: rest, wait: {duration: 2h}}
    - {id: call, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear
      wait_for:
        branches: [{trigger: {event: activation_delivered, where: event.journey == "wake"}, next: heard}]
        timeout: 1h
        on_timeout: missed
    - {id: heard, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: missed, exit: {outcome: RUN_OUTCOME_FAILURE}}
"#;

/// The way in which the events come.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In one request.
    Together,
    /// In one request each.
    OneByOne,
    /// In one request each, once all that the one before caused has happened.
    Settled,
    /// As an import sends them: in batches of one stream, for the lane of low priority.
    Imported,
    /// In one request, but that the last ones do not come: the clock is moved to their time.
    Advanced,
}

const WAYS: [Way; 5] = [
    Way::Together,
    Way::OneByOne,
    Way::Settled,
    Way::Imported,
    Way::Advanced,
];

/// The end of a run: the customer, the journey, the minute, and whether it went well.
type Ended = (i64, String, i64, bool);

fn event(who: i64, name: &str, minute: i64, sequence: u64) -> Event {
    Event {
        name: name.to_owned(),
        time: Some(timestamp(Timestamp::from_millis(minute * 60_000))),
        identifiers: [("user_id".to_owned(), format!("c{who}"))].into(),
        sequence,
        ..Event::default()
    }
}

/// For each customer `go` and `stop` at about ten, and `y` at about twenty.
fn events() -> Vec<Event> {
    let hour =
        |hour: i64, name: &'static str| (0..CUSTOMERS).map(move |who| (who, name, hour * 60 + who));
    let mut events: Vec<_> = hour(10, "go").chain(hour(10, "stop")).collect();
    // In the order of time, `go` before `stop`.
    events.sort_by_key(|(who, _, minute)| (*minute, *who));
    events.extend(hour(20, "y"));
    let events = events.into_iter().zip(1..);
    events
        .map(|((who, name, minute), sequence)| event(who, name, minute, sequence))
        .collect()
}

async fn start(stores: &Stores, partitions: &str) -> Installation {
    let options = stores.options().with("partitions", partitions);
    let mut on = Installation::start(&options).await;
    let defined = parse("receipts", DEFINITIONS).expect("they read");
    on.apply(defined.into_iter().map(|it| it.value).collect())
        .await;
    on
}

/// Sends events, so many in one request. Returns who the customers are.
async fn send(on: &mut Installation, events: &[Event], size: usize, settles: bool) -> Vec<String> {
    let mut customers = Vec::new();
    for events in events.chunks(size) {
        let request = IngestRequest {
            events: events.to_vec(),
            ..IngestRequest::default()
        };
        let results = taken(on.identity.ingest(request).await).results;
        customers.extend(results.into_iter().map(|it| it.customer_id));
        if settles {
            on.settle().await;
        }
    }
    customers
}

/// Sends events as an import does.
async fn import(on: &mut Installation, events: &[Event]) {
    let batches: Vec<_> = events
        .chunks(4)
        .map(|events| IngestStreamRequest {
            events: events.to_vec(),
            source: "a file".to_owned(),
            lane: Lane::Bulk.into(),
            import: String::new(),
        })
        .collect();
    let answered = on.identity.ingest_stream(tokio_stream::iter(batches)).await;
    let mut answers = taken(answered);
    let mut accepted = 0;
    while let Some(answer) = answers.message().await.expect("it goes on") {
        accepted += answer.accepted_count;
    }
    assert_eq!(usize::try_from(accepted), Ok(events.len()));
}

/// Plays the events in one way, and returns the ends of all runs.
async fn ends(stores: &Stores, partitions: &str, way: Way) -> Vec<Ended> {
    let mut on = start(stores, partitions).await;
    let events = events();
    match way {
        Way::Together => drop(send(&mut on, &events, events.len(), false).await),
        Way::OneByOne => drop(send(&mut on, &events, 1, false).await),
        Way::Settled => drop(send(&mut on, &events, 1, true).await),
        Way::Imported => import(&mut on, &events).await,
        Way::Advanced => {
            let last = events.last().and_then(|last| last.time);
            let begun = events.iter().filter(|event| event.name != "y");
            let begun: Vec<_> = begun.cloned().collect();
            send(&mut on, &begun, begun.len(), false).await;
            let request = AdvanceClockRequest { time: last };
            taken(on.identity.advance_clock(request).await);
        }
    }
    on.settle().await;
    // Their ids, by an event that no run listens to.
    let asked: Vec<_> = (0..CUSTOMERS)
        .map(|who| event(who, "asked", 21 * 60, 0))
        .collect();
    let customers = send(&mut on, &asked, asked.len(), true).await;
    let mut ends = Vec::new();
    for (who, customer_id) in (0..).zip(customers) {
        let runs = runs_of(&mut on, customer_id).await;
        ends.extend(runs.iter().map(|run| ended(who, run)));
    }
    on.stop().await;
    ends.sort();
    ends
}

async fn runs_of(on: &mut Installation, customer_id: String) -> Vec<Run> {
    let request = GetCustomerJourneysRequest {
        customer_id,
        after: String::new(),
    };
    taken(on.journey.get_customer_journeys(request).await).runs
}

fn ended(who: i64, run: &Run) -> Ended {
    let end = run
        .end_time
        .as_ref()
        .map_or(0, |end| instant(end).as_millis());
    let is_success = run.outcome() == RunOutcome::Success;
    (who, run.journey.clone(), end / 60_000, is_success)
}

/// The ends that are right: whoever sends hears it at that very instant.
fn heard() -> Vec<Ended> {
    let heard = (0..CUSTOMERS).flat_map(|who| {
        let end = |journey: &str, minute| (who, journey.to_owned(), minute + who, true);
        [end("talk", 600), end("wake", 720), end("welcome", 600)]
    });
    heard.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_heard_at_its_time_at_any_speed() {
    for partitions in ["1", "4"] {
        for way in WAYS {
            let ends = ends(&Stores::embedded(), partitions, way).await;
            assert_eq!(ends, heard(), "{way:?} in {partitions} partitions");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_heard_at_its_time_on_servers_too() {
    let postgres = PostgresServer::start().expect("Postgres starts");
    for way in [Way::Together, Way::Imported] {
        let ends = ends(&Stores::on_servers(&postgres), "4", way).await;
        assert_eq!(ends, heard(), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_waits_for_the_receipts_before_it() {
    for settles in [false, true] {
        let stores = Stores::embedded();
        let mut on = start(&stores, "4").await;
        let gone = [event(0, "go", 600, 1), event(1, "go", 601, 2)];
        let customer_ids = send(&mut on, &gone, gone.len(), settles).await;
        let request = MergeCustomersRequest {
            request_id: request_id(),
            customer_ids,
            reason: String::new(),
        };
        let merged = taken(on.identity.merge_customers(request).await);
        let survivor = merged.customer.expect("one is left").customer_id;
        send(&mut on, &[event(0, "y", 1_200, 3)], 1, true).await;
        let runs = runs_of(&mut on, survivor).await;
        let mut ends: Vec<_> = runs.iter().map(|run| ended(0, run)).collect();
        ends.sort();
        let ends: Vec<_> = ends.iter().map(|it| (it.1.as_str(), it.2, it.3)).collect();
        // Of two runs that wait, the merge ends the younger one.
        let expected = [
            ("talk", 600, true),
            ("talk", 601, true),
            ("wake", 601, false),
            ("wake", 720, true),
            ("welcome", 600, true),
            ("welcome", 601, true),
        ];
        assert_eq!(ends, expected, "settled: {settles}");
        on.stop().await;
    }
}

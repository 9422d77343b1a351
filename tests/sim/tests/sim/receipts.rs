//! When a run hears what became of its own send, on stream time.

use definitions::parse;
use kernel::Timestamp;
use proto::convert::timestamp;
use proto::identity::v1::{Event, IngestRequest};
use proto::journey::v1::{GetCustomerJourneysRequest, RunOutcome};

use crate::installation::{Installation, taken};
use crate::stores::Stores;

const DEFINITIONS: &str = r#"channel: {name: mail, log: {}}
---
template: {name: hello, subject: Hello, body: Hello}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: welcome
  entry: {trigger: {event: go}, reentry: REENTRY_NEVER}
  steps:
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear
      wait_for:
        branches: [{trigger: {event: activation_delivered}, next: heard}]
        timeout: 1h
        on_timeout: missed
    - {id: heard, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: missed, exit: {outcome: RUN_OUTCOME_FAILURE}}
"#;

/// Sends `go` at ten and `y` at noon, in one request or one after the other. Returns how the run
/// ended.
async fn outcome(is_at_once: bool) -> RunOutcome {
    let stores = Stores::embedded();
    let options = stores.options().with("partitions", "1");
    let mut on = Installation::start(&options).await;
    let defined = parse("receipts", DEFINITIONS).expect("they read");
    on.apply(defined.into_iter().map(|it| it.value).collect())
        .await;
    let event = |name: &str, hour: i64| Event {
        name: name.to_owned(),
        time: Some(timestamp(Timestamp::from_millis(hour * 3_600_000))),
        identifiers: [("user_id".to_owned(), "ann".to_owned())].into(),
        ..Event::default()
    };
    let events = [event("go", 10), event("y", 12)];
    let size = if is_at_once { 2 } else { 1 };
    let mut customer_id = String::new();
    for events in events.chunks(size) {
        let request = IngestRequest {
            events: events.to_vec(),
            ..IngestRequest::default()
        };
        let results = taken(on.identity.ingest(request).await).results;
        on.settle().await;
        customer_id.clone_from(&results[0].customer_id);
    }
    let request = GetCustomerJourneysRequest {
        customer_id,
        after: String::new(),
    };
    let runs = taken(on.journey.get_customer_journeys(request).await).runs;
    on.stop().await;
    runs[0].outcome()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_heard_behind_what_was_accepted_before_it() {
    assert_eq!(outcome(true).await, RunOutcome::Failure);
    assert_eq!(outcome(false).await, RunOutcome::Success);
}

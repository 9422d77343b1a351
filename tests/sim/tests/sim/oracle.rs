//! Random journeys and segments, against a naive interpreter: what time brings and what events
//! bring keep one order for each customer, whatever lane the events ride.
//!
//! Here on stream time, through the public API. [`crate::simulator`] plays the same on the wall
//! clock.

pub(crate) mod interpreter;

use std::collections::BTreeMap;

use definitions::parse;
use kernel::{Duration, Timestamp};
use proto::convert::{instant, timestamp};
use proto::identity::v1::{Event, IngestRequest, Lane};
use proto::journey::v1::{GetCustomerJourneysRequest, Run, RunOutcome};

use self::interpreter::{Ended, Happened, Lengths, Scale, interpret};
use crate::installation::{Installation, taken};
use crate::simulator::rng::Rng;
use crate::stores::Stores;

/// Midnight of a day, in minutes since the epoch.
const BEGIN: i64 = 24_800_000 / 1_440 * 1_440;
/// The random histories that are played of each kind: of sorted lines, and with late ones.
const HISTORIES: u64 = 4;

/// Histories of some days. Nothing is later than the longest window.
const fn scale(late: u64) -> Scale {
    Scale {
        begin: at(BEGIN),
        minute: Duration::from_millis(60_000),
        events: 60,
        customers: 5,
        apart: 29,
        hours: [9, 30, 12, 40],
        late,
        late_by: 100,
    }
}

/// Draws what is sent. On stream time an event is accepted at the newest time that its partition
/// has seen.
fn draw(scale: &Scale, rng: &mut Rng) -> Vec<Happened> {
    let mut events = scale.draw(rng);
    let mut newest = Timestamp::MIN;
    for event in &mut events {
        newest = newest.max(event.time);
        event.accepted = newest;
    }
    events
}

/// An installation of one partition, where all customers share one time.
async fn start(stores: &Stores, definitions: &str) -> Installation {
    let options = stores.options().with("partitions", "1");
    let mut on = Installation::start(&options).await;
    let defined = parse("oracle", definitions).expect("they read");
    on.apply(defined.into_iter().map(|it| it.value).collect())
        .await;
    on
}

/// Sends events, so many in one request. Returns who each customer is.
async fn send(
    on: &mut Installation,
    events: &[Happened],
    lane: Lane,
    size: usize,
) -> BTreeMap<u64, String> {
    let mut people = BTreeMap::new();
    for chunk in events.chunks(size) {
        let event = |event: &Happened| Event {
            name: event.what.to_owned(),
            time: Some(timestamp(event.time)),
            identifiers: [("user_id".to_owned(), format!("c{}", event.who))].into(),
            ..Event::default()
        };
        let request = IngestRequest {
            events: chunk.iter().map(event).collect(),
            lane: lane.into(),
            ..IngestRequest::default()
        };
        let results = taken(on.identity.ingest(request).await).results;
        for (event, result) in chunk.iter().zip(results) {
            people.insert(event.who, result.customer_id);
        }
    }
    on.settle().await;
    people
}

const fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * 60_000)
}

async fn runs_of(on: &mut Installation, customer_id: &str) -> Vec<Run> {
    let request = GetCustomerJourneysRequest {
        customer_id: customer_id.to_owned(),
        after: String::new(),
    };
    taken(on.journey.get_customer_journeys(request).await).runs
}

fn ended(run: &Run) -> Ended {
    (
        run.journey.clone(),
        run.start_time.as_ref().map_or(Timestamp::MIN, instant),
        run.end_time.as_ref().map_or(Timestamp::MIN, instant),
        run.outcome() == RunOutcome::Success,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journeys_and_segments_agree_with_a_naive_interpreter_in_every_lane() {
    let mut count = 0;
    for seed in 0..2 * HISTORIES {
        let scale = scale(if seed < HISTORIES { 0 } else { 300 });
        let mut rng = Rng::new(seed);
        let (lengths, events) = (Lengths::draw(&scale, &mut rng), draw(&scale, &mut rng));
        for (lane, size) in [(Lane::Bulk, 100), (Lane::Live, 100), (Lane::Bulk, 7)] {
            let stores = Stores::embedded();
            let mut on = start(&stores, &lengths.definitions()).await;
            let people = send(&mut on, &events, lane, size).await;
            on.advance(at(BEGIN + 100 * 1_440)).await;
            for (who, id) in &people {
                let mut found: Vec<Ended> = runs_of(&mut on, id).await.iter().map(ended).collect();
                found.sort();
                let expected = interpret(lengths, &events, *who);
                count += expected.len();
                assert_eq!(
                    found, expected,
                    "seed {seed}, {lane:?} by {size}, customer {who}"
                );
            }
            on.stop().await;
        }
    }
    assert!(count > 200, "{count} runs are few");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_ends_by_time_is_over_for_a_journey_that_the_same_import_starts() {
    let definitions = r#"segment: {name: a, expression: 'events("x").within("1h").exists()'}
---
journey:
  name: sorting
  entry: {triggers: [{event: z}], reentry: REENTRY_NEVER}
  steps:
    - {id: sort, branch: {arms: [{when: segments.has("a"), next: in}], otherwise: out}}
    - {id: in, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: out, exit: {outcome: RUN_OUTCOME_FAILURE}}
---
journey:
  name: waiting
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  steps: [{id: rest, wait: {duration: 1d}}]
"#;
    let stores = Stores::embedded();
    let mut on = start(&stores, definitions).await;
    let lines = [
        (BEGIN, 1, "x"),
        (BEGIN, 2, "x"),
        (BEGIN + 10, 3, "go"),
        (BEGIN + 120, 1, "y"),
        (BEGIN + 120, 4, "y"),
    ];
    let lines = lines.map(|(minute, who, what)| Happened::at(at(minute), who, what));
    let people = send(&mut on, &lines, Lane::Bulk, 100).await;
    let waiting = runs_of(&mut on, &people[&3]).await;
    let due = waiting[0].due_time.as_ref().map(instant);
    assert_eq!(
        due,
        Some(at(BEGIN + 10 + 1_440)),
        "another customer's window ended"
    );
    let people = send(
        &mut on,
        &[Happened::at(at(BEGIN + 2_880), 1, "z")],
        Lane::Bulk,
        1,
    )
    .await;
    let sorted = runs_of(&mut on, &people[&1]).await;
    assert_eq!(sorted[0].outcome(), RunOutcome::Failure, "the hour is over");
    on.stop().await;
}

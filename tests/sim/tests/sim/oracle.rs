//! Random journeys and segments, against a naive interpreter: what time brings and what events
//! bring keep one order for each customer, whatever lane the events ride.

use std::collections::BTreeMap;

use definitions::parse;
use kernel::Timestamp;
use proto::convert::{instant, timestamp};
use proto::identity::v1::{Event, IngestRequest, Lane};
use proto::journey::v1::{GetCustomerJourneysRequest, Run, RunOutcome};

use crate::installation::{Installation, taken};
use crate::simulator::rng::Rng;
use crate::stores::Stores;

/// Midnight of a day, in minutes since the epoch.
const BEGIN: i64 = 24_800_000 / 1_440 * 1_440;
/// The random histories that are played.
const HISTORIES: u64 = 8;
/// Events of one.
const EVENTS: u64 = 60;
/// The customers of one.
const CUSTOMERS: u64 = 5;

/// One event: its minute, who, what.
type Happened = (i64, u64, &'static str);

/// The lengths of windows and waits, in minutes.
///
/// Events are a multiple of ten minutes apart, and the last digits of all else differ: nothing
/// happens at the same minute.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    /// The windows of both segments.
    windows: [i64; 2],
    first_wait: i64,
    second_wait: i64,
}

impl Lengths {
    fn draw(rng: &mut Rng) -> Self {
        let mut hours = |most| 60 * i64::try_from(rng.between(1, most)).expect("few hours");
        Self {
            windows: [hours(9) + 3, hours(30) + 3],
            first_wait: hours(12) + 5,
            second_wait: hours(40) + 2,
        }
    }

    fn definitions(self) -> String {
        let Self {
            windows: [a, b],
            first_wait,
            second_wait,
        } = self;
        format!(
            r#"segment: {{name: a, expression: 'events("x").within("{a}m").exists()'}}
---
segment: {{name: b, expression: 'events("y").within("{b}m").exists()'}}
---
journey:
  name: walk
  entry: {{trigger: {{event: go}}, reentry: REENTRY_AFTER_EXIT}}
  steps:
    - {{id: rest, wait: {{duration: {first_wait}m}}}}
    - {{id: sort, branch: {{arms: [{{when: segments.has("a"), next: more}}], otherwise: lost}}}}
    - {{id: more, wait: {{duration: {second_wait}m}}}}
    - {{id: look, branch: {{arms: [{{when: segments.has("b"), next: won}}], otherwise: lost}}}}
    - {{id: won, exit: {{outcome: RUN_OUTCOME_SUCCESS}}}}
    - {{id: lost, exit: {{outcome: RUN_OUTCOME_FAILURE}}}}
---
journey:
  name: lapse
  entry: {{trigger: {{segment_left: a}}, reentry: REENTRY_AFTER_EXIT}}
  steps:
    - {{id: rest, wait: {{duration: {second_wait}m}}}}
    - {{id: sort, branch: {{arms: [{{when: segments.has("b"), next: won}}], otherwise: lost}}}}
    - {{id: won, exit: {{outcome: RUN_OUTCOME_SUCCESS}}}}
    - {{id: lost, exit: {{outcome: RUN_OUTCOME_FAILURE}}}}
"#
        )
    }
}

/// A run that ended: its journey, its first and its last minute, and whether it went well.
type Ended = (String, i64, i64, bool);

/// The runs of one customer, as the definitions say, read off the events with no state at all.
fn interpret(lengths: Lengths, events: &[Happened], who: u64) -> Vec<Ended> {
    let times = |what: &str| {
        let own = events
            .iter()
            .filter(|event| event.1 == who && event.2 == what);
        own.map(|event| event.0).collect::<Vec<_>>()
    };
    let is_in = |what: &str, window: i64, at: i64| {
        let mut times = times(what).into_iter();
        times.any(|time| time <= at && at < time + window)
    };
    let [a, b] = lengths.windows;
    let walk = |start: i64| {
        let sorted = start + lengths.first_wait;
        if !is_in("x", a, sorted) {
            return (sorted, false);
        }
        let looked = sorted + lengths.second_wait;
        (looked, is_in("y", b, looked))
    };
    let lapse = |start: i64| {
        let sorted = start + lengths.second_wait;
        (sorted, is_in("y", b, sorted))
    };
    let lefts = times("x").into_iter().map(|time| time + a);
    let lefts = lefts.filter(|left| !is_in("x", a, *left)).collect();
    let mut ended = runs("walk", times("go"), walk);
    ended.extend(runs("lapse", lefts, lapse));
    ended.sort();
    ended
}

/// Runs by their triggers: none begins before the one before it has ended.
fn runs(journey: &str, triggers: Vec<i64>, walk: impl Fn(i64) -> (i64, bool)) -> Vec<Ended> {
    let (mut ended, mut free) = (Vec::new(), i64::MIN);
    for start in triggers {
        if start >= free {
            let (end, is_success) = walk(start);
            ended.push((journey.to_owned(), start, end, is_success));
            free = end;
        }
    }
    ended
}

fn draw(rng: &mut Rng) -> Vec<Happened> {
    let mut minute = BEGIN;
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        minute += 10 * i64::try_from(rng.below(30)).expect("below 30");
        events.push((minute, rng.below(CUSTOMERS), *rng.pick(&["x", "y", "go"])));
    }
    // Two of one minute and customer would be in the order in which they were drawn.
    events.dedup_by_key(|event| (event.0, event.1));
    events
}

fn minute(at: &prost_types::Timestamp) -> i64 {
    instant(at).as_millis().div_euclid(60_000)
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
        let event = |(minute, who, what): &Happened| Event {
            name: (*what).to_owned(),
            time: Some(timestamp(at(*minute))),
            identifiers: [("user_id".to_owned(), format!("c{who}"))].into(),
            ..Event::default()
        };
        let request = IngestRequest {
            events: chunk.iter().map(event).collect(),
            lane: lane.into(),
            ..IngestRequest::default()
        };
        let results = taken(on.identity.ingest(request).await).results;
        for ((_, who, _), result) in chunk.iter().zip(results) {
            people.insert(*who, result.customer_id);
        }
    }
    on.settle().await;
    people
}

fn at(minute: i64) -> Timestamp {
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
        run.start_time.as_ref().map_or(0, minute),
        run.end_time.as_ref().map_or(0, minute),
        run.outcome() == RunOutcome::Success,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journeys_and_segments_agree_with_a_naive_interpreter_in_every_lane() {
    let mut count = 0;
    for seed in 0..HISTORIES {
        let mut rng = Rng::new(seed);
        let (lengths, events) = (Lengths::draw(&mut rng), draw(&mut rng));
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
  entry: {trigger: {event: z}, reentry: REENTRY_NEVER}
  steps:
    - {id: sort, branch: {arms: [{when: segments.has("a"), next: in}], otherwise: out}}
    - {id: in, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: out, exit: {outcome: RUN_OUTCOME_FAILURE}}
---
journey:
  name: waiting
  entry: {trigger: {event: go}, reentry: REENTRY_NEVER}
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
    let people = send(&mut on, &lines, Lane::Bulk, 100).await;
    let waiting = runs_of(&mut on, &people[&3]).await;
    let due = waiting[0].due_time.as_ref().map(minute);
    assert_eq!(
        due,
        Some(BEGIN + 10 + 1_440),
        "another customer's window ended"
    );
    let people = send(&mut on, &[(BEGIN + 2_880, 1, "z")], Lane::Bulk, 1).await;
    let sorted = runs_of(&mut on, &people[&1]).await;
    assert_eq!(sorted[0].outcome(), RunOutcome::Failure, "the hour is over");
    on.stop().await;
}

/// The interpreter itself, where the answer is known.
#[test]
fn the_interpreter_tells_ends_of_windows_and_waits() {
    let lengths = Lengths {
        windows: [63, 123],
        first_wait: 65,
        second_wait: 122,
    };
    let events = [(0, 0, "go"), (10, 0, "x"), (20, 0, "go"), (150, 0, "y")];
    let expected = [
        ("lapse".to_owned(), 73, 195, true),
        ("walk".to_owned(), 0, 187, true),
    ];
    assert_eq!(interpret(lengths, &events, 0), expected);
    assert_eq!(interpret(lengths, &events, 1), []);
}

//! On a clock a timer fires after everything that was accepted before it is due, in all services,
//! and a history comes out as it does on stream time.

use std::sync::Arc;

use hot::StreamName;
use kernel::{PartitionId, Timestamp};
use messages::stream::v1::Record;
use proptest::prelude::*;

use super::counting::Counting;
use super::driver::{Bench, event, settle, slot, tick};
use super::pair::{Pair, words};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{Clock as _, TimeSource, limits};

const EVENTS: StreamName = StreamName::Events;

/// Events of a customer nobody looks at, in entries of a hundred.
async fn backlog(pair: &Pair, name: StreamName, entries: u32) {
    for entry in 0..entries {
        let events = (0..100).map(|n| event(9, &format!("{entry}/{n}"), "skip", 0));
        pair.bench.append(0, name, events.collect()).await;
    }
}

/// Lets the second service do what it can. Returns whether it waits for the first.
async fn is_behind(pair: &mut Pair) -> bool {
    pair.second.hint(ALL_LANES);
    loop {
        match pair.second.tick().await {
            TickOutcome::Worked => {}
            TickOutcome::Behind => return true,
            TickOutcome::Idle { .. } => return false,
            other => panic!("unexpected {other:?}"),
        }
    }
}

async fn settle_both(pair: &mut Pair) {
    settle(&mut pair.first).await;
    settle(&mut pair.second).await;
}

#[tokio::test]
async fn a_timer_waits_for_what_was_accepted_before_it_is_due() {
    let mut pair = Pair::new().await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "wait~6000", "add", 0)])
        .await;
    settle_both(&mut pair).await;
    pair.pass(1_500);
    backlog(&pair, EVENTS, 60).await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "purchase", "add", 0)])
        .await;
    pair.pass(5_900);
    pair.bench
        .append(0, EVENTS, vec![event(1, "late", "add", 0)])
        .await;
    // Both processes die, and the second one is the first to go on, after the wait is over.
    pair.pass(100);
    pair.restart().await;
    assert!(is_behind(&mut pair).await);
    assert_eq!(pair.logs(1).await[1], ["wait~6000"]);
    pair.first.hint(ALL_LANES);
    for _ in 0..3 {
        assert!(matches!(pair.first.tick().await, TickOutcome::Worked));
    }
    assert!(is_behind(&mut pair).await, "half of it is not enough");
    settle_both(&mut pair).await;
    assert_eq!(
        pair.logs(1).await[1],
        ["wait~6000", "purchase", "fired@7000", "late"],
        "what was accepted after the wait was over comes after it"
    );
}

#[tokio::test]
async fn what_time_brings_in_the_service_before_comes_first_too() {
    let mut pair = Pair::new().await;
    let events = vec![event(1, "a~20", "wait:10", 0)];
    pair.bench.append(0, EVENTS, events).await;
    settle_both(&mut pair).await;
    pair.pass(30);
    assert!(is_behind(&mut pair).await);
    settle_both(&mut pair).await;
    assert_eq!(pair.logs(1).await[1], ["a~20", "fired", "fired@1020"]);
}

#[tokio::test]
async fn the_low_priority_lane_holds_no_timer() {
    let mut pair = Pair::new().await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "a~20", "wait:10", 0)])
        .await;
    settle_both(&mut pair).await;
    backlog(&pair, StreamName::EventsBulk, 60).await;
    pair.pass(10);
    pair.first.hint(ALL_LANES);
    assert!(matches!(pair.first.tick().await, TickOutcome::Worked));
    assert_eq!(pair.logs(1).await[0], ["a~20", "fired@1010"]);
    pair.pass(10);
    assert!(!is_behind(&mut pair).await);
    assert_eq!(pair.logs(1).await[1], ["a~20", "fired", "fired@1020"]);
}

#[tokio::test]
async fn a_service_that_is_away_holds_timers_for_the_grace_and_no_longer() {
    let mut pair = Pair::new().await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "a~20", "add", 0)])
        .await;
    settle_both(&mut pair).await;
    pair.pass(10);
    pair.bench
        .append(0, EVENTS, vec![event(1, "b", "add", 0)])
        .await;
    pair.pass(10 + limits::GRACE.as_millis() - 1);
    assert!(is_behind(&mut pair).await);
    pair.pass(1);
    assert!(!is_behind(&mut pair).await);
    settle_both(&mut pair).await;
    assert_eq!(pair.logs(1).await[1], ["a~20", "fired@1020", "b"]);
}

#[tokio::test]
async fn others_know_of_a_timer_that_is_set_while_the_index_is_not_asked() {
    let mut pair = Pair::new().await;
    let events = vec![event(1, "a", "add", 0)];
    pair.bench.append(0, EVENTS, events).await;
    settle_both(&mut pair).await;
    let first = slot(0);
    let told = pair.bench.hot.head(first).await.expect("a head").next_due;
    assert_eq!(told, Some(Timestamp::MAX), "there is none");
    // The live lane waits for the second service, and so does time.
    for _ in 0..limits::OUTPUT_ENTRIES {
        let facts = vec![event(9, "", "skip", 0)];
        pair.bench.append(0, StreamName::Facts, facts).await;
    }
    pair.restart().await;
    let events = vec![event(2, "b", "wait:10", 0)];
    pair.bench.append(0, StreamName::EventsBulk, events).await;
    pair.first.hint(ALL_LANES);
    assert!(matches!(pair.first.tick().await, TickOutcome::Worked));
    let told = pair.bench.hot.head(first).await.expect("a head").next_due;
    assert_eq!(told, Some(Timestamp::from_millis(1_010)));
}

#[tokio::test]
async fn waits_count_from_when_their_cause_was_accepted() {
    let mut pair = Pair::new().await;
    pair.bench
        .append(0, EVENTS, vec![event(1, "a~50", "wait:30", 0)])
        .await;
    // It takes a while until anybody looks.
    pair.pass(40);
    settle_both(&mut pair).await;
    assert_eq!(pair.logs(1).await[0], ["a~50", "fired@1030"]);
    pair.pass(10);
    settle_both(&mut pair).await;
    assert_eq!(pair.logs(1).await[1], ["a~50", "fired", "fired@1050"]);
}

/// The next thing that happens.
#[derive(Debug, Clone)]
enum Then {
    Event {
        customer: u8,
        wait: Option<i64>,
        later: Option<i64>,
    },
    First,
    Second,
    Pass(i64),
    Restart,
}

fn then() -> impl Strategy<Value = Then> {
    let wait = || prop::option::of(1..40_i64);
    let event = (0..4_u8, wait(), wait());
    prop_oneof![
        6 => event.prop_map(|(customer, wait, later)| Then::Event { customer, wait, later }),
        3 => Just(Then::First),
        3 => Just(Then::Second),
        4 => (1..30_i64).prop_map(Then::Pass),
        1 => Just(Then::Restart),
    ]
}

fn record(number: usize, then: &Then, now: Timestamp) -> Option<Record> {
    let Then::Event {
        customer,
        wait,
        later,
    } = then
    else {
        return None;
    };
    let what = wait.map_or("add".to_owned(), |wait| format!("wait:{wait}"));
    let id = later.map_or(number.to_string(), |later| format!("{number}~{later}"));
    Some(event(*customer, &id, &what, now.as_millis()))
}

/// Plays a history on a clock, as it comes. Returns what happened to each customer, and the
/// records.
async fn on_a_clock(steps: &[Then]) -> (Vec<[Vec<String>; 2]>, Vec<Record>) {
    let mut pair = Pair::new().await;
    let mut records = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        if let Some(record) = record(number, step, pair.clock.now()) {
            pair.bench.append(0, EVENTS, vec![record.clone()]).await;
            records.push(record);
        }
        match step {
            Then::Event { .. } => {}
            Then::First => {
                pair.first.hint(ALL_LANES);
                pair.first.tick().await;
            }
            Then::Second => {
                pair.second.hint(ALL_LANES);
                pair.second.tick().await;
            }
            Then::Pass(millis) => pair.pass(*millis),
            Then::Restart => pair.restart().await,
        }
    }
    pair.pass(100);
    settle_both(&mut pair).await;
    records.push(tick(pair.clock.now().as_millis()));
    let mut logs = Vec::new();
    for customer in 0..4 {
        logs.push(pair.logs(customer).await);
    }
    (logs, records)
}

/// Plays the same records on stream time, at once.
async fn on_stream_time(records: Vec<Record>) -> Vec<[Vec<String>; 2]> {
    let bench = Bench::of(1).await;
    bench.append(0, EVENTS, records).await;
    let config = bench.config_of::<Counting<0>>(Arc::clone(&bench.hot), TimeSource::Stream);
    let first = Worker::open(config, PartitionId::new(0), 1).await;
    settle(&mut first.expect("it opens")).await;
    let config = bench.config_of::<Counting<1>>(Arc::clone(&bench.hot), TimeSource::Stream);
    let second = Worker::open(config, PartitionId::new(0), 1).await;
    settle(&mut second.expect("it opens")).await;
    let mut logs = Vec::new();
    for customer in 0..4 {
        logs.push(super::pair::logs(&bench, customer).await);
    }
    logs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_history_on_a_clock_comes_out_as_on_stream_time(
        steps in prop::collection::vec(then(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (found, records) = on_a_clock(&steps).await;
            let expected = on_stream_time(records).await;
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found[0], expected[0]);
                assert_eq!(found[1], expected[1]);
                assert!(words(&found[1]).len() >= words(&found[0]).len());
            }
        });
    }
}

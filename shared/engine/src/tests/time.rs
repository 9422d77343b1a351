//! Timers and ticks, on stream time and on a clock.

use std::sync::Arc;

use hot::StreamName;
use kernel::Timestamp;

use super::driver::{Bench, event, settle, tick};
use crate::worker::TickOutcome;
use crate::{TimeSource, VirtualClock};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[tokio::test]
async fn timers_fire_between_records_in_the_order_of_their_time() {
    let bench = Bench::new().await;
    let records = vec![
        event(1, "a", "wait:30", 0),
        event(2, "b", "wait:10", 5),
        event(3, "c", "add", 14),
        event(4, "d", "add", 15),
        event(5, "e", "add", 40),
        tick(50),
    ];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(
        bench.facts(0).await,
        [
            "a@0", "b@5", "c@14", "fired@15", "d@15", "fired@30", "e@40", "tick@50"
        ]
    );
}

#[tokio::test]
async fn stream_time_does_not_depend_on_how_records_are_batched() {
    let records: Vec<_> = (0..450_i64)
        .map(|n| {
            let customer = u8::try_from(n * 7 % 50).expect("small");
            let what = match n % 5 {
                0 => format!("wait:{}", n * 13 % 40),
                3 => "skip".to_owned(),
                _ => "add".to_owned(),
            };
            // Some are late.
            event(customer, &n.to_string(), &what, n * 3 - n * 11 % 17)
        })
        .chain([tick(2_000), tick(2_001)])
        .collect();
    let mut answers = Vec::new();
    for size in [1, 7, 200, 1_000] {
        let bench = Bench::new().await;
        let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
        for chunk in records.chunks(size) {
            bench.append(0, StreamName::Events, chunk.to_vec()).await;
            if size < 200 {
                settle(&mut worker).await;
            }
        }
        settle(&mut worker).await;
        answers.push(bench.facts(0).await);
    }
    assert!(answers[0].len() > 350, "{}", answers[0].len());
    for answer in &answers[1..] {
        assert_eq!(answer, &answers[0]);
    }
}

#[tokio::test]
async fn more_timers_than_a_batch_holds_fire_in_order_before_the_next_record() {
    let bench = Bench::new().await;
    let waits = (0..250_u8).map(|n| event(n, "w", &format!("wait:{}", 1_000 - i64::from(n)), 0));
    bench.append(0, StreamName::Events, waits.collect()).await;
    bench
        .append(0, StreamName::Events, vec![event(255, "z", "add", 5_000)])
        .await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    let facts = bench.facts(0).await;
    let fired: Vec<_> = facts[250..500].to_vec();
    let expected: Vec<_> = (751..=1_000).map(|n| format!("fired@{n}")).collect();
    assert_eq!(fired, expected);
    assert_eq!(facts[500], "z@5000");
}

#[tokio::test]
async fn on_a_clock_timers_fire_when_they_are_due_and_not_before() {
    let clock = Arc::new(VirtualClock::new(at(1_000)));
    let bench = Bench::at(&clock).await;
    let mut worker = bench.worker(0, 1, TimeSource::Wall(clock.clone())).await;
    bench
        .append(
            0,
            StreamName::Events,
            vec![event(1, "a", "wait:50", 3), tick(9_000)],
        )
        .await;
    settle(&mut worker).await;
    let TickOutcome::Idle { next_due } = worker.tick().await else {
        panic!("it rests")
    };
    assert_eq!(next_due, Some(at(1_050)));
    clock.advance_to(at(1_049));
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
    clock.advance_to(at(1_050));
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a", "fired@1050"]);
    assert_eq!(
        bench.facts(0).await,
        ["a@1000", "fired@1050"],
        "no tick is passed on"
    );
}

#[tokio::test]
async fn a_new_owner_finds_the_time_and_the_timers() {
    let bench = Bench::new().await;
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "wait:50", 100)])
        .await;
    settle(&mut bench.worker(0, 1, TimeSource::Stream).await).await;
    let late = vec![event(2, "late", "add", 20), event(2, "b", "add", 150)];
    bench.append(0, StreamName::Events, late).await;
    settle(&mut bench.worker(0, 2, TimeSource::Stream).await).await;
    assert_eq!(
        bench.facts(0).await,
        ["a@100", "late@100", "fired@150", "b@150"]
    );
}

//! A timer that cannot be processed: one entry in the quarantine, tried again by itself, and no end
//! of its customer's waits.

use hot::StreamName;
use messages::engine::v1::QuarantinedKind;
use messages::stream::v1::{CustomerMerged, QuarantineVerb, Record, record::Body};

use super::counting::Counting;
use super::driver::{Bench, event, key, settle, tick};
use super::release::{aside, order_all};
use crate::worker::Worker;
use crate::worker::aside::retry_delay;
use crate::{TimeSource, limits};

async fn at(bench: &Bench, worker: &mut Worker<Counting>, time: i64) {
    bench.append(0, StreamName::Events, vec![tick(time)]).await;
    settle(worker).await;
}

/// A customer who waits for 10, whose timers are poison until some time.
async fn waiting(bench: &Bench, until: i64) -> Worker<Counting> {
    let records = vec![
        event(1, "a", "wait:10", 0),
        event(1, "b", &format!("sour:{until}"), 0),
    ];
    bench.append(0, StreamName::Events, records).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    settle(&mut worker).await;
    worker
}

/// Returns the number of tries of each timer in quarantine.
async fn tries(bench: &Bench) -> Vec<u32> {
    let entries = aside(bench).await.into_iter();
    entries
        .map(|(_, entry)| {
            assert_eq!(entry.kind(), QuarantinedKind::Timer);
            assert_eq!(entry.due_time.map(|time| time.nanos), Some(10_000_000));
            entry.try_count
        })
        .collect()
}

#[tokio::test]
async fn a_poison_timer_does_not_end_the_other_waits_of_its_customer() {
    let bench = Bench::new().await;
    let then = vec![event(1, "c", "then:20000", 0)];
    bench.append(0, StreamName::Events, then).await;
    let mut worker = waiting(&bench, 5_000).await;
    at(&bench, &mut worker, 11).await;
    assert_eq!(tries(&bench).await, [1]);
    // No record of the customer comes meanwhile.
    at(&bench, &mut worker, 10_009).await;
    assert_eq!(bench.count("fired").await, 0);
    at(&bench, &mut worker, 10_010).await;
    assert_eq!(bench.count("fired").await, 1);
    assert_eq!(tries(&bench).await, [0; 0], "it left by itself");
    at(&bench, &mut worker, 20_000).await;
    let log = bench.log(0, 1).await;
    assert_eq!(log[log.len() - 2..], ["fired@10", "fired@20000"]);
}

#[tokio::test]
async fn its_tries_are_further_and_further_apart_and_one_entry_whoever_works() {
    let bench = Bench::new().await;
    let mut worker = waiting(&bench, i64::MAX).await;
    let mut due = 10;
    for (epoch, expected) in (2_u64..).zip(1..=6) {
        at(&bench, &mut worker, due).await;
        assert_eq!(tries(&bench).await, [expected], "at {due}");
        due += retry_delay(expected).as_millis();
        at(&bench, &mut worker, due - 1).await;
        assert_eq!(tries(&bench).await, [expected], "before {due}");
        worker = bench.worker(0, epoch, TimeSource::Stream).await;
    }
    let delays = [1, 2, 3, 9, 10, 40, u32::MAX].map(|tries| retry_delay(tries).as_millis());
    let most = limits::TIMER_RETRY_MAX.as_millis();
    assert_eq!(
        delays,
        [10_000, 20_000, 40_000, 2_560_000, most, most, most]
    );
}

#[tokio::test]
async fn records_of_its_customer_neither_try_it_nor_set_it_aside_again() {
    let bench = Bench::new().await;
    let mut worker = waiting(&bench, i64::MAX).await;
    at(&bench, &mut worker, 11).await;
    let records = (0..20).map(|n| event(1, &n.to_string(), "add", 12 + n));
    bench.append(0, StreamName::Events, records.collect()).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [1]);
    assert_eq!(bench.log(0, 1).await.len(), 23);
    // The state no longer waits for it.
    for (what, time) in [("clear", 40), ("wait:5", 41)] {
        let records = vec![event(1, what, what, time)];
        bench.append(0, StreamName::Events, records).await;
        settle(&mut worker).await;
        assert_eq!(tries(&bench).await, [0; 0], "{what}");
    }
}

#[tokio::test]
async fn a_retry_fires_it_now_and_a_discard_ends_its_tries() {
    let bench = Bench::new().await;
    let mut worker = waiting(&bench, 100).await;
    at(&bench, &mut worker, 11).await;
    order_all(&bench, QuarantineVerb::Retry).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [2]);
    at(&bench, &mut worker, 100).await;
    order_all(&bench, QuarantineVerb::Retry).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [0; 0]);
    assert_eq!(bench.log(0, 1).await[3..], ["fired@10"]);

    let bench = Bench::new().await;
    let mut worker = waiting(&bench, 100).await;
    at(&bench, &mut worker, 11).await;
    order_all(&bench, QuarantineVerb::Discard).await;
    settle(&mut worker).await;
    at(&bench, &mut worker, 50_000).await;
    assert_eq!(tries(&bench).await, [0; 0]);
    assert_eq!(bench.count("fired").await, 0);
    // The customer's next record brings its waits back.
    let records = vec![event(1, "c", "add", 50_001)];
    bench.append(0, StreamName::Events, records).await;
    settle(&mut worker).await;
    assert_eq!(bench.count("fired").await, 1);
}

#[tokio::test]
async fn a_timer_without_room_in_the_quarantine_holds_nobody() {
    let bench = Bench::new().await;
    drop(waiting(&bench, 100).await);
    let mut config = bench.config(std::sync::Arc::clone(&bench.hot), TimeSource::Stream);
    config.quarantine_bytes = 0;
    let worker = Worker::open(config, kernel::PartitionId::new(0), 2).await;
    let mut worker = worker.expect("it opens");
    bench
        .append(0, StreamName::Events, vec![event(2, "d", "add", 20)])
        .await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 2).await, ["d"]);
    assert_eq!(tries(&bench).await, [0; 0]);
    let longest = limits::TIMER_RETRY_MAX.as_millis();
    at(&bench, &mut worker, longest + 10).await;
    assert_eq!(bench.count("fired").await, 1);
}

#[tokio::test]
async fn it_leaves_the_quarantine_with_a_customer_who_is_joined_into_another() {
    let bench = Bench::new().await;
    let mut worker = waiting(&bench, i64::MAX).await;
    at(&bench, &mut worker, 11).await;
    assert_eq!(tries(&bench).await, [1]);
    let merged = Body::Merged(CustomerMerged {
        into_customer_id: key(0),
        ..CustomerMerged::default()
    });
    let merged = Record {
        body: Some(merged),
        ..event(1, "", "", 12)
    };
    bench.append(0, StreamName::Events, vec![merged]).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [0; 0]);
}

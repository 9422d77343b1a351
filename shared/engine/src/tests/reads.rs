//! Reads that come after a write: none is answered before the service has taken it, whatever lane
//! it came by, and none waits for more.

mod bounds;

use std::sync::Arc;
use std::time::Duration;

use hot::{Owner, SharedHotStore, Slot, StreamName};
use kernel::{CustomerId, PartitionId, Timestamp};
use messages::stream::v1::Record;
use tokio::time::Instant;

use super::counting::Counting;
use super::driver::{event, settle};
use super::pair::Pair;
use crate::head::id_bytes;
use crate::shared::ALL_LANES;
use crate::worker::TickOutcome;
use crate::{FindError, Follower, Written, limits};

const EVENTS: StreamName = StreamName::Events;
const BULK: StreamName = StreamName::EventsBulk;

/// Customers of partition 0, the one of [`Pair`]; the last is one whom nobody looks at.
const ONE: u128 = 1;
const TWO: u128 = 2;
const NOBODY: u128 = 5;

fn customer(number: u128) -> CustomerId {
    CustomerId::try_from_bytes(&number.to_be_bytes()).expect("an id")
}

fn event_of(number: u128, id: &str, what: &str) -> Record {
    Record {
        customer_id: id_bytes(customer(number)),
        ..event(0, id, what, 0)
    }
}

/// Appends events of a customer, and returns what an answer would tell of the last one.
async fn write(pair: &Pair, stream: StreamName, customer: u128, ids: &[&str]) -> Written {
    let records = ids.iter().map(|id| event_of(customer, id, "add"));
    pair.bench.append(0, stream, records.collect()).await;
    let slot = Slot {
        owner: Owner::Segmentation,
        partition: PartitionId::new(0),
    };
    let unread = pair.bench.hot.unread(slot, &[]).await.expect("it answers");
    let time = unread.newest;
    Written { stream, time }
}

/// Entries of a stream with records of a customer whom nobody looks at.
async fn backlog(pair: &Pair, stream: StreamName) {
    for entry in 0..60 {
        let skip = |n| event_of(NOBODY, &format!("{entry}/{n}"), "skip");
        let records: Vec<Record> = (0..100).map(skip).collect();
        pair.bench.append(0, stream, records).await;
    }
}

/// The log of a customer in a service after a write, as it is at once.
async fn read<const STAGE: usize>(
    pair: &Pair,
    number: u128,
    written: Written,
) -> Result<Vec<String>, FindError> {
    let hot = Arc::clone(&pair.bench.hot);
    read_within::<STAGE>(hot, number, written, Duration::ZERO).await
}

/// The same from a store, within a time.
async fn read_within<const STAGE: usize>(
    hot: SharedHotStore,
    number: u128,
    written: Written,
    patience: Duration,
) -> Result<Vec<String>, FindError> {
    let (customer, deadline) = (customer(number), Instant::now() + patience);
    let found = Follower::new(hot)
        .find_customer_with::<Counting<STAGE>>(customer, written, deadline, |_| Vec::new())
        .await?;
    Ok(found.state.map_or_else(Vec::new, |state| state.log))
}

fn assert_behind<T: std::fmt::Debug>(read: Result<T, FindError>, expected: Owner) {
    match read {
        Err(FindError::Behind { service, .. }) => assert_eq!(service, expected),
        other => panic!("{expected:?} is not behind: {other:?}"),
    }
}

#[tokio::test]
async fn a_read_is_answered_once_all_services_before_it_have_taken_the_write() {
    let mut pair = Pair::new().await;
    for round in 0..50 {
        let id = round.to_string();
        let written = write(&pair, EVENTS, ONE, &[&id]).await;
        assert_behind(read::<0>(&pair, ONE, written).await, Owner::Segmentation);
        assert_behind(read::<1>(&pair, ONE, written).await, Owner::Segmentation);
        settle(&mut pair.first).await;
        let log = read::<0>(&pair, ONE, written).await.expect("it is taken");
        assert_eq!(log.last(), Some(&id));
        assert_behind(read::<1>(&pair, ONE, written).await, Owner::Journey);
        // Time does not take anything.
        pair.pass(3_600_000);
        assert_behind(read::<1>(&pair, ONE, written).await, Owner::Journey);
        settle(&mut pair.second).await;
        let log = read::<1>(&pair, ONE, written).await.expect("it is taken");
        assert_eq!(log.last(), Some(&id));
        assert_behind(read::<2>(&pair, ONE, written).await, Owner::Activation);
    }
}

#[tokio::test]
async fn what_a_service_reads_first_does_not_wait_for_those_before_it() {
    let mut pair = Pair::new().await;
    write(&pair, EVENTS, ONE, &["a"]).await;
    let written = write(&pair, StreamName::Facts, ONE, &["b"]).await;
    assert!(read::<0>(&pair, ONE, written).await.is_ok());
    assert_behind(read::<1>(&pair, ONE, written).await, Owner::Journey);
    settle(&mut pair.second).await;
    assert_eq!(read::<1>(&pair, ONE, written).await.expect("a log"), ["b"]);
}

#[tokio::test]
async fn a_write_to_the_low_priority_lane_waits_for_that_lane_in_all_services() {
    let mut pair = Pair::new().await;
    backlog(&pair, BULK).await;
    let written = write(&pair, BULK, ONE, &["a"]).await;
    let live = write(&pair, EVENTS, TWO, &["b"]).await;
    pair.first.hint(ALL_LANES);
    assert!(matches!(pair.first.tick().await, TickOutcome::Worked));
    assert_behind(read::<0>(&pair, ONE, written).await, Owner::Segmentation);
    let log = read::<0>(&pair, TWO, live).await;
    assert_eq!(log.expect("a live write does not wait for others"), ["b"]);
    settle(&mut pair.first).await;
    assert_eq!(read::<0>(&pair, ONE, written).await.expect("a log"), ["a"]);
    assert_behind(read::<1>(&pair, ONE, written).await, Owner::Journey);
    settle(&mut pair.second).await;
    assert_eq!(read::<1>(&pair, ONE, written).await.expect("a log"), ["a"]);
}

#[tokio::test]
async fn a_live_write_waits_for_the_low_priority_lane_where_its_customer_is_there() {
    let mut pair = Pair::new().await;
    backlog(&pair, StreamName::FactsBulk).await;
    write(&pair, BULK, ONE, &["a"]).await;
    settle(&mut pair.first).await;
    // All that follows for this one goes behind what is on its way.
    let behind = write(&pair, EVENTS, ONE, &["b"]).await;
    let other = write(&pair, EVENTS, TWO, &["c"]).await;
    settle(&mut pair.first).await;
    pair.second.hint(ALL_LANES);
    assert!(matches!(pair.second.tick().await, TickOutcome::Worked));
    let log = read::<1>(&pair, TWO, other).await;
    assert_eq!(log.expect("nothing of this one is there"), ["c"]);
    assert_behind(read::<1>(&pair, ONE, behind).await, Owner::Journey);
    settle(&mut pair.second).await;
    assert_eq!(
        read::<1>(&pair, ONE, behind).await.expect("a log"),
        ["a", "b"]
    );
}

#[tokio::test]
async fn what_is_set_aside_counts_as_taken() {
    let mut pair = Pair::new().await;
    let records = vec![event_of(ONE, "a", "poison")];
    pair.bench.append(0, EVENTS, records).await;
    let written = write(&pair, EVENTS, ONE, &["b"]).await;
    settle(&mut pair.first).await;
    assert_eq!(read::<0>(&pair, ONE, written).await.expect("a log"), ["b"]);
}

#[tokio::test]
async fn a_time_that_has_not_come_is_refused() {
    let pair = Pair::new().await;
    let written = write(&pair, EVENTS, ONE, &["a"]).await;
    let ahead = |by: kernel::Duration| Written {
        time: written.time + by,
        ..written
    };
    let skew = limits::CLOCK_SKEW;
    assert_behind(
        read::<0>(&pair, ONE, ahead(skew)).await,
        Owner::Segmentation,
    );
    let far = ahead(kernel::Duration::from_millis(skew.as_millis() + 1));
    let refused = read::<0>(&pair, ONE, far).await;
    let Err(FindError::Ahead { time, now }) = refused else {
        panic!("it is not refused: {refused:?}");
    };
    assert_eq!((time, now), (far.time, Timestamp::from_millis(1_000)));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_woken_by_the_commit_and_gives_up_at_its_deadline() {
    let mut pair = Pair::new().await;
    let written = write(&pair, EVENTS, ONE, &["a"]).await;
    let follower = Follower::new(Arc::clone(&pair.bench.hot));
    let begun = Instant::now();
    let customer = customer(ONE);
    let waits = |patience: Duration| {
        let follower = follower.clone();
        tokio::spawn(async move {
            let deadline = begun + patience;
            follower
                .find_customer_with::<Counting<0>>(customer, written, deadline, |_| Vec::new())
                .await
        })
    };
    let overdue = waits(Duration::from_secs(3)).await.expect("no panic");
    assert_behind(overdue, Owner::Segmentation);
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    let waiting = waits(Duration::from_secs(3_600));
    // It asks, and finds nothing; the clock stands still meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    settle(&mut pair.first).await;
    let found = waiting.await.expect("no panic").expect("it is taken");
    assert_eq!(found.state.expect("a state").log, ["a"]);
    assert_eq!(
        begun.elapsed(),
        Duration::from_secs(3),
        "no look was needed"
    );
}

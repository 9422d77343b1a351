//! Whole engines over one store: hand-over, takeover, timers on a clock, dispatching, rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hot::{Owner, Slot, StreamName};
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::Record;
use storage::{Acquire, Heartbeat, Leases as _, MemberId};

use super::driver::{Bench, event};
use super::site::{ROUND, SERVICE, Site, shares};
use crate::shared::ALL_LANES;
use crate::worker::TickOutcome;
use crate::{Dispatcher, Engine, EngineHandle, Status, TimeSource, VirtualClock, placement};

async fn start(bench: &Bench, worker: &str) -> EngineHandle {
    let mut config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    config.worker = worker.to_owned();
    Engine::start(config).await.expect("it starts")
}

async fn owners(engine: &EngineHandle) -> Vec<(String, u64)> {
    let partitions = engine.list_partitions().await.expect("a list");
    partitions
        .into_iter()
        .map(|it| (it.owner, it.epoch))
        .collect()
}

#[tokio::test]
async fn partitions_are_handed_over_and_nothing_is_lost_or_doubled() {
    let bench = Bench::new().await;
    let first = start(&bench, "first").await;
    for partition in 0..2 {
        bench
            .append(partition, StreamName::Events, vec![event(1, "a", "add", 1)])
            .await;
    }
    assert_eq!(first.await_idle().await.expect("it rests"), 2);
    assert_eq!(
        owners(&first).await,
        [("first".to_owned(), 1), ("first".to_owned(), 1)]
    );

    let begun = std::time::Instant::now();
    first.shutdown().await;
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(1),
        "the hand-over takes no second"
    );
    assert!(first.await_idle().await.is_err());
    let second = start(&bench, "second").await;
    for partition in 0..2 {
        bench
            .append(partition, StreamName::Events, vec![event(1, "b", "add", 2)])
            .await;
    }
    assert_eq!(second.await_idle().await.expect("it rests"), 4);
    assert_eq!(
        owners(&second).await,
        [("second".to_owned(), 2), ("second".to_owned(), 2)]
    );
    for partition in 0..2 {
        assert_eq!(bench.log(partition, 1).await, ["a", "b"]);
    }
    second.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn two_engines_share_the_partitions_and_one_takes_over_what_the_other_leaves() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let one = site.start("w1", &site.machine(0)).await;
    let two = site.start("w3", &site.machine(0)).await;
    let both = shares(["w1", "w3"]);
    assert_ne!(both[0], both[1], "each has one");
    site.until_owned_by(both).await;
    assert_eq!(
        one.owned(),
        1,
        "its cache is for the partition that it kept"
    );
    one.shutdown().await;
    for partition in 0..2 {
        bench
            .append(partition, StreamName::Events, vec![event(1, "a", "add", 1)])
            .await;
    }
    site.until_owned_by(["w3", "w3"]).await;
    while bench.count("seen").await < 2 {
        two.await_idle().await.expect("it rests");
    }
    assert_eq!(two.owned(), 2, "its cache is for both");
    two.shutdown().await;
    for partition in 0..2 {
        assert_eq!(bench.log(partition, 1).await, ["a"]);
    }
}

/// Makes another process join that never works, and gives it the partition that is its share.
/// Returns that.
async fn join_silently(site: &Site, ttl: Duration) -> PartitionId {
    let silent = MemberId {
        service: SERVICE,
        worker: "w3",
        incarnation: "silent",
    };
    let joined = site.leases.heartbeat(Heartbeat {
        member: silent,
        ttl,
        takes_part: true,
        clock_skew_ms: None,
    });
    joined.await.expect("it joins");
    let share = share_of_w3();
    let acquire = Acquire {
        member: silent,
        partitions: &[share],
        above: 0,
    };
    while site
        .leases
        .acquire(acquire)
        .await
        .expect("an answer")
        .is_empty()
    {
        tokio::time::sleep(ROUND / 10).await;
    }
    share
}

/// Returns the partition that is the share of `w3` beside `w1`.
fn share_of_w3() -> PartitionId {
    let members = ["w1", "w3"].map(str::to_owned);
    let count = PartitionCount::try_new(2).expect("a count");
    let mut owned = count
        .iter()
        .zip(placement::owners(SERVICE, count, &members));
    let (partition, _) = owned
        .find(|(_, owner)| *owner == "w3")
        .expect("two share two partitions");
    partition
}

#[tokio::test(start_paused = true)]
async fn all_is_idle_once_what_a_dead_process_left_is_done_too() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let one = site.start("w1", &site.machine(0)).await;
    one.await_idle().await.expect("it rests");
    let ttl = Duration::from_millis(60_000);
    let lost = join_silently(&site, ttl).await;
    one.await_all_idle().await.expect("nothing is left to do");
    let record = event(1, "a", "add", 1);
    bench
        .append(lost.number(), StreamName::Events, vec![record])
        .await;
    // The share of the live process is idle, and that is all that this asks.
    one.await_idle().await.expect("it rests");
    assert_eq!(bench.log(lost.number(), 1).await, [""; 0]);
    let commits = one.await_all_idle().await.expect("it rests");
    assert_eq!(bench.log(lost.number(), 1).await, ["a"]);
    assert_eq!(commits, 1);
    assert_eq!(site.owners().await.len(), 2);
    one.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn all_is_not_idle_while_a_timer_of_another_process_is_due_on_stream_time() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let mut config = site.config("w1", &site.machine(0));
    config.time = TimeSource::Stream;
    let one = Engine::start(config).await.expect("it starts");
    one.await_idle().await.expect("it rests");
    let lost = join_silently(&site, Duration::from_millis(60_000)).await;
    // The other process dies between the record and the timer that it set.
    let record = event(1, "a", "wait:0", 1);
    bench
        .append(lost.number(), StreamName::Events, vec![record])
        .await;
    let epoch = site.owners().await[usize::from(lost.number())].1;
    let mut silent = bench.worker(lost.number(), epoch, TimeSource::Stream).await;
    silent.hint(ALL_LANES);
    assert!(matches!(silent.tick().await, TickOutcome::Worked));
    drop(silent);
    assert_eq!(bench.log(lost.number(), 1).await, ["a"]);
    one.await_all_idle().await.expect("it rests");
    assert_eq!(bench.log(lost.number(), 1).await, ["a", "fired@1"]);
    one.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn all_is_not_idle_while_a_partition_has_no_owner() {
    let site = Site::new();
    let one = site.start("w1", &site.machine(0)).await;
    one.await_idle().await.expect("it rests");
    let lost = join_silently(&site, Duration::from_millis(60_000)).await;
    let lost = usize::from(lost.number());
    // It says that it is gone, and nobody has what it had.
    let silent = MemberId {
        service: SERVICE,
        worker: "w3",
        incarnation: "silent",
    };
    site.leases.leave(silent).await.expect("it leaves");
    assert_eq!(site.owners().await[lost].0, "");
    one.await_all_idle().await.expect("it rests");
    assert_eq!(site.owners().await[lost].0, "w1");
    one.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lost_and_is_another_ones_share_since_is_given_back() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let one = site.start("w1", &site.machine(0)).await;
    one.await_idle().await.expect("it rests");
    // Another one joins, and before anybody looks, the store refuses a partition that is going to
    // be its share.
    let lost = share_of_w3();
    let joined = site.leases.heartbeat(Heartbeat {
        member: MemberId {
            service: SERVICE,
            worker: "w3",
            incarnation: "silent",
        },
        ttl: Duration::from_millis(600_000),
        takes_part: true,
        clock_skew_ms: None,
    });
    joined.await.expect("it joins");
    let slot = Slot {
        owner: Owner::Segmentation,
        partition: lost,
    };
    bench.hot.open(slot, 100).await.expect("opens");
    let record = event(1, "a", "add", 1);
    bench
        .append(lost.number(), StreamName::Events, vec![record])
        .await;
    let mut names = ["w1", "w1"];
    names[usize::from(lost.number())] = "";
    site.until_owned_by(names).await;
    one.shutdown().await;
}

#[tokio::test]
async fn a_waiting_engine_wakes_for_records_and_for_timers() {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
    let bench = Bench::at(&clock).await;
    let config = bench.config(Arc::clone(&bench.hot), TimeSource::Wall(clock.clone()));
    let engine = Engine::start(config).await.expect("it starts");
    assert_eq!(engine.await_idle().await.expect("it rests"), 0);
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "wait:500", 0)])
        .await;
    assert_eq!(engine.await_idle().await.expect("it rests"), 1);
    clock.advance_to(Timestamp::from_millis(1_500));
    assert_eq!(engine.await_idle().await.expect("it rests"), 2);
    assert_eq!(bench.log(0, 1).await, ["a", "fired@1500"]);
    engine.shutdown().await;
}

#[derive(Debug, Default)]
struct Desk {
    taken: Mutex<Vec<Record>>,
    in_flight: AtomicU64,
}

impl Dispatcher for Desk {
    fn dispatch(&self, partition: PartitionId, record: Record) {
        assert_eq!(partition, PartitionId::new(1));
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.taken.lock().expect("no panic").push(record);
    }

    fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn rest_waits_for_what_was_dispatched() {
    let bench = Bench::new().await;
    let desk = Arc::new(Desk::default());
    let config = bench
        .config(Arc::clone(&bench.hot), TimeSource::Stream)
        .with_dispatcher(desk.clone());
    let engine = Engine::start(config).await.expect("it starts");
    bench
        .append(1, StreamName::Events, vec![event(1, "a", "dispatch", 0)])
        .await;
    let rest = engine.await_idle();
    tokio::pin!(rest);
    while desk.in_flight() == 0 {
        assert!(futures::poll!(&mut rest).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(&mut rest).is_pending());
    bench
        .append(1, StreamName::Events, vec![event(1, "delivered", "add", 0)])
        .await;
    desk.in_flight.store(0, Ordering::SeqCst);
    assert_eq!(rest.await.expect("it rests"), 2);
    assert_eq!(bench.log(1, 1).await, ["a", "delivered"]);
    assert_eq!(desk.taken.lock().expect("no panic").len(), 1);
    engine.shutdown().await;
}

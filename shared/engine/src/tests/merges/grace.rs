//! Survivors who waited for too much or too long, and go on without.

use std::sync::Arc;

use kernel::Timestamp;

use super::super::driver::{memory, memory_at};
use super::records::{event, joins};
use super::share::neighbour;
use super::waits::{elsewhere, work, workers_of_1};
use super::world::World;
use crate::worker::TickOutcome;
use crate::{VirtualClock, limits};

#[tokio::test]
async fn a_customer_for_whom_too_much_waits_goes_on_without() {
    let all = 1_033;
    let mut world = World::new(memory());
    world.parked_records = 1_024;
    let younger = elsewhere(&world);
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.settle().await;
    world.tell(0, joins(1, &[younger], "login", 2)).await;
    let mut workers = workers_of_1(&world).await;
    for number in 1..all {
        world
            .tell(0, event(1, &format!("n-{number}"), "add", 2))
            .await;
        if number % 100 == 0 {
            work(&mut workers).await;
        }
    }
    work(&mut workers).await;
    let log = world.log(0, 1).await;
    assert_eq!((log.len(), log[0].as_str()), (all, "login"));
    assert!(
        log.windows(2)
            .skip(1)
            .all(|two| two[0].len() <= two[1].len()),
        "in order"
    );
    drop(workers);
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), all + 1);
    assert_eq!(world.fragments(0, 1).await, [younger]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_customer_who_waited_for_too_long_goes_on_without() {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
    let mut world = World::new(memory_at(&clock));
    world.clock = Some(Arc::clone(&clock));
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "wait:50", 1)).await;
    world.tell(0, event(younger, "b", "add", 2)).await;
    world.settle().await;
    world.tell(0, joins(1, &[younger], "login", 10)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    let grace = limits::MERGE_GRACE.as_millis();
    for (at, log) in [
        (grace, &["a"][..]),
        (1_000 + grace, &["a", "login", "fired@1050"]),
    ] {
        clock.advance_to(Timestamp::from_millis(at));
        work(&mut workers).await;
        assert_eq!(world.log(0, 1).await, log, "at {at}");
    }
    // The state is folded in whenever it comes, and nobody waits for it again.
    world.tell(0, joins(1, &[younger], "again", 20)).await;
    work(&mut workers).await;
    assert_eq!(world.log(0, 1).await.len(), 4);
    drop(workers);
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), 5);
    assert_eq!(world.fragments(0, 1).await, [younger]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_customer_goes_on_with_the_next_record_though_much_is_before_the_timer_of_the_wait() {
    let grace = limits::MERGE_GRACE.as_millis();
    for (at, log) in [
        (grace + 999, &["a"][..]),
        (1_000 + grace, &["a", "login", "b"]),
    ] {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
        let mut world = World::new(memory_at(&clock));
        world.clock = Some(Arc::clone(&clock));
        let (younger, other) = (elsewhere(&world), neighbour(&world, 1));
        world.tell(0, event(1, "a", "add", 1)).await;
        world.settle().await;
        world.tell(0, joins(1, &[younger], "login", 10)).await;
        work(&mut workers_of_1(&world).await).await;
        // More than one batch takes, all of it accepted before the timer of the wait is due.
        world.tell(0, event(1, "b", "add", 11)).await;
        for _ in 0..limits::RECORDS_PER_BATCH {
            world.tell(0, event(other, "x-1", "once", 12)).await;
        }
        clock.advance_to(Timestamp::from_millis(at));
        let mut workers = workers_of_1(&world).await;
        workers[0].hint();
        assert!(matches!(workers[0].tick().await, TickOutcome::Worked));
        assert_eq!(world.log(0, 1).await, log, "at {at}");
    }
}

#[tokio::test]
async fn a_customer_whose_records_come_late_waits_for_as_long() {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
    let mut world = World::new(memory_at(&clock));
    world.clock = Some(Arc::clone(&clock));
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(younger, "b", "add", 2)).await;
    world.settle().await;
    world.tell(0, joins(1, &[younger], "login", 10)).await;
    // The wait begins once the services are there again, an hour later.
    clock.advance_to(Timestamp::from_millis(3_600_000));
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    assert_eq!(world.log(0, 1).await, ["a"]);
    assert!(world.head(0, 1).await.is_holding());
    drop(workers);
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a", "b", "login"]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

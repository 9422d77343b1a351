//! Customers of whom much waits, or much is to be sent, and others of the same partition.

use messages::stream::v1::{Record, Tick, record::Body};

use super::super::driver::memory;
use super::records::{customer, event, joins, merged};
use super::waits::{elsewhere, work, workers_of_1};
use super::world::{SERVICES, WORKERS, Works, World};
use crate::worker::TickOutcome;

/// Batches within which others are to go on.
const BATCHES: usize = 2;

/// Somebody else in the partition of a customer.
pub(super) fn neighbour(world: &World, who: u16) -> u16 {
    let partition = |who: u16| world.slot_of(0, customer(who)).partition;
    let mut others = 100..;
    let found = others.find(|other| partition(*other) == partition(who));
    found.expect("one of them")
}

/// Opens all workers.
async fn all_workers(world: &World) -> Vec<Box<dyn Works>> {
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(world.open(number).await);
    }
    workers
}

/// The number of the worker of the first service in the partition of a customer.
fn first_worker(world: &World, who: u16) -> usize {
    usize::from(world.slot_of(0, customer(who)).partition.number()) * SERVICES
}

/// A batch of a worker; returns whether there was one.
async fn tick(worker: &mut Box<dyn Works>) -> bool {
    worker.hint();
    match worker.tick().await {
        TickOutcome::Worked => true,
        TickOutcome::Idle { .. } => false,
        other => panic!("unexpected {other:?}"),
    }
}

/// Ticks all in turns until customer 1 has what it waited for, and not taken what waited with it.
async fn until_free(world: &World, workers: &mut [Box<dyn Works>]) {
    for turn in 0..10_000 {
        if world.head(0, 1).await.has_free() {
            return;
        }
        tick(&mut workers[turn % WORKERS]).await;
    }
    panic!("it never gets what it waits for");
}

/// Customer 1 waited with many records, and takes them; others are behind one of its own.
async fn with_much_waiting(world: &World, records: usize) -> (Vec<Box<dyn Works>>, u16) {
    let (younger, other) = (elsewhere(world), neighbour(world, 1));
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.settle().await;
    world.tell(0, joins(1, &[younger], "n-0", 2)).await;
    for number in 1..records {
        let event = event(1, &format!("n-{number}"), "add", 3);
        world.tell(0, event).await;
    }
    work(&mut workers_of_1(world).await).await;
    assert!(world.head(0, 1).await.has_parked());
    let mut workers = all_workers(world).await;
    until_free(world, &mut workers).await;
    let tail = event(1, &format!("n-{records}"), "add", 4);
    world.tell(0, tail).await;
    world.tell(0, event(other, "x", "add", 4)).await;
    (workers, other)
}

/// Everything that customer 1 is told came once and in order, in every service.
async fn check_all_in_order(world: &World, records: usize) {
    world.settle().await;
    for service in 0..SERVICES {
        let mut expected = vec!["b".to_owned()];
        expected.extend((0..=records).map(|number| format!("n-{number}")));
        assert_eq!(world.log(service, 1).await, expected, "of {service}");
        assert_eq!(world.count(service, "late").await, 0, "of {service}");
    }
    assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn others_go_on_behind_a_survivor_who_takes_what_waited() {
    for (records, share) in [(100, 8), (40, 1), (300, 64)] {
        let world = World::on_clock(share);
        let (mut workers, other) = with_much_waiting(&world, records).await;
        for _ in 0..BATCHES {
            tick(&mut workers[first_worker(&world, 1)]).await;
        }
        assert_eq!(world.log(0, other).await, ["x"], "{records} by {share}");
        assert!(world.head(0, 1).await.has_free(), "{records} by {share}");
        drop(workers);
        check_all_in_order(&world, records).await;
    }
}

#[tokio::test]
async fn what_waited_goes_on_though_nothing_else_comes() {
    let world = World::on_clock(1);
    let (mut workers, _) = with_much_waiting(&world, 30).await;
    // Everybody dies after each batch.
    for turn in 0..2_000 {
        tick(&mut workers[turn % WORKERS]).await;
        if turn % 2 == 0 {
            workers = all_workers(&world).await;
        }
    }
    drop(workers);
    assert!(!world.head(0, 1).await.has_parked());
    check_all_in_order(&world, 30).await;
}

#[tokio::test]
async fn on_stream_time_the_lane_waits_for_what_waited() {
    let mut world = World::new(memory());
    world.parked_per_batch = 8;
    let (mut workers, other) = with_much_waiting(&world, 100).await;
    for _ in 0..BATCHES {
        tick(&mut workers[first_worker(&world, 1)]).await;
    }
    assert_eq!(world.log(0, other).await, Vec::<String>::new());
    drop(workers);
    check_all_in_order(&world, 100).await;
    assert_eq!(world.log(0, other).await, ["x"]);
}

#[tokio::test]
async fn a_survivor_leaves_once_all_that_waited_is_taken() {
    let world = World::on_clock(8);
    // Customer 1 is joined into nobody older, so everything is told of the one after it.
    let hub = neighbour(&world, 1);
    let younger = (hub + 1..)
        .find(|who| {
            let partition = |who: u16| world.slot_of(0, customer(who)).partition;
            partition(*who) != partition(hub)
        })
        .expect("one of them");
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.settle().await;
    world.tell(0, joins(hub, &[younger], "n-0", 2)).await;
    for number in 1..100 {
        let event = event(hub, &format!("n-{number}"), "add", 3);
        world.tell(0, event).await;
    }
    work(&mut workers_of_1(&world).await).await;
    let mut workers = all_workers(&world).await;
    let mut turn = 0;
    while !world.head(0, hub).await.has_free() {
        tick(&mut workers[turn % WORKERS]).await;
        turn += 1;
        assert!(turn < 10_000, "it never gets what it waits for");
    }
    world.tell(0, merged(hub, 1, 4)).await;
    world.tell(0, event(hub, "n-100", "add", 5)).await;
    drop(workers);
    world.settle().await;
    for service in 0..SERVICES {
        let log = world.log(service, 1).await;
        assert_eq!(log.len(), 102, "{log:?} of {service}");
        assert_eq!(world.count(service, "late").await, 0, "of {service}");
        assert_eq!(world.root(service, hub).await, 1);
        assert_eq!(world.root(service, younger).await, 1);
    }
    assert_eq!(world.strays().await, Vec::<String>::new());
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn others_go_on_while_a_large_customer_leaves() {
    // As much as can wait, and more.
    for late in [1, 50, 1_100] {
        let world = World::on_clock(64);
        let other = neighbour(&world, 2);
        world.tell(0, event(1, "own", "add", 1)).await;
        for number in 0..80 {
            let event = event(2, &format!("n-{number}"), "add", 1);
            world.tell(0, event).await;
        }
        world.settle().await;
        world.tell(0, merged(2, 1, 2)).await;
        for number in 80..80 + late {
            let event = event(2, &format!("n-{number}"), "add", 3);
            world.tell(0, event).await;
        }
        world.tell(0, event(other, "x", "add", 3)).await;
        let mut workers = all_workers(&world).await;
        let first = first_worker(&world, 2);
        for _ in 0..BATCHES {
            tick(&mut workers[first]).await;
        }
        let is_over = late > 1_000;
        let seen: &[&str] = if is_over { &[] } else { &["x"] };
        assert_eq!(world.log(0, other).await, seen, "{late}");
        assert!(world.head(0, 2).await.is_sending(), "{late}");
        drop(workers);
        world.settle().await;
        assert_eq!(world.log(0, other).await, ["x"]);
        for service in 0..SERVICES {
            let log = world.log(service, 1).await;
            assert_eq!(log.len(), 81 + late, "{late} of {service}");
            assert_eq!(world.count(service, "late").await, 0);
            // For the survivor it is too much as well, who then goes on without the state.
            let overtaken = world.count(service, "overtaken").await;
            assert!(overtaken == 0 || is_over, "{late} of {service}");
        }
        assert_eq!(world.strays().await, Vec::<String>::new());
        assert_eq!(world.quarantined().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn time_goes_on_for_others_while_a_large_customer_leaves() {
    let world = World::on_clock(64);
    let other = neighbour(&world, 2);
    for number in 0..80 {
        let event = event(2, &format!("n-{number}"), "add", 1);
        world.tell(0, event).await;
    }
    world.tell(0, event(other, "x", "wait:50", 1)).await;
    world.settle().await;
    world.tell(0, merged(2, 1, 2)).await;
    world.tell(0, event(2, "n-80", "add", 3)).await;
    let mut workers = all_workers(&world).await;
    let first = first_worker(&world, 2);
    tick(&mut workers[first]).await;
    let clock = world.clock.clone().expect("a clock");
    clock.advance_to(kernel::Timestamp::from_millis(1_100));
    for _ in 0..BATCHES {
        tick(&mut workers[first]).await;
    }
    assert_eq!(world.log(0, other).await, ["x", "fired@1050"]);
    assert!(world.head(0, 2).await.is_sending());
    drop(workers);
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), 81);
}

#[tokio::test]
async fn what_comes_behind_a_state_that_cannot_leave_is_set_aside() {
    for late in [1, 5] {
        let world = World::on_clock(2);
        for number in 0..6 {
            let event = event(2, &number.to_string(), "add", 1);
            world.tell(0, event).await;
        }
        world.settle().await;
        world.lose_a_part(2).await;
        world.tell(0, merged(2, 1, 2)).await;
        for number in 0..late {
            let event = event(2, &format!("late-{number}"), "add", 3);
            world.tell(0, event).await;
        }
        // Records that pass through, and those of nobody, stay as they are.
        let tick = Record {
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        world.tell_partition(0, 0, tick).await;
        world.tell(0, event(1, "d", "add", 3)).await;
        world.settle().await;
        assert_eq!(world.log(0, 1).await, ["d"]);
        let reasons = world.quarantined().await;
        assert_eq!(reasons.len(), late + 1, "with the word to itself");
        assert!(
            reasons
                .iter()
                .all(|it| it.contains("the store does not have it")),
            "{reasons:?}"
        );
        let head = world.head(0, 2).await;
        assert!(head.is_sending() && !head.has_parked(), "{head:?}");
    }
}

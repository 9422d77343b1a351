//! Survivors who wait for the states of others: what is decided with both histories, and what waits
//! meanwhile.

use kernel::Timestamp;
use messages::stream::v1::{MergeAwaited, Record, Tick, record::Body};

use super::super::driver::memory;
use super::records::{by_fragment, customer, event, joins, merged, record};
use super::world::{SERVICES, WORKERS, Works, World};
use crate::head::id_bytes;
use crate::limits;
use crate::worker::TickOutcome;

/// The word that a survivor waits for somebody.
fn awaited(who: u16, younger: u16, time_ms: i64) -> Record {
    Record {
        body: Some(Body::Awaited(MergeAwaited {
            from_customer_ids: id_bytes(customer(younger)),
            ..MergeAwaited::default()
        })),
        ..event(who, "", "", time_ms)
    }
}

/// A customer of another partition than customer 1, and younger.
pub(super) fn elsewhere(world: &World) -> u16 {
    let partition = |who: u16| world.slot_of(0, customer(who)).partition;
    (2..)
        .find(|who| partition(*who) != partition(1))
        .expect("one of them")
}

/// Opens the workers of the partition where customer 1 is.
pub(super) async fn workers_of_1(world: &World) -> Vec<Box<dyn Works>> {
    let partition = usize::from(world.slot_of(0, customer(1)).partition.number());
    let mut workers = Vec::new();
    for service in 0..SERVICES {
        workers.push(world.open(partition * SERVICES + service).await);
    }
    workers
}

/// Lets some workers do all there is for them.
pub(super) async fn work(workers: &mut [Box<dyn Works>]) {
    let mut resting = 0;
    while resting < 2 * workers.len() {
        for worker in &mut *workers {
            worker.hint();
            match worker.tick().await {
                TickOutcome::Idle { .. } => resting += 1,
                TickOutcome::Worked => resting = 0,
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

/// Two customers, both younger than customer 1: one of its partition, and one of the other who is
/// younger still.
pub(super) fn two_younger(world: &World) -> (u16, u16) {
    let partition = |who: u16| world.slot_of(0, customer(who)).partition;
    let middle = (2..).find(|who| partition(*who) == partition(1));
    let middle = middle.expect("one of them");
    let last = (middle..).find(|who| partition(*who) != partition(1));
    (middle, last.expect("one of them"))
}

/// Lets the time pass for which a survivor that began to wait at the start waits for a state, and
/// does what comes after it.
pub(super) async fn pass_grace(world: &World, workers: &mut [Box<dyn Works>]) {
    let clock = world.clock.as_ref().expect("a clock");
    clock.advance_to(Timestamp::from_millis(
        1_000 + limits::MERGE_GRACE.as_millis(),
    ));
    work(workers).await;
}

#[tokio::test]
async fn an_event_that_joins_two_is_decided_with_what_both_did() {
    // The word of the merge comes before it, after it, or never, and in whatever order the
    // partitions are worked on.
    for word in [Some(true), Some(false), None] {
        for younger in 2..7 {
            let world = World::new(memory());
            world.tell(0, event(1, "a", "add", 1)).await;
            world.tell(0, event(younger, "b", "add", 2)).await;
            if word == Some(true) {
                world.tell(0, merged(younger, 1, 3)).await;
            }
            world.tell(0, joins(1, &[younger], "login", 3)).await;
            world.tell(0, event(1, "after", "add", 4)).await;
            if word == Some(false) {
                world.tell(0, merged(younger, 1, 3)).await;
            }
            work(&mut workers_of_1(&world).await).await;
            world.settle().await;
            for service in 0..SERVICES {
                assert_eq!(
                    world.log(service, 1).await,
                    ["a", "b", "login", "after"],
                    "{word:?} {younger} of {service}"
                );
            }
            assert_eq!(world.root(0, younger).await, 1);
            assert_eq!(world.strays().await, Vec::<String>::new());
            assert_eq!(world.quarantined().await, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn an_event_of_a_fragment_waits_for_what_is_known_of_it() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    for (number, younger) in (2..6).enumerate() {
        let id = number.to_string();
        world
            .tell(0, event(younger, &format!("b{id}"), "add", 2))
            .await;
        world
            .tell(0, by_fragment(1, younger, &format!("c{id}"), 3))
            .await;
    }
    world.settle().await;
    let log = world.log(2, 1).await;
    for number in 0..4 {
        let place = |name: String| log.iter().position(|it| *it == name).expect("it is there");
        assert!(
            place(format!("b{number}")) < place(format!("c{number}")),
            "{log:?}"
        );
    }
    // Nobody is waited for twice, nor an older one, nor oneself.
    let before = world.picture().await;
    for quiet in [awaited(1, 2, 5), awaited(1, 1, 5), awaited(3, 2, 5)] {
        world.tell(0, quiet).await;
        world.settle().await;
    }
    assert_eq!(world.picture().await, before);
}

/// An event that counts once for each id.
fn once(mut record: Record) -> Record {
    if let Some(Body::Event(event)) = &mut record.body {
        event.name = "once".to_owned();
    }
    record
}

#[tokio::test]
async fn an_event_that_is_sent_again_while_its_customer_is_on_the_way_counts_once() {
    // The first sending is known before the merge, or did not know of it; the second one knows the
    // survivor, and comes at any moment of the way.
    for is_known in [true, false] {
        for ticks in 0..40 {
            let world = World::new(memory());
            world.tell(0, event(1, "a", "add", 1)).await;
            for number in 0..6 {
                world
                    .tell(0, event(2, &format!("b{number}"), "add", 1))
                    .await;
            }
            let first = once(event(2, "source-1", "add", 2));
            if is_known {
                world.tell(0, first.clone()).await;
            }
            world.settle().await;
            world.tell(0, merged(2, 1, 3)).await;
            let mut workers = Vec::new();
            for number in 0..WORKERS {
                workers.push(world.open(number).await);
            }
            for tick in 0..ticks {
                let worker = &mut workers[tick % WORKERS];
                worker.hint();
                worker.tick().await;
            }
            drop(workers);
            world.tell(0, once(by_fragment(1, 2, "source-1", 2))).await;
            if !is_known {
                world.tell(0, first).await;
            }
            world.settle().await;
            let log = world.log(0, 1).await;
            let count = log.iter().filter(|it| *it == "source-1").count();
            assert_eq!((count, log.len()), (1, 8), "{is_known} {ticks}: {log:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_state_is_waited_for_too() {
    let world = World::new(memory());
    for (younger, id) in [(2, "a"), (3, "b")] {
        world.tell(0, joins(1, &[younger], id, 1)).await;
    }
    world.settle().await;
    for service in 0..SERVICES {
        assert_eq!(world.log(service, 1).await, ["a", "b"]);
        let mut fragments = world.fragments(service, 1).await;
        fragments.sort_unstable();
        assert_eq!(fragments, [2, 3]);
    }
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_waits_in_a_chain_gets_what_all_of_it_did() {
    // 3 is joined into 2 by an event, that one into 1 before it has 3's state. Of what one source
    // says, the later has a greater number.
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(2, "two-1", "add", 1)).await;
    world.tell(0, event(3, "three-1", "add", 1)).await;
    world.tell(0, joins(2, &[3], "three-2", 2)).await;
    world.tell(0, by_fragment(2, 3, "three-3", 2)).await;
    world.tell(0, joins(1, &[2], "two-2", 3)).await;
    world.tell(0, by_fragment(1, 3, "three-4", 3)).await;
    world.settle().await;
    for service in 0..SERVICES {
        let log = world.log(service, 1).await;
        assert_eq!(log.len(), 7, "{log:?} of {service}");
        assert_eq!(world.count(service, "overtaken").await, 0, "of {service}");
        assert_eq!(world.root(service, 3).await, 1);
    }
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn timers_and_later_services_wait_with_the_customer() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "wait:50", 1)).await;
    world.tell(0, event(younger, "b", "add", 2)).await;
    world.settle().await;
    let mut workers = workers_of_1(&world).await;
    world.tell(0, joins(1, &[younger], "login", 10)).await;
    work(&mut workers).await;
    // All three services know that they wait.
    for service in 0..SERVICES {
        world.tell(service, record(service, 1, "c", 11)).await;
    }
    let tick = Record {
        time_ms: 100,
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    let partition = world.slot_of(0, customer(1)).partition.number();
    world.tell_partition(0, partition, tick).await;
    work(&mut workers).await;
    for service in 0..SERVICES {
        let log = world.log(service, 1).await;
        assert_eq!(log, ["a"], "of {service}");
        assert!(world.head(service, 1).await.is_holding(), "of {service}");
    }
    drop(workers);
    world.settle().await;
    let log = world.log(0, 1).await;
    assert_eq!(log, ["a", "b", "login", "c", "fired@51"]);
    for service in 1..SERVICES {
        let log = world.log(service, 1).await;
        assert_eq!(log[..2], ["a", "b"], "{log:?} of {service}");
        assert!(!world.head(service, 1).await.is_holding());
    }
    assert_eq!(world.count(0, "fired").await, 1);
}

#[tokio::test]
async fn a_state_stays_until_it_has_arrived() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    let slot = world.slot_of(0, customer(younger));
    for number in 0..9 {
        world
            .tell(0, event(younger, &number.to_string(), "add", 1))
            .await;
    }
    world.settle().await;
    let before = world.memory.states(slot).len();
    world.tell(0, merged(younger, 1, 2)).await;
    // The partition of the one who leaves does all there is, and the survivor's nothing.
    let partition = usize::from(slot.partition.number());
    let mut workers = Vec::new();
    for service in 0..SERVICES {
        workers.push(world.open(partition * SERVICES + service).await);
    }
    work(&mut workers).await;
    assert_eq!(
        world.memory.states(slot).len(),
        before + 1,
        "with the head of the state"
    );
    assert_eq!(world.root(0, younger).await, 1);
    drop(workers);
    world.settle().await;
    assert_eq!(world.memory.states(slot).len(), 1, "a redirect");
    assert_eq!(world.log(0, 1).await.len(), 9);
}

#[tokio::test]
async fn whom_a_service_forgot_or_never_knew_is_joined_like_anybody() {
    for forgets in [&[1][..], &[2], &[1, 2], &[]] {
        let world = World::new(memory());
        for who in forgets {
            world.tell(0, event(*who, "a", "remove", 1)).await;
        }
        world.settle().await;
        world.tell(0, joins(1, &[2], "login", 2)).await;
        world.tell(0, joins(1, &[1], "oneself", 2)).await;
        world.tell(0, by_fragment(1, 2, "later", 3)).await;
        world.settle().await;
        for service in 0..SERVICES {
            let log = world.log(service, 1).await;
            let end = log.len().saturating_sub(3);
            assert_eq!(
                log[end..],
                ["login", "oneself", "later"],
                "{forgets:?} of {service}"
            );
            assert_eq!(world.fragments(service, 1).await, [2]);
        }
        assert_eq!(world.waiting_customers().await, Vec::<String>::new());
        assert_eq!(world.quarantined().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_timer_that_cannot_be_processed_holds_nothing_that_waited() {
    // Its wait is due while the customer waits for another one.
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "wait:50", 1)).await;
    world.tell(0, event(1, "b", "poison", 1)).await;
    world.settle().await;
    let mut workers = workers_of_1(&world).await;
    world.tell(0, joins(1, &[younger], "login", 10)).await;
    for (id, time_ms) in [("c", 100), ("d", 101)] {
        world.tell(0, event(1, id, "add", time_ms)).await;
    }
    work(&mut workers).await;
    drop(workers);
    world.settle().await;
    let log = world.log(0, 1).await;
    assert_eq!(log, ["a", "b", "login", "c", "d"]);
    let reasons = world.quarantined().await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("a poison timer"), "{reasons:?}");
    assert_eq!(world.waiting_customers().await, Vec::<String>::new());
}

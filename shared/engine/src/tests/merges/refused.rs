//! States that cannot be read, cannot leave or cannot be taken in: the survivor goes on without at
//! once, says so, and takes them in once somebody has mended that.

use kernel::Timestamp;
use messages::stream::v1::{MovedPart, Record, StateMoved, Tick, record::Body};

use super::super::driver::memory;
use super::reads::{read, written};
use super::records::{by_fragment, customer, event, joins, merged};
use super::waits::{elsewhere, pass_grace, two_younger, work, workers_of_1};
use super::world::{SERVICES, World};
use crate::head::id_bytes;
use crate::{Clock as _, limits};

/// Returns the log of customer 1 in each service.
async fn logs(world: &World) -> Vec<Vec<String>> {
    let mut logs = Vec::new();
    for service in 0..SERVICES {
        logs.push(world.log(service, 1).await);
    }
    logs
}

/// Customer 1 waits for nobody in any service, and is shown.
async fn check_goes_on(world: &World) {
    for service in 0..SERVICES {
        let head = world.head(service, 1).await;
        assert!(!head.is_holding(), "{head:?} of {service}");
        assert!(head.is_settled(&[]), "{head:?} of {service}");
    }
}

/// Everything that was set aside is tried again, and nothing of the merges is left.
async fn check_ends_well(world: &World, younger: &[u16]) {
    world.retry_all().await;
    world.settle().await;
    for service in 0..SERVICES {
        let mut fragments = world.fragments(service, 1).await;
        fragments.sort_unstable();
        assert_eq!(fragments, younger, "of {service}");
    }
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
}

/// Customer 1 and a younger one, whom an event joins, are known in all services.
async fn two(world: &World, younger: u16) {
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.settle().await;
}

#[tokio::test]
async fn a_survivor_goes_on_without_a_customer_whose_state_cannot_be_read() {
    for service in 0..SERVICES {
        for younger in 2..5 {
            let world = World::new(memory());
            two(&world, younger).await;
            let was = world.spoil(service, younger).await;
            world.tell(0, joins(1, &[younger], "login", 2)).await;
            world.tell(0, event(1, "c", "add", 3)).await;
            world.settle().await;
            check_goes_on(&world).await;
            for (number, log) in logs(&world).await.into_iter().enumerate() {
                // Those after it did not hear of the merge.
                let expected: &[&str] = if number < service {
                    &["a", "b", "login", "c"]
                } else {
                    &["a", "login", "c"]
                };
                assert_eq!(log, expected, "{service} {younger} of {number}");
            }
            let reasons = world.quarantined().await;
            assert_eq!(reasons, ["the state cannot be read: not five fields"]);
            world
                .write(world.slot_of(service, customer(younger)), was)
                .await;
            check_ends_well(&world, &[younger]).await;
            for log in logs(&world).await {
                assert!(log.contains(&"b".to_owned()), "{log:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_survivor_goes_on_without_a_customer_who_cannot_leave_nor_their_fragments() {
    for (fragment, younger) in [(4, 3), (3, 2), (4, 2), (5, 3)] {
        let world = World::new(memory());
        two(&world, younger).await;
        world.tell(0, event(fragment, "f", "add", 1)).await;
        world.tell(0, merged(fragment, younger, 2)).await;
        world.tell(0, event(younger, "s", "stay", 2)).await;
        world.settle().await;
        let all = joins(1, &[younger, fragment], "login", 3);
        world.tell(0, all).await;
        world.tell(0, by_fragment(1, fragment, "c", 4)).await;
        world.settle().await;
        check_goes_on(&world).await;
        assert_eq!(logs(&world).await, vec![["a", "login", "c"]; SERVICES]);
        let reasons = world.quarantined().await;
        assert!(
            reasons
                .iter()
                .all(|it| it == "panicked: it was told to stay"),
            "{reasons:?}"
        );
        world.tell(0, event(younger, "m", "mend:stay", 5)).await;
        world.settle().await;
        check_ends_well(&world, &[younger, fragment]).await;
        assert_eq!(world.log(0, 1).await.len(), 7);
    }
}

#[tokio::test]
async fn a_survivor_who_looks_for_a_fragment_of_somebody_unreadable_is_told() {
    for (fragment, younger) in [(4, 3), (3, 2), (4, 2)] {
        let world = World::new(memory());
        two(&world, younger).await;
        world.tell(0, event(fragment, "f", "add", 1)).await;
        world.tell(0, merged(fragment, younger, 2)).await;
        world.settle().await;
        // Nobody can tell any more who is part of the younger one.
        let was = world.ruin(0, younger).await;
        world.tell(0, by_fragment(1, fragment, "login", 3)).await;
        world.settle().await;
        assert!(world.head(0, 1).await.is_holding());
        let first = limits::MERGE_RETRY_STREAM.as_millis() + 3;
        let tick = Record {
            time_ms: first,
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        let partition = world.slot_of(0, customer(1)).partition.number();
        world.tell_partition(0, partition, tick).await;
        world.settle().await;
        check_goes_on(&world).await;
        assert_eq!(logs(&world).await, vec![["a", "login"]; SERVICES]);
        let slot = world.slot_of(0, customer(younger));
        world.write(slot, was).await;
        check_ends_well(&world, &[younger, fragment]).await;
        assert_eq!(world.log(0, 1).await.len(), 4);
    }
}

#[tokio::test]
async fn a_survivor_goes_on_without_a_state_that_lost_a_part() {
    for younger in 2..5 {
        let world = World::new(memory());
        world.tell(0, event(1, "a", "add", 1)).await;
        for number in 0..6 {
            let event = event(younger, &number.to_string(), "add", 1);
            world.tell(0, event).await;
        }
        world.settle().await;
        world.lose_a_part(younger).await;
        world.tell(0, joins(1, &[younger], "login", 2)).await;
        world.tell(0, event(1, "c", "add", 3)).await;
        world.settle().await;
        check_goes_on(&world).await;
        assert_eq!(world.log(0, 1).await, ["a", "login", "c"]);
        // The later services have all of theirs.
        assert_eq!(world.log(1, 1).await.len(), 9);
        let reasons = world.quarantined().await;
        assert_eq!(reasons.len(), 1, "the word to itself: {reasons:?}");
    }
}

#[tokio::test]
async fn the_word_that_a_state_stays_comes_behind_the_pieces_that_were_sent() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    for number in 0..200 {
        let event = event(2, &number.to_string(), "add", 1);
        world.tell(0, event).await;
    }
    world.settle().await;
    world.lose_the_last_part(2).await;
    world.tell(0, merged(2, 1, 2)).await;
    world.settle().await;
    let arriving = world.head(0, 1).await.arriving;
    assert_eq!(arriving.len(), 1, "pieces were sent before one was missed");
    check_goes_on(&world).await;
}

#[tokio::test]
async fn a_survivor_who_cannot_take_a_state_in_goes_on_without_and_is_shown() {
    for younger in 2..5 {
        let world = World::new(memory());
        two(&world, younger).await;
        world.tell(0, event(1, "s", "shut", 2)).await;
        world.tell(0, joins(1, &[younger], "login", 2)).await;
        world.tell(0, event(1, "c", "add", 3)).await;
        world.settle().await;
        check_goes_on(&world).await;
        let without: Vec<String> = ["a", "s", "login", "c"].map(str::to_owned).into();
        assert_eq!(world.head(0, 1).await.arriving.len(), 1);
        for who in [1, younger] {
            let written = written(&world, 0, who).await;
            let shown = read(&world, 0, who, written).await;
            assert_eq!(shown, Some((1, without.clone())), "by {who}");
        }
        let reasons = world.quarantined().await;
        assert_eq!(reasons, ["it was told to take nobody in"]);
        world.tell(0, event(1, "m", "mend:shut", 4)).await;
        world.settle().await;
        check_ends_well(&world, &[younger]).await;
        assert_eq!(world.log(0, 1).await, ["a", "s", "login", "c", "m", "b"]);
    }
}

#[tokio::test]
async fn a_state_is_set_aside_once_however_often_it_is_sent() {
    for younger in [2, 3] {
        let world = World::on_clock(limits::PARKED_PER_BATCH);
        let clock = world.clock.clone().expect("a clock");
        world.tell(0, event(1, "a", "add", 1)).await;
        for number in 0..20 {
            let event = event(younger, &number.to_string(), "add", 1);
            world.tell(0, event).await;
        }
        world.settle().await;
        let was = world.spoil(0, 1).await;
        world.tell(0, merged(younger, 1, 2)).await;
        world.settle().await;
        for _ in 0..12 {
            let later = clock.now() + kernel::Duration::from_millis(1_800_000);
            clock.advance_to(later);
            world.settle().await;
            let reasons = world.quarantined().await;
            assert_eq!(reasons, ["the state cannot be read: not five fields"]);
        }
        // Whoever opens the partition knows it too.
        world.write(world.slot_of(0, customer(1)), was).await;
        check_ends_well(&world, &[younger]).await;
        assert_eq!(world.log(0, 1).await.len(), 21);
    }
}

#[tokio::test]
async fn a_state_with_a_piece_that_is_none_of_it_holds_nobody() {
    let world = World::new(memory());
    let piece = |index: u32| Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(2)),
            part_count: 3,
            parts: vec![MovedPart {
                index,
                kind: 1,
                name: index.into(),
                ..MovedPart::default()
            }],
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    world.tell(0, event(1, "a", "add", 1)).await;
    for index in [1, 3, 2, 3, 1] {
        world.tell(0, piece(index)).await;
    }
    world.tell(0, event(1, "c", "add", 3)).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a", "c"]);
    assert_eq!(
        world.quarantined().await,
        ["a moved part is none of its state"]
    );
    let head = world.head(0, 1).await;
    assert_eq!(head.arriving.len(), 1, "what came of it stays");
    assert!(head.is_settled(&[]), "{head:?}");
}

#[tokio::test]
async fn a_word_that_a_state_stays_may_come_before_that_of_the_merge() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    let stays = Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(younger)),
            stays: true,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, stays.clone()).await;
    world.tell(0, joins(1, &[younger], "login", 2)).await;
    work(&mut workers_of_1(&world).await).await;
    assert_eq!(world.log(0, 1).await, ["a", "login"]);
    // Once the state is here it says nothing any more.
    world.tell(0, merged(younger, 1, 3)).await;
    world.settle().await;
    assert_eq!(world.fragments(0, 1).await, [younger]);
    let before = world.picture().await;
    world.tell(0, stays).await;
    world.settle().await;
    assert_eq!(world.picture().await, before);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_survivor_who_leaves_says_without_whom_it_went_on() {
    let world = World::on_clock(limits::PARKED_PER_BATCH);
    let (middle, last) = two_younger(&world);
    world.tell(0, event(middle, "a", "add", 1)).await;
    world.tell(0, joins(middle, &[last], "login", 1)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    assert!(world.head(0, middle).await.is_holding());
    pass_grace(&world, &mut workers).await;
    assert_eq!(world.log(0, middle).await, ["a", "login"]);
    world.tell(0, merged(middle, 1, 2)).await;
    work(&mut workers).await;
    world.tell(0, joins(1, &[middle, last], "again", 3)).await;
    work(&mut workers).await;
    assert_eq!(world.log(0, 1).await, ["a", "login", "again"]);
    drop(workers);
    world.settle().await;
    let mut fragments = world.fragments(0, 1).await;
    fragments.sort_unstable();
    assert_eq!(fragments, [middle, last]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_timer_that_is_tried_again_waits_with_its_customer() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.tell(0, event(1, "a", "wait:50", 1)).await;
    world.tell(0, event(1, "p", "poison", 1)).await;
    let partition = world.slot_of(0, customer(1)).partition.number();
    let tick = Record {
        time_ms: 100,
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    world.tell_partition(0, partition, tick).await;
    world.tell(0, event(1, "m", "mend:poison", 101)).await;
    world.settle().await;
    assert_eq!(world.quarantined().await, ["a poison timer"]);
    world.tell(0, joins(1, &[younger], "login", 102)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    world.retry_all().await;
    work(&mut workers).await;
    assert_eq!(world.log(0, 1).await, ["a", "p", "m"]);
    let other = world.slot_of(0, customer(younger)).partition.number();
    for service in 0..SERVICES {
        let worker = usize::from(other) * SERVICES + service;
        workers.push(world.open(worker).await);
    }
    work(&mut workers).await;
    let log = world.log(0, 1).await;
    assert_eq!(log, ["a", "p", "m", "b", "fired@51", "login"]);
    assert_eq!(world.count(0, "fired").await, 1);
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_timer_of_a_customer_who_leaves_sends_again_though_it_is_tried_by_hand() {
    let world = World::on_clock(limits::PARKED_PER_BATCH);
    let clock = world.clock.clone().expect("a clock");
    let younger = elsewhere(&world);
    two(&world, younger).await;
    world.tell(0, merged(younger, 1, 2)).await;
    let slot = world.slot_of(0, customer(younger));
    let first = usize::from(slot.partition.number()) * SERVICES;
    let mut workers = vec![world.open(first).await];
    work(&mut workers).await;
    let was = world.ruin(0, younger).await;
    clock.advance_to(Timestamp::from_millis(20_000));
    let mut workers = vec![world.open(first).await];
    work(&mut workers).await;
    let reasons = world.quarantined().await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    world.write(slot, was).await;
    world.retry_all().await;
    let mut workers = vec![world.open(first).await];
    work(&mut workers).await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    let timer = world.stored(0, younger).await.timer;
    assert!(timer.due.is_some_and(|due| due > clock.now()), "{timer:?}");
    drop(workers);
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a", "b"]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

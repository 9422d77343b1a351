//! A survivor that leaves in its turn: what it says of states that are not there, and what it sends
//! on of those that were arriving.

use kernel::Timestamp;
use messages::stream::v1::{MovedPart, Record, StateMoved, record::Body};

use super::super::driver::memory;
use super::asked::{tell_time, write_head};
use super::reads::{read, written};
use super::records::{customer, event, joins, merged};
use super::waits::{work, workers_of_1};
use super::world::{SERVICES, World};
use crate::head::id_bytes;
use crate::{Head, limits};

/// Two customers, both younger than customer 1: one of its partition, and one of the other who is
/// younger still.
fn two_younger(world: &World) -> (u16, u16) {
    let partition = |who: u16| world.slot_of(0, customer(who)).partition;
    let middle = (2..).find(|who| partition(*who) == partition(1));
    let middle = middle.expect("one of them");
    let last = (middle..).find(|who| partition(*who) != partition(1));
    (middle, last.expect("one of them"))
}

#[tokio::test]
async fn a_survivor_who_leaves_says_whose_state_a_store_lost() {
    let world = World::new(memory());
    let (middle, last) = two_younger(&world);
    world.tell(0, event(1, "a", "add", 1)).await;
    world.settle().await;
    // They left for the one in the middle, and a store lost the state.
    for service in 0..SERVICES {
        write_head(
            &world,
            (service, last),
            &Head::redirected_to(customer(middle)),
        )
        .await;
    }
    world.tell(0, joins(middle, &[last], "login", 2)).await;
    world.settle().await;
    assert!(world.head(0, middle).await.is_holding());
    let looked = limits::MERGE_RETRY_STREAM.as_millis() + 10;
    for partition in 0..2 {
        tell_time(&world, partition, looked).await;
    }
    world.settle().await;
    let shown = read(&world, 0, last, written(&world, 0, last).await).await;
    assert_eq!(shown, Some((middle, vec!["login".to_owned()])));
    world.tell(0, merged(middle, 1, looked + 1)).await;
    world.settle().await;
    for who in [1, middle, last] {
        let shown = read(&world, 0, who, written(&world, 0, who).await).await;
        let shown = shown.map(|(survivor, log)| (survivor, log.len()));
        assert_eq!(shown, Some((1, 2)), "by {who}");
    }
    for service in 0..SERVICES {
        let head = world.head(service, 1).await;
        assert!(head.is_settled(&[customer(last)]), "{head:?} of {service}");
        assert!(head.lacks_state(), "{head:?} of {service}");
    }
}

#[tokio::test]
async fn a_survivor_who_waits_already_for_one_without_whom_another_went_on_waits_no_longer() {
    let world = World::on_clock(limits::PARKED_PER_BATCH);
    let clock = world.clock.clone().expect("a clock");
    let (middle, last) = two_younger(&world);
    world.tell(0, event(middle, "a", "add", 1)).await;
    world.tell(0, joins(middle, &[last], "login", 1)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    let grace = Timestamp::from_millis(1_000 + limits::MERGE_GRACE.as_millis());
    clock.advance_to(grace);
    work(&mut workers).await;
    assert_eq!(world.log(0, middle).await, ["a", "login"]);
    // It waits for both before the state of the one in the middle comes.
    world.tell(0, joins(1, &[middle, last], "again", 3)).await;
    work(&mut workers).await;
    for service in 0..SERVICES {
        let log = world.log(service, 1).await;
        assert_eq!(log, ["a", "login", "again"], "of {service}");
    }
    drop(workers);
    world.settle().await;
    let mut fragments = world.fragments(0, 1).await;
    fragments.sort_unstable();
    assert_eq!(fragments, [middle, last]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_survivor_waits_on_for_a_state_that_is_arriving_though_another_went_on_without() {
    let world = World::on_clock(limits::PARKED_PER_BATCH);
    let clock = world.clock.clone().expect("a clock");
    let (middle, last) = two_younger(&world);
    world.tell(0, joins(middle, &[last], "login", 1)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    let grace = Timestamp::from_millis(1_000 + limits::MERGE_GRACE.as_millis());
    clock.advance_to(grace);
    work(&mut workers).await;
    // The first of two parts is here, and the other one is to come.
    world.tell(0, part_of(last, 1, 0)).await;
    work(&mut workers).await;
    world.tell(0, joins(1, &[middle], "again", 3)).await;
    work(&mut workers).await;
    assert_eq!(world.fragments(0, 1).await, [middle]);
    let head = world.head(0, 1).await;
    assert!(head.is_holding(), "{head:?}");
}

/// The first or the second of two parts of a state, on its way.
fn part_of(from: u16, to: u16, index: u32) -> Record {
    let part = MovedPart {
        index,
        kind: if index == 0 { 255 } else { 1 },
        body: ["|2||0:0:4,|", "b,c,"][usize::from(index > 0)].into(),
        ..MovedPart::default()
    };
    Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(from)),
            part_count: 3,
            parts: vec![part],
            leave_id: 5,
            ..StateMoved::default()
        })),
        ..event(to, "", "", 2)
    }
}

#[tokio::test]
async fn each_piece_that_is_sent_on_to_somebody_unreadable_is_set_aside() {
    let world = World::new(memory());
    let (middle, last) = two_younger(&world);
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(middle, "m", "add", 1)).await;
    for index in [0, 1] {
        world.tell(0, part_of(last, middle, index)).await;
    }
    world.settle().await;
    assert_eq!(world.head(0, middle).await.arriving.len(), 1);
    let was = world.spoil(0, 1).await;
    world.tell(0, merged(middle, 1, 3)).await;
    world.settle().await;
    let reasons = world.quarantined().await;
    let expected = ["the state cannot be read: not five fields"; 3];
    assert_eq!(reasons, expected, "one of the middle's own, two sent on");
    world.write(world.slot_of(0, customer(1)), was).await;
    world.retry_all().await;
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.fragments(0, 1).await, [middle]);
    let arriving = world.head(0, 1).await.arriving;
    let parts: Vec<usize> = arriving.iter().map(|it| it.parts.len()).collect();
    assert_eq!(parts, [2], "nothing of it was dropped");
}

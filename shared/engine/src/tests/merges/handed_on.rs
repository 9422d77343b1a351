//! A survivor that leaves in its turn: what it says of states that are not there, and what it sends
//! on of those that were arriving.

use messages::stream::v1::{MovedPart, Record, StateMoved, record::Body};

use super::super::driver::memory;
use super::asked::{tell_time, write_head};
use super::reads::{read, written};
use super::records::{customer, event, joins, merged};
use super::waits::{pass_grace, two_younger, work, workers_of_1};
use super::world::{SERVICES, Works, World};
use crate::head::id_bytes;
use crate::{Head, limits};

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
    let (middle, last) = two_younger(&world);
    world.tell(0, event(middle, "a", "add", 1)).await;
    world.tell(0, joins(middle, &[last], "login", 1)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    pass_grace(&world, &mut workers).await;
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
    let (middle, last) = two_younger(&world);
    world.tell(0, joins(middle, &[last], "login", 1)).await;
    let mut workers = workers_of_1(&world).await;
    work(&mut workers).await;
    pass_grace(&world, &mut workers).await;
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

/// Settles, and returns each piece of the state of a customer that came to the survivor meanwhile.
pub(super) async fn settle_and_copy(world: &World, from: u16, to: u16) -> Vec<Record> {
    let mut copies: Vec<Record> = Vec::new();
    let show = |record: &Record| {
        let is_piece = matches!(&record.body, Some(Body::Moved(moved))
            if !moved.released && moved.from_customer_id == id_bytes(customer(from)));
        if is_piece && record.customer_id == id_bytes(customer(to)) && !copies.contains(record) {
            copies.push(record.clone());
        }
    };
    world.settle_with(show).await;
    copies
}

/// The pieces of one leave, as somebody redirected sends them on to customer 1.
pub(super) fn sent_on(pieces: Vec<Record>, leave_id: u64) -> Vec<Record> {
    let bodies = pieces.into_iter().filter_map(|piece| piece.body);
    let moved = bodies.filter_map(|body| match body {
        Body::Moved(moved) if moved.leave_id == leave_id => Some(moved),
        _ => None,
    });
    let sent_on = moved.map(|moved| Record {
        body: Some(Body::Moved(StateMoved {
            followed: true,
            ..moved
        })),
        ..event(1, "", "", 2)
    });
    sent_on.collect()
}

#[tokio::test]
async fn a_copy_of_a_state_that_overtakes_the_one_it_is_part_of_is_not_folded_in() {
    let cases = (0..SERVICES).flat_map(|it| [(it, 0), (it, 6)]);
    for ((service, events), is_held) in cases.flat_map(|it| [(it, false), (it, true)]) {
        let world = World::new(memory());
        let (hub, middle) = two_younger(&world);
        let partition = |who| world.slot_of(0, customer(who)).partition;
        let mut younger = middle + 1..;
        let last = younger.find(|who| partition(*who) == partition(middle));
        let last = last.expect("one of them");
        for number in 0..events {
            let id = format!("{number}");
            world.tell(0, event(last, &id, "add", 1)).await;
        }
        world.tell(0, event(middle, "m", "add", 1)).await;
        world.tell(0, merged(hub, 1, 2)).await;
        world.tell(0, merged(last, middle, 2)).await;
        let copies = settle_and_copy(&world, last, middle).await;
        let leave_id = world.head(service, last).await.released_leave_id;
        // The state with that of the last one in it goes to 1 by the hub, and a copy straight.
        world.tell(0, merged(middle, hub, 3)).await;
        let mut others: Vec<Box<dyn Works>> = Vec::new();
        for number in 0..SERVICES {
            let partition = usize::from(partition(middle).number());
            others.push(world.open(partition * SERVICES + number).await);
        }
        work(&mut others).await;
        let copies = sent_on(copies, leave_id);
        assert_eq!(copies.len(), if events == 0 { 1 } else { 1 + events / 2 });
        for copy in copies {
            world.tell(service, copy).await;
        }
        if is_held {
            // The copy is asked about before the state comes, which passes the later services.
            let mut workers = workers_of_1(&world).await;
            let worker = &mut workers[service..=service];
            work(worker).await;
            work(&mut others).await;
            work(worker).await;
        }
        drop(others);
        world.settle().await;
        let case = format!("{events} of {service} {is_held}");
        let mut fragments = world.fragments(service, 1).await;
        fragments.sort_unstable();
        assert_eq!(fragments, [hub, middle, last], "{case}");
        assert_eq!(world.log(service, 1).await.len(), events + 1, "{case}");
        assert_eq!(world.root(service, last).await, 1, "{case}");
        assert_eq!(world.waiting_customers().await, Vec::<String>::new());
        assert_eq!(world.strays().await, Vec::<String>::new());
    }
}

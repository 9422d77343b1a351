//! States that are asked about, looked for and sent again, and the words about them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use decision::PartKey;
use hot::{StateWrite, Timer};
use kernel::Timestamp;
use messages::stream::v1::{MovedPart, Record, StateMoved, Tick, record::Body};

use super::super::driver::memory;
use super::super::ledger::{Book, Ledger};
use super::records::{by_fragment, customer, event, merged};
use super::waits::{elsewhere, work};
use super::world::{SERVICES, Works, World};
use crate::head::id_bytes;
use crate::moving::{Leaving, MoveCause, Moving, state_key, write_fragments};
use crate::waiting::parked_key;
use crate::{Head, head, limits, moving::Fragment};

/// Lets time come in a partition, from the first service on.
pub(super) async fn tell_time(world: &World, partition: u16, time_ms: i64) {
    let tick = Record {
        time_ms,
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    world.tell_partition(0, partition, tick).await;
}

/// Writes what a service keeps of a customer of whom it knows nothing else.
pub(super) async fn write_head(world: &World, (service, who): (usize, u16), head: &Head) {
    let slot = world.slot_of(service, customer(who));
    let value = head::write::<Ledger>(head, &Book::default());
    world
        .write(slot, stored(id_bytes(customer(who)), Some(value)))
        .await;
}

/// Writes, or removes, a part of what the first service keeps of a customer.
async fn write_part(world: &World, who: u16, part: PartKey, value: Option<&'static str>) {
    let key = part.of_customer(customer(who));
    let value = value.map(Bytes::from);
    world
        .write(world.slot_of(0, customer(who)), stored(key, value))
        .await;
}

fn stored(key: Bytes, value: Option<Bytes>) -> StateWrite {
    StateWrite {
        key,
        value,
        timer: Timer::NONE,
        adds_entry: false,
    }
}

/// Opens the workers of the partition where a customer is.
async fn workers_of(world: &World, who: u16) -> Vec<Box<dyn Works>> {
    let partition = usize::from(world.slot_of(0, customer(who)).partition.number());
    let mut workers = Vec::new();
    for service in 0..SERVICES {
        workers.push(world.open(partition * SERVICES + service).await);
    }
    workers
}

#[tokio::test]
async fn who_left_lets_go_of_a_state_that_has_arrived_though_it_cannot_be_sent_again() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(1, "a", "add", 1)).await;
    for number in 0..6 {
        let event = event(younger, &number.to_string(), "add", 1);
        world.tell(0, event).await;
    }
    world.settle().await;
    world.tell(0, merged(younger, 1, 2)).await;
    work(&mut workers_of(&world, younger).await).await;
    // All of it is on its way. It is sent again before the survivor has taken any of it.
    world.lose_a_part(younger).await;
    let partition = world.slot_of(0, customer(younger)).partition.number();
    let again = limits::MERGE_RETRY_STREAM.as_millis() + 10;
    tell_time(&world, partition, again).await;
    world.tell(0, event(younger, "late", "add", again)).await;
    work(&mut workers_of(&world, younger).await).await;
    let leaving = world.head(0, younger).await.leaving.expect("it leaves");
    assert!(leaving.is_sending());
    let reasons = world.quarantined().await;
    assert!(!reasons.is_empty());
    world.settle().await;
    assert_eq!(world.quarantined().await, reasons, "no question is refused");
    assert_eq!(world.fragments(0, 1).await, [younger]);
    assert_eq!(world.log(0, 1).await.len(), 7);
    world.retry_all().await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), 8, "with what came late");
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
}

/// The word to customer 1 that a state stays, and with it those that are part of it.
fn stays(from: u16, parts: &[u16]) -> Record {
    let fragments: Vec<Fragment> = parts
        .iter()
        .map(|it| Fragment {
            customer: customer(*it),
            ordinal: 0,
        })
        .collect();
    let (fragment_ids, fragment_ordinals) = write_fragments(&fragments);
    Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(from)),
            fragment_ids,
            fragment_ordinals,
            stays: true,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    }
}

#[tokio::test]
async fn words_that_a_state_stays_are_told_apart_by_what_they_name() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    world.settle().await;
    let was = world.spoil(0, 1).await;
    for (from, parts) in [
        (2, &[][..]),
        (2, &[3]),
        (2, &[]),
        (2, &[4, 3]),
        (2, &[3, 4]),
        (3, &[]),
        (2, &[3]),
    ] {
        world.tell(0, stays(from, parts)).await;
    }
    world.settle().await;
    assert_eq!(world.quarantined().await.len(), 4);
    // Whoever opens the partition knows them too.
    world.tell(0, stays(2, &[4, 3])).await;
    world.settle().await;
    assert_eq!(world.quarantined().await.len(), 4);
    world.write(world.slot_of(0, customer(1)), was).await;
    world.retry_all().await;
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    let head = world.head(0, 1).await;
    assert!(head.is_settled(&[2, 3, 4].map(customer)), "{head:?}");
}

#[tokio::test]
async fn a_leave_ends_though_the_last_record_that_waited_is_lost() {
    let world = World::on_clock(limits::PARKED_PER_BATCH);
    let younger = elsewhere(&world);
    let fragment = younger + 1;
    for number in 0..30 {
        let event = event(younger, &number.to_string(), "add", 1);
        world.tell(0, event).await;
    }
    world.tell(0, merged(fragment, younger, 1)).await;
    world.settle().await;
    assert_eq!(world.root(0, fragment).await, younger);
    world.tell(0, merged(younger, 1, 2)).await;
    let partition = usize::from(world.slot_of(0, customer(younger)).partition.number());
    let mut worker = world.open(partition * SERVICES).await;
    while world.head(0, younger).await.leaving.is_none() {
        worker.hint();
        worker.tick().await;
    }
    world.tell(0, event(younger, "late", "add", 3)).await;
    worker.hint();
    worker.tick().await;
    let head = world.head(0, younger).await;
    assert!(head.is_sending(), "{head:?}");
    let waiting = head.waiting.expect("it waits");
    assert_eq!(waiting.next - waiting.first, 1);
    drop(worker);
    write_part(&world, younger, parked_key(waiting.first), None).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), 30);
    assert_eq!(world.root(0, fragment).await, 1);
    assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_survivor_who_looks_for_a_state_on_its_way_to_somebody_unreadable_is_told() {
    for (last, middle) in [(4, 3), (3, 2), (4, 2)] {
        let world = World::new(memory());
        for (who, id) in [(1, "a"), (middle, "b"), (last, "f")] {
            world.tell(0, event(who, id, "add", 1)).await;
        }
        world.settle().await;
        let was = world.spoil(0, middle).await;
        world.tell(0, merged(last, middle, 2)).await;
        world.settle().await;
        assert!(world.head(0, last).await.leaving.is_some());
        world.tell(0, by_fragment(1, last, "login", 3)).await;
        world.settle().await;
        assert!(world.head(0, 1).await.is_holding());
        let looked = limits::MERGE_RETRY_STREAM.as_millis() + 10;
        let partition = world.slot_of(0, customer(1)).partition.number();
        tell_time(&world, partition, looked).await;
        world.settle().await;
        for service in 0..SERVICES {
            let head = world.head(service, 1).await;
            assert!(head.is_settled(&[]), "{head:?} of {service}");
            assert_eq!(world.log(service, 1).await, ["a", "login"]);
        }
        world.write(world.slot_of(0, customer(middle)), was).await;
        world.retry_all().await;
        world.settle().await;
        let fragments: BTreeSet<u16> = world.fragments(0, 1).await.into_iter().collect();
        assert_eq!(fragments, [middle, last].into());
        assert_eq!(world.quarantined().await, Vec::<String>::new());
        assert_eq!(world.strays().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_survivor_with_part_of_a_state_asks_for_the_rest() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    let parts = [(state_key(0), "|2||0:0:4,|"), (ENTRIES, "b,c,")];
    for (part, body) in parts {
        write_part(&world, younger, part, Some(body)).await;
    }
    // It is all sent, and a store lost the second piece. Nothing tells who left to look after it.
    let own = Moving {
        from: customer(younger),
        fragments: Vec::new(),
        last_ordinal: 0,
        first_ordinal: 0,
        followed: false,
        part_count: 2,
        parts: (0..)
            .zip(parts.map(|(part, _)| part))
            .collect::<BTreeMap<_, _>>(),
        cause: moved_by(),
        leave_id: 7,
        sent_parts: 2,
        is_sent: true,
        awaited: Vec::new(),
        awaited_epochs: BTreeMap::new(),
        waived: Vec::new(),
        absent: Vec::new(),
        epoch: 0,
        since: 0,
    };
    let left = Head {
        leaving: Some(Box::new(Leaving {
            states: [own].into(),
            cause: moved_by(),
            tries: 3,
        })),
        ..Head::redirected_to(customer(1))
    };
    write_head(&world, (0, younger), &left).await;
    let first = MovedPart {
        kind: 255,
        body: parts[0].1.into(),
        ..MovedPart::default()
    };
    let piece = Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(younger)),
            part_count: 2,
            parts: vec![first],
            leave_id: 7,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    world.tell(0, piece).await;
    world.tell(0, event(1, "a", "add", 3)).await;
    world.settle().await;
    assert!(world.head(0, 1).await.is_holding());
    let partition = world.slot_of(0, customer(1)).partition.number();
    let again = limits::MERGE_RETRY_STREAM.as_millis() + 10;
    tell_time(&world, partition, again).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["b", "c", "a"]);
    assert_eq!(world.fragments(0, 1).await, [younger]);
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.strays().await, Vec::<String>::new());
}

/// The key of the first part of a state.
const ENTRIES: PartKey = PartKey {
    ordinal: 0,
    kind: 1,
    name: 0,
};

/// The record that made a state leave.
fn moved_by() -> MoveCause {
    MoveCause {
        is_bulk: false,
        time: Timestamp::from_millis(1),
        trace_parent: String::new(),
    }
}

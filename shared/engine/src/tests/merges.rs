//! Merges over the three services of the way, in two partitions: what follows a customer, what is
//! known twice, and what a read finds.

mod acts;
mod apart;
mod asked;
mod erased;
mod grace;
mod graph;
mod handed_on;
mod leftovers;
mod lost;
mod pieces;
mod random;
mod reads;
mod records;
mod refused;
mod scripted;
mod share;
mod steps;
mod together;
mod told;
mod waits;
mod world;

use hot::{Commit, StateWrite, Timer};
use messages::stream::v1::{CustomerMerged, MovedPart, Record, StateMoved, Tick, record::Body};

use self::records::{customer, event, merged, record};
use self::world::{SERVICES, World};
use super::driver::memory;
use super::ledger::{Book, Ledger};
use crate::head::id_bytes;
use crate::{FindError, Head, find_customer, head, limits};

#[tokio::test]
async fn a_state_and_all_that_comes_later_go_to_the_survivor() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(2, "b", "add", 2)).await;
    world.tell(0, merged(2, 1, 3)).await;
    world.settle().await;
    for service in 0..SERVICES {
        world.tell(service, record(service, 2, "c", 4)).await;
    }
    world.settle().await;
    for service in 0..SERVICES {
        assert_eq!(world.root(service, 2).await, 1, "of service {service}");
        // A record for one service reaches those after it too.
        let mut expected = vec!["a", "b"];
        expected.extend(std::iter::repeat_n("c", service + 1));
        assert_eq!(world.log(service, 1).await, expected, "of {service}");
        assert_eq!(world.fragments(service, 1).await, [2], "of {service}");
    }
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_largest_state_moves() {
    let world = World::new(memory());
    let most = hot::limits::STATE_BYTES - 100;
    world
        .tell(0, event(2, "a", &format!("grow:{most}"), 1))
        .await;
    world.tell(0, merged(2, 1, 2)).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a".to_owned(), "x".repeat(most)]);
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn words_that_say_nothing_new_change_nothing() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    world.tell(0, event(2, "b", "add", 1)).await;
    world.tell(0, merged(2, 1, 2)).await;
    world.settle().await;
    let before = world.picture().await;
    for (from, into) in [(1, 1), (2, 2), (2, 1), (1, 2)] {
        world.tell(0, merged(from, into, 3)).await;
        world.settle().await;
        assert_eq!(world.picture().await, before, "{from} into {into}");
    }
    // The same state once more, as a store that lost its newest writes would send it.
    let moved = Body::Moved(StateMoved {
        from_customer_id: id_bytes(customer(2)),
        part_count: 1,
        parts: vec![MovedPart {
            body: "|1|b,||".into(),
            ..MovedPart::default()
        }],
        ..StateMoved::default()
    });
    for service in 0..SERVICES {
        let again = Record {
            body: Some(moved.clone()),
            ..event(1, "", "", 4)
        };
        world.tell(service, again).await;
    }
    world.settle().await;
    assert_eq!(world.picture().await, before);
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn somebody_of_whom_nothing_is_known_is_redirected_and_remembered() {
    let world = World::new(memory());
    world.tell(0, merged(2, 1, 1)).await;
    world.settle().await;
    for service in 0..SERVICES {
        assert_eq!(world.root(service, 2).await, 1);
        assert_eq!(world.fragments(service, 1).await, [2]);
        assert_eq!(world.log(service, 1).await, Vec::<String>::new());
    }
    // The service forgets the survivor, and the engine does not forget the merge.
    world.tell(0, event(1, "a", "remove", 2)).await;
    world.tell(0, merged(2, 1, 3)).await;
    world.tell(0, event(2, "b", "add", 4)).await;
    world.settle().await;
    assert_eq!(world.fragments(0, 1).await, [2]);
    assert_eq!(world.log(0, 1).await, ["b"]);
}

#[tokio::test]
async fn timers_move_and_what_is_left_of_them_does_nothing() {
    let world = World::new(memory());
    world.tell(0, event(2, "a", "wait:50", 1)).await;
    world.tell(0, merged(2, 1, 2)).await;
    world.settle().await;
    for partition in 0..2 {
        let tick = Record {
            time_ms: 100,
            body: Some(Body::Tick(Tick {})),
            ..Record::default()
        };
        world.tell_partition(0, partition, tick).await;
    }
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a", "fired@51"]);
    assert_eq!(world.count(0, "fired").await, 1);
}

#[tokio::test]
async fn what_names_no_survivor_is_set_aside_with_its_reason() {
    let world = World::new(memory());
    world.tell(0, event(2, "a", "add", 1)).await;
    let mut nameless = merged(2, 1, 2);
    nameless.body = Some(Body::Merged(CustomerMerged {
        into_customer_id: "short".into(),
        ..CustomerMerged::default()
    }));
    world.tell(0, nameless).await;
    world.settle().await;
    assert_eq!(world.log(0, 2).await, ["a"]);
    let reasons = world.quarantined().await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(
        reasons[0].starts_with("the survivor of a merge names no customer: `5 bytes` is not an id"),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn everything_that_follows_a_customer_is_in_the_trace_of_its_cause() {
    let traced = |record: Record| Record {
        trace_parent: "00-cause".to_owned(),
        ..record
    };
    let world = World::new(memory());
    world.tell(0, event(2, "a", "add", 1)).await;
    world.tell(0, traced(merged(2, 1, 2))).await;
    world.tell(0, traced(event(2, "b", "add", 3))).await;
    let mut seen = 0;
    world
        .settle_with(|record| {
            let inner = match &record.body {
                Some(Body::Carried(carried)) => carried.record.as_deref(),
                _ => None,
            };
            let is_new = record.time_ms > 1;
            for record in std::iter::once(record).chain(inner).filter(|_| is_new) {
                assert_eq!(record.trace_parent, "00-cause", "{record:?}");
                seen += 1;
            }
        })
        .await;
    assert!(seen > 10, "only {seen} records");
}

/// Writes what a service keeps of a customer.
async fn keep(world: &World, customers: impl Iterator<Item = (u16, Head)>) {
    for (number, (id, head)) in customers.enumerate() {
        let slot = world.slot_of(0, customer(id));
        let opened = world.hot.open(slot, 1).await.expect("it opens");
        let commit = Commit {
            epoch: 1,
            seq: opened.commit_seq + 1,
            batch_id: u64::try_from(number).expect("few"),
            states: vec![StateWrite {
                key: id_bytes(customer(id)),
                value: Some(head::write::<Ledger>(&head, &Book::default())),
                timer: Timer::NONE,
                adds_entry: false,
            }],
            ..Commit::default()
        };
        world.hot.commit(slot, &commit).await.expect("it commits");
    }
}

/// A chain as merges leave it that were not flattened yet: each customer leads to the one before
/// it.
fn chain(len: u16) -> impl Iterator<Item = (u16, Head)> {
    let redirects = (2..=len + 1).map(|id| (id, Head::redirected_to(customer(id - 1))));
    std::iter::once((1, Head::plain())).chain(redirects)
}

#[tokio::test]
async fn a_read_follows_many_redirects_and_says_where_they_end() {
    let world = World::new(memory());
    let limit = u16::try_from(limits::REDIRECTS_PER_READ).expect("a small limit");
    keep(&world, chain(limit + 1)).await;
    for hops in [0, 9, 200, limit] {
        let found = find_customer::<Ledger>(world.hot.as_ref(), customer(hops + 1)).await;
        let found = found.expect("a customer");
        assert_eq!(found.customer, customer(1));
        assert_eq!(found.redirects, usize::from(hops));
        assert!(found.state.is_some());
    }
    let error = find_customer::<Ledger>(world.hot.as_ref(), customer(limit + 2)).await;
    assert!(
        matches!(error, Err(FindError::TooManyRedirects { .. })),
        "{error:?}"
    );
    let nobody = find_customer::<Ledger>(world.hot.as_ref(), customer(5_000)).await;
    assert!(nobody.expect("nobody").state.is_none());
}

#[tokio::test]
async fn a_read_does_not_run_in_circles() {
    let world = World::new(memory());
    let circle =
        [(1, 2), (2, 3), (3, 1)].map(|(id, into)| (id, Head::redirected_to(customer(into))));
    keep(&world, circle.into_iter()).await;
    for id in 1..=3 {
        let error = find_customer::<Ledger>(world.hot.as_ref(), customer(id)).await;
        assert!(
            matches!(error, Err(FindError::NotOlder { .. })),
            "{error:?}"
        );
    }
}

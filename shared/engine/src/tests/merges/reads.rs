//! Reads that come after a write, by the id of somebody who is merged meanwhile: they show all that
//! both knew, and what followed, or nothing yet.

use std::sync::Arc;

use hot::{Slot, StreamName};
use proptest::prelude::*;
use tokio::time::Instant;

use super::super::driver::memory;
use super::super::ledger::{Book, Ledger};
use super::records::{customer, event, merged, number, record};
use super::world::{SERVICES, WORKERS, World};
use crate::{FindError, Follower, Written};

/// The streams that the services read.
const STREAMS: [StreamName; SERVICES] =
    [StreamName::Events, StreamName::Facts, StreamName::Actions];

/// Returns what the answer to the last write to a service told.
pub(super) async fn written(world: &World, service: usize, who: u16) -> Written {
    let slot: Slot = world.slot_of(0, customer(who));
    let unread = world.hot.unread(slot, &[]).await.expect("it answers");
    Written {
        stream: STREAMS[service],
        time: unread.newest,
    }
}

/// Returns the survivor and the log that a read finds at once; absent where it would wait.
pub(super) async fn read(
    world: &World,
    service: usize,
    who: u16,
    written: Written,
) -> Option<(u16, Vec<String>)> {
    async fn of<const STAGE: usize>(
        world: &World,
        who: u16,
        written: Written,
    ) -> Result<(u16, Book), FindError> {
        let follower = Follower::new(Arc::clone(&world.hot));
        let (customer, now) = (customer(who), Instant::now());
        let found = follower
            .find_customer_with::<Ledger<STAGE>>(customer, written, now, Book::not_loaded)
            .await?;
        Ok((number(found.customer), found.state.unwrap_or_default()))
    }
    let found = match service {
        0 => of::<0>(world, who, written).await,
        1 => of::<1>(world, who, written).await,
        _ => of::<2>(world, who, written).await,
    };
    match found {
        Ok((survivor, book)) => Some((survivor, book.log())),
        Err(FindError::Behind { .. } | FindError::OnTheWay { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Lets the services work in some order, and looks after each step: whatever a read by an id finds
/// in a service, from one on, is all of what is expected there.
async fn check(
    world: &World,
    order: &[usize],
    (from, who): (usize, u16),
    written: Written,
    expected: &[&str],
) {
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(world.open(number).await);
    }
    let steps = order
        .iter()
        .copied()
        .chain((0..200).map(|step| step % WORKERS));
    let mut found = [false; SERVICES];
    for step in steps {
        workers[step].hint();
        workers[step].tick().await;
        for (service, found) in found.iter_mut().enumerate().skip(from) {
            let Some((survivor, mut log)) = read(world, service, who, written).await else {
                continue;
            };
            log.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(
                (survivor, log),
                (1, expected.iter().map(|it| (*it).to_owned()).collect())
            );
            *found = true;
        }
    }
    assert!(found[from..].iter().all(|it| *it), "{found:?}");
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

#[test]
fn merges_are_tried_within_a_partition_and_between_two() {
    let world = World::new(memory());
    let partition_of = |who| world.slot_of(0, customer(who)).partition;
    assert_eq!(partition_of(1), partition_of(2));
    assert_ne!(partition_of(1), partition_of(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_read_by_the_id_of_who_is_merged_shows_both_and_what_followed(
        order in prop::collection::vec(0..WORKERS, 0..80),
        who in 2..4_u16,
        entries in 1..12_usize,
        is_followed in any::<bool>(),
    ) {
        run(async {
            let world = World::new(memory());
            let names: Vec<String> = (0..entries).map(|entry| format!("b{entry}")).collect();
            for name in &names {
                world.tell(0, event(who, name, "add", 1)).await;
            }
            world.tell(0, event(1, "a", "add", 1)).await;
            world.settle().await;
            world.tell(0, merged(who, 1, 2)).await;
            let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
            expected.push("a");
            if is_followed {
                // By somebody who does not know of the merge yet.
                world.tell(0, event(who, "c", "add", 3)).await;
                expected.push("c");
            }
            let written = written(&world, 0, who).await;
            check(&world, &order, (0, who), written, &expected).await;
        });
    }

    #[test]
    fn a_write_that_follows_a_merged_customer_is_waited_for_through_the_outbox(
        order in prop::collection::vec(0..WORKERS, 0..60),
        who in 2..4_u16,
        service in 0..SERVICES,
    ) {
        run(async {
            let world = World::new(memory());
            world.tell(0, event(1, "a", "add", 1)).await;
            world.tell(0, event(who, "b", "add", 1)).await;
            world.tell(0, merged(who, 1, 2)).await;
            world.settle().await;
            world.tell(service, record(service, who, "c", 3)).await;
            let written = written(&world, service, who).await;
            if service > 0 {
                let before = read(&world, service - 1, who, written).await;
                let as_it_was = (1, vec!["a".to_owned(), "b".to_owned()]);
                prop_assert_eq!(before, Some(as_it_was), "it is not concerned");
            }
            check(&world, &order, (service, who), written, &["a", "b", "c"]).await;
            Ok(())
        })?;
    }
}

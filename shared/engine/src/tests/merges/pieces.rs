//! States that move in pieces: how many, what is seen meanwhile, and what cannot be taken in.

use std::sync::Arc;

use messages::stream::v1::{MovedPart, Record, StateMoved, record::Body};

use super::super::driver::memory;
use super::super::faulty::Faulty;
use super::records::{customer, event, merged};
use super::world::{SERVICES, WORKERS, World};
use crate::head::id_bytes;
use crate::worker::TickOutcome;

/// A customer with so many entries, and one older with a single entry.
async fn two(world: &World, entries: usize) {
    fill(world, 2, entries).await;
}

/// The same, where the younger one is whom it is said.
async fn fill(world: &World, younger: u16, entries: usize) {
    world.tell(0, event(1, "own", "add", 1)).await;
    for entry in 0..entries {
        let event = event(younger, &entry.to_string(), "add", 1);
        world.tell(0, event).await;
    }
    world.settle().await;
}

#[tokio::test]
async fn a_state_goes_in_as_many_records_as_it_takes() {
    // Each part has two entries, and the head is a part that goes alone.
    for (piece_bytes, entries, pieces) in [(1, 1, 1), (1, 9, 5), (1, 40, 21), (1 << 20, 40, 2)] {
        let mut world = World::new(memory());
        world.piece_bytes = piece_bytes;
        two(&world, entries).await;
        world.tell(0, merged(2, 1, 2)).await;
        let mut seen = std::collections::BTreeSet::new();
        world
            .settle_with(|record| {
                if let Some(Body::Moved(moved)) = &record.body
                    && let Some(part) = moved.parts.first()
                {
                    seen.insert((record.customer_id.clone(), part.index));
                }
            })
            .await;
        assert_eq!(seen.len(), pieces, "of {entries} with {piece_bytes}");
        for service in 0..SERVICES {
            assert_eq!(world.log(service, 2).await.len(), entries + 1);
        }
        assert_eq!(world.strays().await, Vec::<String>::new());
        assert_eq!(world.quarantined().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_read_finds_all_of_a_state_or_none_of_it() {
    let mut seen = Vec::new();
    // Some are in the partition of the survivor, some in the other.
    for younger in 2..6 {
        let world = World::new(memory());
        fill(&world, younger, 30).await;
        world.tell(0, merged(younger, 1, 2)).await;
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            workers.push(world.open(number).await);
        }
        let mut resting = 0;
        while resting < 2 * WORKERS {
            for worker in &mut workers {
                worker.hint();
                match worker.tick().await {
                    TickOutcome::Idle { .. } => resting += 1,
                    _ => resting = 0,
                }
                for service in 0..SERVICES {
                    seen.push(look(&world, service, younger).await);
                }
            }
        }
    }
    // Also while a part of it has arrived and another has not left.
    for at in [
        (true, false, 1),
        (true, true, 1),
        (false, true, 1),
        (false, false, 31),
    ] {
        assert!(seen.contains(&at), "{at:?}");
    }
}

/// Returns whether something leaves, whether something has arrived, and how much is known of the
/// survivor.
async fn look(world: &World, service: usize, younger: u16) -> (bool, bool, usize) {
    let own = world.log(service, 1).await;
    let other = world.log(service, younger).await;
    let is_redirected = world.root(service, younger).await == 1;
    assert_eq!(other.len(), if is_redirected { own.len() } else { 30 });
    assert!([1, 31].contains(&own.len()), "{own:?}");
    let is_leaving = world.head(service, younger).await.leaving.is_some();
    let is_arriving = !world.head(service, 1).await.arriving.is_empty();
    (is_leaving, is_arriving, own.len())
}

#[tokio::test]
async fn a_customer_of_megabytes_moves_within_the_bounds_of_a_commit() {
    let world = World::new(memory());
    let watch = Faulty::watching(Arc::clone(&world.hot));
    let mut world = world.through(Arc::clone(&watch) as hot::SharedHotStore);
    world.piece_bytes = crate::limits::PIECE_BYTES;
    let most = decision::limits::PARTS_PER_CUSTOMER / 4;
    for number in 0..most {
        let event = event(2, &number.to_string(), "grow:13000", 1);
        world.tell(0, event).await;
    }
    world.settle().await;
    watch.take_commits();
    world.tell(0, merged(2, 1, 2)).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await.len(), 2 * most);
    assert_eq!(world.strays().await, Vec::<String>::new());
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    let commits = watch.take_commits();
    let largest = commits.iter().map(|it| it.bytes).max().unwrap_or(0);
    assert!(largest > 100_000 && largest < hot::limits::COMMIT_BYTES);
    assert!(commits.len() > 13, "{} commits", commits.len());
}

#[tokio::test]
async fn a_record_that_has_no_room_beside_the_state_before_it_comes_with_the_next_commit() {
    let mut world = World::new(memory());
    world.piece_bytes = crate::limits::PIECE_BYTES;
    world.tell(0, event(1, "own", "add", 1)).await;
    world.tell(0, event(2, "a", "grow:400000", 1)).await;
    world.settle().await;
    world.tell(0, merged(2, 1, 2)).await;
    let late = Record {
        trace_parent: "y".repeat(250_000),
        ..event(2, "late", "add", 3)
    };
    world.tell(0, late).await;
    let mut looks = 0;
    world
        .settle_with(|_| {
            looks += 1;
            assert!(looks < 10_000, "it is tried again and again");
        })
        .await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert!(world.log(0, 1).await.contains(&"late".to_owned()));
    assert_eq!(world.strays().await, Vec::<String>::new());
}

/// One of the two parts of the state of customer 2, on its way to customer 1: the head, or a block.
fn piece(index: u32, body: &'static str) -> Record {
    let part = MovedPart {
        index,
        kind: if index == 0 { 255 } else { 1 },
        body: body.into(),
        ..MovedPart::default()
    };
    Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(2)),
            part_count: 2,
            parts: vec![part],
            // No leave has a greater name, so that customer 2 says yes when asked.
            leave_id: u64::MAX,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_set_aside_and_holds_nobody() {
    let world = World::new(memory());
    world.tell(0, event(1, "a", "add", 1)).await;
    // The head comes last, and once more.
    world.tell(0, piece(1, "b,c,")).await;
    world.tell(0, piece(0, "no state")).await;
    world.tell(0, piece(0, "no state")).await;
    world.tell(0, event(1, "d", "add", 3)).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["a", "d"]);
    let reasons = world.quarantined().await;
    assert!(!reasons.is_empty());
    assert!(
        reasons.iter().all(|it| it == "not five fields"),
        "{reasons:?}"
    );
    // It is as whole as it was: nothing of it is lost.
    assert_eq!(world.head(0, 1).await.arriving.len(), 1);
}

/// Customer 1 took customer 2 in, and is forgotten since, with all parts of both.
async fn check_nothing_is_left(world: &World) {
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.log(0, 1).await, Vec::<String>::new());
    assert_eq!(world.fragments(0, 1).await, [2]);
    assert_eq!(world.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_goes_right_after_a_state_was_folded_in_leaves_nothing_behind() {
    let world = World::new(memory());
    world.tell(0, piece(1, "b,c,")).await;
    world.tell(0, piece(0, "|2||0:0:4,|")).await;
    // It waits for the batch that folds the state in, and is taken by that one too.
    world.tell(0, event(1, "d", "remove", 3)).await;
    check_nothing_is_left(&world).await;
}

#[tokio::test]
async fn a_state_that_is_forgotten_when_it_is_folded_in_leaves_nothing_behind() {
    let world = World::new(memory());
    world.tell(0, piece(1, "b,c,")).await;
    world.tell(0, piece(0, "|3|vanish,|0:0:4,|")).await;
    check_nothing_is_left(&world).await;
}

#[tokio::test]
async fn a_state_that_is_part_of_another_on_its_way_is_not_taken_twice() {
    let world = World::new(memory());
    // Customer 3 took 2 in, and a part of its state is to come. The state of 2 comes once more.
    let mut joined = piece(0, "no matter");
    if let Some(Body::Moved(moved)) = &mut joined.body {
        moved.from_customer_id = id_bytes(customer(3));
        (moved.fragment_ids, moved.fragment_ordinals) = (id_bytes(customer(2)), vec![1]);
        moved.last_ordinal = 1;
    }
    world.tell(0, joined).await;
    world.tell(0, piece(1, "b,c,")).await;
    world.tell(0, piece(0, "|2||0:0:4,|")).await;
    world.settle().await;
    let arriving = world.head(0, 1).await.arriving;
    assert_eq!(arriving.len(), 1);
    assert_eq!(arriving[0].from, customer(3));
    assert_eq!(world.quarantined().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_joined_beyond_the_bound_of_fragments_has_an_ordinal_that_no_state_arrives_with() {
    let world = World::new(memory());
    let first_piece = |from: u16, last_ordinal: u16| Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(from)),
            part_count: 2,
            last_ordinal: last_ordinal.into(),
            parts: vec![MovedPart {
                kind: 255,
                ..MovedPart::default()
            }],
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    let bound = decision::limits::FRAGMENTS;
    for (from, last_ordinal) in [(2, bound - 5), (3, 1), (4, 0), (5, 0), (6, 3)] {
        world.tell(0, first_piece(from, last_ordinal)).await;
    }
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    let arriving = world.head(0, 1).await.arriving;
    let first: Vec<u16> = arriving.iter().map(|it| it.first_ordinal).collect();
    assert_eq!(first, [1, bound - 3, bound, bound + 1, bound + 2]);
}

#[tokio::test]
async fn a_piece_that_is_none_of_its_state_is_set_aside() {
    let world = World::new(memory());
    let piece = |from: u16, (index, ordinal): (u32, u32), last_ordinal: u32| Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(from)),
            part_count: 3,
            last_ordinal,
            parts: vec![MovedPart {
                index,
                ordinal,
                kind: 1,
                ..MovedPart::default()
            }],
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    for bad in [
        piece(2, (3, 0), 0),
        piece(3, (1, 1), 0),
        piece(4, (1, 0), 65_535),
    ] {
        world.tell(0, bad).await;
    }
    world.settle().await;
    let (alien, many) = (
        "a moved part is none of its state",
        "more customers were joined than can be told apart",
    );
    assert_eq!(world.quarantined().await, [alien, alien, many]);
    let states = world.memory.states(world.slot_of(0, customer(1)));
    assert_eq!(
        states.len(),
        1,
        "a head, which says who is lacked: {states:?}"
    );
    assert!(world.head(0, 1).await.lacks_state());
}

#[tokio::test]
async fn a_state_that_lost_a_part_stays_and_what_comes_after_it_is_set_aside() {
    let world = World::new(memory());
    two(&world, 6).await;
    world.lose_a_part(2).await;
    world.tell(0, merged(2, 1, 2)).await;
    world.tell(0, event(2, "late", "add", 3)).await;
    world.tell(0, event(1, "d", "add", 3)).await;
    world.settle().await;
    assert_eq!(world.log(0, 1).await, ["own", "d"]);
    let reasons = world.quarantined().await;
    assert_eq!(reasons.len(), 2, "the word to itself, and what came late");
    assert!(
        reasons
            .iter()
            .all(|it| it.contains("the store does not have it")),
        "{reasons:?}"
    );
    assert!(world.head(0, 2).await.leaving.is_some());
}

#[tokio::test]
async fn a_state_that_is_packed_leaves_no_part_behind_while_another_arrives() {
    let world = World::new(memory());
    two(&world, 6).await;
    world.tell(0, event(2, "p", "pack", 2)).await;
    // One of two parts of customer 3, who is joined into 2.
    let first = Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: id_bytes(customer(3)),
            part_count: 2,
            parts: vec![MovedPart {
                kind: 255,
                ..MovedPart::default()
            }],
            ..StateMoved::default()
        })),
        ..event(2, "", "", 2)
    };
    world.tell(0, first).await;
    world.settle().await;
    assert_eq!(world.head(0, 2).await.arriving.len(), 1);
    world.tell(0, merged(2, 1, 3)).await;
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    let states = world.memory.states(world.slot_of(0, customer(2)));
    let parts = states.iter().filter(|(key, _)| key.len() > 16);
    let left: Vec<_> = parts
        .filter(|(key, _)| key[..16] == *customer(2).as_bytes())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

//! Tests of who waits for memory, and who gives way.

use futures::FutureExt as _;

use super::*;

const MIB: usize = 1 << 20;

/// Eight MiB: two for what arrives, one for small calls, one for bulk that waits, and four.
fn memory() -> Memory {
    Memory::of_bytes(8 * MIB)
}

async fn charge(memory: &Memory, cost: usize, is_stream: bool) -> Result<Charge, ErrorReason> {
    let charge = memory.charge(cost, cost / 4, is_stream).await;
    charge.map_err(|failure| failure.reason())
}

#[tokio::test]
async fn a_full_share_refuses_after_a_while_and_takes_others_once_it_is_free() {
    let memory = memory();
    let held = charge(&memory, 4 * MIB, true).await.expect("room");
    assert_eq!(
        charge(&memory, MIB, false).await.err(),
        Some(ErrorReason::MemoryFull)
    );
    // Small calls have a share of their own.
    let small = charge(&memory, SMALL_CALL, false).await.expect("room");
    drop((held, small));
    assert!(charge(&memory, 4 * MIB, false).await.is_ok());
}

#[tokio::test]
async fn what_waits_for_a_stream_keeps_what_arrived() {
    let memory = memory();
    let first = charge(&memory, 4 * MIB, true).await.expect("room");
    let first = first.keep_arrived(false).await.expect("less");
    // One MiB of it is kept.
    let second = charge(&memory, 3 * MIB, true).await.expect("room");
    drop((first, second));
}

#[tokio::test]
async fn bulk_that_waits_leaves_room_for_others() {
    let memory = memory();
    let mut waiting = Vec::new();
    let refused = loop {
        let batch = charge(&memory, 2 * MIB, true).await.expect("room");
        match batch.keep_arrived(true).await {
            Ok(batch) => waiting.push(batch),
            Err(failure) => break failure.reason(),
        }
    };
    assert_eq!((waiting.len(), refused), (2, ErrorReason::MemoryFull));
    assert!(charge(&memory, 4 * MIB, true).await.is_ok());
}

#[tokio::test]
async fn the_oldest_that_takes_its_time_gives_way() {
    let memory = memory();
    let mut oldest = memory.partial();
    oldest.grow(MIB).await.expect("room");
    let mut older = memory.partial();
    older.grow(MIB).await.expect("room");
    // Both hold their room, and one of them is asked for it.
    let gives_way = oldest.gives_way();
    let oldest = async {
        let failure = gives_way.await;
        drop(oldest);
        failure.reason()
    };
    let mut young = memory.partial();
    let (reason, grown) = tokio::join!(oldest, young.grow(MIB / 2));
    assert_eq!(reason, ErrorReason::MemoryFull);
    grown.expect("room");
    // A message that is whole gives way to none.
    older.whole();
    let mut late = memory.partial();
    let refused = late.grow(2 * MIB).await.expect_err("no room");
    assert_eq!(refused.reason(), ErrorReason::MemoryFull);
    drop(older);
    late.grow(MIB).await.expect("room");
}

#[tokio::test]
async fn those_that_hold_next_to_nothing_do_not_give_way_for_others() {
    let memory = memory();
    let mut announced = Vec::new();
    for _ in 0..1_000 {
        let mut one = memory.partial();
        one.grow(30).await.expect("room");
        announced.push(one);
    }
    let mut half_sent = memory.partial();
    half_sent.grow(2 * MIB - 40_000).await.expect("room");
    let gives_way = half_sent.gives_way();
    let half_sent = async {
        let failure = gives_way.await;
        drop(half_sent);
        failure.reason()
    };
    // All that was announced together holds more than this, and is older.
    let mut asking = memory.partial();
    let (reason, grown) = tokio::join!(half_sent, asking.grow(20_000));
    assert_eq!(reason, ErrorReason::MemoryFull);
    grown.expect("room");
    for one in &announced {
        assert!(one.gives_way().now_or_never().is_none());
    }
}

#[tokio::test]
async fn nothing_is_held_of_what_was_only_announced() {
    let memory = memory();
    let announced: Vec<Partial> = (0..10_000).map(|_| memory.partial()).collect();
    let mut arriving = memory.partial();
    arriving.grow(2 * MIB).await.expect("all of it is free");
    drop(announced);
}

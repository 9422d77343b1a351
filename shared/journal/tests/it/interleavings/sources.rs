//! What clients have sent, and send again: taken once, wherever it was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use hot::memory::{self, Delivery, Hook, Operation};
use hot::{Appended, Cursor, HotError, HotStore};
use journal::{Call, Fault, JournaledStore};

use super::{EVENTS, FailingRestore, PARTITION, SLOT, World, append, commit, consume};

#[tokio::test(start_paused = true)]
async fn what_a_source_has_sent_is_known_though_a_snapshot_was_made_of_an_empty_store() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&store, SLOT, 1).await;
    assert_eq!(
        append(&store, 1, 5).await.expect("taken"),
        Appended::Applied
    );
    consume(&store, commit(1, 1)).await;
    world.hot.clear();
    // The background task does not know yet that everything is gone.
    drop(store.fold(SLOT).await);
    store.recover(PARTITION).await.expect("recovers");
    let again = append(&other, 1, 5).await.expect("answers");
    assert_eq!(again, Appended::Replayed);
}

#[tokio::test(start_paused = true)]
async fn what_a_source_has_sent_is_known_though_a_snapshot_was_made_in_the_middle_of_a_recovery() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&store, SLOT, 1).await;
    let copy = world.hot.snapshot();
    append(&store, 1, 5).await.expect("taken");
    consume(&store, commit(1, 1)).await;
    world.hot.roll_back_silently(copy);
    // The commit is there again, and the streams are not.
    let restores = Arc::new(FailingRestore::default());
    let first = world.process_on(world.hot.with_hook(restores)).await;
    first.recover(PARTITION).await.expect_err("fails half-way");
    assert_eq!(world.hot.head(SLOT).await.expect("a head").commit_seq, 1);
    drop(store.fold(SLOT).await);
    tokio::time::sleep(hot::limits::GATE_TTL).await;
    store.recover(PARTITION).await.expect("recovers");
    let again = append(&other, 1, 5).await.expect("answers");
    assert_eq!(again, Appended::Replayed);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_logged_before_it_died_is_found_while_it_is_known_who_was_asked_instead() {
    let world = World::new();
    let dying = world
        .process_on(world.hot.with_hook(Arc::new(NoAppend)))
        .await;
    append(&dying, 1, 5).await.expect_err("it is logged alone");
    drop(dying);
    let store = world.process().await;
    let mut epoch = world.open(&store, SLOT, 1).await;
    assert_eq!(
        waiting(&store).await,
        1,
        "who opens the partition brings it"
    );

    append(&store, 6, 6).await.expect("taken");

    let dying = world
        .process_on(world.hot.with_hook(Arc::new(NoAppend)))
        .await;
    append(&dying, 7, 9).await.expect_err("it is logged alone");
    drop(dying);
    // The client asks another process, and goes on there for long.
    append(&store, 7, 9).await.expect("taken");
    consume(&store, commit(epoch, 1)).await;
    store.fold(SLOT).await.expect("a snapshot");
    if world.hot.head(SLOT).await.expect("a head").epoch > epoch {
        epoch = world.open(&store, SLOT, epoch + 1_000).await;
    }
    for seq in 10..1_000 {
        append(&store, seq, seq).await.expect("taken");
    }
    consume(&store, commit(epoch, 2)).await;
    store.fold(SLOT).await.expect("a snapshot");
    world.open(&store, SLOT, epoch + 1_000).await;
    assert_eq!(waiting(&store).await, 0, "nothing comes twice");
}

/// How many events are not in effect.
async fn waiting(store: &JournaledStore) -> usize {
    let entries = store.poll(EVENTS, Cursor::START, 9_999).await;
    let marks = store.head(SLOT).await.expect("reads").marks(EVENTS.name);
    let entries = entries.expect("reads").into_iter();
    let is_new = |entry: &hot::Entry| entry.origin.is_some_and(|origin| !marks.has_seen(origin));
    entries.filter(is_new).count()
}

/// Takes no appends.
#[derive(Debug)]
struct NoAppend;

#[async_trait]
impl Hook for NoAppend {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Append {
            return Err(HotError::unavailable("it is gone"));
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_recovery_found_to_overlap_is_told_so_that_the_rest_is_sent_again() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&other, SLOT, 1).await;
    let applied = append(&store, 1, 1).await.expect("taken");
    assert_eq!(applied, Appended::Applied);
    // The client does not hear of this one, and sends it with some more to the first process again.
    append(&other, 2, 5).await.expect("taken");
    consume(&other, commit(1, 1)).await;
    world.set_faults(|call| matches!(call, Call::Entry(_)).then_some(Fault::AnswerLost));
    append(&store, 2, 8).await.expect_err("the answer is lost");
    world.clear_faults();
    other.recover(PARTITION).await.expect("recovers");
    let answer = append(&store, 2, 8).await.expect("answers");
    assert_eq!(answer, Appended::Overlaps { mark: 5 });
}

//! A worker that was overtaken, and finds a copy of the store from before.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_overtaken_applies_no_commit_of_its_successor() {
    let world = World::new();
    let store = world.process().await;
    let epoch = fill(&world, &store).await;
    let copy = world.hot.snapshot();
    let successor = world.process().await;
    let next = world.open(&successor, SLOT, epoch + 1).await;
    log_and_die(&world, next, 3).await;
    world.hot.roll_back_silently(copy);
    let refused = store.open(SLOT, epoch).await.expect_err("it was overtaken");
    assert!(
        matches!(refused, HotError::Fenced { current, .. } if current == next),
        "{refused}"
    );
    let head = world.hot.head(SLOT).await.expect("a head");
    assert_eq!((head.commit_seq, head.epoch), (2, epoch));
    // Whoever acquires the partition next applies it.
    world.log.set_epoch(SLOT, next + 1);
    let head = successor.open(SLOT, next + 1).await.expect("opens");
    assert_eq!((head.commit_seq, head.epoch), (3, next + 1));
    check_logged(&world, &successor).await;
}

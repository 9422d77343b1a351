//! The price of a read: bounded, whatever waits in low-priority streams and in outboxes.

use hot::{Commit, OutboxMessage};

use super::super::driver::stream;
use super::super::faulty::Faulty;
use super::*;

/// As long as it takes; the clock stands still.
const PATIENT: Duration = Duration::from_secs(3_600);

/// A live write of one customer that the second service has taken, and entries of others that it
/// has not taken: as many as these but for its share of one batch.
async fn written_beside(pair: &mut Pair, entries: u64) -> Written {
    let written = write(pair, EVENTS, TWO, &["c"]).await;
    settle(&mut pair.first).await;
    for entry in 0..entries {
        let records = vec![event_of(NOBODY, &entry.to_string(), "skip")];
        pair.bench.append(0, StreamName::FactsBulk, records).await;
    }
    work(pair).await;
    written
}

/// Lets the second service take one batch.
async fn work(pair: &mut Pair) {
    pair.second.hint(ALL_LANES);
    assert!(matches!(pair.second.tick().await, TickOutcome::Worked));
}

#[tokio::test(start_paused = true)]
async fn where_more_waits_than_a_read_looks_through_it_waits_for_there_to_be_less() {
    let mut pair = Pair::new().await;
    let batch = u64::try_from(limits::RECORDS_PER_BATCH / limits::BULK_SHARE).expect("few");
    let more = limits::ENTRIES_LOOKED_THROUGH + batch + 100;
    let written = written_beside(&mut pair, more).await;
    let watched = Faulty::watching(Arc::clone(&pair.bench.hot));
    let read = read_within::<1>(watched.clone(), TWO, written, Duration::ZERO).await;
    assert_behind(read, Owner::Journey);
    assert!(watched.calls() <= 8, "nothing is read: {}", watched.calls());
    let waiting = tokio::spawn(read_within::<1>(watched, TWO, written, PATIENT));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    let begun = Instant::now();
    while !waiting.is_finished() {
        work(&mut pair).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let slot = Slot {
        owner: Owner::Journey,
        partition: PartitionId::new(0),
    };
    let unread = pair.bench.hot.unread(slot, &[StreamName::FactsBulk]).await;
    assert!(unread.expect("it answers").oldest.is_some(), "not for all");
    let log = waiting.await.expect("no panic");
    assert_eq!(log.expect("nothing of this one is there"), ["c"]);
    assert_eq!(begun.elapsed(), Duration::ZERO, "the commit wakes it");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_looks_through_much_gives_up_at_its_deadline() {
    let mut pair = Pair::new().await;
    let written = written_beside(&mut pair, limits::ENTRIES_LOOKED_THROUGH).await;
    let watched = Faulty::watching(Arc::clone(&pair.bench.hot));
    let read = read_within::<1>(watched.clone(), TWO, written, Duration::ZERO).await;
    assert_behind(read, Owner::Journey);
    let calls = watched.calls();
    assert!(calls <= 8, "one page is read: {calls}");
    let log = read_within::<1>(watched.clone(), TWO, written, PATIENT).await;
    assert_eq!(log.expect("nothing of this one is there"), ["c"]);
    assert!(watched.calls() - calls > 8, "all of it is read");
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_is_looked_at_in_portions_and_up_to_the_deadline() {
    let pair = Pair::new().await;
    let slot = Slot {
        owner: Owner::Segmentation,
        partition: PartitionId::new(1),
    };
    let hot = Arc::clone(&pair.bench.hot);
    hot.open(slot, 1).await.expect("opens");
    let portion = limits::OUTBOX_READS * limits::OUTBOX_PER_READ;
    let message = OutboxMessage {
        to: stream(0, EVENTS),
        payload: b"message".as_slice().into(),
    };
    let commit = Commit {
        epoch: 1,
        seq: 1,
        batch_id: 1,
        outbox: vec![message; portion + 10],
        ..Commit::default()
    };
    hot.commit(slot, &commit).await.expect("commits");
    let watched = Faulty::watching(Arc::clone(&hot));
    let follower = Follower::new(watched.clone());
    let now = Instant::now();
    let sent = follower.sent(slot, customer(ONE), now).await;
    assert_behind(sent, Owner::Segmentation);
    assert_eq!(watched.calls(), 1, "the deadline has passed");

    let waiting = tokio::spawn(async move {
        let sent = follower.sent(slot, customer(ONE), now + PATIENT);
        sent.await
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let calls = u64::try_from(limits::OUTBOX_READS).expect("few") + 2;
    assert_eq!(watched.calls(), calls, "a portion, and whether it has left");
    let at = hot.head(slot).await.expect("a head").standing(slot);
    let first = u64::try_from(portion).expect("few");
    hot.trim_outbox(at, first).await.expect("trims");
    tokio::time::sleep(2 * limits::READ_RETRY_MAX).await;
    assert!(!waiting.is_finished(), "the others are there");
    hot.trim_outbox(at, first + 10).await.expect("trims");
    waiting.await.expect("no panic").expect("all has left");
}

#[tokio::test(start_paused = true)]
async fn the_subscription_of_reads_ends_with_them() {
    let pair = Pair::new().await;
    let written = write(&pair, EVENTS, ONE, &["a"]).await;
    for is_ended_by_the_store in [false, true] {
        let watched = Faulty::watching(Arc::clone(&pair.bench.hot));
        if is_ended_by_the_store {
            // Then it is about to subscribe again.
            watched.end_hints();
        }
        let read = read_within::<0>(watched.clone(), ONE, written, Duration::ZERO).await;
        assert_behind(read, Owner::Segmentation);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&watched), 1, "{is_ended_by_the_store}");
    }
}

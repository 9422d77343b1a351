//! When entries were accepted, and how far the readers of streams are.

use kernel::Timestamp;

use super::gate::close;
use super::{SLOT, Subject, append, commit, opened, restorable, stream, text};
use crate::{
    Commit, Cursor, Entry, Frontier, Gate, Origin, SharedHotStore, StreamId, StreamName,
    StreamRestore, Writer,
};

/// Read by the service of [`SLOT`].
const FACTS: StreamId = stream(StreamName::Facts);
/// Read by the service before it.
const EVENTS: StreamId = stream(StreamName::Events);

async fn frontier(store: &SharedHotStore, streams: &[StreamId]) -> Frontier {
    let names: Vec<_> = streams.iter().map(|stream| stream.name).collect();
    let frontier = store.frontier(SLOT.partition, &names).await;
    frontier.expect("it answers")
}

async fn entries(store: &SharedHotStore, stream: StreamId) -> Vec<Entry> {
    store.poll(stream, Cursor::START, 100).await.expect("polls")
}

/// An entry has the store's time of its acceptance, whoever wrote it, and none is older than the
/// one in front of it.
pub async fn entries_tell_when_they_were_accepted(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let before = frontier(&store, &[]).await;
    assert_eq!(before.time, before.now, "nothing is asked for");
    append(&store, FACTS, "appended").await;
    let outputs = vec![(FACTS.name, text("committed"))];
    let written = Commit {
        outputs,
        ..commit(1)
    };
    store.commit(SLOT, &written).await.expect("commits");
    append(&store, FACTS, "appended again").await;
    let after = frontier(&store, &[]).await;
    let found = entries(&store, FACTS).await;
    let times = found.iter().map(|entry| entry.accept_time);
    let times: Vec<_> = times.map(|time| time.expect("it is known")).collect();
    assert_eq!(times.len(), 3);
    assert!(times.is_sorted(), "{times:?}");
    assert!(before.now <= times[0] && times[2] <= after.now, "{times:?}");
}

/// The frontier is the time of the oldest entry that its reader has not committed.
pub async fn the_frontier_is_the_oldest_entry_that_is_not_in_effect(subject: &mut impl Subject) {
    let store = opened(subject).await;
    for payload in ["first", "second"] {
        append(&store, FACTS, payload).await;
    }
    append(&store, EVENTS, "event").await;
    let facts = entries(&store, FACTS).await;
    let event = entries(&store, EVENTS).await[0].accept_time;
    let time = |entry: usize| facts[entry].accept_time;
    assert_eq!(Some(frontier(&store, &[FACTS]).await.time), time(0));
    assert_eq!(Some(frontier(&store, &[EVENTS]).await.time), event);
    assert_eq!(Some(frontier(&store, &[EVENTS, FACTS]).await.time), time(0));
    for (seq, entry) in [(1, 0), (2, 1)] {
        let consumed = Commit {
            cursors: vec![(FACTS.name, facts[entry].cursor)],
            ..commit(seq)
        };
        store.commit(SLOT, &consumed).await.expect("commits");
        let now = frontier(&store, &[FACTS]).await;
        match entry {
            0 => assert_eq!(Some(now.time), time(1)),
            _ => assert_eq!(now.time, now.now, "all is in effect"),
        }
    }
    assert_eq!(Some(frontier(&store, &[EVENTS, FACTS]).await.time), event);
    // Entries that are removed were in effect.
    let at = store.head(SLOT).await.expect("a head").standing(SLOT);
    let trimmed = store.trim(at, FACTS.name, facts[1].cursor).await;
    trimmed.expect("trims");
    let now = frontier(&store, &[FACTS]).await;
    assert_eq!(now.time, now.now);
    append(&store, FACTS, "third").await;
    let third = entries(&store, FACTS).await[0].accept_time;
    let then = frontier(&store, &[FACTS]).await;
    assert_eq!(Some(then.time), third);
    assert!(now.now <= then.time && then.time <= then.now);
    let other = kernel::PartitionId::new(0);
    let elsewhere = store
        .frontier(other, &[FACTS.name])
        .await
        .expect("it answers");
    assert_eq!(elsewhere.time, elsewhere.now);
}

/// A reader that may have a timer due holds the frontier there, whatever it has consumed.
pub async fn a_timer_of_a_reader_holds_the_frontier(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let due = Timestamp::from_millis(1);
    for (seq, next_due, time) in [
        (1, Some(due), Some(due)),
        (2, None, Some(due)),
        (3, Some(Timestamp::MAX), None),
    ] {
        let commit = Commit {
            next_due,
            ..commit(seq)
        };
        store.commit(SLOT, &commit).await.expect("commits");
        let found = frontier(&store, &[FACTS]).await;
        assert_eq!(found.time, time.unwrap_or(found.now));
        let other = frontier(&store, &[EVENTS]).await;
        assert_eq!(other.time, other.now, "it is another service's");
        let head = store.head(SLOT).await.expect("a head");
        assert_eq!(head.next_due, next_due.or(Some(due)));
    }
}

/// Nobody knows when what a stream was restored from was accepted: it holds the frontier until it
/// is in effect.
pub async fn restored_entries_hold_the_frontier(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    let gate = Gate(7);
    close(&restorable, gate).await;
    let writer = Writer::process(1_000);
    let entry = |seq| (Origin { writer, seq }, text("restored"));
    let part = StreamRestore {
        is_first: true,
        entries: vec![entry(1), entry(2)],
        ..StreamRestore::default()
    };
    let restored = restorable.restore_stream(FACTS, gate, &part).await;
    restored.expect("restores");
    let opened = restorable.open_gate(SLOT.partition, gate, &[]).await;
    opened.expect("opens");
    store.open(SLOT, 2).await.expect("opens");
    append(&store, FACTS, "later").await;
    let found = entries(&store, FACTS).await;
    assert_eq!(found.len(), 3);
    assert_eq!((found[0].accept_time, found[1].accept_time), (None, None));
    for (seq, time) in [
        (1, Timestamp::MIN),
        (2, found[2].accept_time.expect("it is known")),
    ] {
        let at = usize::try_from(seq).expect("small") - 1;
        let consumed = Commit {
            epoch: 2,
            cursors: vec![(FACTS.name, found[at].cursor)],
            ..commit(seq)
        };
        store.commit(SLOT, &consumed).await.expect("commits");
        assert_eq!(frontier(&store, &[FACTS]).await.time, time);
    }
}

//! Tells how much is unread, and of commits that read it.

use kernel::Timestamp;

use super::gate::close;
use super::{SLOT, Subject, append, commit, opened, restorable, stream, text};
use crate::{
    Append, Appended, Commit, Cursor, Gate, Origin, SharedHotStore, Slot, SourceRange, StreamId,
    StreamName, StreamRestore, Unread, Wake, Writer,
};

/// Both are read by the service of [`SLOT`].
const FACTS: StreamId = stream(StreamName::Facts);
const BULK: StreamId = stream(StreamName::FactsBulk);

async fn unread(store: &SharedHotStore, names: &[StreamName]) -> Unread {
    store.unread(SLOT, names).await.expect("it answers")
}

async fn cursors(store: &SharedHotStore, stream: StreamId) -> Vec<Cursor> {
    let entries = store.poll(stream, Cursor::START, 100).await.expect("polls");
    entries.into_iter().map(|entry| entry.cursor).collect()
}

async fn consume(store: &SharedHotStore, seq: u64, stream: StreamId, cursor: Cursor) {
    let consumed = Commit {
        cursors: vec![(stream.name, cursor)],
        ..commit(seq)
    };
    store.commit(SLOT, &consumed).await.expect("commits");
}

/// All that is not in effect is told by stream, timers apart, and nothing of the partition is newer
/// than the newest.
pub async fn what_is_unread_is_told_by_stream(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let before = unread(&store, &[FACTS.name, BULK.name]).await;
    assert_eq!(before.oldest, None);
    for payload in ["first", "second"] {
        append(&store, FACTS, payload).await;
    }
    append(&store, stream(StreamName::Events), "event").await;
    append(&store, BULK, "bulk").await;
    let time = async |stream: StreamId, entry: usize| {
        let found = store.poll(stream, Cursor::START, 100).await.expect("polls");
        found[entry].accept_time
    };
    let (first, second, bulk) = (
        time(FACTS, 0).await,
        time(FACTS, 1).await,
        time(BULK, 0).await,
    );
    let now = unread(&store, &[FACTS.name, BULK.name]).await;
    assert_eq!(now.oldest, first);
    assert!(before.newest <= now.newest && bulk <= Some(now.newest));
    assert_eq!(unread(&store, &[BULK.name]).await.oldest, bulk);
    assert_eq!(unread(&store, &[]).await.oldest, None);
    let facts = cursors(&store, FACTS).await;
    let timer = Commit {
        next_due: Some(Timestamp::from_millis(1)),
        ..commit(1)
    };
    store.commit(SLOT, &timer).await.expect("commits");
    consume(&store, 2, FACTS, facts[0]).await;
    assert_eq!(unread(&store, &[FACTS.name]).await.oldest, second);
    consume(&store, 3, FACTS, facts[1]).await;
    let end = unread(&store, &[FACTS.name]).await;
    assert_eq!(end.oldest, None);
    // An output of a commit is no newer than what is told with its cursors.
    let output = Commit {
        outputs: vec![(StreamName::Actions, text("action"))],
        ..commit(4)
    };
    store.commit(SLOT, &output).await.expect("commits");
    let newest = unread(&store, &[]).await.newest;
    assert!(time(stream(StreamName::Actions), 0).await <= Some(newest));
}

/// An append is answered with the time of its entry, and one that was taken before with none that
/// is older than its entry.
pub async fn an_append_is_told_when_it_was_accepted(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let ranged = |first, last| Append {
        to: FACTS,
        payload: text("ranged"),
        source: Some(SourceRange {
            source: "s".into(),
            first,
            last,
        }),
        origin: None,
    };
    for (first, last, appended) in [
        (1, 2, Appended::Applied),
        (1, 2, Appended::Replayed),
        (2, 3, Appended::Overlaps { mark: 2 }),
        (3, 3, Appended::Applied),
    ] {
        let answer = store.append_stamped(&ranged(first, last)).await;
        let answer = answer.expect("appends");
        assert_eq!(answer.appended, appended);
        let entries = store.poll(FACTS, Cursor::START, 9).await.expect("polls");
        let last = entries.last().and_then(|entry| entry.accept_time);
        match appended {
            Appended::Applied => assert_eq!(Some(answer.newest), last),
            _ => assert!(Some(answer.newest) >= last),
        }
    }
}

/// Whoever finds something unread is told of the next commit of its reader, and of no other's.
pub async fn who_waits_is_told_of_the_commit(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let other = Slot {
        owner: crate::Owner::Activation,
        ..SLOT
    };
    store.open(other, 1).await.expect("opens");
    let mut hints = store.subscribe_commits().await.expect("subscribes");
    append(&store, FACTS, "fact").await;
    let found = unread(&store, &[FACTS.name]).await;
    assert!(found.oldest.is_some());
    let fact = cursors(&store, FACTS).await[0];
    consume(&store, 1, FACTS, fact).await;
    assert_eq!(hints.recv().await, Some(Wake::Committed(SLOT)));
    // Both are told of, so that the order says that nobody else was.
    let action = stream(StreamName::Actions);
    append(&store, action, "action").await;
    let waiting = store.unread(other, &[action.name]).await;
    assert!(waiting.expect("it answers").oldest.is_some());
    store.commit(other, &commit(1)).await.expect("commits");
    assert_eq!(hints.recv().await, Some(Wake::Committed(other)));
    // The head is what it was, for whoever opens the partition.
    let head = store.head(SLOT).await.expect("a head");
    assert_eq!((head.epoch, head.commit_seq), (1, 1));
}

/// Nobody knows when what a stream was restored from was accepted: it is unread until it is in
/// effect, whatever time is asked for.
pub async fn restored_entries_are_unread_before_all_others(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    let gate = Gate(7);
    close(&restorable, gate).await;
    let origin = Origin {
        writer: Writer::process(1_000),
        seq: 1,
    };
    let part = StreamRestore {
        is_first: true,
        entries: vec![(origin, text("restored"))],
        ..StreamRestore::default()
    };
    let restored = restorable.restore_stream(FACTS, gate, &part).await;
    restored.expect("restores");
    restorable
        .open_gate(SLOT.partition, gate, &[])
        .await
        .expect("opens");
    store.open(SLOT, 2).await.expect("opens");
    let found = unread(&store, &[FACTS.name]).await;
    assert_eq!(found.oldest, Some(Timestamp::MIN));
    let consumed = Commit {
        epoch: 2,
        cursors: vec![(FACTS.name, cursors(&store, FACTS).await[0])],
        ..commit(1)
    };
    store.commit(SLOT, &consumed).await.expect("commits");
    assert_eq!(unread(&store, &[FACTS.name]).await.oldest, None);
}

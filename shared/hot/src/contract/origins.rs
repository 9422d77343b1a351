//! Origins: read back with their entries, taken in sequence.

use super::gate::{FACTS, MINE, close};
use super::{SLOT, Subject, append, commit, opened, payloads, restorable, stream, text};
use crate::{
    Append, Appended, Commit, Cursor, HotError, Origin, Owner, SharedHotStore, SourceRange,
    StreamId, StreamName, StreamRestore, Writer, limits,
};

const EVENTS: StreamId = stream(StreamName::Events);

pub(super) const fn origin(process: u32, seq: u64) -> Origin {
    Origin {
        writer: Writer::process(process),
        seq,
    }
}

pub(super) fn written(process: u32, seq: u64, source: Option<(u64, u64)>) -> Append {
    Append {
        to: EVENTS,
        payload: text(format!("{process}.{seq}")),
        source: source.map(|(first, last)| SourceRange {
            source: "source".into(),
            first,
            last,
        }),
        origin: Some(origin(process, seq)),
    }
}

async fn check(store: &SharedHotStore, append: &Append, outcome: Appended) {
    let found = store.append(append).await.expect("appends");
    assert_eq!(found, outcome, "{append:?}");
}

/// Whoever wrote an entry stands beside it.
pub async fn an_origin_is_read_back_with_its_entry(subject: &mut impl Subject) {
    let store = opened(subject).await;
    append(&store, EVENTS, "from outside").await;
    let output = Commit {
        outputs: vec![(StreamName::Events, text("from a commit"))],
        ..commit(1)
    };
    store.commit(SLOT, &output).await.expect("commits");
    let found = store.poll(EVENTS, Cursor::START, 9).await.expect("polls");
    let mut origins: Vec<_> = found.iter().map(|entry| entry.origin).collect();
    check(&store, &written(7, 1, None), Appended::Applied).await;
    let found = store.poll(EVENTS, found[1].cursor, 9).await.expect("polls");
    origins.extend(found.iter().map(|entry| entry.origin));
    let worker = Origin {
        writer: Writer::worker(Owner::Journey),
        seq: 1,
    };
    let worker = subject.has_origins().then_some(worker);
    assert_eq!(origins, [None, worker, Some(origin(7, 1))]);
}

/// The appends of a writer are taken once, without gaps, each writer for itself, and each stream.
pub async fn an_append_with_an_origin_is_taken_in_sequence(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    let cases = [
        (1, 2, Appended::Gap { mark: 0 }),
        (1, 1, Appended::Applied),
        (1, 1, Appended::Replayed),
        (1, 3, Appended::Gap { mark: 1 }),
        (2, 1, Appended::Applied),
        (1, 2, Appended::Applied),
        (1, 3, Appended::Applied),
        (1, 2, Appended::Replayed),
        (2, u64::MAX, Appended::Gap { mark: 1 }),
    ];
    for (process, seq, outcome) in cases {
        check(&store, &written(process, seq, None), outcome).await;
    }
    assert_eq!(payloads(&store, EVENTS).await, ["1.1", "2.1", "1.2", "1.3"]);
    let store = subject.reopen(store).await;
    let origins = restorable.origins(EVENTS).await.expect("origins");
    assert_eq!(origins, [origin(1, 3), origin(2, 1)]);
    let elsewhere = Append {
        to: stream(StreamName::Facts),
        ..written(1, 4, None)
    };
    check(&store, &elsewhere, Appended::Gap { mark: 0 }).await;
    let nobody = Append {
        origin: Some(origin(1, 0)),
        ..written(1, 1, None)
    };
    let error = store.append(&nobody).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
}

/// What a journal has counts, be it that its source was taken before, or that the stream is full.
pub async fn every_append_in_sequence_moves_the_mark(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    let cases = [
        (1, 1, (1, 5), Appended::Applied),
        (1, 2, (2, 5), Appended::Replayed),
        (2, 1, (4, 9), Appended::Overlaps { mark: 5 }),
        (2, 1, (4, 9), Appended::Replayed),
        (2, 2, (6, 9), Appended::Applied),
        (1, 3, (9, 9), Appended::Replayed),
        (1, 4, (10, 10), Appended::Applied),
    ];
    for (process, seq, source, outcome) in cases {
        check(&store, &written(process, seq, Some(source)), outcome).await;
    }
    assert_eq!(payloads(&store, EVENTS).await, ["1.1", "2.2", "1.4"]);
    let origins = restorable.origins(EVENTS).await.expect("origins");
    assert_eq!(origins, [origin(1, 4), origin(2, 2)]);
    let sources = restorable.sources(EVENTS).await.expect("sources");
    assert_eq!(sources, [(Box::from("source"), 10)]);

    for _ in 3..limits::STREAM_ENTRIES {
        append(&store, EVENTS, "x").await;
    }
    assert_eq!(append(&store, EVENTS, "over").await, Appended::Full);
    check(&store, &written(1, 5, None), Appended::Applied).await;
}

/// A stream is made anew from entries with their origins; its reader begins at its start, and its writers go on where they
/// are.
pub async fn a_restored_stream_holds_what_it_is_given(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let restorable = restorable(subject).await;
    append(&store, FACTS, "lost").await;
    append(&store, FACTS, "lost, too").await;
    let read = Commit {
        cursors: vec![(StreamName::Facts, Cursor { major: 1, minor: 2 })],
        ..commit(1)
    };
    store.commit(SLOT, &read).await.expect("commits");
    close(&restorable, MINE).await;
    let worker = |seq| Origin {
        writer: Writer::worker(Owner::Segmentation),
        seq,
    };
    let parts = [
        StreamRestore {
            is_first: true,
            entries: vec![(worker(9), text("nine")), (origin(1, 4), text("four"))],
            sources: vec![("a".into(), 3), ("b".into(), 8)],
            ..StreamRestore::default()
        },
        StreamRestore {
            entries: vec![(worker(8), text("eight"))],
            origins: vec![origin(1, 4), origin(2, 6)],
            sources: vec![("b".into(), 5)],
            ..StreamRestore::default()
        },
    ];
    for part in [&parts[0], &parts[0], &parts[1], &parts[1]] {
        restorable
            .restore_stream(FACTS, MINE, part)
            .await
            .expect("restores");
    }
    let opened = restorable.open_gate(SLOT.partition, MINE, &[]).await;
    opened.expect("opens");

    let store = subject.reopen(store).await;
    let head = store.open(SLOT, 2).await.expect("opens");
    let cursor = head
        .cursors
        .iter()
        .find(|(name, _)| *name == StreamName::Facts);
    let cursor = cursor.map_or(Cursor::START, |(_, cursor)| *cursor);
    assert_eq!(cursor, Cursor::START);
    assert_eq!(store.lag(FACTS, cursor).await.expect("a lag"), 3);
    let entries = store.poll(FACTS, cursor, 9).await.expect("polls");
    let found: Vec<_> = entries
        .iter()
        .map(|it| (it.origin, it.payload.clone()))
        .collect();
    let expected = [
        (worker(9), "nine"),
        (origin(1, 4), "four"),
        (worker(8), "eight"),
    ];
    assert_eq!(
        found,
        expected.map(|(origin, payload)| (Some(origin), text(payload)))
    );
    let origins = restorable.origins(FACTS).await.expect("origins");
    assert_eq!(origins, [origin(1, 4), origin(2, 6)]);
    let sources = restorable.sources(FACTS).await.expect("sources");
    assert_eq!(sources, [("a".into(), 3), ("b".into(), 8)]);
    let next = Append {
        to: FACTS,
        ..written(2, 7, None)
    };
    assert_eq!(
        store.append(&next).await.expect("appends"),
        Appended::Applied
    );
    assert_eq!(store.lag(FACTS, entries[2].cursor).await.expect("a lag"), 1);
}

//! Streams: order, cursors, limits, sources.

use kernel::PartitionId;

use super::{SLOT, Subject, append, commit, opened, payloads, restorable, stream, text};
use crate::{
    Append, Appended, Commit, Cursor, HotError, SharedHotStore, SourceRange, StreamId, StreamName,
    limits,
};

const EVENTS: StreamId = stream(StreamName::Events);

async fn append_range(store: &SharedHotStore, source: &str, first: u64, last: u64) -> Appended {
    let append = Append {
        to: EVENTS,
        payload: text(format!("{source} {first}-{last}")),
        source: Some(SourceRange {
            source: source.into(),
            first,
            last,
        }),
        origin: None,
    };
    store.append(&append).await.expect("appends")
}

/// Removes entries, as a worker of the slot does, wherever that is.
async fn trim(store: &SharedHotStore, upto: Cursor) {
    let at = store.head(SLOT).await.expect("a head").standing(SLOT);
    store.trim(at, EVENTS.name, upto).await.expect("trims");
}

/// A reader sees every entry once, in the order of appending, whoever appended it.
pub async fn entries_are_read_in_order_after_a_cursor(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let mut expected = Vec::new();
    for seq in 1..=6 {
        append(&store, EVENTS, &format!("appended {seq}")).await;
        let commit = Commit {
            outputs: vec![(StreamName::Events, text(format!("committed {seq}")))],
            ..commit(seq)
        };
        store.commit(SLOT, &commit).await.expect("commits");
        expected.extend([format!("appended {seq}"), format!("committed {seq}")]);
    }
    assert_eq!(payloads(&store, EVENTS).await, expected);

    let (mut cursor, mut read) = (Cursor::START, Vec::new());
    loop {
        let entries = store.poll(EVENTS, cursor, 5).await.expect("polls");
        let Some(last) = entries.last() else { break };
        assert!(entries.len() <= 5);
        assert!(entries[0].cursor > cursor, "cursors only grow");
        assert!(entries.is_sorted_by(|one, next| one.cursor < next.cursor));
        cursor = last.cursor;
        read.extend(entries.into_iter().map(|entry| entry.payload));
    }
    assert_eq!(read, expected);
    let elsewhere = StreamId {
        partition: PartitionId::new(0),
        ..EVENTS
    };
    assert!(payloads(&store, elsewhere).await.is_empty());
    assert!(
        payloads(&store, stream(StreamName::EventsBulk))
            .await
            .is_empty()
    );
    assert!(
        store
            .poll(EVENTS, Cursor::START, 0)
            .await
            .expect("polls")
            .is_empty()
    );
}

/// Trimmed entries are gone, the others and their cursors stay, and numbers are never used again.
pub async fn trimming_removes_what_was_read(subject: &mut impl Subject) {
    let store = subject.empty().await;
    for n in 0..10 {
        append(&store, EVENTS, &format!("{n}")).await;
    }
    let all = store.poll(EVENTS, Cursor::START, 99).await.expect("polls");
    trim(&store, all[3].cursor).await;
    let rest = store.poll(EVENTS, Cursor::START, 99).await.expect("polls");
    assert_eq!(rest, all[4..]);
    trim(&store, all[1].cursor).await;
    let after = store.poll(EVENTS, all[6].cursor, 99).await.expect("polls");
    assert_eq!(after, all[7..]);

    trim(&store, all[9].cursor).await;
    assert!(payloads(&store, EVENTS).await.is_empty());
    let store = subject.reopen(store).await;
    append(&store, EVENTS, "new").await;
    let new = store.poll(EVENTS, all[9].cursor, 99).await.expect("polls");
    assert_eq!(new.len(), 1, "a reader of the old entries sees the new one");
}

/// A commit removes the entries that its cursors pass, unless it is refused; of other streams, and
/// of those of other partitions, none.
pub async fn a_commit_removes_what_it_has_read(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let facts = stream(StreamName::Facts);
    let elsewhere = StreamId {
        partition: PartitionId::new(0),
        ..facts
    };
    for n in 0..6 {
        for to in [facts, elsewhere, EVENTS] {
            append(&store, to, &format!("{n}")).await;
        }
    }
    let all = store.poll(facts, Cursor::START, 99).await.expect("polls");
    let upto = |seq, entry: usize| Commit {
        cursors: vec![(facts.name, all[entry].cursor)],
        outputs: vec![(facts.name, text(format!("output {seq}")))],
        ..commit(seq)
    };
    let refused = store.commit(SLOT, &upto(2, 5)).await;
    assert!(matches!(refused, Err(HotError::Gap { .. })), "{refused:?}");
    assert_eq!(
        payloads(&store, facts).await,
        ["0", "1", "2", "3", "4", "5"]
    );

    store.commit(SLOT, &upto(1, 3)).await.expect("commits");
    assert_eq!(payloads(&store, facts).await, ["4", "5", "output 1"]);
    store.commit(SLOT, &upto(1, 3)).await.expect("is known");
    store.commit(SLOT, &upto(2, 5)).await.expect("commits");
    let store = subject.reopen(store).await;
    assert_eq!(payloads(&store, facts).await, ["output 1", "output 2"]);
    for other in [elsewhere, EVENTS] {
        assert_eq!(payloads(&store, other).await.len(), 6);
    }
}

/// Lag is what a reader has yet to read.
pub async fn lag_counts_what_is_left(subject: &mut impl Subject) {
    let store = subject.empty().await;
    assert_eq!(store.lag(EVENTS, Cursor::START).await.expect("a lag"), 0);
    for n in 0..8 {
        append(&store, EVENTS, &format!("{n}")).await;
    }
    let all = store.poll(EVENTS, Cursor::START, 99).await.expect("polls");
    for trimmed in [None, Some(1), Some(4)] {
        if let Some(at) = trimmed {
            trim(&store, all[usize::try_from(at).expect("small")].cursor).await;
        }
        let gone: u64 = trimmed.map_or(0, |at| at + 1);
        let lag = store.lag(EVENTS, Cursor::START).await.expect("a lag");
        assert_eq!(lag, 8 - gone);
        for (read, entry) in (1_u64..).zip(&all) {
            let lag = store.lag(EVENTS, entry.cursor).await.expect("a lag");
            assert_eq!(lag, 8 - read.max(gone));
        }
    }
}

/// Appends from outside are refused at the limit, commits are not, and trimming makes room.
pub async fn a_full_stream_takes_nothing(subject: &mut impl Subject) {
    let store = opened(subject).await;
    assert_eq!(append_range(&store, "s", 1, 1).await, Appended::Applied);
    for _ in 1..limits::STREAM_ENTRIES {
        assert_eq!(append(&store, EVENTS, "x").await, Appended::Applied);
    }
    assert_eq!(append(&store, EVENTS, "over").await, Appended::Full);
    assert_eq!(append_range(&store, "s", 2, 2).await, Appended::Full);
    assert_eq!(append_range(&store, "s", 1, 1).await, Appended::Replayed);
    let lag = store.lag(EVENTS, Cursor::START).await.expect("a lag");
    assert_eq!(lag, limits::STREAM_ENTRIES);

    let output = Commit {
        outputs: vec![(StreamName::Events, text("receipt"))],
        ..commit(1)
    };
    store.commit(SLOT, &output).await.expect("commits");
    let two = store.poll(EVENTS, Cursor::START, 2).await.expect("polls");
    trim(&store, two[1].cursor).await;
    assert_eq!(append_range(&store, "s", 2, 2).await, Appended::Applied);
    assert_eq!(append(&store, EVENTS, "over").await, Appended::Full);
}

/// A range that was taken is not taken again, and a range that was taken in part says how far.
pub async fn ranges_of_a_source_are_taken_once(subject: &mut impl Subject) {
    let store = subject.empty().await;
    let far = 18_000_000_000_000_000_000;
    let cases = [
        ("a", 1, 3, Appended::Applied),
        ("a", 1, 3, Appended::Replayed),
        ("a", 2, 2, Appended::Replayed),
        ("a", 3, 5, Appended::Overlaps { mark: 3 }),
        ("a", 1, 4, Appended::Overlaps { mark: 3 }),
        ("a", 4, 5, Appended::Applied),
        ("b", 1, 1, Appended::Applied),
        ("a", 9, 9, Appended::Applied),
        ("a", 7, 7, Appended::Replayed),
        ("a", far, far + 1, Appended::Applied),
        ("a", far + 1, far + 2, Appended::Overlaps { mark: far + 1 }),
        ("a", far + 1, far + 1, Appended::Replayed),
        ("a", far + 2, far + 2, Appended::Applied),
    ];
    let mut expected = Vec::new();
    for (source, first, last, outcome) in cases {
        let appended = append_range(&store, source, first, last).await;
        assert_eq!(appended, outcome, "{source} {first}-{last}");
        if outcome == Appended::Applied {
            expected.push(format!("{source} {first}-{last}"));
        }
    }
    assert_eq!(payloads(&store, EVENTS).await, expected);
    let store = subject.reopen(store).await;
    assert_eq!(append_range(&store, "b", 1, 1).await, Appended::Replayed);

    let backwards = Append {
        to: EVENTS,
        payload: text("x"),
        source: Some(SourceRange {
            source: "a".into(),
            first: 5,
            last: 4,
        }),
        origin: None,
    };
    let error = store.append(&backwards).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
}

/// What was taken from each source can be listed.
pub async fn sources_are_listed(subject: &mut impl Subject) {
    let store = subject.empty().await;
    let restorable = restorable(subject).await;
    assert!(
        restorable
            .sources(EVENTS)
            .await
            .expect("sources")
            .is_empty()
    );
    for (source, first, last) in [("b", 1, 3), ("a", 2, 9), ("b", 7, u64::MAX)] {
        append_range(&store, source, first, last).await;
    }
    let expected = [(Box::from("a"), 9), (Box::from("b"), u64::MAX)];
    assert_eq!(restorable.sources(EVENTS).await.expect("sources"), expected);
    subject.reopen(store).await;
    assert_eq!(restorable.sources(EVENTS).await.expect("sources"), expected);
    let other = stream(StreamName::Facts);
    assert!(restorable.sources(other).await.expect("sources").is_empty());
}

/// A stream remembers a bounded number of sources.
pub async fn the_source_used_longest_ago_is_forgotten(subject: &mut impl Subject) {
    let store = subject.empty().await;
    let known = u64::try_from(limits::SOURCES_PER_STREAM).expect("small");
    for n in 0..known {
        append_range(&store, &format!("{n}"), 1, 1).await;
        if n % 1_000 == 999 {
            let read = store
                .poll(EVENTS, Cursor::START, 1_000)
                .await
                .expect("polls");
            trim(&store, read[999].cursor).await;
        }
    }
    assert_eq!(append_range(&store, "0", 2, 2).await, Appended::Applied);
    assert_eq!(append_range(&store, "new", 1, 1).await, Appended::Applied);
    assert_eq!(append_range(&store, "0", 2, 2).await, Appended::Replayed);
    assert_eq!(append_range(&store, "2", 1, 1).await, Appended::Replayed);
    assert_eq!(append_range(&store, "1", 1, 1).await, Appended::Applied);
}

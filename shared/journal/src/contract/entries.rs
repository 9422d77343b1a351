//! Cases about entries: once each, in the order of their writer.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{Origin, SourceRange, StreamId, StreamName, Writer};

use super::{SLOT, STREAM, Subject, commit, entry, unplaced, with_commits};
use crate::{CommitRow, EntryRow};

/// Also of processes with the same name, and after a restart.
pub async fn every_process_has_its_own_number(subject: &mut impl Subject) {
    let logs = [subject.open().await, subject.open().await];
    let mut numbers = Vec::new();
    for round in 0..4_usize {
        let writer = logs[round % 2]
            .register("worker-a")
            .await
            .expect("a number");
        assert_eq!(writer.owner(), None, "{writer:?}");
        numbers.push(writer);
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 4);
}

/// A retry changes nothing, also in another process.
pub async fn an_entry_is_written_once(subject: &mut impl Subject) {
    let log = subject.open().await;
    let other = subject.open().await;
    for log in [&log, &log, &other] {
        log.append_entry(entry(1, 1)).await.expect("appends");
    }
    let after = Origin {
        seq: 0,
        ..entry(1, 1).origin
    };
    let read = log.entries(STREAM, after, usize::MAX).await.expect("reads");
    assert_eq!(unplaced(read), [entry(1, 1)]);
}

/// With their sources, in parts, apart from other writers and streams.
pub async fn entries_are_read_for_one_writer(subject: &mut impl Subject) {
    let log = subject.open().await;
    let outcomes = StreamId {
        name: StreamName::Outcomes,
        ..STREAM
    };
    let mut rows = Vec::new();
    for seq in 1..=4_u64 {
        let row = EntryRow {
            source: Some(SourceRange {
                source: format!("file-{seq}").into(),
                first: seq * 10,
                last: seq * 10 + 9,
            }),
            payload: Bytes::from(vec![b'x'; 500]),
            ..entry(1, seq)
        };
        log.append_entry(row.clone()).await.expect("appends");
        rows.push(row);
        log.append_entry(entry(2, seq)).await.expect("appends");
        let elsewhere = EntryRow {
            stream: outcomes,
            ..entry(1, seq)
        };
        log.append_entry(elsewhere).await.expect("appends");
    }
    for (seq, max_bytes, expected) in [
        (0, usize::MAX, &rows[..]),
        (3, usize::MAX, &rows[3..]),
        (0, 1, &rows[..1]),
        (1, 1_100, &rows[1..3]),
        (4, usize::MAX, &[]),
    ] {
        let after = Origin {
            writer: Writer::process(1),
            seq,
        };
        let read = log.entries(STREAM, after, max_bytes).await.expect("reads");
        assert_eq!(unplaced(read), expected, "after {seq}, {max_bytes} bytes");
    }
}

/// Of processes and workers, by stream and partition.
pub async fn the_last_entry_of_each_writer_is_known(subject: &mut impl Subject) {
    let log = subject.open().await;
    assert_eq!(log.last_entries(STREAM).await.expect("reads"), []);
    for (writer, count) in [(1, 3), (2, 1), (70_000, 12)] {
        for seq in 1..=count {
            log.append_entry(entry(writer, seq)).await.expect("appends");
        }
    }
    let elsewhere = EntryRow {
        stream: StreamId {
            name: StreamName::EventsBulk,
            ..STREAM
        },
        ..entry(3, 1)
    };
    log.append_entry(elsewhere).await.expect("appends");
    let mut last = log.last_entries(STREAM).await.expect("reads");
    last.sort_unstable();
    let expected = [entry(1, 3), entry(2, 1), entry(70_000, 12)].map(|row| row.origin);
    assert_eq!(last, expected);
}

/// Rows of commits and of entries, written by two processes in turn.
pub async fn places_rise_with_what_was_acknowledged(subject: &mut impl Subject) {
    let log = with_commits(subject, 1).await;
    let other = subject.open().await;
    other.append_entry(entry(1, 1)).await.expect("appends");
    log.append_entry(entry(2, 1)).await.expect("appends");
    other.append_commit(commit(2)).await.expect("appends");
    // Again: it keeps the place that it has.
    log.append_entry(entry(1, 1)).await.expect("appends");
    log.append_commit(commit(2)).await.expect("appends");
    log.append_entry(entry(1, 2)).await.expect("appends");
    other.append_commit(commit(3)).await.expect("appends");

    let commits = log.commits(SLOT, 0, usize::MAX).await.expect("reads");
    let mut places = BTreeMap::new();
    for placed in commits {
        places.insert(placed.place, format!("commit {}", placed.row.seq));
    }
    for writer in [1, 2] {
        let after = Origin {
            seq: 0,
            ..entry(writer, 1).origin
        };
        for placed in log.entries(STREAM, after, usize::MAX).await.expect("reads") {
            let name = format!("entry {} of {writer}", placed.row.origin.seq);
            places.insert(placed.place, name);
        }
    }
    let order: Vec<_> = places.into_values().collect();
    let expected = [
        "commit 1",
        "entry 1 of 1",
        "entry 1 of 2",
        "commit 2",
        "entry 2 of 1",
        "commit 3",
    ];
    assert_eq!(order, expected);
}

/// Of the worker that made it, under its number: once, and only where it is written.
pub async fn the_events_of_a_commit_are_entries(subject: &mut impl Subject) {
    let log = subject.open().await;
    subject.lease(SLOT, 1).await;
    let with_events = |seq, epoch, names: &[StreamName]| {
        let events = names.iter().map(|name| {
            let payload = Bytes::from(format!("{} of {seq}", name.name()));
            (*name, payload)
        });
        CommitRow {
            epoch,
            events: events.collect(),
            ..commit(seq)
        }
    };
    let (live, bulk) = (StreamName::Events, StreamName::EventsBulk);
    for row in [
        with_events(1, 1, &[live]),
        with_events(2, 1, &[]),
        with_events(3, 1, &[live, bulk]),
        // A retry.
        with_events(3, 1, &[live, bulk]),
    ] {
        log.append_commit(row).await.expect("appends");
    }
    let fenced = log.append_commit(with_events(4, 7, &[live])).await;
    assert!(fenced.is_err());

    let writer = Writer::worker(SLOT.owner);
    for (name, seqs) in [(live, &[1, 3][..]), (bulk, &[3])] {
        let stream = StreamId { name, ..STREAM };
        let after = Origin { writer, seq: 0 };
        let read = log.entries(stream, after, usize::MAX).await;
        let read = unplaced(read.expect("reads"));
        let expected = seqs.iter().map(|seq| EntryRow {
            stream,
            origin: Origin { writer, seq: *seq },
            source: None,
            payload: Bytes::from(format!("{} of {seq}", name.name())),
        });
        assert_eq!(read, expected.collect::<Vec<_>>());
        let last = log.last_entries(stream).await.expect("reads");
        assert_eq!(last, [Origin { writer, seq: 3 }]);
    }
    let commits = log.commits(SLOT, 0, usize::MAX).await.expect("reads");
    assert_eq!(unplaced(commits), [commit(1), commit(2), commit(3)]);
}

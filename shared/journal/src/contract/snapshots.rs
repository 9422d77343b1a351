//! Cases about snapshots: one counts, and it is whole.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::{SLOT, Subject, slot, with_commits};
use crate::{LogError, SharedLog, SnapshotHead};

fn head(seq: u64, chunks: u32) -> SnapshotHead {
    SnapshotHead {
        seq,
        batch_id: u64::MAX - seq,
        chunks,
        bytes: 1_000 * u64::from(chunks),
        payload: Bytes::from(format!("snapshot {seq}")),
    }
}

async fn write_chunks(log: &SharedLog, seq: u64, chunks: u32) {
    for number in 0..chunks {
        let payload = Bytes::from(format!("chunk {number} of {seq}"));
        log.write_chunk(SLOT, seq, number, payload)
            .await
            .expect("writes");
    }
}

/// Until then there is none, and afterwards the head tells it; doing it twice is no harm.
pub async fn a_snapshot_counts_once_it_is_published(subject: &mut impl Subject) {
    let log = with_commits(subject, 5).await;
    write_chunks(&log, 4, 2).await;
    write_chunks(&log, 4, 1).await;
    assert_eq!(log.snapshot(SLOT).await.expect("reads"), None);
    for _ in 0..2 {
        let published = log.publish_snapshot(SLOT, head(4, 2), 0).await;
        assert!(published.expect("publishes"));
    }
    assert_eq!(log.snapshot(SLOT).await.expect("reads"), Some(head(4, 2)));
    assert_eq!(log.snapshot(slot(2)).await.expect("reads"), None);
    for number in 0..2 {
        let chunk = log.read_chunk(SLOT, 4, number).await.expect("reads");
        assert_eq!(chunk, format!("chunk {number} of 4"));
    }
    let found = log.head(SLOT).await.expect("a head");
    assert_eq!((found.seq, found.snapshot_seq, found.first_seq), (5, 4, 1));
    assert!(found.backlog_bytes < 20, "{found:?}");
    let missing = log.read_chunk(SLOT, 4, 2).await.expect_err("missing");
    assert!(matches!(missing, LogError::Damaged(_)), "{missing}");
}

/// Two processes make different snapshots at once.
pub async fn of_two_snapshots_one_is_published(subject: &mut impl Subject) {
    let log = with_commits(subject, 9).await;
    let other = subject.open().await;
    let mut replaces = 0;
    for (one, another) in [(2, 3), (5, 4), (7, 8)] {
        let racing = [(&log, one), (&other, another)].map(|(log, seq)| {
            let log = Arc::clone(log);
            async move {
                write_chunks(&log, seq, 3).await;
                let published = log.publish_snapshot(SLOT, head(seq, 3), replaces).await;
                published.expect("answers").then_some(seq)
            }
        });
        let winners: Vec<u64> = join_all(racing).await.into_iter().flatten().collect();
        let counts = log.snapshot(SLOT).await.expect("reads").expect("there");
        assert_eq!(winners, [counts.seq]);
        replaces = counts.seq;
        for number in 0..3 {
            let chunk = log.read_chunk(SLOT, replaces, number).await.expect("reads");
            assert_eq!(chunk, format!("chunk {number} of {replaces}"));
        }
    }
}

/// A reader in the middle of the old one is told to begin again, and latecomers change nothing.
pub async fn chunks_of_a_snapshot_that_was_replaced_are_gone(subject: &mut impl Subject) {
    let log = with_commits(subject, 9).await;
    for (seq, replaces) in [(3, 0), (6, 3)] {
        write_chunks(&log, seq, 2).await;
        let published = log.publish_snapshot(SLOT, head(seq, 2), replaces).await;
        assert!(published.expect("publishes"));
    }
    let replaced = log.read_chunk(SLOT, 3, 1).await.expect_err("gone");
    assert!(matches!(replaced, LogError::Unavailable(_)), "{replaced}");
    for seq in [5, 6] {
        let late = Bytes::from_static(b"late");
        log.write_chunk(SLOT, seq, 0, late).await.expect("no harm");
    }
    assert!(log.read_chunk(SLOT, 5, 0).await.is_err());
    let chunk = log.read_chunk(SLOT, 6, 0).await.expect("reads");
    assert_eq!(chunk, "chunk 0 of 6");
    let late = log.publish_snapshot(SLOT, head(5, 1), 3).await;
    assert!(!late.expect("answers"));
}

/// Whatever it claims to replace.
pub async fn a_snapshot_without_all_its_chunks_is_not_published(subject: &mut impl Subject) {
    let log = with_commits(subject, 9).await;
    write_chunks(&log, 3, 2).await;
    for (chunks, replaces) in [(3, 0), (2, 1)] {
        let published = log.publish_snapshot(SLOT, head(3, chunks), replaces).await;
        assert!(!published.expect("answers"), "{chunks} {replaces}");
    }
    assert_eq!(log.snapshot(SLOT).await.expect("reads"), None);
    let published = log.publish_snapshot(SLOT, head(3, 2), 0).await;
    assert!(published.expect("publishes"));
}

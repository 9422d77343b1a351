//! Cases about what is removed: a beginning, never the last.

use bytes::Bytes;
use hot::Origin;
use kernel::Timestamp;

use super::{SLOT, STREAM, Subject, commit, entry, seqs, slot, with_commits};
use crate::{CommitRow, Journaled, LogError, SnapshotHead};

/// The head knows what is left, and the next commit follows the last, also where all others are gone.
pub async fn commits_are_cut_from_the_first(subject: &mut impl Subject) {
    let log = with_commits(subject, 6).await;
    subject.lease(slot(2), 1).await;
    let elsewhere = CommitRow {
        slot: slot(2),
        ..commit(1)
    };
    log.append_commit(elsewhere).await.expect("appends");
    let head = SnapshotHead {
        seq: 6,
        batch_id: commit(6).batch_id,
        chunks: 0,
        bytes: 0,
        payload: Bytes::new(),
    };
    let published = log.publish_snapshot(SLOT, head, 0).await;
    assert!(published.expect("publishes"));
    for (seq, removed, left) in [
        (2, 2, &[3, 4, 5, 6][..]),
        (2, 0, &[3, 4, 5, 6]),
        (9, 3, &[6]),
        (9, 0, &[6]),
    ] {
        let cut = log.cut_commits(SLOT, seq, Timestamp::MAX).await;
        assert_eq!(cut.expect("cuts"), removed, "up to {seq}");
        assert_eq!(seqs(&log, SLOT).await, left);
        let head = log.head(SLOT).await.expect("a head");
        assert_eq!((head.first_seq, head.seq), (left[0], 6));
        assert_eq!(head.batch_id, commit(6).batch_id);
    }
    assert_eq!(seqs(&log, slot(2)).await, [1]);
    for cut in 1..=5 {
        let refused = log.append_commit(commit(cut)).await.expect_err("was cut");
        assert!(matches!(refused, LogError::Gap { .. }), "{cut}: {refused}");
    }
    let next = log.append_commit(commit(7)).await.expect("follows");
    assert_eq!(next, Journaled::Written);
}

/// Others keep theirs, and the last one of each stays.
pub async fn entries_are_cut_for_one_writer(subject: &mut impl Subject) {
    let log = subject.open().await;
    for seq in 1..=4 {
        for writer in [1, 2] {
            log.append_entry(entry(writer, seq)).await.expect("appends");
        }
    }
    for (upto, removed, left) in [(1, 1, &[2, 3, 4][..]), (9, 2, &[4]), (9, 0, &[4])] {
        let upto = Origin {
            seq: upto,
            ..entry(1, 1).origin
        };
        let cut = log.cut_entries(STREAM, upto, Timestamp::MAX).await;
        assert_eq!(cut.expect("cuts"), removed);
        let from_start = Origin { seq: 0, ..upto };
        let entries = log.entries(STREAM, from_start, usize::MAX).await;
        let found: Vec<u64> = entries
            .expect("reads")
            .iter()
            .map(|row| row.origin.seq)
            .collect();
        assert_eq!(found, left);
    }
    let mut last = log.last_entries(STREAM).await.expect("reads");
    last.sort_unstable();
    assert_eq!(last, [entry(1, 4).origin, entry(2, 4).origin]);
}

/// Whatever its number.
pub async fn what_is_too_young_is_not_cut(subject: &mut impl Subject) {
    let log = with_commits(subject, 3).await;
    for seq in 1..=3 {
        log.append_entry(entry(1, seq)).await.expect("appends");
    }
    let never = Timestamp::MIN;
    let commits = log.cut_commits(SLOT, 3, never).await.expect("cuts");
    let entries = log.cut_entries(STREAM, entry(1, 3).origin, never).await;
    assert_eq!((commits, entries.expect("cuts")), (0, 0));
    assert_eq!(seqs(&log, SLOT).await, [1, 2, 3]);
}

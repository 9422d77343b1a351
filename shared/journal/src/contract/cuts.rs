//! Cases about what is removed: a beginning, never the number of the last.

use bytes::Bytes;
use futures::future::join_all;
use hot::{Origin, SourceRange};
use kernel::Timestamp;

use super::{SLOT, STREAM, Subject, commit, entry, seqs, slot, unplaced, with_commits};
use crate::cut::CUT_ROWS;
use crate::{CommitRow, Cut, EntryRow, Journaled, LogError, SharedLog, SnapshotHead};

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

/// Others keep theirs, and the last one of each stays, without what it held.
pub async fn entries_are_cut_for_one_writer(subject: &mut impl Subject) {
    let log = subject.open().await;
    for seq in 1..=4 {
        for writer in [1, 2] {
            log.append_entry(sourced(writer, seq))
                .await
                .expect("appends");
        }
    }
    let erased = EntryRow {
        payload: Bytes::new(),
        ..entry(1, 4)
    };
    let kept = [sourced(1, 2), sourced(1, 3), sourced(1, 4)];
    for (upto, removed, is_held, left) in [
        (1, 1, true, &kept[..]),
        (3, 2, true, &kept[2..]),
        (3, 0, true, &kept[2..]),
        (9, 1, false, std::slice::from_ref(&erased)),
        (9, 0, false, std::slice::from_ref(&erased)),
    ] {
        let upto = Origin {
            seq: upto,
            ..entry(1, 1).origin
        };
        let cut = log.cut_entries(STREAM, upto, Timestamp::MAX).await;
        assert_eq!(cut.expect("cuts"), Cut { removed, is_held });
        assert_eq!(entries_of(&log, 1).await, left);
    }
    assert_eq!(entries_of(&log, 2).await.len(), 4);
    let mut last = log.last_entries(STREAM).await.expect("reads");
    last.sort_unstable();
    assert_eq!(last, [entry(1, 4).origin, entry(2, 4).origin]);
    // Its writer goes on, and what was erased goes then; a retry brings nothing back.
    for seq in [4, 5] {
        log.append_entry(sourced(1, seq)).await.expect("appends");
    }
    assert_eq!(entries_of(&log, 1).await, [erased, sourced(1, 5)]);
    let cut = log.cut_entries(STREAM, entry(1, 4).origin, Timestamp::MAX);
    assert_eq!(cut.await.expect("cuts").removed, 1);
    assert_eq!(entries_of(&log, 1).await, [sourced(1, 5)]);
}

/// So that no statement takes long.
pub async fn many_entries_are_cut_in_batches(subject: &mut impl Subject) {
    let log = subject.open().await;
    let most = CUT_ROWS as u64;
    let appends = (1..=most + 20).map(|seq| log.append_entry(sourced(1, seq)));
    for appended in join_all(appends).await {
        appended.expect("appends");
    }
    let upto = entry(1, most + 10).origin;
    for (removed, is_held) in [(most, false), (10, true), (0, true)] {
        let cut = log.cut_entries(STREAM, upto, Timestamp::MAX).await;
        assert_eq!(cut.expect("cuts"), Cut { removed, is_held });
    }
    let left = entries_of(&log, 1).await;
    let left: Vec<u64> = left.iter().map(|row| row.origin.seq).collect();
    assert_eq!(left, (most + 11..=most + 20).collect::<Vec<u64>>());
}

fn sourced(writer: u32, seq: u64) -> EntryRow {
    EntryRow {
        source: Some(SourceRange {
            source: "file".into(),
            first: seq,
            last: seq,
        }),
        ..entry(writer, seq)
    }
}

async fn entries_of(log: &SharedLog, writer: u32) -> Vec<EntryRow> {
    let from_start = Origin {
        seq: 0,
        ..entry(writer, 1).origin
    };
    let entries = log.entries(STREAM, from_start, usize::MAX).await;
    unplaced(entries.expect("reads"))
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
    assert_eq!((commits, entries.expect("cuts")), (0, Cut::default()));
    assert_eq!(seqs(&log, SLOT).await, [1, 2, 3]);
}

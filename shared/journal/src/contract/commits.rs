//! Cases about commits: once each, without gaps, under the epoch of the lease.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::{SLOT, Subject, commit, seqs, slot, unplaced, with_commits};
use crate::{CommitRow, Journaled, LogError, LogHead};

/// A retry finds its row, also in another process and under a lease that has moved on.
pub async fn a_commit_is_written_once(subject: &mut impl Subject) {
    let log = with_commits(subject, 2).await;
    let again = |log: crate::SharedLog| async move {
        log.append_commit(commit(2)).await.expect("is there")
    };
    assert_eq!(again(Arc::clone(&log)).await, Journaled::AlreadyWritten);
    subject.lease(SLOT, 2).await;
    assert_eq!(again(subject.open().await).await, Journaled::AlreadyWritten);
    assert_eq!(seqs(&log, SLOT).await, [1, 2]);
}

/// Below and above the epoch of the lease, and without a lease.
pub async fn a_commit_under_another_epoch_is_fenced(subject: &mut impl Subject) {
    let log = with_commits(subject, 1).await;
    subject.lease(SLOT, 2).await;
    for epoch in [0, 1, 3] {
        let refused = log
            .append_commit(CommitRow { epoch, ..commit(2) })
            .await
            .expect_err("another epoch");
        assert!(
            matches!(refused, LogError::Fenced { partition, epoch: at } if partition == SLOT.partition && at == epoch),
            "{refused}"
        );
    }
    let unknown = CommitRow {
        slot: slot(9),
        ..commit(1)
    };
    let refused = log.append_commit(unknown).await.expect_err("no lease");
    assert!(matches!(refused, LogError::Fenced { .. }), "{refused}");
    assert_eq!(log.head(SLOT).await.expect("a head").seq, 1);
    assert_eq!(log.head(slot(9)).await.expect("a head"), LogHead::default());
}

/// Numbers that do not follow, from the beginning and later.
pub async fn a_gap_between_commits_is_refused(subject: &mut impl Subject) {
    let log = with_commits(subject, 0).await;
    for (seq, is_next) in [(2, false), (0, false), (1, true), (3, false), (2, true)] {
        match log.append_commit(commit(seq)).await {
            Ok(Journaled::Written) => assert!(is_next, "{seq}"),
            Err(LogError::Gap { seq: at, .. }) if at == seq => assert!(!is_next, "{seq}"),
            other => panic!("{seq}: {other:?}"),
        }
    }
    assert_eq!(seqs(&log, SLOT).await, [1, 2]);
}

/// Two processes write different commits of the same number at the same time, many times.
pub async fn of_two_commits_with_a_number_one_wins(subject: &mut impl Subject) {
    let logs = [subject.open().await, subject.open().await];
    subject.lease(SLOT, 1).await;
    for seq in 1..=20 {
        let racing = (0..6).map(|writer| {
            let row = CommitRow {
                batch_id: 100 * seq + writer,
                ..commit(seq)
            };
            let log = Arc::clone(&logs[usize::from(writer % 2 == 0)]);
            tokio::spawn(async move { (row.batch_id, log.append_commit(row).await) })
        });
        let mut winners = Vec::new();
        for outcome in join_all(racing).await {
            match outcome.expect("no panic") {
                (batch_id, Ok(Journaled::Written)) => winners.push(batch_id),
                (_, Err(LogError::Gap { .. })) => {}
                (_, other) => panic!("{other:?}"),
            }
        }
        let head = logs[0].head(SLOT).await.expect("a head");
        assert_eq!(winners, [head.batch_id], "commit {seq}");
        assert_eq!(head.seq, seq);
    }
}

/// Workers of higher and higher epochs take over from each other in the middle of their commits.
pub async fn the_epochs_of_a_slot_never_fall(subject: &mut impl Subject) {
    const LAST: u64 = 6;
    let log = with_commits(subject, 1).await;
    let mut workers = Vec::new();
    for epoch in 2..=LAST {
        subject.lease(SLOT, epoch).await;
        let log = Arc::clone(&log);
        let (first, started) = tokio::sync::oneshot::channel();
        workers.push(tokio::spawn(async move {
            let mut first = Some(first);
            let mut count = 0;
            loop {
                tokio::task::yield_now().await;
                let seq = log.head(SLOT).await.expect("a head").seq + 1;
                let row = CommitRow {
                    epoch,
                    batch_id: seq * 100 + epoch,
                    ..commit(seq)
                };
                match log.append_commit(row).await {
                    Ok(_) => {
                        first.take().map(|first| first.send(()));
                        count += 1;
                        if epoch == LAST && count == 20 {
                            return;
                        }
                    }
                    Err(LogError::Gap { .. }) => {}
                    Err(LogError::Fenced { .. }) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        }));
        started.await.expect("it commits");
    }
    for worker in workers {
        worker.await.expect("no panic");
    }
    let rows = unplaced(log.commits(SLOT, 0, usize::MAX).await.expect("reads"));
    let mut before = (0, 0);
    for row in &rows {
        assert_eq!(row.seq, before.0 + 1);
        assert!(row.epoch >= before.1, "{} after {}", row.epoch, before.1);
        before = (row.seq, row.epoch);
    }
    assert!(before.0 >= 25 && before.1 == LAST, "{before:?}");
    // What a worker knows that has seen everything, but lost its lease and found it again by a restored database.
    subject.lease(SLOT, 5).await;
    let fallen = CommitRow {
        epoch: 5,
        ..commit(before.0 + 1)
    };
    let refused = log.append_commit(fallen).await.expect_err("it fell");
    assert!(matches!(refused, LogError::Gap { .. }), "{refused}");
}

/// What one statement writes for many slots, the refused among them.
pub async fn commits_written_at_once_are_all_there(subject: &mut impl Subject) {
    let log = subject.open().await;
    for partition in 0..40 {
        subject.lease(slot(partition), 1).await;
    }
    for seq in 1..=5 {
        let writes = (0..40).map(|partition| {
            let epoch = if seq == 5 && partition % 2 == 1 { 7 } else { 1 };
            log.append_commit(CommitRow {
                slot: slot(partition),
                epoch,
                ..commit(seq)
            })
        });
        for (partition, outcome) in join_all(writes).await.into_iter().enumerate() {
            match outcome {
                Ok(Journaled::Written) => assert!(seq < 5 || partition % 2 == 0),
                Err(LogError::Fenced { .. }) => assert!(seq == 5 && partition % 2 == 1),
                other => panic!("{other:?}"),
            }
        }
    }
    for partition in 0..40_u16 {
        let count = if partition % 2 == 0 { 5 } else { 4 };
        assert_eq!(
            seqs(&log, slot(partition)).await,
            (1..=count).collect::<Vec<u64>>()
        );
    }
}

/// With everything that they carry, small and large.
pub async fn commits_are_read_in_order_and_in_parts(subject: &mut impl Subject) {
    let log = with_commits(subject, 0).await;
    let mut rows = Vec::new();
    for seq in 1..=4_u64 {
        let row = CommitRow {
            payload: noise(20_000, seq),
            ..commit(seq)
        };
        log.append_commit(row.clone()).await.expect("appends");
        rows.push(row);
    }
    for (after, max_bytes, expected) in [
        (0, usize::MAX, &rows[..]),
        (2, usize::MAX, &rows[2..]),
        (0, 1, &rows[..1]),
        (1, 50_000, &rows[1..3]),
        (4, usize::MAX, &[]),
    ] {
        let read = log.commits(SLOT, after, max_bytes).await.expect("reads");
        assert_eq!(unplaced(read), expected, "after {after}, {max_bytes} bytes");
    }
    let head = log.head(SLOT).await.expect("a head");
    assert!((80_000..81_000).contains(&head.backlog_bytes), "{head:?}");
    assert_eq!((head.first_seq, head.snapshot_seq), (1, 0));
    assert_eq!(head.batch_id, rows[3].batch_id);
}

/// Bytes that cannot be compressed.
fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect()
}

//! The log in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Owner, Slot};
use journal::contract::Subject;
use journal::{Call, CommitRow, Fault, Journaled, Log, LogError, MemoryLog, SharedLog};
use kernel::{PartitionId, Timestamp};

#[derive(Debug, Default)]
struct Memory(Arc<MemoryLog>);

#[async_trait]
impl Subject for Memory {
    async fn open(&mut self) -> SharedLog {
        Arc::clone(&self.0) as SharedLog
    }

    async fn lease(&mut self, slot: Slot, epoch: u64) {
        self.0.set_epoch(slot, epoch);
    }
}

mod contract {
    use super::Memory;

    async fn subject() -> Memory {
        Memory::default()
    }

    journal::log_contract_tests!(subject);
}

const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(3),
};

fn commit(seq: u64) -> CommitRow {
    CommitRow {
        slot: SLOT,
        seq,
        epoch: 4,
        batch_id: seq,
        payload: Bytes::from_static(b"x"),
        events: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn faults_lose_answers_refuse_and_delay() {
    let faults = [
        Some(Fault::Refused),
        Some(Fault::AnswerLost),
        None,
        Some(Fault::Delayed(Duration::from_secs(7))),
    ];
    let next = AtomicUsize::new(0);
    let log = MemoryLog::new()
        .with_leases(|_| 4)
        .with_faults(move |call| {
            assert_eq!(call, Call::Commit(SLOT));
            faults[next.fetch_add(1, Ordering::Relaxed)]
        });
    for lost in ["refuse", "lost"] {
        let error = log.append_commit(commit(1)).await.expect_err("a fault");
        assert!(matches!(error, LogError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains(lost), "{error}");
    }
    let retried = log.append_commit(commit(1)).await.expect("is there");
    assert_eq!(retried, Journaled::AlreadyWritten);
    let start = tokio::time::Instant::now();
    log.append_commit(commit(2)).await.expect("appends");
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn rows_are_as_old_as_the_clock_says() {
    let minute = Arc::new(AtomicUsize::new(0));
    let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
    let clock = Arc::clone(&minute);
    let log = MemoryLog::new().with_leases(|_| 4).with_clock(move || {
        at(i64::try_from(clock.load(Ordering::Relaxed)).expect("a small number"))
    });
    for seq in 1..=5 {
        minute.fetch_add(1, Ordering::Relaxed);
        log.append_commit(commit(seq)).await.expect("appends");
    }
    for (written_before, removed) in [(1, 0), (3, 2), (3, 0), (9, 2)] {
        let cut = log.cut_commits(SLOT, 5, at(written_before)).await;
        assert_eq!(
            cut.expect("cuts"),
            removed,
            "before minute {written_before}"
        );
    }
}

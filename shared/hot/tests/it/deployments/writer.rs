//! A writer that commits its number everywhere, tries again as the engine does, and a check of what
//! came of it.

use std::sync::Arc;

use bytes::Bytes;
use hot::{
    Commit, Committed, CounterKey, Cursor, HotError, HotStore, Owner, RedisStore, Slot, StateWrite,
    StreamId, StreamName, Timer,
};
use kernel::PartitionId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{PAUSE, until};

/// States that every commit writes.
const STATES: u8 = 4;

pub(super) const fn slot(partition: u16) -> Slot {
    Slot {
        owner: Owner::Journey,
        partition: PartitionId::new(partition),
    }
}

/// A commit that writes its number everywhere.
pub(super) fn commit(seq: u64) -> Commit {
    let number = Bytes::from(seq.to_string());
    let state = |key: u8| StateWrite {
        key: vec![key].into(),
        value: Some(number.clone()),
        timer: Timer::NONE,
        adds_entry: false,
    };
    Commit {
        epoch: 1,
        seq,
        batch_id: seq + 1_000_003,
        states: (0..STATES).map(state).collect(),
        outputs: vec![(StreamName::Facts, number.clone())],
        counters: vec![(CounterKey::new("writer", "commits"), 1)],
        ..Commit::default()
    }
}

/// A writer in a task of its own.
pub(super) struct Writer {
    task: JoinHandle<u64>,
    done: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
}

impl Writer {
    /// Opens a partition and commits until it is told to stop.
    pub(super) async fn start(store: &Arc<RedisStore>, partition: u16) -> Self {
        store.open(slot(partition), 1).await.expect("opens");
        let (report, done) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let store = Arc::clone(store);
        let task = tokio::spawn(async move {
            let mut seq = 1;
            while !*stopped.borrow() {
                match store.commit(slot(partition), &commit(seq)).await {
                    Ok(Committed::Applied | Committed::AlreadyApplied) => {
                        report.send_replace(seq);
                        seq += 1;
                    }
                    Err(HotError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
                    // The store went back: what it lost is committed again, as from a journal.
                    Err(HotError::Gap { current, .. }) if current < seq => seq = current + 1,
                    Err(error) => panic!("commit {seq} of partition {partition}: {error:?}"),
                }
            }
            seq - 1
        });
        Self { task, done, stop }
    }

    /// How many commits are acknowledged.
    pub(super) fn count(&self) -> u64 {
        *self.done.borrow()
    }

    /// Waits until so many more are.
    pub(super) async fn advance(&mut self, by: u64) {
        let enough = self.count() + by;
        let mut done = self.done.clone();
        until("the next commit", async move || {
            (*done.borrow_and_update() >= enough).then_some(())
        })
        .await;
    }

    /// Ends; returns the last commit that was acknowledged.
    pub(super) async fn finish(self) -> u64 {
        self.stop.send_replace(true);
        self.task.await.expect("the writer did not fail")
    }
}

/// Checks that the commits 1 to `last` took effect, each once.
pub(super) async fn check(store: &RedisStore, partition: u16, last: u64) {
    let slot = slot(partition);
    let head = store.head(slot).await.expect("a head");
    assert_eq!(head.commit_seq, last);
    let counters = store.counters(slot, &["writer"]).await.expect("counters");
    let commits = CounterKey::new("writer", "commits");
    assert_eq!(counters, [(commits, last.cast_signed())]);
    let keys: Vec<Bytes> = (0..STATES).map(|key| vec![key].into()).collect();
    for stored in store.load(slot, &keys).await.expect("loads") {
        assert_eq!(stored.expect("a state").value, last.to_string());
    }
    let stream = StreamId {
        name: StreamName::Facts,
        partition: slot.partition,
    };
    let all = usize::try_from(last).expect("few") + 1;
    let entries = store.poll(stream, Cursor::START, all).await.expect("polls");
    let read: Vec<Bytes> = entries.into_iter().map(|entry| entry.payload).collect();
    let written: Vec<String> = (1..=last).map(|seq| seq.to_string()).collect();
    assert_eq!(read, written);
}

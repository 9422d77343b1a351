//! A store that may not be the one that it was: what a worker believes, and when it looks again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hot::memory::{Call, Delivery, Hook, Operation, Snapshot};
use hot::{HotError, MemoryStore, StreamName};
use kernel::PartitionId;
use messages::stream::v1::Record;

use super::driver::{Bench, event, memory, settle, slot};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{Dispatcher, Engine, Status, TimeSource};

/// Fails the next calls of one kind, before or after the store did what it was told.
#[derive(Debug)]
struct Fails {
    operation: Operation,
    before: AtomicU64,
    after: AtomicU64,
}

fn fails(operation: Operation, before: u64, after: u64) -> Arc<Fails> {
    Arc::new(Fails {
        operation,
        before: before.into(),
        after: after.into(),
    })
}

impl Fails {
    fn take(&self, call: Call<'_>, left: &AtomicU64) -> Result<(), HotError> {
        let is_next = call.operation == self.operation
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
        if is_next {
            return Err(HotError::unavailable("told so"));
        }
        Ok(())
    }
}

#[async_trait]
impl Hook for Fails {
    async fn before(&self, call: Call<'_>) -> Result<Delivery, HotError> {
        self.take(call, &self.before).map(|()| Delivery::Once)
    }

    async fn after(&self, call: Call<'_>, _is_done: bool) -> Result<(), HotError> {
        self.take(call, &self.after)
    }
}

/// Has the store fall back right before the next append.
#[derive(Debug)]
struct FallsBack {
    memory: MemoryStore,
    to: Mutex<Option<Snapshot>>,
}

#[async_trait]
impl Hook for FallsBack {
    async fn before(&self, call: Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Append
            && let Some(copy) = self.to.lock().expect("nobody panics").take()
        {
            self.memory.roll_back_silently(copy);
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

/// Counts what was dispatched.
#[derive(Debug, Default)]
struct Desk(AtomicU64);

impl Dispatcher for Desk {
    fn dispatch(&self, _partition: PartitionId, _record: Record) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn in_flight(&self) -> u64 {
        0
    }
}

async fn over(memory: &MemoryStore) -> Bench {
    Bench::new().await.over(Arc::new(memory.clone()))
}

async fn add(bench: &Bench, id: &str) {
    let records = vec![event(1, id, "add", 0)];
    bench.append(0, StreamName::Events, records).await;
}

#[tokio::test]
async fn after_a_call_that_failed_everything_is_read_again() {
    for (operation, before, after) in [(Operation::Poll, 0, 1), (Operation::Trim, 1, 0)] {
        let memory = memory();
        let bench = over(&memory).await;
        let hooked = memory.with_hook(fails(operation, before, after));
        let config = bench.config(Arc::new(hooked), TimeSource::Stream);
        add(&bench, "a").await;
        let older = memory.snapshot();
        let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
        settle(&mut worker).await;
        add(&bench, "b").await;
        // Meanwhile the store fell back: the state of this worker is a dream.
        let mut worker = Worker::open(config, PartitionId::new(0), 2)
            .await
            .expect("it opens");
        memory.roll_back_silently(older);
        worker.hint(ALL_LANES);
        let mut failed = 0;
        for _ in 0..10 {
            match worker.tick().await {
                TickOutcome::Unavailable(_) => failed += 1,
                TickOutcome::Worked | TickOutcome::Idle { .. } => {}
                other => panic!("{operation:?}: {other:?}"),
            }
        }
        assert_eq!(failed, 1, "{operation:?}");
        assert_eq!(bench.log(0, 1).await, ["a"], "{operation:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_comes_before_everything_else_and_dispatches_once() {
    for (before, after) in [(0, 1), (1, 0), (0, 3), (3, 0), (2, 2)] {
        let memory = memory();
        let bench = over(&memory).await;
        let hooked = memory.with_hook(fails(Operation::Commit, before, after));
        let desk = Arc::new(Desk::default());
        let config = bench
            .config(Arc::new(hooked), TimeSource::Stream)
            .with_dispatcher(desk.clone());
        let records = vec![event(1, "a", "dispatch", 0)];
        bench.append(0, StreamName::Events, records).await;
        let mut worker = Worker::open(config, PartitionId::new(0), 1)
            .await
            .expect("it opens");
        for _ in 0..before + after {
            assert!(matches!(worker.tick().await, TickOutcome::Unavailable(_)));
            worker.doubt();
        }
        settle(&mut worker).await;
        assert_eq!(bench.log(0, 1).await, ["a"], "{before} {after}");
        assert_eq!(desk.0.load(Ordering::SeqCst), 1, "{before} {after}");
        let head = bench.hot.head(slot(0)).await.expect("a head");
        assert_eq!(head.commit_seq, 1, "{before} {after}");
    }
}

#[tokio::test]
async fn batches_after_opening_again_are_never_taken_for_those_before() {
    let memory = memory();
    let bench = over(&memory).await;
    let older = memory.snapshot();
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    add(&bench, "a").await;
    settle(&mut worker).await;
    // The store forgets it, and another record is the first now: the same epoch, the same number.
    memory.roll_back_silently(older);
    add(&bench, "b").await;
    worker.doubt();
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["b"]);
    let head = bench.hot.head(slot(0)).await.expect("a head");
    assert_eq!((head.commit_seq, head.epoch), (1, 1));
}

#[tokio::test]
async fn a_message_is_not_taken_for_one_that_only_its_target_remembers() {
    let memory = memory();
    let bench = over(&memory).await;
    let forward = |id: &str| vec![event(1, id, "forward:1", 0)];
    let hook = Arc::new(FallsBack {
        memory: memory.clone(),
        to: Mutex::new(Some(memory.snapshot())),
    });
    let config = bench.config(Arc::new(memory.with_hook(hook)), TimeSource::Stream);
    bench.append(0, StreamName::Events, forward("a")).await;
    let mut worker = Worker::open(config, PartitionId::new(0), 1)
        .await
        .expect("it opens");
    // The message arrives where the store has just lost that there was one.
    let outcome = worker.tick().await;
    assert!(matches!(outcome, TickOutcome::Lost(_)), "{outcome:?}");
    bench.append(0, StreamName::Events, forward("b")).await;
    settle(&mut bench.worker(0, 2, TimeSource::Stream).await).await;
    settle(&mut bench.worker(1, 1, TimeSource::Stream).await).await;
    assert_eq!(bench.log(1, 1).await, ["a", "b"]);
}

#[tokio::test]
async fn an_engine_that_is_told_so_opens_its_partitions_again() {
    let memory = memory();
    let bench = over(&memory).await;
    for partition in 0..2 {
        let records = vec![event(1, "a", "add", 0)];
        bench.append(partition, StreamName::Events, records).await;
    }
    let older = memory.snapshot();
    let config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    let engine = Engine::start(config).await.expect("it starts");
    assert_eq!(engine.await_idle().await.expect("it rests"), 2);
    memory.roll_back(older);
    while bench.count("seen").await < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.await_idle().await.expect("it rests"), 2);
    for partition in 0..2 {
        assert_eq!(bench.log(partition, 1).await, ["a"]);
    }
    engine.shutdown().await;
}

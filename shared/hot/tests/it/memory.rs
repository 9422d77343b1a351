//! The store in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hot::contract::Subject;
use hot::memory::{Call, Delivery, Hook, MemoryOptions, Operation};
use hot::{
    Append, Appended, Commit, Committed, Cursor, HotError, HotStore, MemoryStore, Owner,
    SharedHotStore, SharedRestorableStore, Slot, StreamId, StreamName, Wake, limits,
};
use kernel::PartitionId;

use crate::embedded::partitions;

struct Memory {
    options: MemoryOptions,
    store: MemoryStore,
}

impl Memory {
    fn new(origins: bool) -> Self {
        let options = MemoryOptions { origins };
        Self {
            options,
            store: MemoryStore::new(partitions(), options),
        }
    }
}

#[async_trait]
impl Subject for Memory {
    async fn empty(&mut self) -> SharedHotStore {
        self.store = MemoryStore::new(partitions(), self.options);
        Arc::new(self.store.clone())
    }

    async fn reopen(&mut self, store: SharedHotStore) -> SharedHotStore {
        drop(store);
        Arc::new(self.store.clone())
    }

    async fn restorable(&mut self) -> Option<SharedRestorableStore> {
        Some(Arc::new(self.store.clone()))
    }

    fn has_origins(&self) -> bool {
        self.options.origins
    }

    async fn leave_gate_behind(&mut self, _partition: PartitionId) {
        tokio::time::pause();
        tokio::time::advance(limits::GATE_TTL).await;
        tokio::time::resume();
    }
}

mod contract {
    use super::Memory;

    async fn subject() -> Memory {
        Memory::new(false)
    }

    hot::restorable_contract_tests!(subject);
}

/// As at durability level `journal`.
mod contract_with_origins {
    use super::Memory;

    async fn subject() -> Memory {
        Memory::new(true)
    }

    hot::restorable_contract_tests!(subject);
}

const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(1),
};
const EVENTS: StreamId = StreamId {
    name: StreamName::Events,
    partition: PartitionId::new(1),
};

fn store() -> MemoryStore {
    MemoryStore::new(partitions(), MemoryOptions::default())
}

fn commit(seq: u64) -> Commit {
    Commit {
        epoch: 1,
        seq,
        batch_id: seq,
        outputs: vec![(StreamName::Events, Bytes::from(format!("{seq}")))],
        ..Commit::default()
    }
}

fn append() -> Append {
    Append {
        to: EVENTS,
        payload: Bytes::from_static(b"appended"),
        source: None,
        origin: None,
    }
}

async fn length(store: &MemoryStore) -> usize {
    let entries = store.poll(EVENTS, Cursor::START, 99).await;
    entries.expect("polls").len()
}

#[tokio::test]
async fn a_store_that_goes_back_has_lost_what_came_after_and_says_so() {
    let store = store();
    let mut hints = store.subscribe(&[]).await.expect("hints");
    store.open(SLOT, 1).await.expect("opens");
    store.commit(SLOT, &commit(1)).await.expect("commits");
    let copy = store.snapshot();
    store.commit(SLOT, &commit(2)).await.expect("commits");
    assert_eq!(length(&store).await, 2);
    store.roll_back(copy);
    assert_eq!(hints.try_recv(), Ok(Wake::Reopen));
    assert_eq!(store.head(SLOT).await.expect("a head").commit_seq, 1);
    assert_eq!(length(&store).await, 1);
    let gap = store.commit(SLOT, &commit(3)).await;
    assert!(matches!(gap, Err(HotError::Gap { current: 1, .. })));
    store.clear();
    assert_eq!(hints.try_recv(), Ok(Wake::Reopen));
    assert_eq!(store.head(SLOT).await.expect("a head").epoch, 0);
    assert_eq!(length(&store).await, 0);
}

/// Does one thing to every call of a kind.
#[derive(Debug)]
struct Does {
    to: Operation,
    what: What,
    left: AtomicU32,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Refuse,
    LoseAnswer,
    Repeat,
    Delay,
}

impl Does {
    fn connect(store: &MemoryStore, to: Operation, what: What) -> MemoryStore {
        let left = AtomicU32::new(1);
        store.with_hook(Arc::new(Self { to, what, left }))
    }

    fn hits(&self, call: Call<'_>) -> bool {
        let counts = |left: u32| left.checked_sub(1);
        call.operation == self.to
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, counts)
                .is_ok()
    }
}

#[async_trait]
impl Hook for Does {
    async fn before(&self, call: Call<'_>) -> Result<Delivery, HotError> {
        match self.what {
            What::Refuse if self.hits(call) => Err(HotError::unavailable("refused")),
            What::Repeat if self.hits(call) => Ok(Delivery::Twice),
            What::Delay if self.hits(call) => {
                tokio::task::yield_now().await;
                Ok(Delivery::Once)
            }
            _ => Ok(Delivery::Once),
        }
    }

    async fn after(&self, call: Call<'_>, _: bool) -> Result<(), HotError> {
        match self.what {
            What::LoseAnswer if self.hits(call) => Err(HotError::unavailable("lost")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_hook_refuses_calls_loses_their_answers_and_repeats_them() {
    for (what, first, retry) in [
        (What::Refuse, None, Committed::Applied),
        (What::LoseAnswer, None, Committed::AlreadyApplied),
        (
            What::Repeat,
            Some(Committed::Applied),
            Committed::AlreadyApplied,
        ),
        (
            What::Delay,
            Some(Committed::Applied),
            Committed::AlreadyApplied,
        ),
    ] {
        let store = store();
        store.open(SLOT, 1).await.expect("opens");
        let faulty = Does::connect(&store, Operation::Commit, what);
        let answer = faulty.commit(SLOT, &commit(1)).await;
        match (answer, first) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected, "{what:?}"),
            (Err(HotError::Unavailable(_)), None) => {}
            (answer, _) => panic!("{what:?}: {answer:?}"),
        }
        let again = faulty.commit(SLOT, &commit(1)).await;
        assert_eq!(again.expect("commits"), retry, "{what:?}");
        assert_eq!(length(&store).await, 1, "{what:?}");
    }
}

#[tokio::test]
async fn an_append_without_a_source_that_arrives_twice_is_there_twice() {
    let store = store();
    let faulty = Does::connect(&store, Operation::Append, What::Repeat);
    let appended = faulty.append(&append()).await.expect("appends");
    assert_eq!(appended, Appended::Applied);
    assert_eq!(length(&store).await, 2);
}

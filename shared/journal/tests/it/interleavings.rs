//! Single interleavings that once lost or doubled something: what fails, where, and what must be
//! there afterwards.
//!
//! Random ones are in [`crate::journaled`].

mod recoveries;
mod restores;
mod sources;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hot::marks::Marks;
use hot::memory::{self, Delivery, Hook, MemoryOptions, Operation};
use hot::{
    Append, Appended, Commit, Cursor, HotError, HotStore, MemoryStore, Owner, Slot, SourceRange,
    StateKey, StateWrite, StreamId, StreamName, Timer,
};
use journal::{Call, Fault, JournalOptions, JournaledStore, Log, MemoryLog, SharedLog};
use kernel::{PartitionCount, PartitionId};

const PARTITION: PartitionId = PartitionId::new(0);
const EVENTS: StreamId = StreamId {
    name: StreamName::Events,
    partition: PARTITION,
};
const FACTS: StreamId = StreamId {
    name: StreamName::Facts,
    partition: PARTITION,
};
/// Reads events and writes facts.
const SLOT: Slot = Slot {
    owner: Owner::Segmentation,
    partition: PARTITION,
};

/// Decides which calls of the log fail.
type Faults = Arc<Mutex<Option<Box<dyn FnMut(Call) -> Option<Fault> + Send>>>>;

/// A store, a log, and what goes wrong with it.
struct World {
    hot: MemoryStore,
    log: Arc<MemoryLog>,
    faults: Faults,
}

impl World {
    fn new() -> Self {
        let faults: Faults = Arc::default();
        let asked = Arc::clone(&faults);
        let log = MemoryLog::new().with_faults(move |call| {
            let mut faults = asked.lock().unwrap_or_else(PoisonError::into_inner);
            faults.as_mut().and_then(|next| next(call))
        });
        let count = PartitionCount::try_new(1).expect("a count");
        Self {
            hot: MemoryStore::new(count, MemoryOptions { origins: true }),
            log: Arc::new(log),
            faults,
        }
    }

    fn set_faults(&self, next: impl FnMut(Call) -> Option<Fault> + Send + 'static) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(next));
    }

    fn clear_faults(&self) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn process(&self) -> JournaledStore {
        self.process_on(self.hot.clone()).await
    }

    async fn process_on(&self, hot: MemoryStore) -> JournaledStore {
        let log = Arc::clone(&self.log) as SharedLog;
        let writer = log.register("somebody").await.expect("a number");
        JournaledStore::new(Arc::new(hot), log, writer, JournalOptions::default())
    }

    /// Opens a slot under this epoch or a higher one, where a recovery has fenced it; returns that.
    async fn open(&self, store: &JournaledStore, slot: Slot, epoch: u64) -> u64 {
        self.log.set_epoch(slot, epoch);
        match store.open(slot, epoch).await {
            Ok(_) => epoch,
            Err(HotError::Fenced { current, .. }) => {
                self.log.set_epoch(slot, current + 1);
                store.open(slot, current + 1).await.expect("opens");
                current + 1
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn range(first: u64, last: u64) -> SourceRange {
    SourceRange {
        source: "client".into(),
        first,
        last,
    }
}

async fn append(store: &JournaledStore, first: u64, last: u64) -> Result<Appended, HotError> {
    let append = Append {
        to: EVENTS,
        payload: Bytes::from(format!("{first} to {last}")),
        source: Some(range(first, last)),
        origin: None,
    };
    store.append(&append).await
}

fn commit(epoch: u64, seq: u64) -> Commit {
    Commit {
        epoch,
        seq,
        batch_id: seq,
        ..Commit::default()
    }
}

/// Consumes everything that waits in the events.
async fn consume(store: &JournaledStore, mut commit: Commit) {
    let entries = store
        .poll(EVENTS, Cursor::START, 9_999)
        .await
        .expect("reads");
    let mut marks = Marks::default();
    for entry in &entries {
        let origin = entry.origin.expect("a journal gives one");
        marks.seen.insert(origin.writer, origin.seq);
        commit.cursors = vec![(EVENTS.name, entry.cursor)];
    }
    commit.marks = vec![(EVENTS.name, marks)];
    store.commit(SLOT, &commit).await.expect("commits");
}

fn state(key: &'static [u8], value: Option<&'static [u8]>) -> StateWrite {
    StateWrite {
        key: StateKey::from_static(key),
        value: value.map(Bytes::from_static),
        timer: Timer::NONE,
        adds_entry: false,
    }
}

/// Lets one part be restored, and no other.
#[derive(Debug, Default)]
struct FailingRestore(AtomicUsize);

#[async_trait]
impl Hook for FailingRestore {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        let is_restore = call.operation == Operation::Restore;
        if is_restore && self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(HotError::unavailable("it is gone"));
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_no_store_could_take_is_not_logged() {
    let world = World::new();
    let store = world.process().await;
    let epoch = world.open(&store, SLOT, 1).await;
    let twice = Commit {
        states: vec![state(b"key", Some(b"a")), state(b"key", Some(b"b"))],
        ..commit(epoch, 1)
    };
    let refused = store.commit(SLOT, &twice).await;
    assert!(matches!(refused, Err(HotError::Invalid(_))), "{refused:?}");
    let head = world.log.head(SLOT).await.expect("a head");
    assert_eq!(head.seq, 0);
}

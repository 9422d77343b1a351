//! Single interleavings that once lost or doubled something: what fails, where, and what must be there afterwards.
//!
//! Random ones are in [`crate::journaled`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hot::marks::Marks;
use hot::memory::{self, Delivery, Hook, MemoryOptions, Operation};
use hot::{
    Append, Appended, Commit, Cursor, HotError, HotStore, MemoryStore, Owner, Slot, SourceRange,
    StateKey, StateWrite, StreamId, StreamName, Timer,
};
use journal::{Call, Fault, FoldOptions, JournaledStore, MemoryLog, SharedLog};
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
        JournaledStore::new(Arc::new(hot), log, writer, FoldOptions::default())
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
    commit.counters = marks.counters(EVENTS.name);
    store.commit(SLOT, &commit).await.expect("commits");
}

#[tokio::test(start_paused = true)]
async fn what_a_source_has_sent_is_known_though_a_snapshot_was_made_of_an_empty_store() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&store, SLOT, 1).await;
    assert_eq!(
        append(&store, 1, 5).await.expect("taken"),
        Appended::Applied
    );
    consume(&store, commit(1, 1)).await;
    world.hot.clear();
    // The background task does not know yet that everything is gone.
    drop(store.fold(SLOT).await);
    store.recover(PARTITION).await.expect("recovers");
    let again = append(&other, 1, 5).await.expect("answers");
    assert_eq!(again, Appended::Replayed);
}

#[tokio::test(start_paused = true)]
async fn what_a_source_has_sent_is_known_though_a_snapshot_was_made_in_the_middle_of_a_recovery() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&store, SLOT, 1).await;
    let copy = world.hot.snapshot();
    append(&store, 1, 5).await.expect("taken");
    consume(&store, commit(1, 1)).await;
    world.hot.roll_back_silently(copy);
    // The commit is there again, and the streams are not.
    let restores = Arc::new(FailingRestore::default());
    let first = world.process_on(world.hot.with_hook(restores)).await;
    first.recover(PARTITION).await.expect_err("fails half-way");
    assert_eq!(world.hot.head(SLOT).await.expect("a head").commit_seq, 1);
    drop(store.fold(SLOT).await);
    tokio::time::sleep(hot::limits::GATE_TTL).await;
    store.recover(PARTITION).await.expect("recovers");
    let again = append(&other, 1, 5).await.expect("answers");
    assert_eq!(again, Appended::Replayed);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_logged_before_it_died_is_found_while_it_is_known_who_was_asked_instead() {
    let world = World::new();
    let dying = world
        .process_on(world.hot.with_hook(Arc::new(NoAppend)))
        .await;
    append(&dying, 1, 5).await.expect_err("it is logged alone");
    drop(dying);
    let store = world.process().await;
    let mut epoch = world.open(&store, SLOT, 1).await;
    assert_eq!(
        waiting(&store).await,
        1,
        "who opens the partition brings it"
    );

    append(&store, 6, 6).await.expect("taken");

    let dying = world
        .process_on(world.hot.with_hook(Arc::new(NoAppend)))
        .await;
    append(&dying, 7, 9).await.expect_err("it is logged alone");
    drop(dying);
    // The client asks another process, and goes on there for long.
    append(&store, 7, 9).await.expect("taken");
    consume(&store, commit(epoch, 1)).await;
    store.fold(SLOT).await.expect("a snapshot");
    if world.hot.head(SLOT).await.expect("a head").epoch > epoch {
        epoch = world.open(&store, SLOT, epoch + 1_000).await;
    }
    for seq in 10..1_000 {
        append(&store, seq, seq).await.expect("taken");
    }
    consume(&store, commit(epoch, 2)).await;
    store.fold(SLOT).await.expect("a snapshot");
    world.open(&store, SLOT, epoch + 1_000).await;
    assert_eq!(waiting(&store).await, 0, "nothing comes twice");
}

/// How many events are not in effect.
async fn waiting(store: &JournaledStore) -> usize {
    let entries = store.poll(EVENTS, Cursor::START, 9_999).await;
    let counters = store.counters(SLOT).await.expect("reads");
    let marks = Marks::read(EVENTS.name, &counters);
    let entries = entries.expect("reads").into_iter();
    let is_new = |entry: &hot::Entry| entry.origin.is_some_and(|origin| !marks.has_seen(origin));
    entries.filter(is_new).count()
}

/// Takes no appends.
#[derive(Debug)]
struct NoAppend;

#[async_trait]
impl Hook for NoAppend {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Append {
            return Err(HotError::Unavailable("it is gone".into()));
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_store_loses_while_a_snapshot_is_made_is_not_taken_for_consumed() {
    let world = World::new();
    let store = world.process().await;
    world.open(&store, SLOT, 1).await;
    append(&store, 1, 1).await.expect("taken");
    consume(&store, commit(1, 1)).await;
    let copy = world.hot.snapshot();
    append(&store, 2, 2).await.expect("taken");
    // A replica takes over that does not have the last entry.
    let failing_over = Arc::new(FailingOver(world.hot.clone(), copy));
    let folding = world.process_on(world.hot.with_hook(failing_over)).await;
    drop(folding.fold(SLOT).await);
    store.recover(PARTITION).await.expect("recovers");
    let entries = store.poll(EVENTS, Cursor::START, 10).await.expect("reads");
    assert_eq!(entries.len(), 1, "it is there again");
}

/// Goes back to a copy when it is asked how much waits.
#[derive(Debug)]
struct FailingOver(MemoryStore, memory::Snapshot);

#[async_trait]
impl Hook for FailingOver {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Lag {
            self.0.roll_back_silently(self.1.clone());
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

fn state(key: &'static [u8], value: Option<&'static [u8]>) -> StateWrite {
    StateWrite {
        key: StateKey::from_static(key),
        value: value.map(Bytes::from_static),
        timer: Timer::NONE,
        adds_entry: false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_removed_stays_so_where_a_snapshot_is_made_between_two_attempts_to_restore()
 {
    let world = World::new();
    let store = world.process().await;
    world.open(&store, SLOT, 1).await;
    let written = Commit {
        states: vec![state(b"kept", Some(b"x")), state(b"removed", Some(b"x"))],
        ..commit(1, 1)
    };
    store.commit(SLOT, &written).await.expect("commits");
    store.fold(SLOT).await.expect("a snapshot");
    let removed = Commit {
        states: vec![state(b"removed", None)],
        ..commit(1, 2)
    };
    store.commit(SLOT, &removed).await.expect("commits");
    world.hot.clear();

    // The first attempt ends after the states are written, and before the store is said to have them.
    let restores = Arc::new(FailingRestore::default());
    let first = world.process_on(world.hot.with_hook(restores)).await;
    first.recover(PARTITION).await.expect_err("fails half-way");
    assert_eq!(world.hot.states(SLOT).len(), 2);
    drop(store.fold(SLOT).await);
    tokio::time::sleep(hot::limits::GATE_TTL).await;
    store.recover(PARTITION).await.expect("recovers");
    let keys: Vec<StateKey> = world.hot.states(SLOT).into_iter().map(|it| it.0).collect();
    assert_eq!(keys, [StateKey::from_static(b"kept")]);
}

/// Lets one part be restored, and no other.
#[derive(Debug, Default)]
struct FailingRestore(AtomicUsize);

#[async_trait]
impl Hook for FailingRestore {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        let is_restore = call.operation == Operation::Restore;
        if is_restore && self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(HotError::Unavailable("it is gone".into()));
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

/// Notes that a part was restored.
#[derive(Debug)]
struct Restoring(Arc<AtomicBool>);

#[async_trait]
impl Hook for Restoring {
    async fn before(&self, _call: memory::Call<'_>) -> Result<Delivery, HotError> {
        Ok(Delivery::Once)
    }

    async fn after(&self, call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        if call.operation == Operation::Restore {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_stays_closed_while_its_streams_are_not_whole() {
    let world = World::new();
    let store = world.process().await;
    world.open(&store, SLOT, 1).await;
    let said = Commit {
        outputs: vec![(FACTS.name, Bytes::from_static(b"fact"))],
        ..commit(1, 1)
    };
    store.commit(SLOT, &said).await.expect("commits");

    // The log goes away once the streams are emptied, comes back, and goes away again when slots are compared.
    let is_emptied = Arc::new(AtomicBool::new(false));
    let restores = Arc::new(Restoring(Arc::clone(&is_emptied)));
    let first = world.process_on(world.hot.with_hook(restores)).await;
    world.set_faults(move |_| is_emptied.load(Ordering::Relaxed).then_some(Fault::Refused));
    first.recover(PARTITION).await.expect_err("fails half-way");
    tokio::time::sleep(hot::limits::GATE_TTL).await;
    let mut reads = 0;
    world.set_faults(move |call| {
        reads += usize::from(call == Call::Read);
        (reads > 1).then_some(Fault::Refused)
    });
    store.recover(PARTITION).await.expect_err("fails early");
    world.clear_faults();

    let reader = Slot {
        owner: Owner::Journey,
        partition: PARTITION,
    };
    world.open(&store, reader, 1_000).await;
    let facts = store.poll(FACTS, Cursor::START, 10).await.expect("reads");
    assert_eq!(facts.len(), 1, "what was said is there");
}

#[tokio::test(start_paused = true)]
async fn what_a_recovery_found_to_overlap_is_told_so_that_the_rest_is_sent_again() {
    let world = World::new();
    let (store, other) = (world.process().await, world.process().await);
    world.open(&other, SLOT, 1).await;
    let applied = append(&store, 1, 1).await.expect("taken");
    assert_eq!(applied, Appended::Applied);
    // The client does not hear of this one, and sends it with some more to the first process again.
    append(&other, 2, 5).await.expect("taken");
    consume(&other, commit(1, 1)).await;
    world.set_faults(|call| matches!(call, Call::Entry(_)).then_some(Fault::AnswerLost));
    append(&store, 2, 8).await.expect_err("the answer is lost");
    world.clear_faults();
    other.recover(PARTITION).await.expect("recovers");
    let answer = append(&store, 2, 8).await.expect("answers");
    assert_eq!(answer, Appended::Overlaps { mark: 5 });
}

/// Goes back, once, to the middle of the recovery that is almost done.
#[derive(Debug)]
struct GoesBack {
    server: MemoryStore,
    copy: Mutex<Option<memory::Snapshot>>,
    is_back: AtomicBool,
}

#[async_trait]
impl Hook for GoesBack {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        // Whatever comes last: a look at what was restored, or the gate.
        let is_late = matches!(call.operation, Operation::Head | Operation::OpenGate);
        if is_late && !self.is_back.load(Ordering::Relaxed) {
            let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(copy) = copy.clone() {
                self.is_back.store(true, Ordering::Relaxed);
                self.server.roll_back_silently(copy);
            }
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, call: memory::Call<'_>, _: bool) -> Result<(), HotError> {
        if call.operation == Operation::Restore {
            let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
            copy.get_or_insert_with(|| self.server.snapshot());
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_back_into_its_own_recovery_is_recovered_once_more() {
    let world = World::new();
    let store = world.process().await;
    world.open(&store, SLOT, 1).await;
    let decided = Commit {
        outputs: vec![(FACTS.name, Bytes::from_static(b"a fact"))],
        ..commit(1, 1)
    };
    store.commit(SLOT, &decided).await.expect("commits");
    world.hot.clear();
    let hook = GoesBack {
        server: world.hot.clone(),
        copy: Mutex::default(),
        is_back: AtomicBool::new(false),
    };
    let hook = Arc::new(hook);
    let store = world
        .process_on(world.hot.with_hook(Arc::clone(&hook) as Arc<dyn Hook>))
        .await;
    store.recover(PARTITION).await.expect("recovers");
    assert!(hook.is_back.load(Ordering::Relaxed), "it went back");
    let facts = store.poll(FACTS, Cursor::START, 9).await.expect("reads");
    assert_eq!(facts.len(), 1, "the output is there again");
}

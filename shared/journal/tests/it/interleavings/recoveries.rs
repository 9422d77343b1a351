//! One recovery for each loss: who notices later, who waits, who dies in the middle of one, and
//! what needs none.

mod held;
mod overtaken;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hot::memory::{self, Delivery, Hook, Operation};
use hot::{
    Commit, Cursor, HotError, HotStore, Owner, RestorableStore as _, Slot, StateKey, StateWrite,
    Timer, limits,
};
use journal::JournaledStore;
use kernel::Timestamp;
use tokio::time::Instant;

use super::{EVENTS, FACTS, PARTITION, SLOT, World, append, commit, consume, state};

/// Another service of the partition, which reads facts.
const READER: Slot = Slot {
    owner: Owner::Journey,
    partition: PARTITION,
};

/// The pause before a worker or a client asks again, on a clock that nobody waits for.
const AGAIN: Duration = Duration::from_millis(10);

/// Everything that a recovery has to bring back, in two commits; returns the epoch of the slot.
async fn fill(world: &World, store: &JournaledStore) -> u64 {
    let epoch = world.open(store, SLOT, 1).await;
    append(store, 1, 1).await.expect("taken");
    let first = Commit {
        states: vec![state(b"a", Some(b"1"))],
        outputs: vec![(FACTS.name, Bytes::from_static(b"a fact"))],
        ..commit(epoch, 1)
    };
    consume(store, first).await;
    let second = Commit {
        states: vec![state(b"b", Some(b"2"))],
        ..commit(epoch, 2)
    };
    store.commit(SLOT, &second).await.expect("commits");
    append(store, 2, 2).await.expect("taken");
    epoch
}

/// Checks that everything is there, once.
async fn check(world: &World, store: &JournaledStore) {
    let states = world.hot.states(SLOT);
    let values: Vec<_> = states.iter().map(|(_, stored)| &stored.value[..]).collect();
    assert_eq!(values, [&b"1"[..], b"2"]);
    for stream in [FACTS, EVENTS] {
        let entries = store.poll(stream, Cursor::START, 9).await.expect("reads");
        assert_eq!(entries.len(), 1, "{stream:?}");
    }
}

async fn is_open(world: &World) -> bool {
    let gates = world.hot.gates(PARTITION).await.expect("gates");
    gates.closed.is_none()
}

/// Says how often the processes have recovered the partition.
fn recoveries(stores: &[JournaledStore]) -> u64 {
    stores.iter().map(|it| it.recoveries_of(PARTITION)).sum()
}

/// Stops for ever at one of the calls of a recovery, counted from 0.
#[derive(Debug)]
struct DiesAt(usize, AtomicUsize);

#[async_trait]
impl Hook for DiesAt {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if matches!(call.operation, Operation::Restore | Operation::OpenGate) {
            let number = self.1.fetch_add(1, Ordering::Relaxed);
            if number >= self.0 {
                // A dead process holds nothing open.
                std::future::pending::<()>().await;
            }
        } else if call.operation == Operation::HoldGate && self.1.load(Ordering::Relaxed) > self.0 {
            std::future::pending::<()>().await;
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_gate_of_a_process_that_died_while_it_recovered_opens_within_its_time() {
    let mut deaths = 0;
    loop {
        let world = World::new();
        let store = world.process().await;
        fill(&world, &store).await;
        world.hot.clear();
        let hook = Arc::new(DiesAt(deaths, AtomicUsize::new(0)));
        let dying = world
            .process_on(world.hot.with_hook(Arc::clone(&hook) as Arc<dyn Hook>))
            .await;
        let died = tokio::spawn(async move { dying.recover(PARTITION).await });
        let closed = async {
            while is_open(&world).await && !died.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        closed.await;
        let left = Instant::now();
        // A worker asks again and again, as its engine does.
        let epoch = 1_000;
        world.log.set_epoch(SLOT, epoch);
        while let Err(error) = store.open(SLOT, epoch).await {
            assert!(matches!(error, HotError::Unavailable(_)), "{error}");
            tokio::time::advance(AGAIN).await;
        }
        assert!(
            left.elapsed() <= limits::GATE_TTL * 11 / 10,
            "{:?}",
            left.elapsed()
        );
        check(&world, &store).await;
        if died.is_finished() {
            break;
        }
        assert_eq!(store.recoveries_of(PARTITION), 1, "after {deaths} calls");
        died.abort();
        deaths += 1;
    }
    assert!(
        deaths > 5,
        "it died after closing, in the middle, and before opening"
    );
}

#[tokio::test(start_paused = true)]
async fn of_all_who_notice_a_loss_one_recovers_and_the_others_wait() {
    let world = World::new();
    let store = world.process().await;
    fill(&world, &store).await;
    let reader_epoch = world.open(&store, READER, 1).await;
    let read = commit(reader_epoch, 1);
    store.commit(READER, &read).await.expect("commits");
    let others = [world.process().await, world.process().await];
    let stores = [store, others[0].clone(), others[1].clone()];
    world.hot.clear();
    // Services open their slots, clients append, somebody folds, each at every process.
    let slots = [SLOT, READER];
    let opens = stores
        .iter()
        .flat_map(|store| slots.map(|slot| open_surely(&world, store, slot)));
    let appends = stores
        .iter()
        .map(|store| persist(async move || append(store, 1, 2).await));
    let folds = stores.iter().map(|store| async {
        // It gives up where somebody else is at it, and tries again some seconds later.
        drop(store.fold(SLOT).await);
    });
    futures::join!(
        futures::future::join_all(opens),
        futures::future::join_all(appends),
        futures::future::join_all(folds)
    );
    assert_eq!(recoveries(&stores), 1);
    check(&world, &stores[0]).await;
}

/// Opens a slot, under a higher epoch where a recovery or another process has fenced the last.
async fn open_surely(world: &World, store: &JournaledStore, slot: Slot) {
    let mut epoch = 1;
    loop {
        world.log.set_epoch(slot, epoch);
        match store.open(slot, epoch).await {
            Ok(_) => return,
            Err(HotError::Fenced { current, .. }) => epoch = current + 1,
            Err(HotError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asks until there is an answer.
async fn persist<T>(ask: impl AsyncFn() -> Result<T, HotError>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(HotError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Has another process recover the partition right before one of the calls about gates, counted
/// from 0.
#[derive(Debug)]
struct ComesBefore(JournaledStore, usize, AtomicUsize);

#[async_trait]
impl Hook for ComesBefore {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if matches!(call.operation, Operation::Gates | Operation::CloseGate)
            && self.2.fetch_add(1, Ordering::Relaxed) == self.1
        {
            self.0.recover(PARTITION).await?;
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn who_noticed_a_loss_before_another_recovered_it_finds_it_done() {
    // Before it asks for the gates, before its turn to recover, and before it closes the gate.
    for number in 0..4 {
        for is_append in [true, false] {
            let world = World::new();
            let store = world.process().await;
            fill(&world, &store).await;
            let hook = Arc::new(ComesBefore(store.clone(), number, AtomicUsize::new(999)));
            let late = world
                .process_on(world.hot.with_hook(Arc::clone(&hook) as Arc<dyn Hook>))
                .await;
            append(&late, 3, 3).await.expect("taken");
            world.hot.clear();
            hook.2.store(0, Ordering::Relaxed);
            if is_append {
                append(&late, 4, 4).await.expect("taken");
            } else {
                open_surely(&world, &late, SLOT).await;
            }
            assert_eq!(recoveries(&[store, late]), 1, "before call {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_no_gate_closed() {
    let world = World::new();
    let store = world.process().await;
    fill(&world, &store).await;
    let slow = world
        .process_on(world.hot.with_hook(Arc::new(SlowRestore)))
        .await;
    append(&slow, 3, 3).await.expect("taken");
    world.hot.clear();
    let deadline = Duration::from_millis(30);
    let given_up = tokio::time::timeout(deadline, append(&slow, 4, 4)).await;
    given_up.expect_err("it takes longer");
    assert!(!is_open(&world).await, "in the middle of it");
    let appended = persist(async || append(&store, 5, 5).await).await;
    assert_eq!(appended, hot::Appended::Applied);
    assert_eq!(recoveries(&[slow, store]), 1);
}

/// Takes its time for each part.
#[derive(Debug)]
struct SlowRestore;

#[async_trait]
impl Hook for SlowRestore {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Restore {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

/// Takes no commits.
#[derive(Debug)]
struct NoCommit;

#[async_trait]
impl Hook for NoCommit {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        if call.operation == Operation::Commit {
            return Err(HotError::unavailable("it is gone"));
        }
        Ok(Delivery::Once)
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

/// A commit that a process logs before it dies: a state with a timer, and a fact.
async fn log_and_die(world: &World, epoch: u64, seq: u64) {
    let dying = world
        .process_on(world.hot.with_hook(Arc::new(NoCommit)))
        .await;
    let due = Timestamp::from_millis(5);
    let (timer, adds_entry) = Timer::NONE.set(Some(due));
    let logged = Commit {
        states: vec![StateWrite {
            timer,
            adds_entry,
            ..state(b"late", Some(b"3"))
        }],
        outputs: vec![(FACTS.name, Bytes::from_static(b"another fact"))],
        ..commit(epoch, seq)
    };
    dying.commit(SLOT, &logged).await.expect_err("is gone");
}

/// Checks that such a commit is in effect, once.
async fn check_logged(world: &World, store: &JournaledStore) {
    let late = StateKey::from_static(b"late");
    let loaded = store.load(SLOT, &[late]).await.expect("loads");
    assert_eq!(loaded[0].as_ref().expect("is there").value, "3");
    assert_eq!(world.hot.timers(SLOT).len(), 1);
    let facts = store.poll(FACTS, Cursor::START, 9).await.expect("reads");
    assert_eq!(facts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_did_not_reach_the_store_is_applied_and_no_other_service_is_fenced() {
    let world = World::new();
    let store = world.process().await;
    let epoch = fill(&world, &store).await;
    let reader_epoch = world.open(&store, READER, 1).await;
    log_and_die(&world, epoch, 3).await;
    world.log.set_epoch(SLOT, epoch + 1);
    let head = store.open(SLOT, epoch + 1).await.expect("opens");
    assert_eq!((head.commit_seq, head.epoch), (3, epoch + 1));
    check_logged(&world, &store).await;
    assert_eq!(store.recoveries_of(PARTITION), 0);
    let mine = commit(reader_epoch, 1);
    store.commit(READER, &mine).await.expect("nobody is fenced");
    let next = commit(epoch + 1, 4);
    store.commit(SLOT, &next).await.expect("goes on");
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_worker_that_was_fenced_while_it_was_logged_needs_no_other_recovery() {
    let world = World::new();
    let store = world.process().await;
    let epoch = fill(&world, &store).await;
    store.fold(SLOT).await.expect("a snapshot");
    world.hot.clear();
    store.recover(PARTITION).await.expect("recovers");
    // Its statement was under way when the leases were raised.
    let fence = world.hot.head(SLOT).await.expect("a head").epoch;
    world.log.set_epoch(SLOT, fence);
    log_and_die(&world, fence, 3).await;
    world.open(&store, SLOT, fence + 1).await;
    check_logged(&world, &store).await;
    assert_eq!(store.recoveries_of(PARTITION), 1);
    assert!(epoch < fence);
}

#[tokio::test(start_paused = true)]
async fn an_emptied_slot_with_one_commit_is_recovered_with_its_streams() {
    let world = World::new();
    let store = world.process().await;
    let epoch = world.open(&store, SLOT, 1).await;
    let only = Commit {
        outputs: vec![(FACTS.name, Bytes::from_static(b"a fact"))],
        ..commit(epoch, 1)
    };
    store.commit(SLOT, &only).await.expect("commits");
    world.hot.clear();
    world.open(&store, SLOT, epoch).await;
    assert_eq!(store.recoveries_of(PARTITION), 1);
    let facts = store.poll(FACTS, Cursor::START, 9).await.expect("reads");
    assert_eq!(facts.len(), 1);
}

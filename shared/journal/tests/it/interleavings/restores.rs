//! A store that goes away or back while it is restored, or while a snapshot is made.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hot::memory::{self, Delivery, Hook, Operation};
use hot::{
    Commit, CounterKey, Cursor, HotError, HotStore, MemoryStore, Owner, PageBounds, QuarantineId,
    Slot, StateKey,
};
use journal::{Call, Fault, Log};

use super::{
    EVENTS, FACTS, FailingRestore, PARTITION, SLOT, World, append, commit, consume, state,
};

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

#[tokio::test(start_paused = true)]
async fn a_commit_on_what_an_older_copy_gave_is_not_logged() {
    let world = World::new();
    let store = world.process().await;
    let epoch = world.open(&store, SLOT, 1).await;
    append(&store, 1, 1).await.expect("taken");
    consume(&store, commit(epoch, 1)).await;
    append(&store, 2, 2).await.expect("taken");
    let copy = world.hot.snapshot();
    consume(&store, commit(epoch, 2)).await;
    // The entry is there again, and its reader, which asks for nothing else, takes it for a new one.
    world.hot.roll_back_silently(copy);
    let again = store.poll(EVENTS, Cursor::START, 10).await.expect("reads");
    assert_eq!(again.len(), 1);
    let decided = Commit {
        outputs: vec![(FACTS.name, Bytes::from_static(b"once more"))],
        ..commit(epoch, 3)
    };
    store.commit(SLOT, &decided).await.expect_err("refused");
    store.recover(PARTITION).await.expect("recovers");
    assert_eq!(world.hot.head(SLOT).await.expect("a head").commit_seq, 2);
    let facts = store.poll(FACTS, Cursor::START, 9).await.expect("reads");
    assert_eq!(facts, []);
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

    // The first attempt ends after the states are written, and before the store is said to have
    // them.
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

#[tokio::test(start_paused = true)]
async fn a_quarantine_keeps_its_ids_where_the_commits_that_filled_it_are_cut() {
    let world = World::new();
    let store = world.process().await;
    world.open(&store, SLOT, 1).await;
    let id = |commit_seq, index| QuarantineId { commit_seq, index };
    let aside = |seq, entries: &[&'static str], released: &[QuarantineId]| Commit {
        quarantine: entries
            .iter()
            .map(|it| Bytes::from_static(it.as_bytes()))
            .collect(),
        released: released.to_vec(),
        ..commit(1, seq)
    };
    let commits = [
        aside(1, &["a", "bb", "ccc"], &[]),
        aside(2, &["d"], &[id(1, 0)]),
        // Released after the snapshot that has it, and after the one that has not.
        aside(3, &["e", "f"], &[id(1, 2), id(2, 0)]),
        aside(4, &["d"], &[id(3, 1), id(1, 2)]),
    ];
    for (commit, is_folded) in commits.iter().zip([true, false, true, false]) {
        store.commit(SLOT, commit).await.expect("commits");
        if is_folded {
            store.fold(SLOT).await.expect("a snapshot");
        }
    }
    assert!(world.log.head(SLOT).await.expect("a head").first_seq > 2);
    let expected = [(id(1, 1), "bb"), (id(3, 0), "e"), (id(4, 0), "d")];
    for is_lost in [false, true] {
        if is_lost {
            world.hot.clear();
            store.recover(PARTITION).await.expect("recovers");
        }
        let found = store
            .quarantined(SLOT, None, PageBounds::entries(9))
            .await
            .expect("a list");
        let found: Vec<_> = found.iter().map(|it| (it.id, &it.payload[..])).collect();
        assert_eq!(
            found,
            expected.map(|(id, payload)| (id, payload.as_bytes()))
        );
        let size = store.quarantine_size(SLOT).await.expect("a size");
        assert_eq!((size.records, size.bytes), (3, 4));
    }
}

/// Lets so many parts be restored, and no other.
#[derive(Debug)]
struct RestoresUpTo(usize, AtomicUsize);

#[async_trait]
impl Hook for RestoresUpTo {
    async fn before(&self, call: memory::Call<'_>) -> Result<Delivery, HotError> {
        let is_restore = call.operation == Operation::Restore;
        if is_restore && self.1.fetch_add(1, Ordering::Relaxed) >= self.0 {
            return Err(HotError::unavailable("it is gone"));
        }
        // A call that gets through gets through twice.
        Ok(if is_restore {
            Delivery::Twice
        } else {
            Delivery::Once
        })
    }

    async fn after(&self, _call: memory::Call<'_>, _is_done: bool) -> Result<(), HotError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_commits_count_is_counted_once_wherever_a_recovery_breaks_off() {
    let counted = |seq, dropped: &[&str], counters: &[(&str, i64)]| Commit {
        dropped_groups: dropped.iter().map(|group| (*group).into()).collect(),
        counters: counters
            .iter()
            .map(|(group, change)| (CounterKey::new(*group, "n"), *change))
            .collect(),
        ..commit(1, seq)
    };
    let commits = [
        counted(1, &[], &[("a", 1), ("b", 10), ("c", 100)]),
        counted(2, &[], &[("a", 2), ("b", 20)]),
        counted(3, &["c"], &[("a", 3), ("d", 7)]),
        counted(4, &["b", "d"], &[("a", 4), ("b", 5)]),
        counted(5, &[], &[("a", -5), ("b", 1)]),
    ];
    // Folded after none of the commits, after one, or after several.
    for folds in [&[][..], &[1], &[3], &[1, 4], &[2, 3, 4], &[5]] {
        for parts in 0..12 {
            let world = World::new();
            let store = world.process().await;
            world.open(&store, SLOT, 1).await;
            for commit in &commits {
                store.commit(SLOT, commit).await.expect("commits");
                if folds.contains(&commit.seq) {
                    store.fold(SLOT).await.expect("a snapshot");
                }
            }
            world.hot.clear();
            let breaking = Arc::new(RestoresUpTo(parts, AtomicUsize::new(0)));
            let first = world.process_on(world.hot.with_hook(breaking)).await;
            drop(first.recover(PARTITION).await);
            tokio::time::sleep(hot::limits::GATE_TTL).await;
            store.recover(PARTITION).await.expect("recovers");
            let groups = store.counter_groups(SLOT).await.expect("groups");
            assert_eq!(groups, ["a", "b"].map(Box::from), "{folds:?} {parts}");
            let counters = store.counters(SLOT, &["a", "b"]).await.expect("counters");
            let expected = [("a", 5), ("b", 6)].map(|(group, n)| (CounterKey::new(group, "n"), n));
            assert_eq!(counters, expected, "{folds:?} {parts}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_on_a_store_that_lost_what_it_had_is_not_logged() {
    for is_emptied in [true, false] {
        let world = World::new();
        let store = world.process().await;
        world.open(&store, SLOT, 1).await;
        let older = world.hot.snapshot();
        let written = Commit {
            states: vec![state(b"customer", Some(b"all of a history"))],
            ..commit(1, 1)
        };
        store.commit(SLOT, &written).await.expect("commits");
        // Nobody is told, so the worker goes on: it loads a state, finds none, and decides on that.
        if is_emptied {
            world.hot.clear();
        } else {
            world.hot.roll_back_silently(older);
        }
        let key = StateKey::from_static(b"customer");
        let loaded = store.load(SLOT, &[key]).await.expect("loads");
        assert_eq!(loaded, [None]);
        let decided = Commit {
            states: vec![state(b"customer", Some(b"a first event"))],
            ..commit(1, 2)
        };
        let refused = store.commit(SLOT, &decided).await.expect_err("refused");
        assert!(
            matches!(refused, HotError::Fenced { .. } | HotError::Gap { .. }),
            "{refused}"
        );
        world.open(&store, SLOT, 1).await;
        let states = world.hot.states(SLOT);
        assert_eq!(states.len(), 1);
        assert_eq!(states[0].1.value, "all of a history");
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

    // The log goes away once the streams are emptied, comes back, and goes away again when slots
    // are compared.
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

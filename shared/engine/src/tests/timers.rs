//! The index of timers: when its entries come up, which of them count, and what it costs to move a
//! timer.

use std::sync::Arc;

use hot::{Commit, MemoryStore, StateWrite, StreamName, Timer};
use kernel::Timestamp;

use super::driver::{Bench, event, key, memory, memory_at, settle, slot, tick};
use crate::worker::TickOutcome;
use crate::{TimeSource, VirtualClock};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn timer(due: Option<i64>, entry: Option<i64>) -> Timer {
    Timer {
        due: due.map(at),
        entry: entry.map(at),
    }
}

/// The entries of the index.
async fn index(bench: &Bench) -> Vec<(u8, i64)> {
    let due = bench.hot.due(slot(0), Timestamp::MAX, 1_000).await;
    let entries = due.expect("the index").timers.into_iter();
    entries
        .map(|(key, time)| (key[0], time.as_millis()))
        .collect()
}

fn timer_of(memory: &MemoryStore, customer: u8) -> Option<Timer> {
    let states = memory.states(slot(0));
    let found = states.iter().find(|(of, _)| *of == key(customer));
    found.map(|(_, stored)| stored.timer)
}

async fn over(memory: &MemoryStore) -> Bench {
    Bench::new().await.over(Arc::new(memory.clone()))
}

#[tokio::test]
async fn a_timer_that_moves_later_costs_the_index_nothing_and_fires_when_it_is_due() {
    let memory = memory();
    let bench = over(&memory).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    for (id, what, time) in [
        ("a", "wait:10", 0),
        ("b", "wait:20", 2),
        ("c", "wait:40", 5),
    ] {
        let records = vec![event(1, id, what, time)];
        bench.append(0, StreamName::Events, records).await;
        settle(&mut worker).await;
        assert_eq!(index(&bench).await, [(1, 10)], "after {id}");
    }
    assert_eq!(timer_of(&memory, 1), Some(timer(Some(45), Some(10))));
    // The entry comes up, and the timer is not due yet.
    bench.append(0, StreamName::Events, vec![tick(44)]).await;
    settle(&mut worker).await;
    assert_eq!(timer_of(&memory, 1), Some(timer(Some(45), Some(45))));
    assert_eq!(index(&bench).await, [(1, 45)]);
    bench.append(0, StreamName::Events, vec![tick(45)]).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a", "b", "c", "fired@45"]);
    assert_eq!(index(&bench).await, []);
}

#[tokio::test]
async fn an_entry_that_comes_up_too_early_leads_to_the_right_place_in_the_same_batch() {
    let bench = over(&memory()).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    let records = vec![event(1, "a", "wait:10", 0), event(1, "b", "wait:25", 1)];
    bench.append(0, StreamName::Events, records).await;
    settle(&mut worker).await;
    let records = vec![
        event(2, "c", "wait:10", 12),
        event(3, "d", "add", 24),
        event(3, "e", "add", 30),
    ];
    bench.append(0, StreamName::Events, records).await;
    assert!(settle(&mut worker).await > 0);
    assert_eq!(
        bench.facts(0).await,
        ["a@0", "b@1", "c@12", "fired@22", "d@24", "fired@26", "e@30"]
    );
}

#[tokio::test]
async fn entries_that_lead_nowhere_are_removed_and_nothing_else_happens() {
    let memory = memory();
    let bench = over(&memory).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    for records in [
        vec![
            event(1, "a", "wait:50", 0),
            event(2, "b", "wait:50", 0),
            event(3, "c", "wait:50", 0),
        ],
        // Earlier: the entry before counts no more. Gone, and gone with the state.
        vec![
            event(1, "d", "wait:9", 1),
            event(2, "e", "clear", 1),
            event(3, "f", "remove", 1),
        ],
    ] {
        bench.append(0, StreamName::Events, records).await;
        settle(&mut worker).await;
    }
    assert_eq!(index(&bench).await, [(1, 10), (1, 50), (2, 50), (3, 50)]);
    bench.append(0, StreamName::Events, vec![tick(60)]).await;
    // Another worker knows nothing but what is stored.
    let mut worker = bench.worker(0, 2, TimeSource::Stream).await;
    settle(&mut worker).await;
    assert_eq!(index(&bench).await, []);
    assert_eq!(bench.log(0, 1).await, ["a", "d", "fired@10"]);
    assert_eq!(bench.log(0, 2).await, ["b", "e"]);
    assert_eq!(timer_of(&memory, 2), Some(Timer::NONE));
    assert_eq!(timer_of(&memory, 3), None);
    assert_eq!(bench.count("fired").await, 1);
}

#[tokio::test]
async fn bytes_that_nobody_can_read_outlive_every_entry() {
    let memory = memory();
    let bench = over(&memory).await;
    bench.hot.open(slot(0), 1).await.expect("it opens");
    let (timer_before, adds_entry) = Timer::NONE.set(Some(at(3)));
    let (moved, _) = timer_before.set(Some(at(8)));
    let damaged = Commit {
        epoch: 1,
        seq: 1,
        batch_id: 7,
        states: vec![StateWrite {
            key: key(1),
            value: Some("no".into()),
            timer: timer_before,
            adds_entry,
        }],
        ..Commit::default()
    };
    let later = Commit {
        seq: 2,
        states: vec![StateWrite {
            timer: moved,
            adds_entry: false,
            ..damaged.states[0].clone()
        }],
        ..damaged.clone()
    };
    for commit in [damaged, later] {
        bench
            .hot
            .commit(slot(0), &commit)
            .await
            .expect("it commits");
    }
    let mut worker = bench.worker(0, 2, TimeSource::Stream).await;
    for (time, timer, set_aside) in [
        (5, timer(Some(8), Some(8)), 0),
        (9, timer(Some(10_008), Some(10_008)), 1),
        (20, timer(Some(10_008), Some(10_008)), 1),
        // Tried again and still the same entry.
        (10_010, timer(Some(30_008), Some(30_008)), 1),
    ] {
        bench.append(0, StreamName::Events, vec![tick(time)]).await;
        settle(&mut worker).await;
        let states = memory.states(slot(0));
        assert_eq!(states[0].1.value, "no", "at {time}");
        assert_eq!(states[0].1.timer, timer, "at {time}");
        let size = bench.hot.quarantine_size(slot(0)).await;
        assert_eq!(size.expect("a size").records, set_aside, "at {time}");
    }
}

#[tokio::test]
async fn on_a_clock_a_worker_sleeps_until_the_entry_and_then_until_the_timer() {
    let clock = Arc::new(VirtualClock::new(at(1_000)));
    let bench = over(&memory_at(&clock)).await;
    let mut worker = bench.worker(0, 1, TimeSource::Wall(clock.clone())).await;
    for what in ["wait:50", "wait:80"] {
        let records = vec![event(1, what, what, 0)];
        bench.append(0, StreamName::Events, records).await;
        settle(&mut worker).await;
    }
    for (now, next, fired) in [
        (1_010, Some(1_050), 0),
        (1_050, Some(1_080), 0),
        (1_080, None, 1),
    ] {
        clock.advance_to(at(now));
        settle(&mut worker).await;
        let TickOutcome::Idle { next_due } = worker.tick().await else {
            panic!("it rests")
        };
        let next_due = next_due.filter(|due| *due < Timestamp::MAX);
        assert_eq!(next_due, next.map(at), "at {now}");
        assert_eq!(bench.count("fired").await, fired, "at {now}");
    }
}

//! Changes for consumers outside: what an effective commit changed comes into the log once and in
//! order, whatever goes wrong, and its states are bounded and go again.

mod bounds;
mod desk;
mod erased;
mod random;

use std::sync::Arc;

use hot::{HotError, SharedHotStore, StreamName};
use kernel::PartitionId;

use self::desk::{Desk, Log, names};
use super::counting::Counting;
use super::driver::{Bench, event, memory, settle, tick};
use super::faulty::{Fault, Faulty};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, TimeSource};

/// The turn at which the rest of the events comes.
const REST_AT: u32 = 6;
/// The turns of a scenario.
const TURNS: u32 = 60;

/// The settings of a process with a desk.
fn config(bench: &Bench, hot: SharedHotStore, desk: &Arc<Desk>) -> EngineConfig<Counting> {
    let sink = Arc::clone(desk);
    bench.config(hot, TimeSource::Stream).with_changes(sink)
}

/// The worker of partition 0 in a process with a desk.
async fn worker(bench: &Bench, desk: &Arc<Desk>, epoch: u64) -> Worker<Counting> {
    let config = config(bench, Arc::clone(&bench.hot), desk);
    let worker = Worker::open(config, PartitionId::new(0), epoch).await;
    worker.expect("it opens")
}

async fn add(bench: &Bench, id: &str, what: &str) {
    let records = vec![event(1, id, what, 0)];
    bench.append(0, StreamName::Events, records).await;
}

/// The names of the facts of partition 0: each was told as a change in the same commit.
async fn facts(bench: &Bench) -> Vec<String> {
    let facts = bench.facts(0).await;
    let name = |fact: &String| fact.split('@').next().unwrap_or_default().to_owned();
    let names = facts.iter().map(name);
    names.filter(|name| name != "tick").collect()
}

/// The first events, one of which cannot be processed, and a wait.
async fn feed(bench: &Bench) {
    let first = vec![
        event(1, "a", "add", 10),
        event(2, "b", "wait:15", 11),
        event(1, "c", "poison", 12),
        event(3, "d", "panic", 13),
        event(1, "e", "add", 14),
    ];
    bench.append(0, StreamName::Events, first).await;
}

/// The last events, with one that ends the wait.
async fn feed_rest(bench: &Bench) {
    let last = vec![
        event(2, "f", "add", 20),
        event(3, "g", "remove", 30),
        tick(60),
    ];
    bench.append(0, StreamName::Events, last).await;
}

/// Runs the scenario over a store that fails at one call; after the failure the worker goes on, or
/// another process takes over. Returns the number of calls.
async fn run(fails_at: u64, fault: Fault, crashes: bool, answers: bool) -> u64 {
    let bench = Bench::on(Arc::new(memory()));
    feed(&bench).await;
    let faulty = Faulty::new(Arc::clone(&bench.hot), fails_at, fault);
    let (log, mut epoch) = (Log::default(), 0);
    let mut desk = Desk::new(&log);
    let what = format!("call {fails_at} {fault:?} crashes {crashes} answers {answers}");
    let mut worker = None;
    for turn in 0..TURNS {
        if turn == REST_AT {
            feed_rest(&bench).await;
        }
        let Some(own) = &mut worker else {
            epoch += 1;
            desk = Desk::new(&log);
            let config = config(&bench, Arc::clone(&faulty) as SharedHotStore, &desk);
            worker = match Worker::open(config, PartitionId::new(0), epoch).await {
                Ok(worker) => Some(worker),
                Err(HotError::Unavailable(_)) => None,
                Err(error) => panic!("{what}: {error}"),
            };
            continue;
        };
        own.hint(ALL_LANES);
        let outcome = own.tick().await;
        // The log is behind by one tick or two, and its answer may be lost.
        if turn % 2 == 0 {
            desk.write(answers || turn % 4 == 0);
        }
        match outcome {
            TickOutcome::Unavailable(_) if crashes => worker = None,
            TickOutcome::Lost(error) => panic!("{what}: {error}"),
            _ => {}
        }
    }
    desk.write(true);
    let facts = facts(&bench).await;
    assert_eq!(facts, ["a", "b", "e", "f", "fired"], "{what}");
    assert_eq!(names(&log), facts, "{what}");
    faulty.calls()
}

#[tokio::test]
async fn every_change_is_logged_once_and_in_order_whatever_call_fails() {
    let calls = run(u64::MAX, Fault::Before, false, true).await;
    for crashes in [false, true] {
        for fault in [Fault::Before, Fault::After] {
            for answers in [false, true] {
                for fails_at in 1..=calls.min(60) {
                    run(fails_at, fault, crashes, answers).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_old_owner_and_a_new_one_log_what_both_know_once() {
    for old_is_first in [true, false] {
        let bench = Bench::on(Arc::new(memory()));
        let log = Log::default();
        let [old_desk, new_desk] = [(), ()].map(|()| Desk::new(&log));
        let mut old = worker(&bench, &old_desk, 1).await;
        for id in ["a", "b"] {
            add(&bench, id, "add").await;
            settle(&mut old).await;
        }
        let mut new = worker(&bench, &new_desk, 2).await;
        assert_eq!(new_desk.waiting(), 2);
        add(&bench, "c", "add").await;
        settle(&mut new).await;
        add(&bench, "d", "add").await;
        old.hint(ALL_LANES);
        assert!(matches!(old.tick().await, TickOutcome::Lost(_)));
        let (first, second) = if old_is_first {
            (&old_desk, &new_desk)
        } else {
            (&new_desk, &old_desk)
        };
        first.write(true);
        second.write(true);
        assert_eq!(names(&log), ["a", "b", "c"], "{old_is_first}");
        assert!(new_desk.is_open() && old_desk.is_open());
        drop(old);
        assert!(!old_desk.is_open(), "a worker that ends says so");
    }
}

#[tokio::test]
async fn what_comes_instead_of_what_a_store_lost_is_taken_for_something_else() {
    for is_logged in [true, false] {
        let memory = memory();
        let bench = Bench::on(Arc::new(memory.clone()));
        let log = Log::default();
        let desk = Desk::new(&log);
        let mut worker = worker(&bench, &desk, 1).await;
        add(&bench, "a", "add").await;
        settle(&mut worker).await;
        let older = memory.snapshot();
        add(&bench, "b", "add").await;
        settle(&mut worker).await;
        if is_logged {
            desk.write(true);
        }
        // The same lease, and the same number of a commit.
        memory.roll_back_silently(older);
        add(&bench, "c", "add").await;
        worker.doubt();
        settle(&mut worker).await;
        desk.write(true);
        let expected: &[&str] = if is_logged {
            &["a", "b", "c"]
        } else {
            &["a", "c"]
        };
        assert_eq!(names(&log), expected, "{is_logged}");
    }
}

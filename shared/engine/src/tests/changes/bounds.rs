//! The share of changes in commits and in the store.

use std::sync::Arc;

use hot::StreamName;
use kernel::PartitionId;

use super::{Desk, Log, add, config, names, worker};
use crate::limits;
use crate::shared::ALL_LANES;
use crate::tests::driver::{Bench, event, memory, quarantined, settle, slot};
use crate::tests::faulty::Faulty;
use crate::worker::{TickOutcome, Worker};

/// A store in memory that is watched, a log, and a worker with its desk.
async fn watched() -> (Bench, Arc<Faulty>, Log, Arc<Desk>) {
    let bench = Bench::on(Arc::new(memory()));
    let faulty = Faulty::watching(Arc::clone(&bench.hot));
    let bench = bench.over(Arc::clone(&faulty) as hot::SharedHotStore);
    let log = Log::default();
    let desk = Desk::new(&log);
    (bench, faulty, log, desk)
}

/// The numbers of states that commits wrote or removed since this was asked last.
fn states(faulty: &Faulty) -> Vec<usize> {
    let commits = faulty.take_commits().into_iter();
    commits.map(|commit| commit.states).collect()
}

#[tokio::test]
async fn a_commit_stores_its_changes_in_one_state_and_later_ones_remove_what_is_logged() {
    let (bench, faulty, log, desk) = watched().await;
    let mut worker = worker(&bench, &desk, 1).await;
    for id in ["a", "b", "c"] {
        add(&bench, id, "add").await;
        settle(&mut worker).await;
    }
    assert_eq!(states(&faulty), [2, 2, 2]);
    desk.write(true);
    // It writes over one that is logged, and removes the two others.
    add(&bench, "d", "add").await;
    settle(&mut worker).await;
    assert_eq!(states(&faulty), [4]);
    add(&bench, "e", "skip").await;
    settle(&mut worker).await;
    assert_eq!(states(&faulty), [0], "the log does not have the last one");
    desk.write(true);
    for expected in [1, 0] {
        add(&bench, "f", "skip").await;
        settle(&mut worker).await;
        assert_eq!(states(&faulty), [expected]);
    }
    assert_eq!(names(&log), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn where_there_is_no_log_nothing_is_stored() {
    let (bench, faulty, ..) = watched().await;
    let mut worker = bench.worker(0, 1, crate::TimeSource::Stream).await;
    add(&bench, "a", "add").await;
    settle(&mut worker).await;
    assert_eq!(states(&faulty), [1]);
}

#[tokio::test]
async fn an_idle_worker_removes_much_that_is_logged_and_leaves_a_little() {
    for (bytes, commits) in [(limits::LOGGED_BYTES / 2, 0), (limits::LOGGED_BYTES, 1)] {
        let (bench, faulty, _, desk) = watched().await;
        let mut worker = worker(&bench, &desk, 1).await;
        add(&bench, "a", &format!("tell:{bytes}")).await;
        settle(&mut worker).await;
        states(&faulty);
        settle(&mut worker).await;
        assert!(states(&faulty).is_empty(), "the log does not have it");
        desk.write(true);
        settle(&mut worker).await;
        assert_eq!(states(&faulty), vec![1; commits]);
        settle(&mut worker).await;
        assert!(states(&faulty).is_empty());
    }
}

#[tokio::test]
async fn changes_that_are_large_together_end_a_batch_and_fit_into_states() {
    let (bench, faulty, log, desk) = watched().await;
    let mut worker = worker(&bench, &desk, 1).await;
    let size = limits::CHANGES_PER_STATE_BYTES * 5 / 8;
    let ids: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let events = ids
        .iter()
        .map(|id| event(1, id, &format!("tell:{size}"), 0));
    bench.append(0, StreamName::Events, events.collect()).await;
    let batches = settle(&mut worker).await;
    let commits = faulty.take_commits();
    assert_eq!((batches, commits.len()), (3, 3));
    for commit in commits {
        assert!(commit.bytes < limits::BYTES_PER_BATCH + size + 1_024);
        assert!(commit.states > 2, "its changes are in several states");
    }
    desk.write(true);
    let told: Vec<String> = names(&log).into_iter().filter(|it| it.len() < 9).collect();
    assert_eq!(told, ids);
}

#[tokio::test]
async fn a_change_that_fits_into_no_state_is_set_aside_with_its_cause() {
    let (bench, _, log, desk) = watched().await;
    let mut worker = worker(&bench, &desk, 1).await;
    let size = hot::limits::STATE_BYTES;
    let events = ["add", &format!("tell:{size}"), "add"];
    let events = (0..)
        .zip(events)
        .map(|(time, what)| event(1, what, what, time));
    bench.append(0, StreamName::Events, events.collect()).await;
    settle(&mut worker).await;
    desk.write(true);
    assert_eq!(names(&log), ["add", "add"]);
    let reasons = quarantined(bench.hot.as_ref(), slot(0)).await;
    let expected = format!("what it causes is too large: a state is over {size}");
    assert_eq!(reasons, [expected]);
}

/// Commits until the worker has to wait. Returns the number of commits.
async fn commit_until_held(bench: &Bench, worker: &mut Worker<super::Counting>, what: &str) -> u32 {
    for commits in 0..1_000 {
        add(bench, &commits.to_string(), what).await;
        worker.hint(ALL_LANES);
        match worker.tick().await {
            TickOutcome::Worked => {}
            TickOutcome::Held => return commits,
            other => panic!("unexpected {other:?}"),
        }
    }
    panic!("it is never held");
}

#[tokio::test]
async fn a_worker_waits_where_the_log_is_far_behind_and_nothing_is_dropped() {
    let most = u32::from(limits::CHANGE_STATES - limits::CHANGE_STATES_PER_COMMIT) + 1;
    let size = 200_000;
    let large = u32::try_from(limits::CHANGES_BYTES / size + 1).expect("a few");
    let tell = format!("tell:{size}");
    for (what, expected) in [("add", most), (tell.as_str(), large)] {
        let (bench, _, log, desk) = watched().await;
        let mut first = worker(&bench, &desk, 1).await;
        let commits = commit_until_held(&bench, &mut first, what).await;
        assert_eq!(commits, expected, "{what}");
        for _ in 0..3 {
            assert!(matches!(first.tick().await, TickOutcome::Held));
        }
        // So does the next owner, in another process.
        let desk = Desk::new(&log);
        let config = config(&bench, Arc::clone(&bench.hot), &desk);
        let second = Worker::open(config, PartitionId::new(0), 2).await;
        let mut second = second.expect("it opens");
        assert_eq!(u32::try_from(desk.waiting()), Ok(expected));
        assert!(matches!(second.tick().await, TickOutcome::Held));
        // The log has it, and the answer is lost.
        desk.write(false);
        assert!(matches!(second.tick().await, TickOutcome::Held));
        desk.write(true);
        settle(&mut second).await;
        desk.write(true);
        let told = names(&log).into_iter().filter(|name| name.len() < 9);
        let all = (0..=expected).map(|number| number.to_string());
        assert!(told.eq(all), "{what}");
    }
}

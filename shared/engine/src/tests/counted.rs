//! Counters that do not stay: those of definitions that are gone, and names beyond a bound.

use std::sync::Arc;

use decision::Core;
use hot::StreamName;

use super::driver::{Bench, event, settle, slot};
use super::refresh::{Published, open};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{Engine, Status as _, TimeSource, counters};

async fn take<C: Core>(bench: &Bench, worker: &mut Worker<C>, names: &[&str]) {
    let records = names.iter().map(|name| event(1, "x", name, 0)).collect();
    bench.append(0, StreamName::Events, records).await;
    settle(worker).await;
}

/// The counters of the groups that begin so, as texts.
async fn counted(bench: &Bench, prefix: &str) -> Vec<String> {
    let counters = counters::of_slot(bench.hot.as_ref(), slot(0), prefix).await;
    let counters = counters.expect("counters").into_iter();
    let mut counters: Vec<String> = counters.map(|(key, n)| format!("{key} {n}")).collect();
    counters.sort();
    counters
}

const COUNTED: [&str; 4] = [
    "count:version/1/ever",
    "count:version/1/present",
    "count:version/2/ever",
    "count:version/9/ever",
];
const ALL: [&str; 4] = [
    "version/1/ever 1",
    "version/1/present 1",
    "version/2/ever 1",
    "version/9/ever 1",
];

#[tokio::test]
async fn counters_of_what_is_gone_are_dropped_once_nothing_of_it_is_there() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(9);
    let mut worker = open(&published, &bench, 1).await;
    take(&bench, &mut worker, &COUNTED).await;
    assert_eq!(counted(&bench, "version/").await, ALL);
    // 9 is not defined, and it is looked at once for each set of definitions.
    take(&bench, &mut worker, &["add"]).await;
    assert_eq!(counted(&bench, "version/").await, ALL);
    // 2 and 9 are gone; of 1 something is still there. What is counted of 2 all the same is kept.
    published.known.send_replace(Arc::new(1));
    take(&bench, &mut worker, &["count:version/2/late"]).await;
    let left = [
        "version/1/ever 1",
        "version/1/present 1",
        "version/2/late 1",
    ];
    assert_eq!(counted(&bench, "version/").await, left);
    take(&bench, &mut worker, &["uncount:version/1/present"]).await;
    take(&bench, &mut worker, &["add"]).await;
    let left = [
        "version/1/ever 1",
        "version/1/present 0",
        "version/2/late 1",
    ];
    assert_eq!(counted(&bench, "version/").await, left, "not at each step");
    published.publish(1);
    let mut worker = open(&published, &bench, 2).await;
    take(&bench, &mut worker, &["add"]).await;
    assert_eq!(counted(&bench, "version/").await, [""; 0]);
}

#[tokio::test]
async fn more_groups_than_a_commit_drops_are_dropped_one_commit_after_the_other() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(1_000);
    let mut worker = open(&published, &bench, 1).await;
    let names: Vec<String> = (0..150)
        .map(|n| format!("count:version/{n}/ever"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    take(&bench, &mut worker, &names).await;
    published.known.send_replace(Arc::new(10));
    worker.hint(ALL_LANES);
    for left in [86, 22, 10] {
        assert!(matches!(worker.tick().await, TickOutcome::Worked));
        assert_eq!(counted(&bench, "version/").await.len(), left);
    }
    assert!(matches!(worker.tick().await, TickOutcome::Idle { .. }));
}

#[tokio::test]
async fn a_quiet_partition_drops_counters_of_what_is_gone() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(10);
    let config = published.config(&bench);
    let engine = Engine::start(config).await.expect("it starts");
    let records = COUNTED.iter().map(|name| event(1, name, name, 0));
    bench.append(0, StreamName::Events, records.collect()).await;
    engine.await_idle().await.expect("it rests");
    assert_eq!(counted(&bench, "version/").await, ALL);
    let seen = engine.await_idle().await.expect("it rests");
    // Nothing comes any more but the word that 2 and 9 are gone.
    published.known.send_replace(Arc::new(1));
    while counted(&bench, "version/").await.len() > 2 {
        tokio::task::yield_now().await;
    }
    let left = ["version/1/ever 1", "version/1/present 1"];
    assert_eq!(counted(&bench, "version/").await, left);
    // One commit did that, and no other definitions are looked at twice.
    published.known.send_replace(Arc::new(1));
    assert_eq!(engine.await_idle().await.expect("it rests"), seen + 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_partition_drops_what_is_gone_when_it_is_opened_though_nothing_comes() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(9);
    let mut worker = open(&published, &bench, 1).await;
    take(&bench, &mut worker, &COUNTED).await;
    published.publish(2);
    let mut worker = open(&published, &bench, 2).await;
    assert_eq!(settle(&mut worker).await, 1);
    let left = ["version/1/ever 1", "version/1/present 1"];
    assert_eq!(counted(&bench, "version/").await, left);
    assert_eq!(
        settle(&mut worker).await,
        0,
        "and then nothing is left to do"
    );
}

#[tokio::test]
async fn a_program_that_does_not_understand_what_is_published_drops_nothing() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(10);
    let mut newer = open(&published, &bench, 1).await;
    take(&bench, &mut newer, &COUNTED).await;
    let mut older = open(&Published::new(false), &bench, 2).await;
    take(&bench, &mut older, &["add"]).await;
    assert_eq!(counted(&bench, "version/").await, ALL);
}

#[tokio::test]
async fn names_beyond_the_bound_are_counted_together() {
    let bench = Bench::new().await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    let names = ["a", "b", "c", "a", "d"].map(|name| format!("count:bounded/{name}"));
    take(&bench, &mut worker, &names.each_ref().map(String::as_str)).await;
    let counts = ["bounded/a 2", "bounded/b 1", "bounded/other 2"];
    assert_eq!(counted(&bench, "bounded").await, counts);
    // Who takes the partition over counts the same names.
    let mut worker = bench.worker(0, 2, TimeSource::Stream).await;
    take(&bench, &mut worker, &["count:bounded/e", "count:bounded/b"]).await;
    let counts = ["bounded/a 2", "bounded/b 2", "bounded/other 3"];
    assert_eq!(counted(&bench, "bounded").await, counts);
}

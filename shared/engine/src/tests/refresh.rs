//! Definitions that another process changed: no batch is decided by older ones than it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use hot::{HotError, StreamName};
use kernel::PartitionId;
use tokio::sync::watch;

use super::counting::Counting;
use super::driver::{Bench, event, settle};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, Freshness, Refresh, TimeSource};

/// What is published, and what this process knows of it.
pub(super) struct Published {
    newest: AtomicI64,
    pub(super) known: watch::Sender<Arc<i64>>,
    /// How many of the next questions get no answer.
    silent: AtomicU64,
    is_understood: bool,
    asked: AtomicU64,
}

impl Published {
    pub(super) fn new(is_understood: bool) -> Arc<Self> {
        Arc::new(Self {
            newest: AtomicI64::new(0),
            known: watch::Sender::new(Arc::new(0)),
            silent: AtomicU64::new(0),
            is_understood,
            asked: AtomicU64::new(0),
        })
    }

    pub(super) fn config(self: &Arc<Self>, bench: &Bench) -> EngineConfig<Counting> {
        let mut config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
        config.definitions = self.known.subscribe();
        config.with_refresh(Arc::clone(self) as Arc<dyn Refresh>)
    }

    /// Another process publishes.
    pub(super) fn publish(&self, newest: i64) {
        self.newest.store(newest, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl Refresh for Published {
    async fn refresh(&self) -> Result<Freshness, HotError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let silent = self
            .silent
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if silent.is_ok() {
            return Err(HotError::unavailable("no answer"));
        }
        if !self.is_understood {
            return Ok(Freshness::Older);
        }
        let newest = self.newest.load(Ordering::SeqCst);
        self.known.send_replace(Arc::new(newest));
        Ok(Freshness::Newest)
    }
}

async fn need(bench: &Bench, id: &str, number: i64) {
    let records = vec![event(1, id, &format!("need:{number}"), 0)];
    bench.append(0, StreamName::Events, records).await;
}

pub(super) async fn open(
    published: &Arc<Published>,
    bench: &Bench,
    epoch: u64,
) -> Worker<Counting> {
    Worker::open(published.config(bench), PartitionId::new(0), epoch)
        .await
        .expect("it opens")
}

#[tokio::test]
async fn who_takes_a_partition_over_knows_what_its_last_worker_knew() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.publish(1);
    let mut worker = open(&published, &bench, 1).await;
    assert_eq!(published.asked(), 1);
    need(&bench, "a", 0).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
    assert_eq!(
        published.asked(),
        0,
        "a batch that lacks nothing asks nothing"
    );
}

#[tokio::test]
async fn a_partition_is_not_opened_before_it_is_known_what_is_published() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    published.silent.store(1, Ordering::SeqCst);
    let opened = Worker::open(published.config(&bench), PartitionId::new(0), 1).await;
    assert!(matches!(opened, Err(HotError::Unavailable(_))));
}

/// Never answers.
struct Silent;

#[async_trait]
impl Refresh for Silent {
    async fn refresh(&self) -> Result<Freshness, HotError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn nobody_waits_for_ever_for_word_of_what_is_published() {
    let bench = Bench::new().await;
    tokio::time::pause();
    let config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    let config = config.with_refresh(Arc::new(Silent));
    let opened = Worker::open(config, PartitionId::new(0), 1).await;
    assert!(matches!(opened, Err(HotError::Unavailable(_))));
}

#[tokio::test]
async fn what_is_not_defined_is_decided_once_it_is_known_that_nobody_defined_it() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    let mut worker = open(&published, &bench, 1).await;
    published.asked();
    // Defined meanwhile, elsewhere; and not defined anywhere.
    published.publish(1);
    need(&bench, "a", 0).await;
    settle(&mut worker).await;
    need(&bench, "b", 5).await;
    need(&bench, "c", 6).await;
    worker.hint(ALL_LANES);
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a", "b", "lacking", "c", "lacking"]);
    assert_eq!(published.asked(), 2, "once a batch");
}

#[tokio::test]
async fn nothing_is_decided_while_it_is_not_known_what_is_published() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    let mut worker = open(&published, &bench, 1).await;
    published.publish(1);
    published.silent.store(2, Ordering::SeqCst);
    need(&bench, "a", 0).await;
    for _ in 0..2 {
        let outcome = worker.tick().await;
        assert!(
            matches!(outcome, TickOutcome::Unavailable(_)),
            "{outcome:?}"
        );
    }
    assert!(bench.log(0, 1).await.is_empty());
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
}

#[tokio::test]
async fn a_partition_that_is_opened_again_goes_on_though_nobody_can_say_what_is_published() {
    let bench = Bench::new().await;
    let published = Published::new(true);
    let mut worker = open(&published, &bench, 1).await;
    published.silent.store(u64::MAX, Ordering::SeqCst);
    worker.doubt();
    need(&bench, "a", -1).await;
    settle(&mut worker).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
}

#[tokio::test]
async fn what_another_version_published_is_left_to_it() {
    let bench = Bench::new().await;
    let published = Published::new(false);
    // It can be opened: most of what is there needs nothing new.
    let mut worker = open(&published, &bench, 1).await;
    bench
        .append(0, StreamName::Events, vec![event(1, "a", "add", 0)])
        .await;
    settle(&mut worker).await;
    need(&bench, "b", 0).await;
    worker.hint(ALL_LANES);
    let outcome = worker.tick().await;
    assert!(
        matches!(outcome, TickOutcome::Unavailable(_)),
        "{outcome:?}"
    );
    assert_eq!(bench.log(0, 1).await, ["a"]);
}

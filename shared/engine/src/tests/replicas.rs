//! Replicas come and go under load: how long a partition rests, and that nothing is lost by it.

use std::sync::Arc;
use std::time::Duration;

use hot::memory::MemoryOptions;
use hot::{Append, Cursor, HotStore, MemoryStore, Owner, Slot, StreamId, StreamName};
use kernel::{PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::Batch;
use prost::Message;
use storage::MemoryLeases;
use tokio::sync::watch;
use tokio::time::Instant;

use super::counting::{Counting, Seen};
use super::driver::{event, key, trim_output};
use super::leases::{Machine, leases_since};
use crate::{Engine, EngineConfig, EngineHandle, TimeSource, head};

const PARTITIONS: u64 = 16;
/// A partition that is not worked on for longer has a gap.
const LONGEST_REST: Duration = Duration::from_millis(1_000);
const ROUND: Duration = Duration::from_millis(20);

struct Site {
    hot: MemoryStore,
    leases: Arc<MemoryLeases>,
    clock: Arc<Machine>,
    /// Of each partition, how many records were appended, and when the last one took effect.
    fed: Vec<(usize, Instant)>,
}

impl Site {
    fn new() -> Self {
        let count = PartitionCount::try_new(PARTITIONS).expect("a count");
        Self {
            hot: MemoryStore::new(count, MemoryOptions::default()),
            leases: leases_since(Instant::now()),
            clock: Machine::new(Instant::now(), 0),
            fed: count.iter().map(|_| (0, Instant::now())).collect(),
        }
    }

    async fn start(&self, worker: &str) -> EngineHandle {
        let (sender, definitions) = watch::channel(Arc::new(0));
        drop(sender);
        let mut config = EngineConfig::<Counting>::new(
            Arc::new(self.hot.clone()),
            MemoryLeases::new(Timestamp::default),
            TimeSource::Wall(self.clock.clone()),
            worker,
            definitions,
        );
        config.leases = self.leases.clone();
        config.own_clock = self.clock.clone();
        Engine::start(config).await.expect("it starts")
    }

    async fn log(&self, partition: PartitionId) -> Vec<String> {
        let slot = Slot {
            owner: Owner::Segmentation,
            partition,
        };
        let loaded = self.hot.load(slot, &[key(1)]).await.expect("it loads");
        let state = loaded.into_iter().next().flatten();
        let state = state.map_or_else(Seen::default, |stored| {
            let (_, state) = head::read::<Counting>(&stored.value).expect("a state");
            state
        });
        state.log
    }

    /// Feeds every partition, and looks how long ago each did all it was given. Returns the longest
    /// rest.
    async fn load_for(&mut self, time: Duration) -> Duration {
        let end = Instant::now() + time;
        let mut longest = Duration::ZERO;
        while Instant::now() < end {
            for number in 0..u16::try_from(PARTITIONS).expect("few") {
                let partition = PartitionId::new(number);
                let done = self.log(partition).await.len();
                let (fed, at) = &mut self.fed[usize::from(number)];
                if done == *fed {
                    *at = Instant::now();
                }
                longest = longest.max(at.elapsed());
                if at.elapsed() > Duration::ZERO {
                    continue;
                }
                let records = vec![event(1, &fed.to_string(), "add", 0)];
                *fed += 1;
                let append = Append {
                    to: StreamId {
                        name: StreamName::Events,
                        partition,
                    },
                    payload: Batch {
                        records,
                        ..Batch::default()
                    }
                    .encode_to_vec()
                    .into(),
                    source: None,
                    origin: None,
                };
                self.hot.append(&append).await.expect("it is appended");
                self.read_facts(partition).await;
            }
            tokio::time::sleep(ROUND).await;
        }
        longest
    }

    /// Does what the reader of the output does, or the workers would wait for it.
    async fn read_facts(&self, partition: PartitionId) {
        let facts = StreamId {
            name: StreamName::Facts,
            partition,
        };
        let entries = self.hot.poll(facts, Cursor::START, 100).await;
        if let Some(last) = entries.expect("it polls").last() {
            trim_output(&self.hot, facts, last.cursor).await;
        }
    }

    async fn check(&self) {
        for (number, (fed, _)) in (0..).zip(&self.fed) {
            let expected: Vec<_> = (0..*fed).map(|id| id.to_string()).collect();
            let log = self.log(PartitionId::new(number)).await;
            assert_eq!(log[..expected.len() - 1], expected[..expected.len() - 1]);
            assert!(log.len() <= expected.len(), "twice in partition {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn from_one_to_four_and_back_no_partition_rests_for_long() {
    let mut site = Site::new();
    let first = site.start("w0").await;
    site.load_for(Duration::from_secs(2)).await;
    let mut rests = Vec::new();
    let mut others = Vec::new();
    for worker in ["w1", "w2", "w3"] {
        others.push(site.start(worker).await);
        rests.push(site.load_for(Duration::from_millis(2_500)).await);
    }
    for other in others {
        let (_, rest) = tokio::join!(
            async move { other.shutdown().await },
            site.load_for(Duration::from_millis(2_500))
        );
        rests.push(rest);
    }
    site.check().await;
    assert!(rests.iter().all(|rest| *rest < LONGEST_REST), "{rests:?}");
    first.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_was_fenced_is_had_again_at_once() {
    let mut site = Site::new();
    let engine = site.start("w0").await;
    site.load_for(Duration::from_secs(1)).await;
    for epoch in [5, 50] {
        for number in 0..u16::try_from(PARTITIONS).expect("few") {
            let slot = Slot {
                owner: Owner::Segmentation,
                partition: PartitionId::new(number),
            };
            // A store restored from elsewhere may know epochs that the leases do not.
            site.hot.open(slot, epoch).await.expect("it opens");
        }
        let rest = site.load_for(Duration::from_secs(4)).await;
        assert!(rest < Duration::from_millis(300), "{rest:?}");
    }
    site.check().await;
    engine.shutdown().await;
}

//! One recovery for each loss, where several processes notice it on a real Redis, and the gate of
//! one that died meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hot::{
    Append, Appended, Commit, Cursor, Gate, GateAnswer, GateClaim, HotError, HotStore as _, Owner,
    RedisOptions, RedisStore, RestorableStore as _, Slot, StreamId, StreamName,
};
use journal::contract::Subject as _;
use journal::{JournalOptions, JournaledStore, SharedLog};
use kernel::{PartitionCount, PartitionId};
use testkit::RedisServer;

use super::OWNERS;
use crate::sql::Sql;

const PARTITIONS: u64 = 4;
/// Events and commits of each partition before the loss.
const EVENTS: u64 = 30;
/// The time that the gate of a process is respected that was not heard of.
const GATE_TTL: Duration = Duration::from_millis(1_500);
/// The epoch of all leases after the loss: above every fence.
const EPOCH: u64 = 1_000;

/// Several processes on one Redis and one database.
struct Processes {
    redis: RedisServer,
    sql: Sql,
    stores: Vec<JournaledStore>,
}

async fn hot(redis: &RedisServer) -> RedisStore {
    let options = RedisOptions {
        origins: true,
        ..RedisOptions::new(redis.url())
    };
    let count = PartitionCount::try_new(PARTITIONS).expect("a count");
    RedisStore::connect(options, count).await.expect("a store")
}

fn partitions() -> impl Iterator<Item = PartitionId> {
    PartitionCount::try_new(PARTITIONS).expect("a count").iter()
}

impl Processes {
    /// Starts some, which have worked in every partition.
    async fn start(count: usize) -> Self {
        let redis = RedisServer::start().expect("a server");
        let mut sql = Sql::postgres();
        let mut stores = Vec::new();
        for _ in 0..count {
            let log: SharedLog = sql.open().await;
            let writer = log.register("test").await.expect("a writer");
            let options = JournalOptions {
                gate_ttl: GATE_TTL,
                ..JournalOptions::default()
            };
            let hot = Arc::new(hot(&redis).await);
            stores.push(JournaledStore::new(hot, log, writer, options));
        }
        let mut processes = Self { redis, sql, stores };
        for slot in slots() {
            processes.sql.lease(slot, 1).await;
            processes.stores[0].open(slot, 1).await.expect("opens");
        }
        for number in 1..=EVENTS {
            for partition in partitions() {
                for store in &processes.stores {
                    append(store, partition).await.expect("taken");
                }
                let slot = Slot {
                    owner: Owner::Segmentation,
                    partition,
                };
                let commit = Commit {
                    epoch: 1,
                    seq: number,
                    batch_id: number,
                    outputs: vec![(StreamName::Facts, "a fact".into())],
                    ..Commit::default()
                };
                processes.stores[0]
                    .commit(slot, &commit)
                    .await
                    .expect("commits");
            }
        }
        processes
    }

    /// Says how often each partition was recovered.
    fn recoveries(&self) -> Vec<u64> {
        let of = |partition| {
            self.stores
                .iter()
                .map(|it| it.recoveries_of(partition))
                .sum()
        };
        partitions().map(of).collect()
    }

    /// Every process works in every partition, all at once: clients append, services open. Each
    /// goes on until it is served.
    async fn work_everywhere(&mut self) {
        for slot in slots() {
            self.sql.lease(slot, EPOCH).await;
        }
        let mut work = tokio::task::JoinSet::new();
        for store in &self.stores {
            for partition in partitions() {
                let store = store.clone();
                work.spawn(async move {
                    append_surely(&store, partition).await;
                });
            }
            for slot in slots() {
                let store = store.clone();
                work.spawn(async move {
                    open(&store, slot).await;
                });
            }
        }
        while let Some(done) = work.join_next().await {
            done.expect("it is served");
        }
    }

    /// Checks that each partition has its events and facts once.
    async fn check(&self, rounds: u64) {
        let events = (EVENTS + rounds) * self.stores.len() as u64;
        for partition in partitions() {
            for (name, expected) in [(StreamName::Events, events), (StreamName::Facts, EVENTS)] {
                let stream = StreamId { name, partition };
                let lag = self.stores[0].lag(stream, Cursor::START).await;
                assert_eq!(lag.expect("a lag"), expected, "{stream:?}");
            }
        }
    }
}

fn slots() -> impl Iterator<Item = Slot> {
    partitions().flat_map(|partition| {
        OWNERS
            .into_iter()
            .map(move |owner| Slot { owner, partition })
    })
}

async fn append(store: &JournaledStore, partition: PartitionId) -> Result<Appended, HotError> {
    let to = StreamId {
        name: StreamName::Events,
        partition,
    };
    let append = Append {
        to,
        payload: "an event".into(),
        source: None,
        origin: None,
    };
    store.append(&append).await
}

/// Opens a slot. A service that has lost nothing can open it before another one has it recovered,
/// and is fenced then, once.
async fn open(store: &JournaledStore, slot: Slot) {
    let mut epoch = EPOCH;
    let mut fences = 0;
    loop {
        match store.open(slot, epoch).await {
            Ok(_) => return,
            Err(HotError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(HotError::Fenced { current, .. }) if fences == 0 => {
                fences += 1;
                epoch = current;
            }
            Err(error) => panic!("{slot:?}: {error}"),
        }
    }
}

/// Appends, again until it is taken.
async fn append_surely(store: &JournaledStore, partition: PartitionId) {
    loop {
        match append(store, partition).await {
            Ok(Appended::Applied) => return,
            Err(HotError::Unavailable(_)) => tokio::task::yield_now().await,
            other => panic!("{partition}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partition_of_an_emptied_redis_is_recovered_once_whoever_notices() {
    let mut processes = Processes::start(4).await;
    processes.check(0).await;
    for losses in 1..=3 {
        processes.redis.ask(&["FLUSHALL"]).expect("emptied");
        processes.work_everywhere().await;
        assert_eq!(processes.recoveries(), [losses; 4]);
        processes.check(losses).await;
    }
    processes.work_everywhere().await;
    assert_eq!(processes.recoveries(), [3; 4], "nothing is lost any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gates_of_a_process_that_died_while_it_recovered_open_within_their_time() {
    let mut processes = Processes::start(2).await;
    processes.redis.ask(&["FLUSHALL"]).expect("emptied");
    // The remains of a process that was killed between closing and opening.
    let dead = hot(&processes.redis).await;
    for partition in partitions() {
        let claim = GateClaim {
            gate: Gate(7),
            ttl: GATE_TTL,
            opened: None,
        };
        let answer = dead.close_gate(partition, claim).await.expect("answers");
        assert_eq!(answer, GateAnswer::Closed);
    }
    let died = Instant::now();
    processes.work_everywhere().await;
    let waited = died.elapsed();
    assert!(
        waited >= GATE_TTL * 9 / 10,
        "the gate is respected: {waited:?}"
    );
    assert!(
        waited < GATE_TTL * 2,
        "within the time of a lease: {waited:?}"
    );
    assert_eq!(processes.recoveries(), [1; 4]);
    processes.check(1).await;
}

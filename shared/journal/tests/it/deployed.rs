//! The same on a real Redis and a real Postgres: emptied, and replaced by an older copy, under readers that go on.

mod recoveries;

use std::collections::BTreeMap;
use std::sync::Arc;

use hot::{HotError, HotStore, Owner, RedisOptions, RedisStore, Slot, StreamId, StreamName};
use journal::contract::Subject as _;
use journal::{FoldOptions, JournaledStore, SharedLog};
use kernel::{Duration, PartitionCount, PartitionId};
use testkit::RedisServer;

use crate::journaled::client::Client;
use crate::journaled::reader::{Reader, Worked, number};
use crate::sql::Sql;

const OWNERS: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];

struct Deployment {
    redis: RedisServer,
    sql: Sql,
    log: SharedLog,
    store: JournaledStore,
    clients: Vec<Client>,
    readers: Vec<Reader>,
    epochs: BTreeMap<Slot, u64>,
    dice: u64,
}

fn slots() -> impl Iterator<Item = Slot> {
    (0..2).flat_map(|partition| {
        OWNERS.into_iter().map(move |owner| Slot {
            owner,
            partition: PartitionId::new(partition),
        })
    })
}

async fn connect(redis: &RedisServer, log: &SharedLog) -> JournaledStore {
    let options = RedisOptions {
        origins: true,
        ..RedisOptions::new(redis.url())
    };
    let count = PartitionCount::try_new(2).expect("a count");
    let hot = RedisStore::connect(options, count).await.expect("a store");
    let writer = log.register("test").await.expect("a writer");
    let fold = FoldOptions {
        retention: Duration::from_millis(60_000),
        ..FoldOptions::default()
    };
    JournaledStore::new(Arc::new(hot), Arc::clone(log), writer, fold.into())
}

impl Deployment {
    async fn new() -> Self {
        let redis = RedisServer::start().expect("a server");
        let mut sql = Sql::postgres();
        let log = sql.open().await;
        let clients = (0..2).map(|number| {
            let partition = u16::try_from(number % 2).expect("small");
            let to = StreamId {
                name: StreamName::Events,
                partition: PartitionId::new(partition),
            };
            Client::new(number, to, true)
        });
        Self {
            store: connect(&redis, &log).await,
            clients: clients.collect(),
            readers: Vec::new(),
            epochs: BTreeMap::new(),
            dice: 7,
            redis,
            sql,
            log,
        }
    }

    fn dice(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.dice >> 33
    }

    /// Everybody does something, so many times.
    async fn go_on(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for number in 0..self.clients.len() {
                let dice = self.dice();
                self.clients[number].send(0, &self.store, dice).await;
            }
            self.work().await;
        }
    }

    /// Every slot does a batch. False where there was nothing to do.
    async fn work(&mut self) -> bool {
        let mut worked = false;
        for slot in slots() {
            let Some(place) = self.readers.iter().position(|reader| reader.slot == slot) else {
                worked = true;
                self.open(slot).await;
                continue;
            };
            let dice = self.dice();
            match self.readers[place].work(&self.store, dice).await {
                Ok(done) => worked |= done == Worked::Something,
                Err(HotError::Unavailable(_)) => worked = true,
                Err(error) => {
                    worked = true;
                    self.readers.remove(place);
                    self.refused(slot, &error);
                }
            }
        }
        worked
    }

    async fn open(&mut self, slot: Slot) {
        let epoch = self.epochs.entry(slot).or_default();
        *epoch += 1;
        let epoch = *epoch;
        self.sql.lease(slot, epoch).await;
        match Reader::open(&self.store, slot, 0, epoch).await {
            Ok(reader) => self.readers.push(reader),
            Err(error) => self.refused(slot, &error),
        }
    }

    fn refused(&mut self, slot: Slot, error: &HotError) {
        match error {
            HotError::Fenced { current, .. } => {
                let epoch = self.epochs.entry(slot).or_default();
                *epoch = (*epoch).max(*current);
            }
            HotError::Gap { .. } | HotError::Unavailable(_) => {}
            error => panic!("{slot:?}: {error}"),
        }
    }

    /// Works until nothing is left, and looks whether every accepted event took effect once everywhere.
    async fn check(&mut self) {
        let mut quiet = 0;
        for _ in 0..2_000 {
            self.store.redeliver().await;
            let waits = self.clients.iter().any(Client::waits);
            for number in 0..self.clients.len() {
                if self.clients[number].waits() {
                    self.clients[number].send(0, &self.store, 1).await;
                }
            }
            quiet = if self.work().await || waits {
                0
            } else {
                quiet + 1
            };
            if quiet > 12 {
                break;
            }
        }
        assert!(quiet > 12, "it comes to an end");
        for (client, partition) in self.clients.iter().zip([0_u16, 1]) {
            assert!(client.accepted.len() > 20, "enough was accepted");
            for event in &client.accepted {
                for (prefix, owner, partition) in [
                    ("", Owner::Segmentation, partition),
                    ("f", Owner::Journey, partition),
                    ("af", Owner::Activation, partition),
                    ("mf", Owner::Activation, 1 - partition),
                ] {
                    let slot = Slot {
                        owner,
                        partition: PartitionId::new(partition),
                    };
                    let key = bytes::Bytes::from(format!("{prefix}{event}"));
                    let loaded = self.store.load(slot, &[key]).await.expect("states");
                    let times = loaded[0].as_ref().map(|stored| number(&stored.value));
                    assert_eq!(times, Some(1), "{prefix}{event}");
                }
            }
        }
    }

    async fn fold(&self) {
        for slot in slots() {
            self.store.fold(slot).await.expect("a snapshot");
        }
    }
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_restored_and_nothing_takes_effect_twice() {
    let mut deployment = Deployment::new().await;
    deployment.go_on(15).await;
    deployment.redis.ask(&["FLUSHALL"]).expect("emptied");
    deployment.go_on(10).await;
    deployment.fold().await;
    deployment.go_on(10).await;
    deployment.redis.ask(&["FLUSHALL"]).expect("emptied");
    // Whoever writes next finds out.
    deployment.go_on(1).await;
    deployment.check().await;
    // And as a tool does it, while nobody else is there.
    deployment.redis.ask(&["FLUSHALL"]).expect("emptied");
    let alone = connect(&deployment.redis, &deployment.log).await;
    for partition in 0..2 {
        let recovered = alone
            .recover(PartitionId::new(partition))
            .await
            .expect("recovered");
        assert!(
            recovered.states > 0 && recovered.timers > 0,
            "{recovered:?}"
        );
    }
    deployment.check().await;
}

#[tokio::test]
async fn a_redis_that_comes_back_as_an_older_copy_is_brought_up_to_date() {
    let mut deployment = Deployment::new().await;
    deployment.go_on(10).await;
    deployment.redis.ask(&["SAVE"]).expect("a copy");
    deployment.go_on(10).await;
    deployment.fold().await;
    deployment.go_on(5).await;
    deployment.redis.restart().expect("the copy is loaded");
    deployment.go_on(5).await;
    deployment.check().await;
}

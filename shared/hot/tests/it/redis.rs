//! The Redis store.

use std::sync::Arc;

use async_trait::async_trait;
use hot::contract::Subject;
use hot::{
    Append, Appended, Cursor, HotError, HotStore, RedisOptions, RedisStore, SharedHotStore,
    SharedRestorableStore, StreamId, StreamName, Wake, limits,
};
use kernel::{PartitionCount, PartitionId};
use testkit::RedisServer;

use crate::embedded::partitions;

struct Redis {
    server: RedisServer,
    origins: bool,
}

impl Redis {
    fn new(origins: bool) -> Self {
        let server = RedisServer::start().expect("a server");
        Self { server, origins }
    }

    async fn open(&self) -> Arc<RedisStore> {
        let options = RedisOptions {
            origins: self.origins,
            ..RedisOptions::new(self.server.url())
        };
        let store = RedisStore::connect(options, partitions());
        Arc::new(store.await.expect("connects"))
    }

    /// Asks the server itself.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let client = redis::Client::open(self.server.url()).expect("an address");
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("connects");
        command.query_async(&mut connection).await.expect("answers")
    }
}

#[async_trait]
impl Subject for Redis {
    async fn empty(&mut self) -> SharedHotStore {
        let () = self.ask(&redis::cmd("FLUSHALL")).await;
        self.open().await
    }

    async fn reopen(&mut self, store: SharedHotStore) -> SharedHotStore {
        drop(store);
        self.open().await
    }

    async fn restorable(&mut self) -> Option<SharedRestorableStore> {
        Some(self.open().await)
    }

    fn has_origins(&self) -> bool {
        self.origins
    }

    async fn leave_gate_behind(&mut self, _partition: PartitionId) {
        let gates: Vec<String> = self.ask(redis::cmd("KEYS").arg("hp*:{*}:gate")).await;
        for gate in gates {
            let at: u64 = self.ask(redis::cmd("HGET").arg(&gate).arg("time")).await;
            let ttl = u64::try_from(limits::GATE_TTL.as_millis()).expect("short");
            let mut set = redis::cmd("HSET");
            let () = self.ask(set.arg(gate).arg("time").arg(at - ttl)).await;
        }
    }
}

mod contract {
    use super::Redis;

    async fn subject() -> Redis {
        Redis::new(false)
    }

    hot::restorable_contract_tests!(subject);
}

/// As at durability level `journal`.
mod contract_with_origins {
    use super::Redis;

    async fn subject() -> Redis {
        Redis::new(true)
    }

    hot::restorable_contract_tests!(subject);
}

fn event(payload: &'static str) -> Append {
    Append {
        to: StreamId {
            name: StreamName::Events,
            partition: PartitionId::new(1),
        },
        payload: payload.into(),
        source: None,
        origin: None,
    }
}

async fn refusal(server: &RedisServer, partitions: PartitionCount) -> String {
    let error = RedisStore::connect(server.url(), partitions).await;
    match error.expect_err("refused") {
        HotError::Mismatch(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_partition_count_is_refused_with_both_numbers() {
    let server = RedisServer::start().expect("a server");
    RedisStore::connect(server.url(), partitions())
        .await
        .expect("connects");
    assert_eq!(
        refusal(&server, PartitionCount::DEFAULT).await,
        "this Redis was created with 4 partitions, not 64: configure 4 partitions, or use an empty database"
    );
}

#[tokio::test]
async fn a_database_of_an_older_program_is_refused() {
    let subject = Redis::new(false);
    drop(subject.open().await);
    let mut older = redis::cmd("HSET");
    let () = subject.ask(older.arg("hp:meta").arg("schema").arg(2)).await;
    let text = refusal(&subject.server, partitions()).await;
    let expected = "this Redis has schema 2, and this program reads schemas from 9 on: ";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn a_server_that_forgets_is_refused() {
    let arguments = ["--maxmemory-policy", "allkeys-lru"];
    let server = RedisServer::start_with(&arguments).expect("a server");
    let text = refusal(&server, partitions()).await;
    assert!(
        text.ends_with("(maxmemory-policy allkeys-lru): set it to noeviction"),
        "{text}"
    );
}

#[tokio::test]
async fn a_cluster_is_refused_as_one_server() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]).expect("a server");
    let text = refusal(&server, partitions()).await;
    assert!(text.contains("redis+cluster://"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_none_says_how_one_looks() {
    let error = RedisStore::connect("http://localhost", partitions()).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("write redis://host:port"), "{error}");
}

#[tokio::test]
async fn functions_that_the_server_lost_are_loaded_again() {
    let server = RedisServer::start().expect("a server");
    let store = RedisStore::connect(server.url(), partitions())
        .await
        .expect("connects");
    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("connects");
    let () = redis::cmd("FUNCTION")
        .arg("FLUSH")
        .query_async(&mut connection)
        .await
        .expect("flushes");
    assert_eq!(
        store.append(&event("after")).await.expect("appends"),
        Appended::Applied
    );
}

#[tokio::test]
async fn a_subscriber_that_lost_its_server_is_told_to_look_at_everything() {
    let mut server = RedisServer::start_with(RedisServer::SYNCED).expect("a server");
    let store = RedisStore::connect(server.url(), partitions())
        .await
        .expect("connects");
    let mut hints = store
        .subscribe(&[StreamName::Events])
        .await
        .expect("subscribes");
    store.append(&event("before")).await.expect("appends");
    assert_eq!(hints.recv().await, Some(Wake::Stream(event("").to)));
    server.kill_9().expect("dies");
    let error = store
        .append(&event("meanwhile"))
        .await
        .expect_err("nobody is there");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
    server.restart().expect("starts again");
    // The first calls may still meet the lost connection.
    while store.append(&event("after")).await.is_err() {}
    // The connection for hints and the watcher come back in any order.
    let (mut has_all, mut has_reopen) = (false, false);
    while !(has_all && has_reopen) {
        match hints.recv().await.expect("hints go on") {
            Wake::All => has_all = true,
            Wake::Reopen => has_reopen = true,
            Wake::Stream(_) | Wake::Committed(_) => {}
        }
    }
    while hints.try_recv().is_ok() {}
    store.append(&event("after")).await.expect("appends");
    // It may come while the subscription to the new process is being made, which then says so by
    // another word.
    let news = [Wake::Stream(event("").to), Wake::All];
    while !news.contains(&hints.recv().await.expect("hints go on")) {}
    let entries = store
        .poll(event("").to, Cursor::START, 9)
        .await
        .expect("polls");
    assert_eq!(entries[0].payload, "before");
    assert_eq!(entries.last().expect("an entry").payload, "after");
}

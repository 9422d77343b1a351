//! The contract suite on every deployment.

use std::sync::Arc;

use async_trait::async_trait;
use hot::contract::Subject;
use hot::{RedisOptions, RedisStore, SharedHotStore, SharedRestorableStore, limits};
use kernel::PartitionId;
use testkit::{Login, RedisCluster, RedisSentinel, RedisServer, RedisSetup};

use super::shared::{Held, Shared};
use super::{connect, options, tls};

/// Servers that hold a store.
pub(super) trait Servers: Send + Sync + 'static {
    /// The address of the store.
    fn url(&self) -> String;
    /// The servers that take writes.
    fn primaries(&self) -> Vec<&RedisServer>;
    /// The name of the installation; absent for none.
    fn installation() -> Option<&'static str> {
        None
    }
}

impl Servers for RedisServer {
    fn url(&self) -> String {
        self.url()
    }

    fn primaries(&self) -> Vec<&RedisServer> {
        vec![self]
    }
}

impl Servers for RedisSentinel {
    fn url(&self) -> String {
        self.url()
    }

    fn primaries(&self) -> Vec<&RedisServer> {
        vec![self.server(0)]
    }
}

impl Servers for RedisCluster {
    fn url(&self) -> String {
        format!("redis+cluster://{}", self.hosts())
    }

    fn primaries(&self) -> Vec<&RedisServer> {
        (0..3).map(|index| self.node(index)).collect()
    }

    /// With a name, so that all keys of a partition are seen to stay in one slot.
    fn installation() -> Option<&'static str> {
        Some("a-b")
    }
}

struct Deployed<T>(Held<T>);

impl<T: Servers> Deployed<T> {
    async fn open(&self) -> Arc<RedisStore> {
        let options = RedisOptions {
            lanes: 1,
            origins: true,
            installation: T::installation().map(|name| name.parse().expect("a name")),
            ..options(self.0.url())
        };
        Arc::new(connect(options).await.expect("connects"))
    }
}

#[async_trait]
impl<T: Servers> Subject for Deployed<T> {
    async fn empty(&mut self) -> SharedHotStore {
        for server in self.0.primaries() {
            server.ask(&["FLUSHALL"]).expect("empties");
        }
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
        true
    }

    async fn leave_gate_behind(&mut self, _partition: PartitionId) {
        let ttl = u64::try_from(limits::GATE_TTL.as_millis()).expect("short");
        for server in self.0.primaries() {
            let gates = server.ask(&["KEYS", "hp*:{*}:gate"]).expect("lists");
            for gate in gates.lines() {
                let at = server.ask(&["HGET", gate, "time"]).expect("a time");
                let at: u64 = at.parse().expect("a number");
                let before = (at - ttl).to_string();
                server.ask(&["HSET", gate, "time", &before]).expect("sets");
            }
        }
    }
}

macro_rules! deployment {
    ($name:ident: $servers:ty = $start:expr) => {
        mod $name {
            use super::*;

            static SERVERS: Shared<$servers> = Shared::new();

            async fn subject() -> Deployed<$servers> {
                Deployed(SERVERS.hold(|| $start).await)
            }

            hot::restorable_contract_tests!(subject);
        }
    };
}

deployment!(tls_and_a_login: tls::Secured = tls::Secured::start());
deployment!(sentinels: RedisSentinel = {
    let login = Login::new("tester", "secret");
    RedisSentinel::start(&RedisSetup::new().login(&login), None).expect("starts")
});
deployment!(a_cluster: RedisCluster = RedisCluster::start(&RedisSetup::new()).expect("starts"));
deployment!(valkey: RedisServer = RedisSetup::new().valkey().start().expect("starts"));

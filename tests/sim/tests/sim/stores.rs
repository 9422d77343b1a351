//! Where an installation keeps what it knows: embedded, or on servers.

use happypath::dev::Options;
use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};

/// Partitions of an installation: more than one, so that merges cross them.
const PARTITIONS: &str = "4";

/// The stores of one installation, gone when dropped.
#[derive(Debug)]
pub(crate) struct Stores {
    folder: TempDir,
    servers: Option<(RedisServer, String)>,
}

impl Stores {
    /// An embedded hot store and SQLite, in a folder of their own.
    pub(crate) fn embedded() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            servers: None,
        }
    }

    /// A Redis server of their own, and a fresh database of a Postgres server.
    pub(crate) fn on_servers(postgres: &PostgresServer) -> Self {
        let redis = RedisServer::start().expect("Redis starts");
        let database = postgres.create_database().expect("a fresh database");
        Self {
            servers: Some((redis, database)),
            ..Self::embedded()
        }
    }

    /// How an installation starts on them.
    pub(crate) fn options(&self) -> Options {
        let options = Options::private(self.folder.path())
            .with("clock", "stream")
            .with("partitions", PARTITIONS);
        match &self.servers {
            None => options,
            Some((redis, database)) => options
                .with("hot_store", redis.url())
                .with("database", database.as_str()),
        }
    }
}

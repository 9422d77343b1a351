//! What the tests share: stores that nobody else uses, and an intake over them.

use std::collections::HashMap;
use std::sync::Arc;

use decision::{Names, Source};
use engine::{SystemClock, TimeSource};
use hot::{Cursor, EmbeddedStore, SharedHotStore, StreamId, StreamName};
use identity::{Identity, MachineChance};
use identity_core::Rules;
use kernel::PartitionCount;
use prost::Message;
use proto::definition::v1::definition::Kind;
use proto::identity::v1;
use proto::stream::v1::{Batch, Record};
use storage::Database;
use tempfile::TempDir;
use testkit::PostgresServer;
use tokio::sync::watch;

/// Which database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sql {
    Sqlite,
    Postgres,
}

/// Stores of one test; they go when it ends.
pub(crate) struct Fixture {
    pub(crate) identity: Identity,
    pub(crate) hot: SharedHotStore,
    pub(crate) partitions: PartitionCount,
    _folder: TempDir,
    _postgres: Option<PostgresServer>,
}

impl Fixture {
    pub(crate) async fn open(sql: Sql, time: TimeSource, namespaces: Rules) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = match sql {
            Sql::Sqlite => None,
            Sql::Postgres => Some(PostgresServer::start().expect("starts")),
        };
        let url = match &postgres {
            None => format!("sqlite:{}", folder.path().join("identity.db").display()),
            Some(server) => server.url(),
        };
        let database = Database::connect(&url.parse().expect("a URL"))
            .await
            .expect("connects");
        let partitions = PartitionCount::try_new(4).expect("a count");
        let store = EmbeddedStore::open(folder.path().join("hot"), partitions)
            .await
            .expect("opens");
        let hot: SharedHotStore = Arc::new(store);
        Self {
            identity: Identity {
                database,
                hot: Arc::clone(&hot),
                partitions,
                time,
                own_clock: Arc::new(SystemClock),
                chance: Arc::new(MachineChance::default()),
                // The receiver keeps the value after its sender is gone.
                namespaces: watch::channel(Arc::new(namespaces)).1,
                definitions: None,
                downstream: None,
            },
            hot,
            partitions,
            _folder: folder,
            _postgres: postgres,
        }
    }

    /// Every record of a stream, by partition and in order.
    pub(crate) async fn records(&self, name: StreamName) -> Vec<Record> {
        let mut records = Vec::new();
        for partition in self.partitions.iter() {
            records.extend(records_of(&self.hot, StreamId { name, partition }).await);
        }
        records
    }
}

/// Every record of one stream, in order.
pub(crate) async fn records_of(hot: &SharedHotStore, stream: StreamId) -> Vec<Record> {
    let entries = hot.poll(stream, Cursor::START, 10_000).await;
    let entries = entries.expect("polls").into_iter();
    let batches = entries.map(|entry| Batch::decode(entry.payload).expect("a batch"));
    batches.flat_map(|batch| batch.records).collect()
}

/// Rules of these names and limits, the first of the highest priority.
pub(crate) fn namespaces(limits: &[(&str, u32)]) -> Rules {
    let kinds: Vec<Kind> = limits
        .iter()
        .zip(1..)
        .map(|((name, limit), priority)| v1::Namespace {
            name: (*name).to_owned(),
            priority,
            limit: *limit,
            normalizer: v1::Normalizer::Trim.into(),
            ..Default::default()
        })
        .map(Kind::Namespace)
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Rules::compile(&sources, &Names::default()).expect("namespaces")
}

/// The event `visit` of `user_id=u1 email=e@x.io`.
pub(crate) fn event(identifiers: &str) -> v1::Event {
    let identifiers: HashMap<String, String> = identifiers
        .split_whitespace()
        .map(|pair| {
            let (namespace, value) = pair.split_once('=').expect("namespace=value");
            (namespace.to_owned(), value.to_owned())
        })
        .collect();
    v1::Event {
        name: "visit".to_owned(),
        identifiers: identifiers.into_iter().collect(),
        ..Default::default()
    }
}

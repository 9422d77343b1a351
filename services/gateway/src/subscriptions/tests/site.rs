//! An installation, and processes that post for it to receivers on this machine.

use std::sync::Mutex;
use std::time::Duration;

use ::changes::{ChangeLog, ChangeSink as _, Pending, Place, Position, Scribe};
use definitions::{DefinitionRpc, Owner};
use kernel::{OutboundAddresses, PartitionId};
use outbound::{ClientConfig, Network, SystemNetwork, Timeouts};
use prost::Message as _;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyDefinitionsRequest, Definition, DefinitionKind, DeleteDefinitionRequest,
};
use proto::gateway::v1::{
    ListSubscriptionsRequest, ResumeSubscriptionRequest, ResumeSubscriptionResponse, Subscription,
    SubscriptionState, SubscriptionStatus, resume_subscription_request,
};
use proto::stream::v1::change_record::Kind as ChangeKind;
use proto::stream::v1::{ChangeBatch, ChangeRecord, SegmentChange};
use serde_json::Value;
use storage::{Database, DatabaseUrl, Requests};
use testkit::Receiver;
use tonic::{Request, Status};

use super::*;
use crate::changes::{SharedSource, Tail};

/// The time that anything may take on a busy machine; nothing waits for it where all goes well.
const PATIENCE: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(20);

/// The secret of subscriptions unless a test says otherwise.
pub(super) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// The service and the partition that the changes are of.
const OWNER: kernel::Owner = kernel::Owner::Segmentation;
const PARTITION: PartitionId = PartitionId::new(0);

/// An installation.
pub(super) struct Site {
    pub(super) database: Database,
    pub(super) log: ChangeLog,
    scribe: Scribe,
    seq: Mutex<u64>,
    _folder: tempfile::TempDir,
}

/// A process of it.
pub(super) struct Process {
    pub(super) orders: SubscriptionOrders,
    database: Database,
    rpc: DefinitionRpc,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

/// The network between a process and its receivers.
pub(super) struct Way {
    pub(super) network: Arc<dyn Network>,
    pub(super) allowed: OutboundAddresses,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            network: Arc::new(SystemNetwork),
            allowed: OutboundAddresses::ANY,
        }
    }
}

impl Site {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        Self::at(&url, folder).await
    }

    /// An installation in a database; the folder goes with it.
    pub(super) async fn at(url: &DatabaseUrl, folder: tempfile::TempDir) -> Self {
        let database = Database::connect(url).await.expect("it opens");
        let tables = database.migrate("definitions", definitions::MIGRATIONS);
        tables.await.expect("tables");
        let log = ChangeLog::open(database.clone()).await.expect("a log");
        let scribe = Scribe::new(log.clone());
        scribe.open(OWNER, PARTITION, 1, Vec::new());
        Self {
            database,
            log,
            scribe,
            seq: Mutex::new(0),
            _folder: folder,
        }
    }

    /// Writes a row of changes: customers of these numbers enter a segment.
    pub(super) async fn write(&self, segment: &str, customers: impl IntoIterator<Item = u8>) {
        let changes = customers.into_iter().map(|customer| ChangeRecord {
            customer_id: vec![customer; 16].into(),
            time_ms: 1_800_000_000_000,
            kind: Some(ChangeKind::Membership(SegmentChange {
                segment: segment.to_owned(),
                version: 1,
                entered: true,
                ..SegmentChange::default()
            })),
        });
        let batch = ChangeBatch {
            changes: changes.collect(),
        };
        let seq = {
            let mut seq = self.seq.lock().expect("not poisoned");
            *seq += 1;
            *seq
        };
        let pending = Pending {
            place: Place { epoch: 1, seq },
            changes: batch.encode_to_vec().into(),
        };
        self.scribe.push(OWNER, PARTITION, pending);
        self.scribe.flush().await.expect("written");
    }

    /// Starts a process.
    pub(super) async fn process(&self) -> Process {
        self.process_by(Way::default()).await
    }

    pub(super) async fn process_by(&self, way: Way) -> Process {
        let database = self.database.clone();
        let store = DefinitionStore::load(database.clone(), "gateway", GatewayCatalog).await;
        let store = store.expect("definitions");
        tokio::spawn(Arc::clone(&store).poll());
        let idempotency = Idempotency::new(Requests::new(database.clone()));
        let owners: Vec<Arc<dyn Owner>> = vec![store.clone()];
        let rpc = DefinitionRpc::new(owners, None, idempotency.clone());
        let shutdown = CancellationToken::new();
        let source: SharedSource = Arc::new(self.log.clone());
        let log = OpenLog {
            tail: Tail::new(Arc::clone(&source), shutdown.clone()),
            source,
            retention: kernel::Duration::from_days(7),
        };
        let table = SubscriptionTable::open(database.clone()).await;
        let parts = SubscriptionParts {
            table: table.expect("tables"),
            store,
            log: Some(log),
            leases: LeaseStore::new(database.clone()),
            client: Client::new(ClientConfig {
                network: way.network,
                allowed: way.allowed,
                clock: Arc::new(access::now),
                timeouts: Timeouts::default(),
                service: "gateway",
            }),
            idempotency,
        };
        let (orders, task) = start(parts, shutdown.clone());
        Process {
            orders,
            database,
            rpc,
            task: task.expect("there is a log"),
            shutdown,
        }
    }
}

impl Process {
    /// Applies a subscription; it is begun by then.
    pub(super) async fn define(&self, subscription: Subscription) {
        let name = subscription.name.clone();
        let applied = self.apply(subscription).await;
        applied.expect("a right definition");
        let table = SubscriptionTable::open(self.database.clone()).await;
        let table = table.expect("tables");
        eventually(async || table.find(&name).await.expect("rows")).await;
    }

    pub(super) async fn apply(&self, subscription: Subscription) -> Result<(), Status> {
        let request = ApplyDefinitionsRequest {
            request_id: uuid::Uuid::now_v7().to_string(),
            definitions: vec![Definition {
                kind: Some(Kind::Subscription(subscription)),
            }],
            ..ApplyDefinitionsRequest::default()
        };
        let applied = self.rpc.apply_definitions(Request::new(request));
        applied.await.map(drop)
    }

    pub(super) async fn delete(&self, name: &str) {
        let request = DeleteDefinitionRequest {
            request_id: uuid::Uuid::now_v7().to_string(),
            kind: DefinitionKind::Subscription.into(),
            name: name.to_owned(),
            ..DeleteDefinitionRequest::default()
        };
        let deleted = self.rpc.delete_definition(Request::new(request));
        deleted.await.expect("deleted");
    }

    pub(super) async fn list(&self) -> Vec<SubscriptionStatus> {
        let request = ListSubscriptionsRequest::default();
        let listed = self.orders.list(&request).await;
        listed.expect("a page").subscriptions
    }

    /// Returns the status of a subscription once it is as wanted.
    pub(super) async fn status(
        &self,
        name: &str,
        mut is_wanted: impl FnMut(&SubscriptionStatus) -> bool,
    ) -> SubscriptionStatus {
        eventually(async || {
            let all = self.list().await;
            let own = all.into_iter().find(|it| it.name == name);
            own.filter(|it| is_wanted(it))
        })
        .await
    }

    pub(super) async fn in_state(
        &self,
        name: &str,
        state: SubscriptionState,
    ) -> SubscriptionStatus {
        self.status(name, |it| it.state() == state).await
    }

    pub(super) async fn resume(
        &self,
        id: &str,
        name: &str,
        from: Option<resume_subscription_request::From>,
    ) -> Result<ResumeSubscriptionResponse, Status> {
        let request = ResumeSubscriptionRequest {
            request_id: id.to_owned(),
            name: name.to_owned(),
            from,
        };
        self.orders.resume(request).await
    }

    /// Ends it as a process ends that is told to.
    pub(super) async fn shut_down(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic");
    }

    /// Ends it without a word: what is under way is cut off, and nothing more is written.
    pub(super) async fn die(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
        self.shutdown.cancel();
    }
}

/// A subscription that posts to a receiver at once.
pub(super) fn subscription(name: &str, receiver: &Receiver) -> Subscription {
    Subscription {
        name: name.to_owned(),
        url: receiver.url(),
        secret: SECRET.to_owned(),
        allow_private_network: true,
        max_delay: "0s".to_owned(),
        ..Subscription::default()
    }
}

/// A post that a receiver got.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posted {
    pub(super) id: String,
    pub(super) body: Value,
    pub(super) bytes: bytes::Bytes,
    /// The customers of its changes, by their numbers.
    pub(super) customers: Vec<u64>,
}

/// Returns the first posts that a receiver gets, once there are so many. All are signed.
pub(super) async fn posts(receiver: &Receiver, count: usize) -> Vec<Posted> {
    eventually(async || {
        let seen = receiver.requests();
        (seen.len() >= count).then(|| seen.into_iter().take(count).map(read).collect())
    })
    .await
}

fn read((head, bytes): (http::request::Parts, bytes::Bytes)) -> Posted {
    let header = |name: &str| head.headers[name].to_str().expect("text").to_owned();
    let body: Value = serde_json::from_slice(&bytes).expect("JSON");
    let changes = body["changes"].as_array().expect("changes");
    let customer = |change: &Value| {
        let id = change["customerId"].as_str().expect("an id");
        u64::from_str_radix(&id[..2], 16).expect("a number")
    };
    Posted {
        id: header("webhook-id"),
        customers: changes.iter().map(customer).collect(),
        body,
        bytes,
    }
}

/// Returns the customers that a receiver was told of, once there are so many changes.
pub(super) async fn told(receiver: &Receiver, count: usize) -> Vec<u64> {
    eventually(async || {
        let posts = receiver.requests().into_iter().map(read);
        let told: Vec<u64> = posts.flat_map(|it| it.customers).collect();
        (told.len() >= count).then_some(told)
    })
    .await
}

pub(super) fn position_of(status: &SubscriptionStatus) -> Position {
    status.position.parse().expect("a position")
}

/// Asks again until there is an answer.
pub(super) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.expect("an answer in time")
}

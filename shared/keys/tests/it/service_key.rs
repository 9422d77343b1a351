//! The key of a service, from the side of another process of its installation: the real guard
//! around a real server, on a database that both share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Guard, GuardOptions, Mode, NewKey, Rules, Scopes};
use audit::AuditLog;
use keys::{Follower, KeyRpc, KeyStore, ServiceKey};
use proto::access::v1::key_service_client::KeyServiceClient;
use proto::access::v1::{GetCallerRequest, GetCallerResponse};
use rpc::{ClientOptions, GuardLayer, Idempotency, PeerChannel, Presented};
use sea_orm::{ConnectionTrait as _, Statement};
use storage::{Database, DatabaseUrl, Requests};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};

/// The time that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two renewals here. Calls under way take less than twice of it.
const PAUSE: Duration = Duration::from_millis(500);

/// A process that asks callers for credentials, beside one that makes a key for itself.
struct Both {
    database: Database,
    /// The store as the asked process has it.
    elsewhere: KeyStore,
    address: SocketAddr,
    presented: Presented,
    ended: CancellationToken,
}

async fn database(folder: &TempDir) -> Database {
    let file = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    Database::connect(&file).await.expect("it opens")
}

/// Starts a server that lets in callers with stored keys only.
async fn serve(database: Database, store: &KeyStore, ended: &CancellationToken) -> SocketAddr {
    let guard = Guard::open(GuardOptions {
        mode: Mode::Required,
        rules: Rules::read(&proto::DESCRIPTORS).expect("every scope is one"),
        file: None,
        installation: None,
    });
    let guard = guard.expect("no file");
    let follower = Follower::start(store.clone(), guard.keyring().clone(), None).await;
    let follower = follower.expect("started");
    guard.set_source(Arc::new(follower.clone()));
    tokio::spawn(follower.clone().follow(ended.clone()));
    let service = KeyRpc::new(
        store.clone(),
        follower,
        Idempotency::new(Requests::new(database)),
    );
    let near = "127.0.0.1:0".parse().expect("an address");
    let incoming = TcpIncoming::bind(near).expect("a free port");
    let address = incoming.local_addr().expect("an address");
    let serving = Server::builder()
        .layer(GuardLayer::new(guard))
        .add_service(service.into_server())
        .serve_with_incoming_shutdown(incoming, ended.clone().cancelled_owned());
    tokio::spawn(serving);
    address
}

impl Both {
    async fn start(folder: &TempDir) -> Self {
        let (own, other) = (database(folder).await, database(folder).await);
        let ended = CancellationToken::new();
        let elsewhere = KeyStore::open(other.clone()).await.expect("tables");
        other.migrate("runtime", &[]).await.expect("tables");
        let address = serve(other, &elsewhere, &ended).await;
        let store = KeyStore::open(own.clone()).await.expect("tables");
        let follower = Follower::start(store.clone(), access::Keyring::default(), None).await;
        let follower = follower.expect("started");
        tokio::spawn(follower.clone().follow(ended.clone()));
        let audit = AuditLog::open(own.clone(), "one").await.expect("a log");
        let presented = Presented::default();
        let named = ("one", Scopes::of_services());
        let key = ServiceKey::start(store, follower, presented.clone(), audit, named).await;
        let key = key.expect("made").renewed_every(PAUSE);
        tokio::spawn(key.renew(ended.clone()));
        Self {
            database: own,
            elsewhere,
            address,
            presented,
            ended,
        }
    }

    fn client(&self, presented: &Presented) -> KeyServiceClient<PeerChannel> {
        let options = ClientOptions {
            tls: None,
            presented: presented.clone(),
        };
        let channel = rpc::connect_with(&self.address.to_string(), &options);
        KeyServiceClient::new(channel.expect("an address"))
    }

    async fn ask(
        &self,
        client: &mut KeyServiceClient<PeerChannel>,
    ) -> Result<GetCallerResponse, Status> {
        let answer = client.get_caller(GetCallerRequest {}).await?;
        Ok(answer.into_inner())
    }

    /// Returns the acts on its own keys that the process put on record: action and key, in order.
    async fn recorded(&self) -> Vec<(String, String)> {
        let text = "SELECT action, object FROM audit_entry WHERE caller_id = 'one' AND \
                    caller_kind = 'process' AND action LIKE 'key.%' ORDER BY sequence";
        let orm = self.database.orm();
        let statement = Statement::from_string(orm.get_database_backend(), text);
        let rows = orm.query_all_raw(statement).await.expect("rows");
        let read = |row: sea_orm::QueryResult| {
            let column = |place| row.try_get_by_index(place).expect("text");
            (column(0), column(1))
        };
        rows.into_iter().map(read).collect()
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_renewed_under_calls_fails_none_of_them_and_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let both = Both::start(&folder).await;
    let mut client = both.client(&both.presented);
    let asking = async {
        while both.recorded().await.len() < 6 {
            let caller = both.ask(&mut client).await.expect("known all the time");
            assert_eq!((&*caller.kind, &*caller.id), ("service", "one"));
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.expect("renewed five times");
    let recorded = both.recorded().await;
    let (first, object) = &recorded[0];
    assert_eq!(first, "key.create");
    assert!(object.starts_with("service key "), "{object}");
    let mut others = recorded[1..].iter();
    assert!(
        others.all(|(action, of)| action == "key.rotate" && of == object),
        "{recorded:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_service_that_was_revoked_is_replaced_without_a_failed_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let both = Both::start(&folder).await;
    let mut client = both.client(&both.presented);
    both.ask(&mut client).await.expect("known");
    let first = both.recorded().await.remove(0).1;
    let id = access::KeyId::parse(first.trim_start_matches("service key ")).expect("an id");
    both.elsewhere
        .revoke(&id, access::now())
        .await
        .expect("revoked");
    let asking = async {
        loop {
            let caller = both.ask(&mut client).await.expect("known all the time");
            assert_eq!((&*caller.kind, &*caller.id), ("service", "one"));
            let mut recorded = both.recorded().await.into_iter();
            if recorded.any(|(action, of)| action == "key.create" && of != first) {
                return;
            }
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.expect("replaced");
    let stored = both.elsewhere.load(None).await.expect("keys");
    assert!(!stored.contains_key(&id), "nobody accepts the first one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_no_service_made_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let both = Both::start(&folder).await;
    let key = NewKey::make().expect("randomness");
    let wrong = Presented::bearer(key.reveal()).expect("a header");
    let refused = both.ask(&mut both.client(&wrong)).await.expect_err("wrong");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let nothing = both.client(&Presented::default());
    let refused = both.ask(&mut { nothing }).await.expect_err("nothing");
    assert_eq!(refused.code(), Code::Unauthenticated);
}

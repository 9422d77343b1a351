//! A log in a SQLite file, and what is asked of it.

use audit::{Act, AuditLog, Class, Entry, Operation, Origin, Verdict, Verifier};
use kernel::CustomerId;
use proto::audit::v1::audit_service_server::AuditService as _;
use proto::audit::v1::{EntryFilter, ExportEntriesRequest, ListEntriesRequest};
use rpc::Idempotency;
use sea_orm::ConnectionTrait as _;
use storage::{Database, DatabaseUrl, Requests};
use testkit::PostgresServer;
use tokio_stream::StreamExt as _;
use tonic::Request;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) log: AuditLog,
    _kept: Kept,
}

/// The database for as long as the world stands.
enum Kept {
    Folder(#[expect(dead_code, reason = "it is removed when it is dropped")] tempfile::TempDir),
    Server(#[expect(dead_code, reason = "it ends when it is dropped")] PostgresServer),
}

pub(crate) fn ann() -> Origin {
    Origin {
        caller: "ann".into(),
        kind: "key".into(),
        address: Some("10.0.0.1".parse().expect("an address")),
    }
}

pub(crate) fn customer(number: u128) -> CustomerId {
    CustomerId::new(Uuid::from_u128(number))
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        Self::on(url, Kept::Folder(folder)).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let server = PostgresServer::start().expect("a server");
        let url = server.url().parse().expect("a URL");
        Self::on(url, Kept::Server(server)).await
    }

    async fn on(url: DatabaseUrl, kept: Kept) -> Self {
        let database = Database::connect(&url).await.expect("it opens");
        let log = AuditLog::open(database.clone(), "worker-1").await;
        Self {
            log: log.expect("a log"),
            database,
            _kept: kept,
        }
    }

    /// Begins a call of Ann's.
    pub(crate) fn operation(&self, action: &str) -> Operation {
        Operation::new(self.log.clone(), ann(), (Class::Change, action), None)
    }

    /// Records acts in a transaction of their own.
    pub(crate) async fn record(&self, acts: Vec<Act>) {
        let transaction = self.database.begin_write().await.expect("begun");
        let operation = self.operation("test");
        operation
            .record(&transaction, acts)
            .await
            .expect("recorded");
        transaction.commit().await.expect("committed");
    }

    fn rpc(&self) -> audit::AuditRpc {
        let requests = Requests::new(self.database.clone());
        audit::AuditRpc::new(self.log.clone(), Idempotency::new(requests))
    }

    /// Lists the entries of a filter, but for those of chains themselves.
    pub(crate) async fn list(&self, filter: EntryFilter) -> Vec<Entry> {
        let request = ListEntriesRequest {
            filter: Some(filter),
            page_size: 1_000,
            ..ListEntriesRequest::default()
        };
        let answer = self.rpc().list_entries(Request::new(request)).await;
        let entries = answer.expect("a list").into_inner().entries;
        let entries = entries
            .into_iter()
            .map(|it| Entry::try_from(it).expect("an entry"));
        entries
            .filter(|it| !it.action.starts_with("chain."))
            .collect()
    }

    pub(crate) async fn all(&self) -> Vec<Entry> {
        self.list(EntryFilter::default()).await
    }

    /// Returns what was found about a customer.
    pub(crate) async fn about(&self, customer: CustomerId) -> Vec<Entry> {
        self.list(EntryFilter {
            customer_ids: vec![customer.to_string()],
            ..EntryFilter::default()
        })
        .await
    }

    /// Exports and verifies the log.
    pub(crate) async fn verify(&self) -> Verdict {
        let request = Request::new(ExportEntriesRequest::default());
        let answers = self.rpc().export_entries(request).await.expect("an export");
        let mut answers = answers.into_inner();
        let mut verifier = Verifier::default();
        while let Some(answer) = answers.next().await {
            let answer = answer.expect("an answer");
            if let Some(head) = answer.head {
                let own = audit::Head::try_from(&head).expect("a head");
                verifier.head(own, head.pruned.as_ref().map(Into::into));
            }
            for entry in answer.entries {
                verifier.entry(&Entry::try_from(entry).expect("an entry"));
            }
        }
        verifier.finish()
    }

    pub(crate) async fn sql(&self, statement: &str) -> Result<(), sea_orm::DbErr> {
        self.database
            .orm()
            .execute_unprepared(statement)
            .await
            .map(|_| ())
    }
}

//! The log in SQLite and in Postgres.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use hot::Slot;
use journal::contract::Subject;
use journal::{SharedLog, SqlLog};
use sea_orm::{ConnectionTrait, Statement};
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;
use testkit::PostgresServer;

/// A log in an empty database, which ends with its last user.
pub(crate) struct Sql {
    url: DatabaseUrl,
    database: Option<Database>,
    _folder: Option<TempDir>,
    _server: Option<Arc<PostgresServer>>,
}

/// One server for all tests that run at the same time.
static SERVER: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());

fn server() -> Arc<PostgresServer> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(PostgresServer::start().expect("a server"));
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Sql {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        Self::new(url, Some(folder), None)
    }

    pub(crate) fn postgres() -> Self {
        let server = server();
        let url = server.create_database().expect("a database");
        Self::new(url.parse().expect("a URL"), None, Some(server))
    }

    pub(crate) fn on(server: &PostgresServer) -> Self {
        Self::new(server.url().parse().expect("a URL"), None, None)
    }

    const fn new(
        url: DatabaseUrl,
        folder: Option<TempDir>,
        server: Option<Arc<PostgresServer>>,
    ) -> Self {
        Self {
            url,
            database: None,
            _folder: folder,
            _server: server,
        }
    }
}

impl Sql {
    /// The database, once it was opened.
    pub(crate) fn database(&self) -> Database {
        self.database.clone().expect("it is open")
    }
}

#[async_trait]
impl Subject for Sql {
    async fn open(&mut self) -> SharedLog {
        let database = Database::connect(&self.url).await.expect("it opens");
        self.database.get_or_insert(database.clone());
        Arc::new(SqlLog::open(database).await.expect("tables"))
    }

    async fn lease(&mut self, slot: Slot, epoch: u64) {
        let database = self.database.as_ref().expect("it is open");
        let values = [
            slot.owner.name().into(),
            i32::from(slot.partition.number()).into(),
            epoch.cast_signed().into(),
        ];
        let set = "INSERT INTO partition_lease (service, partition, worker, incarnation, epoch) \
                   VALUES ($1, $2, 'w', 'w1', $3) \
                   ON CONFLICT (service, partition) DO UPDATE SET epoch = excluded.epoch";
        let orm = database.orm();
        let backend = orm.get_database_backend();
        orm.execute_raw(Statement::from_sql_and_values(backend, set, values))
            .await
            .expect("a lease");
    }
}

mod sqlite {
    use super::Sql;

    async fn subject() -> Sql {
        Sql::sqlite()
    }

    journal::log_contract_tests!(subject);
}

mod postgres {
    use super::Sql;

    async fn subject() -> Sql {
        Sql::postgres()
    }

    journal::log_contract_tests!(subject);
}

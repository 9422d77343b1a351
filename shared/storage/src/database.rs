//! The connection to the database.
//!
//! On Postgres an installation with a name has a schema of its own, and its connections find tables
//! in no other: a table that is missing there is an error, never that of another installation.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::LazyLock;

use futures::future::BoxFuture;
use kernel::InstallationName;
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::{AssertSqlSafe, Executor as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    QueryResult, RuntimeErr, SqliteTransactionMode, SqlxPostgresConnector, Statement,
    TransactionOptions, TransactionTrait, Value,
};

use crate::url::Backend;
use crate::{DatabaseUrl, StorageError, limits, migration};

/// The beginning of the name of an installation's schema: no schema of
/// PostgreSQL itself and none of other programs begins with it.
const SCHEMA_PREFIX: &str = "happypath_";

/// Stands for the schema in the names of sessions of an installation without a name.
const NAMELESS: &str = "happypath";

/// Tells this process from all others in the names of its sessions.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("{:08x}", RandomState::new().hash_one(()) >> 32));

/// Returns the name of the sessions of this process, as `pg_stat_activity` shows it: whose they
/// are, the mark of the process, and its program. PostgreSQL cuts it after 63 bytes.
fn session_name(schema: &str) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    format!("{schema}/{}/{}", *MARK, program.display())
}

/// A pool of connections to one SQLite file or one Postgres database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    orm: DatabaseConnection,
    leaves_tables: bool,
}

impl Database {
    /// Opens the database; a SQLite file is created where there is none.
    ///
    /// # Errors
    /// [`StorageError::Connect`].
    pub fn connect(url: &DatabaseUrl) -> BoxFuture<'_, Result<Self, StorageError>> {
        Box::pin(async move { open(url, options(url)).await })
    }

    /// Opens a database that is there already; a SQLite file is neither created nor changed.
    ///
    /// # Errors
    /// [`StorageError::Connect`].
    pub(crate) async fn look(url: &DatabaseUrl) -> Result<Self, StorageError> {
        let mut options = options(url);
        if url.backend() == Backend::Sqlite {
            options.map_sqlx_sqlite_opts(|file| {
                file.create_if_missing(false)
                    .read_only(true)
                    .busy_timeout(limits::SQLITE_BUSY)
            });
        }
        open(url, options).await
    }

    /// Opens what an installation has of a Postgres database: the schema `happypath_NAME`, which is
    /// created where there is none, or the default schema where it has no name.
    ///
    /// # Errors
    /// [`StorageError::Connect`]; [`StorageError::NoSchemas`] for a name and a SQLite file;
    /// [`StorageError::CreateSchema`] where the user may not create it;
    /// [`StorageError::OtherSchema`] where connections look elsewhere; [`StorageError::Database`].
    pub fn connect_installation<'a>(
        url: &'a DatabaseUrl,
        installation: Option<&'a InstallationName>,
    ) -> BoxFuture<'a, Result<Self, StorageError>> {
        Box::pin(async move {
            let Some(name) = installation else {
                return Self::connect(url).await;
            };
            if url.is_sqlite() {
                return Err(StorageError::NoSchemas);
            }
            let schema = format!("{SCHEMA_PREFIX}{name}");
            let path = format!("\"{schema}\"");
            let mut options = options(url);
            let session = session_name(&schema);
            // As a session's default, which connections that are opened later and `apart` have too.
            options.map_sqlx_postgres_opts(move |server| {
                server
                    .application_name(&session)
                    .options([("search_path", &path)])
            });
            let database = open(url, options).await?;
            let created = database.create_schema(&schema).await;
            if let Err(source) = created {
                return Err(StorageError::CreateSchema { schema, source });
            }
            // A proxy of connections may drop the path: tables would be another installation's.
            let found = database.row("SELECT current_schema()::text", []).await?;
            let found: Option<String> = found.try_get_by_index(0)?;
            match found {
                Some(found) if found != schema => Err(StorageError::OtherSchema { schema, found }),
                // None is in force where the user may not use the schema, as the first statement
                // tells.
                _ => Ok(database),
            }
        })
    }

    /// Returns whether an installation was ever started in a Postgres database, and creates
    /// nothing. A SQLite file is taken to be one.
    ///
    /// # Errors
    /// [`StorageError::Connect`], [`StorageError::Database`].
    pub fn has_installation<'a>(
        url: &'a DatabaseUrl,
        installation: Option<&'a InstallationName>,
    ) -> BoxFuture<'a, Result<bool, StorageError>> {
        Box::pin(async move {
            if url.is_sqlite() {
                return Ok(true);
            }
            let database = Self::connect(url).await?;
            let (is_there, value) = match installation {
                Some(name) => (
                    "SELECT 1 FROM pg_tables WHERE tablename = 'store_meta' AND schemaname = $1",
                    format!("{SCHEMA_PREFIX}{name}"),
                ),
                None => (
                    "SELECT 1 FROM pg_tables WHERE tablename = $1 AND schemaname = current_schema()",
                    "store_meta".to_owned(),
                ),
            };
            Ok(!database.rows(is_there, [value.into()]).await?.is_empty())
        })
    }

    /// Creates a schema where there is none. Who finds it there needs no right to create any.
    async fn create_schema(&self, schema: &str) -> Result<(), DbErr> {
        let there = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
        if !self.rows(there, [schema.into()]).await?.is_empty() {
            return Ok(());
        }
        let transaction = self.begin_write().await?;
        migration::wait_for_turn(&transaction).await?;
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        transaction.execute_unprepared(&create).await?;
        transaction.commit().await
    }

    /// Returns the same Postgres database with connections of its own, which are opened when they
    /// are needed: who uses them does not wait behind the callers of this one. SQLite has one
    /// writer whatever its connections are, so there it is this one.
    #[must_use]
    pub fn apart(&self, connections: u32) -> Self {
        if self.orm.get_database_backend() != DbBackend::Postgres {
            return self.clone();
        }
        let server = self.orm.get_postgres_connection_pool().connect_options();
        let pool = end_idle_transactions(PgPoolOptions::new())
            .max_connections(connections)
            .acquire_timeout(limits::ACQUIRE)
            .connect_lazy_with((*server).clone());
        Self {
            orm: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            leaves_tables: self.leaves_tables,
        }
    }

    /// Returns the same database, in which [`Database::migrate`] makes and changes no table: it
    /// refuses one whose tables are not up to date.
    #[must_use]
    pub fn leaving_tables(self) -> Self {
        Self {
            leaves_tables: true,
            ..self
        }
    }

    /// Returns whether somebody else makes the tables.
    pub(crate) const fn leaves_tables(&self) -> bool {
        self.leaves_tables
    }

    /// Returns whether a table is there, where this user may look for tables.
    pub(crate) async fn has_table(&self, name: &str) -> Result<bool, DbErr> {
        let there = match self.orm.get_database_backend() {
            DbBackend::Postgres => {
                "SELECT 1 FROM pg_tables WHERE tablename = $1 AND schemaname = current_schema()"
            }
            _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
        };
        Ok(!self.rows(there, [name.into()]).await?.is_empty())
    }

    /// The connection, for a service's own tables.
    pub const fn orm(&self) -> &DatabaseConnection {
        &self.orm
    }

    /// Returns the SQL that reads the database's clock: milliseconds since the epoch, as of now and
    /// not as of the beginning of a transaction.
    pub fn now_sql(&self) -> &'static str {
        match self.orm.get_database_backend() {
            DbBackend::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
            _ => "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)",
        }
    }

    /// Reads rows. Arguments are `$1`, `$2` and so on with both databases.
    pub(crate) async fn rows<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, DbErr> {
        let backend = self.orm.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.orm.query_all_raw(statement).await
    }

    /// Reads the only row of a statement that always has one.
    pub(crate) async fn row<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<QueryResult, DbErr> {
        let row = self.rows(sql, values).await?.pop();
        row.ok_or_else(|| DbErr::RecordNotFound("a statement answered without a row".to_owned()))
    }

    /// Changes rows.
    pub(crate) async fn execute<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<(), StorageError> {
        let backend = self.orm.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.orm.execute_raw(statement).await?;
        Ok(())
    }

    /// Begins a transaction that is going to write. On SQLite it takes the write lock at once: a
    /// transaction that reads first and writes later fails when another one wrote in between.
    ///
    /// # Errors
    /// As the database says.
    pub fn begin_write(&self) -> BoxFuture<'_, Result<DatabaseTransaction, DbErr>> {
        Box::pin(async move {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            self.orm.begin_with_options(options).await
        })
    }
}

/// Returns the settings of a pool for a kind of database.
fn options(url: &DatabaseUrl) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.text());
    options.sqlx_logging(false).acquire_timeout(limits::ACQUIRE);
    match url.backend() {
        Backend::Postgres => {
            options.max_connections(limits::POSTGRES_CONNECTIONS);
            let session = session_name(NAMELESS);
            options.map_sqlx_postgres_opts(move |server| server.application_name(&session));
            options.map_sqlx_postgres_pool_opts(end_idle_transactions);
        }
        // A database in memory belongs to its only connection, which must never be closed.
        Backend::SqliteMemory => {
            options.min_connections(1).max_connections(1);
            options.idle_timeout(None).max_lifetime(None);
        }
        Backend::Sqlite => {
            options.max_connections(limits::SQLITE_CONNECTIONS);
            // A file does not hang up, and the question costs as much as a small statement.
            options.test_before_acquire(false);
            options.map_sqlx_sqlite_opts(|file| {
                file.create_if_missing(true)
                    .busy_timeout(limits::SQLITE_BUSY)
                    .pragma("journal_mode", "WAL")
                    .pragma("synchronous", "NORMAL")
                    .pragma("foreign_keys", "ON")
                    // Removed rows are overwritten: a page that is free has nothing of anybody.
                    .pragma("secure_delete", "ON")
                    .pragma("mmap_size", limits::SQLITE_MAPPED_BYTES.to_string())
            });
        }
    }
    options
}

/// Has the server end transactions of processes that it does not hear. Of a machine that lost its
/// power, or was cut off, the server would learn after two hours, and rows that such a transaction
/// has locked would be nobody's for as long.
fn end_idle_transactions(pool: PgPoolOptions) -> PgPoolOptions {
    pool.after_connect(|connection, _| {
        let limit_ms = limits::IDLE_TRANSACTION.as_millis();
        // Set by a statement: a proxy of connections may refuse one that brings settings along.
        let set = format!("SET idle_in_transaction_session_timeout = {limit_ms}");
        Box::pin(async move { connection.execute(AssertSqlSafe(set)).await.map(drop) })
    })
}

/// Opens a pool, also where another process opens the same new file at the same moment.
async fn open(url: &DatabaseUrl, options: ConnectOptions) -> Result<Database, StorageError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match sea_orm::Database::connect(options.clone()).await {
            Ok(orm) => {
                return Ok(Database {
                    orm,
                    leaves_tables: false,
                });
            }
            Err(error) if is_locked(&error) && attempts < limits::CONNECT_ATTEMPTS => {
                tokio::time::sleep(limits::CONNECT_PAUSE).await;
            }
            Err(source) => {
                return Err(StorageError::Connect {
                    url: url.to_string(),
                    source,
                });
            }
        }
    }
}

/// Returns whether SQLite is locked. Where several processes open a new file at once, one turns it
/// to WAL, and SQLite refuses the others at once, whatever their busy time-out.
fn is_locked(error: &DbErr) -> bool {
    const SQLITE_BUSY: &str = "5";
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    error
        .as_database_error()
        .is_some_and(|error| error.code().as_deref() == Some(SQLITE_BUSY))
}

//! A look at a database that changes nothing there.

use futures::future::BoxFuture;
use sea_orm::{DbErr, QueryResult};

use crate::{Database, DatabaseUrl, StorageError};

/// The word of a database about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its kind and version, such as `PostgreSQL 15.18`.
    pub version: String,
    /// Bytes of this database on its disk.
    pub bytes: u64,
    /// Its clock, in milliseconds since the epoch.
    pub now_ms: i64,
    /// Connections that are open, and that may be; absent for SQLite.
    pub connections: Option<(u64, u64)>,
    /// Says that it is a copy that takes no writes.
    pub is_read_only: bool,
    /// The largest tables with their indexes, in bytes, the largest first; none for SQLite.
    pub largest: Vec<(String, u64)>,
    /// The write-ahead log of Postgres; absent for SQLite.
    pub log: Option<LogFacts>,
}

/// The word of Postgres about its write-ahead log, as far as any user is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFacts {
    /// Replication slots that nobody reads, with the bytes of the log that each keeps on the disk.
    pub idle_slots: Vec<(String, u64)>,
    /// Says that the last file of it could not be archived.
    pub has_failed_to_archive: bool,
}

/// Tables that are told of.
const LARGEST: usize = 3;

/// Asks a database about itself. Nothing is created or changed there.
///
/// # Errors
/// [`StorageError::Connect`], [`StorageError::Database`].
pub fn inspect(url: &DatabaseUrl) -> BoxFuture<'_, Result<DatabaseFacts, StorageError>> {
    Box::pin(async move {
        let database = Database::look(url).await?;
        let facts = match url.is_sqlite() {
            true => of_sqlite(&database).await,
            false => of_postgres(&database).await,
        };
        Ok(facts?)
    })
}

async fn of_postgres(database: &Database) -> Result<DatabaseFacts, DbErr> {
    let sql = format!(
        "SELECT current_setting('server_version'), pg_database_size(current_database()), {}, \
         (SELECT count(*) FROM pg_stat_activity), CAST(current_setting('max_connections') AS bigint), \
         pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'",
        database.now_sql()
    );
    let row = database.row(&sql, []).await?;
    let version: String = row.try_get_by_index(0)?;
    let number = |place| row.try_get_by_index::<i64>(place).map(natural);
    Ok(DatabaseFacts {
        version: format!("PostgreSQL {version}"),
        bytes: number(1)?,
        now_ms: row.try_get_by_index(2)?,
        connections: Some((number(3)?, number(4)?)),
        is_read_only: row.try_get_by_index(5)?,
        largest: largest_tables(database).await?,
        log: Some(log_of_postgres(database).await?),
    })
}

async fn largest_tables(database: &Database) -> Result<Vec<(String, u64)>, DbErr> {
    let sql = format!(
        "SELECT c.relname::text, pg_total_relation_size(c.oid) AS bytes FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         ORDER BY bytes DESC, c.relname LIMIT {LARGEST}"
    );
    named_bytes(database, &sql).await
}

async fn log_of_postgres(database: &Database) -> Result<LogFacts, DbErr> {
    // A copy has no end of the log of its own, and its slots are those of its primary.
    let slots = "SELECT slot_name::text, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint \
                 FROM pg_replication_slots \
                 WHERE NOT active AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery() \
                 ORDER BY slot_name";
    let failed = "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) \
                  FROM pg_stat_archiver";
    let row = database.row(failed, []).await?;
    Ok(LogFacts {
        idle_slots: named_bytes(database, slots).await?,
        has_failed_to_archive: row.try_get_by_index(0)?,
    })
}

/// Reads rows of a name and a number of bytes.
async fn named_bytes(database: &Database, sql: &str) -> Result<Vec<(String, u64)>, DbErr> {
    let rows = database.rows(sql, []).await?;
    let read = |row: &QueryResult| {
        let bytes: i64 = row.try_get_by_index(1)?;
        Ok::<_, DbErr>((row.try_get_by_index(0)?, natural(bytes)))
    };
    rows.iter().map(read).collect()
}

async fn of_sqlite(database: &Database) -> Result<DatabaseFacts, DbErr> {
    let sql = format!(
        "SELECT sqlite_version(), (SELECT page_count FROM pragma_page_count()) * \
         (SELECT page_size FROM pragma_page_size()), {}",
        database.now_sql()
    );
    let row = database.row(&sql, []).await?;
    let version: String = row.try_get_by_index(0)?;
    Ok(DatabaseFacts {
        version: format!("SQLite {version}"),
        bytes: natural(row.try_get_by_index(1)?),
        now_ms: row.try_get_by_index(2)?,
        connections: None,
        is_read_only: false,
        largest: Vec::new(),
        log: None,
    })
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use testkit::PostgresServer;

    use super::*;

    #[tokio::test]
    async fn a_sqlite_file_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("none.db");
        let url = DatabaseUrl::sqlite_file(&path);
        let refused = inspect(&url).await.expect_err("it is not there");
        assert!(matches!(refused, StorageError::Connect { .. }), "{refused}");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_sqlite_file_is_looked_at_while_it_is_in_use_and_when_it_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        let database = Database::connect(&url).await.expect("it opens");
        database.migrate("test", &[]).await.expect("tables");
        let open = inspect(&url).await.expect("facts");
        assert!(open.version.starts_with("SQLite 3."), "{open:?}");
        assert!(open.bytes > 0 && open.now_ms > 0, "{open:?}");
        drop(database);
        let closed = inspect(&url).await.expect("facts");
        assert_eq!(closed.bytes, open.bytes);
    }

    #[tokio::test]
    async fn postgres_tells_of_its_tables_and_of_slots_that_nobody_reads() {
        let server = PostgresServer::start().expect("a server");
        let url: DatabaseUrl = server.url().parse().expect("a URL");
        let database = Database::connect(&url).await.expect("it opens");
        database.migrate("test", &[]).await.expect("tables");
        let facts = inspect(&url).await.expect("facts");
        assert!(facts.version.starts_with("PostgreSQL "), "{facts:?}");
        assert_eq!(facts.largest.len(), LARGEST, "{facts:?}");
        assert!(
            facts
                .largest
                .is_sorted_by_key(|(_, bytes)| std::cmp::Reverse(*bytes))
        );
        assert_eq!(facts.log, Some(LogFacts::default()));
        database
            .row(
                "SELECT pg_create_physical_replication_slot('left', true)::text",
                [],
            )
            .await
            .expect("a slot");
        let facts = inspect(&url).await.expect("facts");
        let slots = facts.log.expect("of Postgres").idle_slots;
        let names: Vec<&str> = slots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["left"]);
    }
}

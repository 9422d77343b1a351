//! A look at a database that changes nothing there.

use futures::future::BoxFuture;
use sea_orm::DbErr;

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
}

/// Asks a database about itself.
///
/// # Errors
/// [`StorageError::Connect`], [`StorageError::Database`].
pub fn inspect(url: &DatabaseUrl) -> BoxFuture<'_, Result<DatabaseFacts, StorageError>> {
    Box::pin(async move {
        let database = Database::connect(url).await?;
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
    })
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
    })
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

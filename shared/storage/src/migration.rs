//! Migrations: changes of an owner's tables as SQL text, and what applies those that a database
//! lacks.
//!
//! Owners do not know of each other: each has a table of its own with the names of what was
//! applied. There is no way back: a database of a newer program is refused.

use futures::future::BoxFuture;
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use crate::{Database, StorageError};

/// A change of an owner's tables. Once it is published, it stays as it is: what changes later is
/// another migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its name among those of its owner. A database that has applied it holds this name.
    pub name: &'static str,
    /// The statements for SQLite, with semicolons between them.
    pub sqlite: &'static str,
    /// The statements for Postgres, with semicolons between them.
    pub postgres: &'static str,
}

/// Serialises migrations on Postgres: any number that nothing else uses ("happypth" in ASCII). It
/// is one for all installations of a database, which so create their schemas in turn. SQLite has
/// one writer.
const LOCK: i64 = 0x6861_7070_7970_7468;

/// The storage's own tables.
const OWN: &[Migration] = &[Migration {
    name: "m0001_create_tables",
    sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
    postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
}];

impl Database {
    /// Brings the tables of an owner (a service, say) up to date, after those of the storage
    /// itself. Processes that start at the same time wait for each other. What fails changes
    /// nothing of the owner.
    ///
    /// # Errors
    /// [`StorageError::Migrate`] where a statement fails, [`StorageError::NewerTables`] where a
    /// newer program was here.
    pub fn migrate<'a>(
        &'a self,
        owner: &'a str,
        migrations: &'a [Migration],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            self.apply("storage", OWN).await?;
            self.apply(owner, migrations).await
        })
    }

    async fn apply(&self, owner: &str, migrations: &[Migration]) -> Result<(), StorageError> {
        let failed = |source| StorageError::Migrate {
            owner: owner.to_owned(),
            source,
        };
        let transaction = self.begin_write().await.map_err(failed)?;
        let table = format!("{owner}_migration");
        let applied = applied(&transaction, &table).await.map_err(failed)?;
        let is_known = |name: &String| migrations.iter().any(|own| own.name == name);
        if let Some(migration) = applied.iter().find(|name| !is_known(name)) {
            return Err(StorageError::NewerTables {
                owner: owner.to_owned(),
                migration: migration.clone(),
            });
        }
        for migration in migrations {
            if !applied.iter().any(|name| name == migration.name) {
                let done = apply_one(&transaction, &table, migration).await;
                done.map_err(failed)?;
            }
        }
        transaction.commit().await.map_err(failed)
    }
}

/// Waits until nobody else changes tables or schemas of a Postgres database, and keeps others
/// waiting until the transaction ends.
pub(crate) async fn wait_for_turn(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
    transaction.execute_unprepared(&lock).await?;
    Ok(())
}

/// Waits until nobody else migrates, and reads the names of what was applied.
async fn applied(transaction: &DatabaseTransaction, table: &str) -> Result<Vec<String>, DbErr> {
    let backend = transaction.get_database_backend();
    if backend == DbBackend::Postgres {
        wait_for_turn(transaction).await?;
    }
    let time = if backend == DbBackend::Postgres {
        "bigint"
    } else {
        "integer"
    };
    transaction
        .execute_unprepared(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (version varchar NOT NULL PRIMARY KEY, applied_at {time} NOT NULL)"
        ))
        .await?;
    let names = Statement::from_string(backend, format!("SELECT version FROM {table}"));
    let rows = transaction.query_all_raw(names).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

async fn apply_one(
    transaction: &DatabaseTransaction,
    table: &str,
    migration: &Migration,
) -> Result<(), DbErr> {
    let backend = transaction.get_database_backend();
    let statements = match backend {
        DbBackend::Postgres => migration.postgres,
        _ => migration.sqlite,
    };
    transaction.execute_unprepared(statements).await?;
    // Seconds since the epoch, for people. A clock before it has no better answer than zero.
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = elapsed.map_or(0, |elapsed| elapsed.as_secs());
    let insert = Statement::from_sql_and_values(
        backend,
        format!("INSERT INTO {table} (version, applied_at) VALUES ($1, $2)"),
        [
            migration.name.into(),
            i64::try_from(now).unwrap_or(i64::MAX).into(),
        ],
    );
    transaction.execute_raw(insert).await?;
    Ok(())
}

//! Migrations: changes of an owner's tables as SQL text, and what applies those that a database
//! lacks.
//!
//! Owners do not know of each other: each has a table of its own with the names of what was
//! applied. There is no way back, and none is needed: a migration is one that the version before
//! can live with. Names that this program does not know are a newer one's; whether it may write
//! beside that is told by the schema of the database, not by them.

use futures::future::BoxFuture;
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement};

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

/// The owner of the tables that every process needs.
pub(crate) const OWN: &str = "storage";

/// The tables that every process needs. [`Database::migrate`] brings them up to date before those
/// of any other owner.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "m0001_create_tables",
    sqlite: include_str!("migration/m0001_create_tables.sqlite.sql"),
    postgres: include_str!("migration/m0001_create_tables.postgres.sql"),
}];

impl Database {
    /// Brings the tables of an owner (a service, say) up to date, after those of the storage
    /// itself. Processes that start at the same time wait for each other. What fails changes
    /// nothing of the owner. Who finds nothing lacking needs no right to create tables.
    ///
    /// # Errors
    /// [`StorageError::Migrate`] where a statement fails; [`StorageError::Lacking`] where this
    /// process leaves tables alone and they are not up to date.
    pub fn migrate<'a>(
        &'a self,
        owner: &'a str,
        migrations: &'a [Migration],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            for (owner, migrations) in [(OWN, MIGRATIONS), (owner, migrations)] {
                let lacking = self.lacking(owner, migrations).await?;
                if lacking.is_empty() {
                    continue;
                }
                if self.leaves_tables() {
                    return Err(StorageError::Lacking {
                        owner: owner.to_owned(),
                        migrations: lacking,
                    });
                }
                self.apply(owner, migrations).await?;
            }
            Ok(())
        })
    }

    /// Returns the names of an owner's migrations that the database lacks, in their order, and
    /// changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Migrate`].
    pub fn lacking<'a>(
        &'a self,
        owner: &'a str,
        migrations: &'a [Migration],
    ) -> BoxFuture<'a, Result<Vec<&'static str>, StorageError>> {
        Box::pin(async move {
            let table = table_of(owner);
            let asked = async {
                if !self.has_table(&table).await? {
                    return Ok(Vec::new());
                }
                let question = format!("SELECT version FROM {table}");
                names(&self.rows(&question, []).await?)
            };
            let applied = asked.await.map_err(|source| failed(owner, source))?;
            let names = migrations.iter().map(|own| own.name);
            Ok(names
                .filter(|name| applied.iter().all(|own| own != name))
                .collect())
        })
    }

    /// Applies the migrations of an owner that the database lacks, also where this process leaves
    /// tables alone otherwise, and returns their names in their order.
    ///
    /// # Errors
    /// [`StorageError::Migrate`] where a statement fails.
    pub fn apply<'a>(
        &'a self,
        owner: &'a str,
        migrations: &'a [Migration],
    ) -> BoxFuture<'a, Result<Vec<&'static str>, StorageError>> {
        Box::pin(async move {
            let applied = self.apply_lacking(owner, migrations).await;
            applied.map_err(|source| failed(owner, source))
        })
    }

    async fn apply_lacking(
        &self,
        owner: &str,
        migrations: &[Migration],
    ) -> Result<Vec<&'static str>, DbErr> {
        let transaction = self.begin_write().await?;
        let table = table_of(owner);
        let there = applied(&transaction, &table).await?;
        let mut done = Vec::new();
        for migration in migrations {
            if there.iter().all(|name| name != migration.name) {
                apply_one(&transaction, &table, migration).await?;
                done.push(migration.name);
            }
        }
        transaction.commit().await?;
        Ok(done)
    }
}

fn table_of(owner: &str) -> String {
    format!("{owner}_migration")
}

fn failed(owner: &str, source: DbErr) -> StorageError {
    StorageError::Migrate {
        owner: owner.to_owned(),
        source,
    }
}

fn names(rows: &[QueryResult]) -> Result<Vec<String>, DbErr> {
    rows.iter().map(|row| row.try_get("", "version")).collect()
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
    let question = Statement::from_string(backend, format!("SELECT version FROM {table}"));
    names(&transaction.query_all_raw(question).await?)
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

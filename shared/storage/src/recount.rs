//! The change of the number of partitions, as far as it concerns the storage's own tables: nobody
//! works meanwhile, and nobody starts.
//!
//! Everything is one transaction, which the owners of other tables join. Until it is committed the
//! installation is as it was; a process that dies before leaves nothing behind. It does not know
//! what a partition holds.

use std::fmt;

use futures::future::BoxFuture;
use kernel::PartitionCount;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement};

use crate::{Database, LeaseStore, StorageError, limits};

/// The storage's own tables, which nobody may change meanwhile. A process that starts reads the
/// count from the first one, and writes there before it does.
const TABLES: [&str; 3] = ["store_meta", "worker", "partition_lease"];

/// A process that lives, or that has a connection to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Its name among workers with its service, or the program and its address.
    pub name: String,
    /// The milliseconds after which it counts as dead unless it is heard; absent where only its
    /// connections are known.
    pub expires_in_ms: Option<i64>,
}

impl fmt::Display for Living {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expires_in_ms {
            Some(ms) => write!(
                f,
                "{} (counts as dead in {} s unless it is heard)",
                self.name,
                ms / 1_000 + 1
            ),
            None => write!(f, "{} (is connected to the database)", self.name),
        }
    }
}

/// The reason why the number of partitions cannot be changed now. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecountError {
    /// Processes live: stop them.
    #[error("{} still live: {}", .0.len(), listed(.0))]
    Alive(Vec<Living>),
    /// Another process holds the tables: it is changing the number itself, or about to end.
    #[error(
        "the tables are in use for longer than {} s, as by another process that changes the number of partitions: wait for it",
        limits::RECOUNT_LOCK.as_secs()
    )]
    Busy,
    /// The database has no installation.
    #[error(
        "the database does not say how many partitions this installation has: it was never started"
    )]
    Unknown,
    /// The database failed: try again.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<DbErr> for RecountError {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        if text.contains("lock timeout") || text.contains("database is locked") {
            Self::Busy
        } else {
            Self::Storage(StorageError::Database(error))
        }
    }
}

fn listed(living: &[Living]) -> String {
    let names: Vec<String> = living.iter().map(Living::to_string).collect();
    names.join("; ")
}

/// A change of the number of partitions that is under way.
#[derive(Debug)]
pub struct Recount {
    transaction: DatabaseTransaction,
    from: PartitionCount,
    top_epoch: u64,
}

impl Database {
    /// Begins to change the number of partitions: keeps processes from starting, and makes sure
    /// that none lives. `tables` are those of others that change with it.
    ///
    /// # Errors
    /// [`RecountError`].
    pub fn begin_recount<'a>(
        &'a self,
        tables: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Recount, RecountError>> {
        Box::pin(async move {
            let transaction = self.begin_write().await?;
            match self.who_lives(&transaction, tables).await {
                Ok((from, top_epoch)) => Ok(Recount {
                    transaction,
                    from,
                    top_epoch,
                }),
                Err(refused) => {
                    // Others wait for the locks. Where this fails, the connection ends with them.
                    let _gone = transaction.rollback().await;
                    Err(refused)
                }
            }
        })
    }

    /// Locks the tables, makes sure that nobody lives, and returns the number of partitions with
    /// the highest epoch of all leases.
    async fn who_lives(
        &self,
        transaction: &DatabaseTransaction,
        tables: &[&str],
    ) -> Result<(PartitionCount, u64), RecountError> {
        if transaction.get_database_backend() == DbBackend::Postgres {
            let lock = format!(
                "SET LOCAL lock_timeout = {}; LOCK TABLE {} IN EXCLUSIVE MODE; SET LOCAL lock_timeout = 0",
                limits::RECOUNT_LOCK.as_millis(),
                [&TABLES[..], tables].concat().join(", ")
            );
            transaction.execute_unprepared(&lock).await?;
        }
        let rows = query(transaction, COUNT).await?;
        let from = rows.first().and_then(read_count);
        let from = from.ok_or(RecountError::Unknown)?;
        let living = self.living(transaction).await?;
        if !living.is_empty() {
            return Err(RecountError::Alive(living));
        }
        let top = "SELECT CAST(coalesce(max(epoch), 0) AS BIGINT) FROM partition_lease";
        let top = query(transaction, top).await?;
        let top: Option<i64> = top.first().map(|row| row.try_get_by_index(0)).transpose()?;
        Ok((from, top.unwrap_or(0).cast_unsigned()))
    }

    /// Finds who lives: workers that were heard, and on Postgres whoever else is connected for this
    /// installation, such as a process that owns no partition.
    async fn living(&self, transaction: &DatabaseTransaction) -> Result<Vec<Living>, DbErr> {
        let alive = LeaseStore::new(self.clone()).alive("own");
        let now = self.now_sql();
        let workers = format!(
            "SELECT own.service, own.worker, own.beat_time + own.ttl_ms - {now} \
             FROM worker own WHERE {alive} ORDER BY own.service, own.worker"
        );
        let mut living = Vec::new();
        for row in query(transaction, &workers).await? {
            let (service, worker): (String, String) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            living.push(Living {
                name: format!("worker {worker} of {service}"),
                expires_in_ms: Some(row.try_get_by_index(2)?),
            });
        }
        if transaction.get_database_backend() != DbBackend::Postgres {
            return Ok(living);
        }
        for row in query(transaction, SESSIONS).await? {
            let (program, address): (String, Option<String>) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let place = address.map_or_else(String::new, |address| format!(" at {address}"));
            living.push(Living {
                name: format!("{program}{place}"),
                expires_in_ms: None,
            });
        }
        Ok(living)
    }
}

const COUNT: &str = "SELECT value FROM store_meta WHERE name = 'partition count'";

/// Programs that are connected for the same installation, but for this process.
const SESSIONS: &str = "SELECT DISTINCT split_part(s.application_name, '/', 3), host(s.client_addr) \
     FROM pg_stat_activity s, (SELECT current_setting('application_name') AS name) own \
     WHERE s.datname = current_database() \
     AND split_part(s.application_name, '/', 1) = split_part(own.name, '/', 1) \
     AND split_part(s.application_name, '/', 2) <> split_part(own.name, '/', 2) ORDER BY 1, 2";

impl Recount {
    /// The number of partitions until now.
    pub const fn from(&self) -> PartitionCount {
        self.from
    }

    /// The highest epoch that any lease ever had.
    pub const fn top_epoch(&self) -> u64 {
        self.top_epoch
    }

    /// The transaction, for tables of others.
    pub const fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Changes the number, and nothing is as it was from here on: leases begin above `epoch`, which
    /// those of `services` have for each partition, and the installation has the id `id`, so that a
    /// hot store of before is refused.
    ///
    /// # Errors
    /// [`StorageError::Database`]: it may have happened or not, and a further attempt tells.
    pub async fn finish(
        self,
        to: PartitionCount,
        epoch: u64,
        id: &str,
        services: &[&str],
    ) -> Result<(), StorageError> {
        let transaction = self.transaction;
        let backend = transaction.get_database_backend();
        let run = async |sql: &str, values: Vec<sea_orm::Value>| {
            let statement = Statement::from_sql_and_values(backend, sql, values);
            transaction.execute_raw(statement).await
        };
        run(
            "DELETE FROM partition_lease WHERE partition >= $1",
            vec![i32::from(to.get()).into()],
        )
        .await?;
        run(
            "UPDATE partition_lease SET worker = '', incarnation = '', epoch = $1",
            vec![epoch.cast_signed().into()],
        )
        .await?;
        // Whoever starts creates those that are missing with epoch 0, and the journal would refuse
        // its commits.
        let insert = "INSERT INTO partition_lease (service, partition, worker, incarnation, epoch) \
                      VALUES ($1, $2, '', '', $3) ON CONFLICT (service, partition) DO NOTHING";
        for service in services {
            for partition in to.iter() {
                let number = i32::from(partition.number());
                let values = [(*service).into(), number.into(), epoch.cast_signed().into()];
                run(insert, values.into()).await?;
            }
        }
        let set = "UPDATE store_meta SET value = $2 WHERE name = $1";
        for (name, value) in [
            ("partition count", to.get().to_string()),
            ("installation id", id.to_owned()),
        ] {
            run(set, vec![name.into(), value.into()]).await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn query(transaction: &DatabaseTransaction, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_string(transaction.get_database_backend(), sql);
    transaction.query_all_raw(statement).await
}

fn read_count(row: &QueryResult) -> Option<PartitionCount> {
    let stored: String = row.try_get_by_index(0).ok()?;
    PartitionCount::try_new(stored.parse().ok()?).ok()
}

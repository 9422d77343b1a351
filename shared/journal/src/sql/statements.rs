//! Runs single statements with a time-out, and says which failures are whose.
//!
//! It knows no table; its siblings add what each reads and removes.

use std::time::SystemTime;

use hot::Slot;
use kernel::{PartitionId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use storage::Database;
use tokio::time::timeout;

use super::limits::STATEMENT;
use crate::LogError;

/// The database of a log, for one statement at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    pub(super) database: Database,
}

impl Statements {
    /// Statements on a migrated database.
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads rows. Arguments are `$1`, `$2` and so on with both databases.
    pub(crate) async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, LogError> {
        let orm = self.database.orm();
        let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, values);
        timed(orm.query_all_raw(statement)).await
    }

    /// Reads the only row of a statement that always has one.
    pub(super) async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<QueryResult, LogError> {
        let row = self.all(sql, values).await?.pop();
        row.ok_or_else(|| LogError::Damaged("a statement answered without a row".to_owned()))
    }

    /// Raises the epochs of the leases of a partition.
    pub(super) async fn fence(&self, partition: PartitionId, raise: u64) -> Result<(), LogError> {
        let sql = "UPDATE partition_lease SET epoch = epoch + $2 WHERE partition = $1";
        let values = [i32::from(partition.number()).into(), signed(raise).into()];
        self.execute(sql, values).await?;
        Ok(())
    }

    /// Changes rows and tells how many.
    pub(super) async fn execute<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, LogError> {
        let orm = self.database.orm();
        let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, values);
        Ok(timed(orm.execute_raw(statement)).await?.rows_affected())
    }
}

/// Waits for the database, but not for ever.
pub(super) async fn timed<T>(work: impl Future<Output = Result<T, DbErr>>) -> Result<T, LogError> {
    timeout(STATEMENT, work)
        .await
        .map_err(|_| late(STATEMENT))?
        .map_err(failed)
}

/// A failure of the database.
pub(crate) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> LogError {
    LogError::unavailable(error)
}

/// No answer in time.
pub(super) fn late(after: std::time::Duration) -> LogError {
    LogError::unavailable(format!(
        "the database did not answer within {} s",
        after.as_secs()
    ))
}

/// The machine's clock, in milliseconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::from(SystemTime::now()).as_millis()
}

/// A slot as columns: its service by number, and its partition.
pub(super) fn slot_columns(slot: Slot) -> (i16, i32) {
    (slot.owner as i16, i32::from(slot.partition.number()))
}

/// A number as SQL has it: never above 2^63 but for names, which are only compared for equality.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// From [`signed`].
pub(crate) const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

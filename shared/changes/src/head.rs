//! The head of the log: how far it goes. Who writes locks it first, so that rows are numbered
//! without gaps in the order in which they are committed, and no reader ever sees a row before an
//! older one.

use kernel::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult};
use storage::Database;

use crate::sql::{execute, for_update, query, signed, unsigned};

/// The only row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The name of the log.
    pub(crate) id: u64,
    /// The number that the next row gets.
    pub(crate) next_row: u64,
    /// The oldest row that is kept; the next one where there is none.
    pub(crate) oldest_row: u64,
    /// Changes that are kept.
    pub(crate) changes: u64,
}

const COLUMNS: &str = "log_id, next_row, oldest_row, change_count";

/// Makes the head of an empty log, unless there is one.
pub(crate) async fn make(connection: &impl ConnectionTrait, id: u64) -> Result<(), DbErr> {
    let sql = "INSERT INTO change_head (id, log_id, next_row, oldest_row, change_count) \
               VALUES (1, $1, 1, 1, 0) ON CONFLICT (id) DO NOTHING";
    execute(connection, sql, [signed(id).into()]).await?;
    Ok(())
}

/// Reads the head.
pub(crate) async fn read(connection: &impl ConnectionTrait) -> Result<Head, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM change_head WHERE id = 1");
    of_row(only(&query(connection, &sql, []).await?)?)
}

/// Reads the head, and keeps all others who write from the log until the transaction ends. Returns
/// the database's time with it.
pub(crate) async fn lock(
    database: &Database,
    transaction: &DatabaseTransaction,
) -> Result<(Head, Timestamp), DbErr> {
    let (now, lock) = (database.now_sql(), for_update(transaction));
    let sql = format!("SELECT {COLUMNS}, {now} FROM change_head WHERE id = 1{lock}");
    let rows = query(transaction, &sql, []).await?;
    let row = only(&rows)?;
    let now = Timestamp::from_millis(row.try_get_by_index(4)?);
    Ok((of_row(row)?, now))
}

/// Writes the head, which the transaction has locked.
pub(crate) async fn write(transaction: &DatabaseTransaction, head: &Head) -> Result<(), DbErr> {
    let sql = "UPDATE change_head SET next_row = $1, oldest_row = $2, change_count = $3 \
               WHERE id = 1";
    let numbers = [head.next_row, head.oldest_row, head.changes];
    execute(transaction, sql, numbers.map(|it| signed(it).into())).await?;
    Ok(())
}

fn only(rows: &[QueryResult]) -> Result<&QueryResult, DbErr> {
    let gone = "the head of the log of changes is gone: restore the database";
    rows.first()
        .ok_or_else(|| DbErr::RecordNotFound(gone.to_owned()))
}

fn of_row(row: &QueryResult) -> Result<Head, DbErr> {
    Ok(Head {
        id: unsigned(row, 0)?,
        next_row: unsigned(row, 1)?,
        oldest_row: unsigned(row, 2)?,
        changes: unsigned(row, 3)?,
    })
}

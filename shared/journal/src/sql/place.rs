//! Places of rows in SQLite, which has no sequences. Postgres gives each row its place by a default.

use std::ops::Range;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

const TAKE: &str = "UPDATE journal_place SET last = last + $1 RETURNING last";

/// Takes as many places as there are rows, above all that were taken before.
pub(super) async fn take_places(
    transaction: &DatabaseTransaction,
    rows: usize,
) -> Result<Range<i64>, DbErr> {
    let count = i64::try_from(rows).unwrap_or(i64::MAX);
    let take = Statement::from_sql_and_values(DbBackend::Sqlite, TAKE, [count.into()]);
    let taken = transaction.query_one_raw(take).await?;
    let taken = taken.ok_or_else(|| DbErr::RecordNotFound("journal_place".to_owned()))?;
    let last: i64 = taken.try_get_by_index(0)?;
    Ok(last - count + 1..last + 1)
}

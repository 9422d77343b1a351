//! Runs statements on a connection or within a transaction. Arguments are `$1`, `$2` and so on with
//! both databases.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

/// Reads rows.
pub(crate) async fn query(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Vec<QueryResult>, DbErr> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    connection.query_all_raw(statement).await
}

/// Changes rows, and returns their number.
pub(crate) async fn execute(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<u64, DbErr> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// Returns the words that lock the rows of a query to the end of the transaction. A transaction of
/// SQLite that writes locks everything.
pub(crate) fn for_update(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => " FOR UPDATE",
        _ => "",
    }
}

/// Returns a number as SQL has it.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Reads a number that [`signed`] wrote.
pub(crate) fn unsigned(row: &QueryResult, index: usize) -> Result<u64, DbErr> {
    Ok(row.try_get_by_index::<i64>(index)?.cast_unsigned())
}

//! Looks through tables whose rows tell nobody's id for the values of erased identifiers, and
//! removes the rows that have one: events that could not be taken, and answers that are kept for
//! requests that come again. Of imports under way the records of erased customers are taken out.
//!
//! These are tables of others, known by their names alone: no service has a way to the gateway, and
//! an installation need not have one.

use std::collections::HashSet;

use kernel::{CustomerId, PartitionCount};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use storage::Database;
use uuid::Uuid;

use super::limits::SCANNED_ROWS;
use super::words::Words;
use crate::ledger::without;

const LETTERS: &str = "dead_letter";
const REQUESTS: &str = "request";
const PENDING: &str = "identity_import_pending";
/// The service whose answers have ids alone: the same request is answered as before.
const OWN_SERVICE: &str = "happypath.identity.v1.ErasureService/";
/// The service whose answers have what people wrote beside ids.
const ACCOUNTS: &str = "happypath.identity.v1.AccountService/";

/// Removes the dead letters that have one of the values, and returns how many there were.
///
/// # Errors
/// As the database says.
pub(super) async fn dead_letters(database: &Database, words: &Words) -> Result<u64, DbErr> {
    let orm = database.orm();
    if words.is_empty() || !has_table(database, LETTERS).await? {
        return Ok(0);
    }
    let (mut after, mut removed) = (None::<Uuid>, 0);
    loop {
        let mut select = Query::select();
        select
            .columns(["id", "path", "field", "description", "payload"].map(Alias::new))
            .from(Alias::new(LETTERS))
            .order_by(Alias::new("id"), Order::Asc)
            .limit(SCANNED_ROWS);
        if let Some(after) = after {
            select.and_where(Expr::col(Alias::new("id")).gt(after));
        }
        let rows = orm.query_all(&select).await?;
        let mut found: Vec<Uuid> = Vec::new();
        for row in &rows {
            let id = row.try_get("", "id")?;
            after = Some(id);
            for column in ["payload", "path", "field", "description"] {
                let text: String = row.try_get("", column)?;
                if words.are_in(&text) {
                    found.push(id);
                    break;
                }
            }
        }
        if !found.is_empty() {
            let mut delete = Query::delete();
            delete
                .from_table(Alias::new(LETTERS))
                .and_where(Expr::col(Alias::new("id")).is_in(found));
            removed += orm.execute(&delete).await?.rows_affected();
        }
        if (rows.len() as u64) < SCANNED_ROWS {
            return Ok(removed);
        }
    }
}

/// Removes the answers that have one of the values, and of calls about accounts those that have one
/// of the ids: roles and opportunities are beside them. Returns how many there were. Such a request
/// that comes again is carried out again.
///
/// # Errors
/// As the database says.
pub(super) async fn answers(
    database: &Database,
    words: &Words,
    ids: &[CustomerId],
) -> Result<u64, DbErr> {
    let orm = database.orm();
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let ids = Words::of_values(ids.iter().map(String::as_str));
    if words.is_empty() && ids.is_empty() {
        return Ok(0);
    }
    let (mut after, mut removed) = (None::<(String, String)>, 0);
    let column = |name: &'static str| Expr::col(Alias::new(name));
    loop {
        let mut select = Query::select();
        select
            .columns(["request_id", "method", "response"].map(Alias::new))
            .from(Alias::new(REQUESTS))
            .order_by(Alias::new("request_id"), Order::Asc)
            .order_by(Alias::new("method"), Order::Asc)
            .limit(SCANNED_ROWS);
        if let Some((id, method)) = &after {
            let same = column("request_id").eq(id.as_str());
            let same = same.and(column("method").gt(method.as_str()));
            select.and_where(column("request_id").gt(id.as_str()).or(same));
        }
        let rows = orm.query_all(&select).await?;
        for row in &rows {
            let id: String = row.try_get("", "request_id")?;
            let method: String = row.try_get("", "method")?;
            let response: Option<Vec<u8>> = row.try_get("", "response")?;
            let response = response.unwrap_or_default();
            let is_of_accounts = method.starts_with(ACCOUNTS);
            let is_theirs = words.are_in(&id)
                || words.are_in_bytes(&response)
                || (is_of_accounts && ids.are_in_bytes(&response));
            if is_theirs && !method.starts_with(OWN_SERVICE) {
                let mut delete = Query::delete();
                delete
                    .from_table(Alias::new(REQUESTS))
                    .and_where(column("request_id").eq(id.as_str()))
                    .and_where(column("method").eq(method.as_str()));
                removed += orm.execute(&delete).await?.rows_affected();
            }
            after = Some((id, method));
        }
        if (rows.len() as u64) < SCANNED_ROWS {
            return Ok(removed);
        }
    }
}

/// Takes the records of customers out of imported batches that may not be in their streams.
///
/// # Errors
/// As the database says, or where a batch cannot be read.
pub(super) async fn imports(
    database: &Database,
    partitions: PartitionCount,
    customers: &HashSet<CustomerId>,
) -> Result<(), DbErr> {
    let orm = database.orm();
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut after = None::<Uuid>;
    loop {
        let mut select = Query::select();
        select
            .columns(["batch_id", "records"].map(Alias::new))
            .from(Alias::new(PENDING))
            .order_by(Alias::new("batch_id"), Order::Asc)
            .limit(1);
        if let Some(after) = after {
            select.and_where(column("batch_id").gt(after));
        }
        let Some(row) = orm.query_one(&select).await? else {
            return Ok(());
        };
        let id: Uuid = row.try_get("", "batch_id")?;
        after = Some(id);
        let records: Vec<u8> = row.try_get("", "records")?;
        let left = without(&records, partitions, customers);
        let Some(left) = left.map_err(|error| DbErr::Type(error.to_string()))? else {
            continue;
        };
        let mut update = Query::update();
        update
            .table(Alias::new(PENDING))
            .value(Alias::new("records"), left)
            .and_where(column("batch_id").eq(id));
        orm.execute(&update).await?;
    }
}

async fn has_table(database: &Database, name: &str) -> Result<bool, DbErr> {
    let backend = database.orm().get_database_backend();
    let there = match backend {
        DbBackend::Postgres => {
            "SELECT 1 FROM pg_tables WHERE tablename = $1 AND schemaname = current_schema()"
        }
        _ => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
    };
    let statement = Statement::from_sql_and_values(backend, there, [name.into()]);
    Ok(database.orm().query_one_raw(statement).await?.is_some())
}

//! PostgreSQL's own rate for the rows of new customers: one transaction for 128 of them, in tables
//! that are like those of identity.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _, Value};
use storage::{Database, DatabaseUrl};
use uuid::Uuid;

use super::newcomers::{BATCH, STREAMS};
use crate::Failure;
use crate::result::median;

/// Transactions of a round.
const BATCHES: u32 = 100;
/// Rounds, of which the median counts.
const ROUNDS: u32 = 5;

/// The tables, each with its columns in the order of the values below.
const TABLES: [(&str, &str, u32); 3] = [
    ("identity_fragment", "fragment_id, root_id, create_time", 3),
    (
        "identity_customer",
        "customer_id, create_time, epoch, fragment_count, identifier_counts",
        5,
    ),
    (
        "identity_identifier",
        "namespace, value, fragment_id, create_time, sent_as",
        5,
    ),
];

/// Returns for how many customers a second the rows are written.
pub(super) async fn rate(database: &str) -> Result<f64, Failure> {
    let database = Database::connect(&database.parse::<DatabaseUrl>()?).await?;
    let orm = database.orm();
    for (table, ..) in TABLES {
        let create = format!("CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)");
        orm.execute_unprepared(&create).await?;
    }
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        stream::iter(0..BATCHES)
            .map(|_| write(orm))
            .buffer_unordered(STREAMS)
            .try_collect::<()>()
            .await?;
        rates.push(f64::from(BATCHES * BATCH) / begun.elapsed().as_secs_f64());
    }
    Ok(median(rates))
}

/// Writes the rows of some customers at once.
async fn write(orm: &DatabaseConnection) -> Result<(), Failure> {
    let ids: Vec<Uuid> = (0..BATCH).map(|_| Uuid::now_v7()).collect();
    let transaction = orm.begin().await?;
    for (table, columns, width) in TABLES {
        let rows: Vec<String> = (0..BATCH)
            .map(|row| placeholders(row * width, width))
            .collect();
        let text = format!(
            "INSERT INTO bare_{table} ({columns}) VALUES {}",
            rows.join(", ")
        );
        let values = ids.iter().flat_map(|id| values(table, *id));
        let backend = orm.get_database_backend();
        let insert = Statement::from_sql_and_values(backend, text, values);
        transaction.execute_raw(insert).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn placeholders(first: u32, width: u32) -> String {
    let names: Vec<String> = (first + 1..=first + width)
        .map(|n| format!("${n}"))
        .collect();
    format!("({})", names.join(", "))
}

fn values(table: &str, id: Uuid) -> Vec<Value> {
    const TIME: i64 = 1_764_302_400_000;
    match table {
        "identity_fragment" => vec![id.into(), id.into(), TIME.into()],
        "identity_customer" => vec![
            id.into(),
            TIME.into(),
            1_i64.into(),
            1_i64.into(),
            "user_id=1".into(),
        ],
        _ => vec![
            "user_id".into(),
            format!("customer-{id}").into(),
            id.into(),
            TIME.into(),
            Value::BigInt(None),
        ],
    }
}

//! Erasures as answers tell them.

use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::convert::timestamp;
use proto::identity::v1;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use storage::Database;
use uuid::Uuid;

use super::erase::Mode;
use super::tables::erasure;
use super::tombstones::ids;

/// Finds an erasure as answers tell it; absent where there is none.
///
/// # Errors
/// As the database says.
pub(crate) async fn load(
    database: &Database,
    operation: Uuid,
    now: Timestamp,
) -> Result<Option<v1::Erasure>, DbErr> {
    let row = super::erase::find_again(database.orm(), operation).await?;
    Ok(row.map(|row| message(&row, now)))
}

/// Lists erasures, newest first, behind one of a time and a name.
///
/// # Errors
/// As the database says.
pub(crate) async fn list(
    database: &Database,
    after: Option<(i64, Uuid)>,
    limit: u64,
    now: Timestamp,
) -> Result<Vec<((i64, Uuid), v1::Erasure)>, DbErr> {
    let mut select = erasure::Entity::find()
        .order_by_desc(erasure::Column::CreateTime)
        .order_by_desc(erasure::Column::OperationId)
        .limit(limit);
    if let Some((time, operation)) = after {
        let column = Expr::col(erasure::Column::CreateTime);
        let same = column
            .clone()
            .eq(time)
            .and(Expr::col(erasure::Column::OperationId).lt(operation));
        select = select.filter(column.lt(time).or(same));
    }
    let rows = select.all(database.orm()).await?;
    let rows = rows.iter();
    Ok(rows
        .map(|row| ((row.create_time, row.operation_id), message(row, now)))
        .collect())
}

/// An erasure as answers tell it at a time.
pub(crate) fn message(row: &erasure::Model, now: Timestamp) -> v1::Erasure {
    let steps = v1::Erasure::decode(row.steps.as_slice()).unwrap_or_default();
    let state = match row.done_time {
        Some(_) => v1::ErasureState::Done,
        None if now.as_millis() > row.deadline => v1::ErasureState::Overdue,
        None => v1::ErasureState::Running,
    };
    let mode = match Mode::of_code(row.mode) {
        Mode::Fresh => v1::ErasureMode::Fresh,
        Mode::Suppress => v1::ErasureMode::Suppress,
    };
    let customers = || ids(&row.customer_ids).map(CustomerId::new);
    let accounts = customers().filter(|id| id.is_account());
    v1::Erasure {
        operation_id: row.operation_id.to_string(),
        account_count: u32::try_from(accounts.count()).unwrap_or(u32::MAX),
        membership_count: steps.membership_count,
        buying_group_count: steps.buying_group_count,
        customer_ids: customers().map(|id| id.to_string()).collect(),
        found_count: count(row.found_count),
        not_found_count: count(row.not_found_count),
        fragment_count: u32::try_from(row.fragment_ids.len() / 16).unwrap_or(u32::MAX),
        identifier_count: count(row.identifier_count),
        event_count: row.event_count.and_then(|it| u64::try_from(it).ok()),
        erase_time: Some(timestamp(Timestamp::from_millis(row.erase_time))),
        deadline: Some(timestamp(Timestamp::from_millis(row.deadline))),
        state: state.into(),
        steps: steps.steps,
        mode: mode.into(),
        reason: row.reason.clone(),
    }
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

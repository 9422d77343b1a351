//! Keeps which event attached an identifier, once its row tells of another one.

use identity_core::{EvidenceKind, HolderState, HoldingChange};
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::kind_code;
use crate::store::entity::{evidence, identifier};

/// Keeps, of an identifier that leaves its fragment, which event attached it there: its row tells
/// of another one afterwards, or is gone.
pub(in crate::store) async fn keep_attachment(
    transaction: &DatabaseTransaction,
    change: &HoldingChange,
    id: Uuid,
) -> Result<(), DbErr> {
    let Some(before) = &change.before else {
        return Ok(());
    };
    let goes = change
        .after
        .as_ref()
        .is_none_or(|after| after.fragment != before.fragment || after.state != HolderState::Live);
    if before.state != HolderState::Live || !goes {
        return Ok(());
    }
    let column = |it| Expr::col((identifier::Entity, it));
    let or_empty = |it| Expr::from(Func::coalesce([column(it), "".into()]));
    let own_time = || column(identifier::Column::CreateTime);
    let event_time = Func::coalesce([column(identifier::Column::EventTime), own_time()]);
    let version = Func::coalesce([column(identifier::Column::PolicyVersion), 0_i64.into()]);
    let mut select = Query::select();
    select
        .expr(Expr::val(id))
        .expr(column(identifier::Column::FragmentId))
        .expr(column(identifier::Column::Namespace))
        .expr(column(identifier::Column::Value))
        .expr(Expr::val(kind_code(EvidenceKind::Attached)))
        .expr(or_empty(identifier::Column::EventId))
        .expr(or_empty(identifier::Column::Source))
        .expr(event_time)
        .expr(own_time())
        .expr(own_time())
        .expr(Expr::val(1_i64))
        .expr(version)
        .expr(Expr::val(""))
        .expr(column(identifier::Column::FoundBy))
        .from(identifier::Entity)
        .and_where(column(identifier::Column::Namespace).eq(change.identifier.namespace.as_str()))
        .and_where(column(identifier::Column::Value).eq(change.identifier.value.as_str()));
    let mut insert = Query::insert();
    insert.into_table(evidence::Entity).columns([
        evidence::Column::EvidenceId,
        evidence::Column::FragmentId,
        evidence::Column::Namespace,
        evidence::Column::Value,
        evidence::Column::Kind,
        evidence::Column::EventId,
        evidence::Column::Source,
        evidence::Column::EventTime,
        evidence::Column::FirstTime,
        evidence::Column::LastTime,
        evidence::Column::Count,
        evidence::Column::PolicyVersion,
        evidence::Column::Reason,
        evidence::Column::FoundBy,
    ]);
    let insert = insert
        .select_from(select)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    transaction.execute(insert).await?;
    Ok(())
}

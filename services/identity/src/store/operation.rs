//! Operations: all that changed who is who, each with a name, for the history of customers.
//!
//! Merges are in a table of their own, which is older; the history reads both.

use std::collections::BTreeSet;

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::{fragment, merge, operation, operation_fragment};
use super::{IdentityStore, damaged};

/// Kinds of operations, as their rows number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Customers were joined.
    Merge = 1,
    /// A customer was taken apart.
    Unmerge = 2,
    /// An identifier went to another customer, or to nobody.
    Move = 3,
    /// A customer was erased.
    Erasure = 4,
}

impl OperationKind {
    const ALL: [Self; 4] = [Self::Merge, Self::Unmerge, Self::Move, Self::Erasure];

    pub(super) const fn code(self) -> i16 {
        self as i16
    }

    fn of_code(code: i16) -> Result<Self, DbErr> {
        let kinds = Self::ALL.into_iter();
        let mut kinds = kinds.filter(|kind| kind.code() == code);
        kinds
            .next()
            .ok_or_else(|| damaged("the kind of an operation"))
    }
}

/// Something that changed who is who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its name.
    pub id: Uuid,
    /// Its kind.
    pub kind: OperationKind,
    /// Its time, by the clock of whoever accepted it.
    pub time: Timestamp,
    /// The customers that it was about, as they were before.
    pub from: Vec<CustomerId>,
    /// The customers as they were after it; the one that kept the id first.
    pub to: Vec<CustomerId>,
    /// The event that caused it; empty for none, or where nobody knows.
    pub event_id: String,
    /// The request that caused it; empty for none.
    pub request_id: String,
    /// The reason that whoever did it gave.
    pub reason: String,
    /// The unmerge that took it back.
    pub retracted_by: Option<Uuid>,
}

impl IdentityStore {
    /// Lists the operations that a customer's fragments were part of, newest first, before one.
    ///
    /// # Errors
    /// As the database says.
    pub async fn history(
        &self,
        customer: CustomerId,
        before: Option<(Timestamp, Uuid)>,
        limit: u64,
    ) -> Result<Vec<OperationRecord>, DbErr> {
        let mut found = self.merges_of(customer, before, limit).await?;
        found.extend(self.others_of(customer, before, limit).await?);
        found.sort_unstable_by_key(|it| std::cmp::Reverse((it.time, it.id)));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn merges_of(
        &self,
        customer: CustomerId,
        before: Option<(Timestamp, Uuid)>,
        limit: u64,
    ) -> Result<Vec<OperationRecord>, DbErr> {
        let own = || fragments_of(customer);
        let mut select = merge::Entity::find().filter(
            Condition::any()
                .add(merge::Column::FromCustomerId.in_subquery(own()))
                .add(merge::Column::IntoCustomerId.in_subquery(own())),
        );
        if let Some((time, id)) = before {
            let at = merge::Column::CreateTime;
            let same = Condition::all().add(at.eq(time.as_millis()));
            let earlier = Condition::any().add(at.lt(time.as_millis()));
            select = select.filter(earlier.add(same.add(merge::Column::MergeId.lt(id))));
        }
        let rows = select
            .order_by_desc(merge::Column::CreateTime)
            .order_by_desc(merge::Column::MergeId)
            .limit(limit)
            .all(self.database.orm())
            .await?;
        Ok(rows.into_iter().map(of_merge).collect())
    }

    async fn others_of(
        &self,
        customer: CustomerId,
        before: Option<(Timestamp, Uuid)>,
        limit: u64,
    ) -> Result<Vec<OperationRecord>, DbErr> {
        let mut about = Query::select();
        about
            .column(operation_fragment::Column::OperationId)
            .from(operation_fragment::Entity)
            .and_where(
                Expr::col(operation_fragment::Column::FragmentId)
                    .in_subquery(fragments_of(customer)),
            );
        let mut select =
            operation::Entity::find().filter(operation::Column::OperationId.in_subquery(about));
        if let Some((time, id)) = before {
            let at = operation::Column::CreateTime;
            let same = Condition::all().add(at.eq(time.as_millis()));
            let earlier = Condition::any().add(at.lt(time.as_millis()));
            select = select.filter(earlier.add(same.add(operation::Column::OperationId.lt(id))));
        }
        let rows = select
            .order_by_desc(operation::Column::CreateTime)
            .order_by_desc(operation::Column::OperationId)
            .limit(limit)
            .all(self.database.orm())
            .await?;
        rows.into_iter().map(of_row).collect()
    }

    /// Finds an operation by its name, merges included.
    ///
    /// # Errors
    /// As the database says.
    pub async fn operation(&self, id: Uuid) -> Result<Option<OperationRecord>, DbErr> {
        let found = operation::Entity::find_by_id(id)
            .one(self.database.orm())
            .await?;
        if let Some(row) = found {
            return of_row(row).map(Some);
        }
        let found = merge::Entity::find_by_id(id)
            .one(self.database.orm())
            .await?;
        Ok(found.map(of_merge))
    }
}

/// The fragments of a customer, by the customer's canonical id.
pub(super) fn fragments_of(customer: CustomerId) -> SelectStatement {
    let mut own = Query::select();
    own.column(fragment::Column::FragmentId)
        .from(fragment::Entity)
        .and_where(Expr::col(fragment::Column::RootId).eq(customer.uuid()));
    own
}

/// Writes an operation with the fragments that it is about. Returns whether it is new: one of that
/// name may be there, from an earlier try.
pub(crate) async fn insert_operation(
    transaction: &DatabaseTransaction,
    record: &OperationRecord,
    about: impl IntoIterator<Item = FragmentId>,
    outcome: Option<Vec<u8>>,
) -> Result<bool, DbErr> {
    let mut insert = Query::insert();
    insert
        .into_table(operation::Entity)
        .columns([
            operation::Column::OperationId,
            operation::Column::Kind,
            operation::Column::RequestId,
            operation::Column::EventId,
            operation::Column::FromIds,
            operation::Column::ToIds,
            operation::Column::Reason,
            operation::Column::CreateTime,
            operation::Column::Outcome,
        ])
        .values_panic([
            record.id.into(),
            record.kind.code().into(),
            record.request_id.as_str().into(),
            record.event_id.as_str().into(),
            id_list(record.from.iter().map(|it| it.uuid())).into(),
            id_list(record.to.iter().map(|it| it.uuid())).into(),
            record.reason.as_str().into(),
            record.time.as_millis().into(),
            outcome.into(),
        ])
        .on_conflict(
            OnConflict::column(operation::Column::OperationId)
                .do_nothing()
                .to_owned(),
        );
    if transaction.execute(&insert).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let about: BTreeSet<FragmentId> = about.into_iter().collect();
    if !about.is_empty() {
        let mut insert = Query::insert();
        insert.into_table(operation_fragment::Entity).columns([
            operation_fragment::Column::FragmentId,
            operation_fragment::Column::OperationId,
        ]);
        for fragment in about {
            insert.values_panic([fragment.uuid().into(), record.id.into()]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(true)
}

/// Writes ids as rows keep them, with commas between them.
pub(super) fn id_list(ids: impl Iterator<Item = Uuid>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.join(",")
}

pub(super) fn parse_ids(text: &str) -> Result<Vec<Uuid>, DbErr> {
    let ids = text.split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse().map_err(|_| damaged("a list of ids")))
        .collect()
}

pub(super) fn of_merge(row: merge::Model) -> OperationRecord {
    let into = CustomerId::new(row.into_customer_id);
    OperationRecord {
        id: row.merge_id,
        kind: OperationKind::Merge,
        time: Timestamp::from_millis(row.create_time),
        from: vec![into, CustomerId::new(row.from_customer_id)],
        to: vec![into],
        event_id: row.event_id.unwrap_or_default(),
        request_id: row.request_id,
        reason: row.reason,
        retracted_by: row.retracted_by,
    }
}

fn of_row(row: operation::Model) -> Result<OperationRecord, DbErr> {
    let customers = |text: &str| -> Result<Vec<CustomerId>, DbErr> {
        Ok(parse_ids(text)?.into_iter().map(CustomerId::new).collect())
    };
    Ok(OperationRecord {
        id: row.operation_id,
        kind: OperationKind::of_code(row.kind)?,
        time: Timestamp::from_millis(row.create_time),
        from: customers(&row.from_ids)?,
        to: customers(&row.to_ids)?,
        event_id: row.event_id,
        request_id: row.request_id,
        reason: row.reason,
        retracted_by: row.retracted_by,
    })
}

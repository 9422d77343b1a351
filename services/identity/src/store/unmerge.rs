//! Writes what an unmerge takes apart: all of it, or nothing.

use std::collections::HashMap;

use identity_core::{CustomerChange, CustomerView, HolderState, Identifier, NewFragment};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter,
};
use uuid::Uuid;

use super::account_news::moves::note_parts;
use super::commit::{lock_customers, record, set_root, write_customers};
use super::entity::{cannot_link, evidence, fragment, identifier, merge};
use super::holding::state_code;
use super::operation::{OperationRecord, insert_operation};
use super::split::insert_splits;
use super::{CommitError, IdentityStore, News, SplitRecord, moved};
use crate::chance::Chance;
use crate::erasure::{self, Held};

/// A customer who is taken apart.
#[derive(Debug, Clone)]
pub struct Parting {
    /// The operation; its `from` is the customer.
    pub operation: OperationRecord,
    /// The epoch of the customer that this was planned for.
    pub epoch: u64,
    /// The customers after it, the one who keeps the id first.
    pub customers: Vec<CustomerView>,
    /// Their fragments.
    pub parts: Vec<Vec<FragmentId>>,
    /// A new fragment for an identifier that leaves alone, and the fragment that has it.
    pub moved: Option<(Identifier, FragmentId, NewFragment)>,
    /// The evidence that is taken back.
    pub evidence: Vec<Uuid>,
    /// The merges that are taken back.
    pub merges: Vec<Uuid>,
    /// The pairs of fragments that must never be joined by events.
    pub cannot_links: Vec<(FragmentId, FragmentId)>,
    /// The news for those who come out.
    pub splits: Vec<SplitRecord>,
}

impl IdentityStore {
    /// Takes a customer apart.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written then. [`CommitError::Raced`] also where an earlier try
    /// did it, and where a merge of the customer is not in the streams yet, which would come there
    /// behind the split.
    pub async fn commit_parting(&self, parting: &Parting) -> Result<(), CommitError> {
        let transaction = self.database.begin_write().await?;
        match write(&transaction, parting, self.chance.as_ref()).await {
            Ok(()) => {
                transaction.commit().await?;
                Ok(())
            }
            Err(error) => {
                transaction.rollback().await?;
                Err(error)
            }
        }
    }

    /// Returns the fragment that an identifier left in an unmerge, by the fragment that was made of
    /// it.
    pub(crate) async fn left_by(
        &self,
        operation: Uuid,
        made: FragmentId,
    ) -> Result<Option<FragmentId>, DbErr> {
        let (a, b) = (
            cannot_link::Column::FragmentA,
            cannot_link::Column::FragmentB,
        );
        let found = cannot_link::Entity::find()
            .filter(cannot_link::Column::OperationId.eq(operation))
            .filter(a.eq(made.uuid()).or(b.eq(made.uuid())))
            .one(self.database.orm())
            .await?;
        let ends = found
            .into_iter()
            .flat_map(|row| [row.fragment_a, row.fragment_b]);
        let mut ends = ends.map(FragmentId::new);
        Ok(ends.find(|it| *it != made))
    }
}

async fn write(
    transaction: &DatabaseTransaction,
    parting: &Parting,
    chance: &dyn Chance,
) -> Result<(), CommitError> {
    if !erasure::check(transaction, Held::ANY).await? {
        return Err(CommitError::Erased);
    }
    let all = || parting.parts.iter().flatten().copied();
    let made = parting.moved.iter().map(|(_, _, made)| made.id);
    let about = all().chain(made);
    if !insert_operation(transaction, &parting.operation, about, None).await? {
        return Err(CommitError::Raced);
    }
    if let Some(moved) = &parting.moved {
        move_alone(transaction, moved, parting.operation.time).await?;
    }
    let own = parting.operation.from.iter();
    let planned: Vec<(CustomerId, u64)> = own.map(|it| (*it, parting.epoch)).collect();
    lock_customers(transaction, planned).await?;
    let owed = merge::Entity::find()
        .filter(merge::Column::Announced.eq(false))
        .filter(merge::Column::FromCustomerId.is_in(all().map(|it| it.uuid())))
        .count(transaction)
        .await?;
    if owed > 0 {
        return Err(CommitError::Raced);
    }
    for part in parting.parts.iter().skip(1) {
        if let Some(root) = part.first() {
            set_root(transaction, (*root).into(), part).await?;
        }
    }
    if let Some(from) = parting.operation.from.first() {
        let parts = parting.parts.get(1..).unwrap_or_default();
        note_parts(transaction, *from, parts, (parting.operation.time, chance)).await?;
    }
    let kept = parting.customers.first().map(|view| view.id);
    let changes = parting.customers.iter().map(|view| CustomerChange {
        view: view.clone(),
        epoch: (Some(view.id) == kept).then_some(parting.epoch),
    });
    let changes: Vec<CustomerChange> = changes.collect();
    let all = parting.customers.iter();
    let epochs: HashMap<CustomerId, u64> = all.map(|view| (view.id, parting.epoch + 1)).collect();
    write_customers(transaction, &changes, &epochs).await?;
    retract(transaction, parting).await?;
    insert_cannot_links(transaction, parting).await?;
    let splits = &parting.splits;
    let parted = parting.parts.iter().flatten().copied();
    insert_splits(transaction, splits, parting.operation.time, &HashMap::new()).await?;
    let news: Vec<News> = splits.iter().cloned().map(News::Split).collect();
    moved::note(transaction, &parted.collect()).await?;
    record(transaction, &news).await
}

async fn move_alone(
    transaction: &DatabaseTransaction,
    (named, from, made): &(Identifier, FragmentId, NewFragment),
    time: Timestamp,
) -> Result<(), CommitError> {
    let column = |it| Expr::col((identifier::Entity, it));
    let mut update = Query::update();
    update
        .table(identifier::Entity)
        .value(identifier::Column::FragmentId, made.id.uuid())
        .value(identifier::Column::CreateTime, time.as_millis())
        .and_where(column(identifier::Column::Namespace).eq(named.namespace.as_str()))
        .and_where(column(identifier::Column::Value).eq(named.value.as_str()))
        .and_where(column(identifier::Column::FragmentId).eq(from.uuid()))
        .and_where(column(identifier::Column::State).eq(state_code(HolderState::Live)));
    if transaction.execute(&update).await?.rows_affected() != 1 {
        return Err(CommitError::Raced);
    }
    let mut insert = Query::insert();
    insert
        .into_table(fragment::Entity)
        .columns([
            fragment::Column::FragmentId,
            fragment::Column::RootId,
            fragment::Column::CreateTime,
        ])
        .values_panic([
            made.id.uuid().into(),
            made.id.uuid().into(),
            made.create_time.as_millis().into(),
        ]);
    transaction.execute(&insert).await?;
    Ok(())
}

async fn retract(transaction: &DatabaseTransaction, parting: &Parting) -> Result<(), DbErr> {
    let by = parting.operation.id;
    if !parting.evidence.is_empty() {
        evidence::Entity::update_many()
            .col_expr(evidence::Column::RetractedBy, Expr::val(by))
            .filter(evidence::Column::EvidenceId.is_in(parting.evidence.iter().copied()))
            .exec(transaction)
            .await?;
    }
    if !parting.merges.is_empty() {
        merge::Entity::update_many()
            .col_expr(merge::Column::RetractedBy, Expr::val(by))
            .filter(merge::Column::MergeId.is_in(parting.merges.iter().copied()))
            .exec(transaction)
            .await?;
    }
    Ok(())
}

async fn insert_cannot_links(
    transaction: &DatabaseTransaction,
    parting: &Parting,
) -> Result<(), DbErr> {
    if parting.cannot_links.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert
        .into_table(cannot_link::Entity)
        .columns([
            cannot_link::Column::FragmentA,
            cannot_link::Column::FragmentB,
            cannot_link::Column::OperationId,
            cannot_link::Column::Reason,
            cannot_link::Column::CreateTime,
        ])
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    for (one, other) in &parting.cannot_links {
        let (first, second) = if one < other {
            (one, other)
        } else {
            (other, one)
        };
        insert.values_panic([
            first.uuid().into(),
            second.uuid().into(),
            parting.operation.id.into(),
            parting.operation.reason.as_str().into(),
            parting.operation.time.as_millis().into(),
        ]);
    }
    transaction.execute(&insert).await?;
    Ok(())
}

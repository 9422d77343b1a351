//! Writes what a batch changed: all of it, or nothing where it raced.
//!
//! The unique index on identifiers arbitrates who made one first. Locks are taken in one order everywhere,
//! identifiers by value and then customers by id, so that no two writers wait for each other. A customer whose epoch
//! is not the one planned for was changed by somebody else, and the whole batch is planned again.

use std::collections::HashMap;

use audit::{Act, AuditError, Operation};
use identity_core::{Changes, CustomerChange, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::entity::{customer, fragment, identifier, merge};
use super::merges::MergeRecord;
use super::{IdentityStore, SentBy, counts_text, signed, unsigned};
use crate::chance::Chance;
use crate::limits::ROWS_PER_STATEMENT;

/// Why something is written, for the record.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Why customers are joined.
    pub reason: &'a str,
    /// The request; empty where there is none.
    pub request_id: &'a str,
    /// When.
    pub time: Timestamp,
    /// True where it may have been tried before: merges that an earlier try made are looked for,
    /// also where nothing else needs the database.
    pub looks_back: bool,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed what the plan was made for: plan again.
    #[error("the customers were changed at the same time")]
    Raced,
    /// The database did not do it: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It could not be put on record: retry.
    #[error("the change could not be put on record")]
    Audit(#[from] AuditError),
}

/// What was written.
#[derive(Debug, Default)]
pub struct Committed {
    /// The merges, to be announced, in order.
    pub merges: Vec<MergeRecord>,
}

impl IdentityStore {
    /// Writes what a batch changed, and by what each change was made.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written then.
    pub async fn commit(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Committed, CommitError> {
        if changes.is_empty() {
            return Ok(Committed::default());
        }
        let transaction = self.database.begin_write().await?;
        match write(&transaction, changes, cause, (sent, self.chance.as_ref())).await {
            Ok(committed) => {
                transaction.commit().await?;
                Ok(committed)
            }
            Err(error) => {
                transaction.rollback().await?;
                Err(error)
            }
        }
    }
}

async fn write(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    (sent, chance): (&SentBy, &dyn Chance),
) -> Result<Committed, CommitError> {
    insert_identifiers(transaction, &changes.identifiers, cause.time, sent).await?;
    lock_customers(transaction, changes).await?;
    insert_fragments(transaction, changes).await?;
    let merges = join(transaction, changes, cause, (sent, chance)).await?;
    write_customers(transaction, changes).await?;
    record(transaction, &merges).await?;
    Ok(Committed { merges })
}

/// Puts merges on record, with who sent what led to them: an entry for each of the two customers.
/// The reason stays with the merge, since people write it as they like. Comes last, since the audit log of a process is written by one transaction at a time.
async fn record(
    transaction: &DatabaseTransaction,
    merges: &[MergeRecord],
) -> Result<(), CommitError> {
    let Some(operation) = Operation::current().filter(|_| !merges.is_empty()) else {
        return Ok(());
    };
    let acts = merges.iter().flat_map(|merge| {
        let act = Act::done("identity.merge", format!("merge {}", merge.id));
        [act.clone().of(merge.from), act.of(merge.into)]
    });
    operation.record(transaction, acts.collect()).await?;
    Ok(())
}

async fn insert_identifiers(
    transaction: &DatabaseTransaction,
    identifiers: &[(Identifier, FragmentId)],
    time: Timestamp,
    sent: &SentBy,
) -> Result<(), CommitError> {
    let mut sorted: Vec<&(Identifier, FragmentId)> = identifiers.iter().collect();
    sorted.sort();
    for chunk in sorted.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(identifier::Entity)
            .columns([
                identifier::Column::Namespace,
                identifier::Column::Value,
                identifier::Column::FragmentId,
                identifier::Column::CreateTime,
                identifier::Column::SentAs,
            ])
            .on_conflict(
                OnConflict::columns([identifier::Column::Namespace, identifier::Column::Value])
                    .do_nothing()
                    .to_owned(),
            );
        for (identifier, fragment) in chunk {
            insert.values_panic([
                identifier.namespace.as_str().into(),
                identifier.value.as_str().into(),
                fragment.uuid().into(),
                time.as_millis().into(),
                sent.identifier(identifier).map(|it| it.0).into(),
            ]);
        }
        let inserted = transaction.execute(&insert).await?.rows_affected();
        if inserted != chunk.len() as u64 {
            return Err(CommitError::Raced);
        }
    }
    Ok(())
}

/// Locks the customers that change and compares what is there now with what the plan was made for.
async fn lock_customers(
    transaction: &DatabaseTransaction,
    changes: &Changes,
) -> Result<(), CommitError> {
    let mut planned: Vec<(CustomerId, u64)> = changes
        .customers
        .iter()
        .filter_map(|change| Some((change.view.id, change.epoch?)))
        .chain(changes.removed.iter().copied())
        .collect();
    planned.sort_unstable();
    for chunk in planned.chunks(ROWS_PER_STATEMENT) {
        let mut select = Query::select();
        select
            .columns([customer::Column::CustomerId, customer::Column::Epoch])
            .from(customer::Entity)
            .and_where(
                Expr::col(customer::Column::CustomerId)
                    .is_in(chunk.iter().map(|(id, _)| id.uuid())),
            )
            .order_by(customer::Column::CustomerId, Order::Asc)
            .lock_exclusive();
        let mut there = Vec::with_capacity(chunk.len());
        for row in transaction.query_all(&select).await? {
            let id = CustomerId::new(row.try_get::<Uuid>("", "customer_id")?);
            there.push((id, unsigned(row.try_get("", "epoch")?)?));
        }
        if there != chunk {
            return Err(CommitError::Raced);
        }
    }
    Ok(())
}

async fn insert_fragments(
    transaction: &DatabaseTransaction,
    changes: &Changes,
) -> Result<(), DbErr> {
    let roots: HashMap<_, _> = changes.redirects.iter().copied().collect();
    for chunk in changes.fragments.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert.into_table(fragment::Entity).columns([
            fragment::Column::FragmentId,
            fragment::Column::RootId,
            fragment::Column::CreateTime,
        ]);
        for fragment in chunk {
            let own = CustomerId::from(fragment.id);
            let root = roots.get(&own).copied().unwrap_or(own);
            insert.values_panic([
                fragment.id.uuid().into(),
                root.uuid().into(),
                fragment.create_time.as_millis().into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// Redirects the fragments of merged customers straight to where they end up, and records the merges.
async fn join(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    (sent, chance): (&SentBy, &dyn Chance),
) -> Result<Vec<MergeRecord>, DbErr> {
    if changes.merges.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_root: HashMap<CustomerId, Vec<Uuid>> = HashMap::new();
    for (from, into) in &changes.redirects {
        by_root.entry(*into).or_default().push(from.uuid());
    }
    for (root, losers) in by_root {
        let mut update = Query::update();
        update
            .table(fragment::Entity)
            .value(fragment::Column::RootId, root.uuid())
            .and_where(Expr::col(fragment::Column::RootId).is_in(losers.iter().copied()));
        transaction.execute(&update).await?;
        let mut delete = Query::delete();
        delete
            .from_table(customer::Entity)
            .and_where(Expr::col(customer::Column::CustomerId).is_in(losers));
        transaction.execute(&delete).await?;
    }
    let mut insert = Query::insert();
    insert.into_table(merge::Entity).columns([
        merge::Column::MergeId,
        merge::Column::FromCustomerId,
        merge::Column::IntoCustomerId,
        merge::Column::Reason,
        merge::Column::RequestId,
        merge::Column::CreateTime,
        merge::Column::Announced,
        merge::Column::ClaimTime,
        merge::Column::SentAs,
    ]);
    let mut records = Vec::with_capacity(changes.merges.len());
    for merge in &changes.merges {
        let record = MergeRecord {
            id: chance.merge(),
            from: merge.from,
            into: merge.into,
        };
        insert.values_panic([
            record.id.into(),
            record.from.uuid().into(),
            record.into.uuid().into(),
            cause.reason.into(),
            cause.request_id.into(),
            cause.time.as_millis().into(),
            false.into(),
            cause.time.as_millis().into(),
            sent.merge(merge.from).map(|it| it.0).into(),
        ]);
        records.push(record);
    }
    transaction.execute(&insert).await?;
    Ok(records)
}

async fn write_customers(
    transaction: &DatabaseTransaction,
    changes: &Changes,
) -> Result<(), DbErr> {
    let mut highest: HashMap<CustomerId, u64> = HashMap::new();
    for (from, into) in &changes.redirects {
        if let Some((_, epoch)) = changes.removed.iter().find(|(id, _)| id == from) {
            let slot = highest.entry(*into).or_default();
            *slot = Ord::max(*slot, *epoch);
        }
    }
    for chunk in changes.customers.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(customer::Entity)
            .columns([
                customer::Column::CustomerId,
                customer::Column::CreateTime,
                customer::Column::Epoch,
                customer::Column::FragmentCount,
                customer::Column::IdentifierCounts,
            ])
            .on_conflict(
                OnConflict::column(customer::Column::CustomerId)
                    .update_columns([
                        customer::Column::Epoch,
                        customer::Column::FragmentCount,
                        customer::Column::IdentifierCounts,
                    ])
                    .to_owned(),
            );
        for change in chunk {
            insert.values_panic(row(change, highest.get(&change.view.id).copied()));
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// The epoch is above all of those that were joined, so that whoever compares knows which word is the last.
fn row(change: &CustomerChange, merged: Option<u64>) -> [SimpleExpr; 5] {
    let epoch = Ord::max(change.epoch, merged).unwrap_or(0) + 1;
    [
        change.view.id.uuid().into(),
        change.view.create_time.as_millis().into(),
        signed(epoch).into(),
        i64::from(change.view.fragment_count).into(),
        counts_text(&change.view).into(),
    ]
}

//! Writes what a batch changed: all of it, or nothing where it raced.
//!
//! The unique index on identifiers arbitrates who made one first. Locks are taken in one order
//! everywhere, identifiers by value (new ones, then those that are there) and then customers by id,
//! so that no two writers wait for each other. A customer whose epoch is not the one planned for,
//! and an identifier that is not held as planned for, was changed by somebody else, and the whole
//! batch is planned again.

mod epochs;
mod joins;
mod rows;

use std::collections::HashMap;
use std::fmt::Debug;

use audit::{Act, AuditError, Operation};
use identity_core::{Changes, CustomerChange};
use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::account::kind;
use super::account_news::moves::note_moves;
use super::entity::customer;
use super::evidence::insert_evidence;
use super::split::retract_ties;
use super::{IdentityStore, News, SentBy, counts_text, moved, signed, unsigned};
use crate::chance::Chance;
use crate::erasure::{self, Held};
use crate::limits::ROWS_PER_STATEMENT;

use self::epochs::GraphEpochs;
pub(super) use self::joins::set_root;

/// The event that a change came from, for the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// Its id, as its sender gave it; empty for none.
    pub event_id: &'a str,
    /// The name of its source, its import or its sender; empty where nobody knows.
    pub source: &'a str,
    /// When it happened; absent without an event.
    pub time: Option<Timestamp>,
}

/// The events of a batch, by their numbers.
pub trait Origins: Debug + Send + Sync {
    /// Returns the event of a number, from 0.
    fn origin(&self, place: usize) -> Origin<'_>;
}

/// No events: somebody says so.
impl Origins for () {
    fn origin(&self, _place: usize) -> Origin<'_> {
        Origin::default()
    }
}

/// The cause of what is written, for the record.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The reason for which customers are joined.
    pub reason: &'a str,
    /// The request; empty where there is none.
    pub request_id: &'a str,
    /// When.
    pub time: Timestamp,
    /// True where it may have been tried before: merges that an earlier try made are looked for,
    /// also where nothing else needs the database.
    pub looks_back: bool,
    /// The events.
    pub origins: &'a dyn Origins,
    /// The version of the policy in force; 0 for the built-in one.
    pub policy_version: u32,
    /// The tombstones that the events were held against.
    pub held: Held,
}

/// The reason for which nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed what the plan was made for: plan again.
    #[error("the customers were changed at the same time")]
    Raced,
    /// Somebody was erased meanwhile: hold the events against the newer tombstones, and plan again.
    #[error("a customer was erased at the same time")]
    Erased,
    /// The database did not do it: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It could not be put on record: retry.
    #[error("the change could not be put on record")]
    Audit(#[from] AuditError),
}

/// The news of what was written.
#[derive(Debug, Default)]
pub struct Committed {
    /// The merges and splits, to be announced, in order.
    pub news: Vec<News>,
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
        if changes.is_empty() && changes.evidence.is_empty() {
            return Ok(Committed::default());
        }
        let transaction = self.database.begin_write().await?;
        match write(&transaction, changes, cause, (sent, self.chance.as_ref())).await {
            Ok(committed) => {
                transaction.commit().await?;
                self.tell_growth(changes.fragments.len()).await;
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
    if !erasure::check(transaction, cause.held).await? {
        return Err(CommitError::Erased);
    }
    rows::insert_identifiers(transaction, changes, cause, sent).await?;
    rows::insert_shared(transaction, changes, cause).await?;
    rows::change_holdings(transaction, changes, cause, (sent, chance)).await?;
    let planned = changes.customers.iter();
    let planned = planned.filter_map(|change| Some((change.view.id, change.epoch?)));
    let planned = planned.chain(changes.removed.iter().copied());
    lock_customers(transaction, planned.collect()).await?;
    rows::insert_fragments(transaction, changes).await?;
    note_moves(transaction, changes, (cause.time, chance)).await?;
    let mut epochs = GraphEpochs::before(changes);
    let news = joins::join(transaction, changes, cause, (sent, chance, &mut epochs)).await?;
    write_customers(transaction, &changes.customers, epochs.numbers()).await?;
    let merges = news.iter().filter_map(News::merge);
    let merges: HashMap<CustomerId, Uuid> = merges.map(|it| (it.from, it.id)).collect();
    insert_evidence(transaction, changes, cause, (sent, chance), &merges).await?;
    for split in news.iter().filter_map(News::split) {
        retract_ties(transaction, split).await?;
    }
    moved::note(transaction, &moved::of_changes(changes)).await?;
    record(transaction, &news).await?;
    Ok(Committed { news })
}

/// Puts merges and splits on record, with who sent what led to them: an entry for each of the two
/// customers. The reason stays with the merge, since people write it as they like. Comes last,
/// since the audit log of a process is written by one transaction at a time.
pub(super) async fn record(
    transaction: &DatabaseTransaction,
    news: &[News],
) -> Result<(), CommitError> {
    let Some(operation) = Operation::current().filter(|_| !news.is_empty()) else {
        return Ok(());
    };
    let acts = news.iter().flat_map(|it| {
        let act = match it {
            News::Merge(merge) => Act::done("identity.merge", format!("merge {}", merge.id)),
            News::Split(split) => {
                Act::done("identity.unmerge", format!("operation {}", split.operation))
            }
        };
        let [one, other] = it.customers();
        [act.clone().of(one), act.of(other)]
    });
    operation.record(transaction, acts.collect()).await?;
    Ok(())
}

/// Locks the customers that change and compares what is there now with what the plan was made for.
pub(super) async fn lock_customers(
    transaction: &DatabaseTransaction,
    mut planned: Vec<(CustomerId, u64)>,
) -> Result<(), CommitError> {
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

/// Writes customers, each with an epoch above the one before, and not below its graph epoch.
pub(super) async fn write_customers(
    transaction: &DatabaseTransaction,
    customers: &[CustomerChange],
    graph_epochs: &HashMap<CustomerId, u64>,
) -> Result<(), DbErr> {
    for chunk in customers.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(customer::Entity)
            .columns([
                customer::Column::CustomerId,
                customer::Column::CreateTime,
                customer::Column::Epoch,
                customer::Column::FragmentCount,
                customer::Column::IdentifierCounts,
                customer::Column::Kind,
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
            insert.values_panic(row(change, graph_epochs.get(&change.view.id).copied()));
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// The epoch is not below any number that the streams were told of the customer, so that whoever
/// compares knows which word is the last.
fn row(change: &CustomerChange, graph_epoch: Option<u64>) -> [SimpleExpr; 6] {
    let next = change.epoch.unwrap_or(0) + 1;
    let epoch = graph_epoch.map_or(next, |it| Ord::max(next, it));
    [
        change.view.id.uuid().into(),
        change.view.create_time.as_millis().into(),
        signed(epoch).into(),
        i64::from(change.view.fragment_count).into(),
        counts_text(&change.view).into(),
        kind(change.view.id).into(),
    ]
}

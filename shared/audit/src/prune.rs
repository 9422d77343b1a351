//! Removes old entries from the beginnings of chains, and seals in the log what was removed.
//!
//! Each transaction removes some entries of one chain, writes down up to which one, and records
//! that: all of it takes effect, or none. Entries are verified before they are removed, since
//! nobody can verify them afterwards. Heads stay, so that a chain that is gone is still missed. A
//! record is renewed before it would be pruned itself.

use std::collections::HashMap;

use access::now;
use kernel::Timestamp;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use storage::Database;
use uuid::Uuid;

use crate::append::{entry_of_row, signed};
use crate::chain::{Hash, NO_HASH};
use crate::entity::{chain, entry, pruned};
use crate::pruned::{PRUNE, Pruned};
use crate::{Act, AuditError, AuditLog, ChainId, limits, metrics, operation};

/// The entries that a call removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) entries: u64,
    /// True where the call ended because it had removed enough.
    pub(crate) has_more: bool,
    /// Chains that were left since an entry was changed.
    pub(crate) changed: Vec<ChainId>,
}

/// The end of one transaction.
enum Batch {
    /// So many entries were removed.
    Removed(u64),
    /// No entry at the beginning of the chain is old enough.
    Nothing,
    /// An entry was changed, or does not follow the one before.
    Changed,
}

/// Removes entries of before a time, until it has removed as many as `enough`.
pub(crate) async fn prune(
    log: &AuditLog,
    before: Timestamp,
    enough: u64,
) -> Result<Removed, AuditError> {
    renew(log, before).await?;
    let mut removed = Removed::default();
    let mut after = Uuid::nil();
    while let Some(chains) = Chains::after(log.database(), after, before).await? {
        after = chains.last;
        for chain in chains.with_entries {
            loop {
                if removed.entries >= enough {
                    removed.has_more = true;
                    return Ok(removed);
                }
                match prune_some(log, chain, before).await? {
                    Batch::Removed(count) => removed.entries += count,
                    Batch::Nothing => break,
                    Batch::Changed => {
                        if removed.changed.len() < limits::FAULTS {
                            removed.changed.push(chain);
                        }
                        break;
                    }
                }
            }
        }
    }
    Ok(removed)
}

/// Some chains that began before a time.
struct Chains {
    with_entries: Vec<ChainId>,
    /// The last of them all.
    last: Uuid,
}

impl Chains {
    /// Reads the next ones behind a chain, oldest first: no chain loses the entry that names an
    /// older one before that has a record of its own.
    async fn after(
        database: &Database,
        after: Uuid,
        before: Timestamp,
    ) -> Result<Option<Self>, AuditError> {
        let heads: Vec<(Uuid, i64)> = chain::Entity::find()
            .filter(chain::Column::ChainId.gt(after))
            .filter(chain::Column::OpenTime.lt(before.as_millis()))
            .select_only()
            .columns([chain::Column::ChainId, chain::Column::Sequence])
            .order_by_asc(chain::Column::ChainId)
            .limit(limits::ROWS_AT_ONCE)
            .into_tuple()
            .all(database.orm())
            .await?;
        let Some((last, _)) = heads.last().copied() else {
            return Ok(None);
        };
        let known: Vec<(Uuid, i64)> = pruned::Entity::find()
            .filter(pruned::Column::ChainId.is_in(heads.iter().map(|(id, _)| *id)))
            .select_only()
            .columns([pruned::Column::ChainId, pruned::Column::Sequence])
            .into_tuple()
            .all(database.orm())
            .await?;
        let known: HashMap<Uuid, i64> = known.into_iter().collect();
        let has_entries = |(id, newest): &(Uuid, i64)| known.get(id).is_none_or(|it| it < newest);
        let with_entries = heads.into_iter().filter(has_entries);
        Ok(Some(Self {
            with_entries: with_entries.map(|(id, _)| ChainId(id)).collect(),
            last,
        }))
    }
}

/// Removes some entries from the beginning of a chain.
async fn prune_some(
    log: &AuditLog,
    chain: ChainId,
    before: Timestamp,
) -> Result<Batch, AuditError> {
    let transaction = log.database().begin_write().await?;
    let known = lock(&transaction, chain).await?;
    let rows = entry::Entity::find()
        .filter(entry::Column::ChainId.eq(chain.0))
        .filter(entry::Column::Sequence.gt(signed(known.sequence)?))
        .order_by_asc(entry::Column::Sequence)
        .limit(limits::PRUNED_PER_WRITE)
        .all(&transaction)
        .await?;
    let mut pruned = known;
    let old = rows.into_iter().map(entry_of_row);
    for entry in old.take_while(|entry| entry.time < before) {
        let Some(more) = pruned.and(&entry) else {
            transaction.rollback().await?;
            return Ok(Batch::Changed);
        };
        pruned = more;
    }
    if pruned == known {
        transaction.rollback().await?;
        return Ok(Batch::Nothing);
    }
    // First, so that the database lets the entries go.
    write(&transaction, chain, pruned).await?;
    let gone = entry::Entity::delete_many()
        .filter(entry::Column::ChainId.eq(chain.0))
        .filter(entry::Column::Sequence.lte(signed(pruned.sequence)?))
        .exec(&transaction)
        .await?;
    let act = Act::done(PRUNE, pruned.object(chain));
    operation::record(log, &transaction, vec![act]).await?;
    transaction.commit().await?;
    metrics::pruned(gone.rows_affected);
    Ok(Batch::Removed(gone.rows_affected))
}

/// Returns what was removed from a chain, and lets nobody else prune it meanwhile.
async fn lock(connection: &impl ConnectionTrait, chain: ChainId) -> Result<Pruned, AuditError> {
    let none = pruned::ActiveModel {
        chain_id: Set(chain.0),
        sequence: Set(0),
        hash: Set(NO_HASH.to_vec()),
        first_time: Set(Timestamp::MAX.as_millis()),
        last_time: Set(Timestamp::MIN.as_millis()),
        record_time: Set(now().as_millis()),
    };
    let is_there = OnConflict::column(pruned::Column::ChainId)
        .do_nothing()
        .to_owned();
    pruned::Entity::insert_many([none])
        .on_conflict(is_there)
        .exec_without_returning(connection)
        .await?;
    let row = pruned::Entity::find_by_id(chain.0)
        .lock_exclusive()
        .one(connection)
        .await?;
    row.map_or(Ok(Pruned::NONE), |row| pruned_of_row(&row))
}

async fn write(
    connection: &impl ConnectionTrait,
    chain: ChainId,
    pruned: Pruned,
) -> Result<(), AuditError> {
    let millis = |time: Timestamp| Expr::value(time.as_millis());
    pruned::Entity::update_many()
        .col_expr(pruned::Column::Sequence, signed(pruned.sequence)?.into())
        .col_expr(pruned::Column::Hash, pruned.hash.to_vec().into())
        .col_expr(pruned::Column::FirstTime, millis(pruned.first_time))
        .col_expr(pruned::Column::LastTime, millis(pruned.last_time))
        .col_expr(pruned::Column::RecordTime, millis(now()))
        .filter(pruned::Column::ChainId.eq(chain.0))
        .exec(connection)
        .await?;
    Ok(())
}

/// Records anew what was removed where the entry that says so is old: it may be removed next.
async fn renew(log: &AuditLog, before: Timestamp) -> Result<(), AuditError> {
    let mut after = Uuid::nil();
    loop {
        let transaction = log.database().begin_write().await?;
        let rows = pruned::Entity::find()
            .filter(pruned::Column::ChainId.gt(after))
            .filter(pruned::Column::RecordTime.lt(before.as_millis()))
            .order_by_asc(pruned::Column::ChainId)
            .limit(limits::ROWS_AT_ONCE)
            .lock_exclusive()
            .all(&transaction)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(transaction.rollback().await?);
        };
        after = last.chain_id;
        pruned::Entity::update_many()
            .col_expr(pruned::Column::RecordTime, now().as_millis().into())
            .filter(pruned::Column::ChainId.is_in(rows.iter().map(|row| row.chain_id)))
            .exec(&transaction)
            .await?;
        let acts = rows.iter().map(|row| {
            let pruned = pruned_of_row(row)?;
            Ok(Act::done(PRUNE, pruned.object(ChainId(row.chain_id))))
        });
        let acts = acts.collect::<Result<_, AuditError>>()?;
        operation::record(log, &transaction, acts).await?;
        transaction.commit().await?;
    }
}

/// Returns what was removed from a chain; `None` for nothing.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    chain: ChainId,
) -> Result<Option<Pruned>, AuditError> {
    let row = pruned::Entity::find_by_id(chain.0).one(connection).await?;
    row.map(|row| pruned_of_row(&row)).transpose()
}

fn pruned_of_row(row: &pruned::Model) -> Result<Pruned, AuditError> {
    let damaged = || AuditError::Damaged("what was pruned from a chain".to_owned());
    Ok(Pruned {
        sequence: u64::try_from(row.sequence).map_err(|_| damaged())?,
        hash: Hash::try_from(row.hash.as_slice()).map_err(|_| damaged())?,
        first_time: Timestamp::from_millis(row.first_time),
        last_time: Timestamp::from_millis(row.last_time),
    })
}

#[cfg(test)]
mod tests;

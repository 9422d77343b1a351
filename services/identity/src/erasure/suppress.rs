//! Suppression: events with an identifier are dropped until that is taken back. The hash of the
//! identifier is all that is kept for it.

use std::collections::BTreeSet;

use audit::{Act, Operation};
use identity_core::Identifier;
use kernel::{CustomerId, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};
use storage::Database;
use uuid::Uuid;
use vault::Vault;

use super::erase::{EraseError, bury, put};
use super::key::{find_key, make_key};
use super::people;
use super::tables::tombstone;
use super::tombstones::begin_change;

/// Suppresses identifiers, with all others of the customers who are known by them. Returns how many
/// these are.
///
/// # Errors
/// [`EraseError`]; nothing was changed then.
pub(crate) async fn suppress(
    database: &Database,
    vault: Option<&Vault>,
    identifiers: &[Identifier],
    now: Timestamp,
) -> Result<usize, EraseError> {
    let transaction = database.begin_write().await?;
    let work = async {
        let version = begin_change(&transaction).await?;
        let all = all_of_them(&transaction, identifiers).await?;
        let key = make_key(&transaction, vault, now).await?;
        bury(&transaction, &key, &all.0, (None, Some(now)), version).await?;
        record(&transaction, "identity.suppress", &all.1).await?;
        Ok(all.0.len())
    };
    finish(work.await, transaction).await
}

/// Lets identifiers be processed again, with all others of the customers who are known by them.
/// Returns how many were suppressed.
///
/// # Errors
/// [`EraseError`]; nothing was changed then.
pub(crate) async fn unsuppress(
    database: &Database,
    vault: Option<&Vault>,
    identifiers: &[Identifier],
) -> Result<usize, EraseError> {
    let transaction = database.begin_write().await?;
    let work = async {
        let version = begin_change(&transaction).await?;
        let Some(key) = find_key(&transaction, vault).await? else {
            return Ok(0);
        };
        let all = all_of_them(&transaction, identifiers).await?;
        let hashes = all.0.iter().map(|it| key.hash(it).to_vec());
        let rows = tombstone::Entity::find()
            .filter(tombstone::Column::Hash.is_in(hashes))
            .filter(tombstone::Column::SuppressTime.is_not_null())
            .all(&transaction)
            .await?;
        let rows = rows.into_iter().map(|row| tombstone::ActiveModel {
            hash: Set(row.hash),
            erase_time: Set(row.erase_time),
            suppress_time: Set(None),
            version: Set(version),
        });
        let rows: Vec<_> = rows.collect();
        let count = rows.len();
        put(&transaction, rows).await?;
        record(&transaction, "identity.unsuppress", &all.1).await?;
        Ok(count)
    };
    finish(work.await, transaction).await
}

async fn finish(
    done: Result<usize, EraseError>,
    transaction: DatabaseTransaction,
) -> Result<usize, EraseError> {
    match done {
        Ok(count) => {
            transaction.commit().await?;
            Ok(count)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// The identifiers, with all others of the customers who have one of them, and these customers.
async fn all_of_them(
    transaction: &DatabaseTransaction,
    identifiers: &[Identifier],
) -> Result<(BTreeSet<Identifier>, Vec<Uuid>), EraseError> {
    let mut holders = Vec::new();
    for identifier in identifiers {
        holders.extend(people::holder(transaction, identifier).await?);
    }
    let roots = people::roots(transaction, &holders).await?;
    let roots: BTreeSet<Uuid> = roots.into_iter().map(|(_, root)| root).collect();
    let roots: Vec<Uuid> = roots.into_iter().collect();
    let fragments = people::fragments(transaction, &roots).await?;
    let fragments: Vec<Uuid> = fragments
        .into_iter()
        .map(|(fragment, _)| fragment)
        .collect();
    let mut all = people::identifiers(transaction, &fragments).await?;
    let kept = people::held_by_others(transaction, &all, &fragments).await?;
    all.retain(|it| !kept.contains(it));
    all.extend(identifiers.iter().cloned());
    Ok((all, roots))
}

async fn record(
    transaction: &DatabaseTransaction,
    action: &'static str,
    customers: &[Uuid],
) -> Result<(), EraseError> {
    let Some(call) = Operation::current() else {
        return Ok(());
    };
    let act = Act::done(action, format!("{} customers", customers.len()));
    let mut acts = vec![act.clone()];
    if !customers.is_empty() {
        let customers = customers.iter().copied().map(CustomerId::new);
        acts = customers.map(|it| act.clone().of(it)).collect();
    }
    call.record(transaction, acts).await?;
    Ok(())
}

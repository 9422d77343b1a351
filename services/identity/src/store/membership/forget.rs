//! Deletes the memberships, and the places in buying groups, of whoever is erased.

use std::collections::BTreeMap;

use kernel::FragmentId;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
};
use uuid::Uuid;

use super::Moment;
use super::rows::{Row, columns, joined, read};
use crate::limits::{
    ANNOUNCE_AFTER, LOOKUP_IDENTIFIERS, MEMBERSHIPS_FORGOTTEN, MEMBERSHIPS_TOLD_LIVE,
};
use crate::store::IdentityStore;
use crate::store::account::tally;
use crate::store::account_news::owe::{Owed, owe};
use crate::store::entity::{
    account_tally, buying_group, buying_group_member, buying_group_slot, membership,
};

pub(super) async fn forget(
    store: &IdentityStore,
    fragments: &[FragmentId],
    now: Moment,
) -> Result<bool, DbErr> {
    for chunk in fragments.chunks(LOOKUP_IDENTIFIERS) {
        let ids: Vec<Uuid> = chunk.iter().map(|it| it.uuid()).collect();
        let transaction = store.database.begin_write().await?;
        let rows = read_some(&transaction, &ids).await?;
        let groups = read_groups(&transaction, &ids).await?;
        delete(&transaction, store, &rows, now).await?;
        delete_groups(&transaction, &groups).await?;
        let is_full = [rows.len(), groups.len()].map(|it| it as u64 >= MEMBERSHIPS_FORGOTTEN);
        if is_full == [false, false] {
            delete_last(&transaction, &ids).await?;
        }
        transaction.commit().await?;
        if is_full != [false, false] {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn read_some(connection: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<Row>, DbErr> {
    let column = |it| Expr::col((membership::Entity, it));
    let is_own = Condition::any()
        .add(column(membership::Column::CustomerFragmentId).is_in(ids.iter().copied()))
        .add(column(membership::Column::AccountFragmentId).is_in(ids.iter().copied()));
    let mut select = joined();
    columns(&mut select);
    select.cond_where(is_own).limit(MEMBERSHIPS_FORGOTTEN);
    let rows = connection.query_all(&select).await?;
    rows.iter().map(read).collect()
}

async fn delete(
    transaction: &DatabaseTransaction,
    store: &IdentityStore,
    rows: &[Row],
    now: Moment,
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    membership::Entity::delete_many()
        .filter(membership::Column::MembershipId.is_in(rows.iter().map(|row| row.id)))
        .exec(transaction)
        .await?;
    let mut removed: BTreeMap<FragmentId, i64> = BTreeMap::new();
    for row in rows {
        *removed.entry(row.fragments.1).or_default() -= 1;
    }
    tally(transaction, &removed).await?;
    let is_bulk = rows.len() as u64 > MEMBERSHIPS_TOLD_LIVE;
    let owed = rows.iter().map(|row| Owed {
        pair: row.pair(),
        due: now.at,
        is_bulk,
    });
    // Due at once: there is no caller who tells it.
    let unclaimed = now.own - ANNOUNCE_AFTER;
    owe(
        transaction,
        store.chance.as_ref(),
        owed.collect(),
        unclaimed,
    )
    .await
}

async fn read_groups(connection: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    let own = buying_group::Column::AccountFragmentId.is_in(ids.iter().copied());
    let rows = buying_group::Entity::find().filter(own);
    let rows = rows.limit(MEMBERSHIPS_FORGOTTEN).all(connection).await?;
    Ok(rows.into_iter().map(|row| row.buying_group_id).collect())
}

/// Deletes buying groups with all that is in them.
pub(in crate::store) async fn delete_groups(
    transaction: &DatabaseTransaction,
    groups: &[Uuid],
) -> Result<(), DbErr> {
    if groups.is_empty() {
        return Ok(());
    }
    let ids = || groups.iter().copied();
    buying_group_member::Entity::delete_many()
        .filter(buying_group_member::Column::BuyingGroupId.is_in(ids()))
        .exec(transaction)
        .await?;
    buying_group_slot::Entity::delete_many()
        .filter(buying_group_slot::Column::BuyingGroupId.is_in(ids()))
        .exec(transaction)
        .await?;
    buying_group::Entity::delete_many()
        .filter(buying_group::Column::BuyingGroupId.is_in(ids()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Deletes the places of customers in buying groups, and the numbers of accounts.
async fn delete_last(transaction: &DatabaseTransaction, ids: &[Uuid]) -> Result<(), DbErr> {
    buying_group_member::Entity::delete_many()
        .filter(buying_group_member::Column::CustomerFragmentId.is_in(ids.iter().copied()))
        .exec(transaction)
        .await?;
    account_tally::Entity::delete_many()
        .filter(account_tally::Column::FragmentId.is_in(ids.iter().copied()))
        .exec(transaction)
        .await?;
    Ok(())
}

//! Buying groups: the people of an account who decide on one opportunity.
//!
//! A group names fragments, as memberships do. Who fills a place is read from the memberships that
//! hold at the time asked for.

mod read;

use std::collections::BTreeSet;

use audit::{Act, Operation};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder,
};
use uuid::Uuid;

use super::account::{living, lock_roots, roots, settle};
use super::entity::{buying_group, buying_group_member, buying_group_slot};
use super::membership::delete_groups;
use super::membership::rows::{of_customers, pairs_at};
use super::operation::fragments_of;
use super::{AccountError, IdentityStore, damaged};
use crate::limits::{BUYING_GROUPS_OF_ACCOUNT, RESOLVE_ATTEMPTS};

/// A role that a buying group needs people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<Id> {
    /// The role.
    pub role: String,
    /// The number of people that it needs; 0 for a role that does not count.
    pub required_count: u32,
    /// The customers who fill it.
    pub customers: Vec<Id>,
}

/// A buying group, as people ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuyingGroupRecord {
    /// Its id.
    pub id: Uuid,
    /// The account, by canonical id.
    pub account: CustomerId,
    /// The opportunity.
    pub opportunity: String,
    /// The roles in their order, each with those who fill it and are members of the account at the
    /// time asked for.
    pub slots: Vec<Slot<CustomerId>>,
    /// The share of required places that are filled, 0 to 1; 1 where nothing is required.
    pub completeness: f64,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was replaced last.
    pub update_time: Timestamp,
}

/// A buying group to write.
#[derive(Debug, Clone, Copy)]
struct Put<'a> {
    account: FragmentId,
    opportunity: &'a str,
    slots: &'a [Slot<FragmentId>],
    now: Timestamp,
}

impl IdentityStore {
    /// Makes or replaces the buying group of an account, given by any of its fragments, for an
    /// opportunity. Returns it, and true where there was none.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn put_buying_group(
        &self,
        account: FragmentId,
        opportunity: &str,
        slots: &[Slot<FragmentId>],
        now: Timestamp,
    ) -> Result<(BuyingGroupRecord, bool), AccountError> {
        let put = Put {
            account,
            opportunity,
            slots,
            now,
        };
        for _ in 0..RESOLVE_ATTEMPTS {
            let transaction = self.database.begin_write().await?;
            let written = self.write_group(&transaction, put).await;
            if let Some(written) = settle(transaction, written).await? {
                return Ok(written);
            }
        }
        Err(AccountError::Raced)
    }

    /// Returns a buying group, as complete as it is at a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn buying_group(
        &self,
        id: Uuid,
        at: Timestamp,
    ) -> Result<Option<BuyingGroupRecord>, DbErr> {
        let connection = self.database.orm();
        let row = buying_group::Entity::find_by_id(id).one(connection).await?;
        let found = read::complete(connection, row.into_iter().collect(), at).await?;
        Ok(found.into_iter().next())
    }

    /// Lists up to `limit` buying groups by id after one; of an account, if its canonical id is
    /// given.
    ///
    /// # Errors
    /// As the database says.
    pub async fn buying_groups(
        &self,
        account: Option<CustomerId>,
        at: Timestamp,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<BuyingGroupRecord>, DbErr> {
        let connection = self.database.orm();
        read::list(connection, account, at, (after, limit)).await
    }

    /// Deletes a buying group. Returns whether there was one.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn delete_buying_group(&self, id: Uuid) -> Result<bool, AccountError> {
        let transaction = self.database.begin_write().await?;
        let row = buying_group::Entity::find_by_id(id)
            .one(&transaction)
            .await?;
        let Some(row) = row else {
            transaction.rollback().await?;
            return Ok(false);
        };
        delete_groups(&transaction, &[id]).await?;
        let account = FragmentId::new(row.account_fragment_id);
        let root = roots(&transaction, &[account]).await?.remove(&account);
        let of = root.unwrap_or_else(|| account.into());
        match record(&transaction, "identity.delete_buying_group", (id, of)).await {
            Ok(()) => transaction.commit().await?,
            Err(error) => {
                transaction.rollback().await?;
                return Err(error);
            }
        }
        Ok(true)
    }

    async fn write_group(
        &self,
        transaction: &DatabaseTransaction,
        put: Put<'_>,
    ) -> Result<Option<(BuyingGroupRecord, bool)>, AccountError> {
        let Some(locked) = lock_roots(transaction, &[put.account]).await? else {
            return Ok(None);
        };
        let account = *locked.get(&put.account).ok_or(AccountError::NoAccount)?;
        check_members(transaction, account, put).await?;
        let own = || {
            let own = buying_group::Column::AccountFragmentId.in_subquery(fragments_of(account));
            buying_group::Entity::find().filter(own)
        };
        // Of merged accounts each may have one for the opportunity: that of the one who gave the id
        // is replaced, or else the first one.
        let there = own()
            .filter(buying_group::Column::Opportunity.eq(put.opportunity))
            .order_by_asc(buying_group::Column::BuyingGroupId)
            .all(transaction)
            .await?;
        let is_other = |row: &buying_group::Model| row.account_fragment_id != account.uuid();
        let there = there
            .into_iter()
            .min_by_key(|row| (is_other(row), row.buying_group_id));
        let is_new = there.is_none();
        if is_new && own().count(transaction).await? >= BUYING_GROUPS_OF_ACCOUNT {
            return Err(AccountError::TooManyGroups);
        }
        let id = there.map_or_else(|| self.chance.merge(), |row| row.buying_group_id);
        match is_new {
            true => insert_group(transaction, id, put).await?,
            false => clear_group(transaction, id, put.now).await?,
        }
        insert_slots(transaction, id, put.slots).await?;
        let row = buying_group::Entity::find_by_id(id)
            .one(transaction)
            .await?;
        let written = read::complete(transaction, row.into_iter().collect(), put.now).await?;
        let written = written.into_iter().next().ok_or(AccountError::NotFound)?;
        record(transaction, "identity.put_buying_group", (id, account)).await?;
        Ok(Some((written, is_new)))
    }
}

/// Refuses somebody in a slot who is no member of the account.
async fn check_members(
    transaction: &DatabaseTransaction,
    account: CustomerId,
    put: Put<'_>,
) -> Result<(), AccountError> {
    let named: Vec<FragmentId> = put
        .slots
        .iter()
        .flat_map(|slot| slot.customers.iter().copied())
        .collect();
    let roots = roots(transaction, &named).await?;
    let customers: BTreeSet<CustomerId> = roots.values().copied().collect();
    let customers = living(transaction, customers).await?;
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    let rows = of_customers(transaction, &customers).await?;
    let pairs = pairs_at(&rows, put.now).into_keys();
    let members: BTreeSet<CustomerId> = pairs
        .filter(|pair| pair.1 == account)
        .map(|pair| pair.0)
        .collect();
    for (slot, it) in put.slots.iter().enumerate() {
        for (customer, fragment) in it.customers.iter().enumerate() {
            let root = roots.get(fragment);
            if root.is_none_or(|root| !members.contains(root)) {
                return Err(AccountError::NotMember { slot, customer });
            }
        }
    }
    Ok(())
}

async fn insert_group(
    transaction: &DatabaseTransaction,
    id: Uuid,
    put: Put<'_>,
) -> Result<(), DbErr> {
    let mut insert = Query::insert();
    insert
        .into_table(buying_group::Entity)
        .columns([
            buying_group::Column::BuyingGroupId,
            buying_group::Column::AccountFragmentId,
            buying_group::Column::Opportunity,
            buying_group::Column::CreateTime,
            buying_group::Column::UpdateTime,
        ])
        .values_panic([
            id.into(),
            put.account.uuid().into(),
            put.opportunity.into(),
            put.now.as_millis().into(),
            put.now.as_millis().into(),
        ]);
    transaction.execute(&insert).await?;
    Ok(())
}

/// Empties a group that is there, to be written anew.
async fn clear_group(
    transaction: &DatabaseTransaction,
    id: Uuid,
    now: Timestamp,
) -> Result<(), DbErr> {
    buying_group_member::Entity::delete_many()
        .filter(buying_group_member::Column::BuyingGroupId.eq(id))
        .exec(transaction)
        .await?;
    buying_group_slot::Entity::delete_many()
        .filter(buying_group_slot::Column::BuyingGroupId.eq(id))
        .exec(transaction)
        .await?;
    buying_group::Entity::update_many()
        .col_expr(buying_group::Column::UpdateTime, Expr::val(now.as_millis()))
        .filter(buying_group::Column::BuyingGroupId.eq(id))
        .exec(transaction)
        .await?;
    Ok(())
}

async fn insert_slots(
    transaction: &DatabaseTransaction,
    id: Uuid,
    slots: &[Slot<FragmentId>],
) -> Result<(), DbErr> {
    for (at, slot) in slots.iter().enumerate() {
        let mut insert = Query::insert();
        insert
            .into_table(buying_group_slot::Entity)
            .columns([
                buying_group_slot::Column::BuyingGroupId,
                buying_group_slot::Column::Place,
                buying_group_slot::Column::Role,
                buying_group_slot::Column::RequiredCount,
            ])
            .values_panic([
                id.into(),
                place(at)?.into(),
                slot.role.as_str().into(),
                i16::try_from(slot.required_count)
                    .unwrap_or(i16::MAX)
                    .into(),
            ]);
        transaction.execute(&insert).await?;
        if slot.customers.is_empty() {
            continue;
        }
        let mut insert = Query::insert();
        insert.into_table(buying_group_member::Entity).columns([
            buying_group_member::Column::BuyingGroupId,
            buying_group_member::Column::SlotPlace,
            buying_group_member::Column::Place,
            buying_group_member::Column::CustomerFragmentId,
        ]);
        for (number, customer) in slot.customers.iter().enumerate() {
            insert.values_panic([
                id.into(),
                place(at)?.into(),
                place(number)?.into(),
                customer.uuid().into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

fn place(number: usize) -> Result<i16, DbErr> {
    i16::try_from(number).map_err(|_| damaged("the place of a slot"))
}

async fn record(
    transaction: &DatabaseTransaction,
    action: &'static str,
    (id, account): (Uuid, CustomerId),
) -> Result<(), AccountError> {
    if let Some(operation) = Operation::current() {
        let act = Act::done(action, id.to_string()).of(account);
        operation.record(transaction, vec![act]).await?;
    }
    Ok(())
}
